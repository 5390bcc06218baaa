# A mongod that answers with an error, late, in drops, or not to the end: the
# SQLSTATE of the map for each code, to the first command and to a later
# batch, and never a short result.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Switchyard;

my $rows = 1000;
my $mongo = Switchyard::Mongod->new;
$mongo->eval(qq{
db.t.insert_many([{"_id": i, "n": i, "s": "x" * 200} for i in range($rows)])
db.create_collection("folded", collation={"locale": "en", "strength": 1})
db.folded.insert_many([{"_id": 1, "s": "abc"}, {"_id": 2, "s": "ABC"}])
db.command("create", "folded_view", viewOn="folded", pipeline=[], collation={"locale": "en", "strength": 1})
});
my $console = $mongo->console;
my $proxy = Switchyard::Proxy->new($mongo->port);
my $node = new_node('main');
my $through = $mongo->uri('', '127.0.0.1:' . $proxy->port);
$node->safe_psql('postgres',
		$mongo->server_sql('hot', failure_threshold => 1000, failure_rate => 0, connect_timeout => '500ms')
	  . $mongo->server_sql('proxied', failure_threshold => 1000, failure_rate => 0, connect_timeout => '5s', uri => $through)
	  . $mongo->server_sql('hurried', failure_threshold => 1000, failure_rate => 0, connect_timeout => '5s', uri => $through, query_timeout => '500ms')
	  . q{
	CREATE FOREIGN TABLE hot (_id bigint, n bigint, s text) SERVER hot OPTIONS (collection 't', fetch_size '100');
	CREATE FOREIGN TABLE proxied (_id bigint, n bigint, s text) SERVER proxied OPTIONS (collection 't', fetch_size '100');
	CREATE FOREIGN TABLE hurried (_id bigint, n bigint, s text) SERVER hurried OPTIONS (collection 't', fetch_size '100');
	CREATE FOREIGN TABLE folded_view (_id bigint, s text COLLATE "C") SERVER hot;
});
my $psql = background($node);

# Run a query; returns its result and its error, and forgets the error.
sub run
{
	my ($sql) = @_;
	my $out = $psql->query($sql);
	my $err = $psql->{stderr};

	$psql->{stderr} = '';
	return ($out, $err);
}

# The query on "table" must fail as said, and work again afterwards.
sub fails
{
	my ($name, $table, $state, $detail) = @_;
	my ($out, $err) = run("SELECT count(n) FROM $table");

	like($err, qr/^(?:psql:[^\n]*)?ERROR:  $state: [^\n]*"(?:hot|proxied|hurried)".*$detail/s, "$name: $state");
	is($out, '', "$name: no result");
	$console->eval('client.admin.command("configureFailPoint", "failCommand", mode="off")');
	is(join('|', run("SELECT count(n) FROM $table")), "$rows|", "$name: the next query answers");
	return;
}

# Nothing of ours may be left on the server, soon.
sub no_remains
{
	my ($situation) = @_;
	my $deadline = time + 5;
	my $remains;

	sleep 0.1 while ($remains = $mongo->remains) > 0 && time < $deadline;
	is($remains, 0, "$situation: no operation or cursor of ours remains");
	return;
}

# Play an error by failCommand: how often, for which command.
sub play
{
	my ($command, $times, $data) = @_;

	$console->eval(qq{client.admin.command("configureFailPoint", "failCommand", mode=$times, }
		  . qq{data={"failCommands": ["$command"], "failInternalCommands": False, $data})});
	return;
}

# The map.  Codes that tell of an election are tried again until
# connect_timeout, so the first command has to fail always.
my %codes = (
	'40001' => [ 112, 225, 239, 246, 251, 290 ],
	'57014' => [ 50, 262, 11601 ],
	'55P03' => [24],
	'42501' => [13],
	'28P01' => [ 18, 391 ],
	'42P01' => [26],
	'42704' => [27],
	'42P07' => [48],
	'42710' => [ 85, 86 ],
	'0A000' => [ 66, 166, 167, 263, 20 ],
	'HV000' => [ 2, 9, 14, 8000, 99999 ],
	'22012' => [ 16608, 16610 ],
	'22003' => [28680],
	'22P02' => [241],
	'54000' => [ 15, 10334, 16, 257 ],
	'53200' => [ 146, 292 ],
	'53100' => [14031],
	'08006' => [ 6, 7, 89, 91, 189, 10107, 11600, 11602, 13435, 13436 ],
	'HV00L' => [ 43, 237 ],
	'58000' => [ 64, 100 ]);
foreach my $state ((sort grep { $_ ne 'HV00L' } keys %codes), 'HV00L')
{
	# These codes say that there is no cursor, of one that there is.
	no_remains('codes') if $state eq 'HV00L';
	foreach my $code (@{ $codes{$state} })
	{
		play('find', '"alwaysOn"', qq{"errorCode": $code});
		fails("find: $code", 'hot', $state, "code $code\\b");
		play('getMore', '{"times": 1}', qq{"errorCode": $code});
		fails("getMore: $code", 'hot', $state, "code $code\\b");
	}
}
$console->eval('client.admin.command("killAllSessions", [])');

