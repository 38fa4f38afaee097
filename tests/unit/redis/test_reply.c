#include "unit.h"

#include "base/limits.h"
#include "failing_malloc.h"
#include "redis/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A reply as text: +status -error :1 "text" nil (list, of, those) ?other. */
static void print_reply(FILE *out, const Reply *reply)
{
    switch (reply->kind) {
    case REPLY_NIL:
        fprintf(out, "nil");
        break;
    case REPLY_STATUS:
        fprintf(out, "+%.*s", STR_ARG(reply->text));
        break;
    case REPLY_ERROR:
        fprintf(out, "-%.*s", STR_ARG(reply->text));
        break;
    case REPLY_INTEGER:
        fprintf(out, ":%lld", reply->integer);
        break;
    case REPLY_TEXT:
        fprintf(out, "\"%.*s\"", STR_ARG(reply->text));
        break;
    case REPLY_LIST:
        fprintf(out, "(");
        for (size_t i = 0; i < reply->count; i++) {
            fprintf(out, i ? ", " : "");
            print_reply(out, &reply->items[i]);
        }
        fprintf(out, ")");
        break;
    case REPLY_OTHER:
        fprintf(out, "?");
        break;
    }
}

/* Prints all replies that are whole; returns why it does not go on, or NULL. */
static const char *print_whole(FILE *out, ReplyReader *reader)
{
    const char *why;
    for (const Reply *reply; (reply = reply_reader_next(reader, &why));) {
        print_reply(out, reply);
        fprintf(out, ";");
    }
    return why;
}

/* All replies of the bytes, which come in pieces of this length; the caller frees the text. */
static char *read_in_pieces(Str bytes, size_t piece)
{
    char *text;
    size_t len;
    const char *why = NULL;
    ReplyReader *reader = reply_reader_new();
    FILE *out = open_memstream(&text, &len);
    assert_true(reader && out);
    while (bytes.len && !why) {
        size_t some = bytes.len < piece ? bytes.len : piece;
        /* of the exact size, so that a read beyond it is seen */
        char *copy = malloc(some);
        assert_non_null(copy);
        memcpy(copy, bytes.ptr, some);
        why = reply_reader_feed(reader, (Str){copy, some});
        free(copy);
        why = why ? why : print_whole(out, reader);
        bytes = str_from_offset(bytes, some);
    }
    if (why) {
        fprintf(out, "!");
        assert_true(why[0] != '\0');
    }
    fclose(out);
    reply_reader_free(reader);
    return text;
}

static const struct {
    const char *label;
    Str bytes;
    const char *want; /* ! at the end: refused */
} cases[] = {
    {"nothing", STR_INIT(""), ""},
    {"a status", STR_INIT("+OK\r\n"), "+OK;"},
    {"an empty status", STR_INIT("+\r\n"), "+;"},
    {"an error", STR_INIT("-ERR no\r\n"), "-ERR no;"},
    {"a number", STR_INIT(":42\r\n"), ":42;"},
    {"a negative number", STR_INIT(":-1\r\n"), ":-1;"},
    {"the largest number", STR_INIT(":9223372036854775807\r\n"), ":9223372036854775807;"},
    {"a text", STR_INIT("$3\r\na\r\n\r\n"), "\"a\r\n\";"},
    {"an empty text", STR_INIT("$0\r\n\r\n"), "\"\";"},
    {"nil", STR_INIT("$-1\r\n"), "nil;"},
    {"a nil list", STR_INIT("*-1\r\n"), "nil;"},
    {"an empty list", STR_INIT("*0\r\n"), "();"},
    {"a list", STR_INIT("*3\r\n:1\r\n$-1\r\n+a\r\n"), "(:1, nil, +a);"},
    {"lists in lists", STR_INIT("*2\r\n*2\r\n:1\r\n*0\r\n*1\r\n-x\r\n"), "((:1, ()), (-x));"},
    {"a page of entries",
     STR_INIT("*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"),
     "((\"s\", ((\"1-0\", (\"f\", \"v\")))));"},
    {"several", STR_INIT("+a\r\n:1\r\n*1\r\n$1\r\nb\r\n-c\r\n"), "+a;:1;(\"b\");-c;"},
    {"one and a half", STR_INIT("+a\r\n*2\r\n:1\r\n"), "+a;"},
    {"half a text", STR_INIT("$5\r\nab"), ""},

    {"no protocol", STR_INIT("hello\r\n"), "!"},
    {"after a good one", STR_INIT("+a\r\nhello\r\n"), "+a;!"},
    {"a web server", STR_INIT("HTTP/1.1 400 Bad Request\r\n"), "!"},
    {"an alert of TLS", STR_INIT("\x15\x03\x03\x00\x02\x02\x28"), "!"},
    {"inside a list", STR_INIT("*2\r\n:1\r\nhello\r\n"), "!"},
    {"a list that is too long", STR_INIT("*65537\r\n"), "!"},
    {"a list without end", STR_INIT("*9223372036854775807\r\n"), "!"},
    {"a list of less than nothing", STR_INIT("*-2\r\n"), "!"},
    {"lists that are too long together", STR_INIT("*2\r\n*40000\r\n"), ""},
    {"nested too deep",
     STR_INIT("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"
              "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"),
     NULL /* depends on hiredis; no crash */},
};

