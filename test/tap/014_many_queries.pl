# Many queries in one session, also failing, cancelled and lost ones: the
# process does not grow, no descriptor stays open, and nothing of them remains
# on the server.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Switchyard;

my $mongo = Switchyard::Mongod->new;
$mongo->eval(q{
db.t.insert_many([{"_id": i, "n": i, "s": "x" * 200} for i in range(250)])
});
my $console = $mongo->console;
my $node = new_node('main');

# The server fails commands by the client's name.
my $ddl = '';
foreach my $name (qw(good failing dropping slow))
{
	$ddl .= $mongo->server_sql($name, failure_threshold => 1000, failure_rate => 0, connect_timeout => '5s', uri => $mongo->uri("appName=$name"));
	$ddl .= "CREATE FOREIGN TABLE $name (_id bigint, n bigint, s text) SERVER $name OPTIONS (collection 't', fetch_size '100');\n";
}
$node->safe_psql('postgres', $ddl . q{
	CREATE FOREIGN TABLE bad (_id bigint, n bigint, s date) SERVER good OPTIONS (collection 't');
});
my %harm = (
	failing => '["getMore"], "errorCode": 2',
	dropping => '["getMore"], "closeConnection": True',
	slow => '["getMore"], "blockConnection": True, "blockTimeMS": 150');
sub harm
{
	my ($name) = @_;

	$console->eval(qq{client.admin.command("configureFailPoint", "failCommand", mode="alwaysOn", data={"appName": "$name", "failCommands": $harm{$name}})});
	return;
}

# What one round asks; each line is a statement, the second part the SQLSTATE
# that it must end with.
my @round = (
	[ 'SELECT count(n) FROM good', '' ],
	[ 'SELECT s FROM good WHERE _id = 77', '' ],
	[ 'SELECT s FROM good LIMIT 5', '' ],
	[ 'SELECT count(s) FROM bad', '22007|HV004' ],
	[ 'BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(n) FROM good; SELECT s FROM good LIMIT 3; COMMIT', '' ],
	[ 'BEGIN; DECLARE c CURSOR FOR SELECT s FROM good; FETCH 1 FROM c; ROLLBACK', '' ],
	[ 'BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(s) FROM bad', '22007|HV004' ],
	[ 'ROLLBACK', '' ],
	[ 'SELECT count(n) FROM %s', '%s' ],
	[ 'SELECT count(a.n) FROM good a JOIN good b ON a._id = b._id', '' ]);
my %state = (failing => 'HV000', dropping => '08006', slow => '57014');
my $psql = background($node);
my $pid = $psql->query('SELECT pg_backend_pid()');
my $queries = 0;
my @unexpected;

# So many rounds, the harm that server does among them.
sub rounds
{
	my ($count, $name) = @_;
	my @expected;
	my $sql = '';

	harm($name);
	foreach my $one ((@round) x $count)
	{
		my ($query, $states) = @$one;

		$query =~ s/%s/$name/;
		$states =~ s/%s/$state{$name}/;
		$query = "SET statement_timeout = 40; $query; SET statement_timeout = 0" if $states eq '57014';
		$sql .= "$query;\n";
		push @expected, $states if $states;
		$queries++;
	}
	$psql->{stderr} = '';
	$psql->query("SET statement_timeout = 0; \\o /dev/null\n$sql\\o");
	my @states = $psql->{stderr} =~ /ERROR:  (\w{5}):/g;
	foreach my $i (0 .. ($#states > $#expected ? $#states : $#expected))
	{
		push @unexpected, "$name: " . ($states[$i] // 'no error') . ', not ' . ($expected[$i] // 'none')
		  unless defined $states[$i] && defined $expected[$i] && $states[$i] =~ /^(?:$expected[$i])$/;
	}
	$psql->{stderr} = '';
	return;
}

# The backend's memory and descriptors, and the server's view of us.
sub figures
{
	my %figures;

	$psql->query('SELECT count(n) FROM good');
	($figures{rss}) = slurp_file("/proc/$pid/status") =~ /^VmRSS:\s*(\d+)/m;
	# PostgreSQL keeps files of its own open as it likes.
	$figures{fds} = grep { (readlink($_) // '') !~ m{^/.*/(?:base|global|pg_\w+)/} } glob "/proc/$pid/fd/*";
	$figures{contexts} = $psql->query('SELECT sum(total_bytes) FROM pg_backend_memory_contexts') / 1024;
	$figures{connections} = $console->eval('print(len([o for o in client.admin.aggregate([{"$currentOp": {"idleConnections": True}}]) if o.get("appName") in ("good", "failing", "dropping", "slow")]))');
	$figures{sessions} = $console->eval('print(len(list(client.admin.aggregate([{"$listLocalSessions": {"allUsers": True}}]))))');
	note("after $queries queries: " . join(', ', map { "$_ $figures{$_}" } sort keys %figures));
	return %figures;
}

# Warm up, then the same again and again.
my $rounds = $ENV{SY_SOAK} ? 110 : 22;
rounds(10, $_) foreach qw(failing dropping slow);
my %before = figures();
my %after;
foreach my $i (1 .. 3)
{
	rounds($rounds, $_) foreach qw(failing dropping slow);
	%after = figures();
}
is_deeply(\@unexpected, [], 'each query ended as it should');
cmp_ok($queries, '>=', 2000, 'so many were there');
cmp_ok($after{rss} - $before{rss}, '<', 1024, 'the process grew by less than 1 MB');
cmp_ok($after{contexts} - $before{contexts}, '<', 64, 'its memory contexts by less than 64 kB');
is($after{fds}, $before{fds}, 'it has as many descriptors as before');
is($after{connections}, $before{connections}, 'the server has as many connections of ours as before');

# The last failures may still be owed; the end of the session pays.
$psql->quit;
my $remains;
foreach my $try (1 .. 50)
{
	$remains = $mongo->remains;
	last unless $remains;
	sleep 0.1;
}
is($remains, 0, 'no operation or cursor of ours remains');
is($console->eval('print(client.admin.command("serverStatus")["transactions"]["currentOpen"])'), '0', 'and no transaction');
ok(!-e "/proc/$pid", 'the process is gone');
is(scalar(() = glob "/dev/shm/mongoc-$pid*"), 0, 'and left no shared memory');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
