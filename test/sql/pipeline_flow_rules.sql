-- Rules of tables that changes are applied to: events that violate them are counted, left out, set aside, or stop the application.
\pset null (null)
CREATE SCHEMA fru;
CREATE TABLE fru.events (no int PRIMARY KEY, id int, state text, amount text, lsn int, gone bool DEFAULT false);
SELECT medallion.enable_versioning('fru.events');
SELECT count(*) FROM medallion.apply_changes('fru.now', 'fru.events', '{id}', 'lsn', apply_as_deletes => 'gone', except_column_list => '{no,lsn,gone}', declare_only => true);
SELECT count(*) FROM medallion.apply_changes('fru.past', 'fru.events', '{id}', 'lsn', apply_as_deletes => 'gone', except_column_list => '{no,lsn,gone}', scd_type => 2, declare_only => true);
SELECT n.expect FROM unnest('{fru.now,fru.past}'::text[]) t, LATERAL (SELECT medallion.expect(t, 'amount', 'amount::numeric > 0', 'quarantine')) n;
SELECT n.expect FROM unnest('{fru.now,fru.past}'::text[]) t, LATERAL (SELECT medallion.expect(t, 'no tests', 'state <> ''test''', 'drop')) n;
SELECT n.expect FROM unnest('{fru.now,fru.past}'::text[]) t, LATERAL (SELECT medallion.expect(t, 'short', 'length(state) < 6', 'warn')) n;
SELECT target, name, rule, on_violation FROM medallion.expectations WHERE target LIKE 'fru.%' ORDER BY 1, 2;
CREATE FUNCTION fru.found(OUT target text, OUT name text, OUT passed bigint, OUT failed bigint, OUT raised bigint, OUT met bool, OUT failing_keys jsonb, OUT first_error text)
	RETURNS SETOF record LANGUAGE sql AS $$
	SELECT DISTINCT ON (target, name) target, name, passed, failed, raised, met, failing_keys, first_error FROM medallion.expectation_results
	WHERE target LIKE 'fru.%' ORDER BY target, name, refresh_id DESC $$;

INSERT INTO fru.events VALUES (1, 1, 'new', '10', 100), (2, 2, 'new', '20', 110), (3, 3, 'test', '1', 115),
	(4, 1, 'paid', '-5', 120), (5, 2, 'paid', 'n/a', 125), (6, 4, 'shipped', '7', 130), (7, 5, 'new', NULL, 140);
SELECT mode, events, inserted, updated, deleted, skipped, quarantined FROM medallion.apply_changes('fru.now');
SELECT target, mode, inserted, rejected FROM medallion.refresh('fru.past');
TABLE fru.now ORDER BY id;
TABLE fru.past ORDER BY id, "__START_AT";
SELECT * FROM fru.found();
SELECT _event ->> 'no' AS no, _reason FROM fru.now_quarantine ORDER BY 1;
SELECT dropped, quarantined FROM medallion.refreshes WHERE target LIKE 'fru.%' ORDER BY refresh_id;
SELECT target, rules, passed_share, failing_rules, state FROM medallion.tables WHERE target LIKE 'fru.%' ORDER BY 1;
-- Nothing new: what was found stays in sight.
SELECT mode, events FROM medallion.apply_changes('fru.now');
SELECT rules, failing_rules FROM medallion.tables WHERE target = 'fru.now';

-- A later event of a key comes, and one before that which is set aside; then a delete.
INSERT INTO fru.events VALUES (8, 1, 'done', '11', 150, false), (9, 4, 'back', '8', 129, false), (10, 2, 'new', '20', 110, false), (11, 6, 'new', '-1', 160, false),
	(12, 6, NULL, NULL, 170, true);
SELECT target, mode, inserted, updated, deleted, rejected FROM medallion.refresh('fru.now');
SELECT target, mode, inserted, updated, deleted, rejected FROM medallion.refresh('fru.past');
TABLE fru.now ORDER BY id;
-- Retried before anything is mended: all stay. Then a rule that takes what it should; each takes its place, behind what is newer.
SELECT * FROM medallion.retry_quarantine('fru.now');
SELECT n.expect FROM unnest('{fru.now,fru.past}'::text[]) t, LATERAL (SELECT medallion.expect(t, 'amount', 'medallion.try_cast(amount, NULL::numeric) > -10', 'quarantine')) n;
SELECT * FROM medallion.retry_quarantine('fru.now');
SELECT * FROM medallion.retry_quarantine('fru.past');
TABLE fru.now ORDER BY id;
TABLE fru.past ORDER BY id, "__START_AT";
SELECT _event ->> 'no' AS no, _reason FROM fru.past_quarantine ORDER BY 1;
-- The same from scratch, all at once and backwards, without the rejected ones.
CREATE TABLE fru.accepted AS SELECT * FROM fru.events WHERE state IS DISTINCT FROM 'test' AND no NOT IN (5, 7) ORDER BY no DESC;
SELECT mode FROM medallion.apply_changes('fru.now_again', 'fru.accepted', '{id}', 'lsn', apply_as_deletes => 'gone', except_column_list => '{no,lsn,gone}');
SELECT mode FROM medallion.apply_changes('fru.past_again', 'fru.accepted', '{id}', 'lsn', apply_as_deletes => 'gone', except_column_list => '{no,lsn,gone}', scd_type => 2);
SELECT count(*) FROM ((TABLE fru.now EXCEPT TABLE fru.now_again) UNION ALL (TABLE fru.now_again EXCEPT TABLE fru.now)) d;
SELECT count(*) FROM ((TABLE fru.past EXCEPT TABLE fru.past_again) UNION ALL (TABLE fru.past_again EXCEPT TABLE fru.past)) d;
-- An event that is corrected where it comes from is another event.
UPDATE fru.events SET amount = '25' WHERE no = 5;
SELECT mode, events, inserted, updated FROM medallion.apply_changes('fru.now');
SELECT * FROM fru.now WHERE id = 2;
-- Or is mended where it is set aside.
UPDATE fru.past_quarantine SET _event = _event || '{"amount": "15"}' WHERE _event ->> 'no' = '5';
SELECT retried, released, rejected, inserted, updated FROM medallion.retry_quarantine('fru.past');
SELECT * FROM fru.past WHERE id = 2 ORDER BY "__START_AT";

