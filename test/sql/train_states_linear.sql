-- States of linear models and of principal components: what follows from them is what train() has; what is refused.  (train_states
-- holds them against partitions, stored states, parallel plans and a foreign server.)
\getenv abs_srcdir PG_ABS_SRCDIR
\set longley_file :abs_srcdir '/golden/train_longley.csv'
CREATE SCHEMA train_moments;
SET search_path = train_moments;
SET client_min_messages = warning;
SELECT setseed(0.25);
CREATE TABLE one AS SELECT i, 1e6 + random() AS x1, random() - 0.5 AS x2, (i % 5)::smallint AS few, i % 3 = 0 AS flag, ARRAY[random(), random()] AS pair, (random() * 100)::numeric(6, 2) AS money, random()::real AS single,
	CASE WHEN i % 7 = 0 THEN 0 ELSE 1 + random() END AS w, i % 4 AS part, NULL::float8 AS y FROM generate_series(1, 20000) i;
UPDATE one SET y = 3 * (x1 - 1e6) - 2 * x2 + few + 0.01 * money::float8 + pair[1] + random();
CREATE TABLE parts AS SELECT part, medallion.linear_state(y, w, x1, x2, few, flag, pair, money, single) AS linear, medallion.linear_state(y, 1, x1, x2, few, flag) AS whole, medallion.pca_state(w, x1, x2, few, pair, flag) AS pca, medallion.pca_state(w, x2, few, pair, flag) AS near FROM one GROUP BY part;
CREATE TABLE merged AS SELECT medallion.linear_merge(linear) AS linear, medallion.linear_merge(whole) AS whole, medallion.pca_merge(pca) AS pca, medallion.pca_merge(near) AS near FROM parts;

-- models of states are those of train()
CREATE TABLE runs (name text, state text, features text, algorithm text, params jsonb, weight text);
INSERT INTO runs VALUES ('ls', 'linear', '{x1,x2,few,flag,pair,money,single}', 'linear', NULL, 'w'), ('whole', 'whole', '{x1,x2,few,flag}', 'linear', NULL, NULL), ('origin', 'whole', '{x1,x2,few,flag}', 'linear', '{"fit_intercept": false}', NULL),
	('ridge', 'linear', '{x1,x2,few,flag,pair,money,single}', 'ridge', '{"alpha": 3}', 'w'), ('ridge0', 'whole', '{x1,x2,few,flag}', 'ridge', '{"alpha": 0}', NULL), ('lasso', 'whole', '{x1,x2,few,flag}', 'lasso', '{"alpha": 0.05, "tol": 1e-14}', NULL),
	('elastic', 'linear', '{x1,x2,few,flag,pair,money,single}', 'elastic_net', '{"alpha": 0.05, "tol": 1e-14}', 'w'), ('pca', 'pca', '{x1,x2,few,pair,flag}', 'pca', NULL, 'w'), ('white', 'pca', '{x1,x2,few,pair,flag}', 'pca', '{"n_components": 0.9, "whiten": true}', 'w'),
	('svd', 'near', '{x2,few,pair,flag}', 'truncated_svd', '{"n_components": 3}', 'w');
DO $$
DECLARE
	r runs;
BEGIN
	FOR r IN SELECT * FROM runs LOOP
		EXECUTE format('SELECT medallion.train_from_state(%L, %I, %L, %L, %L, ''always'', %L) FROM merged', 'moments_state_' || r.name, r.state, CASE WHEN r.state NOT IN ('pca', 'near') THEN 'y' END, r.features, r.params, r.algorithm);
		PERFORM medallion.train('moments_train_' || r.name, 'train_moments.one', CASE WHEN r.state NOT IN ('pca', 'near') THEN 'y' END, r.algorithm, r.params, features => r.features::text[], weight => r.weight, preprocess => '{"scale": "none"}', deploy => 'always');
	END LOOP;
