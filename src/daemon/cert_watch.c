/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cert_watch.c - when to look, and who gets what was found.
 */
#include "daemon/cert_watch.h"

#include <stdlib.h>
#include <sysexits.h>

#include "core/clock.h"
#include "core/log.h"
#include "tls/tls_profile.h"
#include "worker/mailbox.h"

#define DAY_S 86400
#define WARN_DAYS 21
#define WARN_EVERY_MS (INT64_C(1000) * DAY_S)

/* Most certificates of one profile that are warned of. */
#define CERTIFICATES_MAX 64

/* Looks are no closer than this, whatever is asked for. */
#define LOOK_MIN_MS 20

/* After this long what a worker did not get is loaded and handed out again. */
#define RETRY_MS 1000

struct cert_watch {
    struct snapshot *snapshot;
    struct worker_shared *shared;
    struct event *timer;
    int64_t next_warning_ms;
    struct tls_context **contexts; /* one per worker, and the control thread's */
    struct tls_loads *loads;       /* one per profile */
    bool *is_owed;                 /* one per profile: a worker did not get what was loaded */
};

static void begin_event(struct log_event *event, enum log_level level, const char *name,
                        const struct tls_profile *profile)
{
    log_event_begin(event, level, name);
    log_event_string(event, "tls", tls_profile_name(profile));
    log_event_string(event, "role", tls_profile_role(profile) == TLS_SERVER ? "server" : "client");
}

/* To the workers by message, to the control thread, which makes the checks, at once. A worker that
   takes no message has ended, or memory is short: it keeps what it has until the profile is handed
   out again. */
static void hand_out(struct cert_watch *watch, unsigned number)
{
    struct tls_profile *profile = watch->snapshot->tls_profiles[number];

    watch->is_owed[number] = false;
    for (unsigned i = 0; i < watch->shared->worker_count; i++) {
        const struct message message = {
            .kind = MESSAGE_TLS, .fd = -1, .profile = profile, .context = watch->contexts[i]};

        if (mailbox_post(worker_mailbox(watch->shared->workers[i]), &message))
            continue;
        tls_context_free(watch->contexts[i]);
        watch->is_owed[number] = true;
        log_message(LOG_ERROR, "worker_unreachable",
                    "worker %u got no message: out of memory, or it has ended", i);
    }
    tls_profile_take(profile, watch->shared->worker_count,
                     watch->contexts[watch->shared->worker_count]);
}

/* What was loaded and will be trouble nevertheless. At the start it is a warning of the
   configuration. */
static void log_warning(const struct tls_profile *profile)
{
    const char *warning = tls_profile_warning(profile);
    struct log_event event;

    if (warning[0] == '\0')
        return;
    begin_event(&event, LOG_WARN, "tls_warning", profile);
    log_event_string(&event, "message", warning);
    log_event_post(&event);
}

static void look_at(struct cert_watch *watch, unsigned number, bool force, struct tls_look *look)
{
    struct tls_profile *profile = watch->snapshot->tls_profiles[number];
    struct tls_loads *loads = &watch->loads[number];
    struct error error = {.text = ""};
    struct log_event event;

    look->profiles++;
    switch (tls_profile_look(profile, force, clock_now_ms(), watch->contexts, &error)) {
    case TLS_UNCHANGED:
        return;
    case TLS_CHANGED:
        look->changed++;
        loads->succeeded++;
        loads->last_wall_us = clock_wall_us();
        hand_out(watch, number);
        begin_event(&event, LOG_INFO, "tls_reloaded", profile);
        log_event_post(&event);
        log_warning(profile);
        watch->next_warning_ms = 0; /* of the new ones, too */
        return;
    case TLS_BROKEN:
        look->failed++;
        loads->failed++;
        begin_event(&event, LOG_ERROR, "tls_reload_failed", profile);
        log_event_string(&event, "message", error.text);
        log_event_post(&event);
        return;
    }
}

static void warn_of(const struct tls_profile *profile, const struct tls_certificate *certificate,
                    int64_t left_s)
{
    struct log_event event;

    begin_event(&event, LOG_WARN, "tls_expiry", profile);
    log_event_string(&event, "subject", certificate->subject);
    log_event_string(&event, "file", certificate->file);
    log_event_integer(&event, "days_left", left_s < 0 ? 0 : left_s / DAY_S);
    log_event_string(&event, "message",
                     left_s < 0 ? "the certificate has expired" : "the certificate expires soon");
    log_event_post(&event);
}

