#include "unit.h"

#include "base/list.h"
#include "base/owner.h"

typedef struct {
    char name;
    ListPlace place;
} Thing;

/* The names in a list, in order. */
static const char *names(ListPlace *list)
{
    static char text[8];
    size_t len = 0;
    for (ListPlace *place = list; place; place = place->next) {
        text[len++] = OWNER_OF(place, Thing, place)->name;
    }
    text[len] = '\0';
    return text;
}

static void test_list(void **state)
{
    (void)state;
    ListPlace *list = NULL, *other = NULL;
    Thing a = {'a', {0}}, b = {'b', {0}}, c = {'c', {0}};
    assert_false(list_has(&a.place));
    list_remove(&a.place); /* out of none */
    list_add(&list, &a.place);
    list_add(&list, &b.place);
    list_add(&list, &c.place);
    assert_true(list_has(&a.place));
    assert_string_equal(names(list), "cba");
    list_remove(&b.place);
    assert_false(list_has(&b.place));
    assert_string_equal(names(list), "ca");
    list_remove(&c.place); /* the first */
    list_add(&other, &c.place);
    assert_string_equal(names(list), "a");
    assert_string_equal(names(other), "c");
    list_add(&list, &b.place);
    list_remove(&a.place); /* the last */
    list_remove(&a.place);
    assert_string_equal(names(list), "b");
    list_remove(&b.place);
    assert_null(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_list)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
