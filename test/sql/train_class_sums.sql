-- naive Bayes from sums gathered by parallel workers: the same as from rows in memory (reproducible => true), for every type, with
-- any number of workers and in any order of the rows.
CREATE SCHEMA train_class_sums;
SET search_path = train_class_sums;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET client_min_messages = warning;
SELECT setseed(0.5);
CREATE TABLE one AS
SELECT 1e9 + random() AS far, (random() - 0.5) * 1e-6 AS small, exp(10 * random()) AS skewed, (i % 7)::int AS few, random() < 0.3 AS flag,
	(ARRAY['a','b','c','d'])[1 + (random() * random() * 4)::int % 4] AS kind, ARRAY[random(), i % 3]::float8[] AS pair, 'class ' || (i * i) % 11 % 4 AS class, i % 3 = 0 AS two,
	CASE WHEN i % 10 = 0 THEN 0 ELSE random() * 3 END AS w
FROM generate_series(1, 30000) i;
UPDATE one SET far = far + 1 WHERE class = 'class 3';
CREATE TABLE other AS SELECT * FROM one ORDER BY md5(one::text);
ANALYZE one; ANALYZE other;
SELECT set_config('max_parallel_workers_per_gather', '4', false);
ALTER TABLE one SET (parallel_workers = 4);
EXPLAIN (COSTS OFF) SELECT medallion._class_state('', '{0,0,1000}', far, small, class) FROM one;
CREATE TABLE cases (c int, params jsonb, target text, exclude text[], weight text);
INSERT INTO cases VALUES (1, NULL, 'class', '{w,two}', NULL), (2, '{"var_smoothing": 1e-6}', 'two', '{class}', 'w'),
	(3, '{"type": "multinomial", "alpha": 0.5}', 'class', '{w,two,small}', NULL), (4, '{"type": "multinomial"}', 'two', '{class,small}', 'w'),
	(5, '{"type": "bernoulli", "binarize": 0.25}', 'class', '{w,two}', NULL), (6, '{"type": "bernoulli", "binarize": -1, "fit_prior": false}', 'two', '{class}', 'w'),
	(7, '{"type": "categorical"}', 'class', '{w,two,far,small,skewed,few,pair}', NULL), (8, '{"type": "categorical"}', 'two', '{class,far,small,skewed,few,pair}', 'w'),
	(9, NULL, 'class', '{w,two,flag,kind,pair,few}', NULL);
CREATE TABLE got (c int, way text, version int, rows bigint, metrics jsonb);
INSERT INTO got SELECT c, 'in memory', t.version, t.rows, t.metrics FROM cases, medallion.train('sums_' || c, 'train_class_sums.one', target, 'naive_bayes', params, exclude => exclude, weight => weight, reproducible => true) t ORDER BY c;
DO $$
BEGIN
	FOR n IN 0..4 BY 2 LOOP
		EXECUTE format('ALTER TABLE one SET (parallel_workers = %s)', n);
		EXECUTE format('ALTER TABLE other SET (parallel_workers = %s)', n);
		PERFORM set_config('max_parallel_workers_per_gather', n::text, false);
		INSERT INTO got SELECT c, s || ' ' || n, t.version, t.rows, t.metrics FROM cases, unnest('{one,other}'::text[]) s,
			medallion.train('sums_' || c, 'train_class_sums.' || s, target, 'naive_bayes', params, exclude => exclude, weight => weight) t ORDER BY c, s;
	END LOOP;
END $$;
-- everything that was learnt, in seven ways
SELECT c, count(DISTINCT way) AS ways, count(*) AS numbers, max(spread) < 1e-10 AS agree FROM (
	SELECT c, g.way, abs(a.value - first_value(a.value) OVER (PARTITION BY c, attribute, i, j ORDER BY g.way)) / greatest(abs(a.value), CASE attribute WHEN 'var' THEN 1e-12 WHEN 'feature_log_prob' THEN 1 ELSE 1e-9 END) AS spread
	FROM got g JOIN medallion.model_attributes a ON a.model = 'sums_' || c AND a.version = g.version) x GROUP BY c ORDER BY c;
-- variances of a column far from 0, against PostgreSQL's own of the same column nearer to it
SELECT count(*) FROM medallion.train('sums_far', 'SELECT far, few, class FROM train_class_sums.other', 'class', 'naive_bayes', '{"var_smoothing": 0}');
SELECT count(*), max(abs(a.value / v - 1)) < 1e-6 AS right FROM medallion.model_attributes a JOIN (SELECT class, var_pop(far - 1e9) v, 'far' AS feature FROM one GROUP BY class UNION ALL
	SELECT class, var_pop(few), 'few' FROM one GROUP BY class) e USING (class, feature) WHERE a.model = 'sums_far' AND a.attribute = 'var';
-- the sample that measures is a fair one, and the same rows in any plan where no rows are equal
SELECT c, count(DISTINCT metrics) FILTER (WHERE way <> 'in memory') <= 6 AS measured, max((metrics->>'train_rows_scored')::int) BETWEEN 9000 AND 10000 AS scored,
	bool_and(abs((metrics->>'train_accuracy')::float8 - a) < 0.02) AS near, max((metrics->>'train_accuracy')::float8) FILTER (WHERE way <> 'in memory') = min((metrics->>'train_accuracy')::float8) FILTER (WHERE way <> 'in memory') AS same
