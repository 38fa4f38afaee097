#include "unit.h"

#include "base/limits.h"
#include "process/turns.h"

enum { PEERS = 5 };

static Turns turns;
static unsigned last[PEERS];
static unsigned served[PEERS];

static int set_up(void **state)
{
    (void)state;
    turns = (Turns){0};
    for (size_t i = 0; i < PEERS; i++) {
        last[i] = turns.round - 1;
        served[i] = 0;
    }
    return 0;
}

/* A turn of the loop in which some are readable, in their order, and each that is served takes so
 * long. */
static void turn(const char *readable, int64_t each_ms)
{
    int64_t spent = 0;
    for (; *readable; readable++) {
        size_t peer = (size_t)(*readable - 'a');
        if (turns_take(&turns, &last[peer], spent)) {
            served[peer]++;
            spent += each_ms;
        }
    }
    turns_end(&turns);
}

static void assert_served(unsigned a, unsigned b, unsigned c, unsigned d, unsigned e)
{
    const unsigned want[PEERS] = {a, b, c, d, e};
    assert_memory_equal(served, want, sizeof(want));
}

static void test_time_for_all(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        turn("abcde", 1);
    }
    assert_served(3, 3, 3, 3, 3);
    turn("b", 1000); /* the last one may take its time */
    turn("b", 1000);
    assert_served(3, 5, 3, 3, 3);
}

/* Time for one a turn, and all are always readable: each is served before one is served twice. */
static void test_time_for_one(void **state)
{
    (void)state;
    for (int i = 0; i < 3 * PEERS; i++) {
        turn("abcde", LIMIT_TURN_MS + 1);
    }
    assert_served(3, 3, 3, 3, 3);
}

static void test_time_for_two(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) { /* a, b; c, d; e */
        turn("abcde", LIMIT_TURN_MS / 2 + 1);
    }
    assert_served(1, 1, 1, 1, 1);
}

/* Who had to wait and is gone holds up nobody. */
static void test_who_waits_leaves(void **state)
{
    (void)state;
    turn("ab", LIMIT_TURN_MS + 1);
    assert_served(1, 0, 0, 0, 0);
    turn("a", 1); /* passed over once, for b */
    turn("a", 1);
    assert_served(2, 0, 0, 0, 0);
}

/* Others have taken the whole turn: nobody is served, and nobody forgotten. */
static void test_no_time(void **state)
{
    (void)state;
    turn("a", 1);
    assert_false(turns_take(&turns, &last[0], LIMIT_TURN_MS + 1));
    assert_false(turns_take(&turns, &last[1], LIMIT_TURN_MS + 1));
    turns_end(&turns);
    turn("ab", 1);
    assert_served(2, 1, 0, 0, 0);
}

static void test_round_wraps(void **state)
{
    (void)state;
    turns.round = UINT32_MAX;
    last[0] = last[1] = UINT32_MAX - 1;
    turn("ab", LIMIT_TURN_MS + 1);
    turn("ab", LIMIT_TURN_MS + 1);
    turn("ab", LIMIT_TURN_MS + 1);
    turn("ab", LIMIT_TURN_MS + 1);
    assert_served(2, 2, 0, 0, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_time_for_all),     TEST(test_time_for_one), TEST(test_time_for_two),
        TEST(test_who_waits_leaves), TEST(test_no_time),      TEST(test_round_wraps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
