#include "commands/sender.h"

#include "base/backoff.h"
#include "http/web.h"
#include "payload/signature.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
    SLOTS_EACH = 4, /* bodies for each connection: those under way, and those that wait */
    TICK_MS = 1,
    TELL_MS = 100,
    LATE_MS = 1000, /* so long after the end what is due is still begun */
    AGAIN_MS = 500  /* until a body that was taken is posted once more, at most */
};

/* Of a body that was not taken. */
static const Backoff pauses = {.first = 100, .most = 2000};

typedef struct Sender Sender;

/* A body on its way. States: under way (a request has it), waiting (in the list, until `at`), free
 * (in the other list). */
typedef struct Slot Slot;
struct Slot {
    Sender *sender;
    Slot *next;
    Buffer body, lines; /* lines: of the ledger */
    const char *media_type;
    size_t count;
    unsigned failures;                /* in a row */
    bool repeats;                     /* is posted once more */
    bool is_again;                    /* has been taken before */
    uint64_t due;                     /* nanoseconds */
    int64_t at;                       /* milliseconds */
    char signature[SIGNATURE_HEADER]; /* "" = none */
};

struct Sender {
    const SenderSettings *settings;
    SenderFigures *figures;
    SenderTell *tell;
    void *arg;
    Loop *loop;
    Web *web;
    Traffic *traffic;
    HmacKey *key;
    Timer *timer;
    Watch *signals;
    int signal_fd;
    Slot *slots, *free, *waiting;
    size_t busy; /* slots that are not free */
    uint64_t began;
    int64_t end, told; /* milliseconds since then */
    Error error;       /* what ended it early */
    bool failed;
};

/* Time */

static int64_t elapsed_ms(const Sender *sender)
{
    return (int64_t)((loop_clock_ns() - sender->began) / 1000000);
}

/* Statuses that should have been posted by now; the first is due at once. */
static uint64_t wanted_by(const Sender *sender, int64_t ms)
{
    const double seconds = (double)ms / 1000;
    const uint64_t wanted = (uint64_t)(seconds * sender->settings->traffic.rate) + 1;
    return wanted < sender->figures->wanted ? wanted : sender->figures->wanted;
}

static uint64_t due_ns(const Sender *sender, uint64_t status)
{
    const double seconds = (double)status / sender->settings->traffic.rate;
    return sender->began + (uint64_t)(seconds * 1e9);
}

static bool give_up(Sender *sender, ErrorCode code, const char *why)
{
    sender->failed = true;
    loop_stop(sender->loop);
    return error_set(&sender->error, code, "%s", why);
}

/* Slots */

static Slot *take_slot(Sender *sender)
{
    Slot *slot = sender->free;
    if (slot) {
        sender->free = slot->next;
        sender->busy++;
    }
    return slot;
}

static void free_slot(Slot *slot)
{
    Sender *sender = slot->sender;
    slot->next = sender->free;
    sender->free = slot;
    sender->busy--;
}

static void let_wait(Slot *slot, int64_t pause)
{
    Sender *sender = slot->sender;
    slot->at = elapsed_ms(sender) + pause;
    slot->next = sender->waiting;
    sender->waiting = slot;
}

/* Answers */

/* The number behind a name in the JSON of an answer; 0 when there is none. */
static uint64_t number_in(Str json, const char *name)
{
    const char *found = memmem(json.ptr, json.len, name, strlen(name));
    uint64_t number = 0;
    Str rest =
        found ? str_from_offset(json, (size_t)(found - json.ptr) + strlen(name)) : (Str){NULL, 0};
    while (rest.len && ascii_is_digit(rest.ptr[0])) {
        number = number * 10 + (uint64_t)(rest.ptr[0] - '0');
        rest = str_from_offset(rest, 1);
    }
    return number;
}

static void count_taken(Slot *slot, Str json)
{
    const Sender *sender = slot->sender;
    SenderFigures *figures = sender->figures;
    const uint64_t accepted = json.len ? number_in(json, "\"accepted\":") : 0;
    figures->accepted += accepted;
    if (json.len) {
        figures->duplicates += number_in(json, "\"duplicates\":");
        figures->quarantined += number_in(json, "\"quarantined\":");
        figures->ignored += number_in(json, "\"ignored\":");
    }
    if (slot->is_again) {
        figures->twice += accepted;
        return;
    }
    figures->taken += slot->count;
    if (sender->settings->ledger) {
        fwrite(slot->lines.ptr, 1, slot->lines.len, sender->settings->ledger);
    }
}

