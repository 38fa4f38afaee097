#!/bin/sh
# Posts the API page's sample to what `make run` started, as JSON, XML and form, and shows what the 24 entries look
# like that it becomes; then a short day of made-up traffic, and the last statuses of it.
# HTTP_PORT, RUN_DIR, TICKSTREAM_APP_SECRET, TICKSTREAM_REDIS_URL and TICKSTREAM_STREAM mean the same as there.
#
#   demo.sh [PROGRAM]   the program (build/gcc-release/tickstream), which signs and sends
#   URL                 another set-up's address: http://127.0.0.1:8080 when docker compose has started it.  A handler
#                       there signs then, and Redis is asked through its container, unless the variables above say it
#   DEMO_SECONDS        how long the day takes (10)
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
run_dir=${RUN_DIR:-$top/build/run}
stream=${TICKSTREAM_STREAM:-whatsapp:statuses}
program=${1:-$top/build/gcc-release/tickstream}
sender=$program     # on this machine, also when the one that signs is in a container
has_secret=${TICKSTREAM_APP_SECRET+set}${TICKSTREAM_APP_SECRET_FILE+set}
if [ -n "${URL-}" ]; then
    base=$URL
    redis_url=${TICKSTREAM_REDIS_URL:-compose}
    [ -n "$has_secret" ] || program='compose exec -T handler tickstream'
else
    base=http://127.0.0.1:${HTTP_PORT:-8080}
    [ -n "${HTTP_PORT-}" ] || [ ! -e "$run_dir/url" ] || base=$(cat "$run_dir/url")
    redis_url=${TICKSTREAM_REDIS_URL:-unix://$run_dir/redis.sock}
    [ -n "$has_secret" ] || export TICKSTREAM_APP_SECRET_FILE="$run_dir/app_secret"
fi
url=${base%/}/api/webhook/whatsapp
mark=demo-$(date +%s)-$$        # new in each run, or everything would be a duplicate
failed=0

# The header that signs what it reads.  The secret is nobody's argument, so no list of processes shows it.
sign() {
    case $program in
        compose*) $program sign ;;
        *) "$program" sign ;;
    esac
}

compose() {
    if docker compose version >/dev/null 2>&1; then
        (cd "$top" && docker compose "$@")
    else
        (cd "$top" && docker-compose "$@")
    fi
}

redis() {
    case $redis_url in
        compose) compose exec -T redis redis-cli -e --raw "$@" </dev/null ;;
        unix://*'?db='*)
            path=${redis_url#unix://}
            redis-cli -e --raw -s "${path%%\?*}" -n "${path##*=}" "$@"
            ;;
        unix://*) redis-cli -e --raw -s "${redis_url#unix://}" "$@" ;;
        *) redis-cli -e --raw -u "$redis_url" "$@" ;;
    esac
}

# The samples, with ids of our own for the statuses (not for the entries, which are named alike).
json_sample() {
    sed "/\"id\":/{N;/\"status\":/s/\"id\": *\"[^\"]*\"/\"id\": \"$mark-$1\"/;}" "$top/tests/data/json/json-sample.json"
}

xml_sample() {
    sed "/<Id>/{N;/<RecipientId>/s/<Id>[^<]*/<Id>$mark-$1/;}" "$top/tests/data/xml/xml-sample.xml"
}

# The JSON sample, which has one name, bracket or value a line, as name[0][name]=value pairs.
form_sample() {
    json_sample "$1" | awk '
        function below(name) { return path[depth] == "" ? name : path[depth] "[" name "]" }
        function enter(name) { path[++depth] = name; elements[depth] = 0 }
        { gsub(/^[ \t]+|[ \t\r,]+$/, "") }
        /^[]}]/ { depth--; next }
        /^{/ { enter(depth ? below(elements[depth]++) : ""); next }
        {
            colon = index($0, ":")
            name = substr($0, 1, colon - 1)
            value = substr($0, colon + 1)
            gsub(/^ *"|"$/, "", name)
            sub(/^ */, "", value)
            if (value == "{" || value == "[") { enter(below(name)); next }
            gsub(/^"|"$/, "", value)
            gsub(/ /, "+", value)
            printf "%s%s=%s", separator, below(name), value
            separator = "&"
        }'
}

