/*
 * An entry of the stream as one line: for a person, or as a JSON object for programs. Pure, but for
 * the time zone.
 *
 * Whatever stands in an entry, a line steers no terminal and has no line end but its last byte: for
 * a person all but printable ASCII is spelled (\x1b, \u00e9), and long texts are cut; in JSON what
 * a terminal might heed is escaped.
 *
 * Numbers of recipients are masked: *** and the last four digits. In JSON also where `extra` and
 * `errors` repeat that number, or name a recipient. Ids are left as they are.
 */
#ifndef TICKSTREAM_TAIL_LINE_H
#define TICKSTREAM_TAIL_LINE_H

#include "base/text.h"
#include "commands/tail_entry.h"

/* The line with its end, the arena's. Absent: no memory. */
Str tail_line(const TailEntry *entry, const TailStyle *style, Arena *arena);

/* Of it: the object, with its line end (tail_json.c). */
void tail_add_object(Text *to, const TailEntry *entry, const TailStyle *style, Arena *arena);

/* What stands above the lines for a person, with its end. */
extern const Str tail_head;

#endif
