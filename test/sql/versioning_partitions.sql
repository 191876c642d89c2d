-- Versioned partitioned tables: all levels, all ways to write, partitions that come and go.
\a
\t
SET client_min_messages = warning;
CREATE SCHEMA parts;
SET search_path = parts;

-- What each commit left, to compare its version with afterwards.
CREATE TABLE marks (table_name text, version bigint, step text, rows text[]);
CREATE FUNCTION mark(relation regclass, step text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('INSERT INTO parts.marks SELECT %L, (SELECT max(version) FROM medallion.commits), %L,
		(SELECT array_agg(r::text ORDER BY r::text) FROM %s r)', relation, step, relation);
	RETURN step;
END$$;
-- Steps whose version does not read as the table did then; none is right.
CREATE FUNCTION wrong(relation regclass) RETURNS TABLE(step text) LANGUAGE plpgsql AS $$
DECLARE m record; past text[];
BEGIN
	FOR m IN SELECT * FROM parts.marks WHERE table_name = relation::text ORDER BY version LOOP
		EXECUTE format('SELECT array_agg(r::text ORDER BY r::text) FROM medallion.as_of(NULL::%s, version => %s) r', relation, m.version) INTO past;
		IF past IS DISTINCT FROM m.rows THEN step := m.step || ': ' || array_to_string(past, ' '); RETURN NEXT; END IF;
	END LOOP;
END$$;
-- The same for the change feed: its changes from the first mark on, added up, make the rows of each mark.
CREATE FUNCTION wrong_feed(relation regclass) RETURNS TABLE(step text) LANGUAGE plpgsql AS $$
DECLARE m record; made text[]; start marks;
BEGIN
	SELECT * INTO start FROM parts.marks WHERE table_name = relation::text ORDER BY version LIMIT 1;
	FOR m IN SELECT * FROM parts.marks WHERE table_name = relation::text AND version > start.version ORDER BY version LOOP
		EXECUTE format('SELECT array_agg(r ORDER BY r) FROM (SELECT r FROM (
				SELECT unnest($1) AS r, 1 AS n UNION ALL
				SELECT row_data::text, CASE WHEN _change_type IN (''insert'', ''update_postimage'') THEN 1 ELSE -1 END
				FROM medallion.changes(NULL::%s, %s, %s)) c GROUP BY r HAVING sum(n) > 0) f', relation, start.version + 1, m.version)
			INTO made USING start.rows;
		IF made IS DISTINCT FROM m.rows THEN step := m.step || ': ' || array_to_string(made, ' '); RETURN NEXT; END IF;
	END LOOP;
END$$;
CREATE FUNCTION numbers(relation regclass) RETURNS TABLE(operation text, inserted bigint, updated bigint, deleted bigint) LANGUAGE sql
	AS 'SELECT operation, inserted, updated, deleted FROM medallion.history(relation) ORDER BY version';

-- Range over list, a default, one partition with other column numbers; rows that are older than versioning.
CREATE TABLE sales (id int, day date, region text, note text, PRIMARY KEY (id, day, region)) PARTITION BY RANGE (day);
CREATE TABLE sales_jan PARTITION OF sales FOR VALUES FROM ('2026-01-01') TO ('2026-02-01') PARTITION BY LIST (region);
CREATE TABLE sales_jan_n PARTITION OF sales_jan FOR VALUES IN ('n');
CREATE TABLE sales_jan_rest PARTITION OF sales_jan DEFAULT;
CREATE TABLE sales_feb (gone int, note text, region text NOT NULL, day date NOT NULL, id int NOT NULL);
ALTER TABLE sales_feb DROP gone;
ALTER TABLE sales ATTACH PARTITION sales_feb FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE sales_rest PARTITION OF sales DEFAULT;
INSERT INTO sales VALUES (1, '2026-01-05', 'n', 'old'), (2, '2026-01-06', 's', 'old'), (3, '2026-02-07', 'n', 'old'), (4, '2027-01-01', 'n', 'old');
SELECT medallion.enable_versioning('sales');
SELECT medallion.enable_versioning('sales');
SELECT tgrelid::regclass, count(*), bool_and(tgenabled = 'A') AS always FROM pg_trigger
	WHERE tgname LIKE 'medallion_capture%' AND tgrelid IN (SELECT relid FROM pg_partition_tree('sales')) GROUP BY 1 ORDER BY 1::text;
SELECT count(*) AS histories FROM medallion_history.versioned_tables WHERE schema_name = 'parts' ORDER BY 1;
SELECT mark('sales', 'enable');
-- Through the root, an intermediate table, a leaf; MERGE, ON CONFLICT, COPY; one row twice; a savepoint.
INSERT INTO sales VALUES (5, '2026-01-08', 'n', 'root'), (6, '2026-02-08', 's', 'root'), (7, '2028-02-08', 's', 'root'); SELECT mark('sales', 'insert');
INSERT INTO sales_jan VALUES (8, '2026-01-09', 's', 'middle'); SELECT mark('sales', 'insert middle');
INSERT INTO sales_feb (id, day, region, note) VALUES (9, '2026-02-09', 's', 'leaf'); SELECT mark('sales', 'insert leaf');
UPDATE sales SET note = 'new' WHERE id IN (1, 3, 6); SELECT mark('sales', 'update');
UPDATE sales_feb SET note = 'leaf too' WHERE id = 3; SELECT mark('sales', 'update leaf');
DELETE FROM sales WHERE id = 4; SELECT mark('sales', 'delete');
DELETE FROM sales_jan_n WHERE id = 5; SELECT mark('sales', 'delete leaf');
INSERT INTO sales VALUES (1, '2026-01-05', 'n', 'x'), (10, '2026-02-10', 'n', 'x') ON CONFLICT (id, day, region) DO UPDATE SET note = 'conflict'; SELECT mark('sales', 'on conflict');
MERGE INTO sales s USING (VALUES (2, '2026-01-06'::date, 's'), (9, '2026-02-09', 's'), (11, '2026-01-11', 'n')) AS v(id, day, region)
	ON s.id = v.id AND s.day = v.day AND s.region = v.region
	WHEN MATCHED AND v.id = 2 THEN DELETE WHEN MATCHED THEN UPDATE SET note = 'merged' WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.day, v.region, 'merged'); SELECT mark('sales', 'merge');
