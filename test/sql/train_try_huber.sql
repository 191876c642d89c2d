-- huber whose scale is 0 at the least, with residuals left and without, and near that.
\getenv dir PG_ABS_SRCDIR
\set diabetes_file :dir '/golden/train_diabetes.csv'
CREATE SCHEMA train_try_huber;
SET search_path = train_try_huber;
CREATE TABLE t AS SELECT i AS a, 2 * i + i * i % 7 AS y, 2 * i + 1 AS exact FROM generate_series(1, 30) i;
SELECT metrics->'converged' AS converged FROM medallion.train('try_huber', 't', 'y', 'huber', '{"epsilon": 1}', features => '{a}');
-- scikit-learn 1.9.1 reaches 85.1032731
SELECT metrics->'converged' AS converged, round((metrics->>'objective')::numeric, 5) AS objective FROM medallion.train('try_huber', 't', 'y', 'huber', '{"epsilon": 1.35}', features => '{a}');
SELECT metrics->'converged' AS converged FROM medallion.train('try_huber', 't', 'exact', 'huber', '{"alpha": 0}', features => '{a}');
-- with epsilon near 1 the scale is 0, and what is left are the residuals' sizes, whose least sum quantile_regression knows
CREATE TABLE diabetes (age float8, sex float8, bmi float8, bp float8, s1 float8, s2 float8, s3 float8, s4 float8, s5 float8, s6 float8, y float8);
COPY diabetes FROM :'diabetes_file' (FORMAT csv, HEADER);
SELECT epsilon, h.metrics->'converged' AS converged, abs((h.metrics->>'objective')::float8 / (4 * epsilon * h.rows * (q.metrics->>'objective')::float8) - 1) < 1e-8 AS least
FROM unnest('{1,1.0000001,1.0001}'::float8[]) epsilon, medallion.train('try_huber', 'diabetes', 'y', 'huber', jsonb_build_object('epsilon', epsilon, 'alpha', 0)) h,
	medallion.train('try_quantile', 'diabetes', 'y', 'quantile_regression') q ORDER BY epsilon;
SELECT feature, round(estimate::numeric, 3) AS estimate, std_error IS NULL AS no_error FROM medallion.coefficients WHERE model = 'try_huber' AND feature IN ('(intercept)', 'bmi') ORDER BY version DESC, position LIMIT 2;
SELECT feature, round(estimate::numeric, 3) AS estimate FROM medallion.coefficients WHERE model = 'try_quantile' AND version = 1 AND feature IN ('(intercept)', 'bmi') ORDER BY position;
-- a scale between: with more outliers than rows that the plane goes through it is not 0
SELECT epsilon, h.metrics->'converged' AS converged, round((h.metrics->>'objective')::numeric, 4) AS objective, (h.metrics->>'scale')::float8 > 1e-3 AS scale
FROM unnest('{1.01,1.02,1.05,1.1}'::float8[]) epsilon, medallion.train('try_huber', 'diabetes', 'y', 'huber', jsonb_build_object('epsilon', epsilon)) h ORDER BY epsilon;
SET client_min_messages = warning;
SELECT medallion.drop_model('try_quantile');
SELECT medallion.drop_model('try_huber');
DROP SCHEMA train_try_huber CASCADE;
