# Applications, and incremental refreshes, while others write: each event is read exactly once, whenever its transaction began and ended, with savepoints taken
# back and transactions that linger before they commit.  At the end reading all once more changes nothing.
# Knob: MEDALLION_CDC_SECONDS (6), how long they write at a time.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{MEDALLION_CDC_SECONDS} || 6;
my $node = PostgreSQL::Test::Cluster->new('writers');
$node->init;
# However much is written between two refreshes, they are incremental.
$node->append_conf('postgresql.conf', "fsync = off\nmedallion.incremental_limit = 1");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION medallion;
	CREATE TABLE bronze.e (n bigserial PRIMARY KEY, payload jsonb);
	SELECT medallion.enable_versioning('bronze.e');
	CREATE TABLE silver.one (id int PRIMARY KEY, a text, b text);
	CREATE TABLE silver.two (id int, a text, b text, "__START_AT" bigint, "__END_AT" bigint, PRIMARY KEY (id, "__START_AT"));
	SELECT medallion.apply_changes('silver.one', 'bronze.e', '{id}', format => 'debezium');
	SELECT medallion.apply_changes('silver.two', 'bronze.e', '{id}', format => 'debezium', scd_type => 2);
	SELECT medallion.define('silver.events', 'SELECT n, payload FROM bronze.e', '{n}')});

my $dir = PostgreSQL::Test::Utils::tempdir;
append_to_file("$dir/write.sql", q{\set id random(1, 200)
\set seq random(1, 100000000)
\set k random(1, 10)
BEGIN;
INSERT INTO bronze.e (payload) SELECT CASE WHEN :k <= 2 THEN jsonb_build_object('op', 'd', 'before', jsonb_build_object('id', :id), 'source', jsonb_build_object('lsn', :seq))
	ELSE jsonb_build_object('op', 'u', 'after', jsonb_build_object('id', :id, 'a', CASE WHEN :k = 3 THEN '__debezium_unavailable_value' ELSE :seq::text END, 'b', :k), 'source', jsonb_build_object('lsn', :seq)) END;
SAVEPOINT s;
INSERT INTO bronze.e (payload) VALUES (jsonb_build_object('op', 'u', 'after', jsonb_build_object('id', :id, 'a', 'undone', 'b', 's'), 'source', jsonb_build_object('lsn', :seq + 7)));
SELECT CASE WHEN :k = 5 THEN pg_sleep(0.03) END;
ROLLBACK TO s;
INSERT INTO bronze.e (payload) VALUES (jsonb_build_object('op', 'u', 'after', jsonb_build_object('id', :id, 'a', 't', 'b', :k), 'source', jsonb_build_object('lsn', :seq + 11)));
COMMIT;
});
append_to_file("$dir/apply.sql", q{SELECT * FROM medallion.apply_changes('silver.one');
SELECT * FROM medallion.apply_changes('silver.two');
SELECT * FROM medallion.refresh('silver.events');
});
my @pgbench = ('pgbench', '-n', '-T', $seconds, '-h', $node->host, '-p', $node->port);
my $events = 0;
for (1 .. 20)
{
	last if $events > 100;
	my $apply = IPC::Run::start([ @pgbench, '-c', '2', '-f', "$dir/apply.sql", 'postgres' ], '>', \my $applied, '2>', \my $apply_error);
	my $write = IPC::Run::start([ @pgbench, '-c', '5', '-f', "$dir/write.sql", 'postgres' ], '>', \my $written, '2>', \my $write_error);
	ok($write->finish, 'writers wrote') or diag($write_error);
	ok($apply->finish, 'changes were applied meanwhile') or diag($apply_error);
	$events = $node->safe_psql('postgres', 'SELECT count(*) FROM bronze.e');
}
$node->safe_psql('postgres', "SELECT medallion.apply_changes('silver.one'); SELECT medallion.apply_changes('silver.two')");
cmp_ok($events, '>', 100, "there were events ($events)");
is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT target || ' ' || events, ', ') FROM (SELECT target, sum(events) AS events FROM medallion.flow_runs GROUP BY target) r"),
	"silver.one $events, silver.two $events", 'each was read exactly once by each');
is($node->safe_psql('postgres', "SELECT inserted, updated, deleted FROM medallion.apply_changes('$_', again => true)"), '0|0|0', "$_: reading all once more changes nothing") for ('silver.one', 'silver.two');
is($node->safe_psql('postgres', q{SELECT count(*) FROM (SELECT id, a, b FROM silver.one EXCEPT SELECT id, a, b FROM silver.two WHERE "__END_AT" IS NULL) d}), '0', 'both types agree');
$node->safe_psql('postgres', "SELECT medallion.refresh('silver.events')");
is($node->safe_psql('postgres', "SELECT medallion.rebuild('silver.events', verify => true), (SELECT count(*) FROM silver.events)"), "0|$events", 'the derived table has missed none');
is($node->safe_psql('postgres', "SELECT count(*) FROM medallion.refreshes WHERE target = 'silver.events' AND mode = 'full'"), '1', 'and was computed in full once');
$node->stop;
done_testing();
