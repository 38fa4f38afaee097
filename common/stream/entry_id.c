#include "stream/entry_id.h"

#include <stdio.h>

static bool read_number(Str digits, uint64_t *ret)
{
    uint64_t value = 0;
    for (size_t i = 0; i < digits.len; i++) {
        const unsigned digit = (unsigned)(digits.ptr[i] - '0');
        if (digit > 9 || value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *ret = value;
    return digits.len > 0;
}

bool entry_id_read(Str text, EntryId *ret)
{
    EntryId id;
    const size_t middle = str_find(text, '-');
    if (middle == text.len || !read_number((Str){text.ptr, middle}, &id.ms) ||
        !read_number(str_from_offset(text, middle + 1), &id.sequence)) {
        return false;
    }
    *ret = id;
    return true;
}

int64_t entry_id_ms(Str text)
{
    uint64_t ms;
    return read_number((Str){text.ptr, str_find(text, '-')}, &ms) && ms <= INT64_MAX ? (int64_t)ms
                                                                                     : 0;
}

int entry_id_compare(EntryId a, EntryId b)
{
    return a.ms != b.ms               ? (a.ms < b.ms ? -1 : 1)
           : a.sequence != b.sequence ? (a.sequence < b.sequence ? -1 : 1)
                                      : 0;
}

Str entry_id_write(EntryId id, bool is_beside, char to[ENTRY_ID_ROOM])
{
    const int len = snprintf(to, ENTRY_ID_ROOM, "%s%llu-%llu", is_beside ? "(" : "",
                             (unsigned long long)id.ms, (unsigned long long)id.sequence);
    return (Str){to, (size_t)len};
}
