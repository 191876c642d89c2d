-- The sample of a pass lies in shared memory where the rows are many: the same baseline whatever the plan, nested trainings,
-- errors on the way, and nothing is left behind.
CREATE TABLE train_samples AS
SELECT sin(i) AS a, (i * 7919) % 1000 AS b, (ARRAY['x', 'y', 'z'])[1 + i % 3] AS c, 2 * sin(i) + (i * 31) % 17 AS y, i % 5 < 2 AS label
FROM generate_series(1, 60000) i;
ANALYZE train_samples;
CREATE FUNCTION pg_temp.train(name text, source text DEFAULT 'train_samples') RETURNS int LANGUAGE sql AS $$
	SELECT (medallion.train(name, source => source, target => 'y', algorithm => 'linear', exclude => '{label}', reproducible => true)).version $$;
SET max_parallel_workers_per_gather = 0;
SELECT pg_temp.train('train_samples');
SET max_parallel_workers_per_gather = 2;
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SELECT pg_temp.train('train_samples');
SET parallel_leader_participation = off;
SELECT pg_temp.train('train_samples');
RESET parallel_leader_participation;
-- several states of a process
SELECT pg_temp.train('train_samples', '(SELECT * FROM train_samples WHERE b < 400 UNION ALL SELECT * FROM train_samples WHERE b >= 400)');
SET medallion.train_threads = 7;
SELECT pg_temp.train('train_samples');
RESET medallion.train_threads;
SELECT count(*) AS versions, count(DISTINCT md5(b.content)) AS baselines
FROM medallion._model_blobs b JOIN medallion._model_versions v USING (version_id) JOIN medallion._models m USING (model_id)
WHERE m.name = 'train_samples' AND b.kind = 'baseline';
-- sums of classes
SELECT metrics ->> 'train_rows_scored' AS scored, round((metrics ->> 'train_accuracy')::numeric, 4) AS accuracy
FROM medallion.train('train_samples_bayes', source => 'train_samples', target => 'label', algorithm => 'naive_bayes', exclude => '{y}');
SET max_parallel_workers_per_gather = 0;
SELECT metrics ->> 'train_rows_scored' AS scored, round((metrics ->> 'train_accuracy')::numeric, 4) AS accuracy
FROM medallion.train('train_samples_bayes', source => 'train_samples', target => 'label', algorithm => 'naive_bayes', exclude => '{y}');
-- a training whose source trains, and one that fails while it reads
CREATE FUNCTION pg_temp.inner_rows() RETURNS SETOF train_samples LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_temp.train('train_samples_inner');
	RETURN QUERY SELECT * FROM train_samples;
END $$;
SELECT pg_temp.train('train_samples_outer', '(SELECT * FROM pg_temp.inner_rows())');
SELECT version FROM medallion.train('train_samples', source => 'SELECT a, y / (b - 999) AS y FROM train_samples', target => 'y', algorithm => 'linear');
SELECT pg_temp.train('train_samples');
SELECT count(*) AS versions, count(DISTINCT md5(b.content)) AS baselines
FROM medallion._model_blobs b JOIN medallion._model_versions v USING (version_id) JOIN medallion._models m USING (model_id)
WHERE m.name IN ('train_samples', 'train_samples_inner', 'train_samples_outer') AND b.kind = 'baseline';
RESET max_parallel_workers_per_gather;
RESET min_parallel_table_scan_size;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
SELECT count(medallion.drop_model(m)) FROM unnest('{train_samples,train_samples_bayes,train_samples_inner,train_samples_outer}'::text[]) m;
DELETE FROM medallion._audit WHERE model LIKE 'train_samples%';
DROP FUNCTION pg_temp.inner_rows();
DROP TABLE train_samples;
