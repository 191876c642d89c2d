-- Features whose squares vanish or overflow: fits without a penalty are those of features of ordinary sizes, coefficients and errors scaled.
\set VERBOSITY default
CREATE SCHEMA train_extreme;
SET search_path = train_extreme;
CREATE TABLE d AS SELECT i, sin(i) AS a, cos(i * 1.3) AS b, exp(0.3 * sin(i) + 0.2 * cos(i * 1.3)) * (1 + 0.3 * sin(i * i)) AS y, round(3 * exp(0.3 * sin(i) + 0.2 * cos(i * 1.3)) * (1 + 0.3 * sin(i * i))) AS counts,
	CASE WHEN sin(i) + cos(i * i) > 0 THEN 'u' ELSE 'v' END AS two, 'k' || floor(abs(sin(i * i * 1.1) * 3)) AS three FROM generate_series(1, 300) i;

CREATE TABLE fits AS SELECT name, exponent, target, params, format('extreme_%s_%s_%s', name, exponent, target) AS model FROM (VALUES ('poisson', 'counts', NULL::jsonb), ('gamma', 'y', NULL), ('tweedie', 'y', NULL), ('quantile_regression', 'y', NULL),
	('huber', 'y', '{"alpha": 0}'), ('logistic', 'two', '{"penalty": "none"}'), ('logistic', 'three', '{"penalty": "none"}')) v (name, target, params), unnest('{0,-1000,1000,-530,-470,470,530}'::int[]) exponent;
SELECT count(t.version) FROM fits, medallion.train(model, format('SELECT i, a * (2::float8 ^ (%1$s / 2)) * (2::float8 ^ (%1$s / 2)) AS a, b, %2$I FROM train_extreme.d', exponent, target), target, name, params, exclude => '{i}') t;
CREATE FUNCTION times(x float8, feature text, exponent int) RETURNS float8 LANGUAGE sql AS $$ SELECT CASE feature WHEN 'a' THEN x * 2::float8 ^ (exponent / 2) * 2::float8 ^ (exponent / 2) ELSE x END $$;
SELECT f.name, f.target, f.exponent, bool_and(abs(times(c.estimate, c.feature, f.exponent) / o.estimate - 1) < 1e-8) AS estimates,
	bool_and(abs(times(c.std_error, c.feature, f.exponent) / o.std_error - 1) < 1e-7) AS errors
FROM fits f JOIN medallion.coefficients c ON c.model = f.model
JOIN medallion.coefficients o ON o.model = format('extreme_%s_0_%s', f.name, f.target) AND o.class IS NOT DISTINCT FROM c.class AND o.feature = c.feature
WHERE f.exponent <> 0 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
-- so are robust errors, and predictions
SELECT bool_and(abs(times(r.std_error, r.feature, -1000) / o.std_error - 1) < 1e-8) AS errors
FROM medallion.inference('extreme_poisson_-1000_counts', source => 'SELECT a * 2::float8 ^ -500 * 2::float8 ^ -500 AS a, b, counts FROM train_extreme.d', errors => 'HC3') r
JOIN medallion.inference('extreme_poisson_0_counts', source => 'SELECT a, b, counts FROM train_extreme.d', errors => 'HC3') o USING (feature);
SELECT max(abs(medallion.predict('extreme_poisson_1000_counts', p) / medallion.predict('extreme_poisson_0_counts', o) - 1)) < 1e-9 AS same
FROM d o, LATERAL (SELECT o.a * 2::float8 ^ 500 * 2::float8 ^ 500 AS a, o.b) p;
-- two extreme columns that nearly determine each other
SELECT rows FROM medallion.train('extreme_tangled', 'SELECT 1e-300 * a AS a, 1e300 * (a + 1e-7 * b) AS b, counts FROM d', 'counts', 'poisson');
SELECT feature, round(CASE feature WHEN 'a' THEN estimate * 1e-300 WHEN 'b' THEN estimate * 1e300 * 1e-7 ELSE estimate END::numeric, 4) AS estimate FROM medallion.coefficients WHERE model = 'extreme_tangled' ORDER BY position;
-- what cannot be
SELECT rows FROM medallion.train('extreme_digits', 'SELECT 1e-320 * a AS a, b, counts FROM d', 'counts', 'poisson');
SELECT rows FROM medallion.train('extreme_penalty', 'SELECT 1e300 * a AS a, b, counts FROM d', 'counts', 'poisson', '{"alpha": 0.1}');

SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) FROM medallion.models WHERE model LIKE 'extreme%';
DROP SCHEMA train_extreme CASCADE;
