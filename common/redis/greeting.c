#include "redis/greeting.h"

#include <stdio.h>

typedef enum {
    ASK_AUTH,
    ASK_SELECT,
    ASK_NAME,
    ASK_ROLE,
    ASK_MULTI,
    ASK_EXEC,
    ASK_SCRIPT,
    ASK_BARRIER,
    ASK_COUNT
} Question;

enum { WORDS_MOST = 3 };

Greeting greeting_of(const RedisUrl *url, const GreetingSettings *settings)
{
    return (Greeting){.url = url, .settings = *settings};
}

/* The words of a question; 0 = it is not asked. */
static size_t words_of(const Greeting *greeting, Question question, char db[12],
                       Str words[WORDS_MOST])
{
    const RedisUrl *url = greeting->url;
    const StreamKeys *keys = greeting->settings.keys;
    const bool publishes = keys != NULL,
               by_transaction = publishes && keys->window == 0 && !keys->by_script;
    const Str user = str_from(url->user), password = str_from(url->password);
    switch (question) {
    case ASK_AUTH:
        words[0] = STR("AUTH");
        words[1] = user.len ? user : password;
        words[2] = password;
        return user.len ? 3 : password.len ? 2 : 0;
    case ASK_SELECT:
        words[0] = STR("SELECT");
        words[1] = (Str){db, (size_t)snprintf(db, 12, "%u", url->db)};
        return url->db ? 2 : 0;
    case ASK_NAME:
        words[0] = STR("CLIENT");
        words[1] = STR("SETNAME");
        words[2] = STR("tickstream");
        return 3;
    case ASK_ROLE:
        words[0] = STR("ROLE");
        return greeting->settings.any_role ? 0 : 1;
    case ASK_MULTI:
        words[0] = STR("MULTI");
        return by_transaction ? 1 : 0;
    case ASK_EXEC:
        words[0] = STR("EXEC");
        return by_transaction ? 1 : 0;
    case ASK_SCRIPT:
        words[0] = STR("SCRIPT");
        words[1] = STR("LOAD");
        words[2] = publish_script;
        return publishes ? 3 : 0;
    case ASK_BARRIER: /* write_barrier() */
    case ASK_COUNT:
        break;
    }
    return 0;
}

/* One that waits for nobody: does the server know it, and may we? */
static bool write_barrier(const Greeting *greeting, Buffer *buffer)
{
    Ack ack = greeting->settings.ack;
    ack.replicas = 0;
    return ack_write(&ack, buffer, 1);
}

static bool write_question(Greeting *greeting, Buffer *buffer, Question question)
{
    char db[12] = "";
    Str words[WORDS_MOST];
    const bool is_barrier = question == ASK_BARRIER && greeting->settings.ack.kind != ACK_LOCAL;
    const size_t count = words_of(greeting, question, db, words);
    greeting->asked |= count || is_barrier ? 1U << question : 0;
    return is_barrier ? write_barrier(greeting, buffer)
                      : !count || resp_command(buffer, words, count);
}

bool greeting_write(Greeting *greeting, Buffer *buffer)
{
    greeting->asked = 0;
    greeting->complaint[0] = '\0';
    for (Question question = 0; question < ASK_COUNT; question++) {
        if (!write_question(greeting, buffer, question)) {
            return false;
        }
    }
    const GreetingSettings *settings = &greeting->settings;
    return !settings->keys ||
           trial_write(&greeting->trial, buffer, settings->keys, settings->in_cluster);
}

static Question first_asked(const Greeting *greeting)
{
    Question question = 0;
    while (question < ASK_COUNT && !(greeting->asked & 1U << question)) {
        question++;
    }
    return question;
}

static bool complain_of_error(Greeting *greeting, Str error)
{
    const ErrorRule *rule = error_rule(error);
    const Str text = error_to_show(error);
    snprintf(greeting->complaint, sizeof(greeting->complaint), "%.*s (%s)", STR_ARG(text),
             rule->advice);
    greeting->alert = rule->alert;
    return false;
}

/* ROLE answers with a list whose first element names the role. */
static bool accept_role(Greeting *greeting, const Reply *reply)
{
    const Str role = reply->kind == REPLY_LIST && reply->count && reply->items[0].kind == REPLY_TEXT
                         ? reply->items[0].text
                         : STR("server of no known role");
    if (str_eq(role, STR("master"))) {
        return true;
    }
    snprintf(greeting->complaint, sizeof(greeting->complaint), "%.200s is a %.*s, not a master",
             greeting->url->shown, role.len < 40 ? (int)role.len : 40, role.ptr);
    greeting->alert = !greeting->settings.in_cluster; /* there the owner is asked for anew */
    return false;
}

static bool accept(Greeting *greeting, Question question, const Reply *reply)
{
    bool is_error = reply->kind == REPLY_ERROR;
    /* A server that will not have us says so at once, whatever it was asked first. */
    bool refused = is_error && error_rule(reply->text)->verdict == VERDICT_RECONNECT;
    if ((question == ASK_NAME && !refused) ||
        (question == ASK_ROLE && is_error && str_starts_with(reply->text, STR("NOPERM")))) {
        return true; /* what we can do without */
    }
    if (is_error) {
        return complain_of_error(greeting, reply->text);
    }
    if (question == ASK_ROLE) {
        return accept_role(greeting, reply);
    }
    if (question == ASK_SCRIPT) {
        bool is_sha = reply->kind == REPLY_TEXT && reply->text.len == SCRIPT_SHA;
        if (is_sha) {
            *str_put(greeting->script_sha, reply->text) = '\0';
        }
        return is_sha;
    }
    if (question == ASK_BARRIER) {
        Acknowledged acknowledged;
        return ack_read(&greeting->settings.ack, reply, &acknowledged);
    }
    return question == ASK_EXEC ? reply->kind == REPLY_LIST : reply->kind == REPLY_STATUS;
}

/* Not a fault of how things are set up: publications are refused until it is over. */
static bool passes(Str error)
{
    const ErrorRule *rule = error_rule(error);
    return (error_passes(rule) && rule->verdict != VERDICT_MOVED) ||
           str_starts_with(error, STR("OOM")) || str_starts_with(error, STR("MISCONF"));
}

/* The last answer is there: is what was learnt good enough? */
static bool judge(Greeting *greeting)
{
    greeting->durable =
        standing_judge(&greeting->trial.standing, greeting->settings.keys, greeting->durable_why);
    if (greeting->durable != DURABLE_NO || !greeting->settings.requires_durable) {
        return true;
    }
    snprintf(greeting->complaint, sizeof(greeting->complaint),
             "refused for TICKSTREAM_REQUIRE_DURABLE: %s", greeting->durable_why);
    greeting->alert = true;
    return false;
}

static bool accept_trial(Greeting *greeting, const Reply *reply)
{
    const Reply *error;
    const char *why = trial_take(&greeting->trial, reply, &error);
    if (error) {
        complain_of_error(greeting, error->text);
    }
    return !why && (!error || passes(error->text)) &&
           (trial_left(&greeting->trial) > 0 || judge(greeting));
}

const char *greeting_take(Greeting *greeting, const Reply *reply)
{
    const Question question = first_asked(greeting);
    if (greeting_is_done(greeting)) {
        return "a reply that nobody asked for";
    }
    bool ok =
        question == ASK_COUNT ? accept_trial(greeting, reply) : accept(greeting, question, reply);
    if (!ok) {
        return "refused at the greeting";
    }
    greeting->asked &= ~(1U << question);
    return NULL;
}
