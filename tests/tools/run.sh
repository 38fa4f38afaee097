#!/bin/bash
# run.sh PROGRAM: the whole set-up in the foreground (make run).  Starts a private Redis, the workers and nginx with
# the shipped configuration; Ctrl-C or SIGTERM ends everything.
# run.sh --check: says, before anything is installed or built, what would stop it.
#
#   HTTP_PORT        port on 127.0.0.1 (8080)
#   RUN_DIR          everything that is written while running (build/run); the stream in it survives a restart
#   REDIS_MAXMEMORY  of the private Redis (512mb)
#   TICKSTREAM_*     pass through; with TICKSTREAM_REDIS_URL no Redis is started
set -u
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin     # nginx lies where only root's PATH leads

tools=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$tools/../.." && pwd)
port=${HTTP_PORT:-8080}
run_dir=${RUN_DIR:-$top/build/run}
maxmemory=${REDIS_MAXMEMORY:-512mb}
url=http://127.0.0.1:$port

names=()        # what runs, in the order of its start
declare -A pids # the process of each name, leader of its own group
reader=         # the process that shows the program's warnings

die() {
    echo "run: $*" >&2
    exit 1
}

check_port() {
    [[ $port =~ ^[1-9][0-9]{0,4}$ && $port -le 65535 ]] || die "HTTP_PORT=$port is not a port"
    is_taken "$port" || return 0
    local free=$((port + 1))
    while [ $free -lt 65535 ] && is_taken $free; do
        free=$((free + 1))
    done
    die "port $port is in use, $free is free: make run HTTP_PORT=$free"
}

is_taken() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
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

# Secrets and settings lie in files, so that a change and SIGHUP is all that a new one needs.
choose_settings() {
    if [ -z "${TICKSTREAM_APP_SECRET+set}${TICKSTREAM_APP_SECRET_FILE+set}${TICKSTREAM_ALLOW_UNSIGNED+set}" ]; then
        export TICKSTREAM_APP_SECRET_FILE=$run_dir/app_secret
        [ -e "$run_dir/app_secret" ] || echo tickstream-demo-secret >"$run_dir/app_secret"
    fi
    if [ -z "${TICKSTREAM_VERIFY_TOKEN+set}${TICKSTREAM_VERIFY_TOKEN_FILE+set}" ]; then
        export TICKSTREAM_VERIFY_TOKEN_FILE=$run_dir/verify_token
        [ -e "$run_dir/verify_token" ] || echo tickstream-demo-token >"$run_dir/verify_token"
    fi
    if [ -z "${TICKSTREAM_REDIS_URL+set}${TICKSTREAM_REDIS_URL_FILE+set}" ]; then
        private_redis=$run_dir/redis.sock
        export TICKSTREAM_REDIS_URL=unix://$private_redis
    fi
    export TICKSTREAM_LISTEN=${TICKSTREAM_LISTEN:-unix:$run_dir/tickstream.sock}
    [ -e "$run_dir/tickstream.conf" ] ||
        cat >"$run_dir/tickstream.conf" <<'TEXT'
# TICKSTREAM_NAME=value, one a line; SIGHUP reads it again. The environment of `make run` wins.
# What all consumer groups have acknowledged and is older than an hour is removed; without a group nothing is.
TICKSTREAM_TRIM=acked
TICKSTREAM_TRIM_KEEP=1h
TEXT
    "$program" --config "$run_dir/tickstream.conf" --check-config >/dev/null || exit 2
}

# start NAME COMMAND...: in a session of its own, so that Ctrl-C reaches this script alone and the order of ending is
# ours; and to be ended by the kernel should this script be killed.
start() {
    local name=$1
    shift
    : >"$run_dir/$name.log"
    setsid setpriv --pdeathsig TERM "$@" >>"$run_dir/$name.log" 2>&1 9>&- &
    pids[$name]=$!
    names+=("$name")
}

start_all() {
    if [ -n "${private_redis-}" ]; then
        mkdir -p "$run_dir/redis"
        start redis redis-server --port 0 --unixsocket "$private_redis" --unixsocketperm 700 --dir "$run_dir/redis" \
            --appendonly yes --appendfsync always --save '' --maxmemory "$maxmemory" --maxmemory-policy noeviction
        wait_until "Redis does not answer" redis_answers
    fi
    "$tools/nginx-render.sh" "$run_dir/nginx" "127.0.0.1:$port" "$TICKSTREAM_LISTEN" || end_with 1 "ending"
    start tickstream "$program" --config "$run_dir/tickstream.conf"
    show_warnings
    start nginx nginx -p "$run_dir/nginx" -e "$run_dir/nginx/error.log" -c "$run_dir/nginx/nginx.conf" -g 'daemon off;'
    wait_until "not ready, see $url/readyz?verbose" is_ready
    echo "$url" >"$run_dir/url"
}

# What the program has to say from now on is also shown here.
show_warnings() {
    exec 8< <(exec tail -n +1 --pid=$$ -f "$run_dir/tickstream.log" 9>&-)
    reader=$!
    grep --line-buffered -E 'level"?[=:]"?(warn|error)' <&8 >&2 9>&- &
    exec 8<&-
}

