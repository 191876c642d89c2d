-- Everything that writes into versioned tables in unusual ways: each commit reads as the table was when it ended.
\a
\t
SET client_min_messages = warning;
CREATE SCHEMA writers;
SET search_path = writers;
CREATE TABLE marks (table_name text, version bigint, step text, rows text[]);
CREATE FUNCTION mark(relation regclass, step text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('INSERT INTO writers.marks SELECT %L, (SELECT max(version) FROM medallion.commits), %L,
		(SELECT array_agg(r::text ORDER BY r::text) FROM %s r)', relation, step, relation);
	RETURN step;
END$$;
CREATE FUNCTION wrong(relation regclass) RETURNS TABLE(step text) LANGUAGE plpgsql AS $$
DECLARE m record; past text[]; made text[]; start marks;
BEGIN
	SELECT * INTO start FROM writers.marks WHERE table_name = relation::text ORDER BY version LIMIT 1;
	FOR m IN SELECT * FROM writers.marks WHERE table_name = relation::text ORDER BY version LOOP
		EXECUTE format('SELECT array_agg(r::text ORDER BY r::text) FROM medallion.as_of(NULL::%s, version => %s) r', relation, m.version) INTO past;
		IF past IS DISTINCT FROM m.rows THEN step := m.step || ': ' || array_to_string(past, ' '); RETURN NEXT; END IF;
		CONTINUE WHEN m.version = start.version;
		EXECUTE format('SELECT array_agg(r ORDER BY r) FROM (SELECT r FROM (
				SELECT unnest($1) AS r, 1 AS n UNION ALL
				SELECT row_data::text, CASE WHEN _change_type IN (''insert'', ''update_postimage'') THEN 1 ELSE -1 END
				FROM medallion.changes(NULL::%s, %s, %s)) c GROUP BY r HAVING sum(n) > 0) f', relation, start.version + 1, m.version)
			INTO made USING start.rows;
		IF made IS DISTINCT FROM m.rows THEN step := 'feed, ' || m.step || ': ' || array_to_string(made, ' '); RETURN NEXT; END IF;
	END LOOP;
END$$;
CREATE FUNCTION numbers(relation regclass) RETURNS TABLE(numbers text) LANGUAGE sql AS
	$$SELECT format('%s +%s ~%s -%s', operation, inserted, updated, deleted) FROM medallion.history(relation) ORDER BY version$$;

-- Rules: INSTEAD into a versioned table, ALSO beside one, conditional, on the versioned table itself, and a view with an INSTEAD OF trigger.
CREATE TABLE t (id int PRIMARY KEY, v text);
SELECT medallion.enable_versioning('t'); SELECT mark('t', 'enable');
CREATE TABLE inbox (id int, v text);
CREATE RULE into_t AS ON INSERT TO inbox DO INSTEAD INSERT INTO t VALUES (NEW.id, NEW.v);
INSERT INTO inbox VALUES (1, 'instead'), (2, 'instead'); SELECT mark('t', 'rule instead');
DROP RULE into_t ON inbox;
CREATE RULE also_t AS ON INSERT TO inbox DO ALSO INSERT INTO t VALUES (NEW.id, NEW.v);
INSERT INTO inbox VALUES (3, 'also'); SELECT mark('t', 'rule also');
CREATE RULE update_t AS ON UPDATE TO inbox DO ALSO UPDATE t SET v = NEW.v WHERE id = OLD.id;
UPDATE inbox SET v = 'by rule'; SELECT mark('t', 'rule update');
CREATE TABLE audit (id int PRIMARY KEY, v text); SELECT medallion.enable_versioning('audit'); SELECT mark('audit', 'enable');
CREATE RULE audit_t AS ON DELETE TO t DO ALSO INSERT INTO audit VALUES (OLD.id, OLD.v);
DELETE FROM t WHERE id = 2; SELECT mark('t', 'rule on delete'), mark('audit', 'rule on delete');
CREATE RULE keep_t AS ON UPDATE TO t WHERE NEW.v = 'no' DO INSTEAD NOTHING;
UPDATE t SET v = CASE id WHEN 1 THEN 'no' ELSE 'yes' END; SELECT mark('t', 'rule nothing');
DROP RULE audit_t ON t; DROP RULE keep_t ON t;
CREATE VIEW v_t AS SELECT id, upper(v) AS v FROM t;
CREATE FUNCTION instead() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE writers.t SET v = NEW.v WHERE id = NEW.id; RETURN NEW; END$$;
CREATE TRIGGER instead INSTEAD OF UPDATE ON v_t FOR EACH ROW EXECUTE FUNCTION instead();
UPDATE v_t SET v = 'instead of' WHERE id = 3; SELECT mark('t', 'instead of');
CREATE VIEW simple_t AS SELECT * FROM t WHERE id < 100 WITH CHECK OPTION;
INSERT INTO simple_t VALUES (4, 'view'); DELETE FROM simple_t WHERE id = 3; SELECT mark('t', 'updatable view');
SELECT * FROM wrong('t') UNION ALL SELECT * FROM wrong('audit');
SELECT numbers('t');

-- Triggers of the user, before and after those of versioning by name; rows changed, left out, written by triggers.
CREATE TABLE u (id int PRIMARY KEY, v text, n int DEFAULT 0);
SELECT medallion.enable_versioning('u'); SELECT mark('u', 'enable');
CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'DELETE' THEN IF OLD.v = 'keep' THEN RETURN NULL; END IF; RETURN OLD; END IF;
	IF NEW.v = 'skip' THEN RETURN NULL; END IF;
	NEW.n := NEW.n + 1;
	RETURN NEW;
END$$;
CREATE TRIGGER a_first BEFORE INSERT OR UPDATE OR DELETE ON u FOR EACH ROW EXECUTE FUNCTION change();
CREATE TRIGGER z_last BEFORE INSERT OR UPDATE OR DELETE ON u FOR EACH ROW EXECUTE FUNCTION change();
INSERT INTO u VALUES (1, 'a'), (2, 'skip'), (3, 'keep'); SELECT mark('u', 'before insert');
UPDATE u SET v = CASE id WHEN 1 THEN 'b' ELSE 'skip' END; SELECT mark('u', 'before update');
DELETE FROM u; SELECT mark('u', 'before delete');
CREATE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF pg_trigger_depth() > 1 THEN RETURN NULL; END IF;
	IF TG_OP = 'INSERT' THEN UPDATE writers.u SET v = v || '+' WHERE id = NEW.id; INSERT INTO writers.u VALUES (NEW.id + 1000, TG_NAME) ON CONFLICT (id) DO UPDATE SET v = writers.u.v || '&'; END IF;
	IF TG_OP = 'UPDATE' THEN DELETE FROM writers.u WHERE id = NEW.id + 1000; END IF;
	RETURN NULL;
END$$;
CREATE TRIGGER a_after AFTER INSERT OR UPDATE ON u FOR EACH ROW EXECUTE FUNCTION follow();
CREATE TRIGGER z_after AFTER INSERT OR UPDATE ON u FOR EACH ROW EXECUTE FUNCTION follow();
INSERT INTO u VALUES (5, 'e'), (6, 'f'); SELECT mark('u', 'after insert');
UPDATE u SET v = 'g' WHERE id = 5; SELECT mark('u', 'after update');
CREATE FUNCTION follow_statement() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF pg_trigger_depth() = 1 THEN UPDATE writers.u SET n = 0 WHERE n > 5; END IF; RETURN NULL; END$$;
CREATE TRIGGER statement AFTER UPDATE ON u REFERENCING OLD TABLE AS gone NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION follow_statement();
UPDATE u SET n = 9 WHERE id = 6; SELECT mark('u', 'statement trigger');
-- A deferred constraint trigger that writes at commit, also into a versioned table that nothing else touched.
CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO writers.audit VALUES (NEW.id + 100, 'late') ON CONFLICT (id) DO UPDATE SET v = writers.audit.v || '!';
	IF pg_trigger_depth() = 1 THEN UPDATE writers.u SET v = 'late' WHERE id = 6; END IF;
	RETURN NULL;
END$$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON u DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();
BEGIN; INSERT INTO u VALUES (7, 'h'); SELECT count(*) FROM audit WHERE v LIKE 'late%'; COMMIT; SELECT mark('u', 'deferred'), mark('audit', 'deferred');
BEGIN; SET CONSTRAINTS ALL IMMEDIATE; INSERT INTO u VALUES (8, 'i'); COMMIT; SELECT mark('u', 'immediate'), mark('audit', 'immediate');
CREATE TABLE plain (id int);
CREATE FUNCTION late_plain() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE writers.audit SET v = 'from plain' WHERE id = NEW.id; RETURN NULL; END$$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON plain DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late_plain();
INSERT INTO plain VALUES (2); SELECT mark('audit', 'deferred from elsewhere');
SELECT * FROM wrong('u') UNION ALL SELECT * FROM wrong('audit');
SELECT numbers('u');
SELECT numbers('audit');

-- ON CONFLICT, MERGE with all actions, one row twice in writable CTEs, cursors.
CREATE TABLE c (id int PRIMARY KEY, v int, UNIQUE (v) DEFERRABLE);
SELECT medallion.enable_versioning('c'); SELECT mark('c', 'enable');
INSERT INTO c SELECT i, i FROM generate_series(1, 6) i; SELECT mark('c', 'insert');
INSERT INTO c VALUES (1, 10) ON CONFLICT (id) DO UPDATE SET v = 11; SELECT mark('c', 'on conflict');
INSERT INTO c VALUES (1, 10) ON CONFLICT (id) DO NOTHING; SELECT mark('c', 'do nothing');
BEGIN; INSERT INTO c VALUES (7, 7) ON CONFLICT (id) DO UPDATE SET v = 70; INSERT INTO c VALUES (7, 7) ON CONFLICT (id) DO UPDATE SET v = 77; COMMIT; SELECT mark('c', 'conflict with own');
INSERT INTO c VALUES (8, 8), (8, 9) ON CONFLICT (id) DO UPDATE SET v = 0;
MERGE INTO c USING (SELECT i FROM generate_series(5, 9) i) s ON c.id = s.i
	WHEN MATCHED AND s.i = 5 THEN DELETE WHEN MATCHED AND s.i = 6 THEN DO NOTHING WHEN MATCHED THEN UPDATE SET v = -1
	WHEN NOT MATCHED AND s.i = 8 THEN INSERT VALUES (8, 88) WHEN NOT MATCHED THEN DO NOTHING; SELECT mark('c', 'merge');
WITH a AS (UPDATE c SET v = v + 100 WHERE id = 2 RETURNING *), b AS (INSERT INTO c SELECT id + 10, v + 1 FROM a RETURNING *), d AS (DELETE FROM c WHERE id = 3)
	SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b); SELECT mark('c', 'writable CTE');
