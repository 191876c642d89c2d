-- Sources that are not versioned or foreign: computed in full, or from what a declared column says is new.
SET medallion.refresh_workers = 0;	-- the order of the log is part of what is shown
\pset null (null)
SET client_min_messages = warning;
CREATE EXTENSION postgres_fdw;
CREATE SCHEMA cur;
CREATE TABLE cur.far (id int PRIMARY KEY, day date, amount int, updated timestamptz);
INSERT INTO cur.far SELECT i, date '2026-01-01' + i % 10, i, timestamptz '2026-01-01 00:00+00' + i * interval '1 min' FROM generate_series(1, 2000) i;
CREATE INDEX ON cur.far (updated);
DO $$ BEGIN
	EXECUTE format('CREATE SERVER cur_far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L)',
		split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_database());
END $$;
CREATE USER MAPPING FOR CURRENT_USER SERVER cur_far;
CREATE FOREIGN TABLE cur.orders (id int, day date, amount int, updated timestamptz) SERVER cur_far OPTIONS (schema_name 'cur', table_name 'far');
CREATE TABLE cur.log (id int, kind text, gone int, n numeric);
ALTER TABLE cur.log DROP COLUMN gone;
INSERT INTO cur.log SELECT i, 'k' || i % 5, i FROM generate_series(1, 100) i;
CREATE TABLE cur.kinds (kind text PRIMARY KEY, label text);
SELECT medallion.enable_versioning('cur.kinds');
INSERT INTO cur.kinds SELECT 'k' || i, 'kind ' || i FROM generate_series(0, 4) i;

-- Without a cursor: in full, and why.
SELECT target FROM medallion.define('cur.copy', 'SELECT id, amount FROM cur.orders', '{id}');
SELECT target FROM medallion.define('cur.of_log', 'SELECT id, kind FROM cur.log', '{id}');
SELECT target, mode, inserted, reason FROM medallion.refresh();
SELECT target, mode, inserted, reason FROM medallion.refresh();
SELECT target, mode, reason, source_versions, source_cursors FROM medallion.refreshes WHERE target LIKE 'cur.%' ORDER BY refresh_id;
SELECT count(medallion.undefine(target, true)) FROM medallion.tables WHERE target LIKE 'cur.%';

-- With one: what is new, of the foreign table by time, with an overlap; of the other by number, joined with a versioned table.
SELECT target FROM medallion.define('cur.copy', 'SELECT id, day, amount FROM cur.orders', '{id}',
	cursors => '{"cur.orders": {"column": "updated", "overlap": "10 min"}}');
SELECT target FROM medallion.define('cur.daily', 'SELECT day, count(*) AS n, sum(amount) AS amount FROM cur.orders GROUP BY day', '{day}',
	cursors => '{"cur.orders": "updated"}');
SELECT target FROM medallion.define('cur.by_kind', 'SELECT l.kind, min(k.label) AS label, count(*) AS n, sum(l.n) AS sum FROM cur.log l JOIN cur.kinds k USING (kind) GROUP BY l.kind', '{kind}',
	cursors => '{"cur.log": "id"}');
SELECT target, cursors FROM medallion.tables WHERE target LIKE 'cur.%' ORDER BY 1;
SELECT target, mode, inserted, reason FROM medallion.refresh();
SELECT target, mode, inserted, updated, deleted, reason FROM medallion.refresh();
SELECT target, source_cursors FROM medallion.refreshes WHERE target LIKE 'cur.%' ORDER BY refresh_id DESC LIMIT 3;

INSERT INTO cur.far VALUES (2001, '2026-01-05', 7, '2026-01-03 00:00+00'), (2002, '2026-03-01', 8, '2026-01-03 00:00+00');
UPDATE cur.far SET amount = amount + 1, updated = '2026-01-03 00:01+00' WHERE id = 3;
INSERT INTO cur.log SELECT i, 'k3', i FROM generate_series(101, 110) i;
UPDATE cur.kinds SET label = 'kind zero' WHERE kind = 'k0';
SELECT target, mode, inserted, updated, deleted, reason FROM medallion.refresh();
SELECT target, medallion.rebuild(target, verify => true) AS differing FROM medallion.tables WHERE target LIKE 'cur.%' ORDER BY 1;
TABLE cur.by_kind ORDER BY kind;
-- Equal to the greatest so far: taken. Later than the overlap: not. NULL: always.
INSERT INTO cur.far VALUES (2003, '2026-01-06', 9, '2026-01-03 00:01+00'), (2004, '2026-01-07', 9, '2026-01-02 23:52+00'), (2005, '2026-01-08', 9, '2026-01-02 20:00+00'),
	(2006, '2026-01-09', 9, NULL);
