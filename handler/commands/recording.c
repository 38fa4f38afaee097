#include "commands/recording.h"

#include "base/media_type.h"

#include <errno.h>

enum {
    CHUNK = 64 << 10,
    ESCAPED = 6,     /* bytes of JSON for a byte of a body, at most */
    SIGNATURE = 1024 /* bytes of a file with a signature, at most */
};

static const struct {
    const char *ending, *type;
} types[] = {{".json", MEDIA_JSON}, {".xml", MEDIA_XML}, {".form", MEDIA_FORM}};

static bool ends_with(const char *text, const char *ending)
{
    const size_t len = strlen(text), end = strlen(ending);
    return len >= end && strcmp(text + len - end, ending) == 0;
}

static Str type_of(const Recording *recording, const char *file)
{
    for (size_t i = 0; !recording->type && i < sizeof(types) / sizeof(types[0]); i++) {
        if (ends_with(file, types[i].ending)) {
            return str_from(types[i].type);
        }
    }
    return str_from(recording->type);
}

/* A body a file */

/* All of a file, `most` bytes of it and one more at most, into the buffer. */
static bool read_file(Buffer *buffer, const char *path, size_t most, Error *reterr)
{
    FILE *file = fopen(path, "rbe");
    if (!file) {
        return error_set(reterr, ERROR_NOT_FOUND, "%s", strerror(errno));
    }
    bool has_room = true;
    buffer_clear(buffer);
    while (has_room && !feof(file) && !ferror(file) && buffer->len <= most) {
        has_room = buffer_reserve(buffer, CHUNK);
        buffer->len += has_room ? fread(buffer->ptr + buffer->len, 1, CHUNK, file) : 0;
    }
    const bool is_broken = ferror(file) != 0;
    fclose(file);
    if (is_broken) {
        return error_set(reterr, ERROR_NOT_FOUND, "it cannot be read");
    }
    return has_room || error_no_memory(reterr);
}

/* As `tickstream sign` prints it, or the header's value alone. Absent when there is no such file.
 * false: no memory. */
static bool read_signature(Recording *recording, const char *file, Arena *arena, Str *ret)
{
    static const Str name = STR_INIT("X-Hub-Signature-256:");
    char path[4096];
    Error error;
    *ret = (Str){NULL, 0};
    const int len = snprintf(path, sizeof(path), "%s.sig", file);
    if (len < 0 || (size_t)len >= sizeof(path) ||
        !read_file(&recording->buffer, path, SIGNATURE, &error)) {
        return true;
    }
    Str text = str_trim_space((Str){recording->buffer.ptr, recording->buffer.len});
    if (text.len > name.len && str_eq_nocase((Str){text.ptr, name.len}, name)) {
        text = str_trim(str_from_offset(text, name.len));
    }
    *ret = arena_copy(arena, text);
    return ret->ptr != NULL;
}

static bool check_size(const Recording *recording, size_t len, Error *reterr)
{
    return len <= recording->most ||
           error_set(reterr, ERROR_TOO_LARGE, "the body is larger than %zu bytes", recording->most);
}

static bool read_body_file(Recording *recording, const char *file, Arena *arena, Record *ret,
                           Error *reterr)
{
    *ret = (Record){.content_type = type_of(recording, file)};
    if (!ret->content_type.ptr) {
        return error_set(
            reterr, ERROR_UNKNOWN_TYPE,
            "its name ends in none of .json, .xml, .form, .jsonl: --type says what it is");
    }
    if (!read_file(&recording->buffer, file, recording->most, reterr) ||
        !check_size(recording, recording->buffer.len, reterr)) {
        return false;
    }
    ret->body = arena_copy(arena, (Str){recording->buffer.ptr, recording->buffer.len});
    return (ret->body.ptr && read_signature(recording, file, arena, &ret->signature)) ||
           error_no_memory(reterr);
}

/* A body a line */

typedef enum { LINE_READ, LINE_TOO_LONG, LINE_NO_MEMORY, LINE_NONE } LineAnswer;

