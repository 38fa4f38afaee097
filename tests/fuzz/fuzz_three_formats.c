/*
 * The same payload in the three forms gives the same entries, unknown members included.
 *
 * The input is read as a recipe for one payload, which is written as JSON, as XML and as a form
 * side by side; each must be accepted, and all must decode to the same. What the JSON form says is
 * kept verbatim, so what is written here, without the program's renderer, is what the others must
 * come to: byte for byte, or as jansson reads it where the form has its pairs in another order.
 */
#include "payload/codec.h"
#include "fuzz.h"
#include "stream/dedupe.h"
#include "base/text.h"

/* Four of its names are ours too. */
#define JSON_NULL JANSSON_NULL
#define JSON_STRING JANSSON_STRING
#define JSON_ARRAY JANSSON_ARRAY
#define JSON_OBJECT JANSSON_OBJECT
#include <jansson.h>
#undef JSON_NULL
#undef JSON_STRING
#undef JSON_ARRAY
#undef JSON_OBJECT

enum { MOST_CHARACTERS = 12, MOST_PAIRS = 4096, MOST_PATH = 512 };

/* What texts are made of. */
static const struct {
    Str plain;
    const char *xml, *form;
} characters[] = {
    {STR_INIT("a"), "a", "a"},
    {STR_INIT("Z"), "&#90;", "%5a"},
    {STR_INIT("0"), "0", "0"},
    {STR_INIT("1"), "&#x31;", "%31"},
    {STR_INIT("7"), "<![CDATA[7]]>", "7"},
    {STR_INIT("-"), "-", "-"},
    {STR_INIT("+"), "+", "%2B"},
    {STR_INIT(" "), " ", "+"},
    {STR_INIT(" "), "&#32;", "%20"},
    {STR_INIT("\t"), "\t", "%09"},
    {STR_INIT("\n"), "\n", "%0A"},
    {STR_INIT("\n"), "\r\n", "\n"},
    {STR_INIT("\r"), "&#13;", "%0d"},
    {STR_INIT("&"), "&amp;", "%26"},
    {STR_INIT("<"), "&lt;", "<"},
    {STR_INIT(">"), "&gt;", ">"},
    {STR_INIT("\""), "&quot;", "\""},
    {STR_INIT("'"), "'", "'"},
    {STR_INIT("\\"), "\\", "\\"},
    {STR_INIT("/"), "/", "/"},
    {STR_INIT("="), "=", "="},
    {STR_INIT("%"), "%", "%25"},
    {STR_INIT("["), "[", "["},
    {STR_INIT("]"), "]", "%5D"},
    {STR_INIT("{"), "{<!-- } -->", "{"},
    {STR_INIT("."), ".", "."},
    {STR_INIT(";"), ";", ";"},
    {STR_INIT("\x7F"), "\x7F", "%7F"},
    {STR_INIT("\xC3\xA9"), "&#xE9;", "%C3%A9"},
    {STR_INIT("\xE2\x82\xAC"), "\xE2\x82\xAC", "\xE2\x82\xAC"},
    {STR_INIT("\xEF\xBF\xBD"), "&#xFFFD;", "%ef%BF%bd"},
    {STR_INIT("\xF0\x9F\x9A\x80"), "&#128640;", "%F0%9F%9A%80"},
};

typedef struct {
    bool present;
    size_t len;
    unsigned char characters[MOST_CHARACTERS];
} Value;

typedef struct {
    const uint8_t *recipe, *end;
    Arena *arena;
    Text json, xml;
    Str pairs[MOST_PAIRS]; /* of the form */
    size_t pair_count;
    unsigned order;       /* of the pairs: 0 as they are written, 1 reversed, 2 odd ones first */
    char path[MOST_PATH]; /* of the form's names, up to here */
} Writer;

static unsigned take(Writer *writer, unsigned below)
{
    return writer->recipe < writer->end ? *writer->recipe++ % below : 0;
}

static Value take_value(Writer *writer)
{
    Value value = {.present = take(writer, 4) != 0};
    value.len = value.present ? take(writer, MOST_CHARACTERS) : 0;
    for (size_t i = 0; i < value.len; i++) {
        value.characters[i] = (unsigned char)take(writer, sizeof(characters) / sizeof(*characters));
    }
    return value;
}

