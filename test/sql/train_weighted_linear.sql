-- Weighted least squares against R's lm() and sandwich (test/golden/weighted_reference.R): the likelihood, AIC and BIC with the logarithms
-- of the weights, which zeros have no part in, and all that summary() tells; in every way that the sums are gathered.
\getenv abs_srcdir PG_ABS_SRCDIR
\set cars_file :abs_srcdir '/golden/train_mtcars.csv'
\set longley_file :abs_srcdir '/golden/train_longley.csv'
\set r_file :abs_srcdir '/golden/weighted_r.csv'
CREATE SCHEMA train_weighted_linear;
SET search_path = train_weighted_linear;
SET client_min_messages = warning;
CREATE TABLE cars (no int GENERATED ALWAYS AS IDENTITY, mpg float8, wt float8, hp float8, qsec float8, cyl int);
COPY cars (mpg, wt, hp, qsec, cyl) FROM :'cars_file' (FORMAT csv, HEADER);
ALTER TABLE cars ADD w float8, ADD w0 float8, ADD mean1 float8;
UPDATE cars SET w = qsec / 3, w0 = CASE WHEN no IN (3, 10, 20) THEN 0 ELSE qsec / 3 END, mean1 = qsec / (SELECT avg(qsec) FROM cars);
CREATE TABLE longley (no int GENERATED ALWAYS AS IDENTITY, employed float8, deflator float8, gnp float8, unemployed float8, armed_forces float8, population float8, year float8, w float8);
COPY longley (employed, deflator, gnp, unemployed, armed_forces, population, year) FROM :'longley_file' (FORMAT csv, HEADER);
UPDATE longley SET w = no / 4.0;
CREATE TABLE r (fit text, what text, feature text, value float8);
COPY r FROM :'r_file' (FORMAT csv, HEADER, FORCE_NOT_NULL (feature));
CREATE TABLE fits (fit text, source text, target text, features text[], weight text, params jsonb);
INSERT INTO fits VALUES ('cars', 'cars', 'mpg', '{wt,hp}', 'w', NULL), ('cars0', 'cars', 'mpg', '{wt,hp}', 'w0', NULL), ('cars1', 'cars', 'mpg', '{wt,hp}', 'mean1', NULL), ('origin', 'cars', 'mpg', '{wt,hp}', 'w', '{"fit_intercept": false}'),
	('longley', 'longley', 'employed', '{deflator,gnp,unemployed,armed_forces,population,year}', 'w', NULL);
SELECT fit, (medallion.train('weighted_' || fit, 'train_weighted_linear.' || source, target, 'linear', params, features => features, weight => weight)).rows FROM fits ORDER BY fit;
-- the fit, its coefficients, its residuals
CREATE FUNCTION near(a float8, b float8) RETURNS boolean LANGUAGE sql AS $$ SELECT abs(a - b) <= 1e-9 * abs(b) + 1e-300 $$;
SELECT fit, count(*) AS numbers, string_agg(what, ' ') FILTER (WHERE near(CASE WHEN what IN ('r2', 'adjusted_r2') THEN coalesce(metrics->>('origin_' || what), metrics->>('train_' || what)) ELSE metrics->>what END::float8, value) IS NOT TRUE) AS differ
FROM r JOIN medallion.model_versions ON model = 'weighted_' || fit WHERE feature = '' AND what NOT LIKE 'residual%' GROUP BY fit ORDER BY fit;
SELECT fit, count(*) AS numbers, string_agg(what || ' ' || r.feature, ', ') FILTER (WHERE NOT near(CASE what WHEN 'estimate' THEN estimate WHEN 'std_error' THEN std_error WHEN 'statistic' THEN statistic WHEN 'p_value' THEN p_value WHEN 'lower' THEN lower ELSE upper END, value)) AS differ
FROM r, medallion.inference('weighted_' || fit) i WHERE i.feature = r.feature AND what IN ('estimate', 'std_error', 'statistic', 'p_value', 'lower', 'upper') GROUP BY fit ORDER BY fit;
SELECT fit, count(*) AS numbers, max(abs(a.value - r.value)) < 1e-8 * max(abs(r.value)) AS residuals FROM r JOIN medallion.model_attributes a ON a.model = 'weighted_' || fit AND attribute = 'residual_quantiles' AND what = 'residual ' || j GROUP BY fit ORDER BY fit;
-- robust and clustered errors
SELECT fit, count(*) AS numbers, string_agg(what || ' ' || r.feature, ', ') FILTER (WHERE NOT abs(std_error / value - 1) < 1e-7) AS differ
FROM r JOIN fits USING (fit), LATERAL medallion.inference('weighted_' || fit, 'train_weighted_linear.' || source, CASE WHEN what = 'cluster' THEN 'cluster' ELSE what END, CASE WHEN what = 'cluster' THEN 'cyl' END, fits.weight) i
WHERE i.feature = r.feature AND (what LIKE 'HC_' OR what = 'cluster') GROUP BY fit ORDER BY fit;

