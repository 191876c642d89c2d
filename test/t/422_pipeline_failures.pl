# What failed is in medallion.refreshes: of the scheduler, of a worker that was ended; refresh() where no worker can be had.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'medallion'\nmax_worker_processes = 8");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION medallion;
	CREATE TABLE raw (id int PRIMARY KEY, v text);
	SELECT medallion.enable_versioning('raw');
	INSERT INTO raw VALUES (1, '1'), (2, 'two');
	SELECT medallion.define('silver.fine', 'SELECT id, v FROM public.raw', '{id}');
	SELECT medallion.define('silver.numbers', 'SELECT id, v::int AS v FROM public.raw', '{id}');
	SELECT medallion.define('gold.total', 'SELECT 1 AS one, sum(v) AS v FROM silver.numbers', '{one}', target_lag => '1 s')});
ok($node->poll_query_until('postgres', q{SELECT state = 'failing' FROM medallion.schedules WHERE target = 'gold.total'}), 'a scheduled refresh fails');
is($node->safe_psql('postgres', q{SELECT DISTINCT target, mode, reason, sqlstate, role_name = current_user FROM medallion.refreshes ORDER BY 1}),
	qq{gold.total|skipped|reads "silver.numbers", which was not refreshed||t\n}
	. q{silver.numbers|failed|invalid input syntax for type integer: "two"|22P02|t}, 'and is logged, with the table that is at fault');
is($node->safe_psql('postgres', q{SELECT target, state, why FROM medallion.tables ORDER BY 1}),
	qq{gold.total|skipped|reads "silver.numbers", which was not refreshed\nsilver.fine|never refreshed|\n}
	. q{silver.numbers|failed|invalid input syntax for type integer: "two"}, 'and shown');
$node->safe_psql('postgres', q{UPDATE raw SET v = '2' WHERE id = 2; SELECT medallion.resume_refresh('gold.total')});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 2 FROM medallion.tables WHERE target <> 'silver.fine' AND state = 'refreshed' AND why IS NULL}), 'until it is mended');
$node->safe_psql('postgres', q{SELECT medallion.unschedule_refresh('gold.total'); TRUNCATE medallion._refresh_failures});

# A worker that is ended has no word of its own: the session that waits for it logs the failure.
$node->safe_psql('postgres', q{
	CREATE FUNCTION slow(v text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN v; END';
	SELECT medallion.define('silver.slow', 'SELECT id, public.slow(v) AS v FROM public.raw', '{id}')});
my $mine = $node->background_psql('postgres', on_error_stop => 0);
$mine->query_until(qr/began/, "\\echo began\nSELECT target, mode FROM medallion.refresh();\n\\echo ended\n");
ok($node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'medallion refresh of silver.slow' AND wait_event = 'PgSleep'}), 'a worker is at work');
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'medallion refresh of silver.slow'});
like($mine->query_until(qr/ended/, ''), qr/silver\.slow\|failed/, 'an ended worker is told');
$mine->quit;
is($node->safe_psql('postgres', q{SELECT target, mode, sqlstate FROM medallion.refreshes WHERE mode = 'failed'}), 'silver.slow|failed|57P01', 'and logged');
is($node->safe_psql('postgres', q{SELECT state FROM medallion.tables WHERE target = 'silver.slow'}), 'failed', 'and shown');
$node->safe_psql('postgres', q{SELECT medallion.undefine('silver.slow', drop_table => true)});

# No slot: in the session.  A server without the library at its start has workers all the same.
$node->append_conf('postgresql.conf', "medallion.scheduler = off\nmax_worker_processes = 2");
$node->restart;
my ($status, $out, $err) = $node->psql('postgres', 'SELECT target, mode FROM medallion.refresh()');
is($out, "silver.fine|incremental\nsilver.numbers|incremental\ngold.total|incremental", 'without a slot the session does it');
like($err, qr/one after another: no background worker could be started, since all slots are in use/, 'and says so');
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\nmax_worker_processes = 8");
$node->restart;
($status, $out, $err) = $node->psql('postgres', 'SELECT target, mode FROM medallion.refresh()');
is($out, "silver.fine|incremental\nsilver.numbers|incremental\ngold.total|incremental", 'without preloading');
is($err, '', 'there are workers');
$node->stop('fast');
done_testing();
