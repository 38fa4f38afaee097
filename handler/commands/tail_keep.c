#include "commands/tail_keep.h"

#include <stdlib.h>

static int compare(const void *left, const void *right)
{
    const KeptLine *a = left, *b = right;
    const int order = entry_id_compare(a->id, b->id);
    return order != 0 ? order : a->partition < b->partition ? -1 : a->partition > b->partition;
}

static int compare_backwards(const void *left, const void *right)
{
    return compare(right, left);
}

/* Those that are kept come first, the last of them at most - 1. */
static void cut(TailKeep *keep)
{
    if (keep->count > 1) {
        qsort(keep->lines, keep->count, sizeof(*keep->lines),
              keep->is_newest ? compare_backwards : compare);
    }
    while (keep->count > keep->most) {
        free(keep->lines[--keep->count].line);
    }
}

bool tail_keep_wants(const TailKeep *keep, EntryId id)
{
    if (keep->count < keep->most) {
        return true;
    }
    /* What was added since the last cut is not sorted, and so the bound is one that was. */
    if (keep->most == 0) {
        return false;
    }
    const int order = entry_id_compare(id, keep->lines[keep->most - 1].id);
    return keep->is_newest ? order >= 0 : order <= 0;
}

static bool make_room(TailKeep *keep)
{
    if (keep->count < keep->room) {
        return true;
    }
    const size_t full = 2 * keep->most, room = keep->room ? 2 * keep->room : 16;
    KeptLine *lines = realloc(keep->lines, (room < full ? room : full) * sizeof(*lines));
    if (lines) {
        keep->lines = lines;
        keep->room = room < full ? room : full;
    }
    return lines != NULL;
}

bool tail_keep_add(TailKeep *keep, EntryId id, size_t partition, Str line)
{
    if (!tail_keep_wants(keep, id)) {
        return true;
    }
    char *copy = make_room(keep) ? malloc(line.len + 1) : NULL;
    if (!copy) {
        return false;
    }
    str_put(copy, line);
    keep->lines[keep->count++] = (KeptLine){id, partition, copy, line.len};
    if (keep->count == keep->most || keep->count == 2 * keep->most) {
        cut(keep);
    }
    return true;
}

void tail_keep_finish(TailKeep *keep)
{
    cut(keep);
    if (keep->count > 1) {
        qsort(keep->lines, keep->count, sizeof(*keep->lines), compare);
    }
}

void tail_keep_free(TailKeep *keep)
{
    keep->most = 0;
    cut(keep);
    free(keep->lines);
    *keep = (TailKeep){.most = 0};
}
