# Warehouses elsewhere: derived tables that read foreign tables of a second server, and of a file; what was read is recorded
# and can be read again when the server has gone on, or is gone.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $warehouse = PostgreSQL::Test::Cluster->new('warehouse');
$warehouse->init;
$warehouse->start;
my $node = PostgreSQL::Test::Cluster->new('here');
$node->init;
$node->append_conf('postgresql.conf', "timezone = 'UTC'");
$node->start;

if ($node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name IN ('postgres_fdw', 'file_fdw')}) != 2)
{
	plan skip_all => 'postgres_fdw and file_fdw are not installed';
}

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub error { my (undef, undef, $err) = $node->psql('postgres', $_[0]); return $err }

$warehouse->safe_psql('postgres', q{
	CREATE DATABASE dwh});
$warehouse->safe_psql('dwh', q{
	CREATE SCHEMA crm;
	CREATE TABLE crm.customers (customer_id int PRIMARY KEY, name text, segment text);
	CREATE TABLE crm.orders (order_id int PRIMARY KEY, customer_id int, amount numeric, state text);
	INSERT INTO crm.customers SELECT i, 'customer ' || i, CASE i % 2 WHEN 0 THEN 'b' ELSE 'a' END FROM generate_series(1, 5) i;
	INSERT INTO crm.orders SELECT i, 1 + i % 5, i * 10, CASE WHEN i % 4 = 0 THEN 'void' ELSE 'paid' END FROM generate_series(1, 20) i;
	CREATE ROLE extractor LOGIN; GRANT USAGE ON SCHEMA crm TO extractor; GRANT SELECT ON crm.customers, crm.orders TO extractor});
my $file = PostgreSQL::Test::Utils::tempdir . '/segments.csv';
append_to_file($file, "segment,label\na,private\nb,business\n");
my ($host, $port) = ($warehouse->host, $warehouse->port);
sql(qq{
	CREATE EXTENSION medallion;
	CREATE EXTENSION postgres_fdw;
	CREATE EXTENSION file_fdw;
	CREATE ROLE engineer;
	GRANT ALL ON SCHEMA bronze, silver, gold TO engineer;
	CREATE SERVER dwh FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'dwh', use_remote_estimate 'true');
	CREATE USER MAPPING FOR engineer SERVER dwh OPTIONS (user 'extractor', password_required 'false');
	CREATE SCHEMA dwh AUTHORIZATION engineer;
	GRANT USAGE ON FOREIGN SERVER dwh TO engineer;
	CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
	CREATE FOREIGN TABLE bronze.segments (segment text, label text) SERVER files OPTIONS (filename '$file', format 'csv', header 'true');
	GRANT SELECT ON bronze.segments TO engineer;
	SET ROLE engineer;
	IMPORT FOREIGN SCHEMA crm FROM SERVER dwh INTO dwh;
	ALTER FOREIGN TABLE dwh.customers RENAME segment TO class;
	ALTER FOREIGN TABLE dwh.customers ALTER class OPTIONS (SET column_name 'segment');
	SELECT medallion.define('bronze.customers', 'SELECT customer_id, name, class FROM dwh.customers', '{customer_id}');
	SELECT medallion.define('bronze.sales', \$\$SELECT c.class, count(*) AS orders, sum(o.amount) AS amount
		FROM dwh.orders o JOIN dwh.customers c USING (customer_id) WHERE o.state <> 'void' GROUP BY c.class\$\$, '{class}');
	SELECT medallion.define('silver.segments', 'SELECT segment, label FROM bronze.segments', '{segment}');
	SELECT medallion.define('gold.labelled', 'SELECT s.class, l.label, s.amount FROM bronze.sales s JOIN silver.segments l ON l.segment = s.class', '{class}')});

# A superuser's refresh reads as the owner, with the owner's user mapping.
is(sql(q{SELECT target, mode, inserted FROM medallion.refresh(workers => 0)}),
	qq{bronze.customers|full|5\nbronze.sales|full|2\nsilver.segments|full|2\ngold.labelled|full|2}, 'all is read, in order');
