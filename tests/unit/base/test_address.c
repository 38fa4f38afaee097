#include "unit.h"

#include "base/address.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

static void test_resolve(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int family; /* 0: refused */
        const char *why;
    } cases[] = {
        {"unix:/run/x.sock", AF_UNIX, ""},
        {"unix:", 0, "not a path of 1 to 107 bytes"},
        {"127.0.0.1:9000", AF_INET, ""},
        {"[::1]:9000", AF_INET6, ""},
        {"::1:9000", AF_INET6, ""}, /* the last colon is the port's */
        {"127.0.0.1", 0, "neither unix:PATH nor HOST:PORT"},
        {"127.0.0.1:http", 0, "cannot resolve 127.0.0.1:http"},
        {"", 0, "neither"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        SocketAddress address = {0};
        Error error = {0};
        bool ok = address_resolve(cases[i].text, &address, &error);
        if (ok != (cases[i].family != 0) || address.name.ss_family != cases[i].family ||
            !strstr(error.text, cases[i].why) || (!ok && error.code != ERROR_SETUP)) {
            fail_msg("%s: family %d, %s", cases[i].text, address.name.ss_family, error.text);
        }
    }
}

static void test_path_length(void **state)
{
    (void)state;
    char text[5 + LIMIT_UNIX_PATH + 1] = "unix:";
    SocketAddress address;
    Error error;
    memset(text + 5, 'x', LIMIT_UNIX_PATH);
    assert_false(address_resolve(text, &address, &error));
    text[5 + LIMIT_UNIX_PATH - 1] = '\0';
    assert_true(address_resolve(text, &address, &error));
    assert_string_equal(((struct sockaddr_un *)&address.name)->sun_path, text + 5);
}

static void test_wildcard(void **state)
{
    (void)state;
    SocketAddress address;
    Error error;
    assert_true(address_resolve("*:0", &address, &error));
    assert_true(address_resolve(":0", &address, &error));
    assert_true(address_resolve("0.0.0.0:0", &address, &error));
    assert_int_equal(((struct sockaddr_in *)&address.name)->sin_addr.s_addr, 0);
}

/* Listens on text with a queue of this length; fills in the port. */
static int listen_on(const char *text, int queue)
{
    SocketAddress address;
    Error error;
    assert_true(address_resolve(text, &address, &error));
    int fd = socket(address.name.ss_family, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address.name, address.len), 0);
    assert_int_equal(listen(fd, queue), 0);
    return fd;
}

static void test_connect_tcp(void **state)
{
    (void)state;
    struct sockaddr_in name;
    socklen_t len = sizeof(name);
    char text[40];
    Error error;
    int listener = listen_on("127.0.0.1:0", 5);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&name, &len), 0);
    snprintf(text, sizeof(text), "0.0.0.0:%d", ntohs(name.sin_port));
    int fd = address_connect(text, 1000, &error);
    assert_true(fd >= 0);
    close(fd);
    close(listener);
    assert_int_equal(address_connect(text, 1000, &error), -1);
    assert_int_equal(errno, ECONNREFUSED);
    assert_non_null(strstr(error.text, "Connection refused"));
}

/* A full queue is told at once: nobody waits for an owner who may be dead. */
static void test_connect_unix(void **state)
{
    (void)state;
    char folder[] = "/tmp/tickstream-unit-XXXXXX", text[64];
    Error error;
    assert_non_null(mkdtemp(folder));
    snprintf(text, sizeof(text), "unix:%s/s", folder);
    assert_int_equal(address_connect(text, 1000, &error), -1);
    assert_int_equal(errno, ENOENT);
    int listener = listen_on(text, 0), waiting[4], count = 0;
    while (count < 4 && (waiting[count] = address_connect(text, 1000, &error)) >= 0) {
        count++;
    }
    assert_in_range(count, 1, 3);
    assert_int_equal(errno, EAGAIN);
    while (count > 0) {
        close(waiting[--count]);
    }
    close(listener);
    assert_int_equal(address_connect(text, 1000, &error), -1);
    assert_int_equal(errno, ECONNREFUSED);
    unlink(text + 5);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolve),      cmocka_unit_test(test_path_length),
        cmocka_unit_test(test_wildcard),     cmocka_unit_test(test_connect_tcp),
        cmocka_unit_test(test_connect_unix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
