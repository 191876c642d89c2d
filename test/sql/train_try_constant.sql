-- A feature that is the same in all rows of one part tells nothing there: the part answers as if it had not been given.
\set VERBOSITY default
\set SHOW_CONTEXT errors
CREATE SCHEMA train_try_constant;
SET search_path = train_try_constant;
CREATE TABLE t AS SELECT i, 'g' || i % 2 AS g, abs(sin(i)) AS a, abs(cos(i * 17.3)) AS b, CASE WHEN i % 2 = 0 THEN 3.0 ELSE abs(sin(i * 5.1)) END AS k, i % 2 = 0 OR i % 3 = 0 AS h,
	CASE WHEN i % 2 = 0 THEN 'u' ELSE chr(65 + i % 3) END AS kind, exp(sin(i) + cos(i * 17.3)) AS y, sin(i) + cos(i * 17.3) + sin(i * i % 97) > 0.2 AS c FROM generate_series(1, 300) i;
CREATE FUNCTION difference(algorithm text, target text, params jsonb) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
	most float8;
BEGIN
	PERFORM medallion.train('try_constant', 't', target, algorithm, params, features => '{a,b,k,h,kind}', partition_by => '{g}');
	PERFORM medallion.train('try_constant_alone', 'SELECT * FROM t WHERE g = ''g0''', target, algorithm, params, features => '{a,b}');
	IF target IS NULL THEN
		SELECT max(abs(abs(p) - abs(q))) INTO most FROM t, unnest(medallion.transform('try_constant', t), medallion.transform('try_constant_alone', t)) u(p, q) WHERE g = 'g0';
	ELSE
		SELECT max(abs(medallion.predict('try_constant', t) - medallion.predict('try_constant_alone', t))) INTO most FROM t WHERE g = 'g0';
	END IF;
	PERFORM medallion.drop_model('try_constant');
	PERFORM medallion.drop_model('try_constant_alone');
	RETURN most;
END $$;
SELECT algorithm, params, difference(algorithm, target, params::jsonb) < 1e-9 AS same FROM (VALUES ('linear', 'y', NULL), ('ridge', 'y', NULL), ('lasso', 'y', '{"alpha": 0.01}'),
	('huber', 'y', NULL), ('quantile_regression', 'y', NULL), ('poisson', 'y', NULL), ('gamma', 'y', NULL), ('logistic', 'c', NULL), ('logistic', 'c', '{"penalty": "none"}'),
	('naive_bayes', 'c', NULL), ('lda', 'c', NULL), ('neighbors', 'c', NULL), ('pca', NULL, '{"n_components": 2}')) v(algorithm, target, params);
-- without a penalty there is no coefficient; other values of the feature change nothing later
SELECT rows FROM medallion.train('try_constant', 't', 'y', 'linear', features => '{a,k,h}', partition_by => '{g}');
SELECT part, feature, estimate IS NULL AS "none" FROM medallion.coefficients WHERE model = 'try_constant' ORDER BY position;
SELECT count(DISTINCT medallion.predict('try_constant', q)) AS answers FROM (SELECT 'g0'::text AS g, 0.5::float8 AS a, k::numeric AS k, k > 2 AS h FROM generate_series(1, 5) k) q;
-- what cannot be learnt from at all is still told, with the part; and so is a constant of a model without parts
SELECT rows FROM medallion.train('try_constant', 'SELECT g, a, NULLIF(kind, ''u'') AS kind, y FROM t', 'y', 'linear', partition_by => '{g}');
SELECT rows FROM medallion.train('try_constant', 'SELECT g, a, NULLIF(kind, ''u'') AS kind, y FROM t', 'y', 'huber', partition_by => '{g}');
SELECT rows FROM medallion.train('try_constant', 'SELECT g, a, NULLIF(k, 3.0) AS k, y FROM t', 'y', 'linear', partition_by => '{g}');
SELECT rows FROM medallion.train('try_constant', 'SELECT a, k, y FROM t WHERE g = ''g0''', 'y', 'linear');
SELECT rows FROM medallion.train('try_constant', 'SELECT a, kind, c FROM t WHERE g = ''g0''', 'c', 'logistic');
SET client_min_messages = warning;
SELECT medallion.drop_model('try_constant');
DROP SCHEMA train_try_constant CASCADE;
