"""Nodes that speak Redis' protocol and send the program from one to the other, or say what makes no sense about who owns
what, or who has acknowledged: never a 200, never a dead worker, and an answer in time after so many attempts.

All that they may say is in tests/unit/redis: test_slots.c, test_topology_cluster.c, test_ack.c, test_sink_ack.c.
"""
import socket
import time

import pytest

from bodies import payload, result
from cluster import SLOTS, slot_of
from fcgi_client import FastCgi
from stack import SLOWNESS, STREAM, wait_for
from test_lying_redis import ALL_ADDED, LyingRedis

pytestmark = pytest.mark.cluster

SLOT = slot_of(STREAM)
DEADLINE = 0.5              # seconds
ATTEMPTS = 8 + 1            # redirections that are followed, and the first
PAUSED = 10                 # attempts with a pause between them
SILENCE = b""


class LyingNode(LyingRedis):
    """One of two, both of which say the same of the slots."""

    def __init__(self):
        self.slots, self.wait, self.attempts, self.asked = SILENCE, b":1\r\n", 0, 0
        super().__init__(socket.create_server(("127.0.0.1", 0)))
        self.port = self.listener.getsockname()[1]

    def reply(self, words):
        if words[0] == b"CLUSTER":
            self.asked += 1
            return self.slots
        if words[0] == b"ASKING":
            return b"+OK\r\n"
        if words[0] == b"WAIT":
            return self.wait
        reply = super().reply(words)
        self.attempts += reply is self.answer
        return reply


def map_of(*ranges):
    """The reply to CLUSTER SLOTS: (first slot, last slot, host, port) ..."""
    return b"*%d\r\n" % len(ranges) + b"".join(
        b"*3\r\n:%d\r\n:%d\r\n*3\r\n$%d\r\n%s\r\n:%d\r\n$1\r\nx\r\n" % (first, last, len(host), host.encode(), port)
        for first, last, host, port in ranges)


class LyingCluster:
    def __init__(self):
        self.a, self.b = self.nodes = LyingNode(), LyingNode()
        self.owned_by_a = map_of((0, SLOTS - 1, "127.0.0.1", self.a.port))
        self.tell_the_truth()

    def tell(self, slots=None, a=None, b=None, wait=None):
        """What each of them says from now on."""
        for node, answer in zip(self.nodes, (a, b)):
            node.slots = self.owned_by_a if slots is None else slots
            node.wait = b":1\r\n" if wait is None else wait
            node.answer = self.fill(answer or ALL_ADDED)
            node.attempts = node.asked = 0

    def fill(self, answer):
        return answer.replace(b"PORT_A", b"%d" % self.a.port).replace(b"PORT_B", b"%d" % self.b.port)

    def tell_the_truth(self):
        self.tell()

    def attempts(self):
        return sum(node.attempts for node in self.nodes)

    def url(self):
        return "redis+cluster://" + ",".join("127.0.0.1:%d" % node.port for node in self.nodes)


@pytest.fixture
def make_writer(make_stack):
    def make(cluster, ready=True, **options):
        stack = make_stack(start=False, redis=False, nginx=False, workers=1, redis_url=cluster.url(), dedupe_window="1h",
                           redis_timeout="%dms" % (DEADLINE * 1000), **options)
        stack.program.expects(r"redis: .*", r"webhook: answered 503: .*")
        stack.start()
        if ready:
            wait_for(lambda: post(stack).status == 200, "it is ready")
        return stack

    return make


def post(stack):
    with FastCgi(stack.program.socket) as connection:
        return connection.post(payload())


def assert_recovers(stack, cluster, workers):
    """From the truth, with the same worker."""
    cluster.tell_the_truth()
    wait_for(lambda: post(stack).status == 200, "the truth is believed")
    assert post(stack).document() == result(accepted=1)
    assert stack.program.workers() == workers


def moved(to, slot=SLOT):
    return b"-MOVED %d %s\r\n" % (slot, to)


def ask(to):
    return b"-ASK %d %s\r\n" % (SLOT, to)


