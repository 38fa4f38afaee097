#include "stream/capacity.h"

#include "stream/dedupe.h"

#include <math.h>

void capacity_leave(Load *load, const KeepMost *most)
{
    const double limit = CAPACITY_OTHERS_MOST / 100.0,
                 others = load->others + (most->percent ? most->percent / 100.0
                                          : most->bytes ? 0
                                                        : CAPACITY_OTHERS / 100.0);
    load->others = others < limit ? others : limit;
    load->reserve += (double)most->bytes;
}

Load capacity_load(int64_t window, const Keep *keep)
{
    const int64_t seconds = window / 1000;
    Load load = {.window = (double)seconds,
                 .keep = keep->trim == TRIM_OFF ? INFINITY : (double)keep->keep / 1000,
                 .entry = CAPACITY_ENTRY,
                 .digest = CAPACITY_DIGEST,
                 .server = CAPACITY_SERVER};
    capacity_leave(&load, &keep->quarantine_most);
    return load;
}

/* The number in front, which is taken off with the point behind it. */
static unsigned next_number(Str *text)
{
    const Str part = str_split(text, '.');
    unsigned number = 0;
    str_get_number(part, UINT16_MAX, &number);
    return number;
}

static double member_of(Str version)
{
    const unsigned major = next_number(&version), minor = next_number(&version);
    return major > 7 || (major == 7 && minor >= 2) ? CAPACITY_MEMBER_LATER : CAPACITY_MEMBER;
}

double capacity_digest(Str version)
{
    return member_of(version) + 3 * CAPACITY_PLACE;
}

double capacity_set(Str version, double members)
{
    double places = 1;
    while (places < members) {
        places *= 2;
    }
    return members > 0 ? members * member_of(version) + places * CAPACITY_PLACE : 0;
}

/* For how long entries and digests stay, in seconds. */

static double entry_stays(const Load *load)
{
    return load->keep + CAPACITY_SLACK;
}

static double digest_stays(const Load *load)
{
    return load->window > 0 ? 2 * (load->window + dedupe_lease((unsigned)load->window)) : 0;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

static double most(double a, double b)
{
    return a > b ? a : b;
}

/* What a memory has for entries and digests. */
static double room_of(const Load *load, double memory)
{
    return most(0, memory * (1 - load->others) - load->server - load->reserve);
}

/* Bytes of a status that comes once a second for so many seconds. */
static double bytes_after(const Load *load, double seconds)
{
    return load->entry * least(seconds, entry_stays(load)) +
           load->digest * least(seconds, digest_stays(load));
}

Need capacity_need(const Load *load, double rate)
{
    Need need = {.entries = rate * entry_stays(load), .digests = rate * digest_stays(load)};
    need.stream = need.entries * load->entry;
    need.dedupe = need.digests * load->digest;
    need.memory = (load->server + load->reserve + need.stream + need.dedupe) / (1 - load->others);
    need.others = need.memory * load->others + load->reserve;
    need.machine = need.memory * CAPACITY_MACHINE / 100;
    need.aof = rate * (load->entry + CAPACITY_AOF_FRAME);
    need.base =
        need.stream * CAPACITY_BASE_ENTRY / 100 + need.digests * CAPACITY_BASE_DIGEST + need.others;
    need.disk = most(2 * need.base, CAPACITY_REWRITE_LEAST) + need.base;
    return need;
}

double capacity_rate(const Load *load, double memory)
{
    return room_of(load, memory) / bytes_after(load, INFINITY);
}

double capacity_full(const Load *load, double memory, double rate)
{
    const double room = room_of(load, memory) / rate,
                 first = least(entry_stays(load), digest_stays(load));
    const bool entries_are_first = entry_stays(load) <= digest_stays(load);
    const double slope = entries_are_first ? load->digest : load->entry;
    if (room < bytes_after(load, first)) {
        return room / (load->entry + load->digest);
    }
    return room < bytes_after(load, INFINITY) ? first + (room - bytes_after(load, first)) / slope
                                              : INFINITY;
}

double capacity_away(const Load *load, double memory, double rate)
{
    const double spare = room_of(load, memory) / rate - bytes_after(load, INFINITY);
    return spare > -1 ? load->keep + most(0, spare) / load->entry : 0; /* -1: rounding */
}
