# Cancel, statement_timeout and pg_terminate_backend in the waits for MongoDB
# that 002_cancel.pl does not have: TLS, SCRAM, a later batch, several servers
# at once, IMPORT, ANALYZE, and what is sent after a cancel.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Switchyard;

my $bound = promised_ms(100);
my %sqlstate = (cancel => '57014', timeout => '57014');

my $mongo = Switchyard::Mongod->new(tls => 1, auth => 1);
my @more = map { Switchyard::Mongod->new } 1 .. 2;
my $load = q{db.t.insert_many([{"_id": i, "n": i, "s": "x" * 200} for i in range(1000)])};
$mongo->eval(qq{$load
client.admin.command("createUser", "app", pwd="secret", roles=[{"role": "read", "db": "test"}])
});
$_->eval($load) foreach @more;
my $console = $mongo->console;
my $stalled = Switchyard::Proxy->new($mongo->port);
my $node = new_node('main');
my $me = $node->safe_psql('postgres', 'SELECT quote_ident(current_user)');
my $ddl = '';
my %uri = (hot => $mongo->uri, stalled => $mongo->uri('', '127.0.0.1:' . $stalled->port), one => $more[0]->uri, two => $more[1]->uri);
foreach my $name (sort keys %uri)
{
	$ddl .= $mongo->server_sql($name, failure_threshold => 1000, failure_rate => 0, connect_timeout => '60s', uri => $uri{$name});
	$ddl .= "CREATE FOREIGN TABLE $name (_id bigint, n bigint, s text) SERVER $name OPTIONS (collection 't', fetch_size '100');\n";
	$ddl .= "CREATE USER MAPPING FOR $me SERVER $name OPTIONS (username 'app', password 'secret');\n" if $name =~ /hot|stalled/;
}
$node->safe_psql('postgres', $ddl . q{
	CREATE TABLE tree (_id bigint, n bigint, s text);
	ALTER FOREIGN TABLE one INHERIT tree;
	ALTER FOREIGN TABLE two INHERIT tree;
	CREATE SCHEMA imported;
});

# The server holds these commands for some seconds, or none.
sub hold
{
	my (@commands) = @_;
	my $list = join ', ', map { "\"$_\"" } @commands;

	$console->eval(@commands
		? qq{client.admin.command("configureFailPoint", "failCommand", mode="alwaysOn", data={"failCommands": [$list], "blockConnection": True, "blockTimeMS": 3000})}
		: 'client.admin.command("configureFailPoint", "failCommand", mode="off")');
	return;
}

# Interrupt a statement in each of the three ways; "usable" is a query that
# must work afterwards in the same session.
sub try
{
	my ($situation, $sql, %options) = @_;

	foreach my $how (qw(cancel timeout terminate))
	{
		$options{before}->() if $options{before};
		my ($ms, $err, $psql) = interrupt($node, $sql, setup => $options{setup}, how => $how);

		ok($ms < $bound, "$situation, $how: over within the bound") or diag("$ms ms");
		like($err, qr/$sqlstate{$how}/, "$situation, $how: the error is $sqlstate{$how}") unless $how eq 'terminate';
		$options{mend}->() if $options{mend};
		next if $how eq 'terminate';
		is($psql->query("ROLLBACK; SELECT count(n) FROM $options{usable}"), $options{rows} // '1000', "$situation, $how: the session is usable") or diag($psql->{stderr});
		$psql->{stderr} = '';
		$psql->quit;
	}
	return;
}

try('TLS handshake', 'SELECT * FROM stalled',
	before => sub { $stalled->command('stall'); },
	mend => sub { $stalled->command('pass'); },
	usable => 'stalled');
try('SCRAM', 'SELECT * FROM hot',
	before => sub { hold('saslStart', 'saslContinue'); },
	mend => sub { hold(); },
	usable => 'hot');
try('a later batch', 'SELECT count(n) FROM hot',
	before => sub { hold('getMore'); },
	mend => sub { hold(); },
	usable => 'hot');
try('a find whose end the server does not confirm', 'SELECT count(n) FROM hot',
	before => sub { hold('find', 'killSessions'); },
	mend => sub { hold(); },
	usable => 'hot');
try('the same in a remote transaction', 'BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(n) FROM hot; ROLLBACK',
	before => sub { hold('find', 'killSessions', 'abortTransaction'); },
	mend => sub { hold(); },
	usable => 'hot');
try('several servers at once', 'SELECT count(n) FROM tree',
	before => sub { $_->kill('STOP') foreach @more; },
	mend => sub { $_->kill('CONT') foreach @more; },
	usable => 'tree', rows => '2000');
try('several servers at once, already connected', 'SELECT count(n) FROM tree',
	setup => 'SELECT count(n) FROM tree; \! kill -STOP ' . join(' ', map { $_->pid } @more),
	mend => sub { $_->kill('CONT') foreach @more; },
	usable => 'tree', rows => '2000');
try('IMPORT', 'IMPORT FOREIGN SCHEMA test FROM SERVER hot INTO imported',
	before => sub { hold('listCollections'); },
	mend => sub { hold(); },
	usable => 'hot');
try('ANALYZE', 'ANALYZE hot',
	before => sub { hold('aggregate', 'collStats', 'listCollections'); },
	mend => sub { hold(); },
	usable => 'hot');

# The end of a transaction waits for a server, but not longer than a second,
# and only once.
my $psql = background($node);
$psql->query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(n) FROM hot; DECLARE c CURSOR FOR SELECT s FROM hot; FETCH 1 FROM c');
hold('killSessions', 'abortTransaction', 'commitTransaction', 'killCursors');
my $took = time_of(sub { $psql->query('COMMIT'); });
ok($took < promised_ms(1000), 'COMMIT over a server that does not answer') or diag("$took ms");
is($psql->{stderr}, '', 'is no error');
$took = time_of(sub { $psql->query('SELECT 1'); });
ok($took < $bound, 'nor does the next transaction that has nothing to do with it') or diag("$took ms");
hold();
is($psql->query('SELECT count(n) FROM hot'), '1000', 'the session is usable');
$psql->quit;

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
