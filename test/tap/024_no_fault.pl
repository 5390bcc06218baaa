# What goes wrong without being the source's fault: each kind fails oftener
# than failure_threshold allows failures, and its breaker counts none, stays
# closed, and lets other roles go on.  And the size of a source by size_scope.
# No prober runs.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Switchyard;

my $threshold = 3;
my $mongo = Switchyard::Mongod->new(auth => 1);
$mongo->eval(q{
for name, roles in (("app", ["readAnyDatabase", "clusterMonitor"]), ("reader", [{"role": "read", "db": "test"}]), ("stranger", [{"role": "read", "db": "elsewhere"}])):
	client.admin.command("createUser", name, pwd="secret", roles=roles)
db.t.insert_many([{"_id": i, "n": i} for i in range(10)])
db.odd.insert_one({"_id": 1, "n": "no number"})
client.media.f.insert_many([{"_id": i, "text": "x" * 1000} for i in range(1000)])
client.media.f.create_index("text")
});
my $proxy = Switchyard::Proxy->new($mongo->port);
my $file = sqlite_file('file', q{
	CREATE TABLE t (id INTEGER PRIMARY KEY, n);
	INSERT INTO t VALUES (1, 1), (2, 'no number');
	CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;
	CREATE VIEW wrong AS SELECT no_such_function(id) AS id FROM t;});
my $node = new_node('main', preload => 1, conf => "switchyard.probe = off\n");
my $uri = $mongo->uri('authSource=admin', '127.0.0.1:' . $proxy->port);

$node->safe_psql('postgres', sqlite_server_sql('file', $file, failure_threshold => $threshold, busy_timeout => '50ms')
	  . $mongo->server_sql('hot', uri => $uri, failure_threshold => $threshold) . q{
	CREATE FOREIGN TABLE file (id bigint, n bigint) SERVER file OPTIONS ("table" 't');
	CREATE FOREIGN TABLE absent (id bigint) SERVER file;
	CREATE FOREIGN TABLE wrong (id bigint) SERVER file;
	CREATE FOREIGN TABLE endless (i bigint) SERVER file;
	CREATE FOREIGN TABLE hot (_id bigint, n bigint) SERVER hot OPTIONS (collection 't');
	CREATE FOREIGN TABLE odd (_id bigint, n bigint) SERVER hot;
	CREATE ROLE good; CREATE ROLE guesser; CREATE ROLE unknown; CREATE ROLE stranger; CREATE ROLE nobody;
	GRANT SELECT ON file, hot TO PUBLIC;
	GRANT USAGE ON FOREIGN SERVER hot TO PUBLIC;
	CREATE USER MAPPING FOR CURRENT_USER SERVER hot OPTIONS (username 'app', password 'secret');
	CREATE USER MAPPING FOR good SERVER hot OPTIONS (username 'reader', password 'secret');
	CREATE USER MAPPING FOR guesser SERVER hot OPTIONS (username 'reader', password 'guess');
	CREATE USER MAPPING FOR unknown SERVER hot OPTIONS (username 'nobody', password 'secret');
	CREATE USER MAPPING FOR stranger SERVER hot OPTIONS (username 'stranger', password 'secret')});

# A statement fails with that SQLSTATE, again and again; "class" is what the
# view shows of it then.  "before" is done before each try.
sub innocent
{
	my ($what, $source, $sql, $state, %options) = @_;
	my $tries = $threshold + 2;
	my $class = $options{class} // '';
	my %states;

	$node->safe_psql('postgres', "SELECT switchyard.reset('$source')");
	my $log_from = -s $node->logfile;
	foreach (1 .. $tries)
	{
		$options{before}->() if $options{before};
		my $error = error_of($node, $sql);
		$states{ $error =~ /ERROR:  (\w+)/ ? $1 : 'none' }++;
	}
	is(join(' ', map { "$_ x $states{$_}" } sort keys %states), "$state x $tries", "$what fails each time");
	is($node->safe_psql('postgres', "SELECT state, failures, errors, opens, rejected FROM switchyard.breakers WHERE source = '$source'"),
		'closed|0|0|0|0', "$what is no failure of the source");
	is($node->safe_psql('postgres', "SELECT last_failure_class, last_sqlstate FROM switchyard.breakers JOIN switchyard.sources USING (source) WHERE source = '$source'"),
		"$class|$state", "but is shown as of class $class") if $class;
	unlike(slurp_file($node->logfile, $log_from), qr/source "$source": (?:failure|circuit breaker is open)/, 'nor does the log call it one');
	$options{after}->() if $options{after};
	is(error_of($node, "SET ROLE good; SELECT id FROM file WHERE id = 1; SELECT count(*) FROM hot"), '', 'another role goes on');
	return;
}

# A server that answers the next command of each of these names with an error.
sub answers
{
	my ($commands, $code, $text) = @_;
	my @lines = map { qq|answer $_ {"ok": 0, "code": $code, "codeName": "AtlasError", "errmsg": "$text"}| } split / /, $commands;

	return (before => sub { $proxy->command($_) foreach @lines });
}

# What providers say by one code, told apart by the text.
innocent('a full quota', 'hot', 'SELECT n FROM hot WHERE _id = 5', '53100', class => 'capacity',
	answers('find', 8000, 'you are over your space quota, using 513 MB of 512 MB'));
innocent('a user whom the provider does not know', 'hot', 'SELECT n FROM hot WHERE _id = 5', '28P01', class => 'auth',
	answers('saslContinue saslStart', 8000, 'bad auth : Authentication failed.'));
