#include "commands/doctor.h"

#include "base/address.h"
#include "commands/doctor_nginx.h"
#include "http/fcgi_client.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TIMEOUT = 3000 /* milliseconds for an answer of a worker */ };

void check_settings(Doctor *doctor)
{
    const Config *config = &doctor->config;
    Finding finding =
        config->path ? found(GRADE_OK, "", "%.300s and the environment are in order", config->path)
                     : found(GRADE_OK, "", "those of the environment are in order");
    doctor_tell(doctor, "", &finding);
    finding = judge_trim(&config->keep);
    doctor_tell(doctor, "", &finding);
    if (config->redis_tls_verify == TLS_CHAIN) {
        finding = found(GRADE_WARN, "set REDIS_TLS_NAME to the name in Redis' certificate instead",
                        "REDIS_TLS_VERIFY=chain: any certificate of a trusted CA is taken for that "
                        "of Redis");
        doctor_tell(doctor, "", &finding);
    }
    if (!config->require_durable) {
        finding = found(GRADE_NOTE, "",
                        "REQUIRE_DURABLE=false: a Redis that evicts or forgets is written to all "
                        "the same");
        doctor_tell(doctor, "", &finding);
    }
}

/* Each fault once, whichever of the values has it. */
static void look_at_secrets(Doctor *doctor, const char *setting, const Secrets *secrets)
{
    unsigned faults = 0;
    Finding finding;
    for (size_t i = 0; i < secrets->count; i++) {
        faults |= config_secret_faults(secrets->texts[i]);
    }
    for (unsigned fault = SECRET_SHORT; fault <= SECRET_PUBLIC; fault <<= 1) {
        if (faults & fault) {
            finding = judge_secrets(setting, fault, secrets->count);
            doctor_tell(doctor, "", &finding);
        }
    }
    if (!faults) {
        finding =
            secrets->count ? judge_secrets(setting, 0, secrets->count) : judge_no_secret(setting);
        doctor_tell(doctor, "", &finding);
    }
}

void check_secrets(Doctor *doctor)
{
    look_at_secrets(doctor, "APP_SECRET", &doctor->config.app_secrets);
    look_at_secrets(doctor, "VERIFY_TOKEN", &doctor->config.verify_tokens);
}

static void look_at_file(Doctor *doctor, const SecretFile *file)
{
    struct stat is;
    const unsigned mode = stat(file->path, &is) == 0 ? (unsigned)is.st_mode : 0;
    const Finding finding = judge_secret_file(file, mode);
    doctor_tell(doctor, "", &finding);
}

void check_files(Doctor *doctor)
{
    const Config *config = &doctor->config;
    for (size_t i = 0; i < config->secret_file_count; i++) {
        look_at_file(doctor, &config->secret_files[i]);
    }
    if (config->redis_tls_key[0]) {
        SecretFile key = {.setting = "REDIS_TLS_KEY"};
        snprintf(key.path, sizeof(key.path), "%s", config->redis_tls_key);
        look_at_file(doctor, &key);
    } else if (!config->secret_file_count) {
        const Finding finding = found(GRADE_OK, "", "no file holds a secret");
        doctor_tell(doctor, "", &finding);
    }
}

/* Without its files it is known only what they must be. */
static Finding judge_unread_nginx(const Doctor *doctor, const char *why)
{
    const DoctorOptions *options = &doctor->options;
    if (options->is_nginx_given) {
        return found(GRADE_FAIL, "name the file or the directory that nginx reads",
                     "--nginx %.200s: %s", options->nginx, why);
    }
    if (doctor->config.dedupe_window == 0) {
        return found(GRADE_WARN, "name it with --nginx; it must include tickstream-once.conf",
                     "DEDUPE_WINDOW is 0, and there is no tickstream-pass.conf in %.200s to tell "
                     "whether nginx repeats a POST, which is stored twice then",
                     options->nginx);
    }
    return found(GRADE_NOTE, "",
                 "not looked at: there is no tickstream-pass.conf in %.200s; --nginx names another "
                 "place",
                 options->nginx);
}

void check_nginx(Doctor *doctor)
{
    const Config *config = &doctor->config;
    NginxFacts facts;
    Error error;
    Finding finding;
    if (!nginx_read(doctor->options.nginx, &facts, &error)) {
        finding = judge_unread_nginx(doctor, error.text);
        doctor_tell(doctor, "", &finding);
        return;
    }
    finding = judge_repetition(&facts, config->dedupe_window);
    doctor_tell(doctor, doctor->options.nginx, &finding);
    finding = judge_nginx_limits(&facts, config);
    doctor_tell(doctor, doctor->options.nginx, &finding);
}

void check_workers(Doctor *doctor)
{
    const char *listen = doctor->config.listen;
    FcgiAnswer answer = {0};
    Error error = {0};
    const int fd = address_connect(listen, TIMEOUT, &error);
    const bool answers =
        fd >= 0 && fcgi_client_get(fd, STR("/readyz"), TIMEOUT, doctor->arena, &answer, &error);
    const Finding finding = judge_workers(answers ? answer.status : 0, error.text);
    if (fd >= 0) {
        close(fd);
    }
    doctor_tell(doctor, listen, &finding);
}

/* The machine */

static bool is_here(const RedisServers *servers)
{
    static const Str begins[] = {STR_INIT("127."), STR_INIT("localhost"), STR_INIT("::1")};
    const Str host = str_from(servers->server.host);
    bool is_local = servers->server.unix_socket;
    for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
        is_local = is_local || str_starts_with(host, begins[i]);
    }
    return is_local;
}

/* The first bytes of a file; absent: it cannot be read. */
static Str read_line(const char *path, char *to, size_t room)
{
    FILE *file = fopen(path, "re");
    const size_t len = file ? fread(to, 1, room, file) : 0;
    if (file) {
        fclose(file);
    }
    return len ? (Str){to, len} : (Str){NULL, 0};
}

void check_host(Doctor *doctor)
{
    char text[64];
    Finding finding = found(GRADE_OK, "", "Redis is on another machine, whose kernel is not seen");
    if (is_here(&doctor->config.redis)) {
        const Str overcommit = read_line("/proc/sys/vm/overcommit_memory", text, sizeof(text));
        finding = judge_overcommit(overcommit.len ? overcommit.ptr[0] : '\0');
        doctor_tell(doctor, "", &finding);
        finding = judge_huge_pages(
            read_line("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof(text)));
    }
    doctor_tell(doctor, "", &finding);
}