void cert_watch_warn(struct cert_watch *watch)
{
    int64_t now_s = clock_wall_us() / 1000000;

    for (unsigned i = 0; i < watch->snapshot->tls_profile_count; i++) {
        struct tls_certificate certificates[CERTIFICATES_MAX];
        size_t count = tls_profile_certificates(watch->snapshot->tls_profiles[i], certificates,
                                                CERTIFICATES_MAX);

        for (size_t j = 0; j < count && j < CERTIFICATES_MAX; j++) {
            int64_t left_s = certificates[j].not_after_s - now_s;

            if (left_s < (int64_t)WARN_DAYS * DAY_S)
                warn_of(watch->snapshot->tls_profiles[i], &certificates[j], left_s);
        }
    }
    watch->next_warning_ms = clock_now_ms() + WARN_EVERY_MS;
}

/* Arms the timer for whatever is due first. */
static bool rest(struct cert_watch *watch)
{
    int64_t now_ms = clock_now_ms();
    int64_t due_ms = watch->next_warning_ms;
    struct timeval delay;

    for (unsigned i = 0; i < watch->snapshot->tls_profile_count; i++) {
        int64_t look_ms = tls_profile_look_due_ms(watch->snapshot->tls_profiles[i]);

        if (watch->is_owed[i] && look_ms > now_ms + RETRY_MS)
            look_ms = now_ms + RETRY_MS;
        due_ms = look_ms < due_ms ? look_ms : due_ms;
    }
    due_ms = due_ms < now_ms + LOOK_MIN_MS ? LOOK_MIN_MS : due_ms - now_ms;
    delay.tv_sec = due_ms / 1000;
    delay.tv_usec = due_ms % 1000 * 1000;
    if (event_add(watch->timer, &delay) == 0)
        return true;
    log_message(LOG_ERROR, "tls_watch_stopped",
                "out of memory: changed certificates are loaded on request only");
    return false;
}

static void on_timer(evutil_socket_t fd, short what, void *argument)
{
    struct cert_watch *watch = argument;
    struct tls_look look = {0};

    (void)fd;
    (void)what;
    for (unsigned i = 0; i < watch->snapshot->tls_profile_count; i++) {
        bool is_owed = watch->is_owed[i];

        watch->is_owed[i] = false;
        if (is_owed)
            look_at(watch, i, true, &look);
        else if (tls_profile_look_due_ms(watch->snapshot->tls_profiles[i]) <= clock_now_ms())
            look_at(watch, i, false, &look);
    }
    if (clock_now_ms() >= watch->next_warning_ms)
        cert_watch_warn(watch);
    (void)rest(watch);
}

struct cert_watch *cert_watch_open(struct event_base *base, struct snapshot *snapshot,
                                   struct worker_shared *shared, struct error *error)
{
    struct cert_watch *watch = calloc(1, sizeof(*watch));

    if (watch == NULL)
        goto fail;
    watch->snapshot = snapshot;
    watch->shared = shared;
    watch->contexts = calloc(shared->worker_count + 1, sizeof(struct tls_context *));
    watch->loads = calloc(snapshot->tls_profile_count + 1, sizeof(*watch->loads));
    watch->is_owed = calloc(snapshot->tls_profile_count + 1, sizeof(bool));
    watch->timer = evtimer_new(base, on_timer, watch);
    if (watch->contexts == NULL || watch->loads == NULL || watch->is_owed == NULL ||
        watch->timer == NULL)
        goto fail;
    for (unsigned i = 0; i < snapshot->tls_profile_count; i++)
        watch->loads[i].last_wall_us = clock_wall_us();
    /* The first warnings are due now. */
    if (snapshot->tls_profile_count > 0 && !rest(watch))
        goto fail;
    return watch;

fail:
    cert_watch_close(watch);
    error_set(error, EX_OSERR, "out of memory");
    return NULL;
}

void cert_watch_close(struct cert_watch *watch)
{
    if (watch == NULL)
        return;
    if (watch->timer != NULL)
        event_free(watch->timer);
    free(watch->contexts);
    free(watch->loads);
    free(watch->is_owed);
    free(watch);
}

void cert_watch_reload(struct cert_watch *watch, struct tls_look *look)
{
    *look = (struct tls_look){0};
    for (unsigned i = 0; i < watch->snapshot->tls_profile_count; i++)
        look_at(watch, i, true, look);
    if (look->profiles > 0)
        (void)rest(watch);
}

const struct tls_loads *cert_watch_loads(const struct cert_watch *watch)
{
    return watch->loads;
}
