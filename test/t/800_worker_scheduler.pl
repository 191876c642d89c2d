# The scheduler through the life of a server: crash, dropped and copied databases, dropped extension, settings, limits.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ServerCrash;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'medallion'
max_worker_processes = 12
restart_after_crash = on
medallion.max_workers = 2
});
$node->start;

sub schedulers
{
	my ($database) = @_;
	return "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'medallion scheduler' AND datname = '$database'";
}

# Whether the job that runs every second has run since.
sub ticks
{
	my ($database) = @_;
	my $now = $node->safe_psql('postgres', 'SELECT clock_timestamp()');
	return $node->poll_query_until($database, "SELECT max(at) > '$now' FROM ticks");
}

# What needs a database for itself waits five seconds for the scheduler to leave; where other work keeps that one from
# running for so long, once more.
sub alone
{
	my ($statement) = @_;
	my $start = time;
	for my $attempt (1 .. 20)
	{
		my ($status, $out, $err) = $node->psql('postgres', $statement);
		diag("$statement: attempt $attempt, " . (time - $start) . ' s') if $attempt > 1;
		return 1 if $status == 0;
		next if $err =~ /is being accessed by other users/;
		diag($err);
		last;
	}
	return 0;
}

# A scheduler appears with the extension, not before, and leaves with it.
$node->safe_psql('postgres', 'CREATE DATABASE shop');
is($node->safe_psql('postgres', schedulers('shop')), '0', 'no scheduler in a database without the extension');
$node->safe_psql('shop', 'CREATE EXTENSION medallion');
ok($node->poll_query_until('postgres', schedulers('shop'), '1'), 'one comes with the extension');
$node->safe_psql('shop', 'DROP EXTENSION medallion');
ok($node->poll_query_until('postgres', schedulers('shop'), '0'), 'and leaves with it');
$node->safe_psql('shop', 'CREATE EXTENSION medallion');
ok($node->poll_query_until('postgres', schedulers('shop'), '1'), 'and comes again');
ok($node->poll_query_until('postgres', q{SELECT count(*) FROM pg_stat_activity
	WHERE backend_type = 'medallion scheduler' AND (state <> 'idle' OR backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)}, '0'),
	'waiting, it holds no snapshot');

# No more than medallion.max_workers jobs at once, all served in the end.  Each holds a lock as long as it runs.
$node->safe_psql('shop', q{
	CREATE TABLE running (at timestamptz DEFAULT clock_timestamp(), together int);
	SELECT medallion.create_job('crowd ' || i, $$
		SELECT pg_advisory_xact_lock_shared(7);
		INSERT INTO running (together) SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND granted;
		SELECT pg_sleep(0.1)$$, first_run => now()) FROM generate_series(1, 8) i});
ok($node->poll_query_until('shop', 'SELECT count(*) FROM running', '8'), 'eight jobs ran by two workers');
is($node->safe_psql('shop', 'SELECT max(together) <= 2 AND min(together) > 0 FROM running'), 't', 'never more than two at once');
ok($node->poll_query_until('shop', q{SELECT count(*) FROM medallion.jobs WHERE next_run IS NOT NULL}, '0'),
	'what has no period runs once');
$node->safe_psql('shop', 'SELECT medallion.drop_job(id) FROM medallion.jobs');

# A run whose worker is gone after a crash of the server is lost, and the job goes on.
$node->safe_psql('shop', q{
	CREATE TABLE ticks (at timestamptz DEFAULT clock_timestamp(), started timestamptz DEFAULT pg_postmaster_start_time());
	SELECT medallion.create_job('tick', 'INSERT INTO ticks DEFAULT VALUES', '1 second'),
	       medallion.create_job('long', 'SELECT pg_sleep(1000)', '1 second')});
ok($node->poll_query_until('shop', 'SELECT count(*) >= 2 FROM ticks'), 'a job every second runs');
ok($node->poll_query_until('shop', q{SELECT count(*) FROM medallion.job_runs WHERE name = 'long' AND state = 'running'}, '1'),
	'a long one is under way');
kill_server($node);
$node->start;
ok($node->poll_query_until('shop', 'SELECT count(*) >= 2 FROM ticks WHERE started = pg_postmaster_start_time()'),
	'it runs again after kill -9 and a start');
ok($node->poll_query_until('shop', q{SELECT count(*) >= 1 FROM medallion.job_runs WHERE name = 'long' AND state = 'lost'}),
	'the long run is lost');
ok($node->poll_query_until('shop', q{SELECT count(*) FROM medallion.job_runs WHERE name = 'long' AND state = 'running'}, '1'),
	'and tried again');
is($node->safe_psql('shop', q{SELECT failures FROM medallion.jobs WHERE name = 'long'}), '1', 'which counts as a failure');

ok($node->poll_query_until('shop', q{SELECT count(*) FROM medallion.progress WHERE kind = 'job' AND object = 'long'}, '1'),
	'the progress of the dead run is not shown beside that of the new one');

