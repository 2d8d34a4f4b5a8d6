# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# lib.sh - what scripts/run and scripts/test share: installing what is missing and building.
# Sourced with `root` set to the project's folder.

# What culvert needs to be built.
build_packages='meson ninja-build gcc libc6-dev pkg-config libevent-dev libssl-dev libinih-dev
libc-ares-dev libjansson-dev libxxhash-dev uthash-dev'

say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "$0: $*"
    exit 1
}

# missing_packages NAME...: prints those that are not installed, in one look at the database.
missing_packages() {
    installed=$(dpkg-query -W -f='${db:Status-Abbrev}${Package}\n' "$@" 2>/dev/null || true)
    for package in "$@"; do
        case "
$installed
" in
        *"
ii $package
"*) ;;
        *) printf '%s ' "$package" ;;
        esac
    done
}

# install_packages NAME...: with apt, as root; the services some packages bring are not started.
install_packages() (
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        $as_root sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy"
        trap '$as_root rm -f "$policy"' EXIT
        trap 'exit 130' INT TERM
    fi
    # A dead third-party archive must not stop us: what counts is whether the install works.
    $as_root apt-get -q update || say "apt-get update failed; trying to install all the same"
    $as_root DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get -q install -y --no-install-recommends "$@"
)

# need_packages NAME...: installs what is missing, or says how to.
need_packages() {
    if ! command -v dpkg-query >/dev/null 2>&1; then
        return 0 # not Debian: the build says what it lacks
    fi
    missing=$(missing_packages "$@")
    if [ -z "$missing" ]; then
        return 0
    fi
    if [ "$(id -u)" -eq 0 ]; then
        as_root='env'
    elif sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null 2>&1; }; then
        as_root='sudo env'
    else
        say "Packages are missing, and only root can install them:"
        say "  apt-get install --no-install-recommends $missing"
        exit 1
    fi
    say "installing: $missing"
    # shellcheck disable=SC2086 # a list of words
    install_packages $missing >&2 || die "could not install: $missing"
}

# build FOLDER TARGET [MESON OPTION...]: configures once, then compiles what changed of the target.
build() {
    build_folder=$1
    build_target=$2
    shift 2
    if [ ! -f "$build_folder/build.ninja" ]; then
        meson setup "$build_folder" "$root" "$@" || return 1
    fi
    ninja -C "$build_folder" "$build_target"
}
