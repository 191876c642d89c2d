# Flows, what is known of their keys and what was set aside survive pg_dump and pg_restore; a crash in the middle of an application
# leaves all as it was.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ServerCrash;

my $node = PostgreSQL::Test::Cluster->new('dump');
$node->init;
$node->append_conf('postgresql.conf', 'restart_after_crash = on');
$node->start;
my $dir = PostgreSQL::Test::Utils::tempdir;

sub event { my ($op, $lsn, $id, $v) = @_; return $op eq 'd' ? qq{('{"op": "d", "before": {"id": $id}, "source": {"lsn": $lsn}}')} : qq{('{"op": "$op", "after": {"id": $id, "v": "$v"}, "source": {"lsn": $lsn}}')} }

$node->safe_psql('postgres', q{
	CREATE ROLE engineer;
	CREATE DATABASE source;
	CREATE DATABASE target});
$node->safe_psql('source', q{
	CREATE EXTENSION medallion;
	GRANT ALL ON SCHEMA bronze, silver, gold TO engineer;
	SET ROLE engineer;
	CREATE TABLE bronze.c (n bigserial PRIMARY KEY, payload jsonb);
	SELECT medallion.enable_versioning('bronze.c');
	CREATE TABLE silver."One Table" (id int PRIMARY KEY, v text);
	INSERT INTO bronze.c (payload) VALUES } . join(', ', event('c', 10, 1, 'a'), event('c', 11, 2, 'b'), event('u', 20, 1, 'aa'), event('d', 30, 2), event('c', 31, 'null', 'bad')) . q{;
	SELECT medallion.apply_changes('silver."One Table"', 'bronze.c', '{id}', format => 'debezium', on_invalid => 'quarantine');
	SELECT medallion.apply_changes('silver.two', 'bronze.c', '{id}', format => 'debezium', scd_type => 2, on_invalid => 'quarantine')});

my $records = q{
	SELECT target, source, format, scd_type, keys, columns, quarantine, state, owner, declaration FROM medallion.flows ORDER BY target;
	SELECT run_id, target, mode, events, inserted, updated, deleted, quarantined FROM medallion.flow_runs ORDER BY run_id;
	SELECT * FROM silver."One Table" ORDER BY id;
	SELECT * FROM silver.two ORDER BY id, "__START_AT";
	SELECT * FROM medallion_changes.flow_1 ORDER BY 1, 2;
	SELECT * FROM medallion_changes.flow_2 ORDER BY 1, 3;
	SELECT _event, _reason FROM silver."One Table_quarantine"};
my $before = $node->safe_psql('source', $records);
like($before, qr/NULL in key/, 'there is something to dump');

$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/all.dump", '-d', $node->connstr('source') ], 'pg_dump');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('target'), "$dir/all.dump" ], 'pg_restore into an empty database');
for my $database ('target', 'source')
{
	$node->command_ok([ 'pg_restore', '--clean', '--if-exists', '-d', $node->connstr($database), "$dir/all.dump" ], 'pg_restore --clean over the same')
	  if $database eq 'source';
	is($node->safe_psql($database, $records), $before, "$database: all is as it was");
	$node->safe_psql($database, 'SELECT medallion.adopt_history()');
	$node->safe_psql($database, 'INSERT INTO bronze.c (payload) VALUES ' . join(', ', event('u', 25, 2, 'late'), event('u', 40, 1, 'aaa'), event('c', 41, 3, 'c')));
	is($node->safe_psql($database, q{SELECT mode, inserted, updated, deleted, reason FROM medallion.apply_changes('silver."One Table"')}),
		'full|1|1|0|what was read before is not known', "$database: goes on, reading all once");
	is($node->safe_psql($database, q{SELECT mode, inserted, updated, deleted FROM medallion.apply_changes('silver.two')}), 'full|3|2|0', "$database: type 2 too");
	is($node->safe_psql($database, q{SELECT id, v FROM silver."One Table" ORDER BY id}), "1|aaa\n3|c", "$database: the deleted row stays deleted");
	is($node->safe_psql($database, q{SELECT * FROM silver.two WHERE id = 2 ORDER BY "__START_AT"}), "2|b|11|25\n2|late|25|30", "$database: versions in their places");
	is($node->safe_psql($database, q{SELECT mode, events, reason FROM medallion.apply_changes('silver."One Table"')}), 'incremental|0|new rows of bronze.c', "$database: then reads what is new");
	$node->safe_psql($database, q{DROP TABLE silver.two});
	is($node->safe_psql($database, q{SELECT count(*) FROM pg_class WHERE relnamespace = 'medallion_changes'::regnamespace AND relkind = 'r'}), '1', "$database: a state goes with its table");
}

# A crash in the middle: what was read, the table and what is known of it are as before, and the next application does it all.
my $session = $node->background_psql('target', on_error_stop => 0);
$session->query_safe(q{INSERT INTO bronze.c (payload) SELECT jsonb_build_object('op', 'c', 'after', jsonb_build_object('id', i, 'v', 'bulk'), 'source', jsonb_build_object('lsn', 1000 + i)) FROM generate_series(1, 2000) i});
my $pid = $session->query_safe('SELECT pg_backend_pid()');
$session->query_safe(q{BEGIN; SELECT 1 FROM medallion.apply_changes('silver."One Table"')});
kill_process($node, $pid) or die 'the session had ended';
eval { $session->quit };
is($node->safe_psql('target', q{SELECT count(*) FROM silver."One Table"}), '2', 'nothing of it is there');
is($node->safe_psql('target', q{SELECT mode, events, inserted, updated FROM medallion.apply_changes('silver."One Table"')}), 'incremental|2000|1998|2', 'the next one applies all');
is($node->safe_psql('target', q{SELECT events, inserted, updated FROM medallion.apply_changes('silver."One Table"', again => true)}) =~ /\|0\|0$/ ? 1 : 0, 1, 'and once more changes nothing');
$node->stop;
done_testing();
