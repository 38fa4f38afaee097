#include "unit.h"

#include "redis/error_rule.h"

/* Replies as Redis writes them, and what is done about each. */
static const struct {
    const char *reply;
    ReplyAction action;
    bool alert;
} cases[] = {
    {"NOSCRIPT No matching script. Please use EVAL.", ACTION_SEND_SOURCE, false},
    {"LOADING Redis is loading the dataset in memory", ACTION_RETRY, false},
    {"BUSY Redis is busy running a script.", ACTION_RETRY, false},
    {"TRYAGAIN Multiple keys request during rehashing of slot", ACTION_RETRY, false},
    {"NOREPLICAS Not enough good replicas to write.", ACTION_RETRY, false},
    {"ASK 3999 127.0.0.1:6381", ACTION_RETRY, false},
    {"CLUSTERDOWN Hash slot not served", ACTION_RETRY, true},
    {"READONLY You can't write against a read only replica.", ACTION_RECONNECT, true},
    {"MASTERDOWN Link with MASTER is down", ACTION_RECONNECT, true},
    {"NOAUTH Authentication required.", ACTION_RECONNECT, true},
    {"WRONGPASS invalid username-password pair or user is disabled.", ACTION_RECONNECT, true},
    {"ERR max number of clients reached", ACTION_RECONNECT, true},
    {"ERR invalid password", ACTION_RECONNECT, true},
    {"MOVED 3999 127.0.0.1:6381", ACTION_GIVE_UP, true},
    {"CROSSSLOT Keys in request don't hash to the same slot", ACTION_GIVE_UP, true},
    {"OOM command not allowed when used memory > 'maxmemory'.", ACTION_GIVE_UP, true},
    {"MISCONF Redis is configured to save RDB snapshots", ACTION_GIVE_UP, true},
    {"NOPERM this user has no permissions to run the 'xadd' command", ACTION_GIVE_UP, true},
    {"WRONGTYPE Operation against a key holding the wrong kind of value", ACTION_GIVE_UP, true},
    {"EXECABORT Transaction discarded because of previous errors.", ACTION_GIVE_UP, false},
    /* a code alone */
    {"OOM", ACTION_GIVE_UP, true},
    {"LOADING", ACTION_RETRY, false},
    /* what only begins like a code, and what nobody knows */
    {"LOADINGS", ACTION_GIVE_UP, true},
    {"ERR unknown command 'XADD'", ACTION_GIVE_UP, true},
    {"ERR", ACTION_GIVE_UP, true},
    {"loading", ACTION_GIVE_UP, true},
    {"", ACTION_GIVE_UP, true},
};

static void test_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const ReplyRule *rule = reply_rule(str_from(cases[i].reply));
        assert_non_null(rule);
        if (rule->action != cases[i].action || rule->alert != cases[i].alert || !rule->advice[0]) {
            fail_msg("%s: %d, %d", cases[i].reply, (int)rule->action, rule->alert);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rules)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
