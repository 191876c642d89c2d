-- refresh(workers => n): the order of dependencies, tables that do not read each other at a time, failures, rights.
\pset null (null)
CREATE ROLE crew_ann LOGIN;
CREATE ROLE crew_bob LOGIN;
CREATE ROLE crew_team;
GRANT crew_team TO crew_ann;
CREATE SCHEMA crew AUTHORIZATION crew_ann;
GRANT USAGE, CREATE ON SCHEMA crew TO crew_bob, crew_team;
SET ROLE crew_ann;
CREATE TABLE crew.raw (id int PRIMARY KEY, v int);
SELECT medallion.enable_versioning('crew.raw');
INSERT INTO crew.raw VALUES (1, 10), (2, 20), (3, 30);
GRANT SELECT ON crew.raw TO crew_bob, crew_team;

-- Three that wait for each other: they end only if they run at a time.
CREATE SEQUENCE crew.arrived;
CREATE FUNCTION crew.meet(v int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	IF v = 10 THEN
		PERFORM nextval('crew.arrived');
		FOR i IN 1 .. 12000 LOOP
			EXIT WHEN (SELECT last_value FROM crew.arrived) >= 3;
			PERFORM pg_sleep(0.05);
		END LOOP;
	END IF;
	RETURN (SELECT last_value FROM crew.arrived);
END $$;
SELECT count(*) FROM generate_series(1, 3) n, medallion.define('crew.side_' || n, 'SELECT id, v, crew.meet(v) AS met FROM crew.raw', '{id}');
CREATE VIEW crew.both AS SELECT a.id, a.v + b.v AS v FROM crew.side_1 a JOIN crew.side_2 b USING (id);
SELECT target FROM medallion.define('crew.joined', 'SELECT id, v FROM crew.both', '{id}');
SELECT target FROM medallion.define('crew.total', 'SELECT 1 AS one, sum(j.v + s.v) AS v FROM crew.joined j JOIN crew.side_3 s USING (id)', '{one}');
SELECT target, mode, inserted, updated, deleted, rejected, reason, seconds > 0 AS took FROM medallion.refresh(workers => 3);
TABLE crew.total;
SELECT array_agg(DISTINCT met) FROM (TABLE crew.side_1 UNION ALL TABLE crew.side_2 UNION ALL TABLE crew.side_3) s;
-- What reads ended before what is read begins: no table was computed before its sources had ended.
SELECT r.target, s.target AS source FROM medallion.refreshes r JOIN medallion.refreshes s
	ON (r.target, s.target) IN (('crew.joined', 'crew.side_1'), ('crew.joined', 'crew.side_2'), ('crew.total', 'crew.joined'), ('crew.total', 'crew.side_3'))
WHERE r.started_at < s.finished_at;
SELECT DISTINCT role_name FROM medallion.refreshes WHERE target LIKE 'crew.%';
-- A target and what it reads; what has nothing to do is done as ever.
UPDATE crew.raw SET v = 11 WHERE id = 1;
SELECT target, mode, updated, reason FROM medallion.refresh('crew.joined', workers => 2);
SELECT target, mode, updated, reason FROM medallion.refresh(workers => 1);
TABLE crew.total;

-- A failure keeps back what reads it, and nobody else; what was right stays.
SELECT medallion.expect('crew.side_1', 'small', 'v < 100', 'fail');
UPDATE crew.raw SET v = 1000 WHERE id = 2;
SELECT target, mode, updated, reason FROM medallion.refresh(workers => 4);
SELECT (SELECT max(v) FROM crew.side_1) AS side_1, (SELECT max(v) FROM crew.side_2) AS side_2, (SELECT max(v) FROM crew.joined) AS joined;
UPDATE crew.raw SET v = 50 WHERE id = 2;
SELECT target, mode, updated FROM medallion.refresh(workers => 4);
SELECT medallion.unexpect('crew.side_1', 'small');
-- Settings of the session reach the workers.
SET medallion.incremental_limit = 0;
INSERT INTO crew.raw SELECT i, i FROM generate_series(1001, 3000) i;
SELECT target, mode, inserted, reason FROM medallion.refresh('crew.side_3', workers => 1);
RESET medallion.incremental_limit;

-- Tables of others that are read: left as they are.
RESET ROLE;
ALTER TABLE crew.side_3 OWNER TO crew_bob;
GRANT SELECT ON ALL TABLES IN SCHEMA crew TO crew_bob;
SET ROLE crew_bob;
GRANT SELECT ON crew.side_3 TO crew_ann;
SET ROLE crew_ann;
INSERT INTO crew.raw VALUES (4, 40);
SELECT target, mode, reason FROM medallion.refresh('crew.total', workers => 2);

-- Mistakes: inside a transaction, which workers would not see and might wait for.
BEGIN;
SELECT * FROM medallion.refresh(workers => 2);
ROLLBACK;
CREATE FUNCTION crew.writes_and_refreshes() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO crew.raw VALUES (5, 50);
	RETURN (SELECT count(*) FROM medallion.refresh(workers => 2));
END $$;
SELECT crew.writes_and_refreshes();
CREATE FUNCTION crew.locks_and_refreshes() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	LOCK TABLE crew.joined IN SHARE ROW EXCLUSIVE MODE;
	RETURN (SELECT count(*) FROM medallion.refresh('crew.joined', workers => 2));
END $$;
SELECT crew.locks_and_refreshes();
DO $$ BEGIN FOR i IN 1 .. 12000 LOOP
	PERFORM pg_stat_clear_snapshot();
	EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'medallion refresh of crew%');
	PERFORM pg_sleep(0.05);
END LOOP; END $$;
SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'medallion refresh of crew%';
SELECT * FROM medallion.refresh(workers => -1);
SELECT * FROM medallion.refresh(workers => 65);
SELECT * FROM medallion.refresh('crew.raw', workers => 2);
SET default_transaction_read_only = on;
SELECT * FROM medallion.refresh(workers => 2);
RESET default_transaction_read_only;
SET ROLE crew_bob;
SELECT * FROM medallion.refresh('crew.total', workers => 2);
-- A role that cannot log in has no workers.
SET ROLE crew_team;
SELECT count(*) FROM medallion.refresh(workers => 2);
SELECT target FROM medallion.define('crew.of_team', 'SELECT id FROM crew.raw', '{id}');
SELECT count(*) FROM medallion.refresh(workers => 2);
RESET ROLE;
SET client_min_messages = warning;
DROP SCHEMA crew CASCADE;
DROP ROLE crew_ann, crew_bob, crew_team;
