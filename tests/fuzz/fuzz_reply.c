/*
 * Replies of Redis: bytes in pieces. However they are cut they give the same replies, each of which
 * can be walked and is within its limits; and whatever they are, publications that take them for
 * their answers count no more elements than they have.
 *
 * The input's first byte says how it is cut, the second what is published: one body without a
 * window or with one, or several by one call, or a probe.
 */
#include "fuzz.h"
#include "redis/sending.h"

typedef struct {
    uint64_t hash; /* of all replies */
    size_t replies;
    bool refused;
} Outcome;

typedef struct {
    uint64_t hash;
    size_t items, bytes;
} Walk;

static void add(Walk *walk, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < len; i++) {
        walk->hash = (walk->hash ^ bytes[i]) * 1099511628211U;
    }
}

/* Every byte is read, so that a sanitizer sees one that is not there. */
static void walk_reply(Walk *walk, const Reply *reply, size_t depth)
{
    CHECK(reply->kind <= REPLY_OTHER && depth < 32);
    CHECK(reply->count == 0 || reply->items);
    CHECK(reply->kind != REPLY_TEXT || reply->text.ptr);
    add(walk, &reply->kind, sizeof(reply->kind));
    add(walk, &reply->integer, sizeof(reply->integer));
    add(walk, &reply->count, sizeof(reply->count));
    add(walk, reply->text.ptr, reply->text.len);
    walk->bytes += reply->text.len;
    walk->items += reply->count;
    for (size_t i = 0; i < reply->count; i++) {
        walk_reply(walk, &reply->items[i], depth + 1);
    }
}

enum { BODIES = 4 };

/* What the replies are taken for: that many of one call, or one, or a probe. */
typedef struct {
    Sending sendings[BODIES];
    size_t count;
} Call;

static void begin_probe(Call *call)
{
    static const StreamKeys keys = {.stream = STR_INIT("s"),
                                    .quarantine = STR_INIT("q"),
                                    .events = STR_INIT("e"),
                                    .seen = {STR_INIT("0"), STR_INIT("1")},
                                    .seen_state = STR_INIT("t"),
                                    .probe = STR_INIT("p"),
                                    .window = 1};
    Buffer buffer = {0};
    CallDraft draft = {0};
    *call = (Call){.count = 1};
    call->sendings[0].kind = SENDING_PROBE;
    CHECK(sending_write(&call->sendings[0], &draft, &buffer, &keys, (Str){NULL, 0}));
    buffer_free(&buffer);
    call_draft_free(&draft);
}

static void add_body(Call *call, const StreamKeys *keys, size_t statuses, size_t quarantined)
{
    const Payload payload = {.status_count = statuses, .quarantined_count = quarantined};
    Sending *sending = &call->sendings[call->count++];
    sending->publishing = publishing_of(keys, &payload);
    sending->publishing.replies = sending->publishing.by_script || statuses + quarantined == 1
                                      ? 1
                                      : statuses + quarantined + 2;
    if (call->count > 1) {
        sending[-1].goes_on = true;
        sending[-1].next = sending;
    }
}

static void begin_call(Call *call, unsigned how)
{
    static const StreamKeys with = {.window = 1}, without = {.window = 0};
    *call = (Call){.count = 0};
    if (how & 0x40) { /* several: of one status, or of two */
        for (size_t i = 0; i < 2 + how % 3; i++) {
            add_body(call, &with, 1 + (how >> 2 >> i & 1), 0);
        }
    } else if (how % 5 + how / 5 % 3) {
        add_body(call, how & 0x80 ? &with : &without, how % 5, how / 5 % 3);
    } else {
        begin_probe(call);
    }
}

/* It is stored, and each of its elements was counted once; or nothing of it is counted. */
static void check_counts(const Publishing *publishing)
{
    const PublishResult *result = &publishing->result;
    const bool is_stored =
        publishing->replies == 0 && publish_verdict(publishing) == VERDICT_STORED;
    CHECK(result->accepted <= publishing->statuses);
    CHECK(result->quarantined <= publishing->quarantined);
    CHECK(result->accepted + result->quarantined + result->duplicates ==
          (is_stored ? publishing->statuses + publishing->quarantined : 0));
}

/* The bodies of a call get their replies together. */
static void take(Call *call, const Reply *reply)
{
    const Reply *error;
    size_t behind;
    const char *why = sending_take(&call->sendings[0], reply, &error, &behind);
    CHECK(!error || error->kind == REPLY_ERROR);
    for (size_t i = 0; i < call->count; i++) {
        const Sending *sending = &call->sendings[i];
        CHECK(call->count == 1 || sending->publishing.replies == (why != NULL));
        if (!why && sending->kind == SENDING_BODY) {
            check_counts(&sending->publishing);
        }
    }
    if (why || call->sendings[0].publishing.replies == 0) {
        begin_probe(call);
    }
}

static void take_whole(ReplyReader *reader, Walk *walk, Outcome *outcome, Call *call)
{
    const char *why;
    for (const Reply *reply; (reply = reply_reader_next(reader, &why));) {
        walk->items = walk->bytes = 0;
        walk_reply(walk, reply, 0);
        CHECK(walk->items <= LIMIT_REPLY_ITEMS && walk->bytes <= LIMIT_REPLY_BYTES);
        const Reply *error = reply_error(reply);
        CHECK(!error || error->kind == REPLY_ERROR);
        take(call, reply);
        outcome->replies++;
    }
    outcome->refused = why != NULL;
    CHECK(!why || why[0] != '\0');
}

static Outcome read_in_pieces(Str bytes, size_t piece, unsigned published)
{
    ReplyReader *reader = reply_reader_new();
    Call call;
    Walk walk = {.hash = 14695981039346656037U};
    Outcome outcome = {0};
    CHECK(reader);
    begin_call(&call, published);
    while (bytes.len && !outcome.refused) {
        Str part = {bytes.ptr, piece < bytes.len ? piece : bytes.len};
        bytes = str_from_offset(bytes, part.len);
        CHECK(!reply_reader_feed(reader, part));
        take_whole(reader, &walk, &outcome, &call);
    }
    reply_reader_free(reader);
    outcome.hash = walk.hash;
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const Str bytes = fuzz_text(data + 2, size - 2);
    const Outcome whole = read_in_pieces(bytes, bytes.len, data[1]),
                  cut = read_in_pieces(bytes, 1U + data[0] % 32, data[1]);
    CHECK(whole.hash == cut.hash && whole.replies == cut.replies && whole.refused == cut.refused);
    return 0;
}
