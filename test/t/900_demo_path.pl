# The walk-through of docs/demo on a small part of its data; and what is left of it when the extension is dropped: every
# table of bronze, silver and gold, and every past state, readable and writable.
use strict;
use warnings;
use File::Spec;
use IO::Uncompress::Gunzip qw(gunzip $GunzipError);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# A lake with every 15th flight, and all the rest.
my $lake = File::Spec->rel2abs(PostgreSQL::Test::Utils::tempdir());
mkdir "$lake/$_" or die for qw(flights weather corrections);
for my $file (glob 'docs/demo/data/*.csv.gz docs/demo/data/weather/*.gz docs/demo/data/corrections/*')
{
	(my $name = $file) =~ s{^docs/demo/data/}{};
	system('cp', $file, "$lake/$name") == 0 or die;
}
for my $file (glob 'docs/demo/data/flights/*.csv.gz')
{
	my $text;
	gunzip($file => \$text) or die $GunzipError;
	my ($header, @rows) = split /\n/, $text;
	my ($month) = $file =~ /2013-(\d\d)/;
	open my $out, '|-', "gzip -9n > $lake/flights/2013-$month.csv.gz" or die;
	print $out join("\n", $header, @rows[ grep { $_ % 15 == 0 } 0 .. $#rows ]), "\n";
	close $out or die;
}

my $node = PostgreSQL::Test::Cluster->new('demo');
$node->init;
$node->append_conf('postgresql.conf', 'jit = off');
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE demo');
my $shown = '';
for my $script (sort glob 'docs/demo/[0-9]*.sql')
{
	my ($out, $err);
	my $ok = run_log([ 'psql', '-XqP', 'footer=off', '-v', 'ON_ERROR_STOP=1', '-v', "data=$lake", '-d', $node->connstr('demo'), '-f', $script ],
		'>', \$out, '2>', \$err);
	ok($ok, $script) or diag($err);
	is($err, '', "$script says nothing on the side");
	$shown .= $out // '';
}
like($shown, qr/possible_wind\s*\|\s*quarantine\s*\|\s*13013\s*\|\s*1\b/, 'the impossible wind is caught');
like($shown, qr/December\s*\|\s*\d+\s*\|[^\n]*\|\s*0\.[67]\d+\s*\|\s*0\.\d+/, 'December is scored');
like($shown, qr/July\s*\|\s*temperature\s*\|.*\|\s*t\n/, 'summer is noticed');

# What the last script proposes works.
my @proposed = $shown =~ /^  ((?:SELECT|LISTEN) .*;)/mg;
cmp_ok(scalar(@proposed), '>=', 5, 'it proposes what to try next');
for my $statement (@proposed)
{
	my ($status, $out, $err) = $node->psql('demo', $statement, on_error_stop => 1);
	is($status, 0, $statement) or diag($err);
}

# A fingerprint of every table in the schemas that belong to the user.
my $tables = q{SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname IN ('bronze', 'silver', 'gold', 'medallion_history') AND c.relkind = 'r'
	AND c.relname <> 'commit_clock' ORDER BY 1};			# a clock moves on
sub fingerprint
{
	return { map { $_ => $node->safe_psql('demo', "SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM $_ t") }
		split /\n/, $node->safe_psql('demo', $tables) };
}
# What the scheduler does meanwhile is not what dropping does.
$node->append_conf('postgresql.conf', 'medallion.scheduler = off');
$node->reload;
$node->poll_query_until('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type IN ('medallion scheduler', 'medallion task')}, '0');
my $before = fingerprint();
cmp_ok(scalar(grep { /^medallion_history/ } keys %$before), '>', 8, 'there are histories');
isnt($before->{'medallion_history."silver.flights"'} // '', '', 'of silver.flights too');

$node->safe_psql('demo', 'SET client_min_messages = error; DROP EXTENSION medallion CASCADE');
is_deeply(fingerprint(), $before, 'DROP EXTENSION CASCADE leaves every table and every history as it was');
$node->safe_psql('demo', q{
	INSERT INTO bronze.airlines SELECT * FROM bronze.airlines WHERE false;
	UPDATE gold.flights SET late = late WHERE carrier = 'OO';
	DELETE FROM gold.delay_scores WHERE carrier = 'OO'});
pass('and they are ordinary tables');
done_testing();
