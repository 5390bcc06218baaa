# mongodb+srv:// through a resolver of the test's own (Debian's
# libresolv-wrapper and libnss-wrapper, for this PostgreSQL alone): the names
# and options that DNS gives are used, and a look-up that fails is 08001, in
# bounded time.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Switchyard;

my $mongo = Switchyard::Mongod->new(members => 2);
my $tls = Switchyard::Mongod->new(standalone => 1, tls => 1);
my $closed = Switchyard::Mongod->new(standalone => 1, auth => 1);
foreach my $one ($mongo, $tls, $closed)
{
	$one->eval('db.t.insert_many([{"_id": i} for i in range(10)])');
}

# The wrapper delivers the text of TXT records as it stands; a real one begins
# with its length.
sub txt
{
	my ($text) = @_;

	return chr(length $text) . $text;
}

# The records.
my $dir = PostgreSQL::Test::Utils::tempdir();
my ($first, $second) = $mongo->ports;
my $tls_port = $tls->port;
my $closed_port = $closed->port;
append_to_file("$dir/hosts", join '', map { "127.0.0.1 $_\n" }
	  qw(one.set.example.test two.set.example.test localhost.example.test));
append_to_file("$dir/dns", <<"EOT");
SRV _mongodb._tcp.cluster.set.example.test one.set.example.test $first
SRV _mongodb._tcp.cluster.set.example.test two.set.example.test $second
TXT cluster.set.example.test @{[txt('replicaSet=rs0')]}
SRV _mongodb._tcp.badoption.set.example.test one.set.example.test $first
TXT badoption.set.example.test @{[txt('retryWrites=false')]}
SRV _mongodb._tcp.stranger.set.example.test localhost.example.test $first
SRV _mongodb._tcp.tls.set.example.test one.set.example.test $tls_port
SRV _mongodb._tcp.closed.set.example.test one.set.example.test $closed_port
SRV _mongodb._tcp.nohost.set.example.test absent.set.example.test $first
EOT
append_to_file("$dir/silent.conf", 'nameserver ' . ($ENV{SY_SILENT_DNS} // '127.0.0.1') . "\n");

# Start PostgreSQL again with other names.
my $node = new_node('main');
sub resolve_with
{
	my (%environment) = @_;

	local %ENV = (
		%ENV, %environment,
		LD_PRELOAD => 'libresolv_wrapper.so libnss_wrapper.so',
		NSS_WRAPPER_HOSTS => "$dir/hosts");
	$node->restart;
	return;
}
resolve_with(RESOLV_WRAPPER_HOSTS => "$dir/dns");

# A server and a table by URI; returns the table.
my $number = 0;
sub table_at
{
	my ($uri) = @_;
	my $name = 'srv' . ++$number;

	$node->safe_psql('postgres', $mongo->server_sql($name, uri => $uri, failure_threshold => 1000, failure_rate => 0, connect_timeout => '5s')
		  . "CREATE FOREIGN TABLE $name (_id bigint) SERVER $name OPTIONS (collection 't')");
	return $name;
}

# What works.
my $table = table_at('mongodb+srv://cluster.set.example.test/?tls=false');
is($node->safe_psql('postgres', "SELECT count(*) FROM $table"), '10', 'a set found by SRV and TXT');
my $psql = background($node);
is($psql->query("SELECT count(*) FROM $table"), '10', 'a session reads');
$mongo->eval('client.admin.command("replSetStepDown", 60, secondaryCatchUpPeriodSecs=10, force=True)');
is($psql->query("SELECT count(*) FROM $table"), '10', 'and finds the new primary after a step-down');
is($psql->{stderr}, '', 'without an error');
$psql->quit;
my $ca = $tls->dir . '/ca.pem';
$table = table_at("mongodb+srv://tls.set.example.test/?tlsCAFile=$ca&tlsAllowInvalidHostnames=true");
is($node->safe_psql('postgres', "SELECT count(*) FROM $table"), '10', 'TLS is the default of such a URI');
$table = table_at("mongodb+srv://tls.set.example.test/?tlsCAFile=$ca");
like(error_of($node, "SELECT count(*) FROM $table"),
	qr/ERROR:  08001.*certificate|ERROR:  08001.*TLS/s, 'and the certificate must be for the name in the SRV record');
$closed->eval('client.admin.command("createUser", "app", pwd="right", roles=[{"role": "read", "db": "test"}])');
$table = table_at('mongodb+srv://closed.set.example.test/?tls=false&authMechanism=SCRAM-SHA-256&authSource=admin');
$node->safe_psql('postgres', "CREATE USER MAPPING FOR CURRENT_USER SERVER $table OPTIONS (username 'app', password 'right')");
is($node->safe_psql('postgres', "SELECT count(*) FROM $table"), '10', 'a login by a mechanism that the URI names') foreach 1 .. 2;

# What fails: 08001 that names the source and the reason, soon.
sub refused
{
	my ($what, $host, $reason, $ms) = @_;
	my $name = table_at("mongodb+srv://$host/?tls=false");
	my ($took, undef, $error) = timed($node, "SELECT count(*) FROM $name");

	like($error, qr/ERROR:  08001: could not connect to source "$name"/, "$what: 08001");
	like($error, qr/DETAIL:  .*(?:$reason)/, "$what: says why");
	ok($took < promised_ms($ms), "$what: within its bound") or diag("$took ms");
	return;
}
refused('no SRV record', 'absent.set.example.test', 'absent\.set\.example\.test', 1000);
refused('a SRV record for another domain', 'stranger.set.example.test', 'localhost\.example\.test', 1000);
refused('a TXT record with an option it may not set', 'badoption.set.example.test', 'retryWrites', 1000);
refused('a SRV record to a host without address', 'nohost.set.example.test', 'absent\.set\.example\.test', 1000);

# EXPLAIN looks nothing up.
$table = table_at('mongodb+srv://absent.set.example.test/?tls=false');
like($node->safe_psql('postgres', "EXPLAIN (VERBOSE, COSTS OFF) SELECT _id FROM $table"),
	qr/Remote Query/, 'EXPLAIN works without the records');

# A name server that says nothing: README's bound is 1 s for each.
ok($ENV{SY_SILENT_DNS}, 'a silent name server is there (it needs root)');
resolve_with(RESOLV_WRAPPER_CONF => "$dir/silent.conf");
refused('a silent name server', 'cluster.set.example.test', 'cluster\.set\.example\.test', 1000);

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
