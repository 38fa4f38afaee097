#include "unit.h"

#include "payload/signature.h"

#include <stdio.h>
#include <string.h>

static int shut_down(void **state)
{
    (void)state;
    digest_shutdown();
    return 0;
}

static void to_hex(const unsigned char *digest, char hex[2 * SHA256_BYTES + 1])
{
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
}

/* FIPS 180-4's examples. */
static void test_sha256(void **state)
{
    (void)state;
    static const struct {
        Str data;
        const char *hex;
    } cases[] = {
        {STR_INIT(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {STR_INIT("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {STR_INIT("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < 2 * COUNT(cases); i++) { /* twice: nothing is left of the time before */
        unsigned char digest[SHA256_BYTES];
        char hex[2 * SHA256_BYTES + 1];
        assert_true(sha256(cases[i % COUNT(cases)].data, digest));
        to_hex(digest, hex);
        assert_string_equal(hex, cases[i % COUNT(cases)].hex);
    }
}

/* RFC 4231, test cases 1 to 7 but 5, which cuts the result. */
static void test_hmac(void **state)
{
    (void)state;
    char key_20[20], key_25[25], key_131[131], data_dd[50], data_cd[50];
    memset(key_20, 0x0b, 20);
    memset(key_131, 0xaa, 131);
    memset(data_dd, 0xdd, 50);
    memset(data_cd, 0xcd, 50);
    for (size_t i = 0; i < 25; i++) {
        key_25[i] = (char)(i + 1);
    }
    const struct {
        Str key, data;
        const char *hex;
    } cases[] = {
        {{key_20, 20},
         STR("Hi There"),
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {STR("Jefe"), STR("what do ya want for nothing?"),
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {{key_131, 20},
         {data_dd, 50},
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {{key_25, 25},
         {data_cd, 50},
         "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
        {{key_131, 131},
         STR("Test Using Larger Than Block-Size Key - Hash Key First"),
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {{key_131, 131},
         STR("This is a test using a larger than block-size key and a larger than block-size data."
             " The key needs to be hashed before being used by the HMAC algorithm."),
         "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        unsigned char digest[SHA256_BYTES];
        char hex[2 * SHA256_BYTES + 1];
        HmacKey *key = hmac_key_new(cases[i].key);
        assert_non_null(key);
        for (size_t round = 0; round < 2; round++) {
            assert_true(hmac_sha256(key, cases[i].data, digest));
            to_hex(digest, hex);
            assert_string_equal(hex, cases[i].hex);
        }
        hmac_key_free(key);
    }
    assert_null(hmac_key_new(STR("")));
    assert_null(hmac_key_free(NULL));
}

#define LOWER "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define UPPER "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF"

static void test_parse(void **state)
{
    (void)state;
    static const Str good[] = {STR_INIT("sha256=" LOWER), STR_INIT("sha256=" UPPER)};
    static const Str bad[] = {
        STR_INIT(""),
        STR_INIT("sha256="),
        STR_INIT(LOWER),
        STR_INIT("sha1=" LOWER),
        STR_INIT("SHA256=" LOWER),
        STR_INIT("sha256:" LOWER),
        STR_INIT(" sha256=" LOWER),
        STR_INIT("sha256= " LOWER),
        STR_INIT("sha256=" LOWER " "),
        STR_INIT("sha256=" LOWER "\n"),
        STR_INIT("sha256=" LOWER "\0"),
        STR_INIT("sha256=" LOWER "0"),
        STR_INIT("sha256=00"),
        STR_INIT("sha256=g123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
        STR_INIT("sha256=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\0"),
        STR_INIT("sha256=" LOWER ", sha256=" LOWER),
        STR_INIT("sha256=" LOWER ",sha256=" LOWER),
        STR_INIT("repeated"),
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        unsigned char digest[SHA256_BYTES];
        char hex[2 * SHA256_BYTES + 1];
        assert_true(signature_parse(good[i], digest));
        to_hex(digest, hex);
        assert_string_equal(hex, LOWER);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        unsigned char digest[SHA256_BYTES];
        if (signature_parse(bad[i], digest)) {
            fail_msg("%.*s", STR_ARG(bad[i]));
        }
    }
    unsigned char digest[SHA256_BYTES];
    assert_false(signature_parse((Str){NULL, 0}, digest));
}

/* Of "what do ya want for nothing?" under the secret "Jefe". */
#define JEFE "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
#define JEFE_BODY STR("what do ya want for nothing?")

static void test_verify(void **state)
{
    (void)state;
    static const Str both[] = {STR_INIT("new"), STR_INIT("Jefe")};
    Error error;
    for (size_t count = 1; count <= 2; count++) { /* Jefe alone, then behind another */
        Verifier *verifier = verifier_new(both + 2 - count, count);
        assert_non_null(verifier);
        assert_true(signature_verify(verifier, STR(JEFE), JEFE_BODY, &error));

        assert_false(signature_verify(verifier, STR(JEFE), STR("another body"), &error));
        assert_int_equal(error.code, ERROR_UNSIGNED);
        assert_null(strstr(error.text, "5bdc")); /* never what it should have been */
        assert_false(signature_verify(verifier, STR("sha256=" LOWER), JEFE_BODY, &error));
        assert_int_equal(error.code, ERROR_UNSIGNED);
        assert_false(signature_verify(verifier, STR("sha256="), JEFE_BODY, &error));
        assert_non_null(strstr(error.text, "must be once"));
        assert_false(signature_verify(verifier, (Str){NULL, 0}, JEFE_BODY, &error));
        assert_non_null(strstr(error.text, "missing"));
        verifier_free(verifier);
    }
    Verifier *other = verifier_new(both, 1);
    assert_non_null(other);
    assert_false(signature_verify(other, STR(JEFE), JEFE_BODY, &error));
    verifier_free(other);
}

static void test_write(void **state)
{
    (void)state;
    char header[SIGNATURE_HEADER];
    HmacKey *key = hmac_key_new(STR("Jefe"));
    assert_non_null(key);
    assert_true(signature_write(key, JEFE_BODY, header));
    assert_string_equal(header, "X-Hub-Signature-256: " JEFE);
    hmac_key_free(key);
}

static void test_verifier(void **state)
{
    (void)state;
    Str secrets[LIMIT_SECRETS + 1];
    for (size_t i = 0; i <= LIMIT_SECRETS; i++) {
        secrets[i] = STR("s");
    }
    Verifier *verifier = verifier_new(secrets, LIMIT_SECRETS);
    assert_non_null(verifier);
    verifier_free(verifier);
    assert_null(verifier_new(secrets, LIMIT_SECRETS + 1));
    secrets[1] = STR("");
    assert_null(verifier_new(secrets, 2)); /* an empty secret would let anybody in */
    assert_null(verifier_free(NULL));
}

static void test_secret_eq(void **state)
{
    (void)state;
    assert_true(secret_eq(STR("token"), STR("token")));
    assert_false(secret_eq(STR("token"), STR("tokem")));
    assert_false(secret_eq(STR("toke"), STR("token")));
    assert_false(secret_eq(STR("token\0"), STR("token")));
    assert_false(secret_eq((Str){NULL, 0}, STR("token")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256),   cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_parse),    cmocka_unit_test(test_verify),
        cmocka_unit_test(test_verifier), cmocka_unit_test(test_secret_eq),
        cmocka_unit_test(test_write),
    };
    return cmocka_run_group_tests(tests, NULL, shut_down);
}
