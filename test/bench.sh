#!/bin/bash
# make bench: ratios of switchyard to the bare client libraries and to a local
# table, all taken in one run with private servers.
#
#	SY_BENCH_ROWS		rows of the tables (300000)
#	SY_BENCH_ROUNDS		rounds of each measure (5)
#	SY_BENCH_LOOKUPS	point look-ups of a measure (2000), and ten times as many
#	SY_BENCH_KEYS		keys of the joins (1000)
#	SY_BENCH_DELAY		ms to the servers that are far away (20)
#	SY_BENCH_SORT_MB	MB of the sort that is interrupted (500)
#	SY_BENCH_PARTS		what to measure: "bench interrupts" (both)
# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"

[ "${MONGOD:-}" != none ] || die "MONGOD=none is for the demo: the benchmark needs a real mongod"
prepare_packages demo
prepare_mongod
mirror_sources
build_mirror || die "the build failed"
private_directory
mongod_for_user
private_postgres
cp -r "$SY_ROOT/test" "$SY_TMP/test"
mkdir "$SY_TMP/bench"
for name in sqlite mongo; do
	# shellcheck disable=SC2046
	gcc -std=gnu99 -O2 -Wall -Wextra -o "$SY_TMP/bench/bare_$name" "$SY_ROOT/test/bench/bare_$name.c" \
		$(if [ $name = sqlite ]; then echo -lsqlite3; else pkg-config --cflags --libs "$(mongoc_package)"; fi) ||
		die "could not compile bare_$name.c"
done
[ "$(id -u)" = 0 ] && chown postgres "$SY_TMP/bench"
start_cluster postgres "shared_buffers = 512MB" "jit = off" "autovacuum = off" "max_parallel_workers_per_gather = 0"
port=$(as_user "$SY_PYTHON" "$SY_TMP/test/mongod.py" start --dir "$SY_TMP/mongo") || die "could not start mongod"
for part in ${SY_BENCH_PARTS:-bench interrupts}; do
	as_user "$SY_PYTHON" "$SY_TMP/test/bench/$part.py" "$SY_TMP/bench" "$port" || exit
done
