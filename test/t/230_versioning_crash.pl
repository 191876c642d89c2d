# kill -9 while writers commit: numbers and times go on growing, every version that was read stays as it was, and each
# transaction is there whole, with its version, or not at all.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use ServerCrash;

my $node = PostgreSQL::Test::Cluster->new('crash');
$node->init;
$node->append_conf('postgresql.conf', "fsync = on\nsynchronous_commit = on\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION medallion;
	CREATE TABLE t (id int PRIMARY KEY, v bigint, note text);
	CREATE TABLE u (id int PRIMARY KEY, v bigint);
	INSERT INTO t SELECT i, 100 FROM generate_series(1, 100) i;
	INSERT INTO u SELECT i, 100 FROM generate_series(1, 100) i;
	SELECT medallion.enable_versioning('t');
	SELECT medallion.enable_versioning('u')});
append_to_file($node->basedir . '/write.sql', q{
\set k random(1, 100)
BEGIN;
UPDATE t SET v = v - 1, note = repeat('x', 500) WHERE id = :k;
SAVEPOINT s;
UPDATE u SET v = v + 1 WHERE id = :k;
COMMIT;
});
my $states = q{SELECT v, (SELECT sum(hashtextextended(t::text, 1)) FROM medallion.as_of(NULL::t, version => v) t),
		(SELECT sum(hashtextextended(u::text, 1)) FROM medallion.as_of(NULL::u, version => v) u)
	FROM (SELECT version AS v FROM medallion_history.commit_log WHERE version > 2 AND version <= %s ORDER BY hashint8(version) LIMIT 40) c ORDER BY v};

for my $round (1 .. 3)
{
	my $load = IPC::Run::start([ 'pgbench', '-n', '-c', 4, '-T', 3600, '-f', $node->basedir . '/write.sql', $node->connstr('postgres') ],
		'>', \my $out, '2>', \my $err);
	my $first = $node->safe_psql('postgres', 'SELECT version FROM medallion_history.commit_clock');
	usleep(400_000 + 200_000 * $round);
	$node->poll_query_until('postgres', "SELECT version > $first + 40 FROM medallion_history.commit_clock") or die 'nothing is written';
	my $before = $node->safe_psql('postgres', 'SELECT medallion._point(\'t\'::regclass, NULL, clock_timestamp())');
	my $query = sprintf($states, $before);
	my $picture = $node->safe_psql('postgres', $query);
	my $last = $node->safe_psql('postgres', q{SELECT version || ' ' || extract(epoch FROM last_time) FROM medallion_history.commit_clock});
	usleep(150_000);
	kill_server($node);
	$load->finish;
	$node->start;
	cmp_ok(scalar(split /\n/, $picture), '>', 20, "round $round: enough versions were read before");
	is($node->safe_psql('postgres', $query), $picture, "round $round: versions read before the crash are what they were");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM medallion_history.commit_log c, (SELECT max(version) AS last FROM medallion_history.commit_log) m
		WHERE version > last - 200 AND version > 2
		AND (SELECT sum(v) FROM medallion.as_of(NULL::t, version => c.version)) + (SELECT sum(v) FROM medallion.as_of(NULL::u, version => c.version)) <> 20000}),
		'0', "round $round: both tables agree at the last 200 versions");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM ((TABLE t EXCEPT SELECT * FROM medallion.as_of(NULL::t, at => clock_timestamp()))
		UNION ALL (SELECT * FROM medallion.as_of(NULL::t, at => clock_timestamp()) EXCEPT TABLE t)) d}),
		'0', "round $round: the state of now is the table");
	my ($version, $time) = split / /, $last;
	is($node->safe_psql('postgres', qq{
		UPDATE t SET v = v WHERE id = 1;
		SELECT version > $version, extract(epoch FROM last_time) > $time FROM medallion_history.commit_clock}), 't|t',
		"round $round: numbers and times go on");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM (SELECT committed_at, lag(committed_at) OVER (ORDER BY version) AS before
		FROM medallion_history.commit_log) c WHERE committed_at <= before}), '0', "round $round: in order");
}
$node->stop;
done_testing();
