#include "unit.h"

#include "json_oracle.h"
#include "base/limits.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The scanner against jansson, over the kinds of input that the public collections of JSON tests
 * have, over our own sample bodies, and over mutations of both.
 */

typedef struct {
    const char *label;
    Str text;
} Document;

/* Both must accept these ... */
static const Document good[] = {
    {"empty array", STR_INIT("[]")},
    {"empty object", STR_INIT("{}")},
    {"empty ones with white space inside", STR_INIT("[ \t\r\n{ \n} ]")},
    {"white space around", STR_INIT("\r\n\t [] \r\n\t")},
    {"a lone null", STR_INIT("null")},
    {"a lone true", STR_INIT("true")},
    {"a lone false", STR_INIT("false")},
    {"a lone number", STR_INIT("42")},
    {"a lone negative number", STR_INIT("-0.1")},
    {"a lone text", STR_INIT("\"x\"")},
    {"an empty text", STR_INIT("\"\"")},
    {"arrays of arrays", STR_INIT("[[],[[]],[[],[]]]")},
    {"mixed kinds", STR_INIT("[null,1,\"1\",{},[],true,false]")},
    {"several nulls", STR_INIT("[1,null,null,null,2]")},
    {"minus zero", STR_INIT("[-0]")},
    {"minus one", STR_INIT("[-1]")},
    {"zero with exponent", STR_INIT("[0e1,0E+0,0e-0]")},
    {"fractions", STR_INIT("[0.5,-0.50,123.456789]")},
    {"exponents", STR_INIT("[1e5,1E5,1e+5,1e-5,1.5E-07]")},
    {"close to zero", STR_INIT("[-0.000000000000000000000000000000000000000000000000000000001]")},
    {"underflow", STR_INIT("[123e-10000000]")},
    {"an integer beyond 64 bits", STR_INIT("[123456789012345678901234567890]")},
    {"a negative one", STR_INIT("[-123456789012345678901234567890]")},
    {"near the largest double", STR_INIT("[1.7976931348623157e308]")},
    {"an object", STR_INIT("{\"a\":1,\"b\":[2],\"c\":{\"d\":3}}")},
    {"duplicate names", STR_INIT("{\"a\":1,\"a\":2,\"b\":0,\"a\":{\"x\":1}}")},
    {"duplicate names and values", STR_INIT("{\"a\":\"b\",\"a\":\"b\"}")},
    {"an empty name", STR_INIT("{\"\":0}")},
    {"an escaped name", STR_INIT("{\"\\u0061\\n\":0}")},
    {"simple escapes", STR_INIT("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]")},
    {"an escaped backslash before u", STR_INIT("[\"\\\\u0000\"]")},
    {"\\u escapes in both cases", STR_INIT("[\"\\u00e9\\u00E9\\uABCD\\uabcd\"]")},
    {"\\u0000 in a text", STR_INIT("[\"a\\u0000b\"]")},
    {"escaped control characters", STR_INIT("[\"\\u0001\\u001f\\u007F\"]")},
    {"a surrogate pair", STR_INIT("[\"\\uD83D\\uDE80\"]")},
    {"two of them", STR_INIT("[\"\\ud83d\\ude80\\uDBFF\\uDFFF\"]")},
    {"noncharacters", STR_INIT("[\"\\uFFFE\\uFFFF\\uFDD0\\uDBFF\\uDFFE\"]")},
    {"DEL", STR_INIT("[\"\x7F\"]")},
    {"UTF-8 of two, three and four bytes", STR_INIT("[\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x9A\x80\"]")},
    {"the ends of each range",
     STR_INIT("[\"\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF\xF0\x90\x80\x80"
              "\xF4\x8F\xBF\xBF\"]")},
    {"U+2028 and U+2029", STR_INIT("[\"\xE2\x80\xA8\xE2\x80\xA9\"]")},
    {"a BOM inside a text", STR_INIT("[\"\xEF\xBB\xBF\"]")},
    {"a comment that is a text", STR_INIT("[\"/* */ // #\"]")},
    {"brackets that are text", STR_INIT("[\"]}\",\"[{\"]")},
    {"a text of 16 bytes", STR_INIT("[\"0123456789abcdef\"]")},
    {"of 17, ended by an escape", STR_INIT("[\"0123456789abcdef\\n\"]")},
};

