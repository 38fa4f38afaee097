/*
 * Replies of Redis: bytes in pieces. However they are cut they give the same replies, each of which
 * can be walked and is within its limits; and whatever they are, a publication that takes them for
 * its answers counts no more elements than it has.
 *
 * The input's first byte says how it is cut, the second what is published.
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

/* One of a probe. */
static void begin_probe(Sending *sending)
{
    static const StreamKeys keys = {.stream = STR_INIT("s"),
                                    .quarantine = STR_INIT("q"),
                                    .events = STR_INIT("e"),
                                    .probe = STR_INIT("p"),
                                    .window = 1};
    Buffer buffer = {0};
    CallDraft draft = {0};
    *sending = (Sending){.is_probe = true};
    CHECK(sending_write(sending, &draft, &buffer, &keys, (Str){NULL, 0}));
    buffer_free(&buffer);
}

static Sending sending_by(unsigned how)
{
    static const StreamKeys with = {.window = 1}, without = {.window = 0};
    const Payload payload = {.status_count = how % 5, .quarantined_count = how / 5 % 3};
    Sending sending = {.publishing = publishing_of(how & 0x80 ? &with : &without, &payload)};
    size_t entries = payload.status_count + payload.quarantined_count;
    if (entries == 0) {
        begin_probe(&sending);
        return sending;
    }
    sending.publishing.replies = sending.publishing.by_script || entries == 1 ? 1 : entries + 2;
    return sending;
}

static void take(Sending *sending, const Reply *reply)
{
    const Reply *error;
    size_t behind;
    const Publishing *publishing = &sending->publishing;
    const char *why = sending_take(sending, reply, &error, &behind);
    CHECK(!error || error->kind == REPLY_ERROR);
    if (!why && publishing->replies == 0 && publish_verdict(publishing) == VERDICT_STORED) {
        const PublishResult *result = &publishing->result;
        CHECK(result->accepted <= publishing->statuses);
        CHECK(result->quarantined <= publishing->quarantined);
        CHECK(result->accepted + result->quarantined + result->duplicates ==
              publishing->statuses + publishing->quarantined);
    }
    if (why || publishing->replies == 0) {
        begin_probe(sending);
    }
}

static void take_whole(ReplyReader *reader, Walk *walk, Outcome *outcome, Sending *sending)
{
    const char *why;
    for (const Reply *reply; (reply = reply_reader_next(reader, &why));) {
        walk->items = walk->bytes = 0;
        walk_reply(walk, reply, 0);
        CHECK(walk->items <= LIMIT_REPLY_ITEMS && walk->bytes <= LIMIT_REPLY_BYTES);
        const Reply *error = reply_error(reply);
        CHECK(!error || error->kind == REPLY_ERROR);
        take(sending, reply);
        outcome->replies++;
    }
    outcome->refused = why != NULL;
    CHECK(!why || why[0] != '\0');
}

static Outcome read_in_pieces(Str bytes, size_t piece, unsigned published)
{
    ReplyReader *reader = reply_reader_new();
    Sending sending = sending_by(published);
    Walk walk = {.hash = 14695981039346656037U};
    Outcome outcome = {0};
    CHECK(reader);
    while (bytes.len && !outcome.refused) {
        Str part = {bytes.ptr, piece < bytes.len ? piece : bytes.len};
        bytes = str_from_offset(bytes, part.len);
        CHECK(!reply_reader_feed(reader, part));
        take_whole(reader, &walk, &outcome, &sending);
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
