#include "commands/doctor_judge.h"

#include "commands/human.h"

#include <stdio.h>

enum {
    DAYS_WARN = 14,    /* before a certificate ends */
    MEDIAN_MOST = 250, /* milliseconds; what Meta asks of a webhook: a median, and of 99 % */
    WORST_MOST = 1000,
    TIME_WARN = 5 /* seconds */
};

static const char see_workers[] =
    "look at the workers: `tickstream healthcheck`, and what fails above; nginx's upstream.conf "
    "names the same address as LISTEN";

Finding judge_name(const KnockFacts *knock)
{
    if (knock->status == 0) {
        return found(GRADE_FAIL,
                     "look at the name's address, at the firewall, and whether nginx listens there",
                     "%s does not answer: %s", knock->host, knock->why);
    }
    if (knock->status == 502 || knock->status == 503 || knock->status == 504) {
        return found(GRADE_FAIL, see_workers, "%s (%s) answers %d: nginx reaches no worker",
                     knock->host, knock->address, knock->status);
    }
    if (!knock->is_ours || knock->status == 404) {
        return found(GRADE_FAIL,
                     "include tickstream.conf in the server of this name, or give the path of the "
                     "webhook in the URL",
                     "%s (%s) answers %d, but that is not Tickstream's webhook", knock->host,
                     knock->address, knock->status);
    }
    if (knock->status == 403) {
        return found(GRADE_NOTE, "",
                     "%s (%s) answers 403: mtls.conf lets in who has Meta's certificate, and so "
                     "not us",
                     knock->host, knock->address);
    }
    if (knock->status != KNOCK_STATUS) {
        return found(GRADE_FAIL, "look at nginx's access log, where the request is",
                     "%s (%s) answers %d to a GET without parameters, not %d", knock->host,
                     knock->address, knock->status, KNOCK_STATUS);
    }
    return found(GRADE_OK, "", "%s is %s, and Tickstream answers", knock->host, knock->address);
}

static const char *mend_certificate(const char *fault)
{
    static const struct {
        const char *part, *remedy;
    } rows[] = {
        {"expired", "renew it (certbot renew), and reload nginx"},
        {"not yet valid", "set the clock, or wait"},
        {"match", "get one for this name, or use the name that it is for"},
        {"self", "get one of a public CA (certbot), or name its CA with --ca"},
        {"issuer", "give nginx the whole chain: ssl_certificate fullchain.pem; a CA of your own is "
                   "named with --ca"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strstr(fault, rows[i].part)) {
            return rows[i].remedy;
        }
    }
    return "get one of a public CA for this name (certbot), with the whole chain";
}

Finding judge_certificate(const CertificateFacts *certificate)
{
    char until[HUMAN_ROOM] = "", days[32] = "";
    const int64_t left = (certificate->until - certificate->now) / 86400;
    if (!certificate->is_tls) {
        return found(certificate->is_private ? GRADE_NOTE : GRADE_WARN,
                     certificate->is_private ? "" : "include tls.conf in place of plain.conf",
                     "http: there is no certificate, and Meta posts to https alone");
    }
    if (certificate->until) {
        human_time(certificate->until, until);
        snprintf(days, sizeof(days), "%lld days", (long long)left);
    }
    if (certificate->fault[0]) {
        return found(GRADE_FAIL, mend_certificate(certificate->fault),
                     "the certificate is not accepted: %s%s%s", certificate->fault,
                     until[0] ? "; it ends " : "", until);
    }
    if (until[0] && left < DAYS_WARN) {
        return found(GRADE_WARN, mend_certificate("expired"),
                     "the certificate is accepted, but ends in %s: %s", days, until);
    }
    return found(GRADE_OK, "", "the certificate and its chain are accepted%s%s",
                 until[0] ? ", until " : "", until);
}

/* "", or " 2" of several. */
static const char *number(size_t which, char to[24])
{
    const int len = snprintf(to, 24, " %zu", which);
    to[which ? len : 0] = '\0';
    return to;
}

