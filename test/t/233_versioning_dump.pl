# History goes through pg_dump and pg_restore, into another database and into a younger cluster: every version reads as it
# did, and versions go on from there.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $source = PostgreSQL::Test::Cluster->new('source');
$source->init;
$source->append_conf('postgresql.conf', "shared_preload_libraries = 'medallion'");
$source->start;
# Makes the ids of the source cluster greater than those of the younger one.
$source->safe_psql('postgres', 'DO $$ BEGIN FOR i IN 1..2000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$');
$source->safe_psql('postgres', q{
	CREATE EXTENSION medallion;
	CREATE TABLE silver.a (id int PRIMARY KEY, v text);
	CREATE TABLE silver.b ("Key one" text, k2 date, n numeric, PRIMARY KEY ("Key one", k2));
	INSERT INTO silver.a VALUES (100, 'before versioning');
	SELECT medallion.enable_versioning('silver.a');
	SELECT medallion.enable_versioning('silver.b');
	INSERT INTO silver.a SELECT i, 'x' FROM generate_series(1, 10) i;
	INSERT INTO silver.b SELECT 'it''s, "' || i, '2026-01-01'::date + i, i FROM generate_series(1, 10) i;
	UPDATE silver.a SET v = 'y' WHERE id % 2 = 0;
	DO $$ BEGIN
		FOR i IN 1..5 LOOP
			BEGIN UPDATE silver.a SET v = v || i WHERE id = i; EXCEPTION WHEN division_by_zero THEN NULL; END;
		END LOOP;
	END $$;
	DELETE FROM silver.a WHERE id = 3;
	BEGIN; UPDATE silver.b SET n = n + 1; UPDATE silver.a SET v = 'both' WHERE id = 7; COMMIT;
});

sub states
{
	my ($node, $database, $from, $to) = @_;
	return join "\n", map {
		my $v = $_;
		map { $node->safe_psql($database, "SELECT $v, '$_', count(*), md5(coalesce(string_agg(t::text, ' ' ORDER BY t::text), '')) "
			. "FROM medallion.as_of(NULL::silver.$_, version => $v) t") } qw(a b)
	} $from .. $to;
}

my $last = $source->safe_psql('postgres', 'SELECT max(version) FROM medallion.commits');
my $before = states($source, 'postgres', 2, $last);
my $feed = 'SELECT _change_type, _commit_version, row_data FROM medallion.changes(NULL::silver.a, 2, %s)';
my $changes = $source->safe_psql('postgres', sprintf $feed, $last);
my $dump = $source->data_dir . '/../source.dump';
$source->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $source->connstr('postgres') ], 'pg_dump');
is($source->safe_psql('postgres', 'SELECT count(*) FROM medallion._births'), '0', 'dumping leaves nothing behind');

my $younger = PostgreSQL::Test::Cluster->new('younger');
$younger->init;
$younger->append_conf('postgresql.conf', "shared_preload_libraries = 'medallion'");
$younger->start;
$source->safe_psql('postgres', 'CREATE DATABASE beside');
$younger->safe_psql('postgres', 'CREATE DATABASE beside');

for my $node ($source, $younger)
{
	my $name = $node->name;
	$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('beside'), $dump ], "$name: pg_restore");
	my ($rc, $out, $err) = $node->psql('beside', "INSERT INTO silver.a VALUES (55, 'too early')");
	like($err, qr/restored from a dump and has not been adopted yet/, "$name: nothing is written before the history is adopted");
	($rc, $out, $err) = $node->psql('beside', "SELECT * FROM medallion.as_of(NULL::silver.a, version => 3)");
	like($err, qr/restored from a dump and has not been adopted yet/, "$name: nor read");
	is($node->safe_psql('beside', 'SELECT medallion.adopt_history()'), '2', "$name: adopted");
	is($node->safe_psql('beside', 'SELECT medallion.adopt_history()'), '0', "$name: once");
	is(states($node, 'beside', 2, $last), $before, "$name: every version reads as it did");
	is($node->safe_psql('beside', sprintf $feed, $last), $changes, "$name: and so does the change feed");
	my $adopted = $node->safe_psql('beside', 'SELECT max(version) FROM medallion.commits');
	cmp_ok($adopted, '>', $last, "$name: the adoption is a version");
	is($node->safe_psql('beside', sprintf 'SELECT count(*) FROM medallion.changes(NULL::silver.a, %s, %s)', $adopted, $adopted), '0',
		"$name: that changes nothing");
	$node->safe_psql('beside', "INSERT INTO silver.a VALUES (56, 'new'); UPDATE silver.a SET v = 'newer' WHERE id = 1");
	is($node->safe_psql('beside', "SELECT string_agg(_change_type || ' ' || row_data::text, ', ') FROM medallion.changes(NULL::silver.a, $adopted)"),
		'insert (56,new), update_preimage (1,x1), update_postimage (1,newer)', "$name: versions go on");
	is(states($node, 'beside', 2, $last), $before, "$name: and the old ones stay");
}

# Twice through a dump.
my $after = $younger->safe_psql('beside', 'SELECT max(version) FROM medallion.commits');
my $twice = states($younger, 'beside', 2, $after);
$younger->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $younger->connstr('beside') ], 'pg_dump of what was restored');
$source->safe_psql('postgres', 'CREATE DATABASE again');
$source->command_ok([ 'pg_restore', '--exit-on-error', '-d', $source->connstr('again'), $dump ], 'pg_restore of it');
$source->safe_psql('again', 'SELECT medallion.adopt_history()');
is(states($source, 'again', 2, $after), $twice, 'every version reads as it did after two restores');

done_testing();