static Str plain_text(Writer *writer, const Value *value)
{
    Text text = text_begin(writer->arena);
    for (size_t i = 0; i < value->len; i++) {
        text_add(&text, characters[value->characters[i]].plain);
    }
    return text_finish(&text);
}

/* A JSON string in the spelling of the contract: only what must be is escaped, control characters
 * by their short names. */
static void add_string(Text *json, Str text)
{
    static const char shorts[] = "btn\0fr";
    text_add(json, STR("\""));
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        if (c == '"' || c == '\\') {
            text_add_format(json, "\\%c", c);
        } else if (c >= '\b' && c <= '\r' && shorts[c - '\b']) {
            text_add_format(json, "\\%c", shorts[c - '\b']);
        } else if ((unsigned char)c < 0x20) {
            text_add_format(json, "\\u%04x", (unsigned)c);
        } else {
            text_add(json, (Str){&c, 1});
        }
    }
    text_add(json, STR("\""));
}

static void add_comma(Text *json)
{
    char last = json->ptr[json->len - 1];
    text_add(json, last == '{' || last == '[' ? STR("") : STR(","));
}

/* Adds a part to the path: a member as JSON or as .NET spells it, in brackets or after a dot. */
static void add_part(Writer *writer, const char *name, const char *net_name)
{
    static const char *const styles[] = {"[%s]", ".%s"};
    size_t len = strlen(writer->path);
    const char *spelt = take(writer, 2) ? net_name : name;
    const char *style = len ? styles[take(writer, 2)] : "%s";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int added = snprintf(writer->path + len, MOST_PATH - len, style, spelt);
#pragma GCC diagnostic pop
    CHECK(added > 0 && (size_t)added < MOST_PATH - len);
}

static void write_pair(Writer *writer, const Value *value)
{
    Text pair = text_begin(writer->arena);
    text_add(&pair, str_from(writer->path));
    text_add(&pair, STR("="));
    for (size_t i = 0; i < value->len; i++) {
        text_add(&pair, str_from(characters[value->characters[i]].form));
    }
    CHECK(writer->pair_count < MOST_PAIRS);
    writer->pairs[writer->pair_count++] = text_finish(&pair);
}

static void write_value(Writer *writer, const char *name, const char *net_name, const Value *value)
{
    size_t path_len = strlen(writer->path);
    if (!value->present) {
        return;
    }
    add_comma(&writer->json);
    text_add_format(&writer->json, "\"%s\":", name);
    add_string(&writer->json, plain_text(writer, value));
    text_add_format(&writer->xml, "<%s>", net_name);
    for (size_t i = 0; i < value->len; i++) {
        text_add(&writer->xml, str_from(characters[value->characters[i]].xml));
    }
    text_add_format(&writer->xml, "</%s>", net_name);
    add_part(writer, name, net_name);
    write_pair(writer, value);
    writer->path[path_len] = '\0';
}

static void write_member(Writer *writer, const char *name, const char *net_name)
{
    const Value value = take_value(writer);
    write_value(writer, name, net_name, &value);
}

/* A member that is always there, so that the form has something of the object it is in. */
static void write_sure_member(Writer *writer, const char *name, const char *net_name)
{
    Value value = take_value(writer);
    value.present = true;
    write_value(writer, name, net_name, &value);
}

static void write_metadata(Writer *writer)
{
    size_t path_len = strlen(writer->path);
    if (take(writer, 2)) {
        add_comma(&writer->json);
        text_add(&writer->json, STR("\"metadata\":{"));
        text_add(&writer->xml, STR("<Metadata>"));
        add_part(writer, "metadata", "Metadata");
        write_member(writer, "display_phone_number", "DisplayPhoneNumber");
        write_sure_member(writer, "phone_number_id", "PhoneNumberId");
        text_add(&writer->json, STR("}"));
        text_add(&writer->xml, STR("</Metadata>"));
        writer->path[path_len] = '\0';
    }
}

