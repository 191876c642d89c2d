-- train(… partition_by): a model for each group of rows under one name.
CREATE SCHEMA train_parts;
SET search_path = train_parts, public;
CREATE TABLE s AS SELECT i, CASE i % 4 WHEN 0 THEN 'north' WHEN 1 THEN 'south' WHEN 2 THEN 'east' END AS region, i % 3 AS kind, i::float8 AS x, (i % 7)::text AS cat,
	(i % 4 + 1) * i + (i % 3) + sin(i) AS y, i % 4 + i % 5 > 4 AS late FROM generate_series(1, 1200) i;
SELECT model, version, rows, metrics ->> 'parts' AS parts, (metrics ->> 'train_r2')::float8 > 0.999 AS good, metrics ? 'aic' AS means_of_what_has_none
	FROM medallion.train('parts', 's', 'y', 'linear', partition_by => '{region,kind}', exclude => '{i,late}');
SELECT key, rows, metrics ? 'aic' AS has_facts FROM medallion.model_parts WHERE model = 'parts' ORDER BY key::text;
SELECT part, count(*) AS coefficients FROM medallion.coefficients WHERE model = 'parts' AND feature IN ('(intercept)', 'x') GROUP BY part ORDER BY part::text LIMIT 3;
SELECT signature -> 'partition_by' AS partition_by, signature -> 'features' AS features FROM medallion.model_versions WHERE model = 'parts';
-- A part is the model of its rows alone, to the bit.
SELECT rows FROM medallion.train('alone', 'SELECT x, cat, y FROM s WHERE region = ''north'' AND kind = 1', 'y', 'linear');
SELECT count(*), bool_and(medallion.predict('parts', s) = medallion.predict('alone', s)) AS same FROM s WHERE region = 'north' AND kind = 1;
SELECT rows FROM medallion.train('alone', 'SELECT x, cat, y FROM s WHERE region IS NULL AND kind = 2', 'y', 'linear');
SELECT count(*), bool_and(medallion.predict('parts', s) = medallion.predict('alone', s)) AS same FROM s WHERE region IS NULL AND kind = 2;
-- All of them in one statement, in batches, and measured.
SELECT max(abs(medallion.predict('parts', s) - y)) < 2 AS close FROM s;
SELECT rows FROM medallion.predict_batch('parts', 'SELECT i, region, kind, x, cat FROM s', 'train_parts.scored');
SELECT bool_and(prediction = medallion.predict('parts', s)) AS same, count(*) FROM scored c JOIN s USING (i);
SELECT metric, value::int FROM medallion.evaluate('parts', 's') WHERE metric IN ('rows', 'r2');
-- Rows of no part; other types; what has no parts.
SELECT medallion.predict('parts', q) FROM (SELECT 'west' AS region, 1 AS kind, 1::float8 AS x, '1' AS cat) q;
SELECT medallion.predict('parts', q) FROM (SELECT 'north' AS region, NULL::int AS kind, 1::float8 AS x, '1' AS cat) q;
SELECT medallion.predict('parts', q) FROM (SELECT 'north' AS region, 1::bigint AS kind, 1::float8 AS x, '1' AS cat) q;
SELECT medallion.predict('parts', q) FROM (SELECT 'north'::varchar(10) AS region, 1 AS kind, NULL::float8 AS x, '1' AS cat) q;
SELECT medallion.terms('parts');
SELECT medallion.summary('parts');
-- Learners in memory, classes that not every part has, a holdout, deployment.
SELECT version, rows, metrics ->> 'parts' AS parts, (metrics ->> 'validation_rows')::int AS held_out, metrics ? 'accuracy' AS measured
	FROM medallion.train('kinds', 'SELECT region, x, kind, CASE WHEN region IS NULL THEN cat ELSE (cat::int % 2)::text END AS cat FROM s', 'cat', 'naive_bayes',
		partition_by => '{region}', validation => '{"fraction": 0.2}', deploy => 'always');