/* ... and refuse these. */
static const Document bad[] = {
    {"nothing", STR_INIT("")},
    {"white space only", STR_INIT(" ")},
    {"a byte order mark", STR_INIT("\xEF\xBB\xBF{}")},
    {"half of one", STR_INIT("\xEF\xBB{}")},
    {"UTF-16", STR_INIT("[\0\"\0]\0")},
    {"a comma only", STR_INIT("[,]")},
    {"a comma before", STR_INIT("[,1]")},
    {"a comma after", STR_INIT("[1,]")},
    {"two commas", STR_INIT("[1,,2]")},
    {"two after", STR_INIT("[1,,]")},
    {"no comma", STR_INIT("[1 2]")},
    {"no comma after an array", STR_INIT("[[]1]")},
    {"a colon in an array", STR_INIT("[\"a\":1]")},
    {"a semicolon", STR_INIT("[1;2]")},
    {"an open array", STR_INIT("[")},
    {"an open array with an item", STR_INIT("[1")},
    {"an open array with a comma", STR_INIT("[1,")},
    {"an open array in an array", STR_INIT("[[]")},
    {"an open array of objects", STR_INIT("[{")},
    {"closed too often", STR_INIT("[]]")},
    {"closed by the other bracket", STR_INIT("[}")},
    {"the other way round", STR_INIT("{]")},
    {"an object that ends as an array", STR_INIT("{\"a\":1]")},
    {"only a closing bracket", STR_INIT("]")},
    {"only a closing brace", STR_INIT("}")},
    {"an open object", STR_INIT("{")},
    {"an open name", STR_INIT("{\"a")},
    {"a name only", STR_INIT("{\"a\"")},
    {"a name in an object", STR_INIT("{\"a\"}")},
    {"no value", STR_INIT("{\"a\":")},
    {"no value in an object", STR_INIT("{\"a\":}")},
    {"a value and its comma", STR_INIT("{\"a\":1,")},
    {"a comma after a member", STR_INIT("{\"a\":1,}")},
    {"a comma before a member", STR_INIT("{,\"a\":1}")},
    {"two commas between members", STR_INIT("{\"a\":1,,\"b\":2}")},
    {"two colons", STR_INIT("{\"a\"::1}")},
    {"a comma for a colon", STR_INIT("{\"a\",1}")},
    {"an equals sign", STR_INIT("{\"a\"=1}")},
    {"a value without name", STR_INIT("{1}")},
    {"a number as name", STR_INIT("{1:1}")},
    {"null as name", STR_INIT("{null:null}")},
    {"a name without quotes", STR_INIT("{a:1}")},
    {"a name in single quotes", STR_INIT("{'a':1}")},
    {"an object as name", STR_INIT("{{}:1}")},
    {"an escape outside of a text", STR_INIT("[\\n]")},
    {"a text in single quotes", STR_INIT("['x']")},
    {"a word", STR_INIT("[x]")},
    {"a capital word", STR_INIT("[True]")},
    {"half a word", STR_INIT("[nul]")},
    {"half a word at the end", STR_INIT("tru")},
    {"a word too long", STR_INIT("[nullx]")},
    {"two words", STR_INIT("true false")},
    {"undefined", STR_INIT("[undefined]")},
    {"NaN", STR_INIT("[NaN]")},
    {"Infinity", STR_INIT("[Infinity]")},
    {"-Infinity", STR_INIT("[-Infinity]")},
    {"a plus sign", STR_INIT("[+1]")},
    {"two minus signs", STR_INIT("[--1]")},
    {"a minus sign", STR_INIT("[-]")},
    {"a minus sign at the end", STR_INIT("-")},
    {"a minus sign apart", STR_INIT("[- 1]")},
    {"a leading zero", STR_INIT("[01]")},
    {"a negative one", STR_INIT("[-012]")},
    {"two zeros", STR_INIT("[00]")},
    {"a point before", STR_INIT("[.5]")},
    {"a point before with sign", STR_INIT("[-.5]")},
    {"a point after", STR_INIT("[1.]")},
    {"a point before the exponent", STR_INIT("[1.e1]")},
    {"two points", STR_INIT("[1.2.3]")},
    {"an exponent without digits", STR_INIT("[1e]")},
    {"with a sign only", STR_INIT("[1e+]")},
    {"with two signs", STR_INIT("[1e+-1]")},
    {"a fraction in the exponent", STR_INIT("[1e1.5]")},
    {"an exponent only", STR_INIT("[e1]")},
    {"hex", STR_INIT("[0x1F]")},
    {"letters after a number", STR_INIT("[1a]")},
    {"a space in a number", STR_INIT("[1 000]")},
    {"full-width digits", STR_INIT("[\xEF\xBC\x91]")},
    {"an open text", STR_INIT("[\"x")},
    {"an open text with an escape", STR_INIT("[\"x\\")},
    {"a lone quote", STR_INIT("\"")},
    {"a text that never ends", STR_INIT("[\"x\\\"]")},
    {"an unknown escape", STR_INIT("[\"\\x41\"]")},
    {"an escaped quote of the other kind", STR_INIT("[\"\\'\"]")},
    {"\\U", STR_INIT("[\"\\U0041\"]")},
    {"an escaped NUL byte", STR_INIT("[\"\\\0\"]")},
    {"an escaped line end", STR_INIT("[\"\\\n\"]")},
    {"an escaped emoji", STR_INIT("[\"\\\xF0\x9F\x9A\x80\"]")},
    {"\\u without digits", STR_INIT("[\"\\u\"]")},
    {"with three", STR_INIT("[\"\\u004\"]")},
    {"with a letter", STR_INIT("[\"\\u004g\"]")},
    {"with a sign", STR_INIT("[\"\\u+041\"]")},
    {"with a blank", STR_INIT("[\"\\u 041\"]")},
    {"cut in \\u", STR_INIT("[\"\\u00")},
    {"a high surrogate and half an escape", STR_INIT("[\"\\uD83D\\u\"]")},
    {"and a bad escape", STR_INIT("[\"\\uD83D\\x\"]")},
    {"a raw line end", STR_INIT("[\"\n\"]")},
    {"a raw tab", STR_INIT("[\"\t\"]")},
    {"a raw NUL", STR_INIT("[\"\0\"]")},
    {"a raw U+001F", STR_INIT("[\"\x1F\"]")},
    {"NUL outside", STR_INIT("[\"\"\0]")},
    {"NUL after", STR_INIT("[]\0")},
    {"a form feed as white space", STR_INIT("[\f]")},
    {"a vertical tab", STR_INIT("[\v]")},
    {"a no-break space", STR_INIT("[\xC2\xA0]")},
    {"U+2060", STR_INIT("[\xE2\x81\xA0]")},
    {"a lone continuation byte", STR_INIT("[\"\x81\"]")},
    {"a lone first byte", STR_INIT("[\"\xE5\"]")},
    {"a cut sequence", STR_INIT("[\"\xE2\x82\"]")},
    {"cut at the end", STR_INIT("[\"\xE2\x82")},
    {"a continuation byte too many", STR_INIT("[\"\xC3\xA9\xA9\"]")},
    {"overlong, two bytes", STR_INIT("[\"\xC0\xAF\"]")},
    {"overlong, three bytes", STR_INIT("[\"\xE0\x9F\xBF\"]")},
    {"overlong, four bytes", STR_INIT("[\"\xF0\x8F\xBF\xBF\"]")},
    {"a surrogate in UTF-8", STR_INIT("[\"\xED\xA0\x80\"]")},
    {"beyond U+10FFFF", STR_INIT("[\"\xF4\x90\x80\x80\"]")},
    {"five bytes", STR_INIT("[\"\xF8\x88\x80\x80\x80\"]")},
    {"0xFE and 0xFF", STR_INIT("[\"\xFE\xFF\"]")},
    {"ISO 8859-1", STR_INIT("[\"\xE9\"]")},
    {"bytes outside of texts", STR_INIT("[\xE9]")},
    {"a bad byte in a name", STR_INIT("{\"\xFF\":1}")},
    {"a comment", STR_INIT("[/* x */]")},
    {"a comment after", STR_INIT("{}//")},
    {"an open comment", STR_INIT("{}/*")},
    {"a shell comment", STR_INIT("{} # x")},
    {"text after", STR_INIT("{}x")},
    {"two documents", STR_INIT("{}{}")},
    {"two on two lines", STR_INIT("1\n2")},
    {"a comma after the document", STR_INIT("[],")},
    {"a closing brace too many", STR_INIT("{\"a\":1}}")},
    {"markup", STR_INIT("<null>")},
    {"an asterisk", STR_INIT("[*]")},
    {"a backtick", STR_INIT("[`x`]")},
    {"angle brackets", STR_INIT("<.>")},
};

