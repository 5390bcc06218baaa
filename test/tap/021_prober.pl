# The prober: sees a source die and come back without any query, lets no
# source wait for another, and is in nobody's way.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Switchyard;
use Switchyard::Watch;

my $file = sqlite_file('archive', 'CREATE TABLE t (a); INSERT INTO t VALUES (1), (2); CREATE INDEX i ON t (a); ANALYZE');
my $mongo = Switchyard::Mongod->new;
$mongo->eval('db.t.insert_many([{"_id": i} for i in range(100)]); db.u.insert_one({})');
my $proxy = Switchyard::Proxy->new($mongo->port);
my $hole = Switchyard::Proxy->new;
my $locked = Switchyard::Mongod->new(auth => 1);
my $node = new_node(
	'main',
	preload => 1,
	conf => "restart_after_crash = on\nlog_min_messages = info\n"
	  . "switchyard.max_sources = 8\nlog_line_prefix = '%m [%p] %b '\n");
my %fast = (probe_interval => '200ms', probe_timeout => '1s', connect_timeout => '1s', failure_threshold => 3);
my $direct = 'mongodb://127.0.0.1:' . $mongo->port . '/?directConnection=true';

# -------------------------------------------------------------- statistics

is( $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'switchyard prober'"),
	0, 'no prober without servers');
$node->safe_psql('postgres', $mongo->server_sql('hot', %fast) . sqlite_server_sql('archive', $file, probe_interval => '200ms'));
becomes($node, status_sql('ok', 'hot', 'archive'), 'sources are probed as soon as they are made');
is( $node->safe_psql('postgres', q{SELECT tables, rows_estimate, size_bytes > 0, server_version ~ '^\d', remote_database, read_only
	FROM switchyard.sources WHERE source = 'hot'}), '2|101|t|t|test|f', 'MongoDB: what it is and how large');
is( $node->safe_psql('postgres', q{SELECT tables, rows_estimate, size_bytes, remote_database IS NULL, read_only
	FROM switchyard.sources WHERE source = 'archive'}), '1|2|' . (-s $file) . '|t|f', 'SQLite: the same');
is( $node->safe_psql('postgres', q{SELECT string_agg(concat_ws('/', application_name, datname), ' ' ORDER BY backend_type)
	FROM pg_stat_activity WHERE backend_type LIKE 'switchyard%' AND application_name = backend_type}),
	'switchyard launcher switchyard prober/postgres', 'one launcher, one prober, in pg_stat_activity by their names');
becomes($node, q{SELECT count(*) = 2 FROM pg_stat_activity WHERE backend_type LIKE 'switchyard%' AND wait_event_type = 'Extension'},
	'which wait as extensions do');

# --------------------------------------------- a source dies and comes back

my $listener = background($node);
$listener->query('LISTEN switchyard');
my $log_from = -s $node->logfile;
$mongo->kill('KILL');
my $ms = becomes($node, "SELECT state = 'open' FROM switchyard.breakers WHERE source = 'hot'",
	'a dead source opens its breaker without any query');
cmp_ok($ms, '<', promised_ms(3 * 200 + 3 * 1000), 'within the time of three probes');
is($node->safe_psql('postgres', "SELECT status FROM switchyard.sources WHERE source = 'hot'"), 'down', 'the source is down');
is($node->safe_psql('postgres', "SELECT status FROM switchyard.sources WHERE source = 'archive'"), 'ok', 'the other is not');
$mongo->restart;
becomes($node, "SELECT state = 'closed' FROM switchyard.breakers WHERE source = 'hot'",
	'its return closes the breaker without any query');
is($node->safe_psql('postgres', "SELECT calls FROM switchyard.breakers WHERE source = 'archive'"), 0, 'probes are no calls');
is( $node->safe_psql('postgres', q{SELECT string_agg(kind, ' ' ORDER BY id) FROM switchyard.events WHERE source = 'hot'}),
	'failure failure failure opened half_opened closed', 'events tell it in order');
my $log = slurp_file($node->logfile, $log_from);
like($log, qr/prober LOG:  source "hot": failure 2 of 3\n.*DETAIL:  could not connect to source "hot": .*[Cc]onnection refused/,
	'the log counts failures, and says why');
like($log, qr/WARNING:  source "hot": circuit breaker is $_ /, "the log says $_") foreach ('open', 'half_open', 'closed');

my $heard = '';
for (1 .. 50)
{
	$heard .= $listener->query('SELECT 1');
	last if $heard =~ /"kind": "closed"/;
	sleep(0.1);
}
my @payloads = $heard =~ /notification "switchyard" with payload "(\{.*?\})" received/g;
is(scalar(@payloads), 3, 'listeners hear of each transition, once');
is( $node->safe_psql('postgres', 'SELECT string_agg(DISTINCT keys, $$;$$) FROM (SELECT array_to_string(array(SELECT json_object_keys(p)), $$,$$) AS keys'
		  . ' FROM unnest(ARRAY[' . join(', ', map { "\$json\$$_\$json\$::json" } @payloads) . ']) p) _'),
	'at,kind,source,route,from,to,reason,failures,threshold,sqlstate', 'in JSON with these keys');
