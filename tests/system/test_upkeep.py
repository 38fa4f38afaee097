"""upkeep.lua by itself, against a Redis whose clock the test moves: lives of streams in tables, and at random.

Nothing goes that a group has not acknowledged, nor what is younger than is to be kept; all else goes in the end, but
for the entry at a last-delivered-id.
"""
import pathlib
import random
import shlex
import tempfile

import pytest

import run_cases
from stack import QUARANTINE, STREAM, TOP, Clock, RedisServer

SOURCE = (TOP / "common/redis/upkeep.lua").read_text()
LEASE, EVENTS, DEAD, ROOM, *SEEN = ("{%s}:%s" % (STREAM, name)
                                    for name in ("upkeep", "events", "dead", "room", "seen:0", "seen:1"))
HOUR = 3600_000
LISTED = 32
BIG = 2**64 - 1
FIGURES = ("removed", "unquarantined", "forgotten", "buried", "more", "length", "quarantined", "events", "dead",
           "bytes_stream", "bytes", "bytes_events", "bytes_dead", "cut", "cut_events", "used", "most", "digests", "version",
           "oldest", "why", "group_count")
GROUP_FIGURES = ("name", "pending", "lag", "oldest", "last", "consumers", "state", "holds")


@pytest.fixture(scope="module")
def server(clock_library):
    """One for all tests: its clock only goes forward."""
    with tempfile.TemporaryDirectory(prefix="tickstream-test-") as path:
        folder = pathlib.Path(path)
        server = RedisServer(folder)
        server.clock = Clock(folder / "clock", clock_library)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def redis(server):
    for name, value in {"maxmemory": 0, "stream-node-max-entries": 100, "stream-node-max-bytes": 4096}.items():
        server("CONFIG", "SET", name, value)
    server("FLUSHALL")
    return server


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def upkeep(redis, *groups, keep=0, dead=0, most=1000, quarantine_keep=0, events_keep=0, dry=0, who="we", lease=HOUR,
           quarantine_most=0, events_most=0, partitions=1):
    """What a call returns by names, with "groups" by theirs; None when the lease is somebody else's."""
    reply = redis("EVAL", SOURCE, 8, STREAM, LEASE, QUARANTINE, EVENTS, DEAD, ROOM, *SEEN, who, lease, keep, dead, most,
                  quarantine_keep, events_keep, dry, quarantine_most, events_most, partitions, *groups)
    if reply == [0]:
        return None
    assert reply[0] == 1
    told = {name: text(value) for name, value in zip(FIGURES, reply[1:])}
    listed = [dict(zip(GROUP_FIGURES, map(text, group), strict=True)) for group in reply[1 + len(FIGURES):]]
    assert len(listed) == min(LISTED, told["group_count"])
    told["groups"] = {group["name"]: group for group in listed}
    return told


def upkeep_all(redis, *groups, **how):
    """Calls until there is no more; returns how much was removed of each stream, and what the last call told."""
    removed = [0, 0, 0, 0]
    for _ in range(10000):
        told = upkeep(redis, *groups, **how)
        removed = [a + told[name] for a, name in zip(removed, FIGURES)]
        if not told["more"]:
            return removed, told
    raise AssertionError("there is more for ever")


def ids(redis, stream=STREAM):
    return [text(entry[0]) for entry in redis("XRANGE", stream, "-", "+")]


def order(entry_id):
    return tuple(map(int, entry_id.split("-")))


class Life:
    """What happens to a stream, in words.  Entries are single letters."""

    def __init__(self, redis):
        self.redis, self.ids = redis, {}

    def live(self, steps):
        for verb, *arguments in steps:
            getattr(self, verb)(*arguments)
        return self

    def id(self, name):
        return self.ids.get(name, name)

    def add(self, letters, stream=STREAM):
        for letter in letters:
            self.ids[letter] = text(self.redis("XADD", stream, "*", "name", letter))

    def group(self, name, after="0"):
        self.redis("XGROUP", "CREATE", STREAM, name, self.id(after), "MKSTREAM")

    def read(self, group, count, consumer="one"):
        got = self.redis("XREADGROUP", "GROUP", group, consumer, "COUNT", count, "STREAMS", STREAM, ">")
        assert len(got[0][1]) == count

    def ack(self, group, letters):
        assert self.redis("XACK", STREAM, group, *map(self.id, letters)) == len(letters)

    def take(self, group, letters):
        """Reads and acknowledges."""
        self.read(group, len(letters))
        self.ack(group, letters)

    def hours(self, number):
        self.redis.clock.move(3600 * number)

    def call(self, *command):
        self.redis(*map(self.id, command))

    def left(self):
        names = {entry: letter for letter, entry in self.ids.items()}
        return "".join(names[entry] for entry in ids(self.redis))


