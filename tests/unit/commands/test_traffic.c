#include "unit.h"

#include "base/limits.h"
#include "commands/traffic.h"
#include "payload_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const TrafficSettings usual = {
    .seed = 7, .start = 1771000000, .rate = 500, .failed = 0.04, .format = -1};

/* What a run of bodies adds up to. */
typedef struct {
    size_t bodies, statuses, single, largest;
    size_t formats[3];
    size_t sent, delivered, read, failed, others;
} Sums;

static void count_word(Sums *sums, const char *word)
{
    size_t *const counters[] = {&sums->sent, &sums->delivered, &sums->read, &sums->failed};
    static const char *const words[] = {"sent", "delivered", "read", "failed"};
    for (size_t i = 0; i < COUNT(words); i++) {
        if (strcmp(word, words[i]) == 0) {
            (*counters[i])++;
            return;
        }
    }
    sums->others++;
}

static void add_body(Sums *sums, const TrafficBody *body)
{
    sums->bodies++;
    sums->statuses += body->count;
    sums->single += body->count == 1;
    sums->largest = body->count > sums->largest ? body->count : sums->largest;
    sums->formats[body->format]++;
    for (size_t i = 0; i < body->count; i++) {
        count_word(sums, body->statuses[i].status);
    }
}

static void assert_share(size_t part, size_t all, double least, double most)
{
    const double share = (double)part / (double)all;
    if (share < least || share > most) {
        fail_msg("%zu of %zu are not %g..%g", part, all, least, most);
    }
}

/* As the header says: most bodies have one status, most are JSON, most messages are read. */
static void test_proportions(void **state)
{
    (void)state;
    Traffic *traffic = traffic_new(&usual);
    Buffer bytes = {0};
    Sums sums = {0};
    while (sums.statuses < 40000) {
        TrafficBody body;
        buffer_clear(&bytes);
        assert_true(traffic_next(traffic, &bytes, &body));
        add_body(&sums, &body);
    }
    assert_share(sums.single, sums.bodies, 0.83, 0.87);
    assert_int_equal(sums.largest, 20);
    assert_share(sums.formats[FORMAT_JSON], sums.bodies, 0.88, 0.92);
    assert_share(sums.formats[FORMAT_XML], sums.bodies, 0.04, 0.06);
    assert_share(sums.formats[FORMAT_FORM], sums.bodies, 0.04, 0.06);
    assert_int_equal(sums.others, 0);
    const size_t messages = sums.sent + sums.failed; /* of failed ones, 40 % were sent before */
    assert_share(sums.failed, messages, 0.03, 0.05);
    assert_share(sums.delivered, sums.sent, 0.87, 0.97);
    assert_share(sums.read, sums.sent, 0.58, 0.74);
    buffer_free(&bytes);
    traffic_free(traffic);
}

static void test_failed_share(void **state)
{
    (void)state;
    static const double shares[] = {0, 0.5, 1};
    for (size_t i = 0; i < COUNT(shares); i++) {
        TrafficSettings settings = usual;
        settings.failed = shares[i];
        Traffic *traffic = traffic_new(&settings);
        Buffer bytes = {0};
        Sums sums = {0};
        for (size_t k = 0; k < 5000; k++) {
            TrafficBody body;
            buffer_clear(&bytes);
            assert_true(traffic_next(traffic, &bytes, &body));
            add_body(&sums, &body);
        }
        assert_int_equal(sums.failed == 0, shares[i] == 0);
        assert_int_equal(sums.delivered == 0, shares[i] == 1);
        buffer_free(&bytes);
        traffic_free(traffic);
    }
}

/* What is known of a message, by the number at the end of its id; see seen_of(). */
typedef struct {
    unsigned words; /* a bit each: sent, delivered, read, failed */
} Seen;

static unsigned char value_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = strchr(digits, c);
    return at && c ? (unsigned char)(at - digits) : 0;
}