COPY sales FROM stdin;
12	2026-01-12	n	copied
13	2026-02-13	n	copied
\.
SELECT mark('sales', 'copy');
BEGIN; UPDATE sales SET note = 'a' WHERE id = 12; SAVEPOINT s; UPDATE sales SET note = 'b', day = '2026-02-20' WHERE id = 12; ROLLBACK TO s; UPDATE sales SET note = 'c' WHERE id = 12; COMMIT; SELECT mark('sales', 'savepoint');
-- Rows that move: within a key that holds the partition key this is a delete and an insert.
UPDATE sales SET day = day + 31 WHERE id IN (1, 11); SELECT mark('sales', 'cross-partition update');
UPDATE sales SET region = 's' WHERE id = 12; SELECT mark('sales', 'cross-partition update below');
BEGIN; UPDATE sales SET day = '2026-01-30' WHERE id = 13; UPDATE sales SET day = '2026-02-13' WHERE id = 13; COMMIT; SELECT mark('sales', 'there and back');
TRUNCATE sales_feb; SELECT mark('sales', 'truncate leaf');
INSERT INTO sales VALUES (14, '2026-01-14', 'n', 'before truncate'), (15, '2026-02-15', 'n', 'before truncate'); SELECT mark('sales', 'insert again');
TRUNCATE sales; SELECT mark('sales', 'truncate root');
INSERT INTO sales VALUES (16, '2026-01-14', 'n', 'after'); SELECT mark('sales', 'insert after');
SELECT * FROM wrong('sales');
SELECT * FROM wrong_feed('sales');
SELECT * FROM numbers('sales');

