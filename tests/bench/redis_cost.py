#!/usr/bin/python3
"""Counts what a status costs Redis: instructions, bytes of the append-only file, bytes of memory.

A server of Redis runs under callgrind and gets statuses from bench-redis, which publishes as a worker does: with
dedupe, and plain, which is an XADD or a MULTI with many.  Unlike times instructions are the same on a busy machine.
What a connection costs is taken off: each figure is the difference of a long run and of one turn.
"""
import argparse
import json
import pathlib
import re
import shlex
import signal
import subprocess
import sys

import report
import servers

DAY = "86400"
URL = "unix://%s"
WARM_UP = 200
# Sets grow as they please on the way to this size, which most of them have passed long ago.
PREFILL, PREFILL_MEMBERS = """
local members = {}
for i = 1, ARGV[1] do
    members[i % 1000 + 1] = string.format('%014d', i)
    if i % 1000 == 0 then redis.call('SADD', KEYS[1], unpack(members)) end
end""", 20000
# Statuses in a body, bodies in a turn, statuses to be measured.
CASES = {"1 a body": (1, 1, 1600), "1 a body, 16 a turn": (1, 16, 3200), "8 a body": (8, 1, 3200),
         "100 a body": (100, 1, 6000), "1,000 a body": (1000, 1, 8000)}
HEADLINE = "1 a body, 16 a turn", "100 a body"
AOF = {"no": ("--appendonly", "no"), "everysec": ("--appendonly", "yes", "--appendfsync", "everysec")}
MEMBERS = {"2.0 M": 2000000, "2.2 M, just after the table doubled": 2200000}
LARGE, CHUNK = (100, 10), 100000


def options():
    p = argparse.ArgumentParser(description=__doc__.split(":", maxsplit=1)[0] + ".")
    p.add_argument("--build", type=pathlib.Path, default=servers.ROOT / "build/gcc-release", metavar="DIR",
                   help="where bench-redis is (build/gcc-release)")
    p.add_argument("--redis", type=shlex.split, default=["redis-server"], metavar="COMMAND",
                   help="the server that is measured, a program or several words (redis-server)")
    p.add_argument("--vary", default="0,1,2", metavar="NUMBERS",
                   help="how many values differ from status to status: 0, 1, 2, see bench_redis.c (all)")
    p.add_argument("--aof", default=",".join(AOF), metavar="NAMES", help="with commas, of %s" % " ".join(AOF))
    p.add_argument("--only", choices=("instructions", "memory"), help="one of both")
    p.add_argument("--quick", action="store_true", help="vary 1 with 100 a body and 16 bodies a turn, and AOF, alone")
    opts = p.parse_args()
    if opts.quick:
        opts.vary, opts.aof, opts.only = "1", "everysec", "instructions"
    opts.redis[0] = servers.need(opts.redis[0])
    return opts


class Redis(servers.Redis):
    """One with statuses to come from bench-redis, which are numbered so that none comes twice."""

    def __init__(self, program, folder, *command):
        super().__init__(folder, *command)
        self.program, self.next = program, 0

    def publish(self, window, case, count, vary, first=None):
        """Count statuses, rounded up to whole turns; the first one's number."""
        if first is None:
            first, self.next = self.next, self.next + count + 100000
        command = [self.program, URL % self.socket, window, *case, vary, count, first]
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit("%s\n%s" % (" ".join(map(str, command)), done.stderr))
        told = json.loads(done.stdout)
        return first, told["statuses"], told["accepted"]

    def sets(self):
        return self.cli("SCAN", "0", "TYPE", "set", "COUNT", "10000000")[1]


class Counted(Redis):
    """One under callgrind."""

    def __init__(self, program, folder, *command):
        self.out = folder / "callgrind.out"
        super().__init__(program, folder, servers.need("valgrind"), "--tool=callgrind",
                         "--callgrind-out-file=%s" % self.out, *command)

    def control(self, order):
        subprocess.run(["callgrind_control", order, str(self.process.pid)], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=True)

    def count(self, window, case, count, vary, first=None):
        """(number of the first, statuses, accepted, instructions, bytes of the AOF) of a run."""
        size = self.aof_bytes()
        self.control("-z")
        first, statuses, accepted = self.publish(window, case, count, vary, first)
        size = self.aof_bytes() - size
        self.control("-d")
        [dump] = self.out.parent.glob(self.out.name + ".*")
        instructions = int(re.search(r"(?m)^summary: (\d+)", dump.read_text(encoding="utf-8"))[1])
        dump.unlink()
        return first, statuses, accepted, instructions, size


