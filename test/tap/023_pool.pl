# 100 backends and a few sessions: a proxy counts how many are in use, how many
# are open and how many stay.  Whoever waits for one is seen, waits no longer
# than he should, and can be canceled; nor do two hold each other up for ever.
# No prober runs.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Switchyard;

my $backends = 100;
my $mongo = Switchyard::Mongod->new(standalone => 1);
$mongo->eval('db.t.insert_many([{"_id": i} for i in range(10)])');
my $proxy = Switchyard::Proxy->new($mongo->port);
my $file = sqlite_file('file', 'CREATE TABLE t (_id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)');
my $node = new_node('main', preload => 1, conf => "switchyard.probe = off\nmax_connections = 130\n");
my $uri = 'mongodb://127.0.0.1:' . $proxy->port . '/';

sub value { return $node->safe_psql('postgres', $_[0]); }

# Wait until a query has this result; returns the last one.
sub comes
{
	my ($sql, $wanted) = @_;
	my $until = time + 30;
	my $got;

	sleep(0.05) while ($got = value($sql)) ne $wanted && time < $until;
	return $got;
}

# pgbench with all backends at once, which stay until stay_away() unlocks.
sub start_clients
{
	my ($table, $transactions) = @_;
	my $script = PostgreSQL::Test::Utils::tempdir() . "/$table.sql";
	my $clients = { in => '', out => '', err => '' };

	append_to_file($script, "BEGIN;\nSELECT count(*) FROM $table;\nCOMMIT;\n" x $transactions . "SELECT pg_advisory_lock_shared(1);\n");
	$clients->{run} = IPC::Run::start(
		[ 'pgbench', '-n', '-c', $backends, '-j', 2, '-t', 1, '-f', $script, '-h', $node->host, '-p', $node->port, 'postgres' ],
		'<', \$clients->{in}, '>', \$clients->{out}, '2>', \$clients->{err});
	return $clients;
}

my $locker = background($node);
my $pooled = $mongo->server_sql('NAME', uri => $uri, transactions => 'off', pool_size => 5, max_overflow => 'MORE', pool_timeout => '60s')
  . q{CREATE FOREIGN TABLE NAME (_id bigint) SERVER NAME OPTIONS (collection 't')};
foreach my $overflow (0, 4)
{
	my $name = "pool$overflow";
	my $limit = 5 + $overflow;
	my $states = "SELECT string_agg(DISTINCT state, ' ') FROM switchyard.connections WHERE source = '$name'";

	value($pooled =~ s/NAME/$name/gr =~ s/MORE/$overflow/r);
	value("SELECT count(*) FROM $name");
	$proxy->command('reset');
	$locker->query('SELECT pg_advisory_lock(1)');

	# Nobody gets an answer: all there can be are in use, the others wait.
	$proxy->command('stall');
	my $clients = start_clients($name, 3);
	is(comes("SELECT waiting FROM switchyard.sources WHERE source = '$name'", $backends - $limit), $backends - $limit,
		"pool_size 5, max_overflow $overflow: of $backends backends all but $limit wait, as the view sources says");
	is(value("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT count(*) FROM $name;' AND wait_event_type = 'Extension'"), $backends,
		'and pg_stat_activity, that they wait for something of an extension');
	is($proxy->stat('busy'), $limit, "$limit sessions are in use");
	is($proxy->stat('open'), $limit, 'and not one more is open');
	my ($ms, $text) = interrupt($node, "SELECT count(*) FROM $name");
	like($text, qr/ERROR:  57014/, 'a further one waits too, and can be canceled');
	cmp_ok($ms, '<', promised_ms(100), 'at once');

	# All go on.
	$proxy->command('delay 2');
	is(comes("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted", $backends), $backends, 'then all do their work');
	cmp_ok($proxy->stat('most_busy'), '<=', $limit, "with $limit sessions in use at most");
	cmp_ok($proxy->stat('most_open'), '<=', $limit + 5, 'and five idle ones at most beside them');
	note('in use ' . $proxy->stat('most_busy') . ', open ' . $proxy->stat('most_open') . ', made ' . $proxy->stat('connections'));
	cmp_ok($proxy->stat('open'), '<=', 5, 'five at most stay');
	is(value("SELECT count(*) FROM switchyard.connections WHERE source = '$name'"), $proxy->stat('open'), 'which the view connections shows');
	is(value($states), 'idle', 'as idle');
	is(value("SELECT sessions <= 5, waiting FROM switchyard.sources WHERE source = '$name'"), 't|0', 'and the view sources counts');
	$proxy->command('pass');
	$locker->query('SELECT pg_advisory_unlock(1)');
	$clients->{run}->finish;
	like($clients->{out}, qr{transactions actually processed: $backends/$backends}, 'without an error') or diag($clients->{err});
	is(comes("SELECT sessions FROM switchyard.sources WHERE source = '$name'", 0), 0, 'no session outlives its backend');
	value("DROP SERVER $name CASCADE");
}
$locker->quit;

