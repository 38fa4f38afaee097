#!/usr/bin/python3
"""The results as text (Markdown tables), as a bar chart, against the targets, and as a part of the README.

    report.py FOLDER README        takes results.json and what else is there into tests/bench and the README
"""
import json
import pathlib
import re
import shutil
import sys
import textwrap
from html import escape

HERE = pathlib.Path(__file__).resolve().parent
TITLES = {"dedupe": "Tickstream, dedupe on", "tickstream": "Tickstream, dedupe off", "lua": "nginx + Lua",
          "lua-dedupe": "nginx + Lua, SET NX", "php": "PHP-FPM + phpredis",
          "php-dedupe": "PHP-FPM + phpredis, SET NX", "threads": "libfcgi, blocking threads",
          "floor": "Tickstream GET /livez (floor)", "redis": "redis-benchmark -P 64 (ceiling)"}
WORKLOADS = {"one": "1 status", "sample": "sample, 8 statuses", "hundred": "100 statuses",
             "thousand": "1,000 statuses", "xml": "sample as XML", "form": "sample as form",
             "floor": "no work", "redis": "XADD alone"}
DURABLE, LAZY, NONE = "always", "everysec", "no"
APPENDONLY = {DURABLE: "durable: appendfsync always", LAZY: "appendfsync everysec", NONE: "no append-only file"}


class Figures:
    """Looks up medians; what was not measured is None, and so is what is computed from it."""

    def __init__(self, results):
        self.rows = {(r["appendonly"], r["workload"], r["server"]): r for r in results["throughput"]}
        self.latencies = {(r["peer"], r["server"]): r for r in results["latency"]}
        self.scan = results["scanner"]
        costs = results["redis_cost"] or {"counts": [], "memory": []}
        self.costs = {r["case"]: r for r in costs["counts"]}
        self.remembered = [r["bytes"] for r in costs["memory"]]

    def figure(self, appendonly, workload, server, figure):
        return self.rows.get((appendonly, workload, server), {}).get(figure)

    def statuses(self, appendonly, workload, server):
        row = self.rows.get((appendonly, workload, server))
        return row and row["rate"] * row["statuses"]

    def ratio(self, appendonly, workload, server, other, than=None):
        """Statuses a second of server in workload, over those of other in the same or in `than`."""
        return divide(self.statuses(appendonly, workload, server),
                      self.statuses(appendonly, than or workload, other))

    def durable(self, workload, server):
        """Of Tickstream as it is shipped, over those of a peer."""
        return self.ratio(DURABLE, workload, "dedupe", server)

    def cpu(self, workload, server="dedupe"):
        return self.figure(DURABLE, workload, server, "cpu")

    def durable_cpu(self, workload, server):
        """Of Tickstream as it is shipped, over those of a peer."""
        return divide(self.cpu(workload), self.cpu(workload, server))

    def cost(self, case, figure):
        """Of Redis for a status with dedupe, over that for a plain one."""
        row = self.costs.get(case)
        return row and divide(row["dedupe"][figure], row["plain"][figure])

    def memory(self, place):
        return self.remembered[place] if self.remembered else None

    def worst_p99(self, peer):
        """Of all rounds the one that was worst for Tickstream, over the peer in the same round."""
        ours, other = (self.latencies.get((peer, server), {}).get("samples", []) for server in ("dedupe", peer))
        return max((divide(a, b) for a, b in zip(ours, other)), default=None)

    def scanner(self):
        return self.scan and divide(self.scan["ours"], self.scan["jansson"])


def divide(a, b):
    return a / b if a and b else None


