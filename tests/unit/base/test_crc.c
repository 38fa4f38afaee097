#include "unit.h"

#include "base/crc.h"

/* The values are those of zlib.crc32() and binascii.crc_hqx() of Python. */
static const struct {
    Str bytes;
    uint32_t crc32;
    uint16_t crc16;
} cases[] = {
    {STR_INIT(""), 0, 0},
    {{NULL, 0}, 0, 0},
    {STR_INIT("123456789"), 0xCBF43926, 0x31C3}, /* what everybody checks with */
    {STR_INIT("\0"), 0xD202EF8D, 0},
    {STR_INIT("\0\0\0\0"), 0x2144DF1C, 0},
    {STR_INIT("\xFF"), 0xFF000000, 0x1EF0},
    {STR_INIT("\xFF\xFF\xFF\xFF"), 0xFFFFFFFF, 0x99CF},
    {STR_INIT("a"), 0xE8B7BE43, 0x7C87},
    {STR_INIT("The quick brown fox jumps over the lazy dog"), 0x414FA339, 0xF0C8},
    {STR_INIT("wamid.HBgLMTY1MDM4Nzk0MzkVAgARGBJBRjQ5QjFGRDU4Q0VFQjA5NEQA"), 0xB83BD443, 0x8FAE},
};

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(crc32_of(cases[i].bytes), cases[i].crc32);
        assert_int_equal(crc16_of(cases[i].bytes), cases[i].crc16);
    }
}

/* A bit at a time, as the polynomials are defined. */
static uint32_t slow_crc32(Str bytes)
{
    uint32_t crc = UINT32_MAX;
    for (size_t bit = 0; bit < 8 * bytes.len; bit++) {
        unsigned in = (unsigned)(unsigned char)bytes.ptr[bit / 8] >> bit % 8 & 1U;
        crc = crc >> 1 ^ ((crc ^ in) & 1U ? 0xEDB88320U : 0);
    }
    return ~crc;
}

static uint16_t slow_crc16(Str bytes)
{
    unsigned crc = 0;
    for (size_t bit = 0; bit < 8 * bytes.len; bit++) {
        unsigned in = (unsigned)(unsigned char)bytes.ptr[bit / 8] >> (7 - bit % 8) & 1U;
        crc = (crc << 1 & 0xFFFF) ^ ((crc >> 15 ^ in) ? 0x1021U : 0);
    }
    return (uint16_t)crc;
}

static void test_every_byte(void **state)
{
    (void)state;
    char bytes[256];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)i;
        const Str one = {bytes + i, 1}, all = {bytes, i + 1};
        assert_int_equal(crc32_of(one), slow_crc32(one));
        assert_int_equal(crc32_of(all), slow_crc32(all));
        assert_int_equal(crc16_of(one), slow_crc16(one));
        assert_int_equal(crc16_of(all), slow_crc16(all));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values),
                                       cmocka_unit_test(test_every_byte)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
