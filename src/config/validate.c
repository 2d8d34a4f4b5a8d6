/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate.c - what is well-formed and still cannot work.
 */
#include "config/validate.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "pool/pool.h"
#include "config/sni_map.h"
#include "config/validate_health.h"
#include "config/validate_routes.h"

struct checker {
    const struct settings *settings;
    struct diagnostics *diagnostics;
    bool *is_pool_used;   /* by the number of the section */
    bool *is_pool_warned; /* of its timeouts, by the same number */
    bool *is_tls_used;    /* by the number of the section */
    bool *is_health_used; /* by the number of the section */
};

/* ---- references -------------------------------------------------------------------------------
 */

/* "; did you mean 'api' (conf.d/10-api.ini:1)?", or nothing. */
static void near_name(const struct checker *checker, enum section_kind kind, const char *name,
                      struct text *text)
{
    const struct section *best = NULL;
    const struct section *section = settings_first(checker->settings, kind);
    size_t best_distance = SIZE_MAX;
    char place[512];

    /* Each look costs a step per section: not for a message that nobody will see. */
    if (diagnostics_is_full(checker->diagnostics))
        return;
    for (; section != NULL; section = section_next(section)) {
        size_t distance;

        if (text_is_near(name, section->name, &distance) && distance < best_distance) {
            best = section;
            best_distance = distance;
        }
    }
    if (best != NULL)
        text_append_format(text, "; did you mean '%s' (%s)?", best->name,
                           origin_text(&best->origin, place, sizeof(place)));
}

/* The section that an item of `section` names, or NULL after a report. */
static const struct section *refer(const struct checker *checker, const struct section *section,
                                   enum section_kind kind, const struct item *item,
                                   bool may_be_path)
{
    const struct section *found = settings_find(checker->settings, kind, item->text);
    char memory[700];
    char where[SECTION_TEXT_BYTES];
    struct text text = text_over(memory, sizeof(memory));

    if (found != NULL)
        return found;
    text_append_format(&text, "%s wants %s '%s'", section_text(section, where, sizeof(where)),
                       section_table[kind].word, item->text);
    size_t before = text.length;
    near_name(checker, kind, item->text, &text);
    if (text.length == before)
        text_append_format(&text, "; there is no [%s %s]", section_table[kind].word, item->text);
    if (may_be_path)
        text_append(&text, " (a path has a slash or ends in .pem)");
    diagnostics_error(checker->diagnostics, TOPIC_REFERENCE, &item->origin, "%s", memory);
    return NULL;
}

/* The pool that the section names, which is used then; NULL when there is none. */
static const struct section *use_pool(const struct checker *checker, const struct section *section,
                                      enum option_id option)
{
    const struct item *item = settings_item(checker->settings, section, option);

    if (item == NULL)
        return NULL;
    const struct section *pool = refer(checker, section, SECTION_POOL, item, false);
    if (pool != NULL)
        checker->is_pool_used[pool->number] = true;
    return pool;
}

static void use_tls(const struct checker *checker, const struct section *section,
                    enum option_id option)
{
    const struct item *item = settings_item(checker->settings, section, option);

    if (item == NULL || item->word >= 0 || item_is_path(item))
        return;
    const struct section *tls =
        refer(checker, section, SECTION_TLS, item, option_table[option].may_be_path);
    if (tls != NULL)
        checker->is_tls_used[tls->number] = true;
}

/* `section` is NULL for [defaults], which counts for listeners with servers of their own, too. */
static void use_health(const struct checker *checker, const struct section *section)
{
    const struct setting *own = section == NULL ? settings_get(checker->settings, NULL, POOL_HEALTH)
                                                : section_value(section, POOL_HEALTH);
    const struct section *defaults = settings_find(checker->settings, SECTION_DEFAULTS, "");

    if (own->count == 0 || own->items[0].word >= 0)
        return;
    const struct section *health =
        refer(checker, section == NULL ? defaults : section, SECTION_HEALTH, own->items, false);
    if (health == NULL)
        return;
    checker->is_health_used[health->number] = true;
    use_tls(checker, health, HEALTH_TLS);
}

/* The pools that a listener's map of names wants. */
static void use_map(const struct checker *checker, const struct section *section)
{
    const struct item *item = settings_item(checker->settings, section, LISTEN_SNI_MAP);
    const struct sni_map *map = item == NULL ? NULL : item->sni_map;

    for (size_t i = 0; map != NULL && i < map->count; i++) {
        const struct sni_map_entry *entry = &map->entries[i];
        const struct section *pool = settings_find(checker->settings, SECTION_POOL, entry->pool);
        char memory[700];
        struct text text = text_over(memory, sizeof(memory));

        if (pool != NULL) {
            checker->is_pool_used[pool->number] = true;
            continue;
        }
        struct origin origin = sni_map_entry_origin(map, entry);
        text_append_format(&text, "there is no [pool %s]", entry->pool);
        near_name(checker, SECTION_POOL, entry->pool, &text);
        diagnostics_error(checker->diagnostics, TOPIC_REFERENCE, &origin, "%s", memory);
    }
}

