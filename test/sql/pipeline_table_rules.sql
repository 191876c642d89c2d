-- Rules about a derived table as a whole.
SET client_min_messages = warning;
CREATE TABLE bronze.sale (id int PRIMARY KEY, shop text, receipt int, state text, amount float8, sold timestamptz);
CREATE TABLE bronze.shop (shop text, town text);
SELECT FROM medallion.enable_versioning('bronze.sale');
INSERT INTO bronze.shop VALUES ('n', 'north'), ('s', 'south');
INSERT INTO bronze.sale SELECT i, CASE WHEN i % 2 = 0 THEN 'n' ELSE 's' END, 100 + i, 'paid', i, now() - i * interval '1 hour' FROM generate_series(1, 20) i;
SELECT target FROM medallion.define('silver.shop', 'SELECT shop, town FROM bronze.shop', '{shop}');
SELECT target FROM medallion.define('silver.sale', 'SELECT id, shop, receipt, state, amount, sold FROM bronze.sale', '{id}');
CREATE VIEW found AS SELECT e.name, e.kind, e.action, e.met, e.passed, e.failed, e.raised, e.failing_keys, e.first_error,
	CASE WHEN e.kind <> 'freshness' THEN e.observed END AS observed
FROM medallion.expectation_results e WHERE e.refresh_id = (SELECT max(refresh_id) FROM medallion.refreshes WHERE target = 'silver.sale')
ORDER BY e.name COLLATE "C";

SELECT medallion.expect_table('silver.sale', 'receipts', 'unique', '{"columns": ["shop", "receipt"]}'),
	medallion.expect_table('silver.sale', 'states', 'accepted_values', '{"column": "state", "values": ["paid", "open"]}'),
	medallion.expect_table('silver.sale', 'shops', 'relationships', '{"columns": "shop", "to": "silver.shop"}'),
	medallion.expect_table('silver.sale', 'fresh', 'freshness', '{"column": "sold", "max_age": "1 day"}'),
	medallion.expect_table('silver.sale', 'rows', 'row_count', '{"min": 1, "max": 1000, "max_decrease": 0.1, "max_increase": 0.5}'),
	medallion.expect_table('silver.sale', 'mean', 'distribution', '{"column": "amount", "statistic": "mean", "min": 5, "max": 50, "max_increase": 0.2}');
SELECT name, rule, on_violation, null_ok, mostly, kind, options FROM medallion.expectations WHERE target = 'silver.sale' ORDER BY name COLLATE "C";
SELECT target, mode, inserted, rejected FROM medallion.refresh();
TABLE found;
-- Violated, all of them, and kept; the keys are those of the table.
UPDATE bronze.sale SET receipt = 104 WHERE id IN (6, 8);
UPDATE bronze.sale SET state = CASE id WHEN 3 THEN 'lost' END WHERE id IN (3, 5);
UPDATE bronze.sale SET shop = CASE id WHEN 9 THEN 'x' END WHERE id IN (9, 11);
UPDATE bronze.sale SET sold = sold - interval '2 days', amount = amount * 2;
DELETE FROM bronze.sale WHERE id > 17;
SELECT mode, inserted, updated, deleted, rejected, reason FROM medallion.refresh('silver.sale');
TABLE found;
SELECT rules, failing_rules FROM medallion.tables WHERE target = 'silver.sale';
SELECT name, passed_share FROM medallion.expectation_results WHERE refresh_id = (SELECT max(refresh_id) FROM medallion.refreshes)
	AND passed_share IS NOT NULL ORDER BY name COLLATE "C";
-- Nothing changed: what was found stands, except of rules that look at another table, and of time and change.
INSERT INTO bronze.shop VALUES ('x', 'elsewhere');
SELECT target, mode, inserted FROM medallion.refresh();
TABLE found;
-- NULL is a violation unless null_ok; mostly.
SELECT medallion.expect_table('silver.sale', 'states', 'accepted_values', '{"column": "state", "values": ["paid", "lost"]}', null_ok => true),
	medallion.expect_table('silver.sale', 'shops', 'relationships', '{"columns": ["shop"], "to": "bronze.shop", "to_columns": ["shop"]}', null_ok => true),
	medallion.expect_table('silver.sale', 'receipts', 'unique', '{"columns": "receipt"}', mostly => 0.8),
	medallion.expect_table('silver.sale', 'fresh', 'freshness', '{"column": "sold", "max_age": "1 month"}');
