# Limits, thresholds and times of a server that change while sessions use it
# count from the next statement on, in sessions that were there before.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

use Switchyard;

my $node = new_node('main', preload => 1, conf => "switchyard.probe = off\n");
my $gone = PostgreSQL::Test::Utils::tempdir() . '/gone.db';
my $file = sqlite_file('file', q{
	CREATE TABLE t (id INTEGER PRIMARY KEY);
	CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;});
my $backlog = Switchyard::Proxy->new;
$node->safe_psql('postgres', sqlite_server_sql('gone', $gone, failure_threshold => 1000, failure_rate => 0)
	  . sqlite_server_sql('file', $file, pool_size => 1, max_overflow => 0, pool_timeout => '60s')
	  . "CREATE SERVER far FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri 'mongodb://127.0.0.1:@{[ $backlog->port ]}/', database 'd',"
	  . q{ connect_timeout '60s', probe_timeout '60s');
	CREATE FOREIGN TABLE gone (id bigint) SERVER gone OPTIONS ("table" 't');
	CREATE FOREIGN TABLE file (id bigint) SERVER file OPTIONS ("table" 't');
	CREATE FOREIGN TABLE endless (i bigint) SERVER file;
	CREATE FOREIGN TABLE far (_id bigint) SERVER far});
my $psql = background($node);
$psql->query('SET client_min_messages = error');

# Another session changes options of a server.
sub alter
{
	my ($server, $options) = @_;

	$node->safe_psql('postgres', "ALTER SERVER $server OPTIONS ($options)");
	return;
}

# The SQLSTATE that a query ends with in the session that stays; '' for none.
sub state_of
{
	my ($sql) = @_;

	$psql->query($sql);
	my ($state) = $psql->{stderr} =~ /ERROR:  (\w{5}):/;
	$psql->{stderr} = '';
	return $state // '';
}

# What the breaker of "gone" shows.
sub breaker
{
	return $psql->query("SELECT $_[0] FROM switchyard.breakers WHERE source = 'gone'");
}

is(state_of('SELECT * FROM gone'), '08001', 'a failure') foreach 1 .. 2;
alter('gone', q{SET failure_threshold '3'});
is(breaker('state, failures, failure_threshold'), 'closed|2|3', 'failure_threshold is lowered');
is(state_of('SELECT * FROM gone'), '08001', 'one more failure');
is(breaker('state'), 'open', 'opens the breaker');
is(state_of('SELECT * FROM gone'), '57P03', 'which refuses');

alter('gone', q{ADD recovery_timeout '100s'});
is(breaker("state, retry_at - since = '100 s'"), 'open|t', 'recovery_timeout is lowered');
alter('gone', q{SET recovery_timeout '1ms'});
sleep 0.05;
is(breaker("state, retry_at, reason, since < now() - interval '40 ms'"), 'half_open||recovery_timeout is over|t', 'and once more');
is(state_of('SELECT * FROM gone'), '08001', 'and over');
sqlite_eval($gone, 'db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")');
sleep 0.05;
is(state_of('SELECT * FROM gone'), '', 'a trial succeeds');
is(breaker('state, trials_max'), 'half_open|3', 'one of three');
alter('gone', q{ADD half_open_calls '2'});
is(state_of('SELECT * FROM gone'), '', 'another one does');
is(breaker('state, trials_max'), 'closed|2', 'which is enough when half_open_calls is lowered');

unlink $gone;
alter('gone', q{SET failure_threshold '1000', SET recovery_timeout '100s'});
sleep 1.1;
is(state_of('SELECT * FROM gone'), '08001', 'a failure of many') foreach 1 .. 25;
is(breaker('state'), 'closed', 'without a failure_rate they open nothing');
alter('gone', q{SET failure_rate '0.5'});
is(state_of('SELECT * FROM gone'), '08001', 'with one');
is(breaker('state, reason'), 'open|too high a rate of failures', 'the next one does');

# A pool that grows.
my @holders = map { background($node) } 1 .. 2;
is($holders[0]->query('BEGIN; SELECT count(*) FROM file'), '0', 'a transaction uses all of the pool');
alter('file', q{SET pool_timeout '100ms'});
is(state_of('SELECT count(*) FROM file'), '53300', 'pool_timeout is lowered');
alter('file', q{SET max_overflow '1'});
is($holders[1]->query('BEGIN; SELECT count(*) FROM file'), '0', 'max_overflow is raised');
is(state_of('SELECT count(*) FROM file'), '53300', 'by one');
alter('file', q{SET pool_size '2'});
is(state_of('SELECT count(*) FROM file'), '', 'and pool_size');
is($psql->query(q{SELECT session_limit FROM switchyard.sources WHERE source = 'file'}), '3', 'as the view says');

