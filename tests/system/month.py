#!/usr/bin/python3
"""A month at equal bytes: does what `tickstream size` says hold when it is lived through?

What 100 statuses a second do to compose's Redis of 2 GB in a month, more of them do to a smaller one in minutes: it is
filled as many times over.  The dedupe window, TRIM_KEEP and the caretaker's pause are shorter by as much (hurry.c), the
AOF is rewritten as often.  Senders post at a steady rate until each body is answered 200; a group reads and
acknowledges; what Redis, its disk and the machine have taken is looked at all the time.

Scenarios differ in who else is there, and say what must come of it:
  acknowledged  one group, which acknowledges: no 503, and no more memory after the first two windows
  dead          also a group that reads nothing, with TRIM_DEAD_GROUP: warnings, no 503, and no more memory
  flood         also bodies that nobody can read: their share is full at once, statuses go on as without them
  held          that dead group without TRIM_DEAD_GROUP: it fills up, posts are answered 503; once the group is removed all goes on

  month.py [--days 30] [SCENARIO...]
"""
import argparse
import collections
import itertools
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from stack import QUARANTINE, STREAM, TOP, TIMEOUT, Stack, run_cases, wait_for

sys.path.insert(0, str(TOP / "tests/bench"))
import payloads  # noqa: E402

MB = 1 << 20
BODY = 200              # statuses
SENDERS = 4
ENTRY, DIGEST = 577, 72     # bytes, as capacity.h assumes
COMPOSE, RATE = 2048 * MB, 100
# Reads and acknowledges on the server, since at such rates a client would be busy with nothing else.
CONSUME = """
local got = redis.call('XREADGROUP', 'GROUP', 'billing', 'me', 'COUNT', ARGV[1], 'STREAMS', KEYS[1], '>')
if not got then return 0 end
local ids = {}
for i, entry in ipairs(got[1][2]) do ids[i] = entry[1] end
redis.call('XACK', KEYS[1], 'billing', unpack(ids))
return #ids"""
AT_ONCE = 1000          # entries that it reads


class Scale:
    """How small, and how fast."""

    def __init__(self, memory, rate, window, keep, hurry):
        self.memory, self.rate = memory, rate       # bytes; statuses a second
        self.window, self.keep, self.hurry = window, keep, hurry    # seconds; how many times as often

    def statuses(self, days):
        """As many as fill the memory as often as so many days fill compose's."""
        return round(days * 86400 * RATE * self.memory / COMPOSE)

    def days(self, statuses):
        return statuses * COMPOSE / self.memory / (86400 * RATE)

    def settings(self):
        return {"dedupe_window": "%ds" % self.window, "trim": "acked", "trim_keep": "%dms" % (1000 * self.keep),
                "redis_timeout": "30s", "require_durable": "true"}


# With room for what comes while a busy machine hangs for some seconds, which on this scale are hours.
SHORT = Scale(8 * MB, 4000, window=2, keep=0.2, hurry=50)
LONG = Scale(40 * MB, 10000, window=16, keep=0.5, hurry=50)

Scenario = collections.namedtuple("Scenario", "dead foreign settings fills says")
HALF, WHOLE = "trim: the group dead .* more than half of TRIM_DEAD_GROUP", "trim: the group dead .* for TRIM_DEAD_GROUP"
FULL = "redis: OOM command not allowed", r"redis: \d+ % of maxmemory are used"
CUT = r"quarantine: of \d+ that came .* QUARANTINE_MAX is reached"
# Is there a group that reads nothing?  Bytes a second of bodies that nobody can read.  Further settings; does it fill up;
# what the log must say.
SCENARIOS = {"acknowledged": Scenario(False, 0, {}, False, ()),
             "dead": Scenario(True, 0, {"trim_dead_group": "600ms"}, False, (HALF, WHOLE)),
             "flood": Scenario(False, 4 * MB, {}, False, (CUT,)),
             "held": Scenario(True, 0, {"trim_dead_group": "0"}, True, FULL)}
FOREIGN = 20000         # bytes of such a body
EXPECTED = (r"redis: .*", r"trim: .*", r"quarantine: .*", r"webhook: answered 503: .*")


class Worker(threading.Thread):
    """Calls step() until it is told to end; an exception is kept."""

    def __init__(self, step, pause):
        super().__init__()
        self.step, self.pause, self.error = step, pause, None
        self.done = threading.Event()

    def run(self):
        try:
            while not self.done.is_set():
                self.step()
                self.done.wait(self.pause)
        except Exception as e:      # pylint: disable=broad-except
            self.error = e
            self.done.set()


