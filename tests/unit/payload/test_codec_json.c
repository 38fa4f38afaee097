#include "unit.h"

#include "payload/codec.h"
#include "payload_text.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The contract of the JSON form, one rule a row. In these tables ' stands for ", in bodies and in
 * what is wanted.
 */
#define PAYLOAD(members) "{" members "}"
#define ENTRIES(list) PAYLOAD("'entry':" list)
#define CHANGES(list) ENTRIES("[{'id':'1','changes':" list "}]")
#define VALUE(value) CHANGES("[{'field':'f','value':" value "}]")
#define STATUSES(list) VALUE("{'statuses':" list "}")
#define STATUS(members) STATUSES("[{" members "}]")
/* A good status, and what else is to be tried behind its two members. */
#define GOOD(members) STATUS("'id':'a','status':'s'" members)

#define STORED(members) "status id='a' status='s'" members " entry='1' field='f'\n"
#define PLACE "/entry/0/changes/0"
#define WRONG(place, raw) "quarantined wrong_shape " place " " raw "\n"
#define EVENT(raw) "event " raw " entry='1' field='f'\n"

static void swap_quotes(char *text, char from, char to)
{
    for (; *text; text++) {
        *text = *text == from ? to : *text;
    }
}

static void assert_rules(const DecodeCase *cases, size_t count)
{
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        char *body = malloc(cases[i].body.len + 1);
        assert_non_null(body);
        for (size_t k = 0; k <= cases[i].body.len; k++) {
            body[k] = cases[i].body.ptr[k] == '\'' ? '"' : cases[i].body.ptr[k];
        }
        char *got = decoded_text(json_decode, (Str){body, cases[i].body.len});
        swap_quotes(got, '"', '\'');
        if (strcmp(got, cases[i].want) != 0) {
            print_error("%s\n  want: %s  got:  %s", cases[i].label, cases[i].want, got);
            wrong++;
        }
        free(got);
        free(body);
    }
    assert_int_equal(wrong, 0);
}

#define ASSERT_RULES(cases) assert_rules(cases, COUNT(cases))

static void test_shape(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"every member",
         STR_INIT("{'object':'o','entry':[{'id':'1','changes':[{'field':'f','value':{"
                  "'messaging_product':'m','metadata':{'display_phone_number':'d',"
                  "'phone_number_id':'p'},'statuses':[{'id':'a','status':'s','timestamp':'7',"
                  "'recipient_id':'r','errors':[{'code':1}]}]}}]}]}"),
         "object 'o'\n"
         "status id='a' status='s' timestamp='7' recipient='r' errors=[{'code':1}]"
         " entry='1' field='f' product='m' display='d' phone='p'\n"},
        {"in the reverse order: what an entry needs may follow its statuses",
         STR_INIT("{'entry':[{'changes':[{'value':{'statuses':[{'errors':[{'code':1}],"
                  "'recipient_id':'r','timestamp':'7','status':'s','id':'a'}],'metadata':{"
                  "'phone_number_id':'p','display_phone_number':'d'},'messaging_product':'m'},"
                  "'field':'f'}],'id':'1'}],'object':'o'}"),
         "object 'o'\n"
         "status id='a' status='s' timestamp='7' recipient='r' errors=[{'code':1}]"
         " entry='1' field='f' product='m' display='d' phone='p'\n"},
        {"all entries, changes and statuses are walked, in body order",
         STR_INIT("{'entry':[{'id':'1','changes':[{'value':{'statuses':[{'id':'a','status':'s'},"
                  "{'id':'b','status':'s'}]}},{'value':{'statuses':[{'id':'c','status':'s'}]}}]},"
                  "{'id':'2','changes':[{'value':{'statuses':[{'id':'d','status':'s'}]}}]}]}"),
         "status id='a' status='s' entry='1'\n"
         "status id='b' status='s' entry='1'\n"
         "status id='c' status='s' entry='1'\n"
         "status id='d' status='s' entry='2'\n"},
        {"object and field are not fixed words",
         STR_INIT("{'object':'x','entry':[{'changes':[{'field':'y','value':{'statuses':["
                  "{'id':'a','status':'s'}]}}]}]}"),
         "object 'x'\nstatus id='a' status='s' field='y'\n"},
        {"white space of all four kinds",
         STR_INIT(" \t\r\n{ 'entry' :\r\n[ { 'changes' : [ { 'value' : { 'statuses' : [ "
                  "{ 'id' : 'a' , 'status' : 's' } ] } } ] } ] }\r\n\t "),
         "status id='a' status='s'\n"},
        {"an object without entry holds nothing", STR_INIT("{}"), ""},
        {"also when it has statuses of its own", STR_INIT("{'statuses':[{'id':'a','status':'s'}]}"),
         ""},
    };
    ASSERT_RULES(cases);
}

