"""tickstream dedupe: what it tells of the two sets, what it leaves out, and what it forgets.  The keys are written by hand, but
for one test that shows what a worker writes."""
import re
import socket
import subprocess
import time

import pytest

from bodies import payload, status
from stack import BINARY, SECRET, STREAM, TIMEOUT, WRAP, RedisServer, clean_environment

STATE, SETS = "{%s}:seen" % STREAM, ("{%s}:seen:0" % STREAM, "{%s}:seen:1" % STREAM)
DAY = 86400
PASSWORD = "a-password-of-the-tests"
RIGHTS = "+get", "+time", "+scard", "+memory|usage", "+unlink"


@pytest.fixture
def redis(folder):
    server = RedisServer(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def dedupe(folder):
    """dedupe(arguments..., url=..., setting="value") runs the command to its end."""
    def call(*arguments, url=None, **settings):
        settings = {"app_secret": SECRET, "redis_url": url or "unix://%s/redis.sock" % folder, **settings}
        env = clean_environment({"TICKSTREAM_" + k.upper(): str(v) for k, v in settings.items()})
        done = subprocess.run([*WRAP, str(BINARY), "dedupe", *arguments], env=env, text=True, timeout=TIMEOUT,
                              capture_output=True, check=False)
        assert PASSWORD not in done.stdout + done.stderr
        assert (done.returncode in (1, 2, 75)) == (done.stderr != "") and done.stderr.count("\n") <= 1, done
        return done
    return call


def fill(redis, state, *sizes, stream=STREAM):
    """The sets with so many digests each, and the text of the state with {name} for the time that many seconds ago."""
    for i, size in enumerate(sizes):
        key = "{%s}:seen:%d" % (stream, i)
        redis("SADD", key, "-")
        for first in range(0, size, 1000):
            redis("SADD", key, *(b"%c%013d" % (i, n) for n in range(first, min(size, first + 1000))))
    if state is not None:
        redis("SET", "{%s}:seen" % stream, state)


def state(now, current, ago, window, ago_older, window_older, kept=0):
    return "%d %d %010d %07d %010d %07d" % (current, kept, now - ago, window, now - ago_older, window_older)


def now(redis):
    return int(redis("TIME")[0])


def tells(done):
    """{heading: {label: text}} of the report; the head is under "stream"."""
    report, part = {}, None
    for line in done.stdout.splitlines():
        label, text = line[:16].rstrip(), line[16:]
        if line and not line.startswith(" ") and re.match(r"(stream|current set|older set|set [01])$", label):
            part = report[label] = {"": text}
        elif label.startswith("  ") or label in ("window", "clock", "state"):
            part[label.strip()] = text
    return report


@pytest.mark.core
def test_nothing_yet(redis, dedupe):
    for arguments in (), ("show",):
        done = dedupe(*arguments)
        assert (done.returncode, done.stdout) == (0, "%s: nothing is remembered yet (unix:%s)\n" % (STREAM, redis.path))
    assert dedupe("forget", "another").stdout == "another: nothing is remembered\n"
    assert redis("DBSIZE") == 0


def test_what_a_worker_has_written(stack):
    for name in "a", "b", "b":
        stack.post(payload(status(name)))
    report = tells(stack.program.run("dedupe"))
    assert report["current set"]["digests"] == "2" and report["older set"]["digests"] == "0"
    assert report["current set"]["last written"].endswith(" (just now)")
    assert (report["current set"]["window"], report["older set"]["window"]) == ("24 h", "24 h")
    assert re.search(r"\(in (24 h|23 h 59 min)\)", report["older set"]["goes"])


@pytest.mark.core
def test_both_sets(redis, dedupe):
    fill(redis, state(now(redis), 1, -30, DAY, 7200, DAY), 1500, 12345)
    done = dedupe("show", dedupe_window="48h")
    assert (done.returncode, done.stderr) == (0, "")
    report = tells(done)
    assert list(report) == ["stream", "current set", "older set"]
    assert report["stream"] == {"": "%s (unix:%s)" % (STREAM, redis.path), "window": "2 d"}
    current, older = report["current set"], report["older set"]
    assert (current[""], older[""]) == (SETS[1], SETS[0])
    assert (current["digests"], older["digests"]) == ("12,345", "1,500")
    assert (current["window"], older["window"]) == ("24 h", "24 h")
    assert current["last written"].endswith(" (just now)") and "goes" not in current
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4} \(2 h ago\)", older["last written"])
    assert re.fullmatch(r"\S+ \S+ \S+ \(in (45 h 59 min|46 h)\), with the first new status from then on", older["goes"])
    for part in current, older:
        a_digest = int(re.fullmatch(r"about [\d.]+ KiB, (\d+) bytes a digest", part["memory"])[1])
        assert 20 < a_digest < 120
    assert "Keys %s:DIGEST of earlier versions are not looked at" % STATE in done.stdout
    assert "forget" not in done.stdout


