"""What nginx itself promises: what is in no log, how much one client may have, what goes around TLS, who is a relay."""
import base64
import contextlib
import pathlib
import re
import resource
import socket
import subprocess

import pytest

from bodies import payload, result, status
from stack import HOOK, TIMEOUT, TOKEN, TOP, Client, signature, wait_for
from test_http import check_problem, make_certificate, raw, tls_socket

QUERY = "?hub.mode=subscribe&hub.challenge=1&hub.verify_token=" + TOKEN


def request(method, path, *headers, host="a"):
    return "\r\n".join(["%s %s HTTP/1.1" % (method, path), "Host: " + host, *headers, "Connection: close", "", ""]).encode()


def ask(port, *what, **how):
    return raw(port, request(*what, **how))


def make_tls_stack(make_stack, mutual, **settings):
    """nginx with tls.conf, and mtls.conf when mutual; returns the stack, not started, and the port of TLS."""
    stack = make_stack(start=False, **settings)
    tls = stack.nginx.folder / "tls"
    tls.mkdir()
    make_certificate(tls, "server")
    if mutual:
        make_certificate(tls, "client-ca", subject="/CN=A CA")
        make_certificate(tls, "meta", "client-ca", "/CN=client.webhooks.fbclientcerts.com")
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    subprocess.run([TOP / "tests/tools/nginx-render.sh", stack.nginx.folder, "127.0.0.1:%d" % stack.nginx.port,
                    "unix:%s" % stack.program.socket, "127.0.0.1:%d" % port], check=True)
    return stack, port


# What is in no log

REFUSED = {
    "right": (200, request("GET", HOOK + QUERY)),
    "another spelling": (200, request("GET", HOOK.upper() + "/" + QUERY)),
    "wrong method": (405, request("TRACE", HOOK + QUERY)),
    "too large": (413, request("POST", HOOK + QUERY, "Content-Length: 3145729")),
    "too large in another spelling": (413, request("POST", HOOK.upper() + QUERY, "Content-Length: 3145729")),
    "too large for what is misspelt": (404, request("POST", HOOK + "s" + QUERY, "Content-Length: 3145729")),
    "misspelt": (404, request("GET", "/api/webhook" + QUERY)),
    "too long": (414, request("GET", HOOK + QUERY + "&x=" + "y" * 40000)),
    "no HTTP": (400, request("POST", HOOK + QUERY, "Content-Length: x")),
}


def make_own(nginx):
    """An nginx.conf as Debian's is: whole request lines in its access log, and no size but the defaults."""
    conf = nginx.folder / "nginx.conf"
    head, _, http = conf.read_text().partition("http {")
    temp = "".join(re.findall(r".*_temp_path .*\n", http))
    conf.write_text(head + """http {
        %s access_log "%s/access.log";
        include upstream.conf;
        include problems.conf;
        include relay.conf;
        server { listen %s; include tickstream.conf; }
    }""" % (temp, nginx.folder, nginx.url.rpartition("/")[2]))


@pytest.mark.parametrize("level, own", [("error", False), ("info", False), ("info", True)])
def test_the_token_is_in_no_log(make_stack, level, own):
    """Whatever is wrong with the request, also where an administrator made the logs more talkative."""
    stack = make_stack(start=False)
    stack.nginx.edit("nginx.conf", 'error.log" error;', 'error.log" %s;' % level)
    if own:
        make_own(stack.nginx)
    stack.start()
    for name, (code, sent) in REFUSED.items():
        answer = raw(stack.nginx.port, sent)
        assert answer[0] in (code, 413), name
        if code >= 400:
            check_problem(*answer, False)
    stack.program.stop()
    assert ask(stack.nginx.port, "GET", HOOK + QUERY)[0] == 503
    check_logs(stack)


def test_the_token_is_in_no_log_after_mtls(make_stack):
    stack, port = make_tls_stack(make_stack, True)
    stack.nginx.edit("nginx.conf", 'error.log" error;', 'error.log" info;')
    stack.start()
    tls = stack.nginx.folder / "tls"
    for sent in request("GET", HOOK + QUERY), request("POST", HOOK + QUERY, "Content-Length: 3145729"):
        assert raw_tls(port, tls, sent) == 403                            # without a certificate
    assert raw_tls(port, tls, request("GET", HOOK + QUERY), "server") == 403  # and with one of another CA
    check_logs(stack)


