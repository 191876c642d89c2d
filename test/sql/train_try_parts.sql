-- The metrics of a model with a part for each group are those of all its rows, where groups have different numbers of them.
CREATE SCHEMA train_try_parts;
SET search_path = train_try_parts;
CREATE TABLE t AS SELECT i, 'g' || (sqrt(i)::int % 3) AS kind, sin(i) AS a, i % (4 + sqrt(i)::int % 3 * 2) = 0 AS held,
	(2 + sqrt(i)::int % 3) * sin(i) + cos(i * i) AS y, sin(i) + cos(i * i) > 0 AS c FROM generate_series(1, 600) i;
ALTER TABLE t ADD PRIMARY KEY (i);
CREATE TABLE told AS SELECT metrics FROM medallion.train('try_parts', 't', 'y', 'linear', features => '{a}', partition_by => '{kind}', validation => '{"column": "held"}');
CREATE TABLE answers AS SELECT *, medallion.predict('try_parts', t) AS answer FROM t;
WITH r AS (SELECT medallion.rmse(y, answer) AS rmse, medallion.mae(y, answer) AS mae, medallion.mse(y, answer) AS mse, medallion.max_error(y, answer) AS max_error FROM answers WHERE held)
SELECT key, abs((metrics->>key)::float8 - value::float8) < 1e-12 AS same FROM told, r, jsonb_each_text(to_jsonb(r)) ORDER BY key;
WITH r AS (SELECT medallion.rmse(y, answer) AS train_rmse FROM answers WHERE NOT held)
SELECT key, abs((metrics->>key)::float8 - value::float8) < 1e-12 AS same FROM told, r, jsonb_each_text(to_jsonb(r)) ORDER BY key;
SELECT (metrics->>'validation_rows')::int = count(*) AS held FROM told, t WHERE held GROUP BY metrics;
-- classes
CREATE TABLE classes AS SELECT metrics FROM medallion.train('try_parts_c', 't', 'c', 'logistic', features => '{a}', partition_by => '{kind}', validation => '{"column": "held"}');
SELECT abs((metrics->>'accuracy')::float8 - (SELECT avg((c::text = medallion.predict_class('try_parts_c', t))::int) FROM t WHERE held)) < 1e-12 AS accuracy FROM classes;
-- there is nothing to compare drift with
SELECT medallion.create_monitor('try_parts', 'try_parts', 't');
SELECT medallion.drop_model('try_parts');
SELECT medallion.drop_model('try_parts_c');
SET client_min_messages = warning;
DROP SCHEMA train_try_parts CASCADE;
