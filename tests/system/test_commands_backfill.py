"""tickstream backfill: bodies that were recorded are stored as posted ones would be."""
import base64
import json
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest

from bodies import payload, status
from cluster import Cluster
from commands import begin, end, redis, run  # noqa: F401  fixtures too
from partitions import partition_names
from stack import BINARY, QUARANTINE, SECRET, STREAM, TIMEOUT, WRAP, clean_environment, signature, wait_for
from test_commands_quarantine import entries, ids, names

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
JSON = "application/json"


def tells(bodies=0, accepted=0, duplicates=0, quarantined=0, ignored=0, refused=0):
    return {"bodies": bodies, "accepted": accepted, "duplicates": duplicates, "quarantined": quarantined, "ignored": ignored,
            "refused": refused}


def line(posted, kind=JSON, secret=SECRET, **more):
    return json.dumps({"content_type": kind, "signature": signature(posted, secret), "body": posted.decode(), **more}) + "\n"


@pytest.fixture
def record(folder):
    """record(name, bytes) is the path of a file with a signature beside it."""
    def make(name, body, secret=SECRET):
        path = folder / name
        path.write_bytes(body)
        (folder / (name + ".sig")).write_text(signature(body, secret) + "\n")
        return str(path)
    return make


@pytest.fixture
def lines(folder):
    """lines(text...) is the path of a file of records."""
    def make(*texts):
        (folder / "bodies.jsonl").write_text("".join(texts))
        return str(folder / "bodies.jsonl")
    return make


@pytest.mark.core
def test_files(redis, run, record):
    """Of each media type, by the name of the file."""
    paths = [record(pathlib.Path(name).name, (DATA / name).read_bytes())
             for name in ("json/json-sample.json", "xml/xml-sample.xml", "form/form-json-names.form")]
    done = run("backfill", *paths)
    assert done.returncode == 0 and done.stdout.startswith("3 bodies would be stored: ") and redis("DBSIZE") == 0
    assert done.stdout.endswith("Nothing was stored; --yes does it.\n")
    first = json.loads(run("backfill", "--yes", "--json", *paths).stdout)
    assert first["bodies"] == 3 and first["accepted"] == redis("XLEN", STREAM) > 16
    done = run("backfill", "--yes", "--json", *paths)
    assert (done.returncode, json.loads(done.stdout)) == (0, tells(3, duplicates=first["accepted"]))
    assert {e["request_id"].split("-")[0] for e in entries(redis)} == {"backfill"}


@pytest.mark.core
def test_lines(redis, run, lines):
    one, two, utf16 = payload(status("wamid.0")), payload(status("wamid.1")), payload(status("wamid.2")).decode().encode("utf-16")
    path = lines(line(one, received_at=1700000000123, request_id="r-1"), "\n", line(two, received_at="7", other=[1]),
                 json.dumps({"content_type": JSON, "signature": signature(utf16),
                             "body_base64": base64.b64encode(utf16).decode()}))
    done = run("backfill", "--yes", "--json", path)
    assert (done.returncode, json.loads(done.stdout)) == (0, tells(3, 3))
    stored = {e["id"]: (e["received_at"], e["request_id"]) for e in entries(redis)}
    assert sorted(stored) == names(3) and stored["wamid.0"] == ("1700000000123", "r-1") and stored["wamid.1"][0] == "7"


def test_a_file_of_windows(redis, run, lines):
    """A byte order mark, CR, and no end of the last line."""
    path = lines("\ufeff", line(payload(status("wamid.0"))).replace("\n", "\r\n"), line(payload(status("wamid.1"))).rstrip())
    assert json.loads(run("backfill", "--yes", "--json", path).stdout) == tells(bodies=2, accepted=2)