like($payloads[0], qr/"kind": "opened", "source": "hot", "route": null, "from": "closed", "to": "open", "reason": ".*", "failures": 3, "threshold": 3, "sqlstate": "08001"/,
	'which say what has happened');
like($payloads[0], qr/^\{"at": "\d{4}-\d\d-\d\dT[\d:.]+[+-]\d\d:\d\d"/, 'and when');
$listener->quit;

# A blip of a source that nobody queries is over when a probe succeeds.
my $blip = sqlite_file('blip', 'CREATE TABLE t (a)');
$node->safe_psql('postgres', sqlite_server_sql('blip', $blip, probe_interval => '200ms', failure_threshold => 100));
becomes($node, status_sql('ok', 'blip'), 'a source that nobody queries');
rename($blip, "$blip.away");
becomes($node, "SELECT failures > 0 FROM switchyard.breakers WHERE source = 'blip'", 'fails at a probe');
is($node->safe_psql('postgres', "SELECT status FROM switchyard.sources WHERE source = 'blip'"), 'degraded', '... is degraded');
rename("$blip.away", $blip);
becomes($node, status_sql('ok', 'blip'), '... and is well again when another succeeds');
is($node->safe_psql('postgres', "SELECT failures FROM switchyard.breakers WHERE source = 'blip'"), 0, 'without a failure left');
$node->safe_psql('postgres', 'DROP SERVER blip');

# ------------------------------------ hanging sources do not delay the others

# How old the last probe of either source was at most within 3 s, in ms, and
# how often in some 150 looks the prober was seen with a snapshot.
$node->safe_psql('postgres', q{
	CREATE FUNCTION ages(OUT oldest float8, OUT snapshots bigint) LANGUAGE plpgsql AS $$
	DECLARE
		until timestamptz := clock_timestamp() + '3 s';
	BEGIN
		oldest := 0;
		snapshots := 0;
		WHILE clock_timestamp() < until LOOP
			oldest := greatest(oldest, (SELECT max(extract(epoch FROM clock_timestamp() - probed_at)) * 1000
				FROM switchyard.sources WHERE source IN ('hot', 'archive')));
			PERFORM pg_stat_clear_snapshot();
			snapshots := snapshots + (SELECT count(*) FROM pg_stat_activity
				WHERE backend_type = 'switchyard prober' AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL));
			PERFORM pg_sleep(0.015);
		END LOOP;
	END $$});
my @before = split /\|/, $node->safe_psql('postgres', 'SELECT * FROM ages()');
cmp_ok($before[0], '<', promised_ms(300), 'both sources are probed at their interval');

$node->safe_psql('postgres', $mongo->server_sql('silent', %fast, uri => 'mongodb://127.0.0.1:' . $proxy->port . '/?directConnection=true')
	  . $mongo->server_sql('hole', %fast, uri => 'mongodb://127.0.0.1:' . $hole->port . '/?directConnection=true')
	  . $locked->server_sql('frozen', %fast, uri => 'mongodb://127.0.0.1:' . $locked->port . '/?directConnection=true'));
becomes($node, status_sql('ok', 'silent'), 'a source behind a proxy is well');
my $taken = sqlite_file('taken', 'CREATE TABLE t (a)');
my $owner = IPC::Run::start([ $PYTHON, '-c', 'import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None);'
	  . ' db.execute("BEGIN EXCLUSIVE"); print("locked", flush=True); sys.stdin.read()', $taken ], \my ($in, $out));
$owner->pump until $out =~ /locked/;
$node->safe_psql('postgres', sqlite_server_sql('taken', $taken, probe_interval => '200ms', probe_timeout => '1s'));
$proxy->command('stall');
$locked->kill('STOP');
becomes($node, status_sql('down', 'silent', 'hole', 'frozen'), 'sources that hang are down');
becomes($node, status_sql('degraded', 'taken'), 'and one that another program keeps locked is degraded');
my @during = split /\|/, $node->safe_psql('postgres', 'SELECT * FROM ages()');
cmp_ok($during[0], '<', 200 + promised_ms(100), 'the others are probed as often as before');
note("oldest probes: $before[0] and $during[0] ms");
# It is seen when the catalogs are read, for a fraction of a millisecond.
cmp_ok($during[1], '<', 5, 'no snapshot is held meanwhile');
$owner->finish;
becomes($node, status_sql('ok', 'taken'), 'a file that is unlocked is well again');
$locked->kill('CONT');
becomes($node, "SELECT state = 'closed' FROM switchyard.breakers WHERE source = 'frozen'", 'a server that goes on is well again');

