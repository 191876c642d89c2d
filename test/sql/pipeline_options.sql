-- What is declared besides the query: indexes, comments, the owner, cluster_by; and errors that name what is wrong.
\pset null (null)
CREATE ROLE opt_ann LOGIN;
CREATE ROLE opt_bob LOGIN;
CREATE ROLE opt_team;
GRANT opt_team TO opt_ann;
CREATE SCHEMA opt AUTHORIZATION opt_ann;
GRANT USAGE, CREATE ON SCHEMA opt TO opt_team, opt_bob;
SET ROLE opt_ann;
CREATE TABLE opt.raw (id int, day date, place text, doc jsonb, amount numeric);
INSERT INTO opt.raw SELECT i, date '2026-01-01' + i % 7, 'place ' || i % 5, jsonb_build_object('n', i), i * 1.5 FROM generate_series(1, 700) i;
GRANT SELECT ON opt.raw TO opt_team;

SELECT target FROM medallion.define('opt.sales', 'SELECT id, day, place, doc, amount FROM opt.raw', '{id}', description => 'Sales.',
	indexes => '{"day, place","UNIQUE lower(place), id","USING gin (doc)","(amount) WHERE (amount > 100)","(lower(place)) INCLUDE (day)"}',
	comments => '{"day": "in UTC", "amount": "EUR"}', owner => 'opt_team', cluster_by => '{day,place}');
SELECT indexname, regexp_replace(indexdef, '^CREATE ', '') AS definition FROM pg_indexes WHERE schemaname = 'opt' ORDER BY 1;
SELECT attname, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = 'opt.sales'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
SELECT target, layer, owner, description, indexes, cluster_by FROM medallion.tables WHERE target LIKE 'opt.%';
SELECT tableowner, (SELECT viewowner FROM pg_views WHERE viewname = 'opt.sales') FROM pg_tables WHERE tablename = 'sales' AND schemaname = 'opt';
SELECT mode, inserted FROM medallion.refresh('opt.sales');
-- Written in the order of cluster_by.
SELECT count(*) FROM (SELECT (day, place) < lag((day, place)) OVER (ORDER BY ctid) AS descends FROM opt.sales) s WHERE descends;
SELECT role_name, mode FROM medallion.refreshes WHERE target = 'opt.sales';

-- Declared again: what is new is made, what is no more goes, what has stayed stays; indexes of others are theirs.
CREATE INDEX by_hand ON opt.sales (amount);
ALTER INDEX opt.sales_day_place_idx RENAME TO per_day;
SELECT 'opt.per_day'::regclass::oid AS per_day \gset
SELECT target FROM medallion.redefine('opt.sales', indexes => '{"day, place",place}', comments => '{"day": null, "place": "town"}', cluster_by => '{place}');
SELECT indexname FROM pg_indexes WHERE schemaname = 'opt' ORDER BY 1;
SELECT 'opt.per_day'::regclass::oid = :per_day AS same;
SELECT attname, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = 'opt.sales'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
SELECT indexes, cluster_by FROM medallion.tables WHERE target = 'opt.sales';
-- Other changes leave them; one that was dropped comes back with the next redefine.
DROP INDEX opt.sales_place_idx;
SELECT target FROM medallion.redefine('opt.sales', description => 'Sales!');
SELECT indexname FROM pg_indexes WHERE schemaname = 'opt' ORDER BY 1;
SELECT target FROM medallion.redefine('opt.sales', indexes => '{}', cluster_by => '{}');
SELECT indexname FROM pg_indexes WHERE schemaname = 'opt' ORDER BY 1;
SELECT indexes, cluster_by FROM medallion.tables WHERE target = 'opt.sales';
-- A column that goes takes its index along; one that comes again has it again.
SELECT target FROM medallion.redefine('opt.sales', indexes => '{day}', on_schema_change => 'full_refresh');
SELECT target FROM medallion.redefine('opt.sales', 'SELECT id, place, doc, amount FROM opt.raw');
SELECT target FROM medallion.redefine('opt.sales', 'SELECT id, place, doc, amount FROM opt.raw', indexes => '{}');
SELECT target FROM medallion.redefine('opt.sales', 'SELECT id, day, place, doc, amount FROM opt.raw', indexes => '{day}');
SELECT indexname FROM pg_indexes WHERE schemaname = 'opt' ORDER BY 1;
-- The owner, later.
SELECT target FROM medallion.redefine('opt.sales', owner => 'opt_ann');
SELECT owner FROM medallion.tables WHERE target = 'opt.sales';

-- Mistakes.
SELECT medallion.define('opt.bad', 'SELECT id FROM opt.raw', '{id}', indexes => '{nothing}');
SELECT medallion.define('opt.bad', 'SELECT id FROM opt.raw', '{id}', indexes => '{"id); DROP TABLE opt.raw; --"}');
SELECT medallion.define('opt.bad', 'SELECT id FROM opt.raw', '{id}', indexes => '{""}');
SELECT medallion.define('opt.bad', 'SELECT id FROM opt.raw', '{id}', indexes => '{NULL}');
SELECT medallion.define('opt.bad', 'SELECT id FROM opt.raw', '{id}', comments => '{"nothing": "?"}');
SELECT medallion.define('opt.bad', 'SELECT id FROM opt.raw', '{id}', comments => '{"id": 7}');
SELECT medallion.define('opt.bad', 'SELECT id FROM opt.raw', '{id}', comments => '[]');
SELECT medallion.define('opt.bad', 'SELECT id FROM opt.raw', '{id}', cluster_by => '{day}');
SELECT medallion.define('opt.bad', 'SELECT id FROM opt.raw', '{id}', cluster_by => '{id,id}');
SELECT medallion.define('opt.bad', 'SELECT id, point(id, id) AS p FROM opt.raw', '{id}', cluster_by => '{p}');
SELECT medallion.define('opt.bad', 'SELECT id FROM opt.raw', '{id}', owner => 'opt_bob');
SELECT medallion.define('opt.bad', 'SELECT id FROM opt.raw', '{id}', owner => 'opt_nobody');
SELECT to_regclass('opt.bad');
SELECT medallion.redefine('opt.sales', 'SELECT id, place, doc, amount FROM opt.raw', cluster_by => '{day}');
-- The new owner must be able to read the sources.
REVOKE SELECT ON opt.raw FROM opt_team;
SELECT medallion.define('opt.bad', 'SELECT id FROM opt.raw', '{id}', owner => 'opt_team');
SELECT to_regclass('opt.bad');

-- A key that identifies no row: the rows are named.
SELECT target FROM medallion.define('opt.per_place', 'SELECT place, day, amount FROM opt.raw', '{place,day}');
SELECT medallion.refresh('opt.per_place');
UPDATE opt.raw SET day = NULL WHERE id IN (7, 8);
SELECT medallion.refresh('opt.per_place');
RESET ROLE;
SET client_min_messages = warning;
DROP SCHEMA opt CASCADE;
DROP ROLE opt_ann, opt_bob, opt_team;
