# Transaction ids that a crash gives out again.  An id that was given but never came into the write-ahead log is given to
# another transaction after a crash.  A commit from before must not take what that one writes for its own past.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ServerCrash;

my $node = PostgreSQL::Test::Cluster->new('reused_ids');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\ncheckpoint_timeout = 1h\nshared_preload_libraries = ''\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION medallion;
	CREATE TABLE t (id int PRIMARY KEY, v int);
	INSERT INTO t VALUES (1, 1);
	SELECT medallion.enable_versioning('t');
	UPDATE t SET v = 2});

for my $subtransactions (20, 100)
{
	my %session;
	for my $name ('writer', 'other')
	{
		my $s = $session{$name} = { in => '', out => '', err => '' };
		$s->{timer} = IPC::Run::timer($PostgreSQL::Test::Utils::timeout_default);
		$s->{handle} = IPC::Run::start([ 'psql', '-XqAt', '-f', '-', '-d', $node->connstr('postgres') ], '<', \$s->{in}, '>', \$s->{out}, '2>', \$s->{err}, $s->{timer});
	}
	my $say = sub {
		my ($name, $sql) = @_;
		my $s = $session{$name};
		$s->{out} = '';
		$s->{in} .= "$sql;\n\\echo done\n";
		$s->{handle}->pump until $s->{out} =~ /done/;
		return $s->{out} =~ s/done\n//r;
	};
	$say->('writer', 'LOAD \'medallion\'; BEGIN; UPDATE t SET v = v + 1 WHERE id = 1');
	# These ids are in no log: a temporary table has none.
	$say->('other', 'CREATE TEMP TABLE x (i int); BEGIN; SELECT pg_current_xact_id()');
	$say->('writer', 'SELECT 1');
	$say->('other', "SAVEPOINT s; INSERT INTO x VALUES (1)") for 1 .. $subtransactions;
	my $last = $say->('other', 'SELECT max(xmin::text::bigint) FROM x');
	my $high = $say->('writer', 'COMMIT; SELECT high FROM medallion_history.commit_log ORDER BY version DESC LIMIT 1');
	my $v = $say->('writer', 'SELECT max(version) FROM medallion_history.commit_log');
	my $picture = $say->('writer', "SELECT string_agg(id || '=' || v, ' ' ORDER BY id) FROM medallion.as_of(NULL::t, version => $v)");
	cmp_ok($last, '<', $high, 'an id that was given before the commit');

	kill_server($node);
	eval { $_->{handle}->finish } for values %session;
	$node->start;
	$node->safe_psql('postgres', 'SELECT pg_current_xact_id()');	# so that the ids are given to others than before
	my $again = $node->safe_psql('postgres', 'BEGIN; ' . join(' ', map { "SAVEPOINT s; INSERT INTO t VALUES ($subtransactions * 1000 + $_, 0);" } 1 .. $subtransactions) .
		" COMMIT; SELECT min(xmin::text::bigint) FROM t WHERE id > $subtransactions * 1000");
	cmp_ok($again, '<', $high, 'is given again after the crash');
	is($node->safe_psql('postgres', "SELECT string_agg(id || '=' || v, ' ' ORDER BY id) FROM medallion.as_of(NULL::t, version => $v)") . "\n", $picture,
		'and is not taken for the one of before');
}
$node->stop;
done_testing();
