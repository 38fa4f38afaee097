"""How long a status is known: lives of statuses in tables, told by a Redis whose clock the test moves; what a full or
forbidden Redis does to them; and calls that many bodies share.

A status is known for a window at least.  It is forgotten after at most two and a bit under steady traffic, and at the
third pause at most when the stream is quiet.
"""
import contextlib
import os
import re
import signal
import time

import pytest

from bodies import payload, result, status
from fcgi_client import FastCgi, post_request
from proxy import HoldingProxy
from stack import QUARANTINE, SLOWNESS, STREAM, RedisServer, is_stopped, wait_for

STATE, SETS = "{%s}:seen" % STREAM, ("{%s}:seen:0" % STREAM, "{%s}:seen:1" % STREAM)
WINDOW = 3200       # seconds; a twentieth is more than what a busy machine takes for a row
STEP = 1 / 20       # of a window: how often a status comes
PER_WINDOW = round(1 / STEP)
CLOCK_LINE = r"redis: .*clock.*"
TROUBLE = r"redis: .*", r"trim: .*", r"webhook: answered 503: .*"


class Life:
    """What happens to a stack and its clock, in words; times are in windows."""

    def __init__(self, stack, clock, stored=()):
        self.stack, self.now = stack, clock
        self.client = stack.client()
        self.step = STEP
        self.stored = list(stored)      # ids, in their order

    def live(self, steps):
        for number, (verb, *arguments) in enumerate(steps, 1):
            try:
                getattr(self, verb)(*arguments)
            except AssertionError as e:
                raise AssertionError("step %d, %s%r: %s" % (number, verb, tuple(arguments), e)) from e
        self.client.close()
        assert [e["id"] for e in self.stack.entries()] == self.stored
        assert_sets_are_whole(self.stack)

    def post(self, name):
        return self.client.post(payload(status(name))).document()

    def new(self, *names):
        for name in names:
            answer = self.post(name)
            assert answer == result(accepted=1), answer
            self.stored.append(name)

    def known(self, *names):
        for name in names:
            answer = self.post(name)
            assert answer == result(duplicates=1), "%s: %s" % (name, answer)

    def clock(self, windows):
        """It jumps."""
        self.now.move(windows * WINDOW)

    def traffic(self, windows):
        """So much time passes, with a new status in each step."""
        while windows > 1e-9:
            self.clock(min(self.step, windows))
            self.new("filler %d" % len(self.stored))
            windows -= self.step

    def window(self, windows):
        """The program is reloaded with another one."""
        before = set(self.stack.program.workers())
        set_window(self.stack, windows * WINDOW)
        self.stack.program.kill(signal.SIGHUP)
        wait_for(lambda: self.stack.program.workers() and not before & set(self.stack.program.workers()), "new workers")
        self.step = STEP * windows

    def redis(self, *command):
        self.stack.redis(*command)

    def members(self, most):
        count = sum(self.stack.redis("SCARD", key) for key in SETS)
        assert count <= most, "%d members" % count

    def said(self, times):
        lines = [m for m in self.stack.program.messages() if re.fullmatch(CLOCK_LINE, m)]
        assert len(lines) == times, lines


def step(verb):
    return lambda *arguments: (verb, *arguments)


new, known, clock, traffic, window, redis, members, said = map(step, (
    "new", "known", "clock", "traffic", "window", "redis", "members", "said"))


def set_window(stack, seconds):
    path = stack.folder / "window"
    path.with_suffix(".new").write_text("%ds\n" % seconds)
    path.with_suffix(".new").rename(path)
    stack.program.settings["dedupe_window_file"] = path


def assert_sets_are_whole(stack):
    for key in SETS:
        members = stack.redis("SMEMBERS", key)
        assert b"-" in members
        assert {len(m) for m in members if m != b"-"} <= {14}
    assert not [k for k in stack.redis("KEYS", "*seen*") if k.decode() not in (STATE, *SETS)]