# ------------------------------------------------ commands on the database

# Everything that needs a database for itself, while its sources are probed
# and some of them hang.
my $servers = $mongo->server_sql('hot', %fast, probe_interval => '100ms')
  . $mongo->server_sql('silent', %fast, uri => 'mongodb://127.0.0.1:' . $proxy->port . '/?directConnection=true')
  . sqlite_server_sql('archive', $file, probe_interval => '100ms');
my $tablespace = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', "CREATE TABLESPACE elsewhere LOCATION '$tablespace'");
$node->safe_psql('postgres', 'ALTER SYSTEM SET switchyard.max_sources = 32');
$node->restart;
$node->safe_psql('postgres', 'CREATE DATABASE one');
$node->safe_psql('one', "CREATE EXTENSION switchyard; $servers");
my $longest = 0;
foreach my $round (1 .. 3)
{
	my $probed = q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'switchyard prober' AND datname = '%s'};

	becomes($node, sprintf($probed, 'one'), "round $round: the database is probed");
	foreach my $command ('CREATE DATABASE two TEMPLATE one', 'ALTER DATABASE one RENAME TO three',
		'ALTER DATABASE three SET TABLESPACE elsewhere', 'CREATE DATABASE four TEMPLATE three',
		'ALTER DATABASE three SET TABLESPACE pg_default', 'DROP DATABASE two', 'DROP DATABASE four',
		'ALTER DATABASE three RENAME TO one')
	{
		my ($took, undef, $err) = timed($node, $command);

		is($err, '', "round $round: $command");
		$longest = $took if $took > $longest;
	}
}
note("the longest command: $longest ms");
cmp_ok($longest, '<', promised_ms(2000), 'none of them had to wait for long');
becomes($node, status_sql('ok', 'hot', 'archive'), 'probing goes on afterwards', database => 'one');
is(error_of($node, 'CREATE DATABASE copy TEMPLATE one', connstr => $node->connstr('one')), '', 'a database is copied from within');
is(error_of($node, 'DROP DATABASE copy'), '', 'and the copy dropped');
like(error_of($node, 'DROP DATABASE one', connstr => $node->connstr('one')), qr/55006/, 'a command that fails ...');
becomes($node, "SELECT probed_at > now() - interval '1 s' FROM switchyard.sources WHERE source = 'archive'",
	'... does not keep the prober out', database => 'one');
is(error_of($node, 'DROP DATABASE one WITH (FORCE)'), '', 'DROP DATABASE with FORCE');
unlike(slurp_file($node->logfile), qr/FATAL:.*database .* does not exist|being accessed by other users/,
	'nobody looked for a database that is gone');

# ------------------------------------- servers and the extension are dropped

# There are 32 places: more servers than that, one after the other.
$node->safe_psql('postgres', 'CREATE DATABASE many');
$node->safe_psql('many', 'CREATE EXTENSION switchyard');
foreach my $round (1 .. 6)
{
	$node->safe_psql('many', join '', map { sqlite_server_sql("s$round$_", $file, probe_interval => '100ms') } (1 .. 8));
	becomes($node, status_sql('ok', map { "s$round$_" } (1 .. 8)), "round $round: eight new servers are probed", database => 'many');
	is(error_of($node, join(';', map { "DROP SERVER s$round$_" } (1 .. 8)), connstr => $node->connstr('many')),
		'', "round $round: and dropped");
}
$node->safe_psql('many', sqlite_server_sql('s', $file));
becomes($node, "SELECT health_scope = 'cluster' AND status = 'ok' FROM switchyard.sources WHERE source = 's'",
	'the places of dropped servers are free again', database => 'many');
is(error_of($node, 'DROP EXTENSION switchyard CASCADE', connstr => $node->connstr('many')) =~ /ERROR/, '', 'the extension is dropped');
becomes($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'switchyard prober' AND datname = 'many'",
	'and the prober goes');
$node->safe_psql('many', 'CREATE EXTENSION switchyard; ' . sqlite_server_sql('s', $file));
becomes($node, status_sql('ok', 's'), 'it comes again with the extension', database => 'many');
$node->safe_psql('many', 'ALTER SERVER s RENAME TO r; ALTER SERVER r OPTIONS (SET path \'/nowhere\', ADD failure_threshold \'1\')');
becomes($node, status_sql('down', 'r'), 'a renamed and changed server is probed as it is now', database => 'many');
is(error_of($node, 'DROP DATABASE many'), '', 'the database is dropped');

# --------------------------------------------------------------- credentials

