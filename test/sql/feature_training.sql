-- Training sets: values as they were at each label row's own time, one output row per spine row.
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE SCHEMA tset;
CREATE TABLE tset.event (id int PRIMARY KEY, customer int, at timestamptz, amount float8, status text);
INSERT INTO tset.event VALUES
	(1, 1, '2026-01-01 10:00', 10, 'new'),
	(2, 1, '2026-01-02 10:00', 20, 'paid'),
	(3, 1, '2026-01-03 10:00', 30, NULL),
	(4, 2, '2026-01-02 10:00', 5, 'new'),
	(5, NULL, '2026-01-02 10:00', 7, 'lost'),
	(6, 1, NULL, 1000, 'never');
SELECT feature_count FROM medallion.create_feature_view('act', 'tset.event', '{customer}', 'at', '{
	"n": {"agg": "count"}, "n_1d": {"agg": "count", "window": "1 day"}, "total": {"agg": "sum", "column": "amount"},
	"mean": {"agg": "mean", "column": "amount"}, "status": {"column": "status"}, "first": {"agg": "first", "column": "amount"},
	"named": {"agg": "last", "column": "status", "filter": "status IS NOT NULL"}}');

-- An event exactly at the label's time is not in; one at the far end of the window is.
CREATE TABLE tset.label (id int, customer int, at timestamptz, late bool);
INSERT INTO tset.label VALUES
	(1, 1, '2026-01-03 10:00', true),			-- event 3 is at this very time
	(2, 1, '2026-01-03 10:00:00.000001', true), -- and now just before it; event 2 is a microsecond too old for n_1d
	(3, 1, '2026-01-01 10:00', false),			-- nothing before
	(4, 2, '2027-01-01', false),
	(5, 3, '2027-01-01', false),				-- no such customer among the events
	(6, NULL, '2027-01-01', false),				-- no customer
	(7, 1, NULL, false),						-- no time
	(1, 1, '2026-01-03 10:00', true),			-- a duplicate of the first row
	(8, 1, 'infinity', true),
	(9, 1, '-infinity', true);
SELECT * FROM medallion.training_set('tset.out', spine => 'tset.label', features => '{act}');
SELECT * FROM tset.out ORDER BY id;

-- Single features, in the order asked for; a query as spine; a time column of another name.
SELECT * FROM medallion.training_set('tset.few', features => '{act:total,act:n}', spine_at => 'ts', spine => $$
	-- comments and a semicolon are no trouble
	SELECT id, customer, at AS ts FROM tset.label WHERE id <= 3; $$);
SELECT * FROM tset.few ORDER BY id;

-- A delay moves windows back as a whole: [t - delay - window, t - delay).
SELECT * FROM medallion.training_set('tset.late', 'tset.label', '{act:n,act:n_1d}', delay => '1 day');
SELECT * FROM tset.late ORDER BY id;

-- ttl: how old an event may be at the label's time.
SELECT feature_count FROM medallion.create_feature_view('fresh', 'tset.event', '{customer}', 'at', '{
	"n": {"agg": "count"}, "n_9d": {"agg": "count", "window": "9 days"}, "last": {"column": "amount"}}', ttl => '1 day');
SELECT * FROM medallion.training_set('tset.ttl', 'SELECT 1 AS customer, t AS at FROM generate_series(timestamptz ''2026-01-03 10:00'', ''2026-01-05 10:00'', ''12 hours'') t', '{fresh}');
SELECT * FROM tset.ttl ORDER BY at;

-- Names that collide: an error, or full names.
SELECT * FROM medallion.training_set('tset.both', 'tset.label', '{act:n,fresh:n}');
SELECT * FROM medallion.training_set('tset.both', 'tset.label', '{act:n,fresh:n}', full_names => true);
SELECT id, act__n, fresh__n FROM tset.both ORDER BY id, act__n LIMIT 3;
SELECT * FROM medallion.training_set('tset.no', 'SELECT customer, at, 1 AS n FROM tset.label', '{act:n}');

