"""The command that posts made-up traffic: its own ledger is the stream, whatever breaks meanwhile."""
import collections
import contextlib
import http.server
import os
import pathlib
import pty
import re
import signal
import ssl
import subprocess
import threading

import pytest

from commands import shown_on
from stack import BINARY, HOOK, SECRET, TIMEOUT, clean_environment, wait_for
from test_tls import Authority


@pytest.fixture
def begin(folder):
    """begin(URL, options..., secret=) is the command as it runs, with a ledger."""
    def call(url, *options, secret=SECRET, stderr=subprocess.PIPE, **environment):
        return subprocess.Popen([str(BINARY), "send", url, "--ledger", str(folder / "ledger"), *map(str, options)],
                                env=clean_environment({"TICKSTREAM_APP_SECRET": secret, **environment}), text=True,
                                stdout=subprocess.PIPE, stderr=stderr)
    return call


def end(process):
    stdout, stderr = process.communicate(timeout=TIMEOUT)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def ledger(folder):
    """How often each (id, status, timestamp) was taken."""
    return collections.Counter(tuple(line.split()) for line in (folder / "ledger").read_text().splitlines())


def stored(stack):
    return collections.Counter((e["id"], e["status"], e["timestamp"]) for e in stack.entries())


def number(pattern, text):
    return int(re.search(pattern, text)[1].replace(",", ""))


def test_its_ledger_is_the_stream(stack, begin, folder):
    done = end(begin(stack.nginx.url, "--rate", 1000, "--seconds", 2, "--seed", 3))
    assert (done.returncode, done.stderr) == (0, ""), done
    assert stored(stack) == ledger(folder)
    assert ledger(folder).total() == number(r"taken +([\d,]+) statuses", done.stdout) >= 2000
    assert set(ledger(folder).values()) == {1}
    assert {status for _, status, _ in ledger(folder)} == {"sent", "delivered", "read", "failed"}
    again = number(r"bodies posted twice: ([\d,]+)", done.stdout)
    assert again > 0 and number(r"([\d,]+) duplicates", done.stdout) >= again
    assert all(number(r"([\d,]+) %s" % word, done.stdout) for word in ("JSON", "XML", "form"))
    assert not stack.quarantine()


def test_a_killed_worker_loses_and_doubles_nothing(stack, begin, folder):
    stack.program.expects(r"worker \d+ \(pid \d+\) was killed by signal 9.*")
    process = begin(stack.nginx.url, "--rate", 800, "--seconds", 3)
    wait_for(lambda: stack.redis("XLEN", "whatsapp:statuses") > 500, "some are stored")
    os.kill(stack.program.workers()[0], signal.SIGKILL)
    done = end(process)
    assert done.returncode == 0, done
    assert stored(stack) == ledger(folder)
    assert ledger(folder).total() >= 2400 and set(ledger(folder).values()) == {1}


def test_what_is_refused_for_a_while_is_posted_again(make_stack, begin, folder):
    stack = make_stack(start=False)
    stack.redis.start()
    stack.nginx.start()             # which answers 503 by itself
    process = begin(stack.nginx.url + HOOK, "--rate", 100, "--seconds", 1, "--batch", 2, "--format", "xml")
    wait_for(lambda: "connect() to unix" in stack.nginx.error_log(), "some are refused")
    stack.program.start()
    done = end(process)
    assert done.returncode == 0, done
    assert number(r"503: ([\d,]+)", done.stdout) > 0
    assert number(r"([\d,]+) bodies were posted again", done.stdout) > 0
    assert "(0 JSON, 50 XML, 0 form)" in done.stdout
    assert stored(stack) == ledger(folder)


def test_what_is_not_taken_is_a_failure(stack, begin, folder):
    done = end(begin(stack.nginx.url, "--rate", 50, "--seconds", 0.2, secret="another secret of the tests"))
    assert (done.returncode, done.stderr) == (1, "")
    assert re.search(r"^answers +401: \d+", done.stdout, re.M)
    assert number(r"refused +([\d,]+) statuses", done.stdout) >= 10
    assert not ledger(folder) and not stack.entries()


@pytest.mark.release_only
def test_it_is_fast_enough_for_a_rate_on_one_core(stack, begin, folder):
    """With everything else on the same machine; the sender itself may use half a core."""
    before = os.times()
    done = end(begin(stack.nginx.url, "--rate", 4000, "--seconds", 2))
    after = os.times()
    assert done.returncode == 0, done
    assert stored(stack) == ledger(folder)
    assert after.children_user + after.children_system - before.children_user - before.children_system < 2


