#!/usr/bin/python3
"""The ledger: whatever breaks, what was acknowledged is in the stream, exactly once, and nothing is there twice.

Clients post unique signed batches at a steady rate and send again what was not answered 200.  Meanwhile two
tormentors break things in a random order: one Redis (with AOF and appendfsync always), one the program and nginx.
Each walks through its faults like through a shuffled deck of cards, so that each comes up equally often.  At the end
everything is mended, what is not yet acknowledged is sent until it is, and the stream is compared with the ledger.

Without a dedupe window (--window 0) what a client sends again after a 503 stands twice, as the guarantee says.  What
nginx repeats by itself would be of the same request: that must not be there twice.

  chaos.py [--seconds 60] [--seed N] [--rate BATCHES_PER_SECOND] [--rounds 5] [--window 24h]
"""
import argparse
import collections
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time

from stack import HOOK, SECRET, STREAM, TIMEOUT, Stack, signature, wait_for

CLIENTS = 16
EXPECTED = (r"redis: .*", r"webhook: answered 503: .*", r"drain: .*", r"reload: .*",
            r"worker \d+ \(pid \d+\) was killed by signal 9")


class Fault(Exception):
    """Something that must not happen whatever breaks."""


class Client(threading.Thread):
    """Posts one batch after the other at its rate; a batch is acknowledged before the next one begins."""

    def __init__(self, number, port, rate, seed):
        super().__init__()
        self.number, self.port, self.pause = number, port, CLIENTS / rate
        self.random = random.Random("%s client %s" % (seed, number))
        self.done = threading.Event()
        self.ledger = []                        # ids of acknowledged statuses
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
        count = self.random.randint(1, 9)
        ids = ["%d.%d.%d" % (self.number, self.batches, i) for i in range(count)]
        body = json.dumps({"object": "o", "entry": [{"id": "1", "changes": [{"field": "messages", "value": {
            "statuses": [{"id": i, "status": "sent", "timestamp": "1700000000"} for i in ids]}}]}]}).encode()
        request = ("POST %s HTTP/1.1\r\nHost: chaos\r\nContent-Type: application/json\r\nX-Hub-Signature-256: %s\r\n"
                   "Content-Length: %d\r\n\r\n" % (HOOK, signature(body, SECRET), len(body))).encode() + body
        self.batches += 1
        end = time.monotonic() + 60
        while not self.is_acknowledged(request, count):
            if time.monotonic() > end:
                raise Fault("a batch is not taken for a minute")
            time.sleep(0.02)
        self.ledger += ids

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
        self.counts = collections.Counter()
        self.error = None

    def run(self):
        try:
            while time.monotonic() < self.end or self.rounds > 0:
                deck = list(self.faults)
                self.random.shuffle(deck)
                for fault in deck:
                    time.sleep(self.random.uniform(0.2, 1.2))
                    fault(self.random)
                    self.counts[fault.__doc__] += 1
                self.rounds -= 1
        except Exception as e:
            self.error = e


