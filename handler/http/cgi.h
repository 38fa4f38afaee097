/*
 * Requests and answers as CGI has them (RFC 3875): the request's parameters are the environment,
 * its body is standard input; the answer is a head with a Status line, and its body. FastCGI's
 * output begins with the same head.
 */
#ifndef TICKSTREAM_CGI_H
#define TICKSTREAM_CGI_H

#include "http/message.h"

/*
 * All but the body of the request. The path is DOCUMENT_URI (of nginx), else REQUEST_URI without
 * its query, else SCRIPT_NAME and PATH_INFO; an empty one counts as none. The environment is
 * borrowed. false: no memory.
 */
bool cgi_read_request(char *const *environment, Arena *arena, Request *ret);

/* How long the head of an answer is at most; and writes it, up to the empty line. Returns its end.
 */
size_t cgi_head_size(const Response *response, Str request_id);
char *cgi_put_head(char *to, const Response *response, Str request_id);

#endif
