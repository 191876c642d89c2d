# Definitions that change while others write and read: every version reads as it did, in today's shape and in that of then;
# also after a dump and restore, and after the extension was dropped and made again.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('ddl');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'medallion'\nfsync = off\nmax_connections = 40");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION medallion;
	CREATE SCHEMA d;
	CREATE TABLE d.account (id int PRIMARY KEY, v int NOT NULL, note text);
	INSERT INTO d.account SELECT i, 0, 'start' FROM generate_series(1, 50) i;
	SELECT medallion.enable_versioning('d.account');
	CREATE TABLE d.answers (version bigint PRIMARY KEY, shape text, digest text);
});

# Transfers keep the sum; some rows come and go with an amount of nothing.
my $writer = $node->basedir . '/writer.sql';
append_to_file($writer, q{
\set x random(1, 50)
\set y random(1, 50)
\set a least(:x, :y)
\set b greatest(:x, :y)
\set n random(51, 200)
BEGIN;
UPDATE d.account SET v = v - 1, note = 'x' || :a WHERE id = :a;
UPDATE d.account SET v = v + 1 WHERE id = :b;
COMMIT;
INSERT INTO d.account (id, v) VALUES (:n, 0) ON CONFLICT (id) DO UPDATE SET note = 'again';
DELETE FROM d.account WHERE id = :n + 1 AND id > 50 AND v = 0;
});
# Readers look at one settled version in its own shape, and keep what they saw.
my $reader = $node->basedir . '/reader.sql';
append_to_file($reader, q{
INSERT INTO d.answers
SELECT c.version, (SELECT string_agg(column_name || ' ' || data_type, ', ') FROM medallion.columns_as_of('d.account', version => c.version)),
	(SELECT md5(string_agg(j::text, ' ' ORDER BY j->'id')) FROM medallion.as_of_json('d.account', version => c.version) j)
FROM (SELECT max(version) AS version FROM medallion.commits) c ON CONFLICT DO NOTHING;
\sleep 20 ms
});
my @changes = (
	'ALTER TABLE d.account ADD COLUMN extra int DEFAULT 5',
	'ALTER TABLE d.account ALTER COLUMN v TYPE bigint',
	'BEGIN; ALTER TABLE d.account RENAME COLUMN note TO remark; ALTER TABLE d.account RENAME COLUMN remark TO note; COMMIT',
	'ALTER TABLE d.account DROP COLUMN extra',
	'ALTER TABLE d.account ALTER COLUMN v TYPE numeric(20, 2)',
	'ALTER TABLE d.account ADD COLUMN extra text DEFAULT clock_timestamp()::text',
	'ALTER TABLE d.account ALTER COLUMN note TYPE varchar(100), DROP COLUMN extra, ADD COLUMN extra date DEFAULT current_date',
	'ALTER TABLE d.account DROP COLUMN extra; ALTER TABLE d.account ALTER COLUMN note TYPE text',
	'BEGIN; ALTER TABLE d.account DROP COLUMN note; SAVEPOINT s; ALTER TABLE d.account ADD COLUMN note int; ROLLBACK TO s; ROLLBACK',
	'DO $$ BEGIN ALTER TABLE d.account ADD COLUMN gone int DEFAULT 1; RAISE EXCEPTION $e$no$e$; EXCEPTION WHEN OTHERS THEN NULL; END $$',
	'ALTER TABLE d.account DROP CONSTRAINT account_pkey, ADD PRIMARY KEY (id)',
	'VACUUM FULL d.account',
	'CREATE INDEX CONCURRENTLY account_v ON d.account (v)',
	'DROP INDEX d.account_v',
	'ALTER TABLE d.account ALTER COLUMN v TYPE int',
);
my $seconds = $ENV{MEDALLION_CHECKER_SECONDS} || 8;
my ($write_err, $read_err, $write_out, $read_out) = ('', '', '', '');
my ($done, $failed) = (0, '');
# Longer where that was not enough to compare.
my $enough = q{SELECT (SELECT count(*) > 5 FROM d.answers) AND (SELECT count(*) > 200 FROM medallion.history('d.account'))};
for (1 .. 20)
{
	my $write = IPC::Run::start([ 'pgbench', '-n', '-f', $writer, '-c', 6, '-j', 2, '-R', 200, '-T', $seconds, '--max-tries=100', $node->connstr('postgres') ],
		'>', \my $out1, '2>', \my $err1);
	my $read = IPC::Run::start([ 'pgbench', '-n', '-f', $reader, '-c', 2, '-T', $seconds, $node->connstr('postgres') ], '>', \my $out2, '2>', \my $err2);
	my $until = time + $seconds - 1;
	while (time < $until)
	{
		for my $change (@changes)
		{
			my ($status, $out, $err) = $node->psql('postgres', $change);
			$failed .= "$change: $err\n" if $err =~ /ERROR/;
			$done++;
			select undef, undef, undef, 0.1;
		}
	}
	$write->finish;
	$read->finish;
	$write_out .= $out1;
	$write_err .= $err1;
	$read_out .= $out2;
	$read_err .= $err2;
	last if $node->safe_psql('postgres', $enough) eq 't';
}
unlike($write_out . $write_err, qr/ERROR|aborted/, 'writers ran through') or diag $write_err;
unlike($read_out . $read_err, qr/ERROR|aborted/, 'readers ran through') or diag $read_err;
is($failed, '', "$done changes of the definition were done");
note $write_out =~ /(number of transactions actually processed.*)/;

