=head1 NAME

Switchyard - helpers for the TAP tests

=head1 SYNOPSIS

	use Switchyard;

	my $mongo = Switchyard::Mongod->new(members => 1);		# or standalone, tls, auth
	$mongo->eval('db.t.insert_one({"_id": 1})');			# Python, see test/mongod.py
	my $proxy = Switchyard::Proxy->new($mongo->port);		# see test/proxy.py
	$proxy->command('trickle 100');
	my $file = sqlite_file('a', 'CREATE TABLE t (a)');
	my $node = new_node('main');
	$node->safe_psql('postgres', $mongo->server_sql('hot'));
	my $ms = interrupt($node, 'SELECT ...', how => 'cancel');

All that is started ends with the test, whatever its end.

=cut

package Switchyard;

use strict;
use warnings;

use Exporter qw(import);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(new_node sqlite_file sqlite_eval sqlite_server_sql background interrupt
  error_of timed time_of promised_ms python $PYTHON);

our $PYTHON = '/usr/bin/python3';
our $TEST_DIR = __FILE__;
$TEST_DIR =~ s{/?perl/Switchyard\.pm$}{};
$TEST_DIR = '.' if $TEST_DIR eq '';

# A promise of N milliseconds is tested with three times as many: machines
# that run tests are busy.
sub promised_ms
{
	my ($ms) = @_;

	return 3 * $ms;
}

# Run Python with arguments and a program on standard input; returns what it
# prints.  An error fails the test program.
sub python
{
	my ($input, @arguments) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ $PYTHON, @arguments ], '<', \$input, '>', \$out, '2>', \$err)
	  or die "$PYTHON @arguments: $err";
	chomp $out;
	return $out;
}

# A started node with the extension in database postgres, UTF8 and collation C.
# Options: preload => 1, conf => lines for postgresql.conf.
sub new_node
{
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
	$node->append_conf('postgresql.conf', "log_statement = none\n");
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'switchyard'\n")
	  if $options{preload};
	$node->append_conf('postgresql.conf', $options{conf}) if $options{conf};
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION switchyard');
	$node->safe_psql(
		'postgres', q{
		CREATE FUNCTION interrupt_ms(victim int) RETURNS float8
		LANGUAGE plpgsql AS $$
		DECLARE
			began timestamptz := clock_timestamp();
			elapsed interval;
		BEGIN
			PERFORM pg_cancel_backend(victim);
			LOOP
				elapsed := clock_timestamp() - began;
				PERFORM pg_stat_clear_snapshot();
				EXIT WHEN elapsed > '30 s' OR NOT EXISTS
					(SELECT FROM pg_stat_activity WHERE pid = victim AND state = 'active');
				PERFORM pg_sleep(0.001);
			END LOOP;
			RETURN extract(epoch FROM elapsed) * 1000;
		END $$});
	return $node;
}

# Run Python on a SQLite file; the program finds it open as "db".
sub sqlite_eval
{
	my ($file, $program) = @_;

	return python(
		"import sqlite3, sys\n"
		  . "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n$program\n",
		'-', $file);
}

# A new SQLite file made by SQL; returns its path.
sub sqlite_file
{
	my ($name, $sql) = @_;
	my $folder = PostgreSQL::Test::Utils::tempdir();
	my $file = "$folder/$name.db";

	chmod 0755, $folder;
	sqlite_eval($file, "db.executescript('''$sql''')");
	return $file;
}

# DDL for a server on a SQLite file; further options as name => value.
sub sqlite_server_sql
{
	my ($name, $file, %options) = @_;
	my $more = join('', map { ", $_ '$options{$_}'" } sort keys %options);

	return "CREATE SERVER $name FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '$file'$more);\n";
}

# A psql that stays, with SQLSTATEs in its error messages.
sub background
{
	my ($node, %options) = @_;
	my $psql = $node->background_psql('postgres', on_error_stop => 0, %options);

	$psql->query('\set VERBOSITY verbose');
	$psql->{stderr} = '';
	return $psql;
}

# The error text of a statement, with its SQLSTATE; '' if there is none.
sub error_of
{
	my ($node, $sql, %options) = @_;
	my ($rc, $out, $err) =
	  $node->psql('postgres', $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ], %options);

	return $err;
}

