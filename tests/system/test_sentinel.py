"""A master, two replicas and three sentinels: nothing that was acknowledged is lost when another one becomes master."""
import random

import pytest

from bodies import payload, result
from cluster_chaos import EXPECTED
from ledger import Senders, by_id, compare, complaints, small_size, stored_entries
from replicas import Sentinels
from stack import STREAM, wait_for
from test_tls import Authority

pytestmark = pytest.mark.cluster

RATE = 100      # batches a second


@pytest.fixture
def sentinels(folder):
    it = Sentinels(folder / "redis")
    try:
        yield it.start()
    finally:
        it.stop()


@pytest.fixture
def make_writer(make_stack, sentinels):
    def make(**options):
        stack = make_stack(start=False, redis=False, redis_url=sentinels.url(), **{"dedupe_window": "1h", **options})
        stack.program.expects(*EXPECTED)
        stack.start()
        wait_for(lambda: stack.get("/readyz").status == 200, "ready")
        return stack

    return make


def assert_ledger_is_the_stream(senders, redis):
    stored, acknowledged = by_id(stored_entries(redis, [STREAM])), senders.acknowledged()
    print("%d acknowledged, %d times 503, %.2f s without a 200"
          % (len(acknowledged), senders.answers(503), senders.longest_silence(senders.began, senders.ended)))
    assert senders.errors() + complaints(compare(acknowledged, stored)) == []
    return len(acknowledged)


def writing(stack):
    """They post until the end of the block."""
    return Senders(stack.nginx.port, 8, RATE, str(random.random()), size=small_size).running()


def wait_for_more(senders):
    before = senders.answers(200)
    wait_for(lambda: senders.answers(200) > before + 50, "statuses are taken")


def test_the_master_dies_and_comes_back(make_writer, sentinels):
    """It comes back as a master, and is one until the sentinels demote it, which takes many seconds: nothing is written to
    it."""
    stack = make_writer()
    with writing(stack) as senders:
        wait_for_more(senders)
        old = sentinels.kill_master()
        wait_for_more(senders)
        assert sentinels.bring_back(old) == "master"
        wait_for_more(senders)
    assert assert_ledger_is_the_stream(senders, sentinels.master()) > 500
    assert stack.metric("tickstream_redis_master_changes_total") >= 1


def test_failover_by_hand(make_writer, sentinels):
    """The old master goes on taking writes until it is demoted; with replicas:2 none is acknowledged that only it has."""
    stack = make_writer(redis_ack="replicas:2")
    with writing(stack) as senders:
        wait_for_more(senders)
        old = sentinels.failover()
        assert sentinels.master() is not old
        wait_for_more(senders)
    assert_ledger_is_the_stream(senders, sentinels.master())


def test_one_sentinel_suffices(make_writer, sentinels):
    for sentinel in sentinels.sentinels[1:]:
        sentinel.stop()
    assert make_writer().post(payload()).document() == result(accepted=1)
    assert sentinels.group.master("XLEN", STREAM) == 1


@pytest.mark.parametrize("alternatives, is_trusted", [(["IP:127.0.0.1"], True), (["IP:127.0.0.2"], False)])
def test_tls(make_stack, folder, alternatives, is_trusted):
    """Sentinels and servers alike."""
    authority = Authority(folder / "ca")
    cert, key = authority.issue("redis", *alternatives)
    it = Sentinels(folder / "redis", tls=[("tls-cert-file", cert), ("tls-key-file", key), ("tls-ca-cert-file", authority.cert),
                                          ("tls-auth-clients", "no"), ("tls-replication", "yes")])
    try:
        it.start()
        stack = make_stack(start=False, redis=False, redis_url=it.url(), redis_tls_ca=authority.cert, dedupe_window="1h")
        stack.program.expects(*EXPECTED)
        stack.start()
        if is_trusted:
            wait_for(lambda: stack.get("/readyz").status == 200, "ready")
            assert stack.post(payload()).document() == result(accepted=1)
            assert it.master()("XLEN", STREAM) == 1
        else:
            wait_for(lambda: stack.program.has_logged(r"IP address mismatch"), "it is said")
            assert stack.post(payload()).status == 503
    finally:
        it.stop()
