-- Rules that act when too few rows pass; rows in quarantine, their corrections, and what a retry makes of them.
SET client_min_messages = warning;
CREATE TABLE bronze.q (n int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id int, shop text, amount numeric, tags text[]);
SELECT FROM medallion.enable_versioning('bronze.q');
INSERT INTO bronze.q (id, shop, amount, tags) SELECT i, 's' || i % 3, i, ARRAY['t' || i] FROM generate_series(1, 20) i;
SELECT target FROM medallion.define('silver.q', 'SELECT id, shop, amount, tags FROM bronze.q', '{id}');
CREATE VIEW found AS SELECT e.name, e.action, e.mostly, e.met, e.passed, e.failed, e.raised, e.whole, e.failing_keys
FROM medallion.expectation_results e WHERE e.refresh_id = (SELECT max(refresh_id) FROM medallion.refreshes WHERE target = 'silver.q')
ORDER BY e.name COLLATE "C";

-- mostly: nothing is done about rows that fail while as many pass as must; exactly as many is enough.
SELECT medallion.expect('silver.q', 'large', 'amount > 2', 'drop', mostly => 0.9);
SELECT medallion.expect('silver.q', 'warned', 'amount > 2', mostly => 0.95);
SELECT mode, inserted, rejected, reason FROM medallion.refresh('silver.q');
TABLE found;
SELECT failing_rules FROM medallion.tables WHERE target = 'silver.q';
SELECT target, name, mostly, kind FROM medallion.expectations WHERE target = 'silver.q' ORDER BY name COLLATE "C";
-- A third row that fails: all that fail are taken out, also those that were there.  And back.
UPDATE bronze.q SET amount = 0 WHERE id = 10;
SELECT mode, inserted, updated, deleted, rejected, reason FROM medallion.refresh('silver.q');
TABLE found;
SELECT count(*) FROM silver.q;
UPDATE bronze.q SET amount = 10 WHERE id = 10;
SELECT mode, inserted, updated, deleted, rejected, reason FROM medallion.refresh('silver.q');
TABLE found;
-- While the share stays on its side, refreshes are incremental, and the counts are of all rows.
UPDATE bronze.q SET amount = 100 WHERE id = 1;
SELECT mode, inserted, updated, deleted, rejected, reason FROM medallion.refresh('silver.q');
TABLE found;
SELECT mode, inserted, updated, deleted, rejected, reason FROM medallion.refresh('silver.q');
TABLE found;
-- The same with quarantine, and beside a rule that always acts.
SELECT medallion.expect('silver.q', 'large', 'amount > 2', 'quarantine', mostly => 0.9);
SELECT medallion.expect('silver.q', 'known', 'shop IS NOT NULL', 'quarantine');
UPDATE bronze.q SET shop = NULL, amount = 1 WHERE id = 5;
SELECT mode, inserted, updated, deleted, rejected, reason FROM medallion.refresh('silver.q');
TABLE found;
SELECT id, _reasons FROM silver.q_quarantine ORDER BY id;
UPDATE bronze.q SET amount = 1 WHERE id = 6;
SELECT mode, inserted, updated, deleted, rejected, reason FROM medallion.refresh('silver.q');
TABLE found;
SELECT id, _reasons FROM silver.q_quarantine ORDER BY id;
SELECT medallion.rebuild('silver.q', verify => true);
-- Once it acts, it goes on incrementally too.
UPDATE bronze.q SET amount = 1 WHERE id = 7;
SELECT mode, inserted, updated, deleted, rejected, reason FROM medallion.refresh('silver.q');
TABLE found;
-- fail: refused only if too few pass, of all rows; also where an incremental refresh computes few.
UPDATE bronze.q SET amount = id + 10, shop = 's' WHERE true;
SELECT medallion.unexpect('silver.q', 'large'), medallion.unexpect('silver.q', 'warned');
SELECT medallion.expect('silver.q', 'even', '1 / (amount - 11) >= 0', 'fail', mostly => 0.9);
SELECT mode, inserted, updated, deleted, rejected FROM medallion.refresh('silver.q');
TABLE found;
UPDATE bronze.q SET amount = 11 WHERE id = 2;
SELECT mode, inserted, updated, deleted, rejected FROM medallion.refresh('silver.q');
TABLE found;
UPDATE bronze.q SET amount = 11 WHERE id = 3;
SELECT mode, inserted, updated, deleted, rejected FROM medallion.refresh('silver.q');
SELECT medallion.rebuild('silver.q', verify => true);
TABLE found;
-- mostly => 0 never acts; an empty table meets every rule; limits.
SELECT medallion.expect('silver.q', 'even', 'false', 'fail', mostly => 0);
SELECT mode, updated FROM medallion.refresh('silver.q');
SELECT name, met, passed, failed FROM found WHERE name = 'even';
SELECT medallion.expect('silver.q', 'even', 'false', mostly => 1.01);
SELECT medallion.expect('silver.q', 'even', 'false', mostly => -0.01);
SELECT medallion.expect('silver.q', 'even', 'false', mostly => 'NaN');
SELECT medallion.expect('silver.q', 'even', 'false', mostly => NULL);
SELECT medallion.unexpect('silver.q', 'even');

