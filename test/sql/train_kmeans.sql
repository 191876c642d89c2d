-- kmeans against scikit-learn (test/golden/kmeans_reference.py).
\getenv dir PG_ABS_SRCDIR
\set iris_file :dir '/golden/train_iris.csv'
\set diabetes_file :dir '/golden/train_diabetes.csv'
\set expected_file :dir '/golden/kmeans_expected.csv'
CREATE SCHEMA train_kmeans;
SET search_path = train_kmeans, public;
CREATE TABLE iris (a float8, b float8, c float8, d float8, species text);
COPY iris FROM :'iris_file' (FORMAT csv, HEADER);
CREATE TABLE diabetes (age float8, sex float8, bmi float8, bp float8, s1 float8, s2 float8, s3 float8, s4 float8, s5 float8, s6 float8, progression float8);
COPY diabetes FROM :'diabetes_file' (FORMAT csv, HEADER);
CREATE TABLE expected (data text, k int, inertia float8);
COPY expected FROM :'expected_file' (FORMAT csv, HEADER);
CREATE FUNCTION inertia(data text, k int) RETURNS float8 LANGUAGE sql AS $$
	SELECT (metrics->>'inertia')::float8 FROM medallion.train('train_kmeans_' || data || k, 'train_kmeans.' || data, NULL, 'kmeans',
		jsonb_build_object('n_clusters', k, 'n_init', 20, 'tol', 0), exclude => CASE data WHEN 'iris' THEN '{species}' ELSE '{progression}' END::text[], seed => 1) $$;
-- within 1 % of the best of as many starts
SELECT data, k, inertia(data, k) <= inertia * 1.01 AS as_good, inertia(data, k) >= inertia * 0.99 AS no_miracle FROM expected ORDER BY 1, 2;
-- rows belong to the nearest centre; the inertia is what the distances say; the sizes are those of the clusters
SELECT abs(sum(least(z[1], z[2], z[3]) ^ 2) - (SELECT (metrics->>'inertia')::float8 FROM medallion.model_versions WHERE model = 'train_kmeans_iris3' ORDER BY version LIMIT 1)) < 1e-9 AS inertia,
	bool_and(z[medallion.predict('train_kmeans_iris3/1', i)::int + 1] = least(z[1], z[2], z[3])) AS nearest
FROM iris i, medallion.transform('train_kmeans_iris3/1', i) z;
SELECT bool_and(s.value = p.n) AS sizes FROM (SELECT medallion.predict('train_kmeans_iris3/1', i)::int + 1 AS i, count(*) AS n FROM iris i GROUP BY 1) p
JOIN medallion.model_attributes s ON s.model = 'train_kmeans_iris3' AND s.version = 1 AND s.attribute = 'cluster_sizes' AND s.i = p.i;
SELECT species, count(*), count(DISTINCT medallion.predict('train_kmeans_iris3', i)) FROM iris i GROUP BY 1 ORDER BY 1;
SELECT feature, round(value::numeric, 3) AS centre FROM medallion.model_attributes WHERE model = 'train_kmeans_iris1' AND version = 1 AND attribute = 'cluster_centers' ORDER BY j;
-- the same bits whatever the order of the rows and the number of threads; other seeds start elsewhere
CREATE TABLE many AS SELECT (hashint4(i) % 1000) / 10.0 AS x, (hashint4(i + 7) % 997) / 3.0 + i % 5 * 100 AS y, 1 + i % 3 AS w FROM generate_series(1, 20000) i;
CREATE TABLE turned AS SELECT * FROM many ORDER BY y DESC, x;
SET medallion.train_threads = 1;
SELECT metrics AS one FROM medallion.train('train_kmeans_one', 'train_kmeans.many', algorithm => 'kmeans', params => '{"n_clusters": 7}', weight => 'w') \gset
SET medallion.train_threads = 4;
SELECT metrics = :'one'::jsonb AS same FROM medallion.train('train_kmeans_four', 'train_kmeans.turned', NULL, 'kmeans', '{"n_clusters": 7}', weight => 'w');
RESET medallion.train_threads;
SELECT count(*) AS centres, count(*) FILTER (WHERE a.value = b.value) AS same FROM medallion.model_attributes a JOIN medallion.model_attributes b USING (attribute, i, j)
WHERE a.model = 'train_kmeans_one' AND b.model = 'train_kmeans_four' AND attribute = 'cluster_centers';
-- batches: near the best inertia, the same bits too; a batch of all rows is none
SELECT data, k, (metrics->>'inertia')::float8 <= inertia * 1.05 AS near FROM expected,
	LATERAL medallion.train('train_kmeans_batch', 'train_kmeans.' || data, NULL, 'kmeans', jsonb_build_object('n_clusters', k, 'n_init', 20, 'batch_size', 100, 'max_no_improvement', 50),
		exclude => CASE data WHEN 'iris' THEN '{species}' ELSE '{progression}' END::text[], seed => 1) ORDER BY 1, 2;
