# A replica set of three: a first member that is dead, elections while
# sessions read, a step-down.  The right rows or one error, never a short
# result, and soon everything as before.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Switchyard;

my $rows = 3000;
my $mongo = Switchyard::Mongod->new(members => 3);
$mongo->eval(qq{
db.get_collection("t", write_concern=pymongo.WriteConcern(3)).insert_many([{"_id": i, "n": i, "s": "x" * 300} for i in range($rows)])
});
my $node = new_node('main');
my $backlog = Switchyard::Proxy->new;
my @ports = $mongo->ports;
my $with_stranger = $mongo->uri;
$with_stranger =~ s{//}{'//127.0.0.1:' . $backlog->port . ','}e;
$node->safe_psql('postgres',
		$mongo->server_sql('hot', failure_threshold => 1000, failure_rate => 0, connect_timeout => '20s')
	  . $mongo->server_sql('only_first', failure_threshold => 1000, failure_rate => 0, connect_timeout => '2s', uri => "mongodb://127.0.0.1:$ports[0]/?replicaSet=rs0")
	  . $mongo->server_sql('stranger', failure_threshold => 1000, failure_rate => 0, connect_timeout => '20s', uri => $with_stranger)
	  . $mongo->server_sql('nearest', failure_threshold => 1000, failure_rate => 0, connect_timeout => '20s', uri => $mongo->uri('readPreference=nearest'))
	  . q{
	CREATE FOREIGN TABLE t (_id bigint, n bigint, s text) SERVER hot OPTIONS (fetch_size '100');
	CREATE FOREIGN TABLE only_first (_id bigint, n bigint, s text) SERVER only_first OPTIONS (collection 't');
	CREATE FOREIGN TABLE stranger (_id bigint, n bigint, s text) SERVER stranger OPTIONS (collection 't');
	CREATE FOREIGN TABLE nearest (_id bigint, n bigint, s text) SERVER nearest OPTIONS (collection 't');
	CREATE TABLE outcomes (session int, at timestamptz DEFAULT clock_timestamp(), outcome text);
	-- Read again and again for some time, and note what came of it.
	CREATE PROCEDURE read_for(session int, duration interval) LANGUAGE plpgsql AS $$
	DECLARE
		ends timestamptz := clock_timestamp() + duration;
		found text;
	BEGIN
		WHILE clock_timestamp() < ends LOOP
			BEGIN
				SELECT count(n) || ' ' || sum(n) INTO found FROM t;
			EXCEPTION WHEN OTHERS THEN
				found := SQLSTATE;
			END;
			INSERT INTO outcomes (session, outcome) VALUES (session, found);
			COMMIT;
		END LOOP;
	END $$;
});
my $right = $rows . ' ' . $rows * ($rows - 1) / 2;

# A new session's first query on a table: the right rows within "ms".
sub first_query
{
	my ($name, $table, $ms) = @_;
	my ($out, $err) = ('', '');
	my $psql = background($node);
	my $took = time_of(sub { $out = $psql->query("SELECT count(n) || ' ' || sum(n) FROM $table"); });

	is("$out$psql->{stderr}", $right, "$name: the right rows");
	ok($took < promised_ms($ms), "$name: soon") or diag("$took ms");
	note("$name: $took ms");
	$psql->quit;
	return;
}

# The number of the member that is the primary.
sub primary
{
	return $mongo->eval(qq{
client.admin.command("ping")
print([@{[join ',', @ports]}].index(client.primary[1]))
});
}

# How many elections there have been.
sub term
{
	return $mongo->eval('print(client.admin.command("replSetGetStatus")["term"])');
}

# Wait until another member than number 0 is the primary.
sub await_other_primary
{
	$mongo->eval(qq{
import time
until = time.monotonic() + 60
while time.monotonic() < until:
    try:
        other = pymongo.MongoClient("127.0.0.1:$ports[1],127.0.0.1:$ports[2]", replicaSet="rs0", serverSelectionTimeoutMS=500)
        if other.primary is None:
            other.admin.command("ping")
        if other.primary and other.primary[1] != $ports[0]:
            break
    except pymongo.errors.PyMongoError:
        pass
else:
    raise Exception("no other primary")
});
	return;
}

# Three sessions read while "harm" happens; "after" has the set whole again.
sub under_load
{
	my ($name, $harm, $after) = @_;
	my $term = term();
	my @readers;

	$node->safe_psql('postgres', 'TRUNCATE outcomes');
	foreach my $session (1 .. 3)
	{
		push @readers, IPC::Run::start(
			[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', "CALL read_for($session, '8 s')" ]);
	}
	sleep 1.5;
	$harm->();
	$_->finish foreach @readers;
	cmp_ok(term(), '>', $term, "$name: there was an election");
	is($node->safe_psql('postgres', 'SELECT count(DISTINCT session) FROM outcomes'), '3', "$name: three sessions read");
	is($node->safe_psql('postgres', qq{SELECT DISTINCT outcome FROM outcomes WHERE outcome <> '$right' AND outcome !~ '^0800[16]\$'}),
		'', "$name: the right rows, or 08006");
	is($node->safe_psql('postgres', q{SELECT session, count(*) FROM outcomes WHERE outcome ~ '^08' GROUP BY 1 HAVING count(*) > 1}),
		'', "$name: not more than one error in each session");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM (SELECT DISTINCT ON (session) outcome FROM outcomes ORDER BY session, at DESC) AS last WHERE outcome LIKE '% %'}),
		'3', "$name: in the end all sessions read again");
	note($node->safe_psql('postgres', 'SELECT outcome, count(*) FROM outcomes GROUP BY 1'));
	$after->() if $after;
	return;
}

first_query('all alive', 't', 500);
first_query('a seed that never answers comes first', 'stranger', 500);

under_load('a step-down', sub {
	$mongo->eval('client.admin.command("replSetStepDown", 3, secondaryCatchUpPeriodSecs=2)');
});
$mongo->restart;
under_load('the death of the primary', sub {
	$mongo->kill('KILL', primary());
}, sub { $mongo->restart; });

# The first member hangs: it accepts, and never answers.
$mongo->kill('STOP', 0);
await_other_primary();
first_query('the first member hangs', 't', 1000);
first_query('the first member hangs, any will do', 'nearest', 1000);
like(error_of($node, 'SELECT count(n) FROM only_first'), qr/ERROR:  08001: could not connect to source "only_first"/,
	'who knows only the one that hangs is told 08001');
$mongo->kill('CONT', 0);

# The first member is dead.
$mongo->kill('KILL', 0);
await_other_primary();
first_query('the first member is dead', 't', 1000);
like(error_of($node, 'SELECT count(n) FROM only_first'), qr/ERROR:  08001: could not connect to source "only_first"/,
	'who knows only the dead one is told 08001');
first_query('the first member is dead, any will do', 'nearest', 1000);

# No primary any more: an error that says so, when connect_timeout is over.
$mongo->kill('STOP', 1);
$node->safe_psql('postgres', q{ALTER SERVER hot OPTIONS (SET connect_timeout '3s')});
sleep 3;
my ($took, undef, $error) = timed($node, 'SELECT count(n) FROM t');
like($error, qr/ERROR:  08001: could not connect to source "hot".*DETAIL:  [^\n]*/s, 'no majority: 08001');
ok($took > 2500 && $took < promised_ms(3000), 'after connect_timeout') or diag("$took ms");
$mongo->kill('CONT', 1);
$mongo->restart;
first_query('the set is whole again', 't', 3000);

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
