#include "stats/stats.h"

#include "stats/groups.h"

#include <sys/mman.h>

static uint64_t (*slots)[STAT_COUNT]; /* shared */
static size_t slot_count;
static uint64_t nowhere[STAT_COUNT];
static uint64_t *mine = nowhere;

/* Counting */

bool stats_open(size_t workers)
{
    void *shared = mmap(NULL, workers * sizeof(*slots), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        return false;
    }
    slots = shared;
    slot_count = workers;
    return groups_open(workers);
}

void stats_use(size_t slot)
{
    mine = slots[slot];
    groups_use(slot);
    stats_clear_gauges(slot);
}

/* One writer a slot: an atomic store is enough for a reader never to see half a number. */
void stats_add(Stat stat, uint64_t n)
{
    __atomic_store_n(&mine[stat], mine[stat] + n, __ATOMIC_RELAXED);
}

void stats_add_value(Stat counter, Str value)
{
    const Metric *metric = &metrics[counter];
    size_t i = metric->first;
    while (i + 1 < metric->count && !str_eq(value, metric->values[i])) {
        i++;
    }
    stats_add((Stat)(counter + i), 1);
}

/* The cell of the sum follows those of the buckets. */
void stats_observe(Stat histogram, uint64_t number)
{
    const Metric *metric = &metrics[histogram];
    size_t i = 0;
    while (i < metric->count && number > metric->bounds[i]) {
        i++;
    }
    stats_add((Stat)(histogram + i), 1);
    stats_add((Stat)(histogram + metric->count + 1), number);
}

void stats_set(Stat stat, uint64_t value)
{
    __atomic_store_n(&mine[stat], value, __ATOMIC_RELAXED);
}

uint64_t stats_of(size_t slot, Stat stat)
{
    return __atomic_load_n(&slots[slot][stat], __ATOMIC_RELAXED);
}

static bool is_gone_with_worker(MetricKind kind)
{
    return kind == METRIC_GAUGE || kind == METRIC_PEAK || kind == METRIC_STATE;
}

void stats_clear_gauges(size_t slot)
{
    groups_clear(slot);
    for (size_t stat = 0; stat < STAT_COUNT; stat += metric_cells(&metrics[stat])) {
        for (size_t i = 0; i < metric_cells(&metrics[stat]); i++) {
            if (is_gone_with_worker(metrics[stat].kind)) {
                __atomic_store_n(&slots[slot][stat + i], 0, __ATOMIC_RELAXED);
            }
        }
    }
}

/* Reporting */

/* A cell of all slots together. */
static unsigned long long total(const Metric *metric, size_t cell)
{
    uint64_t sum = 0, greatest = 0;
    for (size_t slot = 0; slot < slot_count; slot++) {
        uint64_t value = stats_of(slot, (Stat)((size_t)(metric - metrics) + cell));
        sum += value;
        greatest = value > greatest ? value : greatest;
    }
    const bool is_greatest = metric->kind == METRIC_MAXIMUM || metric->kind == METRIC_PEAK ||
                             metric->kind == METRIC_STATE;
    return is_greatest ? greatest : sum;
}

uint64_t stats_total(Stat stat)
{
    return total(&metrics[stat], 0);
}

static void render_plain(Text *text, const Metric *metric)
{
    if (metric->unit > 1) {
        text_add_format(text, "%s %g\n", metric->name,
                        (double)total(metric, 0) / (double)metric->unit);
    } else {
        text_add_format(text, "%s %llu\n", metric->name, total(metric, 0));
    }
}

static void render_state(Text *text, const Metric *metric)
{
    text_add_format(text, "%s %s\n", metric->name, metric->states[total(metric, 0)]);
}

static void render_values(Text *text, const Metric *metric)
{
    for (size_t i = metric->first; i < metric->count; i++) {
        text_add_format(text, "%s{%s=\"%.*s\"} %llu\n", metric->name, metric->label,
                        STR_ARG(metric->values[i]), total(metric, i));
    }
}

/* Each bucket is reported with all those below it. */
static void render_histogram(Text *text, const Metric *metric)
{
    const double unit = (double)metric->unit;
    unsigned long long below = 0;
    for (size_t i = 0; i < metric->count; i++) {
        below += total(metric, i);
        text_add_format(text, "%s_bucket{le=\"%g\"} %llu\n", metric->name,
                        (double)metric->bounds[i] / unit, below);
    }
    below += total(metric, metric->count);
    text_add_format(text, "%s_bucket{le=\"+Inf\"} %llu\n", metric->name, below);
    text_add_format(text, "%s_sum %.*f\n", metric->name, metric->unit == 1 ? 0 : 9,
                    (double)total(metric, metric->count + 1) / unit);
    text_add_format(text, "%s_count %llu\n", metric->name, below);
}

static void render(Text *text, const Metric *metric)
{
    static const char *const types[] = {
        [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_MAXIMUM] = "gauge",
        [METRIC_PEAK] = "gauge",      [METRIC_STATE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};
    text_add_format(text, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name,
                    types[metric->kind]);
    if (metric->kind == METRIC_HISTOGRAM) {
        render_histogram(text, metric);
    } else if (metric->kind == METRIC_STATE) {
        render_state(text, metric);
    } else if (metric->values) {
        render_values(text, metric);
    } else {
        render_plain(text, metric);
    }
}

void stats_render(Text *text)
{
    for (size_t stat = 0; stat < STAT_COUNT; stat += metric_cells(&metrics[stat])) {
        if (metrics[stat].name) {
            render(text, &metrics[stat]);
        }
    }
    groups_render(text);
}
