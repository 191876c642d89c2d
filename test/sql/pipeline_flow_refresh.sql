-- Tables that changes are applied to take part in refreshes, with workers and by schedule, in the order of what they are made from.
\pset null (null)
SET client_min_messages = warning;
CREATE ROLE fr_ann LOGIN;
CREATE SCHEMA fr AUTHORIZATION fr_ann;
SET ROLE fr_ann;
CREATE TABLE fr.ev (n bigint PRIMARY KEY, op text, id int, amount int);
SELECT medallion.enable_versioning('fr.ev');
INSERT INTO fr.ev VALUES (1, 'c', 1, 10), (2, 'c', 2, 20);
SELECT target, mode, inserted FROM medallion.apply_changes('fr.now', 'fr.ev', '{id}', sequence_by => 'n', apply_as_deletes => $$op = 'd'$$, except_column_list => '{op,n}');
SELECT target FROM medallion.define('fr.total', 'SELECT 1 AS one, count(*) AS n, sum(amount) AS amount FROM fr.now', '{one}');
SELECT target, mode, inserted, updated, deleted, reason FROM medallion.refresh('fr.total');
INSERT INTO fr.ev VALUES (3, 'd', 1, NULL), (4, 'c', 3, 30), (5, 'u', 2, 25);
SELECT target, mode, inserted, updated, deleted, reason FROM medallion.refresh('fr.total');
TABLE fr.total;
INSERT INTO fr.ev VALUES (6, 'c', 4, 40);
SELECT target, mode, inserted, updated, deleted, reason FROM medallion.refresh(workers => 2);
TABLE fr.total;
SELECT target, mode, rows, inserted, exact, role_name FROM medallion.refreshes WHERE target LIKE 'fr.%' ORDER BY refresh_id;
-- A rebuild applies all events once more, which changes nothing.
SELECT medallion.rebuild('fr.now', verify => true);
SELECT medallion.rebuild('fr.now');
SELECT target, mode FROM medallion.refresh('fr.now');
-- By schedule, until the flow is dropped.
SELECT medallion.schedule_refresh('fr.now', '1 s');
SELECT target, owner, target_lag FROM medallion.schedules;
INSERT INTO fr.ev VALUES (7, 'c', 5, 50);
DO $$ BEGIN
	FOR i IN 1 .. 12000 LOOP
		EXIT WHEN (SELECT count(*) FROM fr.now) = 4;
		PERFORM pg_sleep(0.05);
	END LOOP;
END $$;
TABLE fr.now ORDER BY id;
SELECT medallion.drop_flow('fr.now');
SELECT count(*) FROM medallion.schedules;
SELECT target, mode FROM medallion.refresh('fr.total');
SELECT medallion.refresh('fr.now');
RESET ROLE;
DROP SCHEMA fr CASCADE;
DROP ROLE fr_ann;
