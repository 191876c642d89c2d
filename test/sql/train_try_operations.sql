-- What works around models in use: transactions, read-only sessions, cached plans, a search_path that hides the types of the server.
\set VERBOSITY terse
CREATE SCHEMA train_try_operations;
SET search_path = train_try_operations;
CREATE TABLE t AS SELECT i, sin(i) AS a, 2 * sin(i) + cos(i * i) AS y, sin(i) + cos(i * i) > 0 AS c FROM generate_series(1, 200) i;
ALTER TABLE t ADD PRIMARY KEY (i);

-- what a savepoint takes back is gone, also for a session that has used it
BEGIN;
SAVEPOINT s;
SELECT version FROM medallion.train('try_operations', 't', 'y', 'linear', features => '{a}');
SELECT medallion.predict('try_operations', t) IS NOT NULL AS predicts FROM t WHERE i = 1;
ROLLBACK TO s;
SELECT medallion.predict('try_operations', t) FROM t WHERE i = 1;
ROLLBACK;
SELECT count(*) AS progress FROM medallion.progress WHERE pid = pg_backend_pid();

-- a cached plan follows the alias at its next execution; an open cursor stays with the version it began with
SELECT version FROM medallion.train('try_operations', 'SELECT a, 1 + a / 1000 AS y FROM t', 'y', 'linear', deploy => 'always');
SELECT version FROM medallion.train('try_operations', 'SELECT a, 2 + a / 1000 AS y FROM t', 'y', 'linear');
SET plan_cache_mode = force_generic_plan;
PREPARE p AS SELECT round(medallion.predict('try_operations', t)) AS answer FROM t WHERE i <= $1;
EXECUTE p(1);
BEGIN;
DECLARE c CURSOR FOR SELECT round(medallion.predict('try_operations', t)) AS answer FROM t ORDER BY i;
FETCH 1 FROM c;
SELECT version FROM medallion.set_alias('try_operations', 'champion', 2);
FETCH 1 FROM c;
EXECUTE p(1);
FETCH 1 FROM c;
COMMIT;
EXECUTE p(1);
SELECT version FROM medallion.rollback('try_operations');
EXECUTE p(1);
RESET plan_cache_mode;

-- where nothing may be written, all that writes says so by its own name
BEGIN READ ONLY;
SELECT round(medallion.predict('try_operations', t)) AS answer FROM t WHERE i = 1;
ROLLBACK;
CREATE FUNCTION try(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'SELECT ' || call;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END $$;
BEGIN READ ONLY;
SELECT try(call) FROM unnest(ARRAY[
	$$medallion.train('m', 't', 'y', 'linear')$$, $$medallion.sweep('m', 't', 'y', 'ridge', '{"alpha": [1]}')$$, 'medallion.resume_sweep(1)', 'medallion.cancel_sweep(1)', 'medallion.drop_sweep(1)',
	'medallion.cancel_training(1)', $$medallion.predict_batch('try_operations', 't', 'gold.try_operations')$$, $$medallion.set_alias('try_operations', 'x', 1)$$,
	$$medallion.drop_alias('try_operations', 'champion')$$, $$medallion.rollback('try_operations')$$, $$medallion.drop_model('try_operations')$$, $$medallion.drop_model_version('try_operations', 2)$$,
	$$medallion.grant_model('try_operations', 'read', 'public')$$, $$medallion.revoke_model('try_operations', 'read', 'public')$$, $$medallion.require_approval('try_operations')$$,
	$$medallion.unpin_model('try_operations')$$, $$medallion.create_monitor('m', 'try_operations', 't')$$, $$medallion.run_monitor('m')$$, $$medallion.drop_monitor('m')$$]) call;
ROLLBACK;

-- types of the same names, found before those of the server
CREATE SCHEMA train_try_hidden;
CREATE DOMAIN train_try_hidden.text AS int;
CREATE DOMAIN train_try_hidden.float8 AS int;
CREATE DOMAIN train_try_hidden.timestamptz AS int;
CREATE FUNCTION train_try_hidden.other(float8, float8) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR train_try_hidden.= (FUNCTION = train_try_hidden.other, LEFTARG = float8, RIGHTARG = float8);
SET search_path = train_try_hidden, pg_catalog, train_try_operations;
SELECT version, rows FROM medallion.train('try_hidden', 't', 'c', 'logistic', features => '{a}', validation => '{"fraction": 0.25}', deploy => 'always');
SELECT target_table, rows, unpredicted FROM medallion.predict_batch('try_hidden', 't', 'train_try_operations.scores');
RESET search_path;
SELECT attname, atttypid::regtype FROM pg_attribute WHERE attrelid = 'train_try_operations.scores'::regclass AND attnum > 0 ORDER BY attnum;

-- columns that are no key of the source
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT rows FROM medallion.predict_batch('try_operations', 'SELECT 7 AS i, a FROM train_try_operations.t', 'train_try_operations.keyed', keys => '{i}');
SELECT rows FROM medallion.predict_batch('try_operations', 'SELECT NULLIF(i, 7) AS i, a FROM train_try_operations.t', 'train_try_operations.keyed', keys => '{i}');
SELECT to_regclass('train_try_operations.keyed') IS NULL AS gone;

SET client_min_messages = warning;
SELECT medallion.drop_model('try_operations', true), medallion.drop_model('try_hidden', true);
DROP SCHEMA train_try_hidden CASCADE;
DROP SCHEMA train_try_operations CASCADE;
