#include "unit.h"

#include "payload/codec.h"
#include "failing_malloc.h"
#include "payload_text.h"
#include "small_arena.h"
#include "base/text.h"

#include <stdlib.h>

static void test_media_types(void **state)
{
    (void)state;
    enum { REFUSED = -1 };
    static const struct {
        const char *header;
        int format;
        Charset charset;
    } cases[] = {
        {"application/json", FORMAT_JSON, CHARSET_UTF8},
        {"text/json", FORMAT_JSON, CHARSET_UTF8},
        {"application/xml", FORMAT_XML, CHARSET_UTF8},
        {"text/xml", FORMAT_XML, CHARSET_UTF8},
        {"application/x-www-form-urlencoded", FORMAT_FORM, CHARSET_UTF8},
        {"Application/JSON", FORMAT_JSON, CHARSET_UTF8},
        {" application/json ", FORMAT_JSON, CHARSET_UTF8},
        {"application/json;charset=utf-8", FORMAT_JSON, CHARSET_UTF8},
        {"application/json; charset=UTF-8", FORMAT_JSON, CHARSET_UTF8},
        {"application/json; Charset=\"utf-8\"", FORMAT_JSON, CHARSET_UTF8},
        {"application/json ; charset = utf8 ;", FORMAT_JSON, CHARSET_UTF8},
        {"application/json; charset=utf-16", FORMAT_JSON, CHARSET_UTF16},
        {"text/xml; charset=\"UTF-16\"", FORMAT_XML, CHARSET_UTF16},
        {"application/json; version=1", FORMAT_JSON, CHARSET_UTF8},
        {"application/json; odata=verbose; charset=utf-16; x", FORMAT_JSON, CHARSET_UTF16},
        {"application/json;", FORMAT_JSON, CHARSET_UTF8},
        {"application/x-www-form-urlencoded; charset=utf-8", FORMAT_FORM, CHARSET_UTF8},
        {"application/x-www-form-urlencoded; charset=utf-16", REFUSED, 0},
        {"application/json; charset=iso-8859-1", FORMAT_JSON, CHARSET_LATIN1},
        {"text/xml; charset=US-ASCII", FORMAT_XML, CHARSET_LATIN1},
        {"application/x-www-form-urlencoded; charset=ISO-8859-1", FORMAT_FORM, CHARSET_LATIN1},
        {"application/json; charset=windows-1252", REFUSED, 0},
        {"application/json; charset=utf-32", REFUSED, 0},
        {"application/json; charset=utf-16le", REFUSED, 0},
        {"application/json; charset=", REFUSED, 0},
        {"application/json; charset", REFUSED, 0},
        {"application/json; charset=utf-8; charset=latin1", REFUSED, 0},
        {"application/json; charset=\"utf-8", REFUSED, 0},
        {"application/jsonx", REFUSED, 0},
        {"application/vnd.x+json", REFUSED, 0},
        {"application/json, application/json", REFUSED, 0},
        {"application/octet-stream", REFUSED, 0},
        {"multipart/form-data; boundary=x", REFUSED, 0},
        {"text/plain", REFUSED, 0},
        {"text/html", REFUSED, 0},
        {"*/*", REFUSED, 0},
        {"json", REFUSED, 0},
        {";charset=utf-8", REFUSED, 0},
        {"", REFUSED, 0},
        {" ", REFUSED, 0},
        {NULL, REFUSED, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        MediaType type;
        Error error;
        bool ok = media_type_parse(str_from(cases[i].header), &type, &error);
        bool right = cases[i].format == REFUSED ? !ok && error.code == ERROR_UNKNOWN_TYPE
                                                : ok && (int)type.format == cases[i].format &&
                                                      type.charset == cases[i].charset;
        if (!right) {
            fail_msg("%s", cases[i].header);
        }
    }
}

/* What is kept of a Content-Type: its type, and the charset when it is not UTF-8. */
static void test_media_type_text(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"application/json", "application/json"},
        {" Application/JSON ; x=y; charset=\"UTF-8\"", "application/json"},
        {"TEXT/xml;charset=UTF-16;x=y", "text/xml; charset=utf-16"},
        {"application/x-www-form-urlencoded;x", "application/x-www-form-urlencoded"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        MediaType type;
        Error error;
        char buf[LIMIT_MEDIA_TYPE];
        assert_true(media_type_parse(str_from(cases[i][0]), &type, &error));
        assert_true(str_eq(media_type_text(&type, buf), str_from(cases[i][1])));
    }
}

static bool decode_json(Str body, Arena *arena, Payload *ret, Error *reterr)
{
    return payload_decode((MediaType){.format = FORMAT_JSON, .charset = CHARSET_UTF8}, body, arena,
                          ret, reterr);
}

