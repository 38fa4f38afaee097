/*
 * Lists of things that know their place: what is in a list takes itself out, without a search and
 * without allocating. The place is a member of the thing; OWNER_OF() leads from one to the other.
 *
 *     for (ListPlace *place = list, *next; place; place = next) {
 *         Peer *peer = OWNER_OF(place, Peer, place);
 *         next = place->next;            so that peer may leave the list, or go
 */
#ifndef TICKSTREAM_LIST_H
#define TICKSTREAM_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* {0} = in no list. */
typedef struct ListPlace {
    struct ListPlace *next;
    struct ListPlace **link; /* the pointer that points here; NULL = in no list */
} ListPlace;

static inline bool list_has(const ListPlace *place)
{
    return place->link != NULL;
}

/* Puts a place that is in no list to the front of one; *list is NULL when it is empty. */
static inline void list_add(ListPlace **list, ListPlace *place)
{
    *place = (ListPlace){.next = *list, .link = list};
    if (place->next) {
        place->next->link = &place->next;
    }
    *list = place;
}

/* Takes a place out of its list, if it is in one. */
static inline void list_remove(ListPlace *place)
{
    if (place->link) {
        *place->link = place->next;
        if (place->next) {
            place->next->link = place->link;
        }
        *place = (ListPlace){NULL, NULL};
    }
}

#endif
