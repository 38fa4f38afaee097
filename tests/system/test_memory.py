"""A worker gives back what big bodies needed."""
import pathlib
import re

import pytest

from bodies import payload, status
from stack import wait_for

pytestmark = pytest.mark.release_only

MIB = 1 << 20


def resident(pid):
    """Bytes of physical memory of a process."""
    text = pathlib.Path("/proc/%d/status" % pid).read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) * 1024


def test_memory_comes_back(make_stack):
    """Dozens of bodies of 3 MiB of different kinds between small ones, some of them at the same time.  However long
    they take: what counts is bytes."""
    stack = make_stack(start=False, redis_timeout="60s")
    stack.nginx.edit("tickstream-pass.conf", "fastcgi_read_timeout 8s;", "fastcgi_read_timeout 90s;")
    stack.program.expects(r"redis: BUSY .*")    # 28,000 statuses in one script, on a busy machine
    stack.start()
    many = payload(*(status() for _ in range(28000)))
    assert 2 * MIB < len(many) < 3 * MIB
    big = [(many, "application/json"),
           (payload(status(biz_opaque_callback_data="x" * (3 * MIB - 1000))), "application/json"),
           (b"[" * (3 * MIB), "application/json"), (b"<a>" * MIB, "application/xml"),
           (b"a=b&" * (3 * MIB // 4), "application/x-www-form-urlencoded")]
    clients = [stack.client() for _ in range(6)]
    for turn in range(6):
        for client, (body, kind) in zip(clients, big[turn % 5:] + big[:turn % 5] + big[:1]):
            client.send_post(body, kind=kind)
        assert {client.receive().status for client in clients} == {200}
        assert all(stack.post(payload()).status == 200 for _ in range(20))
    for client in clients:
        client.close()
    wait_for(lambda: max(map(resident, stack.program.workers())) < 24 * MIB,
             "less than 24 MiB (was %s)" % [resident(w) // MIB for w in stack.program.workers()])
