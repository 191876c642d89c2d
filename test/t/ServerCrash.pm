# ServerCrash.pm: ends servers and processes of theirs as a crash would, and comes back when that has happened.
package ServerCrash;
use strict;
use warnings;
use Exporter 'import';
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(kill_server kill_process);

# The state of a process by one letter, as ps shows it; '' when it is gone.
sub process_state
{
	my ($pid) = @_;
	open(my $file, '<', "/proc/$pid/stat") or return '';
	return (<$file> // '') =~ /\) (\w)/ ? $1 : '';
}

sub wait_while
{
	my ($condition, $what) = @_;
	my $until = time + $PostgreSQL::Test::Utils::timeout_default;
	while ($condition->())
	{
		die "$what" if time > $until;
		sleep 0.02;
	}
}

# As in a crash of the machine: all processes of the server end at once.  The postmaster is stopped first, so that none is
# started meanwhile, then its children: one that saw it die would log that, one that is busy would go on without it and
# hold the shared memory.  While the killed postmaster is a zombie, its pid file counts.
sub kill_server
{
	my ($node) = @_;
	my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	kill 'STOP', $postmaster;
	wait_while(sub { process_state($postmaster) !~ /^[TZ]?$/ }, "postmaster $postmaster was never stopped");
	my @children = split ' ', `ps -o pid= --ppid $postmaster`;
	kill 'STOP', @children;
	kill 'KILL', @children, $postmaster;
	wait_while(sub { grep { process_state($_) !~ /^Z?$/ } @children }, "processes of killed postmaster $postmaster never ended");
	wait_while(sub { kill 0, $postmaster }, "killed postmaster $postmaster was never reaped");
	$node->{_pid} = undef;
	return;
}

# kill -9 of one process, upon which the server starts all anew (restart_after_crash must be on).  False if it was gone.
sub kill_process
{
	my ($node, $pid) = @_;
	my $log_size = -s $node->logfile;
	return 0 unless $pid && kill 'KILL', $pid;
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $log_size);
	# psql that cannot connect ends without reading its input, which would be a broken pipe: so no input.
	my @ask = ('psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'SELECT true');
	wait_while(sub { !IPC::Run::run(\@ask, '>', \my $out, '2>', \my $err) }, 'the server did not come back');
	return 1;
}

1;
