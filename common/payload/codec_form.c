/*
 * The form: application/x-www-form-urlencoded, names like
 * entry[0][changes][0][value][statuses][0][id] or, as .NET's model binding has it,
 * Entry[0].Changes[0].Value.Statuses[0].Id, mixed at will, in any case.
 *
 * Each pair whose name means something becomes a leaf: a text and where it belongs. The leaves are
 * sorted by their indexes, unless they came sorted, and handed to the builder in one walk. So the
 * time is linear in the body, but for the sorting of at most LIMIT_FORM_PAIRS. A pair whose name
 * means nothing costs reading its name.
 */
#include "payload/codec.h"
#include "base/percent.h"
#include "base/utf.h"

#include <stdint.h>
#include <stdlib.h>

typedef enum {
    TEXT, /* a leaf */
    PAYLOAD,
    ENTRIES,
    ENTRY,
    CHANGES,
    CHANGE,
    VALUE,
    METADATA,
    STATUSES,
    STATUS,
    ERRORS,
    ERROR,
    PLACES
} Place;

/* Lists on the way to a leaf. */
enum { LEVELS = 4 };

static const struct {
    unsigned depth; /* how many lists contain it */
    Place item;     /* of a list */
} places[PLACES] = {
    [PAYLOAD] = {0, TEXT}, [ENTRIES] = {0, ENTRY}, [ENTRY] = {1, TEXT},    [CHANGES] = {1, CHANGE},
    [CHANGE] = {2, TEXT},  [VALUE] = {2, TEXT},    [METADATA] = {2, TEXT}, [STATUSES] = {2, STATUS},
    [STATUS] = {3, TEXT},  [ERRORS] = {3, ERROR},  [ERROR] = {4, TEXT},
};

/* In the order of the JSON sample, in which the leaves of one object are then expected. */
static const struct Member {
    Str name, net_name; /* as in JSON, as in .NET when that is more than another case */
    Place in, is;
    size_t offset; /* of a leaf, in its object */
} members[] = {
    {STR_INIT("object"), {NULL, 0}, PAYLOAD, TEXT, offsetof(Payload, object)},
    {STR_INIT("entry"), {NULL, 0}, PAYLOAD, ENTRIES, 0},
    {STR_INIT("id"), {NULL, 0}, ENTRY, TEXT, offsetof(Account, id)},
    {STR_INIT("changes"), {NULL, 0}, ENTRY, CHANGES, 0},
    {STR_INIT("field"), {NULL, 0}, CHANGE, TEXT, offsetof(Change, field)},
    {STR_INIT("value"), {NULL, 0}, CHANGE, VALUE, 0},
    {STR_INIT("messaging_product"), STR_INIT("messagingproduct"), VALUE, TEXT,
     offsetof(Change, messaging_product)},
    {STR_INIT("metadata"), {NULL, 0}, VALUE, METADATA, 0},
    {STR_INIT("display_phone_number"), STR_INIT("displayphonenumber"), METADATA, TEXT,
     offsetof(Change, display_phone_number)},
    {STR_INIT("phone_number_id"), STR_INIT("phonenumberid"), METADATA, TEXT,
     offsetof(Change, phone_number_id)},
    {STR_INIT("statuses"), {NULL, 0}, VALUE, STATUSES, 0},
    {STR_INIT("id"), {NULL, 0}, STATUS, TEXT, offsetof(StatusUpdate, id)},
    {STR_INIT("status"), {NULL, 0}, STATUS, TEXT, offsetof(StatusUpdate, status)},
    {STR_INIT("timestamp"), {NULL, 0}, STATUS, TEXT, offsetof(StatusUpdate, timestamp)},
    {STR_INIT("recipient_id"), STR_INIT("recipientid"), STATUS, TEXT,
     offsetof(StatusUpdate, recipient_id)},
    {STR_INIT("errors"), {NULL, 0}, STATUS, ERRORS, 0},
    {STR_INIT("code"), {NULL, 0}, ERROR, TEXT, offsetof(StatusError, code)},
    {STR_INIT("title"), {NULL, 0}, ERROR, TEXT, offsetof(StatusError, title)},
};

