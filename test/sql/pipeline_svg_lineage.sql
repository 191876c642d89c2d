-- The picture of lineage: well-formed, complete, nothing overlaps, the same each time.
SET client_min_messages = warning;
\pset null '*'
CREATE SCHEMA "lin<&>";
CREATE SCHEMA lin;
CREATE TABLE bronze.lin_a (id int, x int);
CREATE TABLE bronze.lin_b (id int, y int, "q""<b>" int);
SELECT target FROM medallion.define('silver.lin_a', 'SELECT id, x + 1 AS x FROM bronze.lin_a', '{id}');
SELECT target FROM medallion.define('silver.lin_ab', 'SELECT a.id, x, y FROM silver.lin_a a JOIN bronze.lin_b b USING (id)', '{id}');
SELECT target FROM medallion.define('gold.lin_all', 'SELECT id, x, y FROM silver.lin_ab UNION ALL SELECT -id, x, 0 FROM bronze.lin_a', '{id}');
CREATE VIEW "lin<&>"."a view with a rather long name: ärger, <b> & ""c""" AS SELECT * FROM gold.lin_all JOIN bronze.lin_b USING (id, y);
SELECT format('CREATE VIEW lin.v%s AS SELECT id FROM gold.lin_all', i) FROM generate_series(1, 8) i \gexec
CREATE MATERIALIZED VIEW lin.many AS SELECT id FROM lin.v1 JOIN lin.v3 USING (id) JOIN lin.v8 USING (id) JOIN bronze.lin_b USING (id);

CREATE FUNCTION lin.parts(picture text, path text) RETURNS TABLE (n bigint, part xml) LANGUAGE sql IMMUTABLE AS $$
  SELECT ordinality, unnest FROM unnest(xpath(path, xmlparse(DOCUMENT picture), ARRAY[ARRAY['s', 'http://www.w3.org/2000/svg']])) WITH ORDINALITY $$;
CREATE FUNCTION lin.number(part xml, name text) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$ SELECT (xpath('/*/@' || name, part))[1]::text::float8 $$;
CREATE TABLE lin.picture AS SELECT medallion.lineage_svg('bronze.lin_a', 'downstream') AS svg;
-- Lanes from top to bottom, boxes lane by lane.
CREATE TABLE lin.boxes AS
SELECT n, (xpath('/*/s:title/text()', part, '{{s,http://www.w3.org/2000/svg}}'))[1]::text AS title, (xpath('/*/s:text/text()', part, '{{s,http://www.w3.org/2000/svg}}'))[1]::text AS label,
  lin.number(r, 'x') AS x, lin.number(r, 'y') AS y, lin.number(r, 'width') AS width, lin.number(r, 'height') AS height
FROM lin.picture, lin.parts(svg, '/s:svg/s:g[s:title]') p, LATERAL (SELECT (xpath('/*/s:rect', part, '{{s,http://www.w3.org/2000/svg}}'))[1]) b (r);
CREATE TABLE lin.lanes AS
SELECT n, (SELECT t.part::text FROM lin.picture, lin.parts(svg, '/s:svg/s:text/text()') t WHERE t.n = l.n) AS name, lin.number(part, 'y') AS y, lin.number(part, 'height') AS height
FROM lin.picture, lin.parts(svg, '/s:svg/s:rect[@rx]') l;
SELECT name, (SELECT string_agg(label, ', ' ORDER BY b.x, b.label) FROM lin.boxes b WHERE b.y >= l.y AND b.y + b.height <= l.y + l.height) AS boxes FROM lin.lanes l ORDER BY n;
SELECT title FROM lin.boxes WHERE title ~ 'lin_b|ärger' ORDER BY 1;
-- Every box is in a lane, none overlaps another, lanes neither, all is inside of the picture, columns follow the data.
SELECT count(*) FROM lin.boxes b WHERE NOT EXISTS (SELECT FROM lin.lanes l WHERE b.y >= l.y AND b.y + b.height <= l.y + l.height);
SELECT a.label, b.label FROM lin.boxes a JOIN lin.boxes b ON a.n < b.n AND a.x < b.x + b.width AND b.x < a.x + a.width AND a.y < b.y + b.height AND b.y < a.y + a.height;
SELECT a.name, b.name FROM lin.lanes a JOIN lin.lanes b ON a.n < b.n AND a.y < b.y + b.height AND b.y < a.y + a.height;
SELECT bool_and(x >= 0 AND y >= 0 AND x + width <= lin.number(xmlparse(DOCUMENT svg), 'width') AND y + height <= lin.number(xmlparse(DOCUMENT svg), 'height')) AS inside FROM lin.boxes, lin.picture;
SELECT count(*) AS links, (SELECT count(*) FROM medallion.lineage_edges e WHERE e.output IN (SELECT split_part(split_part(title, E'\n', 1), ' ', -1) FROM lin.boxes) AND e.input IN (SELECT split_part(split_part(title, E'\n', 1), ' ', -1) FROM lin.boxes))
  + (SELECT count(*) FROM medallion.lineage_edges WHERE output LIKE '%ärger%' AND input = 'gold.lin_all') AS edges FROM lin.picture, lin.parts(svg, '/s:svg/s:g/s:path');