def step(verb):
    return lambda *arguments: (verb, *arguments)


add, group, read, ack, take, hours, call = map(step, ("add", "group", "read", "ack", "take", "hours", "call"))


def late(*groups):
    """Five entries of an hour ago, and what groups have done."""
    return [add("abcde"), *groups, hours(1)]


# label: steps, arguments of the call, what is left, why, the group that holds the stream
LIVES = {
    "no group": (late(), {}, "abcde", "no group", None),
    "no group, as trimming is off": (late(), {"keep": -1}, "abcde", "", None),
    "all is acknowledged": (late(group("g"), take("g", "abcde")), {}, "e", "", None),
    "trimming is off": (late(group("g"), take("g", "abcde")), {"keep": -1}, "abcde", "", None),
    "a group at the end has never read": (late(group("g", "$")), {}, "e", "", None),
    "a group at the start has never read": (late(group("g")), {}, "abcde", "", "g"),
    "some is not delivered yet": (late(group("g"), take("g", "abc")), {}, "cde", "", "g"),
    "some is pending": (late(group("g"), read("g", 5), ack("g", "abde")), {}, "cde", "", "g"),
    "the first is pending": (late(group("g"), read("g", 5), ack("g", "bcde")), {}, "abcde", "", "g"),
    "the slowest of three groups": (
        late(group("f"), take("f", "abcde"), group("g"), take("g", "ab"), group("h"), read("h", 5), ack("h", "abc")),
        {}, "bcde", "", "g"),
    "pending for the slowest": (
        late(group("f"), take("f", "abc"), group("g"), take("g", "abcd"), group("h"), read("h", 5), ack("h", "a")),
        {}, "bcde", "", "h"),
    "claimed by another consumer": (
        late(group("g"), read("g", 5), ack("g", "abde"), call("XCLAIM", STREAM, "g", "other", 0, "c")),
        {}, "cde", "", "g"),
    "its consumer is deleted, and with it what it had": (
        late(group("g"), read("g", 5), call("XGROUP", "DELCONSUMER", STREAM, "g", "one")), {}, "e", "", None),
    "set back to read again": (
        late(group("g"), take("g", "abcde"), call("XGROUP", "SETID", STREAM, "g", "b")), {}, "bcde", "", "g"),
    "set back below what is pending": (
        late(group("g"), read("g", 5), call("XGROUP", "SETID", STREAM, "g", "b")), {}, "abcde", "", "g"),
    "set back below, the oldest being acknowledged": (
        late(group("g"), read("g", 5), ack("g", "abc"), call("XGROUP", "SETID", STREAM, "g", "b")), {}, "bcde", "", "g"),
    "forced to be pending before it was delivered": (
        late(group("g"), take("g", "a"), call("XCLAIM", STREAM, "g", "one", 0, "d", "FORCE")), {}, "abcde", "", "g"),
    "a pending entry was deleted": (
        late(group("g"), read("g", 5), ack("g", "abde"), call("XDEL", STREAM, "c")), {}, "de", "", "g"),
    "the slow group is destroyed": (
        late(group("g"), take("g", "abcde"), group("h"), call("XGROUP", "DESTROY", STREAM, "h")), {}, "e", "", None),
    "a group that must exist does": (late(group("g"), take("g", "abcde")), {"groups": ["g"]}, "e", "", None),
    "one of those that must exist does not": (
        late(group("g"), take("g", "abcde")), {"groups": ["g", "h"]}, "abcde", "no group h", None),
    "a group that must exist, and there is none": (late(), {"groups": ["g"]}, "abcde", "no group g", None),
    "no stream, and a group that must exist": ([], {"groups": ["g"]}, "", "no group g", None),
    "no stream": ([], {}, "", "no group", None),
    "an empty stream": ([group("g")], {}, "", "", None),
    "younger than is to be kept": (late(group("g"), take("g", "abcde")), {"keep": 1.1 * HOUR}, "abcde", "", None),
    "some is older than is to be kept": (
        [add("ab"), hours(1), add("cde"), group("g"), take("g", "abcde"), hours(1)], {"keep": 1.5 * HOUR}, "cde", "", None),
    "it is age that holds it and no group": (
        [add("ab"), hours(1), add("cde"), group("g"), take("g", "abcd"), hours(1)], {"keep": 1.5 * HOUR}, "cde", "", None),
    "kept for longer than there is time": (late(group("g"), take("g", "abcde")), {"keep": 10**14}, "abcde", "", None),
    "at most so many": (late(group("g"), take("g", "abcde")), {"most": 3}, "de", "", None),
    "at most one": (late(group("g"), take("g", "abcde")), {"most": 1}, "bcde", "", None),
    "a dry run": (late(group("g"), take("g", "abcde")), {"dry": 1}, "abcde", "", None),
    "a group without consumers is dead": (late(group("g"), hours(1)), {"dead": 1.5 * HOUR}, "", "", None),
    "a dead group does not hold it, another does": (
        late(group("g"), group("h"), hours(1), take("h", "ab")), {"dead": 1.5 * HOUR}, "bcde", "", "h"),
    "without consumers, but nothing old waits for it": (
        [group("g", "$"), hours(3), add("abcde"), hours(1)], {"dead": 1.5 * HOUR}, "abcde", "", "g"),
    "a consumer is idle for long": (late(group("g"), read("g", 3), hours(1)), {"dead": 1.5 * HOUR}, "", "", None),
    "a consumer is idle, but not for so long": (
        late(group("g"), read("g", 3)), {"dead": 1.5 * HOUR}, "abcde", "", "g"),
    "one of its consumers is not idle": (
        late(group("g"), read("g", 1), hours(1), read("g", 1, "other")), {"dead": 1.5 * HOUR}, "abcde", "", "g"),
    "all that is idle is a claim": (
        late(group("g"), read("g", 3), hours(1), call("XCLAIM", STREAM, "g", "one", 0, "c")), {"dead": 1.5 * HOUR},
        "abcde", "", "g"),
    "a group that needs nothing is not dead, however idle": (
        late(group("g"), take("g", "abcde"), hours(9)), {"dead": 1.5 * HOUR}, "e", "", None),
    "a dead group must exist, and does": (
        late(group("g"), hours(1)), {"dead": 1.5 * HOUR, "groups": ["g"]}, "", "", None),
    "dead, but younger than is to be kept": (
        late(group("g"), hours(1)), {"dead": 1.5 * HOUR, "keep": 3 * HOUR}, "abcde", "", None),
}