# post FORMAT MEDIA-TYPE
post() {
    "$1_sample" "$1" >"$work/body"
    signature=$(sign <"$work/body") || { failed=1; return 0; }
    status=$(curl --silent --show-error --noproxy '*' --output "$work/answer" --write-out '%{http_code}' \
        --header "Content-Type: $2" --header "$signature" \
        --data-binary "@$work/body" "$url") || { failed=1; return 0; }
    echo "$2: $status $(cat "$work/answer")"
    [ "$status" = 200 ] || failed=1
}

# Our entries since $before, one a line; the names ask for what a line shows.
entries() {
    redis eval '
        local lines = {}
        for _, entry in ipairs(redis.call("XRANGE", KEYS[1], "(" .. ARGV[1], "+")) do
            local value = {}
            for i = 1, #entry[2], 2 do value[entry[2][i]] = entry[2][i + 1] end
            if value.id and value.id:sub(1, #ARGV[2]) == ARGV[2] then
                local line = entry[1]
                for i = 3, #ARGV do
                    line = line .. " " .. ARGV[i] .. "=" .. (value[ARGV[i]] or "(none)"):gsub("%s+", " ")
                end
                lines[#lines + 1] = line
            end
        end
        return lines' 1 "$stream" "$before" "$mark" "$@"
}

# The secret's file on this machine, of which the containers have a copy: as .env or the shell names it.
compose_secret() {
    (cd "$top" && file=${APP_SECRET_FILE:-$(sed -n 's/^APP_SECRET_FILE=//p' .env)} && [ -r "$file" ] && realpath "$file")
}

# A short day.  The containers have no HTTP client, so the program of this machine sends.
send() {
    if [ -z "$has_secret" ] && [ -n "${URL-}" ]; then
        TICKSTREAM_APP_SECRET_FILE=$(compose_secret) || {
            echo "no made-up traffic: the secret's file cannot be read here"
            return 0
        }
        export TICKSTREAM_APP_SECRET_FILE
    fi
    "$sender" send "$base" --rate 80 --seconds "${DEMO_SECONDS:-10}" || failed=1
}

tail_of_stream() {
    case $redis_url in
        compose) compose exec -T handler tickstream tail -n 8 </dev/null ;;
        *) TICKSTREAM_REDIS_URL=$redis_url "$sender" tail -n 8 ;;
    esac
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# Containers that have just been started take a moment.
[ -z "${URL-}" ] || curl --silent --show-error --noproxy '*' --output /dev/null --fail --retry 30 --retry-delay 1 \
    --retry-all-errors "${base%/}/readyz" 2>"$work/answer" || {
    tail -n 1 "$work/answer" >&2
    exit 1
}
redis ping >"$work/answer" 2>&1 || {
    echo "demo: $(cat "$work/answer") (is \`make run\` running? URL= names another address)" >&2
    exit 1
}
before=$(redis xrevrange "$stream" + - COUNT 1 | head -n 1)
before=${before:-0-0}
post json application/json
post xml application/xml
post form application/x-www-form-urlencoded
entries id status recipient_id errors >"$work/entries"
awk '!shown[$2]++' "$work/entries"     # one of each body: its eight are alike
added=$(grep -c . "$work/entries" || true)
echo "$added entries in $stream"
if [ "$failed" -ne 0 ] || [ "$added" -ne 24 ]; then
    echo "demo: expected three times 200 and 24 entries" >&2
    exit 1
fi

printf '\nA short day of a sender:\n'
send
echo
tail_of_stream || failed=1
exit "$failed"