def test_standard_input(redis, begin):
    env = clean_environment({"TICKSTREAM_APP_SECRET": SECRET, "TICKSTREAM_REDIS_URL": redis.url()})
    done = subprocess.run([*WRAP, str(BINARY), "backfill", "--yes", "-"], input=line(payload(status("wamid.0"))), text=True, env=env,
                          timeout=TIMEOUT, check=False, capture_output=True)
    assert done.returncode == 0 and done.stdout == "1 bodies: 1 accepted, 0 duplicates, 0 quarantined, 0 ignored; 0 refused\n"
    assert ids(redis) == names(1)


@pytest.mark.parametrize("bad, says", [
    (lambda b: line(b, secret="another secret of ours"), "signature"), (lambda b: line(b, signature=None), "X-Hub-Signature-256 header is missing"),
    (lambda b: line(b, kind="image/png"), "Content-Type"), (lambda b: line(b, kind=None), "Content-Type"), (lambda b: line(b""), "empty"),
    (lambda b: "{\n", "bodies.jsonl:1: "), (lambda b: "[]\n", "no object of JSON"), (lambda b: line(b, body=7), "body is no text"),
    (lambda b: line(b, body_base64="AAAA"), "one of body and body_base64"), (lambda b: line(b, body=None), "one of body"),
    (lambda b: line(b, body=None, body_base64="A"), "no Base64"), (lambda b: line(b, received_at="now"), "received_at wants"),
    (lambda b: line(b, request_id="a b"), "request_id wants"), (lambda b: line(b"x" * (3 << 20) + b"x"), "larger than 3145728 bytes"),
    (lambda b: '"' + "x" * (20 << 20) + "\n", "the line is longer")])
def test_refused(redis, run, lines, bad, says):
    """It is told, and left out; the others are stored."""
    body = payload(status("wamid.0"))
    done = run("backfill", "--yes", "--json", lines(bad(payload()), line(body)))
    assert (done.returncode, json.loads(done.stdout)) == (1, tells(1, 1, refused=1))
    assert "bodies.jsonl:1: " in done.stderr and says in done.stderr and ids(redis) == names(1)


def test_files_that_are_refused(redis, run, record, folder):
    good = record("good.json", payload(status("wamid.0")))
    (folder / "unsigned.json").write_bytes(payload())
    for path, says in ((folder / "none.json", "No such file"), (folder, "none of .json"), (record("a.txt", b"{}"), "none of .json"),
                       (record("wrong.json", payload(), "another secret"), "signature"), (folder / "unsigned.json", "Signature-256 header is missing"),
                       (folder / "none.jsonl", "No such file")):
        done = run("backfill", "--yes", "--json", str(path), good)
        assert done.returncode == 1 and json.loads(done.stdout)["refused"] == 1 and "%s: " % path in done.stderr
        assert says in done.stderr and ids(redis) == names(1)
    done = run("backfill", "--yes", "--unsigned", "--type", "text/json", str(folder / "unsigned.json"), record("b.txt", payload()))
    assert done.returncode == 0 and done.stdout.startswith("2 bodies: 2 accepted")


def test_many_refusals(redis, begin, lines):
    process = begin("backfill", "--yes", lines(*["{\n"] * 100))
    stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1 and "100 refused" in stdout
    assert stderr.count("\n") == 21 and stderr.endswith("and 80 more were refused\n")


def test_what_cannot_be_read(redis, run, lines):
    """Goes to quarantine, as of the webhook."""
    text = lines(line(b"{"), line(payload({"id": "a"}, status("wamid.0"))))
    done = run("backfill", "--json", text)
    assert (done.returncode, json.loads(done.stdout)) == (0, tells(2, 1, quarantined=2))
    done = run("backfill", "--yes", "--json", text)
    assert (done.returncode, json.loads(done.stdout)) == (0, tells(2, 1, quarantined=2))
    assert {(e["reason"], e["raw"]) for e in entries(redis, QUARANTINE)} == {("syntax", "{"), ("missing_status", '{"id": "a"}')}