@pytest.fixture
def start(make_stack, make_clock):
    """start() is a stack whose Redis goes by stack.clock."""
    def start(on_a_port=False, proxied=False, **options):
        stack = make_stack(start=False, workers=1, drain_timeout="0", **options)
        stack.clock = stack.redis.clock = make_clock()
        set_window(stack, WINDOW)
        stack.program.expects(r"reload: .*", r"drain: .*", CLOCK_LINE)
        if on_a_port:
            stack.redis.start_on_a_port()
        if proxied:
            stack.proxy = HoldingProxy(stack.folder / "proxy.sock", stack.redis.path)
            stack.program.settings["redis_url"] = stack.proxy.url
        return stack.start()

    return start


FORGOTTEN = 2.15    # two windows, a granule of a 64th, and a step
LIVES = {
    **{"a window, and not much more than two; it came %g windows after the first" % phase: [
        traffic(phase), new("a"), traffic(0.99), known("a"), traffic(FORGOTTEN - 0.99), new("a")]
       for phase in (0, 0.3, 0.6, 0.9, 0.98, 1.04)},
    "what is known writes nothing, and so keeps nothing alive": [
        new("a"), *[s for _ in range(20) for s in (traffic(0.05), known("a"))], traffic(FORGOTTEN - 1), new("a")],
    "lowered by a reload: what was taken under the longer window keeps it": [
        traffic(0.9), new("a"), traffic(0.2), new("b"), window(0.02), new("c"), traffic(0.3), known("a", "b"),
        traffic(0.45), known("a", "b"), traffic(0.2), known("b")],
    "lowered by a reload: in the end the shorter one holds": [
        new("a"), window(0.1), traffic(FORGOTTEN), new("a", "b"), traffic(0.1), known("b"), traffic(0.13), new("b")],
    "lowered by a reload, and pauses: a set's own window counts": [
        new("a"), window(0.02), clock(0.5), new("b"), clock(0.55), new("c"), clock(0.5), new("d"), clock(0.3), new("e"),
        known("c")],
    "lowered and raised by reloads: the longest counts": [
        new("a"), window(0.1), traffic(0.2), known("a"), window(3), traffic(2.7), known("a")],
    "raised by a reload: what is still known then is so for the longer one": [
        new("a"), traffic(1.5), known("a"), window(3), traffic(1.49), known("a")],
    "raised by a reload: forgotten after twice the longer one": [
        new("a"), window(3), traffic(3 * FORGOTTEN), new("a")],
    "the clock set back by three windows: nothing is forgotten, and rotation goes on": [
        traffic(0.5), new("a"), traffic(0.6), new("b"), clock(-3), new("c"), said(1), known("a", "b"),
        traffic(0.98), known("a", "b", "c"), traffic(FORGOTTEN - 0.98), new("a", "b", "c"), said(1)],
    "the clock set back by more than it has run: likewise": [
        new("a"), traffic(0.5), clock(-100), new("b"), known("a"), said(1), traffic(0.98), known("a", "b"),
        traffic(FORGOTTEN - 0.98), new("a")],
    "the clock set back by a moment: nobody minds": [
        new("a"), clock(-0.002), new("b"), known("a"), said(0), traffic(0.98), known("a", "b")],
    "the clock forward by two windows: nothing is forgotten": [
        traffic(0.9), new("a"), traffic(0.2), new("b"), clock(2), new("c"), known("a", "b"), traffic(0.75),
        known("a", "b", "c"), traffic(0.23), known("c"), traffic(FORGOTTEN - 0.98), new("a", "b", "c"), said(0)],
    "the clock forward by less than a window: what is no older by that clock is known": [
        traffic(0.9), new("a"), traffic(0.2), new("b"), clock(0.95), new("c"), known("b"), traffic(0.98), known("c")],
    "the clock forward by 10,000 windows: nothing is forgotten": [
        traffic(0.9), new("a"), traffic(0.2), new("b"), clock(10000), new("c"), known("a", "b"), traffic(0.9),
        known("b", "c")],
    "the clock forward and back again": [
        traffic(0.9), new("a"), traffic(0.2), new("b"), clock(2), new("c"), clock(-2), new("d"), said(1),
        known("a", "b"), traffic(0.75), known("a", "b", "c", "d")],
    "one status in 1.1 windows: forgotten at the third pause at most": [
        *[s for n in range(10) for s in (new("quiet %d" % n), clock(1.1))],
        new("x", "quiet 0", "quiet 3", "quiet 6"), clock(1.1), new("y")],
    "one status in 1.1 windows: the one before is known": [
        new("0"), *[s for n in range(1, 10) for s in (clock(0.99), known(str(n - 1)), clock(0.11), new(str(n)))]],
    "one status in 1.1 windows: the sets do not grow": [
        *[s for n in range(10) for s in (new("quiet %d" % n), clock(1.1), members(6))]],
    "one status in 0.9 windows: the sets do not grow, and the one before is known": [
        new("0"), *[s for n in range(1, 12) for s in (clock(0.9), known(str(n - 1)), new(str(n)), members(7))]],
    "steady: members of two windows and a bit at most": [
        *[s for _ in range(100) for s in (traffic(0.1), members((FORGOTTEN + STEP) * PER_WINDOW))]],
    "a pause in steady traffic: two windows' members, and then a bit": [
        traffic(3), clock(1.5), traffic(0.5), members(3.2 * PER_WINDOW), traffic(2),
        members(FORGOTTEN * PER_WINDOW + 2)],
}


