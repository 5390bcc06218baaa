# More databases than background workers, copies of databases, more sources
# than places for them: all are probed, in turn or once they can be.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use Switchyard;
use Switchyard::Watch;

my $file = sqlite_file('file', 'CREATE TABLE t (a)');
my %fast = (probe_interval => '200ms');

# ------------------------------------------- fewer places than sources

my $node = new_node('few', preload => 1, conf => "switchyard.max_sources = 2\n");
$node->safe_psql('postgres', join '', map { sqlite_server_sql($_, $file, %fast) } qw(a b c));
becomes($node, "SELECT count(*) FILTER (WHERE status = 'ok' AND health_scope = 'cluster') = 2 FROM switchyard.sources",
	'as many sources as there are places are probed');
my ($out, $in) = split /\|/, $node->safe_psql('postgres', q{
	SELECT max(source) FILTER (WHERE status = 'unknown'), max(source) FILTER (WHERE status = 'ok') FROM switchyard.sources});
like($out, qr/^[abc]$/, 'one is not, and says so');
$node->safe_psql('postgres', "DROP SERVER $in");
becomes($node, "SELECT status = 'ok' AND health_scope = 'cluster' FROM switchyard.sources WHERE source = '$out'",
	'it is as soon as a place is free', limit => 20);
is(scalar(() = slurp_file($node->logfile) =~ /WARNING: .*is not shared with other sessions/g), 1, 'one warning said so');
$node->stop;

# ------------------------------------- fewer workers than databases

# How often each database got a prober, and the most starts that passed
# between two of the same, by the log from a position on.
sub turns
{
	my ($from) = @_;
	my @starts = slurp_file($node->logfile, $from) =~ /starting background worker process "switchyard prober for database (\d+)"/g;
	my (%last, %count);
	my $longest = 0;

	foreach my $number (1 .. @starts)
	{
		my $database = $starts[ $number - 1 ];
		my $gap = $number - ($last{$database} // 0);

		$longest = $gap if $gap > $longest;
		$last{$database} = $number;
		$count{$database}++;
	}
	return (scalar(@starts), scalar(keys %count), $longest);
}

my $databases = 50;
$node = new_node('crowd', preload => 1, conf => "max_worker_processes = 8\nlog_min_messages = debug1\nfsync = off\n");
$node->safe_psql('postgres', 'CREATE DATABASE d1');
$node->safe_psql('d1', 'CREATE EXTENSION switchyard;'
	  . sqlite_server_sql('s', $file, probe_interval => '1s') . sqlite_server_sql('t', $file, probe_interval => '1s'));
my $ms = time_of(sub { $node->safe_psql('postgres', join '', map { "CREATE DATABASE d$_ TEMPLATE d1 STRATEGY file_copy;\n" } (2 .. $databases)); });
note("$databases databases were made in $ms ms");
my $created = -s $node->logfile;

# Nobody has used a source in a copy, nor does this.
my %probed;
my $began = time;
while (time - $began < 60 && keys %probed < $databases)
{
	foreach my $number (grep { !$probed{$_} } (1 .. $databases))
	{
		$probed{$number} = 1 if $node->safe_psql("d$number", 'SELECT bool_and(probed_at IS NOT NULL) FROM switchyard.sources') eq 't';
	}
}
is(scalar(keys %probed), $databases, "$databases databases are all probed, though nobody has used their sources");

$node->safe_psql('postgres', q{
	CREATE FUNCTION most() RETURNS bigint LANGUAGE plpgsql AS $$
	DECLARE
		until timestamptz := clock_timestamp() + '4 s';
		most bigint := 0;
	BEGIN
		WHILE clock_timestamp() < until LOOP
			PERFORM pg_stat_clear_snapshot();
			most := greatest(most, (SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'switchyard%'));
			PERFORM pg_sleep(0.002);
		END LOOP;
		RETURN most;
	END $$});
my $from = -s $node->logfile;
my $most = $node->safe_psql('postgres', 'SELECT most()');
cmp_ok($most, '<=', 4, 'by half of the workers at most, the launcher included');

my ($starts, $served, $longest) = (0, 0, 0);
$began = time;
while (time - $began < 60 && $starts < 3 * $databases)
{
	sleep(0.2);
	($starts, $served, $longest) = turns($from);
}
is($served, $databases, 'each has its turn');
cmp_ok($longest, '<=', $databases + 5, 'after all the others');
# As the postmaster tells it, which has forked them: some live for 2 ms only.
my ($probers, $least, $together) = (0, 0, 0);
foreach my $line (split /\n/, slurp_file($node->logfile, $from))
{
	$probers += $line =~ /starting background worker process "switchyard prober/ ? 1 : $line =~ /unregistering background worker "switchyard prober/ ? -1 : 0;
	$least = $probers if $probers < $least;
	$together = $probers - $least if $probers - $least > $together;
}
cmp_ok($together, '>=', 2, 'by probers that take turns, more than one at a time');
note("$most processes, $together probers at once, $starts starts, $longest from one to the next of the same database");
is(scalar(() = slurp_file($node->logfile) =~ /WARNING:.*databases have sources, but only 3 of them/g), 1, 'one warning says so');

$node->safe_psql('postgres', join '', map { "DROP DATABASE d$_;\n" } (3 .. $databases));
becomes($node, "SELECT count(*) = 3 FROM pg_stat_activity WHERE backend_type LIKE 'switchyard%'", 'two databases have a prober each');
becomes($node, "SELECT min(backend_start) < now() - interval '7 s' FROM pg_stat_activity WHERE backend_type = 'switchyard prober'",
	'which stays', limit => 40);

# A new database is gone before its first prober, which is slow, has begun.
my $psql = background($node);
my $before = -s $node->logfile;
$node->append_conf('postgresql.conf', "post_auth_delay = 1\n");
$node->reload;
$psql->query('SELECT pg_sleep(0.3); CREATE DATABASE brief TEMPLATE d1');
my $brief = $psql->query("SELECT oid FROM pg_database WHERE datname = 'brief'");
sub logged
{
	my ($words) = @_;
	my $until = time + 30;

	sleep(0.02) while slurp_file($node->logfile, $before) !~ /$words "switchyard prober for database $brief"/ && time < $until;
	return time < $until;
}
ok(logged('starting background worker process'), 'a new database is to be looked at');
is($psql->query('DROP DATABASE brief') . $psql->{stderr}, '', 'and dropped at once');
$psql->quit;
$node->append_conf('postgresql.conf', "post_auth_delay = 0\n");
$node->reload;
ok(logged('unregistering background worker'), 'which its prober finds out');
unlike(slurp_file($node->logfile), qr/FATAL:.*database .* does not exist|being accessed by other users/,
	'nobody looked for a database that is gone');

$node->safe_psql('d2', sqlite_server_sql('u', $file));
becomes($node, status_sql('ok', 's', 't', 'u'), 'a copy is a database like any other', database => 'd2');
$node->stop;

done_testing();
