"""tickstream quarantine: what could not be read is looked at, replayed, discarded."""
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import tempfile
import time
import zlib

import pytest

from bodies import payload, result, status
from cluster import Cluster
from commands import PASSWORD, begin, end, redis, run, shown_on  # noqa: F401  fixtures too
from partitions import partition_names
from replicas import Sentinels
from stack import QUARANTINE, STREAM, TIMEOUT, wait_for
from test_lying_redis import LyingRedis, at
from test_tls import authority, tls_stack  # noqa: F401  a fixture too

MANY = 1000
HELD = ("reason", "detail", "pointer", "raw", "content_type", "received_at", "request_id", "entry_id", "field", "phone_number_id")
STATUS = "/entry/0/changes/0/value/statuses/0"


def hold(redis, raw, stream=QUARANTINE, at="*", **values):
    """An entry, as a worker of some time has made it."""
    values = {"reason": "not_a_payload", "detail": "an old rule", "content_type": "application/json",
              "received_at": "1700000000123", "request_id": "request-1", **values, "raw": raw}
    return redis("XADD", stream, at, *(word for name in HELD for word in (name, values.get(name, "")))).decode()


def hold_many(redis, count, stream=QUARANTINE):
    """Bodies of one status each."""
    for n in range(count):
        hold(redis, payload(status("wamid.%d" % n)), stream)


def entries(redis, stream=STREAM):
    return [{k.decode(): v.decode("utf-8", "surrogateescape") for k, v in zip(pairs[::2], pairs[1::2])}
            for _, pairs in redis("XRANGE", stream, "-", "+")]


def ids(redis, stream=STREAM):
    return sorted(entry["id"] for entry in entries(redis, stream))


def names(count):
    return sorted("wamid.%d" % n for n in range(count))


# Looking

@pytest.mark.core
def test_list(redis, run):
    assert run("quarantine", "list").stdout == "0 in quarantine\n"
    hold_many(redis, 25)
    last = hold(redis, '{"status":"sent"}', reason="missing_id", pointer=STATUS, detail="a status\x1b[2J needs\u009b3m",
                phone_number_id="800700600500401")
    done = run("quarantine", "list")
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and re.match(r"26 in quarantine, \d\.\d KiB, the oldest \d+ s old$", lines[0])
    assert re.match(r"  not_a_payload +25  \d\.\d KiB$", lines[1]) and re.match(r"  missing_id +1  17 bytes$", lines[2])
    assert len(lines) == 5 + 20 + 1 and lines[-1] == "and 6 more: --number N or --all shows them"
    row = run("quarantine", "list", "--reason", "missing_id").stdout.splitlines()[-1]
    assert re.split("  +", row) == [last, row.split()[1] + " s", "missing_id", "17 bytes", "..0401", STATUS,
                                    "a status?[2J needs??3m"]
    assert run("quarantine", "list", "--all").stdout.count("the whole body") == 25
    assert run("quarantine", "list", "--number=3").stdout.count("the whole body") == 3


def test_list_as_json(redis, run):
    hold(redis, b"\xff", detail=b"\xff\"", entry_id="1")
    hold(redis, "{}", reason="syntax")
    done = json.loads(run("quarantine", "list", "--json").stdout)
    assert (done["count"], done["bytes"]) == (2, 3)
    assert done["reasons"] == {"not_a_payload": {"count": 1, "bytes": 1}, "syntax": {"count": 1, "bytes": 2}}
    assert [(e["reason"], e["bytes"], e["detail"]) for e in done["entries"]] == [
        ("not_a_payload", 1, "\ufffd\""), ("syntax", 2, "an old rule")]
    assert json.loads(run("quarantine", "list", "--json", "--reason", "encoding").stdout)["entries"] == []


