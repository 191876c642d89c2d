-- Labels, categories and parts are told apart by their bytes, also where the column's collation takes them as equal.
CREATE SCHEMA train_try_collation;
SET search_path = train_try_collation;
CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE t AS SELECT i, (ARRAY['a', 'A', 'b', 'B'])[1 + i % 4] COLLATE ci AS kind, sin(i) AS x, sin(i) + i % 4 AS y,
	CASE WHEN sin(i) > 0.8 THEN 'no' WHEN sin(i * 3.3) + sin(i) > 0 THEN 'yes' ELSE 'YES' END COLLATE ci AS c FROM generate_series(1, 400) i;
SELECT count(DISTINCT c) AS alike FROM t;
SELECT version FROM medallion.train('try_collation', 't', 'c', 'logistic', features => '{x}');
SELECT medallion.classes('try_collation');
SELECT m.label, m.predicted, m.rows, m.rows = count(t) AS right FROM medallion.confusion_matrix('try_collation', 't') m
	LEFT JOIN (SELECT c COLLATE "C" AS label, medallion.predict_class('try_collation', t) AS predicted FROM t) t ON t.label = m.label COLLATE "C" AND t.predicted = m.predicted
GROUP BY 1, 2, 3 ORDER BY 1, 2;
SELECT abs(value - (SELECT avg((c COLLATE "C" = medallion.predict_class('try_collation', t))::int) FROM t)) < 1e-12 AS accuracy FROM medallion.evaluate('try_collation', 't', resamples => 0) WHERE metric = 'accuracy';
-- two classes
SELECT version FROM medallion.train('try_collation2', 'SELECT x, c FROM t WHERE c <> ''no''', 'c', 'logistic');
SELECT sum(rows) FILTER (WHERE label = 'yes') = (SELECT count(*) FROM t WHERE c COLLATE "C" = 'yes') AS lower, sum(rows) FILTER (WHERE label = 'YES') = (SELECT count(*) FROM t WHERE c COLLATE "C" = 'YES') AS upper
FROM medallion.confusion_matrix('try_collation2', 'SELECT x, c FROM t WHERE c <> ''no''');
-- categories and parts
SELECT version FROM medallion.train('try_collation3', 't', 'y', 'linear', features => '{kind}');
SELECT feature FROM medallion.coefficients WHERE model = 'try_collation3' ORDER BY position;
SELECT version FROM medallion.train('try_collation4', 't', 'y', 'linear', features => '{x}', partition_by => '{kind}');
SELECT key, rows FROM medallion.model_parts WHERE model = 'try_collation4' ORDER BY key->>'kind' COLLATE "C";
SELECT max(abs(y - medallion.predict('try_collation4', t))) < 1e-9 AS exact FROM t;
SET client_min_messages = warning;
SELECT medallion.drop_model(model) FROM unnest('{try_collation,try_collation2,try_collation3,try_collation4}'::text[]) model;
DROP SCHEMA train_try_collation CASCADE;
