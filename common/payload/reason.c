#include "payload/reason.h"

const Str reason_words[REASON_COUNT] = {
    [REASON_NONE] = STR_INIT("none"),
    [REASON_SYNTAX] = STR_INIT("syntax"),
    [REASON_ENCODING] = STR_INIT("encoding"),
    [REASON_TOO_DEEP] = STR_INIT("too_deep"),
    [REASON_NOT_A_PAYLOAD] = STR_INIT("not_a_payload"),
    [REASON_FORBIDDEN_XML] = STR_INIT("forbidden_xml"),
    [REASON_REPEATED] = STR_INIT("repeated"),
    [REASON_BAD_NAME] = STR_INIT("bad_name"),
    [REASON_TOO_MANY] = STR_INIT("too_many"),
    [REASON_TOO_MUCH] = STR_INIT("too_much"),
    [REASON_WRONG_SHAPE] = STR_INIT("wrong_shape"),
    [REASON_MISSING_ID] = STR_INIT("missing_id"),
    [REASON_MISSING_STATUS] = STR_INIT("missing_status"),
};

Str reason_word(Reason reason)
{
    return reason_words[reason];
}

bool error_malformed(Error *reterr, Reason reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_set_list(reterr, ERROR_MALFORMED, format, args);
    va_end(args);
    reterr->kind = (int)reason;
    return false;
}
