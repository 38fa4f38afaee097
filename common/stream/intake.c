#include "stream/intake.h"

bool intake_decode(MediaType type, Str body, Arena *arena, Payload *ret, Error *reterr)
{
    return payload_decode(type, body, arena, ret, reterr) && entries_check_size(ret, reterr);
}

bool intake_keep(MediaType type, Str body, Arena *arena, Payload *ret, Error *reterr)
{
    return intake_decode(type, body, arena, ret, reterr) ||
           (reterr->code == ERROR_MALFORMED &&
            (payload_quarantine_body(ret, arena, body, reterr) || error_no_memory(reterr)));
}
