-- What 223_versioning_chaos.pl runs: tables, their journal, writers, readers, and the reading of versions.
--
-- a, b and c hold amounts, whose sum over the three never changes; b has partitions, c is truncated; d has rows that
-- follow rows of a by foreign key, without amounts.  The column "extra" comes and goes.
CREATE TABLE a (id int PRIMARY KEY, v bigint NOT NULL, note text);
CREATE TABLE b (id int PRIMARY KEY, v bigint NOT NULL, note text) PARTITION BY RANGE (id);
CREATE TABLE b_low PARTITION OF b FOR VALUES FROM (MINVALUE) TO (40);
CREATE TABLE b_high PARTITION OF b FOR VALUES FROM (40) TO (1000);
CREATE TABLE b_rest PARTITION OF b DEFAULT;
CREATE TABLE c (id int PRIMARY KEY, v bigint NOT NULL, note text);
CREATE TABLE d (id serial PRIMARY KEY, v bigint NOT NULL DEFAULT 0, note text, a_id int REFERENCES a ON DELETE CASCADE ON UPDATE CASCADE);
CREATE INDEX ON d (a_id);
CREATE SEQUENCE c_id;
INSERT INTO a SELECT i, 1000, CASE WHEN i % 3 > 0 THEN 'a' || i END FROM generate_series(1, 120) i;
INSERT INTO b SELECT i, 1000, CASE WHEN i % 3 > 0 THEN 'b' || i END FROM generate_series(1, 120) i;
INSERT INTO d (note, a_id) SELECT 'd' || i, i FROM generate_series(21, 60) i;
SELECT medallion.enable_versioning(t) FROM unnest('{a,b,c,d}'::regclass[]) t;

-- A row without what DDL adds and takes away.
CREATE FUNCTION image(r anyelement) RETURNS text LANGUAGE sql STABLE AS $$SELECT (to_jsonb(r) - 'extra')::text$$;

-- What really happened: every row change in its order, rolled back with its transaction or savepoint.
CREATE TABLE journal (xid xid8 NOT NULL, seq bigserial, tbl text NOT NULL, key int NOT NULL, old text, new text);
CREATE FUNCTION keep_journal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'TRUNCATE' THEN
		INSERT INTO journal(xid, tbl, key, old) SELECT pg_current_xact_id(), 'c', id, image(c) FROM c;
		RETURN NULL;
	END IF;
	IF TG_OP = 'UPDATE' AND NEW.id = OLD.id THEN
		INSERT INTO journal(xid, tbl, key, old, new) VALUES (pg_current_xact_id(), TG_ARGV[0], OLD.id, image(OLD), image(NEW));
		RETURN NULL;
	END IF;
	IF TG_OP <> 'INSERT' THEN
		INSERT INTO journal(xid, tbl, key, old) VALUES (pg_current_xact_id(), TG_ARGV[0], OLD.id, image(OLD));
	END IF;
	IF TG_OP <> 'DELETE' THEN
		INSERT INTO journal(xid, tbl, key, new) VALUES (pg_current_xact_id(), TG_ARGV[0], NEW.id, image(NEW));
	END IF;
	RETURN NULL;
END$$;
CREATE TRIGGER journal AFTER INSERT OR UPDATE OR DELETE ON a FOR EACH ROW EXECUTE FUNCTION keep_journal('a');
CREATE TRIGGER journal AFTER INSERT OR UPDATE OR DELETE ON b FOR EACH ROW EXECUTE FUNCTION keep_journal('b');
CREATE TRIGGER journal AFTER INSERT OR UPDATE OR DELETE ON c FOR EACH ROW EXECUTE FUNCTION keep_journal('c');
CREATE TRIGGER journal AFTER INSERT OR UPDATE OR DELETE ON d FOR EACH ROW EXECUTE FUNCTION keep_journal('d');
CREATE TRIGGER journal_truncate BEFORE TRUNCATE ON c FOR EACH STATEMENT EXECUTE FUNCTION keep_journal();

