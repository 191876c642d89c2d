-- Linear, ridge and logistic regression against R and scikit-learn (test/golden/train_sklearn.py, train_reference.R).
\getenv abs_srcdir PG_ABS_SRCDIR
\set diabetes_file :abs_srcdir '/golden/train_diabetes.csv'
\set cancer_file :abs_srcdir '/golden/train_cancer.csv'
\set iris_file :abs_srcdir '/golden/train_iris.csv'
\set cars_file :abs_srcdir '/golden/train_mtcars.csv'
\set infert_file :abs_srcdir '/golden/train_infert.csv'
\set sklearn_file :abs_srcdir '/golden/train_sklearn.csv'
\set r_file :abs_srcdir '/golden/train_r.csv'
\set facts_file :abs_srcdir '/golden/train_r_facts.csv'
CREATE SCHEMA train_golden;
SET search_path = train_golden;
CREATE TABLE diabetes (age float8, sex float8, bmi float8, bp float8, s1 float8, s2 float8, s3 float8, s4 float8,
	s5 float8, s6 float8, progression float8);
COPY diabetes FROM :'diabetes_file' (FORMAT csv, HEADER);
SELECT format('CREATE TABLE cancer (%s, diagnosis text)', string_agg(name || ' float8', ', ' ORDER BY i))
FROM (SELECT i, replace(m, ' ', '') || '_' || replace(f, ' ', '_') AS name
	FROM unnest('{mean,error,worst}'::text[]) WITH ORDINALITY x(m, a),
		unnest('{radius,texture,perimeter,area,smoothness,compactness,concavity,concave points,symmetry,fractal dimension}'::text[])
			WITH ORDINALITY y(f, b), LATERAL (SELECT a * 10 + b AS i) z) n \gexec
COPY cancer FROM :'cancer_file' (FORMAT csv, HEADER);
CREATE TABLE iris (sepal_length float8, sepal_width float8, petal_length float8, petal_width float8, species text);
COPY iris FROM :'iris_file' (FORMAT csv, HEADER);
CREATE TABLE mtcars (mpg float8, wt float8, hp int, qsec numeric, cyl int);
COPY mtcars FROM :'cars_file' (FORMAT csv, HEADER);
CREATE TABLE infert (education text, age int, parity smallint, induced bigint, spontaneous real, "case" int);
COPY infert FROM :'infert_file' (FORMAT csv, HEADER);
CREATE TABLE sklearn (fit text, feature text, value float8);
COPY sklearn FROM :'sklearn_file' (FORMAT csv, HEADER);
CREATE TABLE r (fit text, feature text, estimate float8, std_error float8, statistic float8, p_value float8);
COPY r FROM :'r_file' (FORMAT csv, HEADER);
CREATE TABLE facts (fit text, name text, value float8);
COPY facts FROM :'facts_file' (FORMAT csv, HEADER);
-- The names in scikit-learn's file are its own; the columns come in the same order.
UPDATE sklearn SET feature = regexp_replace(regexp_replace(feature, '^(mean|worst)_(.*)$', '\1_\2'), '^(.*)_error$', 'error_\1')
WHERE fit LIKE 'cancer%';

CREATE TABLE fits (fit text, version int, model text, metrics jsonb);
INSERT INTO fits SELECT 'diabetes', t.version, t.model, t.metrics
FROM medallion.train('golden_linear', 'train_golden.diabetes', 'progression', 'linear') t;
INSERT INTO fits SELECT 'diabetes linear', version, model, metrics FROM fits WHERE fit = 'diabetes';
INSERT INTO fits SELECT 'diabetes ridge ' || alpha, t.version, t.model, t.metrics
FROM unnest('{0.001,0.1,1,10}'::text[]) alpha,
	medallion.train('golden_linear', 'train_golden.diabetes', 'progression', 'ridge', jsonb_build_object('alpha', alpha::numeric)) t;
INSERT INTO fits SELECT 'diabetes ridge no intercept', t.version, t.model, t.metrics
FROM medallion.train('golden_linear', 'train_golden.diabetes', 'progression', 'ridge', '{"fit_intercept": false}') t;
INSERT INTO fits SELECT 'iris', t.version, t.model, t.metrics
FROM medallion.train('golden_linear', 'train_golden.iris', 'sepal_length', 'linear') t;
INSERT INTO fits SELECT 'mtcars weighted', t.version, t.model, t.metrics
FROM medallion.train('golden_linear', 'train_golden.mtcars', 'mpg', 'linear', weight => 'cyl') t;
INSERT INTO fits SELECT 'mtcars origin', t.version, t.model, t.metrics
FROM medallion.train('golden_linear', 'train_golden.mtcars', 'mpg', 'linear', '{"fit_intercept": false}', exclude => '{cyl}') t;
INSERT INTO fits SELECT 'cancer logistic ' || c, t.version, t.model, t.metrics
FROM unnest('{1,0.01,100}'::text[]) c,
	medallion.train('golden_logistic', 'train_golden.cancer', 'diagnosis', 'logistic', jsonb_build_object('C', c::numeric)) t;
