"""tickstream doctor: all is well; and each thing that can be wrong is named, with what mends it."""
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from bodies import payload, status
from cluster import Cluster
from ports import Port
from replicas import Sentinels
from stack import BINARY, ONCE, QUARANTINE, REPEAT, SECRET, STREAM, TIMEOUT, TOKEN, TOP, WRAP, clean_environment
from test_http import make_certificate

CHECKS = ["settings", "secrets", "files", "nginx", "workers", "redis", "version", "partitions", "posts", "rights", "durability", "fsync",
          "memory", "rate", "replicas", "clock", "moving", "groups", "quarantine", "host"]
OF_URL = ["name", "certificate", "handshake", "signature", "unsigned", "body", "latency", "time"]
WELL = {"workers": 1, "trim": "acked", "trim_keep": "1h", "dedupe_window": "1h", "require_durable": "true"}
SHORT = "2s"        # of REDIS_TIMEOUT, and so of what a server that hangs may cost


class Doctor:
    """What he has found."""

    def __init__(self, done):
        self.done, self.status = done, done.returncode
        self.findings = json.loads(done.stdout)

    def grades(self, check):
        return {f["grade"] for f in self.findings if f["check"] == check}

    def worse(self, *but):
        """Warnings and failures, as texts."""
        return ["%(grade)s %(check)s: %(what)s" % f for f in self.findings
                if f["grade"] in ("warn", "fail") and f["check"] not in but]

    def assert_says(self, check, grade, what, remedy):
        found = [f for f in self.findings if f["check"] == check and f["grade"] == grade and re.search(what, f["what"])]
        assert found, "%s %s %r is not among\n%s" % (grade, check, what, self.done.stdout)
        assert re.search(remedy, found[0]["remedy"]), found[0]
        assert (self.status, self.done.stderr.count("\n")) == ((1, 1) if "fail" in self.all_grades() else (0, 0))

    def all_grades(self):
        return {f["grade"] for f in self.findings}


def call(settings, *arguments):
    env = clean_environment({"TICKSTREAM_" + k.upper(): str(v) for k, v in settings.items() if v is not None})
    done = subprocess.run([*WRAP, str(BINARY), "doctor", *map(str, arguments)], env=env, capture_output=True, text=True,
                          timeout=TIMEOUT, check=False)
    assert SECRET not in done.stdout + done.stderr and TOKEN not in done.stdout + done.stderr
    return done


def examine(stack, *arguments, url="", **settings):
    """As the program's user would, with the settings of the stack; these come first. url: the path, None: without nginx."""
    urls = [] if url is None else [stack.nginx.url + url]
    return Doctor(call({**stack.program.settings, **settings}, "--json", "--nginx", stack.nginx.folder, *arguments, *urls))


def make_well(make_stack, start=True, **settings):
    """A stack of which the doctor has nothing to say."""
    stack = make_stack(start=False, aof=True, **{**WELL, **settings})
    stack.redis.options += ["--maxmemory", "200mb"]
    stack.program.expects("trim: nothing is removed .*")   # from where a test takes the group away
    stack.redis.start()
    stack.redis("XGROUP", "CREATE", STREAM, "billing", "0", "MKSTREAM")
    return stack.start() if start else stack


@pytest.mark.core
def test_all_is_well(make_stack):
    stack = make_well(make_stack)
    assert stack.post(payload(status())).status == 200
    doctor = examine(stack, "--rate", 10, url="/api/webhook/whatsapp")
    assert list(dict.fromkeys(f["check"] for f in doctor.findings)) == CHECKS + OF_URL
    assert doctor.worse("host") == [] and doctor.status == 0 and doctor.done.stderr == ""
    assert all(doctor.grades(check) == {"ok"} for check in CHECKS + OF_URL if check not in ("host", "certificate")), doctor.done.stdout
    assert len(stack.entries()) == 1 and stack.quarantine() == []


def test_the_text_is_what_the_findings_say(make_stack):
    stack = make_well(make_stack)
    done = call(stack.program.settings, "--nginx", stack.nginx.folder, stack.nginx.url)
    lines = done.stdout.splitlines()
    named = [re.fullmatch(r"(ok|note|warn|fail)\s+(\w+)\s+(.+)", line) for line in lines]
    assert list(dict.fromkeys(m[2] for m in named if m)) == CHECKS + OF_URL and done.returncode == 0
    assert re.fullmatch(r"\d+ ok, \d+ notes, \d+ warnings, 0 failures", lines[-1])


