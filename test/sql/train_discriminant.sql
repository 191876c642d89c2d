-- lda and qda against scikit-learn (test/golden/prob_reference.py).
\getenv abs_srcdir PG_ABS_SRCDIR
\set iris_file :abs_srcdir '/golden/train_iris.csv'
\set cancer_file :abs_srcdir '/golden/train_cancer.csv'
\set wine_file :abs_srcdir '/golden/train_wine.csv'
\set expected_file :abs_srcdir '/golden/prob_expected.csv'
CREATE SCHEMA train_discriminant;
SET search_path = train_discriminant, public;
CREATE TABLE iris (a float8, b float8, c float8, d float8, species text, i int GENERATED ALWAYS AS IDENTITY, w int GENERATED ALWAYS AS (1 + (i - 1) % 3) STORED);
COPY iris (a, b, c, d, species) FROM :'iris_file' (FORMAT csv, HEADER);
SELECT format('CREATE TABLE cancer (%s, diagnosis text, i int GENERATED ALWAYS AS IDENTITY)', string_agg('x' || i || ' float8', ', ' ORDER BY i)) FROM generate_series(1, 30) i \gexec
SELECT format('COPY cancer (%s, diagnosis) FROM %L (FORMAT csv, HEADER)', string_agg('x' || i, ', ' ORDER BY i), :'cancer_file') AS copy FROM generate_series(1, 30) i \gset
\set ECHO none
SELECT :'copy' \gexec
SELECT format('CREATE TABLE wine (%s, class text, i int GENERATED ALWAYS AS IDENTITY)', string_agg('x' || i || ' float8', ', ' ORDER BY i)) FROM generate_series(1, 13) i \gexec
SELECT format('COPY wine (%s, class) FROM %L (FORMAT csv, HEADER)', string_agg('x' || i, ', ' ORDER BY i), :'wine_file') AS copy FROM generate_series(1, 13) i \gset
SELECT :'copy' \gexec
\set ECHO all
CREATE TABLE expected (fit text, i int, j int, value float8);
COPY expected FROM :'expected_file' (FORMAT csv, HEADER);
SET client_min_messages = warning;
SELECT count(*) FROM (VALUES ('lda wine', 'train_discriminant.wine', 'class', '{i}', '{}', NULL), ('qda wine', 'train_discriminant.wine', 'class', '{i}', '{}', NULL),
	('lda cancer', 'train_discriminant.cancer', 'diagnosis', '{i}', '{}', NULL), ('lda cancer shrunk', 'train_discriminant.cancer', 'diagnosis', '{i}', '{"shrinkage": 0.2}', NULL),
	('qda cancer regularised', 'train_discriminant.cancer', 'diagnosis', '{i}', '{"reg_param": 0.01}', NULL),
	('lda iris weighted', 'train_discriminant.iris', 'species', '{i}', '{}', 'w'), ('qda iris weighted', 'train_discriminant.iris', 'species', '{i}', '{}', 'w'),
	('lda iris uniform', 'SELECT * FROM train_discriminant.iris WHERE i > 20', 'species', '{i,w}', '{"fit_prior": false}', NULL)) v(fit, source, target, exclude, params, weight),
	LATERAL medallion.train('train_da_' || replace(fit, ' ', '_'), source, target, split_part(fit, ' ', 1), params::jsonb, exclude => exclude::text[], weight => weight) t;
-- the largest difference of a probability, of all classes
CREATE FUNCTION difference(fit_name text) RETURNS TABLE (fit text, compared bigint, within_1e_8 bool) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT %1$L::text, count(*), max(abs(p[j] - value)) < 1e-8 FROM expected e JOIN %2$I r USING (i), medallion.predict_proba(%3$L, r) p WHERE e.fit = %1$L',
		fit_name, split_part(fit_name, ' ', 2), 'train_da_' || replace(fit_name, ' ', '_'));
