/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checker.c - one timer and one probe per server.
 *
 * The next check is due a pause after the last one began, whatever that took. A check that failed
 * for want of something on this machine says nothing about its server and changes nothing.
 */
#include "health/checker.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/random.h"
/* A check that finds CHECKS_AT_ONCE others looks again after this. */
#define BUSY_PAUSE_MS 20

struct check {
    struct checked_pool *pool;
    struct server *server;
    uint64_t serial; /* of the server */
    struct health_rules rules;
    struct event timer;
    struct probe probe;
    int64_t started_ms;
    bool has_result;
    struct probe_result last;
    int64_t last_wall_us;
    uint64_t outcomes[PROBE_OUTCOMES];
};

struct checked_pool {
    struct checker *checker;
    struct pool *pool;
    const struct health_options *options; /* NULL: not checked */
    struct probe_options probe;
    struct check **checks; /* by the server's position */
    uint64_t last_serial;  /* servers above it are new */
};

struct checker {
    struct checker_options options;
    struct checked_pool *pools;
    struct descriptor_reserve reserve;
    uint64_t seed;
    unsigned busy; /* checks without a verdict */
    struct log_limit local_limit;
};

static uint64_t draw(struct checker *checker)
{
    return random_next(&checker->seed) >> 16;
}

static void arm(struct check *check, int64_t delay_ms)
{
    struct timeval delay;

    if (delay_ms < 0)
        delay_ms = 0;
    delay = (struct timeval){.tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000};
    event_add(&check->timer, &delay);
}

/* ---- results ----------------------------------------------------------------------------------
 */

static void log_local_error(struct check *check, const struct probe_result *result)
{
    uint64_t suppressed;
    struct log_event event;

    if (!log_limit_pass(&check->pool->checker->local_limit, clock_now_ms(), &suppressed))
        return;
    log_event_begin(&event, LOG_WARN, "check_not_possible");
    log_event_string(&event, "pool", check->pool->pool->name);
    log_event_string(&event, "server", check->server->name);
    log_event_string(&event, "detail", result->cause);
    log_event_integer(&event, "suppressed", (int64_t)suppressed);
    log_event_post(&event);
}

/* Each result is too much for a log; one that differs from the last is of use to who looks. */
static void log_result(const struct check *check, const struct probe_result *result)
{
    struct log_event event;

    if (check->has_result && check->last.outcome == result->outcome)
        return;
    log_event_begin(&event, LOG_DEBUG, "check_result");
    log_event_string(&event, "pool", check->pool->pool->name);
    log_event_string(&event, "server", check->server->name);
    log_event_string(&event, "result", probe_outcome_word(result->outcome));
    log_event_string(&event, "detail", result->cause);
    log_event_seconds(&event, "duration_s", result->duration_us);
    log_event_post(&event);
}

static void tell(const struct check *check, enum server_state from, const char *detail,
                 bool is_down)
{
    const struct checker_options *options = &check->pool->checker->options;

    options->changed(options->argument, check->pool->pool, check->server, from, detail, is_down);
}

static void go_down(struct check *check, const char *cause)
{
    enum server_state from = server_state_of(check->server);

    atomic_store_explicit(&check->server->check, SERVER_CHECK_DOWN, memory_order_relaxed);
    tell(check, from, cause, true);
}

static void go_up(struct check *check)
{
    struct server *server = check->server;
    enum server_state from = server_state_of(server);

    atomic_store_explicit(&server->up_since_ms, clock_now_ms(), memory_order_relaxed);
    atomic_store_explicit(&server->check, SERVER_CHECK_UP, memory_order_relaxed);
    tell(check, from, "checks are good", false);
}

/* Good checks speak for a server that failed connects have put out. */
static void look_at_ejection(struct check *check, bool is_good)
{
    struct server *server = check->server;
    enum server_state from = server_state_of(server);
    bool is_ejected = atomic_load_explicit(&server->health, memory_order_relaxed) == SERVER_EJECTED;

    if (health_rules_end_ejection(&check->rules, &check->pool->options->timing, is_ejected,
                                  is_good) &&
        pool_connect_succeeded(check->pool->pool, server, clock_now_ms()))
        tell(check, from, "checks are good", false);
}

