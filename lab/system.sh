# shellcheck shell=bash
# The systems that the lab runs things in: a Debian of their own, built once by debootstrap and kept. Sourced by lab/lab and lab/wine.

readonly suite=trixie
readonly cache=${GMSACTL_LAB_CACHE:-/var/cache/gmsactl-lab}

say() { printf 'lab: %s\n' "$*" >&2; }
die() { printf 'lab: error: %s\n' "$*" >&2; exit 1; }

# install_tools names apt packages for the commands that are missing.
install_tools() {
	local missing=()
	while (($#)); do
		command -v "$1" >/dev/null || missing+=("$2")
		shift 2
	done
	((${#missing[@]})) || return 0
	command -v apt-get >/dev/null || die "missing here: ${missing[*]} (no apt-get to install them with)"
	say "installing ${missing[*]}"
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >&2 ||
		{ apt-get update >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >&2; }
}

# mirror prints the main Debian archive of this machine's apt; nothing where that isn't known, as on Ubuntu.
mirror() {
	if [[ -n ${GMSACTL_LAB_MIRROR:-} ]]; then
		echo "$GMSACTL_LAB_MIRROR"
		return
	fi
	local distribution codename uri
	# shellcheck disable=SC1091 # this machine's own
	{ distribution=$(. /etc/os-release && echo "${ID:-}"); codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}"); }
	[[ $distribution == debian ]] || return 0
	# No release info: that would leave out what `apt-get update` has not fetched yet.
	# The release that runs here, component main. The archive's own path ends in /debian; that settles it where others
	# use the same suite name.
	# shellcheck disable=SC2016 # apt's own variables
	uri=$(apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
		awk -v codename="$codename" '
			$3 == "main" && ($2 == codename || $2 ~ /^(stable|testing|unstable|sid)$/) {
				uri = $1; sub(/\/+$/, "", uri)
				if (first == "") first = uri
				if (archive == "" && uri ~ /\/debian$/) archive = uri
			}
			END { print archive != "" ? archive : first }')
	# Cloud images name a file that lists mirrors.
	if [[ $uri == mirror+file:* ]]; then
		uri=$(awk '!/^#/ && NF { sub(/\/+$/, "", $1); print $1; exit }' "${uri#mirror+file:}")
	fi
	echo "$uri"
}

# proxies lets debootstrap, and apt in the new system, use the proxy apt uses here.
proxies() {
	local http='' https=''
	eval "$(apt-config shell http Acquire::http::Proxy https Acquire::https::Proxy)"
	if [[ -n $http && -z ${http_proxy:-} ]]; then export http_proxy=$http; fi
	if [[ -n $https && -z ${https_proxy:-} ]]; then export https_proxy=$https; fi
}

# system_key names what a system is built of. Anything that changes that changes the name, so that a kept system is never a stale one.
system_key() { printf '%s' "$suite $*" | sha256sum | cut -c1-12; }

# build_system PATH PACKAGES [COMMANDS] builds a system, unless it is there: packages of Debian, then a shell's commands inside.
build_system() {
	local path=$1 wanted=$2 commands=${3:-}
	[[ -d $path ]] && return
	mkdir -p "$cache"
	exec 8>"$path.lock"
	flock -n 8 || { say "waiting for another lab to build $path"; flock 8; }
	[[ -d $path ]] && { exec 8>&-; return; }
	install_tools debootstrap debootstrap
	[[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || install_tools /nonexistent debian-archive-keyring
	proxies
	local uri script=() new=$path.new
	uri=$(mirror)
	# An older debootstrap has no script for this suite, but they are all the same one.
	[[ -e /usr/share/debootstrap/scripts/$suite ]] || script=(/usr/share/debootstrap/scripts/sid)
	[[ -n $uri || ${#script[@]} == 0 ]] || die "this debootstrap does not know $suite: name a Debian mirror in GMSACTL_LAB_MIRROR"
	rm -rf --one-file-system "$new"
	say "building $path from ${uri:-the default mirror} (once)"
	# In its own mounts and processes, so that an interrupted build leaves neither. debootstrap doesn't follow virtual
	# packages, so apt installs the rest.
	# shellcheck disable=SC2016 # for the shell inside
	if ! unshare --mount --pid --fork --kill-child --mount-proc -- bash -euc '
		new=$1 packages=$2 commands=$3 suite=$4 uri=$5
		shift 5
		debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
			"$suite" "$new" ${uri:+"$uri"} "$@"
		mountpoint -q "$new/proc" || mount -t proc proc "$new/proc"
		mount --bind /dev "$new/dev"
		printf "#!/bin/sh\nexit 101\n" >"$new/usr/sbin/policy-rc.d"
		chmod 755 "$new/usr/sbin/policy-rc.d"
		cp -L /etc/resolv.conf "$new/etc/resolv.conf"
		export DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin
		chroot "$new" apt-get install -y --no-install-recommends ${packages//,/ }
		chroot "$new" apt-get clean
		rm -rf "$new"/var/lib/apt/lists/*
		: >"$new/etc/resolv.conf"
		: >"$new/etc/krb5.conf"
		[ -z "$commands" ] || chroot "$new" sh -euc "$commands"
	' _ "$new" "$wanted" "$commands" "$suite" "$uri" "${script[@]}" </dev/null >"$path.log" 2>&1; then
		tail -n 20 "$path.log" >&2
		die "building $path failed; all of it is in $path.log (another mirror: GMSACTL_LAB_MIRROR=URL)"
	fi
	mv "$new" "$path"
	exec 8>&-
}