# Settings

@pytest.mark.parametrize("settings, check, grade, what, remedy", [
    ({"app_secret": "too short"}, "secrets", "warn", "APP_SECRET: one has fewer than 16", "app secret that the sender"),
    ({"app_secret": SECRET + " "}, "secrets", "warn", "APP_SECRET: one has blanks", "remove the blanks"),
    ({"app_secret": "tickstream-demo-secret"}, "secrets", "warn", "APP_SECRET: one is that of the demo", "app secret"),
    ({"app_secret": None, "allow_unsigned": "true"}, "secrets", "warn", "ALLOW_UNSIGNED", "ALLOW_UNSIGNED to false"),
    ({"verify_token": "tickstream-demo-token"}, "secrets", "warn", "VERIFY_TOKEN: one is that of the demo", "openssl rand"),
    ({"verify_token": None}, "secrets", "warn", "VERIFY_TOKEN: there is none", "set VERIFY_TOKEN"),
    ({"trim": "off"}, "settings", "warn", "TRIM=off", "TRIM=acked"),
    ({"listen": "127.0.0.1:1"}, "workers", "warn", "no worker answers", "systemctl status"),
    ({"redis_timeout": "9s"}, "nginx", "warn", "nginx waits 8000 ms", "fastcgi_read_timeout"),
    ({"max_body": "4MiB"}, "nginx", "warn", "more than 3145728 bytes", "client_max_body_size"),
    ({"stream_partitions": "4"}, "partitions", "fail", "made with 1 partitions", "back"),
    ({"redis_ack": "replicas:1"}, "replicas", "fail", "wants 1 replicas, and 0", "REDIS_ACK"),
    ({"redis_url": "redis://127.0.0.1:1"}, "redis", "fail", "refused", "whether Redis runs"),
    ({"trim_groups": "billing,audit"}, "groups", "fail", "the group audit of TRIM_GROUPS is missing", "--create"),
])
def test_settings(make_stack, settings, check, grade, what, remedy):
    stack = make_well(make_stack)
    if "stream_partitions" in settings:
        stack.redis("SET", "{%s}:partitions" % STREAM, "1")
    examine(stack, url=None, **settings).assert_says(check, grade, what, remedy)


def test_files_that_others_may_read(make_stack, folder):
    stack = make_well(make_stack)
    for name, mode in ("secret", 0o644), ("token", 0o600):
        (folder / name).write_text(SECRET)
        (folder / name).chmod(mode)
    doctor = examine(stack, url=None, app_secret=None, app_secret_file=folder / "secret", verify_token=None,
                     verify_token_file=folder / "token")
    doctor.assert_says("files", "warn", "read %s/secret, which holds APP_SECRET" % folder, "chmod 600 %s/secret" % folder)
    doctor.assert_says("files", "ok", "%s/token is kept from others" % folder, "")


@pytest.mark.parametrize("window, repeats, grade, what, remedy", [
    ("24h", REPEAT, "ok", "nginx repeats", ""), ("24h", ONCE, "note", "does not repeat", ""),
    ("0", REPEAT, "fail", "stored twice", ONCE), ("0", ONCE, "ok", "does not repeat", ""),
    ("0", None, "warn", "stored twice then", "--nginx"), ("24h", None, "note", "not looked at", "")])
def test_repetition(make_stack, window, repeats, grade, what, remedy):
    stack = make_stack(start=False, nginx=False, **WELL)
    stack.redis.start()
    stack.program.start()
    stack.start_nginx()
    place = stack.folder / "nginx"
    place.mkdir()
    if repeats:
        (place / "tickstream-pass.conf").write_text((TOP / "nginx/tickstream-pass.conf").read_text().replace(REPEAT, repeats))
        (place / repeats).write_text((TOP / "nginx" / repeats).read_text())
    arguments = ["--nginx", place] if repeats else []
    doctor = Doctor(call({**stack.program.settings, "dedupe_window": window}, "--json", *arguments))
    doctor.assert_says("nginx", grade, what, remedy)