/* The next line into the buffer, without its end. What is too long is passed over. */
static LineAnswer read_line(Recording *recording)
{
    Buffer *buffer = &recording->buffer;
    const size_t most = ESCAPED * recording->most + CHUNK;
    LineAnswer answer = LINE_NONE;
    buffer_clear(buffer);
    for (int c; (c = getc_unlocked(recording->lines)) != EOF;) {
        answer = answer == LINE_NONE ? LINE_READ : answer;
        if (c == '\n') {
            break;
        }
        if (answer == LINE_READ && buffer->len == most) {
            answer = LINE_TOO_LONG;
        }
        if (answer == LINE_READ && buffer->len == buffer->room && !buffer_reserve(buffer, CHUNK)) {
            answer = LINE_NO_MEMORY;
        }
        if (answer == LINE_READ) {
            buffer->ptr[buffer->len++] = (char)c;
        }
    }
    recording->line += answer != LINE_NONE;
    return answer;
}

static bool read_record(Recording *recording, Arena *arena, Record *ret, Error *reterr)
{
    static const Str mark = STR_INIT("\xEF\xBB\xBF"); /* which editors on Windows write */
    Str line = arena_copy(arena, (Str){recording->buffer.ptr, recording->buffer.len});
    if (line.ptr && recording->line == 1 && str_starts_with(line, mark)) {
        line = str_from_offset(line, mark.len);
    }
    if (!line.ptr) {
        return error_no_memory(reterr);
    }
    if (!record_read(line, arena, ret, reterr)) {
        return false;
    }
    if (!ret->content_type.ptr) {
        ret->content_type = str_from(recording->type);
    }
    return check_size(recording, ret->body.len, reterr);
}

static bool is_blank(const Buffer *line)
{
    return line->len == 0 || str_is_empty(str_trim_space((Str){line->ptr, line->len}));
}

static void close_lines(Recording *recording)
{
    if (recording->lines && recording->lines != stdin) {
        fclose(recording->lines);
    }
    recording->lines = NULL;
}

/* RECORDING_OVER: there are no more in this file. */
static RecordingAnswer next_line(Recording *recording, Arena *arena, Record *ret, Error *reterr)
{
    const char *file = recording->files[recording->next - 1];
    LineAnswer answer = read_line(recording);
    while (answer == LINE_READ && is_blank(&recording->buffer)) {
        answer = read_line(recording);
    }
    snprintf(recording->place, sizeof(recording->place), "%.270s:%lu", file, recording->line);
    switch (answer) {
    case LINE_READ:
        return read_record(recording, arena, ret, reterr) ? RECORDING_BODY : RECORDING_BAD;
    case LINE_TOO_LONG:
        error_set(reterr, ERROR_TOO_LARGE, "the line is longer than its body may be");
        return RECORDING_BAD;
    case LINE_NO_MEMORY:
        error_no_memory(reterr);
        return RECORDING_BAD;
    case LINE_NONE:
        break;
    }
    const bool is_broken = ferror(recording->lines) != 0;
    close_lines(recording);
    if (is_broken) {
        error_set(reterr, ERROR_NOT_FOUND, "it cannot be read to its end");
        return RECORDING_BAD;
    }
    return RECORDING_OVER;
}

/* false: it cannot be opened. */
static bool open_lines(Recording *recording, const char *file, Error *reterr)
{
    recording->line = 0;
    recording->lines = strcmp(file, "-") == 0 ? stdin : fopen(file, "rbe");
    return recording->lines || error_set(reterr, ERROR_NOT_FOUND, "%s", strerror(errno));
}

RecordingAnswer recording_next(Recording *recording, Arena *arena, Record *ret, Error *reterr)
{
    for (;;) {
        if (recording->lines) {
            const RecordingAnswer answer = next_line(recording, arena, ret, reterr);
            if (answer != RECORDING_OVER) {
                return answer;
            }
        }
        if (recording->next == recording->count) {
            return RECORDING_OVER;
        }
        const char *file = recording->files[recording->next++];
        snprintf(recording->place, sizeof(recording->place), "%s", file);
        if (strcmp(file, "-") != 0 && !ends_with(file, ".jsonl")) {
            return read_body_file(recording, file, arena, ret, reterr) ? RECORDING_BODY
                                                                       : RECORDING_BAD;
        }
        if (!open_lines(recording, file, reterr)) {
            return RECORDING_BAD;
        }
    }
}

void recording_close(Recording *recording)
{
    close_lines(recording);
    buffer_free(&recording->buffer);
}
