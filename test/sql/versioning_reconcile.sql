-- What went behind the back of versioning: noticed, named, reconciled.
SET client_min_messages = error;
\set VERBOSITY terse
CREATE SCHEMA vr;
CREATE TABLE vr.t (id int PRIMARY KEY, v text) WITH (autovacuum_enabled = off);
SELECT medallion.enable_versioning('vr.t');
CREATE TABLE vr.at (name text PRIMARY KEY, version bigint);
CREATE FUNCTION vr.mark(mark text) RETURNS void LANGUAGE sql AS $$
INSERT INTO vr.at SELECT mark, medallion._point('vr.t'::regclass, NULL, clock_timestamp())
$$;
CREATE FUNCTION vr.rows(mark text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT string_agg(id || v, ' ' ORDER BY id) FROM medallion.as_of(NULL::vr.t, version => (SELECT version FROM vr.at WHERE name = mark)));
EXCEPTION WHEN object_not_in_prerequisite_state THEN
	RETURN regexp_replace(SQLERRM, 'version \d+', 'version …');
END $$;
CREATE FUNCTION vr.feed(mark text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT string_agg(_change_type || ' ' || row_data, ' ') FROM medallion.changes(NULL::vr.t, (SELECT version FROM vr.at WHERE name = mark)));
EXCEPTION WHEN object_not_in_prerequisite_state THEN
	RETURN regexp_replace(SQLERRM, 'version \d+', 'version …');
END $$;
CREATE FUNCTION vr.lost() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(reason, '; ' ORDER BY first_version, reason) FROM medallion_history.lost_versions l JOIN medallion_history.versioned_tables t USING (table_id)
	WHERE t.schema_name = 'vr'
$$;
-- Versioning switched off and on again by a superuser who disabled the event triggers.
CREATE PROCEDURE vr.behind(statement text) LANGUAGE plpgsql AS $$
DECLARE e name;
BEGIN
	FOR e IN SELECT evtname FROM pg_event_trigger WHERE evtname LIKE 'medallion%' LOOP EXECUTE format('ALTER EVENT TRIGGER %I DISABLE', e); END LOOP;
	ALTER TABLE vr.t DISABLE TRIGGER USER;
	EXECUTE statement;
	ALTER TABLE vr.t ENABLE ALWAYS TRIGGER medallion_capture_insert, ENABLE ALWAYS TRIGGER medallion_capture_update,
		ENABLE ALWAYS TRIGGER medallion_capture_delete, ENABLE ALWAYS TRIGGER medallion_capture_truncate;
	FOR e IN SELECT evtname FROM pg_event_trigger WHERE evtname LIKE 'medallion%' LOOP EXECUTE format('ALTER EVENT TRIGGER %I ENABLE ALWAYS', e); END LOOP;
END $$;

INSERT INTO vr.t VALUES (1, 'a'), (2, 'a'), (3, 'a');
SELECT vr.mark('first');
UPDATE vr.t SET v = 'b' WHERE id = 2;
SELECT vr.mark('second');
-- A sound table is found so, and nothing is recorded.
SELECT * FROM medallion.reconcile('vr.t');
SELECT operation FROM medallion.history('vr.t') ORDER BY version;

-- Rows inserted, updated and deleted while nothing was captured; the old rows are still in the table's file.
CALL vr.behind($$ INSERT INTO vr.t VALUES (4, 'behind') $$);
SELECT vr.rows('first');
SELECT * FROM medallion.versioning_doubts WHERE relation IS NULL OR relation::text LIKE 'vr.%';
SELECT vr.feed('first');
CALL vr.behind($$ UPDATE vr.t SET v = 'behind' WHERE id = 1 $$);
CALL vr.behind($$ DELETE FROM vr.t WHERE id = 3 $$);
SELECT * FROM medallion.reconcile('vr.t');
SELECT vr.mark('reconciled');
SELECT name, vr.rows(name) FROM vr.at ORDER BY version;
SELECT vr.feed('reconciled');
SELECT operation, inserted, updated, deleted FROM medallion.history('vr.t') ORDER BY version;
SELECT * FROM medallion.reconcile('vr.t');

-- A captured commit in between: versions from the one change to reconciliation are lost, the others stay.
CALL vr.behind($$ UPDATE vr.t SET v = 'again' WHERE id = 4 $$);
INSERT INTO vr.t VALUES (5, 'captured');
UPDATE vr.t SET v = 'captured' WHERE id = 4;
INSERT INTO vr.at SELECT 'between', max(version) FROM medallion.commits;
SELECT vr.rows('between');
SELECT * FROM medallion.reconcile('vr.t');
SELECT vr.mark('reconciled again');
SELECT name, vr.rows(name) FROM vr.at ORDER BY version;
SELECT vr.feed('between'), vr.feed('reconciled again');
SELECT vr.lost();
SELECT readable, count(*) FROM medallion.history('vr.t') GROUP BY 1 ORDER BY 1;

