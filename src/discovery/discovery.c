/* SPDX-License-Identifier: Apache-2.0 */
/*
 * discovery.c - from answers to the servers of pools.
 *
 * Each server line with a name is a source; it owns the servers that its name has brought. When
 * something has changed, all sources are compared with their names in one go, in a turn of the loop
 * of their own, so that a burst of answers publishes each pool once.
 */
#include "discovery/discovery.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/text.h"
#include "discovery/dns_names.h"
#include "discovery/pool_update.h"

/* How long a server that has left is remembered: coming back, it has its health and counters. */
#define REMEMBER_MS (INT64_C(10) * 60 * 1000)

/* How often servers are forgotten. */
#define FORGET_EVERY_S 60

/* When a pool could not be published, for want of memory, it is tried again. */
#define AGAIN_MS 200

/* A source and what it has brought. */
struct source {
    const struct discovery_source *config;
    struct dns_name *name;
    struct server_group group;
    bool is_too_few; /* the present answer has fewer servers than discovery_min: said once */
};

struct discovery {
    struct discovery_options options;
    struct dns_options dns;
    struct event_base *base;
    struct resolver *resolver;
    struct dns_names *names;
    struct source *sources;
    bool *is_unpublished; /* by pool index */
    struct event *apply;
    struct event *forget;
    struct event *failures; /* a worker says that a connect to a discovered server failed */
    int failures_fd;
};

void discovery_source_release(struct discovery_source *source)
{
    free(source->host);
    free((char *)source->model.name);
    free((char *)source->model.tls_name);
}

/* ---- what a source wants ----------------------------------------------------------------------
 */

/* A family that is not preferred makes a tier behind each one. */
static int priority_of(const struct discovery *discovery, const struct addr *addr, int priority)
{
    bool is_behind = (discovery->dns.prefer == DNS_PREFER_IPV4 && addr->family != AF_INET) ||
                     (discovery->dns.prefer == DNS_PREFER_IPV6 && addr->family != AF_INET6);

    return priority * 2 + is_behind;
}

/* The greatest weight among the records of the same priority. */
static unsigned most_weight(const struct srv_answer *srv, uint16_t priority)
{
    unsigned most = 0;

    for (unsigned i = 0; i < srv->count; i++) {
        if (srv->records[i].priority == priority && srv->records[i].weight > most)
            most = srv->records[i].weight;
    }
    return most;
}

/* What the name's answer asks for; at most POOL_SERVERS_MAX. The array is for free(3); NULL without
   memory. */
static struct wanted_server *list_wanted(const struct discovery *discovery,
                                         const struct source *source, unsigned *count)
{
    const struct dns_name *name = source->name;
    const struct srv_answer *srv = &name->srv;
    struct wanted_server *wanted = calloc(POOL_SERVERS_MAX, sizeof(*wanted));
    unsigned records = name->is_srv ? srv->count : 1;
    unsigned most = 0;

    *count = 0;
    for (unsigned i = 0; wanted != NULL && i < records; i++) {
        const struct dns_name *host = name->is_srv ? name->targets[i] : name;
        const struct srv_record *record = name->is_srv ? &srv->records[i] : NULL;

        /* They are sorted by priority. */
        if (record != NULL && (i == 0 || record->priority != record[-1].priority))
            most = most_weight(srv, record->priority);
        for (unsigned j = 0; j < host->addr_count && *count < POOL_SERVERS_MAX; j++) {
            struct wanted_server *server = &wanted[(*count)++];

            server->addr = host->addrs[j];
            server->addr.port = record != NULL ? record->port : source->config->port;
            server->weight =
                record != NULL ? srv_weight(record->weight, most) : source->config->model.weight;
            server->priority =
                priority_of(discovery, &server->addr, record != NULL ? record->priority : 0);
        }
    }
    return wanted;
}

/* ---- taking it over ---------------------------------------------------------------------------
 */

static void begin_event(struct log_event *event, enum log_level level, const char *word,
                        const struct source *source)
{
    log_event_begin(event, level, word);
    log_event_string(event, "pool", source->config->pool->name);
    log_event_string(event, "name", source->name->text);
    log_event_string(event, "type", source->name->is_srv ? "srv" : "host");
}

static void log_changes(const struct source *source, const struct pool_changes *changes)
{
    struct log_event event;

    begin_event(&event, LOG_INFO, "dns_answer", source);
    log_event_integer(&event, "servers", source->group.count);
    log_event_integer(&event, "added", changes->added);
    log_event_integer(&event, "removed", changes->removed);
    log_event_integer(&event, "changed", changes->changed);
    log_event_seconds(&event, "ttl_s", source->name->schedule.ttl_ms * 1000);
    log_event_post(&event);
    if (changes->refused == 0)
        return;
    begin_event(&event, LOG_WARN, "dns_too_many", source);
    log_event_integer(&event, "left_out", changes->refused);
    log_event_post(&event);
}

/* Whether the answer is to be ignored: it has fewer servers than discovery_min, and the last good
   one still stands, with the addresses of its targets. */