def raw_tls(port, folder, sent, client=None):
    with tls_socket(port, folder, client) as s:
        s.sendall(sent)
        return int(s.recv(64).split()[1])


def check_logs(stack):
    stack.nginx.stop()
    logs = [p for p in stack.folder.rglob("*.log") if p.is_file()]
    assert any(b"/api/webhook/whatsapp" in p.read_bytes() for p in logs)
    assert [str(p) for p in logs if TOKEN.encode() in p.read_bytes()] == []


@pytest.mark.parametrize("path", [HOOK, HOOK.upper() + "/"])
def test_what_happens_to_a_post_is_in_the_error_log(make_stack, path):
    stack = make_stack()
    stack.program.stop()
    assert ask(stack.nginx.port, "POST", path, "Content-Length: 0")[0] == 503
    wait_for(lambda: "connect() to unix:" in stack.nginx.error_log(), "nginx says why")


# TLS

@pytest.mark.parametrize("mutual", [False, True], ids=["TLS", "mTLS"])
def test_nothing_goes_around_tls(make_stack, mutual):
    stack, _ = make_tls_stack(make_stack, mutual)
    stack.start()
    body = payload(status("wamid.plain"))
    for path in HOOK, HOOK.upper(), HOOK + "/":
        answer = raw(stack.nginx.port, request("POST", path, "Content-Type: application/json",
                                               "X-Hub-Signature-256: " + signature(body),
                                               "Content-Length: %d" % len(body)) + body)
        assert answer[0] == 404
        check_problem(*answer, False)
        assert ask(stack.nginx.port, "GET", path + QUERY)[0] == 404
    assert stack.entries() == []
    for path in "/livez", "/readyz", "/metrics":
        assert stack.get(path).status == 200


# How much one client may have

def open_files(least):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < least:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, least), hard))


def begin_post(port, announced, sent):
    s = socket.create_connection(("127.0.0.1", port), TIMEOUT)
    s.sendall(request("POST", HOOK, "Content-Length: %d" % announced, "Content-Type: application/json") + b" " * sent)
    return s


def test_one_client_has_a_limit(make_stack):
    stack = make_stack(start=False)
    stack.nginx.edit("tickstream-probes.conf", "limit_conn tickstream_clients 1024;", "limit_conn tickstream_clients 3;")
    stack.start()
    with contextlib.ExitStack() as held:
        def one_more(path):
            """nginx may still count a request that has been answered, and refuse one that was to be held."""
            held.enter_context(begin_post(stack.nginx.port, 100, 1))
            answer = ask(stack.nginx.port, "GET", path)
            return answer[0] == 429 and answer
        answer = wait_for(lambda: one_more("/livez"), "429")
        check_problem(*answer, False)
        assert answer[1]["retry-after"].isdigit()
        wait_for(lambda: one_more(HOOK + QUERY), "429 of the webhook too")
    wait_for(lambda: ask(stack.nginx.port, "GET", HOOK + QUERY)[0] == 200, "room again")
    check_logs(stack)


@pytest.mark.parametrize("list_name", ["balancer", "relay_address"])
def test_balancers_and_relays_have_none(make_stack, list_name):
    stack = make_stack(start=False)
    stack.nginx.edit("tickstream-probes.conf", "limit_conn tickstream_clients 1024;", "limit_conn tickstream_clients 3;")
    stack.nginx.edit("relay.conf", "geo $tickstream_%s {\n    default 0;" % list_name,
                     "geo $tickstream_%s {\n    default 0;\n    127.0.0.1 1;" % list_name)
    stack.start()
    with contextlib.ExitStack() as held:
        for _ in range(8):
            held.enter_context(begin_post(stack.nginx.port, 100, 1))
        for _ in range(20):
            assert ask(stack.nginx.port, "GET", "/livez")[0] == 200


