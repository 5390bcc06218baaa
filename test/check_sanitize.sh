#!/bin/bash
# make check-sanitize: tests with the extension built with AddressSanitizer and
# UndefinedBehaviorSanitizer, in the PostgreSQL of make check-assert, whose
# assertions are on, too.  The distribution's would hang: with libasan loaded
# first, libp11-kit, which that is linked with, breaks a lock of the C library.
#
# The first complaint ends the server process, and is a failure.
#
#	check_sanitize.sh [PART ...]	only these, as run_check.sh takes them
#
# The build and the logs are left in build/sanitize.
# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"

# Tests of memory and milliseconds would not hold here.
parts=${*:-regress isolation pgtap differential tap 003_source_dies.pl 004_tls_scram.pl 007_async.pl
	012_mongo_errors.pl 015_mongo_encodings.pl 031_hostile_files.pl 033_random_values.pl}

PARTS=build "$SY_ROOT/test/check_assert.sh" >/dev/null || die "could not build PostgreSQL"
export PG_CONFIG=$SY_BUILD/assert/pgsql/bin/pg_config
export SY_BUILD=$SY_BUILD/sanitize
mkdir -p "$SY_BUILD"
private_directory
mkdir "$SY_TMP/findings"
[ "$(id -u)" = 0 ] && chown postgres "$SY_TMP/findings"

export SY_CFLAGS="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g"
SY_PRELOAD=$(gcc -print-file-name=libasan.so)
export SY_PRELOAD
# What lives as long as the process is no leak, and the test module has some of
# our files a second time.
export ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0:abort_on_error=1:allocator_may_return_null=1:strict_string_checks=1:log_path=$SY_TMP/findings/asan
export UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1:log_path=$SY_TMP/findings/ubsan
# shellcheck disable=SC2086
"$SY_ROOT/test/run_check.sh" $parts
rc=$?
# Each process that has another stack says so.
cat "$SY_TMP/findings"/* 2>/dev/null | grep -v "^==[0-9]*==WARNING: ASan doesn't fully support makecontext" >"$SY_BUILD/findings"
if [ -s "$SY_BUILD/findings" ]; then
	say "The sanitizers found something:"
	cat "$SY_BUILD/findings"
	rc=1
fi
exit $rc
