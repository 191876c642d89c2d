-- Running sweeps: here and in the background, with any number of workers, in transactions, with failures, rights.
\set SHOW_CONTEXT never
ALTER SEQUENCE medallion._sweeps_sweep_id_seq RESTART WITH 1000;
CREATE SCHEMA sweep_test;
CREATE TABLE sweep_test.t AS SELECT i AS id, sin(i) AS a, cos(i * 1.7) AS b, (ARRAY['x', 'y', 'z'])[1 + i % 3] AS c,
	2 * sin(i) - cos(i * 1.7) + i % 3 + sin(i * 12.9898) AS y, sin(i) + sin(i * 78.233) > 0 AS late FROM generate_series(1, 400) i;
-- Waits for a background sweep to leave the states of work, and tells its state.
CREATE FUNCTION sweep_test.ended(id bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	FOR attempt IN 1 .. 12000 LOOP
		SELECT state INTO result FROM medallion.sweeps WHERE sweep_id = id;
		EXIT WHEN result NOT IN ('queued', 'running');
		PERFORM pg_sleep(0.05);
	END LOOP;
	RETURN result;
END $$;
-- Waits until no process of a sweep is left.
CREATE FUNCTION sweep_test.quiet() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR attempt IN 1 .. 12000 LOOP
		PERFORM pg_stat_clear_snapshot();
		EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'medallion sweep%');
		PERFORM pg_sleep(0.05);
	END LOOP;
END $$;

-- While the caller waits.
SELECT medallion.sweep(model => 'sweep_m', source => 'sweep_test.t', target => 'y', algorithm => 'ridge',
	space => '{"alpha": {"log_uniform": [0.001, 1000]}}', strategy => 'random', trials => 20, cv => 4, metric => 'rmse', workers => 1,
	seed => 3, wait => true, exclude => '{id,late}') AS one \gset
SELECT state, done, total, metric, version, rows, best_metric = (SELECT min(metric) FROM medallion.trials WHERE sweep_id = :one) AS best
FROM medallion.sweeps WHERE sweep_id = :one;
SELECT count(*), bool_and(state = 'complete'), bool_and(array_length(fold_metrics, 1) = 4), bool_and(seconds >= 0), bool_and(worker = 0)
FROM medallion.trials WHERE sweep_id = :one;
-- In the background: the call returns at once, nothing starts before commit.
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": {"log_uniform": [0.001, 1000]}}', 'random', 20, 4, 'rmse',
	workers => 3, seed => 3, exclude => '{id,late}') AS many \gset
SELECT sweep_test.ended(:many);
SELECT medallion.sweep('sweep_m', 'SELECT a, b, c, y FROM sweep_test.t ORDER BY id DESC', 'y', 'ridge', '{"alpha": {"log_uniform": [0.001, 1000]}}', 'random', 20, 4, 'rmse',
	workers => 2, seed => 3, wait => true) AS turned \gset
-- The same to the bit, whatever the workers and the order of the rows; other seeds divide the rows otherwise.
SELECT count(*), bool_and(a.params = b.params AND a.metric = b.metric AND a.fold_metrics = b.fold_metrics) AS workers_do_not_matter
FROM medallion.trials a JOIN medallion.trials b USING (trial) WHERE a.sweep_id = :one AND b.sweep_id = :many;
SELECT count(*), bool_and(abs(a.metric - b.metric) < 1e-12) AS order_does_not_matter
FROM medallion.trials a JOIN medallion.trials b USING (trial) WHERE a.sweep_id = :one AND b.sweep_id = :turned;
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": [1]}', cv => 4, seed => 4, exclude => '{id,late}', wait => true) AS other \gset
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": [1]}', cv => 4, seed => 3, exclude => '{id,late}', wait => true) AS again \gset
SELECT a.fold_metrics <> b.fold_metrics AS other_folds FROM medallion.trials a, medallion.trials b WHERE a.sweep_id = :other AND b.sweep_id = :again;
SELECT version, algorithm, params - 'fit_intercept' AS params, sweep_id = :many AS from_the_sweep FROM medallion.model_versions
WHERE model = 'sweep_m' AND version = (SELECT version FROM medallion.sweeps WHERE sweep_id = :many);

