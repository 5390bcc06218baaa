#!/bin/bash
# make check-portability: builds without warnings and passes the tests on
# other Debian releases, each in a folder of its own below build/portability,
# which is made once and brought up to date each time.  Needs root.
#
#	DISTRIBUTIONS="trixie sid"	only these
#	PARTS="regress"			only these, see run_check.sh
#
# Logs are left in build/portability.
# shellcheck source=test/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=test/debian.sh
. "$(dirname "$0")/debian.sh"

distributions=${DISTRIBUTIONS:-bookworm trixie sid}
parts=${PARTS:-regress isolation pgtap tap}
base=$SY_BUILD/portability
passed=0
failed=0

# Run a command in the folder of a release: with a /proc of its own, so that
# all processes end with it, and what it mounts is gone then.
inside()
{
	local root=$base/$1

	shift
	unshare --mount --pid --fork --kill-child --root="$root" sh -c '
		mount -t proc proc /proc && mount -t tmpfs tmpfs /dev/shm || exit 1
		cd "$1" && shift && exec "$@"' sh "$@"
}

# Make the folder of a release, or bring it up to date.
prepare_release()
{
	local name=$1
	local root=$base/$name

	if [ ! -d "$root" ]; then
		say "  making build/portability/$name"
		rm -rf "$root.part"
		debootstrap --variant=minbase "$name" "$root.part" "$(debian_mirror)" >"$base/$name.debootstrap.log" 2>&1 || {
			tail -n 20 "$base/$name.debootstrap.log"
			return 1
		}
		# No services; and a mirror that stood still is good enough.
		printf '#!/bin/sh\nexit 101\n' >"$root.part/usr/sbin/policy-rc.d"
		chmod 755 "$root.part/usr/sbin/policy-rc.d"
		printf '%s\n' 'Acquire::Check-Valid-Until "false";' 'Dpkg::Options { "--force-unsafe-io"; };' \
			>"$root.part/etc/apt/apt.conf.d/90switchyard"
		mv "$root.part" "$root"
	fi
	cp /etc/hosts /etc/resolv.conf "$root/etc/"
	inside "$name" / env DEBIAN_FRONTEND=noninteractive \
		sh -c 'apt-get update && apt-get -y upgrade && for p in libcurl4t64 libcurl4; do
			if apt-cache show $p >/dev/null 2>&1; then exec apt-get -y install --no-install-recommends $p; fi; done' \
		>"$base/$name.apt.log" 2>&1 || {
		tail -n 20 "$base/$name.apt.log"
		return 1
	}
	install -m 755 "$MONGOD" "$root/opt/mongod" || return 1
	rm -rf "$root/switchyard"
	mkdir "$root/switchyard"
	(cd "$SY_ROOT" && tar -c --exclude=./.git --exclude=./build --exclude='*.o' --exclude='*.so' --exclude='*.bc' .) |
		tar -x -C "$root/switchyard" --no-same-owner
}

# What a release was tested with.
versions_of()
{
	# shellcheck disable=SC2016
	inside "$1" / dpkg-query -W -f='${Package} ${Version}\n' 'postgresql-[0-9]*' 'libmongoc*' libsqlite3-0 2>/dev/null |
		sed -n 's/^\(postgresql\)-[0-9]* \([0-9.]*[0-9]\).*/PostgreSQL \2/p
			s/^libmongoc[-0-9][^ ]* \([0-9.]*[0-9]\).*/libmongoc \1/p
			s/^libsqlite3-0 \([0-9.]*[0-9]\).*/SQLite \1/p' | sort -u | paste -sd, | sed 's/,/, /g'
}

check_release()
{
	local name=$1
	local log=$base/$name.log
	local ok
	local bad

	printf '\n== %s\n' "$name"
	if prepare_release "$name"; then
		# shellcheck disable=SC2086
		inside "$name" /switchyard env -u PG_CONFIG MONGOD=/opt/mongod test/run_check.sh $parts >"$log" 2>&1
		read -r ok bad <<<"$(result_of "$log")"
		[ "$bad" = 0 ] || sed 's/^/    /' "$log" | head -n 300
		rm -rf "$base/$name.results"
		cp -r "$base/$name/switchyard/build/check" "$base/$name.results" 2>/dev/null
		say "$name: $(versions_of "$name"): $ok passed, $bad failed"
	else
		ok=0
		bad=1
		say "$name: could not be made"
	fi
	passed=$((passed + ok))
	failed=$((failed + bad))
}

[ "$(id -u)" = 0 ] || die "only root can make and enter the folders of other releases"
[ "${MONGOD:-}" != none ] || die "MONGOD=none is for the demo: the tests need a real mongod"
mkdir -p "$base"
install_packages debootstrap
prepare_mongod
for name in $distributions; do
	check_release "$name"
done
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
