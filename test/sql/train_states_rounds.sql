-- Rounds of generalised linear models with offsets and exposures, as train() has them; what happens to rows that are no numbers; states
-- that do not belong together; plans.
CREATE SCHEMA train_rounds;
SET search_path = train_rounds;
SET client_min_messages = warning;
SELECT setseed(0.75);
CREATE TABLE one AS SELECT i, random() AS x, random() - 0.5 AS z, i % 4 = 0 AS flag, ARRAY[random(), i % 7] AS pair, CASE WHEN i % 11 = 0 THEN 0 ELSE 0.5 + random() END AS w, (1 + 9 * random())::numeric(6, 3) AS hours, random() - 0.5 AS head_start, i % 3 AS part,
	NULL::int AS hits, NULL::float8 AS size, NULL::boolean AS won, (ARRAY['a','b','c'])[1 + i % 3] AS kind FROM generate_series(1, 4000) i;
UPDATE one SET hits = floor(-ln(random()) * hours * exp(0.2 + x - z + head_start))::int, size = -ln(random()) * exp(1 + z + head_start) * hours, won = random() < 1 / (1 + exp(-(x - 1 + 2 * z + head_start)));
ANALYZE one;

-- offsets and exposures: to the end, and as train() has it; weights of 0, arrays, booleans
CREATE TABLE fits (what text, family text, target text, params jsonb, arguments text, places jsonb, features text[], weight text, coefficients float8[], std_errors float8[], deviance float8, dispersion float8, rounds int);
INSERT INTO fits (what, family, target, params, arguments, places, features, weight) VALUES
	('exposure', 'poisson', 'hits', '{"exposure": "hours"}', 'x, z, hours', '{"exposure": 3}', '{x,z}', NULL),
	('both', 'poisson', 'hits', '{"exposure": "hours", "offset": "head_start"}', 'head_start, x, pair, hours, z', '{"exposure": 4, "offset": 1}', '{x,pair,z}', 'w'),
	('ridge', 'poisson', 'hits', '{"exposure": "hours", "alpha": 0.1}', 'hours, x, z', '{"exposure": 1, "alpha": 0.1}', '{x,z}', 'w'),
	('gamma', 'gamma', 'size', '{"exposure": "hours", "offset": "head_start", "link": "log"}', 'x, hours, z, head_start, flag', '{"exposure": 2, "offset": 4, "link": "log"}', '{x,z,flag}', NULL),
	('tweedie', 'tweedie', 'hits', '{"offset": "head_start", "power": 1.4}', 'x, pair, head_start', '{"offset": 3, "power": 1.4}', '{x,pair}', 'w'),
	('logistic', 'logistic', 'won', '{"offset": "head_start", "penalty": "none"}', 'head_start, x, z', '{"offset": 1, "penalty": "none"}', '{x,z}', 'w'),
	('logistic l2', 'logistic', 'won', '{"offset": "head_start", "C": 0.05}', 'x, head_start, z', '{"offset": 2, "C": 0.05}', '{x,z}', NULL);
DO $$
DECLARE
	f fits;
	r record;
BEGIN
	FOR f IN SELECT * FROM fits LOOP
		FOR n IN 1..60 LOOP
			EXECUTE format('SELECT (medallion.glm_final(medallion.glm_merge(s))).* FROM (SELECT medallion.glm_state($1, $2, $3, %I, %s, %s) AS s FROM one GROUP BY part) parts', f.target, coalesce(f.weight, '1'), f.arguments)
				INTO r USING f.family, f.places, f.coefficients;
			f.coefficients := r.coefficients;
			UPDATE fits SET coefficients = r.coefficients, std_errors = r.std_errors, deviance = r.deviance, dispersion = r.dispersion, rounds = n WHERE what = f.what;
			EXIT WHEN r.moved < 1e-10;
		END LOOP;
		PERFORM medallion.train('rounds_' || replace(f.what, ' ', '_'), 'train_rounds.one', f.target, f.family, f.params || '{"tol": 1e-20}', features => f.features, weight => f.weight);
	END LOOP;
