#!/usr/bin/python3
"""Measures what many servers cost: partitions, a cluster, and replicas that must acknowledge, near and far.

Each case is a Tickstream of its own behind the shipped nginx configuration, with dedupe, in front of servers of Redis
that append to a file with appendfsync everysec; all are reached by TCP.  They take turns, and each figure is compared
with that of one server and one partition in the same round.  After every measurement the streams must hold what was
answered with 200, no less and no more.  Servers, replicas and client share the cores of this machine: a cluster shows
here what it costs, not what its machines could do.
"""
import argparse
import collections
import http.client
import json
import pathlib
import re
import signal
import statistics
import sys

import bench
import payloads
import report
import servers

sys.path.insert(0, str(servers.HERE.parent / "system"))
from cluster import Cluster  # noqa: E402
from replicas import Group  # noqa: E402

DELAY = 0.005               # seconds to the far replica, and as many back
NODE_TIMEOUT = 15000        # milliseconds: a busy machine is no reason to call a node dead
PROBE_SECONDS = 1
WORKLOADS = "one", "sample", "hundred"

Case = collections.namedtuple("Case", "title place partitions ack")
CASES = {"base": Case("one server, 1 partition", "one", 1, "local"),
         "parts": Case("one server, 16 partitions", "one", 16, "local"),
         "cluster": Case("3 masters, 16 partitions", "cluster", 16, "local"),
         "near": Case("a replica here, local", "near", 1, "local"),
         "near-ack": Case("a replica here, replicas:1", "near", 1, "replicas:1"),
         "far": Case("a replica 5 ms away, local", "far", 1, "local"),
         "far-ack": Case("a replica 5 ms away, replicas:1", "far", 1, "replicas:1")}
BASE = "base"


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--build", type=pathlib.Path, default=servers.ROOT / "build/gcc-release", metavar="DIR",
                   help="where the program is (build/gcc-release)")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seconds", type=int, default=2, help="of each measurement")
    p.add_argument("--connections", type=int, default=bench.CONNECTIONS, help="of the client (%d)" % bench.CONNECTIONS)
    p.add_argument("--quick", action="store_true", help="one round of short ones")
    p.add_argument("--only", default="", metavar="NAMES",
                   help="with commas, of %s (%s is always there) and of the bodies %s" %
                   (" ".join(CASES), BASE, " ".join(WORKLOADS)))
    opts = p.parse_args()
    opts.build = opts.build.resolve()
    names = set(filter(None, opts.only.split(",")))
    if names - {*CASES, *WORKLOADS}:
        p.error("--only: unknown %s" % ", ".join(names - {*CASES, *WORKLOADS}))
    opts.cases = [c for c in CASES if c == BASE or c in names or not names.intersection(CASES)]
    opts.workloads = [w for w in WORKLOADS if w in names or not names.intersection(WORKLOADS)]
    if opts.quick:
        opts.rounds, opts.seconds = 1, 1
    return opts


class Redis(servers.Redis):
    """One that runs already."""

    def __init__(self, server):     # pylint: disable=super-init-not-called
        self.socket, self.process = server.path, server.process


class Place:
    """Servers of Redis: masters, and what copies them: replicas, and the links to them."""

    def __init__(self, topology, masters, copies, links=()):
        self.stop, self.links = topology.stop, links
        self.first = masters[0]
        self.masters, self.copies = [Redis(m) for m in masters], [Redis(c) for c in copies]
        for redis in *self.masters, *self.copies:
            redis.keep("everysec")

    def processes(self):
        return {"redis": [m.process for m in self.masters],
                "beside": [*(c.process for c in self.copies), *(link.process for link in self.links)]}

    def settle(self):
        """The copies have all that the masters have."""
        if self.copies:
            self.first("SET", "settled", 1)
            if self.first("WAIT", len(self.copies), 20000) != len(self.copies):
                raise SystemExit("a replica does not follow")

    def clear(self):
        for master in self.masters:
            master.clear()
            master.cli("CONFIG", "RESETSTAT")
        self.settle()
        for copy in self.copies:
            copy.shorten()

    def calls(self):
        """How often the script has been called since clear()."""
        texts = (m.info("commandstats").get("cmdstat_evalsha", "") for m in self.masters)
        return sum(int(n) for text in texts for n in re.findall(r"\bcalls=(\d+)", text))


class Single(Place):
    def __init__(self, folder, replicas=0, delay=None):
        group = Group(folder, replicas, delay)
        try:
            group.start()
        except BaseException:
            group.stop()
            raise
        super().__init__(group, [group.master], group.replicas, group.links)
        self.url, self.ask = group.master.url(), group.master


class Masters(Place):
    """Of a cluster, without replicas."""

    def __init__(self, folder):
        cluster = Cluster(folder, replicas=0, timeout=NODE_TIMEOUT)
        try:
            cluster.start()
        except BaseException:
            cluster.stop()
            raise
        super().__init__(cluster, cluster.nodes, [])
        self.url, self.ask = cluster.url(), cluster


PLACES = {"one": Single, "cluster": Masters, "near": lambda folder: Single(folder, 1),
          "far": lambda folder: Single(folder, 1, DELAY)}


