# The property test of versioned tables: for random scripts of statements, time travel to each version equals a copy of
# the table that was taken right after that commit, and the change feed leads from each copy to the next.
#
# PropertyScript.pm makes the scripts, property_oracle.sql takes the copies and compares.  Several sessions run scripts at
# once, each on tables of its own, so every version also has commits of others around it.  A script that fails is made
# smaller and printed.
#
# MEDALLION_PROPERTY_SCRIPTS (240) is how many scripts run, MEDALLION_PROPERTY_SEED the seed of the first one (1),
# MEDALLION_PROPERTY_JOBS (2) how many sessions; MEDALLION_PROPERTY_EPOCH (0) how often transaction ids have wrapped around.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use PropertyScript;

my $scripts = $ENV{MEDALLION_PROPERTY_SCRIPTS} || 240;
my $first = $ENV{MEDALLION_PROPERTY_SEED} || 1;
my $jobs = $ENV{MEDALLION_PROPERTY_JOBS} || 2;
my $batch = 20;
my $smaller_runs = 120;

my $node = PostgreSQL::Test::Cluster->new('property');
$node->init;
$node->append_conf('postgresql.conf', "max_connections = 60\nautovacuum_naptime = 5\nlog_min_messages = panic\nlog_min_error_statement = panic\n");
$node->start;
if ($ENV{MEDALLION_PROPERTY_EPOCH})
{
	$node->stop;
	$node->command_ok([ 'pg_resetwal', '-e', $ENV{MEDALLION_PROPERTY_EPOCH}, '-D', $node->data_dir ], 'transaction ids have wrapped around');
	$node->start;
}
$node->safe_psql('postgres', 'CREATE EXTENSION medallion');
$node->safe_psql('postgres', slurp_file('test/t/property_oracle.sql'));
my $connection = $node->connstr('postgres');

# Runs scripts { seed, schema, entries } in one session; returns what each printed, by seed.
sub run_scripts
{
	my ($name, @scripts) = @_;
	my $base = $node->basedir . "/$name";
	open(my $file, '>', "$base.sql") or die $!;
	print $file "\\set VERBOSITY verbose\n";
	print $file PropertyScript->text($_->{entries}, $_->{schema}, $_->{seed}) for @scripts;
	close $file;
	system("psql -Xqt -d '$connection' -f '$base.sql' >'$base.out' 2>&1");
	my (%said, $seed);
	for my $line (split /\n/, slurp_file("$base.out"))
	{
		if ($line =~ /^\@\@ (\d+)/) { $seed = $1 }
		elsif (defined $seed) { $said{$seed} .= "$line\n" }
	}
	return \%said;
}

# What is wrong with what a script printed; '' if nothing.
sub wrong
{
	my ($said) = @_;
	my @bad = $said =~ /(PROPFAIL.*(?:\n(?:missing|surplus).*)*)/g;
	push @bad, $said =~ /(.*ERROR:  (?:XX\d\d\d|58\w+|53200):.*)/g;
	push @bad, $said =~ /(ERROR: .*\n(?:(?!psql:).*\n)*CONTEXT: .*prop\.(?:snap|verify|clean|peek|try_prune|equals|some_version).*)/g;
	push @bad, 'the script did not come to its end: ' . substr($said, -300) if $said !~ /PROPOK/;
	return join("\n", @bad);
}

# The first line of what is wrong, without what differs between runs: names, numbers and values.
sub kind_of
{
	my ($bad) = @_;
	my ($kind) = $bad =~ /\A(.*)/;
	$kind =~ s/: (missing|surplus).*/: $1/;
	$kind =~ s/p\d+(_\d+)?\.//g;
	$kind =~ s/\b[tm]?\d+\b//g;
	return substr($kind, 0, 60);
}

