"""`tickstream cgi`: one request of a plain CGI program, from a shell, from a web server, through the same endpoints."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from bodies import payload, result, status
from stack import (BINARY, HOOK, SECRET, SLOWNESS, TIMEOUT, TOKEN, TOP, WRAP, Server, clean_environment, run_cases,
                   signature, wait_for)
from test_cases import run_cases as run_all_cases

DATA = TOP / "tests/data"
JSON, XML, FORM = "application/json", "application/xml", "application/x-www-form-urlencoded"


class Cgi:
    """Runs the program as a web server does, with the settings of a stack."""

    def __init__(self, stack):
        self.stack, self.program, self.redis = stack, stack.program, stack.redis

    def run(self, body=b"", settings=None, stdout=subprocess.PIPE, **variables):
        self.program.settings.update(settings or {})
        given = {"REQUEST_METHOD": "POST", "DOCUMENT_URI": HOOK, "CONTENT_TYPE": JSON, "CONTENT_LENGTH": str(len(body)),
                 "HTTP_X_HUB_SIGNATURE_256": signature(body), **variables}
        env = {**self.program.environment(), **{k: v for k, v in given.items() if v is not None}}
        return subprocess.run([*WRAP, str(BINARY), "cgi"], input=body, env=env, stdout=stdout, stderr=subprocess.PIPE,
                              timeout=TIMEOUT, check=False)

    def answer(self, *arguments, **how):
        """The same as an Answer, which must have been given."""
        done = self.run(*arguments, **how)
        assert done.returncode == 0, done
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = [tuple(line.decode().split(": ", 1)) for line in head.split(b"\r\n")]
        assert headers[0][0] == "Status"
        answer = run_cases.Answer(int(headers[0][1].split()[0]), headers[1:], body)
        assert answer.header("Content-Length") == str(len(body)) and answer.header("X-Request-Id")
        return answer


@pytest.fixture
def cgi(make_stack):
    stack = make_stack(start=False, nginx=False)
    stack.redis.start()
    return Cgi(stack)


def contents(entries):
    return [{k: v for k, v in entry.items() if k not in ("received_at", "request_id")} for entry in entries]


@pytest.mark.core
@pytest.mark.parametrize("file, kind", [("json/json-sample.json", JSON), ("xml/xml-sample.xml", XML),
                                        ("form/form-json-names.form", FORM)])
def test_same_as_through_nginx(stack, file, kind):
    body = (DATA / file).read_bytes()
    pooled = stack.post(body, kind=kind)
    alone = Cgi(stack).answer(body, settings={"stream": "other"}, CONTENT_TYPE=kind)
    assert (alone.status, alone.body) == (pooled.status, pooled.body) and pooled.document() != result()
    for name in "Content-Type", "Cache-Control":
        assert alone.header(name) == pooled.header(name)
    stored = contents(stack.entries("other"))
    assert stored == contents(stack.entries()) != []


@pytest.mark.core
def test_entry_and_duplicate(cgi):
    body = payload(status("wamid.cgi"))
    first, again = cgi.answer(body, REQUEST_ID="request-1"), cgi.answer(body)
    assert (first.status, first.document(), first.header("X-Request-Id")) == (200, result(accepted=1), "request-1")
    assert (again.status, again.document()) == (200, result(duplicates=1))
    assert [(e["id"], e["request_id"]) for e in cgi.stack.entries()] == [("wamid.cgi", "request-1")]


@pytest.mark.parametrize("status, variables", [
    (401, {"HTTP_X_HUB_SIGNATURE_256": None}),
    (401, {"HTTP_X_HUB_SIGNATURE_256": signature(b"another body")}),
    (400, {"CONTENT_LENGTH": "1000000"}),
    (400, {"CONTENT_LENGTH": None}),
    (400, {"CONTENT_LENGTH": ""}),
    (413, {"CONTENT_LENGTH": "3145729"}),
    (400, {"CONTENT_LENGTH": "99999999999999999999999999"}),
    (415, {"CONTENT_TYPE": None}),
    (405, {"REQUEST_METHOD": "PUT"}),
    (404, {"DOCUMENT_URI": "/nothing"}),
    (404, {"DOCUMENT_URI": None}),
    (200, {"DOCUMENT_URI": None, "REQUEST_URI": HOOK + "?a=b", "SCRIPT_NAME": "/cgi-bin"}),
    (200, {"DOCUMENT_URI": None, "SCRIPT_NAME": HOOK[:4], "PATH_INFO": HOOK[4:]})])
def test_answers(cgi, status, variables):
    assert cgi.answer(payload(), **variables).status == status


def test_get(cgi):
    get = {"REQUEST_METHOD": "GET", "CONTENT_LENGTH": None, "CONTENT_TYPE": None, "HTTP_X_HUB_SIGNATURE_256": None}
    query = "hub.mode=subscribe&hub.verify_token=%s&hub.challenge=1158201444" % TOKEN
    assert cgi.answer(QUERY_STRING=query, **get).body == b"1158201444"
    for path in "/livez", "/readyz":
        assert cgi.answer(DOCUMENT_URI=path, **get).status == 200


def test_nothing_is_read_beyond_the_length(cgi):
    """A server may leave its end of the pipe open, as this one does."""
    body = payload()
    env = {**cgi.program.environment(), "REQUEST_METHOD": "POST", "DOCUMENT_URI": HOOK, "CONTENT_TYPE": JSON,
           "CONTENT_LENGTH": str(len(body)), "HTTP_X_HUB_SIGNATURE_256": signature(body)}
    with subprocess.Popen([*WRAP, str(BINARY), "cgi"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdin.write(body)
        child.stdin.flush()
        assert child.stdout.readline() == b"Status: 200 OK\r\n"
        assert child.wait(TIMEOUT) == 0


@pytest.mark.core
def test_redis_that_is_not_there(cgi):
    cgi.redis.stop()
    began = time.monotonic()
    answer = cgi.answer(payload())
    assert (answer.status, answer.header("Retry-After")) == (503, "1")
    assert time.monotonic() - began < 1 * SLOWNESS


def test_redis_that_hangs(cgi):
    cgi.redis.kill(signal.SIGSTOP)
    began = time.monotonic()
    assert cgi.answer(payload(), settings={"redis_timeout": "500ms"}).status == 503
    assert 0.4 < time.monotonic() - began < 1.5 * SLOWNESS


@pytest.mark.core
def test_listening_standard_input_is_refused(cgi):
    """libfcgi would take it for FastCGI, and must not read from a socket."""
    for make in listening_socket, socket.socket:
        with make() as made:
            done = subprocess.run([*WRAP, str(BINARY), "cgi"], stdin=made, capture_output=True, timeout=TIMEOUT,
                                  env={**cgi.program.environment(), "REQUEST_METHOD": "GET"}, check=False)
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1) and b"run" in done.stderr


def listening_socket():
    return socket.create_server(("127.0.0.1", 0))


def test_connected_standard_input_is_a_body(cgi):
    """As inetd and some servers start programs."""
    body = payload()
    env = {**cgi.program.environment(), "REQUEST_METHOD": "POST", "DOCUMENT_URI": HOOK, "CONTENT_TYPE": JSON,
           "CONTENT_LENGTH": str(len(body)), "HTTP_X_HUB_SIGNATURE_256": signature(body)}
    near, far = socket.socketpair()
    with near, far:
        near.sendall(body)
        done = subprocess.run([*WRAP, str(BINARY), "cgi"], stdin=far, capture_output=True, timeout=TIMEOUT, env=env,
                              check=False)
    assert done.returncode == 0 and done.stdout.startswith(b"Status: 200 OK\r\n")


def test_without_a_request(cgi):
    done = cgi.run(REQUEST_METHOD=None)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1) and b"REQUEST_METHOD" in done.stderr


def test_answer_that_cannot_be_written(cgi):
    with open("/dev/full", "wb") as full:
        assert cgi.run(payload(), stdout=full).returncode == 1


def test_line_of_the_help(cgi, folder):
    """What `tickstream help cgi` shows, run by a shell as it stands there."""
    text = subprocess.run([str(BINARY), "help", "cgi"], capture_output=True, text=True, check=True).stdout
    line = re.search(r"^    REQUEST_METHOD=.*\\\n.*\\\n.*$", text, re.M)[0]
    (folder / "body").write_bytes(payload())
    (folder / "tickstream").symlink_to(pathlib.Path(BINARY).resolve())
    env = {**cgi.program.environment(), "PATH": "%s:/usr/bin:/bin" % folder}
    done = subprocess.run(["sh", "-c", line], cwd=folder, env=env, capture_output=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0 and done.stdout.startswith(b"Status: 200 OK\r\n"), done


@pytest.mark.release_only
@pytest.mark.skipif(not shutil.which("fcgiwrap"), reason="fcgiwrap is not installed")
def test_all_cases_behind_a_web_server(make_stack):
    """The shipped nginx hands its requests to fcgiwrap, which starts the program for each.  All but the case of two
    signatures, of which an environment has only one."""
    stack = make_stack(start=False)
    script, conf = stack.folder / "tickstream.cgi", stack.folder / "conf"
    conf.write_text("".join("TICKSTREAM_%s=%s\n" % (k.upper(), v) for k, v in stack.program.settings.items()))
    script.write_text("#!/bin/sh\nexec %s --config %s cgi\n" % (BINARY, conf))
    script.chmod(0o755)
    stack.nginx.edit("tickstream-pass.conf", "fastcgi_keep_conn on;",
                     "fastcgi_keep_conn on;\nfastcgi_param SCRIPT_FILENAME %s;" % script)
    stack.redis.start()
    runner = Server(stack.folder / "fcgiwrap.log")
    runner.spawn(["fcgiwrap", "-c", "4", "-s", "unix:%s" % stack.program.socket], env=clean_environment({}),
                 start_new_session=True)        # a group, since its children outlive it
    try:
        wait_for(stack.program.socket.exists, "fcgiwrap listens")
        stack.nginx.start()
        assert stack.post(payload()).document() == result(accepted=1)
        run_all_cases(stack, "--mode", "signed", "--secret", SECRET,
                      "--cases", cases_without("http-signature-twice", stack.folder))
    finally:
        os.killpg(runner.pid, signal.SIGTERM)
        runner.stop()


def cases_without(name, folder):
    """All cases but one, in a file of their own beside the bodies."""
    lines = (DATA / "cases.jsonl").read_text().splitlines(True)
    kept = [line for line in lines if json.loads(line)["name"] != name]
    assert len(kept) == len(lines) - 1
    for kind in "json", "xml", "form":
        (folder / kind).symlink_to(DATA / kind)
    (folder / "cases.jsonl").write_text("".join(kept))
    return folder / "cases.jsonl"
