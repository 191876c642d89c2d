-- Columns of a derived table: further ones are its owner's; those of the query follow the query as on_schema_change says.
SET client_min_messages = warning;
CREATE TABLE bronze.visits (id int, who text, duration int);
INSERT INTO bronze.visits VALUES (1, 'ann', 31), (2, 'bob', 45), (3, 'ann', 60);
SELECT target FROM medallion.define('silver.visits', 'SELECT id, who, duration AS seconds FROM bronze.visits', '{id}');
SELECT medallion.expect('silver.visits', 'short', 'seconds < 60', 'quarantine');
SELECT inserted, rejected FROM medallion.refresh('silver.visits');

-- Further columns and indexes of the table are its owner's; columns of the query must stay.
ALTER TABLE silver.visits ADD COLUMN note text;
UPDATE silver.visits SET note = 'kept' WHERE id = 2;
UPDATE bronze.visits SET duration = 46 WHERE id = 2;
SELECT inserted, updated, deleted FROM medallion.refresh('silver.visits');
SELECT * FROM silver.visits WHERE id = 2;
ALTER TABLE silver.visits DROP COLUMN note;

-- New columns.
SELECT medallion.redefine('silver.visits', 'SELECT id, who, duration AS seconds, duration / 60.0 AS minutes FROM bronze.visits');
SELECT target FROM medallion.redefine('silver.visits', on_schema_change => 'append_columns');
SELECT target FROM medallion.redefine('silver.visits', 'SELECT id, who, duration AS seconds, duration / 60.0 AS minutes FROM bronze.visits');
SELECT inserted, updated, deleted, rejected FROM medallion.refresh('silver.visits');
SELECT id, who, seconds, round(minutes, 2) AS minutes FROM silver.visits ORDER BY id;
SELECT id, seconds, round(minutes, 2) AS minutes, _reasons FROM silver.visits_quarantine;
-- Fewer, renamed and retyped ones.
SELECT medallion.redefine('silver.visits', 'SELECT id, duration AS seconds, duration / 60.0 AS minutes FROM bronze.visits');
SELECT medallion.redefine('silver.visits', 'SELECT id, who, duration::bigint AS seconds, duration / 60.0 AS minutes FROM bronze.visits');
SELECT target FROM medallion.redefine('silver.visits', on_schema_change => 'full_refresh');
SELECT target FROM medallion.redefine('silver.visits', 'SELECT id, upper(who) AS name, duration AS seconds FROM bronze.visits');
SELECT inserted, updated, deleted, rejected FROM medallion.refresh('silver.visits');
TABLE silver.visits ORDER BY id;
-- Past states keep the columns they had.
SELECT count(*) FROM medallion.changes(NULL::silver.visits, (SELECT min(version) + 1 FROM medallion.history('silver.visits'))) WHERE _change_type = 'update_preimage' AND (row_data).name IS NULL;
-- A type can change; past states are kept in the old one.
SELECT target FROM medallion.redefine('silver.visits', 'SELECT id, upper(who) AS name, duration::bigint AS seconds FROM bronze.visits');
SELECT medallion.disable_versioning('silver.visits'), medallion.disable_versioning('silver.visits_quarantine');
SELECT target FROM medallion.redefine('silver.visits', 'SELECT id, upper(who) AS name, duration::bigint AS seconds FROM bronze.visits');
SELECT medallion.enable_versioning('silver.visits'), medallion.enable_versioning('silver.visits_quarantine');
SELECT inserted, updated, deleted, rejected FROM medallion.refresh('silver.visits');
TABLE silver.visits ORDER BY id;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = 'silver.visits_quarantine'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
-- A definition replaced behind medallion's back is applied as on_schema_change says.
CREATE OR REPLACE VIEW medallion_definitions."silver.visits" AS
	SELECT id, upper(who) AS name, duration::bigint AS seconds, who AS raw FROM bronze.visits;
SELECT inserted, updated, deleted FROM medallion.refresh('silver.visits');
SELECT * FROM silver.visits WHERE id = 1;
SELECT target FROM medallion.redefine('silver.visits', on_schema_change => 'fail');
CREATE OR REPLACE VIEW medallion_definitions."silver.visits" AS
	SELECT id, upper(who) AS name, duration::bigint AS seconds, who AS raw, 1 AS one FROM bronze.visits;
SELECT medallion.refresh('silver.visits');
-- Types that cannot be cast: what was there is computed anew.
SELECT target FROM medallion.define('gold.kinds', $$SELECT 1 AS id, 'x' AS v$$, '{id}', on_schema_change => 'full_refresh');
SELECT inserted FROM medallion.refresh('gold.kinds');
SELECT medallion.disable_versioning('gold.kinds');
SELECT target FROM medallion.redefine('gold.kinds', $$SELECT 1 AS id, DATE '2026-01-01' AS v$$);
SELECT updated FROM medallion.refresh('gold.kinds');
TABLE gold.kinds;

SELECT medallion.undefine('gold.kinds', drop_table => true);
SELECT medallion.undefine('silver.visits', drop_table => true);
DROP TABLE bronze.visits;
