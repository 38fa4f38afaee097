#include "unit.h"

#include "payload/codec.h"
#include "payload_text.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMESPACE "http://schemas.datacontract.org/2004/07/NEOWAY.Model.WhatsAppNotification"
#define ROOT                                                                                       \
    "<WebhookPayload xmlns=\"" NAMESPACE                                                           \
    "\" xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\""                                     \
    " xmlns:z=\"http://schemas.microsoft.com/2003/10/Serialization/\">"
#define PAYLOAD(inner) ROOT inner "</WebhookPayload>"
#define CHANGE(inner)                                                                              \
    PAYLOAD("<Entry><Entry><Id>1</Id><Changes><Change>" inner "</Change></Changes></Entry></"      \
            "Entry>")
#define VALUE(inner) CHANGE("<Field>f</Field><Value>" inner "</Value>")
#define STATUSES(inner) VALUE("<Statuses>" inner "</Statuses>")
#define GOOD_STATUS "<StatusUpdate><Id>a</Id><Status>s</Status></StatusUpdate>"

/* A status that has an id and a status, and what else is to be tried inside it or behind it. */
#define STATUS(inner) STATUSES("<StatusUpdate><Id>a</Id><Status>s</Status>" inner "</StatusUpdate>")
#define ID(inner) STATUSES("<StatusUpdate><Id>" inner "</Id><Status>s</Status></StatusUpdate>")

#define STORED "status id='a' status='s' entry='1' field='f'\n"
#define FFFD "\xEF\xBF\xBD"
#define STORED_ID(id) "status id='" id "' status='s' entry='1' field='f'\n"
#define EVENT "event {\"field\":\"f\",\"value\":{}} entry='1' field='f'\n"
#define QUARANTINED(index, raw)                                                                    \
    "quarantined wrong_shape /entry/0/changes/0/value/statuses/" index " " raw "\n"

static void test_shape(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"no members", STR_INIT(PAYLOAD("")), ""},
        {"an empty root", STR_INIT("<WebhookPayload xmlns='" NAMESPACE "'/>"), ""},
        {"every member, in the order of the data contract",
         STR_INIT(PAYLOAD(
             "<Entry><Entry><Changes><Change><Field>f</Field><Value><MessagingProduct>m</"
             "MessagingProduct>"
             "<Metadata><DisplayPhoneNumber>d</DisplayPhoneNumber><PhoneNumberId>p</"
             "PhoneNumberId></Metadata>"
             "<Statuses><StatusUpdate><Errors><WhatsAppError><Code>1</Code><Title>t</Title></"
             "WhatsAppError></Errors>"
             "<Id>a</Id><RecipientId>r</RecipientId><Status>s</Status><Timestamp>7</Timestamp></"
             "StatusUpdate>"
             "</Statuses></Value></Change></Changes><Id>1</Id></Entry></Entry><Object>o</Object>")),
         "object 'o'\n"
         "status id='a' status='s' timestamp='7' recipient='r' "
         "errors=[{\"code\":1,\"title\":\"t\"}]"
         " entry='1' field='f' product='m' display='d' phone='p'\n"},
        {"and in another: the envelope may follow its statuses",
         STR_INIT(PAYLOAD("<Object>o</Object><Entry><Entry><Id>1</"
                          "Id><Changes><Change><Value><Statuses>" GOOD_STATUS
                          "</Statuses><Metadata><PhoneNumberId>p</PhoneNumberId></Metadata></"
                          "Value><Field>f</Field>"
                          "</Change></Changes></Entry></Entry>")),
         "object 'o'\n"
         "status id='a' status='s' entry='1' field='f' phone='p'\n"},
        {"several of each, in body order",
         STR_INIT(PAYLOAD(
             "<Entry><Entry><Changes><Change><Value><Statuses>"
             "<StatusUpdate><Id>a</Id><Status>s</Status></StatusUpdate>"
             "<StatusUpdate><Id>b</Id><Status>s</Status></StatusUpdate></Statuses></Value></Change>"
             "<Change><Field>g</Field><Value><Statuses>"
             "<StatusUpdate><Id>c</Id><Status>s</Status></StatusUpdate></Statuses></Value></Change>"
             "</Changes><Id>1</Id></Entry><Entry><Changes><Change><Value><Statuses>"
             "<StatusUpdate><Id>d</Id><Status>s</Status></StatusUpdate></Statuses></Value></Change>"
             "</Changes><Id>2</Id></Entry></Entry>")),
         "status id='a' status='s' entry='1'\n"
         "status id='b' status='s' entry='1'\n"
         "status id='c' status='s' entry='1' field='g'\n"
         "status id='d' status='s' entry='2'\n"},
        {"an empty element is an empty text",
         STR_INIT(STATUS("<Timestamp/><RecipientId></RecipientId><Errors/>")),
         "status id='a' status='s' timestamp='' recipient='' entry='1' field='f'\n"},
        {"blanks between elements are nothing", STR_INIT(STATUS(" \r\n\t") "\n"), STORED},
        {"blanks in a text are data", STR_INIT(ID(" a ")), STORED_ID(" a ")},
        {"field calls is skipped",
         STR_INIT(
             CHANGE("<Field>calls</Field><Value><Statuses>" GOOD_STATUS "</Statuses></Value>")),
         "event {\"field\":\"calls\",\"value\":{\"statuses\":[{\"id\":\"a\",\"status\":\"s\"}]}} "
         "entry='1' field='calls'\n"},
        {"a change without value", STR_INIT(CHANGE("<Field>f</Field>")), EVENT},
        {"an empty value", STR_INIT(VALUE("")), EVENT},
        {"an empty list of statuses", STR_INIT(STATUSES("")), EVENT},
        {"a list without items", STR_INIT(PAYLOAD("<Entry><Id>1</Id><Changes/></Entry>")), ""},
    };
    assert_decodes(xml_decode, cases, COUNT(cases));
}

