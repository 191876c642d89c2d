-- pca against scikit-learn (test/golden/pca_reference.py).
\getenv dir PG_ABS_SRCDIR
\set rows_file :dir '/golden/train_iris.csv'
\set expected_file :dir '/golden/pca_expected.csv'
CREATE SCHEMA train_pca;
SET search_path = train_pca, public;
CREATE TABLE t (no int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sepal_length float8, sepal_width float8, petal_length float8, petal_width float8, species text);
COPY t (sepal_length, sepal_width, petal_length, petal_width, species) FROM :'rows_file' (FORMAT csv, HEADER);
CREATE TABLE expected (case_name text, attribute text, i int, j int, expected float8);
COPY expected FROM :'expected_file' (FORMAT csv, HEADER);
CREATE FUNCTION got(case_name text) RETURNS TABLE(attribute text, i int, j int, got float8) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM medallion.train('train_pca', 'train_pca.t', NULL, 'pca',
		(jsonb_build_object('two', '{"n_components": 2}'::jsonb, 'share', '{"n_components": 0.97}'::jsonb, 'whiten', '{"n_components": 3, "whiten": true}'::jsonb) -> case_name),
		exclude => '{no,species}', preprocess => CASE case_name WHEN 'scaled' THEN '{"scale": "standard"}'::jsonb END);
	RETURN QUERY SELECT a.attribute, a.i, a.j, a.value FROM medallion.model_attributes a WHERE model = 'train_pca'
		UNION ALL SELECT 'transform', t.no, d.k::int, d.v FROM t, unnest(medallion.transform('train_pca', t)) WITH ORDINALITY d(v, k);
	PERFORM medallion.drop_model('train_pca');
END $$;
SELECT e.case_name, e.attribute, count(*) AS compared, count(*) FILTER (WHERE abs(g.got - e.expected) > 1e-10 * greatest(1, abs(e.expected))) AS different
FROM (SELECT DISTINCT case_name FROM expected) k CROSS JOIN LATERAL got(k.case_name) g
JOIN expected e ON (e.case_name, e.attribute, e.i, e.j) = (k.case_name, g.attribute, g.i, g.j)
GROUP BY 1, 2 ORDER BY e.case_name COLLATE "C", e.attribute COLLATE "C";
SELECT metrics FROM medallion.train('train_pca', 'SELECT sepal_length, sepal_width, petal_length, petal_width FROM train_pca.t', NULL, 'pca', '{"n_components": 2}') \gset
SELECT round((:'metrics'::jsonb->>'explained_variance_ratio')::numeric, 6) AS held, :'metrics'::jsonb->'n_components' AS components;
SELECT attribute, i, j, feature, round(value::numeric, 4) AS value FROM medallion.model_attributes WHERE model = 'train_pca' AND attribute IN ('components', 'mean') ORDER BY 1, 2, 3;
-- the version knows what it is; prediction and evaluation say what to do instead; categories, arrays and missing values are taken
SELECT task, algorithm, rows, jsonb_path_query_array(signature, '$.*.name') AS signature FROM medallion.model_versions WHERE model = 'train_pca';
SELECT medallion.predict('train_pca', t) FROM t LIMIT 1;
SELECT medallion.predict_proba('train_pca', t) FROM t LIMIT 1;
SELECT * FROM medallion.evaluate('train_pca', 'train_pca.t');
SELECT medallion.predict_batch('train_pca', 'train_pca.t', 'train_pca.scores');
SELECT medallion.train('train_pca_mixed', 'SELECT ARRAY[sepal_length, petal_width] AS v, nullif(species, ''setosa'') AS species FROM train_pca.t', NULL, 'pca', preprocess => '{"impute": "most_frequent"}') IS NOT NULL AS trained;
SELECT cardinality(medallion.transform('train_pca_mixed', q)) AS components FROM (SELECT ARRAY[1, 2] AS v, NULL::text AS species) q;
-- errors
SELECT medallion.train('train_pca_bad', 'train_pca.t', 'sepal_length', 'pca', exclude => '{no,species}');
SELECT medallion.train('train_pca_bad', 'train_pca.t', NULL, 'linear', exclude => '{no,species}');
SELECT medallion.train('train_pca_bad', 'train_pca.t', NULL, 'pca', '{"n_components": 9}', exclude => '{no,species}');
SELECT medallion.train('train_pca_bad', 'train_pca.t', NULL, 'pca', '{"n_components": 1.5}', exclude => '{no,species}');
SELECT medallion.train('train_pca_bad', 'train_pca.t', NULL, 'pca', exclude => '{no,species}', validation => '{"fraction": 0.2}');
SELECT medallion.train('train_pca_bad', 'train_pca.t', NULL, 'pca', exclude => '{no,species}', deploy => 'if_better') IS NOT NULL AS first;
SELECT medallion.train('train_pca_bad', 'train_pca.t', NULL, 'pca', exclude => '{no,species}', deploy => 'if_better');
SET client_min_messages = warning;
SELECT count(medallion.drop_model(model, force => true)) AS dropped FROM medallion.models WHERE model LIKE 'train\_pca%';
DROP SCHEMA train_pca CASCADE;
RESET search_path;
DELETE FROM medallion._audit WHERE model LIKE 'train\_pca%';
