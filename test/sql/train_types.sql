-- Dates, timestamps and arrays of numbers as features.
CREATE SCHEMA train_types;
SET search_path = train_types, public;
SET TimeZone = 'Asia/Kolkata';
CREATE TABLE t (id int PRIMARY KEY, day date, at timestamptz, clock timestamp, v real[], n numeric[], y float8, label text);
INSERT INTO t SELECT i, '2024-01-01'::date + i * 37 % 731, '2024-01-01 00:30+00'::timestamptz + i * 7919 % 20000 * interval '1 hour',
	'2024-02-29 23:59:59.999999'::timestamp + i * interval '7 hours', ARRAY[i % 7, i % 11, i % 13], ARRAY[i % 5, 2 ^ (i % 3)], 0, NULL
FROM generate_series(1, 400) i;
UPDATE t SET y = 5 * extract(month FROM day) + 3 * extract(dow FROM day) - 2 * extract(hour FROM at AT TIME ZONE 'UTC') + 0.5 * extract(dow FROM clock)
	+ 7 * v[2] - n[2], label = CASE WHEN v[1] + v[3] > 8 THEN 'high' ELSE 'low' END;
-- what a linear model of the parts learns is what made the target; epochs are in days
SELECT metrics->>'train_r2' > '0.99999' AS fits FROM medallion.train('train_types', 'train_types.t', 'y', 'linear', exclude => '{id,label}');
SELECT feature, round(estimate::numeric, 6) + 0 AS estimate FROM medallion.coefficients WHERE model = 'train_types' ORDER BY position;
-- prediction takes the same types, in any zone, and any array of numbers
SET TimeZone = 'America/New_York';
SELECT count(*), max(abs(medallion.predict('train_types', t) - y)) < 1e-6 AS same FROM t;
SELECT abs(medallion.predict('train_types', q) - y) < 1e-6 AS other_types FROM (SELECT day::timestamp AS day, at, clock, v::int[] AS v, n::float8[] AS n, y FROM t WHERE id = 5) q;
SELECT medallion.predict('train_types', q) FROM (SELECT at AS day, at, clock, v, n FROM t LIMIT 1) q;
SELECT medallion.predict('train_types', q) FROM (SELECT day, at::timestamp AS at, clock, v, n FROM t LIMIT 1) q;
SELECT medallion.predict('train_types', q) FROM (SELECT day, at, clock, v[1:2] AS v, n FROM t LIMIT 1) q;
SELECT medallion.predict('train_types', q) FROM (SELECT day, at, clock, v::text[] AS v, n FROM t LIMIT 1) q;
SELECT medallion.predict('train_types', q) IS NULL AS null_row FROM (SELECT NULL::date AS day, at, clock, v, n FROM t LIMIT 1) q;
-- other learners, scaled or not, cross-validated, with a holdout; a missing time becomes the mean
SELECT rows, (metrics->>'accuracy')::float8 > 0.8 AS good FROM medallion.train('train_types_nb', 'train_types.t', 'label', 'naive_bayes', features => '{v,day}',
	validation => '{"fraction": 0.3}', preprocess => '{"scale": "standard"}');
SELECT rows, (metrics->>'accuracy')::float8 > 0.9 AS good FROM medallion.train('train_types_logistic', 'train_types.t', 'label', 'logistic', features => '{v,at}',
	validation => '{"fraction": 0.3}');
SELECT medallion.sweep('train_types_sweep', 'train_types.t', 'y', 'ridge', '{"alpha": [0.001, 1000000]}', cv => 3, exclude => '{id,label}', workers => 1, wait => true) AS sweep_id \gset
SELECT trial, params, metric > 0.9 AS good FROM medallion.trials WHERE sweep_id = :sweep_id ORDER BY trial;
SELECT medallion.drop_sweep(:sweep_id);
CREATE TABLE missing AS SELECT id, CASE WHEN id % 10 <> 0 THEN day END AS day, y FROM t;
SELECT rows FROM medallion.train('train_types_missing', 'train_types.missing', 'y', 'linear', exclude => '{id}', preprocess => '{"impute": "mean"}');
SELECT medallion.predict('train_types_missing', q) = medallion.predict('train_types_missing', r) AS mean_day
FROM (SELECT NULL::date AS day) q, (SELECT to_timestamp(avg(extract(epoch FROM day))) AT TIME ZONE 'UTC' AS day FROM missing) r;
-- scaled in the model, coefficients are of the scaled columns; predictions do not care
SELECT round((metrics->>'train_r2')::numeric, 5) AS r2 FROM medallion.train('train_types_scaled', 'train_types.t', 'y', 'linear', features => '{v,n,day}', preprocess => '{"scale": "standard"}');
SELECT round((metrics->>'train_r2')::numeric, 5) AS r2 FROM medallion.train('train_types_raw', 'train_types.t', 'y', 'linear', features => '{v,n,day}');
SELECT max(abs(medallion.predict('train_types_scaled', t) - medallion.predict('train_types_raw', t))) < 1e-9 AS same FROM t;
-- errors
SELECT medallion.train('train_types_bad', 'SELECT id, CASE WHEN id = 7 THEN v[1:2] ELSE v END AS v, y FROM train_types.t', 'y', 'linear');
SELECT medallion.train('train_types_bad', 'SELECT id, CASE WHEN id = 7 THEN ARRAY[1, NULL, 3] ELSE v END AS v, y FROM train_types.t', 'y', 'linear');
SELECT medallion.train('train_types_bad', 'SELECT id, CASE WHEN id = 7 THEN ''NaN'' ELSE v[1] END || v[2:3] AS v, y FROM train_types.t', 'y', 'linear');
SELECT medallion.train('train_types_bad', 'SELECT id, ''{}''::float8[] AS v, y FROM train_types.t', 'y', 'linear');
SELECT medallion.train('train_types_bad', 'SELECT id, NULL::float8[] AS v, y FROM train_types.t', 'y', 'linear');
SELECT medallion.train('train_types_bad', 'SELECT id, CASE WHEN id = 7 THEN ''infinity'' ELSE day END AS day, y FROM train_types.t', 'y', 'linear');
RESET TimeZone;
SET client_min_messages = warning;
SELECT count(medallion.drop_model(model)) AS dropped FROM medallion.models WHERE model LIKE 'train\_types%';
DROP SCHEMA train_types CASCADE;
RESET search_path;
DELETE FROM medallion._audit WHERE model LIKE 'train\_types%';
