#!/bin/sh
# create-cluster.sh NODE...: makes one Redis Cluster of an even number of empty nodes: the first half are masters, each
# with a replica in the second half.  Ends when it takes writes.
#
# Done again, it does what is missing, and takes nothing from a node that has something: after a failover a master and
# its replica keep their new parts.  A master that comes back with an empty disk before its replica has taken over is left
# to the operator (CLUSTER FAILOVER TAKEOVER): this ends with an error after a minute.
# Nodes are names, on port 6379, without a password.  Needs redis-cli and getent.
set -eu

ask() { # NODE COMMAND...: an error is a failure
    host=$1
    shift
    redis-cli -e -h "$host" "$@" 2>/dev/null
}

left=240
pause() { # WHAT FOR
    left=$((left - 1))
    [ $left -gt 0 ] || { echo "create-cluster: not within a minute: $1" >&2; exit 1; }
    sleep 0.25
}

info() { # NODE FIELD: of CLUSTER INFO
    ask "$1" cluster info | tr -d '\r' | sed -n "s/^$2://p"
}

is_empty() { # NODE: is it a master without slots?
    [ -n "$(ask "$1" cluster nodes | awk '$3 == "myself,master" && NF == 8')" ]
}

# Until then NODE has not heard of the other, or that one has not yet taken over from it.
follow() { # NODE MASTER
    until ask "$1" cluster replicate "$(ask "$2" cluster myid)" >/dev/null; do
        pause "$1 follows $2"
    done
}

pair() { # MASTER REPLICA SLOT SLOT: gives them the slots from one to the other, unless one of them has slots
    if is_empty "$1" && is_empty "$2"; then
        ask "$1" cluster addslotsrange "$3" "$4" >/dev/null
    fi
    if is_empty "$1"; then
        follow "$1" "$2"
    elif is_empty "$2"; then
        follow "$2" "$1"
    fi
}

for node; do
    until ask "$node" ping >/dev/null; do
        pause "$node answers"
    done
    ask "$1" cluster meet "$(getent hosts "$node" | cut -d' ' -f1)" 6379 >/dev/null # takes no name
done
for node; do
    until [ "$(info "$node" cluster_known_nodes)" -ge $# ]; do
        pause "$node knows all others"
    done
done

half=$(($# / 2)) n=0
for master in $(printf '%s\n' "$@" | head -n $half); do
    replica=$(printf '%s\n' "$@" | sed -n "$((half + n + 1))p")
    pair "$master" "$replica" $((16384 * n / half)) $((16384 * (n + 1) / half - 1))
    n=$((n + 1))
done
for node; do
    until [ "$(info "$node" cluster_slots_ok) $(info "$node" cluster_state)" = '16384 ok' ]; do
        pause "$node knows an owner of each slot"
    done
done
