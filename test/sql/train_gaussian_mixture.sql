-- gaussian_mixture against scikit-learn (test/golden/prob_reference.py).
\getenv abs_srcdir PG_ABS_SRCDIR
\set iris_file :abs_srcdir '/golden/train_iris.csv'
\set wine_file :abs_srcdir '/golden/train_wine.csv'
\set expected_file :abs_srcdir '/golden/prob_expected.csv'
CREATE SCHEMA train_mixture;
SET search_path = train_mixture, public;
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
CREATE TABLE fits AS SELECT fit, metrics FROM (SELECT DISTINCT regexp_replace(fit, ' (score|bic)$', '') AS fit FROM expected WHERE fit LIKE 'mixture%') f,
	LATERAL medallion.train('train_' || replace(fit, ' ', '_'), 'train_mixture.' || split_part(fit, ' ', 2), NULL, 'gaussian_mixture',
		jsonb_build_object('n_components', split_part(fit, ' ', 3)::int, 'covariance_type', split_part(fit, ' ', 4), 'tol', 1e-10, 'max_iter', 10000, 'n_init', 20),
		exclude => CASE split_part(fit, ' ', 2) WHEN 'iris' THEN '{species,i,w}' ELSE '{class,i}' END::text[], seed => 1) t;
-- as likely as the reference's, within 1e-6; bic counts parameters as it does
SELECT fits.fit, (metrics->>'log_likelihood')::float8 >= s.value - 1e-6 * abs(s.value) AS as_likely, abs((metrics->>'log_likelihood')::float8 - s.value) < 1e-6 AS same,
	abs((metrics->>'bic')::float8 / b.value - 1) < 1e-6 AS bic, metrics->>'converged' AS converged
FROM fits JOIN expected s ON s.fit = fits.fit || ' score' JOIN expected b ON b.fit = fits.fit || ' bic' ORDER BY 1;
-- probabilities of the components, ordered by the mean of the first feature, within 1e-4
CREATE FUNCTION difference(fit_name text) RETURNS TABLE (fit text, compared bigint, within_1e_4 bool) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT %1$L::text, count(*), max(abs(p[o.i] - value)) < 1e-4 FROM expected e JOIN %2$I r USING (i)
		JOIN (SELECT i, row_number() OVER (ORDER BY value) AS j FROM medallion.model_attributes WHERE model = %3$L AND attribute = ''means'' AND j = 1) o USING (j), medallion.transform(%3$L, r) p WHERE e.fit = %1$L',
		fit_name, split_part(fit_name, ' ', 2), 'train_' || replace(fit_name, ' ', '_'));
END $$;
SELECT d.* FROM fits, difference(fit) d ORDER BY 1;
-- one component is the mean and the covariance of the rows; so it is of weighted ones
SELECT rows FROM medallion.train('train_mixture_one', 'SELECT a, b, w FROM train_mixture.iris', NULL, 'gaussian_mixture', '{"reg_covar": 0}', weight => 'w');
WITH r AS (SELECT a, b FROM iris, generate_series(1, w))
SELECT attribute, i, j, abs(value - CASE attribute WHEN 'weights' THEN 1 WHEN 'means' THEN (SELECT CASE j WHEN 1 THEN avg(a) ELSE avg(b) END FROM r)
	ELSE (SELECT CASE i + j WHEN 2 THEN var_pop(a) WHEN 3 THEN covar_pop(a, b) ELSE var_pop(b) END FROM r) END) < 1e-12 AS right
FROM medallion.model_attributes WHERE model = 'train_mixture_one' ORDER BY 1, 2, 3;
-- the prediction is the most likely component; probabilities add up to 1
SELECT bool_and(p[c + 1] = (SELECT max(v) FROM unnest(p) v)) AS most_likely, bool_and(abs((SELECT sum(v) FROM unnest(p) v) - 1) < 1e-12) AS add_up
FROM (SELECT medallion.predict('train_mixture_iris_3_full', r)::int AS c, medallion.transform('train_mixture_iris_3_full', r) AS p FROM iris r) x;
-- what it refuses
SELECT medallion.train('train_mixture_bad', 'SELECT a, b FROM train_mixture.iris LIMIT 3', NULL, 'gaussian_mixture', '{"n_components": 4}');
SELECT medallion.train('train_mixture_bad', 'SELECT a, b, a + b AS c FROM train_mixture.iris', NULL, 'gaussian_mixture', '{"reg_covar": 0}');
SELECT medallion.train('train_mixture_bad', 'SELECT a, b, a + b AS c FROM train_mixture.iris', NULL, 'gaussian_mixture', '{"covariance_type": "round"}');
SELECT medallion.train('train_mixture_bad', 'SELECT a, b FROM train_mixture.iris WHERE a < 0', NULL, 'gaussian_mixture');
-- equal rows leave components without rows of their own, which does no harm
SELECT (metrics->>'converged')::bool FROM medallion.train('train_mixture_few', 'SELECT (i % 2)::float8 AS x, (i % 2)::float8 AS y FROM generate_series(1, 50) i', NULL, 'gaussian_mixture', '{"n_components": 4}');
SELECT parameter, type, default_value FROM medallion.algorithms WHERE algorithm = 'gaussian_mixture' ORDER BY 1;
-- the same bits for any order of the rows and any number of threads
CREATE TABLE many AS SELECT (hashint4(i) % 1000) / 7.0 + i % 3 * 100 AS x, (hashint4(i + 7) % 997) / 3.0 + i % 3 * 30 AS y FROM generate_series(1, 5000) i;
CREATE TABLE shuffled AS SELECT * FROM many ORDER BY y, x;
CREATE FUNCTION fit(kind text, threads int, source text) RETURNS text LANGUAGE sql AS $$
	SELECT set_config('medallion.train_threads', threads::text, false);
	SELECT count(*) FROM medallion.train(format('train_mixture_%s_%s', kind, threads), source, NULL, 'gaussian_mixture', jsonb_build_object('covariance_type', kind, 'n_components', 3));
	SELECT md5(string_agg(value::text, ' ' ORDER BY attribute, i, j)) FROM medallion.model_attributes WHERE (model, version) = (SELECT model, max(version) FROM medallion.model_versions WHERE model = format('train_mixture_%s_%s', kind, threads) GROUP BY model) $$;
SELECT kind, fit(kind, 1, 'train_mixture.many') = fit(kind, 2, 'train_mixture.shuffled') AS two, fit(kind, 1, 'train_mixture.shuffled') = fit(kind, 8, 'train_mixture.many') AS eight
FROM unnest('{full,tied,diag,spherical}'::text[]) kind;
RESET medallion.train_threads;
SELECT count(medallion.drop_model(model)) > 0 AS dropped FROM medallion.models WHERE model LIKE 'train\_mixture%';
DROP SCHEMA train_mixture CASCADE;
RESET search_path;
DELETE FROM medallion._audit WHERE model LIKE 'train\_mixture%';
