-- refresh: order, what is written, keys, settings, and what is recorded.
SET client_min_messages = warning;
CREATE TABLE bronze.items (id int PRIMARY KEY, grp text, v numeric, doc json, at timestamptz);
INSERT INTO bronze.items VALUES (1, 'a', 1.0, '{"a": 1}', '2026-01-01 23:30+00'), (2, 'a', 2, '{}', '2026-01-02 00:30+00'), (3, 'b', NULL, NULL, NULL);

-- Order: through plain views and a function whose body the server knows; a diamond is done once.
SELECT target FROM medallion.define('silver.items', 'SELECT id, grp, v, doc, at FROM bronze.items', '{id}');
CREATE VIEW silver.valued AS SELECT * FROM silver.items WHERE v IS NOT NULL;
CREATE VIEW silver.valued_again AS SELECT * FROM silver.valued;
SELECT target FROM medallion.define('gold.sums', 'SELECT grp, sum(v) AS total FROM silver.valued_again GROUP BY grp', '{grp}');
SELECT target FROM medallion.define('gold.counts', 'SELECT grp, count(*) AS n FROM silver.items GROUP BY grp', '{grp}');
SELECT target FROM medallion.define('gold.both', 'SELECT * FROM gold.sums FULL JOIN gold.counts USING (grp)', '{grp}');
CREATE FUNCTION gold.top() RETURNS numeric LANGUAGE sql STABLE BEGIN ATOMIC SELECT max(total) FROM gold.both; END;
SELECT target, sources FROM medallion.define('gold.top', 'SELECT 1 AS id, gold.top() AS total', '{id}');
SELECT target, mode, inserted, reason FROM medallion.refresh('gold.top');
TABLE gold.top;
INSERT INTO bronze.items VALUES (4, 'c', 7, NULL, NULL);
SELECT target, inserted, updated, deleted FROM medallion.refresh();
TABLE gold.both ORDER BY grp;
TABLE gold.top;
-- Nothing changed: nothing written, not even for json, NULL or a column without an equality operator.
CREATE TEMP TABLE places AS SELECT ctid AS place, id FROM silver.items;
SELECT target, inserted, updated, deleted FROM medallion.refresh('silver.items');
SELECT count(*) FROM silver.items i JOIN places p USING (id) WHERE i.ctid = p.place;
-- What is equal but not the same is a difference: 1.0 and 1.00, json with other blanks.
UPDATE bronze.items SET v = 1.00 WHERE id = 1;
UPDATE bronze.items SET doc = '{ }' WHERE id = 2;
SELECT inserted, updated, deleted FROM medallion.refresh('silver.items');
SELECT id, v, doc FROM silver.items ORDER BY id;
-- A changed key is a delete and an insert; keys may be swapped.
UPDATE bronze.items SET id = 30 WHERE id = 3;
SELECT inserted, updated, deleted FROM medallion.refresh('silver.items');
UPDATE bronze.items SET id = -id;
UPDATE bronze.items SET id = CASE id WHEN -1 THEN 2 WHEN -2 THEN 1 ELSE -id END;
SELECT inserted, updated, deleted FROM medallion.refresh('silver.items');
SELECT id, v FROM silver.items ORDER BY id;
SELECT medallion.rebuild('silver.items', verify => true);

-- Keys: NULL and duplicates are errors that name them; nothing is applied.
SELECT target FROM medallion.define('silver.by_group', 'SELECT grp, v FROM bronze.items', '{grp}');
SELECT medallion.refresh('silver.by_group');
UPDATE bronze.items SET grp = 'b' WHERE id = 2;
SELECT mode, inserted FROM medallion.refresh('silver.by_group');
UPDATE bronze.items SET grp = NULL WHERE id = 30;
SELECT medallion.refresh('silver.by_group');
SELECT grp FROM silver.by_group ORDER BY grp;
UPDATE bronze.items SET grp = 'a';
SELECT medallion.refresh('silver.by_group');
SELECT medallion.rebuild('silver.by_group', verify => true);
SELECT target FROM medallion.define('silver.numbered', 'SELECT i / 2 AS i, j FROM generate_series(1, 50) i, generate_series(1, 2) j', '{i,j}');
SELECT medallion.refresh('silver.numbered');
-- numeric keys equal but written differently are one key; NaN too.
SELECT target FROM medallion.define('silver.amounts', $$SELECT x FROM (VALUES (1.0), (1.00), ('NaN'::numeric)) v(x)$$, '{x}');
SELECT medallion.refresh('silver.amounts');
-- A key type without a hash function, and a collation that is not the default one.
SELECT target FROM medallion.define('silver.spans', $$SELECT x::tsvector AS x, x AS y FROM (VALUES ('a'), ('b')) v(x)$$, '{x}');
SELECT inserted FROM medallion.refresh('silver.spans');
SELECT inserted, updated, deleted FROM medallion.refresh('silver.spans');
-- Key changed only in how it is written.
SELECT target FROM medallion.redefine('silver.amounts', $$SELECT x FROM (VALUES (1.0)) v(x)$$);
SELECT inserted FROM medallion.refresh('silver.amounts');
SELECT target FROM medallion.redefine('silver.amounts', $$SELECT x FROM (VALUES (1.00)) v(x)$$);
SELECT inserted, updated, deleted FROM medallion.refresh('silver.amounts');
TABLE silver.amounts;

