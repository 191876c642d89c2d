-- poisson, gamma and tweedie against R's glm (test/golden/glm_reference.R) and scikit-learn (test/golden/glm_reference.py).
\getenv dir PG_ABS_SRCDIR
\set warpbreaks_file :dir '/golden/glm_warpbreaks.csv'
\set trees_file :dir '/golden/glm_trees.csv'
\set diabetes_file :dir '/golden/train_diabetes.csv'
\set r_file :dir '/golden/glm_r.csv'
\set facts_file :dir '/golden/glm_r_facts.csv'
\set expected_file :dir '/golden/glm_expected.csv'
CREATE SCHEMA train_glm;
SET search_path = train_glm, public;
CREATE TABLE glm_warpbreaks (no int GENERATED ALWAYS AS IDENTITY, breaks float8, wool text, tension text);
COPY glm_warpbreaks (breaks, wool, tension) FROM :'warpbreaks_file' (FORMAT csv, HEADER);
CREATE TABLE glm_trees (no int GENERATED ALWAYS AS IDENTITY, "Girth" float8, "Height" float8, "Volume" float8);
COPY glm_trees ("Girth", "Height", "Volume") FROM :'trees_file' (FORMAT csv, HEADER);
CREATE TABLE diabetes (no int GENERATED ALWAYS AS IDENTITY, age float8, sex float8, bmi float8, bp float8, s1 float8, s2 float8, s3 float8, s4 float8, s5 float8, s6 float8, progression float8);
COPY diabetes (age, sex, bmi, bp, s1, s2, s3, s4, s5, s6, progression) FROM :'diabetes_file' (FORMAT csv, HEADER);
CREATE TABLE r_coefficients (no int, data text, algorithm text, link text, power float8, weighted bool, feature text, estimate float8, std_error float8, statistic float8, p_value float8);
COPY r_coefficients FROM :'r_file' (FORMAT csv, HEADER);
CREATE TABLE r_facts (no int, data text, algorithm text, link text, power float8, weighted bool, name text, value float8);
COPY r_facts FROM :'facts_file' (FORMAT csv, HEADER);
CREATE TABLE expected (no int, algorithm text, power float8, alpha float8, link text, weighted bool, feature text, expected float8);
COPY expected FROM :'expected_file' (FORMAT csv, HEADER);

-- R: one model per fit, then everything is compared
SELECT count(f.version) FROM (SELECT DISTINCT no, data, algorithm, link, power, weighted FROM r_coefficients) k
CROSS JOIN LATERAL medallion.train('train_glm_r' || no, format('SELECT *, %s AS w FROM %I t', CASE WHEN weighted THEN '1 + (no - 1) % 3' ELSE '1' END, data),
	CASE data WHEN 'glm_trees' THEN 'Volume' ELSE 'breaks' END, algorithm,
	jsonb_build_object('link', link) || CASE algorithm WHEN 'tweedie' THEN jsonb_build_object('power', power) ELSE '{}' END, exclude => '{no}', weight => 'w') f;
SELECT r.no, r.data, r.algorithm, r.link, r.power, r.weighted, count(*) AS compared,
	count(*) FILTER (WHERE abs(c.estimate / r.estimate - 1) > 1e-8) AS estimates_differ, count(*) FILTER (WHERE abs(c.std_error / r.std_error - 1) > 1e-7) AS errors_differ,
	count(*) FILTER (WHERE abs(c.statistic / r.statistic - 1) > 1e-7) AS statistics_differ, count(*) FILTER (WHERE abs(c.p_value - r.p_value) > 1e-6 * r.p_value) AS p_values_differ
FROM r_coefficients r LEFT JOIN medallion.coefficients c ON c.model = 'train_glm_r' || r.no AND c.feature = r.feature GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1;
SELECT r.name, count(*) AS compared, count(*) FILTER (WHERE abs((v.metrics->>r.name)::float8 - r.value) < 1e-8 * abs(r.value)) AS same
FROM r_facts r JOIN medallion.model_versions v ON v.model = 'train_glm_r' || r.no GROUP BY 1 ORDER BY 1;

