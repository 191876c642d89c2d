# Ingest beside other sessions, under kill and cancel, with large files, and with what a directory may hold.
use strict;
use warnings;
use IO::Compress::Gzip;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use ServerCrash;

my $node = PostgreSQL::Test::Cluster->new('lake');
$node->init;
$node->append_conf('postgresql.conf', "restart_after_crash = on\nmaintenance_work_mem = 8MB");
$node->start;
my $root = PostgreSQL::Test::Utils::tempdir_short;
my $outside = PostgreSQL::Test::Utils::tempdir_short;

sub put
{
	my ($name, $text) = @_;
	open(my $out, '>', $name) or die "$name: $!";
	print $out $text;
	close $out;
}

# A packed file of about as many rows of 60 bytes.
sub put_large
{
	my ($name, $rows) = @_;
	my $out = IO::Compress::Gzip->new($name, -Level => 1) or die "$name";
	print $out "id,name,amount,day\n";
	for (my $i = 0; $i < $rows; $i += 1000)
	{
		my $block = '';
		$block .= "$_,\"a name with, a comma $_\",$_.25,2024-01-31\n" for $i .. $i + 999;
		print $out $block;
	}
	close $out;
}

sub ingest { my ($target, $path, $more) = @_; $more //= ''; return "SELECT files, rows, rescued, skipped_files FROM medallion.ingest('$target', 'lake', '$path'$more)"; }

# Runs a statement that fails; returns its message.
sub failure
{
	my ($sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql);
	return $status == 0 ? "no error: $out" : $err;
}

mkdir "$root/$_" for qw(small large links odd);
put("$root/small/$_.csv", "id,name\n1,a$_\n2,b$_\n3,c$_\n") for 1 .. 5;
$node->safe_psql('postgres', "CREATE EXTENSION medallion;
	CREATE SERVER lake FOREIGN DATA WRAPPER medallion_lake OPTIONS (type 'file', root '$root')");

# ---- two sessions, the same files ----
for my $level ('READ COMMITTED', 'REPEATABLE READ')
{
	my $first = $node->background_psql('postgres');
	my $second = $node->background_psql('postgres');
	(my $table = lc "bronze.twice_$level") =~ s/ /_/;
	$second->query_safe("BEGIN ISOLATION LEVEL $level; SELECT count(*) FROM medallion.ingested_files;");
	$first->query_safe('BEGIN');
	is($first->query_safe(ingest($table, 'small/*.csv')), '5|15|0|0', "$level: the first session loads the files");
	$second->query_until(qr/started/, "\\echo started\n" . ingest($table, 'small/*.csv') . ";\n");
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND locktype = 'object'")
	  or die 'the second session does not wait';
	$first->query_safe('COMMIT');
	like($second->query('COMMIT'), qr/^0\|0\|0\|5$/m, "$level: the second waits, and finds them loaded");
	$first->quit;
	$second->quit;
	is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT (_source, _row)) FROM $table"), '15|15',
		"$level: each row is there once");
}
{
	my $first = $node->background_psql('postgres');
	my $second = $node->background_psql('postgres');
	$first->query_safe('BEGIN');
	$first->query_safe(ingest('bronze.undone', 'small/*.csv'));
	$second->query_until(qr/started/, "\\echo started\n" . ingest('bronze.undone', 'small/*.csv') . ";\n");
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND locktype = 'object'")
	  or die 'the second session does not wait';
	$first->query_safe('ROLLBACK');
	like($second->query('SELECT 1'), qr/^5\|15\|0\|0$/m, 'when the first session rolls back, the second loads them');
	$first->quit;
	$second->quit;
}
put("$root/pgbench.sql", ingest('bronze.many', 'small/*.csv') . ";\n" . ingest('bronze.many', 'small/[12].csv') . ";\n");
$node->command_ok([ 'pgbench', '-n', '-c', '6', '-j', '2', '-t', '5', '-f', "$root/pgbench.sql", '-d', 'postgres', '-p', $node->port, '-h', $node->host ],
	'six sessions at once, ten calls each');
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT (_source, _row)) FROM bronze.many"), '15|15', 'load each file once');

# ---- changed files ----
put("$root/small/1.csv", "id,name\n1,new\n");
like(failure(ingest('bronze.many', 'small/*.csv', q(, options => '{"on_change": "fail"}'))), qr/1.csv" has changed since it was loaded into "bronze.many"/,
	'on_change fail');
is($node->safe_psql('postgres', ingest('bronze.many', 'small/*.csv', q(, options => '{"on_change": "skip"}'))), '0|0|0|5', 'on_change skip');
is($node->safe_psql('postgres', ingest('bronze.many', 'small/*.csv')), '1|1|0|4', 'a changed file is loaded again');
is($node->safe_psql('postgres', "SELECT count(DISTINCT _batch), count(*) FROM bronze.many WHERE _source LIKE '%/1.csv'"), '2|4', 'as a new batch');
is($node->safe_psql('postgres', ingest('bronze.many', 'small/*.csv')), '0|0|0|5', 'once');

