-- nmf against scikit-learn (test/golden/prob_reference.py).
\getenv abs_srcdir PG_ABS_SRCDIR
\set iris_file :abs_srcdir '/golden/train_iris.csv'
\set wine_file :abs_srcdir '/golden/train_wine.csv'
\set expected_file :abs_srcdir '/golden/prob_expected.csv'
CREATE SCHEMA train_nmf;
SET search_path = train_nmf, public;
CREATE TABLE iris (a float8, b float8, c float8, d float8, species text, i int GENERATED ALWAYS AS IDENTITY, w int GENERATED ALWAYS AS (1 + (i - 1) % 3) STORED);
COPY iris (a, b, c, d, species) FROM :'iris_file' (FORMAT csv, HEADER);
\set ECHO none
SELECT format('CREATE TABLE wine (%s, class text, i int GENERATED ALWAYS AS IDENTITY)', string_agg('x' || i || ' float8', ', ' ORDER BY i)) FROM generate_series(1, 13) i \gexec
SELECT format('COPY wine (%s, class) FROM %L (FORMAT csv, HEADER)', string_agg('x' || i, ', ' ORDER BY i), :'wine_file') AS copy FROM generate_series(1, 13) i \gset
SELECT :'copy' \gexec
\set ECHO all
CREATE TABLE expected (fit text, i int, j int, value float8);
COPY expected FROM :'expected_file' (FORMAT csv, HEADER);
SET client_min_messages = warning;
-- the objectives and their minimum are the same, to the convergence of both
CREATE TABLE fits AS SELECT fit, model, metrics FROM (VALUES
	('nmf iris', 'train_nmf_iris', 'train_nmf.iris', '{"n_components": 3}', '{species,i,w}', 'none'),
	('nmf iris nndsvd', 'train_nmf_iris_nndsvd', 'train_nmf.iris', '{"n_components": 2, "init": "nndsvd"}', '{species,i,w}', 'none'),
	('nmf iris sparse', 'train_nmf_iris_sparse', 'train_nmf.iris', '{"n_components": 2, "alpha_W": 0.002, "alpha_H": 0.001, "l1_ratio": 0.5}', '{species,i,w}', 'none'),
	('nmf wine', 'train_nmf_wine', 'train_nmf.wine', '{"n_components": 3}', '{class,i}', 'maxabs')) v(fit, model_name, source, params, exclude, scale),
	LATERAL medallion.train(model_name, source, NULL, 'nmf', params::jsonb || '{"tol": 1e-12, "max_iter": 50000}', exclude => exclude::text[], preprocess => jsonb_build_object('scale', scale)) t;
SELECT f.fit, (metrics->>'reconstruction_err')::float8 <= e.value * (1 + 1e-6) AS as_good, abs((metrics->>'reconstruction_err')::float8 / e.value - 1) < 1e-6 AS same
FROM fits f JOIN expected e ON e.fit = f.fit || ' reconstruction_err' ORDER BY f.fit COLLATE "C";
SELECT f.fit, count(*) AS compared, max(abs(a.value - e.value) / greatest(1, abs(e.value))) < 1e-4 AS components FROM fits f JOIN medallion.model_attributes a ON a.model = f.model AND a.attribute = 'components'
	JOIN expected e ON e.fit = f.fit || ' components' AND (e.i, e.j) = (a.i, a.j) GROUP BY 1 ORDER BY f.fit COLLATE "C";
CREATE FUNCTION difference(fit_name text, model text) RETURNS TABLE (compared bigint, transform bool) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT count(*), max(abs(z[j] - value) / greatest(1, abs(value))) < 1e-4 FROM expected e JOIN %I r USING (i), medallion.transform(%L, r) z WHERE e.fit = %L',
		split_part(fit_name, ' ', 2), model, fit_name);
END $$;
SELECT fit, d.* FROM fits, difference(fit, model) d ORDER BY fit COLLATE "C";
-- what was taken apart is put together again: the error is that of the products
SELECT abs(sqrt(sum((r.a - p.a) ^ 2 + (r.b - p.b) ^ 2 + (r.c - p.c) ^ 2 + (r.d - p.d) ^ 2)) - (SELECT (metrics->>'reconstruction_err')::float8 FROM fits WHERE fit = 'nmf iris')) < 1e-6 AS same_error
FROM iris r, LATERAL (SELECT sum(z * value) FILTER (WHERE j = 1) AS a, sum(z * value) FILTER (WHERE j = 2) AS b, sum(z * value) FILTER (WHERE j = 3) AS c, sum(z * value) FILTER (WHERE j = 4) AS d
	FROM unnest(medallion.transform('train_nmf_iris', r)) WITH ORDINALITY u(z, k) JOIN medallion.model_attributes m ON m.model = 'train_nmf_iris' AND m.attribute = 'components' AND m.i = u.k) p;