static void test_names(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"the prefix is free",
         STR_INIT("<p:WebhookPayload xmlns:p='" NAMESPACE
                  "'><p:Object>o</p:Object></p:WebhookPayload>"),
         "object 'o'\n"},
        {"and may change on the way",
         STR_INIT("<p:WebhookPayload xmlns:p='" NAMESPACE "'><Object xmlns='" NAMESPACE
                  "'>o</Object>"
                  "</p:WebhookPayload>"),
         "object 'o'\n"},
        {"unprefixed children of a prefixed root are unknown",
         STR_INIT("<p:WebhookPayload xmlns:p='" NAMESPACE
                  "'><Object>o</Object></p:WebhookPayload>"),
         ""},
        {"another namespace is unknown", STR_INIT(PAYLOAD("<Object xmlns='urn:x'>o</Object>")), ""},
        {"and so is none", STR_INIT(PAYLOAD("<Entry xmlns=''><Entry/></Entry><Object>o</Object>")),
         "object 'o'\n"},
        {"names keep their case", STR_INIT(PAYLOAD("<object>o</object>")), ""},
        {"what is unknown is no status; in one it is kept with all it holds",
         STR_INIT(STATUSES(
             "<Other>text<StatusUpdate><Id>no</Id><Status>no</Status></StatusUpdate></Other>"
             "<StatusUpdate><Conversation>text<Id>no</Id></Conversation><Id>a</Id><Status>s</"
             "Status>"
             "</StatusUpdate><Other/>")),
         "status id='a' status='s' extra={\"Conversation\":{\"#text\":\"text\",\"Id\":\"no\"}} "
         "entry='1' field='f'\n"},
        {"an unknown element has no index", STR_INIT(STATUSES("<Other/><StatusUpdate i:nil='1'/>")),
         QUARANTINED("0", "null")},
        {"attributes are ignored, also z:Id and z:Size",
         STR_INIT(STATUSES(
             "<StatusUpdate z:Id='i1' x='1' nil='true' xml:space='preserve'><Id z:Size='1'>a</Id>"
             "<Status>s</Status></StatusUpdate>")),
         STORED},
        {"no namespace at the root", STR_INIT("<WebhookPayload/>"), "malformed not_a_payload\n"},
        {"another one", STR_INIT("<WebhookPayload xmlns='urn:x'/>"), "malformed not_a_payload\n"},
        {"another case of it",
         STR_INIT(
             "<WebhookPayload "
             "xmlns='http://schemas.datacontract.org/2004/07/neoway.Model.WhatsAppNotification'/>"),
         "malformed not_a_payload\n"},
        {"another root", STR_INIT("<Entry xmlns='" NAMESPACE "'/>"), "malformed not_a_payload\n"},
    };
    assert_decodes(xml_decode, cases, COUNT(cases));
}

static void test_null(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"a null text is absent", STR_INIT(STATUS("<Timestamp i:nil='true'/>")), STORED},
        {"whatever it holds", STR_INIT(STATUS("<Timestamp i:nil='1'>9<x/></Timestamp>")), STORED},
        {"blanks around the word", STR_INIT(STATUS("<Timestamp i:nil=' true '>9</Timestamp>")),
         STORED},
        {"with any prefix",
         STR_INIT(STATUS("<Timestamp n:nil='1' "
                         "xmlns:n='http://www.w3.org/2001/XMLSchema-instance'>9</Timestamp>")),
         STORED},
        {"false says nothing", STR_INIT(STATUS("<Timestamp i:nil='false'>9</Timestamp>")),
         "status id='a' status='s' timestamp='9' entry='1' field='f'\n"},
        {"nor does 0", STR_INIT(STATUS("<Timestamp i:nil='0'>9</Timestamp>")),
         "status id='a' status='s' timestamp='9' entry='1' field='f'\n"},
        {"nil without namespace is an attribute like others",
         STR_INIT(STATUS("<Timestamp nil='true'>9</Timestamp>")),
         "status id='a' status='s' timestamp='9' entry='1' field='f'\n"},
        {"a null list of errors", STR_INIT(STATUS("<Errors i:nil='true'/>")), STORED},
        {"a null error is skipped",
         STR_INIT(STATUS("<Errors><WhatsAppError "
                         "i:nil='true'/><WhatsAppError><Code>1</Code></WhatsAppError></Errors>")),
         "status id='a' status='s' errors=[{\"code\":1}] entry='1' field='f'\n"},
        {"a null status is of the wrong shape, its neighbours are stored",
         STR_INIT(STATUSES("<StatusUpdate i:nil='1'><Id>x</Id></StatusUpdate>" GOOD_STATUS
                           "<StatusUpdate i:nil='true'/>")),
         STORED QUARANTINED("0", "null") QUARANTINED("2", "null")},
        {"a null list of statuses",
         STR_INIT(VALUE("<Statuses i:nil='true'>" GOOD_STATUS "</Statuses>")), EVENT},
        {"a null value", STR_INIT(CHANGE("<Field>f</Field><Value i:nil='true'/>")), EVENT},
        {"null entries and changes are skipped, but counted",
         STR_INIT(PAYLOAD(
             "<Entry><Entry i:nil='1'/><Entry><Changes><Change i:nil='1'/><Change><Value><Statuses>"
             "<StatusUpdate/></Statuses></Value></Change></Changes></Entry></Entry>")),
         "quarantined missing_id /entry/1/changes/1/value/statuses/0 {}\n"},
        {"null lists", STR_INIT(PAYLOAD("<Object i:nil='1'/><Entry i:nil='1'><Entry/></Entry>")),
         ""},
        {"a null root",
         STR_INIT("<WebhookPayload xmlns='" NAMESPACE
                  "' xmlns:i='http://www.w3.org/2001/XMLSchema-instance'"
                  " i:nil='true'/>"),
         "malformed not_a_payload\n"},
    };
    assert_decodes(xml_decode, cases, COUNT(cases));
}

