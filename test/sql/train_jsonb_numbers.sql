-- Doubles in jsonb (metrics, parameters, features): every finite one comes back as it was, whatever the session prints; what JSON has no
-- number for is null among metrics, and a text among features.
CREATE SCHEMA train_jsonb_numbers;
SET search_path = train_jsonb_numbers;
SET client_min_messages = warning;
SET extra_float_digits = -10;
CREATE TABLE d AS SELECT i, i * 1.0::float8 AS x, sin(i) AS z, 2 * i + 5 * sin(i * 3) AS y, i = 7 AS held FROM generate_series(1, 120) i;
-- a p-value far below 2e-16: every digit and zero of it
SELECT (metrics->>'f_p_value')::float8 = f.f_p_value AS same, (metrics->'f_p_value')::float8 = f.f_p_value AS same_as_number, length(metrics->>'f_p_value') > 150 AS long, (metrics->>'sigma')::float8 = f.sigma AS sigma, (metrics->>'f_p_value')::float8 BETWEEN 1e-300 AND 1e-100 AS small
FROM (SELECT medallion.linear_state(y, 1, x, z) AS s FROM d) s, medallion.linear_final(s) f, medallion.train_from_state('numbers_linear', s.s, 'y', '{x,z}') t;
-- parameters: the smallest double that there is, the smallest normal one, the largest, one of 17 digits
CREATE TABLE numbers (name text, number float8);
INSERT INTO numbers VALUES ('least', '5e-324'), ('subnormal', '2.2250738585072011e-308'), ('normal', '2.2250738585072014e-308'), ('largest', '1.7976931348623157e308'), ('digits', '0.30000000000000004'), ('third', '0.3333333333333333');
DO $$
DECLARE
	n record;
BEGIN
	FOR n IN SELECT * FROM (VALUES ('least', '5e-324'), ('subnormal', '2.2250738585072011e-308'), ('normal', '2.2250738585072014e-308'), ('largest', '1.7976931348623157e308'), ('digits', '0.30000000000000004'), ('third', '0.3333333333333333')) v(name, text) LOOP
		PERFORM medallion.train('numbers_' || n.name, 'train_jsonb_numbers.d', 'y', 'ridge', format('{"alpha": %s}', n.text)::jsonb, features => '{x}');
	END LOOP;
END $$;
SELECT name, (params->>'alpha')::float8 = number AS as_text, (params->'alpha')::float8 = number AS as_number FROM numbers JOIN medallion.model_versions ON model = 'numbers_' || name ORDER BY number;
-- what has no value is not there, or null: R² of one row
SELECT jsonb_typeof(metrics->'r2') AS r2, metrics->>'r2' IS NULL AS no_r2, jsonb_typeof(metrics->'rmse') AS rmse FROM medallion.train('numbers_held', 'train_jsonb_numbers.d', 'y', 'linear', features => '{x}', validation => '{"column": "held"}') t;
SELECT count(*) FILTER (WHERE value::text ~* 'nan|infinity') AS words FROM medallion.model_versions, jsonb_each(metrics) WHERE model LIKE 'numbers\_%';
-- features of an entity
CREATE TABLE events (customer int, at timestamptz, amount float8, single float4);
INSERT INTO events VALUES (1, '2026-01-01', '0.30000000000000004', '0.1'), (2, '2026-01-01', 'NaN', '-Infinity'), (3, '2026-01-01', '2.2250738585072011e-308', '1e-45'), (4, '2026-01-01', '-1.7976931348623157e308', '3.4028235e38');
SELECT count(*) AS made FROM medallion.create_feature_view('numbers_features', 'train_jsonb_numbers.events', '{customer}', 'at', '{"amount": {"column": "amount"}, "single": {"column": "single"}}');
SELECT customer, jsonb_typeof(f->'amount') AS amount, (f->>'amount')::float8 IS NOT DISTINCT FROM amount AS same, jsonb_typeof(f->'single') AS single, (f->>'single')::float4 IS NOT DISTINCT FROM single AS same
FROM events, medallion.get_features('numbers_features', jsonb_build_object('customer', customer), '2026-02-01') f ORDER BY customer;
SELECT medallion.drop_feature_view('numbers_features') IS NOT NULL AS dropped;
SELECT count(medallion.drop_model(model, force => true)) AS dropped FROM medallion.models WHERE model LIKE 'numbers\_%';
DROP SCHEMA train_jsonb_numbers CASCADE;
RESET search_path; RESET client_min_messages; RESET extra_float_digits;
DELETE FROM medallion._audit WHERE model LIKE 'numbers\_%';
