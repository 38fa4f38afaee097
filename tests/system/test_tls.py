"""rediss://: whom the program talks to, whom it refuses without a word, and what that costs."""
import os
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import time

import pytest

from bodies import payload, result, status
from stack import wait_for

PASSWORD = "a-password-of-the-tests"
NOT_TRUSTED = "redis: tls: the certificate is not trusted: "
TICKS = os.sysconf("SC_CLK_TCK")


class Authority:
    """A CA with its folder, made by the openssl program."""

    def __init__(self, folder):
        folder.mkdir()
        self.folder, self.cert, self.key = folder, folder / "ca.pem", folder / "ca.key"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", 2,
                      "-subj", "/CN=CA in %s" % folder.name, "-keyout", self.key, "-out", self.cert)

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *(str(a) for a in arguments)], check=True, capture_output=True)

    def issue(self, name, *alternatives):
        """The paths of a new certificate and its key: issue("redis", "DNS:redis.test", "IP:127.0.0.1")."""
        cert, key, request, extra = (self.folder / (name + end) for end in (".pem", ".key", ".csr", ".ext"))
        extra.write_text("subjectAltName=" + ",".join(alternatives))
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=" + name,
                      "-keyout", key, "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-days", 2,
                      "-extfile", extra, "-out", cert)
        return cert, key


@pytest.fixture
def authority(folder):
    return Authority(folder / "ca")


@pytest.fixture
def other_authority(folder):
    return Authority(folder / "other-ca")


def use_tls(stack, identity, authority, clients=False, tries=20):
    """Starts the stack's Redis with TLS on a port; it asks for the certificates of clients, or not."""
    redis = stack.redis
    plain = list(redis.options)
    for _ in range(tries):
        with socket.create_server(("127.0.0.1", 0)) as s:
            redis.tls_port = s.getsockname()[1]
        redis.options = [*plain, "--tls-port", redis.tls_port, "--tls-cert-file", identity[0],
                         "--tls-key-file", identity[1], "--tls-ca-cert-file", authority.cert,
                         "--tls-auth-clients", "yes" if clients else "no", "--requirepass", PASSWORD]
        redis.login = ":" + PASSWORD
        try:
            return redis.start()
        except AssertionError:      # another one has taken the free port
            if "Address already in use" not in redis.log_text():
                raise
    raise AssertionError("no free port")


def tls_stack(make_stack, authority, host="localhost", alternatives=("DNS:localhost",), clients=False, **settings):
    """A stack whose Redis has a certificate for these names; the program is not started yet."""
    stack = make_stack(start=False, redis=False, workers=1, redis_tls_ca=authority.cert, **settings)
    use_tls(stack, authority.issue("redis", *alternatives), authority, clients)
    stack.program.settings["redis_url"] = url(host, stack.redis.tls_port)
    stack.program.expects(r"redis: .*", r"webhook: answered 503: .*")
    return stack


def url(host, port, scheme="rediss"):
    return "%s://:%s@%s:%d/0" % (scheme, PASSWORD, host, port)


def is_ready(stack):
    return stack.get("/readyz").status == 200


def assert_works(stack):
    stack.start()
    wait_for(lambda: is_ready(stack), "ready")
    assert stack.post(payload()).document() == result(accepted=1)
    assert len(stack.entries()) == 1


def assert_refuses(stack, why):
    """Nothing is stored, nobody is ready, and one clear line says why."""
    stack.start()
    wait_for(lambda: stack.program.has_logged(re.escape(why)), why)
    assert stack.post(payload()).status == 503
    assert not is_ready(stack)
    assert PASSWORD not in stack.program.log_text()


class Listener:
    """Takes TCP connections and hands each to serve() in a thread."""

    def __init__(self, serve):
        self.serve = serve
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            peer, _ = self.listener.accept()
            self.connections += 1
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        with peer:
            self.serve(peer)


class Thief:
    """A server of TLS with somebody's certificate, which keeps every byte that it is told inside."""

    def __init__(self, identity):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*(str(p) for p in identity))
        self.heard = b""
        self.refusals = 0
        self.port = Listener(self._serve).port

    def _serve(self, peer):
        try:
            with self.context.wrap_socket(peer, server_side=True) as secure:
                while data := secure.recv(1 << 16):
                    self.heard += data
        except (ssl.SSLError, OSError):
            self.refusals += 1


# The right ones

@pytest.mark.core
@pytest.mark.parametrize("host, alternatives", [("localhost", ["DNS:localhost"]), ("127.0.0.1", ["IP:127.0.0.1"]),
                                                ("localhost", ["DNS:other.test", "DNS:localhost"])])
def test_right_name(make_stack, authority, host, alternatives):
    assert_works(tls_stack(make_stack, authority, host, alternatives))


def test_name_of_the_setting(make_stack, authority):
    assert_works(tls_stack(make_stack, authority, "127.0.0.1", ["DNS:redis.test"], redis_tls_name="redis.test"))


