#!/usr/bin/python3
"""The ledger: whatever breaks, what was acknowledged is in the stream, exactly once, and nothing is there twice.

Clients post unique signed batches at a steady rate and send again what was not answered 200.  Meanwhile two
tormentors break things in a random order: one Redis (with AOF and appendfsync always), one the program and nginx.
Each walks through its faults like through a shuffled deck of cards, so that each comes up equally often.  At the end
everything is mended, what is not yet acknowledged is sent until it is, and the stream is compared with the ledger.

The dedupe window is of seconds, so that its sets rotate meanwhile.  What is acknowledged later than a window after it
was first sent may stand twice, as the guarantee says; it is counted, and must be rare.

Without a dedupe window (--window 0) what a client sends again after a 503 stands twice, as the guarantee says.  What
nginx repeats by itself would be of the same request: that must not be there twice.

Of each fault the report tells how often it was done and how often its effect was seen; it is wrong when one has had
none.  So it is when bodies never shared a call, or sets never rotated.

  chaos.py [--seconds 60] [--seed N] [--rate BATCHES_PER_SECOND] [--rounds 5] [--window 6]
"""
import argparse
import collections
import json
import os
import pathlib
import random
import shutil
import socket
import sys
import tempfile
import threading
import time

import aof
from faults import CUTS, MARK, USED_UP, Fault, faults_of_handlers, faults_of_redis, used_up
from stack import HOOK, SECRET, STREAM, TIMEOUT, Stack, signature, wait_for

CLIENTS = 16
WINDOW = 6              # seconds: longer than it takes nearly every batch to get through
LARGE = 130             # statuses of a body that shares no call, and goes by the script even without a window
PAGE = 5000             # entries that are read at once
EXPECTED = (r"redis: .*", r"webhook: answered 503: .*", r"drain: .*", r"reload: .*",
            r"worker \d+ \(pid \d+\) was killed by signal 9")


class Client(threading.Thread):
    """Posts one batch after the other at its rate; a batch is acknowledged before the next one begins."""

    def __init__(self, number, port, rate, seed, window):
        super().__init__()
        self.number, self.port, self.pause, self.window = number, port, CLIENTS / rate, window
        self.random = random.Random("%s client %s" % (seed, number))
        self.done = threading.Event()
        self.ledger = []                        # ids of acknowledged statuses
        self.late = set()                       # those that took longer than the window
        self.batches = 0
        self.answers = collections.Counter()
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

    def post_until_acknowledged(self):
        count = self.random.randint(1, 9) if self.random.random() < 0.995 else LARGE
        ids = ["%d.%d.%d" % (self.number, self.batches, i) for i in range(count)]
        body = json.dumps({"object": "o", "entry": [{"id": "1", "changes": [{"field": "messages", "value": {
            "statuses": [{"id": i, "status": "sent", "timestamp": "1700000000"} for i in ids]}}]}]}).encode()
        request = ("POST %s HTTP/1.1\r\nHost: chaos\r\nContent-Type: application/json\r\nX-Hub-Signature-256: %s\r\n"
                   "Content-Length: %d\r\n\r\n" % (HOOK, signature(body, SECRET), len(body))).encode() + body
        self.batches += 1
        began = time.monotonic()
        while not self.is_acknowledged(request, count):
            if time.monotonic() - began > 60:
                raise Fault("a batch is not taken for a minute")
            time.sleep(0.02)
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


class Tormentor(threading.Thread):
    """Goes through a deck of faults; each leaves things mended behind it."""

    def __init__(self, faults, end, rounds, seed):
        super().__init__()
        self.faults, self.end, self.rounds = faults, end, rounds
        self.random = random.Random(seed)
        self.counts, self.seen = collections.Counter(), collections.Counter()
        self.error = None

    def run(self):
        try:
            while time.monotonic() < self.end or self.rounds > 0:
                deck = list(self.faults)
                self.random.shuffle(deck)
                for fault in deck:
                    time.sleep(self.random.uniform(0.2, 1.2))
                    self.seen[fault.__doc__] += fault(self.random)
                    self.counts[fault.__doc__] += 1
                self.rounds -= 1
        except Exception as e:
            self.error = e


def stored_entries(redis, streams):
    """How often each (id, request id) stands in these streams."""
    counts = collections.Counter()
    for stream in streams:
        page, last = [None] * PAGE, "-"
        while len(page) == PAGE:        # after the last of all ids nothing can be asked for
            page = redis("XRANGE", stream, last, "+", "COUNT", PAGE)
            counts.update((fields[1].decode(), fields[-1].decode()) for _, fields in page if fields[1] != MARK.encode())
            last = page and b"(" + page[-1][0]
    return counts


