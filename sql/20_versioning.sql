/* ---- versioned tables -------------------------------------------------------------------------------------------- */

CREATE OR REPLACE FUNCTION medallion._capture() RETURNS trigger
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'mdl_capture';
COMMENT ON FUNCTION medallion._capture() IS
'Trigger function of versioned tables: notes the rows that a transaction writes and keeps the ones it ends.';

CREATE OR REPLACE FUNCTION medallion._capture_later(old_row tid, new_row tid) RETURNS bool
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_capture_later';
COMMENT ON FUNCTION medallion._capture_later(tid, tid) IS
'The WHEN condition of the row triggers of versioned tables: captures the change at once, so that it need not be queued.';

CREATE OR REPLACE FUNCTION medallion.enable_versioning(relation regclass, retain interval DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_enable_versioning_sql';
COMMENT ON FUNCTION medallion.enable_versioning(regclass, interval) IS
'Keeps every past state of a table from now on. Instant at any size; the table needs a primary key and gets no column.';

CREATE OR REPLACE FUNCTION medallion.disable_versioning(relation regclass, keep_history bool DEFAULT true) RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_disable_versioning';
COMMENT ON FUNCTION medallion.disable_versioning(regclass, bool) IS
'Stops keeping the past states of a table. With keep_history => false the history table is dropped as well.';

CREATE OR REPLACE FUNCTION medallion.as_of(rowtype anyelement, version bigint DEFAULT NULL, at timestamptz DEFAULT NULL)
RETURNS SETOF anyelement
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 1000 AS 'MODULE_PATHNAME', 'mdl_as_of';
COMMENT ON FUNCTION medallion.as_of(anyelement, bigint, timestamptz) IS
'The rows of a versioned table as of a version or a time: SELECT * FROM medallion.as_of(NULL::silver.orders, version => 42).';

CREATE OR REPLACE FUNCTION medallion.travel_to(version bigint DEFAULT NULL, at timestamptz DEFAULT NULL) RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_travel_to';
COMMENT ON FUNCTION medallion.travel_to(bigint, timestamptz) IS
'Lets the session read all versioned tables as of a version or a time (SET medallion.as_of); returns the version. NULL: the present.';

CREATE OR REPLACE FUNCTION medallion.travel_back() RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_travel_back';
COMMENT ON FUNCTION medallion.travel_back() IS 'Lets the session read the present again, as RESET medallion.as_of does.';

CREATE OR REPLACE FUNCTION medallion.travel_version() RETURNS bigint
LANGUAGE C VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'mdl_travel_version_sql';
COMMENT ON FUNCTION medallion.travel_version() IS 'The version that the session reads; NULL if it reads the present.';

CREATE OR REPLACE FUNCTION medallion._point(relation oid, version bigint, at timestamptz) RETURNS bigint
LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'mdl_point';
COMMENT ON FUNCTION medallion._point(oid, bigint, timestamptz) IS 'The settled version that a version or a time means for a table.';

CREATE OR REPLACE FUNCTION medallion._born_by(relation oid, place tid, xmin xid, version bigint) RETURNS bool
LANGUAGE C STABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'mdl_born_by';
COMMENT ON FUNCTION medallion._born_by(oid, tid, xid, bigint) IS 'Whether a current row of a versioned table was there at a version.';

CREATE OR REPLACE FUNCTION medallion._attached_by(partition oid, version bigint) RETURNS bool
LANGUAGE C STABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'mdl_attached_by';
COMMENT ON FUNCTION medallion._attached_by(oid, bigint) IS 'Whether a partition belonged to its versioned table at a version.';

CREATE OR REPLACE FUNCTION medallion._alive_at(born bigint, died bigint, version bigint) RETURNS bool
LANGUAGE C STABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'mdl_alive_at';
COMMENT ON FUNCTION medallion._alive_at(bigint, bigint, bigint) IS 'Whether a row of a history table was there at a version.';

CREATE OR REPLACE FUNCTION medallion._low_of(version bigint) RETURNS bigint
LANGUAGE C STABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'mdl_low_of';
COMMENT ON FUNCTION medallion._low_of(bigint) IS 'Rows of history tables that died below this stamp were gone at a version.';

CREATE OR REPLACE FUNCTION medallion._includes(version bigint, stamp bigint) RETURNS bool
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'mdl_includes';
COMMENT ON FUNCTION medallion._includes(bigint, bigint) IS
'Whether a transaction had ended at a version; decides which columns a versioned table had then.';

CREATE OR REPLACE FUNCTION medallion._past_value(value "any", wanted anyelement, column_name text) RETURNS anyelement
LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_past_value';
COMMENT ON FUNCTION medallion._past_value("any", anyelement, text) IS
'A past value of a column in the type that the column has today; an error names the column if it has none there.';

CREATE OR REPLACE FUNCTION medallion._history_rows(rowtype anyelement, died_from bigint, OUT born bigint, OUT died bigint, OUT row_data anyelement)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'mdl_history_rows';
COMMENT ON FUNCTION medallion._history_rows(anyelement, bigint) IS
'Past rows of a versioned table under the rights of the table, replaced by the planner; for the change feed.';

CREATE OR REPLACE FUNCTION medallion._change_of_stamp(stamp bigint, feed int) RETURNS bigint
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'mdl_change_of_stamp';
COMMENT ON FUNCTION medallion._change_of_stamp(bigint, int) IS 'The commit of a change feed that a stamp belongs to.';

CREATE OR REPLACE FUNCTION medallion._change_of_row(relation oid, place tid, xmin xid, feed int) RETURNS bigint
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'mdl_change_of_row';
COMMENT ON FUNCTION medallion._change_of_row(oid, tid, xid, int) IS 'The commit of a change feed that wrote a current row.';

CREATE OR REPLACE FUNCTION medallion._change_of_part_row(partition oid, place tid, xmin xid, feed int) RETURNS bigint
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'mdl_change_of_part_row';
COMMENT ON FUNCTION medallion._change_of_part_row(oid, tid, xid, int) IS 'The commit of a change feed that brought a current row of a partition.';

CREATE OR REPLACE FUNCTION medallion._change_image(image anyelement, version bigint, feed int) RETURNS anyelement
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'mdl_change_image';
COMMENT ON FUNCTION medallion._change_image(anyelement, bigint, int) IS
'A row of a change feed without the columns that were added with a default later.';

CREATE OR REPLACE FUNCTION medallion._change_time(version bigint, feed int) RETURNS timestamptz
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'mdl_change_time';
COMMENT ON FUNCTION medallion._change_time(bigint, int) IS 'The time of a commit of a change feed.';

CREATE OR REPLACE FUNCTION medallion.changes(rowtype anyelement, start_version bigint, end_version bigint DEFAULT NULL)
RETURNS TABLE(_change_type text, _commit_version bigint, _commit_timestamp timestamptz, row_data anyelement)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1000 AS 'MODULE_PATHNAME', 'mdl_changes';
COMMENT ON FUNCTION medallion.changes(anyelement, bigint, bigint) IS
'The net changes of a versioned table, commit by commit, both bounds included: insert, update_preimage, update_postimage, delete.';

CREATE OR REPLACE FUNCTION medallion._changes(rowtype anyelement, start_version bigint, end_version bigint, used smallint[])
RETURNS TABLE(_change_type text, _commit_version bigint, _commit_timestamp timestamptz, row_data anyelement)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1000 AS 'MODULE_PATHNAME', 'mdl_changes';
COMMENT ON FUNCTION medallion._changes(anyelement, bigint, bigint, smallint[]) IS
'medallion.changes for a query that uses these columns of row_data only; put in its place by the planner.';

CREATE OR REPLACE FUNCTION medallion.history(relation regclass)
RETURNS TABLE(version bigint, committed_at timestamptz, role_name text, application_name text, operation text,
              inserted bigint, updated bigint, deleted bigint, readable bool)
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_history';
COMMENT ON FUNCTION medallion.history(regclass) IS
'The commits of a versioned table: who, when, what, how many rows (net), and whether that version can be read.';

CREATE OR REPLACE FUNCTION medallion._commits()
RETURNS TABLE(version bigint, committed_at timestamptz, role_name text, application_name text, relations text[])
LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'mdl_commits';
COMMENT ON FUNCTION medallion._commits() IS 'The rows of view medallion.commits.';

CREATE OR REPLACE VIEW medallion.commits AS
SELECT version, committed_at, role_name, application_name, relations FROM medallion._commits();
COMMENT ON VIEW medallion.commits IS 'Transactions that changed a versioned table, in the order of their versions.';
GRANT SELECT ON medallion.commits TO PUBLIC;

CREATE OR REPLACE FUNCTION medallion.columns_as_of(relation regclass, version bigint DEFAULT NULL, at timestamptz DEFAULT NULL)
RETURNS TABLE(column_name text, data_type text)
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_columns_as_of';
COMMENT ON FUNCTION medallion.columns_as_of(regclass, bigint, timestamptz) IS
'The columns that a versioned table had at a version or a time, under their names and types of then.';

CREATE OR REPLACE FUNCTION medallion.as_of_json(relation regclass, version bigint DEFAULT NULL, at timestamptz DEFAULT NULL)
RETURNS SETOF jsonb
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_as_of_json';
COMMENT ON FUNCTION medallion.as_of_json(regclass, bigint, timestamptz) IS
'The rows of a versioned table as of a version or a time, in the columns that it had then; dropped ones for its owner only.';

CREATE OR REPLACE FUNCTION medallion.reconcile(relation regclass) RETURNS TABLE(inserted bigint, updated bigint, deleted bigint)
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_reconcile';
COMMENT ON FUNCTION medallion.reconcile(regclass) IS
'Verifies a versioned table against its history; what was changed behind the back of versioning becomes a commit, which is counted.';

CREATE OR REPLACE FUNCTION medallion._versioning_doubts() RETURNS TABLE(relation regclass, reason text)
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_versioning_doubts';
COMMENT ON FUNCTION medallion._versioning_doubts() IS 'The rows of view medallion.versioning_doubts.';

CREATE OR REPLACE VIEW medallion.versioning_doubts AS SELECT relation, reason FROM medallion._versioning_doubts();
COMMENT ON VIEW medallion.versioning_doubts IS
'Versioned tables that were changed behind the back of versioning, and event triggers that are off; empty if all is in order.';
GRANT SELECT ON medallion.versioning_doubts TO PUBLIC;

CREATE OR REPLACE FUNCTION medallion._foreign_birth(relation oid, place tid, xmin xid) RETURNS bool
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'mdl_foreign_birth';
COMMENT ON FUNCTION medallion._foreign_birth(oid, tid, xid) IS 'Whether no commit of a versioned table brought a current row of it.';

/* ---- dropped tables ---------------------------------------------------------------------------------------------- */

CREATE OR REPLACE FUNCTION medallion._dropped_tables()
RETURNS TABLE(name text, dropped_at timestamptz, version bigint, readable_from bigint, readable_to bigint)
LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'mdl_dropped_tables';
COMMENT ON FUNCTION medallion._dropped_tables() IS 'The rows of view medallion.dropped_tables.';

CREATE OR REPLACE VIEW medallion.dropped_tables AS
SELECT name, dropped_at, version, readable_from, readable_to FROM medallion._dropped_tables();
COMMENT ON VIEW medallion.dropped_tables IS
'Dropped versioned tables of the current user (all, for a superuser) whose history is kept; see medallion.undrop().';
GRANT SELECT ON medallion.dropped_tables TO PUBLIC;

CREATE OR REPLACE FUNCTION medallion.undrop(name text, new_name text DEFAULT NULL, version bigint DEFAULT NULL) RETURNS regclass
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_undrop';
COMMENT ON FUNCTION medallion.undrop(text, text, bigint) IS
'Makes a dropped versioned table again, with its last rows or those of a version; its history goes on.';

/* ---- dump and restore: births of current rows travel as rows computed when the dump is made ------------------------ */

CREATE TABLE medallion._births (table_id int NOT NULL, version bigint NOT NULL, key text NOT NULL);
COMMENT ON TABLE medallion._births IS 'Which commit wrote each current row of a restored versioned table, until medallion.adopt_history().';
CREATE INDEX ON medallion._births (table_id, key);
REVOKE ALL ON medallion._births FROM PUBLIC;

CREATE OR REPLACE FUNCTION medallion._version_of_row(relation oid, place tid, xmin xid) RETURNS bigint
LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_version_of_row';
COMMENT ON FUNCTION medallion._version_of_row(oid, tid, xid) IS 'The commit that wrote a row of a versioned table; NULL when the log does not know it.';

CREATE OR REPLACE FUNCTION medallion._dump_births() RETURNS TABLE(table_id int, version bigint, key text)
LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_dump_births';
COMMENT ON FUNCTION medallion._dump_births() IS 'The rows that a dump carries as medallion._births.';
REVOKE ALL ON FUNCTION medallion._dump_births() FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('medallion._births', 'WHERE false UNION ALL SELECT * FROM medallion._dump_births()');

CREATE OR REPLACE FUNCTION medallion.adopt_history() RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_adopt_history';
COMMENT ON FUNCTION medallion.adopt_history() IS
'Makes a history that was restored from a dump usable here; every version reads as it did. Returns the number of tables.';
REVOKE ALL ON FUNCTION medallion.adopt_history() FROM PUBLIC;

/* ---- definitions that change ------------------------------------------------------------------------------------- */

CREATE OR REPLACE FUNCTION medallion._follow_ddl() RETURNS event_trigger
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'mdl_follow_ddl';
COMMENT ON FUNCTION medallion._follow_ddl() IS 'Lets the history of a versioned table follow ALTER TABLE; refuses what would lose it.';

CREATE OR REPLACE FUNCTION medallion._ddl_begin() RETURNS event_trigger
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'mdl_ddl_begin';
COMMENT ON FUNCTION medallion._ddl_begin() IS 'Notes that a command begins that may change the definition of a versioned table.';

CREATE OR REPLACE FUNCTION medallion._before_rewrite() RETURNS event_trigger
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'mdl_before_rewrite';
COMMENT ON FUNCTION medallion._before_rewrite() IS 'Moves the rows of a versioned table to history before they are rewritten.';

CREATE OR REPLACE FUNCTION medallion._check_partitions() RETURNS event_trigger
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'mdl_check_partitions';
COMMENT ON FUNCTION medallion._check_partitions() IS 'Refuses what cannot be done with partitions of versioned tables.';

CREATE OR REPLACE FUNCTION medallion._follow_partitions() RETURNS event_trigger
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'mdl_follow_partitions';
COMMENT ON FUNCTION medallion._follow_partitions() IS 'Lets the history of a versioned table follow partitions that come and go.';

CREATE OR REPLACE FUNCTION medallion._check_drop() RETURNS event_trigger
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'mdl_check_drop';
COMMENT ON FUNCTION medallion._check_drop() IS
'Before DROP: refuses to drop capture triggers, and sees to it that the rows of dropped versioned tables are kept.';

CREATE EVENT TRIGGER medallion_check_drop ON ddl_command_start
WHEN TAG IN ('DROP TABLE', 'DROP SCHEMA', 'DROP OWNED', 'DROP EXTENSION', 'DROP TYPE', 'DROP SERVER', 'DROP ACCESS METHOD',
             'DROP TRIGGER', 'ALTER TRIGGER')
EXECUTE FUNCTION medallion._check_drop();
CREATE EVENT TRIGGER medallion_check_partitions ON ddl_command_start WHEN TAG IN ('ALTER TABLE')
EXECUTE FUNCTION medallion._check_partitions();
CREATE EVENT TRIGGER medallion_follow_partitions ON ddl_command_end
WHEN TAG IN ('ALTER TABLE', 'CREATE TABLE', 'CREATE FOREIGN TABLE', 'CREATE SCHEMA')
EXECUTE FUNCTION medallion._follow_partitions();
-- All commands: what touches a versioned table is not always in the text, such as DROP TYPE … CASCADE.
CREATE EVENT TRIGGER medallion_ddl_begin ON ddl_command_start EXECUTE FUNCTION medallion._ddl_begin();
CREATE EVENT TRIGGER medallion_follow_ddl ON ddl_command_end EXECUTE FUNCTION medallion._follow_ddl();
CREATE EVENT TRIGGER medallion_before_rewrite ON table_rewrite EXECUTE FUNCTION medallion._before_rewrite();

-- In sessions with session_replication_role = replica too: what they alter is as much altered.
ALTER EVENT TRIGGER medallion_check_drop ENABLE ALWAYS;
ALTER EVENT TRIGGER medallion_check_partitions ENABLE ALWAYS;
ALTER EVENT TRIGGER medallion_follow_partitions ENABLE ALWAYS;
ALTER EVENT TRIGGER medallion_follow_ddl ENABLE ALWAYS;
ALTER EVENT TRIGGER medallion_ddl_begin ENABLE ALWAYS;
ALTER EVENT TRIGGER medallion_before_rewrite ENABLE ALWAYS;

