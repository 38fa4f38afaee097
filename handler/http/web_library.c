#include "http/web_library.h"

#include <dlfcn.h>
#include <signal.h>
#include <stddef.h>

static const char library_name[] = "libcurl.so.4";

WebLibrary web_lib;

#define NAME(name) {#name, offsetof(WebLibrary, name)},
static const struct {
    const char *name;
    size_t at;
} functions[] = {WEB_LIBRARY(NAME)};

bool web_library_load(Error *reterr)
{
    if (web_lib.is_loaded) {
        return true;
    }
    void *library = dlopen(library_name, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        return error_set(reterr, ERROR_SETUP, "%s is needed: apt-get install curl", library_name);
    }
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        void *function = dlsym(library, functions[i].name);
        if (!function) {
            dlclose(library);
            return error_set(reterr, ERROR_SETUP, "%s has no %s", library_name, functions[i].name);
        }
        memcpy((char *)&web_lib + functions[i].at, &function, sizeof(function));
    }
    if (web_lib.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return error_no_memory(reterr);
    }
    signal(SIGPIPE, SIG_IGN);
    web_lib.is_loaded = true;
    return true;
}
