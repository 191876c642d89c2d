# Property: whatever happens to a table and its definition, medallion.as_of_json() of every version is the copy that was taken
# then, columns_as_of() the columns of then, and the feed folded over the first state is every later one.
# MEDALLION_PROPERTY_SCRIPTS: twenty times as many as there are random scripts (of 40 transactions each).
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;

my $scripts = int(($ENV{MEDALLION_PROPERTY_SCRIPTS} || 80) / 20) || 1;
my $first = $ENV{MEDALLION_PROPERTY_SEED} || 1;
my $setup = slurp_file("$FindBin::RealBin/shapes_script.sql");
my %tables = (
	plain => 'CREATE TABLE f.t (id bigint PRIMARY KEY, a int, b text)',
	partitioned => 'CREATE TABLE f.t (id bigint PRIMARY KEY, a int, b text) PARTITION BY RANGE (id);
		CREATE TABLE f.t1 PARTITION OF f.t FOR VALUES FROM (MINVALUE) TO (6); CREATE TABLE f.t2 PARTITION OF f.t DEFAULT',
);
my $node = PostgreSQL::Test::Cluster->new('shapes');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'medallion'\nfsync = off");
$node->start;
for my $seed ($first .. $first + $scripts - 1)
{
	for my $kind (sort keys %tables)
	{
		my $name = "${kind}_$seed";
		$node->safe_psql('postgres', "CREATE DATABASE $name");
		$node->safe_psql($name, "CREATE EXTENSION medallion; $setup; $tables{$kind};"
			. q{INSERT INTO f.t SELECT i, i, 'x' FROM generate_series(1, 5) i; SELECT medallion.enable_versioning('f.t');});
		$node->safe_psql($name, "SELECT setseed($seed / 1000.0); CALL f.snap(); CALL f.fuzz(40)");
		my ($versions, $rows, $columns, $bad, $folds) = split /\|/, $node->safe_psql($name, 'SELECT * FROM f.check()');
		cmp_ok($versions, '>', 10, "$name: $versions versions");
		is("$rows|$columns|$folds", '0|0|0', "$name: rows, columns and feed are those of then")
			or diag "version $bad\n" . $node->safe_psql($name, q{SELECT string_agg(sql || coalesce(' -- ' || err, ''), E'\n' ORDER BY n) FROM f.log});
		is($node->safe_psql($name, q{SELECT inserted + updated + deleted FROM medallion.reconcile('f.t')}), '0', "$name: reconciled") if $kind eq 'plain';
		$node->safe_psql('postgres', "DROP DATABASE $name");
	}
}
$node->stop;
done_testing();
