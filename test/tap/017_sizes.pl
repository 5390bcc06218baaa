# How large a source is, by each metric and scope: what switchyard says is what
# the source's own client computes.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Switchyard;

my $mongo = Switchyard::Mongod->new;
my $node = new_node('main');

# Size, limit, ratio, tables and rows of a source, right after a probe.
sub sampled
{
	my ($psql, $source) = @_;

	$psql->query("SELECT switchyard.probe('$source')");
	return $psql->query('SELECT size_bytes, size_limit_bytes, used_ratio = size_bytes::float8 / size_limit_bytes, tables, rows_estimate,'
		  . " sampled_at > now() - interval '1 min', bytes_written_since FROM switchyard.sources WHERE source = '$source'");
}

# SQLite: pages in use and the log, whatever the metric.
my $file = sqlite_file('sized', q{
	CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
	CREATE TABLE u (id INTEGER PRIMARY KEY);
	CREATE VIEW w AS SELECT 1;
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT i, hex(randomblob(50)) FROM n;
	DELETE FROM t WHERE id > 1000;
	ANALYZE});
my $psql = background($node);
foreach my $metric (qw(data+index storage))
{
	my $name = $metric eq 'storage' ? 'kept' : 'used';

	$node->safe_psql('postgres', sqlite_server_sql($name, $file, size_metric => $metric, size_limit => '1MB'));
	my $pages = sqlite_eval($file, 'print((db.execute("PRAGMA page_count").fetchone()[0] - db.execute("PRAGMA freelist_count").fetchone()[0]) * 4096)');
	ok($pages < -s $file, 'the file has free pages');
	is(sampled($psql, $name), "$pages|1048576|t|2|1000|t|0", "SQLite, $metric: pages in use, tables without views, rows as analyzed");
}
sqlite_eval($file, 'db.execute("PRAGMA journal_mode = wal"); db.execute("PRAGMA wal_autocheckpoint = 0"); db.execute("UPDATE t SET v = 1"); import os; os._exit(0)');
my $log = -s "$file-wal";
my ($size) = split /\|/, sampled($psql, 'used');
cmp_ok($log, '>', 4096, 'there is a log');
cmp_ok($size, '>', $log, 'which counts') or diag("$size $log");

# Whether the file can be written.
is($psql->query(q{SELECT read_only FROM switchyard.sources WHERE source = 'used'}), 'f', 'a file with the right to write is not read-only');
chmod 0444, $file or die;
sampled($psql, 'used');
is($psql->query(q{SELECT read_only FROM switchyard.sources WHERE source = 'used'}), 't', 'one without is');

# MongoDB: of one database or all but the server's own, data or storage.
$mongo->eval(q{
db.t.insert_many([{"_id": i, "s": "x" * 1000} for i in range(2000)])
db.t.create_index("s")
db.u.insert_one({"_id": 1})
db.command("create", "w", viewOn="t", pipeline=[])
client.elsewhere.t.insert_many([{"_id": i, "s": "y" * 500} for i in range(3000)])
client.admin.command("fsync")
});
my %bytes = (
	'data+index' => 's["dataSize"] + s["indexSize"]',
	'storage' => 's["storageSize"] + s["indexSize"] - s.get("totalFreeStorageSize", 0)');
foreach my $metric (sort keys %bytes)
{
	foreach my $scope (qw(database cluster))
	{
		my $name = "m_${scope}_" . length $metric;
		my $databases = $scope eq 'database' ? '"test"' : '"test", "elsewhere", "admin"';

		$node->safe_psql('postgres', $mongo->server_sql($name, size_metric => $metric, size_scope => $scope, size_limit => '1GB'));
		my $bytes = $mongo->eval("print(int(sum($bytes{$metric} for s in [client[name].command('dbStats', freeStorage=1) for name in [$databases]])))");
		is(sampled($psql, $name), "$bytes|1073741824|t|2|2001|t|0", "MongoDB, $metric of the $scope: as dbStats says, but for the view");
	}
}
isnt($psql->query(q{SELECT count(DISTINCT size_bytes) FROM switchyard.sources WHERE source LIKE 'm\_%'}), '1', 'which are not the same');

is($psql->{stderr}, '', 'without an error');
$psql->quit;
$node->stop;
done_testing();
