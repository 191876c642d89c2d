-- Intervals of evaluate(): against numpy's bootstrap of scikit-learn's models (test/golden/evaluate_reference.py), the same for
-- any order of rows and any number of workers, of many rows, and bad input.
\getenv abs_srcdir PG_ABS_SRCDIR
\set rows_file :abs_srcdir '/golden/evaluate_rows.csv'
\set expected_file :abs_srcdir '/golden/evaluate_expected.csv'
CREATE SCHEMA evaluate_test;
SET search_path = evaluate_test;
CREATE TABLE r (id int PRIMARY KEY, x float8, z float8, y float8, late bool, kind text);
COPY r FROM :'rows_file' (FORMAT csv, HEADER);
CREATE TABLE expected (model text, metric text, value float8, lower float8, upper float8);
COPY expected FROM :'expected_file' (FORMAT csv, HEADER);
SELECT algorithm FROM medallion.train('eval_number', 'SELECT x, z, y FROM evaluate_test.r', 'y', 'linear', validation => NULL);
SELECT algorithm FROM medallion.train('eval_two', 'SELECT x, z, late FROM evaluate_test.r', 'late', 'logistic', params => '{"penalty": "none"}', validation => NULL);
SELECT algorithm FROM medallion.train('eval_many', 'SELECT x, z, kind FROM evaluate_test.r', 'kind', 'naive_bayes', params => '{"var_smoothing": 0}', validation => NULL);
CREATE TABLE got AS
SELECT m AS model, e.* FROM unnest('{number,two,many}'::text[]) m, LATERAL medallion.evaluate('eval_' || m, 'r', resamples => 20000) e;
-- Values agree; ends agree within 3 % of the interval's width, the rest being the luck of 20,000 and of 5,000 resamples.
SELECT e.model, e.metric, e.value AS expected_value, g.value, e.lower AS expected_lower, g.lower, e.upper AS expected_upper, g.upper
FROM expected e LEFT JOIN got g USING (model, metric)
WHERE g.lower IS NULL OR g.upper IS NULL OR abs(g.value - e.value) > 1e-5 * abs(e.value)
	OR greatest(abs(g.lower - e.lower), abs(g.upper - e.upper)) > 0.03 * (e.upper - e.lower);
SELECT count(*) AS compared FROM expected JOIN got USING (model, metric);
-- These have none.
SELECT model, metric FROM got WHERE lower IS NULL OR upper IS NULL ORDER BY model COLLATE "C", metric COLLATE "C";

-- The same for any order of rows, with workers and without; another seed draws others; less confidence is narrower.
CREATE TABLE turned AS SELECT * FROM r ORDER BY id % 7, -id;
ALTER TABLE turned SET (parallel_workers = 2);
CREATE TABLE given AS SELECT * FROM medallion.evaluate('eval_two', 'r');
SELECT count(*) FILTER (WHERE (g.lower, g.upper) = (t.lower, t.upper)) AS same, count(*) FILTER (WHERE (g.lower, g.upper) <> (t.lower, t.upper)) AS other
FROM given g JOIN medallion.evaluate('eval_two', 'turned') t USING (metric);
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT count(*) FILTER (WHERE (g.lower, g.upper) = (t.lower, t.upper)) AS same, count(*) FILTER (WHERE (g.lower, g.upper) <> (t.lower, t.upper)) AS other
FROM given g JOIN medallion.evaluate('eval_two', 'turned') t USING (metric);
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
SELECT count(*) FILTER (WHERE (g.lower, g.upper) <> (t.lower, t.upper)) AS other FROM given g JOIN medallion.evaluate('eval_two', 'r', seed => 1) t USING (metric);
SELECT bool_and(t.lower > g.lower AND t.upper < g.upper) AS narrower FROM given g JOIN medallion.evaluate('eval_two', 'r', confidence => 0.5) t USING (metric)
WHERE g.lower IS NOT NULL;
SELECT count(lower), count(upper) FROM medallion.evaluate('eval_two', 'r', resamples => 0);

-- Of more than 20,000 rows a part is resampled and the interval made as narrow as all of them deserve.
CREATE TABLE many AS SELECT r.* FROM r, generate_series(1, 100);
SELECT metric, round((10 * (m.upper - m.lower) / (g.upper - g.lower))::numeric, 1) BETWEEN 0.9 AND 1.1 AS a_tenth, m.value BETWEEN m.lower AND m.upper AS around
FROM given g JOIN medallion.evaluate('eval_two', 'many') m USING (metric) WHERE g.lower IS NOT NULL ORDER BY metric;

-- One class: no area under the curve and no interval for it; a model that is always right; one row; none.
SELECT metric, value, lower, upper FROM medallion.evaluate('eval_two', 'SELECT * FROM r WHERE late AND x > 2') WHERE metric IN ('roc_auc', 'accuracy', 'recall');
SELECT metric, value, lower, upper FROM medallion.evaluate('eval_number', 'SELECT x, z, medallion.predict(''eval_number'', r) AS y FROM r') WHERE metric IN ('rmse', 'r2');
SELECT metric, upper = lower AS flat FROM medallion.evaluate('eval_number', 'SELECT * FROM r LIMIT 1') WHERE metric IN ('rmse', 'r2');
SELECT * FROM medallion.evaluate('eval_many', 'SELECT * FROM r WHERE false');
-- A label that the model does not know counts in all but the area under the curve.
SELECT metric, value IS NOT NULL AS has_value, lower < upper AS has_interval
FROM medallion.evaluate('eval_many', 'SELECT x, z, CASE WHEN id < 9 THEN ''new'' ELSE kind END AS kind FROM r');

-- Bad input.
SELECT * FROM medallion.evaluate('eval_two', 'r', confidence => 1);
SELECT * FROM medallion.evaluate('eval_two', 'r', confidence => 'NaN');
SELECT * FROM medallion.evaluate('eval_two', 'r', resamples => -1);
SELECT * FROM medallion.evaluate('eval_two', 'r', resamples => 100001);
SELECT * FROM medallion.evaluate('eval_two', 'r', seed => NULL);
SELECT medallion._evaluation_merge('\x', '\x');
SELECT medallion.drop_model('eval_number'), medallion.drop_model('eval_two'), medallion.drop_model('eval_many');
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA evaluate_test CASCADE;
