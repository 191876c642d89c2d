-- Bronze: files of a lake become tables, each file exactly once, every row with where it came from.
\pset footer off
SET client_min_messages = warning;

\echo
\echo '=============================================================================================================='
\echo ' medallion: from files in a lake to a deployed and watched model, inside one PostgreSQL'
\echo '=============================================================================================================='
\echo
\echo 'Every flight that left New York City in 2013, and the weather.  The question, asked one hour before a scheduled'
\echo 'departure with nothing that is not known by then: will it arrive 15 minutes late or more?'
\echo
\echo 'It is the end of June.  The lake holds files up to then; July to December will arrive one by one.'
\echo
\echo '1. BRONZE -- files become rows as they are, each file exactly once, each row with its origin'
\echo

CREATE EXTENSION medallion;
SET timezone = 'America/New_York';

\set ECHO queries
CREATE SERVER lake FOREIGN DATA WRAPPER medallion_lake OPTIONS (type 'file', root :'data');

SELECT * FROM medallion.ingest('bronze.airports', 'lake', 'airports.csv.gz', options => '{"null": "NA"}');
\set ECHO none
\echo 'The same for planes, airlines, and flights and weather month by month; each call is one transaction.'
\echo
\o /dev/null
SELECT medallion.ingest('bronze.planes', 'lake', 'planes.csv.gz', options => '{"null": "NA"}');
SELECT medallion.ingest('bronze.airlines', 'lake', 'airlines.csv.gz', options => '{"null": "NA"}');
SELECT format($$SELECT medallion.ingest('bronze.%1$s', 'lake', '%1$s/2013-%2$s.csv.gz', options => '{"null": "NA"}')$$,
              what, to_char(month, 'FM00'))
FROM generate_series(1, 6) AS month, (VALUES ('flights'), ('weather')) AS files (what)
\gexec
\o
\echo 'Again: nothing is loaded twice.'
\echo
\set ECHO queries
SELECT * FROM medallion.ingest('bronze.flights', 'lake', 'flights/2013-0[1-6].csv.gz', options => '{"null": "NA"}');
\set ECHO none
\echo 'Rows per month'
\echo
SELECT to_char(to_date(right(regexp_replace(f.uri, '\.csv\.gz$', ''), 2), 'MM'), 'Month') AS month, f.rows AS flights, w.rows AS weather,
       f.rescued + w.rescued AS rescued, (f.bytes + w.bytes) / 1024 AS "kB in the lake"
FROM medallion.ingested_files f
JOIN medallion.ingested_files w ON w.target = 'bronze.weather'::regclass AND right(w.uri, 14) = right(f.uri, 14)
WHERE f.target = 'bronze.flights'::regclass
ORDER BY f.uri;
