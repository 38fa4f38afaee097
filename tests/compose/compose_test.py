#!/usr/bin/env python3
"""Brings the compose stack up and disturbs it under load; compares what was acknowledged with the stream.

Runs as root beside a Docker daemon of its own: tests/compose/run.sh starts both.  The clients post signed, unique
statuses and repeat a post only where HTTP says that it may be repeated: 503 with Retry-After, or no connection.
Every other end of a post is counted by its name; whether such a post was stored is unknown, but not twice.
"""
import collections, contextlib, hashlib, hmac, http.client, json, os, pathlib, re, select, signal, subprocess, sys
import tempfile, threading, time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/data"))
from run_cases import HOOK, Redis  # noqa: E402

STREAM = "whatsapp:statuses"
SECRET, TOKEN = "a secret of one's own", "a-token-of-ones-own"
PROJECT = "tickstream-test"
PORT = 8080
CLIENTS, RATE = 4, 400  # threads, and posts a second of all of them
POSTS = 1000            # to be acknowledged after the effect of each step
SCALING = 5000          # in each of the steps that must cost nobody anything
UNBROKEN = ("scale 2 to 4", "scale 4 to 1")


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

    def settled(self, count):
        """Are there so many workers, and do all get requests?"""
        return len(self.containers("handler")) == count and self.all_serve()

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

    def all_serve(self):
        before = {c: self.packets(c) for c in self.containers("handler")}
        time.sleep(0.5)
        return bool(before) and all(self.packets(c) > n + 10 for c, n in before.items())


class Traffic:
    """Clients that post at a steady rate until stopped, and know how each post ended."""

    def __init__(self):
        self.lock = threading.Lock()
        self.acknowledged = {}                      # status id: posts until the answer was 200
        self.unknown = set()                        # ids of posts that ended otherwise
        self.ends = collections.Counter()           # (step, outcome): attempts
        self.connections = collections.Counter()    # opened, by step
        self.duplicates = 0                         # statuses that an answer called known already
        self.step = "steady"
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.client, args=(n,), daemon=True) for n in range(CLIENTS)]
        self.run_id = "%d.%d" % (os.getpid(), time.time())

    def start(self):
        for t in self.threads:
            t.start()

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join(60)
        check("a client hangs", not any(t.is_alive() for t in self.threads))

    def count(self, outcome):
        return sum(n for (_, o), n in self.ends.items() if o == outcome)

    def client(self, number):
        conn, post, due = None, 0, time.monotonic()
        while not self.stopping.is_set():
            ids = ["wamid.%s.%d.%d.%d" % (self.run_id, number, post, n) for n in range(1 + post % 3)]
            post += 1
            conn = self.deliver(conn, ids)
            due = max(due + CLIENTS / RATE, time.monotonic() - 1)
            self.stopping.wait(max(0, due - time.monotonic()))

    def deliver(self, conn, ids):
        """Posts one body until it has an answer that is final; returns the connection to use for the next."""
        body = body_of(ids)
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256":
                   "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}
        for attempt in range(1, 100):
            step = self.step
            before = conn
            conn, outcome, again, answer = attempt_post(conn, body, headers)
            with self.lock:
                self.connections[step] += conn is not before
                self.ends[step, outcome] += 1
                if outcome == "200":
                    self.acknowledged.update(dict.fromkeys(ids, attempt))
                    self.duplicates += answer["duplicates"]
                    if answer["accepted"] + answer["duplicates"] != len(ids):
                        self.ends[step, "200 that does not count %d statuses" % len(ids)] += 1
                elif again is None:
                    self.unknown.update(ids)
            if again is None:
                break
            time.sleep(again)
        return conn


def body_of(ids):
    statuses = [{"id": i, "status": "delivered", "timestamp": "1700000000", "recipient_id": "15550001"} for i in ids]
    value = {"messaging_product": "whatsapp", "metadata": {"display_phone_number": "15550002", "phone_number_id": "1"},
             "statuses": statuses}
    return json.dumps({"object": "whatsapp_business_account",
                       "entry": [{"id": "2", "changes": [{"field": "messages", "value": value}]}]}).encode()