-- Quarantine: a row keeps its place while its values stay; its reasons are those it has now.
UPDATE bronze.q SET amount = id, shop = CASE WHEN id % 5 > 0 THEN 's' || id % 3 END, tags = ARRAY['t' || id];
SELECT mode, rejected FROM medallion.refresh('silver.q');
CREATE TABLE bronze.was AS SELECT * FROM silver.q_quarantine;
SELECT medallion.expect('silver.q', 'small', 'amount < 15', 'quarantine');
SELECT mode, inserted, updated, deleted, rejected FROM medallion.refresh('silver.q');
SELECT q.id, q._reasons, w._quarantine_id IS NOT NULL AS as_before, w._quarantined_at = q._quarantined_at AS since_then,
	q._source_versions = f.source_versions AS from_version
FROM silver.q_quarantine q LEFT JOIN bronze.was w USING (_quarantine_id) JOIN medallion.refreshes f ON f.refresh_id = q._refresh_id ORDER BY 1;
SELECT medallion.unexpect('silver.q', 'small');
SELECT * FROM medallion.retry_quarantine('silver.q');
SELECT id, _reasons FROM silver.q_quarantine ORDER BY id;
-- Corrections: the values given are taken for exactly this row, by every refresh.
SELECT q.id, medallion.correct('silver.q', q._quarantine_id, '{"shop": "s9", "tags": ["a", "b"]}', 'asked the shop') > 0 AS corrected
FROM silver.q_quarantine q WHERE id IN (5, 10) ORDER BY id;
SELECT target, original, corrected, note, role_name = current_user AS mine FROM medallion.corrections ORDER BY correction_id;
SELECT * FROM medallion.retry_quarantine('silver.q');
SELECT * FROM silver.q WHERE id IN (5, 10) ORDER BY id;
SELECT id, _reasons FROM silver.q_quarantine ORDER BY id;
SELECT medallion.rebuild('silver.q', verify => true), medallion.rebuild('silver.q');
TABLE found;
-- All in one call.
SELECT format('{"%s": {"shop": "s7"}}', _quarantine_id) AS corrections FROM silver.q_quarantine WHERE id = 15 \gset
SELECT * FROM medallion.retry_quarantine('silver.q', :'corrections');
-- Incremental refreshes apply them too; a row that has changed at its source comes as it is.
UPDATE bronze.q SET shop = 'mended' WHERE id = 5;
UPDATE bronze.q SET amount = 10.5 WHERE id = 10;
UPDATE bronze.q SET tags = NULL WHERE id = 1;
SELECT mode, inserted, updated, deleted, rejected, reason FROM medallion.refresh('silver.q');
SELECT id, shop, amount FROM silver.q WHERE id IN (1, 5, 10, 15) ORDER BY id;
SELECT id, _reasons FROM silver.q_quarantine ORDER BY id;
TABLE found;
-- It is as it was: the correction holds again.
UPDATE bronze.q SET amount = 10 WHERE id = 10;
SELECT mode, inserted, updated, deleted, rejected, reason FROM medallion.refresh('silver.q');
SELECT id, shop, amount FROM silver.q WHERE id = 10;
TABLE found;
SELECT medallion.rebuild('silver.q', verify => true);
-- Taken back.
SELECT medallion.uncorrect('silver.q', correction_id) FROM medallion.corrections WHERE original ->> 'id' IN ('10', '15');
SELECT mode, inserted, updated, deleted, rejected, reason FROM medallion.refresh('silver.q');
SELECT id, _reasons FROM silver.q_quarantine ORDER BY id;
-- A correction that a later rule rejects does not count; it does again when the rule goes.
SELECT medallion.correct('silver.q', _quarantine_id, '{"shop": "odd"}') > 0 AS corrected FROM silver.q_quarantine WHERE id = 10;
SELECT released, rejected FROM medallion.retry_quarantine('silver.q');
SELECT medallion.expect('silver.q', 'no odd shop', 'shop <> ''odd''', 'quarantine', null_ok => true);
SELECT retried, released, rejected, deleted FROM medallion.retry_quarantine('silver.q');
SELECT id, shop, _reasons FROM silver.q_quarantine ORDER BY id;
SELECT medallion.unexpect('silver.q', 'no odd shop');
SELECT retried, released, rejected, inserted FROM medallion.retry_quarantine('silver.q');
-- A correction may mend what made a rule raise, and count for a rule that warns.
SELECT medallion.expect('silver.q', 'ratio', '100 / amount < 100', 'quarantine');
SELECT medallion.expect('silver.q', 'odd', 'amount % 2 = 1');
UPDATE bronze.q SET amount = 0 WHERE id = 7;
SELECT rejected FROM medallion.refresh('silver.q');
SELECT id, amount, _reasons FROM silver.q_quarantine ORDER BY id;
SELECT released, rejected FROM medallion.retry_quarantine('silver.q',
	(SELECT jsonb_object_agg(_quarantine_id, '{"amount": 8}'::jsonb) FROM silver.q_quarantine WHERE id = 7));