# The targets are for two cores and Redis 7.0.  What, at least or at most, how much, and where it is found.  Where the
# machine is noisy (spreads over 15 %) CPU seconds decide; where it is another one, or another day, their ratios do.
TARGETS = (
    ("CPU s of all servers per 100,000, durable, dedupe on, 1 status", "<=", 7.0, lambda f: f.cpu("one")),
    ("CPU s of all servers per 100,000, durable, dedupe on, 100 statuses", "<=", 1.6, lambda f: f.cpu("hundred")),
    ("CPU s, durable, 1 status, against nginx + Lua without dedupe", "<=", 0.61,
     lambda f: f.durable_cpu("one", "lua")),
    ("CPU s, durable, 100 statuses, against nginx + Lua without dedupe", "<=", 0.52,
     lambda f: f.durable_cpu("hundred", "lua")),
    ("CPU s, durable, 100 statuses, against PHP-FPM without dedupe", "<=", 0.84,
     lambda f: f.durable_cpu("hundred", "php")),
    ("instructions of Redis against MULTI, 100 in a body", "<=", 1.25, lambda f: f.cost("100 a body", "instructions")),
    ("instructions of Redis against XADD, 1 in a body, 16 a turn", "<=", 1.5,
     lambda f: f.cost("1 a body, 16 a turn", "instructions")),
    ("bytes of the AOF against MULTI, 100 in a body", "<=", 1.05, lambda f: f.cost("100 a body", "aof")),
    ("bytes per remembered status, 2.0 M", "<=", 58.0, lambda f: f.memory(0)),
    ("bytes per remembered status, just after the table doubled", "<=", 75.0, lambda f: f.memory(1)),
    ("durable, 1 status, against nginx + Lua without dedupe", ">=", 1.5, lambda f: f.durable("one", "lua")),
    ("durable, 1 status, against nginx + Lua with SET NX", ">=", 2.0, lambda f: f.durable("one", "lua-dedupe")),
    ("durable, sample of 8, against nginx + Lua without dedupe", ">=", 1.8, lambda f: f.durable("sample", "lua")),
    ("durable, sample of 8, against PHP-FPM without dedupe", ">=", 2.0, lambda f: f.durable("sample", "php")),
    ("durable, 100 statuses, against nginx + Lua without dedupe", ">=", 1.6, lambda f: f.durable("hundred", "lua")),
    ("durable, 100 statuses, against PHP-FPM without dedupe", ">=", 1.15, lambda f: f.durable("hundred", "php")),
    ("durable, dedupe on, CPU of a status, 1,000 against 100 in a body", "<=", 1.05,
     lambda f: divide(f.cpu("thousand"), f.cpu("hundred"))),
    ("durable, dedupe on, time of a status, 1,000 against 100 in a body", "<=", 1.05,
     lambda f: f.ratio(DURABLE, "hundred", "dedupe", "dedupe", "thousand")),
    ("p99 at half of nginx + Lua's most, durable, against its own, the worst round", "<=", 1.0,
     lambda f: f.worst_p99("lua")),
    ("no AOF, dedupe off, 1 status, against nginx + Lua", ">=", 1.7,
     lambda f: f.ratio(NONE, "one", "tickstream", "lua")),
    ("no AOF, dedupe off, 1 status, against its own floor", ">=", 0.7,
     lambda f: f.ratio(NONE, "one", "tickstream", "floor", "floor")),
    ("no AOF, dedupe off, 100 statuses, against Redis's own ceiling", ">=", 0.9,
     lambda f: f.ratio(NONE, "hundred", "tickstream", "redis", "redis")),
    ("no AOF, dedupe off, sample as XML, against the same as JSON", ">=", 0.8,
     lambda f: f.ratio(NONE, "xml", "tickstream", "tickstream", "sample")),
    ("JSON scanner alone, against jansson", ">=", 8.0, Figures.scanner),
)


def verdict(relation, limit, value):
    if value is None:
        return "not measured"
    return "hit" if (value >= limit if relation == ">=" else value <= limit) else "MISS"


# Text

def number(value, digits=0):
    return "" if value is None else "{:,.{}f}".format(value, digits)


def table(header, rows):
    """A Markdown table, the first column to the left."""
    rows = [header, *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = ["| " + " | ".join(cell.ljust(w) if i == 0 else cell.rjust(w)
                               for i, (cell, w) in enumerate(zip(row, widths))) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (w + 1) + ("-" if i == 0 else ":") for i, w in enumerate(widths)) + "|")
    return "\n".join(lines)


def spread_of(samples, median):
    """The farthest from the median, in per cent of it."""
    return 100 * max(abs(s - median) for s in samples) / median


def spread(samples, median):
    return "±%.0f%%" % spread_of(samples, median)


def throughput_rows(results, figures, appendonly):
    workloads, names = list(WORKLOADS), list(TITLES)
    rows = [r for r in results["throughput"] if r["appendonly"] == appendonly]
    for r in sorted(rows, key=lambda r: (workloads.index(r["workload"]), names.index(r["server"]))):
        place = appendonly, r["workload"], r["server"]
        yield ["%s: %s" % (WORKLOADS[r["workload"]], TITLES[r["server"]]), number(r.get("cpu"), 2),
               spread(r["cpu_samples"], r["cpu"]) if r["cpu_samples"] else "", number(r["rate"]),
               spread(r["samples"], r["rate"]), number(figures.statuses(*place)) if r["server"] != "floor" else "",
               number(figures.ratio(*place, "lua"), 2), number(figures.ratio(*place, "php"), 2),
               *(number(r.get(role), 2) for role in ("redis", "nginx", "handler")),
               number(r.get("aof") or None), number(r.get("remembered"))]


