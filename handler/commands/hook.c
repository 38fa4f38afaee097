#include "commands/hook.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char own_path[] = "/api/webhook/whatsapp";

void hook_url(const char *url, char *to, size_t room)
{
    const char *host = strstr(url, "://");
    const char *path = host ? strpbrk(host + 3, "/?#") : NULL;
    const bool has_path = path && strcmp(path, "/") != 0;
    const size_t len = path && !has_path ? (size_t)(path - url) : strlen(url);
    snprintf(to, room, "%.*s%s", (int)len, url, has_path ? "" : own_path);
}