static void test_scalars(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"everything but id and status may be missing", STR_INIT(GOOD("")), STORED("")},
        {"null is absent, an empty text is empty",
         STR_INIT(GOOD(",'timestamp':null,'recipient_id':''")), STORED(" recipient=''")},
        {"a number keeps its digits", STR_INIT(GOOD(",'timestamp':1700000000")),
         STORED(" timestamp='1700000000'")},
        {"all of them", STR_INIT(GOOD(",'timestamp':123456789012345678901234567890")),
         STORED(" timestamp='123456789012345678901234567890'")},
        {"also zeros and exponents", STR_INIT(GOOD(",'timestamp':1.50,'recipient_id':-0.0E+400")),
         STORED(" timestamp='1.50' recipient='-0.0E+400'")},
        {"a boolean is its word", STR_INIT(GOOD(",'timestamp':true,'recipient_id':false")),
         STORED(" timestamp='true' recipient='false'")},
        {"an id that is a number", STR_INIT(STATUS("'id':98765432109876543210,'status':1")),
         "status id='98765432109876543210' status='1' entry='1' field='f'\n"},
        {"any status value passes", STR_INIT(STATUS("'id':'a','status':'never seen'")),
         "status id='a' status='never seen' entry='1' field='f'\n"},
        {"the envelope's scalars too",
         STR_INIT("{'object':1,'entry':[{'id':2,'changes':[{'field':3,'value':{"
                  "'messaging_product':4,'metadata':{'display_phone_number':5,'phone_number_id':"
                  "6.0},'statuses':[{'id':'a','status':'s'}]}}]}]}"),
         "object '1'\n"
         "status id='a' status='s' entry='2' field='3' product='4' display='5' phone='6.0'\n"},
        {"escapes are resolved",
         STR_INIT(
             GOOD(",'recipient_id':'\\\"\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\\ud83d\\ude80'")),
         STORED(" recipient=''/\\x08\\x0C\\x0A\\x0D\\x09A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x9A\x80'")},
        {"a lone surrogate becomes U+FFFD", STR_INIT(GOOD(",'recipient_id':'\\ud83dx\\ude80'")),
         STORED(" recipient='\xEF\xBF\xBDx\xEF\xBF\xBD'")},
        {"\\u0000 is data", STR_INIT(GOOD(",'recipient_id':'x\\u0000y'")),
         STORED(" recipient='x\\x00y'")},
        {"UTF-8 as it is", STR_INIT(GOOD(",'recipient_id':'\xE5\xB1\xB1\xF0\x9F\x9A\x80'")),
         STORED(" recipient='\xE5\xB1\xB1\xF0\x9F\x9A\x80'")},
    };
    ASSERT_RULES(cases);
}

