-- A training set with a key is versioned: what a model was trained on can be read again after the table was replaced.
SET client_min_messages = warning;
CREATE SCHEMA fver;
CREATE TABLE fver.event (id int PRIMARY KEY, customer int, at timestamptz, amount int);
INSERT INTO fver.event SELECT g, g % 3, timestamptz '2026-01-01' + g * interval '1 day', g FROM generate_series(1, 9) g;
SELECT medallion.enable_versioning('fver.event');
SELECT feature_count FROM medallion.create_feature_view('fver', 'fver.event', '{customer}', 'at', '{"n": {"agg": "count"}, "s": {"agg": "sum", "column": "amount"}}');
SELECT * FROM medallion.training_set('fver.ts', $$SELECT customer, timestamptz '2026-02-01' AS at FROM generate_series(0, 2) customer$$, '{fver}', keys => '{customer}');
SELECT max(version) AS first FROM medallion.commits \gset
CREATE TABLE fver.kept AS TABLE fver.ts;
SELECT operation, inserted, updated, deleted FROM medallion.history('fver.ts') ORDER BY version;

-- More events; the same table again.  Rows that come out equal are no change.
INSERT INTO fver.event VALUES (10, 1, '2026-01-20', 100), (11, 1, '2026-01-21', 100);
SELECT * FROM medallion.training_set('fver.ts', $$SELECT customer, timestamptz '2026-02-01' AS at FROM generate_series(0, 3) customer$$, '{fver}', keys => '{customer}', replace => true);
SELECT max(version) AS second FROM medallion.commits \gset
SELECT customer, n, s FROM fver.ts ORDER BY customer;
SELECT customer, n, s FROM medallion.as_of(NULL::fver.ts, version => :first) ORDER BY customer;
SELECT count(*) AS differing FROM (SELECT * FROM medallion.as_of(NULL::fver.ts, version => :first) EXCEPT TABLE fver.kept) x;
SELECT _change_type, (row_data).customer, (row_data).n FROM medallion.changes(NULL::fver.ts, :first + 1, :second) ORDER BY 2, 1;
-- Each was made of the data of a version, which is on record.
SELECT id = min(id) OVER () AS is_first, data_version < :first AS before_it, data_version IS NOT NULL AS known, data_version_exact
FROM medallion.training_sets WHERE target = 'fver.ts'::regclass ORDER BY id;
SELECT count(*) AS differing FROM (
	SELECT customer, n, s FROM medallion.as_of(NULL::fver.ts, version => :first)
	EXCEPT SELECT customer, count(*), sum(amount)
	FROM medallion.as_of(NULL::fver.event, version => (SELECT data_version FROM medallion.training_sets WHERE target = 'fver.ts'::regclass ORDER BY id LIMIT 1))
	GROUP BY customer) x;
-- Other columns make another table.
SELECT * FROM medallion.training_set('fver.ts', $$SELECT customer, timestamptz '2026-02-01' AS at FROM generate_series(0, 3) customer$$, '{fver:n}', keys => '{customer}', replace => true);
SELECT operation, inserted, updated, deleted FROM medallion.history('fver.ts') ORDER BY version;

SELECT medallion.drop_feature_view('fver');
DROP SCHEMA fver CASCADE;
