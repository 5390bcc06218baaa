# What the log says of who has read what, however it ended, and what happens
# when there is no more room for notifications.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Switchyard;

my $mongo = Switchyard::Mongod->new(standalone => 1);
$mongo->eval('db.t.insert_many([{"_id": i, "n": i} for i in range(10)])');
my $proxy = Switchyard::Proxy->new($mongo->port);
my $file = sqlite_file('file', q{
	CREATE TABLE t (id INTEGER PRIMARY KEY, n);
	INSERT INTO t VALUES (1, 1), (2, 2), (3, 'three');
	CREATE TABLE j (v);
	INSERT INTO j VALUES ('[]'), ('no JSON');
	CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;});
my $node = new_node('main', preload => 1, conf => q{
shared_preload_libraries = 'switchyard, switchyard_test'
switchyard.probe = off
switchyard.log_access = all
});
my $uri = 'mongodb://127.0.0.1:' . $proxy->port . '/';
my $me = $node->safe_psql('postgres', 'SELECT current_user');
$node->safe_psql('postgres', sqlite_server_sql('file', $file) . sqlite_server_sql('gone', "$file.gone", failure_threshold => 1)
	  . $mongo->server_sql('hot', uri => $uri, transactions => 'off') . q{
	CREATE FOREIGN TABLE t (id bigint, n bigint) SERVER file;
	CREATE FOREIGN TABLE j (v json) SERVER file;
	CREATE FOREIGN TABLE absent (id bigint) SERVER file;
	CREATE FOREIGN TABLE endless (i bigint) SERVER file;
	CREATE FOREIGN TABLE gone (id bigint) SERVER gone;
	CREATE FOREIGN TABLE hot (_id bigint, n bigint) SERVER hot OPTIONS (collection 't')});

my $log_from = -s $node->logfile;

# What the log says of accesses since this was asked last, each without role.
sub accesses
{
	my $text = slurp_file($node->logfile, $log_from);

	$log_from += length $text;
	return join '; ', map { s/^role "\Q$me\E", source "(\w+)", relation "public\.(\w+)", read, /$1.$2: /r } $text =~ /LOG:  access: (.*)/g;
}

# What it says of one statement.
sub access_of
{
	my ($sql) = @_;

	error_of($node, $sql);
	return accesses();
}

is(access_of('SELECT id FROM t'), 'file.t: 3 rows', 'who has read what is logged');
is(access_of('SELECT id FROM t OFFSET 0 LIMIT 2'), 'file.t: 2 rows', 'whoever needs no more is done');
is(access_of('SELECT t.id FROM t JOIN hot ON t.id = hot._id') =~ s/^(file.*); (hot.*)/$2; $1/r, 'hot.hot: 10 rows; file.t: 3 rows', 'each relation has a line');
is(access_of('SELECT n FROM t'), 'file.t: 3 rows, error HV004', 'so has a scan that ends in an error');
is(access_of('SELECT count(*) FROM j WHERE v IS NOT NULL'), 'file.j: 1 rows', 'but no scan that has told by errors which rows to count');
is(access_of('SELECT id FROM absent'), 'file.absent: 0 rows, error 42P01', 'or cannot begin');
is(access_of('SELECT id FROM gone'), 'gone.gone: 0 rows, error 08001', 'or does not find its source');
is(access_of('SELECT id FROM gone'), 'gone.gone: 0 rows, error 57P03', 'or is refused');
is(access_of(q{SET statement_timeout = '200ms'; SELECT count(*) FROM endless WHERE i < 0}), 'file.endless: 0 rows, error 57014', 'or is canceled');
my $psql = background($node);
$psql->query(q{SELECT n FROM hot});
is(accesses(), 'hot.hot: 10 rows', 'a session is connected');
$proxy->command('stall');
$psql->query(q{SET statement_timeout = '200ms'; SELECT n FROM hot});
is(accesses(), 'hot.hot: 0 rows, error 57014', 'also while it waits for a network');
$proxy->command('close');
$proxy->command('pass');
is(access_of('SELECT 1 / (id - 2) FROM t'), 'file.t: 2 rows, given up', 'a scan may be right, but the rest of the query wrong');
$psql->query('RESET statement_timeout; BEGIN; DECLARE c CURSOR FOR SELECT id FROM t; FETCH c');
is(accesses(), '', 'what is under way is not logged yet');
$psql->query('ROLLBACK');
is(accesses(), 'file.t: 1 rows, given up', 'but when it is rolled back');
$psql->query(q{DO $$ BEGIN PERFORM n FROM t; EXCEPTION WHEN others THEN PERFORM id FROM t; END $$});
is(accesses(), 'file.t: 3 rows, error HV004; file.t: 3 rows', 'an error that is caught is one');
$psql->query('BEGIN; ' . join('; ', map { "DECLARE c$_ CURSOR FOR SELECT id FROM t; FETCH c$_" } (1 .. 5)));
is(accesses(), 'file.t: 3 rows', 'rows that are read ahead count as read');
my $pid = $psql->query('SELECT pg_backend_pid()');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
eval { $psql->{run}->finish; };
sleep(0.05) while $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid");
is(accesses(), join('; ', ('file.t: 1 rows, given up') x 4), 'and so does what a session has read that is terminated');
is(access_of(q{SET switchyard.log_access = none; SELECT id FROM t; SELECT n FROM t}), '', 'nothing is logged that was not asked for');

