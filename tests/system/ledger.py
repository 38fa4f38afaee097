"""Who posts statuses, and keeps a ledger of what was acknowledged; who breaks things meanwhile; and the comparison of
the ledger with what is stored."""
import collections
import contextlib
import json
import random
import socket
import threading
import time

from stack import HOOK, SECRET, TIMEOUT, signature

PAGE = 5000             # entries that are read at once
LARGE = 130             # statuses of a body that shares no call, and goes by the script even without a window


class Fault(Exception):
    """Something that must not happen whatever breaks."""


def any_size(rand):
    """How many statuses a body has."""
    return rand.randint(1, 9) if rand.random() < 0.995 else LARGE


def small_size(rand):
    """As Meta sends them: some are large enough to meet most partitions."""
    return rand.randint(1, 3) if rand.random() < 0.95 else rand.randint(8, 40)


class Sender(threading.Thread):
    """Posts one batch after the other, `pause` seconds apart; a batch is acknowledged before the next one begins."""

    def __init__(self, number, port, pause, seed, window, size):
        super().__init__()
        self.number, self.port, self.pause, self.window, self.size = number, port, pause, window, size
        self.random = random.Random("%s client %s" % (seed, number))
        self.done = threading.Event()
        self.gives_up = False                   # when it is done, whatever it is about
        self.ledger = []                        # ids of acknowledged statuses
        self.late = set()                       # those that took longer than the window
        self.batches = 0
        self.answers = collections.Counter()
        self.acknowledged_at = []               # the time of each 200
        self.error = None
        self.socket = None

    def run(self):
        try:
            due = time.monotonic()
            while not self.done.is_set():
                self.post_until_acknowledged()
                due = max(due + self.pause, time.monotonic() - 1)       # what an outage delayed is made up for
                self.done.wait(max(0, due - time.monotonic()))
        except Exception as e:
            self.error = e
        self.close()

    def post_until_acknowledged(self):
        count = self.size(self.random)
        ids = ["%d.%d.%d" % (self.number, self.batches, i) for i in range(count)]
        body = json.dumps({"object": "o", "entry": [{"id": "1", "changes": [{"field": "messages", "value": {
            "statuses": [{"id": i, "status": "sent", "timestamp": "1700000000"} for i in ids]}}]}]}).encode()
        request = ("POST %s HTTP/1.1\r\nHost: chaos\r\nContent-Type: application/json\r\nX-Hub-Signature-256: %s\r\n"
                   "Content-Length: %d\r\n\r\n" % (HOOK, signature(body, SECRET), len(body))).encode() + body
        self.batches += 1
        began = time.monotonic()
        while not self.is_acknowledged(request, count):
            if self.gives_up and self.done.is_set():
                return
            if time.monotonic() - began > 60:
                raise Fault("a batch is not taken for a minute")
            time.sleep(0.02)
        self.acknowledged_at.append(time.monotonic())
        self.ledger += ids
        if self.window and time.monotonic() - began > self.window - 1:
            self.late.update(ids)

    def is_acknowledged(self, request, count):
        try:
            status, body = self.exchange(request)
        except TimeoutError:
            raise Fault("no answer within %s s" % TIMEOUT) from None
        except OSError:                         # nginx closes idle connections when it reloads
            self.close()
            self.answers["closed"] += 1
            return False
        self.answers[status] += 1
        if status == 503:
            return False
        if status != 200:
            raise Fault("answered %s: %s" % (status, body.decode()))
        counts = json.loads(body)
        if counts["accepted"] + counts["duplicates"] != count or counts["quarantined"]:
            raise Fault("%d statuses were posted, and answered %s" % (count, counts))
        self.answers["duplicates"] += counts["duplicates"]
        return True

    def exchange(self, request):
        if not self.socket:
            self.socket = socket.create_connection(("127.0.0.1", self.port), TIMEOUT)
        self.socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.more()
        head, _, body = data.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:])
        while len(body) < int(fields["content-length"]):
            body += self.more()
        if fields.get("connection") == "close":
            self.close()
        return int(head.split()[1]), body

    def more(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError
        return data

    def close(self):
        if self.socket:
            self.socket.close()
            self.socket = None


class Senders:
    """Many of them, and what they have seen together."""

    def __init__(self, port, count, rate, seed, window=0, size=any_size):
        """rate: batches a second of all together; window: that of dedupe in seconds, when it may be shorter than a batch
        takes."""
        self.all = [Sender(n, port, count / rate, seed, window, size) for n in range(count)]

    def start(self):
        self.began = time.monotonic()
        for sender in self.all:
            sender.start()

    def stop(self, gives_up=False):
        """What was begun is finished first, or given up."""
        for sender in self.all:
            sender.gives_up = gives_up
            sender.done.set()
        for sender in self.all:
            sender.join()
        self.ended = time.monotonic()

    @contextlib.contextmanager
    def running(self):
        """They post while something else is done."""
        self.start()
        try:
            yield self
        except BaseException:
            self.stop(gives_up=True)
            raise
        self.stop()

    def answers(self, status):
        return sum(sender.answers[status] for sender in self.all)

    def batches(self):
        return sum(sender.batches for sender in self.all)

    def acknowledged(self):
        return {i for sender in self.all for i in sender.ledger}

    def late(self):
        return {i for sender in self.all for i in sender.late}

    def errors(self):
        return ["%s: %r" % (type(sender).__name__, sender.error) for sender in self.all if sender.error]

    def longest_silence(self, since, until):
        """The longest time without a 200 to anybody between two times."""
        times = sorted(t for sender in self.all for t in list(sender.acknowledged_at) if since < t < until)
        return max(b - a for a, b in zip([since, *times], [*times, until]))


class Tormentor(threading.Thread):
    """Goes through a deck of faults; each leaves things mended behind it."""

    def __init__(self, faults, end, rounds, seed):
        super().__init__()
        self.faults, self.end, self.rounds = faults, end, rounds
        self.random = random.Random(seed)
        self.counts, self.seen = collections.Counter(), collections.Counter()
        self.when = collections.defaultdict(list)       # from when to when each has been
        self.error = None

    def run(self):
        try:
            while time.monotonic() < self.end or self.rounds > 0:
                deck = list(self.faults)
                self.random.shuffle(deck)
                for fault in deck:
                    time.sleep(self.random.uniform(0.2, 1.2))
                    self.do(fault)
                self.rounds -= 1
        except Exception as e:
            self.error = e

    def do(self, fault):
        began = time.monotonic()
        self.seen[fault.__doc__] += fault(self.random)
        self.counts[fault.__doc__] += 1
        self.when[fault.__doc__].append((began, time.monotonic()))


def stored_entries(redis, streams, skip=None):
    """How often each (id, request id) stands in these streams; without those of the id `skip`."""
    counts = collections.Counter()
    for stream in streams:
        page, last = [None] * PAGE, "-"
        while len(page) == PAGE:        # after the last of all ids nothing can be asked for
            page = redis("XRANGE", stream, last, "+", "COUNT", PAGE)
            counts.update((fields[1].decode(), fields[-1].decode()) for _, fields in page if fields[1] != skip)
            last = page and b"(" + page[-1][0]
    return counts


def by_id(entries):
    """How often each id stands in what stored_entries() has found."""
    counts = collections.Counter()
    for (i, _), n in entries.items():
        counts[i] += n
    return counts


def compare(acknowledged, stored, doubled=None):
    """What must not be: names of mistakes with the ids of each.  stored: how often each id; doubled: ids, when it is not
    those that stand there more than once."""
    if doubled is None:
        doubled = {i for i, n in stored.items() if n > 1}
    return {"lost": acknowledged - stored.keys(), "doubled": doubled,
            "stored, never acknowledged": stored.keys() - acknowledged}


def complaints(mistakes):
    """A text for each that there is."""
    return ["%d statuses %s: %s ..." % (len(ids), name, ", ".join(sorted(ids)[:5])) for name, ids in mistakes.items() if ids]