static void test_names(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"names match without regard to case",
         STR_INIT("{'OBJECT':'o','Entry':[{'ID':'1','CHANGES':[{'Field':'f','VALUE':{"
                  "'Messaging_Product':'m','METADATA':{'Display_Phone_Number':'d',"
                  "'PHONE_NUMBER_ID':'p'},'STATUSES':[{'Id':'a','STATUS':'s','TimeStamp':'7',"
                  "'Recipient_ID':'r','Errors':[1]}]}}]}]}"),
         "object 'o'\nstatus id='a' status='s' timestamp='7' recipient='r' errors=[1]"
         " entry='1' field='f' product='m' display='d' phone='p'\n"},
        {"but not without their underscore", STR_INIT(GOOD(",'RecipientId':'r'")),
         STORED(" extra={'RecipientId':'r'}")},
        {"escapes in names are resolved", STR_INIT(STATUS("'\\u0069d':'a','stat\\u0075s':'s'")),
         STORED("")},
        {"the last of duplicate names wins",
         STR_INIT(GOOD(",'id':'b','timestamp':1,'timestamp':2")),
         "status id='b' status='s' timestamp='2' entry='1' field='f'\n"},
        {"whatever its case", STR_INIT(GOOD(",'ID':'b'")),
         "status id='b' status='s' entry='1' field='f'\n"},
        {"also when the exact one came before", STR_INIT(STATUS("'ID':'b','id':'a','status':'s'")),
         STORED("")},
        {"a later null takes the value back", STR_INIT(GOOD(",'timestamp':1,'timestamp':null")),
         STORED("")},
        {"a later scalar replaces what was wrong", STR_INIT(GOOD(",'timestamp':[1],'timestamp':2")),
         STORED(" timestamp='2'")},
        {"a later wrong value counts", STR_INIT(GOOD(",'id':{}")),
         WRONG(PLACE "/value/statuses/0", "{'id':'a','status':'s','id':{}}")},
        {"a second list of statuses replaces the first and its quarantine",
         STR_INIT(VALUE("{'statuses':[1,{'id':'x','status':'s'}],"
                        "'statuses':[{'id':'a','status':'s'}]}")),
         STORED("")},
        {"so does a second value, which is not merged",
         STR_INIT(CHANGES("[{'field':'f','value':{'messaging_product':'m','statuses':[1]},"
                          "'value':{'statuses':[{'id':'a','status':'s'}]}}]")),
         STORED("")},
        {"or a null value, which leaves a change without statuses",
         STR_INIT(CHANGES("[{'field':'f','value':{'statuses':[{'id':'a','status':'s'}]},"
                          "'value':null}]")),
         EVENT("{'field':'f','value':{'statuses':[{'id':'a','status':'s'}]},'value':null}")},
        {"a second list of changes",
         STR_INIT(ENTRIES("[{'id':'1','changes':[{'field':'x'},1],'changes':[{'field':'f',"
                          "'value':{'statuses':[{'id':'a','status':'s'}]}}]}]")),
         STORED("")},
        {"a second list of entries",
         STR_INIT("{'entry':[{'changes':[{'field':'x'}]},7],'entry':[]}"), ""},
        {"a second metadata is not merged with the first",
         STR_INIT(VALUE("{'metadata':{'phone_number_id':'p','display_phone_number':'x'},"
                        "'metadata':{'display_phone_number':'d'},"
                        "'statuses':[{'id':'a','status':'s'}]}")),
         "status id='a' status='s' entry='1' field='f' display='d'\n"},
        {"a second errors", STR_INIT(GOOD(",'errors':[1],'errors':null")), STORED("")},
    };
    ASSERT_RULES(cases);
}

static void test_errors(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"verbatim, with their white space",
         STR_INIT(GOOD(",'errors':[ {'code' : 1.0,\n'x':'\\/'} ]")),
         STORED(" errors=[ {'code' : 1.0,\\x0A'x':'\\x5C/'} ]")},
        {"elements of any kind", STR_INIT(GOOD(",'errors':[1,null,'x',[]]")),
         STORED(" errors=[1,null,'x',[]]")},
        {"null, an empty text and an empty array are none",
         STR_INIT(STATUSES("[{'id':'a','status':'s','errors':null},{'id':'a','status':'s',"
                           "'errors':''},{'id':'a','status':'s','errors':[ \n\t\r]}]")),
         STORED("") STORED("") STORED("")},
        {"so is an empty object, as encoders write that do not tell it from a list",
         STR_INIT(GOOD(",'errors':{ }")), STORED("")},
        {"one with something in it is of the wrong shape", STR_INIT(GOOD(",'errors':{'code':1}")),
         WRONG(PLACE "/value/statuses/0", "{'id':'a','status':'s','errors':{'code':1}}")},
        {"a text too", STR_INIT(GOOD(",'errors':'x'")),
         WRONG(PLACE "/value/statuses/0", "{'id':'a','status':'s','errors':'x'}")},
        {"errors of the value are not statuses'",
         STR_INIT(VALUE("{'errors':[1],'statuses':[{'id':'a','status':'s'}]}")), STORED("")},
    };
    ASSERT_RULES(cases);
}

