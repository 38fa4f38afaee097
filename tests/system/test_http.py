"""What senders see: the handshake, nginx's own answers, what is logged and what is not."""
import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import xml.etree.ElementTree as ET

import pytest

from bodies import payload, result, status
from stack import HOOK, SECRET, TIMEOUT, TOKEN, TOP, run_cases, wait_for


def raw(port, request):
    """Sends bytes, and reads the answer: status, headers by lower-case name, body."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as s:
        s.sendall(request)
        response = http.client.HTTPResponse(s, method=request.split()[0].decode())
        response.begin()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()


def check_problem(code, headers, body, xml):
    """RFC 9457, of the wanted form, about this request."""
    assert headers["content-type"] == "application/problem+" + ("xml" if xml else "json")
    document = {e.tag.rpartition("}")[2]: e.text for e in ET.fromstring(body).iter()} if xml else json.loads(body)
    assert str(document["status"]) == str(code)
    assert document["type"].startswith("urn:tickstream:problem:") and document["title"] and document["detail"]
    assert document["instance"] == headers["x-request-id"]
    assert headers["cache-control"] == "no-store"


REQUESTS = [
    (400, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n" % HOOK),
    (404, "GET /other HTTP/1.1\r\nHost: a\r\n"),
    (404, "GET /api/webhook/whatsapp/more HTTP/1.1\r\nHost: a\r\n"),
    (405, "PATCH %s HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n" % HOOK),
    (413, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 3145729\r\n" % HOOK),
    (414, "GET /%s HTTP/1.1\r\nHost: a\r\n" % ("x" * 40000)),
]


@pytest.mark.parametrize("xml", [False, True], ids=["json", "xml"])
def test_problems(stack, xml):
    """Whoever makes the answer, nginx or a worker, its form is the same."""
    accept = "Accept: application/xml\r\n" if xml else ""
    for code, head in REQUESTS:
        got, headers, body = raw(stack.nginx.port, (head + accept + "Connection: close\r\n\r\n").encode())
        # A request line that is too long leaves no Accept to read.
        assert got == code, head[:80]
        check_problem(code, headers, body, xml and code != 414)
        assert code != 405 or headers["allow"] == "GET, POST"


@pytest.mark.parametrize("xml", [False, True], ids=["json", "xml"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_program_is_down(stack, method, xml):
    stack.program.stop()
    with stack.client() as client:
        client.send(method, HOOK + "?hub.mode=x" * (method == "GET"), b"{}" if method == "POST" else None,
                    {"Accept": "application/xml"} if xml else {})
        answer = client.receive()
    assert answer.status == 503 and answer.header("Retry-After").isdigit()
    check_problem(503, {k.lower(): v for k, v in answer.headers}, answer.body, xml)


def test_program_hangs(make_stack):
    """nginx gives up waiting (8 s as shipped, here 1 s): 503 as well."""
    stack = make_stack(start=False)
    stack.nginx.edit("tickstream-pass.conf", "fastcgi_read_timeout 8s;", "fastcgi_read_timeout 1s;")
    stack.start()
    workers = stack.program.workers()
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    answer = stack.post(payload())
    for worker in workers:
        os.kill(worker, signal.SIGCONT)
    assert answer.status == 503 and answer.header("Retry-After").isdigit()
    check_problem(503, {k.lower(): v for k, v in answer.headers}, answer.body, False)


@pytest.mark.core
def test_handshake(stack):
    query = "?hub.mode=subscribe&hub.verify_token=%s&hub.challenge=" % TOKEN
    answer = stack.get(HOOK + query + "1158201444")
    assert (answer.status, answer.body) == (200, b"1158201444")
    assert answer.header("Content-Type") == "text/plain; charset=utf-8"
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert stack.get(HOOK + query + "a%20%26%2B+b").body == b"a &+ b"
    assert stack.get(HOOK + query.replace(TOKEN, TOKEN[:-1]) + "1").status == 403
    assert stack.get(HOOK).status == 400


def test_token_is_in_no_log(stack):
    """Not when it is right, nor nearly right, nor when nginx cannot reach a worker and complains."""
    for query in ("?hub.mode=subscribe&hub.challenge=1&hub.verify_token=" + TOKEN, "?hub.verify_token=%s0" % TOKEN,
                  "/?hub.verify_token=" + TOKEN, "?hub.verify_token=" + TOKEN + "&x=" + "y" * 40000):
        stack.get(HOOK + query)
    stack.program.stop()
    assert stack.get(HOOK + "?hub.mode=subscribe&hub.verify_token=" + TOKEN).status == 503
    stack.nginx.stop()
    logs = [p for p in stack.folder.rglob("*") if p.is_file()]
    assert any(b"/api/webhook/whatsapp" in p.read_bytes() for p in logs)
    assert [p for p in logs if TOKEN.encode() in p.read_bytes()] == []


def test_log_tells_no_secrets(make_stack):
    """At the most talkative level, with everything that goes wrong for a body."""
    stack = make_stack(log_level="debug", start=False)
    stack.program.expects(r"redis: .*", r"webhook: answered 503: .*", r"webhook: \d+ accepted, .*")
    stack.start()
    marks = ["wamid.MARKED", "15550001111", "16660002222", "777000777", "a title of an error", "a secret word"]
    whole = payload(status(marks[0], recipient_id=marks[1], errors=[{"code": 1, "title": marks[4]}]), marks[0],
                    {"id": marks[0], "recipient_id": marks[1]}, note=marks[5],
                    metadata={"display_phone_number": marks[2], "phone_number_id": marks[3]})
    for body in whole, whole[:-9], b'{"%s' % marks[0].encode(), b"\xff" + whole:
        for kind in "application/json", "application/xml", "application/x-www-form-urlencoded", "text/" + marks[0]:
            stack.post(body, kind=kind)
            stack.post(body, kind=kind, secret=SECRET + "x")
            stack.post(body, kind=kind, sign=False, headers={"X-Hub-Signature-256": marks[0]})
    stack.redis("CONFIG", "SET", "maxmemory", 1)
    # Of equal lines only one a second is written.
    for text, how in ("answered 401", {"sign": False}), ("answered 415", {"kind": "text/plain"}), ("answered 503", {}):
        wait_for(lambda: stack.post(payload(status(marks[0])), **how) and stack.program.has_logged(text), text)
    log = stack.program.log_text()
    for mark in [*marks, SECRET, run_cases.mac(SECRET, whole)]:
        assert mark not in log


def test_json_log(make_stack):
    stack = make_stack(log_format="json", start=False, nginx=False, redis=False)
    stack.program.expected = [r".*"]
    stack.program.start()
    wait_for(lambda: "ready: " in stack.program.log_text(), "ready")
    stack.program.stop()
    lines = [json.loads(line) for line in stack.program.log_text().splitlines()]
    assert all(set(line) == {"time", "level", "process", "msg"} for line in lines)
    stack.program.log.unlink()


@pytest.mark.core
def test_200_clients_of_one_worker(make_stack):
    """Each keeps its connection; nobody waits for another to leave."""
    stack = make_stack(workers=1)
    clients = [stack.client() for _ in range(200)]
    for _ in range(3):
        for client in clients:
            client.send_post(payload())
        for client in clients:
            assert client.receive().document() == result(accepted=1)
    for client in clients:
        client.close()
    assert len(stack.entries()) == 600


@pytest.mark.core
@pytest.mark.parametrize("kind", ["application/json", "application/xml", "application/x-www-form-urlencoded"])
def test_large_body(stack, kind):
    """Exactly the limit, through nginx, which keeps it in a file."""
    padded = {"application/json": payload().ljust(3145728),
              "application/xml": b"<a/>".ljust(3145728),
              "application/x-www-form-urlencoded": b"object=" + b"x" * (3145728 - 7)}[kind]
    answer = stack.post(padded, kind=kind, headers={"Accept": "application/json"})
    assert answer.document() == (result(quarantined=1) if "xml" in kind else result(accepted=int("json" in kind)))
    assert stack.post(padded + b" ", kind=kind).status == 413


def make_certificate(folder, name, ca=None, subject="/CN=localhost"):
    """A key and a certificate, signed by itself or by a CA of the same folder."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
               "-days", "2", "-subj", subject, "-keyout", folder / (name + ".key"), "-out", folder / (name + ".pem")]
    if ca:
        command += ["-CA", folder / (ca + ".pem"), "-CAkey", folder / (ca + ".key")]
    subprocess.run(command, check=True, capture_output=True)


