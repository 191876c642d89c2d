-- Random changes of a table and of its definition, each version copied as it is committed: see 241_versioning_shapes.pl.
-- Statements run in savepoints, some of which are rolled back; one in ten transactions is, too.
SET client_min_messages = warning;
CREATE SCHEMA f;
CREATE TABLE f.states (version bigint PRIMARY KEY, rows jsonb, columns text);
CREATE TABLE f.log (n serial, sql text, err text);
CREATE FUNCTION f.pick(VARIADIC a text[]) RETURNS text LANGUAGE sql VOLATILE AS 'SELECT a[1 + floor(random() * cardinality(a))::int]';
CREATE FUNCTION f.col() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = to_regclass('f.t') AND attnum > 0 AND NOT attisdropped AND attname NOT IN ('id') ORDER BY random() LIMIT 1 $$;
CREATE FUNCTION f.typ() RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT f.pick('int','bigint','numeric','text','varchar(20)','numeric(12,2)','varchar(30)') $$;
CREATE FUNCTION f.stmt() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE c text := f.col(); k int := floor(random() * 30); ty text := f.typ(); id int := floor(random() * 12);
BEGIN
	RETURN CASE
	WHEN k < 5 THEN format('INSERT INTO f.t (id) SELECT %s + i FROM generate_series(0, %s) i ON CONFLICT DO NOTHING', id, floor(random()*3))
	WHEN k < 8 AND c IS NOT NULL THEN format('UPDATE f.t SET %s = %L WHERE id %% 3 = %s', c, floor(random() * 1000), id % 3)
	WHEN k < 9 THEN format('UPDATE f.t SET id = id + 100 WHERE id = %s', id)
	WHEN k < 11 THEN format('DELETE FROM f.t WHERE id %% 4 = %s', id % 4)
	WHEN k < 12 AND random() < 0.3 THEN 'TRUNCATE f.t'
	WHEN k < 14 THEN format('ALTER TABLE f.t ADD COLUMN %s %s', f.pick('a','b','c','d','e'), ty)
	WHEN k < 17 THEN format('ALTER TABLE f.t ADD COLUMN %s %s DEFAULT %L', f.pick('a','b','c','d','e'), ty, floor(random() * 100))
	WHEN k < 18 THEN format('ALTER TABLE f.t ADD COLUMN %s int DEFAULT floor(random() * 100)', f.pick('a','b','c','d','e'))
	WHEN k < 20 AND c IS NOT NULL THEN format('ALTER TABLE f.t DROP COLUMN %s', c)
	WHEN k < 24 AND c IS NOT NULL THEN format('ALTER TABLE f.t ALTER COLUMN %s DROP DEFAULT, ALTER COLUMN %s TYPE %s USING (%s)::text::%s', c, c, ty, c, ty)
	WHEN k < 26 AND c IS NOT NULL THEN format('ALTER TABLE f.t RENAME COLUMN %s TO %s', c, f.pick('a','b','c','d','e'))
	WHEN k < 27 AND c IS NOT NULL THEN format('ALTER TABLE f.t DROP COLUMN %s, ADD COLUMN %s %s DEFAULT 5, ALTER COLUMN id TYPE %s', c, f.pick(c, 'e'), ty, f.pick('int', 'bigint'))
	WHEN k < 28 AND c IS NOT NULL THEN format('ALTER TABLE f.t ALTER COLUMN %s SET DEFAULT %L', c, 3)
	WHEN k < 29 THEN 'ALTER TABLE f.t DISABLE TRIGGER ALL'
	WHEN random() < 0.5 THEN 'DROP TABLE f.t' ELSE 'CREATE INDEX ON f.t (id)' END;
END $$;
CREATE PROCEDURE f.run(s text) LANGUAGE plpgsql AS $$
BEGIN
	IF s IS NULL THEN RETURN; END IF;
	INSERT INTO f.log (sql) VALUES (s);
	IF random() < 0.15 THEN
		BEGIN EXECUTE s; RAISE EXCEPTION 'undo'; EXCEPTION WHEN OTHERS THEN INSERT INTO f.log (sql, err) VALUES ('undone', sqlerrm); END;
	ELSE
		BEGIN EXECUTE s; EXCEPTION WHEN OTHERS THEN INSERT INTO f.log (sql, err) VALUES ('failed', sqlerrm); END;
	END IF;
