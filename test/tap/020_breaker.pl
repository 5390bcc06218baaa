# Breakers and permits, shared by all sessions: failures of five open a source's
# breaker for all, trials close it, and whoever is terminated gives back what
# he had.  No prober runs.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Switchyard;

my $mongo = Switchyard::Mongod->new(standalone => 1);
$mongo->eval(q{
db.t.insert_many([{"_id": i, "n": i} for i in range(10)])
});
my $proxy = Switchyard::Proxy->new($mongo->port);
my $node = new_node('main', preload => 1, conf => q{
switchyard.probe = off
max_connections = 130
restart_after_crash = on
log_line_prefix = '%p '
});

my $through_proxy = 'mongodb://127.0.0.1:' . $proxy->port . '/';
my %common = (uri => $through_proxy, connect_timeout => '2s', transactions => 'off');

# A server of its own, with a table of the same name.
sub source
{
	my ($name, %options) = @_;

	$node->safe_psql('postgres', $mongo->server_sql($name, %common, %options)
		  . "CREATE FOREIGN TABLE $name (_id bigint, n bigint) SERVER $name OPTIONS (collection 't');");
	return;
}

my $log_from = 0;

# What the server has logged since this was called last.
sub logged
{
	my $text = slurp_file($node->logfile, $log_from);

	$log_from += length $text;
	return $text;
}

