#include "redis/publish.h"

#include "stream/dedupe.h"

enum {
    BULK_OVERHEAD = 32, /* of a bulk string: '$', up to 20 digits, two line ends */

    /* Entries of a transaction: Redis keeps all 31 words of each until EXEC, and once they do not
       fit into its caches the script is faster, to which a status is 6 words. */
    TRANSACTION_MOST = 128
};

static char *put_line(char *to, char type, size_t number)
{
    *to++ = type;
    to = str_put_number(to, number);
    return str_put(to, STR("\r\n"));
}

/* A bulk string; an absent text is an empty one. */
static char *put_bulk(char *to, Str text)
{
    to = put_line(to, '$', text.len);
    to = str_put(to, text);
    return str_put(to, STR("\r\n"));
}

static char *put_bulk_number(char *to, size_t number)
{
    char digits[20] = "";
    const char *end = str_put_number(digits, number);
    return put_bulk(to, (Str){digits, (size_t)(end - digits)});
}

static size_t sum_of_bulks(const Str *texts, size_t count)
{
    size_t size = count * BULK_OVERHEAD;
    for (size_t i = 0; i < count; i++) {
        size += texts[i].len;
    }
    return size;
}

static size_t event_count(const RedisKeys *keys, const Payload *payload)
{
    return keys->events.ptr ? payload->event_count : 0;
}

size_t command_entries(const RedisKeys *keys, const Payload *payload)
{
    return payload->status_count + payload->quarantined_count + event_count(keys, payload);
}

bool command_is_script(const RedisKeys *keys, const Payload *payload)
{
    return keys->window || command_entries(keys, payload) > TRANSACTION_MOST;
}

size_t command_simple(Buffer *buffer, const Str *words, size_t count)
{
    if (!buffer_reserve(buffer, BULK_OVERHEAD + sum_of_bulks(words, count))) {
        return 0;
    }
    char *to = put_line(buffer->ptr + buffer->len, '*', count);
    for (size_t i = 0; i < count; i++) {
        to = put_bulk(to, words[i]);
    }
    buffer->len = (size_t)(to - buffer->ptr);
    return 1;
}

size_t command_probe(Buffer *buffer, const RedisKeys *keys)
{
    const Str words[] = {STR("SET"), keys->probe, STR("1"), STR("PX"), STR("1000")};
    return command_simple(buffer, words, sizeof(words) / sizeof(words[0]));
}

static Str received_text(const Publication *publication, char buf[24])
{
    const char *end = str_put_number(buf, (size_t)publication->received_at);
    return (Str){buf, (size_t)(end - buf)};
}

/* One call of the script */

enum {
    SHARED_VALUES = 5,
    STATUS_VALUES = 6,
    QUARANTINE_VALUES = 4,
    EVENT_VALUES = 4,
    HEAD_VALUES = 5,
    STREAM_KEYS = 3
};

/* The values that the statuses of one change have in common, and those of their own. */
static void shared_values(const Change *change, Str values[SHARED_VALUES])
{
    values[0] = change->phone_number_id;
    values[1] = change->display_phone_number;
    values[2] = change->account->id;
    values[3] = change->field;
    values[4] = change->messaging_product;
}

static void status_values(const StatusUpdate *status, Str values[STATUS_VALUES])
{
    values[0] = status->id;
    values[1] = status->status;
    values[2] = status->timestamp;
    values[3] = status->recipient_id;
    values[4] = status->errors;
    values[5] = status->extra;
}

static void quarantine_values(const Quarantined *item, Str values[QUARANTINE_VALUES])
{
    values[0] = reason_word(item->reason);
    values[1] = item->detail;
    values[2] = item->pointer;
    values[3] = item->raw;
}

static void event_values(const Event *event, Str values[EVENT_VALUES])
{
    values[0] = event->change->field;
    values[1] = event->change->account->id;
    values[2] = event->change->phone_number_id;
    values[3] = event->raw;
}

/* Does a status start a new group of statuses of the same change? */
static bool starts_group(const Payload *payload, size_t i)
{
    return i == 0 || payload->statuses[i].change != payload->statuses[i - 1].change;
}

static size_t group_size(const Payload *payload, size_t first)
{
    size_t i = first + 1;
    while (i < payload->status_count && !starts_group(payload, i)) {
        i++;
    }
    return i - first;
}

static size_t count_groups(const Payload *payload)
{
    size_t groups = 0;
    for (size_t i = 0; i < payload->status_count; i++) {
        groups += starts_group(payload, i);
    }
    return groups;
}

/* Writes count bulk strings and returns where they end; with to == NULL returns only what they need
 * at most. */
typedef struct {
    char *to;
    size_t size;
} Writer;