END $$;
SELECT name, a.rows = b.rows AS rows, a.source, (SELECT count(*) FROM jsonb_object_keys(a.metrics)) AS metrics, (SELECT bool_and(abs(m.value::float8 - (b.metrics->>key)::float8) <= 1e-9 * greatest(1, abs(m.value::float8))) FROM jsonb_each_text(a.metrics) m WHERE key <> 'converged') AS same
FROM runs JOIN medallion.model_versions a ON a.model = 'moments_state_' || name JOIN medallion.model_versions b ON b.model = 'moments_train_' || name ORDER BY name;
SELECT name, count(*) AS coefficients, bool_and(a.feature = b.feature) AS names, max(abs(a.estimate - b.estimate) / greatest(abs(a.estimate), 1)) < 1e-8 AS estimates, max(abs(a.std_error / b.std_error - 1)) < 1e-9 AS std_errors, max(abs(a.p_value - b.p_value)) < 1e-8 AS p_values
FROM runs JOIN medallion.coefficients a ON a.model = 'moments_state_' || name JOIN medallion.coefficients b ON b.model = 'moments_train_' || name AND b.position = a.position GROUP BY name ORDER BY name;
SELECT name, count(*) AS attributes, max(abs(a.value - b.value) / greatest(abs(a.value), 1e-3)) < 1e-8 AS same FROM runs JOIN medallion.model_attributes a ON a.model = 'moments_state_' || name JOIN medallion.model_attributes b ON b.model = 'moments_train_' || name AND (a.attribute, a.i, a.j) = (b.attribute, b.i, b.j) GROUP BY name ORDER BY name;
SELECT max(abs(medallion.predict('moments_state_ls', one) - medallion.predict('moments_train_ls', one))) < 1e-9 AS predictions, max(abs(p[1] - q[1]) + abs(p[2] - q[2])) < 1e-9 AS places
FROM one, medallion.transform('moments_state_white', one) p, medallion.transform('moments_train_white', one) q WHERE i <= 2000;
-- the finals say the same
SELECT max(abs(f.coefficients[position] - estimate) / greatest(abs(estimate), 1)) < 1e-8 AS estimates, max(abs(f.std_errors[position] / std_error - 1)) < 1e-9 AS std_errors, max(abs(f.statistics[position] - statistic)) < 1e-5 AS statistics, max(abs(f.p_values[position] - p_value)) < 1e-8 AS p_values
FROM merged, medallion.linear_final(whole) f, medallion.coefficients WHERE model = 'moments_train_whole';
SELECT abs(f.r2 - (metrics->>'train_r2')::float8) < 1e-12 AS r2, abs(f.adjusted_r2 - (metrics->>'train_adjusted_r2')::float8) < 1e-12 AS adjusted_r2, abs(f.rmse - (metrics->>'train_rmse')::float8) < 1e-12 AS rmse, abs(f.sigma - (metrics->>'sigma')::float8) < 1e-12 AS sigma,
	abs(f.f_statistic / (metrics->>'f_statistic')::float8 - 1) < 1e-10 AS f, abs(f.aic / (metrics->>'aic')::float8 - 1) < 1e-10 AS aic, abs(f.bic / (metrics->>'bic')::float8 - 1) < 1e-10 AS bic, f.df_residual, f.rows, f.weight, f.f_p_value
