-- Helpers for silver: casts, text, units, times, what survives.
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
-- try_cast: what the type takes, and NULL for the rest; never an error.
SELECT v, medallion.try_cast(v, NULL::int) AS int, medallion.try_cast(v, NULL::smallint) AS small, medallion.try_cast(v, NULL::bigint) AS big,
	left(medallion.try_cast(v, NULL::numeric)::text, 20) AS num, medallion.try_cast(v, NULL::numeric(4,1)) AS num41, medallion.try_cast(v, NULL::float8) AS f8, medallion.try_cast(v, NULL::real) AS f4
FROM unnest(ARRAY['1', ' 12 ', '-7', '+7', '1.5', '1e3', 'x', '', ' ', NULL, '32768', '2147483648', '-2147483648', '9223372036854775807', '9223372036854775808',
	'123456789012345678', 'NaN', 'Infinity', '-inf', '1 2', '--1', '0x10', '1_000', '1e400', '1e39', '999.96', '99999', '-', '.', '.5', '١']) v;
SELECT v, medallion.try_cast(v, NULL::date) AS date, medallion.try_cast(v, NULL::timestamptz) AS tstz, medallion.try_cast(v, NULL::bool) AS bool,
	medallion.try_cast(v, NULL::interval) AS interval, medallion.try_cast(v, NULL::time) AS time
FROM unnest(ARRAY['2026-02-28', '2026-02-29', '2026-03-01 12:00+02', 'infinity', 'yes', 'off', 'maybe', '1 day', '25:00', '10:11:12', '10000000000 years', 'J', '', '2026-03-01 12:00 Europe/Berlin', '2026-03-01 12:00 Nowhere/Land']) v;
SELECT v, medallion.try_cast(v, NULL::uuid) AS uuid, medallion.try_cast(v, NULL::jsonb) AS jsonb, medallion.try_cast(v, NULL::inet) AS inet, medallion.try_cast(v, NULL::int[]) AS ints,
	medallion.try_cast(v, NULL::int4range) AS range, medallion.try_cast(v, NULL::xml)::text AS xml, medallion.try_cast(v, NULL::regclass) AS regclass, medallion.try_cast(v, NULL::tsquery) AS tsquery
FROM unnest(ARRAY['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": 1}', '{"a": ', '10.0.0.1/8', '{1,2}', '{1,x}', '[1,5)', '[5,1)', '<a/>', '<a>', 'pg_class', 'no_such_table', 'a & b', 'a &']) v;
SELECT medallion.try_cast('abc', NULL::varchar(3)) AS fits, medallion.try_cast('abcd', NULL::varchar(3)) AS too_long, medallion.try_cast('abcd', NULL::text) AS text,
	medallion.try_cast('ab', NULL::char(3)) || '|' AS padded, medallion.try_cast('101', NULL::bit(3)) AS bits, medallion.try_cast('10', NULL::bit(3)) AS few_bits,
	medallion.try_cast(NULL, NULL::int) IS NULL AS of_null, medallion.try_cast('5', 7) AS type_of_value, pg_typeof(medallion.try_cast('5', NULL::numeric(3,1))) AS type;
