-- medallion.plot: curves, confusion matrices, points and models as text, ASCII and SVG; hostile input.
CREATE SCHEMA plot_test;
SET search_path = plot_test;
\pset footer off
CREATE TABLE s AS SELECT i, i % 3 = 0 AS l, (i * 37 % 100 + CASE WHEN i % 3 = 0 THEN 40 ELSE 0 END) / 140.0::float8 AS p,
	(ARRAY['cat', 'dog', 'a <very> long & odd "class"'])[1 + i % 3] AS c, (ARRAY['cat', 'dog', 'cat', 'dog', 'a <very> long & odd "class"'])[1 + i % 5] AS g
FROM generate_series(1, 300) i;
SHOW client_encoding;
SELECT medallion.plot(medallion.roc_curve(l, p)) FROM s;
SELECT medallion.plot(medallion.pr_curve(l, p), 'ascii', 'A title') FROM s;
SELECT medallion.plot(medallion.calibration_curve(l, p), width => 40, height => 8) FROM s;
SELECT medallion.plot(medallion.lift_curve(l, p, 4), 'ascii', width => 40, height => 8) FROM s;
SELECT medallion.plot(medallion.confusion(c, g)) FROM s;
SELECT medallion.plot(medallion.confusion(c, g), 'ascii') FROM s;
SELECT medallion.plot('{-1000,0,2500}', '{0.001,0.0022,0.0015}'::float8[], kind => 'line', x_label => 'x', y_label => 'y', height => 8);
SELECT medallion.plot(array_agg(i), array_agg(p), 'points', 'ascii', height => 8) FROM (SELECT i::float8, p FROM s) q;
-- One point has a place; a flat line too.
SELECT medallion.plot('{1}'::float8[], '{0}'::float8[], 'points', height => 5, width => 30);
SELECT medallion.plot('{1,2}'::float8[], '{7,7}'::float8[], height => 5, width => 30);

-- Groups have marks and names; lines are marked here and there, over the points.
CREATE TABLE g AS SELECT i::float8 AS x, (i * i % 17)::float8 AS y, (ARRAY['odd', 'even'])[1 + (i % 2)] AS name FROM generate_series(1, 30) i
	UNION ALL SELECT i, i / 2.0, 'trend' FROM (VALUES (0), (30)) v(i);
SELECT medallion.plot(array_agg(x ORDER BY x), array_agg(y ORDER BY x), 'points', title => 'Groups', x_label => 'x', y_label => 'y', height => 8, groups => array_agg(name ORDER BY x), lines => '{trend}') FROM g;
SELECT medallion.plot(array_agg(x ORDER BY x), array_agg(y ORDER BY x), 'points', 'ascii', height => 6, width => 30, groups => array_agg(name ORDER BY x), lines => '{trend}') FROM g;
SELECT medallion.plot(array_agg(x ORDER BY x), array_agg(-x ORDER BY x), height => 6, groups => array_agg('a name that is much too long for a legend, no. ' || x::int % 3 ORDER BY x)) FROM g;
-- Colours, marks and names in the picture; a name is escaped.
SELECT svg ~ '<rect x="[0-9.]+" y="[0-9.]+" width="5.4"' AS squares, svg ~ '>&lt;odd&gt;</text>' AS escaped, svg ~ '>trend</text>' AS line_named, xml_is_well_formed_document(svg)
FROM (SELECT medallion.plot(array_agg(x ORDER BY x), array_agg(y ORDER BY x), 'points', 'svg', groups => array_agg(CASE name WHEN 'odd' THEN '<odd>' ELSE name END ORDER BY x), lines => '{trend}') AS svg FROM g) q;
-- Of many points those that lie on another are not drawn again.
SELECT length(svg) < 600000 AS short FROM (SELECT medallion.plot(array_agg(i % 100 + 0.0::float8), array_agg(i % 97 + 0.0::float8), 'points', 'svg') AS svg FROM generate_series(1, 50000) i) q;
-- Long numbers have room: fewer ticks, none cut at the right.
SELECT regexp_matches(svg, 'x="([0-9.]+)" y="[0-9.]+" font-size="11" text-anchor="middle" fill="#5b6770">([^<]*)<', 'g') FROM (SELECT medallion.plot('{0,5000000}'::float8[], '{0,1}'::float8[], format => 'svg', width => 240, height => 120) AS svg) q;

