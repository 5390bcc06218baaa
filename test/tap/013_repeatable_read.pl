# REPEATABLE READ on a replica set: one state, though others write; the
# server's limit on a transaction's life is 40001 that names it; and an error
# within the remote transaction ends it, never silently another state.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Switchyard;

my $rows = 1000;
my $mongo = Switchyard::Mongod->new;
$mongo->eval(qq{
db.t.insert_many([{"_id": i, "n": 1, "s": "x" * 200} for i in range($rows)])
db.u.insert_many([{"_id": i, "n": 1} for i in range(10)])
});
my $console = $mongo->console;
my $version = $console->eval('print(client.server_info()["version"][0])');
my $proxy = Switchyard::Proxy->new($mongo->port);
my $node = new_node('main');
$node->safe_psql('postgres',
		$mongo->server_sql('hot', failure_threshold => 1000, failure_rate => 0, connect_timeout => '5s')
	  . $mongo->server_sql('second', failure_threshold => 1000, failure_rate => 0, connect_timeout => '5s')
	  . $mongo->server_sql('anywhere', failure_threshold => 1000, failure_rate => 0, connect_timeout => '5s', uri => $mongo->uri('readPreference=secondaryPreferred'))
	  . $mongo->server_sql('proxied', failure_threshold => 1000, failure_rate => 0, connect_timeout => '5s', uri => $mongo->uri('', '127.0.0.1:' . $proxy->port))
	  . q{
	CREATE FOREIGN TABLE t (_id bigint, n bigint, s text) SERVER hot OPTIONS (fetch_size '100');
	CREATE FOREIGN TABLE u (_id bigint, n bigint) SERVER hot;
	CREATE FOREIGN TABLE bad (_id bigint, n date) SERVER hot OPTIONS (collection 'u');
	CREATE FOREIGN TABLE second (_id bigint, n bigint) SERVER second OPTIONS (collection 't');
	CREATE FOREIGN TABLE anywhere (_id bigint, n bigint) SERVER anywhere OPTIONS (collection 't');
	CREATE FOREIGN TABLE proxied (_id bigint, n bigint, s text) SERVER proxied OPTIONS (collection 't', fetch_size '100');
});
my $psql = background($node);

# Run a query; returns its result and, after it, its error.
sub run
{
	my ($sql) = @_;
	my $out = $psql->query($sql);
	my $err = $psql->{stderr};

	$psql->{stderr} = '';
	return $out . $err;
}

# The server's limit on the life of transactions that begin from now on, in
# seconds; it looks for old ones every half of it.
sub limit
{
	my ($seconds) = @_;

	$console->eval(qq{client.admin.command("setParameter", 1, transactionLifetimeLimitSeconds=$seconds)});
	return;
}

# One more document in both collections, and 7 more in two others; and back.
sub others_write
{
	$console->eval('db.t.insert_one({"_id": 5000, "n": 100}); db.u.insert_one({"_id": 5000, "n": 1}); '
		  . 'db.t.update_many({"_id": {"$in": [5, 995]}}, {"$inc": {"n": 7}})');
	return;
}

sub others_undo
{
	$console->eval('db.t.delete_one({"_id": 5000}); db.u.delete_one({"_id": 5000}); db.t.update_many({}, {"$set": {"n": 1}})');
	return;
}
my $unchanged = 'SELECT count(n), sum(n) FROM t';
my $state = "$rows|$rows";
my $changed = ($rows + 1) . '|' . ($rows + 114);

