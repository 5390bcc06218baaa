=head1 NAME

Switchyard::Watch - wait for what the prober finds out

=cut

package Switchyard::Watch;

use strict;
use warnings;

use Exporter qw(import);
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(becomes status_sql);

# Wait until a query is true, 30 s at most; returns the milliseconds it took,
# and fails the test if it never is.
sub becomes
{
	my ($node, $sql, $name, %options) = @_;
	my $began = time;
	my $limit = $options{limit} // 30;
	my $database = $options{database} // 'postgres';

	while (time - $began < $limit)
	{
		my ($rc, $out) = $node->psql($database, "SELECT coalesce(($sql), false)", on_error_die => 0);
		if ($rc == 0 && $out eq 't')
		{
			pass($name);
			return (time - $began) * 1000;
		}
		sleep(0.05);
	}
	fail("$name: not within $limit s");
	diag($node->safe_psql($database, 'SELECT * FROM switchyard.sources'));
	return $limit * 1000;
}

# Whether the sources all have this status.
sub status_sql
{
	my ($status, @sources) = @_;
	my $list = join ', ', map { "'$_'" } @sources;

	return "SELECT bool_and(status = '$status') AND count(*) = " . scalar(@sources)
	  . " FROM switchyard.sources WHERE source IN ($list)";
}

1;
