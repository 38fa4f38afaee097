#include "unit.h"

#include "commands/doctor_nginx.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char included[256];

static void note_include(void *arg, Str pattern)
{
    (void)arg;
    snprintf(included + strlen(included), sizeof(included) - strlen(included), "%.*s;",
             STR_ARG(pattern));
}

static void test_texts(void **state)
{
    (void)state;
    static const struct {
        const char *label, *text, *included;
        NginxFacts want;
    } cases[] = {
        {"nothing", "", "", {false, -1, -1}},
        {"others", "server { listen 80; location / { return 404; } }", "", {false, -1, -1}},
        {"repeats", "fastcgi_next_upstream error timeout non_idempotent;", "", {true, -1, -1}},
        {"once", "fastcgi_next_upstream error timeout;", "", {false, -1, -1}},
        {"the last counts",
         "fastcgi_next_upstream non_idempotent;\nfastcgi_next_upstream error;",
         "",
         {false, -1, -1}},
        {"a comment",
         "# fastcgi_next_upstream non_idempotent;\nclient_max_body_size 3m; # 4m;",
         "",
         {false, 3 << 20, -1}},
        {"limits", "client_max_body_size 10;fastcgi_read_timeout 8s;", "", {false, 10, 8000}},
        {"units", "client_max_body_size 12K; fastcgi_read_timeout 500ms;", "", {false, 12288, 500}},
        {"no unit is seconds", "fastcgi_read_timeout 60;", "", {false, -1, 60000}},
        {"no number", "client_max_body_size x; fastcgi_read_timeout;", "", {false, -1, -1}},
        {"quotes",
         "include \"a b;c.conf\"; include 'd.conf';\tinclude /e/*.conf;",
         "a b;c.conf;d.conf;/e/*.conf;",
         {false, -1, -1}},
        {"a quote without an end", "include \"a", "a;", {false, -1, -1}},
        {"braces",
         "http{server{include a;fastcgi_next_upstream non_idempotent;}}",
         "a;",
         {true, -1, -1}},
        {"no end", "fastcgi_next_upstream non_idempotent", "", {true, -1, -1}},
        {"many words",
         "a b c d e f g h i j k l m; client_max_body_size 1k;",
         "",
         {false, 1024, -1}},
        {"a log format",
         "log_format x '$a \"$b\" {' escape=json '}';client_max_body_size 1k;",
         "",
         {false, 1024, -1}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        NginxFacts facts = {.max_body = -1, .read_timeout = -1};
        print_message("  %s\n", cases[i].label);
        included[0] = '\0';
        nginx_take(&facts, str_from(cases[i].text), note_include, NULL);
        assert_string_equal(included, cases[i].included);
        assert_int_equal(facts.repeats, cases[i].want.repeats);
        assert_int_equal(facts.max_body, cases[i].want.max_body);
        assert_int_equal(facts.read_timeout, cases[i].want.read_timeout);
    }
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
}

static void test_files(void **state)
{
    (void)state;
    char folder[] = "/tmp/tickstream-unit-XXXXXX", path[256];
    NginxFacts facts;
    Error error;
    assert_non_null(mkdtemp(folder));
    assert_false(nginx_read(folder, &facts, &error));
    assert_string_equal(error.text, "No such file or directory");
    write_file(folder, "tickstream-pass.conf",
               "include tickstream-r*.conf; include none; include own;");
    write_file(folder, "tickstream-repeat.conf", "fastcgi_next_upstream non_idempotent;");
    write_file(folder, "own", "include own; client_max_body_size 3m; include nginx.conf;");
    write_file(folder, "nginx.conf",
               "http { include tickstream-pass.conf; }"); /* round and round */
    assert_true(nginx_read(folder, &facts, &error));
    assert_true(facts.repeats && facts.max_body == 3 << 20 && facts.read_timeout == -1);
    snprintf(path, sizeof(path), "%s/nginx.conf", folder);
    assert_true(nginx_read(path, &facts, &error));
    assert_true(facts.repeats);
    static const char *const names[] = {"tickstream-pass.conf", "tickstream-repeat.conf", "own",
                                        "nginx.conf"};
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts), cmocka_unit_test(test_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
