#include "unit.h"

#include "payload/codec.h"
#include "payload_text.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHANGE "entry[0][changes][0]"
#define VALUE CHANGE "[value]"
#define STATUS VALUE "[statuses][0]"

/* A status that is stored, and how it looks then. */
#define GOOD STATUS "[id]=a&" STATUS "[status]=s"
#define STORED "status id='a' status='s'\n"

static void test_names(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"every name as the JSON sample spells it, in brackets",
         STR_INIT("object=o&entry[0][id]=1&" CHANGE "[field]=f&" VALUE
                  "[messaging_product]=m&" VALUE "[metadata][display_phone_number]=d&" VALUE
                  "[metadata][phone_number_id]=p&" GOOD "&" STATUS "[timestamp]=7&" STATUS
                  "[recipient_id]=r&" STATUS "[errors][0][code]=1&" STATUS "[errors][0][title]=t"),
         "object 'o'\n"
         "status id='a' status='s' timestamp='7' recipient='r' "
         "errors=[{\"code\":1,\"title\":\"t\"}]"
         " entry='1' field='f' product='m' display='d' phone='p'\n"},
        {"every name as the .NET property, with dots",
         STR_INIT("Object=o&Entry[0].Id=1&Entry[0].Changes[0].Field=f&Entry[0].Changes[0].Value."
                  "MessagingProduct=m&"
                  "Entry[0].Changes[0].Value.Metadata.DisplayPhoneNumber=d&"
                  "Entry[0].Changes[0].Value.Metadata.PhoneNumberId=p&"
                  "Entry[0].Changes[0].Value.Statuses[0].Id=a&Entry[0].Changes[0].Value.Statuses[0]"
                  ".Status=s&"
                  "Entry[0].Changes[0].Value.Statuses[0].Timestamp=7&"
                  "Entry[0].Changes[0].Value.Statuses[0].RecipientId=r&"
                  "Entry[0].Changes[0].Value.Statuses[0].Errors[0].Code=1&"
                  "Entry[0].Changes[0].Value.Statuses[0].Errors[0].Title=t"),
         "object 'o'\n"
         "status id='a' status='s' timestamp='7' recipient='r' "
         "errors=[{\"code\":1,\"title\":\"t\"}]"
         " entry='1' field='f' product='m' display='d' phone='p'\n"},
        {"in any case and any mixture",
         STR_INIT("eNTRY[0][Changes][0].VALUE.statuses.0.ID=a&entry.0.changes[0][value][STATUSES]["
                  "0].status=s&" STATUS "[recipientid]=r&" VALUE ".messagingPRODUCT=m"),
         "status id='a' status='s' recipient='r' product='m'\n"},
        {"percent-encoded", STR_INIT("entry%5B0%5d%5bid%5D=1&ent%72y[0]%2Echanges[0].f%69eld=f"),
         "event {\"field\":\"f\",\"value\":{}} entry='1' field='f'\n"},
        {"decoded once", STR_INIT("obj%2565ct=x"), ""},
        {"a short one, then a long one",
         STR_INIT("%78=1&object=a+b&entry%5B0%5D%5Bchanges%5D%5B0%5D%5Bfield%5D=c+d"),
         "object 'a b'\nevent {\"field\":\"c d\",\"value\":{}} field='c d'\n"},
        {"an underscore in another place",
         STR_INIT("obj_ect=o&entry[0][changes][0][value][messagingproduct_]=m"),
         "event {\"value\":{\"messagingproduct_\":\"m\"}}\n"},
        {"blanks around a name", STR_INIT("object+=o&%20object=o"), ""},
        {"NUL in a name", STR_INIT("object%00=o&\0object=o"), ""},
        {"a byte order mark belongs to the name", STR_INIT("\xEF\xBB\xBFobject=o"), ""},
        {"a name without '=' has an empty value", STR_INIT("object&" GOOD "&" STATUS "[timestamp]"),
         "object ''\nstatus id='a' status='s' timestamp=''\n"},
        {"empty names and ampersands too many", STR_INIT("&&=x&" GOOD "&=&&"), STORED},
        {"nothing", STR_INIT(""), ""},
    };
    assert_decodes(form_decode, cases, COUNT(cases));
}

