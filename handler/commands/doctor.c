#include "commands/doctor.h"

#include "commands/command.h"
#include "commands/doctor_survey.h"
#include "commands/human.h"
#include "commands/options.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    TIMEOUT = 3000, /* milliseconds for an answer of Redis, at most */
    URL_MOST = 900,
    NAME_WIDTH = 12
};

static const char nginx_home[] = "/etc/nginx";

const DoctorRow doctor_rows[] = {
    {"settings", check_settings, NEEDS_NOTHING},
    {"secrets", check_secrets, NEEDS_NOTHING},
    {"files", check_files, NEEDS_NOTHING},
    {"nginx", check_nginx, NEEDS_NOTHING},
    {"workers", check_workers, NEEDS_NOTHING},
    {"redis", check_redis, NEEDS_REDIS},
    {"version", check_version, NEEDS_REDIS},
    {"partitions", check_partitions, NEEDS_REDIS},
    {"posts", check_posts, NEEDS_REDIS},
    {"rights", check_rights, NEEDS_REDIS},
    {"durability", check_durability, NEEDS_REDIS},
    {"fsync", check_fsync, NEEDS_REDIS},
    {"memory", check_memory, NEEDS_REDIS},
    {"rate", check_rate, NEEDS_REDIS},
    {"replicas", check_replicas, NEEDS_REDIS},
    {"clock", check_clock, NEEDS_REDIS},
    {"moving", check_moving, NEEDS_REDIS},
    {"groups", check_groups, NEEDS_REDIS},
    {"quarantine", check_quarantine, NEEDS_REDIS},
    {"host", check_host, NEEDS_REDIS},
    {"name", check_name, NEEDS_URL},
    {"certificate", check_certificate, NEEDS_URL},
    {"handshake", check_handshake, NEEDS_URL},
    {"signature", check_signature, NEEDS_URL},
    {"unsigned", check_unsigned, NEEDS_URL},
    {"body", check_body_limit, NEEDS_URL},
    {"latency", check_latency, NEEDS_URL},
    {"time", check_time, NEEDS_URL},
};

const size_t doctor_row_count = sizeof(doctor_rows) / sizeof(doctor_rows[0]);

static const char *const grade_names[GRADES] = {"ok", "note", "warn", "fail"};

/* Findings */

static Told *find_same(const Doctor *doctor, const Finding *finding)
{
    for (size_t i = 0; i < doctor->count; i++) {
        Told *told = &doctor->told[i];
        if (told->check == doctor->check && told->finding.grade == finding->grade &&
            strcmp(told->finding.what, finding->what) == 0) {
            return told;
        }
    }
    return NULL;
}

void doctor_tell(Doctor *doctor, const char *where, const Finding *finding)
{
    Finding plain = *finding;
    human_plain(str_from(finding->what), plain.what, sizeof(plain.what));
    Told *same = find_same(doctor, &plain);
    if (same) {
        same->more++;
        return;
    }
    Told *list =
        arena_list_grow(doctor->arena, doctor->told, doctor->count, &doctor->room, sizeof(Told));
    const Str copy = arena_copy(doctor->arena, (Str){where, strlen(where) + 1});
    if (!list || !copy.ptr) {
        doctor->has_failed = true;
        return;
    }
    doctor->told = list;
    list[doctor->count++] = (Told){.check = doctor->check, .finding = plain, .where = copy.ptr};
}

/* Looking */

static bool is_due(const Doctor *doctor, Needs needs)
{
    return needs == NEEDS_URL ? doctor->visit != NULL : needs != NEEDS_REDIS || doctor->survey;
}

static void look(Doctor *doctor)
{
    const Finding nothing = found(GRADE_NOTE, "", "could not be looked at, see what fails above");
    for (size_t i = 0; i < doctor_row_count; i++) {
        const DoctorRow *row = &doctor_rows[i];
        const size_t before = doctor->count;
        if (!is_due(doctor, row->needs)) {
            continue;
        }
        doctor->check = row->name;
        row->look(doctor);
        if (doctor->count == before) {
            doctor_tell(doctor, "", &nothing);
        }
    }
}

static void examine(Doctor *doctor)
{
    Config hurried = doctor->config;
    if (hurried.redis_timeout > TIMEOUT) {
        hurried.redis_timeout = TIMEOUT;
    }
    doctor->survey = survey_take(&hurried, doctor->arena);
    doctor->visit = doctor->options.url ? visit_make(doctor) : NULL;
    doctor->has_failed =
        doctor->has_failed || !doctor->survey || (doctor->options.url && !doctor->visit);
    look(doctor);
    doctor->visit = visit_free(doctor->visit);
    doctor->survey = survey_free(doctor->survey);
}

/* Telling */

static void count_grades(const Doctor *doctor, size_t counts[GRADES])
{
    memset(counts, 0, GRADES * sizeof(counts[0]));
    for (size_t i = 0; i < doctor->count; i++) {
        counts[doctor->told[i].finding.grade]++;
    }
}

