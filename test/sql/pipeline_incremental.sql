-- Incremental refresh: what is, what is not and why, and what is written.
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.refreshed() RETURNS TABLE (target text, mode text, inserted bigint, updated bigint, deleted bigint, reason text)
LANGUAGE sql AS $$SELECT target, mode, inserted, updated, deleted, reason FROM medallion.refresh()$$;
-- How many rows of all derived tables differ from a recomputation.
CREATE FUNCTION pg_temp.differing() RETURNS numeric
LANGUAGE sql AS $$SELECT sum(medallion.rebuild(target, verify => true)) FROM medallion.tables$$;

CREATE TABLE bronze.inc_orders (id int PRIMARY KEY, customer int, amount numeric(10,2), day date);
CREATE TABLE bronze.inc_customers (customer int PRIMARY KEY, region text);
SELECT medallion.enable_versioning('bronze.inc_orders'), medallion.enable_versioning('bronze.inc_customers');
INSERT INTO bronze.inc_customers SELECT i, 'r' || i % 3 FROM generate_series(1, 20) i;
INSERT INTO bronze.inc_orders SELECT i, i % 20 + 1, i, date '2026-01-01' + i % 5 FROM generate_series(1, 200) i;
SELECT FROM medallion.define('silver.inc_orders', keys => '{id}', query => 'SELECT * FROM bronze.inc_orders WHERE amount > 5');
SELECT FROM medallion.define('gold.inc_customers', keys => '{customer}',
	query => 'SELECT customer, sum(amount) AS amount, count(*) AS orders FROM silver.inc_orders GROUP BY customer');
SELECT FROM medallion.define('gold.inc_regions', keys => '{region,day}',
	query => 'SELECT c.region, o.day, sum(amount) AS amount FROM silver.inc_orders o JOIN bronze.inc_customers c USING (customer) GROUP BY 1, 2');
SELECT * FROM pg_temp.refreshed();
SELECT * FROM pg_temp.refreshed();

-- Only what differs is written; the layers above see what the refresh below wrote in the same transaction.
UPDATE bronze.inc_orders SET amount = amount + 1 WHERE id = 7;
DELETE FROM bronze.inc_orders WHERE id = 8;
INSERT INTO bronze.inc_orders VALUES (1000, 21, 50, '2026-02-01');
UPDATE bronze.inc_orders SET amount = amount WHERE id = 9;
SELECT * FROM pg_temp.refreshed();
SELECT * FROM pg_temp.refreshed();
SELECT pg_temp.differing();
-- A row that only a join brings in.
INSERT INTO bronze.inc_customers VALUES (21, 'new');
SELECT * FROM pg_temp.refreshed();
SELECT * FROM gold.inc_regions WHERE region = 'new';
-- A key that changes, a group that vanishes, a change undone before the refresh.
UPDATE bronze.inc_orders SET id = 2000 WHERE id = 1000;
UPDATE bronze.inc_orders SET customer = 22 WHERE customer = 3;
UPDATE bronze.inc_orders SET amount = 0 WHERE id = 50;
UPDATE bronze.inc_orders SET amount = 50 WHERE id = 50;
SELECT * FROM pg_temp.refreshed();
SELECT pg_temp.differing();
-- Others write to the table: undone.
UPDATE gold.inc_customers SET amount = -1 WHERE customer IN (5, 6);
DELETE FROM gold.inc_customers WHERE customer = 7;
INSERT INTO gold.inc_customers VALUES (999, 1, 1);
SELECT * FROM pg_temp.refreshed();
SELECT pg_temp.differing();
SELECT "rows" = (SELECT count(*) FROM gold.inc_customers) AS counted FROM medallion.tables WHERE target = 'gold.inc_customers';
-- TRUNCATE; a source rewritten.
TRUNCATE bronze.inc_customers;
SELECT * FROM pg_temp.refreshed();
INSERT INTO bronze.inc_customers SELECT i, 'r' || i % 3 FROM generate_series(1, 20) i;
UPDATE bronze.inc_orders SET amount = amount + 1 WHERE id < 30;
VACUUM FULL bronze.inc_orders;
VACUUM FULL bronze.inc_customers;
SELECT * FROM pg_temp.refreshed();
SELECT pg_temp.differing();

