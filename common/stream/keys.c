#include "stream/keys.h"

#include <stdio.h>
#include <stdlib.h>

/* The object and its texts are one block. */
typedef struct {
    StreamKeys keys;
    char texts[];
} Block;

static const struct {
    const char *before, *after; /* the stream's name */
    size_t member;
} names[] = {
    {"", "", offsetof(StreamKeys, stream)},
    {"{", "}:quarantine", offsetof(StreamKeys, quarantine)},
    {"{", "}:seen:0", offsetof(StreamKeys, seen[0])},
    {"{", "}:seen:1", offsetof(StreamKeys, seen[1])},
    {"{", "}:seen", offsetof(StreamKeys, seen_state)},
    {"{", "}:probe", offsetof(StreamKeys, probe)},
    {"{", "}:upkeep", offsetof(StreamKeys, upkeep)},
    {"{", "}:room", offsetof(StreamKeys, room)},
    {"{", "}:dead", offsetof(StreamKeys, dead)},
};

enum { NAMES = sizeof(names) / sizeof(names[0]) };

static Str add_text(char **end, const char *before, const char *name, const char *after)
{
    const Str text = {*end, (size_t)sprintf(*end, "%s%s%s", before, name, after)};
    *end += text.len + 1;
    return text;
}

StreamKeys *stream_keys_new(const char *stream, const char *events, unsigned window)
{
    size_t room = strlen(events) + 1;
    for (size_t i = 0; i < NAMES; i++) {
        room += strlen(names[i].before) + strlen(stream) + strlen(names[i].after) + 1;
    }
    Block *block = calloc(1, sizeof(*block) + room);
    if (!block) {
        return NULL;
    }
    char *end = block->texts;
    for (size_t i = 0; i < NAMES; i++) {
        Str *member = (Str *)(void *)((char *)&block->keys + names[i].member);
        *member = add_text(&end, names[i].before, stream, names[i].after);
    }
    if (events[0]) {
        block->keys.events = add_text(&end, "", events, "");
    }
    block->keys.window = window;
    return &block->keys;
}

bool stream_keys_allow(Str stream)
{
    return stream.len && !memchr(stream.ptr, '{', stream.len) &&
           !memchr(stream.ptr, '}', stream.len);
}

bool stream_keys_derive(const char *stream, const char *name)
{
    static const char *const words[] = {"quarantine", "probe",  "dead", "seen",
                                        "partitions", "upkeep", "room"};
    const Str text = str_from(name);
    const size_t len = strlen(stream);
    if (text.len < len + 3 || name[0] != '{' || memcmp(name + 1, stream, len) != 0 ||
        memcmp(name + 1 + len, "}:", 2) != 0) {
        return false;
    }
    Str rest = str_from_offset(text, len + 3);
    const Str first = str_split(&rest, ':');
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (str_eq(first, str_from(words[i]))) {
            return true;
        }
    }
    return false;
}

StreamKeys *stream_keys_free(StreamKeys *keys)
{
    free(keys); /* the first member of its block */
    return NULL;
}
