# Versioned partitioned tables: on a standby and after its promotion; through pg_dump and pg_restore, into a younger cluster;
# in a session that did not preload the library; with writers beside ATTACH and DETACH.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "shared_preload_libraries = 'medallion'\nmax_worker_processes = 12");
$primary->start;
# Makes the ids of this cluster greater than those of the younger one.
$primary->safe_psql('postgres', 'DO $$ BEGIN FOR i IN 1..2000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$');
$primary->safe_psql('postgres', q{
	CREATE EXTENSION medallion;
	CREATE TABLE silver.p (id int, day int, v text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
	CREATE TABLE silver.p1 PARTITION OF silver.p FOR VALUES FROM (0) TO (10);
	CREATE TABLE silver.p2 (v text, gone int, day int NOT NULL, id int NOT NULL);
	ALTER TABLE silver.p2 DROP gone;
	INSERT INTO silver.p SELECT i, i % 10, 'old' FROM generate_series(1, 20) i;
	INSERT INTO silver.p2 SELECT 'brought', 10 + i % 10, i FROM generate_series(21, 40) i;
	SELECT medallion.enable_versioning('silver.p')});
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
my $first = $primary->safe_psql('postgres', 'SELECT max(version) FROM medallion.commits');
$primary->safe_psql('postgres', $_) for
	"UPDATE silver.p SET v = 'new' WHERE id IN (1, 2)",
	"INSERT INTO silver.p VALUES (41, 1, 'inserted')",
	"BEGIN; UPDATE silver.p SET v = 'with' WHERE id = 3; ALTER TABLE silver.p ATTACH PARTITION silver.p2 FOR VALUES FROM (10) TO (20); COMMIT",
	"UPDATE silver.p SET v = 'brought and changed' WHERE id IN (21, 22)",
	"INSERT INTO silver.p VALUES (42, 11, 'inserted')",
	"UPDATE silver.p SET day = day - 10 WHERE id = 23",
	"CREATE TABLE silver.p3 PARTITION OF silver.p FOR VALUES FROM (20) TO (30); INSERT INTO silver.p SELECT i, 20 + i % 10, 'third' FROM generate_series(51, 60) i",
	"DELETE FROM silver.p WHERE id = 24",
	"TRUNCATE silver.p3",
	"INSERT INTO silver.p SELECT i, 20 + i % 10, repeat(md5(i::text), 300) FROM generate_series(61, 70) i",
	"ALTER TABLE silver.p DETACH PARTITION silver.p1",
	"DROP TABLE silver.p3",
	"UPDATE silver.p2 SET v = 'last' WHERE id = 30";
my $last = $primary->safe_psql('postgres', 'SELECT max(version) FROM medallion.commits');
is($last - $first, 13, 'each was a commit');

# Every version, of the root and of a partition, and the change feed.
sub states
{
	my ($node, $database) = @_;
	return $node->safe_psql($database, join ';', (map {
		my $v = $_;
		map { "SELECT $v, '$_', count(*), md5(coalesce(string_agg(ROW(id, day, v)::text, ' ' ORDER BY id, day), '')) FROM medallion.as_of(NULL::silver.$_, version => $v) t" } qw(p p2)
	} $first .. $last), "SELECT _change_type, _commit_version, md5(row_data::text) FROM medallion.changes(NULL::silver.p, $first, $last)");
}
my $states = states($primary, 'postgres');
my @count = map { /\|p\|(\d+)/ ? $1 : () } split /\n/, $states;
is("@count", '20 20 21 41 41 42 42 52 51 41 51 29 19 19', 'rows of each version');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
is(states($standby, 'postgres'), $states, 'a standby answers the same');
is($standby->safe_psql('postgres', q{SELECT count(*), sum(inserted), sum(deleted) FROM medallion.history('silver.p')}),
	$primary->safe_psql('postgres', q{SELECT count(*), sum(inserted), sum(deleted) FROM medallion.history('silver.p')}), 'and so does history');
$primary->safe_psql('postgres', 'VACUUM (FREEZE) silver.p');
is(states($primary, 'postgres'), $states, 'frozen');
$primary->safe_psql('postgres', 'VACUUM FULL silver.p');
is(states($primary, 'postgres'), $states, 'rewritten');

# Dump and restore.
my $dump = $primary->data_dir . '/../partitions.dump';
$primary->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $primary->connstr('postgres') ], 'pg_dump');
my $younger = PostgreSQL::Test::Cluster->new('younger');
$younger->init;
$younger->append_conf('postgresql.conf', "shared_preload_libraries = 'medallion'");
$younger->start;
$_->safe_psql('postgres', 'CREATE DATABASE beside') for $primary, $younger;
for my $node ($primary, $younger)
{
	my $name = $node->name;
	$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('beside'), $dump ], "$name: pg_restore");
	is($node->safe_psql('beside', q{SELECT string_agg(DISTINCT tgenabled::text, ''), count(*) FROM pg_trigger WHERE tgname LIKE 'medallion_capture%'}), 'A|8', "$name: the triggers");
	is($node->safe_psql('beside', 'SELECT medallion.adopt_history()'), '1', "$name: one table is adopted");
	is(states($node, 'beside'), $states, "$name: every version reads as it did");
	my $adopted = $node->safe_psql('beside', 'SELECT max(version) FROM medallion.commits');
	is($node->safe_psql('beside', "SELECT count(*) FROM medallion.changes(NULL::silver.p, $adopted, $adopted)"), '0', "$name: adoption changes nothing");
	$node->safe_psql('beside', "UPDATE silver.p SET v = 'after' WHERE id = 25; DELETE FROM silver.p WHERE id = 42; INSERT INTO silver.p VALUES (80, 15, 'after')");
	is(states($node, 'beside'), $states, "$name: still after new commits");
	is($node->safe_psql('beside', 'SELECT _change_type, _commit_version - ' . $adopted . ', (row_data).id FROM medallion.changes(NULL::silver.p, ' . ($adopted + 1) . ')'),
		"update_preimage|1|25\nupdate_postimage|1|25\ndelete|2|42\ninsert|3|80", "$name: new commits in the feed");
	$node->safe_psql('beside', 'ALTER TABLE silver.p DETACH PARTITION silver.p2');
	is($node->safe_psql('beside', 'SELECT count(*) FROM medallion.as_of(NULL::silver.p, version => (SELECT max(version) - 1 FROM medallion.commits))'), '19', "$name: detached after the restore");
}