def test_folder_of_authorities(make_stack, authority):
    stack = tls_stack(make_stack, authority)
    subprocess.run(["openssl", "rehash", str(authority.folder)], check=True, capture_output=True)
    stack.program.settings["redis_tls_ca"] = authority.folder
    assert_works(stack)


def test_chain_only(make_stack, authority):
    stack = tls_stack(make_stack, authority, alternatives=["DNS:other.test"], redis_tls_verify="chain")
    stack.program.expects(r"REDIS_TLS_VERIFY=chain: .*")
    assert_works(stack)
    assert stack.program.has_logged("REDIS_TLS_VERIFY=chain: any certificate")


def test_certificate_of_ours(make_stack, authority):
    cert, key = authority.issue("client", "DNS:client.test")
    assert_works(tls_stack(make_stack, authority, clients=True, redis_tls_cert=cert, redis_tls_key=key))


def test_large_bodies(make_stack, authority):
    stack = tls_stack(make_stack, authority)
    stack.start()
    wait_for(lambda: is_ready(stack), "ready")
    for _ in range(5):
        body = payload(*(status(errors=[{"code": 1, "title": "x" * 3000}]) for _ in range(900)))
        assert 2 << 20 < len(body) < 3 << 20
        assert stack.post(body).document() == result(accepted=900)
        assert stack.post(body).document() == result(duplicates=900)
    assert len(stack.entries()) == 4500


# The wrong ones

def test_wrong_name(make_stack, authority):
    assert_refuses(tls_stack(make_stack, authority, alternatives=["DNS:other.test"]),
                   "redis: tls: the certificate is for another host: hostname mismatch (localhost:")


def test_wrong_address(make_stack, authority):
    assert_refuses(tls_stack(make_stack, authority, "127.0.0.1", ["IP:127.0.0.2", "DNS:localhost"]),
                   "redis: tls: the certificate is for another host: IP address mismatch (127.0.0.1:")


def test_wrong_authority(make_stack, authority, other_authority):
    stack = tls_stack(make_stack, authority)
    stack.program.settings["redis_tls_ca"] = other_authority.cert
    assert_refuses(stack, NOT_TRUSTED)


def test_authorities_of_the_system(make_stack, authority):
    stack = tls_stack(make_stack, authority)
    stack.program.settings["redis_tls_ca"] = None
    assert_refuses(stack, NOT_TRUSTED)


def test_no_certificate_of_ours(make_stack, authority):
    assert_refuses(tls_stack(make_stack, authority, clients=True), "redis: tls: tlsv13 alert certificate required (localhost:")


@pytest.mark.core
@pytest.mark.parametrize("wrong", ["name", "authority"])
def test_the_wrong_one_hears_nothing(make_stack, authority, other_authority, wrong):
    """Neither the password nor a status; it does when it is the right one, or this would show nothing."""
    name = "DNS:other.test" if wrong == "name" else "DNS:localhost"
    thief = Thief((authority if wrong == "name" else other_authority).issue("thief", name))
    stack = make_stack(start=False, redis=False, workers=1, redis_tls_ca=authority.cert,
                       redis_url=url("localhost", thief.port))
    stack.program.expects(r"redis: .*", r"webhook: answered 503: .*")
    assert_refuses(stack, "redis: tls: the certificate is ")
    wait_for(lambda: thief.refusals >= 2, "it is tried again")
    assert thief.heard == b""

    honest = Thief(authority.issue("redis", "DNS:localhost"))
    other = make_stack(start=False, redis=False, nginx=False, workers=1, redis_tls_ca=authority.cert,
                       redis_url=url("localhost", honest.port))
    other.program.expects(r"redis: .*")
    other.start()
    wait_for(lambda: PASSWORD.encode() in honest.heard, "the password, since it is the right one")


def test_tls_to_a_plain_port(make_stack, authority):
    stack = make_stack(start=False, redis=False, workers=1, redis_tls_ca=authority.cert)
    stack.redis.start_on_a_port()
    stack.program.settings["redis_url"] = url("localhost", stack.redis.port)
    stack.program.expects(r"redis: .*", r"webhook: answered 503: .*")
    assert_refuses(stack, "is this a TLS port? (localhost:")


def test_plain_to_a_tls_port(make_stack, authority):
    stack = tls_stack(make_stack, authority)
    stack.program.settings.update(redis_url=url("localhost", stack.redis.tls_port, "redis"), redis_tls_ca=None)
    assert_refuses(stack, "does it expect TLS? (localhost:")


# Commands

@pytest.mark.core
def test_a_command_talks_tls_too(make_stack, authority):
    stack = tls_stack(make_stack, authority)
    done = stack.program.run("dedupe")
    assert (done.returncode, done.stderr) == (0, "") and "nothing is remembered yet (localhost:" in done.stdout, done