-- fail: nothing is applied, and of a refresh of everything the table alone fails.
SELECT medallion.expect('fru.now', 'known', 'state IN (''new'', ''paid'', ''done'')', 'fail');
INSERT INTO fru.events VALUES (13, 7, 'odd', '1', 200), (14, 8, 'new', '1', 210), (15, 9, 'odd', '1', 220);
SELECT mode FROM medallion.apply_changes('fru.now');
SELECT count(*) FROM fru.now WHERE id > 6;
SELECT target, mode, inserted, left(reason, 90) AS reason FROM medallion.refresh() WHERE target IN ('fru.now', 'fru.past');
SELECT state, left(why, 70) AS why FROM medallion.tables WHERE target = 'fru.now';
SELECT medallion.unexpect('fru.now', 'known');
SELECT target, mode, inserted FROM medallion.refresh('fru.now');

-- Events that leave values out: a rule is judged by those that tell all it reads. A key that moves: the whole event is set aside.
CREATE TABLE fru.log (no int PRIMARY KEY, payload jsonb);
SELECT medallion.enable_versioning('fru.log');
INSERT INTO fru.log VALUES (1, '{"op": "c", "after": {"id": 1, "name": "a", "doc": "long", "n": 5}, "source": {"lsn": 1}}');
SELECT mode, inserted FROM medallion.apply_changes('fru.deb', 'fru.log', '{id}', format => 'debezium');
SELECT medallion.expect('fru.deb', 'doc', 'doc LIKE ''l%''', 'quarantine');
SELECT medallion.expect('fru.deb', 'both', 'n > 0 AND doc <> name', 'quarantine');
SELECT medallion.expect('fru.deb', 'n', 'n > 0', 'quarantine');
INSERT INTO fru.log VALUES (2, '{"op": "u", "after": {"id": 1, "name": "b", "doc": "__debezium_unavailable_value", "n": 6}, "source": {"lsn": 2}}'),
	(3, '{"op": "u", "before": {"id": 1, "name": "b", "doc": "long", "n": 6}, "after": {"id": 2, "name": "b", "doc": "long", "n": -6}, "source": {"lsn": 3}}'),
	(4, '{"op": "d", "before": {"id": 9, "name": "b", "doc": "x", "n": -6}, "after": null, "source": {"lsn": 4}}');
SELECT mode, events, updated, deleted, quarantined FROM medallion.apply_changes('fru.deb');
TABLE fru.deb;
SELECT name, passed, failed FROM fru.found() WHERE target = 'fru.deb';
SELECT medallion.unexpect('fru.deb', 'n'), medallion.unexpect('fru.deb', 'both');
SELECT retried, released, rejected, inserted, deleted FROM medallion.retry_quarantine('fru.deb');
TABLE fru.deb;

-- Rules about the table as a whole.
SELECT medallion.expect_table('fru.now', 'few', 'row_count', '{"max": 6}');
SELECT medallion.expect_table('fru.now', 'states', 'accepted_values', '{"column": "state", "values": ["new", "paid", "done", "back", "shipped"]}');
SELECT medallion.expect_table('fru.past', 'one current', 'unique', '{"columns": ["id", "__END_AT"]}', 'fail');
INSERT INTO fru.events VALUES (16, 10, 'new', '1', 230);
SELECT target, mode, inserted FROM medallion.refresh('fru.now');
SELECT target, mode, inserted FROM medallion.refresh('fru.past');
SELECT name, passed, failed, met, failing_keys FROM fru.found() WHERE name IN ('few', 'states', 'one current');
SELECT failing_rules FROM medallion.tables WHERE target = 'fru.now';
SELECT medallion.expect_table('fru.now', 'few', 'row_count', '{"max": 6}', 'fail');
INSERT INTO fru.events VALUES (17, 11, 'new', '1', 240);
SELECT mode FROM medallion.apply_changes('fru.now');
SELECT medallion.unexpect('fru.now', 'few');

-- Mistakes.
SELECT medallion.expect('fru.now', 'most', 'state = ''new''', mostly => 0.5);
SELECT medallion.expect('fru.past', 'start', '"__START_AT" > 0');
SELECT medallion.expect('fru.now', 'nothing', 'lsn > 0');
SELECT medallion.expect('fru.now', 'random', 'random() > 0');
SELECT medallion.expect('fru.events', 'other', 'true');
SELECT * FROM medallion.retry_quarantine('fru.now', '{"1": {"amount": "1"}}');
SELECT medallion.correct('fru.now', 1, '{"amount": "1"}');
SELECT medallion.unexpect('fru.now', 'nothing');
SELECT count(*) FROM medallion.apply_changes('fru.now', declare_only => NULL);
-- They go with the flow, or the table.
SELECT medallion.drop_flow('fru.now');
DROP TABLE fru.past;
SELECT count(*) FROM medallion._expectations WHERE target::oid NOT IN (SELECT oid FROM pg_class);
SELECT target, count(*) FROM medallion.expectations WHERE target LIKE 'fru.%' GROUP BY 1;
SET client_min_messages = warning;
DROP SCHEMA fru CASCADE;
SELECT count(*) FROM medallion._expectations;