def test_a_place_of_nginx_that_is_not_there():
    doctor = Doctor(call({"app_secret": SECRET, "redis_url": "redis://127.0.0.1:1"}, "--json", "--nginx", "/nowhere"))
    doctor.assert_says("nginx", "fail", "No such file", "that nginx reads")


# Redis

def fill(redis, percent):
    most = 200 << 20
    while int(re.search(rb"used_memory:(\d+)", redis("INFO", "memory"))[1]) < most * percent // 100:
        redis("APPEND", "ballast", b"x" * (4 << 20))


def fill_quarantine(redis):
    redis("XADD", QUARANTINE, "*", "raw", b"x" * (21 << 20))


def make_a_group_hold(redis):
    redis("XADD", STREAM, "1-1", "f", "v")
    redis("XREADGROUP", "GROUP", "billing", "me", "COUNT", 1, "STREAMS", STREAM, ">")


@pytest.mark.parametrize("change, check, grade, what, remedy", [
    (["CONFIG", "SET", "appendonly", "no"], "durability", "fail", "appendonly is no", "CONFIG SET appendonly yes"),
    (["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"], "durability", "fail", "allkeys-lru", "maxmemory-policy noeviction"),
    (["CONFIG", "SET", "appendfsync", "everysec"], "fsync", "warn", "last second or two", "appendfsync always"),
    (["CONFIG", "SET", "maxmemory", "0"], "memory", "warn", "maxmemory is 0", "CONFIG SET maxmemory"),
    (["CONFIG", "SET", "maxmemory", "1mb"], "posts", "fail", "OOM", "maxmemory is reached"),
    (["CONFIG", "SET", "maxmemory", "12mb"], "rate", "fail", "statuses a second are carried, not 1000|no rate is carried", "raise maxmemory"),
    (["DEL", STREAM], "groups", "warn", "no group reads it, so nothing is removed", "groups --create"),
    (["SET", STREAM, "x"], "posts", "fail", "WRONGTYPE", "something else than a stream"),
    (lambda redis: fill(redis, 81), "memory", "warn", "8. % of maxmemory", "raise maxmemory"),
    (lambda redis: fill(redis, 96), "memory", "fail", "9. % of maxmemory", "raise maxmemory"),
    (fill_quarantine, "quarantine", "warn", "1 entries take .* more than a tenth", "QUARANTINE_KEEP"),
    (make_a_group_hold, "groups", "warn", "the group billing holds the stream.*1 pending", "XGROUP DESTROY"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_redis(make_stack, change, check, grade, what, remedy):
    stack = make_well(make_stack, start=False)
    stack.redis("DEL", STREAM) if isinstance(change, list) and change[0] == "SET" else None
    change(stack.redis) if callable(change) else stack.redis(*change)
    examine(stack, "--rate", 1000, url=None).assert_says(check, grade, what, remedy)


@pytest.mark.parametrize("count", [0, 3000])
def test_the_rate_is_that_of_size(make_stack, count):
    stack = make_well(make_stack, start=False)
    stack.redis("EVAL", "for i = 1, %d do redis.call('XADD', KEYS[1], '*', 'f', ('x'):rep(300)) redis.call('SADD', KEYS[2], i) end" % count,
                2, STREAM, "{%s}:seen:0" % STREAM)
    size = subprocess.run([*WRAP, str(BINARY), "size"], env=stack.program.environment(), capture_output=True, text=True, check=True).stdout
    carried = int(re.search(r"Carries ([\d,]+) statuses/s", size)[1].replace(",", ""))
    [rate] = [f for f in examine(stack, url=None).findings if f["check"] == "rate"]
    told = int(re.match(r"([\d,]+) statuses a second", rate["what"])[1].replace(",", ""))
    assert abs(told - carried) <= 1 and carried > 10, (rate, size)


def test_redis_before_its_time(make_stack, make_clock):
    """TIME is against ours; what is too far apart is told."""
    stack = make_stack(start=False, aof=True, **WELL)
    stack.redis.clock = make_clock()
    stack.redis.clock.set(3700)
    stack.redis.start()
    examine(stack, url=None).assert_says("clock", "warn", "Redis' clock is 1 h .* ahead of ours", "NTP")


def acl_line(stack):
    return subprocess.run([*WRAP, str(BINARY), "acl"], env=stack.program.environment(), capture_output=True, text=True,
                          check=True).stdout.split()


RIGHTS = ["+evalsha", "+eval", "+script|load", "+xadd", "+set", "+type", "+get", "+time", "+smismember", "+sadd", "+unlink", "+pexpire", "+xtrim",
          "+xrange", "+xlen", "+xpending", "+xinfo|stream", "+xinfo|groups", "+xinfo|consumers", "+memory|usage", "+scard", "+info", "+role",
          "+client|setname"]


def test_each_right_that_is_missing_is_named(make_stack):
    """With all that acl grants nothing is missing; without one of them that one is named."""
    stack = make_well(make_stack, start=False)
    words = [w.strip('"') for w in acl_line(stack)]
    assert [w for w in words if w[0] == "+"] == RIGHTS
    rules = [w for w in words[3:] if w != ">PASSWORD"]
    stack.program.settings["redis_url"] = "unix://tickstream:password@%s" % stack.redis.path
    stack.redis("ACL", "SETUSER", "tickstream", "on", ">password", *rules)
    doctor = examine(stack, url=None)
    assert doctor.worse("host", "workers") == [] and doctor.grades("fsync") == {"note"}
    for right in RIGHTS:
        stack.redis("ACL", "SETUSER", "tickstream", "reset", "on", ">password", *(r for r in rules if r != right))
        doctor = examine(stack, url=None)
        told = [f for f in doctor.findings if f["check"] in ("posts", "rights") and f["grade"] in ("warn", "fail")]
        name = right[1:].partition("|")[0]
        assert any(name in f["what"].lower() and "tickstream acl" in f["remedy"] for f in told), (right, told)


def test_keys_that_are_not_ours(make_stack):
    stack = make_well(make_stack, start=False)
    stack.redis("ACL", "SETUSER", "tickstream", "on", ">password", "~other:*", "+@all")
    doctor = examine(stack, url=None, redis_url="unix://tickstream:password@%s" % stack.redis.path)
    doctor.assert_says("posts", "fail", "a right is missing: NOPERM .*key", "tickstream acl")


def test_a_wrong_password(make_stack):
    stack = make_well(make_stack, start=False)
    doctor = examine(stack, url=None, redis_url="unix://tickstream:hidden-password@%s" % stack.redis.path)
    doctor.assert_says("redis", "fail", "WRONGPASS", "user or its password")
    assert "hidden" not in doctor.done.stdout + doctor.done.stderr
    assert all(doctor.grades(check) == {"note"} for check in ("version", "posts", "rights", "durability", "groups"))


@pytest.mark.release_only
def test_a_server_that_hangs_costs_seconds(make_stack):
    stack = make_well(make_stack)
    stack.redis.kill(signal.SIGSTOP)
    stack.program.expects(r"redis: .*", r"webhook: answered 503: .*")
    began = time.monotonic()
    try:
        doctor = examine(stack, redis_timeout=SHORT, url="")
    finally:
        stack.redis.kill(signal.SIGCONT)
    assert time.monotonic() - began < 15
    doctor.assert_says("redis", "fail", "in time", "whether Redis runs")
    doctor.assert_says("workers", "fail", "with 503", "readyz.verbose")


# A URL

def make_tls(make_stack, clock=None, name="localhost"):
    """A stack with nginx's tls.conf, with a certificate of a CA of ours; the URL of TLS."""
    stack = make_well(make_stack, start=False)
    tls = stack.nginx.folder / "tls"
    tls.mkdir()
    make_certificate(tls, "ca", subject="/CN=a CA of the tests")
    with_clock = {**os.environ, **clock.environment()} if clock else None
    subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=" + name,
                    "-keyout", tls / "server.key", "-out", tls / "server.csr"], check=True, capture_output=True)
    (tls / "ext").write_text("subjectAltName=DNS:%s" % name)
    subprocess.run(["openssl", "x509", "-req", "-in", tls / "server.csr", "-CA", tls / "ca.pem", "-CAkey", tls / "ca.key", "-CAcreateserial",
                    "-days", "20", "-extfile", tls / "ext", "-out", tls / "server.pem"], check=True, capture_output=True, env=with_clock)
    port = Port()
    subprocess.run([TOP / "tests/tools/nginx-render.sh", stack.nginx.folder, "127.0.0.1:%d" % stack.nginx.port,
                    "unix:%s" % stack.program.socket, "127.0.0.1:%s" % port], check=True)
    stack.start()
    return stack, port, tls / "ca.pem"


@pytest.mark.parametrize("days, name, ca, grade, what, remedy", [
    (0, "localhost", True, "ok", "accepted, until 20", ""),
    (-10, "localhost", True, "warn", "ends in (9|10) days", "renew it"),
    (-30, "localhost", True, "fail", "expired; it ends", "renew it"),
    (0, "other.test", True, "fail", "localhost", "for this name"),
    (0, "localhost", False, "fail", "issuer|self.signed", "--ca")], ids=lambda v: str(v))
def test_certificates(make_stack, make_clock, days, name, ca, grade, what, remedy):
    clock = make_clock()
    clock.set(days * 86400)
    stack, port, authority = make_tls(make_stack, clock, name)
    settings = {**stack.program.settings}
    doctor = Doctor(call(settings, "--json", "--nginx", stack.nginx.folder, *["--ca", authority] * ca, "https://localhost:%s" % port))
    port.close()
    doctor.assert_says("certificate", grade, what, remedy)
    assert doctor.grades("handshake") == ({"note"} if grade == "fail" else {"ok"})
    assert doctor.grades("signature") == {"ok"}


@pytest.mark.parametrize("settings, check, grade, what, remedy", [
    ({"app_secret": "another secret of the tests"}, "signature", "fail", r"APP_SECRET is refused \(401\)", "have another secret"),
    ({"verify_token": "another token of the tests"}, "handshake", "fail", r"refused \(403\)", "have other tokens"),
    ({"max_body": "4MiB"}, "body", "fail", "4194304 bytes.*413", "client_max_body_size"),
    ({"max_body": "2MiB"}, "body", "warn", "a byte more", "another MAX_BODY"),
])
def test_settings_that_the_workers_have_not(make_stack, settings, check, grade, what, remedy):
    stack = make_well(make_stack)
    doctor = examine(stack, url="/", **settings)
    doctor.assert_says(check, grade, what, remedy)
    assert [w for w in doctor.worse("host", "nginx") if " %s: " % check not in w] == []     # and nothing besides


def test_one_of_two_secrets(make_stack, folder):
    """While they are rotated each is tried."""
    stack = make_well(make_stack)
    (folder / "secrets").write_text("%s\nanother secret of the tests\n" % SECRET)
    doctor = examine(stack, url="", app_secret=None, app_secret_file=folder / "secrets")
    doctor.assert_says("signature", "ok", "APP_SECRET 1 is accepted", "")
    doctor.assert_says("signature", "fail", "APP_SECRET 2 is refused", "have another secret")


def test_who_needs_no_signature(make_stack):
    stack = make_well(make_stack, start=False, allow_unsigned="true", app_secret=None)
    stack.program.expects("ALLOW_UNSIGNED: .*")
    stack.start()
    examine(stack, url="").assert_says("unsigned", "warn", "ALLOW_UNSIGNED", "set APP_SECRET")


def test_nobody_behind_nginx(make_stack):
    stack = make_well(make_stack)
    stack.program.stop()
    doctor = examine(stack, url="")
    doctor.assert_says("name", "fail", "answers 503: nginx reaches no worker", "upstream.conf")
    doctor.assert_says("workers", "warn", "no worker answers", "systemctl")


@pytest.mark.parametrize("url, what", [("http://127.0.0.1:1", "refused"), ("http://nowhere.invalid", "no address")])
def test_nobody_at_the_url(make_stack, url, what):
    stack = make_well(make_stack, start=False)
    doctor = Doctor(call(stack.program.settings, "--json", url))
    doctor.assert_says("name", "fail", what, "firewall")
    assert all(doctor.grades(check) == {"note"} for check in OF_URL[1:])


def test_another_path(make_stack):
    stack = make_well(make_stack)
    examine(stack, url="/elsewhere").assert_says("name", "fail", "not Tickstream's webhook", "path")


class Liar(http.server.BaseHTTPRequestHandler):
    """Speaks as Tickstream does, an hour ahead of us, takes whatever comes, and is slow once."""

    protocol_version = "HTTP/1.1"
    probes = 0      # small ones that are signed: the first is the one of the signature

    def date_time_string(self, timestamp=None):
        return super().date_time_string(time.time() + 3600)

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(200 if "hub.challenge" in self.path else 400, b'{"type":"urn:tickstream:problem:invalid"}')

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        Liar.probes += "X-Hub-Signature-256" in self.headers and int(self.headers["Content-Length"]) < 100
        if Liar.probes == 5:
            time.sleep(1.05)
        self.answer(200, b'{"accepted":0,"duplicates":0,"quarantined":0,"ignored":0}')

    def log_message(self, *_):
        pass


def test_who_is_slow_and_open_and_late(make_stack):
    stack = make_well(make_stack, start=False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        doctor = Doctor(call(stack.program.settings, "--json", "http://127.0.0.1:%d" % server.server_port))
        server.shutdown()
    doctor.assert_says("handshake", "fail", "without the challenge", "workers")
    doctor.assert_says("unsigned", "warn", "accepted from here", "relay.conf")
    doctor.assert_says("body", "warn", "a byte more", "MAX_BODY")
    doctor.assert_says("latency", "warn", r"at worst 1\d\d\d\.\d\d ms", "LATENCY DOCTOR")
    doctor.assert_says("time", "warn", "its clock is (1 h|59 min).* ahead of ours", "NTP")


@pytest.mark.release_only
def test_a_url_that_hangs_costs_seconds(make_stack):
    stack = make_well(make_stack, start=False)
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        doctor = Doctor(call(stack.program.settings, "--json", "http://127.0.0.1:%d" % silent.getsockname()[1]))
    assert time.monotonic() - began < 10
    doctor.assert_says("name", "fail", "no answer within", "firewall")
    assert all(doctor.grades(check) == {"note"} for check in OF_URL[1:])


# Many servers

@pytest.mark.cluster
def test_a_cluster(folder):
    cluster = Cluster(folder, replicas=0)
    try:
        cluster.start()
        settings = {"app_secret": SECRET, "verify_token": TOKEN, "trim": "acked", "stream_partitions": 8, "redis_url": cluster.url()}
        doctor = Doctor(call(settings, "--json"))
        assert doctor.status == 0 and list(dict.fromkeys(f["check"] for f in doctor.findings)) == CHECKS
        doctor.assert_says("replicas", "warn", "no replica is online", "a replica")
        [posts] = [f for f in doctor.findings if f["check"] == "posts"]
        assert (posts["grade"], posts["more"]) == ("ok", 7)
        owner = cluster.owner_of(STREAM + ":0")
        owner("CONFIG", "SET", "cluster-node-timeout", "1")
        owner("EVAL", "for i = 1, 2000 do redis.call('SADD', KEYS[1], i) end", 1, "{%s:0}:seen:0" % STREAM)
        Doctor(call(settings, "--json")).assert_says("moving", "warn", r"2,00\d digests.*about 3 ms", "cluster-node-timeout")
        owner("CONFIG", "SET", "cluster-node-timeout", "500")
        owner.stop(signal.SIGKILL)
        doctor = Doctor(call(settings, "--json"))
        doctor.assert_says("redis", "fail", "refused|no node", "whether Redis runs")
        assert "ok" in doctor.grades("posts")
    finally:
        cluster.stop()


@pytest.mark.cluster
def test_sentinels(folder):
    it = Sentinels(folder / "redis")
    try:
        it.start()
        settings = {"app_secret": SECRET, "verify_token": TOKEN, "trim": "acked", "redis_ack": "replicas:2", "redis_url": it.url()}
        doctor = Doctor(call(settings, "--json"))
        assert doctor.status == 0
        doctor.assert_says("replicas", "warn", "REDIS_ACK=replicas:2 wants all of the 2", "one replica more")
        replica = next(m for m in it.group.members() if m.role() != "master")
        doctor = Doctor(call({**settings, "redis_url": replica.url()}, "--json"))
        doctor.assert_says("redis", "fail", "is a slave, not a master", "REDIS_URL")
        doctor = Doctor(call({**settings, "redis_url": "redis+sentinel://127.0.0.1:1/mymaster"}, "--json"))
        doctor.assert_says("redis", "fail", "no sentinel answers", "whether Redis runs")
    finally:
        it.stop()
