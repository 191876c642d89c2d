-- offset and exposure of poisson, gamma, tweedie and logistic against R's glm (test/golden/offset_reference.R).
\getenv dir PG_ABS_SRCDIR
\set insurance_file :dir '/golden/offset_insurance.csv'
\set r_file :dir '/golden/offset_r.csv'
\set facts_file :dir '/golden/offset_r_facts.csv'
\set rows_file :dir '/golden/offset_r_rows.csv'
CREATE SCHEMA train_offset;
SET search_path = train_offset, public;
CREATE TABLE insurance (no int PRIMARY KEY, district text, engine text, age text, holders int, claims int, w int GENERATED ALWAYS AS (1 + (no - 1) % 3) STORED, lo float8, half float8, cost float8, large bool);
COPY insurance (no, district, engine, age, holders, claims) FROM :'insurance_file' (FORMAT csv, HEADER);
UPDATE insurance SET lo = ln(holders::float8), half = no % 7 / 16.0, cost = claims * 1.5 + no % 5 + 1, large = claims > 0.15 * holders;
CREATE TABLE r (no int, algorithm text, params jsonb, target text, features text, weighted bool, feature text, estimate float8, std_error float8, p_value float8, hc3 float8, clustered float8);
COPY r FROM :'r_file' (FORMAT csv, HEADER);
CREATE TABLE facts (no int, name text, value float8);
COPY facts FROM :'facts_file' (FORMAT csv, HEADER);
CREATE TABLE predictions (no int, "row" int, value float8);
COPY predictions FROM :'rows_file' (FORMAT csv, HEADER);

SELECT count(t.version) FROM (SELECT DISTINCT no, algorithm, params, target, features, weighted FROM r) k
CROSS JOIN LATERAL medallion.train('train_offset_' || no, 'insurance', target, algorithm, params, features => string_to_array(features, ' '), weight => CASE WHEN weighted THEN 'w' END) t;
SELECT r.no, r.algorithm, r.params - 'penalty' AS params, r.weighted, count(*) AS compared, count(*) FILTER (WHERE abs(c.estimate - r.estimate) < 1e-8 * greatest(1, abs(r.estimate))) AS estimates,
	count(*) FILTER (WHERE abs(c.std_error / r.std_error - 1) < 1e-7) AS std_errors, count(*) FILTER (WHERE abs(c.p_value - r.p_value) <= 1e-6 * r.p_value + 1e-15) AS p_values,
	count(*) FILTER (WHERE abs(h.std_error / r.hc3 - 1) < 1e-6) AS hc3, count(*) FILTER (WHERE abs(g.std_error / r.clustered - 1) < 1e-6) AS clustered
FROM r LEFT JOIN medallion.coefficients c ON c.model = 'train_offset_' || r.no AND c.feature = r.feature
LEFT JOIN LATERAL (SELECT * FROM medallion.inference('train_offset_' || r.no, errors => 'HC3', weight => CASE WHEN r.weighted THEN 'w' END) i WHERE i.feature = r.feature) h ON true
LEFT JOIN LATERAL (SELECT * FROM medallion.inference('train_offset_' || r.no, 'SELECT *, no / 5 AS g FROM insurance', cluster => 'g', weight => CASE WHEN r.weighted THEN 'w' END) i WHERE i.feature = r.feature) g ON true
GROUP BY 1, 2, 3, 4 ORDER BY 1;
SELECT f.name, count(*) AS compared, count(*) FILTER (WHERE abs((v.metrics->>f.name)::float8 - f.value) <= 1e-8 * abs(f.value)) AS same
FROM facts f JOIN medallion.model_versions v ON v.model = 'train_offset_' || f.no GROUP BY 1 ORDER BY 1;
SELECT p.no, count(*) AS compared, count(*) FILTER (WHERE abs(medallion.predict('train_offset_' || p.no, i) / p.value - 1) < 1e-8) AS same FROM predictions p JOIN insurance i ON i.no = p."row" GROUP BY 1 ORDER BY 1;

-- what is kept: the parameter, the column with its role, no coefficient
SELECT model, params, signature->'features' AS features FROM medallion.model_versions WHERE model IN ('train_offset_4', 'train_offset_12') ORDER BY 1;
SELECT feature, kind, null_value, transform, terms, role FROM medallion.model_columns('train_offset_4');
SELECT array_agg(feature ORDER BY position) FROM medallion.coefficients WHERE model = 'train_offset_4';
SELECT attribute, count(*) FROM medallion.model_attributes WHERE model = 'train_offset_4' GROUP BY 1 ORDER BY 1;
\pset format unaligned
\pset tuples_only on
SELECT medallion.summary('train_offset_4');
SELECT medallion.summary('train_offset_1', errors => 'HC1');
\pset format aligned
\pset tuples_only off
SELECT parameter, type, default_value, minimum, description FROM medallion.algorithms WHERE algorithm = 'poisson' AND parameter IN ('offset', 'exposure') ORDER BY 1;