static void test_extra(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"unknown members in the order of the body, joined by commas",
         STR_INIT(STATUS("'z':1 , 'id':'a', 'b' : { 'c' : [ ] } ,'status':'s','y':null")),
         STORED(" extra={'z':1,'b':{ 'c' : [ ] },'y':null}")},
        {"names and values verbatim, escapes too", STR_INIT(GOOD(",'\\u0061':'\\u0062\\/'")),
         STORED(" extra={'\\x5Cu0061':'\\x5Cu0062\\x5C/'}")},
        {"of equal names the last, in its place",
         STR_INIT(GOOD(",'x':1,'y':2,'x':3,'\\u0079':4,'z':5")),
         STORED(" extra={'x':3,'\\x5Cu0079':4,'z':5}")},
        {"names that differ in case are two", STR_INIT(GOOD(",'x':1,'X':2")),
         STORED(" extra={'x':1,'X':2}")},
        {"an empty name is a name", STR_INIT(GOOD(",'':1")), STORED(" extra={'':1}")},
        {"of the status only: other unknown members are dropped",
         STR_INIT("{'x':1,'entry':[{'x':[],'id':'1','changes':[{'x':{},'field':'f','value':{'x':1,"
                  "'metadata':{'x':1},'contacts':[{}],'statuses':[{'id':'a','status':'s'}]}}]}]}"),
         STORED("")},
    };
    ASSERT_RULES(cases);
}

static void test_message(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"recipient_id falls back to message.recipient_id, and message stays in extra",
         STR_INIT(GOOD(",'message':{'recipient_id':'r','x':[]}")),
         STORED(" recipient='r' extra={'message':{'recipient_id':'r','x':[]}}")},
        {"not when there is one",
         STR_INIT(GOOD(",'message':{'recipient_id':'r'},'recipient_id':'q'")),
         STORED(" recipient='q' extra={'message':{'recipient_id':'r'}}")},
        {"an empty one is none",
         STR_INIT(GOOD(",'recipient_id':'','message':{'recipient_id':'r'}")),
         STORED(" recipient='r' extra={'message':{'recipient_id':'r'}}")},
        {"the last one inside counts",
         STR_INIT(GOOD(",'Message':{'recipient_id':1,'Recipient_Id':'\\u0072'}")),
         STORED(" recipient='r' extra={'Message':{'recipient_id':1,'Recipient_Id':'\\x5Cu0072'}}")},
        {"one of a wrong shape is none", STR_INIT(GOOD(",'message':{'recipient_id':['r']}")),
         STORED(" extra={'message':{'recipient_id':['r']}}")},
        {"a message that is no object is only extra", STR_INIT(GOOD(",'message':'m'")),
         STORED(" extra={'message':'m'}")},
    };
    ASSERT_RULES(cases);
}