static void test_values(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"plus and percent", STR_INIT("object=a+b%2Bc%26%3d%25"), "object 'a b+c&=%'\n"},
        {"decoded once", STR_INIT("object=%2541"), "object '%41'\n"},
        {"'=' and ';' are data", STR_INIT("object=a=b;entry[0][id]=1"),
         "object 'a=b;entry[0][id]=1'\n"},
        {"so are line ends and NUL", STR_INIT("object=a%0d%0a%00b\0c"),
         "object 'a\\x0D\\x0A\\x00b\\x00c'\n"},
        {"blanks are kept", STR_INIT("object=+a%20"), "object ' a '\n"},
        {"UTF-8, raw and encoded", STR_INIT("object=%C3%A9\xE5\xB1\xB1%f0%9f%9a%80"),
         "object '\xC3\xA9\xE5\xB1\xB1\xF0\x9F\x9A\x80'\n"},
        {"half raw, half encoded", STR_INIT("object=\xC3%A9"), "object '\xC3\xA9'\n"},
        {"not UTF-8", STR_INIT("object=\xFF"), "malformed encoding\n"},
        {"not UTF-8 when decoded", STR_INIT("object=%e2%82"), "malformed encoding\n"},
        {"a surrogate", STR_INIT("object=%ed%a0%80"), "malformed encoding\n"},
        {"a bad escape", STR_INIT("object=%zz"), "malformed encoding\n"},
        {"a cut escape", STR_INIT("object=a%4"), "malformed encoding\n"},
        {"a bare percent", STR_INIT("object=a%"), "malformed encoding\n"},
        {"%u is none", STR_INIT("object=%u20ac"), "malformed encoding\n"},
        {"a bad escape in a name", STR_INIT("obj%e=x"), "malformed encoding\n"},
        {"but not in what nobody reads", STR_INIT("foo=%zz\xFF&f\xFFo=1&object=o"), "object 'o'\n"},
    };
    assert_decodes(form_decode, cases, COUNT(cases));
}