# Versions whose columns all can be shown today.
my $sums = q{SELECT count(*) FROM (SELECT version, (SELECT sum(v) FROM medallion.as_of(NULL::d.account, version => h.version)) AS sum,
	(SELECT count(*) FROM medallion.as_of(NULL::d.account, version => h.version) WHERE id <= 50) AS rows
	FROM (SELECT version FROM medallion.history('d.account') ORDER BY md5(version::text) LIMIT 300) h) s WHERE sum <> 0 OR rows <> 50};
is($node->safe_psql('postgres', $sums), '0', 'the sum is the same at every version');
my $answers = q{SELECT count(*), count(*) FILTER (WHERE shape IS DISTINCT FROM
		(SELECT string_agg(column_name || ' ' || data_type, ', ') FROM medallion.columns_as_of('d.account', version => a.version))
	OR digest IS DISTINCT FROM (SELECT md5(string_agg(j::text, ' ' ORDER BY j->'id')) FROM medallion.as_of_json('d.account', version => a.version) j))
	FROM d.answers a};
my ($asked, $changed) = split /\|/, $node->safe_psql('postgres', $answers);
cmp_ok($asked, '>', 5, "$asked versions were read while definitions changed");
is($changed, '0', 'and none of them reads otherwise in its own shape');

# The feed, folded over a state, is the later state.
my $fold = q{
	WITH bounds AS (SELECT (SELECT version FROM medallion.history('d.account') ORDER BY version OFFSET 100 LIMIT 1) AS a, max(version) AS b FROM medallion.history('d.account')),
	events AS (
		SELECT (p).id, a AS version, 'insert' AS kind, p AS image FROM bounds, LATERAL medallion.as_of(NULL::d.account, version => a) p
		UNION ALL SELECT (row_data).id, _commit_version, _change_type, row_data FROM bounds, LATERAL medallion.changes(NULL::d.account, a + 1, b)
		WHERE _change_type <> 'update_preimage'),
	folded AS (SELECT id, image FROM (SELECT DISTINCT ON (id) id, kind, image FROM events ORDER BY id, version DESC) last WHERE kind <> 'delete')
	SELECT (SELECT count(*) FROM folded f FULL JOIN d.account t ON t.id = f.id WHERE f.image IS DISTINCT FROM t)};
is($node->safe_psql('postgres', $fold), '0', 'the feed folded over a state is the present');
is($node->safe_psql('postgres', q{SELECT inserted + updated + deleted FROM medallion.reconcile('d.account')}), '0', 'nothing to reconcile');

# A table whose shapes are many, for what follows; one was dropped.
$node->safe_psql('postgres', q{
	CREATE TABLE d.t (id int PRIMARY KEY, a int, b text);
	SELECT medallion.enable_versioning('d.t');
	INSERT INTO d.t VALUES (1, 1, 'one'), (2, 2, 'two');
	ALTER TABLE d.t ADD COLUMN c int DEFAULT 9;
	UPDATE d.t SET c = 10 WHERE id = 1;
	ALTER TABLE d.t DROP COLUMN b;
	ALTER TABLE d.t ALTER COLUMN a TYPE text;
	ALTER TABLE d.t ADD COLUMN b int;
	ALTER TABLE d.t RENAME c TO e;
	UPDATE d.t SET b = 5 WHERE id = 2;
	CREATE TABLE d.dropped (id serial PRIMARY KEY, long text);
	SELECT medallion.enable_versioning('d.dropped');
	INSERT INTO d.dropped (long) SELECT string_agg(md5(i::text), '') FROM generate_series(1, 500) i;
	DROP TABLE d.dropped;
});
my $last = $node->safe_psql('postgres', 'SELECT max(version) FROM medallion.commits');
my $states = q{SELECT string_agg(v || ': ' || coalesce((SELECT string_agg(p::text, ' ' ORDER BY id) FROM medallion.as_of(NULL::d.t, version => v) p), '')
		|| ' ' || coalesce((SELECT string_agg(j::text, ' ' ORDER BY j->'id') FROM medallion.as_of_json('d.t', version => v) j), '')
		|| ' ' || (SELECT string_agg(column_name || ' ' || data_type, ', ') FROM medallion.columns_as_of('d.t', version => v)), E'\n')
	FROM (SELECT version AS v FROM medallion.history('d.t') WHERE version <= } . $last . q{ ORDER BY 1) h};
