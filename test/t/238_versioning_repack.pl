# pg_repack swaps the file of a table for one whose rows were written anew: noticed, and reconciled.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('repack');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'medallion'\n");
$node->start;
my $program = $node->config_data('--bindir') . '/pg_repack';
plan skip_all => 'pg_repack is not installed'
	unless -x $program && $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_repack'});
$node->safe_psql('postgres', q{
	CREATE EXTENSION medallion;
	CREATE EXTENSION pg_repack;
	CREATE TABLE silver.t (id int PRIMARY KEY, v text);
	CREATE TABLE silver.full (id int PRIMARY KEY, v text);
	SELECT medallion.enable_versioning('silver.t');
	SELECT medallion.enable_versioning('silver.full');
	INSERT INTO silver.t SELECT i, 'first' FROM generate_series(1, 100) i;
	INSERT INTO silver.full TABLE silver.t;
	UPDATE silver.t SET v = 'second' WHERE id <= 50;
	DELETE FROM silver.t WHERE id > 90});
my $last = $node->safe_psql('postgres', 'SELECT max(version) FROM medallion.commits');
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
my $rows = q{SELECT count(*) || ' ' || count(*) FILTER (WHERE v = 'second') FROM medallion.as_of(NULL::silver.t, version => %s)};
is($node->safe_psql('postgres', sprintf $rows, $last), '90 50', 'before');
$node->command_ok([ $program, '-n', '-t', 'silver.t', '-d', 'postgres', '-h', $node->host, '-p', $node->port ], 'pg_repack');
my ($status, $out, $err) = $node->psql('postgres', sprintf $rows, $last);
like($err, qr/versioned table "silver.t" was changed behind the back of versioning\nDETAIL: .*(its rows were written anew|rows of unknown birth).*\nHINT:  SELECT \* FROM medallion.reconcile\('silver.t'\)/,
	'noticed, named');
is($node->safe_psql('postgres', q{SELECT count(*) FROM medallion.history('silver.t') WHERE readable}), '0', 'no version is listed as readable');
$node->wait_for_catchup($standby);
($status, $out, $err) = $standby->psql('postgres', sprintf $rows, $last);
like($err, qr/versioned table "silver.t" was changed behind the back of versioning/, 'on a standby as well');
ok($node->poll_query_until('postgres', q{SELECT bool_or(damaged) FROM medallion_history.table_state WHERE relation = 'silver.t'::regclass::oid::bigint}),
	'found in the background, so that nobody reads the table again for that');
($status, $out, $err) = $node->psql('postgres', sprintf $rows, $last);
like($err, qr/was changed behind the back of versioning\nDETAIL: .* rows of unknown birth were found or changed in it/, 'named as such then');
$node->safe_psql('postgres', q{UPDATE silver.t SET v = 'third' WHERE id = 1});
($status, $out, $err) = $node->psql('postgres', q{SELECT * FROM medallion.reconcile('silver.t')});
is($out, '0|90|0', 'reconciled: every row was written anew');
like($err, qr/WARNING:  versions of table "silver.t" from \d+ up to this reconciliation cannot be read any more/, 'what is lost is said');
my $new = $node->safe_psql('postgres', 'SELECT max(version) FROM medallion.commits');
is($node->safe_psql('postgres', sprintf $rows, $new), '90 49', 'from then on it is read');
is($node->safe_psql('postgres', q{SELECT string_agg(operation, ' ') FROM medallion.history('silver.t') WHERE readable}), 'enable reconcile', 'and listed');
$node->safe_psql('postgres', q{DELETE FROM silver.t WHERE id = 2});
is($node->safe_psql('postgres', sprintf $rows, $new), '90 49', 'and stays');
is($node->safe_psql('postgres', "SELECT _change_type || row_data FROM medallion.changes(NULL::silver.t, $new + 1)"), 'delete(2,second)', 'the feed goes on');

# A table that the server rewrote is read in the background as well.
$node->safe_psql('postgres', 'VACUUM FULL silver.full');
ok($node->poll_query_until('postgres', q{SELECT bool_or(s.filenode = c.relfilenode) FROM medallion_history.table_state s, pg_class c
	WHERE c.oid = 'silver.full'::regclass AND s.relation = c.oid::bigint}), 'a new file is noted');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', "SELECT count(*) FROM medallion.as_of(NULL::silver.full, version => $last)"), '100', 'the standby reads it');
$standby->stop;

# What the server does itself raises no alarm, in a session without the library too.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->restart;
for my $rewrite ('VACUUM FULL silver.full', 'CLUSTER silver.full USING full_pkey', 'VACUUM (FREEZE) silver.full',
	'ALTER TABLE silver.full SET TABLESPACE other', 'VACUUM FULL')
{
	$node->safe_psql('postgres', "SET allow_in_place_tablespaces = on; CREATE TABLESPACE other LOCATION ''") if $rewrite =~ /other/;
	$node->safe_psql('postgres', $rewrite);
	is($node->safe_psql('postgres', "SELECT count(*) FROM medallion.as_of(NULL::silver.full, version => $last)"), '100', "$rewrite raises no alarm");
}
$node->stop;
done_testing();
