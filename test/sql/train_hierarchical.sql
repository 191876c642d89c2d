-- hierarchical (Ward) against scikit-learn (test/golden/prob_reference.py).
\getenv abs_srcdir PG_ABS_SRCDIR
\set iris_file :abs_srcdir '/golden/train_iris.csv'
\set wine_file :abs_srcdir '/golden/train_wine.csv'
\set cancer_file :abs_srcdir '/golden/train_cancer.csv'
\set expected_file :abs_srcdir '/golden/prob_expected.csv'
CREATE SCHEMA train_tree;
SET search_path = train_tree, public;
CREATE TABLE iris (a float8, b float8, c float8, d float8, species text, i int GENERATED ALWAYS AS IDENTITY, w int GENERATED ALWAYS AS (1 + (i - 1) % 3) STORED);
COPY iris (a, b, c, d, species) FROM :'iris_file' (FORMAT csv, HEADER);
\set ECHO none
SELECT format('CREATE TABLE wine (%s, class text, i int GENERATED ALWAYS AS IDENTITY)', string_agg('x' || i || ' float8', ', ' ORDER BY i)) FROM generate_series(1, 13) i \gexec
SELECT format('COPY wine (%s, class) FROM %L (FORMAT csv, HEADER)', string_agg('x' || i, ', ' ORDER BY i), :'wine_file') AS copy FROM generate_series(1, 13) i \gset
SELECT :'copy' \gexec
SELECT format('CREATE TABLE cancer (%s, diagnosis text, i int GENERATED ALWAYS AS IDENTITY)', string_agg('x' || i || ' float8', ', ' ORDER BY i)) FROM generate_series(1, 30) i \gexec
SELECT format('COPY cancer (%s, diagnosis) FROM %L (FORMAT csv, HEADER)', string_agg('x' || i, ', ' ORDER BY i), :'cancer_file') AS copy FROM generate_series(1, 30) i \gset
SELECT :'copy' \gexec
\set ECHO all
CREATE TABLE expected (fit text, i int, j int, value float8);
COPY expected FROM :'expected_file' (FORMAT csv, HEADER);
SET client_min_messages = warning;
CREATE TABLE fits AS SELECT fit, model, metrics FROM (VALUES
	('ward iris', 'train_tree_iris', 'train_tree.iris', '{"n_clusters": 3}', '{species,i,w}', 'none'),
	('ward wine', 'train_tree_wine', 'train_tree.wine', '{"n_clusters": 3}', '{class,i}', 'standard'),
	('ward cancer', 'train_tree_cancer', 'train_tree.cancer', '{"n_clusters": 5}', '{diagnosis,i}', 'standard')) v(fit, model_name, source, params, exclude, scale),
	LATERAL medallion.train(model_name, source, NULL, 'hierarchical', params::jsonb, exclude => exclude::text[], preprocess => jsonb_build_object('scale', scale)) t;
-- the same clusters: as many pairs of numbers as there are clusters; the heights of the last mergers
CREATE FUNCTION labels(fit_name text, model text) RETURNS TABLE (i int, got int, expected int) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT i, medallion.predict(%2$L, r)::int, e.value::int FROM %1$I r JOIN expected e USING (i) WHERE fit = %3$L', split_part(fit_name, ' ', 2), model, fit_name);
END $$;
SELECT fit, count(*) AS rows, count(DISTINCT expected) AS clusters, count(DISTINCT got) AS got, count(DISTINCT (got, expected)) AS pairs FROM fits, labels(fit, model) GROUP BY fit ORDER BY fit COLLATE "C";
SELECT f.fit, count(*) AS compared, max(abs(a.value / e.value - 1)) < 1e-8 AS within_1e_8 FROM fits f JOIN expected e ON e.fit = f.fit || ' heights'
	JOIN (SELECT model, value, row_number() OVER (PARTITION BY model ORDER BY i DESC) AS from_last FROM medallion.model_attributes WHERE attribute = 'heights') a ON a.model = f.model AND a.from_last = 21 - e.i
