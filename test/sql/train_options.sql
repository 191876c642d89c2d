-- What train() takes and what becomes of it: types, missing values, weights, many columns, labels, deployment.
CREATE SCHEMA train_options;
SET search_path = train_options;
CREATE TYPE size AS ENUM ('small', 'large', 'middle');
CREATE DOMAIN cents AS numeric(10, 2);
SELECT setseed(0.5);
CREATE TABLE t AS SELECT i::smallint AS s, i * 3 % 17 AS i, (i * 7 % 101)::bigint AS b, (i % 13)::real AS r, sin(i) AS d,
	(i % 29 / 4.0)::numeric AS n, (i % 31 / 8.0)::cents AS c, i % 3 = 0 AS flag, (ARRAY['small', 'middle', 'large'])[1 + i % 3]::size AS e,
	('v' || i % 4)::varchar(10) AS v, ('p' || i % 5)::char(6) AS p, ('n' || i % 2)::name AS na, 0::float8 AS "Y ""q""", NULL::text AS label, NULL::int AS digit
FROM generate_series(1, 300) i;
UPDATE t SET "Y ""q""" = s + 2 * i - r + 5 * d + n * c + CASE WHEN flag THEN 1 ELSE 0 END + length(v) + random();
UPDATE t SET label = CASE WHEN d + random() > 0.4 THEN 'ja' ELSE 'nein' END;
UPDATE t SET digit = CASE label WHEN 'ja' THEN 9 ELSE 10 END;

-- every type, and a name that needs quotes; a category of e is flag, and na follows from v: a term of each is aliased
SELECT version, algorithm, rows, round((metrics ->> 'train_r2')::numeric, 6) > 0.99 AS fits
FROM medallion.train('opt_types', 'train_options.t', 'Y "q"', 'linear', exclude => '{label,digit}');
SELECT feature, estimate IS NULL AS aliased, std_error IS NULL AS no_error FROM medallion.coefficients
WHERE model = 'opt_types' ORDER BY position;
SELECT signature -> 'features' -> 6 AS feature, signature -> 'target' AS target, params, seed, source
FROM medallion.model_versions WHERE model = 'opt_types';
-- what it predicts is what it was measured by
SELECT abs(medallion.r2("Y ""q""", medallion.predict('opt_types', t)) - (SELECT (metrics ->> 'train_r2')::float8
	FROM medallion.model_versions WHERE model = 'opt_types')) < 1e-12 AS same FROM t;
-- a view, a query with a comment at its end, a partitioned and a temporary table
CREATE VIEW seen AS SELECT s, d, "Y ""q""" AS y FROM t WHERE s <= 200;
CREATE TEMP TABLE passing AS SELECT * FROM seen;
CREATE TABLE parts (s smallint, d float8, y float8) PARTITION BY LIST (s);
CREATE TABLE parts_1 PARTITION OF parts DEFAULT;
INSERT INTO parts SELECT * FROM seen;
SELECT source, rows FROM (VALUES ('train_options.seen'), ('SELECT s, d, y FROM train_options.seen -- all of it'), ('passing'), ('train_options.parts'),
	('WITH w AS (SELECT * FROM train_options.seen) TABLE w')) v(source), medallion.train('opt_sources', source, 'y', 'linear');
SELECT count(DISTINCT estimate) FROM medallion.coefficients WHERE model = 'opt_sources' AND feature = 'd';

-- missing values: imputation with means and the most frequent category of the training rows, also where they are predicted
CREATE TABLE holes AS SELECT s, NULLIF(i, 3) AS i, CASE WHEN s % 10 <> 0 THEN d END AS d, CASE WHEN s % 7 <> 0 THEN v END AS v,
	CASE WHEN s % 9 <> 0 THEN flag END AS flag, "Y ""q""" AS y, label FROM t;
SELECT version, rows, (metrics ->> 'train_r2')::float8 > 0.9 AS fits
FROM medallion.train('opt_holes', 'train_options.holes', 'y', 'linear', exclude => '{label}', preprocess => '{"impute": "mean"}');
CREATE TABLE filled AS SELECT s, coalesce(i, avg(i) OVER ()) AS i, coalesce(d, avg(d) OVER ()) AS d,
	coalesce(v, (SELECT v FROM holes WHERE v IS NOT NULL GROUP BY v ORDER BY count(*) DESC, v COLLATE "C" LIMIT 1)) AS v,
	coalesce(flag::int, avg(flag::int) OVER ()) AS flag, y, label FROM holes;
