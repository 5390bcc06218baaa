# The views across sessions: what one session learns of a source all see, and
# who steers it steers it for all; without shared memory for themselves alone.
# The prober is off here: nothing happens but what the test does.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Switchyard;

my $file = sqlite_file('file', 'CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2)');
my $gone = PostgreSQL::Test::Utils::tempdir() . '/gone.db';
my $secret = 'plant3d-secret';
my $guess = 'wr0ng-guess';
my $mongo = Switchyard::Mongod->new(auth => 1);
$mongo->eval(qq{
client.admin.command("createUser", "app", pwd="$secret", roles=[{"role": "read", "db": "test"}])
client.admin.command("createUser", "stranger", pwd="$secret", roles=[{"role": "read", "db": "elsewhere"}])
db.t.insert_many([{"_id": i} for i in range(10)])
});
my $proxy = Switchyard::Proxy->new($mongo->port);
my $node = new_node('main', preload => 1, conf => "switchyard.probe = off\nlog_min_error_statement = panic\n");
my $me = $node->safe_psql('postgres', 'SELECT current_user');

# A value of a view, or of anything.
sub value
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql);
}

# Columns of one source, or of its breaker.
sub source { return value("SELECT $_[1] FROM switchyard.sources WHERE source = '$_[0]'"); }
sub breaker { return value("SELECT $_[1] FROM switchyard.breakers WHERE source = '$_[0]'"); }

# Wait until a query is true, 10 s at most.
sub becomes
{
	my ($sql, $name) = @_;
	my $until = time + 10;

	sleep(0.02) while value($sql) ne 't' && time < $until;
	return is(value($sql), 't', $name);
}

value(sqlite_server_sql('file', $file, pool_size => 1, max_overflow => 0, pool_timeout => '20s')
	  . sqlite_server_sql('gone', $gone, failure_threshold => 3, recovery_timeout => '100s', half_open_calls => 2)
	  . $mongo->server_sql('hot', connect_timeout => '5s', probe_timeout => '2s',
		uri => $mongo->uri('authSource=admin', '127.0.0.1:' . $proxy->port))
	  . qq{
	CREATE SERVER srv FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri 'mongodb+srv://cluster.media.example/', database 'media');
	CREATE USER MAPPING FOR "$me" SERVER hot OPTIONS (username 'app', password '$secret');
	CREATE FOREIGN TABLE file (id bigint) SERVER file OPTIONS ("table" 't');
	CREATE FOREIGN TABLE gone (id bigint) SERVER gone OPTIONS ("table" 't');
	CREATE FOREIGN TABLE hot (_id bigint) SERVER hot OPTIONS (collection 't')});
is(source('srv', 'endpoint, remote_database, status, health_scope'), 'cluster.media.example|media|unknown|cluster',
	'a name of SRV records is the endpoint as it stands');

# ------------------------------------------- a breaker opens, for all to see

foreach my $n (1 .. 3)
{
	like(error_of($node, 'SELECT * FROM gone'), qr/ERROR:  08001/, "failure $n is the source's");
}
my $error = error_of($node, 'SELECT * FROM gone');
like($error, qr/ERROR:  57P03: source "gone" is not accepting queries.*DETAIL:.*HINT:/s, 'then a further session is refused');
is(breaker('gone', 'state, failures, failure_threshold, calls, errors, rejected, opens, last_failure_class'), 'open|3|3|3|3|1|1|source',
	'the breaker shows it, with its counters');
is(breaker('gone', "retry_at - since = '100 s', since <= now(), reason"), 't|t|3 consecutive failures', 'and when it will be tried again');
is(source('gone', 'status, status_since <= now(), last_sqlstate, last_error_at <= now()'), 'down|t|08001|t', 'the source is down');
is(source('file', 'status'), 'unknown', 'and no other');
is(value(q{SELECT string_agg(format('%s %s/%s %s', kind, failures, threshold, sqlstate), ', ' ORDER BY id) FROM switchyard.events WHERE source = 'gone'}),
	'failure 1/3 08001, failure 2/3 08001, failure 3/3 08001, opened 3/3 08001', 'the events tell the story');
