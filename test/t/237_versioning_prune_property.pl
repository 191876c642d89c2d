# Random writes, savepoints, restores, erasures, tags and prunings: at every moment each version that is said to be readable
# reads as the tables were when it was the newest, less the keys that were forgotten, and each other one is refused.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('prune_property');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'medallion'\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION medallion');
$node->safe_psql('postgres', q{
CREATE TABLE silver.rnd (id int PRIMARY KEY, v int);
CREATE TABLE silver.rnd2 (id int PRIMARY KEY, v int);
SELECT medallion.enable_versioning('silver.rnd'), medallion.enable_versioning('silver.rnd2');
CREATE TABLE states (version bigint, tab text, rows text, forgotten int[] DEFAULT '{}');
CREATE PROCEDURE run(steps int) LANGUAGE plpgsql AS $$
DECLARE
	s int; r float; t text; k int; n int; target bigint; bad int := 0; checked int := 0; refused int := 0; st record; got text; v bigint; res record; what text; prunes int := 0; removed bigint := 0; blocked int := 0; restores int := 0; forgets int := 0; lo bigint;
BEGIN
	FOR s IN 1 .. steps LOOP
		r := random(); t := CASE WHEN random() < 0.5 THEN 'silver.rnd' ELSE 'silver.rnd2' END;
		IF r < 0.62 THEN
			FOR n IN 1 .. 1 + floor(random() * 3) LOOP
				k := 1 + floor(random() * 12);
				BEGIN
					CASE floor(random() * 4)::int
						WHEN 0 THEN EXECUTE format('INSERT INTO %s VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET v = excluded.v', t) USING k, s;
						WHEN 1 THEN EXECUTE format('UPDATE %s SET v = v + 1 WHERE id <= $1', t) USING k;
						WHEN 2 THEN EXECUTE format('DELETE FROM %s WHERE id = $1', t) USING k;
						ELSE EXECUTE format('UPDATE %s SET v = v WHERE id = $1', t) USING k; RAISE EXCEPTION 'undo';
					END CASE;
				EXCEPTION WHEN raise_exception THEN NULL;
				END;
			END LOOP;
		ELSIF r < 0.72 THEN
			SELECT version INTO target FROM states WHERE tab = t ORDER BY random() LIMIT 1;
			IF target IS NOT NULL THEN
				BEGIN
					EXECUTE format('SELECT * FROM medallion.restore(%L, $1)', t) INTO res USING target; restores := restores + 1;
				EXCEPTION WHEN invalid_parameter_value THEN NULL;
				END;
			END IF;
		ELSIF r < 0.77 THEN
			k := 1 + floor(random() * 12);
			EXECUTE format('DELETE FROM %s WHERE id = $1', t) USING k;
			EXECUTE format('SELECT * FROM medallion.forget(%L, jsonb_build_object(''id'', $1))', t) INTO res USING k;
			UPDATE states SET forgotten = forgotten || k WHERE tab = t; forgets := forgets + 1;
		ELSIF r < 0.80 THEN PERFORM medallion.tag('t' || s);
		ELSIF r < 0.84 THEN PERFORM medallion.untag(tag) FROM (SELECT tag FROM medallion.tags ORDER BY random() LIMIT 2) x;
		END IF;
		COMMIT;
		v := medallion._point('silver.rnd'::regclass, NULL, clock_timestamp());
		FOREACH t IN ARRAY '{silver.rnd,silver.rnd2}'::text[] LOOP
			EXECUTE format('SELECT coalesce(string_agg(id || ''='' || v, '' '' ORDER BY id), '''') FROM %s', t) INTO got;
			INSERT INTO states SELECT v, t, got WHERE NOT EXISTS (SELECT FROM states x WHERE x.version = v AND x.tab = t);
		END LOOP;
		COMMIT;
		IF random() < 0.12 THEN
			BEGIN
				SELECT coalesce(sum(rows_removed), 0) INTO target FROM medallion.prune_history(CASE WHEN random() < 0.5 THEN 'silver.rnd'::regclass END, make_interval(secs => random() * 0.3));
				prunes := prunes + 1; removed := removed + target;
			EXCEPTION WHEN object_in_use THEN blocked := blocked + 1;
			END;
			COMMIT;
		END IF;
		IF s % 25 = 0 OR s = steps THEN
			FOR st IN SELECT * FROM states LOOP
				SELECT readable_from INTO lo FROM medallion.history_sizes WHERE relation = st.tab;
				what := NULL;
				BEGIN
					EXECUTE format('SELECT coalesce(string_agg(id || ''='' || v, '' '' ORDER BY id), '''') FROM medallion.as_of(NULL::%s, version => $1)', st.tab) INTO got USING st.version;
				EXCEPTION WHEN invalid_parameter_value THEN what := sqlerrm;
				END;
				IF what IS NOT NULL THEN
					refused := refused + 1;
					IF st.version >= lo THEN bad := bad + 1; RAISE WARNING 'step %: % % refused: % (from %)', s, st.tab, st.version, what, lo; END IF;
				ELSE
					checked := checked + 1;
					IF got IS DISTINCT FROM (SELECT coalesce(string_agg(x, ' ' ORDER BY split_part(x, '=', 1)::int), '') FROM unnest(string_to_array(nullif(st.rows, ''), ' ')) x WHERE NOT split_part(x, '=', 1)::int = ANY (st.forgotten))
					THEN bad := bad + 1; RAISE WARNING 'step %: % %: % <> %', s, st.tab, st.version, got, st.rows; END IF;
					IF st.version < lo THEN bad := bad + 1; RAISE WARNING 'readable below horizon'; END IF;
				END IF;
			END LOOP;
			PERFORM medallion.reconcile('silver.rnd');
			SELECT count(*) INTO n FROM medallion.reconcile('silver.rnd2') x WHERE x.inserted + x.updated + x.deleted > 0;
			IF n > 0 THEN RAISE WARNING 'reconcile differs'; END IF;
			-- states that can never be read again need not be asked for ever
			DELETE FROM states WHERE ctid IN (SELECT s2.ctid FROM states s2, medallion.history_sizes h WHERE h.relation = s2.tab AND s2.version < h.readable_from AND random() < 0.9);
			COMMIT;
		END IF;
	END LOOP;
	RAISE NOTICE 'bad %, equal %, refused %, prunes % (% rows), blocked %, restores %, forgets %', bad, checked, refused, prunes, removed, blocked, restores, forgets;
END $$;
});
for my $seed (1 .. 3)
{
	my ($stdout, $stderr) = ('', '');
	$node->psql('postgres', "SELECT setseed(0.$seed); CALL run(500)", stdout => \$stdout, stderr => \$stderr);
	like($stderr, qr/bad 0, equal [1-9]\d{2,}, refused [1-9]/, "seed $seed: " . ($stderr =~ /(bad .*)/ ? $1 : $stderr));
	unlike($stderr, qr/WARNING|ERROR/, "seed $seed: nothing to warn of");
}
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM medallion_history.commit_log'), '<', 300, 'the log is short');

