"""tickstream erase: what names a person goes, in all places, and nothing else."""
import json
import pathlib
import re
import shutil
import signal
import tempfile

import pytest

from bodies import payload, result, status
from cluster import Cluster
from commands import PASSWORD, begin, end, redis, run  # noqa: F401  fixtures too
from old_entries import fill
from partitions import NUMBER, partition_names
from ports import Port
from stack import QUARANTINE, SLOWNESS, STREAM, wait_for

EVENTS, DEAD = "{%s}:events" % STREAM, "{%s}:dead" % STREAM
PERSON = "12025550123"

# Of all entries of a stream but those with these ids; a stream may hold too many to be read by a test.
REST = """
local erased, sums, from = {}, '', '-'
for i = 1, #ARGV do erased[ARGV[i]] = true end
while true do
    local entries = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 1000)
    for _, entry in ipairs(entries) do
        if not erased[entry[1]] then sums = redis.sha1hex(sums .. entry[1] .. cjson.encode(entry[2])) end
    end
    if #entries < 1000 then return sums end
    from = '(' .. entries[1000][1]
end"""


def erase(run, *more, number=PERSON, **settings):
    done = run("erase", "--recipient", number, *more, **settings)
    assert done.returncode == 0, done
    return done.stdout.splitlines()


def left(redis, stream=STREAM):
    return [i.decode() for i, _ in redis("XRANGE", stream, "-", "+")]


# What names a person

NAMES = [
    ("recipient_id", PERSON), ("recipient_id", "+" + PERSON), ("recipient_id", "+1 (202) 555-0123"),
    ("extra", '{"wa_id":"%s"}' % PERSON), ("extra", '{"message":{"recipient_id":%s}}' % PERSON),
    ("extra", '{"x":"+%s, 7"}' % PERSON), ("errors", '[{"error_data":{"details":"to %s."}}]' % PERSON),
    ("extra", "%s0 %s" % (PERSON, PERSON)), ("extra", PERSON), ("extra", "x" * 300000 + PERSON)]
DOES_NOT = [
    ("recipient_id", ""), ("recipient_id", PERSON + "0"), ("recipient_id", "0" + PERSON), ("recipient_id", PERSON[:-1]),
    ("recipient_id", "US.1 202 555 0123"), ("extra", '{"wa_id":"1%s"}' % PERSON), ("extra", "1 (202) 555-0123"),
    ("errors", '[{"code":%s7}]' % PERSON), ("display_phone_number", PERSON), ("phone_number_id", PERSON), ("id", PERSON)]
RAW_NAMES = [
    ("raw", '{"from":"%s"}' % PERSON), ("raw", "a=%%2B%s&b=1" % PERSON), ("raw", "a=%%20%s" % PERSON), ("any", PERSON),
    ("raw", ("<to>%s</to>" % PERSON).encode("utf-16")), ("raw", b"\xff\x00" + PERSON.encode())]
RAW_DOES_NOT = [("raw", "a=20" + PERSON), ("raw", "%s0" % PERSON), ("raw", "7" * 100000 + PERSON), ("detail", ""),
                ("raw", ("<to>%s0</to>" % PERSON).encode("utf-16"))]


@pytest.mark.core
@pytest.mark.parametrize("stream, names, does_not", [
    (STREAM, NAMES, DOES_NOT), (QUARANTINE, RAW_NAMES, RAW_DOES_NOT), (EVENTS, RAW_NAMES, RAW_DOES_NOT),
    (DEAD, RAW_NAMES + NAMES[:2], RAW_DOES_NOT)])
def test_what_names_it(redis, run, stream, names, does_not):
    for n, (field, value) in enumerate(names):
        redis("XADD", stream, "1-%d" % (n + 1), "status", "sent", field, value)
    for n, (field, value) in enumerate(does_not):
        redis("XADD", stream, "2-%d" % (n + 1), "status", "sent", field, value)
    says = "%s: %d of %d entries %%s" % (stream, len(names), len(names) + len(does_not))
    assert erase(run, events_stream=EVENTS)[0] == says % "would be erased"
    assert redis("XLEN", stream) == len(names) + len(does_not)
    assert erase(run, "--yes", events_stream=EVENTS)[0] == says % "are erased"
    assert left(redis, stream) == ["2-%d" % (n + 1) for n in range(len(does_not))]
    assert erase(run, "--yes", events_stream=EVENTS) == ["0 of %d entries in 1 streams are erased" % len(does_not)]