is(value(q{SELECT count(DISTINCT pid), count(DISTINCT usename), min(at) <= max(at) FROM switchyard.events}), '3|1|t', 'and who, and when');
my $report = value('SELECT * FROM switchyard.report()');
like($report, qr/^switchyard [\d.]+: 4 sources, 1 down, 3 unknown$/m, 'the report begins with a summary');
like($report, qr/breaker open for \d+ s: 3 consecutive failures, retry in \d+ s/, 'and tells when the breaker will try again');
like($report, qr/`-- last error 08001 \(source\) \d+ s ago: could not open file/, 'and what it was');
value("CREATE ROLE somebody; GRANT SELECT ON gone TO somebody");
unlike(value("SET ROLE somebody; SELECT * FROM switchyard.report()"), qr/\Q$gone\E|could not open/, 'but not to everybody');

# probe() feeds the breaker: it tries, and then closes it.
sqlite_eval($gone, 'db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")');
is(value(q{SELECT ok, status FROM switchyard.probe('gone')}), 't|degraded', 'once the file is there, a probe half-opens the breaker');
is(breaker('gone', 'state'), 'half_open', 'as the view says');
value(q{SELECT switchyard.probe('gone')}) foreach 1 .. 2;
is(breaker('gone', 'state, failures, trials'), 'closed|0|0', 'two more are the trial calls that close it');
is(source('gone', 'status'), 'ok', 'and the source is well');
is(value('SELECT count(*) FROM gone'), '0', 'and answers queries');

# A reset forgets what a failed probe has found out, and nothing else.
value(q{SELECT switchyard.reset('gone')});
is(source('gone', 'status'), 'ok', 'a reset leaves a source well that was found so');
rename($gone, "$gone.away");
is(value(q{SELECT ok, status FROM switchyard.probe('gone')}), 'f|degraded', 'the file is gone again');
value(q{SELECT switchyard.reset('gone')});
is(source('gone', 'status, status_since > probed_at, last_sqlstate'), 'unknown|t|08001', 'after a reset nobody knows how the source is');
is(value(q{SELECT ok, status FROM switchyard.probe('gone')}), 'f|degraded', 'until it is probed');
value(q{ALTER SERVER gone OPTIONS (breaker 'off')});
is(value(q{SELECT ok, status FROM switchyard.probe('gone')}), 'f|down', 'without a breaker the probe alone tells');
value(q{SELECT switchyard.reset('gone')});
is(source('gone', 'status'), 'unknown', 'and is forgotten as well');
value(q{ALTER SERVER gone OPTIONS (SET breaker 'on')});
rename("$gone.away", $gone);
is(value('SELECT count(*) FROM gone'), '0', 'the file is back, and answers queries');
is(source('gone', 'status'), 'unknown', 'which are no probes');
is(value(q{SELECT ok, status FROM switchyard.probe('gone')}), 't|ok', 'a good probe tells that it is well');

# ----------------------------------------------- sessions of other backends

my $psql = background($node);
my $pid = $psql->query('SELECT pg_backend_pid()');
$psql->query('BEGIN; DECLARE c CURSOR FOR SELECT id FROM file; FETCH c');
is(value(qq{SELECT usename = '$me', source, state, wrote, calls FROM switchyard.connections WHERE pid = $pid}),
	't|file|active|f|1', 'another session sees an open cursor');
is(source('file', 'sessions, session_limit, waiting'), '1|1|0', 'and the session that it needs');
my $waiter = background($node);
$waiter->query_until(qr/sent/, "\\echo sent\nSELECT count(*) FROM file;\n");
becomes(q{SELECT waiting = 1 FROM switchyard.sources WHERE source = 'file'}, 'who waits for one of the pool is counted');
like(value('SELECT * FROM switchyard.report()'), qr/sessions 1 of 1, 1 waiting/, 'also in the report');
is(value(q{SELECT ok FROM switchyard.probe('file')}), 't', 'a probe needs no place in the pool');
$psql->query('CLOSE c; COMMIT');
is($waiter->query('SELECT 1'), "2\n1", 'who waited goes on');
becomes(q{SELECT sessions = 1 AND waiting = 0 FROM switchyard.sources WHERE source = 'file'}, 'and one session is left of two');

# Steering reaches the sessions that are there.
value(q{SELECT switchyard.drain('file', 'moving house')});
$psql->query('SELECT count(*) FROM file');
like($psql->{stderr}, qr/ERROR:  57P03.*moving house/s, 'a drained source is drained for the other sessions');
$psql->{stderr} = '';
unlike(error_of($node, q{SELECT switchyard.reset('file')}), qr/01000: other sessions/, 'a reset here does not warn of others');
is($psql->query('SELECT count(*) FROM file'), '2', 'and opens it for them as well');
is($psql->query('SELECT switchyard.disconnect()'), '1', 'a session closes its own');
is(value("SELECT count(*) FROM switchyard.connections WHERE pid = $pid"), '0', 'as the others see');

# ------------------------------------------------------ a source that hangs

is(value(q{SELECT ok, status, remote_database, size_bytes >= 0 FROM switchyard.probe('hot')}), 't|ok|test|t', 'a source with a login is probed with it');
$proxy->command('stall');
my ($ms, $rows) = timed($node, q{SELECT string_agg(source || ' ' || ok || ' ' || coalesce(sqlstate, '-'), ', ' ORDER BY source) FROM switchyard.probe() WHERE source <> 'srv'});
is($rows, 'file true -, gone true -, hot false 08001', 'a source that hangs fails, the others are probed');
cmp_ok($ms, '>', 1900, 'after probe_timeout');
cmp_ok($ms, '<', 2000 + promised_ms(1000), 'and not much later');
is(source('hot', 'status, last_sqlstate'), 'degraded|08001', 'the view tells');
my ($took, $text, $session) = interrupt($node, q{SELECT * FROM switchyard.probe('hot')});
cmp_ok($took, '<', promised_ms(100), 'a probe can be canceled');
like($text, qr/ERROR:  57014/, 'with the error that says so');
is(breaker('hot', 'failures, trials'), '1|0', 'which counts for nothing and leaves nothing');
is($session->query(q{SELECT ok FROM switchyard.probe('file')}), 't', 'the session goes on');
$session->quit;
($took, $text) = interrupt($node, q{SELECT * FROM switchyard.probe('hot')}, how => 'terminate');
like($text, qr/terminating connection/, 'a session can be terminated within a probe');
$proxy->command('pass');
is(value(q{SELECT ok, status FROM switchyard.probe('hot')}), 't|ok', 'a good probe makes failed ones undone');
$proxy->command('refuse');
like(error_of($node, 'SELECT count(*) FROM hot'), qr/ERROR:  08001/, 'a query fails');
$proxy->command('accept');
is(value(q{SELECT ok, status FROM switchyard.probe('hot')}), 't|degraded', 'a good probe does not make that undone');
is(value('SELECT count(*) FROM hot'), '10', 'a good query does');
is(source('hot', 'status'), 'ok', 'as the view says');

is(value(q{SELECT server_version IS NOT NULL FROM switchyard.sources WHERE source = 'hot'}), 't', 'an administrator sees its version');
is(value(q{SET ROLE somebody; SELECT count(server_version), count(*) > 3 FROM switchyard.sources}), '0|t', 'not everybody does');

# ---------------------------------------------------------- why it is refused

value(sqlite_server_sql(q{"we'ird"}, "$gone.none", failure_threshold => 1)
	  . q{CREATE FOREIGN TABLE weird (id bigint) SERVER "we'ird"});
like(error_of($node, 'SELECT * FROM weird'), qr/ERROR:  08001/, 'a source of any name fails');
my ($hint) = error_of($node, 'SELECT * FROM weird') =~ /opened \d+ s ago: 1 consecutive failure \(SQLSTATE 08001\).*or run (switchyard\.reset\(.*\)) once/s;
value("SELECT $hint");
is(breaker("we''ird", 'state'), 'closed', 'and what the hint says can be run as it stands');
foreach my $command ('trip', 'drain')
{
	value("SELECT switchyard.$command('we''ird')");
	($hint) = error_of($node, 'SELECT * FROM weird') =~ /Run (switchyard\.reset\(.*\)) to/;
	value("SELECT $hint");
	is(breaker("we''ird", 'state'), 'closed', "also after $command()");
}
value(q{DROP SERVER "we'ird" CASCADE});

# A state that runs out is seen to, though nobody comes.
value(q{SELECT switchyard.trip('gone', '200 ms')});
is(breaker('gone', 'state, set_until > now(), set_by IS NULL') . ' ' . source('gone', 'status'), 'forced_open|t|f down', 'a source is closed for a moment');
my $until = value(q{SELECT set_until FROM switchyard.breakers WHERE source = 'gone'});
sleep(0.4);
is(breaker('gone', "state, set_until, set_by, reason, since = '$until'"), 'half_open|||the time of the command is over|t',
	'after which a call would go as a trial');
is(source('gone', "status, status_since = '$until'"), 'degraded|t', 'to a source of which not all is well');
is(value(q{SELECT kind FROM switchyard.events WHERE source = 'gone' ORDER BY id DESC LIMIT 1}), 'forced', 'to look changes nothing');
value(q{SELECT switchyard.reset('gone'); ALTER SERVER gone OPTIONS (SET breaker 'off')});
is(breaker('gone', 'state'), 'off', 'nor is anybody needed for the option breaker');
value(q{ALTER SERVER gone OPTIONS (SET breaker 'on')});

# What is known of a source is forgotten, failures too.
value(sqlite_server_sql('brief', "$gone.none", probe_interval => '300ms') . q{CREATE FOREIGN TABLE brief (id bigint) SERVER brief});
like(error_of($node, 'SELECT * FROM brief'), qr/ERROR:  08001/, 'a source fails once');
is(source('brief', 'status'), 'degraded', 'and is known to');
sleep(1.1);
is(source('brief', "status, status_since - last_error_at = '900 ms'"), 'unknown|t', 'for three intervals');
value('DROP SERVER brief CASCADE');

# What opened the breaker stays the reason, whatever is found out later.
value(q{ALTER SERVER hot OPTIONS (ADD failure_threshold '1')});
$proxy->command('refuse');
error_of($node, 'SELECT * FROM hot');
$proxy->command('accept');
$proxy->command('answer hello {"ok": 0, "code": 24, "errmsg": "Unable to acquire lock"}');
is(value(q{SELECT ok, sqlstate FROM switchyard.probe('hot')}), 'f|55P03', 'a source that is back has too much to do');
like(error_of($node, 'SELECT * FROM hot'), qr/ERROR:  57P03.*1 consecutive failure \(SQLSTATE 08001\)/s, 'its breaker is open for what opened it');
$proxy->command('pass');
value(q{SELECT switchyard.reset('hot'); ALTER SERVER hot OPTIONS (DROP failure_threshold)});

# ------------------------------------------------------------------ secrets

value(qq{
	CREATE ROLE fool;
	GRANT SELECT ON hot TO fool;
	GRANT pg_monitor TO fool;
	CREATE USER MAPPING FOR fool SERVER hot OPTIONS (username 'app', password '$guess')});
is(value(q{SET ROLE fool; SELECT ok, status, sqlstate FROM switchyard.probe('hot')}), 't|degraded|28P01', 'who cannot log in has got an answer all the same');
like(error_of($node, 'SET ROLE fool; SELECT * FROM hot'), qr/ERROR:  28P01/, 'but no rows');
is(breaker('hot', 'state, failures, last_failure_class'), 'closed|0|auth', 'which counts for nobody else');
value(qq{ALTER USER MAPPING FOR "$me" SERVER hot OPTIONS (SET username 'stranger')});
is(value(q{SELECT ok, status, size_bytes FROM switchyard.probe('hot')}), 't|degraded|', 'without rights there is no size');
value(qq{ALTER USER MAPPING FOR "$me" SERVER hot OPTIONS (SET username 'app')});
my $all = value(q{
	SELECT s::text FROM switchyard.sources s UNION ALL SELECT b::text FROM switchyard.breakers b UNION ALL
	SELECT e::text FROM switchyard.events e UNION ALL SELECT c::text FROM switchyard.connections c UNION ALL
	SELECT t::text FROM switchyard.tables t UNION ALL SELECT * FROM switchyard.report() UNION ALL
	SELECT p::text FROM switchyard.probe('hot') p});
like($all, qr/127\.0\.0\.1/, 'the views say where the source is');
unlike($all, qr/\Q$secret\E|\Q$guess\E/, 'and hold no secret');
unlike(slurp_file($node->logfile), qr/\Q$secret\E|\Q$guess\E/, 'nor does the log');

# -------------------------------------------- a driver that is not installed

value(q{
	CREATE FUNCTION switchyard_absent_handler() RETURNS fdw_handler AS '$libdir/switchyard', 'switchyard_fdw_handler' LANGUAGE C;
	CREATE FOREIGN DATA WRAPPER absent HANDLER switchyard_absent_handler;
	CREATE SERVER absent FOREIGN DATA WRAPPER absent;
	CREATE FOREIGN TABLE absent (id bigint) SERVER absent});
is(source('absent', 'driver, status, endpoint IS NULL'), 'absent|unknown|t', 'a source whose driver is missing is shown');
is(breaker('absent', 'state IS NULL'), 't', 'without a breaker');
is(value(q{SELECT driver, remote_name IS NULL FROM switchyard.tables WHERE source = 'absent'}), 'absent|t', 'and its tables');
like(value('SELECT * FROM switchyard.report()'), qr/absent \(absent\): unknown, its driver is not installed/, 'and the report says why');
like(error_of($node, q{SELECT switchyard.probe('absent')}), qr/ERROR:  58P01/, 'it cannot be probed');
is(value(q{SELECT ok, status, sqlstate, split_part(message, ':', 1) FROM switchyard.probe() WHERE source = 'absent'}),
	'f|unknown|58P01|could not load source driver "absent"', 'among all others it is one that failed');
is(value(q{SELECT count(*) FROM switchyard.probe('file')}), '1', 'the others can');

# ---------------------------------------------------- after a restart, gone

value(q{SELECT switchyard.trip('file')});
$psql->quit;
$waiter->quit;
$node->restart;
is(breaker('file', 'state'), 'closed', 'a restart forgets what was said by hand');
is(value('SELECT count(*) FROM switchyard.events'), '0', 'and the events');
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;

# ------------------------------------------------- too few places for sources

$node = new_node('small', preload => 1, conf => "switchyard.probe = off\nswitchyard.max_sources = 1\n");
value(sqlite_server_sql('first', $file) . sqlite_server_sql('second', $file)
	  . q{CREATE FOREIGN TABLE t1 (id bigint) SERVER first OPTIONS ("table" 't');
	CREATE FOREIGN TABLE t2 (id bigint) SERVER second OPTIONS ("table" 't');
	SELECT count(*) FROM t1});
is(value(q{SELECT string_agg(health_scope || ' ' || status, ', ' ORDER BY source) FROM switchyard.sources}), 'cluster unknown, backend unknown',
	'who has not used a source yet sees that there is no place for it');
my $other = background($node);
is($other->query('SELECT count(*) FROM t2'), '2', 'a source without a place works');
like($other->{stderr}, qr/WARNING:  \w{5}: the health of source "second" is not shared.*HINT:.*max_sources/s, 'with a warning');
$other->{stderr} = '';
is($other->query(q{SELECT string_agg(health_scope, ' ' ORDER BY source) FROM switchyard.sources}), 'cluster backend', 'and the view says whose health it shows');
$other->query(q{SELECT switchyard.trip('second')});
like($other->{stderr}, qr/WARNING:  01000: other sessions do not learn of this change of source "second".*HINT:.*max_sources/s, 'a trip of it warns');
$other->{stderr} = '';
$other->query('SELECT count(*) FROM t2');
like($other->{stderr}, qr/ERROR:  57P03/, 'works here');
is(value('SELECT count(*) FROM t2'), '2', 'and nowhere else');
$other->quit;
$node->stop;

# ------------------------------------------------------------ not preloaded

$node = new_node('plain');
value(sqlite_server_sql('file', $file, failure_threshold => 2) . q{CREATE FOREIGN TABLE t (id bigint) SERVER file});
$other = background($node);
is($other->query('SELECT count(*) FROM t'), '2', 'without preload sources work');
is($other->query(q{SELECT health_scope, status, session_limit FROM switchyard.sources}), 'backend|unknown|15', 'and the view says whose health it shows');
is($other->query(q{SELECT source, state FROM switchyard.connections}), 'file|idle', 'each session sees its own sessions');
is($other->query(q{SELECT ok, status FROM switchyard.probe()}), 't|ok', 'and can probe');
foreach my $call (q{trip('file', '1 h')}, q{drain('file')}, q{reset('file')})
{
	$other->{stderr} = '';
	$other->query("SELECT switchyard.$call");
	like($other->{stderr}, qr/WARNING:  01000: other sessions do not learn.*HINT:.*shared_preload_libraries/s, "$call warns");
	is(value('SELECT count(*) FROM t'), '2', 'and is no affair of other sessions');
}
$other->{stderr} = '';
is($other->query(q{SELECT count(*) FROM switchyard.events}), '3', 'the events are there');
is(value(q{SELECT count(*) FROM switchyard.events}), '0', 'for this session');
like($other->query('SELECT * FROM switchyard.report()'), qr/all of it seen by this session alone/, 'and the report says so');
rename($file, "$file.away");
$other->query('SELECT count(*) FROM t') foreach 1 .. 2;
is($other->query(q{SELECT state, failures FROM switchyard.breakers}), 'open|2', 'failures open the breaker of this session');
$other->{stderr} = '';
$other->query('SELECT count(*) FROM t');
like($other->{stderr}, qr/ERROR:  57P03/, 'which refuses');
rename("$file.away", $file);
is(value('SELECT count(*) FROM t'), '2', 'no other one does');
$other->quit;
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
done_testing();
