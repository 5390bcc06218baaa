# SQLite files of another operating system user: whatever the journal mode, the
# rights of directory and file, and whether the owner is there, our reading
# gives the right rows or a clear error, and afterwards the owner's programs
# can read and write as before.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

use Switchyard;
use Switchyard::Owner;

if (!$ENV{SY_OWNERS})
{
	fail('there is another operating system user (this test needs to be started by root)');
	done_testing();
	exit;
}

my $base = $ENV{SY_OWNERS};
my $owner = Switchyard::Owner->new;
my $node = new_node('main');

# The cases are named by directory, file rights, journal mode and state.
my %directories = (
	closed => '0o700',
	readable => '0o755',
	open => '0o777',
	sticky => '0o1777',
	group => '0o2770');
my %files = (private => '0o600', readable => '0o644', group => '0o660', open => '0o666');
my @journals = qw(delete truncate persist wal);
my %states = (
	rollback => [qw(away running hot)],
	wal => [qw(away running leaves left only_wal only_shm)]);

$owner->eval(q{
import os, shutil, sqlite3, subprocess, sys

held = {}

def connect(path):
	return sqlite3.connect(path, isolation_level=None, timeout=0.3)

# What a program leaves that dies in the middle.
def die_with(path, program):
	subprocess.run([sys.executable, "-c", "import os, sqlite3\ndb = sqlite3.connect(%r, isolation_level=None)\n%s\nos._exit(0)" % (path, program)], check=True)

def make(folder, mode, rights, journal, state):
	os.mkdir(folder)
	path = folder + "/f.db"
	db = connect(path)
	db.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'one'), (2, 'two')")
	db.close()
	os.chmod(path, rights)
	os.chmod(folder, mode)
	db = connect(path)
	db.execute("PRAGMA journal_mode = " + journal)
	db.execute("INSERT INTO t VALUES (3, 'three')")
	if state in ("running", "leaves"):
		held[path] = db
		return
	db.close()
	if state == "hot":
		die_with(path, "db.execute('PRAGMA cache_size = 1'); db.execute('BEGIN'); db.execute('UPDATE t SET v = 1'); "
			"db.execute('CREATE TABLE big AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT i, zeroblob(300) FROM n')")
	elif state != "away":
		die_with(path, "db.execute('PRAGMA wal_autocheckpoint = 0'); db.execute('INSERT INTO t VALUES (4, 4)')")
		if state == "only_wal":
			os.remove(path + "-shm")
		elif state == "only_shm":
			db = connect(path)
			db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
			shutil.copy(path + "-shm", folder + "/kept")
			shutil.copymode(path + "-shm", folder + "/kept")
			db.close()
			os.rename(folder + "/kept", path + "-shm")

# The owner's program ends, and ours is the last that has the file open.
def leave(path):
	held.pop(path).close()

# Can the owner do what it could before, in a new program and an old one?
def check(path, value):
	for db in [held[path]] if path in held else []:
		db.execute("INSERT INTO t VALUES (?, ?)", (value + 1, "old"))
	db = connect(path)
	count = db.execute("SELECT count(*) FROM t").fetchone()[0]
	db.execute("INSERT INTO t VALUES (?, ?)", (value, "new"))
	assert db.execute("SELECT count(*) FROM t").fetchone()[0] == count + 1
	assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
	db.close()
	print(count + 1)
});

# What must come of it: rows, or an SQLSTATE.
sub expected
{
	my ($dir, $file, $journal, $state) = @_;

	return '08001' if $dir eq 'closed' || $file eq 'private';
	return '25006' if $state eq 'hot';
	return 'rows' if $journal ne 'wal' || $state =~ /^(?:running|leaves|left)$/;
	return 'rows' if $dir eq 'group' && ($file eq 'group' || $file eq 'open');
	return 'rows' if $dir =~ /^(?:open|sticky)$/ && $file eq 'open';
	return '55000';
}

