-- What is done with features before they are learnt from, against scikit-learn's transformers (test/golden/prep_reference.py).
\getenv dir PG_ABS_SRCDIR
\set rows_file :dir '/golden/prep_rows.csv'
\set expected_file :dir '/golden/prep_expected.csv'
CREATE SCHEMA train_preprocess;
SET search_path = train_preprocess, public;
CREATE TABLE t (id int PRIMARY KEY, a float8, b float8, c float8, gap float8, kind text, y float8, flag bool);
COPY t FROM :'rows_file' (FORMAT csv, HEADER);
CREATE TABLE expected (option text, value text, column_name text, id int, expected float8);
COPY expected FROM :'expected_file' (FORMAT csv, HEADER);
CREATE FUNCTION options(option text, value text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT CASE WHEN value LIKE '%:%' THEN jsonb_build_object(option, split_part(value, ':', 1), 'quantiles', split_part(value, ':', 2)::int)
		ELSE jsonb_build_object(option, replace(value, '_binary', '')) END $$;
CREATE FUNCTION got(option text, value text, column_name text) RETURNS TABLE(id int, got float8) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM medallion.train('train_preprocess', 'train_preprocess.t', CASE WHEN value = 'target_binary' THEN 'flag' ELSE 'y' END,
		CASE WHEN value = 'target_binary' THEN 'logistic' ELSE 'linear' END, features => ARRAY[column_name],
		preprocess => jsonb_build_object('columns', jsonb_build_object(column_name, options(option, value))));
	RETURN QUERY SELECT t.id, (medallion.design_row('train_preprocess', t))[1] FROM t;
	PERFORM medallion.drop_model('train_preprocess');
END $$;
SELECT e.option, e.value, e.column_name, count(*) AS compared,
	count(*) FILTER (WHERE abs(g.got - e.expected) > CASE WHEN e.value IN ('yeo_johnson', 'box_cox') THEN 1e-6 WHEN e.value LIKE '%normal%' THEN 1e-8 ELSE 1e-12 END * greatest(1, abs(e.expected))) AS different
FROM (SELECT DISTINCT option, value, column_name FROM expected) k CROSS JOIN LATERAL got(k.option, k.value, k.column_name) g
JOIN expected e ON (e.option, e.value, e.column_name, e.id) = (k.option, k.value, k.column_name, g.id)
GROUP BY 1, 2, 3 ORDER BY e.option, e.value COLLATE "C", e.column_name;
-- names, indicators, hashing, constants, parts of dates; options for all features and for one
CREATE TABLE mixed AS SELECT id, gap, kind, '2024-03-01'::date + id AS day, y FROM t;
SELECT medallion.train('train_preprocess', 'train_preprocess.mixed', 'y', 'ridge', exclude => '{id}', preprocess => '{"impute": "median", "indicator": true,
	"encode": "hashing", "buckets": 4, "date_parts": ["year", "doy"], "columns": {"day": {"indicator": false}, "kind": {"indicator": false}}}') IS NOT NULL AS trained;
SELECT medallion.terms('train_preprocess');
SELECT id, medallion.design_row('train_preprocess', m) FROM mixed m WHERE id IN (0, 1, 306, 307) ORDER BY id;
SELECT medallion.design_row('train_preprocess', q) FROM (SELECT 1.5::float8 AS gap, 'never seen' AS kind, '1969-12-31'::date AS day) q;
SELECT medallion.train('train_preprocess', 'train_preprocess.mixed', 'y', 'linear', features => '{gap,kind}',
	preprocess => '{"impute": "constant", "fill_value": -1, "columns": {"kind": {"fill_value": "z"}}}') IS NOT NULL AS trained;
SELECT medallion.terms('train_preprocess'), medallion.design_row('train_preprocess', q) FROM (SELECT NULL::float8 AS gap, NULL::text AS kind) q;
-- a scaled column has mean 0 and deviation 1 over the rows trained on, after its transformation
SELECT medallion.train('train_preprocess_flag', 'train_preprocess.t', 'flag', 'logistic', features => '{a,c}', preprocess => '{"scale": "standard", "transform": "yeo_johnson"}') IS NOT NULL AS trained;
SELECT abs(avg(d[1])) < 1e-12 AS mean, abs(stddev_pop(d[1]) - 1) < 1e-12 AS deviation, abs(avg(d[2])) < 1e-12 AS mean_c FROM t, medallion.design_row('train_preprocess_flag', t) d;
-- mean targets of the rows trained on come from other rows: a category of noise is not learnt
CREATE TABLE noise AS SELECT i AS id, 'k' || i / 2 AS kind, (hashint4(i)::bigint % 1000)::float8 AS y FROM generate_series(1, 1000) i;
SELECT medallion.train('train_preprocess_noise', 'train_preprocess.noise', 'y', 'linear', features => '{kind}', preprocess => '{"encode": "target", "max_categories": 1000}') IS NOT NULL AS trained;
SELECT abs(estimate) < 0.2 AS hardly_used FROM medallion.coefficients WHERE model = 'train_preprocess_noise' AND feature = 'kind';
-- in cross-validation every fold has its own: the same as by hand
CREATE TABLE folds AS SELECT *, 1 + id % 2 AS fold FROM t;
SELECT medallion.sweep('train_preprocess_sweep', 'train_preprocess.folds', 'y', 'ridge', '{"alpha": [1]}', cv => 2, features => '{gap,kind,a}', folds => '{"column": "fold"}', workers => 1,
	wait => true, preprocess => '{"impute": "median", "scale": "robust", "columns": {"kind": {"encode": "frequency"}, "a": {"transform": "quantile"}}}') AS sweep_id \gset
CREATE FUNCTION by_hand(f int) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE r float8;
BEGIN
	PERFORM medallion.train('train_preprocess_hand', format('SELECT * FROM train_preprocess.folds WHERE fold <> %s', f), 'y', 'ridge', '{"alpha": 1}', features => '{gap,kind,a}',
		preprocess => '{"impute": "median", "scale": "robust", "columns": {"kind": {"encode": "frequency"}, "a": {"transform": "quantile"}}}');
	r := (SELECT value FROM medallion.evaluate('train_preprocess_hand', format('SELECT * FROM train_preprocess.folds WHERE fold = %s', f)) WHERE metric = 'r2');
	PERFORM medallion.drop_model('train_preprocess_hand');
	RETURN r;
END $$;
SELECT f, abs(m - by_hand(f::int)) < 1e-10 AS equal FROM medallion.trials, unnest(fold_metrics) WITH ORDINALITY u(m, f) WHERE sweep_id = :sweep_id;
SELECT medallion.drop_sweep(:sweep_id);
-- errors
CREATE FUNCTION try(preprocess jsonb, algorithm text DEFAULT 'linear') RETURNS void LANGUAGE sql AS $$
	SELECT medallion.train('train_preprocess_try', 'train_preprocess.mixed', 'y', algorithm, exclude => '{id}', preprocess => preprocess) $$;
\set SHOW_CONTEXT never
SELECT try('{"impute": "guess"}');
SELECT try('{"scale": "log"}');
SELECT try('{"impute": "constant"}');
SELECT try('{"impute": "error", "indicator": true}');
SELECT try('{"impute": "mean", "columns": {"gap": {"encode": "ordinal"}}}');
SELECT try('{"impute": "mean", "columns": {"kind": {"scale": "robust"}}}');
SELECT try('{"impute": "mean", "columns": {"nothing": {"scale": "robust"}}}');
SELECT try('{"impute": "mean", "columns": {"gap": {"max_categories": 3}}}');
SELECT try('{"impute": "mean", "columns": {"gap": 3}}');
SELECT try('{"impute": "mean", "buckets": 0, "encode": "hashing"}');
SELECT try('{"impute": "mean", "date_parts": ["week"]}');
SELECT try('{"impute": "mean", "columns": {"kind": {"impute": "constant", "fill_value": "nowhere"}}}');
SELECT medallion.train('train_preprocess_try', 'train_preprocess.t', 'y', 'linear', features => '{b}', preprocess => '{"transform": "box_cox"}');
SELECT medallion.train('train_preprocess_try', 'SELECT kind, c, a FROM train_preprocess.t', 'c', 'naive_bayes', preprocess => '{"encode": "target"}');
SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) AS dropped FROM medallion.models WHERE model LIKE 'train\_preprocess%';
DROP SCHEMA train_preprocess CASCADE;
RESET search_path;
DELETE FROM medallion._audit WHERE model LIKE 'train\_preprocess%';
