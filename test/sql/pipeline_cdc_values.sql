-- Values of events without a schema: what the settings of the connector and the types of the columns make of them; values that
-- are not known in every form; columns that grow.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS hstore SCHEMA public;
CREATE DOMAIN public.cdc_code AS varchar(4) CHECK (VALUE <> 'bad');
CREATE TYPE public.cdc_mood AS ENUM ('sad', 'glad');
CREATE TABLE bronze.v (n serial, e jsonb);
CREATE TABLE silver.v (id bigint PRIMARY KEY, t text, b bytea, i int[], u uuid, us uuid[], j jsonb, x xml, h hstore, hs text, d date, ts timestamp, ts3 timestamp(3),
	tz timestamptz, tm time, iv interval, m numeric(8,3), ms numeric[], p point, code public.cdc_code, mood public.cdc_mood, bits bit(4), ok bool, r real, r8 float8, vs text[][], e inet);
INSERT INTO bronze.v (e) VALUES
('{"op": "c", "source": {"lsn": 1}, "after": {"id": 1, "t": "text", "b": "3q2+7w==", "i": [1, null, 3], "u": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "us": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
  "j": "{\"a\": [1]}", "x": "<a/>", "h": {"a": "1", "b": null}, "hs": "x", "d": 19723, "ts": 1704103200123456, "ts3": 1704103200123, "tz": "2024-01-01T10:00:00.5+02:00", "tm": 3600000001, "iv": 90061000000,
  "m": "MDk=", "ms": [1.5], "p": {"x": 1.5, "y": 2, "wkb": null}, "code": "ab", "mood": "glad", "bits": "1010", "ok": true, "r": 1.5, "r8": "NaN", "vs": [["a", "b\"\\"], ["", null]], "e": "10.0.0.1"}}'),
('{"op": "c", "source": {"lsn": 2}, "after": {"id": 2, "d": -719162, "ts": -1, "ts3": -1, "tm": 0, "m": "/w==", "ts": 9223372036825200000, "tz": "infinity", "ok": false, "h": "{\"k\": \"v\"}", "t": ""}}');
SELECT inserted FROM medallion.apply_changes('silver.v', 'bronze.v', '{id}', format => 'debezium');
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
\x
TABLE silver.v ORDER BY id;
\x
-- What is not known stays as it is, in all forms.
CREATE FUNCTION pg_temp.uuid_of(text) RETURNS text LANGUAGE sql AS $$ SELECT overlay(overlay(md5($1) PLACING '3' FROM 13)
	PLACING to_hex((('x' || substr(md5($1), 17, 1))::bit(4) & b'0011' | b'1000')::int) FROM 17)::uuid::text $$;
INSERT INTO bronze.v (e) SELECT format('{"op": "u", "source": {"lsn": 3}, "after": {"id": 1, "t": "__debezium_unavailable_value", "b": "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==", "j": "__debezium_unavailable_value",
  "x": "__debezium_unavailable_value", "h": {"__debezium_unavailable_value": "__debezium_unavailable_value"}, "hs": "{\"__debezium_unavailable_value\":\"__debezium_unavailable_value\"}", "vs": ["__debezium_unavailable_value"],
  "i": [95,95,100,101,98,101,122,105,117,109,95,117,110,97,118,97,105,108,97,98,108,101,95,118,97,108,117,101], "us": ["%s"], "p": {"x": -99999999, "y": -99999999}, "ok": null}}', pg_temp.uuid_of('__debezium_unavailable_value'))::jsonb;
SELECT updated, unresolved FROM medallion.apply_changes('silver.v');
SELECT t, b, j, x, h, hs, vs, i, us, p, ok, m FROM silver.v WHERE id = 1;

