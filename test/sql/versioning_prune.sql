-- prune_history: the past older than a horizon goes, what is later reads as it did
CREATE TABLE silver.meter (id int PRIMARY KEY, reading int);
SELECT medallion.enable_versioning('silver.meter');
INSERT INTO silver.meter VALUES (1, 10), (2, 20);
SELECT max(version) AS v2 FROM medallion.commits \gset
UPDATE silver.meter SET reading = 11 WHERE id = 1;
DELETE FROM silver.meter WHERE id = 2;
SELECT medallion.tag('closed') AS v4 \gset
INSERT INTO silver.meter VALUES (2, 22);
UPDATE silver.meter SET reading = reading + 1;
SELECT max(version) AS v6 FROM medallion.commits \gset
CREATE TEMP TABLE before AS SELECT 4 AS at, * FROM medallion.as_of(NULL::silver.meter, version => :v4)
UNION ALL SELECT 6, * FROM medallion.as_of(NULL::silver.meter, version => :v6);
CREATE TEMP TABLE feed AS SELECT _change_type, _commit_version, row_data::text FROM medallion.changes(NULL::silver.meter, :v4);

-- nothing to go by
\set VERBOSITY terse
SELECT * FROM medallion.prune_history('silver.meter');
\set VERBOSITY default
SELECT * FROM medallion.prune_history();
SELECT relation, readable_from < :v2 AS as_enabled, rows_removed, bytes, blocked_by FROM medallion.prune_history('silver.meter', '1 year');
-- a tag is in the way: a dry run reports it, pruning refuses, and nothing was changed
SELECT relation, readable_from - :v2 AS versions_later, rows_removed, bytes > 0 AS bytes, blocked_by ~ '^tag "closed" \(version \d+\)$' AS blocked
FROM medallion.prune_history('silver.meter', '0 s', dry_run => true);
DO $$ BEGIN PERFORM medallion.prune_history('silver.meter', '0 s');
EXCEPTION WHEN object_in_use THEN RAISE NOTICE '%', regexp_replace(sqlerrm, '\d+', 'N'); END $$;
SELECT count(*) FROM medallion_history."silver.meter";
SELECT count(*) AS commits, bool_and(readable) AS readable FROM medallion.history('silver.meter');
-- by the table's retention: up to the tag
BEGIN;
SELECT medallion.set_retention('silver.meter', '0 s');
SELECT relation, readable_from = :v4 AS up_to_tag, rows_removed, blocked_by IS NOT NULL AS blocked FROM medallion.prune_history();
SELECT count(*) FROM medallion_history."silver.meter";
SELECT medallion.set_retention('silver.meter', NULL);
COMMIT;
SELECT operation, inserted, updated, deleted, readable FROM medallion.history('silver.meter');
SELECT 4 AS at, * FROM medallion.as_of(NULL::silver.meter, version => :v4) EXCEPT TABLE before;
(SELECT _change_type, _commit_version, row_data::text FROM medallion.changes(NULL::silver.meter, :v4) EXCEPT TABLE feed)
UNION ALL (TABLE feed EXCEPT SELECT _change_type, _commit_version, row_data::text FROM medallion.changes(NULL::silver.meter, :v4));
\set VERBOSITY sqlstate
SELECT * FROM medallion.as_of(NULL::silver.meter, version => :v4 - 1);
SELECT * FROM medallion.as_of(NULL::silver.meter, version => medallion.version_of('closed') - 1);
SELECT * FROM medallion.changes(NULL::silver.meter, :v4 - 1);
SELECT * FROM medallion.restore('silver.meter', :v4 - 1);
SELECT x.* FROM (VALUES (:v4 - 1)) f(v), LATERAL medallion.as_of(NULL::silver.meter, version => f.v) x;
\set VERBOSITY default
-- rolled back, pruning did nothing
BEGIN;
SELECT medallion.untag('closed') > 0 AS untagged;
SELECT relation, readable_from = :v6 AS up_to_now, rows_removed, blocked_by FROM medallion.prune_history('silver.meter', '0 s');
ROLLBACK;
SELECT count(*) FROM medallion_history."silver.meter";
SELECT count(*) FROM medallion.as_of(NULL::silver.meter, version => :v4);
-- a prepared statement notices
PREPARE past AS SELECT * FROM medallion.as_of(NULL::silver.meter, version => :v4) ORDER BY id;
EXECUTE past;
SELECT medallion.untag('closed') > 0 AS untagged;
SELECT relation, readable_from = :v6 AS up_to_now, rows_removed, blocked_by FROM medallion.prune_history('silver.meter', '0 s');
\set VERBOSITY sqlstate
EXECUTE past;
\set VERBOSITY default
SELECT 6 AS at, * FROM medallion.as_of(NULL::silver.meter, version => :v6) EXCEPT TABLE before;
SELECT relation, rows_removed FROM medallion.prune_history('silver.meter', '0 s');
-- what comes afterwards is kept as ever
UPDATE silver.meter SET reading = 0;
SELECT * FROM medallion.as_of(NULL::silver.meter, version => :v6) ORDER BY id;
SELECT operation, updated, readable FROM medallion.history('silver.meter');

