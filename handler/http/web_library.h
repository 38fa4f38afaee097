/*
 * libcurl, for the files of web.c alone: it is loaded when it is asked for, and its functions stand
 * in a table. Nothing else includes its header, and nothing is linked with it.
 */
#ifndef TICKSTREAM_WEB_LIBRARY_H
#define TICKSTREAM_WEB_LIBRARY_H

#include "base/error.h"

#define CURL_DISABLE_TYPECHECK /* its checks call the functions by name */
#include <curl/curl.h>

/* What is used of it: a row a function. */
#define WEB_LIBRARY(ROW)                                                                           \
    ROW(curl_global_init)                                                                          \
    ROW(curl_slist_append)                                                                         \
    ROW(curl_slist_free_all)                                                                       \
    ROW(curl_easy_init)                                                                            \
    ROW(curl_easy_setopt)                                                                          \
    ROW(curl_easy_getinfo)                                                                         \
    ROW(curl_easy_strerror)                                                                        \
    ROW(curl_easy_cleanup)                                                                         \
    ROW(curl_multi_init)                                                                           \
    ROW(curl_multi_setopt)                                                                         \
    ROW(curl_multi_add_handle)                                                                     \
    ROW(curl_multi_remove_handle)                                                                  \
    ROW(curl_multi_socket_action)                                                                  \
    ROW(curl_multi_info_read)                                                                      \
    ROW(curl_multi_cleanup)

/* The functions under their own names: web_lib.curl_easy_init(). */
#define WEB_LIBRARY_DECLARE(name) __typeof__(name) *(name);
typedef struct {
    WEB_LIBRARY(WEB_LIBRARY_DECLARE)
    bool is_loaded; /* until the process ends */
} WebLibrary;

extern WebLibrary web_lib;

/* Once it is loaded nothing more is done. false: ERROR_SETUP, whose text names the package; or
 * ERROR_NO_MEMORY. From then on the process ignores SIGPIPE: OpenSSL writes to connections that may
 * be gone. */
bool web_library_load(Error *reterr);

#endif