/* ---- each section -----------------------------------------------------------------------------
 */

/* A key that is wanted; it may be the one whose misspelling has been reported. */
static void missing(const struct checker *checker, const struct section *section, const char *what)
{
    char where[SECTION_TEXT_BYTES];

    if (section->has_unknown_key)
        return;
    diagnostics_error(checker->diagnostics, TOPIC_MISSING, &section->origin, "%s needs %s",
                      section_text(section, where, sizeof(where)), what);
}

/* Keys without which the section cannot work. */
static void check_required(const struct checker *checker, const struct section *section)
{
    for (size_t i = 0; i < section->count; i++) {
        enum option_id id = (enum option_id)(section->first + i);
        const struct option *option = &option_table[id];
        char what[128];

        if (!option->is_required || settings_has(checker->settings, section, id))
            continue;
        /* One that was set to nonsense has been reported as that. */
        if (section_value(section, id)->is_set && checker->diagnostics->errors > 0)
            continue;
        snprintf(what, sizeof(what), "'%s', such as %s = %s", option->key, option->key,
                 option->example);
        missing(checker, section, what);
    }
}

static bool is_nobody(const struct checker *checker, const struct section *section,
                      enum option_id option, bool is_group)
{
    const struct item *item = settings_item(checker->settings, section, option);

    if (item == NULL)
        return false;
    bool exists = is_group ? getgrnam(item->text) != NULL : getpwnam(item->text) != NULL;
    if (!exists)
        diagnostics_error(checker->diagnostics, TOPIC_VALUE, &item->origin, "there is no %s '%s'",
                          is_group ? "group" : "user", item->text);
    return !exists;
}

/* Whether the kernel ends a stalled session of the listener before stall_timeout does. */
static bool ends_first(const struct checker *checker, const struct item *user,
                       const struct section *listener)
{
    int64_t stall = settings_number(checker->settings, listener, LISTEN_STALL_TIMEOUT);

    return user->number != 0 && stall != 0 && user->number <= stall;
}

static void check_timeouts(const struct checker *checker, const struct section *listener)
{
    const struct item *user = settings_item(checker->settings, listener, LISTEN_USER_TIMEOUT);
    const struct origin *origin = user->origin.file != NULL ? &user->origin : &listener->origin;
    char where[SECTION_TEXT_BYTES];

    if (ends_first(checker, user, listener))
        diagnostics_warning(checker->diagnostics, TOPIC_TIMEOUT, origin,
                            "%s: user_timeout %s is not above stall_timeout %s, so the kernel "
                            "ends a stalled session first",
                            section_text(listener, where, sizeof(where)), user->text,
                            settings_text(checker->settings, listener, LISTEN_STALL_TIMEOUT));
}

/* The same for the other side of its sessions, once for each pool. */
static void check_pool_timeouts(const struct checker *checker, const struct section *listener,
                                const struct section *pool)
{
    const struct item *user = settings_item(checker->settings, pool, POOL_USER_TIMEOUT);
    const struct item *own = settings_item(checker->settings, listener, LISTEN_USER_TIMEOUT);
    const struct origin *origin = user->origin.file != NULL ? &user->origin : &pool->origin;
    char where[SECTION_TEXT_BYTES];
    char whose[SECTION_TEXT_BYTES];

    if (checker->is_pool_warned[pool->number] || !ends_first(checker, user, listener))
        return;
    if (user->number == own->number && !section_value(pool, POOL_USER_TIMEOUT)->is_set)
        return; /* one value for both sides, of which the listener's check has spoken */
    checker->is_pool_warned[pool->number] = true;
    diagnostics_warning(checker->diagnostics, TOPIC_TIMEOUT, origin,
                        "%s: user_timeout %s is not above stall_timeout %s of %s, so the kernel "
                        "ends a stalled session first",
                        section_text(pool, where, sizeof(where)), user->text,
                        settings_text(checker->settings, listener, LISTEN_STALL_TIMEOUT),
                        section_text(listener, whose, sizeof(whose)));
}

