/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cert_watch.c - when files are looked at, who gets what was loaded, and what is said of it.
 * The profiles are the test's own (ld's --wrap), and so are the workers' mailboxes.
 */
#include "daemon/cert_watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/log.h"
#include "tls/tls_profile.h"

#define WORKERS 2
#define DEADLINE_US 30000000

struct tls_profile {
    const char *name;
    enum tls_change next; /* what the next look finds */
    bool is_due;
    unsigned looks;
    unsigned forced;
    const char *warning;
    struct tls_certificate certificate;
    unsigned own; /* contexts that the control thread took over itself */
};

struct worker {
    struct mailbox mailbox;
    unsigned taken; /* contexts that came */
    const struct tls_profile *of;
};

static struct tls_profile profiles[2];
static struct tls_profile *profile_list[] = {&profiles[0], &profiles[1]};
static struct worker workers[WORKERS];
static struct worker *const worker_list[WORKERS] = {&workers[0], &workers[1]};
static struct worker_shared shared;
static struct snapshot snapshot;
static struct event_base *base;
static struct log_ring *ring;
static const struct mailbox *memory_short_for; /* the next message to it has no memory */
static bool event_add_fails;
static unsigned contexts_made;
static unsigned contexts_freed;

size_t __wrap_tls_profile_certificates(const struct tls_profile *profile,
                                       struct tls_certificate *certificates, size_t size);
enum tls_change __wrap_tls_profile_look(struct tls_profile *profile, bool force, int64_t now_ms,
                                        struct tls_context **contexts, struct error *error);
int64_t __wrap_tls_profile_look_due_ms(const struct tls_profile *profile);
const char *__wrap_tls_profile_name(const struct tls_profile *profile);
enum tls_role __wrap_tls_profile_role(const struct tls_profile *profile);
const char *__wrap_tls_profile_warning(const struct tls_profile *profile);
void __wrap_tls_profile_take(struct tls_profile *profile, unsigned worker,
                             struct tls_context *context);
void __wrap_tls_context_free(struct tls_context *context);
bool __real_mailbox_post(struct mailbox *mailbox, const struct message *message);
bool __wrap_mailbox_post(struct mailbox *mailbox, const struct message *message);
int __real_event_add(struct event *event, const struct timeval *timeout);
int __wrap_event_add(struct event *event, const struct timeval *timeout);

size_t __wrap_tls_profile_certificates(const struct tls_profile *profile,
                                       struct tls_certificate *certificates, size_t size)
{
    if (size > 0)
        certificates[0] = profile->certificate;
    return 1;
}

enum tls_change __wrap_tls_profile_look(struct tls_profile *profile, bool force, int64_t now_ms,
                                        struct tls_context **contexts, struct error *error)
{
    enum tls_change change = profile->next;

    (void)now_ms;
    profile->looks++;
    profile->forced += force;
    profile->is_due = false;
    profile->next = TLS_UNCHANGED;
    if (change == TLS_BROKEN)
        error_set(error, 1, "%s.pem: no certificate", profile->name);
    for (unsigned i = 0; change == TLS_CHANGED && i < WORKERS + 1; i++) {
        contexts[i] = malloc(1);
        contexts_made++;
    }
    return change;
}

int64_t __wrap_tls_profile_look_due_ms(const struct tls_profile *profile)
{
    return profile->is_due ? 0 : INT64_MAX;
}

const char *__wrap_tls_profile_name(const struct tls_profile *profile)
{
    return profile->name;
}

enum tls_role __wrap_tls_profile_role(const struct tls_profile *profile)
{
    return profile == &profiles[0] ? TLS_SERVER : TLS_CLIENT;
}

const char *__wrap_tls_profile_warning(const struct tls_profile *profile)
{
    return profile->warning;
}

void __wrap_tls_profile_take(struct tls_profile *profile, unsigned worker,
                             struct tls_context *context)
{
    assert_int_equal(worker, WORKERS);
    profile->own++;
    free(context);
}

void __wrap_tls_context_free(struct tls_context *context)
{
    contexts_freed++;
    free(context);
}

bool __wrap_mailbox_post(struct mailbox *mailbox, const struct message *message)
{
    if (mailbox == memory_short_for) {
        memory_short_for = NULL;
        return false;
    }
    return __real_mailbox_post(mailbox, message);
}

int __wrap_event_add(struct event *event, const struct timeval *timeout)
{
    return event_add_fails ? -1 : __real_event_add(event, timeout);
}

/* Of worker/worker.h. */
struct mailbox *worker_mailbox(struct worker *worker)
{
    return &worker->mailbox;
}

static void receive(void *argument, struct message *message)
{
    struct worker *worker = argument;

    assert_int_equal(message->kind, MESSAGE_TLS);
    worker->taken++;
    worker->of = message->profile;
    free(message->context);
}

