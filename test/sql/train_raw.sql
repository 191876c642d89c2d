-- A raw table, with NULLs in its features, can be trained on as it is: what stands for them is told, is what "impute" mean
-- would do, and holds where the model predicts.  Of a column that had none the prediction is NULL.
CREATE SCHEMA train_raw;
SET search_path = train_raw, public;
CREATE TABLE t AS
SELECT i AS id, CASE WHEN i % 7 > 0 THEN sin(i) END AS gap, cos(i * 1.3) AS whole, CASE WHEN i % 5 > 0 THEN 'k' || i % 3 END AS kind,
	CASE WHEN i % 11 > 0 THEN DATE '2024-01-01' + i END AS day, ARRAY[sin(i * 0.7), cos(i * 0.3)] AS vector,
	sin(i) + cos(i * 1.3) + i % 3 + sin(i * 78.233) / 5 AS y, sin(i) + cos(i * 1.3) + sin(i * 78.233) > 0 AS flag
FROM generate_series(1, 600) i;
ALTER TABLE t ADD PRIMARY KEY (id);
-- one pass that finds NULLs, and the pass again; with categories a pass before; rows in memory
SELECT (medallion.train('raw_sums', 'train_raw.t', 'y', 'linear', features => '{gap,whole}')).rows;
SELECT (medallion.train('raw_profile', 'train_raw.t', 'y', 'ridge', features => '{gap,whole,kind}', reproducible => true)).rows;
SELECT (medallion.train('raw_rows', 'train_raw.t', 'flag', 'logistic', '{"C": 1}', exclude => '{id,y}', validation => '{"fraction": 0.2}')).rows > 400 AS most;
SELECT (medallion.train('raw_folds', 'train_raw.t', 'y', 'lasso', '{"cv": 4}', features => '{gap,whole}')).rows;
-- what a fixed choice gives, without a word
SELECT (medallion.train('told_sums', 'train_raw.t', 'y', 'linear', features => '{gap,whole}', preprocess => '{"columns": {"gap": {"impute": "mean"}}}')).rows;
SELECT (medallion.train('told_profile', 'train_raw.t', 'y', 'ridge', features => '{gap,whole,kind}', reproducible => true,
	preprocess => '{"columns": {"gap": {"impute": "mean"}, "kind": {"impute": "most_frequent"}}}')).rows;
SELECT (medallion.train('told_rows', 'train_raw.t', 'flag', 'logistic', '{"C": 1}', exclude => '{id,y}', validation => '{"fraction": 0.2}',
	preprocess => '{"columns": {"gap": {"impute": "mean"}, "kind": {"impute": "mean"}, "day": {"impute": "mean"}}}')).rows > 400 AS most;
SELECT (medallion.train('told_folds', 'train_raw.t', 'y', 'lasso', '{"cv": 4}', features => '{gap,whole}', preprocess => '{"columns": {"gap": {"impute": "mean"}}}')).rows;
SELECT a.model, count(*) AS terms, bool_and(a.estimate = b.estimate) AS same
FROM medallion.coefficients a JOIN medallion.coefficients b ON b.model = 'told' || substr(a.model, 4) AND b.feature = a.feature
WHERE a.model LIKE 'raw\_%' GROUP BY 1 ORDER BY 1;
SELECT (medallion.train('raw_classes', 'train_raw.t', 'flag', 'naive_bayes', features => '{gap,whole,kind}')).rows;
SELECT (medallion.train('told_classes', 'train_raw.t', 'flag', 'naive_bayes', features => '{gap,whole,kind}', preprocess => '{"impute": "mean"}')).rows;
SELECT count(*) > 20 AS many, bool_and(a.value = b.value) AS same FROM medallion.model_attributes a
JOIN medallion.model_attributes b ON (b.model, b.attribute, b.i, b.j) IS NOT DISTINCT FROM ('told_classes', a.attribute, a.i, a.j) WHERE a.model = 'raw_classes';
-- sweeps: means are those of the training rows of each fold (of numbers alone too: the target was read from the wrong place)
CREATE FUNCTION score(algorithm text, target text, space jsonb, features text[], preprocess jsonb) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE id bigint := medallion.sweep('swept_' || algorithm, 'train_raw.t', target, algorithm, space, 'grid', features => features, preprocess => preprocess, wait => true);
BEGIN
	RETURN (SELECT metric FROM medallion.trials WHERE sweep_id = id);
