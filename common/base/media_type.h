/*
 * Names of media types (iana.org/assignments/media-types), spelled once: literals, for tables and
 * for STR().
 */
#ifndef TICKSTREAM_MEDIA_TYPE_H
#define TICKSTREAM_MEDIA_TYPE_H

#define MEDIA_JSON "application/json"
#define MEDIA_JSON_OLD "text/json"
#define MEDIA_XML "application/xml"
#define MEDIA_XML_OLD "text/xml"
#define MEDIA_FORM "application/x-www-form-urlencoded"
#define MEDIA_PROBLEM_JSON "application/problem+json" /* RFC 9457 */
#define MEDIA_PROBLEM_XML "application/problem+xml"
#define MEDIA_PLAIN "text/plain; charset=utf-8"

#endif