-- The past of a partition: the rows of the root that would be in it now.
SELECT min(version) AS v0, max(version) FILTER (WHERE step = 'copy') AS copied FROM marks WHERE table_name = 'sales' \gset
SELECT id, day, region, note FROM medallion.as_of(NULL::sales_feb, version => :copied) ORDER BY id;
SELECT id, day, region, note FROM medallion.as_of(NULL::sales_jan, version => :copied) ORDER BY id;
SELECT id, day, region, note FROM medallion.as_of(NULL::sales_rest, version => :copied) ORDER BY id;
SELECT _change_type, _commit_version - :v0 AS nth, row_data FROM medallion.changes(NULL::sales_feb, :v0, :copied);
SELECT * FROM medallion.history('sales_feb');
SELECT medallion.enable_versioning('sales_feb');
SELECT medallion.disable_versioning('sales_feb');

-- Partitions are pruned and indexes used, on both sides.
SET enable_seqscan = off;
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP RETURN NEXT regexp_replace(regexp_replace(line, '''\d+''::bigint', 'v', 'g'), '_readable\(\d+', '_readable(n'); END LOOP;
END$$;
SELECT plan(format('SELECT * FROM medallion.as_of(NULL::parts.sales, version => %s) WHERE id = 3 AND day = ''2026-02-07'' AND region = ''n''', :copied));
SELECT plan(format('SELECT * FROM medallion.as_of(NULL::parts.sales_jan, version => %s) WHERE id = 3 AND region = ''n''', :copied));
RESET enable_seqscan;

