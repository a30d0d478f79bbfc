#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Installs the Debian packages that the tiers of the build and the tests need. Says and does
# nothing when all are there.

usage() {
	cat <<-EOF
	Usage: tests/deps.sh [--check] TIER...

	Installs the Debian packages that are missing for the tiers (as root), or with --check only
	names them. Exit status 1 when something is still missing.

	  build   the program
	  unit    unit tests
	  demo    make demo: a user-mode-linux guest
	  system  tests in user-mode-linux guests
	  qemu    tests in qemu guests (their kernel packages are fetched, not installed)
	  bench   measuring against other tools
	  coverage  make coverage
	  lint    static checks, formatting, manual page
	EOF
}

say() {
	printf 'deps.sh: %s\n' "$*" >&2
}

# packages_of TIER: prints what it needs, one or more a line.
packages_of() {
	case $1 in
	build)
		echo gcc libc6-dev make pkg-config libsgutils2-dev libpopt-dev libaio-dev libjansson-dev
		echo libssl-dev libxxhash-dev
		;;
	unit)
		packages_of build
		echo libcmocka-dev
		;;
	demo)
		packages_of build
		echo user-mode-linux sg3-utils kmod mount util-linux
		;;
	system)
		packages_of unit
		packages_of demo
		echo e2fsprogs dmsetup gddrescue strace zstd
		;;
	qemu)
		packages_of unit
		echo qemu-system-x86 busybox-static cpio xz-utils kmod mount util-linux sg3-utils strace
		;;
	bench)
		packages_of qemu
		echo ddpt e2fsprogs fio gddrescue libnbd-bin openssl
		;;
	coverage)
		packages_of unit
		echo gcovr
		;;
	lint) echo git clang clang-tidy clang-format cppcheck shellcheck mandoc ;;
	*) return 1 ;;
	esac
}

# installed_of PACKAGE...: prints those that are installed, one a line.
installed_of() {
	dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p'
	if command -v pkg-config >/dev/null; then
		echo pkg-config # provided by pkgconf where that is installed
	fi
}

# missing_of PACKAGE...: prints those not installed, on one line.
missing_of() {
	installed=" $(installed_of "$@" | tr '\n' ' ')"
	for package in $(printf '%s\n' "$@" | sort -u); do
		case $installed in
		*" $package "*) ;;
		*) printf '%s ' "$package" ;;
		esac
	done
}

install() {
	export DEBIAN_FRONTEND=noninteractive
	say "installing: $*"
	apt-get -qq update && apt-get -qq install -y --no-install-recommends "$@" >/dev/null
}

check_only=
case ${1:-} in
--check)
	check_only=y
	shift
	;;
-h | --help)
	usage
	exit 0
	;;
esac
if [ $# -eq 0 ]; then
	usage >&2
	exit 1
fi

wanted=
for tier; do
	if ! packages=$(packages_of "$tier"); then
		say "$tier: no such tier (see tests/deps.sh -h)"
		exit 1
	fi
	wanted="$wanted $packages"
done

# shellcheck disable=SC2086 # package names, one word each
missing=$(missing_of $wanted)
missing=${missing% }
if [ -z "$missing" ]; then
	exit 0
fi
if [ -n "$check_only" ] || [ "$(id -u)" -ne 0 ]; then
	say "missing: $missing (as root: apt-get install $missing)"
	exit 1
fi
# shellcheck disable=SC2086
install $missing
