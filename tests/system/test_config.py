"""Options and settings: what is wrong is told in one line, and secrets never."""
import os
import re
import resource
import signal
import subprocess

import pytest

from stack import BINARY, SECRET, TOKEN, TOP, clean_environment, wait_for

GOOD = {"TICKSTREAM_APP_SECRET": SECRET}


@pytest.fixture
def run(make_stack):
    """run(arguments..., settings={...}) runs the program to its end with these settings alone."""
    program = make_stack(start=False, redis=False, nginx=False).program
    return lambda *arguments, settings=GOOD: program.run(*arguments, settings=settings)


@pytest.mark.core
@pytest.mark.parametrize("settings, names", [
    ({}, "TICKSTREAM_APP_SECRET"),
    ({"TICKSTREAM_APP_SECRET": ""}, "TICKSTREAM_APP_SECRET"),
    ({**GOOD, "TICKSTREAM_VERIFY_TOKEN": ""}, "TICKSTREAM_VERIFY_TOKEN"),
    ({**GOOD, "TICKSTREAM_TYPO": "1"}, "TICKSTREAM_TYPO"),
    ({**GOOD, "TICKSTREAM_WORKERS": "0"}, "TICKSTREAM_WORKERS"),
    ({**GOOD, "TICKSTREAM_WORKERS": "many"}, "TICKSTREAM_WORKERS"),
    ({**GOOD, "TICKSTREAM_MAX_BODY": "3MB"}, "TICKSTREAM_MAX_BODY"),
    ({**GOOD, "TICKSTREAM_REDIS_URL": "http://a"}, "TICKSTREAM_REDIS_URL"),
    ({**GOOD, "TICKSTREAM_REDIS_URL": "redis+sentinel://:%s@a,b" % SECRET},
     "TICKSTREAM_REDIS_URL: must be redis[s]://[user:pw@]host[:port][/db], redis[s]+sentinel://host,.../NAME, "
     "redis[s]+cluster://host,... or unix:///path[?db=n]\n"),
    ({**GOOD, "TICKSTREAM_REDIS_URL": "redis+cluster://:%s@a,b/1" % SECRET}, "TICKSTREAM_REDIS_URL"),
    ({**GOOD, "TICKSTREAM_REDIS_URL": "redis://:%s@a,b" % SECRET}, "TICKSTREAM_REDIS_URL"),
    ({**GOOD, "TICKSTREAM_REDIS_TIMEOUT": "2"}, "TICKSTREAM_REDIS_TIMEOUT"),
    ({**GOOD, "TICKSTREAM_DEDUPE_WINDOW": "-1s"}, "TICKSTREAM_DEDUPE_WINDOW"),
    ({**GOOD, "TICKSTREAM_DEDUPE_WINDOW": "31d"}, "TICKSTREAM_DEDUPE_WINDOW: must be 0 or a duration up to 30d"),
    ({**GOOD, "TICKSTREAM_TRIM": "on"}, "TICKSTREAM_TRIM: must be off or acked\n"),
    ({**GOOD, "TICKSTREAM_TRIM_KEEP": "2d", "TICKSTREAM_TRIM_DEAD_GROUP": "1d"},
     "TICKSTREAM_TRIM_DEAD_GROUP: must be 0 or at least TICKSTREAM_TRIM_KEEP\n"),
    ({**GOOD, "TICKSTREAM_TRIM_GROUPS": ",".join(map(str, range(33)))}, "TICKSTREAM_TRIM_GROUPS: has more than 32 names\n"),
    ({**GOOD, "TICKSTREAM_QUARANTINE_KEEP": "367d"}, "TICKSTREAM_QUARANTINE_KEEP: must be 0 or a duration up to 366d\n"),
    ({**GOOD, "TICKSTREAM_QUARANTINE_MAX": "10"},
     "TICKSTREAM_QUARANTINE_MAX: must be 0, a size from 64KiB to 1024GiB, or 1% to 90% of Redis' maxmemory\n"),
    ({**GOOD, "TICKSTREAM_STREAM": "{a}"}, "TICKSTREAM_STREAM"),
    ({**GOOD, "TICKSTREAM_STREAM_PARTITIONS": "257"}, "TICKSTREAM_STREAM_PARTITIONS: must be 1 to 256\n"),
    ({**GOOD, "TICKSTREAM_STREAM_PARTITIONS": "2", "TICKSTREAM_EVENTS_STREAM": "events"}, "{whatsapp:statuses}:events\n"),
    ({**GOOD, "TICKSTREAM_REDIS_URL": "redis+cluster://a", "TICKSTREAM_EVENTS_STREAM": "events"}, "TICKSTREAM_EVENTS_STREAM"),
    ({**GOOD, "TICKSTREAM_REDIS_SENTINEL_PASSWORD": SECRET}, "TICKSTREAM_REDIS_SENTINEL_PASSWORD"),
    ({**GOOD, "TICKSTREAM_REDIS_ACK": "replicas"}, "TICKSTREAM_REDIS_ACK: must be local, replicas:N or fsync:L,N"),
    ({**GOOD, "TICKSTREAM_LISTEN": "unix:relative"}, "TICKSTREAM_LISTEN"),
    ({**GOOD, "TICKSTREAM_LOG_LEVEL": "loud"}, "TICKSTREAM_LOG_LEVEL"),
    ({"TICKSTREAM_APP_SECRET_FILE": "/nonexistent"}, "TICKSTREAM_APP_SECRET_FILE"),
    ({**GOOD, "TICKSTREAM_APP_SECRET_FILE": "/etc/hostname"}, "TICKSTREAM_APP_SECRET"),
    ({"TICKSTREAM_ALLOW_UNSIGNED": "yes"}, "TICKSTREAM_ALLOW_UNSIGNED")])
