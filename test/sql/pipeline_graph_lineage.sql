-- The graph of what is made from what: files, views, derived tables, feature views, training sets, models, predictions, monitors.
SET client_min_messages = warning;
SET timezone = 'UTC';
\pset null '*'
\getenv dir PG_ABS_SRCDIR
\set root :dir /data/lake
CREATE SCHEMA lin;
CREATE SCHEMA raw;

CREATE SERVER lin_files FOREIGN DATA WRAPPER medallion_lake OPTIONS (type 'file', root :'root');
SELECT files > 0 AS loaded FROM medallion.ingest('raw.orders', 'lin_files', 'orders/2024-0[12].csv*');
CREATE VIEW raw.paid AS SELECT order_id, customer, amount::numeric AS amount, ordered_on::date AS day FROM raw.orders WHERE amount IS NOT NULL;
SELECT target, sources FROM medallion.define('lin.days', 'SELECT day, sum(amount) AS total, count(*) AS orders FROM raw.paid GROUP BY day', '{day}');
SELECT target, sources FROM medallion.define('lin.best', 'SELECT d.day, d.total FROM lin.days d WHERE d.total > (SELECT avg(total) FROM lin.days)', '{day}');
-- The address of a file tells where the test runs.
CREATE FUNCTION lin.short(name text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT regexp_replace(name, 'file:///.*/', '…/') $$;

-- Tables.
SELECT direction, depth, lin.short(relation) AS relation, kind, layer, via FROM medallion.lineage('lin.best');
SELECT direction, depth, relation, kind, layer, via FROM medallion.lineage('raw.orders', 'downstream');
-- Columns: all of them; one; only what values are made of; one step; the other way.
SELECT depth, output, output_column, lin.short(input) AS input, input_column, subtype FROM medallion.column_lineage('lin.best') ORDER BY depth, output, output_column NULLS FIRST, 4, 5, 6;
SELECT depth, output, output_column, lin.short(input) AS input, input_column, type, subtype, masking, output_kind, input_kind FROM medallion.column_lineage('lin.best', column_name => 'total', indirect => false);
SELECT depth, output, output_column, input, input_column, subtype FROM medallion.column_lineage('lin.best', depth => 1, column_name => 'day');
SELECT direction, depth, output, output_column, input, input_column, subtype FROM medallion.column_lineage('raw.orders', 'downstream', column_name => 'amount', indirect => false);
SELECT DISTINCT output, output_column FROM medallion.column_lineage('raw.orders', 'downstream', column_name => 'amount') ORDER BY 1, 2 NULLS FIRST;
SELECT DISTINCT direction, input, input_column, output, output_column FROM medallion.column_lineage('lin.days', 'both', depth => 1, column_name => 'total', indirect => false) ORDER BY 1, 2, 3;

-- Features, training sets, models, predictions, monitors.
CREATE TABLE raw.event (customer int, at timestamptz, amount numeric, kind text);
INSERT INTO raw.event SELECT i % 20, timestamptz '2026-01-01' + i * interval '1 hour', i % 7, CASE i % 3 WHEN 0 THEN 'a' ELSE 'b' END FROM generate_series(1, 400) i;
CREATE TABLE raw.label (customer int, at timestamptz, late bool);
INSERT INTO raw.label SELECT i % 20, timestamptz '2026-01-05' + i * interval '3 hours', (i * 7919) % 3 = 0 FROM generate_series(1, 90) i;
SELECT feature_view FROM medallion.create_feature_view('lin_activity', source => 'raw.event', entity => '{customer}', at => 'at',
  features => '{"spent": {"agg": "sum", "column": "amount", "filter": "kind = ''a''"}, "events": {"agg": "count", "window": "2 days"}, "newest": {"column": "amount"}}');
SELECT rows FROM medallion.training_set('lin.training', spine => '-- the labels
  SELECT customer, at, late FROM raw.label WHERE at > ''2026-01-06'';', features => '{lin_activity}', keys => '{customer,at}');
SELECT model, version FROM medallion.train('lin_model', source => 'lin.training', target => 'late', algorithm => 'logistic', exclude => '{customer,at}', deploy => 'always');
SELECT rows > 0 AS predicted FROM medallion.predict_batch('lin_model', source => 'SELECT customer, at, spent, events, newest FROM lin.training -- all
;', target_table => 'lin.scores', keys => '{customer,at}');
CREATE VIEW lin.worst AS SELECT customer, max(probability) AS risk FROM lin.scores GROUP BY customer;
SELECT monitor FROM medallion.create_monitor('lin_monitor', model => 'lin_model', source => 'lin.training', at => 'at', window_size => '1 day', columns => '{spent,events}');
SELECT depth, relation, kind, layer, via FROM medallion.lineage('lin.worst');
SELECT depth, relation, kind, layer, via FROM medallion.lineage('raw.event', 'downstream');
SELECT depth, relation, kind, via FROM medallion.lineage('model:lin_model', 'both', 1);
SELECT depth, relation, kind, via FROM medallion.lineage('lin_activity', 'both', 1);
SELECT depth, output, output_column, input, input_column, subtype FROM medallion.column_lineage('lin.worst', column_name => 'risk', indirect => false);
SELECT depth, output, output_column, input, input_column, subtype FROM medallion.column_lineage('raw.event', 'downstream', column_name => 'kind');
SELECT depth, input, input_column, subtype FROM medallion.column_lineage('feature view:lin_activity', column_name => 'spent', depth => 1);
SELECT output, output_kind, input, input_kind FROM medallion.lineage_edges WHERE output_kind IN ('model', 'monitor', 'feature view') AND output LIKE 'lin\_%' ORDER BY 1, 2, 3, 4;
SELECT count(*) > 30 AS columns FROM medallion.column_lineage_edges WHERE output LIKE 'lin%';

-- Changes applied to a table, and what a rule puts aside.
CREATE TABLE raw.changes (id int, amount int, op text, seq int);
INSERT INTO raw.changes VALUES (1, 5, 'insert', 1);
SELECT mode, inserted FROM medallion.apply_changes('lin.followed', 'raw.changes', keys => '{id}', sequence_by => 'seq', apply_as_deletes => 'op = ''delete''', except_column_list => '{op,seq}');
CREATE TABLE raw.envelopes (event jsonb, arrived timestamptz);
INSERT INTO raw.envelopes VALUES ('{"op": "c", "before": null, "after": {"id": 1, "state": "new"}, "source": {"lsn": 100}}', '2026-01-01');
SELECT mode, inserted FROM medallion.apply_changes('lin.enveloped', 'raw.envelopes', keys => '{id}', format => 'debezium', payload => 'event');
SELECT depth, relation, kind, via FROM medallion.lineage('lin.followed');
SELECT output, output_column, input, input_column, subtype FROM medallion.column_lineage_edges WHERE output IN ('lin.followed', 'lin.enveloped') ORDER BY 1, 2;
SELECT medallion.expect('lin.days', 'some', 'total > 0', 'quarantine');
INSERT INTO raw.orders (order_id, customer, amount, ordered_on, _source, _row, _batch, _ingested_at) VALUES (-1, 'x', -5, '2020-01-01', 'none', 1, 0, now());
SELECT target, rejected FROM medallion.refresh('lin.days');
SELECT relation, kind FROM medallion.lineage('raw.paid', 'downstream', 1);

-- Partitions: written by themselves, or through their table; read by themselves, or in the table.
CREATE TABLE raw.parted (order_id bigint, customer text, amount numeric, ordered_on date, _source text, _row bigint, _batch bigint, _ingested_at timestamptz, _rescued jsonb) PARTITION BY RANGE (order_id);
CREATE TABLE raw.parted_all PARTITION OF raw.parted FOR VALUES FROM (MINVALUE) TO (MAXVALUE) PARTITION BY RANGE (order_id);
CREATE TABLE raw.parted_low PARTITION OF raw.parted_all FOR VALUES FROM (MINVALUE) TO (5);
CREATE TABLE raw.parted_high PARTITION OF raw.parted_all FOR VALUES FROM (5) TO (MAXVALUE);
CREATE VIEW lin.of_all AS SELECT order_id, amount FROM raw.parted;
CREATE VIEW lin.of_low AS SELECT amount FROM raw.parted_low;
SELECT depth, relation, via FROM medallion.lineage('lin.of_all');
SELECT depth, relation, via FROM medallion.lineage('raw.parted_high', 'both');
SELECT depth, output, output_column, input, input_column FROM medallion.column_lineage('raw.parted_high', 'downstream', column_name => 'amount');
CREATE FOREIGN DATA WRAPPER lin_nothing;
CREATE SERVER lin_remote FOREIGN DATA WRAPPER lin_nothing OPTIONS (host 'there');
ALTER TABLE raw.parted_all DETACH PARTITION raw.parted_high;
CREATE FOREIGN TABLE raw.parted_far PARTITION OF raw.parted_all FOR VALUES FROM (5) TO (MAXVALUE) SERVER lin_remote OPTIONS (schema 's', "table" 't');
SELECT depth, relation, kind, via FROM medallion.lineage('lin.of_all');
SELECT event #>> '{dataset,namespace}' AS namespace, event #>> '{dataset,name}' AS name FROM medallion.openlineage('raw.parted_far') WHERE event ? 'dataset';

-- A cycle, as records can make it, ends; in the picture its last link is drawn back.
SELECT rows FROM medallion.training_set('lin.training', spine => 'SELECT customer, at, prediction AS late FROM lin.scores', features => '{lin_activity}', replace => true);
SELECT depth, relation, via FROM medallion.lineage('lin.scores', 'upstream', 3);
SELECT count(*) FROM regexp_matches(medallion.lineage_svg('lin.scores'), '<path stroke-dasharray', 'g');
SELECT count(*) AS events FROM medallion.openlineage('lin.scores');

-- Renames and drops follow.
ALTER TABLE raw.event RENAME TO happened;
SELECT relation FROM medallion.lineage('feature view:lin_activity');
SELECT medallion.drop_feature_view('lin_activity');
SELECT depth, relation, kind, via FROM medallion.lineage('lin.training');

-- What a user may not see of models, files and training sets is not there; what the server shows of views is.
CREATE ROLE regress_lin;
GRANT SELECT ON lin.followed, lin.worst TO regress_lin;
SET ROLE regress_lin;
SELECT DISTINCT output, input FROM medallion.lineage_edges WHERE output IN ('lin.followed', 'lin.worst') ORDER BY 1;
RESET ROLE;
GRANT USAGE ON SCHEMA lin, raw TO regress_lin;
SET ROLE regress_lin;
SELECT relation, kind FROM medallion.lineage('lin.training', 'both');
SELECT relation, kind FROM medallion.lineage('lin.worst');
SELECT medallion.lineage('model:lin_model');
SELECT medallion.query_lineage('SELECT customer FROM raw.label');
RESET ROLE;
DROP OWNED BY regress_lin;
DROP ROLE regress_lin;

-- Errors.
SELECT medallion.lineage('model:nobody');
SELECT medallion.column_lineage('lin.best', column_name => 'nothing');
SELECT medallion.column_lineage('model:lin_model', column_name => 'nothing');
SELECT medallion.column_lineage('lin.best', 'sideways');
SELECT medallion.column_lineage('lin.best', indirect => NULL);
SELECT medallion.column_lineage(NULL);

SELECT medallion.drop_monitor('lin_monitor');
SELECT medallion.drop_model('lin_model', force => true);
DROP SCHEMA lin, raw CASCADE;
DROP SERVER lin_files CASCADE;
DROP FOREIGN DATA WRAPPER lin_nothing CASCADE;