def throughput_table(results, figures, appendonly):
    header = [APPENDONLY[appendonly], "CPU s per 100,000", "spread", "requests/s", "spread", "statuses/s",
              "x Lua", "x PHP", "CPU s: Redis", "nginx", "handler", "AOF bytes per status", "remembered"]
    return header, list(throughput_rows(results, figures, appendonly))


def latency_rows(results):
    for r in results["latency"]:
        yield ["%s (half of %s)" % (TITLES[r["server"]], TITLES[r["peer"]]), number(r["rate"]),
               *(number(r[p], 2) for p in ("p50", "p99", "p99.9", "max")),
               ", ".join(number(p99, 2) for p99 in r["samples"])]


def cost_rows(results):
    for r in (results["redis_cost"] or {"counts": []})["counts"]:
        yield [r["case"], number(r["plain"]["instructions"]), number(r["dedupe"]["instructions"]),
               number(divide(r["dedupe"]["instructions"], r["plain"]["instructions"]), 2),
               number(r["plain"]["aof"]), number(r["dedupe"]["aof"]),
               number(divide(r["dedupe"]["aof"], r["plain"]["aof"]), 2)]


def remembered_rows(results):
    for r in (results["redis_cost"] or {"memory": []})["memory"]:
        yield [r["members"], number(r["bytes"], 1)]


def memory_rows(results):
    for name, parts in results["memory"].items():
        yield [TITLES[name], number(parts["nginx"], 1), number(parts.get("handler"), 1)]


def target_rows(figures):
    for what, relation, limit, find in TARGETS:
        value = find(figures)
        yield [what, "%s %g" % (relation, limit), number(value, 2), verdict(relation, limit, value)]


def heading(results):
    machine, options = results["machine"], results["options"]
    yield "%s, %d cores, Linux %s, %s, %s" % tuple(
        machine[k] for k in ("cpu", "cores", "kernel", "system", "compiler"))
    yield ", ".join("%s %s" % pair for pair in machine["packages"].items())
    yield ("Medians of %d rounds of %d s, 64 connections (8 for 1,000 statuses), client on the same cores "
           "as a batch process, Redis by unix socket. CPU seconds are of all server processes together; "
           "remembered is what dedupe keeps of a status, in bytes." % (options["rounds"], options["seconds"]))


def text(results):
    figures = Figures(results)
    tables = (
        *(throughput_table(results, figures, appendonly) for appendonly in APPENDONLY),
        (["latency in ms, open loop, at half of a peer's most, %s" % APPENDONLY[latency_of(results)],
          "requests/s", "p50", "p99", "p99.9", "max", "p99 of each round"], list(latency_rows(results))),
        (["instructions of Redis per status, vary 1", "plain", "dedupe", "ratio", "AOF bytes: plain", "dedupe",
          "ratio"], list(cost_rows(results))),
        (["statuses remembered", "bytes each"], list(remembered_rows(results))),
        (["memory in MiB after the run, shared pages divided", "nginx", "handler"], list(memory_rows(results))),
        (["target, on two cores", "wanted", "measured", ""], list(target_rows(figures))))
    return "\n\n".join([*heading(results), *(table(header, rows) for header, rows in tables if rows)])


def latency_of(results):
    return results["latency"][0]["appendonly"] if results["latency"] else DURABLE


