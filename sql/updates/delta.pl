#!/usr/bin/perl
# delta.pl VERSION: prints the statements of sql/NN_*.sql that the released install script of VERSION does not hold, in
# order, as the start of an upgrade script; then, as comments, those of VERSION that are gone.  Run it in the source tree.
use strict;
use warnings;

# Splits SQL text into statements at semicolons outside of comments, quotes and dollar quotes; comments are left out.
sub statements
{
	my ($text) = @_;
	my (@found, $current);
	$current = '';
	while ($text =~ /\G(?:(--[^\n]*|\/\*.*?\*\/)|('(?:[^']|'')*'|"[^"]*"|(\$\w*\$).*?\3)|(;)|(.))/gs)
	{
		if (defined $1) { next; }
		elsif (defined $4) { push @found, $current =~ s/^\s+|\s+$//gr; $current = ''; }
		else { $current .= $2 // $5; }
	}
	return grep { $_ ne '' && !/^\\/ } @found;
}

# Two statements are the same if they differ in white space or in OR REPLACE only.
sub canonical { my ($s) = @_; $s =~ s/^CREATE OR REPLACE /CREATE /; $s =~ s/\s+/ /g; return $s; }

sub slurp { my ($file) = @_; local $/; open(my $in, '<', $file) or die "$file: $!\n"; return scalar <$in>; }

my $version = shift // die "usage: sql/updates/delta.pl VERSION\n";
my @old = statements(slurp("sql/released/medallion--$version.sql") =~ s/^\\.*$//gmr);
my @new = map { statements(slurp($_) =~ s/^\\.*$//gmr) } sort glob('sql/[0-9][0-9]_*.sql');
my %in_old = map { canonical($_) => 1 } @old;
my %in_new = map { canonical($_) => 1 } @new;
print "$_;\n\n" for grep { !$in_old{ canonical($_) } } @new;
print "-- gone or changed since $version: " . (split /\n/, $_)[0] . "\n" for grep { !$in_new{ canonical($_) } } @old;
