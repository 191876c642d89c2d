-- Columns of extreme sizes: scaled by their true spread, or an error that says what is wrong.
\set VERBOSITY default
\set SHOW_CONTEXT never
CREATE SCHEMA train_try_scales;
SET search_path = train_try_scales;
CREATE TABLE e AS SELECT i, sin(i) AS a, exp(sin(i) + i % 3) AS y, 'u' || (sin(i) + cos(i * i) > 0)::int AS c FROM generate_series(1, 60) i;

-- what scales by itself, or is told to, learns the same from numbers whose squares overflow or vanish
SELECT algorithm, count(DISTINCT round((metrics->>'train_accuracy')::numeric, 6)) AS results
FROM unnest('{1,1e300,1e-300}'::float8[]) size, unnest('{svm,linear_svm,neighbors}'::text[]) name,
	medallion.train('try_' || name, format('SELECT %s * a AS a, c FROM e', size), 'c', name) GROUP BY algorithm ORDER BY algorithm;
SELECT algorithm, scale, count(DISTINCT round((metrics->>'train_r2')::numeric, 9)) AS results
FROM unnest('{1,1e300,1e-300}'::float8[]) size, unnest('{linear,ridge,poisson}'::text[]) name, unnest('{standard,minmax,maxabs}'::text[]) scale,
	medallion.train('try_' || name, format('SELECT %s * a AS a, y FROM e', size), 'y', name, preprocess => jsonb_build_object('scale', scale))
GROUP BY algorithm, scale ORDER BY algorithm, scale;

-- values that differ are not said to be the same
SELECT medallion.train('m', 'SELECT 1e15 + 100 * a AS a, y FROM e', 'y', 'linear');
SELECT medallion.train('m', 'SELECT 1e-300 * (2 + a) AS a, y FROM e', 'y', 'lasso');
SELECT medallion.train('m', 'SELECT 7e15 AS a, y FROM e', 'y', 'linear');
SELECT round((metrics->>'train_r2')::numeric, 2) AS r2 FROM medallion.train('m', 'SELECT 1e15 + 100 * a AS a, y FROM e', 'y', 'linear', preprocess => '{"scale": "standard"}');
-- nor is what is not there, by learners in memory either
SELECT medallion.train('m', 'SELECT NULL::float8 AS n, a, y FROM e', 'y', 'poisson');
SELECT medallion.train('m', 'SELECT NULL::float8 AS n, a, c FROM e', 'c', 'lda');

-- one term, two terms
SELECT rows FROM medallion.train('m', 'SELECT a, 2 * a AS b, y FROM e', 'y', 'linear');
SELECT rows FROM medallion.train('m', 'SELECT a, 2 * a AS b, 3 * a AS c, y FROM e', 'y', 'linear');

-- metrics have all their digits, whatever the session prints
SET extra_float_digits = -15;
SELECT rows FROM medallion.train('m', 'e', 'y', 'linear', features => '{a}', validation => '{"fraction": 0.3}');
RESET extra_float_digits;
SELECT rows FROM medallion.train('m', 'e', 'y', 'linear', features => '{a}', validation => '{"fraction": 0.3}');
SELECT count(DISTINCT metrics) AS different, count(*) AS versions FROM
	(SELECT metrics FROM medallion.model_versions WHERE model = 'm' ORDER BY version DESC LIMIT 2) v;
-- a transaction that only reads
BEGIN READ ONLY;
SELECT medallion.train('m', 'e', 'y', 'linear', features => '{a}');
ROLLBACK;
SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) > 0 AS dropped FROM medallion.models WHERE model ~ '^(m|try_.*)$';
DROP SCHEMA train_try_scales CASCADE;