SELECT target, mode, inserted, updated, deleted FROM medallion.refresh();
SELECT id FROM cur.copy WHERE id > 2002 ORDER BY id;
SELECT target, medallion.rebuild(target, verify => true) AS differing FROM medallion.tables WHERE target LIKE 'cur.%' ORDER BY 1;
-- A rebuild mends what a cursor cannot tell.
DELETE FROM cur.far WHERE id = 1;
SELECT target, mode, deleted FROM medallion.refresh('cur.copy');
SELECT medallion.rebuild('cur.copy'), medallion.rebuild('cur.daily');
SELECT target, medallion.rebuild(target, verify => true) AS differing FROM medallion.tables WHERE target LIKE 'cur.%' ORDER BY 1;
SELECT target, mode, inserted, updated, deleted FROM medallion.refresh();
-- Rolled back: read again.
BEGIN;
INSERT INTO cur.log VALUES (111, 'k1', 1);
SELECT mode, updated FROM medallion.refresh('cur.by_kind');
ROLLBACK;
INSERT INTO cur.log VALUES (111, 'k2', 1);
SELECT mode, updated FROM medallion.refresh('cur.by_kind');
SELECT medallion.rebuild('cur.by_kind', verify => true);
-- So much that all is computed; an empty source, then rows.
INSERT INTO cur.log SELECT i, 'k4', i FROM generate_series(112, 5000) i;
SELECT mode, updated, reason FROM medallion.refresh('cur.by_kind');
CREATE TABLE cur.empty (id bigint, v int);
SELECT target FROM medallion.define('cur.late', 'SELECT id, v FROM cur.empty', '{id}', cursors => '{"cur.empty": {"column": "id", "overlap": "5"}}');
SELECT mode, inserted, reason FROM medallion.refresh('cur.late');
INSERT INTO cur.empty VALUES (10, 1), (11, 1);
SELECT mode, inserted, reason FROM medallion.refresh('cur.late');
INSERT INTO cur.empty VALUES (5, 1), (6, 1), (12, 1);
SELECT mode, inserted, reason FROM medallion.refresh('cur.late');
TABLE cur.late ORDER BY id;
-- The column goes, or is called otherwise; the source becomes versioned; other cursors.
ALTER TABLE cur.empty RENAME COLUMN id TO no;
SELECT mode, inserted, reason FROM medallion.refresh('cur.late');
SELECT target FROM medallion.redefine('cur.late', cursors => '{"cur.empty": "no"}');
SELECT mode, inserted, reason FROM medallion.refresh('cur.late');
SELECT mode, inserted, reason FROM medallion.refresh('cur.late');
ALTER TABLE cur.empty ADD PRIMARY KEY (no);
SELECT medallion.enable_versioning('cur.empty');
SELECT mode, inserted, reason FROM medallion.refresh('cur.late');
SELECT mode, inserted, reason FROM medallion.refresh('cur.late');
SELECT target FROM medallion.redefine('cur.late', cursors => '{}');
SELECT target, cursors FROM medallion.tables WHERE target = 'cur.late';
-- A zone whose abbreviation means another one elsewhere.
CREATE TABLE cur.zoned (id int, at timestamptz);
INSERT INTO cur.zoned VALUES (1, '2026-01-01 10:00+00');
SET timezone = 'Asia/Kolkata';
SELECT target FROM medallion.define('cur.of_zoned', 'SELECT id, at FROM cur.zoned', '{id}', cursors => '{"cur.zoned": "at"}');
SELECT mode FROM medallion.refresh('cur.of_zoned');
INSERT INTO cur.zoned VALUES (2, '2026-01-01 10:00:00.000001+00'), (3, '2026-01-01 09:59+00');
SELECT mode, inserted FROM medallion.refresh('cur.of_zoned');
SELECT source_cursors FROM medallion.refreshes WHERE target = 'cur.of_zoned' ORDER BY refresh_id DESC LIMIT 1;
RESET timezone;
-- Rows of a log are shown to its owner alone.
CREATE ROLE cur_reader;
GRANT SELECT ON cur.copy TO cur_reader;
SET ROLE cur_reader;
SELECT count(*) > 0 AS some, count(source_cursors) FROM medallion.refreshes WHERE target = 'cur.copy';
RESET ROLE;