class Senders:
    """Post so many statuses a second, bodies of BODY, and each body until it is answered 200."""

    def __init__(self, stack, rate):
        self.stack, self.pause = stack, BODY / rate
        self.template = payloads.webhook(BODY)
        self.lock, self.next, self.begin = threading.Lock(), 0, time.monotonic()
        self.answers = collections.Counter()
        self.over = threading.Event()
        self.workers = [Worker(self.sender(), 0) for _ in range(SENDERS)]

    def sender(self):
        client = self.stack.client()

        def post():
            with self.lock:
                number, self.next = self.next, self.next + 1
                self.begin = max(self.begin, time.monotonic() - number * self.pause - 1)   # an outage is not made up for
                due = self.begin + number * self.pause
            time.sleep(max(0, due - time.monotonic()))
            body = self.template.replace(payloads.SERIAL, b"%08d" % number)
            while client.post(body).status != 200:
                self.answers["refused"] += 1
                if self.over.wait(0.05):    # as its Retry-After wants it, on this scale
                    return
            self.answers[200] += 1
        return post

    def statuses(self):
        return self.answers[200] * BODY


def flood(stack):
    """A step of a Worker that posts one body that nobody can read."""
    client, numbers = stack.client(), itertools.count()

    def post():
        answer = client.post(b"%d: " % next(numbers) + b"x" * FOREIGN)
        assert answer.status == 200, "a foreign body was answered %d" % answer.status
    return post


class Watch:
    """What is taken: (time, bytes of memory) and the most of the disk and of the machine."""

    def __init__(self, redis, folder):
        self.redis, self.folder, self.begin = redis, folder, time.monotonic()
        self.used, self.most = [], collections.Counter()

    def look(self):
        info = dict(line.split(":", 1) for line in self.redis("INFO", "memory").decode().splitlines() if ":" in line)
        self.used.append((time.monotonic() - self.begin, int(info["used_memory"])))
        self.note("machine", int(info["used_memory_rss"]))
        self.note("disk", sum(size_of(f) for f in (self.folder / "appendonlydir").glob("*")))
        self.note("quarantine", self.redis("MEMORY", "USAGE", QUARANTINE) or 0)

    def note(self, name, value):
        self.most[name] = max(self.most[name], value)

    def between(self, begin, end):
        return [used for at, used in self.used if begin <= at < end] or [0]

    def peak(self, begin=0, end=float("inf")):
        return max(self.between(begin, end))

    def usual(self, begin, end=float("inf")):
        return statistics.median(self.between(begin, end))


def size_of(file):
    try:
        return file.stat().st_size
    except FileNotFoundError:       # it was the file of before
        return 0


def build_hurry(folder):
    library = folder / "hurry.so"
    subprocess.run(["cc", "-std=c17", "-D_GNU_SOURCE", "-O2", "-shared", "-fPIC", "-o", library, TOP / "tests/system/hurry.c"],
                   check=True)
    return library