SET medallion.train_threads = 1;
SELECT metrics AS one FROM medallion.train('train_kmeans_batch', 'train_kmeans.many', NULL, 'kmeans', '{"n_clusters": 7, "batch_size": 256}', weight => 'w') \gset
SET medallion.train_threads = 8;
SELECT metrics = :'one'::jsonb AS same, (metrics->>'inertia')::float8 / (SELECT (metrics->>'inertia')::float8 FROM medallion.model_versions WHERE model = 'train_kmeans_one') < 1.1 AS near
FROM medallion.train('train_kmeans_batch', 'train_kmeans.turned', NULL, 'kmeans', '{"n_clusters": 7, "batch_size": 256}', weight => 'w');
RESET medallion.train_threads;
SELECT metrics = (SELECT metrics FROM medallion.model_versions WHERE model = 'train_kmeans_one') AS same FROM medallion.train('train_kmeans_batch', 'train_kmeans.many', NULL, 'kmeans', '{"n_clusters": 7, "batch_size": 20000}', weight => 'w');
-- a weight of 2 is the row twice; clusters without rows are made again; a batch has whole numbers
SELECT abs((a.metrics->>'inertia')::float8 - (b.metrics->>'inertia')::float8) < 1e-6 AS same
FROM medallion.train('train_kmeans_w', 'SELECT a, b, 2 AS w FROM train_kmeans.iris', NULL, 'kmeans', '{"n_clusters": 2, "n_init": 10, "tol": 0}', weight => 'w') a,
	medallion.train('train_kmeans_t', 'SELECT a, b FROM train_kmeans.iris UNION ALL SELECT a, b FROM train_kmeans.iris', NULL, 'kmeans', '{"n_clusters": 2, "n_init": 10, "tol": 0}') b;
SELECT (metrics->>'inertia')::float8 AS inertia FROM medallion.train('train_kmeans_few', 'SELECT i % 3 AS x FROM generate_series(1, 30) i', NULL, 'kmeans', '{"n_clusters": 3, "init": "random", "n_init": 20}');
-- more clusters than different rows: told
SELECT (metrics->>'inertia')::float8 AS inertia FROM medallion.train('train_kmeans_few', 'SELECT i % 3 AS x FROM generate_series(1, 30) i', NULL, 'kmeans', '{"n_clusters": 5}');
SELECT rows FROM medallion.predict_batch('train_kmeans_iris3', 'SELECT row_number() OVER () AS no, * FROM train_kmeans.iris', 'train_kmeans.clusters', keys => '{no}');
SELECT pg_typeof(prediction), count(DISTINCT prediction) FROM clusters GROUP BY 1;
SELECT medallion.train('train_kmeans_bad', 'train_kmeans.iris', NULL, 'kmeans', '{"n_clusters": 1000}', exclude => '{species}');
SELECT medallion.train('train_kmeans_bad', 'train_kmeans.iris', NULL, 'kmeans', '{"init": "best"}', exclude => '{species}');
-- numbers whose squares overflow are an error
SELECT medallion.train('train_kmeans_bad', 'SELECT 1e200 * i AS x, 1e200 * i * i AS y FROM generate_series(1, 90) i', NULL, 'kmeans');
SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) AS dropped FROM medallion.models WHERE model LIKE 'train\_kmeans%';
DROP SCHEMA train_kmeans CASCADE;
RESET search_path;
DELETE FROM medallion._audit WHERE model LIKE 'train\_kmeans%';
