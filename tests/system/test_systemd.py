"""The units, and the program as systemd runs it: socket activation, readiness, watchdog, a restart under requests."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(TOP / os.environ.get("TICKSTREAM_BUILD", "build/gcc-release") / "tickstream")
needs_analyze = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


def run(*command):
    return subprocess.run(list(map(str, command)), cwd=TOP, text=True, capture_output=True, timeout=300)


@needs_analyze
def test_exposure():
    done = run("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15",
               "handler/package/tickstream.service")
    assert done.returncode == 0, done.stdout + done.stderr


def test_install_with_destdir(tmp_path):
    done = run("make", "install", "DESTDIR=%s" % tmp_path, "PREFIX=/opt/tickstream")
    assert done.returncode == 0, done.stdout + done.stderr
    prefix = tmp_path / "opt/tickstream"
    assert os.access(prefix / "bin/tickstream", os.X_OK)
    units = prefix / "lib/systemd/system"
    assert "ExecStart=/opt/tickstream/bin/tickstream " in (units / "tickstream.service").read_text()
    assert (units / "tickstream.socket").is_file()
    assert (tmp_path / "etc/tickstream/tickstream.conf").is_file()
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and str(tmp_path).encode() in p.read_bytes()]


def test_install_keeps_settings(tmp_path):
    conf = tmp_path / "etc/tickstream/tickstream.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text("TICKSTREAM_WORKERS=3\n")
    assert run("make", "install", "DESTDIR=%s" % tmp_path).returncode == 0
    assert conf.read_text() == "TICKSTREAM_WORKERS=3\n"


@needs_analyze
def test_installed_units_verify(tmp_path):
    done = run("make", "install", "PREFIX=%s/usr" % tmp_path, "SYSCONFDIR=%s/etc" % tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    units = tmp_path / "usr/lib/systemd/system"
    done = run("systemd-analyze", "verify", units / "tickstream.service", units / "tickstream.socket")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_installed_settings_are_accepted():
    done = subprocess.run([BINARY, "--config", TOP / "handler/package/tickstream.conf", "--check-config"], text=True,
                          capture_output=True, env={"TICKSTREAM_ALLOW_UNSIGNED": "true"})
    assert done.returncode == 0, done.stderr


class Manager:
    """What systemd does for the service: holds the listening socket, hands out credentials, listens to sd_notify."""

    def __init__(self, folder):
        self.path = str(folder / "tickstream.sock")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(4096)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(folder / "notify"))
        self.notify.settimeout(20)
        self.log = open(folder / "log", "ab")
        (folder / "app_secret").write_text("secret\n")
        self.env = {"TICKSTREAM_LISTEN": "unix:" + self.path, "TICKSTREAM_WORKERS": "2",
                    "TICKSTREAM_REDIS_URL": "unix://%s" % (folder / "no-redis.sock"),
                    "TICKSTREAM_APP_SECRET_FILE": str(folder / "app_secret"),
                    "NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "1000000", "LISTEN_FDS": "1"}
        self.service = None

    def start(self):
        # LISTEN_PID must be the program's own id, which only a shell that becomes it can know.
        self.service = subprocess.Popen(
            ["/bin/bash", "-c", "exec 3<&%d; export LISTEN_PID=$$; exec \"$0\"" % self.listener.fileno(), str(BINARY)],
            env=self.env, pass_fds=[self.listener.fileno()], stderr=self.log)

    def expect(self, word):
        """Reads notifications until one has the line."""
        while word not in self.notify.recv(4096).decode().splitlines():
            pass

    def ask(self):
        return subprocess.run([BINARY, "healthcheck", "/livez"], env=self.env, timeout=30).returncode

    def stop(self):
        self.service.send_signal(signal.SIGTERM)
        return self.service.wait(40)


@pytest.fixture
def manager(tmp_path):
    m = Manager(tmp_path)
    yield m
    if m.service and m.service.poll() is None:
        m.service.kill()
        m.service.wait()
    for thing in m.listener, m.notify, m.log:
        thing.close()


def test_inherited_socket_and_notifications(manager):
    manager.start()
    manager.expect("READY=1")
    assert manager.ask() == 0
    for _ in range(3):
        manager.expect("WATCHDOG=1")
    manager.service.send_signal(signal.SIGTERM)
    manager.expect("STOPPING=1")
    assert manager.service.wait(40) == 0
    assert pathlib.Path(manager.path).is_socket(), "the socket is systemd's, not the service's to remove"


def test_reload_notifies(manager):
    manager.start()
    manager.expect("READY=1")
    manager.service.send_signal(signal.SIGHUP)
    manager.expect("RELOADING=1")
    manager.expect("READY=1")
    assert manager.ask() == 0
    assert manager.stop() == 0


def test_restart_refuses_nobody(manager):
    manager.start()
    manager.expect("READY=1")
    codes, done = [], threading.Event()

    def client():
        while not done.is_set():
            codes.append(manager.ask())

    clients = [threading.Thread(target=client) for _ in range(2)]
    for c in clients:
        c.start()
    try:
        for _ in range(3):
            asked, deadline = len(codes), time.monotonic() + 30
            assert manager.stop() == 0
            manager.start()
            manager.expect("READY=1")
            while len(codes) < asked + 10:
                assert time.monotonic() < deadline, codes
                manager.expect("WATCHDOG=1")
    finally:
        done.set()
        for c in clients:
            c.join()
    assert set(codes) == {0}
    assert manager.stop() == 0