class Bench:
    """Places, the programs on them, files of requests, and the samples of each (workload, case)."""

    def __init__(self, opts, rig):
        self.opts, self.rig = opts, rig
        self.places, self.servers, self.files, self.samples = {}, {}, {}, {}
        self.workloads = [w for w in payloads.workloads() if w.name in opts.workloads]

    def start(self):
        for name in self.opts.cases:
            case = CASES[name]
            if case.place not in self.places:
                self.places[case.place] = PLACES[case.place](self.rig.dir / ("redis-" + case.place))
            self.servers[name] = servers.start_program(
                self.rig, name, self.places[case.place].url, dedupe_window="24h", stream=stream(name),
                stream_partitions=case.partitions, redis_ack=case.ack)
        for server in self.servers.values():
            servers.wait_for(server.name, lambda: is_ready(server), 60)

    def stop(self):
        for place in self.places.values():
            place.stop()

    def prepare(self):
        """Enough for the fastest of all, which the first one is or is near to."""
        for workload in self.workloads:
            file = self.rig.dir / (workload.name + ".requests")
            size = payloads.write_requests(file, workload, 1)
            payloads.write_requests(file, workload, bench.PROBE_BYTES // size)
            self.files[workload.name] = file, size
            probe = self.measure(BASE, workload, PROBE_SECONDS)
            bench.write_enough(file, size, workload, probe["rate"], self.opts.seconds)

    def rounds(self):
        for number in range(self.opts.rounds):
            for workload in self.workloads:
                for name in bench.rotated(self.opts.cases, number):
                    sample = self.measure(name, workload, self.opts.seconds)
                    self.samples.setdefault((workload.name, name), []).append(sample)
            print("round %d of %d" % (number + 1, self.opts.rounds), file=sys.stderr)

    def measure(self, name, workload, seconds):
        """The rate; CPU seconds for 100,000 statuses of workers, masters, and what copies them; calls of the script
        for a request."""
        server, place = self.servers[name], self.places[CASES[name].place]
        place.clear()
        parts = {"handler": [server.processes["handler"]], **place.processes()}
        parts = {role: [pid for p in processes for pid in servers.tree(p.pid)] for role, processes in parts.items()}
        before = {role: servers.cpu_seconds(pids) for role, pids in parts.items()}
        result = bench.load(self.rig, server, self.files[workload.name], 0, seconds,
                            self.opts.connections, True)
        place.settle()
        used = {role: servers.cpu_seconds(pids) - before[role] for role, pids in parts.items()}
        self.check_stored(name, result, workload.statuses)
        count = result["answered"] * workload.statuses
        return {"rate": result["measured"] / result["seconds"], "calls": place.calls() / result["answered"],
                **{role: seconds * 1e5 / count for role, seconds in used.items()}}

    def check_stored(self, name, result, statuses):
        place, count = self.places[CASES[name].place], CASES[name].partitions
        keys = ["%s:%d" % (stream(name), p) for p in range(count)] if count > 1 else [stream(name)]
        stored = sum(place.ask("XLEN", key) for key in keys)
        if stored != result["answered"] * statuses:
            raise SystemExit("%s: %d requests with %d statuses answered with 200, %d statuses stored" %
                             (name, result["answered"], statuses, stored))


def stream(name):
    """Places are shared, and a stream has one number of partitions."""
    return "bench:" + name


def is_ready(server):
    """Are all partitions?"""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    found = dict(re.findall(r"(?m)^tickstream_redis_(partitions(?:_ready)?) (\d+)$", text))
    return int(found.get("partitions", 0)) == int(found.get("partitions_ready", 0)) > 0


# Told

def figure(samples, name, digits=0):
    return report.number(statistics.median(s[name] for s in samples), digits)


def ratio(samples, base, name):
    """To that of the base in the same round, and how far rounds are from it."""
    ratios = [s[name] / b[name] for s, b in zip(samples, base)]
    median = statistics.median(ratios)
    return "%.2f %s" % (median, report.spread(ratios, median))


def rows(samples, workload, cases):
    base = samples[workload.name, BASE]
    for name in cases:
        own = samples[workload.name, name]
        rate = statistics.median(s["rate"] for s in own)
        yield [CASES[name].title, report.number(rate), report.spread([s["rate"] for s in own], rate),
               report.number(rate * workload.statuses), ratio(own, base, "rate"),
               figure(own, "handler", 2), ratio(own, base, "handler"),
               figure(own, "redis", 2), ratio(own, base, "redis"),
               figure(own, "beside", 2) if CASES[name].place in ("near", "far") else "", figure(own, "calls", 2)]


def table(samples, workload, cases):
    header = [workload.title, "requests/s", "spread", "statuses/s", "ratio", "CPU s: workers", "ratio", "Redis",
              "ratio", "replica", "calls a request"]
    return report.table(header, list(rows(samples, workload, cases)))


def tell(opts, workloads, samples):
    print("Medians of %d rounds of %d s with %d connections, and the farthest from them. CPU seconds are for 100,000 "
          "statuses;\nthose of a far replica are its link's too. Ratios are to %s in the same round. Dedupe is on, "
          "appendfsync everysec." % (opts.rounds, opts.seconds, opts.connections, CASES[BASE].title))
    for workload in workloads:
        print("\n" + table(samples, workload, opts.cases))


def keep(samples, folder):
    """Every round's figures."""
    folder.mkdir(parents=True, exist_ok=True)
    rows_of = [{"workload": workload, "case": case, "samples": found} for (workload, case), found in samples.items()]
    (folder / "cluster.json").write_text(json.dumps(rows_of, indent=1) + "\n", encoding="utf-8")


def main():
    opts = options()
    signal.signal(signal.SIGTERM, lambda *unused: sys.exit(143))
    with servers.Rig(opts.build) as rig:
        run = Bench(opts, rig)
        try:
            run.start()
            run.prepare()
            run.rounds()
        finally:
            run.stop()
    keep(run.samples, opts.build.parent / "bench")
    tell(opts, run.workloads, run.samples)


if __name__ == "__main__":
    main()