END $$;
SELECT what, rounds < 60 AS ends, count(*) AS coefficients, max(abs(c.estimate - f.coefficients[c.position])) < 1e-8 AS estimates, max(abs(c.std_error / f.std_errors[c.position] - 1)) < 1e-7 AS std_errors, bool_and(abs((v.metrics->>'deviance')::float8 / f.deviance - 1) < 1e-9) AS deviance,
	bool_and(abs(coalesce((v.metrics->>'dispersion')::float8, 1) / f.dispersion - 1) < 1e-8) AS dispersion
FROM fits f JOIN medallion.coefficients c ON c.model = 'rounds_' || replace(what, ' ', '_') JOIN medallion.model_versions v ON v.model = c.model GROUP BY what, rounds ORDER BY what;
-- what an offset cannot be
SELECT medallion.glm_state('poisson', '{"exposure": "hours"}', NULL, hits, 1, x, hours) FROM one;
SELECT medallion.glm_state('poisson', '{"exposure": 3}', NULL, hits, 1, x, hours) FROM one;
SELECT medallion.glm_state('poisson', '{"offset": 0}', NULL, hits, 1, x, hours) FROM one;
SELECT medallion.glm_state('poisson', '{"offset": 1.5}', NULL, hits, 1, x, hours) FROM one;
SELECT medallion.glm_state('poisson', '{"offset": 1, "exposure": 1}', NULL, hits, 1, x, hours) FROM one;
SELECT medallion.glm_state('poisson', '{"offset": 1}', NULL, hits, 1, x) FROM one;
SELECT medallion.glm_state('poisson', '{"offset": 1}', NULL, hits, 1, pair, x) FROM one;
SELECT medallion.glm_state('poisson', '{"exposure": 2}', NULL, hits, 1, x, hours - hours) FROM one;
SELECT medallion.glm_state('poisson', '{"exposure": 2}', NULL, hits, 1, x, nullif(i, 5)) FROM one;
SELECT length(medallion.glm_state('poisson', '{"exposure": 2}', NULL, hits, (i % 5)::int, x, i % 5)) > 0 AS not_exposed_without_weight FROM one;
SELECT medallion.glm_state('logistic', '{"exposure": 2}', NULL, won, 1, x, hours) FROM one;
SELECT medallion.glm_state('poisson', '{"exposure": 2}', '{0,0,0}', hits, 1, x, hours) FROM one;

