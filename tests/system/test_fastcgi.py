"""Peers on the FastCGI socket that do not behave as nginx does."""
import signal
import threading
import time

import pytest

import fcgi_client as fcgi
from bodies import payload, result
from fcgi_client import FastCgi
from stack import SLOWNESS, wait_for

CUT_WITHIN = 10 + 2 * SLOWNESS  # a peer that stalls inside a request: LIMIT_RECEIVE_MS, and a look now and then
CUT_OFF = r"fastcgi: a peer sends its request too slowly and is cut off"
BROKEN = r"fastcgi: a peer has broken the protocol and is cut off"


@pytest.fixture
def stack(make_stack):
    return make_stack(nginx=False)


@pytest.fixture
def connect(stack):
    """connect() opens a connection; all are closed at the end."""
    opened = []

    def connect():
        opened.append(FastCgi(stack.program.socket))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.mark.core
def test_connection_stays_usable_after_refusals(stack, connect):
    peer, body = connect(), payload()
    for want, other in ((401, {"HTTP_X_HUB_SIGNATURE_256": "sha256=0"}), (415, {"CONTENT_TYPE": "text/plain"}),
                        (404, {"DOCUMENT_URI": "/"}), (405, {"REQUEST_METHOD": "DELETE"})):
        assert peer.post(body, **other).status == want
    assert peer.post(body).document() == result(accepted=1)
    assert len(stack.entries()) == 1


def test_connection_is_closed_when_not_kept(connect):
    peer = connect()
    assert peer.post(payload(), keep=False).status == 200
    assert peer.is_cut()


def test_many_requests_on_one_connection(stack, connect):
    peer = connect()
    assert all(peer.post(payload()).status == 200 for _ in range(500))
    assert len(stack.entries()) == 500


def test_request_in_small_pieces(connect):
    peer, data = connect(), fcgi.post_request(payload())
    for i in range(0, len(data), 7):
        peer.send(data[i:i + 7])
    assert peer.receive().status == 200


def test_silent_connections_hold_nothing(stack, connect):
    silent = [connect() for _ in range(20)]
    assert connect().post(payload()).status == 200
    assert [s.post(payload()).status for s in silent] == [200] * 20


HALF_REQUESTS = {"half a header": b"\1\1\0", "begin alone": fcgi.begin(),
                 "half a parameter": fcgi.begin() + fcgi.record(fcgi.PARAMS, b"\x0e")[:12],
                 "half a body": fcgi.post_request(payload())[:-20]}


@pytest.mark.core
def test_stalled_requests_are_cut(stack, connect):
    """All kinds at once, since each takes its ten seconds; the workers go on meanwhile."""
    stack.program.expects(CUT_OFF)
    stalled, began = {connect(): sent for sent in HALF_REQUESTS.values()}, time.monotonic()
    for peer, sent in stalled.items():
        peer.send(sent)
    while time.monotonic() - began < 1:
        with FastCgi(stack.program.socket) as peer:
            assert peer.post(payload()).status == 200
    for peer in stalled:
        assert peer.receive() is None
    assert 9 < time.monotonic() - began < CUT_WITHIN
    assert connect().post(payload()).status == 200


def test_trickle_is_cut(stack, connect):
    """A byte now and then is no progress: the whole request has its deadline."""
    stack.program.expects(CUT_OFF)
    slow, data, began = connect(), fcgi.post_request(payload()), time.monotonic()
    slow.socket.settimeout(0.3)
    with pytest.raises(OSError):            # reset, or a broken pipe: not a timeout
        for byte in data:
            slow.send(bytes([byte]))
            try:
                assert slow.socket.recv(1) == b"", "answered"
                raise ConnectionResetError
            except TimeoutError:
                assert time.monotonic() - began < 2 * CUT_WITHIN, "not cut"
    assert stack.entries() == []


def test_answer_that_is_not_taken(stack, connect):
    """Requests whose answers nobody reads: the connection ends when the socket has been full for too long."""
    stack.program.expects(r"fastcgi: a peer takes its answer too slowly and is cut off")
    deaf = connect()
    metrics = fcgi.request({"REQUEST_METHOD": "GET", "DOCUMENT_URI": "/metrics"})
    deaf.socket.settimeout(2 * CUT_WITHIN)
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        while True:
            deaf.send(metrics)
    assert connect().post(payload()).status == 200


@pytest.mark.core
@pytest.mark.parametrize("sent", [None, fcgi.post_request(payload())[:-20]], ids=["a byte each", "a body without its end"])
def test_slow_peers_delay_nobody(make_stack, sent):
    """Eight of them on the only worker: a good request is answered as if they were not there."""
    stack = make_stack(nginx=False, workers=1)
    stack.program.expects(CUT_OFF)
    slow = [FastCgi(stack.program.socket) for _ in range(8)]
    data = fcgi.post_request(payload())
    for peer in slow:
        peer.send(sent or data[:1])
    took = []
    with FastCgi(stack.program.socket) as good:
        for i in range(20):
            for peer in slow if sent is None else []:
                peer.send(data[i + 1:i + 2])
            began = time.monotonic()
            assert good.post(payload()).status == 200
            took.append(time.monotonic() - began)
    print("the good request took %.1f to %.1f ms" % (min(took) * 1000, max(took) * 1000))
    assert min(took) < 0.05 * SLOWNESS
    for peer in slow:
        peer.close()


