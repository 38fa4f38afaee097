"""Every case of tests/data, by its runner, through nginx: ours, and what was seen in the field."""
import subprocess
import sys

import pytest

from stack import SECRET, TIMEOUT, TOKEN, TOP

pytestmark = pytest.mark.core


def run_cases(stack, *arguments):
    done = subprocess.run([sys.executable, TOP / "tests/data/run_cases.py", "--url", stack.nginx.url,
                           "--redis", stack.redis.url(), "--verify-token", TOKEN, *arguments],
                          text=True, capture_output=True, timeout=10 * TIMEOUT)
    assert done.returncode == 0 and " 0 failed" in done.stdout, done.stdout + done.stderr


def test_signed(stack):
    stack.program.expects(r"redis: .*", r"webhook: answered 503: .*")  # the cases with a full or a paused Redis
    run_cases(stack, "--mode", "signed", "--secret", SECRET)


def test_field(stack):
    run_cases(stack, "--cases", str(TOP / "tests/data/field/cases.jsonl"), "--secret", SECRET)


def test_unsigned(make_stack):
    stack = make_stack(app_secret=None, allow_unsigned="true", start=False)
    stack.program.expects(r"ALLOW_UNSIGNED: .*")
    run_cases(stack.start(), "--mode", "unsigned")
