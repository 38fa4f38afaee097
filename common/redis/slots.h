/*
 * What a cluster of Redis says about who owns which slot. Pure.
 *
 * Sources: redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec, CLUSTER SLOTS.
 */
#ifndef TICKSTREAM_SLOTS_H
#define TICKSTREAM_SLOTS_H

#include "redis/reply.h"
#include "redis/url.h"

#include <stdint.h>

enum { SLOTS = 16384 };

/* The slot of a key: of its hash tag, which is what stands between the first '{' and the first '}'
 * behind it if that is not nothing, or else of all of it. */
uint16_t slot_of(Str key);

/*
 * Reads the reply to CLUSTER SLOTS. asked: the node that has answered, which it calls "" or nil;
 * "?" is a node whose address is not known. owners[i] becomes the master of slots[i], and stays
 * what it was when the reply tells none. false: the reply makes no sense, and nothing was changed.
 */
bool slots_read(const Reply *reply, const Address *asked, const uint16_t *slots, size_t count,
                Address *owners);

/* Where an error reply "MOVED 3999 host:port" or "ASK ..." points to. A host may be an IPv6 address
 * without brackets, and "" stands for the node that has answered: asked. false: it is neither, or
 * makes no sense. */
bool slots_redirect(Str error, const Address *asked, uint16_t *ret_slot, Address *ret);

#endif
