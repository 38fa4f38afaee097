"""The consumers of tests/consumers: whatever is killed, flushed or taken away, each entry counts once and none stays
pending.  ENTRIES says how many entries a scene has (5,000)."""
import ast
import contextlib
import multiprocessing
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile

import pytest

from cluster import Cluster
from consumers import (DELIVERIES, ENTRIES_KEPT, FOLDER, GROUP, LANGUAGES, MESSAGES_KEPT, Consumer, Kept, Scene, dead, group_of,
                       lacks, pairs, stored)
from replicas import Sentinels
from stack import STREAM, RedisServer, Server, wait_for

try:
    import psycopg2
except ImportError:
    psycopg2 = None

pytestmark = [pytest.mark.consumers, pytest.mark.release_only]

ENTRIES = int(os.environ.get("ENTRIES") or 5000)
ROUNDS = max(10, ENTRIES // 20000 * 10)
PYTHON = LANGUAGES["python"]


def of_languages(topology="one"):
    return pytest.mark.parametrize("language", [name for name in LANGUAGES if topology in LANGUAGES[name].topologies])


@pytest.fixture(scope="session")
def commands(tmp_path_factory):
    """commands(name) is how a language is run; it is built once.  Skips when something is missing."""
    built = {}

    def command(name):
        if missing := lacks(name):
            pytest.skip(missing)
        if name not in built:
            built[name] = LANGUAGES[name].command(tmp_path_factory.mktemp(name))
        return built[name]

    return command


@pytest.fixture
def command(commands, language):
    """How this language is run; the first fixture of a test, since others are slow."""
    return commands(language)


@pytest.fixture
def make_scene(folder):
    """make_scene(command) is a Scene with a Redis of its own, or with a server() and url that are there."""
    scenes, servers = [], []

    def make(command, server=None, url=None, **options):
        own = folder / ("scene%d" % len(scenes))
        own.mkdir()
        if not server:
            redis = RedisServer(own, aof=True)
            redis.start()
            servers.append(redis)
            server, url = (lambda stream: redis), redis.url()
        scenes.append(Scene(own, command, server, url, **options))
        return scenes[-1]

    yield make
    for scene in scenes:
        scene.close()
    for server in servers:
        server.stop(signal.SIGKILL)


@pytest.fixture
def sentinels(folder):
    sentinels = Sentinels(folder / "sentinels").start()
    yield sentinels
    sentinels.stop()


@pytest.fixture
def cluster(folder):
    cluster = Cluster(folder / "cluster").start()
    yield cluster
    cluster.stop()


def copy_of(folder, name, *replacements):
    """A command: consumer.py with other texts in it."""
    text = (FOLDER / PYTHON.file).read_text()
    for old, new in replacements:
        assert text.count(old), "consumer.py has no %r" % old
        text = text.replace(old, new)
    (folder / name).write_text(text)
    return ["/usr/bin/python3", folder / name]


# What happens to them -------------------------------------------------------------------------------------------------

def pending(scene):
    """(id, consumer, idle, deliveries) of each."""
    return scene.redis("XPENDING", STREAM, GROUP, "-", "+", 1000)


def trim_pendings(scene):
    """Each consumer has some in hand, and not handled yet, when it dies; some of these are removed from the stream."""
    wait_for(scene.is_done, "nothing is in hand")
    with scene.locked():
        for number in range(1, 1 + len(scene.consumers)):
            scene.fill(100)     # as many as one takes
            wait_for(lambda: len(pending(scene)) >= 100 * number, "the entries are delivered")
        for consumer in scene.consumers:
            consumer.stop(signal.SIGKILL)
        scene.ledger.remove(scene.server(STREAM), STREAM, [entry[0] for entry in pending(scene)][::3])
    for consumer in scene.consumers:
        consumer.start()


def restart(scene):
    server = scene.server(STREAM)
    server.stop(signal.SIGKILL)
    server.start()


def storm(scene, faults):
    """Entries in rounds, a consumer killed in the middle of each, a fault in some: after how many tenths of all."""
    rand = scene.ledger.random
    for number in range(ROUNDS):
        scene.fill(ENTRIES // ROUNDS)
        rand.choice(scene.consumers).replace()
        faults.get(10 * number / ROUNDS, lambda scene: None)(scene)
    scene.wait()


STORM = {1: lambda scene: scene.ledger.add_poison(scene.redis, STREAM), 3: trim_pendings,
         5: lambda scene: scene.redis("XGROUP", "DESTROY", STREAM, GROUP), 7: restart}


@of_languages()
def test_every_entry_counts_once(command, make_scene, language):     # pylint: disable=unused-argument
    """Consumers are killed, pending entries trimmed, one is poison, the group is destroyed, Redis is killed."""
    scene = make_scene(command)
    scene.add(), scene.add(consumer="always-the-same")
    storm(scene, STORM)
    assert not scene.complaints(), scene.complaints()
    assert len(scene.ledger.removed) >= 60 and len(scene.ledger.entries) >= ENTRIES
    scene.end()
    assert "goes to the dead" in scene.logs()


def test_without_the_unique_key_it_does_not(make_scene, folder):
    """The test above can fail: the same storm with a schema that lacks its key."""
    scene = make_scene(copy_of(folder, "careless.py", ("    entry_id TEXT NOT NULL,\n    PRIMARY KEY (stream, entry_id)\n",
                                                       "    entry_id TEXT NOT NULL\n")))
    scene.add(), scene.add()
    storm(scene, STORM)
    found = " ".join(scene.complaints())
    assert "handled twice" in found and "messages that are not as they should be" in found


@of_languages()
def test_a_full_redis_is_read_from(command, make_scene, language):    # pylint: disable=unused-argument
    """What is read and acknowledged is what makes room again."""
    scene = make_scene(command)
    scene.redis("XGROUP", "CREATE", STREAM, GROUP, "0", "MKSTREAM")
    scene.fill(100)
    scene.redis("CONFIG", "SET", "maxmemory", "1")
    scene.add()
    scene.wait("all is read, though Redis is full")
    scene.redis("CONFIG", "SET", "maxmemory", "0")
    assert not scene.complaints(), scene.complaints()
    scene.end()


@of_languages()
def test_a_flush_is_survived(command, make_scene, language):    # pylint: disable=unused-argument
    """The first start is on a full Redis.  Later all keys are gone, with the groups: the next entries are read from the
    first one on.  Each process has a name of its own."""
    scene = make_scene(command)
    scene.redis("CONFIG", "SET", "maxmemory", "1")
    scene.add(), scene.add()
    wait_for(lambda: re.search("OOM|OutOfMemory|maxmemory", scene.logs()), "they say that Redis is full")
    scene.redis("CONFIG", "SET", "maxmemory", "0")
    wait_for(lambda: len(scene.redis("XINFO", "CONSUMERS", STREAM, GROUP)) == 2 if group_of(scene.redis, STREAM) else False,
             "both read")
    scene.fill(200)
    scene.wait()
    scene.redis("FLUSHALL")
    scene.fill(200)
    scene.wait()
    assert len(stored(scene.server(STREAM), STREAM)) == 200
    assert not scene.complaints(), scene.complaints()
    scene.end()
    assert re.search("NOGROUP|UNBLOCKED", scene.logs())


@of_languages()
def test_poison_leaves(command, make_scene, language):    # pylint: disable=unused-argument
    """With its reason, how often it was delivered, and all that it was; what stands beside it is handled at once."""
    scene = make_scene(command)
    scene.add()
    wait_for(lambda: group_of(scene.redis, STREAM), "it reads")
    scene.fill(10)
    scene.ledger.add_poison(scene.redis, STREAM)
    [key] = scene.ledger.poison
    [[_, original]] = scene.redis("XRANGE", STREAM, key[1], key[1])
    scene.fill(10)
    scene.wait()
    fields = dead(scene.server(STREAM), STREAM)[key]
    values = [value.decode() for _, value in fields[:5]]
    assert values[:3] == [*key, GROUP] and values[4] == str(DELIVERIES)
    assert values[3] and values[3] != "no attempt came to its end"
    assert dict(fields[5:]) == dict(zip(original[::2], original[1::2]))
    assert not scene.complaints(), scene.complaints()
    scene.end()


def watch_one(scene):
    """An entry while the database is locked: its consumer gives signs of life, keeps it, and it counts as delivered once."""
    with scene.locked():
        scene.fill(1)
        [entry] = wait_for(lambda: pending(scene), "it is delivered")
        owner, signs, idle = entry[1], 0, entry[2]
        while signs < 8:        # each comes a fraction of CLAIM_IDLE after the one before
            [now] = pending(scene)
            assert now[1] == owner and now[3] == 1, now
            signs, idle = signs + (now[2] < idle), now[2]


@of_languages()
def test_nobody_claims_what_is_worked_on(command, make_scene, language):     # pylint: disable=unused-argument
    """However long it takes."""
    scene = make_scene(command)
    for _ in range(2):
        scene.add(claim_idle=300)
    scene.fill(2)
    scene.wait()
    watch_one(scene)
    scene.wait()
    assert not scene.complaints(), scene.complaints()
    scene.end()


def test_a_database_that_is_away_buries_nothing(make_scene, folder):
    """What cannot be committed is tried again, and again, without a new delivery."""
    scene = make_scene(copy_of(folder, "impatient.py", ("timeout=5", "timeout=0.01")))
    scene.add(claim_idle=300)
    scene.fill(2)
    scene.wait()
    watch_one(scene)
    scene.wait()
    assert not scene.complaints(), scene.complaints()
    scene.end()
    assert scene.logs().count("database is locked") == scene.logs().count("goes on") == 1


@of_languages("sentinel")
@pytest.mark.cluster
def test_a_failover_of_sentinels_is_survived(command, make_scene, sentinels, language):     # pylint: disable=unused-argument
    """Entries, acknowledgements and the group may be lost with the old master; what the new one has is handled."""
    scene = make_scene(command, lambda stream: sentinels.master() or sentinels.group.master, sentinels.url())
    scene.add(), scene.add()
    scene.fill(ENTRIES // 10)
    wait_for(lambda: group_of(scene.redis, STREAM), "they read")
    sentinels.kill_master()
    scene.fill(ENTRIES // 10)
    scene.wait()
    assert not scene.complaints(), scene.complaints()
    scene.end()


@of_languages("cluster")
@pytest.mark.cluster
def test_partitions_of_a_cluster_are_shared(command, make_scene, cluster, language):     # pylint: disable=unused-argument
    """Two members read four partitions; a member and a node are killed, and another node is made master."""
    scene = make_scene(command, cluster.owner_of, cluster.url(), partitions=4)
    for ordinal in range(2):
        scene.add(consumers=2, ordinal=ordinal)
    scene.fill(ENTRIES // 10)
    wait_for(lambda: all(group_of(scene.server(s), s) for s in scene.streams), "they read")
    victim = cluster.owner_of(scene.streams[0])
    cluster.kill(victim)
    scene.consumers[0].replace()
    scene.fill(ENTRIES // 10)
    scene.wait()
    victim.start()
    cluster.wait_until_whole()
    cluster.failover(cluster.replicas_of(cluster.owner_of(scene.streams[1]))[0])
    scene.fill(ENTRIES // 10)
    scene.wait()
    names = [{pairs(c)["name"] for c in scene.redis("XINFO", "CONSUMERS", s, GROUP, stream=s)} for s in scene.streams]
    assert not names[0] & names[1]
    assert not scene.complaints(), scene.complaints()
    scene.end()


# The effect counts once -----------------------------------------------------------------------------------------------

ON_THE_WAY = ("handle", "handle_once", "handle_new", "attempt", "apply", "acknowledge", "bury")     # functions of consumer.py


def steps(source):
    """Its text with step(N) before each statement of these functions, and behind the last of each block; and how many."""
    tree, count = ast.parse(source), 0

    def step():
        nonlocal count
        count += 1
        return ast.parse("step(%d)" % (count - 1)).body[0]

    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name in ON_THE_WAY):
        for node in ast.walk(function):
            for name in "body", "orelse", "finalbody":
                block = getattr(node, name, None)
                if isinstance(block, list):
                    last = [] if not block or isinstance(block[-1], (ast.Return, ast.Raise)) else [step()]
                    setattr(node, name, [s for statement in block for s in (step(), statement)] + last)
    tree.body[1:1] = ast.parse("""
import os
def step(n):
    if str(n) == os.environ.get('KILL_AT'):
        os.kill(os.getpid(), 9)
""").body
    return ast.unparse(ast.fix_missing_locations(tree)), count


class Forked(Consumer):
    """One of Python in a process of its own that need not import anything: there are many."""

    def start(self):
        self.process = multiprocessing.get_context("fork").Process(target=self.run)
        self.process.start()
        return self

    def run(self):
        os.environ.update(self.settings())
        with open(self.log, "ab") as log:
            os.dup2(log.fileno(), 2)
        exec(self.command, {"__name__": "__main__"})

    def is_running(self):
        return self.process.is_alive()

    def stop(self, number=signal.SIGKILL, timeout=None):
        if self.is_running():
            os.kill(self.process.pid, number)
        self.process.join(timeout)
        return self.process.exitcode


def test_killed_at_every_step(make_scene):
    """Entries, one of them poison; a consumer that dies at step N; another one goes on."""
    text, count = steps((FOLDER / PYTHON.file).read_text())
    scene = make_scene(compile(text, "steps.py", "exec"))
    reached = 0
    for number in range(count):
        scene.fill(2)
        scene.ledger.add_poison(scene.redis, STREAM)
        consumer = scene.add(kind=Forked, kill_at=number, claim_idle=60, deliveries=1 + number % 2)
        wait_for(lambda: not consumer.is_running() or scene.is_done(), "it dies, or has no such step to do")
        reached += not consumer.is_running()
        consumer.stop()
        scene.consumers.clear()
        scene.add(kind=Forked, claim_idle=60, deliveries=2)
        scene.wait()
        assert not scene.complaints(), (number, scene.complaints())
        scene.consumers.pop().stop(signal.SIGTERM)
    assert count > 40 and reached > count * 3 // 4, (count, reached)


NEWER = (
    ('    if status["status"] == "failed":',
     '    db.execute("UPDATE messages SET sender = ? WHERE id = ?", (status["phone_number_id"], message))\n'
     '    if status["status"] == "failed":'),
    ('    return db\n', '    if not any(row[1] == "sender" for row in db.execute("PRAGMA table_info(messages)")):\n'
     '        db.execute("ALTER TABLE messages ADD COLUMN sender TEXT")\n    return db\n'),
)


def test_two_versions_side_by_side(make_scene, folder):
    """During an upgrade: the newer one also keeps a field that the older one does not know."""
    scene = make_scene(PYTHON.command(folder))
    scene.add(), scene.add()
    scene.fill(ENTRIES // 10)
    scene.wait()
    newer = copy_of(folder, "newer.py", *NEWER)
    for old in list(scene.consumers):
        scene.fill(ENTRIES // 10)
        scene.add(newer)
        scene.fill(ENTRIES // 10)
        assert old.stop(signal.SIGTERM) == 0
        scene.consumers.remove(old)
    scene.fill(ENTRIES // 10)
    scene.wait()
    assert not scene.complaints(), scene.complaints()
    with sqlite3.connect(scene.database) as db:
        assert {row[0] for row in db.execute("SELECT DISTINCT sender FROM messages")} == {None, "106540352242922"}
    scene.end()


# PostgreSQL -----------------------------------------------------------------------------------------------------------

# What is not the same in consumer.py.
POSTGRESQL = (
    ("import sqlite3\n", ""), ("import redis\n", "import psycopg2\nimport redis\n"),
    ("sqlite3.OperationalError", "psycopg2.OperationalError"), ("BEGIN IMMEDIATE", "BEGIN"), ("def open_database():", '''class Database:
    """As handle() and handle_once() use it."""

    def __init__(self):
        connection = psycopg2.connect(DATABASE)
        connection.autocommit = True    # BEGIN and COMMIT are ours
        self.cursor = connection.cursor()
        self.execute(SCHEMA)

    def execute(self, statement, values=()):
        self.cursor.execute(statement.replace("?", "%s"), values)
        return self.cursor

    def rollback(self):
        try:
            self.execute("ROLLBACK")
        except psycopg2.Error:
            pass                        # the connection has gone, and the transaction with it


def open_database():
    return Database()


def open_sqlite():'''),
)


class PostgreSQL(Server):
    """A server of its own, on a unix socket; it is not run by root."""

    def __init__(self, folder):
        super().__init__(folder / "postgresql.log")
        self.data, self.become = folder / "data", []
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
            self.become = ["runuser", "-u", "postgres", "--"]
        [*_, self.programs] = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
        subprocess.run([*self.become, self.programs / "initdb", "-A", "trust", "-U", "test", "-D", self.data], check=True,
                       stdout=subprocess.DEVNULL, cwd="/")
        self.dsn = "host=%s user=test dbname=postgres" % folder

    def start(self):
        self.spawn([self.programs / "postgres", "-D", self.data, "-k", self.data.parent, "-h", ""], cwd="/",
                   user=self.become and "postgres" or None, group=self.become and "postgres" or None)
        wait_for(self.is_ready, "PostgreSQL answers")

    def is_ready(self):
        return subprocess.run([self.programs / "pg_isready", "-q", "-h", self.data.parent], check=False).returncode == 0

    def read(self, dsn):
        with contextlib.closing(psycopg2.connect(dsn)) as db, db.cursor() as cursor:
            found = []
            for statement in ENTRIES_KEPT, MESSAGES_KEPT:
                cursor.execute(statement)
                found.append(cursor.fetchall())
            return Kept(*found)


@pytest.fixture
def postgresql():
    if not (psycopg2 and list(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))):
        pytest.skip("postgresql and python3-psycopg2 are not installed")
    with tempfile.TemporaryDirectory(prefix="tickstream-test-") as path:
        server = PostgreSQL(pathlib.Path(path))
        server.start()
        yield server
        server.stop(signal.SIGINT)


def test_the_same_with_postgresql(make_scene, folder, postgresql):
    """The same schema, the same SQL, and a database that is killed too."""
    def kill(_):
        postgresql.stop(signal.SIGQUIT)
        postgresql.start()

    scene = make_scene(copy_of(folder, "postgresql.py", *POSTGRESQL))
    scene.database, scene.read = postgresql.dsn, postgresql.read
    scene.add(), scene.add()
    storm(scene, {**STORM, 3: kill})
    assert not scene.complaints(), scene.complaints()
    scene.end()


# The schema -----------------------------------------------------------------------------------------------------------

def plain(text):
    """Without comments, and with a blank for each white space."""
    return " ".join(re.sub(r"--.*", "", text).split())


@of_languages()
def test_the_schema_is_the_same_everywhere(language):
    file = FOLDER / LANGUAGES[language].file
    if not file.exists():
        pytest.skip("there is no %s" % file.name)
    text = re.sub(r'\\n|["\'`+.;]', " ", file.read_text())      # what languages put between the lines of a text
    text = " ".join(text.split())
    for statement in plain((FOLDER / "schema.sql").read_text()).replace("'", " ").split(";"):
        assert " ".join(statement.split()) in text
