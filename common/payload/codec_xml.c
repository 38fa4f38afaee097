/*
 * The XML form of the payload: what .NET's DataContractSerializer writes.
 *
 * `rules` has, for each place of the payload, the elements that may stand there, in any order.
 * Since every place has one parent, the place is all the state that the walk needs. What else
 * stands in an entry, and below it, is kept (members.h); at the root it is skipped with all it
 * holds. What is wrong inside a status costs that status; what is wrong elsewhere costs the body.
 */
#include "payload/codec.h"
#include "base/text.h"
#include "base/utf.h"
#include "payload/xml_parser.h"

#define NAMESPACE "http://schemas.datacontract.org/2004/07/NEOWAY.Model.WhatsAppNotification"

typedef enum {
    OUTSIDE,
    PAYLOAD,
    ENTRIES,
    ENTRY,
    CHANGES,
    CHANGE,
    VALUE,
    METADATA,
    STATUSES,
    STATUS, /* this and what follows is inside a status */
    ERRORS,
    ERROR,
    PLACES
} Place;

typedef struct {
    Builder builder;
    Place place;
    size_t skipped;             /* open elements that are skipped */
    Members *kept;              /* what the unknown element is kept in, that is being read; NULL: */
    Node node, outside;         /* ... none; the innermost element of it, and what it is in */
    const char *uri;            /* our namespace, as the parser calls it */
    unsigned char seen[PLACES]; /* bit n: rules[place].elements[n] has been there */
    void *object[PLACES];       /* what the texts of a place are members of */

    Str *member; /* the text that is being read; NULL = between elements */
    Text text;

    size_t next[3]; /* index of the next entry, change, status */
    Mark entry_begin, change_begin;
    bool wrong_shape; /* of the status that is being read */
    Text stray;       /* text between its members */
} Reader;

typedef enum {
    TEXT,   /* a scalar, at most once */
    SINGLE, /* an object or a list, at most once */
    ITEM,   /* an element of a list */
} Kind;

typedef struct {
    const char *name;
    Kind kind;
    Place inside;  /* where its own elements stand */
    size_t offset; /* of a TEXT, in the object of the place */
} Element;

typedef struct {
    Place parent;
    Keeper keeper;                            /* of unknown elements ... */
    const char *kept_name;                    /* ... in a list: as members of this */
    bool (*begin)(Reader *reader, bool null); /* a null item is announced, but not entered */
    bool (*end)(Reader *reader);
    Element elements[6]; /* the last one has no name */
} Rule;

static const Str absent = {NULL, 0};

static bool begin_payload(Reader *reader, bool null)
{
    reader->object[PAYLOAD] = reader->builder.payload;
    return !null ||
           error_malformed(reader->builder.error, REASON_NOT_A_PAYLOAD, "the root is null");
}

static bool begin_entry(Reader *reader, bool null)
{
    reader->builder.index[0] = reader->next[0]++;
    reader->next[1] = 0;
    reader->entry_begin = builder_mark(&reader->builder);
    reader->builder.payload->has_unread = true;
    return null || (reader->object[ENTRY] = builder_add_account(&reader->builder));
}

static bool end_entry(Reader *reader)
{
    const bool is_bare = reader->next[1] == 0 && !reader->builder.roots[KEEP_ACCOUNT];
    return builder_finish_account(&reader->builder, reader->object[ENTRY], reader->entry_begin,
                                  is_bare, absent);
}

static bool begin_change(Reader *reader, bool null)
{
    reader->builder.index[1] = reader->next[1]++;
    reader->next[2] = 0;
    if (null) {
        return true;
    }
    reader->change_begin = builder_mark(&reader->builder);
    Change *change = builder_add_change(&reader->builder, reader->object[ENTRY]);
    reader->object[CHANGE] = reader->object[VALUE] = reader->object[METADATA] = change;
    return change;
}

static bool end_change(Reader *reader)
{
    return builder_finish_change(&reader->builder, reader->object[CHANGE], reader->change_begin,
                                 absent);
}

static bool begin_status(Reader *reader, bool null)
{
    reader->builder.index[2] = reader->next[2]++;
    reader->object[STATUS] = builder_begin_status(&reader->builder, reader->object[CHANGE]);
    reader->wrong_shape = false;
    reader->stray = text_begin(reader->builder.arena);
    return !null ||
           builder_quarantine(&reader->builder, REASON_WRONG_SHAPE, AT_STATUS, STR("null"));
}