A, B = b"127.0.0.1:PORT_A", b"127.0.0.1:PORT_B"
REDIRECTIONS = [
    # what, the owner says, the other one says, how many attempts at most
    ("moved to itself", moved(A), None, PAUSED),
    ("moved in a circle", moved(B), moved(A), PAUSED),
    ("moved to where nobody listens", moved(b"127.0.0.1:1"), None, ATTEMPTS),
    ("moved to nowhere", moved(b":0"), None, ATTEMPTS),
    ("moved to no port", moved(b"127.0.0.1"), None, ATTEMPTS),
    ("another slot has moved", moved(B, SLOT + 1), None, ATTEMPTS),
    ("no slot has moved", b"-MOVED\r\n", None, ATTEMPTS),
    ("a slot that cannot be", moved(B, 99999), None, ATTEMPTS),
    ("ask for ever", ask(B), ask(A), PAUSED),
    ("ask itself", ask(A), None, PAUSED),
    ("ask, and moved", ask(B), moved(A), PAUSED),
    ("try again for ever", b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n", None, PAUSED),
    ("down for ever", b"-CLUSTERDOWN The cluster is down\r\n", b"-CLUSTERDOWN The cluster is down\r\n", PAUSED),
]


@pytest.mark.parametrize("owner, other, most", [pytest.param(*r[1:], id=r[0]) for r in REDIRECTIONS])
def test_redirections(make_writer, owner, other, most):
    """Where nobody has sent the program it does not go: of the other one it would hear a 200."""
    cluster = LyingCluster()
    stack = make_writer(cluster)
    workers = stack.program.workers()
    cluster.tell(a=owner, b=other)
    began = time.monotonic()
    assert post(stack).status == 503
    took, attempts = time.monotonic() - began, cluster.attempts()
    print("%d attempts, %.2f s" % (attempts, took))
    assert 1 <= attempts <= most and took < DEADLINE + 0.25 * SLOWNESS
    assert_recovers(stack, cluster, workers)


MAPS = [
    ("empty", b"*0\r\n"), ("slow", SILENCE), ("no list", b"+OK\r\n"), ("nil", b"*-1\r\n"), ("no protocol", b"hello\r\n"),
    ("an error", b"-ERR no\r\n"), ("no cluster", b"-ERR This instance has cluster support disabled\r\n"),
    ("slots that cannot be", map_of((0, 99999, "127.0.0.1", 1))), ("other slots only", map_of((SLOT + 1, SLOTS - 1, "127.0.0.1", 1))),
    ("a range backwards", map_of((SLOTS - 1, 0, "127.0.0.1", 1))), ("nobody's", map_of((0, SLOTS - 1, "?", 1))),
    ("no port", map_of((0, SLOTS - 1, "127.0.0.1", 0))), ("nobody listens", map_of((0, SLOTS - 1, "127.0.0.1", 1))),
    ("lists in lists", b"*1\r\n" * 100 + b"*0\r\n"),
]


@pytest.mark.parametrize("slots", [pytest.param(slots, id=name) for name, slots in MAPS])
def test_maps(make_writer, slots):
    """From the beginning."""
    cluster = LyingCluster()
    cluster.tell(slots=slots)
    stack = make_writer(cluster, ready=False)
    workers = stack.program.workers()
    wait_for(lambda: sum(node.asked for node in cluster.nodes) >= 3, "they are asked again")
    began = time.monotonic()
    assert post(stack).status == 503
    assert time.monotonic() - began < DEADLINE + 0.25 * SLOWNESS
    assert_recovers(stack, cluster, workers)


@pytest.mark.parametrize("slots", [pytest.param(slots, id=name) for name, slots in MAPS if name != "nobody listens"])
def test_maps_later(make_writer, slots):
    """Who was the owner stays it when nothing that makes sense is told."""
    cluster = LyingCluster()
    stack = make_writer(cluster)
    workers = stack.program.workers()
    cluster.tell(slots=slots, a=moved(A))
    assert post(stack).status == 503
    wait_for(lambda: sum(node.asked for node in cluster.nodes) >= 1, "they are asked")
    cluster.tell(slots=slots)
    wait_for(lambda: post(stack).status == 200, "the owner is written to")
    assert_recovers(stack, cluster, workers)


BARRIERS = [("no number", b"+OK\r\n"), ("less than none", b":-1\r\n"), ("none", b":0\r\n"), ("nil", b"$-1\r\n"),
            ("a list", b"*1\r\n:1\r\n"), ("an error", b"-ERR no\r\n"), ("demoted", b"-UNBLOCKED force unblock\r\n"),
            ("no protocol", b"hello\r\n"), ("silence", SILENCE)]


@pytest.mark.parametrize("wait", [pytest.param(wait, id=name) for name, wait in BARRIERS])
def test_barriers(make_writer, wait):
    cluster = LyingCluster()
    stack = make_writer(cluster, redis_ack="replicas:1")
    workers = stack.program.workers()
    cluster.tell(wait=wait)
    for _ in range(2):
        began = time.monotonic()
        assert post(stack).status == 503
        assert time.monotonic() - began < DEADLINE + 0.25 * SLOWNESS
    assert_recovers(stack, cluster, workers)
