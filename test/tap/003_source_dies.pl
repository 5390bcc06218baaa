# A source that dies between two batches gives an error, never a short
# result; the next query connects again.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Switchyard;

my $mongo = Switchyard::Mongod->new;
my $rows = 20000;
$mongo->eval(qq{
db.big.insert_many([{"_id": i, "n": i, "filler": "x" * 500} for i in range($rows)])
});
my $proxy = Switchyard::Proxy->new($mongo->port);
my $node = new_node('main');
$node->safe_psql('postgres', $mongo->server_sql('hot', connect_timeout => '5s')
	  . $mongo->server_sql('proxied', connect_timeout => '5s', uri => $mongo->uri('', '127.0.0.1:' . $proxy->port))
	  . q{
	CREATE FOREIGN TABLE big (_id bigint, n bigint, filler text) SERVER hot;
	CREATE FOREIGN TABLE batches (_id bigint, n bigint, filler text) SERVER hot OPTIONS (collection 'big', fetch_size '100');
	CREATE FOREIGN TABLE proxied (_id bigint, n bigint, filler text) SERVER proxied OPTIONS (collection 'big');
});

# Read the first rows through a cursor, let "harm" happen, read the rest.
sub broken_scan
{
	my ($name, $table, $harm, $states) = @_;
	my $psql = background($node);

	$psql->query("BEGIN; DECLARE c CURSOR FOR SELECT n, filler FROM $table");
	is($psql->query('FETCH 1 FROM c') =~ tr/\n//, 0, "$name: the first row arrives");
	$harm->();
	my $out = $psql->query('MOVE FORWARD ALL FROM c');
	my $err = $psql->{stderr};
	like($err, qr/ERROR:  (?:$states)/, "$name: the scan ends with an error");
	unlike($out, qr/MOVE/, "$name: and not with a count of rows");
	like($err, qr/(?:hot|proxied)/, "$name: the error names the server");
	$psql->query('ROLLBACK');
	$psql->{stderr} = '';
	return $psql;
}

# The server is killed.
foreach my $table (qw(big batches))
{
	my $psql = broken_scan("mongod killed, $table", $table, sub { $mongo->kill('KILL'); }, '08006');

	my $sql = "SELECT count(n) FROM $table";
	$psql->query($sql);
	like($psql->{stderr}, qr/ERROR:  08001/, "mongod killed, $table: the next query cannot connect");
	$psql->{stderr} = '';
	$mongo->restart;
	is($psql->query($sql), $rows, "mongod killed, $table: the one after its return answers");
	is($psql->{stderr}, '', "mongod killed, $table: without an error");
	$psql->quit;
}

# The connection is cut within a reply, and between two.
foreach my $bytes (300, 500000, 2500000)
{
	$proxy->command('pass');
	my $psql = broken_scan("connection cut after $bytes bytes", 'proxied', sub { $proxy->command("cut $bytes"); }, '08006');

	$proxy->command('pass');
	is($psql->query('SELECT count(n) FROM proxied'), $rows, "connection cut after $bytes bytes: the next query answers");
	$psql->quit;
}
foreach my $harm ('close', 'refuse')
{
	my $psql = broken_scan("proxy: $harm", 'proxied', sub { $proxy->command($harm); }, '08006');

	$proxy->command('accept');
	is($psql->query('SELECT count(n) FROM proxied'), $rows, "proxy: $harm: the next query answers");
	$psql->quit;
}

# A server that forgets the cursor, and one that fails a later batch.
my $psql = broken_scan(
	'cursor killed on the server', 'batches',
	sub {
		$mongo->eval(q{
for o in client.admin.aggregate([{"$currentOp": {"idleCursors": True, "allUsers": True}}]):
    if o.get("ns") == "test.big" and "cursor" in o:
        client.test.command("killCursors", "big", cursors=[o["cursor"]["cursorId"]])
});
	},
	'HV00L');
is($psql->query('SELECT count(n) FROM batches'), $rows, 'cursor killed on the server: the next query answers');
$psql->quit;

$psql = broken_scan(
	'getMore fails', 'batches',
	sub {
		$mongo->eval(q{
client.admin.command("configureFailPoint", "failCommand", mode={"times": 1},
                     data={"failCommands": ["getMore"], "errorCode": 2, "failInternalCommands": False})
});
	},
	'HV000');
$psql->quit;

# A connection that was lost while idle is mended without an error.
$psql = background($node);
is($psql->query('SELECT count(n) FROM big'), $rows, 'a session is connected');
$mongo->kill('KILL');
$mongo->restart;
is($psql->query('SELECT count(n) FROM big'), $rows, 'after a restart of mongod the same session answers');
is($psql->{stderr}, '', 'without an error');
$psql->quit;
$psql = background($node);
$psql->query('SELECT count(n) FROM proxied');
$proxy->command('close');
is($psql->query('SELECT count(n) FROM proxied'), $rows, 'after a lost connection the same session answers');
$psql->quit;

# EXPLAIN contacts nothing.
$mongo->kill('KILL');
like($node->safe_psql('postgres', 'EXPLAIN (VERBOSE, COSTS OFF) SELECT n FROM big WHERE n = 5'),
	qr/Remote Query/, 'EXPLAIN works with the source down');
my $error = error_of($node, 'SELECT n FROM big WHERE n = 5');
like($error, qr/ERROR:  08001.*hot/s, 'a query does not, and the error names the server');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
