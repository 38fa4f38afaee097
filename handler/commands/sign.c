#include "commands/command.h"

#include "payload/signature.h"

#include <stdlib.h>

/* All of standard input: at most `most` bytes, on the heap. NULL: the reason has been told. */
static char *read_body(size_t most, size_t *ret_len)
{
    char *body = malloc(most + 1); /* one more tells whether there is more */
    size_t len = body ? fread(body, 1, most + 1, stdin) : 0;
    const char *why = !body           ? "out of memory"
                      : ferror(stdin) ? "standard input cannot be read"
                      : len > most    ? "the body is larger than TICKSTREAM_MAX_BODY"
                                      : NULL;
    if (why) {
        fprintf(stderr, "sign: %s\n", why);
        free(body);
        return NULL;
    }
    *ret_len = len;
    return body;
}

static bool print_signature(Str secret, Str body)
{
    char header[SIGNATURE_HEADER];
    HmacKey *key = hmac_key_new(secret);
    bool ok = key && signature_write(key, body, header);
    hmac_key_free(key);
    if (!ok) {
        fprintf(stderr, "sign: out of memory\n");
        return false;
    }
    printf("%s\n", header);
    return true;
}

int sign_main(const Config *config, int argc, char **argv)
{
    size_t len;
    (void)argc;
    (void)argv;
    if (!config->app_secrets.count) {
        fprintf(stderr, "sign: TICKSTREAM_APP_SECRET: none is set\n");
        return EXIT_MISUSED;
    }
    char *body = read_body(config->max_body, &len);
    if (!body) {
        return EXIT_NO;
    }
    bool ok = print_signature(config->app_secrets.texts[0], (Str){body, len});
    free(body);
    return ok ? EXIT_DONE : EXIT_TRY_AGAIN;
}
