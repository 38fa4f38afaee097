#include "unit.h"

#include "failing_malloc.h"
#include "stream/keys.h"

static void test_names(void **state)
{
    (void)state;
    StreamKeys *keys = stream_keys_new("whatsapp:statuses", "", 86400);
    assert_non_null(keys);
    assert_true(str_eq(keys->stream, STR("whatsapp:statuses")));
    assert_true(str_eq(keys->quarantine, STR("{whatsapp:statuses}:quarantine")));
    assert_true(str_eq(keys->seen[0], STR("{whatsapp:statuses}:seen:0")));
    assert_true(str_eq(keys->seen[1], STR("{whatsapp:statuses}:seen:1")));
    assert_true(str_eq(keys->seen_state, STR("{whatsapp:statuses}:seen")));
    assert_true(str_eq(keys->probe, STR("{whatsapp:statuses}:probe")));
    assert_null(keys->events.ptr);
    assert_int_equal(keys->window, 86400);
    assert_null(stream_keys_free(keys));
    assert_null(stream_keys_free(NULL));
}

/* Each object has texts of its own. */
static void test_two(void **state)
{
    (void)state;
    StreamKeys *a = stream_keys_new("a", "e", 0), *b = stream_keys_new("b", "", 0);
    assert_true(a && b);
    assert_true(str_eq(a->quarantine, STR("{a}:quarantine")));
    assert_true(str_eq(a->events, STR("e")));
    assert_true(str_eq(b->quarantine, STR("{b}:quarantine")));
    stream_keys_free(a);
    stream_keys_free(b);
}

static void test_allowed(void **state)
{
    (void)state;
    assert_true(stream_keys_allow(STR("whatsapp:statuses")));
    assert_true(stream_keys_allow(STR("a name")));
    assert_false(stream_keys_allow(STR("")));
    assert_false(stream_keys_allow(STR("{s}")));
    assert_false(stream_keys_allow(STR("s}")));
}

static void test_derived(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool want;
    } cases[] = {{"{s}:quarantine", true},
                 {"{s}:probe", true},
                 {"{s}:seen", true},
                 {"{s}:seen:0", true},
                 {"{s}:seen:1", true},
                 {"{s}:seen:eb4201fafff389ba18589df0699692d3", true}, /* of an earlier version */
                 {"{s}:dead", true},
                 {"{s}:partitions", true},
                 {"{s}:events", false},
                 {"{s}:probes", false},
                 {"{s}:", false},
                 {"{t}:probe", false},
                 {"s", false},
                 {"", false},
                 {"{s", false},
                 {"{s}", false},
                 {"{s}probe:probe", false},
                 {"s}:probe", false}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (stream_keys_derive("s", cases[i].name) != cases[i].want) {
            fail_msg("%s", cases[i].name);
        }
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    failing_malloc_begin(0, FAIL_ONCE);
    StreamKeys *keys = stream_keys_new("a", "", 0);
    failing_malloc_end();
    assert_null(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),     cmocka_unit_test(test_two),
        cmocka_unit_test(test_allowed),   cmocka_unit_test(test_derived),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
