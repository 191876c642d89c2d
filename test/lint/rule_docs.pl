#!/usr/bin/perl
# rule_docs.pl: relative links between pages lead somewhere; docs/README.md lists every page of docs/; every picture of
# docs/plots is shown by a page and smaller than 60 kB; and every public function, aggregate and view of the install
# script is named in a page of docs/ (architecture.md does not count).
use strict;
use warnings;
my $bad = 0;
chdir($ARGV[0] // '.') or die "$ARGV[0]: $!\n";
sub complain { my ($file, $line, $what) = @_; print "$file:$line: $what\n"; $bad = 1; }
sub slurp { my ($file) = @_; local $/; open(my $in, '<', $file) or die "$file: $!\n"; return scalar <$in>; }

for my $page (grep { -e } 'README.md', 'CHANGELOG.md', glob('docs/*.md docs/*/*.md test/*.md sql/*/*.md src/*.md src/*/*.md'))
{
	my ($folder) = $page =~ m{^(.*/)};
	open(my $in, '<', $page) or die "$page: $!\n";
	while (my $text = <$in>)
	{
		while ($text =~ /\]\(([^)\s#]+)(?:#[^)]*)?\)/g)
		{
			my $target = $1;
			complain($page, $., "links to $target, which is not there")
			  unless $target =~ /^[a-z]+:/ || -e ($folder // '') . $target;
		}
	}
}
if (-e 'docs/README.md')
{
	my $index = slurp('docs/README.md');
	for my $page (glob('docs/*.md'))
	{
		my ($name) = $page =~ m{([^/]+)$};
		complain('docs/README.md', 1, "does not list $name") unless $name eq 'README.md' || $index =~ /\]\(\Q$name\E\)/;
	}
}
my $pages = join("\n", map { slurp($_) } grep { $_ !~ /architecture\.md$/ } glob('docs/*.md'));
for my $picture (glob('docs/plots/*'))
{
	my ($name) = $picture =~ m{^docs/(.*)};
	complain($picture, 1, 'is shown by no page') unless $pages =~ /\]\(\Q$name\E\)/;
	complain($picture, 1, 'is larger than 60 kB') if -s $picture > 60 * 1024;
}
for my $file (glob('sql/[0-9]*.sql'))
{
	open(my $in, '<', $file) or die "$file: $!\n";
	my %told;
	while (my $text = <$in>)
	{
		next unless $text =~ /^CREATE\s+(?:OR\s+REPLACE\s+)?(FUNCTION|AGGREGATE|VIEW)\s+medallion\.([a-z]\w*)/i;
		my ($kind, $name) = (lc $1, $2);
		complain($file, $., "$kind medallion.$name is named in no page of docs/") unless $told{$name}++ || $pages =~ /\b\Q$name\E\b/;
	}
}
exit $bad;