SELECT mode FROM medallion.refresh('silver.sale');
SELECT name, met, passed, failed, failing_keys FROM found;
SELECT medallion.expect_table('silver.sale', 'receipts', 'unique', '{"columns": "receipt"}', mostly => 0.85);
SELECT mode FROM medallion.refresh('silver.sale');
SELECT name, met, passed, failed FROM found WHERE name = 'receipts';

-- fail: nothing is published.
SELECT medallion.expect_table('silver.sale', 'receipts', 'unique', '{"columns": "receipt"}', 'fail');
SELECT medallion.refresh('silver.sale');
UPDATE bronze.sale SET receipt = 100 + id;
SELECT mode, updated FROM medallion.refresh('silver.sale');
SELECT medallion.expect_table('silver.sale', 'rows', 'row_count', '{"max_decrease": 0.1, "max_increase": 0.1}', 'fail');
DELETE FROM bronze.sale WHERE id < 3;
SELECT medallion.refresh('silver.sale');
SELECT count(*), min(id) FROM silver.sale;
SELECT met, passed, failed, observed FROM found WHERE name = 'rows';
INSERT INTO bronze.sale SELECT i, 'n', 100 + i, 'paid', 10, now() FROM generate_series(30, 34) i;
SELECT medallion.refresh('silver.sale');
SELECT medallion.expect_table('silver.sale', 'rows', 'row_count', '{"min": 18, "max_increase": 0.2}', 'fail');
SELECT mode, inserted, deleted FROM medallion.refresh('silver.sale');
SELECT name, met, passed, failed, observed FROM found WHERE name = 'rows';
SELECT medallion.expect_table('silver.sale', 'states', 'accepted_values', '{"column": "state", "values": "paid"}', 'fail');
SELECT medallion.refresh('silver.sale');
SELECT medallion.expect_table('silver.sale', 'states', 'accepted_values', '{"column": "state", "values": "paid"}', 'fail', mostly => 0.9);
SELECT mode FROM medallion.refresh('silver.sale');
SELECT medallion.unexpect('silver.sale', 'states');
SELECT medallion.expect_table('silver.sale', 'fresh', 'freshness', '{"column": "sold", "max_age": "1 hour"}', 'fail');
SELECT mode FROM medallion.refresh('silver.sale');
SELECT medallion.expect_table('silver.sale', 'shops', 'relationships', '{"columns": "shop", "to": "silver.shop"}', 'fail');
SELECT medallion.refresh('silver.sale');
-- Both tables of a relationship are brought up to date in one call, whichever is first.
SELECT medallion.expect_table('silver.shop', 'has sales', 'relationships', '{"columns": "shop", "to": "silver.sale"}', 'fail');
UPDATE bronze.sale SET shop = 'new' WHERE shop IS NULL OR shop = 'x';
SELECT medallion.refresh('silver.sale');
UPDATE bronze.shop SET shop = 'new' WHERE shop = 'x';
SELECT medallion.refresh('silver.shop');
SELECT target, mode, updated, inserted, deleted FROM medallion.refresh();
SELECT medallion.unexpect('silver.shop', 'has sales');

-- Every statistic, and columns that are not numbers.
SELECT medallion.unexpect('silver.sale', name) FROM medallion.expectations WHERE target = 'silver.sale' ORDER BY name COLLATE "C";
SELECT medallion.expect_table('silver.sale', s, 'distribution', jsonb_build_object('column', 'amount', 'statistic', s, 'min', 0)
	|| CASE WHEN s = 'quantile' THEN '{"quantile": 0.25}' ELSE '{}' END::jsonb)
