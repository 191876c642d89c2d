# Feature views and the records of training sets go with a dump, and mean the same where they are restored.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('features');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE origin');
$node->safe_psql('origin', q{
	CREATE EXTENSION medallion;
	CREATE TABLE gold.filler (id int);			-- so that OIDs differ after the restore
	CREATE TABLE gold.event (id int PRIMARY KEY, customer int, at timestamptz, amount numeric, kind text);
	INSERT INTO gold.event SELECT g, g % 10, timestamptz '2026-01-01' + g * interval '1 hour', g, CASE WHEN g % 3 = 0 THEN 'web' END
		FROM generate_series(1, 1000) g;
	CREATE TABLE gold.gone (id int PRIMARY KEY, customer int, at timestamptz);
	DROP TABLE gold.filler;
	SELECT medallion.create_feature_view('activity', 'gold.event', '{customer}', 'at', delay => '1 hour', features => '{
		"web": {"agg": "count", "filter": "kind = ''web''", "window": "10 days"}, "spend": {"agg": "sum", "column": "amount"}}');
	SELECT medallion.create_feature_view('of_gone', 'gold.gone', '{customer}', 'at', '{"n": {"agg": "count"}}');
	SELECT medallion.training_set('gold.training', $$SELECT customer, timestamptz '2026-02-01' AS at FROM generate_series(0, 12) customer$$,
		'{activity}', keys => '{customer}');
	DROP TABLE gold.gone});
my $features = q{SELECT medallion.get_features('activity', '{"customer": 3}', '2026-01-20')};
my $lineage = q{SELECT direction, depth, relation, kind FROM medallion.lineage('gold.event', 'downstream') ORDER BY relation};
my $before = $node->safe_psql('origin', $features);

my $dump = $node->basedir . '/features.dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('origin') ], 'dumped');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('copy'), '--exit-on-error', $dump ], 'restored');

is($node->safe_psql('copy', 'SELECT name, source FROM medallion.feature_views ORDER BY name'), 'activity|gold.event',
	'the view is there, but for the one whose source was gone');
is($node->safe_psql('copy', $features), $before, 'and gives the same values');
is($node->safe_psql('copy', 'SELECT target, row_count FROM medallion.training_sets'), 'gold.training|13', 'the training set is known');
is($node->safe_psql('copy', $lineage), $node->safe_psql('origin', $lineage), 'and so is its lineage');
$node->safe_psql('copy', 'SELECT medallion.adopt_history()');
is($node->safe_psql('copy', q{
	SELECT medallion.training_set('gold.again', 'SELECT customer, at FROM gold.training', '{activity}');
	SELECT count(*) FROM (TABLE gold.training EXCEPT TABLE gold.again) x}), "(gold.again,13)\n0", 'made again, it is the same');
done_testing();
