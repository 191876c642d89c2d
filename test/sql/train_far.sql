-- Ridge and least squares without an intercept on columns far from 0, against exact arithmetic.
CREATE SCHEMA train_far;
SET search_path = train_far;
CREATE TABLE d AS SELECT i, 1e6 + round((sin(i) * 4)::numeric, 4)::float8 AS a, 1e6 + round((cos(i * 1.7) * 4)::numeric, 4)::float8 AS b,
	round((3 + sin(i) + 0.5 * cos(i * 1.7) + 0.1 * sin(i * i))::numeric, 4)::float8 AS y, 1 + i % 3 AS w FROM generate_series(1, 12000) i;

-- Cramer's rule for two columns in numeric, whose digits are all right
CREATE FUNCTION exact(n int, alpha numeric, OUT a numeric, OUT b numeric) LANGUAGE sql AS $$
	SELECT (ay * (bb + alpha) - by * ab) / ((aa + alpha) * (bb + alpha) - ab * ab), (by * (aa + alpha) - ay * ab) / ((aa + alpha) * (bb + alpha) - ab * ab)
	FROM (SELECT sum(a * a * w) AS aa, sum(a * b * w) AS ab, sum(b * b * w) AS bb, sum(a * y * w) AS ay, sum(b * y * w) AS by FROM
		(SELECT a::numeric(40, 20), b::numeric(40, 20), y::numeric(40, 20), w::numeric FROM train_far.d WHERE i <= n) v) s $$;
CREATE TABLE fits AS SELECT n, alpha, reproducible, format('far_%s_%s_%s', n, alpha, reproducible) AS model
	FROM unnest('{40,12000}'::int[]) n, unnest('{0,0.001,1,1000}'::numeric[]) alpha, unnest('{false,true}'::bool[]) reproducible;
SELECT count(t.version) FROM fits, medallion.train(model, format('SELECT a, b, y, w FROM train_far.d WHERE i <= %s', n), 'y', 'ridge', jsonb_build_object('alpha', alpha, 'fit_intercept', false),
	weight => 'w', reproducible => reproducible) t;
SELECT n, alpha, reproducible, abs(ca.estimate / e.a - 1) < 1e-9 AS a, abs(cb.estimate / e.b - 1) < 1e-9 AS b, ca.std_error IS NOT NULL AS std_errors
FROM fits, exact(n, alpha) e, medallion.coefficients ca, medallion.coefficients cb WHERE ca.model = fits.model AND ca.feature = 'a' AND cb.model = fits.model AND cb.feature = 'b' ORDER BY 1, 2, 3;

-- two columns that add up to 1 are an intercept: estimates and standard errors alike, from co-moments and from rows; columns that repeat others are aliased
SELECT count(version) FROM (VALUES ('first', '1 - i % 2 AS even, i % 2 AS odd, a, b', false, 12000), ('last', 'a, b, i % 2 AS odd, 1 - i % 2 AS even', false, 12000), ('intercept', 'i % 2 AS odd, a, b', true, 12000),
	('rows', '1 - i % 2 AS even, i % 2 AS odd, a, b', false, 500), ('rows_intercept', 'i % 2 AS odd, a, b', true, 500)) v (name, features, fit_intercept, n),
	medallion.train('far_' || name, format('SELECT %s, y FROM d WHERE i <= %s', features, n), 'y', 'linear', jsonb_build_object('fit_intercept', fit_intercept));
SELECT c.model, c.feature, abs(c.estimate - i.estimate) < 1e-9 * abs(i.std_error) AS estimate, abs(c.std_error / i.std_error - 1) < 1e-9 AS std_error
FROM medallion.coefficients c JOIN medallion.coefficients i ON i.model = CASE c.model WHEN 'far_rows' THEN 'far_rows_intercept' ELSE 'far_intercept' END AND i.feature = replace(c.feature, 'even', '(intercept)')
WHERE c.model IN ('far_first', 'far_last', 'far_rows') AND c.feature <> 'odd' ORDER BY c.model, c.position;
SELECT rows FROM medallion.train('far_repeated', 'SELECT a, 2 * a AS a2, b, a + b AS s, i % 2 AS odd, 1 - i % 2 AS even, 3 * a - (i % 2) AS s2, y FROM d', 'y', 'linear', '{"fit_intercept": false}');
SELECT rows FROM medallion.train('far_repeated', 'SELECT a, 2 * a AS a2, y FROM d', 'y', 'ridge', '{"fit_intercept": false}');
SELECT feature, round(estimate::numeric, 12) AS estimate FROM medallion.coefficients WHERE model = 'far_repeated' AND version = 2 ORDER BY position;

-- the same bits in any order of the rows
SELECT count(version) FROM unnest('{i,a,y}'::text[]) o, unnest('{1,3}'::numeric[]) alpha, medallion.train('far_order_' || alpha, format('SELECT a, b, y FROM d ORDER BY %I', o), 'y', 'ridge',
	jsonb_build_object('alpha', alpha, 'fit_intercept', false), reproducible => true);
SELECT model, count(DISTINCT numbers) AS results FROM (SELECT model, string_agg(estimate::text, ',' ORDER BY position) AS numbers FROM medallion.coefficients WHERE model LIKE 'far\_order%' GROUP BY model, version) k GROUP BY model ORDER BY model;

SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) FROM medallion.models WHERE model LIKE 'far%';
DROP SCHEMA train_far CASCADE;
