-- JSON lines.
\getenv dir PG_ABS_SRCDIR
\set root :dir /data/lake
\pset null '-'
CREATE SERVER lake_json FOREIGN DATA WRAPPER medallion_lake OPTIONS (type 'file', root :'root');

SELECT * FROM medallion.ingest('bronze.events', 'lake_json', 'json/events.jsonl', format => 'json_lines');
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'bronze.events'::regclass AND attnum > 0 ORDER BY attnum;
SET TimeZone = 'UTC';
SELECT id, kind, at, value, ok, tags, mix, extra, _row, _rescued FROM bronze.events ORDER BY id;
-- A key beyond the sample, but a column of the table: found all the same.
SELECT * FROM medallion.ingest('bronze.events', 'lake_json', 'json/events.jsonl', 'jsonl', '{"force": true, "sample_rows": 1}');
SELECT id, extra, _rescued FROM bronze.events WHERE id = 4 ORDER BY _batch;
DROP TABLE bronze.events;
-- A key beyond the sample that is no column is rescued.
SELECT * FROM medallion.ingest('bronze.events', 'lake_json', 'json/events.jsonl', 'jsonl', '{"sample_rows": 1}');
SELECT id, mix, _rescued FROM bronze.events ORDER BY id;
SELECT * FROM medallion.ingest('bronze.events', 'lake_json', 'json/packed.jsonl.gz', 'jsonl');
DROP TABLE bronze.events;
RESET TimeZone;

SELECT * FROM medallion.ingest('bronze.bad_events', 'lake_json', 'json/dirty.jsonl', 'jsonl', '{"sample_rows": 2}');
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'bronze.bad_events'::regclass AND attnum BETWEEN 1 AND 3 ORDER BY attnum;
SELECT _row, id, name, length(n::text) AS n, CASE WHEN length(_rescued::text) > 200 THEN jsonb_build_object('_reason', _rescued -> '_reason') ELSE _rescued END AS rescued
  FROM bronze.bad_events ORDER BY _row;
DROP TABLE bronze.bad_events;

-- Into a table of one's own: what fits is taken, whatever its JSON type.
CREATE TABLE bronze.own_events (n serial, id text, kind varchar, at date, value double precision, ok int, tags jsonb, mix numeric,
  _source text, _row bigint, _batch bigint, _ingested_at timestamptz, _rescued jsonb);
SELECT * FROM medallion.ingest('bronze.own_events', 'lake_json', 'json/events.jsonl', 'jsonl', '{"schema_evolution": "rescue"}');
SELECT n, id, kind, at, value, ok, tags, mix, _rescued FROM bronze.own_events ORDER BY id;
DROP TABLE bronze.own_events;

CREATE TABLE bronze.as_json (kind json, tags json, value json, ok json, id text,
  _source text, _row bigint, _batch bigint, _ingested_at timestamptz, _rescued jsonb);
SELECT * FROM medallion.ingest('bronze.as_json', 'lake_json', 'json/events.jsonl', 'jsonl', '{"schema_evolution": "rescue"}');
SELECT id, kind, tags, value, ok FROM bronze.as_json ORDER BY id;
DROP TABLE bronze.as_json;

-- CSV options are not those of JSON.
SELECT * FROM medallion.ingest('bronze.x', 'lake_json', 'json/events.jsonl', 'jsonl', '{"delimiter": ";"}');
DROP SERVER lake_json;
