/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate_outgoing.c - `server = original`, `source` and `transparent` against what is around
 * them.
 */
#include "config/validate_outgoing.h"

#include <string.h>

static bool is_original(const struct item *server)
{
    return server->endpoint != NULL && server->endpoint->kind == ENDPOINT_ORIGINAL;
}

/* The `original` server of the list, or NULL. */
static const struct item *find_original(const struct setting *servers)
{
    for (size_t i = 0; i < servers->count; i++) {
        if (is_original(&servers->items[i]))
            return &servers->items[i];
    }
    return NULL;
}

static void check_alone(const struct section *section, const struct setting *servers,
                        struct diagnostics *diagnostics)
{
    const struct item *original = find_original(servers);
    char where[SECTION_TEXT_BYTES];

    if (original != NULL && servers->count > 1)
        diagnostics_error(diagnostics, TOPIC_VALUE, &original->origin,
                          "'original' must be the only server of %s: its sessions go where their "
                          "clients wanted to go",
                          section_text(section, where, sizeof(where)));
}

/* The servers of the listener's own pool, or of the one it names. */
static const struct setting *servers_of(const struct settings *settings,
                                        const struct section *listener)
{
    const char *name = settings_text(settings, listener, LISTEN_POOL);
    const struct section *pool = name == NULL ? NULL : settings_find(settings, SECTION_POOL, name);

    return pool != NULL ? section_value(pool, POOL_SERVER) : section_value(listener, LISTEN_SERVER);
}

static void check_listener(const struct settings *settings, const struct section *listener,
                           struct diagnostics *diagnostics)
{
    const struct setting *bind = section_value(listener, LISTEN_BIND);
    char where[SECTION_TEXT_BYTES];

    check_alone(listener, section_value(listener, LISTEN_SERVER), diagnostics);
    if (find_original(servers_of(settings, listener)) == NULL)
        return;
    for (size_t i = 0; i < bind->count; i++) {
        const struct endpoint *endpoint = bind->items[i].endpoint;

        if (endpoint != NULL && endpoint->kind == ENDPOINT_UNIX)
            diagnostics_error(diagnostics, TOPIC_VALUE, &bind->items[i].origin,
                              "clients of %s dial no address that the server 'original' of %s "
                              "could be",
                              bind->items[i].text, section_text(listener, where, sizeof(where)));
    }
}

static void check_pool(const struct settings *settings, const struct section *pool,
                       struct diagnostics *diagnostics)
{
    const struct setting *source = section_value(pool, POOL_SOURCE);
    const struct setting *health = section_value(pool, POOL_HEALTH);
    char where[SECTION_TEXT_BYTES];

    check_alone(pool, section_value(pool, POOL_SERVER), diagnostics);
    /* One of [defaults] is not meant for it, and passes it over. */
    if (health->count > 0 && strcmp(health->items[0].text, "off") != 0 &&
        find_original(section_value(pool, POOL_SERVER)) != NULL)
        diagnostics_error(diagnostics, TOPIC_VALUE, &health->items[0].origin,
                          "the server 'original' of %s has no address that could be checked",
                          section_text(pool, where, sizeof(where)));
    if (source->count > 0 && settings_number(settings, pool, POOL_TRANSPARENT) != 0)
        diagnostics_error(diagnostics, TOPIC_VALUE, &source->origin,
                          "%s has both 'source' and 'transparent': a session comes from one of "
                          "these addresses or from its client's",
                          section_text(pool, where, sizeof(where)));
}

void validate_outgoing(const struct settings *settings, struct diagnostics *diagnostics)
{
    const struct section *section = settings_first(settings, SECTION_LISTEN);

    for (; section != NULL; section = section_next(section))
        check_listener(settings, section, diagnostics);
    for (section = settings_first(settings, SECTION_POOL); section != NULL;
         section = section_next(section))
        check_pool(settings, section, diagnostics);
}
