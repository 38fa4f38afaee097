#include "unit.h"

#include "stats/stats.h"

#include <stdio.h>
#include <string.h>

enum { SLOTS = 3 };

static Arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    return arena && stats_open(SLOTS) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena = arena_free(arena);
    return 0;
}

/* The metrics as a terminated text. */
static const char *rendered(void)
{
    Text text = text_begin(arena);
    stats_render(&text);
    text_add(&text, (Str){"", 1});
    Str all = text_finish(&text);
    assert_non_null(all.ptr);
    return all.ptr;
}

static void assert_line(const char *line)
{
    char with_ends[256];
    snprintf(with_ends, sizeof(with_ends), "\n%s\n", line);
    if (!strstr(rendered(), with_ends)) {
        fail_msg("not there: %s", line);
    }
}

/* From the id of a metric to the next nothing is left out, nothing is in two of them, and what a
 * row promises is there. */
static void test_table(void **state)
{
    (void)state;
    size_t stat = 0;
    for (size_t next; stat < STAT_COUNT; stat = next) {
        const Metric *metric = &metrics[stat];
        next = stat + metric_cells(metric);
        assert_true(metric->name || stat == STAT_HEARTBEAT || stat == STAT_ACCEPTING);
        for (size_t inner = stat + 1; inner < next; inner++) {
            assert_null(metrics[inner].name);
        }
        bool is_histogram = metric->kind == METRIC_HISTOGRAM;
        assert_int_equal(metric->values != NULL, metric->count && !is_histogram);
        assert_int_equal(metric->bounds != NULL, is_histogram);
        assert_int_equal(metric->unit != 0, is_histogram || stat == STAT_REDIS_FILL);
        assert_int_equal(metric->states != NULL, metric->kind == METRIC_STATE);
        for (size_t i = 0; metric->values && i < metric->count; i++) {
            assert_false(str_is_empty(metric->values[i]));
        }
        for (size_t i = 1; metric->bounds && i < metric->count; i++) {
            assert_true(metric->bounds[i] > metric->bounds[i - 1]);
        }
    }
    assert_int_equal(stat, STAT_COUNT);
    assert_int_equal(metric_cells(&metrics[STAT_ANSWERS_200]), STAT_WEBHOOKS - STAT_ANSWERS_200);
}

static void test_reasons(void **state)
{
    (void)state;
    stats_use(0);
    stats_add(STAT_QUARANTINED + REASON_MISSING_ID, 2);
    assert_line("tickstream_quarantined_total{reason=\"missing_id\"} 2");
    assert_null(strstr(rendered(), "none"));
}

static void test_ignored(void **state)
{
    (void)state;
    stats_use(0);
    stats_add_value(STAT_IGNORED, STR("messages"));
    stats_add_value(STAT_IGNORED, STR("calls"));
    stats_add_value(STAT_IGNORED, STR("calls"));
    stats_add_value(STAT_IGNORED, STR("a field that somebody made up"));
    stats_add_value(STAT_IGNORED, (Str){NULL, 0});
    stats_add_value(STAT_IGNORED, STR("\"}\n"));
    assert_line("tickstream_ignored_total{field=\"messages\"} 1");
    assert_line("tickstream_ignored_total{field=\"calls\"} 2");
    assert_line("tickstream_ignored_total{field=\"other\"} 3");
    assert_null(strstr(rendered(), "somebody")); /* strangers make no labels */
}

static void test_histogram(void **state)
{
    (void)state;
    stats_use(0);
    stats_observe(STAT_WEBHOOK_SECONDS, 250000); /* a bound belongs to its bucket */
    stats_observe(STAT_WEBHOOK_SECONDS, 250001);
    stats_observe(STAT_WEBHOOK_SECONDS, 3000000000);
    assert_line("tickstream_webhook_seconds_bucket{le=\"0.00025\"} 1");
    assert_line("tickstream_webhook_seconds_bucket{le=\"0.0005\"} 2");
    assert_line("tickstream_webhook_seconds_bucket{le=\"2.5\"} 2");
    assert_line("tickstream_webhook_seconds_bucket{le=\"+Inf\"} 3");
    assert_line("tickstream_webhook_seconds_sum 3.000500001");
    assert_line("tickstream_webhook_seconds_count 3");
}

