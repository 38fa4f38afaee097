#include "redis/sentinel.h"

bool sentinel_read_master(const Reply *reply, Address *ret)
{
    unsigned port;
    if (reply->kind != REPLY_LIST || reply->count != 2 || reply->items[0].kind != REPLY_TEXT ||
        reply->items[1].kind != REPLY_TEXT || !str_get_number(reply->items[1].text, 65535, &port) ||
        port == 0) {
        return false;
    }
    const Str host = reply->items[0].text;
    for (size_t i = 0; i < host.len; i++) { /* which will be resolved, and logged */
        if (host.ptr[i] <= ' ' || host.ptr[i] > '~') {
            return false;
        }
    }
    if (host.len == 0 || host.len >= sizeof(ret->host)) {
        return false;
    }
    *ret = (Address){.port = port};
    str_put(ret->host, host);
    return true;
}