static void test_texts(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"references", STR_INIT(ID("&#65;&#x20AC;&#x1F680;&lt;&gt;&amp;&quot;&apos;")),
         STORED_ID("A\xE2\x82\xAC\xF0\x9F\x9A\x80<>&\"'")},
        {"comments are dropped, CDATA is text",
         STR_INIT(ID("a<!-- c -->b<![CDATA[<&]]>c<![CDATA[]]>")), STORED_ID("ab<&c")},
        {"line ends become LF, a reference stays CR", STR_INIT(ID("a\r\nb\rc&#13;d")),
         STORED_ID("a\\x0Ab\\x0Ac\\x0Dd")},
        {"also in CDATA", STR_INIT(ID("<![CDATA[\r]]><![CDATA[a\r\nb\rc\r\n]]>d")),
         STORED_ID("\\x0Aa\\x0Ab\\x0Ac\\x0Ad")},
        {"UTF-8", STR_INIT(ID("\xC3\xA9\xE5\xB1\xB1\xF0\x9F\x9A\x80 x")),
         STORED_ID("\xC3\xA9\xE5\xB1\xB1\xF0\x9F\x9A\x80 x")},
        {"an undeclared entity", STR_INIT(ID("&nbsp;")), "malformed syntax\n"},
        {"what is not a character of XML is U+FFFD, as &#0;", STR_INIT(ID("a&#0;b&#x1F;&#31;c")),
         STORED_ID("a" FFFD "b" FFFD FFFD "c")},
        {"a surrogate", STR_INIT(ID("&#xD800;&#57343;")), STORED_ID(FFFD FFFD)},
        {"what is beyond Unicode", STR_INIT(ID("&#x110000;&#99999999999999999999;")),
         STORED_ID(FFFD FFFD)},
        {"a control character",
         STR_INIT(ID("\x01"
                     "a\x1F\x7F")),
         STORED_ID(FFFD "a" FFFD "\\x7F")},
        {"NUL", STR_INIT(ID("\0")), STORED_ID(FFFD)},
        {"U+FFFE and U+FFFF", STR_INIT(ID("\xEF\xBF\xBE\xEF\xBF\xBF&#xFFFE;")),
         STORED_ID(FFFD FFFD FFFD)},
        {"no reference stands in CDATA or in a comment",
         STR_INIT(ID("<![CDATA[&#0;\x01]]>&#0;<!-- &#0; ]]> \x01 -->&#1;<![CDATA[-->&#2;]]>")),
         STORED_ID("&#0;" FFFD FFFD FFFD "-->&#2;")},
        {"what is no reference stays wrong", STR_INIT(ID("&#;")), "malformed syntax\n"},
        {"also beside one", STR_INIT(ID("&#0;&#x;")), "malformed syntax\n"},
        {"and one that is not closed", STR_INIT(ID("&#0")), "malformed syntax\n"},
        {"]]> outside of CDATA", STR_INIT(ID("]]>")), "malformed syntax\n"},
        {"not UTF-8", STR_INIT(ID("a\xFF")), "malformed encoding\n"},
        {"a surrogate in UTF-8", STR_INIT(ID("a\xED\xA0\x80")), "malformed encoding\n"},
        {"an overlong form", STR_INIT(ID("\xC0\xAF")), "malformed encoding\n"},
        {"a cut character at the end", STR_INIT(PAYLOAD("") "\xE2\x82"), "malformed encoding\n"},
        {"not UTF-8 where it would be skipped", STR_INIT(PAYLOAD("<X><!-- \xFF --></X>")),
         "malformed encoding\n"},
    };
    assert_decodes(xml_decode, cases, COUNT(cases));
}

static void test_errors(void **state)
{
    (void)state;
#define WITH_ERRORS(inner) STR_INIT(STATUS("<Errors>" inner "</Errors>"))
#define STORED_ERRORS(json) "status id='a' status='s' errors=" json " entry='1' field='f'\n"
    static const DecodeCase cases[] = {
        {"code and title, in the order of the contract",
         WITH_ERRORS("<WhatsAppError><Title>t</Title><Code>131026</Code></WhatsAppError>"),
         STORED_ERRORS("[{\"code\":131026,\"title\":\"t\"}]")},
        {"a code is a number when it can be",
         WITH_ERRORS("<WhatsAppError><Code> +007 </Code></WhatsAppError>"
                     "<WhatsAppError><Code>-5</Code></WhatsAppError><WhatsAppError><Code>x1</"
                     "Code></WhatsAppError>"),
         STORED_ERRORS("[{\"code\":7},{\"code\":-5},{\"code\":\"x1\"}]")},
        {"a title is escaped",
         WITH_ERRORS("<WhatsAppError><Title>a \"b\" &#10;</Title></WhatsAppError>"),
         STORED_ERRORS("[{\"title\":\"a \\x5C\"b\\x5C\" \\x5Cn\"}]")},
        {"an error without members", WITH_ERRORS("<WhatsAppError/>"), STORED_ERRORS("[{}]")},
        {"more than a few",
         WITH_ERRORS(
             "<WhatsAppError/><WhatsAppError/><WhatsAppError/><WhatsAppError/><WhatsAppError/>"
             "<WhatsAppError><Code>6</Code></WhatsAppError>"),
         STORED_ERRORS("[{},{},{},{},{},{\"code\":6}]")},
        {"no error at all", WITH_ERRORS("<Other/>"),
         "status id='a' status='s' extra={\"Errors\":{\"Other\":\"\"}} entry='1' field='f'\n"},
        {"what else is in an error",
         WITH_ERRORS("<WhatsAppError><Message>m</Message><Code>1</Code><ErrorData><Details>d"
                     "</Details></ErrorData></WhatsAppError><WhatsAppError><Message>n</Message>"
                     "</WhatsAppError>"),
         STORED_ERRORS("[{\"code\":1,\"Message\":\"m\",\"ErrorData\":{\"Details\":\"d\"}},"
                       "{\"Message\":\"n\"}]")},
        {"errors of one status are not those of the next",
         STR_INIT(STATUSES(
             "<StatusUpdate><Id>a</Id><Status>s</Status><Errors><WhatsAppError><Code>1</Code>"
             "</WhatsAppError></Errors></StatusUpdate>" GOOD_STATUS)),
         STORED_ERRORS("[{\"code\":1}]") STORED},
    };
    assert_decodes(xml_decode, cases, COUNT(cases));
}

