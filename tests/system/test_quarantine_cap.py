"""Quarantine and events have a cap in bytes: beyond it an entry stays, with the digest of its body in place of the body,
and nothing is answered 503 for it."""
import hashlib
import itertools
import json

import pytest

from bodies import payload, result, status
from stack import QUARANTINE, STREAM, wait_for

EVENTS, ROOM, LEASE = ("{%s}:%s" % (STREAM, name) for name in ("events", "room", "upkeep"))
LAST = (1 << 64) - 1
WINDOWS = "24h", "0"
TROUBLE = r"redis: .*", r"webhook: answered 503: .*"

_numbers = itertools.count(1)


def filler(size):
    """A text that has not come before."""
    return ("%d " % next(_numbers)).rjust(9).ljust(size, "x")[:size]


def whole(size):
    """A body of so many bytes that is no JSON."""
    return filler(size).encode()


def elements(*sizes):
    """A body of one change, with a status that is none for each size: so many bytes of JSON."""
    return payload(*(filler(size - 2) for size in sizes))


def event(size):
    """A body of one change without statuses, of so many bytes of JSON."""
    def change(text):
        return {"field": "messages", "value": {"messages": [text]}}
    text = filler(size - len(json.dumps(change(""))))
    return json.dumps({"object": "o", "entry": [{"id": "1", "changes": [change(text)]}]}).encode()


# The room before; bodies; bytes of raw of the entries in quarantine, of the events; the room after.
ROWS = {
    "no room is known": (None, [whole(100)], [100], [], None),
    "for any number": ("- - 3 4", [whole(100), event(100)], [100], [100], "- - 3 4"),
    "enough": ("1000 - 0 0", [whole(100), whole(300)], [100, 300], [], "600 - 0 0"),
    "to the last byte": ("100 - 0 0", [whole(100)], [100], [], "0 - 0 0"),
    "a byte too little": ("99 - 0 0", [whole(100)], [0], [], "99 - 1 0"),
    "none": ("0 500 5 7", [whole(100), whole(20)], [0, 0], [], "0 500 7 7"),
    "a smaller one finds some": ("250 9 0 3", [whole(200), whole(100), whole(50)], [200, 0, 50], [], "0 9 1 3"),
    "elements of one body": ("250 - 0 0", [elements(200, 100, 50)], [200, 0, 50], [], "0 - 1 0"),
    "elements that are looked up apart": ("3000 - 0 0", [elements(*[20] * 300)], [20] * 150 + [0] * 150, [], "0 - 150 0"),
    "elements of two calls": ("20200 - 2 0", [elements(*[20] * 1100)], [20] * 1010 + [0] * 90, [], "0 - 92 0"),
    "events": ("- 250 0 0", [event(200), event(100)], [], [200, 0], "- 50 0 1"),
    "each has its own": ("0 250 0 0", [whole(100), event(200), event(100), whole(50)], [0, 0], [200, 0], "0 50 2 1"),
    "of many bytes": ("99999999999999 1 0 0", [whole(99)], [99], [], "99999999999900 1 0 0"),
    "many were without": ("0 - 4294967296 0", [whole(99)], [0], [], "0 - 4294967297 0"),
    **{"senseless: %r" % room: (room, [whole(100), event(100)], [100], [100], room) for room in (
        "", "0", "0 0", "0 0 0", "0 0 x 0", "x", "0 0 0 0 0", "\0", "0" * 100000, "- - -1 0")},
}


def sizes(entries):
    return [len(e["raw"]) for e in entries]


def room_of(stack):
    room = stack.redis("GET", ROOM)
    return None if room is None else room.decode()


@pytest.fixture
def start(make_stack):
    """start(window) is a stack whose room nobody else renews: somebody who does not see to it has the lease."""
    def start(window):
        stack = make_stack(start=False, dedupe_window=window, events_stream=EVENTS)
        stack.redis.start()
        stack.redis("SET", LEASE, "somebody")
        stack.program.start()
        return stack.start_nginx()

    return start


@pytest.mark.parametrize("window", WINDOWS)
def test_rooms(start, window):
    stack = start(window)
    with stack.client() as client:
        for label, (before, bodies, quarantined, events, after) in ROWS.items():
            stack.redis("UNLINK", ROOM, QUARANTINE, EVENTS)
            if before is not None:
                stack.redis("SET", ROOM, before)
            assert {client.post(body).status for body in bodies} == {200}, label
            got = sizes(stack.quarantine()), sizes(stack.entries(EVENTS)), room_of(stack)
            assert got == (quarantined, events, after), label


def test_body_is_recognised_by_its_digest(start):
    """What `sha256sum` says of what the sender has, whether it was kept or not."""
    stack = start("24h")
    stack.redis("SET", ROOM, "100 - 0 0")
    bodies = [whole(100), whole(200)]
    for body in bodies:
        assert stack.post(body).document() == result(quarantined=1)
    first, second = stack.quarantine()
    assert [e["raw_sha256"] for e in (first, second)] == [hashlib.sha256(body).hexdigest() for body in bodies]
    assert first["raw"].encode() == bodies[0] and second["raw"] == ""
    assert second["reason"] == "syntax" and second["detail"] and second["content_type"] == "application/json"


