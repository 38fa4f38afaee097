#include "payload/members.h"

#include "base/limits.h"

typedef enum { NULL_MEMBER, TEXT_MEMBER, OBJECT_MEMBER, DROPPED_MEMBER } Kind;

typedef struct {
    Str name; /* absent: a root, or a further one of the name that another node has */
    Str text;
    Kind kind;
    bool is_list;     /* also when it is the only one of its name */
    uint32_t id;      /* of what it is now: another one when it becomes something else */
    uint32_t in;      /* the id of the object, when this was added */
    Node parent;      /* 0: a root */
    Node first, last; /* inside */
    Node next;        /* in the same object */
    Node again, end;  /* the next, and the last, of the same name */
} Entry;

enum { SLOTS = 4 * LIMIT_MEMBERS };

struct Members {
    Arena *arena;
    Entry *nodes; /* the first one is none */
    size_t count, room;
    size_t names, bytes; /* against the limits */
    size_t dropped;
    uint32_t last_id;
    bool failed;
    uint16_t slots[SLOTS]; /* nodes with a name, by parent and name; 0 = free */
};

/* A text costs its bytes, and a few for what is around it: so the limit of bytes bounds the nodes.
 */
enum { FRAME = 4 };

_Static_assert(LIMIT_MEMBER_BYTES / FRAME + LIMIT_MEMBERS < UINT16_MAX, "a slot holds any node");

Members *members_new(Arena *arena)
{
    Members *members = arena_alloc(arena, sizeof(*members));
    if (members) {
        *members = (Members){.arena = arena};
        members_clear(members);
    }
    return members;
}

void members_clear(Members *members)
{
    if (members->names) {
        memset(members->slots, 0, sizeof(members->slots));
    }
    members->count = 1;
    members->names = members->bytes = 0;
}

/* A new node; 0: no memory. */
static Node add_node(Members *members, Node parent, Kind kind)
{
    Entry *grown = members->failed ? NULL
                                   : arena_list_grow(members->arena, members->nodes, members->count,
                                                     &members->room, sizeof(Entry));
    if (!grown) {
        members->failed = true;
        return 0;
    }
    members->nodes = grown;
    members->nodes[members->count] = (Entry){.kind = kind,
                                             .id = ++members->last_id,
                                             .in = parent ? grown[parent].id : 0,
                                             .parent = parent};
    return (Node)members->count++;
}

Node members_add_root(Members *members)
{
    return add_node(members, 0, OBJECT_MEMBER);
}

void members_drop(Members *members)
{
    members->dropped++;
}

/* Is there room for so many bytes more? */
static bool charge(Members *members, size_t bytes)
{
    if (bytes + FRAME > LIMIT_MEMBER_BYTES - members->bytes) {
        members->dropped++;
        return false;
    }
    members->bytes += bytes + FRAME;
    return true;
}

/* The slot of a name in an object, or the free one where it belongs. */
static uint16_t *find_slot(Members *members, Node object, Str name)
{
    const uint32_t id = members->nodes[object].id;
    uint32_t hash = 2166136261u ^ id;
    for (size_t i = 0; i < name.len; i++) {
        hash = (hash ^ (unsigned char)name.ptr[i]) * 16777619u;
    }
    for (size_t at = hash;; at++) {
        uint16_t *slot = &members->slots[at % SLOTS];
        const Entry *entry = &members->nodes[*slot];
        if (*slot == 0 || (entry->in == id && str_eq(entry->name, name))) {
            return slot;
        }
    }
}