# The chart

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.head { font-weight: 600; } .note { font-size: 11px; fill: #656d76; }
.bar { fill: #afb8c1; } .ours { fill: #0969da; } .ours2 { fill: #54aeff; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .note { fill: #8d96a0; }
  .bar { fill: #484f58; } .ours { fill: #388bfd; } .ours2 { fill: #1158c7; }
}"""
BAR_CLASSES = {"dedupe": "ours", "tickstream": "ours2"}
CHARTED = {"one": "Bodies of 1 status", "sample": "The sample, 8 statuses", "hundred": "Bodies of 100 statuses"}
LEFT, WIDTH, BAR = 200, 440, 20


def bar(y, server, value, most):
    length = WIDTH * value / most
    return ('<text x="%d" y="%d" text-anchor="end">%s</text>'
            '<rect class="bar %s" x="%d" y="%d" width="%.1f" height="%d" rx="2"/><text x="%.1f" y="%d">%s</text>' %
            (LEFT - 8, y + 13, escape(TITLES[server]), BAR_CLASSES.get(server, ""), LEFT, y, length, BAR - 4,
             LEFT + length + 6, y + 13, number(value)))


def charted(results):
    """The most durable that was measured."""
    measured = {r["appendonly"] for r in results["throughput"]}
    return next(appendonly for appendonly in APPENDONLY if appendonly in measured)


def svg(results):
    """Statuses a second of every server, one group for each workload, each group on its own scale."""
    figures, appendonly, parts, y = Figures(results), charted(results), [], 46
    for workload, title in CHARTED.items():
        values = {s: figures.statuses(appendonly, workload, s) for s in TITLES}
        values = {s: value for s, value in values.items() if value}
        if not values:
            continue
        parts.append('<text class="head" x="%d" y="%d">%s</text>' % (LEFT, y + 8, title))
        for i, (server, value) in enumerate(values.items()):
            parts.append(bar(y + 16 + i * BAR, server, value, max(values.values())))
        y += 32 + len(values) * BAR
    note = "%s, %d cores; client, nginx and Redis on the same machine; each group has its own scale" % (
        escape(results["machine"]["cpu"]), results["machine"]["cores"])
    return "\n".join((
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 %d" role="img">' % (y + 14),
        "<title>Statuses stored per second</title>", "<style>%s\n</style>" % STYLE,
        '<text class="head" x="%d" y="20">Statuses stored per second, %s (more is better)</text>' %
        (LEFT, APPENDONLY[appendonly]), *parts,
        '<text class="note" x="8" y="%d">%s</text>' % (y + 4, note), "</svg>\n"))


# The README

BEGIN, END = "<!-- of tests/bench/results.json, by make bench-readme -->\n", "<!-- end -->\n"


def readme_table(figures, appendonly):
    """CPU seconds and requests of the workloads that the picture shows."""
    rows = []
    for server, title in TITLES.items():
        found = [[figures.figure(appendonly, workload, server, figure) for workload in CHARTED]
                 for figure in ("cpu", "rate")]
        if all(found[0]):
            rows.append([title, *(number(cpu, 1) for cpu in found[0]), *(number(rate) for rate in found[1])])
    header = "CPU s: 1 status", "sample of 8", "100", "requests/s: 1 status", "sample of 8", "100"
    return table([APPENDONLY[appendonly], *header], rows)


def span(values):
    return "%.1f to %.1f" % (min(values), max(values))


def of_cpu(results, figures):
    rates = [spread_of(r["samples"], r["rate"]) for r in results["throughput"]]
    seconds = [spread_of(r["cpu_samples"], r["cpu"]) for r in results["throughput"] if r["cpu_samples"]]
    one = figures.rows[DURABLE, "one", "dedupe"]
    return ("CPU seconds are of all server processes for 100,000 statuses. They were %.0f %% from their median at most, "
            "rates %.0f %%. Durable and with dedupe one status takes nginx %.0f µs, the worker %.0f, Redis %.0f; "
            "in a body of 100 all three together %.0f." %
            (max(seconds), max(rates), *(10 * one[role] for role in ("nginx", "handler", "redis")),
             10 * figures.cpu("hundred")))


def of_latency(figures):
    ours, lua = (figures.latencies["lua", server]["samples"] for server in ("dedupe", "lua"))
    return ("At half of the rate that nginx + Lua can do at most, the 99th percentile of Tickstream's latency was "
            "%s ms in %d rounds, that of nginx + Lua %s ms." % (span(ours), len(ours), span(lua)))


def of_redis(figures):
    return ("A status with dedupe takes Redis %.2f times the instructions of a plain one when there are 100 in a "
            "body, and %.2f times when 16 bodies of one share a turn; %.0f bytes of its file (plain %.0f); and, as "
            "long as it is remembered, %.0f bytes of memory among 2.0 million, %.0f just after the table has doubled." %
            (figures.cost("100 a body", "instructions"), figures.cost("1 a body, 16 a turn", "instructions"),
             *(figures.costs["100 a body"][kind]["aof"] for kind in ("dedupe", "plain")), *figures.remembered))


def readme(results):
    """The part of the README between BEGIN and END; of a whole run, not of a quick one."""
    figures = Figures(results)
    head = "%s, %d cores, medians of %d rounds:" % (results["machine"]["cpu"], results["machine"]["cores"],
                                                   results["options"]["rounds"])
    sentences = " ".join((of_cpu(results, figures), of_latency(figures), of_redis(figures)))
    return "\n\n".join((head, readme_table(figures, DURABLE), readme_table(figures, NONE),
                        textwrap.fill(sentences, 118, break_long_words=False, break_on_hyphens=False))) + "\n"


def main():
    folder, file = map(pathlib.Path, sys.argv[1:])
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    before = file.read_text(encoding="utf-8")
    if not (results["redis_cost"] or {}).get("memory") or not results["latency"]:
        raise SystemExit("report: %s is not of a whole run" % folder)
    after = re.sub("(?s)(?<=%s).*(?=%s)" % (re.escape(BEGIN), re.escape(END)), lambda found: readme(results), before)
    if folder.resolve() != HERE:
        for name in "results.json", "results.svg", "results.md":
            shutil.copy(folder / name, HERE / name)
    file.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
