#include "redis/rights.h"

/* Adds a pattern that matches this text alone, and then whatever `after` matches; in quotes, since
 * redis-cli takes lines apart at blanks. */
static void add_keys(Text *to, const char *before, Str name, const char *after)
{
    text_add_format(to, " \"~%s", before);
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];
        if (strchr("*?[]\\", c)) {
            text_add(to, STR("\\\\")); /* one for the pattern, doubled for the quotes */
        }
        if (c == '"' || c == '\\') {
            text_add(to, STR("\\"));
        }
        text_add(to, (Str){&name.ptr[i], 1});
    }
    text_add_format(to, "%s\"", after);
}

void rights_describe(Text *to, const RedisUrl *url, const StreamKeys *keys)
{
    text_add_format(to, "ACL SETUSER %s on >PASSWORD", url->user[0] ? url->user : "tickstream");
    add_keys(to, "", keys->stream, "");
    add_keys(to, "{", keys->stream, "}:*");
    if (keys->events.ptr) {
        add_keys(to, "", keys->events, "");
    }
    text_add(to, STR(" +evalsha +eval +script|load +xadd +set +type"));
    text_add(to,
             keys->window ? STR(" +get +time +smismember +sadd +unlink") : STR(" +multi +exec"));
    text_add(to, STR(" +info +role +client|setname"));
    text_add(to, url->db ? STR(" +select\n") : STR("\n"));
}
