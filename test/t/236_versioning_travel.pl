# Sessions that read the past: without preloading, by connection, on a standby, through pg_dump.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('travel');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$primary->start;
$primary->safe_psql('postgres', q{
	CREATE EXTENSION medallion;
	CREATE SCHEMA shop;
	CREATE TABLE shop.t (id int PRIMARY KEY, v int, w int GENERATED ALWAYS AS (v * 2) STORED);
	CREATE TABLE shop.u (id int PRIMARY KEY, t int REFERENCES shop.t, note text);
	CREATE TABLE shop.plain (id int);
	INSERT INTO shop.plain VALUES (1);
	SELECT medallion.enable_versioning('shop.t'), medallion.enable_versioning('shop.u');
	INSERT INTO shop.t SELECT i, i FROM generate_series(1, 10) i});
$primary->safe_psql('postgres', q{INSERT INTO shop.u SELECT i, i, 'note ' || i FROM generate_series(1, 5) i});
my $v = $primary->safe_psql('postgres', 'SELECT max(version) FROM medallion.commits');
my $time = $primary->safe_psql('postgres', 'SELECT clock_timestamp()');
my $then = $primary->safe_psql('postgres', 'SELECT string_agg(t::text, \' \' ORDER BY id) FROM shop.t t');
$primary->safe_psql('postgres', 'UPDATE shop.t SET v = 0 WHERE id < 4');
$primary->safe_psql('postgres', 'DELETE FROM shop.u WHERE id = 5; DELETE FROM shop.t WHERE id > 4 AND id <> 5');
my $question = q{SELECT string_agg(t::text, ' ' ORDER BY id) FROM shop.t t};
my $now = $primary->safe_psql('postgres', $question);
isnt($now, $then, 'the past differs');

# Without the library PostgreSQL takes any setting and does nothing; travel_to() loads it.
is($primary->safe_psql('postgres', "SET medallion.as_of = '$v'; $question"), $now, 'an unloaded library does not travel: documented');
is($primary->safe_psql('postgres', "SELECT medallion.travel_to(version => $v); $question"), "$v\n$then", 'travel_to() loads it and does');
is($primary->safe_psql('postgres', "SELECT medallion.travel_to(at => '$time'); $question"), "$v\n$then", 'by a time');
is($primary->safe_psql('postgres', "SET medallion.as_of = '$v'; LOAD 'medallion'; $question"), $then, 'a setting from before loading holds from then on');
my ($status, $out, $err) = $primary->psql('postgres', "SET medallion.as_of = '0'; LOAD 'medallion'; SHOW medallion.as_of");
like($err, qr/WARNING:  invalid value for parameter "medallion.as_of": "0"/, 'one that means nothing is told about');
($status, $out, $err) = $primary->psql('postgres', "SELECT medallion.travel_to(version => $v); INSERT INTO shop.plain VALUES (2)");
like($err, qr/cannot execute INSERT while the session reads the past/, 'writes are refused');

# By connection.
$primary->append_conf('postgresql.conf', "shared_preload_libraries = 'medallion'\nmax_worker_processes = 12");
$primary->restart;
{
	local $ENV{PGOPTIONS} = "-c medallion.as_of=$v";
	is($primary->safe_psql('postgres', $question), $then, 'PGOPTIONS with a version');
	$ENV{PGOPTIONS} = '-c medallion.as_of=' . ($time =~ s/ /\\ /r);
	is($primary->safe_psql('postgres', $question), $then, 'PGOPTIONS with a time');
	$ENV{PGOPTIONS} = '-c medallion.as_of=0';
	# (What is to be read from stdin might not find psql there any more.)
	IPC::Run::run([ 'psql', '-X', '-d', $primary->connstr('postgres'), '-c', $question ], '>', \$out, '2>', \$err);
	like($err, qr/invalid value for parameter "medallion.as_of": "0"/, 'PGOPTIONS with nothing that can be understood');
}
$primary->safe_psql('postgres', "ALTER DATABASE postgres SET medallion.as_of = '$v'");
is($primary->safe_psql('postgres', $question), $then, 'ALTER DATABASE … SET');
is($primary->safe_psql('postgres', "SET medallion.as_of = ''; $question"), $now, 'a session can leave');
ok($primary->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type LIKE 'medallion%'}), 'the scheduler runs meanwhile');
$primary->safe_psql('postgres', "SET medallion.as_of = ''; ALTER DATABASE postgres RESET medallion.as_of");

