-- Cross-validation scores equal scikit-learn's on the same folds (test/golden/sweep_reference.py made both files).
\getenv dir PG_ABS_SRCDIR
\set rows_file :dir '/golden/sweep_rows.csv'
\set expected_file :dir '/golden/sweep_expected.csv'
CREATE SCHEMA sweep_golden;
CREATE TABLE sweep_golden.t (a float8, b float8, c float8, d float8, y float8, late bool);
COPY sweep_golden.t FROM :'rows_file' (FORMAT csv, HEADER);
CREATE TABLE sweep_golden.expected (algorithm text, parameter float8, metric text, fold int, value float8);
COPY sweep_golden.expected FROM :'expected_file' (FORMAT csv, HEADER);
CREATE TABLE sweep_golden.runs AS
SELECT metric, CASE WHEN metric IN ('r2', 'mse', 'rmse')
	THEN medallion.sweep('sweep_golden_' || metric, 'sweep_golden.t', 'y', 'ridge', '{"alpha": [0.01, 0.1, 1, 10, 100]}', cv => 5,
		metric => metric, seed => 7, exclude => '{late}', wait => true)
	ELSE medallion.sweep('sweep_golden_' || metric, 'sweep_golden.t', 'late', 'logistic', '{"C": [0.01, 0.1, 1, 10, 100]}', cv => 5,
		metric => metric, seed => 7, exclude => '{y}', wait => true) END AS sweep_id
FROM (SELECT DISTINCT metric FROM sweep_golden.expected ORDER BY metric) m;
CREATE TABLE sweep_golden.got AS
SELECT s.algorithm, coalesce(t.params->>'alpha', t.params->>'C')::float8 AS parameter, r.metric, f.fold::int, f.value, t.metric AS mean
FROM sweep_golden.runs r JOIN medallion.sweeps s USING (sweep_id) JOIN medallion.trials t USING (sweep_id),
	unnest(t.fold_metrics) WITH ORDINALITY f(value, fold);
-- Ridge to 1e-8; logistic to 1e-6, since scikit-learn stops there.
SELECT algorithm, metric, count(*) AS compared, count(*) FILTER (WHERE abs(e.value - g.value)
	> CASE algorithm WHEN 'ridge' THEN 1e-8 ELSE 1e-6 END * greatest(abs(e.value), 1)) AS different
FROM sweep_golden.expected e JOIN sweep_golden.got g USING (algorithm, parameter, metric, fold) GROUP BY 1, 2 ORDER BY 1, 2;
-- The metric of a trial is the mean over folds; the best is the largest, or for errors and losses the smallest.
SELECT bool_and(abs(mean - m.value) < 1e-12 * abs(mean)) AS means FROM sweep_golden.got g
JOIN (SELECT algorithm, parameter, metric, avg(value) AS value FROM sweep_golden.got GROUP BY 1, 2, 3) m USING (algorithm, parameter, metric);
SELECT s.metric, s.state, s.best_params, s.best_metric = e.best AS best
FROM medallion.sweeps s JOIN sweep_golden.runs r USING (sweep_id)
JOIN (SELECT metric, CASE WHEN metric IN ('mse', 'rmse', 'log_loss', 'brier') THEN min(mean) ELSE max(mean) END AS best
	FROM sweep_golden.got GROUP BY metric) e ON e.metric = s.metric ORDER BY s.metric;
-- The best is trained on all rows and registered, with the sweep it came from.
SELECT v.model, v.version, v.rows, v.params, v.sweep_id = r.sweep_id AS parent FROM medallion.model_versions v
JOIN sweep_golden.runs r ON v.model = 'sweep_golden_' || r.metric ORDER BY v.model;
SET client_min_messages = warning;
SELECT medallion.drop_model(model) FROM medallion.models WHERE model LIKE 'sweep\_golden\_%';
SELECT medallion.drop_sweep(sweep_id) FROM sweep_golden.runs;
DROP SCHEMA sweep_golden CASCADE;
DELETE FROM medallion._audit WHERE model LIKE 'sweep\_golden%';