-- Pictures are well-formed XML of one row, and stand alone; what is in them is escaped.
CREATE TABLE pictures AS
SELECT 'roc' AS kind, medallion.plot(medallion.roc_curve(l, p), 'svg', 'Is <this> & "that" safe?') AS svg FROM s
UNION ALL SELECT 'pr', medallion.plot(medallion.pr_curve(l, p), 'svg') FROM s
UNION ALL SELECT 'calibration', medallion.plot(medallion.calibration_curve(l, p), 'svg') FROM s
UNION ALL SELECT 'lift', medallion.plot(medallion.lift_curve(l, p), 'svg', width => 300, height => 200) FROM s
UNION ALL SELECT 'confusion', medallion.plot(medallion.confusion(c, g), 'svg') FROM s
UNION ALL SELECT 'points', medallion.plot(array_agg(p), array_agg(p), 'points', 'svg', x_label => '<script>') FROM s;
SELECT kind, xml_is_well_formed_document(svg) AS well_formed, svg ~ '^<svg xmlns="http://www.w3.org/2000/svg" width="\d+" height="\d+" .*</svg>$' AS is_svg,
	svg ~ E'\n|<script|href|style=|url\\(' AS has_more, xpath('//*[local-name()="title"][1]/text()', svg::xml) AS titles
FROM pictures WHERE kind <> 'confusion' ORDER BY kind;
SELECT xml_is_well_formed_document(svg), (xpath('//*[local-name()="title"]/text()', svg::xml))[4] FROM pictures WHERE kind = 'confusion';
-- A long curve is drawn with no more points than can be seen.
SELECT length(svg) < 100000 AS short FROM (SELECT medallion.plot(medallion.pr_curve(i % 3 = 0, i / 7.0), 'svg') AS svg FROM generate_series(1, 100000) i) q;

-- Models.
SELECT algorithm FROM medallion.train('plot_two', 'SELECT p, l FROM plot_test.s', 'l', 'logistic', validation => NULL);
SELECT algorithm FROM medallion.train('plot_number', 'SELECT p, i + 0.0 AS y FROM plot_test.s', 'y', 'linear', validation => NULL);
SELECT medallion.plot('plot_two', 'plot_test.s', height => 10);
SELECT count(*) > 5 AS drawn FROM unnest('{roc,pr,calibration,lift,confusion}'::text[]) k, LATERAL medallion.plot('plot_two', 's', k) GROUP BY k;
SELECT medallion.plot('plot_number', 'SELECT p, i + 0.0 AS y FROM s', height => 10, title => 'Numbers');
SELECT xml_is_well_formed_document(medallion.plot('plot_number', 'SELECT p, i + 0.0 AS y FROM s', format => 'svg'));

-- The curves of a model are those of its predictions.
SELECT count(*), sum(fpr * tpr) = (SELECT sum(r.fpr * r.tpr) FROM (SELECT medallion.roc_curve(l, medallion.predict('plot_two', s)) AS c FROM s) q, unnest(c) r) AS same
FROM medallion.roc_curve('plot_two', 's');
SELECT count(*), max(recall), min("precision") FROM medallion.pr_curve('plot_two', source => 's');
SELECT round(mean_probability::numeric, 4) AS mean_probability, round(observed::numeric, 4) AS observed, rows FROM medallion.calibration_curve('plot_two', 's', bins => 3, strategy => 'quantile');
SELECT fraction, round(gain::numeric, 4) AS gain, round(lift::numeric, 4) AS lift FROM medallion.lift_curve('plot_two', 's', bins => 4);
SELECT * FROM medallion.roc_curve('plot_two', 'SELECT p, l FROM s WHERE l');
SELECT * FROM medallion.roc_curve('plot_number', 's');
\set SHOW_CONTEXT never
SELECT * FROM medallion.lift_curve('plot_two', 's', bins => 0);
\set SHOW_CONTEXT errors
SELECT * FROM medallion.calibration_curve('plot_two', 's', strategy => NULL);

