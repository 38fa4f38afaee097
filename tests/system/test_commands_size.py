"""tickstream size: what a rate takes, and what rate is carried, by plan and by real servers."""
import pathlib
import re
import tempfile

import pytest

from cluster import Cluster
from commands import PASSWORD, begin, redis, run  # noqa: F401  fixtures too
from ports import Port
from stack import QUARANTINE, STREAM, TOP

KEPT = {"trim": "acked", "trim_keep": "1h"}
MB = 1 << 20
UNITS = {"bytes": 1, "KiB": 1 << 10, "MiB": MB, "GiB": 1 << 30}


def parts(done):
    """The rows of the table: {name: (bytes, what is said)}."""
    rows = re.findall(r"(?m)^  (\w+) +([\d.]+) (bytes|.iB)  (.*)$", done.stdout)
    return {name: (float(number) * UNITS[unit], text) for name, number, unit, text in rows}


def carries(done):
    return float(re.search(r"(?m)^Carries ([\d.,]+) statuses/s", done.stdout)[1].replace(",", ""))


def fill(redis, stream, count, size):
    """Entries whose values are of so many bytes, as many a node as with the defaults."""
    for n in range(count):
        redis("XADD", stream, "*", "value", "x" * size)


def about(value):
    return pytest.approx(value, rel=0.05)      # as it is shown


# By plan

@pytest.mark.core
def test_what_a_rate_takes(run):
    done = run("size", "--rate", "100", "--memory", "2gb", "--bytes", "500", **KEPT)
    rows = parts(done)
    assert done.returncode == 0 and done.stdout.startswith("100 statuses/s\n")
    assert rows["stream"] == (about(500 * 364000), "364,000 entries, kept for 1 h (TRIM_KEEP); 500 bytes each, as given")
    assert rows["dedupe"][0] == about(72 * 17292000) and "two windows of 24 h (DEDUPE_WINDOW)" in rows["dedupe"][1]
    sums = sum(rows[name][0] for name in ("stream", "dedupe", "server", "quarantine"))
    assert rows["maxmemory"][0] == about(sums) and rows["machine"][0] == about(1.5 * sums)
    assert "No Redis was asked (--memory)." in done.stdout
    assert re.search(r"Carries 13\d statuses/s .*; at 100/s one may be away for 3 h \d+ min\.\n$", done.stdout)


@pytest.mark.core
@pytest.mark.parametrize("settings, arguments, says", [
    ({}, (), r"TRIM=off removes nothing: 100 statuses/s fill an empty Redis in 2 h \d+ min; it carries none\."),
    ({"trim": "acked"}, (), r"Carries 7\.\d statuses/s .* one may be away for 24 h\."),
    ({"trim": "acked", "dedupe_window": "0"}, (), r"Carries 9\.\d statuses/s .*"),
    (KEPT, ("--rate", "0.5"), r"Carries 32 statuses/s .*; at 0\.5/s one may be away for \d+ d.*"),
])
def test_what_512_mb_carry(run, settings, arguments, says):
    done = run("size", "--memory", "512mb", *arguments, **settings)
    assert done.returncode == 0 and re.fullmatch(says, done.stdout.splitlines()[-1]), done.stdout
    assert ("nothing is removed (TRIM=off)" in done.stdout) == (not settings)
    assert ("nothing is remembered (DEDUPE_WINDOW=0)" in done.stdout) == ("dedupe_window" in settings)


@pytest.mark.parametrize("settings, says", [
    ({}, r"size: TRIM=off removes nothing: 200 statuses/s fill an empty Redis in 1 h; it carries none\n"),
    (KEPT, r"size: 200 statuses/s fill an empty Redis in 1 h .*; it carries 32\n"),
])
def test_a_rate_that_is_not_carried(run, settings, says):
    done = run("size", "--memory", "512mb", "--rate", "200", **settings)
    assert done.returncode == 1 and re.fullmatch(says, done.stderr), done.stderr


@pytest.mark.parametrize("arguments", [("--rate",), ("--rate", "0"), ("--rate", "many"), ("--rate", "1x"), ("--rate", "1gb"),
                                       ("--memory", "1pb"), ("--memory", "-1"), ("--bytes", "0"), ("more",)])
def test_misuse(run, arguments):
    done = run("size", *arguments)
    assert done.returncode == 2 and re.fullmatch(r"size: .* \(tickstream help size\)\n", done.stderr)


# What is shipped

def defaults(text, pattern):
    return dict(re.findall(pattern, text))


def test_compose_carries_100_statuses_a_second(run):
    """With the larger digests, of Redis 7.0; its own limit leaves room; and .env says the same as docker-compose.yml."""
    here = defaults((TOP / ".env").read_text(), r"(?m)^(\w+)=(.*)$")
    there = defaults((TOP / "docker-compose.yml").read_text(), r"\$\{(\w+):-([^}]*)\}")
    names = "REDIS_MAXMEMORY", "REDIS_MEM_LIMIT", "DEDUPE_WINDOW", "TRIM", "TRIM_KEEP"
    assert {name: here[name] for name in names} == {name: there[name] for name in names}
    settings = {name.lower(): here[name] for name in names[2:]}
    done = run("size", "--rate", "100", "--memory", here["REDIS_MAXMEMORY"], **settings)
    assert done.returncode == 0, done.stderr
    limit = int(re.fullmatch(r"(\d+)g", here["REDIS_MEM_LIMIT"])[1]) << 30
    full = parts(run("size", "--memory", here["REDIS_MAXMEMORY"], **settings))
    assert full["machine"][0] <= 1.001 * limit


