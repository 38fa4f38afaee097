"""Start, stop, reload and death of the master and its workers, under requests."""
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import time

import pytest

from bodies import payload
from load import Load
from proxy import SlowProxy
from stack import BINARY, SECRET, SLOWNESS, TIMEOUT, WRAP, is_alive, wait_for

KILLED = r"worker \d+ \(pid \d+\) was killed by signal 9"


def check_ledger(stack, accepted):
    """Each accepted id is an entry, once; returns how many entries nobody knows of.  (No long lists in an assert:
    pytest would compare them line by line.)"""
    stored = [entry["id"] for entry in stack.entries()]
    lost, doubled = set(accepted) - set(stored), len(stored) - len(set(stored))
    assert (len(lost), doubled) == (0, 0), sorted(lost)[:9]
    return len(set(stored) - set(accepted))


def under_way(load, more=200):
    """Waits until the load has got some more answers."""
    before = sum(load.answers.values())
    wait_for(lambda: sum(load.answers.values()) >= before + more / SLOWNESS, "more answers")


def replaced(stack, dead):
    """The workers when they are two again, without the dead one."""
    workers = stack.program.workers()
    return len(workers) == 2 and dead not in workers and workers


@pytest.mark.core
def test_sigterm_under_load(stack):
    """Every request that a worker has read is answered; then all end, and nothing stays."""
    workers = stack.program.workers()
    with Load(stack.nginx.port) as load:
        under_way(load)
        began = time.monotonic()
        assert stack.program.stop(signal.SIGTERM) == 0
        assert time.monotonic() - began < 3 * SLOWNESS
        under_way(load)
    assert set(load.answers) == {200, 503}
    assert check_ledger(stack, load.accepted) == 0
    assert not any(map(is_alive, workers)) and not stack.program.socket.exists()


def test_requests_in_flight_are_answered_at_the_end(make_stack):
    """Redis is slow, and the answer comes all the same: the program waits for it."""
    stack = make_stack(redis_timeout="10s")
    stack.redis("CLIENT", "PAUSE", 60000, "WRITE")
    with stack.client() as client:
        client.send_post(payload())
        wait_for(lambda: blocked_clients(stack) == 1, "the status waits in Redis")
        stack.program.kill(signal.SIGTERM)
        wait_for(lambda: stack.program.has_logged("drain: "), "draining")
        stack.redis("CLIENT", "UNPAUSE")
        assert client.receive().status == 200
    assert stack.program.process.wait(10 * SLOWNESS) == 0


def test_drain_timeout(make_stack):
    """A request that Redis never answers holds the end up no longer than configured."""
    stack = make_stack(redis_timeout="60s", drain_timeout="1s")
    stack.program.expects(r"drain: 1 connections were still open at the end of the drain timeout",
                          r"webhook: answered 503: .*")
    stack.redis("CLIENT", "PAUSE", 60000, "WRITE")
    with stack.client() as client:
        client.send_post(payload())
        wait_for(lambda: blocked_clients(stack) == 1, "the status waits in Redis")
        began = time.monotonic()
        assert stack.program.stop() == 0
        assert 0.9 < time.monotonic() - began < 2 * SLOWNESS
        assert client.receive().status == 503
    stack.redis("CLIENT", "UNPAUSE")


def blocked_clients(stack):
    return int(stack.redis("INFO", "clients").partition(b"blocked_clients:")[2].split(b"\r\n")[0])


# Signals

@pytest.mark.core
def test_sigusr1_is_ignored_and_sigquit_drains(stack):
    """The first is what is sent to a web server after its logs were rotated, the second what ends one gently."""
    workers = stack.program.workers()
    stack.program.kill(signal.SIGUSR1)
    stack.program.kill(signal.SIGALRM)
    assert stack.post(payload()).status == 200
    assert stack.program.workers() == workers
    assert stack.program.stop(signal.SIGQUIT) == 0
    assert not any(map(is_alive, workers)) and not stack.program.socket.exists()


@pytest.mark.core
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_one_process(make_stack, number):
    """What a debugger wants: no child; and an end like that of many."""
    stack = make_stack(start=False, workers=1)
    stack.program.expects(r"ready: this process alone on .*")
    stack.redis.start()
    stack.program.start("run", "--one")
    stack.start_nginx()
    assert stack.program.workers() == []
    with Load(stack.nginx.port, clients=2) as load:
        under_way(load)
        stack.program.kill(signal.SIGHUP)
        under_way(load)
        assert stack.program.stop(number) == 0
        under_way(load)
    assert set(load.answers) <= {200, 503}
    assert check_ledger(stack, load.accepted) == 0
    assert not stack.program.socket.exists()


