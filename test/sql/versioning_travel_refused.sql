-- What a session that reads the past cannot do: each statement with its error.
CREATE TABLE silver.v (id int PRIMARY KEY, n int);
CREATE TABLE silver.w (id int PRIMARY KEY REFERENCES silver.v ON DELETE CASCADE, n int);
CREATE TABLE silver.plain (id serial PRIMARY KEY, n int);
CREATE UNLOGGED TABLE silver.fast (id int);
CREATE VIEW silver.view AS SELECT * FROM silver.v;
CREATE MATERIALIZED VIEW silver.mat AS SELECT * FROM silver.v;
CREATE SEQUENCE silver.seq;
CREATE INDEX plain_n ON silver.plain (n);
CREATE FUNCTION silver.writes() RETURNS int LANGUAGE sql AS 'INSERT INTO silver.plain (n) VALUES (1) RETURNING n';
CREATE FUNCTION silver.writes_block() RETURNS void LANGUAGE plpgsql AS 'BEGIN UPDATE silver.plain SET n = 2; END';
CREATE FUNCTION silver.next() RETURNS bigint LANGUAGE plpgsql AS $$BEGIN RETURN nextval('silver.seq'); END$$;
CREATE PROCEDURE silver.write() LANGUAGE plpgsql AS 'BEGIN DELETE FROM silver.v; END';
INSERT INTO silver.v VALUES (1, 1), (2, 2);
INSERT INTO silver.w VALUES (1, 1);
INSERT INTO silver.plain (n) VALUES (1);
SELECT medallion.enable_versioning('silver.v'), medallion.enable_versioning('silver.w');
SELECT medallion.tag('then') IS NOT NULL AS tagged;
UPDATE silver.v SET n = n + 10;
SELECT target FROM medallion.define('silver.d', 'SELECT * FROM silver.v', keys => ARRAY['id']);
SELECT inserted FROM medallion.refresh('silver.d');
SELECT lo_create(424242);

