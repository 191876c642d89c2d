-- Prediction of rows, with planted models whose coefficients are round numbers (test/golden/predict_models.c):
--   value = 0.25 + 0.5 dist + [UA] - night;  binary: logit of it;  multi: softmax of (it, [UA], dist)
\getenv dir PG_ABS_SRCDIR
\set models :dir '/golden/predict_models.txt'
CREATE SCHEMA predict_test;
CREATE TABLE predict_test.planted (name text, bytes text);
COPY predict_test.planted FROM :'models' (DELIMITER ' ');
INSERT INTO medallion._models (name, task, owner, next_version)
	SELECT 'predict_' || name, name, CURRENT_USER::regrole, 2 FROM predict_test.planted;
INSERT INTO medallion._model_versions (model_id, version, algorithm, task, params, metrics, signature, data_commits, seed, rows,
	seconds, library_version, owner)
	SELECT model_id, 1, 'planted', task, '{}', '{}', '{}', '{}', 0, 0, 0, '0.1', owner FROM medallion._models WHERE name LIKE 'predict\_%';
INSERT INTO medallion._model_blobs
	SELECT v.version_id, 'artifact', c, substr(decode(bytes, 'hex'), c * 100 + 1, 100)
	FROM predict_test.planted p JOIN medallion._models m ON m.name = 'predict_' || p.name
	JOIN medallion._model_versions v USING (model_id), generate_series(0, 9) c
	WHERE c * 100 < length(bytes) / 2;
SET search_path = predict_test;

-- A table's row: found by name, whatever the order, other columns, types of the same kind.
CREATE TYPE carrier AS ENUM ('UA', 'AA', 'XX');
CREATE TABLE flights (id int PRIMARY KEY, note text, night bool, carrier varchar(3), gone int, dist real, late bool);
ALTER TABLE flights DROP COLUMN gone;
INSERT INTO flights VALUES (1, 'x', true, 'UA', 1, true), (2, 'y', false, 'AA', 2, false), (3, 'z', NULL, 'UA', 3, true),
	(4, 'a feature without a value', false, 'AA', NULL, false);
SELECT id, medallion.predict('predict_value', f) AS value, round(medallion.predict('predict_binary', f)::numeric, 6) AS probability,
	medallion.predict_class('predict_binary', f) AS class,
	(SELECT array_agg(round(p::numeric, 6)) FROM unnest(medallion.predict_proba('predict_multi', f)) p) AS proba,
	medallion.predict_class('predict_multi', f) AS class_of_three
FROM flights f ORDER BY id;
SELECT medallion.classes('predict_binary'), medallion.classes(model => 'predict_multi/1');
-- By hand: 1/(1+exp(-0.75)).
SELECT medallion.predict('predict_binary', f) = 1 / (1 + exp(-0.75)) AS exact FROM flights f WHERE id = 1;
-- Rows of other shapes give the same: a subquery, a cast row, a join's columns, a function's row, LATERAL, numeric, integers.
SELECT medallion.predict(model => 'predict_value', input => q) FROM (SELECT 1 AS dist, 'UA' AS carrier, true AS night) q;
SELECT medallion.predict('predict_value', ROW(1, '', true, 'UA', 1, NULL)::flights);
SELECT medallion.predict('predict_value', q) FROM (SELECT 1::numeric AS dist, 'UA'::carrier, true AS night) q;
SELECT medallion.predict('predict_value', q) FROM (SELECT 1::bigint AS dist, 'UA'::char(5) AS carrier, true AS night) q;
SELECT medallion.predict('predict_value', q) FROM (SELECT 1::smallint AS dist, 'UA'::name AS carrier, true AS night) q;
CREATE DOMAIN distance AS float8 CHECK (VALUE >= 0);
SELECT medallion.predict('predict_value', q) FROM (SELECT 1::distance AS dist, 'UA' AS carrier, true AS night) q;
CREATE FUNCTION one_flight() RETURNS flights LANGUAGE sql AS 'SELECT * FROM predict_test.flights WHERE id = 1';
SELECT medallion.predict('predict_value', one_flight());
SELECT medallion.predict('predict_value', NULL::flights) IS NULL AS null_row;
SELECT medallion.predict(m, f) FROM flights f, unnest('{predict_value,predict_binary,predict_value/1}'::text[]) m WHERE id = 1;
-- In PL/pgSQL, in a prepared statement, in a view.
DO $$
DECLARE
	f predict_test.flights;
