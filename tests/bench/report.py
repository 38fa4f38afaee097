"""The results as text (Markdown tables), as a bar chart, and against the targets."""
from html import escape

TITLES = {"tickstream": "Tickstream, dedupe off", "dedupe": "Tickstream, dedupe on", "lua": "nginx + Lua",
          "php": "PHP-FPM + phpredis", "threads": "libfcgi, blocking threads",
          "floor": "Tickstream GET /livez (floor)", "redis": "redis-benchmark -P 64 (ceiling)"}
WORKLOADS = {"one": "1 status", "sample": "sample, 8 statuses", "hundred": "100 statuses",
             "thousand": "1,000 statuses", "xml": "sample as XML", "form": "sample as form",
             "floor": "no work", "redis": "XADD alone"}


class Figures:
    """Looks up medians; what was not measured is None, and so is what is computed from it."""

    def __init__(self, results):
        self.rows = {(r["workload"], r["server"]): r for r in results["throughput"]}
        self.latencies = {(r["peer"], r["server"]): r for r in results["latency"]}
        self.scan = results["scanner"]

    def statuses(self, workload, server):
        row = self.rows.get((workload, server))
        return row and row["rate"] * row["statuses"]

    def ratio(self, workload, server, other, than=None):
        """Statuses a second of server in workload, over those of other in the same or in `than`."""
        return divide(self.statuses(workload, server), self.statuses(than or workload, other))

    def p99(self, peer, server):
        row = self.latencies.get((peer, server))
        return row and row["p99"]

    def scanner(self):
        return self.scan and divide(self.scan["ours"], self.scan["jansson"])


def divide(a, b):
    return a / b if a and b else None


# The targets are for two cores.  What, at least or at most, how much, and where it is found.
TARGETS = (
    ("1 status, against nginx + Lua", ">=", 2.0, lambda f: f.ratio("one", "tickstream", "lua")),
    ("1 status, against PHP-FPM", ">=", 4.0, lambda f: f.ratio("one", "tickstream", "php")),
    ("1 status, against its own floor", ">=", 0.65, lambda f: f.ratio("one", "tickstream", "floor", "floor")),
    ("1 status, dedupe on, against nginx + Lua without", ">=", 1.7, lambda f: f.ratio("one", "dedupe", "lua")),
    ("sample of 8, against nginx + Lua", ">=", 2.5, lambda f: f.ratio("sample", "tickstream", "lua")),
    ("sample of 8, against PHP-FPM", ">=", 3.0, lambda f: f.ratio("sample", "tickstream", "php")),
    ("100 statuses, against PHP-FPM", ">=", 1.6, lambda f: f.ratio("hundred", "tickstream", "php")),
    ("100 statuses, against Redis's own ceiling", ">=", 0.9,
     lambda f: f.ratio("hundred", "tickstream", "redis", "redis")),
    ("time for a status, 1,000 against 100 in a body", "<=", 1.1,
     lambda f: f.ratio("hundred", "tickstream", "tickstream", "thousand")),
    ("sample as XML, against the same as JSON", ">=", 0.8,
     lambda f: f.ratio("xml", "tickstream", "tickstream", "sample")),
    ("p99 at half of nginx + Lua's most, against its own", "<=", 0.5,
     lambda f: divide(f.p99("lua", "tickstream"), f.p99("lua", "lua"))),
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


def spread(samples, median):
    return "±%.0f%%" % (100 * max(abs(s - median) for s in samples) / median)


def throughput_rows(results, figures):
    workloads, names = list(WORKLOADS), list(TITLES)
    for r in sorted(results["throughput"], key=lambda r: (workloads.index(r["workload"]), names.index(r["server"]))):
        place = r["workload"], r["server"]
        yield ["%s: %s" % (WORKLOADS[r["workload"]], TITLES[r["server"]]), number(r["rate"]),
               spread(r["samples"], r["rate"]), number(figures.statuses(*place)) if r["server"] != "floor" else "",
               number(figures.ratio(*place, "lua"), 2), number(figures.ratio(*place, "php"), 2),
               *(number(r.get(role), 2) for role in ("nginx", "handler", "redis"))]


def latency_rows(results):
    for r in results["latency"]:
        yield ["%s (half of %s)" % (TITLES[r["server"]], TITLES[r["peer"]]), number(r["rate"]),
               *(number(r[p], 2) for p in ("p50", "p99", "p99.9", "max"))]


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
           "as a batch process, Redis by unix socket with appendonly %s." %
           (options["rounds"], options["seconds"], options["appendonly"]))


def text(results):
    figures = Figures(results)
    tables = (
        (["throughput", "requests/s", "spread", "statuses/s", "x Lua", "x PHP", "CPU s per 100,000: nginx", "handler",
          "Redis"], list(throughput_rows(results, figures))),
        (["latency in ms, open loop, at half of a peer's most", "requests/s", "p50", "p99", "p99.9", "max"],
         list(latency_rows(results))),
        (["memory in MiB after the run, shared pages divided", "nginx", "handler"], list(memory_rows(results))),
        (["target, on two cores", "wanted", "measured", ""], list(target_rows(figures))))
    return "\n\n".join([*heading(results), *(table(header, rows) for header, rows in tables if rows)])


# The chart

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.head { font-weight: 600; } .note { font-size: 11px; fill: #656d76; }
.bar { fill: #afb8c1; } .ours { fill: #0969da; } .ours2 { fill: #54aeff; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .note { fill: #8d96a0; }
  .bar { fill: #484f58; } .ours { fill: #388bfd; } .ours2 { fill: #1158c7; }
}"""
BAR_CLASSES = {"tickstream": "ours", "dedupe": "ours2"}
CHARTED = {"one": "Bodies of 1 status", "sample": "The sample, 8 statuses", "hundred": "Bodies of 100 statuses"}
LEFT, WIDTH, BAR = 200, 440, 20


def bar(y, server, value, most):
    length = WIDTH * value / most
    return ('<text x="%d" y="%d" text-anchor="end">%s</text>'
            '<rect class="bar %s" x="%d" y="%d" width="%.1f" height="%d" rx="2"/><text x="%.1f" y="%d">%s</text>' %
            (LEFT - 8, y + 13, escape(TITLES[server]), BAR_CLASSES.get(server, ""), LEFT, y, length, BAR - 4,
             LEFT + length + 6, y + 13, number(value)))


def svg(results):
    """Statuses a second of every server, one group for each workload, each group on its own scale."""
    figures, parts, y = Figures(results), [], 46
    for workload, title in CHARTED.items():
        values = {s: figures.statuses(workload, s) for s in TITLES if figures.statuses(workload, s)}
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
        '<text class="head" x="%d" y="20">Statuses stored per second (more is better)</text>' % LEFT, *parts,
        '<text class="note" x="8" y="%d">%s</text>' % (y + 4, note), "</svg>\n"))
