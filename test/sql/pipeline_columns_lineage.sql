-- Where the columns of a query come from: every shape of query, from the tree the server's parser makes.
SET client_min_messages = warning;
CREATE SCHEMA lin;
CREATE TABLE lin.a (id int PRIMARY KEY, x int, y text, z numeric(8,2));
CREATE TABLE lin.b (id int PRIMARY KEY, a_id int, v float8, tags text[], w varchar(10));
CREATE TABLE lin.e (id int, parent int, name text);

\pset null '*'
CREATE FUNCTION lin.show(query text, through_views bool DEFAULT false)
RETURNS TABLE (output_column text, comes_from text) LANGUAGE sql AS $$
  SELECT output_column, string_agg(substr(input, 5) || '.' || input_column || ' ' || lower(subtype) ||
    CASE WHEN masking THEN ' (masked)' ELSE '' END, ', ' ORDER BY input, input_column, type, subtype, masking)
  FROM medallion.query_lineage(query, through_views) WITH ORDINALITY q (output_column, input, input_column, type, subtype, masking, place)
  GROUP BY output_column ORDER BY min(place) $$;

-- Values as they are, and changed.
SELECT * FROM lin.show('SELECT a.id, x + 1 AS more, y AS name, 1 AS one, x * x AS square, w::text AS same, v::int AS cast FROM lin.a, lin.b');
SELECT * FROM medallion.query_lineage('SELECT count(y) AS n, md5(y) AS h FROM lin.a GROUP BY y');
-- Joins: conditions decide about all rows; USING merges columns.
SELECT * FROM lin.show('SELECT id, x, v FROM lin.a JOIN lin.b USING (id)');
SELECT * FROM lin.show('SELECT id, x, v FROM lin.a FULL JOIN lin.b USING (id)');
SELECT * FROM lin.show('SELECT j.id, j.v FROM (lin.a LEFT JOIN lin.b ON a.id = b.a_id AND a.x > 3) AS j (id, x, y, z, b_id, a_id, v) WHERE j.x > 5');
SELECT * FROM lin.show('SELECT * FROM lin.a NATURAL JOIN lin.e');
SELECT * FROM lin.show('SELECT a.x FROM lin.a, lin.b WHERE a.id = b.a_id');
-- Conditions within values.
SELECT * FROM lin.show($$SELECT CASE WHEN x > 3 THEN y ELSE z::text END AS c, CASE id WHEN 1 THEN x END AS s, coalesce(y, z::text, 'none') AS first,
  nullif(x, id) AS n, greatest(x, id) AS g FROM lin.a$$);
-- Aggregates.
SELECT * FROM lin.show($$SELECT y, sum(x) AS total, count(*) AS rows, count(DISTINCT id) AS ids, sum(z) FILTER (WHERE x > 0) AS some,
  string_agg(y, ',' ORDER BY id) AS list, percentile_cont(0.5) WITHIN GROUP (ORDER BY z) AS median, sum(x) + max(id) AS both
  FROM lin.a WHERE id > 3 GROUP BY y HAVING max(z) > 10 ORDER BY min(id) LIMIT 3$$);
SELECT * FROM lin.show('SELECT x % 10 AS digit, avg(z) AS mean FROM lin.a GROUP BY x % 10');
SELECT * FROM lin.show('SELECT y, x, grouping(y) AS g, sum(z) AS s FROM lin.a GROUP BY GROUPING SETS ((y), (x, y), ())');
SELECT * FROM lin.show('SELECT DISTINCT x, y FROM lin.a');
SELECT * FROM lin.show('SELECT DISTINCT ON (x) x, y FROM lin.a ORDER BY x, id DESC');
-- Windows: what partitions and orders them concerns their column alone.
SELECT * FROM lin.show($$SELECT id, sum(x) OVER w AS running, row_number() OVER w AS n, lag(z, 1) OVER (ORDER BY id) AS before, count(*) FILTER (WHERE x > 1) OVER (PARTITION BY z) AS c
  FROM lin.a WINDOW w AS (PARTITION BY y ORDER BY id)$$);
