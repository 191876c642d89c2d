-- Debezium events: snapshot, insert, update, delete, truncate, tombstones, out of order, repeated, TOAST, partial before-images,
-- changed keys, transaction metadata; with the schema around and without, and flattened.
SET client_min_messages = warning;
CREATE TABLE silver.customers (id int PRIMARY KEY, name text, photo bytea, tags text[], doc jsonb, price numeric(8,2), born date, seen timestamptz);
CREATE TABLE bronze.cdc (n bigserial, payload jsonb);
ALTER TABLE bronze.cdc ADD PRIMARY KEY (n);
SELECT medallion.enable_versioning('bronze.cdc');

-- A snapshot, then the log; lsn orders.  19723 days are 2024-01-01; AZo= is 4.10 at scale 2.
INSERT INTO bronze.cdc (payload) VALUES
('{"before": null, "after": {"id": 1, "name": "Sally", "photo": "3q2+7w==", "tags": ["a", "b"], "doc": "{\"k\": 1}", "price": "AZo=", "born": 19723, "seen": "2024-01-01T10:00:00Z"},
   "source": {"version": "2.5.0.Final", "connector": "postgresql", "name": "crm", "ts_ms": 1704103200000, "snapshot": "true", "db": "crm", "schema": "public", "table": "customers", "txId": 555, "lsn": 100}, "op": "r", "ts_ms": 1704103200100, "transaction": null}'),
('{"before": null, "after": {"id": 2, "name": "George", "photo": null, "tags": null, "doc": null, "price": null, "born": null, "seen": null}, "source": {"schema": "public", "table": "customers", "lsn": 100, "snapshot": "last"}, "op": "r"}'),
('{"before": null, "after": {"id": 3, "name": "Ed", "photo": "", "tags": [], "doc": "[]", "price": "AA==", "born": 0, "seen": "1969-12-31T23:59:59.5Z"}, "source": {"schema": "public", "table": "customers", "lsn": 110}, "op": "c"}'),
('{"before": {"id": 2}, "after": {"id": 2, "name": "Georgia", "photo": null, "tags": ["x", null], "doc": null, "price": "/5w=", "born": -1, "seen": null}, "source": {"schema": "public", "table": "customers", "lsn": 120}, "op": "u"}'),
('{"before": {"id": 3}, "after": null, "source": {"schema": "public", "table": "customers", "lsn": 130}, "op": "d"}'),
(NULL), ('null'),
('{"status": "BEGIN", "id": "571:53195829", "event_count": null, "data_collections": null, "ts_ms": 1486500577125}'),
('{"status": "END", "id": "571:53195832", "event_count": 2, "data_collections": [{"data_collection": "s1.a", "event_count": 1}], "ts_ms": 1486500577125}'),
('{"ts_ms": 1704103200100}'),
('{"op": "m", "ts_ms": 1, "source": {"lsn": 131}, "message": {"prefix": "p", "content": "eA=="}}'),
('{"before": null, "after": {"id": 9, "what": "other table"}, "source": {"schema": "public", "table": "orders", "lsn": 140}, "op": "c"}');
SELECT mode, events, inserted, updated, deleted, skipped, repeated, late, unresolved, quarantined
FROM medallion.apply_changes('silver.customers', 'bronze.cdc', '{id}', format => 'debezium', source_table => 'public.customers', on_invalid => 'quarantine');
SET timezone = 'UTC';
SET datestyle = 'ISO';
TABLE silver.customers ORDER BY id;

-- TOAST: the placeholder as text, as base64 of bytes, as the only element of an array; the values stay.
INSERT INTO bronze.cdc (payload) VALUES
('{"before": {"id": 1}, "after": {"id": 1, "name": "__debezium_unavailable_value", "photo": "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==", "tags": ["__debezium_unavailable_value"], "doc": "__debezium_unavailable_value", "price": "AfQ=", "born": 19724, "seen": null}, "source": {"schema": "public", "table": "customers", "lsn": 200}, "op": "u"}');
SELECT events, updated, unresolved FROM medallion.apply_changes('silver.customers');
SELECT * FROM silver.customers WHERE id = 1;