-- the same however the sums are gathered: rows kept or not, exact sums, workers, states, parts, a holdout
CREATE TABLE many AS SELECT i, sin(i) AS x, cos(i * 1.7) AS z, (ARRAY['a','b','c'])[1 + i % 3] AS kind, sin(i * 0.3) + cos(i) AS y, CASE WHEN i % 10 = 0 THEN 0 WHEN i % 7 = 0 THEN 1e-40 * i WHEN i % 11 = 0 THEN 1e6 ELSE 0.3 + (i % 5) END AS w, i % 2 AS half FROM generate_series(1, 3000) i;
SELECT sum(ln(w)) AS logs, count(*) AS n FROM many WHERE w > 0 \gset
CREATE FUNCTION logs(model text, part text DEFAULT NULL) RETURNS float8 LANGUAGE sql AS $$ SELECT 2 * (metrics->>'log_likelihood')::float8 + n * (ln(2 * pi() * rss / n) + 1) FROM
	(SELECT v.metrics, (v.metrics->>'df_residual')::float8 + k AS n, (v.metrics->>'sigma')::float8 ^ 2 * (v.metrics->>'df_residual')::float8 AS rss FROM medallion.model_versions v, LATERAL (SELECT count(*) AS k FROM medallion.coefficients c WHERE c.model = v.model AND c.version = v.version) c WHERE v.model = logs.model ORDER BY v.version DESC LIMIT 1) s $$;
CREATE FUNCTION fit(model text, source text, features text, algorithm text DEFAULT 'linear', params jsonb DEFAULT NULL, reproducible boolean DEFAULT false, validation jsonb DEFAULT NULL) RETURNS bigint LANGUAGE sql AS $$
	SELECT rows FROM medallion.train('weighted_' || model, source, 'y', algorithm, params, features => features::text[], weight => 'w', reproducible => fit.reproducible, validation => fit.validation) $$;
SELECT fit('many', 'train_weighted_linear.many', '{x,z,kind}') AS rows, abs(logs('weighted_many') / :logs - 1) < 1e-10 AS logs;
SELECT fit('exact', 'train_weighted_linear.many', '{x,z,kind}', reproducible => true) AS rows, abs(logs('weighted_exact') / :logs - 1) < 1e-9 AS logs;
SELECT fit('ridge', 'train_weighted_linear.many', '{x,z,kind}', 'ridge', '{"alpha": 0}') AS rows, abs(logs('weighted_ridge') / :logs - 1) < 1e-10 AS logs;
SELECT fit('exact', 'SELECT * FROM train_weighted_linear.many ORDER BY md5(i::text)', '{x,z,kind}', reproducible => true) AS rows;
SELECT count(*) AS versions, count(DISTINCT metrics->>'aic') AS same_bits FROM medallion.model_versions WHERE model = 'weighted_exact';
SELECT fit('parts', 'train_weighted_linear.many', '{x,z}', validation => '{"fraction": 0.2}') > 1000 AS rows, logs('weighted_parts') BETWEEN -1e6 AND 0 AS logs;
SELECT abs(f.log_likelihood - (metrics->>'log_likelihood')::float8) < 1e-9 * abs(f.log_likelihood) AS log_likelihood, abs(f.aic - (metrics->>'aic')::float8) < 1e-9 * abs(f.aic) AS aic, abs(f.bic - (metrics->>'bic')::float8) < 1e-9 * abs(f.bic) AS bic
FROM (SELECT medallion.linear_merge(s) AS s FROM (SELECT medallion.linear_state(y, w, x, z) AS s FROM many GROUP BY i % 7) p) m, medallion.linear_final(s) f, (SELECT metrics FROM medallion.train('weighted_two', 'train_weighted_linear.many', 'y', 'linear', features => '{x,z}', weight => 'w')) t;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
ALTER TABLE many SET (parallel_workers = 2);
SELECT fit('many', 'train_weighted_linear.many', '{x,z,kind}') AS rows, abs(logs('weighted_many') / :logs - 1) < 1e-10 AS logs;
-- weights of 1 are none; a penalty has no likelihood
SELECT fit, metrics ? 'log_likelihood' AS likelihood, metrics ? 'aic' AS aic FROM (VALUES ('ones', 'SELECT x, z, y, 1 AS w FROM train_weighted_linear.many', NULL, 'linear'), ('penalty', 'SELECT x, z, y, w FROM train_weighted_linear.many', '{"alpha": 1}'::jsonb, 'ridge')) v(fit, source, params, algorithm),
	LATERAL medallion.train('weighted_' || fit, source, 'y', algorithm, params, features => '{x,z}', weight => 'w') t ORDER BY fit;
SELECT (a.metrics->>'aic')::float8 - (b.metrics->>'aic')::float8 AS ones_less_none FROM medallion.model_versions a, medallion.train('weighted_unweighted', 'train_weighted_linear.many', 'y', 'linear', features => '{x,z}') b WHERE a.model = 'weighted_ones';
SELECT count(medallion.drop_model(model, force => true)) AS dropped FROM medallion.models WHERE model LIKE 'weighted\_%';
DROP SCHEMA train_weighted_linear CASCADE;
RESET search_path; RESET client_min_messages; RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size;
DELETE FROM medallion._audit WHERE model LIKE 'weighted\_%';
