-- Feature views: what can be defined, what is refused, and what renames and drops of the source do.
SET client_min_messages = warning;
CREATE SCHEMA fv;
CREATE TABLE fv.orders (
	id int PRIMARY KEY, customer_id int, shop text, ordered_at timestamptz, local_time timestamp, day date,
	amount numeric(10,2), quantity int, paid bool, note text, place point);

SELECT * FROM medallion.create_feature_view('customer_activity', source => 'fv.orders', entity => '{customer_id}',
	at => 'ordered_at', ttl => '90 days', delay => '1 hour', features => '{
	"orders_30d": {"agg": "count", "window": "30 days"},
	"spend_30d": {"agg": "sum", "column": "amount", "window": "30 days"},
	"paid_big_7d": {"agg": "count", "window": "7 days", "filter": "paid AND amount > 100"},
	"amount": {"column": "amount"},
	"orders_per_hour": {"agg": "rate", "window": "1 day", "per": "1 hour"},
	"mean_amount": {"agg": "mean", "column": "amount", "default": 0}}');
SELECT name, version, source, entity, event_time, tiebreak, ttl, delay, features, owner = current_user AS mine
FROM medallion.feature_views;
SELECT * FROM medallion.features ORDER BY feature COLLATE "C";

-- A name is taken until it is replaced or dropped.
SELECT * FROM medallion.create_feature_view('customer_activity', 'fv.orders', '{customer_id}', 'ordered_at', '{"n": {"agg": "count"}}');
SELECT * FROM medallion.create_feature_view('customer_activity', 'fv.orders', '{customer_id}', 'ordered_at', '{"n": {"agg": "count"}}', replace => true);