/* A list of up to `most` - 1 objects, left out when it would be empty. */
static void write_list(Writer *writer, const char *name, const char *net_name, const char *net_item,
                       unsigned most, void (*write_item)(Writer *))
{
    size_t path_len = strlen(writer->path);
    unsigned count = take(writer, most);
    if (count == 0) {
        return;
    }
    add_comma(&writer->json);
    text_add_format(&writer->json, "\"%s\":[", name);
    text_add_format(&writer->xml, "<%s>", net_name);
    for (unsigned i = 0; i < count; i++) {
        char index[12];
        snprintf(index, sizeof(index), "%u", i);
        add_part(writer, name, net_name);
        snprintf(writer->path + strlen(writer->path), 14, "[%s]", index);
        add_comma(&writer->json);
        text_add(&writer->json, STR("{"));
        text_add_format(&writer->xml, "<%s>", net_item);
        write_item(writer);
        text_add(&writer->json, STR("}"));
        text_add_format(&writer->xml, "</%s>", net_item);
        writer->path[path_len] = '\0';
    }
    text_add(&writer->json, STR("]"));
    text_add_format(&writer->xml, "</%s>", net_name);
}

/* Names that the payload does not have; `message` means something in a status, recipient_id in
 * that, and the first three are lists of a value. */
static const char *const unknown_names[] = {
    "messages", "contacts", "x",  "message",      "pricing",           "Conversation",
    "a-b",      "biz.op",   "_1", "recipient_id", "\xC3\xA9t\xC3\xA9",
};

enum {
    UNKNOWN_NAMES = sizeof(unknown_names) / sizeof(*unknown_names),
    VALUE_NAMES = 3,
    KNOWN_NAME = 9
};

static void add_unknown_part(Writer *writer, const char *name)
{
    const size_t len = strlen(writer->path);
    const bool dot = !strchr(name, '.') && take(writer, 2);
    CHECK(snprintf(writer->path + len, MOST_PATH - len, dot ? ".%s" : "[%s]", name) <
          (int)(MOST_PATH - len));
}

static void write_text_element(Writer *writer, const char *name)
{
    Value value = take_value(writer);
    value.present = true;
    add_string(&writer->json, plain_text(writer, &value));
    text_add_format(&writer->xml, "<%s>", name);
    for (size_t i = 0; i < value.len; i++) {
        text_add(&writer->xml, str_from(characters[value.characters[i]].xml));
    }
    text_add_format(&writer->xml, "</%s>", name);
    write_pair(writer, &value);
}

static void write_unknown(Writer *writer, unsigned depth, bool in_status);

/* An object with at least one member, since XML writes an empty one like an empty text. */
static void write_object_element(Writer *writer, const char *name, unsigned depth)
{
    const size_t path_len = strlen(writer->path);
    text_add(&writer->json, STR("{\"k\":"));
    text_add_format(&writer->xml, "<%s>", name);
    add_unknown_part(writer, "k");
    write_text_element(writer, "k");
    writer->path[path_len] = '\0';
    write_unknown(writer, depth + 1, false);
    text_add(&writer->json, STR("}"));
    text_add_format(&writer->xml, "</%s>", name);
}

/* A list of two or three, of texts or objects; a form writes indexes or, for texts, repeats. */
static void write_list_element(Writer *writer, const char *name, unsigned depth)
{
    const size_t path_len = strlen(writer->path);
    const bool repeats = writer->order == 0 && take(writer, 2);
    const unsigned count = 2 + take(writer, 2);
    for (unsigned i = 0; i < count; i++) {
        char index[12];
        snprintf(index, sizeof(index), "%u", i);
        text_add(&writer->json, i ? STR(",") : STR("["));
        if (!repeats) {
            add_unknown_part(writer, index);
        }
        if (!repeats && depth < 2 && take(writer, 2)) {
            write_object_element(writer, name, depth);
        } else {
            write_text_element(writer, name);
        }
        writer->path[path_len] = '\0';
    }
    text_add(&writer->json, STR("]"));
}

