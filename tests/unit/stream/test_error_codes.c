#include "unit.h"

#include "stream/error_codes.h"

#include <string.h>

/* As the search wants them; and as a line has room for. */
static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < error_meaning_count; i++) {
        const ErrorMeaning *row = &error_meanings[i];
        print_message("  %u\n", row->code);
        assert_true(row->code <= row->last);
        assert_true(i == 0 || row[-1].last < row->code);
        assert_in_range(strlen(row->meaning), 5, 59);
        for (const char *c = row->meaning; *c; c++) {
            assert_in_range(*c, ' ', '~');
        }
        assert_in_range(row->retry, 0, RETRIES - 1);
        assert_in_range(row->mends_it, 0, MENDERS - 1);
        assert_ptr_equal(error_meaning(row->code), row);
        assert_ptr_equal(error_meaning(row->last), row);
    }
}

static void test_meanings(void **state)
{
    (void)state;
    static const struct {
        unsigned code;
        const char *retry, *mender, *means;
    } cases[] = {
        {130472, "never", "Meta", "experiment"},       {131026, "never", "recipient", "WhatsApp"},
        {131042, "when mended", "billing", "payment"}, {131047, "when mended", "sender", "24 h"},
        {131048, "never", "business", "blocks"},       {131049, "later", "pace", "marketing"},
        {131050, "never", "recipient", "stopped"},     {131053, "when mended", "content", "media"},
        {131056, "later", "pace", "this user"},        {130429, "later", "pace", "second"},
        {190, "when mended", "sender", "expired"},     {250, "when mended", "sender", "permission"},
        {470, "when mended", "sender", "24 h"},        {138022, "never", "sender", "calls"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const ErrorMeaning *row = error_meaning(cases[i].code);
        print_message("  %u\n", cases[i].code);
        assert_non_null(row);
        assert_string_equal(error_retry_word(row->retry), cases[i].retry);
        assert_string_equal(error_mender_word(row->mends_it), cases[i].mender);
        assert_non_null(strstr(row->meaning, cases[i].means));
    }
}

/* What Meta's pages name, and what they do not. */
static void test_known(void **state)
{
    (void)state;
    static const unsigned known[] = {
        0,       1,      2,      3,       4,       10,      33,      100,     190,     200,
        299,     368,    400,    402,     408,     410,     429,     430,     432,     433,
        470,     471,    472,    480,     500,     501,     506,     613,     1000,    1001,
        1002,    1004,   1005,   1006,    1007,    1008,    1009,    1010,    1011,    1013,
        1014,    1015,   1016,   1017,    1018,    1021,    1022,    1023,    1024,    1025,
        1026,    1028,   1031,   2000,    2001,    2004,    2005,    2006,    2007,    2008,
        2009,    2010,   2011,   2012,    2060,    2061,    2062,    2068,    2069,    80007,
        130403,  130429, 130470, 130472,  130497,  131000,  131001,  131002,  131005,  131006,
        131008,  131009, 131014, 131016,  131020,  131021,  131026,  131027,  131030,  131031,
        131037,  131041, 131042, 131043,  131044,  131045,  131047,  131048,  131049,  131050,
        131051,  131052, 131053, 131055,  131056,  131057,  131058,  131059,  131060,  131061,
        131062,  131063, 131064, 131065,  131070,  131201,  131202,  131203,  131204,  131207,
        131208,  131209, 131210, 131211,  131212,  131213,  131214,  131215,  132000,  132001,
        132005,  132007, 132008, 132012,  132015,  132016,  132018,  132068,  132069,  133000,
        133001,  133002, 133003, 133004,  133005,  133006,  133007,  133008,  133009,  133010,
        133015,  133016, 134011, 134100,  134101,  134102,  135000,  136024,  136025,  137000,
        138000,  138013, 138023, 138038,  139000,  139004,  139100,  139103,  139200,  147001,
        147005,  200005, 200007, 1752041, 2388000, 2388341, 2388999, 2494100, 2494164, 2494179,
        2593107, 2593109};
    static const unsigned unknown[] = {5,      101,    300,    1003,   1019,    131003,    131028,
                                       131054, 131071, 132002, 138024, 2494101, 4294967295};
    for (size_t i = 0; i < COUNT(known); i++) {
        if (!error_meaning(known[i])) {
            fail_msg("%u is not known", known[i]);
        }
    }
    for (size_t i = 0; i < COUNT(unknown); i++) {
        if (error_meaning(unknown[i])) {
            fail_msg("%u is known", unknown[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_meanings),
                                       cmocka_unit_test(test_known)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