# ------------------------------------------- no more room for notifications

# Sets a breaker back and forth, and waits until its prober has seen that.
sub steer
{
	my $wake = background($node);

	$wake->query(q{SELECT switchyard.trip('file'), switchyard.reset('file')});
	$wake->quit;
	sleep(0.5);
	return;
}

$node->append_conf('postgresql.conf', "switchyard.probe = on\nswitchyard.log_access = none\nswitchyard_test.notify_queue_full = on\n");
$node->safe_psql('postgres', q{ALTER SERVER file OPTIONS (probe_interval '200ms')});
$node->reload;
sleep(0.5);
my $prober = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'switchyard prober'};
my $prober_pid = $node->safe_psql('postgres', $prober);
my $listener = background($node);
$listener->query('LISTEN switchyard');
$log_from = -s $node->logfile;
my $events = $node->safe_psql('postgres', 'SELECT coalesce(max(id), 0) FROM switchyard.events');
steer() foreach (1 .. 3);
my $log = slurp_file($node->logfile, $log_from);
my @warnings = $log =~ /WARNING:  could not notify listeners on channel "switchyard"\n.*DETAIL:  too many notifications in the NOTIFY queue\./g;
is(scalar(@warnings), 1, 'that the queue of notifications is full is said once');
unlike($listener->query('SELECT 1'), qr/notification/, 'and nobody hears of anything');
is($node->safe_psql('postgres', "SELECT string_agg(kind, ' ' ORDER BY id) FROM switchyard.events WHERE id > $events AND source = 'file'"),
	'forced reset forced reset forced reset', 'but the view events has it');
is($node->safe_psql('postgres', $prober), $prober_pid, 'and the prober is still the same');
is($node->safe_psql('postgres', q{SELECT status, probed_at > now() - interval '2 s' FROM switchyard.sources WHERE source = 'file'}), 'ok|t', 'which goes on probing');
$node->append_conf('postgresql.conf', "switchyard_test.notify_queue_full = off\n");
$node->reload;
sleep(0.3);
steer();
my $heard = $listener->query('SELECT 1');
my @kinds = $heard =~ /"kind": "(\w+)"/g;
is("@kinds", 'forced reset', 'when there is room again, what happens then is heard');
$node->append_conf('postgresql.conf', "switchyard_test.notify_queue_full = on\n");
$node->reload;
sleep(0.3);
steer();
@warnings = slurp_file($node->logfile, $log_from) =~ /could not notify listeners/g;
is(scalar(@warnings), 2, 'a queue that is full again is said again');
$listener->quit;

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'nothing crashed');
$node->stop;
done_testing();