@pytest.mark.parametrize("label", LIVES)
def test_what_is_left(redis, label):
    steps, how, left, why, holder = LIVES[label]
    life = Life(redis).live(steps)
    how = dict(how)
    groups = how.pop("groups", [])
    before = life.left()
    told = upkeep(redis, *groups, **how)
    assert (life.left(), told["why"]) == (left, why)
    assert [name for name, group in told["groups"].items() if group["holds"]] == [holder] * (holder is not None)
    assert told["length"] == len(left)
    assert told["oldest"] == (life.ids[left[0]] if left else "")
    if not how.get("dry"):
        assert told["removed"] == len(before) - len(left)
        assert told["more"] == ("most" in how)


@pytest.mark.parametrize("idle,state", [(0.1, 0), (0.9, 0), (1.1, 1), (1.9, 1), (2.1, 2)])
def test_a_group_is_seen_to_die(redis, idle, state):
    life = Life(redis).live([add("abc"), group("g"), read("g", 2), group("h"), take("h", "abc"), hours(idle)])
    told = upkeep(redis, dead=2 * HOUR, keep=-1)
    version = [int(n) for n in text(redis("INFO", "server")).split("redis_version:")[1].split("\r")[0].split(".")]
    assert told["groups"] == {
        "g": {"name": "g", "pending": 2, "lag": 1 if version >= [7] else -1, "oldest": life.ids["a"], "state": state,
              "last": life.ids["b"], "consumers": 1, "holds": state < 2},
        "h": {"name": "h", "pending": 0, "lag": 0 if version >= [7] else -1, "oldest": "", "last": life.ids["c"],
              "consumers": 1, "state": 0, "holds": 0}}


def test_a_dead_group_comes_back(redis):
    life = Life(redis).live([add("ab"), group("g"), read("g", 1), hours(3), add("c")])
    assert upkeep(redis, dead=2 * HOUR, keep=-1)["groups"]["g"]["state"] == 2
    life.live([read("g", 1)])
    assert upkeep(redis, dead=2 * HOUR)["groups"]["g"]["state"] == 0
    assert life.left() == "abc"


@pytest.mark.parametrize("first,second,third", [
    ("1-1", "1-2", "1-3"), ("9-0", "10-0", "10-1"), ("5-9", "5-10", "6-0"),
    ("7-%d" % (BIG - 1), "7-%d" % BIG, "8-0"), ("9-%d" % (10**19 - 1), "9-%d" % 10**19, "10-0"),
    ("9007199254740993-9007199254740992", "9007199254740993-9007199254740993", "9007199254740993-9007199254740994")])
