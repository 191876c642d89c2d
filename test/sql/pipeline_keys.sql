-- Keys of types whose nulls and equalities are not plain: composites, arrays, jsonb, floats, ranges.
SET client_min_messages = warning;
CREATE TYPE odd_pair AS (a int, b text);
CREATE TABLE bronze.odd_keys (id int PRIMARY KEY, c odd_pair, j jsonb, f float8, r int4range, l int[], v int);
SELECT medallion.enable_versioning('bronze.odd_keys');
INSERT INTO bronze.odd_keys SELECT i, ROW(i % 5, 't')::odd_pair, jsonb_build_object('x', i % 7), i % 4, int4range(i % 3, 10), ARRAY[i % 6], i FROM generate_series(1, 300) i;
SELECT count(*) AS defined FROM unnest('{c,j,f,r,l}'::text[]) k, medallion.define('silver.odd_' || k, keys => ARRAY[k], query => format('SELECT %I, count(*) AS n, max(v) AS v FROM bronze.odd_keys GROUP BY 1', k)) d;
SELECT target, mode, inserted FROM medallion.refresh() ORDER BY 1;
INSERT INTO bronze.odd_keys VALUES (1000, ROW(9, NULL), '{"x": 8}', 'NaN', 'empty', '{}', 7), (1001, ROW(NULL, NULL), '{"x": null}', 'Infinity', '(,)', '{NULL}', 8),
	(1002, ROW(NULL, 'x'), '{}', '-Infinity', '[5,)', '{1,NULL}', 9);
SELECT target, mode, inserted, updated, deleted, medallion.rebuild(target, verify => true) AS differing FROM medallion.refresh() ORDER BY 1;
UPDATE bronze.odd_keys SET v = v + 1 WHERE id >= 1000;
SELECT target, mode, inserted, updated, deleted, medallion.rebuild(target, verify => true) AS differing FROM medallion.refresh() ORDER BY 1;
SELECT * FROM silver.odd_c WHERE v < 20 ORDER BY v;
DELETE FROM bronze.odd_keys WHERE id >= 1000;
SELECT target, mode, inserted, updated, deleted, medallion.rebuild(target, verify => true) AS differing FROM medallion.refresh() ORDER BY 1;
SELECT medallion.disable_versioning(target::regclass, keep_history => false), medallion.undefine(target, drop_table => true) FROM medallion.tables WHERE target LIKE 'silver.odd%';
SELECT medallion.disable_versioning('bronze.odd_keys', keep_history => false);
DROP TABLE bronze.odd_keys;
-- The same in a restore.
CREATE TABLE bronze.odd_primary (k odd_pair PRIMARY KEY, c odd_pair);
SELECT medallion.enable_versioning('bronze.odd_primary');
INSERT INTO bronze.odd_primary VALUES (ROW(1, NULL), ROW(NULL, NULL)), (ROW(NULL, NULL), NULL), (ROW(2, 'b'), ROW(1, 'a'));
SELECT medallion.tag('odd keys') > 0 AS tagged;
DELETE FROM bronze.odd_primary WHERE k = ROW(1, NULL)::odd_pair;
UPDATE bronze.odd_primary SET c = NULL WHERE k = ROW(2, 'b')::odd_pair;
UPDATE bronze.odd_primary SET c = ROW(NULL, NULL) WHERE k = ROW(NULL, NULL)::odd_pair;
INSERT INTO bronze.odd_primary VALUES (ROW(3, NULL), NULL);
SELECT * FROM medallion.restore('bronze.odd_primary', version => medallion.version_of('odd keys'));
SELECT k, c, c IS NOT DISTINCT FROM NULL AS none FROM bronze.odd_primary ORDER BY k;
SELECT medallion.untag('odd keys') > 0 AS untagged;
SELECT medallion.disable_versioning('bronze.odd_primary', keep_history => false);
DROP TABLE bronze.odd_primary;
DROP TYPE odd_pair;