is(sql('TABLE gold.labelled ORDER BY 1'), "a|private|980\nb|business|520", 'and right');
is(sql(q{SELECT target, "rows", inserted, regexp_replace(query, '\s+', ' ', 'g') FROM medallion.extracts ORDER BY target}),
	qq{bronze.customers|5|5| SELECT customers.customer_id, customers.name, customers.class FROM dwh.customers;\n}
	  . q{bronze.sales|2|2| SELECT c.class, count(*) AS orders, sum(o.amount) AS amount FROM (dwh.orders o JOIN dwh.customers c USING (customer_id)) WHERE (o.state <> 'void'::text) GROUP BY c.class;}
	  . qq{\nsilver.segments|2|2| SELECT segments.segment, segments.label FROM bronze.segments;},
	'each is recorded with its query; what reads no foreign table is not');
my $remote = sql(q{SELECT remote_sql FROM medallion.extracts WHERE target = 'bronze.sales'});
like($remote, qr/INNER JOIN crm\.customers.*GROUP BY/, 'with what the server was asked: it joins and groups');
is(sql(q{SELECT remote_sql = ARRAY[sources -> 0 -> 'options' ->> 'filename'] FROM medallion.extracts WHERE target = 'silver.segments'}), 't', 'of a file, its name');
is(sql(q{SELECT s ->> 'relation', s ->> 'server', s ->> 'wrapper', s -> 'options' ->> 'dbname', s -> 'options' ->> 'table_name'
	FROM medallion.extracts, jsonb_array_elements(sources) s WHERE target = 'bronze.sales'}),
	"dwh.customers|dwh|postgres_fdw|dwh|customers\ndwh.orders|dwh|postgres_fdw|dwh|orders", 'and where from');
unlike(sql('SELECT string_agg(sources::text, $$ $$) FROM medallion.extracts'), qr/password|extractor/, 'user mappings are not recorded');
is(sql(q{SELECT bool_and(read_at BETWEEN now() - interval '5 minutes' AND now()) AND min(version) > 0 AND count(DISTINCT version) = 1 AND bool_and(role_name = 'postgres') FROM medallion.extracts}),
	't', 'when, by whom, and the version, which is one for what was read in one transaction');

# The server goes on; what was read stays readable.
$warehouse->safe_psql('dwh', q{UPDATE crm.orders SET amount = amount + 1000 WHERE order_id = 1; DELETE FROM crm.customers WHERE customer_id = 5;
	INSERT INTO crm.customers VALUES (6, 'new', 'a')});
is(sql(q{SELECT target, mode, inserted, updated, deleted FROM medallion.refresh('gold.labelled')}),
	"bronze.sales|full|0|2|0\nsilver.segments|full|0|0|0\ngold.labelled|incremental|0|2|0", 'the next extract writes what differs, a mart follows it');
is(sql(q{SELECT e.extract_id = min(e.extract_id) OVER () AS first, e.version = max(e.version) OVER () AS newest, (SELECT sum(amount) FROM medallion.as_of(NULL::bronze.sales, version => e.version))
	FROM medallion.extracts e WHERE target = 'bronze.sales' ORDER BY extract_id}), "t|f|1500\nf|t|2080", 'each extract can be read by its version');
is(sql('SELECT sum(amount) FROM bronze.sales'), $warehouse->safe_psql('dwh', q{SELECT sum(amount) FROM crm.orders JOIN crm.customers USING (customer_id) WHERE state <> 'void'}), 'the table has the newest');
is(sql(q{SELECT updated, version = (SELECT max(version) FROM medallion.extracts) FROM medallion.extracts WHERE target = 'silver.segments' ORDER BY extract_id}), "0|f\n0|t",
	'one that found no difference has a version all the same');
is(sql(q{BEGIN; SELECT medallion.refresh('bronze.sales'); SELECT version IS NULL FROM medallion.extracts ORDER BY extract_id DESC LIMIT 1; ROLLBACK; SELECT count(*) FROM medallion.extracts WHERE target = 'bronze.sales'}) =~ s/.*\n//r,
	"t\n2", 'an extract that is rolled back was none');

# A tag keeps an extract whatever history is given up.
is(sql(q{SELECT medallion.tag('closing', version => (SELECT min(version) FROM medallion.extracts WHERE target = 'bronze.sales')) > 0;
	SELECT sum(amount) FROM medallion.as_of(NULL::bronze.sales, version => medallion.version_of('closing'))}), "t\n1500", 'an extract can be tagged');

