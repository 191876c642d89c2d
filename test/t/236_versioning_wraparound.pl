# Transaction ids wrap around: past 2^31, past 2^32, and an id that an old row and a new commit share.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('wrap');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'medallion'
autovacuum = off
vacuum_freeze_min_age = 0
vacuum_freeze_table_age = 0
medallion.scheduler = off
});
$node->start;

# Freezes everything, then goes on with a later id (of the low 32 bits).
sub jump
{
	my ($to, $epoch) = @_;
	$node->safe_psql('postgres', 'UPDATE pg_database SET datallowconn = true WHERE datname = \'template0\'');
	$node->command_ok([ 'vacuumdb', '-a', '-F', '-q', '--maintenance-db', $node->connstr('postgres') ], "frozen before id $to");
	$node->safe_psql('postgres', 'CHECKPOINT');
	$node->stop;
	# pg_resetwal does not make the pages of the commit status that the new ids need.
	my $segment = sprintf '%s/pg_xact/%04X', $node->data_dir, $to / (8192 * 4 * 32);
	if (!-e $segment)
	{
		open my $file, '>', $segment or die "$segment: $!";
		binmode $file;
		print $file "\0" x (8192 * 32);
		close $file;
	}
	$node->command_ok([ 'pg_resetwal', '-x', $to, (defined $epoch ? ('-e', $epoch) : ()), '-D', $node->data_dir ], "next id $to");
	$node->start;
}

# Uses ids up to just before one, so that the next transaction gets it.
sub next_id
{
	my ($id) = @_;
	my $next = $node->safe_psql('postgres', "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::numeric % 4294967296");
	$node->safe_psql('postgres', 'DO $$ BEGIN FOR i IN 1..' . ($id - $next) . ' LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$')
		if $id > $next;
	is($node->safe_psql('postgres', "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::numeric % 4294967296"), $id, "the next id is $id");
}

my (%picture, $last);
my @tables = qw(a b);

# What each table was at each version, as it was when the version was made.
sub remember
{
	$last = $node->safe_psql('postgres', 'SELECT medallion._point(\'a\'::regclass, NULL, clock_timestamp())');
	$picture{$last} = { map { $_ => $node->safe_psql('postgres', "SELECT coalesce(string_agg(t::text, ' ' ORDER BY id), '') FROM $_ t") } @tables };
}

sub check
{
	my ($when) = @_;
	my %seen = map {
		my $v = $_;
		$v => { map { $_ => $node->safe_psql('postgres', "SELECT coalesce(string_agg(t::text, ' ' ORDER BY id), '') FROM medallion.as_of(NULL::$_, version => $v) t") } keys %{$picture{$v}} }
	} keys %picture;
	is_deeply(\%seen, \%picture, "$when: every version is what it was");
	my $feed = $node->safe_psql('postgres', q{
		SELECT string_agg(t, ' ' ORDER BY t) FROM (SELECT row_data::text AS t FROM (SELECT DISTINCT ON ((row_data).id) _change_type, row_data
		FROM medallion.changes(NULL::a, (SELECT min(version) FROM medallion.commits WHERE relations @> '{public.a}'))
		ORDER BY (row_data).id, _commit_version DESC, _change_type = 'update_preimage') c WHERE _change_type <> 'delete' AND (row_data).id < 1000) f});
	is($feed, $node->safe_psql('postgres', "SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM a WHERE id < 1000"), "$when: the feed folds to the table");
}

$node->safe_psql('postgres', q{
	CREATE EXTENSION medallion;
	CREATE TABLE a (id int PRIMARY KEY, v text);
	CREATE TABLE b (id int PRIMARY KEY, v text)});
# Old rows, older than versioning: ids to be met again.
next_id(5000);
$node->safe_psql('postgres', "INSERT INTO a VALUES (1001, 'old 5000')");
$node->safe_psql('postgres', "INSERT INTO a VALUES (1002, 'old 5001')");
$node->safe_psql('postgres', "INSERT INTO b VALUES (1001, 'old 5002')");
$node->safe_psql('postgres', "SELECT medallion.enable_versioning('a')");
$node->safe_psql('postgres', "SELECT medallion.enable_versioning('b')");
remember();
next_id(6000);
$node->safe_psql('postgres', "INSERT INTO a VALUES (1, 'first')");
$node->safe_psql('postgres', "INSERT INTO a VALUES (2, 'second')");
$node->safe_psql('postgres', "BEGIN; INSERT INTO a VALUES (3, 'third'); SAVEPOINT s; INSERT INTO a VALUES (4, 'in a savepoint'); INSERT INTO b VALUES (3, 'third'); COMMIT");
remember();
check('young');

jump(2_000_000_000);
check('2 billion ids later');
$node->safe_psql('postgres', "UPDATE a SET v = v || ', changed' WHERE id = 2");
remember();
jump(3_000_000_000);
# The old row is frozen and more than 2^31 ids old.
$node->safe_psql('postgres', "UPDATE a SET v = 'changed late' WHERE id = 1");
$node->safe_psql('postgres', "DELETE FROM a WHERE id = 3");
remember();
check('3 billion ids later');
is($node->safe_psql('postgres', 'SELECT count(*) FROM medallion_history."public.a" WHERE _medallion_born >= 3000000000'), '0',
	'a frozen row keeps its birth');
