#include "unit.h"

#include "process/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[64], path[80];
static Config config;
static Error error;

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/tickstream-listener-XXXXXX");
    if (!mkdtemp(folder)) {
        return -1;
    }
    snprintf(path, sizeof(path), "%s/socket", folder);
    config = (Config){.socket_mode = 0640};
    snprintf(config.listen, sizeof(config.listen), "unix:%s", path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static bool exists(void)
{
    struct stat file;
    return lstat(path, &file) == 0;
}

/* A socket of another process at our path; with a queue of none when it listens. */
static int other_socket(bool listens)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(listens ? listen(fd, 0) : 0, 0);
    return fd;
}

static int connect_to(int flags)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (connect(fd, (const struct sockaddr *)&name, sizeof(name)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void assert_refused(const char *says)
{
    Listener listener = {.fd = -7};
    assert_false(listener_open(&config, &listener, &error));
    assert_int_equal(listener.fd, -7);
    assert_int_equal(error.code, ERROR_SETUP);
    assert_non_null(strstr(error.text, says));
    assert_non_null(strstr(error.text, path));
}

static void test_open_and_close(void **state)
{
    (void)state;
    Listener listener;
    struct stat file;
    assert_true(listener_open(&config, &listener, &error));
    assert_true(listener.is_ours && listener_is(listener.fd));
    assert_string_equal(listener_name(&listener, &config), config.listen);
    assert_int_equal(fcntl(listener.fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_int_equal(fcntl(listener.fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0640);
    int client = connect_to(0);
    assert_true(client >= 0 && !listener_is(client));
    close(client);
    listener_close(&listener);
    assert_false(exists());
    listener_close(&listener); /* once more does no harm */
}

static void test_stale_socket_is_replaced(void **state)
{
    (void)state;
    Listener listener;
    close(other_socket(true));
    assert_true(exists());
    assert_true(listener_open(&config, &listener, &error));
    int client = connect_to(0);
    assert_true(client >= 0);
    close(client);
    listener_close(&listener);
}

static void test_socket_in_use_is_left_alone(void **state)
{
    (void)state;
    int other = other_socket(true);
    assert_refused("another process listens on");
    assert_true(exists());
    close(other);
}

/* Its owner hangs: a connect() that waits would wait for ever. */
static void test_full_queue(void **state)
{
    (void)state;
    int waiting[64], count = 0, other = other_socket(true);
    while (count < 64 && (waiting[count] = connect_to(SOCK_NONBLOCK)) >= 0) {
        count++;
    }
    assert_in_range(count, 1, 63);
    assert_int_equal(errno, EAGAIN);
    assert_refused("another process listens on");
    assert_true(exists());
    while (count) {
        close(waiting[--count]);
    }
    close(other);
}

static void test_what_is_no_socket_is_left_alone(void **state)
{
    (void)state;
    int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(write(file, "precious", 8), 8);
    close(file);
    assert_refused("is no socket");
    assert_true(exists());
}

/* A socket of another kind cannot be asked. */
static void test_datagram_socket_is_left_alone(void **state)
{
    (void)state;
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, path, strlen(path) + 1);
    int other = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(other, (const struct sockaddr *)&name, sizeof(name)), 0);
    assert_refused("cannot ask");
    close(other);
}

/* Only root can be refused here: it becomes somebody else for a while. */
static void test_socket_of_another_user(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    int other = other_socket(true);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(chmod(folder, 0777), 0);
    assert_int_equal(seteuid(65534), 0);
    assert_refused("Permission denied");
    assert_int_equal(seteuid(0), 0);
    assert_true(exists());
    close(other);
}

/* Somebody has removed our socket and put another in its place. */
static void test_only_our_own_file_is_removed(void **state)
{
    (void)state;
    Listener listener;
    assert_true(listener_open(&config, &listener, &error));
    unlink(path);
    int other = other_socket(true);
    listener_close(&listener);
    assert_true(exists());
    close(other);
}

static void test_no_such_group(void **state)
{
    (void)state;
    snprintf(config.socket_group, sizeof(config.socket_group), "no-such-group-here");
    Listener listener;
    assert_false(listener_open(&config, &listener, &error));
    assert_non_null(strstr(error.text, "no-such-group-here"));
    assert_false(exists());
}

static void test_tcp(void **state)
{
    (void)state;
    Listener listener;
    snprintf(config.listen, sizeof(config.listen), "127.0.0.1:0");
    assert_true(listener_open(&config, &listener, &error));
    assert_true(listener.is_ours && listener_is(listener.fd) && !listener.path[0]);
    listener_close(&listener);
}

/* Standard input is a listening socket, as spawn-fcgi hands it over. */
static void test_inherited_as_standard_input(void **state)
{
    (void)state;
    Listener listener;
    int before = dup(STDIN_FILENO), other = other_socket(true);
    assert_int_equal(dup2(other, STDIN_FILENO), STDIN_FILENO);
    close(other);
    assert_true(listener_is(STDIN_FILENO));
    assert_true(listener_open(&config, &listener, &error));
    assert_int_equal(listener.fd, STDIN_FILENO);
    assert_false(listener.is_ours);
    assert_string_equal(listener_name(&listener, &config), "the inherited socket");
    listener_close(&listener);
    assert_true(exists()); /* it is not ours */
    assert_int_equal(dup2(before, STDIN_FILENO), STDIN_FILENO);
    close(before);
    assert_false(listener_is(STDIN_FILENO));
}

/* Systemd says that it passes one, and does not. */
static void test_inherited_is_no_socket(void **state)
{
    (void)state;
    Listener listener;
    int before = dup(3), null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(null, 3);
    setenv("LISTEN_FDS", "1", 1);
    assert_false(listener_open(&config, &listener, &error));
    unsetenv("LISTEN_FDS");
    assert_non_null(strstr(error.text, "the inherited socket"));
    if (before >= 0) {
        dup2(before, 3);
        close(before);
    }
    if (null != 3) {
        close(null);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_open_and_close),
        TEST(test_stale_socket_is_replaced),
        TEST(test_socket_in_use_is_left_alone),
        TEST(test_full_queue),
        TEST(test_what_is_no_socket_is_left_alone),
        TEST(test_datagram_socket_is_left_alone),
        TEST(test_socket_of_another_user),
        TEST(test_only_our_own_file_is_removed),
        TEST(test_no_such_group),
        TEST(test_tcp),
        TEST(test_inherited_as_standard_input),
        TEST(test_inherited_is_no_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