-- Keys make a primary key; a table that exists is replaced only if asked.
SELECT * FROM medallion.training_set('tset.keyed', 'SELECT DISTINCT ON (id) * FROM tset.label ORDER BY id', '{act:n}', keys => '{id}');
SELECT attname, format_type(atttypid, atttypmod) AS type, attnotnull FROM pg_attribute WHERE attrelid = 'tset.keyed'::regclass AND attnum > 0 ORDER BY attnum;
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'tset.keyed'::regclass AND indisprimary;
SELECT * FROM medallion.training_set('tset.keyed', 'tset.label', '{act:n}');
SELECT 'tset.keyed'::regclass::oid AS before \gset
SELECT * FROM medallion.training_set('tset.keyed', 'SELECT * FROM tset.label WHERE id > 5', '{act:n}', keys => '{id}', replace => true);
SELECT 'tset.keyed'::regclass::oid = :before AS same_table, count(*) FROM tset.keyed;
SELECT * FROM medallion.training_set('tset.keyed', 'SELECT id, customer, at FROM tset.label WHERE id > 5', '{act:n}', keys => '{id}', replace => true);
SELECT 'tset.keyed'::regclass::oid = :before AS same_table, count(*) FROM tset.keyed;
SELECT * FROM medallion.training_set('tset.dup', 'tset.label', '{act:n}', keys => '{id}');
SELECT to_regclass('tset.dup') IS NULL AS nothing_left;

-- Ties: the tie breakers decide, else the greatest value (first: the smallest).
CREATE TABLE tset.tie (customer int, at timestamptz, seq int, v text, j json);
INSERT INTO tset.tie VALUES (1, '2026-01-01', 1, 'b', '{"a": 1}'), (1, '2026-01-01', 2, 'a', '{"a": 2}'), (1, '2026-01-01', 2, NULL, NULL), (1, '2026-01-01', 0, 'c', '{"a": 3}');
SELECT feature_count FROM medallion.create_feature_view('tie_seq', 'tset.tie', '{customer}', 'at', '{"l": {"column": "v"}, "f": {"agg": "first", "column": "v"}, "lj": {"column": "j"}}', tiebreak => '{seq}');
SELECT feature_count FROM medallion.create_feature_view('tie_value', 'tset.tie', '{customer}', 'at', '{"l": {"column": "v"}, "f": {"agg": "first", "column": "v"}, "lj": {"column": "j"}}');
SELECT * FROM medallion.training_set('tset.tied', 'SELECT 1 AS customer, timestamptz ''2026-02-01'' AS at', '{tie_seq,tie_value}', full_names => true);
SELECT * FROM tset.tied;

-- Entities: several columns (with no separator to confuse them), none, and integers of different width.
CREATE TABLE tset.pair (a text, b varchar(10), at timestamptz, v int);
INSERT INTO tset.pair VALUES ('1', '23', '2026-01-01', 1), ('12', '3', '2026-01-01', 2), ('12', NULL, '2026-01-01', 4);
SELECT feature_count FROM medallion.create_feature_view('pair', 'tset.pair', '{a,b}', 'at', '{"s": {"agg": "sum", "column": "v"}}');
SELECT feature_count FROM medallion.create_feature_view('all', 'tset.pair', '{}', 'at', '{"all_s": {"agg": "sum", "column": "v"}}');
SELECT * FROM medallion.training_set('tset.paired', $$ SELECT a::varchar AS a, b::text AS b, timestamptz '2026-02-01' AS at FROM tset.pair $$, '{pair,all}');
SELECT * FROM tset.paired ORDER BY a, b;
SELECT * FROM medallion.training_set('tset.wide', 'SELECT id, customer::bigint AS customer, at FROM tset.label WHERE id = 2', '{act:n}');
SELECT * FROM tset.wide;