# Which of them count against the source.
sub failures
{
	return (run(q{SELECT errors FROM switchyard.breakers WHERE source = 'hot'}))[0];
}
my @ill = (6, 7, 89, 91, 189, 10107, 11600, 11602, 13435, 13436);
my @well = (2, 13, 18, 20, 24, 43, 50, 112, 146, 167, 237, 246, 292, 8000, 11601, 14031, 16608);
foreach my $code (@ill, @well)
{
	my $wanted = failures() + (grep { $_ == $code } @ill);

	play('getMore', '{"times": 1}', qq{"errorCode": $code});
	fails("getMore: $code", 'hot', '\w{5}', "code $code\\b");
	is(failures(), $wanted, "getMore: $code " . ((grep { $_ == $code } @ill) ? 'is' : 'is no') . ' failure of the source');
}
$console->eval('client.admin.command("killAllSessions", [])');

# An election that is over soon is waited for.
play('find', '{"times": 2}', '"errorCode": 10107');
is(join('|', run('SELECT count(n) FROM hot')), "$rows|", 'an election during the first command is waited for');
play('find', '{"times": 1}', '"closeConnection": True');
is(join('|', run('SELECT count(n) FROM hot')), "$rows|", 'a connection closed during the first command is made anew');
play('find', '"alwaysOn"', '"closeConnection": True');
fails('find: always closed', 'hot', '08006', '');
play('getMore', '{"times": 1}', '"closeConnection": True');
fails('getMore: closed', 'hot', '08006', '');
play('hello", "isMaster", "ismaster', '"alwaysOn"', '"errorCode": 11600');
my $error = error_of($node, 'SELECT count(n) FROM hot');
like($error, qr/ERROR:  08001: could not connect to source "hot"/, 'hello: an error is 08001');
$console->eval('client.admin.command("configureFailPoint", "failCommand", mode="off")');
no_remains('elections');

# What failCommand cannot play.
my @texts = (
	[ 11000, '23505', 'E11000 duplicate key error', '"keyPattern": {"a": 1}, "keyValue": {"a": 5}' ],
	[ 121, '23514', 'Document failed validation', '"errInfo": {"failingDocumentId": 1}' ],
	[ 8000, '53100', 'you are over your space quota, using 513 MB of 512 MB', '"codeName": "AtlasError"' ],
	[ 8000, '28P01', 'bad auth : authentication failed', '"codeName": "AtlasError"' ],
	[ 8000, 'HV000', 'collStats is not allowed in this tier', '"codeName": "AtlasError"' ],
	[ 2, '22012', 'PlanExecutor error :: caused by :: can\'t $divide by zero', '"codeName": "BadValue"' ],
	[ 2, '22003', 'Failed to apply $inc operations to current value', '"codeName": "BadValue"' ],
	[ 2, '54000', 'BSON field is too large', '"codeName": "BadValue"' ],
	[ 241, '22003', 'Conversion would overflow target type', '"codeName": "ConversionFailure"' ]);
foreach my $text (@texts)
{
	my ($code, $state, $words, $more) = @$text;

	foreach my $command (qw(find getMore))
	{
		$proxy->command(qq{answer $command {"ok": 0, "code": $code, "errmsg": "$words", $more}});
		fails("$command: $code, \"$words\"", 'proxied', $state, quotemeta($words) . ".*code $code\\b");
	}
}
no_remains('texts');

# Answers that make no sense.
my @garbled = (
	[ 'find', '{"ok": 1}' ],
	[ 'find', '{"ok": 1, "cursor": {"id": 0, "ns": "test.t"}}' ],
	[ 'find', '{"ok": 1, "cursor": {"id": 0, "ns": "test.t", "firstBatch": [5]}}' ],
	[ 'find', '{"ok": 1, "cursor": {"firstBatch": [], "ns": "test.t"}}' ],
	[ 'find', '{"ok": 1, "cursor": {"id": 0, "ns": "test.t", "nextBatch": []}}' ],
	[ 'getMore', '{"ok": 1}' ],
	[ 'getMore', '{"ok": 1, "cursor": {"id": 5, "ns": "test.t", "firstBatch": []}}' ],
	[ 'getMore', '{"ok": 1, "cursor": {"ns": "test.t", "nextBatch": []}}' ]);
foreach my $one (@garbled)
{
	$proxy->command("answer $one->[0] $one->[1]");
	fails("$one->[0] answered by $one->[1]", 'proxied', '08006', '');
}
no_remains('garbled');
$proxy->command('answer getMore {"ok": 1, "cursor": {"id": 0, "ns": "test.t", "nextBatch": [{"_id": 1, "n": 1, "s": "x"}, 7]}}');
fails('a batch that holds something else than documents', 'proxied', '08006', '');
$console->eval('client.admin.command("killAllSessions", [])');