-- without argument "features" the column is none of them; weights and exposure may be one column, as in R
SELECT rows, round((metrics->>'deviance')::numeric, 6) AS deviance FROM medallion.train('train_offset', 'SELECT district, engine, age, holders, claims FROM insurance', 'claims', 'poisson', '{"exposure": "holders"}', preprocess => '{"scale": "standard", "impute": "mean"}');
SELECT array_agg(feature ORDER BY position) FROM medallion.coefficients WHERE model = 'train_offset' AND version = 1;
-- of poisson, rates with the exposure as weight are the same fit
SELECT rows FROM medallion.train('train_offset_rate', 'SELECT district, engine, age, holders, claims / holders::float8 AS rate FROM insurance', 'rate', 'poisson', weight => 'holders');
SELECT max(abs(a.estimate - b.estimate)) < 1e-9 AS estimates, max(abs(a.std_error - b.std_error)) < 1e-8 AS std_errors
FROM medallion.coefficients a JOIN medallion.coefficients b USING (feature) WHERE a.model = 'train_offset_rate' AND b.model = 'train_offset_1';
SELECT rows FROM medallion.train('train_offset', 'SELECT district, holders, cost FROM insurance', 'cost', 'gamma', '{"exposure": "holders"}', weight => 'holders');

-- a penalty; multiples of the exposure move the intercept alone
SELECT a.rows, b.rows FROM medallion.train('train_offset_a', 'SELECT district, engine, holders, claims FROM insurance', 'claims', 'poisson', '{"exposure": "holders", "alpha": 0.5}') a,
	medallion.train('train_offset_b', 'SELECT district, engine, holders / 1000.0 AS holders, claims FROM insurance', 'claims', 'poisson', '{"exposure": "holders", "alpha": 0.5}') b;
SELECT count(*) AS compared, count(*) FILTER (WHERE abs(b.estimate - a.estimate - CASE feature WHEN '(intercept)' THEN ln(1000) ELSE 0 END) < 1e-8) AS same
FROM medallion.coefficients a JOIN medallion.coefficients b USING (feature) WHERE a.model = 'train_offset_a' AND b.model = 'train_offset_b';
SELECT rows FROM medallion.train('train_offset_l2', 'insurance', 'large', 'logistic', '{"offset": "half"}', features => '{w}');
SELECT abs((v.metrics->>'objective')::float8 - (SELECT sum(CASE WHEN large THEN ln(1 + exp(-e)) ELSE ln(1 + exp(e)) END) + max(b) ^ 2 / 2 FROM insurance,
		LATERAL (SELECT max(estimate) FILTER (WHERE feature = 'w') AS b, sum(estimate * CASE feature WHEN 'w' THEN w ELSE 1 END) + half AS e FROM medallion.coefficients WHERE model = 'train_offset_l2') c)) < 1e-8 AS objective
FROM medallion.model_versions v WHERE model = 'train_offset_l2';

