# The scheduler prunes by retention: while others write and read old versions, up to tags, and after a crash in its middle.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);
use ServerCrash;

my $node = PostgreSQL::Test::Cluster->new('retention');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'medallion'\nautovacuum_naptime = 1\nmax_worker_processes = 16\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION medallion;
	CREATE TABLE t (id int PRIMARY KEY, v bigint);
	CREATE TABLE u (id int PRIMARY KEY, v bigint);
	INSERT INTO t SELECT i, 100 FROM generate_series(1, 50) i;
	INSERT INTO u SELECT i, 100 FROM generate_series(1, 50) i});
$node->safe_psql('postgres', q{SELECT medallion.enable_versioning('t', retain => '2 s')});
$node->safe_psql('postgres', q{SELECT medallion.enable_versioning('u', retain => '2 s')});
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM medallion.jobs WHERE kind = 'retention'}) or die 'no job';
is($node->safe_psql('postgres', q{SELECT every FROM medallion.jobs WHERE kind = 'retention'}), '00:00:01', 'the job runs as often as the shortest retention needs');

# Transfers between two tables; every version that can be read has the same sum, and stays what it was.
append_to_file($node->basedir . '/write.sql', q{
\set k random(1, 50)
BEGIN;
UPDATE t SET v = v - 1 WHERE id = :k;
UPDATE u SET v = v + 1 WHERE id = :k;
COMMIT;
});
my $load = IPC::Run::start([ 'pgbench', '-n', '-c', 3, '-T', 3600, '-R', 300, '-f', $node->basedir . '/write.sql', $node->connstr('postgres') ],
	'>', \my $out, '2>', \my $err);
my (%seen, $reread, $refused, $wrong);
$reread = $refused = $wrong = 0;
my $start = time;
while (time < $start + 11 || ($reread <= 10 || $refused == 0) && time < $start + $PostgreSQL::Test::Utils::timeout_default)
{
	my @old = sort { $a <=> $b } keys %seen;
	my $version = @old > 3 && rand() < 0.7 ? $old[rand @old] : $node->safe_psql('postgres', 'SELECT max(version) FROM medallion.commits');
	my ($stdout, $stderr) = ('', '');
	$node->psql('postgres', "SELECT (SELECT sum(v) FROM medallion.as_of(NULL::t, version => $version)) + (SELECT sum(v) FROM medallion.as_of(NULL::u, version => $version))"
		. ", (SELECT sum(hashint8(id * 1000000 + v)) FROM medallion.as_of(NULL::t, version => $version))", stdout => \$stdout, stderr => \$stderr);
	if ($stderr =~ /was pruned|older than the oldest commit/) { $refused++; delete $seen{$version}; next; }
	$wrong++, diag("version $version: $stdout $stderr, before $seen{$version}") if $stdout !~ /^10000\|/ || (exists $seen{$version} && $seen{$version} ne $stdout);
	$reread++ if exists $seen{$version};
	$seen{$version} = $stdout;
}
$load->kill_kill;
is($wrong, 0, "versions read again are what they were ($reread times), or refused ($refused times)");
cmp_ok($reread, '>', 10, 'versions were read again');
unlike($err, qr/ERROR|FATAL|abort/, 'writers had no errors') or diag $err;
is($node->safe_psql('postgres', q{SELECT count(*) FROM medallion.job_runs WHERE kind = 'retention' AND state = 'failed'}), '0', 'no run failed');
# The newest commit, and those of the three writers that overlapped with it.
$node->poll_query_until('postgres', q{SELECT count(*) <= 5 FROM medallion_history.commit_log}) or die 'the log was not pruned';
pass('the log is pruned to what is needed');

# A tag holds pruning back, and is named.
$node->safe_psql('postgres', q{UPDATE t SET v = 0; SELECT medallion.tag('kept')});
my $sum = $node->safe_psql('postgres', q{UPDATE t SET v = id; UPDATE t SET v = v + 1; SELECT medallion.version_of('kept')});
# Some runs begin after what the tag keeps has got too old.
my $run = $node->safe_psql('postgres', q{SELECT pg_sleep(2.1); SELECT max(run) FROM medallion.job_runs}) =~ s/^\n//r;
$node->poll_query_until('postgres', qq{SELECT count(*) > 1 FROM medallion.job_runs WHERE kind = 'retention' AND state = 'succeeded' AND run > $run}) or die 'no runs';
$node->poll_query_until('postgres', q{SELECT blocked_by IS NOT NULL FROM medallion.history_sizes WHERE relation = 'public.t'}) or die 'not blocked';
is($node->safe_psql('postgres', q{SELECT count(*), sum(v) FROM medallion.as_of(NULL::t, version => medallion.version_of('kept'))}), '50|0', 'the tagged version is kept');
like($node->safe_psql('postgres', q{SELECT blocked_by FROM medallion.history_sizes WHERE relation = 'public.t'}), qr/^tag "kept" \(version \d+\)$/, 'and named');
$node->safe_psql('postgres', q{SELECT medallion.untag('kept')});
$node->poll_query_until('postgres', q{SELECT count(*) <= 1 FROM medallion.history('t')}) or die 'not pruned after untag';
pass('without the tag it goes');

# A crash in the middle: what the horizon allows reads as before, and the next run deletes the rest.
$node->safe_psql('postgres', q{
	SELECT medallion.set_retention('t', NULL); SELECT medallion.set_retention('u', NULL);
	CREATE TABLE big (id int PRIMARY KEY, v int, pad text)});
$node->safe_psql('postgres', q{SELECT medallion.enable_versioning('big')});
$node->safe_psql('postgres', q{INSERT INTO big SELECT i, 0, repeat('x', 100) FROM generate_series(1, 100000) i});
$node->safe_psql('postgres', "UPDATE big SET v = v + 1") for 1 .. 4;
$node->safe_psql('postgres', "UPDATE big SET v = v + 1 WHERE id <= 10");
my $picture = $node->safe_psql('postgres', 'SELECT sum(v), count(*) FROM big');
my $last = $node->safe_psql('postgres', q{SELECT medallion._point('big'::regclass, NULL, clock_timestamp())});
my $all = 400_000 + 10;
my $rows = $all;
$node->safe_psql('postgres', q{SELECT medallion.set_retention('big', '1 s')});
$start = time;
while ($rows == $all && time < $start + $PostgreSQL::Test::Utils::timeout_default)
{
	usleep(20_000);
	$rows = $node->safe_psql('postgres', 'SELECT count(*) FROM medallion_history."public.big"');
}
kill_server($node);
$node->start;
cmp_ok($rows, '<', $all, 'pruning had begun');
note($rows > 100_010 ? 'stopped in the middle' : 'stopped after it');
is($node->safe_psql('postgres', "SELECT sum(v), count(*) FROM medallion.as_of(NULL::big, version => $last)"), $picture, 'after a crash the newest version reads as before');
my ($stdout, $stderr) = ('', '');
$node->psql('postgres', "SELECT count(*) FROM medallion.as_of(NULL::big, version => $last - 2)", stdout => \$stdout, stderr => \$stderr);
like($stderr, qr/was pruned/, 'and what the horizon excludes is refused, whether its rows are there or not');
$node->poll_query_until('postgres', q{SELECT count(*) <= 10 FROM medallion_history."public.big"}) or die 'the rest was not deleted';
pass('the next run deletes the rest');
is($node->safe_psql('postgres', q{SELECT count(*) FROM medallion.as_of(NULL::big, at => clock_timestamp())}), '100000', 'the present is whole');
$node->stop;
done_testing();
