/*
 * The same payload in the three forms gives the same entries.
 *
 * The input is read as a recipe for one payload, which is written as JSON, as XML and as a form
 * side by side; each must be accepted, and all must decode to the same, with equal digests.
 */
#include "payload/codec.h"
#include "fuzz.h"
#include "stream/dedupe.h"
#include "base/text.h"
#include "payload/render.h"

enum { MOST_CHARACTERS = 12, MOST_PAIRS = 1024, MOST_PATH = 256 };

/* What texts are made of; JSON is written by text_add_json(), in the spelling that codecs use. */
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
    text_add_json(&writer->json, plain_text(writer, value));
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

/* One error; its JSON is what the other forms' errors become. */
static void write_errors(Writer *writer)
{
    size_t path_len = strlen(writer->path);
    const Value code = take_value(writer), title = take_value(writer);
    if (!code.present && !title.present) {
        return;
    }
    StatusError error = {0};
    if (code.present) {
        error.code = plain_text(writer, &code);
    }
    if (title.present) {
        error.title = plain_text(writer, &title);
    }
    const Text json = writer->json;
    text_add(&writer->xml, STR("<Errors><WhatsAppError>"));
    add_part(writer, "errors", "Errors");
    snprintf(writer->path + strlen(writer->path), 4, "[0]");
    write_value(writer, "code", "Code", &code);
    write_value(writer, "title", "Title", &title);
    text_add(&writer->xml, STR("</WhatsAppError></Errors>"));
    writer->path[path_len] = '\0';
    writer->json.len = json.len;
    add_comma(&writer->json);
    text_add(&writer->json, STR("\"errors\":"));
    text_add(&writer->json, render_errors(writer->arena, &error, 1));
}

static void write_status(Writer *writer)
{
    write_member(writer, "id", "Id");
    write_sure_member(writer, "status", "Status");
    write_member(writer, "timestamp", "Timestamp");
    write_member(writer, "recipient_id", "RecipientId");
    write_errors(writer);
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
    writer->path[path_len] = '\0';
    text_add(&writer->json, STR("}"));
    text_add(&writer->xml, STR("</Value>"));
}

static void write_entry(Writer *writer)
{
    write_sure_member(writer, "id", "Id");
    write_list(writer, "changes", "Changes", "Change", 4, write_change);
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
    unsigned order = take(writer, 3);
    size_t count = writer->pair_count;
    Text form = text_begin(writer->arena);
    for (size_t i = 0; i < count; i++) {
        size_t odds = count / 2;
        size_t at = order == 0   ? i
                    : order == 1 ? count - 1 - i
                    : i < odds   ? 2 * i + 1
                                 : 2 * (i - odds);
        text_add(&form, i ? STR("&") : STR(""));
        text_add(&form, writer->pairs[at]);
    }
    return text_finish(&form);
}

static void check_same(const Payload *a, const Payload *b, Arena *arena)
{
    const Digest *seen_a, *seen_b;
    size_t elements = a->status_count + a->quarantined_count + a->event_count;
    CHECK(a->status_count == b->status_count && a->event_count == b->event_count);
    CHECK(a->quarantined_count == b->quarantined_count);
    for (size_t i = 0; i < a->quarantined_count; i++) {
        CHECK(a->quarantined[i].reason == b->quarantined[i].reason);
        CHECK(str_eq(a->quarantined[i].pointer, b->quarantined[i].pointer));
        CHECK(str_eq(a->quarantined[i].raw, b->quarantined[i].raw));
    }
    CHECK(dedupe_digests(a, arena, &seen_a) && dedupe_digests(b, arena, &seen_b));
    CHECK(elements == 0 || memcmp(seen_a, seen_b, elements * sizeof(Digest)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena *arena = fuzz_arena();
    static Writer writer;
    writer = (Writer){.recipe = data, .end = data + size, .arena = arena};
    writer.json = text_begin(arena);
    writer.xml = text_begin(arena);
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
        check_payload(&payloads[format], arena);
    }
    check_same(&payloads[FORMAT_JSON], &payloads[FORMAT_XML], arena);
    check_same(&payloads[FORMAT_JSON], &payloads[FORMAT_FORM], arena);
    return 0;
}
