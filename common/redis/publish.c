#include "redis/publish.h"

/* Entries of a transaction: Redis keeps all 31 words of each until EXEC, and once they do not fit
 * into its caches the script is faster, to which they are one word. */
enum { TRANSACTION_MOST = 128 };

size_t publishing_total(const Publishing *publishing)
{
    return publishing->statuses + publishing->quarantined + publishing->events;
}

/* As many as there is room for in a step; *room is what is left of it. */
static size_t take_some(size_t left, size_t *room)
{
    const size_t some = left < *room ? left : *room;
    *room -= some;
    return some;
}

/* From where `first` says. */
static void choose_step(Publishing *publishing, const StreamKeys *keys, const Payload *payload)
{
    const size_t *first = publishing->first;
    size_t room = LIMIT_STEP;
    publishing->statuses = take_some(payload->status_count - first[ENTRY_STATUS], &room);
    publishing->quarantined =
        take_some(payload->quarantined_count - first[ENTRY_QUARANTINED], &room);
    publishing->events =
        keys->events.ptr ? take_some(payload->event_count - first[ENTRY_EVENT], &room) : 0;
    publishing->by_script = keys->window || publishing->quarantined || publishing->events ||
                            publishing->statuses > TRANSACTION_MOST ||
                            (keys->by_script && publishing->statuses > 1);
}

Publishing publishing_of(const StreamKeys *keys, const Payload *payload)
{
    Publishing publishing = {0};
    choose_step(&publishing, keys, payload);
    return publishing;
}

void publishing_next(Publishing *publishing, const StreamKeys *keys, const Payload *payload)
{
    publishing->first[ENTRY_STATUS] += publishing->statuses;
    publishing->first[ENTRY_QUARANTINED] += publishing->quarantined;
    publishing->first[ENTRY_EVENT] += publishing->events;
    publishing->with_source = false;
    choose_step(publishing, keys, payload);
}

bool publishing_is_empty(const Publishing *publishing)
{
    return publishing_total(publishing) == 0;
}

/* The kinds in the order in which they are written, and how many of each. */
size_t publishing_count(const Publishing *publishing, EntryKind kind)
{
    const size_t counts[ENTRY_KINDS] = {[ENTRY_STATUS] = publishing->statuses,
                                        [ENTRY_QUARANTINED] = publishing->quarantined,
                                        [ENTRY_EVENT] = publishing->events};
    return counts[kind];
}

Str publishing_stream(const StreamKeys *keys, EntryKind kind)
{
    return kind == ENTRY_STATUS        ? keys->stream
           : kind == ENTRY_QUARANTINED ? keys->quarantine
                                       : keys->events;
}

/* The names of a status' fields, each framed as it goes over the wire; made once for a process. */
typedef struct {
    size_t count; /* of fields; 0 = not made yet */
    Str names[ENTRY_FIELDS_MOST];
    size_t names_size;
    char bytes[ENTRY_FIELDS_MOST * RESP_FRAME];
} Frame;

static void make_frame(Frame *frame)
{
    const EntryFields fields = entry_fields(ENTRY_STATUS);
    char *to = frame->bytes;
    for (size_t i = 0; i < fields.count; i++) {
        char *end = resp_put_word(to, fields.fields[i].name);
        frame->names[i] = (Str){to, (size_t)(end - to)};
        frame->names_size += frame->names[i].len + RESP_FRAME;
        to = end;
    }
    frame->count = fields.count;
}

static const Frame *frame_of_status(void)
{
    static Frame frame;
    if (!frame.count) {
        make_frame(&frame);
    }
    return &frame;
}

