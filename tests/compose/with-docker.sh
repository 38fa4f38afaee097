#!/bin/bash
# with-docker.sh COMMAND...: runs a command, as root, beside a Docker daemon of its own, and leaves nothing behind.
#
# The daemon lives in network, mount and process namespaces that end with the command: containers, bridges,
# firewall rules, mounts and published ports go with them, and a daemon that already runs on this machine
# neither notices nor matters.  Its way out is slirp4netns, so the machine's own network is left as it is.
# For a look by hand: with-docker.sh bash
set -eu -o pipefail

# Runs inside the namespaces, as their first process.
inside() { # SCRATCH COMMAND...
    local scratch=$1 resolv status=0
    shift
    # Docker's sockets and pid files get their usual places, on a /run of our own.  slirp4netns resolves names.
    resolv=$(readlink -m /etc/resolv.conf)
    echo 'nameserver 10.0.2.3' >"$scratch/resolv.conf"
    mount -t tmpfs tmpfs /run
    mkdir -p "$(dirname "$resolv")"
    [ -e "$resolv" ] || : >"$resolv"
    mount --bind "$scratch/resolv.conf" "$resolv"
    ip link set lo up
    read -r -n 1 _ <"$scratch/online"

    unset DOCKER_HOST DOCKER_CONTEXT DOCKER_TLS_VERIFY DOCKER_CERT_PATH
    export DOCKER_CONFIG=$scratch/client TMPDIR=$scratch
    echo '{}' >"$scratch/daemon.json"
    dockerd --config-file "$scratch/daemon.json" --data-root "$scratch/data" --dns 10.0.2.3 --userland-proxy=false \
        --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent="/$(basename "$scratch")" >"$scratch/dockerd.log" 2>&1 &
    until docker info >"$scratch/info" 2>&1; do
        if ! kill -0 $! 2>/dev/null || [ $SECONDS -gt 60 ]; then
            echo 'with-docker.sh: dockerd does not start:' >&2
            tail -n 20 "$scratch/dockerd.log" >&2
            return 1
        fi
        sleep 0.1
    done
    "$@" || status=$?
    return $status
}

# Control groups outlive their processes; everything else of the daemon ends with the namespaces.
clean_up() {
    [ -z "$inside" ] || kill -KILL "$inside" 2>/dev/null || :
    [ -z "$slirp" ] || kill "$slirp" 2>/dev/null || :
    wait
    find /sys/fs/cgroup -depth -type d -path "*/$name*" -exec rmdir {} + 2>/dev/null || :
    rm -rf "$scratch" || :
    left=$(ls -d "$scratch" 2>/dev/null; grep -F "$scratch" /proc/mounts; pgrep -af "$scratch/"
           find /sys/fs/cgroup -path "*/$name*") || :
    [ -z "$left" ] || echo "with-docker.sh: left behind: $left" >&2
}

if [ "${1-}" = --inside ]; then
    shift
    inside "$@"
    exit
fi

scratch=$(mktemp -d "${TMPDIR:-/tmp}/tickstream-docker.XXXXXX")
name=$(basename "$scratch")
slirp='' inside=''
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

mkfifo "$scratch/online"
unshare --net --mount --pid --fork --kill-child --mount-proc "$0" --inside "$scratch" "$@" &
inside=$!
until init=$(cat "/proc/$inside/task/$inside/children") && [ -n "$init" ]; do
    kill -0 "$inside"
    sleep 0.05
done
slirp4netns --configure --mtu=65520 --disable-host-loopback --ready-fd=3 "${init% }" tap0 \
    3>"$scratch/online" >"$scratch/slirp.log" 2>&1 &
slirp=$!
status=0
wait "$inside" || status=$?
inside=''
exit $status
