# Sweeps survive: a helper's end, the coordinator's end, a crash of the server, a restart without preloading; and always
# give what an undisturbed sweep gives, to the bit.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = PostgreSQL::Test::Cluster->new('sweeps');
$node->init;
$node->append_conf('postgresql.conf', "restart_after_crash = on\nlog_min_messages = warning");
$node->start;
my $data = q{
	CREATE EXTENSION medallion;
	CREATE TABLE gold.rows AS SELECT sin(i) AS a, cos(i * 1.3) AS b, sin(i * 2.1) AS c, cos(i * 0.7) AS d, sin(i * 3.7) AS e,
		sin(i) + cos(i * 1.3) * 0.5 + sin(i * 78.233) * 1.5 > 0 AS late FROM generate_series(1, 20000) i};
$node->safe_psql('postgres', $data);

# A search that takes some seconds: 60 penalties, 5 folds.
sub sweep_sql
{
	my ($options) = @_;
	return qq{SELECT medallion.sweep('late', 'gold.rows', 'late', 'logistic', '{"C": {"log_uniform": [0.0001, 100]}}', 'random',
		trials => 60, metric => 'log_loss', seed => 5, $options)};
}

# Polls until the query returns 't'; false after 60 s.
sub becomes
{
	my ($server, $query) = @_;
	my $until = time + 60;
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

my $pids = q{SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'medallion sweep%' ORDER BY backend_start};
my $scores = q{SELECT md5(string_agg(params::text || metric::text || fold_metrics::text, ';' ORDER BY trial)) FROM medallion.trials WHERE sweep_id = };
my $ended = sub { "SELECT state NOT IN ('queued', 'running', 'interrupted') FROM medallion.sweeps WHERE sweep_id = $_[0]" };
my $going = sub { "SELECT done BETWEEN 3 AND 50 FROM medallion.sweeps WHERE sweep_id = $_[0]" };

my $whole = $node->safe_psql('postgres', sweep_sql('wait => true'));
my $expected = $node->safe_psql('postgres', $scores . $whole);
is($node->safe_psql('postgres', "SELECT state, done FROM medallion.sweeps WHERE sweep_id = $whole"), 'done|60', 'undisturbed');

# With helpers in the foreground: what they finish last counts too.
my $shared = $node->safe_psql('postgres', sweep_sql('workers => 3, wait => true'));
is($node->safe_psql('postgres', $scores . $shared), $expected, 'with helpers: the same scores, all of them');

# A helper ends.
my $id = $node->safe_psql('postgres', sweep_sql('workers => 3'));
ok(becomes($node, $going->($id)), 'running with helpers');
my @workers = split /\n/, $node->safe_psql('postgres', $pids);
is(scalar(@workers), 3, 'a coordinator and two helpers');
is($node->safe_psql('postgres', "SELECT bool_and(usename = current_user) FROM pg_stat_activity WHERE application_name LIKE 'medallion sweep%'"),
	't', 'as the one who asked');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($workers[1])");
ok(becomes($node, $ended->($id)), 'ended');
is(state_of($node, $id), 'done', 'a sweep outlives a helper');
is($node->safe_psql('postgres', $scores . $id), $expected, 'with the same scores');

# The coordinator ends; the scheduler goes on.
$id = $node->safe_psql('postgres', sweep_sql('workers => 2'));
ok(becomes($node, $going->($id)), 'running');
($workers[0]) = split /\n/, $node->safe_psql('postgres', $pids);
$node->safe_psql('postgres', "SELECT pg_terminate_backend($workers[0])");
ok(becomes($node, "SELECT state IN ('interrupted', 'running') AND pg_sleep(0.2) IS NOT NULL FROM medallion.sweeps WHERE sweep_id = $id"), 'interrupted');
ok(becomes($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'medallion sweep%'"), 'its helper ended too');
is(state_of($node, $id), 'interrupted', 'and it is seen');
my $kept = $node->safe_psql('postgres', "SELECT string_agg(trial || ' ' || seconds, ';' ORDER BY trial) FROM medallion.trials WHERE sweep_id = $id AND state = 'complete'");
my $kept_trials = $node->safe_psql('postgres', "SELECT string_agg(trial::text, ',') FROM medallion.trials WHERE sweep_id = $id AND state = 'complete'");
$node->safe_psql('postgres', "UPDATE medallion._sweeps SET created_at = now() - interval '1 minute' WHERE sweep_id = $id");
ok(becomes($node, $ended->($id)), 'continued by the scheduler');
is(state_of($node, $id), 'done', 'done');
is($node->safe_psql('postgres', $scores . $id), $expected, 'with the same scores');
is($node->safe_psql('postgres', "SELECT string_agg(trial || ' ' || seconds, ';' ORDER BY trial) FROM medallion.trials WHERE sweep_id = $id AND trial IN ($kept_trials)"),
	$kept, 'complete trials were not done again');

# The server crashes.
$id = $node->safe_psql('postgres', sweep_sql('workers => 2'));
ok(becomes($node, $going->($id)), 'running');
($workers[0]) = split /\n/, $node->safe_psql('postgres', $pids);
my $log_size = -s $node->logfile;
kill 'KILL', $workers[0];
$node->wait_for_log(qr/all server processes terminated; reinitializing/, $log_size);
ok(becomes($node, "SELECT done > 0 AND state IN ('interrupted', 'running') FROM medallion.sweeps WHERE sweep_id = $id"), 'the server is back, trials are kept');
$node->safe_psql('postgres', "UPDATE medallion._sweeps SET created_at = now() - interval '1 minute' WHERE sweep_id = $id");
ok(becomes($node, $ended->($id)), 'continued after the crash');
is($node->safe_psql('postgres', $scores . $id), $expected, 'with the same scores');

# Cancelled within seconds.
$id = $node->safe_psql('postgres', sweep_sql('workers => 2'));
ok(becomes($node, $going->($id)), 'running');
my $start = time;
is($node->safe_psql('postgres', "SELECT medallion.cancel_sweep($id)"), 't', 'cancelled');
ok(becomes($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'medallion sweep%'"), 'its processes ended');
cmp_ok(time - $start, '<', 5, 'soon');
is(state_of($node, $id), 'cancelled', 'and the scheduler leaves it alone');
is($node->safe_psql('postgres', "SELECT count(*) FROM medallion.trials WHERE sweep_id = $id AND state = 'running'"), '0', 'no trial is left running');

# The extension goes while a sweep runs: its processes end.
$id = $node->safe_psql('postgres', sweep_sql('workers => 2'));
ok(becomes($node, $going->($id)), 'running');
$node->safe_psql('postgres', 'DROP EXTENSION medallion CASCADE');
ok(becomes($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'medallion sweep%'"), 'dropped with the extension');
$node->stop;

# Without preloading nobody goes on by himself; resume_sweep does.
my $plain = PostgreSQL::Test::Cluster->new('plain');
$plain->init;
$plain->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$plain->start;
$plain->safe_psql('postgres', $data);
$id = $plain->safe_psql('postgres', sweep_sql('workers => 2'));
ok(becomes($plain, $going->($id)), 'not preloaded: running');
$plain->restart;
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