-- The settings that decide what the query means are those of its definition, whoever refreshes.
SET timezone = 'Asia/Tokyo';
SET datestyle = 'SQL, DMY';
SELECT target FROM medallion.define('silver.days', 'SELECT id, at::date AS day, at::text AS written FROM bronze.items', '{id}');
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
SELECT inserted FROM medallion.refresh('silver.days');
SELECT id, day, written FROM silver.days WHERE day IS NOT NULL ORDER BY id;
SHOW timezone;
RESET timezone;
RESET datestyle;
SHOW search_path;

-- One transaction: own uncommitted changes count, a rollback takes all back.
BEGIN;
INSERT INTO bronze.items VALUES (50, 'z', 50, NULL, NULL);
SELECT target, inserted FROM medallion.refresh('gold.counts');
SAVEPOINT s;
INSERT INTO bronze.items VALUES (51, 'z', 51, NULL, NULL);
SELECT target, inserted, updated FROM medallion.refresh('gold.counts');
SELECT n FROM gold.counts WHERE grp = 'z';
ROLLBACK TO s;
SELECT n FROM gold.counts WHERE grp = 'z';
SELECT target, inserted, updated FROM medallion.refresh('gold.counts');
ROLLBACK;
SELECT n FROM gold.counts WHERE grp = 'z';
BEGIN READ ONLY;
SELECT medallion.refresh('gold.counts');
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) > 0 AS snapshot_taken FROM bronze.items;
SELECT target, mode FROM medallion.refresh('gold.counts');
COMMIT;

-- A query that fails; a trigger that takes rows away; a table that is not derived.
SELECT target FROM medallion.define('silver.ratios', 'SELECT id, 100 / (id - 1) AS r FROM bronze.items', '{id}');
SELECT medallion.expect('silver.ratios', 'any', 'r > 0');
SELECT medallion.refresh('silver.ratios');
CREATE FUNCTION silver.swallow() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
CREATE TRIGGER swallow BEFORE INSERT OR UPDATE OR DELETE ON gold.counts FOR EACH ROW EXECUTE FUNCTION silver.swallow();
UPDATE bronze.items SET grp = 'q' WHERE id = 1;
SELECT medallion.refresh('gold.counts');
SELECT target FROM medallion.define('silver.first', 'SELECT 1 AS id', '{id}');
CREATE TRIGGER swallow BEFORE INSERT ON silver.first FOR EACH ROW EXECUTE FUNCTION silver.swallow();
SELECT medallion.refresh('silver.first');
SELECT medallion.undefine('silver.first', true);
DROP FUNCTION silver.swallow() CASCADE;
-- Cancel is not an error of a rule.
SELECT target FROM medallion.define('silver.slow', 'SELECT i AS id FROM generate_series(1, 100000000) i', '{id}');
SELECT medallion.expect('silver.slow', 'any', 'id > 0', 'fail');
SET statement_timeout = '2 s';
SELECT medallion.refresh('silver.slow');
RESET statement_timeout;
SELECT count(*) FROM medallion.progress;
SELECT medallion.undefine('silver.slow', drop_table => true);
SELECT medallion.refresh('bronze.items');
SELECT medallion.refresh('silver.nothing');
SELECT medallion.rebuild(NULL);
SELECT medallion.rebuild('silver.nothing');
-- An empty source empties the table.
SELECT target FROM medallion.define('silver.copy', 'SELECT id FROM bronze.items', '{id}');
SELECT inserted FROM medallion.refresh('silver.copy');
BEGIN;
DELETE FROM bronze.items;
SELECT inserted, updated, deleted FROM medallion.refresh('silver.copy');
SELECT inserted, updated, deleted FROM medallion.refresh('silver.copy');
ROLLBACK;
-- What counts as a difference.
SELECT medallion._image_differs(1, 1, 'a'::text, 'b'::text) AS other_text, medallion._image_differs(NULL::int, NULL::int) AS both_null, medallion._image_differs(1, NULL::int) AS one_null,
	medallion._image_differs(1.0, 1.00) AS other_scale, medallion._image_differs('NaN'::float8, 'NaN'::float8) AS nan, medallion._image_differs('0'::float8, '-0'::float8) AS negative_zero,
	medallion._image_differs(repeat('x', 9000), repeat('x', 9000)) AS long, medallion._image_differs('{"a": 1}'::json, '{"a":1}'::json) AS blanks;
