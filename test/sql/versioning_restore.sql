-- restore: a table becomes equal to its state as of a version, as a new commit
CREATE TABLE silver.stock (id int PRIMARY KEY, code text UNIQUE, amount numeric, note text DEFAULT 'new',
	doubled numeric GENERATED ALWAYS AS (amount * 2) STORED, doc json);
SELECT medallion.enable_versioning('silver.stock');
INSERT INTO silver.stock (id, code, amount, doc) VALUES (1, 'a', 10, '{"x": 1}'), (2, 'b', 20, NULL), (3, 'c', 30, NULL);
SELECT medallion.tag('stock start') AS v \gset
UPDATE silver.stock SET amount = 21.0 WHERE id = 2;
DELETE FROM silver.stock WHERE id = 1;
INSERT INTO silver.stock (id, code, amount) VALUES (4, 'd', 40);
SELECT medallion.tag('stock end') AS e \gset

-- only what differs is touched: row 3 keeps its place
SELECT ctid AS place FROM silver.stock WHERE id = 3 \gset
SELECT * FROM medallion.restore('silver.stock', version => :v);
SELECT * FROM silver.stock ORDER BY id;
SELECT ctid = :'place' AS untouched FROM silver.stock WHERE id = 3;
SELECT operation, inserted, updated, deleted, readable FROM medallion.history('silver.stock') ORDER BY version DESC LIMIT 1;
-- nothing differs: no commit
SELECT count(*) AS commits FROM medallion.history('silver.stock') \gset
SELECT * FROM medallion.restore('silver.stock', version => :v);
SELECT count(*) - :commits AS new_commits FROM medallion.history('silver.stock');
-- what was restored can be taken back, by tag
SELECT * FROM medallion.restore('silver.stock', medallion.version_of('stock end'));
SELECT * FROM silver.stock ORDER BY id;
-- and by time
SELECT committed_at AS at FROM medallion.tags WHERE tag = 'stock start' \gset
SELECT * FROM medallion.restore('silver.stock', at => :'at');
SELECT id, code, amount FROM silver.stock ORDER BY id;
-- savepoints
BEGIN;
SAVEPOINT s;
SELECT * FROM medallion.restore('silver.stock', :e);
ROLLBACK TO s;
SELECT id, amount FROM silver.stock ORDER BY id;
UPDATE silver.stock SET amount = 99 WHERE id = 3;
SELECT * FROM medallion.restore('silver.stock', :v);
COMMIT;
SELECT id, amount FROM silver.stock ORDER BY id;

-- rows exchange unique values
UPDATE silver.stock SET code = 'x' WHERE id = 1;
UPDATE silver.stock SET code = 'a' WHERE id = 2;
UPDATE silver.stock SET code = 'b' WHERE id = 3;
UPDATE silver.stock SET code = 'c' WHERE id = 1;
SELECT id, code FROM silver.stock ORDER BY id;
SELECT * FROM medallion.restore('silver.stock', :v);
SELECT id, code FROM silver.stock ORDER BY id;
-- the same with an expression, NULLS NOT DISTINCT, exclusion
CREATE TABLE silver.slot (id int PRIMARY KEY, name text, room int, span int4range, EXCLUDE USING gist (span WITH &&));
CREATE UNIQUE INDEX ON silver.slot (lower(name));
CREATE UNIQUE INDEX ON silver.slot (room) NULLS NOT DISTINCT;
INSERT INTO silver.slot VALUES (1, 'A', NULL, '[1,2)'), (2, 'B', 2, '[2,3)'), (3, 'C', 3, '[3,4)');
SELECT medallion.enable_versioning('silver.slot');
SELECT medallion.tag('slots') AS v \gset
DELETE FROM silver.slot WHERE id < 3;
INSERT INTO silver.slot VALUES (1, 'B', 2, '[2,3)'), (2, 'A', NULL, '[1,2)');
SELECT * FROM medallion.restore('silver.slot', :v);
SELECT * FROM silver.slot ORDER BY id;
DROP TABLE silver.slot;

-- identity columns, also of the key and GENERATED ALWAYS
CREATE TABLE silver.ticket (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, serial int GENERATED ALWAYS AS IDENTITY, t text);
SELECT medallion.enable_versioning('silver.ticket');
INSERT INTO silver.ticket (t) VALUES ('one'), ('two');
SELECT medallion.tag('tickets') AS v \gset
DELETE FROM silver.ticket WHERE id = 1;
UPDATE silver.ticket SET t = 'zwei', serial = DEFAULT;
SELECT * FROM medallion.restore('silver.ticket', :v);
SELECT * FROM silver.ticket ORDER BY id;
DROP TABLE silver.ticket;

