# SQLite files that are none, are damaged, hostile, or change while a session
# has them open: a clear error or the right rows, in two seconds (tested with
# three times that), and never a crash.
use strict;
use warnings;

use IO::Socket::UNIX;
use POSIX qw(mkfifo);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

use Switchyard;

my $bound = promised_ms(2000);
my $node = new_node('main', conf => "statement_timeout = '60s'\n");
my $dir = PostgreSQL::Test::Utils::tempdir();
my $number = 0;

# A server and a table "t" of it; returns the table's name.
sub table_on
{
	my ($path, $columns, %options) = @_;
	my $name = 'file' . ++$number;
	my $table = delete $options{table} // 't';

	$node->safe_psql('postgres', sqlite_server_sql($name, $path, %options)
		  . "CREATE FOREIGN TABLE $name ($columns) SERVER $name OPTIONS (\"table\" '$table')");
	return $name;
}

# What a query on it gives: rows, or the error with its SQLSTATE.
sub answer
{
	my ($psql, $sql, $name) = @_;
	my $out;
	my $ms = time_of(sub { $out = $psql->query($sql); });
	my $err = $psql->{stderr};

	$psql->{stderr} = '';
	fail("$name: within two seconds") || diag("$ms ms") if $ms > $bound;
	return $err ne '' ? $err : $out;
}

# Files that are no database.
chmod 0755, $dir;
my $good = sqlite_file('good', 'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, "one"), (2, "two")');
append_to_file("$dir/text", 'This is no database. ' x 100);
append_to_file("$dir/short", 'SQLite format 3');
append_to_file("$dir/header", "SQLite format 3\0" . "\0" x 84);
append_to_file("$dir/empty", '');
append_to_file("$dir/unreadable", slurp_file($good));
chmod 0000, "$dir/unreadable";
mkfifo("$dir/fifo", 0666) or die "mkfifo: $!";
symlink '/nowhere/at/all', "$dir/link_to_nowhere";
symlink $node->data_dir . '/global/pg_control', "$dir/link_into_cluster";
symlink "$dir/loop", "$dir/loop";
symlink $good, "$dir/link";
my $socket = IO::Socket::UNIX->new(Local => "$dir/socket", Listen => 1) or die "socket: $!";
my %wrong = (
	text => 'XX001', short => 'XX001', header => 'XX001', empty => '08001', fifo => '08001', socket => '08001',
	link_to_nowhere => '08001', link_into_cluster => '08001', loop => '08001', unreadable => '08001',
	'text/below' => '08001', missing => '08001');
my $psql = background($node);
foreach my $name (sort keys %wrong)
{
	my $table = table_on("$dir/$name", 'id bigint');

	like(answer($psql, "SELECT * FROM $table", $name), qr/^(psql:.*)?ERROR:  $wrong{$name}: .*\n(DETAIL|HINT)/, "$name: $wrong{$name}, and why");
	like(answer($psql, "ANALYZE $table", $name), qr/ERROR:  $wrong{$name}: /, "$name: the same for ANALYZE");
}
my %special = ($dir => '08001', '/dev/zero' => '08001', '/dev/tty' => '08001', '/proc/self/environ' => '\w{5}',
	$node->data_dir . '/PG_VERSION' => '08001', $node->data_dir . '/base/../PG_VERSION' => '08001');
foreach my $path (sort keys %special)
{
	my $table = table_on($path, 'id bigint');

	like(answer($psql, "SELECT * FROM $table", $path), qr/ERROR:  $special{$path}: /, 'an error for ' . ($path =~ s{.*/(?=.)}{}r));
}
my $linked = table_on("$dir/link", 'id bigint, v text');
is(answer($psql, "SELECT count(*) FROM $linked", 'link'), '2', 'a link to a database is read');
is(-s "$dir/empty", 0, 'an empty file stays empty');

# What lies beside a database: opening a FIFO would wait for its writer.
foreach my $suffix (qw(-journal -wal -shm))
{
	my $file = sqlite_file('beside', 'PRAGMA journal_mode = wal; CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)');
	my $table = table_on($file, 'id bigint');

	mkfifo("$file$suffix", 0444) or die "mkfifo: $!";
	like(answer($psql, "SELECT * FROM $table", $suffix), qr/ERROR:  08001: .*is not a regular file/s, "a FIFO in place of $suffix is refused");
}

