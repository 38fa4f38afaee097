#include "payload/json_members.h"

#include "base/limits.h"

#include <stdlib.h>

bool json_members_add(JsonMembers *members, const JsonMember *member)
{
    if (members->count == LIMIT_ITEMS) {
        return error_malformed(members->error, REASON_TOO_MANY, "a status of more than %d members",
                               (int)LIMIT_ITEMS);
    }
    JsonMember *grown = arena_list_grow(members->arena, members->list, members->count,
                                        &members->room, sizeof(JsonMember));
    if (!grown) {
        return error_no_memory(members->error);
    }
    members->list = grown;
    members->list[members->count++] = *member;
    return true;
}

const JsonMember *json_members_find(const JsonMembers *members, Str name)
{
    for (size_t i = members->count; i-- > 0;) {
        if (str_eq_nocase(members->list[i].plain_name, name)) {
            return &members->list[i];
        }
    }
    return NULL;
}

static int compare_names(const void *left, const void *right)
{
    const JsonMember *a = *(const JsonMember *const *)left, *b = *(const JsonMember *const *)right;
    size_t shorter = a->plain_name.len < b->plain_name.len ? a->plain_name.len : b->plain_name.len;
    int order = shorter ? memcmp(a->plain_name.ptr, b->plain_name.ptr, shorter) : 0;
    if (order == 0 && a->plain_name.len != b->plain_name.len) {
        order = a->plain_name.len < b->plain_name.len ? -1 : 1;
    }
    return order ? order : a < b ? -1 : a > b;
}

/* Empties the names of the earlier of members with the same name. By sorting, so that no body
 * makes it quadratic. */
static bool drop_repeated(JsonMembers *members)
{
    size_t count = members->count;
    if (count < 2) {
        return true;
    }
    JsonMember **sorted = arena_alloc(members->arena, count * sizeof(*sorted));
    if (!sorted) {
        return error_no_memory(members->error);
    }
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &members->list[i];
    }
    qsort(sorted, count, sizeof(*sorted), compare_names);
    for (size_t i = 1; i < count; i++) {
        if (str_eq(sorted[i - 1]->plain_name, sorted[i]->plain_name)) {
            sorted[i - 1]->name.text.len = 0;
        }
    }
    return true;
}

bool json_members_join(JsonMembers *members, Str *ret)
{
    if (members->count == 0) {
        return true;
    }
    if (!drop_repeated(members)) {
        return false;
    }
    size_t size = 2;
    for (size_t i = 0; i < members->count; i++) {
        size += members->list[i].name.text.len + members->list[i].value.text.len + 2;
    }
    char *text = arena_alloc(members->arena, size);
    if (!text) {
        return error_no_memory(members->error);
    }
    char *to = str_put(text, STR("{"));
    for (size_t i = 0; i < members->count; i++) {
        const JsonMember *member = &members->list[i];
        if (member->name.text.len) {
            to = str_put(to, to == text + 1 ? STR("") : STR(","));
            to = str_put(str_put(str_put(to, member->name.text), STR(":")), member->value.text);
        }
    }
    to = str_put(to, STR("}"));
    *ret = (Str){text, (size_t)(to - text)};
    return true;
}
