# Lineage can be read on a hot standby, as rows, OpenLineage and picture; what records tell is analysed there too.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->start;
$primary->safe_psql('postgres', q{
	CREATE EXTENSION medallion;
	CREATE TABLE bronze.event (customer int, at timestamptz, amount numeric);
	INSERT INTO bronze.event SELECT i % 9, timestamptz '2026-01-01' + i * interval '1 hour', i % 7 FROM generate_series(1, 100) i;
	SELECT medallion.define('silver.days', 'SELECT at::date AS day, sum(amount) AS total FROM bronze.event GROUP BY 1', '{day}');
	SELECT medallion.expect('silver.days', 'some', 'total > 0', 'quarantine');
	SELECT medallion.create_feature_view('activity', source => 'bronze.event', entity => '{customer}', at => 'at', features => '{"spent": {"agg": "sum", "column": "amount"}}');
	SELECT medallion.training_set('gold.training', spine => 'SELECT customer, at FROM bronze.event WHERE amount > 3', features => '{activity}');
	SELECT medallion.refresh()});
$primary->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);

is($standby->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'it is a standby');
for my $query (
	q{SELECT * FROM medallion.lineage('bronze.event', 'downstream')},
	q{SELECT * FROM medallion.column_lineage('gold.training')},
	q{SELECT * FROM medallion.query_lineage('SELECT max(total) FROM silver.days WHERE day > now()')},
	q{SELECT md5(medallion.lineage_svg(with_columns => true))},
	q{SELECT event - 'eventTime' FROM medallion.openlineage(namespace => 'postgres://one:5432')},
	q{SELECT event FROM medallion.openlineage_runs(namespace => 'postgres://one:5432')},
	q{SELECT * FROM medallion.extracts})
{
	my ($here, $there) = map { $_->safe_psql('postgres', $query) } ($primary, $standby);
	ok($here eq $there && ($here ne '' || $query =~ /extracts/), $query =~ s/.*(medallion\.\w+).*/$1/sr) or diag("$here\n---\n$there");
}
like($standby->safe_psql('postgres', q{SELECT string_agg(relation, ',') FROM medallion.lineage('gold.training')}), qr/activity.*bronze\.event|bronze\.event.*activity/, 'records and queries');
done_testing();
