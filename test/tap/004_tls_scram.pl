# A replica set with TLS by a private authority and SCRAM: who may connect,
# what errors say, that no secret shows anywhere, and that a changed user
# mapping counts from the next transaction on.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Switchyard;

my $mongo = Switchyard::Mongod->new(members => 3, tls => 1, auth => 1);
my $secret = 'p@ss:w/rd %41 one';
my $second = 'an0ther/secret';
my $wrong = 'wr0ng-guess';
$mongo->eval(qq{
db.t.insert_many([{"_id": i} for i in range(100)])
client.admin.command("createUser", "app", pwd="$secret", roles=[{"role": "read", "db": "test"}])
client.admin.command("createUser", "other", pwd="$second", roles=[{"role": "read", "db": "elsewhere"}])
});

my $node = new_node('main', conf => "log_min_messages = debug1\nlog_min_error_statement = panic\nswitchyard.log_remote_queries = on\n");
$node->safe_psql('postgres', $mongo->server_sql('hot', connect_timeout => '10s') . qq{
	CREATE FOREIGN TABLE t (_id bigint) SERVER hot;
	CREATE USER MAPPING FOR postgres SERVER hot OPTIONS (username 'app', password '$secret');
}) if $node->safe_psql('postgres', 'SELECT current_user') eq 'postgres';
my $me = $node->safe_psql('postgres', 'SELECT current_user');
if ($me ne 'postgres')
{
	$node->safe_psql('postgres', $mongo->server_sql('hot', connect_timeout => '10s') . qq{
		CREATE FOREIGN TABLE t (_id bigint) SERVER hot;
		CREATE USER MAPPING FOR "$me" SERVER hot OPTIONS (username 'app', password '$secret');
	});
}
my $mapping = "USER MAPPING FOR \"$me\" SERVER hot";

is($node->safe_psql('postgres', 'SELECT count(*), sum(_id) FROM t'), '100|4950', 'TLS and SCRAM over a set of three');

# Errors.
sub altered
{
	my ($options) = @_;

	$node->safe_psql('postgres', "ALTER $mapping OPTIONS ($options)");
	return error_of($node, 'SELECT count(*) FROM t');
}
my $error = altered("SET password '$wrong'");
like($error, qr/ERROR:  28P01.*hot/s, 'a wrong password is 28P01, naming the server');
unlike($error, qr/\Q$wrong\E/, 'the error does not show the password');
like($error, qr/HINT: .*user mapping.*in database "admin".*authSource/, 'the hint says where the user was looked for');
$error = altered("SET username 'nobody'");
like($error, qr/ERROR:  28P01/, 'so is an unknown user');
$error = altered("SET username 'other', SET password '$second'");
like($error, qr/ERROR:  42501/, 'a user without rights on the collection is 42501');

# ALTER USER MAPPING counts from the session's next transaction on.
is(altered("SET username 'app', SET password '$secret'"), '', 'the right password works again');
my $psql = background($node);
$psql->query('BEGIN');
is($psql->query('SELECT count(*) FROM t'), '100', 'a session reads');
$node->safe_psql('postgres', "ALTER $mapping OPTIONS (SET password '$wrong')");
is($psql->query('SELECT count(*) FROM t'), '100', 'its transaction goes on with the old password');
$psql->query('COMMIT');
$psql->query('SELECT count(*) FROM t');
like($psql->{stderr}, qr/ERROR:  28P01/, 'its next transaction uses the new one');
$psql->{stderr} = '';
$node->safe_psql('postgres', "ALTER $mapping OPTIONS (SET password '$secret')");
is($psql->query('SELECT count(*) FROM t'), '100', 'and a corrected password at once');
$psql->quit;

# Rotation at the source: the old password stays good for open connections.
$mongo->eval(qq{client.admin.command("updateUser", "app", pwd="$second")});
like(error_of($node, 'SELECT count(*) FROM t'), qr/ERROR:  28P01/, 'a rotated password refuses new sessions');
is(altered("SET password '$second'"), '', 'until the mapping follows');

