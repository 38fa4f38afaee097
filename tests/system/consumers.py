"""The consumers of tests/consumers: how each language is run, entries for them to read, and the comparison of what they
have kept in their database with what there was to read."""
import collections
import contextlib
import os
import random
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess

from stack import STREAM, TOP, Server, run_cases, wait_for

FOLDER = TOP / "tests/consumers"
NODE = shlex.split(os.environ.get("TICKSTREAM_NODE", "/usr/bin/node"))      # another one than Debian's
NODE_PATH = {"NODE_PATH": "/usr/share/nodejs"}
RANKS = {"sent": 1, "delivered": 2, "read": 3, "played": 4}
GROUP = "billing"
DELIVERIES = 3
CLAIM_IDLE = 500        # milliseconds
PAGE = 5000
AT_ONCE = 500           # entries of one call

# As common/redis/publish.lua appends them; four values of each entry are its own.
FILL = """
local ids = {}
for i = 1, #ARGV, 4 do
    ids[#ids + 1] = redis.call('XADD', KEYS[1], '*', 'id', ARGV[i], 'status', ARGV[i + 1], 'timestamp', ARGV[i + 2],
        'recipient_id', ARGV[i + 3], 'phone_number_id', '106540352242922', 'display_phone_number', '12025550100',
        'entry_id', '102290129340398', 'field', 'messages', 'messaging_product', 'whatsapp',
        'object', 'whatsapp_business_account', 'errors', '[]',
        'extra', '{"conversation":{"id":"f0d1","origin":{"type":"utility"}},"pricing":{"billable":true,"category":"utility"}}',
        'received_at', '1795859369863', 'request_id', '5f2b1c9e7a3d4b6f8e0a1c2d3e4f5a6b')
end
return ids
"""


# How each is run ------------------------------------------------------------------------------------------------------

def runs(*command, **settings):
    """None when this succeeds, else what is missing."""
    if not shutil.which(command[0]):
        return "%s is not installed" % command[0]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **NODE_PATH, **settings})
    if done.returncode == 0:
        return None
    lines = [line for line in (done.stderr + done.stdout).splitlines() if re.search("rror|not found|No package|cannot find", line)]
    return "%s: %s" % (command[0], (lines or ["status %d" % done.returncode])[0].strip())


def build_c(folder):
    program = folder / "consumer"
    subprocess.run(["cc", "-std=c17", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-o", program, FOLDER / "consumer.c",
                    "-lhiredis", "-lsqlite3", "-pthread"], check=True)
    return [program]


# With the packages of Debian, and nothing from elsewhere.
GO = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}


def build_go(folder):
    program = folder / "consumer"
    subprocess.run(["go", "build", "-o", program, FOLDER / "consumer.go"], check=True, env={**os.environ, **GO})
    return [program]


# file: in tests/consumers; lacks: returns what is missing, or None; command: returns how it is run, having built it in a
# folder when it must be built; topologies: those that its library knows.
Language = collections.namedtuple("Language", "file lacks command topologies")
ALL = {"one", "sentinel", "cluster"}
LANGUAGES = {
    "python": Language("consumer.py", lambda: None, lambda folder: ["/usr/bin/python3", FOLDER / "consumer.py"], ALL),
    "node": Language("consumer.mjs", lambda: runs(*NODE, "-e", "require('redis'); require('sqlite3')"),
                     lambda folder: [*NODE, FOLDER / "consumer.mjs"], ALL),
    "php": Language("consumer.php", lambda: runs("php", "-r", "new Redis; new SQLite3(':memory:');"),
                    lambda folder: ["php", FOLDER / "consumer.php"], ALL),
    "c": Language("consumer.c", lambda: runs("pkg-config", "--exists", "--print-errors", "hiredis", "sqlite3"), build_c, ALL),
    "go": Language("consumer.go", lambda: runs("go", "list", "github.com/gomodule/redigo/redis", "github.com/mattn/go-sqlite3", **GO),
                   build_go, ALL),
}


def lacks(name):
    """Why this language cannot be tested here; None: it can."""
    language = LANGUAGES[name]
    if not (FOLDER / language.file).exists():
        return "there is no %s" % language.file
    return language.lacks()


