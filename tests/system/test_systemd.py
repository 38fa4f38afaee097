"""The units, and the program as systemd runs it: socket activation, readiness, watchdog, a restart under requests."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from stack import wait_for

TOP = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(TOP / os.environ.get("TICKSTREAM_BUILD", "build/gcc-release") / "tickstream")
# That of Debian 13 makes /run/systemd where systemd never ran, as in a container, which only root may.
needs_analyze = pytest.mark.skipif(not shutil.which("systemd-analyze")
                                   or not (os.path.isdir("/run/systemd") or os.access("/run", os.W_OK)),
                                   reason="systemd-analyze is not installed, or cannot run here")


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
    assert "TICKSTREAM_TRIM=acked\n" in done.stdout and "TICKSTREAM_REQUIRE_DURABLE=true\n" in done.stdout


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


def documented(first_line):
    """The block of the README's section that begins with this line, as it would be pasted."""
    section = (TOP / "README.md").read_text().partition("## With systemd")[2].partition("\n## ")[0]
    [block] = [b for b in re.findall(r"```sh\n(.*?)```", section, re.S) if b.startswith(first_line)]
    return "set -e\n" + block


SECRETS = "TICKSTREAM_APP_SECRET_FILE=/etc/tickstream/app_secret"


@pytest.mark.release_only
def test_what_the_readme_says_works_when_pasted(machine):
    def paste(first_line, leave_out=""):
        done = machine.run(documented(first_line).replace(leave_out, ""))
        assert done.returncode == 0, done.stdout + done.stderr

    def is_active():
        return machine.run("systemctl is-active tickstream.service").stdout.strip() == "active"

    paste("sudo systemctl enable --now redis-server")
    paste("tests/tools/deps.sh", leave_out="tests/tools/deps.sh build run && ")
    assert is_active(), machine.run("journalctl -u tickstream -o cat").stdout
    ready = SECRETS + " tickstream healthcheck"
    wait_for(lambda: machine.run(ready).returncode == 0, "the service takes statuses")
    assert machine.run("redis-cli CONFIG GET appendonly").stdout.split() == ["appendonly", "yes"]

    paste("sudo TICKSTREAM_APP_SECRET_FILE")
    paste("git pull", leave_out="git pull && ")
    assert is_active()

    conf = "/etc/tickstream/tickstream.conf"
    check = re.search(r"^# +sudo (.*--check-config)$", (TOP / "handler/package/tickstream.conf").read_text(), re.M)[1]
    before = machine.run("systemctl show -p MainPID --value tickstream; cat %s" % conf).stdout
    machine.run("echo TICKSTREAM_WORKERS=many >>" + conf)
    for refused in check, "systemctl reload tickstream":
        assert machine.run(refused).returncode != 0
    assert "must be auto" in machine.run("journalctl -u tickstream -o cat").stdout
    assert machine.run(ready).returncode == 0
    machine.run("sed -i '$d' " + conf)
    assert machine.run(check).returncode == 0
    assert machine.run("systemctl show -p MainPID --value tickstream; cat %s" % conf).stdout == before
    assert machine.run(ready).returncode == 0


@pytest.mark.release_only
def test_a_missing_secret_is_not_tried_for_ever(machine):
    assert machine.run("make install && rm -f /etc/tickstream/app_secret && systemctl daemon-reload").returncode == 0
    assert machine.run("systemctl start tickstream.socket tickstream.service").returncode != 0
    wait_for(lambda: machine.run("systemctl is-failed tickstream.service").stdout.strip() == "failed", "it gives up")
    shown = machine.run("systemctl show -p NRestarts --value tickstream.service").stdout.strip()
    assert shown == "0"
