# Where the rows of a training come straight from the scan of tables, and where as arguments of an aggregate: both give the same
# model, so only the message at DEBUG1 tells.  Each source is trained on as it is and as a materialized CTE, which always comes as
# arguments, and both versions are compared to the bit.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('scan');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\njit = off\nshared_preload_libraries = 'medallion'\nmax_worker_processes = 16\nmax_parallel_workers_per_gather = 0\n");
$node->start;
my ($host, $port) = ($node->host, $node->port);
my $has_fdw = $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'});

$node->safe_psql('postgres', q{
	CREATE EXTENSION medallion;
	CREATE DOMAIN share AS float8 CHECK (value >= -2);
	CREATE TABLE plain AS SELECT i AS id, sin(i) AS a, cos(i * 3) AS b, i % 7 AS k, 'w' || i % 3 AS word, sin(i) + cos(i * i) AS y FROM generate_series(1, 3000) i;
	CREATE TABLE altered (a float8, gone text, b float8, y float8);
	INSERT INTO altered SELECT a, word, b, y FROM plain;
	ALTER TABLE altered DROP COLUMN gone;
	ALTER TABLE altered ADD COLUMN late float8 DEFAULT 2.5, ADD COLUMN word text DEFAULT 'new';
	INSERT INTO altered SELECT a, b, y, cos(id), word FROM plain;
	CREATE VIEW view_of AS SELECT a AS first, b * 2 AS second, word, y FROM plain WHERE k > 1;
	CREATE TABLE generated (a float8, y float8, twice float8 GENERATED ALWAYS AS (a * a) STORED);
	INSERT INTO generated SELECT a, y FROM plain;
	CREATE TABLE toasted (id int, y float8, v float8[]);
	ALTER TABLE toasted ALTER v SET STORAGE EXTERNAL;
	INSERT INTO toasted SELECT id, y, ARRAY(SELECT sin(id * j) FROM generate_series(1, 300) j) FROM plain WHERE id <= 600;
	CREATE TABLE wide AS SELECT id, y, a, repeat(md5(id::text), 240) AS padding, b FROM plain;
	ALTER TABLE wide ALTER padding SET STORAGE PLAIN;
	CREATE TABLE domains (s share, y float8);
	INSERT INTO domains SELECT a, y FROM plain;
	CREATE MATERIALIZED VIEW kept AS SELECT a, b, y FROM plain WHERE k < 5;
	CREATE UNLOGGED TABLE unlogged AS SELECT a, b, y FROM plain;
	CREATE TABLE indexed AS SELECT * FROM plain;
	CREATE INDEX ON indexed (id);
	CREATE INDEX ON indexed (k);
	CREATE TABLE versioned (id int PRIMARY KEY, a float8, b float8, y float8);
	SELECT medallion.enable_versioning('versioned');
	INSERT INTO versioned SELECT id, a, b, y FROM plain;
	UPDATE versioned SET a = a + 1, y = y * 2 WHERE id < 1000;
	DELETE FROM versioned WHERE id > 2500;
	CREATE TABLE parent (a float8, b float8, y float8);
	INSERT INTO parent SELECT a, b, y FROM plain;
	CREATE TABLE child (extra int) INHERITS (parent);
	INSERT INTO child SELECT b, a, y * 2, k FROM plain;
	CREATE TABLE parted (k int, a float8, b float8, word text, y float8) PARTITION BY RANGE (k);
	CREATE TABLE parted_0 PARTITION OF parted FOR VALUES FROM (0) TO (2);
	CREATE TABLE parted_2 (y float8, gone text, word text, b float8, k int, a float8);
	ALTER TABLE parted_2 DROP COLUMN gone;
	ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (2) TO (4);
	CREATE TABLE parted_4 PARTITION OF parted FOR VALUES FROM (4) TO (10) PARTITION BY LIST (k);
	CREATE TABLE parted_45 PARTITION OF parted_4 FOR VALUES IN (4, 5);
	CREATE TABLE parted_other PARTITION OF parted_4 DEFAULT;
	INSERT INTO parted SELECT k, a, b, word, y FROM plain;
	CREATE TABLE many (k int, a float8, b float8, y float8) PARTITION BY LIST (k);
	SELECT format('CREATE TABLE many_%s PARTITION OF many FOR VALUES IN (%s)', i, i) FROM generate_series(0, 59) i \gexec
	INSERT INTO many SELECT id % 60, a, b, y FROM plain;
	CREATE TABLE guarded AS SELECT id, a, b, k % 2 AS side, sin(id * 5) AS secret, a * (1 + k % 2) AS y FROM plain;
	CREATE TABLE written AS SELECT * FROM plain;
	CREATE ROLE reader;
	GRANT SELECT (a, b, side, y) ON guarded TO reader;
	CREATE VIEW shown AS SELECT a, b, y FROM guarded WHERE secret > 0;
	GRANT SELECT ON shown TO reader;
	ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
	CREATE POLICY one_side ON guarded TO reader USING (side = 0);
	ANALYZE});
