-- huber whose scale shrinks to 0 while residuals are left, does not call itself converged; a fit without residuals does.
CREATE SCHEMA train_try_huber;
SET search_path = train_try_huber;
CREATE TABLE t AS SELECT i AS a, 2 * i + i * i % 7 AS y, 2 * i + 1 AS exact FROM generate_series(1, 30) i;
SELECT metrics->'converged' AS converged FROM medallion.train('try_huber', 't', 'y', 'huber', '{"epsilon": 1}', features => '{a}');
-- scikit-learn 1.9.1 reaches 85.1032731
SELECT metrics->'converged' AS converged, round((metrics->>'objective')::numeric, 5) AS objective FROM medallion.train('try_huber', 't', 'y', 'huber', '{"epsilon": 1.35}', features => '{a}');
SELECT metrics->'converged' AS converged FROM medallion.train('try_huber', 't', 'exact', 'huber', '{"alpha": 0}', features => '{a}');
SET client_min_messages = warning;
SELECT medallion.drop_model('try_huber');
DROP SCHEMA train_try_huber CASCADE;
