/* Lineage by columns, as a walk, as views of all that is known, and of a query as it stands. */
CREATE OR REPLACE FUNCTION medallion.column_lineage(relation text, direction text DEFAULT 'upstream', depth int DEFAULT NULL,
	column_name text DEFAULT NULL, indirect bool DEFAULT true)
RETURNS TABLE (direction text, depth int, output text, output_column text, input text, input_column text,
	type text, subtype text, masking bool, output_kind text, input_kind text)
LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_column_lineage';
COMMENT ON FUNCTION medallion.column_lineage(text, text, int, text, bool) IS
'From which columns those of a relation are made (upstream), which are made from them (downstream), or both; output_column NULL: it decides about all rows.';

CREATE OR REPLACE FUNCTION medallion.query_lineage(query text, through_views bool DEFAULT false)
RETURNS TABLE (output_column text, input text, input_column text, type text, subtype text, masking bool)
LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_lineage_of_query';
COMMENT ON FUNCTION medallion.query_lineage(text, bool) IS
'From which columns those of a SELECT would be made, as the server analyses it; nothing is run.';

CREATE OR REPLACE FUNCTION medallion.openlineage(relation text DEFAULT NULL, direction text DEFAULT 'upstream', depth int DEFAULT NULL,
	namespace text DEFAULT NULL)
RETURNS TABLE (event jsonb)
LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_openlineage';
COMMENT ON FUNCTION medallion.openlineage(text, text, int, text) IS
'The lineage of a relation, or all of it, as events of OpenLineage: a JobEvent for what is made from something, else a DatasetEvent; sources first.';

CREATE OR REPLACE FUNCTION medallion.lineage_svg(relation text DEFAULT NULL, direction text DEFAULT 'both', depth int DEFAULT NULL)
RETURNS text
LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_lineage_svg';
COMMENT ON FUNCTION medallion.lineage_svg(text, text, int) IS
'The lineage of a relation, or all of it, as a picture (SVG): data flows from left to right, layers are lanes.';

CREATE OR REPLACE FUNCTION medallion._relation_named(name text) RETURNS oid
LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_relation_named';
COMMENT ON FUNCTION medallion._relation_named(text) IS 'The relation of that name, in whatever schema; NULL if there is none.';

CREATE OR REPLACE FUNCTION medallion._lineage_edges()
RETURNS TABLE (output text, output_kind text, output_layer text, input text, input_kind text, input_layer text)
LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_lineage_edges';
COMMENT ON FUNCTION medallion._lineage_edges() IS 'The rows of medallion.lineage_edges.';

CREATE OR REPLACE FUNCTION medallion._column_lineage_edges()
RETURNS TABLE (direction text, depth int, output text, output_column text, input text, input_column text,
	type text, subtype text, masking bool, output_kind text, input_kind text)
LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_column_lineage_edges';
COMMENT ON FUNCTION medallion._column_lineage_edges() IS 'The rows of medallion.column_lineage_edges.';

CREATE OR REPLACE VIEW medallion.lineage_edges AS
SELECT e.output, e.output_kind, e.output_layer, e.input, e.input_kind, e.input_layer FROM medallion._lineage_edges() e;
COMMENT ON VIEW medallion.lineage_edges IS
'What is made from what: relations, files, feature views, models, as far as the current user may see the records.';

CREATE OR REPLACE VIEW medallion.column_lineage_edges AS
SELECT e.output, e.output_kind, e.output_column, e.input, e.input_kind, e.input_column, e.type, e.subtype, e.masking
FROM medallion._column_lineage_edges() e;
COMMENT ON VIEW medallion.column_lineage_edges IS
'Which column is made from which, and how, in the words of OpenLineage; output_column NULL: it decides about all rows.';
GRANT SELECT ON medallion.lineage_edges, medallion.column_lineage_edges TO PUBLIC;
