-- Trainings in the background.
CREATE SCHEMA train_background;
SET search_path = train_background, public;
CREATE TABLE t AS SELECT i AS id, (i * 37 % 101)::float8 AS x, (i * 37 % 101) * 2 + i % 5 AS y, i % 3 = 0 AS flag, 'c' || i % 4 AS kind FROM generate_series(1, 500) i;
CREATE FUNCTION wait_for(id bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE s text;
BEGIN
	FOR i IN 1 .. 6000 LOOP
		SELECT state INTO s FROM medallion.trainings WHERE training_id = id;
		EXIT WHEN s NOT IN ('queued', 'running');
		PERFORM pg_sleep(0.1);
	END LOOP;
	RETURN s;
END $$;
-- the table is found by the search_path of the session; all arguments get there
SELECT model, version, algorithm, rows, seconds, (metrics->>'training_id')::bigint AS training_id
FROM medallion.train('train_background', 't', 'flag', 'logistic', '{"C": 0.5}', features => '{x,kind}', validation => '{"fraction": 0.2, "stratify": true}',
	preprocess => '{"scale": "standard"}', seed => 9007199254740993, deploy => 'always', background => true) \gset
\echo :model :algorithm
SELECT wait_for(:training_id);
SELECT t.state, t.version, t.error, v.params, v.seed, v.rows, a.alias, v.metrics - '{train_log_loss}'::text[] = s.metrics - '{train_log_loss}'::text[] AS as_in_the_foreground
FROM medallion.trainings t JOIN medallion.model_versions v USING (model, version) JOIN medallion.aliases a USING (model, version),
	medallion.train('train_background_2', 't', 'flag', 'logistic', '{"C": 0.5}', features => '{x,kind}', validation => '{"fraction": 0.2, "stratify": true}',
	preprocess => '{"scale": "standard"}', seed => 9007199254740993) s WHERE training_id = :training_id;
-- memory of the reading transaction is not needed any more when it computes
CREATE TABLE larger AS SELECT (hashint4(i) % 1000) / 100.0 AS x, hashint4(i) % 1000 + hashint4(i + 3) % 1500 > 0 AS b FROM generate_series(1, 6000) i;
SELECT (metrics->>'training_id')::bigint AS training_id FROM medallion.train('train_background_larger', 'larger', 'b', 'naive_bayes', '{"calibration": "isotonic"}', background => true) \gset
SELECT wait_for(:training_id);
SELECT s.rows, s.metrics = v.metrics AS as_in_the_foreground FROM medallion.model_versions v, medallion.train('train_background_front', 'larger', 'b', 'naive_bayes', '{"calibration": "isotonic"}') s
WHERE v.model = 'train_background_larger';
-- streaming learners too
SELECT (metrics->>'training_id')::bigint AS training_id FROM medallion.train('train_background_linear', 't', 'y', 'linear', features => '{x,kind}', background => true) \gset
SELECT wait_for(:training_id);
SELECT feature, round(estimate::numeric, 3) AS estimate FROM medallion.coefficients WHERE model = 'train_background_linear' AND feature = 'x';
-- and a model for each group
SELECT (metrics->>'training_id')::bigint AS training_id FROM medallion.train('train_background_parts', 't', 'y', 'linear', features => '{x}', partition_by => '{kind}', background => true) \gset
SELECT wait_for(:training_id);
SELECT key, rows FROM medallion.model_parts WHERE model = 'train_background_parts' ORDER BY key::text;
-- nothing happens when the transaction aborts
BEGIN;
SELECT (metrics->>'training_id')::bigint AS aborted FROM medallion.train('train_background_aborted', 't', 'y', 'linear', features => '{x}', background => true) \gset
ROLLBACK;
SELECT count(*) FROM medallion.trainings WHERE training_id = :aborted;
-- what is wrong is said at once where it can be, else in the row
\set VERBOSITY terse
SELECT medallion.train('train_background_bad', 't', 'y', 'lasagne', background => true);
\set VERBOSITY default
SELECT medallion.train('train_background_bad', 't', 'y', 'ridge', '{"alpha": -1}', background => true);
SELECT medallion.train('train_background_bad', 't', 'y', 'ridge', validation => '[0.2]', background => true);
SELECT medallion.train('train_background_bad', 't', 'y', 'ridge', preprocess => '"scale"', background => true);
SELECT (metrics->>'training_id')::bigint AS training_id FROM medallion.train('train_background_bad', 'train_background.nothing', 'y', 'linear', background => true) \gset
SELECT wait_for(:training_id);
SELECT error FROM medallion.trainings WHERE training_id = :training_id;
SELECT (metrics->>'training_id')::bigint AS training_id FROM medallion.train('train_background_bad', 'SELECT 1/(id-7) AS x, flag FROM t', 'flag', 'naive_bayes', background => true) \gset
SELECT wait_for(:training_id);
SELECT error, version FROM medallion.trainings WHERE training_id = :training_id;
-- others see nothing of it and cannot stop it
CREATE ROLE regress_train_background;
SET ROLE regress_train_background;
SELECT count(*) FROM medallion.trainings;
\set VERBOSITY sqlstate
SELECT medallion.cancel_training(:training_id);
\set VERBOSITY default
RESET ROLE;
SELECT medallion.cancel_training(:training_id) AS was_running, medallion.cancel_training(NULL);
SELECT medallion.cancel_training(:training_id) AS was_running;
-- a training is stopped while it reads, and nothing is left of it
SELECT (metrics->>'training_id')::bigint AS training_id FROM medallion.train('train_background_slow', 'SELECT x, flag, pg_sleep(5) IS NULL AS s FROM t', 'flag', 'naive_bayes', background => true) \gset
DO $$ BEGIN FOR i IN 1 .. 6000 LOOP EXIT WHEN EXISTS (SELECT FROM medallion.progress WHERE kind = 'train' AND object = 'train_background_slow'); PERFORM pg_sleep(0.1); END LOOP; END $$;
SELECT medallion.cancel_training(:training_id) AS was_running;
SELECT state, version, error FROM medallion.trainings WHERE training_id = :training_id;
DO $$ BEGIN FOR i IN 1 .. 6000 LOOP EXIT WHEN NOT EXISTS (SELECT FROM medallion.progress WHERE object = 'train_background_slow'); PERFORM pg_sleep(0.1); END LOOP; END $$;
SELECT count(*) AS still_working FROM medallion.progress WHERE object = 'train_background_slow';
SELECT count(*) AS registered FROM medallion.models WHERE model = 'train_background_slow';
SET client_min_messages = warning;
DROP ROLE regress_train_background;
SELECT count(medallion.drop_model(model, force => true)) AS dropped FROM medallion.models WHERE model LIKE 'train\_background%';
DELETE FROM medallion._trainings WHERE model LIKE 'train\_background%';
DROP SCHEMA train_background CASCADE;
RESET search_path;
DELETE FROM medallion._audit WHERE model LIKE 'train\_background%';
