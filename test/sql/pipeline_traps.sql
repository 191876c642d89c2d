-- Queries, names and roles that a refresh once got wrong.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA traps;
CREATE FUNCTION traps.refresh(target text) RETURNS text LANGUAGE sql AS
$$ SELECT mode || CASE WHEN reason LIKE '%aggregates follow%' THEN ', follows' ELSE '' END || ' +' || inserted || ' ~' || updated || ' -' || deleted
   FROM medallion.refresh(target) $$;

-- An item that refers from the side to a column that is not known is not known either, as the optional side of a join too.
CREATE TABLE traps.sale (id int PRIMARY KEY, shop int, amount bigint);
CREATE TABLE traps.class (lo bigint PRIMARY KEY, label text);
INSERT INTO traps.sale SELECT g, g % 50, g FROM generate_series(1, 3000) g;
INSERT INTO traps.class VALUES (0, 'small'), (1000000, 'big');
SELECT medallion.enable_versioning('traps.sale'), medallion.enable_versioning('traps.class');
SELECT target FROM medallion.define('traps.big_shop', $$
	SELECT s.shop, c.label, s.total FROM (SELECT shop, sum(amount) AS total FROM traps.sale GROUP BY shop) s
	LEFT JOIN LATERAL (SELECT label FROM traps.class c WHERE c.lo <= s.total ORDER BY c.lo DESC LIMIT 1) c ON true
	WHERE c.label = 'big'$$, '{shop,label}');
SELECT target FROM medallion.define('traps.bigger_shop', $$
	SELECT s.shop, c.label, s.total FROM (SELECT shop, sum(amount) AS total FROM traps.sale GROUP BY shop) s,
	LATERAL (SELECT coalesce(c.label, w.label) AS label
			 FROM (SELECT label, lo FROM traps.class WHERE lo <= s.total) c FULL JOIN (VALUES (1, 'never')) w (lo, label) ON w.lo = c.lo) c
	WHERE c.label = 'big'$$, '{shop,label}');
SELECT traps.refresh('traps.big_shop'), traps.refresh('traps.bigger_shop');
UPDATE traps.sale SET amount = 2000000 WHERE id = 5;
SELECT traps.refresh('traps.big_shop'), traps.refresh('traps.bigger_shop');
SELECT medallion.rebuild('traps.big_shop', verify => true), medallion.rebuild('traps.bigger_shop', verify => true);

-- Where the planner gives up on what finds the rows concerned, all are computed.
CREATE TABLE traps.fact (id int PRIMARY KEY, k int, v int);
INSERT INTO traps.fact SELECT i, nullif((i * 5) % 9, 8), (i * 29) % 50 FROM generate_series(1, 60) i;
SELECT medallion.enable_versioning('traps.fact');
SELECT target FROM medallion.define('traps.sideways', $$
	SELECT s.id, coalesce(s.k, -1) AS k, s.label, t.n FROM
	(SELECT f.id, f.k, f.v, c.label FROM (SELECT id, k, v FROM traps.fact) f
	 CROSS JOIN LATERAL (SELECT label FROM traps.class WHERE lo <= f.v ORDER BY lo DESC LIMIT 1) c WHERE c.label IS NOT NULL) s
	LEFT JOIN LATERAL (SELECT count(*) AS n FROM (SELECT k, v FROM traps.fact) f WHERE f.k = s.k AND f.v <= s.v) t ON t.n > 1$$, '{id,k}');
SELECT traps.refresh('traps.sideways');
UPDATE traps.fact SET v = 1 WHERE id = 38;
UPDATE traps.class SET label = 'tiny' WHERE lo = 0;
SELECT mode, reason FROM medallion.refresh('traps.sideways');
SELECT medallion.rebuild('traps.sideways', verify => true);
UPDATE traps.class SET label = 'small' WHERE lo = 0;
SELECT mode FROM medallion.refresh('traps.sideways');

