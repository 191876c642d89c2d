-- Reading versioned tables as they were: every form, every kind of writer, and what is refused.
CREATE TABLE silver.item (id int PRIMARY KEY, name text, price numeric(8,2), gone text, tags int[]);
ALTER TABLE silver.item DROP COLUMN gone;
CREATE TABLE silver.stock (item int PRIMARY KEY REFERENCES silver.item ON DELETE CASCADE ON UPDATE CASCADE, n int);
INSERT INTO silver.item VALUES (1, 'bolt', 0.10, '{1,2}'), (2, 'nut', NULL, NULL), (3, NULL, 3, '{}');
INSERT INTO silver.stock VALUES (1, 100), (2, 200);

-- Versions are numbered over the whole database: count from here.
CREATE FUNCTION pg_temp.newest() RETURNS bigint LANGUAGE sql AS
	$$ SELECT COALESCE(max(version), 0) FROM medallion.commits $$;
SELECT pg_temp.newest() AS before \gset
SELECT medallion.enable_versioning('silver.item');
SELECT medallion.enable_versioning('silver.stock');
SELECT pg_temp.newest() AS v0 \gset
SELECT :v0 - :before AS commits;

-- Both tables' rows at every version since, to be kept: no version changes later.
CREATE FUNCTION pg_temp.picture(ver bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT string_agg(t::text, ' ' ORDER BY id) FROM medallion.as_of(NULL::silver.item, version => ver) t) || ' | ' ||
		COALESCE((SELECT string_agg(t::text, ' ' ORDER BY item) FROM medallion.as_of(NULL::silver.stock, version => ver) t), '');
END$$;
CREATE TEMP TABLE picture (version bigint, what text, rows text);
CREATE PROCEDURE pg_temp.take(what text) LANGUAGE sql AS $$ INSERT INTO picture SELECT pg_temp.newest(), what, pg_temp.picture(pg_temp.newest()) $$;
CALL pg_temp.take('start');

UPDATE silver.item SET price = price * 2 WHERE id = 1;
CALL pg_temp.take('update');
SELECT clock_timestamp() AS t1 \gset
UPDATE silver.item SET name = name WHERE id = 2;
CALL pg_temp.take('update to the same');
UPDATE silver.item SET id = 10 WHERE id = 1;
CALL pg_temp.take('key changed, cascades');
DELETE FROM silver.item WHERE id = 2;
CALL pg_temp.take('delete, cascades');
BEGIN; DELETE FROM silver.item WHERE id = 3; INSERT INTO silver.item VALUES (3, 'again', 4, NULL); COMMIT;
CALL pg_temp.take('delete and insert of a key');
INSERT INTO silver.item VALUES (3, 'clash', 5, NULL), (4, 'fresh', 6, NULL) ON CONFLICT (id) DO UPDATE SET name = excluded.name;
CALL pg_temp.take('on conflict');
MERGE INTO silver.item i USING (VALUES (3, 'm'), (4, NULL), (5, 'new')) s(id, name) ON i.id = s.id
	WHEN MATCHED AND s.name IS NULL THEN DELETE WHEN MATCHED THEN UPDATE SET name = s.name
	WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.name, 7, '{7}');
CALL pg_temp.take('merge');
COPY silver.item FROM stdin;
6	copied	\N	{6}
7	\N	1.5	\N
\.
CALL pg_temp.take('copy');
BEGIN;
UPDATE silver.item SET name = 'kept' WHERE id = 6;
SAVEPOINT a;
UPDATE silver.item SET name = 'lost' WHERE id IN (6, 7);
DELETE FROM silver.item WHERE id = 5;
ROLLBACK TO a;
SAVEPOINT b;
UPDATE silver.item SET name = 'also kept' WHERE id = 7;
SAVEPOINT c;
INSERT INTO silver.item VALUES (8, 'lost', 8, NULL);
ROLLBACK TO c;
RELEASE b;
COMMIT;
CALL pg_temp.take('savepoints');
BEGIN; INSERT INTO silver.item VALUES (9, 'short', 9, NULL); DELETE FROM silver.item WHERE id = 9; COMMIT;
CALL pg_temp.take('born and dead in one transaction');
BEGIN; DELETE FROM silver.item; ROLLBACK;
CALL pg_temp.take('rolled back: no version');
DO $$BEGIN
	UPDATE silver.item SET price = 100 WHERE id = 10;
	BEGIN
		UPDATE silver.item SET price = 200;
		RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN
		UPDATE silver.item SET name = 'caught' WHERE id = 10;
	END;
