"""A real cluster of three masters and three replicas.  The ledger while nodes die, stand still and change roles, and
slots move; where the program finds the owners; what it tells about partitions."""
import contextlib
import pathlib
import random
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

from bodies import payload, result, status
from cluster import Cluster, slot_of
from cluster_chaos import EXPECTED, Run, is_ready
from partitions import NUMBER, PARTITIONS, STREAMS, ids_in, ids_of_all_partitions, partition_names
from ports import Port
from stack import STREAM, TOP, WRAP, wait_for

pytestmark = pytest.mark.cluster

RATE = 100      # batches a second


@pytest.fixture(scope="session")
def session_cluster():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tickstream-test-"))
    cluster = Cluster(folder)
    try:
        yield cluster.start()
    finally:
        cluster.stop()
        shutil.rmtree(folder)


@pytest.fixture
def cluster(session_cluster):
    """Whole and empty.  It is the same for all tests, each of which leaves it whole."""
    session_cluster.wait_until_whole()
    session_cluster.flush()
    return session_cluster


@pytest.fixture
def make_writer(make_stack, cluster):
    """make_writer(...) starts a program that writes to the cluster, and waits until all partitions are."""
    def make(wait=True, partitions=PARTITIONS, **options):
        stack = make_stack(start=False, redis=False, stream_partitions=partitions,
                           **{"redis_url": cluster.url(), "dedupe_window": "1h", **options})
        stack.program.expects(*EXPECTED)
        if wait:
            stack.start()
            wait_for(lambda: is_ready(stack), "all partitions are written to")
        return stack

    return make


def assert_well(run):
    run.report()
    assert run.wrong == []


def seed():
    value = str(random.SystemRandom().randrange(10**6))
    print("seed %s" % value)
    return value


# The ledger

@pytest.mark.parametrize("ack, cards", [("local", "all"), ("replicas:1", "harmless")])
def test_ledger_is_the_partitions(make_writer, cluster, ack, cards):
    """replicas:1 without the faults that leave a master without its only replica."""
    run = Run(make_writer(redis_ack=ack), cluster, seed(), RATE)
    run.torment(getattr(run.deck, cards)())
    assert_well(run)


def test_moving_a_slot_refuses_nobody(make_writer, cluster):
    stack = make_writer()
    run = Run(stack, cluster, seed(), RATE)
    run.torment([run.deck.move_a_slot], rounds=5)
    assert_well(run)
    assert run.senders.answers(503) == 0
    assert stack.metric('tickstream_redis_redirects_total{kind="moved"}') >= 1


@pytest.mark.parametrize("trouble", ["replica", "connection"])
def test_a_node_whose_first_partition_has_moved(make_writer, cluster, trouble):
    """What was asked of it by that partition's keys must be asked by another one's: whether its replica is back, and all
    that is asked of a new connection."""
    stack = make_writer(redis_ack="replicas:1", workers=1)
    owner = cluster.owner_of(STREAMS[0])
    own = next(n for n, s in enumerate(STREAMS) if n > 0 and cluster.owner_of(s) is owner)
    body = payload(status(ids_of_all_partitions()[own]))
    cluster.move_slot(slot_of(STREAMS[0]), next(m for m in cluster.masters() if m is not owner))
    assert stack.post(payload(status(ids_of_all_partitions()[0]))).status == 200
    try:
        if trouble == "replica":
            [replica] = cluster.replicas_of(owner)
            replica.kill(signal.SIGSTOP)
            assert stack.post(body).status == 503
            replica.kill(signal.SIGCONT)
        else:
            owner.kill_clients()
        wait_for(lambda: is_ready(stack), "all partitions are written to", 10)
        assert stack.post(body).status == 200
    finally:
        cluster.wait_until_whole()
        cluster.move_slot(slot_of(STREAMS[0]), owner)


# Where a status goes

@pytest.mark.parametrize("ack", ["local", "replicas:1"])
def test_each_partition_has_its_own(make_writer, cluster, ack):
    """One body for all partitions: each has what belongs there; again, and all of it is known."""
    stack = make_writer(redis_ack=ack)
    names = ids_of_all_partitions()
    body = payload(*(status(name) for name in names))
    assert stack.post(body).document() == result(accepted=PARTITIONS)
    assert [ids_in(cluster, stream) for stream in STREAMS] == [[name] for name in names]
    assert stack.post(body).document() == result(duplicates=PARTITIONS)
    assert cluster("GET", NUMBER) == b"%d" % PARTITIONS


