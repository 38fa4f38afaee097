"""Redis absent, dead, slow, full, read-only, forbidden: 503 in time, nothing lost, nothing twice."""
import contextlib
import json
import os
import re
import shlex
import signal
import threading
import time

import pytest

from bodies import payload, result, status
from load import Load
from proxy import HoldingProxy
from stack import QUARANTINE, SLOWNESS, STREAM, wait_for

AT_ONCE = 0.4 * SLOWNESS
IN_TIME = max(7, SLOWNESS)      # TICKSTREAM_REDIS_TIMEOUT is 2s, nginx waits 8
BACK_WITHIN = 2 * SLOWNESS


@pytest.fixture
def stack(make_stack):
    stack = make_stack()
    stack.program.expects(r"redis: .*", r"webhook: answered 503: .*")
    return stack


def refuses(stack, body, within=IN_TIME):
    """Is it answered 503 with Retry-After, in time?"""
    began = time.monotonic()
    answer = stack.post(body)
    took = time.monotonic() - began
    assert answer.status == 503 and answer.header("Retry-After"), answer.body
    assert took < within, took
    return True


def accepts_soon(stack, body, within=BACK_WITHIN):
    return wait_for(lambda: stack.post(body).status == 200, "the status is taken again", within)


def test_absent_at_the_start(make_stack):
    stack = make_stack(redis=False)
    stack.program.expects(r"redis: .*", r"webhook: answered 503: .*")
    body = payload()
    assert refuses(stack, body, AT_ONCE)
    assert stack.get("/livez").status == 200
    assert stack.get("/readyz").status == 503
    stack.redis.start()
    assert accepts_soon(stack, body)
    assert len(stack.entries()) == 1


@pytest.mark.core
def test_killed_and_restarted(make_stack):
    stack = make_stack(aof=True)
    stack.program.expects(r"redis: .*", r"webhook: answered 503: .*")
    first, second = payload(), payload()
    assert stack.post(first).status == 200
    stack.redis.stop(signal.SIGKILL)
    for _ in range(10):
        assert refuses(stack, second, AT_ONCE)
    stack.redis.start()
    assert accepts_soon(stack, second)
    wait_for(lambda: stack.metric("tickstream_redis_connected") == stack.metric("tickstream_workers"), "all are back")
    assert stack.post(first).document() == result(duplicates=1)
    assert len(stack.entries()) == 2


def test_paused(stack):
    body = payload()
    stack.redis("CLIENT", "PAUSE", 60000, "WRITE")
    assert refuses(stack, body)
    stack.redis("CLIENT", "UNPAUSE")
    assert accepts_soon(stack, body)
    assert len(stack.entries()) == 1


@pytest.mark.core
def test_stopped(stack):
    body = payload()
    stack.redis.kill(signal.SIGSTOP)
    assert refuses(stack, body)
    stack.redis.kill(signal.SIGCONT)
    assert accepts_soon(stack, body)
    assert len(stack.entries()) == 1


def test_stops_while_idle(stack):
    """/readyz is 503 in time, too, and well again afterwards."""
    stack.redis.kill(signal.SIGSTOP)
    time.sleep(0.3)             # an answer is good for 250 ms
    began = time.monotonic()
    assert stack.get("/readyz").status == 503
    assert time.monotonic() - began < IN_TIME
    stack.redis.kill(signal.SIGCONT)
    wait_for(lambda: stack.get("/readyz").status == 200, "ready again", BACK_WITHIN)