@pytest.mark.parametrize("arguments, settings, says", [
    ((), {}, "which files?"), (("--type", "image/png", "a"), {}, "Content-Type"), (("a", "--new"), {}, "--new"),
    (("--yes", "a.json"), {"dedupe_window": 0}, "--allow-duplicates")])
def test_misused(redis, run, arguments, settings, says):
    done = run("backfill", *arguments, **settings)
    assert (done.returncode, done.stdout) == (2, "") and says in done.stderr


def test_nothing_to_check_with(redis, folder):
    (folder / "a.json").write_bytes(payload(status("wamid.0")))
    env = clean_environment({"TICKSTREAM_ALLOW_UNSIGNED": "true", "TICKSTREAM_REDIS_URL": redis.url()})
    for options, status_ in ((), 2), (("--unsigned",), 0):
        done = subprocess.run([*WRAP, str(BINARY), "backfill", "--yes", *options, "a.json"], cwd=folder, env=env, text=True,
                              timeout=TIMEOUT, check=False, capture_output=True)
        assert done.returncode == status_ and ("--unsigned" in done.stderr) == (status_ == 2)
    assert ids(redis) == names(1)


def test_killed_and_called_again(redis, begin, run, lines):
    path = lines(*(line(payload(status("wamid.%d" % n))) for n in range(1000)))
    process = begin("backfill", "--yes", "--rate", "500/s", path)
    wait_for(lambda: redis("XLEN", STREAM) > 200, "some are stored")
    process.kill()
    process.communicate(timeout=TIMEOUT)
    stored = redis("XLEN", STREAM)
    assert stored < 1000
    done = run("backfill", "--yes", "--json", path)
    assert (done.returncode, json.loads(done.stdout)) == (0, tells(1000, 1000 - stored, stored))
    assert ids(redis) == names(1000)


def test_it_stops(redis, begin, run, lines):
    """Where, is told: Redis is full, or away."""
    path = lines(*(line(payload(status("wamid.%d" % n))) for n in range(1000)))
    process = begin("backfill", "--yes", "--rate", "500/s", path)
    wait_for(lambda: redis("XLEN", STREAM) > 100, "some are stored")
    redis("CONFIG", "SET", "maxmemory", "1")
    done = end(process)
    stored = redis("XLEN", STREAM)
    assert done.returncode == 1 and "stopped at %s:%d: maxmemory is reached" % (path, stored + 1) in done.stderr
    redis("CONFIG", "SET", "maxmemory", "0")
    assert run("backfill", "--yes", path).returncode == 0 and ids(redis) == names(1000)
    redis.stop(signal.SIGKILL)
    done = run("backfill", "--yes", path)
    assert (done.returncode, done.stdout) == (75, "")


@pytest.mark.cluster
def test_bodies_that_become_large(redis, run, lines):
    """Each repeats what is around its elements: together they are more than a connection takes, one by one they are not."""
    large = {"id": "x" * 1000000, "changes": [{"value": {"statuses": [status("wamid.%d" % n) for n in range(25)]}}]}
    bodies = [json.dumps({"entry": [{**large, "id": str(n) + large["id"]}]}).encode() for n in range(4)]
    path = lines(*[line(body) for body in bodies])
    done = run("backfill", "--yes", path)
    assert done.returncode == 0 and done.stdout.startswith("4 bodies: 100 accepted")


def test_a_cluster(run, lines):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tickstream-test-"))
    cluster = Cluster(folder, replicas=0)
    try:
        cluster.start()
        settings = {"redis_url": cluster.url(cluster.nodes[1]), "stream_partitions": 8}
        path = lines(*(line(payload(*(status("wamid.%d" % (8 * n + i)) for i in range(8)))) for n in range(20)))
        done = run("backfill", "--yes", "--json", path, **settings)
        assert (done.returncode, json.loads(done.stdout)) == (0, tells(20, 160))
        stored = [name for stream in partition_names(8) for name in ids(cluster.owner_of(stream), stream)]
        assert sorted(stored) == names(160)
    finally:
        cluster.stop()
        shutil.rmtree(folder)