/* What is unknown is kept, with what it stands in. */
static void test_kept(void **state)
{
    (void)state;
#define KEPT(json) "status id='a' status='s' extra=" json " entry='1' field='f'\n"
    static const DecodeCase cases[] = {
        {"a text", STR_INIT(STATUS("<Recipient_Participant.Id> 1 </Recipient_Participant.Id><x/>")),
         KEPT("{\"Recipient_Participant.Id\":\" 1 \",\"x\":\"\"}")},
        {"an element with elements is an object",
         STR_INIT(STATUS("<Pricing>\n <Billable>true</Billable>\n <a> <b>1</b> </a></Pricing>")),
         KEPT("{\"Pricing\":{\"Billable\":\"true\",\"a\":{\"b\":\"1\"}}}")},
        {"a repetition is a list", STR_INIT(STATUS("<x>1</x><y/><x><z>2</z><z/></x><x>1</x>")),
         KEPT("{\"x\":[\"1\",{\"z\":[\"2\",\"\"]},\"1\"],\"y\":\"\"}")},
        {"null", STR_INIT(STATUS("<x i:nil='1'>1<y/></x><y><z i:nil='true'/></y>")),
         KEPT("{\"x\":null,\"y\":{\"z\":null}}")},
        {"text beside elements", STR_INIT(STATUS("<x>a<y>1</y> <y/>b</x>")),
         KEPT("{\"x\":{\"#text\":[\"a\",\"b\"],\"y\":[\"1\",\"\"]}}")},
        {"comments, CDATA and references",
         STR_INIT(STATUS("<x>a<!-- c --><![CDATA[<&]]>&#10;\"&#0;</x>")),
         KEPT("{\"x\":\"a<&\\x5Cn\\x5C\"" FFFD "\"}")},
        {"of another namespace", STR_INIT(STATUS("<Timestamp xmlns='urn:x'>9</Timestamp>")),
         KEPT("{\"Timestamp\":\"9\"}")},
        {"recipient_id falls back to that of message",
         STR_INIT(STATUS("<Message><Recipient_Id>r</Recipient_Id></Message>")),
         "status id='a' status='s' recipient='r' extra={\"Message\":{\"Recipient_Id\":\"r\"}} "
         "entry='1' field='f'\n"},
        {"in quarantine", STR_INIT(STATUSES("<StatusUpdate><x>1</x><Id>a</Id></StatusUpdate>")),
         "quarantined missing_status /entry/0/changes/0/value/statuses/0 "
         "{\"id\":\"a\",\"x\":\"1\"}\n"},
        {"in an event, at every level",
         STR_INIT(
             CHANGE("<x>1</x><Field>f</Field><Value><Messages><Message><Text><Body>hello"
                    "</Body></Text></Message></Messages><Metadata><y>2</y></Metadata></Value>")),
         "event {\"field\":\"f\",\"value\":{\"metadata\":{\"y\":\"2\"},\"Messages\":{\"Message\":"
         "{\"Text\":{\"Body\":\"hello\"}}}},\"x\":\"1\"} entry='1' field='f'\n"},
        {"of an entry without changes",
         STR_INIT(PAYLOAD("<Entry><Entry><Time>7</Time><Id>1</Id></Entry></Entry>")),
         "event {\"id\":\"1\",\"Time\":\"7\"} entry='1' field='other'\n"},
        {"messages beside statuses are an event",
         STR_INIT(VALUE("<Messages><Message>m</Message></Messages><Contacts><C>c</C></Contacts>"
                        "<Statuses>" GOOD_STATUS "</Statuses>")),
         STORED
         "event {\"field\":\"f\",\"value\":{\"statuses\":[{\"id\":\"a\",\"status\":\"s\"}],"
         "\"Messages\":{\"Message\":\"m\"},\"Contacts\":{\"C\":\"c\"}}} entry='1' field='f'\n"},
        {"contacts, errors and texts are none",
         STR_INIT(VALUE("<Contacts><C>c</C></Contacts><errors><e>1</e></errors><x>1</x><Statuses>"
                        "<Other><x/></Other>" GOOD_STATUS "</Statuses>")),
         STORED},
        {"what belongs to one status is not the next one's",
         STR_INIT(STATUSES(
             "<StatusUpdate><Id>a</Id><Status>s</Status><x>1</x></StatusUpdate>" GOOD_STATUS
             "<StatusUpdate><y>1</y><Id>a</Id><Status>s</Status></StatusUpdate>")),
         KEPT("{\"x\":\"1\"}") STORED KEPT("{\"y\":\"1\"}")},
    };
    assert_decodes(xml_decode, cases, COUNT(cases));
}

/* More than is kept is dropped and counted, and the body is not; and it takes no time that grows
 * with the square. */
static void test_dropped(void **state)
{
    (void)state;
    static const struct {
        const char *part;
        size_t count, dropped;
    } cases[] = {
        {"<x#/>", LIMIT_MEMBERS, 0},       {"<x#/>", 65536, 65536 - LIMIT_MEMBERS},
        {"<x>123456789012</x>", 4095, 0},  {"<x>123456789012</x>", 65536, 65536 - 4095},
        {"<x><y><z/></y></x>", 200000, 0}, /* how many is not told: inside of what is dropped */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Arena *arena = arena_new();
        Payload payload;
        Error error;
        assert_non_null(arena);
        const Str body =
            repeat(arena,
                   ROOT "<Entry><Entry><Changes><Change><Value><Statuses><StatusUpdate><Id>a</Id>"
                        "<Status>s</Status>",
                   cases[i].part, cases[i].count,
                   "</StatusUpdate></Statuses></Value></Change></Changes></Entry></Entry>"
                   "</WebhookPayload>");
        assert_true(xml_decode(body, arena, &payload, &error));
        assert_int_equal(payload.status_count, 1);
        assert_true(payload.statuses[0].extra.len <= 2 * LIMIT_MEMBER_BYTES);
        if (i + 1 < COUNT(cases)) {
            assert_in_range(payload.dropped_members, cases[i].dropped, cases[i].dropped + 1);
        }
        arena_free(arena);
    }
}

