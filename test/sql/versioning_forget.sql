-- forget: one key goes from all of the past
CREATE TABLE silver.person (id int PRIMARY KEY, name text, city text);
SELECT medallion.enable_versioning('silver.person');
INSERT INTO silver.person VALUES (1, 'ann', 'Bern'), (2, 'bob', 'Rome'), (3, 'cid', 'Oslo');
SELECT medallion.tag('first') AS v \gset
UPDATE silver.person SET city = 'Paris' WHERE id <= 2;
SELECT medallion.tag('second') > 0 AS tagged;
-- while it is there it cannot be forgotten
SELECT * FROM medallion.forget('silver.person', '{"id": 2}');
-- deleted and forgotten in one transaction
BEGIN;
DELETE FROM silver.person WHERE id = 2;
SELECT * FROM medallion.forget('silver.person', '{"id": 2}');
COMMIT;
SELECT * FROM medallion.as_of(NULL::silver.person, version => medallion.version_of('first')) ORDER BY id;
SELECT * FROM medallion.as_of(NULL::silver.person, version => medallion.version_of('second')) ORDER BY id;
SELECT _change_type, _commit_version - :v AS later, row_data FROM medallion.changes(NULL::silver.person, :v);
SELECT operation, role_name = current_user AS mine, readable FROM medallion.history('silver.person');
-- deleted long ago; rolled back; again: nothing is left
DELETE FROM silver.person WHERE id = 1;
SELECT medallion.tag('without') > 0 AS tagged;
BEGIN;
SELECT * FROM medallion.forget('silver.person', '{"id": "1"}');
ROLLBACK;
SELECT count(*) FROM medallion.as_of(NULL::silver.person, version => :v) WHERE id = 1;
SELECT * FROM medallion.forget('silver.person', '{"id": 1}');
SELECT count(*) FROM medallion.as_of(NULL::silver.person, version => :v) WHERE id = 1;
SELECT * FROM medallion.forget('silver.person', '{"id": 1}');
SELECT count(*) FROM medallion_history."silver.person" WHERE id = 1;
-- a row of that key that comes later has a past of its own
INSERT INTO silver.person VALUES (1, 'amy', 'Lima');
SELECT count(*) FROM medallion.as_of(NULL::silver.person, version => :v) WHERE id = 1;

-- the state that a model was trained on: pins lose as well, and say so
CREATE TABLE silver.sample (id int PRIMARY KEY, x float8, y float8);
INSERT INTO silver.sample SELECT i, i, 2 * i + i % 3 FROM generate_series(1, 30) i;
SELECT medallion.enable_versioning('silver.sample');
SELECT version FROM medallion.train('forget_me', 'silver.sample', 'y', 'linear', validation => NULL, features => '{x}');
SELECT version FROM medallion.train('forget_me', 'silver.sample', 'y', 'linear', validation => NULL, features => '{x}');
SELECT p.version = (v.data_commits ->> 'silver.sample')::bigint AS data, p.relation, p.holder_kind, p.holder, p.erased_rows
FROM medallion.pins p, medallion.model_versions v WHERE v.model = 'forget_me' AND v.version = 1 ORDER BY holder;
DELETE FROM silver.sample WHERE id = 7;
SELECT * FROM medallion.forget('silver.sample', '{"id": 7}');
SELECT holder, erased_rows FROM medallion.pins ORDER BY holder;
-- names with dots are found as well
CREATE SCHEMA "odd.one";
CREATE TABLE "odd.one"."t.u" AS SELECT i AS id, i::float8 AS x, 2.0 * i AS y FROM generate_series(1, 30) i;
ALTER TABLE "odd.one"."t.u" ADD PRIMARY KEY (id);
SELECT medallion.enable_versioning('"odd.one"."t.u"');
SELECT version FROM medallion.train('forget_odd', '"odd.one"."t.u"', 'y', 'linear', validation => NULL, features => '{x}');
SELECT relation FROM medallion.pins WHERE holder LIKE 'forget_odd%';
SELECT medallion.drop_model('forget_odd');
DROP SCHEMA "odd.one" CASCADE;
-- pins hold pruning back, until the version of the model is dropped or released
UPDATE silver.sample SET x = x + 1;
DO $$ BEGIN PERFORM medallion.prune_history('silver.sample', '0 s');
EXCEPTION WHEN object_in_use THEN RAISE NOTICE '%', regexp_replace(sqlerrm, '\d+\)', 'N)'); END $$;
SELECT medallion.drop_model_version('forget_me', 1);
SELECT holder FROM medallion.pins;
SELECT relation, rows_removed, regexp_replace(blocked_by, '\d+\)', 'N)') AS blocked_by
FROM medallion.prune_history('silver.sample', '0 s', dry_run => true);
CREATE ROLE regress_forget;
GRANT USAGE ON SCHEMA silver TO regress_forget;
SET ROLE regress_forget;
SELECT medallion.unpin_model('forget_me');
SELECT medallion.unpin_model('forget_me', 'silver.sample');
SELECT count(*) FROM medallion.pins;
SELECT count(*) FROM medallion.history_sizes;
RESET ROLE;
SELECT medallion.unpin_model('forget_me', 'silver.sample');
SELECT medallion.unpin_model('forget_me');
SELECT action, object, rows FROM medallion.audit WHERE action = 'unpin';
SELECT relation, rows_removed, blocked_by FROM medallion.prune_history('silver.sample', '0 s');
SELECT medallion.drop_model('forget_me');
DROP TABLE silver.sample;

