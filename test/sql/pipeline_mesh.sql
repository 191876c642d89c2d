-- Domains: schemas with owners of their own, who publish tables to each other by grants; a mart joins them one to many.
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE ROLE regress_mesh_sales;
CREATE ROLE regress_mesh_stock;
CREATE ROLE regress_mesh_finance;
CREATE ROLE regress_mesh_reader;
CREATE SCHEMA mesh_sales AUTHORIZATION regress_mesh_sales;
CREATE SCHEMA mesh_stock AUTHORIZATION regress_mesh_stock;
CREATE SCHEMA mesh_finance AUTHORIZATION regress_mesh_finance;

-- Sales: raw orders of its own, cleaned; what others may see is a table and a view without the customer.
SET ROLE regress_mesh_sales;
CREATE TABLE mesh_sales.raw_orders (order_id int PRIMARY KEY, customer text, sku text, pieces int, ordered_at timestamptz, region text);
SELECT medallion.enable_versioning('mesh_sales.raw_orders') IS NOT NULL AS versioned;
INSERT INTO mesh_sales.raw_orders SELECT i, 'c' || i % 5, 'sku' || i % 4, i % 3 + 1, timestamptz '2026-03-01' + i * interval '7 hours', CASE i % 2 WHEN 0 THEN 'north' ELSE 'south' END FROM generate_series(1, 12) i;
SELECT target FROM medallion.define('mesh_sales.orders', 'SELECT order_id, customer, sku, pieces, ordered_at::date AS day, region FROM mesh_sales.raw_orders', '{order_id}');
SELECT medallion.expect('mesh_sales.orders', 'pieces', 'pieces > 0', 'quarantine');
CREATE VIEW mesh_sales.order_lines AS SELECT order_id, sku, pieces, day, region FROM mesh_sales.orders;
GRANT USAGE ON SCHEMA mesh_sales TO regress_mesh_finance;
GRANT SELECT ON mesh_sales.order_lines TO regress_mesh_finance;

-- Stock: articles; the purchase price is for finance alone, column by column.
SET ROLE regress_mesh_stock;
CREATE TABLE mesh_stock.raw_articles (sku text PRIMARY KEY, name text, price numeric, purchase_price numeric, supplier text);
INSERT INTO mesh_stock.raw_articles SELECT 'sku' || i, 'article ' || i, 10 * (i + 1), 6 * (i + 1), 's' FROM generate_series(0, 3) i;
SELECT target FROM medallion.define('mesh_stock.articles', 'SELECT sku, name, price, purchase_price, supplier FROM mesh_stock.raw_articles', '{sku}');
GRANT USAGE ON SCHEMA mesh_stock TO regress_mesh_finance;
GRANT SELECT (sku, name, price, purchase_price) ON mesh_stock.articles TO regress_mesh_finance;

-- Finance joins them, one article to many lines; it cannot read what was not granted, nor what is behind the view.
SET ROLE regress_mesh_finance;
SELECT medallion.define('mesh_finance.margins', 'SELECT o.order_id, o.customer FROM mesh_sales.orders o', '{order_id}');
SELECT medallion.define('mesh_finance.margins', 'SELECT sku, supplier FROM mesh_stock.articles', '{sku}');
SELECT target, sources FROM medallion.define('mesh_finance.margins', $$
  SELECT l.order_id, l.day, l.region, l.sku, a.name, l.pieces * (a.price - a.purchase_price) AS margin
  FROM mesh_stock.articles a JOIN mesh_sales.order_lines l USING (sku)$$, '{order_id}');
SELECT target, sources FROM medallion.define('mesh_finance.days', 'SELECT day, region, count(*) AS orders, sum(margin) AS margin FROM mesh_finance.margins GROUP BY day, region', '{day,region}');
-- Its refresh leaves the tables of the others as they are: so far they are empty.
SELECT target, mode, inserted, reason FROM medallion.refresh('mesh_finance.days');
-- That of a superuser, or of the scheduler, does all in their order, each as its owner.
RESET ROLE;
SELECT target, mode, inserted FROM medallion.refresh('mesh_finance.days');
SELECT target, owner, "rows" FROM medallion.tables WHERE target LIKE 'mesh%' ORDER BY target COLLATE "C";
SELECT * FROM mesh_finance.days ORDER BY day, region LIMIT 3;

-- Changes flow through: a price changes once and all its lines follow, only those.
SET ROLE regress_mesh_stock;
UPDATE mesh_stock.raw_articles SET price = price + 1 WHERE sku = 'sku2';
SELECT mode, updated FROM medallion.refresh('mesh_stock.articles');
SET ROLE regress_mesh_finance;
SELECT target, mode, inserted, updated, deleted FROM medallion.refresh('mesh_finance.days');
SELECT medallion.rebuild('mesh_finance.margins', verify => true) AS differing;
RESET ROLE;
SELECT bool_and(margin = pieces * (price - purchase_price)) AS right FROM mesh_finance.margins m JOIN mesh_sales.orders USING (order_id) JOIN mesh_stock.articles a ON a.sku = m.sku;

