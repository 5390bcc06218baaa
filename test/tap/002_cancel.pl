# Cancel, statement_timeout and pg_terminate_backend end every wait and row
# loop within 100 ms (tested with three times that); the session goes on, and
# nothing of it remains on the server.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Switchyard;

my $bound = promised_ms(100);
my %sqlstate = (cancel => '57014', timeout => '57014', terminate => '57P01');

my $mongo = Switchyard::Mongod->new;
$mongo->eval(q{
db.big.insert_many([{"_id": i, "n": i, "filler": "x" * 2000} for i in range(5000)])
db.small.insert_many([{"_id": i, "n": i} for i in range(10)])
});
my $file = sqlite_file('work', q{
	CREATE TABLE small (id INTEGER PRIMARY KEY);
	INSERT INTO small VALUES (1), (2), (3);
	CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;
	CREATE VIEW unsorted AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT (i * 1103515245 + 12345) % 2147483648 FROM n LIMIT 200000000) SELECT i FROM n;});
my $backlog = Switchyard::Proxy->new;
my $proxy = Switchyard::Proxy->new($mongo->port);
my $node = new_node('main');

my $ddl = sqlite_server_sql('file', $file);
$ddl .= $mongo->server_sql('direct', connect_timeout => '60s');
$ddl .= $mongo->server_sql('hanging', connect_timeout => '60s', uri => 'mongodb://127.0.0.1:' . $backlog->port . '/?directConnection=true');
$ddl .= $mongo->server_sql('slow', connect_timeout => '60s', uri => $mongo->uri('', '127.0.0.1:' . $proxy->port));
$ddl .= q{
	CREATE FOREIGN TABLE small (id bigint) SERVER file;
	CREATE FOREIGN TABLE endless (i bigint) SERVER file;
	CREATE FOREIGN TABLE unsorted (i bigint) SERVER file;
	CREATE FOREIGN TABLE hanging (_id bigint) SERVER hanging OPTIONS (collection 'small');
	CREATE FOREIGN TABLE direct (_id bigint) SERVER direct OPTIONS (collection 'small');
	CREATE FOREIGN TABLE big (_id bigint, n bigint, filler text) SERVER direct;
	CREATE FOREIGN TABLE slow (_id bigint, n bigint, filler text) SERVER slow OPTIONS (collection 'big');
	CREATE FOREIGN TABLE slow_small (_id bigint) SERVER slow OPTIONS (collection 'small');
};
$node->safe_psql('postgres', $ddl);

# Nothing of ours may be left on the server after five seconds.
sub no_remains
{
	my ($situation) = @_;
	my $deadline = time + 5;
	my $remains;

	while (($remains = $mongo->remains) > 0 && time < $deadline)
	{
		sleep 0.1;
	}
	is($remains, 0, "$situation: no operation or cursor of ours remains");
	return;
}

# Interrupt a statement in each of the three ways.  "usable" is a query that
# must work afterwards in the same session, with its answer; "deaf" says that
# the server cannot be told about a terminated session within its last second.
sub try
{
	my ($situation, $sql, %options) = @_;

	foreach my $how (qw(cancel timeout terminate))
	{
		$options{before}->() if $options{before};
		my ($ms, $err, $psql) = interrupt($node, $sql, %options, how => $how);

		ok($ms < $bound, "$situation, $how: over within the bound") or diag("$ms ms");
		like($err, qr/$sqlstate{$how}/, "$situation, $how: the error is $sqlstate{$how}") unless $how eq 'terminate';
		$options{mend}->() if $options{mend};
		if ($how ne 'terminate')
		{
			my ($query, $answer) = @{ $options{usable} };
			my $out = $psql->query($query);

			is($out, $answer, "$situation, $how: the session is usable") or diag($psql->{stderr});
			$psql->{stderr} = '';
			$psql->quit;
		}
		if ($options{deaf} && $how eq 'terminate')
		{
			# It cannot be told in time; clear up in our place.
			$mongo->eval('client.admin.command("killAllSessions", [])');
			next;
		}
		no_remains("$situation, $how") if $options{remote};
	}
	return;
}

try('connect to a full backlog', 'SELECT * FROM hanging', usable => [ 'SELECT count(*) FROM direct', '10' ]);

try('hello to a stopped mongod', 'SELECT * FROM direct',
	before => sub { $mongo->kill('STOP'); },
	mend => sub { $mongo->kill('CONT'); },
	usable => [ 'SELECT count(*) FROM direct', '10' ],
	remote => 1);

try('find on a stopped mongod', 'SELECT * FROM direct',
	setup => 'SELECT count(*) FROM direct; \! kill -STOP ' . $mongo->pid,
	mend => sub { $mongo->kill('CONT'); },
	usable => [ 'SELECT count(*) FROM direct', '10' ],
	remote => 1);

# An operation that runs, not only waits: it must be ended on the server.
my $hold = 'client.admin.command("configureFailPoint", "waitInFindBeforeMakingBatch", mode="%s", data={"nss": "test.small", "shouldCheckForInterrupt": True})';
$mongo->eval(sprintf $hold, 'alwaysOn');
try('find that runs long', 'SELECT * FROM direct',
	usable => [ 'SELECT count(n) FROM big', '5000' ],
	remote => 1);
$mongo->eval(sprintf $hold, 'off');

try('later batches by a trickling proxy', 'SELECT count(filler) FROM slow',
	setup => 'SELECT count(*) FROM slow_small',
	before => sub { $proxy->command('trickle 10000'); },
	mend => sub { $proxy->command('pass'); },
	usable => [ 'SELECT count(filler) FROM slow', '5000' ],
	after => 1.5,
	remote => 1);

try('a reply that never ends', 'SELECT count(filler) FROM slow',
	setup => 'SELECT count(*) FROM slow_small',
	before => sub { $proxy->command('trickle 5'); },
	mend => sub { $proxy->command('pass'); },
	usable => [ 'SELECT count(filler) FROM slow', '5000' ],
	deaf => 1,
	remote => 1);

try('a row loop over SQLite', 'SELECT count(i + 0) FROM endless WHERE i + 0 < 0',
	usable => [ 'SELECT count(*) FROM small', '3' ]);
try('a filter within SQLite', 'SELECT i FROM endless WHERE i < 0',
	usable => [ 'SELECT count(*) FROM small', '3' ]);
try('count(*) within SQLite', 'SELECT count(*) FROM endless',
	usable => [ 'SELECT count(*) FROM small', '3' ]);
try('a sort within SQLite', 'SELECT i FROM unsorted ORDER BY i LIMIT 1',
	after => 1,
	usable => [ 'SELECT count(*) FROM small', '3' ]);

# An open cursor of an aborted transaction, and of a session that ended.
my $psql = background($node);
$psql->query('BEGIN; DECLARE c CURSOR FOR SELECT n, filler FROM big; FETCH 1 FROM c');
ok($mongo->remains > 0, 'an open cursor shows on the server');
$psql->query('ROLLBACK');
no_remains('ROLLBACK of an open cursor');
$psql->query('BEGIN; DECLARE c CURSOR FOR SELECT n, filler FROM big; FETCH 1 FROM c');
$psql->quit;
no_remains('the end of a session with an open cursor');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
