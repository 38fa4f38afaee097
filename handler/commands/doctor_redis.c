#include "commands/doctor.h"

#include "base/clock.h"
#include "commands/doctor_survey.h"
#include "commands/sizing.h"
#include "stream/entry_id.h"

#include <stdio.h>

/* Walking */

static void tell_of_server(Doctor *doctor, const ServerFacts *server, Finding finding)
{
    doctor_tell(doctor, server->shown, &finding);
}

static void tell_of_partition(Doctor *doctor, size_t i, Finding finding)
{
    char stream[LIMIT_TEXT];
    snprintf(stream, sizeof(stream), "%.*s", STR_ARG(doctor->survey->partitions->keys[i]->stream));
    doctor_tell(doctor, stream, &finding);
}

/* Those that answer. */
static void each_server(Doctor *doctor, void (*look)(Doctor *doctor, const ServerFacts *server))
{
    const Survey *survey = doctor->survey;
    for (size_t i = 0; i < survey->server_count; i++) {
        if (survey->servers[i].code == ERROR_NONE) {
            look(doctor, &survey->servers[i]);
        }
    }
}

/* Those whose server answers. */
static void each_partition(Doctor *doctor,
                           void (*look)(Doctor *doctor, const PartitionFacts *facts, size_t i))
{
    const Survey *survey = doctor->survey;
    for (size_t i = 0; i < survey->partitions->count; i++) {
        const PartitionFacts *facts = &survey->facts[i];
        if (facts->server && facts->server->code == ERROR_NONE) {
            look(doctor, facts, i);
        }
    }
}

/* Servers */

void check_redis(Doctor *doctor)
{
    const Survey *survey = doctor->survey;
    if (survey->server_count == 0) {
        const Finding finding = judge_reached(survey->error.code, survey->error.text);
        doctor_tell(doctor, survey->config->redis.shown, &finding);
    }
    for (size_t i = 0; i < survey->server_count; i++) {
        const ServerFacts *server = &survey->servers[i];
        tell_of_server(doctor, server, judge_reached(server->code, server->why));
    }
}

static void look_at_version(Doctor *doctor, const ServerFacts *server)
{
    tell_of_server(doctor, server,
                   judge_version(server->standing.version, &doctor->config.redis_ack));
}

void check_version(Doctor *doctor)
{
    each_server(doctor, look_at_version);
}

static void look_at_rights(Doctor *doctor, const ServerFacts *server)
{
    for (size_t i = 0; i < right_try_count; i++) {
        if (server->lacking & 1ULL << i) {
            tell_of_server(doctor, server, judge_right(right_tries[i].right, right_tries[i].harm));
        }
    }
    if (!server->lacking) {
        tell_of_server(doctor, server,
                       found(GRADE_OK, "", "our user has what upkeep and checks need"));
    }
}

void check_rights(Doctor *doctor)
{
    each_server(doctor, look_at_rights);
}

static void look_at_durability(Doctor *doctor, const ServerFacts *server)
{
    tell_of_server(doctor, server, judge_durability(&server->standing, server->keys));
}

void check_durability(Doctor *doctor)
{
    each_server(doctor, look_at_durability);
}

static void look_at_fsync(Doctor *doctor, const ServerFacts *server)
{
    tell_of_server(doctor, server,
                   judge_fsync(server->fsync, &server->standing, &doctor->config.redis_ack));
}

void check_fsync(Doctor *doctor)
{
    each_server(doctor, look_at_fsync);
}

static void look_at_memory(Doctor *doctor, const ServerFacts *server)
{
    tell_of_server(doctor, server, judge_memory(server->standing.memory, server->standing.most));
}

void check_memory(Doctor *doctor)
{
    each_server(doctor, look_at_memory);
}

static void look_at_replicas(Doctor *doctor, const ServerFacts *server)
{
    tell_of_server(
        doctor, server,
        judge_replicas(server->replicas, &doctor->config.redis_ack, doctor->config.redis.kind));
}

void check_replicas(Doctor *doctor)
{
    each_server(doctor, look_at_replicas);
}

static void look_at_clock(Doctor *doctor, const ServerFacts *server)
{
    if (server->is_timed) {
        tell_of_server(doctor, server, judge_clock(server->clock_ahead));
    }
}

void check_clock(Doctor *doctor)
{
    each_server(doctor, look_at_clock);
}

/* Partitions */

void check_partitions(Doctor *doctor)
{
    const Survey *survey = doctor->survey;
    if (survey->is_number_told) {
        const Finding finding = judge_partitions(survey->made_with, survey->partitions->count);
        doctor_tell(doctor, survey->config->stream, &finding);
    }
}

static void look_at_posts(Doctor *doctor, const PartitionFacts *facts, size_t i)
{
    for (size_t k = 0; k < facts->fault_count; k++) {
        tell_of_partition(doctor, i, judge_refusal(facts->faults[k]));
    }
    if (facts->types_untold) {
        tell_of_partition(doctor, i, judge_right("+type", HARM_CHECKS));
    }
    if (!facts->fault_count) {
        tell_of_partition(doctor, i, found(GRADE_OK, "", "what a post does was tried and works"));
    }
}

