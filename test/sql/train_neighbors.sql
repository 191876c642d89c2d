-- neighbors against scikit-learn (test/golden/neighbors_reference.py).
\getenv dir PG_ABS_SRCDIR
\set iris_file :dir '/golden/train_iris.csv'
\set cancer_file :dir '/golden/train_cancer.csv'
\set diabetes_file :dir '/golden/train_diabetes.csv'
\set wine_file :dir '/golden/train_wine.csv'
\set expected_file :dir '/golden/neighbors_expected.csv'
\set facts_file :dir '/golden/neighbors_facts.csv'
CREATE SCHEMA train_neighbors;
SET search_path = train_neighbors, public;
CREATE TABLE expected (no int, id int, k int, value float8);
COPY expected FROM :'expected_file' (FORMAT csv, HEADER);
CREATE TABLE facts (no int, data text, params jsonb);
COPY facts FROM :'facts_file' (FORMAT csv, HEADER);
CREATE TABLE iris (sepal_length float8, sepal_width float8, petal_length float8, petal_width float8, species text, id int GENERATED ALWAYS AS IDENTITY);
COPY iris (sepal_length, sepal_width, petal_length, petal_width, species) FROM :'iris_file' (FORMAT csv, HEADER);
CREATE TABLE diabetes (age float8, sex float8, bmi float8, bp float8, s1 float8, s2 float8, s3 float8, s4 float8, s5 float8, s6 float8, progression float8,
	id int GENERATED ALWAYS AS IDENTITY);
COPY diabetes (age, sex, bmi, bp, s1, s2, s3, s4, s5, s6, progression) FROM :'diabetes_file' (FORMAT csv, HEADER);
SELECT format('CREATE TABLE cancer (%s, diagnosis text, id int GENERATED ALWAYS AS IDENTITY)', string_agg(format('%s_%s float8', m, w), ', ' ORDER BY i, j)) AS make,
	format('COPY cancer (%s, diagnosis) FROM %L (FORMAT csv, HEADER)', string_agg(format('%s_%s', m, w), ', ' ORDER BY i, j), :'cancer_file') AS fill
FROM unnest('{1,2,3}'::int[]) i, unnest('{mean,error,worst}'::text[]) WITH ORDINALITY AS x(w, n),
	unnest('{radius,texture,perimeter,area,smoothness,compactness,concavity,concave_points,symmetry,fractal_dimension}'::text[]) WITH ORDINALITY AS y(m, j) WHERE i = n \gset
:make;
:fill;
CREATE TABLE wine (alcohol float8, malic_acid float8, ash float8, alcalinity float8, magnesium float8, phenols float8, flavanoids float8, nonflavanoids float8,
	proanthocyanins float8, color float8, hue float8, od280 float8, proline float8, class text, id int GENERATED ALWAYS AS IDENTITY);