def test_ids_are_compared_exactly(redis, first, second, third):
    """Of two groups the later one acknowledged all, and the other is at the second; ids of the future do not go."""
    for entry in first, second, third:
        redis("XADD", STREAM, entry, "name", "value")
    for name, last in ("g", third), ("h", second), ("i", third):
        redis("XGROUP", "CREATE", STREAM, name, last)
    told = upkeep(redis)
    is_past = order(first)[0] < 10**13
    assert ids(redis) == ([second, third] if is_past else [first, second, third])
    assert told["oldest"] == (second if is_past else first)


def test_age_alone_bounds_quarantine_events_and_dead(redis):
    life = Life(redis)
    life.live([add("ab", QUARANTINE), add("cde", EVENTS), hours(2), add("f", QUARANTINE), add("g", EVENTS)])
    redis("XGROUP", "CREATE", QUARANTINE, "a group", "0")
    told = upkeep(redis, quarantine_keep=3 * HOUR, events_keep=3 * HOUR)
    assert (told["unquarantined"], told["forgotten"], told["quarantined"], told["events"]) == (0, 0, 3, 4)
    assert told["bytes"] == redis("MEMORY", "USAGE", QUARANTINE)
    told = upkeep(redis, events_keep=HOUR, most=2)
    assert (told["unquarantined"], told["forgotten"], told["quarantined"], told["events"], told["more"]) == (0, 2, 3, 2, 1)
    removed, told = upkeep_all(redis, quarantine_keep=HOUR, events_keep=HOUR)
    assert (removed, told["quarantined"], told["events"]) == ([0, 2, 1, 0], 1, 1)
    assert (told["length"], told["why"]) == (0, "no group")
    assert (ids(redis, QUARANTINE), ids(redis, EVENTS)) == ([life.ids["f"]], [life.ids["g"]])
    life.live([add("xyz", DEAD), hours(2), add("w", DEAD)])
    removed, told = upkeep_all(redis, quarantine_keep=HOUR)
    assert (removed, told["dead"], told["bytes_dead"]) == ([0, 1, 0, 3], 1, redis("MEMORY", "USAGE", DEAD))


@pytest.mark.parametrize("most,removed", [(4, (4, 0, 0)), (6, (5, 1, 0)), (7, (5, 2, 0)), (9, (5, 2, 2)), (99, (5, 2, 3))])
@pytest.mark.parametrize("dry", (0, 1))
def test_a_call_removes_so_many_of_all_streams(redis, most, removed, dry):
    Life(redis).live([add("abcdef"), group("g"), take("g", "abcdef"), add("gh", QUARANTINE), add("ijk", EVENTS), hours(1)])
    told = upkeep(redis, most=most, quarantine_keep=1, events_keep=1, dry=dry)
    assert tuple(told[name] for name in FIGURES[:3]) == removed
    assert told["more"] == (most < 10)
    assert (told["length"], told["quarantined"], told["events"]) == tuple(
        n - (not dry) * r for n, r in zip((6, 2, 3), removed))
    assert [len(ids(redis, key)) for key in (STREAM, QUARANTINE, EVENTS)] == [
        told["length"], told["quarantined"], told["events"]]


def test_one_has_the_lease(redis):
    life = Life(redis).live(late(group("g"), take("g", "abcde")))
    assert upkeep(redis, who="another", lease=10 * HOUR, keep=-1)
    assert upkeep(redis) is None
    assert life.left() == "abcde"
    assert upkeep(redis, dry=1)["removed"] == 4
    life.live([hours(9)])
    assert upkeep(redis, who="another", lease=10 * HOUR, keep=-1)
    life.live([hours(9)])
    assert upkeep(redis) is None
    life.live([hours(1.1)])
    assert upkeep(redis)["removed"] == 4
    assert (redis("GET", LEASE), upkeep(redis, who="another")) == (b"we", None)


def test_a_dry_run_writes_nothing(redis):
    Life(redis).live([*late(group("g"), take("g", "abcde")), add("fg", QUARANTINE), hours(1)])
    offset = redis("INFO", "persistence").split(b"aof_current_size:")[1].split(b"\r")[0]
    told = upkeep(redis, dry=1, quarantine_keep=1)
    assert (told["removed"], told["unquarantined"], told["more"], redis("EXISTS", LEASE)) == (4, 2, 0, 0)
    assert redis("INFO", "persistence").split(b"aof_current_size:")[1].split(b"\r")[0] == offset