-- Labels of an enum and names of attributes may be renamed while no row of the source changes.
CREATE TYPE traps.mood AS ENUM ('good', 'bad');
CREATE TYPE traps.place AS (street text, mood traps.mood);
CREATE TABLE traps.person (id int PRIMARY KEY, mood traps.mood, home traps.place);
INSERT INTO traps.person SELECT g, 'good', '(street,bad)' FROM generate_series(1, 10) g;
SELECT medallion.enable_versioning('traps.person');
SELECT target FROM medallion.define('traps.mood_of', 'SELECT id, mood::text AS mood FROM traps.person', '{id}');
SELECT target FROM medallion.define('traps.home_of', 'SELECT id, to_jsonb(home) AS home FROM traps.person', '{id}');
SELECT traps.refresh('traps.mood_of'), traps.refresh('traps.home_of');
UPDATE traps.person SET home = ROW('new', 'good') WHERE id = 1;
SELECT traps.refresh('traps.mood_of'), traps.refresh('traps.home_of');
ALTER TYPE traps.mood RENAME VALUE 'good' TO 'fine';
SELECT traps.refresh('traps.mood_of'), traps.refresh('traps.home_of');
ALTER TYPE traps.place RENAME ATTRIBUTE street TO road;
SELECT traps.refresh('traps.mood_of'), traps.refresh('traps.home_of');
SELECT * FROM traps.mood_of WHERE id = 1;
SELECT * FROM traps.home_of WHERE id = 1;

-- So does what functions call, where the server keeps their bodies analysed.
CREATE FUNCTION traps.inner_name(id int) RETURNS text IMMUTABLE LANGUAGE sql RETURN 'p' || id;
CREATE FUNCTION traps.name_of(id int) RETURNS text IMMUTABLE LANGUAGE sql RETURN traps.inner_name(id);
SELECT target FROM medallion.define('traps.named', 'SELECT id, traps.name_of(id) AS name FROM traps.person', '{id}');
SELECT traps.refresh('traps.named');
CREATE OR REPLACE FUNCTION traps.inner_name(id int) RETURNS text IMMUTABLE LANGUAGE sql RETURN 'q' || id;
SELECT traps.refresh('traps.named'), medallion.rebuild('traps.named', verify => true);

-- Columns may have the names that the statements of a refresh use.
SELECT target FROM medallion.define('traps.odd', $$
	SELECT shop AS _rows, id % 3 AS _sign, id % 2 AS _key, id % 7 AS _d3, count(*) AS _o1, sum(amount) AS _reasons, min(amount) AS u
	FROM traps.sale GROUP BY 1, 2, 3, 4$$, '{_rows,_sign,_key,_d3}');
SELECT target FROM medallion.define('traps.plain', 'SELECT shop, count(*) AS _rows, sum(amount) AS _sign FROM traps.sale GROUP BY shop', '{shop}');
SELECT traps.refresh('traps.odd'), traps.refresh('traps.plain');
UPDATE traps.sale SET amount = amount + 1 WHERE id < 10;
SELECT traps.refresh('traps.odd'), traps.refresh('traps.plain');
SELECT medallion.rebuild('traps.odd', verify => true), medallion.rebuild('traps.plain', verify => true);

-- Rows may change places in another unique key; what the table has beside the query stays with its row.
CREATE TABLE traps.score (id int PRIMARY KEY, score int);
INSERT INTO traps.score SELECT g, g FROM generate_series(1, 10) g;
SELECT medallion.enable_versioning('traps.score');
SELECT target FROM medallion.define('traps.rank', 'SELECT id, score, row_number() OVER (ORDER BY score) AS rank FROM traps.score', '{id}',
	indexes => '{UNIQUE rank}');
SELECT traps.refresh('traps.rank');
ALTER TABLE traps.rank ADD COLUMN note text;
UPDATE traps.rank SET note = 'of ' || id;
SELECT traps.refresh('traps.rank');
UPDATE traps.score SET score = 100 WHERE id = 1;
DELETE FROM traps.score WHERE id = 5;
INSERT INTO traps.score VALUES (11, 6);
SELECT traps.refresh('traps.rank');
SELECT id, rank, note FROM traps.rank ORDER BY rank;
SELECT medallion.rebuild('traps.rank', verify => true);
-- What is twice in the result stays an error.
DELETE FROM traps.score WHERE id = 11;
SELECT target FROM medallion.define('traps.twice', 'SELECT id, score % 100 AS score FROM traps.score', '{id}', indexes => '{UNIQUE score}');
SELECT traps.refresh('traps.twice');
UPDATE traps.score SET score = score + 100 WHERE id IN (2, 3);
UPDATE traps.score SET score = 4 WHERE id = 3;
SELECT traps.refresh('traps.twice');
UPDATE traps.score SET score = CASE id WHEN 3 THEN 4 ELSE 3 END WHERE id IN (3, 4);
SELECT traps.refresh('traps.twice');
SELECT id, score FROM traps.twice WHERE id IN (3, 4) ORDER BY id;

