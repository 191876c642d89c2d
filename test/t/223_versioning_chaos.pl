# The concurrent checker with everything at once: TRUNCATE, MERGE, COPY, cascades, partitions, restore, definitions that
# change, tables rewritten, and servers killed.
#
# As in 220_versioning_checker.pl a journal kept by ordinary triggers, in the same transactions, says what each commit did.
# The test goes in rounds; after a round nothing special happens, or a backend is killed (and the server starts anew by
# itself), or the whole server.  A transaction whose COMMIT was in doubt has its journal or has not.  After each round the
# new versions are read, at the end all of them again, or one in five where it writes for less than a minute.
#
# MEDALLION_CHECKER_SECONDS (20) is how long it writes, or longer until there is enough to compare.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use ServerCrash;

my $seconds = $ENV{MEDALLION_CHECKER_SECONDS} || 20;
my $rate = $ENV{MEDALLION_CHECKER_RATE} || 80;
my $round_seconds = $seconds > 60 ? 12 : int($seconds / 6) || 1;
my $node = PostgreSQL::Test::Cluster->new('chaos');
$node->init;
$node->append_conf('postgresql.conf',
	"deadlock_timeout = 100ms\nmax_connections = 60\nrestart_after_crash = on\ncheckpoint_timeout = 30s\nautovacuum_naptime = 1\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION medallion');
$node->safe_psql('postgres', slurp_file('test/t/chaos_setup.sql'));
my $connection = $node->connstr('postgres');
append_to_file($node->basedir . '/copy.txt', join('', map { "$_\tcopied\n" } 30 .. 33) . "\\N\tcopied\n");

my $pick = '\set k random(21, 60)
\set j random(21, 60)
\set d random(1, 9)
';
my $transfer = 'WITH s AS (UPDATE a SET v = v - :d WHERE id = :k AND EXISTS (SELECT FROM b WHERE id = :j) RETURNING 1)
	INSERT INTO b (id, v, note) SELECT :j, :d, \'new\' FROM s ON CONFLICT (id) DO UPDATE SET v = b.v + excluded.v;
';
my $file = $node->basedir . '/copy.txt';
my %scripts = (
	transfer => [ 20, "${pick}BEGIN;\n${transfer}COMMIT;" ],
	abort => [ 5, "${pick}BEGIN;\n${transfer}DELETE FROM a WHERE id = :j;\nROLLBACK;" ],
	savepoints => [ 12, "${pick}BEGIN;\nSAVEPOINT s1;\nUPDATE a SET v = v + 100 WHERE id = :k;\nSAVEPOINT s2;\nDELETE FROM b WHERE id = :j;
		ROLLBACK TO s1;\n${transfer}RELEASE s1;\nSAVEPOINT s3;\n${transfer}SAVEPOINT s4;\nUPDATE a SET note = 's' || :d WHERE id = :k;
		RELEASE s3;\nSAVEPOINT s5;\nUPDATE b SET note = 'x' WHERE id = :k;\nROLLBACK TO s5;\nCOMMIT;" ],
	long => [ 4, '\set me :client_id + 1
		\set wait random(200, 1500)
		BEGIN;
		UPDATE a SET v = v - 5 WHERE id = :me;
		SAVEPOINT s;
		UPDATE a SET note = \'long\' WHERE id = :me;
		\sleep :wait ms
		SAVEPOINT s;
		INSERT INTO b (id, v, note) VALUES (:me, 5, \'long\') ON CONFLICT (id) DO UPDATE SET v = b.v + 5;
		COMMIT;' ],
	blocks => [ 10, "${pick}SELECT blocks(:k, :d, :j);" ],
	merge => [ 10, "${pick}SELECT merge_transfer(:k, :j, :d);" ],
	move => [ 5, "${pick}SELECT move(:k, :j);" ],
	back => [ 6, "${pick}WITH s AS (UPDATE b SET v = v - 50 WHERE id = :k RETURNING 1)
		INSERT INTO a (id, v, note) SELECT :k, 50, 'back' FROM s ON CONFLICT (id) DO UPDATE SET v = a.v + 50, note = 'back';" ],
	other_key => [ 6, "${pick}SELECT other_key(:k, :j);" ],
	follow => [ 6, "${pick}SELECT follow(:k, NULL);" ],
	copy => [ 5, "${pick}SELECT follow(:k, '$file');" ],
	restore => [ 2, "${pick}SELECT set_back(:k);" ],
	fill => [ 8, "${pick}WITH s AS (UPDATE b SET v = v - 3 WHERE id = :k RETURNING 1) INSERT INTO c (id, v, note) SELECT nextval('c_id'), 3, 'filled' FROM s;" ],
	truncate => [ 2, "${pick}BEGIN;\nLOCK TABLE c;
		INSERT INTO a (id, v, note) SELECT 300, sum(v), 'truncated' FROM c HAVING count(*) > 0 ON CONFLICT (id) DO UPDATE SET v = a.v + excluded.v;
		TRUNCATE c;\nINSERT INTO c (id, v, note) SELECT nextval('c_id'), 0, 'after';\nCOMMIT;" ],
	truncate_back => [ 1, "BEGIN;\nSAVEPOINT s;\nTRUNCATE c;\nROLLBACK TO s;\nINSERT INTO c (id, v, note) SELECT nextval('c_id'), 0, 'kept';\nCOMMIT;" ],
	repeatable => [ 6, "${pick}BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT sum(v) FROM a;\n\\sleep 30 ms\n${transfer}COMMIT;" ],
	serializable => [ 6, "${pick}BEGIN ISOLATION LEVEL SERIALIZABLE;\nSELECT v FROM a WHERE id = :j;\n\\sleep 30 ms\n${transfer}COMMIT;" ],
);
# A thread for each client: preparing a statement blocks the whole thread, and may wait for another client.
my @writers = ('pgbench', '-n', '-c', 8, '-j', 8, '-R', $rate, '--max-tries=1000', '-M', 'prepared');
for my $name (sort keys %scripts)
{
	my $path = $node->basedir . "/$name.sql";
	append_to_file($path, $scripts{$name}[1] . "\n");
	push @writers, '-f', "$path\@$scripts{$name}[0]";
}
append_to_file($node->basedir . '/vacuum.sql', "VACUUM FULL d;\n\\sleep 400 ms\nVACUUM (FREEZE) a, b;\n\\sleep 400 ms\nVACUUM FULL b;\n\\sleep 800 ms\n");

sub beside
{
	my ($name, @command) = @_;
	my $run = { name => $name, out => '', err => '' };
	$run->{handle} = IPC::Run::start(\@command, '>', \$run->{out}, '2>', \$run->{err});
	return $run;
}
sub call { return beside($_[0], 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $connection, '-c', "CALL $_[0]") }

sub read_versions
{
	my ($target, $every) = @_;
	my @runs = map { call("read_all('$target', $_, 3, $every)") } 0 .. 2;
	for my $run (@runs) { $run->{handle}->finish; is($run->{err}, '', "every version is read into $target") }
}

# ---- rounds --------------------------------------------------------------------------------------------------------
my ($round, %ended) = (0);
my $until = time + $seconds;
my $enough = q{SELECT (SELECT count(*) FROM seen) > 50 AND (SELECT count(*) FROM altered) > 5 AND
	(SELECT count(*) > 3 FROM medallion_history.commit_changes WHERE operation = 'truncate')};
while (time < $until || $round < 3 || $round < 60 && $node->safe_psql('postgres', $enough) ne 't')
{
	my $end = ('quietly', 'with a backend killed', 'with the server killed')[ $round++ % 3 ];
	my $last = $round_seconds + ($end eq 'quietly' ? 0 : 60);
	my @runs = (beside('writers', @writers, '-T', $last, "$connection application_name=writer"),
		beside('vacuum', 'pgbench', '-n', '-c', 1, '--max-tries=1000', '-T', $last, '-f', $node->basedir . '/vacuum.sql', $connection),
		call("alter_tables($last)"), map { call("read_past($last)") } 1 .. 2);
	if ($end ne 'quietly')
	{
		usleep($round_seconds * 1e6 * (0.8 + rand(0.2)));
		if ($end =~ /backend/)
		{
			my $killed = 0;
			for (1 .. 500)
			{
				my @pids = split ' ', $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE application_name = 'writer' AND state <> 'idle'});
				last if $killed = @pids && kill_process($node, $pids[ rand @pids ]);
			}
			ok($killed, "round $round: a backend at work was killed");
		}
		else
		{
			kill_server($node);
			$_->{handle}->finish for @runs;
			$node->start;
		}
	}
	$_->{handle}->finish for @runs;
	ok($node->poll_query_until('postgres', 'SELECT true'), "round $round ended $end, the server is there");
	$ended{$end}++;
	for my $run (@runs)
	{
		my $bad = join("\n", grep { !/deadlock detected/ } $run->{err} =~ /(.*(?:ERROR|PANIC).*)/g);
		ok($bad eq '' && ($end ne 'quietly' || $run->{handle}->full_result(0) == 0), "round $round: $run->{name}") or diag($run->{err});
	}
	read_versions('state', 1);
}

# ---- the verdict ---------------------------------------------------------------------------------------------------
$node->safe_psql('postgres', 'UPDATE range SET last = (SELECT max(version) FROM medallion_history.commit_log)');
my $every = $seconds > 60 ? 1 : 5;
read_versions('state_again', $every);
my $tables = q{(VALUES ('a', 1), ('b', 2), ('c', 3), ('d', 4))};
my $union = sub { my ($query) = @_; return join(' UNION ALL ', map { $query =~ s/TABLE_NAME/$_/gr } 'a' .. 'd') };
$node->safe_psql('postgres', qq{
CREATE TABLE truth AS
SELECT c.version, tbl, key, old, new FROM (
	SELECT xid, tbl, key, (array_agg(old ORDER BY seq))[1] AS old, (array_agg(new ORDER BY seq DESC))[1] AS new
	FROM journal GROUP BY xid, tbl, key) net
LEFT JOIN medallion_history.commit_log c ON c.stamp = net.xid::text::bigint
WHERE old IS DISTINCT FROM new;
CREATE TABLE deltas AS
SELECT version, n, sum(COALESCE(hashtextextended(new, n)::numeric, 0) - COALESCE(hashtextextended(old, n)::numeric, 0)) AS delta
FROM truth JOIN $tables x(tbl, n) USING (tbl) GROUP BY 1, 2;
CREATE TABLE expected AS
SELECT s.version, n, f.sums[n] + sum(COALESCE(delta, 0)) OVER (PARTITION BY n ORDER BY s.version) AS sum
FROM state s CROSS JOIN generate_series(1, 4) n
JOIN (SELECT sums FROM state, range WHERE version = range.first) f ON true
LEFT JOIN deltas d USING (version, n);
CREATE TABLE feed AS
@{[ $union->(q{SELECT 'TABLE_NAME' AS tbl, _commit_version AS version, _change_type, (row_data).id AS key, image(row_data) AS image
	FROM range, medallion.changes(NULL::TABLE_NAME, range.first + 1, range.last)}) ]};
CREATE VIEW truth_feed AS
SELECT tbl, version, CASE WHEN new IS NULL THEN 'delete' ELSE 'update_preimage' END AS _change_type, key, old AS image
	FROM truth WHERE old IS NOT NULL
UNION ALL
SELECT tbl, version, CASE WHEN old IS NULL THEN 'insert' ELSE 'update_postimage' END, key, new
	FROM truth WHERE new IS NOT NULL;
});

sub differences
{
	my ($query, $name) = @_;
	is($node->safe_psql('postgres', "SELECT count(*) FROM ($query) difference"), '0', $name)
		or diag($node->safe_psql('postgres', "SELECT * FROM ($query) difference LIMIT 5"));
}
differences('SELECT * FROM truth WHERE version IS NULL', 'every journalled transaction has a version');
differences('SELECT * FROM state JOIN expected e USING (version) WHERE state.sums[e.n] <> e.sum', 'every version is what the commits up to it made');
differences('SELECT * FROM state, range WHERE sums[5] <> (SELECT sums[5] FROM state WHERE version = range.first)',
	'the total of three tables holds at every version');
differences("(SELECT * FROM state WHERE version % $every = 0 EXCEPT ALL TABLE state_again) UNION ALL (TABLE state_again EXCEPT ALL TABLE state)", 'no version changed since its round');
differences('(TABLE feed EXCEPT ALL TABLE truth_feed) UNION ALL (TABLE truth_feed EXCEPT ALL TABLE feed)', 'the change feed is what the commits did');
differences(q{SELECT seen.*, s.* FROM seen JOIN state s ON s.version = COALESCE(
		(SELECT max(c.version) FROM state c WHERE c.version <= seen.version),
		(SELECT max(c.version) FROM medallion_history.commit_log c WHERE c.committed_at <= seen.at))
	WHERE seen.sums <> s.sums}, 'no version or time changed after it was read');
differences(q{SELECT version FROM (SELECT version, committed_at, lag(committed_at) OVER (ORDER BY version) AS before
	FROM medallion_history.commit_log) c WHERE committed_at <= before}, 'times grow with versions');
differences($union->(q{SELECT 'TABLE_NAME' FROM ((SELECT image(t) FROM TABLE_NAME t EXCEPT ALL SELECT image(t) FROM range, medallion.as_of(NULL::TABLE_NAME, version => range.last) t)
	UNION ALL (SELECT image(t) FROM range, medallion.as_of(NULL::TABLE_NAME, version => range.last) t EXCEPT ALL SELECT image(t) FROM TABLE_NAME t)) x}),
	'the last version is the table');
# What there is to know of a row that is in the wrong version.
for my $wrong (split /\n/, $node->safe_psql('postgres', q{SELECT tbl || ' ' || version || ' ' || key FROM ((TABLE feed EXCEPT ALL TABLE truth_feed)
	UNION ALL (TABLE truth_feed EXCEPT ALL TABLE feed)) x LIMIT 4}))
{
	my ($tbl, $version, $key) = split / /, $wrong;
	my (undef, $out, $err) = $node->psql('postgres', qq{
		SELECT 'history ' || (to_jsonb(h) - 'note')::text FROM medallion_history."public.$tbl" h WHERE id = $key;
		SELECT 'now xmin ' || xmin || ' ' || ctid || ' ' || id || ' ' || v FROM $tbl WHERE id = $key;
		SELECT 'journal ' || to_jsonb(j)::text FROM journal j WHERE tbl = '$tbl' AND key = $key;
		SELECT 'commit ' || to_jsonb(l)::text FROM medallion_history.commit_log l WHERE version BETWEEN $version - 2 AND $version + 3;
		SELECT 'changes ' || (to_jsonb(c) - 'places')::text || ' ' || COALESCE(length(places), -1) FROM medallion_history.commit_changes c WHERE version BETWEEN $version - 2 AND $version + 3});
	diag("$wrong:\n$out\n$err");
}
diag($node->safe_psql('postgres', q{
	SELECT format('%s versions read, %s of them twice; %s row changes in the feed; %s reads of a version or a time beside the writers, %s refused; %s definitions changed; %s truncations',
		(SELECT count(*) FROM state), (SELECT count(*) FROM state_again), (SELECT count(*) FROM feed), (SELECT count(*) FROM seen), (SELECT count(*) FROM refused), (SELECT count(*) FROM altered),
		(SELECT count(*) FROM medallion_history.commit_changes WHERE operation = 'truncate'))}) .
	'; rounds: ' . join(', ', map { "$ended{$_} $_" } sort keys %ended));
diag($node->safe_psql('postgres', 'SELECT message, count(*) FROM refused GROUP BY 1 ORDER BY 2 DESC LIMIT 6'));
is($node->safe_psql('postgres', $enough), 't', 'there was enough to compare');
$node->stop;
done_testing();
