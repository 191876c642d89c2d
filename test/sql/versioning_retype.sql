-- Columns that change their type, rewrites, and defaults: every version reads as it did, in today's shape.
SET client_min_messages = warning;
CREATE SCHEMA retype;
SET search_path = retype;
SET timezone = 'UTC';
CREATE TABLE marks (state text, version bigint);
CREATE FUNCTION mark(state text) RETURNS void LANGUAGE sql AS
	'INSERT INTO retype.marks SELECT state, max(version) FROM medallion.commits';
CREATE FUNCTION at(wanted text) RETURNS bigint LANGUAGE sql AS 'SELECT version FROM retype.marks WHERE state = wanted';
CREATE TABLE t (id int PRIMARY KEY, v int, note text);
INSERT INTO t VALUES (1, 10, 'old'), (2, 20, NULL);
SELECT medallion.enable_versioning('t');
SELECT mark('first');
UPDATE t SET v = 11 WHERE id = 1;
INSERT INTO t VALUES (3, 30, 'three');
SELECT mark('int');

-- A rewriting change of type: the old values stay in a column of their own.
ALTER TABLE t ALTER COLUMN v TYPE numeric(12,2) USING v / 4.0;
SELECT mark('numeric');
UPDATE t SET v = v + 0.25 WHERE id = 2;
DELETE FROM t WHERE id = 3;
SELECT mark('numeric, later');
SELECT m.state, p.* FROM marks m, LATERAL medallion.as_of(NULL::t, version => m.version) p ORDER BY m.version, p.id;
SELECT operation, inserted, updated, deleted FROM medallion.history('t') ORDER BY version;
SELECT _change_type, _commit_version - at('first') AS commit, row_data FROM medallion.changes(NULL::t, at('first') + 1);
SELECT attname, atttypid::regtype FROM pg_attribute WHERE attrelid = 'medallion_history."retype.t"'::regclass AND attnum > 0 ORDER BY attnum;

