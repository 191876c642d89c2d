-- Derived tables: what define makes, what it refuses, and how a definition changes.
SET client_min_messages = warning;
CREATE TABLE bronze.visits (id int, who text, seconds int, seen timestamptz);
INSERT INTO bronze.visits VALUES (1, 'ann', 30, '2026-01-01 10:00+00'), (2, 'bob', 45, '2026-01-01 11:00+00'), (3, 'ann', 60, '2026-01-02 10:00+00');

-- A target_lag lets the scheduler refresh the table, which is not wanted here: see pipeline_schedule.
BEGIN;
SELECT * FROM medallion.define('silver.visits', 'SELECT id, who, seconds FROM bronze.visits WHERE seconds > 0',
	keys => '{id}', description => 'Visits that lasted.', target_lag => '5 min');
SELECT medallion.unschedule_refresh('silver.visits');
COMMIT;
SELECT attname, format_type(atttypid, atttypmod) AS type, attnotnull, CASE WHEN attcollation <> typcollation THEN attcollation::regcollation END AS collation
FROM pg_attribute JOIN pg_type t ON t.oid = atttypid WHERE attrelid = 'silver.visits'::regclass AND attnum > 0 ORDER BY attnum;
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'silver.visits'::regclass;
SELECT obj_description('silver.visits'::regclass);
SELECT target, layer, keys, description, owner = current_user AS mine, "rows", last_refresh, target_lag, is_late, on_schema_change, definition, query
FROM medallion.tables;
-- Empty until it is refreshed.
SELECT count(*) FROM silver.visits;
SELECT target, mode, inserted, updated, deleted, rejected, reason FROM medallion.refresh('silver.visits');
TABLE silver.visits ORDER BY id;
SELECT "rows", is_late, freshness < '1 hour' AS fresh FROM medallion.tables WHERE target = 'silver.visits';
-- A key of several columns, named with quotes; a query with WITH, VALUES, collations and a domain.
CREATE DOMAIN bronze.positive AS int CHECK (VALUE > 0);
SELECT * FROM medallion.define('gold."Per Day"', $$WITH v AS (SELECT *, (seen AT TIME ZONE 'UTC')::date AS "Day" FROM bronze.visits)
	SELECT "Day", who COLLATE "C" AS who, count(*)::int::bronze.positive AS n, sum(seconds) AS "select" FROM v GROUP BY 1, 2$$, keys => '{Day,who}');
SELECT attname, format_type(atttypid, atttypmod) AS type, attnotnull, CASE WHEN attcollation <> typcollation THEN attcollation::regcollation END AS collation
FROM pg_attribute JOIN pg_type t ON t.oid = atttypid WHERE attrelid = 'gold."Per Day"'::regclass AND attnum > 0 ORDER BY attnum;
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'gold."Per Day"'::regclass;
SELECT mode, inserted FROM medallion.refresh('gold."Per Day"');
TABLE gold."Per Day" ORDER BY 1, 2;
SELECT * FROM medallion.define('gold.constants', $$VALUES (1, 'a'), (2, 'b')$$, keys => '{column1}');
SELECT mode, inserted FROM medallion.refresh('gold.constants');

