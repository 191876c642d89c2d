-- From a space to trials.  Nothing runs: each transaction is rolled back before its worker may start.
\set SHOW_CONTEXT never
CREATE SCHEMA sweep_test;
CREATE TABLE sweep_test.t AS SELECT i::float8 AS x, 2.0 * i AS y FROM generate_series(1, 50) i;

-- A grid: every combination, names in order, the last varying fastest; a plain value is the same in all.
BEGIN;
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"fit_intercept": [true, false], "alpha": [0.1, 1, 10]}') AS id \gset
SELECT trial, state, params, metric, seconds, worker FROM medallion.trials WHERE sweep_id = :id ORDER BY trial;
SELECT model, state, best_trial, done, total, strategy, cv, workers, seed, algorithm, source, target FROM medallion.sweeps WHERE sweep_id = :id;
ROLLBACK;
BEGIN;
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": [1, 2], "fit_intercept": true}', trials => 2) AS id \gset
SELECT params FROM medallion.trials WHERE sweep_id = :id ORDER BY trial;
ROLLBACK;

-- Random: the same seed draws the same; another seed others; values lie where they should.
BEGIN;
CREATE TEMP TABLE drawn (seed int, trial int, params jsonb);
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": {"log_uniform": [0.001, 1000]}}', 'random', trials => 40, seed => 1) AS id \gset
INSERT INTO drawn SELECT 1, trial, params FROM medallion.trials WHERE sweep_id = :id;
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": {"log_uniform": [0.001, 1000]}}', 'random', trials => 10, seed => 1) AS id \gset
INSERT INTO drawn SELECT 11, trial, params FROM medallion.trials WHERE sweep_id = :id;
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": {"log_uniform": [0.001, 1000]}}', 'random', trials => 40, seed => 2) AS id \gset
INSERT INTO drawn SELECT 2, trial, params FROM medallion.trials WHERE sweep_id = :id;
SELECT count(*) FILTER (WHERE a.params = b.params) AS same_seed, count(*) FROM drawn a JOIN drawn b USING (trial) WHERE a.seed = 1 AND b.seed = 11;
SELECT count(*) FILTER (WHERE a.params = b.params) AS other_seed, count(*) FROM drawn a JOIN drawn b USING (trial) WHERE a.seed = 1 AND b.seed = 2;
SELECT seed, count(DISTINCT params), min((params->>'alpha')::float8) >= 0.001 AS low, max((params->>'alpha')::float8) <= 1000 AS high,
	count(*) FILTER (WHERE (params->>'alpha')::float8 < 1) BETWEEN 10 AND 30 AS spread_by_size
FROM drawn WHERE seed < 10 GROUP BY seed ORDER BY seed;
ROLLBACK;
-- Ten trials unless told; lists are drawn without repetition, and no more than there are.
BEGIN;
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": {"uniform": [1, 2]}}', 'random') AS id \gset
SELECT count(*), bool_and((params->>'alpha')::float8 BETWEEN 1 AND 2) AS within FROM medallion.trials WHERE sweep_id = :id;
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": [1, 2, 3], "fit_intercept": [true, false]}', 'random', trials => 100) AS id \gset
SELECT count(*), count(DISTINCT params) FROM medallion.trials WHERE sweep_id = :id;
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": {"int_uniform": [1, 3]}}', 'random', trials => 3) AS id \gset
SELECT array_agg((params->>'alpha')::int ORDER BY (params->>'alpha')::int) FROM medallion.trials WHERE sweep_id = :id;
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": {"int_uniform": [1, 3]}, "fit_intercept": [true, false]}', 'random', trials => 1000) AS id \gset
SELECT count(*), count(DISTINCT params) FROM medallion.trials WHERE sweep_id = :id;
-- Two numbers next to each other have nothing between them: it ends when no other trial is found.
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": {"uniform": [1, 1.0000000000000002]}}', 'random', trials => 50) AS id \gset
SELECT count(*) BETWEEN 1 AND 2 AS few FROM medallion.trials WHERE sweep_id = :id;
ROLLBACK;

-- Bad input.
SELECT medallion.sweep('sweep_m', 'sweep_test.nothing', 'y', 'ridge', '{"alpha": [1, 2]}');
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'z', 'ridge', '{"alpha": [1, 2]}');
SELECT medallion.sweep('sweep_m', 'SELECT 1 AS x, oops', 'x', 'ridge', '{"alpha": [1, 2]}');
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"beta": [1, 2]}');
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": [1, -2]}');
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": [1, "two"]}');
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": []}');
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{}');
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '[1]');
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', NULL);
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": {"uniform": [0, 1]}}');
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": {"normal": [0, 1]}}', 'random');
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": {"uniform": [0, 1], "log_uniform": [1, 2]}}', 'random');
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": {"uniform": [0, 1, 2]}}', 'random');
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": {"uniform": ["a", "b"]}}', 'random');
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": {"uniform": [2, 1]}}', 'random');
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": {"uniform": [-1e308, 1e308]}}', 'random');
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": {"log_uniform": [0, 1]}}', 'random');
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": {"int_uniform": [0.5, 2]}}', 'random');
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": [1, 2]}', 'tpe');
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": [1, 2]}', 'guess');
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": [1, 2]}', cv => 1);
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": [1, 2]}', workers => 0);
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": [1, 2]}', trials => 0);
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', '{"alpha": [1, 2, 3]}', trials => 2);
SELECT medallion.sweep('sweep_m', 'sweep_test.t', 'y', 'ridge', jsonb_build_object('alpha', (SELECT jsonb_agg(i) FROM generate_series(1, 10001) i)));
SELECT medallion.sweep('sweep@m', 'sweep_test.t', 'y', 'ridge', '{"alpha": [1, 2]}');
SELECT medallion.sweep(NULL, 'sweep_test.t', 'y', 'ridge', '{"alpha": [1, 2]}');
SELECT medallion.sweep('sweep_m', 'DELETE FROM sweep_test.t', 'y', 'ridge', '{"alpha": [1, 2]}');
SELECT medallion.resume_sweep(-1);
SELECT medallion.resume_sweep(NULL);
SELECT medallion.cancel_sweep(-1);
SELECT medallion.drop_sweep(-1);
SELECT count(*) FROM medallion.sweeps WHERE model = 'sweep_m';
DROP SCHEMA sweep_test CASCADE;
