# Property of apply_changes: whatever the order, repetition and batches in which events come, after each application the table
# is what applying the events so far one after the other, in the order of their positions, would make.  Random streams of
# Debezium events with snapshot reads, partial rows, TOAST placeholders, changed keys, deletes and truncates; type 1, type 2,
# type 2 with a column that is not tracked, and type 1 where NULLs leave values alone.
# Knobs: MEDALLION_CDC_CASES (60), MEDALLION_CDC_SEED.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $cases = $ENV{MEDALLION_CDC_CASES} || 60;
my $seed = $ENV{MEDALLION_CDC_SEED} || 20261123;
my $toast = '__debezium_unavailable_value';
srand($seed);

my $node = PostgreSQL::Test::Cluster->new('cdc');
$node->init;
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION medallion');

sub json
{
	my ($row) = @_;
	return 'null' unless $row;
	return '{' . join(', ', map { "\"$_\": " . (!defined $row->{$_} ? 'null' : $_ eq 'a' ? "\"$row->{$_}\"" : $row->{$_}) } sort keys %$row) . '}';
}

# A random stream in the order of positions: hashes with op, lsn, key, row (what is told), old (key before).
sub random_stream
{
	my @events;
	my $lsn = 0;
	for (1 .. 5 + int rand 40)
	{
		$lsn += 1 + int rand 3;
		my $dice = rand;
		my $key = int rand 4;
		my %event = (lsn => $lsn, key => $key);
		if ($dice < 0.04) { $event{op} = 't' }
		elsif ($dice < 0.22) { $event{op} = 'd' }
		else
		{
			$event{op} = $dice < 0.3 ? 'r' : $dice < 0.55 ? 'c' : 'u';
			my %row = (k => $key, a => 'a' . int(rand 3), b => int(rand 3), c => int(rand 3));
			$row{$_} = undef for grep { rand() < 0.15 } qw(a b c);
			$row{a} = $toast if $event{op} eq 'u' && rand() < 0.3;
			delete $row{b} if rand() < 0.1;
			$event{row} = \%row;
			$event{old} = int rand 4 if $event{op} eq 'u' && rand() < 0.15;
		}
		push @events, \%event;
		# A snapshot read of the key at the position of an event: it comes before.
		if ($event{op} ne 't' && $event{op} ne 'r' && rand() < 0.1)
		{
			splice @events, -1, 0, { lsn => $lsn, key => $key, op => 'r', row => { k => $key, a => 'snap', b => 7, c => 7 } };
		}
	}
	return @events;
}

sub event_json
{
	my ($event) = @_;
	my ($before, $after) = ('null', 'null');
	$after = json($event->{row}) if $event->{row};
	$before = json({ k => $event->{key} }) if $event->{op} eq 'd';
	$before = json({ k => $event->{old} }) if defined $event->{old};
	return "{\"op\": \"$event->{op}\", \"before\": $before, \"after\": $after, \"source\": {\"lsn\": $event->{lsn}}}";
}

