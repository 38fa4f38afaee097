#!/usr/bin/python3
"""The ledger of a cluster: whatever happens to its nodes, what was acknowledged is in one partition, exactly once.

Senders post unique signed batches through nginx and send again what was not answered 200.  Meanwhile one tormentor
walks through the faults of cluster_faults.py like through a shuffled deck of cards, and another breaks the program.
At the end the streams of all partitions are read from their owners and compared with the ledger.

  cluster_chaos.py [--seconds 60] [--seed N] [--rate BATCHES_PER_SECOND] [--rounds 3] [--partitions 16] [--ack local]

With --ack replicas:1 only those faults are done that leave every master its replica: there is one.
"""
import argparse
import os
import pathlib
import random
import shutil
import sys
import tempfile
import threading
import time

from cluster import Cluster
from cluster_faults import Deck
from faults import faults_of_handlers
from ledger import Senders, Tormentor, by_id, compare, complaints, small_size, stored_entries
from partitions import PARTITIONS, partition_names
from stack import Stack, wait_for

SENDERS = 16
LEAST = 20000           # statuses of a long run
EXPECTED = (r"redis: .*", r"trim: .*", r"webhook: answered 503: .*", r"drain: .*", r"reload: .*",
            r"worker \d+ \(pid \d+\) was killed by signal 9")


def cluster_stack(folder, cluster, partitions=PARTITIONS, **settings):
    """A Stack, not started, whose program writes to the cluster."""
    stack = Stack(folder, redis=False, redis_url=cluster.url(), stream_partitions=partitions,
                  **{"dedupe_window": "1h", **settings})
    stack.program.expects(*EXPECTED)
    return stack


def is_ready(stack):
    """Does every worker write to all partitions?"""
    settings = stack.program.settings
    wanted = int(settings["stream_partitions"]) * int(settings["workers"])
    if stack.get("/readyz").status != 200:
        return False
    try:
        return stack.metric("tickstream_redis_partitions_ready") == wanted
    except AssertionError:      # it was restarted just now
        return False


class Run:
    """A ledger of what is posted while faults happen.  The stack has been started."""

    def __init__(self, stack, cluster, seed, rate):
        partitions = int(stack.program.settings["stream_partitions"])
        self.stack, self.cluster, self.seed = stack, cluster, seed
        self.streams = partition_names(partitions)
        self.deck = Deck(cluster, self.streams, lambda: is_ready(stack))
        self.senders = Senders(stack.nginx.port, SENDERS, rate, seed, size=small_size)
        self.tormentors = []
        self.wrong = []                 # texts

    def torment(self, *decks, seconds=0, rounds=1):
        """Until each fault of each deck has come so often, and so long."""
        end = time.monotonic() + seconds
        self.tormentors = [RefusalCounter(self.senders, deck, end, rounds, "%s %d" % (self.seed, n))
                           for n, deck in enumerate(decks)]
        with self.senders.running():
            wait_for(lambda: self.senders.answers(200) > SENDERS, "statuses are taken")
            for tormentor in self.tormentors:
                tormentor.start()
            for tormentor in self.tormentors:
                tormentor.join()
        self.wrong += self.senders.errors() + ["Tormentor: %r" % t.error for t in self.tormentors if t.error]
        self.cluster.wait_until_whole()

    def report(self, out=sys.stdout):
        print("%6s %6s %6s %8s  fault: what it did" % ("times", "did", "503", "silence"), file=out)
        for tormentor in self.tormentors:
            for name, count in sorted(tormentor.counts.items()):
                silence = max(self.senders.longest_silence(*when) for when in tormentor.when[name])
                print("%6d %6d %6d %6.2f s  %s" % (count, tormentor.seen[name], tormentor.refused[name], silence, name), file=out)
                if not tormentor.seen[name]:
                    self.wrong.append("no effect was seen of: " + name)
        self.report_ledger(out)

    def report_ledger(self, out):
        stored, acknowledged = by_id(stored_entries(self.cluster, self.streams)), self.senders.acknowledged()
        mistakes, answers = compare(acknowledged, stored), self.senders.answers
        for count, name in ((self.senders.batches(), "batches posted until acknowledged"),
                            (len(acknowledged), "statuses in them"), (sum(stored.values()), "entries in all partitions"),
                            (answers("duplicates"), "statuses recognised as sent again"), (answers(503), "answers 503"),
                            *((len(ids), name) for name, ids in mistakes.items())):
            print("%20d  %s" % (count, name), file=out)
        print("%18.2f s  longest time without a 200" % self.senders.longest_silence(self.senders.began, self.senders.ended), file=out)
        self.wrong += complaints(mistakes)


class RefusalCounter(Tormentor):
    """Counts the answers 503 while each fault lasts, too."""

    def __init__(self, senders, *arguments):
        super().__init__(*arguments)
        self.senders, self.refused = senders, {}

    def do(self, fault):
        before = self.senders.answers(503)
        super().do(fault)
        self.refused[fault.__doc__] = self.refused.get(fault.__doc__, 0) + self.senders.answers(503) - before


def run(folder, options, out=sys.stdout):
    """The long one; returns what was wrong, as a list of texts."""
    cluster = Cluster(folder / "cluster")
    stack = cluster_stack(folder, cluster, options.partitions, redis_ack=options.ack, workers=2)
    wrong = []
    try:
        cluster.start()
        stack.start()
        wait_for(lambda: is_ready(stack), "all partitions are written to")
        it = Run(stack, cluster, options.seed, options.rate)
        cards = it.deck.all() if options.ack == "local" else it.deck.harmless()
        it.torment(cards, faults_of_handlers(stack, threading.Lock()), seconds=options.seconds, rounds=options.rounds)
        for text in it.wrong:
            print("WRONG: " + text, file=out)       # before what may follow from it
        it.report(out)
        wrong = it.wrong
        if len(it.senders.acknowledged()) < LEAST:
            wrong.append("fewer than %d statuses were acknowledged" % LEAST)
    finally:
        wrong += stack.stop()
        cluster.stop()
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("CHAOS_SECONDS") or 60))
    parser.add_argument("--seed", default=os.environ.get("CHAOS_SEED") or str(random.SystemRandom().randrange(10**6)))
    parser.add_argument("--rate", type=float, default=400, help="batches a second")
    parser.add_argument("--rounds", type=int, default=3, help="times that each fault happens at least")
    parser.add_argument("--partitions", type=int, default=PARTITIONS)
    parser.add_argument("--ack", default=os.environ.get("CHAOS_ACK") or "local", help="REDIS_ACK")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tickstream-chaos-"))
    print("cluster chaos: seed %s, %g s at least" % (options.seed, options.seconds), flush=True)
    wrong = run(folder, options)
    for text in wrong:
        print("WRONG: " + text)
    if wrong:
        print("kept: %s" % folder)
        return 1
    shutil.rmtree(folder)
    print("cluster chaos: all is well")
    return 0


if __name__ == "__main__":
    sys.exit(main())
