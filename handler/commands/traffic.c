#include "commands/traffic.h"

#include "commands/traffic_chance.h"
#include "commands/traffic_write.h"

#include <stdlib.h>

/* A binary heap, the next one to come first. */
typedef struct {
    TrafficStep *items;
    size_t count, room;
} Heap;

struct Traffic {
    TrafficSettings settings;
    uint64_t random;             /* state */
    uint64_t messages, made;     /* statuses */
    Heap heaps[TRAFFIC_NUMBERS]; /* of each business number */
    TrafficStatus statuses[TRAFFIC_BATCH_MOST];
    TrafficStep chosen[TRAFFIC_BATCH_MOST];
};

/* Messages */

static uint64_t clock_of(const Traffic *traffic)
{
    return (uint64_t)((double)traffic->made * 1000 / traffic->settings.rate);
}

static bool push(Heap *heap, const TrafficStep *pending)
{
    if (heap->count == heap->room) {
        const size_t room = heap->room ? heap->room * 2 : 64;
        TrafficStep *grown = realloc(heap->items, room * sizeof(*grown));
        if (!grown) {
            return false;
        }
        heap->items = grown;
        heap->room = room;
    }
    size_t at = heap->count++;
    for (; at > 0 && heap->items[(at - 1) / 2].due > pending->due; at = (at - 1) / 2) {
        heap->items[at] = heap->items[(at - 1) / 2];
    }
    heap->items[at] = *pending;
    return true;
}

static TrafficStep pop(Heap *heap)
{
    const TrafficStep first = heap->items[0], last = heap->items[--heap->count];
    size_t at = 0;
    for (size_t child; (child = at * 2 + 1) < heap->count; at = child) {
        if (child + 1 < heap->count && heap->items[child + 1].due < heap->items[child].due) {
            child++;
        }
        if (heap->items[child].due >= last.due) {
            break;
        }
        heap->items[at] = heap->items[child];
    }
    heap->items[at] = last;
    return first;
}

/* Of all messages, in hundredths, when none fails. */
enum { NEVER_DELIVERED = 2, NEVER_READ = 25, OVERTAKEN = 2 };

/* Of those that fail, in hundredths: the rest was sent before. */
enum { FAILED_AT_ONCE = 60 };

/* What follows the first status of a message that arrives. */
static bool plan_arrival(Traffic *traffic, Heap *heap, const TrafficStep *sent, double fate)
{
    const uint64_t random = chance_of(traffic->settings.seed, sent->message, OF_TIME);
    const double soon = chance_fraction(random) * chance_fraction(chance_mix(random)),
                 later = chance_fraction(chance_mix(random + 1)) *
                         chance_fraction(chance_mix(random + 2));
    TrafficStep delivered = *sent, read = *sent;
    delivered.kind = STEP_DELIVERED;
    delivered.due = delivered.happened = sent->happened + 300 + (uint64_t)(soon * 6000);
    read.kind = STEP_READ;
    read.due = read.happened = delivered.happened + 500 + (uint64_t)(later * 16000);
    if (fate < NEVER_DELIVERED) {
        return true;
    }
    if (fate < NEVER_DELIVERED + NEVER_READ) {
        return push(heap, &delivered);
    }
    if (fate >= 100 - OVERTAKEN) {
        delivered.due = read.due + 100;
    }
    return push(heap, &delivered) && push(heap, &read);
}

/* A new message: its first status, and those to come. */
static bool begin_message(Traffic *traffic, Heap *heap, TrafficStep *ret)
{
    const uint64_t message = traffic->messages++, now = clock_of(traffic);
    const double fate = chance_fraction(chance_of(traffic->settings.seed, message, OF_FATE)),
                 failed = traffic->settings.failed;
    *ret = (TrafficStep){.due = now, .happened = now, .message = message, .kind = STEP_SENT};
    if (fate >= failed) {
        return plan_arrival(traffic, heap, ret, (fate - failed) / (1 - failed) * 100);
    }
    if (fate < failed * FAILED_AT_ONCE / 100) {
        ret->kind = STEP_FAILED;
        return true;
    }
    TrafficStep later = *ret;
    later.kind = STEP_FAILED;
    later.due = later.happened = now + 1000;
    return push(heap, &later);
}

/* What is due, or else something new. */
static bool take(Traffic *traffic, Heap *heap, TrafficStep *ret)
{
    if (heap->count > 0 && heap->items[0].due <= clock_of(traffic)) {
        *ret = pop(heap);
    } else if (!begin_message(traffic, heap, ret)) {
        return false;
    }
    traffic->made++;
    return true;
}

/* Bodies */

/* Logs and dumps show mostly one status a body. */
static size_t draw_size(const Traffic *traffic, uint64_t random)
{
    static const struct {
        unsigned below; /* hundredths */
        size_t least, most;
    } sizes[] = {{85, 1, 1}, {93, 2, 2}, {97, 3, 5}, {100, 6, 20}};
    const unsigned point = chance_lot(random, 100);
    size_t i = 0;
    while (point >= sizes[i].below) {
        i++;
    }
    return traffic->settings.batch
               ? traffic->settings.batch
               : sizes[i].least + (random >> 32) % (sizes[i].most - sizes[i].least + 1);
}

static Format draw_format(const Traffic *traffic, uint64_t random)
{
    const unsigned point = chance_lot(random, 100);
    return traffic->settings.format >= 0 ? (Format)traffic->settings.format
           : point < 90                  ? FORMAT_JSON
           : point < 95                  ? FORMAT_XML
                                         : FORMAT_FORM;
}

static size_t draw_number(uint64_t random)
{
    const unsigned point = chance_lot(random, 8);
    return point < 4 ? 0 : point < 6 ? 1 : point < 7 ? 2 : 3;
}

Traffic *traffic_new(const TrafficSettings *settings)
{
    Traffic *traffic = calloc(1, sizeof(*traffic));
    if (traffic) {
        traffic->settings = *settings;
        traffic->random = settings->seed;
    }
    return traffic;
}

bool traffic_next(Traffic *traffic, Buffer *to, TrafficBody *ret)
{
    static const char *const media_types[] = {
        [FORMAT_JSON] = "application/json",
        [FORMAT_XML] = "application/xml",
        [FORMAT_FORM] = "application/x-www-form-urlencoded",
    };
    const size_t count = draw_size(traffic, chance_draw(&traffic->random)),
                 number = draw_number(chance_draw(&traffic->random));
    BodyWriter writer = {.format = draw_format(traffic, chance_draw(&traffic->random)), .to = to};
    const double chance = chance_fraction(chance_draw(&traffic->random));
    for (size_t i = 0; i < count; i++) {
        if (!take(traffic, &traffic->heaps[number], &traffic->chosen[i])) {
            return false;
        }
    }
    if (!buffer_reserve(to, BODY_ROOM + count * BODY_STATUS_ROOM)) {
        return false;
    }
    traffic_write(&(TrafficDraft){.settings = &traffic->settings,
                                  .number = number,
                                  .steps = traffic->chosen,
                                  .count = count,
                                  .statuses = traffic->statuses},
                  &writer);
    *ret = (TrafficBody){.media_type = media_types[writer.format],
                         .format = writer.format,
                         .statuses = traffic->statuses,
                         .count = count,
                         .chance = chance};
    return true;
}

Traffic *traffic_free(Traffic *traffic)
{
    for (size_t i = 0; traffic && i < TRAFFIC_NUMBERS; i++) {
        free(traffic->heaps[i].items);
    }
    free(traffic);
    return NULL;
}