/* On these they differ, on purpose: the scanner accepts. */
static const struct {
    Document document;
    unsigned differ;
} lenient[] = {
    {{"a high surrogate alone", STR_INIT("[\"\\uD800\"]")}, DIFFER_LONE_SURROGATE},
    {{"a low one", STR_INIT("[\"\\uDFFF\"]")}, DIFFER_LONE_SURROGATE},
    {{"a high one and text", STR_INIT("[\"\\ud83dabc\"]")}, DIFFER_LONE_SURROGATE},
    {{"a high one and another escape", STR_INIT("[\"\\ud83d\\n\"]")}, DIFFER_LONE_SURROGATE},
    {{"the halves in the wrong order", STR_INIT("[\"\\ude80\\ud83d\"]")}, DIFFER_LONE_SURROGATE},
    {{"two high ones and a low one", STR_INIT("[\"\\ud83d\\ud83d\\ude80\"]")},
     DIFFER_LONE_SURROGATE},
    {{"in a name", STR_INIT("{\"\\ud83d\":1}")}, DIFFER_LONE_SURROGATE},
    {{"NUL in a name", STR_INIT("{\"a\\u0000b\":1}")}, DIFFER_NUL_IN_NAME},
    {{"a real beyond double", STR_INIT("[1e999]")}, DIFFER_HUGE_REAL},
    {{"a negative one", STR_INIT("[-1e+999]")}, DIFFER_HUGE_REAL},
    {{"a very large exponent", STR_INIT("[0.4e006699999999999999999999999999999999]")},
     DIFFER_HUGE_REAL},
    {{"two at once", STR_INIT("{\"\\u0000\":1e400}")}, DIFFER_NUL_IN_NAME | DIFFER_HUGE_REAL},
};

