# A scheduled monitor works by itself: statistics, alert row and NOTIFY, after a crash too; not preloaded, by hand.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ServerCrash;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'medallion'\nmax_worker_processes = 12");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION medallion;
	CREATE ROLE ann LOGIN;
	GRANT CREATE ON SCHEMA public TO ann;
	SET ROLE ann;
	CREATE TABLE training AS SELECT g % 100 AS x, 'c' || g % 3 AS c FROM generate_series(1, 1000) g;
	CREATE TABLE live (at timestamptz DEFAULT now(), x int, c text)});

my $listener = $node->background_psql('postgres');
$listener->query_safe('LISTEN medallion_alerts');
my $windows = q{SELECT count(*) FROM medallion.drift WHERE monitor = 'live' AND column_name = 'x' AND statistic = 'psi'};

$node->safe_psql('postgres', q{
	SET ROLE ann;
	SELECT medallion.create_monitor('live', NULL, 'live', every => '1 second', at => 'at', window_size => '1 second',
		min_rows => 50, reference => 'training')});
ok($node->poll_query_until('postgres', "$windows AND state = 'insufficient_data'" =~ s/count\(\*\)/count(*) > 0/r),
	'it runs by itself: windows without rows are insufficient_data');
is($node->safe_psql('postgres', q{SELECT count(*) FROM medallion.alerts}), '0', 'and no alert');
# Rows of a window to come, so that all of them are there when it is looked at.
$node->safe_psql('postgres', q{INSERT INTO live SELECT now() + interval '5 s', g % 100, 'c' || g % 3 FROM generate_series(1, 600) g});
ok($node->poll_query_until('postgres', "$windows AND state = 'ok'" =~ s/count\(\*\)/count(*) > 0/r), 'rows as in training are ok');
is($node->safe_psql('postgres', q{SELECT count(*) FROM medallion.alerts}), '0', 'still no alert');
$node->safe_psql('postgres', q{INSERT INTO live SELECT now() + interval '5 s', 90, 'new' FROM generate_series(1, 600) g});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 2 FROM medallion.alerts WHERE monitor = 'live'}),
	'rows of another sort raise an alert for each column');
is($node->safe_psql('postgres', q{SELECT string_agg(DISTINCT column_name || ' ' || statistic, ', ' ORDER BY column_name || ' ' || statistic)
	FROM medallion.alerts}), 'c new_category_rate, x psi', 'by what is furthest over its threshold');
is($node->safe_psql('postgres', q{SELECT count(*) FROM medallion.job_runs WHERE state = 'failed'}), '0', 'no run failed');
is($node->safe_psql('postgres', q{SELECT DISTINCT owner FROM medallion.jobs}), 'ann', 'the job belongs to its maker');

my ($heard, $payload) = ('');
for (1 .. 1000)
{
	$heard .= $listener->query('SELECT pg_sleep(0.1)');
	last if ($payload) = $heard =~ /Asynchronous notification "medallion_alerts" with payload "(\{.*?"column_name": "x".*?\})"/;
}
ok(defined $payload, 'a listening session was told') or diag $heard;
is($node->safe_psql('postgres', q{
	SELECT p ->> 'monitor', p ->> 'statistic', (p ->> 'value')::float8 = a.value, (p ->> 'window_start')::timestamptz = a.window_start
	FROM (SELECT $$} . ($payload // '{}') . q{$$::jsonb) n (p) JOIN medallion.alerts a ON a.alert = (p ->> 'alert')::bigint}),
	'live|psi|t|t', 'in JSON, of the same alert');
$listener->quit;

# kill -9 of the server: the monitor goes on where it was, without gaps and without doing a window twice.
my $before = $node->safe_psql('postgres', $windows);
kill_server($node);
$node->start;
ok($node->poll_query_until('postgres', "$windows" =~ s/count\(\*\)/count(*) > $before + 2/r), 'after kill -9 and a start it goes on');
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM (SELECT window_start - lag(window_end) OVER (ORDER BY window_start) AS gap
	FROM medallion.drift WHERE monitor = 'live' AND column_name = 'x' AND statistic = 'psi') w WHERE gap <> '0'}), '0',
	'no window is left out');

