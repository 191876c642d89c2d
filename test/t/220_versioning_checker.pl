# The concurrent time-travel checker: writers of every kind against readers of the past.
#
# Eight writers change two versioned tables.  Ordinary PL/pgSQL triggers keep a journal of every row change, in the same
# transaction, so it says what each commit really did, and it knows nothing of versions.  Readers meanwhile remember what
# they saw of the past.  At the end each version is compared with the journal, the change feed with the journal, what the
# readers saw with what is there now, and plain REPEATABLE READ reads with the version that they equal.
#
# MEDALLION_CHECKER_SECONDS (20) is how long it writes at a time, MEDALLION_CHECKER_RATE (150) how many transactions a second it
# tries; it writes again where that was not enough to compare.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{MEDALLION_CHECKER_SECONDS} || 20;
my $rate = $ENV{MEDALLION_CHECKER_RATE} || 150;
my $node = PostgreSQL::Test::Cluster->new('checker');
$node->init;
$node->append_conf('postgresql.conf', "deadlock_timeout = 100ms\nmax_connections = 60\n");
$node->start;

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION medallion;
CREATE TABLE a (id int PRIMARY KEY, v bigint NOT NULL, note text);
CREATE TABLE b (id int PRIMARY KEY, v bigint NOT NULL, note text);
INSERT INTO a SELECT i, 1000, CASE WHEN i % 3 > 0 THEN 'a' || i END FROM generate_series(1, 120) i;
INSERT INTO b SELECT i, 1000, CASE WHEN i % 3 > 0 THEN 'b' || i END FROM generate_series(1, 120) i;
SELECT medallion.enable_versioning('a');
SELECT medallion.enable_versioning('b');

-- What really happened: every row change in its order, rolled back with its transaction or savepoint.
CREATE TABLE journal (xid xid8 NOT NULL, seq bigserial, tbl text NOT NULL, key int NOT NULL, old text, new text);
CREATE FUNCTION keep_journal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'UPDATE' AND NEW.id = OLD.id THEN
		INSERT INTO journal(xid, tbl, key, old, new) VALUES (pg_current_xact_id(), TG_TABLE_NAME, OLD.id, OLD::text, NEW::text);
		RETURN NULL;
	END IF;
	IF TG_OP <> 'INSERT' THEN
		INSERT INTO journal(xid, tbl, key, old) VALUES (pg_current_xact_id(), TG_TABLE_NAME, OLD.id, OLD::text);
	END IF;
	IF TG_OP <> 'DELETE' THEN
		INSERT INTO journal(xid, tbl, key, new) VALUES (pg_current_xact_id(), TG_TABLE_NAME, NEW.id, NEW::text);
	END IF;
	RETURN NULL;
END$$;
CREATE TRIGGER journal AFTER INSERT OR UPDATE OR DELETE ON a FOR EACH ROW EXECUTE FUNCTION keep_journal();
CREATE TRIGGER journal AFTER INSERT OR UPDATE OR DELETE ON b FOR EACH ROW EXECUTE FUNCTION keep_journal();

