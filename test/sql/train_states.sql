-- States that merge: naive Bayes, k-means, linear and generalised linear models and components of one table, of partitions, of a parallel plan, of a table of
-- states, and of a foreign server give the same.
CREATE SCHEMA train_states;
SET search_path = train_states;
SET client_min_messages = warning;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT setseed(0.5);
CREATE TABLE one AS SELECT i, 1000 + random() AS x1, random() - 0.5 AS x2, (i % 5)::int AS few, i % 3 = 0 AS flag, (ARRAY['a','b','c'])[1 + i % 3 * i % 3] AS kind, ARRAY[random(), random()] AS pair, 1 + random() AS w, 0 AS part, NULL::int AS class, NULL::int AS hits, NULL::float8 AS size
FROM generate_series(1, 6000) i;
UPDATE one SET part = (x2 * 4)::int, class = (random() < 1 / (1 + exp(-(2 * (x1 - 1000) - 1 + 3 * x2))))::int + 2 * (few = 4)::int, hits = floor(-ln(random()) * exp(0.3 + x2))::int, size = -ln(random()) * exp(x2 + 0.1 * few) + 0.01;
ANALYZE one;
CREATE TABLE split (LIKE one) PARTITION BY LIST (part);
SELECT format('CREATE TABLE split%s PARTITION OF split FOR VALUES IN (%s)', n + 3, n) FROM generate_series(-2, 2) n \gexec
INSERT INTO split SELECT * FROM one ORDER BY md5(i::text);
ANALYZE split;

-- every state in six ways
CREATE TABLE states (what text, way text, state bytea);
CREATE TABLE calls (what text, call text);
INSERT INTO calls VALUES ('gaussian', $$medallion.naive_bayes_state('gaussian', class, w, x1, x2, few, pair)$$), ('multinomial', $$medallion.naive_bayes_state('multinomial', class, 1, x1, few, flag)$$),
	('bernoulli', $$medallion.naive_bayes_state('bernoulli', flag, w, x1, x2, few)$$), ('categorical', $$medallion.naive_bayes_state('categorical', class, w, kind, flag)$$),
	('kmeans', $$medallion.kmeans_state('{{1000,0},{1001,0.1},{1000.5,-0.5}}', w, x1, x2)$$),
	('linear', $$medallion.linear_state(size, w, x1, x2, few, pair, flag)$$), ('linear_whole', $$medallion.linear_state(hits, 1, x1, few, x2)$$), ('pca', $$medallion.pca_state(w, x1, x2, few, pair)$$),
	('logistic', $$medallion.glm_state('logistic', NULL, '{0,0,0}', flag, w, x1, x2)$$), ('poisson', $$medallion.glm_state('poisson', NULL, '{0.1,0.01,1}', hits, 1, few, x2)$$),
	('gamma', $$medallion.glm_state('gamma', '{"link": "log"}', NULL, size, w, few, x2)$$), ('tweedie', $$medallion.glm_state('tweedie', '{"power": 1.2, "alpha": 0.1}', '{0,0,0,0}', hits, w, few, pair)$$);
SET max_parallel_workers_per_gather = 0;
SELECT format('INSERT INTO states SELECT %L, ''table'', %s FROM one', what, call) FROM calls ORDER BY what \gexec
SELECT format('INSERT INTO states SELECT %L, ''union'', medallion.%s_merge(s) FROM (SELECT %s AS s FROM split1 UNION ALL SELECT %s FROM split2 UNION ALL SELECT %s FROM split3 UNION ALL SELECT %s FROM split4 UNION ALL SELECT %s FROM split5) p', what,
	substring(call FROM 'medallion\.(.*)_state'), call, call, call, call, call) FROM calls ORDER BY what \gexec