static size_t check(const Document *document, bool accepted, unsigned differ)
{
    Opinion opinion = json_oracle(document->text);
    if (!opinion.wrong && opinion.accepted == accepted && opinion.differ == differ) {
        return 0;
    }
    print_error("%s: %s; accepted %d, differ %u\n", document->label,
                opinion.wrong ? opinion.wrong : "they agree", opinion.accepted, opinion.differ);
    return 1;
}

static void test_agree(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < COUNT(good); i++) {
        wrong += check(&good[i], true, 0);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        wrong += check(&bad[i], false, 0);
    }
    assert_int_equal(wrong, 0);
}

static void test_differ(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < COUNT(lenient); i++) {
        wrong += check(&lenient[i].document, true, lenient[i].differ);
    }
    assert_int_equal(wrong, 0);
}

static void test_nul_byte(void **state)
{
    (void)state;
    static const Document number = {"NUL behind a number", STR_INIT("[1\0]")};
    static const Document word = {"NUL behind a word", STR_INIT("[true\0]")};
    assert_int_equal(check(&number, false, DIFFER_NUL_BYTE), 0);
    assert_int_equal(check(&word, false, DIFFER_NUL_BYTE), 0);
}

static void test_depth(void **state)
{
    (void)state;
    char text[2 * (LIMIT_DEPTH + 1)];
    for (size_t depth = LIMIT_DEPTH - 1; depth <= LIMIT_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        bool accepted = depth <= LIMIT_DEPTH;
        const Document document = {"nested", {text, 2 * depth}};
        assert_int_equal(check(&document, accepted, accepted ? 0 : DIFFER_DEPTH), 0);
    }
}

/* The sample bodies, and everything else that mutations start from. */
enum { MOST_SEEDS = 600, LONGEST_MUTANT = 16384 };

static struct {
    Str texts[MOST_SEEDS];
    size_t count, owned;
} seeds;

static void load(const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = malloc(1 << 20);
    assert_non_null(text);
    size_t len = fread(text, 1, 1 << 20, file);
    fclose(file);
    assert_true(seeds.owned < MOST_SEEDS);
    seeds.texts[seeds.owned++] = (Str){text, len};
}

static int load_seeds(void **state)
{
    (void)state;
    DIR *folder = opendir("tests/data/json");
    if (!folder) {
        print_error("tests/data/json is not here: run this from the top of the sources\n");
        return -1;
    }
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[512];
        snprintf(path, sizeof(path), "tests/data/json/%s", entry->d_name);
        if (strstr(entry->d_name, ".json")) {
            load(path);
        }
    }
    closedir(folder);
    seeds.count = seeds.owned;
    for (size_t i = 0; i < COUNT(good); i++) {
        seeds.texts[seeds.count++] = good[i].text;
    }
    for (size_t i = 0; i < COUNT(lenient); i++) {
        seeds.texts[seeds.count++] = lenient[i].document.text;
    }
    return 0;
}