class Consumer(Server):
    """One process of it."""

    def __init__(self, folder, name, command, url, database, **settings):
        super().__init__(folder / (name + ".log"))
        self.command = command
        self.env = {"REDIS_URL": url, "DATABASE": str(database), "GROUP": GROUP, "CLAIM_IDLE": str(CLAIM_IDLE),
                    "DELIVERIES": str(DELIVERIES), **{k.upper(): str(v) for k, v in settings.items()}}
        self.kills = 0

    def start(self):
        self.spawn(self.command, env=self.settings())
        return self

    def settings(self):
        """The environment that it has, of ours too."""
        inherited = {k: v for k, v in os.environ.items() if k not in ("REDIS_URL", "STREAM", "CONSUMER", "DATABASE")}
        return {**inherited, **NODE_PATH, **self.env}

    def replace(self):
        """Killed, and another one started."""
        self.stop(signal.SIGKILL)
        self.kills += 1
        return self.start()

    def unexpected_lines(self):
        """What is neither a trouble nor its end."""
        return [line for line in self.log_text().splitlines() if not line.startswith("consumer: ")]


# What there is to read ------------------------------------------------------------------------------------------------

Entry = collections.namedtuple("Entry", "message status")
STORIES = (["sent", "delivered", "read"], ["sent", "delivered", "read", "played"], ["sent", "failed"], ["delivered"],
           ["sent", "read", "warming"])     # of a message, before it is put out of order


class Ledger:
    """What was appended: (stream, entry id) -> Entry; of these, what was removed again."""

    def __init__(self, seed=1):
        self.random = random.Random(seed)
        self.entries, self.removed, self.poison = {}, set(), set()
        self.number = 0

    def more(self, count):
        """(message, status) of each of so many: most messages have several statuses, which come in any order."""
        found = []
        while len(found) < count:
            names = self.random.choice(STORIES)
            self.number += 1
            found += [("wamid.%d" % self.number, name) for name in names]
        found = found[:count]
        self.random.shuffle(found)
        return found

    def fill(self, redis, stream, count):
        for begin in range(0, count, AT_ONCE):
            self.append(redis, stream, self.more(min(AT_ONCE, count - begin)))

    def append(self, redis, stream, statuses):
        words = [word for message, status in statuses
                 for word in (message, status, 1700000000 + RANKS.get(status, 9), "12025550123")]
        for entry_id, status in zip(redis("EVAL", FILL, 1, stream, *words), statuses):
            self.entries[stream, entry_id.decode()] = Entry(*status)

    def add_poison(self, redis, stream):
        """One that no database of the schema takes: its time is no number."""
        [entry_id] = redis("EVAL", FILL, 1, stream, "wamid.poison.%d" % len(self.poison), "sent", "soon", "12025550123")
        self.poison.add((stream, entry_id.decode()))

    def remove(self, redis, stream, ids):
        assert redis("XDEL", stream, *ids) == len(ids)
        self.removed.update((stream, entry_id.decode()) for entry_id in ids)


def stored(redis, stream):
    """What is in the stream now: (stream, entry id) -> Entry."""
    found, last, page = {}, "-", [None] * PAGE
    while len(page) == PAGE:
        page = redis("XRANGE", stream, last, "+", "COUNT", PAGE)
        for entry_id, words in page:
            found[stream, entry_id.decode()] = Entry(words[1].decode(), words[3].decode())
        last = page and b"(" + page[-1][0]
    return found


def pairs(words):
    return {k.decode(): v for k, v in zip(words[::2], words[1::2])}


def group_of(redis, stream):
    """What XINFO says of our group; None: there is none now."""
    try:
        groups = [pairs(words) for words in redis("XINFO", "GROUPS", stream)]
    except (OSError, run_cases.RedisError):
        return None
    return next((group for group in groups if group["name"] == GROUP.encode()), None)


def has_caught_up(redis, stream):
    """Nothing is left to be read, and nothing pending."""
    group = group_of(redis, stream)
    if not group or group["pending"]:
        return False
    return group["last-delivered-id"] == pairs(redis("XINFO", "STREAM", stream))["last-generated-id"]


def dead(redis, stream):
    """Who has been given up: (stream, entry id) -> the fields of its last burial, in order."""
    found = {}
    for _, words in redis("XRANGE", "{%s}:dead" % stream, "-", "+"):
        fields = list(zip(words[::2], words[1::2]))
        names = [name.decode() for name, _ in fields[:5]]
        assert names == ["stream", "entry", "group", "reason", "deliveries"], names
        found[fields[0][1].decode(), fields[1][1].decode()] = fields
    return found


# What they have kept --------------------------------------------------------------------------------------------------

Kept = collections.namedtuple("Kept", "entries messages")    # rows


ENTRIES_KEPT = "SELECT stream, entry_id, count(*) FROM entries GROUP BY 1, 2"
MESSAGES_KEPT = "SELECT id, status, rank, failed, updates FROM messages"


