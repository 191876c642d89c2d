# Where there is no scheduler: a server that does not preload, and a standby until it is promoted.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ServerCrash;

# Not preloaded: schedules are refused with the reason, jobs on demand run all the same.
my $plain = PostgreSQL::Test::Cluster->new('plain');
$plain->init;
$plain->append_conf('postgresql.conf', "shared_preload_libraries = ''\nmax_worker_processes = 2");
$plain->start;
$plain->safe_psql('postgres', 'CREATE EXTENSION medallion; CREATE TABLE seen (who name)');
my ($status, $out, $err) = $plain->psql('postgres',
	q{\set VERBOSITY verbose
	  SELECT medallion.create_job('tick', 'SELECT 1', '1 second')});
like($err, qr/ERROR:  55000: the schedule of sql "tick" needs the scheduler, which is not running/, 'a schedule is refused');
like($err, qr/HINT:  Set shared_preload_libraries = 'medallion' and restart the server\./, 'with a hint');
is($plain->safe_psql('postgres', 'SELECT count(*) FROM medallion.jobs'), '0', 'nothing is left of it');
$plain->safe_psql('postgres', q{SELECT medallion.create_job('look', 'INSERT INTO seen SELECT session_user')});
$plain->safe_psql('postgres', 'SELECT medallion.run_job(id) FROM medallion.jobs');
ok($plain->poll_query_until('postgres', 'SELECT count(*) FROM seen', '1'), 'a job on demand runs');
ok($plain->poll_query_until('postgres', q{SELECT count(*) FROM medallion.job_runs WHERE state = 'succeeded'}, '1'),
	'and is recorded');

# Progress needs a file; without it work goes on unseen, and the log says so once.
my $file = $plain->data_dir . '/pg_stat_tmp/medallion_progress.1';
unlink $file;
mkdir $file;
is($plain->safe_psql('postgres', q{BEGIN; SELECT medallion.report_progress('load'); SELECT medallion.report_progress('load');
	SELECT count(*) FROM medallion.progress; COMMIT}), "\n\n0", 'no file: work goes on unseen');
my $log = slurp_file($plain->logfile);
is(scalar(() = $log =~ /could not open file "pg_stat_tmp\/medallion_progress.1"/g), 1, 'and is logged once');
rmdir $file;
is($plain->safe_psql('postgres', q{BEGIN; SELECT medallion.report_progress('load'); SELECT count(*) FROM medallion.progress; COMMIT}),
	"\n1", 'later sessions are seen again');

# All worker slots taken (the other one has the server's own logical replication launcher).
$plain->safe_psql('postgres', q{SELECT medallion.create_job('sleep', 'SELECT pg_sleep(1000)')});
$plain->poll_query_until('postgres', q{SELECT medallion.run_job(id) > 0 FROM medallion.jobs WHERE name = 'sleep'})
  or die 'the slot of the worker before is not free';
ok($plain->poll_query_until('postgres', q{SELECT count(*) FROM medallion.job_runs WHERE state = 'running'}, '1'),
	'the only slot is taken');
($status, $out, $err) = $plain->psql('postgres', q{SELECT medallion.run_job(id) FROM medallion.jobs WHERE name = 'look'});
like($err, qr/could not start a background worker for .*: all slots are in use\nHINT:  .*max_worker_processes/,
	'no slot: an error with a hint');
is($plain->safe_psql('postgres', q{SELECT count(*) FROM medallion.job_runs WHERE state = 'starting'}), '0',
	'and no run is left behind');
# A crash while a run is under way: it is found lost when the job is asked for again.
kill_server($plain);
$plain->start;
is($plain->safe_psql('postgres', q{SELECT medallion.run_job(id) > 0 FROM medallion.jobs WHERE name = 'sleep'}), 't',
	'a job whose run died can be run again');
is($plain->safe_psql('postgres', q{SELECT error FROM medallion.job_runs WHERE state = 'lost'}),
	'the worker ended without a result', 'and the dead run is called lost');
$plain->stop('immediate');

# A standby: no scheduler and no worker until it is promoted, then the jobs go on.
my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "shared_preload_libraries = 'medallion'\nmax_worker_processes = 12");
$primary->start;
$primary->safe_psql('postgres', q{
	CREATE EXTENSION medallion;
	CREATE TABLE ticks (at timestamptz DEFAULT clock_timestamp(), port text DEFAULT current_setting('port'))});
$primary->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->start;
$primary->safe_psql('postgres', q{SELECT medallion.create_job('tick', 'INSERT INTO ticks DEFAULT VALUES', '1 second')});
ok($primary->poll_query_until('postgres', 'SELECT count(*) >= 1 FROM ticks'), 'the job runs on the primary');
$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'medallion%'}), '0',
	'no launcher and no scheduler on the standby');
is($standby->safe_psql('postgres', q{SELECT name FROM medallion.jobs}), 'tick', 'where the job is seen');
($status, $out, $err) = $standby->psql('postgres', 'SELECT medallion.run_job(id) FROM medallion.jobs');
like($err, qr/cannot execute .* in a read-only transaction|cannot .* during recovery/, 'and cannot be run');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM medallion.progress'), '0', 'the view of progress works there');
$primary->stop('fast');
$standby->promote;
ok($standby->poll_query_until('postgres', q{SELECT count(*) >= 2 FROM ticks WHERE port = current_setting('port')}),
	'promoted, it goes on with the job');
$standby->stop('fast');
done_testing();
