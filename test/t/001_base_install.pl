# The extension in a server that does not preload it: created, dropped and created again; what belongs to the user stays.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('plain');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->start;

is($node->safe_psql('postgres', 'SHOW shared_preload_libraries'), '', 'nothing is preloaded');
$node->safe_psql('postgres', q{
	CREATE SCHEMA bronze;
	CREATE TABLE bronze.kept AS SELECT 1 AS id;
	CREATE EXTENSION medallion});
is($node->safe_psql('postgres', 'SELECT medallion.version()'), '0.1', 'created beside a schema bronze that was there');
is($node->safe_psql('postgres', q{
	SELECT string_agg(nspname, ' ' ORDER BY nspname COLLATE "C") FROM pg_namespace
	WHERE nspname IN ('bronze', 'silver', 'gold', 'medallion_history')}),
	'bronze gold medallion_history silver', 'the layers exist');

$node->safe_psql('postgres', 'CREATE TABLE gold.kept AS SELECT 2 AS id; DROP EXTENSION medallion CASCADE');
is($node->safe_psql('postgres', 'SELECT b.id, g.id FROM bronze.kept b, gold.kept g'), '1|2',
	'tables in the layers outlive the extension');
is($node->safe_psql('postgres', q{
	SELECT (SELECT count(*) FROM pg_proc WHERE pronamespace = 'medallion'::regnamespace)
	     + (SELECT count(*) FROM pg_class WHERE relnamespace = 'medallion'::regnamespace)}), '0',
	'nothing of its own stays (the empty schema does: PostgreSQL keeps it)');
$node->safe_psql('postgres', 'CREATE EXTENSION medallion');
is($node->safe_psql('postgres', 'SELECT count(*) FROM gold.kept'), '1', 'created again, it adopts the layers');

my ($status, $out, $err) = $node->psql('postgres', 'SELECT medallion.version(); SET medallion.no_such_setting = 1');
isnt($status, 0, 'a misspelt setting is refused once the library is loaded');
like($err, qr/invalid configuration parameter name "medallion.no_such_setting"/, 'and named');
done_testing();