Finding judge_handshake(int status, bool is_echoed, size_t which)
{
    char text[24];
    number(which, text);
    if (status == 200 && is_echoed) {
        return found(GRADE_OK, "", "the verify token%s is accepted", text);
    }
    if (status == 403) {
        return found(GRADE_FAIL,
                     "the workers have other tokens: call the doctor with their settings, or "
                     "reload them (systemctl reload; after a new file restart)",
                     "the verify token%s is refused (403)", text);
    }
    return found(GRADE_FAIL, see_workers,
                 status == 200 ? "the handshake (token%s) is answered %d, without the challenge"
                               : "the handshake (token%s) is answered %d",
                 text, status);
}

Finding judge_signature(int status, bool has_counts, size_t which)
{
    char text[24];
    number(which, text);
    if (status == 200 && has_counts) {
        return found(GRADE_OK, "", "a body that is signed with APP_SECRET%s is accepted", text);
    }
    if (status == 401) {
        return found(GRADE_FAIL,
                     "the workers have another secret: call the doctor with their settings, or "
                     "reload them (systemctl reload; after a new file restart)",
                     "a body that is signed with APP_SECRET%s is refused (401)", text);
    }
    return found(GRADE_FAIL, see_workers,
                 status == 200
                     ? "a signed body (APP_SECRET%s) is answered %d, but not by Tickstream"
                     : "a signed body (APP_SECRET%s) is answered %d",
                 text, status);
}

Finding judge_unsigned(int status, const Config *config)
{
    if (status == 401) {
        return found(GRADE_OK, "", "a body without a signature is refused");
    }
    if (status == 200) {
        return found(GRADE_WARN,
                     config->allow_unsigned
                         ? "set APP_SECRET, and ALLOW_UNSIGNED to false"
                         : "see relay.conf: whoever posts from this address can write anything",
                     config->allow_unsigned
                         ? "a body without a signature is accepted (ALLOW_UNSIGNED)"
                         : "a body without a signature is accepted from here: as a relay's");
    }
    return found(GRADE_FAIL, see_workers, "a body without a signature is answered %d", status);
}

Finding judge_body_limit(int whole, int over, size_t max_body)
{
    if (whole == 413) {
        return found(GRADE_FAIL,
                     "set client_max_body_size in tickstream-pass.conf to MAX_BODY, and reload "
                     "nginx",
                     "a body of MAX_BODY (%zu bytes) is refused (413)", max_body);
    }
    if (whole != 200) {
        return found(GRADE_FAIL,
                     "look at nginx's error log: client_body_temp_path, client_body_timeout",
                     "a body of MAX_BODY (%zu bytes) is %s %d", max_body,
                     whole ? "answered" : "not answered:", whole);
    }
    if (over != 413) {
        return found(GRADE_WARN, "the workers have another MAX_BODY: reload them",
                     "a body of a byte more than MAX_BODY (%zu) is answered %d, not 413", max_body,
                     over);
    }
    return found(GRADE_OK, "", "%zu bytes are accepted, one more is not", max_body);
}

Finding judge_latency(double median, double worst, size_t count)
{
    const bool is_slow = median > MEDIAN_MOST || worst > WORST_MOST;
    return found(is_slow ? GRADE_WARN : GRADE_OK,
                 is_slow
                     ? "look at the way from here (ping), at the processors, and at the disk of "
                       "Redis (redis-cli LATENCY DOCTOR)"
                     : "",
                 "%zu signed bodies: median %.2f ms, at worst %.2f ms; the sender wants %d and %d",
                 count, median, worst, MEDIAN_MOST, WORST_MOST);
}

Finding judge_time(int64_t ahead)
{
    char span[HUMAN_ROOM];
    const int64_t apart = ahead < 0 ? -ahead : ahead;
    if (apart <= TIME_WARN) {
        return found(GRADE_OK, "", "its clock and ours agree");
    }
    return found(GRADE_WARN, "let NTP set both (timedatectl set-ntp true)",
                 "its clock is %s %s ours", human_span(apart, span),
                 ahead > 0 ? "ahead of" : "behind");
}
