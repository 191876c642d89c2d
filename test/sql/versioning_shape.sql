-- The shape that a table had: columns added, dropped, renamed, and what is shown of them then and today.
SET client_min_messages = warning;
CREATE SCHEMA shape;
SET search_path = shape;
CREATE TABLE t (id int PRIMARY KEY, a text, b int);
INSERT INTO t VALUES (1, 'old', 10), (2, 'older', NULL);
SELECT medallion.enable_versioning('t');
SELECT max(version) AS v0 FROM medallion.commits \gset
UPDATE t SET b = 11 WHERE id = 1;
-- A column with a default: rows of before do not have it, whether they are current still or not.
ALTER TABLE t ADD COLUMN c int DEFAULT 7;
UPDATE t SET b = 12 WHERE id = 1;
SELECT v - :v0 AS version, (SELECT string_agg(p::text, ' ' ORDER BY id) FROM medallion.as_of(NULL::t, version => v) p) AS today,
	(SELECT string_agg(j::text, ' ' ORDER BY j->'id') FROM medallion.as_of_json('t', version => v) j) AS then
FROM (SELECT :v0 + i AS v FROM generate_series(0, 3) i) versions;
SELECT operation, inserted, updated, deleted FROM medallion.history('t') ORDER BY version;
SELECT _change_type, _commit_version - :v0 AS commit, row_data FROM medallion.changes(NULL::t, :v0 + 1);
-- The feed, folded from the start, is every state.
CREATE FUNCTION folded(since bigint, upto bigint) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(image::text, ' ' ORDER BY (image).id) FROM (
		SELECT DISTINCT ON ((row_data).id) row_data AS image, _change_type FROM (
			SELECT 'insert' AS _change_type, since AS _commit_version, p AS row_data FROM medallion.as_of(NULL::shape.t, version => since) p
			UNION ALL SELECT _change_type, _commit_version, row_data FROM medallion.changes(NULL::shape.t, since + 1, upto)
			WHERE _change_type <> 'update_preimage') e
		ORDER BY (row_data).id, _commit_version DESC) last WHERE _change_type <> 'delete'
$$;
SELECT bool_and(folded(:v0, v) = (SELECT string_agg(p::text, ' ' ORDER BY id) FROM medallion.as_of(NULL::t, version => v) p))
FROM (SELECT :v0 + i AS v FROM generate_series(1, 3) i) versions;
-- With a parameter, and in a plan made before the column came.
PREPARE past(bigint) AS SELECT id, b FROM medallion.as_of(NULL::t, version => $1) ORDER BY id;
PREPARE whole(bigint) AS SELECT p FROM medallion.as_of(NULL::t, version => $1) p WHERE id = 1;
SET plan_cache_mode = force_generic_plan;
EXECUTE past(:v0);
EXECUTE whole(:v0);
SELECT :v0 + 3 AS v3 \gset
EXECUTE whole(:v3);
-- A predicate on the column looks at what it was.
SELECT count(*) FROM medallion.as_of(NULL::t, version => :v0) WHERE c = 7;
SELECT count(*) FROM medallion.as_of(NULL::t, version => :v3) WHERE c = 7;

-- Dropped, and another one of its name.
ALTER TABLE t DROP COLUMN b;
INSERT INTO t VALUES (3, 'three', 3);
ALTER TABLE t ADD COLUMN b text DEFAULT 'new';
UPDATE t SET b = 'newer' WHERE id = 2;
EXECUTE whole(:v0);
EXECUTE whole(:v3);
DEALLOCATE ALL;
RESET plan_cache_mode;
ALTER TABLE t DROP COLUMN b;
ALTER TABLE t ADD COLUMN b date;
UPDATE t SET b = '2026-01-01';
VACUUM FULL t;
CLUSTER t USING t_pkey;
SELECT v - :v0 AS version, (SELECT string_agg(p::text, ' ' ORDER BY id) FROM medallion.as_of(NULL::t, version => v) p) AS today,
	(SELECT string_agg(j::text, ' ' ORDER BY j->'id') FROM medallion.as_of_json('t', version => v) j) AS then