-- scikit-learn
SELECT count(f.version) FROM (SELECT DISTINCT no, algorithm, power, alpha, link, weighted FROM expected) k
CROSS JOIN LATERAL medallion.train('train_glm_s' || no, format('SELECT age, sex, bmi, bp, s1, s2, s3, s4, s5, s6, CASE WHEN progression < 50 AND %L THEN 0 ELSE progression END AS y, %s AS w FROM diabetes',
		power >= 1 AND power < 2, CASE WHEN weighted THEN '1 + (no - 1) % 3' ELSE '1' END), 'y', algorithm,
	jsonb_build_object('link', link, 'alpha', alpha) || CASE algorithm WHEN 'tweedie' THEN jsonb_build_object('power', power) ELSE '{}' END, weight => 'w',
	preprocess => '{"scale": "standard"}') f;
SELECT e.no, e.algorithm, e.power, e.alpha, e.link, e.weighted, count(*) AS compared, count(*) FILTER (WHERE abs(g.got - e.expected) < 1e-6 * greatest(1, abs(e.expected))) AS same
FROM expected e CROSS JOIN LATERAL (SELECT c.estimate AS got FROM medallion.coefficients c WHERE c.model = 'train_glm_s' || e.no AND c.feature = e.feature
	UNION ALL SELECT (v.metrics->>'train_d2')::float8 FROM medallion.model_versions v WHERE v.model = 'train_glm_s' || e.no AND e.feature = 'd2') g
GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1;

-- what can go wrong
SELECT medallion.train('train_glm', 'SELECT "Girth", -"Volume" AS y FROM glm_trees', 'y', 'poisson');
SELECT medallion.train('train_glm', 'SELECT "Girth", CASE WHEN no > 3 THEN "Volume" ELSE 0 END AS y FROM glm_trees', 'y', 'gamma');
SELECT medallion.train('train_glm', 'SELECT wool, 0 AS y FROM glm_warpbreaks', 'y', 'poisson');
SELECT medallion.train('train_glm', 'glm_warpbreaks', 'breaks', 'poisson', '{"link": "logit"}');
SELECT medallion.train('train_glm', 'glm_warpbreaks', 'breaks', 'tweedie', '{"power": 0.5}');
SELECT medallion.train('train_glm', 'glm_warpbreaks', 'wool', 'poisson');
SELECT medallion.train('train_glm', 'SELECT "Height", 0.001 AS y, no * 1e200 AS huge FROM glm_trees', 'y', 'gamma', '{"link": "inverse", "alpha": 1}');
SELECT medallion.train('train_glm', 'SELECT * FROM glm_trees WHERE false', 'Volume', 'gamma');
-- one row, fewer rows than terms, a collinear term
SELECT rows, metrics->'deviance' AS deviance, metrics->'df_residual' AS df, metrics ? 'dispersion' AS dispersion FROM medallion.train('train_glm', 'SELECT "Girth", "Volume" FROM glm_trees WHERE no = 1', 'Volume', 'gamma');
SELECT rows, round((metrics->>'deviance')::numeric, 10) AS deviance, metrics->'df_residual' AS df FROM medallion.train('train_glm', 'SELECT "Girth", "Height", "Girth" ^ 2 AS square, "Volume" FROM glm_trees WHERE no IN (3, 30)', 'Volume', 'gamma');
SELECT feature, round(estimate::numeric, 6) AS estimate, round(std_error::numeric, 6) AS std_error FROM medallion.coefficients WHERE model = 'train_glm' AND version = 1 ORDER BY position;
SELECT rows FROM medallion.train('train_glm', 'SELECT "Girth", 2 * "Girth" + 1 AS twice, "Volume" FROM glm_trees', 'Volume', 'gamma');
-- predictions are means
SELECT round(medallion.predict('train_glm_r2', t)::numeric, 6) AS sqrt, round(medallion.predict('train_glm_r3', t)::numeric, 6) AS identity, round(medallion.predict('train_glm_r9', t)::numeric, 6) AS inverse_squared
FROM glm_warpbreaks t WHERE no % 13 = 0 ORDER BY no;

SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) FROM medallion.models WHERE model LIKE 'train\_glm%';
DROP SCHEMA train_glm CASCADE;
