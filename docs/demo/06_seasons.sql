-- Half a year in production: each month arrives, is cleaned, scored before its outcome counts, and watched for drift.
SET timezone = 'America/New_York';
SET client_min_messages = warning;
\echo '6. THE SECOND HALF OF THE YEAR -- month by month: ingest, refresh, features, scores, drift'
\echo
\set ECHO queries
CREATE TABLE gold.live_features AS SELECT * FROM gold.delay_training WITH NO DATA;

SELECT monitor, cardinality(compared_columns) AS compared_columns FROM medallion.create_monitor('delay_live', model => 'delay',
  source => 'gold.live_features', at => 'scheduled_at', window_size => '1 month');

SELECT * FROM medallion.predict_batch('delay', source => 'SELECT * FROM gold.live_features WHERE false',
  target_table => 'gold.delay_scores', keys => '{scheduled_at,carrier,flight}');
\set ECHO none
\set month 07
\ir month.sql
\set month 08
\ir month.sql
\set month 09
\ir month.sql
\set month 10
\ir month.sql
\set month 11
\ir month.sql
\set month 12
\ir month.sql
\echo
\echo 'How good were the scores?  The trivial baseline knows how often flights of that airport and hour were late from'
\echo 'January to June.  0.5 is a coin.'
\echo
\set ECHO queries
WITH habit AS (
  SELECT origin, hour, avg(late::int)::float8 AS late_rate FROM gold.delay_training GROUP BY 1, 2)
SELECT to_char(to_date(f.month::text, 'MM'), 'Month') AS month, count(*) AS flights,
       round(100 * avg(f.late::int), 1) AS percent_late,
       round(100 * avg(s.probability)::numeric, 1) AS percent_expected,
       round(medallion.roc_auc(f.late, s.probability)::numeric, 3) AS auc_model,
       round(medallion.roc_auc(f.late, coalesce(h.late_rate, 0.25))::numeric, 3) AS auc_baseline
FROM gold.delay_scores s
JOIN gold.flights_to_predict f USING (scheduled_at, carrier, flight)
LEFT JOIN habit h USING (origin, hour)
GROUP BY f.month ORDER BY f.month;
\set ECHO none
\echo 'Do the probabilities mean what they say?  On the diagonal, of the flights that were given 0.3, 30 percent were late.'
\echo
\set ECHO queries
SELECT medallion.plot(array_agg(p ORDER BY p), array_agg(late ORDER BY p), title => 'Late flights, July to December',
  x_label => 'probability given', y_label => 'share late', height => 14, groups => array_agg(name ORDER BY p))
FROM (SELECT CASE WHEN f.month < 10 THEN 'July to September' ELSE 'October to December' END AS name,
             medallion.calibration_curve(f.late, s.probability, 8) AS bins
      FROM gold.delay_scores s JOIN gold.flights_to_predict f USING (scheduled_at, carrier, flight) GROUP BY 1) c,
     LATERAL (SELECT mean_probability AS p, observed AS late FROM unnest(bins) WHERE rows >= 100) b
\g (tuples_only=on format=unaligned)
\set ECHO none
\echo
\echo 'What drifted as the seasons turned: the three largest population stability indexes (PSI) of each month; from 0.2 on it'
\echo 'is drift.  All of it is in medallion.drift, what was raised in medallion.alerts.'
\echo
SELECT to_char(window_start, 'Month') AS month, column_name, round(value::numeric, 2) AS psi, round(ks::numeric, 2) AS ks,
       round(reference_mean::numeric, 2) AS mean_in_training, round(mean::numeric, 2) AS mean_now, drifted
FROM (SELECT window_start, column_name, max(value) FILTER (WHERE statistic = 'psi') AS value,
             max(value) FILTER (WHERE statistic = 'ks') AS ks, max(value) FILTER (WHERE statistic = 'mean') AS mean,
             max(reference) FILTER (WHERE statistic = 'mean') AS reference_mean, bool_or(drifted) AS drifted,
             rank() OVER (PARTITION BY window_start ORDER BY max(value) FILTER (WHERE statistic = 'psi') DESC) AS place
      FROM medallion.drift WHERE monitor = 'delay_live' GROUP BY window_start, column_name) d
WHERE place <= 3 ORDER BY window_start, place;
\set ECHO none
\echo 'Summer heat and December cold are far from what January to June looked like, and the monitor says so; the ranking of'
\echo 'flights (AUC) hardly suffers.  Drift of the inputs is a reason to look, not yet a reason to retrain.'
\echo
