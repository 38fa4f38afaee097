#!/usr/bin/env python3
"""Brings the compose stack up and disturbs it under load; compares what was acknowledged with the stream.  Then the
same with its profile "cluster" (cluster_test.py).

Runs as root beside a Docker daemon of its own: tests/compose/run.sh starts both.
"""
import contextlib, hashlib, hmac, json, os, pathlib, re, signal, sys, tempfile, time

import cluster_test
from stack import TOP, Failure, Stack, blocks, check, run, wait
from traffic import SECRET, TOKEN, Traffic, attempt_post, body_of, compare, connect, stored

STREAM = "whatsapp:statuses"
PORT = 8080
SCALING = 5000          # posts in each of the steps that must cost nobody anything
UNBROKEN = ("scale 2 to 4", "scale 4 to 1")


def disturb(stack, traffic):
    """The steps, each until its effect is seen and many posts more are acknowledged."""
    def step(name):
        return traffic.during(name, SCALING * (name in UNBROKEN))

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


def report(stack, traffic, exits):
    found = stored(connect(stack, "redis", "redis"), STREAM, traffic.prefix)
    again = second_passes(stack)
    compare(traffic, found, [["posts that nginx gave a second pass", again[0]], ["  of them answered 200", again[1]]])
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


def status_of_post(secret):
    body = body_of(["wamid.rotation"])
    signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": signature}
    conn, outcome, _, _ = attempt_post(PORT, None, body, headers)
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
    print(stack("exec", "-T", "handler", "tickstream", "size", "--rate", "100").splitlines()[-1])   # else it ends with 1
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

    exits = stack.watch_exits("handler")
    traffic = Traffic(PORT)
    traffic.start()
    try:
        disturb(stack, traffic)
    finally:
        traffic.stop()
        exits.terminate()
    report(stack, traffic, exits.communicate()[0].split())


def down(stack):
    stack("--profile", "cluster", "down", "--volumes", "--remove-orphans")
    left = run("docker", "ps", "-aq") + run("docker", "volume", "ls", "-q")
    left += run("docker", "network", "ls", "-q", "--filter", "type=custom")
    check("down leaves behind: %s" % left, not left)


def main():
    stack, began = Stack(), time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as folder:
            test(stack, pathlib.Path(folder))
            down(stack)
            cluster_test.test(stack)
            down(stack)
        failed = False
    except Failure as e:
        print("FAIL: %s" % e)
        with contextlib.suppress(Failure):
            tell_breaks(stack)
            print(stack("--profile", "cluster", "logs", "--no-color", "--tail=20"))
        failed = True
    print("compose-test: %s in %d s" % ("failed" if failed else "passed", time.monotonic() - began))
    return failed


if __name__ == "__main__":
    sys.exit(main())