@pytest.mark.parametrize("label", LIVES)
def test_lives(start, label):
    stack = start()
    Life(stack, stack.clock).live(LIVES[label])


RUBBISH = ("", "rubbish", "0 1", "2 1700000000 3200 1700000000 3200", "0 -1 3200 x 3200", "0 1e3 3200 0x10 3200",
           "0 nan nan inf inf", "0 1 2 3 4 5", " 0 1 2 3 4", "0 1 2 3 4\n", "\0", b"\xff" * 9, "0" * 100000)


def test_state_is_lost(start):
    """Or cannot be read: the sets are kept, and rotation begins anew."""
    stack = start()
    for lose in [redis("DEL", STATE), *(redis("SET", STATE, text) for text in RUBBISH)]:
        stack.redis("FLUSHALL")
        Life(stack, stack.clock).live([
            traffic(0.9), new("a"), traffic(0.2), new("b"), lose, new("c"), known("a", "b"), traffic(0.98),
            known("a", "b", "c"), traffic(FORGOTTEN - 0.98), new("a", "b", "c")])


OLD_KEYS = """for n = 0, 65535 do
    redis.call('SET', ('{%s}:seen:%%s%%04x'):format(ARGV[1], n), '1-1', 'EX', 86400)
end"""


def test_keys_of_before_the_sets(start):
    """A key a status, named with 128 bits of its digest, of which a member is the first 112: nobody looks at them."""
    stack = start()
    stack.post(payload(status("a")))
    [digest] = [m for key in SETS for m in stack.redis("SMEMBERS", key) if m != b"-"]
    stack.redis("UNLINK", STATE, *SETS, STREAM)
    stack.redis("EVAL", OLD_KEYS % STREAM, 0, digest.hex())
    assert stack.post(payload(status("a"))).document() == result(accepted=1)
    assert stack.redis("DBSIZE") >= 65536


def test_one_set_is_lost(start):
    """Somebody deletes it: what it held is forgotten, and it is made again in time."""
    stack = start()
    Life(stack, stack.clock).live([
        traffic(0.9), new("a"), traffic(0.2), new("b"), redis("DEL", SETS[0]), traffic(FORGOTTEN), new("c")])


def restart(stack, clock):
    """From its AOF, where the clock differs."""
    stack.redis.stop()
    stack.redis.clock = clock
    stack.redis.start()


def promote_a_replica(stack, clock):
    """It takes the place of the old server, with its socket."""
    old, folder = stack.redis, stack.folder / "replica"
    folder.mkdir()
    replica = RedisServer(folder)
    replica.clock = clock
    old("CONFIG", "SET", "repl-diskless-sync-delay", 0)
    replica.start()
    try:
        replica("REPLICAOF", "127.0.0.1", old.port)
        wait_for(lambda: b"master_link_status:up" in replica("INFO", "replication"), "the replica follows")
        wait_for(lambda: snapshot_of(replica) == snapshot_of(old), "the replica has it all")
        # Until then it does not listen to SIGTERM.
        wait_for(lambda: b"aof_rewrite_in_progress:0" in replica("INFO", "persistence"), "it has written its AOF")
    finally:
        old.stop(signal.SIGKILL)
        stack.redis = replica
    os.replace(replica.path, old.path)
    replica.path, replica.client = old.path, None
    replica("REPLICAOF", "NO", "ONE")


