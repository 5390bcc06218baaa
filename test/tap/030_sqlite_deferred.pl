# Look-ups within one command of a client, which take SQLite's lock only where
# a page has to be read: what other programs do meanwhile must be seen as if
# each had taken it.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Switchyard;

my $node = new_node('main');
my $folder = PostgreSQL::Test::Utils::tempdir();
my $rows = 9;
my $schema = qq{CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT);
	WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < $rows)
		INSERT INTO t SELECT i, 0, replace(hex(zeroblob(3000)), "0", "a") FROM i;
	CREATE TABLE other AS SELECT 1 AS id, 1 AS n};

# What happens outside: SQL, also in a process that then waits to go on, and
# transactions that follow one another.  Each row of t says its number over
# several pages.  The file's time is set back, or a session would be opened
# anew each time.
append_to_file("$folder/outside.py", <<'PYTHON');
import os, random, signal, sqlite3, sys, time
todo, file, arguments = sys.argv[1], sys.argv[2], sys.argv[3:]
db = sqlite3.connect(file, isolation_level=None)
db.execute("PRAGMA busy_timeout = 20000")
time_ns = os.stat(file).st_mtime_ns
if todo == "run":
    db.executescript(arguments[0])
    os.utime(file, ns=(time_ns, time_ns))
elif todo == "hold":
    db.executescript(arguments[0])
    open(arguments[1], "w").close()
    while os.path.exists(arguments[1]):
        time.sleep(0.005)
    os.kill(os.getpid(), signal.SIGKILL)
else:
    n = 0
    end = time.monotonic() + float(arguments[1])
    db.executescript(arguments[0])
    while time.monotonic() < end:
        n += 1
        text = chr(97 + n % 26) * 6000
        db.execute("BEGIN IMMEDIATE")
        for row in (n % 8 + 1, 9):
            db.execute("UPDATE t SET n = ?, v = ? WHERE id = ?", (n, text, row))
        db.execute("COMMIT")
        os.utime(file, ns=(time_ns, time_ns))
        if "exclusive" in arguments[0] and n % 5 == 0:
            db.executescript("PRAGMA locking_mode = normal; SELECT n FROM t")
            time.sleep(random.random() / 100)
            db.executescript("PRAGMA locking_mode = exclusive")
        if "reopen" in arguments[0]:
            db.close()
            db = sqlite3.connect(file, isolation_level=None)
            db.execute("PRAGMA busy_timeout = 20000")
        time.sleep(random.random() / 500)
    print(n)
PYTHON

$node->safe_psql('postgres', q{
	CREATE TABLE nothing (line text);
	-- Runs statements and, behind "!", programs, all in one command.
	CREATE FUNCTION play(VARIADIC steps text[]) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		step text;
		value text;
		result text[];
	BEGIN
		FOREACH step IN ARRAY steps LOOP
			IF step LIKE '!%' THEN
				EXECUTE format('COPY nothing FROM PROGRAM %L', substr(step, 2));
			ELSE
				FOR value IN EXECUTE step LOOP
					result := result || value;
				END LOOP;
			END IF;
		END LOOP;
		RETURN array_to_string(result, ' ', 'NULL');
	END $$;
	-- Reads row 9, then each other one; what the statement before has seen is
	-- seen by the next one.
	CREATE FUNCTION watch(source text, seconds float8, OUT lookups int, OUT changes int, OUT wrong text) LANGUAGE plpgsql AS $$
	DECLARE
		began timestamptz := clock_timestamp();
		newest bigint := 0;
		r record;
	BEGIN
		lookups := 0;
		changes := 0;
		WHILE clock_timestamp() < began + seconds * interval '1 s' LOOP
			FOR i IN REVERSE 9 .. 1 LOOP
				EXECUTE format('SELECT n, v FROM %I WHERE id = $1', source) INTO STRICT r USING i;
				lookups := lookups + 1;
				IF r.v <> repeat(CASE WHEN r.n = 0 THEN 'a' ELSE chr((97 + r.n % 26)::int) END, 6000) THEN
					wrong := format('row %s is torn: %s, %s...', i, r.n, left(r.v, 10));
				ELSIF r.n < newest - (CASE i WHEN 9 THEN 0 ELSE 8 END) THEN
					wrong := format('row %s is old: %s after %s', i, r.n, newest);
				END IF;
				changes := changes + (r.n > newest)::int;
				newest := greatest(newest, r.n);
			END LOOP;
			EXIT WHEN wrong IS NOT NULL;
		END LOOP;
	END $$});

