-- Means that go to 0 where all targets are 0: a warning names the terms; all else is the fit of the other rows.
\set VERBOSITY default
CREATE SCHEMA train_fading;
SET search_path = train_fading;
CREATE TABLE d AS SELECT i, sin(i) AS a, 'l' || i % 4 AS l, (CASE i % 4 WHEN 2 THEN 0 ELSE 1 END) * round(exp(1 + 0.4 * sin(i) + 0.1 * (i % 4)) * (1 + 0.5 * sin(i * i))) AS y FROM generate_series(1, 400) i;
SELECT rows, metrics->'rows_without_mean' AS rows_without_mean, metrics->'converged' AS converged FROM medallion.train('fading_level', 'SELECT a, l, y FROM d', 'y', 'poisson');
SELECT rows, metrics->'rows_without_mean' AS rows_without_mean FROM medallion.train('fading_rest', 'SELECT a, l, y FROM d WHERE l <> ''l2''', 'y', 'poisson');
SELECT f.feature, round(f.estimate::numeric, 6) = round(r.estimate::numeric, 6) AS estimate, round(f.std_error::numeric, 6) = round(r.std_error::numeric, 6) AS std_error, f.estimate < -15 AS low
FROM medallion.coefficients f LEFT JOIN medallion.coefficients r ON r.model = 'fading_rest' AND r.feature = f.feature WHERE f.model = 'fading_level' ORDER BY f.position;
SELECT round((f.metrics->>'deviance')::numeric - (r.metrics->>'deviance')::numeric, 5) AS deviance FROM medallion.model_versions f, medallion.model_versions r WHERE f.model = 'fading_level' AND r.model = 'fading_rest';
-- the reference: all others are as much without a value; numbers; a flag of a few rows among many; the family with zeros of tweedie; weights
SELECT rows FROM medallion.train('fading', 'SELECT a, CASE l WHEN ''l2'' THEN ''a'' ELSE l END AS l, y FROM d', 'y', 'poisson');
SELECT rows FROM medallion.train('fading', 'SELECT a, l = ''l2'' AS flag, 7 + CASE l WHEN ''l2'' THEN 100 ELSE sin(i * 3) END AS n, y FROM d', 'y', 'poisson');
SELECT rows FROM medallion.train('fading', 'SELECT a, l = ''l2'' AND i < 20 AS flag, CASE WHEN l = ''l2'' AND i < 20 THEN 0 ELSE 1 + i % 3 END AS y FROM d, generate_series(1, 100)', 'y', 'poisson');
SELECT rows FROM medallion.train('fading_tweedie', 'SELECT a, l, y FROM d', 'y', 'tweedie');
SELECT rows FROM medallion.train('fading', 'SELECT a, l, CASE WHEN l = ''l2'' AND i < 9 THEN 1 ELSE y END AS y, CASE WHEN l = ''l2'' AND i < 9 THEN 0 ELSE 1 END AS w FROM d', 'y', 'poisson', weight => 'w');
-- none: targets above 0 in each level, a penalty
SELECT rows FROM medallion.train('fading', 'SELECT a, l, y + (i % 40 = 2)::int AS y FROM d', 'y', 'poisson');
SELECT rows FROM medallion.train('fading', 'SELECT a, l, y FROM d', 'y', 'poisson', '{"alpha": 0.01}');
SET client_min_messages = error;
SELECT count(medallion.drop_model(model)) FROM medallion.models WHERE model LIKE 'fading%';
DROP SCHEMA train_fading CASCADE;
