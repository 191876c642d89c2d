-- Which rows are held out, and how rows are divided into folds.
CREATE SCHEMA train_split;
SET search_path = train_split, public;
CREATE TABLE t (id int PRIMARY KEY, patient int, at timestamptz, x float8, kind text, is_test bool, fold int, y float8, label text);
INSERT INTO t SELECT i, i % 40, '2026-01-01'::timestamptz + i * interval '1 hour', (i * 37) % 101, (ARRAY['a', 'b', 'c'])[1 + i % 3],
	i % 4 = 0, 1 + i % 3, 2 * ((i * 37) % 101) + i % 7, CASE WHEN i % 10 = 0 THEN 'rare' ELSE 'often' END
FROM generate_series(1, 1000) i;
CREATE FUNCTION held_out(validation jsonb, algorithm text DEFAULT 'naive_bayes', source text DEFAULT 'train_split.t') RETURNS int LANGUAGE sql AS $$
	SELECT (metrics->>'validation_rows')::int FROM medallion.train('train_split_' || algorithm, source,
		CASE algorithm WHEN 'linear' THEN 'y' ELSE 'label' END, algorithm, features => '{x}', validation => validation, seed => 3) $$;
-- by primary key: about the fraction, the same rows whatever else is in them, and whatever other rows there are
SELECT held_out('{"fraction": 0.25}') BETWEEN 200 AND 300 AS share, held_out('{"fraction": 0.25}') = held_out('{"fraction": 0.25}', 'linear') AS same_rows;
SELECT held_out('{"fraction": 0.25}') AS before \gset
UPDATE t SET x = x + 1;
SELECT held_out('{"fraction": 0.25}') = :before AS by_key;
-- many equal rows are divided one by one where there is a key, together where there is none
CREATE TABLE same (id int PRIMARY KEY, x float8, label text);
INSERT INTO same SELECT i, i % 2, CASE WHEN i % 2 = 0 THEN 'p' ELSE 'q' END FROM generate_series(1, 400) i;
SELECT held_out('{"fraction": 0.5}', source => 'train_split.same') BETWEEN 150 AND 250 AS divided;
SELECT held_out('{"fraction": 0.5}', source => 'SELECT id % 10 AS x, label FROM train_split.same') % 40 = 0 AS together;
-- by group, time, class, column
SELECT held_out('{"fraction": 0.5, "group": ["patient"]}') % 25 = 0 AS whole_patients;
SELECT held_out('{"fraction": 0.2, "time": "at"}'), held_out('{"fraction": 0.2, "time": "at"}', 'linear') AS linear;
SELECT held_out('{"fraction": 0.2, "stratify": true}'), held_out('{"column": "is_test"}'), held_out('{"column": "is_test"}', 'linear') AS linear;
SELECT metrics->>'validation_rows' AS rows, metrics->>'r2' IS NOT NULL AS r2
FROM medallion.train('train_split_column', 'SELECT x, is_test, y FROM train_split.t', 'y', 'linear', validation => '{"column": "is_test"}');
SELECT jsonb_path_query_array(signature, '$.features[*].name') AS features FROM medallion.model_versions WHERE model = 'train_split_column';
-- the holdout by time is the latest rows: what holds later only is not learnt
CREATE TABLE later AS SELECT i AS at, (i % 10)::float8 AS x, CASE WHEN i > 80 THEN -1 ELSE 1 END * (i % 10)::float8 AS y FROM generate_series(1, 100) i;
SELECT metrics->>'validation_rows' AS rows, (metrics->>'train_r2')::float8 AS train_r2, (metrics->>'r2')::float8 < 0 AS worse
FROM medallion.train('train_split_later', 'train_split.later', 'y', 'linear', features => '{x}', validation => '{"fraction": 0.2, "time": "at"}');
-- folds of a sweep
CREATE FUNCTION folds(folds jsonb, cv int, algorithm text DEFAULT 'ridge') RETURNS TABLE(metric text, n int, bad int) LANGUAGE plpgsql AS $$
DECLARE id bigint;
BEGIN
	id := medallion.sweep('train_split_sweep_' || algorithm, 'train_split.t', CASE algorithm WHEN 'ridge' THEN 'y' ELSE 'label' END, algorithm,
		CASE algorithm WHEN 'ridge' THEN '{"alpha": [1]}' ELSE '{"C": [1]}' END::jsonb, cv => cv, features => '{x,kind}', folds => folds, wait => true, workers => 1);
	RETURN QUERY SELECT s.metric, cardinality(t.fold_metrics), (SELECT count(*)::int FROM unnest(t.fold_metrics) f WHERE f = 'NaN' OR f IS NULL)
		FROM medallion.sweeps s JOIN medallion.trials t USING (sweep_id) WHERE sweep_id = id;
	PERFORM medallion.drop_sweep(id);
END $$;
SELECT f.*, r.* FROM unnest(ARRAY['{}', '{"group": "patient"}', '{"time": "at"}', '{"column": "fold"}']::jsonb[]) f, folds(f, 3) r;
SELECT f.*, r.* FROM unnest(ARRAY['{}', '{"stratify": true}', '{"time": "at"}', '{"column": "fold"}']::jsonb[]) f, folds(f, 3, 'logistic') r;
-- errors
SELECT held_out('{}');
SELECT held_out('{"fraction": 1.5}');
SELECT held_out('{"fraction": 0.2, "group": "patient", "time": "at"}');
SELECT held_out('{"fraction": 0.2, "column": "is_test"}');
SELECT held_out('{"column": "patient"}');
SELECT held_out('{"column": "nothing"}');
SELECT held_out('{"fraction": 0.2, "stratify": true}', 'linear');
SELECT held_out('{"fraction": 0.2, "group": 7}');
SELECT * FROM folds('{"column": "patient"}', 3);
-- what somebody has put into the search_path is not run: a closer match than the order of text is one for varchar
CREATE FUNCTION planted(varchar, varchar) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE 'the planted operator was run'; END $$;
CREATE OPERATOR <= (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = planted);
CREATE TABLE planted_on AS SELECT id, lpad(id::text, 5, '0')::varchar AS at, point(id, id) AS place, x, label FROM t;
SELECT held_out('{"fraction": 0.2, "time": "at"}', source => 'train_split.planted_on');
SELECT held_out('{"fraction": 0.2, "time": "place"}', source => 'train_split.planted_on');
UPDATE t SET at = NULL, is_test = NULL WHERE id = 77;
SELECT held_out('{"fraction": 0.2, "time": "at"}');
SELECT held_out('{"column": "is_test"}', 'linear');
SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) AS dropped FROM medallion.models WHERE model LIKE 'train\_split\_%';
DROP SCHEMA train_split CASCADE;
RESET search_path;
DELETE FROM medallion._audit WHERE model LIKE 'train\_split\_%';
