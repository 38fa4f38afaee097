#include "commands/publisher.h"

#include "base/owner.h"
#include "redis/sink_redis.h"
#include "stream/entry.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct Publisher {
    const Config *config;
    Loop *loop;
    Watch *turn;  /* of a descriptor that is always readable: begins what is published */
    int turn_fd;  /* -1 = none */
    Timer *timer; /* ends a pause */
    TlsContext *tls;
    Sink *sink;
    Outgoing *const *list; /* that is to be published */
    size_t count;
    size_t open;    /* that have not ended */
    bool no_memory; /* for one of the last */
};

/* Publishing: begun inside a turn of the loop, so that they leave together when it ends */

static void end_one(Publisher *publisher)
{
    if (--publisher->open == 0) {
        loop_stop(publisher->loop);
    }
}

static void on_done(Publication *publication)
{
    end_one(OWNER_OF(publication, Outgoing, publication)->publisher);
}

static void begin_all(Publisher *publisher)
{
    const size_t count = publisher->count;
    publisher->open = count + 1; /* the turn itself: nothing ends before all have begun */
    publisher->count = 0;
    for (size_t i = 0; i < count; i++) {
        Outgoing *outgoing = publisher->list[i];
        outgoing->publisher = publisher;
        outgoing->publication.done = on_done;
        if (publisher->sink->publish(publisher->sink, &outgoing->publication) == SINK_DONE) {
            publisher->open--;
        }
    }
    end_one(publisher);
}

/* Not from a timer: these come before the turn waits for events, and what is published leaves after
 * them. */
static void on_turn(void *arg, int events)
{
    Publisher *publisher = arg;
    (void)events;
    watch_set(publisher->turn, 0);
    begin_all(publisher);
}

/* How many of the first may be under way together: a connection takes no more than LIMIT_UNSENT. */
static size_t count_fitting(Outgoing *const *list, size_t count)
{
    size_t fitting = 1, bytes = entries_size(list[0]->publication.payload);
    while (fitting < count) {
        bytes += entries_size(list[fitting]->publication.payload);
        if (bytes > PUBLISHER_BYTES) {
            break;
        }
        fitting++;
    }
    return fitting;
}

static bool publish_together(Publisher *publisher, Outgoing *const *list, size_t count)
{
    bool ok = true;
    publisher->list = list;
    publisher->count = count;
    watch_set(publisher->turn, LOOP_READABLE);
    loop_run(publisher->loop);
    for (size_t i = 0; i < count; i++) {
        const ErrorCode code = list[i]->publication.code;
        publisher->no_memory |= code == ERROR_NO_MEMORY;
        ok &= code == ERROR_NONE;
    }
    return ok;
}

bool publisher_publish(Publisher *publisher, Outgoing *const *list, size_t count)
{
    size_t done = 0;
    bool ok = true;
    publisher->no_memory = false;
    while (ok && done < count) {
        const size_t fitting = count_fitting(list + done, count - done);
        ok = publish_together(publisher, list + done, fitting);
        done += fitting;
    }
    for (size_t i = done; i < count; i++) {
        list[i]->publication.code = ERROR_UNAVAILABLE; /* not begun */
    }
    return ok;
}

void publisher_pause(Publisher *publisher, int64_t milliseconds)
{
    const int64_t until = loop_clock_ms() + milliseconds;
    /* The loop's own time stood still since it ran last: a timer may expire too early. */
    for (int64_t left; (left = until - loop_clock_ms()) > 0;) {
        timer_start(publisher->timer, left, 0);
        loop_run(publisher->loop);
    }
}

/* Beginning and end */

bool publisher_check_window(const Config *config, Error *reterr)
{
    return config->dedupe_window != 0 ||
           error_set(reterr, ERROR_INVALID,
                     "DEDUPE_WINDOW is 0: what an interruption leaves would be stored twice; "
                     "--allow-duplicates does it all the same");
}

void publisher_why(const Publisher *publisher, Error *ret)
{
    bool passes = true;
    if (publisher->no_memory) {
        error_no_memory(ret);
        return;
    }
    const char *why = sink_redis_trouble(publisher->sink, &passes);
    error_set(ret, passes ? ERROR_UNAVAILABLE : ERROR_SETUP, "%s", why);
}

/* The sink is connected, or cannot be; or a pause is over. */
static void on_over(void *arg)
{
    loop_stop(((Publisher *)arg)->loop);
}

static bool open_tls(Publisher *publisher, Error *reterr)
{
    const TlsSettings settings = config_tls(publisher->config);
    if (!publisher->config->redis.server.tls) {
        return true;
    }
    signal(SIGPIPE, SIG_IGN); /* libssl writes without MSG_NOSIGNAL */
    publisher->tls = tls_context_new(&settings, reterr);
    return publisher->tls != NULL;
}

static bool open_loop(Publisher *publisher)
{
    publisher->loop = loop_new();
    publisher->turn_fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    if (publisher->loop && publisher->turn_fd >= 0) {
        publisher->turn = loop_watch(publisher->loop, publisher->turn_fd, 0, on_turn, publisher);
        publisher->timer = loop_timer(publisher->loop, on_over, publisher);
    }
    return publisher->turn && publisher->timer;
}

static bool open_sink(Publisher *publisher, const Partitions *partitions, Error *reterr)
{
    const Config *config = publisher->config;
    const SinkSettings settings = {.servers = &config->redis,
                                   .sentinel_user = config->redis_sentinel_user,
                                   .sentinel_password = config->redis_sentinel_password,
                                   .tls = publisher->tls,
                                   .partitions = partitions,
                                   .ack = config->redis_ack,
                                   .timeout = config->redis_timeout,
                                   .requires_durable = config->require_durable};
    publisher->sink = open_loop(publisher) ? sink_redis_open(publisher->loop, &settings) : NULL;
    return publisher->sink || error_no_memory(reterr);
}

/* Can anything be written to? */
static bool settle(Publisher *publisher, Error *reterr)
{
    sink_redis_when_settled(publisher->sink, on_over, publisher);
    loop_run(publisher->loop);
    if (!publisher->sink->is_connected(publisher->sink)) {
        publisher_why(publisher, reterr);
        return false;
    }
    return true;
}

Publisher *publisher_open(const Config *config, const Partitions *partitions, Error *reterr)
{
    Publisher *publisher = calloc(1, sizeof(*publisher));
    if (!publisher) {
        error_no_memory(reterr);
        return NULL;
    }
    log_setup(LOG_LEVELS, config->log_format); /* nothing */
    publisher->turn_fd = -1;
    publisher->config = config;
    bool ok = open_tls(publisher, reterr) && open_sink(publisher, partitions, reterr) &&
              settle(publisher, reterr);
    return ok ? publisher : publisher_close(publisher);
}

Publisher *publisher_close(Publisher *publisher)
{
    if (publisher) {
        if (publisher->sink) {
            publisher->sink->close(publisher->sink);
        }
        watch_close(publisher->turn);
        timer_close(publisher->timer);
        loop_free(publisher->loop);
        if (publisher->turn_fd >= 0) {
            close(publisher->turn_fd);
        }
        tls_context_free(publisher->tls);
        free(publisher);
    }
    return NULL;
}