def attempt_post(conn, body, headers):
    """One try: the connection if it can be kept, the outcome's name, seconds after which to try again or None
    when that is not allowed, and the answer's document."""
    try:
        # A kept connection that the server has closed meanwhile is no connection.
        if conn is None or select.select([conn.sock], [], [], 0)[0]:
            conn = http.client.HTTPConnection("127.0.0.1", PORT, timeout=15)
            conn.connect()
    except OSError as e:
        return None, "no connection: " + type(e).__name__, 0.2, None
    try:
        conn.request("POST", HOOK, body, headers)
        r = conn.getresponse()
        data = r.read()
    except (OSError, http.client.HTTPException) as e:
        conn.close()
        return None, "no answer: " + type(e).__name__, None, None
    again, outcome = None, str(r.status)
    if r.status == 503 and r.getheader("Retry-After"):
        again, outcome = int(r.getheader("Retry-After")), "503 with Retry-After"
    if r.will_close:
        conn.close()
        conn = None
    return conn, outcome, again, json.loads(data) if r.status == 200 else None


def disturb(stack, traffic):
    """The steps, each until its effect is seen and many posts more are acknowledged."""
    steps = []

    @contextlib.contextmanager
    def step(name):
        traffic.step, began, first = name, time.monotonic(), traffic.count("200")
        yield
        goal = max(traffic.count("200") + POSTS, first + SCALING * (name in UNBROKEN))
        wait("%s: %d posts acknowledged" % (name, goal), lambda: traffic.count("200") >= goal, 120)
        steps.append((name, time.monotonic() - began))

    def scale(count):
        stack("up", "-d", "--no-build", "--scale", "handler=%d" % count)
        wait("all %d workers get requests" % count, lambda: stack.settled(count), 60)

    with step("steady"):
        pass
    with step("scale 2 to 4"):
        scale(4)
    with step("scale 4 to 1"):
        scale(1)
    with step("scale 1 to 4"):
        scale(4)
    with step("SIGKILL a worker container"):
        victim = stack.containers("handler")[0]
        pid = stack.inspect(victim, "State", "Pid")
        check("a worker container does not run", pid > 0)
        os.kill(pid, signal.SIGKILL)
        wait("Docker starts it again", lambda: stack.inspect(victim, "RestartCount") == 1, 20)
        wait("it gets requests", lambda: stack.settled(4), 60)
    with step("restart Redis"):
        stack("restart", "redis")
    with step("restart nginx"):
        stack("restart", "nginx")
        wait("all workers get requests", lambda: stack.settled(4), 60)
    with step("scale 4 to 1 again"):
        scale(1)
    return steps


def stored(redis, prefix):
    """How often each id of this run is in the stream."""
    found, last = collections.Counter(), b"-"
    while True:
        entries = redis("XRANGE", STREAM, last, "+", "COUNT", 5000)
        found.update(pairs[1].decode() for _, pairs in entries if pairs[1].startswith(prefix))
        if len(entries) < 5000:
            return found
        last = b"(" + entries[-1][0]


def table(rows):
    wide = max(len(str(r[0])) for r in rows)
    for name, *cells in rows:
        print("  %-*s %s" % (wide, name, "  ".join("%9s" % c for c in cells)))


def tell_breaks(stack):
    """What nginx says of the webhook's posts that a sender saw fail, and of its connections to the workers."""
    lines = stack("logs", "--no-color", "nginx").splitlines()
    told = [x for x in lines if re.search(r"method=POST .* status=5|\[(?:error|crit|alert|emerg)\]", x)]
    print("nginx on what failed, %d lines%s:" % (len(told), ", the last 60" * (len(told) > 60)))
    print("\n".join(told[-60:]))


def second_passes(stack):
    """Posts whose first pass ended with a worker that was not reached (@tickstream_again), and the 200s among them."""
    again = re.findall(r'method=POST .* status=(\d+) upstream_status="[^"]* : ', stack("logs", "--no-color", "nginx"))
    return len(again), again.count("200")