@contextlib.contextmanager
def tls_socket(port, folder, client=None):
    """A connection over TLS, with a client certificate of the folder."""
    context = ssl.create_default_context(cafile=folder / "server.pem")
    context.check_hostname = False
    if client:
        context.load_cert_chain(folder / (client + ".pem"), folder / (client + ".key"))
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as plain, context.wrap_socket(plain) as s:
        yield s


def ask_tls(port, folder, client=None):
    """The status of GET /livez over TLS."""
    with tls_socket(port, folder, client) as s:
        s.sendall(b"GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n")
        return int(s.recv(64).split()[1])


@pytest.mark.parametrize("mutual", [False, True], ids=["TLS", "mTLS"])
def test_tls_examples(make_stack, mutual):
    stack = make_stack(start=False, redis=False)
    stack.program.expects(r"redis: .*")
    tls = stack.nginx.folder / "tls"
    tls.mkdir()
    make_certificate(tls, "server")
    if mutual:
        make_certificate(tls, "client-ca", subject="/CN=A CA")
        make_certificate(tls, "meta", "client-ca", "/CN=client.webhooks.fbclientcerts.com")
        make_certificate(tls, "other", "client-ca", "/CN=client.webhooks.fbclientcerts.com.evil.example")
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    subprocess.run([TOP / "tests/tools/nginx-render.sh", stack.nginx.folder, "127.0.0.1:%d" % stack.nginx.port,
                    "unix:%s" % stack.program.socket, "127.0.0.1:%d" % port], check=True)
    subprocess.run(["nginx", "-t", "-q", "-p", tls.parent, "-e", tls.parent / "error.log", "-c",
                    tls.parent / "nginx.conf"], check=True)
    stack.start()
    if not mutual:
        assert ask_tls(port, tls) == 200
        return
    assert ask_tls(port, tls) == 403
    assert ask_tls(port, tls, "other") == 403
    assert ask_tls(port, tls, "meta") == 200
