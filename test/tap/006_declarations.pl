# What is declared in one place is obeyed in all others: encodings of
# databases, options that another session alters, rights that are taken away,
# libraries that are missing or of another version.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Switchyard;

my $file = sqlite_file('text', q{
	CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT);
	INSERT INTO words VALUES (1, "Käse"), (2, "Tür");
	CREATE TABLE "größe" (id INTEGER PRIMARY KEY);
	CREATE TABLE "日本" (id INTEGER PRIMARY KEY);
	CREATE TABLE bad (id INTEGER PRIMARY KEY, n);
	INSERT INTO bad VALUES (1, "größer als 日本");});
my $node = new_node('main');

# Run SQL in a database, giving and taking UTF-8; returns output and errors.
sub in_database
{
	my ($database, $sql) = @_;
	my ($rc, $out, $err) = $node->psql($database, "SET client_encoding = 'UTF8';\n$sql",
		extra_params => [ '-v', 'VERBOSITY=verbose' ], on_error_stop => 0);

	return ($out, $err);
}

# ------------------------------------------------------- encodings

$node->safe_psql('postgres', q{
	CREATE DATABASE western ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0;
	CREATE DATABASE bytes ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0});
foreach my $database (qw(western bytes))
{
	$node->safe_psql($database, 'CREATE EXTENSION switchyard;' . sqlite_server_sql('file', $file) . q{
		CREATE FOREIGN TABLE words (id bigint, word text) SERVER file;
		CREATE FOREIGN TABLE numbers (id bigint) SERVER file OPTIONS ("table" 'words');
		CREATE FOREIGN TABLE bad (id bigint, n bigint) SERVER file});
}
my ($out, $err) = in_database('western', 'SELECT word FROM words ORDER BY id');
is($out, "Käse\nTür", 'text is converted to a database in LATIN1');
($out, $err) = in_database('western', q{SELECT id FROM words WHERE word = 'Tür'});
is($out, '2', 'and comparison values to UTF-8');
($out, $err) = in_database('western', q{CREATE FOREIGN TABLE g (id bigint) SERVER file OPTIONS ("table" 'größe'); SELECT count(*) FROM g});
is($out, '0', 'names as well');
($out, $err) = in_database('western', 'SELECT n FROM bad');
like($err, qr/ERROR:  \w{5}:.*"n".*größer als \?\?/s, 'what LATIN1 cannot show of an error is replaced');
($out, $err) = in_database('bytes', 'SELECT * FROM words');
like($err, qr/ERROR:  0A000:.*"word".*SQL_ASCII/s, 'a database in SQL_ASCII has no text columns');
($out, $err) = in_database('bytes', 'SELECT count(*), sum(id) FROM numbers');
is($out, '2|3', 'but numbers');

# --------------------------------------------- options, altered elsewhere

$node->safe_psql('postgres', sqlite_server_sql('file', $file) . q{
	CREATE FOREIGN TABLE words (id bigint, word text) SERVER file;
	CREATE ROLE reader;
	GRANT SELECT ON words TO reader});
my $psql = background($node);
$psql->query('PREPARE one AS SELECT count(*) FROM words');
is($psql->query('EXECUTE one'), '2', 'a prepared statement reads the file');
my $other = sqlite_file('other', 'CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT)');
$node->safe_psql('postgres', "ALTER SERVER file OPTIONS (SET path '$other')");
is($psql->query('EXECUTE one'), '0', 'and the other file once another session altered the server');
$psql->query('BEGIN');
is($psql->query('EXECUTE one'), '0', 'in a transaction');
$node->safe_psql('postgres', "ALTER SERVER file OPTIONS (SET path '$file')");
$psql->query('EXECUTE one');
$psql->query('COMMIT');
is($psql->query('EXECUTE one'), '2', 'and after it the first file again');
$node->safe_psql('postgres', q{ALTER FOREIGN TABLE words OPTIONS (ADD "table" 'bad'); ALTER FOREIGN TABLE words DROP word});
is($psql->query('EXECUTE one'), '1', 'another table of it, too');

# A wrapper's option is a default, also for sessions that are open.
$node->safe_psql('postgres', q{ALTER FOREIGN TABLE words OPTIONS (SET "table" 'words')});
$psql->query('SET ROLE reader');
is($psql->query('EXECUTE one'), '2', 'a role with rights reads');
$node->safe_psql('postgres', 'REVOKE SELECT ON words FROM reader');
$psql->query('EXECUTE one');
like($psql->{stderr}, qr/ERROR:  42501/, 'until they are taken away');
$psql->{stderr} = '';
$psql->quit;

# ------------------------------------------------- libraries and versions

$node->safe_psql('postgres', q{
	CREATE FUNCTION switchyard_absent_handler() RETURNS fdw_handler AS '$libdir/switchyard', 'switchyard_fdw_handler' LANGUAGE C;
	CREATE FUNCTION switchyard_absent_validator(text[], oid) RETURNS void AS '$libdir/switchyard', 'switchyard_fdw_validator' LANGUAGE C;
	CREATE FOREIGN DATA WRAPPER absent HANDLER switchyard_absent_handler VALIDATOR switchyard_absent_validator});
like(error_of($node, 'CREATE SERVER s FOREIGN DATA WRAPPER absent'),
	qr/ERROR:  58P01: could not load source driver "absent".*HINT:  Install the library "switchyard_absent"/s,
	'a driver without its library is an error at its first use');
like($node->safe_psql('postgres', 'SELECT switchyard.version()'),
	qr/switchyard 0\.1, absent driver not available, libmongoc.*SQLite/, 'version() works all the same');

$node->safe_psql('postgres', q{ALTER FOREIGN DATA WRAPPER switchyard_sqlite RENAME TO renamed});
is($node->safe_psql('postgres', 'SELECT count(*) FROM words'), '2', 'a wrapper can be renamed');

$node->safe_psql('postgres', q{UPDATE pg_extension SET extversion = '0.0' WHERE extname = 'switchyard'});
like(error_of($node, 'SELECT * FROM words'),
	qr/ERROR:  55000: the switchyard library has version 0\.1, but its SQL objects have version 0\.0.*HINT:.*ALTER EXTENSION switchyard UPDATE/s,
	'SQL objects of another version are one clear error');
$node->safe_psql('postgres', q{UPDATE pg_extension SET extversion = '0.1' WHERE extname = 'switchyard'});
is($node->safe_psql('postgres', 'SELECT count(*) FROM words'), '2', 'and of the same version none');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
done_testing();
