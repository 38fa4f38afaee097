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
#include "payload/form_name.h"

#include <stdint.h>
#include <stdlib.h>

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
    if (!decode_name(form, &name) ||
        !form_read_name(name, value.len > 0, &leaf, &stray, form->builder.error)) {
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
        return form_bad_name(form->builder.error,
                             "a list with a gap in its indexes, which start at 0");
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
    if (!enter(form, leaf->indexes, form_places[leaf->member->in].depth)) {
        return false;
    }
    char *object = form->object[form_places[leaf->member->in].depth];
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
    const bool is_item = form_places[stray->in].depth && stray->in != VALUE &&
                         stray->in != METADATA && form_places[stray->in].item == TEXT;
    const unsigned depth = form_places[stray->in].depth - is_item;
    if (!can_enter(form, stray->indexes, form_places[stray->in].depth)) {
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
        return form_take_plain(path);
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
    const unsigned depth = form_places[stray->in].depth;
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
