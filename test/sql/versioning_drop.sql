-- Versioned tables that are dropped: their history stays, and they can be made again with it.
SET client_min_messages = warning;
CREATE SCHEMA gone;
SET search_path = gone;
CREATE TABLE marks (state text, version bigint);
CREATE FUNCTION mark(state text) RETURNS void LANGUAGE sql AS
	'INSERT INTO gone.marks SELECT state, max(version) FROM medallion.commits';
CREATE FUNCTION at(wanted text) RETURNS bigint LANGUAGE sql AS 'SELECT version FROM gone.marks WHERE state = wanted';
CREATE ROLE regress_drop_owner;
CREATE ROLE regress_drop_reader;
GRANT USAGE, CREATE ON SCHEMA gone TO regress_drop_owner;
GRANT USAGE ON SCHEMA gone TO regress_drop_reader;
GRANT SELECT ON marks TO regress_drop_owner, regress_drop_reader;

SET ROLE regress_drop_owner;
CREATE DOMAIN amount AS numeric CHECK (VALUE >= 0);
CREATE TABLE parent (id int PRIMARY KEY);
INSERT INTO parent VALUES (1), (2);
CREATE TABLE t (
	id int GENERATED ALWAYS AS IDENTITY,
	n serial,
	parent int REFERENCES parent,
	"Name ""q""" text COLLATE "C" NOT NULL DEFAULT 'it''s',
	a amount CHECK (a <> 13),
	doubled numeric GENERATED ALWAYS AS (a * 2) STORED,
	long text,
	PRIMARY KEY (id), UNIQUE (n));