static void on_taken(Slot *slot, Str json)
{
    count_taken(slot, json);
    if (!slot->repeats || slot->sender->figures->is_over) {
        free_slot(slot);
        return;
    }
    slot->repeats = false;
    slot->is_again = true;
    slot->failures = 0;
    slot->sender->figures->again++;
    let_wait(slot, backoff_jitter(AGAIN_MS));
}

static bool is_final(int status)
{
    return status >= 400 && status < 500 && status != 429;
}

static void on_answer(void *arg, const WebAnswer *answer)
{
    Slot *slot = arg;
    SenderFigures *figures = slot->sender->figures;
    const int status = answer->status < SENDER_STATUS_MOST ? answer->status : 0;
    figures->answers[status]++;
    if (status == 0) {
        snprintf(figures->why, sizeof(figures->why), "%s", answer->why);
    } else {
        latency_add(&figures->latency, (loop_clock_ns() - slot->due) / 1000);
    }
    if (status == 200) {
        on_taken(slot, answer->body);
    } else if (is_final(status)) {
        figures->refused += slot->is_again ? 0 : slot->count;
        free_slot(slot);
    } else {
        slot->failures++;
        let_wait(slot, backoff_jitter(backoff_pause(&pauses, slot->failures)));
    }
}

/* Posting */

static bool post(Slot *slot)
{
    Sender *sender = slot->sender;
    char type[64];
    snprintf(type, sizeof(type), "Content-Type: %s", slot->media_type);
    const char *const headers[] = {type, "Accept: application/json",
                                   slot->signature[0] ? slot->signature : NULL, NULL};
    const WebRequest request = {.method = "POST",
                                .url = sender->settings->url,
                                .headers = headers,
                                .body = {slot->body.ptr, slot->body.len},
                                .timeout = SENDER_TIMEOUT_MS};
    return web_begin(sender->web, &request, on_answer, slot) ||
           give_up(sender, ERROR_NO_MEMORY, "out of memory");
}

static bool sign(const Sender *sender, Slot *slot)
{
    slot->signature[0] = '\0';
    return !sender->key ||
           signature_write(sender->key, (Str){slot->body.ptr, slot->body.len}, slot->signature);
}

static bool write_lines(Slot *slot, const TrafficBody *body)
{
    enum { LINE = 128 };
    Buffer *lines = &slot->lines;
    lines->len = 0;
    if (!buffer_reserve(lines, body->count * LINE)) {
        return false;
    }
    for (size_t i = 0; i < body->count; i++) {
        const TrafficStatus *status = &body->statuses[i];
        lines->len += (size_t)snprintf(lines->ptr + lines->len, LINE, "%s %s %" PRId64 "\n",
                                       status->id, status->status, status->timestamp);
    }
    return true;
}

/* Makes the next body in a slot. */
static bool make(Sender *sender, Slot *slot)
{
    SenderFigures *figures = sender->figures;
    TrafficBody body;
    buffer_clear(&slot->body);
    if (!traffic_next(sender->traffic, &slot->body, &body) || !sign(sender, slot) ||
        (sender->settings->ledger && !write_lines(slot, &body))) {
        return give_up(sender, ERROR_NO_MEMORY, "out of memory");
    }
    slot->media_type = body.media_type;
    slot->count = body.count;
    slot->failures = 0;
    slot->is_again = false;
    slot->repeats = body.chance < sender->settings->repeated;
    slot->due = due_ns(sender, figures->posted);
    figures->posted += body.count;
    figures->bodies++;
    figures->bytes += slot->body.len;
    figures->formats[body.format]++;
    return true;
}

/* Posts those again whose pause is over. */
static void post_waiting(Sender *sender, int64_t now)
{
    for (Slot **at = &sender->waiting; *at && web_room(sender->web) && !sender->failed;) {
        Slot *slot = *at;
        if (slot->at > now) {
            at = &slot->next;
            continue;
        }
        *at = slot->next;
        slot->due = loop_clock_ns();
        sender->figures->retries += slot->failures > 0;
        if (!post(slot)) {
            return;
        }
    }
}

static void post_new(Sender *sender, int64_t now)
{
    const uint64_t wanted = wanted_by(sender, now);
    while (sender->figures->posted < wanted && web_room(sender->web) && !sender->failed) {
        Slot *slot = take_slot(sender);
        if (!slot || !make(sender, slot) || !post(slot)) {
            return;
        }
    }
}

/* The end */

static bool has_nobody_answered(const Sender *sender, int64_t now)
{
    return sender->figures->latency.count == 0 && sender->figures->answers[0] > 0 &&
           now >= SENDER_PATIENCE_MS;
}