my %cases;
foreach my $journal (@journals)
{
	foreach my $dir (sort keys %directories)
	{
		foreach my $file (sort keys %files)
		{
			foreach my $state (@{ $states{ $journal eq 'wal' ? 'wal' : 'rollback' } })
			{
				my $name = "${journal}_${dir}_${file}_$state";

				$cases{$name} = [ $dir, $file, $journal, $state, "$base/$name/f.db" ];
				$owner->eval("make('$base/$name', $directories{$dir}, $files{$file}, '$journal', '$state')");
			}
		}
	}
}
$node->safe_psql('postgres', join '', map {
	sqlite_server_sql($_, $cases{$_}[4], busy_timeout => '300ms')
	  . "CREATE FOREIGN TABLE \"$_\" (id bigint, v text) SERVER \"$_\" OPTIONS (\"table\" 't');\n"
} sort keys %cases);

my $psql = background($node);
my %rows;
my ($right, $kept, $stayed) = (0, 0, 0);
my $number = 100;
foreach my $name (sort keys %cases)
{
	my ($dir, $file, $journal, $state, $path) = @{ $cases{$name} };
	my $wanted = expected($dir, $file, $journal, $state);
	my $out = $psql->query("SELECT count(*), min(v) FROM \"$name\"");
	my $err = $psql->{stderr};

	$psql->{stderr} = '';
	if ($wanted eq 'rows')
	{
		my $count = $state =~ /left|only_wal/ || $state eq 'only_shm' ? 4 : 3;

		$out eq "$count|" . ($count == 4 ? '4' : 'one') ? $right++ : fail("$name: rows") || diag("$out $err");
	}
	else
	{
		$err =~ /ERROR:  $wanted: .*HINT/s ? $right++ : fail("$name: $wanted") || diag("$out $err");
	}
	$owner->eval("leave('$path')") if $state eq 'leaves';
	foreach my $round (1, 2)
	{
		my $count = eval { $owner->eval("check('$path', @{[ $number += 2 ]})") };

		defined $count ? $kept++ : fail("$name: the owner can read and write while we have the file open") || diag($@);
		$rows{$name} = $count;
		next if $wanted ne 'rows' || !defined $count;
		$out = $psql->query("SELECT count(*) FROM \"$name\"");
		$out eq $count ? $stayed++ : fail("$name: and we see what the owner wrote") || diag("$out $count $psql->{stderr}");
		$psql->{stderr} = '';
	}
}
my $cases = keys %cases;
is($right, $cases, "$cases cases: the right rows or the right error");
is($kept, 2 * $cases, 'the owner reads and writes while our session is open');
note "$stayed times read what the owner wrote";
ok($stayed > 100, 'and is read afterwards');
$psql->quit;

# Our session is over: no files of ours must stand in the owner's way.
$kept = 0;
foreach my $name (sort keys %cases)
{
	my $path = $cases{$name}[4];

	defined eval { $owner->eval("check('$path', @{[ $number += 2 ]})") } ? $kept++ : fail("$name: the owner, afterwards") || diag($@);
}
is($kept, $cases, 'and when it has ended');
$kept = $owner->eval("for db in held.values():\n\tdb.close()\nheld.clear()");
$kept = 0;
foreach my $name (sort keys %cases)
{
	my $path = $cases{$name}[4];

	defined eval { $owner->eval("check('$path', @{[ $number += 2 ]})") } ? $kept++ : fail("$name: the owner, begun anew") || diag($@);
}
is($kept, $cases, 'and when the owner has begun anew');