-- ATTACH of rows that are older, of others that are younger than the attaching transaction, and of its own.
CREATE TABLE sales_mar (id int NOT NULL, day date NOT NULL, region text NOT NULL, note text);
INSERT INTO sales_mar SELECT i, '2026-03-01'::date + i, 'n', 'brought' FROM generate_series(20, 23) i;
SELECT count(*) FROM medallion_history.partitions;
ALTER TABLE sales ATTACH PARTITION sales_mar FOR VALUES FROM ('2026-03-01') TO ('2026-04-01'); SELECT mark('sales', 'attach');
UPDATE sales SET note = 'updated' WHERE id = 20; SELECT mark('sales', 'update attached');
DELETE FROM sales_mar WHERE id = 21; SELECT mark('sales', 'delete attached');
INSERT INTO sales VALUES (24, '2026-03-24', 'n', 'later'); SELECT mark('sales', 'insert attached');
UPDATE sales SET note = 'later still' WHERE id = 24; SELECT mark('sales', 'update later');
BEGIN;
CREATE TABLE sales_apr (LIKE sales INCLUDING ALL); INSERT INTO sales_apr SELECT i, '2026-04-01', 'n', 'made here' FROM generate_series(30, 31) i;
ALTER TABLE sales ATTACH PARTITION sales_apr FOR VALUES FROM ('2026-04-01') TO ('2026-05-01');
UPDATE sales SET note = 'at once' WHERE id = 30;
COMMIT; SELECT mark('sales', 'attach own');
SELECT partition_name FROM medallion_history.partitions;
-- A tree as a partition.
CREATE TABLE sales_may (id int NOT NULL, day date NOT NULL, region text NOT NULL, note text) PARTITION BY HASH (id);
CREATE TABLE sales_may_0 PARTITION OF sales_may FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE sales_may_1 PARTITION OF sales_may FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO sales_may SELECT i, '2026-05-02', 'n', 'tree' FROM generate_series(40, 43) i;
ALTER TABLE sales ATTACH PARTITION sales_may FOR VALUES FROM ('2026-05-01') TO ('2026-06-01'); SELECT mark('sales', 'attach tree');
DELETE FROM sales WHERE id = 40; SELECT mark('sales', 'delete in tree');
CREATE TABLE sales_jun PARTITION OF sales FOR VALUES FROM ('2026-06-01') TO ('2026-07-01');
INSERT INTO sales VALUES (50, '2026-06-06', 'n', 'created'); SELECT mark('sales', 'created');
TRUNCATE sales_jun; SELECT mark('sales', 'truncate created');
TRUNCATE sales_may_1; SELECT mark('sales', 'truncate below');
BEGIN; ALTER TABLE sales DETACH PARTITION sales_mar; ROLLBACK;
BEGIN; SAVEPOINT s; DROP TABLE sales_mar; ROLLBACK TO s; UPDATE sales SET note = 'after rollback' WHERE id = 22; COMMIT; SELECT mark('sales', 'drop rolled back');
ALTER TABLE sales_mar RENAME TO sales_march; SELECT mark('sales', 'rename leaf');
UPDATE sales SET note = 'renamed' WHERE id = 23; SELECT mark('sales', 'update renamed');
ALTER TABLE sales DETACH PARTITION sales_march; SELECT mark('sales', 'detach');
SELECT count(*) AS rows, (SELECT count(*) FROM pg_trigger WHERE tgrelid = 'sales_march'::regclass) AS triggers FROM sales_march;
UPDATE sales_march SET note = 'on its own'; DELETE FROM sales_march WHERE id = 23; INSERT INTO sales_march VALUES (25, '2026-03-25', 'n', 'on its own');
SELECT medallion.as_of(NULL::sales_march, version => :copied);
ALTER TABLE sales ATTACH PARTITION sales_march FOR VALUES FROM ('2026-03-01') TO ('2026-04-01'); SELECT mark('sales', 'attach again');
DELETE FROM sales WHERE id = 25; SELECT mark('sales', 'delete attached again');
DROP TABLE sales_apr; SELECT mark('sales', 'drop');
ALTER TABLE sales DETACH PARTITION sales_may; SELECT mark('sales', 'detach tree');
-- Maintenance in one transaction: the default split, as pg_partman does it.
INSERT INTO sales SELECT i, '2029-01-01'::date + i, 'n', 'default' FROM generate_series(60, 63) i; SELECT mark('sales', 'default');
BEGIN;
ALTER TABLE sales DETACH PARTITION sales_rest;
CREATE TABLE sales_2029 PARTITION OF sales FOR VALUES FROM ('2029-01-01') TO ('2030-01-01');
ALTER TABLE sales ATTACH PARTITION sales_rest DEFAULT;
ROLLBACK;
BEGIN;
ALTER TABLE sales DETACH PARTITION sales_rest;
CREATE TABLE sales_2029 PARTITION OF sales FOR VALUES FROM ('2029-01-01') TO ('2030-01-01');
WITH moved AS (DELETE FROM sales_rest WHERE day >= '2029-01-01' RETURNING *) INSERT INTO sales SELECT * FROM moved;
ALTER TABLE sales ATTACH PARTITION sales_rest DEFAULT;
COMMIT; SELECT mark('sales', 'split');
DELETE FROM sales WHERE id IN (60, 61); SELECT mark('sales', 'delete after split');
SELECT * FROM wrong('sales');
SELECT * FROM wrong_feed('sales');
SELECT operation, inserted, updated, deleted FROM medallion.history('sales') WHERE version > (SELECT version FROM marks WHERE step = 'insert after') ORDER BY version;