-- TOAST of a row no event told of yet: NULL until one does, which may come late; said so.
INSERT INTO bronze.cdc (payload) VALUES
('{"before": null, "after": {"id": 4, "name": "__debezium_unavailable_value", "photo": null, "tags": null, "doc": null, "price": null, "born": null, "seen": null}, "source": {"schema": "public", "table": "customers", "lsn": 210}, "op": "u"}');
SELECT events, inserted, unresolved FROM medallion.apply_changes('silver.customers');
SELECT id, name FROM silver.customers WHERE id = 4;
INSERT INTO bronze.cdc (payload) VALUES
('{"before": null, "after": {"id": 4, "name": "Anne", "photo": "AQ==", "tags": ["old"], "doc": null, "price": null, "born": 1, "seen": null}, "source": {"schema": "public", "table": "customers", "lsn": 205}, "op": "c"}');
SELECT events, updated, late, unresolved FROM medallion.apply_changes('silver.customers');
SELECT id, name, photo, tags, born FROM silver.customers WHERE id = 4;

-- REPLICA IDENTITY FULL: the image before has what the one after leaves out.
INSERT INTO bronze.cdc (payload) VALUES
('{"before": {"id": 5, "name": "long name"}, "after": {"id": 5, "name": "__debezium_unavailable_value"}, "source": {"schema": "public", "table": "customers", "lsn": 220}, "op": "u"}');
SELECT events, inserted, unresolved FROM medallion.apply_changes('silver.customers');
SELECT id, name FROM silver.customers WHERE id = 5;

-- A changed key: the connector sends a delete and an insert; one that sends an update with the old key comes to the same.
INSERT INTO bronze.cdc (payload) VALUES
('{"before": {"id": 5}, "after": null, "source": {"schema": "public", "table": "customers", "lsn": 230}, "op": "d"}'), (NULL),
('{"before": null, "after": {"id": 6, "name": "six"}, "source": {"schema": "public", "table": "customers", "lsn": 230}, "op": "c"}'),
('{"before": {"id": 6, "name": null}, "after": {"id": 7, "name": "seven"}, "source": {"schema": "public", "table": "customers", "lsn": 240}, "op": "u"}');
SELECT events, inserted, updated, deleted, skipped FROM medallion.apply_changes('silver.customers');
SELECT id, name FROM silver.customers ORDER BY id;

-- The whole stream again, and backwards: nothing changes.
INSERT INTO bronze.cdc (payload) SELECT payload FROM bronze.cdc ORDER BY n DESC;
SELECT events, inserted, updated, deleted, skipped, repeated + late > 0 AS known FROM medallion.apply_changes('silver.customers');
SELECT id, name FROM silver.customers ORDER BY id;

-- A snapshot that is taken again does not undo what the log told at the same position or later.
INSERT INTO bronze.cdc (payload) VALUES
('{"before": null, "after": {"id": 7, "name": "stale"}, "source": {"schema": "public", "table": "customers", "lsn": 240, "snapshot": "incremental"}, "op": "r"}'),
('{"before": null, "after": {"id": 3, "name": "stale"}, "source": {"schema": "public", "table": "customers", "lsn": 130, "snapshot": "incremental"}, "op": "r"}');
SELECT events, inserted, updated, deleted FROM medallion.apply_changes('silver.customers');

-- Invalid events are set aside with the reason; the others are applied.
INSERT INTO bronze.cdc (payload) VALUES
('{"before": null, "after": {"id": "eight", "name": "x"}, "source": {"schema": "public", "table": "customers", "lsn": 300}, "op": "c"}'),
('{"before": null, "after": {"name": "no key"}, "source": {"schema": "public", "table": "customers", "lsn": 301}, "op": "c"}'),
('{"before": null, "after": {"id": 8, "name": "no lsn"}, "source": {"schema": "public", "table": "customers"}, "op": "c"}'),
('{"before": null, "after": {"id": 8}, "source": {"schema": "public", "table": "customers", "lsn": 302}, "op": "z"}'),
('{"before": null, "after": null, "source": {"schema": "public", "table": "customers", "lsn": 303}, "op": "c"}'),
('{"before": null, "after": null, "source": {"schema": "public", "table": "customers", "lsn": 304}, "op": "d"}'),
('{"before": null, "after": {"id": 8, "price": "12.50"}, "source": {"schema": "public", "table": "customers", "lsn": 305}, "op": "c"}'),
('{"before": null, "after": {"id": 8, "born": 99999999999}, "source": {"schema": "public", "table": "customers", "lsn": 306}, "op": "c"}'),
('{"before": null, "after": {"id": null}, "source": {"schema": "public", "table": "customers", "lsn": 308}, "op": "c"}'),
('[1, 2]'), ('"text"'), ('{}'), ('{"op": "c", "after": 7, "source": {"lsn": 1}}'),
('{"before": null, "after": {"id": 10, "name": "good"}, "source": {"schema": "public", "table": "customers", "lsn": 310}, "op": "c"}');
SELECT events, inserted, updated, deleted, quarantined FROM medallion.apply_changes('silver.customers');
SELECT _reason, _event -> 'payload' -> 'source' ->> 'lsn' AS lsn, _event ? 'n' AS whole_row FROM silver.customers_quarantine ORDER BY _quarantine_id;
SELECT id, name FROM silver.customers WHERE id > 7;

