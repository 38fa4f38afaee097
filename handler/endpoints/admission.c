#include "endpoints/admission.h"

#include "stats/stats.h"

#include <assert.h>

static void tell(const Admission *admission)
{
    stats_set(STAT_REQUESTS_IN_FLIGHT, admission->requests);
    stats_set(STAT_BYTES_IN_FLIGHT, admission->bytes);
}

bool admission_expect(Admission *admission, size_t length)
{
    size_t bytes = admission->bytes + admission->expected;
    if (bytes > LIMIT_BYTES_IN_FLIGHT || length > LIMIT_BYTES_IN_FLIGHT - bytes) {
        stats_add(STAT_OVERLOADS, 1);
        return false;
    }
    admission->expected += length;
    return true;
}

void admission_unexpect(Admission *admission, size_t length)
{
    assert(admission->expected >= length);
    admission->expected -= length;
}

bool admission_check(const Admission *admission, Error *reterr)
{
    if (admission->requests < LIMIT_REQUESTS_IN_FLIGHT &&
        admission->bytes < LIMIT_BYTES_IN_FLIGHT) {
        return true;
    }
    stats_add(STAT_OVERLOADS, 1);
    return error_set(reterr, ERROR_UNAVAILABLE, "too many requests are in flight");
}

void admission_enter(Admission *admission, size_t bytes)
{
    admission->requests++;
    admission->bytes += bytes;
    tell(admission);
}

void admission_leave(Admission *admission, size_t bytes)
{
    assert(admission->requests > 0 && admission->bytes >= bytes);
    admission->requests--;
    admission->bytes -= bytes;
    tell(admission);
}