SELECT medallion.classes('kinds');
SELECT coalesce(region, 'none') AS region, count(DISTINCT medallion.predict_class('kinds', s)) > 1 AS several, bool_and(array_length(medallion.predict_proba('kinds', s), 1) = 7) AS all_classes,
	max((SELECT abs(sum(p) - 1) FROM unnest(medallion.predict_proba('kinds', s)) p)) < 1e-12 AS sums FROM s GROUP BY 1 ORDER BY 1;
SELECT version, metrics ->> 'parts' AS parts FROM medallion.train('late', 'SELECT i % 5 + kind > 3 AS late, x, kind = 0 AS zero, region::char(8) AS region FROM s', 'late', 'logistic', partition_by => '{zero,region}', deploy => 'if_better');
SELECT count(medallion.predict('late', q)) FROM (SELECT x, kind = 0 AS zero, region::char(8) AS region FROM s) q;
SELECT alias, version FROM medallion.aliases WHERE model = 'late';
SELECT count(*) FROM medallion.train('grouped', 's', NULL, 'kmeans', '{"n_clusters": 2}', features => '{x,y}', partition_by => '{region}');
SELECT count(DISTINCT medallion.predict('grouped', s)) FROM s WHERE region = 'east';
SELECT array_length(medallion.transform('grouped', s), 1) FROM s LIMIT 1;
-- The same bits whatever the order of the rows.
SELECT rows FROM medallion.train('again', 'SELECT * FROM s ORDER BY md5(i::text)', 'cat', 'logistic', features => '{x,y}', partition_by => '{region}', params => '{"max_iter": 20}');
SELECT rows FROM medallion.train('again', 's', 'cat', 'logistic', features => '{x,y}', partition_by => '{region}', params => '{"max_iter": 20}');
SELECT bool_and(medallion.predict_proba('again/1', s) = medallion.predict_proba('again/2', s)) AS same FROM s;
-- Rows that do not fit into work_mem are put aside in files, whatever parts they are of.
SET work_mem = '64kB';
SELECT rows, metrics ->> 'parts' AS parts FROM medallion.train('many', 'SELECT i % 50 AS part, i AS x, i * 0.5 + i % 3 AS y, repeat(''x'', 300) AS wide FROM generate_series(1, 20000) i', 'y', 'linear', features => '{x}', partition_by => '{part}') AS t \gset small_
RESET work_mem;
SELECT :small_rows AS rows, :small_parts AS parts, t.metrics = m.metrics AS same
FROM medallion.train('many', 'SELECT i % 50 AS part, i AS x, i * 0.5 + i % 3 AS y, repeat(''x'', 300) AS wide FROM generate_series(1, 20000) i', 'y', 'linear', features => '{x}', partition_by => '{part}') t,
	medallion.model_versions m WHERE m.model = 'many' AND m.version = 1;
-- Mistakes.
SELECT medallion.train('wrong', 's', 'y', 'linear', partition_by => '{x}');
SELECT medallion.train('wrong', 's', 'y', 'linear', partition_by => '{nope}');
SELECT medallion.train('wrong', 's', 'y', 'linear', partition_by => '{y}');
SELECT medallion.train('wrong', 's', 'y', 'linear', partition_by => '{region,region}');
SELECT medallion.train('wrong', 's', 'y', 'linear', features => '{region,x}', partition_by => '{region}');
SELECT medallion.train('wrong', 'SELECT x, y, region FROM s UNION ALL SELECT 1, 1, ''lone''', 'y', 'linear', partition_by => '{region}');
SELECT medallion.train('wrong', 'SELECT * FROM s WHERE false', 'y', 'linear', partition_by => '{region}');
SELECT medallion.train('wrong', 'SELECT i::text AS i, x, y FROM generate_series(1, 10001) i, (SELECT 1 AS x, 2 AS y) q', 'y', 'linear', partition_by => '{i}');
SELECT medallion.train('wrong', 's', 'late', 'logistic', partition_by => '{region,kind}', features => '{x}');
SELECT count(*) FROM medallion.models WHERE model = 'wrong';
SELECT count(medallion.drop_model(model, force => true)) FROM (VALUES ('parts'), ('alone'), ('kinds'), ('late'), ('grouped'), ('again'), ('many')) m (model);
SELECT count(*) FROM medallion._model_parts;
SET client_min_messages = warning;
DROP SCHEMA train_parts CASCADE;
