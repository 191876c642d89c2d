-- Expectations: what rules do to rows, what is counted, and what a rule may be.
SET client_min_messages = warning;
CREATE TABLE bronze.sales (id int, shop text, amount numeric, raw text);
INSERT INTO bronze.sales VALUES
	(1, 'a', 10, '1'), (2, 'a', -5, '2'), (3, 'b', NULL, '3'), (4, NULL, 20, '4'),
	(5, 'b', 30, 'five'), (6, 'c', 999999, '6'), (7, 'c', -1, 'seven'), (8, 'd', 40, NULL);
SELECT target FROM medallion.define('silver.sales', 'SELECT id, shop, amount, raw FROM bronze.sales', '{id}');

-- warn counts and keeps; NULL is a violation unless null_ok.
SELECT medallion.expect('silver.sales', 'positive', 'amount > 0');
SELECT medallion.expect('silver.sales', 'positive or unknown', 'amount > 0', null_ok => true);
SELECT inserted, rejected FROM medallion.refresh('silver.sales');
SELECT name, action, passed, failed, raised, failing_keys FROM medallion.expectation_results WHERE target = 'silver.sales' ORDER BY name COLLATE "C";
SELECT rules, passed_share, failing_rules FROM medallion.tables WHERE target = 'silver.sales';
-- drop leaves the row out; quarantine keeps it aside with all rules it violates.
SELECT medallion.expect('silver.sales', 'positive', 'amount > 0', 'drop', null_ok => true);
SELECT medallion.expect('silver.sales', 'shop known', 'shop IS NOT NULL', 'quarantine');
SELECT medallion.expect('silver.sales', 'sane', 'amount < 1000', on_violation => 'quarantine', null_ok => true);
SELECT medallion.unexpect('silver.sales', 'positive or unknown');
SELECT attname, format_type(atttypid, atttypmod) AS type, attnotnull, CASE WHEN attcollation <> typcollation THEN attcollation::regcollation END AS collation
FROM pg_attribute JOIN pg_type t ON t.oid = atttypid WHERE attrelid = 'silver.sales_quarantine'::regclass AND attnum > 0 ORDER BY attnum;
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'silver.sales_quarantine'::regclass;
SELECT obj_description('silver.sales_quarantine'::regclass);
SELECT inserted, updated, deleted, rejected FROM medallion.refresh('silver.sales');
TABLE silver.sales ORDER BY id;
SELECT id, shop, amount, raw, _reasons, now() - _quarantined_at < '1 hour' AS just_now, _refresh_id = f.refresh_id AS by_last
FROM silver.sales_quarantine, (SELECT max(refresh_id) AS refresh_id FROM medallion.refreshes WHERE target = 'silver.sales') f ORDER BY id;
SELECT "rows", inserted, deleted, dropped, quarantined FROM medallion.refreshes ORDER BY refresh_id DESC LIMIT 1;
-- Rejected rows stay what they are while they stay rejected, and leave when they are mended.
CREATE TEMP TABLE before AS SELECT _quarantine_id, _quarantined_at, _refresh_id FROM silver.sales_quarantine WHERE id = 6;
UPDATE bronze.sales SET shop = 'x' WHERE id = 4;
SELECT inserted, updated, deleted, rejected FROM medallion.refresh('silver.sales');
SELECT id, q._quarantine_id = b._quarantine_id AND q._quarantined_at = b._quarantined_at AND q._refresh_id = b._refresh_id AS unchanged
FROM silver.sales_quarantine q, before b;
-- Equal rows are each kept: rejected rows need no key.
INSERT INTO bronze.sales VALUES (6, 'c', 999999, '6'), (NULL, NULL, 1, '9'), (NULL, NULL, 1, '9');
SELECT inserted, rejected FROM medallion.refresh('silver.sales');
SELECT inserted, rejected FROM medallion.refresh('silver.sales');
SELECT id, _reasons, count(*), count(DISTINCT _quarantine_id) FROM silver.sales_quarantine GROUP BY 1, 2 ORDER BY 1, 2;
SELECT name, passed, failed, failing_keys FROM medallion.expectation_results
WHERE refresh_id = (SELECT max(refresh_id) FROM medallion.refreshes) ORDER BY name COLLATE "C";
DELETE FROM bronze.sales WHERE id IS NULL;
DELETE FROM bronze.sales WHERE ctid IN (SELECT max(ctid) FROM bronze.sales WHERE id = 6);

