#!/bin/bash
# make check-assert: the tests with a PostgreSQL that checks itself.
#
# Builds PostgreSQL from the distribution's source package with assertions and
# Valgrind's marks, once, and runs with it: all tests; some regress scripts
# with every cache thrown away at every chance; the regress scripts and
# assert/health.pl under valgrind, which must find nothing.
#
#	PARTS="suite discard valgrind"	only these; "build": no tests
#	SY_REGRESS="setup ..."		only these regress scripts under valgrind
#
# The build and the logs are left in build/assert.
# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=test/debian.sh
. "$(dirname "$0")/debian.sh"

base=$SY_BUILD/assert
parts=${PARTS:-suite discard valgrind}
# Throwing the caches away costs a factor of 100, and no session is kept.
discard="setup options functions cursors sessions control"
passed=0
failed=0

wants()
{
	case " $parts " in
		*" $1 "*) return 0 ;;
	esac
	return 1
}

# Fetch and unpack the source package of PostgreSQL into $base/source: the
# newest that the mirror still has.
fetch_source()
{
	local package
	local codename
	local version

	package=postgresql-$(pg_major)
	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	install_packages dpkg-dev
	say "Fetching the source package $package"
	rm -rf "$base/apt" "$base/source" "$base/fetch"
	private_apt "$base/apt" "deb-src $codename" "deb-src $codename-security $(debian_mirror)-security"
	mkdir -p "$base/fetch"
	for version in $(apt-cache -c "$base/apt/apt.conf" showsrc "$package" | sed -n 's/^Version: //p' | sort -Vr); do
		if (cd "$base/fetch" && apt-get -c "$base/apt/apt.conf" -q source "$package=$version") >"$base/apt/log" 2>&1; then
			mv "$base/fetch/$package"-*/ "$base/source"
			rm -rf "$base/fetch"
			return
		fi
	done
	tail -n 20 "$base/apt/log" >&2
	die "could not fetch the source of $package"
}

# Build PostgreSQL below $base/pgsql, with pgTAP, which is SQL only.
build_postgresql()
{
	local extension

	[ -e "$base/pgsql/built" ] && return
	fetch_source
	install_packages make gcc libc6-dev pkg-config perl bzip2 libicu-dev libssl-dev zlib1g-dev valgrind
	# PostgreSQL makes its headers only if no other make called its make.
	say "Building PostgreSQL $(sed -n "s/^PACKAGE_VERSION='\(.*\)'/\1/p" "$base/source/configure") with assertions"
	rm -rf "$base/pgsql"
	(
		cd "$base/source" &&
			./configure --prefix="$base/pgsql" --enable-cassert --enable-debug --enable-tap-tests \
				--without-readline --with-icu --with-openssl \
				CFLAGS="-O2 -g -fno-omit-frame-pointer" CPPFLAGS="-DUSE_VALGRIND" &&
			env -u MAKELEVEL -u MAKEFLAGS make -s -j2 &&
			env -u MAKELEVEL -u MAKEFLAGS make -s install
	) >"$base/build.log" 2>&1 || {
		tail -n 30 "$base/build.log" >&2
		die "could not build PostgreSQL"
	}
	extension=$("$PG_CONFIG" --sharedir)/extension
	cp "$extension"/pgtap* "$base/pgsql/share/extension/" || die "could not copy pgTAP"
	touch "$base/pgsql/built"
}

# Run parts of the tests with that build: $1 names the log, the rest are the
# parts.
run_tests()
{
	local log=$base/$1.log
	local ok
	local bad

	printf '\n== %s\n' "$1"
	shift
	SY_BUILD=$base PG_CONFIG=$base/pgsql/bin/pg_config "$SY_ROOT/test/run_check.sh" "$@" >"$log" 2>&1
	read -r ok bad <<<"$(result_of "$log")"
	if [ "$bad" != 0 ]; then
		sed 's/^/    /' "$log" | head -n 300
	fi
	say "  $ok passed, $bad failed, $(tail -n 2 "$log" | head -n 1)"
	passed=$((passed + ok))
	failed=$((failed + bad))
}

# The regress scripts and what watches sources, with every server process under
# valgrind.
run_valgrind()
{
	local errors

	private_directory
	mkdir "$SY_TMP/valgrind"
	cat "$base/source/src/tools/valgrind.supp" "$SY_ROOT/test/valgrind.supp" >"$SY_TMP/valgrind.supp"
	# What initdb and pg_ctl ask of postgres is not for valgrind.
	# shellcheck disable=SC2016
	printf '%s\n' '#!/bin/sh' \
		'real=$(dirname "$0")/postgres.real' \
		'case $1 in -V | --*) exec "$real" "$@" ;; esac' \
		"exec valgrind --quiet --leak-check=no --gen-suppressions=all --num-callers=30 --error-limit=no \\
	--error-markers=VALGRIND-BEGIN,VALGRIND-END --suppressions=$SY_TMP/valgrind.supp \\
	--trace-children=yes --log-file=$SY_TMP/valgrind/%p "'"$real" "$@"' >"$SY_TMP/postgres"
	chmod 755 "$SY_TMP/postgres"
	[ "$(id -u)" = 0 ] && chown postgres "$SY_TMP/valgrind"
	SY_POSTGRES=$SY_TMP/postgres PGCTLTIMEOUT=600 PG_TEST_TIMEOUT_DEFAULT=900 \
		run_tests valgrind regress tap ../assert/health.pl
	if [ -z "$(ls "$SY_TMP/valgrind")" ]; then
		say "  nothing ran under valgrind"
		failed=$((failed + 1))
	fi
	cat "$SY_TMP"/valgrind/* >"$base/valgrind.out" 2>/dev/null
	errors=$(grep -c VALGRIND-BEGIN "$base/valgrind.out")
	say "  valgrind found $errors errors"
	if [ "$errors" = 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + errors))
		head -n 300 "$base/valgrind.out"
	fi
}

[ "${MONGOD:-}" != none ] || die "MONGOD=none is for the demo: the tests need a real mongod"
regress=${SY_REGRESS:-}
unset SY_REGRESS
prepare_packages check
prepare_mongod
mkdir -p "$base"
for part in $parts; do
	case $part in
		build | suite | discard | valgrind) ;;
		*) die "no such part: $part" ;;
	esac
done
build_postgresql
if wants suite; then
	run_tests suite regress isolation pgtap tap differential
fi
if wants discard; then
	SY_REGRESS=$discard SY_CONF="debug_discard_caches = 1" run_tests discard regress
fi
if wants valgrind; then
	SY_REGRESS=$regress run_valgrind
fi
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
