"""Real servers for one scenario: Redis, the program, and nginx with the shipped configuration, in a private directory.

TICKSTREAM_BUILD  directory of the program (build/gcc-release)
TICKSTREAM_WRAP   what to run it under, such as "valgrind -q --error-exitcode=99 --trace-children=yes"
TICKSTREAM_REDIS_SERVER  another redis-server or valkey-server than that of PATH
"""
import http.client
import os
import pathlib
import re
import resource
import shlex
import signal
import socket
import struct
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/data"))
import run_cases  # noqa: E402  its Redis client and signature are ours too

os.environ["PATH"] += ":/usr/local/sbin:/usr/sbin:/sbin"   # nginx lies where only root's PATH leads

BUILD = TOP / os.environ.get("TICKSTREAM_BUILD", "build/gcc-release")
BINARY = BUILD / "tickstream"
WRAP = shlex.split(os.environ.get("TICKSTREAM_WRAP", ""))
REDIS_SERVER = shlex.split(os.environ.get("TICKSTREAM_REDIS_SERVER", "redis-server"))
SANITIZED = BUILD.name.endswith("-asan")
SLOWNESS = 20 if WRAP else 10 if SANITIZED else 4     # deadlines are for a machine that is busy with other things
TIMEOUT = 20 * SLOWNESS         # for whatever must happen, soon

SECRET = "a secret of the tests"
TOKEN = "a-verify-token.of-the-tests"
STREAM = "whatsapp:statuses"
QUARANTINE = "{whatsapp:statuses}:quarantine"
REPEAT, ONCE = "tickstream-repeat.conf", "tickstream-once.conf"    # with a dedupe window, without one
HOOK = "/api/webhook/whatsapp"

LOG_LINE = re.compile(r'time=\S+Z level=(\w+) process="([^"]+)" msg="(.*)"')
# What the program may say in any scenario; a test names what else it expects.
ORDINARY = (
    r"ready: \d+ workers on .*", r"DEDUPE_WINDOW is 0: .*", r"redis: connected \(.*\)", r"drain: \d+ connections are open",
    r"redis: maxmemory of \d+ MB carries .*", r"stopping", r"stopped", r"worker \d+ \(pid \d+\) exited with status 0",
    r"webhook: answered 4\d\d: .*", r"handshake: answered 40[03]: .*", r"webhook: quarantined \d+: \w+ \(.*\)",
)


def wait_for(condition, what, timeout=TIMEOUT):
    """Polls until condition() is true, and returns that value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("not within %s s: %s" % (timeout, what))
        time.sleep(0.005)


def is_alive(pid):
    """A zombie, which only its parent can bury, is dead."""
    try:
        return pathlib.Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_stopped(pid):
    """By SIGSTOP."""
    try:
        return pathlib.Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()[0] == "T"
    except (FileNotFoundError, ProcessLookupError):
        return False


def clean_environment(settings):
    """Ours without what would mean something to the program, and with these settings."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("TICKSTREAM_") and k != "NOTIFY_SOCKET"}
    return {"UBSAN_OPTIONS": "print_stacktrace=1", **env, **settings}


class Server:
    """A child process with its output in a file."""

    def __init__(self, log):
        self.log = log
        self.process = None

    def spawn(self, command, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(c) for c in command], stdout=log, stderr=log, **options)

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)

    def stop(self, number=signal.SIGTERM, timeout=TIMEOUT + 30):
        """Ends it and returns its exit status; SIGKILL when it does not listen."""
        if self.is_running():
            self.kill(signal.SIGCONT)
            self.kill(number)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError("%s did not end within %s s" % (self.process.args[0], timeout))
        return self.process.returncode if self.process else None

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Clock:
    """The time of day of a server that is started with it (clock.c), which a test may move at any time."""

    def __init__(self, path, library):
        self.path, self.library = path, library
        self.set(0)

    def set(self, seconds):
        """So far ahead of ours; behind when it is negative."""
        self.seconds = seconds
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)        # in place: it is mapped
        os.pwrite(fd, struct.pack("q", round(seconds * 1e6)), 0)
        os.close(fd)

    def move(self, seconds):
        self.set(self.seconds + seconds)

    def environment(self):
        return {"LD_PRELOAD": str(self.library), "TEST_CLOCK": str(self.path)}


