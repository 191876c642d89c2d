-- Files of a lake server into a bronze table, each exactly once.
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

CREATE SERVER lake_files FOREIGN DATA WRAPPER medallion_lake OPTIONS (type 'file', root :'root');

-- A table is made from the files: two months, one packed, one with CRLF.
SELECT * FROM medallion.ingest('bronze.lake_orders', 'lake_files', 'orders/2024-0[12].csv*');
SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attrelid = 'bronze.lake_orders'::regclass AND attnum > 0 ORDER BY attnum;
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'bronze.lake_orders'::regclass;
SELECT order_id, customer, amount, ordered_on, regexp_replace(_source, '^.*/', '') AS source, _row, _rescued,
       _batch - min(_batch) OVER () AS batch, _ingested_at = now() AS now
  FROM bronze.lake_orders ORDER BY order_id;
SELECT bool_and(starts_with(_source, 'file:///')) FROM bronze.lake_orders;

-- It is versioned from birth.
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'bronze.lake_orders'::regclass AND tgname = 'medallion_capture_insert';

-- Nothing is loaded twice.
SELECT * FROM medallion.ingest('bronze.lake_orders', 'lake_files', 'orders/2024-0[12].csv*');
-- A later file has its columns in another order, and one more, which is added.
SELECT * FROM medallion.ingest('bronze.lake_orders', 'lake_files', 'orders/*.csv*');
SELECT order_id, customer, amount, ordered_on, channel, _row FROM bronze.lake_orders ORDER BY order_id;
SELECT target, regexp_replace(uri, '^.*/', '') AS file, batch - min(batch) OVER () AS batch, format, bytes, rows, rescued, server
  FROM medallion.ingested_files WHERE target = 'bronze.lake_orders'::regclass ORDER BY batch;

-- force loads again, as a new batch.
SELECT * FROM medallion.ingest('bronze.lake_orders', 'lake_files', 'orders/2024-01.csv.gz', options => '{"force": true}');
SELECT order_id, count(*), count(DISTINCT _batch) FROM bronze.lake_orders WHERE order_id < 4 GROUP BY 1 ORDER BY 1;

-- What was rolled back was not loaded.
BEGIN;
SELECT * FROM medallion.ingest('bronze.lake_again', 'lake_files', 'orders/*.csv*');
SELECT files, rows, skipped_files FROM medallion.ingest('bronze.lake_again', 'lake_files', 'orders/*.csv*');
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT files, rows, skipped_files FROM medallion.ingest('bronze.lake_again', 'lake_files', 'orders/*.csv*');
ROLLBACK TO s;
SELECT files, rows, skipped_files FROM medallion.ingest('bronze.lake_again', 'lake_files', 'orders/*.csv*');
COMMIT;
SELECT count(*) FROM bronze.lake_again;
-- Another table has files of its own, and a table made anew forgets those of the old one.
DROP TABLE bronze.lake_again;
SELECT files, rows, skipped_files FROM medallion.ingest('bronze.lake_again', 'lake_files', 'orders/*.csv*');
-- A renamed table keeps its files.
ALTER TABLE bronze.lake_again RENAME TO lake_renamed;
SELECT files, rows, skipped_files FROM medallion.ingest('bronze.lake_renamed', 'lake_files', 'orders/*.csv*');
DROP TABLE bronze.lake_renamed;

-- All files of a call, or none: the second of these is damaged.
SELECT lake_error($$SELECT * FROM medallion.ingest('bronze.lake_half', 'lake_files', 'gzip/**/*[dn].csv*')$$);
SELECT to_regclass('bronze.lake_half');

-- schema_evolution.
SELECT files, rows, rescued FROM medallion.ingest('bronze.lake_narrow', 'lake_files', 'orders/2024-02.csv');
SELECT lake_error($$SELECT medallion.ingest('bronze.lake_narrow', 'lake_files', 'orders/2024-03.csv', options => '{"schema_evolution": "fail"}')$$);
SELECT * FROM medallion.ingest('bronze.lake_narrow', 'lake_files', 'orders/2024-03.csv', options => '{"schema_evolution": "rescue"}');
SELECT order_id, customer, ordered_on, _rescued FROM bronze.lake_narrow ORDER BY order_id;

-- The ledger of another time: the table names its files itself.
BEGIN;
DELETE FROM medallion._ingested_files WHERE target = 'bronze.lake_narrow'::regclass;
SELECT regexp_replace(lake_error($$SELECT medallion.ingest('bronze.lake_narrow', 'lake_files', 'orders/2024-0[23].csv')$$), 'batch \d+', 'batch N');
SELECT * FROM medallion.ingest('bronze.lake_narrow', 'lake_files', 'orders/2024-0[123].csv*', options => '{"adopt": true}');
SELECT regexp_replace(uri, '^.*/', '') AS file, etag IS NULL AS any_etag, format, bytes, rows, rescued
  FROM medallion.ingested_files WHERE target = 'bronze.lake_narrow'::regclass ORDER BY batch;
ROLLBACK;
-- A sequence that starts again gives no number twice.
BEGIN;
SELECT setval('medallion._batch_seq', 1, false);
SELECT files, rows FROM medallion.ingest('bronze.lake_narrow', 'lake_files', 'orders/2024-01.csv.gz');
SELECT count(DISTINCT _batch) FROM bronze.lake_narrow;
ROLLBACK;

-- Patterns.
CREATE FUNCTION lake_found(pattern text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE found text;
BEGIN
  PERFORM medallion.ingest('bronze.lake_tree', 'lake_files', pattern, options => '{"force": true}');
  SELECT string_agg(name, ', ' ORDER BY name COLLATE "C") INTO found FROM bronze.lake_tree;
  DROP TABLE bronze.lake_tree;
  RETURN found;
EXCEPTION WHEN undefined_file THEN RETURN 'none';
END $$;
SELECT pattern, lake_found(pattern) FROM unnest(ARRAY[
  'tree/1.csv', 'tree/*.csv', 'tree/?.csv', 'tree/[0-9].csv', 'tree/[!0-9].csv', 'tree/\[x\].csv', 'tree/with space.csv',
  'tree/*/*.csv', 'tree/a/*.[cC][sS][vV]', 'tree/**/*.csv', 'tree/**/b/**', 'tree/a/b/**', '**/[34].csv', 'tree/.hidden/*', 'tree/.*/*.csv',
  './tree//a/./2.csv', 'tree/*', 'nothing/*', 'tree/*x*.csv', 'tree/**/**/4.csv']) WITH ORDINALITY AS p (pattern, n) ORDER BY n;
DROP FUNCTION lake_found;

-- Progress ends with the call.
SELECT count(*) FROM medallion.progress WHERE kind = 'ingest';

DROP TABLE bronze.lake_orders, bronze.lake_narrow;
SELECT count(*) FROM medallion.ingested_files;
DROP SERVER lake_files;
DROP FUNCTION lake_error;
