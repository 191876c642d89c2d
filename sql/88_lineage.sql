/*
 * What records tell of lineage.  The views read others that show a user what the user may see, and are read as that user.
 * A relation is given by its OID; anything else by kind and name.
 */
CREATE OR REPLACE VIEW medallion._lineage_records AS
/* Files that differ only in digits are one: files of a lake to the table they were loaded into. */
WITH ingested AS (
	SELECT DISTINCT f.target, pg_catalog.concat(f.server || ':', pg_catalog.regexp_replace(f.uri, '[0-9]+([-_.]?[0-9]+)*', '*', 'g')) AS files
	FROM medallion.ingested_files f),
/* The newest training set made into each table, and the columns that come from a feature. */
newest_sets AS (
	SELECT DISTINCT ON (t.target) t.target, t.sources, t.feature_views
	FROM medallion.training_sets t ORDER BY t.target, t.id DESC),
set_views AS (
	SELECT s.target, v.value ->> 'view' AS view, v.value -> 'features' AS features, v.value ->> 'source' AS source
	FROM newest_sets s CROSS JOIN LATERAL pg_catalog.jsonb_array_elements(s.feature_views) v),
set_features AS (
	SELECT v.target, v.view, f.feature, a.attname::text AS column_name
	FROM set_views v CROSS JOIN LATERAL pg_catalog.jsonb_object_keys(v.features) f (feature)
	JOIN pg_catalog.pg_attribute a ON a.attrelid = v.target AND a.attnum > 0 AND NOT a.attisdropped
		AND a.attname IN (f.feature, v.view || '__' || f.feature)),
/* Versions of models that an alias points to, and the newest. */
versions AS (
	SELECT v.model, v.version, v.signature FROM medallion.model_versions v
	WHERE v.aliases <> '{}' OR v.version = (SELECT pg_catalog.max(n.version) FROM medallion.model_versions n WHERE n.model = v.model)),
model_features AS (
	SELECT DISTINCT v.model, f.value ->> 'name' AS feature
	FROM versions v CROSS JOIN LATERAL pg_catalog.jsonb_array_elements(v.signature -> 'features') f),
/* The last batch of predictions into each table. */
predictions AS (
	SELECT DISTINCT ON (a.object) medallion._relation_named(a.object) AS target, a.model
	FROM medallion.audit a WHERE a.action = 'predict_batch' ORDER BY a.object, a.at DESC),
/* What foreign tables stand for, by the names that options of wrappers usually have. */
remotes AS (
	SELECT f.ftrelid, CASE WHEN o.file IS NULL THEN 'remote table' ELSE 'files' END AS kind,
		s.srvname || ':' || coalesce('file://' || o.file,
			pg_catalog.concat_ws('.', coalesce(o.schema_name, CASE WHEN s.srvfdw IN (
				SELECT w.oid FROM pg_catalog.pg_foreign_data_wrapper w JOIN pg_catalog.pg_proc p ON p.oid = w.fdwhandler
				WHERE p.proname = 'postgres_fdw_handler') THEN n.nspname ELSE o.database_name END), coalesce(o.table_name, c.relname))) AS name
	FROM pg_catalog.pg_foreign_table f
	JOIN pg_catalog.pg_foreign_server s ON s.oid = f.ftserver
	JOIN pg_catalog.pg_class c ON c.oid = f.ftrelid
	JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	CROSS JOIN LATERAL (
		SELECT pg_catalog.max(x.option_value) FILTER (WHERE x.option_name IN ('filename', 'program')) AS file,
			pg_catalog.max(x.option_value) FILTER (WHERE x.option_name IN ('schema_name', 'schema')) AS schema_name,
			pg_catalog.max(x.option_value) FILTER (WHERE x.option_name IN ('dbname', 'database')) AS database_name,
			pg_catalog.max(x.option_value) FILTER (WHERE x.option_name IN ('table_name', 'table')) AS table_name
		FROM pg_catalog.pg_options_to_table(f.ftoptions) x) o)
SELECT i.target::oid AS output, NULL AS output_kind, NULL AS output_name, a.attname::text AS output_column,
	NULL::oid AS input, 'files' AS input_kind, i.files AS input_name, a.attname::text AS input_column,
	CASE WHEN a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype) THEN 'IDENTITY' ELSE 'TRANSFORMATION' END AS subtype