class RedisServer(Server):
    """Called with a command, it answers as run_cases.Redis does."""

    def __init__(self, folder, aof=False):
        super().__init__(folder / "redis.log")
        self.folder, self.path = folder, folder / "redis.sock"
        self.options = ["--appendonly", "yes", "--appendfsync", "always" if aof else "no"]
        self.port = 0                   # none; the unix socket is always there
        self.login = ""                 # of our own client: "user:password"
        self.clock = None               # a Clock, when a test moves it
        self.client = None

    def start(self):
        self.spawn([*REDIS_SERVER, "--port", self.port, "--bind", "127.0.0.1", "--unixsocket", self.path,
                    "--dir", self.folder, "--save", "", "--auto-aof-rewrite-percentage", 0, *self.options],
                   env={**os.environ, **(self.clock.environment() if self.clock else {})})
        wait_for(self.is_ready, "Redis answers PING")

    def start_on_a_port(self):
        """On TCP too; another may take the free port first, then on the next one."""
        for _ in range(20):
            with socket.create_server(("127.0.0.1", 0)) as s:
                self.port = s.getsockname()[1]
            try:
                return self.start()
            except AssertionError:
                if "Address already in use" not in self.log_text():
                    raise
        raise AssertionError("no free port")

    def is_ready(self):
        if not self.is_running():
            raise AssertionError("Redis has ended: " + self.log_text()[-500:])
        try:
            return self("PING") == b"PONG"
        except (OSError, run_cases.RedisError):
            self.client = None
            return False

    def __call__(self, *command):
        self.client = self.client or run_cases.Redis("unix://%s%s" % (self.login and self.login + "@", self.path))
        return self.client(*command)

    def url(self):
        return "unix://%s" % self.path

    def tcp_url(self, login):
        return "redis://%s@127.0.0.1:%d" % (login, self.port)

    def stop(self, number=signal.SIGTERM, timeout=TIMEOUT + 30):
        self.client = None
        return super().stop(number, timeout)


class Program(Server):
    """The master and its workers."""

    def __init__(self, folder, redis_url, settings):
        super().__init__(folder / "tickstream.log")
        self.socket = folder / "tickstream.sock"
        self.settings = {"listen": "unix:%s" % self.socket, "redis_url": redis_url, "workers": "2",
                         "app_secret": SECRET, "verify_token": TOKEN, **settings}
        self.wrap = WRAP
        self.open_files = None          # RLIMIT_NOFILE, when a test sets it
        self.others = {}                # variables of the environment that are no settings
        self.expected = list(ORDINARY)

    def environment(self):
        settings = {"TICKSTREAM_" + k.upper(): str(v) for k, v in self.settings.items() if v is not None}
        return clean_environment({**self.others, **settings})

    def start(self, *arguments, **options):
        limit = self.open_files and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, self.open_files))
        self.spawn([*self.wrap, BINARY, *arguments], env=self.environment(), preexec_fn=limit, **options)

    def is_listening(self):
        if not self.is_running():
            raise AssertionError("the program has ended: " + self.log_text()[-1000:])
        return self.has_logged("ready: ")

    def run(self, *arguments, settings=None, **options):
        """Runs it to its end, as for --check-config; returns the CompletedProcess."""
        env = self.environment() if settings is None else clean_environment(settings)
        return subprocess.run([*WRAP, str(BINARY), *arguments], env=env, capture_output=True, text=True,
                              timeout=TIMEOUT, **options)

    def workers(self):
        """Process ids of those that run."""
        try:
            pids = pathlib.Path("/proc/%d/task/%d/children" % (self.pid, self.pid)).read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            return []
        return [int(p) for p in pids if is_alive(int(p))]

    def messages(self):
        return [m[3] for m in LOG_LINE.finditer(self.log_text())]

    def expects(self, *patterns):
        self.expected += patterns

    def has_logged(self, pattern):
        return any(re.search(pattern, m) for m in self.messages())

    def unexpected_lines(self):
        known = re.compile("(?:%s)(?: \\(and \\d+ more like this\\))?" % "|".join("(?:%s)" % p for p in self.expected))
        for line in self.log_text().splitlines():
            m = LOG_LINE.fullmatch(line)
            if not m or not known.fullmatch(m[3]):
                yield line


