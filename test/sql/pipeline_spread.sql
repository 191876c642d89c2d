-- Variance and standard deviation from sums are what PostgreSQL's aggregates return, to the digit and scale.
SELECT setseed(0.3);
CREATE TEMP TABLE spread AS SELECT g, (10.0 ^ (random() * 12 - 2) * (random() - 0.3))::numeric(20,3) AS x, (10 ^ (random() * 18))::bigint AS b,
	(random() * 100)::smallint AS s FROM generate_series(1, 3000) g, generate_series(1, 1 + g % 7) i;
INSERT INTO spread SELECT 0, 5, 7, 7 FROM generate_series(1, 3);
WITH a AS (SELECT g, count(*) AS n, sum(x) AS sx, sum(x * x) AS qx, sum(b) AS sb, sum(b::numeric * b) AS qb, sum(s::int) AS ss, sum(s::int * s) AS qs,
	stddev(x) AS r1, stddev_pop(x) AS r2, variance(x) AS r3, var_pop(x) AS r4, stddev(b) AS r5, var_pop(b) AS r6, stddev_pop(s) AS r7, var_samp(s) AS r8
	FROM spread GROUP BY g)
SELECT count(*) AS groups, count(*) FILTER (WHERE n = 1) AS of_one, count(*) FILTER (WHERE r2 = 0) AS without_spread,
	count(*) FILTER (WHERE r1::text IS DISTINCT FROM medallion._spread(n, sx, qx, true, true)::text) AS d1,
	count(*) FILTER (WHERE r2::text IS DISTINCT FROM medallion._spread(n, sx, qx, false, true)::text) AS d2,
	count(*) FILTER (WHERE r3::text IS DISTINCT FROM medallion._spread(n, sx, qx, true, false)::text) AS d3,
	count(*) FILTER (WHERE r4::text IS DISTINCT FROM medallion._spread(n, sx, qx, false, false)::text) AS d4,
	count(*) FILTER (WHERE r5::text IS DISTINCT FROM medallion._spread(n, sb, qb, true, true)::text) AS d5,
	count(*) FILTER (WHERE r6::text IS DISTINCT FROM medallion._spread(n, sb, qb, false, false)::text) AS d6,
	count(*) FILTER (WHERE r7::text IS DISTINCT FROM medallion._spread(n, ss, qs, false, true)::text) AS d7,
	count(*) FILTER (WHERE r8::text IS DISTINCT FROM medallion._spread(n, ss, qs, true, false)::text) AS d8 FROM a;
SELECT medallion._spread(0, 0, 0, false, true) AS none, medallion._spread(1, 5, 25, true, false) AS one;

-- What is hidden is kept with the table, and goes with it; a table with rules keeps nothing, nor one of small groups.
CREATE TABLE bronze.spread (id int PRIMARY KEY, k int, v int);
SELECT medallion.enable_versioning('bronze.spread');
INSERT INTO bronze.spread SELECT i, i % 20, i FROM generate_series(1, 400) i;
SELECT FROM medallion.define('gold.spread', keys => '{k}', query => 'SELECT k, stddev(v) AS s, avg(v) AS a FROM bronze.spread GROUP BY k');
CREATE FUNCTION pg_temp.again() RETURNS TABLE (mode text, reason text, differing bigint, kept bigint) LANGUAGE plpgsql AS $$BEGIN
	SELECT r.mode, r.reason INTO mode, reason FROM medallion.refresh('gold.spread') r;
	differing := medallion.rebuild('gold.spread', verify => true);
	kept := (SELECT count(*) FROM medallion._aggregate_states);
	RETURN NEXT;
END$$;
SELECT * FROM pg_temp.again();
SELECT key, hidden FROM medallion._aggregate_states WHERE key = '(7)';
UPDATE bronze.spread SET v = v + 1 WHERE id = 7;
DELETE FROM bronze.spread WHERE k = 3;
INSERT INTO bronze.spread VALUES (500, 30, 1);
SELECT * FROM pg_temp.again();
UPDATE gold.spread SET s = 1 WHERE k = 5;
DELETE FROM gold.spread WHERE k = 6;
SELECT * FROM pg_temp.again();
UPDATE bronze.spread SET v = v + 1 WHERE k IN (5, 6);
SELECT * FROM pg_temp.again();
SELECT medallion.expect('gold.spread', 'some', 's > 0');
SELECT * FROM pg_temp.again();
SELECT medallion.unexpect('gold.spread', 'some');
SELECT * FROM pg_temp.again();
INSERT INTO bronze.spread SELECT i, i, i FROM generate_series(1000, 3000) i;
SELECT medallion.rebuild('gold.spread') > 0 AS rebuilt;
SELECT count(*) AS kept FROM medallion._aggregate_states;
DELETE FROM bronze.spread WHERE id >= 1000;
SELECT medallion.rebuild('gold.spread') > 0 AS rebuilt;
SELECT count(*) AS kept FROM medallion._aggregate_states;
SELECT medallion.undefine('gold.spread', drop_table => true);
SELECT count(*) AS kept FROM medallion._aggregate_states;
SET ROLE pg_read_all_stats;
SELECT FROM medallion._aggregate_states;
RESET ROLE;
DROP TABLE bronze.spread;
