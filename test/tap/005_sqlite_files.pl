# SQLite files that other programs use: locks are waited for up to
# busy_timeout and the wait can be cancelled; snapshots last as long as
# promised; files that are not there, not SQLite, replaced or owned by
# somebody else.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

use Switchyard;

my $file = sqlite_file('live', q{CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, "one"), (2, "two");});
my $wal = sqlite_file('wal', q{PRAGMA journal_mode = wal; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, "one"), (2, "two");});
my $node = new_node('main');
$node->safe_psql('postgres', sqlite_server_sql('live', $file, busy_timeout => '1s')
	  . sqlite_server_sql('patient', $file, busy_timeout => '60s')
	  . sqlite_server_sql('wal', $wal) . q{
	CREATE FOREIGN TABLE live (id bigint, v text) SERVER live OPTIONS ("table" 't');
	CREATE FOREIGN TABLE patient (id bigint, v text) SERVER patient OPTIONS ("table" 't');
	CREATE FOREIGN TABLE wal (id bigint, v text) SERVER wal OPTIONS ("table" 't');
});

# Another program: holds an exclusive lock until it is told to end.
sub locker
{
	my ($path) = @_;
	my ($in, $out) = ('', '');
	my $run = IPC::Run::start([ $PYTHON, '-c', q{
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
db.execute("COMMIT")
}, $path ], '<', \$in, '>', \$out);
	$run->pump until $out =~ /locked/;
	return $run;
}

