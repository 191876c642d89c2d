/*
 * Extracts: refreshes of derived tables that read foreign tables.  What was read elsewhere cannot be read again as it was, so
 * the record says what was asked, where and when, and in which version of the table the answer is.
 */
CREATE TABLE medallion._extracts
(
	refresh_id  bigint PRIMARY KEY REFERENCES medallion._refreshes ON DELETE CASCADE,
	query       text NOT NULL,					-- as it was
	sources     jsonb NOT NULL,					-- of the foreign tables: relation, server, wrapper, options
	remote_sql  text[] NOT NULL,				-- what the servers were asked, as far as their wrappers tell
	stamp       bigint,							-- of the transaction, see versioning
	version     bigint							-- the newest there was, if this changed nothing
);
COMMENT ON TABLE medallion._extracts IS 'One row per refresh of a derived table that reads foreign tables.';
REVOKE ALL ON medallion._extracts FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('medallion._extracts', '');

CREATE OR REPLACE FUNCTION medallion._extract_version(stamp bigint, version bigint) RETURNS bigint
LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'mdl_extract_version';
COMMENT ON FUNCTION medallion._extract_version(bigint, bigint) IS 'The commit of the transaction with that stamp; the version given if it made none.';

CREATE OR REPLACE VIEW medallion.extracts AS
SELECT r.refresh_id AS extract_id, coalesce(medallion._relation_name(r.target), r.target_name) AS target, r.started_at AS read_at,
	medallion._extract_version(e.stamp, e.version) AS version, r.result_rows AS "rows", r.inserted, r.updated, r.deleted,
	e.query, e.sources, e.remote_sql, r.role_name, r.mode
FROM medallion._extracts e
JOIN medallion._refreshes r ON r.refresh_id = e.refresh_id
WHERE CASE WHEN medallion._relation_name(r.target) IS NULL THEN r.role_name = current_user
	ELSE pg_catalog.has_any_column_privilege(r.target, 'SELECT') END;
COMMENT ON VIEW medallion.extracts IS
'What was read from foreign tables into derived ones: query, servers, what they were asked, when, and the version of the table that has it.';
GRANT SELECT ON medallion.extracts TO PUBLIC;