-- A tool that swaps the table's file: no row has its birth any more.
INSERT INTO vr.t VALUES (6, 'last');
SELECT vr.mark('before the swap');
SET allow_system_table_mods = on;
CREATE TABLE vr.copy AS TABLE vr.t;
DO $$
DECLARE a oid = (SELECT relfilenode FROM pg_class WHERE oid = 'vr.t'::regclass);
	b oid = (SELECT relfilenode FROM pg_class WHERE oid = 'vr.copy'::regclass);
BEGIN
	UPDATE pg_class SET relfilenode = CASE WHEN relfilenode = a THEN b ELSE a END WHERE oid IN ('vr.t'::regclass, 'vr.copy'::regclass);
END $$;
RESET allow_system_table_mods;
DROP TABLE vr.copy;
REINDEX TABLE vr.t;
SELECT vr.rows('before the swap');
-- A write in the meantime does not make it right.
DELETE FROM vr.t WHERE id = 6;
SELECT vr.rows('before the swap');
SELECT * FROM medallion.reconcile('vr.t');
SELECT vr.mark('swapped');
SELECT name, vr.rows(name) FROM vr.at ORDER BY version;
SELECT vr.lost();
UPDATE vr.t SET v = 'goes on' WHERE id = 1;
SELECT vr.mark('after');
SELECT name, vr.rows(name) FROM vr.at WHERE name IN ('swapped', 'after') ORDER BY version;

-- What rewrites a table in the open raises no alarm.
VACUUM FULL vr.t;
SELECT vr.rows('after');
CLUSTER vr.t USING t_pkey;
SELECT vr.rows('after');
BEGIN; TRUNCATE vr.t; INSERT INTO vr.t VALUES (1, 'anew'); SELECT vr.rows('after'); COMMIT;
SELECT vr.rows('after');
SELECT * FROM medallion.reconcile('vr.t');

-- Triggers dropped, table emptied, triggers gone: versioning is taken up again.
SELECT vr.mark('emptied');
CALL vr.behind($$ DELETE FROM vr.t $$);
DO $$
DECLARE e name;
BEGIN
	FOR e IN SELECT evtname FROM pg_event_trigger WHERE evtname LIKE 'medallion%' LOOP EXECUTE format('ALTER EVENT TRIGGER %I DISABLE', e); END LOOP;
	FOR e IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'vr.t'::regclass LOOP EXECUTE format('DROP TRIGGER %I ON vr.t', e); END LOOP;
END $$;
SELECT vr.rows('after');
SELECT relation, reason FROM medallion.versioning_doubts WHERE relation::text LIKE 'vr.%';
SELECT count(*), min(reason) LIKE '%medallion_follow_ddl%' AS named FROM medallion.versioning_doubts WHERE relation IS NULL;
SELECT * FROM medallion.reconcile('vr.t');
DO $$
DECLARE e name;
BEGIN
	FOR e IN SELECT evtname FROM pg_event_trigger WHERE evtname LIKE 'medallion%' LOOP EXECUTE format('ALTER EVENT TRIGGER %I ENABLE ALWAYS', e); END LOOP;
END $$;
SELECT * FROM medallion.versioning_doubts WHERE relation IS NULL OR relation::text LIKE 'vr.%';
SELECT vr.rows('emptied');
INSERT INTO vr.t VALUES (9, 'captured');
SELECT operation FROM medallion.history('vr.t') ORDER BY version DESC LIMIT 2;

-- Rows of history deleted by hand.
UPDATE vr.t SET v = 'x';
UPDATE vr.t SET v = 'y';
SELECT vr.mark('y');
DELETE FROM medallion_history."vr.t" WHERE v = 'x';
SELECT * FROM medallion.reconcile('vr.t');
SELECT vr.rows('y'), vr.lost();
SELECT * FROM medallion.reconcile('vr.t');

-- Who may, and on what.
CREATE TABLE vr.plain (id int PRIMARY KEY);
SELECT * FROM medallion.reconcile('vr.plain');
BEGIN; INSERT INTO vr.t VALUES (10, 'x'); SELECT * FROM medallion.reconcile('vr.t'); ROLLBACK;
CREATE ROLE vr_user;
GRANT USAGE ON SCHEMA vr TO vr_user;
SET ROLE vr_user;
SELECT * FROM medallion.reconcile('vr.t');
RESET ROLE;
DROP SCHEMA vr CASCADE;
DROP ROLE vr_user;
