-- dedupe_by: of several rows with one key the latest.
SET client_min_messages = warning;
CREATE TABLE bronze.event (n int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, shop text, id int, at timestamp, loaded int, amount numeric, extra json);
SELECT FROM medallion.enable_versioning('bronze.event');
INSERT INTO bronze.event (shop, id, at, loaded, amount, extra) VALUES ('a', 1, '2026-01-01', 1, 10, '{}'), ('a', 1, '2026-01-02', 1, 11, NULL), ('a', 1, '2026-01-02', 2, 12, '[]'),
	('a', 2, NULL, 9, 1, '1'), ('a', 2, '2025-01-01', 1, 2, '2'), ('b', 1, '2026-01-01', 1, 5, NULL), ('b', 1, '2026-01-01', 1, 6, NULL), ('c', NULL, '2026-01-01', 1, 7, NULL), ('c', NULL, '2026-01-02', 1, 8, NULL);
SELECT target, sources FROM medallion.define('silver.event', keys => '{shop,id}', dedupe_by => '{at,loaded}', query => $$
	SELECT shop, id, at, loaded, amount, extra FROM bronze.event; -- all of them$$);
SELECT dedupe_by FROM medallion.tables WHERE target = 'silver.event';
SELECT medallion.expect('silver.event', 'id', 'id IS NOT NULL', 'quarantine');
SELECT mode, inserted, rejected FROM medallion.refresh('silver.event');
SELECT * FROM silver.event ORDER BY shop, id;
SELECT shop, id, at FROM silver.event_quarantine ORDER BY at;
-- A later row comes, the latest goes.
INSERT INTO bronze.event (shop, id, at, loaded, amount) VALUES ('a', 1, '2026-01-01 12:00', 5, 100), ('a', 2, '2026-05-01', 1, 3), ('d', 1, '2026-01-01', 1, 1);
DELETE FROM bronze.event WHERE amount = 6;
SELECT mode, inserted, updated, deleted, reason FROM medallion.refresh('silver.event');
SELECT * FROM silver.event ORDER BY shop, id;
SELECT medallion.rebuild('silver.event', verify => true);
-- Another query is deduplicated the same way; another order takes the query; none makes duplicates an error.
SELECT target FROM medallion.redefine('silver.event', 'SELECT shop, id, at, loaded, amount * 2 AS amount, extra FROM bronze.event');
SELECT mode, updated FROM medallion.refresh('silver.event');
SELECT medallion.redefine('silver.event', dedupe_by => '{loaded}');
SELECT target FROM medallion.redefine('silver.event', 'WITH e AS (SELECT * FROM bronze.event) SELECT shop, id, at, loaded, amount, extra FROM e ORDER BY n', dedupe_by => '{loaded}');
SELECT mode, updated FROM medallion.refresh('silver.event');
SELECT shop, id, loaded, amount FROM silver.event ORDER BY shop, id;
SELECT target FROM medallion.redefine('silver.event', 'SELECT shop, id, at, loaded, amount, extra FROM bronze.event', dedupe_by => '{}');
SELECT mode FROM medallion.refresh('silver.event');
-- What is refused.
SELECT medallion.define('silver.no', 'SELECT shop, id, extra FROM bronze.event', '{shop,id}', dedupe_by => '{at}');
SELECT medallion.define('silver.no', 'SELECT shop, id, extra FROM bronze.event', '{shop,id}', dedupe_by => '{extra}');
SELECT medallion.define('silver.no', 'SELECT shop, id FROM bronze.event', '{shop,id}', dedupe_by => '{NULL}');
SELECT medallion.undefine('silver.event', drop_table => true);
-- Random changes: incremental and full are the same, and the latest is what DISTINCT ON says.
CREATE PROCEDURE try_dedupe(rounds int, INOUT modes text DEFAULT '', INOUT wrong int DEFAULT 0) LANGUAGE plpgsql AS $$
DECLARE mode text;
BEGIN
	FOR round IN 1 .. rounds LOOP
		INSERT INTO bronze.event (shop, id, at, loaded, amount) SELECT 's' || floor(random() * 3), floor(random() * 40), date '2026-01-01' + floor(random() * 3)::int, floor(random() * 2), floor(random() * 2) FROM generate_series(1, 12);
		DELETE FROM bronze.event WHERE random() < 0.03;
		UPDATE bronze.event SET at = at + interval '1 day' WHERE random() < 0.02;
		UPDATE bronze.event SET id = id + 1 WHERE random() < 0.01;
		COMMIT;
		SELECT r.mode INTO mode FROM medallion.refresh('silver.event') r;
		COMMIT;
		IF strpos(modes, mode) = 0 THEN modes := modes || mode || ' '; END IF;
		wrong := wrong + medallion.rebuild('silver.event', verify => true)
			+ (SELECT count(*) FROM ((SELECT * FROM silver.event EXCEPT SELECT * FROM latest) UNION ALL (SELECT * FROM latest EXCEPT SELECT * FROM silver.event)) d);
		COMMIT;
	END LOOP;
END $$;
TRUNCATE bronze.event;
CREATE VIEW latest AS SELECT DISTINCT ON (shop, id) shop, id, at, loaded, amount FROM bronze.event ORDER BY shop, id, at DESC, loaded DESC, amount DESC;
SELECT target FROM medallion.define('silver.event', keys => '{shop,id}', dedupe_by => '{at,loaded}', query => 'SELECT shop, id, at, loaded, amount FROM bronze.event');
SELECT setseed(0.3);
CALL try_dedupe(40);
SELECT medallion.undefine('silver.event', drop_table => true);
DROP PROCEDURE try_dedupe(int, text, int);
DROP VIEW latest;
DROP TABLE bronze.event;
