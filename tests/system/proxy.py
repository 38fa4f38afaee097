"""Unix sockets that lead to another one: one where each connection begins late, one where answers can be held."""
import contextlib
import socket
import threading
import time


class SlowProxy:
    """Redis far away: whoever connects hears nothing for `delay` seconds; from then on bytes pass at once."""

    def __init__(self, path, target, delay):
        self.target, self.delay = str(target), delay
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(64)
        self.url = "unix://%s" % path
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):      # when it is closed
            while True:
                near, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near):
        time.sleep(self.delay)
        far = socket.socket(socket.AF_UNIX)
        with near, far, contextlib.suppress(OSError):
            far.connect(self.target)
            back = threading.Thread(target=pump, args=(far, near), daemon=True)
            back.start()
            pump(near, far)
            back.join()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def pump(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


class HoldingProxy(SlowProxy):
    """Redis whose replies wait: what it is asked passes at once, what it replies only when it may."""

    def __init__(self, path, target):
        self.may = threading.Condition()
        self.allowed = None             # bytes of replies that may still pass; None = all
        self.waiting = 0                # bytes that wait
        super().__init__(path, target, 0)

    def hold(self):
        with self.may:
            self.allowed = 0

    def let(self, allowed):
        """So many bytes pass, or all from now on."""
        with self.may:
            self.allowed = allowed
            self.may.notify_all()

    def _serve(self, near):
        far = socket.socket(socket.AF_UNIX)
        far.connect(self.target)
        threading.Thread(target=pump, args=(near, far), daemon=True).start()
        self._reply(far, near)

    def _reply(self, far, near):
        with near, far, contextlib.suppress(OSError):
            while data := far.recv(1 << 16):
                while data:
                    data = data[self._pass(near, data):]

    def _pass(self, near, data):
        """Sends as much as may pass, and returns how much that was; waits until it is something."""
        with self.may:
            self.waiting = len(data)
            self.may.wait_for(lambda: self.allowed != 0)
            count = len(data) if self.allowed is None else min(self.allowed, len(data))
            self.allowed = self.allowed and self.allowed - count
            self.waiting -= count
            near.sendall(data[:count])
            return count
