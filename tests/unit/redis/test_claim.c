/*
 * The number of partitions that a stream was made with: what is asked, and what answers mean.
 */
#include "unit.h"

#include "base/buffer.h"
#include "failing_malloc.h"
#include "redis/claim.h"

#include <string.h>

#define KEY STR_INIT("{s}:partitions")

static void test_command(void **state)
{
    (void)state;
    Claim claim = {.key = KEY, .number = 16};
    Buffer buffer = {0};
    assert_true(claim_write(&claim, &buffer));
    const Str all = {buffer.ptr, buffer.len};
    const Str end = STR("\r\n$1\r\n1\r\n$14\r\n{s}:partitions\r\n$2\r\n16\r\n");
    assert_true(str_starts_with(all, STR("*5\r\n$4\r\nEVAL\r\n")));
    assert_true(all.len > end.len && str_eq(str_from_offset(all, all.len - end.len), end));
    buffer_free(&buffer);
}

#define NIL {.kind = REPLY_NIL}
#define TEXT(text_) {.kind = REPLY_TEXT, .text = STR_INIT(text_)}

/* What is found decides. */
static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        Reply reply;
        const char *found;
        bool is_told, differs;
    } cases[] = {
        {"the first who starts", NIL, "", true, false},
        {"one of many", TEXT("16"), "", true, false},
        {"another number", TEXT("4"), "4", true, true},
        {"a larger one with the same beginning", TEXT("160"), "160", true, true},
        {"no number", TEXT("many"), "many", true, true},
        {"much of it", TEXT("12345678901234567890"), "12345678901", true, true},
        {"nothing", TEXT(""), "", true, true},
        {"no sense", {.kind = REPLY_INTEGER, .integer = 16}, "", false, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Claim claim = {.key = KEY, .number = 16};
        Buffer buffer = {0};
        assert_true(claim_write(&claim, &buffer));
        claim_take(&claim, &cases[i].reply);
        if (claim.is_told != cases[i].is_told || claim.differs != cases[i].differs ||
            strcmp(claim.found, cases[i].found) != 0) {
            fail_msg("%s: \"%s\"", cases[i].label, claim.found);
        }
        buffer_free(&buffer);
    }
}

/* Again after an answer that was of no use. */
static void test_again(void **state)
{
    (void)state;
    static const Reply other = TEXT("4"), ours = TEXT("16");
    Claim claim = {.key = KEY, .number = 16};
    Buffer buffer = {0};
    assert_true(claim_write(&claim, &buffer));
    claim_take(&claim, &other);
    assert_true(claim.differs);
    assert_true(claim_write(&claim, &buffer));
    assert_false(claim.differs || claim.is_told);
    claim_take(&claim, &ours);
    assert_true(claim.is_told && !claim.differs);
    assert_string_equal(claim.found, "");
    buffer_free(&buffer);
}

static void test_failing_malloc(void **state)
{
    (void)state;
    Claim claim = {.key = KEY, .number = 16};
    Buffer buffer = {0};
    failing_malloc_begin(0, FAIL_ONCE);
    assert_false(claim_write(&claim, &buffer));
    assert_true(failing_malloc_end());
    assert_int_equal(buffer.len, 0);
    buffer_free(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