static bool is_too_few(struct source *source, unsigned count)
{
    unsigned least = (unsigned)source->config->pool->options.discovery_min;
    bool is_few = count < least && count < source->group.count &&
                  (source->name->state == NAME_GOOD || source->name->state == NAME_STALE) &&
                  !dns_name_has_expired(source->name);
    struct log_event event;

    if (is_few && !source->is_too_few) {
        begin_event(&event, LOG_WARN, "dns_too_few", source);
        log_event_integer(&event, "servers", count);
        log_event_integer(&event, "discovery_min", least);
        log_event_string(&event, "effect", "the last answer is kept");
        log_event_post(&event);
    }
    source->is_too_few = is_few;
    return is_few;
}

/* The last word of a removed server: its state, and its sessions. */
static void on_removed(void *argument, struct pool *pool, struct server *server,
                       enum server_state from)
{
    struct discovery *discovery = argument;

    if (discovery->options.gone != NULL)
        discovery->options.gone(discovery->options.argument, pool, server, from);
}

static void on_added(void *argument, struct pool *pool, struct server *server, bool joins)
{
    struct discovery *discovery = argument;

    if (discovery->options.came != NULL)
        discovery->options.came(discovery->options.argument, pool, server, joins);
}

/* An SRV name whose targets have all lost their addresses is as good as one without an answer: the
   servers stay while the targets' look-ups fail and `stale` allows. */
static void apply_source(struct discovery *discovery, struct source *source)
{
    const struct update_hooks hooks = {
        .added = on_added, .removed = on_removed, .argument = discovery};
    struct pool_changes changes;
    struct wanted_server *wanted;
    unsigned count;

    if (dns_name_is_pending(source->name))
        return;
    wanted = list_wanted(discovery, source, &count);
    if (wanted != NULL && !is_too_few(source, count) &&
        pool_update_apply(&source->group, wanted, count, clock_now_ms(), &hooks, &changes)) {
        log_changes(source, &changes);
        discovery->is_unpublished[source->config->pool->index] = true;
    }
    free(wanted);
}

static void publish(struct discovery *discovery)
{
    static const struct timeval again = {.tv_usec = AGAIN_MS * 1000};
    bool is_left = false;

    for (unsigned i = 0; i < discovery->options.source_count; i++) {
        struct pool *pool = discovery->sources[i].config->pool;

        if (!discovery->is_unpublished[pool->index])
            continue;
        if (discovery->options.publish(discovery->options.argument, pool))
            discovery->is_unpublished[pool->index] = false;
        else
            is_left = true;
    }
    if (is_left)
        evtimer_add(discovery->apply, &again);
}

static void on_apply(evutil_socket_t fd, short what, void *argument)
{
    struct discovery *discovery = argument;

    (void)fd;
    (void)what;
    for (unsigned i = 0; i < discovery->options.source_count; i++)
        apply_source(discovery, &discovery->sources[i]);
    publish(discovery);
}

static void on_names_changed(void *argument)
{
    static const struct timeval at_once = {0};
    struct discovery *discovery = argument;

    evtimer_add(discovery->apply, &at_once);
}

/* ---- failed connects, and servers to forget ---------------------------------------------------
 */

static void hurry(struct discovery *discovery, const struct pool *pool)
{
    for (unsigned i = 0; i < discovery->options.source_count; i++) {
        if (discovery->sources[i].config->pool == pool)
            dns_names_hurry(discovery->sources[i].name);
    }
}

static void on_failures(evutil_socket_t fd, short what, void *argument)
{
    struct discovery *discovery = argument;
    eventfd_t count;

    (void)what;
    (void)eventfd_read(fd, &count);
    for (unsigned i = 0; i < discovery->options.source_count; i++) {
        struct pool *pool = discovery->sources[i].config->pool;

        /* In one step: a wish that came between a look and a clearing would be lost. */
        if (atomic_exchange_explicit(&pool->lookup_wanted, false, memory_order_relaxed))
            hurry(discovery, pool);
    }
}

static void on_forget(evutil_socket_t fd, short what, void *argument)
{
    struct discovery *discovery = argument;

    (void)fd;
    (void)what;
    for (unsigned i = 0; i < discovery->options.source_count; i++)
        pool_reclaim(discovery->sources[i].config->pool, clock_now_ms() - REMEMBER_MS);
}

/* ---- life -------------------------------------------------------------------------------------
 */

static bool open_events(struct discovery *discovery)
{
    static const struct timeval forget_every = {.tv_sec = FORGET_EVERY_S};

    discovery->apply = evtimer_new(discovery->base, on_apply, discovery);
    discovery->forget = event_new(discovery->base, -1, EV_PERSIST, on_forget, discovery);
    discovery->failures_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (discovery->apply == NULL || discovery->forget == NULL || discovery->failures_fd == -1)
        return false;
    discovery->failures = event_new(discovery->base, discovery->failures_fd, EV_READ | EV_PERSIST,
                                    on_failures, discovery);
    return discovery->failures != NULL && event_add(discovery->failures, NULL) == 0 &&
           event_add(discovery->forget, &forget_every) == 0;
}

