"""REDIS_ACK: what a 200 is worth when a machine is lost whose replica is behind, and when the link to it is cut."""
import os
import random
import signal
import subprocess

import pytest

from bodies import payload, result, status
from cluster_chaos import EXPECTED
from fcgi_client import FastCgi
from ledger import Senders, by_id, compare, complaints, small_size, stored_entries
from replicas import Group
from stack import REDIS_SERVER, STREAM, is_stopped, wait_for

pytestmark = pytest.mark.cluster

LAG = 0.05      # seconds each way


@pytest.fixture
def make_group(folder):
    groups = []

    def make(**how):
        groups.append(Group(folder / ("redis%d" % len(groups)), **how))
        return groups[-1].start()

    yield make
    for group in groups:
        group.stop()


def writer(make_stack, group, **options):
    stack = make_stack(start=False, redis=False, redis_url=group.master.url(), **{"dedupe_window": "1h", **options})
    stack.program.expects(*EXPECTED)
    stack.start()
    wait_for(lambda: stack.get("/readyz").status == 200, "ready")
    return stack


# A lost machine

@pytest.mark.parametrize("ack, is_lost", [("local", True), ("replicas:1", False)])
def test_a_lost_master_whose_replica_lags(make_stack, make_group, ack, is_lost):
    """The replica is promoted by hand.  That something is lost without acknowledgement proves the test."""
    group = make_group(delay=LAG)
    stack = writer(make_stack, group, redis_ack=ack)
    senders = Senders(stack.nginx.port, 8, 300, str(random.random()), size=small_size)
    senders.start()
    try:
        wait_for(lambda: senders.answers(200) > 200, "statuses are taken")
        group.lose_master()
    finally:
        senders.stop(gives_up=True)
    [replica] = group.replicas
    replica.promote()
    stored = by_id(stored_entries(replica, [STREAM]))
    mistakes = compare(senders.acknowledged(), stored)
    mistakes.pop("stored, never acknowledged")      # of the last moment
    print("%d acknowledged, %d lost" % (len(senders.acknowledged()), len(mistakes["lost"])))
    assert senders.errors() == []
    assert bool(mistakes.pop("lost")) == is_lost
    assert complaints(mistakes) == []


# A link that is cut

def can_confirm_falsely():
    """Since Redis 7.2, and in Valkey, WAIT tells of what this connection has written, which may be nothing."""
    text = subprocess.run([*REDIS_SERVER, "--version"], capture_output=True, text=True, check=True).stdout
    version = text.partition("v=")[2].split()[0].split(".")
    return [int(n) for n in version[:2]] >= [7, 2]


class TwoWorkers:
    """Each can be posted to alone: the other one is stopped while the connection is taken."""

    def __init__(self, stack):
        self.stack, self.workers = stack, stack.program.workers()
        assert len(self.workers) == 2

    def post(self, n, body):
        other = self.workers[1 - n]
        os.kill(other, signal.SIGSTOP)
        wait_for(lambda: is_stopped(other), "the other one stands still")
        try:
            with FastCgi(self.stack.program.socket) as connection:
                return connection.post(body)
        finally:
            os.kill(other, signal.SIGCONT)


def test_no_false_confirmation(make_stack, make_group):
    """A body is stored, and not confirmed: 503.  On a connection that wrote nothing yet it is all known, and must be
    confirmed by nobody either."""
    if not can_confirm_falsely():
        print("this Redis is older than 7.2: this cannot fail here")
    group = make_group(delay=0)
    stack = writer(make_stack, group, redis_ack="replicas:1", workers=2)
    [link], workers, body = group.links, TwoWorkers(stack), payload(status("wamid.1"))
    group.master("SET", "x", 1)
    assert group.master("WAIT", 1, 10000) == 1      # whatever the workers have written so far is acknowledged
    link.partition()
    assert workers.post(0, body).status == 503
    assert group.master("XLEN", STREAM) == 1
    assert workers.post(1, body).status == 503
    assert workers.post(0, body).status == 503
    assert group.master("XLEN", STREAM) == 1
    link.mend()
    for n in range(2):
        wait_for(lambda: workers.post(n, body).status == 200, "it is confirmed")
        assert workers.post(n, body).document() == result(duplicates=1)
    assert group.replicas[0]("XLEN", STREAM) == 1


def test_a_cut_link_is_told_of(make_stack, make_group):
    group = make_group(delay=0)
    stack = writer(make_stack, group, redis_ack="replicas:1", workers=1)
    [link] = group.links
    assert stack.post(payload()).status == 200
    link.partition()
    assert stack.post(payload()).status == 503
    assert stack.metric("tickstream_redis_barriers_short_total") >= 1
    assert stack.program.has_logged(r"redis: 0 replicas acknowledge, REDIS_ACK is replicas:1: statuses are refused \(127\.0\.0\.1:%d\)"
                                    % group.master.public_port)
    wait_for(lambda: stack.get("/readyz").status == 503, "not ready")
    link.mend()
    wait_for(lambda: stack.post(payload()).status == 200, "ready again")


@pytest.mark.parametrize("ack", ["replicas:1", "fsync:1,0", "fsync:0,1", "fsync:1,1"])
def test_levels(make_stack, make_group, ack):
    """Where the server has what the level needs; else one line says so, and nothing is taken."""
    group = make_group()
    has_waitaof = can_confirm_falsely()         # since 7.2, too
    stack = make_stack(start=False, redis=False, redis_url=group.master.url(), redis_ack=ack, dedupe_window="1h", workers=1)
    stack.program.expects(*EXPECTED)
    stack.start()
    if ack.startswith("fsync") and not has_waitaof:
        wait_for(lambda: stack.program.has_logged(r"redis: .*WAITAOF"), "it is said")
        assert stack.post(payload()).status == 503
        return
    wait_for(lambda: stack.get("/readyz").status == 200, "ready")
    assert stack.post(payload(status("wamid.1"))).document() == result(accepted=1)
    assert stack.post(payload(status("wamid.1"))).document() == result(duplicates=1)


# A full server

def test_what_is_known_is_acknowledged_also_by_a_full_server(make_stack, make_group):
    """It stores nothing new, but writes what WAIT then counts, whatever else the call has met."""
    group = make_group()
    stack = writer(make_stack, group, redis_ack="replicas:1", workers=1)
    known = status()
    assert stack.post(payload(known)).document() == result(accepted=1)

    def touches():
        stats = group.master("INFO", "commandstats").decode().splitlines()
        return sum(int(line.partition("calls=")[2].partition(",")[0]) for line in stats if "_pexpireat:" in line)

    group.master("CONFIG", "SET", "maxmemory", "1")
    before = touches()
    assert stack.post(payload(known)).document() == result(duplicates=1)
    assert touches() > before
    before = touches()
    assert stack.post(payload(known, status())).status == 503
    assert touches() > before
