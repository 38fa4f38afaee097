/*
 * What a node of a cluster says: replies to CLUSTER SLOTS, and errors that point elsewhere.
 * Whatever it says, an owner is an address that can be connected to, of the only range that has its
 * slot; and what makes no sense changes nothing.
 *
 * The input's first byte: 'R' = a reply, anything else = an error. The second: how many slots are
 * of interest.
 */
#include "fuzz.h"
#include "redis/slots.h"

enum { OURS = 64 };

static const Address asked = {"asked", 7777}, before = {"before", 1};

static void check_address(const Address *address)
{
    const Str host = str_from(address->host);
    CHECK(memchr(address->host, '\0', sizeof(address->host)));
    CHECK(address->port >= 1 && address->port <= 65535);
    CHECK(host.len && !str_eq(host, STR("?")));
    for (size_t i = 0; i < host.len; i++) {
        CHECK(host.ptr[i] > ' ' && host.ptr[i] <= '~');
    }
}

/* The range that has the slot; NULL = none. */
static const Reply *range_of(const Reply *map, uint16_t slot)
{
    const Reply *found = NULL;
    size_t ranges = 0;
    for (size_t i = 0; i < map->count; i++) {
        const Reply *items = map->items[i].items;
        if (items[0].integer <= slot && slot <= items[1].integer) {
            found = &map->items[i];
            ranges++;
        }
    }
    CHECK(ranges <= 1);
    return found;
}

/* map: NULL = it made no sense. */
static void check_owner(const Reply *map, uint16_t slot, const Address *owner)
{
    const Reply *range = map ? range_of(map, slot) : NULL;
    const Reply *master = range ? range->items[2].items : NULL;
    if (!master || str_eq(master[0].text, STR("?"))) {
        CHECK(address_eq(owner, &before));
        return;
    }
    check_address(owner);
    CHECK(owner->port == (unsigned long long)master[1].integer);
    CHECK(
        str_eq(str_from(owner->host), master[0].text.len ? master[0].text : str_from(asked.host)));
}

static void read_map(const Reply *map, size_t count)
{
    uint16_t slots[OURS] = {0};
    Address owners[OURS];
    for (size_t i = 0; i < count; i++) {
        slots[i] = (uint16_t)(i * 521 % SLOTS); /* 0, the neighbours of others, and the rest */
        owners[i] = before;
    }
    if (count) {
        slots[count - 1] = SLOTS - 1;
    }
    const bool ok = slots_read(map, &asked, slots, count, owners);
    for (size_t i = 0; i < count; i++) {
        check_owner(ok ? map : NULL, slots[i], &owners[i]);
    }
}

static void read_maps(Str bytes, size_t count)
{
    ReplyReader *reader = reply_reader_new();
    const char *why;
    CHECK(reader);
    CHECK(!reply_reader_feed(reader, bytes));
    for (const Reply *reply; (reply = reply_reader_next(reader, &why));) {
        read_map(reply, count);
    }
    reply_reader_free(reader);
}

static void read_redirect(Str error)
{
    Address to = before;
    uint16_t slot = SLOTS;
    if (slots_redirect(error, &asked, &slot, &to)) {
        CHECK(str_starts_with(error, STR("MOVED ")) || str_starts_with(error, STR("ASK ")));
        CHECK(slot < SLOTS);
        check_address(&to);
    } else {
        CHECK(slot == SLOTS && address_eq(&to, &before));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const Str bytes = fuzz_text(data + 2, size - 2);
    CHECK(slot_of(bytes) < SLOTS);
    if (data[0] == 'R') {
        read_maps(bytes, data[1] % (OURS + 1));
    } else {
        read_redirect(bytes);
    }
    return 0;
}