# A source that is gone fails the runs of this monitor, which backs off; another one is not disturbed.
$node->safe_psql('postgres', q{
	CREATE TABLE other AS SELECT x FROM training;
	SELECT medallion.create_monitor('other', NULL, 'other', every => '1 second', reference => 'training', columns => '{x}');
	ALTER TABLE live RENAME TO gone});
ok($node->poll_query_until('postgres', q{SELECT failures >= 2 FROM medallion.jobs WHERE name = 'live'}), 'a source that is gone: failing');
is($node->safe_psql('postgres', q{SELECT last_error FROM medallion.jobs WHERE name = 'live'}), 'relation "live" does not exist',
	'with the reason');
my $other = $node->safe_psql('postgres', q{SELECT count(*) FROM medallion.job_runs WHERE name = 'other' AND state = 'succeeded'});
ok($node->poll_query_until('postgres', qq{SELECT count(*) > $other FROM medallion.job_runs WHERE name = 'other' AND state = 'succeeded'}),
	'the other monitor runs');
$node->safe_psql('postgres', q{ALTER TABLE gone RENAME TO live; SELECT medallion.resume_job(job) FROM medallion.monitors WHERE monitor = 'live'});
ok($node->poll_query_until('postgres', q{SELECT failures = 0 FROM medallion.jobs WHERE name = 'live'}), 'mended and resumed, it succeeds');

# A session that sits on a monitor does not keep a worker waiting.
my $sitter = $node->background_psql('postgres');
$sitter->query_safe(q{BEGIN; SELECT medallion.run_monitor('live')});
my $done = $node->safe_psql('postgres', q{SELECT max(run) FROM medallion.job_runs});
ok($node->poll_query_until('postgres', qq{SELECT count(*) >= 2 FROM medallion.job_runs WHERE name = 'live' AND state = 'succeeded' AND run > $done}),
	'runs of a monitor that somebody has locked end at once');
$sitter->query_safe('ROLLBACK');
$sitter->quit;

# Dropped while it runs every second, nothing is left.
$node->safe_psql('postgres', q{SELECT medallion.drop_monitor(monitor) FROM medallion.monitors});
is($node->safe_psql('postgres', q{SELECT (SELECT count(*) FROM medallion._jobs) + (SELECT count(*) FROM medallion._drift)
	+ (SELECT count(*) FROM medallion._alerts) + (SELECT count(*) FROM medallion._monitor_windows)}), '0', 'dropped, nothing is left of them');
$node->stop('fast');

# Dump and restore: a monitor with its results, into a server that does not preload; there it runs by hand.
$node->start;
$node->safe_psql('postgres', q{
	SET ROLE ann;
	DELETE FROM live;
	INSERT INTO live VALUES ('2013-01-01', 1, 'c1'), ('2013-01-02', 1, 'c1');
	SELECT medallion.create_monitor('kept', NULL, 'live', at => 'at', window_size => '1 day', min_rows => 1, reference => 'training');
	SELECT medallion.run_monitor('kept')});
my $results = q{SELECT monitor, window_start, column_name, statistic, value FROM medallion.drift ORDER BY 1, 2, 3, 4};
my $expected = $node->safe_psql('postgres', $results);
cmp_ok(length $expected, '>', 100, 'there are results');
my $dump = $node->basedir . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), $dump ], 'pg_restore');
is($node->safe_psql('restored', $results), $expected, 'the restored results are the same');
is($node->safe_psql('restored', q{SET ROLE ann; SELECT windows FROM medallion.run_monitor('kept')}), '0', 'nothing is computed twice');
$node->safe_psql('restored', q{INSERT INTO live VALUES ('2013-01-01 12:00', 1, 'c1')});
is($node->safe_psql('restored', q{SELECT windows FROM medallion.run_monitor('kept')}), '0', 'not even with late rows');
$node->safe_psql('restored', q{INSERT INTO live VALUES ('2013-01-02 12:00', 1, 'c1')});
is($node->safe_psql('restored', q{SELECT windows FROM medallion.run_monitor('kept')}), '1', 'but in the last window');
my ($status, $out, $err) = $node->psql('restored', q{
	SELECT medallion.create_monitor('scheduled', NULL, 'live', every => '1 minute', columns => '{x}', reference => 'training')});
like($err, qr/the schedule of monitor "scheduled" needs the scheduler, which is not running/, 'a schedule needs the scheduler');
$node->stop('fast');
done_testing();
