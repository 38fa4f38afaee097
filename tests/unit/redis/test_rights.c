#include "unit.h"

#include "redis/rights.h"

enum { WINDOW = 60 };

#define UPKEEP                                                                                     \
    "+pexpire +xtrim +xrange +xlen +xpending +xinfo|stream +xinfo|groups +xinfo|consumers "        \
    "+memory|usage +scard"

static void test_lines(void **state)
{
    (void)state;
    static const struct {
        const char *url, *stream, *events;
        unsigned window;
        size_t partitions;
        const char *ack, *want;
    } cases[] = {
        {"redis://h", "whatsapp:statuses", "", WINDOW, 1, "local",
         "ACL SETUSER tickstream on >PASSWORD \"~whatsapp:statuses\" \"~{whatsapp:statuses}:*\" "
         "+evalsha +eval +script|load +xadd +set +type +get +time +smismember +sadd +unlink " UPKEEP
         " +info +role +client|setname\n"},
        {"redis://me:secret@h/3", "s", "ev x", 0, 1, "local",
         "ACL SETUSER me on >PASSWORD \"~s\" \"~{s}:*\" \"~ev x\" +evalsha +eval +script|load "
         "+xadd +set +type +get +time +multi +exec " UPKEEP
         " +info +role +client|setname +select\n"},
        {"redis://h", "a*[b]?\\\"c", "", WINDOW, 1, "local",
         "ACL SETUSER tickstream on >PASSWORD \"~a\\\\*\\\\[b\\\\]\\\\?\\\\\\\\\\\"c\" "
         "\"~{a\\\\*\\\\[b\\\\]\\\\?\\\\\\\\\\\"c}:*\" +evalsha +eval +script|load +xadd +set "
         "+type +get +time +smismember +sadd +unlink " UPKEEP " +info +role +client|setname\n"},
        {"redis://h", "a*", "{a*}:events", 0, 16, "replicas:1", /* no transactions */
         "ACL SETUSER tickstream on >PASSWORD \"~a\\\\*:*\" \"~{a\\\\*:*\" "
         "\"~{a\\\\*}:partitions\" +evalsha +eval +script|load +xadd +set +type +get +time " UPKEEP
         " +wait +info +role +client|setname\n"},
        {"redis+cluster://h", "s", "{s}:events", WINDOW, 1, "fsync:1,1",
         "ACL SETUSER tickstream on >PASSWORD \"~s\" \"~{s}:*\" \"~{s}:events\" +evalsha +eval "
         "+script|load +xadd +set +type +get +time +smismember +sadd +unlink +pexpireat " UPKEEP
         " +waitaof +cluster|slots +asking +info +role +client|setname\n"},
        {"redis+sentinel://me:secret@h/m", "s", "", 0, 1, "local",
         "ACL SETUSER me on >PASSWORD \"~s\" \"~{s}:*\" +evalsha +eval +script|load +xadd +set "
         "+type +get +time +multi +exec " UPKEEP " +info +role +client|setname\n"
         "ACL SETUSER watcher on >PASSWORD +sentinel|get-master-addr-by-name +sentinel|master "
         "+client|setname\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        RedisServers servers;
        Ack ack;
        Error error;
        Arena *arena = arena_new();
        assert_true(redis_servers_parse(str_from(cases[i].url), &servers, &error));
        assert_true(ack_parse(str_from(cases[i].ack), &ack));
        Partitions *partitions =
            partitions_new(cases[i].stream, cases[i].partitions, cases[i].events, cases[i].window);
        partitions->keys[0]->by_script = cases[i].partitions > 1 || servers.kind == SERVERS_CLUSTER;
        partitions->keys[0]->touches = ack.kind != ACK_LOCAL;
        Text text = text_begin(arena);
        rights_describe(&text, &(RightsSettings){.servers = &servers,
                                                 .sentinel_user = "watcher",
                                                 .stream = cases[i].stream,
                                                 .partitions = partitions,
                                                 .ack = ack});
        text_add(&text, (Str){"", 1});
        assert_string_equal(text_finish(&text).ptr, cases[i].want);
        partitions_free(partitions);
        arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