CREATE TABLE stored (what text, part int, state bytea);
SELECT format('INSERT INTO stored SELECT %L, part, %s FROM one GROUP BY part', what, call) FROM calls ORDER BY what \gexec
SELECT format('INSERT INTO states SELECT what, ''stored'', medallion.%s_merge(state ORDER BY part DESC) FROM stored WHERE what = %L GROUP BY what', substring(call FROM 'medallion\.(.*)_state'), what) FROM calls ORDER BY what \gexec
SET max_parallel_workers_per_gather = 3;
ALTER TABLE one SET (parallel_workers = 3);
EXPLAIN (COSTS OFF) SELECT medallion.naive_bayes_state('gaussian', class, 1, x1, x2), medallion.kmeans_state('{{1,2}}', 1, x1, x2), medallion.glm_state('poisson', NULL, NULL, hits, 1, x1, x2), medallion.linear_state(size, 1, x1, x2), medallion.pca_state(1, x1, x2) FROM one;
SELECT format('INSERT INTO states SELECT %L, ''workers'', %s FROM one', what, call) FROM calls ORDER BY what \gexec
SET enable_partitionwise_aggregate = on;
SELECT format('INSERT INTO states SELECT %L, ''partitions'', %s FROM split', what, call) FROM calls ORDER BY what \gexec
RESET enable_partitionwise_aggregate;
-- a foreign server: the states are made there and come over as bytes
CREATE EXTENSION postgres_fdw;
SELECT format('CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname %L, port %L, host %L)', current_database(), current_setting('port'), split_part(current_setting('unix_socket_directories'), ',', 1)) AS server \gset
\set ECHO none
:server;
\set ECHO all
CREATE USER MAPPING FOR CURRENT_USER SERVER loop;
SELECT format('CREATE VIEW view_%1$s AS SELECT part, %2$s AS state FROM train_states.split GROUP BY part', what, call) FROM calls ORDER BY what \gexec
SELECT format('CREATE FOREIGN TABLE far_%1$s (part int, state bytea) SERVER loop OPTIONS (schema_name ''train_states'', table_name ''view_%1$s'')', what) FROM calls ORDER BY what \gexec
SELECT format('INSERT INTO states SELECT %L, ''foreign'', medallion.%s_merge(state) FROM far_%s', what, substring(call FROM 'medallion\.(.*)_state'), what) FROM calls ORDER BY what \gexec

-- what they come to
CREATE TABLE numbers AS
SELECT what, way, f.label || ' ' || f.feature || ' ' || coalesce(f.element, 0) || coalesce(f.category, '') AS place, n FROM states, medallion.naive_bayes_final(state) f, unnest(ARRAY[f.rows, f.weight, f.value, f.variance]) n WHERE what IN ('gaussian', 'multinomial', 'bernoulli', 'categorical')
UNION ALL SELECT what, way, p.place::text, n FROM states, medallion.kmeans_final(state) f, unnest(ARRAY(SELECT unnest(f.centres)) || ARRAY[f.rows, f.inertia, f.moved]) WITH ORDINALITY p(n, place) WHERE what = 'kmeans'
UNION ALL SELECT what, way, p.place::text, n FROM states, medallion.glm_final(state) f, unnest(f.coefficients || f.std_errors || ARRAY[f.deviance, f.rows, f.weight, f.dispersion, f.moved]) WITH ORDINALITY p(n, place) WHERE what IN ('logistic', 'poisson', 'gamma', 'tweedie')
UNION ALL SELECT what, way, p.place::text, n FROM states, medallion.linear_final(state) f, unnest(f.coefficients || f.std_errors || f.statistics || f.p_values || ARRAY[f.r2, f.adjusted_r2, f.rmse, f.sigma, f.f_statistic, f.f_p_value, f.aic, f.bic, f.df_residual, f.rows, f.weight]) WITH ORDINALITY p(n, place) WHERE what LIKE 'linear%' AND n IS NOT NULL
UNION ALL SELECT what, way, p.place::text, n FROM states, medallion.pca_final(state) f, unnest(f.mean || ARRAY(SELECT unnest(f.components)) || f.explained_variance || f.explained_variance_ratio || f.singular_values || ARRAY[f.rows, f.weight]) WITH ORDINALITY p(n, place) WHERE what = 'pca';
SELECT what, count(DISTINCT way) AS ways, count(*) / count(DISTINCT way) AS numbers, max(spread) < 1e-10 AS agree FROM
	(SELECT what, way, abs(n - first_value(n) OVER (PARTITION BY what, place ORDER BY way, n)) / greatest(abs(n), 1e-9) AS spread FROM
		(SELECT what, way, place || ' ' || row_number() OVER (PARTITION BY what, way, place ORDER BY n) AS place, n FROM numbers) x) y GROUP BY what ORDER BY what;
