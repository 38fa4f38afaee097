"""How full streams and servers are is seen before it hurts: metrics, /readyz?verbose, the log."""
import re

from bodies import payload, result, status
from old_entries import fill, read
from stack import QUARANTINE, STREAM, wait_for

MB = 1 << 20
SEEN, DEAD = "{%s}:seen:0" % STREAM, "{%s}:dead" % STREAM


def used_memory(redis):
    return int(re.search(rb"used_memory:(\d+)", redis("INFO", "memory"))[1])


def test_figures_of_a_stream(make_stack):
    stack = make_stack(start=False)
    redis = stack.redis
    redis.start()
    redis("CONFIG", "SET", "maxmemory", 64 * MB)
    fill(redis, STREAM, 5000)
    read(redis, "slow", 100)
    redis("XREADGROUP", "GROUP", "slow", "me", "COUNT", 3, "STREAMS", STREAM, ">")
    redis("XGROUP", "CREATE", STREAM, "quick", "$")
    redis("XADD", QUARANTINE, "*", "raw", "x" * 1000)
    redis("XADD", DEAD, "*", "id", "x")
    redis("SADD", SEEN, *range(40))
    stack.program.start()
    stack.start_nginx()
    wait_for(lambda: stack.metric("tickstream_upkeep_partitions") == 1, "the caretaker has looked")
    text = stack.get("/metrics").body.decode()
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
    assert {name: int(figures["tickstream_" + name]) for name in (
        "stream_entries", "quarantine_entries", "dead_entries", "dedupe_digests", "quarantine_cut_total",
        'group_pending{group="slow"}', 'group_lag{group="slow"}', 'group_pending{group="quick"}',
        'group_lag{group="quick"}', 'group_oldest_pending_seconds{group="quick"}')} == {
            "stream_entries": 5000, "quarantine_entries": 1, "dead_entries": 1, "dedupe_digests": 40,
            "quarantine_cut_total": 0, 'group_pending{group="slow"}': 4, 'group_lag{group="slow"}': 4897,
            'group_pending{group="quick"}': 0, 'group_lag{group="quick"}': 0,
            'group_oldest_pending_seconds{group="quick"}': 0}
    assert int(figures['tickstream_group_oldest_pending_seconds{group="slow"}']) > 10**9  # ids begin in 1970
    assert int(figures["tickstream_stream_oldest_seconds"]) > 10**9
    assert int(figures["tickstream_stream_bytes"]) == redis("MEMORY", "USAGE", STREAM, "SAMPLES", 64)
    used = used_memory(redis) / (64 * MB)
    assert used / 2 < float(figures["tickstream_redis_memory_used_ratio"]) < 2 * used
    verbose = stack.get("/readyz?verbose").body.decode()
    for line in (r"looked after: 1 partitions", r"redis memory: \d+ bytes, \d+\.\d % of maxmemory",
                 r"stream: 5000 entries, \d+ bytes, the oldest \d+ s old", r"quarantine: 1 entries, \d+ bytes",
                 r"remembered: 40 digests", r"group slow: 4 pending, the oldest \d+ s old, lag 4897",
                 r"group quick: 0 pending, lag 0"):
        assert re.search("^%s$" % line, verbose, re.M), line


def test_a_full_server_is_told_before_and_after(make_stack):
    stack = make_stack(start=False)
    redis = stack.redis
    redis.start()
    for _ in range(50):
        redis("RPUSH", "ballast", "x" * MB)
    redis("CONFIG", "SET", "maxmemory", int(used_memory(redis) / 0.9))
    stack.program.expects(r"redis: \d+ % of maxmemory are used .*", r"redis: no more than \d+ % of .*")
    stack.program.start()
    stack.start_nginx()
    wait_for(lambda: stack.program.has_logged(r"redis: [89]\d % of maxmemory are used .\d+ of \d+ MB"), "it is told")
    assert stack.post(payload(status())).document() == result(accepted=1)
    redis("DEL", "ballast")
    wait_for(lambda: stack.program.has_logged(r"redis: no more than \d+ % of maxmemory are used now"), "it is over")
