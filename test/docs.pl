#!/usr/bin/perl
# docs.pl: the examples, pictures and tables of parameters of documentation pages are what the server prints.
#
#   test/docs.pl check  PAGE…    runs the ```sql blocks of each page in a fresh database of its own, compares what they print
#                                with the block that follows each, its picture, and the tables of parameters; fails if they differ
#   test/docs.pl update PAGE…    writes what was printed into the page
#   test/docs.pl parameters PAGE…  fails if the pages together have no table of parameters of some algorithm
#
# It connects as psql does (PGHOST, PGPORT, PGUSER) and is run from the root of the source tree.
#
# A ```sql block and, straight after it, a block without a language: its output, as psql -q prints it without footers.  An
# image of plots/ below it, ![…](plots/x.svg), is what the block's last statement, a call of medallion.plot, gives with
# format => 'svg' in place of its width and height.  A table below <!-- parameters: a, b --> has a row for each
# parameter of the algorithms a and b in medallion.algorithms: name, type and range, default; the meaning is the page's own.
# `calibration` stands for the two parameters that all learners of classes share, which no other table has.
use strict;
use warnings;
use utf8;
use open qw(:std :encoding(UTF-8));
use Encode ();
my $mode = shift @ARGV // '';
die "usage: test/docs.pl check|update|parameters PAGE…\n" unless $mode =~ /^(check|update|parameters)$/ && @ARGV;
my $database = 'medallion_docs_' . $$;
my ($status, %told) = (0);

