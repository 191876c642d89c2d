/* ---- what is done with history: tags, pins, restoring, pruning ----------------------------------------------------- */

CREATE OR REPLACE FUNCTION medallion._readable(table_id int, version bigint) RETURNS bool
LANGUAGE C STABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'mdl_readable';
COMMENT ON FUNCTION medallion._readable(int, bigint) IS
'True; an error if the snapshot of the statement sees that history was pruned beyond the version.';

CREATE OR REPLACE FUNCTION medallion.tag(name text, version bigint DEFAULT NULL, comment text DEFAULT NULL) RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_tag';
COMMENT ON FUNCTION medallion.tag(text, bigint, text) IS
'Gives a version (the newest by default) a name and keeps it readable: pruning stops there. Returns the version.';

CREATE OR REPLACE FUNCTION medallion.untag(name text) RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_untag';
COMMENT ON FUNCTION medallion.untag(text) IS 'Removes a tag; its version may be pruned from now on. Returns the version it named.';

CREATE OR REPLACE FUNCTION medallion.version_of(tag text) RETURNS bigint
LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_version_of';
COMMENT ON FUNCTION medallion.version_of(text) IS
'The version that a tag names: SELECT * FROM medallion.as_of(NULL::silver.orders, version => medallion.version_of(''audit''));';

CREATE OR REPLACE FUNCTION medallion._tags()
RETURNS TABLE(tag text, version bigint, committed_at timestamptz, role_name text, created_at timestamptz, comment text)
LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'mdl_tags';
COMMENT ON FUNCTION medallion._tags() IS 'The rows of view medallion.tags.';

CREATE OR REPLACE VIEW medallion.tags AS
SELECT tag, version, committed_at, role_name, created_at, comment FROM medallion._tags();
COMMENT ON VIEW medallion.tags IS 'Names of versions, with the time of the version and who tagged it when.';
GRANT SELECT ON medallion.tags TO PUBLIC;

CREATE OR REPLACE FUNCTION medallion._pins()
RETURNS TABLE(version bigint, relation text, holder_kind text, holder text, created_at timestamptz, erased_rows bigint)
LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'mdl_pins';
COMMENT ON FUNCTION medallion._pins() IS 'The rows of view medallion.pins.';

CREATE OR REPLACE VIEW medallion.pins AS
SELECT version, relation, holder_kind, holder, created_at, erased_rows FROM medallion._pins();
COMMENT ON VIEW medallion.pins IS
'Versions that something relies on, such as a model: pruning keeps them. erased_rows: taken from it by medallion.forget since.';
GRANT SELECT ON medallion.pins TO PUBLIC;

CREATE OR REPLACE FUNCTION medallion.restore(relation regclass, version bigint DEFAULT NULL, at timestamptz DEFAULT NULL,
	OUT inserted bigint, OUT updated bigint, OUT deleted bigint)
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_restore';
COMMENT ON FUNCTION medallion.restore(regclass, bigint, timestamptz) IS
'Makes a versioned table equal to its state as of a version or a time, as a new commit; only rows that differ are touched.';

CREATE OR REPLACE FUNCTION medallion.clone(relation regclass, new_name text, version bigint DEFAULT NULL,
	at timestamptz DEFAULT NULL, versioned bool DEFAULT false) RETURNS regclass
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_clone';
COMMENT ON FUNCTION medallion.clone(regclass, text, bigint, timestamptz, bool) IS
'Makes a new table with the structure of a versioned table and its rows as of a version or a time; the caller owns it.';

CREATE OR REPLACE FUNCTION medallion.set_retention(relation regclass, retain interval) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_set_retention';
COMMENT ON FUNCTION medallion.set_retention(regclass, interval) IS
'Sets how long the past of a versioned table is kept; NULL: as long as medallion.history_retention says. The scheduler prunes what is older.';

CREATE OR REPLACE FUNCTION medallion.prune_history(INOUT relation regclass DEFAULT NULL, older_than interval DEFAULT NULL,
	dry_run bool DEFAULT false, OUT readable_from bigint, OUT rows_removed bigint, OUT bytes bigint, OUT blocked_by text)
RETURNS SETOF record
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_prune_history';
COMMENT ON FUNCTION medallion.prune_history(regclass, interval, bool) IS
'Removes the past of a versioned table (NULL: of all that the caller owns) that is older than given, or than its retention.';

CREATE OR REPLACE FUNCTION medallion.forget(relation regclass, key jsonb,
	OUT removed_rows bigint, OUT affected_tags text[], OUT affected_pins text[])
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_forget';
COMMENT ON FUNCTION medallion.forget(regclass, jsonb) IS
'Erases a row, by its primary key as {"column": value}, from all versions of a table. Tags and pins do not hold it back but are reported.';

CREATE OR REPLACE FUNCTION medallion._history_sizes()
RETURNS TABLE(relation text, history_rows bigint, table_bytes bigint, index_bytes bigint, log_bytes bigint,
	readable_from bigint, readable_since timestamptz, retain interval, blocked_by text, versioned bool)
LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'mdl_history_sizes';
COMMENT ON FUNCTION medallion._history_sizes() IS 'The rows of view medallion.history_sizes.';

CREATE OR REPLACE VIEW medallion.history_sizes AS
SELECT relation, history_rows, table_bytes, index_bytes, log_bytes, readable_from, readable_since, retain, blocked_by, versioned
FROM medallion._history_sizes();
COMMENT ON VIEW medallion.history_sizes IS
'What the history of each table takes (rows estimated), from which version on it is readable, and what holds its retention back; a row for the log.';
GRANT SELECT ON medallion.history_sizes TO PUBLIC;