-- Events that come together may exchange them too.
CREATE TABLE traps.event (id int, email text, at int PRIMARY KEY);
CREATE TABLE traps.account (id int PRIMARY KEY, email text UNIQUE, note text DEFAULT 'kept');
SELECT medallion.enable_versioning('traps.event');
INSERT INTO traps.event VALUES (1, 'a', 1), (2, 'b', 2);
SELECT inserted, updated FROM medallion.apply_changes('traps.account', 'traps.event', keys => '{id}', sequence_by => 'at', except_column_list => '{at}');
UPDATE traps.account SET note = 'of ' || id;
INSERT INTO traps.event VALUES (1, NULL, 3), (2, 'a', 4), (1, 'b', 5);
SELECT inserted, updated FROM medallion.apply_changes('traps.account');
SELECT * FROM traps.account ORDER BY id;
INSERT INTO traps.event VALUES (1, 'a', 6);
SELECT inserted, updated FROM medallion.apply_changes('traps.account');
SELECT medallion.drop_flow('traps.account');

-- How numbers become text is not for the session to say that refreshes.
SELECT target FROM medallion.define('traps.text', 'SELECT id, (amount / 3.0::float8)::text AS third, int4send(id)::text AS bytes FROM traps.sale WHERE id <= 100', '{id}');
SELECT traps.refresh('traps.text');
SET extra_float_digits = -5;
SET bytea_output = 'escape';
UPDATE traps.sale SET amount = amount + 1 WHERE id <= 10;
SELECT traps.refresh('traps.text');
SELECT medallion.rebuild('traps.text', verify => true);
RESET extra_float_digits;
RESET bytea_output;
SELECT medallion.rebuild('traps.text', verify => true);

-- A sample, also one that a view takes, depends on more than the rows.
CREATE VIEW traps.sampled AS SELECT * FROM traps.sale TABLESAMPLE BERNOULLI (50) REPEATABLE (1);
SELECT medallion.define('traps.sample', 'SELECT id FROM traps.sampled', '{id}');
CREATE OR REPLACE VIEW traps.sampled AS SELECT * FROM traps.sale;
SELECT target FROM medallion.define('traps.sample', 'SELECT id FROM traps.sampled WHERE id < 10', '{id}');
CREATE OR REPLACE VIEW traps.sampled AS SELECT * FROM traps.sale TABLESAMPLE BERNOULLI (100) REPEATABLE (1);
SELECT mode FROM medallion.refresh('traps.sample');
SELECT mode, reason FROM medallion.refresh('traps.sample');

-- Rules about tables are judged by what their rows told when all tables are refreshed in one transaction too.
SELECT medallion.expect_table('traps.plain', 'mean', 'distribution', '{"column": "_rows", "statistic": "mean", "min": 1, "max": 1000}', on_violation => 'fail');
SELECT medallion.expect_table('traps.mood_of', 'moods', 'accepted_values', '{"column": "mood", "values": ["fine"]}');
BEGIN;
DELETE FROM medallion._refresh_states WHERE target IN ('traps.plain'::regclass, 'traps.mood_of'::regclass);
SELECT mode FROM medallion.refresh() WHERE target IN ('traps.plain', 'traps.mood_of') ORDER BY target;
SELECT name, failed, observed FROM medallion.expectation_results WHERE target IN ('traps.plain', 'traps.mood_of') ORDER BY name;
COMMIT;

