"""A machine that runs systemd: this one's packages under a file system in memory, booted in namespaces of its own."""
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from stack import BUILD, TIMEOUT, TOP, Server, wait_for

BOOT = r"""
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
: >"$1/root/etc/machine-id"
mkdir "$1/root/opt/tickstream"
cp -a "$2/." "$1/root/opt/tickstream"
printf '#!/bin/sh\nexec env "$@"\n' >"$1/root/usr/local/bin/sudo"
chmod 755 "$1/root/usr/local/bin/sudo"
exec systemd-nspawn --quiet --boot --directory="$1/root" --private-network --register=no --keep-unit --console=pipe \
    --resolv-conf=off --link-journal=no systemd.unit=basic.target
"""


def children(pid):
    return [int(p) for p in pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()]


class Machine(Server):
    def __init__(self, folder):
        super().__init__(folder / "machine.log")
        self.folder = folder / "machine"

    def start(self):
        """Boots it, with the tree as it is built here in /opt/tickstream."""
        tree = self.folder.parent / "tree"
        for name in "Makefile", "README.md", "common", "handler", "nginx", "tests/tools", str(BUILD.relative_to(TOP)):
            copy = shutil.copytree if (TOP / name).is_dir() else shutil.copy2
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            copy(TOP / name, tree / name)
        self.folder.mkdir()
        self.spawn(["unshare", "--mount", "bash", "-c", BOOT, "boot", self.folder, tree])
        wait_for(self.has_booted, "systemd runs")

    def has_booted(self):
        assert self.is_running(), "not booted: " + self.log_text()
        try:
            done = self.run("systemctl is-system-running --wait")
        except (IndexError, OSError):
            return False
        return done.stdout.strip() in ("running", "degraded")

    def run(self, script):
        """In a root shell of its own, in the tree."""
        [init] = children(self.pid)[:1] or [None]
        if init is None:
            raise OSError
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
        return subprocess.run(["nsenter", "--target=%d" % init, "--mount", "--uts", "--ipc", "--net", "--pid", "--root",
                               "sh", "-c", "cd /opt/tickstream 2>/dev/null; " + script],
                              env=env, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=4 * TIMEOUT)

    def stop(self, number=signal.SIGKILL, timeout=TIMEOUT + 30):
        """Its processes end with its first one."""
        if self.is_running():
            for pid in children(self.pid):
                os.kill(pid, signal.SIGKILL)
        return super().stop(number, timeout)


def why_not():
    """The reason why none can be booted here."""
    if os.getuid() != 0:
        return "only root can boot a machine"
    if not shutil.which("systemd-nspawn"):
        return "systemd-nspawn is not installed"
    if subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "true"], capture_output=True).returncode:
        return "namespaces are not permitted here"
    return None


@pytest.fixture
def machine(folder):
    if why_not():
        pytest.skip(why_not())
    m = Machine(folder)
    try:
        m.start()
        yield m
    finally:
        m.stop()
