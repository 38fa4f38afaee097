"""A real Redis Cluster: three masters, a replica of each, and what an operator or an accident does to it.

Nodes are asked on their unix sockets, so all of it works with TLS, too.
"""
import re
import signal

from ports import Port
from stack import RedisServer, is_stopped, run_cases, wait_for

SLOTS = 16384
NODE_TIMEOUT = 500      # milliseconds: how long a node may be silent before others take over
MIGRATE_AT_ONCE = 100   # keys
MIGRATE_TIMEOUT = 60000


def crc16(data):
    """CRC-16/XMODEM."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xffff
    return crc


def slot_of(key):
    """Of what is between the first braces when that is something, else of the whole key."""
    key = key if isinstance(key, bytes) else key.encode()
    tag = re.search(rb"\{([^}]*)\}", key)
    return crc16(tag[1] if tag and tag[1] else key) % SLOTS


def first_slot(n, count):
    """Where the share of the nth of count masters begins."""
    return SLOTS * n // count


class Node(RedisServer):
    """One server of a cluster; it has the same ports, and its data, when it is started again."""

    def __init__(self, folder, name, tls=(), timeout=NODE_TIMEOUT):
        own = folder / name
        own.mkdir()
        super().__init__(own, aof=True)
        self.name, self.reserved, self.bus = name, Port(), Port()
        self.public_port = self.reserved.number     # where clients and other nodes connect
        self.port = 0 if tls else self.public_port
        self.options += ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-port", self.bus,
                         "--cluster-node-timeout", timeout, "--cluster-require-full-coverage", "no",
                         "--repl-diskless-sync-delay", 0, "--repl-ping-replica-period", 1,
                         "--cluster-announce-ip", "127.0.0.1"]
        if tls:
            self.options += ["--tls-port", self.public_port, *tls]
        self.id = None

    def __repr__(self):
        return "%s:%d" % (self.name, self.public_port)

    def start(self):
        super().start()
        self.id = self("CLUSTER", "MYID").decode()

    def is_there(self):
        """Does it answer?"""
        return self.is_running() and not is_stopped(self.pid)

    def nodes(self):
        """What it knows: a dict of the words of CLUSTER NODES by the node's id."""
        return {line.split()[0]: line.split() for line in self("CLUSTER", "NODES").decode().splitlines()}

    def myself(self):
        return next(words for words in self.nodes().values() if "myself" in words[2])

    def is_master(self):
        return "master" in self.myself()[2]

    def info(self, section):
        return dict(re.findall(r"(\S+):(.*)\r", self("INFO", section).decode()))

    def replicas_online(self):
        return sum("state=online" in value for key, value in self.info("replication").items() if key.startswith("slave"))

    def owns(self, slot):
        """Does it say so itself?  Then with which epoch, else None."""
        words = self.myself()
        ranges = [w.split("-") for w in words[8:] if not w.startswith("[")]
        if "master" in words[2] and any(int(r[0]) <= slot <= int(r[-1]) for r in ranges):
            return int(words[6])
        return None

    def kill_clients(self):
        """Returns how many there were."""
        return self("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def close(self):
        """For good."""
        self.stop(signal.SIGKILL)
        self.reserved.close()
        self.bus.close()


class Cluster:
    """Called with a command and a key, the key's owner answers as run_cases.Redis does."""

    def __init__(self, folder, masters=3, replicas=1, scheme="redis+cluster", host="127.0.0.1", tls=(), timeout=NODE_TIMEOUT):
        folder.mkdir(exist_ok=True)
        self.scheme, self.host, self.master_count = scheme, host, masters
        self.nodes = [Node(folder, "node%d" % n, tls, timeout) for n in range(masters * (1 + replicas))]

    def start(self):
        for node in self.nodes:
            node.start()
        masters, replicas = self.nodes[:self.master_count], self.nodes[self.master_count:]
        for n, master in enumerate(masters):
            master("CLUSTER", "SET-CONFIG-EPOCH", n + 1)
            master("CLUSTER", "ADDSLOTSRANGE", first_slot(n, len(masters)), first_slot(n + 1, len(masters)) - 1)
        for node in self.nodes[1:]:
            node("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].public_port, self.nodes[0].bus)
        for n, replica in enumerate(replicas):
            master = masters[n % len(masters)]
            wait_for(lambda: master.id in replica.nodes(), "a replica knows its master")
            replica("CLUSTER", "REPLICATE", master.id)
        self.wait_until_whole()
        return self

    def url(self, *nodes):
        """With these as seeds; with all when none is named."""
        return "%s://%s" % (self.scheme, ",".join("%s:%d" % (self.host, n.public_port) for n in nodes or self.nodes))

    # What it is like

    def is_whole(self):
        """Does every node say that all is well, and has every master its replicas?"""
        try:
            return all(node.is_there() and self._is_content(node) for node in self.nodes)
        except (OSError, run_cases.RedisError):
            return False

    def _is_content(self, node):
        info = dict(line.split(":") for line in node("CLUSTER", "INFO").decode().split())
        known = node.nodes()
        healthy = all(words[2].replace("myself,", "") in ("master", "slave") and words[7] == "connected" for words in known.values())
        wanted = len(self.nodes) // self.master_count - 1
        return (info["cluster_state"] == "ok" and info["cluster_slots_ok"] == str(SLOTS) and healthy
                and len(known) == len(self.nodes) and sum("master" in words[2] for words in known.values()) == self.master_count
                and (not node.is_master() or node.replicas_online() >= wanted)
                and (node.is_master() or node.info("replication")["master_link_status"] == "up"))

    def wait_until_whole(self):
        wait_for(self.is_whole, "the cluster is whole")

    def masters(self):
        return [n for n in self.nodes if n.is_there() and n.is_master()]

    def owner_of_slot(self, slot):
        """Who says that it is, latest; None: nobody does."""
        claims = {node: node.owns(slot) for node in self.nodes if node.is_there()}
        claims = {node: epoch for node, epoch in claims.items() if epoch is not None}
        return max(claims, key=claims.get) if claims else None

    def owner_of(self, key):
        return self.owner_of_slot(slot_of(key))

    def replicas_of(self, master):
        return [n for n in self.nodes if n.is_there() and n.myself()[3] == master.id]

    def __call__(self, command, key, *arguments):
        owner = self.owner_of(key)
        assert owner, "nobody owns %s" % key
        return owner(command, key, *arguments)

    # What happens to it

    def flush(self):
        for node in self.masters():
            node("FLUSHALL")

    def kill(self, node):
        """The process, at once; returns when somebody else owns its slots, which are all of those that it owned."""
        slot = next((int(w.split("-")[0]) for w in node.myself()[8:] if not w.startswith("[")), None)
        node.stop(signal.SIGKILL)
        if slot is not None:
            wait_for(lambda: self.owner_of_slot(slot) not in (None, node), "another one takes over")

    def failover(self, replica, how=()):
        """By hand: the replica and its master change roles."""
        replica("CLUSTER", "FAILOVER", *how)
        wait_for(replica.is_master, "the replica becomes master")

    def begin_move(self, slot, to):
        """Returns who has had it."""
        source = self.owner_of_slot(slot)
        to("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source("CLUSTER", "SETSLOT", slot, "MIGRATING", to.id)
        return source

    @staticmethod
    def migrate(source, to, *keys):
        return source("MIGRATE", "127.0.0.1", to.public_port, "", 0, MIGRATE_TIMEOUT, "KEYS", *keys)

    def end_move(self, slot, source, to):
        """All keys that are left, and the slot itself."""
        moved = 0
        while keys := source("CLUSTER", "GETKEYSINSLOT", slot, MIGRATE_AT_ONCE):
            for key in keys:
                self.migrate(source, to, key)
                moved += 1
        for node in to, source, *(n for n in self.masters() if n not in (to, source)):
            node("CLUSTER", "SETSLOT", slot, "NODE", to.id)
        return moved

    def move_slot(self, slot, to):
        """Returns the number of keys that have moved."""
        return self.end_move(slot, self.begin_move(slot, to), to)

    def stop(self):
        for node in self.nodes:
            node.close()
