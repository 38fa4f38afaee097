"""tickstream groups, trim and consumers: who holds a stream, and what is removed by hand."""
import os
import pathlib
import pty
import re
import shutil
import signal
import tempfile

import pytest

from bodies import payload, result, status
from cluster import Cluster
from commands import PASSWORD, begin, end, redis, run, shown_on  # noqa: F401  fixtures too
from old_entries import fill, first_id, read
from partitions import NUMBER, partition_names
from ports import Port
from stack import QUARANTINE, STREAM, TIMEOUT, RedisServer, wait_for

MANY = 5000
DAY = 86400
EVENTS = "whatsapp:events"
LEASE = "{%s}:upkeep" % STREAM


def rows(done):
    """Lines as lists of what two blanks or more set apart."""
    return [re.split("  +", line.strip()) for line in done.stdout.splitlines()]


# trim

@pytest.mark.core
@pytest.mark.parametrize("arguments", [(), ("--dry-run",)])
def test_a_dry_run_removes_nothing(redis, run, arguments):
    fill(redis, STREAM, 900)
    fill(redis, QUARANTINE, 100)
    read(redis, "slow", 400)
    read(redis, "quick", 900)
    done = run("trim", *arguments)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == STREAM
    assert re.match("  stream +399 would be removed, of 900, the oldest [0-9]+ d .*old$", lines[1])
    assert re.match("    quick +1 pending .the oldest .* old., lag 0$", lines[2])
    assert re.match("    slow +1 pending .the oldest .* old., lag 500  holds the stream$", lines[3])
    assert re.match("  quarantine +100 would be removed, of 100; what is younger than 30 d stays .QUARANTINE_KEEP.$", lines[4])
    assert lines[5:] == ["", "Nothing was removed; `tickstream trim --yes` does it."]
    assert (redis("XLEN", STREAM), redis("XLEN", QUARANTINE), redis("EXISTS", LEASE)) == (900, 100, 0)


@pytest.mark.core
def test_what_is_kept_no_longer_goes(redis, run):
    """Whatever TRIM says; all in one command, and each by its own setting."""
    for stream in STREAM, QUARANTINE, EVENTS:
        fill(redis, stream, MANY)
    read(redis, "slow", 4000)
    assert re.search("stream +at least 1,000 would be", run("trim").stdout)
    done = run("trim", "--yes", events_stream=EVENTS, events_keep=0)
    assert done.returncode == 0 and re.search("stream +3,999 removed, 1,001 are left", done.stdout)
    assert re.search("quarantine +5,000 removed, 0 are left", done.stdout)
    assert re.search("events +0 removed, 5,000 are left; all stays .EVENTS_KEEP=0.", done.stdout)
    assert (first_id(redis), redis("XLEN", QUARANTINE)) == ("4000-0", 0)
    assert re.search("events +5,000 removed, 0 are left", run("trim", "--yes", events_stream=EVENTS).stdout)
    done = run("trim", "--yes")
    assert done.returncode == 0 and re.search("stream +0 removed, 1,001 are left", done.stdout)


@pytest.mark.parametrize("arguments", [(), ("--yes",)])
@pytest.mark.parametrize("groups, settings, says", [
    ((), {}, "it has no group, .*`tickstream groups --create NAME --from 0` makes one"),
    (("billing",), {"trim_groups": "billing, audit"}, "the group audit of TRIM_GROUPS is missing"),
])
def test_nothing_can_be_done(redis, run, arguments, groups, settings, says):
    """Of the stream; quarantine goes by age."""
    fill(redis, STREAM, 10)
    fill(redis, QUARANTINE, 10)
    for group in groups:
        read(redis, group, 10)
    done = run("trim", *arguments, **settings)
    assert done.returncode == 1 and re.match("trim: %s: %s" % (STREAM, says), done.stderr)
    assert "; all stays: no group" in done.stdout
    assert (redis("XLEN", STREAM), redis("XLEN", QUARANTINE)) == (10, 0 if arguments else 10)


def test_nothing_is_there(redis, run):
    assert run("trim", "--yes", stream_partitions=2).returncode == 0
    redis("SET", STREAM, "x")
    done = run("trim", "--yes")
    assert done.returncode == 1 and "WRONGTYPE" in done.stderr and "of ?" not in done.stdout


