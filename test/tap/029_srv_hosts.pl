# mongodb+srv:// while the prober watches: it looks the name up, and all others
# connect to what it has found without asking a name server.  Names are looked
# up in a file of the test's (see 010_srv.pl), which comes and goes.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Switchyard;
use Switchyard::Watch;

my $mongo = Switchyard::Mongod->new(members => 2, auth => 1);
my $tls = Switchyard::Mongod->new(standalone => 1, tls => 1);
$mongo->eval(q{
client.test.command("createUser", "app", pwd="plant3d secret", roles=["read"])
db.t.insert_many([{"_id": i} for i in range(10)])
});
$tls->eval('db.t.insert_many([{"_id": i} for i in range(20)])');

# Names and ports.
my $dir = PostgreSQL::Test::Utils::tempdir();
my @proxies = map { Switchyard::Proxy->new($tls->port) } 1 .. 2;
append_to_file("$dir/hosts", "127.0.0.1 one.set.example.test\n127.0.0.1 two.set.example.test\n");
append_to_file("$dir/dns", '');

# Write the records: name => ports, and a text of the set's.
sub records
{
	my (%ports) = @_;
	my $text = 'replicaSet=rs0&authSource=test';
	my $dns = '';

	foreach my $name (sort keys %ports)
	{
		my @hosts = ('one', 'two');

		$dns .= "SRV _mongodb._tcp.$name.set.example.test " . shift(@hosts) . ".set.example.test $_\n" foreach @{ $ports{$name} };
		$dns .= "TXT $name.set.example.test " . chr(length $text) . "$text\n" if $name eq 'cluster';
	}
	open(my $file, '>', "$dir/dns.new") or die $!;
	print $file $dns;
	close $file;
	rename "$dir/dns.new", "$dir/dns" or die $!;
	return;
}

my $node = new_node('main', preload => 1);
{
	local %ENV = (
		%ENV,
		LD_PRELOAD => 'libresolv_wrapper.so libnss_wrapper.so',
		NSS_WRAPPER_HOSTS => "$dir/hosts",
		RESOLV_WRAPPER_HOSTS => "$dir/dns");
	$node->restart;
}

sub uri
{
	my ($name, $options) = @_;

	return "mongodb+srv://$name.set.example.test/$options";
}

my $ca = $tls->dir . '/ca.pem';
my $with_tls = "?tlsCAFile=$ca&tlsAllowInvalidHostnames=true";
my %fast = (database => 'test', connect_timeout => '5s', failure_threshold => 1000, failure_rate => 0);
records(cluster => [ $mongo->ports ], tls => [ $proxies[0]->port ], other => [ $proxies[1]->port ]);
$node->safe_psql('postgres', join '',
	$mongo->server_sql('cluster', %fast, uri => uri('cluster', '?tls=false'), probe_interval => '500ms'),
	$tls->server_sql('secure', %fast, uri => uri('tls', $with_tls), probe_interval => '20s'),
	q{CREATE USER MAPPING FOR PUBLIC SERVER cluster OPTIONS (username 'app', password 'plant3d secret');
	CREATE FOREIGN TABLE cluster (_id bigint) SERVER cluster OPTIONS (collection 't');
	CREATE FOREIGN TABLE secure (_id bigint) SERVER secure OPTIONS (collection 't')});
becomes($node, status_sql('ok', 'cluster', 'secure'), 'the prober finds the servers by their names');

# Without an answer from any name server.
records();
is($node->safe_psql('postgres', 'SELECT count(*) FROM cluster'), '10', 'a new session knows the hosts, the set, and who knows the user');
is($node->safe_psql('postgres', 'SELECT count(*) FROM secure'), '20', 'and that TLS is the default of such a URI');
is($node->safe_psql('postgres', q{SELECT endpoint FROM switchyard.sources WHERE source = 'cluster'}), 'cluster.set.example.test',
	'what is shown is the name');
my $psql = background($node);
is($psql->query('SELECT count(*) FROM cluster'), '10', 'a session reads');
$mongo->eval('client.admin.command("replSetStepDown", 60, secondaryCatchUpPeriodSecs=10, force=True)');
is($psql->query('SELECT count(*) FROM cluster'), '10', 'and finds the new primary');
is($psql->{stderr}, '', 'without an error');
$psql->quit;
becomes($node, status_sql('ok', 'cluster'), 'the prober as well');

# The hosts are another name's.
my $unknown = qr/ERROR:  08001.*DETAIL:  .*set\.example\.test/s;
$node->safe_psql('postgres', "ALTER SERVER secure OPTIONS (SET uri '" . uri('other', $with_tls) . "')");
like(error_of($node, 'SELECT count(*) FROM secure'), $unknown, 'another name is looked up');
$node->safe_psql('postgres', "ALTER SERVER secure OPTIONS (SET uri '" . uri('tls', $with_tls) . "')");
is($node->safe_psql('postgres', 'SELECT count(*) FROM secure'), '20', 'the former is known');

# The hosts have moved, and nobody has probed the new ones yet.
records(tls => [ $proxies[1]->port ]);
$proxies[0]->command('refuse');
$proxies[1]->command('reset');
my $late = background($node);
is($late->query('SELECT count(*) FROM secure'), '20', 'who cannot reach the hosts looks the name up');
cmp_ok($proxies[1]->stat('connections'), '>', 0, 'and finds the new ones');

# It does so once: when they are there again it needs no name server.
records();
$proxies[0]->command('accept');
$proxies[1]->command('stall');
$late->query("SET statement_timeout = '300ms';\nSELECT count(*) FROM secure;\nRESET statement_timeout");
like($late->{stderr}, qr/57014/, 'its connection is given up');
$proxies[1]->command('pass');
$late->{stderr} = '';
is($late->query('SELECT count(*) FROM secure') . $late->{stderr}, '20', 'then it takes the hosts that are known');
$late->quit;

# What a probe found out is not relied on for ever.
is($node->safe_psql('postgres', 'SELECT count(*) FROM cluster'), '10', 'while there are probes, hosts are known');
$node->append_conf('postgresql.conf', "switchyard.probe = off\n");
$node->reload;
becomes($node, q{SELECT status = 'unknown' FROM switchyard.sources WHERE source = 'cluster'}, 'three intervals after the last one');
like(error_of($node, 'SELECT count(*) FROM cluster'), $unknown, 'they are not');

unlike(slurp_file($node->logfile), qr/plant3d|terminated by signal|PANIC/, 'no password in the log, and nothing crashed');
$node->stop;
done_testing();
