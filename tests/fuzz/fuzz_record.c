/*
 * What commands make of bytes that somebody has recorded or sent: a record, a text for a terminal,
 * an element that is put back to its place.
 */
#include "fuzz.h"

#include "base/utf.h"
#include "commands/raw.h"
#include "commands/record.h"
#include "stream/replay.h"

/* Nothing in it steers a terminal. */
static void check_shown(Str shown)
{
    CHECK(shown.len && shown.ptr[shown.len - 1] == '\n' && utf8_is_valid(shown));
    for (size_t i = 0; i < shown.len; i++) {
        const unsigned char c = (unsigned char)shown.ptr[i];
        CHECK((c >= ' ' || c == '\n' || c == '\t') && c != 0x7f);
        CHECK(c != 0xC2 || (unsigned char)shown.ptr[i + 1] >= 0xA0);
    }
}

static void check_record(Str line, Arena *arena)
{
    Record record;
    Error error;
    if (record_read(line, arena, &record, &error)) {
        CHECK(record.body.ptr && record.request_id.len <= LIMIT_REQUEST_ID);
    } else {
        CHECK(error.code == ERROR_INVALID || error.code == ERROR_MALFORMED);
    }
}

/* Whatever it is, it ends as something that has a word, or is ready and holds something. */
static void check_replay(Str raw, Arena *arena)
{
    static const Str pointers[] = {STR_INIT(""), STR_INIT("/entry"), STR_INIT("/entry/0/changes/1"),
                                   STR_INIT("/entry/0/changes/0/value/statuses/3")};
    for (size_t i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++) {
        const ReplayItem item = {
            .pointer = pointers[i], .raw = raw, .content_type = STR("application/json")};
        Payload payload;
        Reason reason = REASON_NONE;
        const ReplayOutcome outcome = replay_decode(&item, true, arena, &payload, &reason);
        CHECK((outcome == REPLAY_FAILS) == (reason != REASON_NONE));
        CHECK(outcome != REPLAY_READY || !payload_is_empty(&payload));
        CHECK(outcome != REPLAY_NO_MEMORY);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const Str input = fuzz_text(data, size);
    check_shown(raw_show(input, fuzz_arena()));
    check_record(input, fuzz_arena());
    check_replay(input, fuzz_arena());
    return 0;
}