-- ---- writers: each keeps the sum; what a race makes impossible is rolled back and caught ----------------------------
CREATE FUNCTION merge_transfer(k int, j int, amount int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	n int;
BEGIN
	MERGE INTO a USING (VALUES (k)) s(id) ON a.id = s.id WHEN MATCHED THEN UPDATE SET v = a.v - amount;
	GET DIAGNOSTICS n = ROW_COUNT;
	IF n = 1 THEN
		MERGE INTO b USING (VALUES (j)) s(id) ON b.id = s.id
			WHEN MATCHED AND b.v > 1500 THEN UPDATE SET v = b.v + amount, note = 'rich'
			WHEN MATCHED THEN UPDATE SET v = b.v + amount
			WHEN NOT MATCHED THEN INSERT (id, v, note) VALUES (j, amount, 'merged');
	END IF;
EXCEPTION WHEN unique_violation THEN NULL;
END$$;
-- Deletes a row of a, with its followers, and adds its amount to b.
CREATE FUNCTION move(k int, j int) RETURNS void LANGUAGE sql AS $$
	WITH gone AS (DELETE FROM a WHERE id = k AND EXISTS (SELECT FROM b WHERE id = j) RETURNING v),
	     add AS (INSERT INTO b (id, v, note) SELECT j, v, 'moved' FROM gone ON CONFLICT (id) DO UPDATE SET v = b.v + excluded.v)
	SELECT;
$$;
-- Another key for a row of a, which its followers get too, and for one of b, which may go to another partition.
CREATE FUNCTION other_key(k int, j int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		UPDATE a SET id = id + 2000 WHERE id = k;
		UPDATE a SET id = id - 2000 WHERE id = j + 2000;
	EXCEPTION WHEN unique_violation THEN NULL;
	END;
	BEGIN
		UPDATE b SET id = (id * 7 + 20) % 120 WHERE id = j;
	EXCEPTION WHEN unique_violation THEN NULL;
	END;
END$$;
CREATE FUNCTION follow(k int, file text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF file IS NOT NULL THEN
		EXECUTE format('COPY d (a_id, note) FROM %L', file);
	ELSE
		INSERT INTO d (a_id, note) VALUES (k, 'child'), (NULL, 'orphan');
	END IF;
	DELETE FROM d WHERE id IN (SELECT id FROM d ORDER BY id LIMIT 4);
EXCEPTION WHEN foreign_key_violation THEN NULL;
END$$;
CREATE FUNCTION set_back(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM medallion.restore('d', version => (SELECT greatest(max(version) - n, (SELECT first FROM range)) FROM medallion_history.commit_log));
EXCEPTION WHEN foreign_key_violation OR unique_violation OR object_not_in_prerequisite_state THEN NULL;
END$$;
CREATE FUNCTION blocks(k int, amount int, fail int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE a SET v = v - amount WHERE id = k;
	IF NOT FOUND THEN RETURN; END IF;
	BEGIN
		UPDATE b SET v = v + 7 WHERE id = k;
		INSERT INTO d (note) VALUES ('inner');
		IF fail % 2 = 0 THEN RAISE division_by_zero; END IF;
		UPDATE a SET v = v - 7, note = 'block' WHERE id = k;
		IF NOT EXISTS (SELECT FROM b WHERE id = k) THEN RAISE division_by_zero; END IF;
	EXCEPTION WHEN division_by_zero THEN
		INSERT INTO d (note) VALUES ('caught');
	END;
	BEGIN
		UPDATE b SET v = v + amount WHERE id = k;
		IF NOT FOUND THEN INSERT INTO b (id, v, note) VALUES (k, amount, 'made'); END IF;
	EXCEPTION WHEN unique_violation THEN
		UPDATE b SET v = v + amount WHERE id = k;
	END;
END$$;

CREATE PROCEDURE alter_tables(seconds float8) LANGUAGE plpgsql AS $$
DECLARE
	until timestamptz := clock_timestamp() + seconds * interval '1 second';
	statements text[] := ARRAY['ALTER TABLE a ADD COLUMN IF NOT EXISTS extra int', 'CLUSTER a USING a_pkey', 'ALTER TABLE a DROP COLUMN IF EXISTS extra',
		'ALTER TABLE b ADD COLUMN IF NOT EXISTS extra text', 'ALTER TABLE d ADD COLUMN IF NOT EXISTS extra text', 'CREATE INDEX c_v ON c (v)',
		'ALTER TABLE b DROP COLUMN IF EXISTS extra', 'DROP INDEX IF EXISTS c_v', 'ALTER TABLE d DROP COLUMN IF EXISTS extra', 'CLUSTER d USING d_pkey',
		'ALTER TABLE c ADD COLUMN IF NOT EXISTS extra int', 'ALTER TABLE c DROP COLUMN IF EXISTS extra'];
BEGIN
	WHILE clock_timestamp() < until LOOP
		BEGIN
			PERFORM set_config('lock_timeout', '1s', true);
			EXECUTE statements[1 + (random() * (array_length(statements, 1) - 1))::int];
			INSERT INTO altered DEFAULT VALUES;
		EXCEPTION WHEN lock_not_available OR deadlock_detected OR duplicate_table OR object_in_use THEN NULL;
		END;
		COMMIT;
		PERFORM pg_sleep(0.15);
	END LOOP;
END$$;
CREATE TABLE altered (at timestamptz DEFAULT clock_timestamp());

-- ---- readers --------------------------------------------------------------------------------------------------------
CREATE TABLE seen (version bigint, at timestamptz, form int, sums numeric[]);
CREATE TABLE refused (message text);
CREATE TABLE range AS SELECT max(version) AS first, NULL::bigint AS last FROM medallion_history.commit_log;

-- The state of all tables as numbers, asked in one of several ways; four sums and the total of the amounts.
CREATE FUNCTION sums(sources text[]) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT format('SELECT ARRAY[a.h, b.h, c.h, d.h, a.v + b.v + c.v] FROM (%s) a, (%s) b, (%s) c, (%s) d', VARIADIC
		ARRAY(SELECT format('SELECT COALESCE(sum(hashtextextended(image(t), %s)), 0) AS h, COALESCE(sum(v), 0) AS v FROM %s t', n, s)
			FROM unnest(sources) WITH ORDINALITY x(s, n) ORDER BY n))$$;
CREATE FUNCTION sums_at(ver bigint, form int) RETURNS numeric[] LANGUAGE plpgsql AS $$
DECLARE
	result numeric[];
BEGIN
	CASE form
	WHEN 0 THEN
		EXECUTE sums(ARRAY(SELECT format('medallion.as_of(NULL::%I, version => %s)', t, ver) FROM unnest('{a,b,c,d}'::text[]) t)) INTO result;
	WHEN 1 THEN
		EXECUTE sums(ARRAY(SELECT format('medallion.as_of(NULL::%I, version => $1)', t) FROM unnest('{a,b,c,d}'::text[]) t)) INTO result USING ver;
	WHEN 2 THEN	-- a plan that is kept
		SELECT ARRAY[a.h, b.h, c.h, d.h, a.v + b.v + c.v] INTO result
		FROM (SELECT COALESCE(sum(hashtextextended(image(t), 1)), 0) AS h, COALESCE(sum(v), 0) AS v FROM medallion.as_of(NULL::a, version => ver) t) a,
			(SELECT COALESCE(sum(hashtextextended(image(t), 2)), 0) AS h, COALESCE(sum(v), 0) AS v FROM medallion.as_of(NULL::b, version => ver) t) b,
			(SELECT COALESCE(sum(hashtextextended(image(t), 3)), 0) AS h, COALESCE(sum(v), 0) AS v FROM medallion.as_of(NULL::c, version => ver) t) c,
			(SELECT COALESCE(sum(hashtextextended(image(t), 4)), 0) AS h, COALESCE(sum(v), 0) AS v FROM medallion.as_of(NULL::d, version => ver) t) d;
	WHEN 3 THEN	-- the session travels
		PERFORM set_config('medallion.as_of', ver::text, true);
		EXECUTE sums('{a,b,c,d}') INTO result;
		PERFORM set_config('medallion.as_of', '', true);
	END CASE;
	RETURN result;
END$$;

CREATE PROCEDURE read_past(seconds float8) LANGUAGE plpgsql AS $$
DECLARE
	until timestamptz := clock_timestamp() + seconds * interval '1 second';
	ver bigint; t timestamptz; form int; result numeric[];
BEGIN
	WHILE clock_timestamp() < until LOOP
		form := (random() * 4 - 0.5)::int;
		t := NULL;
		ver := NULL;
		CASE (random() * 3)::int
		WHEN 0 THEN SELECT version INTO ver FROM medallion_history.commit_clock;
		WHEN 1 THEN SELECT s.version INTO ver FROM seen s WHERE s.version IS NOT NULL OFFSET (random() * (SELECT count(*) FROM seen))::int LIMIT 1;
		WHEN 2 THEN SELECT max(c.version) - (random() * 20)::int INTO ver FROM medallion_history.commit_log c;
		ELSE t := clock_timestamp() - random() * interval '300 ms';
		END CASE;
		BEGIN
			IF t IS NOT NULL THEN
				EXECUTE sums(ARRAY(SELECT format('medallion.as_of(NULL::%I, at => $1)', x) FROM unnest('{a,b,c,d}'::text[]) x)) INTO result USING t;
				form := 4;
			ELSE
				ver := greatest(ver, (SELECT first FROM range));
				result := sums_at(ver, form);
			END IF;
			INSERT INTO seen VALUES (CASE WHEN t IS NULL THEN ver END, t, form, result);
		EXCEPTION WHEN object_not_in_prerequisite_state OR invalid_parameter_value OR deadlock_detected OR serialization_failure THEN
			INSERT INTO refused VALUES (form || ' ' || regexp_replace(sqlerrm, '[0-9].*[0-9]', '#'));
		END;
		COMMIT;
		PERFORM pg_sleep(0.01);
	END LOOP;
END$$;

-- Every version on its own: first what is new since the last time, at the end all of them once more.
CREATE TABLE state (version bigint PRIMARY KEY, sums numeric[]);
CREATE TABLE state_again (version bigint PRIMARY KEY, sums numeric[]);
CREATE PROCEDURE read_all(target regclass, part int, parts int, every int) LANGUAGE plpgsql AS $$
DECLARE
	ver bigint;
BEGIN
	FOR ver IN EXECUTE format('SELECT c.version FROM medallion_history.commit_log c, range WHERE c.version >= range.first
		AND c.version %% %s = 0 AND c.version / %s %% %s = %s AND NOT EXISTS (SELECT FROM %s s WHERE s.version = c.version) ORDER BY 1', every, every, parts, part, target)
	LOOP
		EXECUTE format('INSERT INTO %s VALUES ($1, $2)', target) USING ver, sums_at(ver, (ver % 4)::int);
		COMMIT;
	END LOOP;
END$$;
