#include "unit.h"

#include "base/log.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int pipe_ends[2], before;
static char lines[16384];

/* Standard error goes into a pipe while a test logs. */
static int set_up(void **state)
{
    (void)state;
    before = dup(STDERR_FILENO);
    return before >= 0 && pipe(pipe_ends) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_LOGFMT);
    log_name_process("master");
    close(pipe_ends[0]);
    return close(before);
}

static void begin(void)
{
    fflush(stderr);
    dup2(pipe_ends[1], STDERR_FILENO);
}

/* What was logged since begin(), in `lines`. */
static void end(void)
{
    dup2(before, STDERR_FILENO);
    close(pipe_ends[1]);
    ssize_t len = read(pipe_ends[0], lines, sizeof(lines) - 1);
    lines[len > 0 ? len : 0] = '\0';
}

static void test_logfmt(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_LOGFMT);
    log_name_process("worker 1");
    begin();
    log_line(LOG_WARN, "redis: %s \"%s\"", "lost", "a\nb\\");
    end();
    assert_memory_equal(lines, "time=2", 6);
    assert_string_equal(strstr(lines, " level="),
                        " level=warn process=\"worker 1\" msg=\"redis: lost "
                        "\\\"a\\u000ab\\\\\\\"\"\n");
}

/* Whatever is in it, a line is one JSON document. */
static void test_json(void **state)
{
    (void)state;
    char text[256];
    for (int c = 1; c < 128; c++) {
        text[c - 1] = (char)c;
    }
    text[127] = '\0';
    log_setup(LOG_INFO, LOG_JSON);
    begin();
    log_line(LOG_ERROR, "%s", text);
    end();
    json_auto_t *line = json_loads(lines, 0, NULL);
    assert_non_null(line);
    assert_string_equal(json_string_value(json_object_get(line, "msg")), text);
    assert_string_equal(json_string_value(json_object_get(line, "level")), "error");
    assert_string_equal(json_string_value(json_object_get(line, "process")), "master");
    assert_int_equal(strlen(json_string_value(json_object_get(line, "time"))), 24);
}

/* A long text is cut, and the line stays a line. */
static void test_long(void **state)
{
    (void)state;
    char text[3000];
    memset(text, '\x01', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_setup(LOG_INFO, LOG_JSON);
    begin();
    log_line(LOG_ERROR, "%s", text);
    end();
    json_auto_t *line = json_loads(lines, 0, NULL);
    assert_non_null(line);
    assert_in_range(json_string_length(json_object_get(line, "msg")), 100, 600);
    assert_int_equal(lines[strlen(lines) - 1], '\n');
}

static void test_level(void **state)
{
    (void)state;
    log_setup(LOG_WARN, LOG_LOGFMT);
    begin();
    log_line(LOG_DEBUG, "one");
    log_line(LOG_INFO, "two");
    log_line(LOG_WARN, "three");
    log_line(LOG_ERROR, "four");
    end();
    assert_null(strstr(lines, "one"));
    assert_null(strstr(lines, "two"));
    assert_non_null(strstr(lines, "three"));
    assert_non_null(strstr(lines, "four"));
}

/* Of many lines from one place few are written, and the next one counts those left out. */
static void test_rarely(void **state)
{
    (void)state;
    LogSite site = {0}, other = {0};
    begin();
    for (int i = 0; i < 100; i++) {
        log_rarely(&site, LOG_INFO, "again");
    }
    log_rarely(&other, LOG_INFO, "elsewhere");
    assert_in_range(site.left_out, 1, 99);
    site.second--; /* as if a second had passed */
    site.left_out = 98;
    log_rarely(&site, LOG_INFO, "later");
    end();
    assert_non_null(strstr(lines, "msg=\"again\""));
    assert_non_null(strstr(lines, "msg=\"elsewhere\""));
    assert_non_null(strstr(lines, "msg=\"later (and 98 more like this)\""));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_logfmt), TEST(test_json), TEST(test_long), TEST(test_level), TEST(test_rarely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