class Nginx(Server):
    """The shipped configuration, rendered.  It inherits its listening socket, so that nobody else can have the port."""

    def __init__(self, folder, upstream, repeats=True):
        self.folder = folder / "nginx"
        super().__init__(folder / "nginx.log")
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.listener.setblocking(False)        # nginx leaves that as it is, and must not wait in accept()
        self.port = self.listener.getsockname()[1]
        self.url = "http://127.0.0.1:%d" % self.port
        subprocess.run([TOP / "tests/tools/nginx-render.sh", self.folder, "127.0.0.1:%d" % self.port, upstream],
                       check=True, env={**os.environ, "NGINX_REPEAT": REPEAT if repeats else ONCE})

    def edit(self, file, old, new):
        """For a scenario that would take too long with what is shipped."""
        text = (self.folder / file).read_text()
        assert old in text, "%s has no %r" % (file, old)
        (self.folder / file).write_text(text.replace(old, new))

    def start(self):
        fd = self.listener.fileno()
        self.spawn(["nginx", "-p", self.folder, "-e", self.folder / "error.log", "-c", self.folder / "nginx.conf",
                    "-g", "daemon off;"], pass_fds=[fd], env={**os.environ, "NGINX": "%d;" % fd})
        # A connection would wait in our own socket's queue: only an answer tells that nginx serves.
        wait_for(self.answers, "nginx answers")
        self.listener.close()

    def answers(self):
        if not self.is_running():
            raise AssertionError("nginx has ended: " + self.log_text()[-500:])
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as s:
                s.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return s.recv(1) == b"H"
        except OSError:
            return False

    def error_log(self):
        return (self.folder / "error.log").read_text(errors="replace")


class Client:
    """One kept-alive connection to nginx."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)

    def send(self, method, path, body=None, headers=()):
        self.connection.request(method, path, body, dict(headers))

    def receive(self):
        response = self.connection.getresponse()
        return run_cases.Answer(response.status, response.getheaders(), response.read())

    def send_post(self, body, sign=True, kind="application/json", headers=(), secret=SECRET):
        sent = {"Content-Type": kind, **dict(headers)}
        if sign:
            sent["X-Hub-Signature-256"] = signature(body, secret)
        self.send("POST", HOOK, body, {k: v for k, v in sent.items() if v is not None})

    def post(self, body, **how):
        self.send_post(body, **how)
        return self.receive()

    def get(self, path, headers=()):
        self.send("GET", path, headers=headers)
        return self.receive()

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def signature(body, secret=SECRET):
    return "sha256=" + run_cases.mac(secret, body)


class Stack:
    """All servers of one scenario.  Settings are those of the program, in lower case: dedupe_window="0"."""

    def __init__(self, folder, redis=True, nginx=True, aof=False, repeats=None, **settings):
        """repeats: does nginx repeat a POST?  None: as the dedupe window wants it."""
        self.folder = folder
        repeats = settings.get("dedupe_window") != "0" if repeats is None else repeats
        self.redis = RedisServer(folder, aof)
        self.program = Program(folder, self.redis.url(), settings)
        self.nginx = Nginx(folder, "unix:%s" % self.program.socket, repeats) if nginx else None
        self.has_redis = redis

    def start(self):
        if self.has_redis and not self.redis.is_running():
            self.redis.start()
        self.program.start()
        return self.start_nginx()

    def start_nginx(self):
        """When the program has been started."""
        wait_for(self.program.is_listening, "the program listens")
        if self.nginx:
            self.nginx.start()
        if self.has_redis:
            wait_for(self.is_ready, "every worker is ready")
        return self

    def is_ready(self):
        """Is every worker connected to Redis, and answers one of them?"""
        workers = int(self.program.settings["workers"])
        if len(set(re.findall(r'process="(worker \d+)" msg="redis: connected', self.program.log_text()))) < workers:
            return False
        return not self.nginx or self.get("/readyz").status == 200

    def client(self):
        return Client(self.nginx.port)

    def post(self, body, **how):
        with self.client() as client:
            return client.post(body, **how)

    def get(self, path, headers=()):
        with self.client() as client:
            return client.get(path, headers)

    def entries(self, stream=STREAM):
        """All entries of a stream, each as a dict of texts."""
        return [{k.decode(): v.decode("utf-8", "surrogateescape") for k, v in zip(pairs[::2], pairs[1::2])}
                for _, pairs in self.redis("XRANGE", stream, "-", "+")]

    def quarantine(self):
        return self.entries(QUARANTINE)

    def metric(self, name):
        """The value of one line of /metrics, named with its labels."""
        found = re.search(r"^%s (\S+)$" % re.escape(name), self.get("/metrics").body.decode(), re.M)
        assert found, "no metric " + name
        return float(found[1])

    def stop(self):
        """Ends everything; returns what was not as it should be."""
        faults = []
        for server in self.nginx, self.program, self.redis:
            try:
                status = server.stop() if server else 0
                if server is self.program and status not in (0, None, -signal.SIGKILL):
                    faults.append("the program ended with status %s" % status)
            except AssertionError as e:
                faults.append(str(e))
        return faults + ["unexpected in the log: " + line for line in self.program.unexpected_lines()]