/* A first member of that name. */
static Node add_named(Members *members, Node object, Str name, uint16_t *slot)
{
    if (members->names == LIMIT_MEMBERS) {
        members->dropped++;
        return 0;
    }
    if (!charge(members, name.len)) {
        return 0;
    }
    name = arena_copy(members->arena, name);
    members->failed |= !name.ptr;
    const Node node = add_node(members, object, TEXT_MEMBER);
    if (node) {
        Entry *parent = &members->nodes[object];
        Node *link = parent->last ? &members->nodes[parent->last].next : &parent->first;
        members->nodes[node].name = name;
        members->nodes[node].text = STR("");
        members->names++;
        *slot = (uint16_t)node;
        *link = parent->last = node;
        parent->kind = OBJECT_MEMBER;
    }
    return node;
}

Node members_add(Members *members, Node object, Str name)
{
    uint16_t *slot = find_slot(members, object, name);
    const Node first = *slot;
    if (!first) {
        return add_named(members, object, name, slot);
    }
    const Node node = charge(members, 0) ? add_node(members, object, TEXT_MEMBER) : 0;
    if (node) {
        Entry *entry = &members->nodes[first];
        members->nodes[node].text = STR("");
        members->nodes[entry->end ? entry->end : first].again = node;
        entry->end = node;
    }
    return node;
}

Node members_add_element(Members *members, Node object, Str name)
{
    const Node node = members_add(members, object, name);
    if (node) {
        members->nodes[*find_slot(members, object, name)].is_list = true;
    }
    return node;
}

/* Takes from a node what it is, but for its name and place. What was in it is not found again. */
static void make(Members *members, Entry *entry, Kind kind)
{
    entry->id = ++members->last_id;
    entry->kind = kind;
    entry->text = STR("");
    entry->is_list = false;
    entry->first = entry->last = entry->again = entry->end = 0;
}

Node members_enter(Members *members, Node object, Str name)
{
    uint16_t *slot = find_slot(members, object, name);
    const Node node = *slot ? *slot : add_named(members, object, name, slot);
    Entry *entry = &members->nodes[node];
    if (node && (entry->kind != OBJECT_MEMBER || entry->again)) {
        make(members, entry, OBJECT_MEMBER);
    }
    return node;
}

void members_set_text(Members *members, Node node, Str text)
{
    if (text.len <= LIMIT_MEMBER_BYTES - members->bytes) {
        members->bytes += text.len;
        members->nodes[node].kind = TEXT_MEMBER;
        members->nodes[node].text = text;
    } else {
        members->nodes[node].kind = DROPPED_MEMBER;
        members->dropped++;
    }
}

void members_set_null(Members *members, Node node)
{
    members->nodes[node].kind = NULL_MEMBER;
}

void members_put_text(Members *members, Node object, Str name, Str text)
{
    Node node = *find_slot(members, object, name);
    if (node && members->nodes[node].kind == OBJECT_MEMBER && !members->nodes[node].is_list) {
        make(members, &members->nodes[node], TEXT_MEMBER);
    } else {
        node = members_add(members, object, name);
    }
    if (node) {
        members_set_text(members, node, text);
    }
}

Node members_parent(const Members *members, Node node)
{
    return members->nodes[node].parent;
}

bool members_is_empty(const Members *members, Node node)
{
    return !members->nodes[node].first;
}

Node members_find(const Members *members, Node object, Str name)
{
    Node found = 0;
    for (Node node = members->nodes[object].first; node; node = members->nodes[node].next) {
        const Entry *entry = &members->nodes[node];
        if (str_eq_nocase(entry->name, name)) {
            found = entry->again || entry->is_list ? 0 : node;
        }
    }
    return found;
}

Str members_text(const Members *members, Node node)
{
    const Entry *entry = &members->nodes[node];
    return node && entry->kind == TEXT_MEMBER ? entry->text : (Str){NULL, 0};
}

/* The number that a name is, as forms write an index; SIZE_MAX: none below `count`. */
static size_t index_of(Str name, size_t count)
{
    size_t index = 0;
    if (name.len == 0 || name.len > 6 || (name.len > 1 && name.ptr[0] == '0')) {
        return SIZE_MAX;
    }
    for (size_t i = 0; i < name.len; i++) {
        if (!ascii_is_digit(name.ptr[i])) {
            return SIZE_MAX;
        }
        index = index * 10 + (size_t)(name.ptr[i] - '0');
    }
    return index < count ? index : SIZE_MAX;
}

