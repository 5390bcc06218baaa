#!/bin/bash
# make check: build with warnings as errors, then lint, regress, isolation,
# TAP and pgTAP, with a private PostgreSQL, a private mongod and real files.
# Ends with "N passed, N failed"; fails if anything failed.
#
#	run_check.sh [PART ...]		only these: lint regress isolation installcheck
#								pgtap differential tap
#	run_check.sh tap FILE ...	only these files of test/tap
#
# Logs and results are left in build/check.
# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"

parts=${*:-lint regress isolation installcheck pgtap differential tap}
began=$(date +%s)
passed=0
failed=0
results=$SY_BUILD/check

# PG_CFLAGS come last; -Wextra's complaints about PostgreSQL's own headers and
# callback signatures are of no use.
WARNINGS="-Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers ${SY_CFLAGS:-}"

wants()
{
	case " $parts " in
		*" $1 "*) return 0 ;;
	esac
	return 1
}

heading()
{
	printf '\n== %s\n' "$*"
}

count()
{
	passed=$((passed + $1))
	failed=$((failed + $2))
}

# Add what a program reported in the file $1.
count_summary()
{
	local ok
	local bad

	if [ ! -s "$1" ]; then
		say "    not ok - the run ended without a result"
		count 0 1
		return
	fi
	while read -r ok bad; do
		count "$ok" "$bad"
	done <"$1"
}

finish()
{
	printf '\n%d s\n' $(($(date +%s) - began))
	printf '%d passed, %d failed\n' "$passed" "$failed"
	[ "$failed" = 0 ]
	exit
}

run_lint()
{
	local output

	output=$("$SY_ROOT/test/lint/lint.py")
	printf '%s\n' "$output" | sed -n '/^ok /!p'
	count "$(printf '%s\n' "$output" | grep -c '^ok ')" "$(printf '%s\n' "$output" | grep -c '^not ok ')"
	printf '%s\n' "$output" | grep -q '^ok ' || count 0 1
}

