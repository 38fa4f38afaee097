#!/bin/bash
# watch-upstream.sh NAME PORT: runs nginx in a container and keeps its upstream block true.
#
# nginx resolves the names of an upstream once, when it reads its configuration (`resolve` came with 1.27.3).  So
# every two seconds this asks the resolver for NAME, and when the set of workers changed it writes their addresses in
# place of the server lines of upstream.conf and reloads nginx.  A reload loses no request; it also closes the idle
# FastCGI connections, which is what a worker that is about to stop waits for.
#
# A worker counts while it takes connections: one that has just started is not chosen too early, and one that drains
# leaves although its name still resolves.  When none is found nothing changes, and nginx answers 503 with Retry-After.
set -u
name=$1 port=$2
source=/etc/tickstream
live=/run/tickstream        # nginx reads from here: the configuration itself is mounted read-only
known=''

# The workers of this moment as server lines.  One that refuses is left out by nginx for as long as we take to notice.
workers() {
    local address
    getent ahostsv4 "$name" | cut -d' ' -f1 | sort -u | while read -r address; do
        timeout 1 bash -c ": <>/dev/tcp/$address/$port" 2>/dev/null &&
            echo "    server $address:$port max_fails=1 fail_timeout=2s;"
    done
}

# Writes upstream.conf when the workers changed; fails when they did not.
update() {
    local now
    now=$(workers)
    [ -n "$now" ] && [ "$now" != "$known" ] || return 1
    known=$now
    awk -v servers="$now" '/^ *#/ { next } !/^ *server / { print; next } servers { print servers; servers = "" }' \
        "$source/upstream.conf" >"$live/upstream.conf.new"
    mv "$live/upstream.conf.new" "$live/upstream.conf"
    echo "watch-upstream: workers: $(grep -o '[0-9.]*:[0-9]*' <<<"$now" | paste -sd' ')"
}

# What nginx.conf logs to files belongs to the container's log.
ln -sf /dev/stdout /var/log/nginx/tickstream.log
ln -sf /dev/stderr /var/log/nginx/error.log
mkdir -p "$live"
cp -r "$source"/. "$live"
sed -i '/^user /d' "$live/nginx.conf"    # the container has but one user
update
# exec below keeps this process's id, so it is nginx that gets the signal.
while sleep 2; do update && kill -HUP $$; done &
exec nginx -e stderr -c "$live/nginx.conf" -g 'daemon off;'