def test_mistakes(run, settings, names):
    for arguments in [], ["--check-config"], ["healthcheck"]:
        done = run(*arguments, settings=settings)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done
        assert names in done.stderr and SECRET not in done.stderr


def test_wrong_options(run):
    for arguments in ["--nonsense"], ["start"], ["healthcheck", "/a", "/b"], ["--config"]:
        done = run(*arguments)
        assert done.returncode == 2 and "Usage:" in done.stderr, arguments


def test_check_config_masks_secrets(run):
    secret_url = "redis://user:hunter2@localhost:6380/3"
    settings = {**GOOD, "TICKSTREAM_VERIFY_TOKEN": TOKEN, "TICKSTREAM_REDIS_URL": secret_url}
    done = run("--check-config", settings=settings)
    assert done.returncode == 0
    for secret in SECRET, TOKEN, "hunter2":
        assert secret not in done.stdout + done.stderr
    values = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert values["TICKSTREAM_APP_SECRET"] == values["TICKSTREAM_VERIFY_TOKEN"] == "***"
    assert values["TICKSTREAM_REDIS_URL"] == "redis://***@localhost:6380/3"
    assert values["TICKSTREAM_STREAM"] == "whatsapp:statuses" and values["TICKSTREAM_MAX_BODY"] == "3145728"


@pytest.mark.parametrize("url, shown", [
    ("redis+sentinel://user:hunter2@a,b:1,[::1]/my-master/3", "redis+sentinel://***@a:26379,b:1,[::1]:26379/my-master/3"),
    ("redis+cluster://:hunter2@a:7001,b", "redis+cluster://***@a:7001,b:6379"),
    ("rediss+cluster://a", "rediss+cluster://a:6379"),
    ("unix://user:hunter2@/run/redis.sock", "unix://***@/run/redis.sock?db=0")])
def test_check_config_shows_every_server(run, url, shown):
    done = run("--check-config", settings={**GOOD, "TICKSTREAM_REDIS_URL": url})
    assert "TICKSTREAM_REDIS_URL=%s\n" % shown in done.stdout, done
    assert "hunter2" not in done.stdout + done.stderr