-- Values that do not fit are named.
CREATE FUNCTION pg_temp.try(event text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE hint text;
BEGIN
	INSERT INTO bronze.v (e) VALUES (event::jsonb);
	PERFORM medallion.apply_changes('silver.v');
	RETURN 'applied';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN sqlstate || ' ' || sqlerrm || coalesce(nullif('; ' || hint, '; '), '');
END $$;
SELECT pg_temp.try(format('{"op": "c", "source": {"lsn": 9}, "after": {"id": 3, %s}}', v)) FROM (VALUES ('"d": "no date"'), ('"d": 99999999999'), ('"ts": -9223372036854775807'), ('"tm": -1'),
	('"b": "***"'), ('"code": "bad"'), ('"code": "too long"'), ('"mood": "mad"'), ('"m": "f////////w=="'), ('"ms": ["12"]'), ('"j": "{"'), ('"i": {"a": 1}'), ('"i": [1.5]'), ('"ok": 7'), ('"bits": "10"'),
	('"m": "12.5"'), ('"p": {"x": 1}'), ('"x": "<a"')) t(v);
SELECT count(*) FROM silver.v;
SELECT medallion.disable_versioning('silver.v', keep_history => false);
SELECT medallion.drop_flow('silver.v', true);
DROP TABLE bronze.v;

-- Other settings of the connector.
CREATE TABLE bronze.v (n serial, e json);
CREATE TABLE silver.v (id int PRIMARY KEY, b bytea, m numeric, ts timestamp, t text);
INSERT INTO bronze.v (e) VALUES ('{"id": 1, "b": "deadbeef", "m": "12.50", "ts": 1704103200123, "t": "keep", "__lsn": 1}'),
	('{"id": 1, "b": "3c3f3e", "m": 0.1, "ts": 1704103200124, "t": "<?>", "__lsn": 2}');
SELECT inserted FROM medallion.apply_changes('silver.v', 'bronze.v', '{id}', format => 'debezium', scd_type => 1,
	decoding => '{"binary_handling_mode": "hex", "decimal_handling_mode": "string", "time_precision_mode": "connect", "unavailable_value_placeholder": "<?>"}');
TABLE silver.v;
SELECT medallion.apply_changes('silver.v', decoding => '{"binary_handling_mode": "octal"}');
SELECT medallion.apply_changes('silver.v', decoding => '{"binary_handling": "hex"}');
SELECT medallion.drop_flow('silver.v', true);

-- Columns grow with the values, also a key; and with the columns of the source.
TRUNCATE bronze.v;
CREATE TABLE silver.v (id smallint PRIMARY KEY, a int, name varchar(3));
INSERT INTO bronze.v (e) VALUES ('{"id": 1, "a": 1, "name": "abc", "__lsn": 1}');
SELECT inserted FROM medallion.apply_changes('silver.v', 'bronze.v', '{id}', format => 'debezium', on_schema_change => 'append_columns');
INSERT INTO bronze.v (e) VALUES ('{"id": 40000, "a": 1.5, "name": "abcd", "__lsn": 2}'), ('{"id": 5000000000, "a": 3000000000, "name": "é", "__lsn": 3}');
SELECT inserted, updated FROM medallion.apply_changes('silver.v');
TABLE silver.v ORDER BY id;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'silver.v'::regclass AND attnum > 0 ORDER BY attnum;
SELECT medallion.drop_flow('silver.v', true);
DROP TABLE bronze.v;
CREATE TABLE bronze.v (id int, a int, s varchar(3), seq int);
INSERT INTO bronze.v VALUES (1, 1, 'abc', 1);
SELECT inserted FROM medallion.apply_changes('silver.v', 'bronze.v', '{id}', 'seq', except_column_list => '{seq}', scd_type => 2, on_schema_change => 'append_columns');
ALTER TABLE bronze.v ALTER id TYPE bigint, ALTER a TYPE numeric, ALTER s TYPE text, ALTER seq TYPE bigint;
INSERT INTO bronze.v VALUES (10000000000, 0.5, 'abcd', 2), (1, 1, 'abc', 3);
SELECT inserted, updated FROM medallion.apply_changes('silver.v');
SELECT * FROM silver.v ORDER BY id;
INSERT INTO bronze.v VALUES (1, 2, 'abc', 10000000000);
SELECT inserted, updated FROM medallion.apply_changes('silver.v');
SELECT * FROM silver.v ORDER BY id, "__START_AT";
ALTER TABLE bronze.v ALTER seq TYPE text;
SELECT inserted, updated FROM medallion.apply_changes('silver.v');
SELECT medallion.drop_flow('silver.v', true);
DROP TABLE bronze.v;
DROP EXTENSION hstore;
DROP DOMAIN public.cdc_code;
DROP TYPE public.cdc_mood;