def test_redis_hangs_beside_uploads(stack):
    """Large bodies that anybody may post do not keep a good one from its 503."""
    done, answers = threading.Event(), []
    large = payload().ljust(3_000_000)

    def upload():
        with contextlib.closing(stack.client()) as client:
            while not done.is_set():
                answers.append(client.post(large, secret="somebody's").status)

    threads = [threading.Thread(target=upload) for _ in range(16)]
    try:
        for thread in threads:
            thread.start()
        wait_for(lambda: len(answers) >= 16, "uploads are under way")
        stack.redis.kill(signal.SIGSTOP)
        began = time.monotonic()
        answer = stack.post(payload())
        took = time.monotonic() - began
    finally:
        stack.redis.kill(signal.SIGCONT)
        done.set()
        for thread in threads:
            thread.join()
    print("%d after %.2f s, beside %d uploads" % (answer.status, took, len(answers)))
    assert answer.status == 503 and took < 1.5 * SLOWNESS
    assert set(answers) == {401}


ADDED = b":0\r\n"     # the reply to what was all new


def test_redis_replies_late_to_one(make_stack, folder):
    """It is answered 503 alone: the reply that comes later is dropped, and its neighbours get theirs."""
    timeout = min(0.75 * SLOWNESS, 5)           # nginx waits 8 s
    stack = make_stack(start=False, workers=1, redis_timeout="%dms" % (timeout * 1000))
    proxy = HoldingProxy(folder / "proxy.sock", stack.redis.path)
    stack.program.settings["redis_url"] = proxy.url
    stack.program.expects(r"webhook: answered 503: .*")
    stack.start()
    bodies = [payload() for _ in range(3)]
    clients = [stack.client() for _ in bodies]
    proxy.hold()
    began = time.monotonic()
    for i in 0, 1:
        clients[i].send_post(bodies[i])
        wait_for(lambda: len(stack.entries()) > i, "it is stored, and its reply waits")
    wait_for(lambda: time.monotonic() - began > timeout / 2, "some time is over")
    proxy.let(len(ADDED))                       # so that Redis is not silent
    assert clients[0].receive().document() == result(accepted=1)
    clients[2].send_post(bodies[2])
    assert clients[1].receive().status == 503
    wait_for(lambda: len(stack.entries()) == 3, "the third is stored")
    proxy.let(None)
    assert clients[2].receive().document() == result(accepted=1)
    assert stack.post(bodies[1]).document() == result(duplicates=1)
    assert len(stack.entries()) == 3
    assert len([m for m in stack.program.messages() if "redis: connected" in m]) == 1
    for client in clients:
        client.close()


def test_full(stack):
    body = payload()
    stack.redis("CONFIG", "SET", "maxmemory", 1)
    assert refuses(stack, body, AT_ONCE)
    wait_for(lambda: stack.get("/readyz").status == 503, "not ready")
    assert stack.program.has_logged(r"redis: OOM .*maxmemory is reached")
    stack.redis("CONFIG", "SET", "maxmemory", 0)
    assert stack.post(body).status == 200
    assert stack.program.has_logged(r"redis: takes writes again")
    assert len(stack.entries()) == 1


def test_replica_until_promoted(stack):
    body = payload()
    stack.redis("REPLICAOF", "127.0.0.1", 1)
    for _ in range(3):
        assert refuses(stack, body, AT_ONCE)
    assert 'level=error' in stack.program.log_text()
    stack.redis("REPLICAOF", "NO", "ONE")
    assert accepts_soon(stack, body)
    assert len(stack.entries()) == 1


def test_script_flush(make_stack):
    stack = make_stack()
    stack.program.expects(r"redis: NOSCRIPT .*")
    for _ in range(5):
        stack.redis("SCRIPT", "FLUSH")
        assert [stack.post(payload()).status for _ in range(4)] == [200] * 4