my $feed = q{SELECT _change_type, _commit_version, row_data FROM medallion.changes(NULL::d.t, (SELECT min(version) + 1 FROM medallion.history('d.t')), } . $last . ')';
my ($before, $changes) = map { $node->safe_psql('postgres', $_) } $states, $feed;
like($before, qr/"b": "one"/, 'the values of a dropped column are there in the shape of then');

# Through a dump.
my $dump = $node->basedir . '/ddl.dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE beside');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('beside'), $dump ], 'pg_restore');
$node->safe_psql('beside', 'SELECT medallion.adopt_history()');
is($node->safe_psql('beside', $states), $before, 'restored: every version reads as it did, in both shapes');
is($node->safe_psql('beside', $feed), $changes, 'restored: and so does the feed');
is($node->safe_psql('beside', $answers), "$asked|0", 'restored: and what readers saw');
$node->safe_psql('beside', q{
	ALTER TABLE d.t DROP COLUMN a;
	UPDATE d.t SET b = 6;
	ALTER TABLE d.t ADD COLUMN a date DEFAULT '2026-01-01'});
is($node->safe_psql('beside', q{SELECT string_agg(j::text, ' ' ORDER BY j->'id') FROM medallion.as_of_json('d.t', version => } . $last . ') j'),
	$node->safe_psql('postgres', q{SELECT string_agg(j::text, ' ' ORDER BY j->'id') FROM medallion.as_of_json('d.t', version => } . $last . ') j'),
	'restored: definitions go on changing');
is($node->safe_psql('beside', q{SELECT string_agg(operation || ' ' || inserted || ' ' || updated || ' ' || deleted, ', ' ORDER BY version)
	FROM medallion.history('d.t') WHERE version > } . $last), 'adopt 0 0 0, alter 0 0 0, update 0 2 0, alter 0 2 0', 'restored: and are counted');
is($node->safe_psql('beside', q{SELECT medallion.undrop('d.dropped'); SELECT id, length(long) FROM d.dropped}), "d.dropped\n1|16000",
	'restored: what was dropped before the dump can be made again');

# The extension is dropped and made again: the histories stay, with their shapes.
$node->safe_psql('postgres', 'DROP EXTENSION medallion CASCADE');
is($node->safe_psql('postgres', q{SELECT string_agg(column_name || ' ' || coalesce(history_column, '-'), ', ' ORDER BY column_id, phase)
	FROM medallion_history.table_columns JOIN medallion_history.versioned_tables USING (table_id) WHERE table_name = 't'}),
	'id id, a a__2_1, a a, b b__3_1, c e, e e, b b', 'dropped extension: the columns are still known');
$node->safe_psql('postgres', 'CREATE EXTENSION medallion');
is($node->safe_psql('postgres', q{SELECT medallion.undrop('d.dropped'); SELECT id, length(long) FROM d.dropped}), "d.dropped\n1|16000",
	'made again: dropped tables come back with their history');
$node->safe_psql('postgres', q{SELECT * FROM medallion.reconcile('d.t')});
is($node->safe_psql('postgres', $states), $before, 'made again and reconciled: every version reads as it did');
$node->safe_psql('postgres', q{ALTER TABLE d.t DROP COLUMN b});
is($node->safe_psql('postgres', q{SELECT string_agg(j::text, ' ' ORDER BY j->'id') FROM medallion.as_of_json('d.t', version => } . $last . ') j'),
	'{"a": "1", "b": null, "e": 10, "id": 1} {"a": "2", "b": 5, "e": 9, "id": 2}', 'and definitions are followed again');
$node->stop;
done_testing();
