-- Rules about a table that follow the rows on their way into it find what a pass over the table finds, to the last digit.
CREATE SCHEMA passing;
CREATE DOMAIN passing.price AS numeric;
CREATE TABLE passing.source (id int PRIMARY KEY, small smallint, middle int, large bigint, price numeric(10,2), exact numeric, odd passing.price,
	status text, code varchar(8), folded text COLLATE "C", at timestamptz, local timestamp, day date, far date, none numeric);
INSERT INTO passing.source SELECT i, i % 100 - 50, i * 1000003 % 2000000000 - 1000000000, (i - 500) * 9000000000000000, (i % 997 - 300) / 7.0,
	(i - 400)::numeric ^ 5 / 10 ^ (i % 11), CASE WHEN i % 3 > 0 THEN i * 1e20 + 0.000000001 * i END,
	(ARRAY['new', 'paid', 'sent', NULL, 'lost'])[i % 5 + 1], (ARRAY['a', 'bb', repeat('c', 8)])[i % 3 + 1], repeat('long ', i % 3 * 1000),
	'2020-02-02 12:00+00'::timestamptz + i * interval '1 hour', '2021-03-03'::timestamp + i * interval '1 minute', '2022-04-04'::date + i,
	CASE i WHEN 7 THEN 'infinity'::date ELSE '2000-01-01' END, NULL
	FROM generate_series(1, 1000) i;
SELECT definition.target FROM medallion.define('passing.t', 'SELECT * FROM passing.source', '{id}') definition;

CREATE TABLE passing.asked (name text, kind text, col text, statistic text, options jsonb);
INSERT INTO passing.asked SELECT col || ' ' || statistic, 'distribution', col, statistic,
		jsonb_build_object('column', col, 'statistic', statistic, 'min', -1e300) || CASE statistic WHEN 'quantile' THEN '{"quantile": 0.25}' ELSE '{}'::jsonb END
	FROM unnest('{small,middle,large,price,exact,odd,none}'::text[]) col, unnest('{mean,sum,min,max,stddev,null_share,quantile,distinct}'::text[]) statistic;
INSERT INTO passing.asked SELECT col || ' latest', 'freshness', col, NULL, jsonb_build_object('column', col, 'max_age', '1000 years')
	FROM unnest('{at,local,day,far}'::text[]) col;
SELECT count(medallion.expect_table('passing.t', name, kind, options)) FROM passing.asked;
SELECT medallion.expect_table('passing.t', 'states', 'accepted_values', '{"column": "status", "values": ["new", "paid", "sent"]}');
SELECT medallion.expect_table('passing.t', 'states or none', 'accepted_values', '{"column": "status", "values": ["sent", "paid", "new", "lost"]}', null_ok => true);
SELECT medallion.expect_table('passing.t', 'codes', 'accepted_values', '{"column": "code", "values": ["a", "bb", "cccccccc"]}');
SELECT medallion.expect_table('passing.t', 'no text', 'accepted_values', '{"column": "folded", "values": [""]}');
SELECT mode, inserted FROM medallion.refresh('passing.t');

-- what was found, and what the table says
CREATE FUNCTION passing.differing() RETURNS TABLE (name text, found float8, is_ float8) LANGUAGE plpgsql AS $$
DECLARE
	a record;
	aggregate text;
BEGIN
	FOR a IN SELECT q.*, (r.observed ->> 'value')::float8 AS value FROM passing.asked q
		LEFT JOIN LATERAL (SELECT * FROM medallion.expectation_results r WHERE r.target = 'passing.t' AND r.name = q.name ORDER BY refresh_id DESC LIMIT 1) r ON true
		ORDER BY q.name
	LOOP
		aggregate := CASE a.statistic WHEN 'mean' THEN format('avg(%I)::float8', a.col) WHEN 'null_share' THEN format('avg((%I IS NULL)::int)::float8', a.col)
			WHEN 'quantile' THEN format('percentile_cont(0.25) WITHIN GROUP (ORDER BY %I::float8)', a.col)
			WHEN 'distinct' THEN format('count(DISTINCT %I)::float8', a.col) ELSE format('%s(%I)::float8', a.statistic, a.col) END;
		IF a.kind = 'freshness' THEN
			aggregate := format('max(%I)::timestamptz', a.col);
			aggregate := format('CASE WHEN isfinite(%s) THEN trunc(extract(epoch FROM %1$s) * 1e6 - 946684800000000)::float8 WHEN NOT isfinite(%1$s) THEN ''infinity'' END', aggregate);
		END IF;
		EXECUTE format('SELECT %s FROM passing.t', aggregate) INTO is_;
		IF a.value IS DISTINCT FROM is_ THEN
			name := a.name;
			found := a.value;
			RETURN NEXT;
		END IF;
	END LOOP;
END $$;
SELECT * FROM passing.differing();
SELECT name, failed, jsonb_array_length(failing_keys) AS keys, met FROM medallion.expectation_results
	WHERE target = 'passing.t' AND kind = 'accepted_values' ORDER BY name;

-- values that are not followed
INSERT INTO passing.source (id, exact, odd, none) VALUES (1001, 'NaN', 1e200, 'infinity'), (1002, -1e-40, 1e-200, NULL);
SELECT mode FROM medallion.refresh('passing.t');
SELECT * FROM passing.differing();
SELECT medallion.rebuild('passing.t');
DELETE FROM passing.source WHERE id = 1;
UPDATE passing.source SET status = 'gone' WHERE id = 2;
SELECT medallion.rebuild('passing.t');
SELECT * FROM passing.differing();
SELECT name, failed, met FROM medallion.expectation_results r WHERE target = 'passing.t' AND kind = 'accepted_values'
	AND refresh_id = (SELECT max(refresh_id) FROM medallion.refreshes) ORDER BY name;

-- rows that row rules reject do not count, and those that a rule raises for come twice
SELECT medallion.expect('passing.t', 'small', 'small < 40', 'drop');
SELECT medallion.expect('passing.t', 'raises', '100 / (small + 30) < 1000', 'quarantine');
SELECT medallion.rebuild('passing.t') > 0 AS changed;
SELECT * FROM passing.differing();

-- a trigger that writes something else: the table says what it holds
CREATE FUNCTION passing.tamper() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.price := 5; RETURN NEW; END$$;
CREATE TRIGGER tamper BEFORE INSERT OR UPDATE ON passing.t FOR EACH ROW EXECUTE FUNCTION passing.tamper();
UPDATE passing.source SET price = price + 1000 WHERE id < 500;
SELECT medallion.rebuild('passing.t') > 0 AS changed;
SELECT * FROM passing.differing();
DROP TRIGGER tamper ON passing.t;

-- no rows
DELETE FROM passing.source;
SELECT medallion.rebuild('passing.t') > 0 AS changed;
SELECT * FROM passing.differing() WHERE name NOT LIKE '% distinct';

SELECT medallion.undefine('passing.t', drop_table => true);
\set VERBOSITY terse
DROP SCHEMA passing CASCADE;