END$$;
CALL pg_temp.take('exception block');
TRUNCATE silver.item, silver.stock;
CALL pg_temp.take('truncate');
INSERT INTO silver.item VALUES (1, 'after', 1, NULL);
BEGIN; TRUNCATE silver.stock; INSERT INTO silver.stock VALUES (1, 1); ROLLBACK;
CALL pg_temp.take('insert, truncate rolled back');
BEGIN; INSERT INTO silver.item VALUES (2, 'in', 2, NULL); TRUNCATE silver.item CASCADE; INSERT INTO silver.item VALUES (3, 'the end', 3, NULL); COMMIT;
CALL pg_temp.take('truncate between inserts');
SELECT version - :v0 AS version, what, rows FROM picture ORDER BY picture.version, picture.ctid;
SELECT count(*) AS changed_since FROM picture WHERE rows IS DISTINCT FROM pg_temp.picture(version);

-- The last version is the table.
SELECT * FROM silver.item;
SELECT * FROM medallion.as_of(NULL::silver.item, version => pg_temp.newest());

-- By time; by position; aliases with columns; a subset of columns, and no rows.
SELECT id, price FROM medallion.as_of(NULL::silver.item, at => :'t1') WHERE id < 3 ORDER BY id;
SELECT id, price FROM medallion.as_of(NULL::silver.item, NULL, :'t1') ORDER BY id DESC LIMIT 1;
SELECT a, d FROM medallion.as_of(NULL::silver.item, :v0) AS x(a, b, c, d) ORDER BY a;
SELECT count(*), sum(price) FROM medallion.as_of(NULL::silver.item, version => :v0);
SELECT * FROM medallion.as_of(NULL::silver.stock, version => pg_temp.newest());
SELECT x FROM medallion.as_of(NULL::silver.item, version => :v0) x ORDER BY id;
SELECT i.name, s.n FROM medallion.as_of(NULL::silver.item, version => :v0) i
	JOIN medallion.as_of(NULL::silver.stock, version => :v0) s ON s.item = i.id ORDER BY 1;
SELECT o.id, n.id FROM medallion.as_of(NULL::silver.item, version => :v0) o FULL JOIN silver.item n USING (id) ORDER BY 1, 2;
WITH old AS (SELECT * FROM medallion.as_of(NULL::silver.item, version => :v0)) SELECT name FROM old WHERE id = 2;
SELECT (SELECT name FROM medallion.as_of(NULL::silver.item, version => :v0) WHERE id = s.item), n
	FROM medallion.as_of(NULL::silver.stock, version => :v0) s ORDER BY 2;
SELECT id FROM silver.item WHERE id IN (SELECT id FROM medallion.as_of(NULL::silver.item, version => :v0));
-- A version for each row of another table.
SELECT v - :v0 AS version, x.id, x.price FROM (VALUES (:v0::bigint), (:v0::bigint + 1)) f(v),
	LATERAL medallion.as_of(NULL::silver.item, version => f.v) x ORDER BY 1, 2;
-- In the select list, with ordinality, in a function, in a view.
SELECT (medallion.as_of(NULL::silver.stock, version => :v0)).n ORDER BY 1;
SELECT ordinality > 0 AS counted, n FROM medallion.as_of(NULL::silver.stock, version => :v0) WITH ORDINALITY ORDER BY n;
CREATE VIEW silver.item_at_start AS SELECT id, name FROM medallion.as_of(NULL::silver.item, version => :v0);
SELECT * FROM silver.item_at_start ORDER BY id;
DROP VIEW silver.item_at_start;
CREATE FUNCTION pg_temp.names(ver bigint) RETURNS SETOF text LANGUAGE sql STABLE AS
	$$ SELECT name FROM medallion.as_of(NULL::silver.item, version => ver) ORDER BY id $$;
SELECT * FROM pg_temp.names(:v0);
SELECT count(*) FROM (SELECT * FROM medallion.as_of(NULL::silver.item, version => :v0) EXCEPT SELECT * FROM silver.item) x;
CREATE TABLE silver.item_copy AS SELECT * FROM medallion.as_of(NULL::silver.item, version => :v0);
SELECT * FROM silver.item_copy ORDER BY id;
DROP TABLE silver.item_copy;
INSERT INTO silver.stock SELECT id, 0 FROM medallion.as_of(NULL::silver.item, version => :v0) WHERE id = 3;
TABLE silver.stock;

-- Prepared statements, planned once for all values.
SET plan_cache_mode = force_generic_plan;
PREPARE by_version(bigint) AS SELECT id, name FROM medallion.as_of(NULL::silver.item, version => $1) ORDER BY id;
PREPARE by_time(timestamptz) AS SELECT id, price FROM medallion.as_of(NULL::silver.item, at => $1) ORDER BY id;
PREPARE at_start AS SELECT id, name FROM medallion.as_of(NULL::silver.item, version => :v0) ORDER BY id;
EXECUTE by_version(:v0);
EXECUTE by_version(:v0 + 1);
EXECUTE by_time(:'t1');
EXECUTE at_start;

