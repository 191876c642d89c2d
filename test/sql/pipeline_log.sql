-- The log of refreshes forgets: by age, not the last record of a table, with what the rules found.
CREATE SCHEMA logged;
CREATE TABLE logged.raw (id int PRIMARY KEY, v int);
SELECT medallion.enable_versioning('logged.raw');
INSERT INTO logged.raw VALUES (1, 1), (2, 2);
SELECT target FROM medallion.define('logged.busy', 'SELECT id, v FROM logged.raw', '{id}');
SELECT target FROM medallion.define('logged.idle', 'SELECT id, v FROM logged.raw', '{id}');
SELECT target FROM medallion.define('logged.gone', 'SELECT id, v FROM logged.raw', '{id}');
SELECT medallion.expect('logged.busy', 'positive', 'v > 0');
-- Records 1 to 5 of the next 64 that begin a round.
SELECT setval('medallion._refreshes_refresh_id_seq', (nextval('medallion._refreshes_refresh_id_seq') / 64 + 1) * 64) AS base \gset
SELECT mode FROM medallion.refresh('logged.idle');
SELECT mode FROM medallion.refresh('logged.gone');
SELECT mode FROM medallion.refresh('logged.busy');
SELECT mode FROM medallion.refresh('logged.busy');
UPDATE logged.raw SET v = 3 WHERE id = 1;
SELECT mode FROM medallion.refresh('logged.busy');
DROP TABLE logged.gone;
UPDATE medallion._refreshes SET started_at = started_at - interval '100 days', finished_at = finished_at - interval '100 days' WHERE refresh_id > :base;
CREATE VIEW logged.kept AS SELECT r.refresh_id - :base AS record, r.target_name AS target,
	(SELECT count(*) FROM medallion._expectation_results e WHERE e.refresh_id = r.refresh_id) AS rules
	FROM medallion._refreshes r WHERE r.refresh_id > :base ORDER BY 1;
TABLE logged.kept;
-- Not before the round is full, nor under a snapshot that does not move, nor if all is to be kept.
SELECT mode FROM medallion.refresh('logged.busy');
SELECT setval('medallion._refreshes_refresh_id_seq', :base + 63) - :base AS last;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT mode FROM medallion.refresh('logged.busy');
COMMIT;
SELECT setval('medallion._refreshes_refresh_id_seq', :base + 127) - :base AS last;
SET medallion.refresh_retention = -1;
SELECT mode FROM medallion.refresh('logged.busy');
RESET medallion.refresh_retention;
TABLE logged.kept;
-- Then what is older goes.
SELECT setval('medallion._refreshes_refresh_id_seq', :base + 191) - :base AS last;
SHOW medallion.refresh_retention;
SELECT mode, reason FROM medallion.refresh('logged.busy');
TABLE logged.kept;
-- The table whose only record is old is still known to have been refreshed, incrementally so.
SELECT last_refresh < now() - interval '99 days' AS long_ago FROM medallion.tables WHERE target = 'logged.idle';
SELECT mode, updated, reason FROM medallion.refresh('logged.idle');
-- Shorter.
SELECT setval('medallion._refreshes_refresh_id_seq', :base + 255) - :base AS last;
SET medallion.refresh_retention = 0;
SELECT mode FROM medallion.refresh('logged.idle');
TABLE logged.kept;
RESET medallion.refresh_retention;
CREATE ROLE logged_ann;
SET ROLE logged_ann;
SET medallion.refresh_retention = 0;
RESET ROLE;
DROP ROLE logged_ann;
-- Refreshes that found nothing changed are one record, until something happens; so are those that found no new events.
SELECT count(*) AS records, sum(checks) AS checks FROM medallion.refreshes WHERE target = 'logged.busy' \gset before_
SELECT mode FROM medallion.refresh('logged.busy');
SELECT mode FROM medallion.refresh('logged.busy');
SELECT mode FROM medallion.refresh('logged.busy');
SELECT count(*) - :before_records AS records, sum(checks) - :before_checks AS checks FROM medallion.refreshes WHERE target = 'logged.busy';
SELECT now() - last_refresh < '1 min' AS just_now, rules, passed_share, state FROM medallion.tables WHERE target = 'logged.busy';
UPDATE logged.raw SET v = -3 WHERE id = 1;
SELECT mode, updated FROM medallion.refresh('logged.busy');
SELECT mode, updated FROM medallion.refresh('logged.busy');
SELECT mode, updated FROM medallion.refresh('logged.busy');
SELECT mode, reason, checks, inserted, updated FROM medallion.refreshes WHERE target = 'logged.busy' ORDER BY refresh_id DESC LIMIT 2;
SELECT passed, failed FROM medallion.expectation_results WHERE target = 'logged.busy' ORDER BY refresh_id DESC LIMIT 2;
CREATE TABLE logged.events (id int, v int, s int PRIMARY KEY);
SELECT medallion.enable_versioning('logged.events');
INSERT INTO logged.events VALUES (1, 1, 1);
SELECT mode FROM medallion.apply_changes('logged.now', 'logged.events', '{id}', 's');
SELECT mode, events FROM medallion.apply_changes('logged.now');
SELECT mode FROM medallion.refresh('logged.now');
SELECT mode FROM medallion.refresh('logged.now');
SELECT mode FROM medallion.refresh('logged.now');
SELECT mode, reason, checks, inserted FROM medallion.refreshes WHERE target = 'logged.now' ORDER BY refresh_id;
SELECT mode, events FROM medallion.flow_runs WHERE target = 'logged.now' ORDER BY run_id;
-- Runs of flows are forgotten too.
SELECT setval('medallion._refreshes_refresh_id_seq', (nextval('medallion._refreshes_refresh_id_seq') / 64 + 1) * 64 - 1) IS NULL AS last;
SET medallion.refresh_retention = 0;
SELECT mode FROM medallion.refresh('logged.busy');
RESET medallion.refresh_retention;
SELECT mode, events FROM medallion.flow_runs WHERE target = 'logged.now' ORDER BY run_id;
SET client_min_messages = warning;
DROP SCHEMA logged CASCADE;