def read_database(path):
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as db:
        return Kept(db.execute(ENTRIES_KEPT).fetchall(), db.execute(MESSAGES_KEPT).fetchall())


def expected_messages(entries):
    """What `messages` must hold when these entries have been handled, each once."""
    found = collections.defaultdict(lambda: ["", 0, None, 0])
    for message, status in entries:
        row = found[message]
        row[3] += 1
        if status == "failed":
            row[2] = 1700000009
        elif RANKS.get(status, 0) > row[1]:
            row[:2] = status, RANKS[status]
    return {message: tuple(row) for message, row in found.items()}


def complaints(kept, present, ledger, given_up=()):
    """A text for each thing that must not be.

    present: what is in the streams; it must have been handled, but for what is poison.  Handled may be, once, also what
    was there and is gone: removed, or lost with a server.
    """
    known = {**ledger.entries, **present}
    rows = {(stream, entry_id): n for stream, entry_id, n in kept.entries}
    messages = {row[0]: row[1:] for row in kept.messages}
    expected = expected_messages(known[key] for key in rows if key in known)
    found = {
        "never handled": present.keys() - rows.keys() - ledger.poison,
        "handled twice": {key for key, n in rows.items() if n > 1},
        "handled, and were never written": rows.keys() - known.keys(),
        "poison, and count as handled": rows.keys() & ledger.poison,
        "poison, and not given up": (ledger.poison & present.keys()) - set(given_up),
        "given up, and good": set(given_up) - ledger.poison,
        "messages that are not as they should be": {
            "%s: %s, not %s" % (message, messages.get(message), expected.get(message))
            for message in messages.keys() | expected.keys() if messages.get(message) != expected.get(message)},
    }
    return ["%d %s: %s ..." % (len(what), name, sorted(what)[:3]) for name, what in found.items() if what]


class Scene:
    """A stream (or its partitions), a database, and the consumers of one group."""

    def __init__(self, folder, command, server, url, partitions=1, seed=1):
        """server: a function of a stream's name, that returns who has it now."""
        self.folder, self.command, self.server, self.url = folder, command, server, url
        self.streams = [STREAM] if partitions == 1 else ["%s:%d" % (STREAM, p) for p in range(partitions)]
        self.database, self.read = folder / "consumer.db", read_database
        self.ledger = Ledger(seed)
        self.consumers = []

    def add(self, command=None, kind=Consumer, **settings):
        settings = {"partitions": len(self.streams), **settings}
        name = "consumer%d" % len(self.consumers)
        self.consumers.append(kind(self.folder, name, command or self.command, self.url, self.database, **settings))
        return self.consumers[-1].start()

    def redis(self, *command, stream=None):
        return self.server(stream or self.streams[0])(*command)

    def fill(self, count):
        """Spread over the partitions; of a message all are in one."""
        for stream in self.streams:
            self.ledger.fill(self.server(stream), stream, count // len(self.streams))

    def wait(self, what="all is handled"):
        wait_for(self.is_done, what)

    def is_done(self):
        assert all(c.is_running() for c in self.consumers), "a consumer has ended: " + self.logs()
        try:
            return all(has_caught_up(self.server(stream), stream) for stream in self.streams) and self.is_poison_buried()
        except (OSError, run_cases.RedisError):
            return False

    def is_poison_buried(self):
        """All that is still in its stream?"""
        for stream, entry_id in self.ledger.poison:
            redis = self.server(stream)
            if redis("XRANGE", stream, entry_id, entry_id) and (stream, entry_id) not in dead(redis, stream):
                return False
        return True

    @contextlib.contextmanager
    def locked(self):
        """The database takes nothing meanwhile."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=30, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            yield
            db.execute("ROLLBACK")

    def complaints(self):
        present, given_up = {}, {}
        for stream in self.streams:
            present.update(stored(self.server(stream), stream))
            given_up.update(dead(self.server(stream), stream))
        return complaints(self.read(self.database), present, self.ledger, given_up)

    def logs(self):
        return "\n".join(c.log_text() for c in self.consumers)

    def end(self):
        """They stop when they are asked to, and have said nothing but what they should."""
        statuses = [c.stop(signal.SIGTERM) for c in self.consumers]
        lines = [line for c in self.consumers for line in c.unexpected_lines()]
        assert not lines and set(statuses) <= {0}, (statuses, lines)

    def close(self):
        for consumer in self.consumers:
            consumer.stop(signal.SIGKILL)