-- Who sees what: tables, records, and lineage, which tells names and no values.
SET ROLE regress_mesh_finance;
SELECT target, owner FROM medallion.tables WHERE target LIKE 'mesh%' ORDER BY target COLLATE "C";
SELECT DISTINCT target FROM medallion.refreshes WHERE target LIKE 'mesh%' ORDER BY 1;
SELECT medallion.refresh('mesh_sales.orders');
SELECT medallion.expect('mesh_stock.articles', 'mine', 'true');
SELECT depth, relation, kind, layer FROM medallion.lineage('mesh_finance.days');
SELECT input, input_column, subtype FROM medallion.column_lineage('mesh_finance.days', column_name => 'margin', indirect => false) WHERE input_column LIKE '%price%' ORDER BY 1, 2;
SET ROLE regress_mesh_reader;
SELECT count(*) FROM medallion.tables WHERE target LIKE 'mesh%';
SELECT * FROM mesh_finance.days;
SET ROLE regress_mesh_finance;
GRANT USAGE ON SCHEMA mesh_finance TO regress_mesh_reader;
GRANT SELECT ON mesh_finance.days TO regress_mesh_reader;
SET ROLE regress_mesh_reader;
SELECT target, owner, "rows" FROM medallion.tables WHERE target LIKE 'mesh%';
SELECT count(*) FROM mesh_finance.days;
SELECT count(*) FROM mesh_finance.margins;

-- A grant is taken back: the next refresh says what is missing, the mart stays as it was, the other domains go on.
SET ROLE regress_mesh_stock;
REVOKE SELECT (purchase_price) ON mesh_stock.articles FROM regress_mesh_finance;
RESET ROLE;
UPDATE mesh_stock.raw_articles SET price = price + 1 WHERE sku = 'sku3';
SELECT medallion.refresh('mesh_finance.margins');
SELECT count(*) FROM mesh_finance.margins;
SET ROLE regress_mesh_stock;
SELECT mode, updated FROM medallion.refresh('mesh_stock.articles');
GRANT SELECT (purchase_price) ON mesh_stock.articles TO regress_mesh_finance;
RESET ROLE;
SELECT target, mode, updated FROM medallion.refresh('mesh_finance.margins');

-- Row-level security of a domain holds for the mart that reads it, as its owner.
SET ROLE regress_mesh_stock;
ALTER TABLE mesh_stock.articles ENABLE ROW LEVEL SECURITY;
CREATE POLICY public_articles ON mesh_stock.articles TO regress_mesh_finance USING (sku <> 'sku0');
RESET ROLE;
SELECT mode, deleted FROM medallion.refresh('mesh_finance.margins');
SET ROLE regress_mesh_stock;
DROP POLICY public_articles ON mesh_stock.articles;
ALTER TABLE mesh_stock.articles DISABLE ROW LEVEL SECURITY;
RESET ROLE;
SELECT mode, inserted FROM medallion.refresh('mesh_finance.margins');

-- The one side is not one: the key of the mart tells.
SET ROLE regress_mesh_stock;
CREATE TABLE mesh_stock.names (sku text, language text, name text);
INSERT INTO mesh_stock.names VALUES ('sku1', 'en', 'one'), ('sku1', 'de', 'eins'), ('sku2', 'en', 'two');
GRANT SELECT ON mesh_stock.names TO regress_mesh_finance;
SET ROLE regress_mesh_finance;
SELECT target FROM medallion.define('mesh_finance.named', 'SELECT l.order_id, n.name FROM mesh_sales.order_lines l LEFT JOIN mesh_stock.names n USING (sku)', '{order_id}');
SELECT medallion.refresh('mesh_finance.named');
SELECT target FROM medallion.redefine('mesh_finance.named', 'SELECT l.order_id, n.name FROM mesh_sales.order_lines l LEFT JOIN mesh_stock.names n ON n.sku = l.sku AND n.language = ''en''');
SELECT mode, inserted FROM medallion.refresh('mesh_finance.named');

-- A domain cannot take away what others are made from, but its owner can hand it over.
SET ROLE regress_mesh_sales;
DROP VIEW mesh_sales.order_lines;
DROP TABLE mesh_sales.orders;
RESET ROLE;
ALTER TABLE mesh_sales.orders OWNER TO regress_mesh_stock;
SELECT owner FROM medallion.tables WHERE target = 'mesh_sales.orders';
GRANT USAGE ON SCHEMA mesh_sales TO regress_mesh_stock;
SELECT medallion.refresh('mesh_sales.orders');
GRANT SELECT ON mesh_sales.raw_orders TO regress_mesh_stock;
INSERT INTO mesh_sales.raw_orders VALUES (13, 'c9', 'sku1', 2, '2026-04-01', 'north');
SELECT target, mode, inserted FROM medallion.refresh('mesh_sales.orders');

DROP SCHEMA mesh_finance, mesh_stock, mesh_sales CASCADE;
DROP ROLE regress_mesh_sales, regress_mesh_stock, regress_mesh_finance, regress_mesh_reader;
