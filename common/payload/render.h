/*
 * What came as XML or as a form, as the JSON text that it would have been: for `errors`, which
 * consumers get as JSON whatever the sender wrote, and for what goes into quarantine or becomes an
 * event. Members that are absent are left out. All texts are the arena's; absent: no memory.
 */
#ifndef TICKSTREAM_RENDER_H
#define TICKSTREAM_RENDER_H

#include "payload/payload.h"

/* The object of a status. */
Str render_status(Arena *arena, const StatusUpdate *status);

/* What else a change has, as JSON text. Of the objects `,"name":value` for each member that is
 * unknown; of the statuses the elements of their list. Absent: none. */
typedef struct {
    Str change, value, metadata, statuses;
} ChangeRest;

/* The object of a change, and of an entry without changes (rest as above). */
Str render_change(Arena *arena, const Change *change, const ChangeRest *rest);
Str render_account(Arena *arena, const Account *account, Str rest);

/*
 * The `errors` of a status: `[{"code":1,"title":"t"}]`. A code that is an integer (white space
 * around it, a sign and leading zeros allowed) is written as a number, any other as a string.
 */
Str render_errors(Arena *arena, const StatusError *errors, size_t count);

#endif
