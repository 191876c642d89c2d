-- Column lineage is complete: when a column of a table changes that lineage does not name for an output column, nothing changes there.
-- Each column is shifted, scrambled and made NULL in turn; an output column is what it returns, as a bag.
SET client_min_messages = warning;
CREATE SCHEMA lin;
CREATE TABLE lin.a (id int, x int, y text, z numeric);
CREATE TABLE lin.b (id int, a_id int, v int, tags int[], w text);
CREATE TABLE lin.e (id int, parent int, name text);
INSERT INTO lin.a SELECT i, i % 4, chr(97 + i % 3), i * 7 % 5 FROM generate_series(1, 9) i;
INSERT INTO lin.b SELECT i, 1 + i * 5 % 9, i % 5, array_fill(i, ARRAY[1 + i % 3]), chr(97 + i % 4) FROM generate_series(1, 12) i;
INSERT INTO lin.e SELECT i, nullif(i / 2, 0), chr(96 + i) FROM generate_series(1, 7) i;
CREATE VIEW lin.va AS SELECT id, x * 2 AS xx, y FROM lin.a WHERE z > 0;
CREATE VIEW lin.vb AS SELECT v.id, v.xx, b.v AS bv, b.tags FROM lin.va v LEFT JOIN lin.b ON b.a_id = v.id;
CREATE FUNCTION lin.plus(p int, q int DEFAULT 1) RETURNS int LANGUAGE sql STABLE RETURN p + (SELECT max(v) FROM lin.b WHERE b.id = q);
CREATE FUNCTION lin.rows_of(p int) RETURNS TABLE (k int, n text) LANGUAGE sql STABLE BEGIN ATOMIC SELECT id, name FROM lin.e WHERE parent = p; END;