-- the log goes as far as no table needs it
CREATE TABLE silver.other (id int PRIMARY KEY);
SELECT medallion.enable_versioning('silver.other');
INSERT INTO silver.other VALUES (1);
SELECT max(version) AS other FROM medallion.commits \gset
DELETE FROM silver.other;
UPDATE silver.meter SET reading = 1;
SELECT relation, rows_removed FROM medallion.prune_history('silver.meter', '0 s');
SELECT count(*) FROM medallion.as_of(NULL::silver.other, version => :other);
SELECT count(*) > 0 AS listed FROM medallion.commits WHERE version = :other;
SELECT relation, rows_removed FROM medallion.prune_history('silver.other', '0 s');
SELECT count(*) FROM medallion_history.commit_log l WHERE version < :other
	AND NOT EXISTS (SELECT FROM medallion_history.versioned_tables t WHERE t.table_name NOT IN ('meter', 'other'));

-- what history takes, and what becomes of it when versioning stops
SELECT relation, history_rows >= 0 AS rows, table_bytes > 0 AS bytes, index_bytes > 0 AS indexes, log_bytes > 0 AS log,
	readable_from > 0 AS from, readable_since <= now() AS since, retain, blocked_by, versioned
FROM medallion.history_sizes WHERE relation = 'silver.meter';
SELECT log_bytes = table_bytes + index_bytes AS log, history_rows > 0 AS rows, versioned
FROM medallion.history_sizes WHERE relation = 'medallion_history.commit_log';
SELECT medallion.tag('held') > 0 AS tagged;
BEGIN;
SELECT medallion.set_retention('silver.meter', '0 s');
UPDATE silver.meter SET reading = 2;
SELECT retain, blocked_by FROM medallion.history_sizes WHERE relation = 'silver.meter';
ROLLBACK;
DO $$ BEGIN PERFORM medallion.disable_versioning('silver.meter', keep_history => false);
EXCEPTION WHEN object_in_use THEN RAISE NOTICE '%', regexp_replace(sqlerrm, '\d+\)', 'N)'); END $$;
SELECT medallion.disable_versioning('silver.meter');
SELECT versioned, table_bytes > 0 AS bytes FROM medallion.history_sizes WHERE relation = 'silver.meter';
SELECT * FROM medallion.as_of(NULL::silver.meter, version => :v6);
-- enabled again it starts anew
SELECT medallion.enable_versioning('silver.meter');
\set VERBOSITY sqlstate
SELECT * FROM medallion.as_of(NULL::silver.meter, version => medallion.version_of('held'));
\set VERBOSITY default
SELECT operation, readable FROM medallion.history('silver.meter');
SELECT versioned, readable_from > medallion.version_of('held') AS new_range FROM medallion.history_sizes WHERE relation = 'silver.meter' ORDER BY versioned;
-- the old history goes when it is asked for, after versioning was stopped
SELECT medallion.disable_versioning('silver.meter');
SELECT medallion.disable_versioning('silver.meter', keep_history => false);
SELECT count(*) FROM medallion.history_sizes WHERE relation = 'silver.meter';
SELECT medallion.disable_versioning('silver.meter', keep_history => false);
SELECT medallion.untag('held') > 0 AS untagged;
SELECT medallion.enable_versioning('silver.meter', retain => '-1 day');
SELECT medallion.enable_versioning('silver.meter');

-- rights
CREATE ROLE regress_pruner;
GRANT USAGE ON SCHEMA silver TO regress_pruner;
GRANT SELECT ON silver.meter TO regress_pruner;
SET ROLE regress_pruner;
SELECT * FROM medallion.prune_history('silver.meter', '0 s');
SELECT * FROM medallion.prune_history('silver.meter', '0 s', dry_run => true);
SELECT medallion.set_retention('silver.meter', '1 day');
SELECT * FROM medallion.prune_history(older_than => '0 s');
RESET ROLE;
DROP OWNED BY regress_pruner;
DROP ROLE regress_pruner;

-- errors
SELECT * FROM medallion.prune_history('silver.meter', '-1 s');
SELECT medallion.set_retention('silver.meter', '-1 day');
SELECT medallion.set_retention(NULL, '1 day');
SELECT * FROM medallion.prune_history('pg_class', '1 day');
SELECT * FROM medallion.prune_history('silver.meter', '1 day', dry_run => NULL);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM medallion.prune_history('silver.meter', '0 s');
ROLLBACK;
DROP TABLE silver.meter, silver.other;
