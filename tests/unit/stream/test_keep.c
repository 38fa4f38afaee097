#include "unit.h"

#include "stream/keep.h"

static void test_groups(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        const char *want[3];
    } cases[] = {
        {"", {0}},
        {" ", {0}},
        {",, ,", {0}},
        {"billing", {"billing"}},
        {"billing,crm,audit", {"billing", "crm", "audit"}},
        {" billing , crm\t", {"billing", "crm"}},
        {",billing,,crm,", {"billing", "crm"}},
        {"two words,x", {"two words", "x"}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Str list = str_from(cases[i].list);
        for (size_t k = 0; k < COUNT(cases[i].want) && cases[i].want[k]; k++) {
            assert_true(str_eq(keep_next_group(&list), str_from(cases[i].want[k])));
        }
        assert_null(keep_next_group(&list).ptr);
        assert_null(keep_next_group(&list).ptr); /* nor later */
    }
}

static void test_no_list(void **state)
{
    (void)state;
    Str list = {NULL, 0};
    assert_null(keep_next_group(&list).ptr);
}

static void test_names(void **state)
{
    (void)state;
    for (Trim trim = 0; trim < TRIMS; trim++) {
        assert_non_null(trim_names[trim]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_groups),
                                       cmocka_unit_test(test_no_list),
                                       cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
