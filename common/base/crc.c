#include "base/crc.h"

/* What four bits become: small enough to stay in the cache beside everything else. */
static const uint32_t of_32[16] = {
    0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
    0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C};
static const uint16_t of_16[16] = {0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50A5, 0x60C6, 0x70E7,
                                   0x8108, 0x9129, 0xA14A, 0xB16B, 0xC18C, 0xD1AD, 0xE1CE, 0xF1EF};

/* The lowest bit first, from all ones, the result inverted. */
uint32_t crc32_of(Str bytes)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= (unsigned char)bytes.ptr[i];
        crc = crc >> 4 ^ of_32[crc & 15];
        crc = crc >> 4 ^ of_32[crc & 15];
    }
    return ~crc;
}

/* The highest bit first, from zero. */
uint16_t crc16_of(Str bytes)
{
    unsigned crc = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= (unsigned)(unsigned char)bytes.ptr[i] << 8;
        crc = (crc << 4 & 0xFFFF) ^ of_16[crc >> 12];
        crc = (crc << 4 & 0xFFFF) ^ of_16[crc >> 12];
    }
    return (uint16_t)crc;
}