typedef struct {
    uint64_t indexes; /* 16 bits for each level, the outermost first; 0 where there is none */
    const struct Member *member; /* the members' order is that of the table */
    Str value;
    size_t offset; /* of the pair in the body */
} Leaf;

_Static_assert(LIMIT_FORM_INDEX <= UINT16_MAX, "an index must fit into its part of Leaf.indexes");

typedef struct {
    Str body;
    Builder builder;
    char *scratch; /* for names with escapes */
    size_t scratch_room;
    Leaf *leaves;
    size_t leaf_count, leaf_room;
    bool sorted;

    /* The walk. */
    unsigned depth;           /* open levels: 1 = in an entry, ... 4 = in an error */
    size_t next[LEVELS];      /* the index that the next item of each level must have */
    void *object[LEVELS + 1]; /* what the leaves of each depth are members of */
    Mark change_begin;
} Form;

static bool bad_name(Form *form, const char *text)
{
    return error_malformed(form->builder.error, REASON_BAD_NAME, "%s", text);
}

static bool has_escapes(Str text)
{
    return str_find(text, '%') < text.len || str_find(text, '+') < text.len;
}

/* Decodes a text that has escapes into a buffer, which may be NULL for lack of memory. */
static bool decode(Form *form, Str *text, char *buffer)
{
    if (!buffer) {
        return error_no_memory(form->builder.error);
    }
    if (!percent_decode(*text, PLUS_IS_SPACE, buffer, &text->len)) {
        return error_malformed(form->builder.error, REASON_ENCODING,
                               "%% without two hexadecimal digits");
    }
    text->ptr = buffer;
    return true;
}

/* Decodes a name in place of *name; the result lasts until the next name. */
static bool decode_name(Form *form, Str *name)
{
    if (!has_escapes(*name)) {
        return true;
    }
    if (name->len > form->scratch_room) {
        form->scratch = arena_alloc(form->builder.arena, name->len);
        form->scratch_room = name->len;
    }
    return decode(form, name, form->scratch);
}

static bool decode_value(Form *form, Str *value)
{
    if (has_escapes(*value) && !decode(form, value, arena_alloc(form->builder.arena, value->len))) {
        return false;
    }
    return utf8_is_valid(*value) ||
           error_malformed(form->builder.error, REASON_ENCODING, "bytes that are not UTF-8");
}

static const struct Member *find_member(Place place, Str name)
{
    for (const struct Member *member = members;
         member < members + sizeof(members) / sizeof(members[0]); member++) {
        if (member->in == place &&
            (str_eq_nocase(name, member->name) ||
             (member->net_name.ptr && str_eq_nocase(name, member->net_name)))) {
            return member;
        }
    }
    return NULL;
}

/* An index as it must be written: no sign, no leading zero. */
static bool read_index(Form *form, Str digits, uint64_t *ret)
{
    uint64_t index = 0;
    bool plain = digits.len && (digits.len == 1 || digits.ptr[0] != '0');
    for (size_t i = 0; plain && i < digits.len; i++) {
        plain = ascii_is_digit(digits.ptr[i]);
        index = index * 10 + (uint64_t)(digits.ptr[i] - '0');
        if (plain && index > LIMIT_FORM_INDEX) {
            return error_malformed(form->builder.error, REASON_BAD_NAME, "an index over %d",
                                   (int)LIMIT_FORM_INDEX);
        }
    }
    *ret = index;
    return plain ||
           bad_name(form, "a list without an index, or with one that is not a plain number");
}

/* Takes what stands before the next '[' or '.' off the front of a name. */
static Str take_plain(Str *rest)
{
    size_t bracket = str_find(*rest, '['), dot = str_find(*rest, '.');
    Str part = {rest->ptr, bracket < dot ? bracket : dot};
    *rest = str_from_offset(*rest, part.len);
    return part;
}

