#!/usr/bin/perl
# rule_size.pl: a file of more than 1200 lines has a second job, and a function of more than 120 has steps to name.
use strict;
use warnings;
my ($max_file, $max_function) = (1200, 120);
my $bad = 0;
chdir($ARGV[0] // '.') or die "$ARGV[0]: $!\n";
my @files = grep { -e } glob('src/*.[ch] src/*/*.[ch] test/unit/*.[ch] test/*.sh test/*/*.sh test/*/*.pl test/*/*.py sql/*.sql Makefile');

for my $file (@files)
{
	open(my $in, '<', $file) or die "$file: $!\n";
	my ($start, $name, $previous) = (0, '', '');
	while (my $text = <$in>)
	{
		# PostgreSQL's layout: the body is between a brace in the first column and the next one
		if (!$start && $file =~ /\.[ch]$/ && $text =~ /^(?:\{|[A-Za-z_].*\)\s*\{)\s*$/)
		{
			my $heading = $text =~ /^\{/ ? $previous : $text;
			($start, $name) = ($., $heading =~ /(\w+)\s*\(/ ? $1 : '');
		}
		elsif ($start && $text =~ /^\}/)
		{
			my $lines = $. - $start + 1;
			if ($name && $lines > $max_function)
			{
				print "$file:$start: function $name has $lines lines, more than $max_function\n";
				$bad = 1;
			}
			$start = 0;
		}
		# the line that holds the function's name may be followed by lines of arguments
		$previous = $text if $text =~ /^[A-Za-z_]\w*.*\(/ || $text =~ /^\s*$/;
	}
	if ($. > $max_file) { print "$file:$.: the file has $. lines, more than $max_file\n"; $bad = 1; }
}
exit $bad;
