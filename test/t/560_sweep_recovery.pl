# Sweeps survive: a helper's end, the coordinator's end, a crash of the server, a restart without preloading; and always
# give what an undisturbed sweep gives, to the bit.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use ServerCrash;

my $node = PostgreSQL::Test::Cluster->new('sweeps');
$node->init;
$node->append_conf('postgresql.conf', "restart_after_crash = on\nlog_min_messages = warning");
$node->start;
my $data = q{
	CREATE EXTENSION medallion;
	CREATE TABLE gold.rows AS SELECT sin(i) AS a, cos(i * 1.3) AS b, sin(i * 2.1) AS c, cos(i * 0.7) AS d, sin(i * 3.7) AS e,
		sin(i) + cos(i * 1.3) * 0.5 + sin(i * 78.233) * 1.5 > 0 AS late FROM generate_series(1, 20000) i};
$node->safe_psql('postgres', $data);
my $quiet = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'medallion sweep%'";

# A search of many trials: long beside the start of a process, however slow the machine.
my $trials = 100;
sub sweep_sql
{
	my ($options) = @_;
	return qq{SELECT medallion.sweep('late', 'gold.rows', 'late', 'logistic', '{"C": {"log_uniform": [0.0001, 100]}}', 'random',
		trials => $trials, metric => 'log_loss', seed => 5, $options)};
}

# Polls until the query returns 't'; false after 180 s.
sub becomes
{
	my ($server, $query) = @_;
	my $until = time + $PostgreSQL::Test::Utils::timeout_default;
	while (time < $until)
	{
		my ($status, $out) = $server->psql('postgres', $query);
		return 1 if $status == 0 && $out eq 't';
		sleep 0.05;
	}
	return 0;
}

sub state_of
{
	my ($server, $id) = @_;
	return $server->safe_psql('postgres', "SELECT state FROM medallion.sweeps WHERE sweep_id = $id");
}

# caught() looks from inside the server, so that what is done next meets the sweep at work: it returns the processes of a
# sweep, the coordinator first, once all of them have taken trials and some trials are done; NULL when the sweep ended first.
my $caught = q{
	CREATE FUNCTION public.caught(sweep bigint, wanted int) RETURNS int[] LANGUAGE plpgsql AS $$
	DECLARE
		pids int[];
		until timestamptz := clock_timestamp() + interval '5 minutes';
	BEGIN
		WHILE clock_timestamp() < until LOOP
			PERFORM pg_stat_clear_snapshot();
			SELECT array_agg(pid ORDER BY backend_start, pid) INTO pids FROM pg_stat_activity WHERE application_name LIKE 'medallion sweep%';
			IF cardinality(pids) = wanted
				AND (SELECT count(*) >= 3 FROM medallion._trials WHERE sweep_id = sweep AND state = 'complete')
				AND (SELECT count(DISTINCT worker) = wanted FROM medallion._trials WHERE sweep_id = sweep AND worker IS NOT NULL)
			THEN
				RETURN pids;
			END IF;
			IF (SELECT state NOT IN ('queued', 'running') FROM medallion._sweeps WHERE sweep_id = sweep) THEN
				RETURN NULL;
			END IF;
			PERFORM pg_sleep(0.01);
		END LOOP;
		RAISE 'sweep % has not come to work', sweep;
	END $$};
$node->safe_psql('postgres', $caught);

# Starts a sweep that the scheduler leaves alone until leave_to_scheduler, and does $act to it while it is at work; $act
# gets the SQL that catches it, and returns true when it did.  One that was too quick for us is followed by another.
sub disturbed
{
	my ($server, $name, $workers, $act) = @_;
	for my $attempt (1 .. 20)
	{
		my $id = $server->safe_psql('postgres', sweep_sql("workers => $workers"));
		$server->safe_psql('postgres', "UPDATE medallion._sweeps SET created_at = now() + interval '1 day' WHERE sweep_id = $id");
		if ($act->($id, "public.caught($id, $workers) p"))
		{
			pass("$name: met at work");
			return $id;
		}
		diag("$name: sweep $id ended before it was met, once more");
		becomes($server, $quiet);
	}
	fail("$name: met at work");
	done_testing();
	exit 1;
}

sub leave_to_scheduler
{
	my ($server, $id) = @_;
	$server->safe_psql('postgres', "UPDATE medallion._sweeps SET created_at = now() - interval '1 minute' WHERE sweep_id = $id");
}

