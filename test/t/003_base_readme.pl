# The quick start of the README works when pasted, in a fresh database of a server with and without preloading, and
# prints what the README says.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use File::Basename;

my $readme = slurp_file(dirname(__FILE__) . '/../../README.md');
my ($section) = $readme =~ /^## Quick start\n(.*?)^## /ms;
ok(defined $section, 'the README has a quick start');
my ($sql) = $section =~ /^```sql\n(.*?)^```/ms;
my ($printed) = $section =~ /^```text\n(.*?)^```/ms;
ok(defined $sql && defined $printed, 'with statements, and what they print');

for my $preload ('medallion', '')
{
	my $node = PostgreSQL::Test::Cluster->new($preload ? 'preloaded' : 'plain');
	$node->init;
	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$preload'");
	$node->start;
	my ($out, $err) = ('', '');
	my $ran = IPC::Run::run(
		[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-h', $node->host, '-p', $node->port, '-d', 'postgres' ],
		'<', \$sql, '>', \$out, '2>', \$err);
	my $how = $preload ? 'in a server that preloads' : 'in a server that does not preload';
	ok($ran, "it runs $how") or diag($err);
	s/[ \t]+$//mg, s/\n+\z/\n/ for $out, $printed;
	is($out, $printed, "and prints what the README shows, $how");
	$node->stop;
}
done_testing();