CREATE TABLE lin.queries (id int GENERATED ALWAYS AS IDENTITY, query text);
INSERT INTO lin.queries (query) VALUES
 ('SELECT a.id, x + 1 AS more, y, 1 AS one FROM lin.a, lin.b'),
 ('SELECT count(y) AS n, md5(y) AS h FROM lin.a GROUP BY y'),
 ('SELECT id, x, v FROM lin.a JOIN lin.b USING (id)'),
 ('SELECT id, x, v FROM lin.a FULL JOIN lin.b USING (id)'),
 ('SELECT j.id, j.v FROM (lin.a LEFT JOIN lin.b ON a.id = b.a_id AND a.x > 2) AS j (id, x, y, z, b_id, a_id, v) WHERE j.x > 1'),
 ('SELECT * FROM lin.a NATURAL JOIN lin.e'),
 ('SELECT CASE WHEN x > 2 THEN y ELSE z::text END AS c, CASE id WHEN 1 THEN x END AS s, coalesce(y, z::text, ''none'') AS f, nullif(x, id) AS n, greatest(x, id) AS g FROM lin.a'),
 ('SELECT y, sum(x) AS total, count(*) AS rows, count(DISTINCT id) AS ids, sum(z) FILTER (WHERE x > 1) AS some, string_agg(y, '','' ORDER BY id) AS list FROM lin.a WHERE id > 2 GROUP BY y HAVING max(z) > 2'),
 ('SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY z) AS median, array_agg(x ORDER BY z DESC, id) AS l, mode() WITHIN GROUP (ORDER BY y) AS m FROM lin.a'),
 ('SELECT x % 2 AS digit, avg(z) AS mean, count(*) AS n FROM lin.a GROUP BY 1'),
 ('SELECT y, x, grouping(y) AS g, sum(z) AS s FROM lin.a GROUP BY GROUPING SETS ((y), (x, y), ())'),
 ('SELECT y, count(*) AS n FROM lin.a GROUP BY ROLLUP (y, x)'),
 ('SELECT DISTINCT x, y FROM lin.a'),
 ('SELECT DISTINCT ON (x) x, y FROM lin.a ORDER BY x, id DESC'),
 ('SELECT id, x FROM lin.a ORDER BY z, id LIMIT 3'),
 ('SELECT id FROM lin.a ORDER BY id LIMIT (SELECT max(v) FROM lin.b) OFFSET (SELECT min(id) FROM lin.e)'),
 ('SELECT id FROM lin.a ORDER BY x FETCH FIRST 2 ROWS WITH TIES'),
 ('SELECT id, sum(x) OVER w AS running, row_number() OVER w AS n, lag(z, 1) OVER (ORDER BY id) AS before, count(*) FILTER (WHERE x > 1) OVER (PARTITION BY z) AS c, rank() OVER (ORDER BY y) AS r FROM lin.a WINDOW w AS (PARTITION BY y ORDER BY id)'),
 ('SELECT id, first_value(y) OVER (PARTITION BY x ORDER BY z, id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE GROUP) AS f, ntile(3) OVER (ORDER BY z, id) AS t FROM lin.a'),
 ('SELECT s.t, s.k FROM (SELECT y AS k, sum(x) AS t FROM lin.a WHERE z > 0 GROUP BY y) s WHERE s.t > 2'),
 ('SELECT a.id, l.s, l.d FROM lin.a CROSS JOIN LATERAL (SELECT sum(v) AS s, a.x * 2 AS d FROM lin.b WHERE b.a_id = a.id) l'),
 ('SELECT a.id, l.v FROM lin.a LEFT JOIN LATERAL (SELECT v FROM lin.b WHERE b.a_id > a.id ORDER BY v, b.id LIMIT 1) l ON true'),
 ('SELECT id, (SELECT name FROM lin.e WHERE e.id = a.x) AS name, EXISTS (SELECT v FROM lin.b WHERE b.a_id = a.id) AS has, x IN (SELECT a_id FROM lin.b WHERE v > 1) AS is_in, ARRAY(SELECT w FROM lin.b ORDER BY b.id) AS list FROM lin.a'),
 ('SELECT id, x > ALL (SELECT v FROM lin.b WHERE b.id < a.id) AS above, (SELECT count(*) FROM lin.b) AS n, (id, x) IN (SELECT parent, id FROM lin.e) AS pair FROM lin.a'),
 ('SELECT id FROM lin.a WHERE EXISTS (SELECT FROM lin.b WHERE b.a_id = a.id AND v > 0) AND x NOT IN (SELECT parent FROM lin.e WHERE parent IS NOT NULL)'),
 ('SELECT (SELECT (SELECT max(a.x + b.v + e.id) FROM lin.e) FROM lin.b WHERE b.id = 1) AS deep FROM lin.a'),
 ('SELECT id, x FROM lin.a UNION ALL SELECT id, parent + 1 FROM lin.e'),
 ('SELECT id AS k FROM lin.a UNION SELECT a_id FROM lin.b WHERE v > 0'),
 ('SELECT id AS k, x FROM lin.a EXCEPT SELECT a_id, v FROM lin.b'),
 ('SELECT id AS k FROM lin.a EXCEPT ALL SELECT a_id FROM lin.b'),
 ('(SELECT id AS k FROM lin.a INTERSECT SELECT a_id FROM lin.b) UNION ALL SELECT parent FROM lin.e ORDER BY 1 LIMIT 4'),
 ('WITH c AS (SELECT y, sum(x) AS s FROM lin.a GROUP BY y), d AS (SELECT s + 1 AS s1 FROM c) SELECT d.s1, c.y FROM c, d'),
 ('WITH c AS MATERIALIZED (SELECT id, v FROM lin.b WHERE w > ''a'') SELECT x.v, (SELECT max(v) FROM c) AS m FROM c x JOIN c y USING (id)'),
 ('WITH RECURSIVE up AS (SELECT id, parent, name AS path, id AS swap FROM lin.e WHERE parent IS NULL UNION ALL SELECT e.id, e.parent, up.path || ''/'' || e.name, up.parent FROM lin.e JOIN up ON e.parent = up.id AND length(up.path) < 20) SELECT path, swap FROM up'),
 ('WITH RECURSIVE up AS (SELECT id, name FROM lin.e UNION SELECT e.parent, up.name FROM lin.e JOIN up ON e.id = up.id) SELECT id, count(*) AS n FROM up GROUP BY id'),
 ('WITH RECURSIVE up AS (SELECT id, parent FROM lin.e UNION ALL SELECT e.id, e.parent FROM lin.e JOIN up ON e.parent = up.id) SEARCH DEPTH FIRST BY id SET o CYCLE id SET is_cycle USING path SELECT id, o::text, is_cycle, path::text FROM up'),
 ('SELECT v.k, v.c FROM lin.a CROSS JOIN LATERAL (VALUES (1, x), (2, id)) v (k, c)'),
 ('SELECT b.id, t.tag, t.n FROM lin.b, unnest(b.tags) WITH ORDINALITY AS t (tag, n)'),
 ('SELECT b.id, g FROM lin.b, generate_series(1, b.v) g'),
 ('SELECT g, f.b, a.id FROM lin.a, ROWS FROM (generate_series(1, a.x), upper(a.y)) AS f (g, b)'),
 ('SELECT unnest(tags) AS tag, id FROM lin.b'),
 ('SELECT id, generate_series(1, v) + a_id AS g, w FROM lin.b'),
 ('SELECT s.id, s.w FROM (SELECT id, w, unnest(tags) AS u FROM lin.b) s'),
 ('SELECT a AS whole, (a).y AS field, row(a.id, a.x)::text AS r, to_jsonb(a) AS j FROM lin.a'),
 ('SELECT (s.r).f1 AS one, (s.w).z FROM (SELECT row(id, x) AS r, a AS w FROM lin.a) s'),
 ('SELECT t.id FROM (SELECT id, x FROM lin.a) t WHERE t IS NOT NULL'),
 ('SELECT count(a) AS n, count(*) AS m FROM lin.a'),
 ('SELECT tags[1] AS t, array_length(tags, 1) AS n, ARRAY[id, a_id] AS both, v = ANY (tags) AS o FROM lin.b'),
 ('SELECT tags[a_id] AS s, tags[1:v] AS part FROM lin.b'),
 ('SELECT lin.plus(x) AS one, lin.plus(q => id, p => x) AS two FROM lin.a'),
 ('SELECT r.n, r.k, a.id FROM lin.a, lin.rows_of(a.x) r'),
 ('SELECT a.id, (lin.rows_of(a.x)).k FROM lin.a'),
 ('SELECT id, xx FROM lin.va WHERE y > ''a'''),
 ('SELECT xx, bv FROM lin.vb WHERE id > 3'),
 ('SELECT v FROM lin.va v'),
 ('SELECT max(bv) AS m FROM lin.vb GROUP BY xx HAVING count(*) > 1'),
 ('SELECT x.id, y.n FROM lin.va x JOIN (SELECT xx, count(*) AS n FROM lin.vb GROUP BY xx) y ON y.xx = x.xx'),
 ('SELECT id, x IS NULL AS u, x IS DISTINCT FROM id AS d, y LIKE ''a%'' AS l, (x, id) < (2, 3) AS rc, x BETWEEN 1 AND 2 AS bt, NOT (z > 2) AS nt FROM lin.a'),
 ('SELECT jsonb_agg(name ORDER BY id) FILTER (WHERE parent > 1) AS j FROM lin.e'),
 ('SELECT a.id FROM lin.a TABLESAMPLE SYSTEM (100) REPEATABLE ((SELECT 1)) WHERE a.id > 0'),
 ('SELECT t.p FROM lin.a, XMLTABLE(''/r'' PASSING xmlparse(DOCUMENT ''<r><p>'' || coalesce(a.x, 0) || ''</p></r>'') COLUMNS p int PATH ''p'' DEFAULT a.id) t'),
 ('SELECT l.id, r.id AS other FROM lin.a l RIGHT JOIN lin.a r ON l.x = r.z'),
 ('SELECT id, CASE WHEN EXISTS (SELECT FROM lin.e WHERE e.id = a.x) THEN (SELECT sum(v) FROM lin.b WHERE b.a_id = a.id) ELSE 0 END AS s FROM lin.a'),
 ('SELECT sum(s) AS t FROM (SELECT count(*) AS s FROM lin.b GROUP BY w) q'),
 ('SELECT count(*) AS n FROM (SELECT DISTINCT a_id FROM lin.b) q'),
 ('SELECT count(*) AS n, max(one) AS m FROM (SELECT 1 AS one FROM lin.b WHERE v > 1) q'),
 ('SELECT sum(count(*)) OVER (ORDER BY w) AS running, w FROM lin.b GROUP BY w');

