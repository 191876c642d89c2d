/* The layers.  They belong to the user, not to the extension: dropping medallion leaves them and all they hold. */
CREATE OR REPLACE FUNCTION medallion._create_schemas() RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'mdl_create_schemas';
REVOKE ALL ON FUNCTION medallion._create_schemas() FROM PUBLIC;
COMMENT ON FUNCTION medallion._create_schemas() IS
'Creates the schemas bronze, silver, gold and medallion_history where missing and leaves them outside the extension.';
SELECT medallion._create_schemas();

CREATE OR REPLACE FUNCTION medallion.version() RETURNS text
LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_version';
COMMENT ON FUNCTION medallion.version() IS 'The version of the medallion library in use.';

CREATE OR REPLACE FUNCTION medallion._ml_library() RETURNS bool
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'mdl_ml_library';
COMMENT ON FUNCTION medallion._ml_library() IS 'Opens medallion_ml.so; an error tells why it cannot be opened.';

CREATE OR REPLACE FUNCTION medallion._lake_library() RETURNS bool
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'mdl_lake_library';
COMMENT ON FUNCTION medallion._lake_library() IS 'Opens medallion_lake.so; an error tells why it cannot be opened.';