# Certificates.
my $plain = $mongo->uri;
$plain =~ s/&tlsCAFile=[^&]*//;
$node->safe_psql('postgres', "ALTER SERVER hot OPTIONS (SET uri '$plain')");
$error = error_of($node, 'SELECT count(*) FROM t');
like($error, qr/ERROR:  08001.*hot/s, 'a certificate of an unknown authority is refused');
like($error, qr/certificate/i, 'and the error says that it was the certificate');
my $wrong_name = $mongo->uri('', '127.0.0.2:' . $mongo->port);
$node->safe_psql('postgres', "ALTER SERVER hot OPTIONS (SET uri '$wrong_name')");
like(error_of($node, 'SELECT count(*) FROM t'), qr/ERROR:  08001/, 'so is one that was made for another name');
$plain =~ s/tls=true/tls=false/;
$node->safe_psql('postgres', "ALTER SERVER hot OPTIONS (SET uri '$plain')");
like(error_of($node, 'SELECT count(*) FROM t'), qr/ERROR:  08001.*HINT:.*expects TLS/s, 'a server that demands TLS does not answer without');
$node->safe_psql('postgres', "ALTER SERVER hot OPTIONS (SET uri '" . $mongo->uri . "')");
is($node->safe_psql('postgres', 'SELECT count(*) FROM t'), '100', 'the right URI works again');

# A URI may name the mechanism, which takes nothing from who it is for.
$node->safe_psql('postgres', qq{
	CREATE ROLE common;
	GRANT USAGE ON FOREIGN SERVER hot TO common;
	GRANT SELECT ON t TO common;
	CREATE USER MAPPING FOR common SERVER hot OPTIONS (username 'app', password '$second');
});
foreach my $mechanism (qw(SCRAM-SHA-1 SCRAM-SHA-256))
{
	is(error_of($node, "ALTER SERVER hot OPTIONS (SET uri '" . $mongo->uri("authMechanism=$mechanism&authSource=admin") . "')"),
		'', "$mechanism: can be named in the URI");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM t'), '100', "$mechanism: logs in");
	is($node->safe_psql('postgres', 'SET ROLE common; SELECT count(*) FROM t'), '100', "$mechanism: also somebody who needs a password");
}
like(altered("SET password '$wrong'"), qr/ERROR:  28P01.*hot/s, 'and a wrong password is wrong');
is(altered("SET password '$second'"), '', 'until it is right');
my $lacking = qr/ERROR:  HV024: the user mapping of source "hot" cannot be used.*DETAIL:.*not the password/s;
like(altered('DROP password'), $lacking, 'a user name without a password is not enough');
$node->safe_psql('postgres', "ALTER SERVER hot OPTIONS (SET uri '" . $mongo->uri . "')");
like(error_of($node, 'SELECT count(*) FROM t'), $lacking, 'whether or not a mechanism is named');
is(altered("ADD password '$second'"), '', 'with it, it is');

# A password in a URI is refused, and not repeated.
$error = error_of($node, "CREATE SERVER leaky FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS (uri 'mongodb://app:hunter2\@127.0.0.1/', database 'test')");
like($error, qr/ERROR:  HV02?4?/, 'a URI with a password is refused at DDL time');
unlike($error =~ s/^LINE.*\n.*\n//mr, qr/hunter2/, 'without repeating the password');

# Failover: the primary is killed; the set elects another one, and the same
# session reads on.
$psql = background($node);
is($psql->query('SELECT count(*) FROM t'), '100', 'before the failover');
$mongo->kill('KILL', 0);
is($psql->query('SELECT count(*) FROM t'), '100', 'after the primary died the session finds the new one');
is($psql->{stderr}, '', 'without an error');
$psql->quit;
$mongo->restart;

# No secret anywhere that another role or the log can see.
my $explain = $node->safe_psql('postgres', 'EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM t WHERE _id = 5');
unlike($explain, qr/\Q$secret\E|\Q$second\E|\Q$wrong\E/, 'EXPLAIN shows no secret');
$node->safe_psql('postgres', 'CREATE ROLE spy LOGIN; GRANT pg_monitor TO spy; GRANT USAGE ON FOREIGN SERVER hot TO spy; GRANT SELECT ON t TO spy');
my $seen = $node->safe_psql('postgres', q{
	SET ROLE spy;
	SELECT * FROM pg_user_mappings; SELECT * FROM pg_foreign_server; SELECT * FROM pg_stat_activity; SELECT version()});
unlike($seen, qr/\Q$secret\E|\Q$second\E|\Q$wrong\E/, 'views show no secret to another role');
like(error_of($node, 'SET ROLE spy; SELECT * FROM t'), qr/ERROR:  2F003/, 'a role without a mapping must bring a password');
my $log = slurp_file($node->logfile);
$log =~ s/^.*(?:CREATE|ALTER) USER MAPPING.*$//mg;
unlike($log, qr/\Q$secret\E|\Q$second\E|\Q$wrong\E|hunter2/, 'the log shows no secret');
unlike($log, qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
