# What all backends know of sources, with the processes that find it out: one
# of each kind, for servers that valgrind makes slow.  make check-assert runs
# it; 020_breaker.pl and the files after it say what is right.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Switchyard;
use Switchyard::Watch;

my $file = sqlite_file('archive', 'CREATE TABLE t (_id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2)');
my $mongo = Switchyard::Mongod->new;
$mongo->eval('db.t.insert_many([{"_id": i} for i in range(10)])');
my $hole = Switchyard::Proxy->new;
my $proxy = Switchyard::Proxy->new($mongo->port);
my $node = new_node('main', preload => 1, conf => "switchyard.log_access = all\nlog_line_prefix = '%m [%p] %b '\n");
my %slow = (probe_interval => '500ms', probe_timeout => '60s', connect_timeout => '60s', failure_threshold => 2);
my %limit = (limit => 300);

sub value
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql);
}

sub behind
{
	my ($one) = @_;

	return 'mongodb://127.0.0.1:' . $one->port . '/?directConnection=true';
}

# The prober and its listeners.
my $listener = background($node);
$listener->query('LISTEN switchyard');
value($mongo->server_sql('hot', %slow) . sqlite_server_sql('archive', $file, %slow)
	  . $mongo->server_sql('hole', %slow, probe_timeout => '1s', uri => behind($hole)) . q{
	CREATE FOREIGN TABLE hot (_id bigint) SERVER hot OPTIONS (collection 't');
	CREATE FOREIGN TABLE archive (_id bigint) SERVER archive OPTIONS ("table" 't');
	CREATE FOREIGN TABLE hole (_id bigint) SERVER hole;
	CREATE SCHEMA imported;
	CREATE ROLE nobody});
becomes($node, status_sql('ok', 'hot', 'archive'), 'sources are probed', %limit);
becomes($node, status_sql('down', 'hole'), 'one that does not answer is down', %limit);
is(value('SELECT count(*) FROM hot, archive'), '20', 'the others are read');
$mongo->kill('KILL');
becomes($node, "SELECT state = 'open' FROM switchyard.breakers WHERE source = 'hot'", 'a dead source opens its breaker', %limit);
like(error_of($node, 'SELECT count(*) FROM hot'), qr/ERROR:  57P03/, 'and is refused');
$mongo->restart;
becomes($node, "SELECT state = 'closed' FROM switchyard.breakers WHERE source = 'hot'", 'its return closes it', %limit);
my $heard = '';
for (1 .. 300)
{
	$heard .= $listener->query('SELECT 1');
	last if $heard =~ /"kind": "closed", "source": "hot"/;
	sleep 0.5;
}
like($heard, qr/"kind": "opened", "source": "hot".*"kind": "closed", "source": "hot"/s, 'listeners hear of it');
$listener->quit;

# The views, for those who may see all and for those who may not.
foreach my $role ('NONE', 'nobody')
{
	like(value("SET ROLE $role; SELECT count(*) > 0 FROM switchyard.$_"), $role eq 'NONE' ? qr/t/ : qr/[tf]/, "$_ as $role")
	  foreach ('sources', 'breakers', 'tables', 'events', 'report()');
	value("SET ROLE $role; SELECT * FROM archive; TABLE switchyard.connections") if $role eq 'NONE';
}
is(value("SELECT count(*) FROM switchyard.probe() WHERE ok"), '2', 'probe() of all');

# Calls that fail, trials, and commands.
value("ALTER SERVER hole OPTIONS (SET connect_timeout '500ms', ADD recovery_timeout '1s'); SELECT switchyard.reset('hole')");
like(error_of($node, 'SELECT * FROM hole'), qr/ERROR:  (08001|57P03)/, "call $_ fails") foreach (1 .. 3);
my $psql = background($node);
$psql->query('BEGIN');
is($psql->query('SELECT count(*) FROM archive'), '2', 'a transaction uses a source');
value("SELECT switchyard.drain('archive', 'moves')");
is($psql->query('SELECT count(*) FROM archive'), '2', 'and finishes over drain()');
like(error_of($node, 'SELECT count(*) FROM archive'), qr/ERROR:  57P03/, 'others do not begin');
$psql->query('COMMIT');
value("SELECT switchyard.trip('archive', '1 ms'); SELECT pg_sleep(0.1)");
is(value('SELECT count(*) FROM archive'), '2', 'the end of trip() is a trial');
value('SELECT switchyard.reset()');

# One permit: who waits goes on, is canceled, or times out.
value($mongo->server_sql('single', %slow, pool_size => 1, max_overflow => 0, pool_timeout => '600s', uri => behind($proxy))
	  . "CREATE FOREIGN TABLE single (_id bigint) SERVER single OPTIONS (collection 't')");
$psql->query('BEGIN');
is($psql->query('SELECT count(*) FROM single'), '10', 'a session has the permit');
my $other = background($node);
$other->query_until(qr/waiting/, "\\echo waiting\nSELECT count(*) FROM single;\n");
becomes($node, "SELECT waiting = 1 FROM switchyard.sources WHERE source = 'single'", 'another waits for it', %limit);
my ($ms, $err) = interrupt($node, 'SELECT count(*) FROM single', after => 5);
like($err, qr/57014/, 'the wait can be canceled');
$psql->query('COMMIT');
like($other->query('SELECT 1'), qr/^10$/m, 'who waited goes on');
$other->quit;
value("ALTER SERVER single OPTIONS (SET pool_timeout '1s')");
$psql->query('BEGIN; SELECT count(*) FROM single');
like(error_of($node, 'SELECT count(*) FROM single'), qr/ERROR:  53300/, 'or gives up');

# Ends of backends: in a transaction, while they wait, and in IMPORT.
my $pid = $psql->query('SELECT pg_backend_pid()');
value("SELECT pg_terminate_backend($pid, 60000)");
becomes($node, "SELECT sessions = 0 FROM switchyard.sources WHERE source = 'single'", 'a terminated session is gone', %limit);
$proxy->command('stall');
foreach my $sql ('IMPORT FOREIGN SCHEMA test FROM SERVER single INTO imported', 'SELECT * FROM single', 'ANALYZE single')
{
	interrupt($node, $sql, how => 'terminate', after => 3);
	becomes($node, "SELECT sessions = 0 FROM switchyard.sources WHERE source = 'single'", "nor does the end of $sql leave one", %limit);
}
$proxy->command('pass');

# The database for a command of its own, and processes that end.
value('CREATE DATABASE away');
$node->safe_psql('away', 'CREATE EXTENSION switchyard;' . sqlite_server_sql('archive', $file, %slow));
becomes($node, status_sql('ok', 'archive'), 'a second database is probed', %limit, database => 'away');
value('ALTER DATABASE away RENAME TO gone');
value('DROP DATABASE gone');
my $prober = value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'switchyard prober'");
value("SELECT pg_terminate_backend($prober), pg_reload_conf()");
becomes($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'switchyard prober' AND pid <> $prober", 'a prober that ended comes back', %limit);
value('DROP SERVER single, hole, hot, archive CASCADE');
becomes($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'switchyard prober'", 'and leaves when there is nothing to do', %limit);

$node->stop;
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|TRAP/, 'nothing crashed');
done_testing();