static void test_lists(void **state)
{
    (void)state;
#define BAD "malformed bad_name\n"
    static const DecodeCase cases[] = {
        {"the indexes decide the order, not the place in the body",
         STR_INIT("entry[1][id]=E1&entry[1][changes][0][value][statuses][1][status]=s&"
                  "entry[1][changes][0][value][statuses][1][id]=b&" STATUS
                  "[errors][1][code]=2&" STATUS "[errors][0][code]=1&" GOOD
                  "&entry[1][changes][0][value][statuses][0][id]=c&"
                  "entry[1][changes][0][value][statuses][0][status]=s&object=o&entry[0][id]=E0"),
         "object 'o'\n"
         "status id='a' status='s' errors=[{\"code\":1},{\"code\":2}] entry='E0'\n"
         "status id='c' status='s' entry='E1'\n"
         "status id='b' status='s' entry='E1'\n"},
        {"errors of one status are not those of the next",
         STR_INIT(GOOD "&" STATUS "[errors][0][code]=x&" VALUE "[statuses][1][id]=b&" VALUE
                       "[statuses][1][status]=s"),
         "status id='a' status='s' errors=[{\"code\":\"x\"}]\nstatus id='b' status='s'\n"},
        {"ten and more items",
         STR_INIT(
             "entry[10][changes][0][field]=f&entry[0][id]=&entry[1][id]=&entry[2][id]=&entry[3][id]"
             "=&"
             "entry[4][id]=&entry[5][id]=&entry[6][id]=&entry[7][id]=&entry[8][id]=&entry[9][id]="),
         "event {\"field\":\"f\",\"value\":{}} field='f'\n"},
        {"a change without statuses", STR_INIT(VALUE "[metadata][phone_number_id]=p"),
         "event {\"value\":{\"metadata\":{\"phone_number_id\":\"p\"}}} phone='p'\n"},
        {"field calls is skipped", STR_INIT(GOOD "&" CHANGE "[field]=calls"),
         "event {\"field\":\"calls\",\"value\":{\"statuses\":[{\"id\":\"a\",\"status\":\"s\"}]}} "
         "field='calls'\n"},
        {"indexes start at 0", STR_INIT("entry[1][id]=1"), BAD},
        {"a gap between entries", STR_INIT("entry[0][id]=0&entry[2][id]=2"), BAD},
        {"between changes", STR_INIT(CHANGE "[field]=f&entry[0][changes][2][field]=f"), BAD},
        {"between statuses", STR_INIT(GOOD "&" VALUE "[statuses][2][id]=c"), BAD},
        {"between errors", STR_INIT(GOOD "&" STATUS "[errors][1][code]=1"), BAD},
        {"in the second of two lists",
         STR_INIT(GOOD "&entry[0][changes][1][value][statuses][1][id]=a"), BAD},
        {"empty brackets", STR_INIT("entry[][id]=1"), BAD},
        {"no index", STR_INIT("entry.id=1"), BAD},
        {"not an index", STR_INIT("entry[x][id]=1"), BAD},
        {"a signed index", STR_INIT("entry[+0][id]=1"), BAD},
        {"a negative one", STR_INIT("entry[-1][id]=1"), BAD},
        {"an encoded plus is no index", STR_INIT("entry[%2B0][id]=1"), BAD},
        {"a leading zero", STR_INIT("entry[00][id]=1"), BAD},
        {"a hexadecimal one", STR_INIT("entry[0x1][id]=1"), BAD},
        {"digits of another script", STR_INIT("entry[\xD9\xA0][id]=1"), BAD},
        {"an index that nothing can fill", STR_INIT("entry[50001][id]=1"), BAD},
        {"one that overflows", STR_INIT("entry[18446744073709551616][id]=1"), BAD},
        {"a list of indexes", STR_INIT("entry.index=0"), BAD},
        {"a double bracket", STR_INIT("entry[[0]][id]=1"), BAD},
        {"something behind a bracket", STR_INIT("entry[0]id=1"), BAD},
        {"a bracket too many", STR_INIT("entry[0]]=1"), BAD},
        {"an open bracket", STR_INIT("object=o&entry[0"), BAD},
        {"one without index", STR_INIT("entry["), BAD},
        {"closed before it is opened", STR_INIT("entry]0[=1"), BAD},
        {"an open bracket in an unknown name", STR_INIT("foo[bar=1"), BAD},
        {"also when encoded", STR_INIT("foo%5Bbar=1"), BAD},
        {"also later in it", STR_INIT("foo[a].b[c=1"), BAD},
        {"also below a known object", STR_INIT("entry[0][foo][=1"), BAD},
        {"a list of texts", STR_INIT("object[]=a"), BAD},
        {"an empty member", STR_INIT("entry[0][]=a"), BAD},
        {"a dot too many", STR_INIT("entry[0]..id=a"), BAD},
        {"a dot at the end", STR_INIT("entry[0].id.=a"), BAD},
    };
    assert_decodes(form_decode, cases, COUNT(cases));
}

