-- Incremental refresh from a partitioned source.
SET client_min_messages = warning;
CREATE TABLE bronze.inc_days (id int, day date, k int, v int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE bronze.inc_days_1 PARTITION OF bronze.inc_days FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
-- Columns in another order.
CREATE TABLE bronze.inc_days_2 (v int, gone int, k int, day date NOT NULL, id int NOT NULL);
ALTER TABLE bronze.inc_days_2 DROP COLUMN gone;
ALTER TABLE bronze.inc_days ATTACH PARTITION bronze.inc_days_2 FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
SELECT medallion.enable_versioning('bronze.inc_days');
INSERT INTO bronze.inc_days SELECT i, date '2026-01-01' + i % 59, i % 10, i FROM generate_series(1, 1000) i;
SELECT FROM medallion.define('gold.inc_days', keys => '{k}', query => 'SELECT k, sum(v) AS v, count(*) AS n FROM bronze.inc_days GROUP BY k');
SELECT FROM medallion.define('silver.inc_days', keys => '{id,day}', query => 'SELECT * FROM bronze.inc_days WHERE v > 5');
CREATE FUNCTION pg_temp.again() RETURNS TABLE (target text, mode text, inserted bigint, updated bigint, deleted bigint, reason text, differing bigint)
LANGUAGE sql AS $$SELECT target, mode, inserted, updated, deleted, reason, medallion.rebuild(target, verify => true) FROM medallion.refresh()$$;
SELECT * FROM pg_temp.again();

-- Rows that change, and one that moves to another partition.
UPDATE bronze.inc_days SET v = v + 1 WHERE id IN (7, 50);
UPDATE bronze.inc_days SET day = '2026-02-20' WHERE id = 3;
DELETE FROM bronze.inc_days WHERE id = 900;
INSERT INTO bronze.inc_days_2 (id, day, k, v) VALUES (2000, '2026-02-03', 11, 100);
SELECT * FROM pg_temp.again();
SELECT * FROM gold.inc_days WHERE k = 11;
SELECT * FROM silver.inc_days WHERE id IN (3, 2000);

-- A new partition is no obstacle.
CREATE TABLE bronze.inc_days_3 PARTITION OF bronze.inc_days FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
INSERT INTO bronze.inc_days VALUES (3000, '2026-03-03', 12, 100);
SELECT * FROM pg_temp.again();
-- Nor is emptying one, rewriting one, or reading what the transaction has written to several.
TRUNCATE bronze.inc_days_3;
VACUUM FULL bronze.inc_days_2;
UPDATE bronze.inc_days SET v = 0 WHERE id = 2000;
SELECT * FROM pg_temp.again();
BEGIN;
UPDATE bronze.inc_days SET v = v + 1 WHERE id IN (31, 32, 58, 59);
INSERT INTO bronze.inc_days VALUES (3001, '2026-03-03', 1, 1), (3002, '2026-01-03', 1, 50);
SELECT * FROM pg_temp.again();
UPDATE bronze.inc_days SET v = 77 WHERE id = 3002;
COMMIT;
SELECT * FROM pg_temp.again();
-- Rows that come and go with their partition.
ALTER TABLE bronze.inc_days DETACH PARTITION bronze.inc_days_2;
SELECT * FROM pg_temp.again();
ALTER TABLE bronze.inc_days ATTACH PARTITION bronze.inc_days_2 FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
SELECT * FROM pg_temp.again();
UPDATE bronze.inc_days SET v = v + 1 WHERE id = 40;
SELECT * FROM pg_temp.again();
-- A row written before, but never seen here.
BEGIN;
ALTER TABLE bronze.inc_days DETACH PARTITION bronze.inc_days_2;
INSERT INTO bronze.inc_days_2 (id, day, k, v) VALUES (4000, '2026-02-05', 13, 1000);
UPDATE bronze.inc_days_2 SET v = v + 1 WHERE id = 41;
ALTER TABLE bronze.inc_days ATTACH PARTITION bronze.inc_days_2 FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
COMMIT;
SELECT * FROM pg_temp.again();
CREATE TABLE bronze.inc_days_4 (LIKE bronze.inc_days INCLUDING ALL);
INSERT INTO bronze.inc_days_4 VALUES (5000, '2026-04-03', 14, 500), (5001, '2026-04-03', 1, 500);
SELECT count(*) FROM medallion.refresh();
ALTER TABLE bronze.inc_days ATTACH PARTITION bronze.inc_days_4 FOR VALUES FROM ('2026-04-01') TO ('2026-05-01');
SELECT * FROM pg_temp.again();
DROP TABLE bronze.inc_days_4;
SELECT * FROM pg_temp.again();
-- A partition read by itself.
SELECT FROM medallion.define('silver.inc_part', keys => '{id}', query => 'SELECT id, v FROM bronze.inc_days_1');
SELECT mode FROM medallion.refresh('silver.inc_part');
UPDATE bronze.inc_days SET v = v + 1 WHERE id = 31;
SELECT mode, reason FROM medallion.refresh('silver.inc_part');
-- Rows written and their file replaced in one transaction.
CREATE TABLE bronze.inc_clustered (id int PRIMARY KEY, v int);
SELECT medallion.enable_versioning('bronze.inc_clustered');
INSERT INTO bronze.inc_clustered SELECT i, i FROM generate_series(1, 3000) i;
SELECT FROM medallion.define('silver.inc_clustered', keys => '{id}', query => 'SELECT id, v FROM bronze.inc_clustered');
SELECT mode FROM medallion.refresh('silver.inc_clustered');
BEGIN;
DELETE FROM bronze.inc_clustered WHERE id BETWEEN 2 AND 300;
UPDATE bronze.inc_clustered SET v = 5 WHERE id = 2995;
CLUSTER bronze.inc_clustered USING inc_clustered_pkey;
SELECT mode, updated, deleted FROM medallion.refresh('silver.inc_clustered');
COMMIT;
SELECT medallion.rebuild('silver.inc_clustered', verify => true);
SELECT count(medallion.undefine(target, drop_table => true)) FROM medallion.tables;
SELECT medallion.disable_versioning('bronze.inc_days', keep_history => false);
DROP TABLE bronze.inc_days, bronze.inc_clustered;
