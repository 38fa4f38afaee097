#!/usr/bin/env python3
"""A consumer of Tickstream's stream.  Copy it, replace handle(), and run as many of it as you like.

Needs python3-redis (redis-py 4.3 or later) and Redis 7.  A line of stderr tells each kind of trouble when it begins, and
one when it is over; it ends by SIGTERM or SIGINT alone, with what it has in hand finished.

REDIS_URL    redis://localhost:6379/0, rediss://, unix:///PATH, redis+sentinel://host:port,host:port/NAME/db,
             redis+cluster://host:port,host:port; each may have user:password@
STREAM       whatsapp:statuses
PARTITIONS   1; N > 1: STREAM:0 to STREAM:N-1, as STREAM_PARTITIONS says
CONSUMERS    1   with ORDINAL (0): this one reads the partitions p with p % CONSUMERS == ORDINAL
GROUP        billing
CONSUMER     host-pid-random; two that run at once must not have the same name
DATABASE     consumer.db: a file of SQLite; for PostgreSQL open_database() is another one, and the SQL stays
CLAIM_IDLE   60000: after so many milliseconds without a sign of life an entry is taken from the consumer that has it
DELIVERIES   5: an entry that has failed so often goes to {STREAM}:dead
"""
import logging
import os
import random
import secrets
import signal
import socket
import sqlite3
import sys
import threading
import time
from urllib.parse import unquote

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.sentinel import Sentinel

REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0")
STREAM = os.environ.get("STREAM", "whatsapp:statuses")
PARTITIONS = int(os.environ.get("PARTITIONS", "1"))
CONSUMERS = int(os.environ.get("CONSUMERS", "1"))
ORDINAL = int(os.environ.get("ORDINAL", "0"))
GROUP = os.environ.get("GROUP", "billing")
CONSUMER = os.environ.get("CONSUMER") or "%s-%d-%s" % (socket.gethostname(), os.getpid(), secrets.token_hex(4))
DATABASE = os.environ.get("DATABASE", "consumer.db")
CLAIM_IDLE = int(os.environ.get("CLAIM_IDLE", "60000"))
DELIVERIES = int(os.environ.get("DELIVERIES", "5"))
BATCH = 100             # entries that are read, and handled in one transaction
BLOCK = max(1, min(1000, CLAIM_IDLE // 2))      # milliseconds: how long a read waits, and so how long SIGTERM may take

SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    stream TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    PRIMARY KEY (stream, entry_id)
);
CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 512),
    recipient TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT '',
    rank INTEGER NOT NULL DEFAULT 0,
    at BIGINT NOT NULL DEFAULT 0 CHECK (at BETWEEN 0 AND 99999999999),
    failed BIGINT CHECK (failed BETWEEN 0 AND 99999999999),
    updates INTEGER NOT NULL DEFAULT 1
);
"""
RANKS = {"sent": 1, "delivered": 2, "read": 3, "played": 4}
stopping = threading.Event()


class Later(Exception):
    """What handle() raises when the trouble is not the entry's: it is tried again for as long as it takes."""


# Replace this ---------------------------------------------------------------------------------------------------------

def handle(db, status):
    """What an entry does, in a transaction that is committed before the entry is acknowledged: all of it counts once.

    What is done outside of `db` may happen twice.  An exception means that the entry cannot be handled; after DELIVERIES
    of them it goes to {STREAM}:dead.  With PARTITIONS it is called from several threads.
    """
    message, at = status["id"], int(status["timestamp"] or 0)
    db.execute("INSERT INTO messages (id, recipient) VALUES (?, ?)"
               " ON CONFLICT (id) DO UPDATE SET updates = messages.updates + 1", (message, status["recipient_id"]))
    if status["status"] == "failed":
        db.execute("UPDATE messages SET failed = ? WHERE id = ? AND failed IS NULL", (at, message))
    elif rank := RANKS.get(status["status"]):       # one of a later Meta is counted, and changes nothing
        db.execute("UPDATE messages SET status = ?, rank = ?, at = ? WHERE id = ? AND rank < ?",
                   (status["status"], rank, at, message, rank))