CREATE TEMP TABLE statement (n serial, s text);
INSERT INTO statement (s) VALUES
-- rows
('INSERT INTO silver.v VALUES (3, 3)'), ('UPDATE silver.v SET n = 0'), ('DELETE FROM silver.v'), ('TRUNCATE silver.v CASCADE'),
('MERGE INTO silver.v USING (VALUES (1)) x(i) ON id = i WHEN MATCHED THEN DELETE'), ('INSERT INTO silver.v VALUES (1, 1) ON CONFLICT DO NOTHING'),
('INSERT INTO silver.plain (n) VALUES (2)'), ('UPDATE silver.plain SET n = 0'), ('DELETE FROM silver.plain'), ('TRUNCATE silver.plain'),
('INSERT INTO silver.fast VALUES (1)'), ('INSERT INTO silver.view VALUES (1, 1)'), ('UPDATE silver.view SET n = 0'),
('WITH gone AS (DELETE FROM silver.plain RETURNING *) SELECT * FROM gone'), ('WITH made AS (INSERT INTO silver.plain (n) SELECT n FROM silver.v RETURNING *) SELECT * FROM made'),
('UPDATE silver.v SET n = 0 WHERE false'), ('EXPLAIN UPDATE silver.v SET n = 0'), ('EXPLAIN ANALYZE INSERT INTO silver.plain (n) SELECT n FROM silver.v'),
('COPY silver.v FROM ''/dev/null'''), ('COPY silver.plain FROM ''/dev/null'''), ('COPY (DELETE FROM silver.plain RETURNING id) TO ''/dev/null'''),
('UPDATE pg_catalog.pg_class SET relname = relname'),
-- functions, procedures and blocks
('SELECT silver.writes()'), ('SELECT * FROM silver.writes()'), ('SELECT silver.writes_block()'), ('CALL silver.write()'), ('DO ''BEGIN INSERT INTO silver.v VALUES (3, 3); END'''),
('SELECT nextval(''silver.seq'')'), ('SELECT setval(''silver.seq'', 7)'), ('SELECT setval(''silver.seq'', 7, false)'), ('SELECT silver.next()'), ('SELECT nextval(s::regclass) FROM (VALUES (''silver.seq'')) x(s)'),
('SELECT lo_create(0)'), ('SELECT lo_unlink(424242)'), ('SELECT lo_put(424242, 0, ''x'')'), ('SELECT lo_from_bytea(0, ''x'')'), ('SELECT lowrite(lo_open(424242, 131072), ''x'')'),
-- locks
('SELECT * FROM silver.v FOR UPDATE'), ('SELECT * FROM silver.v FOR NO KEY UPDATE'), ('SELECT * FROM silver.v FOR SHARE'), ('SELECT * FROM silver.v FOR KEY SHARE'), ('SELECT * FROM silver.plain FOR UPDATE'),
('SELECT * FROM silver.view FOR UPDATE'), ('SELECT * FROM (SELECT * FROM silver.v) x FOR SHARE'), ('SELECT * FROM silver.v JOIN silver.w USING (id) FOR UPDATE OF w SKIP LOCKED'), ('SELECT count(*) FROM (SELECT * FROM silver.v FOR UPDATE) x'),
('LOCK TABLE silver.v'), ('LOCK TABLE silver.plain IN SHARE MODE'), ('LOCK TABLE silver.v IN ROW SHARE MODE'), ('DECLARE c CURSOR FOR SELECT * FROM silver.v FOR UPDATE'),
-- definitions
('CREATE TABLE silver.x (id int)'), ('CREATE TABLE silver.x AS SELECT * FROM silver.v'), ('CREATE TABLE silver.x AS EXECUTE prepared'), ('SELECT * INTO silver.x FROM silver.v'), ('EXPLAIN ANALYZE CREATE TABLE silver.x AS SELECT 1'),
('CREATE UNLOGGED TABLE silver.x AS SELECT 1'), ('CREATE MATERIALIZED VIEW silver.x AS SELECT * FROM silver.v'), ('REFRESH MATERIALIZED VIEW silver.mat'), ('REFRESH MATERIALIZED VIEW CONCURRENTLY silver.mat'),
('CREATE VIEW silver.x AS SELECT 1'), ('CREATE OR REPLACE VIEW silver.view AS SELECT 1'), ('CREATE SEQUENCE silver.x'), ('ALTER SEQUENCE silver.seq RESTART'), ('CREATE INDEX ON silver.v (n)'), ('CREATE INDEX CONCURRENTLY ON silver.v (n)'),
('CREATE STATISTICS silver.x ON id, n FROM silver.v'), ('CREATE TYPE silver.x AS (a int)'), ('CREATE DOMAIN silver.x AS int'), ('CREATE FUNCTION silver.x() RETURNS int LANGUAGE sql AS ''SELECT 1'''), ('CREATE SCHEMA regress_x'), ('CREATE SCHEMA regress_x CREATE TABLE y (id int)'),
('CREATE ROLE regress_x'), ('CREATE POLICY x ON silver.v'), ('CREATE RULE x AS ON INSERT TO silver.v DO NOTHING'), ('CREATE TRIGGER x AFTER INSERT ON silver.v EXECUTE FUNCTION silver.writes()'),
('CREATE EXTENSION hstore'), ('CREATE DATABASE regress_x'), ('CREATE PUBLICATION x'), ('CREATE EVENT TRIGGER x ON ddl_command_end EXECUTE FUNCTION silver.writes()'),
('ALTER TABLE silver.v ADD x int'), ('ALTER TABLE silver.v RENAME TO x'), ('ALTER TABLE silver.v RENAME COLUMN n TO m'), ('ALTER TABLE silver.plain SET SCHEMA bronze'), ('ALTER TABLE silver.plain OWNER TO CURRENT_USER'), ('ALTER TABLE silver.v DISABLE TRIGGER ALL'),
('ALTER INDEX silver.plain_n RENAME TO x'), ('ALTER VIEW silver.view RENAME TO x'), ('ALTER ROLE CURRENT_USER SET work_mem = ''4MB'''), ('ALTER DATABASE postgres SET work_mem = ''4MB'''), ('ALTER SYSTEM SET work_mem = ''4MB'''), ('ALTER FUNCTION silver.writes() STABLE'),
('ALTER TABLE IF EXISTS silver.plain ADD x int'), ('CREATE TEMP TABLE x () INHERITS (silver.plain)'), ('ALTER TABLE statement INHERIT silver.plain'), ('DROP TABLE silver.v'), ('DROP TABLE silver.plain'), ('DROP TABLE statement, silver.plain'), ('DROP VIEW silver.view'), ('DROP INDEX silver.plain_n'), ('DROP SEQUENCE silver.seq'), ('DROP SCHEMA silver CASCADE'), ('DROP FUNCTION silver.writes()'),
('DROP MATERIALIZED VIEW silver.mat'), ('DROP EXTENSION medallion'), ('DROP ROLE regress_x'), ('DROP OWNED BY CURRENT_USER'), ('REASSIGN OWNED BY CURRENT_USER TO CURRENT_USER'), ('GRANT SELECT ON silver.v TO PUBLIC'), ('REVOKE SELECT ON silver.v FROM PUBLIC'), ('GRANT pg_monitor TO CURRENT_USER'),
('ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC'), ('COMMENT ON TABLE silver.v IS ''x'''), ('SECURITY LABEL ON TABLE silver.v IS ''x'''), ('IMPORT FOREIGN SCHEMA x FROM SERVER y INTO z'),
('VACUUM'), ('VACUUM silver.v'), ('ANALYZE'), ('ANALYZE silver.v'), ('CLUSTER silver.v USING v_pkey'), ('REINDEX TABLE silver.v'), ('REINDEX INDEX silver.v_pkey'),
-- functions of medallion that write
('SELECT medallion.enable_versioning(''silver.plain'')'), ('SELECT medallion.disable_versioning(''silver.v'')'), ('SELECT medallion.disable_versioning(''silver.v'', keep_history => false)'), ('SELECT medallion.adopt_history()'),
('SELECT medallion.tag(''now'')'), ('SELECT medallion.untag(''then'')'), ('SELECT medallion.restore(''silver.v'', version => medallion.version_of(''then''))'), ('SELECT medallion.clone(''silver.v'', ''silver.cloned'', version => medallion.version_of(''then''))'),
('SELECT medallion.clone(''silver.v'', ''silver.cloned'', version => medallion.version_of(''then''), versioned => true)'),
('SELECT medallion.set_retention(''silver.v'', ''1 day'')'),
('SELECT medallion.define(''silver.e'', ''SELECT * FROM silver.v'', keys => ARRAY[''id''])'), ('SELECT medallion.refresh(''silver.d'')'), ('SELECT medallion.rebuild(''silver.d'')'), ('SELECT medallion.undefine(''silver.d'')'),
('SELECT medallion.expect(''silver.d'', ''positive'', ''n > 0'')');
CREATE FUNCTION pg_temp.run() RETURNS TABLE (code text, outcome text, statement text) LANGUAGE plpgsql AS $$
DECLARE
	row record;