WITH a AS (UPDATE c SET v = 1000 WHERE id = 2) UPDATE c SET v = 2000 WHERE id = 2; SELECT mark('c', 'one row twice');
WITH a AS (DELETE FROM c WHERE id = 2) UPDATE c SET v = 3000 WHERE id = 2; SELECT mark('c', 'deleted and updated');
WITH a AS (UPDATE c SET v = 4000 WHERE id = 4) DELETE FROM c WHERE id = 4; SELECT mark('c', 'updated and deleted');
BEGIN; DECLARE k CURSOR FOR SELECT * FROM c ORDER BY id FOR UPDATE; FETCH 1 FROM k; UPDATE c SET v = 5000 WHERE CURRENT OF k; MOVE k; DELETE FROM c WHERE CURRENT OF k; COMMIT; SELECT mark('c', 'cursor');
BEGIN; UPDATE c SET v = v + 1; UPDATE c SET v = v - 1; COMMIT; SELECT mark('c', 'to and fro');
BEGIN; DELETE FROM c WHERE id = 1; INSERT INTO c VALUES (1, 5000); COMMIT; SELECT mark('c', 'out and in');
BEGIN; INSERT INTO c VALUES (20, 20); DELETE FROM c WHERE id = 20; COMMIT; SELECT mark('c', 'in and out');
BEGIN; SET CONSTRAINTS ALL DEFERRED; UPDATE c SET v = 88 WHERE id = 1; UPDATE c SET v = 5000 WHERE id = 8; COMMIT; SELECT mark('c', 'deferred unique');
SELECT * FROM wrong('c');
SELECT numbers('c');