@pytest.mark.release_only
def test_500_posts_at_a_time_from_one_address(stack):
    open_files(2048)
    clients = [stack.client() for _ in range(500)]
    for i, client in enumerate(clients):
        client.send_post(payload(status("wamid.%d" % i)))
    assert [c.receive().status for c in clients] == [200] * 500
    for client in clients:
        client.close()
    assert len(stack.entries()) == 500


@pytest.mark.release_only
def test_a_body_that_does_not_come_takes_little_memory(stack):
    """200 clients with a megabyte each: on disk, not in nginx's memory."""
    before = nginx_memory(stack)
    with contextlib.ExitStack() as held:
        for _ in range(200):
            held.enter_context(begin_post(stack.nginx.port, 1048576, 1000000))
        wait_for(lambda: bytes_in_files(stack) > 200 * 700000, "bodies in files")
        assert nginx_memory(stack) - before < 200 * 256 << 10


def nginx_workers(stack):
    children = pathlib.Path("/proc/%d/task/%d/children" % (stack.nginx.pid, stack.nginx.pid))
    return [pathlib.Path("/proc") / pid for pid in children.read_text().split()]


def nginx_memory(stack):
    """Bytes that nginx's processes have to themselves."""
    return sum(int(re.search(r"RssAnon:\s*(\d+)", (p / "status").read_text())[1]) << 10 for p in nginx_workers(stack))


def bytes_in_files(stack):
    """Of bodies that are being received: files without a name."""
    return sum(fd.stat().st_size for p in nginx_workers(stack) for fd in (p / "fd").iterdir()
               if "temp-client_body" in str(fd.readlink()))


def test_a_sender_that_stalls_is_reset(make_stack):
    stack = make_stack(start=False)
    stack.nginx.edit("nginx.conf", "client_body_timeout 15s;", "client_body_timeout 1s;")
    stack.start()
    with begin_post(stack.nginx.port, 100, 1) as s, pytest.raises(ConnectionResetError):
        assert s.recv(1) != b""
        raise AssertionError("it was closed in order")


# Methods and problems

@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/readyz?verbose"])
def test_head_of_a_probe(stack, path):
    def without_numbers(headers):
        return {k: re.sub(r"\d+", "0", v) for k, v in headers.items() if k not in ("x-request-id", "date")}
    for _ in range(2):
        code, headers, body = raw(stack.nginx.port, request("HEAD", path))
        wanted = ask(stack.nginx.port, "GET", path)
        assert (code, body) == (200, b"") and without_numbers(headers) == without_numbers(wanted[1])
        assert path.startswith("/metrics") or headers["content-length"] == wanted[1]["content-length"]
    with stack.client() as client:                      # the connection is as good as before
        client.send("HEAD", path)
        assert client.receive().body == b""
        assert client.get("/livez").body == b"ok\n"


ALLOWED = {HOOK: "GET, POST", HOOK.upper() + "/": "GET, POST", "/livez": "GET, HEAD", "/readyz": "GET, HEAD",
           "/metrics": "GET, HEAD"}


@pytest.mark.parametrize("path", ALLOWED)
def test_allow_tells_the_truth(stack, path):
    """Whether a worker refuses the method, or nginx itself, as it does TRACE."""
    for method in "PUT", "DELETE", "OPTIONS", "TRACE":
        answer = ask(stack.nginx.port, method, path)
        assert (answer[0], answer[1]["allow"]) == (405, ALLOWED[path]), method
        check_problem(*answer, False)
    for method in "GET", "POST", "HEAD":
        wanted = method in ALLOWED[path].split(", ")
        assert (ask(stack.nginx.port, method, path, "Content-Length: 0")[0] != 405) == wanted, method


def test_nothing_is_allowed_where_there_is_nothing(stack):
    assert ask(stack.nginx.port, "TRACE", "/other")[1]["allow"] == ""


