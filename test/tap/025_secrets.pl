# A secret is planted wherever one could come from.  Then all is looked
# through that anybody but its owner can see: what clients are told, the
# views, the notifications, and the log of all processes.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Switchyard;

my $mongo = Switchyard::Mongod->new(auth => 1);
my $proxy = Switchyard::Proxy->new($mongo->port);
my $folder = PostgreSQL::Test::Utils::tempdir();
my $file = sqlite_file('file', 'CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT); INSERT INTO t VALUES (1, $$a$$)' =~ s/\$\$/"/gr);
my $node = new_node('main', preload => 1, conf => q{
log_min_messages = debug2
log_min_error_statement = panic
log_error_verbosity = verbose
switchyard.log_access = all
switchyard.log_remote_queries = on
});
my $me = $node->safe_psql('postgres', 'SELECT current_user');

# All that clients were told, and the places where secrets were planted.
my $told = '';
my @places;

# A new secret for a place; it has all that has a meaning in a URI.
sub plant
{
	my ($place, $around) = @_;
	my $secret = sprintf 'pl4nted%02d', scalar @places;

	push @places, [ $secret, $place ];
	return $around ? "$secret@:/ %41?&=#$secret" : $secret;
}

# Run SQL, whether it works or not, and keep what comes back.
sub run
{
	my ($sql) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', $sql, on_error_stop => 0, extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	$told .= "$out\n$err\n";
	return "$out\n$err";
}

# Wait until a query is true.
sub becomes
{
	my ($sql, $name) = @_;
	my $until = time + 30;

	sleep(0.05) while $node->safe_psql('postgres', $sql) ne 't' && time < $until;
	return is($node->safe_psql('postgres', $sql), 't', $name);
}

# ------------------------------------------------- what DDL has to refuse

run($mongo->server_sql('open') . sqlite_server_sql('file', $file));
my @ddl;
foreach my $form ('mongodb://app:SECRET@127.0.0.1/', 'mongodb+srv://app:SECRET@cluster.example/', 'mongodb://SECRET@127.0.0.1/',
	'mongodb://app:SECRET', 'mongodb://app:sec ret SECRET@127.0.0.1/', q{mongodb://app:"''SECRET@127.0.0.1/}, 'app:SECRET@127.0.0.1',
	map { "mongodb://127.0.0.1/?$_=SECRET" } qw(tlsCertificateKeyFilePassword sslClientCertificateKeyPassword password PassWord x=1;pwd accessToken),
	'authMechanism=MONGODB-AWS&authMechanismProperties=AWS_SESSION_TOKEN:x,y')
{
	my $uri = $form =~ s/y=SECRET/y:SECRET/r =~ s/SECRET/plant("the URI $form")/er;

	push @ddl, "CREATE SERVER refused FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri '$uri', database 'test')",
	  "ALTER SERVER open OPTIONS (SET uri '$uri')", "ALTER FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri '$uri')";
}
foreach my $ddl (q{CREATE SERVER refused FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (url 'mongodb://app:SECRET@127.0.0.1/')},
	q{CREATE SERVER refused FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri 'mongodb://127.0.0.1/', database 'mongodb://app:SECRET@127.0.0.1/test')},
	q{CREATE SERVER refused FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri 'mongodb://127.0.0.1/', password 'SECRET')},
	q{CREATE SERVER refused FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri 'mongodb://127.0.0.1/', pool_size 'mongodb://app:SECRET@127.0.0.1/')},
	q{CREATE SERVER refused FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path 'mongodb://app:SECRET@127.0.0.1/')},
	q{CREATE USER MAPPING FOR CURRENT_USER SERVER open OPTIONS (username 'app', passwort 'SECRET')},
	q{CREATE USER MAPPING FOR CURRENT_USER SERVER open OPTIONS (password 'SECRET')},
	q{CREATE USER MAPPING FOR CURRENT_USER SERVER open OPTIONS (username 'app', password_required 'SECRET')},
	q{CREATE USER MAPPING FOR CURRENT_USER SERVER open OPTIONS (username '', password 'SECRET')},
	q{CREATE USER MAPPING FOR CURRENT_USER SERVER file OPTIONS (username 'app', password 'SECRET')},
	q{CREATE FOREIGN TABLE refused (id int) SERVER open OPTIONS (collection 'c', uri 'mongodb://app:SECRET@127.0.0.1/')})
{
	push @ddl, $ddl =~ s/SECRET/plant($ddl)/er;
}
my @refused = run(join ';', @ddl) =~ /ERROR:  (\w+)/g;
is(scalar(@refused), scalar(@ddl), 'commands with secrets at wrong places are refused') or diag($told);
run('DROP SERVER open');

