"""Docker's part of the tests: a compose project, and commands that fail with what they said."""
import contextlib, json, os, pathlib, re, subprocess, time

TOP = pathlib.Path(__file__).resolve().parents[2]
PROJECT = "tickstream-test"


class Failure(Exception):
    pass


def check(what, good):
    if not good:
        raise Failure(what)


def run(*command, quiet=True):
    """The output of a command; when it fails, its last lines are the failure."""
    done = subprocess.run(command, cwd=TOP, text=True, stdout=subprocess.PIPE if quiet else None,
                          stderr=subprocess.STDOUT if quiet else None)
    if done.returncode:
        raise Failure("%s: exit %d\n%s" % (" ".join(map(str, command)), done.returncode, (done.stdout or "")[-4000:]))
    return (done.stdout or "").strip()


def wait(what, predicate, seconds):
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, Failure):
            if predicate():
                return
        check("%s: not within %d s" % (what, seconds), time.monotonic() < deadline)
        time.sleep(0.1)


class Stack:
    """The compose project: its commands and what Docker knows of its containers."""

    def __init__(self):
        v2 = subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0
        self.command = ["docker", "compose"] if v2 else ["docker-compose"]
        self.project = PROJECT
        os.environ["COMPOSE_PROJECT_NAME"] = PROJECT

    def __call__(self, *args):
        return run(*self.command, *args)

    def paste(self, text):
        """Runs lines of the README as they stand there."""
        return run("sh", "-e", "-c", text.replace("docker compose", " ".join(self.command)))

    def containers(self, service):
        return run("docker", "ps", "-q", "--no-trunc", "--filter", "label=com.docker.compose.project=" + self.project,
                   "--filter", "label=com.docker.compose.service=" + service).split()

    def inspect(self, container, *path):
        value = json.loads(run("docker", "inspect", container))[0]
        for name in path:
            value = value[name]
        return value

    def address(self, container, network):
        return self.inspect(container, "NetworkSettings", "Networks", "%s_%s" % (self.project, network), "IPAddress")

    def settled(self, count, service="handler"):
        """Are there so many workers, and do all get requests?"""
        return len(self.containers(service)) == count and self.all_serve(service)

    def workers(self):
        """The process ids of the workers of each handler, from /proc: the children of the container's first process."""
        masters = [self.inspect(c, "State", "Pid") for c in self.containers("handler")]
        return [pathlib.Path("/proc/%d/task/%d/children" % (m, m)).read_text().split() for m in masters]

    def replaced(self, before):
        """Has each handler one worker, and none that it had before?"""
        old = {pid for pids in before for pid in pids}
        return all(len(pids) == 1 and not old & set(pids) for pids in self.workers())

    def packets(self, container):
        """Received by a container so far, from /proc: the image has no tool to ask with."""
        lines = pathlib.Path("/proc/%d/net/dev" % self.inspect(container, "State", "Pid")).read_text().splitlines()[2:]
        return sum(int(line.split(":")[1].split()[1]) for line in lines if not line.lstrip().startswith("lo:"))

    def all_serve(self, service):
        before = {c: self.packets(c) for c in self.containers(service)}
        time.sleep(0.5)
        return bool(before) and all(self.packets(c) > n + 10 for c, n in before.items())

    def watch_exits(self, service):
        """A process that writes the exit code of each container of the service that ends."""
        return subprocess.Popen(["docker", "events", "--filter", "event=die", "--filter",
                                 "label=com.docker.compose.service=" + service, "--format",
                                 "{{.Actor.Attributes.exitCode}}"], stdout=subprocess.PIPE, text=True)


def blocks(section):
    """The shell blocks of a section of the README, by their first words."""
    text = (TOP / "README.md").read_text().partition("\n## %s\n" % section)[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", text, re.S)