SELECT medallion._image_differs(1, 2, 3);
SELECT medallion._image_differs(1, 2::bigint);
SELECT medallion._image_differs(VARIADIC ARRAY[1, 2]);
-- Inside a trigger of the source, and beside errors that are caught.
CREATE FUNCTION bronze.refresh_copy() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM medallion.refresh('silver.copy'); RETURN NULL; END$$;
CREATE TRIGGER refresh_copy AFTER INSERT OR DELETE ON bronze.items FOR EACH STATEMENT EXECUTE FUNCTION bronze.refresh_copy();
DO $$BEGIN
	FOR i IN 101..103 LOOP
		BEGIN
			INSERT INTO bronze.items VALUES (i, 'loop');
			IF i = 102 THEN RAISE EXCEPTION 'taken back'; END IF;
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
	END LOOP;
END$$;
SELECT id FROM silver.copy WHERE id > 100 ORDER BY id;
DELETE FROM bronze.items WHERE id > 100;
SELECT id FROM silver.copy WHERE id > 100;
DROP FUNCTION bronze.refresh_copy() CASCADE;
-- Columns named as this code names things.
SELECT target FROM medallion.define('silver.names', 'SELECT id AS n, id AS t, id AS d, v AS _place, grp AS c1, 1 AS image, 2 AS u FROM bronze.items', '{n}');
SELECT medallion.expect('silver.names', 'q', 'd + n + t > 3 AND image = 1', 'quarantine');
SELECT inserted, rejected FROM medallion.refresh('silver.names');
BEGIN;
UPDATE bronze.items SET v = 0 WHERE id = 4;
DELETE FROM bronze.items WHERE id = 30;
SELECT inserted, updated, deleted, rejected FROM medallion.refresh('silver.names');
SELECT medallion.rebuild('silver.names', verify => true);
SELECT inserted, updated, deleted, rejected FROM medallion.refresh('silver.names');
ROLLBACK;
-- More than fifty columns.
DO $$BEGIN
	PERFORM medallion.define('silver.wide', 'SELECT id, ' || (SELECT string_agg(format('id + %s AS c%s', i, i), ', ') FROM generate_series(1, 150) i) || ' FROM bronze.items', '{id}');
END$$;
SELECT inserted FROM medallion.refresh('silver.wide');
UPDATE silver.wide SET c149 = 0 WHERE id = 2;
UPDATE silver.wide SET c50 = 0 WHERE id = 4;
SELECT inserted, updated, deleted FROM medallion.refresh('silver.wide');
SELECT medallion.rebuild('silver.wide', verify => true);
-- Large values.
SELECT target FROM medallion.define('silver.large', $$SELECT id, (SELECT string_agg(md5((id * i)::text), '') FROM generate_series(1, 2000) i) AS t FROM bronze.items$$, '{id}');
SELECT inserted FROM medallion.refresh('silver.large');
SELECT inserted, updated, deleted FROM medallion.refresh('silver.large');

-- What was read: the newest commit of each versioned source; exact, unless the same transaction wrote a source before.
SELECT medallion.enable_versioning('bronze.items');
INSERT INTO bronze.items VALUES (60, 'z', 60, NULL, NULL);
SELECT count(*) FROM medallion.refresh('gold.counts');
SELECT count(*) FROM medallion.refresh('gold.counts');
SELECT target, (SELECT array_agg(k) FROM jsonb_object_keys(source_versions) k) AS sources, exact FROM medallion.refreshes ORDER BY refresh_id DESC LIMIT 4;
SELECT (SELECT (source_versions->>'bronze.items')::bigint FROM medallion.refreshes WHERE target = 'silver.items' ORDER BY refresh_id DESC LIMIT 1) >
	(SELECT (source_versions->>'bronze.items')::bigint FROM medallion.refreshes WHERE target = 'silver.items' ORDER BY refresh_id DESC LIMIT 1 OFFSET 1) AS moves_on;
BEGIN;
DELETE FROM bronze.items WHERE id = 60;
SELECT count(*) FROM medallion.refresh('gold.counts');
SELECT target, exact FROM medallion.refreshes ORDER BY refresh_id DESC LIMIT 2;
COMMIT;

-- The log.
SELECT target, mode, reason, "rows", inserted, updated, deleted, dropped, quarantined, role_name = current_user AS mine, finished_at >= started_at AS in_order
FROM medallion.refreshes WHERE target IN ('gold.top', 'gold.sums') ORDER BY refresh_id;
SELECT medallion.rebuild('gold.sums');
SELECT target, mode, reason FROM medallion.refreshes ORDER BY refresh_id DESC LIMIT 2;

SELECT medallion.undefine(target, drop_table => true) FROM medallion.tables WHERE target IN ('silver.by_group', 'silver.numbered', 'silver.amounts', 'silver.spans', 'silver.days', 'silver.ratios', 'silver.copy', 'silver.wide', 'silver.large', 'silver.names');
SELECT medallion.undefine('gold.top', drop_table => true);
DROP FUNCTION gold.top();
SELECT medallion.undefine('gold.both', drop_table => true);
SELECT medallion.undefine('gold.counts', drop_table => true);
SELECT medallion.undefine('gold.sums', drop_table => true);
DROP VIEW silver.valued CASCADE;
SELECT medallion.undefine('silver.items', drop_table => true);
SELECT * FROM medallion.refresh();
DROP TABLE bronze.items, places;
