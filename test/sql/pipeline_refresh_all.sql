-- refresh() of everything: one table that fails costs only those that read it, in workers and in the session; what is logged and shown.
\pset null (null)
CREATE ROLE all_ann LOGIN;
CREATE ROLE all_reader;
CREATE SCHEMA allr AUTHORIZATION all_ann;
GRANT USAGE ON SCHEMA allr TO all_reader;
SET ROLE all_ann;
CREATE TABLE allr.raw (id int PRIMARY KEY, v text);
SELECT medallion.enable_versioning('allr.raw');
INSERT INTO allr.raw VALUES (1, '1'), (2, '2');
SELECT target FROM medallion.define('allr.a', 'SELECT id, v FROM allr.raw', '{id}');
SELECT target FROM medallion.define('allr.b', 'SELECT id, v::int AS v FROM allr.raw', '{id}');
SELECT target FROM medallion.define('allr.of_a', 'SELECT 1 AS one, count(*) AS n FROM allr.a', '{one}');
SELECT target FROM medallion.define('allr.of_b', 'SELECT 1 AS one, sum(v) AS s FROM allr.b', '{one}');
SELECT target FROM medallion.define('allr.of_of_b', 'SELECT one, s FROM allr.of_b', '{one}');
SELECT target, kind, state, why FROM medallion.tables WHERE target LIKE 'allr.%' ORDER BY 1;
SELECT target, mode, inserted, reason FROM medallion.refresh();
CREATE FUNCTION allr.states() RETURNS TABLE (target text, state text, why text) LANGUAGE sql AS
	$$SELECT target, state, why FROM medallion.tables WHERE target LIKE 'allr.%' ORDER BY 1$$;

-- In workers.
INSERT INTO allr.raw VALUES (3, 'three');
SELECT target, mode, inserted, reason FROM medallion.refresh();
SELECT * FROM allr.states();
SELECT target, mode, reason, sqlstate, inserted, source_versions, role_name FROM medallion.refreshes
	WHERE target LIKE 'allr.%' AND mode IN ('failed', 'skipped') ORDER BY 1;
SELECT (SELECT count(*) FROM allr.a) AS a, (SELECT count(*) FROM allr.b) AS b, (SELECT n FROM allr.of_a) AS of_a;

-- In a transaction that has begun: there, and so said; the failures are logged with it.
BEGIN;
UPDATE allr.raw SET v = 'drei' WHERE id = 3;
SELECT target, mode, updated, reason FROM medallion.refresh();
COMMIT;
SELECT count(*) FROM medallion.refreshes WHERE target LIKE 'allr.%' AND mode IN ('failed', 'skipped');
BEGIN;
SAVEPOINT s;
SELECT count(*) FROM medallion.refresh();
ROLLBACK TO s;
COMMIT;
SELECT count(*) FROM medallion.refreshes WHERE target LIKE 'allr.%' AND mode IN ('failed', 'skipped');
-- After a write of the same statement; in a session that wants no workers; with one that holds a lock a worker would wait for.
CREATE FUNCTION allr.write_and_refresh() RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO allr.raw VALUES (4, '4');
	RETURN QUERY SELECT target || ' ' || mode FROM medallion.refresh();
END $$;
SELECT allr.write_and_refresh();
SET medallion.refresh_workers = 0;
UPDATE allr.raw SET v = '3' WHERE id = 3;
SELECT target, mode, inserted, updated, reason FROM medallion.refresh();
SELECT * FROM allr.states();
RESET medallion.refresh_workers;
CREATE FUNCTION allr.lock_and_refresh() RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	LOCK TABLE allr.b IN SHARE ROW EXCLUSIVE MODE;
	RETURN QUERY SELECT target || ' ' || mode FROM medallion.refresh();
END $$;
SELECT allr.lock_and_refresh();
-- A table by its name, and all or nothing: an error, which is all that is known of it.
UPDATE allr.raw SET v = 'tres' WHERE id = 3;
SELECT * FROM medallion.refresh('allr.of_b');
SELECT * FROM medallion.refresh(workers => 0);
SELECT (SELECT v FROM allr.a WHERE id = 3) AS a, count(*) FILTER (WHERE mode = 'failed') AS failed FROM medallion.refreshes WHERE target LIKE 'allr.%';

