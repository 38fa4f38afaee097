#!/bin/sh
# Proves what the design says about includes: each foreign library has one front door, which is a .c file; none of
# our headers shows a foreign one; common/ does not know handler/.
set -eu
cd "$(dirname "$0")/../.."
status=0

complain() {
    echo "$1" >&2
    status=1
}

# HEADER PATTERN, the files of ours that may include it
while read -r pattern door; do
    for file in $(grep -lE "^ *# *include <$pattern" common/*.[ch] handler/*.[ch] || true); do
        [ "$file" = "$door" ] || complain "$file includes <$pattern...>, which only $door may"
    done
    [ -e "$door" ] || complain "$door is gone: correct the table in $0"
done <<END
uv\.h common/loop.c
hiredis/ common/sink_redis.c
libxml/ common/xml_parser.c
openssl/ common/digest.c
jansson\.h handler/problem.c
fcgi handler/fcgi.c
END

for header in handler/*.h; do
    name=${header#handler/}
    for file in $(grep -lE "^ *# *include \"(handler/)?$name\"" common/*.[ch] || true); do
        complain "$file includes $header: common/ must not know handler/"
    done
done

exit $status
