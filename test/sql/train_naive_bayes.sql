-- The kinds of naive Bayes against scikit-learn (test/golden/prob_reference.py).
\getenv abs_srcdir PG_ABS_SRCDIR
\set iris_file :abs_srcdir '/golden/train_iris.csv'
\set cancer_file :abs_srcdir '/golden/train_cancer.csv'
\set wine_file :abs_srcdir '/golden/train_wine.csv'
\set infert_file :abs_srcdir '/golden/train_infert.csv'
\set expected_file :abs_srcdir '/golden/prob_expected.csv'
CREATE SCHEMA train_naive_bayes;
SET search_path = train_naive_bayes, public;
CREATE TABLE iris (a float8, b float8, c float8, d float8, species text, i int GENERATED ALWAYS AS IDENTITY, w int GENERATED ALWAYS AS (1 + (i - 1) % 3) STORED);
COPY iris (a, b, c, d, species) FROM :'iris_file' (FORMAT csv, HEADER);
SELECT format('CREATE TABLE cancer (%s, diagnosis text, i int GENERATED ALWAYS AS IDENTITY)', string_agg('x' || i || ' float8', ', ' ORDER BY i)) FROM generate_series(1, 30) i \gexec
SELECT format('COPY cancer (%s, diagnosis) FROM %L (FORMAT csv, HEADER)', string_agg('x' || i, ', ' ORDER BY i), :'cancer_file') AS copy FROM generate_series(1, 30) i \gset
\set ECHO none
SELECT :'copy' \gexec
SELECT format('CREATE TABLE wine (%s, class text, i int GENERATED ALWAYS AS IDENTITY, w int GENERATED ALWAYS AS (1 + (i - 1) %% 3) STORED)', string_agg('x' || i || ' float8', ', ' ORDER BY i)) FROM generate_series(1, 13) i \gexec
SELECT format('COPY wine (%s, class) FROM %L (FORMAT csv, HEADER)', string_agg('x' || i, ', ' ORDER BY i), :'wine_file') AS copy FROM generate_series(1, 13) i \gset
SELECT :'copy' \gexec
\set ECHO all
CREATE TABLE infert (education text, age int, parity text, induced text, spontaneous text, "case" int, i int GENERATED ALWAYS AS IDENTITY);
COPY infert (education, age, parity, induced, spontaneous, "case") FROM :'infert_file' (FORMAT csv, HEADER);
CREATE TABLE expected (fit text, i int, j int, value float8);
COPY expected FROM :'expected_file' (FORMAT csv, HEADER);
SET client_min_messages = warning;
SELECT count(*) FROM (VALUES ('gaussian iris', 'iris', 'species', '{i,w}', '{}', NULL), ('gaussian wine weighted', 'wine', 'class', '{i}', '{"var_smoothing": 0}', 'w'),
	('multinomial iris', 'iris', 'species', '{i,w}', '{"type": "multinomial"}', NULL),
	('multinomial iris weighted', 'iris', 'species', '{i}', '{"type": "multinomial", "alpha": 0.1, "fit_prior": false}', 'w'),
	('bernoulli cancer', 'cancer', 'diagnosis', '{i}', '{"type": "bernoulli", "binarize": 4.5}', NULL),
	('bernoulli iris weighted', 'iris', 'species', '{i}', '{"type": "bernoulli", "binarize": 2.5, "alpha": 2}', 'w'),
	('categorical infert', 'infert', 'case', '{i,age}', '{"type": "categorical", "alpha": 0.5}', NULL)) v(fit, source, target, exclude, params, weight),
	LATERAL medallion.train('train_nb_' || replace(fit, ' ', '_'), 'train_naive_bayes.' || source, target, 'naive_bayes', params::jsonb, exclude => exclude::text[], weight => weight) t;
-- the largest difference of a probability, of all classes
CREATE FUNCTION difference(fit_name text, source text) RETURNS TABLE (fit text, compared bigint, within_1e_8 bool) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT %1$L::text, count(*), max(abs(p[j] - value)) < 1e-8 FROM expected e JOIN %2$I r USING (i), medallion.predict_proba(%3$L, r) p WHERE e.fit = %1$L',
		fit_name, source, 'train_nb_' || replace(fit_name, ' ', '_'));
END $$;
SELECT d.* FROM (VALUES ('gaussian iris', 'iris'), ('gaussian wine weighted', 'wine'), ('multinomial iris', 'iris'), ('multinomial iris weighted', 'iris'), ('bernoulli cancer', 'cancer'),
	('bernoulli iris weighted', 'iris'), ('categorical infert', 'infert')) v(f, source), difference(f, source) d;
