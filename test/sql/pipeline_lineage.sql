-- lineage: what a relation is made from and what is made from it, through views and functions.
SET client_min_messages = warning;
CREATE TABLE bronze.a (id int, x int);
CREATE TABLE bronze.b (id int, y int) PARTITION BY RANGE (id);
CREATE TABLE bronze.b1 PARTITION OF bronze.b FOR VALUES FROM (0) TO (100);
CREATE VIEW bronze.ab AS SELECT id, x, y FROM bronze.a JOIN bronze.b USING (id);
CREATE MATERIALIZED VIEW bronze.mat AS SELECT DISTINCT x FROM bronze.ab;
SELECT target, sources FROM medallion.define('silver.ab', 'SELECT * FROM bronze.ab', '{id}');
SELECT target, sources FROM medallion.define('silver."A b"', 'WITH c AS (SELECT id FROM bronze.a) SELECT id FROM c WHERE id IN (SELECT x FROM bronze.mat)', '{id}');
CREATE FUNCTION silver.total(int) RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT sum(y) FROM silver.ab WHERE id = $1; END;
CREATE VIEW silver.joined AS SELECT id, silver.total(id) AS total FROM silver."A b";
SELECT target, sources FROM medallion.define('gold.ab', 'SELECT id, total, x FROM silver.joined JOIN bronze.a USING (id)', '{id}');

SELECT * FROM medallion.lineage('gold.ab');
SELECT * FROM medallion.lineage('gold.ab', depth => 1);
SELECT * FROM medallion.lineage(relation => 'bronze.a', direction => 'downstream');
SELECT * FROM medallion.lineage('silver."A b"', 'both', 1);
SELECT * FROM medallion.lineage('silver.joined');
SELECT * FROM medallion.lineage('bronze.b1', 'both');
SELECT medallion.lineage('bronze.nothing');
SELECT medallion.lineage(NULL);
SELECT medallion.lineage('gold.ab', NULL);
SELECT medallion.lineage('gold.ab', 'sideways');
SELECT medallion.lineage('gold.ab', depth => 0);

-- Dropping.  A derived table that others read is refused; with CASCADE those that read it stay as ordinary tables.
INSERT INTO bronze.a VALUES (1, 1);
INSERT INTO bronze.b VALUES (1, 1);
REFRESH MATERIALIZED VIEW bronze.mat;
SELECT target, inserted FROM medallion.refresh();
DROP TABLE silver."A b";
RESET client_min_messages;
DROP TABLE silver."A b" CASCADE;
TABLE gold.ab;
SELECT target, definition FROM medallion.tables ORDER BY target;
SELECT target, inserted FROM medallion.refreshes WHERE target IN ('gold.ab', 'silver."A b"') ORDER BY target;
SELECT relname FROM pg_class WHERE relnamespace = 'medallion_definitions'::regnamespace;
-- The definition by itself.
DROP VIEW medallion_definitions."silver.ab";
SELECT target FROM medallion.tables;
SELECT medallion.refresh('silver.ab');
SELECT count(*) FROM silver.ab;
-- A whole schema, with definitions in it and without.
CREATE SCHEMA regress_mart;
SELECT target FROM medallion.define('regress_mart.a', 'SELECT id FROM bronze.a', '{id}');
SELECT target FROM medallion.define('regress_mart.b', 'SELECT id FROM regress_mart.a', '{id}');
SELECT medallion.expect('regress_mart.a', 'r', 'id > 5', 'quarantine');
SELECT target, inserted, rejected FROM medallion.refresh('regress_mart.b');
SET client_min_messages = warning;
DROP SCHEMA regress_mart CASCADE;
SELECT count(*) FROM medallion.tables;
SELECT count(*) FROM medallion.expectations;
SELECT target, inserted FROM medallion.refreshes WHERE target LIKE 'regress_mart%' ORDER BY target;
SELECT count(*) FROM pg_class WHERE relnamespace = 'medallion_definitions'::regnamespace;
-- A name can be used again after a drop, and the log tells old from new.
SELECT target FROM medallion.define('silver.again', 'SELECT id FROM bronze.a', '{id}');
SELECT inserted FROM medallion.refresh('silver.again');
DROP TABLE silver.again;
SELECT target FROM medallion.define('silver.again', 'SELECT id FROM bronze.a', '{id}');
SELECT inserted, reason FROM medallion.refresh('silver.again');
SELECT count(*) FROM medallion.refreshes WHERE target = 'silver.again';
SELECT "rows" FROM medallion.tables WHERE target = 'silver.again';
-- A drop that is rolled back leaves all as it was.
BEGIN;
DROP TABLE silver.again;
ROLLBACK;
SELECT inserted, reason FROM medallion.refresh('silver.again');
SELECT medallion._pipeline_sql_drop();

DROP TABLE silver.again, gold.ab, silver.ab CASCADE;
DROP MATERIALIZED VIEW bronze.mat;
DROP TABLE bronze.a, bronze.b CASCADE;
