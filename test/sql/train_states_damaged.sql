-- States that were cut off or changed: with a wrong checksum they are refused, and with a right one, which only somebody who means
-- harm gives them, they are refused or give other numbers; the server lives, and no error is one of its own.
CREATE SCHEMA train_damaged;
SET search_path = train_damaged;
SET client_min_messages = warning;
CREATE TABLE one AS SELECT i, sin(i) AS x, cos(i * 3) AS z, ARRAY[sin(i), i] AS pair, i % 2 = 0 AS flag, (ARRAY['a','bc'])[1 + i % 2] AS kind, 3 + sin(i) + i % 3 AS y FROM generate_series(1, 30) i;
CREATE TABLE good (what text, final text, merge text, target text, features text, state bytea);
INSERT INTO good SELECT 'linear', 'linear_final', 'linear_merge', 'y', '{x,pair,flag}', medallion.linear_state(y, 1, x, pair, flag) FROM one
UNION ALL SELECT 'pca', 'pca_final', 'pca_merge', NULL, '{x,pair}', medallion.pca_state(1, x, pair) FROM one
UNION ALL SELECT 'gaussian', 'naive_bayes_final', 'naive_bayes_merge', 'kind', '{x,pair}', medallion.naive_bayes_state('gaussian', kind, 1, x, pair) FROM one
UNION ALL SELECT 'categorical', 'naive_bayes_final', 'naive_bayes_merge', 'flag', '{kind,flag}', medallion.naive_bayes_state('categorical', flag, 1, kind, flag) FROM one
UNION ALL SELECT 'kmeans', 'kmeans_final', 'kmeans_merge', NULL, '{x,z}', medallion.kmeans_state('{{0,0},{1,1}}', 1, x, z) FROM one
UNION ALL SELECT 'glm', 'glm_final', 'glm_merge', 'flag', '{x,z}', medallion.glm_state('logistic', NULL, '{0,0,0}', flag, 1, x, z) FROM one;
-- a version and a checksum each
SELECT what, get_byte(state, 4) AS version, count(*) OVER (PARTITION BY substring(state FROM 9 FOR 4)) AS checksums FROM good ORDER BY what;