# The owner comes and goes while we read: -wal and -shm must not become ours
# when its last connection ends between our look at them and our reading, unless
# it can write them from the start; and neither must be shut out by files that
# the other has just made.
my $visitor = Switchyard::Owner->new;
foreach my $case ([ 'comes', '0o644' ], [ 'shares', '0o666' ])
{
	my ($name, $rights) = @$case;
	my $path = "$base/$name/f.db";

	$owner->eval("make('$base/$name', 0o777, $rights, 'wal', 'away')");
	$node->safe_psql('postgres', sqlite_server_sql($name, $path, busy_timeout => '5s')
		  . qq{CREATE FOREIGN TABLE $name (id bigint) SERVER $name OPTIONS ("table" 't');
		CREATE TABLE seen_$name (outcome text)});
	my $goes = background($node);
	$goes->query_until(qr/reading/, qq{\\echo reading
		DO \$\$
		DECLARE
			until timestamptz := clock_timestamp() + '3 s';
			tries int := 5000;
		BEGIN
			WHILE clock_timestamp() < until LOOP
				BEGIN
					PERFORM count(*) FROM $name;
					INSERT INTO seen_$name VALUES ('rows');
				EXCEPTION WHEN OTHERS THEN
					INSERT INTO seen_$name VALUES (SQLSTATE);
				END;
				-- ends our session, too, so that each look begins anew
				tries := tries + 1;
				EXECUTE format('ALTER SERVER $name OPTIONS (SET busy_timeout %L)', tries || 'ms');
				COMMIT;
			END LOOP;
		END \$\$;
	});
	my $visits = eval {
		$visitor->eval("import os, sqlite3, time\nos.umask(0o77)\nuntil = time.time() + 3\nvisits = 0\nwhile time.time() < until:\n"
			  . "\tdb = sqlite3.connect('$path', isolation_level=None)\n\tdb.execute('INSERT INTO t (v) VALUES (1)')\n\tdb.close()\n\tvisits += 1\nprint(visits)");
	};
	ok(defined $visits, "$name: the owner writes all the time") or diag($@);
	$goes->query('SELECT 1');
	$goes->quit;
	my $seen = $node->safe_psql('postgres', "SELECT outcome, count(*) FROM seen_$name GROUP BY 1 ORDER BY 1");
	note "$visits visits, seen: $seen";
	my $wanted = $name eq 'comes' ? qr/^(?:55000\|\d+\n)?rows\|\d+$/ : qr/^rows\|\d+$/;
	like($seen, $wanted, "$name: and we see rows, or why not");
	is_deeply([ grep { (stat $_)[4] == $> } glob "$path-*" ], [], 'nothing beside the file is ours when its owner comes and goes')
	  if $name eq 'comes';
	ok(defined eval { $owner->eval("check('$path', 1000000)") }, "$name: and the owner reads and writes") or diag($@);
}

# An owner that has just opened its log looks as if it had died: that is not
# said before it has been looked at for a while.
my $opens = "$base/opens/f.db";

$owner->eval(qq{make('$base/opens', 0o777, 0o644, 'wal', 'left')
import fcntl
index = open('$opens-shm', 'r+b')
index.truncate(0)
index.truncate(32768)
fcntl.lockf(index, fcntl.LOCK_SH, 1, 128)});
$node->safe_psql('postgres', sqlite_server_sql('opens', $opens) . q{
	CREATE FOREIGN TABLE opens (id bigint) SERVER opens OPTIONS ("table" 't');
	CREATE FUNCTION look_ms() RETURNS float8 LANGUAGE plpgsql AS $$
	DECLARE
		began timestamptz := clock_timestamp();
	BEGIN
		PERFORM count(*) FROM opens;
		RETURN 0;
	EXCEPTION WHEN read_only_sql_transaction THEN
		RETURN extract(epoch FROM clock_timestamp() - began) * 1000;
	END $$});
cmp_ok($node->safe_psql('postgres', 'SELECT look_ms()'), '>', 50, 'an owner that opens its log is given time');
$owner->eval("index.close()");
ok(defined eval { $owner->eval("check('$opens', 1000000)") }, 'it has opened it') or diag($@);

# Our own file, which a group writes: its other members need -wal and -shm, too.
my $shared = sqlite_file('shared', 'PRAGMA journal_mode = wal; CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)');
chown -1, scalar getgrnam('nogroup'), $shared or die "chown: $!";
chmod 0660, $shared or die;
$node->safe_psql('postgres', sqlite_server_sql('shared', $shared)
	  . q{CREATE FOREIGN TABLE shared (id bigint) SERVER shared OPTIONS ("table" 't')});
like(error_of($node, 'SELECT * FROM shared'), qr/ERROR:  55000/, 'a WAL file that a group writes is refused where the group would be locked out');
is_deeply([ glob "$shared-*" ], [], 'and nothing is left beside it');
my $folder = $shared =~ s{/[^/]*$}{}r;
chown -1, scalar getgrnam('nogroup'), $folder or die;
chmod 02775, $folder or die;
is($node->safe_psql('postgres', 'SELECT * FROM shared'), '1', 'and read where the directory gives it to the group');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
