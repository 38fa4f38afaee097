#include "unit.h"

#include "redis/error_rule.h"

/* Replies as Redis writes them, and what is done about each. */
static const struct {
    const char *reply;
    Verdict action;
    bool alert;
} cases[] = {
    {"NOSCRIPT No matching script. Please use EVAL.", VERDICT_SEND_SOURCE, false},
    {"LOADING Redis is loading the dataset in memory", VERDICT_RETRY, false},
    {"BUSY Redis is busy running a script.", VERDICT_RETRY, false},
    {"TRYAGAIN Multiple keys request during rehashing of slot", VERDICT_RETRY, false},
    {"NOREPLICAS Not enough good replicas to write.", VERDICT_RETRY, false},
    {"ASK 3999 127.0.0.1:6381", VERDICT_ASK, false},
    {"CLUSTERDOWN Hash slot not served", VERDICT_LOOK_UP, true},
    {"READONLY You can't write against a read only replica.", VERDICT_RECONNECT, true},
    {"MASTERDOWN Link with MASTER is down", VERDICT_RECONNECT, true},
    {"NOAUTH Authentication required.", VERDICT_RECONNECT, true},
    {"WRONGPASS invalid username-password pair or user is disabled.", VERDICT_RECONNECT, true},
    {"ERR max number of clients reached", VERDICT_RECONNECT, true},
    {"ERR invalid password", VERDICT_RECONNECT, true},
    {"DENIED Redis is running in protected mode because", VERDICT_RECONNECT, true},
    {"ERR DB index is out of range", VERDICT_RECONNECT, true},
    {"ERR AUTH <password> called without any password configured for the default user.",
     VERDICT_RECONNECT, true},
    {"MOVED 3999 127.0.0.1:6381", VERDICT_MOVED, true},
    {"UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
     VERDICT_RECONNECT, true},
    {"ERR unknown command 'WAITAOF', with args beginning with: '1' ", VERDICT_RECONNECT, true},
    {"ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
     VERDICT_RECONNECT, true},
    {"CROSSSLOT Keys in request don't hash to the same slot", VERDICT_GIVE_UP, true},
    {"OOM command not allowed when used memory > 'maxmemory'.", VERDICT_GIVE_UP, true},
    {"MISCONF Redis is configured to save RDB snapshots", VERDICT_GIVE_UP, true},
    {"NOPERM this user has no permissions to run the 'xadd' command", VERDICT_GIVE_UP, true},
    {"WRONGTYPE Operation against a key holding the wrong kind of value", VERDICT_GIVE_UP, true},
    {"EXECABORT Transaction discarded because of previous errors.", VERDICT_GIVE_UP, false},
    /* a code alone */
    {"OOM", VERDICT_GIVE_UP, true},
    {"LOADING", VERDICT_RETRY, false},
    /* what only begins like a code, and what nobody knows */
    {"LOADINGS", VERDICT_GIVE_UP, true},
    {"ERR unknown command 'XADD'", VERDICT_GIVE_UP, true},
    {"ERR", VERDICT_GIVE_UP, true},
    {"loading", VERDICT_GIVE_UP, true},
    {"", VERDICT_GIVE_UP, true},
};

static void test_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const ErrorRule *rule = error_rule(str_from(cases[i].reply));
        assert_non_null(rule);
        if (rule->verdict != cases[i].action || rule->alert != cases[i].alert || !rule->advice[0]) {
            fail_msg("%s: %d, %d", cases[i].reply, (int)rule->verdict, rule->alert);
        }
    }
}

/* Users lack rights, and providers take commands away from everybody. */
static void test_rights(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        bool want;
    } rows[] = {
        {"NOPERM User tickstream has no permissions to run the 'scard' command", true},
        {"ERR unknown command 'INFO', with args beginning with: 'memory'", true},
        {"ERR unknown subcommand 'FORGET'", true},
        {"ERR Unknown subcommand or wrong number of arguments for 'usage'", true},
        {"ERR wrong number of arguments for 'scard' command", false},
        {"WRONGTYPE Operation against a key holding the wrong kind of value", false},
        {"NOAUTH Authentication required.", false},
        {"", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(error_is_of_rights(str_from(rows[i].reply)), rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rules), cmocka_unit_test(test_rights)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
