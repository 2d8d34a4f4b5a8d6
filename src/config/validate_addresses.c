/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate_addresses.c - binds against binds, and servers against binds.
 */
#include "config/validate_addresses.h"

#include <stdlib.h>
#include <string.h>

/* One bound address. */
struct bound {
    struct addr addr;
    const struct item *item;
    const struct section *section;
    bool is_v6_only;
    bool reuses_port;
};

struct bounds {
    struct bound *list;
    size_t count;
    size_t capacity;
};

static bool is_wildcard(const struct addr *addr)
{
    return (addr->family == AF_INET && addr->v4.s_addr == htonl(INADDR_ANY)) ||
           (addr->family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&addr->v6));
}

static bool is_loopback(const struct addr *addr)
{
    if (addr->family == AF_INET)
        return (ntohl(addr->v4.s_addr) >> 24) == 127;
    return addr->family == AF_UNIX || (addr->family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&addr->v6));
}

/* Where an item binds: an endpoint has one address, a host name all of its own. */
static const struct addr *bind_addrs(const struct item *item, size_t *count)
{
    const struct endpoint *endpoint = item->endpoint;

    *count = 0;
    if (endpoint == NULL)
        return NULL;
    if (endpoint->kind == ENDPOINT_HOST) {
        *count = endpoint->addr_count;
        return endpoint->addrs;
    }
    *count = 1;
    return &endpoint->addr;
}

static bool bounds_add(struct bounds *bounds, const struct bound *bound)
{
    if (bounds->count == bounds->capacity) {
        size_t capacity = bounds->capacity == 0 ? 64 : 2 * bounds->capacity;
        struct bound *list = realloc(bounds->list, capacity * sizeof(*list));

        if (list == NULL)
            return false;
        bounds->list = list;
        bounds->capacity = capacity;
    }
    bounds->list[bounds->count++] = *bound;
    return true;
}

static bool collect(struct bounds *bounds, const struct section *section, enum option_id option,
                    bool is_v6_only, bool reuses_port)
{
    const struct setting *bind = section_value(section, option);

    for (size_t i = 0; i < bind->count; i++) {
        struct bound bound = {.item = &bind->items[i],
                              .section = section,
                              .is_v6_only = is_v6_only,
                              .reuses_port = reuses_port};
        size_t count;
        const struct addr *addrs = bind_addrs(bound.item, &count);

        for (size_t k = 0; k < count; k++) {
            bound.addr = addrs[k];
            if (!bounds_add(bounds, &bound))
                return false;
        }
    }
    return true;
}

/* "off" beside an address contradicts itself. */
static void check_off(const struct section *section, enum option_id option,
                      struct diagnostics *diagnostics)
{
    const struct setting *bind = section_value(section, option);

    for (size_t i = 0; i < bind->count && bind->count > 1; i++) {
        if (bind->items[i].word >= 0)
            diagnostics_error(diagnostics, TOPIC_VALUE, &bind->items[i].origin,
                              "'off' cannot stand beside an address");
    }
}

/* [metrics] may name an address of [admin], which then serves it. */
static bool is_served_by_admin(const struct bounds *bounds, const struct addr *addr)
{
    for (size_t i = 0; i < bounds->count; i++) {
        if (bounds->list[i].section->kind == SECTION_ADMIN &&
            addr_equal(&bounds->list[i].addr, addr))
            return true;
    }
    return false;
}

static bool collect_metrics(struct bounds *bounds, const struct section *section)
{
    struct bounds metrics = {0};
    bool is_good = collect(&metrics, section, METRICS_BIND, false, false);

    for (size_t i = 0; i < metrics.count && is_good; i++) {
        if (!is_served_by_admin(bounds, &metrics.list[i].addr))
            is_good = bounds_add(bounds, &metrics.list[i]);
    }
    free(metrics.list);
    return is_good;
}

static bool collect_all(const struct settings *settings, struct bounds *bounds,
                        struct diagnostics *diagnostics)
{
    const struct section *listener = settings_first(settings, SECTION_LISTEN);
    const struct section *admin = settings_first(settings, SECTION_ADMIN);
    const struct section *metrics = settings_first(settings, SECTION_METRICS);
    bool is_good = true;

