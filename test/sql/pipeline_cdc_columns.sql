-- Changes whose values are columns: types 1 and 2, late and repeated events, deletes, truncates, columns that come and go.
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.applied(target text) RETURNS TABLE (mode text, events bigint, ins bigint, upd bigint, del bigint, repeated bigint, late bigint, reason text)
LANGUAGE sql AS $$ SELECT mode, events, inserted, updated, deleted, repeated, late, reason FROM medallion.apply_changes(target) $$;
CREATE TABLE bronze.ev (seq bigserial PRIMARY KEY, op text, id int, name text, amount numeric(10,2));
SELECT medallion.enable_versioning('bronze.ev');
INSERT INTO bronze.ev (op, id, name, amount) VALUES ('c', 1, 'ann', 10), ('c', 2, 'bob', 20), ('u', 1, 'ann', 11), ('d', 2, NULL, NULL);

SELECT target, mode, events, inserted, updated, deleted, skipped, repeated, late, unresolved, quarantined, reason
FROM medallion.apply_changes('silver.now', 'bronze.ev', '{id}', sequence_by => 'seq', apply_as_deletes => $$op = 'd'$$,
	apply_as_truncates => $$op = 't'$$, except_column_list => '{op,seq}');
SELECT target, mode, events, inserted, updated, deleted, reason
FROM medallion.apply_changes('silver.then', 'bronze.ev', '{id}', sequence_by => 'seq', apply_as_deletes => $$op = 'd'$$,
	apply_as_truncates => $$op = 't'$$, except_column_list => '{op,seq}', scd_type => 2);
TABLE silver.now ORDER BY id;
SELECT * FROM silver.then ORDER BY id, "__START_AT";
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'silver.then'::regclass AND attnum > 0 ORDER BY attnum;
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'silver.then'::regclass;

-- Nothing new: nothing is read, nothing is written.
SELECT * FROM pg_temp.applied('silver.now');

-- An older update does not bring a deleted row back; an older one of a living row changes its past alone.
INSERT INTO bronze.ev (seq, op, id, name, amount) VALUES (-1, 'c', 2, 'old', 1), (0, 'c', 1, 'anna', 9), (20, 'u', 1, 'ann', 30);
SELECT * FROM pg_temp.applied('silver.now');
SELECT * FROM pg_temp.applied('silver.then');
TABLE silver.now ORDER BY id;
SELECT * FROM silver.then ORDER BY id, "__START_AT";

-- A late delete ends what was; a key may live again.
INSERT INTO bronze.ev (seq, op, id, name, amount) VALUES (10, 'd', 1, NULL, NULL), (30, 'c', 2, 'ben', 2);
SELECT * FROM pg_temp.applied('silver.now');
SELECT * FROM pg_temp.applied('silver.then');
TABLE silver.now ORDER BY id;
SELECT * FROM silver.then ORDER BY id, "__START_AT";

-- All once more: no row is written.
SELECT mode, events, inserted, updated, deleted, reason FROM medallion.apply_changes('silver.now', again => true);
SELECT mode, events, inserted, updated, deleted, repeated, reason FROM medallion.apply_changes('silver.then', again => true);

-- A truncate takes what is older, also what comes late; newer rows stay.
INSERT INTO bronze.ev (seq, op) VALUES (25, 't');
SELECT * FROM pg_temp.applied('silver.now');
SELECT * FROM pg_temp.applied('silver.then');
INSERT INTO bronze.ev (seq, op, id, name, amount) VALUES (24, 'c', 3, 'late', 3), (26, 'c', 4, 'new', 4);
SELECT * FROM pg_temp.applied('silver.now');
SELECT * FROM pg_temp.applied('silver.then');
TABLE silver.now ORDER BY id;
SELECT * FROM silver.then ORDER BY id, "__START_AT";

-- What is in one transaction with the application is applied, also what comes after it there, by the next one.
BEGIN;
INSERT INTO bronze.ev (seq, op, id, name, amount) VALUES (40, 'c', 5, 'eve', 5);
SELECT * FROM pg_temp.applied('silver.now');
INSERT INTO bronze.ev (seq, op, id, name, amount) VALUES (41, 'u', 5, 'eva', 5);
SAVEPOINT s;
INSERT INTO bronze.ev (seq, op, id, name, amount) VALUES (42, 'c', 6, 'fay', 6);
COMMIT;
SELECT ins, upd, del, reason FROM pg_temp.applied('silver.now');
TABLE silver.now ORDER BY id;
BEGIN;
INSERT INTO bronze.ev (seq, op, id, name, amount) VALUES (43, 'd', 6, NULL, NULL);
SELECT ins, upd, del, reason FROM pg_temp.applied('silver.now');
ROLLBACK;
TABLE silver.now ORDER BY id;