/* Are the names of the object the numbers from 0, each once? Then *ret_items are its members in
 * their order; there are at most LIMIT_MEMBERS. Names of an object differ, so it is enough that
 * each is below their number. */
static size_t list_items(const Members *members, Node object, Node ret_items[LIMIT_MEMBERS])
{
    size_t count = 0;
    for (Node node = members->nodes[object].first; node; node = members->nodes[node].next) {
        count++;
    }
    for (Node node = members->nodes[object].first; node; node = members->nodes[node].next) {
        const size_t index = index_of(members->nodes[node].name, count);
        if (index == SIZE_MAX) {
            return 0;
        }
        ret_items[index] = node;
    }
    return count;
}

static bool is_list(const Members *members, Node node)
{
    Node items[LIMIT_MEMBERS];
    const Entry *entry = &members->nodes[node];
    return entry->is_list || entry->again || list_items(members, node, items) > 0;
}

bool members_have_list(const Members *members, Node object, bool or_object)
{
    for (Node node = members->nodes[object].first; node; node = members->nodes[node].next) {
        const Entry *entry = &members->nodes[node];
        const bool known = str_eq_nocase(entry->name, STR("contacts")) ||
                           str_eq_nocase(entry->name, STR("errors")) ||
                           str_eq_nocase(entry->name, STR("statuses"));
        if (!known && ((or_object && entry->first) || is_list(members, node))) {
            return true;
        }
    }
    return false;
}

static void add_comma(Text *text)
{
    const char last = text->len ? text->ptr[text->len - 1] : ',';
    text_add(text, last == '{' || last == '[' ? STR("") : STR(","));
}

/* Recursion is as deep as the body was nested, at most LIMIT_DEPTH. */
/* NOLINTBEGIN(misc-no-recursion) */
static void render_member(const Members *members, Node node, Text *text);

/* What one node is, without what else has its name. */
static void render_value(const Members *members, Node node, Text *text)
{
    const Entry *entry = &members->nodes[node];
    Node items[LIMIT_MEMBERS];
    if (entry->kind != OBJECT_MEMBER) {
        entry->kind == TEXT_MEMBER ? text_add_json(text, entry->text) : text_add(text, STR("null"));
        return;
    }
    const size_t count = list_items(members, node, items);
    if (count == 0) {
        text_add(text, STR("{"));
        members_render(members, node, text);
        text_add(text, STR("}"));
        return;
    }
    text_add(text, STR("["));
    for (size_t i = 0; i < count; i++) {
        add_comma(text);
        render_member(members, items[i], text);
    }
    text_add(text, STR("]"));
}

/* The value of a name: one node, or the list of all. */
static void render_member(const Members *members, Node node, Text *text)
{
    const bool list = members->nodes[node].again || members->nodes[node].is_list;
    if (!list) {
        render_value(members, node, text);
        return;
    }
    text_add(text, STR("["));
    for (Node next = node; next; next = members->nodes[next].again) {
        if (members->nodes[next].kind != DROPPED_MEMBER) {
            add_comma(text);
            render_value(members, next, text);
        }
    }
    text_add(text, STR("]"));
}

void members_render(const Members *members, Node object, Text *text)
{
    for (Node node = members->nodes[object].first; node; node = members->nodes[node].next) {
        if (members->nodes[node].kind != DROPPED_MEMBER || members->nodes[node].again) {
            add_comma(text);
            text_add_json(text, members->nodes[node].name);
            text_add(text, STR(":"));
            render_member(members, node, text);
        }
    }
}

/* NOLINTEND(misc-no-recursion) */

size_t members_dropped(const Members *members)
{
    return members->dropped;
}

bool members_failed(const Members *members)
{
    return members->failed;
}