@pytest.mark.parametrize("ahead", [2.5, 0.5, -0.5, -300])
@pytest.mark.parametrize("how", [restart, promote_a_replica])
def test_failover_to_another_clock(start, make_clock, how, ahead):
    """What is known stays known; but of a leap by less than a window, the clock tells nobody: it ages by as much."""
    stack = start(on_a_port=True)
    stack.program.expects(*TROUBLE)
    life = Life(stack, stack.clock)
    life.live([traffic(0.9), new("a"), traffic(0.2), new("b"), known("a", "b")])
    life = Life(stack, make_clock(), life.stored)
    life.now.set(stack.clock.seconds + ahead * WINDOW)
    how(stack, life.now)
    wait_for(lambda: stack.get("/readyz").status == 200, "ready again")
    left = 0.75 - max(0, ahead if ahead < 1 else 0)
    life.live([new("c"), known("a", "b"), traffic(left), known("a", "b")])


KEYS = {"set 0": SETS[0], "set 1": SETS[1], "the state": STATE}


@pytest.mark.parametrize("key", KEYS)
def test_wrong_type(start, key):
    """Of a key of dedupe, at any time: 503, and nothing is stored until it is mended."""
    stack = start()
    stack.program.expects(*TROUBLE)
    assert stack.post(payload(status("first"))).status == 200
    stack.redis("RENAME", KEYS[key], "{%s}:elsewhere" % STREAM)
    stack.redis("RPUSH", KEYS[key], "a list")
    for body in payload(status("new")), payload(status("first"), status("new")), payload("bad", status("new")):
        assert stack.post(body).status == 503
    assert [e["id"] for e in stack.entries()] == ["first"] and not stack.quarantine()
    assert stack.redis("LRANGE", KEYS[key], 0, -1) == [b"a list"]
    stack.redis("RENAME", "{%s}:elsewhere" % STREAM, KEYS[key])
    wait_for(lambda: stack.post(payload(status("first"))).document() == result(duplicates=1), "known")
    assert stack.post(payload(status("new"))).document() == result(accepted=1)


# A full Redis

def test_full_for_what_is_known(start):
    """A pure repetition writes nothing; all that is new waits, with whatever it comes in."""
    stack = start()
    stack.program.expects(*TROUBLE)
    body = payload(status("a"), status("b"), "bad")
    assert stack.post(body).document() == result(accepted=2, quarantined=1)
    before = snapshot(stack)
    stack.redis("CONFIG", "SET", "maxmemory", 1)
    for _ in range(2):
        assert stack.post(body).document() == result(duplicates=3)
        assert stack.post(payload(status("a"))).document() == result(duplicates=1)
        assert stack.post(payload(status("new"))).status == 503
        assert stack.post(payload(status("a"), status("new"))).status == 503
        assert stack.post(payload(status("new"), status("b"))).status == 503
    assert snapshot(stack) == before
    stack.redis("CONFIG", "SET", "maxmemory", 0)
    assert stack.post(payload(status("a"), status("new"))).document() == result(accepted=1, duplicates=1)


def snapshot(stack):
    return snapshot_of(stack.redis)


def snapshot_of(redis):
    """Whatever stands in the keys of the stream."""
    return (redis("XRANGE", STREAM, "-", "+"), redis("XRANGE", QUARANTINE, "-", "+"), redis("GET", STATE),
            [sorted(redis("SMEMBERS", key)) for key in SETS])


def test_full_until_a_set_goes(start):
    """A set whose time is over is given back by a server that is full, and makes room by that."""
    stack = start()
    stack.program.expects(*TROUBLE)
    life = Life(stack, stack.clock)
    old = 8000
    assert stack.post(payload(*(status("old %d" % n) for n in range(old)))).document() == result(accepted=old)
    stack.redis("XTRIM", STREAM, "MAXLEN", 0)
    life.traffic(1.9)
    assert max(stack.redis("SCARD", key) for key in SETS) > old
    used = int(re.search(rb"used_memory:(\d+)", stack.redis("INFO", "memory"))[1])
    stack.redis("CONFIG", "SET", "maxmemory", used - 10 * old)
    assert stack.post(payload(status("new"))).status == 503
    life.clock(0.4)
    wait_for(lambda: stack.post(payload(status("new"))).status == 200, "room")
    assert max(stack.redis("SCARD", key) for key in SETS) < old
    assert [e["id"] for e in stack.entries()].count("new") == 1


