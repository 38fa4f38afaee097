/*
 * Members that nobody here knows, as XML and forms bring them: a tree, and its JSON text.
 *
 *   text = string · something inside = object · repetition = list · i:nil = null
 *
 * Names and texts stay as they were written, members stand where the first of their name stood. An
 * object whose names are 0, 1, ... without a gap is a list, since that is how forms write one.
 *
 * A Members holds what belongs to one object of the payload at a time, and then to the next one: at
 * most LIMIT_MEMBERS different names and LIMIT_MEMBER_BYTES of names and texts. The rest is dropped
 * and counted. Names are looked up by their hash, so that their number costs linear time.
 *
 * Nodes are numbers; 0 is none. All memory is the arena's; names are copied, texts are borrowed
 * until members_clear().
 */
#ifndef TICKSTREAM_MEMBERS_H
#define TICKSTREAM_MEMBERS_H

#include "base/text.h"

#include <stdint.h>

typedef struct Members Members;
typedef uint32_t Node;

/* NULL: no memory. */
Members *members_new(Arena *arena);

/* Forgets all nodes; what was dropped stays counted. */
void members_clear(Members *members);

/* A new object that is in no other. 0: no memory. */
Node members_add_root(Members *members);

/* Another member of the object, beside those of the same name. 0: dropped, or no memory, see
 * members_failed(). */
Node members_add(Members *members, Node object, Str name);

/* The same as an element of a list, although it may be the only one. */
Node members_add_element(Members *members, Node object, Str name);

/* The object of that name in the object, which takes the place of what else has the name. */
Node members_enter(Members *members, Node object, Str name);

/* Makes a node text; null. A text over the limit is dropped. */
void members_set_text(Members *members, Node node, Str text);
void members_set_null(Members *members, Node node);

/* Another text of that name; it takes the place of an object, and makes a list with texts. */
void members_put_text(Members *members, Node object, Str name, Str text);

/* What the node is in; 0: it is a root. */
Node members_parent(const Members *members, Node node);

/* Is there nothing inside the node? */
bool members_is_empty(const Members *members, Node node);

/* The last member of that name in any case; 0: none, or it is a list. */
Node members_find(const Members *members, Node object, Str name);

/* The text of a node; absent when it is not text. */
Str members_text(const Members *members, Node node);

/* Has the object a list with anything in it, but for those named contacts, errors and statuses?
 * or_object: an object counts as one, since XML does not tell a list of one from it. */
bool members_have_list(const Members *members, Node object, bool or_object);

/* Adds `"name":value` for each member of the object to a text, with a comma before each but the
 * first in an object that the text has just begun. */
void members_render(const Members *members, Node object, Text *text);

/* Counts one more that was dropped; how many there were. */
void members_drop(Members *members);
size_t members_dropped(const Members *members);

/* Has memory run out since members_new()? */
bool members_failed(const Members *members);

#endif