static void test_shape(void **state)
{
    (void)state;
#define WRONG "malformed wrong_shape\n"
    static const DecodeCase cases[] = {
        {"a text for the entries", STR_INIT("entry=x"), WRONG},
        {"a text for an entry", STR_INIT("entry[0]=x"), WRONG},
        {"beside its members", STR_INIT("entry[0][id]=1&entry[0]=x"), WRONG},
        {"a text for the changes", STR_INIT("entry[0].changes=x"), WRONG},
        {"for a change", STR_INIT(CHANGE "=x"), WRONG},
        {"for a value", STR_INIT(VALUE "=x"), WRONG},
        {"for the metadata", STR_INIT(GOOD "&" VALUE "[metadata]=x"), WRONG},
        {"for the statuses", STR_INIT(VALUE "[statuses]=x"), WRONG},
        {"for a status", STR_INIT(STATUS "=x"), WRONG},
        {"for the errors", STR_INIT(GOOD "&" STATUS "[errors]=x"), WRONG},
        {"for an error", STR_INIT(GOOD "&" STATUS "[errors][0]=x"), WRONG},
        {"two values", STR_INIT("object=a&object=b"), "malformed repeated\n"},
        {"in two spellings",
         STR_INIT(STATUS "[recipient_id]=1&Entry.0.Changes.0.Value.Statuses.0.RecipientId=2"),
         "malformed repeated\n"},
        {"one of them empty", STR_INIT("object=&object=b"), "malformed repeated\n"},
        {"far from each other", STR_INIT("object=a&" GOOD "&object=b"), "malformed repeated\n"},
        {"the same value again does no harm",
         STR_INIT("object=a+b&" GOOD "&OBJECT=a%20b&" STATUS "[id]=a&object=a+b"),
         "object 'a b'\n" STORED},
        {"no id",
         STR_INIT(STATUS "[status]=s&" VALUE "[statuses][1][id]=b&" VALUE
                         "[statuses][1][status]=s"),
         "status id='b' status='s'\n"
         "quarantined missing_id /entry/0/changes/0/value/statuses/0 {\"status\":\"s\"}\n"},
        {"of another list",
         STR_INIT(CHANGE "[field]=f&entry[1][changes][0][field]=g&"
                         "entry[1][changes][1][value][statuses][0][id]=a&"
                         "entry[1][changes][1][value][statuses][0][status]=s&"
                         "entry[1][changes][1][value][statuses][1][id]=b"),
         "status id='a' status='s'\n"
         "quarantined missing_status /entry/1/changes/1/value/statuses/1 {\"id\":\"b\"}\n"
         "event {\"field\":\"f\",\"value\":{}} field='f'\n"
         "event {\"field\":\"g\",\"value\":{}} field='g'\n"},
        {"an empty id", STR_INIT(STATUS "[status]=s&" STATUS "[id]="),
         "quarantined missing_id /entry/0/changes/0/value/statuses/0 "
         "{\"id\":\"\",\"status\":\"s\"}\n"},
        {"no status", STR_INIT(STATUS "[id]=a&" STATUS "[errors][0][title]=t"),
         "quarantined missing_status /entry/0/changes/0/value/statuses/0"
         " {\"id\":\"a\",\"errors\":[{\"title\":\"t\"}]}\n"},
    };
    assert_decodes(form_decode, cases, COUNT(cases));
}

/* A name without a value where an object or a list belongs is the absence of it. */
static void test_nothing(void **state)
{
    (void)state;
#define EVENT(json) "event " json " entry='1' field='f'\n"
#define BEFORE "entry[0][id]=1&" CHANGE "[field]=f&"
    static const DecodeCase cases[] = {
        {"entries", STR_INIT("entry="), ""},
        {"a name alone", STR_INIT("entry&object=o"), "object 'o'\n"},
        {"beside what is something", STR_INIT("entry=&" GOOD "&entry"), STORED},
        {"changes", STR_INIT("entry[0][id]=1&entry[0][changes]="),
         "event {\"id\":\"1\"} entry='1' field='other'\n"},
        {"a value", STR_INIT(BEFORE VALUE "="), EVENT("{\"field\":\"f\",\"value\":{}}")},
        {"statuses", STR_INIT(BEFORE VALUE "[statuses]"), EVENT("{\"field\":\"f\",\"value\":{}}")},
        {"metadata", STR_INIT(VALUE "[metadata]=&" GOOD), STORED},
        {"errors", STR_INIT(STATUS "[errors]=&" GOOD), STORED},
        {"an error", STR_INIT(GOOD "&" STATUS "[errors][0]=&" STATUS "[errors][1][code]=7"),
         "status id='a' status='s' errors=[{\"code\":7}]\n"},
        {"a change has its index",
         STR_INIT("entry[0][changes][0]=&entry[0][changes][1][value][statuses][0][id]=a"),
         "quarantined missing_status /entry/0/changes/1/value/statuses/0 {\"id\":\"a\"}\n"},
        {"and so has an entry", STR_INIT("entry[0]&entry[1][changes][0][field]=f"),
         "event {\"field\":\"f\",\"value\":{}} field='f'\n"},
        {"a status is none, as in the other forms",
         STR_INIT(VALUE "[statuses][0]=&" VALUE "[statuses][1][id]=a&" VALUE
                        "[statuses][1][status]=s"),
         STORED "quarantined wrong_shape /entry/0/changes/0/value/statuses/0 \"\"\n"},
        {"beside its members it is nothing more",
         STR_INIT(GOOD "&" STATUS "=&" CHANGE "=&entry[0]=&entry[0]"), STORED},
        {"behind a gap it is nothing", STR_INIT(GOOD "&entry[7]=&" VALUE "[statuses][9]="), STORED},
    };
    assert_decodes(form_decode, cases, COUNT(cases));
}