BEGIN
	FOR row IN SELECT * FROM statement ORDER BY n LOOP
		BEGIN
			statement = row.s;
			EXECUTE row.s;
			code = ''; outcome = 'done';
		EXCEPTION WHEN OTHERS THEN
			code = sqlstate; outcome = sqlerrm;
		END;
		RETURN NEXT;
	END LOOP;
END$$;
PREPARE prepared AS SELECT 1;
SET medallion.as_of = 'then';
SELECT * FROM pg_temp.run();
-- Deferred checks of a write meet the setting at commit: an error, not a look at the past.
RESET medallion.as_of;
ALTER TABLE silver.w ALTER CONSTRAINT w_id_fkey DEFERRABLE INITIALLY DEFERRED;
BEGIN;
INSERT INTO silver.w VALUES (2, 2);
SET LOCAL medallion.as_of = 'then';
COMMIT;
SELECT count(*) FROM silver.w;
-- And what it can.
SET medallion.as_of = 'then';
TRUNCATE statement;
INSERT INTO statement (s) VALUES ('SELECT 1'), ('SELECT * FROM silver.v'), ('EXPLAIN SELECT * FROM silver.v'), ('SELECT currval(''silver.plain_id_seq'') IS NULL'), ('SELECT last_value FROM silver.seq'),
('LOCK TABLE silver.v IN ACCESS SHARE MODE'), ('SHOW work_mem'), ('SET work_mem = ''4MB'''), ('RESET work_mem'), ('SET LOCAL ROLE NONE'), ('LISTEN x'), ('NOTIFY x'), ('UNLISTEN *'), ('DO ''BEGIN PERFORM 1; END'''),
('CREATE TEMP TABLE a (id serial PRIMARY KEY, n int UNIQUE CHECK (n > 0))'), ('CREATE TABLE pg_temp.b AS SELECT * FROM silver.v'), ('INSERT INTO a (n) VALUES (1), (2)'), ('ALTER TABLE a ADD o text'), ('ALTER TABLE a RENAME TO c'), ('CREATE INDEX ON c (o)'),
('CREATE TEMP SEQUENCE s'), ('SELECT nextval(''s'')'), ('SELECT * FROM c FOR UPDATE'), ('LOCK TABLE c'), ('TRUNCATE c'), ('DROP TABLE c, b'), ('DROP SEQUENCE s'), ('DROP TABLE IF EXISTS silver.nothing'),
('SELECT pg_advisory_lock(1), pg_advisory_unlock(1)'), ('SELECT set_config(''work_mem'', ''4MB'', true)'), ('CHECKPOINT'), ('PREPARE q AS DELETE FROM silver.v'), ('DEALLOCATE q'), ('SET CONSTRAINTS ALL DEFERRED'), ('SELECT * FROM medallion.tables'), ('SELECT * FROM medallion.tags');
SELECT * FROM pg_temp.run();
RESET medallion.as_of;
SELECT * FROM silver.v ORDER BY id;
SELECT count(*), sum(n) FROM silver.plain;
SELECT lo_unlink(424242);
SELECT medallion.undefine('silver.d');
SELECT medallion.untag('then') IS NOT NULL AS untagged;
SET client_min_messages = warning;
DROP TABLE silver.d, silver.v, silver.w, silver.plain, silver.fast CASCADE;
DROP FUNCTION silver.writes, silver.writes_block, silver.next;
DROP PROCEDURE silver.write;
DROP SEQUENCE silver.seq;
