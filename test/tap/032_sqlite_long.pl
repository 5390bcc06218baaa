# Long lives over SQLite: thousands of queries in one session, large scans and
# large values leave no memory, descriptor or file behind.  make soak runs it
# with large sizes.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

use Switchyard;

my $soak = $ENV{SY_SOAK};
my $node = new_node('main');
my $rows = $soak ? 2_000_000 : 200_000;
my $file = sqlite_file('long', qq{CREATE TABLE t (id INTEGER PRIMARY KEY, k INTEGER, v TEXT, bad TEXT);
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $rows)
	INSERT INTO t SELECT i, i % 1000, "some text here " || i, CASE WHEN i > 100 THEN "x" ELSE i END FROM n;
	CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;});
$node->safe_psql('postgres', sqlite_server_sql('long', $file, breaker => 'off') . q{
	CREATE FOREIGN TABLE t (id bigint OPTIONS (key 'true'), k bigint, v text) SERVER long;
	CREATE FOREIGN TABLE bad (id bigint, bad numeric OPTIONS (storage 'text')) SERVER long OPTIONS ("table" 't');
	CREATE FOREIGN TABLE endless (i bigint) SERVER long;
	CREATE FOREIGN TABLE missing (i bigint) SERVER long});

# What the process of a session holds.
sub status
{
	my ($pid, $name) = @_;

	return slurp_file("/proc/$pid/status") =~ /^$name:\s+(\d+) kB/m ? $1 : die "no $name";
}
sub descriptors
{
	my ($pid) = @_;
	my @names = glob "/proc/$pid/fd/*";

	return scalar @names;
}

# 10 000 queries, 20 to a round, with every kind of end.
my $psql = background($node);
my $pid = $psql->query('SELECT pg_backend_pid()');
my $round = "SET statement_timeout = 0;\n" . join('', map { "SELECT v FROM t WHERE id = $_;\n" } 1 .. 6)
  . join('', map { "SELECT count(*) FROM t WHERE id < $_ AND v LIKE 'some%';\n" } 50 .. 53)
  . "BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT a.v FROM t a JOIN t b ON a.id = b.k WHERE b.id < 20;\nSELECT sum(bad) FROM bad;\nROLLBACK;\n"
  . "BEGIN;\nDECLARE c CURSOR FOR SELECT * FROM t;\nFETCH 5 FROM c;\nSAVEPOINT s;\nSELECT bad FROM bad WHERE id > 90 ORDER BY id LIMIT 20;\nROLLBACK TO s;\nFETCH 1 FROM c;\nCOMMIT;\n"
  . "SELECT * FROM missing;\nSELECT count(k) FROM t WHERE id > %d AND id < %d + 10;\nSELECT v FROM t LIMIT 3;\n";
my $cancelled = "SET statement_timeout = '5ms';\nSELECT count(*) FROM endless;\nSELECT count(i + 1) FROM endless WHERE i + 1 < 0;\nSET statement_timeout = 0;\n";
my $queries = 0;
my @states;
foreach my $n (1 .. 500)
{
	$psql->query(sprintf($round, $n, $n) . ($n % 5 ? '' : $cancelled));
	$psql->{stderr} = '';
	$queries += 20;
	push @states, [ status($pid, 'RssAnon'), descriptors($pid) ] if $queries == 1000 || $queries == 10_000;
}
ok($states[1][0] - $states[0][0] <= 1024, 'memory grows by at most 1 MB from query 1000 to 10 000')
  or diag("$states[0][0] kB, $states[1][0] kB");
note "$states[0][0] kB, $states[1][0] kB, $states[0][1] descriptors";
is($states[1][1], $states[0][1], 'and no descriptor is left open');
like($psql->query('SELECT count(*) FROM t WHERE id < 11'), qr/^10$/, 'the session works');
$psql->quit;
sleep 0.1 while -d "/proc/$pid";
is_deeply([ glob $node->data_dir . '/base/pgsql_tmp/*' ], [], 'no temporary file is left');
is_deeply([ grep { $_ ne $file } glob "$file*" ], [], 'nor one beside the database');

# A scan needs no memory for its rows.
$psql = background($node);
$pid = $psql->query('SELECT pg_backend_pid()');
my ($idle, $idle_peak) = (status($pid, 'RssAnon'), status($pid, 'VmHWM'));
$psql->query("BEGIN; DECLARE c CURSOR FOR SELECT id, k, v FROM t; MOVE @{[ $rows - 1 ]} FROM c");
is($psql->query('FETCH 2 FROM c'), "$rows|" . $rows % 1000 . "|some text here $rows", "a scan of $rows rows");
my $taken = status($pid, 'RssAnon') - $idle;
my $peak = status($pid, 'VmHWM') - $idle_peak;
# Not counted: pages of libraries and of the shared buffers.
ok($taken <= 8 * 1024, 'takes at most 8 MB') or diag("$taken kB");
ok($peak <= 16 * 1024, 'nor had more in between') or diag("$peak kB");
note "$taken kB above an idle backend; $peak kB with pages that are shared";
$psql->quit;

# Large values, many columns, long names.
my $size = $soak ? 50_000_000 : 5_000_000;
my $columns = $soak ? 1000 : 300;
my $long = 'n' x 63;
my $large = sqlite_file('large', "CREATE TABLE blobs (id INTEGER PRIMARY KEY, b BLOB, v TEXT);\n"
	  . "INSERT INTO blobs VALUES (1, zeroblob($size), NULL), (2, randomblob($size), NULL), (3, NULL, hex(zeroblob($size / 2))), (4, zeroblob(70000000), NULL);\n"
	  . "CREATE TABLE wide (" . join(', ', map { "c$_" } 1 .. $columns) . ");\nINSERT INTO wide VALUES (" . join(', ', 1 .. $columns) . ");\n"
	  . "CREATE TABLE $long ($long INTEGER PRIMARY KEY, v);\nINSERT INTO $long VALUES (7, 8)");
$node->safe_psql('postgres', sqlite_server_sql('large', $large) . 'CREATE SCHEMA s; IMPORT FOREIGN SCHEMA main LIMIT TO (wide, ' . $long . ') FROM SERVER large INTO s;
	CREATE FOREIGN TABLE blobs (id bigint, b bytea, v text) SERVER large');
is($node->safe_psql('postgres', 'SELECT id, length(b), length(v) FROM blobs WHERE id < 4 ORDER BY id'), "1|$size|\n2|$size|\n3||$size", 'large values');
is($node->safe_psql('postgres', 'SELECT md5(b) FROM blobs WHERE id = 2'), sqlite_eval($large, 'import hashlib; print(hashlib.md5(db.execute("SELECT b FROM blobs WHERE id = 2").fetchone()[0]).hexdigest())'), 'are read as they are');
like(error_of($node, 'SELECT length(b) FROM blobs WHERE id = 4'), qr/ERROR:  54000: .*HINT/s, 'and refused above 64 MB');
is($node->safe_psql('postgres', "SELECT c1::text, c$columns\::text, (SELECT count(*) FROM jsonb_object_keys(to_jsonb(w))) FROM s.wide w"), join('|', 1, $columns, $columns), "$columns columns");
is($node->safe_psql('postgres', "SELECT $long FROM s.$long WHERE $long = 7"), '7', 'names of 63 bytes');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
