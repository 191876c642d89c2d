-- One month of 06_seasons.sql; variable month: 07 to 12.
\o /dev/null
SELECT extract(epoch FROM clock_timestamp()) AS begun \gset
SELECT rows AS flights FROM medallion.ingest('bronze.flights', 'lake', 'flights/2013-' || :'month' || '.csv.gz', options => '{"null": "NA"}') \gset
SELECT medallion.ingest('bronze.weather', 'lake', 'weather/2013-' || :'month' || '.csv.gz', options => '{"null": "NA"}');
SELECT max(rejected) FILTER (WHERE target = 'silver.flights') AS rejected FROM medallion.refresh() \gset
SELECT rows FROM medallion.training_set('gold.month_features', replace => true, keys => '{scheduled_at,carrier,flight}',
  spine => format('SELECT * FROM gold.flights_to_predict WHERE month = %s', :'month'::int),
  features => '{airport_now,airport_cancelled,carrier_now,route,plane,weather_now}');
INSERT INTO gold.live_features SELECT * FROM gold.month_features;
SELECT rows AS scored, version FROM medallion.predict_batch('delay', source => 'gold.month_features', target_table => 'gold.delay_scores') \gset
SELECT medallion.run_monitor('delay_live');
SELECT count(DISTINCT column_name) AS drifted FROM medallion.alerts
WHERE monitor = 'delay_live' AND window_start = to_date('2013' || :'month', 'YYYYMM') \gset
SELECT format('  %-10s %6s flights in, %5s rejected so far, %s scored with version %s, %2s columns drifted, %s s',
              to_char(to_date(:'month', 'MM'), 'FMMonth'), :'flights', :'rejected', :'scored', :'version', :'drifted',
              round((extract(epoch FROM clock_timestamp()) - :begun)::numeric, 1)) AS line \gset
\o
\echo :line