BEGIN
	FOR f IN SELECT * FROM predict_test.flights WHERE id <= 3 ORDER BY id LOOP
		RAISE NOTICE '%', medallion.predict('predict_value', f);
	END LOOP;
END $$;
PREPARE scored(int) AS SELECT medallion.predict('predict_value', f) FROM flights f WHERE id = $1;
EXECUTE scored(1);
EXECUTE scored(2);
CREATE VIEW scores AS SELECT id, medallion.predict('predict_value', f) AS score FROM flights f;
SELECT * FROM scores ORDER BY score DESC NULLS LAST LIMIT 1;
-- After a column was added, dropped and renamed, rows are read anew.
ALTER TABLE flights ADD COLUMN extra int DEFAULT 5;
ALTER TABLE flights DROP COLUMN note;
EXECUTE scored(1);
ALTER TABLE flights RENAME COLUMN dist TO distance;
EXECUTE scored(1);
ALTER TABLE flights RENAME COLUMN distance TO dist;

-- Parallel workers predict too.
CREATE TABLE many AS SELECT (i % 100)::float8 AS dist, CASE i % 2 WHEN 0 THEN 'AA' ELSE 'UA' END AS carrier, i % 3 = 0 AS night
FROM generate_series(1, 20000) i;
ALTER TABLE many SET (parallel_workers = 2);
SELECT sum(medallion.predict('predict_value', m)) AS serial FROM many m \gset
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT sum(medallion.predict('predict_value', m)) FROM many m;
SELECT sum(medallion.predict('predict_value', m)) = :serial AS same FROM many m;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;

-- Models are kept in memory, and let go beyond the limit.
SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'medallion model';
SET medallion.model_cache_size = 0;
SELECT medallion.predict('predict_value', f) FROM flights f WHERE id = 1;
SELECT medallion.predict('predict_binary', f) > 0.5 AS likely FROM flights f WHERE id = 1;
SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'medallion model';
RESET medallion.model_cache_size;

-- The version is what the statement's snapshot says: a promotion within the transaction is seen by the next statement.
INSERT INTO medallion._model_versions (model_id, version, algorithm, task, params, metrics, signature, data_commits, seed, rows,
	seconds, library_version, owner)
	SELECT model_id, 2, 'planted', task, '{}', '{}', '{}', '{}', 0, 0, 0, '0.1', owner FROM medallion._models WHERE name = 'predict_value';
INSERT INTO medallion._model_blobs
	SELECT n.version_id, kind, chunk, content FROM medallion._model_versions n
	JOIN medallion._models m USING (model_id), medallion._model_versions o JOIN medallion._models b USING (model_id)
	JOIN medallion._model_blobs USING (version_id)
	WHERE m.name = 'predict_value' AND n.version = 2 AND b.name = 'predict_binary';
SELECT medallion.predict('predict_value', f) < 0.7 AS newest_is_the_probability FROM flights f WHERE id = 1;
SELECT * FROM medallion.set_alias('predict_value', 'champion', 1);
SELECT medallion.predict('predict_value', f), medallion.predict('predict_value@champion', f), medallion.predict('predict_value/2', f) < 0.7 AS second
FROM flights f WHERE id = 1;
DO $$
DECLARE
	f predict_test.flights := predict_test.one_flight();
	before float8;
	after float8;
BEGIN
	before := medallion.predict('predict_value', f);
	PERFORM medallion.set_alias('predict_value', 'champion', 2);
	after := medallion.predict('predict_value', f);
	RAISE NOTICE 'before %, after less: %', before, after < before;
	RAISE EXCEPTION 'undo';
EXCEPTION WHEN raise_exception THEN
	RAISE NOTICE 'undone %', medallion.predict('predict_value', f);
END $$;

