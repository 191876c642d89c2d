-- Plans of questions about the past: indexes on both sides in all forms, joins, workers; plans that are kept; versions that
-- are known only when a plan runs.
CREATE TABLE silver.big (id int PRIMARY KEY, k int, n numeric, note text);
CREATE INDEX ON silver.big (k);
CREATE TABLE silver.small (id int PRIMARY KEY, big int);
SELECT medallion.enable_versioning('silver.big'), medallion.enable_versioning('silver.small');
INSERT INTO silver.big SELECT i, i % 100, i, 'note ' || i FROM generate_series(1, 20000) i;
INSERT INTO silver.small SELECT i, i * 7 FROM generate_series(1, 10) i;
SELECT medallion.tag('old') AS v \gset
SELECT committed_at AS t FROM medallion.commits WHERE version = :v \gset
UPDATE silver.big SET n = -n WHERE id % 2 = 0;
DELETE FROM silver.big WHERE id % 10 = 1;
ANALYZE silver.big; ANALYZE silver.small; ANALYZE medallion_history."silver.big"; ANALYZE medallion_history."silver.small";
CREATE FUNCTION pg_temp.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		RETURN NEXT regexp_replace(regexp_replace(regexp_replace(line, '''\d+''::bigint', 'v', 'g'), '_readable\(\d+', '_readable(n', 'g'), '''\d+''::oid', 'table', 'g');
	END LOOP;
END$$;

-- A lookup by primary key, in three forms.
SELECT pg_temp.plan(format('SELECT * FROM medallion.as_of(NULL::silver.big, version => %s) WHERE id = 77', :v));
SELECT pg_temp.plan(format('SELECT * FROM medallion.as_of(NULL::silver.big, at => %L) WHERE id = 77', :'t'));
SET medallion.as_of = 'old';
SELECT pg_temp.plan('SELECT * FROM silver.big WHERE id = 77');
-- By another index; joins, inner and outer; the newest key; an order.
SELECT pg_temp.plan('SELECT * FROM silver.big WHERE k = 5 AND id < 200');
SELECT pg_temp.plan('SELECT s.id, b.n FROM silver.small s JOIN silver.big b ON b.id = s.big WHERE s.id = 4');
SELECT pg_temp.plan('SELECT s.id, b.n FROM silver.small s LEFT JOIN silver.big b ON b.id = s.big WHERE s.id = 4');
SELECT pg_temp.plan('SELECT max(id) FROM silver.big');
SELECT pg_temp.plan('SELECT * FROM silver.big WHERE id IN (SELECT big FROM silver.small WHERE id = 3)');
SELECT s.id, b.n FROM silver.small s JOIN silver.big b ON b.id = s.big WHERE s.id < 4 ORDER BY 1;
RESET medallion.as_of;
SELECT pg_temp.plan(format('SELECT * FROM silver.small s, LATERAL medallion.as_of(NULL::silver.big, version => %s) b WHERE b.id = s.big AND s.id = 4', :v));
-- A version that another table gives, for each row.
SELECT s.id, b.n FROM silver.small s, LATERAL medallion.as_of(NULL::silver.big, version => :v + s.id % 2) b WHERE b.id = s.big AND s.id < 7 ORDER BY 1;
SELECT s.id, (SELECT b.n FROM medallion.as_of(NULL::silver.big, version => :v + s.id % 2) b WHERE b.id = s.big) FROM silver.small s WHERE s.id < 7 ORDER BY 1;
SELECT s.id, b.n FROM silver.small s LEFT JOIN LATERAL medallion.as_of(NULL::silver.big, version => :v + s.id % 2) b ON b.id = s.big AND b.n < 0 WHERE s.id < 7 ORDER BY 1;
SELECT d - 1 AS later, count(b), sum(b.n) FROM generate_series(1, 3) d, LATERAL (SELECT * FROM medallion.as_of(NULL::silver.big, version => :v + d - 1) WHERE id <= 20) b GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM medallion.as_of(NULL::silver.big, version => (SELECT medallion.version_of('old'))) WHERE n > 0;
SELECT pg_temp.plan('SELECT n FROM medallion.as_of(NULL::silver.big, version => medallion.version_of(''old'')) WHERE id = 77');
-- In a function that is inlined.
CREATE FUNCTION pg_temp.then(ver bigint) RETURNS SETOF silver.big LANGUAGE sql STABLE AS 'SELECT * FROM medallion.as_of(NULL::silver.big, version => ver)';
SELECT pg_temp.plan(format('SELECT n FROM pg_temp.then(%s) WHERE id = 77', :v));

-- Workers.
CREATE FUNCTION silver.n_of(i int) RETURNS numeric LANGUAGE plpgsql STABLE PARALLEL SAFE AS 'BEGIN RETURN (SELECT n FROM silver.big WHERE id = i); END';
SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
SELECT pg_temp.plan(format('SELECT count(*), sum(n) FROM medallion.as_of(NULL::silver.big, version => %s)', :v));
SELECT count(*), sum(n) FROM medallion.as_of(NULL::silver.big, version => :v);
SELECT count(*), sum(n) FROM medallion.as_of(NULL::silver.big, at => clock_timestamp());
SET medallion.as_of = 'old';
SELECT pg_temp.plan('SELECT count(*), sum(n) FROM silver.big');
SELECT pg_temp.plan('SELECT count(*) FROM silver.big a JOIN silver.big b ON a.id = b.k');
SELECT count(*), sum(n) FROM silver.big;
SELECT count(*) FROM silver.big a JOIN silver.big b ON a.id = b.k;
-- Functions that workers run read the same past.
SELECT sum(silver.n_of(id)) FROM silver.big WHERE id % 100 = 0;
SELECT set_config('medallion.as_of', committed_at::text, false) IS NOT NULL AS set FROM medallion.commits WHERE version = :v;
SELECT sum(silver.n_of(id)) FROM silver.big WHERE id % 100 = 0;
SET max_parallel_workers_per_gather = 0;
SELECT count(*), sum(n), (SELECT sum(silver.n_of(id)) FROM silver.big WHERE id % 100 = 0) FROM silver.big;
SELECT count(*) FROM silver.big a JOIN silver.big b ON a.id = b.k;
RESET medallion.as_of;
SELECT sum(silver.n_of(id)) FROM silver.big WHERE id % 100 = 0;
RESET max_parallel_workers_per_gather; RESET min_parallel_table_scan_size; RESET parallel_setup_cost; RESET parallel_tuple_cost;
DROP FUNCTION silver.n_of;

-- Kept plans that ask for the newest: each execution sees what was committed before it.
CREATE FUNCTION pg_temp.newest() RETURNS bigint LANGUAGE sql AS 'SELECT max(version) FROM medallion.commits';
SET plan_cache_mode = force_generic_plan;
PREPARE of_version(bigint) AS SELECT count(*), sum(big) FROM medallion.as_of(NULL::silver.small, version => $1);
PREPARE of_time(timestamptz) AS SELECT count(*), sum(big) FROM medallion.as_of(NULL::silver.small, at => $1);
PREPARE of_clock AS SELECT count(*), sum(big) FROM medallion.as_of(NULL::silver.small, at => clock_timestamp());
PREPARE of_now AS SELECT count(*), sum(big) FROM medallion.as_of(NULL::silver.small, at => now());
PREPARE of_newest AS SELECT count(*), sum(big) FROM medallion.as_of(NULL::silver.small, version => pg_temp.newest());
EXECUTE of_version(:v); EXECUTE of_time(:'t'); EXECUTE of_clock; EXECUTE of_now; EXECUTE of_newest;
INSERT INTO silver.small VALUES (11, 1000);
EXECUTE of_version(pg_temp.newest()); EXECUTE of_time(clock_timestamp()); EXECUTE of_clock; EXECUTE of_now; EXECUTE of_newest;
UPDATE silver.small SET big = 0 WHERE id = 11;
EXECUTE of_version(pg_temp.newest()); EXECUTE of_time(now()); EXECUTE of_clock; EXECUTE of_now; EXECUTE of_newest;
EXECUTE of_version(pg_temp.newest() - 1);
EXECUTE of_version(NULL);
EXECUTE of_time('2999-01-01');
-- In a transaction that writes: its own changes are in no version, whatever the plan.
BEGIN;
UPDATE silver.small SET big = 5;
EXECUTE of_clock; EXECUTE of_newest;
DELETE FROM silver.small WHERE id > 3;
EXECUTE of_clock; EXECUTE of_version(:v);
SELECT count(*), sum(big) FROM silver.small;
ROLLBACK;
-- Above READ COMMITTED.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM silver.small;
EXECUTE of_version(:v); EXECUTE of_now;
UPDATE silver.small SET big = 6 WHERE id = 1;
EXECUTE of_version(:v); EXECUTE of_now;
COMMIT;
DEALLOCATE ALL;

-- Inside a statement that changes the table: triggers and functions, with plans made then and before.
CREATE TABLE silver.seen (what text, id int, n bigint, total bigint);
CREATE FUNCTION silver.look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO silver.seen SELECT tg_argv[0], coalesce(new.id, old.id), count(*), sum(big) FROM medallion.as_of(NULL::silver.small, version => tg_argv[1]::bigint);
	RETURN CASE tg_op WHEN 'DELETE' THEN old ELSE new END;
END$$;
CREATE FUNCTION silver.total(ver bigint) RETURNS bigint LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN (SELECT sum(big) FROM medallion.as_of(NULL::silver.small, version => ver)); END';
CREATE FUNCTION silver.total_stable(ver bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT sum(big) FROM medallion.as_of(NULL::silver.small, version => ver)); END';
CREATE FUNCTION silver.total_within(ver bigint) RETURNS bigint LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN (SELECT silver.total_stable(ver)); END';
SELECT pg_temp.newest() AS w \gset
SELECT silver.total(:w), silver.total_stable(:w), silver.total_within(:w);
CREATE TRIGGER aa_before BEFORE INSERT OR UPDATE OR DELETE ON silver.small FOR EACH ROW EXECUTE FUNCTION silver.look('before', :w);
CREATE TRIGGER aa_after AFTER INSERT OR UPDATE OR DELETE ON silver.small FOR EACH ROW EXECUTE FUNCTION silver.look('after', :w);
CREATE TRIGGER zz_after AFTER INSERT OR UPDATE OR DELETE ON silver.small FOR EACH ROW EXECUTE FUNCTION silver.look('after all', :w);
UPDATE silver.small SET big = big + 1;
DELETE FROM silver.small WHERE id > 8;
INSERT INTO silver.small VALUES (20, 20), (21, 21);
INSERT INTO silver.small VALUES (20, 20), (22, 22) ON CONFLICT (id) DO UPDATE SET big = 0;
MERGE INTO silver.small s USING generate_series(1, 3) i ON s.id = i WHEN MATCHED AND i = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET big = -1;
SELECT what, count(*), n, total FROM silver.seen GROUP BY 1, 3, 4 ORDER BY 1;
DROP TRIGGER aa_before ON silver.small; DROP TRIGGER aa_after ON silver.small; DROP TRIGGER zz_after ON silver.small;
CREATE FUNCTION silver.look_stable() RETURNS trigger LANGUAGE plpgsql STABLE AS $$
BEGIN
	RAISE NOTICE '% as of then, % now', (SELECT sum(big) FROM medallion.as_of(NULL::silver.small, version => tg_argv[0]::bigint)), (SELECT count(*) FROM silver.small WHERE big = -9);
	RETURN NULL;
END$$;
CREATE TRIGGER aa_stable AFTER UPDATE ON silver.small FOR EACH ROW EXECUTE FUNCTION silver.look_stable(:w);
UPDATE silver.small SET big = -9 WHERE id IN (3, 4);
DROP TRIGGER aa_stable ON silver.small;
UPDATE silver.small SET big = silver.total(:w) WHERE id < 6 RETURNING big;
UPDATE silver.small SET big = silver.total_stable(:w) + id WHERE id < 6 RETURNING big - id;
UPDATE silver.small SET big = silver.total_within(:w) WHERE id < 6 RETURNING big;
WITH gone AS (DELETE FROM silver.small RETURNING id) SELECT count(*), (SELECT sum(big) FROM medallion.as_of(NULL::silver.small, version => :w)) FROM gone;
-- Exception blocks between a statement and what it calls, kept or undone.
CREATE FUNCTION silver.total_tried(ver bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE s bigint; t bigint;
BEGIN
	BEGIN
		SELECT sum(big) INTO s FROM medallion.as_of(NULL::silver.small, version => ver);
	EXCEPTION WHEN division_by_zero THEN NULL;
	END;
	BEGIN
		SELECT sum(big) INTO t FROM medallion.as_of(NULL::silver.small, at => clock_timestamp());
		RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN NULL;
	END;
	RETURN s + (SELECT sum(big) FROM medallion.as_of(NULL::silver.small, version => ver)) - s;
END$$;
SELECT silver.total_tried(:w);
DO $$
DECLARE x bigint; w bigint = pg_temp.newest() - 5;
BEGIN
	BEGIN
		x = silver.total_tried(w);
		PERFORM silver.total_tried(w);
		RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN
		x = silver.total_tried(w) - x;
	END;
	RAISE NOTICE '%', x;
END$$;
-- A cascade: the trigger of the parent looks at the child.
CREATE TABLE silver.parent (id int PRIMARY KEY);
CREATE TABLE silver.child (id int PRIMARY KEY, parent int REFERENCES silver.parent ON DELETE CASCADE);
INSERT INTO silver.parent VALUES (1), (2), (3); INSERT INTO silver.child SELECT i, 1 + i % 3 FROM generate_series(1, 6) i;
SELECT medallion.enable_versioning('silver.child');
SELECT pg_temp.newest() AS w \gset
CREATE FUNCTION silver.children() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE 'children as of then: %', (SELECT count(*) FROM medallion.as_of(NULL::silver.child, version => tg_argv[0]::bigint));
	RETURN NULL;
END$$;
CREATE TRIGGER zz AFTER DELETE ON silver.parent FOR EACH ROW EXECUTE FUNCTION silver.children(:w);
DELETE FROM silver.parent WHERE id < 3;
SELECT count(*) FROM silver.child;
RESET plan_cache_mode;

SELECT medallion.untag('old') IS NOT NULL AS untagged;
SET client_min_messages = warning;
DROP FUNCTION pg_temp.then;
DROP TABLE silver.child, silver.parent, silver.seen, silver.big, silver.small;
DROP FUNCTION silver.total_tried, silver.look, silver.look_stable, silver.total, silver.total_stable, silver.total_within, silver.children;
