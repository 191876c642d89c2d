/* What runs now, in any session of this database. */
CREATE OR REPLACE FUNCTION medallion._progress(
    OUT pid int, OUT kind text, OUT object text, OUT phase text, OUT done bigint, OUT total bigint, OUT metric float8,
    OUT elapsed interval, OUT eta interval) RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'mdl_progress';
COMMENT ON FUNCTION medallion._progress() IS 'The rows of the view medallion.progress.';

CREATE OR REPLACE VIEW medallion.progress AS
SELECT pid, kind, object, phase, done, total, metric, elapsed, eta FROM medallion._progress();
COMMENT ON VIEW medallion.progress IS
'Running work of this database: done of total in its phase, its best metric so far, time since its start and the time left by the pace of the phase. Object and metric of other roles'' work are shown to members of those roles and of pg_read_all_stats.';

CREATE OR REPLACE FUNCTION medallion.report_progress(
    object text, phase text DEFAULT NULL, done bigint DEFAULT 0, total bigint DEFAULT NULL, metric float8 DEFAULT NULL)
RETURNS void LANGUAGE C VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'mdl_report_progress';
COMMENT ON FUNCTION medallion.report_progress(text, text, bigint, bigint, float8) IS
'Shows the progress of your own long work in medallion.progress (kind user) until the transaction ends.';