static void write_bulks(Writer *writer, const Str *values, size_t count)
{
    if (!writer->to) {
        writer->size += sum_of_bulks(values, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        writer->to = put_bulk(writer->to, values[i]);
    }
}

static void write_count(Writer *writer, size_t number)
{
    if (writer->to) {
        writer->to = put_bulk_number(writer->to, number);
    } else {
        writer->size += BULK_OVERHEAD + 20;
    }
}

static size_t seen_keys(const RedisKeys *keys, const Payload *payload)
{
    return keys->window ? command_entries(keys, payload) : 0;
}

static void write_seen_keys(Writer *writer, const RedisKeys *keys, const Publication *publication)
{
    const size_t count = seen_keys(keys, publication->payload);
    const size_t len = keys->seen_prefix.len + DEDUPE_DIGEST;
    if (!writer->to) {
        writer->size += count * (len + BULK_OVERHEAD);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        char *to = put_line(writer->to, '$', len);
        to = str_put(to, keys->seen_prefix);
        to = str_put(to, (Str){publication->sink.seen[i], DEDUPE_DIGEST});
        writer->to = str_put(to, STR("\r\n"));
    }
}

static void write_statuses(Writer *writer, const Payload *payload)
{
    Str values[STATUS_VALUES];
    write_count(writer, count_groups(payload));
    for (size_t i = 0; i < payload->status_count; i++) {
        if (starts_group(payload, i)) {
            Str shared[SHARED_VALUES];
            shared_values(payload->statuses[i].change, shared);
            write_count(writer, group_size(payload, i));
            write_bulks(writer, shared, SHARED_VALUES);
        }
        status_values(&payload->statuses[i], values);
        write_bulks(writer, values, STATUS_VALUES);
    }
}

static void write_others(Writer *writer, const RedisKeys *keys, const Payload *payload)
{
    Str values[QUARANTINE_VALUES];
    write_count(writer, payload->quarantined_count);
    for (size_t i = 0; i < payload->quarantined_count; i++) {
        quarantine_values(&payload->quarantined[i], values);
        write_bulks(writer, values, QUARANTINE_VALUES);
    }
    write_count(writer, event_count(keys, payload));
    for (size_t i = 0; i < event_count(keys, payload); i++) {
        event_values(&payload->events[i], values);
        write_bulks(writer, values, EVENT_VALUES);
    }
}

/* Everything after the command's name, the script and the number of keys. */
static void write_script_call(Writer *writer, const RedisKeys *keys, const Publication *publication)
{
    const Payload *payload = publication->payload;
    char received[24];
    const Str streams[STREAM_KEYS] = {keys->stream, keys->quarantine,
                                      keys->events.ptr ? keys->events : keys->quarantine};
    write_bulks(writer, streams, STREAM_KEYS);
    write_seen_keys(writer, keys, publication);
    write_count(writer, keys->window);
    const Str head[HEAD_VALUES - 1] = {received_text(publication, received),
                                       publication->request_id, payload->object,
                                       publication->content_type};
    write_bulks(writer, head, HEAD_VALUES - 1);
    write_statuses(writer, payload);
    write_others(writer, keys, payload);
}

static size_t publish_by_script(Buffer *buffer, const RedisKeys *keys,
                                const Publication *publication)
{
    const Payload *payload = publication->payload;
    const size_t groups = count_groups(payload);
    const size_t key_count = STREAM_KEYS + seen_keys(keys, payload);
    const size_t words = 3 + key_count + HEAD_VALUES + 3 + groups * (1 + SHARED_VALUES) +
                         payload->status_count * STATUS_VALUES +
                         payload->quarantined_count * QUARANTINE_VALUES +
                         event_count(keys, payload) * EVENT_VALUES;
    const Str script = publication->sink.with_source ? publish_script : (Str){keys->script_sha, 40};
    Writer writer = {0};
    write_script_call(&writer, keys, publication);
    if (!buffer_reserve(buffer, writer.size + script.len + 4 * BULK_OVERHEAD)) {
        return 0;
    }
    writer.to = put_line(buffer->ptr + buffer->len, '*', words);
    writer.to = put_bulk(writer.to, publication->sink.with_source ? STR("EVAL") : STR("EVALSHA"));
    writer.to = put_bulk(writer.to, script);
    writer.to = put_bulk_number(writer.to, key_count);
    write_script_call(&writer, keys, publication);
    buffer->len = (size_t)(writer.to - buffer->ptr);
    return 1;
}

/* XADD */

/* The fields of one entry: names as they are on the wire, and the place of each value. */
typedef struct {
    Str name; /* "$2\r\nid\r\n" */
    Str value;
} Field;

#define FIELD(name, wire_length, value)                                                            \
    {                                                                                              \
        STR_INIT("$" wire_length "\r\n" name "\r\n"), value                                        \
    }

static size_t fields_size(const Field *fields, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += fields[i].name.len + fields[i].value.len + BULK_OVERHEAD;
    }
    return size;
}

