-- A session that reads the past as a whole.
CREATE SCHEMA regress_then;
CREATE TABLE silver.customer (id int PRIMARY KEY, gone int, name text NOT NULL, region text, boss int);
CREATE TABLE silver.orders (id int PRIMARY KEY, customer int NOT NULL REFERENCES silver.customer, total numeric(8,2), placed date);
CREATE TABLE silver.item (orders int REFERENCES silver.orders ON DELETE CASCADE, pos int, sku text, n int, PRIMARY KEY (orders, pos));
ALTER TABLE silver.customer DROP COLUMN gone;
CREATE INDEX ON silver.orders (customer);
CREATE TABLE silver.rate (region text PRIMARY KEY, factor int);	-- not versioned
INSERT INTO silver.rate VALUES ('n', 1), ('s', 2);
SELECT medallion.enable_versioning('silver.customer'), medallion.enable_versioning('silver.orders'), medallion.enable_versioning('silver.item');

-- A tag for each state, and copies of the tables as they were then.
CREATE PROCEDURE pg_temp.keep(tag text) LANGUAGE plpgsql AS $$
DECLARE t text;
BEGIN
	EXECUTE format('CREATE SCHEMA %I', 'regress_' || tag);
	FOREACH t IN ARRAY ARRAY['customer', 'orders', 'item'] LOOP
		EXECUTE format('CREATE TABLE %I.%I AS SELECT * FROM silver.%I', 'regress_' || tag, t, t);
	END LOOP;
	EXECUTE format('CREATE VIEW %I.rate AS TABLE silver.rate', 'regress_' || tag);
	EXECUTE format('ALTER TABLE %I.customer ADD PRIMARY KEY (id)', 'regress_' || tag);
	EXECUTE format('ALTER TABLE %I.orders ADD PRIMARY KEY (id)', 'regress_' || tag);
	PERFORM medallion.tag(tag);
END$$;
CALL pg_temp.keep('empty');
INSERT INTO silver.customer VALUES (1, 'ann', 'n', NULL), (2, 'bob', 's', 1), (3, 'cid', 'n', 1), (4, 'dot', NULL, 2);
INSERT INTO silver.orders SELECT i, 1 + i % 3, i * 10.5, date '2026-01-01' + i FROM generate_series(1, 12) i;
INSERT INTO silver.item SELECT o, p, 'sku' || (o + p) % 5, p * o FROM generate_series(1, 12) o, generate_series(1, 3) p;
CALL pg_temp.keep('filled');
UPDATE silver.orders SET total = total * 2 WHERE id % 2 = 0;
UPDATE silver.customer SET region = 's', boss = 4 WHERE id IN (1, 3);
CALL pg_temp.keep('changed');
DELETE FROM silver.orders WHERE id IN (3, 4, 5);
INSERT INTO silver.customer VALUES (5, 'eve', 's', 3);
UPDATE silver.item SET n = -n WHERE pos = 2;
UPDATE silver.customer SET id = 7 WHERE id = 4;
CALL pg_temp.keep('shrunk');
TRUNCATE silver.item;
INSERT INTO silver.item VALUES (1, 1, 'new', 1);
CALL pg_temp.keep('emptied');
UPDATE silver.customer SET name = upper(name);
DELETE FROM silver.item;
DELETE FROM silver.orders WHERE id > 6;

-- The objects of an application, over whatever tables search_path finds.
CREATE FUNCTION regress_then.of_region(r text) RETURNS TABLE (id int, name text) LANGUAGE sql STABLE AS
	'SELECT c.id, c.name FROM customer c WHERE c.region = r';
CREATE FUNCTION regress_then.of_regions() RETURNS TABLE (id int, name text) LANGUAGE sql STABLE AS
	$$ SELECT * FROM regress_then.of_region('n') UNION ALL SELECT * FROM regress_then.of_region('s') $$;
CREATE FUNCTION regress_then.total_of(c int) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT sum(total) FROM orders WHERE customer = c';
CREATE FUNCTION regress_then.twice(c int) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT 2 * regress_then.total_of(c)';
CREATE FUNCTION regress_then.by_block(c int) RETURNS bigint LANGUAGE plpgsql STABLE AS
	'DECLARE n bigint; BEGIN SELECT count(*) INTO n FROM orders WHERE customer = c; RETURN n + (SELECT count(*) FROM item); END';