# By real servers

@pytest.mark.core
def test_what_a_server_has(redis, run):
    redis("CONFIG", "SET", "maxmemory", 100 * MB)
    done = run("size", **KEPT)
    assert done.returncode == 0 and "577 bytes each, assumed" in done.stdout
    row = re.search(r"(?m)^unix:%s +1 +100\.0 MiB +\S+ \S+ +([\d.]+)$" % redis.path, done.stdout)
    assert float(row[1]) == carries(done)
    version = redis("INFO", "server").decode().partition("redis_version:")[2].split()[0]
    assert ("Redis %s\n" % version) in done.stdout


def test_entries_are_measured(redis, run):
    """From a thousand on; larger ones carry less."""
    redis("CONFIG", "SET", "maxmemory", 100 * MB)
    fill(redis, STREAM, 999, 1000)
    assumed = run("size", **KEPT)
    assert "577 bytes each, assumed" in assumed.stdout
    redis("XADD", STREAM, "*", "value", "x" * 1000)
    done = run("size", **KEPT)
    size = int(re.search(r"(\d+) bytes each, measured", done.stdout)[1])
    assert size == about(redis("MEMORY", "USAGE", STREAM, "SAMPLES", "0") / 1000) and size > 1000
    assert carries(done) < carries(assumed)
    assert "300 bytes each, as given" in run("size", "--bytes", "300", **KEPT).stdout


def test_what_else_is_in_it_is_no_room(redis, run):
    """Ours is: entries, digests, and of quarantine no more than its share."""
    redis("CONFIG", "SET", "maxmemory", 100 * MB)
    empty = carries(run("size", **KEPT))
    fill(redis, QUARANTINE, 100, 50000)
    redis("EVAL", "for i = 1, 100000 do redis.call('SADD', KEYS[1], string.format('%014d', i)) end", 1, "{%s}:seen:0" % STREAM)
    assert carries(run("size", **KEPT)) == empty
    for n in range(10):
        redis("SET", "another:%d" % n, "x" * (3 * MB))
    used = int(re.search(rb"used_memory:(\d+)", redis("INFO", "memory"))[1]) / MB
    ours = (5 + 6) if redis("INFO", "server").find(b"redis_version:7.0") > 0 else (5 + 3)
    assert carries(run("size", **KEPT)) == pytest.approx(empty * (90 - used + ours) / (90 - 8), rel=0.1)


@pytest.mark.parametrize("rights, says", [
    ("-info", "size: the server does not tell its maxmemory (+info): name it with --memory\n"),
    ("-memory|usage -scard", None)])
def test_what_is_not_permitted(redis, folder, run, rights, says):
    redis("CONFIG", "SET", "maxmemory", 100 * MB)
    fill(redis, STREAM, 1000, 1000)
    redis("ACL", "SETUSER", "me", "on", ">" + PASSWORD, "~*", "+@all", *rights.split())
    done = run("size", redis_url="unix://me:%s@%s/redis.sock" % (PASSWORD, folder), **KEPT)
    assert (done.returncode, done.stderr) == ((1, says) if says else (0, ""))
    assert "assumed" in done.stdout


def test_no_limit(redis, run):
    done = run("size", "--rate", "100", **KEPT)
    assert done.returncode == 1 and done.stderr.startswith("size: maxmemory is not set: Redis takes what the machine has")
    assert parts(done)["maxmemory"][0] > 1000 * MB


def test_no_server(run):
    port = Port()
    done = run("size", redis_url="redis://127.0.0.1:%s" % port)
    port.close()
    assert done.returncode == 75 and done.stderr.startswith("size: ")


@pytest.mark.cluster
def test_the_smallest_share_of_a_cluster_decides(run):
    """Of 16 partitions; the master with the least memory for each."""
    with tempfile.TemporaryDirectory(prefix="tickstream-test-") as path:
        cluster = Cluster(pathlib.Path(path), replicas=0)
        try:
            cluster.start()
            for n, node in enumerate(cluster.masters()):
                node("CONFIG", "SET", "maxmemory", (50 if n == 1 else 1000) * MB)
            done = run("size", redis_url=cluster.url(), stream_partitions=16, **KEPT)
            assert done.returncode == 0
            rows = re.findall(r"(?m)^127.0.0.1:(\d+) +(\d+) +\S+ MiB +\S+ \S+ +([\d.]+)$", done.stdout)
            assert sum(int(partitions) for _, partitions, _ in rows) == 16 and len(rows) == 3
            least = min(rows, key=lambda row: float(row[2]))
            assert int(least[0]) == cluster.masters()[1].public_port
            assert "127.0.0.1:%s, with %s of 16 partitions" % least[:2] in done.stdout
            assert carries(done) == float(least[2])
        finally:
            for node in cluster.nodes:
                node.close()