-- Within one transaction: changes before the refresh are in it; what follows it is found the next time.
BEGIN;
UPDATE bronze.inc_orders SET amount = 77 WHERE id = 60;
SAVEPOINT s;
UPDATE bronze.inc_orders SET amount = 88 WHERE id = 61;
ROLLBACK TO s;
SELECT * FROM pg_temp.refreshed();
SELECT * FROM pg_temp.refreshed();
INSERT INTO bronze.inc_orders VALUES (3000, 1, 1000, '2026-01-01');
COMMIT;
SELECT * FROM pg_temp.refreshed();
BEGIN;
INSERT INTO bronze.inc_orders VALUES (3001, 2, 1000, '2026-01-01');
SELECT * FROM pg_temp.refreshed();
DELETE FROM bronze.inc_orders WHERE id = 3001;
COMMIT;
SELECT * FROM pg_temp.refreshed();
SELECT pg_temp.differing();
-- A refresh that is rolled back leaves no trace.
UPDATE bronze.inc_orders SET amount = 99 WHERE id = 62;
BEGIN;
SELECT * FROM pg_temp.refreshed();
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT * FROM pg_temp.refreshed();
ROLLBACK TO s;
COMMIT;
SELECT * FROM pg_temp.refreshed();
SELECT pg_temp.differing();
DROP TABLE gold.inc_customers, gold.inc_regions;

