# A mongod that has all the connections it allows: it accepts further ones and
# closes them.  While a session that is open works, that is no failure of the
# source, which others use; if none does, who is to know.
use strict;
use warnings;

use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Switchyard;

my $limit = 12;
my $mongo = Switchyard::Mongod->new(connections => $limit);
$mongo->eval('db.t.insert_many([{"_id": i} for i in range(10)])');
my $proxy = Switchyard::Proxy->new($mongo->port);
my $node = new_node('main', preload => 1, conf => "switchyard.probe = off\n");
foreach my $name ('hot', 'unused')
{
	$node->safe_psql('postgres', $mongo->server_sql($name, uri => 'mongodb://127.0.0.1:' . $proxy->port . '/', transactions => 'off', failure_threshold => 3)
		  . "CREATE FOREIGN TABLE $name (_id bigint) SERVER $name OPTIONS (collection 't')");
}

# A set with a further host, where nobody listens.
my $nobody = PostgreSQL::Test::Cluster::get_free_port();
$node->safe_psql('postgres', $mongo->server_sql('pair', uri => 'mongodb://127.0.0.1:' . $mongo->port . ",127.0.0.1:$nobody/?replicaSet=rs0", transactions => 'off', failure_threshold => 3)
	  . q{CREATE FOREIGN TABLE pair (_id bigint) SERVER pair OPTIONS (collection 't')});

# Columns of a source's breaker.
sub breaker { return $node->safe_psql('postgres', "SELECT $_[1] FROM switchyard.breakers WHERE source = '$_[0]'"); }

my $open = background($node);
is($open->query('SELECT count(*) FROM hot') . $open->query('SELECT count(*) FROM hot'), '1010', 'a session is open and works');

is($open->query('SELECT count(*) FROM pair') . $open->query('SELECT count(*) FROM pair'), '1010', 'and one with a set');

# Take all connections that are left: the server closes those beyond.
my @taken = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $mongo->port) // die "no connection: $!" } 1 .. $limit + 5;
my $until = time + 10;
sleep(0.1) while error_of($node, 'SELECT count(*) FROM hot') !~ /ERROR/ && time < $until;

foreach my $n (1 .. 6)
{
	my $error = error_of($node, 'SELECT count(*) FROM hot');

	like($error, qr/ERROR:  53300: could not connect to source "hot".*HINT:.*maxIncomingConnections/s, "new session $n is told of the limit");
	is($open->query('SELECT count(*) FROM hot'), '10', 'the open one goes on') if $n == 3;
}
is(breaker('hot', 'state, failures, errors, last_failure_class'), 'closed|0|0|overload', 'none of it counts');
is($node->safe_psql('postgres', q{SELECT ok, sqlstate, status FROM switchyard.probe('hot')}), 'f|53300|degraded', 'a probe meets the same');
is(breaker('hot', 'state, failures'), 'closed|0', 'and does not count either');
is($node->safe_psql('postgres', q{SELECT count(*) FROM switchyard.events WHERE kind = 'failure'}), '0', 'nor is there an event of a failure');

# A limit does not explain a member that is not there at all.
like(error_of($node, 'SELECT count(*) FROM pair'), qr/ERROR:  08001: could not connect to source "pair"/, 'where another member of a set fails otherwise');
is(breaker('pair', 'state, failures, last_failure_class'), 'closed|1|source', 'that counts');

# Of a source that nobody has a session with, nobody can tell.
like(error_of($node, 'SELECT count(*) FROM unused'), qr/ERROR:  08001: could not connect to source "unused".*HINT:.*maxIncomingConnections/s,
	'without a session that works the source fails') foreach 1 .. 3;
is(breaker('unused', 'state, last_failure_class'), 'open|source', 'and its breaker opens');

# Room again.
close $_ foreach @taken;
$until = time + 10;
sleep(0.1) while error_of($node, 'SELECT count(*) FROM hot') =~ /ERROR/ && time < $until;
is($node->safe_psql('postgres', 'SELECT count(*) FROM hot'), '10', 'when there is room, new sessions work');

# The same from a proxy whose server is gone: it closes what is open, too, and
# that is a failure, though another connection is tried at once.
$open->query('SELECT count(*) FROM hot');
$mongo->kill('KILL');
$open->{stderr} = '';
$open->query('SELECT count(*) FROM hot');
like($open->{stderr}, qr/ERROR:  08001/, 'a session that is lost and cannot be replaced fails');
is(breaker('hot', 'failures, last_failure_class'), '1|source', 'which counts');
like(error_of($node, 'SELECT count(*) FROM hot'), qr/ERROR:  08001/, 'and so does a new one from then on');
is(breaker('hot', 'failures, last_failure_class'), '2|source', 'which counts as well');

$open->quit;
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
