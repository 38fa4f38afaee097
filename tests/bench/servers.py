"""The servers that are compared: each an nginx with what stands behind it, all in front of one Redis."""
import contextlib
import glob
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

import payloads

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
STREAM = "whatsapp:statuses"
CORES = len(os.sched_getaffinity(0))
LUA_MODULES = "ndk_http_module.so", "ngx_http_lua_module.so"
MODULES = pathlib.Path("/usr/lib/nginx/modules")
# Of 8, 16 and 64 children, each with and without kept connections, 8 without stored most: 7,500 to 8,500/s of bodies
# of 1, 5,600 to 7,100/s of the sample, 1,400 to 1,900/s of bodies of 100.  64 with kept ones, one for each sender, were
# a fifth slower.  8 with kept ones did 5 to 14 % more with small bodies and less with bodies of 100, but an idle one
# holds a child: 56 of 64 senders were still without an answer ten seconds after the measurement.
PHP_CHILDREN = 8
THREADS = 128  # more than connections, each of which, kept, occupies one
AOF_LONG = 64 << 20
HINT = " (make bench-deps installs it)"


class Absent(Exception):
    """What a server needs and does not find here."""


class Server:
    """processes: its own ones by role; Redis is everybody's."""

    def __init__(self, name, port, processes):
        self.name, self.port, self.processes = name, port, processes


class Redis:
    """A Redis of our own, reached by a socket in its folder."""

    def __init__(self, folder, *command):
        self.socket = folder / "redis.sock"
        settings = ("--port", "0", "--unixsocket", self.socket, "--unixsocketperm", "777", "--dir", folder,
                    "--save", "", "--auto-aof-rewrite-percentage", "0", "--daemonize", "no")
        with open(folder / "redis.log", "ab") as log:
            self.process = subprocess.Popen([str(c) for c in (*command, *settings)], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        try:
            wait_for("Redis", lambda: self.cli("PING") == "PONG")
        except RuntimeError:
            stop(self.process)
            raise

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        stop(self.process)

    def cli(self, *command):
        out = subprocess.run(["redis-cli", "-s", str(self.socket), "--json", *command],
                             capture_output=True, text=True, check=False)
        return json.loads(out.stdout) if out.returncode == 0 else None

    def info(self, section):
        """The lines of a section of INFO as a dict; redis-cli knows no JSON of it."""
        lines = subprocess.run(["redis-cli", "-s", str(self.socket), "INFO", section],
                               capture_output=True, text=True, check=True).stdout.splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def version(self):
        info = self.info("server")
        return info.get("valkey_version", info["redis_version"])

    def keep(self, appendfsync):
        """From now on writes last as appendfsync says; "no": without an append-only file."""
        if appendfsync != "no":
            self.cli("CONFIG", "SET", "appendfsync", appendfsync)
        self.cli("CONFIG", "SET", "appendonly", "no" if appendfsync == "no" else "yes")
        wait_for("the AOF", self.is_rewritten)

    def is_rewritten(self):
        """And what it was before is gone: of one there are a base, what was appended since, and their list."""
        info = self.info("persistence")
        files = list((self.socket.parent / "appendonlydir").glob("*"))
        return info["aof_rewrite_in_progress"] == info["aof_rewrite_scheduled"] == "0" and len(files) <= 3

    def aof_bytes(self):
        """How much has been appended, when all of it is in the file; 0 without one."""
        def is_written():
            info = self.info("persistence")
            return not int(info.get("aof_buffer_length", 0)) and not int(info.get("aof_pending_bio_fsync", 0))
        wait_for("the AOF", is_written)
        return int(self.info("persistence").get("aof_current_size", 0))

    def used_memory(self):
        return int(self.info("memory")["used_memory"])

    def clear(self):
        """Nothing is stored, and a long append-only file makes room for a new one."""
        self.cli("FLUSHALL", "SYNC")
        self.shorten()

    def shorten(self):
        if self.aof_bytes() > AOF_LONG:
            self.cli("BGREWRITEAOF")
            wait_for("the AOF", self.is_rewritten)


class Rig:
    """A private directory, the processes started in it, and the programs built for it."""

    def __init__(self, build):
        self.build, self.tools = build, build.parent / "bench"
        self.tools.mkdir(parents=True, exist_ok=True)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tickstream-bench-"))
        self.dir.chmod(0o755)
        self.children = []

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        stop(*reversed(self.children))
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self, name, *command, env=None):
        log = open(self.dir / (name + ".log"), "ab")
        child = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                 env={**os.environ, **(env or {})})
        self.children.append(child)
        return child

    def compile(self, source, *libraries):
        """A C program of ours; built again when its source is newer."""
        target = self.tools / source.stem
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            command = [os.environ.get("CC", "cc"), "-D_GNU_SOURCE", "-O2", "-o", target, source, *libraries]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Absent("cannot compile %s: %s" % (source.name, done.stderr.splitlines()[:1]))
        return target


