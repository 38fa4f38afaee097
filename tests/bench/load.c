/* An HTTP client on one thread, with an open or a closed loop.
 *
 * Open, at a fixed rate: request number k is due at start + k / rate, whatever became of those before it, and
 * its latency counts from when it was due.  A server that stalls is so charged for every request that had to
 * wait (a client that sends the next request after the last answer leaves those out).  The first second is not
 * counted.
 *
 * Closed, with RATE 0: each connection sends its next request when it has its answer, for SECONDS; what is under
 * way then is waited for, so that every request that was sent has its answer.  As a batch process, so that it
 * takes its turn on the cores that it shares with the servers and does not interrupt them at each answer.  With
 * ONCE it ends at the file's last request, so that none comes again.
 *
 * load PORT FILE SIZE RATE SECONDS CONNECTIONS [once]
 * FILE holds requests of SIZE bytes each, sent in turn to 127.0.0.1:PORT over kept-alive connections; one that is
 * due while all of them are busy waits for the first free one.  Prints one JSON object, latencies in microseconds:
 * measured are the answers that count, in so many seconds, repeated the requests after the file's last. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 1024, ANSWER = 8192, WARM_UP = 1, PATIENCE = 10 };
#define SECOND 1000000000ULL

struct connection {
    int fd;
    uint64_t due;      /* of the request in flight */
    size_t sent, got;  /* bytes of it, and of its answer */
    const char *request;
    char answer[ANSWER + 1];
};

static struct connection connections[MAX_CONNECTIONS];
static struct connection *idle[MAX_CONNECTIONS]; /* a ring: each connection takes its turn */
static unsigned first_idle, idles;
static int queue, timer;
static const char *requests;
static size_t size, count;
static struct sockaddr_in server;
static uint64_t start, end;              /* nothing is sent any more from end on */
static uint64_t interval, next, total;   /* the interval is in picoseconds, 0 in a closed loop */
static uint64_t finished, refused, broken, measured;
static uint32_t *latencies;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static uint64_t due_time(uint64_t k)
{
    return start + k * interval / 1000;
}

static void put_idle(struct connection *c)
{
    idle[(first_idle + idles++) % MAX_CONNECTIONS] = c;
}

static struct connection *take_idle(void)
{
    idles--;
    return idle[first_idle++ % MAX_CONNECTIONS];
}

static void watch(int op, struct connection *c, int fd, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = c};
    if (epoll_ctl(queue, op, fd, &e)) {
        die("epoll_ctl");
    }
}

static void open_connection(struct connection *c)
{
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&server, sizeof server)) {
        die("connect");
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    watch(EPOLL_CTL_ADD, c, c->fd, EPOLLIN);
}

static void reopen(struct connection *c)
{
    close(c->fd);
    open_connection(c);
}

/* Writes what is left; a full socket buffer is waited for, since it only happens with large bodies. */
static void send_rest(struct connection *c)
{
    while (c->sent < size) {
        ssize_t n = send(c->fd, c->request + c->sent, size - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            watch(EPOLL_CTL_MOD, c, c->fd, EPOLLIN | EPOLLOUT);
            return;
        }
        if (n < 0) {
            return; /* the read that follows reports it */
        }
        c->sent += (size_t)n;
    }
}

static void send_due(uint64_t at)
{
    while (idles && next < total && at < end && due_time(next) <= at) {
        struct connection *c = take_idle();
        c->due = due_time(next);
        c->request = requests + next % count * size;
        c->sent = c->got = 0;
        if (++next == total && !interval) {
            end = at; /* from now on there are fewer under way than there are connections */
        }
        send_rest(c);
    }
}

static void finish(struct connection *c, int status)
{
    uint64_t at = now();
    finished++;
    if (status < 200 || status > 299) {
        refused++;
    } else if (!interval) {
        measured += at < end;
    } else if (c->due >= start + WARM_UP * SECOND) {
        latencies[measured++] = (uint32_t)((at - c->due) / 1000);
    }
    put_idle(c);
}

/* 1 when the answer is whole, and its status and whether the server closes.  The headers are as nginx spells
 * them, the body is a line of JSON; without a length it is chunked. */
