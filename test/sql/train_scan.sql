-- Training reads the rows of a table from its scan; the same rows out of a materialized CTE come as arguments.  Both must give
-- the same.
SET client_min_messages = warning;
CREATE SCHEMA train_scan;
SET search_path = train_scan, public;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'glad');
CREATE DOMAIN share AS float8 CHECK (value >= 0);

-- the coefficients and metrics of a version, without what tells time
CREATE FUNCTION learnt(model text) RETURNS text LANGUAGE sql AS $$
	SELECT md5(string_agg(concat_ws(' ', class, feature, estimate, std_error), '|' ORDER BY position))
	FROM medallion.coefficients c WHERE c.model = $1 $$;
-- trains on the table and on its rows as arguments, and compares
CREATE FUNCTION same(source text, target text, algorithm text, features text[] DEFAULT NULL, params jsonb DEFAULT '{}', weight text DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE a record; b record; la text; lb text;
BEGIN
	SELECT * INTO a FROM medallion.train('scan_a', source, target, algorithm, features => features, params => params, weight => weight);
	SELECT * INTO b FROM medallion.train('scan_b', 'WITH r AS MATERIALIZED (SELECT * FROM ' || source || ') SELECT * FROM r', target, algorithm, features => features, params => params, weight => weight);
	la := learnt('scan_a'); lb := learnt('scan_b');
	PERFORM medallion.drop_model(m) FROM unnest(ARRAY['scan_a', 'scan_b']) m;
	RETURN a.rows = b.rows AND la IS NOT DISTINCT FROM lb AND a.metrics - 'seconds' = b.metrics - 'seconds';
END $$;

CREATE TABLE t (a float8, dropped int, b float8, i2 int2, i4 int4, f4 float4, i8 int8, flag boolean, early text, n numeric, d date, at timestamptz, m mood,
	v varchar(20), c char(6), s share, arr float8[], ints int[], late float8, w float8, label int, y float8);
INSERT INTO t SELECT sin(i), i, cos(i * 3), i % 7, i % 1000, i / 7.0, i * 3, i % 3 = 0, repeat('x', i % 5), i % 97 / 10.0, date '2020-01-01' + i % 300,
	timestamptz '2020-01-01 00:00+00' + i % 500 * interval '1 hour', (ARRAY['sad', 'ok', 'glad'])[1 + i % 3]::mood, 'v' || i % 4, 'c' || i % 5, abs(sin(i)),
	ARRAY[sin(i * 5), i % 4], ARRAY[i % 5, i % 9], cos(i * 7), 1 + i % 3, i % 3, sin(i) + i % 7 + cos(i * 7) + 0.1 * sin(i * i)
FROM generate_series(1, 3000) i;
ANALYZE t;

SELECT same('train_scan.t', 'y', 'linear', '{a,b,i2,i4}');
SELECT same('train_scan.t', 'y', 'linear', '{b,a}', weight => 'w');
SELECT same('train_scan.t', 'y', 'linear');
SELECT same('train_scan.t', 'y', 'linear', '{late,early,n,d,at,m,v,c,s,flag,f4,i8,arr,ints}', '{}', 'i4') AS weighted;
SELECT same('train_scan.t', 'label', 'naive_bayes', '{a,b}');
SELECT same('train_scan.t', 'label', 'naive_bayes', '{a,b,late}');
SELECT same('train_scan.t', 'm', 'naive_bayes', '{a,b,late,f4}');
SELECT same('train_scan.t', 'label', 'logistic', '{a,b,m,v,flag,n}');
SELECT same('train_scan.t', 'flag', 'logistic', '{a,b,d,at}');
SELECT same('train_scan.t', 'y', 'neighbors', '{a,b,i4,v,late}');

-- NULLs anywhere, columns dropped and added, rows before and after
ALTER TABLE t DROP COLUMN dropped;
ALTER TABLE t ADD COLUMN added float8 DEFAULT 3.5, ADD COLUMN added_text text DEFAULT 'old';
SELECT same('train_scan.t', 'y', 'linear', '{a,b,i4,late}');
INSERT INTO t (a, b, i2, i4, early, late, label, y, added, added_text, v, m)
SELECT CASE WHEN i % 10 > 0 THEN sin(i) END, cos(i), i % 5, i, CASE WHEN i % 6 > 0 THEN 'z' END, CASE WHEN i % 7 > 0 THEN 1.0 / i END, i % 3, i % 11, i, 'new', 'v1', 'ok'
FROM generate_series(1, 1000) i;
SELECT same('train_scan.t', 'y', 'linear', '{a,b,i4,late,added,added_text}');
SELECT same('train_scan.t', 'y', 'linear', '{early,late,added,f4,m}');
SELECT same('train_scan.t', 'label', 'naive_bayes', '{b,i4,added}');
SELECT same('train_scan.t', 'label', 'naive_bayes', '{a,b}');
SELECT same('train_scan.t', 'label', 'naive_bayes', '{a,late}');
SELECT same('train_scan.t', 'added_text', 'logistic', '{b,i4,late}');
-- not finite: counted and refused by name
INSERT INTO t (a, b, y) VALUES ('NaN', 1, 1), (2, 'Infinity', 2);
SELECT medallion.train('scan_bad', 'train_scan.t', 'y', 'linear', features => '{a,b}');
SELECT medallion.train('scan_bad', 'WITH r AS MATERIALIZED (SELECT * FROM train_scan.t) SELECT * FROM r', 'y', 'linear', features => '{a,b}');
SELECT medallion.train('scan_bad', 'train_scan.t', 'y', 'linear', features => '{b,late}');
DELETE FROM t WHERE a = 'NaN' OR b = 'Infinity';

-- labels of any type; many distinct integers
CREATE TABLE labels AS SELECT sin(i) AS x, cos(i) AS z, i % 4 AS i4, (i % 4)::int8 - 2 AS i8, (i % 4)::numeric / 4 AS num, (i % 4)::float8 AS f8, i % 4 = 0 AS bool, date '2020-01-01' + i % 4 AS day,
	i % 4 || 'ä' AS word, -(i % 400) AS many FROM generate_series(1, 4000) i;
SELECT label, same('train_scan.labels', label, 'naive_bayes', '{x,z}') FROM unnest('{i4,i8,f8,bool,day,word,many}'::text[]) label;
SELECT same('train_scan.labels', 'x', 'linear', '{z,many,bool,day}');

-- views and queries that only select, with expressions, WHERE, functions of the row
CREATE VIEW picked AS SELECT y AS goal, late * 2 AS twice, a, i4::float8 AS four, now() IS NOT NULL AS always, v FROM t WHERE i2 > 1 AND a IS NOT NULL AND late IS NOT NULL;
SELECT same('train_scan.picked', 'goal', 'linear', '{twice,a,four,v}');

-- in parallel
CREATE TABLE big AS SELECT sin(i) AS a, cos(i) AS b, i % 100 AS k, sin(i) + 0.01 * cos(i * i) AS y, i % 2 AS label FROM generate_series(1, 40000) i;
ALTER TABLE big SET (parallel_workers = 2);
ANALYZE big;
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SELECT (medallion.train('scan_par', 'train_scan.big', 'y', 'linear', exclude => '{label}')).rows;
SELECT (medallion.train('scan_arg', 'WITH r AS MATERIALIZED (SELECT * FROM train_scan.big) SELECT * FROM r', 'y', 'linear', exclude => '{label}')).rows;
SELECT x.feature, abs(x.estimate - z.estimate) < 1e-12 AS close, abs(x.std_error - z.std_error) < 1e-12 AS close
FROM medallion.coefficients x JOIN medallion.coefficients z USING (feature) WHERE x.model = 'scan_par' AND z.model = 'scan_arg' ORDER BY x.position;
SELECT same('train_scan.big', 'label', 'logistic', '{a,b,k}');
RESET min_parallel_table_scan_size;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;

-- more columns than a call takes
SELECT 'CREATE TABLE wide AS SELECT i % 7 AS y' || string_agg(', sin(i * ' || k || ') AS c' || k, '') || ', i % 4 || '''' AS word FROM generate_series(1, 500) i' FROM generate_series(1, 120) k
\set ECHO none
\gexec
\set ECHO all
SELECT same('train_scan.wide', 'y', 'linear');
ALTER TABLE wide DROP COLUMN c5;
SELECT same('train_scan.wide', 'y', 'linear');

-- inheritance, partitions, temporary tables
CREATE TABLE child () INHERITS (labels);
INSERT INTO child SELECT * FROM labels WHERE x > 0;
SELECT same('train_scan.labels', 'x', 'linear', '{z,many}');
CREATE TABLE parted (k int, x float8, y float8) PARTITION BY LIST (k);
CREATE TABLE parted_0 PARTITION OF parted FOR VALUES IN (0);
CREATE TABLE parted_1 (y float8, x float8, k int);
ALTER TABLE parted ATTACH PARTITION parted_1 FOR VALUES IN (1);
INSERT INTO parted SELECT i % 2, sin(i), cos(i) FROM generate_series(1, 1000) i;
SELECT same('train_scan.parted', 'y', 'linear', '{x}');
SELECT same('train_scan.parted_1', 'y', 'linear', '{x}');
CREATE TEMP TABLE own AS SELECT * FROM labels;
SELECT same('own', 'x', 'linear', '{z,many}');

-- rights: of columns, of rows
CREATE ROLE scan_reader;
GRANT USAGE ON SCHEMA train_scan TO scan_reader;
CREATE TABLE guarded AS SELECT sin(i) AS a, cos(i) AS b, sin(i * 5) AS secret, i % 2 AS side, sin(i) * (1 + i % 2) AS y FROM generate_series(1, 1000) i;
GRANT SELECT (a, b, side, y) ON guarded TO scan_reader;
CREATE VIEW shown AS SELECT a, b, y FROM guarded WHERE secret > 0;
GRANT SELECT ON shown TO scan_reader;
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY one_side ON guarded TO scan_reader USING (side = 0);
SET ROLE scan_reader;
SELECT medallion.train('scan_bad', 'train_scan.guarded', 'y', 'linear', features => '{a,secret}');
SELECT rows FROM medallion.train('scan_own', 'SELECT a, b, y FROM train_scan.guarded', 'y', 'linear');
SELECT round(estimate::numeric, 9) AS estimate FROM medallion.coefficients WHERE model = 'scan_own' AND feature = 'a';
SELECT rows > 400 FROM medallion.train('scan_shown', 'train_scan.shown', 'y', 'linear');
RESET ROLE;

-- locking is told apart
SELECT medallion.train('scan_bad', 'SELECT a, b, y FROM train_scan.guarded FOR UPDATE', 'y', 'linear');

-- rows updated before in the same transaction
BEGIN;
UPDATE guarded SET y = y * 2, a = NULL WHERE side = 1;
SELECT same('train_scan.guarded', 'y', 'linear', '{a,b}');
ROLLBACK;

SELECT count(medallion.drop_model(model, force => true)) FROM medallion.models WHERE model LIKE 'scan\_%';
DROP SCHEMA train_scan CASCADE;
DROP OWNED BY scan_reader;
DROP ROLE scan_reader;
