/*
 * The call of publish.lua as a reader would like to see it: a line for each word, and of those that
 * are MessagePack the values in them.
 *
 *     EVALSHA SHA
 *     KEYS {s}:seen {s}:seen:0 {s}:seen:1 s
 *     60 1 0 2 0 0
 *     2: P +12 E messages whatsapp o 17 id-1 / a sent 7 r [] {} / b ~ ~ ~ ~ !
 *     DIGESTS AAAAAAAAAAAAAA BBBBBBBBBBBBBB
 *     {"a":"long extra"}
 *
 * A group of statuses is how many there are, what they share, and of each what is its own. ~ is
 * nil: as before; ! is true: one of the words that follow; '' is an empty text.
 */
#ifndef TICKSTREAM_CALL_READER_H
#define TICKSTREAM_CALL_READER_H

#include "unit.h"

#include "redis/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RESP */

enum { CALL_WORDS = 2 * LIMIT_STEP };

typedef struct {
    Str words[CALL_WORDS];
    size_t count;
} Words;

/* The number of a line "*12\r\n" or "$12\r\n". */
static inline size_t take_head(Str *rest, char type)
{
    const size_t end = str_find(*rest, '\n');
    assert_true(rest->len && rest->ptr[0] == type && end < rest->len);
    const size_t number = strtoul(rest->ptr + 1, NULL, 10);
    *rest = str_from_offset(*rest, end + 1);
    return number;
}

/* The first command of a text. */
static inline void take_words(Str *rest, Words *ret)
{
    ret->count = take_head(rest, '*');
    assert_in_range(ret->count, 1, CALL_WORDS);
    for (size_t i = 0; i < ret->count; i++) {
        const size_t len = take_head(rest, '$');
        assert_true(rest->len >= len + 2 && memcmp(rest->ptr + len, "\r\n", 2) == 0);
        ret->words[i] = (Str){rest->ptr, len};
        *rest = str_from_offset(*rest, len + 2);
    }
}

/* MessagePack */

typedef enum { PACKED_TEXT, PACKED_NUMBER, PACKED_NIL, PACKED_TRUE } PackedKind;

typedef struct {
    PackedKind kind;
    Str text;
    size_t number;
} Packed;

static inline size_t take_bytes(Str *rest, size_t count)
{
    size_t number = 0;
    assert_true(rest->len >= count);
    for (size_t i = 0; i < count; i++) {
        number = number << 8 | (unsigned char)rest->ptr[i];
    }
    *rest = str_from_offset(*rest, count);
    return number;
}

static inline Packed packed_text(Str *rest, size_t len)
{
    const Packed packed = {.kind = PACKED_TEXT, .text = {rest->ptr, len}};
    assert_true(rest->len >= len);
    *rest = str_from_offset(*rest, len);
    return packed;
}

static inline Packed packed_number(size_t number)
{
    return (Packed){.kind = PACKED_NUMBER, .number = number};
}

static inline Packed take_packed(Str *rest)
{
    const size_t head = take_bytes(rest, 1);
    switch (head) {
    case 0xc0:
        return (Packed){.kind = PACKED_NIL};
    case 0xc3:
        return (Packed){.kind = PACKED_TRUE};
    case 0xcd:
        return packed_number(take_bytes(rest, 2));
    case 0xce:
        return packed_number(take_bytes(rest, 4));
    case 0xd9:
        return packed_text(rest, take_bytes(rest, 1));
    case 0xda:
        return packed_text(rest, take_bytes(rest, 2));
    case 0xdb:
        return packed_text(rest, take_bytes(rest, 4));
    default:
        break;
    }
    if (head < 0x80) {
        return packed_number(head);
    }
    assert_in_range(head, 0xa0, 0xbf);
    return packed_text(rest, head & 0x1f);
}

/* The call */

enum { PLAN = 7, SHARED = 8, OWN = 6 };

/* The first four of a plan are the window, the lease, whether elements may repeat, and whether it
 * writes also when all is known. */
