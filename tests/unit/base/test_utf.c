#include "unit.h"

#include "base/utf.h"

#include <string.h>

/* Whether a code point may stand in UTF-8 (RFC 3629). */
static bool is_scalar(uint32_t code_point)
{
    return code_point <= 0x10FFFF && (code_point < 0xD800 || code_point > 0xDFFF);
}

/* What utf8_encode() writes, utf8_sequence() takes; also not a byte less. */
static void test_every_code_point(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        char buf[4];
        size_t len = utf8_encode(c, buf);
        size_t want = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        if (len != want || utf8_sequence(buf, len) != (is_scalar(c) ? len : 0) ||
            (len > 1 && utf8_sequence(buf, len - 1) != 0)) {
            fail_msg("U+%04X", c);
        }
    }
}

/* Of all sequences of two bytes and more the well-formed ones are those that a decoder by the book
 * gives a scalar value of the right length for. */
static void test_every_sequence(void **state)
{
    (void)state;
    static const unsigned char edges[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F,
                                          0xA0, 0xBF, 0xC0, 0xC2, 0xE0, 0xFF};
    for (unsigned first = 0x80; first <= 0xFF; first++) {
        for (size_t i = 0; i < COUNT(edges); i++) {
            for (size_t k = 0; k < COUNT(edges); k++) {
                const unsigned char bytes[] = {(unsigned char)first, edges[i], edges[k], 0x80};
                size_t len = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 0;
                uint32_t c = first & (0x7Fu >> len);
                bool good = len > 0 && first < 0xF8;
                for (size_t n = 1; n < len; n++) {
                    good = good && (bytes[n] & 0xC0) == 0x80;
                    c = c << 6 | (bytes[n] & 0x3F);
                }
                static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
                good = good && is_scalar(c) && c >= least[len];
                size_t got = utf8_sequence((const char *)bytes, sizeof(bytes));
                if (got != (good ? len : 0)) {
                    fail_msg("%02X %02X %02X 80: %zu", first, edges[i], edges[k], got);
                }
            }
        }
    }
}

static void test_valid(void **state)
{
    (void)state;
    assert_true(utf8_is_valid(STR("")));
    assert_true(utf8_is_valid(STR("a\0\xC3\xA9\xE2\x82\xAC\xF0\x9F\x9A\x80")));
    assert_false(utf8_is_valid(STR("a\xC3")));
    assert_false(utf8_is_valid(STR("\xA9")));
    assert_int_equal(utf8_sequence("", 0), 0);
}

static void test_utf16(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        Str utf16, want;
    } cases[] = {
        {"nothing", STR_INIT(""), STR_INIT("")},
        {"a mark alone", STR_INIT("\xFF\xFE"), STR_INIT("")},
        {"little endian without mark", STR_INIT("a\0b\0"), STR_INIT("ab")},
        {"little endian",
         STR_INIT("\xFF\xFE"
                  "a\0"),
         STR_INIT("a")},
        {"big endian", STR_INIT("\xFE\xFF\0a"), STR_INIT("a")},
        {"only the first mark is one", STR_INIT("\xFF\xFE\xFF\xFE"), STR_INIT("\xEF\xBB\xBF")},
        {"two and three bytes", STR_INIT("\xE9\0\xAC\x20"), STR_INIT("\xC3\xA9\xE2\x82\xAC")},
        {"a pair", STR_INIT("\x3D\xD8\x80\xDE"), STR_INIT("\xF0\x9F\x9A\x80")},
        {"a pair, big endian", STR_INIT("\xFE\xFF\xD8\x3D\xDE\x80"), STR_INIT("\xF0\x9F\x9A\x80")},
        {"a high half at the end", STR_INIT("\x3D\xD8"), STR_INIT("\xEF\xBF\xBD")},
        {"a high half before a letter",
         STR_INIT("\x3D\xD8"
                  "a\0"),
         STR_INIT("\xEF\xBF\xBD"
                  "a")},
        {"a low half", STR_INIT("\x80\xDE"), STR_INIT("\xEF\xBF\xBD")},
        {"two high halves and a low one", STR_INIT("\x3D\xD8\x3D\xD8\x80\xDE"),
         STR_INIT("\xEF\xBF\xBD\xF0\x9F\x9A\x80")},
        {"NUL", STR_INIT("\0\0"), STR_INIT("\0")},
    };
    Arena *arena = arena_new();
    assert_non_null(arena);
    for (size_t i = 0; i < COUNT(cases); i++) {
        Str got;
        assert_true(utf16_to_utf8(cases[i].utf16, arena, &got));
        if (!str_eq(got, cases[i].want)) {
            fail_msg("%s: %.*s", cases[i].label, STR_ARG(got));
        }
    }
    Str got;
    assert_false(utf16_to_utf8(STR("abc"), arena, &got));
    arena_free(arena);
}

static void test_repair(void **state)
{
    (void)state;
#define FFFD "\xEF\xBF\xBD"
    static const struct {
        Str text, repaired, latin1;
    } cases[] = {
        {STR_INIT(""), STR_INIT(""), STR_INIT("")},
        {STR_INIT("a\0b"), STR_INIT("a\0b"), STR_INIT("a\0b")},
        {STR_INIT("\xC3\xA9"), STR_INIT("\xC3\xA9"), STR_INIT("\xC3\x83\xC2\xA9")},
        {STR_INIT("\xE9"), STR_INIT(FFFD), STR_INIT("\xC3\xA9")},
        {STR_INIT("\xFF\x80z"), STR_INIT(FFFD FFFD "z"), STR_INIT("\xC3\xBF\xC2\x80z")},
        {STR_INIT("\xE2\x82"), STR_INIT(FFFD FFFD), STR_INIT("\xC3\xA2\xC2\x82")},
    };
    Arena *arena = arena_new();
    assert_non_null(arena);
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_true(str_eq(utf8_repair(cases[i].text, arena), cases[i].repaired));
        assert_true(str_eq(latin1_to_utf8(cases[i].text, arena), cases[i].latin1));
    }
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_every_sequence),
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_utf16),
        cmocka_unit_test(test_repair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