void check_posts(Doctor *doctor)
{
    each_partition(doctor, look_at_posts);
}

static void look_at_moving(Doctor *doctor, const PartitionFacts *facts, size_t i)
{
    const long long larger = facts->seen[0] > facts->seen[1] ? facts->seen[0] : facts->seen[1];
    tell_of_partition(doctor, i, judge_moving(larger, facts->server->node_timeout));
}

void check_moving(Doctor *doctor)
{
    if (doctor->config.redis.kind != SERVERS_CLUSTER) {
        const Finding finding = found(GRADE_OK, "", "no cluster: nothing moves");
        doctor_tell(doctor, "", &finding);
        return;
    }
    each_partition(doctor, look_at_moving);
}

/* One of TRIM_GROUPS that upkeep misses; absent: none. */
static Str missing_group(const Upkept *upkept)
{
    static const Str begin = STR_INIT("no group ");
    return str_starts_with(upkept->why, begin) ? str_from_offset(upkept->why, begin.len)
                                               : (Str){NULL, 0};
}

/* Has a stream entries that could have gone? */
static bool is_over_keep(const Upkept *upkept, const Keep *keep, int64_t now)
{
    return upkept->oldest.len && now - entry_id_ms(upkept->oldest) > keep->keep;
}

static void look_at_each_group(Doctor *doctor, const Upkept *upkept, size_t i)
{
    const Keep *keep = &doctor->config.keep;
    const int64_t now = clock_unix_ms();
    UpkeepGroup group;
    tell_of_partition(doctor, i, judge_groups(upkept->groups, missing_group(upkept), keep->trim));
    for (size_t k = 0; k < upkept->listed_count; k++) {
        if (upkeep_read_group(upkept, k, &group)) {
            tell_of_partition(doctor, i, judge_group(&group, is_over_keep(upkept, keep, now), now));
        }
    }
}

static void look_at_groups(Doctor *doctor, const PartitionFacts *facts, size_t i)
{
    const Upkept *upkept = &facts->upkept;
    const Str why = facts->is_kept_up ? upkept->why : facts->upkeep_error;
    if (facts->is_kept_up && upkept->length[ENTRY_STATUS] >= 0) {
        look_at_each_group(doctor, upkept, i);
    } else {
        tell_of_partition(doctor, i, found(GRADE_NOTE, "", "cannot be told: %.*s", STR_ARG(why)));
    }
}

void check_groups(Doctor *doctor)
{
    each_partition(doctor, look_at_groups);
}

static void look_at_quarantine(Doctor *doctor, const PartitionFacts *facts, size_t i)
{
    const Upkept *upkept = &facts->upkept;
    if (facts->is_kept_up) {
        tell_of_partition(doctor, i,
                          judge_quarantine(upkept->length[ENTRY_QUARANTINED],
                                           upkept->bytes[ENTRY_QUARANTINED],
                                           facts->server->standing.most));
    }
}

void check_quarantine(Doctor *doctor)
{
    each_partition(doctor, look_at_quarantine);
}

/* The rate: as `tickstream size` tells it, of what the survey has found */

static double known(long long number)
{
    return number > 0 ? (double)number : 0;
}

static void add_partition(Supplier *to, const PartitionFacts *facts)
{
    const Upkept *upkept = &facts->upkept;
    to->partitions++;
    for (size_t set = 0; set < 2; set++) {
        to->digests += known(facts->seen[set]);
        to->dedupe += capacity_set(str_from(to->standing.version), known(facts->seen[set]));
    }
    if (facts->is_kept_up) {
        to->entries += known(upkept->length[ENTRY_STATUS]);
        to->stream += known(upkept->bytes[ENTRY_STATUS]);
        to->quarantine +=
            known(upkept->bytes[ENTRY_QUARANTINED]) + known(upkept->bytes[ENTRY_EVENT]);
    }
}

static Supplier supplier_of(const Survey *survey, const ServerFacts *server)
{
    Supplier supplier = {.owner = server->address, .standing = server->standing};
    for (size_t i = 0; i < survey->partitions->count; i++) {
        if (survey->facts[i].server == server) {
            add_partition(&supplier, &survey->facts[i]);
        }
    }
    return supplier;
}

void check_rate(Doctor *doctor)
{
    const Survey *survey = doctor->survey;
    Supplier suppliers[PARTITIONS_MOST + 1];
    const ServerFacts *servers[PARTITIONS_MOST + 1];
    Sizing sizing = {.config = &doctor->config,
                     .supply = {.servers = suppliers, .partitions = survey->partitions->count}};
    for (size_t i = 0; i < survey->server_count; i++) {
        const ServerFacts *server = &survey->servers[i];
        if (server->code == ERROR_NONE && server->partitions > 0) {
            servers[sizing.supply.count] = server;
            suppliers[sizing.supply.count++] = supplier_of(survey, server);
        }
    }
    sizing_decide(&sizing);
    if (sizing.decisive) {
        const ServerFacts *first = servers[sizing.decisive - suppliers];
        tell_of_server(doctor, first,
                       judge_rate(sizing.carries, doctor->options.rate, first->standing.most));
    }
}