#define NULL_STATUSES                                                                              \
    "<Change><Value><Statuses><StatusUpdate i:nil='1'/><StatusUpdate "                             \
    "i:nil='1'/></Statuses></Value></Change>"

/* What is wrong inside a status costs that status only. */
static void test_quarantine(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"no id", STR_INIT(STATUSES("<StatusUpdate><Status>s</Status></StatusUpdate>" GOOD_STATUS)),
         STORED "quarantined missing_id /entry/0/changes/0/value/statuses/0 {\"status\":\"s\"}\n"},
        {"an empty id", STR_INIT(ID("")),
         "quarantined missing_id /entry/0/changes/0/value/statuses/0 "
         "{\"id\":\"\",\"status\":\"s\"}\n"},
        {"no status",
         STR_INIT(
             STATUSES("<StatusUpdate><Id>a</Id><Errors><WhatsAppError/></Errors></StatusUpdate>")),
         "quarantined missing_status /entry/0/changes/0/value/statuses/0 "
         "{\"id\":\"a\",\"errors\":[{}]}\n"},
        {"nothing", STR_INIT(STATUSES("<StatusUpdate/>")),
         "quarantined missing_id /entry/0/changes/0/value/statuses/0 {}\n"},
        {"text in place of members",
         STR_INIT(STATUSES(GOOD_STATUS "<StatusUpdate> \n te<!-- -->xt \"q\" \n</StatusUpdate>")),
         STORED QUARANTINED("1", "\"text \\x5C\"q\\x5C\"\"")},
        {"text beside members", STR_INIT(STATUS("text")),
         QUARANTINED("0", "{\"id\":\"a\",\"status\":\"s\",\"#text\":\"text\"}")},
        {"text before members", STR_INIT(STATUSES("<StatusUpdate>text<Id>a</Id></StatusUpdate>")),
         QUARANTINED("0", "{\"id\":\"a\",\"#text\":\"text\"}")},
        {"text around unknown elements",
         STR_INIT(STATUSES("<StatusUpdate>te<Other>no</Other>xt</StatusUpdate>")),
         QUARANTINED("0", "{\"Other\":\"no\",\"#text\":\"text\"}")},
        {"an element inside a text", STR_INIT(ID("a<b>c</b>")),
         QUARANTINED("0", "{\"id\":\"a\",\"status\":\"s\"}")},
        {"also a known one", STR_INIT(ID("<Id>a</Id>")),
         QUARANTINED("0", "{\"id\":\"\",\"status\":\"s\"}")},
        {"text in the list of errors", STR_INIT(STATUS("<Errors>text</Errors>")),
         QUARANTINED("0", "{\"id\":\"a\",\"status\":\"s\"}")},
        {"text in an error",
         STR_INIT(STATUS("<Errors><WhatsAppError>text</WhatsAppError></Errors>")),
         QUARANTINED("0", "{\"id\":\"a\",\"status\":\"s\",\"errors\":[{}]}")},
        {"an element inside a code",
         STR_INIT(STATUS("<Errors><WhatsAppError><Code>1<x/></Code></WhatsAppError></Errors>")),
         QUARANTINED("0", "{\"id\":\"a\",\"status\":\"s\",\"errors\":[{\"code\":1}]}")},
        {"one text is not part of the next",
         STR_INIT(STATUSES("<StatusUpdate>text</StatusUpdate><StatusUpdate>more</StatusUpdate>")),
         QUARANTINED("0", "\"text\"") QUARANTINED("1", "\"more\"")},
        {"indexes start anew in every list",
         STR_INIT(PAYLOAD("<Entry><Entry><Changes>" NULL_STATUSES NULL_STATUSES "</Changes></Entry>"
                          "<Entry><Changes>" NULL_STATUSES "</Changes></Entry></Entry>")),
         "quarantined wrong_shape /entry/0/changes/0/value/statuses/0 null\n"
         "quarantined wrong_shape /entry/0/changes/0/value/statuses/1 null\n"
         "quarantined wrong_shape /entry/0/changes/1/value/statuses/0 null\n"
         "quarantined wrong_shape /entry/0/changes/1/value/statuses/1 null\n"
         "quarantined wrong_shape /entry/1/changes/0/value/statuses/0 null\n"
         "quarantined wrong_shape /entry/1/changes/0/value/statuses/1 null\n"},
        {"the next status is not blamed",
         STR_INIT(STATUSES("<StatusUpdate>text</StatusUpdate>" GOOD_STATUS)),
         STORED QUARANTINED("0", "\"text\"")},
    };
    assert_decodes(xml_decode, cases, COUNT(cases));
}

