/*
 * A server of Redis for unit tests, in the same loop as what is tested: it listens on a unix socket
 * in a folder of its own, or on a port of the loopback, and answers each command as it was told to,
 * or else as a good Redis does.
 *
 * It allocates nothing but handles of the loop, so that allocations can fail around it.
 */
#ifndef TICKSTREAM_FAKE_REDIS_H
#define TICKSTREAM_FAKE_REDIS_H

#include "base/loop.h"
#include "redis/url.h"

enum { FAKE_ANSWERS = 16, FAKE_OUTPUT = 1 << 16, FAKE_INPUT = 1 << 18 };

#define FAKE_SHA "0123456789abcdef0123456789abcdef01234567"

typedef struct {
    const char *command;
    const char *text; /* RESP; "" = silence; NULL = hangs up */
} FakeAnswer;

typedef struct {
    Loop *loop;
    char folder[64];
    RedisUrl url; /* where it listens */

    /* What it is to do. */
    bool deaf;                /* accepts, but reads nothing */
    size_t piece;             /* bytes that it says in a turn of the loop; 0 = all at once */
    const char *begins;       /* what it says to whoever connects; NULL = nothing */
    bool hangs_up;            /* after that */
    const FakeAnswer *habits; /* how commands are answered unless it was told otherwise */
    size_t habit_count;

    /* What it has seen. */
    size_t accepted;     /* connections */
    size_t bytes;        /* read, over all connections */
    char commands[1024]; /* names of the newest connection's commands, with a blank after each */

    int listener, peer; /* -1 = none */
    Watch *listening, *watch;
    Timer *talking;
    FakeAnswer answers[FAKE_ANSWERS];
    size_t answer_count;
    char output[FAKE_OUTPUT], input[FAKE_INPUT];
    size_t output_len, input_len, skipped;
} FakeRedis;

void fake_redis_open(FakeRedis *fake, Loop *loop);
void fake_redis_open_tcp(FakeRedis *fake, Loop *loop);
void fake_redis_close(FakeRedis *fake); /* before loop_free() */

/* The next such command is answered with this, once; earlier ones of the same name first.
 * EVALSHA, EVAL and XADD of a trial are called try-evalsha and so on; those of SENTINEL by their
 * second word. */
void fake_redis_answer(FakeRedis *fake, const char *command, const char *text);

/* Says something to the newest connection. */
void fake_redis_say(FakeRedis *fake, const char *text);

void fake_redis_hang_up(FakeRedis *fake);

/* Hears again, or not any more. */
void fake_redis_set_deaf(FakeRedis *fake, bool deaf);

/* Nobody can connect from now on; those who are stay. And again. */
void fake_redis_stop_listening(FakeRedis *fake);
void fake_redis_listen(FakeRedis *fake);

/* Runs the loop until the condition holds; fails the test when it does not within seconds. */
void run_until(Loop *loop, bool (*condition)(void *arg), void *arg);

/* Runs the loop for at least so many milliseconds. */
void run_for(Loop *loop, int64_t ms);

/* Keeps the thread busy for so many milliseconds: nothing of the loop gets its turn. */
void stall(int64_t ms);

#endif