-- A constant version has one type: the column is read as it is, or converted, without a look at the row.
SET enable_seqscan = off;
DO $$ DECLARE line text; BEGIN
	FOR line IN EXECUTE format('EXPLAIN (COSTS OFF, VERBOSE) SELECT v FROM medallion.as_of(NULL::retype.t, version => %s) WHERE id = 1', retype.at('int')) LOOP
		RAISE WARNING '%', regexp_replace(regexp_replace(line, '''[0-9]+''::bigint', 'v', 'g'), '_readable\([0-9]+', '_readable(n');
	END LOOP;
	FOR line IN EXECUTE format('EXPLAIN (COSTS OFF, VERBOSE) SELECT v FROM medallion.as_of(NULL::retype.t, version => %s) WHERE id = 1', retype.at('numeric')) LOOP
		RAISE WARNING '%', regexp_replace(regexp_replace(line, '''[0-9]+''::bigint', 'v', 'g'), '_readable\([0-9]+', '_readable(n');
	END LOOP;
END $$;
RESET enable_seqscan;
-- A parameter: decided when it is known.
PREPARE past(bigint) AS SELECT id, v FROM medallion.as_of(NULL::t, version => $1) ORDER BY id;
SET plan_cache_mode = force_generic_plan;
SELECT at('int') AS v \gset
EXECUTE past(:v);
SELECT at('numeric, later') AS v \gset
EXECUTE past(:v);
RESET plan_cache_mode;
DEALLOCATE past;

-- Types that are the same to the byte: nothing is moved, and the history column follows.
ALTER TABLE t ALTER COLUMN note TYPE varchar(20);
ALTER TABLE t ALTER COLUMN note TYPE varchar(40);
SELECT operation, inserted, updated, deleted FROM medallion.history('t') ORDER BY version DESC LIMIT 2;
SELECT count(*) FROM medallion_history."retype.t";
ALTER TABLE t ALTER COLUMN note TYPE text COLLATE "C";
SELECT attname, format_type(atttypid, atttypmod), attcollation::regcollation FROM pg_attribute
WHERE attrelid = 'medallion_history."retype.t"'::regclass AND attname = 'note';
-- Narrower: the rows are rewritten, the old ones are not cut.
UPDATE t SET note = 'longer than it may be' WHERE id = 1;
SELECT mark('long');
ALTER TABLE t ALTER COLUMN note TYPE varchar(5) USING left(note, 5);
SELECT id, note FROM medallion.as_of(NULL::t, version => at('long')) ORDER BY id;
SELECT _change_type, (row_data).id, (row_data).note FROM medallion.changes(NULL::t, at('long') + 1);
-- Nothing but a rewrite: the same type, other values; and none at all.
ALTER TABLE t ALTER COLUMN v TYPE numeric(12,2) USING v * 10;
ALTER TABLE t ALTER COLUMN v TYPE numeric(10,1);
SELECT m.state, string_agg(p.id || ':' || p.v, ' ' ORDER BY p.id) FROM marks m, LATERAL medallion.as_of(NULL::t, version => m.version) p
GROUP BY m.state, m.version ORDER BY m.version;
SELECT operation, inserted, updated, deleted FROM medallion.history('t') ORDER BY version DESC LIMIT 3;

-- The key changes its type, there and back, with what refers to it.
CREATE TABLE child (t_id bigint REFERENCES t ON UPDATE CASCADE);
INSERT INTO child VALUES (1);
ALTER TABLE t ALTER COLUMN id TYPE bigint;
UPDATE t SET id = 5000000000 WHERE id = 2;
SELECT mark('bigint');
SELECT count(*) FROM medallion.as_of(NULL::t, version => at('first')) WHERE id = 2;
SELECT id, v FROM medallion.as_of(NULL::t, version => at('bigint')) WHERE id > 1;
SELECT indexdef FROM pg_indexes WHERE schemaname = 'medallion_history' AND tablename = 'retype.t' ORDER BY 1;
DELETE FROM t WHERE id > 1000;
ALTER TABLE t ALTER COLUMN id TYPE int;
SELECT id FROM medallion.as_of(NULL::t, version => at('numeric')) ORDER BY 1;
-- A value that today's type cannot hold is an error that says so, never a NULL.
SELECT id FROM medallion.as_of(NULL::t, version => at('bigint')) ORDER BY 1;
SELECT v FROM medallion.as_of(NULL::t, version => at('bigint')) ORDER BY 1;
DROP TABLE child;

-- Types without a cast between them: by their text.
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE kinds (id int PRIMARY KEY, a text, b int[], c jsonb, d positive, e timestamp);
SELECT medallion.enable_versioning('kinds');
INSERT INTO kinds VALUES (1, 'sad', '{1,2}', '{"x": 1}', 7, '2026-01-01 12:00');
SELECT max(version) AS before FROM medallion.commits \gset
ALTER TABLE kinds ALTER COLUMN a TYPE mood USING a::mood, ALTER COLUMN b TYPE text[] USING b::text[],
	ALTER COLUMN c TYPE text USING c->>'x', ALTER COLUMN d TYPE text USING d::text, ALTER COLUMN e TYPE date;
SELECT * FROM medallion.as_of(NULL::kinds, version => :before);
ALTER TABLE kinds ALTER COLUMN d TYPE positive USING d::int, ALTER COLUMN a TYPE int USING 1, ALTER COLUMN e TYPE timestamptz;
SELECT id, b, c, d, e FROM medallion.as_of(NULL::kinds, version => :before);
SELECT a FROM medallion.as_of(NULL::kinds, version => :before);
-- A domain's new constraint does not hold for the past.
ALTER DOMAIN positive ADD CHECK (VALUE < 7) NOT VALID;
UPDATE kinds SET d = 6;
ALTER DOMAIN positive ADD CHECK (VALUE < 7);
SELECT d FROM medallion.as_of(NULL::kinds, version => :before + 2);
SELECT pg_typeof(d) FROM medallion.as_of(NULL::kinds, version => :before + 2);

-- Several changes in one statement and in one transaction; changes of rows around them; savepoints.
CREATE TABLE several (id int PRIMARY KEY, a int, b int, c int);
INSERT INTO several VALUES (1, 1, 1, 1), (2, 2, 2, 2);
SELECT medallion.enable_versioning('several');
SELECT max(version) AS before FROM medallion.commits \gset
BEGIN;
UPDATE several SET a = 100 WHERE id = 1;
INSERT INTO several VALUES (3, 3, 3, 3);
ALTER TABLE several ALTER COLUMN a TYPE text, DROP COLUMN b, ADD COLUMN b text DEFAULT 'new b', ALTER COLUMN c TYPE bigint;
UPDATE several SET a = a || '!' WHERE id = 2;
DELETE FROM several WHERE id = 3;
SAVEPOINT s;
ALTER TABLE several DROP COLUMN a;
ALTER TABLE several ALTER COLUMN c TYPE text;
INSERT INTO several VALUES (9, 'nine', 'x');
ROLLBACK TO s;
ALTER TABLE several ALTER COLUMN a TYPE varchar(30);
SAVEPOINT s;
ALTER TABLE several ALTER COLUMN c TYPE numeric;
RELEASE s;
-- Within the transaction the past is what it was.
SELECT * FROM medallion.as_of(NULL::several, version => :before) ORDER BY id;
COMMIT;
TABLE several ORDER BY id;
SELECT * FROM medallion.as_of(NULL::several, version => :before) ORDER BY id;
SELECT * FROM medallion.as_of(NULL::several, version => :before + 1) ORDER BY id;
SELECT _change_type, row_data FROM medallion.changes(NULL::several, :before + 1);
SELECT column_id, phase, column_name, data_type, history_column, since IS NULL AS first, until IS NULL AS now, filled
FROM medallion_history.table_columns JOIN medallion_history.versioned_tables USING (table_id)
WHERE table_name = 'several' ORDER BY 1, 2;
-- All of it rolled back.
BEGIN;
ALTER TABLE several ALTER COLUMN c TYPE text, DROP COLUMN a;
ROLLBACK;
SELECT * FROM medallion.as_of(NULL::several, version => :before + 1) ORDER BY id;
UPDATE several SET a = 'last' WHERE id = 1;
SELECT * FROM medallion.as_of(NULL::several, version => :before + 1) ORDER BY id;
SELECT _change_type, row_data FROM medallion.changes(NULL::several, :before + 2);

SET search_path = public;
DROP SCHEMA retype CASCADE;
DO $$ DECLARE t text; BEGIN
  FOR t IN SELECT format('medallion_history.%I', history_table) FROM medallion_history.versioned_tables WHERE schema_name = 'retype' LOOP
    EXECUTE 'DROP TABLE ' || t;
  END LOOP;
END $$;
