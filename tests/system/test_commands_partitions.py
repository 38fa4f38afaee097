"""tickstream partitions, and what other commands make of partitions: on one server, with sentinels, in a cluster."""
import json
import pathlib
import re
import shlex
import shutil
import tempfile

import pytest

from bodies import payload, result, status
from cluster import Cluster, slot_of
from partitions import NUMBER, partition_names
from commands import PASSWORD, begin, redis, run  # noqa: F401  fixtures too
from ports import Port
from replicas import MASTER, Group, Sentinels
from stack import STREAM, RedisServer, wait_for

DAY = 86400


def tells(done):
    """The head as a dict, and the rows as lists of words below the names of the columns."""
    head, _, table = done.stdout.partition("\n\n")
    rows = [line.split() for line in table.splitlines()]
    return {line[:16].strip(): line[16:] for line in head.splitlines()}, rows


# One server

@pytest.mark.core
def test_one_partition(redis, run):
    redis("XADD", STREAM, "*", "a", "b")
    done = run("partitions")
    head, rows = tells(done)
    assert done.returncode == 0
    assert head == {"stream": "%s (unix:%s)" % (STREAM, redis.path), "partitions": "1", "made with": "no worker has noted it yet"}
    assert rows == [["partition", "stream", "owner", "length"], ["0", STREAM, "unix:%s" % redis.path, "1"]]


@pytest.mark.core
def test_partitions_of_one_server(redis, run):
    for n in range(1234):
        redis("XADD", "%s:2" % STREAM, "*", "n", n)
    redis("SET", NUMBER, 4)
    done = run("partitions", stream_partitions=4)
    head, rows = tells(done)
    assert (done.returncode, head["partitions"], head["made with"]) == (0, "4", "4")
    assert rows[1:] == [[str(n), "%s:%d" % (STREAM, n), "unix:%s" % redis.path, "1,234" if n == 2 else "0"] for n in range(4)]
    assert run("partitions", stream_partitions=256).stdout.count("\n") == 5 + 256


@pytest.mark.core
def test_as_json(redis, run):
    redis("XADD", "%s:1" % STREAM, "*", "a", "b")
    rows = [{"partition": n, "stream": "%s:%d" % (STREAM, n), "owner": "unix:%s" % redis.path, "length": n} for n in range(2)]
    done = run("partitions", "--json", stream_partitions=2)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"stream": STREAM, "made_with": None, "partitions": rows})
    assert done.stdout.count("\n") == 3
    redis("SET", NUMBER, 2)
    assert json.loads(run("partitions", "--json", stream_partitions=2).stdout)["made_with"] == 2
    assert json.loads(run("partitions", "--json", stream='a"\\b', stream_partitions=2).stdout)["stream"] == 'a"\\b'


@pytest.mark.parametrize("noted, says", [
    ("8", "the stream was made with 8 partitions, STREAM_PARTITIONS is 4: nothing is stored"),
    ("1", "the stream was made with 1 partitions"), ("many\n", "is no number of partitions"), ("", "is no number of partitions")])
def test_another_number(redis, run, noted, says):
    redis("SET", NUMBER, noted)
    for arguments in (), ("--json",):
        done = run("partitions", *arguments, stream_partitions=4)
        assert done.returncode == 1 and says in done.stderr and NUMBER in done.stderr
        assert done.stdout.count("%s:3" % STREAM) == 1         # and the rest is told all the same


def test_what_a_worker_has_noted(make_stack, run):
    stack = make_stack(stream_partitions=4)
    wait_for(lambda: stack.get("/readyz").status == 200, "ready")
    names = ["wamid.%d" % n for n in range(40)]
    stack.post(payload(*(status(name) for name in names)))
    head, rows = tells(stack.program.run("partitions"))
    assert head["made with"] == "4" and sum(int(row[-1]) for row in rows[1:]) == len(names)


