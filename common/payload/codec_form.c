/*
 * The form: application/x-www-form-urlencoded, names like
 * entry[0][changes][0][value][statuses][0][id] or, as .NET's model binding has it,
 * Entry[0].Changes[0].Value.Statuses[0].Id, mixed at will, in any case.
 *
 * Each pair whose name means something becomes a leaf: a text and where it belongs. The leaves are
 * sorted by their indexes, unless they came sorted, and handed to the builder in one walk. So the
 * time is linear in the body, but for the sorting of at most LIMIT_FORM_PAIRS.
 *
 * A pair whose name is unknown below an entry is a stray: the walk hands it to what it stands in,
 * which keeps it (members.h), but it never fails a body: where it does not fit it is dropped. So is
 * a name that has no value where an object or a list belongs: it is there, and it is nothing.
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

/* A pair of an unknown name, or of nothing in place of an object or list. */
typedef struct {
    uint64_t indexes; /* as of a leaf */
    Place in;         /* what keeps it; of nothing: what it is */
    Str path;         /* what its name goes on with, from the unknown part; absent = nothing */
    Str value;        /* as in the body */
    size_t offset;
} Stray;

_Static_assert(LIMIT_FORM_INDEX <= UINT16_MAX, "an index must fit into its part of Leaf.indexes");