@pytest.mark.parametrize("numbers", [[signal.SIGTERM], [signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM]])
def test_signals_before_the_configuration_is_read(make_stack, numbers):
    """They wait: nothing is half begun, nothing stays, the exit status is that of a good end."""
    stack = make_stack(start=False, nginx=False, redis=False)
    stack.program.expects(r"redis: .*", r"reload: .*")
    os.mkfifo(stack.folder / "conf")
    stack.program.start("--config", stack.folder / "conf")
    with open(stack.folder / "conf", "w") as conf:       # when both ends are open, the program is reading it
        for number in numbers:
            stack.program.kill(number)
        if signal.SIGHUP in numbers:                     # which reads it again
            (stack.folder / "other").write_text("")
            (stack.folder / "other").rename(stack.folder / "conf")
        conf.write("TICKSTREAM_WORKERS=1\n")
    assert stack.program.process.wait(TIMEOUT) == 0
    assert stack.program.has_logged("stopped") and not stack.program.socket.exists()


def test_sigterm_at_once(make_stack):
    """From the first line of main() on; before, the program has not begun."""
    stack = make_stack(start=False, nginx=False, redis=False, workers=1)
    stack.program.expects(r"redis: .*")
    for i in range(20):
        stack.program.start()
        wait_for(lambda: blocks(stack.program.pid, signal.SIGALRM), "main() has begun")
        stack.program.kill(signal.SIGTERM)
        assert stack.program.process.wait(TIMEOUT) == 0, i
        assert not stack.program.socket.exists()


def blocks(pid, number):
    """Not so told of a signal that is being waited for."""
    mask = re.search(r"^SigBlk:\s*(\w+)", pathlib.Path("/proc/%d/status" % pid).read_text(), re.M)[1]
    return int(mask, 16) >> (number - 1) & 1


@pytest.mark.core
def test_killed_worker_is_replaced(stack):
    stack.program.expects(KILLED)
    before = stack.program.workers()
    os.kill(before[0], signal.SIGKILL)
    now = wait_for(lambda: replaced(stack, before[0]), "a new worker", SLOWNESS)
    assert before[1] in now
    assert stack.post(payload()).status == 200


def test_others_go_on_when_one_is_killed(stack):
    """One worker's death costs the answers of its own connections, which nginx turns into 503, and no status."""
    stack.program.expects(KILLED, r"webhook: answered 503: .*")
    with Load(stack.nginx.port) as load:
        for _ in range(5):
            under_way(load)
            victim = stack.program.workers()[0]
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda: replaced(stack, victim), "a new worker")
        under_way(load)
    assert set(load.answers) <= {200, 503}
    assert load.answers[503] < load.answers[200] / 4
    check_ledger(stack, load.accepted)


def test_backoff_when_workers_die_at_once(make_stack):
    """Without descriptors none can start: the master tries again, ever less often, until it works."""
    stack = make_stack(workers=1)
    stack.program.expects(KILLED, r"out of memory at the start", r"worker 1 \(pid \d+\) exited with status 1")
    resource.prlimit(stack.program.pid, resource.RLIMIT_NOFILE, (5, 1024))
    os.kill(stack.program.workers()[0], signal.SIGKILL)

    def deaths():
        return sum("exited with status 1" in m for m in stack.program.messages())

    wait_for(lambda: deaths() == 4, "four deaths")
    began = time.monotonic()
    wait_for(lambda: deaths() == 5, "the fifth")
    assert time.monotonic() - began > 0.5
    resource.prlimit(stack.program.pid, resource.RLIMIT_NOFILE, (1024, 1024))
    wait_for(lambda: stack.get("/readyz").status == 200, "ready again")


def test_stopped_worker_is_killed(make_stack):
    """A worker that gives no sign of life for 20 s is taken for stuck."""
    stack = make_stack(workers=2)
    stack.program.expects(KILLED, r"worker \d+ \(pid \d+\) has been silent for 20 s: killed")
    stuck = stack.program.workers()[0]
    os.kill(stuck, signal.SIGSTOP)
    wait_for(lambda: not is_alive(stuck), "the stuck worker is killed", 30 + 5 * SLOWNESS)
    wait_for(lambda: replaced(stack, stuck), "a new worker")
    assert stack.post(payload()).status == 200