END $$;
SELECT algorithm, features, s.raw = s.told AS same, s.raw > 0.5 AS sound
FROM (VALUES ('ridge', 'y', '{"alpha": [1]}'::jsonb, '{gap,whole}'::text[]), ('ridge', 'y', '{"alpha": [1]}', '{gap,kind,whole}'),
	('naive_bayes', 'flag', '{"var_smoothing": [1e-9]}', '{gap,kind,day}')) a(algorithm, target, space, features),
	LATERAL (SELECT score(algorithm, target, space, features, NULL) AS raw, score(algorithm, target, space, features, '{"impute": "mean"}') AS told) s;
-- what is done with each column, chosen or given
SELECT feature, kind, CASE WHEN kind IN ('numeric', 'time') THEN left(null_value, 8) ELSE null_value END AS null_value, indicator, transform, shift, scale, encoding, terms
FROM medallion.model_columns('raw_rows');
SELECT (medallion.train('raw_given', 'train_raw.t', 'flag', 'naive_bayes', exclude => '{id,y}', preprocess => '{"encode": "hashing", "buckets": 8, "indicator": true,
	"date_parts": ["year", "minute"], "columns": {"whole": {"transform": "log", "scale": "minmax"}}}')).rows;
SELECT feature, kind, null_value IS NULL AS refused, indicator, transform, round(shift::numeric, 3) AS shift, round(scale::numeric, 3) AS scale, encoding, terms
FROM medallion.model_columns('raw_given');
SELECT feature, null_value IS NULL AS refused FROM medallion.model_columns('raw_sums');
-- predictions: NULL in a feature that had it, and in one that had none
SELECT medallion.predict('raw_sums', r) = medallion.predict('raw_sums', m) AS by_the_mean
FROM (SELECT NULL::float8 AS gap, 0.5 AS whole) r, (SELECT avg(gap) AS gap, 0.5 AS whole FROM t) m;
SELECT medallion.predict('raw_sums', r) FROM (SELECT 0.5 AS gap, NULL::float8 AS whole) r;
-- each group for itself: only those with NULLs replace them
SELECT (medallion.train('raw_parts', 'SELECT id % 2 AS part, CASE WHEN id % 2 = 0 THEN gap ELSE coalesce(gap, 0) END AS gap, whole, y FROM train_raw.t', 'y', 'linear',
	features => '{gap,whole}', partition_by => '{part}')).rows;
SELECT medallion.predict('raw_parts', r) IS NOT NULL AS replaced FROM (SELECT 0 AS part, NULL::float8 AS gap, 0.5 AS whole) r;
SELECT medallion.predict('raw_parts', r) FROM (SELECT 1 AS part, NULL::float8 AS gap, 0.5 AS whole) r;
SELECT medallion.model_columns('raw_parts');
SELECT medallion.model_columns('raw_nothing');
SELECT medallion.model_columns(NULL);
-- still errors: NULL in arrays, in the target, in every row; when told so
SELECT medallion.train('raw_bad', 'SELECT whole, CASE WHEN id > 3 THEN vector END AS vector, y FROM train_raw.t', 'y', 'linear');
SELECT medallion.train('raw_bad', 'SELECT whole, CASE WHEN id > 3 THEN y END AS y FROM train_raw.t', 'y', 'linear');
SELECT medallion.train('raw_bad', 'SELECT whole, NULL::float8 AS nothing, y FROM train_raw.t', 'y', 'linear');
SELECT medallion.train('raw_bad', 'SELECT whole, NULL::text AS nothing, flag FROM train_raw.t', 'flag', 'logistic');
SELECT medallion.train('raw_bad', 'train_raw.t', 'y', 'linear', features => '{gap,whole}', preprocess => '{"impute": "error"}');
SELECT medallion.train('raw_bad', 'train_raw.t', 'flag', 'logistic', features => '{gap,whole,kind}', preprocess => '{"columns": {"kind": {"impute": "error"}}}');
-- "auto" can be said for a column beside another choice for all
SELECT (medallion.train('raw_mixed', 'train_raw.t', 'y', 'linear', features => '{gap,whole}', preprocess => '{"impute": "error", "columns": {"gap": {"impute": "auto"}}}')).rows;
-- the size of what does not fit is told
SET medallion.train_mem = '1MB';
SELECT medallion.train('raw_bad', 'SELECT a, i % 2 = 0 AS flag FROM generate_series(1, 100000) i, sin(i) a', 'flag', 'logistic');
RESET medallion.train_mem;
DO $$ DECLARE m text; BEGIN FOR m IN SELECT model FROM medallion.models WHERE model ~ '^(raw|told|swept)_?' LOOP PERFORM medallion.drop_model(m); END LOOP; END $$;
SET client_min_messages = warning;
DROP SCHEMA train_raw CASCADE;