FROM merged, medallion.linear_final(whole) f, medallion.model_versions WHERE model = 'moments_train_whole';
SELECT max(abs(f.coefficients[position] / estimate - 1)) < 1e-7 AS ridge, f.std_errors, f.aic FROM merged, medallion.linear_final(linear, 3) f, medallion.coefficients WHERE model = 'moments_train_ridge' GROUP BY f.std_errors, f.aic;
SELECT f.coefficients[1] AS none, max(abs(f.coefficients[position + 1] - estimate)) < 1e-9 AS origin FROM merged, medallion.linear_final(whole, fit_intercept => false) f, medallion.coefficients WHERE model = 'moments_train_origin' GROUP BY 1;
SELECT attribute, max(abs(value - CASE attribute WHEN 'mean' THEN f.mean[j] WHEN 'components' THEN f.components[i][j] WHEN 'explained_variance' THEN f.explained_variance[i] WHEN 'explained_variance_ratio' THEN f.explained_variance_ratio[i] ELSE f.singular_values[i] END)) < 1e-9 AS same
FROM merged, medallion.pca_final(pca) f, medallion.model_attributes WHERE model = 'moments_train_pca' GROUP BY attribute ORDER BY attribute;
SELECT array_length(a.components, 1) AS two, array_length(b.components, 1) AS share, array_length(c.components, 1) AS whole FROM merged, medallion.pca_final(pca, 2) a, medallion.pca_final(pca, 0.9) b, medallion.pca_final(pca, 0) c;
-- NIST's Longley: employment by six features that nearly determine each other, certified digits
CREATE TABLE longley (employed float8, deflator float8, gnp float8, unemployed float8, armed_forces float8, population float8, year float8);
COPY longley FROM :'longley_file' (FORMAT csv, HEADER);
SELECT max(abs(c / certified - 1)) < 1e-10 AS coefficients, max(abs(e / error - 1)) < 1e-10 AS std_errors FROM (SELECT medallion.linear_merge(s) AS s FROM (SELECT medallion.linear_state(employed, 1, deflator, gnp, unemployed, armed_forces, population, year) AS s FROM longley GROUP BY year::int % 3) p) m, medallion.linear_final(s) f,
	unnest(f.coefficients, f.std_errors, '{-3482258.63459582,15.0618722713733,-0.358191792925910E-01,-2.02022980381683,-1.03322686717359,-0.511041056535807E-01,1829.15146461355}'::float8[], '{890420.383607373,84.9149257747669,0.334910077722432E-01,0.488399681651699,0.214274163161675,0.226073200069370,455.478499142212}'::float8[]) u(c, e, certified, error);
-- weights that are whole numbers are rows that come so often; order does not matter; rows of weight 0 are not there
SELECT max(abs(a.coefficients[k] - b.coefficients[k])) < 1e-8 AS coefficients, a.weight, b.rows FROM (SELECT medallion.linear_state(y, few, x1, x2) AS s FROM one) x, medallion.linear_final(x.s) a, (SELECT medallion.linear_state(y, 1, x1, x2) AS s FROM (SELECT y, x1, x2 FROM one, generate_series(1, few) ORDER BY md5(i::text)) o) z, medallion.linear_final(z.s) b, generate_series(1, 3) k GROUP BY 2, 3;
-- features that others determine, or that do not vary, have no coefficient
SELECT round(f.coefficients[2]::numeric, 6) AS x2, f.coefficients[3:5] AS rest, f.std_errors[3:5], f.df_residual FROM (SELECT medallion.linear_state(x2 * 2 + few, 1, x2, 3 * x2, 7, 1 - x2) AS s FROM one) x, medallion.linear_final(s) f;
SELECT medallion.train_from_state('moments_bad', (SELECT medallion.linear_state(y, 1, x1, 7) FROM one), 'y', '{x1,seven}');