class Run:
    """Servers, clients and tormentors."""

    def __init__(self, folder, seed, rate, window):
        self.window = window
        self.stack = Stack(folder, aof=True, workers=2, require_durable="true",
                           dedupe_window="%ds" % window if window else "0")
        self.stack.program.expects(*EXPECTED)
        self.clients = [Client(n, self.stack.nginx.port, rate, seed, window) for n in range(CLIENTS)]
        self.proof = collections.Counter()
        self.tormentors = []
        self.wrong = []                 # texts

    def torment(self, seconds, seed, rounds):
        """Until everything has broken often enough; then all is mended, and all is acknowledged."""
        lock, end = threading.Lock(), time.monotonic() + seconds
        decks = {"redis": faults_of_redis(self.stack, self.answers, lock, self.proof),
                 "program": faults_of_handlers(self.stack, lock)}
        self.tormentors = [Tormentor(deck, end, rounds, "%s %s" % (seed, name)) for name, deck in decks.items()]
        for thread in self.clients + self.tormentors:
            thread.start()
        for thread in self.tormentors:
            thread.join()
        for client in self.clients:
            client.done.set()
        for client in self.clients:
            client.join()
            client.close()
        self.wrong += ["%s: %r" % (type(t).__name__, t.error) for t in self.clients + self.tormentors if t.error]
        wait_for(self.stack.redis.is_ready, "Redis is back")

    def answers(self, status):
        return sum(client.answers[status] for client in self.clients)

    def report(self, out):
        self.report_faults(out)
        self.report_calls(out)
        self.report_ledger(out)

    def report_faults(self, out):
        print("%8s %8s  fault" % ("times", "seen"), file=out)
        for tormentor in self.tormentors:
            for name, count in sorted(tormentor.counts.items()):
                print("%8d %8d  %s" % (count, tormentor.seen[name], name), file=out)
                if not tormentor.seen[name]:
                    self.wrong.append("no effect was seen of: " + name)

    def report_calls(self, out):
        told = aof.read(self.stack.redis.folder)
        print("%17s  calls" % "", file=out)
        for count, name, is_wanted in (
                (told.calls, "transactions in the AOF", True),
                (told.shared, "that stored something of several bodies", self.window),
                (told.bodies, "bodies in these", self.window),
                (self.proof[CUTS], CUTS, self.window),
                (told.rotations, "rotations of the sets of dedupe", 0 < self.window < 60)):
            print("%17d  %s" % (count, name), file=out)
            if is_wanted and not count:
                self.wrong.append("none: " + name)

    def report_ledger(self, out):
        streams = [used_up(n + 1) for n in range(self.proof[USED_UP])] + [STREAM]
        entries = stored_entries(self.stack.redis, streams)
        stored = collections.Counter()
        for (i, _), n in entries.items():
            stored[i] += n
        acknowledged = {i for client in self.clients for i in client.ledger}
        late = {i for client in self.clients for i in client.late}
        counted = stored.items() if self.window else ((i, n) for (i, _), n in entries.items())
        doubled = {i for i, n in counted if n > 1}
        wrong = {"lost": acknowledged - stored.keys(), "doubled": doubled - late,
                 "stored, never acknowledged": stored.keys() - acknowledged}
        answers = sum((client.answers for client in self.clients), collections.Counter())
        print("%17s  ledger" % "", file=out)
        for count, name in ((sum(c.batches for c in self.clients), "batches posted until acknowledged"),
                            (len(acknowledged), "statuses in them"), (sum(stored.values()), "entries in the stream"),
                            (answers["duplicates"], "statuses recognised as sent again"),
                            (answers[503], "answers 503"), (answers["closed"], "connections closed without an answer"),
                            (len(late), "statuses acknowledged later than the window"),
                            (len(doubled & late), "of these stand twice"),
                            *((len(ids), name) for name, ids in wrong.items())):
            print("%17d  %s" % (count, name), file=out)
        for name, ids in wrong.items():
            if ids:
                self.wrong.append("%d statuses %s: %s ..." % (len(ids), name, ", ".join(sorted(ids)[:5])))
        if len(late) > len(acknowledged) / 10:
            self.wrong.append("too many statuses were late for the window to be tested")


def run(folder, seconds, seed, rate, rounds, window=WINDOW, out=sys.stdout):
    """Runs it all; returns what was wrong, as a list of texts.  window: seconds; 0 = none."""
    it = Run(folder, seed, rate, window)
    try:
        it.stack.start()
        it.torment(seconds, seed, rounds)
        for text in it.wrong:
            print("WRONG: " + text, file=out)       # before what may follow from it
        it.report(out)
    finally:
        it.wrong += it.stack.stop()
    return it.wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("CHAOS_SECONDS") or 60))
    parser.add_argument("--seed", default=os.environ.get("CHAOS_SEED") or str(random.SystemRandom().randrange(10**6)))
    parser.add_argument("--rate", type=float, default=3000, help="batches a second")
    parser.add_argument("--rounds", type=int, default=5, help="times that each fault happens at least")
    parser.add_argument("--window", type=int, default=int(os.environ.get("CHAOS_WINDOW") or WINDOW),
                        help="of dedupe, in seconds; 0 = none")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tickstream-chaos-"))
    print("chaos: seed %s, %g s at least" % (options.seed, options.seconds), flush=True)
    wrong = run(folder, options.seconds, options.seed, options.rate, options.rounds, options.window)
    for text in wrong:
        print("WRONG: " + text)
    if wrong:
        print("kept: %s" % folder)
        return 1
    shutil.rmtree(folder)
    print("chaos: all is well")
    return 0


if __name__ == "__main__":
    sys.exit(main())
