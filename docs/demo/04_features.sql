-- Features: windows of time that end before the moment of prediction.
SET timezone = 'America/New_York';
SET client_min_messages = warning;
\echo '4. FEATURES -- what is known one hour before the scheduled departure'
\echo
\echo 'A departure delay is known when the plane has left, an arrival delay when it has landed: that is each event''s time.'
\echo
\set ECHO queries
SELECT feature_view, feature_count FROM medallion.create_feature_view('airport_now', source => 'gold.flights',
  entity => '{origin}', at => 'departed_at', features => '{
    "airport_delay_1h": {"agg": "mean", "column": "dep_delay", "window": "1 hour", "default": 0},
    "airport_delay_3h": {"agg": "mean", "column": "dep_delay", "window": "3 hours", "default": 0},
    "airport_departures_1h": {"agg": "count", "window": "1 hour"}}');

\o /dev/null
SELECT medallion.create_feature_view('airport_cancelled', source => 'gold.flights',
  entity => '{origin}', at => 'scheduled_at', features => '{
    "airport_cancelled_6h": {"agg": "mean", "column": "cancelled", "window": "6 hours", "default": 0}}');

SELECT medallion.create_feature_view('carrier_now', source => 'gold.flights',
  entity => '{origin,carrier}', at => 'departed_at', features => '{
    "carrier_delay_3h": {"agg": "mean", "column": "dep_delay", "window": "3 hours", "default": 0}}');

SELECT medallion.create_feature_view('route', source => 'gold.flights',
  entity => '{origin,dest}', at => 'arrived_at', features => '{
    "route_late_6h":  {"agg": "mean", "column": "late", "window": "6 hours", "default": 0.2},
    "route_late_30d": {"agg": "mean", "column": "late", "window": "30 days", "default": 0.2}}');

SELECT medallion.create_feature_view('plane', source => 'gold.flights',
  entity => '{tailnum}', at => 'arrived_at', ttl => '12 hours', features => '{
    "plane_last_delay": {"agg": "last", "column": "arr_delay", "default": 0}}');

SELECT medallion.create_feature_view('weather_now', source => 'silver.weather',
  entity => '{airport}', at => 'observed_at', delay => '30 minutes', ttl => '6 hours', features => '{
    "wind":        {"column": "wind_speed",  "filter": "wind_speed IS NOT NULL",  "default": 10},
    "visibility":  {"column": "visibility",  "filter": "visibility IS NOT NULL",  "default": 10},
    "temperature": {"column": "temperature", "filter": "temperature IS NOT NULL", "default": 55},
    "rain_3h":     {"agg": "sum", "column": "precipitation", "window": "3 hours"}}');
\o
\echo
\set ECHO none
\echo 'The training set: January to June, one row per flight that arrived.  Cancelled flights have no label and are left'
\echo 'out here, but count in airport_cancelled_6h.'
\echo
\set ECHO queries
CREATE VIEW gold.flights_to_predict AS
SELECT scheduled_at, carrier, flight, scheduled_at - interval '1 hour' AS at, origin, dest, origin AS airport, tailnum,
       extract(hour FROM scheduled_at AT TIME ZONE 'America/New_York')::float8 AS hour,
       extract(month FROM scheduled_at AT TIME ZONE 'America/New_York')::int AS month,
       distance::float8 AS distance, plane_age::float8 AS plane_age, late
FROM gold.flights
WHERE NOT cancelled;

SELECT * FROM medallion.training_set('gold.delay_training', spine => 'SELECT * FROM gold.flights_to_predict WHERE month <= 6',
  features => '{airport_now,airport_cancelled,carrier_now,route,plane,weather_now}', keys => '{scheduled_at,carrier,flight}');

SELECT scheduled_at, origin, dest, late, round(airport_delay_1h::numeric, 1) AS airport_delay_1h, airport_departures_1h,
       round(route_late_30d::numeric, 2) AS route_late_30d, plane_last_delay, round(wind::numeric, 1) AS wind
FROM gold.delay_training WHERE tailnum = 'N14228' ORDER BY scheduled_at LIMIT 5;
\set ECHO none