def test_a_signal_ends_it_with_a_summary(stack, begin, folder):
    process = begin(stack.nginx.url, "--rate", 200, "--seconds", 600)
    wait_for(lambda: stack.redis("XLEN", "whatsapp:statuses") > 20, "some are stored")
    process.send_signal(signal.SIGINT)
    done = end(process)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert stored(stack) == ledger(folder)


def test_a_terminal_sees_how_far_it_is(stack, begin):
    ours, its = pty.openpty()
    process = begin(stack.nginx.url, "--rate", 50, "--seconds", 0.5, stderr=its)
    os.close(its)
    stdout, _ = process.communicate(timeout=TIMEOUT)
    shown = shown_on(ours)
    assert process.returncode == 0, stdout
    assert re.search(r"\r\[#+\.*\] \d+ posted, \d+ taken", shown)


MISUSED = {
    "no URL": ["--rate", "5"],
    "another URL": ["ftp://127.0.0.1"],
    "a stranger": ["http://192.0.2.1"],
    "a rate that is none": ["http://127.0.0.1:1", "--rate", "many"],
    "too fast": ["http://127.0.0.1:1", "--rate", "50001"],
    "an unknown format": ["http://127.0.0.1:1", "--format", "yaml"],
    "an unknown option": ["http://127.0.0.1:1", "--speed", "5"],
    "no value": ["http://127.0.0.1:1", "--rate"],
}


@pytest.mark.parametrize("label", MISUSED)
def test_misuse_is_told_in_a_line_and_sends_nothing(begin, label):
    done = end(begin(*MISUSED[label]))
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1


def test_nobody_there(begin):
    done = end(begin("http://127.0.0.1:1", "--rate", 10, "--seconds", 60))
    assert done.returncode == 75 and done.stdout == ""
    assert done.stderr == "send: nobody answers at http://127.0.0.1:1%s: connection refused\n" % HOOK


class Taker(http.server.BaseHTTPRequestHandler):
    """Takes everything, as somebody else's server."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def tls_server(cert, key):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield "https://127.0.0.1:%d" % server.server_port
    server.shutdown()
    server.server_close()


def test_the_certificate_of_an_https_server_is_verified(begin, folder):
    ca, other = Authority(folder / "ca"), Authority(folder / "other")
    for identity, trusted, why in (
            (ca.issue("right", "IP:127.0.0.1"), ca, None),
            (ca.issue("name", "DNS:elsewhere.test"), ca, "no alternative certificate subject name matches"),
            (other.issue("chain", "IP:127.0.0.1"), ca, "unable to get local issuer certificate")):
        with tls_server(*identity) as url:
            done = end(begin(url, "--rate", 20, "--seconds", 0.2, "--ca", trusted.cert))
        if why:
            assert done.returncode == 75 and "the certificate is not accepted: %s" % why in done.stderr, done
            assert not ledger(folder)
        else:
            assert (done.returncode, done.stderr) == (0, ""), done
            assert ledger(folder).total() == number(r"taken +([\d,]+)", done.stdout) >= 4


def test_what_a_server_is_too_slow_for_is_told(begin, folder):
    ca = Authority(folder / "ca")
    with tls_server(*ca.issue("right", "IP:127.0.0.1")) as url:
        done = end(begin(url, "--rate", 50000, "--seconds", 0.3, "--batch", 1, "--connections", 1, "--ca", ca.cert))
    assert (done.returncode, done.stderr) == (1, "")
    taken = number(r"taken +([\d,]+)", done.stdout)
    assert taken + number(r"not sent +([\d,]+) statuses", done.stdout) == 15000
    assert ledger(folder).total() == taken


def test_without_libcurl_it_says_what_to_install(begin, folder):
    (folder / "libcurl.so.4").write_text("this is no library")
    done = end(begin("http://127.0.0.1:1", LD_LIBRARY_PATH=str(folder)))
    assert (done.returncode, done.stderr) == (1, "send: libcurl.so.4 is needed: apt-get install curl\n")


def test_workers_carry_nothing_of_libcurl(stack):
    """What they have mapped, where we may see it; else what the program names."""
    for pid in stack.program.workers():
        try:
            libraries = pathlib.Path("/proc/%d/maps" % pid).read_text()
        except PermissionError:
            libraries = subprocess.run(["ldd", BINARY], capture_output=True, text=True, check=True).stdout
        assert "libuv" in libraries and "libcurl" not in libraries