sub slurp { my ($file) = @_; local $/; open(my $in, '<', $file) or die "$file: $!\n"; return scalar(<$in>) // ''; }

sub spill { my ($file, $text) = @_; open(my $out, '>', $file) or die "$file: $!\n"; print $out $text; close $out; }

# What psql prints, errors and notices included, for a script.
sub psql
{
	my ($script, @options) = @_;
	my $file = "/tmp/$database.sql";
	spill($file, $script);
	open(my $run, '-|', "PGOPTIONS='-c datestyle=ISO -c timezone=UTC' psql -X -q @options <$file 2>&1") or die "psql: $!\n";
	my $printed = do { local $/; <$run> } // '';
	close $run;
	unlink $file;
	return $printed;
}

# The last statement of a block with its plot as a picture: `format => 'svg'` instead of width and height.
sub svg_statement
{
	my ($sql) = @_;
	my ($last) = $sql =~ /((?:^|;\s*\n)(?!.*;\s*\n\s*\S).*)\z/s or return;
	$last =~ s/^;\s*\n//;
	my $at = index($last, 'medallion.plot(');
	return if $at < 0;
	my ($i, $depth, $quoted) = ($at + length('medallion.plot'), 0, 0);
	for (; $i < length $last; $i++)
	{
		my $c = substr($last, $i, 1);
		$quoted = !$quoted if $c eq "'";
		next if $quoted;
		$depth++ if $c eq '(';
		last if $c eq ')' && --$depth == 0;
	}
	my $call = substr($last, $at, $i - $at);
	$call =~ s/,\s*(?:width|height) => \d+//g;
	substr($last, $at, $i - $at) = "$call, format => 'svg'";
	$last =~ s/;\s*\z//;
	return $last;
}

sub complain
{
	my ($page, $line, $what) = @_;
	print "$page:$line: $what\n";
	$status = 1;
}

# ---- parameters ------------------------------------------------------------------------------------------------------

# algorithm => [ [parameter, type and range, default, description] … ], as a page writes them.
sub read_parameters
{
	my %of;
	for (split /\n/, psql('SELECT algorithm, parameter, type, default_value, minimum, maximum, description FROM medallion.algorithms', "-At -F '\t' -d $database"))
	{
		my ($algorithm, $name, $type, $default, $low, $high, $meaning) = split /\t/;
		my @values = $meaning =~ s/ Values: (.*)\.$// ? split(/, /, $1) : ();
		my $open = $meaning =~ s/ The minimum itself is not allowed\.// ? 1 : 0;
		$_ =~ s/e([+-])0?/$1 eq '-' ? 'e-' : 'e'/e for $low, $high, $default;
		$high =~ s/^1(0{6,})$/'1e' . length($1)/e;
		my $range = !length $low ? '' : !length $high ? ($open ? ' above ' : ' from ') . $low
		  : $open ? " above $low, to $high" : ", $low to $high";
		my $kind = $type eq 'text' && !@values ? 'name of a column' : $type eq 'text' ? join(', ', map { "`$_`" } @values)
		  : join(', ', $type . $range, map { "`$_`" } grep { $_ ne 'a number' } @values);
		$default = 'none' if $type eq 'text' && !@values;
		$default = "`$default`" if $type eq 'text' && @values || $default =~ /^[a-z]+$/ && $type eq 'number';
		push @{ $of{$algorithm} }, [ $name, $kind, $default, $meaning ] unless $name =~ /^calibration/ && $algorithm ne 'logistic';
		push @{ $of{calibration} }, pop @{ $of{logistic} } if $name =~ /^calibration/ && $algorithm eq 'logistic';
	}
	return \%of;
}

# The rows of a table: parameters of several algorithms that agree are one row, others say whose they are.
sub parameter_rows
{
	my ($of, $page, $line, @algorithms) = @_;
	my (@rows, %seen);
	for my $algorithm (@algorithms)
	{
		complain($page, $line, "medallion.algorithms has no algorithm $algorithm") unless $of->{$algorithm};
		$told{$algorithm} = 1;
		for (@{ $of->{$algorithm} })
		{
			my ($name, $kind, $default, $meaning) = @$_;
			if (my $row = $seen{$name}{"$kind|$default"}) { push @{ $row->{of} }, $algorithm; next; }
			push @rows, $seen{$name}{"$kind|$default"} = { name => $name, kind => $kind, default => $default, meaning => $meaning, of => [$algorithm] };
		}
	}
	for (@rows)
	{
		my $whose = @{ $_->{of} } == @algorithms ? '' : ' (' . join(', ', @{ $_->{of} }) . ')';
		$_->{cell} = "`$_->{name}`$whose";
	}
	return @rows;
}

# A page with its tables of parameters made anew; the meanings stay.
sub tables
{
	my ($text, $page, $of) = @_;
	$text =~ s{(<!-- parameters: (.*?) -->\n)\n?((?:\|.*\n)*)}{
		my ($marker, $names, $table, $line) = ($1, $2, $3, 1 + (substr($text, 0, $-[0]) =~ tr/\n//));
		my %meaning = map { /^\| (\S+ ?(?:\(.*?\))?) \|.*\| (.*?) \|$/ ? ($1 => $2) : () } split /\n/, $table;
		$marker . "\n| parameter | type, range | default | meaning |\n|---|---|---|---|\n" . join('',
			map { "| $_->{cell} | $_->{kind} | $_->{default} | " . ($meaning{ $_->{cell} } // $_->{meaning}) . " |\n" }
			  parameter_rows($of, $page, $line, split /,\s*/, $names));
	}ge;
	return $text;
}

# ---- pages -----------------------------------------------------------------------------------------------------------

# Runs the blocks of a page and returns it with what they printed.  Pictures are written, or compared.
sub run_page
{
	my ($page, $text) = @_;
	my ($script, $n, @pictures) = ("\\pset footer off\n", 0);
	my $block = qr/^```sql\n(.*?)^```\n(?:(?:\n?)^```\n(.*?)^```\n)?(?:\n?!\[[^\]]*\]\((plots\/[\w.]+\.svg)\)\n)?/ms;
	while ($text =~ /$block/g)
	{
		my ($sql, $picture) = ($1, $3);
		$script .= "\\echo \x01$n\n$sql;\n" =~ s/;\s*;\n\z/;\n/r =~ s/^(\\.*);\n\z/$1\n/mr;
		if ($picture)
		{
			my $drawn = svg_statement($sql);
			complain($page, 1, "$picture does not stand below a call of medallion.plot") unless $drawn;
			push @pictures, $picture;
			$script .= "\\echo \x01picture\n$drawn\n\\g (format=unaligned tuples_only=on) /tmp/$database.$#pictures.svg\n" if $drawn;
		}
		$n++;
	}
	my @printed = grep { !/^picture\n\z/ } split /\x01/, psql($script, "-d $database");
	my $before = shift @printed;
	complain($page, 1, "printed before its first block: $before") if $before =~ /\S/;
	for (grep { /^picture/ } @printed) { complain($page, 1, "a picture: $_"); }
	@printed = grep { !/^picture/ } @printed;
	my $i = 0;
	$text =~ s{$block}{
		my ($all, $sql, $old, $picture) = ($&, $1, $2, $3);
		my $new = ($printed[$i++] // "0\n(psql ended)\n") =~ s/^\d+\n//r =~ s/[ \t]+$//mgr =~ s/\n+\z/\n/r;
		my ($tail) = $picture ? $all =~ /(!\[[^\]]*\]\([^)]*\)\n)\z/ : ('');
		"```sql\n$sql```\n" . ($new =~ /\S/ ? "```\n$new```\n" : '') . ($tail ? "\n$tail" : '');
	}ge;
	for my $k (0 .. $#pictures)
	{
		my ($file, $new) = ("docs/$pictures[$k]", slurp("/tmp/$database.$k.svg"));
		unlink "/tmp/$database.$k.svg";
		if ($mode eq 'update') { spill($file, $new); }
		elsif (!-e $file || slurp($file) ne $new) { complain($file, 1, "is not what $page draws"); }
	}
	return $text;
}

sub report_difference
{
	my ($page, $old, $new) = @_;
	spill("/tmp/$database.old", $old);
	spill("/tmp/$database.new", $new);
	open(my $run, '-|', "diff -U2 --label $page --label 'what the server says' /tmp/$database.old /tmp/$database.new") or die;
	print <$run>;
	close $run;
	unlink "/tmp/$database.old", "/tmp/$database.new";
	$status = 1;
}

sub create_database
{
	my $trouble = psql("CREATE DATABASE $database TEMPLATE template0 ENCODING 'UTF8';", '-d postgres');
	$trouble ||= psql('CREATE EXTENSION medallion;', "-d $database");
	die $trouble if $trouble;
}

my $of;
for my $page ($mode eq 'parameters' ? () : @ARGV)
{
	my $old = slurp($page);
	create_database();
	$of //= read_parameters();
	my $new = run_page($page, tables($old, $page, $of));
	print psql("DROP DATABASE $database;", '-d postgres');
	next if $new eq $old =~ s/[ \t]+$//mgr;
	if ($mode eq 'update') { spill($page, $new); print "$page: written\n"; }
	else { report_difference($page, $old, $new); }
}
if ($mode eq 'parameters')
{
	create_database();
	$of = read_parameters();
	print psql("DROP DATABASE $database;", '-d postgres');
	tables(slurp($_), $_, $of) for @ARGV;
	complain('docs', 1, "no page has a table of the parameters of $_") for grep { !$told{$_} } sort keys %$of;
}
exit $status;
