# refresh(workers => n) beside other refreshes, when it is cancelled, when a worker is ended, when there are no slots.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'medallion'\nmax_worker_processes = 8\nmedallion.scheduler = off");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION medallion;
	CREATE TABLE raw (id int PRIMARY KEY, v int);
	SELECT medallion.enable_versioning('raw');
	INSERT INTO raw SELECT i, i FROM generate_series(1, 50) i;
	CREATE TABLE pace (seconds float8);
	INSERT INTO pace VALUES (0);
	CREATE FUNCTION slow(v int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(seconds) FROM public.pace; RETURN v; END';
	SELECT medallion.define('silver.fast', 'SELECT id, v FROM public.raw', '{id}');
	SELECT medallion.define('silver.slow', 'SELECT id, public.slow(v) AS v FROM public.raw', '{id}');
	SELECT medallion.define('gold.total', 'SELECT 1 AS one, sum(v) AS v FROM silver.slow', '{one}')});
my $all = q{SELECT target, mode FROM medallion.refresh(workers => 2)};
my $is_slow = q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'medallion refresh of silver.slow' AND wait_event = 'PgSleep'};
is($node->safe_psql('postgres', $all), "silver.fast|full\nsilver.slow|full\ngold.total|full", 'without preloading the scheduler');

# Queues behind the refresh of another session, and then sees what that one did.
my $other = $node->background_psql('postgres');
$other->query_safe(q{INSERT INTO raw VALUES (51, 51)});
$other->query_safe(q{BEGIN; SELECT medallion.refresh('silver.slow')});
my $mine = $node->background_psql('postgres', on_error_stop => 0);
$mine->query_until(qr/began/, "\\echo began\nSELECT target, mode, inserted FROM medallion.refresh(workers => 2);\n\\echo ended\n");
ok($node->poll_query_until('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'medallion refresh of silver.slow'
	AND wait_event_type = 'Lock'}, '1'), 'a worker waits for the refresh of another session');
ok($node->poll_query_until('postgres', 'SELECT count(*) FROM silver.fast', '51'), 'while other tables are refreshed');
$other->query_safe('COMMIT');
my $out = $mine->query_until(qr/ended/, '');
like($out, qr/silver\.fast\|incremental\|1\nsilver\.slow\|incremental\|0\ngold\.total\|(full|incremental)\|0/, 'and finds it done');

# Cancelled: the workers end too, nothing of theirs is left.
$node->safe_psql('postgres', 'UPDATE raw SET v = v + 1; UPDATE pace SET seconds = 10');
$mine->query_until(qr/began/, "\\echo began\n$all;\n\\echo ended\n");
ok($node->poll_query_until('postgres', $is_slow, '1'), 'a slow refresh is under way');
my $start = time;
$node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT target, mode FROM medallion.refresh%' AND backend_type = 'client backend'});
$mine->query_until(qr/ended/, '');
diag('a cancel ended it within ' . (time - $start) . ' s');
cmp_ok(time - $start, '<=', 60, 'a cancel ends it, which would take minutes');
ok($node->poll_query_until('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'medallion refresh%'}, '0'), 'with its workers');
is($node->safe_psql('postgres', 'SELECT sum(v) FROM silver.slow'), '1326', 'the slow table is as it was');

# A worker that is ended: its table has failed, what reads it is kept back.
$mine->query_until(qr/began/, "\\echo began\n$all;\n\\echo ended\n");
ok($node->poll_query_until('postgres', $is_slow, '1'), 'under way again');
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'medallion refresh of silver.slow'});
like($mine->query_until(qr/ended/, ''), qr/silver\.fast\|incremental\nsilver\.slow\|failed\ngold\.total\|skipped/, 'an ended worker is told');
$node->safe_psql('postgres', 'UPDATE pace SET seconds = 0');
is($node->safe_psql('postgres', $all), "silver.fast|incremental\nsilver.slow|incremental\ngold.total|full", 'and done the next time');
is($node->safe_psql('postgres', q{SELECT sum(medallion.rebuild(target, verify => true)) FROM medallion.tables}), '0', 'right');
$other->quit;
$mine->quit;

# Fewer slots than workers: what there is does the work; none at all is an error.
$node->append_conf('postgresql.conf', 'max_worker_processes = 3');	# one is the server's own, one the launcher's
$node->restart;
is($node->safe_psql('postgres', q{SELECT count(*) FROM medallion.refresh(workers => 16)}), '3', 'one slot does all');
$node->append_conf('postgresql.conf', 'max_worker_processes = 2');
$node->restart;
my ($status, $stdout, $err) = $node->psql('postgres', $all);
like($err, qr/could not start a background worker for "medallion refresh of silver.fast": all slots are in use/, 'none: an error');
is($node->safe_psql('postgres', 'SELECT count(*) FROM medallion.refresh()'), '3', 'which refresh without workers does not need');
$node->stop('fast');
done_testing();
