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
# Everybody may reach it: the PostgreSQL server runs as another user, most
# often.
SY_TMP=$(mktemp -d "${TMPDIR:-/tmp}/switchyard.XXXXXX") || die "cannot make a private directory"
mkdir "$SY_TMP/files" "$SY_TMP/mongo"
chmod 755 "$SY_TMP"
chmod 777 "$SY_TMP/files"
if [ "$(id -u)" = 0 ]; then
	id postgres >/dev/null 2>&1 || die "run this as an ordinary user, or install PostgreSQL, whose user mongod is to run as"
	chown postgres "$SY_TMP/mongo"
	cp "$SY_ROOT/test/mongod.py" "$SY_TMP/"
	mongod_for_user
fi
helper=$SY_TMP/mongod.py
[ -e "$helper" ] || helper=$SY_ROOT/test/mongod.py
port=$(as_user "$SY_PYTHON" "$helper" start --dir "$SY_TMP/mongo") || {
	rm -rf "$SY_TMP"
	die "could not start the private mongod"
}
"$SY_PYTHON" "$SY_ROOT/test/mongod.py" watch --dir "$SY_TMP/mongo" --remove "$SY_TMP" --pid "$1"
printf '%s\n' "$port" >"$note/port"
printf '%s\n' "$SY_TMP/files" >"$note/directory"
