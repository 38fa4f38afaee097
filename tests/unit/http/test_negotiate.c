#include "unit.h"

#include "http/negotiate.h"

static void test_negotiate(void **state)
{
    (void)state;
    static const struct {
        const char *accept, *content_type;
        AnswerFormat want;
    } cases[] = {
        /* without Accept: the format of what was posted */
        {NULL, NULL, ANSWER_JSON},
        {NULL, "application/json", ANSWER_JSON},
        {NULL, "application/xml", ANSWER_XML},
        {NULL, "Text/XML; charset=utf-8", ANSWER_XML},
        {NULL, "application/x-www-form-urlencoded", ANSWER_JSON},
        {NULL, "application/xmlx", ANSWER_JSON},
        {"", "text/xml", ANSWER_XML},
        {" ", "text/xml", ANSWER_XML},
        /* with one: what it prefers */
        {"application/json", "text/xml", ANSWER_JSON},
        {"application/xml", "application/json", ANSWER_XML},
        {"text/xml", NULL, ANSWER_XML},
        {"application/problem+xml", NULL, ANSWER_XML},
        {"application/problem+json", "text/xml", ANSWER_JSON},
        {"APPLICATION/XML", NULL, ANSWER_XML},
        /* neither, or both alike: JSON */
        {"text/html", "text/xml", ANSWER_JSON},
        {"*/*", "text/xml", ANSWER_JSON},
        {"application/*", "text/xml", ANSWER_JSON},
        {"application/xml, application/json", NULL, ANSWER_JSON},
        {"application/json;q=0, application/xml;q=0", NULL, ANSWER_JSON},
        {"nonsense", "text/xml", ANSWER_JSON},
        {",,;q=", NULL, ANSWER_JSON},
        /* by quality */
        {"application/json;q=0.5, application/xml", NULL, ANSWER_XML},
        {"application/json;q=0.5, application/xml;q=0.6", NULL, ANSWER_XML},
        {"application/xml;q=0.9, application/json;q=0.91", NULL, ANSWER_JSON},
        {"application/json; charset=utf-8; Q=0.1, text/xml; q=0.2", NULL, ANSWER_XML},
        {"application/xml;q=1.000, application/json;q=0.999", NULL, ANSWER_XML},
        {"application/xml ; q = 0.3 , application/json ; q = 0.2", NULL, ANSWER_XML},
        /* the most specific range counts */
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", NULL, ANSWER_XML},
        {"*/*, application/xml;q=0", NULL, ANSWER_JSON},
        {"application/json;q=0, */*", NULL, ANSWER_XML},
        {"application/*;q=0.1, */*;q=0.9, application/xml;q=0.2", NULL, ANSWER_XML},
        {"application/*, application/xml;q=0.5", NULL, ANSWER_JSON},
        /* of the same range twice the better quality */
        {"text/xml;q=0.9, application/xml;q=0.1, application/json;q=0.5", NULL, ANSWER_XML},
        {"text/xml;q=0.1, application/xml;q=0.9, application/json;q=0.5", NULL, ANSWER_XML},
        /* a quality that is none is a refusal */
        {"application/xml;q=x", NULL, ANSWER_JSON},
        {"application/xml;q=-1", NULL, ANSWER_JSON},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        AnswerFormat got = negotiate(str_from(cases[i].accept), str_from(cases[i].content_type));
        if (got != cases[i].want) {
            fail_msg("%s | %s", cases[i].accept ? cases[i].accept : "-",
                     cases[i].content_type ? cases[i].content_type : "-");
        }
    }
}

static void test_media_types(void **state)
{
    (void)state;
    Str json = answer_media_type(ANSWER_JSON), xml = answer_media_type(ANSWER_XML);
    assert_true(str_eq(json, STR("application/json")));
    assert_true(str_eq(xml, STR("application/xml")));
    /* to whom it is sent accepts it */
    assert_int_equal(negotiate(json, xml), ANSWER_JSON);
    assert_int_equal(negotiate(xml, json), ANSWER_XML);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_negotiate),
        cmocka_unit_test(test_media_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