CREATE FUNCTION regress_then.rows_by_block() RETURNS SETOF int LANGUAGE plpgsql AS
	'BEGIN RETURN QUERY SELECT id FROM orders; RETURN QUERY EXECUTE ''SELECT -id FROM customer''; END';
CREATE FUNCTION regress_then.standard() RETURNS TABLE (n bigint) LANGUAGE sql STABLE BEGIN ATOMIC SELECT count(*) FROM silver.orders; END;

CREATE TABLE regress_then.question (n serial PRIMARY KEY, q text);
INSERT INTO regress_then.question (q) VALUES
('TABLE customer'), ('TABLE orders'), ('TABLE item'), ('SELECT count(*) FROM item'),
('SELECT * FROM ONLY customer WHERE id = 4'),
('SELECT c.name, o.total, i.sku FROM customer c JOIN orders o ON o.customer = c.id JOIN item i ON i.orders = o.id'),
('SELECT c.name, o.id, i.n FROM customer c LEFT JOIN orders o ON o.customer = c.id LEFT JOIN item i ON i.orders = o.id AND i.pos = 2'),
('SELECT c.name, o.id, r.factor FROM orders o FULL JOIN customer c ON o.customer = c.id LEFT JOIN rate r USING (region)'),
('SELECT * FROM customer NATURAL JOIN (SELECT customer AS id, count(*) FROM orders GROUP BY 1) x'),
('SELECT * FROM customer JOIN orders USING (id)'),
('SELECT j FROM (customer JOIN orders ON customer.id = orders.customer) j'),
('SELECT a.name, b.name AS boss FROM customer a LEFT JOIN customer b ON a.boss = b.id'),
('WITH RECURSIVE up AS (SELECT id, name, 0 AS level FROM customer WHERE boss IS NULL UNION ALL SELECT c.id, c.name, level + 1 FROM customer c JOIN up ON c.boss = up.id WHERE level < 9) TABLE up'),
('WITH o AS MATERIALIZED (SELECT * FROM orders), c AS (SELECT * FROM customer) SELECT c.id, (SELECT sum(total) FROM o WHERE o.customer = c.id) FROM c'),
('SELECT id, (SELECT count(*) FROM item i WHERE i.orders = o.id) FROM orders o'),
('SELECT * FROM customer c WHERE EXISTS (SELECT FROM orders o WHERE o.customer = c.id AND o.total > 50)'),
('SELECT * FROM customer c WHERE NOT EXISTS (SELECT FROM orders o WHERE o.customer = c.id)'),
('SELECT * FROM customer WHERE id IN (SELECT customer FROM orders) AND id NOT IN (SELECT boss FROM customer WHERE boss IS NOT NULL)'),
('SELECT * FROM orders WHERE total > ALL (SELECT avg(total) FROM orders GROUP BY customer)'),
('SELECT c.name, l.* FROM customer c, LATERAL (SELECT o.id, o.total FROM orders o WHERE o.customer = c.id ORDER BY total DESC LIMIT 2) l'),
('SELECT c.id, c.name, c.region, count(o.*) FROM customer c LEFT JOIN orders o ON o.customer = c.id GROUP BY c.id'),
('SELECT customer, placed, sum(total) OVER (PARTITION BY customer ORDER BY placed) FROM orders'),
('SELECT region, sum(total), grouping(region) FROM customer c JOIN orders o ON o.customer = c.id GROUP BY ROLLUP (region) HAVING count(*) > (SELECT count(*) - 100 FROM item)'),
('SELECT DISTINCT ON (customer) customer, id FROM orders ORDER BY customer, placed DESC'),
('SELECT id FROM customer EXCEPT SELECT customer FROM orders'), ('SELECT id FROM customer INTERSECT ALL SELECT customer FROM orders'),
('SELECT c FROM customer c'), ('SELECT to_jsonb(c), c.*::text FROM customer c'), ('SELECT (c).name, c IS NULL AS n FROM orders o LEFT JOIN customer c ON c.id = o.id'),
('SELECT row_to_json(o) FROM (SELECT c, o.total FROM orders o JOIN customer c ON c.id = o.customer) o'),
('SELECT array_agg(o ORDER BY o.id) FROM orders o'), ('SELECT count(DISTINCT c), max(c.name) FROM customer c'),
('SELECT c = (SELECT x FROM customer x WHERE x.id = c.id) AS same FROM customer c'),
('SELECT * FROM orders ORDER BY total DESC, id OFFSET 2 LIMIT 3'), ('SELECT * FROM orders WHERE id = ANY (ARRAY[1, 4, 9])'),
('SELECT v.id, o.total FROM (VALUES (1), (4), (99)) v(id) LEFT JOIN orders o USING (id)'),
('SELECT * FROM regress_then.of_region(''s'')'), ('SELECT f.name, o.id FROM regress_then.of_regions() f JOIN orders o ON o.customer = f.id'),
('SELECT c.id, f.* FROM customer c, regress_then.of_region(c.region) f'), ('SELECT id, regress_then.total_of(id), regress_then.twice(id) FROM customer'),
('SELECT id, regress_then.by_block(id) FROM customer'), ('SELECT * FROM regress_then.rows_by_block()'),
('SELECT * FROM rows_of_view'), ('SELECT * FROM fenced WHERE name < ''z'''), ('SELECT f.*, o.id AS o FROM fenced f LEFT JOIN orders o ON o.customer = f.id'),
('SELECT * FROM invoker'), ('SELECT sum(factor) FROM rate JOIN customer USING (region)'), ('SELECT total::text, placed FROM orders WHERE placed BETWEEN ''2026-01-03'' AND ''2026-01-08''');
DO $$
DECLARE s text;
BEGIN
	FOREACH s IN ARRAY ARRAY['silver', 'regress_empty', 'regress_filled', 'regress_changed', 'regress_shrunk', 'regress_emptied'] LOOP
		EXECUTE format('SET LOCAL search_path = %I', s);
		CREATE VIEW rows_of_view AS SELECT c.name, i.* FROM customer c JOIN orders o ON o.customer = c.id JOIN item i ON i.orders = o.id;
		CREATE VIEW fenced WITH (security_barrier) AS SELECT id, name FROM customer WHERE region IS NOT NULL;
		CREATE VIEW invoker WITH (security_invoker) AS SELECT r.name, o.id FROM rows_of_view r, orders o WHERE o.id = r.orders;
	END LOOP;