def test_one_partition(make_writer, cluster):
    """The stream's name is as without a cluster."""
    stack = make_writer(partitions=1)
    assert stack.post(payload(status("wamid.1"), status("wamid.2"))).document() == result(accepted=2)
    assert ids_in(cluster, STREAM) == ["wamid.1", "wamid.2"]
    other = next(m for m in cluster.masters() if m is not cluster.owner_of(STREAM))
    cluster.move_slot(slot_of(STREAM), other)
    assert stack.post(payload(status("wamid.2"), status("wamid.3"))).document() == result(accepted=1, duplicates=1)


# Whom it asks

@contextlib.contextmanager
def nobody():
    """A port where nobody listens."""
    port = Port()
    yield port
    port.close()


def assert_finds_all(make_writer, url):
    stack = make_writer(redis_url=url)
    assert stack.post(payload(*(status(name) for name in ids_of_all_partitions()))).document() == result(accepted=PARTITIONS)


def test_one_seed_of_three_is_alive(make_writer, cluster):
    with nobody() as one, nobody() as two:
        assert_finds_all(make_writer, "redis+cluster://127.0.0.1:%s,127.0.0.1:%s,127.0.0.1:%d"
                         % (one, two, cluster.nodes[0].public_port))


def test_the_seed_is_a_replica(make_writer, cluster):
    [replica] = cluster.replicas_of(cluster.owner_of(STREAMS[0]))
    assert_finds_all(make_writer, cluster.url(replica))


def test_a_name_with_several_addresses(make_writer, cluster, folder):
    """Of which only one has a server."""
    hosts = folder / "hosts"
    hosts.write_text("127.0.0.1 localhost\n127.0.0.7 nodes.test\n127.0.0.8 nodes.test\n127.0.0.1 nodes.test\n")
    with_hosts = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(hosts)]
    if subprocess.run([*with_hosts, "true"], capture_output=True).returncode:
        pytest.skip("no other /etc/hosts can be used here")
    stack = make_writer(wait=False, redis_url="redis+cluster://nodes.test:%d" % cluster.nodes[0].public_port)
    stack.program.wrap = [*with_hosts, *WRAP]
    stack.start()
    wait_for(lambda: is_ready(stack), "all partitions are written to")


def test_no_seed_is_alive_at_first(make_writer, cluster):
    """The program starts, is not ready, and finds the node when it is there."""
    node = next(n for n in cluster.nodes if not n.is_master())
    node.stop(signal.SIGKILL)
    stack = make_writer(wait=False, redis_url=cluster.url(node))
    stack.start()
    assert stack.get("/readyz").status == 503
    assert stack.post(payload()).status == 503
    node.start()
    wait_for(lambda: is_ready(stack), "all partitions are written to")


# The number of partitions

def test_another_number_of_partitions(make_writer, cluster):
    """Nothing is published with another number than the stream was made with, and one line says so."""
    make_writer().program.stop()
    assert cluster("GET", NUMBER) == b"%d" % PARTITIONS
    other = make_writer(wait=False, partitions=8, workers=1)
    other.program.expects(r".*partitions.*")
    other.start()
    wait_for(lambda: other.program.has_logged(r"partitions"), "it is said")
    for _ in range(3):
        assert other.post(payload()).status == 503
    assert other.get("/readyz").status == 503
    lines = [line for line in other.program.log_text().splitlines() if re.search(r"level=error .*partitions", line)]
    assert len(lines) == 1 and "16" in lines[0] and "8" in lines[0] and NUMBER in lines[0], other.program.log_text()
    assert cluster("GET", NUMBER) == b"%d" % PARTITIONS
    assert [cluster("EXISTS", stream) for stream in partition_names(8)] == [0] * 8


@pytest.mark.parametrize("ack", ["local", "replicas:1"])
def test_the_number_is_on_a_node_of_its_own(make_writer, cluster, ack):
    """Which owns no partition."""
    streams, slot = partition_names(2), slot_of(NUMBER)
    owner = cluster.owner_of(NUMBER)
    other = next(m for m in cluster.masters() if m not in [cluster.owner_of(s) for s in streams])
    if other is not owner:
        cluster.move_slot(slot, other)
    try:
        stack = make_writer(partitions=2, redis_ack=ack, wait=False).start()
        wait_for(lambda: is_ready(stack), "all partitions are written to", 10)
        assert cluster("GET", NUMBER) == b"2"
    finally:
        if other is not owner:
            cluster.move_slot(slot, owner)


# What it tells

