# CREATE EXTENSION works with and without preload; a SQLite table and a
# MongoDB collection can be joined, before and after a restart of the server.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Switchyard;

my $mongo = Switchyard::Mongod->new;
$mongo->eval('db.chats.insert_many([{"_id": i, "title": "chat %d" % i} for i in range(5)])');
my $file = sqlite_file('files', q{
	CREATE TABLE files (id INTEGER PRIMARY KEY, chat_id INTEGER, name TEXT);
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10)
	INSERT INTO files SELECT i, i % 5, "file " || i FROM n;});

my $join = q{SELECT f.name, c.title FROM files f JOIN chats c ON c._id = f.chat_id
	WHERE f.id <= 3 ORDER BY f.id};
my $expected = "file 1|chat 1\nfile 2|chat 2\nfile 3|chat 3";

foreach my $preload (0, 1)
{
	my $with = $preload ? 'with preload' : 'without preload';
	my $node = new_node("preload$preload", preload => $preload);

	like($node->safe_psql('postgres', 'SELECT switchyard.version()'),
		qr/switchyard 0\.1.*SQLite 3\./s, "$with: version() tells the versions");
	$node->safe_psql('postgres', $mongo->server_sql('hot') . sqlite_server_sql('archive', $file)
		  . 'IMPORT FOREIGN SCHEMA main FROM SERVER archive INTO public;'
		  . 'IMPORT FOREIGN SCHEMA test FROM SERVER hot INTO public;');
	is($node->safe_psql('postgres', $join), $expected, "$with: a file and a collection are joined");

	$node->restart;
	is($node->safe_psql('postgres', $join), $expected, "$with: the same after a restart");

	my $fdws = $node->safe_psql('postgres', 'SELECT fdwname FROM pg_foreign_data_wrapper ORDER BY 1');
	is($fdws, "switchyard_mongodb\nswitchyard_sqlite", "$with: the wrappers are there");

	# Dump and restore reproduces servers and tables.
	my ($dump) = run_command([ 'pg_dump', '-d', $node->connstr('postgres') ]);
	$node->safe_psql('postgres', 'CREATE DATABASE restored');
	my ($rc, $out, $err) = $node->psql('restored', $dump, on_error_die => 0);
	is($rc, 0, "$with: a dump can be restored");
	is($node->safe_psql('restored', 'SET search_path = public;' . $join), $expected, "$with: the restored tables answer");

	my $map = slurp_file('/proc/' . (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0] . '/maps');
	unlike($map, qr/libmongoc/, "$with: libmongoc is not loaded into the postmaster");
	unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, "$with: nothing crashed");

	# Who uses SQLite only never loads libmongoc.
	my $psql = background($node);
	my $pid = $psql->query('SELECT pg_backend_pid()');
	$psql->query('SELECT count(*) FROM files');
	unlike(slurp_file("/proc/$pid/maps"), qr/libmongoc/, "$with: a session that reads SQLite does not load libmongoc");
	$psql->query('SELECT count(*) FROM chats');
	my @threads = glob("/proc/$pid/task/*");
	is(scalar @threads, 1, "$with: a session that reads MongoDB still has one thread");
	$psql->quit;
	$node->stop;
}

done_testing();
