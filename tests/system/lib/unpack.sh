# shellcheck shell=bash disable=SC2154
# unpack.sh: what get-postfix and get-servers share: Debian packages unpacked in a folder, and commands that find their
# libraries there. Sourced by bash. Nothing is installed, started, or written outside the caller's folder.
#
# The caller sets $work, the folder that it makes, and $final, where that will be moved to in the end. Packages lie over
# each other in $work/root; $work/have names those that need not be looked for.

die() { echo "${0##*/}: $*" >&2; exit 1; }

# FOLDER: its absolute path, made if need be; refused when its name could upset a configuration file.
good_folder() {
	local path
	mkdir -p "$1"
	path=$(cd "$1" && pwd)
	case $path in
	*[!A-Za-z0-9/._+~-]*) die "$path: servers can't live in a folder with such a name; use plain letters" ;;
	esac
	echo "$path"
}

apt() { timeout 300 apt-get -o APT::Sandbox::User=root -o Acquire::Retries=1 -o Acquire::http::Timeout=30 -qq "$@"; }

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "${1%%=*}" 2>/dev/null || true)" = installed ]; }

# PACKAGE: makes sure that apt knows it.
know_package() {
	local tool
	for tool in apt-get dpkg-deb; do
		command -v $tool >/dev/null || die "$1 isn't installed, and there is no $tool to unpack Debian's: install $1"
	done
	apt-cache policy "$1" | grep 'Candidate: [0-9]' >/dev/null && return
	[ "$(id -u)" = 0 ] || die "apt knows no package $1: run  apt-get update  as root"
	apt update >&2 || die "apt-get update failed"
}

# The packages in "$@", downloaded and unpacked over each other.
unpack() {
	local deb
	mkdir -p "$work/deb" "$work/root"
	(unset LD_LIBRARY_PATH; cd "$work/deb" && apt download "$@") >"$work/log" 2>&1 || {
		cat "$work/log" >&2
		die "can't download $*: is the Debian archive within reach?"
	}
	for deb in "$work"/deb/*.deb; do
		dpkg-deb -x "$deb" "$work/root"
		dpkg-deb -f "$deb" Depends >>"$work/depends"
	done
	rm -r "$work/deb"
}

# Programs or modules, or folders of such: what they need and don't find.
missing_libraries() {
	find "$@" -type f -exec ldd {} + 2>/dev/null | sed -n 's/^[[:space:]]*\(.*\) => not found$/\1/p' | sort -u
}

# Library packages that what was unpacked depends on and that are neither installed nor unpacked yet.
wanted_libraries() {
	local p
	tr ',' '\n' <"$work/depends" | sed 's/|.*//; s/(.*//; s/:any//; s/[[:space:]]//g' | grep '^lib' | sort -u |
		while read -r p; do
			grep -qx "$p" "$work/have" || is_installed "$p" || echo "$p"
		done
}

# Unpacks libraries until what "$@" names finds all that it needs in LD_LIBRARY_PATH.
unpack_libraries() {
	local want
	while [ -n "$(missing_libraries "$@")" ]; do
		want=$(wanted_libraries)
		[ -n "$want" ] || die "what was unpacked lacks $(missing_libraries "$@" | tr '\n' ' ')"
		printf '%s\n' "$want" >>"$work/have"
		# shellcheck disable=SC2086
		unpack $want
	done
}

# The folder of libraries within a root.
triplet() { dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || echo "$(uname -m)-linux-gnu"; }

# Makes bin/NAME: COMMAND with this library path; LINE is a line of shell before that.
write_command() {        # NAME library_path COMMAND [LINE]
	{
		echo '#!/bin/sh'
		[ -z "${4:-}" ] || echo "$4"
		[ -z "$2" ] || echo "LD_LIBRARY_PATH=${2//$work/$final}; export LD_LIBRARY_PATH"
		echo "exec ${3/#$work/$final} \"\$@\""
	} >"$work/bin/$1"
	chmod 755 "$work/bin/$1"
}

# Postfix's commands, into bin. Each goes by the little main.cf in FOLDER, unless MAIL_CONFIG or -c names another: the
# machine's own main.cf is never read.
write_postfix_commands() {       # command_directory library_path FOLDER
	local c
	for c in postconf postmap postalias postfix postqueue postsuper; do
		write_command "$c" "$2" "$1/$c" "MAIL_CONFIG=\${MAIL_CONFIG:-${3/#$work/$final}}; export MAIL_CONFIG"
	done
}
