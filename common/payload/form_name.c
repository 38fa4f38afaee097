#include "payload/form_name.h"

const PlaceKind form_places[PLACES] = {
    [PAYLOAD] = {0, TEXT}, [ENTRIES] = {0, ENTRY}, [ENTRY] = {1, TEXT},    [CHANGES] = {1, CHANGE},
    [CHANGE] = {2, TEXT},  [VALUE] = {2, TEXT},    [METADATA] = {2, TEXT}, [STATUSES] = {2, STATUS},
    [STATUS] = {3, TEXT},  [ERRORS] = {3, ERROR},  [ERROR] = {4, TEXT},
};

static const Member members[] = {
    {STR_INIT("object"), {NULL, 0}, PAYLOAD, TEXT, offsetof(Payload, object)},
    {STR_INIT("entry"), {NULL, 0}, PAYLOAD, ENTRIES, 0},
    {STR_INIT("id"), {NULL, 0}, ENTRY, TEXT, offsetof(Account, id)},
    {STR_INIT("changes"), {NULL, 0}, ENTRY, CHANGES, 0},
    {STR_INIT("field"), {NULL, 0}, CHANGE, TEXT, offsetof(Change, field)},
    {STR_INIT("value"), {NULL, 0}, CHANGE, VALUE, 0},
    {STR_INIT("messaging_product"), STR_INIT("messagingproduct"), VALUE, TEXT,
     offsetof(Change, messaging_product)},
    {STR_INIT("metadata"), {NULL, 0}, VALUE, METADATA, 0},
    {STR_INIT("display_phone_number"), STR_INIT("displayphonenumber"), METADATA, TEXT,
     offsetof(Change, display_phone_number)},
    {STR_INIT("phone_number_id"), STR_INIT("phonenumberid"), METADATA, TEXT,
     offsetof(Change, phone_number_id)},
    {STR_INIT("statuses"), {NULL, 0}, VALUE, STATUSES, 0},
    {STR_INIT("id"), {NULL, 0}, STATUS, TEXT, offsetof(StatusUpdate, id)},
    {STR_INIT("status"), {NULL, 0}, STATUS, TEXT, offsetof(StatusUpdate, status)},
    {STR_INIT("timestamp"), {NULL, 0}, STATUS, TEXT, offsetof(StatusUpdate, timestamp)},
    {STR_INIT("recipient_id"), STR_INIT("recipientid"), STATUS, TEXT,
     offsetof(StatusUpdate, recipient_id)},
    {STR_INIT("errors"), {NULL, 0}, STATUS, ERRORS, 0},
    {STR_INIT("code"), {NULL, 0}, ERROR, TEXT, offsetof(StatusError, code)},
    {STR_INIT("title"), {NULL, 0}, ERROR, TEXT, offsetof(StatusError, title)},
};

_Static_assert(LIMIT_FORM_INDEX <= UINT16_MAX, "an index must fit into its part of Leaf.indexes");

bool form_bad_name(Error *error, const char *text)
{
    return error_malformed(error, REASON_BAD_NAME, "%s", text);
}

static const Member *find_member(Place place, Str name)
{
    for (const Member *member = members; member < members + sizeof(members) / sizeof(members[0]);
         member++) {
        if (member->in == place &&
            (str_eq_nocase(name, member->name) ||
             (member->net_name.ptr && str_eq_nocase(name, member->net_name)))) {
            return member;
        }
    }
    return NULL;
}

static bool read_index(Str digits, uint64_t *ret, Error *reterr)
{
    uint64_t index = 0;
    bool plain = digits.len && (digits.len == 1 || digits.ptr[0] != '0');
    for (size_t i = 0; plain && i < digits.len; i++) {
        plain = ascii_is_digit(digits.ptr[i]);
        index = index * 10 + (uint64_t)(digits.ptr[i] - '0');
        if (plain && index > LIMIT_FORM_INDEX) {
            return error_malformed(reterr, REASON_BAD_NAME, "an index over %d",
                                   (int)LIMIT_FORM_INDEX);
        }
    }
    *ret = index;
    return plain ||
           form_bad_name(reterr, "a list without an index, or with one that is not a plain number");
}

Str form_take_plain(Str *rest)
{
    size_t bracket = str_find(*rest, '['), dot = str_find(*rest, '.');
    Str part = {rest->ptr, bracket < dot ? bracket : dot};
    *rest = str_from_offset(*rest, part.len);
    return part;
}

/* Takes the next part, `[part]` or `.part`, off the front of what is left of a name. */
static bool next_part(Str *rest, Str *ret, Error *reterr)
{
    bool in_brackets = rest->ptr[0] == '[';
    *rest = str_from_offset(*rest, 1);
    if (!in_brackets) {
        *ret = form_take_plain(rest);
    } else {
        *ret = (Str){rest->ptr, str_find(*rest, ']')};
        if (ret->len == rest->len) {
            return form_bad_name(reterr, "a bracket that is not closed");
        }
        *rest = str_from_offset(*rest, ret->len + 1);
        if (rest->len && rest->ptr[0] != '[' && rest->ptr[0] != '.') {
            return form_bad_name(reterr, "something other than [ or . after a closing bracket");
        }
    }
    return ret->len || form_bad_name(reterr, "an empty part, which does not say what is meant");
}

/* A name that means nothing must still have its brackets closed. */
static bool ignore(Str rest, Error *reterr)
{
    while (rest.ptr) {
        str_split(&rest, '[');
        if (rest.ptr && !memchr(rest.ptr, ']', rest.len)) {
            return form_bad_name(reterr, "a bracket that is not closed");
        }
        str_split(&rest, ']');
    }
    return true;
}

/* Goes one part further: into an item of a list, or to a member; leaf->member is NULL for none. */
static bool go_to(Str part, Place *place, Leaf *leaf, Error *reterr)
{
    if (form_places[*place].item) {
        uint64_t index = 0;
        if (!read_index(part, &index, reterr)) {
            return false;
        }
        leaf->indexes |= index << (16 * (LEVELS - 1 - form_places[*place].depth));
        *place = form_places[*place].item;
        return true;
    }
    leaf->member = find_member(*place, part);
    *place = leaf->member ? leaf->member->is : *place;
    return true;
}

bool form_read_name(Str name, bool has_value, Leaf *ret, Stray *ret_stray, Error *reterr)
{
    Place place = PAYLOAD, in = PAYLOAD;
    Str rest = name;
    const char *path = name.ptr;
    Str part = form_take_plain(&rest);
    while (go_to(part, &place, ret, reterr)) {
        if (!ret->member) {
            ret_stray->in = in;
            ret_stray->path = (Str){path, (size_t)(name.ptr + name.len - path)};
            return ignore(rest, reterr);
        }
        if (str_is_empty(rest)) {
            ret_stray->in = place;
            ret_stray->path = (Str){NULL, 0};
            ret->member = place == TEXT ? ret->member : NULL;
            return place == TEXT || !has_value ||
                   error_malformed(reterr, REASON_WRONG_SHAPE,
                                   "a text where an object or a list belongs");
        }
        if (place != TEXT) {
            in = place;
            path = rest.ptr;
        }
        if (!next_part(&rest, &part, reterr)) {
            break;
        }
    }
    return false;
}
