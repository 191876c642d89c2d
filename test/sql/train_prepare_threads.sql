-- What is learnt of numbers before a model is: columns, elements of vectors and parts of times are fitted in threads, and the model is the
-- same to the bit whatever their number.  Errors name the first column that is wrong.
SET client_min_messages = warning;
CREATE SCHEMA train_prepare_threads;
SET search_path = train_prepare_threads, public;
CREATE TABLE t AS SELECT i % 2 AS label, sin(i) AS a, exp(cos(i)) AS b, CASE WHEN i % 5 > 0 THEN (i * 7) % 23 END AS c, CASE WHEN i % 3 > 0 THEN cos(i * 2) END AS d,
	1 + i % 100 AS e, ARRAY[sin(i * 3), i % 11, exp(sin(i))] AS v, timestamp '2020-01-01' + i * interval '5 hours' AS at, NULL::float8 AS nothing, 5.0 AS same, i - 50 AS low
FROM generate_series(1, 5000) i;
CREATE FUNCTION learnt(prep text, threads int, val text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
	PERFORM set_config('medallion.train_threads', threads::text, true);
	PERFORM medallion.train('threads', 'train_prepare_threads.t', 'label', 'logistic', features => '{a,b,c,d,e,v,at}', preprocess => prep::jsonb, validation => val::jsonb);
	SELECT md5(string_agg(concat_ws(' ', feature, estimate, std_error), '|' ORDER BY position)) INTO result FROM medallion.coefficients WHERE model = 'threads';
	PERFORM medallion.drop_model('threads');
	RETURN result;
END $$;
SELECT prep, learnt(prep, 1, val) = learnt(prep, 3, val) AND learnt(prep, 3, val) = learnt(prep, 16, val) AS same
FROM unnest(ARRAY['{"scale": "robust", "impute": "median"}', '{"scale": "standard", "impute": "mean"}', '{"scale": "minmax", "impute": "most_frequent"}',
	'{"scale": "maxabs", "transform": "quantile", "impute": "median"}', '{"scale": "robust", "transform": "quantile_normal", "quantiles": 7, "impute": "mean"}',
	'{"transform": "yeo_johnson", "scale": "robust", "impute": "median"}', '{"transform": "log", "scale": "standard", "impute": "constant", "fill_value": 0.5}']) prep,
	unnest(ARRAY['{"fraction": 0.3}', '{"fraction": 0.25, "stratify": true}']) val;
-- medians and quartiles by another way
SELECT medallion.train('threads', 'train_prepare_threads.t', 'label', 'logistic', features => '{b,c}', preprocess => '{"scale": "robust", "impute": "median"}', deploy => 'always') IS NOT NULL AS trained;
WITH q AS (SELECT percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY b) AS b, percentile_cont(0.5) WITHIN GROUP (ORDER BY c) AS fill FROM t),
filled AS (SELECT percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY coalesce(c, fill)) AS c FROM t, q),
k AS (SELECT max(estimate) FILTER (WHERE feature = '(intercept)') AS k0, max(estimate) FILTER (WHERE feature = 'b') AS kb, max(estimate) FILTER (WHERE feature = 'c') AS kc
	FROM medallion.coefficients WHERE model = 'threads')
SELECT count(*) AS same FROM t, q, filled, k
WHERE abs(medallion.predict('threads', t) - 1 / (1 + exp(-(k0 + kb * (t.b - q.b[2]) / (q.b[3] - q.b[1]) + kc * (coalesce(t.c, fill) - filled.c[2]) / (filled.c[3] - filled.c[1]))))) < 1e-9;
SELECT medallion.drop_model('threads', force => true);
-- what cannot be fitted
SET medallion.train_threads = 4;
SELECT medallion.train('threads', 'train_prepare_threads.t', 'label', 'logistic', features => '{a,low,e}', preprocess => '{"transform": "box_cox"}');
SELECT medallion.train('threads', 'train_prepare_threads.t', 'label', 'logistic', features => '{e,low}', preprocess => '{"transform": "box_cox"}');
SELECT medallion.train('threads', 'train_prepare_threads.t', 'label', 'logistic', features => '{e,nothing,low}', preprocess => '{"impute": "median", "columns": {"low": {"transform": "box_cox"}}}');
SELECT medallion.train('threads', 'train_prepare_threads.t', 'label', 'logistic', features => '{e,same}', preprocess => '{"transform": "yeo_johnson"}');
RESET medallion.train_threads;
DROP SCHEMA train_prepare_threads CASCADE;