static int set_up(void **state)
{
    int64_t year_s = clock_wall_us() / 1000000 + 365 * 86400;

    contexts_made = contexts_freed = 0;
    memory_short_for = NULL;
    event_add_fails = false;
    memset(workers, 0, sizeof(workers));
    memset(profiles, 0, sizeof(profiles));
    memset(workers, 0, sizeof(workers));
    profiles[0].name = "public";
    profiles[1].name = "out";
    for (int i = 0; i < 2; i++) {
        profiles[i].warning = "";
        profiles[i].certificate.not_after_s = year_s;
        strcpy(profiles[i].certificate.subject, "www.example.com");
    }
    base = event_base_new();
    for (int i = 0; i < WORKERS; i++)
        assert_true(mailbox_open(&workers[i].mailbox, base, receive, &workers[i]));
    shared = (struct worker_shared){.workers = worker_list, .worker_count = WORKERS};
    snapshot = (struct snapshot){.tls_profiles = profile_list, .tls_profile_count = 2};
    ring = log_ring_create(64);
    log_attach(ring, -1);
    return base == NULL || ring == NULL;
}

static int clean_up(void **state)
{
    for (int i = 0; i < WORKERS; i++)
        mailbox_close(&workers[i].mailbox);
    log_attach(NULL, -1);
    log_ring_destroy(ring);
    event_base_free(base);
    return 0;
}

static struct cert_watch *open_watch(void)
{
    struct error error;
    struct cert_watch *watch = cert_watch_open(base, &snapshot, &shared, &error);

    assert_non_null(watch);
    return watch;
}

/* The next record as logfmt, or NULL. */
static const char *next_record(void)
{
    static char memory[4096];
    const struct log_record *record = log_ring_peek(ring);
    struct text text = text_over(memory, sizeof(memory));
    struct log_line line = {.out = &text, .format = LOG_LOGFMT};

    if (record == NULL)
        return NULL;
    line.level = record->level;
    record->expand(record->payload, record->size, &line);
    log_ring_pop(ring);
    return memory;
}