-- A rule about a table as a whole that fails when all are written: that table is taken back with what reads it.
SET medallion.refresh_workers = 0;
UPDATE allr.raw SET v = '3' WHERE id = 3;
SELECT medallion.expect('allr.b', 'small', 'v < 5', 'quarantine');
SELECT medallion.expect_table('allr.a', 'few', 'row_count', '{"max": 4}', 'fail');
INSERT INTO allr.raw VALUES (5, '5');
SELECT target, mode, inserted, updated, rejected, reason FROM medallion.refresh();
SELECT * FROM allr.states();
SELECT name, passed, failed FROM medallion.expectation_results WHERE target = 'allr.b' ORDER BY refresh_id DESC LIMIT 1;
SELECT count(*) FROM allr.b_quarantine;
SELECT medallion.unexpect('allr.a', 'few');
SELECT target, mode, inserted, updated, rejected FROM medallion.refresh();
SELECT sum(medallion.rebuild(target, verify => true)) FROM medallion.tables WHERE target LIKE 'allr.%';
RESET medallion.refresh_workers;

-- Rules that compare tables: what is compared with comes first; each with the other: in one transaction.
SELECT medallion.expect_table('allr.a', 'known', 'relationships', '{"columns": ["id"], "to": "allr.b"}', 'fail');
INSERT INTO allr.raw VALUES (0, '0');
SELECT target, mode, inserted, reason FROM medallion.refresh() WHERE target IN ('allr.a', 'allr.b');
SELECT medallion.unexpect('allr.b', 'small');
SELECT target, mode, inserted FROM medallion.refresh() WHERE target IN ('allr.a', 'allr.b');
SELECT medallion.expect_table('allr.b', 'known', 'relationships', '{"columns": ["id"], "to": "allr.a"}', 'fail');
INSERT INTO allr.raw VALUES (6, '6');
SELECT target, mode, inserted FROM medallion.refresh() WHERE target IN ('allr.a', 'allr.b');

-- A flow whose source is gone fails alone, and is shown.
CREATE TABLE allr.events (id int, v int, s int);
INSERT INTO allr.events VALUES (1, 10, 1);
SELECT mode, inserted FROM medallion.apply_changes('allr.now', 'allr.events', '{id}', 's');
SELECT target FROM medallion.define('allr.of_now', 'SELECT 1 AS one, sum(v) AS v FROM allr.now', '{one}');
SELECT target, kind, keys, state, why, definition FROM medallion.tables WHERE target = 'allr.now';
SELECT target, mode FROM medallion.refresh();
DROP TABLE allr.events;
SELECT state, why FROM medallion.tables WHERE target = 'allr.now';
INSERT INTO allr.raw VALUES (7, '7');
SELECT target, mode, inserted, reason FROM medallion.refresh();
CREATE TABLE allr.more_events (id int, v int, s int);
INSERT INTO allr.more_events VALUES (1, 11, 2);
SELECT mode, updated FROM medallion.apply_changes('allr.now', 'allr.more_events');
SELECT state, why FROM medallion.tables WHERE target = 'allr.now';
SELECT target, mode, inserted, updated FROM medallion.refresh() WHERE target LIKE '%now';

-- Who sees it: whoever may read a column; errors, which tell of rows, the owner alone.
INSERT INTO allr.raw VALUES (8, 'secret');
SELECT count(*) FROM medallion.refresh();
SET ROLE all_reader;
SELECT target, state, why FROM medallion.tables WHERE target LIKE 'allr.%';
SET ROLE all_ann;
GRANT SELECT (id) ON allr.b TO all_reader;
SET ROLE all_reader;
SELECT target, state, why, "rows" FROM medallion.tables WHERE target LIKE 'allr.%';
SELECT count(*) FROM allr.b;
SELECT mode, reason, sqlstate FROM medallion.refreshes WHERE target = 'allr.b' ORDER BY refresh_id DESC LIMIT 1;
SELECT name FROM medallion.expectations WHERE target = 'allr.b';
RESET ROLE;
-- Failures go with what is forgotten: to whoever asked for them.
SET client_min_messages = warning;
DROP SCHEMA allr CASCADE;
SELECT count(*) FROM medallion.refreshes WHERE target LIKE 'allr.%';
SET ROLE all_ann;
SELECT target, count(*) > 0 AS some FROM medallion.refreshes WHERE target LIKE 'allr.%' AND mode = 'failed' GROUP BY 1 ORDER BY 1;
RESET ROLE;
DROP ROLE all_ann, all_reader;