static void take_result(struct check *check, const struct probe_result *result)
{
    const struct health_timing *timing = &check->pool->options->timing;
    bool is_good = result->outcome == PROBE_OK;

    look_at_ejection(check, is_good);
    switch (health_rules_note(&check->rules, timing, is_good)) {
    case HEALTH_SAME:
        break;
    case HEALTH_WENT_UP:
        go_up(check);
        break;
    case HEALTH_WENT_DOWN:
        go_down(check, result->cause);
        break;
    }
}

static void on_done(void *argument, const struct probe_result *result)
{
    struct check *check = argument;
    struct checker *checker = check->pool->checker;
    int64_t pause_ms;

    checker->busy--;
    check->outcomes[result->outcome]++;
    log_result(check, result);
    if (result->outcome == PROBE_LOCAL)
        log_local_error(check, result);
    else
        take_result(check, result);
    pause_ms = health_rules_pause_ms(&check->rules, &check->pool->options->timing, draw(checker));
    check->has_result = true;
    check->last = *result;
    check->last_wall_us = clock_wall_us();
    arm(check, check->started_ms + pause_ms - clock_now_ms());
}

/* ---- one check --------------------------------------------------------------------------------
 */

static struct probe_target target_of(const struct check *check)
{
    const struct server *server = check->server;
    const struct health_options *options = check->pool->options;
    struct probe_target target = {
        .addr = server->addr,
        .host = server->tls_name != NULL ? server->tls_name : server->name,
        .tls_name = options->tls_name != NULL ? options->tls_name : server->tls_name,
        .session_key = server->serial,
    };

    target.source_count =
        pool_sources(&check->pool->pool->options, server->addr.family, &target.sources);
    if (server->addr.family == AF_UNIX) {
        if (server->tls_name == NULL)
            target.host = "localhost"; /* a path is no host, and servers refuse it as one */
        return target;
    }
    if (server->health_port != 0)
        target.addr.port = server->health_port;
    else if (options->port != 0)
        target.addr.port = options->port;
    return target;
}

static void on_timer(evutil_socket_t fd, short what, void *argument)
{
    struct check *check = argument;
    struct checker *checker = check->pool->checker;
    struct probe_target target = target_of(check);

    (void)fd;
    (void)what;
    check->started_ms = clock_now_ms();
    if (atomic_load_explicit(&check->server->admin, memory_order_relaxed) == SERVER_ADMIN_MAINT) {
        arm(check, check->pool->options->timing.interval_ms);
        return;
    }
    if (checker->busy >= CHECKS_AT_ONCE) {
        arm(check, BUSY_PAUSE_MS);
        return;
    }
    checker->busy++;
    probe_start(&check->probe, &check->pool->probe, &target);
}

static void check_destroy(struct check *check)
{
    struct checked_pool *checked = check->pool;

    if (probe_is_busy(&check->probe))
        checked->checker->busy--;
    probe_release(&check->probe);
    event_del(&check->timer);
    free(check);
}

static void check_create(struct checked_pool *checked, struct server *server)
{
    struct checker *checker = checked->checker;
    const struct health_timing *timing = &checked->options->timing;
    struct check *check = calloc(1, sizeof(*check));

    if (check == NULL)
        return; /* looked at again with the pool's next change */
    check->pool = checked;
    check->server = server;
    check->serial = server->serial;
    health_rules_init(&check->rules, timing);
    if (server->serial > checked->last_serial && timing->starts_down)
        atomic_store_explicit(&server->check, SERVER_CHECK_DOWN, memory_order_relaxed);
    else if (server->serial <= checked->last_serial)
        check->rules.is_new = false; /* it was away, and is what it was */
    check->rules.is_up =
        atomic_load_explicit(&server->check, memory_order_relaxed) == SERVER_CHECK_UP;
    probe_init(&check->probe, checker->options.base, &checker->reserve, on_done, check);
    (void)evtimer_assign(&check->timer, checker->options.base, on_timer, check);
    checked->checks[server->position] = check;
    arm(check, health_rules_first_ms(timing, draw(checker)));
}

/* ---- pools ------------------------------------------------------------------------------------
 */

