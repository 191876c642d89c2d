-- Monitors against models: inputs and predictions, promotion, rights, models without a baseline.
\pset null (null)
SET timezone = 'UTC';
CREATE SCHEMA monitor_model;
CREATE TABLE monitor_model.training AS
SELECT g AS id, g * 7919 % 1000 / 10.0::float8 AS x, (ARRAY['AA', 'B6', 'DL'])[1 + g % 3] AS carrier,
       2 * (g * 7919 % 1000 / 10.0::float8) + CASE g % 3 WHEN 0 THEN 5 ELSE 0 END + (g * 104729 % 10) / 10.0 AS y
FROM generate_series(1, 3000) g;
SELECT model, version, algorithm FROM medallion.train('monitor_model', source => 'monitor_model.training', target => 'y',
	algorithm => 'ridge', exclude => '{id}');
-- New rows: January as in training, February with larger x, March with NULL and an unknown carrier.
CREATE TABLE monitor_model.live AS
SELECT '2013-01-01'::timestamp + g * interval '10 min' AS at, g * 7919 % 1000 / 10.0::float8 AS x, (ARRAY['AA', 'B6', 'DL'])[1 + g % 3] AS carrier
FROM generate_series(0, 4463) g
UNION ALL
SELECT '2013-02-01'::timestamp + g * interval '10 min', 30 + g * 7919 % 1000 / 10.0::float8, (ARRAY['AA', 'B6', 'DL'])[1 + g % 3]
FROM generate_series(0, 4031) g
UNION ALL
SELECT '2013-03-01'::timestamp + g * interval '10 min', CASE WHEN g % 2 = 0 THEN g * 7919 % 1000 / 10.0::float8 END,
       CASE WHEN g % 5 = 0 THEN 'ZZ' ELSE (ARRAY['AA', 'B6', 'DL'])[1 + g % 3] END
FROM generate_series(0, 4463) g;
SELECT monitor, compared_columns FROM medallion.create_monitor('live', 'monitor_model', 'monitor_model.live', at => 'at', window_size => '1 month');
SELECT * FROM medallion.run_monitor('live');
SELECT window_start::date, column_name, statistic, round(value::numeric, 2) AS value, model, model_version
FROM medallion.drift WHERE monitor = 'live' AND drifted ORDER BY 1, 2, 3;
SELECT window_start::date, statistic, round(value::numeric, 1) AS value, round(reference::numeric, 1) AS reference
FROM medallion.drift WHERE monitor = 'live' AND column_name = '(prediction)' AND statistic IN ('mean', 'null_rate') ORDER BY 1, 2;
-- Only the prediction, or only an input.
SELECT compared_columns FROM medallion.create_monitor('prediction', 'monitor_model/1', 'monitor_model.live', columns => '{(prediction)}');
SELECT rows, drifted FROM medallion.run_monitor('prediction');
SELECT DISTINCT column_name FROM medallion.drift WHERE monitor = 'prediction';
SELECT medallion.create_monitor('no input', 'monitor_model', 'SELECT carrier FROM monitor_model.live', columns => '{(prediction)}');
SELECT compared_columns FROM medallion.create_monitor('input', 'monitor_model', 'SELECT carrier FROM monitor_model.live', columns => '{carrier}');
SELECT rows, drifted FROM medallion.run_monitor('input');

-- After a promotion new windows are compared with the new version, recorded ones stay.
SELECT model, version FROM medallion.train('monitor_model', source => 'SELECT x + 30 AS x, carrier, y FROM monitor_model.training',
	target => 'y', algorithm => 'ridge');
INSERT INTO monitor_model.live SELECT at + interval '59 days', x, carrier FROM monitor_model.live WHERE at < '2013-03-01' AND at >= '2013-02-01';
SELECT windows, drifted FROM medallion.run_monitor('live');
SELECT DISTINCT window_start::date, model_version FROM medallion.drift WHERE monitor = 'live' ORDER BY 1;

-- Mistakes and rights.
SELECT medallion.create_monitor('x', 'no_such_model', 'monitor_model.live');
SELECT medallion.create_monitor('x', 'monitor_model/9', 'monitor_model.live');
SELECT medallion.create_monitor('x', 'monitor_model', 'monitor_model.live', columns => '{weight}');
SELECT medallion.create_monitor('x', 'monitor_model', 'SELECT carrier FROM monitor_model.live');
SELECT medallion.create_monitor('x', 'monitor_model', 'SELECT x::text, carrier FROM monitor_model.live');
DELETE FROM medallion._model_blobs WHERE kind = 'baseline' AND version_id =
	(SELECT max(version_id) FROM medallion._model_versions v JOIN medallion._models m USING (model_id) WHERE m.name = 'monitor_model');
SELECT medallion.create_monitor('x', 'monitor_model', 'monitor_model.live');
UPDATE medallion._model_blobs SET content = overlay(content PLACING '\xdeadbeef' FROM 100) WHERE kind = 'baseline' AND version_id =
	(SELECT max(version_id) - 1 FROM medallion._model_versions v JOIN medallion._models m USING (model_id) WHERE m.name = 'monitor_model');
SELECT medallion.create_monitor('x', 'monitor_model/1', 'monitor_model.live');
CREATE ROLE monitor_carl;
GRANT USAGE ON SCHEMA monitor_model TO monitor_carl;
GRANT SELECT ON monitor_model.live TO monitor_carl;
SET ROLE monitor_carl;
SELECT medallion.create_monitor('x', 'monitor_model', 'monitor_model.live');
RESET ROLE;

SELECT medallion.drop_monitor(monitor) FROM medallion.monitors;
SET client_min_messages = warning;
SELECT medallion.drop_model('monitor_model');
DROP SCHEMA monitor_model CASCADE;
DROP ROLE monitor_carl;