/* Unknown names are kept, with what they stand in. */
static void test_kept(void **state)
{
    (void)state;
#define KEPT(json) "status id='a' status='s' extra=" json "\n"
    static const DecodeCase cases[] = {
        {"a text", STR_INIT(GOOD "&" STATUS "[Recipient.Participant_id]=1%202"),
         KEPT("{\"Recipient.Participant_id\":\"1 2\"}")},
        {"a path is nesting, in brackets and with dots",
         STR_INIT(STATUS "[pricing][billable]=true&" GOOD "&" STATUS ".pricing.a[b]=1&" STATUS
                         "[x]"),
         KEPT("{\"pricing\":{\"billable\":\"true\",\"a\":{\"b\":\"1\"}},\"x\":\"\"}")},
        {"a repetition is a list",
         STR_INIT(GOOD "&" STATUS "[x]=1&" STATUS "[x]=1&" STATUS "[x]=2"),
         KEPT("{\"x\":[\"1\",\"1\",\"2\"]}")},
        {"indexes are one too, in their order",
         STR_INIT(GOOD "&" STATUS "[x][1][a]=1&" STATUS "[x][0]=0"),
         KEPT("{\"x\":[\"0\",{\"a\":\"1\"}]}")},
        {"but not with a gap", STR_INIT(GOOD "&" STATUS "[x][0]=0&" STATUS "[x][2]=2"),
         KEPT("{\"x\":{\"0\":\"0\",\"2\":\"2\"}}")},
        {"nor written otherwise", STR_INIT(GOOD "&" STATUS "[x][00]=0"),
         KEPT("{\"x\":{\"00\":\"0\"}}")},
        {"empty brackets append",
         STR_INIT(GOOD "&" STATUS "[x][]=1&" STATUS "[y][]=1&" STATUS "[y][]=2&" STATUS
                       "[z][][a]=1"),
         KEPT("{\"x\":[\"1\"],\"y\":[\"1\",\"2\"],\"z\":[{\"a\":\"1\"}]}")},
        {"of shapes that conflict the last is kept",
         STR_INIT(GOOD "&" STATUS "[x]=1&" STATUS "[x][y]=2&" STATUS "[z][y]=1&" STATUS "[z]=2"),
         KEPT("{\"x\":{\"y\":\"2\"},\"z\":\"2\"}")},
        {"and nothing of what was there before",
         STR_INIT(GOOD "&" STATUS "[x][y]=1&" STATUS "[x]=2&" STATUS "[x][y]=3"),
         KEPT("{\"x\":{\"y\":\"3\"}}")},
        {"names are data", STR_INIT(GOOD "&" STATUS "[a\"%5C%00%0a]=\"%00"),
         KEPT("{\"a\\x5C\"\\x5C\\x5C\\x5Cu0000\\x5Cn\":\"\\x5C\"\\x5Cu0000\"}")},
        {"bad bytes of a value become U+FFFD, bad escapes stay",
         STR_INIT(GOOD "&" STATUS "[x]=a%e2%82b&" STATUS "[y]=%zz"),
         KEPT("{\"x\":\"a\xEF\xBF\xBD\xEF\xBF\xBD"
              "b\",\"y\":\"%zz\"}")},
        {"a name of bad bytes is dropped", STR_INIT(GOOD "&" STATUS "[a%FF]=1"), STORED},
        {"also of an error, behind what is known of it",
         STR_INIT(STATUS "[errors][0][error_data][details]=d&" STATUS "[errors][0][code]=1&" GOOD
                         "&" STATUS "[errors][1][message]=m"),
         "status id='a' status='s' errors=[{\"code\":1,\"error_data\":{\"details\":\"d\"}},"
         "{\"message\":\"m\"}]\n"},
        {"recipient_id falls back to that of message",
         STR_INIT(GOOD "&" STATUS "[message][RecipientId]=r"),
         "status id='a' status='s' recipient='r' extra={\"message\":{\"RecipientId\":\"r\"}}\n"},
        {"in quarantine", STR_INIT(STATUS "[x]=1&" STATUS "[id]=a"),
         "quarantined missing_status /entry/0/changes/0/value/statuses/0 "
         "{\"id\":\"a\",\"x\":\"1\"}\n"},
        {"in an event, at every level",
         STR_INIT(CHANGE "[x]=1&" VALUE "[messages][0][text][body]=hello&" VALUE
                         "[metadata][y]=2&" CHANGE "[field]=f&entry[0][time]=3"),
         "event {\"field\":\"f\",\"value\":{\"metadata\":{\"y\":\"2\"},\"messages\":[{\"text\":"
         "{\"body\":\"hello\"}}]},\"x\":\"1\"} field='f'\n"},
        {"of an entry without changes", STR_INIT("entry[0][changed_fields][0]=x&entry[0][id]=1"),
         "event {\"id\":\"1\",\"changed_fields\":[\"x\"]} entry='1' field='other'\n"},
        {"messages beside statuses are an event",
         STR_INIT(GOOD "&" VALUE "[messages][0][id]=m&" VALUE "[contacts][0][id]=c"),
         STORED "event {\"value\":{\"statuses\":[{\"id\":\"a\",\"status\":\"s\"}],\"messages\":"
                "[{\"id\":\"m\"}],\"contacts\":[{\"id\":\"c\"}]}}\n"},
        {"contacts are none", STR_INIT(GOOD "&" VALUE "[contacts][0][id]=c&" VALUE "[x][y]=1"),
         STORED},
        {"what belongs to one status is not the next one's",
         STR_INIT(GOOD "&" STATUS "[x]=1&" VALUE "[statuses][1][id]=a&" VALUE
                       "[statuses][1][status]=s&" VALUE "[statuses][2][id]=a&" VALUE
                       "[statuses][2][status]=s&" VALUE "[statuses][2][y]=1"),
         KEPT("{\"x\":\"1\"}") STORED KEPT("{\"y\":\"1\"}")},
    };
    assert_decodes(form_decode, cases, COUNT(cases));
}