# Applies events one after the other.  Returns versions by key: [start, end, row].
sub apply_in_order
{
	my ($events, $untracked, $keep_nulls) = @_;
	my %versions;
	my $end = sub {
		my ($key, $lsn) = @_;
		my $last = $versions{$key}[-1] or return;
		return if defined $last->[1];
		$last->[1] = $lsn;
		pop @{ $versions{$key} } if $last->[0] == $lsn;
	};
	for my $event (@$events)
	{
		if ($event->{op} eq 't') { $end->($_, $event->{lsn}) for keys %versions; next }
		if ($event->{op} eq 'd') { $end->($event->{key}, $event->{lsn}); next }
		$end->($event->{old}, $event->{lsn}) if defined $event->{old} && $event->{old} != $event->{key};
		my $last = $versions{ $event->{key} }[-1];
		$last = undef if $last && defined $last->[1];
		my %row = (k => $event->{key});
		for my $column (qw(a b c))
		{
			my $told = exists $event->{row}{$column};
			my $value = $event->{row}{$column};
			$told = 0 if $told && defined $value && $value eq $toast;
			$told = 0 if $told && !defined $value && $keep_nulls;
			$row{$column} = $told ? $value : $last ? $last->[2]{$column} : undef;
		}
		my $differs = !$last;
		for my $column (grep { $_ ne ($untracked // '') } qw(a b c))
		{
			last if $differs;
			$differs = ($row{$column} // 'NULL') ne ($last->[2]{$column} // 'NULL');
		}
		if ($last && (!$differs || $last->[0] == $event->{lsn})) { $last->[2] = \%row; next }
		$end->($event->{key}, $event->{lsn});
		push @{ $versions{ $event->{key} } }, [ $event->{lsn}, undef, \%row ];
	}
	return \%versions;
}

sub shown
{
	my ($versions, $type) = @_;
	my @lines;
	for my $key (sort keys %$versions)
	{
		for my $version (@{ $versions->{$key} })
		{
			next if $type == 1 && defined $version->[1];
			my ($start, $end, $row) = @$version;
			push @lines, join('|', map { $_ // '' } $key, @{$row}{qw(a b c)}, $type == 2 ? ($start, $end) : ());
		}
	}
	return join("\n", @lines);
}

my %flows = (
	one => { type => 1, arguments => '' },
	two => { type => 2, arguments => ', scd_type => 2' },
	quiet => { type => 2, arguments => ', scd_type => 2, track_history_column_list => \'{a,b}\'', untracked => 'c' },
	sparse => { type => 1, arguments => ', ignore_null_updates => true', keep_nulls => 1 });
my $wrong = 0;
my $applications = 0;
for my $case (1 .. $cases)
{
	my @events = random_stream();
	$events[$_]{place} = $_ for 0 .. $#events;
	my @arrival = (@events, grep { rand() < 0.3 } @events);
	for my $i (reverse 1 .. $#arrival) { my $j = int rand($i + 1); @arrival[ $i, $j ] = @arrival[ $j, $i ] }
	my $script = "CREATE TABLE bronze.e (n bigserial PRIMARY KEY, payload jsonb);\n";
	$script .= "SELECT medallion.enable_versioning('bronze.e');\n" if $case % 4;
	for my $name (sort keys %flows)
	{
		my $period = $flows{$name}{type} == 2 ? ', "__START_AT" bigint, "__END_AT" bigint, PRIMARY KEY (k, "__START_AT")' : ', PRIMARY KEY (k)';
		$script .= "CREATE TABLE silver.$name (k int, a text, b int, c int$period);\n";
		$script .= "SELECT medallion.apply_changes('silver.$name', 'bronze.e', '{k}', format => 'debezium'$flows{$name}{arguments});\n";
	}
	my @expected;
	my %seen;
	while (@arrival)
	{
		my @batch = splice @arrival, 0, 1 + int rand 15;
		$seen{ $_->{place} } = $_ for @batch;
		$script .= "INSERT INTO bronze.e (payload) VALUES " . join(', ', map { "('" . event_json($_) . "')" } @batch) . ";\n";
		my @known = map { $seen{$_} } sort { $a <=> $b } keys %seen;
		for my $name (sort keys %flows)
		{
			my $flow = $flows{$name};
			my $order = $flow->{type} == 2 ? 'k, "__START_AT"' : 'k';
			$script .= "SELECT 1 FROM medallion.apply_changes('silver.$name');\n\\echo ==\nSELECT * FROM silver.$name ORDER BY $order;\n\\echo ==\n";
			push @expected, [ $name, shown(apply_in_order(\@known, $flow->{untracked}, $flow->{keep_nulls}), $flow->{type}) ];
			$applications++;
		}
	}
	$script .= "DROP TABLE bronze.e, " . join(', ', map { "silver.$_" } sort keys %flows) . ";\n";
	my $output = $node->safe_psql('postgres', $script);
	my @parts = split /^==\n?/m, $output, -1;
	for my $i (0 .. $#expected)
	{
		my $found = $parts[ 2 * $i + 1 ] // 'nothing';
		$found =~ s/\n$//;
		next if $found eq $expected[$i][1];
		$wrong++;
		diag("case $case of seed $seed, application $i of $expected[$i][0]: found\n$found\nexpected\n$expected[$i][1]\nevents\n" .
			join("\n", map { event_json($_) } @events)) if $wrong <= 2;
	}
}
is($wrong, 0, "$cases streams, $applications applications: the table is what the events in order make");
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_class WHERE relnamespace = 'medallion_changes'::regnamespace}), '0',
	'no state is left of tables that were dropped');
$node->stop;
done_testing();
