/* Tables that are refreshed by themselves: jobs of kind refresh, see 17_jobs.sql. */
CREATE OR REPLACE FUNCTION medallion.schedule_refresh(target text, target_lag text DEFAULT NULL, schedule text DEFAULT NULL,
	time_zone text DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_schedule_refresh';
COMMENT ON FUNCTION medallion.schedule_refresh(text, text, text, text) IS
'Lets a table be refreshed by itself, with those it reads: so that it is no older than target_lag, or at times of the clock (a schedule as cron has it).';

CREATE OR REPLACE FUNCTION medallion.unschedule_refresh(target text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_unschedule_refresh';
COMMENT ON FUNCTION medallion.unschedule_refresh(text) IS 'Refreshes a table no more by itself; the records of its runs go.';

CREATE OR REPLACE FUNCTION medallion.pause_refresh(target text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_pause_refresh';
COMMENT ON FUNCTION medallion.pause_refresh(text) IS 'Refreshes a table no more by itself until it is resumed.';

CREATE OR REPLACE FUNCTION medallion.resume_refresh(target text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_resume_refresh';
COMMENT ON FUNCTION medallion.resume_refresh(text) IS
'Ends a pause, or the back-off of a schedule that fails.';

CREATE OR REPLACE VIEW medallion.schedules WITH (security_barrier) AS
SELECT medallion._relation_name(j.target) AS target, v.owner, j.schedule, j.time_zone,
	CASE WHEN j.is_lag THEN j.every ELSE t.target_lag END AS target_lag,
	v.state, v.next_run, v.last_start, v.last_duration, v.last_state, v.last_error, v.failures, j.id AS job
FROM medallion._jobs j
JOIN medallion.jobs v ON v.id = j.id
LEFT JOIN medallion._tables t ON t.target = j.target
WHERE j.kind = 'refresh';
COMMENT ON VIEW medallion.schedules IS
'Your tables that are refreshed by themselves (all, for members of pg_read_all_stats): when, what the last run came to, and when the next is due. State is scheduled, running, failing (it backs off until next_run) or paused.';
