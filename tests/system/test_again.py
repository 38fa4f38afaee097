"""A POST that the last worker tried has not seen gets a second pass, one that a worker may have seen does not.

nginx ends a pass early when the workers' addresses change meanwhile (nginx/compose/upstream.conf).  Here it ends with
the first failure because nothing may be passed on, and there are two addresses: the next pass has the other one."""
import re
import socket
import threading

from bodies import payload, result, status

POSTS = 6


def begin(make_stack, other):
    """The stack behind an upstream of two servers, of which one is a socket of the test."""
    stack = make_stack(start=False, workers=1)
    nginx = stack.nginx
    nginx.edit("nginx.conf", "worker_processes auto;", "worker_processes 1;")
    nginx.edit("tickstream-repeat.conf", "error timeout non_idempotent;", "off;")
    nginx.edit("upstream.conf", "keepalive 64;", "server \"unix:%s\" max_fails=0;\n    keepalive 64;" % other)
    return stack.start()


def passes(stack):
    """What the passes of each POST came to, as the access log has it."""
    log = stack.nginx.folder / "tickstream.log"
    stack.nginx.stop()      # it is written with delay
    return re.findall(r'method=POST .* status=(\d+) upstream_status="(.*?)"', log.read_text())


def test_not_reached(make_stack, folder):
    """Each other pass begins with an address where nobody listens; no sender sees anything of it."""
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(folder / "gone.sock"))
        stack = begin(make_stack, folder / "gone.sock")
        with stack.client() as client:
            answers = [client.post(payload(status("again-%d" % n))) for n in range(POSTS)]
        assert [(a.status, a.document()) for a in answers] == [(200, result(accepted=1))] * POSTS
        assert ("200", "502 : 200") in passes(stack)


def break_all(listener, requests):
    """Reads of each request what comes at once, and breaks the connection."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            requests.append(connection.recv(65536))


def test_perhaps_seen(make_stack, folder):
    """A worker that has read of the request and breaks the connection: 503, and nobody else gets the request."""
    requests = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "breaks.sock"))
        listener.listen()
        threading.Thread(target=break_all, args=(listener, requests), daemon=True).start()
        stack = begin(make_stack, folder / "breaks.sock")
        with stack.client() as client:
            answers = [client.post(payload(status("seen-%d" % n))).status for n in range(POSTS)]
        posts = [r for r in requests if b"POST" in r]
        assert posts and sorted(answers) == [200] * (POSTS - len(posts)) + [503] * len(posts)
        assert len(stack.entries()) == POSTS - len(posts)
        assert set(passes(stack)) == {("200", "200"), ("503", "502")}
        listener.shutdown(socket.SHUT_RDWR)


def test_nobody_is_there(make_stack):
    """Two passes, one answer: the problem document and when to come back."""
    stack = make_stack(workers=1)
    stack.program.stop()
    answer = stack.post(payload(status("nobody")))
    assert (answer.status, answer.header("Retry-After"), answer.header("Content-Type")) == (
        503, "1", "application/problem+json")
    assert passes(stack) == [("503", "502 : 502")]
