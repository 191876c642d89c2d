-- Who may define, refresh and see what; whose rights and policies apply to what a table is made from.
SET client_min_messages = warning;
CREATE ROLE regress_mdl_engineer;
CREATE ROLE regress_mdl_colleague IN ROLE regress_mdl_engineer;
CREATE ROLE regress_mdl_analyst;
CREATE TABLE bronze.accounts (id int, owner text, balance int);
INSERT INTO bronze.accounts VALUES (1, 'x', 10), (2, 'y', -1), (3, 'x', 30);
GRANT USAGE ON SCHEMA bronze, silver, gold TO regress_mdl_engineer, regress_mdl_analyst;
GRANT CREATE ON SCHEMA silver TO regress_mdl_engineer;

-- To define takes the right to create in the schema and to read the sources.
SET ROLE regress_mdl_engineer;
SELECT medallion.define('silver.accounts', 'SELECT id, owner, balance FROM bronze.accounts', '{id}');
SELECT medallion.define('gold.accounts', 'SELECT 1 AS id', '{id}');
RESET ROLE;
GRANT SELECT ON bronze.accounts TO regress_mdl_engineer;
SET ROLE regress_mdl_engineer;
SELECT target FROM medallion.define('silver.accounts', 'SELECT id, owner, balance FROM bronze.accounts', '{id}');
SELECT medallion.expect('silver.accounts', 'in credit', 'balance >= 0', 'quarantine');
SELECT medallion.expect('silver.accounts', 'rich', 'balance > 20');
SELECT target, inserted, rejected FROM medallion.refresh('silver.accounts');
RESET ROLE;
SELECT relname, relowner::regrole FROM pg_class WHERE relname IN ('accounts', 'accounts_quarantine', 'silver.accounts') AND relnamespace::regnamespace::text IN ('silver', 'medallion_definitions') ORDER BY relname COLLATE "C";