-- What a query must be.
SELECT medallion.define('silver.bad', '', '{id}');
SELECT medallion.define('silver.bad', 'SELECT 1 AS id; SELECT 2 AS id', '{id}');
SELECT medallion.define('silver.bad', 'DELETE FROM bronze.visits', '{id}');
SELECT medallion.define('silver.bad', 'SELECT * INTO bronze.copy FROM bronze.visits', '{id}');
SELECT medallion.define('silver.bad', 'SELECT id FROM bronze.visits WHERE', '{id}');
SELECT medallion.define('silver.bad', 'SELECT id, nothing FROM bronze.visits', '{id}');
SELECT medallion.define('silver.bad', 'SELECT id FROM bronze.nothing', '{id}');
SELECT medallion.define('silver.bad', 'SELECT id FROM bronze.visits WHERE id = $1', '{id}');
SELECT medallion.define('silver.bad', 'WITH d AS (DELETE FROM bronze.visits RETURNING id) SELECT id FROM d', '{id}');
SELECT medallion.define('silver.bad', 'SELECT id FROM bronze.visits FOR UPDATE', '{id}');
SELECT medallion.define('silver.bad', 'SELECT id FROM bronze.visits TABLESAMPLE bernoulli (10)', '{id}');
SELECT medallion.define('silver.bad', 'SELECT id, random() AS r FROM bronze.visits', '{id}');
SELECT medallion.define('silver.bad', 'SELECT id FROM bronze.visits WHERE EXISTS (SELECT FROM bronze.visits w WHERE w.seen < clock_timestamp())', '{id}');
CREATE VIEW bronze.shaky AS SELECT id, gen_random_uuid() AS u FROM bronze.visits;
CREATE VIEW bronze.over_shaky AS SELECT id FROM bronze.shaky;
SELECT medallion.define('silver.bad', 'SELECT id FROM bronze.over_shaky', '{id}');
DROP VIEW bronze.shaky CASCADE;
CREATE TEMP TABLE fleeting (id int);
SELECT medallion.define('silver.bad', 'SELECT id FROM fleeting', '{id}');
SELECT medallion.define('silver.bad', 'SELECT id, who, who FROM bronze.visits', '{id}');
SELECT medallion.define('silver.bad', 'SELECT id, 1 + 1 FROM bronze.visits', '{id}');
SELECT medallion.define('silver.bad', 'SELECT id, ROW(1, 2) AS pair FROM bronze.visits', '{id}');
SELECT medallion.define('silver.bad', 'SELECT id, 1 AS xmin FROM bronze.visits', '{id}');
SELECT medallion.define('silver.bad', 'SELECT FROM bronze.visits', '{id}');
-- What a target and a key must be.
SELECT medallion.define('visits', 'SELECT id FROM bronze.visits', '{id}');
SELECT medallion.define('nowhere.visits', 'SELECT id FROM bronze.visits', '{id}');
SELECT medallion.define('medallion.visits', 'SELECT id FROM bronze.visits', '{id}');
SELECT medallion.define('pg_catalog.visits', 'SELECT id FROM bronze.visits', '{id}');
SELECT medallion.define('silver.visits', 'SELECT id FROM bronze.visits', '{id}');
SELECT medallion.define('bronze.visits', 'SELECT 1 AS id', '{id}');
SELECT medallion.define('silver.bad', 'SELECT id FROM bronze.visits', '{}');
SELECT medallion.define('silver.bad', 'SELECT id FROM bronze.visits', '{ID}');
SELECT medallion.define('silver.bad', 'SELECT id FROM bronze.visits', '{id,id}');
SELECT medallion.define('silver.bad', 'SELECT id FROM bronze.visits', '{NULL}');
SELECT medallion.define('silver.bad', 'SELECT id FROM bronze.visits', '{{id}}');
SELECT medallion.define('silver.bad', 'SELECT point(1, 2) AS id', '{id}');
-- Options.
SELECT medallion.define(NULL, 'SELECT 1 AS id', '{id}');
SELECT medallion.define('silver.bad', NULL, '{id}');
SELECT medallion.define('silver.bad', 'SELECT 1 AS id', NULL);
SELECT medallion.define('silver.bad', 'SELECT 1 AS id', '{id}', target_lag => '-1 hour');
SELECT medallion.define('silver.bad', 'SELECT 1 AS id', '{id}', target_lag => '0');
SELECT medallion.define('silver.bad', 'SELECT 1 AS id', '{id}', on_schema_change => 'ignore');
-- Nothing is left behind by what was refused.
SELECT target FROM medallion.tables ORDER BY target;
SELECT relname FROM pg_class WHERE relnamespace = 'medallion_definitions'::regnamespace ORDER BY relname COLLATE "C";
SELECT relname FROM pg_class WHERE relnamespace = 'silver'::regnamespace AND relname LIKE '%bad%';