innocent('anything else that a provider refuses', 'hot', 'SELECT n FROM hot WHERE _id = 5', 'HV000',
	answers('find', 8000, '$where is not allowed in this tier'));
innocent('a disk that is full', 'hot', 'SELECT n FROM hot WHERE _id = 5', '53100', class => 'capacity',
	answers('find', 14031, 'out of disk space'));

# Who may not.
innocent('a wrong password', 'hot', 'SET ROLE guesser; SELECT count(*) FROM hot', '28P01', class => 'auth');
innocent('an unknown user', 'hot', 'SET ROLE unknown; SELECT count(*) FROM hot', '28P01', class => 'auth');
innocent('a user without rights', 'hot', 'SET ROLE stranger; SELECT count(*) FROM hot', '42501', class => 'auth');
innocent('a role without a mapping', 'hot', 'SET ROLE nobody; SELECT count(*) FROM hot', '2F003', class => 'auth');

# What is wrong with the query, the data or the time that it was given.
innocent('a query that the server finds wrong', 'hot', 'SELECT n FROM hot WHERE _id = 5', 'HV000', answers('find', 9, 'Failed to parse'));
innocent('a query that is too expensive', 'hot', 'SELECT n FROM hot WHERE _id = 5', '53200', answers('find', 292, 'Sort exceeded memory limit'));
innocent('a value that does not fit (MongoDB)', 'hot', 'SELECT n FROM odd', 'HV004');
innocent('a lock that is not given', 'hot', 'SELECT n FROM hot WHERE _id = 5', '55P03', class => 'overload', answers('find', 24, 'Unable to acquire lock'));
$mongo->eval(q{client.admin.command("configureFailPoint", "waitInFindBeforeMakingBatch", mode="alwaysOn", data={"nss": "test.t", "shouldCheckForInterrupt": True})});
innocent('a cancel (MongoDB)', 'hot', q{SET statement_timeout = '250ms'; SELECT n FROM hot WHERE _id > 2}, '57014',
	after => sub { $mongo->eval(q{client.admin.command("configureFailPoint", "waitInFindBeforeMakingBatch", mode="off")}) });
innocent('a value that does not fit (SQLite)', 'file', 'SELECT n FROM file', 'HV004');
innocent('a table that is not there', 'file', 'SELECT * FROM absent', '42P01');
innocent('a view that is wrong', 'file', 'SELECT * FROM wrong', 'HV000');
innocent('a cancel (SQLite)', 'file', q{SET statement_timeout = '150ms'; SELECT count(i + 0) FROM endless WHERE i + 0 < 0}, '57014');
my $locker = IPC::Run::start([ $PYTHON, '-c', "import sqlite3, sys\ndb = sqlite3.connect('$file', isolation_level=None)\ndb.execute('BEGIN EXCLUSIVE')\nprint('locked', flush=True)\nsys.stdin.read()\n" ],
	'<', \my $lock_in, '>', \my $lock_out);
$lock_in = '';
$locker->pump until $lock_out =~ /locked/;
innocent('a busy file', 'file', 'SELECT id FROM file', '55P03', class => 'overload', after => sub { $locker->kill_kill });

# ---------------------------------------------------------------- size_scope

# Sizes of some databases by the server's own word, for either metric.
sub sizes
{
	my ($metric, @databases) = @_;
	my $of = $metric eq 'storage' ? 's["totalSize"] - s.get("totalFreeStorageSize", 0)' : 's["dataSize"] + s["indexSize"]';

	return $mongo->eval('print(int(sum(' . $of . ' for s in (client[n].command("dbStats", freeStorage=1) for n in [' . join(', ', map { "'$_'" } @databases) . ']))))');
}
foreach my $metric ('data+index', 'storage')
{
	my $name = $metric =~ s/\W/_/r;

	$mongo->eval('client.admin.command("fsync")');
	foreach my $scope (qw(database cluster))
	{
		my $limit = $scope eq 'database' ? '1MB' : '10MB';

		$node->safe_psql('postgres', $mongo->server_sql("${name}_$scope", uri => $uri, size_metric => $metric, size_scope => $scope, size_limit => $limit)
			  . "CREATE USER MAPPING FOR CURRENT_USER SERVER ${name}_$scope OPTIONS (username 'app', password 'secret')");
		is($node->safe_psql('postgres', "SELECT ok, status, size_bytes FROM switchyard.probe('${name}_$scope')"),
			't|ok|' . sizes($metric, $scope eq 'database' ? 'test' : qw(test media admin)), "size_metric $metric, size_scope $scope");
	}
	my ($one, $all) = split /\n/, $node->safe_psql('postgres', "SELECT size_bytes FROM switchyard.sources WHERE source LIKE '${name}\\_%' ORDER BY source DESC");
	cmp_ok($all, '>', $one + 100000, 'two databases are more than one');
	is($node->safe_psql('postgres', "SELECT bool_and(used_ratio = size_bytes::float8 / size_limit_bytes), max(size_limit_bytes) FROM switchyard.sources WHERE source LIKE '${name}\\_%'"),
		't|10485760', 'and count so against the limit');
}
$node->safe_psql('postgres', q{ALTER USER MAPPING FOR CURRENT_USER SERVER data_index_cluster OPTIONS (SET username 'reader')});
is($node->safe_psql('postgres', q{SELECT ok, status, size_bytes, message ~ 'list of databases' FROM switchyard.probe('data_index_cluster')}), 't|degraded||t',
	'who may see one database only knows no size of the cluster');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