static bool decode_json16(Str body, Arena *arena, Payload *ret, Error *reterr)
{
    return payload_decode((MediaType){.format = FORMAT_JSON, .charset = CHARSET_UTF16}, body, arena,
                          ret, reterr);
}

static bool decode_xml16(Str body, Arena *arena, Payload *ret, Error *reterr)
{
    return payload_decode((MediaType){.format = FORMAT_XML, .charset = CHARSET_UTF16}, body, arena,
                          ret, reterr);
}

static bool decode_form(Str body, Arena *arena, Payload *ret, Error *reterr)
{
    return payload_decode((MediaType){.format = FORMAT_FORM, .charset = CHARSET_UTF8}, body, arena,
                          ret, reterr);
}

/* Every byte of an ASCII text as a UTF-16 unit. */
#define LE(a, b, c, d, e, f) a "\0" b "\0" c "\0" d "\0" e "\0" f "\0"
#define BE(a, b, c, d, e, f) "\0" a "\0" b "\0" c "\0" d "\0" e "\0" f

#define NAMED_LE LE("{", "\"", "o", "b", "j", "e") LE("c", "t", "\"", ":", "7", "}")
#define NAMED_BE BE("{", "\"", "o", "b", "j", "e") BE("c", "t", "\"", ":", "7", "}")

static void test_utf8(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"without mark", STR_INIT("{\"object\":7}"), "object '7'\n"},
        {"one mark is skipped", STR_INIT("\xEF\xBB\xBF{\"object\":7}"), "object '7'\n"},
        {"a second one is not", STR_INIT("\xEF\xBB\xBF\xEF\xBB\xBF{}"), "malformed syntax\n"},
        {"a mark of UTF-16 says more than no charset", STR_INIT("\xFF\xFE" NAMED_LE),
         "object '7'\n"},
        {"big endian", STR_INIT("\xFE\xFF" NAMED_BE), "object '7'\n"},
        {"UTF-16 without mark and charset is not UTF-8", STR_INIT(NAMED_LE), "malformed syntax\n"},
        {"an odd number of bytes", STR_INIT("\xFF\xFE" NAMED_LE "}"), "malformed encoding\n"},
    };
    assert_decodes(decode_json, cases, COUNT(cases));
}

static void test_utf16(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"little endian without a mark", STR_INIT(NAMED_LE), "object '7'\n"},
        {"with its mark", STR_INIT("\xFF\xFE" NAMED_LE), "object '7'\n"},
        {"big endian needs one", STR_INIT("\xFE\xFF" NAMED_BE), "object '7'\n"},
        {"without it it is not JSON", STR_INIT(NAMED_BE), "malformed syntax\n"},
        {"an odd number of bytes", STR_INIT(NAMED_LE "}"), "malformed encoding\n"},
        {"UTF-8 by its mark, whatever the charset says", STR_INIT("\xEF\xBB\xBF{\"object\":7}"),
         "object '7'\n"},
        {"a lone surrogate becomes U+FFFD",
         STR_INIT(LE("{", "\"", "o", "b", "j", "e") LE(
             "c", "t", "\"", ":", "\"", "a") "\x3D\xD8" LE("\"", "}", " ", " ", " ", " ")),
         "object 'a\xEF\xBF\xBD'\n"},
    };
    assert_decodes(decode_json16, cases, COUNT(cases));
    static const DecodeCase xml[] = {
        {"XML too", STR_INIT("\xFF\xFE" LE("<", "x", " ", "/", ">", " ")),
         "malformed not_a_payload\n"},
    };
    assert_decodes(decode_xml16, xml, COUNT(xml));
}

static void test_form_has_no_mark(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"a form", STR_INIT("object=7"), "object '7'\n"},
        {"a mark is part of a name that nobody knows", STR_INIT("\xEF\xBB\xBFobject=7"),
         "malformed not_a_payload\n"},
    };
    assert_decodes(decode_form, cases, COUNT(cases));
}

static bool decode_json1(Str body, Arena *arena, Payload *ret, Error *reterr)
{
    const MediaType type = {.format = FORMAT_JSON, .charset = CHARSET_LATIN1};
    return payload_decode(type, body, arena, ret, reterr);
}

static bool decode_xml1(Str body, Arena *arena, Payload *ret, Error *reterr)
{
    const MediaType type = {.format = FORMAT_XML, .charset = CHARSET_LATIN1};
    return payload_decode(type, body, arena, ret, reterr);
}

static bool decode_form1(Str body, Arena *arena, Payload *ret, Error *reterr)
{
    const MediaType type = {.format = FORMAT_FORM, .charset = CHARSET_LATIN1};
    return payload_decode(type, body, arena, ret, reterr);
}

