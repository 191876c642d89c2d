-- Learners of the linear family that hold their rows in memory give the same bits with 1, 2 and 8 threads, any number of workers and any order
-- of the rows.
CREATE SCHEMA train_linear_same;
SET search_path = train_linear_same;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT setseed(0.5);
CREATE TABLE one AS SELECT i % 3 AS class, 1e3 + random() AS far, exp(3 * random()) AS skewed, (ARRAY['a', 'b', 'c', 'd'])[1 + (random() * 3)::int] AS kind, 0::float8 AS y, 1 + i % 3 AS w
FROM generate_series(1, 21000) i;
UPDATE one SET y = 1 + 2 * (far - 1e3) + ln(skewed) + random(), class = (class + (random() + far - 1e3)::int) % 3;
INSERT INTO one SELECT o.* FROM one o WHERE o.kind = 'b' AND far < 1000.1;
CREATE TABLE other AS SELECT * FROM one ORDER BY md5(one::text), far DESC;
CREATE TABLE cases (c int, algorithm text, params jsonb, target text, exclude text[], weight text);
INSERT INTO cases VALUES
	(1, 'logistic', NULL, 'k', '{y,w}', NULL), (2, 'logistic', '{"penalty": "l1", "C": 0.1}', 'k', '{y}', 'w'), (3, 'logistic', '{"penalty": "none"}', 'k', '{y,w}', NULL),
	(4, 'poisson', NULL, 'y', '{k}', 'w'), (5, 'gamma', '{"alpha": 0.1}', 'y', '{k,w}', NULL), (6, 'tweedie', NULL, 'y', '{k}', 'w'),
	(7, 'huber', NULL, 'y', '{k,w}', NULL), (8, 'huber', '{"epsilon": 1.1}', 'y', '{k}', 'w'),
	(9, 'quantile_regression', NULL, 'y', '{k,w}', NULL), (10, 'quantile_regression', '{"quantile": 0.8, "alpha": 0.01}', 'y', '{k}', 'w'),
	(11, 'sgd', '{"max_iter": 3}', 'k', '{y,w}', NULL), (12, 'sgd', '{"max_iter": 3, "penalty": "elastic_net", "average": true}', 'y', '{k}', 'w');
CREATE TABLE got (c int, threads int, source text, version int, metrics jsonb);
DO $$
DECLARE
	n int;
	s text;
BEGIN
	FOREACH n IN ARRAY '{1,2,8}'::int[] LOOP
		PERFORM set_config('medallion.train_threads', n::text, false), set_config('max_parallel_workers_per_gather', (n / 2)::text, false);
		FOREACH s IN ARRAY '{one,other}'::text[] LOOP
			INSERT INTO got SELECT c.c, n, s, t.version, t.metrics
			FROM cases c, medallion.train('linear_same_' || c.c, format('SELECT ''k'' || class AS k, far, skewed, kind, y, w FROM train_linear_same.%I', s), c.target, c.algorithm, c.params,
				exclude => c.exclude, weight => c.weight) t ORDER BY c.c;
		END LOOP;
	END LOOP;
END $$;
SELECT c.c, c.algorithm, c.weight, count(*) AS runs, count(DISTINCT got.metrics) AS metrics, count(DISTINCT b.content) AS artifacts
FROM cases c JOIN got USING (c) JOIN medallion._models m ON m.name = 'linear_same_' || c.c JOIN medallion._model_versions v ON v.model_id = m.model_id AND v.version = got.version
JOIN medallion._model_blobs b ON b.version_id = v.version_id AND b.kind = 'artifact' GROUP BY 1, 2, 3 ORDER BY 1;
SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) FROM medallion.models WHERE model LIKE 'linear\_same%';
DROP SCHEMA train_linear_same CASCADE;
