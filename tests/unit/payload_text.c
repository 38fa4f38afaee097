#include "unit.h"

#include "payload_text.h"

#include "failing_malloc.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void print_escaped(FILE *out, Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c == '\\' || c == 0x7F) {
            fprintf(out, "\\x%02X", c);
        } else {
            putc(c, out);
        }
    }
}

static void print_member(FILE *out, const char *name, Str value)
{
    if (value.ptr) {
        fprintf(out, " %s='", name);
        print_escaped(out, value);
        fputs("'", out);
    }
}

static void print_envelope(FILE *out, const Change *change)
{
    print_member(out, "entry", change->account->id);
    print_member(out, "field", change->field);
    print_member(out, "product", change->messaging_product);
    print_member(out, "display", change->display_phone_number);
    print_member(out, "phone", change->phone_number_id);
    fputs("\n", out);
}

static void print_json(FILE *out, const char *name, Str value, const char *normal)
{
    if (!str_eq(value, str_from(normal))) {
        fprintf(out, " %s=", name);
        print_escaped(out, value);
    }
}

static void print_status(FILE *out, const StatusUpdate *status)
{
    fputs("status", out);
    print_member(out, "id", status->id);
    print_member(out, "status", status->status);
    print_member(out, "timestamp", status->timestamp);
    print_member(out, "recipient", status->recipient_id);
    print_json(out, "errors", status->errors, "[]");
    print_json(out, "extra", status->extra, "{}");
    print_envelope(out, status->change);
}

static void print_payload(FILE *out, const Payload *payload)
{
    if (payload->object.ptr) {
        fputs("object '", out);
        print_escaped(out, payload->object);
        fputs("'\n", out);
    }
    for (size_t i = 0; i < payload->status_count; i++) {
        print_status(out, &payload->statuses[i]);
    }
    for (size_t i = 0; i < payload->quarantined_count; i++) {
        const Quarantined *item = &payload->quarantined[i];
        fprintf(out, "quarantined %.*s %.*s ", STR_ARG(reason_word(item->reason)),
                STR_ARG(item->pointer));
        print_escaped(out, item->raw);
        fputs("\n", out);
    }
    for (size_t i = 0; i < payload->event_count; i++) {
        fputs("event ", out);
        print_escaped(out, payload->events[i].raw);
        print_envelope(out, payload->events[i].change);
    }
}

static void print_failure(FILE *out, const Error *error, bool verbose)
{
    if (error->code == ERROR_NO_MEMORY) {
        fputs("no memory\n", out);
    } else if (error->code != ERROR_MALFORMED) {
        fprintf(out, "unexpected error %d\n", (int)error->code);
    } else if (verbose) {
        fprintf(out, "malformed %.*s %zu:%zu %zu %s\n", STR_ARG(reason_word(error_reason(error))),
                error->line, error->column, error->offset, error->text);
    } else {
        fprintf(out, "malformed %.*s\n", STR_ARG(reason_word(error_reason(error))));
    }
}

char *payload_text(const Payload *payload)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    print_payload(out, payload);
    fclose(out);
    return text;
}

/* A copy of the text that ends where a page begins that must not be read. */
typedef struct {
    char *map;
    size_t map_size;
    Str text;
} Guarded;

static Guarded guard(Str text)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t used = (text.len + page - 1) / page * page;
    Guarded guarded = {.map_size = used + page};
    guarded.map =
        mmap(NULL, guarded.map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(guarded.map != MAP_FAILED);
    assert_int_equal(mprotect(guarded.map + used, page, PROT_NONE), 0);
    guarded.text = (Str){guarded.map + used - text.len, text.len};
    if (text.len) {
        memcpy(guarded.map + used - text.len, text.ptr, text.len);
    }
    return guarded;
}

static char *decode_to_text(Decode *decode, Str body, bool verbose)
{
    char *text = NULL;
    size_t len;
    Guarded guarded = guard(body);
    Arena *arena = arena_new();
    FILE *out = open_memstream(&text, &len);
    assert_non_null(arena);
    assert_non_null(out);
    Payload payload;
    Error error = {.code = ERROR_NONE};
    if (decode(guarded.text, arena, &payload, &error)) {
        print_payload(out, &payload);
    } else {
        print_failure(out, &error, verbose);
    }
    fclose(out);
    arena_free(arena);
    munmap(guarded.map, guarded.map_size);
    return text;
}

char *decoded_text(Decode *decode, Str body)
{
    return decode_to_text(decode, body, false);
}

char *decoded_error(Decode *decode, Str body)
{
    return decode_to_text(decode, body, true);
}

static void assert_cases(Decode *decode, const DecodeCase *cases, size_t count, bool verbose)
{
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        char *text = decode_to_text(decode, cases[i].body, verbose);
        if (strcmp(text, cases[i].want) != 0) {
            print_error("%s\n  want: %s  got:  %s", cases[i].label, cases[i].want, text);
            wrong++;
        }
        free(text);
    }
    assert_int_equal(wrong, 0);
}

void assert_decodes(Decode *decode, const DecodeCase *cases, size_t count)
{
    assert_cases(decode, cases, count, false);
}

void assert_errors(Decode *decode, const DecodeCase *cases, size_t count)
{
    assert_cases(decode, cases, count, true);
}

void assert_decoded(Decode *decode, Str body, const char *want)
{
    char *text = decoded_text(decode, body);
    assert_string_equal(text, want);
    free(text);
}

Str repeat(Arena *arena, const char *begin, const char *part, size_t count, const char *end)
{
    Text text = text_begin(arena);
    text_add(&text, str_from(begin));
    for (size_t i = 0; i < count; i++) {
        for (Str rest = str_from(part); rest.ptr;) {
            text_add(&text, str_split(&rest, '#'));
            if (rest.ptr) {
                text_add_format(&text, "%zu", i);
            }
        }
    }
    text_add(&text, str_from(end));
    Str repeated = text_finish(&text);
    assert_non_null(repeated.ptr);
    return repeated;
}

/* One decoding with the n-th allocation failing; NULL when it ended with ERROR_NO_MEMORY. */
static char *decode_failing(Decode *decode, Str body, size_t n, FailMode mode, bool *ret_failed)
{
    Payload payload;
    Error error = {.code = ERROR_NONE};
    failing_malloc_begin(n, mode);
    Arena *arena = arena_new();
    bool decoded = arena && decode(body, arena, &payload, &error);
    *ret_failed = failing_malloc_end();
    char *text = decoded ? payload_text(&payload) : NULL;
    if (arena && !decoded && error.code != ERROR_NO_MEMORY) {
        fail_msg("allocation %zu failed, which was blamed on the sender: %s", n, error.text);
    }
    arena_free(arena);
    return text;
}

static void fail_each(Decode *decode, Str body, void (*reset)(void), FailMode mode)
{
    char *want = decoded_text(decode, body);
    bool failed = true;
    for (size_t n = 0; failed; n++) {
        if (reset) {
            reset();
        }
        char *text = decode_failing(decode, body, n, mode, &failed);
        if (text) {
            assert_string_equal(text, want);
        }
        assert_true(text || failed);
        free(text);
        char *again = decoded_text(decode, body);
        assert_string_equal(again, want);
        free(again);
    }
    free(want);
}

void assert_survives_failing_malloc(Decode *decode, Str body, void (*reset)(void))
{
    fail_each(decode, body, reset, FAIL_ONCE);
    fail_each(decode, body, reset, FAIL_FOREVER);
}