/* What is wrong elsewhere costs the body. */
static void test_refused(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"text in the payload", STR_INIT(PAYLOAD("text<Object>o</Object>")),
         "malformed wrong_shape\n"},
        {"text in a list", STR_INIT(STATUSES(GOOD_STATUS "text")), "malformed wrong_shape\n"},
        {"text in CDATA in a value", STR_INIT(VALUE("<![CDATA[text]]>")),
         "malformed wrong_shape\n"},
        {"an element inside a text", STR_INIT(PAYLOAD("<Object>a<b>c</b></Object>")),
         "malformed wrong_shape\n"},
        {"two ids", STR_INIT(STATUS("<Id>b</Id>")), "malformed repeated\n"},
        {"even if one is null", STR_INIT(STATUS("<Timestamp i:nil='1'/><Timestamp>1</Timestamp>")),
         "malformed repeated\n"},
        {"two lists of statuses",
         STR_INIT(VALUE("<Statuses/><Statuses>" GOOD_STATUS "</Statuses>")),
         "malformed repeated\n"},
        {"two lists of entries", STR_INIT(PAYLOAD("<Entry/><Entry/>")), "malformed repeated\n"},
        {"two titles",
         STR_INIT(STATUS("<Errors><WhatsAppError><Title/><Title/></WhatsAppError></Errors>")),
         "malformed repeated\n"},
        {"a document type", STR_INIT("<!DOCTYPE WebhookPayload>" PAYLOAD("")),
         "malformed forbidden_xml\n"},
        {"of another place",
         STR_INIT("<!DOCTYPE WebhookPayload SYSTEM 'http://127.0.0.1:9/x.dtd'>" PAYLOAD("")),
         "malformed forbidden_xml\n"},
        {"with entities",
         STR_INIT("<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]>" PAYLOAD(
             "<Object>&b;</Object>")),
         "malformed forbidden_xml\n"},
        {"cut in its middle", STR_INIT("<!DOCTYPE x [<!ENTITY a"), "malformed forbidden_xml\n"},
        {"a processing instruction", STR_INIT(PAYLOAD("<?pi x?>")), "malformed forbidden_xml\n"},
        {"inside a text", STR_INIT(ID("<?pi?>a")), "malformed forbidden_xml\n"},
        {"before the root", STR_INIT("<?xml-stylesheet href='x'?>" PAYLOAD("")),
         "malformed forbidden_xml\n"},
        {"after the root", STR_INIT(PAYLOAD("") "<?pi?>"), "malformed forbidden_xml\n"},
        {"where it would be skipped", STR_INIT(PAYLOAD("<X><?pi?></X>")),
         "malformed forbidden_xml\n"},
        {"a reference", STR_INIT(STATUSES("<StatusUpdate z:Ref='i1'/>")),
         "malformed forbidden_xml\n"},
        {"a reference in an unknown element", STR_INIT(PAYLOAD("<X><Y z:Ref='i1'/></X>")),
         "malformed forbidden_xml\n"},
    };
    assert_decodes(xml_decode, cases, COUNT(cases));
}

static void test_syntax(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"nothing", STR_INIT(""), "malformed syntax\n"},
        {"blanks", STR_INIT(" \n"), "malformed syntax\n"},
        {"JSON", STR_INIT("{\"object\":1}"), "malformed syntax\n"},
        {"one byte", STR_INIT("<"), "malformed syntax\n"},
        {"NUL before the root", STR_INIT("\0" PAYLOAD("")), "malformed syntax\n"},
        {"NUL after the root", STR_INIT(PAYLOAD("") "\0"), "malformed syntax\n"},
        {"NULs in a tag", STR_INIT("<\0?\0x\0"), "malformed syntax\n"},
        {"cut in a start tag", STR_INIT(ROOT "<Object"), "malformed syntax\n"},
        {"cut in a text", STR_INIT(ROOT "<Object>o"), "malformed syntax\n"},
        {"cut in CDATA", STR_INIT(ROOT "<Object><![CDATA[o]]"), "malformed syntax\n"},
        {"cut in a comment", STR_INIT(ROOT "<!-- o"), "malformed syntax\n"},
        {"cut before the last end tag", STR_INIT(ROOT "<Object>o</Object>"), "malformed syntax\n"},
        {"cut in the last end tag", STR_INIT(ROOT "</WebhookPayload"), "malformed syntax\n"},
        {"another end tag", STR_INIT(ROOT "</Payload>"), "malformed syntax\n"},
        {"text after the root", STR_INIT(PAYLOAD("") "x"), "malformed syntax\n"},
        {"a second root", STR_INIT(PAYLOAD("") PAYLOAD("")), "malformed syntax\n"},
        {"comments and blanks around the root are nothing",
         STR_INIT("<!-- a -->" PAYLOAD("") "\n<!-- b --> "), ""},
        {"an attribute twice", STR_INIT(PAYLOAD("<Object a='1' a='2'/>")), "malformed syntax\n"},
        {"twice by its namespace",
         STR_INIT(PAYLOAD("<Object z:Id='1' y:Id='2' "
                          "xmlns:y='http://schemas.microsoft.com/2003/10/Serialization/'/>")),
         "malformed syntax\n"},
        {"an attribute without quotes", STR_INIT(PAYLOAD("<Object a=1/>")), "malformed syntax\n"},
        {"a tag in an attribute", STR_INIT(PAYLOAD("<Object a='<'/>")), "malformed syntax\n"},
        {"a > in an attribute", STR_INIT(PAYLOAD("<Object a='>'>o</Object>")), "object 'o'\n"},
        {"an undeclared prefix", STR_INIT(PAYLOAD("<x:Object>o</x:Object>")), "malformed syntax\n"},
        {"of an attribute", STR_INIT(PAYLOAD("<Object x:a='1'>o</Object>")), "malformed syntax\n"},
        {"two colons", STR_INIT(PAYLOAD("<i:z:a/>")), "malformed syntax\n"},
        {"-- in a comment", STR_INIT(PAYLOAD("<!-- a -- b -->")), "malformed syntax\n"},
        {"a declaration", STR_INIT("<?xml version=\"1.0\"?>" PAYLOAD("")), ""},
        {"not at the start", STR_INIT(" <?xml version=\"1.0\"?>" PAYLOAD("")),
         "malformed syntax\n"},
        {"without its end", STR_INIT("<?xml version=\"1.0\" encoding=\"utf-8"),
         "malformed syntax\n"},
        {"of utf-8",
         STR_INIT("<?xml version='1.0' encoding='UTF-8' standalone='yes'?>" PAYLOAD("")), ""},
        {"of a part of it", STR_INIT("<?xml version='1.0' encoding='us-ascii'?>" PAYLOAD("")), ""},
        {"of what it was transcoded from",
         STR_INIT("<?xml version='1.0' encoding=\"Utf-16\"?>" PAYLOAD("")), ""},
        {"of another encoding",
         STR_INIT("<?xml version='1.0' encoding='windows-1252'?>" PAYLOAD("")),
         "malformed encoding\n"},
        {"of ISO 8859-1",
         STR_INIT("<?xml version='1.0' encoding='iso-8859-1'?>" PAYLOAD("<Object>\xE9</Object>")),
         "object '\xC3\xA9'\n"},
        {"of ISO 8859-1, and yet UTF-8",
         STR_INIT(
             "<?xml version='1.0' encoding='iso-8859-1'?>" PAYLOAD("<Object>\xC3\xA9</Object>")),
         "object '\xC3\xA9'\n"},
        {"of one that does not exist",
         STR_INIT("<?xml version='1.0'\tencoding = \"x\"?>" PAYLOAD("")), "malformed encoding\n"},
        {"the word alone is no encoding", STR_INIT(PAYLOAD("<Object encoding='x'>o</Object>")),
         "object 'o'\n"},
    };
    assert_decodes(xml_decode, cases, COUNT(cases));
}