# "immutable" reads the file alone; what a log or journal has would be missed.
my $logged = sqlite_file('logged', 'PRAGMA journal_mode = wal; CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)');
my $alone = table_on($logged, 'id bigint', immutable => 'true', read_only => 'true');
is(answer($psql, "SELECT * FROM $alone", 'immutable'), '1', 'an immutable WAL file without a log is read');
sqlite_eval($logged, 'db.execute("PRAGMA wal_autocheckpoint = 0"); db.execute("INSERT INTO t VALUES (2)"); import os; os._exit(0)');
like(answer($psql, "SELECT * FROM $alone", 'immutable'), qr/ERROR:  (55000|40001)/, 'with one it is an error in the session that had it open');
like(error_of($node, "SELECT * FROM $alone"), qr/ERROR:  55000: .*HINT/s, 'and 55000 in another');

# Files replaced and schemas changed while a session has them open.
my $live = sqlite_file('live', 'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, "one"), (2, "two")');
my $table = table_on($live, 'id bigint, v text', busy_timeout => '300ms');
is(answer($psql, "SELECT v FROM $table WHERE id = 1", 'live'), 'one', 'a file that others change');
foreach my $change (
	[ 'ALTER TABLE t ADD COLUMN w', 'one', 'a column is added' ],
	[ 'ALTER TABLE t DROP COLUMN w', 'one', 'a column is dropped' ],
	[ 'ALTER TABLE t RENAME COLUMN v TO x', 'ERROR:  HV005: .*HINT', 'a column is renamed' ],
	[ 'ALTER TABLE t RENAME COLUMN x TO v', 'one', 'and named as before' ],
	[ 'ALTER TABLE t RENAME TO u', 'ERROR:  42P01: .*HINT', 'the table is renamed' ],
	[ 'CREATE VIEW t AS SELECT id, v || v AS v FROM u', 'oneone', 'a view takes its place' ],
	[ 'DROP VIEW t; CREATE TABLE t (id PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO t VALUES (1, "keyed")', 'keyed', 'a table without rowid' ],
	[ 'VACUUM', 'keyed', 'VACUUM' ],
	[ 'PRAGMA page_size = 8192; VACUUM', 'keyed', 'another page size' ],
	[ 'PRAGMA journal_mode = wal', 'keyed', 'WAL mode' ],
	[ 'UPDATE t SET v = "logged"', 'logged', 'a change in the log' ],
	[ 'DROP TABLE t', 'ERROR:  42P01', 'the table is dropped' ])
{
	my ($sql, $wanted, $name) = @$change;

	sqlite_eval($live, "db.executescript('''$sql''')");
	like(answer($psql, "SELECT v FROM $table WHERE id = 1", $name), qr/^(psql:.*)?$wanted/s, "while a session lives: $name");
}
my $holding = background($node);
my $held = sqlite_file('held', 'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, "one"), (2, "two")');
$table = table_on($held, 'id bigint, v text', busy_timeout => '300ms');
$holding->query("BEGIN ISOLATION LEVEL REPEATABLE READ; DECLARE c CURSOR FOR SELECT v FROM $table ORDER BY id; FETCH 1 FROM c");
my $other = sqlite_file('other', 'CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, "other")');
rename $other, $held or die "rename: $!";
is($holding->query('FETCH 1 FROM c'), 'two', 'an open cursor goes on in the file that was replaced');
is($holding->query("SELECT count(*) FROM $table"), '2', 'so does REPEATABLE READ');
is($holding->query("COMMIT; SELECT v FROM $table"), 'other', 'and then the new file is read');
open(my $handle, '>', $held) or die;
print $handle slurp_file($good);
close($handle);
like(answer($holding, "SELECT v FROM $table WHERE id = 2", 'overwritten'), qr/^two$/, 'a file that is overwritten in place is opened anew');
truncate $held, 0;
like(answer($holding, "SELECT v FROM $table", 'truncated'), qr/ERROR:  08001/, 'a file that is truncated');
unlink $held;
like(answer($holding, "SELECT v FROM $table", 'removed'), qr/ERROR:  08001: .*HINT/s, 'a file that is removed');
$holding->quit;