def report(stack, traffic, steps, exits):
    redis = Redis("redis://%s:6379" % stack.address(*stack.containers("redis"), "redis"))
    found = stored(redis, b"wamid.%s." % traffic.run_id.encode())
    lost = [i for i in traffic.acknowledged if not found[i]]
    doubled = [i for i, n in found.items() if n > 1]
    stray = set(found) - set(traffic.acknowledged) - traffic.unknown
    outcomes = sorted({o for _, o in traffic.ends} - {"200"})
    again = second_passes(stack)
    print()
    table([["step", "seconds", "200", *("[%d]" % n for n, _ in enumerate(outcomes, 1))]] +
          [[name, "%.1f" % seconds, *(traffic.ends[name, o] for o in ["200"] + outcomes)] for name, seconds in steps])
    for n, o in enumerate(outcomes, 1):
        print("  [%d] %s" % (n, o))
    print()
    table([["posts acknowledged", traffic.count("200")], ["statuses acknowledged", len(traffic.acknowledged)],
           ["  of them after a repeat", sum(n > 1 for n in traffic.acknowledged.values())],
           ["  of them recognised as stored before", traffic.duplicates],
           ["posts that nginx gave a second pass", again[0]], ["  of them answered 200", again[1]],
           ["lost", len(lost)], ["doubled", len(doubled)],
           ["answers that were not 200", sum(n for (_, o), n in traffic.ends.items() if o != "200")],
           ["statuses of posts without a final answer", len(traffic.unknown)],
           ["  of them stored", len(traffic.unknown & set(found))]])
    check("lost: %s" % lost[:5], not lost)
    check("doubled: %s" % doubled[:5], not doubled)
    check("in the stream, but never sent: %s" % list(stray)[:5], not stray)
    check("too little traffic", len(traffic.acknowledged) > 1000)
    wrong = [o for o in outcomes if not o.startswith(("no connection", "no answer", "503 with"))]
    check("answers outside the contract: %s" % wrong, not wrong)
    broken = {(s, o): n for (s, o), n in traffic.ends.items() if s in UNBROKEN and o != "200"}
    unbroken = sum(traffic.ends[s, "200"] for s in UNBROKEN)
    print("  %d posts on kept connections while scaling 2, 4, 1: %d broken, %d new connections" %
          (unbroken, sum(broken.values()), sum(traffic.connections[s] for s in UNBROKEN)))
    check("broken while scaling: %s" % broken, unbroken >= len(UNBROKEN) * SCALING and not broken)
    check("nginx closed connections of clients while scaling", not any(traffic.connections[s] for s in UNBROKEN))
    # 6 scaled down, 1 killed: a worker that was told to stop has drained and says so by its exit code.
    check("exit codes of workers, one by SIGKILL: %s" % exits, sorted(exits) == ["0"] * 6 + ["137"])


def image_checks(stack):
    """The image as it is used elsewhere: small, without a shell, content with no rights at all."""
    image = stack.inspect(stack.containers("handler")[0], "Image")
    size = int(run("docker", "image", "inspect", "--format", "{{.Size}}", image)) / 1e6
    print("image: %.1f MB" % size)
    check("the image has %.1f MB" % size, size < 120)
    config = json.loads(run("docker", "image", "inspect", image))[0]["Config"]
    check("no numeric user", config["User"].split(":")[0].isdigit() and config["User"] != "0")
    check("STOPSIGNAL", config["StopSignal"] == "SIGTERM")
    check("HEALTHCHECK needs a shell", config["Healthcheck"]["Test"][0] == "CMD")
    labels = {"org.opencontainers.image." + n for n in ("title", "description", "version")}
    check("labels", labels <= set(config["Labels"]))
    container = run("docker", "run", "-d", "--read-only", "--cap-drop", "ALL", "--user", "65534", "--network",
                    stack.project + "_redis", "--env", "TICKSTREAM_ALLOW_UNSIGNED=true", "--env",
                    "TICKSTREAM_REDIS_URL=redis://redis:6379/0", image)
    wait("ready without rights", lambda: run("docker", "exec", container, *config["Healthcheck"]["Test"][1:]) == "", 10)
    run("docker", "stop", container)
    check("exit code after docker stop", stack.inspect(container, "State", "ExitCode") == 0)
    run("docker", "rm", container)


def up_again(stack):
    began = time.monotonic()
    stack("up", "-d", "--build")
    took = time.monotonic() - began
    print("up --build, the second time: %.1f s" % took)
    check("the second up --build took %.1f s" % took, took < 60)