typedef struct {
    Words command;
    Str name, script;
    const Str *keys;
    size_t key_count;
    size_t plan[PLAN];
    Str values, digests; /* no digests without a window */
    const Str *others;
    size_t other_count;
} CallRead;

/* Reads the one call of a buffer, which has nothing else. */
static inline void read_call(const Buffer *buffer, CallRead *ret)
{
    Str rest = {buffer->ptr, buffer->len};
    Words *command = &ret->command;
    take_words(&rest, command);
    assert_int_equal(rest.len, 0);
    assert_true(command->count >= 5);
    ret->name = command->words[0];
    ret->script = command->words[1];
    ret->keys = command->words + 3;
    ret->key_count = (size_t)(command->words[2].ptr[0] - '0');
    size_t at = 3 + ret->key_count;
    Str plan = command->words[at++];
    for (size_t i = 0; i < PLAN; i++) {
        const Packed number = take_packed(&plan);
        assert_int_equal(number.kind, PACKED_NUMBER);
        ret->plan[i] = number.number;
    }
    assert_int_equal(plan.len, 0);
    ret->values = command->words[at++];
    ret->digests = ret->plan[0] ? command->words[at++] : (Str){NULL, 0};
    assert_true(at <= command->count);
    ret->others = command->words + at;
    ret->other_count = command->count - at;
}

/* A line end within a text is shown as \n. */
static inline void show_text(FILE *out, Str text)
{
    fputs(text.len ? "" : "''", out);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\n') {
            fputs("\\n", out);
        } else {
            fputc(text.ptr[i], out);
        }
    }
}

static inline PackedKind show_packed(FILE *out, Str *rest)
{
    const Packed packed = take_packed(rest);
    if (packed.kind == PACKED_TEXT) {
        show_text(out, packed.text);
    } else if (packed.kind == PACKED_NUMBER) {
        fprintf(out, "%zu", packed.number);
    } else {
        fputc(packed.kind == PACKED_NIL ? '~' : '!', out);
    }
    return packed.kind;
}

/* Returns how many of them are words that follow. */
static inline size_t show_values(FILE *out, Str *rest, size_t count)
{
    size_t apart = 0;
    for (size_t i = 0; i < count; i++) {
        fputc(' ', out);
        apart += show_packed(out, rest) == PACKED_TRUE;
    }
    return apart;
}

static inline size_t show_statuses(FILE *out, Str values)
{
    size_t apart = 0;
    while (values.len) {
        size_t left = take_packed(&values).number;
        fprintf(out, "%zu:", left);
        show_values(out, &values, SHARED);
        for (; left; left--) {
            fputs(" /", out);
            apart += show_values(out, &values, OWN);
        }
        fputs(values.len ? " " : "\n", out);
    }
    return apart;
}

static inline void show_all(FILE *out, const char *title, Str packed)
{
    fputs(title, out);
    for (size_t i = 0; packed.len; i++) {
        fputs(i || title[0] ? " " : "", out);
        show_packed(out, &packed);
    }
    fputc('\n', out);
}

/* Caller frees. */
static inline char *show_call(const Buffer *buffer)
{
    static CallRead call;
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    read_call(buffer, &call);
    fprintf(out, "%.*s %.*s\nKEYS", STR_ARG(call.name),
            STR_ARG(str_eq(call.script, publish_script) ? STR("SOURCE") : call.script));
    for (size_t i = 0; i < call.key_count; i++) {
        fprintf(out, " %.*s", STR_ARG(call.keys[i]));
    }
    fputc('\n', out);
    for (size_t i = 0; i < PLAN; i++) {
        fprintf(out, "%zu%c", call.plan[i], i + 1 < PLAN ? ' ' : '\n');
    }
    const size_t apart = show_statuses(out, call.values);
    if (call.digests.ptr) {
        show_all(out, "DIGESTS", call.digests);
    }
    for (size_t i = 0; i < call.other_count; i++) {
        if (i < apart) {
            fprintf(out, "%.*s\n", STR_ARG(call.others[i]));
        } else {
            show_all(out, "", call.others[i]);
        }
    }
    fclose(out);
    return text;
}

#endif