static void check_listener(const struct checker *checker, const struct section *section,
                           bool has_route)
{
    bool has_pool = settings_has(checker->settings, section, LISTEN_POOL);
    bool has_server = settings_has(checker->settings, section, LISTEN_SERVER);
    bool has_map = settings_has(checker->settings, section, LISTEN_SNI_MAP);
    bool is_wrong = section_value(section, LISTEN_POOL)->is_set ||
                    section_value(section, LISTEN_SERVER)->is_set ||
                    section_value(section, LISTEN_SNI_MAP)->is_set;
    char where[SECTION_TEXT_BYTES];

    check_required(checker, section);
    check_timeouts(checker, section);
    const struct section *served_by = use_pool(checker, section, LISTEN_POOL);
    if (served_by != NULL)
        check_pool_timeouts(checker, section, served_by);
    use_tls(checker, section, LISTEN_TLS);
    use_map(checker, section);
    (void)is_nobody(checker, section, LISTEN_SOCKET_GROUP, true);
    if (has_pool && has_server)
        diagnostics_error(checker->diagnostics, TOPIC_VALUE,
                          &section_value(section, LISTEN_SERVER)->origin,
                          "%s has both 'pool' and 'server'; move the servers into the pool",
                          section_text(section, where, sizeof(where)));
    if (!has_pool && !has_server && !has_route && !has_map &&
        !(is_wrong && checker->diagnostics->errors > 0))
        missing(checker, section, "'pool', 'server', 'sni_map' or a [route NAME] that names it");
    const struct section *pool = settings_find(checker->settings, SECTION_POOL, section->name);
    if (has_server && pool != NULL)
        diagnostics_error(checker->diagnostics, TOPIC_TWICE,
                          &section_value(section, LISTEN_SERVER)->origin,
                          "the servers of %s make a pool of that name, but there is a [pool %s]",
                          section_text(section, where, sizeof(where)), section->name);
}

static void check_route(const struct checker *checker, const struct section *section,
                        bool *has_route)
{
    const struct setting *listen = settings_get(checker->settings, section, ROUTE_LISTEN);
    bool rejects = settings_word(checker->settings, section, ROUTE_ACTION) == 1;
    bool has_pool = settings_has(checker->settings, section, ROUTE_POOL);

    check_required(checker, section);
    const struct section *pool = use_pool(checker, section, ROUTE_POOL);
    for (size_t i = 0; i < listen->count; i++) {
        const struct section *listener =
            refer(checker, section, SECTION_LISTEN, &listen->items[i], false);

        if (listener == NULL)
            continue;
        has_route[listener->number] = true;
        if (pool != NULL)
            check_pool_timeouts(checker, listener, pool);
    }
    use_tls(checker, section, ROUTE_TLS);
    if (rejects && has_pool)
        diagnostics_error(checker->diagnostics, TOPIC_ROUTE,
                          &section_value(section, ROUTE_POOL)->origin,
                          "a route that rejects has no pool");
    bool is_action_wrong = section_value(section, ROUTE_ACTION)->is_set &&
                           section_value(section, ROUTE_ACTION)->count == 0;
    if (!rejects && !has_pool && !is_action_wrong && !section_value(section, ROUTE_POOL)->is_set)
        missing(checker, section, "'pool', or 'action = reject'");
}

/* ---- servers ----------------------------------------------------------------------------------
 */

struct server_name {
    const struct item *item;
    UT_hash_handle hh;
};

static void forget_names(struct server_name **names)
{
    struct server_name *name;
    struct server_name *next;

    HASH_ITER(hh, *names, name, next)
    {
        HASH_DEL(*names, name);
        free(name);
    }
}

/* Names are how servers are told apart in one pool. */
static void check_servers(const struct checker *checker, const struct section *section,
                          enum option_id option)
{
    const struct setting *servers = section_value(section, option);
    struct server_name *names = NULL;
    char where[SECTION_TEXT_BYTES];
    char place[512];