$node->safe_psql('postgres', 'VACUUM indexed');
$node->safe_psql('postgres', qq{
	CREATE EXTENSION postgres_fdw;
	CREATE SERVER self FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'postgres');
	CREATE USER MAPPING FOR CURRENT_USER SERVER self;
	CREATE FOREIGN TABLE far (id int, a float8, b float8, y float8) SERVER self OPTIONS (table_name 'plain');
	CREATE TABLE mixed (k int, a float8, b float8, y float8) PARTITION BY LIST (k);
	CREATE TABLE mixed_1 PARTITION OF mixed FOR VALUES IN (1);
	INSERT INTO mixed SELECT 1, a, b, y FROM plain;
	CREATE FOREIGN TABLE mixed_2 PARTITION OF mixed FOR VALUES IN (2) SERVER self OPTIONS (table_name 'plain')}) if $has_fdw;

my $parallel = q{SET max_parallel_workers_per_gather = 2; SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
	SET enable_indexscan = off; };
my $learnt = q{(SELECT md5(string_agg(concat_ws(' ', class, feature, estimate, std_error), '|' ORDER BY position)) FROM medallion.coefficients WHERE model = m)};

# Trains on a source; returns the number of rows, what was learnt, and how the rows came.
sub train
{
	my ($source, %o) = @_;
	my $features = defined $o{features} ? ", features => '$o{features}'" : '';
	my $algorithm = $o{algorithm} // 'linear';
	my ($before, $quoted) = ($o{before} // '', $source =~ s/'/''/gr);
	my ($status, $out, $err) = $node->psql('postgres', qq{
		BEGIN;
		$before
		SET LOCAL client_min_messages = debug1;
		SELECT t.rows, $learnt, t.metrics - 'seconds'
		FROM (SELECT 'm' AS m, * FROM medallion.train('m', '$quoted', 'y', '$algorithm'$features)) t;
		ROLLBACK}, extra_params => ['-q']);
	my %ways;
	$ways{$1}++ while $err =~ /training: the rows (.*)/g;
	return ($status, $out, join('; ', sort keys %ways), $err);
}

# $way: what the message says of all passes.
sub comes
{
	my ($what, $source, $way, %o) = @_;
	my ($status, $out, $found, $err) = train($source, %o);
	my (undef, $expected, $other) = train("WITH rows AS MATERIALIZED (SELECT * FROM ($source) inner_rows) SELECT * FROM rows", %o);
	if ($source !~ /^\s*(SELECT|WITH|VALUES)/i)
	{
		(undef, $expected, $other) = train("WITH rows AS MATERIALIZED (SELECT * FROM $source) SELECT * FROM rows", %o);
	}
	is($found, $way, "$what: $way");
	if ($o{fails})
	{
		like($err, $o{fails}, "$what: is refused");
		return;
	}
	is($status, 0, "$what: trains") or diag($err);
	is($other, 'come as arguments: below the aggregate is CTE Scan', "$what: not from a materialized CTE");
	is($out, $expected, "$what: the same model") unless $o{differs};
	like($out, $o{rows}, "$what: of the rows expected") if $o{rows};
	return;
}

my $scan = 'are read from 1 scan';
my $arguments = 'come as arguments: below the aggregate is';
my @numbers = (features => '{a,b}');

# one table
comes('a table', 'plain', $scan, features => '{a,b,k,word}', rows => qr/^3000\|/);
comes('a table by one pass', 'plain', $scan, @numbers);
comes('a table in memory', 'SELECT a, b, k, word, id % 2 AS y FROM plain', $scan, algorithm => 'logistic', features => '{a,b,k,word}');
comes('sums of classes', 'SELECT a, b, k AS y FROM plain', $scan, algorithm => 'naive_bayes');
comes('a table in parallel', 'SELECT a, b, k, word, id % 2 AS y FROM plain', $scan, algorithm => 'logistic', features => '{a,b,k,word}', before => $parallel);
comes('columns dropped and added', 'altered', $scan, rows => qr/^6000\|/);
comes('columns dropped and added, in memory', 'SELECT a, b, late, word, y > 0 AS y FROM altered', $scan, algorithm => 'logistic');
comes('a view', 'view_of', $scan);
comes('a condition', 'SELECT a, b, y FROM plain WHERE k IN (2, 3) AND word <> \'w1\'', $scan);
comes('an expression of one column', 'SELECT a + 1 AS a, abs(b) AS b, y FROM plain', $scan);
comes('an expression of two columns', 'SELECT a + b AS both, y FROM plain', 'come as arguments: column "both" is not made of one column of the table');
comes('CASE', 'SELECT CASE WHEN a > 0 THEN a END AS a, b, y FROM plain WHERE a > 0', 'come as arguments: column "a" is not made of one column of the table');
comes('generated columns', 'generated', $scan);
comes('arrays out of line', 'toasted', $scan, features => '{v}', rows => qr/^600\|/);
comes('very wide rows', 'wide', $scan, @numbers);
comes('domains', 'domains', $scan);
comes('a materialized view', 'kept', $scan);
comes('an unlogged table', 'unlogged', $scan);
comes('a temporary table', 'own', $scan, before => 'CREATE TEMP TABLE own AS SELECT a, b, y FROM plain;');
comes('a CTE used once', 'WITH r AS (SELECT a, b, y FROM plain WHERE k > 2) SELECT * FROM r', $scan);
comes('rows changed by this transaction', 'plain', $scan, @numbers, before => 'UPDATE plain SET y = y * 2, a = a + 1 WHERE k = 1; DELETE FROM plain WHERE k = 2;');
comes('the present of a versioned table', 'versioned', $scan, @numbers);

# not the scan of a table
comes('LIMIT', 'SELECT a, b, y FROM plain LIMIT 1000', "$arguments Limit");
comes('ORDER BY', 'SELECT a, b, y FROM plain ORDER BY id', "$arguments Sort");
comes('a join', 'SELECT p.a, p.b, p.y FROM plain p JOIN unlogged u ON u.a = p.a', "$arguments Hash Join");
comes('a self-join by CTE', 'WITH r AS (SELECT a, b, y FROM plain) SELECT r.* FROM r, r s WHERE r.a = s.a', "$arguments Hash Join", before => 'SET enable_mergejoin = off;');
comes('groups', 'SELECT avg(a) AS a, avg(b) AS b, avg(y) AS y FROM plain GROUP BY id', "$arguments Aggregate");
comes('a function', 'SELECT sin(i) AS a, cos(i) AS y FROM generate_series(1, 100) i', "$arguments Function Scan");
comes('a foreign table', 'far', "$arguments Foreign Scan", @numbers) if $has_fdw;
comes('an index alone', 'SELECT id AS a, id * 2 AS y FROM indexed WHERE id < 500', "$arguments Index Only Scan", before => 'SET enable_seqscan = off; SET enable_bitmapscan = off;');
comes('nothing', 'SELECT a, b, y FROM plain WHERE a = 0.5 AND false UNION ALL SELECT 1, 2, 3', "$arguments Result", fails => qr/only one row/);

# other scans of a table; of pages that everybody sees a bitmap scan need not read rows unless it is asked for some of them
comes('an index scan', 'SELECT a, b, y FROM indexed WHERE id BETWEEN 10 AND 200', $scan, before => 'SET enable_bitmapscan = off;', rows => qr/^191\|/);
comes('a bitmap scan', 'SELECT a, b, y FROM indexed WHERE id BETWEEN 10 AND 200', $scan, before => 'SET enable_indexscan = off; SET enable_seqscan = off;', rows => qr/^191\|/);
comes('a bitmap scan in parallel', 'SELECT a, b, id % 2 AS y FROM indexed WHERE k = 3', $scan, before => "$parallel SET enable_seqscan = off;", algorithm => 'logistic');
comes('a sample', 'SELECT a, b, y FROM plain TABLESAMPLE SYSTEM (50) REPEATABLE (7)', $scan);
comes('a range of places', q{SELECT a, b, y FROM plain WHERE ctid < '(5,0)'}, $scan);

# several tables: partitions with columns in another order, inheritance with columns of its own, unions
sub scans { return "are read from $_[0] scans"; }
my $by_class = 'SELECT a, b, word, k, y > 0 AS y FROM parted';
comes('inheritance', 'parent', scans(2), rows => qr/^6000\|/);
comes('a parent alone', 'SELECT * FROM ONLY parent', $scan);
comes('a child alone', 'child', $scan);
comes('partitions', 'parted', scans(4), rows => qr/^3000\|/);
comes('partitions by one pass', 'parted', scans(4), @numbers);
comes('partitions in memory', $by_class, scans(4), algorithm => 'logistic');
comes('partitions in parallel', $by_class, scans(4), algorithm => 'logistic', before => $parallel);
comes('partitions in parallel, none in parts', $by_class, scans(4), algorithm => 'logistic',
	before => "$parallel ALTER TABLE parted_0 SET (parallel_workers = 0); ALTER TABLE parted_2 SET (parallel_workers = 0);");
comes('partitions, one process after the other', $by_class, scans(4), algorithm => 'logistic', before => "$parallel SET enable_parallel_append = off;");
comes('sums of classes of partitions', 'SELECT a, b, k AS y FROM parted', scans(4), algorithm => 'naive_bayes');
comes('a pruned partition', 'SELECT * FROM parted WHERE k >= 2', scans(3), @numbers);
comes('all pruned but one', 'SELECT * FROM parted WHERE k = 3', $scan, @numbers);
comes('pruned when the plan starts', q{SELECT * FROM parted WHERE k = current_setting('my.k')::int}, scans(4), @numbers, before => 'SET my.k = 3;');
comes('pruned while it runs', 'SELECT * FROM parted WHERE k = (SELECT max(k) FROM plain)', scans(4), @numbers);
comes('a condition on partitions by an index', 'SELECT a, b, y FROM parted WHERE a BETWEEN 0.1 AND 0.3', scans(4),
	before => 'CREATE INDEX ON parted_2 (a); CREATE INDEX ON parted_45 (a); SET enable_seqscan = off;');
comes('a sample of partitions', 'SELECT a, b, y FROM parted TABLESAMPLE SYSTEM (60) REPEATABLE (3)', scans(4));
comes('an expression over partitions', 'SELECT a * 2 AS a, k::text AS k, y FROM parted', scans(4));
comes('partitions with NULLs and a column added', 'SELECT a, b, word, late, y > 0 AS y FROM parted', scans(4), algorithm => 'logistic',
	before => 'ALTER TABLE parted ADD late float8 DEFAULT 1.5; UPDATE parted SET late = a WHERE k > 2; UPDATE parted SET b = NULL, word = NULL WHERE a > 0.9;');
comes('a partition that was detached and has a column more', 'parted', scans(4), @numbers,
	before => 'ALTER TABLE parted DETACH PARTITION parted_0; ALTER TABLE parted_0 DROP COLUMN a; ALTER TABLE parted_0 ADD a float8 DEFAULT 0.25; ALTER TABLE parted ATTACH PARTITION parted_0 FOR VALUES FROM (0) TO (2);');
comes('many partitions', 'many', scans(60), @numbers, rows => qr/^3000\|/);
comes('a union', 'SELECT a, b, y FROM plain UNION ALL SELECT b, a, y FROM unlogged', scans(2), rows => qr/^6000\|/);
comes('a union with constants', q{SELECT a, 'one' AS w, b, y FROM plain UNION ALL SELECT b + 1, 'two', NULL, y FROM unlogged}, scans(2), rows => qr/^6000\|/);
comes('a union of partitions and tables', 'SELECT a, b, y FROM parted UNION ALL SELECT a, b, y FROM child', scans(5));
comes('a union with a sum', 'SELECT a, b, y FROM plain UNION ALL SELECT sum(a), sum(b), sum(y) FROM unlogged', "$arguments Aggregate");
comes('a random column', 'SELECT a, b, y, r AS r FROM (SELECT a, b, y, random() - random() AS r FROM plain UNION ALL SELECT a, b, y, 1 FROM plain) u', 'come as arguments: column "r" is not made of one column of the table',
	differs => 1);
comes('a foreign partition', 'mixed', "$arguments Foreign Scan", @numbers) if $has_fdw;
comes('aggregates of each partition', 'parted', 'come as arguments: the aggregate is not alone in the plan', @numbers, before => 'SET enable_partitionwise_aggregate = on;',
	differs => 1);
comes('a past state', 'SELECT a, b, y FROM medallion.as_of(NULL::versioned, version => 2)', scans(2), rows => qr/^3000\|/);

# rights
my @reader = (before => 'SET LOCAL ROLE reader;');
comes('column grants and policies', 'SELECT a, b, y FROM guarded', $scan, @reader);
comes('a view with the rights of its owner', 'shown', $scan, @reader);
my ($status, $out, undef, $err) = train('guarded', features => '{a,secret}', @reader);
is($status, 3, 'a column without a grant is refused');
like($err, qr/permission denied for table guarded/, 'for that reason');
($status, $out) = train('SELECT a, b, y FROM guarded', @reader);
is((split /\|/, $out)[0], $node->safe_psql('postgres', 'SELECT count(*) FROM guarded WHERE side = 0'), 'the policy leaves its rows');

$node->safe_psql('postgres', q{
	GRANT SELECT (a, b, k, y) ON parted TO reader;
	CREATE POLICY upper_part ON parted TO reader USING (k >= 2);
	ALTER TABLE parted ENABLE ROW LEVEL SECURITY});
comes('grants and a policy on a partitioned table', 'SELECT a, b, y FROM parted', scans(3), @reader);
($status, undef, undef, $err) = train('parted', features => '{a,word}', @reader);
like($err, qr/permission denied for table parted/, 'a column of partitions without a grant is refused');

# somebody else writes
my $writer = $node->background_psql('postgres');
$writer->query_safe(q{BEGIN; UPDATE written SET y = 100, a = NULL WHERE k < 3; DELETE FROM written WHERE k = 4; INSERT INTO written SELECT * FROM plain});
comes('a table being written', 'written', $scan, @numbers, rows => qr/^3000\|/);
my (undef, $before) = train('written', @numbers);
is($before, (train('plain', @numbers))[1], 'the rows are those of before');
$writer->query_safe('ROLLBACK');
$writer->quit;

$node->stop;
done_testing;
