# Logical replication into versioned tables: the apply worker fires row triggers only, each transaction applied is a commit.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical');
$publisher->append_conf('postgresql.conf', "logical_decoding_work_mem = 64kB");
$publisher->start;
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init(allows_streaming => 'logical');
$subscriber->append_conf('postgresql.conf', "shared_preload_libraries = 'medallion'\nmax_worker_processes = 16");
$subscriber->start;

# An ordinary table with other column numbers, a long value, and partitions on the subscriber alone.
$publisher->safe_psql('postgres', q{
	CREATE TABLE t (id int PRIMARY KEY, v text, long text);
	ALTER TABLE t ALTER long SET STORAGE EXTERNAL;
	CREATE TABLE p (id int, part int, v text, PRIMARY KEY (id, part));
	INSERT INTO t SELECT i, 'first', repeat('x', 10000) FROM generate_series(1, 10) i;
	INSERT INTO p SELECT i, i % 3, 'first' FROM generate_series(1, 9) i;
	CREATE PUBLICATION pub FOR TABLE t, p});
$subscriber->safe_psql('postgres', q{
	CREATE EXTENSION medallion;
	CREATE TABLE t (mine int DEFAULT 7, long text, v text, id int PRIMARY KEY);
	ALTER TABLE t ALTER long SET STORAGE EXTERNAL;
	CREATE TABLE p (id int, part int, v text, PRIMARY KEY (id, part)) PARTITION BY LIST (part);
	CREATE TABLE p0 PARTITION OF p FOR VALUES IN (0);
	CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
	CREATE TABLE rest PARTITION OF p DEFAULT;
	SELECT medallion.enable_versioning('t'), medallion.enable_versioning('p')});
my $enabled = $subscriber->safe_psql('postgres', 'SELECT max(version) FROM medallion.commits');
$subscriber->safe_psql('postgres', sprintf q{CREATE SUBSCRIPTION sub CONNECTION '%s dbname=postgres' PUBLICATION pub WITH (streaming = on)}, $publisher->connstr);
$subscriber->wait_for_subscription_sync($publisher, 'sub');

# What each step left on the publisher, and the version of the subscriber then.
my (@versions, %sums);
my %columns = (t => 'id, v, md5(long)', p => 'id, part, v');
sub step
{
	my ($name, $sql) = @_;
	$publisher->safe_psql('postgres', $sql) if $sql;
	$publisher->wait_for_catchup('sub');
	my $version = $subscriber->safe_psql('postgres', 'SELECT max(version) FROM medallion.commits');
	push @versions, [ $name, $version ];
	$sums{$version}{$_} = $publisher->safe_psql('postgres', "SELECT count(*), md5(coalesce(string_agg(ROW($columns{$_})::text, '' ORDER BY id), '')) FROM $_") for qw(t p);
	return;
}
step('initial copy', '');
step('insert', "INSERT INTO t VALUES (11, 'new', 'short'), (12, 'new', repeat('y', 10000)); INSERT INTO p VALUES (10, 0, 'new'), (11, 1, 'new')");
step('update, long value untouched', "UPDATE t SET v = 'second' WHERE id <= 5");
step('update of a key', 'UPDATE t SET id = 100 WHERE id = 1');
step('delete', 'DELETE FROM t WHERE id IN (2, 12)');
step('rows that move between partitions', 'UPDATE p SET part = part + 1');
step('one row twice, savepoints', "BEGIN; UPDATE t SET v = 'a' WHERE id = 3; SAVEPOINT s; DELETE FROM t WHERE id = 4; ROLLBACK TO s; UPDATE t SET v = 'b' WHERE id = 3; DELETE FROM t WHERE id = 6; INSERT INTO t VALUES (6, 'back', 'c'); COMMIT");
step('a transaction in a stream, with a part rolled back', "BEGIN; INSERT INTO p SELECT i, i % 4, repeat('s', 100) FROM generate_series(1000, 4000) i; SAVEPOINT s; DELETE FROM p; ROLLBACK TO s; UPDATE p SET v = 'streamed' WHERE id >= 3000; COMMIT");
step('truncate', 'TRUNCATE p');
step('truncate of both', "INSERT INTO p VALUES (1, 1, 'again'); TRUNCATE t, p");
step('after', "INSERT INTO t VALUES (1, 'end', 'end'); INSERT INTO p VALUES (1, 2, 'end')");

for my $pair (@versions)
{
	my ($name, $version) = @$pair;
	is($subscriber->safe_psql('postgres', "SELECT count(*), md5(coalesce(string_agg(ROW($columns{$_})::text, '' ORDER BY id), '')) FROM medallion.as_of(NULL::$_, version => $version)"),
		$sums{$version}{$_}, "$name: $_") for qw(t p);
}
is($subscriber->safe_psql('postgres', q{SELECT string_agg(format('%s +%s ~%s -%s', operation, inserted, updated, deleted), ', ' ORDER BY version) FROM medallion.history('t')}),
	'enable +0 ~0 -0, insert +10 ~0 -0, insert +2 ~0 -0, update +0 ~5 -0, write +1 ~0 -1, delete +0 ~0 -2, write +0 ~2 -0, truncate +0 ~0 -10, insert +1 ~0 -0', 'history of t');
is($subscriber->safe_psql('postgres', q{SELECT string_agg(format('%s +%s ~%s -%s', operation, inserted, updated, deleted), ', ' ORDER BY version) FROM medallion.history('p')}),
	'enable +0 ~0 -0, insert +9 ~0 -0, insert +2 ~0 -0, write +11 ~0 -11, write +3001 ~0 -0, truncate +0 ~0 -3012, insert +1 ~0 -0, truncate +0 ~0 -1, insert +1 ~0 -0', 'history of p');
is($subscriber->safe_psql('postgres', qq{SELECT count(*) FROM medallion.changes(NULL::t, $enabled) WHERE (row_data).mine IS DISTINCT FROM 7}), '0', 'a column that the subscriber alone has');
is($subscriber->safe_psql('postgres', qq{SELECT DISTINCT length((row_data).long) FROM medallion.changes(NULL::t, $enabled) WHERE _change_type = 'update_preimage' AND (row_data).id = 5}), '10000', 'the long value of an old row');

# Local writes beside those that are applied.
$subscriber->safe_psql('postgres', q{UPDATE p SET v = 'local'});
step('', "UPDATE p SET part = 0; UPDATE t SET v = 'applied'");
is($subscriber->safe_psql('postgres', q{SELECT string_agg(v, ' ') FROM medallion.as_of(NULL::p, version => (SELECT max(version) FROM medallion.commits WHERE 'public.p' = ANY (relations)) - 1)}), 'local', 'local writes are versions of their own');
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION sub');
$publisher->stop;
$subscriber->stop;
done_testing();