class Month:
    """Servers, senders, a group that acknowledges, and who looks."""

    def __init__(self, folder, scale, scenario):
        self.scale, self.scenario, self.consumed = scale, scenario, 0
        self.stack = Stack(folder, aof=True, workers=2, **scale.settings(), **scenario.settings)
        self.stack.program.expects(*EXPECTED)
        self.stack.program.others = {"LD_PRELOAD": str(build_hurry(folder)), "HURRY": str(scale.hurry)}
        self.stack.redis.options += ["--maxmemory", scale.memory, "--maxmemory-policy", "noeviction", "--stream-node-max-bytes",
                                     16384, "--auto-aof-rewrite-percentage", 100, "--auto-aof-rewrite-min-size",
                                     64 * MB * scale.memory // COMPOSE]
        self.wrong = []

    def connect(self):
        return run_cases.Redis(self.stack.redis.url())

    def begin(self):
        self.stack.start()
        for group in ["billing", "dead"][:1 + self.scenario.dead]:
            self.stack.redis("XGROUP", "CREATE", STREAM, group, "$", "MKSTREAM")
        self.senders = Senders(self.stack, self.scale.rate)
        self.watch = Watch(self.connect(), self.stack.folder)
        consumer = self.connect()

        def consume():
            while got := consumer("EVAL", CONSUME, 1, STREAM, AT_ONCE):
                self.consumed += got
        self.workers = [*self.senders.workers, Worker(consume, 0.02), Worker(self.watch.look, 0.02)]
        if self.scenario.foreign:
            self.workers.append(Worker(flood(self.stack), FOREIGN / self.scenario.foreign))
        for worker in self.workers:
            worker.start()

    def live(self, statuses):
        """Until so many are answered 200, or it is wrong already."""
        wait_for(lambda: self.senders.statuses() >= statuses or self.has_failed() or self.is_refused(), "all are posted",
                 TIMEOUT + 20 * statuses / self.scale.rate)

    def is_refused(self):
        return self.senders.answers["refused"] and not self.scenario.fills

    def has_failed(self):
        return any(worker.error for worker in self.workers)

    def end(self):
        self.senders.over.set()
        for workers in self.senders.workers, self.workers:
            for worker in workers:
                worker.done.set()
            for worker in workers:
                worker.join()
            if workers is self.senders.workers and not self.has_failed():
                wait_for(lambda: self.consumed >= self.senders.statuses() or self.has_failed(), "all are read")
        self.wrong += ["%r" % worker.error for worker in self.workers if worker.error]

    def fill_up(self):
        """The dead group holds the stream, until somebody removes it."""
        wait_for(lambda: self.senders.answers["refused"] > 2 * SENDERS or self.has_failed(), "it is full")
        self.stack.redis("XGROUP", "DESTROY", STREAM, "dead")

    def judge(self):
        senders, watch, limit = self.senders, self.watch, 0.9 * self.scale.memory
        cycle = self.scale.window + 1       # a set is added to for a window and a lease
        first, later = watch.usual(cycle, 3 * cycle), watch.usual(3 * cycle)
        for is_wrong, text in (
                (self.consumed != senders.statuses(), "%d statuses were read, of %d" % (self.consumed, senders.statuses())),
                (bool(senders.answers["refused"]) != self.scenario.fills, "%d posts were refused" % senders.answers["refused"]),
                (not self.scenario.fills and watch.peak() > limit, "more memory than size allows"),
                (later > 1.1 * first and not self.scenario.fills, "memory has grown from %d to %d MB" % (first / MB, later / MB)),
                (not all(map(self.stack.program.has_logged, self.scenario.says)), "the log does not tell it")):
            if is_wrong:
                self.wrong.append(text)

    def report(self, out):
        posted, seconds, most = self.senders.statuses(), self.watch.used[-1][0], self.watch.most
        cycle = self.scale.window + 1
        peaks = [self.watch.peak(n * cycle, (n + 1) * cycle) / MB for n in range(int(seconds / cycle) + 1)]
        for value, text in ((posted, "statuses in %.0f s: as %.1f days of %d/s in 2 GB" % (seconds, self.scale.days(posted), RATE)),
                            (self.senders.answers["refused"], "posts that were refused"),
                            (self.consumed, "statuses that the group has acknowledged")):
            print("%12d  %s" % (value, text), file=out)
        for value, text in ((self.scale.memory, "maxmemory"), (self.watch.peak(), "of it in use, at most"),
                            (most["machine"], "resident memory of Redis, at most"), (most["disk"], "of the AOF, at most"),
                            (most["quarantine"], "of quarantine, at most")):
            print("%9.1f MB  %s" % (value / MB, text), file=out)
        print("%12s  the most in use in each window, MB: %s" % ("", " ".join("%.1f" % p for p in peaks)), file=out)


def run(folder, name, days, scale=SHORT, out=sys.stdout):
    """Runs it all; returns what was wrong, as a list of texts."""
    it = Month(folder, scale, SCENARIOS[name])
    print("%s:" % name, file=out)
    try:
        it.begin()
        if it.scenario.fills:
            it.fill_up()
        it.live(it.senders.statuses() + scale.statuses(days))
        it.end()
        it.judge()
        it.report(out)
    finally:
        it.wrong += it.stack.stop()
    return it.wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", default=list(SCENARIOS), help=" ".join(SCENARIOS))
    options = parser.parse_args()
    wrong = []
    for name in options.scenarios:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="tickstream-month-"))
        found = run(folder, name, options.days if name == "acknowledged" else 3, LONG)
        for text in found:
            print("WRONG: %s (kept: %s)" % (text, folder))
        wrong += found
        if not found:
            shutil.rmtree(folder)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