-- Subqueries: in FROM, LATERAL, in expressions, correlated.
SELECT * FROM lin.show('SELECT s.t, s.k FROM (SELECT y AS k, sum(x) AS t FROM lin.a WHERE z > 0 GROUP BY y) s WHERE s.t > 3');
SELECT * FROM lin.show('SELECT a.id, l.s, l.d FROM lin.a CROSS JOIN LATERAL (SELECT sum(v) AS s, a.x * 2 AS d FROM lin.b WHERE b.a_id = a.id) l');
SELECT * FROM lin.show($$SELECT id, (SELECT name FROM lin.e WHERE e.id = a.x) AS name, EXISTS (SELECT v FROM lin.b WHERE b.a_id = a.id) AS has,
  x IN (SELECT a_id FROM lin.b WHERE v > 1) AS is_in, ARRAY(SELECT w FROM lin.b ORDER BY b.id) AS list FROM lin.a$$);
SELECT * FROM lin.show('SELECT id FROM lin.a WHERE EXISTS (SELECT FROM lin.b WHERE b.a_id = a.id AND v > 0) AND x NOT IN (SELECT parent FROM lin.e)');
SELECT * FROM lin.show('SELECT (SELECT (SELECT max(a.x + b.v + e.id) FROM lin.e) FROM lin.b WHERE b.id = 1) AS deep FROM lin.a');
-- Set operations.
SELECT * FROM lin.show('SELECT id, x FROM lin.a UNION ALL SELECT id, parent + 1 FROM lin.e');
SELECT * FROM lin.show('SELECT id AS k FROM lin.a UNION SELECT a_id FROM lin.b WHERE v > 0');
SELECT * FROM lin.show('SELECT id AS k FROM lin.a EXCEPT SELECT a_id FROM lin.b');
SELECT * FROM lin.show('(SELECT id AS k FROM lin.a INTERSECT SELECT a_id FROM lin.b) UNION ALL SELECT parent FROM lin.e ORDER BY 1 LIMIT 4');
-- CTEs, recursive ones until nothing is new, with SEARCH and CYCLE.
SELECT * FROM lin.show('WITH c AS (SELECT y, sum(x) AS s FROM lin.a GROUP BY y), d AS (SELECT s + 1 AS s1 FROM c) SELECT d.s1, c.y FROM c, d');
SELECT * FROM lin.show($$WITH RECURSIVE up AS (SELECT id, parent, name AS path, id AS swap FROM lin.e WHERE parent IS NULL
  UNION ALL SELECT e.id, e.parent, up.path || '/' || e.name, up.parent FROM lin.e JOIN up ON e.parent = up.id) SELECT path, swap FROM up$$);
SELECT * FROM lin.show($$WITH RECURSIVE up AS (SELECT id, name FROM lin.e UNION ALL SELECT e.parent, up.name FROM lin.e JOIN up ON e.parent = up.id)
  SEARCH DEPTH FIRST BY name SET ordering CYCLE id SET is_cycle USING path SELECT id, ordering, is_cycle, path FROM up$$);
