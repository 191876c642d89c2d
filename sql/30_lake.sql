/* Lake servers. */
CREATE OR REPLACE FUNCTION medallion._lake_validator(text[], oid) RETURNS void
LANGUAGE C STRICT STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_lake_validator';
REVOKE ALL ON FUNCTION medallion._lake_validator(text[], oid) FROM PUBLIC;
COMMENT ON FUNCTION medallion._lake_validator(text[], oid) IS 'Checks the options of lake servers and their user mappings.';

CREATE FOREIGN DATA WRAPPER medallion_lake NO HANDLER VALIDATOR medallion._lake_validator;
GRANT USAGE ON FOREIGN DATA WRAPPER medallion_lake TO pg_read_server_files;
COMMENT ON FOREIGN DATA WRAPPER medallion_lake IS
'Places that hold files for medallion.ingest: CREATE SERVER ... FOREIGN DATA WRAPPER medallion_lake OPTIONS (type ''file'', root ''/directory'').';

/* The ledger: one row per batch, which is the load of one file into one table. */
CREATE SEQUENCE medallion._batch_seq;
CREATE TABLE medallion._ingested_files (
	target		regclass,
	batch		bigint,
	server		text,		-- NULL, as are format, bytes and etag: adopted from the rows of the table
	uri			text NOT NULL,
	etag		text,
	format		text,
	bytes		bigint,
	rows		bigint NOT NULL,
	rescued		bigint NOT NULL,
	role_name	text NOT NULL,
	ingested_at	timestamp with time zone NOT NULL DEFAULT pg_catalog.now(),
	PRIMARY KEY (target, batch)
);
SELECT pg_catalog.pg_extension_config_dump('medallion._batch_seq', '');
SELECT pg_catalog.pg_extension_config_dump('medallion._ingested_files', '');

CREATE OR REPLACE VIEW medallion.ingested_files AS
SELECT f.target, f.uri, f.etag, f.batch, f.format, f.bytes, f.rows, f.rescued, f.server, f.role_name, f.ingested_at
  FROM medallion._ingested_files AS f
  JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) f.target
 WHERE pg_catalog.has_table_privilege(f.target, 'SELECT');
GRANT SELECT ON medallion.ingested_files TO PUBLIC;
COMMENT ON VIEW medallion.ingested_files IS
'The files that medallion.ingest loaded, one row per load: into which table, as which batch (column _batch of its rows), and how many rows were rescued.';

CREATE OR REPLACE FUNCTION medallion.ingest(target text, server name, path text, format text DEFAULT 'csv',
	options jsonb DEFAULT '{}',
	OUT files bigint, OUT rows bigint, OUT rescued bigint, OUT skipped_files bigint, OUT bytes bigint)
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_ingest';
COMMENT ON FUNCTION medallion.ingest(text, name, text, text, jsonb) IS
'Loads the files of a lake server that match a pattern into a table, which is created if it is missing; each file exactly once.';
