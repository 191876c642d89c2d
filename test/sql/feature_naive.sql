-- Random events and labels: every aggregate against its plain SQL definition, and whatever the passes over the source.
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE SCHEMA fn;
CREATE TABLE fn.event AS
SELECT g AS id, nullif((random() * 12)::int, 0) AS customer,
	nullif('2026-01-01'::timestamptz + make_interval(hours => (random() * 1000)::int), '2026-01-03') AS at,
	nullif((random() * 100)::int, 50)::smallint AS i2, (random() * 1000)::int AS i4, (random() * 1e15)::bigint AS i8,
	CASE WHEN random() > 0.1 THEN (random() - 0.5) * 1e6 END AS f8, (random() * 10)::real AS f4,
	round((random() * 1000)::numeric, 2) AS n, random() < 0.3 AS b, chr(65 + (random() * 10)::int) AS t,
	'2026-01-01'::date + (random() * 100)::int AS d
FROM generate_series(1, 3000) g;
ALTER TABLE fn.event ADD PRIMARY KEY (id);
CREATE TABLE fn.label AS
SELECT g AS rn, nullif((random() * 13)::int, 3) AS customer,
	nullif('2026-01-01'::timestamptz + make_interval(hours => (random() * 1200)::int), '2026-01-02') AS at
FROM generate_series(1, 1500) g;
INSERT INTO fn.label SELECT rn + 1500, customer, at FROM fn.label WHERE rn <= 100;

SELECT feature_count FROM medallion.create_feature_view('fn', 'fn.event', '{customer}', 'at', delay => '5 hours', ttl => '30 days', features => '{
	"c": {"agg": "count"}, "c_7d": {"agg": "count", "window": "7 days"}, "c_f8": {"agg": "count", "column": "f8", "window": "7 days"},
	"c_if": {"agg": "count", "filter": "b AND i4 > 500", "window": "20 days"},
	"s_i2": {"agg": "sum", "column": "i2", "window": "3 days"}, "s_i4": {"agg": "sum", "column": "i4", "window": "12 hours"},
	"s_i8": {"agg": "sum", "column": "i8"}, "s_f8": {"agg": "sum", "column": "f8", "window": "9 days"},
	"s_n": {"agg": "sum", "column": "n", "window": "9 days"}, "s_b": {"agg": "sum", "column": "b", "window": "9 days"},
	"m_i4": {"agg": "mean", "column": "i4", "window": "9 days"}, "m_f4": {"agg": "mean", "column": "f4", "window": "1 day"},
	"m_n": {"agg": "mean", "column": "n", "window": "9 days"}, "m_b": {"agg": "mean", "column": "b", "window": "9 days"},
	"lo_f8": {"agg": "min", "column": "f8", "window": "9 days"}, "hi_n": {"agg": "max", "column": "n", "window": "9 days"},
	"hi_t": {"agg": "max", "column": "t", "window": "1 day"}, "lo_d": {"agg": "min", "column": "d", "window": "1 day"},
	"sd_f8": {"agg": "stddev", "column": "f8", "window": "9 days"}, "sd_i4": {"agg": "stddev", "column": "i4", "window": "2 days"},
	"cd_t": {"agg": "count_distinct", "column": "t", "window": "2 days"}, "cd_n": {"agg": "count_distinct", "column": "n"},
	"l_f8": {"column": "f8"}, "l_t": {"agg": "last", "column": "t", "window": "12 hours"},
	"f_i4": {"agg": "first", "column": "i4", "window": "3 days"}, "l_if": {"agg": "last", "column": "t", "filter": "b"},
	"tr": {"agg": "trend", "column": "f8", "window": "20 days"}, "r": {"agg": "rate", "window": "10 days"},
	"r_n": {"agg": "rate", "column": "n", "window": "10 days", "per": "1 hour"},
	"m_or": {"agg": "mean", "column": "f8", "window": "3 hours", "default": -1}}');
SELECT * FROM medallion.training_set('fn.fast', 'fn.label', '{fn}');

CREATE TABLE fn.naive AS
SELECT s.*, x.* FROM fn.label s LEFT JOIN LATERAL (
	SELECT count(*) AS c, count(*) FILTER (WHERE w7) AS c_7d, count(f8) FILTER (WHERE w7) AS c_f8,
		count(*) FILTER (WHERE w20 AND b AND i4 > 500) AS c_if,
		coalesce(sum(i2) FILTER (WHERE w3), 0) AS s_i2, coalesce(sum(i4) FILTER (WHERE h12), 0) AS s_i4, coalesce(sum(i8), 0) AS s_i8,
		coalesce(sum(f8) FILTER (WHERE w9), 0) AS s_f8, coalesce(sum(n) FILTER (WHERE w9), 0) AS s_n,
		coalesce(sum(b::int) FILTER (WHERE w9), 0) AS s_b,
		(avg(i4) FILTER (WHERE w9))::float8 AS m_i4, avg(f4::float8) FILTER (WHERE w1) AS m_f4,
		(avg(n) FILTER (WHERE w9))::float8 AS m_n, (avg(b::int) FILTER (WHERE w9))::float8 AS m_b,
		min(f8) FILTER (WHERE w9) AS lo_f8, max(n) FILTER (WHERE w9) AS hi_n, max(t) FILTER (WHERE w1) AS hi_t, min(d) FILTER (WHERE w1) AS lo_d,
		stddev(f8) FILTER (WHERE w9) AS sd_f8, (stddev(i4) FILTER (WHERE w2))::float8 AS sd_i4,
		count(DISTINCT t) FILTER (WHERE w2) AS cd_t, count(DISTINCT n) AS cd_n,
		(array_agg(f8 ORDER BY at DESC, id DESC))[1] AS l_f8, (array_agg(t ORDER BY at DESC, id DESC) FILTER (WHERE h12))[1] AS l_t,
		(array_agg(i4 ORDER BY at, id) FILTER (WHERE w3))[1] AS f_i4, (array_agg(t ORDER BY at DESC, id DESC) FILTER (WHERE b))[1] AS l_if,
		regr_slope(f8, days) FILTER (WHERE w20) AS tr, count(*) FILTER (WHERE w10) / 10.0::float8 AS r,
		coalesce(sum(n) FILTER (WHERE w10), 0)::float8 / 240 AS r_n, coalesce(avg(f8) FILTER (WHERE h3), -1) AS m_or
	FROM (SELECT e.*, extract(epoch FROM e.at - s.at)::float8 / 86400 AS days,
			e.at >= u - interval '3 hours' AS h3, e.at >= u - interval '12 hours' AS h12, e.at >= u - interval '1 day' AS w1,
			e.at >= u - interval '2 days' AS w2, e.at >= u - interval '3 days' AS w3, e.at >= u - interval '7 days' AS w7,
			e.at >= u - interval '9 days' AS w9, e.at >= u - interval '10 days' AS w10, e.at >= u - interval '20 days' AS w20
		FROM fn.event e, LATERAL (SELECT s.at - interval '5 hours' AS u) q
		WHERE e.customer = s.customer AND e.at < u AND e.at >= s.at - interval '30 days') e) x ON true;