SELECT id, amount FROM silver.q WHERE id = 7;
TABLE found;
-- Another key: refreshed in full from then on.
INSERT INTO bronze.q (id, shop, amount, tags) VALUES (NULL, NULL, 3, '{x}');
SELECT mode, rejected FROM medallion.refresh('silver.q');
SELECT medallion.correct('silver.q', _quarantine_id, '{"shop": "s1"}') FROM silver.q_quarantine WHERE id IS NULL;
SELECT medallion.correct('silver.q', _quarantine_id, '{"shop": "s1", "id": 2}') FROM silver.q_quarantine WHERE id IS NULL;
SELECT medallion.correct('silver.q', _quarantine_id, '{"shop": "s1", "id": 77}') > 0 AS corrected FROM silver.q_quarantine WHERE id IS NULL;
SELECT released, rejected, inserted FROM medallion.retry_quarantine('silver.q');
SELECT id, shop FROM silver.q WHERE id = 77;
UPDATE bronze.q SET tags = '{}' WHERE id = 3;
SELECT mode, updated, reason FROM medallion.refresh('silver.q');
SELECT medallion.rebuild('silver.q', verify => true);
DELETE FROM bronze.q WHERE id IS NULL;
SELECT mode, deleted, reason FROM medallion.refresh('silver.q');

-- What is refused.
SELECT _quarantine_id AS one FROM silver.q_quarantine WHERE id = 20 \gset
SELECT medallion.correct('silver.q', 0, '{"shop": "x"}');
SELECT medallion.correct('silver.q', :one, '{"shop": null}');
SELECT medallion.correct('silver.q', :one, '{"shop": "x", "amount": 0}');
SELECT medallion.correct('silver.q', :one, '{"shop": "x", "amount": "many"}');
SELECT medallion.correct('silver.q', :one, '{"shoppe": "x"}');
SELECT medallion.correct('silver.q', :one, '{"_reasons": []}');
SELECT medallion.correct('silver.q', :one, '{}');
SELECT medallion.correct('silver.q', :one, '[1]');
SELECT medallion.correct('silver.q', :one, NULL);
SELECT medallion.correct('silver.q', NULL, '{"shop": "x"}');
SELECT medallion.correct('bronze.q', :one, '{"shop": "x"}');
SELECT medallion.uncorrect('silver.q', 0);
SELECT medallion.uncorrect('silver.q', NULL);
SELECT medallion.retry_quarantine(NULL);
SELECT medallion.retry_quarantine('bronze.q');
SELECT medallion.retry_quarantine('silver.q', '[]');
SELECT medallion.retry_quarantine('silver.q', '{"one": {"shop": "x"}}');
SELECT medallion.retry_quarantine('silver.q', '{"1x": {"shop": "x"}}');
SELECT medallion.retry_quarantine('silver.q', format('{"%s": "x"}', :one)::jsonb);
SELECT target FROM medallion.define('silver.free', 'SELECT id FROM bronze.q', '{id}');
SELECT medallion.correct('silver.free', 1, '{"id": 1}');
SELECT * FROM medallion.retry_quarantine('silver.free');
-- One call is one transaction: a correction that does not hold leaves nothing of it.
SELECT count(*) AS corrections FROM medallion.corrections \gset
SELECT medallion.retry_quarantine('silver.q', jsonb_build_object(:'one', '{"shop": "good"}'::jsonb, '0', '{"shop": "x"}'::jsonb));
SELECT count(*) = :corrections AS none_added FROM medallion.corrections;
-- Only the owner; others do not see what was rejected.
CREATE ROLE quality_reader;
GRANT USAGE ON SCHEMA silver TO quality_reader;
GRANT SELECT ON silver.q, silver.q_quarantine TO quality_reader;
SET ROLE quality_reader;
SELECT count(*) FROM medallion.corrections;
SELECT medallion.correct('silver.q', :one, '{"shop": "x"}');
SELECT medallion.uncorrect('silver.q', 1);
SELECT medallion.retry_quarantine('silver.q');
SELECT medallion.expect('silver.q', 'mine', 'true');
RESET ROLE;
REVOKE ALL ON SCHEMA silver FROM quality_reader;
REVOKE ALL ON silver.q, silver.q_quarantine FROM quality_reader;
DROP ROLE quality_reader;
-- A column that is added makes other rows, so corrections end; an undefined table forgets them.
SELECT target FROM medallion.redefine('silver.q', 'SELECT id, shop, amount, tags, 1 AS one FROM bronze.q', on_schema_change => 'append_columns');
SELECT rejected FROM medallion.refresh('silver.q');
SELECT id, shop, _reasons FROM silver.q_quarantine ORDER BY id;
SELECT medallion.undefine('silver.q', drop_table => true), medallion.undefine('silver.free', drop_table => true);
SELECT count(*) FROM medallion.corrections;

