-- inference and summary against R: lm, glm, the package sandwich (test/golden/inference_reference.R).
\getenv dir PG_ABS_SRCDIR
\set mtcars_file :dir '/golden/train_mtcars.csv'
\set infert_file :dir '/golden/train_infert.csv'
\set warpbreaks_file :dir '/golden/glm_warpbreaks.csv'
\set trees_file :dir '/golden/glm_trees.csv'
\set r_file :dir '/golden/inference_r.csv'
\set lines_file :dir '/golden/inference_lines.csv'
CREATE SCHEMA train_inference;
SET search_path = train_inference, public;
CREATE TABLE mtcars (no int GENERATED ALWAYS AS IDENTITY, mpg float8, wt float8, hp float8, qsec float8, cyl float8, w float8 GENERATED ALWAYS AS (1 + (no - 1) % 3) STORED);
CREATE TABLE infert (no int GENERATED ALWAYS AS IDENTITY, education text, age float8, parity float8, induced float8, spontaneous float8, "case" int);
CREATE TABLE warpbreaks (no int GENERATED ALWAYS AS IDENTITY, breaks float8, wool text, tension text, w float8 GENERATED ALWAYS AS (1 + (no - 1) % 3) STORED);
CREATE TABLE trees (no int GENERATED ALWAYS AS IDENTITY, "Girth" float8, "Height" float8, "Volume" float8, w float8 GENERATED ALWAYS AS (1 + (no - 1) % 3) STORED);
COPY mtcars (mpg, wt, hp, qsec, cyl) FROM :'mtcars_file' (FORMAT csv, HEADER);
COPY infert (education, age, parity, induced, spontaneous, "case") FROM :'infert_file' (FORMAT csv, HEADER);
COPY warpbreaks (breaks, wool, tension) FROM :'warpbreaks_file' (FORMAT csv, HEADER);
COPY trees ("Girth", "Height", "Volume") FROM :'trees_file' (FORMAT csv, HEADER);
CREATE TABLE r (fit text, what text, feature text, value float8);
COPY r FROM :'r_file' (FORMAT csv, HEADER, NULL 'NA');
CREATE TABLE lines (fit text, line text);
COPY lines FROM :'lines_file' (FORMAT csv, HEADER);

SELECT count(version) FROM (
	SELECT (medallion.train('train_inference_linear', 'mtcars', 'mpg', 'linear', features => '{wt,hp,qsec}')).version
	UNION ALL SELECT (medallion.train('train_inference_linear_weighted', 'mtcars', 'mpg', 'linear', features => '{wt,hp,qsec}', weight => 'w')).version
	UNION ALL SELECT (medallion.train('train_inference_linear_origin', 'mtcars', 'mpg', 'linear', '{"fit_intercept": false}', features => '{wt,qsec}')).version
	UNION ALL SELECT (medallion.train('train_inference_logistic', 'infert', 'case', 'logistic', '{"penalty": "none"}', exclude => '{no}')).version
	UNION ALL SELECT (medallion.train('train_inference_poisson', 'warpbreaks', 'breaks', 'poisson', '{}', exclude => '{no,w}')).version
	UNION ALL SELECT (medallion.train('train_inference_poisson_sqrt', 'warpbreaks', 'breaks', 'poisson', '{"link": "sqrt"}', exclude => '{no}', weight => 'w')).version
	UNION ALL SELECT (medallion.train('train_inference_gamma', 'trees', 'Volume', 'gamma', '{}', exclude => '{no,w}')).version
	UNION ALL SELECT (medallion.train('train_inference_tweedie', 'trees', 'Volume', 'tweedie', '{"power": 3}', exclude => '{no}', weight => 'w')).version) t;

-- standard errors of each sort, within 1e-7
WITH asked AS (SELECT DISTINCT fit, what, fit IN ('linear_weighted', 'poisson_sqrt', 'tweedie') AS weighted FROM r WHERE what IN ('HC0', 'HC1', 'HC2', 'HC3', 'cluster')),
got AS (SELECT a.fit, a.what, i.feature, i.std_error AS value FROM asked a CROSS JOIN LATERAL medallion.inference('train_inference_' || a.fit,
		CASE a.fit WHEN 'logistic' THEN 'SELECT *, no / 5 AS g FROM infert' WHEN 'poisson' THEN 'SELECT *, no / 7 AS g FROM warpbreaks' WHEN 'poisson_sqrt' THEN 'SELECT *, no / 7 AS g FROM warpbreaks'
			WHEN 'gamma' THEN 'SELECT *, floor("Height" / 4) AS g FROM trees' WHEN 'tweedie' THEN 'SELECT *, floor("Height" / 4) AS g FROM trees' ELSE 'SELECT *, cyl AS g FROM mtcars' END,
		a.what, CASE a.what WHEN 'cluster' THEN 'g' END, CASE WHEN a.weighted THEN 'w' END) i)