CREATE FUNCTION crc32c_table() RETURNS bigint[] LANGUAGE sql AS $$
	WITH RECURSIVE t(i, n, c) AS (SELECT i, 0, i::bigint FROM generate_series(0, 255) i UNION ALL SELECT i, n + 1, CASE WHEN c & 1 = 1 THEN (c >> 1) # x'82F63B78'::bigint ELSE c >> 1 END FROM t WHERE n < 8)
	SELECT array_agg(c ORDER BY i) FROM t WHERE n = 8 $$;
-- the state with the checksum of what follows it, which is the third number of the state
CREATE FUNCTION resealed(state bytea, t bigint[]) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
	c bigint := x'FFFFFFFF'::bigint;
BEGIN
	FOR i IN 12 .. length(state) - 1 LOOP
		c := (c >> 8) # t[((c # get_byte(state, i)) & 255) + 1];
	END LOOP;
	c := c # x'FFFFFFFF'::bigint;
	IF length(state) >= 12 THEN
		FOR k IN 0 .. 3 LOOP
			state := set_byte(state, 8 + k, ((c >> (8 * k)) & 255)::int);
		END LOOP;
	END IF;
	RETURN state;
END $$;
SELECT bool_and(resealed(state, crc32c_table()) = state) AS checksums_are_understood FROM good;

CREATE TABLE bad (what text, how text, state bytea);
INSERT INTO bad SELECT what, 'cut', substring(state FOR n) FROM good, generate_series(0, length(state) - 1) n;
INSERT INTO bad SELECT what, 'changed', set_byte(state, b, get_byte(state, b) # mask) FROM good, generate_series(0, length(state) - 1) b, unnest('{1,255}'::int[]) mask;
INSERT INTO bad SELECT what, 'cut, sealed', resealed(substring(state FOR n), t) FROM good, crc32c_table() t, generate_series(0, length(state) - 1, 3) n;
INSERT INTO bad SELECT what, 'changed, sealed', resealed(set_byte(state, b, get_byte(state, b) # mask), t) FROM good, crc32c_table() t, unnest('{1,128,255}'::int[]) mask, generate_series(0, length(state) - 1) b WHERE b < 400 OR b % 7 = 0;
-- whole numbers and doubles of another size: 0, -1, the largest, NaN, Infinity, a million
INSERT INTO bad SELECT what, 'numbers, sealed', resealed(overlay(state PLACING n FROM b + 1), t) FROM good, crc32c_table() t, unnest('{"\\x00000000","\\xffffffff","\\xffffff7f","\\x40420f00","\\x000000000000f87f","\\x000000000000f07f","\\x0000000000000080"}'::bytea[]) n, generate_series(0, length(state) - 8, 4) b WHERE b < 400 OR b % 12 = 0;
INSERT INTO bad SELECT what, 'longer, sealed', resealed(state || n, t) FROM good, crc32c_table() t, unnest('{"\\x00","\\x0000000000000000","\\x00000000000000000000000000000000"}'::bytea[]) n;

CREATE TABLE seen (what text, how text, call text, result text);
DO $$
DECLARE
	r record;
	c record;
	result text;
BEGIN
	FOR r IN SELECT b.*, g.state AS good, g.final, g.merge, g.target, g.features, row_number() OVER (ORDER BY what, how, b.state) AS n FROM bad b JOIN good g USING (what) LOOP
		FOR c IN SELECT * FROM (VALUES ('final', format('SELECT count(*) FROM medallion.%s($1)', r.final)), ('merged', format('SELECT count(f) FROM (SELECT medallion.%s(s) AS s FROM unnest(ARRAY[$2, $1, $1]) s) m, medallion.%s(m.s) f', r.merge, r.final)),
			('begun with', format('SELECT count(f) FROM (SELECT medallion.%s(s) AS s FROM unnest(ARRAY[$1, $2, $1]) s) m, medallion.%s(m.s) f', r.merge, r.final)),
			('train_from_state', format('SELECT count(*) FROM medallion.train_from_state(''damaged'', $1, %L, %L)', r.target, r.features))) v(name, call) WHERE name <> 'train_from_state' OR r.n % 5 = 0 LOOP
			result := 'gives numbers';
			BEGIN
				EXECUTE c.call USING r.state, r.good;
				RAISE EXCEPTION USING ERRCODE = 'ZZ001';
			EXCEPTION WHEN OTHERS THEN
				IF SQLSTATE <> 'ZZ001' THEN
					result := SQLSTATE || ' ' || SQLERRM;
				END IF;
			END;
			INSERT INTO seen VALUES (r.what, r.how, c.name, result);
		END LOOP;
	END LOOP;
END $$;
SELECT how, call, count(*) > 30 AS many, count(*) FILTER (WHERE result = 'gives numbers') AS taken FROM seen WHERE how NOT LIKE '%, sealed' GROUP BY how, call ORDER BY how, call;
SELECT what, count(*) FILTER (WHERE result <> 'gives numbers') > count(*) / 4 AS many_refused FROM seen WHERE how LIKE '%, sealed' GROUP BY what ORDER BY what;
-- cut off and lengthened states are refused however they are sealed
SELECT how, call, count(*) FILTER (WHERE result = 'gives numbers') AS taken FROM seen WHERE how IN ('cut, sealed', 'longer, sealed') GROUP BY how, call ORDER BY how, call;
-- no error is one of the server's own: out of memory, cannot happen
SELECT DISTINCT what, call, result FROM seen WHERE result LIKE 'XX000%' OR result LIKE '53%' OR result LIKE '57%';
SELECT DISTINCT left(result, 5) AS sqlstate FROM seen WHERE result <> 'gives numbers' ORDER BY 1;
SELECT count(*) AS models FROM medallion.models WHERE model = 'damaged';
DROP SCHEMA train_damaged CASCADE;
RESET search_path; RESET client_min_messages;