@pytest.mark.parametrize("ages, window, goes", [
    ((0, 10, DAY, 100, DAY), DAY, r".* \(in 23 h .*\), with the first new status from then on"),
    ((0, 10, DAY, 100, 3600), 2 * DAY, r".* \(in 47 h .*\), .*"),             # the larger of the two windows
    ((0, 10, DAY, 2 * DAY + 5, DAY), DAY, "with the next new status"),
    ((0, 10, DAY, DAY - 10, 2 * DAY), DAY, r".* \(in 24 h\), .*|.* \(in 23 h 59 min\), .*"),
    ((0, DAY + 5, DAY, DAY + 3605, DAY), DAY, "23 h after the next new status: the pause until then does not count"),
    ((0, DAY + 5, DAY, DAY + 5, DAY, 1), DAY, "with the next new status"),    # kept over a pause already
    ((0, 10, DAY, 100, DAY), 0, "not by itself, while DEDUPE_WINDOW is 0")])
def test_when_the_older_set_goes(redis, dedupe, ages, window, goes):
    fill(redis, state(now(redis), *ages), 3, 4)
    report = tells(dedupe(dedupe_window="%ds" % window))
    assert re.fullmatch(goes, report["older set"]["goes"]), report


def test_windows_and_clocks(redis, dedupe):
    fill(redis, state(now(redis), 0, -7200, 60, 30, 60), 1, 0)
    report = tells(dedupe())
    assert re.search(r"\((2 h|1 h 59 min) ahead of the clock: the next new status sets it back\)",
                     report["current set"]["last written"])
    assert (report["current set"]["window"], report["current set"]["digests"]) == ("1 min", "1")
    assert report["older set"]["digests"] == "0"


def test_a_window_of_0_says_how_memory_is_freed(redis, dedupe):
    fill(redis, state(now(redis), 0, 900, DAY, 1000, DAY), 10, 20)
    done = dedupe(dedupe_window="0")
    assert tells(done)["stream"]["window"] == "0: nothing is recognised, nothing is added"
    assert "`tickstream dedupe forget %s` frees the memory" % STREAM in done.stdout


@pytest.mark.parametrize("text", ["", "0 1 2 3", "2 0 1700000000 0086400 1700000000 0086400", "rm -rf /\n\x1b[2J", "x" * 100000])
def test_a_broken_state(redis, dedupe, text):
    fill(redis, text, 10, 20)
    done = dedupe()
    report = tells(done)
    assert done.returncode == 0 and text[:9] + "!" not in done.stdout and "\x1b" not in done.stdout
    assert report["stream"]["state"] == "cannot be read: the next new status makes it anew, and both sets are kept"
    assert (report["set 0"]["digests"], report["set 1"]["digests"]) == ("10", "20")
    assert dedupe("forget", STREAM, dedupe_window="0").returncode == 0 and redis("DBSIZE") == 0


def test_no_state(redis, dedupe):
    fill(redis, None, 10)
    report = tells(dedupe())
    assert report["stream"]["state"] == "none: the next new status makes it, and both sets are kept"
    assert (report["set 0"]["digests"], report["set 1"]["digests"], report["set 1"]["memory"]) == ("10", "0", "none")


