#include "unit.h"

#include "redis/pack.h"

#include <stdlib.h>
#include <string.h>

static const unsigned char guard = 0xee;

/* Between where it began and where it ended are these bytes, and then so many of a text. */
static void assert_packed(const char *label, const unsigned char *got, const char *end, Str head,
                          size_t text)
{
    const size_t len = (size_t)(end - (const char *)got);
    const bool ok = len == head.len + text && memcmp(got, head.ptr, head.len) == 0;
    if (!ok || got[len] != guard) {
        fail_msg("%s: %zu bytes, the first is %02x", label, len, got[0]);
    }
}

/* The shortest head that the length fits into: fixstr, str 8, str 16, str 32. */
static void test_texts(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        size_t len;
        Str head;
    } cases[] = {
        {"an empty text", 0, STR_INIT("\xa0")},
        {"the longest fixstr", 31, STR_INIT("\xbf")},
        {"the shortest str 8", 32, STR_INIT("\xd9\x20")},
        {"the longest str 8", 255, STR_INIT("\xd9\xff")},
        {"the shortest str 16", 256, STR_INIT("\xda\x01\x00")},
        {"the longest str 16", 65535, STR_INIT("\xda\xff\xff")},
        {"the shortest str 32", 65536, STR_INIT("\xdb\x00\x01\x00\x00")},
        {"a text of some MB", 0x123456, STR_INIT("\xdb\x00\x12\x34\x56")},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const size_t len = cases[i].len;
        char *text = malloc(len + 1);
        unsigned char *room = malloc(len + PACK_FRAME + 1);
        assert_true(text && room);
        memset(text, 'x', len);
        memset(room, guard, len + PACK_FRAME + 1);
        const char *end = pack_text((char *)room, (Str){text, len});
        assert_packed(cases[i].label, room, end, cases[i].head, len);
        assert_memory_equal(room + cases[i].head.len, text, len);
        free(room);
        free(text);
    }
}

/* Up to 127 a byte, then uint 16, then uint 32. */
static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        size_t number;
        Str want;
    } cases[] = {
        {"nothing", 0, STR_INIT("\x00")},
        {"a small one", 60, STR_INIT("\x3c")},
        {"the largest of a byte", 127, STR_INIT("\x7f")},
        {"the smallest uint 16", 128, STR_INIT("\xcd\x00\x80")},
        {"the largest of a byte without sign", 255, STR_INIT("\xcd\x00\xff")},
        {"a day is too many for 16 bits", 86400, STR_INIT("\xce\x00\x01\x51\x80")},
        {"the largest uint 16", 65535, STR_INIT("\xcd\xff\xff")},
        {"the smallest uint 32", 65536, STR_INIT("\xce\x00\x01\x00\x00")},
        {"30 days", 2592000, STR_INIT("\xce\x00\x27\x8d\x00")},
        {"the largest uint 32", 4294967295, STR_INIT("\xce\xff\xff\xff\xff")},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        unsigned char room[PACK_FRAME + 1];
        memset(room, guard, sizeof(room));
        const char *end = pack_number((char *)room, cases[i].number);
        assert_packed(cases[i].label, room, end, cases[i].want, 0);
    }
}

/* An absent text is an empty one, and not nil; any bytes are a text. */
static void test_other_values(void **state)
{
    (void)state;
    unsigned char room[PACK_FRAME + 8];
    memset(room, guard, sizeof(room));
    assert_packed("nil", room, pack_nil((char *)room), STR("\xc0"), 0);
    memset(room, guard, sizeof(room));
    assert_packed("true", room, pack_true((char *)room), STR("\xc3"), 0);
    memset(room, guard, sizeof(room));
    assert_packed("absent", room, pack_text((char *)room, (Str){NULL, 0}), STR("\xa0"), 0);
    memset(room, guard, sizeof(room));
    assert_packed("any bytes", room, pack_text((char *)room, STR("\0\xff\r\n")),
                  STR("\xa4\0\xff\r\n"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_other_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
