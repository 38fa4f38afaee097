#include "redis/trial.h"

#include "redis/error_rule.h"

typedef enum {
    TRY_EVALSHA,
    TRY_EVAL,
    TRY_SET,
    TRY_GET,
    TRY_TIME,
    TRY_SET_0,
    TRY_SET_1,
    TRY_ADD_0,
    TRY_ADD_1,
    TRY_UNLINK,
    TRY_TOUCH,
    TRY_XADD_STREAM,
    TRY_XADD_QUARANTINE,
    TRY_XADD_EVENTS,
    TRY_TYPE_STREAM,
    TRY_TYPE_QUARANTINE,
    TRY_TYPE_EVENTS,
    TRY_INFO_MEMORY,
    TRY_INFO_PERSISTENCE,
    TRY_INFO_SERVER,
    TRY_COUNT
} Question;

/* A Lua without cmsgpack is told apart here, not at the first status. */
#define NEEDS_PACKING "return cmsgpack and 0 or redis.error_reply('ERR no cmsgpack')"

#define NO_SCRIPT STR_INIT("0000000000000000000000000000000000000000")

/* What an answer must be. */
typedef enum {
    ANSWER_NOSCRIPT,
    ANSWER_ANY,
    ANSWER_OK,
    ANSWER_SMALL_ID,
    ANSWER_TYPE,
    ANSWER_INFO
} Wanted;

/* The word KEY stands for a key, of which keys without one have no question. */
#define KEY STR_INIT("KEY")

/* Versions of clang-format disagree about bodies that are only braces. */
/* clang-format off */
#define XADD(member) \
    {ANSWER_SMALL_ID, 5, {STR_INIT("XADD"), KEY, STR_INIT("0-0"), STR_INIT("f"), STR_INIT("v")}, \
     offsetof(StreamKeys, member)}
#define SMISMEMBER(member) \
    {ANSWER_ANY, 3, {STR_INIT("SMISMEMBER"), KEY, STR_INIT("-")}, offsetof(StreamKeys, member)}
#define SADD(member) \
    {ANSWER_ANY, 3, {STR_INIT("SADD"), KEY, STR_INIT("-")}, offsetof(StreamKeys, member)}
#define TYPE(member) {ANSWER_TYPE, 2, {STR_INIT("TYPE"), KEY}, offsetof(StreamKeys, member)}
#define INFO(section) {ANSWER_INFO, 2, {STR_INIT("INFO"), STR_INIT(section)}, 0}
/* clang-format on */

static const struct {
    Wanted wanted;
    size_t count;
    Str words[TRIAL_WORDS];
    size_t key; /* offset in StreamKeys */
} questions[TRY_COUNT] = {
    [TRY_EVALSHA] = {ANSWER_NOSCRIPT, 3, {STR_INIT("EVALSHA"), NO_SCRIPT, STR_INIT("0")}, 0},
    [TRY_EVAL] = {ANSWER_ANY, 3, {STR_INIT("EVAL"), STR_INIT(NEEDS_PACKING), STR_INIT("0")}, 0},
    [TRY_SET] = {ANSWER_OK,
                 5,
                 {STR_INIT("SET"), KEY, STR_INIT("1"), STR_INIT("PX"), STR_INIT("1000")},
                 offsetof(StreamKeys, probe)},
    [TRY_GET] = {ANSWER_ANY, 2, {STR_INIT("GET"), KEY}, offsetof(StreamKeys, seen_state)},
    [TRY_TIME] = {ANSWER_ANY, 1, {STR_INIT("TIME")}, offsetof(StreamKeys, seen_state)},
    [TRY_SET_0] = SMISMEMBER(seen[0]),
    [TRY_SET_1] = SMISMEMBER(seen[1]),
    [TRY_ADD_0] = SADD(seen[0]),
    [TRY_ADD_1] = SADD(seen[1]),
    [TRY_UNLINK] = {ANSWER_ANY, 2, {STR_INIT("UNLINK"), KEY}, offsetof(StreamKeys, probe)},
    [TRY_TOUCH] = {ANSWER_ANY,
                   3,
                   {STR_INIT("PEXPIREAT"), KEY, STR_INIT("9999999999999")},
                   offsetof(StreamKeys, seen[0])},
    [TRY_XADD_STREAM] = XADD(stream),
    [TRY_XADD_QUARANTINE] = XADD(quarantine),
    [TRY_XADD_EVENTS] = XADD(events),
    [TRY_TYPE_STREAM] = TYPE(stream),
    [TRY_TYPE_QUARANTINE] = TYPE(quarantine),
    [TRY_TYPE_EVENTS] = TYPE(events),
    [TRY_INFO_MEMORY] = INFO("memory"),
    [TRY_INFO_PERSISTENCE] = INFO("persistence"),
    [TRY_INFO_SERVER] = INFO("server"),
};

static Str key_of(const StreamKeys *keys, Question question)
{
    return *(const Str *)(const void *)((const char *)keys + questions[question].key);
}

/* Without a window nothing is looked up; without events there is no stream for them. */
static bool is_asked(const StreamKeys *keys, Question question)
{
    const bool is_dedupe = question >= TRY_GET && question <= TRY_TOUCH;
    return (!is_dedupe || keys->window) && (question != TRY_TOUCH || keys->touches) &&
           key_of(keys, question).ptr;
}

