#include "commands/traffic_write.h"

#include "base/base64.h"
#include "commands/traffic_chance.h"

#include <stdio.h>

enum { CONVERSATION = 32, HEX = 18 };

static const char *const step_words[] = {"sent", "delivered", "read", "failed"};

static size_t make_recipient(uint64_t random, char to[16])
{
    static const struct {
        const char *prefix;
        int digits; /* behind it */
        unsigned count;
    } ranges[] = {{"4477009", 5, 1000},  {"3363998", 4, 10000}, {"120255501", 2, 100},
                  {"121255501", 2, 100}, {"131255501", 2, 100}, {"141555501", 2, 100},
                  {"151255501", 2, 100}, {"161755501", 2, 100}};
    const unsigned which = chance_lot(random, sizeof(ranges) / sizeof(ranges[0]));
    return (size_t)snprintf(to, 16, "%s%0*u", ranges[which].prefix, ranges[which].digits,
                            chance_lot(random >> 8, ranges[which].count));
}

/*
 * As those that Meta makes: base64 of 1C 18 length recipient 15 02 00 11 18 length digits 00. The
 * digits are 40 bits of the seed and 32 of the message's number, so that no two runs and no two
 * messages have the same.
 */
static void make_id(const TrafficDraft *draft, uint64_t message, Str recipient, char to[72])
{
    char bytes[3 + 16 + 6 + HEX + 2] = {0x1C, 0x18, (char)recipient.len};
    char *end = str_put(bytes + 3, recipient);
    end = str_put(end, STR("\x15\x02\0\x11\x18\x12"));
    end += snprintf(end, HEX + 2, "%010llX%08llX",
                    (unsigned long long)(chance_mix(draft->settings->seed + OF_ID) & 0xFFFFFFFFFF),
                    (unsigned long long)(message & 0xFFFFFFFF));
    *end++ = '\0';
    *base64_put(str_put(to, STR("wamid.")), (Str){bytes, (size_t)(end - bytes)}) = '\0';
}

/* clang-format off */
#define SAME(name) {STR_INIT(name), STR_INIT(name), {NULL, 0}}
#define TWO(json, xml) {STR_INIT(json), STR_INIT(xml), {NULL, 0}}
#define LIST(json, xml, item) {STR_INIT(json), STR_INIT(xml), STR_INIT(item)}
/* clang-format on */
static const BodyName name_object = TWO("object", "Object"),
                      name_entry = LIST("entry", "Entry", "Entry"), name_id = TWO("id", "Id"),
                      name_changes = LIST("changes", "Changes", "Change"),
                      name_field = TWO("field", "Field"), name_value = TWO("value", "Value"),
                      name_product = TWO("messaging_product", "MessagingProduct"),
                      name_metadata = TWO("metadata", "Metadata"),
                      name_display = TWO("display_phone_number", "DisplayPhoneNumber"),
                      name_phone = TWO("phone_number_id", "PhoneNumberId"),
                      name_statuses = LIST("statuses", "Statuses", "StatusUpdate"),
                      name_status = TWO("status", "Status"),
                      name_timestamp = TWO("timestamp", "Timestamp"),
                      name_recipient = TWO("recipient_id", "RecipientId"),
                      name_errors = LIST("errors", "Errors", "WhatsAppError"),
                      name_code = TWO("code", "Code"), name_title = TWO("title", "Title"),
                      name_message = SAME("message"), name_data = SAME("error_data"),
                      name_details = SAME("details"), name_href = SAME("href"),
                      name_conversation = SAME("conversation"), name_inner_id = SAME("id"),
                      name_expires = SAME("expiration_timestamp"), name_origin = SAME("origin"),
                      name_type = SAME("type"), name_pricing = SAME("pricing"),
                      name_billable = SAME("billable"), name_model = SAME("pricing_model"),
                      name_category = SAME("category");

/* The codes that fail most, with Meta's titles. Weights are hundredths. */
static const struct {
    unsigned weight;
    const char *code, *title, *details;
} failures[] = {
    {42, "131026", "Message undeliverable", "Message Undeliverable."},
    {20, "131049", "This message was not delivered to maintain healthy ecosystem engagement.",
     "In order to maintain a healthy ecosystem engagement, the message failed to be delivered."},
    {14, "131047", "Re-engagement message",
     "Message failed to send because more than 24 hours have passed since the customer last "
     "replied to this number."},
    {7, "131053", "Media upload error", "Unsupported media type."},
    {6, "130472", "User's number is part of an experiment",
     "Failed to send message because this user's phone number is part of an experiment."},
    {4, "131050", "User has stopped marketing messages from this business",
     "The recipient has chosen to stop receiving marketing messages."},
    {3, "131000", "Something went wrong", "Something went wrong."},
    {2, "131042", "Business eligibility payment issue",
     "Message failed to send because there were errors related to your payment method."},
    {2, "470", "Message failed to send",
     "More than 24 hours have passed since the customer last replied to this number."},
};

static void write_errors(BodyWriter *writer, uint64_t random)
{
    size_t i = 0;
    for (unsigned left = chance_lot(random, 100); left >= failures[i].weight; i++) {
        left -= failures[i].weight;
    }
    body_open(writer, &name_errors, true);
    body_open(writer, NULL, false);
    body_literal(writer, &name_code, str_from(failures[i].code));
    body_text(writer, &name_title, str_from(failures[i].title));
    body_text(writer, &name_message, str_from(failures[i].title));
    body_open(writer, &name_data, false);
    body_text(writer, &name_details, str_from(failures[i].details));
    body_close(writer);
    body_text(writer, &name_href,
              STR("https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"));
    body_close(writer);
    body_close(writer);
}

