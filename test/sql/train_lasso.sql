-- lasso and elastic_net against scikit-learn (test/golden/lasso_reference.py).
\getenv dir PG_ABS_SRCDIR
\set rows_file :dir '/golden/train_diabetes.csv'
\set expected_file :dir '/golden/lasso_expected.csv'
CREATE SCHEMA train_lasso;
SET search_path = train_lasso, public;
CREATE TABLE raw (no int GENERATED ALWAYS AS IDENTITY, age float8, sex float8, bmi float8, bp float8, s1 float8, s2 float8, s3 float8, s4 float8, s5 float8, s6 float8, progression float8);
COPY raw (age, sex, bmi, bp, s1, s2, s3, s4, s5, s6, progression) FROM :'rows_file' (FORMAT csv, HEADER);
CREATE TABLE t AS SELECT age, sex, bmi, bp, s1, s2, s3, s4, s5, s6, progression FROM raw;
CREATE TABLE weighted AS SELECT *, 1 + (no - 1) % 3 AS w FROM raw;
CREATE TABLE expected (case_name text, term text, expected float8);
COPY expected FROM :'expected_file' (FORMAT csv, HEADER);
CREATE FUNCTION got(case_name text) RETURNS TABLE(term text, got float8) LANGUAGE plpgsql AS $$
DECLARE
	algorithm text := CASE WHEN case_name LIKE 'lasso%' THEN 'lasso' ELSE 'elastic_net' END;
	params jsonb := CASE WHEN case_name LIKE '%\_cv' THEN '{"cv": 5, "tol": 1e-14}' ELSE jsonb_build_object('alpha', split_part(case_name, ':', 2)::float8, 'tol', 1e-14) END;
BEGIN
	IF algorithm = 'elastic_net' THEN params := params || '{"l1_ratio": 0.3}'; END IF;
	IF case_name LIKE '%no_intercept%' THEN params := params || '{"fit_intercept": false}'; END IF;
	PERFORM medallion.train('train_lasso', CASE WHEN case_name LIKE '%weighted%' THEN 'train_lasso.weighted' ELSE 'train_lasso.t' END, 'progression', algorithm, params,
		features => '{age,sex,bmi,bp,s1,s2,s3,s4,s5,s6}', weight => CASE WHEN case_name LIKE '%weighted%' THEN 'w' END, seed => 3);
	RETURN QUERY SELECT feature, estimate FROM medallion.coefficients WHERE model = 'train_lasso'
		UNION ALL SELECT 'alpha', (metrics->>'alpha')::float8 FROM medallion.model_versions WHERE model = 'train_lasso'
		UNION ALL SELECT 'mse', min(m) FROM (SELECT avg(value) AS m FROM medallion.model_attributes WHERE model = 'train_lasso' AND attribute = 'mse_path' GROUP BY i) p;
	PERFORM medallion.drop_model('train_lasso');
END $$;
SELECT e.case_name, count(*) AS compared, count(*) FILTER (WHERE abs(g.got - e.expected) > 1e-7 * greatest(1, abs(e.expected))) AS different,
	count(*) FILTER (WHERE (g.got = 0) <> (e.expected = 0)) AS other_zeros
FROM (SELECT DISTINCT case_name FROM expected) k CROSS JOIN LATERAL got(k.case_name) g
JOIN expected e ON (e.case_name, e.term) = (k.case_name, CASE WHEN g.term = '(intercept)' AND k.case_name LIKE '%no_intercept%' THEN '' ELSE g.term END)
GROUP BY 1 ORDER BY e.case_name COLLATE "C";
-- the path is there to be looked at; in memory, with categories and dates, it is the same as streamed
SELECT medallion.train('train_lasso', 'train_lasso.t', 'progression', 'lasso', '{"cv": 5, "n_alphas": 20}') IS NOT NULL AS trained;
SELECT attribute, max(i) AS rows, max(j) AS columns FROM medallion.model_attributes WHERE model = 'train_lasso' GROUP BY 1 ORDER BY 1;
CREATE TABLE mixed AS SELECT no, bmi, bp, 'k' || no % 4 AS kind, progression FROM raw;
SELECT round((a.metrics->>'train_r2')::numeric, 4) AS streamed, abs((a.metrics->>'alpha')::float8 - (b.metrics->>'alpha')::float8) < 1e-12 AS same_alpha,
	abs((a.metrics->>'train_r2')::float8 - (b.metrics->>'train_r2')::float8) < 1e-10 AS same
FROM medallion.train('train_lasso_a', 'train_lasso.mixed', 'progression', 'elastic_net', '{"cv": 3}', exclude => '{no}') a,
	medallion.train('train_lasso_b', 'SELECT no, ARRAY[bmi, bp] AS v, kind, progression FROM train_lasso.mixed', 'progression', 'elastic_net', '{"cv": 3}', features => '{v,kind}') b;
-- a holdout beside the folds; sweeps over it; every coefficient 0; errors
SELECT (metrics->>'validation_rows')::int > 50 AS held_out, metrics ? 'alpha' AS alpha FROM medallion.train('train_lasso_c', 'train_lasso.raw', 'progression', 'lasso', '{"cv": 4}', exclude => '{no}',
	validation => '{"fraction": 0.2, "time": "no"}');
SELECT medallion.sweep('train_lasso_d', 'train_lasso.t', 'progression', 'lasso', '{"alpha": [0.01, 100]}', cv => 3, workers => 1, wait => true) AS sweep_id \gset
SELECT best_params->'alpha' AS alpha, best_metric > 0.4 AS good FROM medallion.sweeps WHERE sweep_id = :sweep_id;
SELECT medallion.drop_sweep(:sweep_id);
SELECT metrics->'nonzero' AS nonzero, (metrics->>'train_r2')::float8 = 0 AS nothing FROM medallion.train('train_lasso_e', 'train_lasso.t', 'progression', 'lasso', '{"alpha": 1000}');
-- few rounds are few, however small the problem is
SELECT metrics->'iterations' AS iterations FROM medallion.train('train_lasso_g', 'train_lasso.t', 'progression', 'lasso', '{"alpha": 0.01, "max_iter": 2}');
SELECT medallion.train('train_lasso_f', 'train_lasso.t', 'progression', 'lasso', '{"cv": 1}');
SELECT medallion.train('train_lasso_f', 'train_lasso.t', 'progression', 'lasso', '{"alpha": 0}');
SELECT medallion.train('train_lasso_f', 'SELECT bmi, 1.0 AS progression FROM train_lasso.t', 'progression', 'lasso', '{"cv": 3}');
SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) AS dropped FROM medallion.models WHERE model LIKE 'train\_lasso%';
DROP SCHEMA train_lasso CASCADE;
RESET search_path;
DELETE FROM medallion._audit WHERE model LIKE 'train\_lasso%';