-- Renames of sources follow, and sources cannot be dropped.
ALTER TABLE bronze.visits RENAME TO visit_log;
ALTER TABLE bronze.visit_log RENAME COLUMN seconds TO duration;
INSERT INTO bronze.visit_log VALUES (4, 'cyd', 5, '2026-01-03 10:00+00');
SELECT mode, inserted, updated, deleted FROM medallion.refresh('silver.visits');
DROP TABLE bronze.visit_log;
ALTER TABLE bronze.visit_log DROP COLUMN duration;
-- A derived table may be renamed and moved.
ALTER TABLE silver.visits RENAME TO stays;
ALTER TABLE silver.stays SET SCHEMA gold;
UPDATE bronze.visit_log SET duration = 31 WHERE id = 1;
SELECT target, inserted, updated, deleted FROM medallion.refresh('gold.stays');
-- The name is free again, also for a definition.
SELECT * FROM medallion.define('silver.visits', 'SELECT id, duration FROM bronze.visit_log', '{id}');
SELECT medallion.undefine('silver.visits', drop_table => true);
ALTER TABLE gold.stays SET SCHEMA silver;
ALTER TABLE silver.stays RENAME TO visits;

-- What is written into the table by hand is undone.
UPDATE silver.visits SET who = 'eve' WHERE id = 1;
DELETE FROM silver.visits WHERE id = 2;
INSERT INTO silver.visits VALUES (99, 'zed', 1);
SELECT * FROM medallion.rebuild('silver.visits', verify => true);
SELECT inserted, updated, deleted FROM medallion.refresh('silver.visits');
SELECT * FROM medallion.rebuild('silver.visits', verify => true);
TRUNCATE silver.visits;
SELECT * FROM medallion.rebuild('silver.visits');

-- redefine: the query, with columns as on_schema_change says.
SELECT * FROM medallion.redefine('silver.visits', 'SELECT id, who, duration AS seconds FROM bronze.visit_log WHERE id < 4');
SELECT inserted, updated, deleted FROM medallion.refresh('silver.visits');
SELECT medallion.redefine('silver.visits', 'SELECT id, who, duration AS seconds, seen FROM bronze.visit_log');
SELECT medallion.redefine('silver.visits', 'SELECT id, who FROM bronze.visit_log');
SELECT medallion.redefine('silver.visits', 'SELECT id, who, duration::bigint AS seconds FROM bronze.visit_log');
SELECT medallion.redefine('silver.visits', on_schema_change => 'append_columns');
SELECT medallion.redefine('silver.visits', 'SELECT id, who FROM bronze.visit_log');
BEGIN;
SELECT medallion.redefine('silver.visits', on_schema_change => 'full_refresh', target_lag => '1 hour', description => 'Shorter.');
SELECT medallion.unschedule_refresh('silver.visits');
COMMIT;
SELECT * FROM medallion.redefine('silver.visits', 'SELECT id, upper(who) AS who, duration AS seconds FROM bronze.visit_log');
SELECT inserted, updated, deleted FROM medallion.refresh('silver.visits');
TABLE silver.visits ORDER BY id;
SELECT description, target_lag, on_schema_change FROM medallion.tables WHERE target = 'silver.visits';
SELECT medallion.redefine('silver.visits', 'SELECT duration AS seconds FROM bronze.visit_log');
SELECT medallion.redefine('silver.visits', 'SELECT id, random()::text AS who, duration AS seconds FROM bronze.visit_log');
SELECT medallion.redefine('silver.visits', 'SELECT id, who, seconds FROM silver.visits');
SELECT medallion.redefine('silver.visits', target_lag => '-1 s');
SELECT medallion.redefine('silver.visits', on_schema_change => 'append');
SELECT medallion.redefine(NULL);
SELECT medallion.redefine('bronze.visit_log', 'SELECT 1 AS id');
-- A cycle through another table and a view.
CREATE VIEW gold.names AS SELECT DISTINCT who AS name FROM silver.visits;
SELECT * FROM medallion.define('gold.greetings', $$SELECT name, 'hello ' || name AS text FROM gold.names$$, '{name}');
SELECT medallion.redefine('silver.visits', $$SELECT 1 AS id, text AS who, 1 AS seconds FROM gold.greetings$$);
CREATE OR REPLACE VIEW gold.names AS SELECT DISTINCT text AS name FROM gold.greetings;
SELECT mode FROM medallion.refresh('gold.greetings');
CREATE OR REPLACE VIEW gold.names AS SELECT DISTINCT who AS name FROM silver.visits;
SELECT target, inserted FROM medallion.refresh('gold.greetings');
-- A key that is gone from the table.
ALTER TABLE gold.greetings DROP CONSTRAINT greetings_pkey;
SELECT medallion.disable_versioning('gold.greetings', keep_history => false);
ALTER TABLE gold.greetings DROP CONSTRAINT greetings_pkey;
SELECT medallion.refresh('gold.greetings');

