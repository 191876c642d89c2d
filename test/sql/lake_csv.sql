-- CSV: quotes, line ends, headers, encodings, gzip, types, and rows that are no CSV.
\getenv dir PG_ABS_SRCDIR
\set root :dir /data/lake
\pset null '-'
-- Runs a statement; returns its error without the directory of the files.
CREATE FUNCTION lake_error(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE state text; message text; hint text; context text;
BEGIN
  EXECUTE statement;
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
  RETURN regexp_replace(concat_ws(E'\n', state || ': ' || message, nullif('hint: ' || hint, 'hint: '),
    substring(context from 'loading [^\n]*')), 'file:///[^"]*/', '', 'g');
END $$;

CREATE SERVER lake_csv FOREIGN DATA WRAPPER medallion_lake OPTIONS (type 'file', root :'root');

SELECT * FROM medallion.ingest('bronze.rfc', 'lake_csv', 'csv/rfc4180.csv');
SELECT id, text, text IS NULL AS is_null, "quoted, name", _row, _rescued FROM bronze.rfc ORDER BY _row;
DROP TABLE bronze.rfc;

-- Dirty rows are kept: what does not fit by column, what is no row as it stands.
SELECT * FROM medallion.ingest('bronze.dirty', 'lake_csv', 'csv/dirty.csv', options => '{"sample_rows": 2}');
SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a WHERE attrelid = 'bronze.dirty'::regclass AND attnum BETWEEN 1 AND 5 ORDER BY attnum;
SELECT _row, id, name, amount, day, ok, _rescued FROM bronze.dirty ORDER BY _row;
SELECT count(*), count(_rescued) FROM bronze.dirty;
DROP TABLE bronze.dirty;

-- Header names: trimmed, filled in, made unique, shortened, kept apart from our own and the system's.
SELECT * FROM medallion.ingest('bronze.headers', 'lake_csv', 'csv/headers.csv');
SELECT attname FROM pg_attribute WHERE attrelid = 'bronze.headers'::regclass AND attnum > 0 ORDER BY attnum;
DROP TABLE bronze.headers;
SELECT * FROM medallion.ingest('bronze.plain', 'lake_csv', 'csv/noheader.csv', options => '{"header": false}');
SELECT * FROM medallion.ingest('bronze.plain', 'lake_csv', 'csv/noheader.csv', options => '{"header": false, "columns": ["column_1", "name"], "force": true}');
SELECT column_1, column_2, column_3, name, _row, _rescued FROM bronze.plain ORDER BY _batch, _row;
DROP TABLE bronze.plain;
SELECT * FROM medallion.ingest('bronze.semi', 'lake_csv', 'csv/semicolon.csv',
  options => '{"delimiter": ";", "quote": "''", "escape": "\\", "null": ["-", "N/A"], "types": {"id": "smallint", "price": "varchar(3)"}}');
SELECT id, price, note, _rescued FROM bronze.semi ORDER BY _row;
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'bronze.semi'::regclass AND attnum IN (1, 2) ORDER BY attnum;
DROP TABLE bronze.semi;

-- Small files.
SELECT lake_error($$SELECT medallion.ingest('bronze.small', 'lake_csv', 'csv/empty.csv')$$);
SELECT lake_error($$SELECT medallion.ingest('bronze.small', 'lake_csv', 'csv/blank.csv')$$);
SELECT * FROM medallion.ingest('bronze.small', 'lake_csv', 'csv/header_only.csv');
SELECT * FROM medallion.ingest('bronze.small', 'lake_csv', 'csv/empty.csv');
SELECT * FROM medallion.ingest('bronze.small', 'lake_csv', 'csv/bom.csv');
SELECT id, name, pg_typeof(id), _row FROM bronze.small;
DROP TABLE bronze.small;
SELECT * FROM medallion.ingest('bronze.small', 'lake_csv', 'csv/one_column.csv');
SELECT name, name IS NULL AS is_null, _row FROM bronze.small ORDER BY _row;
DROP TABLE bronze.small;

-- Encodings: what has no counterpart is rescued as it was.
SELECT * FROM medallion.ingest('bronze.latin', 'lake_csv', 'csv/latin1.csv', options => '{"encoding": "LATIN1"}');
SELECT id, name FROM bronze.latin ORDER BY id;
SELECT * FROM medallion.ingest('bronze.latin', 'lake_csv', 'csv/sjis.csv', options => '{"encoding": "SJIS"}');
SELECT * FROM medallion.ingest('bronze.latin', 'lake_csv', 'csv/latin1.csv', options => '{"force": true}');
SELECT id, name, _rescued FROM bronze.latin ORDER BY _batch, _row;
SELECT * FROM medallion.ingest('bronze.win', 'lake_csv', 'csv/win1252.csv', options => '{"encoding": "WIN1252"}');
SELECT id, price, _rescued FROM bronze.win ORDER BY _row;
SELECT lake_error(format('SELECT medallion.ingest(''bronze.win'', ''lake_csv'', %L)', file))
  FROM unnest(ARRAY['csv/utf16.csv', 'csv/bad_header_bytes.csv', 'csv/bad_header.csv', 'csv/wide.csv']) AS file;
DROP TABLE bronze.latin, bronze.win;

-- gzip is known by its content.
SELECT * FROM medallion.ingest('bronze.gz', 'lake_csv', 'gzip/*.csv*');
SELECT regexp_replace(_source, '^.*/', '') AS file, count(*), min(name), max(id), count(_rescued) FROM bronze.gz GROUP BY 1 ORDER BY 1;
DROP TABLE bronze.gz;
SELECT lake_error(format('SELECT medallion.ingest(''bronze.gz'', ''lake_csv'', %L)', 'gzip/bad/' || file || '.csv.gz'))
  FROM unnest(ARRAY['truncated', 'corrupt', 'checksum', 'garbage']) AS file;

-- Inferred types hold every value seen exactly.
SELECT * FROM medallion.ingest('bronze.types', 'lake_csv', 'csv/types.csv');
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'bronze.types'::regclass AND attnum BETWEEN 1 AND 18 ORDER BY attnum;
SET TimeZone = 'UTC';
SELECT key, max(value) FILTER (WHERE _row = 1) AS first, max(value) FILTER (WHERE _row = 2) AS second
  FROM (SELECT (jsonb_each_text(to_jsonb(t) - '_source' - '_batch' - '_ingested_at')).*, _row FROM bronze.types t) v
 GROUP BY key ORDER BY key COLLATE "C";
RESET TimeZone;
DROP TABLE bronze.types;

-- Rows that are too long, and quotes that never close: only the first line is lost to the quote.
SELECT * FROM medallion.ingest('bronze.long', 'lake_csv', 'csv/open_quote.csv');
SELECT count(*), count(id), min(id), max(id), min(_rescued::text) FROM bronze.long;
SELECT * FROM medallion.ingest('bronze.long', 'lake_csv', 'csv/open_quote.csv', options => '{"force": true, "max_row_bytes": 1024}');
SELECT count(*), count(id) FROM bronze.long;
DROP TABLE bronze.long;
SELECT rows FROM medallion.ingest('bronze.long', 'lake_csv', 'csv/long_row.csv');
DROP TABLE bronze.long;
SELECT lake_error($$SELECT medallion.ingest('bronze.long', 'lake_csv', 'csv/long_row.csv', options => '{"max_row_bytes": 1024}')$$);
DROP SERVER lake_csv;
DROP FUNCTION lake_error;