static void print_one(const Told *told)
{
    printf("%-4s  %-*s  %s", grade_names[told->finding.grade], NAME_WIDTH, told->check,
           told->finding.what);
    if (told->more) {
        printf(" (%s and %zu more)", told->where, told->more);
    } else if (told->where[0]) {
        printf(" (%s)", told->where);
    }
    printf("\n");
    if (told->finding.remedy[0]) {
        printf("%*s-> %s\n", 4 + 2 + NAME_WIDTH + 2, "", told->finding.remedy);
    }
}

static void print_all(const Doctor *doctor)
{
    size_t counts[GRADES];
    count_grades(doctor, counts);
    for (size_t i = 0; i < doctor->count; i++) {
        print_one(&doctor->told[i]);
    }
    printf("\n%zu ok, %zu notes, %zu warnings, %zu failures\n", counts[GRADE_OK],
           counts[GRADE_NOTE], counts[GRADE_WARN], counts[GRADE_FAIL]);
}

static void add_json(Text *to, const Told *told)
{
    text_add_format(to, "{\"check\":\"%s\",\"grade\":\"%s\",\"what\":", told->check,
                    grade_names[told->finding.grade]);
    text_add_json(to, str_from(told->finding.what));
    text_add(to, STR(",\"remedy\":"));
    text_add_json(to, str_from(told->finding.remedy));
    text_add(to, STR(",\"where\":"));
    text_add_json(to, str_from(told->where));
    text_add_format(to, ",\"more\":%zu}", told->more);
}

/* One list; each finding is a line of it. */
static bool print_json(const Doctor *doctor)
{
    Text text = text_begin(doctor->arena);
    for (size_t i = 0; i < doctor->count; i++) {
        text_add(&text, i ? STR(",\n") : STR("[\n"));
        add_json(&text, &doctor->told[i]);
    }
    text_add(&text, STR("\n]\n"));
    const Str all = text_finish(&text);
    if (all.ptr) {
        printf("%.*s", STR_ARG(all));
    }
    return all.ptr != NULL;
}

static int conclude(Doctor *doctor)
{
    size_t counts[GRADES];
    if (doctor->options.as_json) {
        doctor->has_failed |= !print_json(doctor);
    } else {
        print_all(doctor);
    }
    if (doctor->has_failed) {
        fprintf(stderr, "doctor: out of memory\n");
        return EXIT_TRY_AGAIN;
    }
    count_grades(doctor, counts);
    if (counts[GRADE_FAIL]) {
        fprintf(stderr, "doctor: %zu of %zu findings %s\n", counts[GRADE_FAIL], doctor->count,
                counts[GRADE_FAIL] == 1 ? "is a failure" : "are failures");
        return EXIT_NO;
    }
    return EXIT_DONE;
}

/* The command */

/* A query of its own would stand where the handshake has its. */
static bool is_url(const char *text)
{
    return (strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0) &&
           strlen(text) <= URL_MOST && !strpbrk(text, "?#");
}

static bool understand(int argc, char **argv, DoctorOptions *ret, Error *reterr)
{
    *ret = (DoctorOptions){.rate = 0};
    int first = argc;
    const Option options[] = {{"rate", OPTION_NUMBER, &ret->rate, 1, 1000000, 0},
                              OPTION("nginx", OPTION_TEXT, &ret->nginx),
                              OPTION("ca", OPTION_TEXT, &ret->ca),
                              OPTION("json", OPTION_FLAG, &ret->as_json)};
    if (!options_read(argc, argv, options, sizeof(options) / sizeof(options[0]), &first, reterr)) {
        return false;
    }
    ret->is_nginx_given = ret->nginx != NULL;
    ret->nginx = ret->nginx ? ret->nginx : nginx_home;
    ret->url = first < argc ? argv[first++] : NULL;
    if (first < argc || (ret->url && !is_url(ret->url))) {
        return error_set(reterr, ERROR_INVALID,
                         "a URL begins with http:// or https://, and has no query");
    }
    return !ret->ca || ret->url || error_set(reterr, ERROR_INVALID, "--ca is for a URL");
}

int doctor_main(const Config *config, int argc, char **argv)
{
    Doctor *doctor = calloc(1, sizeof(*doctor));
    Arena *arena = arena_new();
    Error error;
    int status = EXIT_TRY_AGAIN;
    if (!doctor || !arena) {
        fprintf(stderr, "doctor: out of memory\n");
    } else if (!understand(argc, argv, &doctor->options, &error)) {
        status = command_refuse("doctor", &error);
    } else {
        doctor->arena = arena;
        doctor->config = *config;
        examine(doctor);
        status = conclude(doctor);
    }
    arena_free(arena);
    free(doctor);
    return status;
}