FROM ingested i
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.target AND a.attnum > 0 AND NOT a.attisdropped AND a.attname !~ '^_'
UNION ALL	/* changes that are applied to a table */
SELECT medallion._relation_named(f.target), NULL, NULL, NULL, medallion._relation_named(f.source), NULL, NULL, NULL, NULL
FROM medallion.flows f WHERE medallion._relation_named(f.source) IS NOT NULL
UNION ALL	/* by columns of events that go by the same name, or by the one that holds them whole */
SELECT a.attrelid, NULL, NULL, a.attname::text, b.attrelid, NULL, NULL, b.attname::text, 'TRANSFORMATION'
FROM medallion.flows f
JOIN pg_catalog.pg_attribute a ON a.attrelid = medallion._relation_named(f.target) AND a.attname = ANY (f.columns)
JOIN pg_catalog.pg_attribute b ON b.attrelid = medallion._relation_named(f.source) AND b.attnum > 0
	AND b.attname IN (a.attname, f.declaration ->> 'payload')
UNION ALL
SELECT r.ftrelid, NULL, NULL, a.attname::text, NULL, r.kind, r.name, coalesce(o.option_value, a.attname::text), 'IDENTITY'
FROM remotes r
JOIN pg_catalog.pg_attribute a ON a.attrelid = r.ftrelid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN LATERAL pg_catalog.pg_options_to_table(a.attfdwoptions) o ON o.option_name = 'column_name'
UNION ALL
SELECT f.target::oid, NULL, NULL, f.column_name, NULL, 'feature view', f.view, f.feature, 'IDENTITY' FROM set_features f
UNION ALL	/* a view that is gone: what the record of the training set says of its source */
SELECT DISTINCT NULL::oid, 'feature view', v.view, NULL, medallion._relation_named(v.source), NULL, NULL, NULL, NULL
FROM set_views v
WHERE medallion._relation_named(v.source) IS NOT NULL AND NOT EXISTS (SELECT FROM medallion.feature_views n WHERE n.name = v.view)
UNION ALL	/* what the spine read when the set was made */
SELECT s.target::oid, NULL, NULL, NULL, u.source::oid, NULL, NULL, NULL, NULL
FROM newest_sets s CROSS JOIN LATERAL pg_catalog.unnest(s.sources) u (source)
WHERE NOT EXISTS (SELECT FROM set_views v WHERE v.target = s.target AND medallion._relation_named(v.source) = u.source::oid)
UNION ALL
SELECT p.target::oid, NULL, NULL, a.attname::text, NULL, 'model', p.model, f.feature, 'TRANSFORMATION'
FROM predictions p JOIN model_features f ON f.model = p.model
JOIN pg_catalog.pg_attribute a ON a.attrelid = p.target AND a.attname IN ('prediction', 'probability', 'probabilities') AND NOT a.attisdropped
UNION ALL
SELECT NULL, 'monitor', m.monitor, NULL, NULL, 'model', pg_catalog.regexp_replace(m.model, '[@/].*', ''), NULL, NULL
FROM medallion.monitors m JOIN medallion.models k ON k.model = pg_catalog.regexp_replace(m.model, '[@/].*', '');
COMMENT ON VIEW medallion._lineage_records IS 'Edges of lineage that records tell; subtype NULL: of tables only.';

/* Queries: select_part FROM source rest, where the source is a name or a query; their columns, by name, are those of the output. */
CREATE OR REPLACE VIEW medallion._lineage_queries AS
WITH newest_sets AS (
	SELECT DISTINCT ON (t.target) t.target, t.spine, t.spine_at, t.feature_views
	FROM medallion.training_sets t ORDER BY t.target, t.id DESC),
versions AS (
	SELECT v.model, v.version, v.signature, v.source FROM medallion.model_versions v
	WHERE v.aliases <> '{}' OR v.version = (SELECT pg_catalog.max(n.version) FROM medallion.model_versions n WHERE n.model = v.model)),