# What a server may say that lies. The same id again, as that to go on after, would go on for ever.
LIES = {
    "the same again": b"*2\r\n$3\r\n1-1\r\n*4\r\n$1\r\nx\r\n:-5\r\n:-5\r\n$3\r\nabc\r\n",
    "the same again, to erase": b"*3\r\n$4\r\n(1-1\r\n:9223372036854775807\r\n:9\r\n",
    "no id": b"*2\r\n$0\r\n\r\n*2\r\n:5\r\n:6\r\n",
    "an error that steers the terminal": b"-ERR \x1b[2J%n\xc2\x9b3m\r\n",
    "no id to go on after": b"*1\r\n$1\r\nx\r\n",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_server_that_lies(folder, run, lie):
    LyingRedis(at(folder / "redis.sock")).answer = LIES[lie]
    for words in (("quarantine", "list"), ("quarantine", "show", "1-1"), ("quarantine", "show", "1-1", "--raw"),
                  ("quarantine", "discard", "--all", "--yes"), ("erase", "--recipient", "12025550123", "--yes")):
        done = run(*words)
        assert done.returncode in (0, 1) and not set(done.stderr) & {"\x1b", "\x9b"}, words


def test_a_list_that_cannot_be_written(redis, begin):
    hold_many(redis, 100)
    with open("/dev/full", "w") as full:
        process = begin("quarantine", "list", "--json", "--all", stdout=full)
        told = process.communicate(timeout=TIMEOUT)[1]
    assert process.returncode == 1 and "it cannot be written" in told


@pytest.mark.core
def test_show(redis, run):
    one = hold(redis, '{"a":[1,{}],"b":"\u009b,"}', entry_id="7")
    done = run("quarantine", "show", one)
    assert done.returncode == 0
    head, _, raw = done.stdout.partition("\n\n")
    assert raw == '{\n  "a": [\n    1,\n    {}\n  ],\n  "b": "\\xC2\\x9B,"\n}\n'
    assert re.search("^reason +not_a_payload$", head, re.M) and re.search("^entry_id +7$", head, re.M)
    assert re.search("^place +the whole body$", head, re.M) and "phone_number_id" not in head
    assert "\\x1B[2J" in run("quarantine", "show", hold(redis, "\x1b[2J")).stdout
    binary = bytes(range(256))
    other = hold(redis, binary)
    assert json.loads(run("quarantine", "show", "--id", other, "--json").stdout)["raw_base64"].startswith("AAECAwQF")
    assert json.loads(run("quarantine", "show", one, "--json").stdout)["entry_id"] == "7"
    assert "\\x00\\x01" in run("quarantine", "show", other).stdout
    done = run("quarantine", "show", "1-1")
    assert (done.returncode, done.stdout) == (1, "") and "1-1: there is no such entry" in done.stderr


def test_bytes_as_they_came(redis, begin):
    binary = bytes(range(256))
    process = begin("quarantine", "show", hold(redis, binary), "--raw")
    with process:
        assert process.stdout.buffer.read() == binary


def test_which(redis, run):
    """By time, which is that of the id; by reason; by number, the oldest ones."""
    for n in range(1, 11):
        hold(redis, "{", at="%d-0" % (n * 1000), reason="syntax" if n % 2 else "encoding")
    hold(redis, "{", at="%d-0" % (1000 * (time.time() - 7200)))

    def found(*options):
        return [int(e["id"].split("-")[0]) // 1000 for e in json.loads(run("quarantine", "list", "--json", *options).stdout)["entries"]]
    assert found("--since", "1970-01-01T00:00:07Z")[:4] == [7, 8, 9, 10]
    assert found("--until", "1970-01-01T00:00:03Z") == [1, 2, 3]
    assert found("--since", "1970-01-01T00:00:03Z", "--until", "1970-01-01T00:00:05Z", "--reason", "syntax") == [3, 5]
    assert (len(found("--since", "3h")), len(found("--since", "1h")), len(found("--until", "1h"))) == (1, 0, 11)
    assert found("--number", "2", "--reason", "encoding") == [2, 4]
    assert found("--id", "4000-0") == [4] and found("--id", "4000") == [4]


@pytest.mark.parametrize("arguments, says", [
    ((), "list, show, replay or discard?"), (("lost",), "list, show"), (("list", "1-0", "2-0"), "list, show"),
    (("replay", "--yes"), "which entries?"), (("discard",), "which entries?"), (("show",), "wants an id"),
    (("list", "--reason", "sintax"), "there is no reason sintax"), (("list", "--since", "yesterday"), "--since wants"),
    (("list", "--number", "0"), "--number wants"), (("list", "--id", "x"), "--id wants"), (("list", "--all", "--new"), "--new"),
    (("list", "--number"), "--number needs a value"), (("replay", "--all", "--json"), "--json: only of list and show"),
    (("list", "--raw"), "--raw: only of show"), (("list", "--id", "1:1-0"), "there are 1 partitions"),
    (("replay", "--all", "--rate", "1/m"), "--rate wants")])
def test_misused(redis, run, arguments, says):
    done = run("quarantine", *arguments)
    assert (done.returncode, done.stdout) == (2, "") and says in done.stderr


# Replaying

@pytest.mark.core
def test_replay(redis, run):
    """A thousand bodies, each stored once, with the time and the request that it came with."""
    hold_many(redis, MANY)
    done = run("quarantine", "replay", "--all")
    assert done.returncode == 0 and "\n1,000 of 1,000 would be replayed: 1,000 statuses\n" in done.stdout
    assert done.stdout.endswith("Nothing was changed; --yes does it.\n")
    assert (redis("XLEN", QUARANTINE), redis("EXISTS", STREAM)) == (MANY, 0)
    done = run("quarantine", "replay", "--all", "--yes")
    assert done.returncode == 0 and "\n1,000 of 1,000 replayed: 1,000 statuses, 0 known already\n" in done.stdout
    assert (redis("XLEN", QUARANTINE), ids(redis)) == (0, names(MANY))
    assert {(e["received_at"], e["request_id"], e["phone_number_id"]) for e in entries(redis)} == {
        ("1700000000123", "request-1", "800700600500401")}
    assert run("quarantine", "replay", "--all", "--yes").returncode == 0


def test_killed_and_called_again(redis, begin, run):
    hold_many(redis, MANY)
    process = begin("quarantine", "replay", "--all", "--yes", "--rate", "500/s")
    wait_for(lambda: redis("XLEN", STREAM) > 200, "some are stored")
    process.kill()
    process.communicate(timeout=TIMEOUT)
    left = redis("XLEN", QUARANTINE)
    assert 0 < left < MANY
    assert run("quarantine", "replay", "--all", "--yes").returncode == 0
    assert (redis("XLEN", QUARANTINE), ids(redis)) == (0, names(MANY))


def test_killed_before_it_was_removed(redis, run):
    """As if: what is stored is recognised, and goes."""
    for _ in range(2):
        hold_many(redis, 20)
        done = run("quarantine", "replay", "--all", "--yes")
        assert done.returncode == 0 and redis("XLEN", QUARANTINE) == 0
    assert "20 of 20 replayed: 0 statuses, 20 known already" in done.stdout and ids(redis) == names(20)


def test_a_full_redis(redis, begin, run):
    """It stops, and goes on when there is room."""
    hold_many(redis, MANY)
    process = begin("quarantine", "replay", "--all", "--yes", "--rate", "500/s")
    wait_for(lambda: redis("XLEN", STREAM) > 100, "some are stored")
    redis("CONFIG", "SET", "maxmemory", "1")
    done = end(process)
    assert done.returncode == 1 and done.stderr.startswith("quarantine: stopped: maxmemory is reached")
    stored = redis("XLEN", STREAM)
    assert stored < MANY and redis("XLEN", QUARANTINE) == MANY - stored and "replayed: %d statuses" % stored in done.stdout
    done = run("quarantine", "replay", "--all", "--yes")
    assert done.returncode == 1 and redis("XLEN", QUARANTINE) == MANY - stored
    redis("CONFIG", "SET", "maxmemory", "0")
    assert run("quarantine", "replay", "--all", "--yes").returncode == 0
    assert (redis("XLEN", QUARANTINE), ids(redis)) == (0, names(MANY))


def test_redis_goes_away(redis, begin):
    hold_many(redis, MANY)
    process = begin("quarantine", "replay", "--all", "--yes", "--rate", "500/s")
    wait_for(lambda: redis("XLEN", STREAM) > 100, "some are stored")
    redis.stop(signal.SIGKILL)
    done = end(process)
    assert done.returncode == 75 and done.stderr.startswith("quarantine: ")


def test_what_stays(redis, run):
    """What fails again, what holds nothing, what has no bytes; the rest goes all the same."""
    hold(redis, "{")
    hold(redis, '{"status":"sent"}', pointer=STATUS)
    hold(redis, "")
    hold(redis, '{"object":"o"}')
    hold(redis, "{}", content_type="image/png")
    hold_many(redis, 1)
    done = run("quarantine", "replay", "--all", "--yes")
    assert done.returncode == 1 and done.stderr == "quarantine: 5 entries stay: they cannot be replayed\n"
    assert "\n1 of 6 replayed: 1 statuses, 0 known already\n" in done.stdout
    for line in ("1 that fail again: syntax", "1 that fail again: missing_id", "1 without anything to store",
                 "1 of which no bytes were kept", "1 of an unknown media type"):
        assert "\n  %s\n" % line in done.stdout
    assert (redis("XLEN", QUARANTINE), ids(redis)) == (5, names(1))


def test_elements(redis, run):
    """At their places, with what the entry knows of its surroundings; and what of a body is for quarantine."""
    around = {"entry_id": "7", "field": "messages", "phone_number_id": "8"}
    hold(redis, json.dumps(status("wamid.0")), pointer=STATUS, content_type="text/xml", **around)
    hold(redis, json.dumps([status("wamid.1"), 7]), pointer=STATUS[:-2], **around)
    hold(redis, payload(status("wamid.2"), {"id": "a"}))
    done = run("quarantine", "replay", "--all", "--yes")
    assert done.returncode == 0 and "3 of 3 replayed: 3 statuses, 0 known already, 2 elements back in quarantine" in done.stdout
    stored = {e["id"]: e for e in entries(redis)}
    for entry in stored["wamid.0"], stored["wamid.1"]:
        assert (entry["entry_id"], entry["field"], entry["phone_number_id"], entry["object"]) == ("7", "messages", "8", "")
    held = entries(redis, QUARANTINE)
    assert {(e["reason"], e["raw"], e["request_id"]) for e in held} == {
        ("wrong_shape", "7", "request-1"), ("missing_status", '{"id": "a"}', "request-1")}


def test_what_a_worker_has_kept(make_stack):
    """A real one: its digests are those of quarantine, and keep no status away."""
    stack = make_stack()
    bad = payload(status("wamid.1")).replace(b"wamid.1", b"")
    assert stack.post(bad).document() == result(quarantined=1)
    [held] = stack.quarantine()
    hold(stack.redis, held["raw"].replace('"id": ""', '"id": "wamid.1"'), **{k: held[k] for k in HELD if k != "raw"})
    done = stack.program.run("quarantine", "replay", "--all", "--yes")
    assert done.returncode == 1 and "1 of 2 replayed" in done.stdout and "missing_id" in done.stdout
    assert [e["id"] for e in stack.entries()] == ["wamid.1"] and len(stack.quarantine()) == 1
    whole = payload(status("wamid.2"))
    hold(stack.redis, whole)
    assert stack.program.run("quarantine", "replay", "--reason", "not_a_payload", "--yes").returncode == 0
    assert stack.post(whole).document() == result(duplicates=1)     # the digest is that of a body that was posted


def test_without_a_window(redis, run):
    hold_many(redis, 2)
    done = run("quarantine", "replay", "--all", "--yes", dedupe_window=0)
    assert done.returncode == 2 and "--allow-duplicates" in done.stderr and redis("XLEN", QUARANTINE) == 2
    assert run("quarantine", "replay", "--all", dedupe_window=0).returncode == 0
    assert run("quarantine", "replay", "--all", "--yes", "--allow-duplicates", dedupe_window=0).returncode == 0
    assert (redis("XLEN", QUARANTINE), ids(redis)) == (0, names(2))


def test_rate_and_progress(redis, begin):
    hold_many(redis, 60)
    ours, its = pty.openpty()
    began = time.monotonic()
    process = begin("quarantine", "replay", "--all", "--yes", "--rate", "100/s", stderr=its)
    process.communicate(timeout=TIMEOUT)
    os.close(its)
    shown = shown_on(ours)
    assert process.returncode == 0 and time.monotonic() - began > 0.5 and ids(redis) == names(60)
    assert re.search("\r\x1b\\[Kquarantine: [0-9]+ of 60 entries", shown) and shown.endswith("\r\x1b[K")


def test_large_bodies(redis, run):
    """They are read one by one: all would be more than a reply may have."""
    for n in range(14):
        hold(redis, payload(status("wamid.%d" % n, note="x" * (5 << 20))))
    done = run("quarantine", "replay", "--all", "--yes")
    assert done.returncode == 0 and ids(redis) == names(14)


def test_partitions(redis, run):
    """An entry lies where its bytes belong, its statuses where their ids do."""
    streams = partition_names(4)
    for n in range(40):
        body = payload(status("wamid.%d" % n))
        hold(redis, body, "{%s}:quarantine" % streams[zlib.crc32(body) % 4])
    rows = [line.split()[0] for line in run("quarantine", "list", "--all", stream_partitions=4).stdout.splitlines()[4:]]
    assert len(rows) == 40 and {row.split(":")[0] for row in rows} == set("0123")
    assert "wamid" in run("quarantine", "show", rows[-1], stream_partitions=4).stdout
    last = "{%s}:quarantine" % streams[3]
    count = redis("XLEN", last)
    assert run("quarantine", "discard", "--id", rows[-1], "--yes", stream_partitions=4).returncode == 0
    assert rows[-1].startswith("3:") and redis("XLEN", last) == count - 1
    done = run("quarantine", "replay", "--number", "30", "--yes", stream_partitions=4)
    assert done.returncode == 0 and "30 of 30 replayed: 30 statuses" in done.stdout
    assert run("quarantine", "replay", "--all", "--yes", stream_partitions=4).returncode == 0
    stored = [name for stream in streams for name in ids(redis, stream)]
    assert len(stored) == 39 and set(stored) < set(names(40))
    assert all(zlib.crc32(name.encode()) % 4 == n for n, stream in enumerate(streams) for name in ids(redis, stream))


# Discarding

@pytest.mark.core
def test_discard(redis, run):
    hold_many(redis, 250)
    hold(redis, "{", reason="syntax")
    assert len({e["id"] for e in json.loads(run("quarantine", "list", "--json", "--all").stdout)["entries"]}) == 251
    done = run("quarantine", "discard", "--reason", "not_a_payload")
    assert done.returncode == 0 and "250 would be discarded" in done.stdout and redis("XLEN", QUARANTINE) == 251
    done = run("quarantine", "discard", "--reason", "not_a_payload", "--yes")
    assert done.returncode == 0 and done.stdout.endswith("\n250 discarded\n")
    assert [e["reason"] for e in entries(redis, QUARANTINE)] == ["syntax"]
    redis("CONFIG", "SET", "maxmemory", "1")
    assert run("quarantine", "discard", "--all", "--yes").returncode == 0 and redis("XLEN", QUARANTINE) == 0


def test_rights(redis, run):
    """What the help says is enough."""
    hold_many(redis, 3)
    url = "unix://me:%s@%s" % (PASSWORD, redis.path)
    redis(*run("acl", redis_url=url).stdout.replace("PASSWORD", PASSWORD).replace('"', "").split())
    assert run("quarantine", "list", redis_url=url).stdout.startswith("3 in quarantine")
    done = run("quarantine", "replay", "--number", "1", "--yes", redis_url=url)
    assert done.returncode == 1 and "xdel" in done.stderr and redis("XLEN", QUARANTINE) == 3
    redis("ACL", "SETUSER", "me", "+xdel")
    assert run("quarantine", "replay", "--all", "--yes", redis_url=url).returncode == 0
    assert (redis("XLEN", QUARANTINE), ids(redis)) == (0, names(3))


def test_what_redis_has_against_it(redis, run):
    redis("SET", QUARANTINE, "x")
    for arguments in ("list",), ("replay", "--all"), ("discard", "--all", "--yes"):
        done = run("quarantine", *arguments)
        assert done.returncode == 1 and "WRONGTYPE" in done.stderr
    redis("DEL", QUARANTINE)
    hold_many(redis, 1)
    redis("SET", STREAM, "x")
    done = run("quarantine", "replay", "--all", "--yes")
    assert done.returncode == 1 and "something else than a stream" in done.stderr and redis("XLEN", QUARANTINE) == 1
    redis("DEL", STREAM)
    redis("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    done = run("quarantine", "replay", "--all", "--yes", require_durable="true")
    assert done.returncode == 1 and "TICKSTREAM_REQUIRE_DURABLE" in done.stderr


def test_tls(make_stack, authority):
    stack = tls_stack(make_stack, authority)
    hold_many(stack.redis, 3)
    done = stack.program.run("quarantine", "replay", "--all", "--yes")
    assert done.returncode == 0 and "3 of 3 replayed: 3 statuses" in done.stdout and ids(stack.redis) == names(3)


@pytest.mark.cluster
def test_sentinels(folder, run):
    """Whoever is master; and as many must have it as of a post."""
    it = Sentinels(folder / "redis")
    try:
        it.start()
        hold_many(it.master(), 20)
        done = run("quarantine", "replay", "--number", "10", "--yes", redis_url=it.url(), redis_ack="replicas:1")
        assert done.returncode == 0 and "10 of 10 replayed: 10 statuses" in done.stdout
        done = run("quarantine", "replay", "--all", "--yes", redis_url=it.url(), redis_ack="replicas:5", redis_timeout="500ms")
        assert done.returncode == 75 and "replicas acknowledge" in done.stderr and it.master()("XLEN", QUARANTINE) == 10
        it.kill_master()
        assert run("quarantine", "replay", "--all", "--yes", redis_url=it.url()).returncode == 0
        assert ids(it.master()) == names(20)
    finally:
        it.stop()


@pytest.mark.cluster
def test_a_cluster(run):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tickstream-test-"))
    cluster = Cluster(folder, replicas=0)
    try:
        cluster.start()
        settings = {"redis_url": cluster.url(cluster.nodes[1]), "stream_partitions": 8}
        streams = partition_names(8)
        for n in range(80):
            body = payload(status("wamid.%d" % n))
            quarantine = "{%s}:quarantine" % streams[zlib.crc32(body) % 8]
            hold(cluster.owner_of(quarantine), body, quarantine)
        assert run("quarantine", "list", **settings).stdout.startswith("80 in quarantine")
        done = run("quarantine", "replay", "--all", "--yes", **settings)
        assert done.returncode == 0 and "80 of 80 replayed: 80 statuses, 0 known already" in done.stdout
        assert sorted(name for stream in streams for name in ids(cluster.owner_of(stream), stream)) == names(80)
        assert run("quarantine", "list", **settings).stdout == "0 in quarantine\n"
    finally:
        cluster.stop()
        shutil.rmtree(folder)