/* More names or bytes than are kept: the rest is dropped and counted, and the body is not. */
static void test_dropped(void **state)
{
    (void)state;
    static const struct {
        const char *part;
        size_t count, kept, dropped;
    } cases[] = {
        {"&" STATUS "[x#]=1", LIMIT_MEMBERS, LIMIT_MEMBERS, 0},
        {"&" STATUS "[x#]=1", 65536, LIMIT_MEMBERS, 65536 - LIMIT_MEMBERS},
        {"&" STATUS "[x#]=1", 200000, LIMIT_MEMBERS, 200000 - LIMIT_MEMBERS},
        {"&" STATUS "[x][y#]=1", 300, LIMIT_MEMBERS - 1, 300 - LIMIT_MEMBERS + 1},
        {"&" STATUS "[x]=123456789012", 65536, 4096, 65536 - 4096},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Arena *arena = arena_new();
        Payload payload;
        Error error;
        size_t commas = 0;
        assert_non_null(arena);
        assert_true(form_decode(repeat(arena, GOOD, cases[i].part, cases[i].count, ""), arena,
                                &payload, &error));
        assert_int_equal(payload.status_count, 1);
        const Str extra = payload.statuses[0].extra;
        for (size_t k = 0; k < extra.len; k++) {
            commas += extra.ptr[k] == ',';
        }
        assert_in_range(commas + 1, cases[i].kept - 1, cases[i].kept);
        assert_in_range(payload.dropped_members, cases[i].dropped, cases[i].dropped + 1);
        arena_free(arena);
    }
}