    if (admin != NULL) {
        check_off(admin, ADMIN_BIND, diagnostics);
        is_good = collect(bounds, admin, ADMIN_BIND, false, false);
    }
    if (metrics != NULL && is_good) {
        check_off(metrics, METRICS_BIND, diagnostics);
        is_good = collect_metrics(bounds, metrics);
    }
    for (; listener != NULL && is_good; listener = section_next(listener)) {
        if (settings_number(settings, listener, LISTEN_ENABLED))
            is_good = collect(bounds, listener, LISTEN_BIND,
                              settings_number(settings, listener, LISTEN_V6_ONLY) != 0,
                              settings_number(settings, listener, LISTEN_REUSE_PORT) != 0);
    }
    return is_good;
}

/* By port, wildcards first, then by address, then by place. */
static int compare(const void *a_pointer, const void *b_pointer)
{
    const struct bound *a = a_pointer;
    const struct bound *b = b_pointer;
    int difference;

    if (a->addr.port != b->addr.port)
        return a->addr.port < b->addr.port ? -1 : 1;
    if (is_wildcard(&a->addr) != is_wildcard(&b->addr))
        return is_wildcard(&a->addr) ? -1 : 1;
    if (a->addr.family != b->addr.family)
        return a->addr.family < b->addr.family ? -1 : 1;
    if (a->addr.family == AF_UNIX)
        difference = strcmp(a->addr.path, b->addr.path);
    else if (a->addr.family == AF_INET)
        difference = memcmp(&a->addr.v4, &b->addr.v4, sizeof(a->addr.v4));
    else
        difference = memcmp(&a->addr.v6, &b->addr.v6, sizeof(a->addr.v6));
    if (difference != 0)
        return difference;
    if (a->item->origin.file != b->item->origin.file && a->item->origin.file != NULL &&
        b->item->origin.file != NULL)
        return a->item->origin.file->number < b->item->origin.file->number ? -1 : 1;
    if (a->item->origin.line != b->item->origin.line)
        return a->item->origin.line < b->item->origin.line ? -1 : 1;
    return a->item->origin.column < b->item->origin.column ? -1 : 1;
}

/* Whether a wildcard socket takes the address of the other, too (socket(7), ipv6(7)). */
static bool covers(const struct bound *wildcard, const struct bound *other)
{
    if (wildcard->reuses_port && other->reuses_port)
        return false;
    if (wildcard->addr.family == AF_INET6 && other->addr.family == AF_INET)
        return !wildcard->is_v6_only;
    if (wildcard->addr.family == AF_INET && other->addr.family == AF_INET6)
        return is_wildcard(&other->addr) && !other->is_v6_only;
    return wildcard->addr.family == other->addr.family;
}

static void report(const struct bound *first, const struct bound *second, bool is_same,
                   struct diagnostics *diagnostics)
{
    char first_addr[ADDR_TEXT_BYTES];
    char second_addr[ADDR_TEXT_BYTES];
    char section[SECTION_TEXT_BYTES];
    char place[512];

    addr_text(&first->addr, first_addr);
    addr_text(&second->addr, second_addr);
    section_text(first->section, section, sizeof(section));
    origin_text(&first->item->origin, place, sizeof(place));
    if (is_same)
        diagnostics_error(diagnostics, TOPIC_ADDRESS, &second->item->origin,
                          "%s is bound twice: %s has it already (%s)", second_addr, section, place);
    else
        diagnostics_error(diagnostics, TOPIC_ADDRESS, &second->item->origin,
                          "%s is part of %s, which %s binds (%s)", second_addr, first_addr, section,
                          place);
}

