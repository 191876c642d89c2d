-- tags name versions
SELECT count(*) FROM medallion.tags;
\set VERBOSITY terse
SELECT medallion.version_of('none');
\set VERBOSITY default
CREATE TABLE silver.ledger (id int PRIMARY KEY, amount int);
SELECT medallion.enable_versioning('silver.ledger');
INSERT INTO silver.ledger VALUES (1, 10), (2, 20);
SELECT medallion.tag('eoy-2025', comment => 'books closed') AS v \gset
SELECT :v = max(version) AS newest FROM medallion.commits;
UPDATE silver.ledger SET amount = amount + 1;
SELECT * FROM medallion.as_of(NULL::silver.ledger, version => medallion.version_of('eoy-2025')) ORDER BY id;
SELECT * FROM silver.ledger l JOIN medallion.as_of(NULL::silver.ledger, version => medallion.version_of('eoy-2025')) p USING (id) ORDER BY id;
SELECT t.tag, t.version = :v AS same, t.committed_at = c.committed_at AS its_time, t.role_name = current_user AS mine, t.comment
FROM medallion.tags t JOIN medallion.commits c USING (version);
-- an older version, and one without a commit of that number: the one before
SELECT medallion.tag('before', :v - 1) = :v - 1 AS as_given;
-- in plans a tag is looked up when the statement starts, and indexes are used
CREATE FUNCTION pg_temp.index_scans(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE line text; found bigint := 0;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP found := found + (line LIKE '%Index Scan using%')::int; END LOOP;
	RETURN found;
END $$;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT pg_temp.index_scans('SELECT * FROM medallion.as_of(NULL::silver.ledger, version => medallion.version_of(''eoy-2025'')) WHERE id = 1');
RESET enable_seqscan;
RESET enable_bitmapscan;
PREPARE tagged AS SELECT * FROM medallion.as_of(NULL::silver.ledger, version => medallion.version_of('eoy-2025')) ORDER BY id;
EXECUTE tagged;
-- a tag does not move by itself
SELECT medallion.tag('eoy-2025');
SELECT medallion.untag('eoy-2025') = :v AS was;
\set VERBOSITY terse
EXECUTE tagged;
\set VERBOSITY default
SELECT medallion.tag('eoy-2025') > :v AS moved;
EXECUTE tagged;
-- tags roll back
BEGIN;
SELECT medallion.untag('eoy-2025') > 0 AS gone;
ROLLBACK;
SELECT tag FROM medallion.tags ORDER BY tag;

-- who may: the owner of the database and members of medallion_engineer; everybody may read
CREATE ROLE regress_tagger;
SET ROLE regress_tagger;
SELECT medallion.tag('mine');
SELECT medallion.untag('eoy-2025');
SELECT medallion.version_of('before') = :v - 1 AS found;
RESET ROLE;
CREATE ROLE medallion_engineer;
GRANT medallion_engineer TO regress_tagger;
SET ROLE regress_tagger;
SELECT medallion.tag('mine') > 0 AS tagged;
SELECT medallion.untag('mine') > 0 AS untagged;
INSERT INTO medallion_history.tags VALUES ('x', 1, 'me', now(), NULL);
RESET ROLE;
DROP ROLE regress_tagger, medallion_engineer;

-- errors
\set VERBOSITY terse
SELECT medallion.tag(NULL);
SELECT medallion.tag('');
SELECT medallion.tag(repeat('x', 201));
SELECT medallion.tag('far', 1000000);
SELECT medallion.tag('zero', 0);
SELECT medallion.untag('none');
SELECT medallion.untag(NULL);
SELECT medallion.version_of(NULL);
\set VERBOSITY default
SELECT medallion.untag(tag) > 0 AS untagged FROM medallion.tags;
DROP TABLE silver.ledger;
