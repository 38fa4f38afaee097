"""The commands: how each is called, what it prints, and which status it ends with."""
import subprocess

import pytest

from stack import BINARY, SECRET, TIMEOUT, WRAP, clean_environment, signature

GOOD = {"TICKSTREAM_APP_SECRET": SECRET}
COMMANDS = ("run", "check-config", "acl", "partitions", "groups", "consumers", "trim", "tail", "erase", "dedupe", "quarantine",
            "backfill", "size", "doctor", "healthcheck", "sign", "send", "cgi", "help", "version")


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
    ("run", "--one", "x"), ("sign", "x"), ("cgi", "x"), ("healthcheck", "/a", "/b"),
    ("partitions", "x"), ("partitions", "--json", "x"), ("groups", "x"), ("groups", "--create", "a"),
    ("groups", "--create", "a", "--from", "1"), ("groups", "--create", "", "--from", "0"), ("trim", "x"), ("trim", "--yes", "x"),
    ("consumers",), ("consumers", "reap"), ("consumers", "reap", "0d"), ("consumers", "reap", "7"), ("consumers", "reap", "3651d"),
    ("consumers", "reap", "7d", "x"), ("consumers", "rip", "7d"),
    ("dedupe", "x"), ("dedupe", "show", "{a}"), ("dedupe", "show", "a", "b"), ("dedupe", "forget"), ("dedupe", "forget", ""), ("dedupe", "forget", "{a}"),
    ("doctor", "x"), ("doctor", "https://h/?a"), ("doctor", "ftp://h"), ("doctor", "http://h", "http://h"), ("doctor", "--rate"), ("doctor", "--rate", "0"),
    ("doctor", "--rate", "x"), ("doctor", "--ca", "f"), ("doctor", "--ca", "", "http://h"), ("doctor", "--nginx", ""), ("doctor", "--wrong", "x"),
    ("dedupe", "forget", "a", "b"), ("dedupe", "forget", "a" * 512), ("--nonsense",), ("--config",), ("--check-config", "run")])
def test_misuse(run, arguments):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, b"") and (b"Usage: " in done.stderr or b"(tickstream help " in done.stderr)


def test_output_that_cannot_be_written(run):
    with open("/dev/full", "wb") as full:
        for name in "help", "version", "check-config", "acl", "sign":
            assert run(name, stdout=full).returncode == 1


# Signing

def signed(body, secret=SECRET):
    return ("X-Hub-Signature-256: %s\n" % signature(body, secret)).encode()


@pytest.mark.core
@pytest.mark.parametrize("body", [b"", b"{}", b"\0\0\n\r\n\xff", bytes(range(256)) * 12288],
                         ids=["empty", "small", "binary", "3 MiB"])
def test_sign(run, body):
    done = run("sign", stdin=body)
    assert (done.returncode, done.stdout, done.stderr) == (0, signed(body), b"")


def test_sign_with_the_first_of_several_secrets(run, folder):
    (folder / "secrets").write_text("one\ntwo\n")
    assert run("sign", settings={"TICKSTREAM_APP_SECRET_FILE": "secrets"}, stdin=b"a").stdout == signed(b"a", "one")


@pytest.mark.parametrize("settings, body, status, says", [
    ({"TICKSTREAM_ALLOW_UNSIGNED": "true"}, b"a", 2, b"TICKSTREAM_APP_SECRET"),
    ({}, b"a", 2, b"TICKSTREAM_APP_SECRET"),
    ({**GOOD, "TICKSTREAM_MAX_BODY": "3"}, b"four", 1, b"TICKSTREAM_MAX_BODY")])
def test_sign_refuses(run, settings, body, status, says):
    done = run("sign", settings=settings, stdin=body)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (status, b"", 1) and says in done.stderr
    assert SECRET.encode() not in done.stderr


def test_sign_of_what_cannot_be_read(run, folder):
    with open(folder / "written", "wb") as written:
        done = subprocess.run([*WRAP, str(BINARY), "sign"], stdin=written, env=clean_environment(GOOD),
                              capture_output=True, timeout=TIMEOUT, check=False)
    assert (done.returncode, done.stdout) == (1, b"") and b"cannot be read" in done.stderr
