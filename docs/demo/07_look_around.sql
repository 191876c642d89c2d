-- Where everything came from, and where to look next.
SET timezone = 'America/New_York';
SET client_min_messages = warning;
\echo '7. WHERE IT CAME FROM, AND WHERE TO LOOK NEXT'
\echo
\set ECHO queries
SELECT depth, relation, kind, via FROM medallion.lineage('gold.delay_training', direction => 'upstream');

SELECT depth, output_column, input, input_column, subtype
FROM medallion.column_lineage('gold.airport_months', column_name => 'percent_late', indirect => false);

SELECT version, committed_at::time(0), operation, inserted, updated, deleted FROM medallion.history('gold.flights') ORDER BY version;
\set ECHO none
\echo 'The year is complete: a tag keeps its state, as the models keep what they were trained on.  A mistake, and back:'
\echo
\set ECHO queries
SELECT medallion.tag('2013', comment => 'the year is complete') > 0 AS tagged;

UPDATE gold.airport_months SET percent_late = 0 WHERE origin = 'JFK';

SELECT * FROM medallion.restore('gold.airport_months', version => medallion.version_of('2013'));

SELECT DISTINCT holder_kind, holder, relation FROM medallion.pins ORDER BY 2, 3 LIMIT 5;

SELECT relation, history_rows, pg_size_pretty(table_bytes + index_bytes) AS size, readable_from
FROM medallion.history_sizes ORDER BY table_bytes DESC LIMIT 5;
\set ECHO none
SELECT min(version) AS first FROM medallion.history('gold.airport_months') WHERE inserted > 0 \gset
\echo 'Next steps, with the server left up by  make demo KEEP=1'
\echo
\echo '  SELECT * FROM medallion.models;                          -- the registry: versions, champion, metrics'
\echo '  SELECT * FROM medallion.evaluate(''delay'', $$SELECT * FROM gold.month_features$$);'
\echo '  SELECT *, medallion.predict(''delay'', f) FROM gold.month_features f LIMIT 5;   -- any row that has the columns'
\echo '  psql -Atc "SELECT medallion.lineage_svg()" >lineage.svg      -- the picture of where everything came from'
\echo '  SELECT * FROM medallion.alerts;  LISTEN medallion_alerts;   -- what the monitor raised'
\echo '  SELECT medallion.get_features(''airport_now'', ''{"origin": "JFK"}'', ''2013-07-04 18:00'');'
\echo '  SELECT * FROM medallion.as_of(NULL::gold.airport_months, version =>' :first ') ORDER BY origin, month;'
\echo '  docs/: ingest, pipelines, features, training, prediction, monitoring, time travel'