my $lock = locker($file);
my ($ms, undef, $error) = timed($node, 'SELECT * FROM live');
like($error, qr/ERROR:  55P03.*live/s, 'a lock that lasts is 55P03, naming the server');
ok($ms > 900 && $ms < promised_ms(1000), 'after busy_timeout') or diag("$ms ms");
foreach my $how (qw(cancel timeout terminate))
{
	my ($taken, $err, $psql) = interrupt($node, 'SELECT * FROM patient', how => $how);

	ok($taken < promised_ms(100), "the wait for a lock can be ended by $how") or diag("$taken ms");
}
my $psql = background($node);
$psql->query_until(qr/waiting/, "\\echo waiting\nSELECT count(*) FROM patient;\n");
sleep 0.5;
$lock->finish;
is($psql->query('SELECT 1') =~ s/\n.*//sr, '2', 'a lock that ends in time is waited for');
$psql->quit;

# READ COMMITTED sees others' commits, REPEATABLE READ does not.
foreach my $table (qw(wal))
{
	my $reader = background($node);

	$reader->query('BEGIN');
	is($reader->query("SELECT count(*) FROM $table"), '2', "$table: before");
	sqlite_eval($wal, 'db.execute("INSERT INTO t VALUES (3, \'three\')")');
	is($reader->query("SELECT count(*) FROM $table"), '3', "$table: READ COMMITTED sees a new commit");
	$reader->query('COMMIT; BEGIN ISOLATION LEVEL REPEATABLE READ');
	is($reader->query("SELECT count(*) FROM $table"), '3', "$table: REPEATABLE READ begins");
	sqlite_eval($wal, 'db.execute("INSERT INTO t VALUES (4, \'four\')")');
	is($reader->query("SELECT count(*) FROM $table"), '3', "$table: and sees the same again");
	$reader->query('COMMIT');
	is($reader->query("SELECT count(*) FROM $table"), '4', "$table: and the new one afterwards");
	$reader->quit;
}

# A session at rest blocks nobody.
$psql = background($node);
$psql->query('SELECT count(*) FROM live');
sqlite_eval($file, 'db.execute("INSERT INTO t VALUES (3, \'three\')")');
is($psql->query('SELECT count(*) FROM live'), '3', 'an idle session holds no lock');
$psql->query('BEGIN; DECLARE c CURSOR FOR SELECT id FROM live; FETCH 1 FROM c; CLOSE c');
sqlite_eval($file, 'db.execute("INSERT INTO t VALUES (4, \'four\')")');
is($psql->query('SELECT count(*) FROM live'), '4', 'nor does a closed cursor in READ COMMITTED');
$psql->query('COMMIT');

# The schema changes under an open session.
sqlite_eval($file, 'db.execute("ALTER TABLE t ADD COLUMN w"); db.execute("UPDATE t SET w = 5")');
is($psql->query('SELECT id, v FROM live WHERE id = 1'), '1|one', 'a changed schema is noticed');

# The file is replaced by another one.
my $other = sqlite_file('other', q{CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (7, "seven");});
rename $other, $file or die "rename: $!";
is($psql->query('SELECT id FROM live'), '7', 'a replaced file is opened anew');
$psql->quit;

# Files that cannot be used.
my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/text", 'This is no database. ' x 100);
append_to_file("$dir/empty", '');
my %wrong = (
	"$dir/missing" => '08001',
	"$dir/text" => 'XX001',
	"$dir/empty" => '\w{5}',
	$dir => '08001',
	$node->data_dir . '/PG_VERSION' => '\w{5}');
my $number = 0;
foreach my $path (sort keys %wrong)
{
	my $name = 'wrong' . ++$number;

	$node->safe_psql('postgres', sqlite_server_sql($name, $path)
		  . "CREATE FOREIGN TABLE $name (id bigint) SERVER $name OPTIONS (\"table\" 't')");
	$error = error_of($node, "SELECT * FROM $name");
	like($error, qr/ERROR:  $wrong{$path}.*$name/s, 'an error for ' . ($path =~ s{.*/}{}r));
	like($error, qr/HINT/, 'with a hint') if $path =~ /missing/;
}
is(-s "$dir/empty", 0, 'an empty file stays empty');
ok(!-e "$dir/missing", 'a missing file is not created');

# A WAL file of another owner in a directory that we can write: reading it
# would leave -wal and -shm files that lock its owner out.
ok($ENV{SY_FOREIGN_WAL}, 'there is a file of another owner (this test needs to be started by root)');
if ($ENV{SY_FOREIGN_WAL})
{
	my $foreign = $ENV{SY_FOREIGN_WAL};

	$node->safe_psql('postgres', sqlite_server_sql('foreign_wal', $foreign)
		  . 'CREATE FOREIGN TABLE foreign_wal (id bigint) SERVER foreign_wal OPTIONS ("table" \'t\')');
	$error = error_of($node, 'SELECT * FROM foreign_wal');
	like($error, qr/ERROR:  55000.*foreign_wal.*HINT/s, 'a WAL file of another owner is refused with a hint');
	is_deeply([ glob("$foreign-*") ], [], 'and nothing is left beside it');
}

# Damage is an error, never a short result.
my $damaged = sqlite_file('damaged', q{PRAGMA page_size = 1024; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT i, "some text here" FROM n;});
open(my $handle, '+<', $damaged) or die;
seek($handle, 60 * 1024, 0);
print $handle "\xff" x 1024;
close($handle);
$node->safe_psql('postgres', sqlite_server_sql('damaged', $damaged)
	  . 'CREATE FOREIGN TABLE damaged (id bigint, v text) SERVER damaged OPTIONS ("table" \'t\')');
like(error_of($node, 'SELECT count(v) FROM damaged'), qr/ERROR:  XX001.*damaged/s, 'a damaged file is XX001');

# The allow-list, which also counts for a session that has the file open.
my $folder = $wal =~ s{/[^/]*$}{}r;
$psql = background($node);
is($psql->query('SELECT count(*) FROM live'), '1', 'a session reads a file');
$psql->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($psql->query('SELECT count(*) FROM live'), '1', 'and again in a transaction');
$node->append_conf('postgresql.conf', "switchyard.sqlite_directories = '$folder'\n");
$node->reload;
sleep 0.3;
is($node->safe_psql('postgres', 'SELECT count(*) FROM wal'), '4', 'a file below an allowed directory can be read');
like(error_of($node, 'SELECT * FROM live'), qr/ERROR:  42501|ERROR:  08001/, 'another one cannot');
is($psql->query('SELECT count(*) FROM live'), '1', 'a transaction that has begun to read goes on');
$psql->query('COMMIT');
is($psql->query('SELECT count(*) FROM live'), '', 'after it the session reads the file no more');
like($psql->{stderr}, qr/ERROR:  42501.*live/s, 'but is refused');
$psql->quit;

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