typedef struct {
    Str body;
    Builder builder;
    char *scratch; /* for names with escapes */
    size_t scratch_room;
    Leaf *leaves;
    size_t leaf_count, leaf_room;
    bool sorted;
    Stray *strays;
    size_t stray_count, stray_room, next_stray;

    /* The walk. */
    unsigned depth;           /* open levels: 1 = in an entry, ... 4 = in an error */
    size_t next[LEVELS];      /* the index that the next item of each level must have */
    void *object[LEVELS + 1]; /* what the leaves of each depth are members of */
    Mark entry_begin, change_begin;
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

/*
 * Finds out what a name means. ret->member is NULL when it is unknown, or has no value where an
 * object or a list belongs; then *ret_stray is told what it stands in, and how it goes on there.
 * What is below a text belongs to the object that the text is in.
 */
static bool read_name(Form *form, Str name, bool has_value, Leaf *ret, Stray *ret_stray)
{
    Place place = PAYLOAD, in = PAYLOAD;
    Str rest = name;
    const char *path = name.ptr;
    Str part = take_plain(&rest);
    while (go_to(form, part, &place, ret)) {
        if (!ret->member) {
            ret_stray->in = in;
            ret_stray->path = (Str){path, (size_t)(name.ptr + name.len - path)};
            return ignore(form, rest);
        }
        if (str_is_empty(rest)) {
            ret_stray->in = place;
            ret_stray->path = (Str){NULL, 0};
            ret->member = place == TEXT ? ret->member : NULL;
            return place == TEXT || !has_value ||
                   error_malformed(form->builder.error, REASON_WRONG_SHAPE,
                                   "a text where an object or a list belongs");
        }
        if (place != TEXT) {
            in = place;
            path = rest.ptr;
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

static bool drop(Form *form)
{
    form->builder.payload->dropped_members++;
    return true;
}

/* Remembers a stray. One that nothing could keep is only noted; one too many is dropped. */
static bool add_stray(Form *form, const Leaf *leaf, Stray stray)
{
    const bool is_nothing = !stray.path.ptr;
    form->builder.payload->has_unread |= stray.in != ENTRIES;
    if (stray.in == PAYLOAD || stray.in == ENTRIES) {
        return true;
    }
    if (form->stray_count == LIMIT_FORM_PAIRS || stray.path.len > LIMIT_FORM_NAME) {
        return drop(form);
    }
    Stray *grown = arena_list_grow(form->builder.arena, form->strays, form->stray_count,
                                   &form->stray_room, sizeof(Stray));
    form->strays = grown ? grown : form->strays;
    if (!is_nothing) {
        stray.path = arena_copy(form->builder.arena, stray.path); /* names are decoded in place */
    }
    if (!grown || (!is_nothing && !stray.path.ptr)) {
        return error_no_memory(form->builder.error);
    }
    stray.indexes = leaf->indexes;
    stray.value = leaf->value;
    stray.offset = leaf->offset;
    form->strays[form->stray_count++] = stray;
    return true;
}

static bool read_pair(Form *form, Str pair)
{
    Leaf leaf = {.offset = (size_t)(pair.ptr - form->body.ptr)};
    Stray stray;
    Str value = pair;
    Str name = str_split(&value, '=');
    leaf.value = value.ptr ? value : STR("");
    if (!decode_name(form, &name) || !read_name(form, name, value.len > 0, &leaf, &stray)) {
        return false;
    }
    if (!leaf.member) {
        return (!name.len && !leaf.value.len) || add_stray(form, &leaf, stray);
    }
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
    form->entry_begin = builder_mark(&form->builder);
    form->object[1] = builder_add_account(&form->builder);
    return form->object[1];
}

static bool end_entry(Form *form)
{
    const bool is_bare = form->next[1] == 0 && !form->builder.roots[KEEP_ACCOUNT];
    return builder_finish_account(&form->builder, form->object[1], form->entry_begin, is_bare,
                                  (Str){NULL, 0});
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

static bool end_error(Form *form)
{
    return builder_end_error(&form->builder);
}

static const struct {
    bool (*begin)(Form *form);
    bool (*end)(Form *form);
} levels[LEVELS] = {{begin_entry, end_entry},
                    {begin_change, end_change},
                    {begin_status, end_status},
                    {begin_error, end_error}};

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

static size_t index_at(uint64_t indexes, unsigned level)
{
    return (indexes >> (16 * ((LEVELS - 1 - level) % LEVELS))) & UINT16_MAX;
}

/* Goes into the next item of a list, which must have this index. */
static bool enter_item(Form *form, unsigned level, size_t index)
{
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
    return levels[level].begin(form);
}

static bool is_in(const Form *form, unsigned level, size_t index)
{
    return form->depth > level && form->next[level] == index + 1;
}

/* Goes to the object at so many indexes. */
static bool enter(Form *form, uint64_t indexes, unsigned depth)
{
    for (unsigned level = 0; level < depth; level++) {
        const size_t index = index_at(indexes, level);
        if (!is_in(form, level, index) && !enter_item(form, level, index)) {
            return false;
        }
    }
    return true;
}

/* Two leaves for one place must agree. */
static bool place_leaf(Form *form, const Leaf *leaf)
{
    if (!enter(form, leaf->indexes, places[leaf->member->in].depth)) {
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

/* Is there such an object, or could it be the next of its list? */
static bool can_enter(const Form *form, uint64_t indexes, unsigned depth)
{
    for (unsigned level = 0; level < depth; level++) {
        const size_t index = index_at(indexes, level);
        if (!is_in(form, level, index)) {
            /* what is below the next item can only be the first of its list */
            bool first = form->depth >= level ? form->next[level] == index : index == 0;
            while (first && ++level < depth) {
                first = index_at(indexes, level) == 0;
            }
            return first;
        }
    }
    return true;
}

/* An item of a list that is nothing: it has an index, like null in JSON. */
static bool place_nothing(Form *form, const Stray *stray)
{
    const bool is_item = places[stray->in].depth && stray->in != VALUE && stray->in != METADATA &&
                         places[stray->in].item == TEXT;
    const unsigned depth = places[stray->in].depth - is_item;
    if (!can_enter(form, stray->indexes, places[stray->in].depth)) {
        return drop(form);
    }
    if (!enter(form, stray->indexes, depth)) {
        return false;
    }
    if (!is_item || is_in(form, depth, index_at(stray->indexes, depth))) {
        return true;
    }
    if (!leave_to(form, depth)) {
        return false;
    }
    form->next[depth]++;
    if (stray->in != STATUS) {
        return true;
    }
    form->builder.index[depth] = index_at(stray->indexes, depth);
    ((Change *)form->object[2])->has_statuses = true;
    return builder_quarantine(&form->builder, REASON_WRONG_SHAPE, AT_STATUS, STR("\"\""));
}

/* The value of a stray: escapes that are none stay as they are, bytes that are not UTF-8 become
 * U+FFFD. */
static bool decode_stray(Form *form, Str *value)
{
    if (has_escapes(*value)) {
        char *buffer = arena_alloc(form->builder.arena, value->len);
        if (!buffer) {
            return error_no_memory(form->builder.error);
        }
        if (percent_decode(*value, PLUS_IS_SPACE, buffer, &value->len)) {
            value->ptr = buffer;
        }
    }
    *value = utf8_is_valid(*value) ? *value : utf8_repair(*value, form->builder.arena);
    return value->ptr || error_no_memory(form->builder.error);
}

/* Takes the next part of the path of a stray, whatever is wrong with it. */
static Str take_part(Str *path)
{
    const bool in_brackets = path->ptr[0] == '[';
    if (!in_brackets) {
        *path = path->ptr[0] == '.' ? str_from_offset(*path, 1) : *path;
        return take_plain(path);
    }
    *path = str_from_offset(*path, 1);
    const Str part = {path->ptr, str_find(*path, ']')};
    *path = str_from_offset(*path, part.len + (part.len < path->len));
    return part;
}

/* Puts a value where its path leads: name by name into objects; `[]` is one more of a list. */
static void keep_at(Members *kept, Node object, Str path, Str value)
{
    for (Str name = take_part(&path); object; name = take_part(&path)) {
        if (str_eq(path, STR("[]"))) {
            const Node element = members_add_element(kept, object, name);
            if (element) {
                members_set_text(kept, element, value);
            }
            return;
        }
        if (path.len == 0) {
            members_put_text(kept, object, name, value);
            return;
        }
        if (str_starts_with(path, STR("[]"))) {
            take_part(&path);
            object = members_add_element(kept, object, name);
        } else {
            object = members_enter(kept, object, name);
        }
    }
}

static size_t count_parts(Str path)
{
    size_t count = 0;
    for (; path.len; count++) {
        take_part(&path);
    }
    return count;
}

static bool place_stray(Form *form, const Stray *stray)
{
    static const Keeper keepers[PLACES] = {
        [ENTRY] = KEEP_ACCOUNT,     [CHANGE] = KEEP_CHANGE, [VALUE] = KEEP_VALUE,
        [METADATA] = KEEP_METADATA, [STATUS] = KEEP_STATUS, [ERROR] = KEEP_ERROR};
    const unsigned depth = places[stray->in].depth;
    Str value = stray->value;
    Node root;
    if (!stray->path.ptr) {
        return place_nothing(form, stray);
    }
    if (!can_enter(form, stray->indexes, depth) || !utf8_is_valid(stray->path) ||
        count_parts(stray->path) > LIMIT_DEPTH / 2) {
        return drop(form);
    }
    if (!enter(form, stray->indexes, depth)) {
        return false;
    }
    Members *kept = builder_keep(&form->builder, keepers[stray->in], &root);
    if (!kept || !decode_stray(form, &value)) {
        return false;
    }
    keep_at(kept, root, stray->path, value);
    return !members_failed(kept) || error_no_memory(form->builder.error);
}

static int compare_strays(const void *left, const void *right)
{
    const Stray *a = left, *b = right;
    if (a->indexes != b->indexes) {
        return a->indexes < b->indexes ? -1 : 1;
    }
    if (!a->path.ptr != !b->path.ptr) {
        return a->path.ptr ? -1 : 1; /* nothing comes when all else of its object is there */
    }
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* Hands the strays that stand before `indexes` to the builder. */
static bool place_strays(Form *form, uint64_t indexes)
{
    for (; form->next_stray < form->stray_count; form->next_stray++) {
        const Stray *stray = &form->strays[form->next_stray];
        if (stray->indexes >= indexes) {
            break;
        }
        if (!place_stray(form, stray)) {
            return fail_at(form, stray->offset);
        }
    }
    return true;
}

/* Hands all leaves and strays to the builder, in the order of their indexes. */
static bool place_all(Form *form)
{
    const bool has_strays = form->stray_count > 0;
    for (const Leaf *leaf = form->leaves; leaf < form->leaves + form->leaf_count; leaf++) {
        if (has_strays && !place_strays(form, leaf->indexes)) {
            return false;
        }
        if (!place_leaf(form, leaf)) {
            return fail_at(form, leaf->offset);
        }
    }
    return place_strays(form, UINT64_MAX) && leave_to(form, 0);
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
    if (form.stray_count) {
        qsort(form.strays, form.stray_count, sizeof(Stray), compare_strays);
    }
    return place_all(&form) && builder_finish(&form.builder);
}