# ---------------------------------------------------------- who logs in how

my $good = plant('the right password', 1);
my %key = (right => plant('the password of a key file'), wrong => plant('a wrong password of a key file'));
system_or_bail('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-days', '2', '-subj', '/CN=client', '-passout', "pass:$key{right}",
	'-keyout', "$folder/key", '-out', "$folder/crt");
append_to_file("$folder/client.pem", slurp_file("$folder/key") . slurp_file("$folder/crt"));
$mongo->eval(qq{
client.admin.command("createUser", "app", pwd="$good", roles=[{"role": "read", "db": "test"}])
db.t.insert_many([{"_id": i, "s": "a"} for i in range(10)])
});
my %fast = (probe_interval => '300ms', probe_timeout => '2s', connect_timeout => '2s', failure_threshold => 2);
my $hosts = '127.0.0.1:' . $proxy->port;
my %sources = (
	good => [ 'authSource=admin', "username 'app', password '$good'" ],
	wrong => [ 'authSource=admin', "username 'app', password '" . plant('a wrong password', 1) . "'" ],
	unknown => [ 'authSource=admin', "username 'nobody', password '" . plant('the password of an unknown user') . "'" ],
	plain => [ 'authMechanism=PLAIN&authSource=$external', "username 'app', password '" . plant('a password sent as it is') . "'" ],
	sha1 => [ 'authMechanism=SCRAM-SHA-1&authSource=admin', "username 'app', password '" . plant('a password for another mechanism') . "'" ],
	key => [ "tls=true&tlsCertificateKeyFile=$folder/client.pem", "tls_key_password '$key{right}'" ],
	badkey => [ "tls=true&tlsCertificateKeyFile=$folder/client.pem", "tls_key_password '$key{wrong}'" ]);
my $listener = background($node);
$listener->query('LISTEN switchyard');
foreach my $name (sort keys %sources)
{
	my ($options, $mapping) = @{ $sources{$name} };

	$node->safe_psql('postgres', $mongo->server_sql($name, %fast, uri => "mongodb://$hosts/?directConnection=true&$options")
		  . "CREATE USER MAPPING FOR CURRENT_USER SERVER $name OPTIONS ($mapping);"
		  . "CREATE FOREIGN TABLE $name (_id bigint, s text) SERVER $name OPTIONS (collection 't')");
}
$node->safe_psql('postgres', 'ALTER SERVER file OPTIONS (probe_interval $$300ms$$); CREATE FOREIGN TABLE file (id bigint, s text) SERVER file OPTIONS ("table" $$t$$); CREATE SCHEMA s');
is(error_of($node, 'SELECT count(*) FROM good'), '', 'the right password is right');
foreach my $name (sort keys %sources)
{
	my $answer = run("SELECT count(s) FROM $name; IMPORT FOREIGN SCHEMA test FROM SERVER $name INTO s; ANALYZE $name;"
		  . "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM $name; SELECT * FROM switchyard.probe('$name')");

	like($answer, qr/ERROR:  (28P01|08\w+|57P03)/, "$name: who cannot log in learns that") if $name ne 'good';
}
becomes(q{SELECT bool_and(probed_at IS NOT NULL) FROM switchyard.sources}, 'the prober has probed all of them');
becomes(q{SELECT state <> 'closed' FROM switchyard.breakers WHERE source = 'badkey'}, 'and opened a breaker');

# ------------------------------------- what sources and administrators write