@pytest.mark.core
def test_reload_rotates_the_secret(make_stack):
    """Old, both, new: no request is refused on the way."""
    stack = make_stack(start=False, app_secret=None, drain_timeout="2s")
    stack.program.expects(r"reload: starting new workers", r"drain: .* at the end of the drain timeout")
    secrets = stack.folder / "secrets"
    secrets.write_text(SECRET + "\n")
    stack.program.settings["app_secret_file"] = secrets
    stack.start()

    def reload(text):
        before = set(stack.program.workers())
        secrets.write_text(text)
        stack.program.kill(signal.SIGHUP)
        wait_for(lambda: stack.program.workers() and not before & set(stack.program.workers()), "all new workers")

    with Load(stack.nginx.port, clients=4) as load:
        under_way(load)
        reload("the next secret of all\n%s\n" % SECRET)
        under_way(load)
    with Load(stack.nginx.port, clients=4, secret="the next secret of all") as other:
        under_way(other)
        reload("the next secret of all\n")
        under_way(other)
    assert set(load.answers) == set(other.answers) == {200}
    assert check_ledger(stack, load.accepted + other.accepted) == 0
    assert stack.post(payload()).status == 401


RELOADS = r"reload: starting new workers", r"drain: .* at the end of the drain timeout"


def reloads(stack):
    return stack.program.log_text().count("reload: starting new workers")


def is_settled(stack, before):
    """Are the workers two again, and none of those before?"""
    workers = set(stack.program.workers())
    return len(workers) == 2 and not workers & before


@pytest.mark.core
def test_reload_waits_until_new_workers_reach_redis(make_stack, folder):
    """The second SIGHUP comes while the workers of the first still connect: it waits too, and nobody is refused."""
    stack = make_stack(start=False, drain_timeout="2s")
    stack.program.expects(*RELOADS)
    stack.redis.start()
    proxy = SlowProxy(folder / "proxy.sock", stack.redis.path, delay=0.15)
    stack.program.settings["redis_url"] = proxy.url
    stack.start()
    before = set(stack.program.workers())
    with Load(stack.nginx.port, clients=4) as load:
        under_way(load)
        stack.program.kill(signal.SIGHUP)
        time.sleep(0.1)
        stack.program.kill(signal.SIGHUP)
        wait_for(lambda: reloads(stack) == 2, "the second reload")
        wait_for(lambda: is_settled(stack, before), "all new workers", TIMEOUT + 30)
        under_way(load)
    assert set(load.answers) == {200}
    assert check_ledger(stack, load.accepted) == 0
    proxy.close()


def test_service_manager_hears_of_a_reload_within_a_reload(make_stack, folder):
    """RELOADING for each SIGHUP, READY when nothing is left to do."""
    stack = make_stack(start=False, nginx=False, drain_timeout="0")
    stack.program.expects(*RELOADS)
    stack.redis.start()
    proxy = SlowProxy(folder / "proxy.sock", stack.redis.path, delay=1)
    stack.program.settings["redis_url"] = proxy.url
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(folder / "notify"))
        manager.settimeout(TIMEOUT)
        env = {**stack.program.environment(), "NOTIFY_SOCKET": str(folder / "notify")}
        stack.program.spawn([*WRAP, BINARY], env=env)

        def heard():
            word = "WATCHDOG=1"
            while word == "WATCHDOG=1":
                word = manager.recv(4096).decode().splitlines()[0]
            return word

        assert heard() == "READY=1"
        wait_for(stack.is_ready, "every worker has reached Redis")
        stack.program.kill(signal.SIGHUP)
        assert heard() == "RELOADING=1"
        stack.program.kill(signal.SIGHUP)
        assert heard() == "RELOADING=1"
        assert heard() == "READY=1" and reloads(stack) == 2
        assert stack.program.stop() == 0
        assert heard() == "STOPPING=1"
    proxy.close()


@pytest.mark.release_only
def test_reload_waits_for_room(make_stack):
    """There are 256 places: the third generation of 100 waits until enough of the first have left."""
    stack = make_stack(nginx=False, workers=100, drain_timeout="1s")
    stack.program.expects(*RELOADS, r"reload: waits until workers of earlier reloads have left")
    old = set(stack.program.workers())
    first = set(sorted(old)[:60])
    for pid in first:
        os.kill(pid, signal.SIGSTOP)
    stack.program.kill(signal.SIGHUP)
    wait_for(lambda: len(set(stack.program.workers()) - old) == 100, "the second generation")
    wait_for(lambda: set(stack.program.workers()) & old == first, "of the first one those that are stopped are left")
    second = set(stack.program.workers()) - old
    stack.program.kill(signal.SIGHUP)
    wait_for(lambda: stack.program.has_logged("reload: waits until"), "no room")
    assert reloads(stack) == 1 and second <= set(stack.program.workers())
    for pid in first:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: reloads(stack) == 2, "the third generation begins")
    wait_for(lambda: len(stack.program.workers()) == 100 and not second & set(stack.program.workers()), "it is alone")


