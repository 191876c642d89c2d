# Tables that are refreshed by themselves, through the life of a server: failures beside them, crash, dropped database,
# dump, promotion, a server without the scheduler.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ServerCrash;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'medallion'\nmax_worker_processes = 12\nmedallion.max_workers = 2");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE shop');
$node->safe_psql('shop', q{
	CREATE EXTENSION medallion;
	CREATE TABLE raw (id int PRIMARY KEY, v int);
	SELECT medallion.enable_versioning('raw');
	INSERT INTO raw SELECT i, i FROM generate_series(1, 100) i;
	CREATE FUNCTION gate(v int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN v; END';
	SELECT medallion.define('silver.good', 'SELECT id, v FROM public.raw', '{id}', target_lag => '1 s');
	SELECT medallion.define('silver.bad', 'SELECT id, 1 / (v - 7) AS w FROM public.raw', '{id}', target_lag => '1 s')});

# One that fails does not stop the other, backs off, and says why.
ok($node->poll_query_until('shop', q{SELECT failures >= 2 FROM medallion.schedules WHERE target = 'silver.bad'}), 'one fails, again and again');
ok($node->poll_query_until('shop', q{SELECT state, last_error, next_run - last_start > '2 s' FROM medallion.schedules WHERE target = 'silver.bad'},
	'failing|division by zero|t'), 'which is shown, and backs off');
$node->safe_psql('shop', 'INSERT INTO raw VALUES (101, 101)');
ok($node->poll_query_until('shop', 'SELECT count(*) FROM silver.good', '101'), 'the other goes on');
is($node->safe_psql('shop', q{SELECT DISTINCT mode, reason, sqlstate FROM medallion.refreshes WHERE target = 'silver.bad'}), 'failed|division by zero|22012', 'the failures are logged');
is($node->safe_psql('shop', q{SELECT count(*) FROM silver.bad}), '0', 'and nothing else of them is kept');
$node->safe_psql('shop', q{SELECT medallion.undefine('silver.bad', true)});

# kill -9 in the middle of a refresh, which a session holds there: nothing of it is left, it is called lost and done again.
my $holder = $node->background_psql('shop');
$holder->query_safe('SELECT pg_advisory_lock(7)');
$node->safe_psql('shop', q{SELECT medallion.define('silver.long', 'SELECT id, public.gate(v) AS v FROM public.raw', '{id}', target_lag => '1 s')});
ok($node->poll_query_until('shop', q{SELECT (SELECT count(*) FROM medallion.job_runs WHERE name = 'silver.long' AND state = 'running') = 1
	AND (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted) = 1}), 'a long refresh is under way');
kill_server($node);
eval { $holder->quit };
$node->start;
is($node->safe_psql('shop', q{SELECT count(*) FROM medallion.refreshes WHERE target = 'silver.long'}), '0', 'the crash left nothing of it');
ok($node->poll_query_until('shop', 'SELECT count(*) FROM silver.long', '101'), 'after the crash it is done again');
ok($node->poll_query_until('shop', q{SELECT count(*) >= 1 FROM medallion.job_runs WHERE name = 'silver.long' AND state = 'lost'}),
	'the run of before is lost');
ok($node->poll_query_until('shop', q{SELECT failures = 0 AND state <> 'failing' FROM medallion.schedules WHERE target = 'silver.long'}),
	'which a success forgets');
is($node->safe_psql('shop', q{SELECT medallion.rebuild('silver.long', verify => true)}), '0', 'and it is what the query returns');
$node->safe_psql('shop', q{SELECT medallion.undefine('silver.long', true)});

# A copy has its own schedules; databases with busy ones can be dropped.
$node->safe_psql('shop', q{SELECT medallion.schedule_refresh('silver.good', '1 s')});
my $dump = $node->basedir . '/shop.dump';
$node->command_ok(['pg_dump', '-Fc', '-f', $dump, $node->connstr('shop')], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok(['pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), $dump], 'pg_restore');
$node->safe_psql('restored', 'SELECT medallion.adopt_history()');
is($node->safe_psql('restored', 'SELECT target, target_lag FROM medallion.schedules'), 'silver.good|00:00:01', 'schedules are restored');
$node->safe_psql('restored', 'INSERT INTO raw VALUES (202, 202)');
ok($node->poll_query_until('restored', 'SELECT count(*) FROM silver.good', '102'), 'and run');
my $start = time;
my $dropped = 0;
for (1 .. 50)	# a run under way is a session like any other: try again
{
	my ($status) = $node->psql('postgres', 'DROP DATABASE restored');
	last if $dropped = $status == 0;
}
ok($dropped, 'the database is dropped');
diag('the database was dropped within ' . (time - $start) . ' s');

# Switched off: nothing.  What was due meanwhile is made up for once.
$node->safe_psql('shop', q{SELECT medallion.schedule_refresh('silver.good', schedule => '* * * * *')});
$node->append_conf('postgresql.conf', 'medallion.scheduler = off');
$node->reload;
$node->poll_query_until('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'medallion scheduler'}, '0');
$node->safe_psql('shop', q{UPDATE medallion._jobs SET next_run = now() - interval '1 hour' WHERE kind = 'refresh';
	INSERT INTO raw VALUES (102, 102)});
my ($before, $at) = split /\|/, $node->safe_psql('shop', 'SELECT count(*), now() FROM medallion.job_runs');
$node->append_conf('postgresql.conf', 'medallion.scheduler = on');
$node->reload;
ok($node->poll_query_until('shop', 'SELECT count(*) FROM silver.good', '102'), 'on again, it makes up for what was due');
ok($node->poll_query_until('shop', q{SELECT state = 'scheduled' AND next_run > now() AND next_run <= now() + interval '1 min' FROM medallion.schedules}),
	'and is planned for the next minute');
is($node->safe_psql('shop', qq{SELECT count(*) - $before BETWEEN 1 AND 1 + extract(epoch FROM date_trunc('minute', now()) - date_trunc('minute', timestamptz '$at')) / 60
	FROM medallion.job_runs}), 't', 'by one run for the hour');

# A standby refreshes nothing; promoted, it goes on.
$node->safe_psql('shop', q{SELECT medallion.schedule_refresh('silver.good', '1 s')});
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is($standby->safe_psql('shop', 'SELECT target FROM medallion.schedules'), 'silver.good', 'a standby shows the schedules');
$node->stop('fast');
$standby->promote;
$standby->safe_psql('shop', 'INSERT INTO raw VALUES (103, 103)');
ok($standby->poll_query_until('shop', 'SELECT count(*) FROM silver.good', '103'), 'promoted, it refreshes');

# Without the scheduler a target_lag is kept for the day there is one, a schedule is refused.
$standby->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$standby->restart;
is($standby->safe_psql('shop', q{SELECT target FROM medallion.define('silver.later', 'SELECT id FROM public.raw', '{id}', target_lag => '1 s')}),
	'silver.later', 'a target_lag is declared without it');
my ($status, $out, $err) = $standby->psql('shop', q{SELECT medallion.schedule_refresh('silver.later', schedule => '@daily')});
like($err, qr/the schedule of "silver.later" needs the scheduler, which is not running/, 'a schedule is refused');
$standby->append_conf('postgresql.conf', "shared_preload_libraries = 'medallion'");
$standby->restart;
ok($standby->poll_query_until('shop', 'SELECT count(*) FROM silver.later', '103'), 'and begins with it');
$standby->stop('fast');
done_testing();