/* What means nothing is ignored, wherever it stands. */
static void test_unknown(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"other names", STR_INIT("From=%2B12025550123&Body=hello&Media[]=1&Media[]=2&a[b]c=1&d]=1"),
         ""},
        {"beside a status", STR_INIT("foo=bar&" GOOD "&entry[0][time]=1&payload.object=x"), STORED},
        {"the name in brackets", STR_INIT("[object]=o&.object=o"), ""},
        {"below a text it is kept", STR_INIT("object.x=o&object[x]=p&" GOOD "&" STATUS "[id][x]=b"),
         "status id='a' status='s' extra={\"id\":{\"x\":\"b\"}}\n"},
        {"behind a gap it is dropped",
         STR_INIT(GOOD "&entry[7][time]=1&" VALUE "[statuses][2][x]=1&entry[1][changes][1][x]=1"),
         STORED},
        {"a status of nothing known has no id",
         STR_INIT(GOOD "&" VALUE "[statuses][1][pricing][type]=x"),
         STORED "quarantined missing_id /entry/0/changes/0/value/statuses/1 "
                "{\"pricing\":{\"type\":\"x\"}}\n"},
        {"two values for it", STR_INIT("entry[0][time]=1&entry[0][time]=2&object=o"),
         "object 'o'\nevent {\"time\":[\"1\",\"2\"]} field='other'\n"},
        {"but the way to it must be sound", STR_INIT("entry[x][time]=1"), BAD},
    };
    assert_decodes(form_decode, cases, COUNT(cases));
}

static void test_position(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"of a bad name", STR_INIT("object=o&entry[x][id]=1"),
         "malformed bad_name 1:10 9 a list without an index, or with one that is not a plain "
         "number\n"},
        {"of what follows a gap",
         STR_INIT("entry[2][id]=2&entry[0][id]=0&entry[1][id]=1&entry[4][id]=4\n&x"),
         "malformed bad_name 1:46 45 a list with a gap in its indexes, which start at 0\n"},
        {"of a bad value", STR_INIT("x=\n&object=%"),
         "malformed encoding 2:2 4 % without two hexadecimal digits\n"},
    };
    assert_errors(form_decode, cases, COUNT(cases));
}