FROM unnest('{mean,stddev,min,max,sum,quantile,null_share,distinct,distinct_share}'::text[]) s;
SELECT medallion.expect_table('silver.sale', 'text', 'distribution', '{"column": "shop", "statistic": "distinct", "max": 2}'),
	medallion.expect_table('silver.sale', 'nulls', 'distribution', '{"column": "shop", "statistic": "null_share", "max": 0}');
UPDATE bronze.sale SET amount = CASE WHEN id % 4 > 0 THEN id % 4 END;
SELECT mode FROM medallion.refresh('silver.sale');
SELECT name, met, observed FROM found;
SELECT avg(amount), stddev(amount), sum(amount), percentile_cont(0.25) WITHIN GROUP (ORDER BY amount) AS q, count(*) FILTER (WHERE amount IS NULL) / count(*)::float8 AS nulls FROM silver.sale;
-- NaN and infinity are outside of any bound, or beyond it.
UPDATE bronze.sale SET amount = 'NaN' WHERE id = 30;
SELECT FROM medallion.refresh('silver.sale');
SELECT name, met, observed FROM found WHERE NOT met;
UPDATE bronze.sale SET amount = 'Infinity' WHERE id = 30;
SELECT FROM medallion.refresh('silver.sale');
SELECT name, met, observed FROM found WHERE NOT met OR observed ->> 'value' = 'Infinity';
-- One that raises is violated, and does not take the others along.
UPDATE bronze.sale SET amount = 1.5e308;
SELECT FROM medallion.refresh('silver.sale');
SELECT name, met, raised, first_error FROM found WHERE name IN ('sum', 'min', 'distinct', 'mean');
SELECT medallion.expect_table('silver.sale', 'sum', 'distribution', '{"column": "amount", "statistic": "sum", "max": 0}', 'fail');
SELECT medallion.refresh('silver.sale');
SELECT medallion.unexpect('silver.sale', name) FROM medallion.expectations WHERE target = 'silver.sale' ORDER BY name COLLATE "C";

-- No rows: nothing is wrong with rows; there is no value, which is a violation unless null_ok.
SELECT medallion.expect_table('silver.sale', 'receipts', 'unique', '{"columns": "receipt"}', 'fail'),
	medallion.expect_table('silver.sale', 'states', 'accepted_values', '{"column": "state", "values": []}', 'fail'),
	medallion.expect_table('silver.sale', 'fresh', 'freshness', '{"column": "sold", "max_age": "1 day"}'),
	medallion.expect_table('silver.sale', 'mean', 'distribution', '{"column": "amount", "statistic": "mean", "min": 5}'),
	medallion.expect_table('silver.sale', 'mean or none', 'distribution', '{"column": "amount", "statistic": "mean", "min": 5}', null_ok => true),
	medallion.expect_table('silver.sale', 'rows', 'row_count', '{"max": 0}', 'fail');
TRUNCATE bronze.sale;
SELECT mode, deleted FROM medallion.refresh('silver.sale');
SELECT name, met, passed, failed, observed FROM found;

-- Renames are followed where they can be; what is gone is said.
SELECT medallion.expect_table('silver.sale', 'shops', 'relationships', '{"columns": "shop", "to": "bronze.shop"}');
ALTER TABLE bronze.shop RENAME TO store;
SELECT medallion.unexpect('silver.sale', 'rows');
INSERT INTO bronze.sale VALUES (1, 'n', 1, NULL, 1, now());
SELECT medallion.expect_table('silver.sale', 'states', 'accepted_values', '{"column": "state", "values": ["a"]}');
SELECT mode FROM medallion.refresh('silver.sale');
SELECT name, met, first_error FROM found;
ALTER TABLE bronze.store RENAME shop TO store;
SELECT mode FROM medallion.refresh('silver.sale');
SELECT name, met, first_error FROM found WHERE name = 'shops';
SELECT medallion.expect_table('silver.sale', 'shops', 'relationships', '{"columns": "shop", "to": "bronze.store", "to_columns": "store"}');
CREATE TABLE bronze.other (shop text);
SELECT medallion.expect_table('silver.sale', 'others', 'relationships', '{"columns": "shop", "to": "bronze.other"}');
DROP TABLE bronze.other;
SELECT mode FROM medallion.refresh('silver.sale');
SELECT name, met, first_error FROM found WHERE name IN ('shops', 'others');
SELECT medallion.redefine('silver.sale', 'SELECT id, shop, receipt, state, amount FROM bronze.sale', on_schema_change => 'full_refresh');
SELECT medallion.expect('silver.sale', 'states', 'state IS NOT NULL', 'drop');
SELECT mode, rejected FROM medallion.refresh('silver.sale');
SELECT name, kind, met FROM found WHERE name = 'states';