-- Logistic regression, with workers; labels of a boolean.
SELECT medallion.sweep('sweep_c', 'sweep_test.t', 'late', 'logistic', '{"C": [0.01, 1, 100]}', workers => 2, wait => true, exclude => '{id,y}', deploy => 'always') AS logistic \gset
SELECT state, metric, done, best_metric BETWEEN 0.7 AND 1 AS good FROM medallion.sweeps WHERE sweep_id = :logistic;
SELECT alias, version FROM medallion.aliases WHERE model = 'sweep_c';
SELECT count(*) AS predicted FROM sweep_test.t WHERE medallion.predict_class('sweep_c', t) IS NOT NULL;

-- All or nothing when the caller waits, on rows that nobody else sees yet.
BEGIN;
CREATE TABLE sweep_test.fresh AS SELECT a, y FROM sweep_test.t;
SELECT medallion.sweep('sweep_f', 'sweep_test.fresh', 'y', 'ridge', '{"alpha": [1, 2]}', wait => true) AS fresh \gset
SELECT state, done FROM medallion.sweeps WHERE sweep_id = :fresh;
ROLLBACK;
SELECT count(*) FROM medallion.sweeps WHERE sweep_id = :fresh;
SELECT count(*) FROM medallion.models WHERE model = 'sweep_f';
-- In the background the source may be as new as the transaction; aborted, it never ran.
BEGIN;
CREATE TABLE sweep_test.fresh AS SELECT a, y FROM sweep_test.t;
SELECT medallion.sweep('sweep_f', 'sweep_test.fresh', 'y', 'ridge', '{"alpha": [1, 2]}') AS fresh \gset
COMMIT;
SELECT sweep_test.ended(:fresh);
-- Names and dates of the session hold in the background.
SET search_path = sweep_test, pg_catalog;
SELECT medallion.sweep('sweep_f', 'SELECT a, y FROM fresh', 'y', 'ridge', '{"alpha": [1, 2]}') AS pathed \gset
SELECT ended(:pathed);
SELECT medallion.sweep('sweep_f', 'fresh', 'y', 'ridge', '{"alpha": [1, 2]}', wait => true) AS named \gset
SELECT source, version FROM medallion.sweeps WHERE sweep_id IN (:pathed, :named) ORDER BY sweep_id;
RESET search_path;

-- A trial that fails does not take the others along; a sweep without any metric fails.
CREATE TABLE sweep_test.few AS SELECT i::float8 AS x, i = 1 AS rare FROM generate_series(1, 40) i;
SELECT medallion.sweep('sweep_r', 'sweep_test.few', 'rare', 'logistic', '{"C": [1]}', wait => true);
SELECT medallion.sweep('sweep_r', 'sweep_test.few', 'rare', 'logistic', '{"C": [1, 2]}') AS rare \gset
SELECT sweep_test.ended(:rare);
SELECT state, done, total, best_trial, version, error FROM medallion.sweeps WHERE sweep_id = :rare;
SELECT trial, state, metric, error FROM medallion.trials WHERE sweep_id = :rare ORDER BY trial;
SELECT medallion.resume_sweep(:rare, wait => true) > 0;
SELECT medallion.sweep('sweep_r', 'sweep_test.few', 'x', 'ridge', '{"alpha": [1]}', metric => 'roc_auc', wait => true);
SELECT medallion.sweep('sweep_r', 'sweep_test.few', 'x', 'ridge', '{"alpha": [1]}', cv => 100, wait => true);
SELECT medallion.sweep('sweep_r', 'SELECT * FROM sweep_test.few WHERE false', 'x', 'ridge', '{"alpha": [1]}', wait => true);
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'late', 'logistic', '{"C": [1]}', exclude => '{id,y}', wait => true);
-- Done is done; cancelling what has ended does nothing; dropping forgets.
SELECT medallion.resume_sweep(:one);
SELECT medallion.cancel_sweep(:one);
SELECT medallion.drop_sweep(:one);
SELECT count(*) FROM medallion.trials WHERE sweep_id = :one;
SELECT count(*) FROM medallion.model_versions WHERE sweep_id = :one;
-- Cancelled before it starts: it does not; resumed, it does.
BEGIN;
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": [1, 2, 3]}', exclude => '{id,late}') AS stopped \gset
SELECT medallion.cancel_sweep(:stopped);
COMMIT;
SELECT pg_sleep(0.3), sweep_test.quiet();
SELECT state, done FROM medallion.sweeps WHERE sweep_id = :stopped;
SELECT medallion.resume_sweep(:stopped) = :stopped AS resumed;
SELECT sweep_test.ended(:stopped);
-- A resumed sweep does all trials again if the source has changed.
UPDATE medallion._sweeps SET state = 'cancelled' WHERE sweep_id = :stopped;
SELECT array_agg(metric ORDER BY trial) AS before FROM medallion.trials WHERE sweep_id = :stopped \gset
INSERT INTO sweep_test.t SELECT id + 400, a / 2, b, c, -y, late FROM sweep_test.t WHERE id < 50;
SELECT medallion.resume_sweep(:stopped, wait => true) = :stopped AS resumed;
SELECT state, done, rows FROM medallion.sweeps WHERE sweep_id = :stopped;
SELECT array_agg(metric ORDER BY trial) <> :'before'::float8[] AS done_again FROM medallion.trials WHERE sweep_id = :stopped;