def test_what_holds_it(redis, run):
    fill(redis, STREAM, 10)
    read(redis, "billing", 10)
    redis("XACK", STREAM, "billing", "10-0")
    redis("XGROUP", "CREATE", STREAM, "dead", "0")
    assert re.search("dead .*, lag 10  holds the stream", run("trim").stdout)
    done = run("trim", "--yes", trim_dead_group="24h")
    assert re.search("dead .*, lag 10  dead: is not waited for .TRIM_DEAD_GROUP.", done.stdout)
    redis("XGROUP", "DESTROY", STREAM, "dead")
    redis("XADD", STREAM, "*", "a", "b")
    redis("XREADGROUP", "GROUP", "billing", "me", "STREAMS", STREAM, ">")
    assert "what is younger than 24 h stays (TRIM_KEEP)" in run("trim").stdout
    assert first_id(redis) == "10-0"


def test_a_name_that_steers_a_terminal(redis, run):
    fill(redis, STREAM, 1)
    redis("XGROUP", "CREATE", STREAM, "a\x1b[2Jb", "0")
    for command in "trim", "groups":
        done = run(command)
        assert done.returncode == 0 and "a?[2Jb" in done.stdout and "\x1b" not in done.stdout


def test_partitions(redis, run):
    for n, name in enumerate(partition_names(4)):
        fill(redis, name, 100)
        read(redis, "billing", 10 * (n + 1), name)
    done = run("trim", "--yes", stream_partitions=4)
    assert done.returncode == 0 and done.stdout.count("holds the stream") == 4
    assert [first_id(redis, name) for name in partition_names(4)] == ["10-0", "20-0", "30-0", "40-0"]
    redis("XGROUP", "DESTROY", "%s:1" % STREAM, "billing")
    done = run("trim", "--yes", stream_partitions=4)
    assert done.returncode == 1 and done.stderr.startswith("trim: %s:1: it has no group" % STREAM)
    assert "%s:3\n" % STREAM in done.stdout             # and the rest is seen to all the same


def test_beside_workers(make_stack):
    """One of them has the lease, also with TRIM=off."""
    stack = make_stack()
    wait_for(lambda: stack.redis("GET", LEASE), "a worker has it")
    lease = stack.redis("GET", LEASE)
    fill(stack.redis, STREAM, MANY)
    read(stack.redis, "billing", MANY)
    done = stack.program.run("trim", "--yes")
    assert done.returncode == 0 and done.stdout.startswith("%s (a worker looks after it, too)\n" % STREAM)
    assert (first_id(stack.redis), stack.redis("GET", LEASE)) == ("%d-0" % MANY, lease)
    assert stack.post(payload(status())).document() == result(accepted=1)


def test_again_after_it_was_ended(redis, begin, run):
    fill(redis, STREAM, 20 * MANY)
    redis("XGROUP", "CREATE", STREAM, "billing", "$")
    process = begin("trim", "--yes")
    wait_for(lambda: first_id(redis) != "1-0", "it has begun")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=TIMEOUT)
    assert process.returncode == -signal.SIGTERM and redis("XLEN", STREAM) > 1
    done = run("trim", "--yes")
    assert done.returncode == 0 and "(a worker" not in done.stdout
    assert first_id(redis) == "%d-0" % (20 * MANY)


def test_redis_goes_away(redis, begin):
    fill(redis, STREAM, 20 * MANY)
    redis("XGROUP", "CREATE", STREAM, "billing", "$")
    process = begin("trim", "--yes")
    wait_for(lambda: first_id(redis) != "1-0", "it has begun")
    redis.stop(signal.SIGKILL)
    done = end(process)
    assert done.returncode == 75 and done.stderr.startswith("trim: %s: " % STREAM)


def test_progress_on_a_terminal(redis, begin):
    fill(redis, STREAM, MANY)
    redis("XGROUP", "CREATE", STREAM, "billing", "$")
    ours, its = pty.openpty()
    process = begin("trim", "--yes", stderr=its)
    stdout = process.communicate(timeout=TIMEOUT)[0]
    os.close(its)
    shown = shown_on(ours)
    assert "removed, 1 are left" in stdout and "\r\x1b[K%s: " % STREAM in shown and shown.endswith("\r\x1b[K")
    assert re.search("[0-9],[0-9]{3} entries are removed", shown)


def test_a_full_redis_is_trimmed(redis, run):
    fill(redis, STREAM, MANY)
    read(redis, "billing", MANY)
    redis("CONFIG", "SET", "maxmemory", "1")
    assert run("trim", "--yes").returncode == 0
    assert first_id(redis) == "%d-0" % MANY


def test_nobody_answers(run):
    port = Port()
    for command in ("trim",), ("groups",), ("consumers", "reap", "1d"):
        done = run(*command, redis_url="redis://127.0.0.1:%s" % port)
        assert (done.returncode, done.stdout) == (75, "")
        assert "Connection refused (127.0.0.1:%s)" % port in done.stderr
        done = run(*command, redis_url="redis+cluster://127.0.0.1:%s" % port)
        assert (done.returncode, done.stdout) == (75, "")
        assert done.stderr.startswith("%s: no node of the cluster answers" % command[0])
    port.close()