SELECT * FROM lin.show('WITH unused AS (SELECT v FROM lin.b WHERE v > 1) SELECT x FROM lin.a');
-- VALUES, functions, XMLTABLE, rows.
SELECT * FROM lin.show('SELECT v.k, v.c FROM lin.a CROSS JOIN LATERAL (VALUES (1, x), (2, id)) v (k, c)');
SELECT * FROM lin.show('SELECT b.id, t.tag, t.n FROM lin.b, unnest(b.tags) WITH ORDINALITY AS t (tag, n)');
SELECT * FROM lin.show('SELECT g, f.b FROM lin.a, ROWS FROM (generate_series(1, a.x), upper(a.y)) AS f (g, b)');
SELECT * FROM lin.show('SELECT unnest(tags) AS tag FROM lin.b');
SELECT * FROM lin.show($$SELECT t.p FROM lin.a, XMLTABLE('/r' PASSING xmlparse(DOCUMENT a.y) COLUMNS p int PATH 'p' DEFAULT a.x) t$$);
SELECT * FROM lin.show('SELECT a AS whole, (a).y AS field, row(a.id, a.x) AS r, to_jsonb(a) AS j FROM lin.a');
SELECT * FROM lin.show('SELECT (s.r).f1 AS one, (s.w).z, s.t FROM (SELECT row(id, x) AS r, a AS w, a.ctid::text AS t FROM lin.a) s');
SELECT * FROM lin.show('SELECT t FROM (SELECT id, x FROM lin.a) t');
SELECT * FROM lin.show('SELECT count(a) AS n FROM lin.a');
SELECT * FROM lin.show('SELECT tags[1] AS t, array_length(tags, 1) AS n, ARRAY[id, a_id] AS both FROM lin.b');
-- Functions whose body the server has analysed are that body.
CREATE FUNCTION lin.plus(p int, q int DEFAULT 1) RETURNS int LANGUAGE sql STABLE RETURN p + (SELECT max(v)::int FROM lin.b WHERE b.id = q);
CREATE FUNCTION lin.rows_of(p int) RETURNS TABLE (k int, n text) LANGUAGE sql STABLE BEGIN ATOMIC SELECT id, name FROM lin.e WHERE parent = p; END;
CREATE FUNCTION lin.opaque(p int, q int) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN 1; END';
CREATE FUNCTION lin.again(p int) RETURNS int LANGUAGE sql STABLE RETURN p;
CREATE OR REPLACE FUNCTION lin.again(p int) RETURNS int LANGUAGE sql STABLE RETURN CASE WHEN p > 0 THEN lin.again(p - 1) END;
SELECT * FROM lin.show('SELECT lin.plus(x) AS one, lin.plus(q => id, p => x) AS two, lin.opaque(x, id) AS o, lin.again(x) AS a FROM lin.a');
SELECT * FROM lin.show('SELECT r.n, r.k FROM lin.a, lin.rows_of(a.x) r');
-- Views: an origin of their own, or looked through.
CREATE VIEW lin.va AS SELECT id, x * 2 AS xx, y FROM lin.a WHERE z > 0;
CREATE VIEW lin.vb AS SELECT v.id, v.xx, b.v AS bv FROM lin.va v JOIN lin.b ON b.a_id = v.id;
SELECT * FROM lin.show('SELECT xx, bv FROM lin.vb WHERE id > 3');
SELECT * FROM lin.show('SELECT xx, bv FROM lin.vb WHERE id > 3', true);
SELECT * FROM lin.show('SELECT v FROM lin.va v', true);
ALTER TABLE lin.a RENAME COLUMN x TO ex;
ALTER VIEW lin.va RENAME COLUMN xx TO twice;
SELECT * FROM lin.show('SELECT twice FROM lin.va', true);
ALTER TABLE lin.a RENAME COLUMN ex TO x;
-- The server's own views, which are queries of many kinds.
SELECT count(*) > 130 AS views, avg((origins > 0)::int) > 0.8 AS most_read_tables FROM (SELECT (SELECT count(*) FROM medallion.query_lineage(definition, true)) AS origins
  FROM pg_views WHERE schemaname IN ('pg_catalog', 'information_schema')) v;
-- Errors.
SELECT medallion.query_lineage(NULL);
SELECT medallion.query_lineage('SELECT nothing FROM lin.a');
SELECT medallion.query_lineage('SELECT 1; SELECT 2');
SELECT medallion.query_lineage('DELETE FROM lin.a');
SELECT medallion.query_lineage('SELECT id INTO lin.c FROM lin.a');
SELECT medallion.query_lineage('SELECT $1::int');

DROP SCHEMA lin CASCADE;