@pytest.mark.core
@pytest.mark.parametrize("uploads", [16])
def test_deadline_holds_under_load(make_stack, uploads):
    """Large bodies that nobody has signed, one after the other, while Redis hangs: a good request gets its 503."""
    stack = make_stack(nginx=False, workers=1)
    stack.program.expects(r"redis: .*", r"webhook: answered 503: .*")
    large = payload().ljust(3 << 20)
    data = fcgi.post_request(large, HTTP_X_HUB_SIGNATURE_256="sha256=" + "0" * 64)
    done, answers = threading.Event(), []

    def upload():
        with FastCgi(stack.program.socket) as peer:
            while not done.is_set():
                answers.append(peer.exchange(data).status)

    threads = [threading.Thread(target=upload) for _ in range(uploads)]
    try:
        for thread in threads:
            thread.start()
        wait_for(lambda: len(answers) >= uploads, "uploads are under way")
        stack.redis.kill(signal.SIGSTOP)
        with FastCgi(stack.program.socket) as good:
            began = time.monotonic()
            status = good.post(payload()).status
            took = time.monotonic() - began
    finally:
        stack.redis.kill(signal.SIGCONT)
        done.set()
        for thread in threads:
            thread.join()
    print("%d after %.2f s, %d uploads" % (status, took, len(answers)))
    assert status == 503 and took < 3 * SLOWNESS
    assert set(answers) == {401}


def record_of_every_type():
    """Heads of all types, for no request, the open one and another, with contents that they should not have."""
    for kind in range(256):
        for request in 0, 1, 2:
            for content in b"", b"x", bytes(8), b"\xff" * 300:
                yield fcgi.record(kind, content, request)


def test_workers_survive_garbage(stack, connect):
    stack.program.expects(BROKEN)
    workers = stack.program.workers()
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", bytes(64), b"\xff" * 4096, fcgi.record(99),
                    fcgi.record(fcgi.STDIN, b"x"),
                    fcgi.begin() + fcgi.stream(fcgi.PARAMS, b"\xff\xff\xff\xff" * 8),
                    fcgi.begin() + fcgi.stream(fcgi.PARAMS, b"\x7f\x7fshort"),
                    fcgi.begin() + fcgi.stream(fcgi.PARAMS, b"\xc0\0\0\0" * 2),
                    fcgi.begin() + fcgi.record(fcgi.PARAMS, b"x" * 65535) * 3,
                    fcgi.record(fcgi.BEGIN_REQUEST, b"\0\2\0\0\0\0\0\0")):
        peer = connect()
        peer.send(garbage)
        peer.close()
        assert connect().post(payload()).status == 200, garbage
    assert stack.program.workers() == workers


@pytest.mark.core
def test_workers_survive_records_of_every_type(stack, connect):
    stack.program.expects(BROKEN)
    workers = stack.program.workers()
    for record in record_of_every_type():
        for before in b"", fcgi.begin(), fcgi.begin() + fcgi.record(fcgi.PARAMS):
            with FastCgi(stack.program.socket) as peer:
                peer.send(before + record)
    assert connect().post(payload()).status == 200
    assert stack.program.workers() == workers


@pytest.mark.core
def test_management_records(stack, connect):
    """Each known name is answered once, however often it is asked for; a request may follow in the same write."""
    workers, peer = stack.program.workers(), connect()
    for count in 1, 3, 4, 200:
        peer.send(fcgi.record(fcgi.GET_VALUES, fcgi.pairs([("FCGI_MAX_CONNS", "")] * count), 0))
        assert peer.record() == (fcgi.GET_VALUES_RESULT, 0, fcgi.pairs([("FCGI_MAX_CONNS", "4096")]))
    peer.send(fcgi.record(fcgi.GET_VALUES, fcgi.pairs([("FCGI_MPXS_CONNS", ""), ("other", "x")]), 0)
              + fcgi.record(77, b"content", 0) + fcgi.post_request(payload()))
    assert peer.record() == (fcgi.GET_VALUES_RESULT, 0, fcgi.pairs([("FCGI_MPXS_CONNS", "0")]))
    assert peer.record() == (fcgi.UNKNOWN_TYPE, 0, b"\x4d" + bytes(7))
    assert peer.receive().status == 200
    assert stack.program.workers() == workers


