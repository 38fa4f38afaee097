/* jansson's part of bench_scan.c, in a file of its own because its JSON_OBJECT is not ours. */
#ifndef TICKSTREAM_BENCH_JANSSON_H
#define TICKSTREAM_BENCH_JANSSON_H

#include "base/str.h"

/* Reads the document into a tree and frees it. */
void jansson_once(Str body);

/* How many scalars are in the document; 0 when jansson refuses it. */
size_t jansson_count(Str body);

#endif
