/*
 * Members of a JSON object that nobody here knows, and the object that holds them alone: names and
 * values exactly as they were written, in their order. (What XML and forms bring is in members.h.)
 *
 * A JsonMembers holds what belongs to one object at a time, and then to the next one: at most
 * LIMIT_ITEMS, names that are repeated too. Its memory is the arena's; texts are borrowed from the
 * body.
 */
#ifndef TICKSTREAM_JSON_MEMBERS_H
#define TICKSTREAM_JSON_MEMBERS_H

#include "payload/json_scan.h"

typedef struct {
    JsonValue name, value;
    Str plain_name; /* without quotes and escapes */
} JsonMember;

/* {.arena, .error} is a new one, empty; both are borrowed. */
typedef struct {
    Arena *arena;
    Error *error; /* what a function that returns false has set */
    JsonMember *list;
    size_t count, room;
} JsonMembers;

/* Goes on to another object. */
static inline void json_members_clear(JsonMembers *members)
{
    members->count = 0;
}

/* false: no memory, or too many (ERROR_MALFORMED). */
bool json_members_add(JsonMembers *members, const JsonMember *member);

/* The last of that name in any case; NULL: none. Valid until another is added. */
const JsonMember *json_members_find(const JsonMembers *members, Str name);

/* The object of all, the arena's; of those with the same name the last one alone. *ret stays as it
 * is when there are none. false: no memory. Repeated names are lost to the list. */
bool json_members_join(JsonMembers *members, Str *ret);

#endif
