-- dbscan against scikit-learn (test/golden/prob_reference.py).
\getenv abs_srcdir PG_ABS_SRCDIR
\set iris_file :abs_srcdir '/golden/train_iris.csv'
\set cancer_file :abs_srcdir '/golden/train_cancer.csv'
\set expected_file :abs_srcdir '/golden/prob_expected.csv'
CREATE SCHEMA train_dbscan;
SET search_path = train_dbscan, public;
CREATE TABLE iris (a float8, b float8, c float8, d float8, species text, i int GENERATED ALWAYS AS IDENTITY, w int GENERATED ALWAYS AS (1 + (i - 1) % 3) STORED);
COPY iris (a, b, c, d, species) FROM :'iris_file' (FORMAT csv, HEADER);
\set ECHO none
SELECT format('CREATE TABLE cancer (%s, diagnosis text, i int GENERATED ALWAYS AS IDENTITY)', string_agg('x' || i || ' float8', ', ' ORDER BY i)) FROM generate_series(1, 30) i \gexec
SELECT format('COPY cancer (%s, diagnosis) FROM %L (FORMAT csv, HEADER)', string_agg('x' || i, ', ' ORDER BY i), :'cancer_file') AS copy FROM generate_series(1, 30) i \gset
SELECT :'copy' \gexec
\set ECHO all
CREATE TABLE expected (fit text, i int, j int, value float8);
COPY expected FROM :'expected_file' (FORMAT csv, HEADER);
CREATE TABLE fits AS SELECT fit, model, metrics FROM (VALUES
	('dbscan iris', 'train_dbscan_iris', 'train_dbscan.iris', '{}', '{species,i,w}', 'none', NULL),
	('dbscan iris small', 'train_dbscan_iris_small', 'train_dbscan.iris', '{"eps": 0.3, "min_samples": 4}', '{species,i,w}', 'none', NULL),
	('dbscan iris manhattan', 'train_dbscan_iris_manhattan', 'train_dbscan.iris', '{"eps": 0.7, "metric": "manhattan"}', '{species,i,w}', 'none', NULL),
	('dbscan iris weighted', 'train_dbscan_iris_weighted', 'train_dbscan.iris', '{"eps": 0.3, "min_samples": 8}', '{species,i}', 'none', 'w'),
	('dbscan cancer', 'train_dbscan_cancer', 'train_dbscan.cancer', '{"eps": 2.5, "min_samples": 10}', '{diagnosis,i}', 'standard', NULL)) v(fit, model_name, source, params, exclude, scale, weight),
	LATERAL medallion.train(model_name, source, NULL, 'dbscan', params::jsonb, exclude => exclude::text[], preprocess => jsonb_build_object('scale', scale), weight => weight) t;
-- core rows are of the same clusters, other rows are of a cluster where the reference has one, and of none else
CREATE FUNCTION labels(fit_name text, model text) RETURNS TABLE (i int, got int, expected int, core bool) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT i, medallion.predict(%2$L, r)::int, e.value::int, k.value = 1 FROM %1$I r JOIN expected e USING (i) JOIN expected k USING (fit, i) WHERE fit = %3$L AND e.j = 1 AND k.j = 2',
		split_part(fit_name, ' ', 2), model, fit_name);
END $$;
SELECT fit, count(*) AS rows, count(*) FILTER (WHERE core) AS core, count(DISTINCT expected) FILTER (WHERE expected >= 0) AS clusters, count(DISTINCT (got, expected)) FILTER (WHERE core) AS pairs,
	bool_and((got = -1) = (expected = -1)) AS same_noise, count(*) FILTER (WHERE got = -1) AS noise
FROM fits, labels(fit, model) GROUP BY fit ORDER BY fit COLLATE "C";
SELECT fit, metrics->'n_clusters' AS clusters, metrics->'n_core' AS core, metrics->'noise' AS noise FROM fits ORDER BY fit COLLATE "C";
-- clusters are numbered by their size
SELECT i, value FROM medallion.model_attributes WHERE model = 'train_dbscan_iris' AND attribute = 'cluster_sizes' ORDER BY i;
SELECT medallion.predict('train_dbscan_iris', r) AS cluster, count(*) FROM iris r GROUP BY 1 ORDER BY 1;
-- a new row: near a core row, and near none
SELECT medallion.predict('train_dbscan_iris', r) AS cluster FROM (VALUES (5.0::float8, 3.4::float8, 1.5::float8, 0.2::float8), (6.3, 2.9, 5.0, 1.7), (50, 50, 50, 50)) r(a, b, c, d);
-- no row is dense; a line; rings in one another
SELECT metrics->'n_clusters' AS clusters, metrics->'noise' AS noise FROM medallion.train('train_dbscan_sparse', 'SELECT a, b FROM train_dbscan.iris', NULL, 'dbscan', '{"eps": 1e-9, "min_samples": 20}');
SELECT DISTINCT medallion.predict('train_dbscan_sparse', r) FROM iris r;
SELECT metrics->'n_clusters' AS clusters, metrics->'n_core' AS core FROM medallion.train('train_dbscan_line', 'SELECT i::float8 AS x, 0.5 * i AS y FROM generate_series(1, 3000) i', NULL, 'dbscan', '{"eps": 1.2, "min_samples": 3}');
SELECT metrics->'n_clusters' AS clusters, metrics->'n_core' AS core FROM medallion.train('train_dbscan_rings', 'SELECT r * cos(i * 0.01) AS x, r * sin(i * 0.01) AS y FROM generate_series(1, 628) i, unnest(ARRAY[1, 2, 3]) r', NULL, 'dbscan', '{"eps": 0.1}');
SELECT medallion.train('train_dbscan_bad', 'SELECT a, b FROM train_dbscan.iris', NULL, 'dbscan', '{"eps": 0}');
SELECT medallion.train('train_dbscan_bad', 'SELECT a, b FROM train_dbscan.iris', NULL, 'dbscan', '{"metric": "cosine"}');
SELECT medallion.train('train_dbscan_bad', 'SELECT a, species FROM train_dbscan.iris', 'species', 'dbscan');
SELECT parameter, type, default_value FROM medallion.algorithms WHERE algorithm = 'dbscan' ORDER BY 1;
-- the same for any order of the rows and any number of threads
CREATE TABLE many AS SELECT (hashint4(i) % 1000) / 100.0 AS x, (hashint4(i + 7) % 997) / 100.0 AS y, 1 + i % 2 AS w FROM generate_series(1, 5000) i;
CREATE TABLE shuffled AS SELECT * FROM many ORDER BY y, x;
CREATE FUNCTION fit(threads int, source text) RETURNS text LANGUAGE sql AS $$
	SELECT set_config('medallion.train_threads', threads::text, false);
	SELECT count(*) FROM medallion.train('train_dbscan_' || threads, source, NULL, 'dbscan', '{"eps": 0.3, "min_samples": 6}', weight => 'w');
	SELECT md5(string_agg(medallion.predict('train_dbscan_' || threads, m)::text, ' ' ORDER BY x, y)) FROM train_dbscan.many m $$;
SELECT fit(1, 'train_dbscan.many') = fit(2, 'train_dbscan.shuffled') AS two, fit(1, 'train_dbscan.shuffled') = fit(8, 'train_dbscan.many') AS eight;
RESET medallion.train_threads;
SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) > 0 AS dropped FROM medallion.models WHERE model LIKE 'train\_dbscan%';
DROP SCHEMA train_dbscan CASCADE;
RESET search_path;
DELETE FROM medallion._audit WHERE model LIKE 'train\_dbscan%';