$locked->eval(q{
client.test.command("createUser", "reader", pwd="reader secret", roles=["read"])
client.test.command("createUser", "nobody", pwd="nobody secret", roles=[])
db.t.insert_one({})
});
my %users = (
	superuser => [ 'postgres', '', 'degraded', 'f' ],	# asks for the size, and is refused
	anonymous => [ 'alice', '', 'ok', 'f' ],	# asks only what needs no login
	reader => [ 'alice', "CREATE USER MAPPING FOR alice SERVER %s OPTIONS (username 'reader', password 'reader secret')", 'ok', 't' ],
	everyone => [ 'alice', "CREATE USER MAPPING FOR PUBLIC SERVER %s OPTIONS (username 'reader', password 'reader secret')", 'ok', 't' ],
	nobody => [ 'alice', "CREATE USER MAPPING FOR alice SERVER %s OPTIONS (username 'nobody', password 'nobody secret')", 'degraded', 'f' ],
	wrong => [ 'alice', "CREATE USER MAPPING FOR alice SERVER %s OPTIONS (username 'reader', password 'wrong secret')", 'degraded', 'f' ]);
$node->safe_psql('postgres', 'CREATE ROLE alice; GRANT USAGE ON FOREIGN DATA WRAPPER switchyard_mongodb TO alice');
foreach my $name (sort keys %users)
{
	my ($owner, $mapping, $status, $size) = @{ $users{$name} };

	$node->safe_psql('postgres', $locked->server_sql($name, %fast,
			uri => 'mongodb://127.0.0.1:' . $locked->port . '/?directConnection=true&authSource=test')
		  . "ALTER SERVER $name OWNER TO $owner;" . sprintf($mapping, $name));
	becomes($node, "SELECT status = '$status' AND (size_bytes IS NOT NULL) = '$size' AND server_version IS NOT NULL"
		  . " FROM switchyard.sources WHERE source = '$name'", "login as $name: $status" . ($size eq 't' ? ' with size' : ''));
}
is($node->safe_psql('postgres', q{SELECT count(*) FROM switchyard.breakers WHERE source IN ('wrong', 'nobody') AND (state <> 'closed' OR failures > 0)}),
	0, 'who may not ask makes no failures');
unlike(slurp_file($node->logfile) . $node->safe_psql('postgres', 'SELECT s::text FROM switchyard.sources s UNION ALL SELECT e::text FROM switchyard.events e'),
	qr/wrong secret/, 'no password is shown');
$node->safe_psql('postgres', "ALTER USER MAPPING FOR alice SERVER wrong OPTIONS (SET password 'reader secret')");
becomes($node, "SELECT status = 'ok' AND size_bytes IS NOT NULL FROM switchyard.sources WHERE source = 'wrong'",
	'a corrected password is used at once');

# --------------------------------------------------------- switchyard.probe

$node->append_conf('postgresql.conf', "switchyard.probe = off\n");
$node->reload;
becomes($node, "SELECT max(probed_at) < now() - interval '1 s' FROM switchyard.sources", 'nothing is probed with switchyard.probe off');
$node->append_conf('postgresql.conf', "switchyard.probe = on\n");
$node->reload;
becomes($node, "SELECT max(probed_at) > now() - interval '1 s' FROM switchyard.sources", 'and again with on');

# ------------------------------------------------------------------- kill -9

my $psql = background($node);
my %victims = (
	backend => $psql->query('SELECT pg_backend_pid()'),
	prober => $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'switchyard prober' AND datname = 'postgres'"),
	launcher => undef);
foreach my $name ('backend', 'prober', 'launcher')
{
	my $sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'switchyard $name'"
	  . ($name eq 'prober' ? " AND datname = 'postgres'" : '');
	my $pid = $name eq 'backend' ? $victims{$name} : $node->safe_psql('postgres', $sql);
	my $began = time;

	kill 'KILL', $pid;
	sleep(0.02) while -d "/proc/$pid";
	becomes($node, "SELECT count(*) = 2 FROM pg_stat_activity WHERE backend_type IN ('switchyard launcher', 'switchyard prober') AND pid <> $pid",
		"kill -9 of a $name: all processes are back");
	becomes($node, q{SELECT bool_and(probed_at IS NOT NULL) FROM switchyard.sources WHERE source IN ('hot', 'archive')},
		"kill -9 of a $name: sources are probed again");
	cmp_ok(time - $began, '<', 10, "kill -9 of a $name: within 10 s");
}
eval { $psql->quit; };

# An ordinary end of either is no crash.
foreach my $name ('prober', 'launcher')
{
	my $pid = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'switchyard $name'");

	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
	becomes($node, "SELECT count(*) = 2 FROM pg_stat_activity WHERE backend_type IN ('switchyard launcher', 'switchyard prober') AND pid <> $pid",
		"a $name that is terminated comes again", limit => 15);
}
$node->stop;

done_testing();
