-- The rates of NULL that monitoring compares with are those of the rows learnt from, not of all that were read.
-- A category that only rows of weight 0 have (A) is none.
\set VERBOSITY terse
CREATE SCHEMA train_try_baseline;
SET search_path = train_try_baseline;
SET client_min_messages = warning;
CREATE TABLE t AS SELECT i, CASE WHEN i % 10 <> 0 THEN sin(i) END AS a, CASE WHEN i % 3 = 0 THEN chr(65 + i % 7) END AS kind,
	i % 3 = 1 AS held, (i % 7 > 0)::int AS w, exp(cos(i)) AS y, i % 2 = 0 AS c FROM generate_series(1, 3000) i;
CREATE TABLE expected AS SELECT held_out, weighted,
	avg((a IS NULL)::int) FILTER (WHERE NOT (held_out AND held) AND (w > 0 OR NOT weighted)) AS a,
	avg((kind IS NULL)::int) FILTER (WHERE NOT (held_out AND held) AND (w > 0 OR NOT weighted)) AS kind
FROM t, (VALUES (false), (true)) h(held_out), (VALUES (false), (true)) v(weighted) GROUP BY 1, 2;
CREATE FUNCTION rates(algorithm text, target text, held_out bool, weighted bool) RETURNS TABLE (a float8, kind float8) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM medallion.train('try_rates', 't', target, algorithm, features => '{a,kind}',
		validation => CASE WHEN held_out THEN '{"column": "held"}'::jsonb END, weight => CASE WHEN weighted THEN 'w' END);
	PERFORM medallion.create_monitor('try_rates', 'try_rates', 't', columns => '{a,kind}');
	PERFORM medallion.run_monitor('try_rates');
	RETURN QUERY SELECT max(reference) FILTER (WHERE column_name = 'a'), max(reference) FILTER (WHERE column_name = 'kind')
		FROM medallion.drift WHERE monitor = 'try_rates' AND statistic = 'null_rate';
	PERFORM medallion.drop_monitor('try_rates');
	PERFORM medallion.drop_model('try_rates');
END $$;
SELECT algorithm, count(*) AS settings, count(*) FILTER (WHERE abs(r.a - e.a) < 1e-12 AND abs(r.kind - e.kind) < 1e-12) AS right
FROM expected e, (VALUES ('linear', 'y'), ('poisson', 'y'), ('naive_bayes', 'c'), ('logistic', 'c'), ('neighbors', 'c')) v(algorithm, target),
	rates(algorithm, target, held_out, weighted) r WHERE NOT weighted OR algorithm <> 'neighbors' GROUP BY algorithm ORDER BY algorithm;
-- more of them than rows were learnt from; and more rows than the sample has
SELECT rows < 2000 AS fewer FROM medallion.train('try_rates', 'SELECT kind, a, y FROM t', 'y', 'linear', validation => '{"fraction": 0.6}');
SELECT compared_columns FROM medallion.create_monitor('try_rates', 'try_rates', 't');
SELECT rows FROM medallion.run_monitor('try_rates');
SELECT medallion.drop_monitor('try_rates');
INSERT INTO t SELECT t.* FROM t, generate_series(1, 4);
SELECT abs(a - 0.1) < 0.02 AS a, abs(kind - 0.5) < 0.02 AS kind FROM rates('linear', 'y', true, false);
DROP SCHEMA train_try_baseline CASCADE;