def test_a_right_is_missing(redis, run):
    user = "ACL", "SETUSER", "me", "reset", "on", ">" + PASSWORD, "~*"
    url = "unix://me:%s@%s" % (PASSWORD, redis.path)
    for right, other in ("+xlen", "+get"), ("+get", "+xlen"):
        redis(*user, right)
        done = run("partitions", redis_url=url, stream_partitions=2)
        assert done.returncode == 1 and "NOPERM" in done.stderr and "'%s'" % other[1:] in done.stderr
        head, rows = tells(done)
        assert (head["made with"] == "not known") == (other == "+get")
        assert [row[-1] for row in rows[1:]] == ["?" if other == "+xlen" else "0"] * 2
    redis(*user, "+xlen", "+get")
    assert run("partitions", redis_url=url, stream_partitions=2).returncode == 0


def test_a_key_of_another_type(redis, run):
    redis("SET", "%s:1" % STREAM, "x")
    done = run("partitions", "--json", stream_partitions=2)
    assert done.returncode == 1 and done.stderr.startswith("partitions: %s:1: WRONGTYPE" % STREAM)
    assert [row["length"] for row in json.loads(done.stdout)["partitions"]] == [0, None]


def test_nobody_answers(run):
    port = Port()
    done = run("partitions", redis_url="redis://127.0.0.1:%s" % port)
    assert done.returncode == 75 and "Connection refused (127.0.0.1:%s)" % port in done.stderr
    for url, who in ("redis+cluster://127.0.0.1:%s,127.0.0.1:%s", "node of the cluster"), \
                    ("redis+sentinel://127.0.0.1:%s,127.0.0.1:%s/m", "sentinel"):
        for command in "partitions", "dedupe":
            done = run(command, redis_url=url % (port, port))
            assert (done.returncode, done.stdout) == (75, "")
            assert done.stderr.startswith("%s: no %s answers (2 tried): Connection refused (127.0.0.1:%s)" % (command, who, port))
    port.close()


def test_a_server_that_is_no_cluster_and_no_sentinel(folder, run):
    server = RedisServer(folder)
    server.start_on_a_port()
    for url in "redis+cluster://127.0.0.1:%d", "redis+sentinel://127.0.0.1:%d/m":
        done = run("partitions", redis_url=url % server.port)
        assert (done.returncode, done.stdout) == (1, "") and "(1 tried): ERR " in done.stderr
    server.stop()


# Dedupe

def fill(redis, stream, current, older):
    now = int(redis("TIME")[0])
    for n, size in enumerate((current, older)):
        redis("SADD", "{%s}:seen:%d" % (stream, n), "-", *(b"%014d" % i for i in range(size)))
    redis("SET", "{%s}:seen" % stream, "0 0 %010d %07d %010d %07d" % (now - 900, DAY, now - 1000, DAY))


@pytest.mark.core
def test_dedupe_of_partitions(redis, run):
    """A line for each, and more of one."""
    for n in range(3):
        fill(redis, "%s:%d" % (STREAM, n), 1000 + n, n)
    done = run("dedupe", stream_partitions=4)
    head, rows = tells(done)
    assert head == {"stream": "%s, 4 partitions (unix:%s)" % (STREAM, redis.path), "window": "24 h"}
    assert [row[:3] for row in rows[1:4]] == [["%s:%d" % (STREAM, n), "1,00%d" % n, str(n)] for n in range(3)]
    assert rows[4] == ["%s:3" % STREAM, "0", "0", "0", "bytes", "-"]
    done = run("dedupe", "show", "%s:2" % STREAM, stream_partitions=4)
    assert re.search(r"current set     {%s:2}:seen:0\n  digests       1,002\n" % STREAM, done.stdout), done
    redis("SET", "{%s:1}:seen:0" % STREAM, "x")
    done = run("dedupe", stream_partitions=4)
    assert done.returncode == 1 and "{%s:1}:seen:0 holds something else" % STREAM in done.stderr


