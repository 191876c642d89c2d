-- Loading into tables of one's own: types, defaults, generated columns, constraints, triggers, rights.
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

CREATE SERVER lake_own FOREIGN DATA WRAPPER medallion_lake OPTIONS (type 'file', root :'root');
CREATE TABLE bronze.keeping (_source text, _row bigint, _batch bigint, _ingested_at timestamptz, _rescued jsonb);
CREATE TYPE lake_mood AS ENUM ('Alice', 'Bob');
CREATE DOMAIN lake_small AS int CHECK (VALUE < 10);

-- Types without a parser of our own go through their input functions; what these refuse is rescued.
CREATE TABLE bronze.odd (id lake_small, name lake_mood, amount numeric(4,1), day date, ok text, loaded serial,
  twice int GENERATED ALWAYS AS (id * 2) STORED, stamp timestamptz DEFAULT now(),  LIKE bronze.keeping);
SELECT * FROM medallion.ingest('bronze.odd', 'lake_own', 'csv/dirty.csv');
SELECT _row, id, name, amount, day, loaded, twice, stamp IS NOT NULL AS has_default, _rescued FROM bronze.odd ORDER BY _row;
DROP TABLE bronze.odd;

-- A value is not rounded on its way.
CREATE TABLE bronze.exact (decimal numeric(5,1), wide_real numeric(20,-2), moment timestamp(3), nanos timestamp(6), whole real,
  special float8, big numeric(22), LIKE bronze.keeping);
SELECT files, rows, rescued FROM medallion.ingest('bronze.exact', 'lake_own', 'csv/types.csv', options => '{"schema_evolution": "rescue"}');
SELECT _row, decimal, wide_real, moment, nanos, whole, special, big, _rescued - '{mixed_time,label,zip,phone,truth,letters,day,zoned,real,gender}'::text[] AS rescued
  FROM bronze.exact ORDER BY _row;
DROP TABLE bronze.exact;

-- Triggers fire as for COPY, and may change or leave out rows.
CREATE TABLE bronze.watched (id int, name text, LIKE bronze.keeping);
CREATE TABLE lake_seen (what text, n bigint);
CREATE FUNCTION lake_before() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF new.id % 50 = 0 THEN RETURN NULL; END IF;
  new.name := upper(new.name);
  RETURN new;
END $$;
CREATE FUNCTION lake_after() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF tg_level = 'ROW' THEN INSERT INTO lake_seen VALUES ('row ' || tg_op, new.id);
  ELSE INSERT INTO lake_seen SELECT 'statement ' || tg_op, count(*) FROM added; END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER a BEFORE INSERT ON bronze.watched FOR EACH ROW EXECUTE FUNCTION lake_before();
CREATE TRIGGER b AFTER INSERT ON bronze.watched FOR EACH ROW WHEN (new.id < 3) EXECUTE FUNCTION lake_after();
CREATE TRIGGER c AFTER INSERT ON bronze.watched REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION lake_after();
SELECT * FROM medallion.ingest('bronze.watched', 'lake_own', 'gzip/no_suffix.csv');
SELECT count(*), min(name), max(id) FROM bronze.watched;
SELECT * FROM lake_seen ORDER BY 1, 2;
DROP TABLE bronze.watched, lake_seen;
DROP FUNCTION lake_before, lake_after;

-- Constraints hold, and name the file and the row; nothing is half-loaded.
CREATE TABLE bronze.strict (id int PRIMARY KEY, name text CHECK (name <> 'name 77'), LIKE bronze.keeping);
SELECT lake_error($$SELECT medallion.ingest('bronze.strict', 'lake_own', 'gzip/no_suffix.csv')$$);
ALTER TABLE bronze.strict DROP CONSTRAINT strict_name_check;
SELECT * FROM medallion.ingest('bronze.strict', 'lake_own', 'gzip/no_suffix.csv');
SELECT lake_error($$SELECT medallion.ingest('bronze.strict', 'lake_own', 'gzip/no_suffix.csv', options => '{"force": true}')$$);
SELECT count(*) FROM bronze.strict;
ALTER TABLE bronze.strict ADD COLUMN parent int REFERENCES bronze.strict;
ALTER TABLE bronze.strict ALTER COLUMN parent SET DEFAULT -1;
DELETE FROM bronze.strict;
SELECT lake_error($$SELECT medallion.ingest('bronze.strict', 'lake_own', 'gzip/no_suffix.csv', options => '{"force": true}')$$);
DROP TABLE bronze.strict;
CREATE DOMAIN lake_given AS text NOT NULL;
CREATE TABLE bronze.domains (id int, label lake_given, LIKE bronze.keeping);
SELECT * FROM medallion.ingest('bronze.domains', 'lake_own', 'csv/header_only.csv', options => '{"schema_evolution": "rescue"}');
SELECT lake_error($$SELECT medallion.ingest('bronze.domains', 'lake_own', 'gzip/no_suffix.csv', options => '{"schema_evolution": "rescue"}')$$);
DROP TABLE bronze.domains;