@pytest.mark.core
def test_what_was_stored(make_stack):
    """What dedupe remembers stays: the same body again is known, also the statuses that are gone."""
    stack = make_stack(events_stream=EVENTS)
    bodies = [payload(status("wamid.1", recipient_id=PERSON), status("wamid.2", recipient_id="12025550999")),
              payload(status("wamid.3", recipient_id=""), {"status": "sent", "recipient_id": PERSON}),
              payload(status("wamid.4"), messages=[{"from": PERSON, "text": {"body": "hello"}}])]
    assert [stack.post(body).status for body in bodies] == [200] * 3
    stack.redis("XADD", DEAD, "*", "entry", json.dumps({"recipient_id": PERSON}))
    seen = stack.redis("SCARD", "{%s}:seen:0" % STREAM)
    done = stack.program.run("erase", "--recipient", "+1 202-555-0123", "--yes")
    assert done.stdout.splitlines() == [
        "%s: %s entries are erased" % (STREAM, "2 of 4"), "%s: 1 of 1 entries are erased" % QUARANTINE,
        "%s: 1 of 1 entries are erased" % EVENTS, "%s: 1 of 1 entries are erased" % DEAD,
        "5 of 7 entries in 4 streams are erased"]
    assert stack.redis("SCARD", "{%s}:seen:0" % STREAM) == seen
    assert [stack.redis("XLEN", name) for name in (QUARANTINE, EVENTS, DEAD)] == [0, 0, 0]
    assert [entry["id"] for entry in stack.entries()] == ["wamid.2", "wamid.3"]
    for body in bodies:
        counts = stack.post(body).document()
        assert counts["accepted"] == counts["quarantined"] == 0 and counts["duplicates"] >= 1


def test_what_is_pending(redis, run):
    """It is not pending any more in any group, and nobody gets it; the rest is as it was."""
    for n in range(10):
        redis("XADD", STREAM, "%d-0" % (n + 1), "recipient_id", PERSON if n % 2 else "12025550999")
    for group, count in ("billing", "6"), ("audit", "10"), ("new", None):
        redis("XGROUP", "CREATE", STREAM, group, "0")
        if count:
            redis("XREADGROUP", "GROUP", group, "me", "COUNT", count, "STREAMS", STREAM, ">")
    redis("XACK", STREAM, "audit", "1-0", "2-0")
    assert erase(run, "--yes")[0] == "%s: 5 of 10 entries are erased" % STREAM

    def pending(group):
        return [row[0].decode() for row in redis("XPENDING", STREAM, group, "-", "+", "100")]

    assert (pending("billing"), pending("audit")) == (["1-0", "3-0", "5-0"], ["3-0", "5-0", "7-0", "9-0"])
    assert redis("XACK", STREAM, "audit", "4-0") == 0               # a consumer that was busy with one
    assert len(redis("XAUTOCLAIM", STREAM, "audit", "you", "0", "0")[1]) == 4
    assert [i for i, _ in redis("XREADGROUP", "GROUP", "new", "me", "STREAMS", STREAM, ">")[0][1]] == [
        b"1-0", b"3-0", b"5-0", b"7-0", b"9-0"]
    assert left(redis) == ["%d-0" % n for n in (1, 3, 5, 7, 9)]


# Many