-- A column that comes: an error by default, with what to do.
ALTER TABLE bronze.ev ADD COLUMN city text DEFAULT 'Ulm';
SELECT * FROM pg_temp.applied('silver.now');
SELECT medallion.drop_flow('silver.now');
SELECT * FROM pg_temp.applied('silver.now');
SELECT medallion.drop_flow('silver.then', drop_table => true);
SELECT to_regclass('silver.then'), count(*) FROM pg_class WHERE relnamespace = 'medallion_changes'::regnamespace;

-- A table that is there keeps rows no event told of; on request columns are added, and those that go keep their values.
SELECT inserted, updated, deleted FROM medallion.apply_changes('silver.now', 'bronze.ev', '{id}', sequence_by => 'seq',
	apply_as_deletes => $$op = 'd'$$, apply_as_truncates => $$op = 't'$$, except_column_list => '{op,seq}', on_schema_change => 'append_columns');
TABLE silver.now ORDER BY id;
ALTER TABLE bronze.ev DROP COLUMN name;
INSERT INTO bronze.ev (seq, op, id, amount, city) VALUES (50, 'u', 5, 55, 'Jena'), (51, 'c', 7, 7, 'Rom');
SELECT ins, upd, del, reason FROM pg_temp.applied('silver.now');
TABLE silver.now ORDER BY id;
SELECT medallion.drop_flow('silver.now', true);
DROP TABLE bronze.ev;

-- NULLs that leave a value alone; several key columns; a sequence of several values; history of some columns only.
CREATE TABLE bronze.pay (at timestamp, n int, shop text, till int, total float8, note text, gone bool);
INSERT INTO bronze.pay VALUES ('2026-01-01', 1, 'a', 1, 5, 'x', false), ('2026-01-01', 2, 'a', 1, NULL, 'y', false),
	('2026-01-02', 1, 'a', 1, 7, NULL, false), ('2026-01-02', 5, 'a', 1, 7, 'z', false), ('2026-01-01', 1, 'a', 2, 1, 'n', false), ('2026-01-03', 1, 'a', 2, NULL, NULL, true);
SELECT mode, inserted, reason FROM medallion.apply_changes('silver.pay', 'bronze.pay', '{shop,till}', sequence_by => 'ARRAY[extract(epoch FROM at)::bigint, n]',
	apply_as_deletes => 'gone', column_list => '{note,total}', ignore_null_updates => true);
TABLE silver.pay;
SELECT mode, inserted FROM medallion.apply_changes('silver.pay2', 'bronze.pay', '{shop,till}', sequence_by => 'at + n * interval ''1 second''',
	apply_as_deletes => 'gone', column_list => '{total,note}', scd_type => 2, track_history_column_list => '{total}');
SELECT * FROM silver.pay2 ORDER BY shop, till, "__START_AT";
SELECT mode, inserted FROM medallion.apply_changes('silver.pay3', 'bronze.pay', '{shop,till}', sequence_by => 'at + n * interval ''1 second''',
	apply_as_deletes => 'gone', column_list => '{total,note}', scd_type => 2, track_history_except_column_list => '{total}');
SELECT * FROM silver.pay3 ORDER BY shop, till, "__START_AT";

-- The source may be dropped, and another one take its place.
DROP TABLE bronze.pay CASCADE;
SELECT target, source, scd_type, keys, sequence_by, columns, state IS NOT NULL AS has_state FROM medallion.flows ORDER BY target;
SELECT medallion.apply_changes('silver.pay');
CREATE TABLE bronze.pay_again (at timestamptz, n int, shop text, till int, total float8, note text, gone bool);
INSERT INTO bronze.pay_again VALUES ('2026-01-05', 1, 'b', 1, 5, 'x', false), ('2025-01-01', 2, 'a', 1, 1, 'z', false);
SELECT mode, inserted, updated, late, reason FROM medallion.apply_changes('silver.pay', 'bronze.pay_again');
TABLE silver.pay ORDER BY shop, till;

-- Dropping a table takes the flow along.
DROP TABLE silver.pay, silver.pay2, silver.pay3, bronze.pay_again;
SELECT count(*) FROM medallion.flows;
SELECT count(*) FROM pg_class WHERE relnamespace = 'medallion_changes'::regnamespace;
SELECT target, mode, events, inserted, updated, deleted FROM medallion.flow_runs WHERE target = 'silver.pay' ORDER BY run_id;