@pytest.mark.parametrize("key", [STATE, *SETS])
def test_a_key_of_another_type(redis, dedupe, key):
    fill(redis, state(now(redis), 0, 900, DAY, 900, DAY), 1, 1)
    redis("DEL", key)
    redis("LPUSH", key, "x")
    for done in dedupe(), dedupe("forget", STREAM, dedupe_window="0"):
        assert (done.returncode, done.stdout) == (1, "") and key + " holds something else" in done.stderr
    assert redis("EXISTS", STATE, *SETS) == 3


# Whom it asks, and what it may ask

def test_a_wrong_password(redis, dedupe):
    redis("ACL", "SETUSER", "me", "on", ">other", "~*", "+@all")
    for url in "unix://me:%s@%s", "unix://:%s@%s":
        done = dedupe(url=url % (PASSWORD, redis.path))
        assert (done.returncode, done.stdout) == (1, "")
        assert "REDIS_URL" in done.stderr and str(redis.path) in done.stderr, done


def test_nobody_answers(redis, dedupe, folder):
    redis.stop()
    done = dedupe()
    assert (done.returncode, done.stdout) == (75, "") and re.match(r"dedupe: .*(Connection refused|No such file)", done.stderr)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(folder / "silent.sock"))
        silent.listen(1)
        began = time.monotonic()
        done = dedupe(url="unix://%s/silent.sock" % folder, redis_timeout="50ms")
        assert (done.returncode, done.stdout) == (75, "") and "no answer to the greeting in time" in done.stderr
        assert time.monotonic() - began < TIMEOUT / 2
    assert dedupe(url="redis://localhost:1").returncode == 75


def test_it_stops_answering(redis, dedupe):
    redis("CLIENT", "PAUSE", 60000, "ALL")
    done = dedupe(redis_timeout="100ms")
    assert (done.returncode, done.stdout) == (75, "") and "in time" in done.stderr


def test_a_replica_is_refused(redis, dedupe):
    redis("REPLICAOF", "127.0.0.1", "1")
    done = dedupe()
    assert (done.returncode, done.stdout) == (1, "") and "is a slave, not a master" in done.stderr


def as_user(redis, *rights):
    redis("ACL", "SETUSER", "me", "reset", "on", ">" + PASSWORD, "~%s" % STREAM, "~{%s}:*" % STREAM, *rights)
    return "unix://me:%s@%s" % (PASSWORD, redis.path)


@pytest.mark.core
def test_each_right_can_be_missing(redis, dedupe):
    fill(redis, state(now(redis), 0, 900, DAY, 1000, DAY), 10, 20)
    whole = tells(dedupe(url=as_user(redis, *RIGHTS)))
    assert whole["current set"]["digests"] == "10"
    missing = {"+get": ("stream", "state"), "+time": ("stream", "clock"),
               "+scard": ("set 0", "digests"), "+memory|usage": ("set 0", "memory")}
    for right, (part, label) in missing.items():
        done = dedupe(url=as_user(redis, *(r for r in RIGHTS if r != right)))
        report = tells(done)
        part = part if part in report else "current set"
        assert done.returncode == 0 and "not permitted (%s)" % right in report[part][label], report
        assert done.stdout.count("not permitted") == (2 if part == "current set" else 1)


def test_the_service_s_own_user(redis, dedupe):
    """What `tickstream acl` grants is enough to be told something."""
    fill(redis, state(now(redis), 0, 900, DAY, 1000, DAY), 10, 20)
    url = "unix://me:%s@%s" % (PASSWORD, redis.path)
    env = clean_environment({"TICKSTREAM_APP_SECRET": SECRET, "TICKSTREAM_REDIS_URL": url})
    line = subprocess.run([str(BINARY), "acl"], env=env, capture_output=True, text=True, check=True).stdout
    words = line.replace("PASSWORD", PASSWORD).replace('"', "").split()
    redis(*words)
    done = dedupe(url=url)
    assert done.returncode == 0 and tells(done)["older set"]["last written"]


def test_a_user_who_may_nothing(redis, dedupe):
    fill(redis, state(now(redis), 0, 900, DAY, 1000, DAY), 10, 20)
    for rights in (), ("+@all", "resetkeys", "~other"):
        done = dedupe(url=as_user(redis, *rights))
        assert (done.returncode, done.stdout) == (1, "") and "may not look at the sets" in done.stderr


