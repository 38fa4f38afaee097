#include "unit.h"

#include "endpoints/admission.h"

/* What is expected and what is in flight share one limit; what was refused has changed nothing. */
static void test_expect(void **state)
{
    (void)state;
    enum { MOST = LIMIT_BYTES_IN_FLIGHT };
    Admission admission = {0};
    assert_true(admission_expect(&admission, MOST - 10));
    assert_true(admission_expect(&admission, 10));
    assert_true(admission_expect(&admission, 0));
    assert_false(admission_expect(&admission, 1));
    assert_false(admission_expect(&admission, SIZE_MAX));
    assert_int_equal(admission.expected, MOST);
    admission_unexpect(&admission, 10);
    admission_enter(&admission, 4);
    assert_false(admission_expect(&admission, 7));
    assert_true(admission_expect(&admission, 6));
    admission_leave(&admission, 4);
    assert_true(admission_expect(&admission, 4));
    /* one request may hold more than was left */
    admission_enter(&admission, 2 * (size_t)MOST);
    assert_false(admission_expect(&admission, 0));
    admission_leave(&admission, 2 * (size_t)MOST);
    admission_unexpect(&admission, MOST);
    assert_int_equal(admission.expected + admission.requests + admission.bytes, 0);
}

static void test_check(void **state)
{
    (void)state;
    Admission admission = {0};
    Error error;
    for (size_t i = 0; i < LIMIT_REQUESTS_IN_FLIGHT; i++) {
        assert_true(admission_check(&admission, &error));
        admission_enter(&admission, 1);
    }
    assert_false(admission_check(&admission, &error));
    assert_int_equal(error.code, ERROR_UNAVAILABLE);
    admission_leave(&admission, 1);
    assert_true(admission_check(&admission, &error));
    admission_enter(&admission, LIMIT_BYTES_IN_FLIGHT - admission.bytes);
    admission.requests--;
    assert_false(admission_check(&admission, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expect),
        cmocka_unit_test(test_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