SELECT r.fit, r.what, count(*) AS compared, count(*) FILTER (WHERE abs(got.value / r.value - 1) < 1e-7) AS same FROM r LEFT JOIN got USING (fit, what, feature)
WHERE r.what IN ('HC0', 'HC1', 'HC2', 'HC3', 'cluster') GROUP BY 1, 2 ORDER BY 1, 2;
-- confidence intervals, of 90 %; variance inflation; the condition number
SELECT r.fit, count(*) AS compared, count(*) FILTER (WHERE abs(CASE r.what WHEN 'lower' THEN i.lower ELSE i.upper END / r.value - 1) < 1e-7) AS same
FROM r LEFT JOIN LATERAL (SELECT * FROM medallion.inference('train_inference_' || r.fit, level => 0.9) i WHERE i.feature = r.feature) i ON true WHERE r.what IN ('lower', 'upper') GROUP BY 1 ORDER BY 1;
SELECT r.feature, abs(a.value / r.value - 1) < 1e-10 AS vif FROM r JOIN medallion.model_attributes a ON a.model = 'train_inference_linear' AND a.attribute = 'vif' AND a.feature = r.feature
WHERE r.what = 'vif' AND r.value IS NOT NULL ORDER BY 1;
SELECT abs((v.metrics->>'condition_number')::float8 / r.value - 1) < 1e-10 AS condition_number FROM r JOIN medallion.model_versions v ON v.model = 'train_inference_linear' WHERE r.what = 'condition_number';

-- what R prints is printed, but for the number of blanks
WITH ours AS (SELECT DISTINCT f.fit, trim(regexp_replace(line, '\s+', ' ', 'g')) AS line FROM (SELECT DISTINCT fit FROM lines) f
	CROSS JOIN LATERAL regexp_split_to_table(medallion.summary('train_inference_' || f.fit), '\n') line)
SELECT l.fit, count(*) AS lines, count(ours.line) AS same, string_agg(CASE WHEN ours.line IS NULL THEN l.line END, '; ') AS different
FROM lines l LEFT JOIN ours ON ours.fit = l.fit AND ours.line = trim(regexp_replace(l.line, '\s+', ' ', 'g')) GROUP BY 1 ORDER BY 1;
\pset format unaligned
\pset tuples_only on
SELECT medallion.summary('train_inference_linear');
SELECT medallion.summary('train_inference_logistic', errors => 'HC3');
SELECT medallion.summary('train_inference_poisson', 'SELECT *, no / 7 AS loom FROM warpbreaks', cluster => 'loom');
-- aliased terms, penalties, classes, no coefficients
SELECT rows FROM medallion.train('train_inference_alias', 'SELECT mpg, wt, wt * 2 AS twice, hp FROM mtcars', 'mpg', 'linear');
SELECT medallion.summary('train_inference_alias', errors => 'HC1');
SELECT rows FROM medallion.train('train_inference_ridge', 'mtcars', 'mpg', 'ridge', features => '{wt,hp}');
SELECT medallion.summary('train_inference_ridge');
SELECT rows FROM medallion.train('train_inference_classes', 'SELECT tension, breaks FROM warpbreaks', 'tension', 'logistic', '{"penalty": "none"}');
SELECT medallion.summary('train_inference_classes');
SELECT rows FROM medallion.train('train_inference_means', 'SELECT wt, hp FROM mtcars', NULL, 'kmeans', '{"n_clusters": 2}');
SELECT medallion.summary('train_inference_means');
\pset format aligned
\pset tuples_only off