# Run one statement in a psql of its own; returns (milliseconds that it took,
# its output, its error text with the SQLSTATE).  The time is taken within the
# session: the end of a psql can be seen half a second late, since IPC::Run
# looks at longer and longer intervals for the end of a program that has closed
# its output.
sub timed
{
	my ($node, $sql) = @_;
	my ($rc, $out, $err) = $node->psql('postgres',
		"SELECT clock_timestamp() AS began \\gset\n$sql;\n"
		  . "SELECT extract(epoch FROM clock_timestamp() - :'began') * 1000",
		on_error_stop => 0, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	my ($rows, $ms) = $out =~ /^(.*?)\n?([-.\d]+)$/s
	  or die "no time of $sql: $out$err";

	return ($ms, $rows, $err);
}

# Milliseconds that a piece of code takes.
sub time_of
{
	my ($code) = @_;
	my $began = time;

	$code->();
	return (time - $began) * 1000;
}

# Start a statement in a session of its own, let it run for "after" seconds
# (default 0.4) and interrupt it.  Options: how => cancel, terminate or
# timeout; setup => SQL to run before; wait_for => code that returns true once
# the statement is where it should be.
# Returns (milliseconds from the interrupt to its effect, the error text, the
# session, which a terminate has ended).
sub interrupt
{
	my ($node, $sql, %options) = @_;
	my $psql = $options{session} // background($node);
	my $how = $options{how} // 'cancel';
	my $after = $options{after} // 0.4;
	my $ms;

	$psql->query($options{setup}) if $options{setup};
	my $pid = $psql->query('SELECT pg_backend_pid()');
	$psql->{stderr} = '';
	if ($how eq 'timeout')
	{
		$psql->query("SET statement_timeout = '" . int($after * 1000) . "ms'");
		$psql->query('SELECT clock_timestamp() AS began \gset');
		$psql->{stderr} = '';
		my ($out) = $psql->query("$sql;\n"
			  . "SET statement_timeout = 0;\n"
			  . "SELECT extract(epoch FROM clock_timestamp() - :'began') * 1000");
		$ms = (split /\n/, $out)[-1] - $after * 1000;
	}
	else
	{
		$psql->query_until(qr/running/, "\\echo running\n$sql;\n");
		sleep($after);
		die 'the statement ended by itself: ' . $psql->{stderr}
		  if $node->safe_psql('postgres', "SELECT state FROM pg_stat_activity WHERE pid = $pid") ne 'active';
		if ($how eq 'cancel')
		{
			$ms = $node->safe_psql('postgres', "SELECT interrupt_ms($pid)");
			$psql->query('SELECT 1');
		}
		else
		{
			# The client is told at once; the server process may take its
			# time to tell the source.  The signal is sent from here, as
			# pg_terminate_backend() sends it: a psql that does it can be
			# seen to end half a second late, since IPC::Run looks at longer
			# and longer intervals for the end of a program that has closed
			# its output.
			my $began = time;

			CORE::kill 'TERM', $pid;
			$psql->{run}->pump until $psql->{stderr} =~ /terminating connection/;
			$ms = (time - $began) * 1000;
			eval { $psql->{run}->pump while 1; };
			eval { $psql->{run}->finish; };
		}
	}
	my $err = $psql->{stderr};
	$psql->{stderr} = '';
	note "$how: $ms ms: $err";
	return ($ms, $err, $psql);
}

package Switchyard::Mongod;

use strict;
use warnings;

our @all;

# Start servers: members => N (a set), standalone, tls, auth => 1,
# connections => N (no more at a time).
sub new
{
	my ($class, %options) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir();
	my @arguments;

	foreach my $name (sort keys %options)
	{
		push @arguments, "--$name", $name =~ /^(?:members|connections)$/ ? $options{$name} : ();
	}
	my $self = bless { dir => $dir, options => \%options }, $class;
	push @all, $self;
	$self->{ports} = [ split / /, Switchyard::python('', "$Switchyard::TEST_DIR/mongod.py", 'start', '--dir', $dir, @arguments) ];
	return $self;
}

sub port { return $_[0]->{ports}[0]; }
sub ports { return @{ $_[0]->{ports} }; }
sub dir { return $_[0]->{dir}; }

# A URI without credentials; the argument is added as further options, the
# second replaces the hosts.
sub uri
{
	my ($self, $more, $hosts) = @_;
	my @options;

	push @options, $hosts ? 'directConnection=true' : 'replicaSet=rs0' unless $self->{options}{standalone};
	push @options, 'tls=true', "tlsCAFile=$self->{dir}/ca.pem" if $self->{options}{tls};
	push @options, $more if $more;
	$hosts //= join ',', map { "127.0.0.1:$_" } $self->ports;
	return "mongodb://$hosts/" . (@options ? '?' . join('&', @options) : '');
}

# DDL for a server; options as name => value, uri among them.
sub server_sql
{
	my ($self, $name, %options) = @_;

	$options{uri} //= $self->uri;
	$options{database} //= 'test';
	return "CREATE SERVER $name FOREIGN DATA WRAPPER switchyard_mongodb OPTIONS ("
	  . join(', ', map { "$_ '$options{$_}'" } sort keys %options) . ");\n";
}

# Run Python with client and db, see mongod.py; returns what it prints.
sub eval
{
	my ($self, $program) = @_;

	return Switchyard::python($program, "$Switchyard::TEST_DIR/mongod.py", 'eval', '--dir', $self->{dir});
}

# A Python that stays, for programs of one line in quick succession: with
# client and db as eval() has them.
sub console
{
	my ($self) = @_;
	my $console = bless { in => '', out => '' }, 'Switchyard::Console';
	my $program = "import sys\nsys.path.insert(0, sys.argv[1])\nimport mongod\n"
	  . "client = mongod.connect(sys.argv[2])\ndb = client.test\n"
	  . "while line := sys.stdin.readline():\n\texec(line)\n\tprint('done', flush=True)\n";

	$console->{run} = IPC::Run::start(
		[ $Switchyard::PYTHON, '-c', $program, $Switchyard::TEST_DIR, $self->{dir} ],
		'<', \$console->{in}, '>', \$console->{out},
		IPC::Run::timer($PostgreSQL::Test::Utils::timeout_default * 4));
	return $console;
}

# The process of one server, by number.
sub pid
{
	my ($self, $number) = @_;
	my $pid = PostgreSQL::Test::Utils::slurp_file(sprintf '%s/node%d/mongod.pid', $self->{dir}, $number // 0);

	chomp $pid;
	return $pid;
}

# Send a signal to one server, or to all.
sub kill
{
	my ($self, $signal, $number) = @_;
	my @numbers = defined $number ? ($number) : (0 .. $#{ $self->{ports} });

	foreach my $one (@numbers)
	{
		my $pid = $self->pid($one);

		CORE::kill $signal, $pid;
		if ($signal eq 'KILL')
		{
			Time::HiRes::sleep(0.02) while -d "/proc/$pid" && PostgreSQL::Test::Utils::slurp_file("/proc/$pid/stat") !~ /\) Z/;
		}
		elsif ($signal eq 'STOP')
		{
			# Its threads stop one by one.
			Time::HiRes::sleep(0.002)
			  while grep { (eval { PostgreSQL::Test::Utils::slurp_file($_) } // '') =~ /\) [^T]/ } glob "/proc/$pid/task/*/stat";
		}
	}
	return;
}

# Start those servers again that ended.
sub restart
{
	my ($self) = @_;

	Switchyard::python('', "$Switchyard::TEST_DIR/mongod.py", 'restart', '--dir', $self->{dir});
	return;
}

# What a client with all rights sees of ours in the database "test":
# operations in progress and open cursors, as a number.
sub remains
{
	my ($self) = @_;

	return $self->eval(q{
ours = [o for o in client.admin.aggregate([{"$currentOp": {"idleCursors": True, "allUsers": True}}])
        if o.get("ns", "").startswith("test.")]
print(len(ours))
});
}

END
{
	my $rc = $?;

	foreach my $mongod (@all)
	{
		system($Switchyard::PYTHON, "$Switchyard::TEST_DIR/mongod.py", 'stop', '--dir', $mongod->{dir});
	}
	$? = $rc;
}

package Switchyard::Console;

use strict;
use warnings;

# Run one line of Python; returns what it prints.
sub eval
{
	my ($self, $line) = @_;

	$self->{out} = '';
	$self->{in} .= "$line\n";
	$self->{run}->pump until $self->{out} =~ /^done\n/m;
	$self->{out} =~ s/^done\n//m;
	chomp $self->{out};
	return $self->{out};
}

sub DESTROY
{
	my ($self) = @_;

	local $?;
	$self->{run}->kill_kill if $self->{run};
	return;
}

package Switchyard::Proxy;

use strict;
use warnings;

# A proxy in front of a port; without one, a listener whose backlog is full.
sub new
{
	my ($class, $target) = @_;
	my $self = bless { in => '', out => '' }, $class;

	$self->{run} = IPC::Run::start(
		[ $Switchyard::PYTHON, "$Switchyard::TEST_DIR/proxy.py", $target // '--backlog' ],
		'<', \$self->{in}, '>', \$self->{out},
		IPC::Run::timer($PostgreSQL::Test::Utils::timeout_default));
	$self->{run}->pump until $self->{out} =~ /\n/;
	chomp($self->{port} = $self->{out});
	return $self;
}

sub port { return $_[0]->{port}; }

# One line to it; returns its answer.
sub command
{
	my ($self, $line) = @_;

	$self->{out} = '';
	$self->{in} .= "$line\n";
	$self->{run}->pump until $self->{out} =~ /\n/;
	chomp(my $answer = $self->{out});
	die "proxy: $line: $answer" if $answer eq 'unknown command';
	return $answer;
}

# One counter: attempts, connections, requests, up, down, open.
sub stat
{
	my ($self, $name) = @_;

	return $1 if $self->command('stats') =~ /"$name": (\d+)/;
	die "proxy: no counter $name";
}

sub DESTROY
{
	my ($self) = @_;

	local $?;
	$self->{run}->kill_kill if $self->{run};
	return;
}

1;
