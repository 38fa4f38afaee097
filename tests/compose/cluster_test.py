"""The profile "cluster" of the compose stack: a master is killed, another is made anew and handlers are scaled under
load; compares what was acknowledged with all partitions.  compose_test.py runs it.
"""
import collections, os, re, time, zlib

from stack import blocks, check, run, wait
from traffic import Traffic, compare, connect, stored

STREAM = "whatsapp:statuses"
PARTITIONS = 16
PORT = 8081


def partitions(text):
    """Of /readyz?verbose: partition -> (service that has it, does it take writes)."""
    told = re.findall(r"^partition (\d+): slot \d+, ([\w-]+):6379, (ok|not ready)", text, re.M)
    return {int(p): (service, state == "ok") for p, service, state in told}


def now():
    return partitions(run("curl", "-sS", "http://127.0.0.1:%d/readyz?verbose" % PORT))


def all_ready():
    found = now()
    return len(found) == PARTITIONS and all(ok for _, ok in found.values())


def cluster(stack, *args):
    return stack("--profile", "cluster", *args)


def nodes(stack):
    """What a node knows of all: name -> (its parts, slots)."""
    lines = run("docker", "exec", *stack.containers("cluster-redis-6"), "redis-cli", "cluster", "nodes").splitlines()
    words = [line.split() for line in lines]
    return {w[1].split(",")[1]: (w[2].replace("myself,", ""), *w[8:]) for w in words}


def bring_up(stack):
    """As pasted from the README, all but its last line; again, nothing changes."""
    began = time.monotonic()
    lines = blocks("With containers")[4].splitlines()
    told = partitions(stack.paste("\n".join(lines[:2])))
    print("profile cluster, from nothing to ready, as pasted from the README: %.1f s" % (time.monotonic() - began))
    check("partitions: %s" % told, set(told) == set(range(PARTITIONS)))
    wait("all partitions are ready", all_ready, 30)
    shown = stack.paste(lines[2])
    check("tickstream partitions: %s" % shown, all(STREAM + ":%d" % p in shown for p in range(PARTITIONS)))
    before, began = nodes(stack), time.monotonic()
    check("nodes: %s" % before, sorted(parts[0] for parts in before.values()) == ["master"] * 3 + ["slave"] * 3)
    cluster(stack, "up", "-d", "cluster-nginx")
    print("up, the second time: %.1f s" % (time.monotonic() - began))
    check("nodes after the second up: %s" % nodes(stack), nodes(stack) == before)


def disturb(stack, traffic):
    def scale(count):
        # The last line of the README.
        stack.paste(blocks("With containers")[4].splitlines()[3].replace("=2", "=%d" % count))
        wait("all %d workers get requests" % count, lambda: stack.settled(count, "cluster-handler"), 60)

    with traffic.during("steady"):
        pass
    with traffic.during("a master is killed"):
        victim, began = now()[0][0], time.monotonic()
        cluster(stack, "kill", victim)
        wait("its replica takes over", lambda: now()[0][0] != victim, 30)
        print("%s is killed, another has its partitions after %.1f s" % (victim, time.monotonic() - began))
        cluster(stack, "up", "-d", "cluster-nginx")
        wait("all partitions are ready", all_ready, 60)
    with traffic.during("a master is made anew"):
        victim = next(service for service, _ in now().values() if service != now()[0][0])
        before = stack.containers(victim)
        cluster(stack, "up", "-d", "--no-deps", "--force-recreate", victim)
        check("%s is the same container" % victim, stack.containers(victim) != before)
        wait("all partitions are ready", all_ready, 60)
    with traffic.during("scale 4 to 2"):
        scale(2)
    with traffic.during("scale 2 to 4"):
        scale(4)


def read(stack, prefix):
    """How often each id is in the partitions, each of which is read where it is."""
    found = collections.Counter()
    for p, (service, _) in now().items():
        here = stored(connect(stack, service, "cluster-redis"), "%s:%d" % (STREAM, p), prefix)
        misplaced = [i for i in here if zlib.crc32(i.encode()) % PARTITIONS != p]
        check("in partition %d, but of another: %s" % (p, misplaced[:5]), not misplaced)
        check("nothing in partition %d" % p, here)
        found.update(here)
    return found


def test(stack):
    os.environ["REDIS_ACK"] = "replicas:1"    # so that a master that is killed may take nothing with it
    bring_up(stack)
    exits = stack.watch_exits("cluster-handler")
    traffic = Traffic(PORT)
    traffic.start()
    try:
        disturb(stack, traffic)
    finally:
        traffic.stop()
        exits.terminate()
    wait("all partitions are ready", all_ready, 30)
    compare(traffic, read(stack, traffic.prefix))
    codes = exits.communicate()[0].split()
    check("exit codes of the two workers that were scaled down: %s" % codes, codes == ["0", "0"])
