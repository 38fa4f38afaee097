#include "redis/slots.h"

#include "base/crc.h"

uint16_t slot_of(Str key)
{
    size_t open = str_find(key, '{');
    if (open < key.len) {
        Str tag = str_from_offset(key, open + 1);
        size_t close = str_find(tag, '}');
        if (close > 0 && close < tag.len) {
            key = (Str){tag.ptr, close};
        }
    }
    return crc16_of(key) % SLOTS;
}

/* A name or an address, which shall be resolved and logged. */
static bool is_host(Str host)
{
    for (size_t i = 0; i < host.len; i++) {
        if (host.ptr[i] <= ' ' || host.ptr[i] > '~') {
            return false;
        }
    }
    return host.len < sizeof(((Address *)NULL)->host);
}

/* ret->host becomes "" when the node says that it is not known. */
static bool read_address(Str host, long long port, const Address *asked, Address *ret)
{
    if (port < 1 || port > 65535 || !is_host(host)) {
        return false;
    }
    if (host.len == 0) {
        *ret = *asked;
    } else {
        *ret = (Address){.port = 0};
        str_put(ret->host, str_eq(host, STR("?")) ? STR("") : host);
    }
    ret->port = (unsigned)port;
    return true;
}

/* The slots from first to last, and their master. */
typedef struct {
    long long first, last;
    Address owner;
} Range;

static bool is_slot(const Reply *reply)
{
    return reply->kind == REPLY_INTEGER && reply->integer >= 0 && reply->integer < SLOTS;
}

static bool read_node(const Reply *node, const Address *asked, Address *ret)
{
    if (node->kind != REPLY_LIST || node->count < 2) {
        return false;
    }
    const Reply *host = &node->items[0], *port = &node->items[1];
    return (host->kind == REPLY_NIL || host->kind == REPLY_TEXT) && port->kind == REPLY_INTEGER &&
           read_address(host->kind == REPLY_TEXT ? host->text : STR(""), port->integer, asked, ret);
}

/* [first, last, master, replicas...] */
static bool read_range(const Reply *reply, const Address *asked, Range *ret)
{
    if (reply->kind != REPLY_LIST || reply->count < 3) {
        return false;
    }
    const Reply *first = &reply->items[0], *last = &reply->items[1];
    if (!is_slot(first) || !is_slot(last) || first->integer > last->integer) {
        return false;
    }
    ret->first = first->integer;
    ret->last = last->integer;
    return read_node(&reply->items[2], asked, &ret->owner);
}

/* Marks the range's slots. false: one of them was told already. */
static bool take_slots(const Range *range, bool *told)
{
    for (long long slot = range->first; slot <= range->last; slot++) {
        if (told[slot]) {
            return false;
        }
        told[slot] = true;
    }
    return true;
}

static bool is_map(const Reply *reply, const Address *asked)
{
    bool told[SLOTS] = {false};
    if (reply->kind != REPLY_LIST) {
        return false;
    }
    for (size_t i = 0; i < reply->count; i++) {
        Range range;
        if (!read_range(&reply->items[i], asked, &range) || !take_slots(&range, told)) {
            return false;
        }
    }
    return true;
}

bool slots_read(const Reply *reply, const Address *asked, const uint16_t *slots, size_t count,
                Address *owners)
{
    const Address node = *asked; /* which may be one of the owners */
    if (!is_map(reply, &node)) {
        return false;
    }
    for (size_t i = 0; i < reply->count; i++) {
        Range range;
        bool is_known = read_range(&reply->items[i], &node, &range) && range.owner.host[0] != '\0';
        for (size_t k = 0; is_known && k < count; k++) {
            if (slots[k] >= range.first && slots[k] <= range.last) {
                owners[k] = range.owner;
            }
        }
    }
    return true;
}

/* The host ends at the last colon: an IPv6 address has more of them. */
static bool read_endpoint(Str text, const Address *asked, Address *ret)
{
    unsigned port;
    size_t colon = text.len;
    while (colon > 0 && text.ptr[colon - 1] != ':') {
        colon--;
    }
    return colon > 0 && str_get_number(str_from_offset(text, colon), 65535, &port) &&
           read_address((Str){text.ptr, colon - 1}, port, asked, ret) && ret->host[0] != '\0';
}

bool slots_redirect(Str error, const Address *asked, uint16_t *ret_slot, Address *ret)
{
    unsigned slot;
    Address to;
    Str rest = error;
    Str word = str_split(&rest, ' ');
    if ((!str_eq(word, STR("MOVED")) && !str_eq(word, STR("ASK"))) ||
        !str_get_number(str_split(&rest, ' '), SLOTS - 1, &slot) ||
        !read_endpoint(rest, asked, &to)) {
        return false;
    }
    *ret_slot = (uint16_t)slot;
    *ret = to;
    return true;
}
