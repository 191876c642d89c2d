-- Terms that nearly determine each other: as right as R's lm and glm by QR (test/golden/tangled_reference.R), and the rule of aliasing.
\getenv dir PG_ABS_SRCDIR
\set data_file :dir '/golden/tangled.csv'
\set r_file :dir '/golden/tangled_r.csv'
CREATE SCHEMA train_tangled;
SET search_path = train_tangled, public;
CREATE TABLE d (no int, a float8, e float8, c float8, l text, counts float8, amount float8, class int);
COPY d FROM :'data_file' (FORMAT csv, HEADER);
CREATE TABLE r (size float8, algorithm text, feature text, estimate float8, std_error float8, hc3 float8);
COPY r FROM :'r_file' (FORMAT csv, HEADER);
CREATE FUNCTION source(size float8, target text) RETURNS text LANGUAGE sql AS
	$$ SELECT format('SELECT a, a + %s::float8 * e AS b, c, l, %I FROM train_tangled.d', size, target) $$;

-- R, in units of its own standard errors
SELECT count(f.version) FROM (SELECT DISTINCT size, algorithm, CASE algorithm WHEN 'poisson' THEN 'counts' WHEN 'logistic' THEN 'class' ELSE 'amount' END AS target FROM r) k
CROSS JOIN LATERAL medallion.train(format('tangled_%s_%s', algorithm, size), source(size, target), target, algorithm,
	CASE algorithm WHEN 'logistic' THEN '{"penalty": "none"}'::jsonb END) f;
CREATE TABLE robust AS SELECT DISTINCT model, i.feature, i.std_error AS hc3 FROM (SELECT DISTINCT size, algorithm, format('tangled_%s_%s', algorithm, size) AS model,
	CASE algorithm WHEN 'poisson' THEN 'counts' WHEN 'logistic' THEN 'class' ELSE 'amount' END AS target FROM r) k, medallion.inference(model, source => source(size, target), errors => 'HC3') i;
SELECT r.algorithm, r.size, count(*) AS compared, count(*) FILTER (WHERE abs(c.estimate - r.estimate) < 1e-5 * r.std_error) AS estimates,
	count(*) FILTER (WHERE abs(c.std_error / r.std_error - 1) < 1e-6) AS errors, count(*) FILTER (WHERE abs(b.hc3 / r.hc3 - 1) < 1e-5) AS robust
FROM r LEFT JOIN medallion.coefficients c ON c.model = format('tangled_%s_%s', r.algorithm, r.size) AND c.feature = r.feature
LEFT JOIN robust b ON b.model = c.model AND b.feature = c.feature GROUP BY 1, 2 ORDER BY 1, 2 DESC;
-- b stands for e: its variance inflation and the condition grow as they must
SELECT r.algorithm, r.size, round((metrics->>'condition_number')::numeric * r.size::numeric, 3) AS condition,
	round((a.value * r.size ^ 2)::numeric, 3) AS vif
FROM (SELECT DISTINCT size, algorithm FROM r WHERE algorithm <> 'linear') r JOIN medallion.model_versions v ON v.model = format('tangled_%s_%s', r.algorithm, r.size),
	medallion.model_attributes a WHERE a.model = v.model AND a.attribute = 'vif' AND a.feature = 'b' ORDER BY 1, 2 DESC;

-- the same model told in two ways: three classes; a level beside its own copy; no intercept and columns far from 0; weights; many rows
CREATE FUNCTION twice(name text, tangled text, plain text, target text, algorithm text, params jsonb, size float8, term text DEFAULT 'b') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	worst float8;
	gap float8;
BEGIN
	PERFORM medallion.train('tangled_plain', plain, target, algorithm, params, weight => CASE WHEN plain ~ ' AS w' THEN 'w' END);
	PERFORM medallion.train('tangled', tangled, target, algorithm, params, weight => CASE WHEN plain ~ ' AS w' THEN 'w' END);
	SELECT max(abs(t.estimate * size - p.estimate) / p.std_error), max(abs(t.std_error * size / p.std_error - 1)) INTO worst, gap
	FROM medallion.coefficients t JOIN medallion.coefficients p ON p.model = 'tangled_plain' AND p.class IS NOT DISTINCT FROM t.class AND p.feature = term
	WHERE t.model = 'tangled' AND t.feature = term;
	PERFORM medallion.drop_model(m) FROM unnest('{tangled,tangled_plain}'::text[]) m;
	RETURN name || CASE WHEN worst < 1e-6 AND gap < 1e-6 THEN ': the same' ELSE format(': %s, %s', worst, gap) END;