static void test_limits(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    assert_non_null(arena);
    assert_decoded(form_decode,
                   repeat(arena, "object=o", "&entry[0][id]=1", LIMIT_FORM_PAIRS - 1, ""),
                   "object 'o'\nevent {\"id\":\"1\"} entry='1' field='other'\n");
    assert_decoded(form_decode, repeat(arena, "object=o", "&entry[0][id]=1", LIMIT_FORM_PAIRS, ""),
                   "malformed too_many\n");
    assert_decoded(form_decode, repeat(arena, "object=o", "&%61#=%", 200000, ""), "object 'o'\n");
    assert_decoded(form_decode,
                   repeat(arena, CHANGE "[field]=f", "&entry[#][id]=", LIMIT_ITEMS - 1, ""),
                   "event {\"field\":\"f\",\"value\":{}} entry='' field='f'\n");
    assert_decoded(form_decode,
                   repeat(arena, CHANGE "[field]=f", "&entry[#][id]=", LIMIT_ITEMS, ""),
                   "malformed too_many\n");
    assert_decoded(form_decode,
                   repeat(arena, "object=o", "&" VALUE "[statuses][#][id]=", LIMIT_ITEMS, ""),
                   "malformed too_many\n");

    assert_decoded(form_decode, repeat(arena, "object=o&", "a", 1000000, ""), "object 'o'\n");
    assert_decoded(form_decode, repeat(arena, "object=o&", "%61", 1000000, ""), "object 'o'\n");
    assert_decoded(form_decode, repeat(arena, "object=o&a", "[a]", 300000, ""), "object 'o'\n");
    assert_decoded(form_decode, repeat(arena, "object=o&a[", "[", 1000000, ""), BAD);
    assert_decoded(form_decode, repeat(arena, GOOD "&" STATUS ".", "x", LIMIT_FORM_NAME, ""),
                   STORED);
    assert_decoded(form_decode, repeat(arena, GOOD "&" STATUS, "[x]", LIMIT_DEPTH, ""), STORED);
    assert_decoded(form_decode, repeat(arena, "object=o&entry[", "0", 1000000, ""), BAD);
    arena_free(arena);
}

/* Statuses in falling order, as many as fit. */
static void test_sorting(void **state)
{
    (void)state;
    enum { STATUSES = LIMIT_FORM_PAIRS / 2 };
    Arena *arena = arena_new();
    assert_non_null(arena);
    Text text = text_begin(arena);
    for (size_t i = STATUSES; i-- > 0;) {
        text_add_format(&text, VALUE "[statuses][%zu][status]=s&" VALUE "[statuses][%zu][id]=i%zu&",
                        i, i, i);
    }
    Payload payload;
    Error error;
    assert_true(form_decode(text_finish(&text), arena, &payload, &error));
    assert_int_equal(payload.status_count, STATUSES);
    for (size_t i = 0; i < STATUSES; i++) {
        char id[32];
        snprintf(id, sizeof(id), "i%zu", i);
        assert_true(str_eq(payload.statuses[i].id, str_from(id)));
        assert_true(str_eq(payload.statuses[i].status, STR("s")));
    }
    arena_free(arena);
}

/* Cut anywhere, a body is decoded or refused, and nothing is read beyond its end. */
static void test_cut(void **state)
{
    (void)state;
    static const char body[] =
        "object=a+b&entry%5B0%5D[id]=%C3%A9&" STATUS "[errors].0.code=%31&" GOOD;
    for (size_t len = 0; len < sizeof(body); len++) {
        char *text = decoded_text(form_decode, (Str){body, len});
        assert_true(strstr(text, "malformed") == text || len < 7 || strstr(text, "object") == text);
        free(text);
    }
}

static void test_failing_malloc(void **state)
{
    (void)state;
    static const Str body =
        STR_INIT("object=a+b&%65ntry[0][id]=%C3%A9&" STATUS "[errors][1][code]=2&" STATUS
                 "[errors][0][code]=1&" GOOD "&" VALUE "[statuses][1][id]=b&"
                 "entry[1][changes][0][field]=f&" STATUS "[x][y]=%41&" STATUS "[x][y]=%FF&" STATUS
                 "[errors][1][z]=1&" VALUE "[messages][0]=1&entry[1][t]=&entry[2]=&"
                 "entry[3]%5Bu]=1");
    assert_survives_failing_malloc(form_decode, body, NULL);

    /* Several blocks of the arena. */
    Arena *arena = arena_new();
    assert_non_null(arena);
    Str large = repeat(arena, "object=o", "&" VALUE "[statuses][#][id]=%61#", 2000, "");
    assert_survives_failing_malloc(form_decode, large, NULL);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),          cmocka_unit_test(test_values),
        cmocka_unit_test(test_lists),          cmocka_unit_test(test_shape),
        cmocka_unit_test(test_nothing),        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_dropped),        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_position),       cmocka_unit_test(test_limits),
        cmocka_unit_test(test_sorting),        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