def test_rights(redis, run):
    """What the help says is enough; without one of them it is told which."""
    fill(redis, STREAM, 10)
    fill(redis, QUARANTINE, 10)
    read(redis, "billing", 10)
    url = "unix://me:%s@%s" % (PASSWORD, redis.path)
    line = run("acl", redis_url=url).stdout.replace("PASSWORD", PASSWORD).replace('"', "").split()
    redis(*line)
    for right in "+xlen", "+xrange", "+xpending", "+xinfo":
        redis("ACL", "SETUSER", "me", right)
    assert "holds the stream" in run("groups", redis_url=url).stdout
    redis("ACL", "SETUSER", "me", "-xgroup")
    done = run("groups", "--create", "a", "--from", "0", redis_url=url)
    assert done.returncode == 1 and "xgroup" in done.stderr
    redis("ACL", "SETUSER", "me", "+xgroup", "+xtrim", "+pexpire")
    assert run("groups", "--create", "a", "--from", "$", redis_url=url).returncode == 0
    assert run("trim", "--yes", redis_url=url).returncode == 0
    assert (first_id(redis), redis("XLEN", QUARANTINE)) == ("10-0", 0)
    redis("ACL", "SETUSER", "me", "-xinfo")
    for command in "trim", "groups":
        done = run(command, redis_url=url)
        says = "the ACL user lacks a right; `tickstream help %s` names all" % command, "'xinfo"        # from Redis 8 on
        assert done.returncode == 1 and done.stderr.startswith("%s: %s: " % (command, STREAM))
        assert any(text in done.stderr for text in says)


# groups

@pytest.mark.core
def test_groups(redis, run):
    done = run("groups")
    assert (done.returncode, rows(done)[1:]) == (0, [[STREAM, "no group"]])
    fill(redis, STREAM, 10)
    assert rows(run("groups"))[1:] == [[STREAM, "no group"]]
    read(redis, "slow", 4)
    redis("XREADGROUP", "GROUP", "slow", "other", "COUNT", "2", "STREAMS", STREAM, ">")
    redis("XGROUP", "CREATE", STREAM, "idle", "0")
    redis("XADD", STREAM, "*", "a", "b")
    redis("XGROUP", "CREATE", STREAM, "quick", "$")
    done = run("groups")
    head, idle, quick, slow = rows(done)
    assert done.returncode == 0
    assert head == ["stream", "group", "consumers", "pending", "lag", "oldest pending", "last delivered", "idle"]
    assert idle == [STREAM, "idle", "0", "0", "11", "-", "nothing", "-", "holds the stream"]
    assert quick[:6] == [STREAM, "quick", "0", "0", quick[4], "-"] and re.match("[0-9] s$", quick[6]) and len(quick) == 8
    assert slow[:5] == [STREAM, "slow", "2", "3", "5"] and len(slow) == 8
    assert re.match(r"\d+ d", slow[5]) and re.match(r"\d+ d", slow[6]) and re.match(r"\d s$", slow[7])
    assert {row[1]: row[8:] for row in rows(run("groups", trim_dead_group="24h"))[1:]} == \
        {"idle": ["dead"], "quick": [], "slow": ["holds the stream"]}


def test_many_groups(redis, run):
    for n in range(40):
        redis("XGROUP", "CREATE", STREAM, "g%02d" % n, "0", "MKSTREAM")
    done = run("groups")
    assert done.returncode == 0 and len(rows(done)) == 1 + 32 + 1
    assert rows(done)[-1] == [STREAM, "and 8 more"]


def test_a_key_of_another_type(redis, run):
    redis("SET", "%s:0" % STREAM, "x")
    done = run("groups", stream_partitions=2)
    assert done.returncode == 1 and done.stderr.startswith("groups: %s:0: WRONGTYPE" % STREAM)
    assert rows(done)[1:] == [["%s:0" % STREAM, "?"], ["%s:1" % STREAM, "no group"]]


