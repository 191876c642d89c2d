#!/usr/bin/perl
# rule_includes.pl: who may include whom.  A folder of src/ includes only what stands to its right in @order; src/ml
# includes nothing of ours and is included by train, predict, registry and monitor; a private header (*_int.h) stays in
# its folder.
use strict;
use warnings;
my @order = qw(worker monitor predict train feature registry pipeline lake versioning base);
my %rank = map { $order[$_] => $_ } 0 .. $#order;
my %may_include_ml = map { $_ => 1 } qw(ml train predict registry monitor);
my %entry = ('medallion_ml' => { map { $_ => 1 } qw(train predict base) }, 'medallion_lake' => { lake => 1, base => 1 });
my $bad = 0;
chdir($ARGV[0] // '.') or die "$ARGV[0]: $!\n";

sub complain { my ($file, $line, $what) = @_; print "$file:$line: $what\n"; $bad = 1; }

for my $file (glob('src/*.[ch] src/*/*.[ch]'))
{
	my ($folder) = $file =~ m{^src/(\w+)/};
	my ($stem) = $file =~ m{([^/]+)\.[ch]$};
	complain($file, 1, "src/$folder is not a folder of the design; add it to the order in test/lint/rule_includes.pl")
	  if defined $folder && $folder ne 'ml' && !exists $rank{$folder};
	open(my $in, '<', $file) or die "$file: $!\n";
	while (my $text = <$in>)
	{
		my ($target, $header) = $text =~ m{^\s*#\s*include\s+"(\w+)/([\w.]+)"} or next;
		next unless -d "src/$target";
		if (!defined $folder)
		{
			complain($file, $., "$stem.c may not include $target/$header: that folder is not in its library")
			  if $entry{$stem} && !$entry{$stem}{$target};
		}
		elsif ($target eq 'ml')
		{
			complain($file, $., "src/$folder may not include ml/$header (train, predict, registry and monitor may)")
			  unless $may_include_ml{$folder};
		}
		elsif ($folder eq 'ml')
		{
			complain($file, $., "src/ml may not include $target/$header: numeric code knows no PostgreSQL");
		}
		elsif ($target ne $folder && $rank{$target} <= ($rank{$folder} // 99))
		{
			complain($file, $., "src/$folder may not include $target/$header: $target stands above it (@order)");
		}
		complain($file, $., "$target/$header is private to src/$target")
		  if $header =~ /_int\.h$/ && $target ne ($folder // '');
	}
}
exit $bad;