SELECT what, count(DISTINCT way) AS ways FROM states GROUP BY what ORDER BY what;
-- against plain SQL
SELECT max(abs(f.value / e.m - 1)) < 1e-12 AND max(abs(f.variance / e.v - 1)) < 1e-9 AS right FROM states, medallion.naive_bayes_final(state) f
JOIN (SELECT class::text AS label, 2 AS feature, sum(w * x2) / sum(w) AS m, sum(w * x2 * x2) / sum(w) - (sum(w * x2) / sum(w)) ^ 2 AS v FROM one GROUP BY class) e USING (label, feature) WHERE what = 'gaussian' AND way = 'foreign';
SELECT count(*) AS wrong FROM states, medallion.naive_bayes_final(state) f JOIN (SELECT class::text AS label, kind AS category, sum(w) AS n FROM one GROUP BY 1, 2) e USING (label, category) WHERE what = 'categorical' AND way = 'table' AND abs(f.value - e.n) > 1e-6;
SELECT bool_and(abs(c.counts[k] - e.n) = 0 AND abs(c.centres[k][1] - e.a) < 1e-9 AND abs(c.inertia - t.i) / t.i < 1e-12) AS right FROM states, medallion.kmeans_final(state) c,
	(SELECT k, count(*) n, sum(w * x1) / sum(w) a FROM one, LATERAL (SELECT k FROM (VALUES (1, 1000, 0), (2, 1001, 0.1), (3, 1000.5, -0.5)) c(k, a, b) ORDER BY (x1 - a)^2 + (x2 - b)^2 LIMIT 1) n GROUP BY k) e,
	(SELECT sum(w * d) i FROM one, LATERAL (SELECT (x1 - a)^2 + (x2 - b)^2 AS d FROM (VALUES (1, 1000, 0), (2, 1001, 0.1), (3, 1000.5, -0.5)) c(k, a, b) ORDER BY 1 LIMIT 1) n) t WHERE what = 'kmeans' AND way = 'workers';

-- k-means to its end: over partitions and in one table, and as train() has it from these centres
CREATE VIEW lloyd AS WITH RECURSIVE round(source, n, centres, inertia, moved) AS (
	SELECT source, 0, '{{1000.2,-0.3},{1000.5,0.4},{1000.8,0}}'::float8[], NULL::float8, 1::float8 FROM unnest('{one,split}'::text[]) source
	UNION ALL
	SELECT source, n + 1, f.centres, f.inertia, f.moved FROM round r, LATERAL (SELECT CASE source WHEN 'one' THEN (SELECT medallion.kmeans_state(r.centres, 1, x1, x2) FROM one) ELSE
		(SELECT medallion.kmeans_merge(s) FROM (SELECT medallion.kmeans_state(r.centres, 1, x1, x2) AS s FROM split GROUP BY part) parts) END AS state) s, LATERAL medallion.kmeans_final(s.state) f WHERE r.moved > 1e-9 AND n < 300)
SELECT * FROM round;
CREATE TABLE lloyds AS SELECT DISTINCT ON (source) * FROM lloyd ORDER BY source, n DESC;
SELECT a.moved <= 1e-9 AND b.moved <= 1e-9 AS converged, a.n = b.n AS same_rounds, abs(a.inertia / b.inertia - 1) < 1e-12 AS same_inertia, (SELECT max(abs(x - y)) < 1e-10 FROM unnest(a.centres, b.centres) u(x, y)) AS same_centres
FROM lloyds a, lloyds b WHERE a.source = 'one' AND b.source = 'split';
SELECT abs((metrics->>'inertia')::float8 / inertia - 1) < 1e-6 AS as_train FROM lloyds, medallion.train('states_kmeans', 'SELECT x1, x2 FROM train_states.one', NULL, 'kmeans', '{"n_clusters": 3, "n_init": 10, "tol": 0}') WHERE source = 'split';

-- generalised linear models to their end, as train() has them
CREATE TABLE fits (what text, family text, params jsonb, target text, weight text, coefficients float8[], std_errors float8[], deviance float8, dispersion float8, rounds int);
INSERT INTO fits (what, family, params, target, weight) VALUES ('logistic', 'logistic', '{"penalty": "none"}', 'flag', NULL), ('logistic l2', 'logistic', '{"C": 0.1}', 'flag', 'w'), ('poisson', 'poisson', NULL, 'hits', 'w'),
	('gamma', 'gamma', NULL, 'size', NULL), ('gamma inverse', 'gamma', '{"link": "inverse"}', 'size', 'w'), ('tweedie', 'tweedie', '{"power": 1.3}', 'hits', NULL), ('tweedie l2', 'tweedie', '{"power": 1.3, "alpha": 0.1}', 'hits', 'w');