static void test_position(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"of an element",
         STR_INIT("<WebhookPayload xmlns='" NAMESPACE
                  "'>\n <Object/>\n <Object/>\n</WebhookPayload>"),
         "malformed repeated 3:2 111 Object stands twice in one element\n"},
        {"of a bad end tag", STR_INIT("<WebhookPayload xmlns='" NAMESPACE "'>\n</Web>"),
         "malformed syntax 2:7 105 an end tag without its start tag\n"},
        {"of a bad byte", STR_INIT("<a>\n\xC3\xA9\xFF</a>"),
         "malformed encoding 2:3 6 bytes that are not UTF-8\n"},
        {"of the end", STR_INIT("<WebhookPayload xmlns='" NAMESPACE "'>\n"),
         "malformed syntax 1:99 98 the document is cut short\n"},
        {"of what follows the root", STR_INIT("<WebhookPayload xmlns='" NAMESPACE "'/>\n <x/>"),
         "malformed syntax 2:2 101 something follows the root element\n"},
        {"of a wrong root", STR_INIT("<!-- -->\n<x y='z'/>"),
         "malformed not_a_payload 2:1 9 the root must be WebhookPayload in namespace " NAMESPACE
         "\n"},
        {"of the encoding's name", STR_INIT("<?xml version='1.0' encoding='latin1'?>"),
         "malformed encoding 1:31 30 the XML declaration names an encoding other than utf-8\n"},
    };
    assert_errors(xml_decode, cases, COUNT(cases));
}

/* ROOT, a name repeated, its end repeated, and the end of the root. */
static Str nested(Arena *arena, size_t count)
{
    Str begin = repeat(arena, ROOT, "<x>", count, "");
    Str end = repeat(arena, "", "</x>", count, "</WebhookPayload>");
    Text text = text_begin(arena);
    text_add(&text, begin);
    text_add(&text, end);
    return text_finish(&text);
}

static void test_limits(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    assert_non_null(arena);
    assert_decoded(xml_decode, nested(arena, LIMIT_DEPTH - 1), "");
    assert_decoded(xml_decode, nested(arena, LIMIT_DEPTH), "malformed too_deep\n");
    assert_decoded(xml_decode, nested(arena, 100000), "malformed too_deep\n");

    assert_decoded(xml_decode,
                   repeat(arena, ROOT "<Entry><Entry><Changes><Change/></Changes></Entry>",
                          "<Entry/>", LIMIT_ITEMS - 2, "</Entry></WebhookPayload>"),
                   "event {\"value\":{}}\n");
    assert_decoded(
        xml_decode,
        repeat(arena, ROOT "<Entry>", "<Entry/>", LIMIT_ITEMS + 1, "</Entry></WebhookPayload>"),
        "malformed too_many\n");
    assert_decoded(
        xml_decode,
        repeat(arena, ROOT "<Entry><Entry><Changes><Change><Value><Statuses><StatusUpdate><Errors>",
               "<WhatsAppError/>", LIMIT_ITEMS + 1, ""),
        "malformed too_many\n");

    assert_decoded(xml_decode, repeat(arena, ROOT "<x", " a#=''", 400, "/></WebhookPayload>"), "");
    assert_decoded(xml_decode, repeat(arena, ROOT "<x", " a#='>'", 500, "/></WebhookPayload>"),
                   "malformed too_many\n");
    assert_decoded(xml_decode,
                   repeat(arena, ROOT "<x", " xmlns:a#='u'", 61, "/><y/></WebhookPayload>"), "");
    assert_decoded(xml_decode,
                   repeat(arena, ROOT "<x", " xmlns:a#='u'", 62, "/><y/></WebhookPayload>"),
                   "malformed too_many\n");
    assert_decoded(xml_decode, repeat(arena, ROOT, "<x xmlns:a#='u'/>", 9000, "</WebhookPayload>"),
                   "");

    assert_decoded(xml_decode,
                   repeat(arena, ROOT, "<x-#/>", LIMIT_XML_NAMES - 100, "</WebhookPayload>"), "");
    assert_decoded(xml_decode,
                   repeat(arena, ROOT, "<x-#/>", LIMIT_XML_NAMES + 100, "</WebhookPayload>"),
                   "malformed too_many\n");
    assert_decoded(xml_decode, repeat(arena, ROOT, "<x#/>", 7000, "</WebhookPayload>"), "");

    assert_decoded(
        xml_decode,
        repeat(arena, ROOT "<x>", "a long text, no tag #", 1000, "</x></WebhookPayload>"), "");
    assert_decoded(
        xml_decode,
        repeat(arena, ROOT "<!--", "a long comment, no tag #", 1000, "--></WebhookPayload>"), "");
    arena_free(arena);
}