# Calls that bodies share

MANY = 32


class Together:
    """Bodies that reach a worker in one turn of its loop: they come while it is stopped."""

    def __init__(self, stack, count):
        self.stack = stack
        self.peers = [FastCgi(stack.program.socket) for _ in range(count)]
        for peer in self.peers:         # each is accepted
            assert peer.post(b"", HTTP_X_HUB_SIGNATURE_256=None).status == 401

    def send(self, bodies):
        """Answers are still to come, one on each of the first connections."""
        [worker] = self.stack.program.workers()
        os.kill(worker, signal.SIGSTOP)
        try:
            wait_for(lambda: is_stopped(worker), "the worker stands still")
            for peer, body in zip(self.peers, bodies):
                peer.send(post_request(body))
        finally:
            os.kill(worker, signal.SIGCONT)

    def receive(self, count):
        """The answers, in the order of the bodies."""
        return [peer.receive() for peer in self.peers[:count]]

    def post(self, bodies):
        self.send(bodies)
        return self.receive(len(bodies))

    def close(self):
        for peer in self.peers:
            peer.close()


def calls(stack):
    """How often the script was called by its digest since CONFIG RESETSTAT; upkeep sends the source of its own."""
    stats = stack.redis("INFO", "commandstats").decode()
    return sum(int(n) for n in re.findall(r"cmdstat_evalsha:calls=(\d+)", stats))


@pytest.fixture
def together(start):
    """together(...) is the Together of a stack, or of one of its own."""
    opened = []

    def make(stack=None, count=MANY, **options):
        opened.append(Together(stack or start(**options), count))
        opened[-1].stack.program.expects(*TROUBLE, r"webhook: answered 401.*")
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def statuses_of(answers):
    return [a.status for a in answers]


def ids(stack):
    return sorted(e["id"] for e in stack.entries())


def names(prefix, count=MANY):
    return ["%s %02d" % (prefix, n) for n in range(count)]


def bodies_of(*which):
    """A body of one status for each name."""
    return [payload(status(name)) for name in which]


def test_bodies_share_a_call(together):
    t = together()
    t.stack.redis("CONFIG", "RESETSTAT")
    assert [a.document() for a in t.post(bodies_of(*names("a")))] == [result(accepted=1)] * MANY
    assert calls(t.stack) <= MANY // 4
    assert ids(t.stack) == names("a")
    assert len({e["request_id"] for e in t.stack.entries()} - {""}) in (0, MANY)
    assert [a.document() for a in t.post(bodies_of(*names("a")))] == [result(duplicates=1)] * MANY


def test_bodies_share_a_call_behind_nginx(start):
    stack = start()
    [worker] = stack.program.workers()
    with contextlib.ExitStack() as opened:
        clients = [opened.enter_context(stack.client()) for _ in range(MANY)]
        for prefix in "ab":                     # nginx connects, and then has its connections
            stack.redis("CONFIG", "RESETSTAT")
            os.kill(worker, signal.SIGSTOP)
            wait_for(lambda: is_stopped(worker), "the worker stands still")
            for client, body in zip(clients, bodies_of(*names(prefix))):
                client.send_post(body)
            os.kill(worker, signal.SIGCONT)
            assert [client.receive().document() for client in clients] == [result(accepted=1)] * MANY
    assert calls(stack) < MANY and ids(stack) == names("a") + names("b")


def test_one_alone_does_not_wait(together):
    t = together()
    t.stack.redis("CONFIG", "RESETSTAT")
    for n in range(3):
        began = time.monotonic()
        assert t.post(bodies_of("alone %d" % n))[0].document() == result(accepted=1)
        assert time.monotonic() - began < 0.4 * SLOWNESS
    assert calls(t.stack) == 3


