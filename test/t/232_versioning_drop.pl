# What must not lose history: PREPARE TRANSACTION is refused; a dropped extension leaves tables, histories and log, and one
# created again goes on with them; sessions that did not preload the library read the same.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('drop');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION medallion;
	CREATE TABLE silver.t (id int PRIMARY KEY, v int);
	INSERT INTO silver.t VALUES (1, 1), (2, 2);
	SELECT medallion.enable_versioning('silver.t');
	CREATE TABLE silver.u (id int PRIMARY KEY, v int) WITH (autovacuum_enabled = off);
	SELECT medallion.enable_versioning('silver.u');
	INSERT INTO silver.u VALUES (1, 1), (2, 2);
	UPDATE silver.t SET v = 10 WHERE id = 1});
my $v = $node->safe_psql('postgres', 'SELECT max(version) FROM medallion.commits');
my $past = "SELECT string_agg(id || '=' || v, ' ' ORDER BY id) FROM medallion.as_of(NULL::silver.t, version => %s)";

# Each in a session of its own, where nothing has loaded the library yet.
is($node->safe_psql('postgres', sprintf($past, $v - 1)), '1=1 2=2', 'not preloaded: as_of is the first statement');
is($node->safe_psql('postgres', sprintf("$past; $past", $v - 1, $v)), "1=1 2=2\n1=10 2=2", 'and twice');
is($node->safe_psql('postgres', "BEGIN; UPDATE silver.t SET v = 0; SAVEPOINT s; DELETE FROM silver.t;" . sprintf($past, $v)), '1=10 2=2',
	'not preloaded: after changes of its own');
is($node->safe_psql('postgres', "SELECT count(*) FROM medallion.changes(NULL::silver.t, $v)"), '2', 'not preloaded: changes');

my ($status, $out, $err) = $node->psql('postgres', q{
	BEGIN; UPDATE silver.t SET v = 11 WHERE id = 1; PREPARE TRANSACTION 'versioned'});
like($err, qr/cannot PREPARE a transaction that has changed versioned table "silver.t"\nHINT:  Use COMMIT\./, 'PREPARE TRANSACTION is refused');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts'), '0', 'nothing is prepared');
is($node->safe_psql('postgres', 'SELECT v FROM silver.t WHERE id = 1'), '10', 'nothing is changed');
$node->safe_psql('postgres', q{CREATE TABLE plain (id int); BEGIN; INSERT INTO plain VALUES (1); PREPARE TRANSACTION 'plain'; COMMIT PREPARED 'plain'});
is($node->safe_psql('postgres', 'SELECT count(*) FROM plain'), '1', 'other tables can be prepared');

# A versioned write that comes from a function, or in a savepoint; one that was rolled back does not count.
$node->safe_psql('postgres', q{CREATE FUNCTION write() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
	BEGIN UPDATE silver.t SET v = 12; EXCEPTION WHEN division_by_zero THEN NULL; END; END $$});
($status, $out, $err) = $node->psql('postgres', q{BEGIN; SELECT write(); PREPARE TRANSACTION 'versioned'});
like($err, qr/cannot PREPARE a transaction that has changed versioned table "silver.t"/, 'nor one whose function wrote');
($status, $out, $err) = $node->psql('postgres', q{BEGIN; SAVEPOINT s; SELECT write(); RELEASE s; PREPARE TRANSACTION 'versioned'});
like($err, qr/cannot PREPARE a transaction that has changed versioned table "silver.t"/, 'nor in a savepoint');
$node->safe_psql('postgres', q{BEGIN; SAVEPOINT s; SELECT write(); ROLLBACK TO s; INSERT INTO plain VALUES (2); PREPARE TRANSACTION 'plain'; COMMIT PREPARED 'plain'});
is($node->safe_psql('postgres', 'SELECT count(*) FROM plain'), '2', 'what was rolled back does not hinder');

# Dropped and created again.
my $log = $node->safe_psql('postgres', 'SELECT count(*) FROM medallion_history.commit_log');
$node->safe_psql('postgres', 'DROP EXTENSION medallion CASCADE');
is($node->safe_psql('postgres', q{SELECT string_agg(id || '=' || v, ' ' ORDER BY id) FROM silver.t}), '1=10 2=2', 'the table is there without the extension');
is($node->safe_psql('postgres', q{SELECT id, v FROM medallion_history."silver.t"}), '1|1', 'so is its history');
is($node->safe_psql('postgres', 'SELECT count(*) FROM medallion_history.commit_log'), $log, 'and the log');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 'silver.t'::regclass}), '0', 'no trigger is left');
$node->safe_psql('postgres', q{UPDATE silver.t SET v = 12 WHERE id = 1; INSERT INTO silver.t VALUES (3, 3)});
$node->safe_psql('postgres', 'CREATE EXTENSION medallion');
is($node->safe_psql('postgres', 'SELECT count(*) FROM medallion.commits'), $log, 'created again it has the log');
($status, $out, $err) = $node->psql('postgres', sprintf($past, $v - 1));
like($err, qr/the capture triggers of versioned table "silver.t" were dropped\nHINT:  SELECT \* FROM medallion.reconcile\('silver.t'\) takes versioning up again.*enable_versioning/,
	'a table is versioned when it is asked for');
$node->safe_psql('postgres', q{SELECT medallion.enable_versioning('silver.t')});
my $v2 = $node->safe_psql('postgres', 'SELECT max(version) FROM medallion.commits');
cmp_ok($v2, '>', $v, 'numbers go on');
$node->safe_psql('postgres', 'UPDATE silver.t SET v = 0');
is($node->safe_psql('postgres', sprintf($past, $v2)), '1=12 2=2 3=3', 'a new past begins');
is($node->safe_psql('postgres', q{SELECT id, v FROM medallion_history."silver.t" WHERE v = 1}), '1|1', 'the old history is still there');

# The other table goes on with its old past; what was written in between is a change of the reconciliation.
$node->safe_psql('postgres', 'UPDATE silver.u SET v = 20 WHERE id = 2; INSERT INTO silver.u VALUES (3, 3)');
is($node->safe_psql('postgres', q{SELECT * FROM medallion.reconcile('silver.u')}), '1|1|0', 'taken up again');
(my $past_u = $past) =~ s/silver\.t/silver.u/;
is($node->safe_psql('postgres', sprintf($past_u, $v)), '1=1 2=2', 'the old past is read');
is($node->safe_psql('postgres', sprintf($past_u, '(SELECT max(version) FROM medallion.commits)')), '1=1 2=20 3=3', 'and the present');
is($node->safe_psql('postgres', q{SELECT string_agg(_change_type || row_data, ' ') FROM medallion.changes(NULL::silver.u, (SELECT max(version) FROM medallion.commits))}),
	'update_preimage(2,2) update_postimage(2,20) insert(3,3)', 'and what changed');
$node->safe_psql('postgres', 'DELETE FROM silver.u WHERE id = 1');
is($node->safe_psql('postgres', q{SELECT string_agg(_change_type || row_data, ' ') FROM medallion.changes(NULL::silver.u, (SELECT max(version) FROM medallion.commits))}),
	'delete(1,1)', 'and what changes from then on');
$node->stop;
done_testing();