# Locks in rollback mode, where readers and writers exclude each other.
my $plain = sqlite_file('plain', 'CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)');
$table = table_on($plain, 'id bigint');
my $insert = 'db.execute("PRAGMA busy_timeout = 100"); db.execute("INSERT INTO t DEFAULT VALUES")';
$psql->query("BEGIN; SELECT count(*) FROM $table");
ok(defined eval { sqlite_eval($plain, $insert) }, 'READ COMMITTED holds no lock between statements');
is($psql->query("SELECT count(*) FROM $table"), '2', 'and sees what was written');
$psql->query("DECLARE c CURSOR FOR SELECT * FROM $table; FETCH 1 FROM c");
ok(!defined eval { sqlite_eval($plain, $insert) }, 'an open cursor holds one');
$psql->query('CLOSE c');
ok(defined eval { sqlite_eval($plain, $insert) }, 'until it is closed');
$psql->query("ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM $table");
ok(!defined eval { sqlite_eval($plain, $insert) }, 'REPEATABLE READ holds one to the end');
is($psql->query("SELECT count(*) FROM $table"), '3', 'and sees one state');
$psql->query("ROLLBACK; BEGIN; SELECT count(*) FROM $table; SELECT 1 / 0");
ok(defined eval { sqlite_eval($plain, $insert) }, 'a failed transaction holds none');
$psql->query('ROLLBACK');
$psql->{stderr} = '';

# Hostile schemas.  What runs without end is cancelled; what takes memory or
# reaches for other files or functions fails.
my $hostile = sqlite_file('hostile', q{
	CREATE TABLE t (id INTEGER PRIMARY KEY, v);
	INSERT INTO t VALUES (1, 1), (2, 2);
	CREATE TABLE guarded (id INTEGER PRIMARY KEY, v CHECK (length(hex(zeroblob(100000000))) > 0));
	CREATE TABLE generated (id INTEGER PRIMARY KEY, v AS (zeroblob(900000000)), w AS (hex(zeroblob(90000000))));
	INSERT INTO generated VALUES (1);
	CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id, i AS v FROM n;
	CREATE VIEW growing AS WITH RECURSIVE n(i, s) AS (SELECT 1, 'x' UNION ALL SELECT i + 1, s || s FROM n) SELECT i AS id, s AS v FROM n;
	CREATE VIEW hoarding AS WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n) SELECT i AS id, group_concat(i || hex(zeroblob(100000))) AS v FROM n;
	CREATE VIEW huge AS SELECT 1 AS id, zeroblob(2000000000) AS v;
	CREATE VIEW large AS SELECT 1 AS id, hex(zeroblob(33000000)) AS v;
	CREATE VIEW extension AS SELECT 1 AS id, load_extension('/tmp/evil.so') AS v;
	CREATE VIEW reading AS SELECT 1 AS id, readfile('/etc/passwd') AS v;
	CREATE VIEW ours AS SELECT 1 AS id, switchyard_fits(1, 1) AS v;
	CREATE VIEW pragmas AS SELECT 1 AS id, * FROM pragma_journal_mode('wal');
	CREATE VIEW listing AS SELECT 1 AS id, name AS v FROM pragma_function_list;
	CREATE VIEW pages AS SELECT pgno AS id, data AS v FROM sqlite_dbpage;
	CREATE VIEW circular1 AS SELECT * FROM circular2;
	CREATE VIEW circular2 AS SELECT * FROM circular1;
	CREATE VIEW dangling AS SELECT * FROM no_such_table;
	CREATE VIEW tokens AS SELECT 1 AS id, fts3_tokenizer('simple', x'4141414141414141') AS v;
	CREATE VIEW joined AS SELECT a.id, a.v FROM endless a, endless b WHERE a.id + b.id < 0;
	CREATE VIEW deep AS SELECT 1 AS id, json_array_length(replace(hex(zeroblob(300000)), '0', '[')) AS v;
	CREATE VIEW printing AS SELECT 1 AS id, printf('%.*c', 60000000, 'x') AS v;
	CREATE VIRTUAL TABLE words USING fts5(v);
	INSERT INTO words VALUES ('some words'), ('other words');
	CREATE VIRTUAL TABLE words4 USING fts4(v);
	INSERT INTO words4 VALUES ('some words'), ('other words');
	CREATE VIRTUAL TABLE boxes USING rtree(id, a, b);
	INSERT INTO boxes VALUES (1, 0, 1), (2, 3, 4);
	CREATE TRIGGER bomb AFTER INSERT ON t BEGIN DELETE FROM t; END;
});
# Views that double at each level: how much is that to compile?
sqlite_eval($hostile, q{
db.execute("CREATE VIEW bomb0 AS SELECT id, v FROM t")
for i in range(40):
	db.execute("CREATE VIEW bomb%d AS SELECT a.id, b.v FROM bomb%d a, bomb%d b" % (i + 1, i, i))
	db.execute("CREATE VIEW union%d AS SELECT id, v FROM %s UNION ALL SELECT id, v FROM %s" % (i + 1, "t" if i == 0 else "union%d" % i, "t" if i == 0 else "union%d" % i))
	db.execute("CREATE VIEW scalar%d AS SELECT id, (SELECT max(v) FROM %s) + (SELECT min(v) FROM %s) AS v FROM t" % (i + 1, "t" if i == 0 else "scalar%d" % i, "t" if i == 0 else "scalar%d" % i))
db.execute("UPDATE words_data SET block = zeroblob(20) WHERE id > 1")
db.execute("UPDATE words4_segdir SET root = x'ffffffffffffff'")
db.execute("UPDATE boxes_node SET data = x'ffff0000ffffffff'")
db.execute("PRAGMA writable_schema = 1")
db.execute("INSERT INTO sqlite_schema VALUES ('view', 'wild', 'wild', 0, 'CREATE VIEW wild AS SELECT 1 AS id, 2 AS v; ATTACH ''/etc/passwd'' AS x')")
});
my %schemas = (
	guarded => '^$', t => '2$', circular1 => 'ERROR', dangling => 'ERROR', extension => 'ERROR', reading => 'ERROR',
	ours => 'ERROR', pragmas => 'ERROR', pages => 'ERROR', tokens => 'ERROR', huge => 'ERROR:  54000',
	generated => 'ERROR', printing => '.', endless => 'ERROR:  57014', joined => 'ERROR:  57014',
	growing => 'ERROR', hoarding => 'ERROR', listing => 'ERROR', deep => 'ERROR', large => '.', wild => '.', words => '.', words4 => '.', boxes => '.',
	bomb3 => '2$', bomb40 => 'ERROR', union3 => '2$', union40 => 'ERROR', scalar3 => '.', scalar40 => 'ERROR');
