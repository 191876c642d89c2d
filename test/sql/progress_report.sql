-- A user's own report: what it shows, when it ends.
\pset null (null)
SELECT medallion.report_progress(NULL);
BEGIN;
SELECT medallion.report_progress('nightly load');
SELECT pid = pg_backend_pid() AS own, kind, object, phase, done, total, metric, elapsed >= '0' AS elapsed, eta
FROM medallion.progress;
SELECT medallion.report_progress('nightly load', 'copy', 10, 40, 0.5);
SELECT kind, object, phase, done, total, metric, elapsed > '0' AS elapsed, eta > '0' AS eta FROM medallion.progress;
-- Done beyond the total: nothing is left, never a negative time.
SELECT medallion.report_progress('nightly load', 'copy', 80, 40, 'NaN');
SELECT phase, done, total, metric, eta FROM medallion.progress;
-- What would take longer than anybody waits is not foretold.
SELECT medallion.report_progress('nightly load', 'count', 1, 9223372036854775807);
SELECT phase, done, total, eta FROM medallion.progress;
-- Long names are cut between characters.
SELECT medallion.report_progress(repeat('é', 200), repeat('ü', 40), 1, 2);
SELECT octet_length(object) AS object_bytes, object = repeat('é', 79) AS whole, phase = repeat('ü', 31) AS phase
FROM medallion.progress;
-- A report begun in a savepoint ends with it; an outer one stays.
SAVEPOINT a;
ROLLBACK TO a;
SELECT count(*) FROM medallion.progress;
COMMIT;
SELECT count(*) FROM medallion.progress;
BEGIN;
SAVEPOINT a;
SELECT medallion.report_progress('inner');
RELEASE a;
SELECT object FROM medallion.progress;
SAVEPOINT b;
ROLLBACK TO b;
SELECT object FROM medallion.progress;
ROLLBACK;
SELECT count(*) FROM medallion.progress;
BEGIN;
SAVEPOINT a;
SELECT medallion.report_progress('inner');
ROLLBACK TO a;
SELECT count(*) FROM medallion.progress;
COMMIT;
-- An error ends it too.
BEGIN;
SELECT medallion.report_progress('doomed');
SELECT 1 / 0;
ROLLBACK;
SELECT count(*) FROM medallion.progress;