def blocks(section):
    """The shell blocks of a section of the README, by their first words."""
    text = (TOP / "README.md").read_text().partition("\n## %s\n" % section)[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", text, re.S)


def status_of_post(secret):
    body = body_of(["wamid.rotation"])
    signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": signature}
    conn, outcome, _, _ = attempt_post(None, body, headers)
    if conn:
        conn.close()
    return outcome


def rotate(stack, secret_file):
    """The two lines of the README: first both secrets are taken, then only the new one.  Each has been done when all
    workers from before it have left: until then they answer the requests that nginx sends on connections it has."""
    both, new = (line.replace("secrets/app_secret", str(secret_file)).replace("THE NEW SECRET", "another")
                 for line in blocks("With containers")[2].splitlines())

    def reload(how, old_secret, new_secret):
        before = stack.workers()
        how()
        wait("workers with other secrets", lambda: stack.replaced(before), 30)
        found = [status_of_post(s) for s in (SECRET, "another")]
        check("answers under the old and the new secret: %s" % found, found == [old_secret, new_secret])

    def back():
        secret_file.write_text(SECRET + "\n")
        stack("kill", "-s", "HUP", "handler")

    check("another secret before", status_of_post("another") == "401")
    reload(lambda: stack.paste(both), "200", "200")
    reload(lambda: stack.paste(new), "401", "200")
    reload(back, "200", "401")


def upgrade(stack):
    """The block of the README, for another version."""
    os.environ["IMAGE_VERSION"] = "9.9.9"
    stack.paste(blocks("With containers")[3].replace("git pull\n", ""))
    images = {stack.inspect(c, "Config", "Image") for c in stack.containers("handler")}
    check("images after the upgrade: %s" % images, images == {"tickstream:9.9.9"})
    labels = stack.inspect(stack.containers("handler")[0], "Config", "Labels")
    check("version label", labels["org.opencontainers.image.version"] == "9.9.9")


def answers_for_a_while():
    """Containers that come and go change what Docker's name server says: does nginx find its workers for 3 s now?"""
    end = time.monotonic() + 3
    while time.monotonic() < end:
        run("curl", "-fsS", "http://127.0.0.1:%d/livez" % PORT)
        time.sleep(0.1)
    return True


def test(stack, folder):
    run(TOP / "tests/compose/base-images.sh", folder, quiet=False)
    # All that .env asks of a site: files of its own.
    for name, value in ("APP_SECRET_FILE", SECRET), ("VERIFY_TOKEN_FILE", TOKEN):
        file = folder / name
        file.write_text(value + "\n")
        os.environ[name] = str(file)
    began = time.monotonic()
    answer = stack.paste(blocks("With containers")[0])
    print("from nothing to a signed status, as pasted from the README: %.1f s" % (time.monotonic() - began))
    check("answer: %s" % answer, '{"accepted":1,"duplicates":0,"quarantined":0,"ignored":0}' in answer)
    demo = stack.paste(blocks("With containers")[1])
    check("demo: %s" % demo, "24 entries in whatsapp:statuses" in demo)
    up_again(stack)
    image_checks(stack)
    redis = stack.address(*stack.containers("redis"), "redis")
    listens = stack.inspect(stack.containers("nginx")[0], "HostConfig", "PortBindings", "80/tcp")
    check("published on %s" % listens, [b["HostIp"] for b in listens] == ["127.0.0.1"])
    wait("nginx finds its workers", answers_for_a_while, 60)
    run("/usr/bin/python3", TOP / "tests/data/run_cases.py", "--url", "http://127.0.0.1:%d" % PORT, "--redis",
        "redis://%s:6379" % redis, "--secret", SECRET, "--verify-token", TOKEN, quiet=False)
    rotate(stack, pathlib.Path(os.environ["APP_SECRET_FILE"]))
    upgrade(stack)
    wait("ready", lambda: run("curl", "-fsS", "http://127.0.0.1:%d/readyz" % PORT), 30)
    wait("two workers", lambda: len(stack.containers("handler")) == 2, 30)

    exits = subprocess.Popen(["docker", "events", "--filter", "event=die", "--filter",
                              "label=com.docker.compose.service=handler", "--format", "{{.Actor.Attributes.exitCode}}"],
                             stdout=subprocess.PIPE, text=True)
    traffic = Traffic()
    traffic.start()
    try:
        steps = disturb(stack, traffic)
    finally:
        traffic.stop()
        exits.terminate()
    report(stack, traffic, steps, exits.communicate()[0].split())


def down(stack):
    stack("down", "--volumes", "--remove-orphans")
    left = run("docker", "ps", "-aq") + run("docker", "volume", "ls", "-q")
    left += run("docker", "network", "ls", "-q", "--filter", "type=custom")
    check("down leaves behind: %s" % left, not left)


def main():
    os.environ["COMPOSE_PROJECT_NAME"] = PROJECT
    stack, began = Stack(), time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as folder:
            test(stack, pathlib.Path(folder))
            down(stack)
        failed = False
    except Failure as e:
        print("FAIL: %s" % e)
        with contextlib.suppress(Failure):
            tell_breaks(stack)
            print(stack("logs", "--no-color", "--tail=20"))
        failed = True
    print("compose-test: %s in %d s" % ("failed" if failed else "passed", time.monotonic() - began))
    return failed


if __name__ == "__main__":
    sys.exit(main())
