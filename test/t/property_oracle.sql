-- The oracle of 222_versioning_property.pl: copies of tables taken after each commit, and their comparison with what
-- time travel answers.
--
-- A row is kept as text[], one element per attribute number, so that a copy taken before a column was added, dropped or
-- renamed can be compared with what is read afterwards.  s is the schema of a script everywhere.
CREATE SCHEMA prop;
-- The history tables exist once something is versioned.
CREATE TABLE prop.first (id int PRIMARY KEY);
SELECT medallion.enable_versioning('prop.first');
CREATE UNLOGGED TABLE prop.image (s text, tab oid, version bigint, image text[], shape jsonb);
CREATE INDEX ON prop.image (s, tab, version);
CREATE UNLOGGED TABLE prop.copy (s text, version bigint, tab oid, PRIMARY KEY (s, version, tab));
CREATE UNLOGGED TABLE prop.feed (s text, tab oid, version bigint, kind text, image text[]);
CREATE INDEX ON prop.feed (s, tab, version);
CREATE DOMAIN prop.amount AS numeric CHECK (VALUE IS NULL OR VALUE > -100000);
CREATE TYPE prop.mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE prop.pair AS (x int, y text);

-- The versioned tables of a script and their numbers.
CREATE FUNCTION prop.tables(s text) RETURNS TABLE (tab oid, table_id int, shape_changed bool) LANGUAGE sql STABLE
SET search_path = pg_catalog AS $$
	SELECT DISTINCT c.oid, convert_from(substring(t.tgargs FOR length(t.tgargs) - 1), 'UTF8')::int,
		EXISTS (SELECT FROM pg_attribute a WHERE attrelid = c.oid AND attnum > 0 AND (attisdropped OR atthasmissing))
	FROM pg_class c JOIN pg_trigger t ON t.tgrelid = c.oid
	WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = s)
	AND t.tgfoid = 'medallion._capture'::regproc AND t.tgtype & 1 = 1 AND NOT c.relispartition
	ORDER BY 1$$;

-- ARRAY[a::text, NULL, …]: a row as an image; what = '(row_data).' for a row in a column.
CREATE FUNCTION prop.image_of(tab oid, what text) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
	SELECT 'ARRAY[' || string_agg(CASE WHEN attisdropped THEN 'NULL' ELSE what || quote_ident(attname) || '::text' END, ', ' ORDER BY attnum) || ']::text[]'
	FROM pg_attribute WHERE attrelid = tab AND attnum > 0$$;

-- The same for a stored image: what is expected of it in today's shape.
CREATE FUNCTION prop.expected_of(tab oid) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
	SELECT 'ARRAY[' || string_agg(CASE WHEN attisdropped THEN 'NULL' ELSE 'image[' || attnum || ']' END, ', ' ORDER BY attnum) || ']::text[]'
	FROM pg_attribute WHERE attrelid = tab AND attnum > 0$$;

-- The key of an image.
CREATE FUNCTION prop.key_of(tab oid) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
	SELECT 'ARRAY[' || string_agg('image[' || k || ']', ', ') || ']'
	FROM (SELECT unnest(conkey) k FROM pg_constraint WHERE conrelid = tab AND contype = 'p') x$$;

-- The first version that is said to be readable.
CREATE FUNCTION prop.readable_from(tab oid) RETURNS bigint LANGUAGE sql STABLE AS $$
	SELECT greatest((SELECT max(readable_from) FROM medallion_history.horizons h WHERE h.table_id = t.table_id),
		(SELECT max(version) FROM medallion_history.commit_changes c WHERE c.table_id = t.table_id AND operation = 'enable'))
	FROM prop.tables((SELECT nspname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE c.oid = readable_from.tab)) t
	WHERE t.tab = readable_from.tab$$;