SELECT attribute, class, round(value::numeric, 6) AS value FROM medallion.model_attributes WHERE model = 'train_nb_multinomial_iris' AND attribute = 'feature_log_prob' AND feature = 'c' ORDER BY class;
-- a boolean is a feature of two categories, and so is a number of 0 and 1
CREATE TABLE flags AS SELECT i % 3 = 0 AS flag, (i % 2)::float8 AS number, CASE WHEN i % 7 < 4 THEN 'yes' ELSE 'no' END AS class FROM generate_series(1, 70) i;
SELECT rows FROM medallion.train('train_nb_flags', 'train_naive_bayes.flags', 'class', 'naive_bayes', '{"type": "categorical"}');
SELECT round((medallion.predict_proba('train_nb_flags', f))[1]::numeric, 6) AS no FROM (VALUES (true, 1::float8)) f(flag, number);
SELECT round((p1 / (p1 + p0))::numeric, 6) AS by_hand FROM (SELECT
	count(*) FILTER (WHERE class = 'no') * (count(*) FILTER (WHERE class = 'no' AND flag) + 1.0) / (count(*) FILTER (WHERE class = 'no') + 2) * (count(*) FILTER (WHERE class = 'no' AND number = 1) + 1.0) / (count(*) FILTER (WHERE class = 'no') + 2) AS p1,
	count(*) FILTER (WHERE class = 'yes') * (count(*) FILTER (WHERE class = 'yes' AND flag) + 1.0) / (count(*) FILTER (WHERE class = 'yes') + 2) * (count(*) FILTER (WHERE class = 'yes' AND number = 1) + 1.0) / (count(*) FILTER (WHERE class = 'yes') + 2) AS p0 FROM flags) x;
-- a category not seen says nothing, if the model was trained to take it
SELECT count(*) FROM medallion.train('train_nb_unknown', 'SELECT parity, induced, "case" FROM train_naive_bayes.infert', 'case', 'naive_bayes', '{"type": "categorical"}', preprocess => '{"unknown": "zero"}') t,
	medallion.train('train_nb_less', 'SELECT induced, "case" FROM train_naive_bayes.infert', 'case', 'naive_bayes', '{"type": "categorical"}') u;
SELECT bool_and(abs(p[k] - q[k]) < 1e-12) AS says_nothing FROM (VALUES ('99', '1')) v(parity, induced), medallion.predict_proba('train_nb_unknown', v) p, medallion.predict_proba('train_nb_less', v) q, generate_series(1, 2) k;
-- what it refuses
SELECT medallion.train('train_nb_bad', 'SELECT a - 5 AS a, b, species FROM train_naive_bayes.iris', 'species', 'naive_bayes', '{"type": "multinomial"}');
SELECT medallion.train('train_nb_bad', 'SELECT a, species FROM train_naive_bayes.iris', 'species', 'naive_bayes', '{"type": "categorical"}');
SELECT medallion.train('train_nb_bad', 'SELECT a, species FROM train_naive_bayes.iris', 'species', 'naive_bayes', '{"type": "poisson"}');
SELECT medallion.train('train_nb_bad', 'SELECT a, species FROM train_naive_bayes.iris', 'species', 'naive_bayes', '{"type": "bernoulli", "alpha": 0}');
SELECT medallion.train('train_nb_bad', 'SELECT 1e200 * i AS x, i % 2 AS c FROM generate_series(1, 90) i', 'c', 'naive_bayes');
-- a row so far away that no class has a density
SELECT medallion.predict_proba('train_nb_gaussian_iris', r) FROM (VALUES (1e200::float8, 1e200::float8, 1e200::float8, 1e200::float8)) r(a, b, c, d);
-- so small an alpha is lost beside the weight of a class, but not where it is all that there is: a feature that all rows of it have
SELECT rows FROM medallion.train('train_nb_small', 'SELECT i % 2 = 0 AS even, i % 3 = 0 AS third, CASE WHEN i % 2 = 0 THEN ''a'' ELSE ''b'' END AS c FROM generate_series(1, 90) i', 'c', 'naive_bayes', '{"type": "bernoulli", "alpha": 1e-20}');
SELECT p[1] > 0.999 AS a, p[2] > 0.999 AS b FROM (VALUES (true, false), (false, true)) r(even, third), medallion.predict_proba('train_nb_small', r) p;
SELECT * FROM medallion.algorithms WHERE algorithm = 'naive_bayes' ORDER BY 3;
-- the same bits for any order of the rows and any number of threads
CREATE TABLE many AS SELECT i % 2 AS x, i % 7 AS y, (i * 37) % 11 AS z, chr(97 + (i * i) % 3) AS class FROM generate_series(1, 3000) i;
CREATE TABLE shuffled AS SELECT * FROM many ORDER BY hashint8(y * 100 + z), x;
SET medallion.train_threads = 1;
SELECT count(*) FROM medallion.train('train_nb_one', 'train_naive_bayes.many', 'class', 'naive_bayes', '{"type": "multinomial"}');
SET medallion.train_threads = 8;
SELECT count(*) FROM medallion.train('train_nb_eight', 'train_naive_bayes.shuffled', 'class', 'naive_bayes', '{"type": "multinomial"}');
SELECT bool_and(a.value = b.value) AS same_bits FROM medallion.model_attributes a JOIN medallion.model_attributes b USING (attribute, i, j) WHERE a.model = 'train_nb_one' AND b.model = 'train_nb_eight';
RESET medallion.train_threads;
SELECT count(medallion.drop_model(model)) AS dropped FROM medallion.models WHERE model LIKE 'train\_nb%';
DROP SCHEMA train_naive_bayes CASCADE;
RESET search_path;
DELETE FROM medallion._audit WHERE model LIKE 'train\_nb%';