-- Others can neither change nor refresh, nor see records of a table they cannot read.
SET ROLE regress_mdl_analyst;
SELECT medallion.refresh('silver.accounts');
SELECT medallion.rebuild('silver.accounts');
SELECT medallion.rebuild('silver.accounts', verify => true);
SELECT medallion.expect('silver.accounts', 'rich', 'true');
SELECT medallion.unexpect('silver.accounts', 'rich');
SELECT medallion.redefine('silver.accounts', 'SELECT 1 AS id, '''' AS owner, 2 AS balance');
SELECT medallion.undefine('silver.accounts');
SELECT * FROM medallion.refresh();
SELECT count(*) FROM medallion.tables WHERE target = 'silver.accounts';
SELECT count(*) FROM medallion.expectations;
SELECT count(*) FROM medallion.expectation_results;
SELECT count(*) FROM medallion.refreshes;
SELECT * FROM medallion._tables;
DELETE FROM medallion._refreshes;
SELECT * FROM medallion_definitions."silver.accounts";
RESET ROLE;
-- Readers see the counts, not the keys: failing rows may have been kept out of the table.
GRANT SELECT ON silver.accounts TO regress_mdl_analyst;
SET ROLE regress_mdl_analyst;
SELECT target, name, action, passed, failed, failing_keys FROM medallion.expectation_results ORDER BY name;
SELECT target, "rows", failing_rules FROM medallion.tables WHERE target = 'silver.accounts';
SELECT * FROM silver.accounts_quarantine;
RESET ROLE;
SET ROLE regress_mdl_engineer;
SELECT target, name, failing_keys FROM medallion.expectation_results ORDER BY name;
RESET ROLE;

-- A member of the owner's role may do all; what it makes belongs to the owner.
SET ROLE regress_mdl_colleague;
SELECT medallion.unexpect('silver.accounts', 'in credit');
DROP TABLE silver.accounts_quarantine;
SELECT medallion.expect('silver.accounts', 'in credit', 'balance >= 0', 'quarantine');
SELECT target FROM medallion.redefine('silver.accounts', 'SELECT id, upper(owner) AS owner, balance FROM bronze.accounts');
SELECT target, updated FROM medallion.refresh('silver.accounts');
RESET ROLE;
SELECT relname, relowner::regrole FROM pg_class WHERE relname IN ('accounts', 'accounts_quarantine', 'silver.accounts') AND relnamespace::regnamespace::text IN ('silver', 'medallion_definitions') ORDER BY relname COLLATE "C";

-- A refresh runs as the owner: a superuser who starts it does not lend its rights, and the policies of the owner hold.
CREATE FUNCTION silver.who() RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN RETURN current_user; END';
CREATE TABLE bronze.secrets (id int);
INSERT INTO bronze.secrets VALUES (1);
SET ROLE regress_mdl_engineer;
SELECT target FROM medallion.define('silver.witness', 'SELECT id, silver.who() AS who FROM bronze.accounts', '{id}');
RESET ROLE;
SELECT target, inserted FROM medallion.refresh('silver.witness');
SELECT DISTINCT who FROM silver.witness;
CREATE FUNCTION silver.peek() RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT count(*) FROM bronze.secrets); END';
SET ROLE regress_mdl_engineer;
SELECT target FROM medallion.redefine('silver.witness', 'SELECT 1 AS id, silver.peek()::text AS who');
RESET ROLE;
SELECT medallion.refresh('silver.witness');
SET ROLE regress_mdl_engineer;
SELECT target FROM medallion.redefine('silver.witness', 'SELECT 1 AS id, ''x'' AS who');
SELECT medallion.expect('silver.witness', 'asked', 'silver.who() <> ''''');
SELECT mode FROM medallion.refresh('silver.witness');
RESET ROLE;
-- A right that a rule lacks, or a function it lost, is an error, not a violation of every row.
REVOKE EXECUTE ON FUNCTION silver.who() FROM PUBLIC;
SELECT mode FROM medallion.refresh('silver.witness');
GRANT EXECUTE ON FUNCTION silver.who() TO regress_mdl_engineer;
ALTER FUNCTION silver.who() RENAME TO whom;
SELECT mode FROM medallion.refresh('silver.witness');
ALTER FUNCTION silver.whom() RENAME TO who;
SET ROLE regress_mdl_engineer;
SELECT medallion.undefine('silver.witness', drop_table => true);
RESET ROLE;
ALTER TABLE bronze.accounts ENABLE ROW LEVEL SECURITY;
CREATE POLICY only_x ON bronze.accounts TO regress_mdl_engineer USING (owner = 'x');
SELECT target, deleted, rejected FROM medallion.refresh('silver.accounts');
SET ROLE regress_mdl_engineer;
SELECT target, deleted, rejected FROM medallion.refresh('silver.accounts');
RESET ROLE;
TABLE silver.accounts ORDER BY id;
-- Policies on the table itself do not hide rows from a refresh, unless they are forced on the owner.
SET ROLE regress_mdl_engineer;
ALTER TABLE silver.accounts ENABLE ROW LEVEL SECURITY;
SELECT inserted, updated, deleted FROM medallion.refresh('silver.accounts');
RESET ROLE;
SET ROLE regress_mdl_analyst;
SELECT name, failing_keys FROM medallion.expectation_results WHERE refresh_id = (SELECT max(refresh_id) FROM medallion.refreshes) ORDER BY name;
RESET ROLE;
SET ROLE regress_mdl_engineer;
ALTER TABLE silver.accounts FORCE ROW LEVEL SECURITY;
SELECT medallion.refresh('silver.accounts');
ALTER TABLE silver.accounts NO FORCE ROW LEVEL SECURITY;
RESET ROLE;

-- Tables of others upstream are left as they are, and said so.
GRANT CREATE ON SCHEMA gold TO regress_mdl_analyst;
ALTER TABLE silver.accounts DISABLE ROW LEVEL SECURITY;
SET ROLE regress_mdl_analyst;
SELECT target FROM medallion.define('gold.balances', 'SELECT owner, sum(balance) AS balance FROM silver.accounts GROUP BY owner', '{owner}');
SELECT target, mode, inserted, reason FROM medallion.refresh('gold.balances');
SELECT target, mode, inserted, reason FROM medallion.refresh();
RESET ROLE;
-- A right on the sources that is taken away stops the refresh.
REVOKE SELECT ON silver.accounts FROM regress_mdl_analyst;
SELECT medallion.refresh('gold.balances');
-- A new owner of the table owns the definition from the next refresh on.
ALTER TABLE gold.balances OWNER TO regress_mdl_engineer;
GRANT CREATE ON SCHEMA gold TO regress_mdl_engineer;
SELECT target, mode FROM medallion.refresh('gold.balances');
SELECT relowner::regrole FROM pg_class WHERE oid = 'medallion_definitions."gold.balances"'::regclass;
SELECT target, relation_owner FROM (SELECT target, owner AS relation_owner FROM medallion.tables) t ORDER BY target;

DROP OWNED BY regress_mdl_engineer, regress_mdl_colleague, regress_mdl_analyst;
SELECT count(*) FROM medallion.tables;
DROP FUNCTION silver.who(), silver.peek();
DROP TABLE bronze.accounts, bronze.secrets;
DROP ROLE regress_mdl_colleague, regress_mdl_engineer, regress_mdl_analyst;