/* Takes the next part, `[part]` or `.part`, off the front of what is left of a name. */
static bool next_part(Form *form, Str *rest, Str *ret)
{
    bool in_brackets = rest->ptr[0] == '[';
    *rest = str_from_offset(*rest, 1);
    if (!in_brackets) {
        *ret = take_plain(rest);
    } else {
        *ret = (Str){rest->ptr, str_find(*rest, ']')};
        if (ret->len == rest->len) {
            return bad_name(form, "a bracket that is not closed");
        }
        *rest = str_from_offset(*rest, ret->len + 1);
        if (rest->len && rest->ptr[0] != '[' && rest->ptr[0] != '.') {
            return bad_name(form, "something other than [ or . after a closing bracket");
        }
    }
    return ret->len || bad_name(form, "an empty part, which does not say what is meant");
}

/* A name that means nothing must still have its brackets closed. */
static bool ignore(Form *form, Str rest)
{
    while (rest.ptr) {
        str_split(&rest, '[');
        if (rest.ptr && !memchr(rest.ptr, ']', rest.len)) {
            return bad_name(form, "a bracket that is not closed");
        }
        str_split(&rest, ']');
    }
    return true;
}

/* Goes one part further: into an item of a list, or to a member; leaf->member is NULL for none. */
static bool go_to(Form *form, Str part, Place *place, Leaf *leaf)
{
    if (places[*place].item) {
        uint64_t index = 0;
        if (!read_index(form, part, &index)) {
            return false;
        }
        leaf->indexes |= index << (16 * (LEVELS - 1 - places[*place].depth));
        *place = places[*place].item;
        return true;
    }
    leaf->member = find_member(*place, part);
    *place = leaf->member ? leaf->member->is : *place;
    return true;
}

/* Finds out what a name means; ret->member is NULL when it means nothing. */
static bool read_name(Form *form, Str name, Leaf *ret)
{
    Place place = PAYLOAD;
    Str rest = name;
    Str part = take_plain(&rest);
    while (go_to(form, part, &place, ret)) {
        if (!ret->member) {
            return ignore(form, rest);
        }
        if (name.len > LIMIT_FORM_NAME) {
            return bad_name(form, "a name that is longer than any can be");
        }
        if (str_is_empty(rest)) {
            return place == TEXT || error_malformed(form->builder.error, REASON_WRONG_SHAPE,
                                                    "a text where an object or a list belongs");
        }
        if (!next_part(form, &rest, &part)) {
            break;
        }
    }
    return false;
}

static int compare_leaves(const void *left, const void *right)
{
    const Leaf *a = left, *b = right;
    if (a->indexes != b->indexes) {
        return a->indexes < b->indexes ? -1 : 1;
    }
    return (a->member > b->member) - (a->member < b->member);
}

static bool add_leaf(Form *form, const Leaf *leaf)
{
    if (form->leaf_count == LIMIT_FORM_PAIRS) {
        return error_malformed(form->builder.error, REASON_TOO_MANY, "more than %d fields",
                               (int)LIMIT_FORM_PAIRS);
    }
    Leaf *grown = arena_list_grow(form->builder.arena, form->leaves, form->leaf_count,
                                  &form->leaf_room, sizeof(Leaf));
    if (!grown) {
        return error_no_memory(form->builder.error);
    }
    form->leaves = grown;
    form->leaves[form->leaf_count] = *leaf;
    if (form->leaf_count && compare_leaves(&form->leaves[form->leaf_count - 1], leaf) > 0) {
        form->sorted = false;
    }
    form->leaf_count++;
    return true;
}

static bool read_pair(Form *form, Str pair)
{
    Leaf leaf = {.offset = (size_t)(pair.ptr - form->body.ptr)};
    Str value = pair;
    Str name = str_split(&value, '=');
    if (!decode_name(form, &name) || !read_name(form, name, &leaf)) {
        return false;
    }
    if (!leaf.member) {
        return true;
    }
    leaf.value = value.ptr ? value : STR("");
    return decode_value(form, &leaf.value) && add_leaf(form, &leaf);
}