-- The bounds of a default partition change with its neighbours, and so do those of its own partitions.
CREATE TABLE nested (k int PRIMARY KEY, v text) PARTITION BY LIST (k);
CREATE TABLE nested_1 PARTITION OF nested FOR VALUES IN (1, 2);
CREATE TABLE nested_rest PARTITION OF nested DEFAULT PARTITION BY HASH (k);
CREATE TABLE nested_rest_0 PARTITION OF nested_rest FOR VALUES WITH (MODULUS 1, REMAINDER 0);
SELECT medallion.enable_versioning('nested');
INSERT INTO nested VALUES (1, 'one'), (3, 'three'), (4, 'four'); SELECT max(version) AS n FROM medallion.commits \gset
PREPARE rest AS SELECT * FROM medallion.as_of(NULL::nested_rest_0, version => :n) ORDER BY k;
SET plan_cache_mode = force_generic_plan;
EXECUTE rest;
ALTER TABLE nested DETACH PARTITION nested_1;
EXECUTE rest;
INSERT INTO nested_rest_0 VALUES (2, 'two');
DELETE FROM nested WHERE k = 3;
CREATE TABLE nested_3 PARTITION OF nested FOR VALUES IN (3);
EXECUTE rest;
DROP TABLE nested_3;
EXECUTE rest;
RESET plan_cache_mode;

-- ALTER TABLE of the root is followed once, for all.
ALTER TABLE sales ADD COLUMN price numeric;
UPDATE sales SET price = id;
ALTER TABLE sales RENAME COLUMN price TO cost;
ALTER TABLE sales RENAME TO orders;
SELECT max(version) AS v FROM medallion.commits \gset
UPDATE orders SET cost = 0 WHERE id = 16;
SELECT id, cost FROM medallion.as_of(NULL::orders, version => :v) WHERE id IN (16, 62) ORDER BY id;
SELECT id, cost FROM medallion.as_of(NULL::sales_2029, version => :v) ORDER BY id;
SELECT history_table FROM medallion_history.versioned_tables WHERE schema_name = 'parts' ORDER BY 1;
ALTER TABLE orders DROP COLUMN cost;
DELETE FROM orders WHERE id = 62;
SELECT id, note FROM medallion.as_of(NULL::orders, version => :v) WHERE id IN (16, 62) ORDER BY id;