END $$;
SELECT d.* FROM (SELECT DISTINCT fit FROM expected WHERE fit ~ '^[lq]da' AND fit !~ 'transform|coef|ratio' ORDER BY 1) f, difference(fit) d;
-- directions: the signs are those that make the first wine's numbers positive
WITH z AS (SELECT i, j, value FROM wine w, medallion.transform('train_da_lda_wine', w) t, unnest(t) WITH ORDINALITY u(value, j))
SELECT count(*) AS compared, max(abs(z.value * sign(f.value) - e.value)) < 1e-8 AS transform FROM expected e JOIN z USING (i, j) JOIN z f ON f.i = 1 AND f.j = z.j WHERE fit = 'lda wine transform';
SELECT count(*) AS compared, max(abs(a.value - e.value)) < 1e-8 AS ratio FROM expected e JOIN medallion.model_attributes a USING (i) WHERE fit = 'lda wine ratio' AND model = 'train_da_lda_wine' AND attribute = 'explained_variance_ratio';
SELECT count(*) AS compared, max(abs(c.estimate - e.value)) < 1e-8 AS coefficients FROM expected e JOIN medallion.coefficients c ON c.model = 'train_da_lda_wine' AND c.class = 'w' || (e.i - 1) AND c.feature = 'x' || e.j WHERE fit = 'lda wine coef';
SELECT attribute, i, j, class, feature, round(value::numeric, 4) AS value FROM medallion.model_attributes WHERE model = 'train_da_lda_iris_uniform' AND attribute IN ('priors', 'scalings') ORDER BY attribute, i, j;
-- features that others determine are left out of lda: the same probabilities; qda refuses them, and says for which class
CREATE TABLE doubled AS SELECT a, b, c, d, a + b AS e, species FROM iris;
SELECT count(*) FROM medallion.train('train_da_plain', 'SELECT a, b, c, d, species FROM train_discriminant.iris', 'species', 'lda') t, medallion.train('train_da_doubled', 'train_discriminant.doubled', 'species', 'lda') u;
SELECT max(abs(p[k] - q[k])) < 1e-9 AS same FROM doubled r, medallion.predict_proba('train_da_plain', r) p, medallion.predict_proba('train_da_doubled', r) q, generate_series(1, 3) k;
SELECT medallion.train('train_da_bad', 'train_discriminant.doubled', 'species', 'qda');
SELECT rows FROM medallion.train('train_da_regularised', 'train_discriminant.doubled', 'species', 'qda', '{"reg_param": 0.1}');
SELECT medallion.train('train_da_bad', 'SELECT a, b, i % 75 AS class FROM train_discriminant.iris WHERE i < 100', 'class', 'qda');
SELECT medallion.train('train_da_bad', 'SELECT a, i AS class FROM train_discriminant.iris WHERE i < 4', 'class', 'lda');
SELECT medallion.train('train_da_bad', 'SELECT (i % 2)::float8 AS x, (i % 2)::text AS class FROM generate_series(1, 9) i', 'class', 'lda');
SELECT medallion.train('train_da_bad', 'SELECT a, b, species FROM train_discriminant.iris', 'species', 'lda', '{"n_components": 3}');
SELECT medallion.train('train_da_bad', 'SELECT a, b, species FROM train_discriminant.iris', 'species', 'lda', '{"shrinkage": 2}');
SELECT medallion.train('train_da_bad', 'SELECT a, b, species FROM train_discriminant.iris', 'species', 'qda', '{"shrinkage": 0.5}');
SELECT algorithm, parameter, type, default_value FROM medallion.algorithms WHERE algorithm IN ('lda', 'qda') ORDER BY 1, 2;
-- the same bits for any order of the rows and any number of threads
CREATE TABLE many AS SELECT (hashint4(i) % 1000) / 7.0 AS x, (hashint4(i + 7) % 997) / 3.0 + i % 3 * 30 AS y, chr(97 + i % 3) AS class FROM generate_series(1, 5000) i;
CREATE TABLE shuffled AS SELECT * FROM many ORDER BY y, x;
CREATE FUNCTION fit(algorithm text, threads int, source text) RETURNS text LANGUAGE sql AS $$
	SELECT set_config('medallion.train_threads', threads::text, false);
	SELECT count(*) FROM medallion.train(format('train_da_%s_%s', algorithm, threads), source, 'class', algorithm);
	SELECT md5(string_agg(p::text, ' ' ORDER BY x, y)) FROM train_discriminant.many m, medallion.predict_proba(format('train_da_%s_%s', algorithm, threads), m) p $$;
SELECT algorithm, fit(algorithm, 1, 'train_discriminant.many') = fit(algorithm, 2, 'train_discriminant.shuffled') AND
	fit(algorithm, 1, 'train_discriminant.shuffled') = fit(algorithm, 8, 'train_discriminant.many') AS same_bits FROM (VALUES ('lda'), ('qda')) v(algorithm);
RESET medallion.train_threads;
SELECT count(medallion.drop_model(model)) > 0 AS dropped FROM medallion.models WHERE model LIKE 'train\_da%';
DROP SCHEMA train_discriminant CASCADE;
RESET search_path;
DELETE FROM medallion._audit WHERE model LIKE 'train\_da%';