END $$;
CREATE PROCEDURE f.snap() LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO f.states SELECT (SELECT max(version) FROM medallion.commits),
		(SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY id), '[]') FROM f.t),
		(SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attname) FROM pg_attribute WHERE attrelid = 'f.t'::regclass AND attnum > 0 AND NOT attisdropped)
	ON CONFLICT (version) DO UPDATE SET rows = CASE WHEN states.rows = excluded.rows AND states.columns = excluded.columns THEN states.rows ELSE '"changed without a version"' END;
END $$;
CREATE PROCEDURE f.fuzz(n int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..n LOOP
		FOR j IN 1..(1 + floor(random() * 4)::int) LOOP CALL f.run(f.stmt()); END LOOP;
		IF random() < 0.1 THEN INSERT INTO f.log (sql) VALUES ('ROLLBACK'); ROLLBACK; INSERT INTO f.log (sql) VALUES ('rolled back'); ELSE COMMIT; END IF;
		IF to_regclass('f.t') IS NULL THEN INSERT INTO f.log (sql) VALUES ('undrop'); PERFORM medallion.undrop('f.t'); COMMIT; END IF;
		CALL f.snap();
		INSERT INTO f.log (sql) VALUES ('-- commit ' || (SELECT max(version) FROM medallion.commits));
		COMMIT;
	END LOOP;
END $$;
CREATE FUNCTION f.check(OUT n bigint, OUT bad_json bigint, OUT bad_columns bigint, OUT first_bad bigint, OUT bad_fold bigint, OUT errors bigint) LANGUAGE plpgsql AS $$
DECLARE s record; j jsonb; c text; folded text; today text; v0 bigint;
BEGIN
	n := 0; bad_json := 0; bad_columns := 0; bad_fold := 0; errors := 0;
	SELECT min(version) INTO v0 FROM f.states;
	FOR s IN SELECT * FROM f.states ORDER BY version LOOP
		n := n + 1;
		SELECT coalesce(jsonb_agg(x ORDER BY (x->>'id')::bigint), '[]') INTO j FROM medallion.as_of_json('f.t', version => s.version) x;
		SELECT string_agg(column_name || ' ' || data_type, ', ' ORDER BY column_name) INTO c FROM medallion.columns_as_of('f.t', version => s.version);
		IF j <> s.rows THEN bad_json := bad_json + 1; first_bad := coalesce(first_bad, s.version); END IF;
		IF c <> s.columns THEN bad_columns := bad_columns + 1; first_bad := coalesce(first_bad, s.version); END IF;
		IF s.version > v0 AND n % 5 = 0 THEN
		BEGIN
			EXECUTE format('SELECT string_agg(image::text, '' '' ORDER BY (image).id) FROM (
				SELECT DISTINCT ON ((row_data).id) row_data AS image, _change_type FROM (
				SELECT ''insert'' AS _change_type, %1$s AS _commit_version, p AS row_data FROM medallion.as_of(NULL::f.t, version => %1$s) p
				UNION ALL SELECT _change_type, _commit_version, row_data FROM medallion.changes(NULL::f.t, %1$s + 1, %2$s) WHERE _change_type <> ''update_preimage'') e
				ORDER BY (row_data).id, _commit_version DESC, (_change_type = ''delete'')::int) last WHERE _change_type <> ''delete''', v0, s.version) INTO folded;
			EXECUTE format('SELECT string_agg(p::text, '' '' ORDER BY id) FROM medallion.as_of(NULL::f.t, version => %s) p', s.version) INTO today;
			IF folded IS DISTINCT FROM today THEN bad_fold := bad_fold + 1; first_bad := coalesce(first_bad, s.version); END IF;
		EXCEPTION WHEN OTHERS THEN errors := errors + 1; INSERT INTO f.log (sql, err) VALUES ('fold', sqlerrm);
		END;
		END IF;
	END LOOP;
END $$;
