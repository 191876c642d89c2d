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
-- groups: folds as scikit-learn's GroupKFold makes them (sizes 70, 60, 60, 59, 51), which a column says here to compare
CREATE TABLE visits AS SELECT row_number() OVER () AS id, p AS patient, f AS fold, (p * 31 + i * 37) % 101 + 0.5 AS x, 3.0 * i % 17 + p AS y,
	CASE WHEN (i + p) % 3 = 0 THEN 'sick' ELSE 'well' END AS label
FROM (VALUES (1, 70, 1), (2, 60, 2), (3, 50, 3), (4, 40, 4), (5, 30, 5), (6, 21, 5), (7, 19, 4), (8, 10, 3)) v(p, n, f), generate_series(1, n) i;
CREATE TABLE visits_otherwise AS SELECT * FROM visits ORDER BY (id * 7919) % 300;
CREATE FUNCTION fold_metrics(folds jsonb, source text, algorithm text, cv int DEFAULT 5) RETURNS text LANGUAGE plpgsql AS $$
DECLARE id bigint; result text;
BEGIN
	id := medallion.sweep('train_split_folds_' || algorithm, source, CASE algorithm WHEN 'logistic' THEN 'label' ELSE 'y' END, algorithm,
		CASE algorithm WHEN 'logistic' THEN '{"C": [1]}' ELSE '{"alpha": [0.1]}' END::jsonb, cv => cv, features => '{x}', folds => folds, wait => true);
	SELECT array_agg(round(m::numeric, 10)) INTO result FROM medallion.trials t, unnest(t.fold_metrics) m WHERE sweep_id = id;
	PERFORM medallion.drop_sweep(id);
	RETURN result;
END $$;
SELECT algorithm, fold_metrics('{"group": "patient"}', 'train_split.visits', algorithm) = fold_metrics('{"column": "fold"}', 'train_split.visits', algorithm) AS balanced,
	fold_metrics('{"group": "patient"}', 'train_split.visits', algorithm) = fold_metrics('{"group": "patient"}', 'train_split.visits_otherwise', algorithm) AS any_order,
	fold_metrics('{"group": ["patient", "kind"]}', 'SELECT id, patient::text, NULL::text AS kind, x, y, label FROM train_split.visits', algorithm) =
	fold_metrics('{"column": "fold"}', 'train_split.visits', algorithm) AS text_and_null
FROM unnest('{ridge,logistic,lasso}'::text[]) algorithm;
SELECT fold_metrics('{"group": "patient"}', 'train_split.visits', 'ridge', 9);
SELECT fold_metrics('{"group": "patient"}', 'SELECT * FROM train_split.visits WHERE patient = 1', 'ridge', 2);
-- a holdout of few groups comes as near to the share as they allow, whatever the seed: of 300 rows 60, 3 (the least group has 10), 297, and 120
SELECT fraction, a.algorithm, array_agg(DISTINCT abs((metrics->>'validation_rows')::int - fraction * 300)) AS off
FROM (VALUES (0.2), (0.01), (0.99), (0.4)) f(fraction), (VALUES ('linear', 'y'), ('logistic', 'label'), ('naive_bayes', 'label')) a(algorithm, target), generate_series(1, 3) seed,
	medallion.train('train_split_group_' || a.algorithm, 'train_split.visits', target, a.algorithm, features => '{x}',
		validation => jsonb_build_object('fraction', fraction, 'group', 'patient'), seed => seed)
GROUP BY 1, 2 ORDER BY 1, 2;
-- what parameters want of folds is divided by groups too
SELECT rows, metrics->>'validation_rows' AS held_out FROM medallion.train('train_split_group_lasso', 'train_split.visits', 'y', 'lasso', params => '{"cv": 4}',
	features => '{x}', validation => '{"fraction": 0.2, "group": "patient"}');
SELECT rows FROM medallion.train('train_split_group_lasso', 'train_split.visits', 'y', 'lasso', params => '{"cv": 8}',
	features => '{x}', validation => '{"fraction": 0.2, "group": "patient"}');
SELECT rows FROM medallion.train('train_split_group_lasso', 'SELECT * FROM train_split.visits WHERE patient = 1', 'y', 'linear',
	features => '{x}', validation => '{"fraction": 0.2, "group": "patient"}');