#define ROOT(inner)                                                                                \
    "<WebhookPayload "                                                                             \
    "xmlns='http://schemas.datacontract.org/2004/07/NEOWAY.Model.WhatsAppNotification'>" inner     \
    "</WebhookPayload>"

/* The labels of old senders: mostly the body is UTF-8 all the same. */
static void test_latin1(void **state)
{
    (void)state;
    static const DecodeCase json[] = {
        {"UTF-8", STR_INIT("{\"object\":\"\xC3\xA9\"}"), "object '\xC3\xA9'\n"},
        {"ISO 8859-1", STR_INIT("{\"object\":\"\xE9\xFF\"}"), "object '\xC3\xA9\xC3\xBF'\n"},
        {"neither helps", STR_INIT("{\"object\":\"\xE9}"), "malformed encoding\n"},
    };
    static const DecodeCase xml[] = {
        {"UTF-8", STR_INIT(ROOT("<Object>\xC3\xA9</Object>")), "object '\xC3\xA9'\n"},
        {"ISO 8859-1",
         STR_INIT("<?xml version='1.0' encoding='ISO-8859-1'?>" ROOT("<Object>\xE9</Object>")),
         "object '\xC3\xA9'\n"},
        {"with a character that XML forbids", STR_INIT(ROOT("<Object>\xE9&#1;</Object>")),
         "object '\xC3\xA9\xEF\xBF\xBD'\n"},
    };
    static const DecodeCase form[] = {
        {"UTF-8", STR_INIT("object=%C3%A9\xC3\xA9"), "object '\xC3\xA9\xC3\xA9'\n"},
        {"ISO 8859-1", STR_INIT("object=%E9\xE9%26%2541"), "object '\xC3\xA9\xC3\xA9&%41'\n"},
        {"a bad escape", STR_INIT("object=%E9%"), "malformed encoding\n"},
    };
    assert_decodes(decode_json1, json, COUNT(json));
    assert_decodes(decode_xml1, xml, COUNT(xml));
    assert_decodes(decode_form1, form, COUNT(form));
    assert_survives_failing_malloc(decode_form1, STR("object=%E9%41"), NULL);
}

static bool decode_xml(Str body, Arena *arena, Payload *ret, Error *reterr)
{
    return payload_decode((MediaType){.format = FORMAT_XML}, body, arena, ret, reterr);
}

/* Nothing that is not empty passes without a trace, in any format. */
static void test_trace(void **state)
{
    (void)state;
#define LOST "malformed not_a_payload\n"
    static const DecodeCase json[] = {
        {"an empty object", STR_INIT("{}"), ""},
        {"only object", STR_INIT("{\"object\":\"o\"}"), "object 'o'\n"},
        {"an entry that is nothing", STR_INIT("{\"object\":\"o\",\"entry\":[]}"), "object 'o'\n"},
        {"an empty object for it", STR_INIT("{\"entry\":{ },\"object\":null}"), ""},
        {"null", STR_INIT("{\"entry\":null}"), ""},
        {"a text", STR_INIT("{\"entry\":\"\"}"), ""},
        {"statuses at the root", STR_INIT("{\"statuses\":[{\"id\":\"a\",\"status\":\"s\"}]}"),
         LOST},
        {"beside an entry that is nothing", STR_INIT("{\"entry\":null,\"statuses\":[1]}"), LOST},
        {"another name", STR_INIT("{\"object\":\"o\",\"entries\":[]}"), LOST},
        {"a list of nothing", STR_INIT("{\"entry\":[null]}"), LOST},
        {"a list that a later one replaces",
         STR_INIT("{\"entry\":[{\"id\":\"1\"}],\"entry\":null}"), LOST},
        {"anything known is a trace",
         STR_INIT("{\"x\":1,\"entry\":[{\"changes\":[{\"value\":{\"statuses\":[0]}}]}]}"),
         "quarantined wrong_shape /entry/0/changes/0/value/statuses/0 0\n"},
    };
    static const DecodeCase xml[] = {
        {"an empty root", STR_INIT(ROOT("")), ""},
        {"only the object", STR_INIT(ROOT("<Object>o</Object><Entry/>")), "object 'o'\n"},
        {"a list without items", STR_INIT(ROOT("<Entry><Id>1</Id><Changes/></Entry>")), ""},
        {"one of unknown items",
         STR_INIT(ROOT("<Entry><entry><Changes><Change/></Changes></entry></Entry>")), LOST},
        {"another case", STR_INIT(ROOT("<entry><Entry/></entry><Object>o</Object>")), LOST},
        {"another namespace", STR_INIT(ROOT("<Entry xmlns=''><Entry/></Entry>")), LOST},
        {"statuses at the root", STR_INIT(ROOT("<Statuses><StatusUpdate/></Statuses>")), LOST},
        {"an entry is a trace", STR_INIT(ROOT("<x/><Entry><Entry><Id>1</Id></Entry></Entry>")),
         "event {\"id\":\"1\"} entry='1' field='other'\n"},
    };
    static const DecodeCase form[] = {
        {"only object", STR_INIT("object=o"), "object 'o'\n"},
        {"an entry that is nothing", STR_INIT("entry=&object=o&entry&&"), "object 'o'\n"},
        {"JSON as a form, as curl sends it",
         STR_INIT("{\"entry\":[{\"changes\":[{\"value\":{\"statuses\":[0]}}]}]}"), LOST},
        {"XML as a form", STR_INIT(ROOT("<Entry/>")), LOST},
        {"a payload in a field", STR_INIT("payload=%7B%22entry%22%3A%5B%5D%7D"), LOST},
        {"another prefix", STR_INIT("payload[entry][0][id]=1"), LOST},
        {"another form", STR_INIT("From=1&Body=hello"), LOST},
        {"an entry of unknown names is a trace", STR_INIT("entry[0][time]=1"),
         "event {\"time\":\"1\"} field='other'\n"},
    };
    assert_decodes(decode_json, json, COUNT(json));
    assert_decodes(decode_xml, xml, COUNT(xml));
    assert_decodes(decode_form, form, COUNT(form));
}

