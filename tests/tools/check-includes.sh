#!/bin/sh
# Proves who may include what: the rooms of ours that a room may name, and the one front door of each foreign library.
#
#   check-includes.sh           says each include that is not allowed; exit 1 when there is one
set -eu
cd "$(dirname "$0")/../.."
status=0

complain() {
    echo "$1" >&2
    status=1
}

sources=$(find common handler -name '*.[ch]' | LC_ALL=C sort)
[ "$(echo "$sources" | wc -l)" -ge 50 ] || complain "check-includes: the sources were not found"

# FILE(S)                 what they may name besides their own room: rooms, or single headers
rooms() {
    cat <<END
common/base/              -
common/payload/           base/
common/stream/            base/ payload/
common/stats/             base/ payload/reason.h
common/redis/             base/ payload/payload.h stream/ stats/
handler/config.           base/ redis/ack.h redis/url.h redis/tls.h stream/keep.h stream/keys.h stream/partitions.h setting.h
handler/setting.          base/ redis/url.h redis/tls.h stream/keep.h stream/keys.h config.h
handler/http/             base/ stats/
handler/endpoints/        base/ payload/ stream/ stats/ http/ config.h
handler/process/          base/ payload/ stream/ stats/ redis/ http/ endpoints/ config.h
handler/commands/         base/ payload/ stream/ redis/ http/ config.h
handler/commands/run.     process/
handler/commands/cgi.     process/ endpoints/ stats/
handler/main.c            base/ commands/ config.h
END
}

may_name() { # may_name FILE HEADER
    own=${1%/*}
    case $1 in
        common/*) own=${own#common/}/ ;;
        handler/*/*) own=${own#handler/}/ ;;
        *) own=$(basename "${1%.*}"). ;;
    esac
    case $2 in
        "$own"*) return 0 ;;
    esac
    rooms | while read -r files allowed; do
        case $1 in
            "$files"*)
                for name in $allowed; do
                    case $2 in
                        "$name"*) exit 3 ;;
                    esac
                done
                ;;
        esac
    done && return 1
    return 0
}

for file in $sources; do
    rooms | cut -d' ' -f1 | { while read -r files; do case $file in "$files"*) exit 0 ;; esac; done; exit 1; } ||
        complain "$file stands in no room: see the table in $0"
    for header in $(sed -n 's/^ *# *include "\(.*\)"/\1/p' "$file"); do
        may_name "$file" "$header" || complain "$file includes \"$header\", which its room may not name"
    done
done

# HEADER PATTERN, the files of ours that may include it
while read -r pattern doors; do
    for file in $(grep -lE "^ *# *include <$pattern" $sources || true); do
        case " $doors " in
            *" $file "*) ;;
            *) complain "$file includes <$pattern...>, which only $doors may" ;;
        esac
    done
    for door in $doors; do
        grep -qE "^ *# *include <$pattern" "$door" || complain "$door is no door of <$pattern...>: correct the table in $0"
    done
done <<END
uv\.h common/base/loop.c
hiredis/ common/redis/reply.c
libxml/ common/payload/xml_parser.c
openssl/ common/base/digest.c common/redis/tls.c
jansson\.h handler/http/problem.c
curl/ handler/http/web_library.h
fastcgi\.h handler/http/fcgi_record.c handler/http/fcgi.c handler/http/fcgi_client.c
fcgiapp\.h
fcgi_stdio\.h handler/commands/cgi.c
END

exit $status