# Of each body: its statuses, and what it is answered: accepted, duplicates.
MIXED = [("a", 1, 0), ("b", 1, 0), ("a", 0, 1), ("a b", 0, 2), ("known", 0, 1), ("c known a", 1, 2), ("c", 0, 1),
         ("d d", 2, 0), ("d", 0, 1), ("d d d", 1, 2), ("e f g", 3, 0), ("g e", 0, 2)]


def test_the_same_in_two_bodies(together):
    """One entry: a body finds what another of its call brings."""
    t = together()
    assert t.post(bodies_of("known"))[0].status == 200
    answers = t.post([payload(*(status(name) for name in statuses.split())) for statuses, *_ in MIXED])
    assert [a.document() for a in answers] == [result(accepted=a, duplicates=d) for _, a, d in MIXED]
    assert ids(t.stack) == sorted("known a b c d d d e f g".split())


def test_what_does_not_share(together):
    """Beside bodies that do: quarantine, events, many statuses, a repetition of theirs."""
    t = together(events_stream="{%s}:events" % STREAM)
    large = payload(*(status("large %03d" % n) for n in range(129)))
    bodies = [*bodies_of("a", "b"), payload(status("c"), "bad"), payload(statuses=None), large, *bodies_of("a", "c"),
              large]
    answers = [a.document() for a in t.post(bodies)]
    assert sum(a["accepted"] for a in answers) == 3 + 129 and sum(a["quarantined"] for a in answers) == 1
    assert sum(a["duplicates"] for a in answers) == 2 + 129 and sum(a["ignored"] for a in answers) == 1
    assert ids(t.stack) == sorted(["a", "b", "c", *("large %03d" % n for n in range(129))])
    assert len(t.stack.entries("{%s}:events" % STREAM)) == len(t.stack.quarantine()) == 1


def test_script_is_flushed(together):
    t = together()
    for turn in range(3):
        t.stack.redis("SCRIPT", "FLUSH")
        answers = t.post(bodies_of(*names("turn %d" % turn)))
        assert [a.document() for a in answers] == [result(accepted=1)] * MANY
    assert len(t.stack.entries()) == 3 * MANY


def all_are_taken_once(t, prefix):
    """In the end, whatever became of them before."""
    wait_for(lambda: set(statuses_of(t.post(bodies_of(*names(prefix))))) == {200}, "all are taken")
    assert [i for i in ids(t.stack) if i.startswith(prefix)] == names(prefix)


def test_shared_call_at_a_stream_of_wrong_type(together):
    t = together()
    t.post(bodies_of("first"))
    t.stack.redis("RENAME", STREAM, "elsewhere")
    t.stack.redis("SET", STREAM, "a string")
    members = [t.stack.redis("SCARD", key) for key in SETS]
    assert statuses_of(t.post(bodies_of(*names("a")))) == [503] * MANY
    assert [t.stack.redis("SCARD", key) for key in SETS] == members
    t.stack.redis("RENAME", "elsewhere", STREAM)
    all_are_taken_once(t, "a")


def test_shared_call_at_a_full_redis(together):
    """Bodies of what is known are answered 200, whatever shares their call; the others 503, and are not stored."""
    t = together()
    t.post(bodies_of(*names("known", 8)))
    t.stack.redis("CONFIG", "SET", "maxmemory", 1)
    before = snapshot(t.stack)
    assert statuses_of(t.post(bodies_of(*names("known", 8)))) == [200] * 8
    answers = t.post([b for pair in zip(bodies_of(*names("known", 8)), bodies_of(*names("new", 8))) for b in pair])
    assert statuses_of(answers)[1::2] == [503] * 8
    assert snapshot(t.stack) == before
    t.stack.redis("CONFIG", "SET", "maxmemory", 0)
    all_are_taken_once(t, "new")


RIGHTS = "evalsha", "xadd", "get", "set", "sadd", "smismember", "unlink", "time"