-- composite keys, other types, renamed columns
CREATE DOMAIN silver.code AS varchar(4) CHECK (value <> 'x');
CREATE TABLE silver.visit ("Who" silver.code, day date, ok bool, note text, PRIMARY KEY (day, "Who", ok));
SELECT medallion.enable_versioning('silver.visit');
INSERT INTO silver.visit VALUES ('a', '2026-01-01', true, 'one'), ('a', '2026-01-02', false, 'two'), ('b', '2026-01-01', true, 'three');
ALTER TABLE silver.visit RENAME COLUMN day TO "on";
DELETE FROM silver.visit;
SELECT * FROM medallion.forget('silver.visit', '{"Who": "a", "on": "2026-01-02", "ok": false}');
SELECT note FROM medallion_history."silver.visit" ORDER BY note;
\set VERBOSITY terse
SELECT * FROM medallion.forget('silver.visit', '{"Who": "a", "on": "2026-01-01"}');
SELECT * FROM medallion.forget('silver.visit', '{"Who": "a", "on": "2026-01-01", "ok": null}');
SELECT * FROM medallion.forget('silver.visit', '{"Who": "a", "on": "2026-01-01", "ok": true, "note": "one"}');
SELECT * FROM medallion.forget('silver.visit', '{"Who": "%", "on": ["2026-01-01"], "ok": true}');
SELECT * FROM medallion.forget('silver.visit', '{"Who": "a", "on": "someday", "ok": true}');
SELECT * FROM medallion.forget('silver.visit', '{}');
SELECT * FROM medallion.forget('silver.visit', '[1]');
SELECT * FROM medallion.forget('silver.visit', '"a"');
SELECT * FROM medallion.forget('silver.visit', NULL);
SELECT * FROM medallion.forget(NULL, '{}');
SELECT * FROM medallion.forget('pg_class', '{"oid": 1}');
\set VERBOSITY default
SELECT * FROM medallion.forget('silver.visit', '{"Who": "a"}');
SELECT note FROM medallion_history."silver.visit" ORDER BY note;
DROP TABLE silver.visit;
DROP TABLE medallion_history."silver.visit";
DROP DOMAIN silver.code;

-- a key whose column got another type
CREATE TABLE silver.retyped (id int PRIMARY KEY, v text);
SELECT medallion.enable_versioning('silver.retyped');
INSERT INTO silver.retyped VALUES (1, 'a'), (2, 'b');
UPDATE silver.retyped SET v = v || '2';
ALTER TABLE silver.retyped ALTER COLUMN id TYPE text USING 'n' || id;
UPDATE silver.retyped SET v = v || '3';
DELETE FROM silver.retyped WHERE id = 'n1';
SELECT * FROM medallion.forget('silver.retyped', '{"id": "n1"}');
SELECT * FROM medallion.forget('silver.retyped', '{"id": "1"}');
SELECT v FROM medallion_history."silver.retyped" WHERE v LIKE 'a%';
DROP TABLE silver.retyped;

-- rights
SET ROLE regress_forget;
SELECT * FROM medallion.forget('silver.person', '{"id": 3}');
RESET ROLE;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM medallion.forget('silver.person', '{"id": 3}');
ROLLBACK;
SELECT medallion.untag(tag) > 0 AS untagged FROM medallion.tags;
DROP TABLE silver.person;
DROP OWNED BY regress_forget;
DROP ROLE regress_forget;
