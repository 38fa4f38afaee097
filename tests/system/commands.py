"""Commands of the program, run before a Redis of the test's own: fixtures to import."""
import contextlib
import os
import subprocess

import pytest

from stack import BINARY, SECRET, TIMEOUT, WRAP, RedisServer, clean_environment

PASSWORD = "a-password-of-the-tests"      # never in any output


@pytest.fixture
def redis(folder):
    server = RedisServer(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def begin(folder):
    """begin(arguments..., setting="value") is a command that runs."""
    def call(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **settings):
        settings = {"app_secret": SECRET, "redis_url": "unix://%s/redis.sock" % folder, **settings}
        env = clean_environment({"TICKSTREAM_" + k.upper(): str(v) for k, v in settings.items()})
        return subprocess.Popen([*WRAP, str(BINARY), *arguments], env=env, text=True, stdout=stdout, stderr=stderr)
    return call


def end(process):
    stdout, stderr = process.communicate(timeout=TIMEOUT)
    done = subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
    assert PASSWORD not in stdout + stderr
    assert (done.returncode in (1, 2, 75)) == (stderr != "") and stderr.count("\n") <= 1, done
    return done


def shown_on(terminal):
    """All that was written to a terminal, whose other end is closed; it may come in parts.  Closes it."""
    shown = b""
    with contextlib.suppress(OSError):      # so a terminal ends
        while part := os.read(terminal, 65536):
            shown += part
    os.close(terminal)
    return shown.decode()


@pytest.fixture
def run(begin):
    """The same to its end."""
    return lambda *arguments, **settings: end(begin(*arguments, **settings))