def faults_of_redis(stack):
    redis = stack.redis

    def kill(_):
        "Redis: SIGKILL and restart"
        redis.stop(signal.SIGKILL)
        redis.start()

    def stop(_):
        "Redis: SIGSTOP for 3 s"
        redis.kill(signal.SIGSTOP)
        time.sleep(3)
        redis.kill(signal.SIGCONT)

    def pause(rand):
        "Redis: CLIENT PAUSE"
        redis("CLIENT", "PAUSE", rand.randint(50, 1000), "WRITE")

    def kill_clients(_):
        "Redis: CLIENT KILL"
        redis("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def flush(_):
        "Redis: SCRIPT FLUSH"
        redis("SCRIPT", "FLUSH")

    def fill(rand):
        "Redis: maxmemory low"
        redis("CONFIG", "SET", "maxmemory", 1)
        time.sleep(rand.uniform(0.1, 0.5))
        redis("CONFIG", "SET", "maxmemory", 0)

    return kill, stop, pause, kill_clients, flush, fill


def faults_of_handlers(stack):
    program = stack.program

    def kill_worker(rand):
        "program: SIGKILL of a worker"
        workers = program.workers()
        if workers:
            os.kill(rand.choice(workers), signal.SIGKILL)

    def restart(_):
        "program: SIGTERM and restart"
        status = program.stop()
        if status != 0:
            raise Fault("the program ended with status %s" % status)
        program.start()

    def reload(_):
        "program: SIGHUP"
        program.kill(signal.SIGHUP)

    def reload_nginx(_):
        "nginx: reload"
        stack.nginx.kill(signal.SIGHUP)

    return kill_worker, restart, reload, reload_nginx


def stored_entries(redis):
    """How often each (id, request id) stands in the stream."""
    counts, last = collections.Counter(), "-"
    while True:
        page = redis("XRANGE", STREAM, last, "+", "COUNT", 5000)
        if not page:
            return counts
        counts.update((fields[1].decode(), fields[-1].decode()) for _, fields in page)
        last = b"(" + page[-1][0]


def run(folder, seconds, seed, rate, rounds, window="24h", out=sys.stdout):
    """Runs it all; returns what was wrong, as a list of texts."""
    stack = Stack(folder, aof=True, workers=2, require_durable="true", dedupe_window=window)
    stack.program.expects(*EXPECTED)
    wrong = []
    try:
        stack.start()
        end = time.monotonic() + seconds
        tormentors = [Tormentor(faults_of_redis(stack), end, rounds, "%s redis" % seed),
                      Tormentor(faults_of_handlers(stack), end, rounds, "%s program" % seed)]
        clients = [Client(n, stack.nginx.port, rate, seed) for n in range(CLIENTS)]
        for thread in clients + tormentors:
            thread.start()
        for thread in tormentors:
            thread.join()
        for client in clients:
            client.done.set()
        for client in clients:
            client.join()
            client.close()
        wrong += ["%s: %r" % (type(t).__name__, t.error) for t in clients + tormentors if t.error]
        wait_for(lambda: stack.redis.is_ready(), "Redis is back")
        report(stack, clients, tormentors, wrong, out)
    finally:
        wrong += stack.stop()
    return wrong


def report(stack, clients, tormentors, wrong, out):
    acknowledged = {i for client in clients for i in client.ledger}
    entries = stored_entries(stack.redis)
    stored = collections.Counter()
    for (i, _), n in entries.items():
        stored[i] += n
    lost = acknowledged - stored.keys()
    doubled = [i for (i, _), n in entries.items() if n > 1]
    if stack.program.settings["dedupe_window"] != "0":
        doubled = [i for i, n in stored.items() if n > 1]
    unknown = stored.keys() - acknowledged
    answers = sum((client.answers for client in clients), collections.Counter())
    print("%8s  fault" % "times", file=out)
    for tormentor in tormentors:
        for name, count in sorted(tormentor.counts.items()):
            print("%8d  %s" % (count, name), file=out)
    print("%8s  ledger" % "", file=out)
    for count, name in ((sum(c.batches for c in clients), "batches posted until acknowledged"),
                        (len(acknowledged), "statuses in them"), (sum(stored.values()), "entries in the stream"),
                        (answers["duplicates"], "statuses recognised as sent again"),
                        (answers[503], "answers 503"), (answers["closed"], "connections closed without an answer"),
                        (len(lost), "lost"), (len(doubled), "doubled"), (len(unknown), "stored, never acknowledged")):
        print("%8d  %s" % (count, name), file=out)
    for name, ids in ("lost", lost), ("doubled", doubled), ("stored, never acknowledged", unknown):
        if ids:
            wrong.append("%d statuses %s: %s ..." % (len(ids), name, ", ".join(sorted(ids)[:5])))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("CHAOS_SECONDS") or 60))
    parser.add_argument("--seed", default=os.environ.get("CHAOS_SEED") or str(random.SystemRandom().randrange(10**6)))
    parser.add_argument("--rate", type=float, default=3000, help="batches a second")
    parser.add_argument("--rounds", type=int, default=5, help="times that each fault happens at least")
    parser.add_argument("--window", default=os.environ.get("CHAOS_WINDOW") or "24h", help="of dedupe; 0 = none")
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