def test_a_full_server_is_helped(redis):
    life = Life(redis).live(late(group("g"), take("g", "abcde")))
    redis("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(run_cases.RedisError, match="OOM"):
        life.live([add("f")])
    assert upkeep(redis, most=3)["removed"] == 3
    assert redis("EXISTS", LEASE) == 0
    redis("CONFIG", "SET", "maxmemory", 0)
    assert upkeep(redis, most=1, keep=-1)
    redis("CONFIG", "SET", "maxmemory", 1)
    assert upkeep(redis, lease=9 * HOUR)["removed"] == 1
    assert redis("PTTL", LEASE) > HOUR
    assert upkeep(redis, who="another") is None


@pytest.mark.parametrize("key,want", [
    (STREAM, {"length": -1, "removed": 0, "oldest": "", "unquarantined": 2, "forgotten": 1}),
    (LEASE, {"length": 1, "removed": 4, "unquarantined": 2, "forgotten": 1}),
    (QUARANTINE, {"removed": 4, "unquarantined": 0, "quarantined": -1, "forgotten": 1}),
    (EVENTS, {"removed": 4, "unquarantined": 2, "forgotten": 0, "events": -1})])
def test_a_key_of_another_type(redis, key, want):
    Life(redis).live([*late(group("g"), take("g", "abcde")), add("fg", QUARANTINE), add("h", EVENTS), hours(1)])
    redis("DEL", key)
    redis("LPUSH", key, "a list")
    told = upkeep(redis, quarantine_keep=1, events_keep=1)
    assert {name: told[name] for name in want} == want
    assert (told["more"], told["why"][:9]) == (0, "WRONGTYPE" if key == STREAM else "")
    assert redis("TYPE", key) == b"list"


# what is forbidden: is anything removed?
FORBIDDEN = {"xtrim": False, "xinfo|groups": False, "xinfo|stream": False, "xpending": False, "xrange": False,
             "xinfo|consumers": True, "memory|usage": True, "set": True, "get": True, "xlen": True}


@pytest.mark.parametrize("command", FORBIDDEN)
def test_a_command_is_forbidden(redis, command):
    """Nothing goes by what could not be asked, the reason is told, and nobody is told to go on at once."""
    life = Life(redis).live(late(group("g"), read("g", 5), ack("g", "ab")))
    redis("ACL", "SETUSER", "default", "-" + command)
    told = upkeep(redis, dead=1.9 * HOUR)
    redis("ACL", "SETUSER", "default", "+@all")
    assert (told["removed"], told["more"]) == (2 if FORBIDDEN[command] else 0, 0)
    assert bool(told["why"]) != FORBIDDEN[command]
    assert life.left() == ("cde" if FORBIDDEN[command] else "abcde")
    assert (told["bytes"] == -1) == (command in ("memory|usage", "xlen"))


RIGHTS = ("+pexpire", "+xtrim", "+xrange", "+xlen", "+xpending", "+xinfo|stream", "+xinfo|groups", "+xinfo|consumers",
          "+memory|usage")


@pytest.mark.parametrize("without", [None, *RIGHTS])
def test_least_rights(redis, make_stack, without):
    """What `tickstream acl` prints is enough, and nothing of it is idle."""
    words = shlex.split(make_stack(start=False, redis=False, nginx=False).program.run("acl").stdout)
    assert set(RIGHTS) < set(words)
    Life(redis).live([*late(group("g"), read("g", 5), ack("g", "ab")), add("fg", QUARANTINE), add("h", EVENTS), hours(1)])
    assert upkeep(redis, keep=-1)
    redis("CONFIG", "SET", "maxmemory", 1)  # PEXPIRE is for a server that refuses SET
    redis("ACL", "LOG", "RESET")
    redis("ACL", "SETUSER", "default", "resetkeys", "-@all", "+acl", *(w for w in words if w[0] in "~+" and w != without))
    try:
        told = upkeep(redis, dead=3 * HOUR, quarantine_keep=1, events_keep=1)
        forbidden = redis("ACL", "LOG")
    finally:
        redis("ACL", "SETUSER", "default", "allkeys", "+@all")
    assert (forbidden == []) == (without is None)
    if not without:
        assert [told[name] for name in FIGURES[:3]] == [2, 2, 1] and told["bytes"] >= 0 and told["why"] == ""


def test_of_many_groups_the_one_that_holds_is_told(redis):
    life = Life(redis).live(late(*[group("group %02d" % i, "$") for i in range(40)]))
    life.live([call("XGROUP", "SETID", STREAM, "group 37", "b")])
    told = upkeep(redis)
    assert (told["group_count"], life.left()) == (40, "bcde")
    assert [name for name in told["groups"] if told["groups"][name]["holds"]] == ["group 37"]
    assert list(told["groups"])[:31] == ["group %02d" % i for i in range(31)]


NODES = [(100, 4096), (0, 4096), (0, 16384), (5000, 0), (0, 0), (1, 4096), (7, 300)]


@pytest.mark.parametrize("entries,size", NODES)
@pytest.mark.parametrize("value", (10, 3000))
def test_however_nodes_are_made_up(redis, entries, size, value):
    redis("CONFIG", "SET", "stream-node-max-entries", entries, "stream-node-max-bytes", size)
    for i in range(1, 700):
        redis("XADD", STREAM, "%d-%d" % (i // 3 + 1, i), "name", "x" * value)
    every = ids(redis)
    redis("XGROUP", "CREATE", STREAM, "g", every[630])
    removed, told = upkeep_all(redis, most=150)
    assert (removed[0], ids(redis)) == (630, every[630:])
    assert told["oldest"] == every[630]


def test_large_entries_go_too(redis):
    """Those that share a node with a younger one are read two at a time."""
    redis("CONFIG", "SET", "stream-node-max-bytes", 0)
    for i in [*("%d-0" % (i + 1) for i in range(6)), "*"]:
        redis("XADD", QUARANTINE, i, "raw", "x" * 2000000)
    told = upkeep(redis, quarantine_keep=HOUR)
    assert (told["unquarantined"], told["quarantined"], told["more"]) == (1, 6, 1)
    assert upkeep_all(redis, quarantine_keep=HOUR)[0][1] == 5


def test_of_large_entries_fewer_go_at_once(redis):
    """To free much takes long."""
    for i in range(40):
        redis("XADD", QUARANTINE, "%d-0" % (i + 1), "raw", "x" * 1000000)
    assert 5 <= upkeep(redis, quarantine_keep=HOUR)["unquarantined"] <= 9
    assert upkeep_all(redis, quarantine_keep=HOUR)[1]["quarantined"] == 0


class Chance:
    """A stream and its groups at random, and what of it each group still needs."""

    def __init__(self, redis, seed):
        self.redis, self.random, self.log = redis, random.Random(seed), []
        self.need, self.moved = {}, {}          # of each group: ids; when somebody moved it last, or None
        redis("FLUSHALL")
        self.do("CONFIG", "SET", "stream-node-max-entries", self.random.choice((0, 3, 5, 100)),
                "stream-node-max-bytes", self.random.choice((0, 300, 4096)))

    def do(self, *command):
        reply = self.redis(*command)
        self.log.append(" ".join(map(str, command)) + " -> " + str(reply)[:200])
        return reply

    def now(self):
        seconds, microseconds = map(int, self.redis("TIME"))
        return seconds * 1000 + microseconds // 1000

    def group(self):
        return self.random.choice(sorted(self.need)) if self.need else None

    def consumer(self):
        return "consumer %d" % self.random.randrange(3)

    def last(self):
        """The last-delivered-id of each group."""
        pairs = [dict(zip(g[::2], g[1::2])) for g in self.redis("XINFO", "GROUPS", STREAM)]
        return {text(g[b"name"]): text(g[b"last-delivered-id"]) for g in pairs}

    def forget(self, group, entries):
        """They are not pending any more.  Those that it is yet to get again, having been set back, it still needs."""
        last = order(self.last()[group])
        self.need[group] -= {i for i in entries if order(i) <= last}

    def some_id(self):
        return self.random.choice(ids(self.redis) or ["0-0"])

    def pending(self, group, *consumer):
        return [text(p[0]) for p in self.redis("XPENDING", STREAM, group, "-", "+", 100000, *consumer)]

    def add(self):
        for _ in range(self.random.choice((1, 3, 20))):
            entry = text(self.do("XADD", STREAM, "*", "name", "x" * self.random.choice((1, 10, 100))))
            for need in self.need.values():
                need.add(entry)

    def pass_time(self):
        self.redis.clock.move(self.random.choice((1, 600, 3600)))

    def make_group(self):
        name, after = "group %d" % self.random.randrange(4), self.random.choice(("0-0", "$", self.some_id()))
        if name not in self.need:
            self.do("XGROUP", "CREATE", STREAM, name, after, "MKSTREAM")
            self.set_back(name, after, ())
            self.moved[name] = None

    def set_back(self, group, after, pending):
        after = after.replace("$", "%d-0" % BIG)
        self.need[group] = {i for i in ids(self.redis) if order(i) > order(after)} | set(pending)

    def destroy_group(self):
        if self.group() and self.random.random() < 0.4:
            name = self.group()
            self.do("XGROUP", "DESTROY", STREAM, name)
            del self.need[name], self.moved[name]

    def set_id(self):
        if self.group() and self.random.random() < 0.3:
            name, after = self.group(), self.some_id()
            self.do("XGROUP", "SETID", STREAM, name, after)
            self.set_back(name, after, self.pending(name))

    def read(self):
        name = self.group()
        if name and self.do("XREADGROUP", "GROUP", name, self.consumer(), "COUNT", self.random.choice((1, 5, 30)),
                            "STREAMS", STREAM, ">"):
            self.moved[name] = self.now()

    def acknowledge(self):
        name = self.group()
        pending = name and self.pending(name)
        if not pending:
            return
        some = pending[:self.random.randrange(30)] + self.random.sample(pending, min(2, len(pending)))
        if self.random.random() < 0.2:          # also one that it may never have got, which means nothing
            some.append(self.some_id())
        self.do("XACK", STREAM, name, *some)
        self.forget(name, set(pending) & set(some))

    def claim(self):
        name = self.group()
        if not name:
            return
        entry, exists = self.some_id(), self.redis("EXISTS", STREAM)
        if self.random.random() < 0.5:
            got = self.do("XAUTOCLAIM", STREAM, name, self.consumer(), 0, "0", "COUNT", 5)[1]
        elif self.random.random() < 0.7:
            got = self.do("XCLAIM", STREAM, name, self.consumer(), 0, entry)
        else:
            got = self.do("XCLAIM", STREAM, name, self.consumer(), 0, entry, "FORCE")
        self.need[name].update(text(g[0]) for g in got if exists and g)
        self.need[name] -= self.deleted - set(self.pending(name))
        if got:
            self.moved[name] = self.now()

    deleted = frozenset()

    def delete(self):
        if self.random.random() < 0.2:
            entry = self.some_id()
            self.do("XDEL", STREAM, entry)
            self.deleted |= {entry}

    def delete_consumer(self):
        if self.group() and self.random.random() < 0.4:
            name, consumer = self.group(), self.consumer()
            self.forget(name, self.pending(name, consumer))
            self.do("XGROUP", "DELCONSUMER", STREAM, name, consumer)
            self.moved[name] = None

    def upkeep(self, **how):
        how = how or {"keep": self.random.choice((-1, 0, 0, HOUR, 5 * HOUR)), "dead": self.random.choice((0, 0, 3 * HOUR)),
                      "most": self.random.choice((1, 4, 30, 1000)), "dry": int(self.random.random() < 0.1)}
        how = {"dead": 0, "dry": 0, **how}
        before, start = ids(self.redis), self.now()
        told = upkeep(self.redis, **how)
        self.log.append("upkeep %r -> %r" % (how, told))
        after, now = ids(self.redis), self.now()
        removed = before[:len(before) - len(after)]
        assert removed + after == before, "the oldest go first"
        assert len(removed) == (0 if how["dry"] else told["removed"]) <= how["most"]
        assert (told["length"], told["oldest"]) == (len(after), after[0] if after else "")
        for name, need in self.need.items():
            is_alive = not how["dead"] or self.moved[name] is not None and now - self.moved[name] < how["dead"]
            assert not (is_alive and need & set(removed)), name
        if removed:
            assert how["keep"] >= 0 and self.need
            assert order(removed[-1])[0] < now - how["keep"]
        return told, start

    def finish(self, keep):
        """All goes that may."""
        for _ in range(1000):
            told, start = self.upkeep(keep=keep, most=self.random.choice((1, 10, 1000)))
            if not told["more"]:
                break
        else:
            raise AssertionError("there is more for ever")
        if self.need:
            first = min([order(i) for need in self.need.values() for i in need] + [(start - keep, 0)])
            assert {i for i in ids(self.redis) if order(i) < first} <= set(self.last().values())

    STEPS = ("add", "read", "acknowledge") * 4 + ("pass_time", "upkeep") * 2 + (
        "make_group", "destroy_group", "set_id", "claim", "delete", "delete_consumer")

    def live(self, steps):
        for _ in range(steps):
            getattr(self, self.random.choice(self.STEPS))()
        for keep in HOUR, 0:
            self.finish(keep)


def test_at_random(redis):
    for _ in range(40):
        seed = random.randrange(2**32)
        chance = Chance(redis, seed)
        try:
            chance.live(150)
        except Exception:
            print("Chance(redis, %d).live(150), the last steps:" % seed, *chance.log[-30:], sep="\n")
            raise


MB = 1 << 20

# label: QUARANTINE_MAX, EVENTS_MAX, maxmemory, partitions of the server: what the room says, of quarantine with Q bytes
# and events with E bytes
ROOMS = {
    "no bounds": ("0", "0", 0, 1, "- -"),
    "bytes": (1000000, 500000, 0, 1, "{1000000-Q} {500000-E}"),
    "a part of maxmemory": ("10%", "5%", 64 * MB, 1, "{64*MB//10-Q} {64*MB//20-E}"),
    "a part of nothing": ("10%", "10%", 0, 1, "- -"),
    "partitions share": ("10%", 1600000, 64 * MB, 16, "{64*MB//160-Q} {100000-E}"),
    "there is more than that": (100, 1000000, 0, 1, "0 {1000000-E}"),
    "only one has a bound": ("0", 1000000, 0, 1, "- {1000000-E}"),
}


@pytest.mark.parametrize("label", ROOMS)
def test_room_is_what_is_left_of_the_bound(redis, label):
    quarantine_most, events_most, maxmemory, partitions, want = ROOMS[label]
    redis("CONFIG", "SET", "maxmemory", maxmemory)
    redis("XADD", QUARANTINE, "*", "raw", "a" * 5000)
    redis("XADD", EVENTS, "*", "raw", "b" * 3000)
    told = upkeep(redis, quarantine_most=quarantine_most, events_most=events_most, partitions=partitions)
    values = {"MB": MB, "Q": told["bytes"], "E": told["bytes_events"]}
    want = " ".join(part if part == "-" else str(eval(part.strip("{}"), values)) for part in want.split())
    assert text(redis("GET", ROOM)) == want + " 0 0"


def test_what_was_cut_is_told_once(redis):
    redis("SET", ROOM, "0 5 7 3")
    dry = upkeep(redis, dry=1, quarantine_most=100)
    assert text(redis("GET", ROOM)) == "0 5 7 3"
    told, again = upkeep(redis, quarantine_most=100), upkeep(redis, quarantine_most=100)
    assert [(each["cut"], each["cut_events"]) for each in (dry, told, again)] == [(7, 3), (7, 3), (0, 0)]
    assert text(redis("GET", ROOM)) == "100 - 0 0"


def test_a_count_that_somebody_made_up(redis):
    """Told as a number that is none below 0, which would end the worker's connection."""
    redis("SET", ROOM, "0 5 99999999999999999999 3")
    reply = redis("EVAL", SOURCE, 8, STREAM, LEASE, QUARANTINE, EVENTS, DEAD, ROOM, *SEEN, "a", 60000, -1, 0, 1000, 0, 0, 0, 0, 0, 1)
    assert reply[14:16] == [1 << 53, 3]


def test_what_was_cut_is_told_by_a_full_server(redis):
    redis("SET", ROOM, "0 5 7 3")
    redis("CONFIG", "SET", "maxmemory", 1)
    told, again = upkeep(redis, quarantine_most=100), upkeep(redis, quarantine_most=100)
    assert (told["cut"], told["cut_events"], told["most"], again["cut"]) == (7, 3, 1, 0)


@pytest.mark.parametrize("room", ("", "no sense", "1 2 3", "0 0 -1 -1"))
def test_a_room_that_makes_no_sense_is_made_anew(redis, room):
    redis("SET", ROOM, room)
    assert upkeep(redis, quarantine_most=100)["cut"] == 0
    assert text(redis("GET", ROOM)) == "100 - 0 0"


def test_memory_and_digests_are_told(redis):
    redis("CONFIG", "SET", "maxmemory", 64 * MB)
    redis("SADD", SEEN[0], *range(100))
    redis("SADD", SEEN[1], *range(20))
    redis("XADD", STREAM, "*", "name", "a" * 1000)
    told = upkeep(redis)
    assert (told["most"], told["digests"]) == (64 * MB, 118)
    assert MB / 2 < told["used"] < 16 * MB
    version = redis("INFO", "server").split(b"redis_version:")[1].split()[0].decode()
    assert told["version"] == (version if int(version.split(".")[0]) >= 7 else "")
    assert told["bytes_stream"] == redis("MEMORY", "USAGE", STREAM)
    redis("SET", SEEN[0], "no set")
    assert upkeep(redis)["digests"] == -1
