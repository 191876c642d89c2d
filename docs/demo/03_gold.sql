-- Gold: joined and labelled, a data mart beside it; then a correction, and both states of the data.
SET timezone = 'America/New_York';
SET client_min_messages = warning;
\echo '3. GOLD -- joined, labelled, ready for use; and what a correction changes'
\echo
\set ECHO queries
SELECT * FROM medallion.define('gold.flights', keys => '{scheduled_at,carrier,flight}', query => $$
  SELECT f.scheduled_at, f.carrier, f.flight, l.name AS airline, f.tailnum, f.origin, f.dest, f.distance, f.plane_age,
         f.departed_at, f.dep_delay, f.arrived_at, f.arr_delay, f.cancelled,
         f.arr_delay >= 15 AS late                         -- NULL for a cancelled flight: it never arrives
  FROM silver.flights f JOIN silver.airlines l USING (carrier) $$);

SELECT * FROM medallion.define('gold.airport_months', keys => '{origin,month}', query => $$
  SELECT origin, extract(month FROM scheduled_at AT TIME ZONE 'America/New_York')::int AS month, count(*) AS flights,
         count(*) FILTER (WHERE cancelled) AS cancelled, round(avg(dep_delay), 1) AS mean_delay,
         round(100 * avg(late::int), 1) AS percent_late
  FROM gold.flights GROUP BY 1, 2 $$);

SELECT target, inserted, round(seconds::numeric, 2) AS seconds FROM medallion.refresh() WHERE target LIKE 'gold.%';

SELECT * FROM gold.airport_months WHERE origin = 'JFK' ORDER BY month;
\set ECHO none
\echo 'Thousands of flights wait in quarantine because the airport list lacks their destination.  The four airports arrive'
\echo 'as JSON lines; the next refresh lets those flights in.'
\echo
SELECT max(version) AS before, max(version) + 1 AS after FROM medallion.commits \gset
\set ECHO queries
SELECT dest, count(*) FROM silver.flights_quarantine WHERE 'known_destination' = ANY (_reasons) GROUP BY dest ORDER BY 2 DESC;

SELECT * FROM medallion.ingest('bronze.airports', 'lake', 'corrections/airports.jsonl', format => 'json_lines');

SELECT target, inserted, updated, rejected FROM medallion.refresh() WHERE inserted + updated > 0;
\set ECHO none
\echo 'The state before the correction is still there, and so is the difference:'
\echo
\set ECHO queries
SELECT (SELECT count(*) FROM gold.flights) AS flights_now,
       (SELECT count(*) FROM medallion.as_of(NULL::gold.flights, version => :before)) AS flights_before;

SELECT (row_data).dest, _change_type, count(*)
FROM medallion.changes(NULL::gold.flights, :after) GROUP BY 1, 2 ORDER BY 3 DESC;

SELECT version, operation, inserted, updated, deleted, readable FROM medallion.history('gold.flights') ORDER BY version;
\set ECHO none