DO $$
DECLARE
	f fits;
	r record;
BEGIN
	FOR f IN SELECT * FROM fits LOOP
		FOR n IN 1..50 LOOP
			EXECUTE format('SELECT (medallion.glm_final(medallion.glm_merge(s))).* FROM (SELECT medallion.glm_state($1, $2, $3, %I, %s, x1, x2, few) AS s FROM train_states.split GROUP BY part) parts', f.target, coalesce(f.weight, '1'))
				INTO r USING f.family, f.params, f.coefficients;
			f.coefficients := r.coefficients;
			UPDATE fits SET coefficients = r.coefficients, std_errors = r.std_errors, deviance = r.deviance, dispersion = r.dispersion, rounds = n WHERE what = f.what;
			EXIT WHEN r.moved < 1e-9;
		END LOOP;
		PERFORM medallion.train('states_' || replace(f.what, ' ', '_'), 'train_states.one', f.target, f.family, coalesce(f.params, '{}') || '{"tol": 1e-20}', features => '{x1,x2,few}', weight => f.weight);
	END LOOP;
END $$;
SELECT what, rounds < 40 AS converged, max(abs(c.estimate - f.coefficients[c.position]) / greatest(abs(c.estimate), coalesce(c.std_error, 1e-3))) < 1e-8 AS coefficients, max(abs(c.std_error / f.std_errors[c.position] - 1)) < 1e-7 AS std_errors,
	bool_and(abs((v.metrics->>'deviance')::float8 / f.deviance - 1) < 1e-9) AS deviance
FROM fits f JOIN medallion.coefficients c ON c.model = 'states_' || replace(what, ' ', '_') JOIN medallion.model_versions v ON v.model = c.model GROUP BY what, rounds ORDER BY what;

-- a model of a state is that of train()
SELECT count(*) FROM medallion.train('states_direct', 'train_states.one', 'class', 'naive_bayes', features => '{x1,x2,few,pair}', weight => 'w', preprocess => NULL);
SELECT rows, metrics FROM states, medallion.train_from_state('states_made', state, 'class', '{x1,x2,few,pair}', deploy => 'always') t WHERE what = 'gaussian' AND way = 'stored';
SELECT max(abs(p[k] - q[k])) < 1e-9 AS same FROM one, medallion.predict_proba('states_direct', one) p, medallion.predict_proba('states_made', one) q, generate_series(1, 4) k WHERE i <= 500;
SELECT max(abs(a.value - b.value) / greatest(abs(a.value), 1e-9)) < 1e-10 AS same FROM medallion.model_attributes a JOIN medallion.model_attributes b USING (attribute, i, j) WHERE a.model = 'states_direct' AND b.model = 'states_made';
SELECT rows, metrics FROM states, medallion.train_from_state('states_kinds', state, 'class', '{kind,flag}', '{"alpha": 0.5}') t WHERE what = 'categorical' AND way = 'foreign';
SELECT count(*) FROM medallion.train('states_kinds_direct', 'train_states.one', 'class', 'naive_bayes', '{"alpha": 0.5, "type": "categorical"}', features => '{kind,flag}', weight => 'w');
SELECT max(abs(p[k] - q[k])) < 1e-9 AS same FROM one, medallion.predict_proba('states_kinds', one) p, medallion.predict_proba('states_kinds_direct', one) q, generate_series(1, 4) k WHERE i <= 500;

