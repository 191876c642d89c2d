# Property: whatever the query, and whatever was written meanwhile, by whom and however late it commits, a refreshed table
# equals the full recomputation.  Random definitions from a grammar of the supported shapes, alone or one upon another, meet
# random changes by three sessions, two of which hold transactions open across refreshes.
#
#   MEDALLION_PIPELINE_CASES=5000 make check-tap TAP=430_pipeline_incremental     more cases (1,000)
#   MEDALLION_PIPELINE_SEED=17 MEDALLION_PIPELINE_CASES=1 …                       one case again: each prints its seed
#   MEDALLION_PIPELINE_JOBS=4                                                     at a time, each in a database of its own (3)
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $cases = $ENV{MEDALLION_PIPELINE_CASES} || 1000;
my $first = $ENV{MEDALLION_PIPELINE_SEED} || 1;
my $jobs = $ENV{MEDALLION_PIPELINE_JOBS} || 3;
my $rounds = 6;
my $most_failures = 3;

my $node = PostgreSQL::Test::Cluster->new('incremental');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off\n");
$node->start;
my $connection;

# ---- sessions: a statement in, its output out ----

sub session
{
	my ($name) = @_;
	my $self = { in => '', out => '', err => '', name => $name };
	$self->{run} = IPC::Run::start([ 'psql', '-XqAt', '-d', $connection ], '<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err});
	return $self;
}

sub ask
{
	my ($self, $sql) = @_;
	$self->{out} = $self->{err} = '';
	$self->{in} .= "$sql;\n\\echo === end\n";
	IPC::Run::pump($self->{run}) until $self->{out} =~ s/=== end\n//;
	# What was raised comes by another pipe, after a moment.
	IPC::Run::pump_nb($self->{run});
	return $self->{out};
}

my %session;
my @log;

# Runs in a session, and notes it so that a failing case can be told.
sub run
{
	my ($name, $sql) = @_;
	push @log, "-- $name\n$sql;";
	return ask($session{$name}, $sql);
}

# ---- random ----

sub pick { return $_[int rand @_] }
sub chance { return rand() < $_[0] }

# ---- definitions ----
# A relation of the grammar has the columns (id int, unique and not NULL; k int; g text; v int).

my $alias = 0;
sub name { return 'q' . ++$alias }

sub condition
{
	my ($r) = @_;
	return pick("$r.v > " . int(rand 40), "$r.k <> " . int(rand 8), "$r.g IN ('a', 'b')", "$r.v % 3 <> 1",
		"$r.g IS NOT NULL", "$r.v IS NULL OR $r.v < 35", "coalesce($r.k, 0) + coalesce($r.v, 0) > 10");
}

sub relation
{
	my ($depth) = @_;
	return base() if $depth <= 0 || chance(0.1);
	my @shapes = (\&filtered, \&projected, \&inner_join, \&left_join, \&semi_join, \&anti_join, \&in_list, \&not_in, \&scalar,
		\&scalar_where, \&union_all, \&grouped, \&distinct, \&nested, \&with, \&with_twice, \&self_join, \&lateral_top, \&lateral_left,
		\&window, \&left_anti, \&left_grouped, \&distinct_on, \&set_operation, \&join_grouped, \&values_join, \&unnested, \&full_join,
		\&left_left, \&correlated_twice, \&in_grouped, \&cross_condition, \&lateral_lookup);
	return pick(@shapes)->($depth - 1);
}

my @tables;    # layer to read from
sub table { return pick(@tables) }
sub base { my $q = name(); return "SELECT $q.id, $q.k, $q.g, $q.v FROM " . table() . " $q" . (chance(0.5) ? ' WHERE ' . condition($q) : '') }

sub filtered { my $q = name(); return "SELECT $q.* FROM (" . relation($_[0]) . ") $q WHERE " . condition($q) }
sub projected { my $q = name(); return "SELECT $q.id, coalesce($q.k, 0) AS k, upper($q.g) AS g, $q.v * 2 AS v FROM (" . relation($_[0]) . ") $q" }

sub inner_join
{
	my ($x, $c) = (name(), name());
	return "SELECT $x.id, $x.k, coalesce($c.name, $x.g) AS g, $x.v + $c.z AS v FROM (" . relation($_[0]) . ") $x JOIN bronze.c $c ON $c.k = $x.k"
		. (chance(0.4) ? " AND $c.z > " . int(rand 6) : '');
}

sub left_join
{
	my ($x, $c) = (name(), name());
	my $join = pick("LEFT JOIN bronze.c $c ON $c.k = $x.k", "LEFT JOIN bronze.c $c USING (k)", "LEFT JOIN bronze.c $c ON $c.k = $x.k AND $c.z > 3");
	my $k = $join =~ /USING/ ? 'k' : "$x.k";
	return "SELECT $x.id, $k AS k, coalesce($c.name, 'none') AS g, coalesce($c.z, $x.v) AS v FROM (" . relation($_[0]) . ") $x $join"
		. (chance(0.3) ? " WHERE " . pick("$c.z > 2", "$c.name IS NOT NULL", "$c.z IS DISTINCT FROM 4") : '');
}

sub left_left
{
	my ($x, $c, $d) = (name(), name(), name());
	return "SELECT $x.id, $x.k, coalesce($c.name, 'none') AS g, coalesce($d.z, $c.z, 0) AS v FROM (" . relation($_[0]) . ") $x "
		. pick("LEFT JOIN bronze.c $c ON $c.k = $x.k LEFT JOIN bronze.c $d ON $d.k = $c.z", "LEFT JOIN (bronze.c $c JOIN bronze.c $d ON $d.k = $c.z) ON $c.k = $x.k",
			"LEFT JOIN (bronze.c $c LEFT JOIN bronze.c $d ON $d.k = $c.z) ON $c.k = $x.k");
}

sub semi_join
{
	my ($x, $y) = (name(), name());
	return "SELECT $x.* FROM (" . relation($_[0]) . ") $x WHERE EXISTS (SELECT FROM (" . relation($_[0] - 1) . ") $y WHERE $y.k = $x.k"
		. (chance(0.5) ? " AND $y.v > $x.v" : '') . ")";
}

sub anti_join
{
	my ($x, $y) = (name(), name());
	return "SELECT $x.* FROM (" . relation($_[0]) . ") $x WHERE NOT EXISTS (SELECT FROM (" . relation($_[0] - 1) . ") $y WHERE $y.k = $x.k"
		. (chance(0.7) ? " AND $y.v > coalesce($x.v, 0)" : '') . ")";
}

sub left_anti
{
	my ($x, $y) = (name(), name());
	return "SELECT $x.* FROM (" . relation($_[0]) . ") $x LEFT JOIN (" . relation($_[0] - 1) . ") $y ON $y.k = $x.k AND $y.g = $x.g WHERE $y.id IS NULL";
}

sub in_list { my ($x, $y) = (name(), name()); return "SELECT $x.* FROM (" . relation($_[0]) . ") $x WHERE $x.k IN (SELECT $y.k FROM (" . relation($_[0] - 1) . ") $y WHERE " . condition($y) . ")" }
sub not_in { my ($x, $y) = (name(), name()); return "SELECT $x.* FROM (" . relation($_[0]) . ") $x WHERE $x.v NOT IN (SELECT $y.v FROM (" . relation($_[0] - 1) . ") $y WHERE $y.k = " . int(rand 8) . ")" }
sub in_grouped { my ($x, $y) = (name(), name()); return "SELECT $x.* FROM (" . relation($_[0]) . ") $x WHERE ($x.k, $x.g) IN (SELECT $y.k, max($y.g) FROM (" . relation($_[0] - 1) . ") $y GROUP BY $y.k)" }
sub cross_condition { my ($x, $y) = (name(), name()); return "SELECT $x.* FROM (" . relation($_[0]) . ") $x WHERE $x.v > (SELECT avg($y.v) FROM (" . base() . ") $y)" }

sub scalar
{
	my ($x, $y) = (name(), name());
	my $what = pick("max($y.v)", "count(*)::int", "sum($y.v)::int", "(array_agg($y.v ORDER BY $y.v, $y.id))[1]");
	return "SELECT $x.id, $x.k, $x.g, (SELECT $what FROM (" . relation($_[0] - 1) . ") $y WHERE $y.k = $x.k" . (chance(0.3) ? " AND $y.id <> $x.id" : '') . ") AS v FROM (" . relation($_[0]) . ") $x";
}

sub scalar_where
{
	my ($x, $y) = (name(), name());
	return "SELECT $x.* FROM (" . relation($_[0]) . ") $x WHERE $x.v " . pick('>=', '=', '<>') . " (SELECT " . pick('max', 'min') . "($y.v) FROM (" . relation($_[0] - 1) . ") $y WHERE $y.k = $x.k)";
}

sub correlated_twice
{
	my ($x, $y, $z) = (name(), name(), name());
	return "SELECT $x.* FROM (" . relation($_[0]) . ") $x WHERE EXISTS (SELECT FROM (" . base() . ") $y WHERE $y.k = $x.k AND NOT EXISTS (SELECT FROM ("
		. base() . ") $z WHERE $z.g = $y.g AND $z.k = $x.k AND $z.v > $y.v))";
}

sub union_all
{
	my ($x, $y) = (name(), name());
	return "SELECT $x.id * 2 AS id, $x.k, $x.g, $x.v FROM (" . relation($_[0]) . ") $x UNION ALL SELECT $y.id * 2 + 1, $y.k, $y.g, $y.v FROM (" . relation($_[0]) . ") $y";
}

sub set_operation
{
	my ($x, $y) = (name(), name());
	my $op = pick('UNION', 'EXCEPT', 'INTERSECT', 'EXCEPT ALL', 'INTERSECT ALL');
	my $s = name();
	return "SELECT $s.id, $s.k, min($s.g) AS g, max($s.v) AS v FROM (SELECT coalesce($x.k, -1) AS id, $x.k, $x.g, $x.v FROM (" . relation($_[0])
		. ") $x $op SELECT coalesce($y.k, -1), $y.k, $y.g, $y.v FROM (" . relation($_[0]) . ") $y) $s GROUP BY $s.id, $s.k";
}

sub grouped
{
	my $x = name();
	return "SELECT $x.k AS id, $x.k, " . pick("max($x.g)", "string_agg($x.g, ',' ORDER BY $x.g, $x.id)") . " AS g, " . pick("sum($x.v)::int", "count(*)::int", "min($x.v)", "count(DISTINCT $x.v)::int")
		. " AS v FROM (" . relation($_[0]) . ") $x WHERE $x.k IS NOT NULL GROUP BY $x.k" . (chance(0.4) ? " HAVING " . pick("count(*) > 1", "sum($x.v) > 20", "max($x.g) = 'b'") : '');
}

sub join_grouped
{
	my ($x, $y) = (name(), name());
	return "SELECT $x.id, $x.k, $x.g, $y.s::int AS v FROM (" . relation($_[0]) . ") $x JOIN (SELECT k, sum(v) AS s FROM (" . relation($_[0] - 1) . ") z GROUP BY k) $y ON $y.k = $x.k";
}

sub left_grouped
{
	my ($x, $y) = (name(), name());
	return "SELECT $x.id, $x.k, $x.g, coalesce($y.n, 0)::int AS v FROM (" . relation($_[0]) . ") $x LEFT JOIN (SELECT k, g, count(*) AS n FROM (" . relation($_[0] - 1) . ") z GROUP BY k, g) $y ON $y.k = $x.k AND $y.g = $x.g";
}

sub full_join
{
	my ($x, $y, $s) = (name(), name(), name());
	return "SELECT coalesce($x.k, $y.k) AS id, k, max($x.g) AS g, count(*)::int AS v FROM (" . base() . ") $x FULL JOIN (" . base() . ") $y USING (k) WHERE k IS NOT NULL GROUP BY 1, 2";
}

sub distinct { my $x = name(); return "SELECT DISTINCT $x.k AS id, $x.k, NULL::text AS g, $x.k + 1 AS v FROM (" . relation($_[0]) . ") $x WHERE $x.k IS NOT NULL" }
sub distinct_on { my $x = name(); return "SELECT DISTINCT ON ($x.k) $x.k AS id, $x.k, $x.g, $x.v FROM (" . relation($_[0]) . ") $x WHERE $x.k IS NOT NULL ORDER BY $x.k, $x.v DESC NULLS LAST, $x.id" }
sub nested { my $x = name(); return "SELECT $x.id, $x.k, $x.g, $x.v FROM (SELECT id, k, g, v FROM (" . relation($_[0]) . ") i WHERE id % 5 <> 2 ORDER BY id) $x" }
sub with { my $x = name(); return "WITH $x AS (" . relation($_[0]) . ") SELECT id, k, g, v FROM $x WHERE " . condition($x) }

sub with_twice
{
	my ($x, $y) = (name(), name());
	return "WITH $x AS (" . relation($_[0]) . "), $y AS (SELECT k, max(v) AS m FROM $x GROUP BY k) SELECT $x.id, $x.k, $x.g, $y.m AS v FROM $x JOIN $y ON $x.k = $y.k WHERE EXISTS (SELECT FROM $y e WHERE e.k = $x.k AND e.m >= $x.v)";
}

sub self_join
{
	my ($x, $y) = (name(), name());
	my $t = table();
	return "SELECT $x.id, $x.k, $x.g, count($y.id)::int AS v FROM $t $x " . pick('JOIN', 'LEFT JOIN') . " $t $y ON $y.k = $x.k AND $y.v < $x.v GROUP BY $x.id, $x.k, $x.g";
}

sub lateral_top
{
	my ($c, $y) = (name(), name());
	return "SELECT $c.k AS id, $c.k, $c.name AS g, sum(t.v)::int AS v FROM bronze.c $c CROSS JOIN LATERAL (SELECT $y.v FROM (" . relation($_[0]) . ") $y WHERE $y.k = $c.k ORDER BY $y.v DESC NULLS LAST LIMIT 2) t GROUP BY $c.k, $c.name";
}

sub lateral_left
{
	my ($x, $y) = (name(), name());
	return "SELECT $x.id, $x.k, $x.g, t.n AS v FROM (" . relation($_[0]) . ") $x LEFT JOIN LATERAL (SELECT count(*)::int AS n FROM (" . relation($_[0] - 1) . ") $y WHERE $y.k = $x.k AND $y.v <= $x.v) t ON " . pick('true', 't.n > 1');
}

# Of one that changed, what the lateral side depends on may not be known.
sub lateral_lookup
{
	my ($x, $c, $l) = (name(), name(), name());
	my $lookup = "(SELECT $c.name FROM bronze.c $c WHERE $c.z <= $x.v ORDER BY $c.z DESC, $c.k LIMIT 1) $l";
	return "SELECT $x.id, $x.k, $l.name AS g, $x.v FROM (" . relation($_[0]) . ") $x " . pick("CROSS JOIN LATERAL $lookup", "LEFT JOIN LATERAL $lookup ON true")
		. (chance(0.6) ? " WHERE " . pick("$l.name <> 'b'", "$l.name IS NOT NULL") : '');
}

# The partition must be found again in the key: id stays unique, and top() adds k to the key.
sub window
{
	my $x = name();
	my $w = pick("row_number() OVER (PARTITION BY $x.k ORDER BY $x.v NULLS LAST, $x.id)::int", "sum($x.v) OVER (PARTITION BY $x.k)::int",
		"lag($x.v) OVER (PARTITION BY $x.k ORDER BY $x.id)", "rank() OVER (PARTITION BY $x.k, $x.g ORDER BY $x.v)::int");
	return "SELECT $x.id, $x.k, $x.g, $w AS v FROM (" . relation($_[0]) . ") $x";
}

sub values_join { my ($x, $y) = (name(), name()); return "SELECT $x.id, $x.k, $y.n AS g, $x.v FROM (" . relation($_[0]) . ") $x JOIN (VALUES (0, 'zero'), (1, 'one'), (2, 'two'), (3, 'three')) $y (k, n) ON $y.k = $x.k" }
sub unnested { my ($x, $s) = (name(), name()); return "SELECT $s.id * 3 + $s.u AS id, $s.k, $s.g, $s.v FROM (SELECT id, k, g, v, unnest(CASE WHEN v > 20 THEN ARRAY[0, 1] ELSE ARRAY[2] END) AS u FROM (" . relation($_[0]) . ") $x) $s" }

# Aggregates that follow from the changes alone, and some that show too little for it.
sub by_difference
{
	my ($t, $x, $c) = (table(), name(), name());
	my ($key, $where) = @{ pick([ "$x.k", "$x.k IS NOT NULL" ], [ "coalesce($x.k, -1)", condition($x) ], [ "$x.k % 3", "$x.k IS NOT NULL AND (" . condition($x) . ")" ],
		[ "repeat($x.g, 2)::char(3)", "$x.g IS NOT NULL" ], [ "($x.v % 8)::bit(4)", "$x.v IS NOT NULL" ]) };
	my @columns = ("count(*) AS n", "count($x.v) AS c", "sum($x.v) AS s", "sum($x.id) AS i", "avg($x.v) AS a", "max($x.v) AS hi", "min($x.g) AS lo",
		"count($x.g) FILTER (WHERE $x.v > 9) AS f", "sum($x.v::bigint) FILTER (WHERE $x.k > 2) AS fs", "count($x.v::bigint) FILTER (WHERE $x.k > 2) AS fc",
		"sum(($x.v / 4.0)::numeric(9,2)) AS m", "count(($x.v / 4.0)::numeric(9,2)) AS mc", "avg(($x.v / 4.0)::numeric(9,2)) AS ma",
		"stddev($x.v) AS d", "var_pop($x.v::bigint) AS vp", "variance(($x.v / 4.0)::numeric(9,2)) AS vm", "stddev_pop($x.id::smallint) FILTER (WHERE $x.k > 2) AS sf");
	my @chosen = grep { chance(0.6) } @columns;
	@chosen = grep { !/ AS (hi|lo)$/ } @chosen if chance(0.6);
	@chosen = ($columns[0]) if !@chosen;
	push @chosen, "sum($x.v::float8) AS x" if chance(0.1);
	my $join = pick('', '', " JOIN bronze.c $c ON $c.k = $x.k", " JOIN bronze.c $c ON $c.k = $x.k AND $c.z > 1");
	my $also = $join && chance(0.5) ? ", coalesce($c.name, '-') AS name" : '';
	return [ "SELECT $key AS k$also, " . join(', ', @chosen) . " FROM $t $x$join WHERE $where GROUP BY 1" . ($also ? ', 2' : ''), $also ? 'k,name' : 'k' ];
}

# A query with a key.
sub top
{
	my ($depth) = @_;
	my $r = relation($depth);
	my @shapes = (
		[ "SELECT id, k, g, v FROM ($r) t", 'id' ],
		[ "SELECT id, coalesce(k, -1) AS k, g, v FROM ($r) t", 'id,k' ],
		[ "SELECT k, id, g, v FROM ($r) t WHERE k IS NOT NULL", 'k,id' ],
		[ "SELECT coalesce(k, -1) AS k, coalesce(g, '') AS g, count(*) AS n, sum(v) AS s, avg(v) AS a, min(v) AS lo, max(v) AS hi, stddev(v) AS d,"
			. " string_agg(g, '' ORDER BY id) AS t, array_agg(v ORDER BY id) AS l, total(v) AS u, bool_or(v > 10) AS b, count(v) FILTER (WHERE v > 5) AS f"
			. " FROM ($r) t GROUP BY 1, 2" . (chance(0.3) ? ' HAVING count(*) > 1' : ''), 'k,g' ],
		[ "SELECT k, count(*) AS n, sum(v) AS s, percentile_cont(0.5) WITHIN GROUP (ORDER BY v) AS p FROM ($r) t WHERE k IS NOT NULL GROUP BY k", 'k' ],
		[ "SELECT g, sum(v) AS s, count(v) AS c, max(v) AS m FROM ($r) t WHERE g IS NOT NULL GROUP BY g", 'g' ],
		(map { by_difference($_) } 1 .. 4),
		[ "SELECT DISTINCT k, g FROM ($r) t WHERE k IS NOT NULL AND g IS NOT NULL", 'k,g' ],
		[ "SELECT k, id, g, v, rank() OVER w AS r, sum(v) OVER w AS s FROM ($r) t WHERE k IS NOT NULL WINDOW w AS (PARTITION BY k ORDER BY v NULLS FIRST, id)", 'k,id' ],
		[ "SELECT k, n, rank() OVER (PARTITION BY k % 2 ORDER BY n) AS r FROM (SELECT k, count(*) AS n FROM ($r) t WHERE k IS NOT NULL GROUP BY k) t", 'k' ],
		[ "SELECT k % 3 AS m, v % 5 AS n, count(*) AS c FROM ($r) t WHERE k IS NOT NULL AND v IS NOT NULL GROUP BY 1, 2", 'm,n' ],
		[ "SELECT 'x' AS kind, id, g, v FROM ($r) t UNION ALL SELECT 'y', id, g, v FROM (" . relation($depth) . ") t", 'kind,id' ],
		[ "SELECT k, count(*) AS n, grouping(g) AS gr FROM ($r) t WHERE k IS NOT NULL GROUP BY GROUPING SETS ((k)), g" =~ s/GROUPING SETS \(\(k\)\), g/k, g/r
			=~ s/count\(\*\) AS n, grouping\(g\) AS gr/coalesce(g, '') AS g, count(*) AS n/r, 'k,g' ]);
	return @{ pick(@shapes) };
}

# ---- changes ----
# Each session writes rows of its own ids, so that none waits for another.

sub value { return chance(0.1) ? 'NULL' : int rand 50 }
sub key { return chance(0.05) ? 'NULL' : int rand 8 }
sub letter { return chance(0.1) ? 'NULL' : "'" . pick('a' .. 'd') . "'" }

sub change
{
	my ($who, $class) = @_;
	my $t = pick('bronze.a', 'bronze.a', 'bronze.b');
	my $mine = "id % 3 = $class";
	my $some = pick("id IN (" . join(',', map { int rand 90 } 1 .. 3) . ")", "id % 17 = " . int(rand 17), "k = " . int(rand 8), "v BETWEEN 10 AND 13");
	my $id = 3 * int(rand 40) + $class;
	my @changes = (
		"INSERT INTO $t VALUES ($id, " . join(', ', key(), letter(), value()) . ") ON CONFLICT (id) DO UPDATE SET v = excluded.v, k = excluded.k",
		"INSERT INTO $t SELECT i, i % 7, 'c', i FROM generate_series($id, $id + 9, 3) i ON CONFLICT DO NOTHING",
		"UPDATE $t SET v = v + 1 WHERE $mine AND $some",
		"UPDATE $t SET v = " . value() . ", g = " . letter() . " WHERE $mine AND $some",
		"UPDATE $t SET k = " . key() . " WHERE $mine AND $some",
		"UPDATE $t SET v = v WHERE $mine AND $some",
		"UPDATE $t SET id = id + 300 WHERE id = $id AND NOT EXISTS (SELECT FROM $t WHERE id = $id + 300)",
		"DELETE FROM $t WHERE $mine AND $some",
		# More subtransactions than a snapshot can name.
		(chance(0.3) ? "DO \$\$BEGIN FOR i IN 1 .. 70 LOOP BEGIN UPDATE $t SET v = v + 1 WHERE id = 3 * i + $class; IF i % 9 = 0 THEN RAISE 'back'; END IF; EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END\$\$" : ()),
		"UPDATE bronze.c SET z = " . int(rand 8) . ", name = " . letter() . " WHERE k % 3 = $class AND k = " . int(rand 8),
		"DELETE FROM bronze.c WHERE k % 3 = $class AND k = " . int(rand 8),
		"INSERT INTO bronze.c VALUES (" . (3 * int(rand 3) + $class) . ", " . letter() . ", " . int(rand 8) . ") ON CONFLICT (k) DO UPDATE SET z = excluded.z + 1");
	return pick(@changes);
}

sub changes
{
	my ($who, $class) = @_;
	my @all = map { change($who, $class) } 1 .. 1 + int rand 3;
	if (chance(0.3))
	{
		splice @all, int(rand @all), 0, 'SAVEPOINT s', change($who, $class), pick('ROLLBACK TO s', 'RELEASE s');
	}
	return join(";\n", @all);
}

# ---- a case ----

my %reasons;

# bronze.b has partitions (see worker).
my @upkeep = ('VACUUM FULL bronze.a', 'VACUUM FULL bronze.b1', 'VACUUM FULL bronze.b', 'TRUNCATE bronze.b2', 'TRUNCATE bronze.b3d',
	"BEGIN; ALTER TABLE bronze.b DETACH PARTITION bronze.b2; UPDATE bronze.b2 SET v = v + 1; ALTER TABLE bronze.b ATTACH PARTITION bronze.b2 FOR VALUES FROM (30) TO (60); COMMIT",
	"BEGIN; INSERT INTO bronze.a VALUES (601, 1, 'a', 5) ON CONFLICT DO NOTHING; CLUSTER bronze.a USING a_pkey; COMMIT");

sub equal_to_recomputation
{
	my ($target, $query) = @_;
	return ask($session{main}, "SELECT (SELECT count(*) FROM (TABLE $target EXCEPT ALL ($query)) d) + (SELECT count(*) FROM (($query) EXCEPT ALL TABLE $target) d)");
}

sub one_case
{
	my ($seed) = @_;
	srand $seed;
	@log = ();
	$alias = 0;
	my (@targets, %open);
	run('main', 'TRUNCATE bronze.a, bronze.b, bronze.c');
	run('main', "INSERT INTO bronze.$_ SELECT i, nullif((i * $_->[1]) % 9, 8), chr(97 + (i * $_->[1]) % 4), (i * $_->[2]) % 50 FROM generate_series(1, 60) i" =~ s/bronze\.ARRAY\S+/bronze.$_->[0]/r)
		for [ 'a', 7, 13 ], [ 'b', 5, 29 ];
	run('main', "INSERT INTO bronze.c SELECT i, chr(97 + i % 4), i % 5 FROM generate_series(0, 7) i");
	for my $layer (1 .. 1 + int rand 3)
	{
		@tables = ('bronze.a', 'bronze.b', map { $_->{rows} ? $_->{target} : () } @targets);
		my ($query, $keys) = top(int rand 4);
		my $target = "silver.t$layer";
		run('main', "SELECT FROM medallion.define('$target', keys => '{$keys}', query => \$q\$$query\$q\$)");
		return "define: $session{main}{err}" if ask($session{main}, "SELECT to_regclass('$target')") !~ /$target/;
		push @targets, { target => $target, query => $query, rows => $query =~ /^SELECT id, k, g, v|^SELECT k, id, g, v FROM/ };
	}
	# Rules on the last one, where its rows have the columns of the grammar.
	my $ruled = $targets[-1]{rows} && chance(0.4) ? $targets[-1] : undef;
	if ($ruled)
	{
		$ruled->{rules} = { good => pick("v > 10", "g <> 'a'", "v % 3 = 0"), fine => pick("v < 30", "60 / v > 2", "k > 3") };
		run('main', "SELECT medallion.expect('$ruled->{target}', 'good', '" . $ruled->{rules}{good} =~ s/'/''/gr . "', 'quarantine')");
		run('main', "SELECT medallion.expect('$ruled->{target}', 'fine', '$ruled->{rules}{fine}')");
	}
	my $report = sub {
		my ($what) = @_;
		return join("\n", "seed $seed: $what", @log, '');
	};
	for my $round (0 .. $rounds)
	{
		for my $writer ([ 'early', 1 ], [ 'late', 2 ])
		{
			my ($who, $class) = @$writer;
			next if $round == 0 || $round == $rounds && !$open{$who};
			if (!$open{$who} && chance(0.5))
			{
				run($who, 'BEGIN' . (chance(0.2) ? ' ISOLATION LEVEL REPEATABLE READ' : ''));
				$open{$who} = 1;
			}
			run($who, ($open{$who} ? '' : "BEGIN;\n") . changes($who, $class) . ($open{$who} ? '' : ";\nCOMMIT"));
			if ($open{$who} && (chance(0.4) || $round == $rounds))
			{
				run($who, chance(0.9) ? 'COMMIT' : 'ROLLBACK');
				$open{$who} = 0;
			}
		}
		my $within = $round > 0 && chance(0.15);
		run('main', 'BEGIN') if $within;
		run('main', ($within ? '' : "BEGIN;\n") . changes('main', 0) . ($within ? '' : ";\nCOMMIT")) if $round > 0 && chance(0.9);
		my $last = $targets[-1];
		run('main', "UPDATE $last->{target} SET " . pick("v = 1", "v = NULL") . " WHERE id % 7 = 3") if $last->{rows} && chance(0.1);
		run('main', "DELETE FROM $last->{target} WHERE ctid IN (SELECT ctid FROM $last->{target} LIMIT 2)") if $round > 0 && chance(0.1);
		run('main', pick(@upkeep)) if !$within && !$open{early} && !$open{late} && chance(0.05);
		my $answer = run('main', "SELECT mode || ': ' || reason FROM medallion.refresh()");
		return $report->("refresh raised: $session{main}{err}") if $answer eq '';
		$reasons{ s/ (bronze|silver)\.\w+,?//gr }++ for split /\n/, $answer;
		for my $t (@targets)
		{
			my $query = $t->{rules} ? "SELECT * FROM ($t->{query}) r WHERE $t->{rules}{good}" : $t->{query};
			my $differing = equal_to_recomputation($t->{target}, $query);
			return $report->("round $round: $t->{target} differs from its recomputation: $differing$session{main}{err}\n$answer") if $differing ne "0\n";
			# To the byte, too, and by the extension's own account.
			next unless chance(0.3);
			$differing = ask($session{main}, "SELECT medallion.rebuild('$t->{target}', verify => true)");
			return $report->("round $round: $t->{target} differs in what is stored: $differing$session{main}{err}\n$answer") if $differing ne "0\n";
		}
		if ($ruled)
		{
			my $rejected = ask($session{main}, "SELECT (SELECT count(*) FROM (SELECT id, k, g, v FROM $ruled->{target}_quarantine EXCEPT ALL SELECT id, k, g, v FROM ($ruled->{query}) q WHERE ($ruled->{rules}{good}) IS NOT TRUE) d)
				+ (SELECT count(*) FROM (SELECT id, k, g, v FROM ($ruled->{query}) q WHERE ($ruled->{rules}{good}) IS NOT TRUE EXCEPT ALL SELECT id, k, g, v FROM $ruled->{target}_quarantine) d)")
				if ask($session{main}, "SELECT to_regclass('$ruled->{target}_quarantine')") =~ /quarantine/;
			return $report->("round $round: the quarantine table differs: $rejected") if defined $rejected && $rejected ne "0\n";
			my $found = "SELECT string_agg(concat_ws(' ', name, passed, failed, raised, whole), ', ' ORDER BY name) FROM medallion.expectation_results
				WHERE refresh_id = (SELECT max(refresh_id) FROM medallion.refreshes WHERE target = '$ruled->{target}')";
			my $now = ask($session{main}, $found);
			my $full = ask($session{main}, "BEGIN; SELECT FROM medallion.rebuild('$ruled->{target}'); $found; ROLLBACK");
			$full =~ s/^\n//;
			return $report->("round $round: counts of rules differ: $now$full") if $now ne $full && !$within;
		}
		if ($within)
		{
			run('main', change('main', 0)) if chance(0.5);
			run('main', pick('COMMIT', 'COMMIT', 'ROLLBACK'));
		}
	}
	run($_, 'ROLLBACK') for grep { $open{$_} } keys %open;
	run('main', "SELECT medallion.undefine('$_->{target}', drop_table => true)") for reverse @targets;
	return '';
}

# ---- jobs ----

sub open_sessions
{
	%session = map { $_ => session($_) } qw(main early late);
	ask($session{$_}, "SET lock_timeout = '180s'; SET client_min_messages = error") for keys %session;
	ask($session{main}, "SET statement_timeout = '600s'");
}

# Runs every $jobs-th case in a database of its own and writes what came out of it: a line per way of refreshing with its
# count, and one that says how many cases were done.
sub worker
{
	my ($number) = @_;
	$connection = $node->connstr("job$number");
	open_sessions();
	ask($session{main}, $_) for split /;\n/, q{
		CREATE EXTENSION medallion;
		CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
		CREATE TABLE bronze.a (id int PRIMARY KEY, k int, g text, v int);
		CREATE TABLE bronze.b (id int PRIMARY KEY, k int, g text, v int) PARTITION BY RANGE (id);
		CREATE TABLE bronze.b1 PARTITION OF bronze.b FOR VALUES FROM (MINVALUE) TO (30);
		CREATE TABLE bronze.b2 (v int, gone int, g text, k int, id int NOT NULL);
		ALTER TABLE bronze.b2 DROP COLUMN gone;
		ALTER TABLE bronze.b ATTACH PARTITION bronze.b2 FOR VALUES FROM (30) TO (60);
		CREATE TABLE bronze.b3 PARTITION OF bronze.b FOR VALUES FROM (60) TO (MAXVALUE) PARTITION BY LIST (id);
		CREATE TABLE bronze.b3d PARTITION OF bronze.b3 DEFAULT;
		CREATE TABLE bronze.c (k int PRIMARY KEY, name text, z int);
		SELECT medallion.enable_versioning(t) FROM unnest('{bronze.a,bronze.b,bronze.c}'::regclass[]) t};
	my ($done, $failures) = (0, 0);
	for (my $seed = $first + $number; $seed < $first + $cases && $failures < $most_failures; $seed += $jobs)
	{
		my $what = one_case($seed);
		$done++;
		next if $what eq '';
		$failures++;
		append_to_file($node->basedir . "/failures_$number", "$what\n");
		# What is open would be in the way of those that come.
		$_->{in} .= "ROLLBACK;\n\\q\n", $_->{run}->finish for values %session;
		open_sessions();
		ask($session{main}, "SELECT medallion.undefine(target, drop_table => true) FROM (SELECT target FROM medallion.tables ORDER BY target DESC) t");
	}
	$_->{in} .= "\\q\n", $_->{run}->finish for values %session;
	append_to_file($node->basedir . "/worker_$number", join('', map { "$reasons{$_} $_\n" } keys %reasons) . "$done done\n");
}

my @children;
for my $number (0 .. $jobs - 1)
{
	$node->safe_psql('postgres', "CREATE DATABASE job$number");
	my $pid = fork() // die $!;
	if (!$pid)
	{
		eval { worker($number) };
		print STDERR $@ if $@;
		require POSIX;
		POSIX::_exit($@ ? 1 : 0);
	}
	push @children, $pid;
}
my ($ended, $done) = (0, 0);
for my $pid (@children) { waitpid($pid, 0); $ended++ if $? == 0 }
is($ended, $jobs, 'all jobs came to their end');
for my $number (0 .. $jobs - 1)
{
	diag(slurp_file($node->basedir . "/failures_$number")) if -e $node->basedir . "/failures_$number";
	for (split /\n/, slurp_file($node->basedir . "/worker_$number"))
	{
		my ($count, $reason) = split / /, $_, 2;
		$reason eq 'done' ? ($done += $count) : ($reasons{$reason} += $count);
	}
}
is(scalar(grep { -e $node->basedir . "/failures_$_" } 0 .. $jobs - 1), 0, "every refresh equals the recomputation");
is($done, $cases, "$cases cases from seed $first");
my ($full, $incremental) = (0, 0);
for my $reason (sort { $reasons{$b} <=> $reasons{$a} } keys %reasons)
{
	note(sprintf('%6d  %s', $reasons{$reason}, $reason));
	$reason =~ /^full/ ? ($full += $reasons{$reason}) : ($incremental += $reasons{$reason});
}
cmp_ok($incremental, '>', $full, "most refreshes were incremental ($incremental of " . ($full + $incremental) . ')');
$node->stop;
done_testing();