def test_abort(stack, connect):
    """A request that is withdrawn is ended and leaves nothing; the connection goes on."""
    peer, data = connect(), fcgi.post_request(payload())
    for begun in data[:16], data[:-8]:      # BEGIN_REQUEST alone, and all but the end of the body
        peer.send(begun + fcgi.record(fcgi.ABORT_REQUEST))
        assert peer.record() == (fcgi.END_REQUEST, 1, bytes(8))
    assert peer.post(payload()).status == 200
    assert len(stack.entries()) == 1


def test_requests_in_one_write(stack, connect):
    """Nobody does this, and it works: each is answered in its turn."""
    peer = connect()
    peer.send(b"".join(fcgi.post_request(payload()) for _ in range(100)))
    assert [peer.receive().status for _ in range(100)] == [200] * 100
    assert len(stack.entries()) == 100


def test_peers_that_leave(stack, connect):
    """Those who go without waiting for the answer; their status is stored all the same."""
    for _ in range(50):
        peer = connect()
        peer.send(fcgi.post_request(payload()))
        peer.close()
    wait_for(lambda: len(stack.entries()) == 50, "50 entries")
    assert connect().post(payload()).status == 200


@pytest.mark.core
@pytest.mark.parametrize("announced, sent", [(1, 0), (0, -1), (0, 1), (0, 5000)], ids=str)
def test_length_that_is_not_true(stack, connect, announced, sent):
    body = payload()
    there = body[:len(body) + sent] if sent < 0 else body + b" " * sent
    peer = connect()
    answer = peer.exchange(fcgi.request(fcgi.post_parameters(there, CONTENT_LENGTH=str(len(body) + announced)), there))
    assert answer.status == 400
    assert peer.post(payload()).status == 200
    assert len(stack.entries()) == 1 and stack.quarantine() == []


@pytest.mark.parametrize("text", [None, "", "-1", "+5", "1e3", "99999999999999999999999"])
def test_length_that_is_none(stack, connect, text):
    assert connect().post(payload(), CONTENT_LENGTH=text).status in (400, 413)
    assert stack.entries() == []


def test_too_large(stack, connect):
    peer, body = connect(), payload().ljust(3145728)
    assert peer.post(body + b" ").status == 413
    assert peer.post(body).document() == result(accepted=1)


def test_two_signatures(stack, connect):
    body = payload()
    good = list(fcgi.post_parameters(body).items())
    peer = connect()
    for other in dict(good)["HTTP_X_HUB_SIGNATURE_256"], "sha256=" + "0" * 64, "":
        for parameters in good + [("HTTP_X_HUB_SIGNATURE_256", other)], [("HTTP_X_HUB_SIGNATURE_256", other)] + good:
            assert peer.exchange(fcgi.request(parameters, body)).status == 401
    assert stack.entries() == []


def test_request_id_is_made_when_none_comes(stack, connect):
    for sent in {}, {"REQUEST_ID": "with space"}, {"REQUEST_ID": "x" * 65}:
        made = connect().post(payload(), **sent).header("X-Request-Id")
        assert len(made) == 32 and stack.entries()[-1]["request_id"] == made
    assert connect().post(payload(), REQUEST_ID="mine-1").header("X-Request-Id") == "mine-1"


def test_200_kept_connections_on_one_worker(make_stack):
    stack = make_stack(nginx=False, workers=1)
    peers = [FastCgi(stack.program.socket) for _ in range(200)]
    for _ in range(3):
        for peer in peers:
            peer.send(fcgi.post_request(payload()))
        assert [peer.receive().status for peer in peers] == [200] * 200
    for peer in peers:
        peer.close()


def test_out_of_descriptors(make_stack):
    """With 64 of them, 200 idle connections leave none: those that are open are served, the others when some close."""
    stack = make_stack(start=False, nginx=False)
    stack.program.open_files = (64, 64)
    stack.program.expects(r"accept: Too many open files; \d+ connections are open, others wait")
    stack.start()
    first = FastCgi(stack.program.socket)
    assert first.post(payload()).status == 200
    crowd = [FastCgi(stack.program.socket) for _ in range(200)]
    wait_for(lambda: stack.program.has_logged("accept: Too many"), "the program runs out of descriptors")
    assert first.post(payload()).status == 200
    last = FastCgi(stack.program.socket)
    last.send(fcgi.post_request(payload()))
    for peer in crowd:
        peer.close()
    assert last.receive().status == 200
    first.close()
    last.close()


def test_busy_worker_uses_no_time_without_descriptors(make_stack):
    stack = make_stack(start=False, nginx=False, workers=1)
    stack.program.open_files = (64, 64)
    stack.program.expects(r"accept: Too many open files; \d+ connections are open, others wait")
    stack.start()
    crowd = [FastCgi(stack.program.socket) for _ in range(100)]
    wait_for(lambda: stack.program.has_logged("accept: Too many"), "the program runs out of descriptors")
    [worker] = stack.program.workers()
    before, began = cpu_seconds(worker), time.monotonic()
    wait_for(lambda: time.monotonic() - began > 1, "a second")
    assert cpu_seconds(worker) - before < 0.2
    for peer in crowd:
        peer.close()


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