-- no rows, one row, one class, rows without weight
SELECT medallion.kmeans_state('{{1,2}}', 1, x1, x2) IS NULL AS a, medallion.glm_state('poisson', NULL, NULL, hits, 1, x1) IS NULL AS b, medallion.naive_bayes_state('gaussian', class, 1, x1) IS NULL AS c FROM one WHERE false;
SELECT medallion.kmeans_final(NULL), medallion.glm_final(NULL);
SELECT count(*) FROM medallion.naive_bayes_final(NULL);
SELECT f.* FROM (SELECT medallion.kmeans_state('{{1,2},{3,3}}', 2, 1, 4) s) x, medallion.kmeans_final(s) f;
SELECT f.* FROM (SELECT medallion.naive_bayes_state('gaussian', 'a'::text, 2, 1, 4) s) x, medallion.naive_bayes_final(s) f;
SELECT f.* FROM (SELECT medallion.glm_state('poisson', NULL, NULL, 3, 2, 1) s) x, medallion.glm_final(s) f;
SELECT round(f.coefficients[2]::numeric, 9) AS slope, f.std_errors, f.dispersion FROM (SELECT medallion.glm_state('gamma', '{"alpha": 0}', NULL, y, 1, x) s FROM (VALUES (1, 1), (2, 3)) v(x, y)) x, medallion.glm_final(s) f;
SELECT f.rows, f.inertia FROM (SELECT medallion.kmeans_state('{{1,2},{3,3}}', 0, 1, 4) s) x, medallion.kmeans_final(s) f;
SELECT medallion.train_from_state('states_bad', (SELECT medallion.naive_bayes_state('gaussian', 'a'::text, 1, x1) FROM one), 'class', '{x1}');
SELECT medallion.train_from_state('states_bad', (SELECT medallion.naive_bayes_state('gaussian', class, 1, 7) FROM one), 'class', '{seven}');
SELECT medallion.train_from_state('states_bad', (SELECT medallion.naive_bayes_state('gaussian', class, 1, x1) FROM one WHERE i = 1), 'class', '{x1}');
SELECT medallion.train_from_state('states_bad', (SELECT medallion.naive_bayes_state('gaussian', class, 0, x1) FROM one), 'class', '{x1}');
SELECT medallion.train_from_state('states_bad', (SELECT medallion.naive_bayes_state('gaussian', class, 1, x1, x2) FROM one), 'class', '{x1}');
SELECT medallion.train_from_state('states_bad', (SELECT medallion.naive_bayes_state('gaussian', class, 1, x1, x2) FROM one), 'class', '{x1,x1}');
SELECT medallion.train_from_state('states_bad', (SELECT medallion.naive_bayes_state('gaussian', class, 1, x1, x2) FROM one), 'class', '{x1,x2}', '{"type": "bernoulli"}');
SELECT medallion.train_from_state('states_bad', (SELECT medallion.naive_bayes_state('multinomial', class, 1, x1, x2) FROM one), 'class', '{x1,x2}');
SELECT medallion.train_from_state('states_bad', '\x0123', 'class', '{x1,x2}');
-- values, types and arguments that are refused
SELECT medallion.naive_bayes_state('normal', class, 1, x1) FROM one;
SELECT medallion.naive_bayes_state('gaussian', class, 1, x1, nullif(few, 3)) FROM one;
SELECT medallion.naive_bayes_state('gaussian', class, 1, 'NaN'::float8) FROM one;
SELECT medallion.naive_bayes_state('gaussian', nullif(class, 1), 1, x1) FROM one;
SELECT medallion.naive_bayes_state('gaussian', class, -w, x1) FROM one;
SELECT medallion.naive_bayes_state('gaussian', class, 1, now()) FROM one;
SELECT medallion.naive_bayes_state('gaussian', class, 1, CASE WHEN few = 1 THEN pair ELSE '{1,2,3}' END) FROM one;
SELECT medallion.naive_bayes_state('gaussian', x, 1, x) FROM generate_series(1, 10001) x;
SELECT medallion.naive_bayes_state('gaussian', class, 1) FROM one;
SELECT medallion.naive_bayes_merge(state) FROM states WHERE what IN ('gaussian', 'bernoulli');
SELECT medallion.kmeans_state(NULL, 1, x1, x2) FROM one;
SELECT medallion.kmeans_state('{1,2}', 1, x1, x2) FROM one;
SELECT medallion.kmeans_state('{{1,NaN}}', 1, x1, x2) FROM one;
SELECT medallion.kmeans_state('{{1,2,3}}', 1, x1, x2) FROM one;
SELECT medallion.kmeans_state('{{1,2}}', 1, x1, '-Infinity'::float8) FROM one;
SELECT medallion.kmeans_state('{{1,2}}', 1, x1, kind) FROM one;
-- a numeric beyond double precision is no infinity: an error, as it is in train()
\set VERBOSITY sqlstate
SELECT medallion.kmeans_state('{{1,2}}', 1, x1, 1e309::numeric) FROM one;
\set VERBOSITY default
SELECT medallion.kmeans_state(ARRAY[ARRAY[x1]], 1, x1) FROM one;
SELECT medallion.kmeans_merge(s) FROM (VALUES ((SELECT medallion.kmeans_state('{{1}}', 1, x1) FROM one)), ((SELECT medallion.kmeans_state('{{2}}', 1, x1) FROM one))) v(s);
SELECT medallion.kmeans_final('\x'), medallion.kmeans_final('\x00112233');
SELECT medallion.glm_state('normal', NULL, NULL, hits, 1, x1) FROM one;
SELECT medallion.glm_state('poisson', '{"link": "logit"}', NULL, hits, 1, x1) FROM one;
SELECT medallion.glm_state('logistic', '{"penalty": "l1"}', NULL, flag, 1, x1) FROM one;
SELECT medallion.glm_state('logistic', NULL, NULL, few, 1, x1) FROM one;
SELECT medallion.glm_state('poisson', NULL, NULL, hits - 1, 1, x1) FROM one;
SELECT medallion.glm_state('poisson', NULL, NULL, nullif(hits, 1), 1, x1) FROM one;
SELECT medallion.glm_state('poisson', NULL, NULL, kind, 1, x1) FROM one;
SELECT medallion.glm_state('poisson', NULL, '{1}', hits, 1, x1) FROM one;
SELECT medallion.glm_state('poisson', NULL, '{1,NULL}', hits, 1, x1) FROM one;
SELECT medallion.glm_state('poisson', NULL, NULL, hits, NULL, x1) FROM one;
SELECT medallion.glm_merge(state) FROM states WHERE what IN ('gamma', 'poisson');
SELECT medallion.glm_final(state) FROM states WHERE what = 'kmeans' AND way = 'table';
-- damaged states are refused or harmless: every byte of small ones changed
DO $$
DECLARE
	k record;
	refused int := 0;