static void check_end(Sender *sender, int64_t now)
{
    SenderFigures *figures = sender->figures;
    const bool is_complete = figures->posted >= figures->wanted;
    figures->is_over = now >= sender->end && (is_complete || now >= sender->end + LATE_MS);
    figures->is_alone = has_nobody_answered(sender, now);
    if (figures->is_alone || now >= sender->end + SENDER_AFTERWARDS_MS ||
        (figures->is_over && sender->busy == 0)) {
        loop_stop(sender->loop);
    }
}

static void on_tick(void *arg)
{
    Sender *sender = arg;
    const int64_t now = elapsed_ms(sender);
    sender->figures->elapsed_ms = now;
    post_waiting(sender, now);
    if (!sender->figures->is_over) {
        post_new(sender, now);
    }
    if (now >= sender->told + TELL_MS) {
        sender->told = now;
        sender->tell(sender->arg, sender->figures);
    }
    check_end(sender, now);
}

/* The first one: nothing new, and what is under way is waited for. The second: nothing more. */
static void on_signal(void *arg, int events)
{
    Sender *sender = arg;
    struct signalfd_siginfo info;
    (void)events;
    if (read(sender->signal_fd, &info, sizeof(info)) != sizeof(info)) {
        return;
    }
    if (sender->figures->is_over) {
        loop_stop(sender->loop);
        return;
    }
    sender->end = elapsed_ms(sender);
    sender->figures->wanted = sender->figures->posted;
    sender->figures->is_over = true;
}

/* Beginning */

static bool make_slots(Sender *sender)
{
    const size_t count = sender->settings->connections * SLOTS_EACH;
    sender->slots = calloc(count, sizeof(*sender->slots));
    for (size_t i = 0; sender->slots && i < count; i++) {
        sender->slots[i].sender = sender;
        sender->slots[i].next = sender->free;
        sender->free = &sender->slots[i];
    }
    return sender->slots != NULL;
}

static bool heed_signals(Sender *sender)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    sender->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    sender->signals = sender->signal_fd < 0 ? NULL
                                            : loop_watch(sender->loop, sender->signal_fd,
                                                         LOOP_READABLE, on_signal, sender);
    return sender->signals != NULL;
}

static bool open_all(Sender *sender, Error *reterr)
{
    const SenderSettings *settings = sender->settings;
    sender->loop = loop_new();
    if (!sender->loop) {
        return error_no_memory(reterr);
    }
    const WebSettings web = {.requests = settings->connections, .ca = settings->ca};
    sender->web = web_open(sender->loop, &web, reterr);
    if (!sender->web) {
        return false;
    }
    sender->traffic = traffic_new(&settings->traffic);
    sender->key = settings->secret.len ? hmac_key_new(settings->secret) : NULL;
    sender->timer = loop_timer(sender->loop, on_tick, sender);
    if (!sender->traffic || !sender->timer || (settings->secret.len && !sender->key) ||
        !make_slots(sender) || !heed_signals(sender)) {
        return error_no_memory(reterr);
    }
    return true;
}

static void close_all(Sender *sender)
{
    web_close(sender->web);
    timer_close(sender->timer);
    watch_close(sender->signals);
    if (sender->signal_fd >= 0) {
        close(sender->signal_fd);
    }
    loop_free(sender->loop);
    traffic_free(sender->traffic);
    hmac_key_free(sender->key);
    for (size_t i = 0; sender->slots && i < sender->settings->connections * SLOTS_EACH; i++) {
        buffer_free(&sender->slots[i].body);
        buffer_free(&sender->slots[i].lines);
    }
    free(sender->slots);
}

/* Of the whole run. */
static uint64_t count_of(const SenderSettings *settings)
{
    const uint64_t count = (uint64_t)(settings->traffic.rate * settings->seconds + 0.5);
    return count ? count : 1;
}

bool sender_run(const SenderSettings *settings, SenderTell *tell, void *arg, SenderFigures *ret,
                Error *reterr)
{
    Sender sender = {.settings = settings,
                     .figures = ret,
                     .tell = tell,
                     .arg = arg,
                     .signal_fd = -1,
                     .end = (int64_t)(settings->seconds * 1000)};
    memset(ret, 0, sizeof(*ret));
    bool ok = open_all(&sender, reterr);
    if (ok) {
        srandom((unsigned)settings->traffic.seed);
        sender.began = loop_clock_ns();
        ret->wanted = count_of(settings);
        timer_start(sender.timer, 0, TICK_MS);
        loop_run(sender.loop);
        ret->elapsed_ms = elapsed_ms(&sender);
        if (sender.failed) {
            *reterr = sender.error;
            ok = false;
        }
    }
    close_all(&sender);
    return ok;
}