-- holdout, calibration, groups of rows, in the background, sweeps
SELECT rows FROM medallion.train('train_offset_held', 'SELECT *, no % 5 = 0 AS held FROM insurance', 'claims', 'poisson', '{"exposure": "holders"}', features => '{district,age}', validation => '{"column": "held"}');
SELECT rows FROM medallion.train('train_offset_rest', 'SELECT district, age, holders, claims FROM insurance WHERE no % 5 > 0', 'claims', 'poisson', '{"exposure": "holders"}');
SELECT v.metrics->'validation_rows' AS held_out, abs((v.metrics->>'rmse')::float8 - sqrt(s.mse)) < 1e-9 AS rmse
FROM medallion.model_versions v, (SELECT avg((claims - medallion.predict('train_offset_held', i)) ^ 2) AS mse FROM insurance i WHERE no % 5 = 0) s WHERE v.model = 'train_offset_held';
SELECT count(*) AS compared, count(*) FILTER (WHERE abs(a.estimate - b.estimate) < 1e-12) AS same
FROM medallion.coefficients a JOIN medallion.coefficients b USING (feature) WHERE a.model = 'train_offset_held' AND b.model = 'train_offset_rest';
SELECT rows FROM medallion.train('train_offset_platt', 'insurance', 'large', 'logistic', '{"offset": "half", "calibration": "sigmoid"}', features => '{w,holders}');
SELECT rows, metrics->'parts' AS parts FROM medallion.train('train_offset_parts', 'insurance', 'claims', 'poisson', '{"exposure": "holders"}', features => '{age}', partition_by => '{district}');
SELECT rows FROM medallion.train('train_offset_part', 'SELECT age, holders, claims FROM insurance WHERE district = ''3''', 'claims', 'poisson', '{"exposure": "holders"}');
SELECT count(*) AS compared, count(*) FILTER (WHERE a.estimate = b.estimate) AS same
FROM medallion.coefficients a JOIN medallion.coefficients b USING (feature) WHERE a.model = 'train_offset_part' AND b.model = 'train_offset_parts' AND b.part = '{"district": "3"}';
SELECT count(*) FILTER (WHERE medallion.predict('train_offset_parts', i) = medallion.predict('train_offset_part', i)) AS same FROM insurance i WHERE district = '3';
SELECT signature->'features' AS features, signature->'partition_by' AS partition_by FROM medallion.model_versions WHERE model = 'train_offset_parts';
SELECT (metrics->>'training_id')::bigint AS training_id FROM medallion.train('train_offset_later', 'insurance', 'claims', 'poisson', '{"exposure": "holders"}', features => '{district,engine,age}', background => true) \gset
DO $$ BEGIN WHILE EXISTS (SELECT FROM medallion.trainings WHERE model = 'train_offset_later' AND state IN ('queued', 'running')) LOOP PERFORM pg_sleep(0.05); END LOOP; END $$;
SELECT t.state, t.error, v.metrics = w.metrics AS as_in_the_foreground FROM medallion.trainings t JOIN medallion.model_versions v USING (model) JOIN medallion.model_versions w ON w.model = 'train_offset_2' WHERE training_id = :training_id;
SELECT medallion.sweep('train_offset_sweep', 'insurance', 'claims', 'poisson', '{"alpha": [0, 0.1, 10], "exposure": "holders"}', cv => 4, metric => 'rmse', features => '{district,engine,age}', wait => true) AS sweep_id \gset
SELECT trial, state, params, metric < 100 AS scored FROM medallion.trials WHERE sweep_id = :sweep_id ORDER BY trial;
SELECT params->'exposure' AS exposure, signature->'features'->3 AS last FROM medallion.model_versions WHERE model = 'train_offset_sweep';
-- of a fold: what a training without it predicts
SELECT medallion.sweep('train_offset_fold', 'SELECT *, 1 + no % 3 AS fold FROM insurance', 'claims', 'poisson', '{"exposure": "holders"}', cv => 3, metric => 'rmse', features => '{age}', folds => '{"column": "fold"}', wait => true) AS sweep_id \gset
SELECT rows FROM medallion.train('train_offset_rest', 'SELECT age, holders, claims FROM insurance WHERE no % 3 > 0', 'claims', 'poisson', '{"exposure": "holders"}');
SELECT abs(t.fold_metrics[1] - sqrt(s.mse)) < 1e-9 AS fold
FROM medallion.trials t, (SELECT avg((claims - medallion.predict('train_offset_rest/2', i)) ^ 2) AS mse FROM insurance i WHERE no % 3 = 0) s WHERE t.sweep_id = :sweep_id;

-- predictions: of rows and batches, by name; twice the exposure, twice the mean
SELECT rows, unpredicted FROM medallion.predict_batch('train_offset_2', 'SELECT no, district, engine, age, nullif(holders, 197) AS holders FROM insurance', 'train_offset.predicted');
SELECT count(*) FILTER (WHERE p.prediction = medallion.predict('train_offset_2', i)) AS same, count(*) AS rows FROM insurance i JOIN predicted p USING (no);
SELECT round((medallion.predict('train_offset_2', q) / medallion.predict('train_offset_2', i))::numeric, 12) AS ratio FROM insurance i, LATERAL (SELECT district, engine, age, 2 * holders AS holders) q WHERE no = 7;
SELECT medallion.predict('train_offset_2', q) FROM (SELECT district, engine, age FROM insurance WHERE no = 7) q;
SELECT medallion.predict('train_offset_2', q) FROM (SELECT district, engine, age, holders::text FROM insurance WHERE no = 7) q;
SELECT medallion.predict('train_offset_2', q) FROM (SELECT district, engine, age, 0 AS holders FROM insurance WHERE no = 7) q;
SELECT medallion.predict('train_offset_2', q) FROM (SELECT district, engine, age, -2.5 AS holders FROM insurance WHERE no = 7) q;
SELECT medallion.predict('train_offset_2', q) FROM (SELECT district, engine, age, 'NaN'::float8 AS holders FROM insurance WHERE no = 7) q;
SELECT medallion.predict('train_offset_2', q) FROM (SELECT district, engine, age, NULL::int AS holders FROM insurance WHERE no = 7) q;
SELECT rows FROM medallion.predict_batch('train_offset_2', 'SELECT no, district, engine, age, holders - 3 AS holders FROM insurance', 'train_offset.predicted_0');
SELECT metric, round(value::numeric, 6) AS value FROM medallion.evaluate('train_offset_2', 'insurance') WHERE metric IN ('rmse', 'r2') ORDER BY 1;
-- monitoring watches it like a feature
SELECT compared_columns FROM medallion.create_monitor('train_offset', model => 'train_offset_2', source => 'SELECT *, now() AS at FROM train_offset.insurance', at => 'at', window_size => '1 month');
SELECT medallion.drop_monitor('train_offset');