static bool write_entry(Buffer *buffer, Str stream, const Frame *frame, const Str *values)
{
    size_t size = frame->names_size + stream.len + 4 * RESP_FRAME;
    for (size_t i = 0; i < frame->count; i++) {
        size += values[i].len;
    }
    if (!buffer_reserve(buffer, size)) {
        return false;
    }
    char *to = resp_put_head(buffer->ptr + buffer->len, 3 + 2 * frame->count);
    to = str_put(to, STR("$4\r\nXADD\r\n"));
    to = resp_put_word(to, stream);
    to = str_put(to, STR("$1\r\n*\r\n"));
    for (size_t i = 0; i < frame->count; i++) {
        to = resp_put_word(str_put(to, frame->names[i]), values[i]);
    }
    buffer->len = (size_t)(to - buffer->ptr);
    return true;
}

static bool write_entries(const Publishing *publishing, Buffer *buffer, Str stream,
                          const Publication *publication)
{
    const Frame *frame = frame_of_status();
    const size_t first = publishing->first[ENTRY_STATUS];
    Str values[ENTRY_FIELDS_MOST];
    for (size_t i = first; i < first + publishing->statuses; i++) {
        entry_values(ENTRY_STATUS, publication->payload, i, &publication->delivery, values);
        if (!write_entry(buffer, stream, frame, values)) {
            return false;
        }
    }
    return true;
}

static bool write_word(Buffer *buffer, Str word)
{
    return resp_command(buffer, &word, 1);
}

bool publish_write(Publishing *publishing, Buffer *buffer, const StreamKeys *keys,
                   const Publication *publication)
{
    const size_t entries = publishing->statuses, start = buffer->len;
    const bool transaction = entries > 1;
    if ((transaction && !write_word(buffer, STR("MULTI"))) ||
        !write_entries(publishing, buffer, keys->stream, publication) ||
        (transaction && !write_word(buffer, STR("EXEC")))) {
        buffer->len = start;
        return false;
    }
    publishing_sent(publishing, transaction ? entries + 2 : 1);
    return true;
}

/* Replies */

const char publish_senseless[] = "a reply that makes no sense";

void publishing_sent(Publishing *publishing, size_t replies)
{
    publishing->replies = replies;
    publishing->rule = NULL;
}

void publishing_stored(Publishing *publishing, const PublishResult *of_step)
{
    publishing->result.accepted += of_step->accepted;
    publishing->result.quarantined += of_step->quarantined;
    publishing->result.duplicates += of_step->duplicates;
}

/* The first error tells what happened; others follow from it. */
void publishing_failed(Publishing *publishing, const Reply *error)
{
    publishing->rule = publishing->rule ? publishing->rule : error_rule(error->text);
}

/* The reply to one XADD, or to the EXEC of several: an id for each. */
static bool take_ids(Publishing *publishing, const Reply *reply)
{
    const size_t entries = publishing->statuses;
    const Reply *ids = entries == 1 ? reply : reply->items;
    if (entries != 1 && (reply->kind != REPLY_LIST || reply->count != entries)) {
        return false;
    }
    for (size_t i = 0; i < entries; i++) {
        if (ids[i].kind != REPLY_TEXT) {
            return false;
        }
    }
    publishing_stored(publishing, &(PublishResult){.accepted = entries});
    return true;
}

static bool take_success(Publishing *publishing, const Reply *reply)
{
    if (publishing->replies > 0) {
        return reply->kind == REPLY_STATUS; /* of MULTI, of a queued command */
    }
    if (publishing->rule) {
        return false; /* EXEC has not failed, although one of its commands has */
    }
    return take_ids(publishing, reply);
}

const char *publish_take(Publishing *publishing, const Reply *reply)
{
    const Reply *error = reply_error(reply);
    publishing->replies--;
    if (error) {
        publishing_failed(publishing, error);
        return NULL;
    }
    return take_success(publishing, reply) ? NULL : publish_senseless;
}

Verdict publish_verdict(const Publishing *publishing)
{
    if (!publishing->rule) {
        return VERDICT_STORED;
    }
    bool again = publishing->rule->verdict == VERDICT_SEND_SOURCE && publishing->with_source;
    return again ? VERDICT_GIVE_UP : publishing->rule->verdict;
}
