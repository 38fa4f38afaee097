/*
 * Every number that a stranger can reach, with its reason. What is over a limit is refused with a
 * clear answer (413, 503), or kept whole in quarantine when it was signed; nothing is dropped
 * without a word.
 */
#ifndef TICKSTREAM_LIMITS_H
#define TICKSTREAM_LIMITS_H

enum {
    /* The largest value of TICKSTREAM_MAX_BODY: four times what Meta documents (3 MB). A body of
       that size fits into LIMIT_ARENA whatever it is, with its decoded copy, in UTF-16, or kept
       whole. The default is 3 MiB. */
    LIMIT_BODY_MAX = 12 << 20,

    /* Nesting of a JSON or XML document, the root is 1. The payload needs 10; the rest is room
       for members that are unknown. */
    LIMIT_DEPTH = 128,

    /* Entries + changes + statuses of one body, and errors of one status. Meta sends at most 1000
       updates. 50,000 cost 6 MB of arena. */
    LIMIT_ITEMS = 50000,

    /*
     * What the commands of one body may occupy. Every entry repeats its envelope, so a hostile
     * body could grow by a factor of thousands; an honest one grows by less than 4 (3 MiB of
     * minimal statuses become 10 MB).
     */
    LIMIT_COMMANDS = 32 << 20,

    /* Elements of one body that are published at once; more of them in steps, since Redis serves
       nobody else meanwhile: 4 ms, with AOF 7 ms. Meta's most are 1000. And for how many
       milliseconds a further step is begun: nginx waits 8 s for the answer to all of them. */
    LIMIT_STEP = 1000,
    LIMIT_STEPS_MS = 7000,

    /* What one request may hold: body, decoded payload, digests. An honest body of 3 MiB needs
       about 12 MiB. */
    LIMIT_ARENA = 96 << 20,

    /* Form fields that are read. 1000 statuses of 10 fields need 10,000. */
    LIMIT_FORM_PAIRS = 65536,

    /* Names, and bytes of names and texts, of the unknown members of one status (or of an entry, of
       a change) that came as XML or as a form: what Meta sends has about 30 names. */
    LIMIT_MEMBERS = 256,
    LIMIT_MEMBER_BYTES = 64 << 10,

    /* Bytes of a media type as it is kept with what goes into quarantine. */
    LIMIT_MEDIA_TYPE = 64,

    /* Length of one known form name: the longest that means something has about 100 characters. */
    LIMIT_FORM_NAME = 1024,

    /* Largest index in a form name: longer lists are refused by LIMIT_ITEMS, lists
       with gaps too. */
    LIMIT_FORM_INDEX = LIMIT_ITEMS,

    /* hub.challenge: Meta's has 10 digits. The query string: nginx's own limit for a request line
       is 8 KiB. */
    LIMIT_CHALLENGE = 1024,
    LIMIT_QUERY = 8192,

    /* X-Request-Id as nginx makes it has 32 hex digits. */
    LIMIT_REQUEST_ID = 64,

    /* Secrets at once (a rotation needs two), and the length of any configured value. */
    LIMIT_SECRETS = 16,
    LIMIT_SECRET_LEAST = 16, /* bytes; a warning: Meta's have 32 */
    LIMIT_CONFIG_VALUE = 4096,

    /* Requests of one worker that wait for Redis; more is answered 503. At 50,000 requests a
       second this is a backlog of 80 ms. */
    LIMIT_REQUESTS_IN_FLIGHT = 4096,

    /* Bytes that these requests hold, and those of bodies that are announced and still to come;
       over it others are answered 503 until some have left. */
    LIMIT_BYTES_IN_FLIGHT = 128 << 20,

    /*
     * In the middle of a request a FastCGI peer is cut off when it has sent nothing for so many
     * milliseconds, or when later than that after its beginning fewer bytes a second have come.
     * nginx sends what lies complete in its buffers, which takes milliseconds; 10 s outlast a
     * machine that hangs for a moment.
     */
    LIMIT_RECEIVE_MS = 10000,
    LIMIT_RECEIVE_RATE = 4096,

    /* Bytes of all parameters of one FastCGI request: nginx's are a few KiB, of which the
       client's headers, at most 32 KiB there, are the largest part. */
    LIMIT_FCGI_PARAMS = 128 << 10,

    /* Bytes of one management record (FCGI_GET_VALUES), which has three short names. */
    LIMIT_FCGI_VALUES = 8 << 10,

    /* A turn of the loop begins no further request after so many milliseconds, and reads no more
       bytes from one peer: so timers, signals and the others wait no longer than that. */
    LIMIT_TURN_MS = 20,
    LIMIT_TURN_BYTES = 1 << 20,

    /* Kept by an idle arena between requests; what a big body needed beyond it is given back. */
    LIMIT_ARENA_KEPT = 64 << 10,

    /* Kept by the command buffer between writes. */
    LIMIT_BUFFER_KEPT = 1 << 20,

    /* Bytes of commands that wait to leave for Redis when it takes them slower than they
       come; more is answered 503. Twice LIMIT_COMMANDS, so that the largest body is not
       refused on its own. */
    LIMIT_UNSENT = 64 << 20,

    /* Elements and bytes of one reply of Redis. The longest that is asked for is a page of
       entries; a server that sends more has lost its way, and its connection is closed. */
    LIMIT_REPLY_ITEMS = 1 << 16,
    LIMIT_REPLY_BYTES = 64 << 20,

    /* Servers that REDIS_URL may name. */
    LIMIT_SEEDS = 16,

    /* The path of a unix socket with its NUL: sizeof(sun_path), the same on every Linux. */
    LIMIT_UNIX_PATH = 108,

    /* Text of a quarantine entry's detail, of a log line's value, of an error. */
    LIMIT_TEXT = 160,

    /* Bytes of libxml2's name dictionary before its context is made anew. */
    LIMIT_XML_DICT = 1 << 20,

    /*
     * libxml2 2.9 compares each attribute of a tag with all others, each prefix with all
     * namespaces in scope, and keeps names in a table that stops growing at 4608 chains.
     * Without these limits a body of 3 MB can keep it busy for half a minute, with them for a
     * tenth of a second: bytes of one tag, namespaces declared, and distinct names in a body of
     * more than 64 KiB (a smaller one cannot have many more).
     */
    LIMIT_XML_TAG = 4096,
    LIMIT_XML_NAMESPACES = 64,
    LIMIT_XML_NAMES = 70000,

    /* Slots of workers, so that the shared counters have a fixed size; half of them may be wanted
     * at once, since at a reload those that leave have theirs for a while. */
    LIMIT_WORKERS = 256,
};

#endif