-- Types of one's own, domains, several columns, two types of integers.
CREATE DOMAIN bronze.code AS int CHECK (VALUE > 0);
CREATE TYPE bronze.mood AS ENUM ('good', 'bad');
CREATE TABLE bronze.part (a bronze.code, b bigint, m bronze.mood, d date, i inet);
CREATE TABLE bronze.whole (a bigint, b int);
INSERT INTO bronze.part VALUES (1, 1, 'good', '2020-01-01', '10.0.0.1'), (1, 2, 'bad', 'infinity', '10.0.0.2'), (2, 1, 'good', NULL, NULL);
INSERT INTO bronze.whole VALUES (1, 1), (1, 2);
SELECT target FROM medallion.define('silver.part', 'SELECT a, b, m, d, i FROM bronze.part', '{a,b}');
SELECT medallion.expect_table('silver.part', 'whole', 'relationships', '{"columns": ["a", "b"], "to": "bronze.whole"}'),
	medallion.expect_table('silver.part', 'a', 'accepted_values', '{"column": "a", "values": ["1"]}'),
	medallion.expect_table('silver.part', 'm', 'accepted_values', '{"column": "m", "values": ["good"]}'),
	medallion.expect_table('silver.part', 'i', 'unique', '{"columns": "i"}'),
	medallion.expect_table('silver.part', 'd', 'freshness', '{"column": "d", "max_age": "1 day"}'),
	medallion.expect_table('silver.part', 'key', 'unique', '{"columns": ["b", "m"]}');
SELECT mode FROM medallion.refresh('silver.part');
SELECT name, met, passed, failed, failing_keys, observed ->> 'latest' AS latest FROM medallion.expectation_results WHERE target = 'silver.part' ORDER BY name COLLATE "C";

