-- The same training with 0, 1, 2 and 4 parallel workers and with the rows in another order: streaming learners agree to
-- 1e-10, and to the bit with reproducible => true; learners in memory always to the bit.
CREATE SCHEMA train_same;
SET search_path = train_same;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
-- Columns far from 0, of very different scale, with outliers; ties and equal rows; two text columns; weights.
SELECT setseed(0.25);
CREATE TABLE one AS
SELECT 1e6 + random() AS far, (random() - 0.5) * 1e-6 AS small, exp(10 * random()) AS skewed, (i % 7)::int AS few,
	random() < 0.3 AS flag, (ARRAY['a','b','c','d'])[1 + (random() * random() * 4)::int % 4] AS kind,
	'g' || i % 5 AS team, 0::float8 AS y, false AS won, CASE WHEN i % 10 = 0 THEN 0 ELSE random() * 3 END AS w
FROM generate_series(1, 30000) i;
UPDATE one SET y = (far - 1e6) * 3 + small * 1e6 + ln(skewed) + few * CASE WHEN kind = 'a' THEN 1 ELSE 0.5 END + random(),
	won = random() < 1 / (1 + exp(-(2 * (far - 1e6) - 1 + CASE WHEN kind = 'b' THEN 0.5 ELSE 0 END + small * 1e6)));
INSERT INTO one SELECT o.* FROM one o, generate_series(1, 3) WHERE o.few = 3 AND o.small < -3e-7;
CREATE TABLE other AS SELECT * FROM one ORDER BY md5(one::text), skewed DESC;
ANALYZE one; ANALYZE other;
SELECT count(*), count(DISTINCT one.*) < count(*) AS has_equal_rows FROM one;

-- Everything that reads the source may run in parallel workers, and with these settings does.
SELECT proname FROM pg_proc WHERE pronamespace = 'medallion'::regnamespace
	AND proname ~ '^_(linear|profile|score|matrix)_|^_pack' AND proparallel <> 's';
ALTER TABLE one SET (parallel_workers = 4);
SET max_parallel_workers_per_gather = 4;
EXPLAIN (COSTS OFF) SELECT medallion._linear_state('', far, small) FROM one;

CREATE TABLE cases (c int, algorithm text, params jsonb, target text, exclude text[], weight text, reproducible bool);
INSERT INTO cases VALUES
	(1, 'linear', NULL, 'y', '{won,w}', NULL, false), (2, 'linear', NULL, 'y', '{won,w}', NULL, true),
	(3, 'linear', NULL, 'y', '{won}', 'w', false), (4, 'linear', NULL, 'y', '{won}', 'w', true),
	(5, 'ridge', '{"alpha": 10}', 'y', '{won,w}', NULL, false), (6, 'ridge', '{"alpha": 10}', 'y', '{won,w}', NULL, true),
	(7, 'logistic', NULL, 'won', '{y,w}', NULL, false), (8, 'logistic', '{"penalty": "none"}', 'won', '{y}', 'w', false);
CREATE TABLE got (c int, workers int, source text, version int, metrics jsonb);
DO $$
DECLARE
	n int;
	s text;
BEGIN
	FOREACH n IN ARRAY '{0,1,2,4}'::int[] LOOP
		EXECUTE format('ALTER TABLE one SET (parallel_workers = %s)', n);
		EXECUTE format('ALTER TABLE other SET (parallel_workers = %s)', n);
		PERFORM set_config('max_parallel_workers_per_gather', n::text, false);
		FOREACH s IN ARRAY '{one,other}'::text[] LOOP
			INSERT INTO got SELECT c.c, n, s, t.version, t.metrics
			FROM cases c, medallion.train('same_' || c.c, 'train_same.' || s, c.target, c.algorithm, c.params, exclude => c.exclude,
				weight => c.weight, reproducible => c.reproducible) t ORDER BY c.c;
		END LOOP;
	END LOOP;
END $$;
SELECT c.c, c.algorithm, c.weight, c.reproducible, count(DISTINCT (got.workers, got.source)) AS runs, count(DISTINCT k.feature) AS terms,
	max(spread) < 1e-10 AS agree,
	CASE WHEN c.reproducible OR c.algorithm = 'logistic' THEN max(spread) = 0 AND count(DISTINCT got.metrics) = 1 END AS same_bits
FROM cases c JOIN got USING (c) JOIN medallion.coefficients k ON k.model = 'same_' || c.c AND k.version = got.version
JOIN (SELECT model, feature, (max(estimate) - min(estimate)) / greatest(max(abs(estimate)), max(std_error)) AS spread
	FROM medallion.coefficients WHERE model LIKE 'same\_%' GROUP BY model, feature) d ON d.model = k.model AND d.feature = k.feature
GROUP BY c.c, c.algorithm, c.weight, c.reproducible ORDER BY c.c;
-- Where the bits are the same the artifacts are the same bytes.
SELECT m.name, count(DISTINCT b.content) FROM medallion._models m JOIN medallion._model_versions v USING (model_id)
JOIN medallion._model_blobs b ON b.version_id = v.version_id AND b.kind = 'artifact'
WHERE m.name IN ('same_2', 'same_4', 'same_6', 'same_7', 'same_8') GROUP BY m.name ORDER BY m.name COLLATE "C";
-- The exact sums agree with the usual ones.
SELECT max(abs(a.estimate - b.estimate) / greatest(abs(a.estimate), a.std_error)) < 1e-10 AS agree
FROM medallion.coefficients a JOIN medallion.coefficients b USING (feature)
WHERE a.model = 'same_1' AND b.model = 'same_2' AND a.version = 1 AND b.version = 1;
-- The holdout is the same rows in any plan, and moves with the seed.
SET max_parallel_workers_per_gather = 0;
CREATE TABLE splits AS SELECT i, t.rows, t.metrics FROM
	(VALUES (1, 'train_same.one', 0), (2, 'train_same.other', 0), (3, 'train_same.one', 1)) s(i, source, seed),
	medallion.train('same_split', source, 'y', 'linear', exclude => '{won,w}', validation => '{"fraction": 0.25}', seed => seed,
		reproducible => true) t;
SELECT a.rows = b.rows AS same_rows, a.metrics ->> 'train_r2' = b.metrics ->> 'train_r2' AS same_fit,
	a.rows <> c.rows AS other_seed_other_rows, abs(a.rows::float8 / (SELECT count(*) FROM one) - 0.75) < 0.02 AS fraction
FROM splits a, splits b, splits c WHERE a.i = 1 AND b.i = 2 AND c.i = 3;
SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) FROM medallion.models WHERE model LIKE 'same\_%';
DROP SCHEMA train_same CASCADE;