-- Days are 24 hours and instants are instants, whatever the session's time zone does that night.
CREATE TABLE tset.dst AS SELECT 1 AS customer, timestamptz '2026-03-28 01:30+00' + g * interval '1 hour' AS at FROM generate_series(0, 72) g;
SELECT feature_count FROM medallion.create_feature_view('dst', 'tset.dst', '{customer}', 'at', '{"n_1d": {"agg": "count", "window": "1 day"}, "n_24h": {"agg": "count", "window": "24 hours"}}');
SET timezone = 'Europe/Berlin';
SELECT * FROM medallion.training_set('tset.berlin', $$SELECT 1 AS customer, timestamptz '2026-03-29 12:00' AS at$$, '{dst}');
SELECT * FROM tset.berlin;
SET timezone = 'UTC';

-- Numbers: integers and numerics exact, float8 sums correct to the last bit however the window got there.
CREATE TABLE tset.hard (k int, at timestamptz, f float8, n numeric, i bigint);
INSERT INTO tset.hard SELECT 1, timestamptz '2026-01-01' + g * interval '1 hour',
	(ARRAY[1e300, 1, -1e300, 1e-300, 0.1, 0.2, 'NaN', 3, 'Infinity', 4, '-Infinity', 5])[g],
	(ARRAY[1e30, 1, -1e30, 0.001, 0.1, 0.2, 'NaN', 3, 'Infinity', 4, '-Infinity', 5])[g],
	(ARRAY[9223372036854775807, 9223372036854775807, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])[g] FROM generate_series(1, 12) g;
SELECT feature_count FROM medallion.create_feature_view('hard', 'tset.hard', '{k}', 'at', '{
	"f": {"agg": "sum", "column": "f", "window": "3 hours"}, "n": {"agg": "sum", "column": "n", "window": "3 hours"},
	"i": {"agg": "sum", "column": "i", "window": "3 hours"}, "m": {"agg": "mean", "column": "f", "window": "3 hours"},
	"lo": {"agg": "min", "column": "f", "window": "3 hours"}, "hi": {"agg": "max", "column": "f", "window": "3 hours"}}');
SELECT * FROM medallion.training_set('tset.hards', $$SELECT 1 AS k, timestamptz '2026-01-01 01:00' + g * interval '1 hour' AS at FROM generate_series(0, 15) g$$, '{hard}');
SELECT extract(hour FROM at) AS h, f, n, i, m, lo, hi FROM tset.hards ORDER BY at;
-- Variance without cancellation, slope without an origin: a large offset changes neither.
CREATE TABLE tset.offset AS SELECT 1 AS k, timestamptz '2026-01-01' + g * interval '1 hour' AS at, 1e15 + g AS f, 0.1::float8 AS same FROM generate_series(1, 24) g;
SELECT feature_count FROM medallion.create_feature_view('offset', 'tset.offset', '{k}', 'at', '{
	"sd": {"agg": "stddev", "column": "f"}, "slope": {"agg": "trend", "column": "f"}, "slope_h": {"agg": "trend", "column": "f", "per": "1 hour"},
	"none": {"agg": "stddev", "column": "same"}, "flat": {"agg": "trend", "column": "same"}}');
SELECT * FROM medallion.training_set('tset.offsets', $$SELECT 1 AS k, timestamptz '2027-01-01' AS at$$, '{offset}');
SELECT sd = sqrt(50::float8) AS sd_exact, slope, slope_h, none, flat FROM tset.offsets;
CREATE TABLE tset.huge AS SELECT 1 AS k, timestamptz '2026-01-01' AS at, 1.7e308::float8 AS f FROM generate_series(1, 2);
SELECT feature_count FROM medallion.create_feature_view('huge', 'tset.huge', '{k}', 'at', '{"s": {"agg": "sum", "column": "f"}}');
SELECT * FROM medallion.training_set('tset.huges', $$SELECT 1 AS k, timestamptz '2027-01-01' AS at$$, '{huge}');