static void write_unknown_member(Writer *writer, const char *name, unsigned depth, unsigned kind)
{
    const size_t path_len = strlen(writer->path);
    add_comma(&writer->json);
    text_add_format(&writer->json, "\"%s\":", name);
    add_unknown_part(writer, name);
    if (kind == 0) {
        write_list_element(writer, name, depth);
    } else if (kind == 1 && depth < 2) {
        write_object_element(writer, name, depth);
    } else {
        write_text_element(writer, name);
    }
    writer->path[path_len] = '\0';
}

/* Some unknown members, each name at most once. */
static void write_unknown(Writer *writer, unsigned depth, bool in_status)
{
    bool used[UNKNOWN_NAMES] = {false};
    for (unsigned count = take(writer, 8) & 3; count > 0; count--) {
        const unsigned name = take(writer, UNKNOWN_NAMES);
        if (!used[name] && !(in_status && name == KNOWN_NAME)) {
            used[name] = true;
            write_unknown_member(writer, unknown_names[name], depth, take(writer, 4));
        }
    }
}

/* In a value: texts and lists, since XML does not tell an object from a list of one. */
static void write_unknown_of_value(Writer *writer)
{
    for (unsigned name = 0; name < VALUE_NAMES; name++) {
        const unsigned kind = take(writer, 8);
        if (kind == 1 || kind == 2) {
            write_unknown_member(writer, unknown_names[name], 2, kind == 1 ? 0 : 2);
        }
    }
}

/* A code is a number when it is an integer, whatever is around it: sign, zeros, white space. */
static void add_code(Text *json, Str code)
{
    char text[4 * MOST_CHARACTERS + 1] = "";
    memcpy(text, code.ptr, code.len);
    char *digits = text + strspn(text, " \t\r\n");
    const bool negative = *digits == '-';
    digits += *digits == '-' || *digits == '+';
    const size_t len = strspn(digits, "0123456789");
    if (len == 0 || digits[len + strspn(digits + len, " \t\r\n")]) {
        add_string(json, code);
        return;
    }
    digits[len] = '\0';
    while (digits[0] == '0' && digits[1]) {
        digits++;
    }
    text_add_format(json, "%s%s", negative ? "-" : "", digits);
}

/* Takes the JSON of one member back, to write its value otherwise. */
static void write_code(Writer *writer)
{
    const Value code = take_value(writer);
    if (code.present) {
        const size_t len = writer->json.len;
        write_value(writer, "code", "Code", &code);
        writer->json.len = len;
        text_add(&writer->json, STR("\"code\":"));
        add_code(&writer->json, plain_text(writer, &code));
    }
}

static void write_error(Writer *writer)
{
    write_code(writer);
    write_sure_member(writer, "title", "Title");
    write_unknown(writer, 1, false);
}

static void write_status(Writer *writer)
{
    write_member(writer, "id", "Id");
    write_sure_member(writer, "status", "Status");
    write_member(writer, "timestamp", "Timestamp");
    write_member(writer, "recipient_id", "RecipientId");
    write_list(writer, "errors", "Errors", "WhatsAppError", 3, write_error);
    write_unknown(writer, 0, true);
}

static void write_change(Writer *writer)
{
    size_t path_len = strlen(writer->path);
    write_sure_member(writer, "field", "Field");
    add_comma(&writer->json);
    text_add(&writer->json, STR("\"value\":{"));
    text_add(&writer->xml, STR("<Value>"));
    add_part(writer, "value", "Value");
    write_member(writer, "messaging_product", "MessagingProduct");
    write_metadata(writer);
    write_list(writer, "statuses", "Statuses", "StatusUpdate", 4, write_status);
    write_unknown_of_value(writer);
    writer->path[path_len] = '\0';
    text_add(&writer->json, STR("}"));
    text_add(&writer->xml, STR("</Value>"));
    write_unknown(writer, 1, false);
}

static void write_entry(Writer *writer)
{
    write_sure_member(writer, "id", "Id");
    write_list(writer, "changes", "Changes", "Change", 4, write_change);
    write_unknown(writer, 1, false);
}

static void write_payload(Writer *writer)
{
    text_add(&writer->json, STR("{"));
    text_add(&writer->xml, STR("<WebhookPayload xmlns=\"http://schemas.datacontract.org/2004/07/"
                               "NEOWAY.Model.WhatsAppNotification\">"));
    write_sure_member(writer, "object", "Object");
    write_list(writer, "entry", "Entry", "Entry", 4, write_entry);
    text_add(&writer->json, STR("}"));
    text_add(&writer->xml, STR("</WebhookPayload>"));
}