/* The whole text, byte for byte: what dashboards and rules are written against. */
static const char *const golden[] = {
    "# HELP tickstream_responses_total Answers by HTTP status.",
    "# TYPE tickstream_responses_total counter",
    "tickstream_responses_total{code=\"200\"} 3000",
    "tickstream_responses_total{code=\"400\"} 3002",
    "tickstream_responses_total{code=\"401\"} 3004",
    "tickstream_responses_total{code=\"403\"} 3006",
    "tickstream_responses_total{code=\"404\"} 3008",
    "tickstream_responses_total{code=\"405\"} 3010",
    "tickstream_responses_total{code=\"413\"} 3012",
    "tickstream_responses_total{code=\"415\"} 3014",
    "tickstream_responses_total{code=\"503\"} 3016",
    "# HELP tickstream_webhooks_total POSTs with an accepted signature.",
    "# TYPE tickstream_webhooks_total counter",
    "tickstream_webhooks_total 3018",
    "# HELP tickstream_body_bytes_total Bytes of their bodies.",
    "# TYPE tickstream_body_bytes_total counter",
    "tickstream_body_bytes_total 3020",
    "# HELP tickstream_statuses_accepted_total Statuses that became stream entries.",
    "# TYPE tickstream_statuses_accepted_total counter",
    "tickstream_statuses_accepted_total 3022",
    "# HELP tickstream_duplicates_total Statuses and elements that were known.",
    "# TYPE tickstream_duplicates_total counter",
    "tickstream_duplicates_total 3024",
    "# HELP tickstream_dropped_members_total Unknown members of XML and forms, over the "
    "limits of what is kept.",
    "# TYPE tickstream_dropped_members_total counter",
    "tickstream_dropped_members_total 0",
    "# HELP tickstream_webhook_seconds From request read to answer, with Redis.",
    "# TYPE tickstream_webhook_seconds histogram",
    "tickstream_webhook_seconds_bucket{le=\"0.00025\"} 2",
    "tickstream_webhook_seconds_bucket{le=\"0.0005\"} 2",
    "tickstream_webhook_seconds_bucket{le=\"0.001\"} 4",
    "tickstream_webhook_seconds_bucket{le=\"0.0025\"} 6",
    "tickstream_webhook_seconds_bucket{le=\"0.005\"} 6",
    "tickstream_webhook_seconds_bucket{le=\"0.01\"} 8",
    "tickstream_webhook_seconds_bucket{le=\"0.025\"} 10",
    "tickstream_webhook_seconds_bucket{le=\"0.05\"} 12",
    "tickstream_webhook_seconds_bucket{le=\"0.1\"} 12",
    "tickstream_webhook_seconds_bucket{le=\"0.25\"} 14",
    "tickstream_webhook_seconds_bucket{le=\"1\"} 16",
    "tickstream_webhook_seconds_bucket{le=\"2.5\"} 18",
    "tickstream_webhook_seconds_bucket{le=\"+Inf\"} 20",
    "tickstream_webhook_seconds_sum 11.809600020",
    "tickstream_webhook_seconds_count 20",
    "# HELP tickstream_redis_connects_total Connections to Redis made.",
    "# TYPE tickstream_redis_connects_total counter",
    "tickstream_redis_connects_total 3026",
    "# HELP tickstream_redis_connections_lost_total Connections to Redis lost.",
    "# TYPE tickstream_redis_connections_lost_total counter",
    "tickstream_redis_connections_lost_total 3028",
    "# HELP tickstream_redis_errors_total Error replies of Redis.",
    "# TYPE tickstream_redis_errors_total counter",
    "tickstream_redis_errors_total 3030",
    "# HELP tickstream_redis_retries_total Commands sent again inside the deadline.",
    "# TYPE tickstream_redis_retries_total counter",
    "tickstream_redis_retries_total 3032",
    "# HELP tickstream_redis_redirects_total Commands that a cluster node has not "
    "executed, by reason.",
    "# TYPE tickstream_redis_redirects_total counter",
    "tickstream_redis_redirects_total{kind=\"moved\"} 10",
    "tickstream_redis_redirects_total{kind=\"ask\"} 20",
    "tickstream_redis_redirects_total{kind=\"tryagain\"} 30",
    "tickstream_redis_redirects_total{kind=\"clusterdown\"} 40",
    "# HELP tickstream_redis_topology_refreshes_total Questions to a cluster or to "
    "sentinels who owns what.",
    "# TYPE tickstream_redis_topology_refreshes_total counter",
    "tickstream_redis_topology_refreshes_total{result=\"ok\"} 10",
    "tickstream_redis_topology_refreshes_total{result=\"failed\"} 12",
    "# HELP tickstream_redis_master_changes_total Partitions that another server has taken over.",
    "# TYPE tickstream_redis_master_changes_total counter",
    "tickstream_redis_master_changes_total 3038",
    "# HELP tickstream_redis_barrier_seconds How long replicas took to acknowledge (REDIS_ACK).",
    "# TYPE tickstream_redis_barrier_seconds histogram",
    "tickstream_redis_barrier_seconds_bucket{le=\"0.00025\"} 0",
    "tickstream_redis_barrier_seconds_bucket{le=\"0.0005\"} 0",
    "tickstream_redis_barrier_seconds_bucket{le=\"0.001\"} 0",
    "tickstream_redis_barrier_seconds_bucket{le=\"0.0025\"} 2",
    "tickstream_redis_barrier_seconds_bucket{le=\"0.005\"} 2",
    "tickstream_redis_barrier_seconds_bucket{le=\"0.01\"} 4",
    "tickstream_redis_barrier_seconds_bucket{le=\"0.025\"} 4",
    "tickstream_redis_barrier_seconds_bucket{le=\"0.05\"} 6",
    "tickstream_redis_barrier_seconds_bucket{le=\"0.1\"} 6",
    "tickstream_redis_barrier_seconds_bucket{le=\"0.25\"} 8",
    "tickstream_redis_barrier_seconds_bucket{le=\"1\"} 8",
    "tickstream_redis_barrier_seconds_bucket{le=\"2.5\"} 10",
    "tickstream_redis_barrier_seconds_bucket{le=\"+Inf\"} 10",
    "tickstream_redis_barrier_seconds_sum 3.124000000",
    "tickstream_redis_barrier_seconds_count 10",
    "# HELP tickstream_redis_barriers_short_total Acknowledgements by fewer than REDIS_ACK wants.",
    "# TYPE tickstream_redis_barriers_short_total counter",
    "tickstream_redis_barriers_short_total 3040",
    "# HELP tickstream_trimmed_total Entries removed from streams, as they are kept no longer.",
    "# TYPE tickstream_trimmed_total counter",
    "tickstream_trimmed_total 3042",
    "# HELP tickstream_quarantine_cut_total Elements of quarantine without bytes (QUARANTINE_MAX).",
    "# TYPE tickstream_quarantine_cut_total counter",
    "tickstream_quarantine_cut_total 0",
    "# HELP tickstream_events_cut_total Events without bytes (EVENTS_MAX).",
    "# TYPE tickstream_events_cut_total counter",
    "tickstream_events_cut_total 0",
    "# HELP tickstream_overloads_total Requests refused since too much was in flight.",
    "# TYPE tickstream_overloads_total counter",
    "tickstream_overloads_total 3034",
    "# HELP tickstream_worker_starts_total Workers started, also in place of others.",
    "# TYPE tickstream_worker_starts_total counter",
    "tickstream_worker_starts_total 3036",
    "# HELP tickstream_workers Workers that run.",
    "# TYPE tickstream_workers gauge",
    "tickstream_workers 300",
    "# HELP tickstream_redis_connected Workers with a usable Redis connection.",
    "# TYPE tickstream_redis_connected gauge",
    "tickstream_redis_connected 302",
    "# HELP tickstream_redis_nodes_connected Usable connections to Redis of all workers.",
    "# TYPE tickstream_redis_nodes_connected gauge",
    "tickstream_redis_nodes_connected 314",
    "# HELP tickstream_redis_partitions Partitions of the stream, of all workers together.",
    "# TYPE tickstream_redis_partitions gauge",
    "tickstream_redis_partitions 316",
    "# HELP tickstream_redis_partitions_ready Those that take writes now.",
    "# TYPE tickstream_redis_partitions_ready gauge",
    "tickstream_redis_partitions_ready 318",
    "# HELP tickstream_redis_durable 1: Redis neither evicts nor forgets; 0: it does; -1: "
    "not known.",
    "# TYPE tickstream_redis_durable gauge",
    "tickstream_redis_durable 0",
    "# HELP tickstream_redis_memory_used_bytes Memory that the fullest server of Redis uses.",
    "# TYPE tickstream_redis_memory_used_bytes gauge",
    "tickstream_redis_memory_used_bytes 0",
    "# HELP tickstream_redis_memory_used_ratio The same as a part of its maxmemory; 0: it "
    "has no limit.",
    "# TYPE tickstream_redis_memory_used_ratio gauge",
    "tickstream_redis_memory_used_ratio 0.431",
    "# HELP tickstream_upkeep_partitions Partitions that these workers look after, of "
    "which the figures of memory, streams and groups are.",
    "# TYPE tickstream_upkeep_partitions gauge",
    "tickstream_upkeep_partitions 0",
    "# HELP tickstream_stream_entries Entries of all partitions of the stream.",
    "# TYPE tickstream_stream_entries gauge",
    "tickstream_stream_entries 320",
    "# HELP tickstream_stream_bytes Memory of Redis that they take.",
    "# TYPE tickstream_stream_bytes gauge",
    "tickstream_stream_bytes 0",
    "# HELP tickstream_stream_oldest_seconds Age of the oldest of them; 0: no entry.",
    "# TYPE tickstream_stream_oldest_seconds gauge",
    "tickstream_stream_oldest_seconds 0",
    "# HELP tickstream_quarantine_entries Entries of quarantine, of all partitions.",
    "# TYPE tickstream_quarantine_entries gauge",
    "tickstream_quarantine_entries 322",
    "# HELP tickstream_quarantine_bytes Memory of Redis that quarantine takes.",
    "# TYPE tickstream_quarantine_bytes gauge",
    "tickstream_quarantine_bytes 324",
    "# HELP tickstream_events_entries Entries of the events, of all partitions.",
    "# TYPE tickstream_events_entries gauge",
    "tickstream_events_entries 0",
    "# HELP tickstream_events_bytes Memory of Redis that they take.",
    "# TYPE tickstream_events_bytes gauge",
    "tickstream_events_bytes 0",
    "# HELP tickstream_dead_entries Entries that consumers have given up, of all partitions.",
    "# TYPE tickstream_dead_entries gauge",
    "tickstream_dead_entries 0",
    "# HELP tickstream_dedupe_digests Statuses and elements that dedupe remembers.",
    "# TYPE tickstream_dedupe_digests gauge",
    "tickstream_dedupe_digests 0",
    "# HELP tickstream_fastcgi_connections Open FastCGI connections, idle ones too.",
    "# TYPE tickstream_fastcgi_connections gauge",
    "tickstream_fastcgi_connections 304",
    "# HELP tickstream_requests_in_flight Requests that wait for Redis.",
    "# TYPE tickstream_requests_in_flight gauge",
    "tickstream_requests_in_flight 306",
    "# HELP tickstream_bytes_in_flight Memory that they hold.",
    "# TYPE tickstream_bytes_in_flight gauge",
    "tickstream_bytes_in_flight 308",
    "# HELP tickstream_last_accepted_timestamp_seconds When a status was last stored; 0 = never.",
    "# TYPE tickstream_last_accepted_timestamp_seconds gauge",
    "tickstream_last_accepted_timestamp_seconds 205",
    "# HELP tickstream_quarantined_total Bodies and elements kept in quarantine, by reason.",
    "# TYPE tickstream_quarantined_total counter",
    "tickstream_quarantined_total{reason=\"syntax\"} 20",
    "tickstream_quarantined_total{reason=\"encoding\"} 40",
    "tickstream_quarantined_total{reason=\"too_deep\"} 60",
    "tickstream_quarantined_total{reason=\"not_a_payload\"} 80",
    "tickstream_quarantined_total{reason=\"forbidden_xml\"} 100",
    "tickstream_quarantined_total{reason=\"repeated\"} 120",
    "tickstream_quarantined_total{reason=\"bad_name\"} 140",
    "tickstream_quarantined_total{reason=\"too_many\"} 160",
    "tickstream_quarantined_total{reason=\"too_much\"} 180",
    "tickstream_quarantined_total{reason=\"wrong_shape\"} 200",
    "tickstream_quarantined_total{reason=\"missing_id\"} 220",
    "tickstream_quarantined_total{reason=\"missing_status\"} 240",
    "# HELP tickstream_ignored_total Changes without statuses, entries without changes, by field.",
    "# TYPE tickstream_ignored_total counter",
    "tickstream_ignored_total{field=\"messages\"} 2",
    "tickstream_ignored_total{field=\"calls\"} 0",
    "tickstream_ignored_total{field=\"standby\"} 0",
    "tickstream_ignored_total{field=\"history\"} 0",
    "tickstream_ignored_total{field=\"smb_message_echoes\"} 0",
    "tickstream_ignored_total{field=\"message_echoes\"} 0",
    "tickstream_ignored_total{field=\"smb_app_state_sync\"} 0",
    "tickstream_ignored_total{field=\"messaging_handovers\"} 0",
    "tickstream_ignored_total{field=\"user_preferences\"} 0",
    "tickstream_ignored_total{field=\"flows\"} 0",
    "tickstream_ignored_total{field=\"automatic_events\"} 0",
    "tickstream_ignored_total{field=\"account_update\"} 0",
    "tickstream_ignored_total{field=\"account_alerts\"} 0",
    "tickstream_ignored_total{field=\"account_review_update\"} 0",
    "tickstream_ignored_total{field=\"account_settings_update\"} 0",
    "tickstream_ignored_total{field=\"business_capability_update\"} 0",
    "tickstream_ignored_total{field=\"phone_number_name_update\"} 0",
    "tickstream_ignored_total{field=\"phone_number_quality_update\"} 0",
    "tickstream_ignored_total{field=\"security\"} 2",
    "tickstream_ignored_total{field=\"message_template_status_update\"} 0",
    "tickstream_ignored_total{field=\"message_template_quality_update\"} 0",
    "tickstream_ignored_total{field=\"message_template_components_update\"} 0",
    "tickstream_ignored_total{field=\"template_category_update\"} 0",
    "tickstream_ignored_total{field=\"other\"} 2",
};