$psql->query("SET statement_timeout = '1s'");
foreach my $name (sort keys %schemas)
{
	my $table = table_on($hostile, 'id bigint, v bytea', table => $name);

	$node->safe_psql('postgres', "ALTER FOREIGN TABLE $table ALTER v TYPE text") if $name =~ /^(t|guarded|bomb|union|scalar|endless|joined|wild|growing|large|words)/;
	$node->safe_psql('postgres', "ALTER FOREIGN TABLE $table ALTER v TYPE bigint") if $name =~ /^(t$|bomb|union|scalar|endless|joined|wild)/;
	my $got = answer($psql, "SELECT id, left(v::text, 10) FROM $table" . ($name =~ /^(bomb|union)/ ? ' WHERE id = 2 AND v = 2 LIMIT 1' : ''), $name);

	like($got, qr/$schemas{$name}/, "hostile: $name") or diag(substr $got, 0, 300);
	note substr($got, 0, 200);
}
like(answer($psql, "CREATE SCHEMA i; IMPORT FOREIGN SCHEMA main FROM SERVER file$number INTO i; DROP SCHEMA i CASCADE", 'import'), qr/ERROR|NOTICE|^$/, 'the hostile schema is imported, or not');

# Damage of many kinds, against what the file's own library reads.
my $damaged = PostgreSQL::Test::Utils::tempdir();
chmod 0755, $damaged;
my $variants = $ENV{SY_SOAK} ? $ENV{VARIANTS} // 20_000 : 300;
my $seed = $ENV{SY_SOAK} ? time : 20250101;
my $report = eval { python('', "$Switchyard::TEST_DIR/hostile/damage.py", 'host=' . $node->host . ' port=' . $node->port . ' dbname=postgres', "$damaged/f.db", $variants, $seed) };
ok(defined $report, "$variants damaged files (seed $seed): errors or the same rows as the library reads") or diag($@);
note $report // '';

$psql->query('SET statement_timeout = 0');
is($psql->query('SELECT 1'), '1', 'the session lives');
$psql->quit;
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