@pytest.mark.release_only
def test_many_entries(redis, run):
    """A hundred thousand, and 37 of one person in all places: in calls that hold up nobody."""
    streams = [*partition_names(4), "{%s:2}:quarantine" % STREAM, "{%s:3}:events" % STREAM, "{%s:0}:dead" % STREAM]
    counts = dict(zip(streams, (24000, 24000, 24000, 20000, 2000, 4000, 2000)))
    erased = {name: ["%d-0" % (counts[name] // (n + 2)) for n in range(few)]
              for name, few in zip(streams, (10, 0, 8, 7, 5, 4, 3))}
    assert (sum(counts.values()), sum(map(len, erased.values()))) == (100000, 37)
    for name in streams:
        redis("EVAL", """
            local of_them = {}
            for i = 2, #ARGV do of_them[ARGV[i]] = true end
            for i = 1, ARGV[1] do
                local number = of_them[i .. '-0'] and '%s' or string.format('4917%%07d', i)
                redis.call('XADD', KEYS[1], i .. '-0', 'id', 'wamid.' .. i, 'status', 'sent', 'recipient_id', number,
                           'errors', '[]', 'extra', '{"pricing":{"type":"regular","n":' .. i .. '}}',
                           'request_id', ('x'):rep(32), 'entry_id', '900100200300401', 'received_at', '1764321722112')
            end""" % PERSON, "1", name, str(counts[name]), *erased[name])

    def rest():
        return [redis("EVAL", REST, "1", name, *erased[name]) for name in streams]

    before = rest()
    settings = {"stream_partitions": 4, "events_stream": EVENTS}
    assert erase(run, **settings)[-3:] == ["37 of 100,000 entries in 7 streams would be erased", "",
                                           "Nothing was erased; --yes does it."]
    redis("CONFIG", "SET", "slowlog-log-slower-than", 0, "slowlog-max-len", 10000)
    redis("SLOWLOG", "RESET")
    lines = erase(run, "--yes", **settings)
    calls = sorted(row[2] for row in redis("SLOWLOG", "GET", "-1") if row[3][0] == b"EVAL")
    print("%d calls, median %.1f ms, longest %.1f ms" % (len(calls), calls[len(calls) // 2] / 1000, calls[-1] / 1000))
    assert lines == [*("%s: %d of %s entries are erased" % (name, len(erased[name]), format(counts[name], ","))
                       for name in (streams[0], streams[6], streams[2], streams[4], streams[3], streams[5])),
                     "37 of 100,000 entries in 7 streams are erased"]
    assert len(calls) >= 100 and calls[-1] < 25000 * SLOWNESS and calls[len(calls) // 2] < 5000 * SLOWNESS
    assert rest() == before and sum(redis("XLEN", name) for name in streams) == 100000 - 37


def test_it_is_ended_and_called_again(redis, begin, run):
    fill(redis, STREAM, 100000)
    redis("XADD", STREAM, "*", "recipient_id", PERSON)
    redis("CLIENT", "PAUSE", 60000, "WRITE")
    process = begin("erase", "--recipient", PERSON, "--yes", redis_timeout="30s")
    wait_for(lambda: b"cmd=eval" in redis("CLIENT", "LIST"), "it has begun")
    process.send_signal(signal.SIGTERM)
    process.communicate()
    redis("CLIENT", "UNPAUSE")
    assert process.returncode == -signal.SIGTERM and redis("XLEN", STREAM) == 100001
    assert erase(run, "--yes")[0] == "%s: 1 of 100,001 entries are erased" % STREAM


def test_a_hostile_entry(redis, run):
    """One that is as large as can be, and nearly the number all the way."""
    redis("XADD", QUARANTINE, "1-0", "raw", PERSON * 250000)
    redis("XADD", QUARANTINE, "2-0", "raw", (PERSON + "0,") * 250000)
    redis("XADD", QUARANTINE, "3-0", "raw", (PERSON + "0,") * 250000 + PERSON)
    redis("CONFIG", "SET", "slowlog-log-slower-than", 0)
    assert erase(run, "--yes")[0] == "%s: 1 of 3 entries are erased" % QUARANTINE
    longest = max(row[2] for row in redis("SLOWLOG", "GET", "-1") if row[3][0] == b"EVAL")
    print("longest %.1f ms" % (longest / 1000))
    assert longest < 1000000 * SLOWNESS and left(redis, QUARANTINE) == ["1-0", "2-0"]


@pytest.mark.cluster
def test_large_entries_behind_a_small_one(redis, run):
    """They are not read together: 128 of 3 MiB would hold up the server for seconds."""
    redis("XADD", QUARANTINE, "*", "raw", "small")
    for _ in range(20):
        redis("XADD", QUARANTINE, "*", "raw", "7" * (3 << 20))
    redis("CONFIG", "RESETSTAT")
    assert erase(run)[0] == "0 of 21 entries in 1 streams would be erased"
    calls = redis("INFO", "commandstats").decode()
    assert int(calls.split("cmdstat_xrange:calls=")[1].split(",")[0]) >= 21
    assert int(calls.split("cmdstat_eval:calls=")[1].split(",")[0]) >= 20


def test_a_cluster(run):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tickstream-test-"))
    cluster = Cluster(folder, replicas=0)
    try:
        cluster.start()
        for n, name in enumerate(partition_names(8)):
            fill(cluster.owner_of(name), name, 50)
            cluster("XADD", name, "*", "recipient_id", PERSON)
            cluster("XADD", "{%s}:dead" % name, "*", "number", PERSON)
            cluster.owner_of(name)("XGROUP", "CREATE", name, "billing", "0")
        lines = erase(run, "--yes", redis_url=cluster.url(cluster.nodes[1]), stream_partitions=8)
        assert lines[-1] == "16 of 416 entries in 16 streams are erased" and len(lines) == 17
        assert [cluster("XLEN", name) for name in partition_names(8)] == [50] * 8
    finally:
        cluster.stop()
        shutil.rmtree(folder)


# What goes wrong

@pytest.mark.parametrize("arguments", [(), ("--yes",), ("--recipient",), ("--recipient", ""), ("--recipient", "123456"),
                                       ("--recipient", "12025550123x"), ("--recipient", "1" * 21), ("--recipient", "1234567", "-y"),
                                       ("1234567", "--yes"), ("--recipient", "--yes")])
def test_misuse(redis, run, arguments):
    redis("XADD", STREAM, "*", "recipient_id", "1234567")
    done = run("erase", *arguments)
    assert done.returncode == 2 and re.fullmatch(r"erase: .* \(tickstream help erase\)\n", done.stderr)
    assert redis("XLEN", STREAM) == 1


def test_a_right_is_missing(redis, run):
    """What `tickstream acl` grants is enough for a look; without one of the others nothing is done."""
    granted = run("acl").stdout.replace("~*", "").split(">PASSWORD ")[1].replace('"', "").split()
    user = "ACL", "SETUSER", "me", "reset", "on", ">" + PASSWORD, *granted
    url = "unix://me:%s@%s" % (PASSWORD, redis.path)
    redis("XADD", STREAM, "1-0", "recipient_id", PERSON)
    redis("XGROUP", "CREATE", STREAM, "billing", "0")
    redis("XREADGROUP", "GROUP", "billing", "me", "STREAMS", STREAM, ">")
    redis(*user)
    assert erase(run, redis_url=url)[0] == "%s: 1 of 1 entries would be erased" % STREAM
    for right in "+xdel", "+xack":
        redis(*user, right)
        done = run("erase", "--recipient", PERSON, "--yes", redis_url=url)
        assert done.returncode == 1 and "the ACL user lacks a" in done.stderr and redis("XLEN", STREAM) == 1
    redis(*user, "+xdel", "+xack")
    erase(run, "--yes", redis_url=url)
    assert redis("XLEN", STREAM) == 0


def test_it_cannot_be_done(redis, run):
    port = Port()
    done = run("erase", "--recipient", PERSON, redis_url="redis://127.0.0.1:%s" % port)
    assert done.returncode == 75 and "Connection refused" in done.stderr
    redis("SET", NUMBER, "8")
    done = run("erase", "--recipient", PERSON)
    assert done.returncode == 1 and "made with 8 partitions" in done.stderr
    redis("DEL", NUMBER)
    redis("SET", DEAD, "x")
    done = run("erase", "--recipient", PERSON)
    assert done.returncode == 1 and "%s: WRONGTYPE" % DEAD in done.stderr
