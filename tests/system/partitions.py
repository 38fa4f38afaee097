"""A stream of many partitions: their names, and what belongs into which."""
import zlib

from stack import STREAM

PARTITIONS = 16
NUMBER = "{%s}:partitions" % STREAM     # the key that holds with how many the stream was made


def partition_names(count=PARTITIONS):
    return ["%s:%d" % (STREAM, n) for n in range(count)]


STREAMS = partition_names()


def ids_of_all_partitions():
    """One for each."""
    found, n = {}, 0
    while len(found) < PARTITIONS:
        name = "wamid.%d" % n
        found.setdefault(zlib.crc32(name.encode()) % PARTITIONS, name)
        n += 1
    return [found[p] for p in range(PARTITIONS)]


def ids_in(redis, stream):
    return [dict(zip(pairs[::2], pairs[1::2]))[b"id"].decode() for _, pairs in redis("XRANGE", stream, "-", "+")]
