-- The change feed: net changes, and that folding them gives every version again; what history and commits say.
CREATE TABLE silver.f (id int, part text, v int, note text, PRIMARY KEY (part, id));
INSERT INTO silver.f VALUES (1, 'a', 1, NULL), (2, 'a', 2, 'two'), (1, 'b', 3, NULL);
CREATE FUNCTION pg_temp.newest() RETURNS bigint LANGUAGE sql AS
	$$ SELECT COALESCE(max(version), 0) FROM medallion.commits $$;
SELECT medallion.enable_versioning('silver.f');
SELECT pg_temp.newest() AS v0 \gset
SET application_name = 'the loader';

INSERT INTO silver.f VALUES (3, 'a', 3, NULL), (4, 'a', 4, NULL);
UPDATE silver.f SET v = v + 10 WHERE part = 'a' AND id <= 2;
UPDATE silver.f SET v = v;
DELETE FROM silver.f WHERE id = 4;
-- Several changes of a row in one transaction are one.
BEGIN;
UPDATE silver.f SET v = 100 WHERE id = 1;
UPDATE silver.f SET v = v + 1 WHERE id = 1 AND part = 'a';
SAVEPOINT s; UPDATE silver.f SET note = 'sub' WHERE id = 2; RELEASE s;
SAVEPOINT s; DELETE FROM silver.f; ROLLBACK TO s;
COMMIT;
-- Delete and insert of a key is an update, or nothing if the row is as it was.
BEGIN; DELETE FROM silver.f WHERE id = 3; INSERT INTO silver.f VALUES (3, 'a', 33, 'new'); COMMIT;
BEGIN; DELETE FROM silver.f WHERE id = 3; INSERT INTO silver.f VALUES (3, 'a', 33, 'new'); COMMIT;
-- There and back again is nothing; so is a row born and dead.
BEGIN; UPDATE silver.f SET v = 0 WHERE id = 2; UPDATE silver.f SET v = 12 WHERE id = 2; COMMIT;
BEGIN; INSERT INTO silver.f VALUES (9, 'z', 9, NULL); DELETE FROM silver.f WHERE part = 'z'; COMMIT;
-- A changed key is a delete and an insert; two rows that swap their keys are two updates.
UPDATE silver.f SET part = 'c' WHERE part = 'b';
BEGIN;
UPDATE silver.f SET id = -1 WHERE part = 'a' AND id = 1;
UPDATE silver.f SET id = 1 WHERE part = 'a' AND id = 2;
UPDATE silver.f SET id = 2 WHERE part = 'a' AND id = -1;
COMMIT;
TRUNCATE silver.f;
INSERT INTO silver.f VALUES (1, 'a', 1, 'last') ON CONFLICT DO NOTHING;
INSERT INTO silver.f VALUES (1, 'a', 2, 'last') ON CONFLICT (part, id) DO UPDATE SET v = excluded.v;
-- Nothing changed: no commit.
UPDATE silver.f SET v = 0 WHERE false;
BEGIN; DELETE FROM silver.f; ROLLBACK;

SELECT _change_type, _commit_version - :v0 AS version, (row_data).* FROM medallion.changes(NULL::silver.f, :v0);
SELECT version - :v0 AS version, operation, inserted, updated, deleted, readable, application_name, role_name = current_user AS me
	FROM medallion.history('silver.f') WHERE version > :v0;
-- Each commit is there with its tables.
SELECT version - :v0 AS version, relations, application_name FROM medallion.commits WHERE version > :v0;
SELECT count(*) AS with_another_time FROM medallion.changes(NULL::silver.f, :v0) f LEFT JOIN medallion.commits c
	ON c.version = f._commit_version AND c.committed_at = f._commit_timestamp WHERE c IS NULL;

-- Folding: the first version and the changes since then make every version.
CREATE TABLE silver.fold (LIKE silver.f INCLUDING ALL);
DO $$
DECLARE
	ver bigint; first bigint;
BEGIN
	SELECT min(version) INTO first FROM medallion.history('silver.f');
	INSERT INTO silver.fold SELECT * FROM medallion.as_of(NULL::silver.f, version => first);
	FOR ver IN SELECT version FROM medallion.history('silver.f') WHERE version > first ORDER BY 1 LOOP
		DELETE FROM silver.fold t USING medallion.changes(NULL::silver.f, ver, ver) c
			WHERE c._change_type IN ('delete', 'update_preimage') AND t.id = (c.row_data).id AND t.part = (c.row_data).part;
		INSERT INTO silver.fold SELECT (row_data).* FROM medallion.changes(NULL::silver.f, ver, ver)
			WHERE _change_type IN ('insert', 'update_postimage');
		IF EXISTS ((TABLE silver.fold EXCEPT ALL SELECT * FROM medallion.as_of(NULL::silver.f, version => ver))
			UNION ALL (SELECT * FROM medallion.as_of(NULL::silver.f, version => ver) EXCEPT ALL TABLE silver.fold)) THEN
			RAISE WARNING 'version % is not what the changes make', ver - first;
		END IF;
	END LOOP;
END$$;
TABLE silver.fold;

-- Bounds: both included; without an end, up to now; an empty range; a rewritten table, whose rows are somewhere else.
SELECT count(*) FROM medallion.changes(NULL::silver.f, :v0 + 1, :v0 + 1);
SELECT count(*) FROM medallion.changes(NULL::silver.f, :v0 + 1, :v0 + 2);
SELECT count(*) FROM medallion.changes(NULL::silver.f, :v0 + 2, :v0 + 1);
SELECT count(*) AS before FROM medallion.changes(NULL::silver.f, :v0) \gset
VACUUM FULL silver.f;
SELECT count(*) = :before AS same FROM medallion.changes(NULL::silver.f, :v0);
-- The transaction's own changes are no commit yet.
BEGIN;
DELETE FROM silver.f;
SELECT count(*) = :before AS same FROM medallion.changes(NULL::silver.f, :v0);
ROLLBACK;
SELECT c._change_type, (c.row_data).v FROM (VALUES (:v0::bigint + 1)) f(v), LATERAL medallion.changes(NULL::silver.f, f.v, f.v) c;

\set VERBOSITY terse
SELECT * FROM medallion.changes(NULL::silver.f, NULL);
SELECT * FROM medallion.changes(NULL::silver.f, 0);
SELECT * FROM medallion.changes(NULL::silver.f, :v0, 1000000000);
SELECT * FROM medallion.changes(1, 1);
SELECT * FROM medallion.changes(NULL::silver.fold, 1);
SELECT * FROM medallion.history('silver.fold');
SELECT * FROM medallion.history('silver.nowhere');
-- What is below serves the feed alone.
SELECT medallion._change_of_stamp(1, 1);
SELECT * FROM medallion._history_rows(NULL::silver.f, 0) LIMIT 0;
SELECT medallion._capture();
RESET application_name;
DROP TABLE silver.fold, silver.f;