# A file that grows while it is read: a trigger makes it grow.
put_large("$root/odd/grows.csv.gz", 20_000);
$node->safe_psql('postgres', qq{
	CREATE TABLE bronze.grows (id bigint, _source text, _row bigint, _batch bigint, _ingested_at timestamptz, _rescued jsonb);
	CREATE FUNCTION grow() RETURNS trigger LANGUAGE plpgsql AS \$\$
	BEGIN
		IF new.id = 7 THEN COPY (SELECT 1) TO PROGRAM 'cat >> $root/odd/grows.csv.gz'; END IF;
		RETURN new;
	END \$\$;
	CREATE TRIGGER grow BEFORE INSERT ON bronze.grows FOR EACH ROW EXECUTE FUNCTION grow()});
like(failure(ingest('bronze.grows', 'odd/grows.csv.gz', q(, options => '{"schema_evolution": "rescue"}'))),
	qr/grows.csv.gz" (was changed while it was being read|is not a valid gzip file)/, 'a file that changes while it is read is refused');
is($node->safe_psql('postgres', 'SELECT count(*) FROM bronze.grows'), '0', 'and leaves nothing');

# ---- large files: memory is bounded, progress is seen, cancel and kill leave nothing ----
my $rows = 1_500_000;
put_large("$root/large/a.csv.gz", $rows);
{
	my $session = $node->background_psql('postgres');
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	my $peak = sub { slurp_file("/proc/$pid/status") =~ /RssAnon:\s+(\d+)/ ? $1 : die };
	$session->query_safe(ingest('bronze.warm', 'small/*.csv'));
	my $before = $peak->();
	$session->query_until(qr/started/, "\\echo started\n" . ingest('bronze.large', 'large/a.csv.gz') . ";\n");
	my ($highest, $seen) = (0, '');
	while (1)
	{
		my $line = $node->safe_psql('postgres', "SELECT object, phase, done > 0 AND done <= total FROM medallion.progress WHERE kind = 'ingest' AND pid = $pid");
		$seen = $line if $line =~ /loading\|t/;
		my $now = $peak->();
		$highest = $now if $now > $highest;
		last if $node->safe_psql('postgres', "SELECT state FROM pg_stat_activity WHERE pid = $pid") eq 'idle';
		usleep(20_000);
	}
	like($session->query('SELECT 1'), qr/^1\|$rows\|0\|0$/m, "$rows rows of one packed file");
	is($seen, 'bronze.large|loading|t', 'progress is seen from another session');
	cmp_ok($highest - $before, '<', 40_000, "memory grew by less than 40 MB (" . ($highest - $before) . " kB)");
	$session->quit;
}
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT _row), min(_row), max(_row), sum(id), count(_rescued) FROM bronze.large'),
	"$rows|$rows|1|$rows|" . ($rows * ($rows - 1) / 2) . '|0', 'every row is there');

my $start = time;
like(failure("SET statement_timeout = '500ms'; " . ingest('bronze.cancelled', 'large/a.csv.gz')), qr/canceling statement due to statement timeout/,
	'a load can be cancelled');
my $late = time - $start - 0.5;
diag(sprintf 'a cancelled load ended within %.2f s', $late);
cmp_ok($late, '<', 10, 'within a second, on a machine that has time for it');
is($node->safe_psql('postgres', "SELECT to_regclass('bronze.cancelled') IS NULL"), 't', 'and leaves no table');

{
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	$session->query_until(qr/started/, "\\echo started\n" . ingest('bronze.large', 'large/a.csv.gz', q(, options => '{"force": true}')) . ";\n");
	$node->poll_query_until('postgres', "SELECT done > 0 FROM medallion.progress WHERE kind = 'ingest' AND pid = $pid AND phase = 'loading'") or die 'it does not load';
	kill_process($node, $pid) or die 'the session had ended';
	eval { $session->quit };
	is($node->safe_psql('postgres', "SELECT (SELECT count(*) FROM bronze.large), (SELECT count(*) FROM medallion.ingested_files WHERE target = 'bronze.large'::regclass)"),
		"$rows|1", 'a backend killed at work leaves nothing');
	is($node->safe_psql('postgres', ingest('bronze.large', 'large/a.csv.gz')), '0|0|0|1', 'and the ledger is right');
}

