/* Scheduled work: the functions on jobs, and the launcher's signal. */
CREATE OR REPLACE FUNCTION medallion.create_job(
    name text, command text, every interval DEFAULT NULL, first_run timestamptz DEFAULT NULL,
    schedule text DEFAULT NULL, time_zone text DEFAULT NULL) RETURNS bigint
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'mdl_create_job';
COMMENT ON FUNCTION medallion.create_job(text, text, interval, timestamptz, text, text) IS
'Makes a job of the caller''s that runs SQL in one transaction, every so often (first now, or at first_run), at times of the clock (a schedule as cron has it, in a time zone), or on demand; returns its id.';

CREATE OR REPLACE FUNCTION medallion.run_job(job bigint) RETURNS bigint
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'mdl_run_job';
COMMENT ON FUNCTION medallion.run_job(bigint) IS
'Runs a job in a background worker once this transaction has committed, whatever its schedule; returns the run''s id.';

CREATE OR REPLACE FUNCTION medallion.pause_job(job bigint) RETURNS void
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'mdl_pause_job';
COMMENT ON FUNCTION medallion.pause_job(bigint) IS 'Starts no more runs of a job by schedule until it is resumed.';

CREATE OR REPLACE FUNCTION medallion.resume_job(job bigint) RETURNS void
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'mdl_resume_job';
COMMENT ON FUNCTION medallion.resume_job(bigint) IS
'Ends a pause, or a failing job''s back-off: the next run is due now.';

CREATE OR REPLACE FUNCTION medallion.drop_job(job bigint) RETURNS void
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'mdl_drop_job';
COMMENT ON FUNCTION medallion.drop_job(bigint) IS 'Removes a job made by create_job and the records of its runs.';

CREATE OR REPLACE FUNCTION medallion._scheduler_wake() RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'mdl_scheduler_wake_sql';
REVOKE ALL ON FUNCTION medallion._scheduler_wake() FROM PUBLIC;
COMMENT ON FUNCTION medallion._scheduler_wake() IS 'Makes the launcher look at this database once the transaction has committed.';
SELECT medallion._scheduler_wake();
