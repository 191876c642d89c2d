-- truncated_svd and the randomised solver of pca against scikit-learn (test/golden/prob_reference.py).
\getenv abs_srcdir PG_ABS_SRCDIR
\set iris_file :abs_srcdir '/golden/train_iris.csv'
\set wine_file :abs_srcdir '/golden/train_wine.csv'
\set cancer_file :abs_srcdir '/golden/train_cancer.csv'
\set expected_file :abs_srcdir '/golden/prob_expected.csv'
CREATE SCHEMA train_svd;
SET search_path = train_svd, public;
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
	('svd wine', 'train_svd_wine', 'train_svd.wine', 'truncated_svd', '{"n_components": 3}', '{class,i}', NULL, 'none'),
	('svd wine', 'train_svd_wine_r', 'train_svd.wine', 'truncated_svd', '{"n_components": 3, "svd_solver": "randomized"}', '{class,i}', NULL, 'none'),
	('svd cancer', 'train_svd_cancer', 'train_svd.cancer', 'truncated_svd', '{"n_components": 6}', '{diagnosis,i}', NULL, 'standard'),
	('svd cancer', 'train_svd_cancer_r', 'train_svd.cancer', 'truncated_svd', '{"n_components": 6, "svd_solver": "randomized"}', '{diagnosis,i}', NULL, 'standard'),
	('pca cancer', 'train_svd_pca_r', 'train_svd.cancer', 'pca', '{"n_components": 6, "svd_solver": "randomized"}', '{diagnosis,i}', NULL, 'standard'),
	('svd iris weighted', 'train_svd_iris', 'train_svd.iris', 'truncated_svd', '{}', '{species,i}', 'w', 'none')) v(fit, model_name, source, algorithm, params, exclude, weight, scale),
	LATERAL medallion.train(model_name, source, NULL, algorithm, params::jsonb, exclude => exclude::text[], weight => weight, preprocess => jsonb_build_object('scale', scale)) t;
SELECT f.model, a.attribute, count(*) AS compared, max(abs(a.value - e.value) / greatest(1, abs(e.value))) < 1e-8 AS within_1e_8 FROM fits f JOIN medallion.model_attributes a ON a.model = f.model
	JOIN expected e ON e.fit = f.fit || ' ' || a.attribute AND (e.i, e.j) = (a.i, a.j) GROUP BY 1, 2 ORDER BY f.model COLLATE "C", 2;
CREATE FUNCTION difference(fit_name text, model text) RETURNS TABLE (compared bigint, within_1e_8 bool) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT count(*), max(abs(z[j] - value) / greatest(1, abs(value))) < 1e-8 FROM expected e JOIN %I r USING (i), medallion.transform(%L, r) z WHERE e.fit = %L',
		split_part(fit_name, ' ', 2), model, fit_name);
END $$;
SELECT model, d.* FROM fits, difference(fit, model) d ORDER BY model COLLATE "C";
SELECT model, metrics->>'converged' AS converged, (metrics->>'iterations')::int BETWEEN 1 AND 100 AS rounds FROM fits WHERE model LIKE '%\_r' ORDER BY model COLLATE "C";
-- many terms: auto takes the leading components alone; they are those of all
CREATE TABLE wide AS SELECT (SELECT array_agg(sin(i * 0.37 * (j % 3 + 1)) * (10.0 / j) + (hashint4(i * 1000 + j) % 1000) / 20000.0 ORDER BY j) FROM generate_series(1, 520) j) AS v FROM generate_series(1, 700) i;
SELECT a.metrics->>'n_components' AS components, (a.metrics->>'iterations')::int > 1 AS leading_alone, abs((a.metrics->>'explained_variance_ratio')::float8 - (b.metrics->>'explained_variance_ratio')::float8) < 1e-9 AS same
FROM medallion.train('train_svd_wide', 'train_svd.wide', NULL, 'pca', '{"n_components": 3}') a, medallion.train('train_svd_wide_full', 'train_svd.wide', NULL, 'pca', '{"n_components": 3, "svd_solver": "full"}') b;
SELECT max(abs(a.value - b.value)) < 1e-7 AS same FROM medallion.model_attributes a JOIN medallion.model_attributes b USING (attribute, i, j) WHERE a.model = 'train_svd_wide' AND b.model = 'train_svd_wide_full' AND attribute = 'components';
-- fewer dimensions than vectors carried along, and rows that are all the same but for one term
SELECT round((metrics->>'explained_variance_ratio')::numeric, 12) AS held FROM medallion.train('train_svd_flat', 'SELECT i::float8 AS x, 2.0 * i AS y, 3.0 * i AS z FROM generate_series(1, 10) i', NULL, 'pca', '{"n_components": 2, "svd_solver": "randomized"}');
-- one round is not enough, and says so
SELECT metrics->>'converged' AS converged, metrics->>'iterations' AS rounds FROM medallion.train('train_svd_short', 'train_svd.wide', NULL, 'truncated_svd', '{"n_components": 5, "svd_solver": "randomized", "iterated_power": 1}');
SELECT medallion.train('train_svd_bad', 'train_svd.iris', NULL, 'truncated_svd', '{"n_components": 9}', exclude => '{species,i,w}');
SELECT medallion.train('train_svd_bad', 'train_svd.iris', NULL, 'truncated_svd', '{"n_components": 0}', exclude => '{species,i,w}');
SELECT medallion.train('train_svd_bad', 'train_svd.iris', NULL, 'pca', '{"svd_solver": "randomized"}', exclude => '{species,i,w}');
SELECT medallion.train('train_svd_bad', 'train_svd.iris', NULL, 'pca', '{"svd_solver": "arpack"}', exclude => '{species,i,w}');
SELECT algorithm, parameter, type, default_value FROM medallion.algorithms WHERE algorithm IN ('pca', 'truncated_svd') ORDER BY 1, 2;
-- the same bits with any number of threads
SET medallion.train_threads = 1;
SELECT count(*) FROM medallion.train('train_svd_one', 'train_svd.wide', NULL, 'truncated_svd', '{"n_components": 4}');
SET medallion.train_threads = 8;
SELECT count(*) FROM medallion.train('train_svd_eight', 'SELECT v FROM train_svd.wide ORDER BY v[1]', NULL, 'truncated_svd', '{"n_components": 4}');
RESET medallion.train_threads;
SELECT bool_and(a.value = b.value) AS same_bits FROM medallion.model_attributes a JOIN medallion.model_attributes b USING (attribute, i, j) WHERE a.model = 'train_svd_one' AND b.model = 'train_svd_eight';
-- numbers whose squares overflow are an error
SELECT medallion.train('train_svd_bad', 'SELECT 1e200 * i AS x, 1e200 * i * i AS y FROM generate_series(1, 90) i', NULL, 'pca');
SELECT medallion.train('train_svd_bad', 'SELECT 1e200 * i AS x, 1e200 * i * i AS y FROM generate_series(1, 90) i', NULL, 'truncated_svd');
SELECT count(medallion.drop_model(model)) > 0 AS dropped FROM medallion.models WHERE model LIKE 'train\_svd%';
DROP SCHEMA train_svd CASCADE;
RESET search_path;
DELETE FROM medallion._audit WHERE model LIKE 'train\_svd%';
