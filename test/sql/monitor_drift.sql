-- Drift monitors against a reference: windows, statistics, alerts, late rows, mistakes, rights.
\pset null (null)
SET timezone = 'UTC';
CREATE SCHEMA monitor_drift;
CREATE TABLE monitor_drift.training AS
SELECT g * 7919 % 1000 / 10.0::float8 AS temperature, g % 3 = 0 AS flag, (ARRAY['AA', 'B6', 'DL'])[1 + g % 3] AS carrier,
       CASE WHEN g % 20 <> 0 THEN g % 100 END AS gate
FROM generate_series(1, 5000) g;
CREATE TABLE monitor_drift.live (at timestamptz, temperature float8, flag bool, carrier text, gate numeric, note text);
-- January as in training, nothing in February, March warmer and with a new carrier, too few rows in April, gates missing in May.
INSERT INTO monitor_drift.live
SELECT '2013-01-01'::timestamptz + g * interval '10 min', g * 7919 % 1000 / 10.0, g % 3 = 0, (ARRAY['AA', 'B6', 'DL'])[1 + g % 3],
       CASE WHEN g % 20 <> 0 THEN g % 100 END FROM generate_series(0, 4463) g;
INSERT INTO monitor_drift.live
SELECT '2013-03-01'::timestamptz + g * interval '10 min', 20 + g * 7919 % 1000 / 10.0, g % 3 = 0, (ARRAY['AA', 'B6', 'XX'])[1 + g % 3],
       CASE WHEN g % 20 <> 0 THEN g % 100 END FROM generate_series(0, 4463) g;
INSERT INTO monitor_drift.live SELECT '2013-04-01'::timestamptz + g * interval '1 day', 100, true, 'AA', 1 FROM generate_series(0, 29) g;
INSERT INTO monitor_drift.live
SELECT '2013-05-01'::timestamptz + g * interval '10 min', g * 7919 % 1000 / 10.0, g % 3 = 0, (ARRAY['AA', 'B6', 'DL'])[1 + g % 3],
       CASE WHEN g % 20 = 1 THEN g / 20 % 100 END FROM generate_series(0, 4463) g;

SELECT monitor, compared_columns, job > 0 AS job
FROM medallion.create_monitor('monthly', NULL, 'monitor_drift.live', at => 'at', window_size => '1 month',
                              reference => 'monitor_drift.training');
SELECT * FROM medallion.run_monitor('monthly');
SELECT window_start::date, window_end::date, max(rows) AS rows, count(*) AS statistics, count(value) AS computed,
       string_agg(column_name || ' ' || statistic, ', ' ORDER BY column_name, statistic) FILTER (WHERE drifted) AS drifted
FROM medallion.drift WHERE monitor = 'monthly' GROUP BY 1, 2 ORDER BY 1;
SELECT column_name, statistic, round(value::numeric, 3) AS value, threshold, drifted, state, round(reference::numeric, 3) AS reference
FROM medallion.drift WHERE monitor = 'monthly' AND window_start = '2013-03-01' ORDER BY column_name, statistic;
-- What is missing is seen by its rate and by PSI, not by the distance of what is left.
SELECT statistic, round(value::numeric, 2) AS value, drifted FROM medallion.drift
WHERE monitor = 'monthly' AND window_start = '2013-05-01' AND column_name = 'gate' AND threshold IS NOT NULL ORDER BY statistic;
SELECT window_start::date, column_name, statistic, round(value::numeric, 3) AS value, threshold, slice, model
FROM medallion.alerts WHERE monitor = 'monthly' ORDER BY window_start, column_name;
SELECT monitor, source, reference, at, window_size, every, min_rows, windows, checked_until, is_scheduled
FROM medallion.monitors WHERE monitor = 'monthly';

-- Once computed, a window is not computed again; the last one is when rows were added, and raises no alert twice.
SELECT * FROM medallion.run_monitor('monthly');
SELECT count(*) AS alerts FROM medallion.alerts WHERE monitor = 'monthly' \gset
INSERT INTO monitor_drift.live SELECT '2013-05-31 23:59', 50, true, 'AA', 1 FROM generate_series(1, 10);
INSERT INTO monitor_drift.live SELECT '2013-02-03', 50, true, 'AA', 1 FROM generate_series(1, 10);
SELECT * FROM medallion.run_monitor('monthly');
SELECT count(*) = :alerts AS no_new_alert FROM medallion.alerts WHERE monitor = 'monthly';
SELECT window_start::date, max(rows) AS rows FROM medallion.drift WHERE monitor = 'monthly' GROUP BY 1 ORDER BY 1;
-- With lateness older windows are looked at again too.
SELECT monitor FROM medallion.create_monitor('late', NULL, 'monitor_drift.live', at => 'at', window_size => '1 month',
	columns => '{temperature}', thresholds => '{"ks": null, "psi": 0.5, "wasserstein": 0.3}', lateness => '6 months',
	start_at => '2013-02-10', reference => 'SELECT temperature FROM monitor_drift.training');