COPY wine (alcohol, malic_acid, ash, alcalinity, magnesium, phenols, flavanoids, nonflavanoids, proanthocyanins, color, hue, od280, proline, class) FROM :'wine_file' (FORMAT csv, HEADER);
CREATE TABLE wine_moved AS TABLE wine;
UPDATE wine_moved SET alcohol = alcohol + 0.05;
CREATE TABLE iris_moved AS TABLE iris;
UPDATE iris_moved SET sepal_length = sepal_length + 0.05;
CREATE TABLE diabetes_moved AS TABLE diabetes;
UPDATE diabetes_moved SET age = age + 0.05;
CREATE TABLE cancer_moved AS TABLE cancer;
UPDATE cancer_moved SET radius_mean = radius_mean + 0.05;
CREATE FUNCTION learn(no int, data text, params jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT metrics FROM medallion.train('train_neighbors_' || no, 'train_neighbors.' || data,
		(jsonb_build_object('cancer', 'diagnosis', 'iris', 'species', 'diabetes', 'progression', 'wine', 'class'))->>data, 'neighbors', params, exclude => '{id}') $$;
CREATE TABLE learnt AS SELECT no, data, params, learn(no, data, params) AS metrics FROM facts ORDER BY no;
CREATE TABLE predicted AS
SELECT no, id, k, p AS value FROM learnt, cancer_moved c, unnest(medallion.predict_proba('train_neighbors_' || no, c)) WITH ORDINALITY AS x(p, k) WHERE data = 'cancer'
UNION ALL SELECT no, id, k, p FROM learnt, iris_moved c, unnest(medallion.predict_proba('train_neighbors_' || no, c)) WITH ORDINALITY AS x(p, k) WHERE data = 'iris'
UNION ALL SELECT no, id, k, p FROM learnt, wine_moved c, unnest(medallion.predict_proba('train_neighbors_' || no, c)) WITH ORDINALITY AS x(p, k) WHERE data = 'wine'
UNION ALL SELECT no, id, 1, medallion.predict('train_neighbors_' || no, c) FROM learnt, diabetes_moved c WHERE data = 'diabetes';
SELECT no, data, params, count(*), max(abs(p.value - e.value) / greatest(1, abs(e.value))) < 1e-9 AS same
FROM learnt JOIN predicted p USING (no) JOIN expected e USING (no, id, k) GROUP BY no, data, params ORDER BY no;
SELECT no, round((metrics->>'train_accuracy')::numeric, 3) AS accuracy, round((metrics->>'train_r2')::numeric, 3) AS r2 FROM learnt ORDER BY no;
-- the tree and comparing all give the same model to the bit, whatever the order of the rows and the number of threads; a row is its own nearest neighbour
CREATE TABLE many AS SELECT (hashint4(i) % 1000) / 100.0 AS x, (hashint4(i + 7) % 997) / 300.0 AS y, i % 5 AS z, hashint4(i) % 1000 + hashint4(i + 7) % 997 > 0 AS b FROM generate_series(1, 4000) i;
CREATE TABLE turned AS SELECT * FROM many ORDER BY y DESC, x;
SET medallion.train_threads = 1;
SELECT metrics AS one FROM medallion.train('train_neighbors_one', 'train_neighbors.many', 'b', 'neighbors', '{"weights": "distance"}', validation => '{"fraction": 0.2}') \gset
SET medallion.train_threads = 8;
SELECT metrics = :'one'::jsonb AS same FROM medallion.train('train_neighbors_eight', 'train_neighbors.turned', 'b', 'neighbors', '{"weights": "distance"}', validation => '{"fraction": 0.2}');
SET medallion.train_threads = 2;
SELECT metrics = :'one'::jsonb AS same FROM medallion.train('train_neighbors_two', 'train_neighbors.turned', 'b', 'neighbors', '{"weights": "distance", "algorithm": "brute"}', validation => '{"fraction": 0.2}');
RESET medallion.train_threads;
SELECT count(DISTINCT b.content) AS artifacts FROM medallion._models m JOIN medallion._model_versions v USING (model_id)
JOIN medallion._model_blobs b ON b.version_id = v.version_id AND b.kind = 'artifact' WHERE m.name IN ('train_neighbors_one', 'train_neighbors_eight');
SELECT count(*), bool_and(medallion.predict_proba('train_neighbors_one', m) = medallion.predict_proba('train_neighbors_two', m)) AS same,
	bool_and(medallion.transform('train_neighbors_one', m) = medallion.transform('train_neighbors_two', m)) AS same_distances FROM many m;
SELECT max((medallion.transform('train_neighbors_4', i))[1]) AS nearest FROM iris i;
SELECT rows FROM medallion.predict_batch('train_neighbors_7', 'train_neighbors.diabetes', 'train_neighbors.scores', keys => '{id}');
-- every distance and weighting: the same model and the same metrics with any number of threads, whatever the order of the rows; the tree finds what comparing all finds
CREATE FUNCTION vary(metric text, weights text, threads int, source text, model text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	target text := CASE weights WHEN 'uniform' THEN 'b' ELSE 'z' END;
BEGIN
	PERFORM set_config('medallion.train_threads', threads::text, true);
	RETURN metrics FROM medallion.train(model, 'train_neighbors.' || source, target, 'neighbors', jsonb_build_object('metric', metric, 'weights', weights, 'algorithm', 'kd_tree'),
		features => CASE target WHEN 'b' THEN '{x,y,z}' ELSE '{x,y}' END::text[], validation => '{"fraction": 0.2}');
END $$;
CREATE TABLE variants AS SELECT metric, weights, model, vary(metric, weights, threads, source, model) AS metrics
FROM unnest('{euclidean,manhattan,chebyshev,cosine}'::text[]) metric, unnest('{uniform,distance}'::text[]) weights, (VALUES (1, 'many'), (8, 'turned')) t(threads, source),
	format('train_neighbors_v_%s_%s_%s', metric, weights, threads) model;
SELECT v.metric, v.weights, count(DISTINCT v.metrics) AS metrics, count(DISTINCT b.content) AS artifacts FROM variants v JOIN medallion._models m ON m.name = v.model JOIN medallion._model_versions n USING (model_id)
JOIN medallion._model_blobs b ON b.version_id = n.version_id AND b.kind = 'artifact' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(medallion.train('train_neighbors_cosine_' || a, 'train_neighbors.many', 'b', 'neighbors', jsonb_build_object('metric', 'cosine', 'weights', 'distance', 'algorithm', a))) FROM unnest('{brute,kd_tree}'::text[]) a;
SELECT bool_and(medallion.predict_proba('train_neighbors_cosine_brute', m) = medallion.predict_proba('train_neighbors_cosine_kd_tree', m)) AS same,
	bool_and(medallion.transform('train_neighbors_cosine_brute', m) = medallion.transform('train_neighbors_cosine_kd_tree', m)) AS same_distances FROM many m;
-- rows in one direction are at cosine distance 0 and, by distance, count alone; a row of zeros is at distance 1 from all, itself too; k may be all rows
CREATE TABLE few (x float8, y float8, value float8);
INSERT INTO few VALUES (1, 2, 10), (3, 6, 20), (0.1, 0.2, 60), (1, 2, 30), (0, 0, 1), (2, -1, 2), (-4, -8, 3);
SELECT (medallion.train('train_neighbors_few', 'train_neighbors.few', 'value', 'neighbors', '{"metric": "cosine", "weights": "distance", "n_neighbors": 7}', preprocess => '{"scale": "none"}')).rows;
CREATE TYPE pair AS (x float8, y float8);
SELECT q.x, q.y, medallion.predict('train_neighbors_few', q) AS value, (SELECT array_agg(round(d::numeric, 12) ORDER BY i) FROM unnest(medallion.transform('train_neighbors_few', q)) WITH ORDINALITY AS t(d, i)) AS distances
FROM (VALUES (ROW(70, 140)::pair), (ROW(0, 0)::pair), (ROW(1e-200, -5e-201)::pair)) v(p), LATERAL (SELECT (p).*) q ORDER BY 1, 2;
SELECT round(medallion.predict('train_neighbors_few', ROW(1, 0)::pair)::numeric, 9) AS value, round((SELECT sum(value / d) / sum(1 / d) FROM few, LATERAL (SELECT 1 - coalesce(x / NULLIF(sqrt(x * x + y * y), 0), 0) AS d) c)::numeric, 9) AS by_hand;
-- predictions that are dear are made of a part of the training rows
SELECT metrics->'train_rows_scored' AS scored, metrics ? 'train_accuracy' AS accuracy FROM medallion.train('train_neighbors_large',
	'SELECT i % 7 < 3 AS b, ' || (SELECT string_agg(format('hashint4(i + %s) %% 100 AS c%s', n, n), ', ') FROM generate_series(1, 60) n) || ' FROM generate_series(1, 25000) i', 'b', 'neighbors');
-- errors
SELECT medallion.train('train_neighbors_bad', 'train_neighbors.iris', 'species', 'neighbors', '{"n_neighbors": 0}', exclude => '{id}');
SELECT medallion.train('train_neighbors_bad', 'train_neighbors.iris', 'species', 'neighbors', '{"n_neighbors": 151}', exclude => '{id}');
SELECT medallion.train('train_neighbors_bad', 'train_neighbors.iris', 'species', 'neighbors', '{"metric": "minkowski"}', exclude => '{id}');
SELECT medallion.train('train_neighbors_bad', 'train_neighbors.iris', 'species', 'neighbors', '{"weights": "inverse"}', exclude => '{id}');
SELECT medallion.train('train_neighbors_bad', 'train_neighbors.iris', 'species', 'neighbors', weight => 'id');
SELECT medallion.train('train_neighbors_bad', 'train_neighbors.iris', NULL, 'neighbors', exclude => '{id,species}');
SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) AS dropped FROM medallion.models WHERE model LIKE 'train\_neighbors%';
DROP SCHEMA train_neighbors CASCADE;
RESET search_path;
DELETE FROM medallion._audit WHERE model LIKE 'train\_neighbors%';