FROM got JOIN (SELECT c, (metrics->>'train_accuracy')::float8 AS a FROM got WHERE way = 'in memory') m USING (c) WHERE c < 7 GROUP BY c ORDER BY c;
SELECT count(*) AS differences FROM one, medallion.predict_proba('sums_1/1', one) p, medallion.predict_proba('sums_1/4', one) q WHERE abs(p[1] - q[1]) > 1e-6;
-- few rows: the same bits in any order of the rows, and as in memory
CREATE TABLE few AS SELECT * FROM one LIMIT 3000;
SELECT sum(rows) FROM medallion.train('sums_few', 'train_class_sums.few', 'class', 'naive_bayes', exclude => '{w,two}', reproducible => true) t;
SELECT sum(rows) FROM medallion.train('sums_few', 'train_class_sums.few', 'class', 'naive_bayes', exclude => '{w,two}') u;
SELECT sum(rows) FROM medallion.train('sums_few', 'SELECT * FROM train_class_sums.few ORDER BY md5(few::text)', 'class', 'naive_bayes', exclude => '{w,two}') u;
WITH v AS MATERIALIZED (SELECT * FROM medallion.model_attributes WHERE model = 'sums_few' AND attribute = 'var')
SELECT max(abs(b.value / a.value - 1)) < 1e-12 AS as_in_memory, bool_and(b.value = c.value) AS same_bits FROM v a JOIN v b USING (i, j) JOIN v c USING (i, j) WHERE a.version = 1 AND b.version = 2 AND c.version = 3;
-- what is wrong with the data is told as ever
SELECT medallion.train('sums_bad', 'SELECT far, class FROM train_class_sums.one WHERE false', 'class', 'naive_bayes');
SELECT medallion.train('sums_bad', 'SELECT far, class FROM train_class_sums.one LIMIT 1', 'class', 'naive_bayes');
SELECT medallion.train('sums_bad', $$SELECT far, class FROM train_class_sums.one WHERE class = 'class 3'$$, 'class', 'naive_bayes');
SELECT medallion.train('sums_bad', 'SELECT nullif(few, 3) AS few, far, class FROM train_class_sums.one', 'class', 'naive_bayes', preprocess => '{"impute": "error"}');
SELECT medallion.train('sums_bad', $$SELECT CASE WHEN few = 3 THEN 'NaN' ELSE far END AS far, small, class FROM train_class_sums.one$$, 'class', 'naive_bayes');
SELECT medallion.train('sums_bad', $$SELECT CASE WHEN few = 3 THEN '-Infinity' ELSE far END AS far, small, kind, class FROM train_class_sums.one$$, 'class', 'naive_bayes');
SELECT medallion.train('sums_bad', $$SELECT far, nullif(class, 'class 3') AS class FROM train_class_sums.one$$, 'class', 'naive_bayes');
SELECT medallion.train('sums_bad', 'SELECT far, small, 7 AS seven, class FROM train_class_sums.one', 'class', 'naive_bayes');
SELECT medallion.train('sums_bad', $$SELECT far, 'x' AS x, class FROM train_class_sums.one$$, 'class', 'naive_bayes', '{"type": "bernoulli"}');
SELECT medallion.train('sums_bad', 'SELECT far, 7 AS seven, class FROM train_class_sums.one', 'class', 'naive_bayes', '{"type": "bernoulli", "binarize": 1}');
SELECT medallion.train('sums_bad', $$SELECT far, class, w - 1 AS w FROM train_class_sums.one$$, 'class', 'naive_bayes', weight => 'w');
SELECT medallion.train('sums_bad', 'SELECT far, skewed FROM train_class_sums.one', 'skewed', 'naive_bayes');
SELECT medallion.train('sums_bad', 'SELECT far, skewed::text AS t, class FROM train_class_sums.one', 'class', 'naive_bayes');
SELECT medallion.train('sums_bad', 'SELECT far, few - 1 AS few, kind, class FROM train_class_sums.one', 'class', 'naive_bayes', '{"type": "multinomial"}');
SELECT medallion.train('sums_bad', 'SELECT far * 1e190 AS far, class FROM train_class_sums.one', 'class', 'naive_bayes');
-- plans, options and states from a user's hands
SELECT medallion._class_state('nonsense', '{0,0,10}', far, class) FROM one;
SELECT medallion._class_state(NULL, '{0,0,10}', far, class) FROM one;
SELECT medallion._class_accum(NULL, '', '{0,0,10}', 1.0::float8);
SELECT medallion._class_combine('\x00', '\x00');
SELECT count(medallion.drop_model(model)) AS dropped FROM medallion.models WHERE model LIKE 'sums\_%';
DROP SCHEMA train_class_sums CASCADE;
RESET search_path; RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size; RESET client_min_messages; RESET max_parallel_workers_per_gather;
DELETE FROM medallion._audit WHERE model LIKE 'sums\_%';