# A standby follows: what is pruned there is refused, what is not reads as it did, sizes can be seen, and nothing can be pruned.
$node->safe_psql('postgres', q{SELECT medallion.untag(tag) FROM medallion.tags});
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->safe_psql('postgres', q{UPDATE silver.rnd SET v = 0; INSERT INTO silver.rnd VALUES (100, 1)});
my $old = $node->safe_psql('postgres', q{SELECT medallion._point('silver.rnd'::regclass, NULL, clock_timestamp())});
$node->safe_psql('postgres', q{UPDATE silver.rnd SET v = 5});
my $new = $node->safe_psql('postgres', q{SELECT medallion._point('silver.rnd'::regclass, NULL, clock_timestamp())});
$standby->poll_query_until('postgres', "SELECT settled >= $new FROM medallion_history.commit_clock") or die 'not settled';
my $sum = "SELECT sum(v) FROM medallion.as_of(NULL::silver.rnd, version => %s)";
is($standby->safe_psql('postgres', sprintf($sum, $old)), '1', 'the standby reads an old version');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM medallion.history_sizes}), '3', 'and sees the sizes');
like($standby->safe_psql('postgres', q{SELECT rows_removed FROM medallion.prune_history('silver.rnd', '0 s', dry_run => true)}), qr/^[1-9]/, 'a dry run counts');
my ($stdout, $stderr) = ('', '');
for my $write (q{SELECT * FROM medallion.prune_history('silver.rnd', '0 s')}, q{SELECT medallion.tag('x')},
	"SELECT * FROM medallion.restore('silver.rnd', $old)", q{SELECT * FROM medallion.forget('silver.rnd', '{"id": 500}')})
{
	isnt($standby->psql('postgres', $write, stdout => \$stdout, stderr => \$stderr), 0, "not on a standby: $write");
	like($stderr, qr/recovery|read-only/, 'with a clear error');
}
$node->safe_psql('postgres', q{SELECT medallion.prune_history('silver.rnd', '0 s')});
$node->wait_for_catchup($standby);
$standby->psql('postgres', sprintf($sum, $old), stdout => \$stdout, stderr => \$stderr);
like($stderr, qr/was pruned/, 'pruned on the primary, refused on the standby');
like($standby->safe_psql('postgres', sprintf($sum, $new)), qr/^\d+$/, 'the horizon itself is read');
$standby->stop;
$node->stop;
done_testing();
