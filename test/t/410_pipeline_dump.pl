# Definitions, rules, quarantine and the log survive pg_dump and pg_restore, into another database and over the same one.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('dump');
$node->init;
$node->start;
my $dir = PostgreSQL::Test::Utils::tempdir;

$node->safe_psql('postgres', q{
	CREATE ROLE engineer;
	CREATE DATABASE source;
	CREATE DATABASE target;
	CREATE DATABASE plain_target});
$node->safe_psql('source', q{
	CREATE EXTENSION medallion;
	GRANT ALL ON SCHEMA bronze, silver, gold TO engineer;
	SET ROLE engineer;
	CREATE TABLE bronze.f (id int, v int, raw text);
	INSERT INTO bronze.f VALUES (1, 1, '1'), (2, -2, '2'), (3, 3, 'three'), (4, 4, '4');
	BEGIN;
	SELECT medallion.define('silver.f', 'SELECT id, v, raw FROM bronze.f', '{id}', description => 'facts', target_lag => '1 hour');
	SELECT medallion.pause_refresh('silver.f');
	COMMIT;
	SELECT medallion.expect('silver.f', 'positive', 'v > 0', 'quarantine');
	SELECT medallion.expect('silver.f', 'number', 'raw::int > 0');
	CREATE VIEW silver.big AS SELECT * FROM silver.f WHERE v > 2;
	SELECT medallion.define('gold."Total Sum"', 'SELECT 1 AS one, sum(v) AS s FROM silver.big', '{one}', on_schema_change => 'append_columns');
	SELECT medallion.refresh();
	SELECT medallion.define('silver.gone', 'SELECT id FROM bronze.f', '{id}');
	SELECT medallion.refresh('silver.gone');
	DROP TABLE silver.gone});

my $records = q{
	SELECT t.target, t.keys, t.description, t.owner, t."rows", t.target_lag, t.on_schema_change, t.quarantine, t.definition, t.query, t.failing_rules
	FROM medallion.tables t ORDER BY t.target;
	SELECT target, owner, target_lag, state FROM medallion.schedules;
	SELECT target, name, rule, on_violation, null_ok FROM medallion.expectations ORDER BY target, name;
	SELECT refresh_id, target, mode, reason, "rows", inserted, updated, deleted, dropped, quarantined FROM medallion.refreshes ORDER BY refresh_id;
	SELECT refresh_id, target, name, passed, failed, raised, failing_keys, first_error FROM medallion.expectation_results ORDER BY refresh_id, name;
	SELECT id, v, raw, _reasons, _refresh_id, _quarantine_id FROM silver.f_quarantine;
	SELECT direction, depth, relation, kind, via FROM medallion.lineage('gold."Total Sum"')};
my $before = $node->safe_psql('source', $records);
like($before, qr/silver\.f_quarantine/, 'there is something to dump');

sub same_and_alive
{
	my ($database, $how) = @_;
	is($node->safe_psql($database, $records), $before, "$how: all records are as they were");
	$node->safe_psql($database, 'SELECT medallion.adopt_history()');
	is($node->safe_psql($database, 'SELECT target, inserted, updated, deleted, rejected FROM medallion.refresh()'),
		qq{silver.f|0|0|0|1\ngold."Total Sum"|0|0|0|0}, "$how: a refresh finds nothing to do");
	$node->safe_psql($database, q{UPDATE bronze.f SET v = 20 WHERE id = 2; INSERT INTO bronze.f VALUES (5, -5, 'five')});
	is($node->safe_psql($database, 'SELECT target, inserted, updated, rejected FROM medallion.refresh()'),
		qq{silver.f|1|0|1\ngold."Total Sum"|0|1|0}, "$how: and goes on from there");
	my ($status, undef, $err) = $node->psql($database, 'DROP TABLE bronze.f');
	like($err, qr/other objects depend on it/, "$how: sources are protected");
	$node->safe_psql($database, q{SELECT medallion.undefine('gold."Total Sum"'); DROP VIEW silver.big; DROP TABLE silver.f});
	is($node->safe_psql($database, q{SELECT count(*) FROM pg_class WHERE relnamespace = 'medallion_definitions'::regnamespace}),
		'0', "$how: dropping a table takes its definition along");
}

command_ok([ 'pg_dump', '-Fc', '-f', "$dir/source.dump", $node->connstr('source') ], 'pg_dump');
command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('target'), "$dir/source.dump" ], 'pg_restore into an empty database');
same_and_alive('target', 'restored');

command_ok([ 'pg_dump', '-Fp', '-f', "$dir/source.sql", $node->connstr('source') ], 'pg_dump as SQL');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/source.sql", $node->connstr('plain_target') ], 'run by psql');
same_and_alive('plain_target', 'from SQL');

command_ok([ 'pg_restore', '--exit-on-error', '--clean', '--if-exists', '-d', $node->connstr('source'), "$dir/source.dump" ],
	'pg_restore --clean over the database itself');
same_and_alive('source', 'cleaned and restored');

# The extension dropped and created again: tables and definitions stay, and tables can be taken up again.
$node->safe_psql('postgres', q{
	CREATE DATABASE again});
$node->safe_psql('again', q{
	CREATE EXTENSION medallion;
	CREATE TABLE bronze.f (id int PRIMARY KEY, v int);
	INSERT INTO bronze.f VALUES (1, 1), (2, -2);
	SELECT medallion.define('silver.f', 'SELECT id, v FROM bronze.f', '{id}');
	SELECT medallion.expect('silver.f', 'positive', 'v > 0', 'quarantine');
	SELECT medallion.refresh();
	DROP EXTENSION medallion CASCADE});
is($node->safe_psql('again', 'SELECT (SELECT count(*) FROM silver.f), (SELECT count(*) FROM silver.f_quarantine), (SELECT count(*) FROM medallion_definitions."silver.f")'),
	'1|1|2', 'table, quarantine and definition outlive the extension');
$node->safe_psql('again', q{
	CREATE EXTENSION medallion;
	SELECT medallion.define('silver.f', 'SELECT id, v FROM bronze.f', '{id}', adopt => true);
	SELECT medallion.expect('silver.f', 'positive', 'v > 0', 'quarantine')});
is($node->safe_psql('again', 'SELECT inserted, updated, deleted, rejected FROM medallion.refresh()'), '0|0|0|1', 'taken up again, nothing is written twice');
is($node->safe_psql('again', q{SELECT count(*) FROM pg_class WHERE relnamespace = 'medallion_definitions'::regnamespace}), '1', 'the old definition made room');
done_testing();