/* Changes that carry no status are distinguished from those that are wrong. */
static void test_ignored(void **state)
{
    (void)state;
#define NO_STATUSES(value) "{'field':'f','value':" value "}"
#define IGNORED(value) STR_INIT(VALUE(value)), EVENT(NO_STATUSES(value))
    static const DecodeCase cases[] = {
        {"null value", IGNORED("null")},
        {"empty text", IGNORED("''")},
        {"empty value", IGNORED("{}")},
        {"a message", IGNORED("{'messages':[{'id':'a'}]}")},
        {"null statuses", IGNORED("{'statuses':null}")},
        {"empty text for statuses", IGNORED("{'statuses':''}")},
        {"empty statuses", IGNORED("{'statuses':[ ]}")},
        {"no value", STR_INIT(CHANGES("[{'field':'f'}]")), EVENT("{'field':'f'}")},
        {"an empty change", STR_INIT(CHANGES("[{}]")), "event {} entry='1'\n"},
        {"field calls, which has statuses of its own",
         STR_INIT(CHANGES("[{'field':'calls','value':{'statuses':[{'id':'a','status':'s'},1]}}]")),
         "event {'field':'calls','value':{'statuses':[{'id':'a','status':'s'},1]}}"
         " entry='1' field='calls'\n"},
        {"field standby, named behind its value",
         STR_INIT(CHANGES("[{'value':{'statuses':[{'id':'a','status':'s'}]},'field':'standby'}]")),
         "event {'value':{'statuses':[{'id':'a','status':'s'}]},'field':'standby'}"
         " entry='1' field='standby'\n"},
        {"no other field is skipped",
         STR_INIT(CHANGES("[{'field':'Calls','value':{'statuses':[{'id':'a','status':'s'}]}}]")),
         "status id='a' status='s' entry='1' field='Calls'\n"},
        {"null changes and entries are skipped, but counted",
         STR_INIT(ENTRIES("[null,{'id':'1','changes':[null,{'value':{'statuses':[1]}}]}]")),
         WRONG("/entry/1/changes/1/value/statuses/0", "1")},
        {"an empty list for the value", IGNORED("[ ]")},
        {"an empty object for statuses", IGNORED("{'statuses':{}}")},
        {"lists and texts for the metadata", IGNORED("{'metadata':[]}")},
        {"entries and changes that are nothing are skipped likewise",
         STR_INIT(ENTRIES("['',[],null,{'id':'1','changes':['',[ ],null,{'field':'f'}]}]")),
         EVENT("{'field':'f'}")},
        {"an entry with nothing but an id says nothing beside others",
         STR_INIT(ENTRIES("[{'changes':null},{'changes':''},{'changes':[]},{'changes':{}},{},"
                          "{'id':'7'},{'id':'1','changes':[{'field':'f'}]}]")),
         EVENT("{'field':'f'}")},
        {"alone it is one ignored", STR_INIT(ENTRIES("[{'id':'1','changes':{}}]")),
         "event {'id':'1','changes':{}} entry='1' field='other'\n"},
        {"an entry without changes is one", STR_INIT(ENTRIES("[{'id':'1','time':7}]")),
         "event {'id':'1','time':7} entry='1' field='other'\n"},
        {"pings of other products",
         STR_INIT(ENTRIES("[{'id':'1','changed_fields':['x']},{'messaging':[{'a':1}],'id':'2'}]")),
         "event {'id':'1','changed_fields':['x']} entry='1' field='other'\n"
         "event {'messaging':[{'a':1}],'id':'2'} entry='2' field='other'\n"},
        {"changes of which none is anything", STR_INIT(ENTRIES("[{'id':'1','changes':[null]},1]")),
         "quarantined wrong_shape /entry/1 1\n"
         "event {'id':'1','changes':[null]} entry='1' field='other'\n"},
        {"messages beside statuses",
         STR_INIT(VALUE("{'messages':[{'id':'m'}],'statuses':[{'id':'a','status':'s'}]}")),
         STORED("") EVENT("{'field':'f','value':{'messages':[{'id':'m'}],'statuses':[{'id':'a',"
                          "'status':'s'}]}}")},
        {"any other list",
         STR_INIT(VALUE("{'statuses':[{'id':'a','status':'s'}],'Message_Echoes':[0]}")),
         STORED("") EVENT("{'field':'f','value':{'statuses':[{'id':'a','status':'s'}],"
                          "'Message_Echoes':[0]}}")},
        {"but not what belongs to statuses, nor what is empty",
         STR_INIT(VALUE("{'contacts':[1],'Errors':[{}],'statuses':[{'id':'a','status':'s'}],"
                        "'messages':[ ],'x':{'y':[1]},'z':'[1]'}")),
         STORED("")},
        {"for all of them", STR_INIT("{'entry':null,'object':null}"), ""},
        {"also as a text", STR_INIT("{'entry':''}"), ""},
    };
    ASSERT_RULES(cases);
}