-- An expression that raises is a violation of that row alone.
SELECT medallion.expect('silver.sales', 'number', 'raw::int BETWEEN 1 AND 100', 'quarantine');
SELECT medallion.expect('silver.sales', 'ratio', '100 / (id - 1) >= 0');
SELECT inserted, updated, deleted, rejected FROM medallion.refresh('silver.sales');
SELECT id, _reasons FROM silver.sales_quarantine ORDER BY id;
SELECT name, passed, failed, raised, failing_keys, first_error FROM medallion.expectation_results
WHERE refresh_id = (SELECT max(refresh_id) FROM medallion.refreshes) ORDER BY name COLLATE "C";
-- The next refresh knows that these rules raise, and says the same; when they no longer do, it forgets.
SELECT inserted, updated, deleted, rejected FROM medallion.refresh('silver.sales');
SELECT name, passed, failed, raised FROM medallion.expectation_results
WHERE refresh_id = (SELECT max(refresh_id) FROM medallion.refreshes) ORDER BY name COLLATE "C";
UPDATE bronze.sales SET raw = '5' WHERE raw = 'five';
UPDATE bronze.sales SET raw = '7', amount = 1 WHERE raw = 'seven';
SELECT medallion.unexpect('silver.sales', 'ratio');
SELECT inserted, updated, deleted, rejected FROM medallion.refresh('silver.sales');
SELECT inserted, updated, deleted, rejected FROM medallion.refresh('silver.sales');
SELECT id, _reasons FROM silver.sales_quarantine ORDER BY id;
-- Thousands of rows, of which few raise: batches before and after them are judged as a whole.
INSERT INTO bronze.sales SELECT i, 'e', 1, CASE WHEN i % 1111 = 0 THEN 'x' ELSE '50' END FROM generate_series(100, 5099) i;
SELECT inserted, rejected FROM medallion.refresh('silver.sales');
SELECT inserted, updated, deleted, rejected FROM medallion.refresh('silver.sales');
SELECT name, passed, failed, raised, failing_keys FROM medallion.expectation_results
WHERE refresh_id = (SELECT max(refresh_id) FROM medallion.refreshes) AND failed > 0 ORDER BY name COLLATE "C";
DELETE FROM bronze.sales WHERE id >= 100;
SELECT inserted, deleted, rejected FROM medallion.refresh('silver.sales');

-- fail stops the refresh; nothing of it is applied, in any table of the call.
SELECT target FROM medallion.define('gold.shops', 'SELECT shop, sum(amount) AS amount FROM silver.sales GROUP BY shop', '{shop}');
SELECT target, inserted FROM medallion.refresh('gold.shops');
SELECT medallion.expect('gold.shops', 'small', 'amount < 50', 'fail');
SELECT medallion.expect('gold.shops', 'letter', 'length(shop) = 1', 'fail');
UPDATE bronze.sales SET amount = 33 WHERE id = 1;
UPDATE bronze.sales SET amount = 44 WHERE id = 5;
SELECT target, updated FROM medallion.refresh('gold.shops');
UPDATE bronze.sales SET amount = 55 WHERE id IN (1, 5);
SELECT target, updated FROM medallion.refresh('gold.shops');
SELECT amount FROM silver.sales WHERE id = 1;
TABLE gold.shops ORDER BY shop;
-- verify does not enforce fail rules: it tells what would change.
SELECT medallion.rebuild('silver.sales', verify => true);
SELECT medallion.expect('gold.shops', 'small', '1 / (amount - 55) < 0', 'fail');
SELECT medallion.refresh('gold.shops');
SELECT medallion.unexpect('gold.shops', 'small');
SELECT target, updated FROM medallion.refresh('gold.shops');

