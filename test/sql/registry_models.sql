-- The registry: aliases and their history, rollback, rights, dropping, audit.  Versions are planted here with INSERT;
-- other tests register them by training.
CREATE ROLE registry_owner;
CREATE ROLE registry_reader;
CREATE ROLE registry_caller;
CREATE ROLE registry_team;
CREATE ROLE registry_member IN ROLE registry_team;
CREATE FUNCTION pg_temp.plant(name text, versions int, owner regrole) RETURNS void LANGUAGE sql AS $$
	INSERT INTO medallion._models (name, task, owner, next_version) VALUES (name, 'binary', owner, versions + 1);
	INSERT INTO medallion._model_versions (model_id, version, algorithm, task, params, metrics, signature, data_commits, seed,
		rows, seconds, library_version, source, owner)
	SELECT m.model_id, v, 'logistic', 'binary', jsonb_build_object('C', v), '{"accuracy": 0.9}', '{}', '{"gold.t": 7}', 42,
		100, 0.5, '0.1', 'gold.t', owner FROM medallion._models m, generate_series(1, versions) v WHERE m.name = plant.name;
$$;
SELECT pg_temp.plant('delay', 4, 'registry_owner');
SELECT pg_temp.plant('other model', 1, CURRENT_USER::regrole);

SET ROLE registry_owner;
-- Aliases: set, moved, moved to where it is (nothing happens), several at once.
SELECT * FROM medallion.set_alias(model => 'delay', alias => 'champion', version => 1);
SELECT * FROM medallion.set_alias('delay', 'champion', 2);
SELECT * FROM medallion.set_alias('delay', 'champion', 2);
SELECT * FROM medallion.set_alias('delay', 'challenger', 3);
SELECT * FROM medallion.set_alias('delay', 'champion', 3);
SELECT model, alias, version, set_by FROM medallion.aliases ORDER BY alias;
SELECT model, version, algorithm, params, metrics, data_commits, seed, owner, aliases FROM medallion.model_versions ORDER BY version;
-- Rollback: back, further back, to the end.
SELECT * FROM medallion.rollback('delay');
SELECT * FROM medallion.rollback('delay');
SELECT * FROM medallion.rollback('delay');
-- After a rollback and a new promotion, rollback goes to where the promotion came from.
SELECT * FROM medallion.set_alias('delay', 'champion', 4);
SELECT * FROM medallion.rollback('delay');
SELECT * FROM medallion.rollback(model => 'delay', alias => 'challenger');
-- A dropped alias can be rolled back to what it was; versions dropped since are passed over.
SELECT * FROM medallion.set_alias('delay', 'champion', 4);
SELECT * FROM medallion.drop_alias('delay', 'champion');
SELECT * FROM medallion.rollback('delay');
SELECT * FROM medallion.set_alias('delay', 'champion', 2);
SELECT * FROM medallion.set_alias('delay', 'challenger', 1);
SELECT medallion.drop_model_version('delay', 4);
SELECT * FROM medallion.rollback('delay');
SELECT alias, action, version, previous_version, changed_by FROM medallion.alias_history;
-- A move that is rolled back did not happen.
BEGIN;
SELECT * FROM medallion.set_alias('delay', 'champion', 2);
ROLLBACK;
SELECT version FROM medallion.aliases WHERE alias = 'champion';
SELECT count(*) FROM medallion.alias_history WHERE alias = 'champion';

