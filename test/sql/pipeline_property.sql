-- Whatever the data and the rules: after a refresh the table is what the query returns, less what the rules reject; counts
-- add up; a second refresh writes nothing; and history has no change that changed nothing.
SET client_min_messages = warning;
CREATE TABLE bronze.left_side (id int, k int, t text, n numeric, raw text);
CREATE TABLE bronze.right_side (k int, w float8);
CREATE FUNCTION bronze.random_changes(seed int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	r float8;
BEGIN
	PERFORM setseed(seed / 1000.0);
	FOR i IN 1..20 LOOP
		r := random();
		IF r < 0.5 THEN
			INSERT INTO bronze.left_side
			SELECT (random() * 60)::int, (random() * 8)::int, CASE WHEN random() < 0.2 THEN NULL ELSE chr(97 + (random() * 4)::int) END,
				round((random() * 10)::numeric, (random() * 2)::int), CASE WHEN random() < 0.1 THEN 'x' ELSE (random() * 9)::int::text END
			ON CONFLICT DO NOTHING;
		ELSIF r < 0.7 THEN
			UPDATE bronze.left_side SET n = n + 1, t = CASE WHEN random() < 0.3 THEN NULL ELSE t END WHERE id % 7 = (random() * 6)::int;
		ELSIF r < 0.8 THEN
			DELETE FROM bronze.left_side WHERE id % 5 = (random() * 4)::int;
		ELSIF r < 0.9 THEN
			INSERT INTO bronze.right_side VALUES ((random() * 8)::int, random()) ON CONFLICT (k) DO UPDATE SET w = excluded.w;
		ELSE
			DELETE FROM bronze.right_side WHERE k = (random() * 8)::int;
		END IF;
	END LOOP;
END$$;
ALTER TABLE bronze.left_side ADD PRIMARY KEY (id);
ALTER TABLE bronze.right_side ADD PRIMARY KEY (k);
CREATE FUNCTION bronze.is_number(text) RETURNS bool LANGUAGE sql IMMUTABLE RETURN $1 ~ '^[0-9]+$';

-- Per case: target, query, key, and the rows its rules let through.
CREATE TABLE bronze.cases (target text, query text, keys text[], kept text);
INSERT INTO bronze.cases VALUES
	('silver.p_filter', 'SELECT id, k, t, n, raw FROM bronze.left_side WHERE k > 2', '{id}', 'coalesce(n > 2, false) AND CASE WHEN bronze.is_number(raw) THEN raw::int < 8 ELSE false END'),
	('silver.p_join', 'SELECT l.id, l.t, r.w FROM bronze.left_side l LEFT JOIN bronze.right_side r USING (k)', '{id}', 't IS NOT NULL'),
	('gold.p_group', 'SELECT k, count(*) AS c, sum(n) AS s, array_agg(id ORDER BY id) AS ids FROM silver.p_filter GROUP BY k HAVING count(*) > 1', '{k}', 'true'),
	('gold.p_distinct', 'SELECT DISTINCT t FROM silver.p_join', '{t}', 'true'),
	('gold.p_window', 'SELECT id, row_number() OVER (PARTITION BY t ORDER BY id) AS pos, lag(w) OVER (PARTITION BY t ORDER BY id) AS before FROM silver.p_join', '{id}', 'true'),
	('gold.p_union', 'SELECT id, 1 AS part FROM silver.p_filter UNION ALL SELECT id, 2 FROM silver.p_join WHERE NOT EXISTS (SELECT FROM silver.p_filter f WHERE f.id = p_join.id)', '{id,part}', 'true');
SELECT count(*) FROM bronze.cases c, LATERAL medallion.define(c.target, c.query, c.keys) d;
SELECT medallion.expect('silver.p_filter', 'large', 'n > 2', 'drop');
SELECT medallion.expect('silver.p_filter', 'number', 'raw::int < 8', 'quarantine');
SELECT medallion.expect('silver.p_filter', 'counted', '1 / k > 0');
SELECT medallion.expect('silver.p_join', 'named', 't IS NOT NULL', 'quarantine');

CREATE FUNCTION bronze.check_all() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	c record;
	f record;
	differing bigint;
	columns text;
BEGIN
	FOR f IN SELECT r.target, r.mode, r.inserted, r.updated, r.deleted, r.rejected FROM medallion.refresh() r WHERE r.target LIKE '%.p\_%' LOOP
		EXECUTE format('CREATE TEMP TABLE last_%s ON COMMIT DROP AS SELECT %L::bigint AS written, %L::bigint AS rejected', split_part(f.target, '.', 2), f.inserted + f.updated + f.deleted, f.rejected);
	END LOOP;
	FOR c IN SELECT * FROM bronze.cases LOOP
		EXECUTE format('SELECT count(*) FROM ((SELECT a_row::text FROM (%1$s) a_row WHERE %2$s EXCEPT ALL SELECT a_row::text FROM %3$s a_row)'
			' UNION ALL (SELECT a_row::text FROM %3$s a_row EXCEPT ALL SELECT a_row::text FROM (%1$s) a_row WHERE %2$s)) d', c.query, c.kept, c.target) INTO differing;
		IF differing > 0 THEN
			RETURN NEXT format('%s differs in %s rows', c.target, differing);
		END IF;
		EXECUTE format('SELECT count(*) - (SELECT count(*) FROM %s) - (SELECT rejected FROM last_%s) FROM (%s) q', c.target, split_part(c.target, '.', 2), c.query) INTO differing;
		IF differing <> 0 THEN
			RETURN NEXT format('%s: rows do not add up by %s', c.target, differing);
		END IF;
		SELECT b.differing_rows INTO differing FROM medallion.rebuild(c.target, verify => true) b;
		IF differing > 0 THEN
			RETURN NEXT format('%s: verify found %s rows', c.target, differing);
		END IF;
	END LOOP;
	RETURN QUERY SELECT format('%s: a second refresh wrote', r.target) FROM medallion.refresh() r WHERE r.inserted + r.updated + r.deleted > 0;
	RETURN QUERY SELECT format('%s: %s of %s has other counts', e.target, e.name, e.refresh_id) FROM medallion.expectation_results e
		WHERE e.passed + e.failed <> (SELECT x.passed + x.failed FROM medallion.expectation_results x WHERE x.refresh_id = e.refresh_id ORDER BY x.name LIMIT 1);
END$$;

CREATE TABLE bronze.findings (seed int, finding text);
DO $$
BEGIN
	FOR seed IN 1..100 LOOP
		PERFORM bronze.random_changes(seed);
		INSERT INTO bronze.findings SELECT seed, f FROM bronze.check_all() f;
		COMMIT;
	END LOOP;
END$$;
SELECT * FROM bronze.findings ORDER BY seed, finding;
SELECT target, max("rows") > 10 AS had_rows, max(quarantined) > 3 AS had_quarantined, count(*) AS refreshes
FROM medallion.refreshes WHERE target LIKE 'silver.p\_%' GROUP BY target ORDER BY target;
-- History holds one row per row updated or deleted, and no more.
SELECT r.target, sum(r.updated) > 0 AS some_updated, sum(r.deleted) > 0 AS some_deleted, sum(r.updated + r.deleted) - h.n AS surplus
FROM medallion.refreshes r JOIN (SELECT 'silver.p_filter' AS target, count(*) AS n FROM medallion_history."silver.p_filter"
	UNION ALL SELECT 'silver.p_join', count(*) FROM medallion_history."silver.p_join"
	UNION ALL SELECT 'gold.p_window', count(*) FROM medallion_history."gold.p_window") h USING (target)
GROUP BY r.target, h.n ORDER BY r.target;
SELECT bool_or(raised > 0) AS some_raised, bool_and(failed >= raised) AS sane FROM medallion.expectation_results WHERE target = 'silver.p_filter';

DO $$
DECLARE
	c record;
BEGIN
	FOR c IN SELECT * FROM bronze.cases ORDER BY target LIMIT 4 LOOP
		PERFORM medallion.undefine(c.target, drop_table => true);
	END LOOP;
	PERFORM medallion.undefine('silver.p_filter', drop_table => true);
	PERFORM medallion.undefine('silver.p_join', drop_table => true);
END$$;
DROP TABLE bronze.left_side, bronze.right_side, bronze.cases, bronze.findings;
DROP FUNCTION bronze.random_changes(int), bronze.check_all(), bronze.is_number(text);
