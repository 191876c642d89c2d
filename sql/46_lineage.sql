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

CREATE OR REPLACE FUNCTION medallion._openlineage_namespace(namespace text) RETURNS text
LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'mdl_openlineage_namespace';
COMMENT ON FUNCTION medallion._openlineage_namespace(text) IS 'The namespace given, checked, or that of this server.';

CREATE OR REPLACE FUNCTION medallion._openlineage_facet(name text, version text, content jsonb) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN pg_catalog.jsonb_build_object(
	'_producer', (SELECT 'https://pgxn.org/dist/medallion/' || e.extversion || '/' FROM pg_catalog.pg_extension e WHERE e.extname = 'medallion'),
	'_schemaURL', pg_catalog.format('https://openlineage.io/spec/facets/%s/%s.json#/$defs/%s', version, name, name)) || content;
COMMENT ON FUNCTION medallion._openlineage_facet(text, text, jsonb) IS 'A facet of OpenLineage.';

CREATE OR REPLACE FUNCTION medallion.lineage_svg(relation text DEFAULT NULL, direction text DEFAULT 'both', depth int DEFAULT NULL,
	with_columns bool DEFAULT false, column_name text DEFAULT NULL)
RETURNS text
LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'mdl_lineage_svg';
COMMENT ON FUNCTION medallion.lineage_svg(text, text, int, bool, text) IS
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

/* A refresh is a run of the job of its table; what its rules found is a run of its own, which has the table as input. */
CREATE OR REPLACE FUNCTION medallion.openlineage_runs(target text DEFAULT NULL, since timestamptz DEFAULT NULL, namespace text DEFAULT NULL)
RETURNS TABLE (event jsonb)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
WITH server AS MATERIALIZED (SELECT medallion._openlineage_namespace(openlineage_runs.namespace) AS namespace,
		pg_catalog.current_database() || '.' AS prefix, s.system_identifier::text || '/' || d.oid AS origin
	FROM pg_catalog.pg_control_system() s JOIN pg_catalog.pg_database d ON d.datname = pg_catalog.current_database()),
refreshes AS (
	SELECT r.refresh_id, r.started_at, r.finished_at, r.inserted + r.updated AS written, x.namespace,
		x.prefix || pg_catalog.array_to_string(pg_catalog.parse_ident(r.target), '.') AS name,
		pg_catalog.overlay(pg_catalog.md5(x.origin || '/' || r.refresh_id), '80008', 13, 5)::uuid AS run,
		pg_catalog.overlay(pg_catalog.md5(x.origin || '/rules/' || r.refresh_id), '80008', 13, 5)::uuid AS rules_run,
		(SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('namespace', x.namespace,
				'name', x.prefix || pg_catalog.array_to_string(pg_catalog.parse_ident(v.key), '.'), 'facets', pg_catalog.jsonb_build_object('version',
				medallion._openlineage_facet('DatasetVersionDatasetFacet', '1-0-1', pg_catalog.jsonb_build_object('datasetVersion', v.value)))) ORDER BY v.key), '[]')
			FROM pg_catalog.jsonb_each_text(r.source_versions) v) AS inputs,
		(SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('assertion', e.kind, 'name', e.name, 'description', e.rule, 'success', e.met,
				'severity', CASE e.action WHEN 'fail' THEN 'error' ELSE 'warn' END) ORDER BY e.name)
			FROM medallion.expectation_results e WHERE e.refresh_id = r.refresh_id) AS assertions
	FROM medallion.refreshes r CROSS JOIN server x
	WHERE r.mode NOT IN ('failed', 'skipped') AND (openlineage_runs.target IS NULL OR medallion._relation_named(r.target) = openlineage_runs.target::regclass::oid)
		AND (openlineage_runs.since IS NULL OR r.finished_at >= openlineage_runs.since)),
runs AS (
	SELECT r.refresh_id, 1 AS place, r.started_at, r.finished_at, r.run, r.namespace, r.name, '{}'::jsonb AS facets, 'REFRESH' AS kind, r.inputs,
		pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_object('namespace', r.namespace, 'name', r.name, 'outputFacets', pg_catalog.jsonb_build_object('outputStatistics',
			medallion._openlineage_facet('OutputStatisticsOutputDatasetFacet', '1-0-2', pg_catalog.jsonb_build_object('rowCount', r.written))))) AS outputs
	FROM refreshes r
	UNION ALL
	SELECT r.refresh_id, 2, r.finished_at, r.finished_at, r.rules_run, r.namespace, r.name || '.expectations',
		pg_catalog.jsonb_build_object('parent', medallion._openlineage_facet('ParentRunFacet', '1-2-0', pg_catalog.jsonb_build_object(
			'run', pg_catalog.jsonb_build_object('runId', r.run), 'job', pg_catalog.jsonb_build_object('namespace', r.namespace, 'name', r.name)))), 'TEST',
		pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_object('namespace', r.namespace, 'name', r.name, 'inputFacets', pg_catalog.jsonb_build_object('dataQualityAssertions',
			medallion._openlineage_facet('DataQualityAssertionsDatasetFacet', '1-1-0', pg_catalog.jsonb_build_object('assertions', r.assertions))))), '[]'
	FROM refreshes r WHERE r.assertions IS NOT NULL)
SELECT pg_catalog.jsonb_build_object('eventType', t.type, 'eventTime', CASE t.type WHEN 'START' THEN r.started_at ELSE r.finished_at END,
	'producer', medallion._openlineage_facet('', '', '{}') -> '_producer', 'schemaURL', 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent',
	'run', pg_catalog.jsonb_build_object('runId', r.run, 'facets', r.facets),
	'job', pg_catalog.jsonb_build_object('namespace', r.namespace, 'name', r.name, 'facets', pg_catalog.jsonb_build_object('jobType',
		medallion._openlineage_facet('JobTypeJobFacet', '2-0-4', pg_catalog.jsonb_build_object('processingType', 'BATCH', 'integration', 'MEDALLION', 'jobType', r.kind)))),
	'inputs', CASE t.type WHEN 'START' THEN (SELECT coalesce(pg_catalog.jsonb_agg(i.value - 'inputFacets' ORDER BY i.ordinality), '[]')
		FROM pg_catalog.jsonb_array_elements(r.inputs) WITH ORDINALITY i) ELSE r.inputs END,
	'outputs', CASE t.type WHEN 'START' THEN '[]' ELSE r.outputs END)
FROM runs r CROSS JOIN (VALUES ('START'), ('COMPLETE')) t (type)
ORDER BY r.refresh_id, r.place, t.type DESC;
END;
COMMENT ON FUNCTION medallion.openlineage_runs(text, timestamptz, text) IS
'Refreshes of derived tables as run events of OpenLineage: versions read, rows written, and what the rules found.';