-- terms that nearly repeat each other: coefficients within 1e-5 of R's lm (tol = 1e-14), the condition number is told; of a constant target there is no F
SELECT round((metrics->>'condition_number')::numeric, -5) AS condition_number FROM medallion.train('train_inference_near', 'SELECT mpg, wt, wt + no * 1e-9 AS w2, hp FROM mtcars', 'mpg', 'linear');
SELECT c.feature, abs(c.estimate / r.estimate - 1) < 1e-5 AS estimate, abs(c.std_error / r.std_error - 1) < 1e-5 AS std_error
FROM (VALUES ('(intercept)', 3.594162495e+01, 2.017504831e+00), ('wt', -5.934599794e+07, 5.694368691e+07), ('w2', 5.934599439e+07, 5.694368722e+07), ('hp', -3.678335014e-02, 1.021797458e-02)) r(feature, estimate, std_error)
JOIN medallion.coefficients c ON c.model = 'train_inference_near' AND c.feature = r.feature ORDER BY c.position;
SELECT metrics ? 'f_statistic' AS f_statistic, metrics ? 'train_r2' AS r2 FROM medallion.train('train_inference_constant', 'SELECT 5.0 AS y, wt, hp FROM mtcars', 'y', 'linear');
-- rows of weight 0 are as if they were not there
SELECT a.rows, b.rows FROM medallion.train('train_inference_zero', 'SELECT mpg, wt, hp, no % 4 AS w FROM mtcars', 'mpg', 'linear', weight => 'w') a,
	medallion.train('train_inference_without', 'SELECT mpg, wt, hp, no % 4 AS w FROM mtcars WHERE no % 4 > 0', 'mpg', 'linear', weight => 'w') b;
SELECT count(*) AS compared, count(*) FILTER (WHERE abs(a.std_error / b.std_error - 1) < 1e-10) AS same
FROM unnest('{model,HC0,HC1,HC2,HC3}'::text[]) e CROSS JOIN LATERAL medallion.inference('train_inference_zero', errors => e, weight => 'w') a
CROSS JOIN LATERAL medallion.inference('train_inference_without', errors => e, weight => 'w') b WHERE a.feature = b.feature;

-- what can go wrong
SELECT * FROM medallion.inference(NULL);
SELECT * FROM medallion.inference('train_inference_nobody');
SELECT * FROM medallion.inference('train_inference_means');
SELECT * FROM medallion.inference('train_inference_linear', level => 1);
SELECT * FROM medallion.inference('train_inference_linear', errors => 'HC9');
SELECT * FROM medallion.inference('train_inference_linear', errors => 'cluster');
SELECT * FROM medallion.inference('train_inference_linear', errors => 'HC1', cluster => 'cyl');
SELECT * FROM medallion.inference('train_inference_linear', cluster => 'nothing');
SELECT * FROM medallion.inference('train_inference_linear', 'SELECT *, 1 AS one FROM mtcars', cluster => 'one');
SELECT * FROM medallion.inference('train_inference_linear', 'SELECT * FROM mtcars WHERE no > 1', 'HC1');
SELECT * FROM medallion.inference('train_inference_linear', 'SELECT wt, hp, qsec, mpg * 2 AS mpg FROM mtcars', 'HC1');
SELECT * FROM medallion.inference('train_inference_linear_weighted', errors => 'HC1');
SELECT * FROM medallion.inference('train_inference_linear', 'SELECT wt, hp, qsec, nullif(mpg, 21) AS mpg FROM mtcars', 'HC1');
SELECT * FROM medallion.inference('train_inference_ridge', errors => 'HC1');
SELECT * FROM medallion.inference('train_inference_classes', errors => 'HC1');
CREATE ROLE train_inference_reader;
GRANT USAGE ON SCHEMA train_inference TO train_inference_reader;
SELECT medallion.grant_model('train_inference_linear', 'predict', 'train_inference_reader');
SET ROLE train_inference_reader;
SELECT * FROM medallion.inference('train_inference_linear');
SELECT medallion.summary('train_inference_linear');
RESET ROLE;
SELECT medallion.grant_model('train_inference_linear', 'read', 'train_inference_reader');
SET ROLE train_inference_reader;
SELECT count(*) FROM medallion.inference('train_inference_linear');
SELECT count(*) FROM medallion.inference('train_inference_linear', errors => 'HC0');
RESET ROLE;

SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) FROM medallion.models WHERE model LIKE 'train\_inference%';
DROP SCHEMA train_inference CASCADE;
DROP ROLE train_inference_reader;
