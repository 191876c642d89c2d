-- Bad data: found, kept aside, corrected, tried again; and values in many forms made one.
SET timezone = 'America/New_York';
SET client_min_messages = warning;
\echo '2b. BAD DATA -- found, kept aside, mended, tried again'
\echo
\echo 'A wind of 1048 mph at Newark.  The hours around it tell what it must have been; the correction is kept beside the'
\echo 'row as it came, and every refresh applies it for as long as the source brings exactly that row.'
\echo
\set ECHO queries
SELECT observed_at, wind_speed FROM silver.weather
WHERE airport = 'EWR' AND observed_at BETWEEN '2013-02-12 02:00' AND '2013-02-12 04:00' ORDER BY observed_at;

SELECT medallion.correct('silver.weather', _quarantine_id, '{"wind_speed": 16.7}', note => 'mean of the hours around it') AS correction
FROM silver.weather_quarantine WHERE wind_speed > 1000;

SELECT retried, released, rejected, inserted, mode FROM medallion.retry_quarantine('silver.weather');

SELECT original ->> 'wind_speed' AS came, corrected, note FROM medallion.corrections;
\set ECHO none
\echo 'Towers also send reports written by hand: any format of time, any unit, sent again when somebody thinks of it.'
\echo
\o /dev/null
CREATE TABLE bronze.tower_reports (report int PRIMARY KEY, airport text, seen text, visibility text, received timestamptz);
SELECT medallion.enable_versioning('bronze.tower_reports');
INSERT INTO bronze.tower_reports VALUES
  (1, ' jfk', '2013-06-30 08:00', '10 mi', '2013-06-30 08:05'), (2, E'EWR\u00A0', '06/30/2013 08:15', '1,600 m', '2013-06-30 08:20'),
  (3, 'LGA', '30 Jun 2013 08:30', '800', '2013-06-30 08:31'), (4, 'JFK', '2013-06-30 08:00', '6 mi', '2013-06-30 09:00'),
  (5, 'JKF', '2013-06-30 08:45', '3 km', '2013-06-30 08:50'), (6, 'EWR', '31/06/2013 9:00', '2 km', '2013-06-30 09:10'),
  (7, 'LGA', '2013-06-30 09:15', 'poor', '2013-06-30 09:20');
\o
\set ECHO queries
SELECT report, airport, seen, visibility FROM bronze.tower_reports;

SELECT target FROM medallion.define('silver.tower_reports', keys => '{airport,seen_at}', dedupe_by => '{received}', query => $$
  SELECT medallion.clean_text(airport, letter_case => 'upper') AS airport,
         medallion.try_timestamp(seen, '{iso,MM/DD/YYYY HH24:MI,"DD Mon YYYY HH24:MI"}', 'America/New_York') AS seen_at,
         medallion.to_unit(visibility, 'km', default_unit => 'm') AS visibility_km, received, report
  FROM bronze.tower_reports $$);

SELECT medallion.expect('silver.tower_reports', 'when', 'seen_at <= received', on_violation => 'quarantine'),
       medallion.expect('silver.tower_reports', 'how far', 'visibility_km BETWEEN 0 AND 50', on_violation => 'quarantine'),
       medallion.expect_table('silver.tower_reports', 'real airport', 'relationships', '{"columns": "airport", "to": "silver.airports"}'),
       medallion.expect_table('silver.tower_reports', 'no cliff', 'row_count', '{"max_decrease": 0.5}', on_violation => 'fail');

SELECT mode, inserted, rejected FROM medallion.refresh('silver.tower_reports');

SELECT * FROM silver.tower_reports ORDER BY seen_at;

SELECT _quarantine_id, airport, seen_at, visibility_km, report, _reasons FROM silver.tower_reports_quarantine;

SELECT name, kind, action, met, passed, failed, failing_keys FROM medallion.expectation_results WHERE target = 'silver.tower_reports';
\set ECHO none
\echo 'One report is sent again as it should be, one is corrected here, and both are tried again; the wrong airport is mended'
\echo 'too.  Then a source that loses most of its rows: the refresh is refused, and nothing is published.'
\echo
\set ECHO queries
UPDATE bronze.tower_reports SET seen = '06/30/2013 9:00' WHERE report = 6;
UPDATE bronze.tower_reports SET airport = 'JFK' WHERE report = 5;

SELECT retried, released, rejected, inserted, updated, deleted FROM medallion.retry_quarantine('silver.tower_reports',
  (SELECT jsonb_object_agg(_quarantine_id, '{"visibility_km": 1.5}'::jsonb) FROM silver.tower_reports_quarantine WHERE report = 7));

SELECT airport, seen_at, visibility_km FROM silver.tower_reports ORDER BY seen_at;

SELECT name, met, passed, failed FROM medallion.expectation_results e JOIN medallion.refreshes USING (refresh_id)
WHERE e.target = 'silver.tower_reports' ORDER BY refresh_id DESC, name LIMIT 4;
\set ECHO none
CREATE FUNCTION pg_temp.error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN EXECUTE statement; RETURN 'none'; EXCEPTION WHEN check_violation THEN RETURN SQLERRM; END $$;
BEGIN;
\set ECHO queries
DELETE FROM bronze.tower_reports WHERE report > 2;

SELECT pg_temp.error_of($$ SELECT medallion.refresh('silver.tower_reports') $$) AS error;

SELECT count(*) AS reports FROM silver.tower_reports;
\set ECHO none
ROLLBACK;