/* Bodies that the parser gets in several chunks. */
static void test_large(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    assert_non_null(arena);
    /* Most of it is tags with a `>` in a value, which the parser would take for their end. */
    Str body =
        repeat(arena, ROOT "<Entry><Entry><Changes><Change><Value><Statuses>",
               "<StatusUpdate a='>0123456789012345678901234567890123456789012345678901234567890'>"
               "<Id>\xC3\xA9#</Id><Status><![CDATA[s]]></Status></StatusUpdate>\r\n",
               40000,
               "</Statuses></Value></Change></Changes></Entry></Entry>"
               "<Object>o</Object></WebhookPayload>");
    assert_true(body.len > 5 << 20);
    Payload payload;
    Error error;
    assert_true(xml_decode(body, arena, &payload, &error));
    assert_int_equal(payload.status_count, 40000);
    for (size_t i = 0; i < payload.status_count; i++) {
        char id[32];
        snprintf(id, sizeof(id), "\xC3\xA9%zu", i);
        assert_true(str_eq(payload.statuses[i].id, str_from(id)));
        assert_true(str_eq(payload.statuses[i].status, STR("s")));
    }
    assert_true(str_eq(payload.object, STR("o")));

    /* The position counts what earlier chunks held. */
    char *broken = arena_alloc(arena, body.len);
    assert_non_null(broken);
    memcpy(broken, body.ptr, body.len);
    memcpy(broken + body.len - 3, "x>!", 3);
    body.ptr = broken;
    assert_false(xml_decode(body, arena, &payload, &error));
    assert_int_equal(error_reason(&error), REASON_SYNTAX);
    assert_int_equal(error.line, 40001);
    assert_in_range(error.offset, body.len - 4, body.len);
    arena_reset(arena);

    /* A text of many pieces costs no more than a few times its length. */
    body = repeat(arena, ROOT "<Object>", "&amp;", 600000, "</Object></WebhookPayload>");
    size_t before = arena_size(arena);
    assert_true(xml_decode(body, arena, &payload, &error));
    assert_int_equal(payload.object.len, 600000);
    assert_true(arena_size(arena) - before < 4 * payload.object.len);

    body = repeat(arena, ROOT "<Object><![CDATA[", "0123456789abcdef", 100000,
                  "]]></Object></WebhookPayload>");
    assert_true(xml_decode(body, arena, &payload, &error));
    assert_int_equal(payload.object.len, 1600000);
    arena_free(arena);
}

/* Nothing of a document is left for the next one. */
static void test_reuse(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"good", STR_INIT(STATUS("")), STORED},
        {"cut in a deep element", STR_INIT(ROOT "<x xmlns:q='u'><Entry><Entry><Changes>"),
         "malformed syntax\n"},
        {"its prefix is not declared any more", STR_INIT(PAYLOAD("<q:x/>")), "malformed syntax\n"},
        {"stopped", STR_INIT("<!DOCTYPE x [<!ENTITY e 'e'>]>" PAYLOAD("")),
         "malformed forbidden_xml\n"},
        {"its entity is not declared", STR_INIT(PAYLOAD("<Object>&e;</Object>")),
         "malformed syntax\n"},
        {"a bad encoding", STR_INIT("<?xml version='1.0' encoding='utf-7'?><x/>"),
         "malformed encoding\n"},
        {"good again", STR_INIT(STATUS("")), STORED},
    };
    for (size_t round = 0; round < 3; round++) {
        assert_decodes(xml_decode, cases, COUNT(cases));
    }
}

/* New names in every document fill the parser's dictionary, which is given up in time. */
static void test_dictionary(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    assert_non_null(arena);
    for (size_t round = 0; round < 400; round++) {
        char part[80];
        snprintf(part, sizeof(part), "<a%zu-a-name-that-nobody-has-had-before-#/>", round);
        Str body = repeat(arena, ROOT, part, 1300, "<Object>o</Object></WebhookPayload>");
        assert_decoded(xml_decode, body, "object 'o'\n");
        arena_reset(arena);
    }
    arena_free(arena);
}

static void test_failing_malloc(void **state)
{
    (void)state;
    static const Str body = STR_INIT(PAYLOAD(
        "<Object>a<!-- c "
        "-->b<![CDATA[c]]>&lt;d</Object><Entry><Entry><Changes><Change><Field>f</Field><Value>"
        "<q:x xmlns:q='urn:x' q:y='&amp;'/><Statuses><StatusUpdate>text</StatusUpdate>" GOOD_STATUS
        "<StatusUpdate><Errors><WhatsAppError><Code>1</Code><m>n</m></WhatsAppError></"
        "Errors><Id>b</Id><o>p"
        "<q>r</q></o><o i:nil='1'/></StatusUpdate>"
        "</Statuses></Value></Change><Change><Field>g</Field></Change></Changes></"
        "Entry><Entry><u>v</u></Entry>"
        "</Entry>"));
    static const Str forbidden = STR_INIT(PAYLOAD("<Object>&#0;</Object>"));
    assert_survives_failing_malloc(xml_decode, forbidden, NULL);
    assert_survives_failing_malloc(xml_decode, body, NULL);
    assert_survives_failing_malloc(xml_decode, body, codec_shutdown);
}

static int shutdown_codecs(void **state)
{
    (void)state;
    codec_shutdown();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape),      cmocka_unit_test(test_names),
        cmocka_unit_test(test_null),       cmocka_unit_test(test_texts),
        cmocka_unit_test(test_errors),     cmocka_unit_test(test_quarantine),
        cmocka_unit_test(test_kept),       cmocka_unit_test(test_dropped),
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_position),   cmocka_unit_test(test_limits),
        cmocka_unit_test(test_large),      cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_dictionary), cmocka_unit_test(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, shutdown_codecs);
}
