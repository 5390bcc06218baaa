#!/bin/bash
# make soak: the differential test at length, with a seed of its own each time;
# then 10000 queries in one session with MongoDB, large collections, SQLite
# files that are large or damaged, and, under the sanitizers, random values.
#
#	CASES=N		in all, half of them for each driver; default 1000000
#	SEED=N		to run again what failed
#	VARIANTS=N	damaged files; default 20000
#	SECONDS_EACH=N	of random values in each kind of source; default 600
# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"

[ "${MONGOD:-}" != none ] || die "MONGOD=none is for the demo: the tests need a real mongod"
prepare_packages check
prepare_mongod
mirror_sources
build_mirror || die "the build failed"
private_directory
mongod_for_user
private_postgres
start_cluster soak "shared_preload_libraries = 'switchyard'"
cp -r "$SY_BUILD/tree/test" "$SY_TMP/test"
as_user mkdir "$SY_TMP/files"
SY_MONGO_PORT=$(as_user "$SY_PYTHON" "$SY_TMP/test/mongod.py" start --dir "$SY_TMP/mongo") ||
	die "could not start the private mongod"
export SY_MONGO_PORT SY_TEST_DIR=$SY_TMP/files LC_ALL=C.UTF-8

# The cases of one driver: in pieces, so that each has other rows, and the first
# failure is not far.
run_cases()
{
	local left=$((${CASES:-1000000} / 2))
	local seed=${SEED:-$(date +%s)}
	local piece=20000
	local log=$SY_BUILD/soak.$1.log

	while [ "$left" -gt 0 ]; do
		[ "$left" -ge $piece ] || piece=$left
		as_user "$SY_TMP/test/differential/run" --driver "$1" --cases "$piece" --seed "$seed" >"$log" 2>&1 || {
			grep -v '^# sent to' "$log"
			say "failed with SEED=$seed CASES=$((2 * piece)), $1"
			return 1
		}
		say "$1, seed $seed: $(grep -o '[0-9]* of [0-9]* cases agree' "$log" | paste -sd, | sed 's/,/, /g')"
		left=$((left - piece))
		seed=$((seed + 1))
	done
}

run_cases sqlite &
sqlite=$!
run_cases mongodb
mongodb=$?
wait $sqlite && [ "$mongodb" = 0 ] || die "failed"
unset PGHOST PGPORT PGUSER PGDATABASE
export SY_SOAK=1 PG_TEST_TIMEOUT_DEFAULT=3600
"$SY_ROOT/test/run_check.sh" tap 014_many_queries.pl 018_mongo_large.pl 031_hostile_files.pl 032_sqlite_long.pl || die "failed"
"$SY_ROOT/test/check_sanitize.sh" tap 033_random_values.pl || die "failed"
say "soak: nothing found"
