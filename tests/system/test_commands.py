"""The commands: how each is called, what it prints, and which status it ends with."""
import subprocess

import pytest

from stack import BINARY, SECRET, TIMEOUT, WRAP, clean_environment

GOOD = {"TICKSTREAM_APP_SECRET": SECRET}
COMMANDS = "run", "check-config", "healthcheck", "help", "version"


@pytest.fixture
def run(folder):
    """run(arguments..., settings={...}, stdin=b"") runs the program to its end; output as bytes."""
    def call(*arguments, settings=GOOD, stdin=b"", **options):
        return subprocess.run([*WRAP, str(BINARY), *map(str, arguments)], input=stdin, env=clean_environment(settings),
                              stdout=options.pop("stdout", subprocess.PIPE), stderr=subprocess.PIPE, timeout=TIMEOUT,
                              cwd=folder, **options)
    return call


@pytest.mark.core
def test_help_names_every_command(run):
    done = run("help", settings={})
    assert (done.returncode, done.stderr) == (0, b"")
    assert run("--help", settings={}).stdout == done.stdout
    named = [line.split()[0].decode() for line in done.stdout.split(b"\n\n")[1].splitlines()]
    assert named == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_on_one_command(run, name):
    done = run("help", name, settings={})
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"Usage: tickstream [--config FILE] %s" % name.encode())


def test_an_option_is_the_command_of_its_name(run):
    for name in "check-config", "version":
        assert run("--" + name).stdout == run(name).stdout != b""


@pytest.mark.parametrize("arguments", [
    ("start",), ("help", "start"), ("help", "run", "run"), ("version", "1"), ("check-config", "x"), ("run", "x"),
    ("healthcheck", "/a", "/b"), ("--nonsense",), ("--config",), ("--check-config", "run")])
def test_misuse(run, arguments):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, b"") and b"Usage: " in done.stderr


def test_output_that_cannot_be_written(run):
    with open("/dev/full", "wb") as full:
        for name in "help", "version", "check-config":
            assert run(name, stdout=full).returncode == 1