-- After a commit: copies the tables as they are now, if there is a new version.
CREATE FUNCTION prop.snap(s text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	v bigint; t record;
BEGIN
	SELECT max(c.version) INTO v FROM prop.tables(s) x JOIN medallion_history.commit_changes c USING (table_id);
	IF v IS NULL OR EXISTS (SELECT FROM prop.copy c WHERE c.s = snap.s AND c.version = v) THEN RETURN; END IF;
	FOR t IN SELECT * FROM prop.tables(s) LOOP
		INSERT INTO prop.copy VALUES (s, v, t.tab);
		EXECUTE format('INSERT INTO prop.image SELECT %L, %s, %s, %s, to_jsonb(t) FROM %s t', s, t.tab, v, prop.image_of(t.tab, 't.'), t.tab::regclass);
	END LOOP;
END$$;

-- as_of, asked in one of several ways, as SQL that gives images; $1 is the version.
CREATE FUNCTION prop.past(s text, tab oid, v bigint, form int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	call text := format('SELECT %s AS image FROM medallion.as_of(NULL::%s, version => %%s) x', prop.image_of(tab, 'x.'), tab::regclass);
	later bigint;
BEGIN
	CASE form
	WHEN 1 THEN RETURN format(call, '$1');
	WHEN 2 THEN RETURN format('SELECT %s AS image FROM medallion.as_of(NULL::%s, at => %L) x', prop.image_of(tab, 'x.'), tab::regclass,
		(SELECT committed_at FROM medallion_history.commit_log WHERE version = v));
	WHEN 3 THEN RETURN format('SELECT %s AS image FROM (VALUES (%s::bigint)) one(v), medallion.as_of(NULL::%s, version => one.v) x',
		prop.image_of(tab, 'x.'), v, tab::regclass);
	WHEN 4 THEN	-- the last version before the next one of this table
		SELECT min(c.version) INTO later FROM medallion_history.commit_changes c, prop.tables(s) t
			WHERE t.tab = past.tab AND c.table_id = t.table_id AND c.version > v;
		SELECT max(version) INTO later FROM medallion_history.commit_log WHERE version < later
			AND NOT (SELECT shape_changed FROM prop.tables(s) t WHERE t.tab = past.tab);
		RETURN format(call, COALESCE(later, v));
	WHEN 7 THEN RETURN format('SELECT %s AS image FROM %s x', prop.image_of(tab, 'x.'), tab::regclass);
	ELSE
		RETURN format(call, v);
	END CASE;
END$$;

-- Compares one version of one table with its copy; NULL if it is right.
CREATE FUNCTION prop.compare(s text, tab oid, v bigint, form int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	differences text; message text; state text;
BEGIN
	IF form = 5 THEN
		PERFORM set_config('force_parallel_mode', 'on', true), set_config('parallel_setup_cost', '0', true),
			set_config('parallel_tuple_cost', '0', true), set_config('min_parallel_table_scan_size', '0', true);
	ELSIF form = 6 THEN
		PERFORM set_config('enable_seqscan', 'off', true);
	ELSIF form = 7 THEN	-- the session travels
		PERFORM set_config('medallion.as_of', v::text, true);
	END IF;
	EXECUTE format('SELECT string_agg(d, E''\n'') FROM (
			SELECT ''missing '' || image::text FROM (SELECT %1$s AS image FROM prop.image WHERE s = %2$L AND tab = %3$s AND version = %4$s EXCEPT ALL %5$s) x
			UNION ALL SELECT ''surplus '' || image::text FROM (%5$s EXCEPT ALL SELECT %1$s FROM prop.image WHERE s = %2$L AND tab = %3$s AND version = %4$s) x) y(d)',
		prop.expected_of(tab), s, tab, v, prop.past(s, tab, v, form)) INTO differences USING v;
	PERFORM set_config('medallion.as_of', '', true), set_config('force_parallel_mode', 'off', true), set_config('parallel_setup_cost', '1000', true),
		set_config('parallel_tuple_cost', '0.1', true), set_config('min_parallel_table_scan_size', '8MB', true),
		set_config('enable_seqscan', 'on', true);
	RETURN format('%s version %s form %s: ', tab::regclass, v, form) || left(differences, 1000);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, state = RETURNED_SQLSTATE;
	RETURN format('%s version %s form %s: error %s %s', tab::regclass, v, form, state, message);
END$$;

-- The n-th of the copies of a table that can be read.
CREATE FUNCTION prop.some_version(s text, tab oid, n int) RETURNS bigint LANGUAGE sql STABLE AS $$
	WITH v AS (SELECT version FROM prop.copy c JOIN prop.tables(s) t USING (tab)
		WHERE c.s = some_version.s AND c.tab = some_version.tab AND version >= prop.readable_from(t.tab))
	SELECT version FROM v ORDER BY version OFFSET n % greatest((SELECT count(*) FROM v), 1) LIMIT 1$$;

-- In the middle of a transaction: compares some earlier version.  What may be refused is a version that this
-- transaction's snapshot does not have.
CREATE FUNCTION prop.peek(s text, n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	tab oid; v bigint; message text;
BEGIN
	SELECT t.tab INTO tab FROM prop.tables(peek.s) t OFFSET n % greatest((SELECT count(*) FROM prop.tables(peek.s)), 1) LIMIT 1;
	v := prop.some_version(s, tab, n);
	IF v IS NULL THEN RETURN; END IF;
	message := prop.compare(s, tab, v, n % 8);
	IF message ~ 'is newer than the snapshot|was truncated or altered after this transaction|was enabled in the current' THEN
		RAISE NOTICE 'refused: %', message;
	ELSIF message IS NOT NULL THEN
		RAISE WARNING 'PROPFAIL peek in a transaction: %', message;
	END IF;
END$$;

-- The rows of a relation are those of a copy, in the columns that there were; NULL if so.
CREATE FUNCTION prop.equals(s text, relation oid, tab oid, v bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	differences text;
	n int := (SELECT max(array_length(image, 1)) FROM prop.image i WHERE i.s = equals.s AND i.tab = equals.tab AND i.version = v);
BEGIN
	EXECUTE format('WITH e AS (SELECT (%1$s)[:%7$s] AS image FROM prop.image WHERE s = %2$L AND tab = %3$s AND version = %4$s),
		a AS (SELECT (%5$s)[:%7$s] AS image FROM %6$s)
		SELECT string_agg(d, E''\n'') FROM (
			SELECT ''missing '' || left(image::text, 160) FROM (TABLE e EXCEPT ALL TABLE a) x
			UNION ALL SELECT ''surplus '' || left(image::text, 160) FROM (TABLE a EXCEPT ALL TABLE e) x) y(d)',
		prop.expected_of(tab), s, tab, v, prop.image_of(tab, ''), relation::regclass, COALESCE(n, 0)) INTO differences;
	RETURN differences;
END$$;

-- Restores an earlier version.  Triggers and foreign keys may rightly make it something else.
CREATE FUNCTION prop.try_restore(s text, relation text, n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	tab oid := format('%I.%I', s, relation)::regclass;
	v bigint := prop.some_version(s, tab, n);
	bad text;
BEGIN
	IF v IS NULL THEN RETURN; END IF;
	PERFORM medallion.restore(tab::regclass, version => v);
	IF EXISTS (SELECT FROM pg_trigger t WHERE tgrelid = tab AND (tgisinternal OR tgfoid <> 'medallion._capture'::regproc)) OR
		EXISTS (SELECT FROM pg_attribute WHERE attrelid = tab AND attgenerated <> '')
	THEN RETURN; END IF;
	bad := prop.equals(s, tab, tab, v);
	IF bad IS NOT NULL THEN
		RAISE WARNING 'PROPFAIL restore of % to version %: %', tab::regclass, v, bad;
	END IF;
END$$;

CREATE FUNCTION prop.try_clone(s text, relation text, n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	tab oid := format('%I.%I', s, relation)::regclass;
	v bigint := prop.some_version(s, tab, n);
	bad text;
BEGIN
	IF v IS NULL THEN RETURN; END IF;
	PERFORM medallion.clone(tab::regclass, s || '.cloned', version => v);
	IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = tab AND attgenerated <> '') THEN
		bad := prop.equals(s, (s || '.cloned')::regclass, tab, v);
		IF bad IS NOT NULL THEN
			RAISE WARNING 'PROPFAIL clone of % at version %: %', tab::regclass, v, bad;
		END IF;
	END IF;
	EXECUTE format('DROP TABLE %I.cloned', s);
END$$;

-- The past of a partition is that part of the root's past which its bounds of today take.
CREATE FUNCTION prop.check_partitions(root oid, v bigint) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	part record;
BEGIN
	FOR part IN SELECT relid, pg_get_partition_constraintdef(relid) AS bounds FROM pg_partition_tree(root) WHERE level > 0 LOOP
		RETURN QUERY EXECUTE format('SELECT format(''%%s version %%s as a partition: row %%s'', %1$L, %2$s, left(x::text, 160)) FROM (
				(SELECT %6$s FROM medallion.as_of(NULL::%3$s, version => %2$s) p EXCEPT ALL SELECT %6$s FROM medallion.as_of(NULL::%4$s, version => %2$s) p WHERE %5$s)
				UNION ALL (SELECT %6$s FROM medallion.as_of(NULL::%4$s, version => %2$s) p WHERE %5$s EXCEPT ALL SELECT %6$s FROM medallion.as_of(NULL::%3$s, version => %2$s) p)) x',
			part.relid::regclass, v, part.relid::regclass, root::regclass, COALESCE(part.bounds, 'true'), prop.image_of(root, ''));
	END LOOP;
END$$;

-- A version in the shape of then.
CREATE FUNCTION prop.check_shape(s text, tab oid, v bigint) RETURNS SETOF text LANGUAGE sql AS $$
	WITH e AS (SELECT shape FROM prop.image i WHERE i.s = check_shape.s AND i.tab = check_shape.tab AND i.version = v),
		a AS (SELECT x FROM medallion.as_of_json(tab::regclass, version => v) x)
	SELECT format('%s version %s in its own shape: %s %s', tab::regclass, v, what, left(d::text, 300)) FROM (
		SELECT 'missing', d FROM (TABLE e EXCEPT ALL TABLE a) x(d) UNION ALL SELECT 'surplus', d FROM (TABLE a EXCEPT ALL TABLE e) x(d)) y(what, d)$$;

-- Drops a table and brings it back: another relation by then, with the same past.
CREATE FUNCTION prop.try_undrop(s text, relation text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	tab oid := format('%I.%I', s, relation)::regclass;
BEGIN
	IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = tab AND attisdropped) THEN RETURN; END IF;
	EXECUTE format('DROP TABLE %I.%I CASCADE', s, relation);
	INSERT INTO prop.dropped VALUES (s, relation, tab);
END$$;
CREATE TABLE prop.dropped (s text, relation text, tab oid);
CREATE FUNCTION prop.undrop(s text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	d record; again oid;
BEGIN
	FOR d IN DELETE FROM prop.dropped x WHERE x.s = undrop.s RETURNING * LOOP
		IF to_regclass(format('%I.%I', s, d.relation)) IS NOT NULL THEN CONTINUE; END IF;
		PERFORM medallion.undrop(format('%I.%I', s, d.relation));
		again := format('%I.%I', s, d.relation)::regclass;
		UPDATE prop.image i SET tab = again WHERE i.s = undrop.s AND i.tab = d.tab;
		UPDATE prop.copy i SET tab = again WHERE i.s = undrop.s AND i.tab = d.tab;
	END LOOP;
END$$;

-- Prunes up to some version; everything from what is said to be readable must be.
CREATE FUNCTION prop.try_prune(s text, relation text, n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	tab regclass := format('%I.%I', s, relation)::regclass;
	v bigint := prop.some_version(s, tab, n);
BEGIN
	IF v IS NULL THEN RETURN; END IF;
	PERFORM medallion.prune_history(tab, older_than => clock_timestamp() - (SELECT committed_at FROM medallion.commits WHERE version = v));
END$$;

-- Erases a key that the table has no more.
CREATE FUNCTION prop.try_forget(s text, relation text, n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	tab oid := format('%I.%I', s, relation)::regclass;
	keys text; key text; gone text[];
BEGIN
	IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = tab AND attnum > 0 AND (attisdropped OR atthasmissing)) THEN RETURN; END IF;
	EXECUTE format('SELECT %1$s FROM prop.image WHERE s = %2$L AND tab = %3$s EXCEPT SELECT %1$s FROM (SELECT %4$s AS image FROM %5$s) x ORDER BY 1 OFFSET %6$s LIMIT 1',
		prop.key_of(tab), s, tab, prop.image_of(tab, ''), tab::regclass, n % 5) INTO gone;
	IF gone IS NULL THEN RETURN; END IF;
	SELECT jsonb_object_agg(attname, gone[i]) INTO keys FROM pg_constraint c, unnest(conkey) WITH ORDINALITY k(num, i) JOIN pg_attribute a ON a.attnum = num
		WHERE conrelid = tab AND contype = 'p' AND attrelid = tab;
	PERFORM medallion.forget(tab::regclass, keys::jsonb);
	EXECUTE format('DELETE FROM prop.image WHERE s = %L AND tab = %s AND %s = %L', s, tab, prop.key_of(tab), gone);
	INSERT INTO prop.forgotten VALUES (s, tab);
END$$;
CREATE TABLE prop.forgotten (s text, tab oid);

-- Reads the change feed of a table from its first copy to its last one, in one or more pieces.
CREATE FUNCTION prop.read_feed(s text, tab oid, first bigint, last bigint, piece int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	start bigint := first;
BEGIN
	WHILE start <= last LOOP
		EXECUTE format('INSERT INTO prop.feed SELECT %L, %s, _commit_version, _change_type, %s FROM medallion.changes(NULL::%s, %s, %s)',
			s, tab, prop.image_of(tab, '(row_data).'), tab::regclass, start, least(start + piece - 1, last));
		start := start + piece;
	END LOOP;
END$$;

-- What is wrong with the feed between two copies: the images it adds and takes away must lead from one to the other.
CREATE FUNCTION prop.check_feed(s text, tab oid, before bigint, after bigint) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT format(''%%s feed from %%s to %%s: image %%s has %%s too many'', %3$s::regclass, %4$s, %5$s, left(image::text, 160), sum(n)) FROM (
			SELECT %1$s AS image, 1 AS n FROM prop.image WHERE s = %2$L AND tab = %3$s AND version = %4$s
			UNION ALL SELECT %1$s, -1 FROM prop.image WHERE s = %2$L AND tab = %3$s AND version = %5$s
			UNION ALL SELECT image, CASE WHEN kind IN (''insert'', ''update_postimage'') THEN 1 ELSE -1 END FROM prop.feed
				WHERE s = %2$L AND tab = %3$s AND version > %4$s AND version <= %5$s) x GROUP BY image HAVING sum(n) <> 0',
		prop.expected_of(tab), s, tab, before, after);
END$$;

-- What is wrong with the kinds: an update has two different images of one key, an insert and a delete have one.
CREATE FUNCTION prop.check_kinds(s text, tab oid) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT format(''%%s feed of version %%s: key %%s is %%s'', %2$s::regclass, version, key, string_agg(kind, '' '')) FROM (
			SELECT version, kind, image, %3$s AS key FROM prop.feed WHERE s = %1$L AND tab = %2$s) x
		GROUP BY version, key HAVING NOT (array_agg(kind ORDER BY kind) IN (ARRAY[''insert''], ARRAY[''delete''], ARRAY[''update_postimage'', ''update_preimage''])
			AND count(DISTINCT image) = count(*))', s, tab, prop.key_of(tab));
END$$;

-- history() counts what the feed has.
CREATE FUNCTION prop.check_counts(s text, tab oid, first bigint, last bigint) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('%s history of version %s says %s', tab::regclass, h.version, (inserted, updated, deleted))
	FROM medallion.history(tab::regclass) h LEFT JOIN (
		SELECT version, count(*) FILTER (WHERE kind = 'insert') AS i, count(*) FILTER (WHERE kind = 'update_postimage') AS u,
			count(*) FILTER (WHERE kind = 'delete') AS d FROM prop.feed f WHERE f.s = check_counts.s AND f.tab = check_counts.tab GROUP BY 1) f USING (version)
	WHERE h.version BETWEEN first AND last
	AND (inserted, updated, deleted) IS DISTINCT FROM (COALESCE(i, 0), COALESCE(u, 0), COALESCE(d, 0))$$;

-- Everything about one table.
CREATE FUNCTION prop.check_table(s text, t record, form int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	first bigint; last bigint; c record; before bigint; message text; readable bigint := prop.readable_from(t.tab); state text;
BEGIN
	FOR c IN SELECT version, row_number() OVER (ORDER BY version) AS n FROM prop.copy x WHERE x.s = check_table.s AND x.tab = t.tab ORDER BY version LOOP
		-- (what form 4 asks for is found by commits that may be pruned)
		message := prop.compare(s, t.tab, c.version, CASE WHEN c.version < readable THEN 0 ELSE (c.n + form) % 8 END::int);
		IF c.version < readable THEN
			IF COALESCE(message, '') !~ 'was not versioned at|was pruned' THEN
				RETURN NEXT format('%s version %s should be refused, readable from %s: %s', t.tab::regclass, c.version, readable, message);
			END IF;
			CONTINUE;
		ELSIF message IS NOT NULL THEN
			RETURN NEXT message;
		END IF;
		IF (c.n + form) % 3 = 0 THEN
			RETURN QUERY SELECT * FROM prop.check_shape(s, t.tab, c.version);
		END IF;
		IF EXISTS (SELECT FROM pg_class WHERE oid = t.tab AND relkind = 'p') AND (c.n + form) % 5 = 0 THEN
			RETURN QUERY SELECT * FROM prop.check_partitions(t.tab, c.version);
		END IF;
		first := COALESCE(first, c.version);
		last := c.version;
	END LOOP;
	IF last IS NULL OR last = first THEN RETURN; END IF;
	DELETE FROM prop.feed f WHERE f.s = check_table.s AND f.tab = t.tab;
	PERFORM prop.read_feed(s, t.tab, first + 1, last, CASE form % 3 WHEN 0 THEN 1000000 WHEN 1 THEN 3 ELSE 7 END);
	RETURN QUERY SELECT * FROM prop.check_kinds(s, t.tab);
	FOR c IN SELECT version FROM prop.copy x WHERE x.s = check_table.s AND x.tab = t.tab AND version >= first ORDER BY version LOOP
		IF before IS NOT NULL THEN
			RETURN QUERY SELECT * FROM prop.check_feed(s, t.tab, before, c.version);
		END IF;
		before := c.version;
	END LOOP;
	IF NOT t.shape_changed AND NOT EXISTS (SELECT FROM prop.forgotten f WHERE f.s = check_table.s AND f.tab = t.tab) THEN
		RETURN QUERY SELECT * FROM prop.check_counts(s, t.tab, first + 1, last);
	END IF;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, state = RETURNED_SQLSTATE;
	RETURN NEXT format('%s: error %s %s', t.tab::regclass, state, message);
END$$;

-- All tables; the last line tells what was compared.
CREATE FUNCTION prop.verify(s text, form int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	t record; n bigint; bad text;
BEGIN
	FOR t IN SELECT * FROM prop.tables(s) LOOP
		RETURN QUERY SELECT 'PROPFAIL ' || f FROM prop.check_table(s, t, form) f;
	END LOOP;
	-- What each commit brought and ended adds up to what is there.
	FOR t IN SELECT * FROM prop.tables(s) LOOP
		RETURN QUERY SELECT format('PROPFAIL reconcile %s: %s', t.tab::regclass, r) FROM medallion.reconcile(t.tab::regclass) r
			WHERE (r.inserted, r.updated, r.deleted) <> (0, 0, 0);
		RETURN QUERY SELECT format('PROPFAIL reconcile %s: from version %s on: %s', t.tab::regclass, first_version, reason)
			FROM medallion_history.lost_versions l WHERE l.table_id = t.table_id;
	END LOOP;
	RETURN QUERY SELECT format('PROPOK %s %s %s', count(DISTINCT version), count(*), (SELECT count(*) FROM prop.image i WHERE i.s = verify.s))
		FROM prop.copy c WHERE c.s = verify.s;
END$$;

CREATE FUNCTION prop.clean(s text) RETURNS void LANGUAGE plpgsql SET client_min_messages = error AS $$
DECLARE
	h text;
BEGIN
	DELETE FROM prop.image x WHERE x.s = clean.s;
	DELETE FROM prop.copy x WHERE x.s = clean.s;
	DELETE FROM prop.feed x WHERE x.s = clean.s;
	EXECUTE format('DROP SCHEMA IF EXISTS %I CASCADE', s);
	FOR h IN SELECT relname FROM pg_class WHERE relnamespace = 'medallion_history'::regnamespace AND relkind = 'r' AND relname LIKE s || '.%' LOOP
		EXECUTE format('DROP TABLE medallion_history.%I', h);
	END LOOP;
END$$;