-- Transactions: CHAIN, procedures that commit, rollback to savepoints at every depth, exception blocks.
CREATE TABLE x (id int PRIMARY KEY, v int);
SELECT medallion.enable_versioning('x'); SELECT mark('x', 'enable');
BEGIN; INSERT INTO x VALUES (1, 1); COMMIT AND CHAIN; UPDATE x SET v = 2; ROLLBACK AND CHAIN; UPDATE x SET v = 3; COMMIT; SELECT mark('x', 'chain');
CREATE PROCEDURE loops() LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 10 .. 15 LOOP
		INSERT INTO writers.x VALUES (i, i);
		UPDATE writers.x SET v = v + 1 WHERE id = i - 1;
		IF i % 3 = 0 THEN ROLLBACK; ELSE COMMIT; END IF;
	END LOOP;
END$$;
CALL loops(); SELECT mark('x', 'procedure');
BEGIN; SAVEPOINT a; INSERT INTO x VALUES (20, 0); SAVEPOINT b; UPDATE x SET v = 1 WHERE id = 20; SAVEPOINT c; DELETE FROM x WHERE id < 20; ROLLBACK TO c;
	UPDATE x SET v = 2 WHERE id IN (1, 20); RELEASE b; SAVEPOINT b; DELETE FROM x WHERE id = 1; ROLLBACK TO b; UPDATE x SET v = v + 1; COMMIT; SELECT mark('x', 'savepoints');
