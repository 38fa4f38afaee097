"""What chaos.py does to servers.  Each fault leaves things mended behind it, and returns how often its effect was seen:
at the end of a run, one that never had any is an error of the run."""
import contextlib
import os
import re
import signal
import time

import aof
from ledger import Fault
from stack import STREAM, is_alive, is_stopped, wait_for

LAST_ID = (1 << 64) - 1
TRIES = 5
MARK = "used up"        # an entry that is no status
SEEN = "{%s}:seen" % STREAM
SETS = SEEN + ":0", SEEN + ":1"
RIGHTS = {True: ("evalsha", "xadd", "smismember", "sadd", "get", "time"), False: ("xadd",)}      # with dedupe, without
CUTS, USED_UP = "cuts of the AOF in a call of several bodies", "streams that were used up"
PUT_ASIDE = "redis.call('RENAME', KEYS[1], KEYS[2]) redis.call('RPUSH', KEYS[1], 'no')"
ASIDE = "aside:%s" % STREAM


def used_up(n):
    """What the stream is called whose ids were used up."""
    return "used up:%s:%d" % (STREAM, n)


@contextlib.contextmanager
def until_refused(redis, code):
    """Ends when Redis has given one more reply of such an error."""
    def count():
        return sum(int(n) for n in re.findall(r"errorstat_%s:count=(\d+)" % code, redis("INFO", "errorstats").decode()))

    before = count()
    yield
    wait_for(lambda: count() > before, "an error " + code)


def is_missed(redis, right):
    """Did somebody lack it since ACL LOG RESET?"""
    return any(right.encode() in entry for entry in redis("ACL", "LOG"))


