/*
 * The JSON scanner alone against jansson: each reads every value of a body, many times. The scanner walks into
 * every object and array and takes the meaning of every scalar; jansson has done so once its tree is there.
 *
 *     bench-scan FILE        prints two numbers, MB/s of the scanner and of jansson, each its best of ROUNDS
 */
#include "bench_jansson.h"
#include "file.h"
#include "payload/json_scan.h"

#include <time.h>

enum { ROUNDS = 7 };
static const double round_seconds = 0.15;

static Arena *arena;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Reads the next value and all in it; returns how many scalars there are. */
static size_t walk(JsonScanner *scan)
{
    JsonKind kind;
    JsonValue value;
    Str content;
    size_t count = 0;
    if (!json_peek(scan, &kind)) {
        return 0;
    }
    if (kind == JSON_OBJECT) {
        for (json_enter(scan, kind); json_member(scan, &value);) {
            count += walk(scan);
        }
    } else if (kind == JSON_ARRAY) {
        for (json_enter(scan, kind); json_element(scan);) {
            count += walk(scan);
        }
    } else if (json_value(scan, &value) && json_content(&value, arena, &content)) {
        count = 1;
    }
    return count;
}

static size_t scan_count(Str body)
{
    Error error;
    JsonScanner scan;
    json_begin(&scan, body, &error);
    size_t count = walk(&scan);
    arena_reset(arena);
    return json_end(&scan) ? count : 0;
}

static void scan_once(Str body)
{
    scan_count(body);
}

/* Megabytes a second. */
static double speed(void (*once)(Str body), Str body)
{
    double begin = now(), spent;
    size_t times = 0;
    do {
        once(body);
        times++;
    } while ((spent = now() - begin) < round_seconds);
    return (double)(times * body.len) / spent / 1e6;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: bench-scan FILE\n");
        return 2;
    }
    Str body = file_read(argv[1]);
    arena = arena_new();
    if (!arena || !scan_count(body) || scan_count(body) != jansson_count(body)) {
        fprintf(stderr, "bench-scan: the two do not read the same\n");
        return 1;
    }
    double scanner = 0, jansson = 0;
    for (int i = 0; i < ROUNDS; i++) {
        double a = speed(scan_once, body), b = speed(jansson_once, body);
        scanner = a > scanner ? a : scanner;
        jansson = b > jansson ? b : jansson;
    }
    printf("%.0f %.0f\n", scanner, jansson);
    arena_free(arena);
    return 0;
}