static void put_hex(uint64_t value, char *to)
{
    for (size_t i = 0; i < CONVERSATION / 2; i++, value >>= 4) {
        to[i] = "0123456789abcdef"[value & 15];
    }
}

/* Only what was sent says when its conversation ends. */
static void write_conversation(const TrafficDraft *draft, BodyWriter *writer,
                               const TrafficStep *step, Str category)
{
    char id[CONVERSATION], expires[24];
    const uint64_t random = chance_of(draft->settings->seed, step->message, OF_TALK);
    put_hex(random, id);
    put_hex(chance_mix(random), id + CONVERSATION / 2);
    body_open(writer, &name_conversation, false);
    body_text(writer, &name_inner_id, (Str){id, sizeof(id)});
    if (step->kind == STEP_SENT) {
        const uint64_t day = 86400, end = (uint64_t)draft->settings->start + day;
        const char *last = str_put_number(expires, end + step->happened / 1000);
        body_text(writer, &name_expires, (Str){expires, (size_t)(last - expires)});
    }
    body_open(writer, &name_origin, false);
    body_text(writer, &name_type, category);
    body_close(writer);
    body_close(writer);
}

static void write_pricing(BodyWriter *writer, Str category, bool is_free)
{
    body_open(writer, &name_pricing, false);
    body_literal(writer, &name_billable, is_free ? STR("false") : STR("true"));
    body_text(writer, &name_model, STR("PMP"));
    body_text(writer, &name_category, category);
    body_text(writer, &name_type, is_free ? STR("free_customer_service") : STR("regular"));
    body_close(writer);
}

/* What was sent for which purpose, by their weights in hundredths. */
static Str category_of(const TrafficDraft *draft, uint64_t message)
{
    const unsigned point = chance_lot(chance_of(draft->settings->seed, message, OF_KIND), 100);
    return point < 40   ? STR("utility")
           : point < 75 ? STR("marketing")
           : point < 95 ? STR("service")
                        : STR("authentication");
}

static void write_status(const TrafficDraft *draft, BodyWriter *writer, const TrafficStep *step,
                         TrafficStatus *status)
{
    char recipient[16], timestamp[24];
    const Str category = category_of(draft, step->message);
    const Str to = {
        recipient,
        make_recipient(chance_of(draft->settings->seed, step->message, OF_PLACE), recipient)};
    make_id(draft, step->message, to, status->id);
    status->status = step_words[step->kind];
    status->timestamp = draft->settings->start + (int64_t)(step->happened / 1000);
    const char *end = str_put_number(timestamp, (size_t)status->timestamp);
    body_open(writer, NULL, false);
    body_text(writer, &name_id, str_from(status->id));
    body_text(writer, &name_status, str_from(status->status));
    body_text(writer, &name_timestamp, (Str){timestamp, (size_t)(end - timestamp)});
    body_text(writer, &name_recipient, to);
    if (step->kind == STEP_FAILED) {
        write_errors(writer, chance_of(draft->settings->seed, step->message, OF_CODE));
    } else if (step->kind != STEP_READ) {
        write_conversation(draft, writer, step, category);
        write_pricing(writer, category, str_eq(category, STR("service")));
    }
    body_close(writer);
}

/* The business numbers: half of the traffic is the first one's. Two accounts have two each. */
static const struct {
    Str account, phone, display;
} numbers[TRAFFIC_NUMBERS] = {
    {STR_INIT("900100200300401"), STR_INIT("800700600500401"), STR_INIT("12025550100")},
    {STR_INIT("900100200300401"), STR_INIT("800700600500402"), STR_INIT("12025550101")},
    {STR_INIT("900100200300402"), STR_INIT("800700600500403"), STR_INIT("447700900000")},
    {STR_INIT("900100200300402"), STR_INIT("800700600500404"), STR_INIT("33639980000")},
};

void traffic_write(const TrafficDraft *draft, BodyWriter *writer)
{
    body_begin(writer);
    body_text(writer, &name_object, STR("whatsapp_business_account"));
    body_open(writer, &name_entry, true);
    body_open(writer, NULL, false);
    body_text(writer, &name_id, numbers[draft->number].account);
    body_open(writer, &name_changes, true);
    body_open(writer, NULL, false);
    body_open(writer, &name_value, false);
    body_text(writer, &name_product, STR("whatsapp"));
    body_open(writer, &name_metadata, false);
    body_text(writer, &name_display, numbers[draft->number].display);
    body_text(writer, &name_phone, numbers[draft->number].phone);
    body_close(writer);
    body_open(writer, &name_statuses, true);
    for (size_t i = 0; i < draft->count; i++) {
        write_status(draft, writer, &draft->steps[i], &draft->statuses[i]);
    }
    body_close(writer); /* statuses */
    body_close(writer); /* value */
    body_text(writer, &name_field, STR("messages"));
    body_close(writer); /* the change */
    body_close(writer); /* changes */
    body_close(writer); /* the account */
    body_close(writer); /* entry */
    body_end(writer);
}