@pytest.mark.parametrize("right", RIGHTS)
def test_a_right_is_taken_away(together, right):
    """While it runs, and a set is due to go: 503, and no entry; what is known stays known."""
    t = together()
    redis = t.stack.redis
    t.post(bodies_of("early"))
    t.stack.clock.move(0.9 * WINDOW)            # the first pause: it is kept over
    t.post(bodies_of("first"))
    t.stack.clock.move(1.05 * WINDOW)
    redis("ACL", "SETUSER", "own", "on", "nopass", "~*", "&*", "+@all")     # ours is another than the program's
    redis.login, redis.client = "own:x", None
    redis("PING")
    redis("ACL", "SETUSER", "default", "-" + right)
    assert 200 not in statuses_of(t.post(bodies_of(*names("a"))))
    assert ids(t.stack) == ["early", "first"]
    redis("ACL", "SETUSER", "default", "+" + right)
    all_are_taken_once(t, "a")
    assert t.post(bodies_of("first"))[0].document() == result(duplicates=1)
    assert_sets_are_whole(t.stack)


LAST = (1 << 64) - 1


@pytest.mark.parametrize("room", [0, 1, 5])
@pytest.mark.parametrize("size", [1, 3])
def test_ids_are_used_up(together, room, size):
    """The one thing that shows itself only at an append: who is answered 200 is stored, and none is ever doubled."""
    t = together()
    t.stack.redis("XADD", STREAM, "%d-%d" % (LAST, LAST - room), "id", "last")
    which = names("a", 8)
    bodies = [payload(*(status("%s.%d" % (name, n)) for n in range(size))) for name in which]
    bodies += bodies[:2] + bodies[-2:]          # they lean on others
    answers = t.post(bodies)
    stored = ids(t.stack)
    assert len(stored) == 1 + room and set(statuses_of(answers)) == ({200, 503} if room >= size else {503})
    for name, answer in zip(which + which[:2] + which[-2:], answers):
        if answer.status == 200:
            assert {"%s.%d" % (name, n) for n in range(size)} <= set(stored)
    t.stack.redis("RENAME", STREAM, "used up")
    wait_for(lambda: set(statuses_of(t.post(bodies))) == {200}, "all are taken")
    assert sorted(stored + ids(t.stack)) == ["%s.%d" % (name, n) for name in which for n in range(size)] + ["last"]


def test_each_has_its_own_deadline(start, together):
    """Replies do not come: those of one call are answered 503 in time, and the later ones still get theirs."""
    timeout = min(0.75 * SLOWNESS, 5)
    stack = start(proxied=True, redis_timeout="%dms" % (timeout * 1000))
    first, early, late = (together(stack, count) for count in (1, 8, 8))
    stack.proxy.hold()
    began = time.monotonic()
    first.send(bodies_of("first"))
    reply = wait_for(lambda: stack.proxy.waiting, "its reply waits")
    early.send(bodies_of(*names("early", 8)))
    wait_for(lambda: len(stack.entries()) == 9, "they are stored")
    wait_for(lambda: time.monotonic() - began > timeout / 2, "some time is over")
    stack.proxy.let(reply)                      # so that Redis is not silent
    assert first.peers[0].receive().document() == result(accepted=1)
    late.send(bodies_of(*names("late", 8)))
    assert statuses_of(early.receive(8)) == [503] * 8
    assert time.monotonic() - began > 0.9 * timeout
    wait_for(lambda: len(stack.entries()) == 17, "the late ones are stored")
    stack.proxy.let(None)
    assert [a.document() for a in late.receive(8)] == [result(accepted=1)] * 8
    assert [a.document() for a in early.post(bodies_of(*names("early", 8)))] == [result(duplicates=1)] * 8
    assert len(stack.entries()) == 17
    assert len([m for m in stack.program.messages() if "redis: connected" in m]) == 1


def test_the_same_status_at_once_across_rotations(start):
    """From many connections, while the clock runs through ten windows: each status is there once."""
    stack = start()
    rounds = [payload(status("%02d" % n), status("%02d" % max(0, n - 4))) for n in range(50)]
    with contextlib.ExitStack() as opened:
        clients = [opened.enter_context(stack.client()) for _ in range(16)]
        for body in rounds:
            stack.clock.move(WINDOW / 5)
            for client in clients:
                client.send_post(body)
            results = [client.receive().document() for client in clients]
            assert sum(r["accepted"] for r in results) == (2 if body is rounds[0] else 1), results
    assert ids(stack) == sorted(["00", *("%02d" % n for n in range(50))])