-- What can be applied after a fix is, the rest stays aside.
ALTER TABLE silver.customers ALTER COLUMN price TYPE text;
SELECT medallion.apply_changes('silver.customers') IS NOT NULL;
SELECT mode, events, inserted, quarantined, reason FROM medallion.retry_changes('silver.customers');
SELECT count(*) FROM silver.customers_quarantine;

-- A field without a column stops all, by default; the table may be given one, or the answer be another one.
INSERT INTO bronze.cdc (payload) VALUES
('{"before": null, "after": {"id": 8, "phone": "123"}, "source": {"schema": "public", "table": "customers", "lsn": 307}, "op": "c"}');
SELECT events, inserted FROM medallion.apply_changes('silver.customers');
ALTER TABLE silver.customers ADD COLUMN phone text;
SELECT events, inserted FROM medallion.apply_changes('silver.customers');
INSERT INTO bronze.cdc (payload) VALUES
('{"before": null, "after": {"id": 8, "phone": "456", "fax": null, "fix": true}, "source": {"schema": "public", "table": "customers", "lsn": 309}, "op": "u"}');
SELECT events, updated FROM medallion.apply_changes('silver.customers', on_schema_change => 'append_columns');
SELECT id, phone, fix FROM silver.customers WHERE id = 8;
SELECT medallion.apply_changes('silver.customers', keys => '{name}');
SELECT medallion.apply_changes('silver.customers', scd_type => 2);

-- A truncate.
INSERT INTO bronze.cdc (payload) VALUES
('{"op": "t", "before": null, "after": null, "source": {"schema": "public", "table": "customers", "lsn": 400}}'),
('{"before": null, "after": {"id": 11, "name": "after"}, "source": {"schema": "public", "table": "customers", "lsn": 401}, "op": "c"}');
SELECT events, inserted, deleted FROM medallion.apply_changes('silver.customers');
SELECT id, name FROM silver.customers;
SELECT medallion.drop_flow('silver.customers', drop_table => true);
DROP TABLE bronze.cdc, silver.customers_quarantine;

-- With the schema around, the table is made from it and values are read as it says.
CREATE TABLE bronze.cdc (n serial, event text);
INSERT INTO bronze.cdc (event) VALUES ('{"schema": {"type": "struct", "name": "crm.public.t.Envelope", "fields": [
  {"field": "before", "type": "struct", "optional": true, "fields": [{"field": "id", "type": "int64"}]},
  {"field": "after", "type": "struct", "optional": true, "fields": [
    {"field": "id", "type": "int64", "optional": false},
    {"field": "d", "type": "int32", "name": "io.debezium.time.Date", "version": 1},
    {"field": "ts", "type": "int64", "name": "io.debezium.time.MicroTimestamp"},
    {"field": "tms", "type": "int64", "name": "io.debezium.time.Timestamp"},
    {"field": "tn", "type": "int64", "name": "io.debezium.time.NanoTimestamp"},
    {"field": "tz", "type": "string", "name": "io.debezium.time.ZonedTimestamp"},
    {"field": "tm", "type": "int64", "name": "io.debezium.time.MicroTime"},
    {"field": "iv", "type": "int64", "name": "io.debezium.time.MicroDuration"},
    {"field": "price", "type": "bytes", "name": "org.apache.kafka.connect.data.Decimal", "parameters": {"scale": "2", "connect.decimal.precision": "8"}},
    {"field": "vs", "type": "struct", "name": "io.debezium.data.VariableScaleDecimal", "fields": [{"field": "scale", "type": "int32"}, {"field": "value", "type": "bytes"}]},
    {"field": "b", "type": "bytes"}, {"field": "bits", "type": "bytes", "name": "io.debezium.data.Bits", "parameters": {"length": "10"}},
    {"field": "u", "type": "string", "name": "io.debezium.data.Uuid"}, {"field": "j", "type": "string", "name": "io.debezium.data.Json"},
    {"field": "arr", "type": "array", "items": {"type": "int32"}}, {"field": "ok", "type": "boolean"}, {"field": "f", "type": "double"},
    {"field": "pt", "type": "struct", "name": "io.debezium.data.geometry.Point", "fields": [{"field": "x", "type": "double"}, {"field": "y", "type": "double"}, {"field": "wkb", "type": "bytes"}, {"field": "srid", "type": "int32"}]}]},
  {"field": "source", "type": "struct", "fields": []}, {"field": "op", "type": "string"}]},
 "payload": {"before": null, "after": {"id": 1, "d": 19723, "ts": 1704103200123456, "tms": 1704103200123, "tn": -1, "tz": "2024-01-01T10:00:00.5Z", "tm": 3600000001, "iv": 90061000000,
    "price": "MDk=", "vs": {"scale": 3, "value": "AeJA"}, "b": "3q2+7w==", "bits": "AQI=", "u": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "j": "{\"a\": [1, null]}", "arr": [1, null, 3], "ok": true, "f": 1.5,
    "pt": {"x": 1, "y": -2.5, "wkb": "", "srid": null}}, "source": {"lsn": 7}, "op": "c"}}');
