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
#	SY_BENCH_SECONDS	of one run of pgbench (2)
#	SY_BENCH_PARTS		what to measure: "bench interrupts health" (all)
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
settings=("shared_buffers = 512MB" "jit = off" "autovacuum = off" "max_parallel_workers_per_gather = 0"
	"shared_preload_libraries = 'switchyard'")
start_cluster postgres "${settings[@]}"
parts=" ${SY_BENCH_PARTS:-bench interrupts health} "
for part in bench interrupts; do
	[ "${parts#* $part }" != "$parts" ] || continue
	[ -n "${port:-}" ] || port=$(as_user "$SY_PYTHON" "$SY_TMP/test/mongod.py" start --dir "$SY_TMP/mongo") ||
		die "could not start mongod"
	as_user "$SY_PYTHON" "$SY_TMP/test/bench/$part.py" "$SY_TMP/bench" "$port" || exit
done
[ "${parts#* health }" != "$parts" ] || exit 0

# A second PostgreSQL whose library asks src/health nothing.
cp -r "$SY_BUILD/tree" "$SY_TMP/tree"
make -C "$SY_TMP/tree/test/module" -s all install PG_CONFIG="$PG_CONFIG" with_llvm=no \
	DESTDIR="$SY_TMP/root" >"$SY_BUILD/module.log" 2>&1 || die "could not build the test module, see build/module.log"
cp -r "$SY_TMP/root" "$SY_TMP/without"
# shellcheck disable=SC2046
gcc -shared -fPIC -O2 -I"$("$PG_CONFIG" --includedir-server)" -I"$SY_ROOT/src" -Wl,-z,muldefs \
	-o "$SY_TMP/without$("$PG_CONFIG" --pkglibdir)/switchyard.so" "$SY_ROOT/test/bench/without_health.c" \
	$(find "$SY_BUILD/tree/src" -name '*.o' ! -path '*/drivers/mongodb/*') -lsqlite3 ||
	die "could not link the library without health"
with=$PGHOST
SY_BINDIR=$SY_TMP/without$("$PG_CONFIG" --bindir)
start_cluster without_health "${settings[@]}" "switchyard.probe = off"
as_user "$SY_PYTHON" "$SY_TMP/test/bench/health.py" "$SY_TMP/bench" "$with" "$PGHOST"
