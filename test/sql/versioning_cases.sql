-- What may happen to a versioned table: rows of the table of cases in docs/versioning.md that have no test of their own.
SET client_min_messages = warning;
CREATE SCHEMA cases;
SET search_path = cases;
CREATE TABLE start (version bigint);
CREATE TABLE t (id int PRIMARY KEY, v int);
CREATE FUNCTION mark() RETURNS void LANGUAGE sql AS 'DELETE FROM cases.start; INSERT INTO cases.start SELECT max(version) FROM medallion.commits';
-- The n-th version after the mark.
CREATE FUNCTION past(n int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT string_agg(concat_ws('=', id, v), ' ' ORDER BY id)
		FROM medallion.as_of(NULL::cases.t, version => (SELECT version + n FROM cases.start)));
END$$;
CREATE FUNCTION feed(n int) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('%s:%s %s=%s', _commit_version - version, _change_type, (row_data).id, (row_data).v), ', '
		ORDER BY _commit_version, (row_data).id, _change_type DESC)
	FROM cases.start, medallion.changes(NULL::cases.t, version + 1, version + n)
$$;
INSERT INTO t VALUES (1, 10), (2, 20), (3, 30);
SELECT medallion.enable_versioning('t');
SELECT mark();

-- Replica sessions: captured, and definitions are followed or refused there too.
SET session_replication_role = replica;
UPDATE t SET v = 11 WHERE id = 1;
ALTER TABLE t DISABLE TRIGGER ALL;
ALTER TABLE t ADD COLUMN w text;
UPDATE t SET w = 'w', v = 12 WHERE id = 1;
RESET session_replication_role;
SELECT past(0), past(1), past(3);
SELECT feed(3);

-- A table rewritten in the transaction that changed it: the feed has the changes.
SELECT mark();
BEGIN;
INSERT INTO t VALUES (4, 40), (5, 50);
UPDATE t SET v = 21 WHERE id = 2;
CLUSTER t USING t_pkey;
INSERT INTO t VALUES (6, 60);
COMMIT;
SELECT past(1);
SELECT feed(1);
BEGIN;
INSERT INTO t VALUES (7, 70);
TRUNCATE t;
INSERT INTO t VALUES (8, 80);
SAVEPOINT s;
TRUNCATE t;
INSERT INTO t VALUES (9, 90);
ROLLBACK TO s;
INSERT INTO t VALUES (1, 11);
COMMIT;
SELECT past(1), past(2);
SELECT feed(2);

-- A column with a default that comes to a partitioned table: rows of before had it nowhere.
CREATE TABLE parted (id int PRIMARY KEY, v int) PARTITION BY HASH (id);
CREATE TABLE parted_0 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 1);
SELECT medallion.enable_versioning('parted');
INSERT INTO parted VALUES (1, 1), (2, 2), (3, 3);
SELECT mark();
ALTER TABLE parted ADD COLUMN w text DEFAULT 'w';
DO $$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT n, string_agg(p::text, ' ' ORDER BY id) AS rows FROM generate_series(0, 1) n, cases.start,
		medallion.as_of(NULL::cases.parted, version => start.version + n) p GROUP BY n ORDER BY n
	LOOP RAISE INFO '%: %', r.n, r.rows; END LOOP;
END$$;
SELECT _change_type, row_data FROM start, medallion.changes(NULL::parted, version + 1) ORDER BY (row_data).id, 1 DESC;
DROP TABLE parted;

SELECT medallion.disable_versioning('t', keep_history => false);
RESET search_path;
DROP SCHEMA cases CASCADE;
