# A server killed in the middle of refreshes: after recovery tables are as before or after, and the next refresh makes them
# equal to a recomputation.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use ServerCrash;

my $node = PostgreSQL::Test::Cluster->new('crash');
$node->init;
$node->append_conf('postgresql.conf', "fsync = on\nautovacuum = off\nmax_wal_size = 1GB\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION medallion;
	CREATE TABLE bronze.facts AS SELECT i AS id, i % 50 AS grp, i AS v FROM generate_series(1, 30000) i;
	SELECT medallion.define('silver.facts', 'SELECT id, grp, v FROM bronze.facts', '{id}');
	SELECT medallion.expect('silver.facts', 'kept', 'v % 7 <> 0', 'quarantine');
	SELECT medallion.define('gold.groups', 'SELECT grp, count(*) AS n, sum(v) AS v FROM silver.facts GROUP BY grp', '{grp}');
	SELECT medallion.refresh()});

# silver.facts, its quarantine and gold.groups agree with each other at any time.
my $agree = q{SELECT (SELECT sum(v) FROM silver.facts) = (SELECT sum(v) FROM gold.groups)
	AND (SELECT count(*) FROM silver.facts) = (SELECT sum(n) FROM gold.groups)
	AND (SELECT count(*) FROM silver.facts) + (SELECT count(*) FROM silver.facts_quarantine) = 30000};

for my $round (1 .. 3)
{
	my $worker = IPC::Run::start(
		[ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', q{
			DO $$BEGIN
				LOOP
					UPDATE bronze.facts SET v = v + 1;
					PERFORM medallion.refresh();
					COMMIT;
				END LOOP;
			END$$} ],
		'>', \my $out, '2>', \my $err);
	# Kill while a refresh is writing.
	$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM medallion.progress WHERE kind = 'refresh' AND phase = 'publish'});
	usleep(40_000 * $round);
	kill_server($node);
	$worker->finish;
	like($err, qr/server closed the connection|connection to server was lost/, "round $round: killed while refreshing");
	$node->start;
	is($node->safe_psql('postgres', $agree), 't', "round $round: the tables agree after recovery");
	$node->safe_psql('postgres', 'SELECT medallion.refresh()');
	is($node->safe_psql('postgres', q{
		SELECT string_agg(medallion.rebuild(target, verify => true)::text, ' ' ORDER BY target) FROM medallion.tables}),
		'0 0', "round $round: refreshed again, they equal a recomputation");
	is($node->safe_psql('postgres', $agree), 't', "round $round: and agree");
}
is($node->safe_psql('postgres', q{
	SELECT (SELECT "rows" FROM medallion.refreshes WHERE target = 'silver.facts' ORDER BY refresh_id DESC LIMIT 1) = (SELECT count(*) FROM silver.facts),
		(SELECT "rows" FROM medallion.refreshes WHERE target = 'gold.groups' ORDER BY refresh_id DESC LIMIT 1) = (SELECT count(*) FROM gold.groups)}),
	't|t', 'the log tells of what is in the tables');
done_testing();