SELECT mode, inserted FROM medallion.apply_changes('silver.t', 'bronze.cdc', '{id}', format => 'debezium', payload => 'event');
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'silver.t'::regclass AND attnum > 0 ORDER BY attname COLLATE "C";
\x
SELECT id, d, ts, tms, tn, tz, tm, iv, price, vs, b, bits, u, j, arr, ok, f, pt FROM silver.t;
\x
SELECT medallion.drop_flow('silver.t', drop_table => true);
TRUNCATE bronze.cdc;

-- Flattened, as ExtractNewRecordState leaves it; versions of rows by the time of the source.
INSERT INTO bronze.cdc (event) VALUES
('{"id": 1, "v": "a", "__op": "c", "__lsn": 1, "__source_ts_ms": 1000, "__deleted": "false"}'),
('{"id": 1, "v": "b", "__op": "u", "__lsn": 2, "__source_ts_ms": 2000, "__deleted": "false"}'),
('{"id": 1, "v": null, "__op": "d", "__lsn": 4, "__source_ts_ms": 4000, "__deleted": "true"}'),
('{"id": 1, "v": "c", "__op": "u", "__lsn": 3, "__source_ts_ms": 3000, "__deleted": false}'),
('{"id": 1, "v": "d", "w": {"x": 1}, "__op": "c", "__lsn": 5, "__source_ts_ms": 5000, "__deleted": "false"}');
SELECT mode, events, inserted FROM medallion.apply_changes('silver.t', 'bronze.cdc', '{id}', format => 'debezium', payload => 'event', scd_type => 2,
	sequence_by => $$to_timestamp((event::jsonb ->> '__source_ts_ms')::float8 / 1000)$$);
SELECT * FROM silver.t ORDER BY "__START_AT";
-- A new field becomes a column: of the state too.
SELECT medallion.drop_flow('silver.t', drop_table => true);
SELECT mode, inserted FROM medallion.apply_changes('silver.t', 'bronze.cdc', '{id}', format => 'debezium', payload => 'event', scd_type => 2, column_list => '{v}');
SELECT * FROM silver.t ORDER BY "__START_AT";
SELECT medallion.drop_flow('silver.t', drop_table => true);
SELECT mode, inserted FROM medallion.apply_changes('silver.t', 'bronze.cdc', '{id}', format => 'debezium', payload => 'event', scd_type => 2, on_schema_change => 'append_columns');
INSERT INTO bronze.cdc (event) VALUES ('{"id": 1, "v": "e", "w": null, "size": 7, "__op": "u", "__lsn": 6}'), ('{"id": 2, "v": "e", "flag": null, "__op": "u", "__lsn": 7}');
SELECT inserted, updated FROM medallion.apply_changes('silver.t');
SELECT * FROM silver.t ORDER BY id, "__START_AT";
SELECT medallion.drop_flow('silver.t', drop_table => true);
-- Or it is rescued.
CREATE TABLE silver.t (id int PRIMARY KEY, v text);
SELECT mode, inserted FROM medallion.apply_changes('silver.t', 'bronze.cdc', '{id}', format => 'debezium', payload => 'event', on_schema_change => 'rescue');
TABLE silver.t ORDER BY id;
SELECT medallion.drop_flow('silver.t', drop_table => true);