# Lineage goes on to the other server, column by column.
is(sql(q{SELECT depth, relation, kind, via FROM medallion.lineage('gold.labelled')}) =~ s/files:file:.*segments\.csv/files:…/r,
	"1|bronze.sales|derived table|gold.labelled\n1|silver.segments|derived table|gold.labelled\n2|dwh.customers|foreign table|bronze.sales\n2|dwh.orders|foreign table|bronze.sales\n"
	  . "2|bronze.segments|foreign table|silver.segments\n3|dwh:crm.customers|remote table|dwh.customers\n3|dwh:crm.orders|remote table|dwh.orders\n3|files:…|files|bronze.segments",
	'lineage: servers and files');
is(sql(q{SELECT input, input_column, subtype FROM medallion.column_lineage('bronze.customers', column_name => 'class', indirect => false)}),
	"dwh.customers|class|IDENTITY\ndwh:crm.customers|segment|IDENTITY", 'columns by the names they have there');
is(sql(q{SELECT event #>> '{dataset,namespace}', event #>> '{dataset,name}' FROM medallion.openlineage('bronze.customers') WHERE event ? 'dataset'}),
	'postgres://' . ($host =~ m{^/} ? 'localhost' : $host) . ":$port|dwh.crm.customers", 'OpenLineage: the dataset is that of the other server');
like(sql(q{SELECT medallion.lineage_svg('gold.labelled')}), qr/remote tables<\/text>/, 'and has a lane');

# What goes wrong elsewhere changes nothing here.
$warehouse->safe_psql('dwh', 'ALTER TABLE crm.orders RENAME amount TO total');
like(error(q{SELECT medallion.refresh('bronze.sales')}), qr/column .*amount.* does not exist.*refresh of derived table "bronze\.sales"/s, 'a column that is gone there: an error that says whose');
$warehouse->safe_psql('dwh', 'ALTER TABLE crm.orders RENAME total TO amount; REVOKE SELECT ON crm.orders FROM extractor');
like(error(q{SELECT medallion.refresh('bronze.sales')}), qr/permission denied for table orders/, 'a right that is missing there');
$warehouse->safe_psql('dwh', 'GRANT SELECT ON crm.orders TO extractor; INSERT INTO crm.orders VALUES (21, 2, 5, $$paid$$)');
$warehouse->stop('fast');
like(error(q{SELECT medallion.refresh('bronze.sales')}), qr/could not connect to server "dwh"|terminating connection/, 'the server is gone');
is(sql('SELECT count(*) FROM medallion.extracts WHERE target = $$bronze.sales$$; SELECT sum(amount) FROM bronze.sales'), "2\n2080", 'table and records are as they were');
is(sql(q{SELECT e.version > 0, (SELECT sum(amount) FROM medallion.as_of(NULL::bronze.sales, version => e.version)) FROM medallion.extracts e WHERE target = 'bronze.sales' ORDER BY extract_id}),
	"t|1500\nt|2080", 'and all extracts readable');
$warehouse->start;
is(sql(q{SELECT mode, updated FROM medallion.refresh('bronze.sales')}), 'full|1', 'it is back');

# Rights, records that outlive their table, dump and restore.
sql('CREATE ROLE reader; GRANT USAGE ON SCHEMA bronze TO reader; GRANT SELECT ON bronze.customers TO reader');
is(sql('SET ROLE reader; SELECT DISTINCT target FROM medallion.extracts'), 'bronze.customers', 'a user sees extracts of the tables that user may read');
like(error('SET ROLE reader; SELECT * FROM medallion._extracts'), qr/permission denied/, 'and nothing below');
my $records = q{SELECT target, read_at, "rows", query, sources, remote_sql FROM medallion.extracts ORDER BY extract_id};
my $before = sql($records);
my $dump = PostgreSQL::Test::Utils::tempdir . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
sql('CREATE DATABASE again');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('again'), $dump ], 'pg_restore');
is($node->safe_psql('again', $records), $before, 'the records survive a dump');
sql('DROP TABLE gold.labelled; DROP TABLE bronze.sales');
is(sql(q{SELECT count(*) FROM medallion.extracts WHERE target = 'bronze.sales'; SET ROLE reader; SELECT count(*) FROM medallion.extracts WHERE target = 'bronze.sales'}),
	"3\n0", 'of a table that is gone only who read it sees the records');
done_testing();