-- no rows, one row, rows without weight, as many features as rows
SELECT medallion.linear_state(y, 1, x1) IS NULL AS a, medallion.pca_state(1, x1) IS NULL AS b FROM one WHERE false;
SELECT medallion.linear_final(NULL), medallion.pca_final(NULL), medallion.linear_merge(NULL) IS NULL, medallion.pca_merge(NULL) IS NULL;
SELECT f.coefficients, f.std_errors, f.r2, f.rmse, f.df_residual, f.rows FROM (SELECT medallion.linear_state(5, 2, 1, 4) AS s) x, medallion.linear_final(s) f;
SELECT f.coefficients, f.std_errors, f.rows, f.weight FROM (SELECT medallion.linear_state(5, 0, 1, 4) AS s) x, medallion.linear_final(s) f;
SELECT f.coefficients, f.std_errors, f.rows, f.df_residual FROM (SELECT medallion.linear_state(a, 1, b) AS s FROM (VALUES (1, 2), (3, 3)) v(a, b)) x, medallion.linear_final(s) f;
SELECT f.* FROM (SELECT medallion.pca_state(1, 1, 4) AS s) x, medallion.pca_final(s) f;
SELECT f.* FROM (SELECT medallion.pca_state(0, 1, 4) AS s) x, medallion.pca_final(s) f;
SELECT f.* FROM (SELECT medallion.pca_state(1, a, b) AS s FROM (VALUES (0, 0), (3, 4)) v(a, b)) x, medallion.pca_final(s) f;
SELECT f.rows, f.weight, f.coefficients FROM (SELECT medallion.linear_merge(s) AS s FROM (SELECT medallion.linear_state(1, 0, 1) AS s UNION ALL SELECT medallion.linear_state(a, 1, b) FROM (VALUES (1, 2), (3, 3)) v(a, b)) p) x, medallion.linear_final(s) f;
SELECT i, round(f.coefficients[2]::numeric, 9) AS slope FROM (SELECT i, medallion.linear_state(y, 1, x) OVER (ORDER BY i) AS s FROM (VALUES (1, 0, 0), (2, 1, 2), (3, 5, 3)) v(i, y, x)) w, medallion.linear_final(s) f ORDER BY i;

-- what is refused
SELECT medallion.train_from_state('moments_bad', (SELECT medallion.linear_state(y, 1, x1) FROM one WHERE i = 1), 'y', '{x1}');
SELECT medallion.train_from_state('moments_bad', (SELECT medallion.linear_state(y, 0, x1) FROM one), 'y', '{x1}');
SELECT medallion.train_from_state('moments_bad', whole, 'y', '{x1,x2}') FROM merged;
SELECT medallion.train_from_state('moments_bad', whole, 'y', '{x1,x2,few,y}') FROM merged;
SELECT medallion.train_from_state('moments_bad', whole, 'y', '{x1,x2,few,NULL}') FROM merged;
SELECT medallion.train_from_state('moments_bad', whole, NULL, '{x1,x2,few,flag}') FROM merged;
SELECT medallion.train_from_state('moments_bad', whole, 'y', '{x1,x2,few,flag}', '{"alpha": 1}') FROM merged;
SELECT medallion.train_from_state('moments_bad', whole, 'y', '{x1,x2,few,flag}', algorithm => 'poisson') FROM merged;
SELECT medallion.train_from_state('moments_bad', whole, 'y', '{x1,x2,few,flag}', '{"alpha": "cv"}', algorithm => 'lasso') FROM merged;
SELECT medallion.train_from_state('moments_bad', pca, 'y', '{x1,x2,few,pair,flag}') FROM merged;
SELECT medallion.train_from_state('moments_bad', pca, NULL, '{x1,x2,few,pair,flag}', algorithm => 'linear') FROM merged;
SELECT medallion.train_from_state('moments_bad', pca, NULL, '{x1,x2,few,pair,flag}', '{"n_components": 7}') FROM merged;
SELECT medallion.train_from_state('moments_bad', (SELECT medallion.naive_bayes_state('gaussian', flag, 1, x1) FROM one), 'flag', '{x1}', algorithm => 'linear');
SELECT medallion.linear_state(y, 1, x1, nullif(few, 3)) FROM one;
SELECT medallion.linear_state(y, 1, x1, nullif(x2, x2)) FROM one;
SELECT medallion.linear_state(y, 1, x1, 'NaN'::float8) FROM one;
SELECT medallion.linear_state(y, 0, x1, 'Infinity'::float4) FROM one;
SELECT medallion.linear_state(y, 1, x1, 'text'::text) FROM one;
SELECT medallion.linear_state(y, 1, x1, now()) FROM one;
SELECT medallion.linear_state(y, 1) FROM one;
SELECT medallion.linear_state(y, 1, CASE WHEN few = 1 THEN pair ELSE '{1,2,3}' END) FROM one;
SELECT medallion.pca_state(1, CASE WHEN few = 1 THEN pair ELSE '{1}' END, CASE WHEN few = 1 THEN '{1}' ELSE pair END) FROM one;
SELECT medallion.pca_state(1, '{}'::float8[]) FROM one;
SELECT medallion.linear_state('NaN'::float8, 1, x1) FROM one;
SELECT medallion.linear_state(NULL::int, 1, x1) FROM one;
SELECT medallion.linear_state('a'::text, 1, x1) FROM one;
SELECT medallion.linear_state(y, -1, x1) FROM one;
SELECT medallion.pca_state(NULL, x1) FROM one;
SELECT medallion.pca_state(1, array_fill(0::float8, ARRAY[9000]));
SELECT medallion.linear_final(whole, -1) FROM merged;
SELECT medallion.linear_final(whole, 'NaN') FROM merged;
SELECT medallion.pca_final(pca, -1) FROM merged;
SELECT medallion.pca_final(pca, 1.5) FROM merged;
SELECT medallion.pca_final(pca, 100) FROM merged;
SELECT medallion.linear_final(pca) FROM merged;
SELECT medallion.pca_final(linear) FROM merged;
SELECT medallion.linear_merge(s) FROM (SELECT linear FROM parts UNION ALL SELECT whole FROM parts) v(s);
SELECT medallion.linear_merge(s) FROM (SELECT linear FROM parts UNION ALL SELECT pca FROM parts) v(s);
SELECT medallion.pca_merge(s) FROM (SELECT medallion.pca_state(1, x2, flag) FROM one UNION ALL SELECT medallion.pca_state(1, x2, flag::int) FROM one) v(s);
SELECT medallion.pca_final(s) FROM (SELECT medallion.pca_state(1, x, x) AS s FROM (VALUES (1e200), (-1e200)) v(x)) y;
SELECT medallion.linear_final('\x');
SELECT medallion.linear_final('\x00112233');
SELECT medallion.linear_final(substr(whole, 1, length(whole) - 8)) FROM merged;
SELECT medallion.train_from_state('moments_bad', '\x00112233', 'y', '{x1}');
SELECT medallion._linear_join('\x', '\x');
SELECT medallion._moments_seal('\x');
-- every bit that differs is seen
DO $$
DECLARE
	bad bytea;
	refused int := 0;
	tried int := 0;
