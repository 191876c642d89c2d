-- Whose rights hold in a session that reads the past: those of the present, on every way to the table.
CREATE TABLE silver.pay (id int PRIMARY KEY, who text, tenant text, amount int);
CREATE TABLE silver.member (tenant text, role_name text, PRIMARY KEY (tenant, role_name));
CREATE TABLE silver.hidden (id int PRIMARY KEY, secret text);
INSERT INTO silver.pay VALUES (1, 'ann', 't1', 10), (2, 'bob', 't2', 20), (3, 'cid', 't1', 30), (4, 'dot', 't3', 40);
INSERT INTO silver.hidden VALUES (1, 'one'), (2, 'two');
SELECT medallion.enable_versioning('silver.pay'), medallion.enable_versioning('silver.member'), medallion.enable_versioning('silver.hidden');
CREATE ROLE regress_t_none;
CREATE ROLE regress_t_column;
CREATE ROLE regress_t_tenant;
CREATE ROLE regress_t_view;
GRANT USAGE ON SCHEMA silver TO regress_t_none, regress_t_column, regress_t_tenant;
GRANT SELECT (id, amount) ON silver.pay TO regress_t_column;
GRANT SELECT ON silver.pay TO regress_t_tenant;
INSERT INTO silver.member VALUES ('t1', 'regress_t_tenant');
SELECT medallion.tag('then') IS NOT NULL AS tagged;
SELECT medallion.version_of('then') AS v \gset
UPDATE silver.pay SET amount = amount + 1, tenant = 't2' WHERE id IN (1, 2);
DELETE FROM silver.pay WHERE id = 3;
UPDATE silver.member SET tenant = 't2';
UPDATE silver.hidden SET secret = 'changed';
GRANT SELECT (id) ON silver.hidden TO regress_t_none;
CREATE FUNCTION silver.peek(x text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS $$BEGIN RAISE NOTICE 'saw %', x; RETURN true; END$$;
\set VERBOSITY terse

-- Grants on tables and columns.
SET medallion.as_of = 'then';
SET ROLE regress_t_none;
SELECT * FROM silver.pay;
SELECT count(*) FROM silver.pay;
SELECT id FROM silver.hidden ORDER BY id;
SELECT count(*) FROM silver.hidden;
SELECT secret FROM silver.hidden;
SELECT h FROM silver.hidden h;
SELECT * FROM silver.hidden;
SELECT id FROM silver.hidden WHERE secret = 'one';
SELECT id FROM silver.hidden ORDER BY secret;
SELECT * FROM (SELECT * FROM silver.hidden) x;
SELECT (SELECT secret FROM silver.hidden WHERE id = 1);
COPY silver.hidden (id) TO STDOUT;
COPY silver.hidden TO STDOUT;
SET ROLE regress_t_column;
SELECT id, amount FROM silver.pay ORDER BY id;
SELECT sum(amount) FROM silver.pay WHERE id < 3;
SELECT a.id, b.amount FROM silver.pay a JOIN silver.pay b USING (id) ORDER BY 1;
SELECT id FROM silver.pay JOIN silver.pay p2 USING (id, tenant);
SELECT who FROM silver.pay;
-- The same with the function.
RESET medallion.as_of;
SELECT id, amount FROM medallion.as_of(NULL::silver.pay, version => :v) ORDER BY id;
SELECT count(*) FROM medallion.as_of(NULL::silver.pay, version => :v);
SELECT sum(a.amount) FROM medallion.as_of(NULL::silver.pay, version => :v) a JOIN medallion.as_of(NULL::silver.pay, version => :v) b USING (id);
SELECT x.amount FROM silver.pay p, LATERAL (SELECT amount FROM medallion.as_of(NULL::silver.pay, version => :v) a WHERE a.id = p.id) x ORDER BY 1;
SELECT id FROM medallion.as_of(NULL::silver.pay, version => :v) WHERE who = 'ann';
SELECT a.id FROM medallion.as_of(NULL::silver.pay, version => :v) a JOIN medallion.as_of(NULL::silver.pay, version => :v) b USING (id, tenant);
SELECT j.id FROM (medallion.as_of(NULL::silver.pay, version => :v) a CROSS JOIN (VALUES (1)) b) j ORDER BY 1;
SELECT j FROM (medallion.as_of(NULL::silver.pay, version => :v) a CROSS JOIN (VALUES (1)) b) j;
SELECT a FROM medallion.as_of(NULL::silver.pay, version => :v) a;
SELECT id FROM medallion.as_of(NULL::silver.pay, version => :v) ORDER BY tenant;
SELECT count(*) FROM medallion.as_of(NULL::silver.pay, version => :v) a WHERE EXISTS (SELECT FROM silver.member WHERE tenant = a.tenant);
RESET ROLE;

-- Views read with the rights of their owner, or of the reader where they say so.
CREATE VIEW silver.of_owner AS SELECT id, who FROM silver.pay;
CREATE VIEW silver.of_reader WITH (security_invoker) AS SELECT id, amount FROM silver.pay;
CREATE VIEW silver.fenced WITH (security_barrier) AS SELECT id, who FROM silver.pay WHERE tenant = 't1';
GRANT SELECT ON silver.of_owner, silver.of_reader, silver.fenced TO regress_t_none, regress_t_column;
SET medallion.as_of = 'then';
SET ROLE regress_t_none;
SELECT * FROM silver.of_owner ORDER BY id;
SELECT * FROM silver.of_reader ORDER BY id;
SELECT * FROM silver.fenced WHERE silver.peek(who) ORDER BY id;
SET ROLE regress_t_column;
SELECT * FROM silver.of_reader ORDER BY id;
RESET ROLE;

-- Row-level security, by columns, by the whole row, by another versioned table: its present says who may see a row, so that
-- nobody gets back what was taken away by travelling.
RESET medallion.as_of;
ALTER TABLE silver.pay ENABLE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON silver.pay FOR SELECT TO regress_t_tenant USING (tenant = 't1');
SET medallion.as_of = 'then';
SET ROLE regress_t_tenant;
SELECT * FROM silver.pay WHERE silver.peek(who) ORDER BY id;
SELECT count(*) FROM silver.pay;
COPY silver.pay TO STDOUT;
SET ROLE regress_t_column;
SELECT id, amount FROM silver.pay;
RESET ROLE;
SELECT count(*) FROM silver.pay;
RESET medallion.as_of;
GRANT SELECT ON silver.member TO regress_t_tenant;
ALTER POLICY one_tenant ON silver.pay USING (EXISTS (SELECT FROM silver.member m WHERE m.tenant = pay.tenant AND m.role_name = current_user));
SET ROLE regress_t_tenant;
SELECT id, tenant FROM silver.pay ORDER BY id;
SELECT id, tenant FROM medallion.as_of(NULL::silver.pay, version => :v) ORDER BY id;
SET medallion.as_of = 'then';
SELECT id, tenant FROM silver.pay WHERE silver.peek(who) ORDER BY id;
SELECT p.id, m.tenant FROM silver.pay p LEFT JOIN silver.member m USING (tenant) ORDER BY 1;
RESET medallion.as_of;
RESET ROLE;
-- On a table that is not versioned, through functions in SQL, and in a question of its own about another time.
CREATE TABLE silver.plain (id int PRIMARY KEY, tenant text);
INSERT INTO silver.plain VALUES (1, 't1'), (2, 't2');
ALTER TABLE silver.plain ENABLE ROW LEVEL SECURITY;
CREATE FUNCTION silver.tenants() RETURNS SETOF text LANGUAGE sql STABLE AS 'SELECT tenant FROM silver.member WHERE role_name = current_user';
CREATE FUNCTION silver.is_tenant(t text) RETURNS bool LANGUAGE plpgsql STABLE SET medallion.as_of = '' AS
	'BEGIN RETURN EXISTS (SELECT FROM silver.member WHERE tenant = t AND role_name = current_user); END';
CREATE POLICY one_tenant ON silver.plain TO regress_t_tenant USING (tenant IN (SELECT t FROM silver.tenants() t));
GRANT SELECT ON silver.plain TO regress_t_tenant;
SET medallion.as_of = 'then';
SET ROLE regress_t_tenant;
SELECT * FROM silver.plain;
SELECT id, tenant FROM medallion.as_of(NULL::silver.pay, version => :v);
SELECT count(*) FROM silver.member;
SELECT tenant FROM silver.member;
RESET ROLE;
RESET medallion.as_of;
ALTER POLICY one_tenant ON silver.pay USING (silver.is_tenant(tenant));
SET medallion.as_of = 'then';
SET ROLE regress_t_tenant;
SELECT id, tenant FROM silver.pay ORDER BY id;
RESET ROLE;
RESET medallion.as_of;
ALTER POLICY one_tenant ON silver.pay USING ((pay.*)::text LIKE '%t3%');
SET medallion.as_of = 'then';
SET ROLE regress_t_tenant;
SELECT id, tenant FROM silver.pay ORDER BY id;
RESET ROLE;
-- One plan, several roles, both times.
SET plan_cache_mode = force_generic_plan;
PREPARE p AS SELECT id FROM silver.pay ORDER BY id;
EXECUTE p;
SET ROLE regress_t_tenant;
EXECUTE p;
RESET medallion.as_of;
EXECUTE p;
SET medallion.as_of = 'then';
EXECUTE p;
SET ROLE regress_t_none;
EXECUTE p;
RESET ROLE;
EXECUTE p;
SET row_security = off;
SET ROLE regress_t_tenant;
EXECUTE p;
RESET row_security;
RESET plan_cache_mode;
-- The setting gives nothing: history stays closed, and anybody may travel.
SELECT medallion.travel_to(version => :v) = :v AS there;
TABLE medallion_history."silver.pay";
SELECT medallion.travel_back();
RESET ROLE;
RESET medallion.as_of;

SELECT medallion.untag('then') IS NOT NULL AS untagged;
DROP VIEW silver.of_owner, silver.of_reader, silver.fenced;
DROP TABLE silver.pay, silver.plain, silver.member, silver.hidden;
DROP FUNCTION silver.peek, silver.tenants, silver.is_tenant;
REVOKE ALL ON SCHEMA silver FROM regress_t_none, regress_t_column, regress_t_tenant;
DROP ROLE regress_t_none, regress_t_column, regress_t_tenant, regress_t_view;
