-- Silver: derived tables with rules.  The query is the definition; the rules say what happens to rows that break them.
SET timezone = 'America/New_York';
SET client_min_messages = warning;
\echo '2. SILVER -- cleaned tables, defined by a query and held to rules'
\echo
\o /dev/null
SELECT medallion.define('silver.airlines', keys => '{carrier}', query => $$ SELECT carrier, name FROM bronze.airlines $$);
SELECT medallion.define('silver.airports', keys => '{airport}', query => $$
  SELECT faa AS airport, name, tzone AS time_zone FROM bronze.airports $$);
SELECT medallion.define('silver.planes', keys => '{tailnum}', query => $$
  SELECT tailnum, manufacturer, model, year::int AS built, seats::int FROM bronze.planes $$);
SELECT medallion.define('silver.weather', keys => '{airport,observed_at}', query => $$
  SELECT origin AS airport, time_hour AS observed_at, temp::float8 AS temperature, humid::float8 AS humidity,
         wind_speed::float8, precip::float8 AS precipitation, pressure::float8, visib::float8 AS visibility
  FROM bronze.weather $$);
SELECT medallion.expect('silver.weather', 'possible_wind', 'wind_speed < 200', on_violation => 'quarantine', null_ok => true);
SELECT medallion.expect('silver.weather', 'pressure_measured', 'pressure IS NOT NULL', on_violation => 'warn');
\o
\echo 'Flights have local clock times such as 1545; to know when something was known they have to become instants,'
\echo 'so the destination''s time zone must be known too.'
\echo
\set ECHO queries
SELECT * FROM medallion.define('silver.flights', keys => '{scheduled_at,carrier,flight}', query => $$
  SELECT d.scheduled_at, f.carrier, f.flight::int, f.tailnum, f.origin, f.dest, a.time_zone, f.distance::int,
         p.tailnum IS NOT NULL AS plane_known, f.year::int - p.built AS plane_age,
         f.dep_delay::int, f.arr_delay::int,
         f.dep_time IS NULL AS cancelled, f.dep_time IS NOT NULL AND f.arr_delay IS NULL AS diverted,
         d.departed_at,
         l.clock_at + CASE WHEN l.clock_at < d.departed_at THEN interval '1 day' ELSE '0' END AS arrived_at
  FROM bronze.flights f
  LEFT JOIN silver.airports a ON a.airport = f.dest
  LEFT JOIN silver.planes p ON p.tailnum = f.tailnum
  CROSS JOIN LATERAL (SELECT f.time_hour + make_interval(mins => f.minute::int) AS scheduled_at,
                             f.time_hour + make_interval(mins => (f.minute + f.dep_delay)::int) AS departed_at) d
  CROSS JOIN LATERAL (SELECT (date_trunc('day', d.departed_at AT TIME ZONE a.time_zone) + make_interval(
                               mins => (f.arr_time / 100 * 60 + f.arr_time % 100)::int)) AT TIME ZONE a.time_zone AS clock_at) l
  $$);

\o /dev/null
SELECT medallion.expect('silver.flights', 'known_destination', 'time_zone IS NOT NULL', on_violation => 'quarantine');
SELECT medallion.expect('silver.flights', 'believable_delay', 'dep_delay BETWEEN -60 AND 900', 'quarantine', null_ok => true);
SELECT medallion.expect('silver.flights', 'not_diverted', 'NOT diverted', on_violation => 'drop');
SELECT medallion.expect('silver.flights', 'departed', 'NOT cancelled', on_violation => 'warn');
SELECT medallion.expect('silver.flights', 'plane_in_register', 'plane_known', on_violation => 'warn');
\o
\echo

SELECT target, mode, inserted, rejected, round(seconds::numeric, 2) AS seconds FROM medallion.refresh();
\set ECHO none
\echo 'What the rules found'
\echo
SELECT target, name AS rule, action, passed, failed FROM medallion.expectation_results ORDER BY target, failed DESC;
\echo 'Rows in quarantine are kept with their reasons:'
\echo
\set ECHO queries
SELECT airport, observed_at, wind_speed, _reasons FROM silver.weather_quarantine;
\set ECHO none
