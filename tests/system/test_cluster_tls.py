"""A cluster whose nodes are known by name, with a certificate for that name only: each node is verified."""
import pytest

from bodies import payload, result, status
from cluster import Cluster, slot_of
from cluster_chaos import EXPECTED, is_ready
from partitions import PARTITIONS, STREAMS, ids_in, ids_of_all_partitions
from stack import wait_for
from test_tls import Authority

pytestmark = pytest.mark.cluster


@pytest.fixture
def authority(folder):
    return Authority(folder / "ca")


@pytest.fixture
def make_cluster(folder, authority):
    """make_cluster(name of the nodes, names of their certificate): it is started."""
    clusters = []

    def make(name, alternatives):
        cert, key = authority.issue("nodes", *alternatives)
        tls = ["--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", authority.cert, "--tls-auth-clients", "no",
               "--tls-cluster", "yes", "--tls-replication", "yes", "--cluster-announce-hostname", name,
               "--cluster-preferred-endpoint-type", "hostname"]
        clusters.append(Cluster(folder / "redis", scheme="rediss+cluster", host=name, tls=tls))
        return clusters[-1].start()

    yield make
    for cluster in clusters:
        cluster.stop()


def writer(make_stack, cluster, authority, **options):
    stack = make_stack(start=False, redis=False, redis_url=cluster.url(), redis_tls_ca=authority.cert, dedupe_window="1h",
                       stream_partitions=PARTITIONS, **options)
    stack.program.expects(*EXPECTED)
    return stack.start()


def test_nodes_by_name(make_stack, make_cluster, authority):
    """Of the map the names are verified, also those that MOVED and ASK tell."""
    cluster = make_cluster("localhost", ["DNS:localhost"])
    stack = writer(make_stack, cluster, authority)
    wait_for(lambda: is_ready(stack), "all partitions are written to")
    names = ids_of_all_partitions()
    body = payload(*(status(name) for name in names))
    assert stack.post(body).document() == result(accepted=PARTITIONS)
    assert [ids_in(cluster, stream) for stream in STREAMS] == [[name] for name in names]
    owner = cluster.owner_of(STREAMS[0])
    other = next(m for m in cluster.masters() if m is not owner)
    cluster.move_slot(slot_of(STREAMS[0]), other)
    assert stack.post(body).document() == result(duplicates=PARTITIONS)
    cluster.kill(owner)
    wait_for(lambda: stack.post(body).document() == result(duplicates=PARTITIONS), "another one takes the dead node's")


def test_nodes_of_another_name(make_stack, make_cluster, authority):
    cluster = make_cluster("localhost", ["DNS:other.test"])
    stack = writer(make_stack, cluster, authority)
    wait_for(lambda: stack.program.has_logged(r"hostname mismatch"), "it is said")
    assert stack.post(payload()).status == 503
    assert stack.get("/readyz").status == 503
    assert [cluster("EXISTS", stream) for stream in STREAMS] == [0] * PARTITIONS