-- What a rule may be.
SELECT medallion.expect('silver.sales', 'bad', '');
SELECT medallion.expect('silver.sales', 'bad', 'amount >');
SELECT medallion.expect('silver.sales', 'bad', 'nothing > 0');
SELECT medallion.expect('silver.sales', 'bad', 'amount');
SELECT medallion.expect('silver.sales', 'bad', 'amount > 0, true');
SELECT medallion.expect('silver.sales', 'bad', 'true AS ok');
SELECT medallion.expect('silver.sales', 'bad', 'true FROM bronze.sales');
SELECT medallion.expect('silver.sales', 'bad', 'true) OR (true');
SELECT medallion.expect('silver.sales', 'bad', 'true; DROP TABLE bronze.sales');
SELECT medallion.expect('silver.sales', 'bad', 'true WHERE true');
SELECT medallion.expect('silver.sales', 'bad', 'true ORDER BY 1');
SELECT medallion.expect('silver.sales', 'bad', 'DISTINCT true');
SELECT medallion.expect('silver.sales', 'bad', 'true UNION SELECT false');
SELECT medallion.expect('silver.sales', 'bad', '*');
SELECT medallion.expect('silver.sales', 'bad', 'sales.*');
SELECT medallion.expect('silver.sales', 'bad', 'ROW(sales.*) IS NOT NULL');
SELECT medallion.expect('silver.sales', 'bad', 'amount > $1');
SELECT medallion.expect('silver.sales', 'bad', 'sum(amount) > 0');
SELECT medallion.expect('silver.sales', 'bad', 'row_number() OVER () > 0');
SELECT medallion.expect('silver.sales', 'bad', 'amount > (SELECT 0)');
SELECT medallion.expect('silver.sales', 'bad', 'generate_series(1, 2) > 0');
SELECT medallion.expect('silver.sales', 'bad', 'amount > random()');
SELECT medallion.expect('silver.sales', 'bad', 'amount > 1 / 0');
SELECT medallion.expect('silver.sales', 'bad', 'sales IS NOT NULL');
SELECT medallion.expect('silver.sales', 'bad', 'ctid IS NOT NULL');
SELECT medallion.expect('silver.sales', '', 'true');
SELECT medallion.expect('silver.sales', NULL, 'true');
SELECT medallion.expect('silver.sales', 'bad', NULL);
SELECT medallion.expect('silver.sales', 'bad', 'true', 'explode');
SELECT medallion.expect('bronze.sales', 'bad', 'true');
SELECT medallion.expect('silver.nothing', 'bad', 'true');
SELECT medallion.unexpect('silver.sales', 'bad');
SELECT medallion.unexpect('silver.sales', NULL);
-- Comments and line ends in a rule, quoted columns, qualified columns, functions of the user's schema.
CREATE FUNCTION bronze.short(text) RETURNS bool LANGUAGE sql IMMUTABLE RETURN length($1) < 3;
SET search_path = bronze, public;
SELECT medallion.expect('silver.sales', 'commented', E'amount > 0 -- that is\n  AND short("shop") AND sales.id > 0 /* all */', null_ok => true);
RESET search_path;
SELECT target, name, rule, on_violation, null_ok FROM medallion.expectations ORDER BY target, name COLLATE "C";
SELECT mode FROM medallion.refresh('silver.sales');
SELECT passed, failed, raised FROM medallion.expectation_results WHERE target = 'silver.sales' AND name = 'commented';
-- Redefining keeps the rules that still make sense, and is refused otherwise.
SELECT medallion.redefine('silver.sales', on_schema_change => 'full_refresh');
SELECT target FROM medallion.redefine('silver.sales', 'SELECT id, shop, amount FROM bronze.sales');
SELECT medallion.unexpect('silver.sales', 'number');
SELECT target FROM medallion.redefine('silver.sales', 'SELECT id, shop, amount, raw || ''!'' AS raw FROM bronze.sales');
SELECT mode FROM medallion.refresh('silver.sales');
SELECT * FROM silver.sales WHERE id = 1;

-- The quarantine table: made again if it was dropped, adopted if it fits, refused if it does not.
DROP TABLE silver.sales_quarantine;
SELECT quarantine FROM medallion.tables WHERE target = 'silver.sales';
SELECT rejected FROM medallion.refresh('silver.sales');
SELECT quarantine FROM medallion.tables WHERE target = 'silver.sales';
SELECT id, raw, _reasons FROM silver.sales_quarantine;
SELECT medallion.undefine('gold.shops', drop_table => true);
DROP TABLE silver.sales;
SELECT count(*) FROM silver.sales_quarantine;
SELECT count(*) FROM medallion.expectations;
SELECT target FROM medallion.define('silver.sales', 'SELECT id, shop, amount, raw FROM bronze.sales', '{id}');
SELECT medallion.expect('silver.sales', 'sane', 'amount < 1000', 'quarantine', null_ok => true);
SELECT rejected FROM medallion.refresh('silver.sales');
SELECT count(*) FROM silver.sales_quarantine;
-- Without a quarantine rule nothing stays in quarantine.
SELECT medallion.unexpect('silver.sales', 'sane');
SELECT inserted, rejected FROM medallion.refresh('silver.sales');
SELECT count(*) FROM silver.sales_quarantine;
SELECT medallion.undefine('silver.sales', drop_table => true);
SELECT to_regclass('silver.sales_quarantine');
CREATE TABLE silver.sales_quarantine (id int);
SELECT target FROM medallion.define('silver.sales', 'SELECT id, shop, amount, raw FROM bronze.sales', '{id}');
SELECT medallion.expect('silver.sales', 'sane', 'amount < 1000', 'quarantine');
DROP TABLE silver.sales_quarantine;
SELECT medallion.undefine('silver.sales', drop_table => true);
SELECT target FROM medallion.define('silver.sales', 'SELECT id, shop AS _reasons FROM bronze.sales', '{id}');
SELECT medallion.expect('silver.sales', 'known', '_reasons <> ''''', 'quarantine');
SELECT medallion.undefine('silver.sales', drop_table => true);
DROP TABLE bronze.sales, before;
DROP FUNCTION bronze.short(text);
