#include "unit.h"

#include "base/limits.h"
#include "failing_malloc.h"
#include "redis/sending.h"

#include <string.h>

enum { MOST = 4 };

static SendingPool pool;
static Queue queue;
static Publication publications[MOST];
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
        sending_await(sending, &publications[MOST - 1]);
        queue_push(&queue, sending);
    }
}

/* Who waits for something else than a publication. */
static void on_probed(Sending *sending, ErrorCode code)
{
    assert_ptr_equal(sending->arg, &pool);
    told[told_count++] = code;
}

static Sending *push(size_t i, int64_t deadline)
{
    Sending *sending = sending_new(&pool);
    assert_non_null(sending);
    assert_true(!sending->publication && !sending->told && !sending->next);
    publications[i] = (Publication){.done = on_done};
    sending_await(sending, &publications[i]);
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

    sending->told = on_probed;
    sending->arg = &pool;
    sending_tell(sending, ERROR_UNAVAILABLE);
    sending_tell(sending, ERROR_NONE);
    assert_int_equal(told_count, 2);
    assert_int_equal(told[1], ERROR_UNAVAILABLE);
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

/* Bodies for a call */

#define SHA "0123456789abcdef0123456789abcdef01234567"

static const StreamKeys keys = {.stream = STR_INIT("s"),
                                .quarantine = STR_INIT("{s}:q"),
                                .seen = {STR_INIT("{s}:seen:0"), STR_INIT("{s}:seen:1")},
                                .seen_state = STR_INIT("{s}:seen"),
                                .probe = STR_INIT("{s}:probe"),
                                .window = 60};
static const Account account = {.id = STR_INIT("E")};
static const Change change = {.account = &account};
static StatusUpdate statuses[LIMIT_STEP + 1];
static Payload payloads[MOST];
static Arena *arena;
static CallDraft draft;
static Buffer buffer;

static int begin_call(void **state)
{
    for (size_t i = 0; i < COUNT(statuses); i++) {
        statuses[i] = (StatusUpdate){.change = &change, .id = STR("a"), .status = STR("sent")};
    }
    arena = arena_new();
    draft = (CallDraft){0};
    buffer = (Buffer){0};
    return arena ? begin(state) : -1;
}

static int end_call(void **state)
{
    call_draft_free(&draft);
    buffer_free(&buffer);
    arena_free(arena);
    return end(state);
}

/* A body of so many statuses, in no queue. */
static Sending *make(size_t i, size_t count)
{
    payloads[i] = (Payload){.object = STR("o"), .statuses = statuses, .status_count = count};
    publications[i] = (Publication){.payload = &payloads[i], .arena = arena, .done = on_done};
    const Publishing publishing = publishing_of(&keys, &payloads[i]);
    Sending *sending = sending_of(&pool, &keys, &publications[i], &publishing);
    assert_non_null(sending);
    sending_begin(sending, 1000);
    return sending;
}

/* So many that wait to leave. */
static Batch batch_of(size_t bodies)
{
    Batch batch = {.elements = 0};
    for (size_t i = 0; i < bodies; i++) {
        Sending *sending = make(i, 1);
        assert_true(sending_is_shared(sending, &keys));
        assert_true(batch_takes(&batch, sending));
        batch_add(&batch, sending);
    }
    return batch;
}

static size_t commands_in_buffer(void)
{
    size_t count = 0;
    for (size_t i = 0; i < buffer.len; i++) {
        count += buffer.ptr[i] == '*' && (i == 0 || buffer.ptr[i - 1] == '\n');
    }
    return count;
}

/* Which share a call. */
static void test_shared(void **state)
{
    (void)state;
    static Quarantined element = {.reason = REASON_MISSING_ID};
    Sending *one = make(0, 1), *big = make(1, CALL_ELEMENTS + 1);
    assert_true(sending_is_shared(one, &keys));
    assert_false(sending_is_shared(big, &keys));
    payloads[0].quarantined = &element;
    payloads[0].quarantined_count = 1;
    one->publishing = publishing_of(&keys, &payloads[0]);
    assert_false(sending_is_shared(one, &keys));
    Sending *probe = sending_new(&pool), *asking = make(2, 1);
    assert_non_null(probe);
    probe->kind = SENDING_PROBE;
    assert_false(sending_is_shared(probe, &keys));
    asking->asks = true; /* ASKING is for one command */
    assert_false(sending_is_shared(asking, &keys));
    sending_free(&pool, one);
    sending_free(&pool, big);
    sending_free(&pool, probe);
    sending_free(&pool, asking);
}

/* A call is bounded by its statuses and, roughly, by its bytes: a body that is larger than all that
 * is left still has a call to itself. */
static void test_bounds(void **state)
{
    (void)state;
    Sending *one = make(0, 1), *most = make(1, CALL_ELEMENTS - 1), *two = make(2, 2);
    Batch batch = {.elements = 0};
    batch_add(&batch, one);
    assert_true(batch_takes(&batch, most));
    batch_add(&batch, most);
    assert_int_equal(batch.elements, CALL_ELEMENTS);
    assert_false(batch_takes(&batch, two));
    assert_true(batch.bytes >= entries_size(&payloads[0]) + entries_size(&payloads[1]));
    batch.elements = 1;
    batch.bytes = CALL_BYTES - 1;
    assert_true(batch_takes(&batch, two));
    batch.bytes = CALL_BYTES;
    assert_false(batch_takes(&batch, two));
    queue = batch.queue;
    queue_push(&queue, two);
}

/* All leave as one command, in their order, behind those that are under way. */
static void test_batch(void **state)
{
    (void)state;
    Reply items[] = {{.kind = REPLY_INTEGER, .integer = 0}, {.kind = REPLY_INTEGER, .integer = 2}};
    const Reply reply = {.kind = REPLY_LIST, .items = items, .count = COUNT(items)};
    const Reply *error;
    size_t behind;
    Batch batch = batch_of(3);
    Sending *first = batch.queue.first, *before = make(3, LIMIT_STEP);
    assert_true(sending_write(before, &draft, &buffer, &keys, STR(SHA)));
    queue_push(&queue, before);
    assert_true(batch_write(&batch, &draft, &buffer, &keys, STR(SHA), &queue));
    assert_int_equal(commands_in_buffer(), 2);
    assert_true(!batch.queue.first && !batch.elements && !batch.bytes);
    assert_ptr_equal(queue_pop(&queue), before);
    assert_false(before->goes_on);
    sending_free(&pool, before);
    assert_ptr_equal(queue.first, first);
    assert_true(first->goes_on && first->next->goes_on && !first->next->next->goes_on);

    sending_tell(first->next,
                 ERROR_UNAVAILABLE); /* its deadline has passed: that changes nothing */
    assert_null(sending_take(first, &reply, &error, &behind));
    assert_null(error);
    for (Sending *sending = first; sending; sending = sending->next) {
        assert_int_equal(sending->publishing.replies, 0);
        assert_int_equal(publish_verdict(&sending->publishing), VERDICT_STORED);
    }
    assert_int_equal(first->publishing.result.accepted, 1);
    assert_int_equal(first->next->publishing.result.duplicates, 1);
    assert_int_equal(first->next->next->publishing.result.accepted, 1);
}

/* The first error of a call is told once, whichever bodies it means. */
static void test_error_of_a_batch(void **state)
{
    (void)state;
    Reply items[] = {{.kind = REPLY_INTEGER, .integer = 7},
                     {.kind = REPLY_INTEGER, .integer = -2},
                     {.kind = REPLY_ERROR, .text = STR_INIT("OOM no")}};
    const Reply reply = {.kind = REPLY_LIST, .items = items, .count = COUNT(items)};
    const Reply *error;
    size_t behind;
    Batch batch = batch_of(2);
    assert_true(batch_write(&batch, &draft, &buffer, &keys, STR(SHA), &queue));
    assert_null(sending_take(queue.first, &reply, &error, &behind));
    assert_ptr_equal(error, &items[2]);
    assert_int_equal(behind, 7);
    assert_int_equal(publish_verdict(&queue.first->publishing), VERDICT_STORED);
    assert_int_equal(publish_verdict(&queue.last->publishing), VERDICT_GIVE_UP);
}

/* One that has been part of a call, and is sent again, has its own reply. */
static void test_again_alone(void **state)
{
    (void)state;
    static const Reply stored = {.kind = REPLY_INTEGER};
    const Reply *error;
    size_t behind;
    Batch batch = batch_of(2);
    assert_true(batch_write(&batch, &draft, &buffer, &keys, STR(SHA), &queue));
    Sending *first = queue_pop(&queue), *second = queue.first;
    assert_true(first->goes_on);
    batch_add(&batch, first);
    queue_pop(&queue);
    assert_true(batch_write(&batch, &draft, &buffer, &keys, STR(SHA), &queue));
    queue_push(&queue, second);
    assert_false(first->goes_on);
    assert_null(sending_take(first, &stored, &error, &behind));
    assert_int_equal(first->publishing.replies, 0);
    assert_int_equal(second->publishing.replies, 1);
}

/* No memory: they are still to leave, and nothing was written. */
static void test_batch_without_memory(void **state)
{
    (void)state;
    Batch batch = batch_of(2);
    bool failed = true;
    for (size_t n = 0; failed; n++) {
        const size_t elements = batch.elements, bytes = batch.bytes;
        call_draft_free(&draft);
        buffer_free(&buffer);
        failing_malloc_begin(n, FAIL_ONCE);
        bool ok = batch_write(&batch, &draft, &buffer, &keys, STR(SHA), &queue);
        failed = failing_malloc_end();
        assert_int_equal(ok, !failed);
        assert_int_equal(buffer.len > 0, ok);
        assert_int_equal(queue.first != NULL, ok);
        if (failed) {
            assert_true(batch.elements == elements && batch.bytes == bytes);
            assert_ptr_equal(batch.queue.first->next, batch.queue.last);
            assert_int_equal(batch.queue.first->publishing.replies, 0);
        }
    }
}

static void test_empty_batch(void **state)
{
    (void)state;
    Batch batch = {.elements = 0};
    assert_true(batch_write(&batch, &draft, &buffer, &keys, STR(SHA), &queue));
    assert_true(!buffer.len && !queue.first);
}

/* A body of two steps: each has a deadline, all have one end. The last one may leave with others.
 */
static void test_steps(void **state)
{
    (void)state;
    ErrorCode code = ERROR_NONE;
    Sending *sending = make(0, LIMIT_STEP + 1);
    assert_false(sending_is_shared(sending, &keys));
    sending->deadline = 0;
    assert_true(sending_next(sending, &keys, 1000, &code));
    assert_true(sending->deadline > 0 && sending->deadline <= sending->until);
    assert_int_equal(sending->publishing.statuses, 1);
    assert_true(sending_is_shared(sending, &keys));
    assert_false(sending_next(sending, &keys, 1000, &code)); /* all is stored */
    assert_int_equal(code, ERROR_NONE);
    sending_free(&pool, sending);

    sending = make(0, LIMIT_STEP + 1);
    sending->until = 0; /* took too long */
    assert_false(sending_next(sending, &keys, 1000, &code));
    assert_int_equal(code, ERROR_UNAVAILABLE);
    sending_tell(sending, code); /* nobody waits any more */
    assert_false(sending_next(sending, &keys, 1000, &code));
    sending_free(&pool, sending);
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
        cmocka_unit_test_setup_teardown(test_shared, begin_call, end_call),
        cmocka_unit_test_setup_teardown(test_bounds, begin_call, end_call),
        cmocka_unit_test_setup_teardown(test_batch, begin_call, end_call),
        cmocka_unit_test_setup_teardown(test_error_of_a_batch, begin_call, end_call),
        cmocka_unit_test_setup_teardown(test_again_alone, begin_call, end_call),
        cmocka_unit_test_setup_teardown(test_batch_without_memory, begin_call, end_call),
        cmocka_unit_test_setup_teardown(test_empty_batch, begin_call, end_call),
        cmocka_unit_test_setup_teardown(test_steps, begin_call, end_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
