#include "unit.h"

#include "commands/doctor_judge.h"

#include <math.h>
#include <stdio.h>

/* Holds a finding against what it must be: its grade, a part of what it says, one of its remedy; a
 * remedy there is when something is wrong, and only then. */
static void check(const Finding *finding, Grade grade, const char *what, const char *remedy)
{
    print_message("  %s\n", finding->what);
    assert_int_equal(finding->grade, grade);
    assert_non_null(strstr(finding->what, what));
    assert_non_null(strstr(finding->remedy, remedy));
    assert_int_equal(finding->remedy[0] != '\0', grade >= GRADE_WARN);
    assert_true(strlen(finding->what) < FINDING_TEXT - 1 &&
                strlen(finding->remedy) < FINDING_TEXT - 1);
}

#define CHECK(call, ...)                                                                           \
    do {                                                                                           \
        const Finding finding = call;                                                              \
        check(&finding, __VA_ARGS__);                                                              \
    } while (0)

static Ack ack_of(const char *text)
{
    Ack ack;
    assert_true(ack_parse(str_from(text), &ack));
    return ack;
}

/* Settings */

static void test_secrets(void **state)
{
    (void)state;
    static const struct {
        const char *setting;
        unsigned fault;
        Grade grade;
        const char *what, *remedy;
    } cases[] = {
        {"APP_SECRET", 0, GRADE_OK, "APP_SECRET: 2 values", ""},
        {"APP_SECRET", SECRET_SHORT, GRADE_WARN, "fewer than 16", "the sender signs with"},
        {"VERIFY_TOKEN", SECRET_SHORT, GRADE_WARN, "fewer than 16", "openssl rand"},
        {"APP_SECRET", SECRET_BLANKS, GRADE_WARN, "blanks", "remove"},
        {"VERIFY_TOKEN", SECRET_PUBLIC, GRADE_WARN, "of the demo", "openssl rand"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        CHECK(judge_secrets(cases[i].setting, cases[i].fault, 2), cases[i].grade, cases[i].what,
              cases[i].remedy);
    }
    CHECK(judge_no_secret("APP_SECRET"), GRADE_WARN, "ALLOW_UNSIGNED", "APP_SECRET");
    CHECK(judge_no_secret("VERIFY_TOKEN"), GRADE_WARN, "403", "VERIFY_TOKEN");
}

static void test_faults_of_secrets(void **state)
{
    (void)state;
    static const struct {
        const char *secret;
        unsigned want;
    } cases[] = {{"0123456789abcdef", 0},
                 {"0123456789abcde", SECRET_SHORT},
                 {" 0123456789abcdef", SECRET_BLANKS},
                 {"0123456789abcdef\t", SECRET_BLANKS},
                 {"tickstream-demo-secret", SECRET_PUBLIC},
                 {"demo-app-secret", SECRET_PUBLIC | SECRET_SHORT},
                 {" ", SECRET_SHORT | SECRET_BLANKS}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(config_secret_faults(str_from(cases[i].secret)), cases[i].want);
    }
}

static void test_files(void **state)
{
    (void)state;
    const SecretFile file = {.setting = "APP_SECRET", .path = "/etc/tickstream/app_secret"};
    CHECK(judge_secret_file(&file, 0100600), GRADE_OK, "kept from others", "");
    CHECK(judge_secret_file(&file, 0100640), GRADE_OK, "kept from others", "");
    CHECK(judge_secret_file(&file, 0100644), GRADE_WARN, "may read /etc/tickstream/app_secret",
          "chmod 600 /etc/tickstream/app_secret");
    CHECK(judge_secret_file(&file, 0100602), GRADE_WARN, "may write", "chmod");
    CHECK(judge_secret_file(&file, 0), GRADE_NOTE, "cannot be looked at", "");
}

static void test_settings(void **state)
{
    (void)state;
    const Keep off = {.trim = TRIM_OFF}, acked = {.trim = TRIM_ACKED};
    CHECK(judge_trim(&off), GRADE_WARN, "TRIM=off", "TRIM=acked");
    CHECK(judge_trim(&acked), GRADE_OK, "TRIM=acked", "");
    CHECK(judge_workers(200, ""), GRADE_OK, "ready", "");
    CHECK(judge_workers(503, ""), GRADE_FAIL, "503", "readyz?verbose");
    CHECK(judge_workers(0, "connection refused"), GRADE_WARN, "connection refused", "systemctl");
    CHECK(judge_overcommit('0'), GRADE_WARN, "is 0", "vm.overcommit_memory=1");
    CHECK(judge_overcommit('1'), GRADE_OK, "is 1", "");
    CHECK(judge_overcommit('\0'), GRADE_NOTE, "cannot be read", "");
    CHECK(judge_huge_pages(STR("[always] madvise never")), GRADE_WARN, "always", "madvise");
    CHECK(judge_huge_pages(STR("always [madvise] never")), GRADE_OK, "not forced", "");
    CHECK(judge_huge_pages((Str){NULL, 0}), GRADE_NOTE, "cannot be looked at", "");
}

static void test_nginx(void **state)
{
    (void)state;
    const NginxFacts repeats = {true, 3 << 20, 8000}, once = {false, -1, -1},
                     small = {true, 1 << 20, 8000}, hasty = {true, -1, 2000}, any = {true, 0, -1};
    const Config config = {.max_body = 3 << 20, .redis_timeout = 2000};
    CHECK(judge_repetition(&repeats, 1000), GRADE_OK, "nginx repeats", "");
    CHECK(judge_repetition(&once, 1000), GRADE_NOTE, "does not repeat", "");
    CHECK(judge_repetition(&repeats, 0), GRADE_FAIL, "stored twice", "tickstream-once.conf");
    CHECK(judge_repetition(&once, 0), GRADE_OK, "does not repeat", "");
    CHECK(judge_nginx_limits(&repeats, &config), GRADE_OK, "limits", "");
    CHECK(judge_nginx_limits(&once, &config), GRADE_OK, "limits", "");
    CHECK(judge_nginx_limits(&any, &config), GRADE_OK, "limits", "");
    CHECK(judge_nginx_limits(&small, &config), GRADE_WARN, "1048576", "client_max_body_size");
    CHECK(judge_nginx_limits(&hasty, &config), GRADE_WARN, "2000 ms", "fastcgi_read_timeout");
}

/* Redis */

static void test_reached(void **state)
{
    (void)state;
    static const struct {
        const char *version, *ack;
        Grade grade;
        const char *what, *remedy;
    } cases[] = {
        {"7.0.15", "local", GRADE_OK, "7.0.15", ""},
        {"6.2.0", "local", GRADE_OK, "6.2.0", ""},
        {"6.0.16", "local", GRADE_FAIL, "too old", "6.2"},
        {"5.0", "local", GRADE_FAIL, "too old", "6.2"},
        {"10.1", "fsync:1,1", GRADE_OK, "10.1", ""},
        {"7.2.4", "fsync:1,1", GRADE_OK, "7.2.4", ""},
        {"7.0.15", "fsync:0,1", GRADE_FAIL, "no WAITAOF", "7.2"},
        {"", "local", GRADE_NOTE, "not told", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const Ack ack = ack_of(cases[i].ack);
        CHECK(judge_version(cases[i].version, &ack), cases[i].grade, cases[i].what,
              cases[i].remedy);
    }
    CHECK(judge_reached(ERROR_NONE, ""), GRADE_OK, "answers", "");
    CHECK(judge_reached(ERROR_UNAVAILABLE, "no answer in time"), GRADE_FAIL, "in time",
          "whether Redis runs");
    CHECK(judge_reached(ERROR_SETUP, "WRONGPASS"), GRADE_FAIL, "WRONGPASS", "password");
}

static void test_partitions(void **state)
{
    (void)state;
    CHECK(judge_partitions(0, 16), GRADE_OK, "no worker has noted it", "");
    CHECK(judge_partitions(16, 16), GRADE_OK, "made with 16", "");
    CHECK(judge_partitions(8, 16), GRADE_FAIL, "made with 8 partitions", "STREAM_PARTITIONS");
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *error, *what, *remedy;
    } cases[] = {
        {"NOPERM this user has no permissions to run the 'xadd' command", "'xadd'",
         "tickstream acl"},
        {"ERR ACL failure in script: x", "a right is missing", "tickstream acl"},
        {"OOM command not allowed when used memory > 'maxmemory'.", "OOM", "maxmemory is reached"},
        {"MISCONF Redis is configured to save", "MISCONF", "disk"},
        {"NOREPLICAS Not enough good replicas", "NOREPLICAS", "min-replicas-to-write"},
        {"WRONGTYPE at the key of the stream", "of the stream", "something else than a stream"},
        {"MOVED 1 h:1", "MOVED", "redis+cluster"},
        {"ERR unknown command 'x', with args beginning with: 'secret'", "ERR unknown command 'x'",
         "6.2"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const Finding finding = judge_refusal(str_from(cases[i].error));
        check(&finding, GRADE_FAIL, cases[i].what, cases[i].remedy);
        assert_null(strstr(finding.what, "secret"));
    }
    CHECK(judge_right("+role", HARM_CHECKS), GRADE_WARN, "+role", "tickstream acl");
    CHECK(judge_right("+xtrim", HARM_UPKEEP), GRADE_FAIL, "streams fill up", "tickstream acl");
    CHECK(judge_right("+exec", HARM_POSTS), GRADE_FAIL, "posts are refused", "tickstream acl");
}

static void test_durability(void **state)
{
    (void)state;
    const StreamKeys with = {.window = 60}, without = {.window = 0};
    static const struct {
        const char *info;
        bool has_window;
        Grade grade;
        const char *what, *remedy;
    } cases[] = {
        {"maxmemory_policy:noeviction\r\naof_enabled:1\r\n", true, GRADE_OK, "neither", ""},
        {"maxmemory_policy:noeviction\r\naof_enabled:0\r\n", true, GRADE_FAIL, "appendonly",
         "redis-cli CONFIG SET appendonly yes; redis-cli CONFIG REWRITE"},
        {"maxmemory_policy:allkeys-lru\r\naof_enabled:1\r\n", true, GRADE_FAIL, "allkeys-lru",
         "redis-cli CONFIG SET maxmemory-policy noeviction; redis-cli CONFIG REWRITE"},
        {"maxmemory_policy:allkeys-lru\r\naof_enabled:0\r\n", false, GRADE_FAIL, "; appendonly",
         "noeviction; redis-cli CONFIG SET appendonly yes; "},
        {"maxmemory_policy:volatile-ttl\r\naof_enabled:1\r\n", true, GRADE_FAIL, "volatile-ttl",
         "noeviction"},
        {"maxmemory_policy:volatile-ttl\r\naof_enabled:1\r\n", false, GRADE_OK, "neither", ""},
        {"maxmemory_policy:noeviction\r\naof_enabled:1\r\naof_last_write_status:err\r\n", true,
         GRADE_FAIL, "last write", "disk"},
        {"", true, GRADE_WARN, "INFO does not tell", "+info"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Standing standing = {0};
        standing_take(&standing, str_from(cases[i].info));
        CHECK(judge_durability(&standing, cases[i].has_window ? &with : &without), cases[i].grade,
              cases[i].what, cases[i].remedy);
    }
}

static void test_fsync(void **state)
{
    (void)state;
    const Standing on = {.aof = "1"}, off = {.aof = "0"};
    const Ack local = {.kind = ACK_LOCAL};
    CHECK(judge_fsync("always", &off, &local), GRADE_NOTE, "without appendonly", "");
    static const struct {
        const char *fsync, *ack;
        Grade grade;
        const char *what, *remedy;
    } cases[] = {
        {"always", "local", GRADE_OK, "is always", ""},
        {"everysec", "local", GRADE_WARN, "last second", "appendfsync always"},
        {"no", "replicas:1", GRADE_WARN, "half minute", "appendfsync always"},
        {"everysec", "fsync:1,1", GRADE_OK, "waits for the disk", ""},
        {"everysec", "fsync:0,1", GRADE_WARN, "last second", "always"},
        {"", "local", GRADE_NOTE, "not told", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const Ack ack = ack_of(cases[i].ack);
        CHECK(judge_fsync(cases[i].fsync, &on, &ack), cases[i].grade, cases[i].what,
              cases[i].remedy);
    }
}

static void test_memory(void **state)
{
    (void)state;
    static const struct {
        uint64_t used, most;
        Grade grade;
        const char *what, *remedy;
    } cases[] = {
        {79, 100, GRADE_OK, "79 %", ""},
        {80, 100, GRADE_WARN, "80 %", "TRIM_KEEP"},
        {94, 100, GRADE_WARN, "94 %", "TRIM_KEEP"},
        {95, 100, GRADE_FAIL, "answered 503", "raise maxmemory"},
        {200, 100, GRADE_FAIL, "200 %", "raise maxmemory"},
        {UINT64_C(3) << 30, UINT64_C(4) << 30, GRADE_OK, "75 % of maxmemory is in use: 3.0 GiB",
         ""},
        {1 << 20, 0, GRADE_WARN, "maxmemory is 0: Redis takes memory (1.0 MiB", "CONFIG SET"},
        {0, 0, GRADE_NOTE, "not told", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        CHECK(judge_memory(cases[i].used, cases[i].most), cases[i].grade, cases[i].what,
              cases[i].remedy);
    }
    CHECK(judge_quarantine(0, 0, 1000), GRADE_OK, "empty", "");
    CHECK(judge_quarantine(3, 100, 1000), GRADE_NOTE, "3 entries, 100 bytes", "");
    CHECK(judge_quarantine(3, 101, 1000), GRADE_WARN, "more than a tenth", "QUARANTINE_KEEP");
    CHECK(judge_quarantine(3, 101, 0), GRADE_NOTE, "3 entries", "");
    CHECK(judge_quarantine(3, -1, 1000), GRADE_NOTE, "3 entries", "");
    CHECK(judge_quarantine(-1, -1, 1000), GRADE_NOTE, "cannot", "");
}

static void test_rate(void **state)
{
    (void)state;
    static const struct {
        double carried;
        unsigned wanted;
        uint64_t most;
        Grade grade;
        const char *what, *remedy;
    } cases[] = {
        {123.9, 0, 1, GRADE_OK, "123 statuses a second are carried; --rate", ""},
        {123.9, 123, 1, GRADE_OK, "more than are wanted", ""},
        {123.9, 124, 1, GRADE_FAIL, "123 statuses a second are carried, not 124", "raise"},
        {0, 100, 1, GRADE_FAIL, "no rate is carried", "TRIM=acked"},
        {0, 0, 1, GRADE_NOTE, "no rate is carried", ""},
        {INFINITY, 100, 1, GRADE_OK, "1,000,000,000", ""},
        {0, 0, 0, GRADE_NOTE, "no maxmemory", ""},
        {0, 100, 0, GRADE_WARN, "no maxmemory", "set maxmemory"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        CHECK(judge_rate(cases[i].carried, cases[i].wanted, cases[i].most), cases[i].grade,
              cases[i].what, cases[i].remedy);
    }
}

static void test_replicas(void **state)
{
    (void)state;
    static const struct {
        int online;
        const char *ack;
        ServersKind kind;
        Grade grade;
        const char *what, *remedy;
    } cases[] = {
        {0, "local", SERVERS_ONE, GRADE_OK, "0 online", ""},
        {0, "local", SERVERS_CLUSTER, GRADE_WARN, "nobody takes over", "a replica"},
        {0, "local", SERVERS_SENTINEL, GRADE_WARN, "nobody takes over", "a replica"},
        {1, "local", SERVERS_CLUSTER, GRADE_OK, "1 online", ""},
        {0, "replicas:1", SERVERS_ONE, GRADE_FAIL, "wants 1 replicas, and 0 are", "REDIS_ACK"},
        {1, "replicas:2", SERVERS_CLUSTER, GRADE_FAIL, "and 1 is", "REDIS_ACK"},
        {1, "replicas:1", SERVERS_CLUSTER, GRADE_WARN, "wants all of the 1", "one replica more"},
        {2, "fsync:1,1", SERVERS_CLUSTER, GRADE_OK, "2 online", ""},
        {-1, "replicas:1", SERVERS_ONE, GRADE_NOTE, "not told", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const Ack ack = ack_of(cases[i].ack);
        CHECK(judge_replicas(cases[i].online, &ack, cases[i].kind), cases[i].grade, cases[i].what,
              cases[i].remedy);
    }
}

static void test_clock_and_moving(void **state)
{
    (void)state;
    CHECK(judge_clock(-3), GRADE_OK, "3 ms apart", "");
    CHECK(judge_clock(1999), GRADE_OK, "1999 ms", "");
    CHECK(judge_clock(61000), GRADE_WARN, "1 min 1 s ahead of", "NTP");
    CHECK(judge_clock(-2000), GRADE_WARN, "2 s behind", "NTP");
    CHECK(judge_moving(-1, 15000), GRADE_NOTE, "not told", "");
    CHECK(judge_moving(1000000, 15000), GRADE_OK, "small enough", "");
    CHECK(judge_moving(1000001, 15000), GRADE_WARN, "1,000,001 digests", "more partitions");
    CHECK(judge_moving(1000001, -1), GRADE_WARN, "about 1500 ms", "more partitions");
    CHECK(judge_moving(400000, 500), GRADE_WARN, "cluster-node-timeout is 500 ms", "raise");
}

static void test_groups(void **state)
{
    (void)state;
    const int64_t now = INT64_C(1700000000000);
    const Str none = {NULL, 0};
    UpkeepGroup group = {.name = STR("billing"), .pending = 3, .lag = 4711, .last = STR("1-0")};
    CHECK(judge_groups(2, none, TRIM_ACKED), GRADE_OK, "2 groups read it", "");
    CHECK(judge_groups(0, none, TRIM_ACKED), GRADE_WARN, "nothing is removed", "--create");
    CHECK(judge_groups(0, none, TRIM_OFF), GRADE_WARN, "no group reads it", "--create");
    CHECK(judge_groups(1, STR("audit"), TRIM_ACKED), GRADE_FAIL, "group audit of", "TRIM_GROUPS");
    CHECK(judge_group(&group, true, now), GRADE_OK, "billing: 3 pending, lag 4,711", "");
    group.holds = true;
    CHECK(judge_group(&group, false, now), GRADE_OK, "billing: 3 pending", "");
    CHECK(judge_group(&group, true, now), GRADE_WARN, "holds the stream", "XGROUP DESTROY");
    group.oldest = STR("1699999000000-5");
    CHECK(judge_group(&group, true, now), GRADE_WARN, "the oldest for 16 min 40 s", "consumers");
    group.lag = -1;
    group.state = GROUP_IDLE;
    CHECK(judge_group(&group, false, now), GRADE_WARN, "half of TRIM_DEAD_GROUP; 3 pending, lag ?",
          "consumers");
    group.state = GROUP_DEAD;
    CHECK(judge_group(&group, false, now), GRADE_WARN, "is dead", "XGROUP DESTROY");
}

/* A URL */

static void test_name(void **state)
{
    (void)state;
    static const struct {
        int status;
        bool is_ours;
        Grade grade;
        const char *what, *remedy;
    } cases[] = {
        {400, true, GRADE_OK, "h is 10.0.0.1", ""},
        {0, false, GRADE_FAIL, "does not answer: connection refused", "firewall"},
        {503, true, GRADE_FAIL, "reaches no worker", "upstream.conf"},
        {502, false, GRADE_FAIL, "reaches no worker", "upstream.conf"},
        {404, true, GRADE_FAIL, "not Tickstream's", "tickstream.conf"},
        {400, false, GRADE_FAIL, "not Tickstream's", "path"},
        {403, true, GRADE_NOTE, "mtls.conf", ""},
        {429, true, GRADE_FAIL, "answers 429", "access log"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const KnockFacts knock = {.status = cases[i].status,
                                  .is_ours = cases[i].is_ours,
                                  .why = "connection refused",
                                  .host = "h",
                                  .address = "10.0.0.1"};
        CHECK(judge_name(&knock), cases[i].grade, cases[i].what, cases[i].remedy);
    }
}

static void test_certificate(void **state)
{
    (void)state;
    const int64_t now = 1700000000, day = 86400;
    const struct {
        CertificateFacts facts;
        Grade grade;
        const char *what, *remedy;
    } cases[] = {
        {{true, false, "", now + 30 * day, now}, GRADE_OK, "accepted, until 20", ""},
        {{true, false, "", 0, now}, GRADE_OK, "are accepted", ""},
        {{true, false, "", now + 14 * day, now}, GRADE_OK, "accepted, until 20", ""},
        {{true, false, "", now + 14 * day - 1, now}, GRADE_WARN, "ends in 13 days", "renew"},
        {{true, false, "certificate has expired", now - 1, now},
         GRADE_FAIL,
         "has expired; it ends",
         "renew"},
        {{true, false, "certificate is not yet valid", now + 1, now},
         GRADE_FAIL,
         "not yet",
         "clock"},
        {{true, false, "no alternative certificate subject name matches target host name 'h'",
          now + 1, now},
         GRADE_FAIL,
         "'h'",
         "for this name"},
        {{true, false, "self-signed certificate in certificate chain", 0, now},
         GRADE_FAIL,
         "self-signed",
         "public CA"},
        {{true, false, "unable to get local issuer certificate", 0, now},
         GRADE_FAIL,
         "issuer",
         "fullchain"},
        {{true, false, "something else", 0, now}, GRADE_FAIL, "something else", "certbot"},
        {{false, true, "", 0, now}, GRADE_NOTE, "https alone", ""},
        {{false, false, "", 0, now}, GRADE_WARN, "https alone", "tls.conf"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        CHECK(judge_certificate(&cases[i].facts), cases[i].grade, cases[i].what, cases[i].remedy);
    }
}

static void test_answers(void **state)
{
    (void)state;
    const Config config = {.allow_unsigned = false}, open = {.allow_unsigned = true};
    CHECK(judge_handshake(200, true, 0), GRADE_OK, "the verify token is accepted", "");
    CHECK(judge_handshake(200, false, 2), GRADE_FAIL, "without the challenge", "workers");
    CHECK(judge_handshake(403, false, 2), GRADE_FAIL, "token 2 is refused", "reload");
    CHECK(judge_handshake(503, false, 0), GRADE_FAIL, "answered 503", "workers");
    CHECK(judge_signature(200, true, 1), GRADE_OK, "APP_SECRET 1 is accepted", "");
    CHECK(judge_signature(200, false, 0), GRADE_FAIL, "not by Tickstream", "workers");
    CHECK(judge_signature(401, false, 0), GRADE_FAIL, "APP_SECRET is refused (401)", "reload");
    CHECK(judge_signature(0, false, 0), GRADE_FAIL, "answered 0", "workers");
    CHECK(judge_unsigned(401, &config), GRADE_OK, "is refused", "");
    CHECK(judge_unsigned(200, &config), GRADE_WARN, "as a relay's", "relay.conf");
    CHECK(judge_unsigned(200, &open), GRADE_WARN, "ALLOW_UNSIGNED", "APP_SECRET");
    CHECK(judge_unsigned(500, &config), GRADE_FAIL, "answered 500", "workers");
    CHECK(judge_body_limit(200, 413, 77), GRADE_OK, "77 bytes are accepted", "");
    CHECK(judge_body_limit(413, 0, 77), GRADE_FAIL, "(77 bytes) is refused",
          "client_max_body_size");
    CHECK(judge_body_limit(200, 200, 77), GRADE_WARN, "a byte more", "reload");
    CHECK(judge_body_limit(408, 0, 77), GRADE_FAIL, "answered 408", "client_body");
    CHECK(judge_body_limit(0, 0, 77), GRADE_FAIL, "not answered", "error log");
    CHECK(judge_latency(250, 1000, 20), GRADE_OK, "20 signed bodies: median 250.00 ms", "");
    CHECK(judge_latency(251, 1000, 20), GRADE_WARN, "median 251.00 ms", "LATENCY DOCTOR");
    CHECK(judge_latency(1, 1001, 20), GRADE_WARN, "at worst 1001.00 ms", "ping");
    CHECK(judge_time(-5), GRADE_OK, "agree", "");
    CHECK(judge_time(6), GRADE_WARN, "6 s ahead of", "NTP");
    CHECK(judge_time(-90), GRADE_WARN, "1 min 30 s behind", "NTP");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secrets),     cmocka_unit_test(test_faults_of_secrets),
        cmocka_unit_test(test_files),       cmocka_unit_test(test_settings),
        cmocka_unit_test(test_nginx),       cmocka_unit_test(test_reached),
        cmocka_unit_test(test_partitions),  cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_durability),  cmocka_unit_test(test_fsync),
        cmocka_unit_test(test_memory),      cmocka_unit_test(test_rate),
        cmocka_unit_test(test_replicas),    cmocka_unit_test(test_clock_and_moving),
        cmocka_unit_test(test_groups),      cmocka_unit_test(test_name),
        cmocka_unit_test(test_certificate), cmocka_unit_test(test_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