-- Bad input.
SELECT * FROM medallion.set_alias('delay', 'champion', 9);
SELECT * FROM medallion.set_alias('delay', 'champion', 0);
SELECT * FROM medallion.set_alias('delay', 'champion', NULL);
SELECT * FROM medallion.set_alias('nothing', 'champion', 1);
SELECT * FROM medallion.set_alias('delay', '', 1);
SELECT * FROM medallion.set_alias('delay', 'a@b', 1);
SELECT * FROM medallion.set_alias('delay', '12', 1);
SELECT * FROM medallion.set_alias('delay', repeat('x', 201), 1);
SELECT * FROM medallion.drop_alias('delay', 'nothing');
SELECT * FROM medallion.rollback('delay', 'nothing');
SELECT medallion.drop_model_version('delay', 1);
SELECT medallion.drop_model_version('delay', 4);
SELECT medallion.drop_model('delay');
SELECT medallion.grant_model('delay', 'own', 'registry_reader');
SELECT medallion.grant_model('delay', 'read', 'registry_nobody');
SELECT medallion.grant_model('delay', 'read', NULL);
SELECT medallion.classes('delay/');
SELECT medallion.classes('delay/0');
SELECT medallion.classes('delay/x');
SELECT medallion.classes('delay/99999999999');
SELECT medallion.classes('delay@nothing');
SELECT medallion.classes('delay/4');

-- Rights: none, then predict, read, manage; by membership; for everybody.
SET ROLE registry_reader;
SELECT model FROM medallion.models;
SELECT count(*) FROM medallion.model_versions;
SELECT count(*) FROM medallion.alias_history;
SELECT count(*) FROM medallion.audit;
SELECT medallion.classes('delay');
SELECT * FROM medallion.set_alias('delay', 'champion', 1);
SELECT medallion.grant_model('delay', 'manage', 'registry_reader');
SELECT count(*) FROM medallion._model_versions;
SET ROLE registry_owner;
SELECT medallion.grant_model(model => 'delay', privilege => 'read', role => 'registry_reader');
SELECT medallion.grant_model('delay', 'read', 'registry_reader');
SELECT medallion.grant_model('delay', 'predict', 'public');
SELECT medallion.grant_model('delay', 'manage', 'registry_team');
SELECT model, privilege, role_name, granted_by FROM medallion.model_grants ORDER BY privilege;
SET ROLE registry_reader;
SELECT model, latest_version, champion_version, owner FROM medallion.models;
SELECT count(*) FROM medallion.model_versions;
SELECT * FROM medallion.rollback('delay');
SET ROLE registry_caller;
SELECT model FROM medallion.models;
SELECT count(*) AS not_readable FROM medallion.model_versions;
SET ROLE registry_member;
SELECT * FROM medallion.set_alias('delay', 'champion', 2);
SELECT medallion.revoke_model('delay', 'predict', 'public');
SELECT medallion.revoke_model('delay', 'manage', 'registry_team');
SELECT * FROM medallion.set_alias('delay', 'champion', 1);
SET ROLE registry_caller;
SELECT count(*) AS not_visible FROM medallion.models;
RESET ROLE;

-- Approval: who trained a version does not promote it.
SELECT medallion.require_approval('delay');
SET ROLE registry_owner;
SELECT * FROM medallion.set_alias('delay', 'champion', 1);
SELECT medallion.require_approval('delay', false);
-- Nor does it become the champion for want of one.
SELECT * FROM medallion.drop_alias('delay', 'champion');
SELECT medallion.classes('delay');
-- (these versions have no artifact: data_corrupted is past the rule)
\set VERBOSITY sqlstate
SELECT medallion.classes('delay/3');
RESET ROLE;
SELECT * FROM medallion.set_alias('delay', 'champion', 1);
SELECT medallion.classes('delay');
\set VERBOSITY default
SELECT medallion.require_approval('delay', false);

-- Dropping takes everything but the record.
SET ROLE registry_owner;
SELECT medallion.drop_model('delay', force => true);
SELECT count(*) FROM medallion.models;
SELECT count(*) FROM medallion.alias_history;
RESET ROLE;
SELECT count(*) FROM medallion._model_grants g LEFT JOIN medallion._models m USING (model_id) WHERE m.model_id IS NULL;
SELECT role_name, action, model, version, object FROM medallion.audit WHERE model = 'delay';
SELECT medallion.drop_model('other model');
DELETE FROM medallion._audit WHERE model IN ('delay', 'other model');
DELETE FROM medallion._alias_log WHERE model IN ('delay', 'other model');
DROP ROLE registry_owner, registry_reader, registry_caller, registry_member, registry_team;
