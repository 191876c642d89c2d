-- Whose rights count: the caller's, for sources, spine, target and row-level security.
SET client_min_messages = warning;
CREATE SCHEMA fr;
CREATE TABLE fr.event (id int PRIMARY KEY, customer int, at timestamptz, amount int, region text);
INSERT INTO fr.event VALUES (1, 1, '2026-01-01', 10, 'north'), (2, 1, '2026-01-02', 20, 'south'), (3, 2, '2026-01-02', 5, 'south');
CREATE ROLE regress_feature_ann;
CREATE ROLE regress_feature_bob;
CREATE SCHEMA fr_ann AUTHORIZATION regress_feature_ann;
CREATE SCHEMA fr_bob AUTHORIZATION regress_feature_bob;
GRANT USAGE ON SCHEMA fr TO regress_feature_ann, regress_feature_bob;

SET ROLE regress_feature_ann;
SELECT * FROM medallion.create_feature_view('fr', 'fr.event', '{customer}', 'at', '{"n": {"agg": "count"}, "s": {"agg": "sum", "column": "amount"}}');
RESET ROLE;
GRANT SELECT ON fr.event TO regress_feature_ann;
SET ROLE regress_feature_ann;
SELECT * FROM medallion.create_feature_view('fr', 'fr.event', '{customer}', 'at', '{"n": {"agg": "count"}, "s": {"agg": "sum", "column": "amount"}}');
SELECT * FROM medallion.training_set('fr_ann.t', $$SELECT 1 AS customer, timestamptz '2027-01-01' AS at$$, '{fr}');
SELECT customer, n, s FROM fr_ann.t;
SELECT tableowner FROM pg_tables WHERE schemaname = 'fr_ann';
-- Not into somebody else's schema, nor over somebody else's table.
SELECT * FROM medallion.training_set('fr.t', $$SELECT 1 AS customer, timestamptz '2027-01-01' AS at$$, '{fr}');
SELECT * FROM medallion._feature_views;
RESET ROLE;

-- Without rights on the source a view is neither seen nor used, and only its owner redefines or drops it.
SET ROLE regress_feature_bob;
SELECT count(*) FROM medallion.feature_views;
SELECT * FROM medallion.training_set('fr_bob.t', $$SELECT 1 AS customer, timestamptz '2027-01-01' AS at$$, '{fr}');
SELECT medallion.get_features('fr', '{"customer": 1}');
SELECT medallion.drop_feature_view('fr');
RESET ROLE;
GRANT SELECT (customer, at, amount) ON fr.event TO regress_feature_bob;
SET ROLE regress_feature_bob;
SELECT name FROM medallion.feature_views;
SELECT medallion.create_feature_view('fr', 'fr.event', '{customer}', 'at', '{"n": {"agg": "count"}}', replace => true);
SELECT medallion.get_features('fr', '{"customer": 1}');
RESET ROLE;

-- Row-level security of the caller.
ALTER TABLE fr.event ENABLE ROW LEVEL SECURITY;
CREATE POLICY south ON fr.event FOR SELECT TO regress_feature_ann USING (region = 'south');
SET ROLE regress_feature_ann;
SELECT * FROM medallion.training_set('fr_ann.t', $$SELECT 1 AS customer, timestamptz '2027-01-01' AS at$$, '{fr}', replace => true);
SELECT customer, n, s FROM fr_ann.t;
RESET ROLE;
SET ROLE regress_feature_bob;
SELECT medallion.get_features('fr', '{"customer": 1}');
-- A filter runs as the caller, not as the extension's owner.
CREATE FUNCTION fr_bob.who(int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN current_user = 'regress_feature_bob'; END $$;
CREATE TABLE fr_bob.event (customer int, at timestamptz);
INSERT INTO fr_bob.event VALUES (1, '2026-01-01');
SELECT medallion.create_feature_view('bob', 'fr_bob.event', '{customer}', 'at', '{"as_me": {"agg": "count", "filter": "fr_bob.who(customer)"}}');
SELECT medallion.get_features('bob', '{"customer": 1}');
RESET ROLE;

SELECT medallion.drop_feature_view(v) FROM unnest('{fr,bob}'::text[]) v;
DROP SCHEMA fr, fr_ann, fr_bob CASCADE;
DROP ROLE regress_feature_ann, regress_feature_bob;