static void run_until(const unsigned *count, unsigned wanted)
{
    int64_t deadline_us = clock_now_us() + DEADLINE_US;

    while (*count < wanted) {
        if (clock_now_us() > deadline_us)
            fail_msg("it never came to %u", wanted);
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
}

static void test_what_changed_goes_to_each_worker_and_to_the_checks(void **state)
{
    struct cert_watch *watch = open_watch();
    const char *record;

    profiles[1].next = TLS_CHANGED;
    profiles[1].is_due = true;
    run_until(&workers[0].taken, 1);
    run_until(&workers[1].taken, 1);
    assert_ptr_equal(workers[0].of, &profiles[1]);
    assert_int_equal(profiles[1].looks, 1);
    assert_int_equal(profiles[1].forced, 0);
    assert_int_equal(profiles[0].looks, 0); /* it was not due */
    assert_int_equal(cert_watch_loads(watch)[1].succeeded, 1);
    assert_int_equal(cert_watch_loads(watch)[0].succeeded, 0);
    record = next_record();
    assert_non_null(strstr(record, "event=tls_reloaded tls=out role=client"));
    assert_non_null(strstr(record, "level=info"));
    assert_null(next_record());
    assert_int_equal(contexts_freed, 0);
    assert_int_equal(profiles[1].own, 1);
    assert_int_equal(profiles[0].own, 0);
    cert_watch_close(watch);
}

static void test_what_is_broken_is_said_and_nobody_gets_it(void **state)
{
    struct cert_watch *watch = open_watch();
    struct tls_look look;
    const char *record;

    profiles[0].next = TLS_BROKEN;
    profiles[1].next = TLS_CHANGED;
    cert_watch_reload(watch, &look);
    assert_int_equal(look.profiles, 2);
    assert_int_equal(look.changed, 1);
    assert_int_equal(look.failed, 1);
    assert_int_equal(profiles[0].forced + profiles[1].forced, 2);
    record = next_record();
    assert_non_null(strstr(record, "event=tls_reload_failed tls=public role=server"));
    assert_non_null(strstr(record, "public.pem: no certificate"));
    assert_non_null(strstr(record, "level=error"));
    assert_int_equal(cert_watch_loads(watch)[0].failed, 1);
    assert_int_equal(cert_watch_loads(watch)[0].succeeded, 0);
    run_until(&workers[1].taken, 1);
    assert_ptr_equal(workers[1].of, &profiles[1]);
    cert_watch_close(watch);
}

static void test_what_loads_and_will_be_trouble_is_said(void **state)
{
    struct cert_watch *watch = open_watch();
    struct tls_look look;

    profiles[0].next = TLS_CHANGED;
    profiles[0].warning = "it is not valid yet";
    cert_watch_reload(watch, &look);
    assert_non_null(strstr(next_record(), "event=tls_reloaded"));
    assert_non_null(strstr(next_record(), "level=warn event=tls_warning tls=public role=server "
                                          "message=\"it is not valid yet\""));
    run_until(&workers[0].taken, 1);
    run_until(&workers[1].taken, 1);
    cert_watch_close(watch);
}

static void test_a_worker_that_has_ended_loses_nothing_but_its_context(void **state)
{
    struct cert_watch *watch = open_watch();
    struct tls_look look;

    mailbox_close(&workers[0].mailbox);
    profiles[0].next = TLS_CHANGED;
    cert_watch_reload(watch, &look);
    assert_int_equal(contexts_freed, 1);
    run_until(&workers[1].taken, 1);
    assert_int_equal(workers[0].taken, 0);
    cert_watch_close(watch);
}

static void test_a_worker_that_got_nothing_is_served_a_moment_later(void **state)
{
    struct cert_watch *watch = open_watch();
    struct tls_look look;

    memory_short_for = &workers[0].mailbox;
    profiles[0].next = TLS_CHANGED;
    cert_watch_reload(watch, &look);
    assert_int_equal(look.changed, 1);
    assert_int_equal(contexts_freed, 1);
    run_until(&workers[1].taken, 1);
    assert_int_equal(workers[0].taken, 0);
    profiles[0].next = TLS_CHANGED; /* what a forced look finds */
    run_until(&workers[0].taken, 1);
    run_until(&workers[1].taken, 2);
    assert_int_equal(profiles[0].forced, 2);
    assert_int_equal(profiles[1].forced, 1);
    cert_watch_close(watch);
}

static void test_a_timer_that_cannot_be_armed_is_said(void **state)
{
    struct error error = {.text = ""};
    struct cert_watch *watch;
    struct tls_look look;

    event_add_fails = true;
    assert_null(cert_watch_open(base, &snapshot, &shared, &error));
    assert_string_equal(error.text, "out of memory");
    assert_non_null(strstr(next_record(), "event=tls_watch_stopped"));
    event_add_fails = false;
    watch = open_watch();
    event_add_fails = true;
    cert_watch_reload(watch, &look);
    assert_int_equal(look.profiles, 2);
    assert_non_null(strstr(next_record(), "level=error event=tls_watch_stopped"));
    cert_watch_close(watch);
}

static void test_certificates_that_end_soon_are_warned_of_at_the_start(void **state)
{
    struct cert_watch *watch;
    const char *record;
    unsigned looks = 0;

    profiles[0].certificate.not_after_s = clock_wall_us() / 1000000 + 20 * 86400 + 3600;
    profiles[1].certificate.not_after_s = clock_wall_us() / 1000000 + 22 * 86400;
    watch = open_watch();
    for (int64_t deadline_us = clock_now_us() + DEADLINE_US;
         log_ring_peek(ring) == NULL && clock_now_us() < deadline_us; looks++)
        event_base_loop(base, EVLOOP_NONBLOCK);
    record = next_record();
    assert_non_null(record);
    assert_non_null(strstr(record, "level=warn event=tls_expiry tls=public"));
    assert_non_null(strstr(record, "subject=www.example.com"));
    assert_non_null(strstr(record, "days_left=20"));
    assert_null(next_record());
    /* Not again at once. */
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_null(next_record());
    cert_watch_close(watch);
}

static void test_new_certificates_are_looked_at_as_well(void **state)
{
    struct cert_watch *watch = open_watch();
    struct tls_look look;

    cert_watch_warn(watch);
    assert_null(next_record());
    profiles[0].next = TLS_CHANGED;
    profiles[0].certificate.not_after_s = 1000;
    cert_watch_reload(watch, &look);
    assert_non_null(strstr(next_record(), "event=tls_reloaded"));
    for (int64_t deadline_us = clock_now_us() + DEADLINE_US;
         log_ring_peek(ring) == NULL && clock_now_us() < deadline_us;)
        event_base_loop(base, EVLOOP_NONBLOCK);
    assert_non_null(strstr(next_record(), "days_left=0"));
    cert_watch_close(watch);
}

static void test_without_profiles_no_timer_runs(void **state)
{
    struct cert_watch *watch;
    struct tls_look look;

    snapshot.tls_profile_count = 0;
    watch = open_watch();
    cert_watch_reload(watch, &look);
    assert_int_equal(look.profiles, 0);
    assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), WORKERS);
    cert_watch_close(watch);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, clean_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_changed_goes_to_each_worker_and_to_the_checks),
        TEST(test_what_is_broken_is_said_and_nobody_gets_it),
        TEST(test_what_loads_and_will_be_trouble_is_said),
        TEST(test_a_worker_that_has_ended_loses_nothing_but_its_context),
        TEST(test_a_worker_that_got_nothing_is_served_a_moment_later),
        TEST(test_a_timer_that_cannot_be_armed_is_said),
        TEST(test_certificates_that_end_soon_are_warned_of_at_the_start),
        TEST(test_new_certificates_are_looked_at_as_well),
        TEST(test_without_profiles_no_timer_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