-- Tables that will not do.
CREATE TABLE bronze.bare (id int);
SELECT * FROM medallion.ingest('bronze.bare', 'lake_own', 'gzip/no_suffix.csv');
ALTER TABLE bronze.bare ADD COLUMN IF NOT EXISTS _source text, ADD COLUMN IF NOT EXISTS _row text, ADD COLUMN IF NOT EXISTS _batch bigint, ADD COLUMN IF NOT EXISTS _ingested_at timestamp with time zone, ADD COLUMN IF NOT EXISTS _rescued jsonb;
SELECT * FROM medallion.ingest('bronze.bare', 'lake_own', 'gzip/no_suffix.csv');
DROP TABLE bronze.bare;
CREATE VIEW bronze.lake_view AS SELECT * FROM bronze.keeping;
SELECT * FROM medallion.ingest('bronze.lake_view', 'lake_own', 'gzip/no_suffix.csv');
DROP VIEW bronze.lake_view;
CREATE TABLE bronze.lake_parts (LIKE bronze.keeping) PARTITION BY RANGE (_row);
SELECT * FROM medallion.ingest('bronze.lake_parts', 'lake_own', 'gzip/no_suffix.csv');
DROP TABLE bronze.lake_parts;
SELECT * FROM medallion.ingest('nowhere.x', 'lake_own', 'gzip/no_suffix.csv');
SELECT * FROM medallion.ingest('x', 'lake_own', 'gzip/no_suffix.csv');

-- Rights: USAGE on the server, CREATE on the schema or INSERT on the table; the caller owns what the call makes.
CREATE ROLE lake_role;
CREATE SCHEMA lake_own AUTHORIZATION lake_role;
SET ROLE lake_role;
SELECT * FROM medallion.ingest('lake_own.t', 'lake_own', 'gzip/no_suffix.csv');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER lake_own TO lake_role;
SET ROLE lake_role;
SELECT * FROM medallion.ingest('bronze.t', 'lake_own', 'gzip/no_suffix.csv');
RESET ROLE;
GRANT USAGE ON SCHEMA bronze TO lake_role;
SET ROLE lake_role;
SELECT * FROM medallion.ingest('bronze.t', 'lake_own', 'gzip/no_suffix.csv');
SELECT files, rows FROM medallion.ingest('lake_own.t', 'lake_own', 'gzip/no_suffix.csv');
SELECT tableowner FROM pg_tables WHERE schemaname = 'lake_own';
SELECT target, rows, role_name FROM medallion.ingested_files WHERE target = 'lake_own.t'::regclass;
SELECT * FROM medallion.ingest('bronze.keeping', 'lake_own', 'gzip/no_suffix.csv');
RESET ROLE;
GRANT INSERT ON bronze.keeping TO lake_role;
SET ROLE lake_role;
SELECT lake_error($$SELECT medallion.ingest('bronze.keeping', 'lake_own', 'gzip/plain.csv.gz')$$);
SELECT files, rows, rescued FROM medallion.ingest('bronze.keeping', 'lake_own', 'gzip/plain.csv.gz', options => '{"schema_evolution": "rescue"}');
SELECT count(*) FROM medallion.ingested_files WHERE target = 'bronze.keeping'::regclass;
SELECT count(*) FROM medallion._ingested_files;
RESET ROLE;
SELECT _rescued FROM bronze.keeping;
ALTER TABLE bronze.keeping ENABLE ROW LEVEL SECURITY;
SET ROLE lake_role;
SELECT * FROM medallion.ingest('bronze.keeping', 'lake_own', 'gzip/plain.csv.gz', options => '{"force": true}');
RESET ROLE;
BEGIN READ ONLY;
SELECT * FROM medallion.ingest('bronze.keeping', 'lake_own', 'gzip/plain.csv.gz', options => '{"force": true}');
ROLLBACK;
REVOKE USAGE ON SCHEMA bronze FROM lake_role;
DROP SCHEMA lake_own CASCADE;
DROP TABLE bronze.keeping;
DROP TYPE lake_mood, lake_small, lake_given;
DROP SERVER lake_own;
DROP ROLE lake_role;
DROP FUNCTION lake_error;
