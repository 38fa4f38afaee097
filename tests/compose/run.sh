#!/bin/bash
# make compose-test: the compose stack for real, beside a Docker daemon of its own (see with-docker.sh).
set -eu -o pipefail
here=$(cd "$(dirname "$0")" && pwd)

skip() {
    echo "SKIPPED compose-test: $1"
    exit 0
}

if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || skip 'only root can start a Docker daemon, and sudo asks for a password'
    exec sudo -n "$0" "$@"
fi
for tool in dockerd docker slirp4netns unshare; do
    command -v "$tool" >/dev/null || { echo "compose-test: $tool is missing: tests/tools/deps.sh compose" >&2; exit 1; }
done
[ -c /dev/net/tun ] || skip 'no /dev/net/tun'
unshare --net --mount --pid --fork true 2>/dev/null || skip 'namespaces are not permitted here'
exec "$here/with-docker.sh" /usr/bin/python3 "$here/compose_test.py" "$@"
