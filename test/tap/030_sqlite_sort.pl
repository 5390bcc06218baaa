# A large sort within SQLite: what it does at once, without asking whether it
# shall stop, is done by the block of its temporary files.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Switchyard;

# A single large value makes SQLite merge nearly all rows in one go when the
# last one has been read, by way of a second temporary file.
my $rows = 600_000;
my $file = sqlite_file('sort', qq{
	CREATE TABLE small (id INTEGER PRIMARY KEY);
	INSERT INTO small VALUES (1), (2), (3);
	CREATE VIEW unsorted AS
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT (i * 1103515245 + 12345) % 2147483648 FROM n LIMIT $rows)
		SELECT i, printf('%.90c', 'x') AS v FROM n UNION ALL SELECT 3000000000, hex(zeroblob(15000000));});
my $node = new_node('main');
$node->safe_psql('postgres', sqlite_server_sql('file', $file) . q{
	CREATE FOREIGN TABLE small (id bigint) SERVER file;
	CREATE FOREIGN TABLE unsorted (i bigint, v text) SERVER file;});

# How many temporary files of SQLite a process has open.
sub temporary_files
{
	my ($pid) = @_;

	return scalar grep { (readlink // '') =~ m{/pgsql_tmp/} } glob "/proc/$pid/fd/*";
}

# How many bytes a process has written so far.
sub written
{
	my ($pid) = @_;

	return slurp_file("/proc/$pid/io") =~ /^wchar: (\d+)$/m ? $1 : die 'no wchar';
}

# Wait up to three minutes for something to become true.
sub await
{
	my ($what, $is_so) = @_;
	my $deadline = time + 180;

	until ($is_so->())
	{
		die "waited in vain for $what" if time > $deadline;
		sleep 0.001;
	}
	return;
}

my $psql = background($node);
my $pid = $psql->query('SELECT pg_backend_pid()');
my $cursor = 'DECLARE c CURSOR FOR SELECT i, v FROM unsorted ORDER BY i';
unlike($psql->query("EXPLAIN $cursor"), qr/Sort  /, 'SQLite sorts');
is($psql->query("BEGIN ISOLATION LEVEL REPEATABLE READ; DECLARE s CURSOR FOR SELECT id FROM small; FETCH 1 FROM s; SAVEPOINT a; $cursor"),
	'1', 'a cursor is open');

# Halt the process in the midst of merging; it hears of the cancel when it goes on.
$psql->query_until(qr/running/, "\\echo running\nFETCH 1 FROM c;\n");
await('the second file', sub { temporary_files($pid) == 2 });
kill 'STOP', $pid;
await('the halt', sub { slurp_file("/proc/$pid/stat") =~ /\) T / });
kill 'INT', $pid;
my $before = written($pid);
kill 'CONT', $pid;
$psql->query('SELECT 1');
my $after = written($pid);
note $after - $before, " bytes";
like($psql->{stderr}, qr/ERROR:  57014: canceling statement due to user request/, 'merging is cancelled');
ok($after - $before < 100_000, 'within some blocks');
$psql->{stderr} = '';
is($psql->query('ROLLBACK TO a; FETCH 1 FROM s; COMMIT'), '2', 'the transaction and its other cursor go on');
is(temporary_files($pid), 0, 'no temporary file is left open');

# Nor may a file have much be sorted at once in memory.
my $greedy = sqlite_file('greedy', q{PRAGMA page_size = 65536; PRAGMA default_cache_size = 100000;
	CREATE VIEW unsorted AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 60000)
		SELECT -i AS i, printf('%.90c', 'x') AS v FROM n;});
$node->safe_psql('postgres', sqlite_server_sql('greedy', $greedy) . q{
	CREATE FOREIGN TABLE greedy (i bigint, v text) SERVER greedy OPTIONS ("table" 'unsorted');});
$psql->query('BEGIN; DECLARE c CURSOR FOR SELECT i, v FROM greedy ORDER BY i; FETCH 1 FROM c');
ok(temporary_files($pid) > 0, 'a sort of 6 MB is done in files, whatever the file asks for');

$psql->quit;
$node->stop;
done_testing();