# One state within a transaction.
foreach my $mode ('ISOLATION LEVEL REPEATABLE READ', 'ISOLATION LEVEL SERIALIZABLE', 'ISOLATION LEVEL REPEATABLE READ, READ ONLY')
{
	run("BEGIN TRANSACTION $mode");
	is(run($unchanged), $state, "$mode: the first look");
	my $u = run('SELECT count(n) FROM u');
	run('DECLARE c CURSOR FOR SELECT n FROM t');
	run('FETCH 150 FROM c');
	others_write();
	is(run($unchanged), $state, "$mode: others' writes are not seen");
	is(run('SELECT count(n) FROM u'), $u, "$mode: nor those to another table");
	is(run('SELECT count(*) FROM t'), $rows, "$mode: nor by count(*)");
	is(scalar(() = run('FETCH ALL FROM c') =~ /^1$/mg), $rows - 150, "$mode: a cursor goes on");
	is(run('SELECT count(*) FROM t a JOIN t b ON a._id = b._id'), $rows, "$mode: nor by two scans of one query");
	run('SAVEPOINT a; SELECT count(n) FROM t; ROLLBACK TO a');
	is(run($unchanged), $state, "$mode: nor after a subtransaction that only read");
	is(run('COMMIT'), '', "$mode: COMMIT");
	is(run($unchanged), $changed, "$mode: the next transaction sees them");
	others_undo();
}
run('BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED');
is(run($unchanged), $state, 'READ COMMITTED: the first look');
others_write();
is(run($unchanged), $changed, 'READ COMMITTED: others\' writes are seen');
run('COMMIT');
others_undo();