my $scores = q{SELECT md5(string_agg(params::text || metric::text || fold_metrics::text, ';' ORDER BY trial)) FROM medallion.trials WHERE sweep_id = };
my $ended = sub { "SELECT state NOT IN ('queued', 'running', 'interrupted') FROM medallion.sweeps WHERE sweep_id = $_[0]" };

my $whole = $node->safe_psql('postgres', sweep_sql('wait => true'));
my $expected = $node->safe_psql('postgres', $scores . $whole);
is($node->safe_psql('postgres', "SELECT state, done FROM medallion.sweeps WHERE sweep_id = $whole"), "done|$trials", 'undisturbed');

# With helpers in the foreground: what they finish last counts too.
my $shared = $node->safe_psql('postgres', sweep_sql('workers => 3, wait => true'));
is($node->safe_psql('postgres', $scores . $shared), $expected, 'with helpers: the same scores, all of them');

# A helper ends.
my $users;
my $id = disturbed($node, 'a coordinator and two helpers', 3, sub {
	my ($id, $from) = @_;
	my $out = $node->safe_psql('postgres', "SELECT (SELECT bool_and(usename = current_user) FROM pg_stat_activity WHERE pid = ANY (p)),
		pg_terminate_backend(p[2]) FROM $from");
	($users) = split /\|/, $out;
	return $out =~ /t$/;
});
is($users, 't', 'as the one who asked');
ok(becomes($node, $ended->($id)), 'ended');
is(state_of($node, $id), 'done', 'a sweep outlives a helper');
is($node->safe_psql('postgres', $scores . $id), $expected, 'with the same scores');

# The coordinator ends; the scheduler goes on.
$id = disturbed($node, 'the coordinator ends', 2, sub {
	my ($id, $from) = @_;
	return $node->safe_psql('postgres', "SELECT pg_terminate_backend(p[1]) FROM $from") eq 't' && becomes($node, $quiet) && state_of($node, $id) ne 'done';
});
is(state_of($node, $id), 'interrupted', 'its helper ended too, and it is seen');
my $kept = $node->safe_psql('postgres', "SELECT string_agg(trial || ' ' || seconds, ';' ORDER BY trial) FROM medallion.trials WHERE sweep_id = $id AND state = 'complete'");
my $kept_trials = $node->safe_psql('postgres', "SELECT string_agg(trial::text, ',') FROM medallion.trials WHERE sweep_id = $id AND state = 'complete'");
leave_to_scheduler($node, $id);
ok(becomes($node, $ended->($id)), 'continued by the scheduler');
is(state_of($node, $id), 'done', 'done');
is($node->safe_psql('postgres', $scores . $id), $expected, 'with the same scores');
is($node->safe_psql('postgres', "SELECT string_agg(trial || ' ' || seconds, ';' ORDER BY trial) FROM medallion.trials WHERE sweep_id = $id AND trial IN ($kept_trials)"),
	$kept, 'complete trials were not done again');

# The server crashes.  While it comes back nobody can ask, so what the sweep did until then is asked afterwards.
$id = disturbed($node, 'a crash', 2, sub {
	my ($id, $from) = @_;
	my $pid = $node->safe_psql('postgres', "SELECT p[1] FROM $from");
	return kill_process($node, $pid) && state_of($node, $id) ne 'done';
});
is($node->safe_psql('postgres', "SELECT state, done BETWEEN 3 AND $trials - 1 FROM medallion.sweeps WHERE sweep_id = $id"), 'interrupted|t',
	'the server is back, trials are kept');
leave_to_scheduler($node, $id);
ok(becomes($node, $ended->($id)), 'continued after the crash');
is(state_of($node, $id), 'done', 'done');
is($node->safe_psql('postgres', $scores . $id), $expected, 'with the same scores');

# Cancelled: its processes end long before the search would have.
my $start;
$id = disturbed($node, 'cancelled', 2, sub {
	my ($id, $from) = @_;
	my ($status, $out) = $node->psql('postgres', "SELECT medallion.cancel_sweep($id) FROM $from WHERE p IS NOT NULL");
	$start = time;
	return $status == 0 && $out eq 't';
});
ok(becomes($node, $quiet), 'its processes ended');
diag(sprintf 'processes of a cancelled sweep ended within %.1f s', time - $start);
is(state_of($node, $id), 'cancelled', 'and the scheduler leaves it alone');
is($node->safe_psql('postgres', "SELECT count(*) FROM medallion.trials WHERE sweep_id = $id AND state = 'running'"), '0', 'no trial is left running');
cmp_ok($node->safe_psql('postgres', "SELECT done FROM medallion.sweeps WHERE sweep_id = $id"), '<', $trials, 'most were not begun');

# Cancelled while the best is trained (it waits for a lock that we hold): the version is not registered.
my $versions = "SELECT count(*) FROM medallion.model_versions WHERE model = 'late'";
my $before = $node->safe_psql('postgres', $versions);
my $locker = $node->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE medallion._model_versions IN SHARE MODE');
$id = $node->safe_psql('postgres', qq{SELECT medallion.sweep('late', 'gold.rows', 'late', 'logistic', '{"C": [1]}', cv => 2)});
ok(becomes($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'medallion sweep%'"),
	'the best is being registered');
is($node->safe_psql('postgres', "SELECT medallion.cancel_sweep($id)"), 't', 'cancelled then');
$locker->query_safe('COMMIT');
$locker->quit;
ok(becomes($node, $quiet), 'its process ended');
is(state_of($node, $id), 'cancelled', 'it stays cancelled');
is($node->safe_psql('postgres', $versions), $before, 'and no version came of it');

# The extension goes while a sweep runs, just when it writes (a session that has locked its trials holds it there): no deadlock,
# and its processes end.
my ($drop, $drop_out, $drop_err);
disturbed($node, 'the extension is dropped', 2, sub {
	my ($id, $from) = @_;
	my $holder = $node->background_psql('postgres');
	$holder->query_safe('BEGIN');
	my $held = $holder->query_safe("SELECT count(*) FROM $from, LATERAL (SELECT 1 FROM medallion._trials WHERE sweep_id = $id AND p IS NOT NULL FOR UPDATE) t");
	my $waiting = "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND ";
	if ($held != $trials || !becomes($node, "$waiting application_name LIKE 'medallion sweep%'"))
	{
		$holder->quit;
		return 0;
	}
	$drop = IPC::Run::start([ 'psql', '-Xq', '-d', $node->connstr('postgres'), '-c', 'DROP EXTENSION medallion CASCADE' ], '>', \$drop_out, '2>', \$drop_err);
	ok(becomes($node, "$waiting query LIKE 'DROP EXTENSION%'"), 'DROP EXTENSION waits for the sweep to have written');
	$holder->query_safe('COMMIT');
	$holder->quit;
	return 1;
});
ok($drop->finish, 'the extension is dropped') or diag($drop_err);
ok(becomes($node, $quiet), 'dropped with the extension');
$node->stop;

# Without preloading nobody goes on by himself; resume_sweep does.
my $plain = PostgreSQL::Test::Cluster->new('plain');
$plain->init;
$plain->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$plain->start;
$plain->safe_psql('postgres', $data);
$plain->safe_psql('postgres', $caught);
$id = disturbed($plain, 'not preloaded', 2, sub {
	my ($id, $from) = @_;
	return 0 if $plain->safe_psql('postgres', "SELECT 1 FROM $from WHERE p IS NOT NULL") ne '1';
	$plain->restart;
	return state_of($plain, $id) ne 'done';
});
is(state_of($plain, $id), 'interrupted', 'interrupted by the restart');
$plain->safe_psql('postgres', "SELECT medallion.resume_sweep($id)");
ok(becomes($plain, $ended->($id)), 'resumed');
is($plain->safe_psql('postgres', $scores . $id), $expected, 'with the same scores');
my ($status, $out, $err) = $plain->psql('postgres', "SELECT medallion.resume_sweep($id)");
like($err, qr/sweep \d+ is done/, 'done is done');

# No free slot: the caller does the work; in the background it is an error, and nothing is left.
$plain->append_conf('postgresql.conf', 'max_worker_processes = 0');
$plain->restart;
$id = $plain->safe_psql('postgres', sweep_sql('workers => 4, wait => true'));
is($plain->safe_psql('postgres', $scores . $id), $expected, 'no worker slots: the same scores');
($status, $out, $err) = $plain->psql('postgres', sweep_sql('workers => 2'));
like($err, qr/could not start a background worker.*all slots are in use/, 'no worker slots: said so');
is($plain->safe_psql('postgres', "SELECT count(*) FROM medallion.sweeps WHERE state = 'queued'"), '0', 'and nothing is queued');
done_testing();