COMMENT ON TABLE t IS 'a table';
COMMENT ON COLUMN t.a IS 'a column';
CREATE INDEX t_lower ON t (lower("Name ""q""")) WHERE a > 1;
GRANT SELECT, UPDATE (a) ON t TO regress_drop_reader;
SELECT medallion.enable_versioning('t');
INSERT INTO t (parent, a, long) VALUES (1, 1, NULL), (2, 2, NULL), (NULL, 3, NULL);
RESET ROLE;
SELECT mark('three');
SET ROLE regress_drop_owner;
-- Long values live in another table, which goes before.
UPDATE t SET long = (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 500) i) WHERE id = 1;
DELETE FROM t WHERE id = 3;
-- Both of these are in the definition: columns of before do not come back.
ALTER TABLE t DROP COLUMN parent;
ALTER TABLE t ADD COLUMN parent int DEFAULT 2 REFERENCES parent ON DELETE SET NULL;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY small ON t FOR SELECT TO regress_drop_reader USING (a < 2);
GRANT DELETE ON t TO regress_drop_reader WITH GRANT OPTION;
RESET ROLE;
SELECT mark('last');
CREATE TABLE before AS SELECT * FROM t;
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 't'::regclass ORDER BY 1;
DROP TABLE t;
SELECT mark('dropped');
SELECT name, version - at('last') AS version, readable_from < readable_to AS some, version - readable_to AS distance FROM medallion.dropped_tables WHERE name LIKE 'gone.%';
SELECT count(*) FROM medallion_history."gone.t" WHERE _medallion_died = (SELECT max(_medallion_died) FROM medallion_history."gone.t");
-- Not for everybody.
SET ROLE regress_drop_reader;
SELECT * FROM medallion.dropped_tables;
SELECT medallion.undrop('gone.t');
RESET ROLE;
SELECT medallion.undrop('gone.nothing');
SELECT medallion.undrop('t');
SELECT medallion.undrop(NULL);
CREATE FUNCTION attempt(sql text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
	EXECUTE sql;
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING '%', regexp_replace(sqlerrm, '[0-9]+', 'n', 'g');
END $$;
SELECT attempt($$SELECT medallion.undrop('gone.t', version => gone.at('dropped'))$$);
BEGIN;
CREATE TABLE t (id int);
SAVEPOINT s;
SELECT medallion.undrop('gone.t');
ROLLBACK;
-- By its owner, with what it had.
SET ROLE regress_drop_owner;
SELECT medallion.undrop('gone.t');
RESET ROLE;
SELECT mark('again');
SELECT count(*) FROM medallion.dropped_tables WHERE name LIKE 'gone.%';
SELECT attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, pg_get_expr(adbin, adrelid)
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = 't'::regclass AND attnum > 0 ORDER BY attnum;
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 't'::regclass ORDER BY 1;
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 't'::regclass ORDER BY 1;
SELECT policyname, roles, cmd, qual, relrowsecurity FROM pg_policies, pg_class WHERE tablename = 't' AND schemaname = 'gone' AND oid = 't'::regclass;
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 't'::regclass AND NOT tgisinternal ORDER BY 1;
SELECT obj_description('t'::regclass), col_description('t'::regclass, (SELECT attnum FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'a')), pg_get_userbyid(relowner) FROM pg_class WHERE oid = 't'::regclass;
SELECT grantee, privilege_type, is_grantable FROM information_schema.table_privileges WHERE table_schema = 'gone' AND table_name = 't' AND grantee LIKE '%reader' ORDER BY 2;
SELECT grantee, column_name FROM information_schema.column_privileges WHERE table_schema = 'gone' AND table_name = 't' AND grantee LIKE '%reader' AND privilege_type = 'UPDATE';
SELECT (SELECT string_agg(md5(b::text), ' ' ORDER BY id) FROM before b) = (SELECT string_agg(md5(t::text), ' ' ORDER BY id) FROM t) AS same;
INSERT INTO t (a, parent) VALUES (9, 1) RETURNING id, n, "Name ""q""", doubled;
-- Its history goes on: every version reads as before, those in between are empty.
SELECT m.state, (SELECT string_agg(id || ':' || a || ':' || coalesce(length(long), 0) || ':' || coalesce(parent, -1), ' ' ORDER BY id)
	FROM medallion.as_of(NULL::t, version => m.version)) FROM marks m ORDER BY version;
SELECT operation, inserted, updated, deleted FROM medallion.history('t') WHERE version >= at('last') ORDER BY version;
SELECT _change_type, _commit_version - at('last') AS commit, (row_data).id FROM medallion.changes(NULL::t, at('last') + 1);
SELECT * FROM medallion.reconcile('t');
SELECT j - 'long' FROM medallion.as_of_json('t', version => at('three')) j ORDER BY j->'id';
-- Under another name, as of an earlier version, after it went again: by CASCADE of a schema with a type.
DROP TABLE t;
SELECT medallion.undrop('gone.t', new_name => 'gone.other', version => at('three'));
SELECT id, a FROM other ORDER BY id;
SELECT id, a FROM medallion.as_of(NULL::other, version => at('last')) ORDER BY id;
SELECT table_name, history_table, dropped FROM medallion_history.versioned_tables WHERE schema_name = 'gone';
CREATE TABLE t (id int PRIMARY KEY, v int);
SELECT medallion.enable_versioning('t');
INSERT INTO t VALUES (1, 1);
-- Dropped and made in one transaction; rolled back; in a savepoint.
BEGIN;
DROP TABLE t;
SELECT medallion.undrop('gone.t');
ROLLBACK;
BEGIN;
SAVEPOINT s;
DROP TABLE t;
ROLLBACK TO s;
UPDATE t SET v = 2;
COMMIT;
SELECT mark('rolled back');
DROP TABLE t;
CREATE TABLE t (id int PRIMARY KEY, v text);
SELECT medallion.enable_versioning('t');
INSERT INTO t VALUES (2, 'two');
DROP TABLE t;
SELECT name FROM medallion.dropped_tables WHERE name LIKE 'gone.%';
-- The last of the name; the other one keeps its history.
SELECT medallion.undrop('gone.t');
TABLE t;
SELECT medallion.undrop('gone.t', 'gone.t1');
TABLE t1;
SELECT id, v FROM medallion.as_of(NULL::t1, version => at('rolled back'));
-- What cannot be made again is left out with a warning.
CREATE FUNCTION f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
ALTER TABLE t1 ADD CONSTRAINT by_f CHECK (f(v) > 0), ALTER COLUMN v SET DEFAULT f(1);
CREATE INDEX t1_f ON t1 (f(v));
DROP TABLE t1;
DROP FUNCTION f;
SELECT medallion.undrop('gone.t1');
TABLE t1;
-- DROP OWNED; a partitioned table; typed columns that go with their schema.
CREATE TABLE owned (id int PRIMARY KEY);
ALTER TABLE owned OWNER TO regress_drop_owner;
SELECT medallion.enable_versioning('owned');
INSERT INTO owned VALUES (1);
DROP OWNED BY regress_drop_owner CASCADE;
SELECT name FROM medallion.dropped_tables WHERE name LIKE 'gone.%' ORDER BY 1;
SELECT attempt($$SELECT medallion.undrop('gone.owned')$$);
GRANT USAGE, CREATE ON SCHEMA gone TO regress_drop_owner;
SELECT medallion.undrop('gone.owned');
TABLE owned;
CREATE TABLE by_range (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE by_range_1 PARTITION OF by_range FOR VALUES FROM (0) TO (10);
CREATE TABLE by_range_2 PARTITION OF by_range FOR VALUES FROM (10) TO (20);
SELECT medallion.enable_versioning('by_range');
INSERT INTO by_range VALUES (1, 'a'), (11, 'b');
SELECT mark('by_range');
DROP TABLE by_range;
SET client_min_messages = notice;
SELECT medallion.undrop('gone.by_range');
SET client_min_messages = warning;
SELECT * FROM medallion.as_of(NULL::by_range, version => at('by_range')) ORDER BY id;

SET search_path = public;
DROP SCHEMA gone CASCADE;
SELECT name FROM medallion.dropped_tables WHERE name LIKE 'gone.%' ORDER BY 1;
DROP OWNED BY regress_drop_owner, regress_drop_reader;
DROP ROLE regress_drop_owner, regress_drop_reader;
DO $$ DECLARE t text; BEGIN
  FOR t IN SELECT format('medallion_history.%I', history_table) FROM medallion_history.versioned_tables WHERE schema_name = 'gone' LOOP
    EXECUTE 'DROP TABLE ' || t;
  END LOOP;
END $$;
SELECT count(*) FROM medallion.dropped_tables WHERE name LIKE 'gone.%';
