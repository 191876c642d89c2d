/* ---- versioned tables -------------------------------------------------------------------------------------------- */

CREATE OR REPLACE FUNCTION medallion._capture() RETURNS trigger
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'mdl_capture';
COMMENT ON FUNCTION medallion._capture() IS
'Trigger function of versioned tables: notes the rows that a transaction writes and keeps the ones it ends.';

CREATE OR REPLACE FUNCTION medallion.enable_versioning(relation regclass, retain interval DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_enable_versioning_sql';
COMMENT ON FUNCTION medallion.enable_versioning(regclass, interval) IS
'Keeps every past state of a table from now on. Instant at any size; the table needs a primary key and gets no column.';

CREATE OR REPLACE FUNCTION medallion.disable_versioning(relation regclass, keep_history bool DEFAULT true) RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_disable_versioning';
COMMENT ON FUNCTION medallion.disable_versioning(regclass, bool) IS
'Stops keeping the past states of a table. With keep_history => false the history table is dropped as well.';