/* The bytes of an id: 1C 18 length recipient 15 02 00 11 18 12 18 digits 00. */
static size_t decode_id(const char *id, unsigned char to[64])
{
    assert_memory_equal(id, "wamid.", 6);
    size_t len = 0;
    for (const char *at = id + 6; *at; at += 4) {
        const unsigned group = (unsigned)value_of(at[0]) << 18 | (unsigned)value_of(at[1]) << 12 |
                               (unsigned)value_of(at[2]) << 6 | value_of(at[3]);
        to[len++] = (unsigned char)(group >> 16);
        to[len++] = (unsigned char)(group >> 8);
        to[len++] = (unsigned char)group;
    }
    return len;
}

static Seen *seen_of(Seen *all, size_t room, const char *id)
{
    unsigned char bytes[64] = {0};
    decode_id(id, bytes);
    assert_memory_equal(bytes, "\x1C\x18", 2);
    const unsigned char *digits = bytes + 3 + bytes[2] + 6;
    assert_memory_equal(digits - 6, "\x15\x02\0\x11\x18\x12", 6);
    const unsigned long number = strtoul((const char *)digits + 10, NULL, 16);
    assert_true(number < room);
    return &all[number];
}

/* No status comes twice, none before its message was sent; some reads overtake; of those that fail
 * some were sent. */
static void test_stories(void **state)
{
    (void)state;
    enum { MESSAGES = 20000 };
    static Seen all[MESSAGES];
    size_t overtaken = 0, delivered = 0, failed = 0, failed_later = 0;
    Traffic *traffic = traffic_new(&usual);
    Buffer bytes = {0};
    for (size_t k = 0; k < 20000; k++) {
        TrafficBody body;
        buffer_clear(&bytes);
        assert_true(traffic_next(traffic, &bytes, &body));
        for (size_t i = 0; i < body.count; i++) {
            const TrafficStatus *status = &body.statuses[i];
            Seen *seen = seen_of(all, MESSAGES, status->id);
            const unsigned bit = status->status[0] == 's'   ? 1
                                 : status->status[0] == 'd' ? 2
                                 : status->status[0] == 'r' ? 4
                                                            : 8;
            assert_false(seen->words & bit);
            assert_true(bit == 1 || bit == 8 || seen->words & 1);
            assert_false(seen->words & 8);
            delivered += bit == 2;
            overtaken += bit == 2 && seen->words & 4;
            failed += bit == 8;
            failed_later += bit == 8 && seen->words & 1;
            seen->words |= bit;
        }
    }
    assert_share(overtaken, delivered, 0.01, 0.03);
    assert_share(failed_later, failed, 0.3, 0.5);
    buffer_free(&bytes);
    traffic_free(traffic);
}

static void test_times(void **state)
{
    (void)state;
    Traffic *traffic = traffic_new(&usual);
    Buffer bytes = {0};
    size_t statuses = 0;
    while (statuses < 5000) { /* ten seconds */
        TrafficBody body;
        buffer_clear(&bytes);
        assert_true(traffic_next(traffic, &bytes, &body));
        for (size_t i = 0; i < body.count; i++) {
            const int64_t now = usual.start + (int64_t)(statuses++ / 500);
            assert_in_range(body.statuses[i].timestamp, usual.start, now);
        }
    }
    buffer_free(&bytes);
    traffic_free(traffic);
}

/* The bytes of the first bodies, one after the other; the caller frees them. */
static Buffer first_bodies(const TrafficSettings *settings, size_t count)
{
    Traffic *traffic = traffic_new(settings);
    Buffer all = {0};
    for (size_t i = 0; i < count; i++) {
        TrafficBody body;
        Buffer bytes = {0};
        assert_true(traffic_next(traffic, &bytes, &body));
        assert_true(buffer_reserve(&all, bytes.len));
        memcpy(all.ptr + all.len, bytes.ptr, bytes.len);
        all.len += bytes.len;
        buffer_free(&bytes);
    }
    traffic_free(traffic);
    return all;
}