void trial_begin(Trial *trial, const StreamKeys *keys, bool in_cluster)
{
    *trial = (Trial){.keys = keys, .in_cluster = in_cluster};
    for (Question question = 0; question < TRY_COUNT; question++) {
        trial->asked |= is_asked(keys, question) ? 1U << question : 0;
    }
}

static size_t words_of(const StreamKeys *keys, Question question, Str words[TRIAL_WORDS])
{
    memcpy(words, questions[question].words, sizeof(questions[question].words));
    if (str_eq(words[1], STR("KEY"))) {
        words[1] = key_of(keys, question);
    }
    return questions[question].count;
}

size_t trial_words(const Trial *trial, Str words[TRIAL_WORDS])
{
    return trial->asked ? words_of(trial->keys, (Question)__builtin_ctz(trial->asked), words) : 0;
}

bool trial_write(Trial *trial, Buffer *buffer, const StreamKeys *keys, bool in_cluster)
{
    const size_t start = buffer->len;
    Str words[TRIAL_WORDS];
    trial_begin(trial, keys, in_cluster);
    for (unsigned left = trial->asked; left; left &= left - 1) {
        const size_t count = words_of(keys, (Question)__builtin_ctz(left), words);
        if (!resp_command(buffer, words, count)) {
            buffer->len = start;
            *trial = (Trial){.keys = keys, .in_cluster = in_cluster};
            return false;
        }
    }
    return true;
}

size_t trial_left(const Trial *trial)
{
    return (size_t)__builtin_popcount(trial->asked);
}

static const Reply *wrong_type(Question question)
{
    static const Reply stream = {.kind = REPLY_ERROR,
                                 .text = STR_INIT("WRONGTYPE at the key of the stream")},
                       quarantine = {.kind = REPLY_ERROR,
                                     .text = STR_INIT("WRONGTYPE at the key of the quarantine")},
                       events = {.kind = REPLY_ERROR,
                                 .text = STR_INIT("WRONGTYPE at the key of EVENTS_STREAM")};
    return question == TRY_TYPE_STREAM       ? &stream
           : question == TRY_TYPE_QUARANTINE ? &quarantine
                                             : &events;
}

/* Whatever INFO and TYPE say against it can be done without, unless the server will not have us. */
static const Reply *take_untold(Trial *trial, Wanted wanted, const Reply *error)
{
    if (error_rule(error->text)->verdict == VERDICT_RECONNECT) {
        return error;
    }
    trial->types_untold = trial->types_untold || wanted == ANSWER_TYPE;
    return NULL;
}

static bool is_elsewhere(const Trial *trial, const Reply *error)
{
    const Verdict verdict = error_rule(error->text)->verdict;
    return trial->in_cluster && (verdict == VERDICT_MOVED || verdict == VERDICT_ASK);
}

static const Reply *take_error(Trial *trial, Wanted wanted, const Reply *error)
{
    if (is_elsewhere(trial, error)) { /* as it is with keys: whoever publishes is sent on */
        trial->is_elsewhere = true;
        return NULL;
    }
    switch (wanted) {
    case ANSWER_NOSCRIPT:
        return str_starts_with(error->text, STR("NOSCRIPT")) ? NULL : error;
    case ANSWER_SMALL_ID:
        return str_starts_with(error->text, STR("ERR The ID specified in XADD")) ? NULL : error;
    case ANSWER_TYPE:
    case ANSWER_INFO:
        return take_untold(trial, wanted, error);
    case ANSWER_ANY:
    case ANSWER_OK:
        break;
    }
    return error;
}

/* What is no error. false: it makes no sense; a write of the id 0-0, say, cannot be done. */
static bool take_answer(Trial *trial, Question question, const Reply *reply,
                        const Reply **ret_error)
{
    switch (questions[question].wanted) {
    case ANSWER_NOSCRIPT:
    case ANSWER_SMALL_ID:
        return false;
    case ANSWER_ANY:
        return true;
    case ANSWER_OK:
        return reply->kind == REPLY_STATUS;
    case ANSWER_TYPE:
        if (!str_eq(reply->text, STR("stream")) && !str_eq(reply->text, STR("none"))) {
            *ret_error = wrong_type(question);
        }
        return reply->kind == REPLY_STATUS;
    case ANSWER_INFO:
        break;
    }
    if (reply->kind == REPLY_TEXT) {
        standing_take(&trial->standing, reply->text);
    }
    return reply->kind == REPLY_TEXT;
}

const char *trial_take(Trial *trial, const Reply *reply, const Reply **ret_error)
{
    *ret_error = NULL;
    if (!trial->asked) {
        return "a reply that nobody asked for";
    }
    const Question question = (Question)__builtin_ctz(trial->asked);
    trial->asked &= trial->asked - 1;
    if (reply->kind == REPLY_ERROR) {
        *ret_error = take_error(trial, questions[question].wanted, reply);
        return NULL;
    }
    return take_answer(trial, question, reply, ret_error) ? NULL : "a reply that makes no sense";
}
