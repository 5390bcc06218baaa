# SQLite inside the backend: names that are taken as they stand, locks that no
# other session of the backend takes away, "immutable" files that change all
# the same, places that are PostgreSQL's own, and a scan that has begun.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Switchyard;

my $node = new_node('main');
my $schema = 'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, "one"), (2, "two"), (3, "three")';

# A server and a table of one name on a file.
sub source
{
	my ($name, $file, %options) = @_;

	$node->safe_psql('postgres', sqlite_server_sql($name, $file, busy_timeout => '300ms', %options)
		  . "CREATE FOREIGN TABLE $name (id bigint, v text) SERVER $name OPTIONS (\"table\" 't')");
	return;
}

# A name is a name, and no URI with parameters.
my $odd = sqlite_file('o%20d?x=1#y&mode=rwc', $schema);
my $folder = $odd =~ s{/[^/]*$}{}r;
source('plain', $odd, read_only => 'true');
source('fixed', $odd, read_only => 'true', immutable => 'true');
is($node->safe_psql('postgres', 'SELECT count(*) FROM plain'), '3', 'a file of an odd name is read');
is($node->safe_psql('postgres', 'SELECT count(*) FROM fixed'), '3', 'also as immutable');
is_deeply([ glob "$folder/*" ], [$odd], 'and no other file is made');

# Locks of a file are the process's: whatever else it does with that file, a
# lock must stay.
my $file = sqlite_file('locked', $schema);
source('one', $file);
source('two', $file, read_only => 'true');
my $insert = 'db.execute("PRAGMA busy_timeout = 100"); db.execute("INSERT INTO t (v) VALUES (1)")';
my $psql = background($node);
$psql->query('SET client_min_messages = error');
is($psql->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM one'), '3', 'a transaction has read a file');
is($psql->query(q{SELECT ok FROM switchyard.probe('one')}), 't', 'the file is probed');
is($psql->query('SELECT count(*) FROM two'), '3', 'read by way of another server');
$psql->query('CREATE SCHEMA i; IMPORT FOREIGN SCHEMA main FROM SERVER two INTO i; ANALYZE one');
is($psql->{stderr}, '', 'imported and analyzed');
ok(!defined eval { sqlite_eval($file, $insert) }, 'and still locked against writers');
$psql->query('COMMIT');
ok(defined eval { sqlite_eval($file, $insert) }, 'until the transaction ends');

# What was admitted goes on, whatever the breaker says meanwhile.
$psql->query('BEGIN; DECLARE c CURSOR FOR SELECT id FROM one ORDER BY id; FETCH 1 FROM c; SAVEPOINT s');
$psql->query(q{SELECT switchyard.trip('one')});
is($psql->query('FETCH 1 FROM c'), '2', 'a scan that has begun goes on when the breaker opens');
$psql->query('SELECT count(*) FROM one');
like($psql->{stderr}, qr/ERROR:  57P03/, 'a new one is refused');
$psql->{stderr} = '';
is($psql->query('ROLLBACK TO s; FETCH 1 FROM c'), '3', 'which ends nothing else');
$psql->query(q{COMMIT; SELECT switchyard.reset('one')});
is($psql->{stderr}, '', 'nor the transaction');

# A file that is said not to change, and does.
my $changing = sqlite_file('changing', qq{$schema; WITH RECURSIVE n(i) AS (SELECT 4 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO t SELECT i, hex(randomblob(50)) FROM n});
source('immutable', $changing, read_only => 'true', immutable => 'true');
$psql->query('BEGIN; DECLARE c CURSOR FOR SELECT v FROM immutable; FETCH 1 FROM c');
sqlite_eval($changing, 'db.execute("UPDATE t SET v = 1 WHERE id > 19000")');
my $out = $psql->query('MOVE FORWARD ALL FROM c');
like($psql->{stderr}, qr/ERROR:  40001: .*HINT/s, 'an immutable file that is changed within a scan is 40001');
unlike($out, qr/MOVE/, 'and no short result');
$psql->{stderr} = '';
is($psql->query('ROLLBACK; SELECT count(*) FROM immutable WHERE id > 19000 AND v = $$1$$'), '1000', 'the next query reads what is there');
$psql->quit;

# PostgreSQL's tablespaces are no place for files.
my $tablespace = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', "CREATE TABLESPACE elsewhere LOCATION '$tablespace'");
my ($inner) = glob "$tablespace/*";
sqlite_eval("$inner/t.db", "db.executescript('''$schema''')");
source('within', "$inner/t.db");
like(error_of($node, 'SELECT * FROM within'), qr/ERROR:  08001: .*PostgreSQL's own files/s,
	'a file in a tablespace is refused');
unlink "$inner/t.db";

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
