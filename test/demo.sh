#!/bin/bash
# make demo: install what is missing, build, start private servers, load some
# thousand rows into SQLite files and MongoDB databases, and show what
# switchyard does with them.  MONGOD=none shows the SQLite half alone.
#
# Leaves the packages, build/ and the fetched mongod behind, nothing else.
# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"

if [ -t 1 ]; then
	bold=$(printf '\033[1m')
	plain=$(printf '\033[0m')
else
	bold='== '
	plain=
fi

say "Preparing: packages, build, private servers (a minute or two on a new machine)."
prepare_packages demo
prepare_mongod
mirror_sources
build_mirror || die "the build failed"
private_directory
private_postgres
start_cluster postgres "shared_preload_libraries = 'switchyard'"
cp -r "$SY_ROOT/test" "$SY_TMP/test"
as_user mkdir "$SY_TMP/files"
as_user "$SY_PYTHON" "$SY_TMP/test/demo/load.py" sqlite "$SY_TMP/files" || die "could not load the SQLite files"
scripts=(-f "$SY_TMP/test/demo/sqlite.sql")

# Start the server named $1 and fill it; prints its URI.
start_source()
{
	local port

	port=$(as_user "$SY_PYTHON" "$SY_TMP/test/mongod.py" start --dir "$SY_TMP/$1") || return
	as_user "$SY_PYTHON" "$SY_TMP/test/demo/load.py" mongodb "$port" "$1" || return
	say "mongodb://127.0.0.1:$port/?replicaSet=rs0"
}

hot=
cold=
if [ "$MONGOD" != none ]; then
	mongod_for_user
	hot=$(start_source hot) && cold=$(start_source cold) || die "could not start a private mongod"
	HOT_PID=$(cat "$SY_TMP/hot/node0/mongod.pid")
	COLD_PID=$(cat "$SY_TMP/cold/node0/mongod.pid")
	export HOT_PID COLD_PID
	scripts+=(-f "$SY_TMP/test/demo/mongodb.sql")
fi

as_user psql -X -q -e -P pager=off -P footer=off -v ON_ERROR_STOP=1 \
	-v bold="$bold" -v plain="$plain" -v hot="$hot" -v cold="$cold" \
	-v archive="$SY_TMP/files/archive.db" -v people="$SY_TMP/files/people.db" \
	"${scripts[@]}" 2>&1 | sed "s/^psql:[^ ]*: //"
[ "${PIPESTATUS[0]}" = 0 ] || die "the demo failed; see above"

say
if [ "$MONGOD" = none ]; then
	say "This was the SQLite half; without MONGOD=none, MongoDB joins in."
fi
say "All servers of this demo end now.  Next: README.md, or make check."