# The rest may stay as it is -------------------------------------------------------------------------------------------

def open_database():
    db = sqlite3.connect(DATABASE, timeout=5, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")     # what is committed survives the loss of power: only then is it acknowledged
    for statement in SCHEMA.split(";"):
        db.execute(statement)
    return db


def handle_once(db, stream, entries):
    """All of them in one transaction, or none."""
    db.execute("BEGIN IMMEDIATE")
    try:
        for entry_id, status in entries:
            new = db.execute("INSERT INTO entries (stream, entry_id) VALUES (?, ?) ON CONFLICT DO NOTHING", (stream, entry_id))
            if new.rowcount:
                handle(db, status)
        db.execute("COMMIT")
    except BaseException:
        db.rollback()
        raise


def connect():
    scheme, _, rest = REDIS_URL.partition("://")
    how = {"decode_responses": True, "encoding_errors": "surrogateescape", "socket_timeout": BLOCK / 1000 + 5}
    if "+" not in scheme:
        return redis.Redis.from_url(REDIS_URL, **how)
    place, _, path = rest.partition("/")
    login, _, nodes = place.rpartition("@")
    if login:
        user, _, password = login.partition(":")
        how.update(username=unquote(user) or None, password=unquote(password))
    if scheme.startswith("rediss"):
        how.update(ssl=True)
    nodes = [(host.strip("[]"), int(port)) for host, _, port in (node.rpartition(":") for node in nodes.split(","))]
    if scheme.endswith("+cluster"):
        return RedisCluster(startup_nodes=[ClusterNode(*node) for node in nodes], **how)
    name, _, database = path.partition("/")
    sentinels = Sentinel(nodes, sentinel_kwargs={"socket_timeout": 1, **({"ssl": True} if "ssl" in how else {})})
    return sentinels.master_for(name, db=int(database or 0), **how)


class Trouble:
    """Pauses that grow from 0.1 s to 5 s; a line for each kind of trouble, and one when it is over."""

    def __init__(self, name):
        self.name, self.kinds, self.pause = name, set(), 0.1

    def begins(self, error):
        text = " ".join(str(error).split())
        kind = "%s %s" % (type(error).__name__, text.partition(" ")[0])
        if kind not in self.kinds:
            self.kinds.add(kind)
            say("%s: %s: %s" % (self.name, type(error).__name__, text))
        stopping.wait(self.pause * random.uniform(0.5, 1))
        self.pause = min(self.pause * 2, 5)

    def is_over(self):
        if self.kinds:
            say("%s: goes on" % self.name)
        self.kinds, self.pause = set(), 0.1


class Reader(threading.Thread):
    """Reads one stream, in its order."""

    def __init__(self, stream):
        super().__init__()
        self.stream, self.trouble = stream, Trouble(stream)
        self.redis = self.db = None
        self.in_hand, self.since = [], 0

    def run(self):
        while not stopping.is_set():
            try:
                self.redis = connect()
                self.create_group()
                self.retry_own()
                self.read()
            except Exception as e:      # whatever it is: a consumer that ends helps nobody
                self.trouble.begins(e)
            finally:
                self.in_hand = []

    def create_group(self):
        try:
            self.redis.xgroup_create(self.stream, GROUP, id="0", mkstream=True)
        except redis.ResponseError as e:        # a full Redis refuses it before it sees whether the group is there
            if not str(e).startswith("BUSYGROUP") and not self.has_group():
                raise

    def has_group(self):
        try:
            return bool(self.redis.xpending(self.stream, GROUP))
        except redis.ResponseError:
            return False

    def read(self):
        claim_at = 0
        while not stopping.is_set():
            if time.monotonic() >= claim_at:
                self.claim()
                claim_at = time.monotonic() + CLAIM_IDLE / 2000
            answer = self.redis.xreadgroup(GROUP, CONSUMER, {self.stream: ">"}, count=BATCH, block=BLOCK)
            self.trouble.is_over()
            for _, entries in answer or []:
                self.handle_new(entries)

    def retry_own(self):
        """What an earlier run under this name has left, or we did before a connection was lost; one after the other."""
        after = "0"
        while not stopping.is_set():
            answer = self.redis.xreadgroup(GROUP, CONSUMER, {self.stream: after}, count=1)
            if not (answer and answer[0][1]):
                return
            after, status = answer[0][1][0]
            self.retry(after, status)

    def claim(self):
        """What nobody gives a sign of life for; one after the other, so that an entry which kills us counts alone."""
        cursor = "0-0"
        while not stopping.is_set():
            cursor, entries, *deleted = self.redis.xautoclaim(self.stream, GROUP, CONSUMER, CLAIM_IDLE, cursor, count=1)
            if deleted and deleted[0]:
                self.acknowledge(deleted[0])
            for entry_id, status in entries:
                self.retry(entry_id, status)
            if cursor == "0-0":
                return

    def handle_new(self, entries):
        self.take(entries)
        try:
            self.apply(entries)
        except Exception:               # one of them; which?
            for entry_id, status in entries:
                self.attempt(entry_id, status)
        else:
            self.acknowledge([entry_id for entry_id, _ in entries])
        self.in_hand = []

    def retry(self, entry_id, status):
        self.take([(entry_id, status)])
        if status:
            self.attempt(entry_id, status)
        elif entry_id:                  # it was removed from the stream
            self.acknowledge([entry_id])
        self.in_hand = []

    def attempt(self, entry_id, status):
        pending = self.redis.xpending_range(self.stream, GROUP, entry_id, entry_id, 1)
        if not pending:
            return                      # somebody else was quicker
        deliveries = pending[0]["times_delivered"]
        if deliveries > DELIVERIES:
            self.bury(entry_id, status, "no attempt came to its end", deliveries)
            return
        try:
            self.apply([(entry_id, status)])
        except Exception as e:
            if deliveries >= DELIVERIES:
                self.bury(entry_id, status, "%s: %s" % (type(e).__name__, e), deliveries)
        else:
            self.acknowledge([entry_id])

    def apply(self, entries):
        """Waits as long as it takes for a database that is away."""
        while True:
            try:
                self.db = self.db or open_database()
                return handle_once(self.db, self.stream, entries)
            except (sqlite3.OperationalError, Later) as e:
                self.db = None
                self.trouble.begins(e)
                if stopping.is_set():
                    sys.exit()          # this thread; they stay pending

    def acknowledge(self, ids):
        self.redis.xack(self.stream, GROUP, *ids)

    def bury(self, entry_id, status, reason, deliveries):
        say("%s: %s goes to the dead after %d deliveries: %s" % (self.stream, entry_id, deliveries, reason))
        self.redis.xadd("{%s}:dead" % self.stream, {"stream": self.stream, "entry": entry_id, "group": GROUP, "reason": reason,
                                                    "deliveries": deliveries, **status})
        self.acknowledge([entry_id])

    def take(self, entries):
        self.in_hand, self.since = [entry_id for entry_id, _ in entries], time.monotonic()

    def give_sign_of_life(self):
        """From another thread: while handle() works nobody claims what it works on."""
        ids = self.in_hand
        if ids and time.monotonic() - self.since > CLAIM_IDLE / 4000:
            self.redis.xclaim(self.stream, GROUP, CONSUMER, 0, ids, justid=True)


def keep_alive(readers):
    while True:
        time.sleep(CLAIM_IDLE / 4000)
        for reader in readers:
            try:
                reader.give_sign_of_life()
            except Exception:
                pass                    # the reader meets it too, and tells


def say(line):
    print("consumer: " + line, file=sys.stderr, flush=True)


def main():
    for number in signal.SIGTERM, signal.SIGINT:
        signal.signal(number, lambda *_: stopping.set())
    streams = [STREAM] if PARTITIONS == 1 else ["%s:%d" % (STREAM, p) for p in range(PARTITIONS) if p % CONSUMERS == ORDINAL]
    logging.getLogger("redis").addHandler(logging.NullHandler())    # it would tell each attempt
    readers = [Reader(stream) for stream in streams]
    threading.Thread(target=keep_alive, args=(readers,), daemon=True).start()
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()


if __name__ == "__main__":
    main()