# Late, and in drops.
foreach my $command (qw(find getMore))
{
	play($command, '{"times": 1}', '"blockConnection": True, "blockTimeMS": 1500');
	is(join('|', run('SELECT count(n) FROM proxied')), "$rows|", "$command answered late: the right rows");
	play($command, '{"times": 1}', '"blockConnection": True, "blockTimeMS": 1500');
	fails("$command answered later than query_timeout", 'hurried', '57014', '');
}
$proxy->command('trickle 4000');
is(join('|', run('SELECT count(n), sum(length(s)) FROM proxied')), "$rows|" . 200 * $rows . '|', 'answers in drops: the right rows');
is(join('|', run('SELECT count(n), sum(length(s)) FROM hurried')), "$rows|" . 200 * $rows . '|',
	'the limit is one of each answer, not of their sum');
$proxy->command('trickle 20');
my $took = time_of(sub { like((run('SELECT count(n) FROM hurried'))[1], qr/ERROR:  57014/, 'an answer in too small drops is 57014'); });
ok($took < promised_ms(500 + 100), 'within its bound') or diag("$took ms");
$proxy->command('pass');
$proxy->command('delay 50');
is(join('|', run('SELECT count(n) FROM proxied')), "$rows|", 'each answer a little late: the right rows');
$proxy->command('pass');
$psql->quit;
no_remains('late and in drops');

# Dropped after any number of bytes: the right rows or an error.
$proxy->command('reset');
is($node->safe_psql('postgres', 'SELECT count(n) FROM proxied'), $rows, 'a whole answer');
my $bytes = $proxy->stat('down');
my $cuts = 40;
my ($right, $failed) = (0, 0);
my @wrong;
foreach my $i (0 .. $cuts - 1)
{
	# Half of them within the opening and the first batch.
	my $at = $i % 2 ? int($bytes * $i / $cuts) : int(25000 * $i / $cuts);

	$proxy->command("cut $at");
	my ($rc, $out, $err) = $node->psql('postgres', 'SELECT count(n) FROM proxied', extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	$proxy->command('pass');
	if ($rc == 0 && $out eq $rows) { $right++; }
	elsif ($rc != 0 && $out eq '' && $err =~ /ERROR:  (?:08001|08006): .*proxied/) { $failed++; }
	else { push @wrong, "$at: $out $err"; }
}
is_deeply(\@wrong, [], 'cut after any number of bytes: the right rows or an error');
ok($right > 0, 'before the first rows a connection is made anew');
ok($failed > $cuts / 4, 'afterwards it is an error') or diag("$right, $failed");
no_remains('cut');

# A view with a collation of its own refuses ours (167): text is compared here
# from the second try on.
$psql = background($node);
run(q{PREPARE by_text AS SELECT _id FROM folded_view WHERE s = 'abc'});
($error) = (run('EXECUTE by_text'))[1];
like($error, qr/ERROR:  0A000:.*"hot".*167.*HINT:  .*Run the query again/s, 'a view with a collation of its own: 0A000 with the hint to try again');
is(join('|', run('EXECUTE by_text')), '1|', 'the same prepared statement then compares bytes');
is(join('|', run(q{SELECT _id FROM folded_view WHERE s > 'ABC' ORDER BY s})), '1|', 'so do others, and sorts, at once');
like(join('', run(q{EXPLAIN (VERBOSE, COSTS OFF) EXECUTE by_text})), qr/Filter: .*folded_view\.s = 'abc'/, 'EXPLAIN shows that the filter is evaluated here');
$psql->quit;

no_remains('a view with a collation');

# Servers that answer, but are not of the set that the URI asks for.
my $single = Switchyard::Mongod->new(standalone => 1);
$node->safe_psql('postgres',
		$mongo->server_sql('renamed', uri => $mongo->uri =~ s/replicaSet=rs0/replicaSet=nope/r)
	  . $mongo->server_sql('lone', uri => 'mongodb://127.0.0.1:' . $single->port . '/?replicaSet=rs0')
	  . q{
	CREATE FOREIGN TABLE renamed (n bigint) SERVER renamed OPTIONS (collection 't');
	CREATE FOREIGN TABLE lone (n bigint) SERVER lone OPTIONS (collection 't');
});
like(error_of($node, 'SELECT * FROM renamed'), qr/ERROR:  08001:.*"renamed".*asks for replica set "nope".*of replica set "rs0".*HINT:  .*replicaSet/s,
	'another set is named, and the one that the URI asks for');
like(error_of($node, 'SELECT * FROM lone'), qr/ERROR:  08001:.*"lone".*asks for replica set "rs0".*is of none.*HINT:  .*replicaSet/s,
	'so is it if the server is of none');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
