# A query over several servers asks them all before it waits for the first:
# proxies that hold all answers back count the requests that came.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Switchyard;

my $members = 5;
my $mongo = Switchyard::Mongod->new;
my @proxies = map { Switchyard::Proxy->new($mongo->port) } 1 .. $members;
my $node = new_node('main');
my $ddl = 'CREATE TABLE t (_id bigint, v text);';

foreach my $i (0 .. $members - 1)
{
	$mongo->eval("db.t$i.insert_many([{'_id': $i * 1000 + n, 'v': 'x' * 1000} for n in range(500)])");
	$ddl .= $mongo->server_sql("s$i", uri => $mongo->uri('', '127.0.0.1:' . $proxies[$i]->port));
	$ddl .= "CREATE FOREIGN TABLE t_$i () INHERITS (t) SERVER s$i OPTIONS (collection 't$i');\n";
}
$node->safe_psql('postgres', $ddl);

# The names of the counters' members that a condition holds for.
sub members_where
{
	my ($condition) = @_;

	return join ' ', grep { $condition->($proxies[$_]) } 0 .. $members - 1;
}

my $all = join ' ', 0 .. $members - 1;

# Each way of reading: a connection that stands, and none.
foreach my $warm (1, 0)
{
	my $psql = background($node);
	my $what = $warm ? 'open connections' : 'no connection yet';

	$psql->query('SELECT count(v) FROM t') if $warm;
	$_->command('reset') foreach @proxies;
	$_->command('stall') foreach @proxies;
	$psql->query_until(qr/running/, "\\echo running\nSELECT count(v), sum(_id) FROM t;\n");

	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	sleep 0.05 while members_where(sub { $_[0]->stat('requests') > 0 }) ne $all && time < $deadline;
	is(members_where(sub { $_[0]->stat('requests') > 0 }), $all, "$what: all servers are asked");
	is(members_where(sub { $_[0]->stat('down') > 0 }), '', "$what: while none has answered");

	$_->command('pass') foreach @proxies;
	is($psql->query('SELECT 1'), "2500|5623750\n1", "$what: and then all rows arrive");
	$psql->quit;
}

$node->stop;
done_testing();
