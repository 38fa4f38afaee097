#include "stats/groups.h"

#include <string.h>
#include <sys/mman.h>
#include <time.h>

/* The turn is odd while the slot is being written. */
typedef struct {
    uint64_t turn;
    size_t count;
    GroupFigures groups[STATS_GROUPS];
} GroupSlot;

static GroupSlot *slots; /* shared */
static size_t slot_count;
static GroupSlot nowhere;
static GroupSlot *mine = &nowhere;

GroupFigures group_figures(Str name, int64_t pending, int64_t lag, int64_t oldest)
{
    GroupFigures figures = {.pending = pending, .lag = lag, .oldest = oldest};
    for (size_t i = 0; i < name.len && i < STATS_GROUP_NAME - 1; i++) {
        const unsigned char c = (unsigned char)name.ptr[i];
        figures.name[i] = name.ptr[i];
        if (c < ' ' || c > '~' || c == '"' || c == '\\') {
            figures.name[i] = '?';
        }
    }
    return figures;
}

static void add_figures(GroupFigures *to, const GroupFigures *more)
{
    to->pending += more->pending;
    to->lag = to->lag < 0 || more->lag < 0 ? -1 : to->lag + more->lag;
    if (more->oldest && (!to->oldest || more->oldest < to->oldest)) {
        to->oldest = more->oldest;
    }
}

size_t groups_add(GroupFigures to[STATS_GROUPS], size_t count, const GroupFigures *group)
{
    size_t i = 0;
    while (i < count && strcmp(to[i].name, group->name) != 0) {
        i++;
    }
    if (i < count) {
        add_figures(&to[i], group);
    } else if (count < STATS_GROUPS) {
        to[count++] = *group;
    }
    return count;
}

/* Slots */

bool groups_open(size_t count)
{
    void *shared = mmap(NULL, count * sizeof(*slots), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        return false;
    }
    slots = shared;
    slot_count = count;
    return true;
}

void groups_use(size_t slot)
{
    mine = &slots[slot];
}

static void write_slot(GroupSlot *slot, const GroupFigures *groups, size_t count)
{
    /* A writer that died in between has left it odd. */
    const uint64_t turn = __atomic_load_n(&slot->turn, __ATOMIC_RELAXED) | 1;
    __atomic_store_n(&slot->turn, turn, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    slot->count = count;
    if (count) {
        memcpy(slot->groups, groups, count * sizeof(*groups));
    }
    __atomic_store_n(&slot->turn, turn + 1, __ATOMIC_RELEASE);
}

void stats_set_groups(const GroupFigures *groups, size_t count)
{
    write_slot(mine, groups, count < STATS_GROUPS ? count : STATS_GROUPS);
}

void groups_clear(size_t slot)
{
    write_slot(&slots[slot], NULL, 0);
}

/* false: it is being written. */
static bool read_slot(const GroupSlot *slot, GroupSlot *ret)
{
    const uint64_t turn = __atomic_load_n(&slot->turn, __ATOMIC_ACQUIRE);
    memcpy(ret, slot, sizeof(*ret));
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return turn % 2 == 0 && turn == __atomic_load_n(&slot->turn, __ATOMIC_RELAXED) &&
           ret->count <= STATS_GROUPS;
}

size_t stats_groups(GroupFigures to[STATS_GROUPS])
{
    enum { ATTEMPTS = 100 };
    GroupSlot copy;
    size_t count = 0;
    for (size_t i = 0; i < slot_count; i++) {
        bool is_read = false;
        for (int n = 0; n < ATTEMPTS && !is_read; n++) {
            is_read = read_slot(&slots[i], &copy);
        }
        for (size_t k = 0; is_read && k < copy.count; k++) {
            count = groups_add(to, count, &copy.groups[k]);
        }
    }
    return count;
}

/* Reporting */

static long long number_of(const GroupFigures *group, size_t row)
{
    const int64_t now = (int64_t)time(NULL) * 1000, oldest = group->oldest;
    switch (row) {
    case 0:
        return group->pending;
    case 1:
        return group->lag;
    default:
        return oldest && now > oldest ? (now - oldest) / 1000 : 0;
    }
}

void groups_render(Text *text)
{
    static const struct {
        const char *name, *help;
    } rows[] = {
        {"tickstream_group_pending", "Entries that the group has read and not acknowledged."},
        {"tickstream_group_lag", "Entries that the group has not read; missing = not known."},
        {"tickstream_group_oldest_pending_seconds",
         "Age of its oldest pending entry; 0: nothing pends."},
    };
    GroupFigures groups[STATS_GROUPS];
    const size_t count = stats_groups(groups);
    for (size_t row = 0; count && row < sizeof(rows) / sizeof(rows[0]); row++) {
        text_add_format(text, "# HELP %s %s\n# TYPE %s gauge\n", rows[row].name, rows[row].help,
                        rows[row].name);
        for (size_t i = 0; i < count; i++) {
            const long long number = number_of(&groups[i], row);
            if (number >= 0) {
                text_add_format(text, "%s{group=\"%s\"} %lld\n", rows[row].name, groups[i].name,
                                number);
            }
        }
    }
}