class RedisRig(Rig):
    """One with a Redis that all share."""

    def __init__(self, build):
        super().__init__(build)
        self.redis = Redis(self.dir, need("redis-server"))
        self.children.append(self.redis.process)


def stop(*processes):
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


@contextlib.contextmanager
def private_folder():
    """A private directory, for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="tickstream-bench-") as path:
        yield pathlib.Path(path)


def need(program):
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        raise Absent(program + HINT)
    return found


def wait_for(what, ready, seconds=15):
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise RuntimeError("%s does not come up" % what)
        time.sleep(0.02)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def fill(source, target, **values):
    text = source.read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace("@%s@" % name, str(value))
    target.write_text(text, encoding="utf-8")


def wait_listening(what, child, address):
    """Until the child accepts connections at a path or port of ours; an error when it ends instead."""
    def ready():
        if child.poll() is not None:
            raise RuntimeError("%s has ended with %d" % (what, child.returncode))
        with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as s:
            return s.connect_ex(address) == 0
    wait_for(what, ready)


def start_nginx(rig, name, peer=None, modules="", **values):
    """The shipped configuration; a peer's files take the place of those that lead to Tickstream."""
    folder, port = rig.dir / name, free_port()
    subprocess.run([ROOT / "tests/tools/nginx-render.sh", folder, "127.0.0.1:%d" % port,
                    "unix:" + handler_socket(folder)], check=True)
    for file in peer.iterdir() if peer else ():
        fill(file, folder / file.name, DIR=folder, SOCKET=handler_socket(folder), REDIS=rig.redis.socket, **values)
    child = rig.start(name + "-nginx", need("nginx"), "-p", folder, "-e", folder / "error.log",
                      "-c", folder / "nginx.conf", "-g", modules + "daemon off;")
    wait_listening(name + "'s nginx", child, ("127.0.0.1", port))
    return folder, port, child


def handler_socket(folder):
    return str(folder / "handler.sock")


def start_handler(rig, folder, *command, env=None):
    child = rig.start(folder.name, *command, env=env)
    wait_listening(folder.name, child, handler_socket(folder))
    return child


def start_program(rig, name, redis_url, **settings):
    """Tickstream behind an nginx of its own."""
    program = rig.build / "tickstream"
    if not program.exists():
        raise Absent("%s (make builds it)" % program)
    folder, port, nginx = start_nginx(rig, name)
    settings = {"listen": "unix:" + handler_socket(folder), "redis_url": redis_url,
                "app_secret": payloads.SECRET.decode(), **settings}
    handler = start_handler(rig, folder, program,
                            env={"TICKSTREAM_" + k.upper(): str(v) for k, v in settings.items()})
    return Server(name, port, {"nginx": nginx, "handler": handler})


def start_tickstream(rig, name="tickstream", window="0"):
    return start_program(rig, name, "unix://%s" % rig.redis.socket, dedupe_window=window)


def start_dedupe(rig):
    return start_tickstream(rig, "dedupe", "24h")


def start_lua(rig, name="lua", dedupe=0):
    for wanted in *(MODULES / m for m in LUA_MODULES), pathlib.Path("/usr/share/lua/5.1/nginx/redis.lua"):
        if not wanted.exists():
            raise Absent("%s%s" % (wanted, HINT))
    if not glob.glob("/usr/lib/*/lua/5.1/cjson.so"):
        raise Absent("lua-cjson" + HINT)
    load = "".join("load_module %s/%s;" % (MODULES, m) for m in LUA_MODULES)
    _, port, nginx = start_nginx(rig, name, HERE / "peers/lua", load, DEDUPE=dedupe)
    return Server(name, port, {"nginx": nginx})