-- A transfer in exception blocks: the inner one fails half of the time, the outer one sometimes, and both are caught.
CREATE FUNCTION blocks(k int, d int, fail int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE a SET v = v - d WHERE id = k;
	IF NOT FOUND THEN RETURN; END IF;
	BEGIN
		UPDATE b SET v = v + 7 WHERE id = k;
		BEGIN
			UPDATE a SET v = v - 7, note = 'block' WHERE id = k;
			INSERT INTO b VALUES (-k, 0, 'inner');
			IF fail % 2 = 0 THEN RAISE division_by_zero; END IF;
			DELETE FROM b WHERE id = -k;
		EXCEPTION WHEN division_by_zero OR unique_violation THEN
			UPDATE a SET v = v - 7, note = 'caught' WHERE id = k;
		END;
		IF fail % 5 = 0 OR NOT EXISTS (SELECT FROM b WHERE id = k) THEN RAISE invalid_parameter_value; END IF;
	EXCEPTION WHEN invalid_parameter_value THEN
		NULL;
	END;
	BEGIN
		UPDATE b SET v = v + d WHERE id = k;
		IF NOT FOUND THEN INSERT INTO b VALUES (k, d, 'made'); END IF;
	EXCEPTION WHEN unique_violation THEN
		UPDATE b SET v = v + d WHERE id = k;
	END;
END$$;
-- Many subtransactions, each of which survives.
CREATE FUNCTION many_blocks(first int, d int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR k IN first .. first + 4 LOOP
		BEGIN
			UPDATE a SET v = v - d WHERE id = k;
			IF FOUND THEN
				UPDATE b SET v = v + d WHERE id = k;
				IF NOT FOUND THEN RAISE no_data_found; END IF;
			END IF;
		EXCEPTION WHEN no_data_found THEN NULL;
		END;
	END LOOP;
END$$;
-- Takes a row out of one table and adds its amount to the other one.
CREATE FUNCTION move(k int, k2 int) RETURNS void LANGUAGE sql AS $$
	WITH gone AS (DELETE FROM a WHERE id = k AND EXISTS (SELECT FROM b WHERE id = k2) RETURNING v),
	     add AS (INSERT INTO b SELECT k2, v, 'moved' FROM gone ON CONFLICT (id) DO UPDATE SET v = b.v + excluded.v)
	SELECT;
$$;

-- What the readers saw.
CREATE TABLE seen (reader int, version bigint, at timestamptz, sum_a numeric, sum_b numeric);
CREATE TABLE seen_plain (last bigint, commits bigint, sum_a numeric, sum_b numeric);
CREATE TABLE refused (reader int, message text);
CREATE TABLE range AS SELECT max(version) AS first, NULL::bigint AS last FROM medallion_history.commit_log;

-- The state of a table as one number.
CREATE FUNCTION sum_a(ver bigint) RETURNS numeric LANGUAGE plpgsql AS $$
BEGIN RETURN (SELECT COALESCE(sum(hashtextextended(t::text, 1)), 0) FROM medallion.as_of(NULL::a, version => ver) t); END$$;
CREATE FUNCTION sum_b(ver bigint) RETURNS numeric LANGUAGE plpgsql AS $$
BEGIN RETURN (SELECT COALESCE(sum(hashtextextended(t::text, 2)), 0) FROM medallion.as_of(NULL::b, version => ver) t); END$$;

-- Reads versions that are just being made, versions read before, and times.
CREATE PROCEDURE read_past(reader int, seconds float8) LANGUAGE plpgsql AS $$
DECLARE
	until timestamptz := clock_timestamp() + seconds * interval '1 second';
	ver bigint; t timestamptz; x numeric; y numeric;
BEGIN
	WHILE clock_timestamp() < until LOOP
		t := NULL;
		CASE (random() * 3)::int
		WHEN 0 THEN
			SELECT version INTO ver FROM medallion_history.commit_clock;
		WHEN 1 THEN
			SELECT s.version INTO ver FROM seen s WHERE s.version IS NOT NULL OFFSET (random() * (SELECT count(*) FROM seen))::int LIMIT 1;
		WHEN 2 THEN
			SELECT max(c.version) - (random() * 20)::int INTO ver FROM medallion_history.commit_log c;
		ELSE
			t := clock_timestamp() - random() * interval '300 ms';
		END CASE;
		ver := greatest(ver, (SELECT first FROM range));
		BEGIN
			IF t IS NOT NULL THEN
				ver := NULL;
				EXECUTE 'SELECT (SELECT COALESCE(sum(hashtextextended(t::text, 1)), 0) FROM medallion.as_of(NULL::a, at => $1) t),
					(SELECT COALESCE(sum(hashtextextended(t::text, 2)), 0) FROM medallion.as_of(NULL::b, at => $1) t)' INTO x, y USING t;
			ELSIF random() < 0.5 THEN
				EXECUTE format('SELECT (SELECT COALESCE(sum(hashtextextended(t::text, 1)), 0) FROM medallion.as_of(NULL::a, version => %1$s) t),
					(SELECT COALESCE(sum(hashtextextended(t::text, 2)), 0) FROM medallion.as_of(NULL::b, version => %1$s) t)', ver) INTO x, y;
			ELSE
				x := sum_a(ver);
				y := sum_b(ver);
			END IF;
			INSERT INTO seen VALUES (reader, ver, t, x, y);
		EXCEPTION WHEN object_not_in_prerequisite_state OR invalid_parameter_value THEN
			INSERT INTO refused VALUES (reader, regexp_replace(sqlerrm, '[0-9].*[0-9]', '#'));
		END;
		COMMIT;
		PERFORM pg_sleep(0.01);
	END LOOP;
END$$;

-- Reads the tables themselves and which commits its snapshot has.
CREATE PROCEDURE read_plain(seconds float8) LANGUAGE plpgsql AS $$
DECLARE
	until timestamptz := clock_timestamp() + seconds * interval '1 second';
	x numeric; y numeric; last bigint; commits bigint;
BEGIN
	WHILE clock_timestamp() < until LOOP
		COMMIT;
		SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
		SELECT COALESCE(sum(hashtextextended(a::text, 1)), 0) INTO x FROM a;
		PERFORM pg_sleep(random() * 0.02);
		SELECT COALESCE(sum(hashtextextended(b::text, 2)), 0) INTO y FROM b;
		SELECT max(version), count(*) INTO last, commits FROM medallion.commits;
		INSERT INTO seen_plain VALUES (last, commits, x, y);
		COMMIT;
	END LOOP;
END$$;
SQL

# ---- the writers ---------------------------------------------------------------------------------------------------
my $pick = '\set k random(21, 60)
\set j random(21, 60)
\set d random(1, 9)
';
my $transfer = 'WITH s AS (UPDATE a SET v = v - :d WHERE id = :k AND EXISTS (SELECT FROM b WHERE id = :j) RETURNING 1)
	INSERT INTO b SELECT :j, :d, \'new\' FROM s ON CONFLICT (id) DO UPDATE SET v = b.v + excluded.v;
';
my %scripts = (
	transfer => [ 20, "${pick}BEGIN;\n${transfer}COMMIT;" ],
	one_statement => [ 10, $pick . $transfer ],
	abort => [ 8, "${pick}BEGIN;\n${transfer}DELETE FROM a WHERE id = :j;\nROLLBACK;" ],
	savepoints => [ 14, "${pick}BEGIN;
		SAVEPOINT s1;\nUPDATE a SET v = v + 100 WHERE id = :k;\nSAVEPOINT s2;\nDELETE FROM b WHERE id = :j;
		ROLLBACK TO s1;\n${transfer}RELEASE s1;\nSAVEPOINT s3;\n${transfer}SAVEPOINT s4;\nUPDATE a SET note = 's' || :d WHERE id = :k;
		RELEASE s3;\nSAVEPOINT s5;\nUPDATE b SET note = 'x' WHERE id = :k;\nROLLBACK TO s5;\nCOMMIT;" ],
	# An old id that commits late: rows of its own, so that nobody waits for it.
	long => [ 5, '\set me :client_id + 1
		\set wait random(200, 2500)
		BEGIN;
		SELECT pg_current_xact_id();
		UPDATE a SET v = v - 5 WHERE id = :me;
		SAVEPOINT s;
		UPDATE a SET note = \'long\' WHERE id = :me;
		\sleep :wait ms
		SAVEPOINT s;
		INSERT INTO b VALUES (:me, 5, \'long\') ON CONFLICT (id) DO UPDATE SET v = b.v + 5;
		COMMIT;' ],
	blocks => [ 12, "${pick}SELECT blocks(:k, :d, :j);" ],
	many_blocks => [ 6, "${pick}SELECT many_blocks(:k, :d);" ],
	move => [ 6, "${pick}SELECT move(:k, :j);" ],
	back => [ 6, "${pick}WITH s AS (UPDATE b SET v = v - 50 WHERE id = :k RETURNING 1)
		INSERT INTO a SELECT :k, 50, 'back' FROM s ON CONFLICT (id) DO UPDATE SET v = a.v + 50, note = 'back';" ],
	key => [ 4, "${pick}BEGIN;\nUPDATE b SET id = id + 1000 WHERE id = :k AND NOT EXISTS (SELECT FROM b WHERE id = :k + 1000);
		UPDATE b SET id = id - 1000 WHERE id = :j + 1000 AND NOT EXISTS (SELECT FROM b WHERE id = :j);\nCOMMIT;" ],
	same_key => [ 5, "${pick}BEGIN;\nSELECT FROM a WHERE id = 20 FOR UPDATE;\nDELETE FROM a WHERE id = 20;\nINSERT INTO a VALUES (20, 1000, 'again' || :d) ON CONFLICT DO NOTHING;
		INSERT INTO b VALUES (-1000000 - :k, 0, 'short') ON CONFLICT DO NOTHING;\nDELETE FROM b WHERE id = -1000000 - :k;
		UPDATE a SET note = note WHERE id = :k;\nCOMMIT;" ],
	repeatable => [ 8, "${pick}BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT sum(v) FROM a;\n\\sleep 30 ms\n${transfer}COMMIT;" ],
	serializable => [ 8, "${pick}BEGIN ISOLATION LEVEL SERIALIZABLE;\nSELECT v FROM a WHERE id = :j;\n\\sleep 30 ms\n${transfer}COMMIT;" ],
	other => [ 6, "BEGIN;\nSELECT pg_current_xact_id();\nSAVEPOINT s;\nINSERT INTO refused SELECT 1, 'x' WHERE false;\nCOMMIT;" ],
);
my @command = ('pgbench', '-n', '-c', 8, '-j', 2, '-T', $seconds, '-R', $rate, '--max-tries=1000', '-M', 'prepared');
for my $name (sort keys %scripts)
{
	my $file = $node->basedir . "/$name.sql";
	append_to_file($file, $scripts{$name}[1] . "\n");
	push @command, '-f', "$file\@$scripts{$name}[0]";
}

my @runs;
sub run_beside
{
	my (@command) = @_;
	my $run = { name => "@command", out => '', err => '' };
	$run->{handle} = IPC::Run::start(\@command, '>', \$run->{out}, '2>', \$run->{err});
	push @runs, $run;
}
my $connection = $node->connstr('postgres');
my $longer = $seconds + 2;
# Without these the comparisons would have nothing to compare.
my $enough = q{SELECT (SELECT count(*) FROM seen WHERE version IS NOT NULL) > 50
	AND (SELECT count(*) FROM seen WHERE at IS NOT NULL) > 20
	AND (SELECT count(*) FROM seen_plain p WHERE p.commits = (SELECT count(*) FROM medallion_history.commit_log c WHERE c.version <= p.last)) > 5
	AND (SELECT count(in_flight) FROM medallion_history.commit_log) > 50};
for (1 .. 10)
{
	@runs = ();
	run_beside(@command, $connection);
	run_beside('psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $connection, '-c', "CALL read_past($_, $longer)") for 1 .. 3;
	run_beside('psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $connection, '-c', "CALL read_plain($longer)") for 1 .. 2;
	for my $run (@runs)
	{
		$run->{handle}->finish;
		my ($kind) = $run->{name} =~ /CALL (\w+)/;
		ok($run->{handle}->full_result(0) == 0 && $run->{err} !~ /ERROR|aborted/, ($kind || 'writers') . ' ran to the end')
			or diag("$run->{out}\n$run->{err}");
	}
	note($runs[0]{out} =~ s/^SQL script.*//msr);
	last if $node->safe_psql('postgres', $enough) eq 't';
}

# ---- the verdict ---------------------------------------------------------------------------------------------------
# Each version on its own, in three sessions; then everything is a comparison of tables.
$node->safe_psql('postgres', <<'SQL');
UPDATE range SET last = (SELECT max(version) FROM medallion_history.commit_log);
CREATE TABLE state (version bigint PRIMARY KEY, sum_a numeric, sum_b numeric, total numeric);
CREATE PROCEDURE read_all(part int, parts int) LANGUAGE plpgsql AS $$
DECLARE
	ver bigint; x numeric; y numeric; p numeric; q numeric;
BEGIN
	FOR ver IN SELECT c.version FROM medallion_history.commit_log c, range
		WHERE c.version BETWEEN range.first AND range.last AND c.version % parts = part ORDER BY 1
	LOOP
		SELECT COALESCE(sum(hashtextextended(t::text, 1)), 0), sum(v) INTO x, p FROM medallion.as_of(NULL::a, version => ver) t;
		SELECT COALESCE(sum(hashtextextended(t::text, 2)), 0), sum(v) INTO y, q FROM medallion.as_of(NULL::b, version => ver) t;
		INSERT INTO state VALUES (ver, x, y, p + q);
	END LOOP;
END$$;
SQL
@runs = ();
run_beside('psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $connection, '-c', "CALL read_all($_, 3)") for 0 .. 2;
for my $run (@runs)
{
	$run->{handle}->finish;
	is($run->{err}, '', 'every version is read');
}
$node->safe_psql('postgres', <<'SQL');
-- The journal by commits: the first old and the last new image of a key, equal ones left out.
CREATE TABLE truth AS
SELECT c.version, tbl, key, old, new FROM (
	SELECT xid, tbl, key, (array_agg(old ORDER BY seq))[1] AS old, (array_agg(new ORDER BY seq DESC))[1] AS new
	FROM journal GROUP BY xid, tbl, key) net
LEFT JOIN medallion_history.commit_log c ON c.stamp = net.xid::text::bigint
WHERE old IS DISTINCT FROM new;
-- What each version should be: what it was at first and all that happened since.
CREATE TABLE expected AS
SELECT c.version,
	first.sum_a + sum(COALESCE(t.delta_a, 0)) OVER w AS sum_a, first.sum_b + sum(COALESCE(t.delta_b, 0)) OVER w AS sum_b, first.total
FROM state c JOIN (SELECT s.* FROM state s, range WHERE version = range.first) first ON true
LEFT JOIN (SELECT version,
	sum(COALESCE(hashtextextended(new, 1)::numeric, 0) - COALESCE(hashtextextended(old, 1)::numeric, 0)) FILTER (WHERE tbl = 'a') AS delta_a,
	sum(COALESCE(hashtextextended(new, 2)::numeric, 0) - COALESCE(hashtextextended(old, 2)::numeric, 0)) FILTER (WHERE tbl = 'b') AS delta_b
	FROM truth GROUP BY version) t ON t.version = c.version
WINDOW w AS (ORDER BY c.version);
CREATE TABLE feed AS
SELECT 'a' AS tbl, _commit_version AS version, _change_type, (row_data).id AS key, row_data::text AS image
	FROM range, medallion.changes(NULL::a, range.first + 1, range.last)
UNION ALL
SELECT 'b', _commit_version, _change_type, (row_data).id, row_data::text
	FROM range, medallion.changes(NULL::b, range.first + 1, range.last);
CREATE VIEW truth_feed AS
SELECT tbl, version, CASE WHEN new IS NULL THEN 'delete' ELSE 'update_preimage' END AS _change_type, key, old AS image
	FROM truth WHERE old IS NOT NULL
UNION ALL
SELECT tbl, version, CASE WHEN old IS NULL THEN 'insert' ELSE 'update_postimage' END, key, new
	FROM truth WHERE new IS NOT NULL;
SQL

sub differences
{
	my ($query, $name) = @_;
	is($node->safe_psql('postgres', "SELECT count(*) FROM ($query) difference"), '0', $name)
		or diag($node->safe_psql('postgres', "SELECT * FROM ($query) difference LIMIT 5"));
}
differences('SELECT * FROM truth WHERE version IS NULL', 'every journalled transaction has a version');
differences(q{SELECT * FROM state JOIN expected e USING (version)
	WHERE state.sum_a <> e.sum_a OR state.sum_b <> e.sum_b}, 'every version is what the commits up to it made');
differences('SELECT * FROM state JOIN expected e USING (version) WHERE state.total IS DISTINCT FROM e.total',
	'the total of both tables holds at every version');
differences('(TABLE feed EXCEPT ALL TABLE truth_feed) UNION ALL (TABLE truth_feed EXCEPT ALL TABLE feed)',
	'the change feed is what the commits did');
differences(q{SELECT seen.*, s.* FROM seen JOIN state s ON s.version = COALESCE(
		(SELECT max(c.version) FROM state c WHERE c.version <= seen.version),
		(SELECT max(c.version) FROM medallion_history.commit_log c WHERE c.committed_at <= seen.at))
	WHERE seen.sum_a <> s.sum_a OR seen.sum_b <> s.sum_b}, 'no version or time changed after it was read');
differences(q{SELECT p.*, s.* FROM seen_plain p JOIN state s ON s.version = p.last
	WHERE p.commits = (SELECT count(*) FROM medallion_history.commit_log c WHERE c.version <= p.last)
	AND (p.sum_a <> s.sum_a OR p.sum_b <> s.sum_b)}, 'a snapshot that has a complete prefix of commits equals its version');
differences(q{SELECT version FROM (SELECT version, committed_at, lag(committed_at) OVER (ORDER BY version) AS before
	FROM medallion_history.commit_log) c WHERE committed_at <= before}, 'times grow with versions');
differences(q{SELECT id FROM (TABLE a EXCEPT ALL SELECT a.* FROM range, medallion.as_of(NULL::a, version => range.last) a) x
	UNION ALL SELECT id FROM (SELECT b.* FROM range, medallion.as_of(NULL::b, version => range.last) b EXCEPT ALL TABLE b) x},
	'the last version is the table');
# as_of(v) minus as_of(v - 1), row by row, for some of the versions (the sums above have them all).
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE steps (version bigint, tbl text, old text, new text);
DO $$
DECLARE
	ver bigint;
BEGIN
	FOR ver IN SELECT c.version FROM state c, range WHERE c.version > range.first ORDER BY hashint8(c.version) LIMIT 300 LOOP
		INSERT INTO steps
		SELECT ver, 'a', x::text, NULL FROM (SELECT * FROM medallion.as_of(NULL::a, version => ver - 1) EXCEPT ALL SELECT * FROM medallion.as_of(NULL::a, version => ver)) x
		UNION ALL SELECT ver, 'a', NULL, x::text FROM (SELECT * FROM medallion.as_of(NULL::a, version => ver) EXCEPT ALL SELECT * FROM medallion.as_of(NULL::a, version => ver - 1)) x
		UNION ALL SELECT ver, 'b', x::text, NULL FROM (SELECT * FROM medallion.as_of(NULL::b, version => ver - 1) EXCEPT ALL SELECT * FROM medallion.as_of(NULL::b, version => ver)) x
		UNION ALL SELECT ver, 'b', NULL, x::text FROM (SELECT * FROM medallion.as_of(NULL::b, version => ver) EXCEPT ALL SELECT * FROM medallion.as_of(NULL::b, version => ver - 1)) x;
		INSERT INTO steps VALUES (ver, NULL, NULL, NULL);
	END LOOP;
END$$;
CREATE VIEW truth_steps AS
SELECT version, tbl, old, NULL AS new FROM truth WHERE old IS NOT NULL AND version IN (SELECT version FROM steps)
UNION ALL SELECT version, tbl, NULL, new FROM truth WHERE new IS NOT NULL AND version IN (SELECT version FROM steps);
CREATE VIEW read_steps AS SELECT version, tbl, old, new FROM steps WHERE tbl IS NOT NULL;
SQL
differences('(TABLE read_steps EXCEPT ALL TABLE truth_steps) UNION ALL (TABLE truth_steps EXCEPT ALL TABLE read_steps)',
	'a version minus the one before is what its commit did');

my $numbers = $node->safe_psql('postgres', q{
	SELECT format('%s commits (%s with subtransactions, %s recorded while others were in flight), all versions checked; %s row changes in the feed; ',
			count(*), count(substamps), count(in_flight), (SELECT count(*) FROM feed)) ||
		format('%s reads of a version, %s of a time, %s refused; ', (SELECT count(*) FROM seen WHERE version IS NOT NULL),
			(SELECT count(*) FROM seen WHERE at IS NOT NULL), (SELECT count(*) FROM refused)) ||
		format('%s plain snapshots, %s of them complete prefixes; %s versions subtracted row by row', (SELECT count(*) FROM seen_plain),
			(SELECT count(*) FROM seen_plain p WHERE p.commits = (SELECT count(*) FROM medallion_history.commit_log c WHERE c.version <= p.last)),
			(SELECT count(DISTINCT version) FROM steps))
	FROM medallion_history.commit_log, range WHERE version > range.first});
diag($numbers);
diag($node->safe_psql('postgres', 'SELECT message, count(*) FROM refused GROUP BY 1 ORDER BY 2 DESC LIMIT 5'));
is($node->safe_psql('postgres', $enough), 't', 'there was enough to compare');
$node->stop;
done_testing();
