#include "unit.h"

#include "base/owner.h"

typedef struct {
    int number;
    char letter;
    struct {
        int inner;
    } nested;
} Owner;

/* Whatever the member's place, from a pointer of its type or a void *. */
static void test_owner(void **state)
{
    (void)state;
    Owner owner;
    void *arg = &owner.letter;
    assert_ptr_equal(OWNER_OF(&owner.number, Owner, number), &owner);
    assert_ptr_equal(OWNER_OF(&owner.letter, Owner, letter), &owner);
    assert_ptr_equal(OWNER_OF(&owner.nested.inner, Owner, nested.inner), &owner);
    assert_ptr_equal(OWNER_OF(arg, Owner, letter), &owner);
    OWNER_OF(arg, Owner, letter)->number = 5;
    assert_int_equal(owner.number, 5);
}

/* const stays: of both types the owner is const. */
static void test_const(void **state)
{
    (void)state;
    Owner owner;
    const char *letter = &owner.letter;
    const void *arg = letter;
    assert_ptr_equal(OWNER_OF(letter, const Owner, letter), &owner);
    assert_ptr_equal(OWNER_OF(arg, const Owner, letter), &owner);
    assert_ptr_equal(OWNER_OF(&owner.letter, const Owner, letter), &owner);
    assert_int_equal(
        _Generic(OWNER_OF(letter, const Owner, letter), const Owner * : 1, Owner * : 0), 1);
}

/* The pointer is evaluated once. */
static void test_once(void **state)
{
    (void)state;
    Owner owners[2];
    Owner *next = owners;
    assert_ptr_equal(OWNER_OF(&next++->letter, Owner, letter), &owners[0]);
    assert_ptr_equal(next, &owners[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_owner),
        cmocka_unit_test(test_const),
        cmocka_unit_test(test_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
