#include "unit.h"

#include "failing_malloc.h"
#include "redis/spread.h"
#include "small_arena.h"

#include <stdio.h>

/* Statuses of the four partitions, in this order: crc32(id) % 4. */
enum { PARTS = 4 };
static StatusUpdate statuses[] = {{.id = STR_INIT("wamid.1")}, /* 3 */
                                  {.id = STR_INIT("wamid.2")}, /* 1 */
                                  {.id = STR_INIT("")},        /* 0 */
                                  {.id = STR_INIT("123456789")} /* 2 */};
static const Payload payload = {.object = STR_INIT("o"), .statuses = statuses, .status_count = 4};

static struct {
    Publication whole;
    Spread *spread;
    size_t done;
} scene;

static void on_done(Publication *whole)
{
    assert_ptr_equal(whole, &scene.whole);
    scene.done++;
}

static void open_scene(void)
{
    scene.done = 0;
    scene.whole = (Publication){.payload = &payload,
                                .arena = arena_new(),
                                .delivery = {.request_id = STR_INIT("id-1")},
                                .done = on_done};
    scene.spread = spread_new(&scene.whole, PARTS);
    assert_non_null(scene.spread);
}

static void close_scene(void)
{
    arena_free(scene.whole.arena);
}

/* As a sink ends what it was given; each part has stored other counts. */
static Publication *end_of(size_t i, ErrorCode code)
{
    Publication *publication = &scene.spread->parts[i].publication;
    publication->code = code;
    if (code == ERROR_NONE) {
        publication->result =
            (PublishResult){.accepted = i + 1, .quarantined = 10, .duplicates = 100 * i};
    }
    return publication;
}

static void finish(size_t i, ErrorCode code)
{
    Publication *publication = end_of(i, code);
    publication->done(publication);
}

static bool end_at_start(size_t i, ErrorCode code)
{
    end_of(i, code);
    return spread_end(scene.spread, &scene.spread->parts[i]);
}

static void test_parts(void **state)
{
    (void)state;
    open_scene();
    assert_int_equal(scene.spread->count, PARTS);
    for (size_t i = 0; i < PARTS; i++) {
        const Part *part = &scene.spread->parts[i];
        assert_int_equal(part->partition, i);
        assert_int_equal(part->publication.payload->status_count, 1);
        assert_true(str_eq(part->publication.payload->object, STR("o")));
        assert_true(str_eq(part->publication.delivery.request_id, STR("id-1")));
        assert_ptr_equal(part->publication.arena, scene.whole.arena);
    }
    assert_true(str_eq(scene.spread->parts[3].publication.payload->statuses[0].id, STR("wamid.1")));
    close_scene();
}

/* How each part ends, and what becomes of the whole: 's' stored, 'u' unavailable, 'm' no memory;
 * capitals at once, before publish() has returned, others later and in the order of `order`. */
static void test_ends(void **state)
{
    (void)state;
    static const struct {
        const char *parts, *order;
        ErrorCode code;
        PublishResult result;
    } cases[] = {
        {"ssss", "0123", ERROR_NONE, {.accepted = 10, .quarantined = 40, .duplicates = 600}},
        {"ssss", "3120", ERROR_NONE, {.accepted = 10, .quarantined = 40, .duplicates = 600}},
        {"susm", "0123", ERROR_UNAVAILABLE, {.accepted = 4, .quarantined = 20, .duplicates = 200}},
        {"susm", "3210", ERROR_NO_MEMORY, {.accepted = 4, .quarantined = 20, .duplicates = 200}},
        {"uuuu", "2301", ERROR_UNAVAILABLE, {.accepted = 0}},
        {"Usss", "123", ERROR_UNAVAILABLE, {.accepted = 9, .quarantined = 30, .duplicates = 600}},
        {"sssM", "012", ERROR_NO_MEMORY, {.accepted = 6, .quarantined = 30, .duplicates = 300}},
        {"UUsM", "2", ERROR_UNAVAILABLE, {.accepted = 3, .quarantined = 10, .duplicates = 200}},
        {"UMUU", "", ERROR_UNAVAILABLE, {.accepted = 0}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *parts = cases[i].parts, *order = cases[i].order;
        const size_t later = strlen(order);
        print_message("  %s %s\n", parts, order);
        open_scene();
        size_t at_start = 0;
        for (size_t k = 0; k < PARTS; k++) {
            if (parts[k] == 'U' || parts[k] == 'M') {
                const bool is_last = ++at_start == PARTS;
                assert_int_equal(
                    end_at_start(k, parts[k] == 'U' ? ERROR_UNAVAILABLE : ERROR_NO_MEMORY),
                    is_last);
            }
        }
        for (size_t k = 0; k < later; k++) {
            const size_t part = (size_t)(order[k] - '0');
            assert_int_equal(scene.done, 0);
            finish(part, parts[part] == 's'   ? ERROR_NONE
                         : parts[part] == 'u' ? ERROR_UNAVAILABLE
                                              : ERROR_NO_MEMORY);
        }
        assert_int_equal(scene.done, later > 0); /* nobody is told of what has ended at once */
        assert_int_equal(scene.whole.code, cases[i].code);
        assert_int_equal(scene.whole.result.accepted, cases[i].result.accepted);
        assert_int_equal(scene.whole.result.quarantined, cases[i].result.quarantined);
        assert_int_equal(scene.whole.result.duplicates, cases[i].result.duplicates);
        close_scene();
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    Spread *spread = NULL;
    for (size_t left = 0; !spread; left += SMALL_ARENA_STEP) {
        Publication whole = {.payload = &payload, .arena = small_arena(left)};
        failing_malloc_begin(0, FAIL_FOREVER);
        spread = spread_new(&whole, PARTS);
        failing_malloc_end();
        assert_true(!spread || spread->count == PARTS);
        arena_free(whole.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
