# Random values in SQLite files and MongoDB collections, read through columns of
# every type: the value or an error, never a crash; see test/hostile.  make soak
# runs it at length, make check-sanitize in servers that watch themselves.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Switchyard;

my $soak = $ENV{SY_SOAK};
my $seconds = $soak ? $ENV{SECONDS_EACH} // 600 : 8;
my $seed = $ENV{SEED} // ($soak ? time : 20250101);
my $mongo = Switchyard::Mongod->new(standalone => 1);
my $node = new_node('main');
my $dsn = 'host=' . $node->host . ' port=' . $node->port . ' dbname=postgres';
my $folder = PostgreSQL::Test::Utils::tempdir();
chmod 0755, $folder;

my %programs = ('cells.py' => "$folder/f.db", 'documents.py' => $mongo->port);
foreach my $program (sort keys %programs)
{
	my $report = eval { python('', "$Switchyard::TEST_DIR/hostile/$program", $dsn, $programs{$program}, $seconds, $seed) };

	ok(defined $report, "$program for $seconds s (seed $seed): the value or an error") or diag($@);
	note $report // '';
}

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
