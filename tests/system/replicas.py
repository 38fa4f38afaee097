"""A master and its replicas without a cluster: by hand, perhaps over links that are slow, or under sentinels."""
import signal

from lag import make_link
from ports import Port
from stack import REDIS_SERVER, RedisServer, Server, run_cases, wait_for

MASTER = "mymaster"     # what the sentinels call it
DOWN_AFTER = 500        # milliseconds: how long it may be silent


class Member(RedisServer):
    """A server that is a master or a replica.  It is started as what it was first, whatever it has become since."""

    def __init__(self, folder, name, master_port=None, tls=()):
        own = folder / name
        own.mkdir()
        super().__init__(own, aof=True)
        self.name, self.reserved = name, Port()
        self.public_port = self.reserved.number
        self.port = 0 if tls else self.public_port
        if tls:
            self.options += ["--tls-port", self.public_port, *(word for name, value in tls for word in ("--" + name, value))]
        self.options += ["--repl-diskless-sync-delay", 0, "--repl-ping-replica-period", 1]
        if master_port:
            self.options += ["--replicaof", "127.0.0.1 %d" % master_port]

    def __repr__(self):
        return "%s:%d" % (self.name, self.public_port)

    def __call__(self, *command):
        """Again when the connection has gone: sentinels end all of them when they change a role."""
        try:
            return super().__call__(*command)
        except (OSError, run_cases.RedisError) as e:
            if isinstance(e, run_cases.RedisError) and str(e) != "connection closed":
                raise
            self.client = None
            return super().__call__(*command)

    def role(self):
        return self("ROLE")[0].decode()

    def is_master_of(self, count):
        """With so many replicas that are online?"""
        role = self("ROLE")
        return role[0] == b"master" and len(role[2]) == count and self("INFO", "replication").count(b"state=online") == count

    def promote(self):
        self("REPLICAOF", "NO", "ONE")

    def url(self):
        return "redis://127.0.0.1:%d" % self.public_port

    def close(self):
        self.stop(signal.SIGKILL)
        self.reserved.close()


class Group:
    """A master and its replicas."""

    def __init__(self, folder, replicas=1, delay=None, tls=()):
        """delay: seconds on the way to each replica, over a link that can be broken; None: there is no link.
        tls: options with their values."""
        folder.mkdir(exist_ok=True)
        self.folder, self.delay, self.links, self.tls = folder, delay, [], tls
        self.master = Member(folder, "master", tls=tls)
        self.count, self.replicas = replicas, []

    def start(self):
        self.master.start()
        for n in range(self.count):
            port = self.master.public_port
            if self.delay is not None:
                self.links.append(make_link(self.folder, port, self.delay))
                port = self.links[-1].port
            self.replicas.append(Member(self.folder, "replica%d" % n, port, self.tls))
            self.replicas[-1].start()
        wait_for(lambda: self.master.is_master_of(self.count), "the replicas are online")
        return self

    def members(self):
        return [self.master, *self.replicas]

    def lose_master(self):
        """Its machine is lost, with what its replicas have not read."""
        for link in self.links:
            link.stop(signal.SIGKILL)
        self.master.stop(signal.SIGKILL)

    def stop(self):
        for link in self.links:
            link.stop(signal.SIGKILL)
        for member in self.members():
            member.close()


class Sentinel(Server):
    """One sentinel; it keeps what it knows in its own configuration file."""

    def __init__(self, folder, name, master_port, quorum, tls=()):
        own = folder / name
        own.mkdir()
        super().__init__(own / "sentinel.log")
        self.reserved, self.config, self.socket = Port(), own / "sentinel.conf", own / "sentinel.sock"
        self.port = self.reserved.number
        ports = ("port 0", "tls-port %d" % self.port) if tls else ("port %d" % self.port,)
        self.config.write_text("".join(line + "\n" for line in (
            *ports, *("%s %s" % option for option in tls), "bind 127.0.0.1", "unixsocket %s" % self.socket, "dir %s" % own,
            "sentinel monitor %s 127.0.0.1 %d %d" % (MASTER, master_port, quorum),
            "sentinel down-after-milliseconds %s %d" % (MASTER, DOWN_AFTER),
            "sentinel failover-timeout %s 10000" % MASTER,
            "sentinel parallel-syncs %s 2" % MASTER)))
        self.client = None

    def start(self):
        self.spawn([*REDIS_SERVER, self.config, "--sentinel"])

    def __call__(self, *command):
        self.client = self.client or run_cases.Redis("unix://%s" % self.socket)
        return self.client(*command)

    def state(self):
        """What it says about the master, a dict; None: it does not answer."""
        try:
            words = [w.decode() for w in self("SENTINEL", "MASTER", MASTER)]
        except (OSError, run_cases.RedisError):
            self.client = None
            return None
        return dict(zip(words[::2], words[1::2]))

    def close(self):
        self.stop(signal.SIGKILL)
        self.reserved.close()


class Sentinels:
    """A master, two replicas and three sentinels."""

    def __init__(self, folder, replicas=2, sentinels=3, tls=()):
        self.folder, self.count, self.tls = folder, sentinels, tls
        self.group = Group(folder, replicas, tls=tls)
        self.sentinels = []

    def start(self):
        """The replicas first: of those that are not online yet the sentinels would learn only later."""
        self.group.start()
        self.sentinels = [Sentinel(self.folder, "sentinel%d" % n, self.group.master.public_port, self.count // 2 + 1, self.tls)
                          for n in range(self.count)]
        for sentinel in self.sentinels:
            sentinel.start()
        wait_for(self.is_watched, "the sentinels know all")
        return self

    def is_watched(self):
        states = [sentinel.state() for sentinel in self.sentinels]
        return all(s and s["flags"] == "master" and int(s["num-slaves"]) == self.group.count
                   and int(s["num-other-sentinels"]) == self.count - 1 for s in states)

    def url(self):
        return "%s://%s/%s" % ("rediss+sentinel" if self.tls else "redis+sentinel", ",".join("127.0.0.1:%d" % s.port for s in self.sentinels), MASTER)

    def master(self):
        """The member that most sentinels name, when it says so itself; else None."""
        ports = [int(s["port"]) for s in (sentinel.state() for sentinel in self.sentinels) if s]
        named = max(set(ports), key=ports.count)
        member = next(m for m in self.group.members() if m.public_port == named)
        return member if ports.count(named) > self.count // 2 and member.is_running() and member.role() == "master" else None

    def kill_master(self):
        """Returns who was it, when another one is."""
        old = self.master()
        old.stop(signal.SIGKILL)
        wait_for(lambda: self.master() not in (None, old), "another one is master")
        return old

    def bring_back(self, member):
        """As a master, as which it was started first; returns when it has been made a replica."""
        member.start()
        was = member.role()
        wait_for(lambda: member.role() == "slave", "it is made a replica")
        wait_for(lambda: self.master().is_master_of(self.group.count), "all are online")
        return was

    def failover(self):
        """By hand; returns the old master when it has become a replica."""
        old = self.master()
        self.sentinels[0]("SENTINEL", "FAILOVER", MASTER)
        wait_for(lambda: old.role() == "slave", "the old master is a replica")
        wait_for(lambda: (self.master() or old).is_master_of(self.group.count), "all are online")
        return old

    def stop(self):
        for sentinel in self.sentinels:
            sentinel.close()
        self.group.stop()
