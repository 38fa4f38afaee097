#include "commands/sizing.h"

enum { MEASURED_LEAST = 1000 }; /* entries from which on their size is measured */

Load sizing_load(const Sizing *sizing, const Supplier *server)
{
    const Standing *standing = &server->standing;
    const Keep *keep = &sizing->config->keep;
    Load load = capacity_load(sizing->config->dedupe_window, keep);
    if (sizing->config->events_stream[0]) {
        capacity_leave(&load, &keep->events_most);
    }
    const double others = load.others * (double)standing->most + load.reserve,
                 foreign = (double)standing->memory - server->stream - server->dedupe -
                           (server->quarantine < others ? server->quarantine : others);
    load.entry = sizing->entry;
    load.digest = capacity_digest(str_from(standing->version));
    load.server = foreign > load.server ? foreign : load.server;
    return load;
}

double sizing_share(const Sizing *sizing, const Supplier *server)
{
    return (double)server->partitions / (double)sizing->supply.partitions;
}

double sizing_carried(const Sizing *sizing, const Supplier *server)
{
    const Load load = sizing_load(sizing, server);
    return capacity_rate(&load, (double)server->standing.most) / sizing_share(sizing, server);
}

static void measure(Sizing *sizing)
{
    double entries = 0, bytes = 0;
    for (size_t i = 0; i < sizing->supply.count; i++) {
        const Supplier *server = &sizing->supply.servers[i];
        entries += server->stream > 0 ? server->entries : 0;
        bytes += server->stream;
    }
    sizing->is_measured = sizing->wishes.entry == 0 && entries >= MEASURED_LEAST;
    sizing->entry = sizing->wishes.entry > 0 ? sizing->wishes.entry
                    : sizing->is_measured    ? bytes / entries
                                             : CAPACITY_ENTRY;
}

void sizing_decide(Sizing *sizing)
{
    measure(sizing);
    for (size_t i = 0; i < sizing->supply.count; i++) {
        const Supplier *server = &sizing->supply.servers[i];
        const double carries = sizing_carried(sizing, server);
        if (!sizing->decisive || carries < sizing->carries) {
            sizing->decisive = server;
            sizing->carries = carries;
        }
    }
}
