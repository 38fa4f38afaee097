#include "stream/error_codes.h"

/* One code, or those from the first to the last. */
#define CODE(code, meaning, retry, mender)                                                         \
    {                                                                                              \
        code, code, meaning, RETRY_##retry, MENDER_##mender                                        \
    }
#define CODES(code, last, meaning, retry, mender)                                                  \
    {                                                                                              \
        code, last, meaning, RETRY_##retry, MENDER_##mender                                        \
    }

/* By code. Those of three and four digits but 100, 190, 2xx, 368 and 613 are of the On-Premises
 * client, which ended in October 2025: some forwarders still have them. */
/* clang-format off */
const ErrorMeaning error_meanings[] = {
    CODE(0, "the access token is invalid", MENDED, SENDER),
    CODE(1, "invalid request, or a fault of the server", LATER, META),
    CODE(2, "the service is down or overloaded", LATER, META),
    CODE(3, "a capability or permission is missing", MENDED, SENDER),
    CODE(4, "too many calls of this app", LATER, PACE),
    CODE(10, "a permission is missing", MENDED, SENDER),
    CODE(33, "the business number was deleted", MENDED, BUSINESS),
    CODE(100, "a parameter is unknown, misspelled or too long", MENDED, SENDER),
    CODE(190, "the access token has expired", MENDED, SENDER),
    CODES(200, 299, "no token, or a permission is missing", MENDED, SENDER),
    CODE(368, "the account is restricted for its conduct", NEVER, BUSINESS),
    CODE(400, "On-Premises: the media could not be fetched", LATER, CONTENT),
    CODE(402, "On-Premises: payment problem", MENDED, BILLING),
    CODE(408, "On-Premises: undelivered for more than a day", LATER, RECIPIENT),
    CODE(410, "On-Premises: its time to live is over", LATER, RECIPIENT),
    CODE(429, "On-Premises: too many messages", LATER, PACE),
    CODE(430, "On-Premises: fault of the certificate", MENDED, BUSINESS),
    CODE(432, "On-Premises: fault of the certificate", MENDED, BUSINESS),
    CODE(433, "On-Premises: fault of the certificate", MENDED, BUSINESS),
    CODE(470, "On-Premises: over 24 h since the user wrote", MENDED, SENDER),
    CODE(471, "On-Premises: restricted after blocks and reports", NEVER, BUSINESS),
    CODE(472, "On-Premises: the number is part of an experiment", NEVER, META),
    CODE(480, "On-Premises: the identity has changed", MENDED, RECIPIENT),
    CODE(500, "On-Premises: fault of client or server", LATER, SENDER),
    CODE(501, "On-Premises: bad request", MENDED, SENDER),
    CODE(506, "no longer documented by Meta", NEVER, META),
    CODE(613, "too many queries of call permissions", LATER, PACE),
    CODE(1000, "On-Premises: fault of client or server", LATER, SENDER),
    CODE(1001, "On-Premises: bad request", MENDED, SENDER),
    CODE(1002, "On-Premises: bad request", MENDED, SENDER),
    CODE(1004, "On-Premises: the client is not set up", MENDED, SENDER),
    CODE(1005, "On-Premises: access denied (credentials, certificate)", MENDED, SENDER),
    CODE(1006, "On-Premises: the client is not set up", MENDED, SENDER),
    CODE(1007, "On-Premises: the recipient cannot receive it", NEVER, RECIPIENT),
    CODES(1008, 1010, "On-Premises: bad request", MENDED, SENDER),
    CODE(1011, "On-Premises: fault of client or server", LATER, SENDER),
    CODE(1013, "On-Premises: the recipient cannot receive it", NEVER, RECIPIENT),
    CODE(1014, "On-Premises: fault of client or server", LATER, SENDER),
    CODE(1015, "On-Premises: too many requests", LATER, PACE),
    CODES(1016, 1018, "On-Premises: fault of client or server", LATER, SENDER),
    CODE(1021, "On-Premises: bad request", MENDED, SENDER),
    CODE(1022, "On-Premises: the client is not set up", MENDED, SENDER),
    CODE(1023, "On-Premises: fault of client or server", LATER, SENDER),
    CODE(1024, "On-Premises: the client is not set up", MENDED, SENDER),
    CODE(1025, "On-Premises: bad request", MENDED, SENDER),
    CODE(1026, "On-Premises: the recipient cannot receive it", NEVER, RECIPIENT),
    CODE(1028, "On-Premises: the identity has changed", MENDED, RECIPIENT),
    CODE(1031, "On-Premises: the account is locked", NEVER, BUSINESS),
    CODE(2000, "On-Premises: number of template variables", MENDED, SENDER),
    CODE(2001, "On-Premises: the template is missing", MENDED, CONTENT),
    CODES(2004, 2012, "On-Premises: fault of the template", MENDED, CONTENT),
    CODE(2060, "On-Premises: the template breaks policy", MENDED, CONTENT),
    CODE(2061, "On-Premises: the template is paused", MENDED, CONTENT),
    CODE(2062, "On-Premises: the template is disabled", MENDED, CONTENT),
    CODES(2068, 2069, "On-Premises: fault of the template", MENDED, CONTENT),
    CODE(80007, "too many calls of this account", LATER, PACE),
    CODE(130403, "the business number has blocked this user", MENDED, BUSINESS),
    CODE(130429, "more messages a second than the number may send", LATER, PACE),
    CODE(130470, "over 24 h since the user wrote (now 131047)", MENDED, SENDER),
    CODE(130472, "the user is part of an experiment: no marketing", NEVER, META),
    CODE(130497, "the account may not message this country", NEVER, BUSINESS),
    CODE(131000, "something went wrong, the cause is unknown", LATER, META),
    CODES(131001, 131002, "no longer documented by Meta", NEVER, META),
    CODE(131005, "a permission is missing", MENDED, SENDER),
    CODE(131006, "no longer documented by Meta", NEVER, META),
    CODE(131008, "a parameter is missing", MENDED, SENDER),
    CODE(131009, "the value of a parameter is invalid", MENDED, SENDER),
    CODE(131014, "the link of the media failed", MENDED, CONTENT),
    CODE(131016, "the service is down or overloaded", LATER, META),
    CODE(131020, "group: we are its only member", MENDED, SENDER),
    CODE(131021, "recipient and sender are the same number", MENDED, SENDER),
    CODE(131026, "not on WhatsApp, terms not accepted, or an old app", NEVER, RECIPIENT),
    CODE(131027, "something went wrong (old code)", LATER, META),
    CODE(131030, "a test number, and the recipient is not on its list", MENDED, SENDER),
    CODE(131031, "the account is locked, or its data do not match", NEVER, BUSINESS),
    CODE(131037, "the display name of the number is not approved", MENDED, BUSINESS),
    CODE(131041, "group: it is unknown", MENDED, SENDER),
    CODE(131042, "payment problem of the account", MENDED, BILLING),
    CODE(131043, "expired before it was delivered (old code)", LATER, RECIPIENT),
    CODE(131044, "no payment method for calls", MENDED, BILLING),
    CODE(131045, "the registration of the number is at fault", MENDED, BUSINESS),
    CODE(131047, "over 24 h since the user wrote: only templates pass", MENDED, SENDER),
    CODE(131048, "the number is restricted after blocks and reports", NEVER, BUSINESS),
    CODE(131049, "this user gets no more marketing for now", LATER, PACE),
    CODE(131050, "the user has stopped marketing of this business", NEVER, RECIPIENT),
    CODE(131051, "this type of message is not supported", MENDED, SENDER),
    CODE(131052, "media of the user cannot be fetched", NEVER, RECIPIENT),
    CODE(131053, "the media has a wrong type or size, or its link fails", MENDED, CONTENT),
    CODE(131055, "the endpoint takes marketing templates only", MENDED, SENDER),
    CODE(131056, "too many messages to this user at once", LATER, PACE),
    CODE(131057, "the account is in maintenance for some minutes", LATER, META),
    CODE(131058, "hello_world is for test numbers only", MENDED, SENDER),
    CODE(131059, "group calls: the cursor is invalid", MENDED, SENDER),
    CODE(131060, "the message of the user is not available", NEVER, META),
    CODE(131061, "a template with a maximum price: other endpoint", MENDED, SENDER),
    CODE(131062, "needs a phone number, not a user id", MENDED, SENDER),
    CODE(131063, "marketing templates are off for the Cloud API", MENDED, SENDER),
    CODE(131064, "restricted after wrong template categories", LATER, BUSINESS),
    CODE(131065, "no maximum price in this country", MENDED, CONTENT),
    CODE(131070, "another responder has the conversation", MENDED, SENDER),
    CODES(131201, 131202, "group calls", MENDED, SENDER),
    CODE(131203, "group calls", MENDED, SENDER),
    CODE(131204, "group calls", MENDED, SENDER),
    CODE(131207, "the group is suspended", NEVER, BUSINESS),
    CODE(131208, "limit of groups", LATER, PACE),
    CODE(131209, "group calls", MENDED, SENDER),
    CODE(131210, "group calls", MENDED, SENDER),
    CODE(131211, "limit of groups", LATER, PACE),
    CODES(131212, 131213, "group calls", MENDED, SENDER),
    CODE(131214, "groups may not be made for now", NEVER, BUSINESS),
    CODE(131215, "the number may not have groups", NEVER, BUSINESS),
    CODE(132000, "number of template variables does not match", MENDED, SENDER),
    CODE(132001, "no such template, or not approved, in that language", MENDED, CONTENT),
    CODE(132005, "the text is too long once it is filled in", MENDED, CONTENT),
    CODE(132007, "the template breaks policy", MENDED, CONTENT),
    CODE(132008, "format of template variables does not match", MENDED, SENDER),
    CODE(132012, "format of template variables does not match", MENDED, SENDER),
    CODE(132015, "the template is paused for its quality", MENDED, CONTENT),
    CODE(132016, "the template is disabled for good", MENDED, CONTENT),
    CODE(132018, "template variables are at fault", MENDED, SENDER),
    CODE(132068, "the Flow is blocked", MENDED, CONTENT),
    CODE(132069, "the Flow is throttled: 10 messages an hour", LATER, CONTENT),
    CODE(133000, "number: deregister it again", MENDED, BUSINESS),
    CODES(133001, 133003, "no longer documented by Meta", NEVER, META),
    CODE(133004, "the server of registrations is down", LATER, META),
    CODES(133005, 133006, "number: PIN, or it must be verified", MENDED, BUSINESS),
    CODE(133007, "no longer documented by Meta", NEVER, META),
    CODES(133008, 133009, "number: too many guesses of the PIN", LATER, BUSINESS),
    CODE(133010, "the number is not registered", MENDED, BUSINESS),
    CODE(133015, "number: wait 5 minutes, then register", MENDED, BUSINESS),
    CODE(133016, "number: too many registrations", LATER, BUSINESS),
    CODE(134011, "the terms of WhatsApp Payments are not accepted", MENDED, BILLING),
    CODE(134100, "the endpoint takes marketing templates only", MENDED, SENDER),
    CODE(134101, "the template is not ready yet: 10 minutes", LATER, META),
    CODE(134102, "template or account not ready for Marketing API", MENDED, BUSINESS),
    CODE(135000, "held back by pacing, or the request is at fault", MENDED, BUSINESS),
    CODE(136024, "number: it is verified already", MENDED, BUSINESS),
    CODE(136025, "no longer documented by Meta", NEVER, META),
    CODE(137000, "the user may be another person now: verify", MENDED, RECIPIENT),
    CODES(138000, 138023, "calls", NEVER, SENDER),
    CODE(138038, "calls", NEVER, SENDER),
    CODES(139000, 139004, "Flows", MENDED, SENDER),
    CODES(139100, 139103, "block list", MENDED, SENDER),
    CODE(139200, "Direct Send is blocked after misuse", NEVER, BUSINESS),
    CODES(147001, 147005, "names of users", MENDED, SENDER),
    CODES(200005, 200007, "insights of templates", MENDED, SENDER),
    CODE(1752041, "onboarding", MENDED, SENDER),
    CODES(2388000, 2388340, "templates: editing", MENDED, SENDER),
    CODE(2388341, "the API of samples is restricted", NEVER, BUSINESS),
    CODES(2388342, 2388999, "templates: editing", MENDED, SENDER),
    CODE(2494100, "the number is in maintenance for some minutes", LATER, META),
    CODES(2494164, 2494179, "sign-up and synchronisation", MENDED, SENDER),
    CODES(2593107, 2593109, "sign-up and synchronisation", MENDED, SENDER),
};
/* clang-format on */

const size_t error_meaning_count = sizeof(error_meanings) / sizeof(error_meanings[0]);

const ErrorMeaning *error_meaning(unsigned code)
{
    size_t from = 0, to = error_meaning_count;
    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        const ErrorMeaning *row = &error_meanings[middle];
        if (code >= row->code && code <= row->last) {
            return row;
        }
        if (code < row->code) {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    return NULL;
}

const char *error_retry_word(ErrorRetry retry)
{
    static const char *const words[RETRIES] = {"never", "later", "when mended"};
    return words[retry];
}

const char *error_mender_word(ErrorMender mender)
{
    static const char *const words[MENDERS] = {"recipient", "content", "business", "billing",
                                               "pace",      "Meta",    "sender"};
    return words[mender];
}
