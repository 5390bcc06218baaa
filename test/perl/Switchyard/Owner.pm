=head1 NAME

Switchyard::Owner - another operating system user, for files that are not ours

=head1 SYNOPSIS

	my $owner = Switchyard::Owner->new;
	print $owner->eval('print(1 + 1)');

=cut

package Switchyard::Owner;

use strict;
use warnings;

use IO::Socket::UNIX;
use JSON::PP;

# Another operating system user, in a process of its own: see owner.py.
sub new
{
	my ($class) = @_;
	my $socket = IO::Socket::UNIX->new(Peer => "$ENV{SY_OWNERS}/socket") or die "no other user: $!";

	return bless { socket => $socket }, $class;
}

# Run Python; returns what it prints.  An error ends the test.
sub eval
{
	my ($self, $program) = @_;
	my $socket = $self->{socket};

	print $socket JSON::PP->new->ascii->allow_nonref->encode($program), "\n";
	my $line = <$socket> // die 'the other user has left';
	my $answer = decode_json($line);
	die "the other user: $answer->{error}" if defined $answer->{error};
	return $answer->{out};
}

1;
