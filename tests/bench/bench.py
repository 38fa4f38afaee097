#!/usr/bin/python3
"""Measures Tickstream against other ways to do the same work, in one run, in alternating rounds.

Every server stands behind the shipped nginx configuration, decodes each body, appends one stream entry with the
same fields for each status and answers after Redis has.  Before anything is measured each one's entries are
compared with what they must be, and after every measurement the stream must hold what was answered with 200, no
less and no more.
"""
import argparse
import json
import pathlib
import signal
import statistics
import subprocess
import sys

import payloads
import redis_cost
import report
import servers

CONNECTIONS = 64
FILE_BYTES, PROBE_BYTES = 800 << 20, 64 << 20
REPEATED = 32      # requests of a file whose ids may come again
WARM_UP = 1        # seconds of load.c at a fixed rate
SPARE = 2          # ids for this many times what was seen to be stored of them
STARTERS = {"dedupe": servers.start_dedupe, "tickstream": servers.start_tickstream, "lua": servers.start_lua,
            "lua-dedupe": servers.start_lua_dedupe, "php": servers.start_php,
            "php-dedupe": servers.start_php_dedupe, "threads": servers.start_threads}
SERVERS = *STARTERS, "floor", "redis"
WORKLOADS = "one", "sample", "hundred", "thousand", "xml", "form", "latency"
DEDUPING = "dedupe", "lua-dedupe", "php-dedupe"
OURS = "dedupe", "tickstream"
WITHOUT_KEYS = "dedupe", "tickstream", "lua", "php", "threads"
# What is measured with which appendfsync; "no" is without an append-only file.
PLAN = {"always": {"one": STARTERS, "sample": STARTERS, "hundred": STARTERS, "thousand": OURS},
        "everysec": dict.fromkeys(("one", "sample", "hundred"), ("dedupe", "lua", "lua-dedupe", "php", "php-dedupe")),
        # The peers read JSON only, and so the other formats are compared with Tickstream's own JSON.
        "no": {"one": WITHOUT_KEYS, "sample": WITHOUT_KEYS, "hundred": WITHOUT_KEYS, "thousand": OURS,
               "xml": ("tickstream",), "form": ("tickstream",)}}
LATENCY = ("lua", ("dedupe", "lua", "lua-dedupe")), ("php", ("dedupe", "php", "php-dedupe"))


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--build", type=pathlib.Path, default=servers.ROOT / "build/gcc-release", metavar="DIR",
                   help="where the programs are (build/gcc-release)")
    p.add_argument("--out", type=pathlib.Path, metavar="DIR", help="for results.json, .svg and .md (build/bench)")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=int, default=2, help="of each measurement")
    p.add_argument("--quick", action="store_true", help="one round of short ones")
    p.add_argument("--only", default="", metavar="NAMES",
                   help="with commas, of %s and of %s" % (" ".join(SERVERS), " ".join(WORKLOADS)))
    p.add_argument("--appendonly", choices=PLAN, help="of Redis, this one alone (all)")
    opts = p.parse_args()
    opts.build = opts.build.resolve()
    opts.out = opts.out or opts.build.parent / "bench"
    opts.only = set(filter(None, opts.only.split(",")))
    if opts.only - {*SERVERS, *WORKLOADS}:
        p.error("--only: unknown %s" % ", ".join(opts.only - {*SERVERS, *WORKLOADS}))
    opts.appendonly = [opts.appendonly] if opts.appendonly else list(PLAN)
    if opts.quick:
        opts.rounds, opts.seconds = 1, 1
    return opts


