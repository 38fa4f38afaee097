#include "redis/claim.h"

#include <stdio.h>

static const Str script = STR_INIT("local found = redis.call('GET', KEYS[1])\n"
                                   "if not found then redis.pcall('SET', KEYS[1], ARGV[1]) end\n"
                                   "return found");

bool claim_write(Claim *claim, Buffer *buffer)
{
    char digits[24];
    const Str number = {digits, (size_t)snprintf(digits, sizeof(digits), "%zu", claim->number)};
    const Str words[] = {STR("EVAL"), script, STR("1"), claim->key, number};
    claim->is_told = claim->differs = false;
    claim->found[0] = '\0';
    return resp_command(buffer, words, sizeof(words) / sizeof(words[0]));
}

void claim_take(Claim *claim, const Reply *reply)
{
    char ours[24];
    snprintf(ours, sizeof(ours), "%zu", claim->number);
    claim->is_told = reply->kind == REPLY_TEXT || reply->kind == REPLY_NIL;
    claim->differs = reply->kind == REPLY_TEXT && !str_eq(reply->text, str_from(ours));
    if (claim->differs) {
        snprintf(claim->found, sizeof(claim->found), "%.*s", STR_ARG(reply->text));
    }
}
