#include "bench_jansson.h"

#include <jansson.h>

static json_t *load(Str body)
{
    return json_loadb(body.ptr, body.len, JSON_ALLOW_NUL, NULL);
}

void jansson_once(Str body)
{
    json_decref(load(body));
}

static size_t count_scalars(json_t *value)
{
    size_t i, count = !json_is_object(value) && !json_is_array(value);
    const char *name;
    json_t *inner;
    json_object_foreach (value, name, inner) {
        count += count_scalars(inner);
    }
    json_array_foreach (value, i, inner) {
        count += count_scalars(inner);
    }
    return count;
}

size_t jansson_count(Str body)
{
    json_auto_t *tree = load(body);
    return tree ? count_scalars(tree) : 0;
}