def test_one_title_for_one_type():
    text = (TOP / "nginx/problems.conf").read_text()
    words, titles = (dict(re.findall(r'(?m)^    (\S+) +"?(.*?)"?;$',
                                     re.search(r"map \$status \$tickstream_%s \{(.*?)\}" % name, text, re.S)[1]))
                     for name in ("word", "title"))
    assert set(words) == set(titles)
    assert len(set(words.values())) == len(set(titles.values())) == len(words)
    rows = re.findall(r'\{(\d+), STR_INIT\("(.*?)"\), PROBLEM\("(.*?)"\)', (TOP / "handler/http/status.c").read_text())
    for number, title, word in rows:
        assert number not in words or (words[number], titles[number]) == (word, title)


def test_types_of_nginx_alone(stack):
    for code, word, sent in [
            (414, "uri-too-long", request("GET", "/" + "x" * 40000)),
            (431, "headers-too-large", request("GET", HOOK, "X-A: " + "x" * 40000)),
            (501, "not-implemented", request("POST", HOOK, "Transfer-Encoding: xchunked")),
            (505, "http-version-not-supported", request("GET", HOOK).replace(b"HTTP/1.1", b"HTTP/2.0"))]:
        answer = raw(stack.nginx.port, sent)
        assert answer[0] == code
        check_problem(*answer, False)
        assert b"urn:tickstream:problem:%s\"" % word.encode() in answer[2]


def test_probes_that_tell_something_are_private(make_stack):
    stack = make_stack(start=False)
    stack.nginx.edit("tickstream-probes.conf", "allow 127.0.0.0/8;", "allow 127.0.0.2;")
    stack.has_redis = False
    stack.redis.start()
    stack.start()
    assert [stack.get(p).status for p in ("/livez", "/readyz", "/readyz?verbose", "/metrics")] == [200, 403, 403, 403]


@pytest.mark.parametrize("first, second", [("good", ""), ("", "good"), ("good", "good"), ("", ""), ("good", "sha256=0")])
def test_a_repeated_signature(stack, first, second):
    body = payload(status("wamid.twice"))
    headers = ["X-Hub-Signature-256: " + (signature(body) if h == "good" else h) for h in (first, second)]
    answer = raw(stack.nginx.port, request("POST", HOOK, *headers, "Content-Type: application/json",
                                           "Content-Length: %d" % len(body)) + body)
    assert answer[0] == 401
    assert stack.entries() == []


# Relays

RELAY = "192.0.2.10"
KEY = "32Letters-and-digits.of+a/provider"
PASSWORD = "a password of a relay"


def take_comment_off(nginx, line, becomes=None):
    nginx.edit("relay.conf", "# " + line, becomes or line)


def use_addresses(nginx):
    """The list of relays names one address; set_real_ip_from the only one that the tests can come from."""
    take_comment_off(nginx, "192.0.2.10 1;")
    take_comment_off(nginx, "set_real_ip_from 192.0.2.1;", "set_real_ip_from 127.0.0.1;")
    take_comment_off(nginx, "real_ip_header X-Forwarded-For;")


def use_password(nginx):
    take_comment_off(nginx, "~. relay;")
    made = subprocess.run(["openssl", "passwd", "-5", PASSWORD], capture_output=True, text=True, check=True)
    (nginx.folder / "relay.htpasswd").write_text("relay:" + made.stdout)


def use_header(nginx):
    take_comment_off(nginx, '"~^PUT-32-OR-MORE-LETTERS-AND-DIGITS-HERE$" 1;', '"~^%s$" 1;' % re.escape(KEY))


def basic(user, password):
    return "Basic " + base64.b64encode(("%s:%s" % (user, password)).encode()).decode()