/* What is of a wrong shape goes to quarantine with its pointer; its neighbours are stored. */
static void test_quarantine(void **state)
{
    (void)state;
#define BESIDE(bad) STR_INIT(STATUSES("[{'id':'a','status':'s'}," bad ",{'id':'a','status':'s'}]"))
#define AT_1 PLACE "/value/statuses/1"
    static const DecodeCase cases[] = {
        {"a null status", BESIDE("null"), STORED("") STORED("") WRONG(AT_1, "null")},
        {"a text", BESIDE("'x'"), STORED("") STORED("") WRONG(AT_1, "'x'")},
        {"a number", BESIDE("1.50"), STORED("") STORED("") WRONG(AT_1, "1.50")},
        {"an array", BESIDE("[{}]"), STORED("") STORED("") WRONG(AT_1, "[{}]")},
        {"no id", BESIDE("{ 'status' : 's' }"),
         STORED("") STORED("") "quarantined missing_id " AT_1 " { 'status' : 's' }\n"},
        {"a null id", BESIDE("{'id':null,'status':'s'}"),
         STORED("") STORED("") "quarantined missing_id " AT_1 " {'id':null,'status':'s'}\n"},
        {"an empty id", BESIDE("{'id':'','status':'s'}"),
         STORED("") STORED("") "quarantined missing_id " AT_1 " {'id':'','status':'s'}\n"},
        {"an id that is an object", BESIDE("{'id':{},'status':'s'}"),
         STORED("") STORED("") WRONG(AT_1, "{'id':{},'status':'s'}")},
        {"no status", BESIDE("{'id':'b'}"),
         STORED("") STORED("") "quarantined missing_status " AT_1 " {'id':'b'}\n"},
        {"an empty object", BESIDE("{}"),
         STORED("") STORED("") "quarantined missing_id " AT_1 " {}\n"},
        {"a timestamp that is an array", BESIDE("{'id':'b','status':'s','timestamp':[]}"),
         STORED("") STORED("") WRONG(AT_1, "{'id':'b','status':'s','timestamp':[]}")},
        {"statuses is an object", STR_INIT(STATUSES("{'id':'a'}")),
         WRONG(PLACE "/value/statuses", "{'id':'a'}")},
        {"statuses is a number", STR_INIT(STATUSES("0")), WRONG(PLACE "/value/statuses", "0")},
        {"value is a text", STR_INIT(VALUE("'v'")), WRONG(PLACE "/value", "'v'")},
        {"value is an array", STR_INIT(VALUE("[0]")), WRONG(PLACE "/value", "[0]")},
        {"metadata is one",
         STR_INIT(VALUE("{'metadata':[0],'statuses':[{'id':'a','status':'s'}]}")),
         STORED("") WRONG(PLACE "/value/metadata", "[0]")},
        {"a change is a number", STR_INIT(CHANGES("[1]")), WRONG(PLACE, "1")},
        {"changes is an object", STR_INIT(CHANGES("{'x':1}")),
         WRONG("/entry/0/changes", "{'x':1}")},
        {"an entry is a text", STR_INIT(ENTRIES("['e']")), WRONG("/entry/0", "'e'")},
        {"entry is an object", STR_INIT(ENTRIES("{'id':'1'}")), WRONG("/entry", "{'id':'1'}")},
        {"an envelope member that is no scalar does not cost the statuses",
         STR_INIT("{'object':{},'entry':[{'id':[],'changes':[{'field':[1],'value':{"
                  "'messaging_product':{},'metadata':{'display_phone_number':[],"
                  "'phone_number_id':{}},'statuses':[{'id':'a','status':'s'}]}}]}]}"),
         "status id='a' status='s'\n" WRONG(PLACE "/value/messaging_product", "{}")
             WRONG(PLACE "/value/metadata/display_phone_number", "[]")
                 WRONG(PLACE "/value/metadata/phone_number_id", "{}") WRONG(PLACE "/field", "[1]")
                     WRONG("/entry/0/id", "[]") WRONG("/object", "{}")},
        {"metadata that is a text",
         STR_INIT(VALUE("{'metadata':'m','statuses':[{'id':'a','status':'s'}]}")),
         STORED("") WRONG(PLACE "/value/metadata", "'m'")},
        {"metadata that is null or empty is none",
         STR_INIT(VALUE("{'metadata':'','statuses':[{'id':'a','status':'s'}]}")), STORED("")},
    };
    ASSERT_RULES(cases);
}