-- What foreign rows that are still in the table were read by is kept, however old: since it was computed in full, whatever wrote.
SELECT medallion.rebuild('cur.copy') IS NOT NULL AS rebuilt;
INSERT INTO cur.far VALUES (3001, '2026-01-06', 9, now()), (3002, '2026-01-06', 9, now());
SELECT mode, inserted FROM medallion.refresh('cur.copy');
INSERT INTO cur.far VALUES (3003, '2026-01-06', 9, now() + interval '1 s');
SELECT mode, inserted FROM medallion.refresh('cur.copy');
SELECT mode, inserted FROM medallion.refresh('cur.copy');
SELECT mode, inserted FROM medallion.refresh('cur.copy');
SELECT setval('medallion._refreshes_refresh_id_seq', (nextval('medallion._refreshes_refresh_id_seq') / 64 + 1) * 64 - 1) IS NULL AS last;
SET medallion.refresh_retention = 0;
SELECT mode FROM medallion.refresh('cur.of_zoned');
RESET medallion.refresh_retention;
SELECT r.mode, r.inserted, e.extract_id IS NOT NULL AS extract FROM medallion.refreshes r LEFT JOIN medallion.extracts e ON e.extract_id = r.refresh_id
	WHERE r.target = 'cur.copy' ORDER BY r.refresh_id;

-- Mistakes.
SELECT medallion.define('cur.bad', 'SELECT id FROM cur.log', '{id}', cursors => '{"cur.log": "nothing"}');
SELECT medallion.define('cur.bad', 'SELECT id FROM cur.log', '{id}', cursors => '{"cur.orders": "updated"}');
SELECT medallion.define('cur.bad', 'SELECT id FROM cur.log', '{id}', cursors => '{"cur.nothing": "updated"}');
SELECT medallion.define('cur.bad', 'SELECT kind FROM cur.kinds', '{kind}', cursors => '{"cur.kinds": "kind"}');
SELECT medallion.define('cur.bad', 'SELECT id FROM cur.log', '{id}', cursors => '{"cur.log": {"overlap": "1"}}');
SELECT medallion.define('cur.bad', 'SELECT id FROM cur.log', '{id}', cursors => '{"cur.log": {"column": "id", "lag": "1"}}');
SELECT medallion.define('cur.bad', 'SELECT id FROM cur.log', '{id}', cursors => '{"cur.log": {"column": "kind", "overlap": "1"}}');
SELECT medallion.define('cur.bad', 'SELECT id FROM cur.log', '{id}', cursors => '{"cur.log": {"column": "id", "overlap": "1 min"}}');
SELECT medallion.define('cur.bad', 'SELECT id FROM cur.log', '{id}', cursors => '{"cur.log": {"column": "id", "overlap": "-1"}}');
SELECT medallion.define('cur.bad', 'SELECT id FROM cur.orders', '{id}', cursors => '{"cur.orders": {"column": "updated", "overlap": "-1 min"}}');
SELECT medallion.define('cur.bad', 'SELECT id FROM cur.orders', '{id}', cursors => '{"cur.orders": {"column": "updated", "overlap": "soon"}}');
SELECT medallion.define('cur.bad', 'SELECT id FROM cur.log', '{id}', cursors => '{"cur.log": 7}');
SELECT medallion.define('cur.bad', 'SELECT id FROM cur.log', '{id}', cursors => '[]');
SELECT to_regclass('cur.bad');
DROP SCHEMA cur CASCADE;
SELECT (SELECT count(*) FROM medallion._cursors) AS cursors, (SELECT count(*) FROM medallion._refresh_cursors) AS seen;
DROP SERVER cur_far CASCADE;
DROP EXTENSION postgres_fdw;
DROP ROLE cur_reader;