WAYS = {
    "nobody": (lambda nginx: None, [], [
        {}, {"X-Forwarded-For": RELAY}, {"Authorization": basic("relay", PASSWORD)}, {"X-Relay-Key": KEY},
        {"Tickstream-Signature": "optional"}, {"TICKSTREAM_SIGNATURE": "optional"}]),
    "an address behind a balancer": (use_addresses, [
        {"X-Forwarded-For": RELAY}, {"X-Forwarded-For": "198.51.100.7, " + RELAY}], [
        {}, {"X-Forwarded-For": RELAY + ", 198.51.100.7"}, {"X-Real-IP": RELAY}, {"Forwarded": "for=" + RELAY},
        {"X-Forwarded-For": RELAY + "0"}, {"X-Forwarded-For": ""}]),
    "an address": (lambda nginx: take_comment_off(nginx, "192.0.2.10 1;"), [], [
        {}, {"X-Forwarded-For": RELAY}, {"X-Real-IP": RELAY}]),
    "a password": (use_password, [
        {"Authorization": basic("relay", PASSWORD)}], [
        {}, {"Authorization": basic("relay", PASSWORD.upper())}, {"Authorization": basic("relay", "")},
        {"Authorization": basic("", "")}, {"Authorization": basic("other", PASSWORD)}, {"Authorization": "Basic"},
        {"Authorization": "Bearer relay"}, {"Authorization": ""}]),
    "a header": (use_header, [
        {"X-Relay-Key": KEY}], [
        {}, {"X-Relay-Key": KEY.upper()}, {"X-Relay-Key": KEY + "x"}, {"X-Relay-Key": "x" + KEY}, {"X-Relay-Key": KEY[:-1]},
        {"X-Relay-Key": ""}, {"X_Relay_Key": KEY}, {"Relay-Key": KEY}]),
}


@pytest.mark.parametrize("way", WAYS)
def test_relays(make_stack, way):
    """Who is one, and who would like to be one."""
    prepare, good, bad = WAYS[way]
    stack = make_stack(start=False, trust_relay="true")
    prepare(stack.nginx)
    stack.start()
    with stack.client() as client:
        for i, headers in enumerate(good):
            body = payload(status("wamid.%d" % i))
            assert client.post(body, sign=False, headers=headers).document() == result(accepted=1), headers
            assert client.post(b"{", sign=False, headers=headers).document()["quarantined"] + i == 1  # kept, as if signed
            wrong = {**headers, "X-Hub-Signature-256": signature(body, "another secret")}
            assert client.post(body, sign=False, headers=wrong).status == 401
        for headers in bad:
            answer = client.post(payload(status("wamid.bad")), sign=False, headers=headers)
            assert answer.status == 401, headers
            check_problem(401, {k.lower(): v for k, v in answer.headers}, answer.body, False)
        # Meta signs, and is asked for nothing else.
        assert client.post(payload(status("wamid.meta"))).document() == result(accepted=1)
        assert client.get(HOOK + QUERY).body == b"1"
    assert [e["id"] for e in stack.entries()] == ["wamid.%d" % i for i in range(len(good))] + ["wamid.meta"]


def test_relays_are_not_trusted_by_default(make_stack):
    stack = make_stack(start=False)
    use_header(stack.nginx)
    stack.start()
    assert stack.post(payload(), sign=False, headers={"X-Relay-Key": KEY}).status == 401


def test_a_relay_by_certificate(make_stack):
    stack, port = make_tls_stack(make_stack, False, trust_relay="true")
    tls = stack.nginx.folder / "tls"
    make_certificate(tls, "relay-ca", subject="/CN=A CA")
    names = {"relay": "/O=An organisation/CN=relay.example.com", "longer": "/CN=relay.example.com.evil.example",
             "hidden": "/O=x,CN=relay.example.com/CN=evil"}
    for name, subject in names.items():
        make_certificate(tls, name, "relay-ca", subject)
    make_certificate(tls, "stranger", subject="/CN=relay.example.com")
    take_comment_off(stack.nginx, '"~^SUCCESS:')
    stack.nginx.edit("tls.conf", "    # include mtls.conf;",
                     'ssl_client_certificate "%s/relay-ca.pem"; ssl_verify_client optional;' % tls)
    stack.start()
    body = payload(status("wamid.certificate"))
    sent = request("POST", HOOK, "Content-Type: application/json", "Content-Length: %d" % len(body)) + body
    codes = {name: raw_tls(port, tls, sent, name) for name in [None, "relay", "longer", "hidden", "stranger"]}
    assert codes == {None: 401, "relay": 200, "longer": 401, "hidden": 401, "stranger": 403}
    assert len(stack.entries()) == 1
