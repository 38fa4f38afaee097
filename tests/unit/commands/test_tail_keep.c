#include "unit.h"

#include "commands/tail_keep.h"
#include "failing_malloc.h"

#include <stdio.h>

/* Entries 1-0 to count-0 in an order that is far from theirs; each line is the number. */
static void fill(TailKeep *keep, unsigned count)
{
    char text[16];
    for (unsigned i = 0; i < count; i++) {
        const unsigned n = i * 7 % count + 1;
        snprintf(text, sizeof(text), "%u", n);
        assert_true(tail_keep_add(keep, (EntryId){n, 0}, 0, str_from(text)));
        assert_in_range(keep->count, 0, 2 * keep->most);
    }
}

static void test_kept(void **state)
{
    (void)state;
    static const struct {
        size_t most;
        bool is_newest;
        unsigned count, want_from, want_count;
    } cases[] = {{20, true, 100, 81, 20}, {20, false, 100, 1, 20},  {1, true, 100, 100, 1},
                 {1, false, 100, 1, 1},   {200, true, 100, 1, 100}, {100, true, 100, 1, 100},
                 {0, true, 100, 0, 0},    {5, false, 0, 0, 0}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        TailKeep keep = {.most = cases[i].most, .is_newest = cases[i].is_newest};
        char text[16];
        fill(&keep, cases[i].count);
        tail_keep_finish(&keep);
        assert_int_equal(keep.count, cases[i].want_count);
        for (unsigned k = 0; k < keep.count; k++) {
            snprintf(text, sizeof(text), "%u", cases[i].want_from + k);
            assert_true(str_eq((Str){keep.lines[k].line, keep.lines[k].len}, str_from(text)));
        }
        tail_keep_free(&keep);
    }
}

/* What is not wanted need not be read, nor what lies behind it. */
static void test_wanted(void **state)
{
    (void)state;
    TailKeep keep = {.most = 2, .is_newest = true};
    assert_true(tail_keep_wants(&keep, (EntryId){0, 0}));
    fill(&keep, 10);
    tail_keep_finish(&keep);
    tail_keep_free(&keep);
    keep = (TailKeep){.most = 2, .is_newest = true};
    for (unsigned n = 10; n > 0; n--) {
        assert_int_equal(tail_keep_wants(&keep, (EntryId){n, 0}), n > 8);
        assert_true(tail_keep_add(&keep, (EntryId){n, 0}, 0, STR("x")));
    }
    tail_keep_free(&keep);
}

/* Equal ids, of several partitions, have an order too. */
static void test_equal(void **state)
{
    (void)state;
    TailKeep keep = {.most = 5};
    assert_true(tail_keep_add(&keep, (EntryId){1, 1}, 2, STR("c")));
    assert_true(tail_keep_add(&keep, (EntryId){1, 1}, 0, STR("a")));
    assert_true(tail_keep_add(&keep, (EntryId){1, 1}, 1, STR("b")));
    tail_keep_finish(&keep);
    assert_int_equal(keep.count, 3);
    for (size_t i = 0; i < keep.count; i++) {
        assert_true(str_eq((Str){keep.lines[i].line, keep.lines[i].len}, (Str){&"abc"[i], 1}));
    }
    tail_keep_free(&keep);
}

static void test_no_memory(void **state)
{
    (void)state;
    for (size_t n = 0;; n++) {
        TailKeep keep = {.most = 40};
        bool ok = true;
        failing_malloc_begin(n, FAIL_ONCE);
        for (unsigned i = 0; ok && i < 50; i++) {
            ok = tail_keep_add(&keep, (EntryId){i, 0}, 0, STR("x"));
        }
        const bool failed = failing_malloc_end();
        assert_int_equal(ok, !failed);
        tail_keep_free(&keep);
        if (!failed) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kept), cmocka_unit_test(test_wanted),
                                       cmocka_unit_test(test_equal),
                                       cmocka_unit_test(test_no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
