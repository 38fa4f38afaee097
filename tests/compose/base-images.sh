#!/bin/bash
# base-images.sh DIRECTORY: provides the images that the Dockerfile and the compose file start from.
#
# Where a registry can be reached they are pulled.  Where none can, stand-ins are built under the same names from
# Debian's packages and this machine's own package sources: debootstrap makes debian:trixie-slim, apt the others.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
scratch=$1

# The package sources of a trixie image: this machine's Debian mirrors, or else Debian's own.
trixie_sources() {
    local here
    here=$(. /etc/os-release && [ "$ID" = debian ] && echo "$VERSION_CODENAME") || here=none
    {
        apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 'Component: main' |
            sed -n "s/^\([^ ]*\) $here\(-updates\|-security\|\)$/deb \1 trixie\2 main/p" | sort -u
        echo 'deb http://deb.debian.org/debian trixie main'
    } | awk '!seen[$3]++'
}

stand_in_debian() { # TAG
    local root=$scratch/root
    trixie_sources >"$scratch/sources"
    debootstrap --variant=minbase trixie "$root" "$(awk '$3 == "trixie" { print $2 }' "$scratch/sources")" \
        >"$scratch/debootstrap.log" 2>&1 || { tail -n 20 "$scratch/debootstrap.log" >&2 && return 1; }
    cp "$scratch/sources" "$root/etc/apt/sources.list"
    # How this machine reaches them: proxies and the like.
    apt-config dump | grep -E '^Acquire::(https?|Check|Retries|Force)' >"$root/etc/apt/apt.conf.d/50host" || :
    find "$root/usr/share/doc" -type f ! -name copyright -delete
    tar -C "$root" --numeric-owner -c --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' \
        --exclude='./usr/share/locale/*' --exclude='./usr/share/man/*' --exclude='./dev/*' . |
        docker import --change 'CMD ["bash"]' - "$1" >/dev/null
    rm -rf "$root"
}

build() { # TAG, Dockerfile on stdin
    docker build --tag "$1" - >"$scratch/build.log" 2>&1 || { tail -n 20 "$scratch/build.log" >&2 && return 1; }
}

# As in the official images, nginx has the user 101, and Redis a user of its name and its data in /data.  Trixie's nginx
# is older than theirs, so it comes from the next Debian.
stand_in_nginx() { # TAG
    build "$1" <<'END'
FROM debian:trixie-slim
RUN groupadd --system --gid 101 nginx && useradd --system --uid 101 --gid 101 nginx \
 && apt-get update -qq && apt-get install -qq --no-install-recommends curl \
 && sed 's/ trixie / forky /' /etc/apt/sources.list | grep ' forky ' >/etc/apt/sources.list.d/forky.list \
 && apt-get update -qq && apt-get install -qq --no-install-recommends --target-release forky nginx \
 && rm -rf /var/lib/apt/lists/*
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
END
}

stand_in_redis() { # TAG
    build "$1" <<'END'
FROM debian:trixie-slim
RUN useradd --system --user-group redis && install -d -o redis -g redis /data \
 && apt-get update -qq && apt-get install -qq --no-install-recommends redis-server && rm -rf /var/lib/apt/lists/*
VOLUME /data
WORKDIR /data
CMD ["redis-server"]
END
}

used=$(sed -n 's/^FROM \([a-z]*:[^ ]*\).*/\1/p' handler/package/Dockerfile; sed -n 's/^ *image: *\([a-z]*:[a-z0-9.]\{1,\}\).*/\1/p' docker-compose.yml)
for image in $used; do
    docker image inspect "$image" >/dev/null 2>&1 && continue
    timeout 120 docker pull --quiet "$image" 2>/dev/null && continue
    began=$SECONDS
    "stand_in_${image%%:*}" "$image"
    echo "$image: no registry answers, made from Debian's packages in $((SECONDS - began)) s"
done
