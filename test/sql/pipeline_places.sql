-- What a refresh writes to rows that are there: by their places, or by a statement where the table does more than keep rows.
-- Either way the past of the table is kept, and what its triggers and columns do is done.
CREATE SCHEMA places;
CREATE TABLE places.sales (id int PRIMARY KEY, shop text NOT NULL, amount numeric(10,2), pieces int);
INSERT INTO places.sales SELECT i, 'shop ' || i % 40, i, i % 7 FROM generate_series(1, 4000) i;
SELECT medallion.enable_versioning('places.sales');
SELECT medallion.define('places.totals', 'SELECT shop, count(*) AS n, sum(amount) AS amount, sum(pieces) AS pieces FROM places.sales GROUP BY shop', '{shop}');
-- HAVING: computed again, not followed
SELECT medallion.define('places.large', 'SELECT shop, sum(amount) AS amount FROM places.sales GROUP BY shop HAVING sum(amount) > 0', '{shop}');
SELECT target, mode, inserted FROM medallion.refresh();

CREATE TABLE places.seen (step int, what text, version bigint, state text);
CREATE FUNCTION places.see(step int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO places.seen SELECT step, 'totals', (SELECT max(version) FROM medallion.commits), (SELECT md5(string_agg(t::text, ',' ORDER BY shop)) FROM places.totals t);
	INSERT INTO places.seen SELECT step, 'large', (SELECT max(version) FROM medallion.commits), (SELECT md5(string_agg(t::text, ',' ORDER BY shop)) FROM places.large t) $$;
SELECT places.see(0);

-- some groups change, one comes, one goes
BEGIN;
UPDATE places.sales SET amount = amount + 1 WHERE shop IN ('shop 3', 'shop 4') AND id % 3 = 0;
INSERT INTO places.sales VALUES (9001, 'shop new', 5, NULL);
DELETE FROM places.sales WHERE shop = 'shop 7';
COMMIT;
SELECT target, mode, inserted, updated, deleted, reason FROM medallion.refresh();
SELECT medallion.rebuild(t, verify => true) FROM unnest('{places.totals,places.large}'::text[]) t;
SELECT places.see(1);

-- what was is still there
SELECT s.step, s.what, s.state = (CASE s.what
		WHEN 'totals' THEN (SELECT md5(string_agg(t::text, ',' ORDER BY shop)) FROM medallion.as_of(NULL::places.totals, s.version) t)
		ELSE (SELECT md5(string_agg(t::text, ',' ORDER BY shop)) FROM medallion.as_of(NULL::places.large, s.version) t) END) AS kept
	FROM places.seen s ORDER BY step, what;
SELECT _change_type, (row_data).* FROM medallion.changes(NULL::places.totals, (SELECT min(version) + 1 FROM places.seen), (SELECT max(version) FROM places.seen))
	ORDER BY shop, _change_type;

-- a trigger of somebody's
CREATE TABLE places.heard (told text);
CREATE FUNCTION places.hear() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN INSERT INTO places.heard VALUES (TG_OP || ' ' || OLD.shop || ' ' || TG_LEVEL); RETURN NULL; END$$;
CREATE TRIGGER hear AFTER UPDATE OR DELETE ON places.totals FOR EACH ROW EXECUTE FUNCTION places.hear();
UPDATE places.sales SET amount = 0 WHERE shop = 'shop 5' AND id < 100;
DELETE FROM places.sales WHERE shop = 'shop new';
SELECT target, mode, inserted, updated, deleted FROM medallion.refresh('places.totals');
SELECT * FROM places.heard ORDER BY told;
DROP TRIGGER hear ON places.totals;

-- a constraint of somebody's is kept, and nothing is written
ALTER TABLE places.totals ADD CONSTRAINT few CHECK (pieces < 1000);
UPDATE places.sales SET pieces = 5000 WHERE id = 8;
SELECT target, mode FROM medallion.refresh('places.totals');
ALTER TABLE places.totals DROP CONSTRAINT few;
SELECT target, mode, updated FROM medallion.refresh('places.totals');

-- a unique index of somebody's: rows that go make room for those that change
CREATE UNIQUE INDEX ON places.totals (amount);
BEGIN;
UPDATE places.sales SET amount = (SELECT amount FROM places.totals WHERE shop = 'shop 9') / 100 WHERE shop = 'shop 8';
DELETE FROM places.sales WHERE shop = 'shop 9';
COMMIT;
SELECT target, mode, inserted, updated, deleted FROM medallion.refresh('places.totals');
-- an index that finds rows by what changed
SET enable_seqscan = off;
SELECT t.shop = 'shop 8' AS found FROM places.totals t WHERE amount = (SELECT sum(amount) FROM places.sales WHERE shop = 'shop 8');
RESET enable_seqscan;

-- in a savepoint that is rolled back nothing stays
SELECT places.see(2);
UPDATE places.sales SET amount = amount + 0.01 WHERE shop = 'shop 10';
BEGIN;
SAVEPOINT one;
SELECT target, mode, updated FROM medallion.refresh('places.totals');
ROLLBACK TO one;
SELECT target, mode, updated FROM medallion.refresh('places.totals');
COMMIT;
SELECT medallion.rebuild('places.totals', verify => true);
SELECT s.state = (SELECT md5(string_agg(t::text, ',' ORDER BY shop)) FROM medallion.as_of(NULL::places.totals, s.version) t) AS kept
	FROM places.seen s WHERE step = 2 AND what = 'totals';

SELECT medallion.undefine(t, drop_table => true) FROM unnest('{places.totals,places.large}'::text[]) t;
\set VERBOSITY terse
DROP SCHEMA places CASCADE;
