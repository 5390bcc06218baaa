# MongoDB speaks UTF-8; databases in other encodings see the same text, or an
# error, in values, comparisons, names, credentials and messages.
use strict;
use warnings;
use utf8;

use Encode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use Switchyard;

my $mongo = Switchyard::Mongod->new(auth => 1);
$mongo->eval(encode('UTF-8', q{
db.get_collection("Straße").insert_many([
    {"_id": 1, "größe": "Käse", "ä": {"ö": "tief"}, "n": 1},
    {"_id": 2, "größe": "Tür", "ä": {"ö": "über"}, "n": 2}])
db.get_collection("beyond").insert_many([{"_id": 1, "s": "Čapek", "n": 1}, {"_id": "ключ", "s": "plain", "n": "зло"}])
db.get_collection("日本").insert_one({"_id": 1, "n": 1})
db.get_collection("fields").insert_one({"_id": 1, "größe": "x", "日": 1, "n": 1})
client.admin.command("createUser", "müller", pwd="pässwört", roles=[{"role": "read", "db": "test"}])
}));

my $node = new_node('main');
$node->safe_psql('postgres', q{
	CREATE DATABASE western ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0;
	CREATE DATABASE bytes ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0});

# Result and error in a database, both as text; the client speaks UTF-8 where
# the server can convert.
sub in_database
{
	my ($database, $sql) = @_;
	my ($rc, $out, $err) = $node->psql($database, encode('UTF-8', "SET client_encoding = 'UTF8';\n$sql"),
		extra_params => [ '-v', 'VERBOSITY=verbose' ], on_error_stop => 0);

	return (decode('UTF-8', $out), decode('UTF-8', $err));
}
sub same
{
	my ($name, $database, $sql, $expected) = @_;
	my ($out, $err) = in_database($database, $sql);

	is($out . $err, $expected, $name);
	return;
}

foreach my $database (qw(western bytes))
{
	my ($out, $err) = in_database($database, 'CREATE EXTENSION switchyard;' . $mongo->server_sql('hot', failure_threshold => 1000, failure_rate => 0, connect_timeout => '5s') . q{
		CREATE USER MAPPING FOR CURRENT_USER SERVER hot OPTIONS (username 'müller', password 'pässwört');
		CREATE FOREIGN TABLE numbers (_id bigint, n bigint) SERVER hot OPTIONS (collection 'Straße');
		CREATE FOREIGN TABLE words (_id bigint, "größe" text, "tief" text OPTIONS (path 'ä.ö'), n bigint) SERVER hot OPTIONS (collection 'Straße');
		CREATE FOREIGN TABLE beyond (_id bigint, s text, n bigint) SERVER hot;
		CREATE FOREIGN TABLE bad (n bigint) SERVER hot OPTIONS (collection 'beyond');
		CREATE FOREIGN TABLE documents (document jsonb OPTIONS (path '.')) SERVER hot OPTIONS (collection 'Straße')});
	is($err, '', "$database: the declarations are accepted");
	same("$database: a user name and a password that are not ASCII, and a collection's name", $database, 'SELECT sum(n) FROM numbers', '3');
}

# LATIN1.
same('values, names and paths', 'western', 'SELECT "größe", tief FROM words ORDER BY _id', "Käse|tief\nTür|über");
foreach my $filter (q{= 'Tür'}, q{IN ('Tür', 'x')}, q{LIKE 'Tü%'}, q{LIKE '%ür'}, q{> 'Sä'}, q{<> 'Käse'}, q{IS DISTINCT FROM 'Käse'}, q{NOT LIKE 'Kä%'})
{
	same("\"größe\" $filter", 'western', qq{SELECT n FROM words WHERE "größe" $filter}, '2');
	same("\"größe\" $filter, evaluated here", 'western', qq{SET switchyard.enable_pushdown = off; SELECT n FROM words WHERE "größe" $filter}, '2');
}
my ($out, $err) = in_database('western', q{EXPLAIN (VERBOSE, COSTS OFF) SELECT n FROM words WHERE "größe" = 'Tür' AND tief = 'über'});
like($out, qr/Remote Query: .*größe.*Tür/, 'EXPLAIN shows the filter');
same('sorted', 'western', q{SELECT "größe" FROM words ORDER BY "größe" DESC}, "Tür\nKäse");
same('a whole document', 'western', q{SELECT document->'ä'->>'ö' FROM documents WHERE document->>'größe' = 'Käse'}, 'tief');
($out, $err) = in_database('western', q{SELECT s FROM beyond});
like($err, qr/ERROR:  22\w{3}:.*"s".*beyond/s, 'a value that LATIN1 cannot show is an error');
is($out, '', 'and no row');
($out, $err) = in_database('western', q{SELECT n FROM bad});
like($err, qr/ERROR:  \w{5}:.*"n"/s, 'an error about a value that LATIN1 cannot show');
unlike($err, qr/22P05|unconvertible|has no equivalent/, 'is itself, and no error of conversion');

# IMPORT.
($out, $err) = in_database('western', q{
	CREATE SCHEMA imported;
	IMPORT FOREIGN SCHEMA test LIMIT TO ("Straße", fields) FROM SERVER hot INTO imported;
	SELECT "größe" FROM imported."Straße" ORDER BY _id;
	SELECT n FROM imported.fields});
is($out, "Käse\nTür\n1", 'IMPORT of names with umlauts');
like($err, qr/NOTICE: .*"fields": a field whose name/, 'with a notice for the field that has no name here');
unlike($err, qr/ERROR|WARNING/, 'and no error');
($out, $err) = in_database('western', q{CREATE SCHEMA everything; IMPORT FOREIGN SCHEMA test FROM SERVER hot INTO everything; SELECT n FROM everything."Straße" ORDER BY 1});
is($out, "1\n2", 'IMPORT of all: what can be named here is there');
like($err, qr/WARNING: .*1 collection of source "hot" is left out/, 'with a warning for the rest');
unlike($err, qr/ERROR/, 'and no error');

# SQL_ASCII.
($out, $err) = in_database('bytes', 'SELECT "größe" FROM words');
like($err, qr/ERROR:  0A000:.*"größe".*SQL_ASCII/s, 'SQL_ASCII: no text');
($out, $err) = in_database('bytes', 'SELECT document FROM documents');
like($err, qr/ERROR:  0A000:.*"document".*SQL_ASCII/s, 'SQL_ASCII: no documents');
($out, $err) = in_database('bytes', 'SELECT n FROM bad');
like($err, qr/ERROR:  \w{5}:.*"n"/s, 'SQL_ASCII: an error about a value');
($out, $err) = in_database('bytes', q{
	CREATE SCHEMA imported; IMPORT FOREIGN SCHEMA test LIMIT TO ("Straße") FROM SERVER hot INTO imported; SELECT n FROM imported."Straße" ORDER BY 1});
note("IMPORT into SQL_ASCII: $out $err");
ok($out eq "1\n2" || $err =~ /ERROR:  \w{5}:[^\n]*\n.*SQL_ASCII/s, 'SQL_ASCII: IMPORT gives tables that can be read, or says why not');

# A message of the server itself.
$mongo->eval(q{client.admin.command("updateUser", "m\u00fcller", pwd="other")});
foreach my $database (qw(western bytes))
{
	($out, $err) = in_database($database, 'SELECT sum(n) FROM numbers');
	like($err, qr/ERROR:  28P01:.*"hot"/s, "$database: a wrong password");
}

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
