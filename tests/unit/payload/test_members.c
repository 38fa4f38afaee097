#include "unit.h"

#include "base/limits.h"
#include "payload/members.h"

#include <stdio.h>
#include <string.h>

static Arena *arena;
static Members *members;
static Node root;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    members = arena ? members_new(arena) : NULL;
    root = members ? members_add_root(members) : 0;
    return root ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena = arena_free(arena);
    return 0;
}

static void assert_rendered(const char *want)
{
    Text text = text_begin(arena);
    text_add(&text, STR("{"));
    members_render(members, root, &text);
    text_add(&text, STR("}"));
    const Str got = text_finish(&text);
    if (!str_eq(got, str_from(want))) {
        fail_msg("want %s, got %.*s", want, STR_ARG(got));
    }
}

static void put(Node object, const char *name, const char *text)
{
    members_put_text(members, object, str_from(name), str_from(text));
}

static void test_kinds(void **state)
{
    (void)state;
    assert_true(members_is_empty(members, root));
    assert_rendered("{}");
    put(root, "t", "a\"\n");
    const Node object = members_enter(members, root, STR("o"));
    put(object, "x", "1");
    members_set_null(members, members_add(members, object, STR("n")));
    assert_int_equal(members_parent(members, object), root);
    assert_int_equal(members_enter(members, root, STR("o")), object);
    members_set_text(members, members_add_element(members, root, STR("l")), STR("1"));
    members_enter(members, root, STR("e"));
    assert_false(members_is_empty(members, root));
    assert_rendered("{\"t\":\"a\\\"\\n\",\"o\":{\"x\":\"1\",\"n\":null},\"l\":[\"1\"],\"e\":{}}");
}

/* Of a name that is there already. */
static void test_again(void **state)
{
    (void)state;
    put(root, "x", "1");
    put(root, "X", "2"); /* another name */
    put(root, "x", "3");
    put(members_add(members, root, STR("x")), "y", "4");
    assert_rendered("{\"x\":[\"1\",\"3\",{\"y\":\"4\"}],\"X\":\"2\"}");
    put(members_enter(members, root, STR("x")), "y", "5"); /* takes the place of all of them */
    put(members_enter(members, root, STR("x")), "y", "6");
    assert_rendered("{\"x\":{\"y\":[\"5\",\"6\"]},\"X\":\"2\"}");
    put(root, "x", "7");
    put(members_enter(members, root, STR("x")), "y", "8"); /* and the old y is not found again */
    assert_rendered("{\"x\":{\"y\":\"8\"},\"X\":\"2\"}");
}

/* Indexes are a list when none is missing. */
static void test_indexes(void **state)
{
    (void)state;
    const Node list = members_enter(members, root, STR("x"));
    put(list, "1", "b");
    assert_rendered("{\"x\":{\"1\":\"b\"}}");
    put(list, "0", "a");
    assert_rendered("{\"x\":[\"a\",\"b\"]}");
    put(list, "0", "A");
    assert_rendered("{\"x\":[[\"a\",\"A\"],\"b\"]}");
    put(list, "02", "c");
    assert_rendered("{\"x\":{\"1\":\"b\",\"0\":[\"a\",\"A\"],\"02\":\"c\"}}");
}

static void test_find(void **state)
{
    (void)state;
    put(root, "Name", "1");
    put(root, "name", "2");
    assert_true(str_eq(members_text(members, members_find(members, root, STR("NAME"))), STR("2")));
    put(root, "name", "3");
    assert_int_equal(members_find(members, root, STR("name")), 0); /* a list */
    assert_int_equal(members_find(members, root, STR("other")), 0);
    assert_null(members_text(members, root).ptr);
    assert_null(members_text(members, 0).ptr);
}

static void test_lists(void **state)
{
    (void)state;
    put(root, "x", "1");
    put(members_enter(members, members_enter(members, root, STR("Contacts")), STR("0")), "y", "1");
    put(root, "errors", "1");
    put(root, "errors", "2");
    assert_false(members_have_list(members, root, true));
    put(members_enter(members, root, STR("o")), "y", "1");
    assert_false(members_have_list(members, root, false));
    assert_true(members_have_list(members, root, true));
    put(root, "x", "2");
    assert_true(members_have_list(members, root, false));
}

/* What is over the limits is dropped and counted; afterwards there is room for the next object. */
static void test_limits(void **state)
{
    (void)state;
    static char text[LIMIT_MEMBER_BYTES];
    memset(text, 'a', sizeof(text));
    members_put_text(members, root, STR("long"), (Str){text, sizeof(text)});
    assert_int_equal(members_dropped(members), 1);
    assert_rendered("{}");
    put(root, "long", "b"); /* beside the one that was dropped */
    assert_rendered("{\"long\":[\"b\"]}");
    for (int round = 0; round < 2; round++) {
        members_clear(members);
        root = members_add_root(members);
        for (size_t i = 0; i < LIMIT_MEMBERS + 10; i++) {
            char name[16];
            snprintf(name, sizeof(name), "n%zu", i);
            put(root, name, "");
        }
        put(root, "n0", "again"); /* names that are there are not new ones */
        assert_int_equal(members_dropped(members), 11 + 10 * (size_t)round);
    }
    assert_int_equal(members_enter(members, root, STR("one too many")), 0);
    members_drop(members);
    assert_int_equal(members_dropped(members), 23);
    assert_false(members_failed(members));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_kinds), TEST(test_again), TEST(test_indexes),
        TEST(test_find),  TEST(test_lists), TEST(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