def start_lua_dedupe(rig):
    return start_lua(rig, "lua-dedupe", 1)


def start_php(rig, name="php", dedupe=0):
    fpm = sorted(glob.glob("/usr/sbin/php-fpm*"))
    if not fpm or not glob.glob("/usr/lib/php/*/redis.so"):
        raise Absent(("php-redis" if fpm else "php-fpm") + HINT)
    root = os.geteuid() == 0
    folder, port, nginx = start_nginx(rig, name, HERE / "peers/php", CHILDREN=PHP_CHILDREN, DEDUPE=dedupe,
                                      USER="user = root" if root else "")
    pool = start_handler(rig, folder, fpm[-1], "-y", folder / "php-fpm.conf", *(["-R"] if root else []))
    return Server(name, port, {"nginx": nginx, "handler": pool})


def start_php_dedupe(rig):
    return start_php(rig, "php-dedupe", 1)


def start_threads(rig):
    program = rig.compile(HERE / "peers/threads/threads.c", "-lfcgi", "-lhiredis", "-ljansson", "-lpthread")
    folder, port, nginx = start_nginx(rig, "threads", HERE / "peers/threads", KEEP=THREADS // CORES)
    pool = start_handler(rig, folder, program, handler_socket(folder), rig.redis.socket, THREADS)
    return Server("threads", port, {"nginx": nginx, "handler": pool})


# Asking one

def post(server, workload):
    """Sends the workload's first request; returns the status."""
    raw = payloads.http_request(payloads.numbered(workload, 0), workload.content_type)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        s.sendall(raw)
        answer = http.client.HTTPResponse(s, method="POST")
        answer.begin()
        answer.read()
        return answer.status


# What they cost

def tree(pid):
    """The process and all its descendants."""
    parents = {}
    for stat in glob.glob("/proc/[0-9]*/stat"):
        try:
            child, rest = pathlib.Path(stat).read_text().split(" ", 1)
        except OSError:
            continue  # it has just ended
        parents[int(child)] = int(rest.rsplit(")", 1)[1].split()[1])
    found = {pid}
    while True:
        more = {child for child, parent in parents.items() if parent in found} - found
        if not more:
            return found
        found |= more


def cpu_seconds(pids):
    """By the scheduler's nanoseconds: the clock ticks in stat are too coarse for many processes."""
    tasks = (task for pid in pids for task in glob.glob("/proc/%d/task/*/schedstat" % pid))
    return sum(int(pathlib.Path(task).read_text().split()[0]) for task in tasks) / 1e9


def memory_mib(pids):
    """Proportional: a page shared by n of all processes counts 1/n in each."""
    total = 0
    for pid in pids:
        lines = pathlib.Path("/proc/%d/smaps_rollup" % pid).read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


# Where it was

def first_line(*command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.stdout.splitlines()[0]
    except (OSError, IndexError):
        return None


def package_versions():
    names = ("nginx", "redis-server", "libnginx-mod-http-lua", "lua-cjson", "lua-nginx-redis", "php-fpm", "php-redis",
             "libfcgi0ldbl", "libfcgi0t64", "libhiredis0.14", "libhiredis1.1.0", "libjansson4")
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *names],
                          capture_output=True, text=True, check=False)
    return dict(line.split() for line in done.stdout.splitlines() if len(line.split()) == 2)


def machine():
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = [line.split(":", 1)[1].strip() for line in cpuinfo.splitlines() if line.startswith("model name")]
    release = pathlib.Path("/etc/os-release").read_text(encoding="utf-8")
    system = dict(line.split("=", 1) for line in release.splitlines() if "=" in line)
    return {"cpu": model[0] if model else os.uname().machine, "cores": CORES, "kernel": os.uname().release,
            "system": system.get("PRETTY_NAME", "").strip('"'), "compiler": first_line("cc", "--version"),
            "packages": package_versions()}