-- Current values, by the same code.
SELECT medallion.get_features('act', '{"customer": 1}', '2026-01-03 10:00');
SELECT medallion.get_features('act', '{"customer": 1}', '2026-01-03 10:00:00.000001');
SELECT medallion.get_features('act', '{"customer": 99}');
SELECT medallion.get_features('act', '{"customer": null}');
SELECT medallion.get_features('pair', '{"a": "12", "b": "3"}');
SELECT medallion.get_features('all', '{}');
SELECT medallion.get_features('act', '{}');
SELECT medallion.get_features('act', '{"customer": "x"}');
SELECT medallion.get_features('act', '{"customer": 1, "shop": 2}');
SELECT medallion.get_features('nothing', '{}');

-- Errors; nothing is left behind.
SELECT * FROM medallion.training_set('x', 'tset.label', '{act}');
SELECT * FROM medallion.training_set('nowhere.x', 'tset.label', '{act}');
SELECT * FROM medallion.training_set('tset.x', 'tset.nothing', '{act}');
SELECT * FROM medallion.training_set('tset.x', 'SELECT 1 FROM', '{act}');
SELECT * FROM medallion.training_set('tset.x', 'DELETE FROM tset.label RETURNING *', '{act}');
SELECT * FROM medallion.training_set('tset.x', 'tset.label', '{}');
SELECT * FROM medallion.training_set('tset.x', 'tset.label', '{nothing}');
SELECT * FROM medallion.training_set('tset.x', 'tset.label', '{act:nothing}');
SELECT * FROM medallion.training_set('tset.x', 'tset.label', '{act:}');
SELECT * FROM medallion.training_set('tset.x', 'tset.label', '{act,NULL}');
SELECT * FROM medallion.training_set('tset.x', 'tset.label', '{act}', spine_at => 'when');
SELECT * FROM medallion.training_set('tset.x', 'SELECT customer, at::timestamp AS at FROM tset.label', '{act}');
SELECT * FROM medallion.training_set('tset.x', 'SELECT id, at FROM tset.label', '{act}');
SELECT * FROM medallion.training_set('tset.x', 'SELECT customer::text, at FROM tset.label', '{act}');
SELECT * FROM medallion.training_set('tset.x', 'SELECT customer, customer, at FROM tset.label', '{act}');
SELECT * FROM medallion.training_set('tset.x', 'tset.label', '{act}', delay => '-1 day');
SELECT * FROM medallion.training_set('tset.x', 'tset.label', '{act}', keys => '{nothing}');
SELECT * FROM medallion.training_set(NULL, 'tset.label', '{act}');
SELECT * FROM medallion.training_set('tset.x', 'SELECT customer, at, 1/0 AS boom FROM tset.label', '{act}');
SELECT to_regclass('tset.x') IS NULL AS nothing_left;
-- An empty spine gives an empty table.
SELECT * FROM medallion.training_set('tset.empty', 'SELECT * FROM tset.label WHERE false', '{act}');

-- How it was made.
SELECT target, spine, spine_at, feature_views, row_count FROM medallion.training_sets WHERE target = 'tset.few'::regclass;

SELECT target, sources FROM medallion.training_sets WHERE target IN ('tset.few'::regclass, 'tset.berlin'::regclass) ORDER BY id;
SELECT direction, depth, relation, kind, via FROM medallion.lineage('tset.few', 'upstream');
SELECT direction, depth, relation, kind, via FROM medallion.lineage('tset.dst', 'downstream');

SELECT count(medallion.drop_feature_view(name)) FROM medallion.feature_views WHERE source::text LIKE 'tset.%';
DROP SCHEMA tset CASCADE;
SELECT count(*) FROM medallion.training_sets WHERE spine LIKE '%tset.%';