/* A status that is nothing but text is quarantined as that text, without white space around it. */
static bool quarantine_text(Reader *reader)
{
    Str stray = str_trim_space(text_finish(&reader->stray));
    Text text = text_begin(reader->builder.arena);
    text_add_json(&text, stray);
    return builder_quarantine(&reader->builder, REASON_WRONG_SHAPE, AT_STATUS, text_finish(&text));
}

/* Text of an element that has elements too: a member of its own. */
#define MIXED_TEXT STR("#text")

/* The text between the members of a status is kept beside them. */
static bool keep_stray(Reader *reader)
{
    const Str stray = str_trim_space(text_finish(&reader->stray));
    Node root;
    if (stray.len == 0) {
        return !reader->stray.failed || error_no_memory(reader->builder.error);
    }
    Members *kept = builder_keep(&reader->builder, KEEP_STATUS, &root);
    if (kept) {
        members_put_text(kept, root, MIXED_TEXT, stray);
    }
    return kept;
}

static bool end_status(Reader *reader)
{
    if (!reader->wrong_shape) {
        return builder_end_status(&reader->builder);
    }
    if (!reader->seen[STATUS] && !reader->builder.roots[KEEP_STATUS]) {
        return quarantine_text(reader);
    }
    return keep_stray(reader) && builder_end_wrong_status(&reader->builder);
}

static bool begin_error(Reader *reader, bool null)
{
    return null || (reader->object[ERROR] = builder_add_error(&reader->builder));
}

static bool end_error(Reader *reader)
{
    return builder_end_error(&reader->builder);
}

#define TEXT_OF(type, member) TEXT, .offset = offsetof(type, member)

static const Rule rules[PLACES] = {
    [OUTSIDE] = {.elements = {{"WebhookPayload", SINGLE, .inside = PAYLOAD}}},
    [PAYLOAD] = {.parent = OUTSIDE,
                 .begin = begin_payload,
                 .elements = {{"Object", TEXT_OF(Payload, object)},
                              {"Entry", SINGLE, .inside = ENTRIES}}},
    [ENTRIES] = {.parent = PAYLOAD, .elements = {{"Entry", ITEM, .inside = ENTRY}}},
    [ENTRY] = {.parent = ENTRIES,
               .keeper = KEEP_ACCOUNT,
               .begin = begin_entry,
               .end = end_entry,
               .elements = {{"Id", TEXT_OF(Account, id)}, {"Changes", SINGLE, .inside = CHANGES}}},
    [CHANGES] = {.parent = ENTRY,
                 .keeper = KEEP_ACCOUNT,
                 .kept_name = "Changes",
                 .elements = {{"Change", ITEM, .inside = CHANGE}}},
    [CHANGE] = {.parent = CHANGES,
                .keeper = KEEP_CHANGE,
                .begin = begin_change,
                .end = end_change,
                .elements = {{"Field", TEXT_OF(Change, field)},
                             {"Value", SINGLE, .inside = VALUE}}},
    [VALUE] = {.parent = CHANGE,
               .keeper = KEEP_VALUE,
               .elements = {{"MessagingProduct", TEXT_OF(Change, messaging_product)},
                            {"Metadata", SINGLE, .inside = METADATA},
                            {"Statuses", SINGLE, .inside = STATUSES}}},
    [METADATA] = {.parent = VALUE,
                  .keeper = KEEP_METADATA,
                  .elements = {{"DisplayPhoneNumber", TEXT_OF(Change, display_phone_number)},
                               {"PhoneNumberId", TEXT_OF(Change, phone_number_id)}}},
    [STATUSES] = {.parent = VALUE,
                  .keeper = KEEP_VALUE,
                  .kept_name = "Statuses",
                  .elements = {{"StatusUpdate", ITEM, .inside = STATUS}}},
    [STATUS] = {.parent = STATUSES,
                .keeper = KEEP_STATUS,
                .begin = begin_status,
                .end = end_status,
                .elements = {{"Errors", SINGLE, .inside = ERRORS},
                             {"Id", TEXT_OF(StatusUpdate, id)},
                             {"RecipientId", TEXT_OF(StatusUpdate, recipient_id)},
                             {"Status", TEXT_OF(StatusUpdate, status)},
                             {"Timestamp", TEXT_OF(StatusUpdate, timestamp)}}},
    [ERRORS] = {.parent = STATUS,
                .keeper = KEEP_STATUS,
                .kept_name = "Errors",
                .elements = {{"WhatsAppError", ITEM, .inside = ERROR}}},
    [ERROR] = {.parent = ERRORS,
               .keeper = KEEP_ERROR,
               .begin = begin_error,
               .end = end_error,
               .elements = {{"Code", TEXT_OF(StatusError, code)},
                            {"Title", TEXT_OF(StatusError, title)}}},
};