BEGIN
	FOR b IN 0..(SELECT 8 * length(whole) - 1 FROM merged) LOOP
		SELECT set_bit(whole, b, 1 - get_bit(whole, b)) INTO bad FROM merged;
		tried := tried + 1;
		BEGIN
			PERFORM medallion.linear_final(medallion.linear_merge(s)) FROM (VALUES (bad), (bad)) v(s);
		EXCEPTION WHEN data_corrupted OR invalid_parameter_value THEN
			refused := refused + 1;
		END;
	END LOOP;
	RAISE WARNING 'all are refused: %', refused = tried;
END $$;
-- somebody without rights to the rows has none to their sums; the functions behind the aggregates are closed
CREATE ROLE regress_moments;
GRANT USAGE ON SCHEMA train_moments TO regress_moments;
SET ROLE regress_moments;
SELECT medallion.linear_state(y, 1, x1) FROM one;
SELECT f.coefficients FROM (SELECT medallion.linear_state(x, 1, x) AS s FROM generate_series(1, 3) x) y, medallion.linear_final(s) f;
SELECT medallion._pca_join('\x', '\x');
RESET ROLE;
SELECT count(medallion.drop_model(model, force => true)) AS dropped FROM medallion.models WHERE model LIKE 'moments\_%';
DROP SCHEMA train_moments CASCADE;
DROP ROLE regress_moments;
RESET search_path; RESET client_min_messages;
DELETE FROM medallion._audit WHERE model LIKE 'moments\_%';
