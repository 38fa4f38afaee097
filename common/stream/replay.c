#include "stream/replay.h"

#include "base/media_type.h"
#include "base/text.h"
#include "base/utf.h"

/* Places of elements that statuses may be in, and what stands around them, quotes being '. E, F, P:
 * entry_id, field, phone_number_id; R: the element. */
static const struct {
    Str place;
    Str envelope;
} places[] = {
    {STR_INIT(AT_ENTRIES), STR_INIT("{'entry':R}")},
    {STR_INIT(AT_ENTRY), STR_INIT("{'entry':[R]}")},
    {STR_INIT(AT_CHANGES), STR_INIT("{'entry':[{'id':E,'changes':R}]}")},
    {STR_INIT(AT_CHANGE), STR_INIT("{'entry':[{'id':E,'changes':[R]}]}")},
    {STR_INIT(AT_VALUE), STR_INIT("{'entry':[{'id':E,'changes':[{'field':F,'value':R}]}]}")},
    {STR_INIT(AT_STATUSES),
     STR_INIT("{'entry':[{'id':E,'changes':[{'field':F,'value':{'metadata':{'phone_number_id':P},"
              "'statuses':R}}]}]}")},
    {STR_INIT(AT_STATUS),
     STR_INIT("{'entry':[{'id':E,'changes':[{'field':F,'value':{'metadata':{'phone_number_id':P},"
              "'statuses':[R]}}]}]}")},
};

Str replay_words(ReplayOutcome outcome)
{
    static const Str words[REPLAY_OUTCOMES] = {
        [REPLAY_READY] = STR_INIT(""),
        [REPLAY_FAILS] = STR_INIT(""),
        [REPLAY_NOTHING] = STR_INIT("without anything to store"),
        [REPLAY_LOST] = STR_INIT("of which no bytes were kept"),
        [REPLAY_FOREIGN] = STR_INIT("of an unknown media type"),
        [REPLAY_NO_MEMORY] = STR_INIT("too large for the memory"),
    };
    return words[outcome];
}

/* Is this a pointer of that place? A '#' of the place stands for digits. */
static bool is_at(Str pointer, Str place)
{
    size_t at = 0;
    for (size_t i = 0; i < place.len; i++) {
        const size_t begin = at;
        if (place.ptr[i] != '#') {
            if (at == pointer.len || pointer.ptr[at++] != place.ptr[i]) {
                return false;
            }
            continue;
        }
        while (at < pointer.len && ascii_is_digit(pointer.ptr[at])) {
            at++;
        }
        if (at == begin) {
            return false;
        }
    }
    return at == pointer.len;
}

static void add_letter(Text *to, char letter, const ReplayItem *item)
{
    switch (letter) {
    case '\'':
        text_add(to, STR("\""));
        break;
    case 'E':
        text_add_json(to, item->entry_id);
        break;
    case 'F':
        text_add_json(to, item->field);
        break;
    case 'P':
        text_add_json(to, item->phone_number_id);
        break;
    case 'R':
        text_add(to, item->raw);
        break;
    default:
        text_add(to, (Str){&letter, 1});
        break;
    }
}

/* Absent: no memory. */
static Str wrap(Str envelope, const ReplayItem *item, Arena *arena)
{
    Text text = text_begin(arena);
    for (size_t i = 0; i < envelope.len; i++) {
        add_letter(&text, envelope.ptr[i], item);
    }
    return text_finish(&text);
}

static bool is_stored(const Payload *payload, bool keeps_events)
{
    return payload->status_count || payload->quarantined_count ||
           (keeps_events && payload->event_count);
}

static ReplayOutcome decode(MediaType type, Str body, Arena *arena, Payload *ret,
                            Reason *ret_reason)
{
    Error error;
    if (intake_decode(type, body, arena, ret, &error)) {
        return REPLAY_READY;
    }
    if (error.code == ERROR_MALFORMED) {
        *ret_reason = error_reason(&error);
        return REPLAY_FAILS;
    }
    return REPLAY_NO_MEMORY;
}

static ReplayOutcome decode_body(const ReplayItem *item, Arena *arena, Payload *ret,
                                 Reason *ret_reason)
{
    MediaType type;
    Error error;
    return media_type_parse(item->content_type, &type, &error)
               ? decode(type, item->raw, arena, ret, ret_reason)
               : REPLAY_FOREIGN;
}

/* Is it in quarantine again, at the same place? Of those there is but one in its envelope. */
static bool fails_again(const Payload *payload, Str place, Reason *ret_reason)
{
    for (size_t i = 0; i < payload->quarantined_count; i++) {
        if (str_eq(payload->quarantined[i].place, place)) {
            *ret_reason = payload->quarantined[i].reason;
            return true;
        }
    }
    return false;
}

static ReplayOutcome decode_element(const ReplayItem *item, size_t place, Arena *arena,
                                    Payload *ret, Reason *ret_reason)
{
    static const MediaType json = {.format = FORMAT_JSON, .name = STR_INIT(MEDIA_JSON)};
    if (!utf8_is_valid(item->entry_id) || !utf8_is_valid(item->field) ||
        !utf8_is_valid(item->phone_number_id)) {
        *ret_reason = REASON_ENCODING;
        return REPLAY_FAILS;
    }
    const Str body = wrap(places[place].envelope, item, arena);
    if (!body.ptr) {
        return REPLAY_NO_MEMORY;
    }
    const ReplayOutcome outcome = decode(json, body, arena, ret, ret_reason);
    return outcome == REPLAY_READY && fails_again(ret, places[place].place, ret_reason)
               ? REPLAY_FAILS
               : outcome;
}

ReplayOutcome replay_decode(const ReplayItem *item, bool keeps_events, Arena *arena, Payload *ret,
                            Reason *ret_reason)
{
    ReplayOutcome outcome = REPLAY_NOTHING;
    Payload payload;
    if (str_is_empty(item->raw)) {
        return REPLAY_LOST;
    }
    if (str_is_empty(item->pointer)) {
        outcome = decode_body(item, arena, &payload, ret_reason);
    }
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (is_at(item->pointer, places[i].place)) {
            outcome = decode_element(item, i, arena, &payload, ret_reason);
        }
    }
    if (outcome == REPLAY_READY && !is_stored(&payload, keeps_events)) {
        return REPLAY_NOTHING;
    }
    if (outcome == REPLAY_READY) {
        *ret = payload;
    }
    return outcome;
}
