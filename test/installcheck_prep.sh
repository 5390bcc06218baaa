#!/bin/bash
# Before "make installcheck": start a private mongod that ends with process
# $1, the make that runs the tests, and note its port, and a directory for
# SQLite files that the PostgreSQL server can read and write, in
# build/installcheck.
# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"

"$SY_PYTHON" -c 'import pymongo' 2>/dev/null ||
	die "the tests need $SY_PYTHON with pymongo: install the package python3-pymongo"
[ "${MONGOD:-}" != none ] || die "the tests need a real mongod; MONGOD=none is for the demo"
prepare_mongod

note=$SY_BUILD/installcheck
rm -rf "$note"
mkdir -p "$note"
directory=$(mktemp -d "${TMPDIR:-/tmp}/switchyard.XXXXXX")

# The server runs as another user, most often.
mkdir "$directory/files"
chmod 755 "$directory"
chmod 777 "$directory/files"
port=$("$SY_PYTHON" "$SY_ROOT/test/mongod.py" start --dir "$directory") || {
	rm -rf "$directory"
	die "could not start the private mongod"
}
"$SY_PYTHON" "$SY_ROOT/test/mongod.py" watch --dir "$directory" --pid "$1"
printf '%s\n' "$port" >"$note/port"
printf '%s\n' "$directory/files" >"$note/directory"