-- rows of weight 0 are not counted: without patients 1 and 2 there are 170, of which 50
SELECT rows, metrics->>'validation_rows' AS held_out FROM medallion.train('train_split_group_weight',
	'SELECT *, CASE WHEN patient > 2 THEN 2.5 ELSE 0 END AS w FROM train_split.visits', 'y', 'linear', weight => 'w',
	features => '{x}', validation => '{"fraction": 0.3, "group": "patient"}');
-- more groups than are counted one by one: a large one still gets a fold of its own, the share is still met
CREATE TABLE logs AS SELECT i AS id, CASE WHEN i <= 30000 THEN -1 ELSE i END AS session, (i * 37 % 101)::float8 AS x, (i % 13)::float8 AS y FROM generate_series(1, 140000) i;
SELECT abs((metrics->>'validation_rows')::int - 35000) < 700 AS near FROM medallion.train('train_split_logs', 'train_split.logs', 'y', 'linear', features => '{x}',
	validation => '{"fraction": 0.25, "group": "session"}');
SELECT medallion.sweep('train_split_folds_logs', 'train_split.logs', 'y', 'ridge', '{"alpha": [1]}', cv => 4, features => '{x}', folds => '{"group": "session"}', wait => true) AS id \gset
SELECT state, cardinality(fold_metrics) FROM medallion.trials WHERE sweep_id = :id;
SELECT medallion.drop_sweep(:id);
DROP TABLE logs;
-- times that many rows share: a stretch begins with a time, none is empty, a holdout comes as near to its share as times allow
CREATE TABLE days AS SELECT i AS id, i * 1.5 AS x, i * 2.0 + i % 3 AS y, CASE WHEN i % 4 = 0 THEN 'a' ELSE 'b' END AS label, least(i, 10) AS early, greatest(i, 9) AS late,
	greatest(i, 10) AS last, i / 3 AS third, '2026-01-01'::date AS same, nullif(i % 3, 0) AS grp, i % 4 AS g FROM generate_series(1, 12) i;
SELECT name, held_out(jsonb_build_object('fraction', fraction, 'time', name), 'linear', 'train_split.days') AS rows
FROM (VALUES (1, 'early', 0.1), (2, 'late', 0.2), (3, 'third', 0.25), (4, 'third', 0.05), (5, 'id', 0.25)) v(i, name, fraction) ORDER BY i;
SELECT held_out('{"fraction": 0.2, "time": "same"}', 'linear', 'train_split.days');
SELECT fold_metrics('{"time": "third"}', 'train_split.days', 'ridge', 2) IS NOT NULL AS third;
SELECT fold_metrics('{"time": "last"}', 'train_split.days', 'ridge', 3);
SELECT fold_metrics('{"time": "same"}', 'train_split.days', 'ridge', 3);
SELECT fold_metrics('{"time": "grp"}', 'train_split.days', 'ridge', 2);
-- fewer rows than folds, however they are divided; rows without a number; NULL as a group; a group that is a feature too
SELECT fold_metrics(NULL, 'SELECT * FROM train_split.days WHERE id <= 4', 'ridge', 5);
SELECT fold_metrics('{"stratify": true}', 'SELECT * FROM train_split.days WHERE id <= 4', 'logistic', 5);
SELECT fold_metrics('{"time": "id"}', 'SELECT * FROM train_split.days WHERE id <= 4', 'ridge', 5);
SELECT fold_metrics('{"column": "g"}', 'SELECT id, x, y, 1 + id % 3 AS g FROM train_split.days', 'ridge', 4);
SELECT count(DISTINCT sorted) AS null_is_a_group FROM (VALUES ('train_split.days'), ('SELECT x, y, coalesce(grp, 7) AS grp FROM train_split.days')) v(source),
	LATERAL (SELECT array_agg(m ORDER BY m) AS sorted FROM unnest(fold_metrics('{"group": "grp"}', source, 'ridge', 3)::numeric[]) m) s;
SELECT fold_metrics('{"group": "x"}', 'train_split.days', 'ridge', 3) IS NOT NULL AS group_and_feature;
-- classes with fewer rows than there are folds are spread over them, and the folds are of one size, as StratifiedKFold makes them: 12 rows of 60 each
CREATE TABLE kinds AS SELECT i AS id, (i * 7 % 60)::float8 AS x, 'k' || i % 10 AS label FROM generate_series(0, 59) i;
SELECT medallion.sweep('train_split_kinds', 'train_split.kinds', 'label', 'neighbors', '{"n_neighbors": [1]}', cv => 5, features => '{x}', folds => '{"stratify": true}', metric => 'log_loss',
	wait => true) AS id \gset