def test_forgetting_a_partition(redis, run):
    names = "%s:0" % STREAM, "%s:1" % STREAM, "%s:2" % STREAM, STREAM
    for name in names:
        fill(redis, name, 3, 4)
    for name in names[:2]:
        done = run("dedupe", "forget", name, stream_partitions=2)
        assert (done.returncode, done.stdout) == (1, "") and "is in use" in done.stderr
    for name in names[2:]:      # the first is none of two, the other is what there was before
        assert run("dedupe", "forget", name, stream_partitions=2).stdout.startswith("%s: 7 digests are forgotten" % name)
    done = run("dedupe", "forget", names[1], stream_partitions=2, dedupe_window=0)
    assert done.stdout.startswith("%s: 7 digests are forgotten" % names[1])
    assert redis("EXISTS", *("{%s}:seen" % name for name in names)) == 1 == redis("EXISTS", "{%s}:seen" % names[0])


# Many servers

def grant(line, *servers):
    """What `tickstream acl` says, with the password of the tests; returns the rights."""
    words = [word.replace("PASSWORD", PASSWORD) for word in shlex.split(line)]
    for server in servers:
        server(*words)
    return {word for word in words if word[0] == "+"}


def stack_with(make_stack, url, **settings):
    """Of a program that logs in as me."""
    stack = make_stack(start=False, redis=False, redis_url=url.replace("://", "://me:%s@" % PASSWORD), **settings)
    stack.program.expects(r"redis: .*", r"webhook: answered 503: .*")
    return stack


def post_all(stack, first):
    """To all of four partitions, most likely."""
    return stack.post(payload(*(status("wamid.%d" % n) for n in range(first, first + 100)))).document()

@pytest.fixture(scope="module")
def cluster():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tickstream-test-"))
    it = Cluster(folder, replicas=0)
    try:
        yield it.start()
    finally:
        it.stop()
        shutil.rmtree(folder)


@pytest.mark.cluster
def test_partitions_of_a_cluster(cluster, run):
    cluster.flush()
    names = partition_names(16)
    for name in names:
        cluster("XADD", name, "*", "a", "b")
    cluster("SET", NUMBER, 16)
    done = run("partitions", redis_url=cluster.url(cluster.nodes[2]), stream_partitions=16)
    head, rows = tells(done)
    assert (done.returncode, head["made with"]) == (0, "16")
    assert rows[0] == ["partition", "stream", "slot", "owner", "length"]
    assert rows[1:] == [[str(n), name, str(slot_of(name)), "127.0.0.1:%d" % cluster.owner_of(name).public_port, "1"]
                        for n, name in enumerate(names)]
    done = run("partitions", "--json", redis_url=cluster.url(cluster.nodes[2]), stream_partitions=16)
    assert [row["slot"] for row in json.loads(done.stdout)["partitions"]] == [slot_of(name) for name in names]


@pytest.mark.cluster
def test_a_slot_that_nobody_owns(cluster, run):
    name = "%s:0" % STREAM
    owner, slot = cluster.owner_of(name), slot_of(name)
    cluster.flush()
    for node in cluster.nodes:
        node("CLUSTER", "DELSLOTS", slot)
    try:
        done = run("partitions", "--json", redis_url=cluster.url(), stream_partitions=4)
        assert done.returncode == 75 and "%s: no node of the cluster is known to own it" % name in done.stderr
        rows = json.loads(done.stdout)["partitions"]
        assert rows[0]["owner"] is rows[0]["length"] is None and all(row["length"] == 0 for row in rows[1:])
    finally:
        owner("CLUSTER", "ADDSLOTS", slot)
        cluster.wait_until_whole()


@pytest.mark.cluster
def test_dedupe_of_a_cluster(cluster, run):
    cluster.flush()
    names = partition_names(4)
    for n, name in enumerate(names):
        fill(cluster.owner_of(name), name, n, 0)
    rows = tells(run("dedupe", redis_url=cluster.url(), stream_partitions=4))[1]
    assert [row[:2] for row in rows[1:5]] == [[name, str(n)] for n, name in enumerate(names)]
    for name in names:
        done = run("dedupe", "forget", name, redis_url=cluster.url(cluster.nodes[0]), stream_partitions=4, dedupe_window=0)
        assert done.returncode == 0, done
    assert sum(node("DBSIZE") for node in cluster.nodes) == 0


