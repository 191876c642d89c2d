-- Who may read the past: who may read the table, and of it the rows that the table's policies show.
CREATE TABLE silver.pay (id int PRIMARY KEY, who text, tenant text, amount int);
INSERT INTO silver.pay VALUES (1, 'ann', 't1', 10), (2, 'bob', 't2', 20), (3, 'cid', 't1', 30);
SELECT medallion.enable_versioning('silver.pay');
SELECT max(version) AS v0 FROM medallion.commits \gset
UPDATE silver.pay SET amount = amount + 1;
UPDATE silver.pay SET tenant = 't2' WHERE id = 3;
DELETE FROM silver.pay WHERE id = 1;
SELECT clock_timestamp() AS t \gset
CREATE ROLE regress_v_none;
CREATE ROLE regress_v_column;
CREATE ROLE regress_v_tenant;
CREATE ROLE regress_v_owner;
GRANT USAGE ON SCHEMA silver TO regress_v_none, regress_v_column, regress_v_tenant, regress_v_owner;
GRANT CREATE ON SCHEMA silver TO regress_v_owner;
GRANT SELECT (id, amount) ON silver.pay TO regress_v_column;
GRANT SELECT ON silver.pay TO regress_v_tenant;

\set VERBOSITY terse
-- No grant.
SET ROLE regress_v_none;
SELECT * FROM medallion.as_of(NULL::silver.pay, version => :v0);
SELECT * FROM medallion.as_of(NULL::silver.pay, at => :'t');
SELECT count(*) FROM medallion.as_of(NULL::silver.pay, version => :v0);
SELECT (medallion.as_of(NULL::silver.pay, version => :v0)).id;
SELECT x.id FROM (VALUES (:v0::bigint)) f(v), LATERAL medallion.as_of(NULL::silver.pay, version => f.v) x;
SELECT * FROM medallion.changes(NULL::silver.pay, :v0);
SELECT * FROM medallion._history_rows(NULL::silver.pay, 0);
SELECT * FROM medallion.history('silver.pay');
SELECT medallion.enable_versioning('silver.pay');
SELECT medallion.disable_versioning('silver.pay');
TABLE medallion_history."silver.pay";
SELECT * FROM medallion_history.commit_log;
SELECT * FROM medallion_history.versioned_tables;
DELETE FROM medallion_history."silver.pay";
RESET ROLE;

-- Grants on columns suffice for questions that use no other column.
SET ROLE regress_v_column;
SELECT id, amount FROM medallion.as_of(NULL::silver.pay, version => :v0) ORDER BY id;
SELECT who FROM medallion.as_of(NULL::silver.pay, version => :v0);
SELECT * FROM medallion.as_of(NULL::silver.pay, version => :v0);
SELECT * FROM medallion.changes(NULL::silver.pay, :v0);
SELECT count(row_data) FROM medallion.changes(NULL::silver.pay, :v0);
SELECT (row_data).who FROM medallion.changes(NULL::silver.pay, :v0);
-- The feed of these columns: the commit that changed the tenant of a row is none of theirs.
SELECT _change_type, _commit_version - :v0 AS version, (row_data).id, (row_data).amount FROM medallion.changes(NULL::silver.pay, :v0 + 1);
SELECT count(*) FROM medallion.changes(NULL::silver.pay, :v0 + 1);
SELECT j.id, c._change_type FROM medallion.changes(NULL::silver.pay, :v0 + 3) c CROSS JOIN LATERAL (SELECT (c.row_data).id) j;
SELECT (c).row_data FROM medallion.changes(NULL::silver.pay, :v0 + 3) c;
SELECT (j.row_data).id FROM (medallion.changes(NULL::silver.pay, :v0 + 3) c CROSS JOIN (VALUES (1)) v) j;
SELECT (row_data).id, (row_data).amount FROM medallion._history_rows(NULL::silver.pay, 0) ORDER BY 2;
SELECT (row_data).who FROM medallion._history_rows(NULL::silver.pay, 0);
SELECT count(*) FROM medallion._history_rows(NULL::silver.pay, 0);
SELECT xmin FROM silver.pay;
SELECT * FROM medallion.history('silver.pay');
RESET ROLE;
-- Without the key there is no feed.
GRANT SELECT (amount) ON silver.pay TO regress_v_none;
SET ROLE regress_v_none;
SELECT sum(amount) FROM medallion.as_of(NULL::silver.pay, version => :v0);
SELECT (row_data).amount FROM medallion.changes(NULL::silver.pay, :v0);
RESET ROLE;
REVOKE SELECT (amount) ON silver.pay FROM regress_v_none;
-- Every column granted is as good as the table.
GRANT SELECT (who, tenant) ON silver.pay TO regress_v_column;
SET ROLE regress_v_column;
SELECT _change_type, row_data FROM medallion.changes(NULL::silver.pay, :v0 + 2);
RESET ROLE;
REVOKE SELECT (who, tenant) ON silver.pay FROM regress_v_column;

