#include "unit.h"

#include "redis/call.h"

#include <limits.h>
#include <stdio.h>

/* Versions of clang-format disagree about bodies that are only braces. */
/* clang-format off */
#define NUMBER(n) {.kind = REPLY_INTEGER, .integer = (n)}
#define ERROR(words) {.kind = REPLY_ERROR, .text = STR_INIT(words)}
#define TEXT(words) {.kind = REPLY_TEXT, .text = STR_INIT(words)}
#define STATUS {.kind = REPLY_STATUS, .text = STR_INIT("OK")}
#define NIL {.kind = REPLY_NIL}
#define EMPTY {.kind = REPLY_LIST}
#define LIST(...) {.kind = REPLY_LIST, .items = (Reply[]){__VA_ARGS__}, \
                   .count = sizeof((Reply[]){__VA_ARGS__}) / sizeof(Reply)}
/* clang-format on */

#define OOM ERROR("OOM command not allowed when used memory > 'maxmemory'.")

enum { BODIES = 4 };

/*
 * What becomes of the bodies of a call. A body is written "statuses+quarantined+events", and before
 * all "source" when that was sent; how it has ended "stored accepted+quarantined+duplicates", or as
 * the verdict; last how far the clock was behind.
 */
typedef struct {
    const char *label;
    const char *bodies;
    Reply reply;
    const char *want;
} Case;

#define SENSELESS "senseless"

