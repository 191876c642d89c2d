-- What a sweep can know before it reads a row is an error of the call, not of a worker: nothing here starts one.
\set SHOW_CONTEXT never
CREATE SCHEMA sweep_errors;
SET search_path = sweep_errors, public;
CREATE TABLE t AS SELECT i AS id, (i % 10)::float8 AS x, sin(i) AS z, i % 10 > 4 AS k, (i % 3)::float8 AS y, point(i, i) AS place, ARRAY[i, i % 3]::float8[] AS v, 1.5 AS w
FROM generate_series(1, 60) i;
CREATE FUNCTION tried(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text; hint text; id bigint;
BEGIN
	EXECUTE format('SELECT medallion.sweep(''sweep_errors_m'', %s)', call) INTO id;
	PERFORM medallion.drop_sweep(id);
	RETURN 'accepted';
EXCEPTION WHEN others THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
	RETURN message || coalesce(' | ' || nullif(hint, ''), '');
END $$;
\t on
\pset format unaligned
-- no target
SELECT tried($$ 't', NULL, 'kmeans', '{"n_clusters": [2, 3]}' $$);
SELECT tried($$ 't', 'k', 'pca', '{"n_components": [1, 2]}' $$);
SELECT tried($$ 't', NULL, 'ridge', '{"alpha": [1]}' $$);
SELECT tried($$ 't', 'k', 'svm', '{"task": ["outlier"]}', features => '{x}' $$);
-- algorithm, parameters, strategy
SELECT tried($$ 't', 'y', 'nothing', '{"alpha": [1]}' $$);
SELECT tried($$ 't', 'y', 'ridge', '{"alhpa": [1]}' $$);
SELECT tried($$ 't', 'y', 'ridge', '{"alpha": [1, -1]}' $$);
SELECT tried($$ 't', 'y', 'ridge', '{"alpha": ["x"]}' $$);
SELECT tried($$ 't', 'y', 'ridge', '{}' $$);
SELECT tried($$ 't', 'y', 'ridge', '{"alpha": [1]}', strategy => 'best' $$);
SELECT tried($$ 't', 'y', 'ridge', '{"alpha": [1]}', cv => 1 $$);
SELECT tried($$ 't', 'y', 'svm', '{"task": ["classification", "regression"]}', features => '{x}' $$);
-- metrics
SELECT tried($$ 't', 'y', 'ridge', '{"alpha": [1]}', metric => 'acuracy', features => '{x}' $$);
SELECT tried($$ 't', 'y', 'ridge', '{"alpha": [1]}', metric => 'mae', features => '{x}' $$);
SELECT tried($$ 't', 'y', 'ridge', '{"alpha": [1]}', metric => 'roc_auc', features => '{x}' $$);
SELECT tried($$ 't', 'k', 'logistic', '{"C": [1]}', metric => 'r2', features => '{x}' $$);
SELECT tried($$ 't', 'k', 'logistic', '{"C": [1]}', metric => 'roc_auc', weight => 'w', features => '{x}' $$);
SELECT tried($$ 't', 'k', 'linear_svm', '{"C": [1]}', metric => 'explained_variance', features => '{x}' $$);
-- the source and its columns
SELECT tried($$ 'nowhere', 'y', 'ridge', '{"alpha": [1]}' $$);
SELECT tried($$ 'SELECT * FROM nowhere', 'y', 'ridge', '{"alpha": [1]}' $$);
SELECT tried($$ 'DELETE FROM t', 'y', 'ridge', '{"alpha": [1]}' $$);
SELECT tried($$ 't', 'nothing', 'ridge', '{"alpha": [1]}' $$);
SELECT tried($$ 't', 'place', 'ridge', '{"alpha": [1]}' $$);
SELECT tried($$ 't', 'y', 'ridge', '{"alpha": [1]}' $$);
SELECT tried($$ 't', 'y', 'ridge', '{"alpha": [1]}', features => '{nothing}' $$);
SELECT tried($$ 't', 'y', 'ridge', '{"alpha": [1]}', exclude => '{nothing}' $$);
SELECT tried($$ 't', 'y', 'ridge', '{"alpha": [1]}', features => '{x}', weight => 'nothing' $$);
SELECT tried($$ 't', 'y', 'ridge', '{"alpha": [1]}', features => '{x}', preprocess => '{"scal": "standard"}' $$);
SELECT tried($$ 't', 'y', 'ridge', '{"alpha": [1]}', features => '{x}', deploy => 'sometimes' $$);
-- folds
SELECT tried($$ 't', 'y', 'ridge', '{"alpha": [1]}', features => '{x}', folds => '{"grup": "id"}' $$);
SELECT tried($$ 't', 'y', 'ridge', '{"alpha": [1]}', features => '{x}', folds => '{"group": "nothing"}' $$);
SELECT tried($$ 't', 'y', 'ridge', '{"alpha": [1]}', features => '{x}', folds => '{"time": "place"}' $$);
SELECT tried($$ 't', 'y', 'ridge', '{"alpha": [1]}', features => '{x}', folds => '{"column": "x"}' $$);
SELECT tried($$ 't', 'y', 'ridge', '{"alpha": [1]}', features => '{x}', folds => '{"stratify": true}' $$);
SELECT tried($$ 't', 'y', 'ridge', '{"alpha": [1]}', features => '{x}', folds => '[1]' $$);
SELECT tried($$ 't', 'y', 'ridge', '{"alpha": [1]}', features => '{x}', preprocess => '"x"' $$);
SELECT tried($$ 't', 'y', 'ridge', '{"alpha": [1]}', features => ARRAY[NULL, 'x'] $$);
-- a model of another task
SELECT model FROM medallion.train('sweep_errors_m', 't', 'k', 'logistic', features => '{x,z}');
SELECT tried($$ 't', 'y', 'ridge', '{"alpha": [1]}', features => '{x}' $$);
-- what may not be read
CREATE ROLE sweep_errors_user LOGIN;
GRANT USAGE ON SCHEMA sweep_errors TO sweep_errors_user;
SET ROLE sweep_errors_user;
SELECT tried($$ 't', 'y', 'ridge', '{"alpha": [1]}', features => '{x}' $$);
SELECT tried($$ 'SELECT * FROM t', 'y', 'ridge', '{"alpha": [1]}', features => '{x}' $$);
RESET ROLE;
SELECT count(*) FROM medallion.sweeps WHERE model LIKE 'sweep\_errors%';
-- the task that parameters ask for holds while trials are scored
SELECT medallion.sweep('sweep_errors_task', 'SELECT x, z, k::int AS k FROM t', 'k', 'svm', '{"task": ["classification"], "C": [1, 2]}', cv => 3, wait => true) AS id \gset
SELECT metric, state, best_metric > 0.9 FROM medallion.sweeps WHERE sweep_id = :id;
SELECT count(medallion.drop_sweep(:id));
\t off
\pset format aligned
SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) FROM medallion.models WHERE model LIKE 'sweep\_errors%';
DELETE FROM medallion._audit WHERE model LIKE 'sweep\_errors%';
DROP SCHEMA sweep_errors CASCADE;
DROP ROLE sweep_errors_user;
RESET search_path;