/* The position is that in the body as it came, mark and all. */
static void test_position_after_mark(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"without", STR_INIT("{]"), "malformed syntax 1:2 1 expected a member name in quotes\n"},
        {"with", STR_INIT("\xEF\xBB\xBF{]"),
         "malformed syntax 1:5 4 expected a member name in quotes\n"},
        {"on a later line", STR_INIT("\xEF\xBB\xBF{\n]"),
         "malformed syntax 2:1 5 expected a member name in quotes\n"},
    };
    assert_errors(decode_json, cases, COUNT(cases));
}

static void test_failing_malloc(void **state)
{
    (void)state;
    assert_survives_failing_malloc(decode_json16, STR("\xFF\xFE" NAMED_LE), NULL);
    assert_survives_failing_malloc(decode_form, STR("object=%41&entry[0][id]=1"), NULL);
}

/* The arena runs out at every single allocation in turn. */
static void assert_survives_small_arena(Decode *decode, const char *body)
{
    char *want = decoded_text(decode, str_from(body)), *got = NULL;
    size_t failures = 0;
    for (size_t left = 0; !got; left += SMALL_ARENA_STEP) {
        Arena *arena = small_arena(left);
        Payload payload;
        Error error = {.code = ERROR_NONE};
        failing_malloc_begin(0, FAIL_FOREVER);
        bool ok = decode(str_from(body), arena, &payload, &error);
        failing_malloc_end();
        if (ok) {
            got = payload_text(&payload);
        } else {
            assert_int_equal(error.code, ERROR_NO_MEMORY);
            failures++;
        }
        arena_free(arena);
    }
    assert_string_equal(got, want);
    assert_true(failures > 20);
    free(got);
    free(want);
}

static void test_small_arena(void **state)
{
    (void)state;
    assert_survives_small_arena(
        decode_json,
        "{\"object\":\"\\u006f\",\"entry\":[1,{\"id\":\"\\u0031\",\"changes\":[{\"field\":\"f\","
        "\"value\":{\"metadata\":{\"phone_number_id\":\"\\u0070\"},\"statuses\":[{\"id\":"
        "\"\\u0061\",\"status\":\"s\",\"\\u0078\":1,\"y\":2,\"yy\":3,\"message\":{\"\\u0061\":1,"
        "\"recipient_id\":\"\\u0072\"}},{\"id\":\"b\"},null]}},{\"field\":\"g\"}]}]}");
    assert_survives_small_arena(decode_form,
                                "obj%65ct=%41&entry[0][id]=1&Entry[0].Changes[0].Field=f"
                                "&entry[0][changes][0][value][statuses][0][id]=a%20b"
                                "&entry[0][changes][0][value][statuses][0][status]=s"
                                "&entry[0][changes][0][value][statuses][0][errors][0][code]=1"
                                "&entry[0][changes][0][value][statuses][1][id]=x"
                                "&entry[0][changes][1][field]=g");
}

static int shut_down(void **state)
{
    (void)state;
    codec_shutdown();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_media_types),
        cmocka_unit_test(test_media_type_text),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_utf16),
        cmocka_unit_test(test_form_has_no_mark),
        cmocka_unit_test(test_latin1),
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_position_after_mark),
        cmocka_unit_test(test_failing_malloc),
        cmocka_unit_test(test_small_arena),
    };
    return cmocka_run_group_tests(tests, NULL, shut_down);
}