GROUP BY 1 ORDER BY f.fit COLLATE "C";
SELECT i, value FROM medallion.model_attributes WHERE model = 'train_tree_cancer' AND attribute = 'cluster_sizes' ORDER BY i;
-- cut by height: as many clusters as mergers are as high
SELECT metrics->'n_clusters' AS clusters, (SELECT count(*) + 1 FROM medallion.model_attributes WHERE model = 'train_tree_iris' AND attribute = 'heights' AND value >= 8) AS as_many
FROM medallion.train('train_tree_height', 'train_tree.iris', NULL, 'hierarchical', '{"distance_threshold": 8}', exclude => '{species,i,w}');
-- a weight of 2 is the row twice, whose merger has height 0
SELECT count(*) FROM medallion.train('train_tree_w', 'SELECT a, b, c, 2 AS w FROM train_tree.iris', NULL, 'hierarchical', weight => 'w') t,
	medallion.train('train_tree_t', 'SELECT a, b, c FROM train_tree.iris UNION ALL SELECT a, b, c FROM train_tree.iris', NULL, 'hierarchical') u;
SELECT max(abs(a.value - b.value)) < 1e-10 AS same FROM (SELECT row_number() OVER (ORDER BY i DESC) AS n, value FROM medallion.model_attributes WHERE model = 'train_tree_w' AND attribute = 'heights') a
	JOIN (SELECT row_number() OVER (ORDER BY i DESC) AS n, value FROM medallion.model_attributes WHERE model = 'train_tree_t' AND attribute = 'heights') b ON a.n = b.n AND a.n <= 100;
-- two rows; a new row
SELECT metrics->'n_clusters' AS clusters FROM medallion.train('train_tree_one', 'SELECT a, b FROM train_tree.iris WHERE i IN (1, 60)', NULL, 'hierarchical');
SELECT medallion.predict('train_tree_iris', r) AS cluster, (SELECT medallion.predict('train_tree_iris', iris) FROM iris WHERE i = 1) AS as_first FROM (VALUES (5.1::float8, 3.5::float8, 1.41::float8, 0.2::float8)) r(a, b, c, d);
SELECT medallion.train('train_tree_bad', 'SELECT a, b FROM train_tree.iris LIMIT 5', NULL, 'hierarchical', '{"n_clusters": 6}');
SELECT medallion.train('train_tree_bad', 'SELECT a, b FROM train_tree.iris', NULL, 'hierarchical', '{"linkage": "single"}');
SELECT medallion.train('train_tree_bad', 'SELECT 1e200 * i AS x, 1e200 * i * i AS y FROM generate_series(1, 9) i', NULL, 'hierarchical');
SELECT parameter, type, default_value FROM medallion.algorithms WHERE algorithm = 'hierarchical' ORDER BY 1;
-- the same bits for any order of the rows and any number of threads
CREATE TABLE many AS SELECT (hashint4(i) % 1000) / 100.0 AS x, (hashint4(i + 7) % 997) / 100.0 AS y, (i % 20)::float8 AS z FROM generate_series(1, 20000) i;
CREATE TABLE shuffled AS SELECT * FROM many ORDER BY y, x;
CREATE FUNCTION fit(threads int, source text) RETURNS text LANGUAGE sql AS $$
	SELECT set_config('medallion.train_threads', threads::text, false);
	SELECT count(*) FROM medallion.train('train_tree_' || threads, source, NULL, 'hierarchical', '{"n_clusters": 9}');
	SELECT md5(string_agg(value::text, ' ' ORDER BY attribute, i)) FROM medallion.model_attributes WHERE (model, version) = (SELECT model, max(version) FROM medallion.model_versions WHERE model = 'train_tree_' || threads GROUP BY model) $$;
SELECT fit(1, 'SELECT * FROM train_tree.many LIMIT 8000') = fit(2, 'SELECT * FROM (SELECT * FROM train_tree.many LIMIT 8000) m ORDER BY y, x') AS two, fit(1, 'SELECT * FROM train_tree.many WHERE x < 5') = fit(8, 'SELECT * FROM train_tree.shuffled WHERE x < 5') AS eight;
RESET medallion.train_threads;
SELECT count(medallion.drop_model(model)) > 0 AS dropped FROM medallion.models WHERE model LIKE 'train\_tree%';
DROP SCHEMA train_tree CASCADE;
RESET search_path;
DELETE FROM medallion._audit WHERE model LIKE 'train\_tree%';