/* Whether there is anything to check: not a service of our own, nor a name without an address. */
static bool is_checkable(const struct server *server)
{
    return server != NULL && server->builtin == BUILTIN_NONE && server->addr.family != AF_UNSPEC &&
           !atomic_load_explicit(&server->is_removed, memory_order_relaxed);
}

static void look_at_servers(struct checked_pool *checked)
{
    struct pool *pool = checked->pool;
    uint64_t last_serial = checked->last_serial;

    for (unsigned i = 0; i < pool->capacity; i++) {
        struct server *server = i < pool->server_count ? pool->servers[i] : NULL;
        struct check *check = checked->checks[i];
        bool is_wanted = is_checkable(server);

        if (check != NULL && (!is_wanted || check->serial != server->serial)) {
            checked->checks[i] = NULL;
            check_destroy(check);
        }
        if (is_wanted && checked->checks[i] == NULL)
            check_create(checked, server);
        if (is_wanted && server->serial > last_serial)
            last_serial = server->serial;
    }
    checked->last_serial = last_serial;
}

static bool open_pool(struct checker *checker, unsigned index)
{
    const struct health_options *options = checker->options.health[index];
    struct checked_pool *checked = &checker->pools[index];

    checked->checker = checker;
    checked->pool = &checker->options.pools[index];
    checked->options = options;
    if (options == NULL)
        return true;
    checked->probe = (struct probe_options){
        .exchange = &options->exchange,
        .tls = options->tls,
        .any_tls = options->any_tls,
        .tls_slot = checker->options.tls_slot,
        .timeout_ms = options->timing.timeout_ms,
        .sends_proxy = options->sends_proxy,
        .resets = options->resets,
    };
    checked->checks = calloc(checked->pool->capacity + 1, sizeof(struct check *));
    if (checked->checks == NULL)
        return false;
    look_at_servers(checked);
    return true;
}

struct checker *checker_open(const struct checker_options *options, struct error *error)
{
    struct checker *checker = calloc(1, sizeof(*checker));
    bool is_any = false;

    if (checker == NULL)
        goto fail;
    checker->options = *options;
    checker->seed = (uint64_t)clock_now_us() | 1;
    checker->pools = calloc(options->pool_count + 1, sizeof(*checker->pools));
    if (checker->pools == NULL)
        goto fail;
    for (unsigned i = 0; i < options->pool_count; i++)
        is_any |= options->health[i] != NULL;
    if (is_any)
        descriptor_reserve_init(&checker->reserve);
    for (unsigned i = 0; i < options->pool_count; i++) {
        if (!open_pool(checker, i))
            goto fail;
    }
    return checker;

fail:
    checker_close(checker);
    error_set(error, EX_OSERR, "out of memory");
    return NULL;
}

void checker_close(struct checker *checker)
{
    if (checker == NULL)
        return;
    for (unsigned i = 0; checker->pools != NULL && i < checker->options.pool_count; i++) {
        struct checked_pool *checked = &checker->pools[i];

        for (unsigned k = 0; checked->checks != NULL && k < checked->pool->capacity; k++) {
            if (checked->checks[k] != NULL)
                check_destroy(checked->checks[k]);
        }
        free(checked->checks);
    }
    descriptor_reserve_release(&checker->reserve);
    free(checker->pools);
    free(checker);
}

void checker_pool_changed(struct checker *checker, struct pool *pool)
{
    struct checked_pool *checked;

    if (checker == NULL)
        return;
    checked = &checker->pools[pool->index];
    if (checked->options != NULL)
        look_at_servers(checked);
}

bool checker_report(const struct checker *checker, const struct pool *pool,
                    const struct server *server, struct check_report *report)
{
    const struct checked_pool *checked;
    const struct check *check;

    if (checker == NULL)
        return false;
    checked = &checker->pools[pool->index];
    check = checked->checks == NULL ? NULL : checked->checks[server->position];
    if (check == NULL || check->serial != server->serial)
        return false;
    *report = (struct check_report){
        .options = checked->options,
        .has_result = check->has_result,
        .last = check->last,
        .last_wall_us = check->last_wall_us,
        .is_up = check->rules.is_up,
        .against = check->rules.against,
    };
    memcpy(report->outcomes, check->outcomes, sizeof(report->outcomes));
    return true;
}
