"""Clients of the compose tests: they post signed, unique statuses and know what became of each.

A post is repeated only where HTTP says that it may be: 503 with Retry-After, or no connection.  Every other end of a
post is counted by its name; whether such a post was stored is unknown, but not twice.
"""
import collections, contextlib, hashlib, hmac, http.client, json, os, select, sys, threading, time

from stack import TOP, check, wait

sys.path.insert(0, str(TOP / "tests/data"))
from run_cases import HOOK, Redis  # noqa: E402

SECRET, TOKEN = "a secret of one's own", "a-token-of-ones-own"
CLIENTS, RATE = 4, 400  # threads, and posts a second of all of them
POSTS = 1000            # to be acknowledged after the effect of each step


class Traffic:
    """Clients that post at a steady rate until stopped, and know how each post ended."""

    def __init__(self, port):
        self.port = port
        self.lock = threading.Lock()
        self.acknowledged = {}                      # status id: posts until the answer was 200
        self.unknown = set()                        # ids of posts that ended otherwise
        self.ends = collections.Counter()           # (step, outcome): attempts
        self.connections = collections.Counter()    # opened, by step
        self.duplicates = 0                         # statuses that an answer called known already
        self.step = "steady"
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.client, args=(n,), daemon=True) for n in range(CLIENTS)]
        self.steps = []                             # (name, seconds)
        self.prefix = "wamid.%d.%d." % (os.getpid(), time.time())

    def start(self):
        for t in self.threads:
            t.start()

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join(60)
        check("a client hangs", not any(t.is_alive() for t in self.threads))

    @contextlib.contextmanager
    def during(self, name, least=0):
        """A step: lasts until many posts more are acknowledged after its effect, and so many in all of it."""
        self.step, began, first = name, time.monotonic(), self.count("200")
        yield
        goal = max(self.count("200") + POSTS, first + least)
        wait("%s: %d posts acknowledged" % (name, goal), lambda: self.count("200") >= goal, 120)
        self.steps.append((name, time.monotonic() - began))

    def count(self, outcome):
        return sum(n for (_, o), n in self.ends.items() if o == outcome)

    def client(self, number):
        conn, post, due = None, 0, time.monotonic()
        while not self.stopping.is_set():
            ids = ["%s%d.%d.%d" % (self.prefix, number, post, n) for n in range(1 + post % 3)]
            post += 1
            conn = self.deliver(conn, ids)
            due = max(due + CLIENTS / RATE, time.monotonic() - 1)
            self.stopping.wait(max(0, due - time.monotonic()))

    def deliver(self, conn, ids):
        """Posts one body until it has an answer that is final; returns the connection to use for the next."""
        body = body_of(ids)
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256":
                   "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}
        for attempt in range(1, 100):
            step = self.step
            before = conn
            conn, outcome, again, answer = attempt_post(self.port, conn, body, headers)
            with self.lock:
                self.connections[step] += conn is not before
                self.ends[step, outcome] += 1
                if outcome == "200":
                    self.acknowledged.update(dict.fromkeys(ids, attempt))
                    self.duplicates += answer["duplicates"]
                    if answer["accepted"] + answer["duplicates"] != len(ids):
                        self.ends[step, "200 that does not count %d statuses" % len(ids)] += 1
                elif again is None:
                    self.unknown.update(ids)
            if again is None:
                break
            time.sleep(again)
        return conn


def body_of(ids):
    statuses = [{"id": i, "status": "delivered", "timestamp": "1700000000", "recipient_id": "15550001"} for i in ids]
    value = {"messaging_product": "whatsapp", "metadata": {"display_phone_number": "15550002", "phone_number_id": "1"},
             "statuses": statuses}
    return json.dumps({"object": "whatsapp_business_account",
                       "entry": [{"id": "2", "changes": [{"field": "messages", "value": value}]}]}).encode()


def attempt_post(port, conn, body, headers):
    """One try: the connection if it can be kept, the outcome's name, seconds after which to try again or None
    when that is not allowed, and the answer's document."""
    try:
        # A kept connection that the server has closed meanwhile is no connection.
        if conn is None or select.select([conn.sock], [], [], 0)[0]:
            conn = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
            conn.connect()
    except OSError as e:
        return None, "no connection: " + type(e).__name__, 0.2, None
    try:
        conn.request("POST", HOOK, body, headers)
        r = conn.getresponse()
        data = r.read()
    except (OSError, http.client.HTTPException) as e:
        conn.close()
        return None, "no answer: " + type(e).__name__, None, None
    again, outcome = None, str(r.status)
    if r.status == 503 and r.getheader("Retry-After"):
        again, outcome = int(r.getheader("Retry-After")), "503 with Retry-After"
    if r.will_close:
        conn.close()
        conn = None
    return conn, outcome, again, json.loads(data) if r.status == 200 else None


def connect(stack, service, network):
    return Redis("redis://%s:6379" % stack.address(*stack.containers(service), network))


def stored(redis, stream, prefix):
    """How often each id that begins so is in the stream."""
    found, last = collections.Counter(), b"-"
    while True:
        entries = redis("XRANGE", stream, last, "+", "COUNT", 5000)
        found.update(pairs[1].decode() for _, pairs in entries if pairs[1].startswith(prefix.encode()))
        if len(entries) < 5000:
            return found
        last = b"(" + entries[-1][0]


def table(rows):
    wide = max(len(str(r[0])) for r in rows)
    for name, *cells in rows:
        print("  %-*s %s" % (wide, name, "  ".join("%9s" % c for c in cells)))


def compare(traffic, found, rows=()):
    """What was acknowledged with what is stored; `rows`: also told."""
    lost = [i for i in traffic.acknowledged if not found[i]]
    doubled = [i for i, n in found.items() if n > 1]
    stray = set(found) - set(traffic.acknowledged) - traffic.unknown
    outcomes = sorted({o for _, o in traffic.ends} - {"200"})
    print()
    table([["step", "seconds", "200", *("[%d]" % n for n, _ in enumerate(outcomes, 1))]] +
          [[name, "%.1f" % seconds, *(traffic.ends[name, o] for o in ["200"] + outcomes)]
           for name, seconds in traffic.steps])
    for n, o in enumerate(outcomes, 1):
        print("  [%d] %s" % (n, o))
    print()
    table([["posts acknowledged", traffic.count("200")], ["statuses acknowledged", len(traffic.acknowledged)],
           ["  of them after a repeat", sum(n > 1 for n in traffic.acknowledged.values())],
           ["  of them recognised as stored before", traffic.duplicates], *rows,
           ["lost", len(lost)], ["doubled", len(doubled)],
           ["answers that were not 200", sum(n for (_, o), n in traffic.ends.items() if o != "200")],
           ["statuses of posts without a final answer", len(traffic.unknown)],
           ["  of them stored", len(traffic.unknown & set(found))]])
    check("lost: %s" % lost[:5], not lost)
    check("doubled: %s" % doubled[:5], not doubled)
    check("in the stream, but never sent: %s" % list(stray)[:5], not stray)
    check("too little traffic", len(traffic.acknowledged) > 1000)
    wrong = [o for o in outcomes if not o.startswith(("no connection", "no answer", "503 with"))]
    check("answers outside the contract: %s" % wrong, not wrong)