# ---- what a directory may hold ----
put("$outside/secret.csv", "id\n1\n");
symlink("$root/small/2.csv", "$root/links/inside.csv") or die;
is($node->safe_psql('postgres', ingest('bronze.linked', 'links/*.csv')), '1|3|0|0', 'a link inside the root is followed');
symlink("$outside/secret.csv", "$root/links/outside.csv") or die;
like(failure(ingest('bronze.linked', 'links/*.csv')), qr/path "links\/outside.csv" leads out of the root of server "lake"/, 'one that leads out is not');
like(failure(ingest('bronze.linked', 'links/outside.csv')), qr/leads out of the root/, 'named or found');
unlink "$root/links/outside.csv";
symlink($outside, "$root/links/away") or die;
like(failure(ingest('bronze.linked', 'links/away/secret.csv')), qr/leads out of the root/, 'nor a directory that leads out');
like(failure(ingest('bronze.linked', 'links/*/*.csv')), qr/leads out of the root/, 'found by a pattern');
is($node->safe_psql('postgres', ingest('bronze.linked', '**/inside.csv')), '0|0|0|1', '** does not follow links to directories');
unlink "$root/links/away";
symlink("$root/links/loop.csv", "$root/links/loop.csv") or die;
like(failure(ingest('bronze.linked', 'links/loop.csv')), qr/could not open file "links\/loop.csv" of server "lake": Too many levels/, 'a loop of links');
unlink "$root/links/loop.csv";
symlink("$root/none.csv", "$root/links/broken.csv") or die;
like(failure(ingest('bronze.linked', 'links/*.csv')), qr/could not open file "links\/broken.csv" of server "lake": No such file/, 'a link to nothing');
unlink "$root/links/broken.csv";

mkdir "$root/odd/directory.csv";
system_or_bail('mkfifo', "$root/odd/pipe.csv");
put("$root/odd/file.csv", "id\n1\n");
is($node->safe_psql('postgres', ingest('bronze.odd', 'odd/*.csv')), '1|1|0|0', 'a pattern finds files only');
like(failure(ingest('bronze.odd', 'odd/pipe.csv')), qr/path "odd\/pipe.csv" of server "lake" is special, not a file/, 'a pipe is no file');
SKIP:
{
	skip 'root may read everything', 1 if $> == 0;
	chmod 0, "$root/odd/file.csv";
	like(failure(ingest('bronze.odd', 'odd/file.csv', q(, options => '{"force": true}'))), qr/could not open file "odd\/file.csv" of server "lake": Permission denied/, 'a file without permission');
	chmod 0644, "$root/odd/file.csv";
}
put("$root/odd/b\xff.csv", "id\n1\n");
like(failure(ingest('bronze.odd', 'odd/b*.csv')), qr/name of file "odd\/b\?.csv" of server "lake" is not valid in encoding "UTF8"/, 'a name that is no text');
unlink "$root/odd/b\xff.csv";

# ---- another server encoding ----
$node->safe_psql('postgres', "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
put("$root/odd/utf8.csv", "id,name\n1,J\xc3\xbcrgen\n2,\xe2\x82\xac\n3,\xff\n4,plain\n");
put("$root/odd/utf8.jsonl", qq({"id":1,"name":"J\xc3\xbcrgen"}\n{"id":2,"name":"\\u00fc"}\n{"id":3,"name":"a\\tb"}\n));
$node->safe_psql('latin', "CREATE EXTENSION medallion;
	CREATE SERVER lake FOREIGN DATA WRAPPER medallion_lake OPTIONS (type 'file', root '$root')");
is($node->safe_psql('latin', ingest('bronze.latin', 'odd/utf8.csv')), '1|4|2|0', 'files in UTF-8 into a database in LATIN1');
is($node->safe_psql('latin', q{SELECT string_agg(coalesce(encode(convert_to(name, 'UTF8'), 'escape'), _rescued ->> '_raw'), '/' ORDER BY _row) FROM bronze.latin}),
	'J\303\274rgen/2,\xe2\x82\xac/3,\xff/plain', 'what has no place there is rescued');
is($node->safe_psql('latin', ingest('bronze.latin_json', 'odd/utf8.jsonl', q(, format => 'jsonl'))), '1|3|1|0', 'JSON too');
is($node->safe_psql('latin', q{SELECT string_agg(coalesce(encode(convert_to(name, 'UTF8'), 'escape'), _rescued::text), '/' ORDER BY _row) FROM bronze.latin_json}),
	qq(J\\303\\274rgen/{"name": "\\"\\\\u00fc\\""}/a\tb), 'with its escapes');

# ---- dump and restore ----
$node->safe_psql('postgres', 'DROP TABLE bronze.large');
my $dump = "$outside/dump.sql";
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ], 'the database is dumped');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump ], 'and restored');
is($node->safe_psql('restored', ingest('bronze.many', 'small/*.csv')), '0|0|0|5', 'which files were loaded is known there too');
put("$root/small/6.csv", "id,name\n1,six\n");
$node->safe_psql('restored', 'SELECT medallion.adopt_history()');
is($node->safe_psql('restored', ingest('bronze.many', 'small/*.csv')), '1|1|0|5', 'and new ones are loaded');

$node->stop;
done_testing();