feature_lists AS (
	SELECT f.feature_view, pg_catalog.string_agg(CASE
		WHEN f.aggregate IN ('count', 'count_distinct') THEN pg_catalog.format('pg_catalog.count(%s) FILTER (WHERE %s) OVER w AS %I',
			coalesce(pg_catalog.quote_ident(f.column_name), '*'), coalesce(f.filter, 'true'), f.feature)
		ELSE pg_catalog.format('(pg_catalog.array_agg(%s) FILTER (WHERE %s) OVER w)[1] AS %I',
			coalesce(pg_catalog.quote_ident(f.column_name), 'NULL::int'), coalesce(f.filter, 'true'), f.feature) END,
		', ' ORDER BY f.feature COLLATE "C") AS list
	FROM medallion.features f GROUP BY f.feature_view)
SELECT NULL::oid AS output, 'feature view' AS output_kind, v.name AS output_name,
	pg_catalog.format('SELECT %s%I, %s', e.list || ', ', v.event_time, f.list) AS select_part,
	medallion._relation_name(v.source) AS source,
	pg_catalog.format('WINDOW w AS (%sORDER BY %I)', 'PARTITION BY ' || e.list || ' ', v.event_time) AS rest
FROM medallion.feature_views v
JOIN feature_lists f ON f.feature_view = v.name
CROSS JOIN LATERAL (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(x), ', ') AS list FROM pg_catalog.unnest(v.entity) x) e
WHERE v.source IS NOT NULL
UNION ALL	/* a training set has the columns of its spine, which is joined by entities and time */
SELECT t.target::oid, NULL, NULL, 'SELECT s.*', t.spine, pg_catalog.format('s JOIN (VALUES (1)) v ON ROW(%s) IS NOT NULL', k.list)
FROM newest_sets t
CROSS JOIN LATERAL (
	SELECT pg_catalog.string_agg(DISTINCT 's.' || pg_catalog.quote_ident(x.name), ', ') AS list
	FROM (SELECT t.spine_at AS name
		UNION SELECT pg_catalog.unnest(n.entity) FROM pg_catalog.jsonb_array_elements(t.feature_views) u
		JOIN medallion.feature_views n ON n.name = u.value ->> 'view') x) k
UNION ALL
SELECT NULL, 'model', v.model, 'SELECT ' || f.list, v.source, 's'
FROM versions v
CROSS JOIN LATERAL (
	SELECT pg_catalog.string_agg('s.' || pg_catalog.quote_ident(x.name), ', ') AS list
	FROM (SELECT f.value ->> 'name' AS name FROM pg_catalog.jsonb_array_elements(v.signature -> 'features') f
		UNION ALL SELECT v.signature -> 'target' ->> 'name' WHERE v.signature ? 'target') x) f
UNION ALL
SELECT NULL, 'monitor', m.monitor, 'SELECT ' || coalesce(c.list, 's.*'), m.source, 's'
FROM medallion.monitors m
CROSS JOIN LATERAL (SELECT pg_catalog.string_agg('s.' || pg_catalog.quote_ident(x), ', ') AS list FROM pg_catalog.unnest(m.columns) x
	WHERE x <> '(prediction)') c
UNION ALL
SELECT medallion._relation_named(p.object), NULL, NULL, 'SELECT ' || c.list, p.source, 's'
FROM (SELECT DISTINCT ON (a.object) a.object, a.model, a.version, a.detail ->> 'source' AS source
	FROM medallion.audit a WHERE a.action = 'predict_batch' ORDER BY a.object, a.at DESC) p
JOIN medallion.model_versions v ON v.model = p.model AND v.version = p.version
CROSS JOIN LATERAL (
	SELECT pg_catalog.string_agg('s.' || pg_catalog.quote_ident(x.value ->> 'name'), ', ') AS list
	FROM pg_catalog.jsonb_array_elements(v.signature -> 'features') x) f
CROSS JOIN LATERAL (
	SELECT pg_catalog.string_agg(pg_catalog.format('ROW(%s) AS %I', f.list, a.attname), ', ') AS list
	FROM pg_catalog.pg_attribute a WHERE a.attrelid = medallion._relation_named(p.object)
		AND a.attname IN ('prediction', 'probability', 'probabilities') AND NOT a.attisdropped) c
WHERE p.source IS NOT NULL;
COMMENT ON VIEW medallion._lineage_queries IS 'Queries, kept or made from records, that tell where columns come from; they are analysed, not run.';
GRANT SELECT ON medallion._lineage_records, medallion._lineage_queries TO PUBLIC;
