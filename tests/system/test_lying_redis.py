"""A server that speaks Redis' protocol but says what makes no sense: never a 200, never a dead worker.

All that it may say is in tests/unit/redis: test_publish.c, test_greeting.c, test_sink_redis.c.
"""
import socket
import threading

import pytest

from bodies import payload, result, status
from stack import wait_for

GREETING = {b"CLIENT": b"+OK\r\n", b"ROLE": b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n", b"MULTI": b"+OK\r\n",
            b"EXEC": b"*0\r\n", b"GET": b"$-1\r\n", b"TYPE": b"+none\r\n",
            b"TIME": b"*2\r\n$1\r\n1\r\n$1\r\n1\r\n", b"SMISMEMBER": b"*1\r\n:0\r\n", b"SADD": b":1\r\n",
            b"UNLINK": b":1\r\n",
            b"INFO": b"$42\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n", b"SCRIPT": b"$40\r\n" + b"a" * 40 + b"\r\n", b"SET": b"+OK\r\n"}
TRIAL = {b"0-0": b"-ERR The ID specified in XADD must be greater than 0-0\r\n", b"return cmsgpack": b":0\r\n", b"local found": b"$-1\r\n", b"local READ_MOST": b"*1\r\n:0\r\n",
         b"0" * 40: b"-NOSCRIPT No matching script.\r\n"}     # by the argument that only a trial has
STATUSES = 1000  # each with an extra of its own: a command of 1,000 words and more, and 350 KB
ID = b"$3\r\n1-0\r\n"
ALL_ADDED = b":0\r\n"


class LyingRedis:
    """Greets and is tried as it should, and answers EVALSHA and XADD with what it was told to, or hangs up when it was told None."""

    def __init__(self, listener):
        self.answer = b""
        self.listener = listener
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client, client.makefile("rb") as file:
            while line := file.readline():
                if self.answer is None and int(line[1:]) > STATUSES:
                    return
                words = [file.read(int(file.readline()[1:]) + 2)[:-2] for _ in range(int(line[1:]))]
                client.sendall(self.reply(words))

    def reply(self, words):
        trial = next((a for word, a in TRIAL.items() if any(w.startswith(word) for w in words[1:3])), None)
        return trial or GREETING.get(words[0], self.answer)


def at(path):
    """A socket that listens there."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(16)
    return listener


LIES = [
    # what, with dedupe, without
    ("nil", b"$-1\r\n", b"$-1\r\n"),
    ("more than there were", b"*2\r\n:0\r\n:100000000\r\n", b"*2\r\n" + 2 * ID),
    ("no protocol", b"hello\r\n", b"hello\r\n"),
    ("one answer too many", b":7\r\n" + ALL_ADDED, b":7\r\n" + ID),
]


@pytest.mark.parametrize("window, lie, truth", [pytest.param(window, lies[column], truth, id="%s, %s" % (lies[0], window))
                                                for column, window, truth in ((1, "24h", ALL_ADDED), (2, "0", ID))
                                                for lies in LIES])
def test_a_lie_is_never_a_200(make_stack, window, lie, truth):
    stack = make_stack(start=False, redis=False, workers=1, dedupe_window=window)
    redis = LyingRedis(at(stack.redis.path))
    stack.program.expects(r"redis: .*", r"webhook: answered 503: .*")
    stack.start()
    workers = stack.program.workers()
    redis.answer = lie
    assert stack.post(payload()).status == 503
    redis.answer = truth
    wait_for(lambda: stack.post(payload()).status == 200, "a new connection, and the truth")
    assert stack.post(payload()).document() == result(accepted=1)
    assert stack.program.workers() == workers


def test_hanging_up_on_a_big_body(make_stack):
    """The connection breaks while a body is written in pieces, before the request is quite handed over."""
    stack = make_stack(start=False, redis=False, workers=1, dedupe_window="24h")
    redis = LyingRedis(at(stack.redis.path))
    stack.program.expects(r"redis: .*", r"webhook: answered 503: .*")
    stack.start()
    workers = stack.program.workers()
    body = payload(*(status(extra="%d" % n * 100) for n in range(STATUSES)))
    redis.answer = None
    for _ in range(10):
        assert stack.post(body).status == 503
        wait_for(lambda: stack.get("/readyz").status == 200, "a new connection")
    redis.answer = ALL_ADDED
    assert stack.post(body).document() == result(accepted=STATUSES)
    assert stack.program.workers() == workers