static int parse_answer(const char *text, size_t got, int *ret_status, int *ret_close)
{
    const char *head = strstr(text, "\r\n\r\n"), *length = strstr(text, "\r\nContent-Length:");
    if (!head) {
        return 0;
    }
    *ret_status = atoi(text + 9);
    *ret_close = strstr(text, "\r\nConnection: close") != NULL;
    if (length) {
        return got >= (size_t)(head + 4 - text) + strtoul(length + 17, NULL, 10);
    }
    return strcmp(text + got - 5, "0\r\n\r\n") == 0;
}

static void lose(struct connection *c)
{
    reopen(c);
    if (c->request) {
        broken++;
        finished++;
        put_idle(c);
    }
    c->request = NULL;
}

static void receive(struct connection *c)
{
    int status, closes;
    ssize_t n = recv(c->fd, c->answer + c->got, ANSWER - c->got, 0);
    if (n < 0 && errno == EAGAIN) {
        return;
    }
    if (n <= 0) {
        lose(c);
        return;
    }
    c->got += (size_t)n;
    c->answer[c->got] = '\0';
    if (!parse_answer(c->answer, c->got, &status, &closes)) {
        return;
    }
    if (closes) {
        reopen(c);
    }
    c->request = NULL;
    finish(c, status);
}

static void set_timer(void)
{
    uint64_t at = due_time(next);
    struct itimerspec t = {.it_value = {(time_t)(at / SECOND), (long)(at % SECOND)}};
    if (interval && next < total && idles) {
        timerfd_settime(timer, TFD_TIMER_ABSTIME, &t, NULL);
    }
}

static void handle(const struct epoll_event *e)
{
    struct connection *c = e->data.ptr;
    uint64_t expirations;
    if (!c) {
        if (read(timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN) {
            die("timer");
        }
        return;
    }
    if (e->events & EPOLLOUT) {
        watch(EPOLL_CTL_MOD, c, c->fd, EPOLLIN);
        send_rest(c);
    }
    if (e->events & ~(uint32_t)EPOLLOUT) {
        receive(c);
    }
}

static void run(uint64_t give_up)
{
    struct epoll_event events[256];
    send_due(now());
    for (uint64_t at; (at = now()) < give_up && (finished < next || (next < total && at < end));) {
        set_timer();
        int n = epoll_wait(queue, events, 256, 100);
        for (int i = 0; i < n; i++) {
            handle(&events[i]);
            send_due(now());
        }
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t percentile(double p)
{
    return interval && measured ? latencies[(uint64_t)((double)(measured - 1) * p / 100)] : 0;
}

static void report(void)
{
    if (interval) {
        qsort(latencies, measured, sizeof *latencies, compare);
    }
    printf("{\"due\": %lu, \"answered\": %lu, \"measured\": %lu, \"refused\": %lu, \"broken\": %lu, "
           "\"repeated\": %lu, \"seconds\": %.3f, \"p50\": %u, \"p99\": %u, \"p99.9\": %u, \"max\": %u}\n",
           interval ? total : next, finished - broken, measured, refused, broken, next > count ? next - count : 0,
           interval ? 0 : (double)(end - start) / SECOND,
           percentile(50), percentile(99), percentile(99.9), percentile(100));
}

static void map_requests(const char *path)
{
    struct stat s;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &s)) {
        die(path);
    }
    requests = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (requests == MAP_FAILED) {
        die("mmap");
    }
    count = (size_t)s.st_size / size;
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc != 7 && argc != 8) {
        fprintf(stderr, "usage: load PORT FILE SIZE RATE SECONDS CONNECTIONS [once]\n");
        return 2;
    }
    const double rate = atof(argv[4]), seconds = atof(argv[5]);
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    size = strtoul(argv[3], NULL, 10);
    map_requests(argv[2]);
    queue = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    watch(EPOLL_CTL_ADD, NULL, timer, EPOLLIN);
    int wanted = atoi(argv[6]) < MAX_CONNECTIONS ? atoi(argv[6]) : MAX_CONNECTIONS;
    for (int i = 0; i < wanted; i++) {
        open_connection(&connections[i]);
        put_idle(&connections[i]);
    }
    start = now();
    if (rate > 0) {
        interval = (uint64_t)(1e12 / rate);
        total = (uint64_t)(rate * (seconds + WARM_UP));
        latencies = calloc(total + 1, sizeof *latencies);
        end = UINT64_MAX;
        run(due_time(total) + PATIENCE * SECOND);
    } else {
        sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0});
        total = argc == 8 ? count : UINT64_MAX;
        end = start + (uint64_t)(seconds * SECOND);
        run(end + PATIENCE * SECOND);
    }
    report();
    return 0;
}