def faults_of_redis(stack, answers, lock, proof):
    """answers(status): how often clients were answered so; lock: on the program's processes; proof: a Counter of more
    that is to be seen."""
    redis = stack.redis
    dedupes = stack.program.settings["dedupe_window"] != "0"

    def kill(_):
        "Redis: SIGKILL and restart"
        redis.stop(signal.SIGKILL)
        redis.start()
        return 1

    def stop(_):
        "Redis: SIGSTOP for 3 s, until somebody is refused"
        before = answers(503)
        redis.kill(signal.SIGSTOP)
        time.sleep(3)
        redis.kill(signal.SIGCONT)
        wait_for(lambda: answers(503) > before, "somebody is refused")
        return 1

    def pause(rand):
        "Redis: CLIENT PAUSE"
        redis("CLIENT", "PAUSE", rand.randint(50, 1000), "WRITE")
        return 1

    def kill_clients(_):
        "Redis: CLIENT KILL"
        return redis("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def flush(_):
        "Redis: SCRIPT FLUSH, until NOSCRIPT is answered"
        with until_refused(redis, "NOSCRIPT"):
            redis("SCRIPT", "FLUSH")
        return 1

    def fill(rand):
        "Redis: maxmemory is reached, until OOM is answered"
        with until_refused(redis, "OOM"):
            redis("CONFIG", "SET", "maxmemory", 1)
            time.sleep(rand.uniform(0, 0.3))
        redis("CONFIG", "SET", "maxmemory", 0)
        return 1

    def change_type(rand):
        "Redis: a key is a list for a moment, until WRONGTYPE is answered"
        key = rand.choice((STREAM, SEEN, *SETS) if dedupes else (STREAM,))
        wait_for(lambda: redis("EXISTS", key), "there is " + key)
        with until_refused(redis, "WRONGTYPE"):
            redis("EVAL", PUT_ASIDE, 2, key, ASIDE)
            time.sleep(rand.uniform(0, 0.3))
        redis("RENAME", ASIDE, key)
        return 1

    def forbid(rand):
        "Redis: a right is taken away for a moment, until it is missed"
        right = rand.choice(RIGHTS[dedupes])
        redis("ACL", "LOG", "RESET")
        redis("ACL", "SETUSER", "default", "-" + right)
        time.sleep(rand.uniform(0, 0.3))
        wait_for(lambda: is_missed(redis, right), "somebody lacks +" + right)
        redis("ACL", "SETUSER", "default", "+" + right)
        return 1

    def use_up(rand):
        "Redis: the stream's ids are used up in the middle of a call, then a new stream is begun"
        before, room = answers(503), rand.randint(0, 30)
        redis("XADD", STREAM, "%d-%d" % (LAST_ID, LAST_ID - room), "id", MARK)
        wait_for(lambda: answers(503) > before, "somebody is refused")
        wait_for(lambda: last_id(redis) == b"%d-%d" % (LAST_ID, LAST_ID), "all ids are used")
        proof[USED_UP] += 1
        redis("RENAME", STREAM, used_up(proof[USED_UP]))
        return 1

    def truncate(rand):
        "Redis: killed, and its AOF cut in the middle of a call of which nobody has heard"
        cuts = 0
        for _ in range(TRIES):          # it may be that no bodies came together
            before = answers(200)
            wait_for(lambda: answers(200) > before + 50, "statuses are taken")
            with lock:
                cut = cut_the_aof(stack, rand)
            cuts += bool(cut)
            if cut and (cut.bodies > 1 or not dedupes):
                proof[CUTS] += cut.bodies > 1
                break
        return cuts

    return kill, stop, pause, kill_clients, flush, fill, change_type, forbid, use_up, truncate


def last_id(redis):
    reply = redis("XINFO", "STREAM", STREAM)
    return dict(zip(reply[::2], reply[1::2]))[b"last-generated-id"]


class StandStill:
    """The program's processes while they are stopped.  The master comes first: then there are no new workers."""

    def __init__(self, program):
        self.master, self.workers = program.pid, []
        self.signal(signal.SIGSTOP, [self.master])
        self.workers = program.workers()
        self.signal(signal.SIGSTOP, self.workers)

    @staticmethod
    def signal(number, pids):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if number == signal.SIGSTOP:
            wait_for(lambda: all(is_stopped(pid) or not is_alive(pid) for pid in pids), "they stand still")

    def let_work(self, seconds):
        self.signal(signal.SIGCONT, self.workers)
        time.sleep(seconds)
        self.signal(signal.SIGSTOP, self.workers)


def cut_the_aof(stack, rand):
    """Redis loses the end of its AOF, from the middle of a call on; what it has acknowledged before must stay.

    appendfsync always: a reply leaves Redis when what it tells is in the file.  So whatever Redis wrote before it was
    stopped (`kept` bytes) may be known to a client as stored, and stays.  Then the workers send more, which Redis has
    in its sockets and does not read.  They are stopped, Redis goes on: it works on that, writes it to the file and
    replies; nobody reads these replies, since the workers are killed before they go on.  All that was written since
    may be lost by a crash that only an fsync too late would make: it is what a torn write of the last call leaves.

    The master stands still too, so that no new worker reads or sends anything meanwhile.

    Redis takes a transaction back that ends between two commands.  When a command is torn in two, Redis 7.0 takes
    back only that one: the beginning stays in the file, without EXEC, and the next restart finds it part of whatever
    was written later, which then stands there although it was never acknowledged, or is gone although it was.  So the
    file is mended first, as the manual says.  Returns as aof.cut().
    """
    redis = stack.redis
    still = StandStill(stack.program)
    try:
        time.sleep(rand.uniform(0.05, 0.2))         # bodies pile up, which then share a call
        redis.kill(signal.SIGSTOP)
        wait_for(lambda: is_stopped(redis.pid), "Redis stands still")
        path = aof.files(redis.folder)[-1]
        kept = path.stat().st_size
        still.let_work(0.2)
        redis.kill(signal.SIGCONT)
        with contextlib.suppress(AssertionError):   # they may have had nothing to send
            wait_for(lambda: path.stat().st_size > kept, "Redis works", 2)
        redis.stop(signal.SIGKILL)
        still.signal(signal.SIGKILL, still.workers)
        wait_for(lambda: not any(is_alive(pid) for pid in still.workers), "the workers are dead")
        cut = aof.cut(path, kept, rand)
        if cut and cut.is_torn:
            aof.fix(redis.folder)
        before = redis.log_text().count("Truncating the AOF")
        redis.start()
        if redis.log_text().count("Truncating the AOF") - before != (bool(cut) and not cut.is_torn):
            raise Fault("Redis does not take its AOF as it was cut")
        return cut
    finally:
        still.signal(signal.SIGCONT, [still.master])


def faults_of_handlers(stack, lock):
    program = stack.program

    def kill_worker(rand):
        "program: SIGKILL of a worker"
        workers = program.workers()
        if workers:
            os.kill(rand.choice(workers), signal.SIGKILL)
        return len(workers[:1])

    def restart(_):
        "program: SIGTERM and restart"
        with lock:
            status = program.stop()
            if status != 0:
                raise Fault("the program ended with status %s" % status)
            program.start()
        return 1

    def reload(_):
        "program: SIGHUP"
        program.kill(signal.SIGHUP)
        return 1

    def reload_nginx(_):
        "nginx: reload"
        stack.nginx.kill(signal.SIGHUP)
        return 1

    return kill_worker, restart, reload, reload_nginx
