-- quantile_regression of so many rows that only those near the plane are solved, against R's quantreg (test/golden/quantile_reference.R).
\getenv dir PG_ABS_SRCDIR
\set expected_file :dir '/golden/quantile_expected.csv'
CREATE SCHEMA train_quantile;
SET search_path = train_quantile, public;
CREATE VIEW numbers AS SELECT i, x1, x2, x3, 1 + x1 - x2 / 2 + x3 + (1 + x1 / 5) * (20 * noise ^ 3 - 5) AS y
	FROM (SELECT i, (i * 7919 % 10007)::float8 / 1000 AS x1, (i * 104729 % 7919)::float8 / 1000 AS x2, (i % 3)::float8 AS x3, (i * 48271 % 65537)::float8 / 65537 AS noise
		FROM generate_series(1::int8, 30000) i) t;
CREATE TABLE rows_y AS SELECT x1, x2, x3, y FROM numbers;
CREATE TABLE rows_whole AS SELECT x1, x2, x3, round(y) AS y FROM numbers;
CREATE TABLE expected (no int, quantile float8, whole bool, feature text, value float8);
COPY expected FROM :'expected_file' (FORMAT csv, HEADER);
SELECT count(f.version) FROM (SELECT DISTINCT no, quantile, whole FROM expected WHERE no <= 6) k
CROSS JOIN LATERAL medallion.train('train_quantile_' || no, CASE WHEN whole THEN 'rows_whole' ELSE 'rows_y' END, 'y', 'quantile_regression', jsonb_build_object('quantile', quantile)) f;
SELECT e.no, e.quantile, e.whole, count(*) AS compared, max(abs(g.got / e.value - 1)) < CASE WHEN e.no = 2 THEN 1e-9 ELSE 1e-11 END AS same
FROM expected e CROSS JOIN LATERAL (SELECT c.estimate AS got FROM medallion.coefficients c WHERE c.model = 'train_quantile_' || e.no AND c.feature = e.feature
	UNION ALL SELECT (v.metrics->>e.feature)::float8 FROM medallion.model_versions v WHERE v.model = 'train_quantile_' || e.no AND e.feature = 'objective') g
GROUP BY 1, 2, 3 ORDER BY 1;
-- standard errors and p-values, of many rows and of few
\set cars_file :dir '/golden/train_mtcars.csv'
CREATE TABLE cars (no int GENERATED ALWAYS AS IDENTITY, mpg float8, wt float8, hp float8, qsec float8, cyl int);
COPY cars (mpg, wt, hp, qsec, cyl) FROM :'cars_file' (FORMAT csv, HEADER);
SELECT count(f.version) FROM (SELECT DISTINCT no, quantile FROM expected WHERE no > 6) k
CROSS JOIN LATERAL medallion.train('train_quantile_' || no, CASE WHEN no IN (9, 10, 11, 12) THEN 'SELECT mpg AS y, wt, hp, qsec, 1 + (row_number() OVER (ORDER BY no) - 1) % 3 AS w FROM cars' ELSE 'SELECT x1, x2, x3, y, 1 + i % 7 / 4.0 AS w FROM numbers' END,
	'y', 'quantile_regression', jsonb_build_object('quantile', quantile), exclude => '{w}', weight => CASE WHEN no > 10 THEN 'w' END) f;
SELECT e.no, e.quantile, count(*) AS compared, bool_and(abs(CASE e.feature WHEN c.feature THEN c.estimate WHEN c.feature || ' error' THEN c.std_error ELSE c.p_value END - e.value) < 1e-6 * abs(e.value) + 1e-12) AS same
FROM expected e JOIN medallion.coefficients c ON c.model = 'train_quantile_' || e.no AND c.feature = split_part(e.feature, ' ', 1) WHERE e.no > 6 GROUP BY 1, 2 ORDER BY 1;
\pset format unaligned
\pset tuples_only on
SELECT medallion.summary('train_quantile_9');
\pset format aligned
\pset tuples_only off
-- the plane goes through as many rows as it has coefficients
SELECT count(*) FILTER (WHERE abs(y - p) < 1e-9) AS there, count(*) FILTER (WHERE y < p - 1e-9) AS below FROM (SELECT y, medallion.predict('train_quantile_3', r) AS p FROM rows_y r) t;
-- the same bits whatever the order of the rows and the number of threads
CREATE TABLE turned AS SELECT * FROM rows_y ORDER BY y DESC;
SET medallion.train_threads = 1;
SELECT (medallion.train('train_quantile_one', 'rows_y', 'y', 'quantile_regression')).version;
SET medallion.train_threads = 8;
SELECT (medallion.train('train_quantile_eight', 'turned', 'y', 'quantile_regression')).version;
RESET medallion.train_threads;
SELECT bool_and(a.estimate = b.estimate) AS same, count(*) FROM medallion.coefficients a JOIN medallion.coefficients b USING (feature) WHERE a.model = 'train_quantile_one' AND b.model = 'train_quantile_eight';
-- a weight of 2 is the row twice; with a penalty; without an intercept; a term that depends on others; a term that few rows have
SELECT abs((a.metrics->>'objective')::float8 / (b.metrics->>'objective')::float8 - 1) < 1e-11 AS same
FROM medallion.train('train_quantile_w', 'SELECT x1, x2, y, 1 + x3 AS w FROM rows_y', 'y', 'quantile_regression', weight => 'w') a,
	medallion.train('train_quantile_t', 'SELECT x1, x2, y FROM rows_y, generate_series(1, (1 + x3)::int)', 'y', 'quantile_regression') b;
SELECT count(f.version) FROM (VALUES (0.05, true), (0.2, false)) k(alpha, intercept)
CROSS JOIN LATERAL medallion.train('train_quantile_p', 'rows_y', 'y', 'quantile_regression', jsonb_build_object('quantile', 0.3, 'alpha', alpha, 'fit_intercept', intercept)) f;
SELECT version, abs((SELECT avg(CASE WHEN r > 0 THEN 0.3 * r ELSE -0.7 * r END) FROM (SELECT y - medallion.predict('train_quantile_p/' || v.version, q) AS r FROM rows_y q) t)
	+ CASE version WHEN 1 THEN 0.05 ELSE 0.2 END * (SELECT sum(abs(estimate)) FROM medallion.coefficients c WHERE c.model = v.model AND c.version = v.version AND feature <> '(intercept)')
	- (metrics->>'objective')::float8) < 1e-9 AS told, metrics->'nonzero' AS nonzero FROM medallion.model_versions v WHERE model = 'train_quantile_p' ORDER BY 1;
SELECT metrics->'converged' AS converged FROM medallion.train('train_quantile_d', 'SELECT *, x1 - 2 * x2 AS x4, (i = 77)::int AS rare FROM numbers', 'y', 'quantile_regression', exclude => '{i}');
SELECT feature, round(estimate::numeric, 4) AS estimate FROM medallion.coefficients WHERE model = 'train_quantile_d' ORDER BY position;
-- no residuals at all
SELECT round((metrics->>'objective')::numeric, 9) AS objective FROM medallion.train('train_quantile_f', 'SELECT x1, x2, x1 - x2 AS y FROM rows_y', 'y', 'quantile_regression');
SELECT metrics->'converged' AS converged, metrics->'iterations' AS iterations FROM medallion.train('train_quantile_s', 'rows_y', 'y', 'quantile_regression', '{"max_iter": 1}');

SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) FROM medallion.models WHERE model LIKE 'train\_quantile%';
DROP SCHEMA train_quantile CASCADE;