-- rows that are no numbers: the same is refused as in train(), whatever the weight; a feature that is NULL, which train() imputes, too
CREATE FUNCTION message(call text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE call; RETURN 'fine'; EXCEPTION WHEN OTHERS THEN RETURN SQLERRM; END $$;
CREATE TABLE calls (what text, call text, algorithm text);
INSERT INTO calls VALUES ('linear', 'medallion.linear_state(y, w, x, z)', 'linear'), ('pca', 'medallion.pca_state(w, x, z)', 'pca'), ('bayes', 'medallion.naive_bayes_state(''gaussian'', y, w, x, z)', 'naive_bayes'),
	('kmeans', 'medallion.kmeans_state(''{{0,0},{1,1}}'', w, x, z)', 'kmeans'), ('poisson', 'medallion.glm_state(''poisson'', NULL, NULL, y, w, x, z)', 'poisson'), ('logistic', 'medallion.glm_state(''logistic'', NULL, NULL, y, w, x, z)', 'logistic');
CREATE TABLE seen AS SELECT what, col, val, zero, message(format('SELECT %s FROM (%s) s', call, q)) AS state, message(format('SELECT medallion.train(%L, %L, %s, %L, weight => ''w'', params => %L)', 'rounds_bad_' || what || zero || coalesce(val, '-') || col, q, CASE WHEN what IN ('pca', 'kmeans') THEN 'NULL' ELSE '''y''' END, algorithm, CASE what WHEN 'kmeans' THEN '{"n_clusters": 2}'::jsonb END)) AS train
FROM calls, unnest('{x,y,w}'::text[]) col, unnest('{NULL,NaN,Infinity,-Infinity,-1,0,1}'::text[]) val, unnest('{f,t}'::boolean[]) zero,
	LATERAL (SELECT 'SELECT ' || string_agg(CASE WHEN c = col THEN format('CASE WHEN i = 7 THEN %L ELSE %s END AS %s', val, e, c) WHEN c = 'w' AND zero THEN format('CASE WHEN i = 7 THEN 0 ELSE %s END AS w', e) ELSE format('%s AS %s', e, c) END, ', ') || ' FROM train_rounds.one WHERE i < 200' AS q
		FROM (VALUES ('x', 'x'), ('z', 'z'), ('w', '(w + 0.1)'), ('y', 'flag::int::float8')) c(c, e) WHERE c <> 'y' OR what NOT IN ('pca', 'kmeans')) s
WHERE NOT (what IN ('pca', 'kmeans') AND col = 'y');
SELECT count(*) AS calls, count(*) FILTER (WHERE (state = 'fine') = (train = 'fine')) AS alike, count(*) FILTER (WHERE state = 'fine') AS fine FROM seen;
SELECT DISTINCT col, val, what, state, train FROM seen WHERE (state = 'fine') <> (train = 'fine') ORDER BY 1, 2, 3;
SELECT DISTINCT state FROM seen WHERE state <> 'fine' ORDER BY 1;

-- states that do not belong together: what differs is said
CREATE TABLE states (name text, state bytea);
INSERT INTO states SELECT 'linear 2', medallion.linear_state(size, 1, x, z) FROM one UNION ALL SELECT 'linear 1', medallion.linear_state(size, 1, x) FROM one UNION ALL SELECT 'linear flag', medallion.linear_state(size, 1, x, flag) FROM one
UNION ALL SELECT 'linear pair', medallion.linear_state(size, 1, x, pair) FROM one UNION ALL SELECT 'linear triple', medallion.linear_state(size, 1, x, pair || 1::float8) FROM one UNION ALL SELECT 'pca 2', medallion.pca_state(1, x, z) FROM one
UNION ALL SELECT 'bayes', medallion.naive_bayes_state('gaussian', kind, 1, x, pair) FROM one UNION ALL SELECT 'bayes bernoulli', medallion.naive_bayes_state('bernoulli', kind, 1, x, pair) FROM one UNION ALL SELECT 'bayes kind', medallion.naive_bayes_state('gaussian', part, 1, x, kind) FROM one
UNION ALL SELECT 'bayes triple', medallion.naive_bayes_state('gaussian', kind, 1, x, pair || 1::float8) FROM one UNION ALL SELECT 'bayes 1', medallion.naive_bayes_state('gaussian', kind, 1, x) FROM one
UNION ALL SELECT 'kmeans', medallion.kmeans_state('{{0,0},{1,1}}', 1, x, z) FROM one UNION ALL SELECT 'kmeans near', medallion.kmeans_state('{{0,0},{1,1.25}}', 1, x, z) FROM one UNION ALL SELECT 'kmeans 3', medallion.kmeans_state('{{0,0},{1,1},{2,2}}', 1, x, z) FROM one
UNION ALL SELECT 'poisson', medallion.glm_state('poisson', NULL, '{0,0}', hits, 1, x) FROM one UNION ALL SELECT 'poisson later', medallion.glm_state('poisson', NULL, '{0,0.5}', hits, 1, x) FROM one UNION ALL SELECT 'poisson start', medallion.glm_state('poisson', NULL, NULL, hits, 1, x) FROM one
UNION ALL SELECT 'poisson exposed', medallion.glm_state('poisson', '{"exposure": 1}', '{0,0}', hits, 1, hours, x) FROM one UNION ALL SELECT 'gamma', medallion.glm_state('gamma', '{"link": "inverse"}', '{1,0}', size, 1, x) FROM one UNION ALL SELECT 'logistic', medallion.glm_state('logistic', NULL, '{1,0}', won, 1, x) FROM one;
SELECT format('SELECT medallion.%s_merge(state) FROM states WHERE name IN (%L, %L)', m, a, b) FROM (VALUES ('linear', 'linear 2', 'linear 1'), ('linear', 'linear 2', 'linear flag'), ('linear', 'linear pair', 'linear triple'), ('linear', 'linear 2', 'pca 2'), ('pca', 'pca 2', 'kmeans'), ('naive_bayes', 'bayes', 'bayes bernoulli'), ('naive_bayes', 'bayes', 'bayes kind'), ('naive_bayes', 'bayes', 'bayes triple'),
	('naive_bayes', 'bayes', 'bayes 1'), ('naive_bayes', 'bayes', 'linear 2'), ('kmeans', 'kmeans', 'kmeans near'), ('kmeans', 'kmeans', 'kmeans 3'), ('glm', 'poisson', 'poisson later'), ('glm', 'poisson', 'poisson start'), ('glm', 'poisson', 'poisson exposed'), ('glm', 'poisson', 'gamma'), ('glm', 'poisson', 'logistic'), ('glm', 'poisson', 'bayes')) v(m, a, b) \gexec
SELECT medallion.train_from_state('rounds_bad', state, NULL, '{x,z}') FROM states WHERE name = 'kmeans';
SELECT medallion.train_from_state('rounds_bad', state, 'hits', '{x}') FROM states WHERE name = 'poisson';

-- plans: every state is made by workers and per partition
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
CREATE TABLE split (LIKE one) PARTITION BY LIST (part);
SELECT format('CREATE TABLE split%s PARTITION OF split FOR VALUES IN (%s)', n, n) FROM generate_series(0, 2) n \gexec
INSERT INTO split SELECT * FROM one;
ANALYZE split;
UPDATE calls SET call = replace(replace(call, '(y', '(hits'), ' y,', CASE what WHEN 'logistic' THEN ' flag,' ELSE ' hits,' END);
INSERT INTO calls VALUES ('exposure', 'medallion.glm_state(''poisson'', ''{"exposure": 3}'', NULL, hits, w, x, z, hours)', NULL);
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query; END $$;
SELECT what, count(*) FILTER (WHERE l LIKE '%Partial Aggregate%') AS partial, count(*) FILTER (WHERE l LIKE '%Finalize Aggregate%') AS finalize, count(*) FILTER (WHERE l LIKE '%Parallel Seq Scan%') AS parallel_scans FROM calls, plan(format('SELECT %s FROM one', call)) l GROUP BY what ORDER BY what;
SET enable_partitionwise_aggregate = on;
SELECT what, count(*) FILTER (WHERE l LIKE '%Partial%Aggregate%') AS partial, count(*) FILTER (WHERE l LIKE '%Finalize Aggregate%') AS finalize FROM calls, plan(format('SELECT %s FROM split', call)) l GROUP BY what ORDER BY what;
SELECT what, count(*) FILTER (WHERE l ~ '(Group|Hash)?Aggregate') AS aggregates, count(*) FILTER (WHERE l LIKE '%Append%') AS appends FROM calls, plan(format('SELECT part, %s FROM split GROUP BY part', call)) l GROUP BY what ORDER BY what;
-- merging states is shared too
CREATE TABLE many AS SELECT i % 50 AS shard, medallion.linear_state(size, w, x, z) AS linear, medallion.pca_state(w, x, z) AS pca, medallion.naive_bayes_state('gaussian', kind, w, x, z) AS bayes, medallion.kmeans_state('{{0,0},{1,1}}', w, x, z) AS kmeans, medallion.glm_state('poisson', '{"exposure": 3}', NULL, hits, w, x, z, hours) AS glm FROM one GROUP BY 1;
ANALYZE many;
SELECT DISTINCT l FROM plan('SELECT medallion.linear_merge(linear), medallion.pca_merge(pca), medallion.naive_bayes_merge(bayes), medallion.kmeans_merge(kmeans), medallion.glm_merge(glm) FROM many') l WHERE l ~ 'Aggregate|Gather';
CREATE TABLE ways AS SELECT 'many' AS way, medallion.linear_merge(linear) AS linear, medallion.pca_merge(pca) AS pca, medallion.naive_bayes_merge(bayes) AS bayes, medallion.kmeans_merge(kmeans) AS kmeans, medallion.glm_merge(glm) AS glm FROM many;
SET max_parallel_workers_per_gather = 0;
INSERT INTO ways SELECT 'serial', medallion.linear_state(size, w, x, z), medallion.pca_state(w, x, z), medallion.naive_bayes_state('gaussian', kind, w, x, z), medallion.kmeans_state('{{0,0},{1,1}}', w, x, z), medallion.glm_state('poisson', '{"exposure": 3}', NULL, hits, w, x, z, hours) FROM one;
SELECT max(abs(p / q - 1)) < 1e-10 AS same, count(*) AS numbers FROM ways a, ways b, medallion.linear_final(a.linear) la, medallion.linear_final(b.linear) lb, medallion.pca_final(a.pca) pa, medallion.pca_final(b.pca) pb, medallion.kmeans_final(a.kmeans) ka, medallion.kmeans_final(b.kmeans) kb, medallion.glm_final(a.glm) ga, medallion.glm_final(b.glm) gb,
	unnest(la.coefficients || la.std_errors || pa.explained_variance || ARRAY(SELECT unnest(ka.centres)) || ga.coefficients || ga.std_errors || ARRAY[ka.inertia, ga.dispersion], lb.coefficients || lb.std_errors || pb.explained_variance || ARRAY(SELECT unnest(kb.centres)) || gb.coefficients || gb.std_errors || ARRAY[kb.inertia, gb.dispersion]) u(p, q) WHERE a.way = 'many' AND b.way = 'serial';
SELECT max(abs(a.value / b.value - 1) + abs(a.variance / b.variance - 1)) < 1e-10 AS same FROM ways x, ways y, medallion.naive_bayes_final(x.bayes) a, medallion.naive_bayes_final(y.bayes) b WHERE x.way = 'many' AND y.way = 'serial' AND (a.label, a.feature) = (b.label, b.feature);
-- a state within a window stays what it was
SELECT i, f.rows, round(f.inertia::numeric, 6) AS inertia FROM (SELECT i, medallion.kmeans_state('{{0}}', 1, v) OVER (ORDER BY i) AS s FROM (VALUES (1, 1), (2, 2), (3, 3)) v(i, v)) w, medallion.kmeans_final(s) f ORDER BY i;
SELECT i, f.rows, round(f.deviance::numeric, 6) AS deviance FROM (SELECT i, medallion.glm_state('poisson', NULL, '{0,0}', v, 1, i) OVER (ORDER BY i) AS s FROM (VALUES (1, 1), (2, 2), (3, 7)) v(i, v)) w, medallion.glm_final(s) f ORDER BY i;
SELECT i, f.rows, f.value FROM (SELECT i, medallion.naive_bayes_state('gaussian', 'a'::text, 1, v) OVER (ORDER BY i) AS s FROM (VALUES (1, 1), (2, 2), (3, 3)) v(i, v)) w, medallion.naive_bayes_final(s) f ORDER BY i;
SELECT count(medallion.drop_model(model, force => true)) AS dropped FROM medallion.models WHERE model LIKE 'rounds\_%';
DROP SCHEMA train_rounds CASCADE;
RESET search_path; RESET client_min_messages; RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size; RESET max_parallel_workers_per_gather; RESET enable_partitionwise_aggregate;
DELETE FROM medallion._audit WHERE model LIKE 'rounds\_%';
