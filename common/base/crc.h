/*
 * Two checksums by which a text is given its place: CRC-32 as of zlib and Ethernet (RFC 1952), and
 * the CRC-16 of XMODEM, by which Redis Cluster makes slots of keys.
 */
#ifndef TICKSTREAM_CRC_H
#define TICKSTREAM_CRC_H

#include "base/str.h"

#include <stdint.h>

uint32_t crc32_of(Str bytes); /* of "123456789": 0xCBF43926 */
uint16_t crc16_of(Str bytes); /* of "123456789": 0x31C3 */

#endif
