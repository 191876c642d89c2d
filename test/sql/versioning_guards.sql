-- What versioning must not do: run functions of users as its owner, take all rows for new, take in what it cannot read.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA guard;
CREATE ROLE guard_user;
GRANT ALL ON SCHEMA guard TO guard_user;
CREATE TABLE guard.said (who text);
GRANT ALL ON guard.said TO guard_user;

-- A type goes away with a cast to text of its owner's: past values are kept as text without it.
SET ROLE guard_user;
CREATE TYPE guard.pair AS (a int, b int);
CREATE FUNCTION guard.tell(guard.pair) RETURNS text LANGUAGE sql AS $$INSERT INTO guard.said VALUES (current_user) RETURNING 'told'$$;
CREATE CAST (guard.pair AS text) WITH FUNCTION guard.tell(guard.pair);
CREATE TABLE guard.pairs (id int PRIMARY KEY, p guard.pair);
SELECT medallion.enable_versioning('guard.pairs');
INSERT INTO guard.pairs VALUES (1, (1, 2));
UPDATE guard.pairs SET p = (3, 4);
DROP TYPE guard.pair CASCADE;
RESET ROLE;
SELECT e.value FROM medallion_history."guard.pairs" h, jsonb_each_text(to_jsonb(h)) e WHERE e.key LIKE 'p%' ORDER BY 1;
SELECT * FROM guard.said;

-- Nor does an erasure by a key that was of another type call a cast.
SET ROLE guard_user;
CREATE TYPE guard.letter AS ENUM ('a', 'b');
CREATE FUNCTION guard.tell(guard.letter) RETURNS text LANGUAGE sql AS $$INSERT INTO guard.said VALUES (current_user) RETURNING 'told'$$;
CREATE CAST (guard.letter AS text) WITH FUNCTION guard.tell(guard.letter);
CREATE TABLE guard.letters (id guard.letter PRIMARY KEY, v int);
SELECT medallion.enable_versioning('guard.letters');
INSERT INTO guard.letters VALUES ('a', 1), ('b', 2);
ALTER TABLE guard.letters ALTER COLUMN id TYPE text USING format('%s', id);
DELETE FROM guard.letters;
SELECT * FROM medallion.forget('guard.letters', '{"id": "a"}');
SELECT * FROM guard.said;
DROP CAST (guard.letter AS text);
SELECT erased FROM (SELECT (to_jsonb(f)->>0) IS NULL AS erased FROM medallion.forget('guard.letters', '{"id": "a"}') f) x;
RESET ROLE;

-- A version before the columns of today's key: its rows cannot be told from today's.
CREATE TABLE guard.rekeyed (id int PRIMARY KEY, v text);
SELECT medallion.enable_versioning('guard.rekeyed');
INSERT INTO guard.rekeyed VALUES (1, 'a'), (2, 'b');
CREATE TABLE guard.point AS SELECT max(version) AS version FROM medallion.commits;
ALTER TABLE guard.rekeyed ADD COLUMN uid int GENERATED ALWAYS AS IDENTITY;
ALTER TABLE guard.rekeyed DROP CONSTRAINT rekeyed_pkey, ADD PRIMARY KEY (uid);
DO $$
BEGIN
	PERFORM medallion.restore('guard.rekeyed', version => (SELECT version FROM guard.point));
EXCEPTION WHEN object_not_in_prerequisite_state THEN
	RAISE WARNING '%', regexp_replace(sqlerrm, '\d+$', 'N');
END$$;
SELECT * FROM guard.rekeyed ORDER BY id;

-- Rows of other access methods have no births that could be read.
CREATE ACCESS METHOD guard_heap TYPE TABLE HANDLER heap_tableam_handler;
CREATE TABLE guard.other (id int PRIMARY KEY) USING guard_heap;
SELECT medallion.enable_versioning('guard.other');
CREATE TABLE guard.parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
SELECT medallion.enable_versioning('guard.parts');
CREATE TABLE guard.part PARTITION OF guard.parts DEFAULT USING guard_heap;

-- A table that the transaction has dropped is named as well as can be.
BEGIN;
DROP TABLE guard.rekeyed;
\set VERBOSITY sqlstate
PREPARE TRANSACTION 'guard';
\set VERBOSITY terse

-- Columns whose names begin as names of versioning do, the first one among them.
CREATE TABLE guard.names (_medallion__side int PRIMARY KEY, v int);
SELECT medallion.enable_versioning('guard.names');
INSERT INTO guard.names VALUES (1, 1);
SELECT j FROM medallion.as_of_json('guard.names', version => (SELECT max(version) FROM medallion.commits)) j;

SET client_min_messages = error;
DROP SCHEMA guard CASCADE;
DROP ACCESS METHOD guard_heap;
DROP ROLE guard_user;
