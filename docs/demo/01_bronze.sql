-- Bronze: files of a lake become tables, each file exactly once, every row with where it came from.
\pset border 0
\set QUIET on
SET timezone = 'America/New_York';
SET client_min_messages = warning;

\echo
\echo 'FROM THE LAKE TO A DEPLOYED MODEL, INSIDE ONE POSTGRESQL'
\echo
\echo 'All flights that left New York City in 2013, and the weather.  The question: will a flight arrive 15 minutes late'
\echo 'or more?  Asked one hour before its scheduled departure, with nothing that is not known by then.'
\echo
\echo '1. BRONZE: monthly files are ingested as they are'
\echo

CREATE EXTENSION medallion;
CREATE SERVER lake FOREIGN DATA WRAPPER medallion_lake OPTIONS (type 'file', root :'data');

-- It is the end of June: the first half of the year is in the lake.  One file, one transaction, one commit.
SELECT format($$ SELECT FROM medallion.ingest('bronze.flights', 'lake', 'flights/2013-%s.csv.gz', options => '{"null": "NA"}');
                 SELECT FROM medallion.ingest('bronze.weather', 'lake', 'weather/2013-%1$s.csv.gz', options => '{"null": "NA"}') $$,
              to_char(month, 'FM00'))
FROM generate_series(1, 6) AS month
\g (format=unaligned tuples_only=on) /dev/null
SELECT 1 \g /dev/null