def test_making_a_group(redis, run):
    fill(redis, "%s:1" % STREAM, 10)
    done = run("groups", "--create", "billing", "--from", "0", stream_partitions=2)
    assert (done.returncode, done.stdout) == (0, "".join("%s:%d: the group billing is made\n" % (STREAM, n) for n in (0, 1)))
    assert [row[4] for row in rows(run("groups", stream_partitions=2))[1:]] == ["0", "10"]
    assert run("groups", "--create", "new", "--from", "$", stream_partitions=2).returncode == 0
    assert redis("XREADGROUP", "GROUP", "new", "me", "STREAMS", "%s:1" % STREAM, ">") is None
    done = run("groups", "--create", "billing", "--from", "$", stream_partitions=4)
    assert done.returncode == 0 and done.stdout.count("exists already and stays as it is") == 2
    assert done.stdout.count("is made") == 2
    assert len(redis("XREADGROUP", "GROUP", "billing", "me", "STREAMS", "%s:1" % STREAM, ">")[0][1]) == 10


@pytest.mark.parametrize("arguments", [("groups",), ("groups", "--create", "a", "--from", "0"), ("trim",), ("trim", "--yes")])
def test_another_number_of_partitions(redis, run, arguments):
    redis("SET", NUMBER, "8")
    done = run(*arguments, stream_partitions=4)
    assert (done.returncode, done.stdout) == (1, "")
    assert "%s: the stream was made with 8 partitions, STREAM_PARTITIONS is 4" % NUMBER in done.stderr
    assert redis("DBSIZE") == 1


def test_a_full_redis_makes_no_group(redis, run):
    redis("CONFIG", "SET", "maxmemory", "1")
    done = run("groups", "--create", "billing", "--from", "0", stream_partitions=2)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("groups: %s:0: Redis is full, and makes no group: raise maxmemory, or" % STREAM)
    redis("CONFIG", "SET", "maxmemory", "0")
    assert run("groups", "--create", "billing", "--from", "0", stream_partitions=2).returncode == 0


# consumers

@pytest.fixture
def later(folder, make_clock):
    """A Redis, and its clock."""
    server = RedisServer(folder)
    server.clock = make_clock()
    server.start()
    yield server, server.clock
    server.stop()


def test_consumers_that_are_gone(later, run):
    """Whoever has something pending stays, and who has asked a moment ago."""
    redis, clock = later
    fill(redis, STREAM, 10)
    for group in "a", "b":
        redis("XGROUP", "CREATE", STREAM, group, "0")
        for n in range(2):
            redis("XGROUP", "CREATECONSUMER", STREAM, group, "gone%d" % n)
    redis("XREADGROUP", "GROUP", "a", "busy", "COUNT", "1", "STREAMS", STREAM, ">")
    assert run("consumers", "reap", "1d").stdout == "0 consumers would be removed\nNothing was removed; --yes does it.\n"
    clock.move(8 * DAY)
    redis("XREADGROUP", "GROUP", "b", "alive", "COUNT", "1", "STREAMS", STREAM, ">")
    assert run("consumers", "reap", "9d", "--yes").stdout == "0 consumers removed\n"
    done = run("consumers", "reap", "7d")
    assert done.returncode == 0 and "%s: gone1 of b, idle for 8 d, would be removed\n" % STREAM in done.stdout
    says = "4 consumers %s; 1 more stay: entries are pending on them (XAUTOCLAIM moves those)\n"
    assert says % "would be removed" in done.stdout
    done = run("consumers", "reap", "7d", "--yes")
    assert done.returncode == 0 and done.stdout.endswith(says % "removed") and done.stdout.count("is removed") == 4
    assert {row[1]: row[2] for row in rows(run("groups"))[1:]} == {"a": "1", "b": "1"}


def test_more_consumers_than_a_call_removes(later, run):
    redis, clock = later
    redis("XGROUP", "CREATE", STREAM, "a", "0", "MKSTREAM")
    for n in range(2500):
        redis("XGROUP", "CREATECONSUMER", STREAM, "a", "gone%d" % n)
    clock.move(DAY)
    assert "\nat least 1,000 consumers would be removed\n" in run("consumers", "reap", "12h").stdout
    assert run("consumers", "reap", "12h", "--yes").stdout.endswith("\n2,500 consumers removed\n")
    assert rows(run("groups"))[1][2] == "0"


@pytest.mark.cluster
def test_a_cluster(run):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tickstream-test-"))
    cluster = Cluster(folder, replicas=0)
    try:
        cluster.start()
        settings = {"redis_url": cluster.url(cluster.nodes[1]), "stream_partitions": 8}
        for name in partition_names(8):
            fill(cluster.owner_of(name), name, 100)
        assert run("groups", "--create", "billing", "--from", "$", **settings).stdout.count("is made") == 8
        assert [row[:2] for row in rows(run("groups", **settings))[1:]] == [[n, "billing"] for n in partition_names(8)]
        done = run("trim", "--yes", **settings)
        assert done.returncode == 0 and done.stdout.count("99 removed, 1 are left") == 8
    finally:
        cluster.stop()
        shutil.rmtree(folder)