-- What the transaction itself has changed is not part of any version yet: neither its new rows nor its deletions show.
BEGIN;
UPDATE silver.item SET name = 'mine';
INSERT INTO silver.item VALUES (20, 'mine', 1, NULL);
SELECT pg_temp.newest() AS last \gset
EXECUTE by_version(:last);
SELECT id, name FROM medallion.as_of(NULL::silver.item, version => :last) ORDER BY id;
SAVEPOINT a;
SELECT id, name FROM medallion.as_of(NULL::silver.item, version => :last) ORDER BY id;
DELETE FROM silver.item;
EXECUTE by_version(:last);
SELECT id, name FROM medallion.as_of(NULL::silver.item, version => :last) ORDER BY id;
SELECT id, name FROM medallion.as_of(NULL::silver.item, at => clock_timestamp()) ORDER BY id;
SELECT x.id, x.name FROM (VALUES (:last::bigint)) f(v), LATERAL medallion.as_of(NULL::silver.item, version => f.v) x;
SELECT * FROM pg_temp.names(:last);
ROLLBACK TO a;
EXECUTE by_version(:last);
TRUNCATE silver.item CASCADE;
EXECUTE by_version(:last);
TABLE silver.item;
ROLLBACK;
EXECUTE by_version(:last);
EXECUTE at_start;
DEALLOCATE ALL;
RESET plan_cache_mode;

-- A savepoint taken before the past is read for the first time.
BEGIN;
UPDATE silver.item SET name = 'mine';
SAVEPOINT a;
SELECT id, name FROM medallion.as_of(NULL::silver.item, version => :last);
ROLLBACK TO a;
COMMIT;
SELECT id, name FROM medallion.as_of(NULL::silver.item, version => :last);
TABLE silver.item;

-- Values stored out of line, and thousands of rows.
CREATE TABLE silver.doc (id int PRIMARY KEY, body text);
ALTER TABLE silver.doc ALTER body SET STORAGE EXTERNAL;
INSERT INTO silver.doc SELECT i, repeat(i::text, 3000) FROM generate_series(1, 3) i;
SELECT medallion.enable_versioning('silver.doc');
SELECT pg_temp.newest() AS d0 \gset
UPDATE silver.doc SET body = repeat('x', 9000) WHERE id = 1;
UPDATE silver.doc SET id = id + 10 WHERE id = 2;
DELETE FROM silver.doc WHERE id = 3;
VACUUM FULL silver.doc;
SELECT id, length(body), left(body, 4) FROM medallion.as_of(NULL::silver.doc, version => :d0) ORDER BY id;
SELECT id, length(body), left(body, 4) FROM medallion.as_of(NULL::silver.doc, version => :d0 + 1) ORDER BY id;
INSERT INTO silver.doc SELECT i, i::text FROM generate_series(100, 5100) i;
SELECT pg_temp.newest() AS d1 \gset
UPDATE silver.doc SET body = body || '!' WHERE id >= 100;
DELETE FROM silver.doc WHERE id % 2 = 1;
VACUUM (FREEZE, ANALYZE) silver.doc;
SELECT count(*), count(*) FILTER (WHERE body = id::text) AS as_inserted FROM medallion.as_of(NULL::silver.doc, version => :d1);
SELECT count(*), count(*) FILTER (WHERE body = id || '!') AS updated FROM medallion.as_of(NULL::silver.doc, version => :d1 + 1);
SELECT body FROM medallion.as_of(NULL::silver.doc, version => :d1) WHERE id = 777;
SET enable_seqscan = off;
SELECT body FROM medallion.as_of(NULL::silver.doc, version => :d1) WHERE id = 777;
RESET enable_seqscan;

-- What is refused.
\set VERBOSITY default
SELECT * FROM medallion.as_of(NULL::silver.item);
SELECT * FROM medallion.as_of(NULL::silver.item, version => 1, at => now());
SELECT * FROM medallion.as_of(NULL::silver.item, version => NULL);
DO $$BEGIN
	PERFORM * FROM medallion.as_of(NULL::silver.item, version => 1000000000);
EXCEPTION WHEN invalid_parameter_value THEN
	RAISE NOTICE '%', sqlerrm;
END$$;
SELECT * FROM medallion.as_of(NULL::silver.item, at => 'infinity');
\set VERBOSITY terse
SELECT * FROM medallion.as_of(NULL::silver.item, version => 0);
SELECT * FROM medallion.as_of(NULL::silver.item, version => -1);
\set VERBOSITY default
SELECT * FROM medallion.as_of(NULL::silver.item, at => '1999-12-31 00:00+00');
SELECT * FROM medallion.as_of(1, version => 1);
SELECT * FROM medallion.as_of('silver.item', version => 1);
SELECT * FROM medallion.as_of(NULL::pg_class, version => 1);
CREATE TABLE silver.plain (id int PRIMARY KEY);
SELECT * FROM medallion.as_of(NULL::silver.plain, version => 1);
SELECT * FROM medallion.as_of(NULL::medallion.commits, version => 1);
BEGIN;
SELECT medallion.enable_versioning('silver.plain');
SELECT count(*) FROM medallion.as_of(NULL::silver.plain, version => 1);
ROLLBACK;

DROP TABLE silver.plain, silver.doc, silver.stock, silver.item;
