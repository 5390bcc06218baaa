# A hot standby has health of its own: it probes, its breakers act, views and
# functions work there, and a promotion changes nothing of all that.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Switchyard;
use Switchyard::Watch;

my $file = sqlite_file('archive', 'CREATE TABLE t (a INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2)');
my $mongo = Switchyard::Mongod->new;
$mongo->eval('db.t.insert_many([{"_id": i} for i in range(100)])');
my $proxy = Switchyard::Proxy->new($mongo->port);
my %fast = (probe_interval => '200ms', probe_timeout => '1s', connect_timeout => '1s', failure_threshold => 3,
	transactions => 'off');
my $direct = 'mongodb://127.0.0.1:%d/?directConnection=true';

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1, extra => [ '--encoding=UTF8', '--locale=C' ]);
$primary->append_conf('postgresql.conf', "shared_preload_libraries = 'switchyard'\nlog_min_messages = info\n");
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION switchyard; '
	  . $mongo->server_sql('hot', %fast, uri => sprintf($direct, $mongo->port))
	  . $mongo->server_sql('silent', %fast, uri => sprintf($direct, $proxy->port))
	  . sqlite_server_sql('archive', $file, probe_interval => '200ms') . q{
	CREATE FOREIGN TABLE hot (_id int) SERVER hot OPTIONS (collection 't');
	CREATE FOREIGN TABLE archive (a int) SERVER archive OPTIONS ("table" 't');
	CREATE DATABASE empty});
$primary->safe_psql('empty', 'CREATE EXTENSION switchyard');
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "log_line_prefix = '%m [%p] %b '\n");
$standby->start;

sub value
{
	my ($sql) = @_;

	return $standby->safe_psql('postgres', $sql);
}

# ---------------------------------------------------------- what works there

becomes($standby, status_sql('ok', 'hot', 'silent', 'archive'), 'a standby probes');
is(value('SELECT count(*), (SELECT count(*) FROM archive) FROM hot'), '100|2', 'and reads');
foreach my $level ('READ COMMITTED', 'REPEATABLE READ')
{
	is(value("BEGIN ISOLATION LEVEL $level; SELECT count(*), (SELECT count(*) FROM archive) FROM hot; COMMIT"), '100|2', "in $level");
}
foreach my $view (split /\n/, value(q{SELECT relname FROM pg_class WHERE relkind = 'v' AND relnamespace = 'switchyard'::regnamespace ORDER BY 1}))
{
	like(error_of($standby, "TABLE switchyard.$view"), qr/^$/, "the view $view is readable");
}
is(value(q{SELECT source, ok, status FROM switchyard.probe() ORDER BY source}), "archive|t|ok\nhot|t|ok\nsilent|t|ok", 'probe() asks');
like(value('SELECT * FROM switchyard.report()'), qr/^switchyard [\d.]+: 3 sources\b/m, 'report() tells');
my $psql = background($standby);
$psql->query('SELECT count(*) FROM hot');
foreach my $how ('trip', 'drain')
{
	value("SELECT switchyard.$how('hot', reason => 'moving house')");
	like(error_of($standby, 'SELECT * FROM hot'), qr/ERROR:  57P03.*moving house/s, "$how() acts");
	$psql->query('SELECT count(*) FROM hot');
	like($psql->{stderr}, qr/ERROR:  57P03/, "$how() acts on sessions that are there");
	$psql->{stderr} = '';
	value("SELECT switchyard.reset('hot')");
	is($psql->query('SELECT count(*) FROM hot'), '100', 'reset() undoes it');
}
is($psql->query('SELECT switchyard.disconnect()'), '1', 'disconnect() closes');
$psql->quit;
like(error_of($standby, 'LISTEN switchyard'), qr/ERROR:  25006/, 'PostgreSQL has no notifications there');
like(error_of($standby, 'ANALYZE hot'), qr/ERROR:  25006/, 'and no ANALYZE');
like(error_of($standby, 'IMPORT FOREIGN SCHEMA test FROM SERVER hot INTO public'), qr/ERROR:  25006/, 'and no DDL');