/* However the bytes are cut, the replies are the same. */
static void test_replies(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t piece = 1; piece <= cases[i].bytes.len + 1; piece++) {
            char *got = read_in_pieces(cases[i].bytes, piece);
            if (cases[i].want && strcmp(got, cases[i].want) != 0) {
                fail_msg("%s, in pieces of %zu: %s", cases[i].label, piece, got);
            }
            free(got);
        }
    }
}

/* What RESP3 adds is refused by one hiredis and no surprise of another; it is never asked for. */
static void test_resp3(void **state)
{
    (void)state;
    static const char *const texts[] = {"%1\r\n+a\r\n:1\r\n",
                                        "~1\r\n:1\r\n",
                                        ",1.5\r\n",
                                        "#t\r\n",
                                        "_\r\n",
                                        "=5\r\ntxt:a\r\n",
                                        "(12345678901234567890\r\n",
                                        ">2\r\n+a\r\n+b\r\n",
                                        "|1\r\n+a\r\n:1\r\n"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        char *got = read_in_pieces(str_from(texts[i]), 3);
        bool ok = strcmp(got, "!") == 0 || strcmp(got, "?;") == 0 || strcmp(got, "nil;") == 0 ||
                  got[0] == '\0';
        if (!ok) {
            fail_msg("%s: %s", texts[i], got);
        }
        free(got);
    }
}

/* The elements of all levels count, those of another reply do not. */
static void test_limit_of_items(void **state)
{
    (void)state;
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    fprintf(out, "*2\r\n*%d\r\n", LIMIT_REPLY_ITEMS - 2);
    for (int i = 0; i < LIMIT_REPLY_ITEMS - 2; i++) {
        fprintf(out, ":1\r\n");
    }
    fclose(out);

    ReplyReader *reader = reply_reader_new();
    const char *why;
    assert_non_null(reader);
    for (int round = 0; round < 3; round++) { /* exactly the limit, again and again */
        assert_null(reply_reader_feed(reader, (Str){text, len}));
        assert_null(reply_reader_feed(reader, STR("*0\r\n")));
        const Reply *reply = reply_reader_next(reader, &why);
        assert_non_null(reply);
        assert_int_equal(reply->items[0].count, LIMIT_REPLY_ITEMS - 2);
        assert_int_equal(reply->items[0].items[LIMIT_REPLY_ITEMS - 3].integer, 1);
    }
    assert_null(reply_reader_feed(reader, (Str){text, len}));
    assert_null(reply_reader_feed(reader, STR("*1\r\n:1\r\n"))); /* one more */
    assert_null(reply_reader_next(reader, &why));
    assert_string_equal(why, "a reply that is too large");
    assert_null(reply_reader_next(reader, &why)); /* for ever */
    assert_non_null(why);
    reply_reader_free(reader);
    free(text);
}

/* A reply that never ends, and many that do. */
static void test_limit_of_bytes(void **state)
{
    (void)state;
    static char part[1 << 20];
    const char *why = NULL;
    size_t fed = 0;
    ReplyReader *reader = reply_reader_new();
    assert_non_null(reader);
    assert_null(reply_reader_feed(reader, STR("$2000000000\r\n")));
    while (!why && fed <= LIMIT_REPLY_BYTES) {
        assert_null(reply_reader_next(reader, &why));
        assert_null(why);
        why = reply_reader_feed(reader, (Str){part, sizeof(part)});
        fed += sizeof(part);
    }
    assert_string_equal(why, "a reply that is too large");
    assert_in_range(fed, LIMIT_REPLY_BYTES - sizeof(part), LIMIT_REPLY_BYTES + sizeof(part));
    reply_reader_free(reader);

    reader = reply_reader_new();
    assert_non_null(reader);
    for (fed = 0; fed < LIMIT_REPLY_BYTES + 2 * sizeof(part); fed += sizeof(part)) {
        assert_null(reply_reader_feed(reader, STR("$1048576\r\n")));
        assert_null(reply_reader_feed(reader, (Str){part, sizeof(part)}));
        assert_null(reply_reader_feed(reader, STR("\r\n")));
        const Reply *reply = reply_reader_next(reader, &why);
        assert_non_null(reply);
        assert_int_equal(reply->text.len, sizeof(part));
    }
    reply_reader_free(reader);
}