-- foreign keys: checked once, at the end; an error leaves nothing half done
\set VERBOSITY terse
CREATE TABLE silver.part (id int PRIMARY KEY, inside int REFERENCES silver.part, stock int REFERENCES silver.stock (id));
SELECT medallion.enable_versioning('silver.part');
INSERT INTO silver.part VALUES (1, NULL, 1), (2, 1, 2);
SELECT medallion.tag('parts') AS p \gset
DELETE FROM silver.part;
DELETE FROM silver.stock WHERE id = 1;
SELECT * FROM medallion.restore('silver.part', :p);
SELECT * FROM silver.part;
SELECT * FROM medallion.restore('silver.stock', :v);
SELECT * FROM medallion.restore('silver.part', :p);
SELECT * FROM silver.part ORDER BY id;
\set VERBOSITY default
-- a replaced row must not set off a cascade
ALTER TABLE silver.part DROP CONSTRAINT part_stock_fkey,
	ADD CONSTRAINT part_stock_fkey FOREIGN KEY (stock) REFERENCES silver.stock ON DELETE CASCADE;
UPDATE silver.stock SET code = 'x' WHERE id = 1;
UPDATE silver.stock SET code = 'a' WHERE id = 2;
UPDATE silver.stock SET code = 'b' WHERE id = 1;
SELECT * FROM medallion.restore('silver.stock', :v);
SELECT count(*) FROM silver.part;
DROP TABLE silver.part;
SELECT * FROM medallion.restore('silver.stock', :v);

-- triggers of the user fire, and may have the last word
CREATE FUNCTION silver.shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := upper(NEW.note); RETURN NEW; END $$;
CREATE TRIGGER shout BEFORE INSERT OR UPDATE ON silver.stock FOR EACH ROW EXECUTE FUNCTION silver.shout();
DELETE FROM silver.stock WHERE id = 1;
\set VERBOSITY terse
SELECT * FROM medallion.restore('silver.stock', :v);
\set VERBOSITY default
DROP TRIGGER shout ON silver.stock;
SELECT * FROM medallion.restore('silver.stock', :v);

-- columns that came and went since: what is there keeps its value, what comes back gets the default
CREATE TABLE silver.grown (id int PRIMARY KEY, old text, kept int);
SELECT medallion.enable_versioning('silver.grown');
INSERT INTO silver.grown VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3);
SELECT medallion.tag('grown') AS g \gset
ALTER TABLE silver.grown ADD COLUMN fresh text NOT NULL DEFAULT 'dflt', ADD COLUMN more int, DROP COLUMN old;
ALTER TABLE silver.grown RENAME COLUMN kept TO renamed;
ALTER TABLE silver.grown ALTER COLUMN renamed TYPE numeric;
UPDATE silver.grown SET fresh = 'mine', more = 5, renamed = 22.5 WHERE id = 2;
UPDATE silver.grown SET fresh = 'only' WHERE id = 1;
DELETE FROM silver.grown WHERE id = 3;
\set VERBOSITY terse
DO $$ BEGIN PERFORM medallion.restore('silver.grown', medallion.version_of('grown')); END $$;
\set VERBOSITY default
SELECT * FROM silver.grown ORDER BY id;
SELECT inserted, updated, deleted FROM medallion.history('silver.grown') WHERE operation = 'restore';
DO $$ BEGIN PERFORM medallion.clone('silver.grown', 'silver.grown_then', medallion.version_of('grown')); END $$;
SELECT * FROM silver.grown_then ORDER BY id;
DROP TABLE silver.grown, silver.grown_then;

-- rights
CREATE ROLE regress_restore_some;
GRANT USAGE ON SCHEMA silver TO regress_restore_some;
GRANT SELECT, INSERT, UPDATE ON silver.stock TO regress_restore_some;
UPDATE silver.stock SET note = 'changed' WHERE id = 2;
SET ROLE regress_restore_some;
SELECT * FROM medallion.restore('silver.stock', :v);
RESET ROLE;
GRANT DELETE ON silver.stock TO regress_restore_some;
ALTER TABLE silver.stock ENABLE ROW LEVEL SECURITY;
CREATE POLICY one ON silver.stock USING (id = 1);
SET ROLE regress_restore_some;
SELECT * FROM medallion.restore('silver.stock', :v);
RESET ROLE;
ALTER TABLE silver.stock DISABLE ROW LEVEL SECURITY;
SET ROLE regress_restore_some;
SELECT * FROM medallion.restore('silver.stock', :v);
RESET ROLE;

-- a snapshot that is older than a change
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM medallion.restore('silver.stock', :v);
COMMIT;

-- errors
SELECT * FROM medallion.restore('silver.stock');
SELECT * FROM medallion.restore('silver.stock', 1, now());
\set VERBOSITY terse
SELECT * FROM medallion.restore('silver.stock', 1000000);
\set VERBOSITY default
SELECT * FROM medallion.restore(NULL, 1);
CREATE TABLE silver.plain (id int PRIMARY KEY);
SELECT * FROM medallion.restore('silver.plain', 1);
SELECT * FROM medallion.restore('medallion.commits', 1);
DROP TABLE silver.plain;
CREATE RULE nothing AS ON DELETE TO silver.stock DO INSTEAD NOTHING;
SELECT * FROM medallion.restore('silver.stock', :v);
SELECT medallion.untag(tag) IS NOT NULL AS untagged FROM medallion.tags;
DROP TABLE silver.stock;
DROP FUNCTION silver.shout();
DROP OWNED BY regress_restore_some;
DROP ROLE regress_restore_some;