/* Adds the place of a pair to an error about the body. */
static bool fail_at(Form *form, size_t offset)
{
    if (form->builder.error->code == ERROR_MALFORMED) {
        error_locate(form->builder.error, form->body, offset);
    }
    return false;
}

static bool read_pairs(Form *form)
{
    Str rest = form->body;
    while (rest.ptr) {
        Str pair = str_split(&rest, '&');
        if (pair.len && !read_pair(form, pair)) {
            return fail_at(form, (size_t)(pair.ptr - form->body.ptr));
        }
    }
    return true;
}

static bool begin_entry(Form *form)
{
    form->object[1] = builder_add_account(&form->builder);
    return form->object[1];
}

static bool begin_change(Form *form)
{
    form->change_begin = builder_mark(&form->builder);
    form->object[2] = builder_add_change(&form->builder, form->object[1]);
    return form->object[2];
}

static bool end_change(Form *form)
{
    return builder_finish_change(&form->builder, form->object[2], form->change_begin,
                                 (Str){NULL, 0});
}

static bool begin_status(Form *form)
{
    form->object[3] = builder_begin_status(&form->builder, form->object[2]);
    return true;
}

static bool end_status(Form *form)
{
    return builder_end_status(&form->builder);
}

static bool begin_error(Form *form)
{
    form->object[4] = builder_add_error(&form->builder);
    return form->object[4];
}

static const struct {
    bool (*begin)(Form *form);
    bool (*end)(Form *form);
} levels[LEVELS] = {{begin_entry, NULL},
                    {begin_change, end_change},
                    {begin_status, end_status},
                    {begin_error, NULL}};

/* Leaves what is open below a depth. */
static bool leave_to(Form *form, unsigned depth)
{
    while (form->depth > depth) {
        bool (*end)(Form *) = levels[--form->depth].end;
        if (end && !end(form)) {
            return false;
        }
    }
    return true;
}

/* Goes to the object that a leaf belongs to. */
static bool enter(Form *form, const Leaf *leaf)
{
    unsigned depth = places[leaf->member->in].depth;
    for (unsigned level = 0; level < depth; level++) {
        size_t index = (leaf->indexes >> (16 * (LEVELS - 1 - level))) & UINT16_MAX;
        if (form->depth > level && form->next[level] == index + 1) {
            continue;
        }
        if (!leave_to(form, level)) {
            return false;
        }
        if (form->next[level] != index) {
            return bad_name(form, "a list with a gap in its indexes, which start at 0");
        }
        form->depth = level + 1;
        form->next[level]++;
        if (level + 1 < LEVELS) {
            form->next[level + 1] = 0;
            form->builder.index[level] = index;
        }
        if (!levels[level].begin(form)) {
            return false;
        }
    }
    return true;
}

/* Two leaves for one place must agree. */
static bool place_leaf(Form *form, const Leaf *leaf)
{
    if (!enter(form, leaf)) {
        return false;
    }
    char *object = form->object[places[leaf->member->in].depth];
    Str *text = (Str *)(void *)(object + leaf->member->offset);
    if (text->ptr && !str_eq(*text, leaf->value)) {
        return error_malformed(form->builder.error, REASON_REPEATED, "two values for one name");
    }
    *text = leaf->value;
    return true;
}

bool form_decode(Str body, Arena *arena, Payload *ret, Error *reterr)
{
    Form form = {.body = body, .sorted = true};
    builder_begin(&form.builder, arena, ret, reterr);
    form.object[0] = ret;
    if (!read_pairs(&form)) {
        return false;
    }
    if (!form.sorted) {
        qsort(form.leaves, form.leaf_count, sizeof(Leaf), compare_leaves);
    }
    for (size_t i = 0; i < form.leaf_count; i++) {
        if (!place_leaf(&form, &form.leaves[i])) {
            return fail_at(&form, form.leaves[i].offset);
        }
    }
    return leave_to(&form, 0);
}