-- What a query returns in one column, as a bag.
CREATE FUNCTION lin.bags(query text, names text[]) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE result text[];
BEGIN
  EXECUTE format('WITH q (%s) AS (%s) SELECT ARRAY[%s] FROM q', (SELECT string_agg(format('c%s', i), ', ') FROM generate_subscripts(names, 1) i), query,
    (SELECT string_agg(format('coalesce(string_agg(coalesce(c%s::text, ''NULL''), '','' ORDER BY c%s::text COLLATE "C"), ''none'')', i, i), ', ') FROM generate_subscripts(names, 1) i)) INTO result;
  RETURN result;
EXCEPTION WHEN data_exception OR cardinality_violation OR array_subscript_error THEN RETURN NULL;
END $$;
CREATE FUNCTION lin.change(tab text, col text, kind text, how int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('UPDATE lin.%I SET %I = %s', tab, col, CASE how
    WHEN 1 THEN CASE kind WHEN 'text' THEN format('chr(122 - ascii(%I) + 97)', col) WHEN 'integer[]' THEN format('%I || 77 || 5', col) ELSE format('%I + 3', col) END
    WHEN 2 THEN CASE kind WHEN 'text' THEN format('chr(97 + (id * 5) %% 4)', col) WHEN 'integer[]' THEN format('%I[2:]', col) ELSE format('(%I * 5 + 1) %% 7', col) END
    ELSE CASE WHEN col = 'id' THEN '0' ELSE 'NULL' END END);
END $$;
CREATE FUNCTION lin.effects() RETURNS TABLE (query_id int, output text, input text, how int) LANGUAGE plpgsql AS $$
DECLARE q record; c record; names text[]; before text[]; after text[]; found record;
BEGIN
  FOR q IN SELECT * FROM lin.queries ORDER BY id LOOP
    EXECUTE format('CREATE TEMP TABLE probe AS SELECT * FROM (%s) p LIMIT 0', q.query);
    SELECT array_agg(attname::text ORDER BY attnum) INTO names FROM pg_attribute WHERE attrelid = 'probe'::regclass AND attnum > 0;
    DROP TABLE probe;
    before := lin.bags(q.query, names);
    IF before IS NULL THEN RAISE 'query % fails', q.id; END IF;
    FOR c IN SELECT relname::text AS tab, attname::text AS col, format_type(atttypid, NULL) AS kind, h FROM pg_attribute JOIN pg_class r ON r.oid = attrelid, generate_series(1, 3) h
      WHERE relnamespace = 'lin'::regnamespace AND relname IN ('a', 'b', 'e') AND attnum > 0 LOOP
      BEGIN
        PERFORM lin.change(c.tab, c.col, c.kind, c.h);
        after := lin.bags(q.query, names);
        RAISE SQLSTATE 'UU000';
      EXCEPTION WHEN SQLSTATE 'UU000' THEN NULL;
      END;
      IF after IS NULL THEN CONTINUE; END IF;
      FOR i IN 1 .. cardinality(names) LOOP
        IF after[i] IS DISTINCT FROM before[i] THEN
          query_id := q.id; output := names[i]; input := c.tab || '.' || c.col; how := c.h; RETURN NEXT;
        END IF;
      END LOOP;
    END LOOP;
  END LOOP;
END $$;
CREATE TABLE lin.effect AS SELECT DISTINCT query_id, output, input FROM lin.effects();
CREATE TABLE lin.claim AS SELECT DISTINCT q.id AS query_id, l.output_column AS output, substr(l.input, 5) || '.' || l.input_column AS input, l.type
FROM lin.queries q, medallion.query_lineage(q.query, true) l;
SELECT count(*) AS effects, count(DISTINCT query_id) AS queries FROM lin.effect;
SELECT e.*, left(q.query, 100) AS query FROM lin.effect e JOIN lin.queries q ON q.id = e.query_id
WHERE NOT EXISTS (SELECT FROM lin.claim c WHERE c.query_id = e.query_id AND c.input = e.input AND (c.output IS NULL OR c.output = e.output)) ORDER BY 1, 2, 3;
-- Nor does it name much that does not matter: what values are said to be made of was seen to change them, but for these.
SELECT c.query_id, c.output, c.input, left(q.query, 140) AS query FROM lin.claim c JOIN lin.queries q ON q.id = c.query_id
WHERE c.type = 'DIRECT' AND NOT EXISTS (SELECT FROM lin.effect e WHERE e.query_id = c.query_id AND e.input = c.input AND e.output = c.output) ORDER BY 1, 2, 3;
SELECT count(*) AS said_of_rows, count(*) FILTER (WHERE EXISTS (SELECT FROM lin.effect e WHERE e.query_id = c.query_id AND e.input = c.input)) AS seen
FROM lin.claim c WHERE c.output IS NULL;
DROP SCHEMA lin CASCADE;
