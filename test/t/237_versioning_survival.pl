# What a database goes through as a whole: base backup, recovery to a point in time, pg_upgrade, a copy by TEMPLATE, a new
# name, dumps in all formats.  Every version reads as it did, the change feed says the same, and versions go on.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $preload = "shared_preload_libraries = 'medallion'\n";
my $source = PostgreSQL::Test::Cluster->new('source');
$source->init(allows_streaming => 1, has_archiving => 1, extra => ['--data-checksums']);
$source->append_conf('postgresql.conf', $preload);
$source->start;
$source->safe_psql('postgres', q{
	CREATE EXTENSION medallion;
	CREATE TABLE silver.a (id int PRIMARY KEY, v text);
	CREATE TABLE silver.b (id int, day date, n numeric, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
	CREATE TABLE silver.b_1 PARTITION OF silver.b FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
	CREATE TABLE silver.b_2 PARTITION OF silver.b FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
	INSERT INTO silver.a VALUES (100, 'before versioning');
	SELECT medallion.enable_versioning('silver.a');
	SELECT medallion.enable_versioning('silver.b');
	INSERT INTO silver.a SELECT i, 'x' FROM generate_series(1, 10) i;
	INSERT INTO silver.b SELECT i, '2026-01-25'::date + i, i FROM generate_series(1, 12) i;
	UPDATE silver.a SET v = 'y' WHERE id % 2 = 0;
	DO $$ BEGIN
		FOR i IN 1..5 LOOP
			BEGIN UPDATE silver.a SET v = v || i WHERE id = i; EXCEPTION WHEN division_by_zero THEN NULL; END;
		END LOOP;
	END $$;
	UPDATE silver.b SET day = day + 10 WHERE id < 4;
	BEGIN; UPDATE silver.b SET n = n + 1; UPDATE silver.a SET v = 'both' WHERE id = 7; COMMIT;
	ALTER TABLE silver.a ADD COLUMN w int DEFAULT 5;
	DELETE FROM silver.a WHERE id IN (3, 100);
	VACUUM FULL silver.a});
my $last = $source->safe_psql('postgres', 'SELECT max(version) FROM medallion.commits');

# Every version of both tables up to one, and the feeds.
sub states
{
	my ($node, $database, $to) = @_;
	my $from = 2;
	return $node->safe_psql($database, join ';', map {
		my $t = $_;
		(map { "SELECT $_, '$t', count(*), md5(coalesce(string_agg(t::text, ' ' ORDER BY t::text), '')) FROM medallion.as_of(NULL::silver.$t, version => $_) t" } $from .. $to),
		"SELECT '$t', count(*), md5(string_agg(c::text, ' ' ORDER BY _commit_version, c::text)) FROM medallion.changes(NULL::silver.$t, $from, $to) c"
	} qw(a b));
}

# Versions go on: the next commit has a greater number, and both it and the old ones are read.
sub goes_on
{
	my ($node, $database, $before, $to, $what) = @_;
	my $newest = $node->safe_psql($database, 'SELECT max(version) FROM medallion.commits');
	$node->safe_psql($database, "INSERT INTO silver.a VALUES (1000, 'goes on'); DELETE FROM silver.a WHERE id = 1000; UPDATE silver.b SET n = 0 WHERE id = 5");
	is($node->safe_psql($database, "SELECT string_agg(_change_type || ' ' || (row_data).id, ', ') FROM medallion.changes(NULL::silver.a, $newest + 1)"),
		'insert 1000, delete 1000', "$what: versions go on");
	is(states($node, $database, $to), $before, "$what: and the old ones stay");
	is($node->safe_psql($database, "SELECT * FROM medallion.reconcile('silver.a') UNION ALL SELECT * FROM medallion.reconcile('silver.b')"),
		"0|0|0\n0|0|0", "$what: and nothing is missing");
}
my $before = states($source, 'postgres', $last);

# ---- base backup and recovery to a time ----
$source->backup('base');
$source->safe_psql('postgres', "UPDATE silver.a SET v = 'after the backup' WHERE id = 2");
my $target_version = $source->safe_psql('postgres', 'SELECT max(version) FROM medallion.commits');
my $target_states = states($source, 'postgres', $target_version);
my $target_time = $source->safe_psql('postgres', 'SELECT clock_timestamp()');
$source->safe_psql('postgres', "SELECT pg_sleep(0.1); UPDATE silver.a SET v = 'a mistake'; DELETE FROM silver.b");
my $segment = $source->safe_psql('postgres', 'SELECT pg_walfile_name(pg_current_wal_lsn())');
$source->safe_psql('postgres', 'SELECT pg_switch_wal()');
$source->poll_query_until('postgres', "SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver") or die 'not archived';

my $copy = PostgreSQL::Test::Cluster->new('backup');
$copy->init_from_backup($source, 'base');
$copy->append_conf('postgresql.conf', "archive_mode = off\n");
$copy->start;
is(states($copy, 'postgres', $last), $before, 'base backup: every version reads as it did');
goes_on($copy, 'postgres', $before, $last, 'base backup');
$copy->stop;

my $recovered = PostgreSQL::Test::Cluster->new('recovered');
$recovered->init_from_backup($source, 'base', has_restoring => 1);
$recovered->append_conf('postgresql.conf', "archive_mode = off\nrecovery_target_time = '$target_time'\nrecovery_target_action = promote\n");
$recovered->start;
$recovered->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
is($recovered->safe_psql('postgres', 'SELECT max(version) FROM medallion.commits'), $target_version, 'point in time: the mistake is not there');
is($recovered->safe_psql('postgres', 'SELECT timeline_id > 1 FROM pg_control_checkpoint()'), 't', 'point in time: on a new timeline');
is(states($recovered, 'postgres', $target_version), $target_states, 'point in time: every version up to the target reads as it did');
is($recovered->safe_psql('postgres', "SELECT count(*) FROM medallion.as_of(NULL::silver.a, at => '$target_time') WHERE v = 'after the backup'"), '1',
	'point in time: the target time itself is read');
goes_on($recovered, 'postgres', $target_states, $target_version, 'point in time');
$recovered->stop;
$before = states($source, 'postgres', $target_version);
is($before, $target_states, 'the source still has it');
$last = $source->safe_psql('postgres', 'SELECT max(version) FROM medallion.commits');
$before = states($source, 'postgres', $last);

# ---- a copy and a new name ----
$source->safe_psql('template1', 'CREATE DATABASE twin TEMPLATE postgres');
is(states($source, 'twin', $last), $before, 'CREATE DATABASE … TEMPLATE: every version reads as it did');
goes_on($source, 'twin', $before, $last, 'CREATE DATABASE … TEMPLATE');
is(states($source, 'postgres', $last), $before, 'and the template is as it was');
is($source->safe_psql('postgres', 'SELECT max(version) FROM medallion.commits'), $last, 'with versions of its own');
$source->safe_psql('postgres', 'ALTER DATABASE twin RENAME TO renamed');
goes_on($source, 'renamed', $before, $last, 'ALTER DATABASE … RENAME');
$source->safe_psql('postgres', 'DROP DATABASE renamed');

# ---- dumps: each format, helpers, another superuser without owners ----
my $dumps = $source->basedir;
$source->safe_psql('postgres', 'CREATE ROLE other SUPERUSER LOGIN; CREATE ROLE owner LOGIN; ALTER TABLE silver.a OWNER TO owner');
$source->command_ok([ 'pg_dump', '-Fd', '-j', 2, '-f', "$dumps/directory", '-d', $source->connstr('postgres') ], 'dump as a directory');
$source->command_ok([ 'pg_dump', '-Fp', '-f', "$dumps/plain.sql", '-d', $source->connstr('postgres') ], 'as plain SQL');
$source->command_ok([ 'pg_dump', '-Fc', '-f', "$dumps/custom", '-d', $source->connstr('postgres') ], 'as an archive');
for my $restore (
	[ 'directory, two jobs', 'pg_restore', '--exit-on-error', '-j', 2, '-d', undef, "$dumps/directory" ],
	[ 'plain', 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dumps/plain.sql", '-d', undef ],
	[ 'another superuser, no owners', 'pg_restore', '--exit-on-error', '--no-owner', '--role', 'other', '-d', undef, "$dumps/custom" ])
{
	my ($what, @command) = @$restore;
	$source->safe_psql('postgres', 'CREATE DATABASE restored TEMPLATE template0');
	$source->command_ok([ map { defined $_ ? $_ : $source->connstr('restored') } @command ], "$what: restored");
	is($source->safe_psql('restored', 'SELECT medallion.adopt_history()') > 0, 1, "$what: adopted");
	is(states($source, 'restored', $last), $before, "$what: every version reads as it did");
	goes_on($source, 'restored', $before, $last, $what);
	$source->safe_psql('postgres', 'DROP DATABASE restored');
}

# A restore without births: versions that cannot be right are not readable; what can be is.
$source->command_ok([ 'pg_restore', '-l', '-f', "$dumps/list", "$dumps/custom" ], 'list of the archive');
my $list = slurp_file("$dumps/list");
$list =~ s/^(.* TABLE DATA medallion _births .*)$/;$1/m;
append_to_file("$dumps/list_without", $list);
$source->safe_psql('postgres', 'CREATE DATABASE restored TEMPLATE template0');
$source->command_ok([ 'pg_restore', '--exit-on-error', '-L', "$dumps/list_without", '-d', $source->connstr('restored'), "$dumps/custom" ], 'restored without births');
my ($status, $out, $err) = $source->psql('restored', 'SELECT medallion.adopt_history()');
like($err, qr/WARNING:  versions of table "silver.a" from \d+ up to this adoption cannot be read any more/, 'without births: said at adoption');
($status, $out, $err) = $source->psql('restored', "SELECT * FROM medallion.as_of(NULL::silver.a, version => $last)");
like($err, qr/version $last of table "silver.a" cannot be read any more/, 'without births: refused');
is($source->safe_psql('restored', "SELECT count(*) = (SELECT count(*) FROM silver.a) FROM medallion.as_of(NULL::silver.a, at => now())"), 't',
	'without births: from the adoption on it is read');
$source->safe_psql('postgres', 'DROP DATABASE restored');

# ---- pg_upgrade ----
my $user = $source->safe_psql('postgres', 'SELECT current_user');
$source->stop;
for my $mode ('copy', 'link')
{
	my $new = PostgreSQL::Test::Cluster->new("upgraded_$mode");
	$new->init(extra => ['--data-checksums']);
	$new->append_conf('postgresql.conf', $preload);
	$new->command_ok([ 'pg_upgrade', '--no-sync', ($mode eq 'link' ? '--link' : ()), '-d', $source->data_dir, '-D', $new->data_dir, '-b', $source->config_data('--bindir'),
		'-B', $new->config_data('--bindir'), '-s', $new->host, '-p', $source->port, '-P', $new->port, '-U', $user ],
		"pg_upgrade $mode");
	$new->start;
	is(states($new, 'postgres', $last), $before, "pg_upgrade $mode: every version reads as it did");
	goes_on($new, 'postgres', $before, $last, "pg_upgrade $mode");
	$new->stop;
}
done_testing();