my $quoted = plant('an error text of the source');
$proxy->command(qq|answer find {"ok": 0, "code": 8000, "codeName": "AtlasError", "errmsg": "you are over your space quota, see mongodb://app:$quoted\@internal/?x=1&authToken=$quoted"}|);
like(run('SELECT s FROM good'), qr/see mongodb:\/\/\*\*\*\@internal\/\?x=1&authToken=\*\*\*/, 'a URI in an error is shown without its secrets');
$proxy->command(qq|answer ping {"ok": 0, "code": 13, "errmsg": "no, ask mongodb://app:$quoted\@internal/"}|);
run(q{SELECT * FROM switchyard.probe('good')});
my $literal = plant('a constant of a query');
$node->safe_psql('postgres', "SELECT count(*) FROM good WHERE s = '$literal'; SELECT count(*) FROM file WHERE s = '$literal'");
like(slurp_file($node->logfile), qr/remote query on source "good": .*\?/, 'what is sent is logged, with constants hidden');
foreach my $uri ('mongodb://app:SECRET@new.example/', 'https://new.example/moved?token=SECRET&x=1', 'postgres://app:a@b:SECRET@new.example')
{
	my $reason = 'gone to ' . ($uri =~ s/SECRET/plant("the reason $uri")/er) . ', soon';

	run("SELECT switchyard.trip('good', '1 h', '$reason')");
	like(run('SELECT s FROM good'), qr/ERROR:  57P03.*gone to \w+:\S*\*\*\*.*soon/s, 'a reason is told, without the secret');
	run("SELECT * FROM switchyard.breakers; SELECT * FROM switchyard.report(); SELECT switchyard.drain('good', '$reason')");
	run('SELECT s FROM good');
}
my $heard = '';
for (1 .. 100)
{
	$heard .= $listener->query('SELECT 1') // '';
	last if (() = $heard =~ /"kind": "drained"/g) >= 3;
	sleep(0.1);
}
like($heard, qr/"kind": "drained".*"reason": "gone to \w+:\S*\*\*\*/, 'listeners are told the reason as well');
$listener->quit;

# --------------------------------------------------------- what can be seen

my $views = run(join ';', map { "SELECT * FROM switchyard.$_" } qw(sources breakers events connections tables report() version()));
like($views, qr/28P01.*gone to/s, 'the views show errors and reasons');
$node->safe_psql('postgres', 'CREATE ROLE spy; GRANT pg_monitor TO spy; GRANT USAGE ON FOREIGN SERVER good, wrong TO spy; GRANT SELECT ON good, wrong TO spy');
run('SET ROLE spy; SELECT * FROM pg_user_mappings; SELECT * FROM pg_foreign_server; SELECT * FROM pg_stat_activity; SELECT * FROM good; SELECT * FROM wrong;'
	  . 'SELECT * FROM switchyard.sources; SELECT * FROM switchyard.events; SELECT * FROM switchyard.report(); SELECT * FROM switchyard.probe()');
run(q{SELECT count(*) FROM wrong; SELECT count(*) FROM file; SELECT pg_log_backend_memory_contexts(pid) FROM pg_stat_activity WHERE pid = pg_backend_pid() OR backend_type LIKE 'switchyard%'; SELECT pg_sleep(0.3)});
$node->stop;
my $log = slurp_file($node->logfile);
like($log, qr/level: \d+; switchyard session: .*used: file/, 'the log lists the memory of sessions');
like($log, qr/WARNING:.*source "good": circuit breaker is forced_open now.*\n.*gone to \w+:\S*\*\*\*/, 'and reasons');
foreach my $planted (@places)
{
	my ($secret, $place) = @$planted;

	is(join(', ', grep { { told => $told, heard => $heard, log => $log }->{$_} =~ /\Q$secret\E/i } qw(told heard log)), '', "nobody sees the secret of $place")
	  or diag(join "\n", grep { /\Q$secret\E/i } split /\n/, "$told\n$heard\n$log");
}
unlike($log, qr/terminated by signal|PANIC/, 'nothing crashed');
done_testing();
