#!/bin/sh
# Copies nginx/*.conf to a private directory, so that what is tested is what is shipped, and fills in what is
# private about it: user, addresses, and the paths of logs, pid and temporary files.  Nothing else is changed.
#
#   nginx-render.sh DIR LISTEN UPSTREAM [TLS_LISTEN]
#   nginx-render.sh build/run/nginx 127.0.0.1:8080 unix:/run/tickstream/tickstream.sock
#   nginx -p DIR -e DIR/error.log -c DIR/nginx.conf -g 'daemon off;'
#
# DIR is made when it is missing.  TLS_LISTEN switches tls.conf on, with DIR/tls/server.pem and server.key, and
# mtls.conf where there is a DIR/tls/client-ca.pem.
set -eu

die() {
    echo "nginx-render: $*" >&2
    exit 1
}

[ $# -eq 3 ] || [ $# -eq 4 ] || die "usage: nginx-render.sh DIR LISTEN UPSTREAM [TLS_LISTEN]"

# What would mean something to nginx inside quotes, or to sed.
case $* in *[\"\$\\\;\{\}\|\&]*) die "not for a configuration file: $*" ;; esac

source=$(cd "$(dirname "$0")/../../nginx" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
listen=$2
upstream=$3
tls_listen=${4-}

# fill FILE PATTERN TEXT: the pattern must be there, or the shipped file has moved on without this script.
fill() {
    grep -q "$2" "$dir/$1" || die "$source/$1 has no line like: $2"
    sed "s|$2|$3|" "$dir/$1" >"$dir/$1.new"
    mv "$dir/$1.new" "$dir/$1"
}

for file in "$source"/*.conf; do
    sed "s|/var/log/nginx/\([a-z]*\.log\)|\"$dir/\1\"|" "$file" >"$dir/${file##*/}"
done

# What .env has as NGINX_REPEAT: with TICKSTREAM_DEDUPE_WINDOW=0 nginx must not repeat a POST.
[ "${NGINX_REPEAT:-tickstream-repeat.conf}" = tickstream-repeat.conf ] ||
    cp "$source/$NGINX_REPEAT" "$dir/tickstream-repeat.conf"

# The workers keep the caller's user: www-data may not be able to enter the directory.
if [ "$(id -u)" -eq 0 ]; then
    fill nginx.conf '^user .*' 'user root;'
else
    fill nginx.conf '^user .*' ''
fi
fill nginx.conf '^pid .*' "pid \"$dir/nginx.pid\";"
fill plain.conf '^\( *\)listen 80 ' "\1listen $listen "
fill tickstream-webhook.conf '/etc/nginx/relay.htpasswd' "\"$dir/relay.htpasswd\""
for kind in client_body fastcgi proxy scgi uwsgi; do
    fill nginx.conf '^http {' "http {\n    ${kind}_temp_path \"$dir/temp-$kind\";"
done
fill upstream.conf '^\( *\)server [^ ]*' "\1server \"$upstream\""

if [ -n "$tls_listen" ]; then
    fill nginx.conf 'include plain.conf;' 'include tls.conf;'
    fill tls.conf '^\( *\)listen 80 ' "\1listen $listen "
    fill tls.conf '^\( *\)listen 443 ' "\1listen $tls_listen "
    fill tls.conf '/etc/nginx/tls/\([a-z-]*\.[a-z]*\)' "\"$dir/tls/\1\""
    if [ -e "$dir/tls/client-ca.pem" ]; then
        fill tls.conf '# include mtls.conf;' 'include mtls.conf;'
        fill mtls.conf '/etc/nginx/tls/\([a-z-]*\.[a-z]*\)' "\"$dir/tls/\1\""
    fi
fi
