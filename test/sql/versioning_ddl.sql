-- The history of a versioned table follows ALTER TABLE; what would lose history is refused.
SET client_min_messages = warning;
CREATE TABLE silver.ddl (id int PRIMARY KEY, v text);
SELECT medallion.enable_versioning('silver.ddl');
CREATE TEMPORARY TABLE states (state text, version bigint);
INSERT INTO silver.ddl VALUES (1, 'a'), (2, 'b');
INSERT INTO states SELECT 'two rows', max(version) FROM medallion.history('silver.ddl');

-- A new column, a renamed one, another name and another schema for the table, a column dropped.
ALTER TABLE silver.ddl ADD COLUMN n int;
UPDATE silver.ddl SET v = 'c', n = 7 WHERE id = 1;
INSERT INTO states SELECT 'new column', max(version) FROM medallion.history('silver.ddl');
ALTER TABLE silver.ddl RENAME COLUMN v TO w;
UPDATE silver.ddl SET w = 'd' WHERE id = 1;
INSERT INTO states SELECT 'renamed column', max(version) FROM medallion.history('silver.ddl');
ALTER TABLE silver.ddl RENAME TO ddl_renamed;
UPDATE silver.ddl_renamed SET w = 'e' WHERE id = 1;
INSERT INTO states SELECT 'renamed table', max(version) FROM medallion.history('silver.ddl_renamed');
ALTER TABLE silver.ddl_renamed SET SCHEMA gold;
UPDATE gold.ddl_renamed SET w = 'f' WHERE id = 1;
INSERT INTO states SELECT 'other schema', max(version) FROM medallion.history('gold.ddl_renamed');
ALTER TABLE gold.ddl_renamed DROP COLUMN n;
UPDATE gold.ddl_renamed SET w = 'g' WHERE id = 1;
INSERT INTO states SELECT 'dropped column', max(version) FROM medallion.history('gold.ddl_renamed');
SELECT state, (SELECT string_agg(t::text, ' ' ORDER BY id) FROM medallion.as_of(NULL::gold.ddl_renamed, version => s.version) t)
FROM states s ORDER BY s.version;
SELECT schema_name, table_name, history_table FROM medallion_history.versioned_tables WHERE table_name = 'ddl_renamed';
-- The dropped column is still in the history table.
SELECT attname, atttypid::regtype FROM pg_attribute WHERE attrelid = 'medallion_history."gold.ddl_renamed"'::regclass AND attnum > 0 ORDER BY attnum;

-- What stays quiet: constraints, indexes, defaults, statistics, comments, owner.
ALTER TABLE gold.ddl_renamed ADD CONSTRAINT positive CHECK (id > 0);
ALTER TABLE gold.ddl_renamed ALTER COLUMN w SET DEFAULT 'none';
CREATE INDEX ON gold.ddl_renamed (w);
ALTER TABLE gold.ddl_renamed RENAME CONSTRAINT positive TO above_zero;

-- Rewrites that keep births are allowed, and leave every version as it was.
VACUUM FULL gold.ddl_renamed;
CLUSTER gold.ddl_renamed USING ddl_pkey;
SELECT string_agg(t::text, ' ' ORDER BY id) FROM medallion.as_of(NULL::gold.ddl_renamed, version => (SELECT version FROM states WHERE state = 'renamed column')) t;
SELECT _change_type, row_data FROM medallion.changes(NULL::gold.ddl_renamed, (SELECT version FROM states WHERE state = 'dropped column'));

-- Refused, with nothing half-done.
ALTER TABLE gold.ddl_renamed SET UNLOGGED;
ALTER TABLE gold.ddl_renamed DISABLE TRIGGER medallion_capture_update;
ALTER TABLE gold.ddl_renamed DROP CONSTRAINT ddl_pkey;
-- All triggers are switched off but those of versioning.
ALTER TABLE gold.ddl_renamed DISABLE TRIGGER ALL;
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'gold.ddl_renamed'::regclass AND NOT tgisinternal ORDER BY tgname;
-- A name that the history holds with another type.
ALTER TABLE gold.ddl_renamed ADD COLUMN n text;
SELECT attname, atttypid::regtype FROM pg_attribute WHERE attrelid = 'gold.ddl_renamed'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
ALTER TABLE gold.ddl_renamed DROP COLUMN n;

-- After disabling all of it works, and the table starts a new history.
SELECT medallion.disable_versioning('gold.ddl_renamed');
ALTER TABLE gold.ddl_renamed ALTER COLUMN id TYPE bigint;
SELECT medallion.enable_versioning('gold.ddl_renamed');
UPDATE gold.ddl_renamed SET w = 'h' WHERE id = 1;
SELECT operation, inserted, updated, deleted FROM medallion.history('gold.ddl_renamed') ORDER BY version;
DROP TABLE gold.ddl_renamed;
DO $$ DECLARE t text; BEGIN
  FOR t IN SELECT history_table FROM medallion_history.versioned_tables WHERE table_name = 'ddl_renamed' LOOP
    EXECUTE format('DROP TABLE medallion_history.%I', t);
  END LOOP;
END $$;