-- What is refused.
SELECT medallion.expect_table('silver.part', 'x', 'distinct');
SELECT medallion.expect_table('silver.part', '', 'unique', '{"columns": "a"}');
SELECT medallion.expect_table('silver.part', 'x', 'unique');
SELECT medallion.expect_table('silver.part', 'x', 'unique', '[]');
SELECT medallion.expect_table('silver.part', 'x', 'unique', '{"columns": []}');
SELECT medallion.expect_table('silver.part', 'x', 'unique', '{"columns": "nothing"}');
SELECT medallion.expect_table('silver.part', 'x', 'unique', '{"columns": "ctid"}');
SELECT medallion.expect_table('silver.part', 'x', 'unique', '{"column": "a"}');
SELECT medallion.expect_table('silver.part', 'x', 'unique', '{"columns": "a"}', 'drop');
SELECT medallion.expect_table('silver.part', 'x', 'unique', '{"columns": "a"}', 'quarantine');
SELECT medallion.expect_table('silver.part', 'x', 'unique', '{"columns": "a"}', 'stop');
SELECT medallion.expect_table('silver.part', 'x', 'unique', '{"columns": "a"}', mostly => 2);
SELECT medallion.expect_table('silver.part', 'x', 'unique', NULL);
SELECT medallion.expect_table('silver.part', 'x', 'accepted_values', '{"column": "a"}');
SELECT medallion.expect_table('silver.part', 'x', 'accepted_values', '{"column": "a", "values": ["one"]}');
SELECT medallion.expect_table('silver.part', 'x', 'accepted_values', '{"column": "m", "values": ["indifferent"]}');
SELECT medallion.expect_table('silver.part', 'x', 'relationships', '{"columns": "a"}');
SELECT medallion.expect_table('silver.part', 'x', 'relationships', '{"columns": "a", "to": "bronze.nowhere"}');
SELECT medallion.expect_table('silver.part', 'x', 'relationships', '{"columns": ["a", "b"], "to": "bronze.whole", "to_columns": "a"}');
SELECT medallion.expect_table('silver.part', 'x', 'relationships', '{"columns": "m", "to": "bronze.whole", "to_columns": "a"}');
SELECT medallion.expect_table('silver.part', 'x', 'relationships', '{"columns": "a", "to": "bronze.whole", "to_columns": "z"}');
SELECT medallion.expect_table('silver.part', 'x', 'freshness', '{"column": "d"}');
SELECT medallion.expect_table('silver.part', 'x', 'freshness', '{"column": "d", "max_age": "soon"}');
SELECT medallion.expect_table('silver.part', 'x', 'freshness', '{"column": "a", "max_age": "1 day"}');
SELECT medallion.expect_table('silver.part', 'x', 'row_count', '{}');
SELECT medallion.expect_table('silver.part', 'x', 'row_count', '{"min": 10, "max": 9}');
SELECT medallion.expect_table('silver.part', 'x', 'row_count', '{"max_decrease": -1}');
SELECT medallion.expect_table('silver.part', 'x', 'row_count', '{"min": "many"}');
SELECT medallion.expect_table('silver.part', 'x', 'distribution', '{"column": "b", "statistic": "mode", "min": 1}');
SELECT medallion.expect_table('silver.part', 'x', 'distribution', '{"column": "b", "statistic": "mean"}');
SELECT medallion.expect_table('silver.part', 'x', 'distribution', '{"column": "d", "statistic": "mean", "min": 1}');
SELECT medallion.expect_table('silver.part', 'x', 'distribution', '{"column": "b", "statistic": "quantile", "min": 1}');
SELECT medallion.expect_table('silver.part', 'x', 'distribution', '{"column": "b", "statistic": "quantile", "quantile": 2, "min": 1}');
SELECT medallion.expect_table('silver.part', 'x', 'distribution', '{"column": "b", "statistic": "mean", "quantile": 0.5, "min": 1}');
SELECT medallion.expect_table('bronze.part', 'x', 'row_count', '{"min": 1}');
CREATE ROLE rule_owner;
GRANT USAGE, CREATE ON SCHEMA silver, bronze TO rule_owner;
SET ROLE rule_owner;
SELECT medallion.expect_table('silver.part', 'x', 'row_count', '{"min": 1}');
RESET ROLE;
GRANT SELECT ON bronze.part TO rule_owner;
SET ROLE rule_owner;
SELECT target FROM medallion.define('silver.mine', 'SELECT a, b FROM bronze.part', '{a,b}');
SELECT medallion.expect_table('silver.mine', 'x', 'relationships', '{"columns": "a", "to": "bronze.whole"}');
RESET ROLE;
GRANT SELECT ON bronze.whole TO rule_owner;
SET ROLE rule_owner;
SELECT medallion.expect_table('silver.mine', 'x', 'relationships', '{"columns": "a", "to": "bronze.whole"}');
SELECT inserted FROM medallion.refresh('silver.mine');
RESET ROLE;
REVOKE SELECT ON bronze.whole FROM rule_owner;
SELECT inserted FROM medallion.refresh('silver.mine');

SELECT medallion.undefine(t, drop_table => true) FROM unnest('{silver.mine,silver.part,silver.sale,silver.shop}'::text[]) t;
DROP VIEW found;
DROP TABLE bronze.sale, bronze.store, bronze.part, bronze.whole;
DROP TYPE bronze.mood CASCADE;
DROP DOMAIN bronze.code;
REVOKE ALL ON SCHEMA silver, bronze FROM rule_owner;
DROP OWNED BY rule_owner;
DROP ROLE rule_owner;