static bool open_sources(struct discovery *discovery)
{
    for (unsigned i = 0; i < discovery->options.source_count; i++) {
        const struct discovery_source *config = &discovery->options.sources[i];
        struct source *source = &discovery->sources[i];

        source->config = config;
        source->group = (struct server_group){.pool = config->pool, .model = &config->model};
        source->name = dns_names_use(discovery->names, config->host, config->is_srv, false);
        if (source->name == NULL)
            return false;
        config->pool->lookup_fd = discovery->failures_fd;
    }
    return true;
}

struct discovery *discovery_open(struct event_base *base, const struct discovery_options *options,
                                 struct error *error)
{
    struct discovery *discovery = calloc(1, sizeof(*discovery));
    unsigned pools = 0;

    if (discovery == NULL)
        goto no_memory;
    discovery->options = *options;
    discovery->dns = *options->dns;
    discovery->base = base;
    discovery->failures_fd = -1;
    for (unsigned i = 0; i < options->source_count; i++)
        pools =
            options->sources[i].pool->index >= pools ? options->sources[i].pool->index + 1 : pools;
    discovery->sources = calloc(options->source_count + 1, sizeof(*discovery->sources));
    discovery->is_unpublished = calloc(pools + 1, sizeof(bool));
    if (discovery->sources == NULL || discovery->is_unpublished == NULL || !open_events(discovery))
        goto no_memory;
    discovery->resolver = resolver_open(base, &discovery->dns.resolver, error);
    if (discovery->resolver == NULL)
        goto fail;
    discovery->names = dns_names_create(base,
                                        &(struct dns_names_options){.resolver = discovery->resolver,
                                                                    .rules = discovery->dns.rules,
                                                                    .changed = on_names_changed,
                                                                    .argument = discovery},
                                        error);
    if (discovery->names == NULL)
        goto fail;
    if (open_sources(discovery))
        return discovery;

no_memory:
    error_set(error, EX_OSERR, "cannot set up discovery: out of memory or descriptors");
fail:
    discovery_close(discovery);
    return NULL;
}

static void free_event(struct event *event)
{
    if (event != NULL)
        event_free(event);
}

void discovery_close(struct discovery *discovery)
{
    if (discovery == NULL)
        return;
    resolver_close(discovery->resolver);
    dns_names_destroy(discovery->names);
    for (unsigned i = 0; discovery->sources != NULL && i < discovery->options.source_count; i++) {
        if (discovery->sources[i].config != NULL)
            discovery->sources[i].config->pool->lookup_fd = -1;
        server_group_release(&discovery->sources[i].group);
    }
    free_event(discovery->apply);
    free_event(discovery->forget);
    free_event(discovery->failures);
    if (discovery->failures_fd != -1)
        close(discovery->failures_fd);
    free(discovery->sources);
    free(discovery->is_unpublished);
    free(discovery);
}

static bool is_settled(const struct discovery *discovery)
{
    for (unsigned i = 0; i < discovery->options.source_count; i++) {
        if (dns_name_is_pending(discovery->sources[i].name))
            return false;
    }
    return !evtimer_pending(discovery->apply, NULL);
}

static void on_settle_end(evutil_socket_t fd, short what, void *argument)
{
    (void)fd;
    (void)what;
    (void)argument; /* it only ends a wait */
}

void discovery_settle(struct discovery *discovery, int64_t wait_ms)
{
    const struct timeval wait = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
    struct event *end = evtimer_new(discovery->base, on_settle_end, NULL);

    if (end == NULL)
        return;
    evtimer_add(end, &wait);
    while (!is_settled(discovery) && evtimer_pending(end, NULL))
        event_base_loop(discovery->base, EVLOOP_ONCE);
    event_free(end);
}

/* ---- what can be seen -------------------------------------------------------------------------
 */

static unsigned count_servers(const struct discovery *discovery, const struct dns_name *name)
{
    unsigned count = 0;

    for (unsigned i = 0; i < discovery->options.source_count; i++) {
        if (discovery->sources[i].name == name)
            count += discovery->sources[i].group.count;
    }
    return count;
}

bool discovery_next(const struct discovery *discovery, const void **cursor, struct name_view *view)
{
    const struct dns_name *name;

    if (discovery == NULL)
        return false;
    name = *cursor == NULL ? dns_names_first(discovery->names)
                           : ((const struct dns_name *)*cursor)->hh.next;
    while (name != NULL && name->users == 0)
        name = name->hh.next;
    if (name == NULL)
        return false;
    *cursor = name;
    *view = (struct name_view){.name = name->text,
                               .is_srv = name->is_srv,
                               .is_target = name->is_target,
                               .state = name->state,
                               .result = name->result,
                               .since_ms = name->since_ms,
                               .answered_ms = name->schedule.answered_ms,
                               .ttl_ms = name->schedule.ttl_ms,
                               .due_ms = name->schedule.due_ms,
                               .servers = count_servers(discovery, name),
                               .addr_count = name->addr_count,
                               .addrs = name->addrs,
                               .lookups = name->lookups};
    return true;
}
