#!/usr/bin/perl
# Run programs that speak TAP and count their assertions.
#
#	tally.pl SUMMARY LOGDIR -- FILE ...
#
# Files are Perl (.pl), pgTAP scripts (.sql), or programs.
#
# Prints one line per file, and of failed files the failed assertions; of those
# that broke off the end of the log, which is kept in LOGDIR.  Appends "passed failed" to
# SUMMARY.  A file that ends without a plan, or with an exit status though
# every assertion passed, counts as one more failure.
use strict;
use warnings;

use File::Basename;
use TAP::Parser;
use Time::HiRes qw(time);

my ($summary, $logdir, $separator, @files) = @ARGV;
die "usage: tally.pl SUMMARY LOGDIR -- FILE ...\n" unless @files && $separator eq '--';

# The command that runs one file.
sub command_of
{
	my ($file) = @_;

	return ['psql', '-XtAq', '-v', 'ON_ERROR_STOP=1', '-P', 'pager=off', '-f', $file]
	  if $file =~ /\.sql$/;
	return [$file] unless $file =~ /\.pl$/;
	return ['perl', (map { "-I$_" } grep { length } split /:/, $ENV{SY_PERL5LIB} // ''), $file];
}

# Run one file; returns (passed, failed, the lines to show).
sub run_file
{
	my ($file) = @_;
	my ($passed, $failed, $said) = (0, 0, 0);
	my (@before, @shown);
	my $log = "$logdir/" . basename($file) . '.log';
	open(my $out, '>', $log) or die "cannot write $log: $!";
	$out->autoflush(1);
	open(STDERR, '>&', $out) or die "cannot redirect: $!";
	my $parser = TAP::Parser->new({ exec => command_of($file), merge => 1 });

	while (my $result = $parser->next)
	{
		print $out $result->raw, "\n";
		if (!$result->is_test)
		{
			# What is said about a failed assertion, as far as it can be read.
			next unless $result->is_comment;
			push @shown, '  ' . $result->raw if $said > 0;
			push @before, '  ' . $result->raw;
			$said--;
			next;
		}
		$said = 0;
		if ($result->is_ok)
		{
			$passed++;
		}
		else
		{
			$failed++;
			$said = 12;
			push @shown, @before[ ($#before > 8 ? $#before - 8 : 0) .. $#before ], $result->raw;
		}
		@before = ();
	}
	close($out);
	my @wrong = $parser->parse_errors;
	push @wrong, 'exit status ' . $parser->exit if $parser->exit && !$failed;
	if (@wrong)
	{
		$failed++;
		push @shown, "not ok - " . join('; ', @wrong), map { "  | $_" } split /\n/, qx(tail -n 30 '$log');
	}
	return ($passed, $failed, @shown);
}

open(my $saved_err, '>&', \*STDERR) or die;
my ($all_passed, $all_failed) = (0, 0);
foreach my $file (@files)
{
	my $began = time;
	my ($passed, $failed, @shown) = run_file($file);

	open(STDERR, '>&', $saved_err) or die;
	printf "  %-40s %4d passed %s %6.1f s\n", basename($file), $passed,
	  $failed ? sprintf('%4d FAILED', $failed) : '           ', time - $began;
	if ($failed)
	{
		print '    ', substr($_, 0, 300), "\n" foreach @shown;
	}
	$all_passed += $passed;
	$all_failed += $failed;
}
open(my $sum, '>>', $summary) or die "cannot write $summary: $!";
print $sum "$all_passed $all_failed\n";
close($sum);
exit($all_failed ? 1 : 0);