@pytest.mark.cluster
@pytest.mark.parametrize("window", ["1h", "0"])
def test_least_rights_in_a_cluster(make_stack, cluster, window):
    """Also while a slot moves, when the owner sends us on for this once."""
    cluster.flush()
    stack = stack_with(make_stack, cluster.url(), stream_partitions=4, dedupe_window=window, workers=1)
    rights = grant(stack.program.run("acl").stdout, *cluster.nodes)
    assert {"+cluster|slots", "+asking"} < rights and not {"+multi", "+exec", "+wait"} & rights
    stack.start()
    wait_for(lambda: stack.metric("tickstream_redis_partitions_ready") == 4, "all partitions are written to")
    assert post_all(stack, 0) == result(accepted=100)
    name = "%s:0" % STREAM
    to = next(node for node in cluster.nodes if node is not cluster.owner_of(name))
    source = cluster.begin_move(slot_of(name), to)
    for key in source("CLUSTER", "GETKEYSINSLOT", slot_of(name), 100):
        cluster.migrate(source, to, key)
    assert post_all(stack, 100) == result(accepted=100)
    cluster.end_move(slot_of(name), source, to)
    cluster.wait_until_whole()
    assert post_all(stack, 200) == result(accepted=100)
    assert stack.metric('tickstream_redis_redirects_total{kind="ask"}') > 0
    assert not stack.program.has_logged("NOPERM|the ACL user")


@pytest.mark.cluster
def test_least_rights_with_replicas(make_stack, folder):
    group = Group(folder / "redis")
    try:
        group.start()
        stack = stack_with(make_stack, group.master.url(), redis_ack="replicas:1", workers=1)
        rights = grant(stack.program.run("acl").stdout, *group.members())
        assert {"+wait", "+pexpireat"} < rights
        stack.start()
        wait_for(lambda: stack.get("/readyz").status == 200, "ready")
        assert post_all(stack, 0) == result(accepted=100)
        assert post_all(stack, 0) == result(duplicates=100)
        assert not stack.program.has_logged("NOPERM|the ACL user")
        for right in "+wait", "+pexpireat":
            group.master("ACL", "SETUSER", "me", "-" + right[1:])
            group.master("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            wait_for(lambda: stack.program.has_logged("NOPERM.*'%s'" % right[1:]), "it is missed")
            wait_for(lambda: stack.get("/readyz").status == 503, "nothing is taken")
            group.master("ACL", "SETUSER", "me", right)
            wait_for(lambda: stack.get("/readyz").status == 200, "ready")
    finally:
        group.stop()


@pytest.mark.cluster
def test_the_master_of_sentinels(folder, run):
    """Sentinels have a user of their own, who may do what `tickstream acl` prints for them; what is for the one, the other
    refuses."""
    it = Sentinels(folder / "redis")
    try:
        it.start()
        settings = {"redis_url": it.url().replace("://", "://me:%s@" % PASSWORD), "redis_sentinel_user": "watcher",
                    "redis_sentinel_password": PASSWORD}
        lines = [line.replace("PASSWORD", PASSWORD).replace('"', "").split()
                 for line in run("acl", **settings).stdout.splitlines()]
        assert [line[:3] for line in lines] == [["ACL", "SETUSER", "me"], ["ACL", "SETUSER", "watcher"]]
        for server, mine, others in [*((m, *lines) for m in it.group.members()), *((s, *lines[::-1]) for s in it.sentinels)]:
            server(*mine, *(["+xlen"] if mine is lines[0] else []))
            with pytest.raises(Exception, match="ACL SETUSER"):
                server(*others)
        for _ in range(2):
            master = it.master()
            master("XADD", STREAM, "*", "a", "b")
            done = run("partitions", **settings)
            assert done.returncode == 0 and tells(done)[1][1][2] == "127.0.0.1:%d" % master.port, done
            assert run("dedupe", **settings).returncode == 0
            it.kill_master()
        done = run("partitions", **{**settings, "redis_sentinel_password": "wrong"})
        assert (done.returncode, done.stdout) == (1, "") and "no sentinel answers (3 tried): WRONGPASS" in done.stderr
        done = run("partitions", **{**settings, "redis_url": settings["redis_url"].replace(MASTER, "another")})
        assert (done.returncode, done.stdout) == (1, "") and "it knows no master another" in done.stderr
    finally:
        it.stop()