@pytest.mark.parametrize("window", WINDOWS)
def test_statuses_beside_are_stored(start, window):
    stack = start(window)
    stack.redis("SET", ROOM, "0 - 0 0")
    body = payload(status("a"), "no status", status("b"))
    assert stack.post(body).document() == result(accepted=2, quarantined=1)
    assert [e["id"] for e in stack.entries()] == ["a", "b"]
    assert sizes(stack.quarantine()) == [0] and room_of(stack) == "0 - 1 0"


def test_what_is_known_takes_no_room(start):
    """Also when it was kept without its bytes: it is recognised by what it was."""
    stack = start("24h")
    stack.redis("SET", ROOM, "20 - 0 0")
    body = elements(20, 30)
    assert stack.post(body).document() == result(quarantined=2)
    assert stack.post(body).document() == result(duplicates=2)
    assert sizes(stack.quarantine()) == [20, 0] and room_of(stack) == "0 - 1 0"


@pytest.mark.parametrize("window", WINDOWS)
def test_what_is_not_stored_takes_no_room(start, window):
    """A full Redis is another matter: 503, as for all that is new."""
    stack = start(window)
    stack.program.expects(*TROUBLE)
    stack.redis("SET", ROOM, "100 - 0 0")
    body = whole(60)
    stack.redis("CONFIG", "SET", "maxmemory", 1)
    assert stack.post(body).status == 503
    assert room_of(stack) == "100 - 0 0" and not stack.quarantine()
    stack.redis("CONFIG", "SET", "maxmemory", 0)
    assert stack.post(body).document() == result(quarantined=1)
    assert room_of(stack) == "40 - 0 0"


@pytest.mark.parametrize("window", WINDOWS)
def test_what_cannot_be_appended_takes_no_room(start, window):
    """The ids of quarantine are used up, but for one."""
    stack = start(window)
    stack.program.expects(*TROUBLE)
    stack.redis("SET", ROOM, "100 - 0 0")
    stack.redis("XADD", QUARANTINE, "%d-%d" % (LAST, LAST - 1), "raw", "")
    assert stack.post(elements(60, 60)).status == 503
    assert sizes(stack.quarantine()) == [0, 60] and room_of(stack) == "40 - 0 0"


@pytest.mark.parametrize("right, kept, after", [("get", 100, "0 - 0 0"), ("set", 0, "0 - 0 0")])
def test_room_is_out_of_reach(start, right, kept, after):
    """Nothing is refused for that."""
    stack = start("0")
    redis = stack.redis
    redis("SET", ROOM, "0 - 0 0")
    redis("ACL", "SETUSER", "own", "on", "nopass", "~*", "&*", "+@all")     # ours is another than the program's
    redis.login, redis.client = "own:x", None
    redis("PING")
    redis("ACL", "SETUSER", "default", "-" + right)
    assert stack.post(whole(100)).document() == result(quarantined=1)
    assert sizes(stack.quarantine()) == [kept] and room_of(stack) == after


@pytest.mark.parametrize("room, kept, after", [("0 0 0 0", False, "0 0 1 0"), ("90000 - 0 0", False, "90000 - 1 0"),
                                               ("200000 - 0 0", True, None)])
def test_what_is_beside_needs_room_too(start, room, kept, after):
    """Else an entry_id of a megabyte, repeated in each of its elements, would fill Redis past any cap."""
    stack = start("24h")
    stack.redis("SET", ROOM, room)
    body = json.loads(payload("no status"))
    body["entry"][0]["id"] = "x" + "\u00fc" * 50000
    assert stack.post(json.dumps(body).encode()).document() == result(quarantined=1)
    (entry,) = stack.quarantine()
    assert len(entry["entry_id"]) == (50001 if kept else 256) and (entry["raw"] != "") == kept
    assert entry["reason"] == "wrong_shape" and (kept or room_of(stack) == after)
    assert not kept or int(room_of(stack).split()[0]) < 200000 - 99000


def test_room_of_another_type(start):
    stack = start("0")
    stack.redis("RPUSH", ROOM, "a list")
    assert stack.post(whole(100)).document() == result(quarantined=1)
    assert sizes(stack.quarantine()) == [100]


@pytest.mark.parametrize("most, maxmemory, cap", [("1MiB", 0, 1 << 20), (None, 12 << 20, (12 << 20) // 10)],
                         ids=["a size", "a tenth of maxmemory"])
def test_flood(make_stack, most, maxmemory, cap):
    """Of foreign bodies, more than there is memory: all are answered 200, statuses meanwhile too, and what they take
    stays below the cap."""
    size = 100 << 10
    stack = make_stack(start=False, quarantine_max=most)
    stack.redis.start()
    stack.redis("CONFIG", "SET", "maxmemory", maxmemory)
    stack.start()
    wait_for(lambda: room_of(stack), "it is known how much may be kept")
    with stack.client() as client:
        for n in range(200):
            assert client.post(whole(size)).document() == result(quarantined=1)
            if n % 10 == 0:
                assert client.post(payload(status())).document() == result(accepted=1)
    kept = sizes(stack.quarantine())
    assert len(kept) == 200 and set(kept) == {0, size}
    assert cap - 2 * size < sum(kept) <= cap
    assert stack.redis("MEMORY", "USAGE", QUARANTINE, "SAMPLES", 0) < cap + size + 200 * 600