@pytest.mark.parametrize("settings, says", [
    ({"redis_tls_name": "other.test"}, "tls: the certificate is for another host"),
    ({"redis_tls_ca": None}, "tls: the certificate is not trusted"),
    ({"redis_url": "plain", "redis_tls_ca": None}, "does it expect TLS?")])
def test_a_command_refuses_as_the_workers_do(make_stack, authority, settings, says):
    stack = tls_stack(make_stack, authority)
    plain = {"redis_url": url("localhost", stack.redis.tls_port, "redis")} if "redis_url" in settings else {}
    stack.program.settings.update({**settings, **plain})
    done = stack.program.run("dedupe")
    assert (done.returncode, done.stdout) == (75, "") and says in done.stderr, done
    assert PASSWORD not in done.stderr


# Time

def cpu_seconds(pid):
    fields = pathlib.Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@pytest.mark.release_only
def test_a_silent_server_costs_nothing(make_stack, authority):
    """It takes the connection and says nothing: the worker waits, and gives up in time."""
    silent = Listener(lambda peer: peer.recv(1 << 16) and peer.recv(1))
    stack = make_stack(start=False, redis=False, nginx=False, workers=1, redis_tls_ca=authority.cert,
                       redis_url=url("localhost", silent.port))
    stack.program.expects(r"redis: .*")
    stack.start()
    wait_for(lambda: silent.connections >= 1, "a connection")
    [worker] = stack.program.workers()
    before, began = cpu_seconds(worker), time.monotonic()
    wait_for(lambda: stack.program.has_logged(r"redis: no TLS handshake in time"), "it gives up")
    assert time.monotonic() - began > 1
    used = cpu_seconds(worker) - before
    print("%.2f s of CPU in %.2f s" % (used, time.monotonic() - began))
    assert used < 0.25
    wait_for(lambda: silent.connections >= 2, "another attempt")


# Changes

def test_a_new_certificate(make_stack, authority):
    """Redis comes back with another one of the same CA, then with one of nobody's."""
    stack = tls_stack(make_stack, authority)
    assert_works(stack)
    for name, why in ("DNS:localhost", None), ("DNS:other.test", "hostname mismatch"), ("DNS:localhost", None):
        cert, key = authority.issue("next", name)
        redis = stack.redis
        redis.stop()
        for option, path in ("--tls-cert-file", cert), ("--tls-key-file", key):
            redis.options[redis.options.index(option) + 1] = path
        redis.start()
        if why:
            wait_for(lambda: stack.program.has_logged(why), why)
            assert stack.post(payload()).status == 503
        else:
            wait_for(lambda: stack.post(payload()).status == 200, "a status is taken")


def test_reload_takes_new_files(make_stack, authority, other_authority):
    """New authorities by a reload; a file that is wrong then changes nothing."""
    stack = tls_stack(make_stack, authority)
    both = authority.folder / "both.pem"
    both.write_text(other_authority.cert.read_text())
    stack.program.settings["redis_tls_ca"] = both
    stack.program.expects(r"reload: .*")
    assert_refuses(stack, NOT_TRUSTED)
    both.write_text("nothing of the kind\n")
    stack.program.kill(1)
    wait_for(lambda: stack.program.has_logged(r"reload: TICKSTREAM_REDIS_TLS_\*: tls: no CA in .*; everything stays"),
             "the reload is refused")
    both.write_text(other_authority.cert.read_text() + authority.cert.read_text())
    stack.program.kill(1)
    wait_for(lambda: stack.post(payload()).status == 200, "a status is taken")


@pytest.mark.parametrize("settings, says", [
    ({"redis_tls_ca": "/nowhere"}, "cannot read the CA /nowhere: No such file or directory"),
    ({"redis_tls_cert": "{cert}"}, "only together"),
    ({"redis_tls_cert": "{cert}", "redis_tls_key": "{other_key}"}, "key values mismatch"),
    ({"redis_tls_verify": "none"}, "must be full or chain"),
    ({"redis_tls_ca": "{ca}", "redis_url": "redis://localhost"}, "REDIS_TLS_CA: only with a TICKSTREAM_REDIS_URL"),
    ({"redis_tls_key_file": "{key}"}, "REDIS_TLS_KEY: must be an absolute path")])
def test_mistakes(make_stack, authority, settings, says):
    """One line and status 2, by --check-config and at the start; no key is quoted."""
    paths = dict(zip(("cert", "key"), authority.issue("client", "DNS:client.test")), ca=authority.cert,
                 other_key=authority.key)
    program = make_stack(start=False, redis=False, nginx=False, redis_url="rediss://localhost").program
    program.settings.update({k: v.format(**paths) for k, v in settings.items()})
    for arguments in ["--check-config"], []:
        done = program.run(*arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done
        assert says in done.stderr and "BEGIN" not in done.stderr
