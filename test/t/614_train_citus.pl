# Citus: rows of a distributed table are trained on and evaluated as those of a plain one; states are made where the rows lie.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @nodes = map { PostgreSQL::Test::Cluster->new($_) } qw(coordinator worker_1 worker_2);
my ($coordinator, @workers) = @nodes;
$coordinator->init;
$coordinator->start;
plan skip_all => 'Citus is not installed'
	unless $coordinator->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'citus'});
$coordinator->stop;
$_->init for @workers;
for my $node (@nodes)
{
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'citus, medallion'\nlisten_addresses = '127.0.0.1'\nmax_prepared_transactions = 20\n"
		. "wal_level = logical\ncitus.node_conninfo = 'sslmode=disable'\n");
	$node->append_conf('pg_hba.conf', 'host all all 127.0.0.1/32 trust');
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION citus; CREATE EXTENSION medallion');
}
sub run { return $coordinator->safe_psql('postgres', $_[0]); }

run(sprintf "SELECT citus_set_coordinator_host('127.0.0.1', %d)", $coordinator->port);
run(sprintf "SELECT citus_add_node('127.0.0.1', %d)", $_->port) for @workers;
run(q{
	CREATE TABLE silver.plain (id int PRIMARY KEY, shop int, x float8, z float8, y float8, label text);
	SELECT setseed(0.5);
	INSERT INTO silver.plain SELECT i, i % 7, random(), random() * 3, 0, '' FROM generate_series(1, 2000) i;
	UPDATE silver.plain SET y = 1 + 2 * x - z + random() / 5, label = CASE WHEN x + random() > 1 THEN 'high' ELSE 'low' END;
	CREATE TABLE silver.spread (LIKE silver.plain);
	SELECT create_distributed_table('silver.spread', 'shop');
	INSERT INTO silver.spread SELECT * FROM silver.plain});
is(run('SELECT count(DISTINCT nodename || nodeport) FROM citus_shards'), '2', 'the rows lie on two servers');

my %trainings = (
	linear => q{target => 'y', exclude => '{id,label}'}, naive_bayes => q{target => 'label', exclude => '{id,y}'},
	logistic => q{target => 'label', exclude => '{id,y}'}, pca => q{target => NULL, exclude => '{id,label}'});
for my $algorithm (sort keys %trainings)
{
	for my $source ('silver.spread', 'SELECT * FROM silver.spread WHERE shop < 5')
	{
		(my $plain = $source) =~ s/spread/plain/;
		my @metrics = map { run("SELECT rows, (SELECT jsonb_object_agg(key, round(value::text::numeric, 9)) FROM jsonb_each(metrics) WHERE jsonb_typeof(value) = 'number')"
			. " FROM medallion.train('$algorithm', source => '$_', algorithm => '$algorithm', $trainings{$algorithm}, deploy => 'always')") } ($source, $plain);
		is($metrics[0], $metrics[1], "$algorithm learns the same of $source");
	}
}
my $evaluate = q{SELECT string_agg(metric || round(value::numeric, 12), ',' ORDER BY metric) FROM medallion.evaluate('logistic', 'silver.%s')};
is(run(sprintf $evaluate, 'spread'), run(sprintf $evaluate, 'plain'), 'evaluate');
is(run(q{SELECT rows FROM medallion.predict_batch('linear', 'silver.spread', 'gold.predicted', '{id}')}), '2000', 'predict_batch');

my $final = q{SELECT string_agg(label || feature || round(value::numeric, 10) || round(variance::numeric, 10), ',' ORDER BY label, feature) FROM
	(SELECT medallion.naive_bayes_merge(state) AS merged FROM (%s) s) m, medallion.naive_bayes_final(merged)};
my $here = run(sprintf $final, q{SELECT medallion.naive_bayes_state('gaussian', label, 1, x, z) AS state FROM silver.plain});
my $grouped = q{SELECT shop, medallion.naive_bayes_state('gaussian', label, 1, x, z) AS state FROM silver.spread GROUP BY shop};
is(run(sprintf $final, $grouped), $here, 'states of a GROUP BY with the distribution column');
like(run("EXPLAIN (VERBOSE, COSTS OFF) SELECT medallion.naive_bayes_merge(state) FROM ($grouped) s"), qr/Task.*HashAggregate/s, '… are made where the rows lie');
is(run(sprintf $final, q{SELECT result::bytea AS state FROM
	run_command_on_shards('silver.spread', $$SELECT medallion.naive_bayes_state('gaussian', label, 1, x, z) FROM %s$$) WHERE result <> ''}), $here, 'states of the shards');
done_testing();