static void test_seeds(void **state)
{
    (void)state;
    TrafficSettings other = usual;
    other.seed++;
    Buffer a = first_bodies(&usual, 50), b = first_bodies(&usual, 50), c = first_bodies(&other, 50);
    assert_true(str_eq((Str){a.ptr, a.len}, (Str){b.ptr, b.len}));
    assert_false(str_eq((Str){a.ptr, a.len}, (Str){c.ptr, c.len}));
    buffer_free(&a);
    buffer_free(&b);
    buffer_free(&c);
}

/* Drops each `what` of a text, in place, and puts `with`, which is as long or shorter, there. */
static void replace(char *text, const char *what, const char *with)
{
    for (char *at = text; (at = strstr(at, what)); at += strlen(with)) {
        memcpy(at, with, strlen(with));
        memmove(at + strlen(with), at + strlen(what), strlen(at + strlen(what)) + 1);
    }
}

/* A payload as text, without what JSON spells in its own way: \/, and true beside "true". */
static char *text_of(Str body, Format format)
{
    static const MediaType types[] = {
        {.format = FORMAT_JSON}, {.format = FORMAT_XML}, {.format = FORMAT_FORM}};
    Arena *arena = arena_new();
    Payload payload;
    Error error;
    if (!payload_decode(types[format], body, arena, &payload, &error)) {
        fail_msg("%s", error.text);
    }
    assert_int_equal(payload.quarantined_count + payload.ignored + payload.dropped_members, 0);
    char *text = payload_text(&payload);
    arena_free(arena);
    replace(text, "\\x5C/", "/");
    replace(text, "\"billable\":\"true\"", "\"billable\":true");
    replace(text, "\"billable\":\"false\"", "\"billable\":false");
    return text;
}

/* Our own codecs read the three formats as the same, and as what the generator says it wrote. */
static void test_formats(void **state)
{
    (void)state;
    Traffic *traffic[3];
    for (int format = 0; format < 3; format++) {
        TrafficSettings settings = usual;
        settings.format = format;
        settings.failed = 0.5;
        traffic[format] = traffic_new(&settings);
    }
    for (size_t k = 0; k < 500; k++) {
        char *texts[3];
        for (int format = 0; format < 3; format++) {
            TrafficBody body;
            Buffer bytes = {0};
            assert_true(traffic_next(traffic[format], &bytes, &body));
            assert_int_equal(body.format, format);
            texts[format] = text_of((Str){bytes.ptr, bytes.len}, body.format);
            assert_non_null(strstr(texts[format], body.statuses[body.count - 1].id));
            buffer_free(&bytes);
        }
        assert_string_equal(texts[FORMAT_XML], texts[FORMAT_JSON]);
        assert_string_equal(texts[FORMAT_FORM], texts[FORMAT_JSON]);
        for (size_t i = 0; i < 3; i++) {
            free(texts[i]);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        traffic_free(traffic[i]);
    }
}

/* The largest body there can be, in each format. */
static void test_largest(void **state)
{
    (void)state;
    for (int format = 0; format < 3; format++) {
        TrafficSettings settings = usual;
        settings.format = format;
        settings.failed = 1;
        settings.batch = TRAFFIC_BATCH_MOST;
        Traffic *traffic = traffic_new(&settings);
        TrafficBody body;
        Buffer bytes = {0};
        for (size_t i = 0; i < 3; i++) {
            bytes.len = 0;
            assert_true(traffic_next(traffic, &bytes, &body));
            assert_int_equal(body.count, TRAFFIC_BATCH_MOST);
            assert_true(bytes.len < 3 << 20); /* the default of MAX_BODY */
        }
        free(text_of((Str){bytes.ptr, bytes.len}, body.format));
        buffer_free(&bytes);
        traffic_free(traffic);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proportions), cmocka_unit_test(test_failed_share),
        cmocka_unit_test(test_stories),     cmocka_unit_test(test_times),
        cmocka_unit_test(test_seeds),       cmocka_unit_test(test_formats),
        cmocka_unit_test(test_largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