static bool add_entry(Buffer *buffer, Str stream, const Field *fields, size_t count)
{
    if (!buffer_reserve(buffer, fields_size(fields, count) + stream.len + 4 * BULK_OVERHEAD)) {
        return false;
    }
    char *to = put_line(buffer->ptr + buffer->len, '*', 3 + 2 * count);
    to = str_put(to, STR("$4\r\nXADD\r\n"));
    to = put_bulk(to, stream);
    to = str_put(to, STR("$1\r\n*\r\n"));
    for (size_t i = 0; i < count; i++) {
        to = str_put(to, fields[i].name);
        to = put_bulk(to, fields[i].value);
    }
    buffer->len = (size_t)(to - buffer->ptr);
    return true;
}

static bool add_statuses(Buffer *buffer, const RedisKeys *keys, const Publication *publication)
{
    const Payload *payload = publication->payload;
    char received[24];
    const Str received_at = received_text(publication, received);
    for (size_t i = 0; i < payload->status_count; i++) {
        const StatusUpdate *status = &payload->statuses[i];
        const Change *change = status->change;
        const Field fields[] = {
            FIELD("id", "2", status->id),
            FIELD("status", "6", status->status),
            FIELD("timestamp", "9", status->timestamp),
            FIELD("recipient_id", "12", status->recipient_id),
            FIELD("phone_number_id", "15", change->phone_number_id),
            FIELD("display_phone_number", "20", change->display_phone_number),
            FIELD("entry_id", "8", change->account->id),
            FIELD("field", "5", change->field),
            FIELD("messaging_product", "17", change->messaging_product),
            FIELD("object", "6", payload->object),
            FIELD("errors", "6", status->errors),
            FIELD("extra", "5", status->extra),
            FIELD("received_at", "11", received_at),
            FIELD("request_id", "10", publication->request_id),
        };
        if (!add_entry(buffer, keys->stream, fields, sizeof(fields) / sizeof(fields[0]))) {
            return false;
        }
    }
    return true;
}

static bool add_quarantined(Buffer *buffer, const RedisKeys *keys, const Publication *publication)
{
    const Payload *payload = publication->payload;
    char received[24];
    const Str received_at = received_text(publication, received);
    for (size_t i = 0; i < payload->quarantined_count; i++) {
        const Quarantined *item = &payload->quarantined[i];
        const Field fields[] = {
            FIELD("reason", "6", reason_word(item->reason)),
            FIELD("detail", "6", item->detail),
            FIELD("pointer", "7", item->pointer),
            FIELD("raw", "3", item->raw),
            FIELD("content_type", "12", publication->content_type),
            FIELD("received_at", "11", received_at),
            FIELD("request_id", "10", publication->request_id),
        };
        if (!add_entry(buffer, keys->quarantine, fields, sizeof(fields) / sizeof(fields[0]))) {
            return false;
        }
    }
    return true;
}

static bool add_events(Buffer *buffer, const RedisKeys *keys, const Publication *publication)
{
    const Payload *payload = publication->payload;
    char received[24];
    const Str received_at = received_text(publication, received);
    for (size_t i = 0; i < event_count(keys, payload); i++) {
        const Event *event = &payload->events[i];
        const Field fields[] = {
            FIELD("field", "5", event->change->field),
            FIELD("entry_id", "8", event->change->account->id),
            FIELD("phone_number_id", "15", event->change->phone_number_id),
            FIELD("raw", "3", event->raw),
            FIELD("received_at", "11", received_at),
            FIELD("request_id", "10", publication->request_id),
        };
        if (!add_entry(buffer, keys->events, fields, sizeof(fields) / sizeof(fields[0]))) {
            return false;
        }
    }
    return true;
}

static bool add_word(Buffer *buffer, Str word)
{
    return command_simple(buffer, &word, 1) == 1;
}

static size_t publish_by_xadd(Buffer *buffer, const RedisKeys *keys, const Publication *publication)
{
    const size_t entries = command_entries(keys, publication->payload), start = buffer->len;
    bool transaction = entries > 1;
    if ((transaction && !add_word(buffer, STR("MULTI"))) ||
        !add_statuses(buffer, keys, publication) || !add_quarantined(buffer, keys, publication) ||
        !add_events(buffer, keys, publication) || (transaction && !add_word(buffer, STR("EXEC")))) {
        buffer->len = start;
        return 0;
    }
    return transaction ? entries + 2 : 1;
}

size_t command_publish(Buffer *buffer, const RedisKeys *keys, const Publication *publication)
{
    return command_is_script(keys, publication->payload)
               ? publish_by_script(buffer, keys, publication)
               : publish_by_xadd(buffer, keys, publication);
}
