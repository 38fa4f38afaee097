"""make run and make demo, as an ordinary user's shell has them: what they print, and that what they print works."""
import re
import signal
import socket
import subprocess

import pytest

from stack import BINARY, SLOWNESS, TOP, Server, clean_environment, is_alive, wait_for

pytestmark = pytest.mark.release_only

PATH = "/usr/local/bin:/usr/bin:/bin:/usr/games"
PATIENCE = 30 * SLOWNESS


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


class Run(Server):
    """run.sh in a directory of its own."""

    def __init__(self, folder, program=BINARY, path=PATH, **environment):
        super().__init__(folder / "run.out")
        self.folder, self.program = folder / "run", program
        base = {k: v for k, v in clean_environment({}).items() if k not in ("HTTP_PORT", "URL", "REDIS_MAXMEMORY")}
        self.env = {**base, "PATH": path, "RUN_DIR": str(self.folder), **environment}

    def start(self):
        """Another may take the free port first, then on the next one."""
        for _ in range(20):
            self.env["HTTP_PORT"] = str(free_port())
            self.spawn([TOP / "tests/tools/run.sh", self.program], env=self.env)
            wait_for(lambda: "ready: http" in self.log_text() or not self.is_running(), "ready, or ended", PATIENCE)
            if self.is_running() or " is in use" not in self.log_text():
                return self
            self.log.unlink()
        raise AssertionError("no free port")

    def printed(self, command):
        """The line to paste that begins with this command."""
        return next(line for line in self.log_text().splitlines() if line.startswith(command + " "))

    def paste(self, command):
        done = subprocess.run(["bash", "-c", self.printed(command)], env=self.env, capture_output=True, text=True,
                              timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def demo(self):
        env = {**{k: v for k, v in self.env.items() if k != "HTTP_PORT"}, "DEMO_SECONDS": "1"}
        return subprocess.run([TOP / "tests/tools/demo.sh"], env=env, capture_output=True, text=True, timeout=PATIENCE)


@pytest.fixture
def make_run(folder):
    runs = []

    def make(**options):
        runs.append(Run(folder, **options))
        return runs[-1]

    yield make
    for run in runs:
        run.stop(timeout=PATIENCE)


def test_what_it_prints_works_when_pasted(make_run):
    run = make_run().start()
    assert run.is_running(), run.log_text()
    demo = run.demo()
    assert (demo.returncode, demo.stderr) == (0, "")
    assert re.findall(r"^\S+: (\d+) ", demo.stdout, re.M) == ["200"] * 3
    assert re.search(r"^taken +\d+ statuses: \d+ accepted", demo.stdout, re.M)
    answer = run.paste("curl")
    assert answer.endswith('{"accepted":1,"duplicates":0,"quarantined":0,"ignored":0}\n')
    assert '"duplicates":1' in run.paste("curl")
    assert "delivered" in run.paste("redis-cli")
    assert re.search(r"(?m)^Carries [34]\d statuses/s for as long as all groups keep up; .* away for 1 h\.$", run.log_text())

    (run.folder / "app_secret").write_text("another secret\n")
    run.paste("kill")
    wait_for(lambda: " 401 " in run.paste("curl"), "the old secret is refused", PATIENCE)
    assert run.demo().returncode == 0, "the demo reads the new one"
    assert run.stop(timeout=PATIENCE) == 0
    assert "run: ending" in run.log_text()
    assert not [p for p in run.folder.glob("*.sock")]


def test_a_refused_setting_ends_it_before_anything_is_started(make_run):
    run = make_run(TICKSTREAM_WORKERS="many").start()
    assert run.process.wait(PATIENCE) == 2
    assert "TICKSTREAM_WORKERS" in run.log_text()
    assert not list(run.folder.glob("*.log"))


def test_nginx_ends_also_while_it_starts(make_run, folder):
    """The program ends as soon as it is started; nginx, just started, would miss a first QUIT."""
    program = folder / "program"
    program.write_text("#!/bin/sh\ncase $* in *--check-config) exit 0 ;; esac\necho no, thanks\nexit 2\n")
    program.chmod(0o755)
    run = make_run(program=program).start()
    assert run.process.wait(30) == 1        # it would be 40 s
    assert "no, thanks" in run.log_text()


def test_a_port_in_use_is_told_first_and_a_free_one_with_it(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        env = clean_environment({"PATH": PATH, "RUN_DIR": str(folder / "run"), "HTTP_PORT": str(port)})
        done = subprocess.run([TOP / "tests/tools/run.sh", "--check"], env=env, capture_output=True, text=True)
    assert done.returncode == 1
    free = re.fullmatch(r"run: port %d is in use, (\d+) is free: make run HTTP_PORT=\1\n" % port, done.stderr)
    assert free and int(free[1]) > port


def test_a_full_redis_is_told_and_kept(make_run):
    run = make_run(REDIS_MAXMEMORY="64kb").start()
    wait_for(lambda: "make run REDIS_MAXMEMORY" in run.log_text(), "what to do", PATIENCE)
    assert run.is_running() and "Redis is full (REDIS_MAXMEMORY=64kb)" in run.log_text()
    assert " 503 " in run.paste("curl")
    wait_for(lambda: "OOM" in run.log_text(), "the program's own warning is shown", PATIENCE)


def test_loading_is_told(make_run, folder):
    """Redis takes a millisecond for each of its keys."""
    wrapper = folder / "bin/redis-server"
    wrapper.parent.mkdir()
    wrapper.write_text('#!/bin/sh\nPATH=${PATH#*:}\nexec redis-server "$@" --key-load-delay 1000\n')
    wrapper.chmod(0o755)
    data = folder / "run/redis/appendonly.aof"
    data.parent.mkdir(parents=True)
    data.write_text("".join("*3\r\n$3\r\nSET\r\n$4\r\n%04d\r\n$1\r\n1\r\n" % n for n in range(6000)))
    run = make_run(path="%s:%s" % (wrapper.parent, PATH)).start()
    assert run.is_running(), run.log_text()
    assert re.search(r"^run: Redis loads its data: \d+ %$", run.log_text(), re.M)


def test_a_killed_script_leaves_nothing(make_run):
    run = make_run().start()
    servers = [int(p) for p in subprocess.run(["pgrep", "-P", str(run.pid)], capture_output=True, text=True).stdout.split()]
    assert len(servers) >= 3
    run.stop(signal.SIGKILL)
    wait_for(lambda: not any(map(is_alive, servers)), "all ended", PATIENCE)