# --------------------------------------------------- what the primary makes

my $prober = q{SELECT count(*) = %d FROM pg_stat_activity WHERE backend_type = 'switchyard prober'};
$primary->safe_psql('postgres', 'CREATE DATABASE other');
$primary->safe_psql('other', 'CREATE EXTENSION switchyard; ' . $mongo->server_sql('hot', %fast, uri => sprintf($direct, $mongo->port)));
$primary->safe_psql('empty', sqlite_server_sql('late', $file, probe_interval => '200ms'));
$primary->wait_for_catchup($standby);
becomes($standby, 'SELECT probed_at IS NOT NULL FROM switchyard.sources', 'a new database is probed, though nobody uses it',
	database => 'other', limit => 45);
becomes($standby, 'SELECT probed_at IS NOT NULL FROM switchyard.sources', 'also the first server of an old one',
	database => 'empty', limit => 45);
becomes($standby, sprintf($prober, 3), 'by a prober each');
$primary->safe_psql('postgres', 'DROP DATABASE other');
$primary->wait_for_catchup($standby);
becomes($standby, sprintf($prober, 2), 'until the primary drops the database');

# ----------------------------------------------------------------- promotion

# One source is dead, one hangs within a probe, one was tripped.
value(q{SELECT switchyard.trip('archive', reason => 'moving house')});
$proxy->command('stall');
$mongo->kill('KILL');
becomes($standby, "SELECT count(*) = 2 FROM switchyard.breakers WHERE source IN ('hot', 'silent') AND state = 'open'", 'breakers open');
my $states = q{SELECT source, state, since, reason, set_by, opens, stats_reset, CASE source WHEN 'archive' THEN calls END
	FROM switchyard.breakers ORDER BY source};
my $before = value($states);
my $events = value('SELECT max(id) FROM switchyard.events');
my $pids = q{SELECT backend_type, pid FROM pg_stat_activity WHERE backend_type LIKE 'switchyard%' ORDER BY 1, 2};
my $workers = value($pids);
my $ms = time_of(sub { $standby->promote; });
note("promoted in $ms ms");
is(value('SELECT pg_is_in_recovery()'), 'f', 'the standby is a primary now');
is(value($states), $before, 'promotion keeps breakers, counters and reasons');
is(value("SELECT count(*) > 0 FROM switchyard.events WHERE id <= $events"), 't', 'and events');
like(error_of($standby, 'SELECT * FROM archive'), qr/ERROR:  57P03.*moving house/s, 'what was tripped still is');
my $listener = background($standby);
$listener->query('LISTEN switchyard');
$mongo->restart;
$proxy->command('pass');
becomes($standby, "SELECT count(*) = 2 FROM switchyard.breakers WHERE source IN ('hot', 'silent') AND state = 'closed'",
	'and the prober goes on');
is(value($pids), $workers, 'all workers are still the same');
my $heard = '';
for (1 .. 50)
{
	$heard .= $listener->query('SELECT 1');
	last if $heard =~ /"kind": "closed", "source": "hot"/;
	sleep(0.1);
}
like($heard, qr/"kind": "half_opened", "source": "hot".*"kind": "closed", "source": "hot"/s, 'listeners hear of it after the promotion');
unlike($heard, qr/"kind": "opened", "source": "hot"/, 'but not of what was before it');
$listener->quit;
value(q{SELECT switchyard.reset('archive')});
is(value('SELECT count(*), (SELECT count(*) FROM archive) FROM hot'), '100|2', 'a reset source is read again');
# After 15 a worker cannot see that its database is being dropped before
# PostgreSQL ends it, as it ends everybody else who is there.
unlike(slurp_file($standby->logfile), qr/prober (?:ERROR|FATAL)(?!:  terminating connection due to conflict with recovery)|launcher (?:ERROR|FATAL)|terminated by signal|PANIC/, 'no worker met an error');
$standby->stop;
$primary->stop;

done_testing();