# Promotion.
$standby->promote;
is(states($standby, 'postgres'), $states, 'promoted');
$standby->safe_psql('postgres', "CREATE TABLE silver.p4 (LIKE silver.p); INSERT INTO silver.p4 VALUES (90, 40, 'x')");
$standby->safe_psql('postgres', 'ALTER TABLE silver.p ATTACH PARTITION silver.p4 FOR VALUES FROM (40) TO (50)');
is($standby->safe_psql('postgres', 'SELECT max(version) - ' . $last . ' FROM medallion.commits'), '1', 'numbers go on');
is(states($standby, 'postgres'), $states, 'what is attached then is in no version of before');
$standby->stop;
$younger->stop;

# Without preloading the library: the first statement of a session is a DROP, a DETACH, a TRUNCATE.
$primary->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$primary->restart;
$primary->safe_psql('postgres', q{
	CREATE TABLE silver.q (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
	CREATE TABLE silver.q1 PARTITION OF silver.q FOR VALUES FROM (0) TO (10);
	CREATE TABLE silver.q2 PARTITION OF silver.q FOR VALUES FROM (10) TO (20);
	CREATE TABLE silver.q3 PARTITION OF silver.q FOR VALUES FROM (20) TO (30);
	SELECT medallion.enable_versioning('silver.q')});
$primary->safe_psql('postgres', "INSERT INTO silver.q SELECT i, repeat(md5(i::text), 300) FROM generate_series(0, 29) i");
my $q = $primary->safe_psql('postgres', 'SELECT max(version) FROM medallion.commits');
my $full = $primary->safe_psql('postgres', 'SELECT md5(string_agg(q::text, NULL ORDER BY id)) FROM silver.q');
$primary->safe_psql('postgres', $_) for 'DROP TABLE silver.q1', 'ALTER TABLE silver.q DETACH PARTITION silver.q2', 'TRUNCATE silver.q3';
is($primary->safe_psql('postgres', "SELECT md5(string_agg(q::text, NULL ORDER BY id)) FROM medallion.as_of(NULL::silver.q, version => $q) q"), $full, 'not preloaded: drop, detach, truncate');
is($primary->safe_psql('postgres', "SELECT string_agg(operation || deleted, ' ' ORDER BY version) FROM medallion.history('silver.q') WHERE version > $q"), 'drop10 detach10 truncate10', 'not preloaded: each is a commit');
$primary->append_conf('postgresql.conf', "shared_preload_libraries = 'medallion'");
$primary->restart;

# Writers while partitions are attached and detached: what a version says never changes, and the last one is the table.
$primary->safe_psql('postgres', q{
	CREATE TABLE silver.w (id int, part int, v int, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
	CREATE TABLE silver.w0 PARTITION OF silver.w FOR VALUES IN (0);
	CREATE TABLE silver.w1 PARTITION OF silver.w FOR VALUES IN (1);
	CREATE TABLE silver.w2 (id int NOT NULL, part int NOT NULL, v int);
	SELECT medallion.enable_versioning('silver.w');
	INSERT INTO silver.w SELECT i, i % 2, 0 FROM generate_series(1, 200) i;
	INSERT INTO silver.w2 SELECT i, 2, 0 FROM generate_series(1, 100) i;
	CREATE TABLE seen (version bigint, sum text)});
my $script = $primary->data_dir . '/../writers.sql';
append_to_file($script, q{\set id random(1, 200)
\set step random(1, 3)
UPDATE silver.w SET v = v + 1 WHERE id = :id;
UPDATE silver.w SET part = 1 - part WHERE id = :id + 1 AND part < 2;
INSERT INTO silver.w SELECT 1000 + :id, :step % 2, 0 ON CONFLICT (id, part) DO UPDATE SET v = silver.w.v + 1;
});
my $sum = 'SELECT md5(coalesce(string_agg(w::text, NULL ORDER BY id, part), \'\'))';
my $seen = 0;
for (1 .. 20)
{
	my $writers = IPC::Run::start([ 'pgbench', '-n', '-c', 4, '-T', 8, '-f', $script, '--max-tries=100', '-d', $primary->connstr('postgres') ], '>', \my $pgbench, '2>&1');
	my $end = time + 7;
	while (time < $end)
	{
		for my $ddl ('ALTER TABLE silver.w ATTACH PARTITION silver.w2 FOR VALUES IN (2)', 'ALTER TABLE silver.w DETACH PARTITION silver.w2')
		{
			my ($status) = $primary->psql('postgres', "SET lock_timeout = '2s'; $ddl");
			next if $status != 0;
			my $now = $primary->safe_psql('postgres', 'SELECT max(version) FROM medallion.commits');
			$primary->safe_psql('postgres', "INSERT INTO seen SELECT $now, (SELECT md5(coalesce(string_agg(w::text, NULL ORDER BY id, part), '')) FROM medallion.as_of(NULL::silver.w, version => $now) w)");
		}
	}
	$writers->finish;
	like($pgbench, qr/number of transactions actually processed/, 'writers');
	last if ($seen = $primary->safe_psql('postgres', 'SELECT count(*) FROM seen')) > 4;
}
cmp_ok($seen, '>', 4, "partitions came and went $seen times beside them");
is($primary->safe_psql('postgres', q{DO $$DECLARE s record; again text; BEGIN
	FOR s IN SELECT * FROM seen LOOP
		SELECT md5(coalesce(string_agg(w::text, NULL ORDER BY id, part), '')) INTO again FROM medallion.as_of(NULL::silver.w, version => s.version) w;
		IF again <> s.sum THEN RAISE EXCEPTION 'version % has changed', s.version; END IF;
	END LOOP; END$$; SELECT 'same'}), 'same', 'what was asked then reads the same');
is($primary->safe_psql('postgres', "$sum FROM medallion.as_of(NULL::silver.w, version => (SELECT max(version) FROM medallion.commits)) w"),
	$primary->safe_psql('postgres', "$sum FROM silver.w"), 'the last version is the table');
is($primary->safe_psql('postgres', q{
	WITH first AS (SELECT version FROM medallion.history('silver.w') WHERE operation = 'enable'),
	made AS (SELECT r FROM (
		SELECT row_data::text AS r, CASE WHEN _change_type IN ('insert', 'update_postimage') THEN 1 ELSE -1 END AS n
		FROM medallion.changes(NULL::silver.w, (SELECT version FROM first))) c GROUP BY r HAVING sum(n) > 0)
	SELECT count(*) FROM (SELECT r FROM made EXCEPT SELECT w::text FROM silver.w) x}), '0', 'the feed from the beginning makes the table');
$primary->stop;
done_testing();