def test_many_reloads_under_load(make_stack):
    """A tool that reloads for every file it changes."""
    stack = make_stack(drain_timeout="2s")
    stack.program.expects(*RELOADS)
    before = set(stack.program.workers())
    with Load(stack.nginx.port, clients=4) as load:
        under_way(load)
        for _ in range(30):
            stack.program.kill(signal.SIGHUP)
            time.sleep(0.1)
        wait_for(lambda: is_settled(stack, before), "all new workers", TIMEOUT + 30)
        under_way(load)
    assert set(load.answers) == {200}
    assert check_ledger(stack, load.accepted) == 0
    assert 2 <= reloads(stack) <= 30


def test_reload_to_a_redis_that_is_not_there(make_stack):
    """The old workers serve for ten seconds more; then what was asked for is in force."""
    stack = make_stack(start=False, redis_url=None)
    stack.program.expects(*RELOADS, r"redis: .*", r"webhook: answered 503: .*",
                          r"reload: 0 of 2 new workers reach Redis after 10 s; the old ones leave")
    url = stack.folder / "url"
    url.write_text(stack.redis.url())
    stack.program.settings["redis_url_file"] = url
    stack.start()
    url.write_text("unix://%s" % (stack.folder / "nothing.sock"))
    stack.program.kill(signal.SIGHUP)
    began, wrong = time.monotonic(), []
    while not stack.program.has_logged("the old ones leave"):
        # On a connection that nginx keeps, and on a new one, which any worker could accept.
        answers = stack.post(payload()).status, stack.program.run("healthcheck").returncode
        if answers != (200, 0) and not stack.program.has_logged("the old ones leave"):
            wrong.append(answers)
    assert time.monotonic() - began > 9 and not wrong
    wait_for(lambda: stack.get("/readyz").status == 503, "the new configuration is in force")
    # Back again: nobody waits for workers that do not serve either.
    url.write_text(stack.redis.url())
    began = time.monotonic()
    stack.program.kill(signal.SIGHUP)
    wait_for(lambda: stack.get("/readyz").status == 200, "ready again")
    assert time.monotonic() - began < 5 * SLOWNESS


@pytest.mark.skipif(os.getuid() != 0, reason="only root may fork in spite of the limit, and become another user")
@pytest.mark.release_only
def test_not_ready_before_a_worker_runs(make_stack, folder):
    """The system refuses to fork: READY is not told, and it is tried again."""
    stack = make_stack(start=False, redis=False, nginx=False)
    stack.program.expects(r"fork: Resource temporarily unavailable", r"redis: .*")
    program = shutil.copy(BINARY, folder)
    folder.chmod(0o755)
    stack.folder.chmod(0o777)
    nobody = {"user": 65534, "group": 65534, "extra_groups": []}
    stack.program.spawn([program], env=stack.program.environment(), **nobody,
                        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NPROC, (0, 1000)))
    wait_for(lambda: stack.program.has_logged("fork: "), "no process")
    assert stack.program.workers() == [] and not stack.program.has_logged("ready: ")
    subprocess.run(["prlimit", "--nproc=1000", "--pid=%d" % stack.program.pid], **nobody, check=True)
    wait_for(lambda: stack.program.has_logged("ready: "), "tried again")
    assert stack.program.workers()


def test_reload_with_a_mistake_changes_nothing(make_stack):
    stack = make_stack(start=False, app_secret=None)
    stack.program.expects(r"reload: TICKSTREAM_APP_SECRET: .*; everything stays as it was")
    secrets = stack.folder / "secrets"
    secrets.write_text(SECRET)
    stack.program.settings["app_secret_file"] = secrets
    stack.start()
    workers = stack.program.workers()
    secrets.write_text("")
    stack.program.kill(signal.SIGHUP)
    wait_for(lambda: stack.program.has_logged("everything stays"), "a word about it")
    assert stack.post(payload()).status == 200
    assert stack.program.workers() == workers