jump(4_294_967_000);
next_id(4294967290);
$node->safe_psql('postgres', "INSERT INTO a VALUES (10, 'before the wrap')");
remember();
$node->safe_psql('postgres', "INSERT INTO a SELECT $_ + 10, 'around the wrap'"), remember() for 1 .. 9;
cmp_ok($node->safe_psql('postgres', 'SELECT pg_current_xact_id()::text'), '>', 4294967296, 'ids have wrapped around');
check('just after the wrap');
is($node->safe_psql('postgres', "SELECT count(*) FROM medallion.history('a') WHERE version > $last"), '0', 'history is in order');

# Now ids come again.  5000: of a row older than versioning; 6000 and on: of rows that commits claim.
jump(4990);
next_id(5000);
$node->safe_psql('postgres', "INSERT INTO a VALUES (20, 'new 5000')");
remember();
$node->safe_psql('postgres', "UPDATE a SET v = 'new 5001' WHERE id = 1001");
remember();
$node->safe_psql('postgres', "INSERT INTO b VALUES (20, 'new 5002')");
remember();
check('ids of old rows again');
is($node->safe_psql('postgres', q{SELECT string_agg((row_data).id::text, ' ') FROM medallion.changes(NULL::b, } . $last . ')'), '20',
	'the feed does not take an old row for a new one');
jump(5900);
check('frozen');
next_id(6000);
$node->safe_psql('postgres', "UPDATE a SET v = 'again 6000' WHERE id = 20");
remember();
$node->safe_psql('postgres', "INSERT INTO a VALUES (30, 'again 6001'); DELETE FROM a WHERE id = 11");
remember();
$node->safe_psql('postgres', "BEGIN; UPDATE a SET v = 'again 6003' WHERE id = 30; SAVEPOINT s; INSERT INTO a VALUES (31, 'again'); UPDATE b SET v = 'again' WHERE id = 3; COMMIT");
remember();
check('ids of claimed rows again');

# Places go with the file of the table: before that, the row that shares an id with a commit gets one of its own.
$node->safe_psql('postgres', 'VACUUM FULL a');
is($node->safe_psql('postgres', "SELECT string_agg(operation, ' ') FROM medallion.history('a') WHERE version > $last"), 'rebirth', 'a row is born again');
is($node->safe_psql('postgres', "SELECT count(*) FROM medallion.changes(NULL::a, $last + 1)"), '0', 'which changes nothing');
check('VACUUM FULL');
$node->safe_psql('postgres', 'VACUUM FULL a; CLUSTER a USING a_pkey');
is($node->safe_psql('postgres', "SELECT string_agg(operation, ' ') FROM medallion.history('a') WHERE version > $last"), 'rebirth', 'once');
check('CLUSTER');
is($node->safe_psql('postgres', "SELECT * FROM medallion.reconcile('a')"), '0|0|0', 'nothing is missing');

# Where the library was not there to do so, it is noticed that births cannot be told apart.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->restart;
$node->safe_psql('postgres', 'VACUUM FULL b');
my ($status, $out, $err) = $node->psql('postgres', "SELECT * FROM medallion.as_of(NULL::b, version => $last)");
like($err, qr/versioned table "public.b" was changed behind the back of versioning\nDETAIL: .*rows of different commits share an id/, 'noticed');
$node->safe_psql('postgres', "INSERT INTO b VALUES (50, 'goes on')");
($status, $out, $err) = $node->psql('postgres', "SELECT * FROM medallion.reconcile('b')");
is($out, '0|0|0', 'reconciled: no row came or went');
like($err, qr/WARNING:  versions of table "public.b" from \d+ up to this reconciliation cannot be read any more\nDETAIL:  1 rows cannot be told/, 'what is lost is said');
is($node->safe_psql('postgres', "SELECT string_agg(t::text, ' ' ORDER BY id) FROM medallion.as_of(NULL::b, at => clock_timestamp()) t"),
	$node->safe_psql('postgres', "SELECT string_agg(t::text, ' ' ORDER BY id) FROM b t"), 'and the others are read');
is($node->safe_psql('postgres', "SELECT string_agg(operation, ' ') FROM medallion.history('b') WHERE readable"), 'reconcile', 'and only they are listed');
delete $_->{b} for values %picture;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'medallion'\n");
$node->restart;
check('reconciled');

# Old rows that share an id with the asking transaction, and die in one that shares theirs.
next_id(6030);
$node->safe_psql('postgres', "VACUUM FREEZE a");
$node->safe_psql('postgres', "UPDATE a SET v = v || '!'");
remember();
check('all rows die');
$node->safe_psql('postgres', 'TRUNCATE b; TRUNCATE a');
remember();
check('truncated');
$node->stop;
done_testing();
