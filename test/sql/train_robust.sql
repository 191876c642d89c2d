-- huber and quantile_regression against scikit-learn (test/golden/robust_reference.py).
\getenv dir PG_ABS_SRCDIR
\set diabetes_file :dir '/golden/train_diabetes.csv'
\set expected_file :dir '/golden/robust_expected.csv'
CREATE SCHEMA train_robust;
SET search_path = train_robust, public;
CREATE TABLE diabetes (no int GENERATED ALWAYS AS IDENTITY, age float8, sex float8, bmi float8, bp float8, s1 float8, s2 float8, s3 float8, s4 float8, s5 float8, s6 float8, progression float8);
COPY diabetes (age, sex, bmi, bp, s1, s2, s3, s4, s5, s6, progression) FROM :'diabetes_file' (FORMAT csv, HEADER);
UPDATE diabetes SET age = age * 20, sex = sex * 20, bmi = bmi * 20, bp = bp * 20, s1 = s1 * 20, s2 = s2 * 20, s3 = s3 * 20, s4 = s4 * 20, s5 = s5 * 20, s6 = s6 * 20,
	progression = CASE WHEN no % 11 = 0 THEN progression * 5 ELSE progression END;
CREATE TABLE expected (no int, algorithm text, alpha float8, shape float8, weighted bool, intercept bool, feature text, expected float8);
COPY expected FROM :'expected_file' (FORMAT csv, HEADER);
SELECT count(f.version) FROM (SELECT DISTINCT no, algorithm, alpha, shape, weighted, intercept FROM expected) k
CROSS JOIN LATERAL medallion.train('train_robust_' || no, format('SELECT *, %s AS w FROM diabetes', CASE WHEN weighted THEN CASE algorithm WHEN 'huber' THEN '(1 + (no - 1) % 3) / (SELECT avg(1 + (no - 1) % 3) FROM diabetes)' ELSE '1 + (no - 1) % 3' END ELSE '1' END),
	'progression', algorithm, jsonb_build_object('alpha', alpha, 'fit_intercept', intercept, CASE algorithm WHEN 'huber' THEN 'epsilon' ELSE 'quantile' END, shape),
	exclude => '{no}', weight => 'w') f;
SELECT e.no, e.algorithm, e.alpha, e.shape, e.weighted, e.intercept, count(*) AS compared,
	count(*) FILTER (WHERE CASE e.feature WHEN 'objective' THEN abs(g.got / e.expected - 1) < 1e-11 ELSE abs(g.got - e.expected) < 1e-6 * greatest(1, abs(e.expected)) END) AS same
FROM expected e CROSS JOIN LATERAL (SELECT c.estimate AS got FROM medallion.coefficients c WHERE c.model = 'train_robust_' || e.no AND c.feature = e.feature
	UNION ALL SELECT (v.metrics->>e.feature)::float8 FROM medallion.model_versions v WHERE v.model = 'train_robust_' || e.no AND e.feature IN ('objective', 'scale')) g
GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1;
-- standard errors of huber against statsmodels (test/golden/robust_errors_reference.py); a row of weight 2 counts as two
\set errors_file :dir '/golden/robust_errors_expected.csv'
CREATE TABLE errors (no int, epsilon float8, intercept bool, weighted bool, feature text, estimate float8, std_error float8, p_value float8);
COPY errors FROM :'errors_file' (FORMAT csv, HEADER);
SELECT count(f.version) FROM (SELECT DISTINCT no, epsilon, intercept, weighted FROM errors) k CROSS JOIN LATERAL medallion.train('train_robust_e' || no, 'SELECT age, sex, bmi, bp, s5, progression, 1 + (no - 1) % 3 AS w FROM diabetes', 'progression', 'huber',
	jsonb_build_object('alpha', 0, 'epsilon', epsilon, 'fit_intercept', intercept), exclude => '{w}', weight => CASE WHEN weighted THEN 'w' END) f;
