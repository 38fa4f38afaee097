#include "redis/spread.h"

#include "base/owner.h"

static void take_part(Spread *spread, const Part *part)
{
    PublishResult *result = &spread->whole->result;
    const PublishResult *more = &part->publication.result;
    result->accepted += more->accepted;
    result->quarantined += more->quarantined;
    result->duplicates += more->duplicates;
    if (spread->whole->code == ERROR_NONE) {
        spread->whole->code = part->publication.code;
    }
    spread->open--;
}

static void on_done(Publication *publication)
{
    const Part *part = OWNER_OF(publication, const Part, publication);
    Spread *spread = part->spread;
    take_part(spread, part);
    if (!spread->open) {
        spread->whole->done(spread->whole);
    }
}

bool spread_end(Spread *spread, const Part *part)
{
    take_part(spread, part);
    return !spread->open;
}

static Spread *make(Publication *whole, const Share *shares, size_t count)
{
    Spread *spread = arena_alloc(whole->arena, sizeof(*spread));
    Part *parts = arena_alloc(whole->arena, count * sizeof(*parts) + 1);
    if (!spread || !parts) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        parts[i] = (Part){.partition = shares[i].partition,
                          .publication = {.payload = &shares[i].payload,
                                          .arena = whole->arena,
                                          .delivery = whole->delivery,
                                          .done = on_done},
                          .spread = spread};
    }
    *spread = (Spread){.whole = whole, .parts = parts, .count = count, .open = count};
    return spread;
}

Spread *spread_new(Publication *whole, size_t count)
{
    const Share *shares;
    size_t share_count;
    return partitions_divide(whole->payload, count, whole->arena, &shares, &share_count)
               ? make(whole, shares, share_count)
               : NULL;
}
