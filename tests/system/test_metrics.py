"""/metrics: the whole pool in one scrape, and counters that outlive their workers."""
import os
import re
import signal

import pytest

from bodies import payload, status
from fcgi_client import FastCgi
from stack import wait_for

ACCEPTED = "tickstream_statuses_accepted_total"


def post_to_all(stack, rounds=40):
    """Over many connections, so that every worker has a share; returns how many statuses."""
    for _ in range(rounds):
        with FastCgi(stack.program.socket) as peer:
            assert peer.post(payload(status(), status())).status == 200
    return 2 * rounds


@pytest.mark.core
def test_sums_over_workers_and_restarts(make_stack):
    stack = make_stack(workers=3)
    stack.program.expects(r"worker \d+ \(pid \d+\) was killed by signal 9")
    count = post_to_all(stack)
    assert [stack.metric(ACCEPTED) for _ in range(10)] == [count] * 10
    assert stack.metric("tickstream_workers") == stack.metric("tickstream_redis_connected") == 3
    for worker in stack.program.workers():
        os.kill(worker, signal.SIGKILL)
    wait_for(lambda: stack.metric("tickstream_redis_connected") == 3 and
             stack.metric("tickstream_worker_starts_total") == 6, "three new workers")
    assert stack.metric(ACCEPTED) == count
    count += post_to_all(stack)
    assert stack.metric(ACCEPTED) == count


def test_text_format(stack):
    """Every sample has its type, once; the histogram adds up."""
    assert stack.post(payload()).status == 200
    answer = stack.get("/metrics")
    assert answer.header("Content-Type").startswith("text/plain; version=0.0.4")
    text = answer.body.decode()
    types = re.findall(r"^# TYPE (\S+) (counter|gauge|histogram)$", text, re.M)
    assert len(types) == len(dict(types)) > 15
    for line in text.splitlines():
        m = re.fullmatch(r'([a-z_]+?)(_bucket|_sum|_count)?(\{[a-z]+="[^"]*"\})? [0-9.e+-]+', line)
        assert line.startswith("# ") or m and (m[1] in dict(types) or m[1] + (m[2] or "") in dict(types)), line
    assert stack.metric("tickstream_webhook_seconds_count") == stack.metric("tickstream_webhooks_total") == 1
    assert stack.metric('tickstream_webhook_seconds_bucket{le="+Inf"}') == 1


def test_what_is_refused_is_counted(stack):
    stack.post(payload(), sign=False)
    stack.post(payload(), kind="text/plain")
    stack.post(payload("bad"))
    stack.post(b"{")
    assert stack.metric('tickstream_responses_total{code="401"}') == 1
    assert stack.metric('tickstream_responses_total{code="415"}') == 1
    assert stack.metric('tickstream_quarantined_total{reason="wrong_shape"}') == 1
    assert stack.metric('tickstream_quarantined_total{reason="syntax"}') == 1
