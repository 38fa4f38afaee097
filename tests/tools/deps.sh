#!/bin/sh
# Installs the Debian packages (12 or 13) that are missing of the named groups, says which, and how far it is.
# Silent and offline when nothing is missing.  Uses sudo when it is not run by root.
#
#   deps.sh GROUP...        build run test consumers lint fuzz bench compose
set -eu

die() {
    echo "deps: $*" >&2
    exit 1
}

packages_of() {
    case $1 in
        build) echo gcc libc6-dev make pkgconf libfcgi-dev libjansson-dev libhiredis-dev libxml2-dev libuv1-dev \
            libssl-dev libcurl4-openssl-dev ;;
        run) echo nginx redis-server redis-tools curl openssl ca-certificates ;;
        test) echo libcmocka-dev fcgiwrap python3 python3-kubernetes python3-pytest python3-pytest-xdist python3-redis \
            python3-yaml nodejs node-redis systemd systemd-container valgrind ;;
        consumers)
            echo gcc libc6-dev pkgconf libhiredis-dev libsqlite3-dev python3 python3-pytest python3-pytest-xdist \
                python3-redis nodejs node-redis \
                php-cli php-redis php-sqlite3 golang-go golang-github-gomodule-redigo-dev golang-github-mattn-go-sqlite3-dev
            case $(dpkg-query -W -f '${Version}' nodejs 2>/dev/null) in
                *nodesource*) ;; # Debian's modules go with Debian's own; tests of Node are skipped
                *) echo node-sqlite3 ;;
            esac
            ;;
        lint) echo clang-format clang-tidy cppcheck ;;
        fuzz) echo clang libclang-rt-dev ;;
        bench) echo php-fpm php-redis libnginx-mod-http-lua lua-cjson lua-nginx-redis valgrind ;;
        compose)
            echo docker.io docker-compose debootstrap slirp4netns systemd
            [ "$debian" = 12 ] || echo docker-cli docker-buildx # in 12 both are part of docker.io
            ;;
        *) die "no such group: $1 (build run test consumers lint fuzz bench compose)" ;;
    esac
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status} ' "$1" 2>/dev/null | cut -d' ' -f1)" = installed ]
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# Where systemd runs, installing a server also starts it.  What we install serves only under our own scripts, so
# hold them back meanwhile; a mask of this kind is gone after a reboot at the latest.
hold_services() {
    [ -d /run/systemd/system ] || return 0
    for unit in nginx.service redis-server.service fcgiwrap.service fcgiwrap.socket; do
        case " $missing " in
            *" ${unit%.*} "*) held="$held $unit" ;;
        esac
    done
    [ -z "$held" ] || as_root systemctl --quiet mask --runtime $held
}

release_services() {
    [ -z "$held" ] || as_root systemctl --quiet unmask --runtime $held
}

[ $# -gt 0 ] || die "usage: deps.sh GROUP..."
debian=$(. /etc/os-release && echo "${VERSION_ID-}")
wanted=$(for group; do packages_of "$group"; done) || exit 1

if ! command -v dpkg-query >/dev/null; then
    echo "deps: not a Debian system, so nothing is checked; needed here:" $wanted >&2
    exit 0
fi

missing=
for package in $wanted; do
    is_installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

[ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || die "please install as root: apt-get install$missing"
echo "deps: installing$missing" >&2
held=
log=$(mktemp)
apt="apt-get -q -o DPkg::Lock::Timeout=300"
trap 'exit 1' HUP INT TERM
trap 'release_services; rm -f "$log"' EXIT

# Apt's report of its own progress (its status lines), a line each ten percent; everything else goes into the log.
show_progress() {
    shown=
    while IFS= read -r line; do
        case $line in
            dlstatus:*) what=downloaded ;;
            pmstatus:*) what=installed ;;
            *) printf '%s\n' "$line" >>"$log"; continue ;;
        esac
        part=${line#*:*:}
        part=${part%%.*}
        part=${part%?}0
        [ "$shown" = "$what$part" ] || [ "$part" = 0 ] || echo "deps: $what $part %" >&2
        shown=$what$part
    done
}

hold_services
as_root $apt update >"$log" 2>&1 || {
    tail -n 3 "$log" >&2
    echo "deps: apt-get update failed, going on with the package lists at hand" >&2
}
{
    as_root env DEBIAN_FRONTEND=noninteractive $apt install --yes --no-install-recommends -o APT::Status-Fd=1 $missing \
        2>&1 || echo "deps: apt-get failed" >>"$log"
} | show_progress
if grep -q '^deps: apt-get failed' "$log"; then
    tail -n 30 "$log" >&2
    exit 1
fi