-- Enums, domains over domains and arrays, composites, types whose constraints raise or call other languages.
CREATE SCHEMA conform;
CREATE TYPE conform.mood AS ENUM ('good', 'bad');
CREATE DOMAIN conform.positive AS int CHECK (VALUE > 0);
CREATE DOMAIN conform.small AS conform.positive CHECK (VALUE < 10) NOT NULL;
CREATE DOMAIN conform.ratio AS numeric(6,2) CHECK (1 / (VALUE - 5) < 1);
CREATE DOMAIN conform.pair AS int[] CHECK (array_length(VALUE, 1) = 2);
CREATE FUNCTION conform.is_even(n int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN IF n = 3 THEN RAISE EXCEPTION 'three'; END IF; PERFORM 1; RETURN n % 2 = 0; END $$;
CREATE DOMAIN conform.even AS int CHECK (conform.is_even(VALUE));
CREATE DOMAIN conform.free AS int;
CREATE TYPE conform.point AS (x int, y conform.positive);
SELECT v, medallion.try_cast(v, NULL::conform.mood) AS mood, medallion.try_cast(v, NULL::conform.positive) AS positive, medallion.try_cast(v, '1'::conform.small) AS small,
	medallion.try_cast(v, NULL::conform.ratio) AS ratio, medallion.try_cast(v, NULL::conform.pair) AS pair, medallion.try_cast(v, NULL::conform.even) AS even,
	medallion.try_cast(v, NULL::conform.free) AS free, medallion.try_cast(v, NULL::conform.point) AS point, medallion.try_cast(v, NULL::conform.mood[]) AS moods,
	medallion.try_cast(v, NULL::conform.positive[]) AS positives
FROM unnest(ARRAY['good', 'best', '3', '4', '0', '12', '5', 'x', NULL, '{1,2}', '{1}', '(1,2)', '(1,-2)', '(1)', '{good,bad}', '{good,ugly}']) v;
-- The answer is that of a cast, for every type and text that a cast can be tried with.
CREATE FUNCTION conform.cast_or_null(v text, type text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text; BEGIN EXECUTE format('SELECT (%L::text::%s)::text', v, type) INTO r; RETURN r; EXCEPTION WHEN OTHERS THEN RETURN NULL; END $$;
CREATE FUNCTION conform.tried(v text, type text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text; BEGIN EXECUTE format('SELECT medallion.try_cast(%L, NULL::%s)::text', v, type) INTO r; RETURN r; END $$;
CREATE TABLE conform.texts AS SELECT DISTINCT v FROM (SELECT unnest(ARRAY['', ' ', '0', '-0', '1', '01', '1.', '.1', '1e5', '1E-400', 'true', 't', '2026-01-01', '2026-13-01', '24:00', '24:01', '12:60', '{}', '[]', '[1', '{1,NULL}',
	'(1,2)', '((1,2),(3,4))', '<(1,2),3>', '{1,2,3}', 'a', '''a''', 'a:1', 'a & (b | c)', '$.a', '$.', '\x00ff', '\xzz', '08:00:2b:01:02:03', '::1', '::g', '0/16B3748', '1:1:', '(0,1)', 'P1D', '1 mon', '$1.00', '101', 'allballs', 'epoch']) v
	UNION ALL SELECT repeat(c, n) FROM unnest('{1,9,-,.,e,:}'::text[]) c, unnest('{1,2,5,10,19,20,40}'::int[]) n UNION ALL SELECT md5(i::text) FROM generate_series(1, 5) i) t;
SELECT type, count(*) FILTER (WHERE conform.tried(v, type) IS NOT NULL) > 0 AS some, count(*) FILTER (WHERE conform.tried(v, type) IS DISTINCT FROM conform.cast_or_null(v, type)) AS different
FROM conform.texts, unnest('{bool,bytea,name,int8,int2,int4,regproc,oid,tid,xid,cid,xid8,json,jsonb,point,lseg,path,box,polygon,line,circle,float4,float8,money,macaddr,macaddr8,inet,cidr,date,time,timestamp,timestamptz,interval,timetz,
	varbit,numeric,"numeric(3,1)",uuid,pg_lsn,tsvector,tsquery,txid_snapshot,jsonpath,int4range,tstzrange,int8multirange,int4[],text[],regtype,regrole,conform.mood,conform.positive,conform.ratio,conform.pair,conform.even,conform.point,conform.positive[]}'::text[]) type
GROUP BY type HAVING count(*) FILTER (WHERE conform.tried(v, type) IS DISTINCT FROM conform.cast_or_null(v, type)) > 0;
-- Errors that are not the value's go on; one call site meets many.
SET statement_timeout = '300ms';
SELECT count(medallion.try_cast(i || 'x', NULL::date)) FROM generate_series(1, 100000000) i;
RESET statement_timeout;
SELECT count(medallion.try_cast(CASE i % 3 WHEN 0 THEN 'x' ELSE i::text END, NULL::conform.even)) FROM generate_series(10, 1009) i;
SELECT count(medallion.try_cast(CASE i % 3 WHEN 0 THEN '5' WHEN 1 THEN 'x' ELSE i::text END, NULL::conform.ratio)) FROM generate_series(10, 1009) i;
-- In parallel: types that need no subtransaction.
CREATE TABLE conform.many AS SELECT CASE i % 10 WHEN 0 THEN 'x' ELSE i::text END AS v FROM generate_series(1, 20000) i;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS off) SELECT count(medallion.try_cast(v, NULL::int)) FROM conform.many;
SELECT count(medallion.try_cast(v, NULL::int)), count(medallion.try_cast(v, NULL::date)), count(medallion.try_cast(v, NULL::conform.ratio)) FROM conform.many;
SELECT count(medallion.try_cast(v, NULL::conform.even)) FROM conform.many;
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size; RESET max_parallel_workers_per_gather;
-- A domain that changes under a prepared statement.
PREPARE tries AS SELECT medallion.try_cast('4', NULL::conform.positive);
EXECUTE tries;
ALTER DOMAIN conform.positive ADD CONSTRAINT large CHECK (VALUE > 100);
EXECUTE tries;
SELECT medallion.try_cast('1');
SELECT medallion.try_cast('1', NULL);

-- clean_text
SELECT medallion.clean_text(E'  a \t b\n c ') AS spaces, medallion.clean_text(U&'\00A0x\2003\2003y\3000') AS wide_spaces, medallion.clean_text(U&'a\200Bb\FEFF\00ADc\0007') AS unseen,
	medallion.clean_text(U&'e\0301') = U&'\00E9' AS composed, medallion.clean_text(U&'\FB01\2460', 'nfkc') AS compatible, medallion.clean_text(U&'\00E9', 'nfd') = U&'e\0301' AS decomposed,
	medallion.clean_text(U&'e\0301', 'none') = U&'e\0301' AS as_it_is, length(medallion.clean_text(U&'\+01F468\200D\+01F469')) AS joined;
SELECT medallion.clean_text('') IS NULL AS empty, medallion.clean_text(E' \n') IS NULL AS blank, medallion.clean_text(U&'\200B') IS NULL AS unseen, medallion.clean_text(' ', empty_is_null => false) = '' AS kept,
	medallion.clean_text(NULL) IS NULL AS of_null, medallion.clean_text(U&' \00C4rger ', letter_case => 'lower') AS lower, medallion.clean_text('abc', letter_case => 'UPPER') AS upper;
SELECT count(*) AS wrong FROM (SELECT string_agg(chr(1 + (i * 7919 + n * 104729) % 50000), '') AS t FROM generate_series(1, 500) n, generate_series(1, 20) i WHERE (i * 7919 + n * 104729) % 50000 + 1 NOT BETWEEN 55296 AND 57343 GROUP BY n) s
WHERE medallion.clean_text(medallion.clean_text(t)) IS DISTINCT FROM medallion.clean_text(t) OR NOT medallion.clean_text(t) IS NFC NORMALIZED;
SELECT medallion.clean_text('a', 'nfx');
SELECT medallion.clean_text('a', NULL);
SELECT medallion.clean_text('a', letter_case => 'title');

-- Units.
SELECT medallion.convert_unit(212, 'F', 'C') AS c, medallion.convert_unit(0, 'K', '°F') AS f, medallion.convert_unit(1, 'mi', 'km') AS km, medallion.convert_unit(1, 'mW', 'W') AS milli, medallion.convert_unit(1, 'MW', 'W') AS mega,
	medallion.convert_unit(1, ' KG ', 'lb') AS lb, medallion.convert_unit(1, 'furlong', 'm') AS unknown, medallion.convert_unit(1, 'm', 'kg') AS other_dimension, medallion.convert_unit(NULL, 'm', 'm') AS none, medallion.convert_unit(0.1, 'ft', 'ft') AS same,
	medallion.convert_unit(1, 'hp', 'W') AS hp, medallion.convert_unit(1, 'psi', 'Pa') AS psi;
SELECT q, medallion.to_unit(q, 'm') AS m, medallion.to_unit(q, 'm', 'ft') AS m_or_ft FROM unnest(ARRAY['5 ft', '5ft', '1,234.5 mm', '-3e2 cm', '7', '7 kg', '12,34 m', '1,2345 m', ',5 m', 'm', '', NULL, '1e999 m', '1.5.2 m', '.5 km', '1e m', ' 2 KM ', '+1 in', '1,000,000 mm']) q;
SELECT medallion.convert_unit(1, 'm', 'furlong');
SELECT medallion.convert_unit(1, 'm', NULL);
SELECT medallion.to_unit('1', 'm', 'furlong');
-- There and back again; names are not ambiguous.
SELECT count(*) AS units, count(*) FILTER (WHERE abs(medallion.convert_unit(medallion.convert_unit(7, a.unit, b.unit), b.unit, a.unit) - 7) < 1e-9) AS there_and_back
FROM medallion.units a JOIN medallion.units b USING (dimension);
SELECT unit FROM (SELECT unit FROM medallion.units UNION ALL SELECT other_name FROM medallion.units WHERE other_name IS NOT NULL) u GROUP BY unit HAVING count(*) > 1;
SELECT * FROM medallion.units WHERE dimension = 'temperature' ORDER BY unit COLLATE "C";

-- Local times.
SELECT t, z, medallion.local_instant(t::timestamp, z) AS instant, medallion.local_instant(t::timestamp, z, 'earlier') AS earlier, medallion.local_instant(t::timestamp, z, 'null', 'null') AS sure
FROM (VALUES ('2026-07-01 12:00', 'Europe/Berlin'), ('2026-01-01 12:00', 'Europe/Berlin'), ('2026-03-29 02:30', 'Europe/Berlin'), ('2026-10-25 02:30', 'Europe/Berlin'), ('2026-10-25 02:00', 'Europe/Berlin'),
	('2026-10-25 03:00', 'Europe/Berlin'), ('2026-10-25 01:59:59.999999', 'Europe/Berlin'), ('2026-03-08 02:30', 'America/New_York'), ('2026-11-01 01:30', 'America/New_York'), ('1960-01-01 00:00:00.5', 'UTC'),
	('2011-12-30 12:00', 'Pacific/Apia'), ('2026-07-01 12:00', '+05:30'), ('2026-07-01 12:00', '-8'), ('2026-07-01 12:00', '+0100'), ('2026-07-01 12:00', 'Z'), ('2026-07-01 12:00', 'Mars/Base'), ('2026-07-01 12:00', ''),
	('2026-07-01 12:00', NULL), (NULL, 'UTC'), ('infinity', 'UTC'), ('2026-07-01 12:00', '+5:3'), ('2026-07-01 12:00', '+99')) v(t, z);
-- Where nothing is doubtful the answer is the server's.
SELECT z, count(*) FILTER (WHERE medallion.local_instant(t, z) IS DISTINCT FROM t AT TIME ZONE z) AS different, count(*) FILTER (WHERE medallion.local_instant(t, z, 'null', 'null') IS NULL) AS doubtful
FROM unnest('{Europe/Berlin,America/New_York,Asia/Kolkata,Australia/Lord_Howe,UTC}'::text[]) z, generate_series('2020-01-01'::timestamp, '2026-01-01', '30 minutes') t GROUP BY z ORDER BY z COLLATE "C";
SELECT medallion.local_instant('2026-01-01', 'UTC', 'both');
SELECT medallion.local_instant('2026-01-01', 'UTC', skipped => NULL);
SELECT v, medallion.try_timestamp(v, '{iso,DD.MM.YYYY HH24:MI,DD.MM.YYYY,"DD Mon YYYY",MM/DD/YYYY}') AS utc, medallion.try_timestamp(v, '{iso,DD.MM.YYYY HH24:MI,DD.MM.YYYY,MM/DD/YYYY}', 'America/New_York') AS ny
FROM unnest(ARRAY['2026-03-01 10:00', '2026-03-01 10:00+02', '3.1.2026', '31.02.2026', '03.01.2026 7:05', '13/45/2026', '12/31/2026', '12/31/2026 junk', '5 Mar 2026', '5 MAR 2026', 'yesterday-ish', '', NULL, '29.03.2026 02:30', '08.03.2026 02:30', '20260301T101112Z', '20260301', 'today', '1.3.2026 10:00']) v;
SELECT medallion.try_timestamp('1', NULL);
SELECT medallion.try_timestamp('2026-01-01', '{NULL,iso}', 'Nowhere') IS NULL AS no_zone, medallion.try_timestamp('2026-01-01', '{}') IS NULL AS no_format;
SHOW timezone;

-- In derived tables: incremental, and rows that cannot be conformed go into quarantine.
CREATE TABLE bronze.contact (source text, id int, at timestamp, email text, phone text, height text, PRIMARY KEY (source, id, at));
SELECT FROM medallion.enable_versioning('bronze.contact');
INSERT INTO bronze.contact VALUES ('crm', 1, '2026-01-01', ' A@x.org ', NULL, '180 cm'), ('shop', 1, '2026-02-01', 'b@x.org', '1', '6 ft'), ('shop', 2, '2026-02-01', NULL, '2', 'tall'), ('crm', 2, '2026-03-01', '', ' ', NULL);
SELECT target FROM medallion.define('silver.contact', keys => '{id}', query => $$
	SELECT id, medallion.first_known(medallion.clean_text(email, letter_case => 'lower') ORDER BY array_position('{crm,shop}', source), at DESC) AS email,
		medallion.first_known(medallion.clean_text(phone) ORDER BY at DESC) AS phone,
		medallion.first_known(source ORDER BY array_position('{crm,shop}', source), at DESC) FILTER (WHERE medallion.clean_text(email) IS NOT NULL) AS email_from,
		medallion.first_known(medallion.to_unit(height, 'm') ORDER BY at DESC) AS height, max(medallion.local_instant(at, 'Europe/Berlin')) AS changed_at,
		max(medallion.try_cast(phone, NULL::int)) AS number, max(medallion.try_timestamp(at::text, '{iso}')) AS again
	FROM bronze.contact GROUP BY id $$);
SELECT medallion.expect('silver.contact', 'height', 'height > 0', 'quarantine');
SELECT mode, inserted, rejected FROM medallion.refresh('silver.contact');
TABLE silver.contact;
SELECT id, phone, _reasons FROM silver.contact_quarantine;
UPDATE bronze.contact SET height = '5.5 ft' WHERE id = 2 AND source = 'shop';
INSERT INTO bronze.contact VALUES ('shop', 1, '2026-04-01', NULL, ' 9', NULL);
SELECT mode, inserted, updated, rejected, reason FROM medallion.refresh('silver.contact');
TABLE silver.contact ORDER BY id;
SELECT medallion.rebuild('silver.contact', verify => true);
SELECT medallion.undefine('silver.contact', drop_table => true);
DROP TABLE bronze.contact;
DROP SCHEMA conform CASCADE;
