#!/usr/bin/python3
"""What it costs to move a partition to another node of a cluster: how long MIGRATE of its keys blocks both nodes.

A slot is filled with what a partition holds after a day: digests of 14 bytes in the sets of dedupe, and entries.  Then
it is moved, key by key, while both nodes are asked PING on connections of their own.

  move_cost.py [--digests 1000000] [--entries 100000] [--sets 2] [--node-timeout MILLISECONDS]
"""
import argparse
import pathlib
import shutil
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
from cluster import Cluster, slot_of  # noqa: E402
from stack import run_cases  # noqa: E402

KEY = "whatsapp:statuses:3"
DIGESTS = "for i = ARGV[1], ARGV[2] do redis.call('SADD', KEYS[1], string.sub(redis.sha1hex(i), 1, 14)) end"
ENTRIES = """for i = ARGV[1], ARGV[2] do
redis.call('XADD', KEYS[1], '*', 'id', 'wamid.HBgLMTIwMjU1NTAxMjMVAgARGBI' .. redis.sha1hex(i), 'status', 'delivered', 'timestamp', '1700000000',
'recipient_id', '12025550123', 'phone_number_id', '800700600500401', 'display_phone_number', '12025550100', 'entry_id', '900100200300401',
'field', 'messages', 'messaging_product', 'whatsapp', 'object', 'whatsapp_business_account', 'errors', '',
'extra', '{"conversation":{"id":"' .. redis.sha1hex(i) .. '","origin":{"type":"utility"}},"pricing":{"billable":true,"pricing_model":"CBP","category":"utility"}}',
'received_at', '2026-01-01T00:00:00.000Z', 'request_id', string.sub(redis.sha1hex(i), 1, 32)) end"""
STEP = 20000


class Watch(threading.Thread):
    """The longest time without an answer to PING."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node, self.longest, self.done = node, 0, threading.Event()
        self.client = run_cases.Redis(node.url())
        self.client.sock.settimeout(120)

    def run(self):
        while not self.done.wait(0.002):
            began = time.monotonic()
            self.client("PING")
            self.longest = max(self.longest, time.monotonic() - began)


def fill(node, script, key, count):
    for n in range(1, count + 1, STEP):
        node("EVAL", script, 1, key, n, min(n + STEP - 1, count))


def measure(cluster, options):
    source = cluster.owner_of(KEY)
    target = next(m for m in cluster.masters() if m is not source)
    for n in range(options.sets):
        fill(source, DIGESTS, "{%s}:seen:%d" % (KEY, n), options.digests // options.sets)
    fill(source, ENTRIES, KEY, options.entries)
    source("SET", "{%s}:seen" % KEY, "0 1700000000")
    cluster.wait_until_whole()
    source.client.sock.settimeout(120)
    cluster.begin_move(slot_of(KEY), target)
    watches = Watch(source), Watch(target)
    for watch in watches:
        watch.start()
    began = time.monotonic()
    for key in source("CLUSTER", "GETKEYSINSLOT", slot_of(KEY), 100):
        report(source, target, key, watches)
    print("all keys: %.2f s" % (time.monotonic() - began))
    for watch in watches:
        watch.done.set()
    time.sleep(2 * options.node_timeout / 1000)
    print("masters afterwards: %s; states: %s" % (cluster.masters(), [n.info("cluster") and n("CLUSTER", "INFO").split()[0].decode() for n in cluster.nodes]))
    print("failovers that were begun: %d" % sum(n.log_text().count("Start of election") for n in cluster.nodes))
    print("marked FAIL: %d" % sum(n.log_text().count("Marking node") for n in cluster.nodes))


def report(source, target, key, watches):
    size = source("MEMORY", "USAGE", key, "SAMPLES", 1000)
    for watch in watches:
        watch.longest = 0
    began = time.monotonic()
    try:
        Cluster.migrate(source, target, key)
        how = "moved"
    except (OSError, run_cases.RedisError) as e:
        how = "FAILED: %s" % e
    took = time.monotonic() - began
    time.sleep(0.2)
    print("%-32s %8.1f MB  MIGRATE %6.2f s  no PONG: source %6.2f s, target %6.2f s  %s"
          % (key.decode(), size / 1e6, took, *(w.longest for w in watches), how), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--digests", type=int, default=1000000)
    parser.add_argument("--entries", type=int, default=100000)
    parser.add_argument("--sets", type=int, choices=(1, 2), default=2)
    parser.add_argument("--node-timeout", type=int, default=15000, help="milliseconds")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tickstream-move-"))
    cluster = Cluster(folder, timeout=options.node_timeout)
    try:
        cluster.start()
        measure(cluster, options)
    finally:
        cluster.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