static const Case cases[] = {
    {"all was new", "1+0+0", NUMBER(0), "stored 1+0+0"},
    {"all was known", "1+0+0", NUMBER(1), "stored 0+0+1"},
    {"all of each kind was new", "2+1+3", NUMBER(0), "stored 2+1+0"},
    {"all of each kind was known, events are not counted", "2+1+3", NUMBER(1), "stored 0+0+3"},
    {"all of several was new", "1+0+0 2+0+0", NUMBER(0), "stored 1+0+0, stored 2+0+0"},
    {"all of several was known", "1+0+0 2+0+0", NUMBER(1), "stored 0+0+1, stored 0+0+2"},

    {"some were known, of each kind", "2+2+2",
     LIST(NUMBER(0), NUMBER(2), NUMBER(3), NUMBER(4), NUMBER(6)), "stored 1+0+3"},
    {"places are counted through all bodies", "2+0+0 1+0+0 3+0+0",
     LIST(NUMBER(0), NUMBER(2), NUMBER(3), NUMBER(5)), "stored 1+0+1, stored 0+0+1, stored 2+0+1"},
    {"the last of one and the first of the next", "2+0+0 2+0+0",
     LIST(NUMBER(0), NUMBER(2), NUMBER(3)), "stored 1+0+1, stored 1+0+1"},
    {"the last of all", "1+0+0 2+0+0", LIST(NUMBER(0), NUMBER(3)), "stored 1+0+0, stored 1+0+1"},

    {"the clock was behind", "1+0+0", LIST(NUMBER(86400)), "stored 1+0+0, 86400 s behind"},
    {"the clock was behind, and one was known", "2+0+0", LIST(NUMBER(90), NUMBER(1)),
     "stored 1+0+1, 90 s behind"},
    {"the clock was behind and Redis is full", "1+0+0", LIST(NUMBER(90), NUMBER(-1), OOM),
     "give up, 90 s behind"},

    {"one body of several is not stored", "1+0+0 2+0+0 1+0+0",
     LIST(NUMBER(0), NUMBER(-2), NUMBER(-3), OOM), "stored 1+0+0, give up, stored 1+0+0"},
    {"a part of it is not: nor is the body", "1+0+0 2+0+0 1+0+0", LIST(NUMBER(0), NUMBER(-3), OOM),
     "stored 1+0+0, give up, stored 1+0+0"},
    {"others are known", "1+0+0 1+0+0 1+0+0",
     LIST(NUMBER(0), NUMBER(1), NUMBER(-2), NUMBER(3), OOM), "stored 0+0+1, give up, stored 0+0+1"},
    {"none but the known ones is stored", "1+0+0 1+0+0",
     LIST(NUMBER(0), NUMBER(-1), NUMBER(2), OOM), "give up, stored 0+0+1"},
    {"an event is not stored: nor is the body", "1+0+1", LIST(NUMBER(0), NUMBER(-2), OOM),
     "give up"},
    {"a repetition in the same call, of one that is not stored", "1+0+0 1+0+0",
     LIST(NUMBER(0), NUMBER(-1), NUMBER(-2), OOM), "give up, give up"},
    {"an error that passes", "1+0+0 1+0+0",
     LIST(NUMBER(0), NUMBER(-2), ERROR("CLUSTERDOWN Hash slot not served")),
     "stored 1+0+0, look up"},

    {"full", "1+0+0 1+0+0", OOM, "give up, give up"},
    {"another node's", "1+0+0 1+0+0", ERROR("MOVED 12483 127.0.0.1:7001"), "moved, moved"},
    {"keys of two slots", "1+0+1", ERROR("CROSSSLOT Keys in request"), "give up"},
    {"rights that lack", "1+0+0", ERROR("ERR ACL failure in script: no"), "give up"},
    {"a slot that moves", "1+0+0", ERROR("ASK 12483 127.0.0.1:7001"), "ask"},
    {"a slot of two nodes", "1+0+0", ERROR("TRYAGAIN Multiple keys request"), "retry"},
    {"loading", "1+0+0 1+0+0", ERROR("LOADING Redis is loading"), "retry, retry"},
    {"a replica", "1+0+0 1+0+0", ERROR("READONLY You can't write"), "reconnect, reconnect"},
    {"no such script", "1+0+0 1+0+0", ERROR("NOSCRIPT No matching script."),
     "send source, send source"},
    {"no such script, which was sent with its source", "source 1+0+0 1+0+0",
     ERROR("NOSCRIPT No matching script."), "give up, give up"},

    /* lies */
    {"nil", "1+0+0", NIL, SENSELESS},
    {"a status", "1+0+0", STATUS, SENSELESS},
    {"a text", "1+0+0", TEXT("0"), SENSELESS},
    {"what only RESP3 knows", "1+0+0", {.kind = REPLY_OTHER}, SENSELESS},
    {"2", "2+0+0", NUMBER(2), SENSELESS},
    {"less than nothing", "1+0+0", NUMBER(-1), SENSELESS},
    {"an empty list", "1+0+0", EMPTY, SENSELESS},
    {"a clock that went forward", "1+0+0", LIST(NUMBER(-1)), SENSELESS},
    {"a clock that is a text", "1+0+0", LIST(TEXT("0")), SENSELESS},
    {"nothing but an error", "1+0+0", LIST(OOM), SENSELESS},
    {"texts for places", "2+0+0", LIST(NUMBER(0), TEXT("1")), SENSELESS},
    {"nil for a place", "2+0+0", LIST(NUMBER(0), NIL, NUMBER(2)), SENSELESS},
    {"a list for a place", "2+0+0", LIST(NUMBER(0), LIST(NUMBER(1))), SENSELESS},
    {"the place 0", "1+0+0", LIST(NUMBER(0), NUMBER(0)), SENSELESS},
    {"a place beyond the end", "1+0+0 1+0+0", LIST(NUMBER(0), NUMBER(3)), SENSELESS},
    {"and one that is not stored", "1+0+0", LIST(NUMBER(0), NUMBER(-2), OOM), SENSELESS},
    {"places that descend", "2+0+0", LIST(NUMBER(0), NUMBER(2), NUMBER(1)), SENSELESS},
    {"a place twice", "2+0+0", LIST(NUMBER(0), NUMBER(1), NUMBER(1)), SENSELESS},
    {"known and not stored at once", "2+0+0", LIST(NUMBER(0), NUMBER(1), NUMBER(-1), OOM),
     SENSELESS},
    {"not stored without a reason", "2+0+0", LIST(NUMBER(0), NUMBER(-1)), SENSELESS},
    {"a reason, and all is stored", "2+0+0", LIST(NUMBER(0), NUMBER(1), OOM), SENSELESS},
    {"a reason and nothing else", "2+0+0", LIST(NUMBER(0), OOM), SENSELESS},
    {"two reasons", "2+0+0", LIST(NUMBER(0), NUMBER(-1), OOM, OOM), SENSELESS},
    {"a reason before its place", "2+0+0", LIST(NUMBER(0), OOM, NUMBER(-1)), SENSELESS},
    {"the smallest number of all", "2+0+0", LIST(NUMBER(0), NUMBER(LLONG_MIN), OOM), SENSELESS},
    {"the largest", "2+0+0", LIST(NUMBER(0), NUMBER(LLONG_MAX)), SENSELESS},
    {"a place that wraps round", "2+0+0", LIST(NUMBER(0), NUMBER(1LL << 32 | 1)), SENSELESS},
    {"more places than elements", "1+0+0", LIST(NUMBER(0), NUMBER(1), NUMBER(2)), SENSELESS},
};