# Leaves out statements as long as the script still fails in the same way.
sub make_smaller
{
	my ($script, $bad) = @_;
	my @entries = @{ $script->{entries} };
	my ($runs, $size) = (0, int(@entries / 2) || 1);
	while ($runs < $smaller_runs)
	{
		my $removed = 0;
		for (my $at = 0; $at < @entries && $runs < $smaller_runs;)
		{
			my @try = @entries;
			splice(@try, $at, $size);
			my $schema = "$script->{schema}_" . ++$runs;
			my @renamed = map { { %$_, sql => $_->{sql} =~ s/\b\Q$script->{schema}\E\b/$schema/gr } } @try;
			my $said = run_scripts("smaller_$script->{seed}", { %$script, schema => $schema, entries => \@renamed })->{ $script->{seed} } // '';
			my $now = wrong($said);
			if ($now && kind_of($now) eq kind_of($bad)) { @entries = @try; $removed = 1 }
			else { $at += $size }
		}
		last if $size == 1 && !$removed;
		$size = int($size / 2) || 1;
	}
	return { %$script, entries => \@entries };
}

# One session after the other takes a batch of seeds and writes what came out of it.
sub worker
{
	my ($number) = @_;
	open(my $report, '>', $node->basedir . "/worker_$number") or die $!;
	my $failures = 0;
	for (my $start = $first + $number * $batch; $start < $first + $scripts; $start += $jobs * $batch)
	{
		my @todo = map { { seed => $_, schema => "p$_", entries => PropertyScript->generate($_, "p$_") } }
			grep { $_ < $first + $scripts } $start .. $start + $batch - 1;
		my $said = run_scripts("batch_$number", @todo);
		for my $script (@todo)
		{
			my $text = $said->{ $script->{seed} };
			if (!defined $text)		# the server went down under a script before
			{
				$node->poll_query_until('postgres', 'SELECT true');
				$text = run_scripts("batch_$number", $script)->{ $script->{seed} } // '';
			}
			my $bad = wrong($text);
			my ($versions, $copies, $rows) = $text =~ /PROPOK (\d+) (\d+) (\d+)/;
			printf $report "%d %s %d %d %d %d %d\n", $script->{seed}, $bad ? 'bad' : 'good', $versions // 0, $copies // 0, $rows // 0,
				scalar(@{ $script->{entries} }), scalar(() = $text =~ /^psql:.*ERROR:/mg);
			next if !$bad || ++$failures > 4;
			$node->poll_query_until('postgres', 'SELECT true');
			my $small = make_smaller($script, $bad);
			my $schema = "$script->{schema}";
			$said->{again} = run_scripts("again_$number", { %$small, schema => "${schema}_x",
				entries => [ map { { %$_, sql => $_->{sql} =~ s/\b\Q$schema\E\b/${schema}_x/gr } } @{ $small->{entries} } ] })->{ $script->{seed} } // '';
			my $failure = "seed $script->{seed}: $bad\n---- smaller:\n" . PropertyScript->text($small->{entries}, $schema, $script->{seed}) .
				"---- which says:\n" . wrong($said->{again});
			append_to_file($node->basedir . "/failures_$number", "$failure\n\n");
		}
		$report->flush;
	}
	close $report;
}

my @children;
for my $number (0 .. $jobs - 1)
{
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
my $ended = 0;
for my $pid (@children) { waitpid($pid, 0); $ended++ if $? == 0 }
is($ended, $jobs, 'the sessions came to their end');

my ($good, $bad, $versions, $copies, $rows, $entries, $errors) = (0) x 7;
for my $number (0 .. $jobs - 1)
{
	for (split /\n/, slurp_file($node->basedir . "/worker_$number"))
	{
		my ($seed, $outcome, @n) = split;
		$outcome eq 'good' ? $good++ : $bad++;
		$versions += $n[0]; $copies += $n[1]; $rows += $n[2]; $entries += $n[3]; $errors += $n[4];
	}
	diag(slurp_file($node->basedir . "/failures_$number")) if -e $node->basedir . "/failures_$number";
}
diag("$scripts scripts from seed $first: $entries statements and blocks ($errors failed, as meant), $versions versions, " .
	"$copies states of a table compared with their copies ($rows rows)");
is($bad, 0, 'every version is the copy taken at its commit');
is($good, $scripts, 'all scripts ran');
cmp_ok($copies, '>', 5 * $scripts, 'there was enough to compare');
$node->stop;
done_testing();