static void test_unreadable(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"a top-level array", STR_INIT("[{}]"), "malformed not_a_payload\n"},
        {"null", STR_INIT("null"), "malformed not_a_payload\n"},
        {"a scalar", STR_INIT("'x'"), "malformed not_a_payload\n"},
        {"an array that is not even JSON", STR_INIT("[{},]"), "malformed syntax\n"},
        {"nothing but white space", STR_INIT(" \n"), "malformed syntax\n"},
        {"a trailing comma", STR_INIT(GOOD(",")), "malformed syntax\n"},
        {"in a list", STR_INIT(STATUSES("[{'id':'a','status':'s'},]")), "malformed syntax\n"},
        {"a comment", STR_INIT("{/**/}"), "malformed syntax\n"},
        {"text behind the document", STR_INIT("{}x"), "malformed syntax\n"},
        {"a second document", STR_INIT("{}{}"), "malformed syntax\n"},
        {"NUL behind it", STR_INIT("{}\0"), "malformed syntax\n"},
        {"cut", STR_INIT("{'entry':[{'id':'1'"), "malformed syntax\n"},
        {"a raw line end in a text", STR_INIT(GOOD(",'x':'a\nb'")), "malformed syntax\n"},
        {"a bad escape where nobody looks", STR_INIT("{'x':{'y':'\\x'}}"), "malformed syntax\n"},
        {"half a word in place of a list", STR_INIT(STATUSES("nul")), "malformed syntax\n"},
        {"in place of a value", STR_INIT(VALUE("fals")), "malformed syntax\n"},
        {"a bad number where nobody looks", STR_INIT("{'x':[01]}"), "malformed syntax\n"},
        {"bytes that are not UTF-8", STR_INIT("{'x':'\xFF'}"), "malformed encoding\n"},
        {"a surrogate in UTF-8", STR_INIT("{'object':'\xED\xA0\x80'}"), "malformed encoding\n"},
        {"one that is well-formed up to its last byte", STR_INIT(GOOD("") "]"),
         "malformed syntax\n"},
    };
    ASSERT_RULES(cases);
}

static void test_limits(void **state)
{
    (void)state;
    Arena *arena = arena_new();
    assert_non_null(arena);
    char *closing = malloc(1000000);
    assert_non_null(closing);
    memset(closing, ']', 1000000);

    /* the root is 1 */
    closing[LIMIT_DEPTH - 1] = '\0';
    Str tail = repeat(arena, closing, "}", 1, "");
    Str deep = repeat(arena, "{\"x\":", "[", LIMIT_DEPTH - 1, "");
    Text text = text_begin(arena);
    text_add(&text, deep);
    text_add(&text, tail);
    assert_decoded(json_decode, text_finish(&text), "");
    assert_decoded(json_decode, repeat(arena, "{\"x\":", "[", LIMIT_DEPTH, ""),
                   "malformed too_deep\n");
    assert_decoded(json_decode, repeat(arena, "", "[", 1000000, ""), "malformed too_deep\n");
    assert_decoded(json_decode, repeat(arena, "", "{\"entry\":", 200000, ""),
                   "malformed too_deep\n");
    arena_reset(arena);

    const char *begin = "{\"entry\":[{\"changes\":[{}]}";
    assert_decoded(json_decode, repeat(arena, begin, ",{}", LIMIT_ITEMS - 2, "]}"), "event {}\n");
    assert_decoded(json_decode, repeat(arena, begin, ",{}", LIMIT_ITEMS - 1, "]}"),
                   "malformed too_many\n");
    assert_decoded(json_decode, repeat(arena, "{\"entry\":[1", ",1", LIMIT_ITEMS, "]}"),
                   "malformed too_many\n");

    /* Members whose names are all equal, or all different, are dropped in time. */
    assert_decoded(json_decode,
                   repeat(arena,
                          "{\"entry\":[{\"changes\":[{\"value\":{\"statuses\":["
                          "{\"id\":\"a\",\"status\":\"s\"",
                          ",\"x\":1", LIMIT_ITEMS, "}]}}]}]}"),
                   "status id='a' status='s' extra={\"x\":1}\n");
    assert_decoded(json_decode,
                   repeat(arena,
                          "{\"entry\":[{\"changes\":[{\"value\":{\"statuses\":["
                          "{\"id\":\"a\",\"status\":\"s\"",
                          ",\"x\":1", LIMIT_ITEMS + 1, "}]}}]}]}"),
                   "malformed too_many\n");
    free(closing);
    arena_free(arena);
}

