# A standby: settled versions are answered as on the primary, later ones refused; after promotion versions go on.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "shared_preload_libraries = 'medallion'\nmax_worker_processes = 12");
$primary->start;
$primary->safe_psql('postgres', q{
	CREATE EXTENSION medallion;
	CREATE TABLE t (id int PRIMARY KEY, v int);
	INSERT INTO t SELECT i, i FROM generate_series(1, 10) i;
	SELECT medallion.enable_versioning('t')});
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
my $v = $primary->safe_psql('postgres', 'SELECT version FROM medallion_history.commit_clock');
$primary->safe_psql('postgres', "UPDATE t SET v = v + 100 WHERE id = $_") for 1 .. 5;
$primary->safe_psql('postgres', 'DELETE FROM t WHERE id = 6');
my $time = $primary->safe_psql('postgres', 'SELECT clock_timestamp()');
my $last = $v + 6;

sub past { return "SELECT count(*), sum(v) FROM medallion.as_of(NULL::t, version => $_[0])" }
sub caught_up { $primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert')) }

# Asking on the primary settles the version and publishes that.
my @expected = map { $primary->safe_psql('postgres', past($_)) } $v .. $last;
caught_up();
is($standby->safe_psql('postgres', past($v + $_)), $expected[$_], "version start + $_ as on the primary") for 0 .. 6;
is($standby->safe_psql('postgres', "SELECT settled >= $last FROM medallion_history.commit_clock"), 't', 'the horizon has come with the log');
is($primary->safe_psql('postgres', "SELECT count(*) FROM medallion.as_of(NULL::t, at => '$time')"), '9', 'a time on the primary');
caught_up();
is($standby->safe_psql('postgres', "SELECT count(*) FROM medallion.as_of(NULL::t, at => '$time')"), '9', 'the same on the standby');
is($standby->safe_psql('postgres', "SELECT count(*) FROM medallion.changes(NULL::t, $v + 1, $last)"), '11', 'the change feed');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM medallion.history('t')}), '7', 'the history');
my ($status, $out, $err) = $standby->psql('postgres', past($last + 1));
like($err, qr/version \d+ does not exist yet/, 'a future version');
($status, $out, $err) = $standby->psql('postgres', q{SELECT count(*) FROM medallion.as_of(NULL::t, at => clock_timestamp())});
like($err, qr/time .* is not settled on this standby yet\nDETAIL:  Times up to .* are\.\nHINT:/, 'a time past the horizon');

# One more commit, that nobody has asked for yet: its row is there, but its version is not settled.
$primary->safe_psql('postgres', 'INSERT INTO t VALUES (100, 100)');
caught_up();
is($standby->safe_psql('postgres', 'SELECT count(*) FROM t WHERE id = 100'), '1', 'a row of a commit that is not settled is there');
($status, $out, $err) = $standby->psql('postgres', past($last + 1));
like($out . $err, qr/\A(10\|.*|.*version \d+ is not settled on this standby yet\nDETAIL:  Versions up to \d+ are\.\nHINT:.*)\Z/s,
	'its version is refused, or settled');
is($standby->safe_psql('postgres', past($last)), $expected[6], 'the version before does not have it');

# A long transaction on the primary, older than what commits meanwhile, with savepoints.
my $long = $primary->background_psql('postgres');
$long->query_safe('BEGIN; UPDATE t SET v = -1 WHERE id = 7; SAVEPOINT s; UPDATE t SET v = -2 WHERE id = 8');
$primary->safe_psql('postgres', 'UPDATE t SET v = 1000 WHERE id = 10');
my $between = $primary->safe_psql('postgres', past($last + 2));
caught_up();
is($standby->safe_psql('postgres', past($last + 2)), $between, 'a version while an older transaction runs');
$long->query_safe('SAVEPOINT s2; UPDATE t SET v = -3 WHERE id = 9; COMMIT');
$long->quit;
is($primary->safe_psql('postgres', past($last + 2)), $between, 'on the primary it stays');
my $after = $primary->safe_psql('postgres', past($last + 3));
caught_up();
is($standby->safe_psql('postgres', past($last + 2)), $between, 'on the standby it stays after that one has ended');
is($standby->safe_psql('postgres', past($last + 3)), $after, 'and the next version has what it did');
isnt($between, $after, 'which is something');

$primary->stop('fast');
$standby->promote;
is($standby->safe_psql('postgres', past($v + $_)), $expected[$_], "after promotion version start + $_ is what it was") for 0, 3, 6;
is($standby->safe_psql('postgres', past($last + 2)), $between, 'and the one in between');
$standby->safe_psql('postgres', 'UPDATE t SET v = 0');
is($standby->safe_psql('postgres', 'SELECT max(version) FROM medallion.commits'), $last + 4, 'numbers go on');
is($standby->safe_psql('postgres', past($last + 4)), '10|0', 'with a new version');
is($standby->safe_psql('postgres', past($last + 3)), $after, 'and the old one');
is($standby->safe_psql('postgres', 'SELECT sum(v) FROM medallion.as_of(NULL::t, at => clock_timestamp())'), '0', 'times are settled by waiting again');
$standby->stop;
done_testing();