SELECT * FROM medallion.run_monitor('late');
SELECT window_start::date, string_agg(statistic, ' ' ORDER BY statistic) FILTER (WHERE threshold IS NOT NULL) AS judged,
       string_agg(statistic, ' ' ORDER BY statistic) FILTER (WHERE drifted) AS drifted
FROM medallion.drift WHERE monitor = 'late' GROUP BY 1 ORDER BY 1;
INSERT INTO monitor_drift.live SELECT '2013-03-03', 50, true, 'AA', 1 FROM generate_series(1, 10);
SELECT * FROM medallion.run_monitor('late');

-- A window that has not ended by the clock waits; rows of the far future do no harm.
TRUNCATE monitor_drift.live;
-- (Not just before the hour turns.)
DO $$ BEGIN PERFORM pg_sleep(extract(epoch FROM date_trunc('hour', now()) + interval '1 hour 1 s' - now())) WHERE extract(minute FROM now()) >= 58; END $$;
SELECT monitor FROM medallion.create_monitor('hourly', NULL, 'monitor_drift.live', at => 'at', window_size => '1 hour',
	columns => '{flag}', min_rows => 1, reference => 'monitor_drift.training');
SELECT * FROM medallion.run_monitor('hourly');
INSERT INTO monitor_drift.live (at, flag) VALUES ('infinity', true), ('-infinity', true), (NULL, true), (now() + interval '10 days', true), (now(), true);
SELECT * FROM medallion.run_monitor('hourly');
INSERT INTO monitor_drift.live (at, flag) VALUES (date_trunc('hour', now()) - interval '3 hours', true), (date_trunc('hour', now()) - interval '1 us', false);
SELECT * FROM medallion.run_monitor('hourly');
SELECT state, max(rows) AS rows, count(DISTINCT window_start) AS windows FROM medallion.drift
WHERE monitor = 'hourly' AND statistic = 'psi' GROUP BY 1 ORDER BY 1;

-- Without a column of time each run looks at everything.
SELECT monitor FROM medallion.create_monitor('snapshot', NULL, $$SELECT flag::int AS flag, 'AA'::varchar AS carrier FROM monitor_drift.training -- all$$,
	reference => 'SELECT flag, carrier FROM monitor_drift.training;');
SELECT * FROM medallion.run_monitor('snapshot');
SELECT pg_sleep(0.001);
SELECT * FROM medallion.run_monitor('snapshot');
SELECT count(DISTINCT window_start) AS windows, bool_and(window_start = window_end) AS no_length,
       string_agg(DISTINCT column_name, ' ') FILTER (WHERE drifted) AS drifted
FROM medallion.drift WHERE monitor = 'snapshot';