-- rows that are exact sums of two parts; a weight of 2 is the row twice; a start by chance; few rounds
CREATE TABLE sums AS SELECT 3.0 * (i % 7) + 0 * (i % 4) AS x, 1.0 * (i % 7) + 2 * (i % 4) AS y, 5.0 * (i % 4) AS z FROM generate_series(1, 100) i;
SELECT (metrics->>'reconstruction_err')::float8 < 1e-3 AS exact FROM medallion.train('train_nmf_sums', 'train_nmf.sums', NULL, 'nmf', '{"tol": 1e-8, "max_iter": 20000}');
SELECT (metrics->>'reconstruction_err')::float8 < 1e-3 AS exact FROM medallion.train('train_nmf_chance', 'train_nmf.sums', NULL, 'nmf', '{"tol": 1e-8, "max_iter": 20000, "init": "random"}', seed => 3);
SELECT metrics->>'converged' AS converged, metrics->>'iterations' AS rounds FROM medallion.train('train_nmf_short', 'train_nmf.sums', NULL, 'nmf', '{"tol": 0, "max_iter": 3}');
SELECT abs((a.metrics->>'reconstruction_err')::float8 - (b.metrics->>'reconstruction_err')::float8) < 1e-9 AS same
FROM medallion.train('train_nmf_w', 'SELECT a, b, c, 2 AS w FROM train_nmf.iris', NULL, 'nmf', weight => 'w') a, medallion.train('train_nmf_t', 'SELECT a, b, c FROM train_nmf.iris UNION ALL SELECT a, b, c FROM train_nmf.iris', NULL, 'nmf') b;
-- what it refuses
SELECT medallion.train('train_nmf_bad', 'SELECT a - 5 AS a, b, c FROM train_nmf.iris', NULL, 'nmf');
SELECT medallion.train('train_nmf_bad', 'SELECT a, b, c FROM train_nmf.iris', NULL, 'nmf', '{"n_components": 4}');
SELECT medallion.train('train_nmf_bad', 'SELECT a, b, c FROM train_nmf.iris', NULL, 'nmf', '{"solver": "mu"}');
SELECT medallion.train('train_nmf_bad', 'SELECT a, b, c FROM train_nmf.iris', NULL, 'nmf', '{"alpha_W": -1}');
SELECT count(*) FROM medallion.train('train_nmf_more', 'SELECT a, b, c FROM train_nmf.iris', NULL, 'nmf', '{"n_components": 4, "init": "random"}');
SELECT parameter, type, default_value FROM medallion.algorithms WHERE algorithm = 'nmf' ORDER BY 1;
-- the same bits for any order of the rows and any number of threads
CREATE TABLE many AS SELECT abs(hashint4(i) % 1000) / 7.0 AS x, abs(hashint4(i + 7) % 997) / 3.0 + i % 3 * 30 AS y, (i % 17)::float8 AS z, 1 + i % 2 AS w FROM generate_series(1, 5000) i;
CREATE TABLE shuffled AS SELECT * FROM many ORDER BY y, x;
CREATE FUNCTION fit(start text, threads int, source text) RETURNS text LANGUAGE sql AS $$
	SELECT set_config('medallion.train_threads', threads::text, false);
	SELECT count(*) FROM medallion.train(format('train_nmf_%s_%s', start, threads), source, NULL, 'nmf', jsonb_build_object('init', start), weight => 'w');
	SELECT md5(string_agg(value::text, ' ' ORDER BY attribute, i, j)) FROM medallion.model_attributes WHERE (model, version) = (SELECT model, max(version) FROM medallion.model_versions WHERE model = format('train_nmf_%s_%s', start, threads) GROUP BY model) $$;
SELECT start, fit(start, 1, 'train_nmf.many') = fit(start, 2, 'train_nmf.shuffled') AS two, fit(start, 1, 'train_nmf.shuffled') = fit(start, 8, 'train_nmf.many') AS eight FROM unnest('{nndsvda,random}'::text[]) start;
RESET medallion.train_threads;
-- numbers whose squares overflow are an error
SELECT medallion.train('train_nmf_bad', 'SELECT 1e200 * i AS x, 1e200 * i * i AS y FROM generate_series(1, 90) i', NULL, 'nmf');
SELECT count(medallion.drop_model(model)) > 0 AS dropped FROM medallion.models WHERE model LIKE 'train\_nmf%';
DROP SCHEMA train_nmf CASCADE;
RESET search_path;
DELETE FROM medallion._audit WHERE model LIKE 'train\_nmf%';
