# pg_partman looks after a versioned partitioned table: partitions are made, rows moved out of the default, old partitions
# dropped and detached.  Every version reads as the table was.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('partman');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'medallion'\nTimeZone = 'UTC'\n");
$node->start;
plan skip_all => 'pg_partman 4 is not installed'
	unless $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extension_versions WHERE name = 'pg_partman' AND version LIKE '4.%'});
my $sum = q{count(*) || md5(coalesce(string_agg(e::text, '' ORDER BY id), ''))};
$node->safe_psql('postgres', qq{
	CREATE EXTENSION medallion;
	CREATE SCHEMA partman;
	CREATE EXTENSION pg_partman SCHEMA partman;
	CREATE TABLE silver.events (id bigint, at timestamptz NOT NULL, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
	SELECT medallion.enable_versioning('silver.events');
	SELECT partman.create_parent('silver.events', 'at', 'native', 'daily', p_start_partition => (now() - interval '5 days')::text, p_jobmon => false);
	CREATE TABLE marks (version bigint, step text, sum text);
	CREATE FUNCTION mark(step text) RETURNS void LANGUAGE sql AS \$\$
		INSERT INTO marks SELECT (SELECT max(version) FROM medallion.commits), step, (SELECT $sum FROM silver.events e) \$\$});

my $maintain = q{SELECT partman.run_maintenance('silver.events', p_jobmon => false)};
my @steps = (
	[ 'insert', q{INSERT INTO silver.events SELECT i, now() - i * interval '3 hours', 'x' FROM generate_series(1, 30) i} ],
	[ 'into the default partition', q{INSERT INTO silver.events SELECT 100 + i, now() + interval '30 days' + i * interval '7 hours', 'default' FROM generate_series(1, 10) i} ],
	[ 'out of the default partition', q{CALL partman.partition_data_proc('silver.events', p_wait => 0, p_quiet => true)} ],
	[ 'maintenance', $maintain ],
	[ 'update', q{UPDATE silver.events SET v = 'y' WHERE id % 3 = 0} ],
	[ 'old partitions are dropped', qq{UPDATE partman.part_config SET retention = '2 days', retention_keep_table = false; $maintain} ],
	[ 'old partitions are detached', qq{UPDATE partman.part_config SET retention = '1 day', retention_keep_table = true; $maintain} ],
	[ 'insert again', q{INSERT INTO silver.events SELECT 200 + i, now() + i * interval '1 hour', 'z' FROM generate_series(1, 10) i} ]);
for my $step (@steps)
{
	$node->safe_psql('postgres', "SET client_min_messages = warning; $step->[1]");
	$node->safe_psql('postgres', "SELECT mark('$step->[0]')");
}
is($node->safe_psql('postgres', "SELECT sum = (SELECT $sum FROM medallion.as_of(NULL::silver.events, version => $_) e) FROM marks WHERE version = $_ LIMIT 1"), 't', "version $_")
	for split /\n/, $node->safe_psql('postgres', 'SELECT DISTINCT version FROM marks ORDER BY 1');
is($node->safe_psql('postgres', q{SELECT sum(inserted), sum(updated) FROM medallion.history('silver.events')}), '50|13', 'moving rows between partitions is no change');
is($node->safe_psql('postgres', q{SELECT sum(deleted) = 50 - (SELECT count(*) FROM silver.events),
	bool_or(operation = 'drop' AND deleted > 0), bool_or(operation = 'detach' AND deleted > 0) FROM medallion.history('silver.events')}), 't|t|t', 'what was dropped and detached');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_partition_tree('silver.events') p WHERE 4 <>
	(SELECT count(*) FROM pg_trigger WHERE tgrelid = p.relid AND tgname LIKE 'medallion_capture%' AND tgenabled = 'A')}), '0', 'all partitions are captured');
$node->stop;
done_testing();
