/*
 * What a sentinel of Redis says about who is the master. Pure.
 *
 * Source: redis.io/docs/latest/operate/oss_and_stack/management/sentinel, "Sentinel API".
 */
#ifndef TICKSTREAM_SENTINEL_H
#define TICKSTREAM_SENTINEL_H

#include "redis/reply.h"
#include "redis/url.h"

/* Reads the reply to SENTINEL GET-MASTER-ADDR-BY-NAME that is neither nil nor an error. false: it
 * makes no sense. */
bool sentinel_read_master(const Reply *reply, Address *ret);

#endif