def run_json(command):
    """The last line that a program prints, which is a JSON object."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit("%s: %s" % (command[0], done.stderr.strip()))
    return json.loads(done.stdout.splitlines()[-1])


def load(rig, server, requests, rate, seconds, connections, is_once):
    """What load.c counted, with a file of requests of one size; with a rate of 0 each connection sends as soon as it
    has its answer; none is sent twice if is_once."""
    client = rig.compile(servers.HERE / "load.c")
    result = run_json([client, server.port, *requests, rate, seconds, connections, *["once"] * is_once])
    if result["refused"] or result["broken"] or result["answered"] < result["due"]:
        raise SystemExit("%s at %d/s: %s" % (server.name, rate, result))
    return result


def write_enough(file, size, workload, rate, seconds):
    """Requests, none twice, for a measurement of what has done so many a second, or else for a shorter one."""
    payloads.write_requests(file, workload, max(REPEATED, min(FILE_BYTES // size, int(SPARE * rate * seconds))))


class Bench:
    """What is running, the files of requests, and the samples of each (appendonly, workload, server)."""

    def __init__(self, opts, rig):
        self.opts, self.rig, self.redis = opts, rig, rig.redis
        self.servers, self.files, self.samples, self.latencies = {}, {}, {}, {}
        self.workloads = [w for w in payloads.workloads() if self.wanted(w.name, WORKLOADS)]

    def wanted(self, name, group):
        """A group of which nothing is named runs whole."""
        chosen = self.opts.only.intersection(group)
        return name in chosen or not chosen

    def start(self):
        for name, starter in STARTERS.items():
            if self.wanted(name, SERVERS):
                try:
                    self.servers[name] = starter(self.rig)
                except servers.Absent as missing:
                    print("skipped: %s, no %s" % (report.TITLES[name], missing))

    def servers_of(self, workload, appendonly=None):
        """Those that are measured with it, with one appendonly or any."""
        plans = [PLAN[appendonly]] if appendonly else [PLAN[a] for a in self.opts.appendonly]
        return [server for name, server in self.servers.items()
                if any(name in plan.get(workload.name, ()) for plan in plans)]

    # Is it the same work?

    def check(self):
        for workload in self.workloads:
            for server in self.servers_of(workload):
                self.redis.cli("FLUSHALL")
                entries = self.post(server, workload, workload.statuses)
                if workload.is_json():
                    check_entries(server, entries, payloads.expected_entries(payloads.numbered(workload, 0)))
                if server.name in DEDUPING:
                    self.post(server, workload, workload.statuses)

    def post(self, server, workload, stored):
        """The entries that are there after another first request, as many as there must be."""
        status = servers.post(server, workload)
        entries = [pairs for _, pairs in self.redis.cli("XRANGE", servers.STREAM, "-", "+")]
        if status != 200 or len(entries) != stored:
            raise SystemExit("%s, %s: answers %d, %d entries" % (server.name, workload.title, status, len(entries)))
        return entries

    # The requests

    def prepare(self):
        """With dedupe on no id may come twice, since a repeat is cheaper than a new one: enough requests for a
        measurement, or else a shorter one.  All servers get the same file."""
        for workload in self.workloads:
            file = self.rig.dir / (workload.name + ".requests")
            size = payloads.write_requests(file, workload, REPEATED)
            deduping = [server for server in self.servers_of(workload) if server.name in DEDUPING]
            if deduping:
                self.write_unique(file, size, workload, deduping)
            self.files[workload.name] = file, size
        file = self.rig.dir / "livez.request"
        self.files["floor"] = file, payloads.write_get(file, "/livez")

    def write_unique(self, file, size, workload, deduping):
        """At their fastest, without an append-only file, for the fastest of them."""
        payloads.write_requests(file, workload, PROBE_BYTES // size)
        rate = 0
        for server in deduping:
            self.redis.clear()
            result = self.load(server, file, size, 0, 1, workload.connections)
            rate = max(rate, result["measured"] / result["seconds"])
        write_enough(file, size, workload, rate, self.opts.seconds)

    # One measurement each

    def load(self, server, file, size, rate, seconds, connections):
        return load(self.rig, server, (file, size), rate, seconds, connections, server.name in DEDUPING)

    def check_stored(self, server, result, statuses):
        """Redis counts for itself."""
        if server.name in DEDUPING and statuses and result["repeated"]:
            raise SystemExit("%s: %d requests came twice" % (server.name, result["repeated"]))
        stored = self.redis.cli("XLEN", servers.STREAM)
        if stored != result["answered"] * statuses:
            raise SystemExit("%s: %d requests with %d statuses answered with 200, %d statuses stored" %
                             (server.name, result["answered"], statuses, stored))

    def measure(self, name, server, connections, statuses):
        """The rate; CPU seconds for 100,000 statuses (or requests without any) of all servers and of each part;
        bytes that a status takes in the append-only file, and in memory when only it is remembered."""
        self.redis.clear()
        parts = {role: servers.tree(p.pid) for role, p in {**server.processes, "redis": self.redis.process}.items()}
        before, size = {role: servers.cpu_seconds(pids) for role, pids in parts.items()}, self.redis.aof_bytes()
        result = self.load(server, *self.files[name], 0, self.opts.seconds, connections)
        used = {role: servers.cpu_seconds(pids) - before[role] for role, pids in parts.items()}
        self.check_stored(server, result, statuses)
        count = result["answered"] * max(statuses, 1)
        sample = {"rate": result["measured"] / result["seconds"], "cpu": sum(used.values()) * 1e5 / count,
                  **{role: seconds * 1e5 / count for role, seconds in used.items()},
                  "aof": (self.redis.aof_bytes() - size) / count}
        if server.name in DEDUPING:
            sample["remembered"] = self.remembered() / count
        return sample

    def remembered(self):
        """Bytes of all that is stored beside the entries."""
        self.redis.cli("DEL", servers.STREAM)
        used = self.redis.used_memory()
        self.redis.cli("FLUSHALL", "SYNC")
        return used - self.redis.used_memory()

    def measure_redis(self):
        """Redis alone, with the XADD that a status becomes, as fast as redis-benchmark can send it."""
        self.redis.clear()
        fields = next(payloads.expected_entries(payloads.webhook(1)))
        words = [w if isinstance(w, str) else json.dumps(w, separators=(",", ":")) for f in fields.items() for w in f]
        words += ["received_at", "1771000100000", "request_id", "0123456789abcdef0123456789abcdef"]
        done = subprocess.run(["redis-benchmark", "-s", self.redis.socket, "-P", "64", "--csv", "-n",
                               str(300000 * self.opts.seconds), "XADD", servers.STREAM, "*", *words],
                              capture_output=True, text=True, check=True)
        return {"rate": float(done.stdout.splitlines()[-1].rsplit('","', 7)[1])}

    def measure_latency(self, server, rate):
        self.redis.clear()
        file, size = self.files["one"]
        seconds = 2 * self.opts.seconds
        if server.name in DEDUPING:
            seconds = min(seconds, file.stat().st_size // size // rate - WARM_UP)
        result = self.load(server, file, size, rate, seconds, CONNECTIONS)
        self.check_stored(server, result, 1)
        return {k: result[k] / 1000 for k in ("p50", "p99", "p99.9", "max")}

    # The rounds

    def rounds(self):
        for number in range(self.opts.rounds):
            for appendonly in self.opts.appendonly:
                self.redis.keep(appendonly)
                self.round(number, appendonly)
            print("round %d of %d" % (number + 1, self.opts.rounds), file=sys.stderr)

    def round(self, number, appendonly):
        for workload in self.workloads:
            for server in rotated(self.servers_of(workload, appendonly), number):
                self.add(appendonly, workload.name, server.name,
                         self.measure(workload.name, server, workload.connections, workload.statuses))
        if appendonly != "no":
            return
        if "tickstream" in self.servers and self.wanted("floor", SERVERS):
            self.add("no", "floor", "floor", self.measure("floor", self.servers["tickstream"], CONNECTIONS, 0))
        if self.wanted("redis", SERVERS):
            self.add("no", "redis", "redis", self.measure_redis())

    def add(self, appendonly, workload, server, sample):
        self.samples.setdefault((appendonly, workload, server), []).append(sample)

    def latency(self):
        """At half of what a peer can do at most: the same fixed rate for it and for Tickstream."""
        appendonly = self.opts.appendonly[0]
        self.redis.keep(appendonly)
        for peer, names in LATENCY:
            if (appendonly, "one", peer) not in self.samples or not self.wanted("latency", WORKLOADS):
                continue
            rate = int(statistics.median(s["rate"] for s in self.samples[appendonly, "one", peer]) / 2)
            for number in range(self.opts.rounds):
                for name in rotated([n for n in names if n in self.servers], number):
                    sample = self.measure_latency(self.servers[name], rate)
                    self.latencies.setdefault((peer, rate, name), []).append(sample)

    def memory(self):
        return {name: {role: servers.memory_mib(servers.tree(p.pid)) for role, p in server.processes.items()}
                for name, server in self.servers.items()}

    def results(self):
        """Everything that is reported, as it stands in results.json."""
        statuses = {w.name: w.statuses for w in self.workloads}
        return {"machine": servers.machine(),
                "options": {"rounds": self.opts.rounds, "seconds": self.opts.seconds},
                "throughput": [{"appendonly": appendonly, "workload": workload, "server": server,
                                "statuses": statuses.get(workload, 1), "samples": [s["rate"] for s in samples],
                                "cpu_samples": [s["cpu"] for s in samples if "cpu" in s], **medians(samples)}
                               for (appendonly, workload, server), samples in self.samples.items()],
                "latency": [{"appendonly": self.opts.appendonly[0], "peer": peer, "rate": rate, "server": server,
                             "samples": [s["p99"] for s in samples], **medians(samples)}
                            for (peer, rate, server), samples in self.latencies.items()],
                "memory": self.memory(),
                "scanner": self.scanner()}

    def scanner(self):
        """Megabytes a second of our JSON scanner and of jansson over a body of 100 statuses."""
        program, file = self.opts.build / "bench-scan", self.rig.dir / "scan.json"
        if not program.exists():
            return None
        file.write_bytes(payloads.webhook(100))
        done = subprocess.run([program, file], capture_output=True, text=True, check=True)
        return dict(zip(("ours", "jansson"), map(float, done.stdout.split())))


def check_entries(server, entries, expected):
    for pairs, want in zip(entries, expected):
        got = dict(zip(pairs[::2], pairs[1::2]))
        if list(got) != [*want, "received_at", "request_id"]:
            raise SystemExit("%s: fields %s" % (server.name, list(got)))
        for name, value in want.items():
            if (json.loads(got[name]) if name in ("errors", "extra") else got[name]) != value:
                raise SystemExit("%s: %s is %r, not %r" % (server.name, name, got[name], value))


def rotated(items, by):
    by %= max(len(items), 1)
    return items[by:] + items[:by]


def medians(samples):
    return {figure: statistics.median(s[figure] for s in samples) for figure in samples[0]}


def write(results, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (folder / "results.svg").write_text(report.svg(results), encoding="utf-8")
    (folder / "results.md").write_text(report.text(results) + "\n", encoding="utf-8")
    print(report.text(results))
    print("written: %s/results.json, .svg, .md" % folder)


def main():
    opts = options()
    signal.signal(signal.SIGTERM, lambda *unused: sys.exit(143))
    with servers.RedisRig(opts.build) as rig:
        bench = Bench(opts, rig)
        bench.start()
        bench.check()
        bench.prepare()
        bench.rounds()
        bench.latency()
        results = bench.results()
    results["redis_cost"] = redis_cost.headline(opts.build, opts.quick)
    write(results, opts.out)


if __name__ == "__main__":
    main()