# ---------------------------------- two who wait for what the other one holds

value($mongo->server_sql('one', uri => $uri, transactions => 'off', pool_size => 1, max_overflow => 0, pool_timeout => '2s')
	  . sqlite_server_sql('two', $file, pool_size => 1, max_overflow => 0, pool_timeout => '2s')
	  . q{CREATE FOREIGN TABLE one (_id bigint) SERVER one OPTIONS (collection 't');
	CREATE FOREIGN TABLE two (_id bigint) SERVER two OPTIONS ("table" 't')});
my $first = background($node);
my $second = background($node);
is($first->query('BEGIN; SELECT count(*) FROM one'), 10, 'a transaction holds the only session with one source');
is($second->query('BEGIN; SELECT count(*) FROM two'), 1, 'another one that with a second source');
my $began = time;
$first->query_until(qr/sent/, "\\echo sent\nSELECT 'first has ' || count(*) FROM two;\nROLLBACK;\n\\echo first is over\n");
sleep(0.7);
$second->query_until(qr/sent/, "\\echo sent\nSELECT 'second has ' || count(*) FROM one;\nCOMMIT;\n\\echo second is over\n");
is(comes(q{SELECT string_agg(waiting::text, ' ') FROM switchyard.sources WHERE source IN ('one', 'two')}, '1 1'), '1 1', 'each wants what the other one holds');
like($first->query_until(qr/first is over/, ''), qr/^first is over/m, 'the one that came first');
my $took = (time - $began) * 1000;
like($first->{stderr}, qr/ERROR:  53300: all sessions with source "two" are in use.*within 2000 ms.*HINT:.*different orders/s, 'ends by 53300');
cmp_ok($took, '>', 1900, 'after pool_timeout');
cmp_ok($took, '<', 2000 + promised_ms(300), 'and not much later');
like($second->query_until(qr/second is over/, ''), qr/second has 10/, 'so that the other one can go on');
cmp_ok((time - $began) * 1000, '<', 2000 + promised_ms(400), 'at once');
is($second->{stderr}, '', 'without an error');
value(q{ALTER SERVER one OPTIONS (SET pool_timeout '200ms')});
is($first->query('BEGIN; SELECT count(*) FROM one'), 10, 'a transaction holds the only session and does nothing');
like(error_of($node, 'SELECT count(*) FROM two; SELECT count(*) FROM one'),
	qr/ERROR:  53300: .*HINT:  Raise pool_size or max_overflow, or end idle transactions, which the view switchyard.connections shows\.\n/s,
	'who holds nothing else is told to raise the limit');
$first->query('ROLLBACK');
is(value(q{SELECT sum(waiting) FROM switchyard.sources}), 0, 'nobody waits any more');
is($first->query('SELECT count(*) FROM one JOIN two USING (_id)'), 1, 'and both sources are free');
is($node->safe_psql('postgres', q{SELECT string_agg(DISTINCT state, ' ') FROM switchyard.breakers}), 'closed', 'waiting opened no breaker');
$_->quit foreach ($first, $second);

# A session that a command has used, and that it left by an error, is as free
# as any other.
is(value('SELECT count(*) FROM one'), 10, 'the session is free');
my $importer = background($node);
$importer->query('CREATE SCHEMA s; CREATE TABLE s.t ()');
$importer->query('IMPORT FOREIGN SCHEMA test FROM SERVER one INTO s') foreach (1 .. 2);
like($importer->{stderr}, qr/ERROR:  42P07.*ERROR:  42P07/s, 'IMPORT fails when it has used the source');
is(value('SELECT count(*) FROM one'), 10, 'and leaves nothing in use');
is(value(q{SELECT count(*) FROM switchyard.connections WHERE state <> 'idle'}), 0, 'as the view connections says');
$importer->quit;

# Who waits for a server that is dropped meanwhile waits for nobody: what is
# kept of a server is another one's next.
value(sqlite_server_sql('brief', $file, pool_size => 1, max_overflow => 0, pool_timeout => '20s'));
my @importers = map { background($node) } (1 .. 2);
$importers[0]->query('BEGIN; IMPORT FOREIGN SCHEMA main LIMIT TO (nothing) FROM SERVER brief INTO s');
$importers[1]->query_until(qr/sent/, "\\echo sent\nIMPORT FOREIGN SCHEMA main LIMIT TO (nothing) FROM SERVER brief INTO s;\n\\echo import is over\n");
is(comes(q{SELECT waiting FROM switchyard.sources WHERE source = 'brief'}, 1), 1, 'a command waits for a server');
value('DROP SERVER brief');
$began = time;
$importers[1]->query_until(qr/import is over/, '');
cmp_ok(time - $began, '<', 15, 'and goes on when that is dropped');
$importers[0]->query('COMMIT');
$_->quit foreach @importers;

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
