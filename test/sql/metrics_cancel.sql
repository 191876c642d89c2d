-- What takes long after the rows are read can be cancelled: each statement would take minutes, and ends soon after its timeout (within
-- a second on a machine that has time for it).
CREATE SCHEMA metrics_test;
SET search_path = metrics_test;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE p AS SELECT sin(i)::float8 AS x, i % 5 AS c, i % 2 = 0 AS l FROM generate_series(1, 100000) i;
SELECT algorithm FROM medallion.train('cancel_model', 'SELECT x, l FROM metrics_test.p', 'l', 'logistic', validation => NULL);
SET statement_timeout = '300ms';
SELECT clock_timestamp() AS start \gset
SELECT medallion.silhouette(ARRAY[x, -x, x * x, c], c) FROM p;
SELECT clock_timestamp() - :'start' < '10 s' AS in_time \gset
\echo :in_time
SET statement_timeout = '800ms';
SELECT clock_timestamp() AS start \gset
SELECT * FROM medallion.evaluate('cancel_model', 'p', resamples => 100000);
SELECT clock_timestamp() - :'start' < '11 s' AS in_time \gset
\echo :in_time
RESET statement_timeout;
SELECT medallion.drop_model('cancel_model');
RESET max_parallel_workers_per_gather;
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA metrics_test CASCADE;
