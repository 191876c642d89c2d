-- Tables that are refreshed by themselves: target_lag, schedules, pause, failure and its back-off, rights, renames, drops.
\pset null (null)
CREATE ROLE sched_ann LOGIN;
CREATE ROLE sched_bob LOGIN;
CREATE SCHEMA sched AUTHORIZATION sched_ann;
GRANT USAGE ON SCHEMA sched TO sched_bob;
CREATE FUNCTION sched.wait_for(condition text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE done bool := false;
BEGIN
	FOR i IN 1 .. 12000 LOOP
		EXECUTE 'SELECT ' || condition INTO done;
		EXIT WHEN done;
		PERFORM pg_sleep(0.05);
	END LOOP;
	RETURN done;
END $$;
SET ROLE sched_ann;
CREATE TABLE sched.raw (id int PRIMARY KEY, v int);
INSERT INTO sched.raw VALUES (1, 10), (2, 20);

-- target_lag: refreshed at once, and again so that it is never that old; as its owner.
SELECT target FROM medallion.define('sched.clean', 'SELECT id, v, 60 / v AS share FROM sched.raw', '{id}', target_lag => '1 s');
SELECT sched.wait_for('count(*) = 2 FROM sched.clean');
INSERT INTO sched.raw VALUES (3, 30);
SELECT sched.wait_for('count(*) = 3 FROM sched.clean');
SELECT DISTINCT role_name FROM medallion.refreshes WHERE target = 'sched.clean';
SELECT target, owner, schedule, time_zone, target_lag, last_state, failures FROM medallion.schedules;
-- A failure is shown with its error, backs off, and ends with its cause.
UPDATE sched.raw SET v = 0 WHERE id = 3;
SELECT sched.wait_for('failures >= 2 AND state = ''failing'' FROM medallion.schedules');
SELECT state, last_state, last_error, next_run > last_start + interval '2 s' AS later FROM medallion.schedules;
SELECT count(*) FROM sched.clean;
UPDATE sched.raw SET v = 60 WHERE id = 3;
SELECT medallion.resume_refresh('sched.clean');
SELECT sched.wait_for('share = 1 FROM sched.clean WHERE id = 3');
SELECT sched.wait_for('failures = 0 FROM medallion.schedules');
-- Paused: nothing.
SELECT medallion.pause_refresh('sched.clean');
SELECT sched.wait_for('NOT EXISTS (SELECT FROM medallion.job_runs WHERE state IN (''starting'', ''running''))');
SELECT max(refresh_id) AS last FROM medallion.refreshes \gset
SELECT pg_sleep(1.5);
SELECT max(refresh_id) = :last AS none FROM medallion.refreshes;
SELECT target, state, next_run FROM medallion.schedules;

-- Times of the clock instead; a lag given later is only watched.
SELECT medallion.schedule_refresh('sched.clean', schedule => '30 3 * * mon-fri', time_zone => 'Europe/Berlin');
SELECT target, schedule, time_zone, target_lag, state FROM medallion.schedules;
SELECT medallion.resume_refresh('sched.clean');
SELECT state, next_run = medallion.next_run('30 3 * * mon-fri', 'Europe/Berlin') AS planned FROM medallion.schedules;
SELECT target FROM medallion.redefine('sched.clean', target_lag => '2 days');
SELECT target, schedule, target_lag FROM medallion.schedules;
SELECT target_lag FROM medallion.tables WHERE target = 'sched.clean';
SELECT target FROM medallion.redefine('sched.clean', schedule => '@daily', time_zone => 'UTC');
SELECT schedule, time_zone FROM medallion.schedules;
-- downstream: no schedule of its own; refreshed with what reads it.
SELECT medallion.schedule_refresh('sched.clean', 'downstream');
SELECT count(*) FROM medallion.schedules;
SELECT target FROM medallion.define('sched.total', 'SELECT 1 AS one, sum(v) AS v FROM sched.clean', '{one}', target_lag => '1 s');
INSERT INTO sched.raw VALUES (4, 40);
SELECT sched.wait_for('v = 130 FROM sched.total');
SELECT count(*) FROM sched.clean;
SELECT medallion.unschedule_refresh('sched.total');
SELECT count(*) FROM medallion.schedules;
-- In one statement with the definition.
SELECT target FROM medallion.define('sched.hourly', 'SELECT id, v FROM sched.clean', '{id}', schedule => '@hourly');
SELECT target, schedule, time_zone = current_setting('TimeZone') AS zone_of_session, target_lag, state FROM medallion.schedules;

-- A schedule follows a rename and a new owner, and goes with the definition or the table.
ALTER TABLE sched.hourly RENAME TO "per hour";
SELECT target, owner FROM medallion.schedules;
SELECT name, kind, owner FROM medallion.jobs WHERE kind = 'refresh';
RESET ROLE;
GRANT CREATE ON SCHEMA sched TO sched_bob;
GRANT SELECT ON ALL TABLES IN SCHEMA sched TO sched_bob;
ALTER TABLE sched."per hour" OWNER TO sched_bob;
SELECT target, owner FROM medallion.schedules;
SET ROLE sched_ann;
SELECT count(*) FROM medallion.schedules;
SELECT medallion.pause_refresh('sched."per hour"');
SET ROLE sched_bob;
SELECT target, owner FROM medallion.schedules;
SELECT medallion.schedule_refresh('sched."per hour"', '1 s');
SELECT sched.wait_for('count(*) = 4 FROM sched."per hour"');
SELECT role_name FROM medallion.refreshes WHERE target = 'sched."per hour"' LIMIT 1;
SELECT medallion.undefine('sched."per hour"');
SELECT count(*) FROM medallion.schedules;
DROP TABLE sched."per hour";
SET ROLE sched_ann;
SELECT medallion.schedule_refresh('sched.total', schedule => '@yearly');
DROP TABLE sched.total;
SELECT count(*) FROM medallion.jobs WHERE kind = 'refresh';

-- An owner that cannot log in has no workers.
RESET ROLE;
ALTER ROLE sched_ann NOLOGIN;
SET ROLE sched_ann;
SELECT medallion.schedule_refresh('sched.clean', '1 s');
SELECT sched.wait_for('failures > 0 FROM medallion.schedules');
SELECT last_error FROM medallion.schedules;
RESET ROLE;
ALTER ROLE sched_ann LOGIN;
SET ROLE sched_ann;
SELECT medallion.resume_refresh('sched.clean');
SELECT sched.wait_for('failures = 0 AND last_state = ''succeeded'' FROM medallion.schedules');
SELECT medallion.schedule_refresh('sched.clean', 'downstream');

-- Mistakes.
SELECT medallion.schedule_refresh('sched.raw', '1 hour');
SELECT medallion.schedule_refresh('sched.nothing', '1 hour');
SELECT medallion.schedule_refresh(NULL, '1 hour');
SELECT medallion.schedule_refresh('sched.clean');
SELECT medallion.schedule_refresh('sched.clean', 'soon');
SELECT medallion.schedule_refresh('sched.clean', '-1 hour');
SELECT medallion.schedule_refresh('sched.clean', '10 ms');
SELECT medallion.schedule_refresh('sched.clean', schedule => '* * *');
SELECT medallion.schedule_refresh('sched.clean', '1 hour', time_zone => 'UTC');
SELECT medallion.define('sched.bad', 'SELECT 1 AS id', '{id}', schedule => 'never');
SELECT medallion.define('sched.bad', 'SELECT 1 AS id', '{id}', time_zone => 'UTC');
SELECT to_regclass('sched.bad');
SELECT medallion.pause_refresh('sched.clean');
SELECT medallion.resume_refresh('sched.raw');
SELECT medallion.unschedule_refresh('sched.clean');
RESET ROLE;
SELECT count(*) FROM medallion._jobs WHERE kind = 'refresh';
SET client_min_messages = warning;
DROP SCHEMA sched CASCADE;
DROP ROLE sched_ann, sched_bob;