static void test_text(void **state)
{
    (void)state;
    static const Stat counted[] = {
        STAT_ANSWERS_200,   STAT_ANSWERS_400,         STAT_ANSWERS_401,
        STAT_ANSWERS_403,   STAT_ANSWERS_404,         STAT_ANSWERS_405,
        STAT_ANSWERS_413,   STAT_ANSWERS_415,         STAT_ANSWERS_503,
        STAT_WEBHOOKS,      STAT_BODY_BYTES,          STAT_ACCEPTED,
        STAT_DUPLICATES,    STAT_REDIS_CONNECTS,      STAT_REDIS_LOST,
        STAT_REDIS_ERRORS,  STAT_REDIS_RETRIES,       STAT_OVERLOADS,
        STAT_WORKER_STARTS, STAT_REDIS_OWNER_CHANGES, STAT_REDIS_BARRIERS_SHORT,
        STAT_TRIMMED,
    };
    static const Stat gauges[] = {
        STAT_WORKERS,          STAT_REDIS_CONNECTED,
        STAT_CONNECTIONS,      STAT_REQUESTS_IN_FLIGHT,
        STAT_BYTES_IN_FLIGHT,  STAT_LAST_ACCEPTED,
        STAT_HEARTBEAT,        STAT_REDIS_NODES,
        STAT_REDIS_PARTITIONS, STAT_REDIS_PARTITIONS_READY,
        STAT_STREAM_ENTRIES,   STAT_QUARANTINE_ENTRIES,
        STAT_QUARANTINE_BYTES,
    };
    for (size_t slot = 0; slot < 2; slot++) {
        stats_use(slot);
        for (size_t i = 0; i < COUNT(counted); i++) {
            stats_add(counted[i], 1000 * (slot + 1) + i);
        }
        for (size_t i = 0; i < COUNT(gauges); i++) {
            stats_set(gauges[i], 100 * (slot + 1) + i);
        }
        for (size_t i = 1; i < REASON_COUNT; i++) {
            stats_add((Stat)(STAT_QUARANTINED + i), 10 * i);
        }
        for (size_t i = 0; i < 4; i++) {
            stats_add((Stat)(STAT_REDIS_REDIRECTS + i), 5 * (i + 1));
        }
        stats_add(STAT_REDIS_LOOKUPS, 5);
        stats_add(STAT_REDIS_LOOKUPS + 1, 6);
        for (uint64_t milliseconds = 2; milliseconds < 4000; milliseconds *= 5) {
            stats_observe(STAT_REDIS_BARRIER_SECONDS, 1000000 * milliseconds);
        }
        stats_set(STAT_REDIS_FILL, 431 - slot);
        stats_set(STAT_REDIS_DURABLE, slot == 0 ? DURABLE_NO : DURABLE_UNKNOWN);
        stats_add_value(STAT_IGNORED, STR("messages"));
        stats_add_value(STAT_IGNORED, STR("security"));
        stats_add_value(STAT_IGNORED, STR("nobody knows it"));
        for (uint64_t microseconds = 200; microseconds < 4000000; microseconds *= 3) {
            stats_observe(STAT_WEBHOOK_SECONDS, 1000 * microseconds + 1);
        }
    }
    Str rest = str_from(rendered());
    for (size_t i = 0; i < COUNT(golden); i++) {
        Str part = str_split(&rest, '\n');
        char line[256];
        snprintf(line, sizeof(line), "%.*s", STR_ARG(part));
        assert_string_equal(line, golden[i]);
    }
    assert_true(rest.ptr && str_is_empty(rest)); /* it ends with the end of the last line */
}

/* Every line is a comment, or a name, perhaps with one label, and a number; a metric's HELP and
 * TYPE stand once, before its values. */
static void test_format(void **state)
{
    (void)state;
    char current[128] = "";
    char seen[8192] = " ";
    stats_use(0);
    for (Str rest = str_from(rendered()); rest.ptr;) {
        Str line = str_split(&rest, '\n');
        char name[128], number[32];
        char text[256];
        snprintf(text, sizeof(text), "%.*s", STR_ARG(line));
        if (str_is_empty(line)) {
            assert_null(rest.ptr); /* only at the end */
        } else if (sscanf(text, "# HELP %127s", name) == 1) {
            char word[160];
            snprintf(word, sizeof(word), " %s ", name);
            assert_null(strstr(seen, word));
            strcat(seen, word + 1);
            strcpy(current, name);
        } else if (sscanf(text, "# TYPE %127s %31s", name, number) == 2) {
            assert_string_equal(name, current);
        } else {
            assert_memory_equal(text, current, strlen(current));
            assert_int_equal(sscanf(strrchr(text, ' '), " %31[-0-9.]", number), 1);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_table),     TEST(test_reasons), TEST(test_ignored),
        TEST(test_histogram), TEST(test_text),    TEST(test_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