def prepare(redis, window, case, vary):
    """As it is for most statuses: the script is known, the sets are there, and are not small."""
    redis.cli("FLUSHALL", "SYNC")
    redis.publish(window, case, WARM_UP, vary)
    for key in redis.sets():
        redis.cli("EVAL", PREFILL, "1", key, str(PREFILL_MEMBERS))


def per_status(long, short):
    return [(a - b) / (long[1] - short[1]) for a, b in zip(long[3:], short[3:])]


def measure(redis, window, case, vary):
    """What a status costs: instructions and bytes of the AOF, and instructions when it is known already."""
    *case, count = case
    prepare(redis, window, case, vary)
    short = redis.count(window, case, 1, vary)
    long = redis.count(window, case, count, vary)
    if long[1] != long[2]:
        raise SystemExit("%d of %d statuses were accepted" % (long[2], long[1]))
    instructions, size = per_status(long, short)
    result = {"instructions": instructions, "aof": size}
    if window != "0":
        again = [redis.count(window, case, n, vary, first) for first, n in ((long[0], count), (short[0], 1))]
        if again[0][2]:
            raise SystemExit("%d statuses were accepted again" % again[0][2])
        result["repeated"] = per_status(*again)[0]
    return result


def compare(opts, aof, vary, cases):
    """For each case: what a status costs plain and with dedupe."""
    with servers.private_folder() as folder, \
            Counted(opts.build / "bench-redis", folder, *opts.redis, *AOF[aof], "--hz", "1") as redis:
        return [{"aof": aof, "case": name, "vary": vary, "version": redis.version(),
                 "plain": measure(redis, "0", CASES[name], vary),
                 "dedupe": measure(redis, DAY, CASES[name], vary)} for name in cases]


def publish_and_trim(redis, count):
    redis.publish(DAY, LARGE, count, "1")
    redis.cli("DEL", servers.STREAM)


def memory(opts):
    """Bytes that a remembered status takes: of all that Redis has, and of the sets by themselves."""
    with servers.private_folder() as folder, \
            Redis(opts.build / "bench-redis", folder, *opts.redis, *AOF["no"]) as redis:
        publish_and_trim(redis, 1)
        base, published, rows = redis.used_memory(), 0, []
        for label, members in MEMBERS.items():
            while published < members:
                publish_and_trim(redis, CHUNK)
                published += CHUNK
            sets = [redis.cli("MEMORY", "USAGE", key, "SAMPLES", "0") for key in redis.sets()]
            rows.append({"members": label, "version": redis.version(),
                         "bytes": (redis.used_memory() - base) / members,
                         "sets": sum(sets) / members if sets else None})
        return rows


def headline(build, quick):
    """What the report shows of it; None where callgrind is missing."""
    opts = argparse.Namespace(build=build, redis=[servers.need("redis-server")])
    try:
        return {"counts": compare(opts, "everysec", "1", HEADLINE), "memory": [] if quick else memory(opts)}
    except servers.Absent as missing:
        print("skipped: what a status costs Redis, no %s" % missing)
        return None


# Told

def ratio(row, figure):
    return report.divide(row["dedupe"][figure], row["plain"][figure])


def cost_table(rows):
    header = ["Redis %(version)s, AOF %(aof)s, vary %(vary)s" % rows[0], "plain", "dedupe", "ratio", "repeated",
              "AOF bytes: plain", "dedupe", "ratio"]
    return report.table(header, [[
        r["case"], report.number(r["plain"]["instructions"]), report.number(r["dedupe"]["instructions"]),
        report.number(ratio(r, "instructions"), 2), report.number(r["dedupe"]["repeated"]),
        report.number(r["plain"]["aof"] or None), report.number(r["dedupe"]["aof"] or None),
        report.number(ratio(r, "aof"), 2)] for r in rows])


def memory_table(rows):
    return report.table(["Redis %s, bytes per remembered status" % rows[0]["version"], "used_memory", "the sets"],
                        [[r["members"], report.number(r["bytes"], 1), report.number(r["sets"], 1)] for r in rows])


def main():
    opts = options()
    signal.signal(signal.SIGTERM, lambda *unused: sys.exit(143))
    if opts.only != "memory":
        print("Instructions of Redis per status.\n")
        for aof in opts.aof.split(","):
            for vary in opts.vary.split(","):
                print(cost_table(compare(opts, aof, vary, HEADLINE if opts.quick else CASES)), end="\n\n", flush=True)
    if opts.only != "instructions":
        print(memory_table(memory(opts)))


if __name__ == "__main__":
    main()