/* NULL: nothing that we know. */
static const Element *find_element(Reader *reader, const char *name, const char *uri)
{
    if (!uri || (uri != reader->uri && strcmp(uri, NAMESPACE) != 0)) {
        return NULL;
    }
    reader->uri = uri;
    for (const Element *element = rules[reader->place].elements; element->name; element++) {
        if (element->name[0] == name[0] && strcmp(element->name, name) == 0) {
            return element;
        }
    }
    return NULL;
}

/* Something of the wrong kind: the status is marked, elsewhere the body is refused. */
static bool refuse_shape(Reader *reader, const char *text)
{
    reader->wrong_shape = true;
    return reader->place >= STATUS ||
           error_malformed(reader->builder.error, REASON_WRONG_SHAPE, "%s", text);
}

static bool begin_element(Reader *reader, const Element *element, bool null)
{
    unsigned char *seen = &reader->seen[reader->place];
    unsigned char bit = (unsigned char)(1u << (element - rules[reader->place].elements));
    if (element->kind != ITEM && *seen & bit) {
        return error_malformed(reader->builder.error, REASON_REPEATED,
                               "%s stands twice in one element", element->name);
    }
    *seen |= bit;
    const Rule *inside = &rules[element->inside];
    if (element->kind != TEXT && inside->begin && !inside->begin(reader, null)) {
        return false;
    }
    if (null) {
        reader->skipped = 1;
    } else if (element->kind == TEXT) {
        reader->member = (Str *)(void *)((char *)reader->object[reader->place] + element->offset);
        reader->text = text_begin(reader->builder.arena);
    } else {
        reader->place = element->inside;
        reader->seen[reader->place] = 0;
    }
    return true;
}

/* Ends a piece of text of the unknown element that is being read. is_last: the element ends. */
static bool keep_text(Reader *reader, bool is_last)
{
    const Str text = text_finish(&reader->text);
    const bool is_blank = str_trim_space(text).len == 0;
    reader->text = text_begin(reader->builder.arena);
    if (!text.ptr) {
        return error_no_memory(reader->builder.error);
    }
    if (is_last && members_is_empty(reader->kept, reader->node)) {
        members_set_text(reader->kept, reader->node, text);
    } else if (!is_blank) {
        members_put_text(reader->kept, reader->node, MIXED_TEXT, text);
    }
    return true;
}

/* An element inside `object`: from now on it is read, or skipped when it is null or too much. */
static bool keep_element(Reader *reader, Node object, const char *name, bool null)
{
    const Node node = members_add(reader->kept, object, str_from(name));
    if (members_failed(reader->kept)) {
        return error_no_memory(reader->builder.error);
    }
    if (node && null) {
        members_set_null(reader->kept, node);
    }
    if (!node || null) {
        reader->skipped = 1;
    } else {
        reader->node = node;
        reader->text = text_begin(reader->builder.arena);
    }
    return true;
}

/* The same for the outermost one. */
static bool start_unknown(Reader *reader, const char *name, bool null)
{
    const Rule *rule = &rules[reader->place];
    Node root;
    reader->builder.payload->has_unread |= reader->place == PAYLOAD;
    if (reader->place == PAYLOAD || reader->place == ENTRIES) {
        reader->skipped = 1;
        return true;
    }
    Members *kept = builder_keep(&reader->builder, rule->keeper, &root);
    if (!kept) {
        return false;
    }
    const Node object =
        rule->kept_name ? members_enter(kept, root, str_from(rule->kept_name)) : root;
    reader->kept = kept;
    reader->node = reader->outside = object;
    if (!object) {
        reader->kept = NULL;
        reader->skipped = 1;
        return !members_failed(kept) || error_no_memory(reader->builder.error);
    }
    if (!keep_element(reader, object, name, null)) {
        return false;
    }
    reader->kept = reader->skipped ? NULL : kept;
    return true;
}

