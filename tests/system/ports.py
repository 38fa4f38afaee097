"""Ports that nobody else takes, even while the server that has one is dead."""
import socket


class Port:
    """A free port of 127.0.0.1, ours until close().

    It is held by a socket that does not listen.  Servers, which set SO_REUSEADDR, can listen on it all the same; those
    who look for a free port, or connect to somewhere, are not given it.
    """

    def __init__(self):
        self.holder = socket.socket()
        self.holder.bind(("127.0.0.1", 0))
        self.holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)   # now: until here nobody else may have it
        self.number = self.holder.getsockname()[1]

    def __str__(self):
        return str(self.number)

    def close(self):
        self.holder.close()