-- Row-level security: the policy is asked of each past row as it was then.
CREATE POLICY one_tenant ON silver.pay FOR SELECT TO regress_v_tenant USING (tenant = 't1');
ALTER TABLE silver.pay ENABLE ROW LEVEL SECURITY;
SET ROLE regress_v_tenant;
TABLE silver.pay;
SELECT * FROM medallion.as_of(NULL::silver.pay, version => :v0) ORDER BY id;
SELECT * FROM medallion.as_of(NULL::silver.pay, version => :v0 + 1) ORDER BY id;
SELECT * FROM medallion.as_of(NULL::silver.pay, version => :v0 + 2) ORDER BY id;
SELECT * FROM medallion.as_of(NULL::silver.pay, at => :'t') ORDER BY id;
SELECT x.id, x.tenant FROM (VALUES (:v0::bigint)) f(v), LATERAL medallion.as_of(NULL::silver.pay, version => f.v) x ORDER BY 1;
-- A row that left the tenant is gone for it, one that came is new.
SELECT _change_type, _commit_version - :v0 AS version, row_data FROM medallion.changes(NULL::silver.pay, :v0 + 1);
-- A function of the user's that costs nothing must not see the rows that the policy hides.
RESET ROLE;
CREATE FUNCTION silver.peek(x text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS $$BEGIN RAISE NOTICE 'saw %', x; RETURN true; END$$;
SET ROLE regress_v_tenant;
SELECT id FROM medallion.as_of(NULL::silver.pay, version => :v0) WHERE silver.peek(who) ORDER BY id;
-- One plan, two roles.
SET plan_cache_mode = force_generic_plan;
PREPARE p(bigint) AS SELECT id, tenant FROM medallion.as_of(NULL::silver.pay, version => $1) ORDER BY id;
EXECUTE p(:v0);
RESET ROLE;
EXECUTE p(:v0);
SET ROLE regress_v_none;
EXECUTE p(:v0);
SET ROLE regress_v_tenant;
EXECUTE p(:v0);
SET row_security = off;
SELECT count(*) FROM medallion.as_of(NULL::silver.pay, version => :v0);
RESET row_security;
RESET plan_cache_mode;
DEALLOCATE p;
RESET ROLE;

-- Policies with a subselect, and one on the user.
CREATE TABLE silver.member (who text PRIMARY KEY, role_name text);
INSERT INTO silver.member VALUES ('ann', 'regress_v_tenant'), ('bob', 'regress_v_tenant'), ('cid', 'nobody');
GRANT SELECT ON silver.member TO regress_v_tenant;
ALTER POLICY one_tenant ON silver.pay USING (EXISTS (SELECT FROM silver.member m WHERE m.who = pay.who AND m.role_name = current_user));
SET ROLE regress_v_tenant;
SELECT id, who FROM silver.pay ORDER BY id;
SELECT id, who FROM medallion.as_of(NULL::silver.pay, version => :v0) ORDER BY id;
SELECT _change_type, (row_data).id FROM medallion.changes(NULL::silver.pay, :v0 + 3);
RESET ROLE;
ALTER POLICY one_tenant ON silver.pay USING (pay IS NOT NULL);
SET ROLE regress_v_tenant;
SELECT id, who FROM medallion.as_of(NULL::silver.pay, version => :v0) ORDER BY id;
RESET ROLE;
DROP POLICY one_tenant ON silver.pay;
SET ROLE regress_v_tenant;
SELECT count(*) FROM medallion.as_of(NULL::silver.pay, version => :v0);
RESET ROLE;

-- In a view too the past is read with the rights of the reader, as with every function; a writer needs none on the history.
CREATE VIEW silver.pay_then AS SELECT id, amount FROM medallion.as_of(NULL::silver.pay, version => :v0);
GRANT SELECT ON silver.pay_then TO regress_v_none;
SET ROLE regress_v_none;
SELECT * FROM silver.pay_then ORDER BY id;
RESET ROLE;
DROP VIEW silver.pay_then;
ALTER TABLE silver.pay DISABLE ROW LEVEL SECURITY;
GRANT UPDATE ON silver.pay TO regress_v_column;
SET ROLE regress_v_column;
UPDATE silver.pay SET amount = 0 WHERE id = 2;
RESET ROLE;
SELECT role_name, operation, updated FROM medallion.history('silver.pay') ORDER BY version DESC LIMIT 1;

-- The owner of a table versions it without any right of the extension's owner.
SET ROLE regress_v_owner;
CREATE TABLE silver.mine (id int PRIMARY KEY, v int);
INSERT INTO silver.mine VALUES (1, 1);
SELECT medallion.enable_versioning('silver.mine');
UPDATE silver.mine SET v = 2;
SELECT * FROM medallion.as_of(NULL::silver.mine, version => (SELECT min(version) FROM medallion.history('silver.mine')));
SELECT operation, inserted, updated, deleted FROM medallion.history('silver.mine');
TABLE medallion_history."silver.mine";
SELECT medallion.disable_versioning('silver.mine', keep_history => false);
DROP TABLE silver.mine;
RESET ROLE;

DROP FUNCTION silver.peek;
DROP TABLE silver.pay, silver.member;
REVOKE ALL ON SCHEMA silver FROM regress_v_none, regress_v_column, regress_v_tenant, regress_v_owner;
DROP ROLE regress_v_none, regress_v_column, regress_v_tenant, regress_v_owner;
