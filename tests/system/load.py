"""Clients that post without a pause, each one unique status after the other, until they are told to stop."""
import collections
import http.client
import threading

from bodies import new_id, payload, status
from stack import Client


class Load:
    def __init__(self, port, clients=8, **how):
        self.port, self.how = port, how
        self.answers = collections.Counter()    # by status; "lost" = the connection ended without an answer
        self.accepted = []                      # ids answered 200
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def _run(self):
        client = Client(self.port)
        while not self._done.is_set():
            name = new_id()
            try:
                answer = client.post(payload(status(name)), **self.how)
            except (OSError, http.client.HTTPException):
                self.answers["lost"] += 1
                client.close()
                continue
            self.answers[answer.status] += 1
            if answer.status == 200:
                self.accepted.append(name)
        client.close()

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        for thread in self._threads:
            thread.join()
