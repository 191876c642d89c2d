# The examples of the learners' pages print what the pages say, their pictures are those that medallion.plot draws, and their
# tables have every parameter of every algorithm.  test/docs.pl does the work and says how pages are written; after
# a change that is meant `test/docs.pl update docs/PAGE.md` writes what is printed now.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @pages = map { "docs/$_.md" } qw(training states linear_models svm neighbors probabilistic calibration unsupervised metrics prediction);
my $node = PostgreSQL::Test::Cluster->new('docs');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;
local $ENV{PGHOST} = $node->host;
local $ENV{PGPORT} = $node->port;
for my $page (@pages)
{
	my ($out, $err) = ('', '');
	ok(IPC::Run::run([ 'test/docs.pl', 'check', $page ], '>', \$out, '2>', \$err), "$page shows what the server prints") or diag($out . $err);
}
my ($out, $err) = ('', '');
ok(IPC::Run::run([ 'test/docs.pl', 'parameters', @pages ], '>', \$out, '2>', \$err), 'every parameter of every algorithm is in a table') or diag($out . $err);
$node->stop;
done_testing();