# Who waits for the pool already.
my $third = background($node);
$third->query('BEGIN; SELECT count(*) FROM file');
alter('file', q{SET pool_timeout '60s'});
$psql->query_until(qr/sent/, "\\echo sent\nSELECT 'it has ' || count(*) FROM file;\n");
is($node->poll_query_until('postgres', q{SELECT waiting = 1 FROM switchyard.sources WHERE source = 'file'}), 1, 'a session waits');
my $ms = time_of(sub
{
	alter('file', q{SET max_overflow '2'});
	like($psql->query(q{SELECT 'over'}), qr/it has 0.*over/s, 'until max_overflow is raised');
});
cmp_ok($ms, '<', 1000 + promised_ms(500), 'and little longer');
alter('file', q{SET max_overflow '1'});
$psql->query_until(qr/sent/, "\\echo sent\nSELECT count(*) FROM file;\n");
is($node->poll_query_until('postgres', q{SELECT waiting = 1 FROM switchyard.sources WHERE source = 'file'}), 1, 'or, with max_overflow lowered again,');
$ms = time_of(sub
{
	alter('file', q{SET pool_timeout '10ms', SET pool_size '1'});
	$psql->query(q{SELECT 'over'});
});
like($psql->{stderr}, qr/53300: .*allow 2 in all backends.*within 10 ms/s, 'until pool_timeout is lowered');
$psql->{stderr} = '';
cmp_ok($ms, '<', 1000 + promised_ms(500), 'and little longer');
$_->query('COMMIT') foreach @holders, $third;
$third->quit;
$_->quit foreach @holders;

# How long a query, a connection and a probe may take.
is(state_of(q{SET statement_timeout = '500ms'; SELECT count(i + 0) FROM endless WHERE i + 0 < 0}), '57014', 'a query without an end');
alter('file', q{ADD query_timeout '100ms'});
$psql->query('SET statement_timeout = 0; SELECT count(i + 0) FROM endless WHERE i + 0 < 0');
like($psql->{stderr}, qr/ERROR:  57014: .*query_timeout/, 'ends by query_timeout');
$psql->{stderr} = '';
alter('far', q{SET connect_timeout '200ms', SET probe_timeout '200ms'});
$ms = time_of(sub { is(state_of('SELECT * FROM far'), '08001', 'a server that does not answer'); });
cmp_ok($ms, '<', 200 + promised_ms(300), 'for connect_timeout');
$ms = time_of(sub { is($psql->query(q{SELECT ok, sqlstate FROM switchyard.probe('far')}), 'f|08001', 'nor a probe'); });
cmp_ok($ms, '<', 200 + promised_ms(300), 'for probe_timeout');

# Who has planned by options and connects when they have changed.
sub holding { return sqlite_file("holding$_[0]", "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES ($_[0])"); }
$node->safe_psql('postgres', sqlite_server_sql('moved', holding(1)) . q{CREATE FOREIGN TABLE moved (id bigint) SERVER moved OPTIONS ("table" 't')});
$psql->query('BEGIN; DECLARE c CURSOR FOR SELECT id FROM moved');
alter('moved', "SET path '" . holding(2) . "'");
is($psql->query('CREATE TEMP TABLE learns (); FETCH c'), '1', 'a query that began before a source has moved is not led astray');
is($psql->query('COMMIT; SELECT id FROM moved'), '2', 'nor is the next one, where the source is now');

# Options that are undone before the transaction ends.
my $undo = "SAVEPOINT s; ALTER SERVER moved OPTIONS (SET path '" . holding(3) . "'); SELECT id FROM moved; ROLLBACK TO s; SELECT id FROM moved";
is($psql->query("BEGIN ISOLATION LEVEL $_; $undo; COMMIT; SELECT id FROM moved"), "3\n2\n2", "with ROLLBACK TO SAVEPOINT goes the source that was named after it, $_")
  foreach 'READ COMMITTED', 'REPEATABLE READ';

$psql->quit;
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