def partition_lines(stack):
    """Of /readyz?verbose: a dict of the rest of the line by the partition's number."""
    text = stack.get("/readyz?verbose").body.decode()
    return {int(n): rest for n, rest in re.findall(r"^partition (\d+): (.*)$", text, re.M)}


def test_verbose_readiness(make_writer, cluster):
    stack = make_writer()
    assert partition_lines(stack) == {
        n: "slot %d, 127.0.0.1:%d, ok" % (slot_of(s), cluster.owner_of(s).public_port) for n, s in enumerate(STREAMS)}


def test_verbose_readiness_tells_of_replicas(make_writer, cluster):
    stack = make_writer(redis_ack="replicas:1")
    assert stack.post(payload()).status == 200
    assert all(line.endswith(", ok, 1 replicas acknowledge") for line in partition_lines(stack).values()), partition_lines(stack)


def test_a_lost_node_takes_only_its_partitions(make_writer, cluster):
    """Nobody takes over.  The others are written to, and the program is ready, until all are lost."""
    stack = make_writer(workers=1)
    owner = cluster.owner_of(STREAMS[0])
    lost = {n for n, s in enumerate(STREAMS) if cluster.owner_of(s) is owner}
    names = ids_of_all_partitions()
    for node in cluster.nodes:
        node("CONFIG", "SET", "cluster-replica-no-failover", "yes")
    owner.stop(signal.SIGKILL)
    try:
        wait_for(lambda: stack.metric("tickstream_redis_partitions_ready") == PARTITIONS - len(lost), "it is noticed")
        assert stack.metric("tickstream_redis_partitions") == PARTITIONS
        for n, name in enumerate(names):
            assert stack.post(payload(status(name))).status == (503 if n in lost else 200)
        assert stack.post(payload(*(status(name) for name in names))).status == 503
        assert stack.get("/readyz").status == 200
        lines = partition_lines(stack)
        assert {n for n, line in lines.items() if "not ready: " in line} == lost, lines
        assert {n for n, line in lines.items() if line.endswith(", ok")} == set(range(PARTITIONS)) - lost, lines
    finally:
        owner.start()
        for node in cluster.nodes:
            node("CONFIG", "SET", "cluster-replica-no-failover", "no")
    wait_for(lambda: is_ready(stack), "all partitions are written to")
    wait_for(lambda: stack.post(payload(*(status(name) for name in names))).status == 200, "the body for all is taken")
    assert [ids_in(cluster, stream) for stream in STREAMS] == [[name] for name in names]


def test_metrics(make_writer, cluster):
    stack = make_writer(redis_ack="replicas:1", workers=1)
    assert stack.post(payload(*(status(name) for name in ids_of_all_partitions()))).status == 200
    owners = {cluster.owner_of(s) for s in STREAMS}
    assert stack.metric("tickstream_redis_partitions") == PARTITIONS
    assert stack.metric("tickstream_redis_nodes_connected") == len(owners)
    assert stack.metric('tickstream_redis_topology_refreshes_total{result="ok"}') >= 1
    assert stack.metric("tickstream_redis_barrier_seconds_count") >= 1
    assert stack.metric("tickstream_redis_barriers_short_total") == 0
    before = stack.metric("tickstream_redis_master_changes_total")
    [replica] = cluster.replicas_of(cluster.owner_of(STREAMS[0]))
    cluster.failover(replica)
    wait_for(lambda: stack.post(payload(status(ids_of_all_partitions()[0]))).status == 200, "it is taken")
    wait_for(lambda: stack.metric("tickstream_redis_master_changes_total") > before, "it is counted")


# Reading

@pytest.mark.release_only
def test_the_reader_of_the_readme(make_writer, cluster):
    """It reads and acknowledges what is in all partitions."""
    blocks = re.findall(r"```python\n(.*?)```", (TOP / "README.md").read_text(), re.S)
    [source] = [block for block in blocks if "RedisCluster" in block]
    stack = make_writer()
    names = ids_of_all_partitions()
    assert stack.post(payload(*(status(name) for name in names))).document() == result(accepted=PARTITIONS)
    port = cluster.masters()[0].port
    with subprocess.Popen(["/usr/bin/python3", "-c", source, str(port)], stdout=subprocess.PIPE, text=True) as reader:
        try:
            printed = [reader.stdout.readline().split() for _ in names]
            assert sorted(printed) == sorted([stream, name, "delivered"] for stream, name in zip(STREAMS, names))
            wait_for(lambda: all(cluster("XPENDING", stream, "billing")[0] == 0 for stream in STREAMS), "all is acknowledged")
        finally:
            reader.kill()