# A server and tables on a new file.
sub source
{
	my ($name, %options) = @_;
	my $file = sqlite_file($name, $schema);

	$node->safe_psql('postgres', sqlite_server_sql($name, $file, busy_timeout => '300ms', %options)
		  . qq{CREATE FOREIGN TABLE $name (id bigint, n bigint, v text) SERVER $name OPTIONS ("table" 't');
		CREATE FOREIGN TABLE ${name}_other (id bigint, n bigint) SERVER $name OPTIONS ("table" 'other')});
	return $file;
}

# A program for play(): it runs SQL on the file.
sub outside
{
	my ($file, $sql) = @_;

	return qq{!$PYTHON $folder/outside.py run $file "$sql"};
}

# Programs for play(): one that runs SQL and stays, and one that kills it.
sub held
{
	my ($file, $sql) = @_;

	return (
		qq{!$PYTHON $folder/outside.py hold $file "$sql" $folder/held >/dev/null 2>&1 & while ! [ -e $folder/held ]; do sleep 0.005; done},
		qq{!rm $folder/held; sleep 0.1});
}

# What play() returns, or the error; the first one is sent before it.
sub play_after
{
	my ($first, @steps) = @_;
	my ($rc, $out, $err) = $node->psql('postgres',
		"$first; SELECT play(" . join(', ', map { "\$step\$$_\$step\$" } @steps) . ')',
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	return $rc == 0 ? $out : $err;
}

sub play
{
	return play_after('', @_);
}

my $file = source('one');
my $look = 'SELECT n FROM one WHERE id = 1';
my $warm = 'SELECT n FROM one WHERE id > 0';
my ($hold, $release) = held($file, 'BEGIN EXCLUSIVE');

# The lock really is put off, or all that follows would show nothing.
is(play($look, $look, $hold, $look, $release), '0 0 0', 'a row that is in the cache is read without a lock');
like(play($look, $look, $hold, $look, 'SELECT n FROM one_other WHERE id = 1', $release), qr/55P03/,
	'a page that is not there is waited for');
is(play($release), '', 'until its owner has ended');
like(play($hold, $look), qr/55P03/, 'the first look-up of a command waits for the lock');
is(play($release), '', 'until its owner has ended');
like(play($look, $hold, 'SELECT n + 1 FROM one WHERE id = 1'), qr/55P03/, 'a statement that computes something waits');
is(play($release), '', 'until its owner has ended');
like(play($look, $hold, 'SELECT a.n FROM one a JOIN one b USING (id) WHERE id = 1'), qr/55P03/, 'a statement of two scans waits');
is(play($release), '', 'until its owner has ended');

# What others commit is seen by the next statement.
is(play($look, $look, outside($file, 'UPDATE t SET n = 5 WHERE id = 1'), $look, $look), '0 0 5 5', 'a change is seen');
is(play($look, $look, outside($file, 'DELETE FROM t WHERE id = 1'), $look, outside($file, 'INSERT INTO t VALUES (1, 6, NULL)'), $look),
	'5 5 6', 'so are a row that goes and one that comes');
is(play($look, $look, outside($file, 'VACUUM'), $look), '6 6 6', 'and a file that is written anew');
is(play($look, $look, outside($file, 'ALTER TABLE t RENAME TO u; CREATE TABLE t AS SELECT id, n + 1 AS n, v FROM u; DROP TABLE u'), $look, $look),
	'6 6 7 7', 'another table of that name');
is(play($look, $look, outside($file, 'CREATE UNIQUE INDEX i ON t (id)'), $look, $look), '7 7 7 7', 'and an index');
is(play($look, $look, outside($file, 'PRAGMA journal_mode = wal; UPDATE t SET n = 8 WHERE id = 1'), $look,
		outside($file, 'UPDATE t SET n = 9 WHERE id = 1'), $look, $look), '7 7 8 9 9', 'a file that becomes a WAL database');
is(play(outside($file, 'PRAGMA wal_checkpoint(truncate)'), $look), '9', 'and is one');

# Scans of many rows, some of which are not in the cache, go on under a lock.
my $all = join(' ', 9, (1) x 8);
is(play($look, $warm, $warm, 'SELECT n FROM one WHERE id = 77', $warm), join(' ', 9, $all, $all, $all), 'more rows than one');
my $wide = source('wide');
my $tall = 'WITH RECURSIVE i(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM i WHERE i < 2000) INSERT INTO t SELECT i, i, hex(randomblob(1000)) FROM i';
is(play(outside($wide, $tall), 'SELECT n FROM wide WHERE id = 3', 'SELECT id FROM wide WHERE id < 3', 'SELECT n FROM wide WHERE id IN (1000, 1999)',
		'SELECT n FROM wide WHERE n = 1500', outside($wide, 'UPDATE t SET n = 0 WHERE id = 1000'), 'SELECT n FROM wide WHERE id IN (1000, 1999)'),
	'0 1 2 1000 1999 1500 0 1999', 'also of a file that is larger than the cache');

# What a writer has written, but not committed, is not seen; nor what a crash
# left behind.
my $other = source('two');
is(play(outside($other, $tall)), '', 'a file that is larger than the cache of a writer');
my $spill = 'PRAGMA cache_size = 1; BEGIN; UPDATE t SET n = n + 1 WHERE id <> 127';
($hold, $release) = held($other, $spill);
$look =~ s/one/two/;
like(play($look, $look, $hold, $look), qr/55P03/, 'a file that is being written is waited for');
is(play($release), '', 'the writer is killed');
ok(-s "$other-journal", 'and leaves a journal');
my $left = play($look);
like($left, qr/ERROR:  25006: .*"two".*A program died while it wrote/s, 'which is for its owner to roll back');
$node->safe_psql('postgres', sqlite_server_sql('hasty', $other, busy_timeout => '0')
	  . q{CREATE FOREIGN TABLE hasty (n bigint) SERVER hasty OPTIONS ("table" 't')});
like(play('SELECT n FROM hasty'), qr/ERROR:  25006: .*A program died while it wrote/s, 'that is no lock which busy_timeout is about');
is(play(outside($other, 'SELECT 1 FROM t'), $look, $look), '0 0', 'and then the row is what it was');

# A bad value, a cancel and query_timeout are the statement's.
my $bad = source('bad');
$node->safe_psql('postgres', 'ALTER FOREIGN TABLE bad ALTER COLUMN v TYPE bigint');
like(play('SELECT n FROM bad WHERE id = 1', 'SELECT n FROM bad WHERE id = 2', 'SELECT v FROM bad WHERE id = 1'), qr/ERROR:  \w{5}: .*column "v"/s,
	'a bad value is its error');
my $long = source('long');
$node->safe_psql('postgres', sqlite_server_sql('short', $long, query_timeout => '200ms', busy_timeout => '300ms') . q{
	CREATE FOREIGN TABLE busy (n bigint) SERVER long;
	CREATE FOREIGN TABLE endless (n bigint) SERVER short});
my $busy = 'SELECT 1 AS n UNION ALL SELECT instr(zeroblob(60000000), x\'0001\')';
my $endless = 'WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i) SELECT i AS n FROM i WHERE i < 0';
is(play(outside($long, "CREATE VIEW busy AS $busy; CREATE VIEW endless AS $endless")), '', 'views that take long');
like(play_after(q{SET statement_timeout = '150ms'}, ('SELECT n FROM long WHERE id = 1') x 2, 'SELECT n FROM busy'),
	qr/ERROR:  57014: .*statement timeout/, 'a cancel is one, also where SQLite has not heard of it');
($hold, $release) = held($long, 'BEGIN EXCLUSIVE');
$node->safe_psql('postgres', q{CREATE FOREIGN TABLE brief (id bigint, n bigint) SERVER short OPTIONS ("table" 't')});
like(play(('SELECT n FROM brief WHERE id = 1') x 2, $hold, 'SELECT n FROM endless'),
	qr/ERROR:  57014: .*query_timeout/, 'query_timeout ends a look without a lock, too');
is(play($release), '', 'and its owner ends');

# Others commit without a pause: no look-up may see half of a transaction, or
# an older one than the statement before it.
foreach my $mode ('delete', 'truncate', 'persist', 'memory', 'delete; PRAGMA locking_mode = exclusive; PRAGMA cache_size = 1', 'wal',
	'wal; -- reopen', 'delete; -- reopen')
{
	my $name = 'mode_' . $mode =~ s/\W.*//r . length($mode);
	my $busy = source($name, busy_timeout => '20s');
	my $out = '';
	my $writer = IPC::Run::start([ $PYTHON, "$folder/outside.py", 'write', $busy, "PRAGMA synchronous = off; PRAGMA journal_mode = $mode", 2 ], '>', \$out);
	my ($lookups, $changes, $wrong) = split /\|/, $node->safe_psql('postgres', "SELECT * FROM watch('$name', 1.5)"), 3;

	$writer->finish;
	is($wrong, '', "$mode: every look-up sees a state that is whole, and none that is over");
	cmp_ok($changes, '>', 3, "$mode: the writer has come in between");
	cmp_ok($lookups, '>', 2 * $changes, "$mode: and not each time");
	note("$lookups look-ups, $changes changes seen of " . $out);
}

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