DO $$BEGIN
	FOR i IN 100 .. 1099 LOOP
		BEGIN
			INSERT INTO writers.x VALUES (i, 0);
			UPDATE writers.x SET v = v + 1 WHERE id IN (i, 1);
			IF i % 2 = 0 THEN RAISE EXCEPTION USING ERRCODE = 'P0099'; END IF;
			BEGIN DELETE FROM writers.x WHERE id = i - 50; IF i % 3 = 0 THEN RAISE EXCEPTION USING ERRCODE = 'P0099'; END IF; EXCEPTION WHEN SQLSTATE 'P0099' THEN NULL; END;
		EXCEPTION WHEN SQLSTATE 'P0099' THEN NULL;
		END;
	END LOOP;
END$$; SELECT mark('x', 'exception blocks');
-- Ten thousand of them in one transaction: memory does not grow with what was rolled back or written before.
BEGIN;
DO $$BEGIN FOR i IN 1 .. 10000 LOOP BEGIN INSERT INTO writers.x VALUES (10000 + i, 0); UPDATE writers.x SET v = v + 1 WHERE id = 10000 + i; IF i % 2 = 0 THEN RAISE EXCEPTION USING ERRCODE = 'P0099'; END IF; EXCEPTION WHEN SQLSTATE 'P0099' THEN NULL; END; END LOOP; END$$;
SELECT sum(used_bytes) < 2000000 AS bounded FROM pg_backend_memory_contexts WHERE name IN ('TopTransactionContext', 'medallion old rows');
COMMIT; SELECT mark('x', 'ten thousand');
SELECT array_length(substamps, 1) FROM medallion_history.commit_log ORDER BY version DESC LIMIT 1;
BEGIN; TRUNCATE x; INSERT INTO x VALUES (1, 1); SAVEPOINT a; TRUNCATE x; ROLLBACK TO a; UPDATE x SET v = 5; COMMIT; SELECT mark('x', 'truncate and savepoint');
BEGIN; SAVEPOINT a; TRUNCATE x; ROLLBACK TO a; INSERT INTO x VALUES (2, 2); COMMIT; SELECT mark('x', 'truncate rolled back');
BEGIN ISOLATION LEVEL SERIALIZABLE; INSERT INTO x SELECT max(id) + 1, 0 FROM x; UPDATE x SET v = (SELECT count(*) FROM x); COMMIT; SELECT mark('x', 'serializable');
BEGIN ISOLATION LEVEL REPEATABLE READ; UPDATE x SET v = v + 1; COMMIT; SELECT mark('x', 'repeatable read');
SET session_replication_role = replica; UPDATE x SET v = -1 WHERE id = 1; DELETE FROM x WHERE id = 2; TRUNCATE audit; RESET session_replication_role; SELECT mark('x', 'replica'), mark('audit', 'replica');
BEGIN; UPDATE x SET v = 9; PREPARE TRANSACTION 'p'; ROLLBACK; SELECT mark('x', 'prepared');
PREPARE up(int) AS UPDATE x SET v = v + $1; EXECUTE up(1); SELECT mark('x', 'prepared statement'); EXECUTE up(2); SELECT mark('x', 'again'); DEALLOCATE up;
SELECT * FROM wrong('x') UNION ALL SELECT * FROM wrong('audit');
SELECT numbers('x');