-- A connector whose log has files and positions, not an lsn: sequence_by says how they order.
TRUNCATE bronze.cdc;
INSERT INTO bronze.cdc (event) VALUES
('{"op": "u", "before": {"id": 1}, "after": {"id": 1, "v": "third"}, "source": {"connector": "mysql", "db": "shop", "table": "t", "file": "bin.000010", "pos": 4, "row": 0}}'),
('{"op": "c", "before": null, "after": {"id": 1, "v": "first"}, "source": {"connector": "mysql", "db": "shop", "table": "t", "file": "bin.000009", "pos": 1000, "row": 0}}'), (NULL),
('{"op": "u", "before": {"id": 1}, "after": {"id": 1, "v": "second"}, "source": {"connector": "mysql", "db": "shop", "table": "t", "file": "bin.000009", "pos": 1000, "row": 1}}'),
('{"op": "c", "before": null, "after": {"id": 1, "v": "elsewhere"}, "source": {"connector": "mysql", "db": "other", "table": "t", "file": "bin.000011", "pos": 1, "row": 0}}');
SELECT events, inserted, skipped FROM medallion.apply_changes('silver.t', 'bronze.cdc', '{id}', format => 'debezium', payload => 'event', source_table => 'shop.t', scd_type => 2,
	sequence_by => $$(event::json #>> '{source,file}') || lpad(event::json #>> '{source,pos}', 20, '0') || lpad(event::json #>> '{source,row}', 10, '0')$$);
SELECT * FROM silver.t ORDER BY "__START_AT";
SELECT medallion.drop_flow('silver.t', drop_table => true);

-- Fields that cannot be columns make an event invalid, unless they are not wanted.
CREATE TABLE silver.t (id int PRIMARY KEY, v text);
TRUNCATE bronze.cdc;
INSERT INTO bronze.cdc (event) VALUES ('{"id": 1, "v": "a", "": 1, "__lsn": 1}'), ('{"id": 2, "v": "a", "ctid": 1, "__lsn": 1}'), ('{"id": 3, "v": "a", "' || repeat('x', 64) || '": 1, "__lsn": 1}'),
	('{"op": "c", "after": {"id": 4, "v": "a", "__START_AT": 1}, "source": {"lsn": 1}}'), ('{"id": 5, "v": "b", "__lsn": 1}');
SELECT inserted, quarantined FROM medallion.apply_changes('silver.t', 'bronze.cdc', '{id}', format => 'debezium', payload => 'event', on_schema_change => 'append_columns', on_invalid => 'quarantine');
SELECT _reason FROM silver.t_quarantine ORDER BY _quarantine_id;
SELECT events, inserted, quarantined FROM medallion.apply_changes('silver.t', on_schema_change => 'append_columns', except_column_list => ARRAY['', 'ctid', '__START_AT', repeat('x', 64)], again => true);
TABLE silver.t ORDER BY id;
SELECT medallion.drop_flow('silver.t', drop_table => true);
DROP TABLE silver.t_quarantine;

-- wal2json, format 2.
TRUNCATE bronze.cdc;
INSERT INTO bronze.cdc (event) VALUES ('{"action": "B"}'),
('{"action": "I", "lsn": "0/10", "schema": "public", "table": "t", "columns": [{"name": "id", "type": "integer", "value": 1}, {"name": "b", "type": "bytea", "value": "deadbeef"}, {"name": "at", "type": "timestamp with time zone", "value": "2024-01-01 10:00:00+00"}]}'),
('{"action": "U", "lsn": "0/11", "schema": "public", "table": "t", "columns": [{"name": "id", "type": "integer", "value": 2}, {"name": "at", "type": "timestamp with time zone", "value": null}], "identity": [{"name": "id", "type": "integer", "value": 1}, {"name": "b", "type": "bytea", "value": "00"}]}'),
('{"action": "I", "lsn": "0/12", "schema": "public", "table": "t", "columns": [{"name": "id", "type": "integer", "value": 3}, {"name": "b", "type": "bytea", "value": null}]}'),
('{"action": "D", "lsn": "0/13", "schema": "public", "table": "t", "identity": [{"name": "id", "type": "integer", "value": 3}]}'), ('{"action": "C"}');
SELECT mode, events, inserted, skipped FROM medallion.apply_changes('silver.t', 'bronze.cdc', '{id}', format => 'wal2json', payload => 'event', source_table => 't');
TABLE silver.t;
SELECT medallion.drop_flow('silver.t', drop_table => true);
DROP TABLE bronze.cdc;