-- What is not incremental says why.
CREATE TABLE bronze.inc_plain (id int, v int);
CREATE VIEW bronze.inc_view AS SELECT id, amount FROM bronze.inc_orders;
CREATE FUNCTION bronze.inc_stable(int) RETURNS int LANGUAGE sql STABLE AS 'SELECT $1';
CREATE FUNCTION bronze.inc_immutable(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE PROCEDURE pg_temp.try(keys text[], query text, change text DEFAULT 'UPDATE bronze.inc_orders SET amount = amount + 1 WHERE id = 70')
LANGUAGE plpgsql AS $$
DECLARE
	told text;
BEGIN
	PERFORM FROM medallion.define('gold.inc_try', query => query, keys => keys);
	PERFORM FROM medallion.refresh('gold.inc_try');
	COMMIT;
	EXECUTE change;
	SELECT mode || ': ' || reason INTO told FROM medallion.refresh('gold.inc_try') WHERE target = 'gold.inc_try';
	RAISE INFO '%, % differ', told, medallion.rebuild('gold.inc_try', verify => true);
	COMMIT;
	PERFORM medallion.undefine('gold.inc_try', drop_table => true);
END $$;
CALL pg_temp.try('{id}', 'SELECT id, v FROM bronze.inc_plain WHERE id IS NOT NULL');
CALL pg_temp.try('{id}', 'SELECT id, amount FROM bronze.inc_view');
CALL pg_temp.try('{id}', 'SELECT id, now() AS at FROM bronze.inc_orders');
CALL pg_temp.try('{id}', 'SELECT id, current_date AS at FROM bronze.inc_orders');
CALL pg_temp.try('{id}', 'SELECT id, bronze.inc_stable(id) AS s FROM bronze.inc_orders');
CALL pg_temp.try('{id}', 'SELECT id, bronze.inc_immutable(amount) AS s FROM bronze.inc_orders');
CALL pg_temp.try('{id}', $$SELECT id, amount::text || to_char(day, 'YYYY') AS s, day::timestamptz AS at FROM bronze.inc_orders$$);
CALL pg_temp.try('{id}', 'SELECT id, xmin::text AS x FROM bronze.inc_orders');
CALL pg_temp.try('{id}', 'SELECT id, rank() OVER (ORDER BY amount) AS r FROM bronze.inc_orders');
CALL pg_temp.try('{id}', 'SELECT id, rank() OVER (PARTITION BY customer ORDER BY amount) AS r FROM bronze.inc_orders');
CALL pg_temp.try('{customer,id}', 'SELECT customer, id, rank() OVER (PARTITION BY customer ORDER BY amount) AS r FROM bronze.inc_orders');
CALL pg_temp.try('{id}', 'SELECT id FROM bronze.inc_orders ORDER BY amount, id LIMIT 10');
CALL pg_temp.try('{one}', 'SELECT 1 AS one, sum(amount) AS s FROM bronze.inc_orders');
CALL pg_temp.try('{id}', 'SELECT id, amount / (SELECT sum(amount) FROM bronze.inc_orders) AS share FROM bronze.inc_orders');
CALL pg_temp.try('{id}', 'SELECT id, amount, (SELECT count(*) FROM bronze.inc_customers) AS n FROM bronze.inc_orders');
CALL pg_temp.try('{id}', 'SELECT id, amount, (SELECT count(*) FROM bronze.inc_customers) AS n FROM bronze.inc_orders',
	$$INSERT INTO bronze.inc_customers VALUES (500, 'far')$$);
CALL pg_temp.try('{customer}', 'SELECT coalesce(c.customer, o.customer) AS customer, count(*) AS n FROM bronze.inc_orders o FULL JOIN bronze.inc_customers c ON o.customer = c.customer GROUP BY 1');
CALL pg_temp.try('{id}', 'WITH RECURSIVE r AS (SELECT id FROM bronze.inc_orders WHERE id = 70 UNION SELECT id + 1 FROM r WHERE id < 80) SELECT id FROM r');
CALL pg_temp.try('{customer,day}', 'SELECT customer, day, count(*) AS n FROM bronze.inc_orders GROUP BY GROUPING SETS ((customer, day))');
CALL pg_temp.try('{id}', 'SELECT id, amount FROM bronze.inc_orders', 'ALTER TABLE bronze.inc_orders ADD COLUMN note text');
CALL pg_temp.try('{id}', 'SELECT id, bronze.inc_immutable(amount) AS s FROM bronze.inc_orders',
	$$CREATE OR REPLACE FUNCTION bronze.inc_immutable(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 3'$$);
CALL pg_temp.try('{id}', 'SELECT id, amount FROM bronze.inc_view',
	'CREATE OR REPLACE VIEW bronze.inc_view AS SELECT id, (amount * 2)::numeric(10,2) AS amount FROM bronze.inc_orders');
CALL pg_temp.try('{id}', 'SELECT id, amount FROM bronze.inc_orders', $$SELECT medallion.expect('gold.inc_try', 'big', 'amount > 10')$$);
-- An expression that raises only for rows that the query leaves out.
CALL pg_temp.try('{n}', $$SELECT 100 / (o.id - 70) AS n, count(*) AS c FROM bronze.inc_orders o JOIN bronze.inc_customers c USING (customer)
	WHERE c.region = 'none' GROUP BY 1$$);
-- Keys that are equal but not the same.
CREATE TABLE bronze.inc_equal (id int PRIMARY KEY, n numeric);
SELECT medallion.enable_versioning('bronze.inc_equal');
INSERT INTO bronze.inc_equal VALUES (1, 1.0), (2, 1.00), (3, 2);
CALL pg_temp.try('{n}', 'SELECT n, count(*) AS c FROM bronze.inc_equal GROUP BY n', 'INSERT INTO bronze.inc_equal VALUES (4, 1.000)');
CALL pg_temp.try('{n}', 'SELECT n::text AS n, c FROM (SELECT n, count(*) AS c FROM bronze.inc_equal GROUP BY n) g', 'UPDATE bronze.inc_equal SET n = 3 WHERE id = 4');
SET medallion.incremental_limit = 0;
CALL pg_temp.try('{id}', 'SELECT id, amount FROM bronze.inc_orders');
RESET medallion.incremental_limit;

-- A row that is erased from the past, too; columns of the table taken away and added again, or rewritten.
INSERT INTO bronze.inc_orders VALUES (9000, 1, 1, '2026-01-01');
CREATE FUNCTION pg_temp.erase() RETURNS void LANGUAGE plpgsql AS $$BEGIN
	DELETE FROM bronze.inc_orders WHERE id = 9000;
	PERFORM medallion.forget('bronze.inc_orders', '{"id": 9000}');
END$$;
CALL pg_temp.try('{id}', 'SELECT id, amount FROM bronze.inc_orders', 'SELECT pg_temp.erase()');
CALL pg_temp.try('{id}', 'SELECT id, amount FROM bronze.inc_orders', 'ALTER TABLE gold.inc_try DROP COLUMN amount, ADD COLUMN amount numeric(10,2)');
CALL pg_temp.try('{id}', 'SELECT id, amount FROM bronze.inc_orders', 'TRUNCATE gold.inc_try');

-- Aggregates that follow from the changes, and what stands in the way.
CREATE TABLE bronze.inc_facts (id int PRIMARY KEY, k int NOT NULL, v int, m int NOT NULL, w numeric(8,2), u numeric);
SELECT medallion.enable_versioning('bronze.inc_facts');
INSERT INTO bronze.inc_facts SELECT i, i % 5, nullif(i % 7, 3), i, i / 4.0, i / 8.0 FROM generate_series(1, 50) i;
CREATE PROCEDURE pg_temp.follow(columns text, change text DEFAULT 'UPDATE bronze.inc_facts SET v = v + 1, m = m + 1, w = w + 1, u = u + 1 WHERE id IN (21, 22, 26)')
LANGUAGE plpgsql AS $$BEGIN CALL pg_temp.try('{k}', format('SELECT k, %s FROM bronze.inc_facts GROUP BY k', columns), change); END$$;
CALL pg_temp.follow('count(*) AS n, sum(m) AS m, count(v) AS c, sum(v) AS v, avg(v) AS a, sum(w) AS w, count(w) AS cw, avg(w) AS aw');
CALL pg_temp.follow('count(*) AS n, count(v) AS c, sum(v) AS v', 'UPDATE bronze.inc_facts SET v = NULL WHERE k = 3');
CALL pg_temp.follow('count(*) AS n, count(v) AS c, sum(v) AS v, avg(v) AS a', 'UPDATE bronze.inc_facts SET v = 1 WHERE k = 3 AND id < 20');
CALL pg_temp.follow('count(*) AS n, sum(m) AS m', 'DELETE FROM bronze.inc_facts WHERE k = 4');
CALL pg_temp.follow('count(*) AS n, sum(m) AS m', 'INSERT INTO bronze.inc_facts SELECT i, 9, i, i, i, i FROM generate_series(101, 105) i');
CALL pg_temp.follow('count(*) AS n, min(m) AS lo, max(m) AS hi', 'INSERT INTO bronze.inc_facts VALUES (200, 9, 1, 1000, 1, 1)');
CALL pg_temp.follow('count(*) AS n, min(m) AS lo, max(m) AS hi', 'DELETE FROM bronze.inc_facts WHERE id = 200');
CALL pg_temp.follow('count(*) AS n, sum(w) AS w, count(w) AS c', 'UPDATE bronze.inc_facts SET w = ''NaN'' WHERE id = 21');
CALL pg_temp.follow('count(*) AS n, sum(w) AS w, count(w) AS c', 'UPDATE bronze.inc_facts SET w = 1 WHERE id = 21');
CALL pg_temp.follow('sum(m) AS m');
CALL pg_temp.follow('count(*) AS n, sum(v) AS v');
CALL pg_temp.follow('count(*) AS n, avg(m) AS a');
CALL pg_temp.follow('count(*) AS n, sum(u) AS u, count(u) AS c');
CALL pg_temp.follow('count(*) AS n, sum(m::float8) AS f');
CALL pg_temp.follow('count(*) AS n, count(DISTINCT v) AS d');
CALL pg_temp.follow('count(*) AS n, stddev(m) AS s');
CALL pg_temp.follow('count(*) AS n, sum(m) AS m', 'TRUNCATE bronze.inc_facts');
CALL pg_temp.try('{k}', 'SELECT f.k, count(*) AS n, sum(f.m) AS m FROM bronze.inc_facts f JOIN bronze.inc_customers c ON c.customer = f.m GROUP BY 1',
	'INSERT INTO bronze.inc_facts SELECT i, i % 5, i, i, i, i FROM generate_series(1, 9) i');
CALL pg_temp.try('{k}', 'SELECT f.k, count(*) AS n, sum(f.m) AS m FROM bronze.inc_facts f JOIN bronze.inc_customers c ON c.customer = f.m GROUP BY 1',
	'DELETE FROM bronze.inc_customers WHERE customer = 2');
CALL pg_temp.try('{k}', 'SELECT k, count(*) AS n, sum(m) AS m FROM bronze.inc_facts GROUP BY k HAVING count(*) > 1', 'DELETE FROM bronze.inc_facts WHERE id = 3');

-- Rules: rejected rows of the units computed.
SELECT FROM medallion.define('silver.inc_checked', keys => '{id}', query => 'SELECT id, amount, day FROM bronze.inc_orders');
SELECT medallion.expect('silver.inc_checked', 'small', 'amount < 150', 'quarantine');
SELECT medallion.expect('silver.inc_checked', 'odd', 'id % 50 <> 0', 'drop');
SELECT mode, inserted, rejected FROM medallion.refresh('silver.inc_checked');
SELECT count(*), min(_refresh_id) = max(_refresh_id) AS together FROM silver.inc_checked_quarantine;
UPDATE bronze.inc_orders SET amount = 10 WHERE id = 180;
UPDATE bronze.inc_orders SET amount = 500 WHERE id IN (10, 11);
SELECT mode, inserted, updated, deleted, rejected FROM medallion.refresh('silver.inc_checked');
SELECT id, amount FROM silver.inc_checked_quarantine WHERE id IN (10, 11, 180) ORDER BY id;
SELECT medallion.rebuild('silver.inc_checked', verify => true);
DELETE FROM silver.inc_checked_quarantine WHERE id = 10;
SELECT mode, inserted, updated, deleted, rejected FROM medallion.refresh('silver.inc_checked');
SELECT id, amount FROM silver.inc_checked_quarantine WHERE id IN (10, 11, 180) ORDER BY id;
-- What rules found is of all rows, as long as none was dropped.
SELECT FROM medallion.define('silver.inc_counted', keys => '{id}', query => 'SELECT id, amount, day FROM bronze.inc_orders');
SELECT medallion.expect('silver.inc_counted', 'small', 'amount < 150', 'quarantine');
SELECT medallion.expect('silver.inc_counted', 'not fifty', '100 / (amount - 50) < 1000');
SELECT medallion.expect('silver.inc_counted', 'even', 'id % 2 = 0');
CREATE VIEW pg_temp.found AS SELECT e.name, e.passed, e.failed, e.raised, e.whole, jsonb_array_length(e.failing_keys) AS keys FROM medallion.expectation_results e
	JOIN medallion.refreshes r USING (refresh_id) WHERE r.refresh_id = (SELECT max(refresh_id) FROM medallion.refreshes) ORDER BY 1;
SELECT mode, inserted, rejected FROM medallion.refresh('silver.inc_counted');
TABLE pg_temp.found;
SELECT mode, inserted, updated, deleted, rejected FROM medallion.refresh('silver.inc_counted');
TABLE pg_temp.found;
UPDATE bronze.inc_orders SET amount = 50 WHERE id IN (20, 21, 22, 181, 182);
UPDATE bronze.inc_orders SET id = id + 10001 WHERE id IN (31, 183);
DELETE FROM bronze.inc_orders WHERE id BETWEEN 40 AND 43;
SELECT mode, inserted, updated, deleted, rejected FROM medallion.refresh('silver.inc_counted');
TABLE pg_temp.found;
SELECT rules, round(passed_share::numeric, 4) AS passed_share, failing_rules FROM medallion.tables WHERE target = 'silver.inc_counted';
SELECT medallion.rebuild('silver.inc_counted');
TABLE pg_temp.found;
UPDATE silver.inc_counted SET amount = 50 WHERE id = 1;
SELECT mode, updated, reason FROM medallion.refresh('silver.inc_counted');
SELECT medallion.expect('silver.inc_counted', 'few', 'id < 1000', 'drop');
SELECT mode FROM medallion.refresh('silver.inc_counted');
UPDATE bronze.inc_orders SET amount = 60 WHERE id IN (20, 21);
SELECT mode FROM medallion.refresh('silver.inc_counted');
TABLE pg_temp.found;
SELECT medallion.undefine('silver.inc_counted', true);
DROP VIEW pg_temp.found;
-- NULL keys that a rule takes out.
SELECT FROM medallion.define('silver.inc_nulls', keys => '{customer}', query => 'SELECT nullif(customer, 5) AS customer, count(*) AS n FROM bronze.inc_orders GROUP BY 1');
SELECT medallion.expect('silver.inc_nulls', 'known', 'customer IS NOT NULL', 'quarantine');
SELECT mode, inserted, rejected FROM medallion.refresh('silver.inc_nulls');
DELETE FROM bronze.inc_orders WHERE id = 84;
SELECT mode, inserted, updated, deleted, rejected FROM medallion.refresh('silver.inc_nulls');
SELECT customer, n FROM silver.inc_nulls_quarantine;
-- What is remembered goes with the definition.
SELECT count(*) FROM medallion._refresh_states WHERE target IN ('silver.inc_nulls'::regclass, 'silver.inc_checked'::regclass);
SELECT medallion.undefine('silver.inc_nulls', true), medallion.undefine('silver.inc_checked', true);
DROP VIEW bronze.inc_view;
DROP TABLE silver.inc_orders;
DROP TABLE bronze.inc_orders, bronze.inc_facts, bronze.inc_customers, bronze.inc_plain, bronze.inc_equal;
DROP FUNCTION bronze.inc_stable, bronze.inc_immutable;
SELECT count(*) FROM medallion._refresh_states;
