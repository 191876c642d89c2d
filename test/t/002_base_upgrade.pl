# Upgrading gives the same catalog as installing afresh: for every released version (sql/released), and for a made-up
# next one, so that the mechanism is tested before there is a release to upgrade from.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use File::Basename;
use File::Copy;

my $here = dirname(__FILE__);
my $share = $ENV{PGBIN} ? "$ENV{PGBIN}/pg_config" : 'pg_config';
chomp($share = `$share --sharedir`);
my $scripts = "$share/extension";
my ($current) = slurp_file("$scripts/medallion.control") =~ /^default_version\s*=\s*'(.*)'/m;
my @planted;

# Adds a script to the private installation; END takes it out again.
sub plant
{
	my ($name, $text) = @_;
	return if -e "$scripts/$name";
	append_to_file("$scripts/$name", $text);
	push @planted, "$scripts/$name";
}

END { unlink @planted; }

my $node = PostgreSQL::Test::Cluster->new('upgrade');
$node->init;
$node->start;
my $databases = 0;

# The catalog after these statements in a database of their own.
sub fingerprint
{
	my $database = 'd' . ++$databases;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, "SET client_min_messages = warning; $_") for @_;
	return $node->safe_psql($database, slurp_file("$here/catalog_fingerprint.sql"));
}

my $install = slurp_file("$scripts/medallion--$current.sql");
plant('medallion--next.sql', $install . "\nCREATE FUNCTION medallion.added() RETURNS int LANGUAGE SQL STABLE AS 'SELECT 1';\n");
plant("medallion--$current--next.sql", "CREATE OR REPLACE FUNCTION medallion.added() RETURNS int LANGUAGE SQL STABLE AS 'SELECT 1';\n");
plant('medallion--same.sql', $install);
plant("medallion--$current--same.sql", "-- nothing changed\n");
plant("medallion--$current--wrong.sql", "COMMENT ON FUNCTION medallion.version() IS 'another comment';\n");

my $fresh = fingerprint('CREATE EXTENSION medallion');
cmp_ok(scalar(split /\n/, $fresh), '>', 10, 'the fingerprint sees the extension');
is(fingerprint("CREATE EXTENSION medallion VERSION 'same'"), $fresh, 'the same script gives the same fingerprint');
is(fingerprint('CREATE EXTENSION medallion', "ALTER EXTENSION medallion UPDATE TO 'same'"), $fresh,
	"$current and an empty upgrade give what $current gives");
is(fingerprint('CREATE EXTENSION medallion', "ALTER EXTENSION medallion UPDATE TO 'next'"),
	fingerprint("CREATE EXTENSION medallion VERSION 'next'"), 'an upgrade that adds a function gives what a fresh install gives');
isnt(fingerprint('CREATE EXTENSION medallion', "ALTER EXTENSION medallion UPDATE TO 'wrong'"), $fresh,
	'an upgrade that differs in a comment is found out');

for my $released (glob "$here/../../sql/released/medallion--*.sql")
{
	my ($version) = $released =~ /medallion--(.*)\.sql$/;
	next if $version eq $current;
	plant("medallion--$version.sql", slurp_file($released));
	is(fingerprint("CREATE EXTENSION medallion VERSION '$version'", 'ALTER EXTENSION medallion UPDATE'), $fresh,
		"released $version upgrades to $current");
}
done_testing();
