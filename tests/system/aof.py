"""What the append-only file of a Redis tells: which calls stored what, and where it may be cut."""
import collections
import mmap
import os
import re
import subprocess

from stack import STREAM

MULTI, EXEC = b"*1\r\n$5\r\nMULTI\r\n", b"*1\r\n$4\r\nEXEC\r\n"
REQUEST = rb"request_id\r\n\$\d+\r\n(?P<request>[^\r]+)\r\n"
XADD = re.compile(rb"\*\d+\r\n\$4\r\nXADD\r\n")
STEP = re.compile(rb"(?P<multi>%s)|(?P<exec>%s)|%s|\r\n%s\r\n\$\d+\r\n(?P<current>[01]) \d" % (
    re.escape(MULTI), re.escape(EXEC), REQUEST, re.escape(b"{%s}:seen" % STREAM.encode())))

TRANSACTION = re.compile(b"(?s)%s.*?%s" % (re.escape(MULTI), re.escape(EXEC)))

Told = collections.namedtuple("Told", "calls shared bodies rotations")


def files(folder):
    """In the order in which they were written."""
    return sorted((folder / "appendonlydir").glob("*.incr.aof"), key=lambda path: int(path.name.split(".")[-3]))


def read(folder):
    """How many transactions there were, how many of these stored more than one body and how many bodies those are, and
    how often the current set of dedupe was another one than before."""
    calls, shared, bodies, rotations = 0, 0, 0, 0
    requests, current = set(), None
    for path in files(folder):
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for step in STEP.finditer(data):
                if step["multi"]:
                    requests.clear()
                elif step["request"]:
                    requests.add(step["request"])
                elif step["current"]:
                    rotations += current not in (None, step["current"])
                    current = step["current"]
                else:
                    calls += 1
                    shared += len(requests) > 1
                    bodies += len(requests) if len(requests) > 1 else 0
    return Told(calls, shared, bodies, rotations)


def fix(folder):
    """Takes off what is at the end of it and not whole, as redis-check-aof does."""
    [manifest] = (folder / "appendonlydir").glob("*.manifest")
    done = subprocess.run(["redis-check-aof", "--fix", manifest], input="y\n", capture_output=True, text=True)
    assert "Successfully truncated" in done.stdout, done.stdout + done.stderr


Cut = collections.namedtuple("Cut", "bodies is_torn")


def cut(path, kept, rand):
    """Takes the end off, from the middle of a transaction on, if there is one of several bodies of such a one; or else
    from the middle of the last XADD that is in none.  The first `kept` bytes stay.  Returns how many bodies had entries
    in it, and whether a command of a transaction is torn in two, or None when nothing was there to be cut."""
    with open(path, "rb") as file:
        file.seek(kept)
        data = file.read()
    whole = [m.span() for m in TRANSACTION.finditer(data)]
    shared = [(begin, end) for begin, end in whole if bodies_of(data[begin:end]) > 1]
    if whole:
        begin, end = rand.choice(shared or whole)
        is_torn = rand.random() < 0.5
        places = range(begin + 1, end) if is_torn else command_ends(data[:end], begin)[:-1]
    elif alone := [m.start() for m in XADD.finditer(data)]:
        begin, end, is_torn = alone[-1], len(data), False
        places = range(begin + 1, end)
    else:
        return None
    at = rand.choice(places)
    os.truncate(path, kept + at)
    return Cut(bodies_of(data[begin:end]), is_torn and at not in command_ends(data[:end], begin))


def bodies_of(data):
    return len(set(re.findall(REQUEST, data)))


def command_ends(data, at):
    """Where the commands from there on end."""
    ends = []
    while at < len(data):
        line = data.index(b"\r\n", at)
        words, at = int(data[at + 1:line]), line + 2
        for _ in range(words):
            line = data.index(b"\r\n", at)
            at = line + 2 + int(data[at + 1:line]) + 2
        ends.append(at)
    return ends
