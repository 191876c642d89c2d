-- Starting and stopping to keep versions, and the tables for which that is refused.
\set VERBOSITY default
CREATE TABLE silver.no_key (id int);
SELECT medallion.enable_versioning('silver.no_key');
ALTER TABLE silver.no_key ADD PRIMARY KEY (id) DEFERRABLE;
SELECT medallion.enable_versioning('silver.no_key');
ALTER TABLE silver.no_key DROP CONSTRAINT no_key_pkey;
CREATE UNIQUE INDEX ON silver.no_key (id);
SELECT medallion.enable_versioning('silver.no_key');
CREATE VIEW silver.a_view AS SELECT 1 AS id;
SELECT medallion.enable_versioning('silver.a_view');
CREATE MATERIALIZED VIEW silver.a_matview AS SELECT 1 AS id;
SELECT medallion.enable_versioning('silver.a_matview');
CREATE SEQUENCE silver.a_sequence;
SELECT medallion.enable_versioning('silver.a_sequence');
CREATE TEMP TABLE temporary (id int PRIMARY KEY);
\set VERBOSITY terse
DO $$BEGIN PERFORM medallion.enable_versioning('temporary'); EXCEPTION WHEN wrong_object_type THEN RAISE NOTICE '%', regexp_replace(sqlerrm, 'pg_temp_\d+', 'pg_temp'); END$$;
\set VERBOSITY default
CREATE UNLOGGED TABLE silver.unlogged (id int PRIMARY KEY);
SELECT medallion.enable_versioning('silver.unlogged');
CREATE TABLE silver.parted (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE silver.part1 PARTITION OF silver.parted FOR VALUES FROM (0) TO (10);
SELECT medallion.enable_versioning('silver.part1');
CREATE TABLE silver.parent (id int PRIMARY KEY);
CREATE TABLE silver.child (PRIMARY KEY (id)) INHERITS (silver.parent);
SELECT medallion.enable_versioning('silver.parent');
SELECT medallion.enable_versioning('silver.child');
SELECT medallion.enable_versioning('medallion_history.commit_log');
SELECT medallion.enable_versioning('pg_class');
SELECT medallion.enable_versioning(NULL);
SELECT medallion.enable_versioning('silver.nowhere');
SELECT medallion.disable_versioning('silver.no_key');
DROP TABLE silver.no_key, silver.unlogged, silver.parted, silver.child, silver.parent, temporary;
DROP VIEW silver.a_view;
DROP MATERIALIZED VIEW silver.a_matview;
DROP SEQUENCE silver.a_sequence;
-- Nothing is left of the refusals.
SELECT count(*) FROM medallion_history.versioned_tables WHERE schema_name = 'silver' AND table_name IN ('no_key', 'unlogged', 'parted');

-- Nothing changes in the columns; twice is once; names that need quotes, and one that does not fit.
CREATE TABLE silver."Odd.Name" ("Id" int, "a ""b""" text COLLATE "C", PRIMARY KEY ("Id"));
CREATE TABLE silver.a_table_whose_name_is_as_long_as_a_name_in_postgresql_can_be_63 (id int PRIMARY KEY, v int);
INSERT INTO silver."Odd.Name" VALUES (1, 'x');
SELECT medallion.enable_versioning('silver."Odd.Name"');
SELECT medallion.enable_versioning('silver."Odd.Name"');
SELECT medallion.enable_versioning('silver.a_table_whose_name_is_as_long_as_a_name_in_postgresql_can_be_63');
SELECT attname FROM pg_attribute WHERE attrelid = 'silver."Odd.Name"'::regclass AND attnum > 0 ORDER BY attnum;
SELECT history_table, enabled FROM medallion_history.versioned_tables
	WHERE table_name = 'Odd.Name' OR table_name LIKE 'a\_table\_whose%' ORDER BY 1;
INSERT INTO silver.a_table_whose_name_is_as_long_as_a_name_in_postgresql_can_be_63 VALUES (1, 1);
UPDATE silver.a_table_whose_name_is_as_long_as_a_name_in_postgresql_can_be_63 SET v = 2;
SELECT operation, inserted, updated FROM medallion.history('silver.a_table_whose_name_is_as_long_as_a_name_in_postgresql_can_be_63');
SELECT max(version) AS v FROM medallion.commits \gset
UPDATE silver."Odd.Name" SET "a ""b""" = 'y';
DELETE FROM silver."Odd.Name";
SELECT * FROM medallion.as_of(NULL::silver."Odd.Name", version => :v);
SELECT _change_type, row_data FROM medallion.changes(NULL::silver."Odd.Name", :v);
DROP TABLE silver.a_table_whose_name_is_as_long_as_a_name_in_postgresql_can_be_63;

-- Columns named like those of history.
CREATE TABLE silver.named_alike (id int PRIMARY KEY, _medallion_died int, _medallion_died__2 text);
SELECT medallion.enable_versioning('silver.named_alike');
INSERT INTO silver.named_alike VALUES (1, 1, 'a');
SELECT max(version) AS v FROM medallion.commits \gset
UPDATE silver.named_alike SET _medallion_died = 2;
ALTER TABLE silver.named_alike ADD COLUMN _medallion_born text;
UPDATE silver.named_alike SET _medallion_died = 3, _medallion_born = 'x';
SELECT * FROM medallion.as_of(NULL::silver.named_alike, version => :v);
SELECT _change_type, row_data FROM medallion.changes(NULL::silver.named_alike, :v + 1);
SELECT attname FROM pg_attribute WHERE attrelid = 'medallion_history."silver.named_alike"'::regclass AND attnum > 0 ORDER BY attnum;
DROP TABLE silver.named_alike, medallion_history."silver.named_alike";

-- Rolled back; in a savepoint that is rolled back; changes in the transaction that enables.
CREATE TABLE silver.own_e (id int PRIMARY KEY, v int);
BEGIN; SELECT medallion.enable_versioning('silver.own_e'); ROLLBACK;
SELECT * FROM medallion.history('silver.own_e');
BEGIN;
SAVEPOINT s; SELECT medallion.enable_versioning('silver.own_e'); ROLLBACK TO s;
INSERT INTO silver.own_e VALUES (1, 1);
COMMIT;
SELECT * FROM medallion.history('silver.own_e');
BEGIN;
INSERT INTO silver.own_e VALUES (2, 2);
SELECT medallion.enable_versioning('silver.own_e');
UPDATE silver.own_e SET v = v + 1;
COMMIT;
SELECT operation, readable FROM medallion.history('silver.own_e');
SELECT min(version) AS v FROM medallion.history('silver.own_e') \gset
DELETE FROM silver.own_e WHERE id = 1;
SELECT * FROM medallion.as_of(NULL::silver.own_e, version => :v) ORDER BY 1;
SELECT _change_type, row_data FROM medallion.changes(NULL::silver.own_e, :v + 1);

-- Stopping keeps the history table, or does not; starting again is a new beginning.
SELECT medallion.disable_versioning('silver.own_e');
\set VERBOSITY terse
SELECT * FROM medallion.as_of(NULL::silver.own_e, version => :v);
SELECT medallion.disable_versioning('silver.own_e');
\set VERBOSITY default
UPDATE silver.own_e SET v = 1000;
SELECT count(*) FROM medallion_history."silver.own_e";
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'silver.own_e'::regclass;
SELECT medallion.enable_versioning('silver.own_e');
UPDATE silver.own_e SET v = 2000;
SELECT max(version) AS v2 FROM medallion.history('silver.own_e') \gset
SELECT * FROM medallion.as_of(NULL::silver.own_e, version => :v2 - 1);
SELECT * FROM medallion.as_of(NULL::silver.own_e, version => :v2);
\set VERBOSITY terse
DO $$BEGIN
	PERFORM * FROM medallion.as_of(NULL::silver.own_e, version => (SELECT min(version) FROM medallion.commits));
EXCEPTION WHEN invalid_parameter_value THEN
	RAISE NOTICE '%', regexp_replace(sqlerrm, '\d+', '#');
END$$;
SELECT regexp_replace(history_table, '_\d+$', '_#') AS history_table, enabled FROM medallion_history.versioned_tables WHERE table_name = 'own_e' ORDER BY table_id;
SELECT medallion.disable_versioning('silver.own_e', keep_history => false);
SELECT regexp_replace(history_table, '_\d+$', '_#') AS history_table, to_regclass(format('medallion_history.%I', history_table)) IS NOT NULL AS there
	FROM medallion_history.versioned_tables WHERE table_name = 'own_e' ORDER BY table_id;
DROP TABLE silver.own_e, silver."Odd.Name";

-- The condition of the row triggers works for them alone.
CREATE TABLE silver.later (id int PRIMARY KEY);
INSERT INTO silver.later VALUES (1);
SELECT medallion._capture_later(ctid, ctid) FROM silver.later;
SELECT medallion._capture_later(NULL, '(0,1)');
SELECT medallion._capture_later(NULL, NULL);
UPDATE silver.later SET id = 2 RETURNING medallion._capture_later(ctid, ctid);
CREATE TRIGGER mine AFTER INSERT ON silver.later FOR EACH ROW WHEN (medallion._capture_later(NULL, NEW.ctid)) EXECUTE FUNCTION suppress_redundant_updates_trigger();
INSERT INTO silver.later VALUES (3);
DROP TABLE silver.later;
