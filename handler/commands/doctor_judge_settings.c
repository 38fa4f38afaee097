#include "commands/doctor_judge.h"

#include <stdarg.h>
#include <stdio.h>

Finding found(Grade grade, const char *remedy, const char *format, ...)
{
    Finding finding = {.grade = grade};
    va_list args;
    va_start(args, format);
    vsnprintf(finding.what, sizeof(finding.what), format, args);
    va_end(args);
    snprintf(finding.remedy, sizeof(finding.remedy), "%s", remedy);
    return finding;
}

/* An app's secret is the sender's to make, a token is ours. */
static const char *new_one(const char *setting)
{
    return strcmp(setting, "APP_SECRET") == 0
               ? "take the app secret that the sender signs with (Meta: App settings, Basic; it "
                 "can "
                 "be reset there), then reload"
               : "make another one (openssl rand -hex 32), reload, and write it into the sender's "
                 "configuration";
}

Finding judge_secrets(const char *setting, unsigned fault, size_t count)
{
    switch (fault) {
    case SECRET_SHORT:
        return found(GRADE_WARN, new_one(setting),
                     "%s: one has fewer than %d characters, and can be guessed", setting,
                     LIMIT_SECRET_LEAST);
    case SECRET_BLANKS:
        return found(GRADE_WARN, "remove the blanks, unless the sender's has them too",
                     "%s: one has blanks at an end, which are taken for a part of it", setting);
    case SECRET_PUBLIC:
        return found(GRADE_WARN, new_one(setting),
                     "%s: one is that of the demo, which everybody knows", setting);
    default:
        return found(GRADE_OK, "", "%s: %zu %s", setting, count, count == 1 ? "value" : "values");
    }
}

Finding judge_no_secret(const char *setting)
{
    if (strcmp(setting, "APP_SECRET") == 0) {
        return found(GRADE_WARN, "set APP_SECRET to the app's secret, and ALLOW_UNSIGNED to false",
                     "ALLOW_UNSIGNED: there is no APP_SECRET, so everybody who reaches the service "
                     "can write to the stream");
    }
    return found(GRADE_WARN,
                 "set VERIFY_TOKEN to the text that stands in the sender's configuration",
                 "VERIFY_TOKEN: there is none, so the handshake of a sender is answered 403");
}

Finding judge_secret_file(const SecretFile *file, unsigned mode)
{
    char remedy[FINDING_TEXT];
    snprintf(remedy, sizeof(remedy), "chmod 600 %.300s", file->path);
    if (mode == 0) {
        return found(GRADE_NOTE, "", "%.300s, which holds %s, cannot be looked at", file->path,
                     file->setting);
    }
    if (mode & 0006) {
        return found(GRADE_WARN, remedy, "everybody on this machine may %s %.300s, which holds %s",
                     mode & 0002 ? "write to" : "read", file->path, file->setting);
    }
    return found(GRADE_OK, "", "%.300s is kept from others (%s)", file->path, file->setting);
}

Finding judge_trim(const Keep *keep)
{
    if (keep->trim == TRIM_OFF) {
        return found(GRADE_WARN, "set TRIM=acked, and give each consumer a group",
                     "TRIM=off: nothing is ever removed from the stream, and once Redis is full "
                     "posts are answered 503");
    }
    return found(GRADE_OK, "", "TRIM=acked: what all groups have acknowledged is removed");
}

Finding judge_repetition(const NginxFacts *nginx, int64_t window)
{
    if (window == 0 && nginx->repeats) {
        return found(GRADE_FAIL,
                     "put tickstream-once.conf in the place of tickstream-repeat.conf and reload "
                     "nginx, or set a DEDUPE_WINDOW",
                     "DEDUPE_WINDOW is 0 and nginx sends a POST once more when a worker dies: it "
                     "is stored twice then");
    }
    if (window && !nginx->repeats) {
        return found(GRADE_NOTE, "",
                     "nginx does not repeat a POST (tickstream-once.conf): when a worker dies the "
                     "sender gets a 503; with a DEDUPE_WINDOW tickstream-repeat.conf spares it");
    }
    return found(GRADE_OK, "", "nginx %s a POST, as fits this DEDUPE_WINDOW",
                 nginx->repeats ? "repeats" : "does not repeat");
}

Finding judge_nginx_limits(const NginxFacts *nginx, const Config *config)
{
    if (nginx->max_body >= 0 && nginx->max_body != 0 &&
        nginx->max_body < (long long)config->max_body) {
        return found(GRADE_WARN, "set client_max_body_size to MAX_BODY in tickstream-pass.conf",
                     "nginx refuses bodies of more than %lld bytes, MAX_BODY is %zu",
                     nginx->max_body, config->max_body);
    }
    if (nginx->read_timeout >= 0 && nginx->read_timeout <= config->redis_timeout) {
        return found(GRADE_WARN, "set fastcgi_read_timeout to some seconds more than REDIS_TIMEOUT",
                     "nginx waits %lld ms for an answer, and Redis has %lld ms (REDIS_TIMEOUT): "
                     "it hangs up on a worker that still waits",
                     nginx->read_timeout, (long long)config->redis_timeout);
    }
    return found(GRADE_OK, "", "nginx's limits go with MAX_BODY and REDIS_TIMEOUT");
}

Finding judge_workers(int status, const char *why)
{
    if (status == 200) {
        return found(GRADE_OK, "", "the workers serve, and say that they are ready");
    }
    if (status) {
        return found(GRADE_FAIL,
                     "see what fails below, and GET /readyz?verbose, which tells it of each "
                     "partition",
                     "the workers answer /readyz with %d: statuses are refused", status);
    }
    return found(GRADE_WARN,
                 "start the service, or look at its log: systemctl status tickstream; elsewhere, "
                 "and with a socket of systemd at another address, this may be as it should be",
                 "no worker answers at LISTEN: %.200s", why);
}

Finding judge_overcommit(char setting)
{
    if (setting == '0') {
        return found(GRADE_WARN, "sysctl vm.overcommit_memory=1, and the same in /etc/sysctl.d",
                     "vm.overcommit_memory is 0: with half of the memory in use Redis may fail to "
                     "rewrite its append-only file");
    }
    return setting ? found(GRADE_OK, "", "vm.overcommit_memory is %c", setting)
                   : found(GRADE_NOTE, "", "vm.overcommit_memory cannot be read");
}

Finding judge_huge_pages(Str setting)
{
    if (str_starts_with(setting, STR("[always]"))) {
        return found(GRADE_WARN,
                     "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled, at each boot",
                     "transparent huge pages are always used: Redis is slower, and needs more "
                     "memory, while it rewrites its append-only file");
    }
    return setting.ptr ? found(GRADE_OK, "", "transparent huge pages are not forced")
                       : found(GRADE_NOTE, "", "transparent huge pages cannot be looked at");
}