/* The pairs in their order, in the reverse one, or the odd ones before the even ones. */
static Str join_pairs(Writer *writer)
{
    size_t count = writer->pair_count;
    Text form = text_begin(writer->arena);
    for (size_t i = 0; i < count; i++) {
        size_t odds = count / 2;
        size_t at = writer->order == 0   ? i
                    : writer->order == 1 ? count - 1 - i
                    : i < odds           ? 2 * i + 1
                                         : 2 * (i - odds);
        text_add(&form, i ? STR("&") : STR(""));
        text_add(&form, writer->pairs[at]);
    }
    return text_finish(&form);
}

static json_t *parse(Str text)
{
    json_t *json = json_loadb(
        text.ptr, text.len,
        JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL | JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    CHECK(json);
    return json;
}

/* Do both say the same, as jansson reads them? Of an event without its statuses, of which those in
 * quarantine have another place when they are put together. */
static void check_same_json(Str a, Str b)
{
    json_t *left = parse(a), *right = parse(b);
    json_object_del(json_object_get(left, "value"), "statuses");
    json_object_del(json_object_get(right, "value"), "statuses");
    CHECK(json_equal(left, right));
    json_decref(left);
    json_decref(right);
}

static void check_same_statuses(const Payload *a, const Payload *b)
{
    for (size_t i = 0; i < a->status_count; i++) {
        const StatusUpdate *left = &a->statuses[i], *right = &b->statuses[i];
        CHECK(str_eq(left->id, right->id) && str_eq(left->status, right->status));
        CHECK(str_eq(left->recipient_id, right->recipient_id));
        check_same_json(left->extra, right->extra);
        check_same_json(left->errors, right->errors);
    }
}

/* exact: byte for byte, as the digests are made. */
static void check_same(const Payload *a, const Payload *b, bool exact, Arena *arena)
{
    const Digest *seen_a, *seen_b;
    CHECK(a->status_count == b->status_count && a->event_count == b->event_count);
    CHECK(a->quarantined_count == b->quarantined_count && a->ignored == b->ignored);
    for (size_t i = 0; i < a->quarantined_count; i++) {
        CHECK(a->quarantined[i].reason == b->quarantined[i].reason);
        CHECK(str_eq(a->quarantined[i].pointer, b->quarantined[i].pointer));
        check_same_json(a->quarantined[i].raw, b->quarantined[i].raw);
    }
    for (size_t i = 0; i < a->event_count; i++) {
        check_same_json(a->events[i].raw, b->events[i].raw);
    }
    check_same_statuses(a, b);
    CHECK(dedupe_digests(a, arena, &seen_a) && dedupe_digests(b, arena, &seen_b));
    const size_t elements = a->status_count + a->quarantined_count;
    CHECK(!exact || elements == 0 || memcmp(seen_a, seen_b, elements * sizeof(Digest)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *arena = fuzz_arena();
    static Writer writer;
    writer = (Writer){.recipe = data, .end = data + size, .arena = arena};
    writer.json = text_begin(arena);
    writer.xml = text_begin(arena);
    writer.order = take(&writer, 3);
    write_payload(&writer);
    const Str bodies[] = {text_finish(&writer.json), text_finish(&writer.xml), join_pairs(&writer)};
    Payload payloads[3];
    for (int format = FORMAT_JSON; format <= FORMAT_FORM; format++) {
        Error error;
        if (!payload_decode((MediaType){.format = (Format)format}, bodies[format], arena,
                            &payloads[format], &error)) {
            fprintf(stderr, "%s\n%.*s\n", error.text, STR_ARG(bodies[format]));
            abort();
        }
        CHECK(payloads[format].dropped_members == 0);
        check_payload(&payloads[format], arena);
    }
    check_same(&payloads[FORMAT_JSON], &payloads[FORMAT_XML], true, arena);
    check_same(&payloads[FORMAT_JSON], &payloads[FORMAT_FORM], writer.order == 0, arena);
    return 0;
}
