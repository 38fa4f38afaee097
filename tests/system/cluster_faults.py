"""What happens to a cluster under load.  Each fault leaves the cluster whole and the program ready behind it, and
returns how much it did, in its own unit, which its first line names after the colon."""
import signal
import time

from cluster import slot_of
from stack import wait_for

STOPPED = 3             # seconds that a node stands still
HALF_MOVED = 1          # seconds that a slot is between two nodes


class Deck:
    """Faults of a cluster as cards.  streams: the partitions; is_ready(): does the program publish to all of them?"""

    def __init__(self, cluster, streams, is_ready):
        self.cluster, self.streams, self.is_ready = cluster, streams, is_ready

    def all(self):
        return [self.kill_an_owner, self.stop_an_owner, *self.harmless()]

    def harmless(self):
        """Those that leave every master its replica."""
        return [self.fail_over, self.move_a_slot, self.leave_a_slot_half_moved, self.kill_connections]

    # Cards

    def kill_an_owner(self, rand):
        "kill -9 of an owner, which comes back: partitions that changed hands"
        with self._changes() as changed:
            owner = self._some_owner(rand)
            self.cluster.kill(owner)
            owner.start()
        return changed.count

    def stop_an_owner(self, rand):
        "SIGSTOP of an owner for 3 s: partitions that changed hands"
        # When it goes on, it does what lies in its sockets and replies before it learns that another one owns its slots.
        # With REDIS_ACK=local that is lost where somebody still waits for it: who sent it less than REDIS_TIMEOUT ago.
        with self._changes() as changed:
            owner = self._some_owner(rand)
            owner.kill(signal.SIGSTOP)
            time.sleep(STOPPED)
            owner.kill(signal.SIGCONT)
        return changed.count

    def fail_over(self, rand):
        "CLUSTER FAILOVER: partitions that changed hands"
        with self._changes() as changed:
            self.cluster.failover(rand.choice(self.cluster.replicas_of(self._some_owner(rand))))
        return changed.count

    def move_a_slot(self, rand):
        "reshard, there and back: slots moved"
        slot, owner, other = self._some_move(rand)
        self.cluster.move_slot(slot, other)
        time.sleep(rand.uniform(0, 0.2))
        self.cluster.move_slot(slot, owner)
        self._mended()
        return 2

    def leave_a_slot_half_moved(self, rand):
        "a slot half moved for 1 s, then the rest: keys that stood on the other node"
        slot, _, other = self._some_move(rand)
        source = self.cluster.begin_move(slot, other)
        keys = sorted(source("CLUSTER", "GETKEYSINSLOT", slot, 100))
        some = rand.sample(keys, len(keys) // 2)
        self.cluster.migrate(source, other, *some)
        time.sleep(HALF_MOVED)
        self.cluster.end_move(slot, source, other)
        self._mended()
        return len(some)

    def kill_connections(self, rand):
        "CLIENT KILL at an owner: connections ended"
        count = self._some_owner(rand).kill_clients()
        self._mended()
        return count

    # What they share

    def _some_owner(self, rand):
        return self.cluster.owner_of(rand.choice(self.streams))

    def _some_move(self, rand):
        """A slot that is in use, its owner, and another master."""
        stream = rand.choice(self.streams)
        owner = self.cluster.owner_of(stream)
        return slot_of(stream), owner, rand.choice([m for m in self.cluster.masters() if m is not owner])

    def _changes(self):
        return _Changes(self)

    def _mended(self):
        self.cluster.wait_until_whole()
        wait_for(self.is_ready, "all partitions are written to")


class _Changes:
    """Counts the partitions that have another owner afterwards."""

    def __init__(self, deck):
        self.deck, self.count = deck, 0

    def owners(self):
        return [self.deck.cluster.owner_of(stream) for stream in self.deck.streams]

    def __enter__(self):
        self.before = self.owners()
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.deck._mended()
            self.count = sum(a is not b for a, b in zip(self.before, self.owners()))