-- Rights: the source's, the model's, and those of the sweep's owner.
CREATE ROLE sweep_user LOGIN;
CREATE ROLE sweep_group;
GRANT USAGE ON SCHEMA sweep_test TO sweep_user, sweep_group;
SET ROLE sweep_user;
SELECT medallion.sweep('sweep_u', 'sweep_test.t', 'y', 'ridge', '{"alpha": [1]}');
RESET ROLE;
GRANT SELECT ON sweep_test.t TO sweep_user, sweep_group;
ALTER TABLE sweep_test.t ENABLE ROW LEVEL SECURITY;
CREATE POLICY half ON sweep_test.t FOR SELECT TO sweep_user, sweep_group USING (id % 2 = 0);
SET ROLE sweep_user;
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": [1]}');
SELECT medallion.sweep('sweep_u', 'sweep_test.t', 'y', 'ridge', '{"alpha": [1]}', exclude => '{id,late}') AS own \gset
RESET ROLE;
SELECT sweep_test.ended(:own);
SELECT model, rows, owner FROM medallion.sweeps WHERE sweep_id = :own;
SET ROLE sweep_group;
SELECT count(*) FROM medallion.sweeps;
SELECT count(*) FROM medallion.trials;
SELECT medallion.drop_sweep(:own);
SELECT medallion.cancel_sweep(:own);
SELECT medallion.sweep('sweep_g', 'sweep_test.t', 'y', 'ridge', '{"alpha": [1]}', exclude => '{id,late}');
SELECT medallion.sweep('sweep_g', 'sweep_test.t', 'y', 'ridge', '{"alpha": [1]}', exclude => '{id,late}', wait => true) > 0 AS here;
SELECT count(*) FROM medallion._sweeps;
RESET ROLE;

-- Coordinator and helpers work with the settings of the session that asked, whatever those of the database are.
CREATE TABLE sweep_test.large AS SELECT sin(i) AS a, cos(i) AS b, sin(i * 3) AS c, sin(i) + cos(i * 7) > 0 AS late FROM generate_series(1, 60000) i;
SELECT format('ALTER DATABASE %I SET medallion.train_mem = ''1MB''', current_database()) \gexec
SET medallion.train_mem = '500MB';
SELECT medallion.sweep('sweep_l', 'sweep_test.large', 'late', 'logistic', '{"C": [1, 2, 3, 4, 5, 6, 7, 8]}', cv => 3, workers => 3, metric => 'accuracy') AS large \gset
SELECT sweep_test.ended(:large);
SELECT state, done, error FROM medallion.sweeps WHERE sweep_id = :large;
SELECT state, error, count(*) FROM medallion.trials WHERE sweep_id = :large GROUP BY 1, 2;
RESET medallion.train_mem;
SELECT format('ALTER DATABASE %I RESET medallion.train_mem', current_database()) \gexec

SELECT sweep_test.quiet();
SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'medallion sweep%';
SET client_min_messages = warning;
SELECT count(medallion.drop_sweep(sweep_id)) FROM medallion.sweeps;
SELECT count(medallion.drop_model(model, force => true)) FROM medallion.models WHERE model LIKE 'sweep\__';
DELETE FROM medallion._audit WHERE model LIKE 'sweep\__';
DELETE FROM medallion._alias_log WHERE model LIKE 'sweep\__';
DROP SCHEMA sweep_test CASCADE;
DROP ROLE sweep_user, sweep_group;