static size_t read_bodies(const char *text, Publishing *publishings)
{
    static const char source[] = "source ";
    const bool with_source = strncmp(text, source, strlen(source)) == 0;
    size_t count = 0;
    int used;
    text += with_source ? strlen(source) : 0;
    for (; *text; text += used + (text[used] == ' ')) {
        Publishing *publishing = &publishings[count++];
        *publishing = (Publishing){.by_script = true, .with_source = with_source, .replies = 1};
        assert_true(count <= BODIES);
        assert_int_equal(sscanf(text, "%zu+%zu+%zu%n", &publishing->statuses,
                                &publishing->quarantined, &publishing->events, &used),
                         3);
    }
    return count;
}

static void add_outcome(char *to, const Publishing *publishing)
{
    static const char *const verdicts[] = {[VERDICT_GIVE_UP] = "give up",
                                           [VERDICT_RETRY] = "retry",
                                           [VERDICT_MOVED] = "moved",
                                           [VERDICT_ASK] = "ask",
                                           [VERDICT_LOOK_UP] = "look up",
                                           [VERDICT_SEND_SOURCE] = "send source",
                                           [VERDICT_RECONNECT] = "reconnect"};
    const PublishResult *result = &publishing->result;
    const Verdict verdict = publish_verdict(publishing);
    to += strlen(to);
    if (verdict == VERDICT_STORED) {
        sprintf(to, "stored %zu+%zu+%zu", result->accepted, result->quarantined,
                result->duplicates);
    } else {
        assert_int_equal(result->accepted + result->quarantined + result->duplicates, 0);
        strcpy(to, verdicts[verdict]);
    }
}

/* Nothing was taken into account. */
static void assert_untouched(const Publishing *publishings, const char *bodies)
{
    Publishing before[BODIES];
    const size_t count = read_bodies(bodies, before);
    assert_memory_equal(publishings, before, count * sizeof(before[0]));
}

static void check(const Case *is)
{
    Publishing publishings[BODIES];
    CallBody bodies[BODIES];
    char got[256] = "";
    size_t behind = 99;
    const size_t count = read_bodies(is->bodies, publishings);
    for (size_t i = 0; i < count; i++) {
        bodies[i] = (CallBody){.publishing = &publishings[i]};
    }
    const char *why = call_take(bodies, count, &is->reply, &behind);
    if (why) {
        assert_untouched(publishings, is->bodies);
        strcpy(got, SENSELESS);
    }
    for (size_t i = 0; i < count && !why; i++) {
        strcat(got, i ? ", " : "");
        add_outcome(got, &publishings[i]);
        assert_int_equal(publishings[i].replies, 0);
    }
    if (!why && behind) {
        sprintf(got + strlen(got), ", %zu s behind", behind);
    }
    if (strcmp(got, is->want) != 0) {
        fail_msg("%s: %s", is->label, got);
    }
}

static void test_replies(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        check(&cases[i]);
    }
}

/* A step adds to what the steps before have stored, and one that fails takes nothing back. */
static void test_steps_add_up(void **state)
{
    (void)state;
    const Reply replies[] = {NUMBER(0), LIST(NUMBER(0), NUMBER(2), NUMBER(4)), NUMBER(1), OOM};
    Publishing publishing = {.statuses = 3, .quarantined = 1, .by_script = true};
    const CallBody body = {.publishing = &publishing};
    size_t behind;
    for (size_t i = 0; i < COUNT(replies); i++) {
        publishing_sent(&publishing, 1);
        assert_null(call_take(&body, 1, &replies[i], &behind));
    }
    assert_int_equal(publish_verdict(&publishing), VERDICT_GIVE_UP);
    assert_int_equal(publishing.result.accepted, 3 + 2);
    assert_int_equal(publishing.result.quarantined, 1);
    assert_int_equal(publishing.result.duplicates, 2 + 4);
}

/* The largest step there is, each element of which is not stored. */
static void test_longest_list(void **state)
{
    (void)state;
    static Reply items[LIMIT_STEP + 2];
    static const Reply number = NUMBER(0), error = OOM;
    Publishing publishing = {.statuses = LIMIT_STEP, .by_script = true, .replies = 1};
    const CallBody body = {.publishing = &publishing};
    size_t behind;
    for (size_t i = 0; i <= LIMIT_STEP; i++) {
        items[i] = number;
        items[i].integer = -(long long)i;
    }
    items[LIMIT_STEP + 1] = error;
    const Reply reply = {.kind = REPLY_LIST, .items = items, .count = COUNT(items)};
    assert_null(call_take(&body, 1, &reply, &behind));
    assert_int_equal(publish_verdict(&publishing), VERDICT_GIVE_UP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_steps_add_up),
        cmocka_unit_test(test_longest_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