static int free_seeds(void **state)
{
    (void)state;
    for (size_t i = 0; i < seeds.owned; i++) {
        free((void *)(uintptr_t)seeds.texts[i].ptr);
    }
    return 0;
}

static void test_samples(void **state)
{
    (void)state;
    assert_true(seeds.owned > 50);
    for (size_t i = 0; i < seeds.owned; i++) {
        Opinion opinion = json_oracle(seeds.texts[i]);
        if (opinion.wrong) {
            fail_msg("%s: %.200s", opinion.wrong, seeds.texts[i].ptr);
        }
    }
}

static uint64_t random_state;

static size_t random_below(size_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (size_t)(random_state % limit);
}

static void replace(char *text, size_t *len, size_t at, size_t removed, Str added)
{
    if (*len - removed + added.len > LONGEST_MUTANT) {
        return;
    }
    memmove(text + at + added.len, text + at + removed, *len - at - removed);
    memcpy(text + at, added.ptr, added.len);
    *len += added.len - removed;
}

/* Cuts, copies, splices and inserts what matters in JSON. */
static void mutate(char *text, size_t *len)
{
    static const Str tokens[] = {
        STR_INIT("{"),       STR_INIT("}"),        STR_INIT("["),    STR_INIT("]"),
        STR_INIT(","),       STR_INIT(":"),        STR_INIT("\""),   STR_INIT("\\"),
        STR_INIT("\\u0000"), STR_INIT("\\ud83d"),  STR_INIT("\\n"),  STR_INIT("\\ude80"),
        STR_INIT("null"),    STR_INIT("-"),        STR_INIT("0"),    STR_INIT("e"),
        STR_INIT("."),       STR_INIT("true"),     STR_INIT("\xC3"), STR_INIT("\xA9"),
        STR_INIT("\xED"),    STR_INIT("\xF4\x90"), STR_INIT("\0"),   STR_INIT("\n"),
        STR_INIT("1e400"),   STR_INIT("\"\":"),    STR_INIT(" "),    STR_INIT("[[[[[[[["),
    };
    const Str other = seeds.texts[random_below(seeds.count)];
    size_t at = random_below(*len + 1), removed = random_below(*len - at + 1);
    size_t from = other.len ? random_below(other.len) : 0;
    char byte = (char)random_below(256);
    switch (random_below(5)) {
    case 0:
        replace(text, len, at, at < *len, (Str){&byte, 1});
        break;
    case 1:
        replace(text, len, at, 0, tokens[random_below(COUNT(tokens))]);
        break;
    case 2:
        replace(text, len, at, removed < 8 ? removed : 1, STR(""));
        break;
    case 3:
        replace(text, len, at, removed, str_from_offset(other, from));
        break;
    default:
        replace(text, len, at, 0, (Str){other.ptr + from, random_below(other.len - from + 1)});
    }
}

static void test_mutants(void **state)
{
    (void)state;
    size_t accepted = 0, differing = 0;
    const size_t rounds = 30000;
    char *text = malloc(LONGEST_MUTANT);
    assert_non_null(text);
    random_state = 0x7469636B73747265; /* the same mutants every time */
    for (size_t round = 0; round < rounds; round++) {
        Str seed = seeds.texts[random_below(seeds.count)];
        size_t len = seed.len < LONGEST_MUTANT ? seed.len : LONGEST_MUTANT;
        memcpy(text, seed.ptr, len);
        for (size_t i = random_below(4); i-- > 0;) {
            mutate(text, &len);
        }
        Opinion opinion = json_oracle((Str){text, len});
        if (opinion.wrong) {
            fail_msg("round %zu, %s: %.*s", round, opinion.wrong, (int)len, text);
        }
        accepted += opinion.accepted;
        differing += opinion.differ != 0;
    }
    free(text);
    /* Both verdicts and the leniencies were met often enough to mean something. */
    assert_in_range(accepted, rounds / 10, rounds * 9 / 10);
    assert_in_range(differing, 100, rounds / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agree),   cmocka_unit_test(test_differ),
        cmocka_unit_test(test_depth),   cmocka_unit_test(test_nul_byte),
        cmocka_unit_test(test_samples), cmocka_unit_test(test_mutants),
    };
    return cmocka_run_group_tests(tests, load_seeds, free_seeds);
}