INSERT INTO fits SELECT 'cancer logistic no intercept', t.version, t.model, t.metrics
FROM medallion.train('golden_logistic', 'train_golden.cancer', 'diagnosis', 'logistic', '{"fit_intercept": false}') t;
CREATE TABLE numbered AS SELECT 1 + (row_number() OVER () - 1) % 3 AS times, c.* FROM cancer c;
INSERT INTO fits SELECT 'cancer logistic weighted', t.version, t.model, t.metrics
FROM medallion.train('golden_logistic', 'train_golden.numbered', 'diagnosis', 'logistic', weight => 'times') t;
INSERT INTO fits SELECT 'infert', t.version, t.model, t.metrics
FROM medallion.train('golden_logistic', 'train_golden.infert', 'case', 'logistic', '{"penalty": "none"}') t;
INSERT INTO fits SELECT 'infert weighted', t.version, t.model, t.metrics
FROM medallion.train('golden_logistic', 'SELECT age, parity, spontaneous, "case", 1 + age % 3 AS w FROM train_golden.infert',
	'case', 'logistic', '{"penalty": "none"}', weight => 'w') t;

CREATE FUNCTION apart(got float8, expected float8) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE WHEN got IS NULL OR expected IS NULL THEN 'Infinity' WHEN got = expected THEN 0 ELSE abs(got - expected) / abs(expected) END $$;
-- R: estimates, standard errors, statistics and p-values to 1e-8; a small p-value is as far off as its statistic times that.
SELECT r.fit, count(*), max(apart(c.estimate, r.estimate)) < 1e-8 AS estimate, max(apart(c.std_error, r.std_error)) < 1e-8 AS std_error,
	max(apart(c.statistic, r.statistic)) < 1e-8 AS statistic, max(apart(c.p_value, r.p_value)) < 1e-8 AS p_value
FROM r LEFT JOIN fits f USING (fit)
LEFT JOIN medallion.coefficients c ON c.model = f.model AND c.version = f.version AND c.feature = r.feature
GROUP BY r.fit ORDER BY r.fit COLLATE "C";
SELECT x.fit, x.name, apart((f.metrics ->> x.name)::float8, x.value) < 1e-8 AS same
FROM facts x LEFT JOIN fits f USING (fit) ORDER BY x.fit COLLATE "C", x.name COLLATE "C";
-- scikit-learn: closed forms to 1e-8 relative, iterations to 1e-6 absolute on scaled columns.
SELECT s.fit, count(*), max(apart(coalesce(c.estimate, (f.metrics ->> s.feature)::float8), s.value)) < 1e-8 AS same
FROM sklearn s LEFT JOIN fits f USING (fit)
LEFT JOIN medallion.coefficients c ON c.model = f.model AND c.version = f.version AND c.feature = s.feature
WHERE s.fit LIKE 'diabetes%' GROUP BY s.fit ORDER BY s.fit COLLATE "C";
SELECT s.fit, count(*), max(abs(coalesce(c.estimate, (f.metrics ->> s.feature)::float8) - s.value)) < 1e-6 AS same,
	bool_and(coalesce(c.estimate, (f.metrics ->> s.feature)::float8) IS NOT NULL) AS found
FROM sklearn s LEFT JOIN fits f USING (fit)
LEFT JOIN medallion.coefficients c ON c.model = f.model AND c.version = f.version AND c.feature = s.feature
WHERE s.fit LIKE 'cancer%' GROUP BY s.fit ORDER BY s.fit COLLATE "C";
-- Every coefficient has a counterpart in the references, so none is left out above.
SELECT f.fit, count(*) FROM fits f JOIN medallion.coefficients c USING (model, version)
WHERE NOT EXISTS (SELECT FROM r WHERE r.fit = f.fit AND r.feature = c.feature)
	AND NOT EXISTS (SELECT FROM sklearn s WHERE s.fit = f.fit AND s.feature = c.feature)
GROUP BY f.fit;

SET client_min_messages = warning;
SELECT medallion.drop_model('golden_linear'), medallion.drop_model('golden_logistic');
DROP SCHEMA train_golden CASCADE;
