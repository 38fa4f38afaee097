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
import os
import pathlib
import random
import shutil
import sys
import tempfile
import threading
import time

import aof
from faults import CUTS, MARK, USED_UP, faults_of_handlers, faults_of_redis, used_up
from ledger import Senders, Tormentor, by_id, compare, complaints, stored_entries
from stack import STREAM, Stack, wait_for

CLIENTS = 16
WINDOW = 6              # seconds: longer than it takes nearly every batch to get through
EXPECTED = (r"redis: .*", r"trim: .*", r"webhook: answered 503: .*", r"drain: .*", r"reload: .*",
            r"worker \d+ \(pid \d+\) was killed by signal 9")


class Run:
    """Servers, clients and tormentors."""

    def __init__(self, folder, seed, rate, window):
        self.window = window
        self.stack = Stack(folder, aof=True, workers=2, require_durable="true",
                           dedupe_window="%ds" % window if window else "0")
        self.stack.program.expects(*EXPECTED)
        self.senders = Senders(self.stack.nginx.port, CLIENTS, rate, seed, window)
        self.proof = collections.Counter()
        self.tormentors = []
        self.wrong = []                 # texts

    def torment(self, seconds, seed, rounds):
        """Until everything has broken often enough; then all is mended, and all is acknowledged."""
        lock, end = threading.Lock(), time.monotonic() + seconds
        decks = {"redis": faults_of_redis(self.stack, self.senders.answers, lock, self.proof),
                 "program": faults_of_handlers(self.stack, lock)}
        self.tormentors = [Tormentor(deck, end, rounds, "%s %s" % (seed, name)) for name, deck in decks.items()]
        self.senders.start()
        for thread in self.tormentors:
            thread.start()
        for thread in self.tormentors:
            thread.join()
        self.senders.stop()
        self.wrong += self.senders.errors() + ["Tormentor: %r" % t.error for t in self.tormentors if t.error]
        wait_for(self.stack.redis.is_ready, "Redis is back")

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
        entries = stored_entries(self.stack.redis, streams, MARK.encode())
        stored, acknowledged, late = by_id(entries), self.senders.acknowledged(), self.senders.late()
        counted = stored.items() if self.window else ((i, n) for (i, _), n in entries.items())
        doubled = {i for i, n in counted if n > 1}
        wrong = compare(acknowledged, stored, doubled - late)
        answers = self.senders.answers
        print("%17s  ledger" % "", file=out)
        for count, name in ((self.senders.batches(), "batches posted until acknowledged"),
                            (len(acknowledged), "statuses in them"), (sum(stored.values()), "entries in the stream"),
                            (answers("duplicates"), "statuses recognised as sent again"),
                            (answers(503), "answers 503"), (answers("closed"), "connections closed without an answer"),
                            (len(late), "statuses acknowledged later than the window"),
                            (len(doubled & late), "of these stand twice"),
                            *((len(ids), name) for name, ids in wrong.items())):
            print("%17d  %s" % (count, name), file=out)
        self.wrong += complaints(wrong)
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
