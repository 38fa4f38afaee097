#!/bin/bash
# run.sh PROGRAM: the whole set-up in the foreground (make run).  Starts a private Redis, the workers and nginx with
# the shipped configuration; Ctrl-C or SIGTERM ends everything.
#
#   HTTP_PORT        port on 127.0.0.1 (8080)
#   RUN_DIR          everything that is written while running (build/run); the stream in it survives a restart
#   TICKSTREAM_*     pass through; with TICKSTREAM_REDIS_URL no Redis is started
set -u
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin     # nginx lies where only root's PATH leads

tools=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$tools/../.." && pwd)
port=${HTTP_PORT:-8080}
run_dir=${RUN_DIR:-$top/build/run}
url=http://127.0.0.1:$port
program=$(realpath "${1:?run.sh PROGRAM}")

names=()        # what runs, in the order of its start
declare -A pids # the process of each name, leader of its own group

die() {
    echo "run: $*" >&2
    exit 1
}

check_port() {
    [[ $port =~ ^[1-9][0-9]{0,4}$ && $port -le 65535 ]] || die "HTTP_PORT=$port is not a port"
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        die "port $port is in use; choose another with HTTP_PORT=8081"
    fi
}

enter_run_dir() {
    mkdir -p "$run_dir" 2>/dev/null || die "cannot make RUN_DIR=$run_dir"
    run_dir=$(cd "$run_dir" && pwd -P)
    case $run_dir in
        *[\"\'\$\\\;\{\}\|\&?%#$'\n']*) die "RUN_DIR=$run_dir has a character with a meaning in nginx or in URLs" ;;
    esac
    local LC_ALL=C socket=$run_dir/tickstream.sock
    [ ${#socket} -le 107 ] || die "RUN_DIR=$run_dir is too long for a unix socket: ${#socket} bytes with its name, 107 fit"
    { : >>"$run_dir/lock"; } 2>/dev/null || die "cannot write to RUN_DIR=$run_dir"
    exec 9>>"$run_dir/lock"
    flock -n 9 || die "another one runs in $run_dir; choose another with RUN_DIR and HTTP_PORT"
}

choose_settings() {
    if [ -z "${TICKSTREAM_APP_SECRET+set}${TICKSTREAM_APP_SECRET_FILE+set}${TICKSTREAM_ALLOW_UNSIGNED+set}" ]; then
        export TICKSTREAM_APP_SECRET=tickstream-demo-secret
    fi
    if [ -z "${TICKSTREAM_VERIFY_TOKEN+set}${TICKSTREAM_VERIFY_TOKEN_FILE+set}" ]; then
        export TICKSTREAM_VERIFY_TOKEN=tickstream-demo-token
    fi
    if [ -z "${TICKSTREAM_REDIS_URL+set}${TICKSTREAM_REDIS_URL_FILE+set}" ]; then
        private_redis=$run_dir/redis.sock
        export TICKSTREAM_REDIS_URL=unix://$private_redis
    fi
    export TICKSTREAM_LISTEN=${TICKSTREAM_LISTEN:-unix:$run_dir/tickstream.sock}
}

# start NAME COMMAND...: in a session of its own, so that Ctrl-C reaches this script alone and the order of ending is
# ours; and to be ended by the kernel should this script be killed.
start() {
    local name=$1
    shift
    setsid setpriv --pdeathsig TERM "$@" >"$run_dir/$name.log" 2>&1 9>&- &
    pids[$name]=$!
    names+=("$name")
}

start_all() {
    if [ -n "${private_redis-}" ]; then
        mkdir -p "$run_dir/redis"
        start redis redis-server --port 0 --unixsocket "$private_redis" --unixsocketperm 700 --dir "$run_dir/redis" \
            --appendonly yes --appendfsync always --save '' --maxmemory 512mb --maxmemory-policy noeviction
        wait_until 60 "Redis does not answer" redis_answers
    fi
    "$tools/nginx-render.sh" "$run_dir/nginx" "127.0.0.1:$port" "$TICKSTREAM_LISTEN" || exit 1
    start tickstream "$program"
    start nginx nginx -p "$run_dir/nginx" -e "$run_dir/nginx/error.log" -c "$run_dir/nginx/nginx.conf" -g 'daemon off;'
    wait_until 30 "not ready, see $url/readyz?verbose" is_ready
}

redis_answers() {
    [ "$(redis-cli -s "$private_redis" ping 2>/dev/null)" = PONG ]
}

is_ready() {
    curl --silent --fail --noproxy '*' --max-time 5 --output /dev/null "$url/readyz"
}

# wait_until SECONDS COMPLAINT COMMAND: polls; ends everything when a child dies or time is up.
wait_until() {
    local end=$((SECONDS + $1))
    until "$3"; do
        check_children
        if [ $SECONDS -ge $end ]; then
            curl --silent --noproxy '*' --max-time 5 "$url/readyz?verbose" >&2
            end_with 1 "$2"
        fi
        sleep 0.05
    done
}

check_children() {
    local name
    for name in "${names[@]}"; do
        if ! kill -0 "${pids[$name]}" 2>/dev/null; then
            tail -n 5 "$run_dir/$name.log" >&2
            end_with 1 "$name ended by itself, so everything ends; logs are in $run_dir"
        fi
    done
}

# end_with STATUS TEXT: what started last ends first, so that each finds what it needs while it drains.
end_with() {
    local i
    trap 'for i in "${pids[@]}"; do kill -KILL -- "-$i"; done 2>/dev/null' INT TERM HUP
    echo "run: $2" >&2
    for ((i = ${#names[@]} - 1; i >= 0; i--)); do
        end_child "${names[i]}"
    done
    exit "$1"
}

# The child is asked first; what is left of its group when it has gone, or takes too long, is not asked twice.
end_child() {
    local pid=${pids[$1]} signal=TERM
    [ "$1" = nginx ] && signal=QUIT
    kill -$signal "$pid" 2>/dev/null
    wait_gone "$pid" 40
    kill -TERM -- "-$pid" 2>/dev/null && wait_gone "-$pid" 2
    kill -KILL -- "-$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
}

wait_gone() {
    local end=$((SECONDS + $2))
    while kill -0 -- "$1" 2>/dev/null && [ $SECONDS -lt $end ]; do
        sleep 0.05
    done
}

# The two commands to paste: a signed status, and the stream.
say_hello() {
    local id body signature='' redis='' where=' (with the options that lead to your Redis)'
    id=$(date +%s)
    body='{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":'
    body+='{"messaging_product":"whatsapp","metadata":{"phone_number_id":"2"},"statuses":[{"id":"wamid.'$id
    body+='","status":"delivered","timestamp":"'$id'","recipient_id":"12025550123"}]}}]}]}'
    if signature=$(printf %s "$body" | "$program" sign 2>/dev/null); then
        signature=" -H '$signature'" # fails where unsigned requests are taken
    fi
    if [ -n "${private_redis-}" ]; then
        redis=" -s $(printf %q "$private_redis")"
        where=
    fi
    cat <<TEXT
Tickstream is ready: $url/api/webhook/whatsapp (logs in $run_dir, Ctrl-C ends it)

Post a signed status (a second time it is a duplicate):
curl -i$signature -H 'Content-Type: application/json' -d '$body' $url/api/webhook/whatsapp

See the entries$where:
redis-cli$redis XRANGE $(printf %q "${TICKSTREAM_STREAM:-whatsapp:statuses}") - +
TEXT
}

check_port
enter_run_dir
umask 077
trap 'end_with 0 "ending"' INT TERM HUP
choose_settings
start_all
say_hello
wait -n "${pids[@]}" 2>/dev/null
check_children