static void check_twice(const struct bounds *bounds, struct diagnostics *diagnostics)
{
    const struct bound *v4_wildcard = NULL;
    const struct bound *v6_wildcard = NULL;

    for (size_t i = 0; i < bounds->count; i++) {
        const struct bound *bound = &bounds->list[i];
        const struct bound *before = i > 0 ? bound - 1 : NULL;

        if (bound->addr.port == 0 && bound->addr.family != AF_UNIX)
            continue; /* the kernel chooses */
        if (before == NULL || before->addr.port != bound->addr.port)
            v4_wildcard = v6_wildcard = NULL;
        if (before != NULL && addr_equal(&before->addr, &bound->addr))
            report(before, bound, true, diagnostics);
        else if (v4_wildcard != NULL && covers(v4_wildcard, bound))
            report(v4_wildcard, bound, false, diagnostics);
        else if (v6_wildcard != NULL && covers(v6_wildcard, bound))
            report(v6_wildcard, bound, false, diagnostics);
        if (is_wildcard(&bound->addr) && bound->addr.family == AF_INET)
            v4_wildcard = bound;
        else if (is_wildcard(&bound->addr))
            v6_wildcard = bound;
    }
}

static void check_exposed(const struct bounds *bounds, struct diagnostics *diagnostics)
{
    for (size_t i = 0; i < bounds->count; i++) {
        const struct bound *bound = &bounds->list[i];

        if (bound->section->kind == SECTION_ADMIN && !is_loopback(&bound->addr))
            diagnostics_error(diagnostics, TOPIC_EXPOSED, &bound->item->origin,
                              "[admin] bind must be a loopback address: the API has no password; "
                              "[metrics] bind serves metrics and probes to others");
    }
}

/* ---- loops ------------------------------------------------------------------------------------
 */

/* Whether connecting to `server` reaches a socket bound to `bound`. */
static bool reaches(const struct addr *server, const struct addr *bound)
{
    if (addr_equal(server, bound))
        return bound->family == AF_UNIX || bound->port != 0;
    return bound->port != 0 && server->port == bound->port && is_wildcard(bound) &&
           server->family != AF_UNIX && is_loopback(server);
}

static bool reaches_listener(const struct addr *server, const struct section *listener)
{
    const struct setting *bind = section_value(listener, LISTEN_BIND);

    for (size_t i = 0; i < bind->count; i++) {
        size_t count;
        const struct addr *addrs = bind_addrs(&bind->items[i], &count);

        for (size_t k = 0; k < count; k++) {
            if (reaches(server, &addrs[k]))
                return true;
        }
    }
    return false;
}

static void check_loop(const struct section *listener, const struct setting *servers,
                       struct diagnostics *diagnostics)
{
    char where[SECTION_TEXT_BYTES];

    for (size_t i = 0; i < servers->count; i++) {
        size_t count;
        const struct addr *addrs = bind_addrs(&servers->items[i], &count);
        bool is_loop = false;

        for (size_t k = 0; k < count && !is_loop; k++)
            is_loop = addrs[k].family != AF_UNSPEC && reaches_listener(&addrs[k], listener);
        if (is_loop)
            diagnostics_warning(diagnostics, TOPIC_LOOP, &servers->items[i].origin,
                                "this server is %s itself: each session would open another one",
                                section_text(listener, where, sizeof(where)));
    }
}

static void check_loops(const struct settings *settings, struct diagnostics *diagnostics)
{
    const struct section *listener = settings_first(settings, SECTION_LISTEN);

    for (; listener != NULL; listener = section_next(listener)) {
        const char *name = settings_text(settings, listener, LISTEN_POOL);
        const struct section *pool =
            name == NULL ? NULL : settings_find(settings, SECTION_POOL, name);

        check_loop(listener, section_value(listener, LISTEN_SERVER), diagnostics);
        if (pool != NULL)
            check_loop(listener, section_value(pool, POOL_SERVER), diagnostics);
    }
}

void validate_addresses(const struct settings *settings, struct diagnostics *diagnostics)
{
    struct bounds bounds = {0};

    if (!collect_all(settings, &bounds, diagnostics)) {
        (void)diagnostics_out_of_memory(diagnostics);
    } else {
        check_exposed(&bounds, diagnostics);
        if (bounds.count > 0)
            qsort(bounds.list, bounds.count, sizeof(*bounds.list), compare);
        check_twice(&bounds, diagnostics);
        check_loops(settings, diagnostics);
    }
    free(bounds.list);
}