-- Foreign keys: chains of CASCADE, SET NULL, SET DEFAULT, to itself.
CREATE TABLE f1 (id int PRIMARY KEY);
CREATE TABLE f2 (id int PRIMARY KEY, f1 int REFERENCES f1 ON DELETE CASCADE ON UPDATE CASCADE, boss int REFERENCES f2 ON DELETE SET NULL);
CREATE TABLE f3 (id int PRIMARY KEY, f2 int DEFAULT 1 REFERENCES f2 ON DELETE SET DEFAULT ON UPDATE SET NULL);
SELECT medallion.enable_versioning(r) FROM unnest('{f1,f2,f3}'::regclass[]) r; SELECT mark(r, 'enable') FROM unnest('{f1,f2,f3}'::regclass[]) r;
BEGIN; INSERT INTO f1 SELECT generate_series(1, 4); INSERT INTO f2 SELECT i, i, nullif(i - 1, 0) FROM generate_series(1, 4) i; INSERT INTO f3 SELECT i, i FROM generate_series(1, 4) i; COMMIT; SELECT mark(r, 'insert') FROM unnest('{f1,f2,f3}'::regclass[]) r;
DELETE FROM f1 WHERE id = 2; SELECT mark(r, 'delete') FROM unnest('{f1,f2,f3}'::regclass[]) r;
UPDATE f1 SET id = 30 WHERE id = 3; SELECT mark(r, 'update') FROM unnest('{f1,f2,f3}'::regclass[]) r;
UPDATE f2 SET id = 40, boss = NULL WHERE id = 4; SELECT mark(r, 'update key') FROM unnest('{f1,f2,f3}'::regclass[]) r;
SELECT w.* FROM unnest('{f1,f2,f3}'::regclass[]) r, wrong(r) w;
SELECT r || ': ' || n FROM unnest('{f1,f2,f3}'::regclass[]) r, numbers(r) n;

-- Columns: generated, identity, domains, composite, arrays, values out of line that an update leaves alone.
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE TYPE pair AS (a int, b text);
CREATE TABLE k (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, n positive, twice int GENERATED ALWAYS AS (n * 2) STORED, p pair, many int[], long text, small int);
ALTER TABLE k ALTER long SET STORAGE EXTERNAL;
SELECT medallion.enable_versioning('k'); SELECT mark('k', 'enable');
INSERT INTO k (n, p, many, long) SELECT i, (i, 'x')::pair, ARRAY[i, i], repeat(i::text, 10000) FROM generate_series(1, 4) i; SELECT mark('k', 'insert');
UPDATE k SET small = 1; SELECT mark('k', 'out of line untouched');
UPDATE k SET n = n + 1, p.b = 'y' WHERE id < 3; SELECT mark('k', 'update');
UPDATE k SET long = long || 'z' WHERE id = 1; SELECT mark('k', 'out of line changed');
UPDATE k SET long = long WHERE id = 2; SELECT mark('k', 'no change');
DELETE FROM k WHERE id = 3; VACUUM k; SELECT mark('k', 'delete');
UPDATE k SET id = DEFAULT WHERE id = 4; SELECT mark('k', 'identity');
VACUUM FULL k;
SELECT * FROM wrong('k');
SELECT numbers('k');
SELECT sum(length(long)) FROM medallion.as_of(NULL::k, version => (SELECT version FROM marks WHERE step = 'out of line untouched'));

-- Counts that need the feed are left out where past values cannot be converted to the types of today.
CREATE TABLE h (id int PRIMARY KEY, v text);
SELECT medallion.enable_versioning('h');
BEGIN; INSERT INTO h VALUES (1, 'one'), (2, '2'); UPDATE h SET v = 'two' WHERE id = 2; DELETE FROM h WHERE id = 1; COMMIT;
UPDATE h SET v = '2';
ALTER TABLE h ALTER v TYPE int USING v::int;
SELECT numbers('h');

-- What cannot be known is refused.
SELECT medallion._capture_later(NULL, '(0,1)');
SELECT medallion._capture_later(ctid, ctid) FROM x;
CREATE TRIGGER forged AFTER UPDATE ON plain FOR EACH ROW WHEN (medallion._capture_later(OLD.ctid, NEW.ctid)) EXECUTE FUNCTION late_plain();
INSERT INTO plain VALUES (50); UPDATE plain SET id = 51 WHERE id = 50;
DROP SCHEMA writers CASCADE;
