"""Fixtures: servers in a private directory, which is kept and named when the test fails."""
import itertools
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from machine import machine  # noqa: F401  a fixture too
from stack import SANITIZED, TOP, WRAP, Clock, Stack


def pytest_collection_modifyitems(items):
    for item in items:
        if WRAP and not item.get_closest_marker("core"):
            item.add_marker(pytest.mark.skip(reason="TICKSTREAM_WRAP: core scenarios only"))
        elif (WRAP or SANITIZED) and item.get_closest_marker("release_only"):
            item.add_marker(pytest.mark.skip(reason="release build only"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    item.failed = getattr(item, "failed", False) or outcome.get_result().failed


@pytest.fixture
def folder(request):
    path = pathlib.Path(tempfile.mkdtemp(prefix="tickstream-test-"))
    yield path
    if request.node.failed:
        print("kept: %s" % path)
    else:
        shutil.rmtree(path)


@pytest.fixture
def make_stack(request, folder):
    """make_stack(...) starts a Stack of its own; all are stopped, and their logs read, at the end of the test."""
    stacks = []

    def make(start=True, **options):
        own = folder / str(len(stacks))
        own.mkdir()
        stack = Stack(own, **options)
        stacks.append(stack)
        return stack.start() if start else stack

    yield make
    faults = [fault for stack in stacks for fault in stack.stop()]
    request.node.failed = request.node.failed or bool(faults)
    assert not faults, "\n".join([*faults, "kept: %s" % folder])


@pytest.fixture
def stack(make_stack):
    return make_stack()


@pytest.fixture(scope="session")
def clock_library():
    with tempfile.TemporaryDirectory(prefix="tickstream-test-") as path:
        library = pathlib.Path(path) / "clock.so"
        subprocess.run(["cc", "-std=c17", "-D_GNU_SOURCE", "-O2", "-shared", "-fPIC", "-o", library,
                        TOP / "tests/system/clock.c"], check=True)
        yield library


@pytest.fixture
def make_clock(folder, clock_library):
    """make_clock() is a Clock for one Redis; it goes right."""
    numbers = itertools.count()
    return lambda: Clock(folder / ("clock.%d" % next(numbers)), clock_library)