# A dump of the past is the tables as they were; the history itself has no past.
{
	local $ENV{PGOPTIONS} = "-c medallion.as_of=$v";
	my $dump = $primary->basedir . '/past.sql';
	command_fails_like([ 'pg_dump', '-f', $dump, '-d', $primary->connstr('postgres') ],
		qr/history cannot be dumped while the session reads the past.*HINT:  Dump the tables alone/s, 'a whole dump is refused');
	command_ok([ 'pg_dump', '-t', 'shop.t', '-t', 'shop.u', '-f', $dump, '-d', $primary->connstr('postgres') ], 'a dump of tables');
	my $text = slurp_file($dump);
	like($text, qr/COPY shop\.t \(id, v\) FROM stdin;\n(\d+\t\d+\n)*1\t1\n/, 'has the rows of then');
	command_ok([ 'pg_dump', '--inserts', '-t', 'shop.u', '-f', $dump, '-d', $primary->connstr('postgres') ], 'a dump as statements');
	like(slurp_file($dump), qr/INSERT INTO shop\.u VALUES \(5, 5, 'note 5'\)/, 'too');
	command_ok([ 'pg_dump', '-n', 'shop', '--no-owner', '-Fc', '-f', "$dump.c", '-d', $primary->connstr('postgres') ], 'a dump of a schema');
}
$primary->safe_psql('postgres', 'CREATE DATABASE copy');
$primary->command_ok([ 'pg_restore', '--section=pre-data', '--section=data', '-d', $primary->connstr('copy'), $primary->basedir . '/past.sql.c' ], 'restored');
is($primary->safe_psql('copy', $question), $then, 'it is the state of then');
is($primary->safe_psql('copy', 'SELECT count(*) FROM shop.u'), '5', 'of all tables');

# A standby.
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
is($standby->safe_psql('postgres', "SET medallion.as_of = '$v'; $question; SELECT count(*) FROM shop.t JOIN shop.u ON u.t = t.id"), "$then\n5", 'on a standby');
is($standby->safe_psql('postgres', "SET medallion.as_of = '$time'; $question; SELECT medallion.travel_version()"), "$then\n$v", 'by a time');
is($standby->safe_psql('postgres', "SELECT medallion.travel_to(version => $v); BEGIN ISOLATION LEVEL REPEATABLE READ; $question; COMMIT"), "$v\n$then", 'in REPEATABLE READ');
is($standby->safe_psql('postgres', "SET medallion.as_of = '$v'; SET force_parallel_mode = on; $question"), $then, 'with workers');
($status, $out, $err) = $standby->psql('postgres', "SET medallion.as_of = '2999-01-01'; $question");
like($err, qr/time .* is in the future/, 'no future');
($status, $out, $err) = $standby->psql('postgres', "SET medallion.as_of = '1000000'; $question");
like($err, qr/version 1000000 does not exist yet/, 'no version that does not exist');
my $later = $standby->safe_psql('postgres', q{SELECT now()});
($status, $out, $err) = $standby->psql('postgres', "SET medallion.as_of = 'now'; $question");
like($err, qr/is not settled on this standby yet/, 'a time past the horizon is refused');
($status, $out, $err) = $standby->psql('postgres', "SET medallion.as_of = '$v'; UPDATE shop.t SET v = 1");
like($err, qr/cannot execute UPDATE while the session reads the past/, 'no writes');
# Commits that the session did not ask for change nothing.
$primary->safe_psql('postgres', 'TRUNCATE shop.u; UPDATE shop.t SET v = -1; ALTER TABLE shop.t ADD x int; UPDATE shop.t SET x = 1');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
is($standby->safe_psql('postgres', "SET medallion.as_of = '$v'; SELECT string_agg((id, v, w)::text, ' ' ORDER BY id), count(x) FROM shop.t t; SELECT count(*) FROM shop.u"),
	"$then|0\n5", 'later commits do not change it');
$standby->stop;
$primary->stop;
done_testing();
