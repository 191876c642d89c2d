-- The states of the training aggregates are bytes that anybody may hand in; damaged ones end in an error or in a state.
-- They also merge, in parts and from parts.
CREATE SCHEMA train_hostile;
SET search_path = train_hostile;
SELECT setseed(0.1);
CREATE TABLE t AS SELECT i, sin(i) AS x, (ARRAY['a', 'b'])[1 + i % 2] AS kind, 2 * sin(i) + i % 2 AS y FROM generate_series(1, 200) i;
-- a plan as train() writes it: magic, 3 columns, no packs, seed, 1 fold, no holdout, a sample of 5, not exact; then per
-- column role, wire, kind, length, buckets, flags, fill, code of the fill, categories
CREATE TABLE plans AS SELECT decode('314d5250' || '03000000' || '00000000' || '0000000000000000' || '01000000' || '00' || '0000000000000000' || '05000000' || '00' || '00' || '00000000' || '0000000000000000' ||
	'010101' || '01000000' || '00000000' || '00' || '0000000000000000' || '00000000' || '00000000' ||
	'010703' || '01000000' || '00000000' || '02' || '0000000000000000' || '00000000' || '02000000' || '0100000061' || '0100000062' ||
	'020101' || '01000000' || '00000000' || '00' || '0000000000000000' || '00000000' || '00000000', 'hex') AS plan;
CREATE TABLE states AS SELECT plan, (SELECT medallion._linear_state(plan, x, kind, y) FROM t) AS state,
	(SELECT medallion._profile_state(plan, x, kind, y) FROM t) AS profile FROM plans;
SELECT length(plan), length(state) > 1000 AS state, length(profile) > 1000 AS profile FROM states;
-- parts merge into the same shape of state, by whatever way
SELECT length(medallion._linear_merge(s)) > 1000 AS merged FROM
	(SELECT medallion._linear_state(plan, x, kind, y) AS s FROM plans, t GROUP BY i % 3) parts;
-- another plan, a plan that changes from row to row, arguments of other types, a wrong number of them
SELECT medallion._linear_merge(s) FROM (SELECT medallion._linear_state(plan, x, kind, y) AS s FROM plans, t
	UNION ALL SELECT medallion._linear_state(set_byte(plan, 33, 6), x, kind, y) FROM plans, t) parts;
SELECT medallion._linear_state(CASE WHEN i = 100 THEN set_byte(plan, 12, 1) ELSE plan END, x, kind, y) FROM plans, t;
SELECT medallion._linear_state(plan, x::float4, kind, y) FROM plans, t;
SELECT medallion._linear_state(plan, x, kind) FROM plans, t;
SELECT medallion._linear_state(NULL, x, kind, y) FROM t;
-- a plan and a state that name shared memory which is not theirs
SELECT length(medallion._linear_state(set_byte(set_byte(plan, 39, 1), 43, 7), x, kind, y)) = (SELECT length(state) FROM states) AS same FROM plans, t;
SELECT length(medallion._linear_merge(s)) FROM (SELECT state FROM states UNION ALL SELECT set_byte(set_byte(state, 44, 1), 52, 1) FROM states) v(s);
SELECT length(medallion._linear_merge(s)) FROM (SELECT set_byte(set_byte(set_byte(state, 44, 1), 52, 1), 60, 1) FROM states UNION ALL SELECT state FROM states) v(s);
-- a category that the dictionary lacks is counted, not taken
SELECT length(medallion._linear_state(plan, x, kind || 'z', y)) > 1000 AS state FROM plans, t;

CREATE FUNCTION damaged(bytes bytea, changes int) RETURNS bytea LANGUAGE plpgsql AS $$
BEGIN
	FOR k IN 1 .. changes LOOP
		bytes := set_byte(bytes, (random() * random() * length(bytes))::int % length(bytes),
			CASE WHEN random() < 0.3 THEN 255 ELSE (random() * 255)::int END);
	END LOOP;
	RETURN CASE WHEN random() < 0.1 THEN substr(bytes, 1, (random() * length(bytes))::int) ELSE bytes END;
END $$;
CREATE FUNCTION try(query text, bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query USING bytes;
	RETURN 'state';
EXCEPTION WHEN OTHERS THEN
	RETURN CASE WHEN SQLSTATE = 'XX000' THEN SQLERRM ELSE 'error' END;
END $$;
CREATE TABLE tries AS
SELECT 'plan' AS what, try('SELECT medallion._linear_state($1, x, kind, y) FROM train_hostile.t', damaged(plan, 1 + i % 3)) AS result FROM states, generate_series(1, 1500) i
UNION ALL SELECT 'plan', try('SELECT medallion._profile_state($1, x, kind, y) FROM train_hostile.t', damaged(plan, 1 + i % 3)) FROM states, generate_series(1, 500) i
UNION ALL SELECT 'state', try('SELECT medallion._linear_merge(s) FROM (SELECT state FROM train_hostile.states UNION ALL SELECT $1) v(s)', damaged(state, 1 + i % 5)) FROM states, generate_series(1, 2000) i
UNION ALL SELECT 'state', try('SELECT medallion._linear_merge(s) FROM (SELECT $1 UNION ALL SELECT state FROM train_hostile.states) v(s)', damaged(substr(state, 1, 200), 1 + i % 3) || substr(state, 201)) FROM states, generate_series(1, 2000) i
UNION ALL SELECT 'profile', try('SELECT medallion._profile_merge(s) FROM (SELECT profile FROM train_hostile.states UNION ALL SELECT $1) v(s)', damaged(profile, 1 + i % 5)) FROM states, generate_series(1, 2000) i
UNION ALL SELECT 'model', try('SELECT medallion._score_state(plan, $1, x, kind, y) FROM train_hostile.t, train_hostile.plans', damaged('\x4d444c4d4f44454c0100000000000000000000000000000000000000', 3)) FROM generate_series(1, 100) i;
SELECT what, sum((result = 'state')::int) > 0 AS some_pass, sum((result = 'error')::int) > 0 AS some_fail,
	count(*) FILTER (WHERE result NOT IN ('state', 'error')) AS other FROM tries GROUP BY what ORDER BY what;
SELECT DISTINCT result FROM tries WHERE result NOT IN ('state', 'error');
SET client_min_messages = warning;
DROP SCHEMA train_hostile CASCADE;