# $1: pg_regress or pg_isolation_regress, $2: input folder, further: tests.
# Old versions print "test name ... ok", new ones TAP.
run_regress()
{
	local program=$1
	local input=$2
	local output=$results/$(basename "$program")
	local log=$output.log
	local name
	local bad

	shift 2
	[ $# -gt 0 ] || return
	as_user mkdir -p "$SY_TMP/out"
	rm -rf "$SY_TMP/out/results"
	# Without an expected output the whole run would end there.
	for name in "$@"; do
		[ -e "$input/expected/$name.out" ] || : >"$input/expected/$name.out"
	done
	as_user "$program" --inputdir="$input" --outputdir="$SY_TMP/out" --bindir="$SY_BINDIR" \
		--dbname=regress_switchyard --max-concurrent-tests=1 "$@" >"$log" 2>&1
	bad=0
	for name in "$@"; do
		if grep -Eq "^(ok +[0-9]+ +[-+] +$name |test $name +\.\.\. ok)" "$log"; then
			count 1 0
		else
			bad=$((bad + 1))
			say "    not ok - $name"
			count 0 1
		fi
	done
	say "  $(($# - bad)) of $# passed"
	rm -rf "$output"
	cp -r "$SY_TMP/out" "$output"
	if [ "$bad" != 0 ]; then
		if [ -s "$output/regression.diffs" ]; then
			head -n 300 "$output/regression.diffs"
		else
			tail -n 30 "$log"
		fi
	fi
	rm -rf "$SY_TMP/out"
}

# One make installcheck against the running cluster.  $1: what to call it,
# further: for make.
run_installcheck()
{
	local name=$1

	shift
	if as_user make -C "$SY_TMP/tree" installcheck PG_CONFIG="$SY_BINDIR/pg_config" "$@" >"$results/installcheck.log" 2>&1; then
		say "  $name passed"
		say "1 0" >>"$SY_TMP/installcheck.summary"
	else
		say "    not ok - $name"
		cat "$results/installcheck.log"
		head -n 300 "$SY_TMP/tree/regression.diffs" "$SY_TMP/tree/output_iso/regression.diffs" 2>/dev/null
		say "0 1" >>"$SY_TMP/installcheck.summary"
	fi
}

# Files that speak TAP.
run_tap()
{
	[ $# -gt 0 ] || return
	rm -f "$SY_TMP/summary"
	(cd "$SY_TMP" && as_user env SY_PERL5LIB="$perl5lib" "$SY_TMP/tree/test/tally.pl" \
		"$SY_TMP/summary" "$SY_TMP/logs" -- "$@")
	count_summary "$SY_TMP/summary"
	cp -r "$SY_TMP/logs/." "$results/"
	[ -d "$TESTLOGDIR" ] && cp -r "$TESTLOGDIR" "$results/"
}

[ "${MONGOD:-}" != none ] || die "MONGOD=none is for the demo: the tests need a real mongod"
prepare_packages check
prepare_mongod
rm -rf "$results"
mkdir -p "$results"

if wants lint; then
	heading "lint"
	run_lint
fi
case $parts in
	lint) finish ;;
esac

heading "build"
mirror_sources
if build_mirror COPT="$WARNINGS"; then
	say "  no warnings"
	count 1 0
else
	count 0 1
	finish
fi

private_directory
mongod_for_user
private_postgres
cp -r "$SY_BUILD/tree" "$SY_TMP/tree"
if [ -f "$SY_TMP/tree/test/module/Makefile" ]; then
	if ! make -C "$SY_TMP/tree/test/module" -s all install PG_CONFIG="$PG_CONFIG" with_llvm=no \
		COPT="$WARNINGS" DESTDIR="$SY_TMP/root" >"$results/module.log" 2>&1; then
		cat "$results/module.log"
		count 0 1
		finish
	fi
fi
mkdir -p "$SY_TMP/files" "$SY_TMP/logs" "$SY_TMP/tap"
[ "$(id -u)" = 0 ] && chown -R postgres "$SY_TMP/files" "$SY_TMP/logs" "$SY_TMP/tap" "$SY_TMP/tree"


# A SQLite file of another owner, in WAL mode, in a directory that the tests
# can write to.
if [ "$(id -u)" = 0 ]; then
	mkdir "$SY_TMP/foreign"
	chmod 777 "$SY_TMP/foreign"
	export SY_FOREIGN_WAL=$SY_TMP/foreign/wal.db
	runuser -u nobody -- "$SY_PYTHON" -c "import sqlite3
db = sqlite3.connect('$SY_FOREIGN_WAL')
db.executescript('PRAGMA journal_mode = wal; CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)')"
	chmod 644 "$SY_FOREIGN_WAL"
fi

# Somebody who runs Python as another user, who shares the group nogroup with
# the tests' user, and a directory for their files.
if [ "$(id -u)" = 0 ]; then
	mkdir -m 1777 "$SY_TMP/owners"
	"$SY_PYTHON" "$SY_TMP/tree/test/owner.py" "$SY_TMP/owners/socket" postgres nobody &
	say $! >"$SY_TMP/owners/helper.pid"
	disown
	export SY_OWNERS=$SY_TMP/owners
	SY_AS_USER="-g postgres -G nogroup"
fi

# A name server that never answers.
if [ "$(id -u)" = 0 ]; then
	mkdir "$SY_TMP/deaf"
	"$SY_PYTHON" "$SY_TMP/tree/test/proxy.py" --deaf >"$SY_TMP/deaf/address" &
	say $! >"$SY_TMP/deaf/helper.pid"
	disown
	for _ in $(seq 100); do
		[ -s "$SY_TMP/deaf/address" ] && break
		sleep 0.1
	done
	SY_SILENT_DNS=$(cat "$SY_TMP/deaf/address")
	export SY_SILENT_DNS
fi

pgxs_tests=$SY_TMP/root$(dirname "$("$PG_CONFIG" --pgxs)")/../test
perl5lib=$SY_TMP/tree/test/perl:$pgxs_tests/perl
export PG_REGRESS=$pgxs_tests/regress/pg_regress
# Up to 15 the TAP modules know the first, later ones the others.
export TESTDIR=$SY_TMP/tap TESTDATADIR=$SY_TMP/tap/tmp_check TESTLOGDIR=$SY_TMP/tap/log
export SY_TEST_DIR=$SY_TMP/files
export LC_ALL=C.UTF-8 LANG=C.UTF-8
unset TEMP_CONFIG PGAPPNAME PGCLIENTENCODING PGTZ PGDATESTYLE

if wants regress || wants isolation || wants pgtap || wants differential; then
	SY_MONGO_PORT=$(as_user "$SY_PYTHON" "$SY_TMP/tree/test/mongod.py" start --dir "$SY_TMP/mongo") ||
		die "could not start the private mongod"
	export SY_MONGO_PORT
	# For scripts that psql does not run.
	export PGOPTIONS="-c switchyard_test.directory=$SY_TEST_DIR -c switchyard_test.port=$SY_MONGO_PORT"
	start_cluster regress "shared_preload_libraries = 'switchyard'" "max_prepared_transactions = 5" "${SY_CONF:-}"
fi

if wants regress; then
	heading "regress"
	# shellcheck disable=SC2046
	run_regress "$PG_REGRESS" "$SY_TMP/tree" \
		${SY_REGRESS:-$(make -s -C "$SY_BUILD/tree" PG_CONFIG="$PG_CONFIG" print-REGRESS)}
fi
if wants isolation; then
	heading "isolation"
	# shellcheck disable=SC2046
	run_regress "$pgxs_tests/isolation/pg_isolation_regress" "$SY_TMP/tree/test/isolation" \
		$(make -s -C "$SY_BUILD/tree" PG_CONFIG="$PG_CONFIG" print-ISOLATION)
fi
if wants installcheck; then
	heading "make installcheck twice, against servers without and with preload"
	(
		unset SY_MONGO_PORT SY_TEST_DIR
		start_cluster plain
		run_installcheck "the first run"
		run_installcheck "the second run"
		start_cluster preloaded "shared_preload_libraries = 'switchyard'"
		run_installcheck "the first run with preload" REGRESS="setup functions" ISOLATION=
		# A server that is left over brings a prober into the database that
		# the second run replaces.
		psql -Xq -d contrib_regression -c \
			"CREATE SERVER left_over FOREIGN DATA WRAPPER switchyard_sqlite OPTIONS (path '/nonexistent/a.db')"
		for _ in $(seq 100); do
			[ "$(psql -XAtc "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'switchyard prober' AND
				datname = 'contrib_regression'")" = 1 ] && break
			sleep 0.1
		done
		run_installcheck "the second run with preload" REGRESS="setup functions" ISOLATION=
	)
	count_summary "$SY_TMP/installcheck.summary"
fi
if wants pgtap; then
	heading "pgTAP"
	createdb pgtap
	export PGDATABASE=pgtap
	shopt -s nullglob
	run_tap "$SY_TMP"/tree/test/pgtap/*.sql
	export PGDATABASE=postgres
fi
if wants differential && [ -x "$SY_TMP/tree/test/differential/run" ]; then
	heading "differential"
	run_tap "$SY_TMP/tree/test/differential/run"
fi
if wants tap; then
	heading "TAP"
	shopt -s nullglob
	files=()
	for word in $parts; do
		[ -f "$SY_TMP/tree/test/tap/$word" ] && files+=("$SY_TMP/tree/test/tap/$word")
	done
	[ ${#files[@]} -gt 0 ] || files=("$SY_TMP"/tree/test/tap/*.pl)
	run_tap "${files[@]}"
fi

# A server that crashed must not go unnoticed.  Some tests of test/tap kill
# processes, but none by the signals of a fault.
crashes=$(
	if [ -f "$SY_TMP/regress.log" ]; then
		cp "$SY_TMP/regress.log" "$results/postgresql.log"
		grep -E 'was terminated by signal|PANIC|TRAP:' "$results/postgresql.log"
	fi
	grep -rhE --include='*.log' 'was terminated by signal (4|6|7|8|11):|PANIC|TRAP:' "$SY_TMP/tap"
)
if [ -n "$crashes" ]; then
	heading "a server crashed"
	say "$crashes"
	count 0 1
fi
finish