BEGIN
	FOR k IN SELECT what, b, set_byte(state, b, get_byte(state, b) # 255) AS bad FROM stored, LATERAL generate_series(0, least(length(state), 600) - 1, 5) b WHERE part = 1 AND what IN ('categorical', 'kmeans', 'poisson', 'gaussian') LOOP
		BEGIN
			IF k.what = 'kmeans' THEN PERFORM medallion.kmeans_final(medallion.kmeans_merge(s)) FROM (SELECT k.bad AS s UNION ALL SELECT k.bad) x;
			ELSIF k.what = 'poisson' THEN PERFORM medallion.glm_final(medallion.glm_merge(s)) FROM (SELECT k.bad AS s UNION ALL SELECT k.bad) x;
			ELSE PERFORM count(*) FROM (SELECT medallion.naive_bayes_merge(s) AS s FROM (SELECT k.bad AS s UNION ALL SELECT k.bad) y) x, medallion.naive_bayes_final(s);
			END IF;
		EXCEPTION WHEN OTHERS THEN
			refused := refused + 1;
		END;
	END LOOP;
	RAISE WARNING 'some are refused: %', refused > 30;
END $$;
-- somebody without rights to the rows has none to their sums; the functions behind the aggregates are closed
CREATE ROLE regress_states;
GRANT USAGE ON SCHEMA train_states TO regress_states;
SET ROLE regress_states;
SELECT medallion.kmeans_state('{{1}}', 1, x1) FROM one;
SELECT f.inertia FROM (SELECT medallion.kmeans_state('{{1}}', 1, x) s FROM generate_series(1, 3) x) y, medallion.kmeans_final(s) f;
SELECT medallion._kmeans_combine('\x', '\x');
RESET ROLE;
SELECT count(medallion.drop_model(model, force => true)) AS dropped FROM medallion.models WHERE model LIKE 'states\_%';
DROP EXTENSION postgres_fdw CASCADE;
DROP SCHEMA train_states CASCADE;
DROP ROLE regress_states;
RESET search_path; RESET client_min_messages; RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size; RESET max_parallel_workers_per_gather;
DELETE FROM medallion._audit WHERE model LIKE 'states\_%';