SELECT rows FROM medallion.train('opt_filled', 'train_options.filled', 'y', 'linear', exclude => '{label}');
SELECT count(*), max(abs(a.estimate - b.estimate)) < 1e-9 AS same_coefficients
FROM medallion.coefficients a JOIN medallion.coefficients b USING (feature) WHERE a.model = 'opt_holes' AND b.model = 'opt_filled';
SELECT max(abs(medallion.predict('opt_holes', h) - medallion.predict('opt_filled', f))) < 1e-8 AS same_predictions
FROM holes h JOIN filled f USING (s);
SELECT rows FROM medallion.train('opt_holes_l', 'train_options.holes', 'label', 'logistic', exclude => '{y}', preprocess => '{"impute": "mean"}');
SELECT rows FROM medallion.train('opt_filled_l', 'train_options.filled', 'label', 'logistic', exclude => '{y}');
SELECT count(*), max(abs(a.estimate - b.estimate)) < 1e-9 AS same_coefficients
FROM medallion.coefficients a JOIN medallion.coefficients b USING (feature) WHERE a.model = 'opt_holes_l' AND b.model = 'opt_filled_l';

-- a category that training did not see is an error, or zeros if that was asked for
SELECT rows FROM medallion.train('opt_seen', 'SELECT v, d, y FROM train_options.filled WHERE v <> ''v1''', 'y', 'ridge');
SELECT medallion.predict('opt_seen', x) FROM (SELECT 'v1'::text AS v, 0.5 AS d) x;
SELECT rows FROM medallion.train('opt_zero', 'SELECT v, d, y FROM train_options.filled WHERE v <> ''v1''', 'y', 'ridge', preprocess => '{"unknown": "zero"}');
SELECT abs(medallion.predict('opt_zero', x) - (SELECT sum(estimate * CASE feature WHEN '(intercept)' THEN 1 WHEN 'd' THEN 0.5 ELSE 0 END)
	FROM medallion.coefficients WHERE model = 'opt_zero')) < 1e-9 AS intercept_and_d FROM (SELECT 'v1'::text AS v, 0.5 AS d) x;

-- weights are as good as repeated rows; 0 leaves a row out
SELECT rows FROM medallion.train('opt_weights', 'SELECT s, d, y, s % 4 AS w FROM train_options.filled', 'y', 'ridge', weight => 'w');
SELECT rows FROM medallion.train('opt_repeated', 'SELECT s, d, y FROM train_options.filled, generate_series(1, s % 4)', 'y', 'ridge');
SELECT max(abs(a.estimate - b.estimate)) < 1e-10 AS same FROM medallion.coefficients a JOIN medallion.coefficients b USING (feature)
WHERE a.model = 'opt_weights' AND b.model = 'opt_repeated';
SELECT rows FROM medallion.train('opt_weights_l', 'SELECT s, d, label, s % 4 AS w FROM train_options.filled', 'label', 'logistic', weight => 'w');
SELECT rows FROM medallion.train('opt_repeated_l', 'SELECT s, d, label FROM train_options.filled, generate_series(1, s % 4)', 'label', 'logistic');
SELECT max(abs(a.estimate - b.estimate)) < 1e-9 AS same FROM medallion.coefficients a JOIN medallion.coefficients b USING (feature)
WHERE a.model = 'opt_weights_l' AND b.model = 'opt_repeated_l';

-- more columns than a function takes: 150 numbers and a text, the same as with the 3 that matter
DO $$ BEGIN
	EXECUTE (SELECT format('CREATE TABLE wide AS SELECT %s, v, y FROM filled',
		string_agg(format('%s AS x%s', CASE k WHEN 77 THEN 'd' WHEN 149 THEN 's' ELSE format('sin(s * %s)', k) END, k), ', ' ORDER BY k))
		FROM generate_series(1, 150) k);
END $$;
SELECT rows, round((metrics ->> 'df_residual')::numeric) AS df FROM medallion.train('opt_wide', 'train_options.wide', 'y', 'linear');
SELECT rows FROM medallion.train('opt_narrow', 'train_options.wide', 'y', 'linear', features => '{x149,v,x77}');
SELECT rows FROM medallion.train('opt_picked', 'SELECT s AS x149, v, d AS x77, y FROM train_options.filled', 'y', 'linear');
SELECT count(*), max(abs(a.estimate - b.estimate)) < 1e-12 AS same FROM medallion.coefficients a JOIN medallion.coefficients b USING (feature)
WHERE a.model = 'opt_narrow' AND b.model = 'opt_picked';
SELECT abs(medallion.r2(y, medallion.predict('opt_wide', w)) - (SELECT (metrics ->> 'train_r2')::float8
	FROM medallion.model_versions WHERE model = 'opt_wide')) < 1e-9 AS same FROM wide w;
SELECT rows FROM medallion.train('opt_wide_l', 'SELECT w.*, f.label FROM train_options.wide w JOIN train_options.filled f ON f.s = w.x149', 'label', 'logistic', exclude => '{y}');

