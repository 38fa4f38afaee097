"""Options and settings: what is wrong is told in one line, and secrets never."""
import re

import pytest

from stack import SECRET, TOKEN, TOP

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
    ({**GOOD, "TICKSTREAM_REDIS_TIMEOUT": "2"}, "TICKSTREAM_REDIS_TIMEOUT"),
    ({**GOOD, "TICKSTREAM_DEDUPE_WINDOW": "-1s"}, "TICKSTREAM_DEDUPE_WINDOW"),
    ({**GOOD, "TICKSTREAM_STREAM": "{a}"}, "TICKSTREAM_STREAM"),
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