private() {
    redis-cli -s "$private_redis" "$@" 2>&1
}

redis_answers() {
    local reply
    reply=$(private ping)
    case $reply in
        LOADING*)
            deadline=$((SECONDS + 60))
            tell "Redis loads its data: $(private info persistence | sed -n 's/^loading_loaded_perc:\([0-9]*\).*/\1/p') %"
            ;;
    esac
    [ "$reply" = PONG ]
}

# Whoever has a full Redis needs it to run, to make room in it.
is_ready() {
    case $(curl --silent --noproxy '*' --max-time 5 --output /dev/null --write-out '%{http_code}' "$url/readyz") in
        200) true ;;
        503) redis_is_full ;;
        *) false ;;
    esac
}

redis_is_full() {
    [ -n "${private_redis-}" ] && case $(private set tickstream:run 1 px 1) in OOM*) true ;; *) false ;; esac
}

# tell TEXT: what takes so long, every second second.
tell() {
    [ $SECONDS -lt "$tell_at" ] || { echo "run: $1" >&2; tell_at=$((SECONDS + 2)); }
}

# wait_until COMPLAINT COMMAND: polls; ends everything when a child dies or time is up.
wait_until() {
    deadline=$((SECONDS + 60)) tell_at=$((SECONDS + 2))
    until "$2"; do
        check_children
        if [ $SECONDS -ge $deadline ]; then
            curl --silent --noproxy '*' --max-time 5 "$url/readyz?verbose" >&2
            end_with 1 "$1"
        fi
        tell "waiting for $(IFS=' '; echo "${names[-1]}")"
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
    rm -f "$run_dir/url"
    for ((i = ${#names[@]} - 1; i >= 0; i--)); do
        end_child "${names[i]}"
    done
    [ -z "$reader" ] || kill "$reader" 2>/dev/null
    exit "$1"
}

# The child is asked first; what is left of its group when it has gone, or takes too long, is not asked twice.
# nginx is: a QUIT that comes while it starts is lost.
end_child() {
    local pid=${pids[$1]} end=$((SECONDS + 40))
    if [ "$1" = nginx ]; then
        while kill -QUIT "$pid" 2>/dev/null && [ $SECONDS -lt $end ] && ! wait_gone "$pid" 1; do :; done
    else
        kill -TERM "$pid" 2>/dev/null
        wait_gone "$pid" 40
    fi
    kill -TERM -- "-$pid" 2>/dev/null && wait_gone "-$pid" 2
    kill -KILL -- "-$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
}

# wait_gone PID SECONDS: did it go?
wait_gone() {
    local i
    for ((i = 0; i < $2 * 20; i++)); do
        kill -0 -- "$1" 2>/dev/null || return 0
        sleep 0.05
    done
    return 1
}

# sign BODY: the option that signs it, with a blank before it; nothing without a secret.
sign() {
    local header
    header=$(printf %s "$1" | "$program" --config "$run_dir/tickstream.conf" sign 2>/dev/null) || return 0
    echo " -H '$header'"
}

# What to paste: a signed status, and the stream.
say_hello() {
    local id body signature redis='' where=' (with the options that lead to your Redis)' stream
    id=$(date +%s)
    stream=$(printf %q "${TICKSTREAM_STREAM:-whatsapp:statuses}")
    body='{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":'
    body+='{"messaging_product":"whatsapp","metadata":{"phone_number_id":"2"},"statuses":[{"id":"wamid.'$id
    body+='","status":"delivered","timestamp":"'$id'","recipient_id":"12025550123"}]}}]}]}'
    signature=$(sign "$body")
    if [ -n "${private_redis-}" ]; then
        redis=" -s $(printf %q "$private_redis")"
        where=
    fi
    cat <<TEXT
Tickstream is ready: $url/api/webhook/whatsapp (logs in $run_dir, Ctrl-C ends it)

Post a ${signature:+signed }status (a second time it is a duplicate):
curl -i -w '\n'$signature -H 'Content-Type: application/json' -d '$body' $url/api/webhook/whatsapp

See the entries$where:
redis-cli$redis XRANGE $stream - +

Take over changed settings and secrets ($run_dir/tickstream.conf, app_secret, verify_token):
kill -HUP ${pids[tickstream]}
TEXT
    printf '\n%s\n' "$("$program" --config "$run_dir/tickstream.conf" size 2>&1 | tail -n 1)"
    if redis_is_full; then
        cat <<TEXT

Redis is full (REDIS_MAXMEMORY=$maxmemory): posts get 503. Make room, or give it more:
redis-cli$redis XTRIM $stream MAXLEN 1000
make run REDIS_MAXMEMORY=2gb
TEXT
    fi
}

umask 077
if [ "${1-}" = --check ]; then
    check_port
    enter_run_dir
    exit 0
fi
program=$(realpath "${1:?run.sh PROGRAM}")
check_port
enter_run_dir
trap 'end_with 0 "ending"' INT TERM HUP
choose_settings
start_all
say_hello
wait -n "${pids[@]}" 2>/dev/null
check_children
