# Functions for scripts that need packages of a Debian release, which need not
# be the machine's own: nothing here touches the machine's configuration.

# The address of the Debian mirror that the machine is configured with, or of
# $SY_MIRROR.
debian_mirror()
{
	local mirror=${SY_MIRROR:-}

	# shellcheck disable=SC2016
	[ -n "$mirror" ] ||
		mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null |
			sed -n 's,/*$,,; \,/debian$,p' | head -n 1)
	[ -n "$mirror" ] || die "apt knows no Debian mirror; name one by SY_MIRROR=http://..."
	printf '%s\n' "$mirror"
}

# Make $1 a folder in which apt knows the given sources and nothing else; each
# further argument is "TYPE SUITE", of the mirror, or "TYPE SUITE URI".
# "apt-get -c $1/apt.conf" and "apt-cache -c ..." then work on it.
private_apt()
{
	local folder=$1
	local source
	local type
	local suite
	local uri

	shift
	mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
	for source in "$@"; do
		read -r type suite uri <<<"$source"
		say "$type [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${uri:-$(debian_mirror)} $suite main"
	done >"$folder/sources.list"
	cat >"$folder/apt.conf" <<-CONF
		Dir::Etc::sourcelist "$folder/sources.list";
		Dir::Etc::sourceparts "-";
		Dir::State::lists "$folder/lists";
		Dir::Cache "$folder/cache";
		APT::Sandbox::User "root";
		Acquire::Check-Valid-Until "false";
		Acquire::Languages "none";
	CONF
	apt-get -c "$folder/apt.conf" -q update >"$folder/log" 2>&1 || {
		tail -n 20 "$folder/log" >&2
		die "could not fetch the lists of packages"
	}
}

# The "N passed, N failed" that ends a run of run_check.sh, as two numbers; "0
# 1" if the run ended without it.
result_of()
{
	sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$1" | tail -n 1 | grep . || say "0 1"
}