# Wait for something; fails the test if it does not come.
sub wait_until
{
	my ($what, $code, $seconds) = @_;
	my $deadline = time + ($seconds // 30);

	while (time < $deadline)
	{
		return 1 if $code->();
		sleep 0.05;
	}
	diag("timed out: $what");
	return 0;
}

my $count = sub { return $node->safe_psql('postgres', "SELECT count(*) FROM $_[0]"); };
my $state_of = sub { return (error_of($node, "SELECT count(*) FROM $_[0]") =~ /ERROR:  (\w+)/) ? $1 : ''; };

#
# Five sessions open it for a sixth.
#
source('hot', recovery_timeout => '3s');
is($count->('hot'), '10', 'the source answers');
logged();
$proxy->command('refuse');
is($state_of->('hot'), '08001', "session $_ fails by itself") foreach (1 .. 5);
my $log = logged();
like($log, qr/source "hot": failure $_ of 5/, "the log has failure $_ of 5") foreach (1 .. 5);
like($log, qr/WARNING:.*source "hot": circuit breaker is open now, was closed/, 'and that the breaker is open');
like($log, qr/too many consecutive failures/, 'and why');
my $attempts = $proxy->stat('attempts');
my $error = error_of($node, 'SELECT count(*) FROM hot');
like($error, qr/ERROR:  57P03: source "hot" is not accepting queries/, 'a sixth session is refused');
like($error, qr/DETAIL:  .*opened \d+ s ago: 5 consecutive failures \(SQLSTATE 08001\).*tried again in \d+ s/, 'told since when, why, and until when');
like($error, qr/HINT:  .*switchyard\.reset\('hot'\)/, 'and what to do');
is($proxy->stat('attempts'), $attempts, 'and no packet leaves');

# Three trials close it.
$proxy->command('accept');
is($state_of->('hot'), '57P03', 'the source is back, but is not tried yet');
sleep 3;
is($count->('hot'), '10', "trial $_ succeeds") foreach (1 .. 3);
$log = logged();
like($log, qr/circuit breaker is half_open now, was open/, 'the log has that it was half open');
like($log, qr/circuit breaker is closed now, was half_open/, 'and closed');
unlike($log, qr/ERROR.*ERROR.*ERROR/s, 'nobody was refused meanwhile, but the one');

# A failed trial opens it again.
$proxy->command('refuse');
$state_of->('hot') foreach (1 .. 5);
sleep 3;
is($state_of->('hot'), '08001', 'a trial fails');
is($state_of->('hot'), '57P03', 'and it is open again at once');
like(logged(), qr/circuit breaker is open now, was half_open/, 'the log has it');

# ALTER SERVER counts at once.
$node->safe_psql('postgres', "ALTER SERVER hot OPTIONS (breaker 'off')");
is($state_of->('hot'), '08001', 'with breaker off calls go');
$node->safe_psql('postgres', "ALTER SERVER hot OPTIONS (SET breaker 'on')");
is($state_of->('hot'), '08001', 'turned on again it begins closed');
$proxy->command('accept');
is($count->('hot'), '10', 'and the source answers');

# A call that began before the breaker opened, and fails after it was closed
# again, counts for nothing.
source('late', failure_threshold => 1, recovery_timeout => '60s', half_open_calls => 1, query_timeout => '0');
my $late = background($node);
is($late->query('SELECT count(*) FROM late'), '10', 'a session is connected');
$proxy->command('stall');
$late->query_until(qr/running/, "\\echo running\nSELECT count(*) FROM late;\n");
sleep 0.3;
my $dead = Switchyard::Proxy->new($mongo->port);
$dead->command('refuse');
$node->safe_psql('postgres', "ALTER SERVER late OPTIONS (SET uri 'mongodb://127.0.0.1:" . $dead->port . "/')");
is($state_of->('late'), '08001', 'another session fails');
is($state_of->('late'), '57P03', 'and opens it');
$dead->command('accept');
$node->safe_psql('postgres', "ALTER SERVER late OPTIONS (SET recovery_timeout '10ms')");
is($count->('late'), '10', 'a trial closes it');
logged();
$proxy->command('refuse');
$late->query_until(qr/over/, "\\echo over\n");
like($late->{stderr}, qr/ERROR:  08/, 'the first call fails at last');
$proxy->command('pass');
$proxy->command('accept');
unlike(logged(), qr/source "late": failure/, 'the late failure changes nothing');
is($count->('late'), '10', 'the breaker is still closed');
$late->quit;

#
# Whoever is terminated gives his trial back.
#
source('lease', failure_threshold => 1, recovery_timeout => '500ms', half_open_calls => 1, connect_timeout => '30s');
is($count->('lease'), '10', 'the source answers');
$proxy->command('refuse');
is($state_of->('lease'), '08001', 'and fails');
$proxy->command('accept');
$proxy->command('stall');
sleep 0.6;
my $trial = background($node);
my $pid = $trial->query('SELECT pg_backend_pid()');
$trial->query_until(qr/running/, "\\echo running\nSELECT count(*) FROM lease;\n");
ok(wait_until('a trial', sub { return $state_of->('lease') eq '57P03'; }), 'a trial is out, and others are refused');
like(error_of($node, 'SELECT count(*) FROM lease'), qr/half open/, 'as the source is half open');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
ok(wait_until('end of the session', sub { return $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid") eq '0'; }), 'its session is terminated');
$proxy->command('pass');
is($count->('lease'), '10', 'the next one may try, and succeeds');
eval { $trial->{run}->finish; };

#
# Permits.
#
source('pool', pool_size => 1, max_overflow => 1, pool_timeout => '400ms');
my @holders = map { background($node) } (1 .. 2);
is($_->query('BEGIN; SELECT count(*) FROM pool'), '10', 'a transaction uses the source') foreach @holders;
$error = error_of($node, 'SELECT count(*) FROM pool');
like($error, qr/ERROR:  53300: all sessions with source "pool" are in use.*allow 2/s, 'a third one gets none within pool_timeout');
$node->safe_psql('postgres', "ALTER SERVER pool OPTIONS (SET pool_timeout '60s')");
my ($ms, $text, $session) = interrupt($node, 'SELECT count(*) FROM pool');
like($text, qr/57014/, 'its wait can be cancelled');
ok($ms < promised_ms(100), 'at once') or diag("$ms ms");
my $holder_pid = $holders[0]->query('SELECT pg_backend_pid()');
$session->query_until(qr/running/, "\\echo running\nSELECT 'got ' || count(*) FROM pool;\n");
sleep 0.3;
$node->safe_psql('postgres', "SELECT pg_terminate_backend($holder_pid)");
like($session->query_until(qr/got 10/, ''), qr/got 10/, 'a terminated session gives its permit to who waits');
$session->query_until(qr/running/, "\\echo running\nSELECT 'again ' || count(*) FROM pool;\n");
like($session->query_until(qr/again 10/, ''), qr/again 10/, 'and there is room enough now');
$holders[1]->query('COMMIT');
$holders[1]->query('SELECT 1');
eval { $holders[0]->{run}->finish; };
$_->quit foreach ($session, $holders[1]);

# 30 sessions at once: never more than may be, and at most pool_size stay.
source('crowd', pool_size => 3, max_overflow => 2);
is($count->('crowd'), '10', 'the source answers');
$proxy->command('reset');
my $script = PostgreSQL::Test::Utils::tempdir() . '/crowd.sql';
append_to_file($script, "BEGIN;\nSELECT count(*) FROM crowd;\nSELECT pg_sleep(0.01);\nCOMMIT;\n");
my $most = 0;
my ($in, $out, $err) = ('', '', '');
my $bench = IPC::Run::start([ 'pgbench', '-n', '-c', 30, '-j', 2, '-t', 5, '-f', $script, '-h', $node->host, '-p', $node->port, 'postgres' ],
	'<', \$in, '>', \$out, '2>', \$err);
while ($bench->pumpable)
{
	my $open = $proxy->stat('open');

	$most = $open if $open > $most;
	$bench->pump_nb;
	sleep 0.005;
}
$bench->finish;
like($out, qr{transactions actually processed: 150/150}, '30 clients do all their work over 5 sessions') or diag($err);
ok($most >= 1 && $most <= 5 + 3, "with $most connections at most");

# The same in half open: exactly so many trials as may be.
source('herd', failure_threshold => 1, recovery_timeout => '500ms', connect_timeout => '30s');
is($count->('herd'), '10', 'the source answers');
$proxy->command('refuse');
is($state_of->('herd'), '08001', 'and fails');
$proxy->command('accept');
$proxy->command('stall');
sleep 0.6;
my $finds = sub { return $mongo->eval('print(client.admin.command("serverStatus")["metrics"]["commands"]["find"]["total"] + client.admin.command("serverStatus")["metrics"]["commands"]["aggregate"]["total"])'); };
my $before = $finds->();
logged();
$script = PostgreSQL::Test::Utils::tempdir() . '/herd.sql';
append_to_file($script, "SELECT n FROM herd WHERE _id = 5;\n");
($in, $out, $err) = ('', '', '');
$bench = IPC::Run::start([ 'pgbench', '-n', '-c', 100, '-j', 2, '-t', 1, '-f', $script, '-h', $node->host, '-p', $node->port, 'postgres' ],
	'<', \$in, '>', \$out, '2>', \$err);
my $refused = 0;
ok(wait_until('97 refusals', sub { $refused += () = logged() =~ /ERROR:  source "herd" is not accepting queries/g; return $refused >= 97; }, 60),
	'of 100 clients at a half open source, 97 are refused');
$proxy->command('pass');
$bench->finish;
like($out, qr{transactions actually processed: 3/100}, 'three are trials') or diag($err);
is($finds->() - $before, 3, 'and exactly three queries arrive');
is($count->('herd'), '10', 'then the breaker is closed');
is($node->safe_psql('postgres', q{SELECT kind || ' ' || message FROM switchyard.events WHERE source = 'herd' ORDER BY id}) =~ s/\n/, /gr,
	'failure could not connect to source "herd", opened too many consecutive failures, half_opened recovery_timeout is over, closed trial calls succeeded',
	'the view events has it all');
is($node->safe_psql('postgres', q{SELECT state, failures, trials, trials_max, opens, rejected >= 97, last_failure_class FROM switchyard.breakers WHERE source = 'herd'}),
	'closed|0|0|3|1|t|source', 'and so has the view breakers');

#
# A file that is gone is the source's fault.
#
$node->safe_psql('postgres', sqlite_server_sql('gone', PostgreSQL::Test::Utils::tempdir() . '/gone.db', failure_threshold => 2) . q{CREATE FOREIGN TABLE gone (id bigint) SERVER gone OPTIONS ("table" 't')});
is($state_of->('gone'), '08001', 'a file that is not there fails') foreach (1 .. 2);
is($state_of->('gone'), '57P03', 'and opens its breaker');

#
# A black hole that only clients with a short statement_timeout see.
#
source('hole', failure_threshold => 3, connect_timeout => '30s');
my $warm = background($node);
is($warm->query('SELECT count(*) FROM hole'), '10', 'a session is connected');
$warm->query(q{SET statement_timeout = '500ms'});
$proxy->command('stall');
logged();
$warm->query('SELECT count(*) FROM hole') foreach (1 .. 2);
like($warm->{stderr}, qr/57014.*57014/s, 'two statements of it time out');
$log = logged();
like($log, qr/source "hole": failure 1 of 3/, 'a new connection without a byte is a failure');
unlike($log, qr/source "hole": failure 2 of 3/, 'the old one, which has spoken, is none');
like(error_of($node, q{SET statement_timeout = '500ms'; SELECT count(*) FROM hole}), qr/57014/, 'another session times out') foreach (1 .. 2);
is($state_of->('hole'), '57P03', 'three connections without a byte open it');
$proxy->command('pass');
$warm->quit;

#
# After a crash nobody has proven anything: one trial at a time.
#
source('proof', connect_timeout => '3s', failure_threshold => 50);
source('dead', connect_timeout => '1s', failure_threshold => 50);
is($count->($_), '10', 'the source answers') foreach ('proof', 'dead');
$proxy->command('stall');
my $victim = background($node);
$pid = $victim->query('SELECT pg_backend_pid()');
kill 'KILL', $pid;
eval { $victim->{run}->finish; };
ok(wait_until('restart', sub { return $node->psql('postgres', 'SELECT 1') == 0; }), 'the server is back after a crash');

# Ten sessions at once.
sub ten_sessions
{
	my ($table) = @_;
	my $text = PostgreSQL::Test::Utils::tempdir() . "/$table.sql";

	$proxy->command('close');
	$proxy->command('reset');
	append_to_file($text, "SELECT count(*) FROM $table;\n");
	($in, $out, $err) = ('', '', '');
	return IPC::Run::start([ 'pgbench', '-n', '-c', 10, '-j', 2, '-t', 1, '-f', $text, '-h', $node->host, '-p', $node->port, 'postgres' ],
		'<', \$in, '>', \$out, '2>', \$err);
}
ten_sessions('dead')->finish;
my $given_up = () = $err =~ /ERROR:  could not connect to source "dead"/g;
is($given_up, 10, 'none of ten sessions reaches a source that is dead');
is($proxy->stat('most_open'), 1, 'and never did two of them try at a time');
cmp_ok($proxy->stat('attempts'), '<=', 3, 'nor did each of them');
$bench = ten_sessions('proof');
sleep 1.5;
is($proxy->stat('attempts'), 1, 'of ten sessions one tries to connect');
$proxy->command('pass');
$bench->finish;
like($out, qr{transactions actually processed: 10/10}, 'and when it succeeds all go on') or diag($err);

unlike(slurp_file($node->logfile) =~ s/^\d+ LOG: .*terminated by signal 9.*$//gmr, qr/terminated by signal|PANIC/, 'nothing crashed but what was killed');
$node->stop;

#
# Without preload each session judges for itself.
#
my $alone = new_node('alone');
$alone->safe_psql('postgres', $mongo->server_sql('hot', %common)
	  . q{CREATE FOREIGN TABLE hot (_id bigint) SERVER hot OPTIONS (collection 't')});
$proxy->command('refuse');
my $one = background($alone);
$one->query('SELECT count(*) FROM hot') foreach (1 .. 5);
my $failures = () = $one->{stderr} =~ /ERROR:  08001/g;
is($failures, 5, 'without preload a session fails five times');
$one->{stderr} = '';
$one->query('SELECT count(*) FROM hot');
like($one->{stderr}, qr/57P03/, 'and then refuses by itself');
like(error_of($alone, 'SELECT count(*) FROM hot'), qr/08001/, 'another one has to find out');
$one->quit;
$alone->stop;

#
# So does a source for which there is no room in shared memory.
#
my $small = new_node('small', preload => 1, conf => "switchyard.max_sources = 1\nswitchyard.probe = off\n");
foreach my $name (qw(first second third))
{
	$small->safe_psql('postgres', $mongo->server_sql($name, %common, failure_threshold => 1)
		  . "CREATE FOREIGN TABLE $name (_id bigint) SERVER $name OPTIONS (collection 't')");
}
my $full = background($small);
$full->query('SELECT count(*) FROM first');
is($full->{stderr} =~ /not shared/ ? 1 : 0, 0, 'the first source has room');
$full->{stderr} = '';
$full->query('SELECT count(*) FROM second; SELECT count(*) FROM third');
my $warnings = () = $full->{stderr} =~ /WARNING:  53400: the health of source/g;
is($warnings, 1, 'one warning tells that others have none');
$full->{stderr} = '';
is($full->query('SELECT string_agg(source || $$ $$ || health_scope, $$, $$ ORDER BY source) FROM switchyard.sources'),
	'first cluster, second backend, third backend', 'and the view sources shows which');
$full->{stderr} = '';
$full->quit;
$small->stop;

done_testing();