# How it is asked for: one instant, no transaction, when nothing is written.
is($console->eval('print(client.admin.command("serverStatus")["transactions"]["currentOpen"])'), '0', 'no transaction is open');
run('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
run($unchanged);
is($console->eval('print(client.admin.command("serverStatus")["transactions"]["currentOpen"])'),
	$version < 5 ? '1' : '0', 'READ ONLY opens none from 5.0 on');
is(run('SELECT count(n) FROM anywhere'), $rows, 'and reads with any readPreference') if $version >= 5;
run('COMMIT');
run('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ');
run($unchanged);
is($console->eval('print(client.admin.command("serverStatus")["transactions"]["currentOpen"])'), '1', 'otherwise there is one');
run('COMMIT');
is($console->eval('print(client.admin.command("serverStatus")["transactions"]["currentOpen"])'), '0', 'until COMMIT');
like(run('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(n) FROM anywhere'),
	qr/ERROR:  0A000: source "anywhere" cannot be read in a transaction/, 'which needs the primary');
run('ROLLBACK');

# The limit.
sub over
{
	my ($name) = @_;

	limit(2);
	run('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ');
	is(run($unchanged), $state, "$name: the first look");
	sleep 4;
	limit(60);
	others_write();
	my $err = run($unchanged);

	like($err, qr/ERROR:  40001: could not read from source "hot".*60 s.*READ ONLY/s, "$name: 40001 that names the limit");
	unlike($err, qr/^\d/, "$name: and no rows");
	like(run($unchanged), qr/ERROR:  25P02/, "$name: the transaction is over");
	run('ROLLBACK');
	is(run($unchanged), $changed, "$name: the next one reads");
	others_undo();
	return;
}
over('too old');
limit(2);
run('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ; DECLARE c CURSOR FOR SELECT n FROM t; FETCH 10 FROM c');
sleep 4;
limit(60);
my $out = run('MOVE FORWARD ALL FROM c');
like($out, qr/ERROR:  40001/, 'too old with an open cursor: 40001');
run('ROLLBACK');
limit(2);
run('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
is(run($unchanged), $state, 'READ ONLY: the first look');
sleep 4;
limit(60);
is(run($unchanged), $state, 'READ ONLY knows no such limit') if $version >= 5;
run('COMMIT');

# An error within the remote transaction dooms it, also if a subtransaction
# catches it.
sub doomed
{
	my ($name, $state, $harm) = @_;

	foreach my $how ('savepoint', 'plpgsql')
	{
		run('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ');
		is(run($unchanged), "$rows|$rows", "$name, $how: the first look");
		my $table = $harm->();
		if ($how eq 'savepoint')
		{
			run('SAVEPOINT a');
			like(run("SELECT count(n) FROM $table"), qr/ERROR:  $state/, "$name, $how: $state");
			run('ROLLBACK TO a');
		}
		else
		{
			like(run(qq{DO \$\$ BEGIN PERFORM count(n) FROM $table; EXCEPTION WHEN OTHERS OR query_canceled THEN RAISE NOTICE 'caught %', SQLSTATE; END \$\$}),
				qr/caught $state/, "$name, $how: $state");
		}
		$console->eval('client.admin.command("configureFailPoint", "failCommand", mode="off")');
		others_write();
		my $out = run($unchanged);
		like($out, qr/ERROR:  40000: transaction on source "hot" was aborted/, "$name, $how: the remote transaction is gone, and no other takes its place");
		unlike($out, qr/^\d/, "$name, $how: no rows of another state");
		run('ROLLBACK');
		is(run($unchanged), $changed, "$name, $how: the next transaction reads");
		others_undo();
	}
	return;
}
foreach my $command (qw(find getMore))
{
	foreach my $pair ([ 112, '40001' ], [ 50, '57014' ], [ 2, 'HV000' ], [ 11601, '57014' ], [ 13, '42501' ], [ 189, '08006' ])
	{
		my ($code, $sqlstate) = @$pair;

		doomed("$command: $code", $sqlstate, sub {
			$console->eval(qq{client.admin.command("configureFailPoint", "failCommand", mode={"times": 1}, data={"failCommands": ["$command"], "errorCode": $code, "failInternalCommands": False})});
			return 't';
		});
	}
	doomed("$command: connection closed", '08006', sub {
		$console->eval(qq{client.admin.command("configureFailPoint", "failCommand", mode={"times": 1}, data={"failCommands": ["$command"], "closeConnection": True, "failInternalCommands": False})});
		return 't';
	});
}

# A statement that is cancelled, and an error of ours about a value.
run('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ');
is(run($unchanged), $state, 'a bad value: the first look');
run('SAVEPOINT a');
like(run('SELECT count(n) FROM bad'), qr/ERROR:  (?:22|HV)/, 'a bad value: an error of ours');
run('ROLLBACK TO a');
others_write();
$out = run($unchanged);
like($out, qr/^\Q$state\E$|ERROR:  40000/, 'a bad value: the same state or none');
note("after a bad value: $out");
run('ROLLBACK');
others_undo();

run('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ');
is(run($unchanged), $state, 'a cancel: the first look');
run('SAVEPOINT a');
$console->eval('client.admin.command("configureFailPoint", "failCommand", mode={"times": 1}, data={"failCommands": ["find"], "blockConnection": True, "blockTimeMS": 2000, "failInternalCommands": False})');
run(q{SET LOCAL statement_timeout = '300ms'});
like(run($unchanged), qr/ERROR:  57014/, 'a cancel: 57014');
run('ROLLBACK TO a');
others_write();
like(run($unchanged), qr/ERROR:  40000/, 'a cancel: the remote transaction is gone, and no other takes its place');
run('ROLLBACK');
is(run($unchanged), $changed, 'a cancel: the next transaction reads');
others_undo();

# Two sources in one transaction; one of them fails: the other goes on.
run('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ');
is(run('SELECT count(n) FROM second'), $rows, 'two sources: the first');
is(run('SELECT count(n) FROM proxied'), $rows, 'two sources: the second');
run('SAVEPOINT a');
$proxy->command('close');
like(run('SELECT count(n) FROM proxied'), qr/ERROR:  08006/, 'two sources: the second is lost');
run('ROLLBACK TO a');
like(run('SAVEPOINT b; SELECT count(n) FROM proxied'), qr/ERROR:  40000: transaction on source "proxied"/, 'two sources: and stays so');
run('ROLLBACK TO b');
is(run('SELECT count(n) FROM second'), $rows, 'two sources: the first reads on');
run('COMMIT');
is(run('SELECT count(n) FROM proxied'), $rows, 'two sources: the next transaction reads both');

# Options that ROLLBACK TO SAVEPOINT undoes: what was opened by them is given up.
foreach my $level ('READ COMMITTED', 'REPEATABLE READ')
{
	is(run("BEGIN ISOLATION LEVEL $level; SAVEPOINT a; ALTER SERVER hot OPTIONS (SET database 'elsewhere'); SELECT count(n) FROM u; ROLLBACK TO a; SELECT count(n) FROM u"),
		"0\n10", "the database of before, $level");
	is($console->eval('print(client.admin.command("serverStatus")["transactions"]["currentOpen"])'),
		$level eq 'READ COMMITTED' ? '0' : '1', 'and no transaction with the other');
	run('COMMIT');
}
$psql->quit;

# Nothing is left open.
my $open;
foreach my $try (1 .. 50)
{
	$open = $console->eval('print(client.admin.command("serverStatus")["transactions"]["currentOpen"])') + $mongo->remains;
	last unless $open;
	sleep 0.1;
}
is($open, 0, 'no transaction, operation or cursor of ours remains');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
