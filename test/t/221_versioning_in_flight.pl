# A commit that has its number but has not ended: who asks for that version or a later one waits for it, older ones are
# answered at once.  A commit is held at that point by a synchronous standby that does not exist.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('in_flight');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "synchronous_commit = local\nsynchronous_standby_names = 'nobody'\nmax_connections = 40\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION medallion;
	CREATE TABLE t (id int PRIMARY KEY, v int);
	INSERT INTO t VALUES (1, 1), (2, 2);
	SELECT medallion.enable_versioning('t');
	UPDATE t SET v = 10 WHERE id = 1});
my $v = $node->safe_psql('postgres', 'SELECT version FROM medallion_history.commit_clock');
my $connection = $node->connstr('postgres');

sub past { return "SELECT string_agg(id || '=' || v, ' ' ORDER BY id) FROM medallion.as_of(NULL::t, version => $_[0])" }

sub beside
{
	my (@statements) = @_;
	my $run = { out => '', err => '' };
	$run->{handle} = IPC::Run::start([ 'psql', '-XqAt', '-d', $connection, map { ('-c', $_) } @statements ],
		'>', \$run->{out}, '2>', \$run->{err});
	return $run;
}

my $writer = beside('SET application_name = \'held\'', 'SET synchronous_commit = on', 'UPDATE t SET v = 20 WHERE id = 2');
ok($node->poll_query_until('postgres', q{SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE application_name = 'held'}),
	'a commit is held after its number');
is($node->safe_psql('postgres', 'SELECT version FROM medallion_history.commit_clock'), $v + 1, 'it has the next number');
is($node->safe_psql('postgres', past($v)), '1=10 2=2', 'the version before is answered at once');
is($node->safe_psql('postgres', "SET statement_timeout = '180s'; UPDATE t SET v = 11 WHERE id = 1; SELECT version FROM medallion_history.commit_clock"),
	$v + 2, 'another writer is not held up');
for my $query (past($v + 1), past($v + 2),
	'SELECT count(*) FROM medallion.as_of(NULL::t, at => now())', "SELECT count(*) FROM medallion.changes(NULL::t, $v)")
{
	my ($status, $out, $err) = $node->psql('postgres', "SET statement_timeout = 300; $query");
	like($err, qr/canceling statement due to statement timeout/, "waits: " . substr($query, 0, 60));
}
is($node->safe_psql('postgres', past($v)), '1=10 2=2', 'the version before is still the same');
my @readers = map { beside("SET application_name = 'reader'", $_) } (past($v + 1), past($v + 2),
	'SELECT count(*) FROM medallion.as_of(NULL::t, at => now()) WHERE v IN (11, 20)',
	"SELECT max(_commit_version) FROM medallion.changes(NULL::t, $v)",
	"PREPARE p(bigint) AS " . past('$1') . "; SET plan_cache_mode = force_generic_plan; EXECUTE p($v); EXECUTE p($v + 1)",
	"LOAD 'medallion'; PREPARE q AS SELECT sum(v) FROM medallion.as_of(NULL::t, at => clock_timestamp()); EXECUTE q",
	"SET search_path = public; SELECT medallion.travel_to(version => $v); SET medallion.as_of = '@{[$v + 1]}';"
	  . "SELECT string_agg(id || '=' || v, ' ' ORDER BY id) FROM t; SELECT sum(v) FROM t",
	"SELECT medallion.travel_to(at => clock_timestamp()) - $v; SELECT sum(v) FROM t",
	"DO \$\$DECLARE s text; BEGIN FOR i IN 0 .. 2 LOOP SELECT string_agg(id || '=' || v, ' ' ORDER BY id) INTO s"
	  . " FROM medallion.as_of(NULL::t, version => $v + i); RAISE NOTICE '%', s; END LOOP; END\$\$");
my $snapshot = beside("SET application_name = 'reader'", 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1;' . past($v + 1));
ok($node->poll_query_until('postgres', q{SELECT count(*) = 10 FROM pg_stat_activity WHERE application_name = 'reader' AND wait_event_type = 'Lock'}),
	'readers wait for it');
$node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'held'});
$_->{handle}->finish for $writer, @readers, $snapshot;
like($writer->{err}, qr/canceling wait for synchronous replication/, 'the commit ends');
is($readers[0]{out}, "1=10 2=20\n", 'the version has it');
is($readers[1]{out}, "1=11 2=20\n", 'so has the later one');
is($readers[2]{out}, "2\n", 'and the time');
is($readers[3]{out}, ($v + 2) . "\n", 'and the feed');
is($readers[4]{out} . $readers[4]{err}, "1=10 2=2\n1=10 2=20\n", 'a plan made before has it');
is($readers[5]{out} . $readers[5]{err}, "31\n", 'a plan that asks for the time of the clock has it');
is($readers[6]{out} . $readers[6]{err}, "$v\n1=10 2=20\n30\n", 'a session that travels to it has it');
is($readers[7]{out} . $readers[7]{err}, "2\n31\n", 'so has one that travels to the time of the clock');
like($readers[8]{err}, qr/NOTICE:  1=10 2=2\n.*NOTICE:  1=10 2=20\n.*NOTICE:  1=11 2=20\n/s, 'and a kept plan in a function');
like($snapshot->{err}, qr/version \d+ is newer than the snapshot of this transaction/, 'a REPEATABLE READ snapshot from before is too old');
is($node->safe_psql('postgres', past($v)), '1=10 2=2', 'the version before is what it was');
$node->stop;
done_testing();