-- Nothing to draw: no lines.
SELECT medallion.plot(medallion.roc_curve(true, p)) FROM s;
SELECT medallion.plot(NULL::medallion.pr_point[]);
SELECT medallion.plot('{}'::float8[], '{}'::float8[]);
SELECT medallion.plot('plot_two', 'SELECT p, l FROM s WHERE l');
SELECT medallion.plot('plot_number', 'SELECT p, 1.0 AS y FROM s WHERE false');
SELECT medallion.plot('{}'::medallion.roc_point[], 'ascii', height => 5);
SELECT medallion.plot('{}'::medallion.confusion_cell[], 'ascii');
-- A client of another encoding gets ASCII.
SET client_encoding = 'LATIN1';
SELECT medallion.plot(medallion.roc_curve(l, p), height => 5, width => 30) FROM s;
RESET client_encoding;

-- Bad input.
SELECT medallion.plot(medallion.roc_curve(l, p), 'png') FROM s;
SELECT medallion.plot(medallion.roc_curve(l, p), NULL) FROM s;
SELECT medallion.plot(medallion.roc_curve(l, p), width => 5) FROM s;
SELECT medallion.plot(medallion.roc_curve(l, p), 'svg', height => 20000) FROM s;
SELECT medallion.plot(ARRAY[ROW(1, 0.5, 2)]::medallion.roc_point[]);
SELECT medallion.plot(ARRAY[ROW(1, NULL, 1)]::medallion.roc_point[]);
SELECT medallion.plot(ARRAY[ROW(1, 'NaN', 1)]::medallion.pr_point[]);
SELECT medallion.plot(ARRAY[NULL]::medallion.lift_point[]);
SELECT medallion.plot(ARRAY[ROW('a', NULL, 1)]::medallion.confusion_cell[]);
SELECT medallion.plot('{1,2}'::float8[], '{1}'::float8[]);
SELECT medallion.plot('{1,NaN}'::float8[], '{1,2}'::float8[]);
SELECT medallion.plot('{1,NULL}'::float8[], '{1,2}'::float8[]);
SELECT medallion.plot('{1}'::float8[], '{1}'::float8[], 'bars');
SELECT medallion.plot('{1,2}'::float8[], '{1,2}'::float8[], groups => '{a}');
SELECT medallion.plot('{1,2}'::float8[], '{1,2}'::float8[], groups => '{a,NULL}');
SELECT medallion.plot('{1,2}'::float8[], '{1,2}'::float8[], groups => '{a,b}', lines => '{c}');
SELECT medallion.plot('{1,2}'::float8[], '{1,2}'::float8[], lines => '{c}');
SELECT medallion.plot(array_agg(x), array_agg(y), groups => array_agg(x::text)) FROM g;
SELECT medallion.plot('plot_two', 's', 'predicted');
SELECT medallion.plot('plot_number', 's', 'roc');
SELECT medallion.plot('plot_none', 's');
SELECT medallion.plot('plot_two', 'SELECT p FROM s');
-- ticks that differ by little have the digits that tell them apart; names of two columns a character; long titles; many classes
SELECT medallion.plot(array_agg(1.7e9 + i * 10 ORDER BY i), array_agg(1e8 + sin(i / 5.0) ORDER BY i), height => 5, width => 70) FROM generate_series(1, 60) i;
SELECT medallion.plot(array_agg(0.5 + i * 1e-9 ORDER BY i), array_agg(1e-12 * i ORDER BY i), title => repeat('a long title ', 10), height => 5) FROM generate_series(1, 60) i;
SELECT medallion.plot(medallion.confusion((ARRAY['東京', '大阪', 'Köln'])[1 + i % 3], (ARRAY['東京', '大阪', 'Köln'])[1 + i * i % 3])) FROM generate_series(1, 30) i;
SELECT medallion.plot(medallion.confusion('class ' || i % 12, 'class ' || i * i % 12), 'ascii') FROM generate_series(1, 120) i;
SELECT medallion.drop_model('plot_two'), medallion.drop_model('plot_number');
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA plot_test CASCADE;
