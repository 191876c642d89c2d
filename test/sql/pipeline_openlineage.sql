-- OpenLineage: the events are what its JSON schema says, and say what lineage says.
SET client_min_messages = warning;
SET timezone = 'UTC';
\pset null '*'
\getenv dir PG_ABS_SRCDIR
\set schema_file :dir /data/openlineage/schema.json
\set schema_text `cat :schema_file`
CREATE SCHEMA lin;
CREATE SCHEMA "Mart";
CREATE FUNCTION lin.schema_text() RETURNS jsonb LANGUAGE sql IMMUTABLE RETURN :'schema_text'::jsonb;

-- A validator of JSON Schema: the keywords that the schema uses.  A row per violation.
CREATE FUNCTION lin.violations(node jsonb, schema jsonb, path text DEFAULT '$') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE kind text := jsonb_typeof(node); part record; unknown text;
BEGIN
  SELECT key INTO unknown FROM jsonb_object_keys(schema) key
  WHERE key <> ALL ('{$ref,type,properties,required,items,additionalProperties,allOf,not,enum,format}');
  IF unknown IS NOT NULL THEN RAISE 'keyword % is not implemented', unknown; END IF;
  IF schema ? '$ref' THEN
    RETURN QUERY SELECT lin.violations(node, lin.schema_text() #> string_to_array(substr(schema ->> '$ref', 3), '/'), path);
  END IF;
  IF schema ? 'type' AND schema ->> 'type' <> (CASE WHEN kind = 'number' AND node::numeric % 1 = 0 THEN 'integer' ELSE kind END) THEN
    RETURN NEXT format('%s is %s, not %s', path, kind, schema ->> 'type');
    RETURN;
  END IF;
  IF schema ? 'enum' AND NOT schema -> 'enum' @> node THEN RETURN NEXT format('%s is %s', path, node); END IF;
  IF schema ->> 'format' = 'uri' AND node #>> '{}' !~ '^[a-z][a-z0-9+.-]*:[^\s<>"{}|\\^`]+$' THEN RETURN NEXT format('%s is no URI: %s', path, node); END IF;
  IF schema ->> 'format' = 'date-time' AND node #>> '{}' !~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$' THEN RETURN NEXT format('%s is no time: %s', path, node); END IF;
  IF schema ->> 'format' = 'uuid' AND node #>> '{}' !~ '^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' THEN RETURN NEXT format('%s is no UUID: %s', path, node); END IF;
  FOR part IN SELECT value FROM jsonb_array_elements(schema -> 'allOf') LOOP RETURN QUERY SELECT lin.violations(node, part.value, path); END LOOP;
  IF schema ? 'not' AND NOT EXISTS (SELECT lin.violations(node, schema -> 'not', path)) THEN RETURN NEXT path || ' is what it must not be'; END IF;
  IF kind = 'object' THEN
    FOR part IN SELECT key FROM jsonb_array_elements_text(schema -> 'required') key WHERE NOT node ? key LOOP RETURN NEXT format('%s lacks %s', path, part.key); END LOOP;
    FOR part IN SELECT n.key, n.value, coalesce(schema -> 'properties' -> n.key, schema -> 'additionalProperties') AS rule FROM jsonb_each(node) n LOOP
      IF jsonb_typeof(part.rule) = 'object' THEN RETURN QUERY SELECT lin.violations(part.value, part.rule, path || '.' || part.key); END IF;
    END LOOP;
  ELSIF kind = 'array' AND schema ? 'items' THEN
    FOR part IN SELECT value, ordinality FROM jsonb_array_elements(node) WITH ORDINALITY LOOP
      RETURN QUERY SELECT lin.violations(part.value, schema -> 'items', path || '[' || part.ordinality || ']');
    END LOOP;
  END IF;
END $$;
-- It finds what is wrong.
SELECT v FROM (VALUES ('{}'::jsonb), ('{"eventTime": "yesterday", "producer": "me", "schemaURL": "https://x/y", "run": {}, "job": {"namespace": 1, "name": "a"}, "outputs": [{"name": "x"}]}'),
  ('{"eventTime": "2026-01-01T00:00:00Z", "producer": "a:b", "schemaURL": "a:b", "job": {"namespace": "n", "name": "a", "facets": {"sql": {"_producer": "a:b"}, "own": {}}}}')) e (event),
  lin.violations(event, '{"$ref": "#/$defs/JobEvent"}') v;

CREATE SERVER lin_files FOREIGN DATA WRAPPER medallion_lake OPTIONS (type 'file', root :'dir');
SELECT files FROM medallion.ingest('lin.orders', 'lin_files', 'data/lake/orders/2024-02.csv');
COMMENT ON TABLE lin.orders IS 'What was ordered: "all" of it';
COMMENT ON COLUMN lin.orders.amount IS 'in cents';
CREATE VIEW lin.paid AS SELECT order_id, customer, amount FROM lin.orders WHERE amount IS NOT NULL;
SELECT target FROM medallion.define('"Mart"."Totals ä"', 'SELECT customer, sum(amount) AS "Total", max(amount) + sum(amount) AS both, count(DISTINCT order_id) AS n FROM lin.paid GROUP BY customer', '{customer}');
CREATE MATERIALIZED VIEW "Mart".best AS SELECT customer, CASE WHEN n > 3 THEN "Total" END AS t FROM "Mart"."Totals ä" ORDER BY "Total" DESC;
CREATE TABLE lin.alone (id int);

CREATE TEMP TABLE events AS SELECT event, row_number() OVER () AS n FROM medallion.openlineage('"Mart".best', namespace => 'postgres://warehouse:5432');
SELECT count(*) FROM events;
SELECT v.* FROM events, lin.violations(event, jsonb_build_object('$ref', '#/$defs/' || substring(event ->> 'schemaURL' from '[^/]*$'))) v;
-- Jobs, in an order in which sources come first.
CREATE FUNCTION lin.short(name text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT regexp_replace(regexp_replace(name, '^/.*/', '…/'), '^[^.…]*\.', 'db.') $$;
SELECT event -> 'job' ->> 'namespace' AS namespace, lin.short(event -> 'job' ->> 'name') AS job, event #>> '{job,facets,jobType,jobType}' AS type,
  (SELECT string_agg(CASE WHEN i ->> 'namespace' = 'file' THEN 'file ' ELSE '' END || lin.short(i ->> 'name'), ', ') FROM jsonb_array_elements(event -> 'inputs') i) AS inputs,
  event #>> '{dataset,namespace}' AS dataset FROM events ORDER BY n;
SELECT regexp_replace(event #>> '{job,facets,sql,query}', '\s+', ' ', 'g') AS query FROM events WHERE event #>> '{job,facets,sql,query}' IS NOT NULL ORDER BY n;
-- Datasets.
SELECT lin.short(o ->> 'name') AS name, k AS facet, replace((v - '_producer' - '_schemaURL' - 'fields' - 'dataset')::text, 'role:' || current_user, 'role:me') AS facet_says FROM events, jsonb_array_elements(event -> 'outputs') o, jsonb_each(o -> 'facets') f (k, v)
WHERE k NOT IN ('columnLineage') ORDER BY n, k;
SELECT f.* FROM events, jsonb_path_query(event, '$.outputs.facets.schema.fields[*]') f WHERE event #>> '{job,name}' LIKE '%lin.orders' AND f ->> 'name' !~ '^_';
-- Columns.
SELECT c.key AS output, i ->> 'field' AS input, t.value - 'masking' AS transformation, t.value -> 'masking' AS masking FROM events, jsonb_each(event #> '{outputs,0,facets,columnLineage,fields}') c,
  jsonb_array_elements(c.value -> 'inputFields') i, jsonb_array_elements(i -> 'transformations') t WHERE event #>> '{job,name}' LIKE '%Mart.%' ORDER BY n, 1, 2, 3;
SELECT lin.short(event #>> '{job,name}') AS job, lin.short(i ->> 'name') AS input, i ->> 'field' AS field, i -> 'transformations' -> 0 ->> 'subtype' AS subtype FROM events, jsonb_array_elements(event #> '{outputs,0,facets,columnLineage,dataset}') i ORDER BY n, 2, 3;

-- Parts and all; what is known of nothing is a dataset of its own.
SELECT lin.short(coalesce(event #>> '{job,name}', event #>> '{dataset,name}')) AS name FROM medallion.openlineage('"Mart"."Totals ä"', 'both', 1);
SELECT lin.short(event #>> '{dataset,name}') AS name, event #>> '{dataset,facets,schema,fields,0,name}' AS field FROM medallion.openlineage('lin.alone');
SELECT count(*) FROM medallion.openlineage() WHERE coalesce(event #>> '{job,name}', event #>> '{dataset,name}') ~ '\.(lin|Mart)\.';
SELECT DISTINCT event ->> 'producer' AS producer, (event ->> 'eventTime')::timestamptz = now() AS now, event #>> '{dataset,namespace}' ~ '^postgres://[^:/]+:\d+$' AS namespace FROM medallion.openlineage('lin.alone');

-- Runs: each refresh is one, what the rules found another.
SELECT medallion.expect('"Mart"."Totals ä"', 'few', 'n < 2'), medallion.expect('"Mart"."Totals ä"', 'all', '"Total" IS NOT NULL', 'fail');
SELECT target, mode FROM medallion.refresh('"Mart"."Totals ä"');
CREATE TEMP TABLE runs AS SELECT event, row_number() OVER () AS n FROM medallion.openlineage_runs('"Mart"."Totals ä"', namespace => 'postgres://warehouse:5432');
SELECT v.* FROM runs, lin.violations(event, '{"$ref": "#/$defs/RunEvent"}') v;
SELECT event ->> 'eventType' AS type, lin.short(event #>> '{job,name}') AS job, event #>> '{job,facets,jobType,jobType}' AS kind, (SELECT string_agg(lin.short(i ->> 'name'), ', ') FROM jsonb_array_elements(event -> 'inputs') i) AS inputs,
  (SELECT string_agg(lin.short(o ->> 'name'), ', ') FROM jsonb_array_elements(event -> 'outputs') o) AS outputs, event #>> '{outputs,0,outputFacets,outputStatistics,rowCount}' AS rows FROM runs ORDER BY n;
SELECT a FROM runs, jsonb_path_query(event, '$.inputs.inputFacets.dataQualityAssertions.assertions[*]') a;
SELECT count(DISTINCT event #>> '{run,runId}') AS runs, count(DISTINCT event #>> '{run,facets,parent,run,runId}') AS parents, bool_and((event #> '{inputs,0,facets,version,datasetVersion}') IS NOT NULL) FILTER (WHERE event #>> '{job,facets,jobType,jobType}' = 'REFRESH') AS versions FROM runs;
SELECT event = (SELECT event FROM runs WHERE n = 1) AS same FROM medallion.openlineage_runs('"Mart"."Totals ä"', namespace => 'postgres://warehouse:5432') LIMIT 1;
SELECT count(*) FROM medallion.openlineage_runs('"Mart"."Totals ä"', since => clock_timestamp());
DROP TABLE runs;
-- Errors.
SELECT medallion.openlineage_runs('lin.nothing');
SELECT medallion.openlineage_runs(namespace => 'here');
SELECT medallion.openlineage('lin.nothing');
SELECT medallion.openlineage('lin.alone', 'sideways');
SELECT medallion.openlineage('lin.alone', depth => 0);
SELECT medallion.openlineage('lin.alone', namespace => 'here');

DROP TABLE events;
DROP SCHEMA lin, "Mart" CASCADE;
DROP SERVER lin_files CASCADE;
