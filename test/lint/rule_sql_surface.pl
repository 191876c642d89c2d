#!/usr/bin/perl
# rule_sql_surface.pl: what the install script shows to users.  Every public function, aggregate and view has a COMMENT;
# no argument bears a name that SQL reserves (f(limit => 1) is a syntax error); every function says how volatile it is,
# and the others than VOLATILE ones whether they are safe in parallel plans.  No PL/pgSQL.
use strict;
use warnings;
my %reserved = map { $_ => 1 } qw(table column limit from to into timestamp values);
my $bad = 0;
chdir($ARGV[0] // '.') or die "$ARGV[0]: $!\n";
my (%created, %commented);

sub complain { my ($file, $line, $what) = @_; print "$file:$line: $what\n"; $bad = 1; }

# The text between the parenthesis at $open and its partner.
sub in_parentheses
{
	my ($text, $open) = @_;
	my $depth = 0;
	for my $i ($open .. length($text) - 1)
	{
		my $c = substr($text, $i, 1);
		$depth++ if $c eq '(';
		return substr($text, $open + 1, $i - $open - 1) if $c eq ')' && --$depth == 0;
	}
	return '';
}

for my $file (glob('sql/[0-9]*.sql'))
{
	local $/;
	open(my $in, '<', $file) or die "$file: $!\n";
	my $text = <$in>;
	$text =~ s{/\*.*?\*/}{ (my $t = $&) =~ s/[^\n]/ /g; $t }gse;
	$text =~ s{--[^\n]*}{ ' ' x length($&) }ge;
	my $line = sub { 1 + (substr($text, 0, $_[0]) =~ tr/\n//) };

	complain($file, $line->($-[0]), 'PL/pgSQL is not shipped: logic is C') while $text =~ /\bplpgsql\b|^\s*DO\s+(?:LANGUAGE|\$)/gim;
	while ($text =~ /\bCREATE\s+(?:OR\s+REPLACE\s+)?(FUNCTION|AGGREGATE|VIEW|PROCEDURE)\s+(?:(\w+)\.)?(\w+)/gi)
	{
		my ($kind, $schema, $name, $at, $end) = (uc $1, $2 // '', $3, $-[0], $+[0]);
		complain($file, $line->($at), lc($kind) . " $name is created without a schema") if $schema eq '';
		push @{ $created{"$kind $name"} }, [ $file, $line->($at) ] if $schema eq 'medallion' && $name !~ /^_/;
		next if $kind eq 'VIEW';
		my $arguments = in_parentheses($text, $end + index(substr($text, $end), '('));
		1 while $arguments =~ s/\([^()]*\)//g;
		for my $argument (split /,/, $arguments)
		{
			my ($word) = $argument =~ /^\s*(?:(?:IN|OUT|INOUT|VARIADIC)\s+)?"?(\w+)"?\s+\S/i or next;
			complain($file, $line->($at), "function $name has an argument named $word, which SQL reserves") if $reserved{ lc $word };
		}
		my ($rest) = substr($text, $end) =~ /^(.*?;)/s;
		complain($file, $line->($at), "function $name is not VOLATILE and does not say PARALLEL SAFE, RESTRICTED or UNSAFE")
		  if $kind eq 'FUNCTION' && ($rest // '') =~ /\b(?:IMMUTABLE|STABLE)\b/i && $rest !~ /\bPARALLEL\s/i;
		complain($file, $line->($at), "function $name does not say whether it is IMMUTABLE, STABLE or VOLATILE")
		  if $kind eq 'FUNCTION' && ($rest // '') !~ /\b(?:IMMUTABLE|STABLE|VOLATILE)\b/i;
	}
	$commented{ uc($1) . " $2" }++ while $text =~ /\bCOMMENT\s+ON\s+(\w+)\s+medallion\.(\w+)/gi;
}
for my $what (sort keys %created)
{
	my @places = @{ $created{$what} };
	next if ($commented{$what} // 0) >= @places;
	complain($places[-1][0], $places[-1][1], lc((split / /, $what)[0]) . ' medallion.' . (split / /, $what)[1] . ' has no COMMENT ON');
}
exit $bad;
