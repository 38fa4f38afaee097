"""tickstream tail: the last statuses, what a group has before it, and what comes."""
import contextlib
import fcntl
import json
import os
import pathlib
import pty
import random
import re
import shutil
import signal
import sys
import tempfile
import termios
import threading

import pytest

from bodies import payload, status
from cluster import Cluster
from cluster_chaos import cluster_stack, is_ready
from cluster_faults import Deck
from commands import PASSWORD, begin, end, redis, run, shown_on  # noqa: F401  fixtures too
from ledger import Senders
from old_entries import fill
from partitions import NUMBER, STREAMS, partition_names
from ports import Port
from replicas import Sentinels
from stack import STREAM, TIMEOUT, wait_for

HEAD = ["time", "age", "status", "recipient", "number", "id, error"]


def rows(text):
    """Lines as lists of what two blanks or more set apart."""
    return [re.split("  +", line) for line in text.splitlines()]


def ids(text):
    return [row[5] for row in rows(text)[1:]]


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


def waiting(pipe):
    """Bytes that nobody has read yet."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def is_pending(pid):
    """Has the process a signal that it has not heard?"""
    try:
        lines = pathlib.Path("/proc/%d/status" % pid).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return any(int(mask, 16) for mask in re.findall(r"(?:SigPnd|ShdPnd):\t(\w+)", lines))


class Follower:
    """tail -f that runs, and the lines it has shown, each without its end."""

    def __init__(self, process):
        self.process, self.lines, self.complaints = process, [], []
        self.threads = [threading.Thread(target=self.read, args=to) for to in
                        ((process.stdout, self.lines), (process.stderr, self.complaints))]
        for thread in self.threads:
            thread.start()

    @staticmethod
    def read(pipe, lines):
        for line in pipe:
            lines.append(line.rstrip("\n"))

    def ids(self):
        return [json.loads(line)["id"] for line in list(self.lines)]

    def entries(self):
        """Where each stood."""
        shown = [json.loads(line) for line in list(self.lines)]
        return [(o["stream"], o["entry"]) for o in shown]

    def wait_for(self, count):
        wait_for(lambda: len(self.lines) >= count, "%d lines are shown" % count)

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        code = self.process.wait(TIMEOUT)
        for thread in self.threads:
            thread.join()
        return code


@pytest.fixture
def follow(begin):
    """follow(arguments..., setting="value") is a Follower of JSON lines, when it has begun."""
    with contextlib.ExitStack() as stack:
        def call(*arguments, **settings):
            process = begin("tail", "-f", "--json", *arguments, **settings)
            stack.callback(process.kill)
            return Follower(process)
        yield call


# The last lines

@pytest.mark.core
def test_what_was_stored(make_stack):
    stack = make_stack()
    failed = status("wamid.1", status="failed", timestamp="1700000000", recipient_id="12025550123",
                    errors=[{"code": 131049, "title": "t", "error_data": {"details": "d"}}])
    stack.post(payload(failed, status("wamid.2", status="read", recipient_id="12025550456", wa_id="12025550456")))
    before = stack.redis("XINFO", "STREAM", STREAM)
    done = stack.program.run("tail")
    assert (done.returncode, done.stderr) == (0, "") and "\x1b" not in done.stdout
    head, first, second = rows(done.stdout)
    assert head == HEAD
    assert re.fullmatch(r"2023-11-1\d \d\d:\d\d:20", first[0]) and re.fullmatch(r"\d+ s", first[1])
    assert first[2:6] == ["failed", "***0123", "12025550100", "wamid.1"]
    assert first[6:] == ["131049 this user gets no more marketing for now (retry later; pace)"]
    assert second[2:] == ["read", "***0456", "12025550100", "wamid.2"]
    assert "12025550123" in stack.program.run("tail", "--clear").stdout
    entries = stack.entries()
    masked, clear = (objects(stack.program.run("tail", "--json", *more).stdout) for more in ((), ("--clear",)))
    for entry, shown in zip(entries, clear):
        assert shown == {**shown, **entry, "errors": json.loads(entry["errors"]), "extra": json.loads(entry["extra"])}
        assert shown["stream"] == STREAM and re.fullmatch(r"\d+-\d+", shown["entry"])
    assert clear[0]["error"] == {"code": 131049, "meaning": "this user gets no more marketing for now", "retry": "later",
                                 "mends": "pace"}
    assert "error" not in clear[1] and clear[1]["extra"] == {"wa_id": "12025550456"}
    assert masked[1] == {**clear[1], "recipient_id": "***0456", "extra": {"wa_id": "***0456"}}
    assert stack.redis("XINFO", "STREAM", STREAM) == before            # nothing is read by anybody


@pytest.mark.core
def test_the_last_of_all_partitions(redis, run):
    """In the order of their ids, wherever they are."""
    for n in range(1, 1001):
        redis("XADD", partition_names(4)[n * n % 7 % 4], "%d-0" % n, "id", "wamid.%d" % n)
    for most in 1, 20, 250, 1000, 9999:
        shown = ids(run("tail", "-n", str(most), stream_partitions=4).stdout)
        assert shown == ["wamid.%d" % n for n in range(max(1, 1001 - most), 1001)]
    assert len(ids(run("tail", stream_partitions=4).stdout)) == 20
    assert run("tail", "-n0", stream_partitions=4).stdout.count("\n") == 1
    assert run("tail", "-n0", "--json").stdout == ""


def test_unusual_entries(redis, run):
    """Nothing of them steers a terminal, and each is one line."""
    redis("XADD", STREAM, "1-0", "id", b"\x1b[2J\n\x9b\xc2\x9b\xff", "status", b"\r\x00x", "errors", "[{", "extra", "")
    redis("XADD", STREAM, "2-0", "other", "x" * 10240)
    redis("XADD", STREAM, "3-0", "id", "7" * 10240, "status", "", "timestamp", "9" * 30, "recipient_id", "")
    done = run("tail")
    assert done.returncode == 0 and done.stdout.isascii() and all(" " <= c for c in done.stdout.replace("\n", ""))
    assert [row[2] for row in rows(done.stdout)[1:]] == ["\\x0d\\x00x", "-", "-"]
    assert max(map(len, done.stdout.splitlines())) < 200
    done = run("tail", "--json")
    assert done.returncode == 0 and not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", done.stdout)
    first, second, third = objects(done.stdout)
    assert (first["status"], first["errors"], first["extra"]) == ("\r\x00x", "[{", "")
    assert (second["other"], third["id"]) == ("x" * 10240, "7" * 10240)


@pytest.mark.release_only
def test_large_entries(redis, run):
    """A hundred of them would be too much for one reply."""
    for n in range(20):
        redis("XADD", STREAM, "%d-0" % (n + 1), "id", "wamid.%d" % n, "extra", "x" * (4 << 20))
    assert ids(run("tail", "-n", "100").stdout) == ["wamid.%d" % n for n in range(20)]


# What a group has before it

@pytest.mark.core
def test_a_group(redis, run):
    """What is pending, who has it, and what was not given to it yet: the oldest first."""
    names = partition_names(2)
    for n, name in enumerate(names):
        fill(redis, name, 10)
        redis("XGROUP", "CREATE", name, "billing", "0")
        redis("XREADGROUP", "GROUP", "billing", "worker-%d" % n, "COUNT", "4", "STREAMS", name, ">")
        redis("XACK", name, "billing", "1-0", "3-0")
    redis("XREADGROUP", "GROUP", "billing", "worker-0", "COUNT", "4", "STREAMS", names[0], "0")
    redis("XDEL", names[1], "4-0")
    before = [redis("XINFO", "GROUPS", name) for name in names]
    done = run("tail", "--group", "billing", stream_partitions=2)
    pending, waiting = rows(done.stdout)[1:5], rows(done.stdout)[5:]
    assert done.returncode == 0
    assert [row[5] for row in pending] == ["wamid.2", "wamid.2", "wamid.4", "4-0"]
    assert [re.fullmatch(r"pending on worker-(\d) for \d+ s, (\d) deliver(?:y|ies)", row[6]).groups() for row in pending] == [
        ("0", "2"), ("1", "1"), ("0", "2"), ("1", "1")]
    assert pending[3][2] == "deleted"
    assert [row[5] for row in waiting] == ["wamid.%d" % n for n in range(5, 11) for _ in names]
    shown = objects(run("tail", "--json", "-n3", "--group=billing", stream_partitions=2).stdout)
    assert [(o["id"], o["pending"]["consumer"], o["pending"]["deliveries"]) for o in shown] == [
        ("wamid.2", "worker-0", 2), ("wamid.2", "worker-1", 1), ("wamid.4", "worker-0", 2)]
    assert [redis("XINFO", "GROUPS", name) for name in names] == before


def test_no_such_group(redis, run):
    done = run("tail", "--group", "billing")
    assert done.returncode == 1 and "no such group" in done.stderr          # nor a stream
    fill(redis, STREAM, 1)
    done = run("tail", "--group", "billing")
    assert done.returncode == 1 and done.stderr.startswith("tail: %s: there is no such group" % STREAM)
    redis("XGROUP", "CREATE", STREAM, "billing", "$")
    done = run("tail", "--group", "billing")
    assert done.returncode == 0 and done.stdout.count("\n") == 1


# -f

def test_following(redis, follow):
    fill(redis, "%s:1" % STREAM, 30)
    it = follow("-n", "5", stream_partitions=2)
    it.wait_for(5)
    redis("XADD", "%s:0" % STREAM, "1-0", "id", "first")        # of a partition that was empty
    it.wait_for(6)
    for n in range(1500):                                       # more than a slice
        redis("XADD", "%s:1" % STREAM, "*", "id", "more.%d" % n)
    it.wait_for(1506)
    assert it.end() == 0 and it.complaints == []
    assert it.ids() == ["wamid.%d" % n for n in range(26, 31)] + ["first"] + ["more.%d" % n for n in range(1500)]


def test_following_a_group(redis, follow):
    """All that it was not given yet, and what comes; of what is pending the first."""
    fill(redis, STREAM, 1200)
    redis("XGROUP", "CREATE", STREAM, "billing", "0")
    redis("XREADGROUP", "GROUP", "billing", "me", "COUNT", "100", "STREAMS", STREAM, ">")
    it = follow("-n3", "--group", "billing")
    it.wait_for(1103)
    redis("XADD", STREAM, "*", "id", "new")
    it.wait_for(1104)
    assert it.end(signal.SIGTERM) == 0
    assert it.ids() == ["wamid.%d" % n for n in (1, 2, 3, *range(101, 1201))] + ["new"]


def test_the_reader_goes(redis, begin):
    """As `head` does."""
    fill(redis, STREAM, 10)
    process = begin("tail", "-f")
    for _ in range(5):
        process.stdout.readline()
    process.stdout.close()
    redis("XADD", STREAM, "*", "id", "new")
    assert (process.wait(TIMEOUT), process.stderr.read()) == (0, "")


@pytest.mark.parametrize("times", [1, 2])
def test_no_line_is_cut(redis, begin, times):
    """Nobody reads for now: what was begun is written all the same, unless it is asked twice."""
    for n in range(1000):
        redis("XADD", STREAM, "*", "id", "wamid.%d" % n, "extra", "x" * 500)
    process = begin("tail", "-f", "--json", "-n1000")
    size = fcntl.fcntl(process.stdout, fcntl.F_GETPIPE_SZ)
    wait_for(lambda: waiting(process.stdout) == size, "the pipe is full")
    for _ in range(times):
        process.send_signal(signal.SIGINT)
        wait_for(lambda: not is_pending(process.pid), "it is heard")
    shown = process.stdout.read()
    assert process.wait(TIMEOUT) == 0
    assert shown.endswith("\n") == (times == 1) and (shown.count("\n") == 1000) == (times == 1)


def test_it_cannot_be_written(redis, begin):
    fill(redis, STREAM, 10)
    with open("/dev/full", "w") as full:
        process = begin("tail", "-f", stdout=full)
        assert process.wait(TIMEOUT) == 1
    assert process.stderr.read().startswith("tail: standard output cannot be written")


@pytest.mark.parametrize("settings, coloured", [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colour_on_a_terminal(redis, begin, monkeypatch, settings, coloured):
    for name, value in {"TERM": "xterm", **settings}.items():
        monkeypatch.setenv(name, value)
    redis("XADD", STREAM, "*", "id", "wamid.1", "status", "failed")
    ours, theirs = pty.openpty()
    process = begin("tail", stdout=theirs)
    os.close(theirs)
    process.wait(TIMEOUT)
    shown = shown_on(ours)
    assert "wamid.1" in shown and ("\x1b[1;31mfailed" in shown) == coloured and ("\x1b" in shown) == coloured


def test_redis_is_away(redis, follow):
    """It is waited for, and nothing is missed or shown twice."""
    redis("XADD", "%s:1" % STREAM, "*", "id", "before")
    it = follow(stream_partitions=2)
    it.wait_for(1)
    redis.stop(signal.SIGKILL)
    wait_for(lambda: it.complaints, "it is told")
    redis.start()
    redis("XADD", "%s:1" % STREAM, "*", "id", "after")
    it.wait_for(2)
    assert it.end() == 0 and it.ids() == ["before", "after"]
    assert [line.replace("unix:%s" % redis.path, "R").partition("away:")[0] for line in it.complaints] == [
        "tail: R is ", "tail: R is back"]


def test_a_server_that_is_behind(redis, follow):
    """As after a failover by which entries were lost: what comes then is shown, although its ids were there before."""
    fill(redis, STREAM, 10)
    it = follow()
    it.wait_for(10)
    redis("DEL", STREAM)
    fill(redis, STREAM, 5)
    redis("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    wait_for(lambda: any("ends at 5-0 now, and was shown up to 10-0" in line for line in it.complaints), "it is told")
    redis("XADD", STREAM, "6-0", "id", "new")
    it.wait_for(11)
    assert it.end() == 0 and it.ids()[10:] == ["new"]


# What goes wrong

@pytest.mark.parametrize("arguments", [("x",), ("-n",), ("-n", "x"), ("-n", "10001"), ("--group", ""), ("--group",), ("-x",),
                                       ("--jsonx",), ("-n", "-1")])
def test_misuse(redis, run, arguments):
    done = run("tail", *arguments)
    assert done.returncode == 2 and re.fullmatch(r"tail: .* \(tickstream help tail\)\n", done.stderr)


def test_a_right_is_missing(redis, run):
    fill(redis, STREAM, 3)
    redis("XGROUP", "CREATE", STREAM, "billing", "0")
    user = "ACL", "SETUSER", "me", "reset", "on", ">" + PASSWORD, "~*", "+get", "+role", "+client|setname", "+info"
    url = "unix://me:%s@%s" % (PASSWORD, redis.path)
    redis(*user)
    for arguments in ("tail",), ("tail", "--group", "billing"):
        done = run(*arguments, redis_url=url)
        assert done.returncode == 1 and "NOPERM" in done.stderr
    redis(*user, "+xrange", "+xrevrange")
    assert len(ids(run("tail", redis_url=url).stdout)) == 3
    redis(*user, "+xrange", "+xpending", "+xinfo|groups")
    assert len(ids(run("tail", "--group", "billing", redis_url=url).stdout)) == 3


def test_a_right_is_withdrawn(redis, follow):
    """That does not pass by itself."""
    fill(redis, STREAM, 3)
    redis("ACL", "SETUSER", "me", "on", ">" + PASSWORD, "~*", "+@all")
    it = follow(redis_url="unix://me:%s@%s" % (PASSWORD, redis.path))
    it.wait_for(3)
    redis("ACL", "SETUSER", "me", "-xrange")
    assert it.process.wait(TIMEOUT) == 1
    wait_for(lambda: it.complaints, "it is told")
    assert "NOPERM" in it.complaints[0]


def test_it_cannot_begin(redis, run):
    port = Port()
    done = run("tail", "-f", redis_url="redis://127.0.0.1:%s" % port)
    assert done.returncode == 75 and "Connection refused" in done.stderr
    redis("SET", NUMBER, "8")
    done = run("tail", "-f")
    assert done.returncode == 1 and "made with 8 partitions" in done.stderr
    redis("DEL", NUMBER)
    redis("SET", STREAM, "x")
    done = run("tail", "-f")
    assert done.returncode == 1 and "WRONGTYPE" in done.stderr


# Many servers

@pytest.fixture
def cluster():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tickstream-test-"))
    whole = Cluster(folder)
    try:
        yield whole.start()
    finally:
        whole.stop()
        shutil.rmtree(folder)


def stored(cluster):
    """Where all entries of the partitions stand."""
    return [(name, i.decode()) for name in STREAMS for i, _ in cluster("XRANGE", name, "-", "+")]


@pytest.mark.cluster
def test_following_a_cluster(folder, cluster, follow):
    """While statuses come, and their partitions go from one node to the other: each of them is shown once."""
    stack = cluster_stack(folder, cluster)
    rand = random.Random(1)
    deck = Deck(cluster, STREAMS, lambda: is_ready(stack))
    senders = Senders(0, 8, 100, "tail")
    try:
        stack.program.start()
        stack.start_nginx()
        wait_for(lambda: is_ready(stack), "all partitions are written to")
        cluster("XADD", STREAMS[3], "*", "id", "first")
        it = follow(redis_url=cluster.url(), stream_partitions=len(STREAMS))
        it.wait_for(1)
        for sender in senders.all:
            sender.port = stack.nginx.port
        with senders.running():
            it.wait_for(100)
            for fault in deck.fail_over, deck.move_a_slot, deck.kill_connections, deck.kill_an_owner:
                assert fault(rand)
                it.wait_for(len(it.lines) + 100)
        entries = stored(cluster)
        wait_for(lambda: set(entries) <= set(it.entries()), "all are shown")
        assert it.end() == 0
        shown = it.entries()
        assert len(set(shown)) == len(shown) and senders.errors() == []
        assert len(set(shown) - set(entries)) < 100         # what a master had alone when it died
        assert any("is away: " in line for line in it.complaints)
        assert re.search("is back|is read again", it.complaints[-1])
    finally:
        assert stack.stop() == []


@pytest.mark.cluster
def test_following_with_sentinels(folder, follow):
    sentinels = Sentinels(folder / "s", replicas=1)
    try:
        sentinels.start()
        sentinels.group.master("XADD", STREAM, "*", "id", "before")
        wait_for(lambda: sentinels.group.replicas[0]("XLEN", STREAM) == 1, "the replica has it")
        it = follow(redis_url=sentinels.url())
        it.wait_for(1)
        sentinels.kill_master()
        sentinels.master()("XADD", STREAM, "*", "id", "after")
        it.wait_for(2)
        assert it.end() == 0 and it.ids() == ["before", "after"]
        assert [re.search("is away|is read again", line)[0] for line in it.complaints] == ["is away", "is read again"]
    finally:
        sentinels.stop()