-- Bad input.
SELECT medallion.predict('predict_value', ROW(1, 'UA', true));
SELECT medallion.predict('predict_value', q) FROM (SELECT 1 AS dist, 'UA' AS carrier) q;
SELECT medallion.predict('predict_value', q) FROM (SELECT 1 AS "Dist", 'UA' AS carrier, true AS night) q;
SELECT medallion.predict('predict_value', q) FROM (SELECT 1 AS dist, 2 AS dist, 'UA' AS carrier, true AS night) q;
SELECT medallion.predict('predict_value', q) FROM (SELECT '1' AS dist, 'UA' AS carrier, true AS night) q;
SELECT medallion.predict('predict_value', q) FROM (SELECT 1 AS dist, 5 AS carrier, true AS night) q;
SELECT medallion.predict('predict_value', q) FROM (SELECT 1 AS dist, 'UA' AS carrier, 1 AS night) q;
SELECT medallion.predict('predict_value', q) FROM (SELECT 1 AS dist, 'XX' AS carrier, true AS night) q;
SELECT medallion.predict('predict_value', q) FROM (SELECT 'NaN'::float8 AS dist, 'UA' AS carrier, true AS night) q;
SELECT medallion.predict('predict_value', q) FROM (SELECT '-infinity'::numeric AS dist, 'UA' AS carrier, true AS night) q;
SELECT medallion.predict('predict_value', q) FROM (SELECT now() AS dist, 'UA' AS carrier, true AS night) q;
SELECT medallion.predict('predict_multi', f) FROM flights f;
SELECT medallion.predict_class('predict_value', f) FROM flights f;
SELECT medallion.predict_proba('predict_value', f) FROM flights f;
SELECT medallion.classes('predict_value');
SELECT medallion.predict(NULL, f) FROM flights f;
SELECT medallion.predict('predict_nothing', f) FROM flights f;
SELECT medallion.predict('predict_value', 5);
-- A damaged artifact is an error, not a crash: cut short, changed, not a model at all, gone.
SET medallion.model_cache_size = 0;
SELECT medallion.classes('predict_multi');
BEGIN;
UPDATE medallion._model_blobs b SET content = substr(content, 1, 50) FROM medallion._model_versions v JOIN medallion._models m USING (model_id)
	WHERE v.version_id = b.version_id AND m.name = 'predict_multi' AND chunk = 1;
SELECT medallion.classes('predict_multi');
ROLLBACK;
BEGIN;
UPDATE medallion._model_blobs b SET content = set_byte(content, 30, 1 + get_byte(content, 30) % 250) FROM medallion._model_versions v JOIN medallion._models m USING (model_id)
	WHERE v.version_id = b.version_id AND m.name = 'predict_multi' AND chunk = 0;
SELECT medallion.classes('predict_multi');
ROLLBACK;
BEGIN;
UPDATE medallion._model_blobs b SET content = 'nonsense' FROM medallion._model_versions v JOIN medallion._models m USING (model_id)
	WHERE v.version_id = b.version_id AND m.name = 'predict_multi';
SELECT medallion.classes('predict_multi');
ROLLBACK;
BEGIN;
DELETE FROM medallion._model_blobs b USING medallion._model_versions v JOIN medallion._models m USING (model_id)
	WHERE v.version_id = b.version_id AND m.name = 'predict_multi';
DO $$ BEGIN PERFORM medallion.classes('predict_multi'); EXCEPTION WHEN data_corrupted THEN RAISE NOTICE 'no artifact'; END $$;
ROLLBACK;
RESET medallion.model_cache_size;
-- The right to predict.
CREATE ROLE predict_user;
GRANT USAGE ON SCHEMA predict_test TO predict_user;
GRANT SELECT ON flights TO predict_user;
SET ROLE predict_user;
SELECT medallion.predict('predict_value', f) FROM flights f WHERE id = 1;
RESET ROLE;
SELECT medallion.grant_model('predict_value', 'predict', 'predict_user');
SET ROLE predict_user;
SELECT medallion.predict('predict_value', f) FROM flights f WHERE id = 1;
RESET ROLE;
SELECT medallion.drop_model('predict_value', true), medallion.drop_model('predict_binary'), medallion.drop_model('predict_multi');
DELETE FROM medallion._audit WHERE model LIKE 'predict%';
DELETE FROM medallion._alias_log WHERE model LIKE 'predict%';
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA predict_test CASCADE;
DROP ROLE predict_user;