static void test_first_error(void **state)
{
    (void)state;
    Reply items[] = {{.kind = REPLY_TEXT, .text = STR("a")},
                     {.kind = REPLY_ERROR, .text = STR("first")},
                     {.kind = REPLY_ERROR, .text = STR("second")}};
    const Reply error = {.kind = REPLY_ERROR}, status = {.kind = REPLY_STATUS},
                list = {.kind = REPLY_LIST, .items = items, .count = 3},
                good = {.kind = REPLY_LIST, .items = items, .count = 1},
                other = {.kind = REPLY_OTHER, .items = items, .count = 3},
                empty = {.kind = REPLY_LIST};
    assert_ptr_equal(reply_error(&error), &error);
    assert_null(reply_error(&status));
    assert_ptr_equal(reply_error(&list), &items[1]);
    assert_null(reply_error(&good));
    assert_null(reply_error(&other));
    assert_null(reply_error(&empty));
}

static char *text_of(const Reply *reply)
{
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    print_reply(out, reply);
    fclose(out);
    return text;
}

/* The copy of what a server said is the same after the original has gone. */
static void test_copy(void **state)
{
    (void)state;
    static const Str originals[] = {
        STR_INIT("+OK\r\n"),
        STR_INIT("-ERR no\r\n"),
        STR_INIT(":-7\r\n"),
        STR_INIT("$-1\r\n"),
        STR_INIT("$0\r\n\r\n"),
        STR_INIT("$3\r\na\0b\r\n"),
        STR_INIT("*0\r\n"),
        STR_INIT("*-1\r\n"),
        STR_INIT("*4\r\n*2\r\n$3\r\n1-0\r\n*2\r\n+a\r\n$1\r\nb\r\n*0\r\n*1\r\n*1\r\n:5\r\n$1\r\nc"
                 "\r\n"),
    };
    for (size_t i = 0; i < COUNT(originals); i++) {
        const char *why;
        ReplyReader *reader = reply_reader_new();
        assert_non_null(reader);
        assert_null(reply_reader_feed(reader, originals[i]));
        const Reply *reply = reply_reader_next(reader, &why);
        assert_non_null(reply);
        char *want = text_of(reply);
        const Reply *copy = NULL;
        Arena *arena = NULL;
        bool failed = true;
        for (size_t n = 0; failed; n++) {
            arena_free(arena);
            failing_malloc_begin(n, FAIL_ONCE);
            arena = arena_new();
            copy = arena ? reply_copy(arena, reply) : NULL;
            failed = failing_malloc_end();
            assert_int_equal(failed, copy == NULL);
        }
        reply_reader_free(reader);
        char *got = text_of(copy);
        assert_string_equal(got, want);
        free(got);
        free(want);
        arena_free(arena);
    }
}

/* A whole reply, or a reason: never half of one, never a leak. */
static void test_failing_malloc(void **state)
{
    (void)state;
    static char bytes[40000];
    int len = snprintf(bytes, sizeof(bytes), "*3\r\n:1\r\n*100\r\n");
    for (int i = 0; i < 100; i++) {
        len += snprintf(bytes + len, sizeof(bytes) - (size_t)len, "$300\r\n%0300d\r\n", i);
    }
    len += snprintf(bytes + len, sizeof(bytes) - (size_t)len, "+OK\r\n");
    assert_in_range(len, 30000, sizeof(bytes) - 1);
    bool failed = true;
    for (size_t n = 0; failed; n++) {
        const char *why = NULL;
        const Reply *reply = NULL;
        failing_malloc_begin(n, FAIL_ONCE);
        ReplyReader *reader = reply_reader_new();
        if (reader) {
            why = reply_reader_feed(reader, (Str){bytes, (size_t)len});
            reply = why ? NULL : reply_reader_next(reader, &why);
        }
        failed = failing_malloc_end();
        assert_int_equal(failed, reply == NULL);
        if (reader && !reply) {
            assert_non_null(why);
        }
        reply_reader_free(reader);
    }
    assert_null(reply_reader_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies),        cmocka_unit_test(test_resp3),
        cmocka_unit_test(test_limit_of_items), cmocka_unit_test(test_limit_of_bytes),
        cmocka_unit_test(test_first_error),    cmocka_unit_test(test_copy),
        cmocka_unit_test(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