-- Refused.
CREATE TABLE own_history (LIKE orders INCLUDING ALL);
SELECT medallion.enable_versioning('own_history');
ALTER TABLE orders ATTACH PARTITION own_history FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
CREATE TABLE plain_root (LIKE orders INCLUDING ALL) PARTITION BY RANGE (day);
ALTER TABLE plain_root ATTACH PARTITION own_history FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
CREATE UNLOGGED TABLE unlogged PARTITION OF orders FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
ALTER TABLE orders DETACH PARTITION sales_2029 CONCURRENTLY;
ALTER TABLE sales_2029 DISABLE TRIGGER ALL;
ALTER TABLE orders DISABLE TRIGGER ALL;
DROP TRIGGER medallion_capture_truncate ON sales_2029;
DROP TRIGGER medallion_capture_insert ON orders;
ALTER TRIGGER medallion_capture_truncate ON sales_2029 RENAME TO other;
CREATE TABLE heir () INHERITS (own_history);
CREATE TABLE heir (LIKE own_history);
ALTER TABLE heir INHERIT own_history;
ALTER TABLE own_history INHERIT heir;
CREATE TABLE no_key (id int) PARTITION BY RANGE (id);
SELECT medallion.enable_versioning('no_key');
CREATE TABLE half (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE UNLOGGED TABLE half_0 PARTITION OF half FOR VALUES FROM (0) TO (10);
SELECT medallion.enable_versioning('half');

-- Row-level security of the root holds for its past; a partition has rights of its own, but its past is the root's.
CREATE ROLE parts_reader;
GRANT USAGE ON SCHEMA parts TO parts_reader;
GRANT SELECT ON sales_2029 TO parts_reader;
SET ROLE parts_reader;
SELECT count(*) FROM medallion.as_of(NULL::orders, version => :v);
SELECT count(*) FROM medallion.as_of(NULL::sales_2029, version => :v);
RESET ROLE;
GRANT SELECT ON orders TO parts_reader;
SET ROLE parts_reader;
SELECT count(*) FROM medallion.as_of(NULL::orders, version => :v) WHERE id > 15;
SELECT count(*) FROM medallion.as_of(NULL::sales_2029, version => :v);
RESET ROLE;
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON orders USING (id = 16);
SET ROLE parts_reader;
SELECT id FROM medallion.as_of(NULL::orders, version => :v);
SELECT count(*) FROM medallion.as_of(NULL::sales_2029, version => :v);
RESET ROLE;
ALTER TABLE orders DISABLE ROW LEVEL SECURITY;

-- Hash partitions, and a key by which a moved row keeps its identity.
CREATE TABLE hashed (id int PRIMARY KEY, v text) PARTITION BY HASH (id);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE refers (id int PRIMARY KEY, hashed_id int REFERENCES hashed ON UPDATE CASCADE ON DELETE CASCADE) PARTITION BY RANGE (id);
CREATE TABLE refers_0 PARTITION OF refers FOR VALUES FROM (0) TO (10);
CREATE TABLE refers_1 PARTITION OF refers FOR VALUES FROM (10) TO (20);
SELECT medallion.enable_versioning('hashed'), medallion.enable_versioning('refers');
SELECT mark('hashed', 'enable'), mark('refers', 'enable');
INSERT INTO hashed SELECT i, 'v' FROM generate_series(1, 6) i; INSERT INTO refers SELECT i, i % 6 + 1 FROM generate_series(1, 15) i; SELECT mark('hashed', 'insert'), mark('refers', 'insert');
DELETE FROM hashed WHERE id = 2; SELECT mark('hashed', 'delete cascade'), mark('refers', 'delete cascade');
UPDATE hashed SET id = id + 100 WHERE id IN (3, 4, 5); SELECT mark('hashed', 'update cascade'), mark('refers', 'update cascade');
UPDATE refers SET id = id + 8 WHERE id IN (8, 9); SELECT mark('hashed', 'move'), mark('refers', 'move');
TRUNCATE hashed CASCADE; SELECT mark('hashed', 'truncate cascade'), mark('refers', 'truncate cascade');
SELECT 'hashed', * FROM wrong('hashed') UNION ALL SELECT 'refers', * FROM wrong('refers') UNION ALL SELECT 'hashed', * FROM wrong_feed('hashed') UNION ALL SELECT 'refers', * FROM wrong_feed('refers');
SELECT * FROM numbers('hashed');
SELECT * FROM numbers('refers');

-- Many partitions in one statement; off and on again in one transaction.
CREATE TABLE many (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
DO $$BEGIN FOR i IN 0 .. 99 LOOP EXECUTE format('CREATE TABLE many_%s PARTITION OF many FOR VALUES FROM (%s) TO (%s)', i, i * 10, i * 10 + 10); END LOOP; END$$;
SELECT medallion.enable_versioning('many');
INSERT INTO many SELECT i, 0 FROM generate_series(0, 999) i ORDER BY i % 10; SELECT mark('many', 'insert');
UPDATE many SET v = 1; SELECT mark('many', 'update');
UPDATE many SET id = 999 - id WHERE id < 0; DELETE FROM many WHERE id % 2 = 0; SELECT mark('many', 'delete');
SELECT * FROM wrong('many') UNION ALL SELECT * FROM wrong_feed('many');
SELECT * FROM numbers('many');
BEGIN;
UPDATE many SET v = 2 WHERE id = 1;
SELECT medallion.disable_versioning('many'); UPDATE many SET v = 3 WHERE id = 1; SELECT medallion.enable_versioning('many');
UPDATE many SET v = 4 WHERE id = 1;
COMMIT;
UPDATE many SET v = 5 WHERE id = 1;
SELECT * FROM numbers('many');
SELECT v FROM medallion.as_of(NULL::many, version => (SELECT max(version) - 1 FROM medallion.commits)) WHERE id = 1;
SELECT medallion.disable_versioning('many', keep_history => false);
SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'medallion_capture%' AND tgrelid IN (SELECT relid FROM pg_partition_tree('many'));


-- Shapes: a type that changes, a default that is computed, a column that goes; what is attached before and after.
CREATE TABLE shape (id int, d int, v text, PRIMARY KEY (id, d)) PARTITION BY RANGE (d);
CREATE TABLE shape_0 PARTITION OF shape FOR VALUES FROM (0) TO (10);
CREATE TABLE shape_1 (v text, gone int, d int NOT NULL, id int NOT NULL); ALTER TABLE shape_1 DROP gone;
CREATE TABLE shape_2 (id int NOT NULL, d int NOT NULL, v int, w int);
INSERT INTO shape_1 SELECT i * 100, 10 + i, i FROM generate_series(1, 2) i;
INSERT INTO shape_2 SELECT i, 20 + i, i * 1000, i FROM generate_series(1, 2) i;
SELECT medallion.enable_versioning('shape'); SELECT max(version) AS v FROM medallion.commits \gset
INSERT INTO shape VALUES (1, 1, '11'), (2, 2, '22');
ALTER TABLE shape ATTACH PARTITION shape_1 FOR VALUES FROM (10) TO (20);
UPDATE shape SET v = '33' WHERE id = 2;
ALTER TABLE shape ALTER v TYPE int USING v::int;
SELECT n, (SELECT string_agg(s::text, ' ' ORDER BY d) FROM medallion.as_of(NULL::shape, version => :v + n) s) FROM generate_series(0, 4) n;
UPDATE shape SET v = v + 1 WHERE id = 1;
ALTER TABLE shape ADD COLUMN w int DEFAULT (random() * 0)::int;
ALTER TABLE shape ATTACH PARTITION shape_2 FOR VALUES FROM (20) TO (30);
UPDATE shape SET w = 1 WHERE d IN (1, 21);
ALTER TABLE shape DROP COLUMN v;
DELETE FROM shape WHERE d IN (2, 22);
ALTER TABLE shape DETACH PARTITION shape_2;
SELECT n, (SELECT string_agg(s::text, ' ' ORDER BY d) FROM medallion.as_of(NULL::shape, version => :v + n) s) FROM generate_series(0, 11) n;
SELECT _commit_version - :v AS nth, string_agg(_change_type || row_data::text, ' ' ORDER BY row_data::text, _change_type DESC) FROM medallion.changes(NULL::shape, :v) GROUP BY 1 ORDER BY 1;
SELECT * FROM numbers('shape');
VACUUM FULL shape; CLUSTER shape_0 USING shape_0_pkey;
SELECT string_agg(s::text, ' ' ORDER BY d) FROM medallion.as_of(NULL::shape, version => :v + 8) s;

-- A session that reads the past; restore, clone and forget.
SELECT :v + 8 AS past \gset
SET medallion.as_of = :'past';
SELECT * FROM shape ORDER BY d;
SELECT * FROM shape_1 ORDER BY d;
SELECT * FROM ONLY shape;
SELECT * FROM shape_2 ORDER BY d;
\set VERBOSITY terse
SELECT tableoid::regclass FROM shape;
DELETE FROM shape;
TRUNCATE shape_0;
ALTER TABLE shape DETACH PARTITION shape_0;
\set VERBOSITY default
RESET medallion.as_of;
CREATE TABLE shape_rest PARTITION OF shape DEFAULT;
SELECT medallion.restore('shape', version => :past);
SELECT tableoid::regclass, * FROM shape ORDER BY d;
SELECT medallion.restore('shape_0', version => :v + 1);
SELECT tableoid::regclass, * FROM shape ORDER BY d;
SELECT medallion.clone('shape', 'parts.shape_copy', version => :past);
SELECT * FROM shape_copy ORDER BY d;
DELETE FROM shape WHERE id = 1 AND d = 1;
SELECT medallion.forget('shape', '{"id": 1, "d": 1}');
SELECT n, (SELECT string_agg(s::text, ' ' ORDER BY d) FROM medallion.as_of(NULL::shape, version => :v + n) s) FROM unnest('{1, 8}'::int[]) n;

DROP SCHEMA parts CASCADE;
DROP OWNED BY parts_reader;
DROP ROLE parts_reader;