def test_environment_wins_over_file(run, folder):
    (folder / "conf").write_text("# a comment\n\nTICKSTREAM_STREAM=of-the-file\nTICKSTREAM_WORKERS = 3\n")
    done = run("--config", folder / "conf", "--check-config", settings={**GOOD, "TICKSTREAM_WORKERS": "4"})
    assert "TICKSTREAM_STREAM=of-the-file\n" in done.stdout and "TICKSTREAM_WORKERS=4\n" in done.stdout, done


def test_mistake_in_a_file_is_located(run, folder):
    (folder / "conf").write_text("TICKSTREAM_WORKERS=3\nnonsense\n")
    done = run("--config", folder / "conf", "--check-config")
    assert done.returncode == 2 and "line 2" in done.stderr


def test_help_names_every_setting(run):
    done = run("--help", settings={})
    assert (done.returncode, done.stderr) == (0, "")
    printed = run("--check-config").stdout
    for line in printed.splitlines():
        assert line.partition("=")[0].removeprefix("TICKSTREAM_") in done.stdout


def test_version(run):
    done = run("--version", settings={})
    version = re.search(r"^VERSION := (\S+)$", (TOP / "Makefile").read_text(), re.M)[1]
    assert (done.returncode, done.stdout) == (0, "tickstream %s\n" % version)


@pytest.mark.parametrize("name", ["TICKSTREAM_APP_SECRET_FILE", "TICKSTREAM_VERIFY_TOKEN_FILE", "TICKSTREAM_REDIS_URL_FILE"])
def test_a_secret_in_the_place_of_a_path_is_not_told(run, name):
    settings = {**({} if "APP" in name else GOOD), name: "redis://:hunter2@localhost"}
    done = run("--check-config", settings=settings)
    assert done.returncode == 2 and name in done.stderr and "hunter2" not in done.stderr


def test_what_is_hardly_meant_is_told(run):
    done = run("--check-config", settings={"TICKSTREAM_APP_SECRET": " short"})
    assert done.returncode == 0 and SECRET not in done.stderr and "short\n" not in done.stderr
    assert re.findall("(?m)^tickstream: warning: (TICKSTREAM_APP_SECRET): .*", done.stderr) == ["TICKSTREAM_APP_SECRET"] * 2
    assert run("--check-config").stderr == ""


def test_warnings_are_logged_at_the_start(make_stack):
    stack = make_stack(start=False, redis=False, nginx=False, app_secret="demo-app-secret", listen="0.0.0.0:0")
    stack.program.expects(r"redis: .*", r"APP_SECRET: .*")
    stack.program.start()
    wait_for(stack.program.is_listening, "the program listens")
    log = stack.program.log_text()
    assert len(re.findall('level=warn process="master" msg="APP_SECRET: one is', log)) == 2 and "demo-app" not in log


def test_signature_failures_are_warnings(make_stack):
    stack = make_stack()
    for _ in range(20):
        assert stack.post(b"{}", sign=False).status == 401
    found = stack.program.log_text().count('level=warn process="worker')
    assert 1 <= found < 20      # of each worker one a second


@pytest.mark.release_only
def test_no_core_file(folder):
    """A crash leaves no memory on the disk: where cat leaves a core, a program that knows secrets does not."""
    def unlimit():
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))

    def leaves_a_core(*command):
        with subprocess.Popen(command, env=clean_environment(GOOD), cwd=folder, preexec_fn=unlimit,
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
            child.stdin.write(b"x" * 300000)    # more than a pipe holds: it reads, so it has begun
            child.send_signal(signal.SIGSEGV)
            return os.WCOREDUMP(os.waitpid(child.pid, 0)[1])

    if not leaves_a_core("cat"):
        pytest.skip("nothing leaves a core here")
    assert not leaves_a_core(str(BINARY), "sign")