SELECT bool_and(o.x > i.x + i.width) AS left_to_right FROM medallion.lineage_edges e JOIN lin.boxes o ON split_part(o.title, E'\n', 1) LIKE '% ' || e.output JOIN lin.boxes i ON split_part(i.title, E'\n', 1) LIKE '% ' || e.input;
-- Of a part; the start has a thick border; again the same; what is alone.
SELECT (xpath('count(/s:svg/s:g[s:title])', xmlparse(DOCUMENT medallion.lineage_svg('silver.lin_ab', depth => 1)), '{{s,http://www.w3.org/2000/svg}}'))[1] AS boxes;
SELECT split_part(p.part::text, E'\n', 1) AS start FROM lin.picture, lin.parts(svg, '/s:svg/s:g[s:rect/@stroke-width="3"]/s:title/text()') p;
SELECT medallion.lineage_svg('bronze.lin_a', 'downstream') = svg AS same FROM lin.picture;
SELECT count(p.part) FROM lin.parts(medallion.lineage_svg('lin.picture'), '/s:svg/s:g[s:title]') p;
-- With columns: they stand in their boxes, and lines go from one to another.
CREATE TABLE lin.columns AS SELECT medallion.lineage_svg('gold.lin_all', 'upstream', with_columns => true) AS svg;
SELECT (SELECT string_agg(t.part::text, ' ' ORDER BY t.n) FROM unnest(xpath('/*/s:text/text()', p.part, '{{s,http://www.w3.org/2000/svg}}')) WITH ORDINALITY t (part, n)) AS texts, lin.number((xpath('/*/s:rect', p.part, '{{s,http://www.w3.org/2000/svg}}'))[1], 'height') AS height
FROM lin.columns, lin.parts(svg, '/s:svg/s:g[s:title]') p ORDER BY 1;
SELECT count(*) AS lines, (SELECT count(*) FROM medallion.column_lineage('gold.lin_all', indirect => false)) AS edges FROM lin.columns, lin.parts(svg, '/s:svg/s:g/s:path');
-- Each line begins and ends beside a text of a column (its baseline is 3 below its middle).
SELECT count(*) FROM (SELECT (regexp_match(p.part::text, 'd="M[0-9.]+,([0-9.]+)'))[1]::float8 AS y FROM lin.columns, lin.parts(svg, '/s:svg/s:g/s:path') p
    UNION ALL SELECT (regexp_match(p.part::text, ',([0-9.]+)" marker'))[1]::float8 FROM lin.columns, lin.parts(svg, '/s:svg/s:g/s:path') p) e
WHERE NOT EXISTS (SELECT FROM lin.columns, lin.parts(svg, '/s:svg/s:g/s:text[@font-size="11"]') t WHERE abs(lin.number(t.part, 'y') - 3 - e.y) < 0.2);
-- One column, both ways.
SELECT (SELECT string_agg(t.part::text, ' ' ORDER BY t.n) FROM unnest(xpath('/*/s:text/text()', p.part, '{{s,http://www.w3.org/2000/svg}}')) WITH ORDINALITY t (part, n)) AS texts
FROM lin.parts(medallion.lineage_svg('silver.lin_a', column_name => 'x'), '/s:svg/s:g[s:title]') p ORDER BY 1;
-- Errors.
SELECT medallion.lineage_svg(column_name => 'x');
SELECT medallion.lineage_svg('silver.lin_a', column_name => 'nothing');
SELECT medallion.lineage_svg('silver.lin_a', with_columns => NULL);
SELECT medallion.lineage_svg('lin.nothing');
SELECT medallion.lineage_svg('gold.lin_all', 'sideways');
SELECT medallion.lineage_svg('gold.lin_all', depth => -1);

DROP SCHEMA lin, "lin<&>" CASCADE;
DROP TABLE gold.lin_all, silver.lin_ab, silver.lin_a, bronze.lin_a, bronze.lin_b CASCADE;
