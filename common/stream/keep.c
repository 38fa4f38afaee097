#include "stream/keep.h"

const char *const trim_names[TRIMS] = {[TRIM_OFF] = "off", [TRIM_ACKED] = "acked"};

Str keep_next_group(Str *groups)
{
    while (groups->len) {
        const Str name = str_trim(str_split(groups, ','));
        if (name.len) {
            return name;
        }
    }
    return (Str){NULL, 0};
}
