-- Values that are equal in SQL but written otherwise are one class, one group, one cluster: in training, prediction, evaluation.
CREATE SCHEMA train_equal;
SET search_path = train_equal, public;
SET client_min_messages = warning;
CREATE EXTENSION citext;
CREATE TABLE t AS SELECT i AS id, (i % 10)::float8 AS x, i % 10 < 5 AS low,
	CASE WHEN i % 10 < 5 THEN (ARRAY[1.0, 1.00, 1])[1 + i % 3] ELSE 2.0 END AS n,
	CASE WHEN i % 10 < 5 THEN (ARRAY[1.0, 1.00, 1])[1 + i % 3] WHEN i % 10 < 7 THEN 2.0 ELSE 30 END AS three,
	CASE WHEN i % 10 < 5 THEN (ARRAY['-0', '0'])[1 + i % 2] ELSE '3' END::float8 AS d,
	CASE WHEN i % 10 < 5 THEN (ARRAY['-0', '0'])[1 + i % 2] ELSE '3' END::float4 AS r,
	CASE WHEN i % 10 < 5 THEN (ARRAY['Yes', 'YES', 'yes'])[1 + i % 3] ELSE 'No' END::citext AS c,
	CASE WHEN i % 10 < 5 THEN (ARRAY['1 day', '24:00'])[1 + i % 2] ELSE '2 days' END::interval AS i,
	CASE WHEN i % 10 < 5 THEN 'a' ELSE 'b' END::char(5) AS b,
	'2026-01-01 00:00 UTC'::timestamptz + CASE WHEN i % 10 < 5 THEN 0 ELSE 1 END * interval '1 day' AS at
FROM generate_series(1, 200) i;
CREATE TABLE one AS SELECT unnest('{n,three,d,r,c,i,b,at}'::text[]) AS target;
SET TimeZone = 'UTC';
-- as many classes as there are different values
SELECT target, count(version) AS trained FROM one, (VALUES ('logistic'), ('naive_bayes')) a(name),
	LATERAL medallion.train('train_equal_' || target || name, 'train_equal.t', target, name, features => '{x}') GROUP BY 1 ORDER BY 1;
SELECT target, medallion.classes('train_equal_' || target || 'logistic') AS logistic, medallion.classes('train_equal_' || target || 'naive_bayes') AS naive_bayes FROM one ORDER BY 1;
-- the label comes back as its type, equal to the true one
SELECT target, medallion.predict_class('train_equal_' || target || 'logistic', q) AS class FROM one, (SELECT 1.0::float8 AS x) q ORDER BY target;
SELECT medallion.predict_batch('train_equal_nlogistic', 'train_equal.t', 'train_equal.scored') IS NOT NULL AS scored;
SELECT pg_typeof(prediction), count(*) FILTER (WHERE prediction <> t.n) AS wrong FROM scored JOIN t USING (id) GROUP BY 1;
-- evaluation, in another time zone than training
SET TimeZone = 'Asia/Tokyo';
CREATE FUNCTION evaluated(model text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(metric || ' ' || round(value::numeric, 3), ', ' ORDER BY metric) FROM medallion.evaluate(model, 'train_equal.t')
	WHERE metric IN ('accuracy', 'roc_auc', 'roc_auc_ovr', 'unknown_labels') $$;
SELECT target, evaluated('train_equal_' || target || 'logistic') FROM one ORDER BY target;
SELECT target, label, predicted, rows FROM one, LATERAL medallion.confusion_matrix('train_equal_' || target || 'logistic', 'train_equal.t') WHERE rows > 0 ORDER BY 1, 2, 3;
RESET TimeZone;
-- metrics of columns of any two types that can be compared
SELECT medallion.accuracy(n, n::text) AS n, medallion.accuracy(i, '1 day'::text) AS i, medallion.accuracy(c, 'YES'::text) AS c, medallion.accuracy(d, '0'::text) AS d FROM t WHERE low;
-- plain states
CREATE TABLE states AS SELECT medallion.naive_bayes_state('gaussian', n, 1, x) AS n, medallion.naive_bayes_state('gaussian', d, 1, x) AS d,
	medallion.naive_bayes_state('gaussian', c, 1, x) AS c FROM t;
SELECT version FROM states, LATERAL medallion.train_from_state('train_equal_state_n', n, 'naive_bayes', '{x}');
SELECT version FROM states, LATERAL medallion.train_from_state('train_equal_state_d', d, 'naive_bayes', '{x}');
SELECT version FROM states, LATERAL medallion.train_from_state('train_equal_state_c', c, 'naive_bayes', '{x}');
SELECT name, medallion.classes('train_equal_state_' || name) FROM unnest('{n,d,c}'::text[]) name ORDER BY 1;
-- groups: two of each
SELECT target, metrics->>'validation_rows' AS held_out FROM one, LATERAL medallion.train('train_equal_' || target, 'train_equal.t', 'x', 'linear', features => '{id}',
	validation => jsonb_build_object('fraction', 0.5, 'group', target)) WHERE target <> 'three' ORDER BY target;
-- categories of char(n) at training and of text, varchar and char of another length at prediction
SELECT version FROM medallion.train('train_equal_blanks', 'SELECT b, x FROM train_equal.t', 'x', 'linear');
SELECT count(DISTINCT p) AS same FROM (SELECT medallion.predict('train_equal_blanks', q) FROM (SELECT 'a'::text AS b) q
	UNION ALL SELECT medallion.predict('train_equal_blanks', q) FROM (SELECT 'a'::char(9) AS b) q
	UNION ALL SELECT medallion.predict('train_equal_blanks', q) FROM (SELECT 'a'::varchar(3) AS b) q) v(p);
SELECT version FROM medallion.train('train_equal_parts', 'SELECT b, x, id FROM train_equal.t', 'x', 'linear', partition_by => '{b}');
SELECT count(DISTINCT p) AS same FROM (SELECT medallion.predict('train_equal_parts', q) FROM (SELECT 'a'::text AS b, 3 AS id) q
	UNION ALL SELECT medallion.predict('train_equal_parts', q) FROM (SELECT 'a'::char(9) AS b, 3 AS id) q) v(p);
-- numbers: -0 and 0 as features
SELECT version FROM medallion.train('train_equal_zero', 'SELECT d, x FROM train_equal.t', 'x', 'linear');
SELECT count(DISTINCT p) AS same FROM (SELECT medallion.predict('train_equal_zero', q) FROM (SELECT '-0'::float8 AS d) q
	UNION ALL SELECT medallion.predict('train_equal_zero', q) FROM (SELECT 0::float8 AS d) q) v(p);
SELECT count(medallion.drop_model(model)) > 0 AS dropped FROM medallion.models WHERE model LIKE 'train\_equal\_%';
DROP SCHEMA train_equal CASCADE;
RESET search_path;
DELETE FROM medallion._audit WHERE model LIKE 'train\_equal\_%';