-- Errors, one by one.
CREATE FUNCTION fv.try(features text, at text DEFAULT 'ordered_at', entity text[] DEFAULT '{customer_id}',
	source text DEFAULT 'fv.orders', name text DEFAULT 'x', ttl interval DEFAULT NULL, delay interval DEFAULT NULL,
	tiebreak text[] DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE state text; message text; hint text;
BEGIN
	PERFORM medallion.create_feature_view(name, source, entity, at, features::jsonb, ttl, delay, tiebreak);
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
	RETURN state || ' ' || message || CASE WHEN hint <> '' THEN ' | ' || hint ELSE '' END;
END $$;
SELECT fv.try('{"n": {"agg": "median", "column": "amount"}}');
SELECT fv.try('{"n": {"agg": "sum"}}');
SELECT fv.try('{"n": {"aggregate": "sum"}}');
SELECT fv.try('{"n": {"agg": 3}}');
SELECT fv.try('{"n": "count"}');
SELECT fv.try('{}');
SELECT fv.try('[]');
SELECT fv.try('{"n": {"agg": "sum", "column": "price"}}');
SELECT fv.try('{"n": {"agg": "sum", "column": "note"}}');
SELECT fv.try('{"n": {"agg": "max", "column": "place"}}');
SELECT fv.try('{"n": {"agg": "count", "window": "0 days"}}');
SELECT fv.try('{"n": {"agg": "count", "window": "-1 day"}}');
SELECT fv.try('{"n": {"agg": "count", "window": "1 month"}}');
SELECT fv.try('{"n": {"agg": "count", "window": "soon"}}');
SELECT fv.try('{"n": {"agg": "count", "window": 30}}');
SELECT fv.try('{"n": {"agg": "rate"}}');
SELECT fv.try('{"n": {"agg": "count", "per": "1 day"}}');
SELECT fv.try('{"n": {"agg": "count", "filter": "amount"}}');
SELECT fv.try('{"n": {"agg": "count", "filter": "amount >"}}');
SELECT fv.try('{"n": {"agg": "count", "filter": "price > 3"}}');
SELECT fv.try('{"n": {"agg": "count", "filter": "random() < 0.5"}}');
SELECT fv.try('{"n": {"agg": "count", "filter": "ordered_at > now()"}}');
SELECT fv.try('{"n": {"agg": "count", "filter": "count(*) > 1"}}');
SELECT fv.try('{"n": {"agg": "count", "filter": "amount > (SELECT 1)"}}');
SELECT fv.try('{"n": {"agg": "count", "filter": "true) FROM pg_class WHERE (true"}}');
SELECT fv.try('{"n": {"agg": "count", "filter": "true, true"}}');
SELECT fv.try('{"n": {"agg": "count", "filter": "paid -- and so on"}}', name => 'comment');
SELECT fv.try('{"n": {"agg": "count", "default": "many"}}');
SELECT fv.try('{"n": {"agg": "count", "default": [1]}}');
SELECT fv.try('{"a:b": {"agg": "count"}}');
SELECT fv.try('{"": {"agg": "count"}}');
SELECT fv.try('{"customer_id": {"agg": "count"}}');
SELECT fv.try('{"n": {"agg": "count"}}', at => 'local_time');
SELECT fv.try('{"n": {"agg": "count"}}', at => 'day');
SELECT fv.try('{"n": {"agg": "count"}}', at => 'nothing');
SELECT fv.try('{"n": {"agg": "count"}}', entity => '{nobody}');
SELECT fv.try('{"n": {"agg": "count"}}', entity => '{customer_id,customer_id}');
SELECT fv.try('{"n": {"agg": "count"}}', entity => '{NULL}');
SELECT fv.try('{"n": {"agg": "count"}}', entity => '{place}');
SELECT fv.try('{"n": {"agg": "count"}}', source => 'fv.nothing');
SELECT fv.try('{"n": {"agg": "count"}}', source => 'fv.orders_pkey');
SELECT fv.try('{"n": {"agg": "count"}}', name => 'a:b');
SELECT fv.try('{"n": {"agg": "count"}}', ttl => '0');
SELECT fv.try('{"n": {"agg": "count"}}', ttl => '1 year');
SELECT fv.try('{"n": {"agg": "count"}}', delay => '-1 hour');
SELECT fv.try('{"n": {"column": "amount"}}', tiebreak => '{place}');
SELECT fv.try('{"n": {"column": "amount"}}', tiebreak => '{nothing}');
SELECT fv.try(NULL);
-- The context of an error says which feature it is about, and where in its filter.
SELECT medallion.create_feature_view('x', 'fv.orders', '{customer_id}', 'ordered_at', '{"n": {"agg": "count", "filter": "paid AND price > 3"}}');

-- Filters are kept with every name qualified.
CREATE FUNCTION fv.is_big(numeric) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 100';
SET search_path = fv, public;
SELECT * FROM medallion.create_feature_view('big', 'orders', '{customer_id}', 'ordered_at', '{"n": {"agg": "count", "filter": "is_big(amount)"}}');
RESET search_path;
SELECT filter FROM medallion.features WHERE feature_view = 'big';

-- A renamed table is followed; renamed or dropped columns and dropped tables are noticed.
CREATE TABLE fv.spine AS SELECT 1 AS customer_id, '2026-01-02 00:00+00'::timestamptz AS at;
ALTER TABLE fv.orders RENAME TO purchases;
SELECT * FROM medallion.training_set('fv.ts', 'fv.spine', '{big}');
ALTER TABLE fv.purchases RENAME amount TO price;
SELECT * FROM medallion.training_set('fv.ts2', 'fv.spine', '{big}');
SELECT * FROM medallion.create_feature_view('price', 'fv.purchases', '{customer_id}', 'ordered_at', '{"p": {"column": "price"}}');
ALTER TABLE fv.purchases DROP COLUMN price;
SELECT * FROM medallion.training_set('fv.ts2', 'fv.spine', '{price}');
DROP TABLE fv.purchases CASCADE;
SELECT * FROM medallion.training_set('fv.ts2', 'fv.spine', '{price}');
SELECT name, source IS NULL AS source_is_gone FROM medallion.feature_views ORDER BY name;

SELECT medallion.drop_feature_view(name) FROM medallion.feature_views ORDER BY name;
SELECT medallion.drop_feature_view('price');
SELECT medallion.drop_feature_view('price', missing_ok => true);
DROP SCHEMA fv CASCADE;