static void test_position(void **state)
{
    (void)state;
    static const DecodeCase cases[] = {
        {"of a comma too many", STR_INIT("{\"a\":1,}"),
         "malformed syntax 1:8 7 expected a member name in quotes\n"},
        {"lines count from 1, columns are bytes", STR_INIT("{\n \"\xC3\xA9\" 1}"),
         "malformed syntax 2:7 8 expected ':' after a member name\n"},
        {"the end of the body", STR_INIT("{\"a\":\n"),
         "malformed syntax 2:1 6 the JSON text ends early\n"},
        {"of a bad byte", STR_INIT("{\"a\":\"b\xFF\"}"),
         "malformed encoding 1:8 7 bytes that are not UTF-8\n"},
        {"of the bracket that is too much", STR_INIT("{}\n}"),
         "malformed syntax 2:1 3 something follows the JSON document\n"},
    };
    assert_errors(json_decode, cases, COUNT(cases));
}

static const char *const rich =
    "{\"object\":\"\\u006f\",\"entry\":[1,{\"id\":\"\\u0031\",\"changes\":[{\"field\":\"f\","
    "\"value\":{\"metadata\":{\"phone_number_id\":\"\\u0070\"},\"statuses\":[{\"id\":\"\\u0061\","
    "\"status\":\"s\",\"\\u0078\":1,\"y\":2,\"message\":{\"recipient_id\":\"\\u0072\"}},"
    "{\"id\":\"b\"},null,{\"id\":\"c\",\"status\":\"s\",\"errors\":[1]}]}},{\"field\":\"g\"}]}]}";

/* Cut at any byte, a body is malformed and nothing is read beyond its end. */
static void test_every_prefix(void **state)
{
    (void)state;
    const Str body = str_from(rich);
    for (size_t len = 0; len < body.len; len++) {
        assert_decoded(json_decode, (Str){body.ptr, len}, "malformed syntax\n");
    }
}

static void test_failing_malloc(void **state)
{
    (void)state;
    assert_survives_failing_malloc(json_decode, str_from(rich), NULL);

    /* A body that needs many blocks of the arena. */
    Arena *arena = arena_new();
    assert_non_null(arena);
    Str body = repeat(arena, "{\"entry\":[{\"changes\":[{\"value\":{\"statuses\":[{}",
                      ",{\"id\":\"\\u0061\",\"status\":\"s\",\"a\":1,\"b\":2},0", 1000, "]}}]}]}");
    assert_survives_failing_malloc(json_decode, body, NULL);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape),          cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_names),          cmocka_unit_test(test_errors),
        cmocka_unit_test(test_extra),          cmocka_unit_test(test_message),
        cmocka_unit_test(test_ignored),        cmocka_unit_test(test_quarantine),
        cmocka_unit_test(test_unreadable),     cmocka_unit_test(test_limits),
        cmocka_unit_test(test_position),       cmocka_unit_test(test_every_prefix),
        cmocka_unit_test(test_failing_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