END$$;

-- Every question gets the answer that the copies give, whatever the plan.
CREATE FUNCTION regress_then.answers(path text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	result text[] = '{}';
	answer text;
	question record;
BEGIN
	PERFORM set_config('search_path', path, true);
	FOR question IN SELECT * FROM regress_then.question ORDER BY n LOOP
		BEGIN
			EXECUTE format('SELECT string_agg(q::text, E''\n'' ORDER BY q::text) FROM (%s) q', question.q) INTO answer;
		EXCEPTION WHEN OTHERS THEN
			answer = question.q || ': ' || sqlerrm;
		END;
		result = result || coalesce(answer, '');
	END LOOP;
	RETURN result;
END$$;
CREATE FUNCTION regress_then.compare(VARIADIC tags text[]) RETURNS TABLE (tag text, questions bigint, rows_then bigint, differ bigint, first text) LANGUAGE plpgsql AS $$
BEGIN
	FOREACH tag IN ARRAY tags LOOP
		DECLARE
			expected text[] = regress_then.answers('regress_' || tag);
			got text[];
		BEGIN
			PERFORM set_config('medallion.as_of', tag, true);
			got = regress_then.answers('silver');
			PERFORM set_config('medallion.as_of', '', true);
			SELECT count(*), sum(coalesce(array_length(string_to_array(nullif(e, ''), E'\n'), 1), 0)), count(*) FILTER (WHERE e IS DISTINCT FROM g),
				min(q.q || e'\n' || e || e'\n---\n' || g) FILTER (WHERE e IS DISTINCT FROM g)
				INTO questions, rows_then, differ, first
				FROM unnest(expected, got) WITH ORDINALITY u(e, g, n) JOIN regress_then.question q USING (n);
			RETURN NEXT;
		END;
	END LOOP;
END$$;
SELECT * FROM regress_then.compare('empty', 'filled', 'changed', 'shrunk', 'emptied');
SET enable_seqscan = off;
SELECT tag, differ, first FROM regress_then.compare('filled', 'shrunk');
RESET enable_seqscan;
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off;
SELECT tag, differ, first FROM regress_then.compare('filled', 'shrunk');
RESET enable_hashjoin; RESET enable_mergejoin; RESET enable_material;
SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
SELECT tag, differ, first FROM regress_then.compare('filled', 'shrunk');
RESET min_parallel_table_scan_size; RESET parallel_setup_cost; RESET parallel_tuple_cost;
SET force_parallel_mode = on;
SELECT tag, differ, first FROM regress_then.compare('filled', 'shrunk');
RESET force_parallel_mode;

-- The setting: a version, a time, a tag; spaces; what it cannot be.
SELECT medallion.version_of('filled') AS v \gset
SELECT committed_at AS t FROM medallion.commits WHERE version = :v \gset
SELECT count(*) FROM silver.orders;
SET medallion.as_of = :v;
SELECT count(*), medallion.travel_version() = :v AS there FROM silver.orders;
SET medallion.as_of = :'t';
SELECT count(*), medallion.travel_version() = :v AS there FROM silver.orders;
SET medallion.as_of = ' changed ';
SELECT count(*) FROM silver.orders;
SET medallion.as_of = 'shrunk';
SELECT count(*), medallion.travel_version() = medallion.version_of('shrunk') AS there FROM silver.orders;
RESET medallion.as_of;
SELECT count(*), medallion.travel_version() FROM silver.orders;
SET medallion.as_of = '2026-01-02 03:04:05 Europe/Berlin'; SHOW medallion.as_of;
SET medallion.as_of = '2026-01-02'; SET TimeZone = 'Asia/Tokyo'; SHOW medallion.as_of; RESET TimeZone;
SELECT count(*) FROM silver.orders;
SET medallion.as_of = '0';
SET medallion.as_of = '-7';
SET medallion.as_of = '99999999999999999999';
SHOW medallion.as_of;
SET medallion.as_of = 'no such tag';
SELECT count(*) FROM silver.orders;
SELECT count(*) FROM silver.rate;
SET medallion.as_of = '2999-01-01';
SELECT count(*) FROM silver.orders;
DO $$BEGIN
	SET medallion.as_of = '123456789012';
	PERFORM * FROM silver.orders;
EXCEPTION WHEN OTHERS THEN RAISE NOTICE '% %', sqlstate, sqlerrm; END$$;
SET medallion.as_of = '';
SELECT count(*) FROM silver.orders;

-- Through functions, which load the library.
SELECT medallion.travel_to(version => :v) = :v AS there;
SELECT count(*) FROM silver.orders;
SELECT medallion.travel_to(at => :'t') = :v AS there;
SELECT medallion.travel_to(version => 1, at => now());
SELECT medallion.travel_to(at => '2999-01-01');
SELECT medallion.travel_to(version => 0);
SELECT count(*), medallion.travel_version() = :v AS still FROM silver.orders;
SELECT medallion.travel_back();
SELECT count(*), medallion.travel_version() FROM silver.orders;
SELECT medallion.travel_to(version => medallion.version_of('changed')) IS NOT NULL AS there;
SELECT medallion.travel_to(NULL);
SELECT count(*) FROM silver.orders;

-- SET LOCAL, rollback, savepoints.
PREPARE n AS SELECT count(*) FROM silver.orders;
EXECUTE n; EXECUTE n; EXECUTE n; EXECUTE n; EXECUTE n; EXECUTE n;
BEGIN;
SET LOCAL medallion.as_of = 'filled';
EXECUTE n;
SAVEPOINT a;
SET LOCAL medallion.as_of = 'shrunk';
EXECUTE n;
ROLLBACK TO a;
EXECUTE n;
SAVEPOINT b;
RESET medallion.as_of;
EXECUTE n;
SET medallion.as_of = 'empty';
RELEASE b;
EXECUTE n;
ROLLBACK;
EXECUTE n;
BEGIN; SET medallion.as_of = 'filled'; EXECUTE n; ROLLBACK;
EXECUTE n;
BEGIN; SET medallion.as_of = 'filled'; EXECUTE n; COMMIT;
EXECUTE n;
PREPARE past AS SELECT count(*) FROM silver.orders WHERE id > 2;
EXECUTE past;
RESET medallion.as_of;
EXECUTE past; EXECUTE n;
DISCARD ALL;
-- A tag that is moved: the session stays where it went until it is set again.
SELECT medallion.tag('moving', medallion.version_of('filled')) IS NOT NULL AS tagged;
CREATE FUNCTION regress_then.move() RETURNS bool LANGUAGE plpgsql SET medallion.as_of = '' AS
	$$BEGIN PERFORM medallion.untag('moving'), medallion.tag('moving', medallion.version_of('shrunk')); RETURN true; END$$;
PREPARE n AS SELECT count(*) FROM silver.orders;
SET medallion.as_of = 'moving';
EXECUTE n;
SELECT regress_then.move();
EXECUTE n;
BEGIN; SET LOCAL medallion.as_of = 'empty'; EXECUTE n; ROLLBACK;
EXECUTE n;
SET medallion.as_of = 'moving';
EXECUTE n;
RESET medallion.as_of;
SELECT medallion.untag('moving') IS NOT NULL AS untagged;
DEALLOCATE n;
-- In a transaction that has written, before and after.
BEGIN;
UPDATE silver.orders SET total = 0;
SET LOCAL medallion.as_of = 'filled';
SELECT sum(total) FROM silver.orders;
SAVEPOINT s;
UPDATE silver.orders SET total = 1;
ROLLBACK TO s;
RESET medallion.as_of;
SELECT sum(total) FROM silver.orders;
ROLLBACK;
-- The setting may be there when the transaction commits.
BEGIN;
UPDATE silver.orders SET total = total + 1 WHERE id = 1;
SET medallion.as_of = 'filled';
COMMIT;
RESET medallion.as_of;
SELECT total FROM silver.orders WHERE id = 1;

-- A function with its own time; one with an exception block; cursors keep the time they were opened at.
CREATE FUNCTION regress_then.in_filled() RETURNS bigint LANGUAGE plpgsql SET medallion.as_of = 'filled' AS 'BEGIN RETURN (SELECT count(*) FROM silver.orders); END';
CREATE FUNCTION regress_then.in_filled_sql() RETURNS bigint LANGUAGE sql SET medallion.as_of = 'filled' AS 'SELECT count(*) FROM silver.orders';
CREATE FUNCTION regress_then.in_present() RETURNS bigint LANGUAGE sql SET medallion.as_of = '' AS 'SELECT count(*) FROM silver.orders';
CREATE FUNCTION regress_then.tries() RETURNS text LANGUAGE plpgsql AS $$
DECLARE a bigint; b bigint; c bigint;
BEGIN
	SELECT count(*) INTO a FROM silver.orders;
	BEGIN
		SET LOCAL medallion.as_of = 'filled';
		SELECT count(*) INTO b FROM silver.orders;
		RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN
		SELECT count(*) INTO c FROM silver.orders;
	END;
	RETURN a || ' ' || b || ' ' || c;
END$$;
SELECT regress_then.in_filled(), regress_then.in_filled_sql(), regress_then.in_present(), count(*), regress_then.tries() FROM silver.orders;
SELECT count(*), regress_then.in_filled_sql() FROM silver.orders WHERE regress_then.in_filled() = 12;
SET medallion.as_of = 'shrunk';
SELECT regress_then.in_filled(), regress_then.in_filled_sql(), regress_then.in_present(), count(*), regress_then.tries() FROM silver.orders;
SELECT * FROM regress_then.standard();
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM silver.orders ORDER BY id;
DECLARE h CURSOR WITH HOLD FOR SELECT id FROM silver.orders ORDER BY id DESC;
RESET medallion.as_of;
FETCH 3 FROM c;
COMMIT;
FETCH 1 FROM h;
CLOSE h;
-- A statement cannot change what it reads itself, nor be run for another time than it was planned for.
CREATE FUNCTION regress_then.leaps() RETURNS SETOF bigint LANGUAGE sql AS
	$$SELECT set_config('medallion.as_of', 'filled', true); SELECT count(*) FROM silver.orders$$;
CREATE FUNCTION regress_then.lands() RETURNS SETOF bigint LANGUAGE sql AS
	$$SELECT set_config('medallion.as_of', '', true); SELECT count(*) FROM silver.orders$$;
SELECT regress_then.leaps();
SET medallion.as_of = 'shrunk';
DO $$BEGIN
	PERFORM regress_then.lands();
EXCEPTION WHEN OTHERS THEN RAISE NOTICE '%', regexp_replace(sqlerrm, '\d+', 'n');
END$$;
RESET medallion.as_of;

-- By role, by connection.
CREATE ROLE regress_v_traveller LOGIN;
GRANT USAGE ON SCHEMA silver, regress_then TO regress_v_traveller;
GRANT SELECT ON silver.orders, silver.customer TO regress_v_traveller;
ALTER ROLE regress_v_traveller SET medallion.as_of = 'filled';
SELECT current_user AS me, current_database() AS db \gset
\c - regress_v_traveller
SHOW medallion.as_of;
SELECT count(*) FROM silver.orders;
SET medallion.as_of = 'shrunk';
SELECT count(*) FROM silver.orders;
RESET medallion.as_of;
SELECT count(*) FROM silver.orders;
\set conn 'dbname=' :db ' user=' :me ' options=''-c medallion.as_of=shrunk -c search_path=silver'''
\c :conn
SELECT count(*) FROM orders;
DISCARD ALL;
SELECT count(*) FROM orders;
\set conn 'dbname=' :db ' user=' :me ' options='''''
\c :conn
SHOW medallion.as_of;
DROP OWNED BY regress_v_traveller;
DROP ROLE regress_v_traveller;

-- COPY: of a table, of columns, of a query; a generated column stays out.
SET medallion.as_of = 'filled';
COPY silver.customer TO STDOUT;
COPY silver.customer (name, id) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE (name));
COPY (SELECT count(*) FROM silver.item) TO STDOUT;
COPY silver.customer (nothing) TO STDOUT;
COPY silver.rate TO STDOUT;
COPY medallion_history."silver.orders" TO STDOUT;

-- Temporary tables can be made and written.
CREATE TEMP TABLE kept AS SELECT * FROM silver.orders WHERE id < 4;
CREATE TEMP TABLE own (id serial PRIMARY KEY, what text);
CREATE INDEX ON own (what);
INSERT INTO own (what) SELECT sku FROM silver.item WHERE orders = 1;
UPDATE own SET what = c.name FROM silver.customer c WHERE c.id = own.id;
DELETE FROM own USING silver.orders o WHERE o.id = own.id AND o.customer = 3;
MERGE INTO own USING silver.customer c ON c.id = own.id WHEN MATCHED THEN UPDATE SET what = own.what || '!' WHEN NOT MATCHED THEN INSERT (what) VALUES (c.name);
INSERT INTO own VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET what = 'conflict';
SELECT what FROM own ORDER BY 1;
SELECT * FROM own WHERE id = 1 FOR UPDATE;
COPY own FROM STDIN;
99	from stdin
\.
ANALYZE own;
ALTER TABLE own ADD more int;
TRUNCATE own;
CREATE TEMP VIEW my AS SELECT count(*) FROM silver.orders;
TABLE my;
DROP VIEW my;
DROP TABLE own, kept;

-- What a session reads now: tables that are not versioned, materialised views, catalogs, explicit questions about other times.
CREATE TEMP TABLE t AS SELECT 1;
RESET medallion.as_of;
CREATE MATERIALIZED VIEW silver.sums AS SELECT customer, sum(total) FROM silver.orders GROUP BY 1;
SET medallion.as_of = 'filled';
SELECT count(*) FROM silver.sums;
SELECT count(*) FROM silver.orders o JOIN medallion.as_of(NULL::silver.orders, version => medallion.version_of('shrunk')) n USING (id);
SELECT count(*) FROM medallion.changes(NULL::silver.orders, medallion.version_of('filled'), medallion.version_of('shrunk'));
SELECT operation FROM medallion.history('silver.item') ORDER BY version DESC LIMIT 1;
SELECT count(*) > 0 AS known FROM medallion.commits;
RESET medallion.as_of;
DROP MATERIALIZED VIEW silver.sums;

-- A table that was not versioned then.
CREATE TABLE silver.late (id int PRIMARY KEY);
SELECT medallion.enable_versioning('silver.late');
SET medallion.as_of = 'filled';
DO $$
DECLARE statement text;
BEGIN
	FOREACH statement IN ARRAY ARRAY['SELECT count(*) FROM silver.late', 'SELECT count(*) FROM silver.orders WHERE id IN (SELECT id FROM silver.late)',
			$q$COPY silver.late TO '/dev/null'$q$] LOOP
		BEGIN
			EXECUTE statement;
		EXCEPTION WHEN OTHERS THEN RAISE NOTICE '% %', sqlstate, regexp_replace(sqlerrm, '\d+', 'n');
		END;
	END LOOP;
END$$;
-- What cannot be asked.
SELECT xmin FROM silver.orders;
SELECT count(*) FROM silver.orders WHERE ctid = '(0,1)';
SELECT tableoid::regclass FROM silver.orders LIMIT 1;
SELECT * FROM silver.orders TABLESAMPLE SYSTEM (10);
SELECT count(*) FROM medallion_history."silver.orders";
RESET medallion.as_of;
DROP TABLE silver.late;
-- A parent table that is not versioned, with a child that is.
CREATE TABLE silver.parent (id int);
CREATE TABLE silver.child (PRIMARY KEY (id)) INHERITS (silver.parent);
SELECT medallion.enable_versioning('silver.child');
DROP TABLE silver.child, silver.parent;

-- Tables with partitions.
CREATE TABLE silver.part (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE silver.part_1 PARTITION OF silver.part FOR VALUES IN (1);
CREATE TABLE silver.part_2 PARTITION OF silver.part FOR VALUES IN (2);
SELECT medallion.enable_versioning('silver.part');
INSERT INTO silver.part SELECT i, 1 + i % 2, 'v' || i FROM generate_series(1, 6) i;
SELECT medallion.tag('parted') IS NOT NULL AS tagged;
UPDATE silver.part SET k = 2, v = 'moved' WHERE id = 2;
DELETE FROM silver.part_2 WHERE id = 3;
SET medallion.as_of = 'parted';
SELECT * FROM silver.part ORDER BY id;
SELECT * FROM ONLY silver.part;
SELECT * FROM silver.part_1 ORDER BY id;
SELECT p FROM silver.part p WHERE k = 2 AND id = 3;
COPY silver.part_2 TO STDOUT;
RESET medallion.as_of;
SELECT medallion.untag('parted') IS NOT NULL AS untagged;
DROP TABLE silver.part;

-- The same plan cache for many times, in one session; and a prepared statement with a parameter.
PREPARE at_id(int) AS SELECT total FROM silver.orders WHERE id = $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE at_id(2);
SET medallion.as_of = 'filled'; EXECUTE at_id(2); EXECUTE at_id(2);
SET medallion.as_of = 'changed'; EXECUTE at_id(2);
SET medallion.as_of = ''; EXECUTE at_id(2);
RESET plan_cache_mode;
DEALLOCATE at_id;

SET client_min_messages = warning;
DROP SCHEMA regress_then, regress_empty, regress_filled, regress_changed, regress_shrunk, regress_emptied CASCADE;
DROP VIEW silver.invoker, silver.fenced, silver.rows_of_view;
DROP TABLE silver.item, silver.orders, silver.customer, silver.rate;
SELECT count(medallion.untag(tag)) FROM medallion.tags WHERE tag IN ('empty', 'filled', 'changed', 'shrunk', 'emptied');