SELECT e.no, e.weighted, count(*) AS compared, bool_and(abs(c.estimate - e.estimate) < 1e-6 * abs(e.estimate)) AS estimates, bool_and(abs(c.std_error - e.std_error) < 1e-6 * e.std_error) AS errors, bool_and(abs(c.p_value - e.p_value) < 1e-6) AS p_values
FROM errors e JOIN medallion.coefficients c ON c.model = 'train_robust_e' || e.no AND c.feature = e.feature GROUP BY 1, 2 ORDER BY 1;
-- a penalty of quantile_regression leaves none
SELECT count(c.std_error) AS errors, count(*) AS coefficients FROM medallion.coefficients c WHERE c.model IN (SELECT 'train_robust_' || no FROM expected WHERE algorithm = 'quantile_regression' AND alpha > 0);
-- nor one of huber that moves them
SELECT count(t.version) FROM (VALUES (1, 0.0001), (2, 100)) a(no, alpha) CROSS JOIN LATERAL medallion.train('train_robust_a' || no, 'SELECT age, bmi, progression FROM diabetes', 'progression', 'huber', jsonb_build_object('alpha', alpha)) t;
SELECT model, count(std_error) AS errors, count(*) AS coefficients FROM medallion.coefficients WHERE model IN ('train_robust_a1', 'train_robust_a2') GROUP BY 1 ORDER BY 1;
-- far rows are told; so are those on either side of a quantile
SELECT metrics->'outliers' AS outliers, metrics->'converged' AS converged FROM medallion.model_versions WHERE model = 'train_robust_1';
SELECT no, count(*) FILTER (WHERE progression < p - 1e-9) AS below, count(*) FILTER (WHERE abs(progression - p) < 1e-9) AS there, count(*) FILTER (WHERE progression > p + 1e-9) AS above
FROM (SELECT 5 AS no, progression, medallion.predict('train_robust_5', d) AS p FROM diabetes d UNION ALL SELECT 6, progression, medallion.predict('train_robust_6', d) FROM diabetes d) t GROUP BY 1 ORDER BY 1;
-- a collinear term, a perfect fit, fewer rows than terms, categories, what cannot be
SELECT rows FROM medallion.train('train_robust', 'SELECT age, 2 * age + 1 AS twice, bmi, progression FROM diabetes', 'progression', 'quantile_regression');
SELECT feature, estimate IS NULL AS aliased FROM medallion.coefficients WHERE model = 'train_robust' ORDER BY position;
SELECT rows, round((metrics->>'objective')::numeric, 9) AS objective, metrics->'converged' AS converged FROM medallion.train('train_robust', 'SELECT i AS a, i % 7 AS b, 3 * i - (i % 7) + 2 AS y FROM generate_series(1, 50) i', 'y', 'quantile_regression');
SELECT rows, round((metrics->>'objective')::numeric, 6) AS objective, metrics->'converged' AS converged FROM medallion.train('train_robust', 'SELECT i AS a, i % 7 AS b, 3 * i - (i % 7) + 2 AS y FROM generate_series(1, 50) i', 'y', 'huber', '{"alpha": 0}');
SELECT feature, round(estimate::numeric, 6) AS estimate FROM medallion.coefficients WHERE model = 'train_robust' AND version = 3 ORDER BY position;
SELECT rows, round((metrics->>'objective')::numeric, 6) AS objective FROM medallion.train('train_robust', 'SELECT age, bmi, bp, s1, s2, progression FROM diabetes WHERE no < 4', 'progression', 'quantile_regression');
SELECT rows, metrics->'converged' AS converged FROM medallion.train('train_robust', 'SELECT age, bmi, bp, s1, s2, progression FROM diabetes WHERE no < 4', 'progression', 'huber');
SELECT rows, round((metrics->>'objective')::numeric, 6) AS objective FROM medallion.train('train_robust', 'SELECT no % 3 = 0 AS third, (ARRAY[''a'', ''b'', ''c''])[1 + no % 5 % 3] AS letter, progression FROM diabetes', 'progression', 'quantile_regression', '{"quantile": 0.75, "alpha": 1}');
SELECT rows FROM medallion.train('train_robust', 'SELECT age, 7 AS progression FROM diabetes', 'progression', 'huber');
SELECT medallion.train('train_robust', 'diabetes', 'progression', 'quantile_regression', '{"quantile": 1}');
SELECT medallion.train('train_robust', 'diabetes', 'progression', 'huber', '{"epsilon": 0.5}');
SELECT medallion.train('train_robust', 'SELECT age, progression * 1e300 AS y FROM diabetes', 'y', 'huber');
SELECT medallion.train('train_robust', 'SELECT age * 1e300 AS age, progression AS y FROM diabetes', 'y', 'quantile_regression', '{"alpha": 1}');

SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) FROM medallion.models WHERE model LIKE 'train\_robust%';
DROP SCHEMA train_robust CASCADE;