def test_connections_killed(stack):
    for _ in range(5):
        body = payload()
        stack.redis("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert accepts_soon(stack, body)
    assert len(stack.entries()) == 5


def test_not_enough_replicas(stack):
    body = payload()
    stack.redis("CONFIG", "SET", "min-replicas-to-write", 1)
    assert refuses(stack, body)
    stack.redis("CONFIG", "SET", "min-replicas-to-write", 0)
    assert accepts_soon(stack, body)
    assert len(stack.entries()) == 1


def test_replicas_return_within_the_deadline(stack):
    """What passes by itself is waited for, so that the sender need not send again."""
    stack.redis("CONFIG", "SET", "min-replicas-to-write", 1)
    with stack.client() as client:
        client.send_post(payload())
        wait_for(lambda: stack.program.has_logged("redis: NOREPLICAS"), "the refusal")
        stack.redis("CONFIG", "SET", "min-replicas-to-write", 0)
        assert client.receive().status == 200


@pytest.mark.parametrize("key", [STREAM, QUARANTINE])
def test_key_of_another_type(stack, key):
    body = payload(status(), "not an object")
    stack.redis("SET", key, "something else")
    assert refuses(stack, body, AT_ONCE)
    assert stack.program.has_logged(r"redis: .*WRONGTYPE")
    assert stack.redis("EXISTS", STREAM, QUARANTINE) == 1       # nothing by half: the other one is not made
    stack.redis("DEL", key)
    assert stack.post(body).status == 200
    assert len(stack.entries()) == len(stack.quarantine()) == 1


def stack_of_user(make_stack, user, password, *rules, **settings):
    """A stack whose program logs in over TCP; Redis runs and knows the user."""
    stack = make_stack(start=False, redis=False, **settings)
    stack.redis.start_on_a_port()
    stack.program.settings["redis_url"] = stack.redis.tcp_url("%s:%s" % (user, password))
    stack.program.expects(r"redis: .*", r"webhook: answered 503: .*")
    if rules:
        stack.redis("ACL", "SETUSER", user, *rules)
    return stack.start()


def test_password(make_stack):
    stack = stack_of_user(make_stack, "", "pw", workers=1)
    stack.redis("CONFIG", "SET", "requirepass", "pw")
    wait_for(lambda: stack.get("/readyz").status == 200, "ready")
    stack.redis("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    wait_for(lambda: stack.post(payload()).status == 200, "a status is taken after a second login")


def test_wrong_password(make_stack):
    stack = stack_of_user(make_stack, "somebody", "wrong-password", "on", ">right-password", "+@all", "~*")
    wait_for(lambda: stack.program.has_logged(r"redis: WRONGPASS"), "the refusal is logged")
    assert refuses(stack, payload(), AT_ONCE)
    assert "wrong-password" not in stack.program.log_text()
    stack.redis("ACL", "SETUSER", "somebody", ">wrong-password")
    assert accepts_soon(stack, payload())


MANY = 129  # without dedupe, more than a transaction holds
OPTIONAL = {"+type", "+info", "+role", "+client|setname"}   # what the program can do without
RIGHTS = {"24h": ("+evalsha", "+eval", "+script|load", "+xadd", "+set", "+get", "+time", "+smismember", "+sadd", "+unlink"),
          "0": ("+evalsha", "+eval", "+script|load", "+xadd", "+set", "+multi", "+exec")}
TRANSACTION = {"+multi", "+exec"}
UPKEEP = {"+get", "+time", "+pexpire", "+xtrim", "+xrange", "+xlen", "+xpending", "+xinfo|stream", "+xinfo|groups",
          "+xinfo|consumers", "+memory|usage", "+scard"}    # without them nothing is removed, or it is not told how much
NUMBER = {"+get"}           # of the partitions; of one without dedupe it can do without


def stack_of_acl(make_stack, without=None, **settings):
    """A stack whose user may do what `tickstream acl` prints, but for one right; the rights as they stand there too."""
    settings = {"redis_url": "redis://tickstream:pw@127.0.0.1", **settings}
    line = make_stack(start=False, **settings).program.run("acl").stdout
    words = shlex.split(line)
    assert words[:3] == ["ACL", "SETUSER", "tickstream"]
    rules = [">pw" if w == ">PASSWORD" else w for w in words[3:] if w != without]
    del settings["redis_url"]
    return stack_of_user(make_stack, "tickstream", "pw", *rules, **settings), [w for w in words if w[0] == "+"]


@pytest.mark.parametrize("partitions, events", [(1, ["events*]"]), (4, ["{%s:%d}:events*]" % (STREAM, i) for i in range(4)])],
                         ids=["one", "partitions"])
@pytest.mark.parametrize("window", RIGHTS)
def test_least_rights(make_stack, window, partitions, events):
    stack, rights = stack_of_acl(make_stack, dedupe_window=window, stream_partitions=partitions,
                                 events_stream=events[0].replace(":0}", "}"))
    assert set(rights) == (set(RIGHTS[window]) | OPTIONAL | NUMBER | UPKEEP) - (TRANSACTION if partitions > 1 else set())
    wait_for(lambda: stack.get("/readyz").status == 200, "ready")
    assert stack.metric("tickstream_redis_durable") == 1
    assert stack.post(payload(status(), status(), "not an object")).document() == result(accepted=2, quarantined=1)
    assert stack.post(payload(statuses=None)).document() == result(ignored=1)
    stack.redis("SCRIPT", "FLUSH")
    assert stack.post(payload(*(status() for _ in range(MANY)))).document() == result(accepted=MANY)
    assert sum(len(stack.entries(name)) for name in events) == 1
    assert not stack.program.has_logged("the ACL user|NOPERM|INFO")


@pytest.mark.parametrize("window, right", [(w, r) for w, rights in RIGHTS.items() for r in rights])
def test_no_right_is_idle(make_stack, window, right):
    """Without any one of them nothing is ready, and that before the first body; and a body leaves no entry."""
    stack = stack_of_acl(make_stack, without=right, dedupe_window=window, workers=1)[0]
    wait_for(lambda: stack.program.has_logged("redis: .*NOPERM"), "a word in the log")
    assert stack.get("/readyz").status == 503
    for _ in range(5):
        assert refuses(stack, payload(status(), status()), AT_ONCE)
    assert stack.entries() == []


@pytest.mark.parametrize("right", sorted(OPTIONAL))
def test_what_it_can_do_without(make_stack, right):
    stack = stack_of_acl(make_stack, without=right, require_durable="true", workers=1)[0]
    wait_for(lambda: stack.get("/readyz").status == 200, "ready")
    assert stack.post(payload()).document() == result(accepted=1)
    assert stack.metric("tickstream_redis_durable") == (-1 if right == "+info" else 1)
    warned = [m for m in stack.program.messages() if "INFO does not tell" in m]
    assert len(warned) == (right == "+info")


EVICTS = "--maxmemory-policy", "allkeys-lru"
FORGETS = "--appendonly", "no"


@pytest.mark.parametrize("options, says", [(EVICTS, "maxmemory-policy is allkeys-lru.*noeviction"),
                                           (("--maxmemory-policy", "volatile-ttl"), "maxmemory-policy is volatile-ttl"),
                                           (FORGETS, "appendonly is no.*set it to yes"),
                                           (EVICTS + FORGETS, "allkeys-lru.*; appendonly")])
def test_not_durable(make_stack, options, says):
    """It is told, in four places, once a worker; then it is mended, and that is told too."""
    stack = make_stack(start=False, workers=1)
    stack.program.expects(r"redis: .*")
    stack.redis.options += options
    stack.start()
    assert stack.post(payload()).status == 200
    assert 'level=error' in stack.program.log_text()
    assert len([m for m in stack.program.messages() if re.search(says, m)]) == 1
    assert stack.metric("tickstream_redis_durable") == 0
    assert re.search("redis durable: .*" + says, stack.get("/readyz?verbose").body.decode())
    stack.redis("CONFIG", "SET", "maxmemory-policy", "noeviction")
    stack.redis("CONFIG", "SET", "appendonly", "yes")
    wait_for(lambda: b"redis durable: ok" in stack.get("/readyz?verbose").body, "seen by a probe")
    assert stack.metric("tickstream_redis_durable") == 1
    assert stack.program.has_logged("redis: neither evicts nor forgets any more")


@pytest.mark.parametrize("options", [EVICTS, FORGETS], ids=["evicts", "forgets"])
def test_durability_is_required(make_stack, options):
    stack = make_stack(start=False, require_durable="true")
    stack.program.expects(r"redis: .*", r"webhook: answered 503: .*")
    stack.redis.options += options
    stack.redis.start()
    stack.has_redis = False     # it will not be ready
    stack.start()
    wait_for(lambda: stack.program.has_logged("redis: refused for TICKSTREAM_REQUIRE_DURABLE: "), "it is told why")
    assert refuses(stack, payload(), AT_ONCE)
    assert stack.get("/readyz").status == 503
    assert stack.metric("tickstream_redis_durable") == 0
    stack.redis("CONFIG", "SET", "maxmemory-policy", "noeviction")
    stack.redis("CONFIG", "SET", "appendonly", "yes")
    assert accepts_soon(stack, payload())
    stack.redis("CONFIG", "SET", *(w.removeprefix("--") for w in options))
    wait_for(lambda: stack.get("/readyz").status == 503, "a probe sees it")
    assert len(stack.entries()) == 1


@pytest.mark.parametrize("key, kind", [(STREAM, "stream"), (QUARANTINE, "quarantine"), ("ev", "EVENTS_STREAM")])
def test_wrong_type_at_the_start(make_stack, key, kind):
    """Not ready before the first body, and nothing is stored by half, with or without dedupe."""
    stack = make_stack(start=False, redis=False, dedupe_window="0", events_stream="ev")
    stack.program.expects(r"redis: .*", r"webhook: answered 503: .*")
    stack.redis.start()
    stack.redis("SET", key, "something else")
    stack.start()
    wait_for(lambda: stack.program.has_logged("redis: WRONGTYPE at the key of .*%s" % kind), "it is told which")
    assert stack.get("/readyz").status == 503
    for _ in range(4):
        assert refuses(stack, payload(status(), "not an object"), AT_ONCE)
    stack.redis("DEL", key)
    assert accepts_soon(stack, payload(status(), "not an object"))
    assert len(stack.entries()) == len(stack.quarantine()) == 1


def test_a_trial_leaves_nothing(stack):
    """Connecting and probing make no stream, and no key that stays but the number of partitions, and the sets of dedupe,
    which are never empty.  Upkeep's lease and room are none of theirs."""
    time.sleep(0.3)
    assert stack.get("/readyz").status == 200
    stack.redis("DEL", *("{%s}:%s" % (STREAM, name) for name in ("probe", "upkeep", "room")))
    sets = sorted(set(stack.redis("KEYS", "*")) - {b"{%s}:partitions" % STREAM.encode()})
    assert sets == [b"{%s}:seen:%d" % (STREAM.encode(), n) for n in (0, 1)]
    assert [stack.redis("SMEMBERS", key) for key in sets] == [[b"-"]] * 2


def test_readyz_costs_no_write_each(make_stack):
    """Many who ask at once share a probe, and its answer for a moment."""
    stack = make_stack(workers=1)
    stack.redis("CONFIG", "RESETSTAT")
    clients = [stack.client() for _ in range(8)]
    began = time.monotonic()
    for _ in range(25):
        for client in clients:
            client.send("GET", "/readyz")
        assert {client.receive().status for client in clients} == {200}
    took = time.monotonic() - began
    for client in clients:
        client.close()
    calls = re.search(rb"cmdstat_set:calls=(\d+)", stack.redis("INFO", "commandstats"))
    assert int(calls[1] if calls else 0) <= took / 0.25 + 2  # one may be upkeep's


@pytest.mark.release_only
def test_big_bodies_do_not_stop_small_ones(make_stack):
    """Three of 49,990 statuses at once: nobody else gets a 503, and each of them its 200 within three tries."""
    stack = make_stack(aof=True)
    stack.program.expects(r"redis: .*", r"webhook: answered 503: the statuses could .*")
    bodies = [json.dumps({"entry": [{"changes": [{"value": {"statuses": [
        {"id": "%d.%d" % (n, i), "status": "s"} for i in range(49990)]}}]}]}).encode() for n in range(3)]
    with Load(stack.nginx.port, clients=4) as load:
        threads = [TriesOfABody(stack, body) for body in bodies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for thread in threads:
        assert len(thread.answers) <= 3 and thread.answers[-1].status == 200, thread.answers
        last = thread.answers[-1].document()
        assert last["accepted"] + last["duplicates"] == 49990
    assert set(load.answers) == {200}, load.answers
    assert stack.redis("XLEN", STREAM) == 3 * 49990 + len(load.accepted)


class TriesOfABody(threading.Thread):
    def __init__(self, stack, body):
        super().__init__()
        self.stack, self.body, self.answers = stack, body, []

    def run(self):
        while len(self.answers) < 4 and (not self.answers or self.answers[-1].status != 200):
            self.answers.append(self.stack.post(self.body))


@pytest.mark.parametrize("repeats", [True, False], ids=["repeat", "once"])
def test_a_worker_dies_without_dedupe(make_stack, repeats):
    """Redis has the entry, its reply has not come when the worker dies: whether it is doubled is nginx's include."""
    stack = make_stack(start=False, workers=1, dedupe_window="0", repeats=repeats)
    stack.program.expects(r"redis: .*", r"webhook: answered 503: .*", r"worker \d+ \(pid \d+\) was killed by signal 9")
    stack.redis.start()
    proxy = HoldingProxy(stack.folder / "proxy.sock", stack.redis.path)
    stack.program.settings["redis_url"] = proxy.url
    stack.start()
    with stack.client() as client:
        assert client.post(payload(status("first"))).status == 200      # and the connections are there
        proxy.hold()
        client.send_post(payload(status("once")))
        wait_for(lambda: stack.redis("XLEN", STREAM) == 2, "it is stored")
        os.kill(stack.program.workers()[0], signal.SIGKILL)
        proxy.let(None)
        answer = client.receive()
    proxy.close()
    entries = [(e["id"], e["request_id"]) for e in stack.entries()]
    assert answer.status == (200 if repeats else 503)
    assert len(entries) == (3 if repeats else 2)
    assert len(set(entries)) == 2       # a second entry is of the same request: it was nginx


def test_same_status_at_once(stack):
    """From all workers at the same time: one entry."""
    body = payload()
    clients = [stack.client() for _ in range(50)]
    for client in clients:
        client.send_post(body)
    results = [client.receive().document() for client in clients]
    for client in clients:
        client.close()
    assert sum(r["accepted"] for r in results) == 1
    assert sum(r["duplicates"] for r in results) == 49
    assert len(stack.entries()) == 1


@pytest.mark.parametrize("window, statuses", [("24h", 1000), ("0", 2), ("0", MANY - 1), ("0", MANY), ("0", 1000)])
def test_nothing_by_half(make_stack, window, statuses):
    """A body of many statuses is in the stream whole, or not at all, however it ends."""
    stack = make_stack(dedupe_window=window)
    stack.program.expects(r"redis: .*", r"webhook: answered 503: .*")
    body = payload(*(status() for _ in range(statuses)))
    stack.redis("CONFIG", "SET", "maxmemory", 1)
    assert refuses(stack, body)
    assert stack.entries() == []
    stack.redis("CONFIG", "SET", "maxmemory", 0)
    assert stack.post(body).document() == result(accepted=statuses)
    assert len(stack.entries()) == statuses
    again = result(accepted=statuses) if window == "0" else result(duplicates=statuses)
    assert stack.post(body).document() == again
    assert len(stack.entries()) == statuses + again["accepted"]
