-- Weights, averages, zero_division, ties, one class; curves, clusters, queries: the metric aggregates against scikit-learn
-- (test/golden/metrics_cases.py made the rows and the cases).
\getenv abs_srcdir PG_ABS_SRCDIR
\set rows_file :abs_srcdir '/golden/metrics_case_rows.csv'
\set cases_file :abs_srcdir '/golden/metrics_cases.csv'
CREATE SCHEMA metrics_test;
SET search_path = metrics_test;
CREATE TABLE r (y float8, p float8, counts float8, weight float8, label bool, score float8, truth text, guess text, grade int, given int,
	probs float8[], x float8[], cluster int, query int, relevance float8, rank float8);
COPY r FROM :'rows_file' (FORMAT csv, HEADER);
CREATE TABLE cases (query text, expected float8[]);
COPY cases FROM :'cases_file' (FORMAT csv, HEADER);
-- What has no value is NULL here and NaN in the file.
CREATE FUNCTION distance(got float8[], expected float8[]) RETURNS float8 LANGUAGE sql AS $$
	SELECT coalesce(max(CASE
		WHEN coalesce(g, 'NaN') = e THEN 0
		WHEN g IS NULL OR e IN ('NaN', 'Infinity') THEN 'Infinity'
		ELSE abs(g - e) / greatest(abs(e), 1e-3) END), 'Infinity')
	FROM unnest(got, expected) u(g, e) $$;
CREATE FUNCTION check_cases() RETURNS TABLE(query text, expected float8[], got float8[], distance float8) LANGUAGE plpgsql AS $$
BEGIN
	FOR query, expected IN SELECT c.query, c.expected FROM cases c LOOP
		EXECUTE query INTO got;
		distance := distance(got, expected);
		IF cardinality(got) IS DISTINCT FROM cardinality(expected) THEN
			distance := 'Infinity';
		END IF;
		RETURN NEXT;
	END LOOP;
END $$;
CREATE TABLE checked AS SELECT * FROM check_cases();
SELECT count(*) AS cases, count(*) FILTER (WHERE distance <= 1e-12) AS within_1e_12, count(*) FILTER (WHERE distance <= 1e-9) AS within_1e_9
FROM checked;
SELECT query, expected, got FROM checked WHERE distance > 1e-9 ORDER BY query;
-- Two workers and a leader that share the rows say the same.
ALTER TABLE r SET (parallel_workers = 2);
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET enable_material = off;
CREATE TABLE checked_parallel AS SELECT * FROM check_cases();
SELECT query, c.got, p.got FROM checked c JOIN checked_parallel p USING (query) WHERE distance(p.got, array_replace(c.got, NULL, 'NaN')) > 1e-12 ORDER BY query;
EXPLAIN (COSTS OFF) SELECT medallion.silhouette(x, cluster), medallion.roc_curve(label, score, weight), medallion.kappa(truth, guess) FROM r;
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA metrics_test CASCADE;