    for (size_t i = 0; i < servers->count; i++) {
        const struct item *item = &servers->items[i];
        const char *text = item->endpoint->name;
        struct server_name *name;

        HASH_FIND_STR(names, text, name);
        if (name != NULL) {
            diagnostics_error(checker->diagnostics, TOPIC_TWICE, &item->origin,
                              "server '%s' is there twice in %s (first at %s)", text,
                              section_text(section, where, sizeof(where)),
                              origin_text(&name->item->origin, place, sizeof(place)));
            continue;
        }
        name = calloc(1, sizeof(*name));
        if (name == NULL) {
            (void)diagnostics_out_of_memory(checker->diagnostics);
            break;
        }
        name->item = item;
        HASH_ADD_KEYPTR(hh, names, text, strlen(text), name);
        if (name->hh.tbl == NULL) {
            free(name);
            (void)diagnostics_out_of_memory(checker->diagnostics);
            break;
        }
    }
    forget_names(&names);
    if (servers->count > POOL_SERVERS_MAX)
        diagnostics_error(checker->diagnostics, TOPIC_VALUE, &servers->origin,
                          "%s has %zu servers; the most is %d",
                          section_text(section, where, sizeof(where)), servers->count,
                          POOL_SERVERS_MAX);
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static void check_process(const struct checker *checker)
{
    const struct section *culvert = settings_find(checker->settings, SECTION_CULVERT, "");
    const struct section *admin = settings_find(checker->settings, SECTION_ADMIN, "");

    if (culvert != NULL) {
        (void)is_nobody(checker, culvert, CULVERT_USER, false);
        (void)is_nobody(checker, culvert, CULVERT_GROUP, true);
    }
    if (admin != NULL)
        (void)is_nobody(checker, admin, ADMIN_SOCKET_GROUP, true);
}

static void check_listeners(const struct checker *checker, const bool *has_route)
{
    const struct section *section = settings_first(checker->settings, SECTION_LISTEN);
    bool is_any_enabled = false;

    if (section == NULL && checker->diagnostics->errors == 0)
        diagnostics_error(checker->diagnostics, TOPIC_MISSING, NULL,
                          "there is no [listen NAME]: nothing to do");
    for (; section != NULL; section = section_next(section)) {
        check_listener(checker, section, has_route[section->number]);
        check_servers(checker, section, LISTEN_SERVER);
        is_any_enabled |= settings_number(checker->settings, section, LISTEN_ENABLED) != 0;
    }
    section = settings_first(checker->settings, SECTION_LISTEN);
    if (section != NULL && !is_any_enabled)
        diagnostics_error(checker->diagnostics, TOPIC_MISSING, &section->origin,
                          "no listener is enabled: nothing to do");
}

static void check_pools(const struct checker *checker)
{
    const struct section *section = settings_first(checker->settings, SECTION_POOL);
    char where[SECTION_TEXT_BYTES];

    for (; section != NULL; section = section_next(section)) {
        check_required(checker, section);
        check_servers(checker, section, POOL_SERVER);
        use_tls(checker, section, POOL_TLS);
        use_health(checker, section);
        if (!checker->is_pool_used[section->number] && checker->diagnostics->errors == 0)
            diagnostics_warning(checker->diagnostics, TOPIC_UNUSED, &section->origin,
                                "%s is used by no listener and no route",
                                section_text(section, where, sizeof(where)));
    }
}

static void check_tls_sections(const struct checker *checker)
{
    const struct section *section = settings_first(checker->settings, SECTION_TLS);
    char where[SECTION_TEXT_BYTES];

    for (; section != NULL; section = section_next(section)) {
        if (!checker->is_tls_used[section->number] && checker->diagnostics->errors == 0)
            diagnostics_warning(checker->diagnostics, TOPIC_UNUSED, &section->origin,
                                "%s is used by no listener, no route and no pool",
                                section_text(section, where, sizeof(where)));
    }
}

static void check_health_sections(const struct checker *checker)
{
    const struct section *section = settings_first(checker->settings, SECTION_HEALTH);
    char where[SECTION_TEXT_BYTES];

    for (; section != NULL; section = section_next(section)) {
        validate_health(checker->settings, section, checker->diagnostics);
        if (!checker->is_health_used[section->number] && checker->diagnostics->errors == 0)
            diagnostics_warning(checker->diagnostics, TOPIC_UNUSED, &section->origin,
                                "%s is used by no pool",
                                section_text(section, where, sizeof(where)));
    }
}

void validate(const struct settings *settings, struct diagnostics *diagnostics)
{
    struct checker checker = {.settings = settings, .diagnostics = diagnostics};
    bool *has_route = calloc(settings_count(settings, SECTION_LISTEN) + 1, sizeof(bool));

    checker.is_pool_used = calloc(settings_count(settings, SECTION_POOL) + 1, sizeof(bool));
    checker.is_pool_warned = calloc(settings_count(settings, SECTION_POOL) + 1, sizeof(bool));
    checker.is_tls_used = calloc(settings_count(settings, SECTION_TLS) + 1, sizeof(bool));
    checker.is_health_used = calloc(settings_count(settings, SECTION_HEALTH) + 1, sizeof(bool));
    if (has_route == NULL || checker.is_pool_used == NULL || checker.is_pool_warned == NULL ||
        checker.is_tls_used == NULL || checker.is_health_used == NULL) {
        (void)diagnostics_out_of_memory(diagnostics);
    } else {
        const struct section *route = settings_first(settings, SECTION_ROUTE);

        check_process(&checker);
        for (; route != NULL; route = section_next(route))
            check_route(&checker, route, has_route);
        check_listeners(&checker, has_route);
        use_health(&checker, NULL);
        check_pools(&checker);
        check_health_sections(&checker);
        check_tls_sections(&checker);
        validate_routes(settings, diagnostics);
    }
    free(has_route);
    free(checker.is_pool_used);
    free(checker.is_pool_warned);
    free(checker.is_tls_used);
    free(checker.is_health_used);
}