# kill -9 of a worker makes the server start its processes anew.
my $worker = $node->safe_psql('shop', q{SELECT pid FROM medallion.job_runs WHERE name = 'long' AND state = 'running'});
ok(kill_process($node, $worker), 'a worker is killed');
ok($node->poll_query_until('shop',
	q{SELECT count(*) >= 1 FROM medallion.job_runs WHERE name = 'long' AND state = 'lost' AND pid = } . $worker),
	'the run of a killed worker is lost');
ok(ticks('shop'), 'the scheduler is back');
is($node->safe_psql('shop', q{SELECT count(*) FROM medallion.progress WHERE pid = } . $worker), '0', 'nor is its progress shown');
$node->safe_psql('shop', q{SELECT medallion.drop_job(id) FROM medallion.jobs WHERE name = 'long';
	SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(1000)'});

# Settings: switched off and on by a reload.
$node->append_conf('postgresql.conf', 'medallion.scheduler = off');
$node->reload;
ok($node->poll_query_until('postgres', schedulers('shop'), '0'), 'off: the scheduler leaves');
$node->append_conf('postgresql.conf', 'medallion.scheduler = on');
$node->reload;
ok($node->poll_query_until('postgres', schedulers('shop'), '1'), 'on: it comes back');

# Databases can be copied, renamed and dropped without force while a job runs every second.
ticks('shop');
ok(alone('CREATE DATABASE copy TEMPLATE shop'), 'a database with a scheduler can be a template');
ok(ticks('copy'), 'the copy has its own scheduler');
ok(alone('ALTER DATABASE copy RENAME TO old'), 'and can be renamed');
ok($node->poll_query_until('postgres', schedulers('old'), '1'), 'the scheduler follows');
ok(alone('DROP DATABASE old'), 'DROP DATABASE without force takes less than the five seconds after which it gives up');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_database WHERE datname = 'old'}), '0', 'it is gone');

# A job whose owner was dropped fails and says why; others are not touched.
$node->safe_psql('shop', q{
	CREATE ROLE shortlived LOGIN;
	SET SESSION AUTHORIZATION shortlived;
	SELECT medallion.create_job('orphan', 'SELECT 1', '1 second', now() + interval '3 s');
	RESET SESSION AUTHORIZATION;
	DROP ROLE shortlived});
ok($node->poll_query_until('shop', q{SELECT count(*) >= 1 FROM medallion.job_runs WHERE name = 'orphan'
	AND state = 'failed' AND error = 'role "shortlived", the owner of job ' || job || ', does not exist'}),
	'an orphaned job fails with a reason');
$node->safe_psql('shop', q{SELECT medallion.drop_job(id) FROM medallion.jobs WHERE name = 'orphan'});

# Somebody who sits on a job's row stops that job, not the others.
$node->safe_psql('shop', q{SELECT medallion.create_job('other', 'INSERT INTO running (together) VALUES (-1)', '1 second')});
my $sitter = $node->background_psql('shop');
$sitter->query_safe(q{BEGIN; SELECT medallion.pause_job(id) FROM medallion.jobs WHERE name = 'tick'});
$node->safe_psql('shop', 'DELETE FROM running');
ok($node->poll_query_until('shop', 'SELECT count(*) >= 3 FROM running'), 'a locked row of one job does not stop others');
$sitter->query_safe('ROLLBACK');
$sitter->quit;

# Jobs and their history are dumped and restored, and run for the owner of that name.
$node->safe_psql('shop', q{SELECT medallion.drop_job(id) FROM medallion.jobs WHERE name = 'other'});
$node->safe_psql('shop', 'SELECT medallion.pause_job(id) FROM medallion.jobs');
$node->poll_query_until('shop', q{SELECT count(*) FROM medallion.jobs WHERE state = 'paused'}, '1');
my $jobs = $node->safe_psql('shop', 'SELECT id, name, owner, every, argument FROM medallion.jobs ORDER BY id');
my $dump = $node->basedir . '/shop.dump';
$node->command_ok(['pg_dump', '-Fc', '-f', $dump, $node->connstr('shop')], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok(['pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), $dump], 'pg_restore');
is($node->safe_psql('restored', 'SELECT id, name, owner, every, argument FROM medallion.jobs ORDER BY id'), $jobs,
	'the restored jobs are the same');
is($node->safe_psql('restored', q{SELECT medallion.create_job('new', 'SELECT 1') > (SELECT max(id) FROM medallion.jobs WHERE name <> 'new')}),
	't', 'and new ones get new ids');
$node->safe_psql('restored', 'TRUNCATE ticks; SELECT medallion.resume_job(id) FROM medallion.jobs WHERE name = $$tick$$');
ok($node->poll_query_until('restored', 'SELECT count(*) >= 2 FROM ticks'), 'they run');

$node->stop('fast');
done_testing();