-- Features whose value differs anywhere: none.  Exact types are compared exactly, float8 to 1e-9 of the value.
DO $$
DECLARE feature record; differing bigint; checked int := 0;
BEGIN
	FOR feature IN SELECT attname AS name, atttypid = 'float8'::regtype AS rounded FROM pg_attribute
		WHERE attrelid = 'fn.fast'::regclass AND attnum > 3
	LOOP
		EXECUTE format('SELECT count(*) FROM fn.fast a FULL JOIN fn.naive b USING (rn) WHERE ' ||
			CASE WHEN feature.rounded THEN '(a.%1$I IS NULL) <> (b.%1$I IS NULL) OR abs(a.%1$I - b.%1$I) > 1e-9 * (abs(b.%1$I) + 1)'
			ELSE 'a.%1$I IS DISTINCT FROM b.%1$I' END, feature.name) INTO differing;
		checked := checked + 1;
		IF differing > 0 THEN
			RAISE WARNING 'feature % differs in % rows', feature.name, differing;
		END IF;
	END LOOP;
	RAISE WARNING '% features compared', checked;
END $$;
SELECT count(*) = 1600 AS one_row_each FROM fn.fast;

-- The physical order of the source and the memory limit change no bit.
CREATE TABLE fn.sorted AS SELECT * FROM fn.event ORDER BY md5(id::text);
CREATE TABLE fn.many AS SELECT (g * 1000 + e.id) AS id, e.customer * 100 + g AS customer, at, i2, i4, i8, f8, f4, n, b, t || repeat('-', 100) AS t, d FROM fn.event e, generate_series(1, 4) g;
CREATE TABLE fn.many_labels AS SELECT rn, customer * 100 + g AS customer, at FROM fn.label, generate_series(1, 4) g;
CREATE FUNCTION fn.over(source text) RETURNS void LANGUAGE sql AS $$
	SELECT medallion.create_feature_view('fn', source, '{customer}', 'at', tiebreak => '{id}', replace => true, features => '{
		"s": {"agg": "sum", "column": "f8", "window": "9 days"}, "sd": {"agg": "stddev", "column": "f4"}, "l": {"column": "t"},
		"tr": {"agg": "trend", "column": "f8"}, "n": {"agg": "mean", "column": "n", "window": "2 days"}, "hi": {"agg": "max", "column": "t"}}') $$;
SELECT fn.over('fn.event');
SELECT rows FROM medallion.training_set('fn.a', 'fn.label', '{fn}');
SELECT fn.over('fn.sorted');
SELECT rows FROM medallion.training_set('fn.b', 'fn.label', '{fn}');
SELECT count(*) AS differing FROM (TABLE fn.a EXCEPT ALL TABLE fn.b) x;
SELECT fn.over('fn.many');
SELECT rows FROM medallion.training_set('fn.one_pass', 'fn.many_labels', '{fn}');
SET medallion.feature_mem = '1MB';
SELECT rows FROM medallion.training_set('fn.some_passes', 'fn.many_labels', '{fn}');
SELECT count(*) AS differing FROM (TABLE fn.one_pass EXCEPT ALL TABLE fn.some_passes) x;
-- Events of one entity cannot be divided.
CREATE TABLE fn.one AS SELECT 1 AS customer, at, t FROM fn.many;
SELECT feature_count FROM medallion.create_feature_view('one', 'fn.one', '{customer}', 'at', '{"l": {"column": "t"}}');
SELECT rows FROM medallion.training_set('fn.c', $$SELECT 1 AS customer, timestamptz '2027-01-01' AS at$$, '{one}');
RESET medallion.feature_mem;

-- What serves one entity gives the same bits as the training set.
SELECT fn.over('fn.sorted');
SELECT count(*) > 100 AS compared, count(*) FILTER (WHERE f IS DISTINCT FROM to_jsonb(b) - '{rn,customer,at}'::text[]) AS differing
FROM fn.b b, medallion.get_features('fn', jsonb_build_object('customer', customer), at) f WHERE rn <= 200 AND at IS NOT NULL;

SELECT medallion.drop_feature_view(v) FROM unnest('{fn,one}'::text[]) v;
DROP SCHEMA fn CASCADE;
