"""TRIM and the other settings of what is kept: the workers remove it by themselves."""
import pytest

from bodies import payload, result, status
from old_entries import fill, first_id, read
from stack import QUARANTINE, STREAM, wait_for

MANY = 5000
LEASE = "{%s}:upkeep" % STREAM


def start_with_old_entries(make_stack, groups, **settings):
    """Entries that are as old as can be wait for the program, and groups that have read so many of them."""
    stack = make_stack(start=False, **settings)
    stack.redis.start()
    fill(stack.redis, STREAM, MANY)
    for group, count in groups.items():
        read(stack.redis, group, count)
    stack.program.start()
    return stack.start_nginx()


def test_nothing_goes_by_default(make_stack):
    stack = start_with_old_entries(make_stack, {"billing": MANY})
    wait_for(lambda: stack.metric("tickstream_stream_entries") == MANY, "the caretaker has looked")
    assert stack.metric("tickstream_trimmed_total") == 0
    assert first_id(stack.redis) == "1-0"


def test_what_all_groups_have_acknowledged_goes(make_stack):
    stack = start_with_old_entries(make_stack, {"slow": 4000, "quick": 4500}, trim="acked", trim_keep="1s")
    wait_for(lambda: first_id(stack.redis) == "4000-0", "all that may go is gone")
    assert stack.metric("tickstream_trimmed_total") == 3999
    wait_for(lambda: stack.metric("tickstream_stream_entries") == MANY - 3999, "it is counted")
    assert stack.post(payload(status())).document() == result(accepted=1)


def test_what_is_younger_stays(make_stack):
    stack = make_stack(trim="acked", trim_keep="1h")
    stack.redis("XGROUP", "CREATE", STREAM, "billing", "$", "MKSTREAM")
    assert stack.post(payload(status(), status())).document() == result(accepted=2)
    wait_for(lambda: stack.metric("tickstream_stream_entries") == 2, "the caretaker has looked")
    assert stack.metric("tickstream_trimmed_total") == 0


@pytest.mark.parametrize("settings, why", [
    ({}, "no group"),
    ({"trim_groups": "billing, audit"}, "no group billing"),
])
def test_without_the_groups_nothing_goes_and_a_line_says_so(make_stack, settings, why):
    stack = start_with_old_entries(make_stack, {}, trim="acked", trim_keep="1s", **settings)
    stack.program.expects("trim: nothing is removed from .*")
    wait_for(lambda: stack.program.has_logged("trim: nothing is removed from %s: %s$" % (STREAM, why)), "it is told")
    assert first_id(stack.redis) == "1-0"


def test_a_group_that_must_exist(make_stack):
    """A group that somebody has destroyed does not open the gate."""
    stack = start_with_old_entries(make_stack, {"billing": MANY}, trim="acked", trim_keep="1s",
                                   trim_groups="billing,audit")
    stack.program.expects("trim: nothing is removed from .*")
    wait_for(lambda: stack.program.has_logged("trim: .*: no group audit$"), "it is told")
    assert first_id(stack.redis) == "1-0"


def test_a_dead_group_is_not_waited_for(make_stack):
    """One that exists, and that nobody has read with for years."""
    stack = make_stack(start=False, trim="acked", trim_keep="1s", trim_dead_group="1h")
    stack.redis.start()
    fill(stack.redis, STREAM, MANY)
    read(stack.redis, "alive", MANY)
    stack.redis("XGROUP", "CREATE", STREAM, "dead", "0")
    stack.program.expects("trim: the group dead of .* has not moved for TRIM_DEAD_GROUP: .*")
    stack.program.start()
    stack.start_nginx()
    wait_for(lambda: first_id(stack.redis) == "%d-0" % MANY, "all that may go is gone")
    wait_for(lambda: stack.program.has_logged("trim: the group dead of"), "it is told")


def test_quarantine_goes_by_age(make_stack):
    stack = make_stack(start=False, quarantine_keep="1h")
    stack.redis.start()
    fill(stack.redis, QUARANTINE, 100)
    stack.program.start()
    stack.start_nginx()
    wait_for(lambda: stack.redis("XLEN", QUARANTINE) == 0, "what is old is gone")
    assert stack.post(b"no JSON").document() == result(quarantined=1)
    assert stack.redis("XLEN", QUARANTINE) == 1


def test_one_of_all_workers_sees_to_it(make_stack):
    """The lease is one worker's; when he goes, another one has it."""
    stack = start_with_old_entries(make_stack, {"billing": MANY}, trim="acked", trim_keep="1s", workers=4)
    wait_for(lambda: stack.redis("GET", LEASE), "somebody has it")
    assert 0 < stack.redis("PTTL", LEASE) <= 30000
    wait_for(lambda: first_id(stack.redis) == "%d-0" % MANY, "all that may go is gone")
    assert stack.metric("tickstream_trimmed_total") == MANY - 1


def test_a_full_redis_is_trimmed_too(make_stack):
    """What helps is not refused for what it helps against."""
    stack = make_stack(start=False, trim="acked", trim_keep="1s")
    stack.redis.start()
    fill(stack.redis, STREAM, MANY)
    read(stack.redis, "billing", MANY)
    stack.redis("CONFIG", "SET", "maxmemory", "1")
    stack.program.expects("redis: .*", "webhook: .*")
    stack.program.start()
    wait_for(lambda: first_id(stack.redis) == "%d-0" % MANY, "all that may go is gone")