-- Random changes, rules and corrections: after every refresh the table, its quarantine and the counts are those of a rebuild.
TRUNCATE bronze.q;
INSERT INTO bronze.q (id, shop, amount, tags) SELECT i, CASE WHEN i % 7 > 0 THEN 's' || i % 3 END, i % 13, NULL FROM generate_series(1, 60) i;
SELECT target FROM medallion.define('silver.q', 'SELECT id, shop, amount, tags FROM bronze.q', '{id}');
SELECT medallion.expect('silver.q', 'a', 'amount > 3', 'quarantine', mostly => 0.7), medallion.expect('silver.q', 'b', 'shop IS NOT NULL', 'quarantine'),
	medallion.expect('silver.q', 'c', '10 / (amount - 5) > 0', 'warn', mostly => 0.4), medallion.expect('silver.q', 'd', 'id % 10 > 0', 'drop', mostly => 0.85);
CREATE FUNCTION found_all() RETURNS text LANGUAGE sql AS $$
	SELECT concat((SELECT string_agg(t::text, '' ORDER BY id) FROM silver.q t), (SELECT string_agg(ROW(id, shop, amount, _reasons)::text, '' ORDER BY id) FROM silver.q_quarantine),
		(SELECT string_agg(ROW(name, met, passed, failed, raised)::text, '') FROM found)) $$;
CREATE PROCEDURE try_all(rounds int, INOUT modes text DEFAULT NULL, INOUT wrong int DEFAULT 0) LANGUAGE plpgsql AS $$
DECLARE mode text; seen text; q record;
BEGIN
	modes := '';
	PERFORM medallion.refresh('silver.q');
	COMMIT;
	FOR round IN 1 .. rounds LOOP
		UPDATE bronze.q SET amount = floor(random() * 13), shop = CASE WHEN random() < 0.85 THEN 's' || floor(random() * 3) END
		WHERE random() < CASE WHEN round % 4 = 0 THEN 0.5 ELSE 0.03 END;
		DELETE FROM bronze.q WHERE random() < 0.02;
		INSERT INTO bronze.q (id, shop, amount) SELECT 100 * round + i, 's1', 5 FROM generate_series(1, 2) i;
		IF round % 5 = 0 THEN
			FOR q IN SELECT _quarantine_id FROM silver.q_quarantine WHERE shop IS NULL AND id % 10 > 0 AND random() < 0.2 LOOP
				PERFORM medallion.correct('silver.q', q._quarantine_id, '{"shop": "c", "amount": 9}');
			END LOOP;
		END IF;
		COMMIT;
		SELECT r.mode INTO mode FROM medallion.refresh('silver.q') r;
		COMMIT;
		IF strpos(modes, mode) = 0 THEN modes := modes || mode || ' '; END IF;
		seen := found_all();
		PERFORM medallion.rebuild('silver.q');
		COMMIT;
		IF seen IS DISTINCT FROM found_all() THEN
			RAISE NOTICE '% %', seen, found_all();
			wrong := wrong + 1;
		END IF;
	END LOOP;
END $$;
SELECT setseed(0.4);
CALL try_all(60);
SELECT count(*) > 0 AS some FROM medallion.corrections;
SELECT medallion.undefine('silver.q', drop_table => true);
DROP PROCEDURE try_all(int, text, int);
DROP FUNCTION found_all();
DROP VIEW found;
DROP TABLE bronze.q, bronze.was;