SELECT state FROM medallion.trials WHERE sweep_id = :id;
SELECT medallion.drop_sweep(:id);
SELECT medallion.sweep('train_split_kinds', 'train_split.kinds', 'label', 'neighbors', '{"n_neighbors": [2]}', cv => 5, features => '{x}', folds => '{"stratify": true}', metric => 'accuracy',
	wait => true) AS id \gset
SELECT bool_and(abs(m * 12 - round(m * 12)) < 1e-9 AND m BETWEEN 0 AND 1) AS twelfths FROM medallion.trials, unnest(fold_metrics) m WHERE sweep_id = :id;
SELECT medallion.drop_sweep(:id);
-- the share of a stratified holdout is that of all rows, be the classes ever so small; of each class a row stays
SELECT metrics->>'validation_rows' AS rows, (metrics->>'accuracy') IS NOT NULL AS scored FROM medallion.train('train_split_small', 'SELECT i % 50 AS x, ''c'' || i % 50 AS label FROM generate_series(0, 99) i',
	'label', 'neighbors', params => '{"n_neighbors": 1, "task": "classification"}', validation => '{"fraction": 0.2, "stratify": true}');
SELECT metrics->>'validation_rows' AS rows FROM medallion.train('train_split_small', 'SELECT i % 50 AS x, ''c'' || i % 50 AS label FROM generate_series(0, 99) i',
	'label', 'neighbors', params => '{"n_neighbors": 1, "task": "classification"}', validation => '{"fraction": 0.9, "stratify": true}');
-- a class of one row: whichever fold has it, the others lack it
DO $$
DECLARE
	told text;
BEGIN
	PERFORM medallion.sweep('train_split_rare', 'SELECT id, x, CASE WHEN id = 3 THEN ''rare'' ELSE label END AS label FROM train_split.days', 'label', 'naive_bayes', '{"var_smoothing": [1e-9]}', cv => 2,
		features => '{x}', folds => '{"stratify": true}', wait => true);
EXCEPTION WHEN data_exception THEN
	GET STACKED DIAGNOSTICS told = PG_EXCEPTION_DETAIL;
	RAISE NOTICE '%', told;
END $$;
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
-- operators of a type may be in another schema than the functions behind them
CREATE SCHEMA train_split_operators;
CREATE TYPE year;
CREATE FUNCTION year_in(cstring) RETURNS year LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION year_out(year) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE TYPE year (INPUT = year_in, OUTPUT = year_out, LIKE = int4);
SELECT format('CREATE FUNCTION year_%s(year, year) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS %L', name, 'int4' || name) FROM unnest('{lt,le,eq,ge,gt}'::text[]) name \gexec
SELECT format('CREATE OPERATOR train_split_operators.%s (LEFTARG = year, RIGHTARG = year, FUNCTION = year_%s)', sign, name)
FROM (VALUES ('<', 'lt'), ('<=', 'le'), ('=', 'eq'), ('>=', 'ge'), ('>', 'gt')) v(sign, name) \gexec
CREATE FUNCTION year_cmp(year, year) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'btint4cmp';
CREATE OPERATOR CLASS year_ops DEFAULT FOR TYPE year USING btree AS OPERATOR 1 train_split_operators.<, OPERATOR 2 train_split_operators.<=, OPERATOR 3 train_split_operators.=,
	OPERATOR 4 train_split_operators.>=, OPERATOR 5 train_split_operators.>, FUNCTION 1 year_cmp(year, year);
CREATE TABLE dated AS SELECT x, label, id::text AS made FROM t;
ALTER TABLE dated ALTER made TYPE year USING year_in(made::cstring);
SELECT held_out('{"fraction": 0.2, "time": "made"}', source => 'train_split.dated');
UPDATE t SET at = NULL, is_test = NULL WHERE id = 77;
SELECT held_out('{"fraction": 0.2, "time": "at"}');
SELECT held_out('{"column": "is_test"}', 'linear');
SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) AS dropped FROM medallion.models WHERE model LIKE 'train\_split\_%';
DROP SCHEMA train_split, train_split_operators CASCADE;
RESET search_path;
DELETE FROM medallion._audit WHERE model LIKE 'train\_split\_%';
