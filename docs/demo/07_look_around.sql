-- Where everything came from, and where to look next.
SET timezone = 'America/New_York';
SET client_min_messages = warning;
\echo '7. WHERE IT CAME FROM, AND WHERE TO LOOK NEXT'
\echo
\set ECHO queries
SELECT depth, relation, kind, via FROM medallion.lineage('gold.delay_training', direction => 'upstream');

SELECT version, committed_at::time(0), operation, inserted, updated, deleted FROM medallion.history('gold.flights') ORDER BY version;
\set ECHO none
SELECT min(version) AS first FROM medallion.history('gold.airport_months') WHERE inserted > 0 \gset
\echo 'Next steps, with the server left up by  make demo KEEP=1'
\echo
\echo '  SELECT * FROM medallion.models;                          -- the registry: versions, champion, metrics'
\echo '  SELECT * FROM medallion.evaluate(''delay'', $$SELECT * FROM gold.month_features$$);'
\echo '  SELECT *, medallion.predict(''delay'', f) FROM gold.month_features f LIMIT 5;   -- any row that has the columns'
\echo '  SELECT * FROM medallion.alerts;  LISTEN medallion_alerts;   -- what the monitor raised'
\echo '  SELECT medallion.get_features(''airport_now'', ''{"origin": "JFK"}'', ''2013-07-04 18:00'');'
\echo '  SELECT * FROM medallion.as_of(NULL::gold.airport_months, version =>' :first ') ORDER BY origin, month;'
\echo '  docs/: ingest, pipelines, features, training, prediction, monitoring, time travel'