END $$;
SELECT twice('classes', 'SELECT a, c, a + 1e-7 * e AS b, l FROM d', 'SELECT a, c, e AS b, l FROM d', 'l', 'logistic', '{"penalty": "none"}', 1e-7);
SELECT twice('weights', 'SELECT a, c, a + 1e-7 * e AS b, l, 1 + no % 3 AS w FROM d', 'SELECT a, c, e AS b, l, 1 + no % 3 AS w FROM d', 'l', 'logistic', '{"penalty": "none"}', 1e-7);
SELECT twice('a level', 'SELECT (l = ''q'')::int + 1e-7 * e AS b, l, counts FROM d', 'SELECT e AS b, l, counts FROM d', 'counts', 'poisson', NULL, 1e-7);
SELECT twice('far', 'SELECT 1 + 1e-7 * e AS b, a + 1e6 AS a, counts FROM d', 'SELECT e AS b, a, counts FROM d', 'counts', 'poisson', NULL, 1e-7);
SELECT twice('no intercept', 'SELECT a + 1e6 AS a, a + 1e6 + 1e-3 * e AS b, counts FROM d', 'SELECT a + 1e6 AS a, e AS b, counts FROM d', 'counts', 'poisson', '{"fit_intercept": false}', 1e-3);
SELECT twice('many rows', 'SELECT a + k * 0.001 AS a, a + k * 0.001 + 1e-7 * (e + sin(k)) AS b, counts, 1 + k % 2 AS w FROM d, generate_series(1, 300) k',
	'SELECT a + k * 0.001 AS a, e + sin(k) AS b, counts, 1 + k % 2 AS w FROM d, generate_series(1, 300) k', 'counts', 'poisson', NULL, 1e-7);
SELECT twice('a chain', 'SELECT c, c ^ 2 AS q, c ^ 2 + 1e-5 * a AS p, c ^ 2 + 2e-5 * a + 1e-8 * e AS b, class FROM d', 'SELECT c, c ^ 2 AS q, a, e AS b, class FROM d', 'class', 'logistic', '{"penalty": "none"}', 1e-8);
-- the same bits in any order of the rows
SELECT count(version) FROM unnest('{no,a,e}'::text[]) o, medallion.train('tangled_order', format('SELECT a, a + 1e-8 * e AS b, c, counts FROM d ORDER BY %I', o), 'counts', 'poisson');
SELECT count(DISTINCT numbers) AS results FROM (SELECT string_agg(estimate::text || ' ' || std_error, ',' ORDER BY position) AS numbers FROM medallion.coefficients WHERE model = 'tangled_order' GROUP BY version) k;

-- what is aliased: what others determine but for rounding, wherever it lies, and once
SELECT algorithm, rows FROM unnest('{linear,gamma,poisson}'::text[]) name, medallion.train('tangled_alias_' || name, 'SELECT a, 3 * a + 0.1 AS b, e, 1e6 + a AS f, 3 * (1e6 + e) + 0.1 AS g, amount FROM d', 'amount', name);
SELECT model, string_agg(feature, ',' ORDER BY position) FROM medallion.coefficients WHERE model ~ '^tangled_alias' AND estimate IS NULL GROUP BY model ORDER BY model;
SELECT rows FROM medallion.train('tangled_classes', 'SELECT a, 3 * a + 0.1 AS b, a / 3 AS c, e, l FROM d', 'l', 'logistic', '{"penalty": "none"}');
SELECT rows FROM medallion.train('tangled_levels', 'SELECT l, upper(l) AS u, a, counts FROM d', 'counts', 'poisson');

SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) FROM medallion.models WHERE model LIKE 'tangled%';
DROP SCHEMA train_tangled CASCADE;
