-- Jobs: made, run, failing, paused, dropped, and who may do so.  Runs are waited for by polling with a time limit.
\pset null (null)
CREATE ROLE worker_ann LOGIN;
CREATE ROLE worker_bob LOGIN;
CREATE ROLE worker_nologin;
GRANT worker_nologin TO worker_ann;
CREATE SCHEMA worker_jobs AUTHORIZATION worker_ann;
CREATE FUNCTION worker_jobs.wait_for(condition text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE done bool := false;
BEGIN
	FOR i IN 1 .. 12000 LOOP
		EXECUTE 'SELECT ' || condition INTO done;
		EXIT WHEN done;
		PERFORM pg_sleep(0.05);
	END LOOP;
	RETURN done;
END $$;
SET ROLE worker_ann;
CREATE TABLE worker_jobs.seen (who name, times int DEFAULT 1);

-- On demand: the worker starts after commit, as the owner.
BEGIN;
SELECT medallion.create_job('look', 'INSERT INTO worker_jobs.seen SELECT session_user') AS look \gset
SELECT medallion.run_job(:look) > 0 AS started;
SELECT count(*) FROM worker_jobs.seen;
COMMIT;
SELECT worker_jobs.wait_for('EXISTS (SELECT FROM medallion.job_runs WHERE name = ''look'' AND state = ''succeeded'')');
SELECT * FROM worker_jobs.seen;
SELECT kind, name, owner, argument, every, state, last_state, last_error, next_run, failures FROM medallion.jobs WHERE kind <> 'retention';
-- A transaction that is rolled back runs nothing.
BEGIN;
SELECT medallion.run_job(:look) > 0 AS started;
ROLLBACK;
SELECT count(*) FROM medallion.job_runs WHERE kind <> 'retention';

-- By schedule: first now, then again; a failing neighbour backs off and does not disturb.
SELECT medallion.create_job('often', 'UPDATE worker_jobs.seen SET times = times + 1', '1 second') AS often,
       medallion.create_job('broken', 'SELECT 1 / 0', '1 second') AS broken \gset
SELECT worker_jobs.wait_for('times >= 3 FROM worker_jobs.seen');
SELECT worker_jobs.wait_for('failures >= 2 AND state = ''failing'' AND next_run > now() FROM medallion.jobs WHERE name = ''broken''');
SELECT state, last_state, last_error, next_run > now() AS later FROM medallion.jobs WHERE name = 'broken';
SELECT DISTINCT state, sqlstate, error FROM medallion.job_runs WHERE name = 'broken' AND state NOT IN ('starting', 'running');
SELECT failures, last_error FROM medallion.jobs WHERE name = 'often';
SELECT medallion.pause_job(:broken), medallion.pause_job(:often);
SELECT worker_jobs.wait_for('count(*) = 2 FROM medallion.jobs WHERE state = ''paused''');
SELECT name, state, next_run FROM medallion.jobs WHERE every IS NOT NULL ORDER BY name;
SELECT times AS times_when_paused FROM worker_jobs.seen \gset
SELECT medallion.resume_job(:often);
SELECT worker_jobs.wait_for('times > ' || :times_when_paused || ' FROM worker_jobs.seen');

-- A run under way cannot be doubled; cancelled, it has failed.
SELECT medallion.create_job('slow', 'SELECT pg_sleep(300)') AS slow \gset
SELECT medallion.run_job(:slow) > 0 AS started;
SELECT worker_jobs.wait_for('EXISTS (SELECT FROM medallion.job_runs WHERE name = ''slow'' AND state = ''running'')');
SELECT worker_jobs.wait_for('EXISTS (SELECT FROM medallion.progress WHERE kind = ''job'' AND object = ''slow'')');
\set VERBOSITY sqlstate
SELECT medallion.run_job(:slow);
\set VERBOSITY default
SELECT pg_cancel_backend(pid) FROM medallion.job_runs WHERE name = 'slow' AND state = 'running';
SELECT worker_jobs.wait_for('EXISTS (SELECT FROM medallion.job_runs WHERE name = ''slow'' AND state = ''failed'')');
SELECT sqlstate, error FROM medallion.job_runs WHERE name = 'slow';
-- Terminated, it is lost.
SELECT medallion.run_job(:slow) > 0 AS started;
SELECT worker_jobs.wait_for('EXISTS (SELECT FROM medallion.job_runs WHERE name = ''slow'' AND state = ''running'')');
SELECT pg_terminate_backend(pid) FROM medallion.job_runs WHERE name = 'slow' AND state = 'running';
SELECT worker_jobs.wait_for('EXISTS (SELECT FROM medallion.job_runs WHERE name = ''slow'' AND state = ''lost'')');
SELECT medallion.drop_job(:slow);

-- The settings of the owner's role apply to the command, not to the records.
RESET ROLE;
ALTER ROLE worker_ann SET default_transaction_read_only = on;
ALTER ROLE worker_ann SET default_transaction_isolation = 'serializable';
SET ROLE worker_ann;
SELECT medallion.create_job('careful', 'DELETE FROM worker_jobs.seen') AS careful \gset
SELECT medallion.run_job(:careful) > 0 AS started;
SELECT worker_jobs.wait_for('EXISTS (SELECT FROM medallion.job_runs WHERE name = ''careful'' AND state = ''failed'')');
SELECT sqlstate, error FROM medallion.job_runs WHERE name = 'careful';
SELECT medallion.drop_job(:careful);
RESET ROLE;
ALTER ROLE worker_ann RESET ALL;
SET ROLE worker_ann;

-- Mistakes.
SELECT medallion.create_job('look', 'SELECT 1');
SELECT medallion.create_job(NULL, 'SELECT 1');
SELECT medallion.create_job('nothing', '');
SELECT medallion.create_job('hectic', 'SELECT 1', '10 ms');
SELECT medallion.create_job('backwards', 'SELECT 1', '-1 day');
SELECT medallion.run_job(-1);
SELECT medallion.drop_job(-1);
SET ROLE worker_nologin;
SELECT medallion.create_job('nologin', 'SELECT 1') AS nologin \gset
SELECT medallion.run_job(:nologin);
SELECT medallion.drop_job(:nologin);
-- Other people's jobs are neither seen nor touched.
SET ROLE worker_bob;
SELECT count(*) FROM medallion.jobs WHERE kind <> 'retention';
SELECT count(*) FROM medallion.job_runs WHERE kind <> 'retention';
\set VERBOSITY sqlstate
SELECT medallion.run_job(:look);
\set VERBOSITY default
SELECT count(*) FROM medallion._jobs;
-- An operator of the user's own is not found by what runs as the extension's owner.
SET ROLE worker_ann;
CREATE FUNCTION worker_jobs.trap(bigint, bigint) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'ran as %', current_user; END $$;
CREATE OPERATOR worker_jobs.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = worker_jobs.trap);
SET search_path = worker_jobs, pg_catalog;
SELECT medallion.pause_job(:look);
SHOW search_path;
RESET search_path;

RESET ROLE;
-- A role that was renamed keeps its jobs; one that is gone leaves them to the superuser.
ALTER ROLE worker_ann RENAME TO worker_anna;
SELECT name, owner FROM medallion.jobs WHERE kind <> 'retention' ORDER BY name;
ALTER ROLE worker_anna RENAME TO worker_ann;
SELECT medallion.drop_job(id) FROM medallion.jobs WHERE kind <> 'retention' ORDER BY id;
SELECT count(*) FROM medallion.job_runs WHERE kind <> 'retention';
SET client_min_messages = warning;
DROP SCHEMA worker_jobs CASCADE;
DROP ROLE worker_ann, worker_bob, worker_nologin;