-- Mistakes.
SELECT medallion.run_monitor('none');
SELECT medallion.drop_monitor('none');
SELECT medallion.create_monitor('snapshot', NULL, 'monitor_drift.live', columns => '{flag}', reference => 'monitor_drift.training');
SELECT medallion.create_monitor('x', 'no_such_model', 'monitor_drift.live');
SELECT medallion.create_monitor('x', NULL, 'monitor_drift.live');
SELECT medallion.create_monitor('x', 'm', 'monitor_drift.live', reference => 'monitor_drift.training');
SELECT medallion.create_monitor(NULL, NULL, 'monitor_drift.live', reference => 'monitor_drift.training');
SELECT medallion.create_monitor('', NULL, 'monitor_drift.live', reference => 'monitor_drift.training');
SELECT medallion.create_monitor('x', NULL, NULL, reference => 'monitor_drift.training');
SELECT medallion.create_monitor('x', NULL, 'monitor_drift.none', reference => 'monitor_drift.training');
SELECT medallion.create_monitor('x', NULL, 'monitor_drift.live', reference => 'DELETE FROM monitor_drift.training');
SELECT medallion.create_monitor('x', NULL, 'SELECT carrier FROM monitor_drift.live', reference => 'monitor_drift.training');
SELECT medallion.create_monitor('x', NULL, 'SELECT temperature::text, flag, carrier, gate FROM monitor_drift.live', reference => 'monitor_drift.training');
SELECT medallion.create_monitor('x', NULL, 'monitor_drift.live', columns => '{altitude}', reference => 'monitor_drift.training');
SELECT medallion.create_monitor('x', NULL, 'monitor_drift.live', columns => '{}', reference => 'monitor_drift.training');
SELECT medallion.create_monitor('x', NULL, 'monitor_drift.live', columns => '{flag,flag}', reference => 'monitor_drift.training');
SELECT medallion.create_monitor('x', NULL, 'monitor_drift.live', columns => '{flag,NULL}', reference => 'monitor_drift.training');
SELECT medallion.create_monitor('x', NULL, 'monitor_drift.live', columns => '{at}', reference => 'SELECT * FROM monitor_drift.live');
SELECT medallion.create_monitor('x', NULL, 'monitor_drift.live', reference => 'SELECT now() AS at');
SELECT medallion.create_monitor('x', NULL, 'monitor_drift.live', at => 'at', reference => 'monitor_drift.training');
SELECT medallion.create_monitor('x', NULL, 'monitor_drift.live', window_size => '1 day', reference => 'monitor_drift.training');
SELECT medallion.create_monitor('x', NULL, 'monitor_drift.live', at => 'carrier', window_size => '1 day', reference => 'monitor_drift.training');
SELECT medallion.create_monitor('x', NULL, 'monitor_drift.live', at => 'when', window_size => '1 day', reference => 'monitor_drift.training');
SELECT medallion.create_monitor('x', NULL, 'monitor_drift.live', at => 'at', window_size => '0', reference => 'monitor_drift.training');
SELECT medallion.create_monitor('x', NULL, 'monitor_drift.live', at => 'at', window_size => '1 month -1 day', reference => 'monitor_drift.training');
SELECT medallion.create_monitor('x', NULL, 'monitor_drift.live', min_rows => 0, reference => 'monitor_drift.training');
SELECT medallion.create_monitor('x', NULL, 'monitor_drift.live', lateness => '-1 day', reference => 'monitor_drift.training');
SELECT medallion.create_monitor('x', NULL, 'monitor_drift.live', start_at => 'infinity', at => 'at', window_size => '1 day', reference => 'monitor_drift.training');
SELECT medallion.create_monitor('x', NULL, 'monitor_drift.live', thresholds => '{"psy": 1}', reference => 'monitor_drift.training');
SELECT medallion.create_monitor('x', NULL, 'monitor_drift.live', thresholds => '{"psi": "high"}', reference => 'monitor_drift.training');
SELECT medallion.create_monitor('x', NULL, 'monitor_drift.live', thresholds => '{"psi": 0}', reference => 'monitor_drift.training');
SELECT medallion.create_monitor('x', NULL, 'monitor_drift.live', thresholds => '[]', reference => 'monitor_drift.training');
SELECT medallion.create_monitor('x', NULL, 'monitor_drift.live', reference => 'SELECT * FROM monitor_drift.training WHERE false');
SELECT count(*) FROM medallion.monitors WHERE monitor = 'x';
SELECT count(*) FROM medallion.jobs WHERE kind = 'monitor' AND name = 'x';
-- What is wrong by the time of a run fails the run and records nothing.
ALTER TABLE monitor_drift.live RENAME COLUMN temperature TO celsius;
SELECT medallion.run_monitor('monthly');
ALTER TABLE monitor_drift.live RENAME COLUMN celsius TO temperature;
-- The job of a monitor goes with it.
\set VERBOSITY sqlstate
SELECT medallion.drop_job(job) FROM medallion.monitors WHERE monitor = 'late';
\set VERBOSITY default
SELECT medallion.drop_monitor('late');
SELECT count(*) FROM medallion.jobs WHERE kind = 'monitor' AND name = 'late';

-- Rights: the source is read as the monitor's owner, whoever runs it; others neither see nor run nor drop it.
CREATE ROLE monitor_ann;
CREATE ROLE monitor_bob;
GRANT USAGE, CREATE ON SCHEMA monitor_drift TO monitor_ann;
GRANT SELECT ON monitor_drift.training TO monitor_ann;
SET ROLE monitor_ann;
SELECT medallion.create_monitor('hers', NULL, 'monitor_drift.live', columns => '{flag}', reference => 'monitor_drift.training');
SELECT monitor FROM medallion.create_monitor('hers', NULL, 'SELECT flag, monitor_drift.whoami() FROM monitor_drift.training',
	columns => '{flag}', reference => 'monitor_drift.training');
CREATE FUNCTION monitor_drift.whoami() RETURNS name LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'I am %', current_user; END $$;
SELECT monitor FROM medallion.create_monitor('hers', NULL,
	'SELECT flag FROM monitor_drift.training OFFSET CASE WHEN current_user = ''monitor_ann'' THEN 0 ELSE length(monitor_drift.whoami()) END',
	columns => '{flag}', reference => 'monitor_drift.training');
SET ROLE monitor_bob;
SELECT count(*) FROM medallion.monitors;
SELECT count(*) FROM medallion.drift;
SELECT count(*) FROM medallion.alerts;
SELECT medallion.run_monitor('hers');
SELECT medallion.drop_monitor('hers');
SELECT * FROM medallion._drift;
RESET ROLE;
SELECT * FROM medallion.run_monitor('hers');
SELECT current_user = session_user AS still_myself;
SHOW timezone;

SELECT medallion.drop_monitor(monitor) FROM medallion.monitors;
SELECT count(*) FROM medallion.drift;
SET client_min_messages = warning;
DROP SCHEMA monitor_drift CASCADE;
DROP ROLE monitor_ann, monitor_bob;
