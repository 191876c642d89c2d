-- What the triggers of versioned tables note, and when.
\set VERBOSITY terse
CREATE TABLE silver.capture (id int PRIMARY KEY, v int);
SELECT medallion.enable_versioning('silver.capture');
INSERT INTO silver.capture SELECT i, 0 FROM generate_series(1, 6) i;
SELECT max(version) AS v FROM medallion.history('silver.capture') \gset

-- A statement under way is in no version, and takes nothing from one: a function that it calls sees all rows, with a
-- savepoint of its own or without, released or rolled back, and with a plan made earlier.
CREATE FUNCTION silver.seen(n bigint, kind int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE c int;
BEGIN
	CASE kind
	WHEN 0 THEN
		SELECT count(*) INTO c FROM medallion.as_of(NULL::silver.capture, version => n);
	WHEN 1 THEN
		BEGIN
			SELECT count(*) INTO c FROM medallion.as_of(NULL::silver.capture, version => n);
		EXCEPTION WHEN division_by_zero THEN NULL;
		END;
	WHEN 2 THEN
		BEGIN
			SELECT count(*) INTO c FROM medallion.as_of(NULL::silver.capture, version => n);
			PERFORM 1 / 0;
		EXCEPTION WHEN division_by_zero THEN NULL;
		END;
	WHEN 3 THEN
		BEGIN
			BEGIN
				SELECT count(*) INTO c FROM medallion.as_of(NULL::silver.capture, version => n);
			EXCEPTION WHEN division_by_zero THEN NULL;
			END;
			SELECT count(*) + 10 * c INTO c FROM medallion.as_of(NULL::silver.capture, version => n);
			PERFORM 1 / 0;
		EXCEPTION WHEN division_by_zero THEN NULL;
		END;
	END CASE;
	RETURN c;
END $$;
BEGIN;
UPDATE silver.capture SET v = silver.seen(:v, 0) RETURNING id, v;
ROLLBACK;
BEGIN;
UPDATE silver.capture SET v = silver.seen(:v, 1) RETURNING id, v;
ROLLBACK;
BEGIN;
UPDATE silver.capture SET v = silver.seen(:v, id % 4) RETURNING id, v;
SAVEPOINT s;
UPDATE silver.capture SET v = silver.seen(:v, id % 4) RETURNING id, v;
ROLLBACK TO s;
SELECT count(*) FROM medallion.as_of(NULL::silver.capture, version => :v);
COMMIT;
SET plan_cache_mode = force_generic_plan;
DELETE FROM silver.capture WHERE silver.seen(:v, id % 4) > 0 RETURNING id, v;
RESET plan_cache_mode;
SELECT count(*) FROM medallion.as_of(NULL::silver.capture, version => :v);
SELECT operation, inserted, updated, deleted FROM medallion.history('silver.capture') WHERE version > :v ORDER BY version;
SELECT count(*), count(DISTINCT id) FROM medallion_history."silver.capture";
DROP FUNCTION silver.seen;

-- Whether an update changed a row is told by its values, however they are stored.
CREATE TABLE silver.stored (id int PRIMARY KEY, small text, long text, n int);
ALTER TABLE silver.stored ALTER long SET STORAGE EXTENDED;
SELECT medallion.enable_versioning('silver.stored');
INSERT INTO silver.stored VALUES (1, 'a', repeat('x', 4000), 1),
	(2, NULL, (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 300) i), 1), (3, 'c', NULL, NULL);
SELECT max(version) AS v FROM medallion.history('silver.stored') \gset
UPDATE silver.stored SET long = long || '', small = small || '';
UPDATE silver.stored SET n = n;
UPDATE silver.stored SET n = 2;
UPDATE silver.stored SET long = long || 'y' WHERE id < 3;
UPDATE silver.stored SET id = id + 10, n = 3;
SELECT operation, inserted, updated, deleted FROM medallion.history('silver.stored') WHERE version > :v ORDER BY version;
SELECT id, length(long), n FROM medallion.as_of(NULL::silver.stored, version => :v) ORDER BY id;

-- An index that somebody puts on a history table, with an expression or a condition, gets the rows that belong there.
CREATE INDEX stored_n ON medallion_history."silver.stored" ((n + 1)) WHERE n > 3;
UPDATE silver.stored SET n = 4 WHERE id = 11;
UPDATE silver.stored SET n = 5;
UPDATE silver.stored SET n = 6;
SET enable_seqscan = off;
SET enable_incremental_sort = off;
EXPLAIN (COSTS OFF) SELECT id, n FROM medallion_history."silver.stored" WHERE n > 3 AND n + 1 > 0 ORDER BY n + 1, id;
SELECT id, n FROM medallion_history."silver.stored" WHERE n > 3 AND n + 1 > 0 ORDER BY n + 1, id;
RESET enable_seqscan;
RESET enable_incremental_sort;

-- The feed and as_of read no more of a history than they must, also before VACUUM or ANALYZE has seen it.
INSERT INTO silver.capture SELECT i, 0 FROM generate_series(1, 20000) i ON CONFLICT DO NOTHING;
UPDATE silver.capture SET v = v + 1;
UPDATE silver.capture SET v = -1 WHERE id = 77;
SELECT max(version) AS v FROM medallion.history('silver.capture') \gset
SELECT _change_type, (row_data).* FROM medallion.changes(NULL::silver.capture, :v, :v);

-- A time is found by the versions.
SELECT bool_and(version = (SELECT max(version) FROM medallion.commits b WHERE b.committed_at <= a.committed_at)) FROM medallion.commits a;
DO $$
DECLARE c record;
BEGIN
	FOR c IN SELECT h.version, h.committed_at, lead(h.committed_at) OVER (ORDER BY h.version) AS next FROM medallion.history('silver.stored') h ORDER BY 1 LOOP
		IF medallion._point('silver.stored'::regclass, NULL, c.committed_at) <> c.version THEN RAISE 'wrong at the time of %', c; END IF;
		CONTINUE WHEN c.next IS NULL;
		IF medallion._point('silver.stored'::regclass, NULL, c.next - interval '1 us') NOT BETWEEN c.version AND
			(SELECT max(version) FROM medallion.commits WHERE committed_at < c.next) THEN RAISE 'wrong before the next of %', c; END IF;
	END LOOP;
END $$;
SELECT medallion.as_of(NULL::silver.stored, at => '1999-01-01');
SELECT medallion.disable_versioning('silver.capture', keep_history => false), medallion.disable_versioning('silver.stored', keep_history => false);
DROP TABLE silver.capture, silver.stored;