-- what can go wrong
SELECT medallion.train('train_offset', 'insurance', 'claims', 'poisson', '{"exposure": "years"}');
SELECT medallion.train('train_offset', 'insurance', 'claims', 'poisson', '{"exposure": 3}');
SELECT medallion.train('train_offset', 'insurance', 'claims', 'poisson', '{"exposure": "district"}');
SELECT medallion.train('train_offset', 'insurance', 'claims', 'poisson', '{"offset": "claims"}');
SELECT medallion.train('train_offset', 'insurance', 'claims', 'poisson', '{"offset": "half", "exposure": "half"}');
SELECT medallion.train('train_offset', 'insurance', 'claims', 'poisson', '{"offset": "half"}', features => '{half,age}');
SELECT medallion.train('train_offset', 'SELECT lo, claims FROM insurance', 'claims', 'poisson', '{"offset": "lo"}');
SELECT medallion.train('train_offset', 'insurance', 'claims', 'poisson', '{"offset": "half"}', features => '{age}', preprocess => '{"columns": {"half": {"scale": "standard"}}}');
SELECT medallion.train('train_offset', 'insurance', 'claims', 'poisson', '{"exposure": "holders", "link": "sqrt"}');
SELECT medallion.train('train_offset', 'insurance', 'claims', 'tweedie', '{"exposure": "holders", "power": 0}');
SELECT medallion.train('train_offset', 'insurance', 'large', 'logistic', '{"exposure": "holders"}');
SELECT medallion.train('train_offset', 'insurance', 'district', 'logistic', '{"offset": "half"}', features => '{holders}');
SELECT medallion.train('train_offset', 'insurance', 'claims', 'linear', '{"offset": "half"}');
SELECT medallion.train('train_offset', 'SELECT age, claims, holders - 3 AS holders FROM insurance', 'claims', 'poisson', '{"exposure": "holders"}');
SELECT medallion.train('train_offset', 'SELECT age, claims, nullif(holders, 197) AS holders FROM insurance', 'claims', 'poisson', '{"exposure": "holders"}', preprocess => '{"impute": "mean"}');
SELECT medallion.train('train_offset', 'SELECT age, claims, CASE no WHEN 9 THEN ''Infinity'' ELSE lo END AS lo FROM insurance', 'claims', 'poisson', '{"offset": "lo"}');
SELECT medallion.sweep('train_offset', 'insurance', 'claims', 'poisson', '{"exposure": ["holders", "w"]}', features => '{age}', wait => true);
SELECT medallion.sweep('train_offset', 'SELECT age, claims, holders - 3 AS holders FROM insurance', 'claims', 'poisson', '{"exposure": "holders"}', features => '{age}', wait => true);
SELECT medallion.glm_state('poisson', '{"offset": "half"}', NULL, claims, 1, holders, half) FROM insurance;
-- an offset that is the same in all rows moves the intercept; large ones do no harm
SELECT a.rows, b.rows FROM medallion.train('train_offset_c', 'SELECT age, claims, 5 AS off FROM insurance', 'claims', 'poisson', '{"offset": "off"}') a,
	medallion.train('train_offset_d', 'SELECT age, claims, -700 AS off FROM insurance', 'claims', 'poisson', '{"offset": "off"}') b;
SELECT round((b.estimate - a.estimate)::numeric, 8) AS moved FROM medallion.coefficients a JOIN medallion.coefficients b USING (feature)
WHERE a.model = 'train_offset_c' AND b.model = 'train_offset_d' AND feature = '(intercept)';
SELECT round((metrics->>'deviance')::numeric, 8) AS deviance, metrics->'converged' AS converged FROM medallion.train('train_offset', 'SELECT no, claims, exp(no::float8) AS e FROM insurance', 'claims', 'poisson', '{"exposure": "e"}');

SET client_min_messages = warning;
SELECT count(medallion.drop_sweep(sweep_id)) FROM medallion.sweeps WHERE model LIKE 'train\_offset%';
SELECT count(medallion.drop_model(model)) FROM medallion.models WHERE model LIKE 'train\_offset%';
DROP SCHEMA train_offset CASCADE;
