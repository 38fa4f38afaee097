"""Entries that are as old as can be, and groups that have read some of them."""
from stack import STREAM


def fill(redis, stream, count):
    """Entries of fifty years ago, 1-0 and on."""
    redis("EVAL", "for i = 1, ARGV[1] do redis.call('XADD', KEYS[1], i .. '-0', 'id', 'wamid.' .. i) end", "1", stream,
          str(count))


def read(redis, group, count, stream=STREAM):
    """A group that has read so many, and acknowledged all but the last."""
    redis("XGROUP", "CREATE", stream, group, "0")
    redis("XREADGROUP", "GROUP", group, "me", "COUNT", str(count), "STREAMS", stream, ">")
    redis("XACK", stream, group, *("%d-0" % n for n in range(1, count)))


def first_id(redis, stream=STREAM):
    entries = redis("XRANGE", stream, "-", "+", "COUNT", "1")
    return entries and entries[0][0].decode()