def test_killed_master_leaves_no_worker(stack):
    workers = stack.program.workers()
    assert stack.post(payload()).status == 200
    stack.program.stop(signal.SIGKILL)
    wait_for(lambda: not any(map(is_alive, workers)), "the workers end", 5 * SLOWNESS)


def test_stale_socket_is_replaced(stack):
    workers = stack.program.workers()
    stack.program.stop(signal.SIGKILL)
    wait_for(lambda: not any(map(is_alive, workers)), "the workers end: they listen until they hear of it")
    assert stack.program.socket.exists()
    stack.program.start()
    wait_for(lambda: stack.program.log_text().count("ready: ") == 2, "the second master is ready")
    wait_for(lambda: stack.get("/readyz").status == 200, "its workers are, on the same path")


def test_socket_in_use_is_left_alone(stack):
    second = stack.program.run()
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1 and "another process listens on" in second.stderr
    assert stack.post(payload()).status == 200


def test_file_that_is_no_socket_is_left_alone(make_stack):
    stack = make_stack(start=False, nginx=False, redis=False)
    stack.program.socket.write_text("precious")
    done = stack.program.run()
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert stack.program.socket.read_text() == "precious"


def test_socket_of_a_process_that_hangs_is_left_alone(make_stack):
    """It does not accept, and its queue is full: asking whether anybody listens must not wait for it."""
    stack = make_stack(start=False, nginx=False, redis=False)
    with socket.socket(socket.AF_UNIX) as owner, socket.socket(socket.AF_UNIX) as client:
        owner.bind(str(stack.program.socket))
        owner.listen(0)
        client.connect(str(stack.program.socket))
        done = stack.program.run()
    assert (done.returncode, done.stderr.count("\n")) == (1, 1) and "another process listens on" in done.stderr
    assert stack.program.socket.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.release_only
def test_socket_of_another_user_is_left_alone(make_stack, folder):
    """Whoever may not ask does not take it for stale, though the folder lets him remove it."""
    stack = make_stack(nginx=False, redis_timeout="2s")
    program = shutil.copy(BINARY, folder)
    folder.chmod(0o755)
    stack.folder.chmod(0o777)
    done = subprocess.run([program], env=stack.program.environment(), user=65534, group=65534, extra_groups=[],
                          capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1) and "Permission denied" in done.stderr
    assert stack.program.run("healthcheck").returncode == 0


def test_socket_that_was_replaced_is_left_alone(make_stack):
    """What ends removes its own file only."""
    stack = make_stack(nginx=False)
    stack.program.socket.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(stack.program.socket))
        assert stack.program.stop() == 0
        assert stack.program.socket.exists()


@pytest.mark.core
def test_listening_standard_input_is_served(make_stack):
    """As spawn-fcgi starts a program; the path is the starter's."""
    stack = make_stack(start=False)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(stack.program.socket))
        listener.listen(64)
        stack.redis.start()
        stack.program.start(stdin=listener)
    stack.start_nginx()
    assert stack.program.has_logged(r"ready: 2 workers on the inherited socket")
    assert stack.post(payload()).status == 200
    assert stack.program.stop() == 0
    assert stack.program.socket.exists()


def test_socket_mode(make_stack):
    stack = make_stack(nginx=False, socket_mode="0640")
    assert stack.program.socket.stat().st_mode & 0o777 == 0o640


def test_tcp(make_stack):
    """On host:port, too; nginx connects there."""
    stack = make_stack(start=False, nginx=False)
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    stack.program.settings["listen"] = "127.0.0.1:%d" % port
    stack.start()
    assert stack.program.run("healthcheck").returncode == 0


@pytest.mark.core
def test_healthcheck(stack):
    for arguments in ["healthcheck"], ["healthcheck", "/livez"], ["healthcheck", "/readyz"]:
        done = stack.program.run(*arguments)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert stack.program.run("healthcheck", "/nothing").returncode == 1


def test_healthcheck_fails(make_stack):
    stack = make_stack(redis=False, nginx=False)
    stack.program.expects(r"redis: .*")
    assert stack.program.run("healthcheck", "/livez").returncode == 0
    not_ready = stack.program.run("healthcheck")
    assert (not_ready.returncode, not_ready.stderr) == (1, "healthcheck: /readyz: Status: 503 Service Unavailable\n")
    stack.program.stop()
    gone = stack.program.run("healthcheck", "/livez")
    assert gone.returncode == 1 and "cannot connect" in gone.stderr
