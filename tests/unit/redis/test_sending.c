#include "unit.h"

#include "base/limits.h"
#include "failing_malloc.h"
#include "redis/sending.h"

enum { MOST = 4 };

static SendingPool pool;
static Queue queue;
static Publication publications[MOST];
static Probe probe;
static ErrorCode told[MOST];
static size_t told_count;
static bool again; /* whoever is told begins another one */

static void on_done(Publication *publication)
{
    told[told_count++] = publication->code;
    if (again) {
        again = false;
        Sending *sending = sending_new(&pool);
        assert_non_null(sending);
        sending->deadline = 1000;
        sending->publication = &publications[MOST - 1];
        queue_push(&queue, sending);
    }
}

static void on_probed(Probe *asked)
{
    told[told_count++] = asked->code;
}

static Sending *push(size_t i, int64_t deadline)
{
    Sending *sending = sending_new(&pool);
    assert_non_null(sending);
    assert_true(!sending->publication && !sending->probe && !sending->next);
    publications[i] = (Publication){.done = on_done};
    sending->publication = &publications[i];
    sending->deadline = deadline;
    queue_push(&queue, sending);
    return sending;
}

static int begin(void **state)
{
    (void)state;
    pool = (SendingPool){0};
    queue = (Queue){0};
    told_count = 0;
    again = false;
    publications[MOST - 1] = (Publication){.done = on_done};
    return 0;
}

static int end(void **state)
{
    (void)state;
    queue_fail(&queue, &pool);
    sending_pool_close(&pool);
    assert_null(pool.spare);
    return 0;
}

static void test_order(void **state)
{
    (void)state;
    assert_null(queue_pop(&queue));
    for (int round = 0; round < 2; round++) {
        Sending *first = push(0, 0), *second = push(1, 0);
        assert_ptr_equal(queue_pop(&queue), first);
        Sending *third = push(2, 0);
        assert_ptr_equal(queue_pop(&queue), second);
        assert_ptr_equal(queue_pop(&queue), third);
        assert_null(queue_pop(&queue));
        sending_free(&pool, first);
        sending_free(&pool, second);
        sending_free(&pool, third);
    }
}

/* What was used before is as good as new, and costs no allocation. */
static void test_pool(void **state)
{
    (void)state;
    Sending *sending = push(0, 7);
    sending->publishing.with_source = true;
    sending->publishing.replies = 3;
    sending_free(&pool, queue_pop(&queue));
    failing_malloc_begin(0, FAIL_FOREVER);
    Sending *again_used = sending_new(&pool), *none = sending_new(&pool);
    failing_malloc_end();
    assert_ptr_equal(again_used, sending);
    assert_null(none);
    assert_true(!sending->publication && !sending->deadline && !sending->publishing.replies &&
                !sending->publishing.with_source);
    sending_free(&pool, sending);
}

/* What a flood has needed goes back. */
static void test_pool_is_bounded(void **state)
{
    (void)state;
    Queue many = {0};
    for (int i = 0; i < 2 * LIMIT_REQUESTS_IN_FLIGHT; i++) {
        Sending *sending = sending_new(&pool);
        assert_non_null(sending);
        queue_push(&many, sending);
    }
    queue_fail(&many, &pool);
    assert_int_equal(pool.count, LIMIT_REQUESTS_IN_FLIGHT);
    size_t spare = 0;
    for (const Sending *sending = pool.spare; sending; sending = sending->next) {
        spare++;
    }
    assert_int_equal(spare, pool.count);
}

static void test_told_once(void **state)
{
    (void)state;
    Sending *sending = push(0, 0);
    sending->publishing.result.accepted = 5;
    assert_true(sending_is_awaited(sending));
    sending_tell(sending, ERROR_NONE);
    assert_false(sending_is_awaited(sending));
    sending_tell(sending, ERROR_UNAVAILABLE);
    assert_int_equal(told_count, 1);
    assert_int_equal(publications[0].code, ERROR_NONE);
    assert_int_equal(publications[0].result.accepted, 5);

    probe = (Probe){.done = on_probed};
    sending->probe = &probe;
    sending_tell(sending, ERROR_UNAVAILABLE);
    sending_tell(sending, ERROR_NONE);
    assert_int_equal(told_count, 2);
    assert_int_equal(probe.code, ERROR_UNAVAILABLE);
}

/* Those whose time has come are told, and stay where they are for their replies. */
static void test_expired(void **state)
{
    (void)state;
    Sending *first = push(0, 20);
    push(1, 10);
    push(2, 11);
    queue_expire(&queue, 9);
    assert_int_equal(told_count, 0);
    again = true;
    queue_expire(&queue, 10);
    assert_int_equal(told_count, 1);
    assert_int_equal(publications[1].code, ERROR_UNAVAILABLE);
    queue_expire(&queue, 20);
    assert_int_equal(told_count, 3);
    assert_ptr_equal(queue.first, first);
    assert_int_equal(queue_fail(&queue, &pool), 1); /* the one that began meanwhile */
    assert_int_equal(told_count, 4);
}

/* All are told once; what begins meanwhile is in the queue afterwards. */
static void test_failed(void **state)
{
    (void)state;
    push(0, 0);
    Sending *abandoned = push(1, 0);
    sending_tell(abandoned, ERROR_UNAVAILABLE);
    push(2, 0);
    again = true;
    assert_int_equal(queue_fail(&queue, &pool), 2);
    assert_int_equal(told_count, 3);
    assert_non_null(queue.first);
    assert_ptr_equal(queue.first, queue.last);
    assert_int_equal(queue_fail(&queue, &pool), 1);
    assert_int_equal(queue_fail(&queue, &pool), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order, begin, end),
        cmocka_unit_test_setup_teardown(test_pool, begin, end),
        cmocka_unit_test_setup_teardown(test_pool_is_bounded, begin, end),
        cmocka_unit_test_setup_teardown(test_told_once, begin, end),
        cmocka_unit_test_setup_teardown(test_expired, begin, end),
        cmocka_unit_test_setup_teardown(test_failed, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