def test_a_user_who_may_only_read(redis, dedupe):
    fill(redis, state(now(redis), 0, 900, DAY, 1000, DAY), 10, 20)
    url = as_user(redis, "+@read", "+time")
    assert tells(dedupe(url=url))["current set"]["digests"] == "10"
    done = dedupe("forget", STREAM, url=url, dedupe_window="0")
    assert (done.returncode, done.stdout) == (1, "") and "NOPERM" in done.stderr and "'unlink'" in done.stderr
    assert redis("EXISTS", STATE, *SETS) == 3


# Forgetting

def test_forget_another_stream(redis, dedupe):
    fill(redis, state(now(redis), 0, 900, DAY, 1000, DAY), 3, 4)
    fill(redis, state(now(redis), 0, 900, DAY, 1000, DAY), 1000, 234, stream="old name")
    redis("XADD", "old name", "1-0", "a", "b")
    done = dedupe("forget", "old name")
    assert done.returncode == 0
    assert re.fullmatch(r"old name: 1,234 digests are forgotten, about [\d.]+ KiB\n", done.stdout)
    assert sorted(redis("KEYS", "*")) == sorted(k.encode() for k in ("old name", STATE, *SETS))
    assert dedupe("forget", "old name").stdout == "old name: nothing is remembered\n"


def test_the_stream_in_use_is_not_forgotten(redis, dedupe):
    fill(redis, state(now(redis), 0, 900, DAY, 1000, DAY), 3, 4)
    done = dedupe("forget", STREAM)
    assert (done.returncode, done.stdout) == (1, "") and "is in use" in done.stderr and "DEDUPE_WINDOW=0" in done.stderr
    assert redis("EXISTS", STATE, *SETS) == 3
    done = dedupe("forget", STREAM, dedupe_window="0")
    assert done.returncode == 0 and done.stdout.startswith("%s: 7 digests are forgotten" % STREAM)
    assert redis("DBSIZE") == 0


def test_what_somebody_still_writes_is_not_forgotten(redis, dedupe):
    fill(redis, state(now(redis), 0, 10, DAY, 1000, DAY), 3, 4, stream="other")
    done = dedupe("forget", "other")
    assert (done.returncode, done.stdout) == (1, "") and "written a moment ago" in done.stderr
    assert redis("DBSIZE") == 3
    redis("SET", "{other}:seen", state(now(redis), 0, -7200, DAY, 1000, DAY))      # no clock that is ahead keeps it for ever
    assert dedupe("forget", "other").returncode == 0 and redis("DBSIZE") == 0


def test_forget_without_the_right_to_count(redis, dedupe):
    fill(redis, state(now(redis), 0, 900, DAY, 1000, DAY), 3, 4)
    done = dedupe("forget", STREAM, url=as_user(redis, "+get", "+unlink"), dedupe_window="0")
    assert done.returncode == 0 and "how many is not permitted (+scard)" in done.stdout
    assert redis("DBSIZE") == 0


def test_output_that_cannot_be_written(redis, folder):
    fill(redis, state(now(redis), 0, 900, DAY, 1000, DAY), 3, 4)
    env = clean_environment({"TICKSTREAM_APP_SECRET": SECRET, "TICKSTREAM_REDIS_URL": redis.url()})
    with open("/dev/full", "wb") as full:
        assert subprocess.run([*WRAP, str(BINARY), "dedupe"], env=env, stdout=full, check=False, timeout=TIMEOUT).returncode == 1


def test_only_some_members_are_measured(redis, dedupe):
    """All of a large set would hold Redis up."""
    fill(redis, state(now(redis), 0, 900, DAY, 1000, DAY), 20000, 0)
    redis("CONFIG", "SET", "slowlog-log-slower-than", 0)
    assert tells(dedupe())["current set"]["digests"] == "20,000"
    asked = [entry[3] for entry in redis("SLOWLOG", "GET", 128)]
    assert [words[3:] for words in asked if words[0] == b"MEMORY"] == [[b"SAMPLES", b"500"]] * 2