-- undefine keeps the table unless told otherwise.
SELECT medallion.undefine('silver.visits', drop_table => true);
SELECT medallion.undefine('gold.greetings');
SELECT count(*) FROM gold.greetings;
SELECT medallion.undefine('gold.greetings');
SELECT medallion.undefine('gold.nothing');
SELECT medallion.undefine(NULL);
DROP TABLE gold.greetings;
DROP VIEW gold.names;

-- A table that is there is adopted only if told so, with its key and columns; its grants and identity stay.
CREATE TABLE gold.adopted (id int, who text, extra int DEFAULT 7, PRIMARY KEY (id));
INSERT INTO gold.adopted VALUES (1, 'old'), (77, 'old');
SELECT medallion.define('gold.adopted', 'SELECT id, who FROM bronze.visit_log', '{id}');
SELECT medallion.define('gold.adopted', 'SELECT id, who FROM bronze.visit_log', '{who}', adopt => true);
SELECT medallion.define('gold.adopted', 'SELECT id, who FROM bronze.visit_log', '{id,who}', adopt => true);
SELECT medallion.define('gold.adopted', 'SELECT id, who, duration FROM bronze.visit_log', '{id}', adopt => true);
SELECT medallion.define('gold.adopted', 'SELECT id, duration AS who FROM bronze.visit_log', '{id}', adopt => true);
SELECT medallion.define('gold.adopted', 'SELECT id, who FROM gold.adopted', '{id}', adopt => true);
SELECT * FROM medallion.define('gold.adopted', 'SELECT id, who FROM bronze.visit_log', '{id}', adopt => true);
SELECT inserted, updated, deleted, reason FROM medallion.refresh('gold.adopted');
TABLE gold.adopted ORDER BY id;
SELECT medallion.define('gold.adopted', 'SELECT id, who FROM bronze.visit_log', '{id}', adopt => true);
SELECT medallion.define('gold.seen', 'SELECT id FROM bronze.visit_log', '{id}', adopt => NULL);
CREATE VIEW gold.seen AS SELECT 1 AS id;
SELECT medallion.define('gold.seen', 'SELECT id FROM bronze.visit_log', '{id}', adopt => true);
DROP VIEW gold.seen;
-- So is one whose definition was lost.
DROP VIEW medallion_definitions."gold.adopted";
SELECT * FROM medallion.define('gold.adopted', 'SELECT id, who FROM bronze.visit_log', '{id}', adopt => true);
SELECT inserted, updated, deleted FROM medallion.refresh('gold.adopted');
SELECT medallion.undefine('gold.adopted', drop_table => true);
-- What an older extension left of a definition makes room.
CREATE VIEW medallion_definitions."gold.left" AS SELECT 2 AS id;
SELECT * FROM medallion.define('gold.left', 'SELECT id FROM bronze.visit_log', '{id}');
SELECT medallion.undefine('gold."left"', drop_table => true);

SELECT medallion.undefine('silver.visits', drop_table => true);
SELECT medallion.undefine('gold."Per Day"', drop_table => true);
SELECT medallion.undefine('gold.constants', drop_table => true);
DROP TABLE bronze.visit_log;
DROP DOMAIN bronze.positive CASCADE;		-- a history may still use it
DROP TABLE fleeting;
SELECT count(*) FROM medallion.tables;
SELECT count(*) FROM pg_class WHERE relnamespace = 'medallion_definitions'::regnamespace;