static bool end_unknown(Reader *reader)
{
    if (!keep_text(reader, true)) {
        return false;
    }
    reader->node = members_parent(reader->kept, reader->node);
    if (reader->node == reader->outside) {
        reader->kept = NULL;
    }
    return true;
}

static bool start_element(void *context, const char *name, const char *uri, bool null)
{
    Reader *reader = context;
    if (reader->skipped) {
        reader->skipped++;
        reader->builder.payload->has_unread |= reader->place == ENTRIES;
        return true;
    }
    if (reader->kept) {
        return keep_text(reader, false) && keep_element(reader, reader->node, name, null);
    }
    if (reader->member) {
        reader->skipped = 1;
        return refuse_shape(reader, "an element where only text belongs");
    }
    const Element *element = find_element(reader, name, uri);
    if (element) {
        return begin_element(reader, element, null);
    }
    if (reader->place == OUTSIDE) {
        return error_malformed(reader->builder.error, REASON_NOT_A_PAYLOAD,
                               "the root must be WebhookPayload in namespace " NAMESPACE);
    }
    return start_unknown(reader, name, null);
}

static bool end_element(void *context)
{
    Reader *reader = context;
    if (reader->skipped) {
        reader->skipped--;
        return true;
    }
    if (reader->kept) {
        return end_unknown(reader);
    }
    if (reader->member) {
        *reader->member = text_finish(&reader->text);
        reader->member = NULL;
        return true;
    }
    const Rule *rule = &rules[reader->place];
    reader->place = rule->parent;
    return !rule->end || rule->end(reader);
}

static bool add_piece(Reader *reader, Text *text, Str piece)
{
    text_add(text, piece);
    return !text->failed || error_no_memory(reader->builder.error);
}

static bool read_text(void *context, Str piece)
{
    Reader *reader = context;
    if (reader->skipped) {
        return true;
    }
    if (reader->member || reader->kept) {
        return add_piece(reader, &reader->text, piece);
    }
    if (reader->place == STATUS && reader->stray.len) {
        return add_piece(reader, &reader->stray, piece);
    }
    piece = str_skip_space(piece);
    return piece.len == 0 ||
           (refuse_shape(reader, "text where only elements belong") &&
            (reader->place != STATUS || add_piece(reader, &reader->stray, piece)));
}

static bool decode_once(Str body, Arena *arena, Payload *ret, Error *reterr)
{
    static const XmlEvents events = {start_element, end_element, read_text};
    Reader reader = {.place = OUTSIDE};
    builder_begin(&reader.builder, arena, ret, reterr);
    reader.builder.objects_are_lists = true;
    return xml_parse(body, &events, &reader, reterr) && builder_finish(&reader.builder);
}

/* A body that was refused for its characters, as it is read nevertheless; the same text when there
 * is no other way to read it. Absent: no memory. */
static Str repair(Str body, const Error *error, Arena *arena)
{
    if (error_reason(error) == REASON_ENCODING && xml_declares_latin1(body)) {
        return latin1_to_utf8(body, arena);
    }
    return error_reason(error) == REASON_SYNTAX ? xml_replace_forbidden(body, arena) : body;
}

/* One character that XML forbids, or a label that is not quite right, does not cost the body. But a
 * good one is not searched for them: only one that was refused is repaired and read again. */
bool xml_decode(Str body, Arena *arena, Payload *ret, Error *reterr)
{
    if (decode_once(body, arena, ret, reterr)) {
        return true;
    }
    Error error = *reterr;
    for (int round = 0; round < 2 && error.code == ERROR_MALFORMED; round++) {
        const Str repaired = repair(body, &error, arena);
        if (!repaired.ptr) {
            return error_no_memory(reterr);
        }
        if (str_eq(repaired, body)) {
            return false;
        }
        if (decode_once(repaired, arena, ret, &error)) {
            return true;
        }
        body = repaired;
    }
    if (error.code != ERROR_MALFORMED) {
        *reterr = error;
    }
    return false;
}