-- Types that mean another one where their length is left out, as keys, in rules, as cursors and in the history.
CREATE DOMAIN traps.code AS char(4);
CREATE TABLE traps.coded (id int PRIMARY KEY, c char(4), b bit(5), d traps.code, v int NOT NULL);
INSERT INTO traps.coded SELECT g, 'ab' || g % 3, (g % 3)::bit(5), 'cd' || g % 3, g FROM generate_series(1, 30) g;
SELECT medallion.enable_versioning('traps.coded');
SELECT target FROM medallion.define('traps.by_char', 'SELECT c, max(id) AS m, sum(v) AS s, array_agg(v ORDER BY id) AS vs FROM traps.coded GROUP BY c', '{c}');
SELECT target FROM medallion.define('traps.by_bit', 'SELECT b, d, max(id) AS m, sum(v) AS s, array_agg(v ORDER BY id) AS vs FROM traps.coded GROUP BY b, d', '{b,d}');
SELECT medallion.expect_table('traps.by_char', 'known', 'accepted_values', '{"column": "c", "values": ["ab0", "ab1"]}');
SELECT traps.refresh('traps.by_char'), traps.refresh('traps.by_bit');
SELECT name, failed, failing_keys FROM medallion.expectation_results WHERE target = 'traps.by_char';
UPDATE traps.coded SET v = v + 1, c = 'ab2', b = B'11111' WHERE id = 1;
SELECT traps.refresh('traps.by_char'), traps.refresh('traps.by_bit');
SELECT medallion.rebuild('traps.by_char', verify => true), medallion.rebuild('traps.by_bit', verify => true);
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = 'medallion_history."traps.coded"'::regclass AND attname IN ('c', 'b', 'd') ORDER BY attnum;

-- Rows as a whole, and branches of a union whose types have to be made one.
SELECT target FROM medallion.define('traps.whole', 'SELECT shop, count(s) AS n, count(s.*) AS m, sum(amount) AS t FROM traps.sale s GROUP BY shop', '{shop}');
CREATE TABLE traps.label (id int PRIMARY KEY, label varchar(10));
INSERT INTO traps.label VALUES (1, 'small'), (2, 'other');
SELECT medallion.enable_versioning('traps.label');
SELECT target FROM medallion.define('traps.labels', $$
	SELECT label, count(*) AS n FROM (SELECT label FROM traps.class UNION ALL SELECT label FROM traps.label) l GROUP BY label$$, '{label}');
SELECT traps.refresh('traps.whole'), traps.refresh('traps.labels');
UPDATE traps.sale SET amount = 1 WHERE id = 77;
UPDATE traps.label SET label = 'more' WHERE id = 2;
SELECT traps.refresh('traps.whole'), traps.refresh('traps.labels');
SELECT medallion.rebuild('traps.whole', verify => true), medallion.rebuild('traps.labels', verify => true);

-- Whoever refreshes a table lends its owner no rights: constraints are the owner's code.
CREATE ROLE traps_owner;
CREATE SCHEMA traps_own AUTHORIZATION traps_owner;
GRANT USAGE ON SCHEMA medallion TO traps_owner;
SET SESSION AUTHORIZATION traps_owner;
CREATE TABLE traps_own.src (id int PRIMARY KEY, v int);
INSERT INTO traps_own.src VALUES (1, 1);
SELECT medallion.enable_versioning('traps_own.src');
SELECT target FROM medallion.define('traps_own.derived', 'SELECT id, v FROM traps_own.src', '{id}', on_schema_change => 'full_refresh');
SELECT mode FROM medallion.refresh('traps_own.derived');
CREATE FUNCTION traps_own.spy(v bigint) RETURNS bool LANGUAGE plpgsql AS
$$ BEGIN RAISE WARNING 'spy is %', current_user; RETURN true; END $$;
ALTER TABLE traps_own.derived ALTER v TYPE bigint;
SET client_min_messages = error;
ALTER TABLE traps_own.derived ADD CHECK (traps_own.spy(v));
RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
SELECT mode FROM medallion.refresh('traps_own.derived');
SELECT mode FROM medallion.redefine('traps_own.derived', 'SELECT id, v::numeric AS v FROM traps_own.src'), medallion.refresh('traps_own.derived');
-- Nor does a quarantine that its owner cannot see whole.
SELECT medallion.expect('traps_own.derived', 'small', 'v < 10', on_violation => 'quarantine');
ALTER TABLE traps_own.derived_quarantine ENABLE ROW LEVEL SECURITY;
ALTER TABLE traps_own.derived_quarantine FORCE ROW LEVEL SECURITY;
SELECT mode FROM medallion.refresh('traps_own.derived');

SET client_min_messages = error;
DROP SCHEMA traps_own CASCADE;
DROP OWNED BY traps_owner;
DROP ROLE traps_owner;
DROP SCHEMA traps CASCADE;