FROM (SELECT :v0 + i AS v FROM generate_series(0, 10) i) versions;
SELECT operation, inserted, updated, deleted FROM medallion.history('t') ORDER BY version;
SELECT bool_and(folded(:v0, v) = (SELECT string_agg(p::text, ' ' ORDER BY id) FROM medallion.as_of(NULL::t, version => v) p))
FROM (SELECT :v0 + i AS v FROM generate_series(1, 10) i) versions;
SELECT v - :v0 AS version, (SELECT string_agg(column_name || ' ' || data_type, ', ') FROM medallion.columns_as_of('t', version => v))
FROM (SELECT :v0 + i AS v FROM generate_series(0, 10) i) versions;
-- Renamed: in a circle, in one transaction, and onto a name that was dropped.
BEGIN;
ALTER TABLE t RENAME a TO swap;
ALTER TABLE t RENAME b TO a;
ALTER TABLE t RENAME swap TO b;
COMMIT;
UPDATE t SET b = 'renamed' WHERE id = 3;
SELECT * FROM medallion.columns_as_of('t', version => :v0 + 11);
SELECT * FROM medallion.columns_as_of('t', at => (SELECT committed_at FROM medallion.commits WHERE version = :v0 + 10));
SELECT * FROM medallion.as_of(NULL::t, version => :v0) ORDER BY id;
SELECT j FROM medallion.as_of_json('t', :v0 + 10) j ORDER BY j->'id';
SELECT j FROM medallion.as_of_json('t', version => :v0 + 11) j ORDER BY j->'id';
SELECT column_id, phase, column_name, data_type, history_column, filled FROM medallion_history.table_columns
JOIN medallion_history.versioned_tables USING (table_id) WHERE schema_name = 'shape' ORDER BY 1, 2;
-- Rolled back in a savepoint; a command that fails in a PL/pgSQL block; columns that come and go in one transaction.
BEGIN;
SAVEPOINT s;
ALTER TABLE t DROP COLUMN c, ADD COLUMN d int DEFAULT 1;
ROLLBACK TO s;
DO $$ BEGIN ALTER TABLE t DROP COLUMN c, ADD COLUMN id int; EXCEPTION WHEN duplicate_column THEN RAISE WARNING 'no'; END $$;
ALTER TABLE t ADD COLUMN d int DEFAULT 5;
ALTER TABLE t RENAME d TO e;
ALTER TABLE t DROP COLUMN e;
COMMIT;
SELECT count(*) FROM medallion_history.table_columns JOIN medallion_history.versioned_tables USING (table_id) WHERE schema_name = 'shape';
UPDATE t SET c = 8 WHERE id = 1;
SELECT j FROM medallion.as_of_json('t', version => :v0 + 11) j ORDER BY j->'id';

-- Rights: SELECT on the table; dropped columns are the owner's; policies hold for both sides.
CREATE ROLE regress_shape_reader;
CREATE ROLE regress_shape_none;
GRANT USAGE ON SCHEMA shape TO regress_shape_reader, regress_shape_none;
GRANT SELECT ON t TO regress_shape_reader;
GRANT SELECT (id) ON t TO regress_shape_none;
SET ROLE regress_shape_none;
SELECT * FROM medallion.as_of_json('t', version => :v0);
SELECT * FROM medallion.columns_as_of('t', version => :v0);
SET ROLE regress_shape_reader;
SELECT j FROM medallion.as_of_json('t', version => :v0) j ORDER BY j->'id';
SELECT * FROM medallion.columns_as_of('t', version => :v0);
RESET ROLE;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY a_few ON t USING (c = 7 OR b = 'three');
SET ROLE regress_shape_reader;
SELECT j FROM medallion.as_of_json('t', version => :v0) j ORDER BY j->'id';
SELECT j FROM medallion.as_of_json('t', version => :v0 + 6) j ORDER BY j->'id';
SELECT p FROM medallion.as_of(NULL::t, version => :v0 + 6) p ORDER BY id;
RESET ROLE;
-- In a session that reads the past.
SELECT medallion.travel_to(version => :v0 + 3) - :v0;
SELECT j FROM medallion.as_of_json('t', version => :v0) j ORDER BY j->'id';
SELECT count(*) FROM medallion.columns_as_of('t', version => :v0);
\set VERBOSITY terse
SELECT medallion.undrop('shape.t');
\set VERBOSITY default
SELECT medallion.travel_back();
-- Errors.
SELECT medallion.as_of_json(NULL, version => 1);
SELECT medallion.as_of_json('t');
SELECT medallion.as_of_json('t', 1, now());
SELECT medallion.columns_as_of('pg_class', version => :v0);

DROP OWNED BY regress_shape_reader, regress_shape_none;
DROP ROLE regress_shape_reader, regress_shape_none;
SET search_path = public;
DROP SCHEMA shape CASCADE;
DO $$ DECLARE t text; BEGIN
  FOR t IN SELECT format('medallion_history.%I', history_table) FROM medallion_history.versioned_tables WHERE schema_name = 'shape' LOOP
    EXECUTE 'DROP TABLE ' || t;
  END LOOP;
END $$;
