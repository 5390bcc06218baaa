# Several servers below one Append: their answers overlap, one that hangs
# stops neither a query that does without it nor the next statement.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Switchyard;

my @mongo = map { Switchyard::Mongod->new(standalone => 1) } 1 .. 3;
my $file = sqlite_file('member', 'CREATE TABLE t (_id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1000001, NULL)');
my $node = new_node('main');
my $ddl = sqlite_server_sql('file', $file) . q{
	CREATE TABLE t (_id bigint, v text);
	CREATE FOREIGN TABLE t_file () INHERITS (t) SERVER file OPTIONS ("table" 't');
};

foreach my $i (0 .. $#mongo)
{
	$mongo[$i]->eval("db.t.insert_many([{'_id': $i * 100000 + n, 'v': 'x' * 500} for n in range(4000)])");
	$ddl .= $mongo[$i]->server_sql("s$i", transactions => 'off');
	$ddl .= "CREATE FOREIGN TABLE t_$i () INHERITS (t) SERVER s$i OPTIONS (collection 't');\n";
}
$node->safe_psql('postgres', $ddl);

like($node->safe_psql('postgres', 'EXPLAIN (COSTS OFF) SELECT v FROM t'),
	qr/(Async Foreign Scan.*){3}/s, 'the plan overlaps the servers');
is($node->safe_psql('postgres', 'SELECT count(*), sum(_id), count(v) FROM t WHERE v IS NULL OR v LIKE \'x%\''),
	'12001|1224994001|12000', 'all rows of all members arrive');
is($node->safe_psql('postgres', q{
	SELECT i, (SELECT count(*) FROM (SELECT FROM t WHERE _id % 1000 >= i LIMIT 10 * i) few) FROM generate_series(1, 3) i}),
	"1|10\n2|20\n3|30", 'scans that were given up begin again');

# Answers that come while others are being looked after wake the query up.
$node->safe_psql('postgres', q{
	CREATE FUNCTION members(i bigint) RETURNS bigint LANGUAGE plpgsql AS $$
	BEGIN
		RETURN (SELECT count(*) FROM t WHERE _id % 100000 = i);
	END $$});
is($node->safe_psql('postgres', q{
	SET statement_timeout = '60s';
	SELECT sum(members(i)), sum(members(i + 1)) FROM generate_series(1, 300) i}),
	'901|900', 'many queries over several servers end');
is($node->safe_psql('postgres', q{
	SET statement_timeout = '60s';
	SELECT sum(members(_id)) FROM t WHERE _id < 40}),
	'121', 'also one within another over the same servers');

# All answers but one member's are enough.
my $psql = background($node);
$psql->query('SELECT count(v) FROM t');
$mongo[1]->kill('STOP');
my $ms = time_of(sub {
	is($psql->query('SELECT count(*) FROM (SELECT v FROM t LIMIT 8000) most'), '8000',
		'LIMIT does without a server that hangs');
});
ok($ms < promised_ms(250), 'and does not wait for it') or diag("$ms ms");
$mongo[1]->kill('CONT');
is($psql->query('SELECT count(v) FROM t'), '12000', 'the session is usable');

# Members that are not asynchronous do not wait for connections that cannot be made.
my $cold = background($node);
$_->kill('STOP') foreach @mongo;
$ms = time_of(sub {
	is($cold->query('SELECT _id FROM t LIMIT 1'), '1000001', 'a file is read while no server lets us in');
});
ok($ms < promised_ms(500), 'at once') or diag("$ms ms");
$_->kill('CONT') foreach @mongo;
is($cold->query('SELECT count(v) FROM t'), '12000', 'and then they do');
$cold->quit;

# A time-out that strikes while a source is told belongs to that statement.
$mongo[1]->kill('STOP');
$psql->query(q{SET statement_timeout = '1s'});
$psql->query('SELECT count(v) FROM (SELECT v FROM t LIMIT 8000) most, pg_sleep(0.85)');
$mongo[1]->kill('CONT');
$psql->{stderr} = '';
is($psql->query('SELECT 1'), '1', 'the next statement is not canceled') or diag($psql->{stderr});

# A server that dies is an error, whatever the others say.
$psql->query('SET statement_timeout = 0; SELECT count(v) FROM t');
$psql->{stderr} = '';
$mongo[2]->kill('KILL');
$psql->query('SELECT count(v) FROM t');
like($psql->{stderr}, qr/08\w{3}.*"s2"/, 'a server that is not there is an error that names it');
$psql->quit;

done_testing();
