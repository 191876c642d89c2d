# A server killed in the middle of incremental refreshes and of late writers: what a refresh remembers of the transactions it
# saw holds after recovery, and the next refresh goes on from it.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use ServerCrash;

my $node = PostgreSQL::Test::Cluster->new('incremental_crash');
$node->init;
$node->append_conf('postgresql.conf', "fsync = on\nautovacuum = off\nmax_wal_size = 1GB\n");
# However much was written between two refreshes.
$node->append_conf('postgresql.conf', 'medallion.incremental_limit = 1');
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION medallion;
	CREATE TABLE bronze.facts (id int PRIMARY KEY, grp int, v int);
	INSERT INTO bronze.facts SELECT i, i % 50, i FROM generate_series(1, 20000) i;
	CREATE INDEX ON bronze.facts (grp);
	SELECT medallion.enable_versioning('bronze.facts')});
$node->safe_psql('postgres', q{
	SELECT medallion.define('silver.facts', 'SELECT id, grp, v FROM bronze.facts', '{id}');
	SELECT medallion.expect('silver.facts', 'kept', 'v % 7 <> 0', 'quarantine');
	SELECT medallion.define('gold.groups', 'SELECT grp, count(*) AS n, sum(v) AS v FROM silver.facts GROUP BY grp', '{grp}')});
$node->safe_psql('postgres', 'SELECT medallion.refresh()');

# One refreshes all the time, two write: in small transactions, and in long ones.
my @sessions = (
	q{DO $$BEGIN LOOP PERFORM medallion.refresh(); COMMIT; END LOOP; END$$},
	q{DO $$BEGIN LOOP UPDATE bronze.facts SET v = v + 1 WHERE id % 1000 = (random() * 999)::int AND id % 2 = 0; COMMIT; END LOOP; END$$},
	q{DO $$BEGIN LOOP UPDATE bronze.facts SET v = v + 3, grp = (grp + 1) % 50 WHERE id % 1000 = (random() * 999)::int AND id % 2 = 1;
		PERFORM pg_sleep(0.02); IF random() < 0.3 THEN ROLLBACK; ELSE COMMIT; END IF; END LOOP; END$$});
my $incremental = 0;
for my $round (1 .. 4)
{
	my @runs = map { IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', $_ ], '>', \my $out, '2>', \my $err) } @sessions;
	my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM medallion.refreshes');
	$node->poll_query_until('postgres', "SELECT count(*) > $before + 10 FROM medallion.refreshes");
	usleep(7_000 * $round);
	kill_server($node);
	$_->finish for @runs;
	$node->start;
	is($node->safe_psql('postgres', q{SELECT (SELECT sum(v) FROM silver.facts) = (SELECT sum(v) FROM gold.groups)
		AND (SELECT count(*) FROM silver.facts) + (SELECT count(*) FROM silver.facts_quarantine) = 20000}), 't',
		"round $round: the tables agree after recovery");
	$incremental += () = $node->safe_psql('postgres', 'SELECT mode FROM medallion.refresh()') =~ /incremental/g;
	is($node->safe_psql('postgres', q{
		SELECT string_agg(medallion.rebuild(target, verify => true)::text, ' ' ORDER BY target) FROM medallion.tables}),
		'0 0', "round $round: refreshed again, they equal a recomputation");
}
is($incremental, 8, 'every refresh after a crash was incremental');
is($node->safe_psql('postgres', q{SELECT count(*) FROM medallion.refreshes WHERE mode = 'full'}), '2', 'so were all others but the first');
$node->stop;
done_testing();