-- labels of any type; the positive class is the last in the order of bytes: 9 after 10
SELECT model, (metrics ->> 'train_accuracy')::float8 > 0.7 AS fits FROM
	(VALUES ('opt_text', 'label'), ('opt_int', 'digit'), ('opt_bool', 'flag'), ('opt_enum', 'e')) v(name, target),
	medallion.train(name, 'SELECT d, r, label, digit, d > 0.3 AND r > 3 AS flag, CASE WHEN d > 0 THEN ''small'' ELSE ''large'' END::train_options.size AS e FROM train_options.t', target, 'logistic', features => '{d,r}');
SELECT model, min(class) AS class, medallion.classes(model) FROM medallion.coefficients WHERE model IN ('opt_text', 'opt_int', 'opt_bool', 'opt_enum') GROUP BY model ORDER BY model COLLATE "C";
-- ja is 9, so what speaks for nein speaks against 9
SELECT count(*), bool_and(abs(a.estimate + b.estimate) < 1e-9) AS mirrored FROM medallion.coefficients a JOIN medallion.coefficients b USING (feature)
WHERE a.model = 'opt_text' AND b.model = 'opt_int';
SELECT medallion.accuracy(label, medallion.predict_class('opt_text', t)) = (SELECT (metrics ->> 'train_accuracy')::float8
	FROM medallion.model_versions WHERE model = 'opt_text') AS accuracy,
	abs(medallion.roc_auc(label = 'nein', medallion.predict('opt_text', t)) - (SELECT (metrics ->> 'train_roc_auc')::float8
	FROM medallion.model_versions WHERE model = 'opt_text')) < 1e-12 AS roc_auc FROM t;

-- holdout: what is left is trained on, and the metrics without prefix are those of the holdout
SELECT rows + (metrics ->> 'validation_rows')::int AS all_rows, metrics ?& '{r2,rmse,mae,mse,train_r2,train_rmse}' AS metrics
FROM medallion.train('opt_holdout', 'train_options.filled', 'y', 'linear', exclude => '{label}', validation => '{"fraction": 0.3}');
SELECT rows + (metrics ->> 'validation_rows')::int AS all_rows, metrics ?& '{roc_auc,accuracy,log_loss,f1,train_roc_auc}' AS metrics
FROM medallion.train('opt_holdout_l', 'train_options.filled', 'label', 'logistic', exclude => '{y}', validation => '{"fraction": 0.3}');

-- deployment: always; if_better only then
SELECT version FROM medallion.train('opt_deploy', 'SELECT s, d, y FROM train_options.filled', 'y', 'linear', deploy => 'if_better');
SELECT version FROM medallion.train('opt_deploy', 'SELECT d, y FROM train_options.filled', 'y', 'linear', deploy => 'if_better');
SELECT version FROM medallion.train('opt_deploy', 'SELECT s, d, i, y FROM train_options.filled', 'y', 'linear', deploy => 'if_better');
SELECT version FROM medallion.train('opt_deploy', 'SELECT s, d, y FROM train_options.filled', 'y', 'linear');
SELECT alias, version, previous_version FROM medallion.alias_history WHERE model = 'opt_deploy';
SELECT version FROM medallion.train('opt_deploy', 'SELECT s, d, y FROM train_options.filled', 'y', 'linear', deploy => 'if_better', validation => '{"fraction": 0.5}');
SELECT version FROM medallion.train('opt_deploy', 'SELECT d, y FROM train_options.filled', 'y', 'linear', deploy => 'always');
SELECT alias, version FROM medallion.aliases WHERE model = 'opt_deploy';

-- the baseline for monitoring is kept with each version
SELECT m.name, count(b.*) > 0 AS has_baseline FROM medallion._models m JOIN medallion._model_versions v USING (model_id)
LEFT JOIN medallion._model_blobs b ON b.version_id = v.version_id AND b.kind = 'baseline'
WHERE m.name IN ('opt_types', 'opt_holes', 'opt_bool') GROUP BY m.name ORDER BY m.name COLLATE "C";
-- what there is to choose from
SELECT algorithm, tasks, parameter, type, default_value, minimum, maximum FROM medallion.algorithms
WHERE algorithm IN ('linear', 'logistic', 'ridge') ORDER BY algorithm COLLATE "C", parameter COLLATE "C";
SELECT count(*) FROM medallion.algorithms WHERE description !~ '\.$';
-- an aborted training leaves nothing
BEGIN;
SELECT version FROM medallion.train('opt_gone', 'train_options.seen', 'y', 'linear', deploy => 'always');
ROLLBACK;
SELECT count(*) FROM medallion.models WHERE model = 'opt_gone';
SET client_min_messages = warning;
SELECT count(medallion.drop_model(model, force => true)) > 10 AS dropped FROM medallion.models WHERE model LIKE 'opt\_%';
DROP TABLE passing;
DROP SCHEMA train_options CASCADE;
