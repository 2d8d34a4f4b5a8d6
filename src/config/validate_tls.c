/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate_tls.c - checks that need no file to be read.
 */
#include "config/validate_tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tls_checker {
    const struct settings *settings;
    const struct tls_uses *uses;
    struct diagnostics *diagnostics;
    bool *speaks_tls; /* by the number of the listener: some client of it may speak TLS */
};

/* The place of a section's own value, or of the section. */
static const struct origin *place(const struct section *section, enum option_id option)
{
    const struct setting *setting = section_value(section, option);

    return setting->count > 0 ? &setting->items[0].origin : &section->origin;
}

static bool is_set(const struct section *section, enum option_id option)
{
    return section_value(section, option)->count > 0;
}

/* One that was set to nonsense has been reported as that. */
static bool is_wrong(const struct tls_checker *checker, const struct section *section,
                     enum option_id option)
{
    const struct setting *setting = section_value(section, option);

    return setting->is_set && setting->count == 0 && checker->diagnostics->errors > 0;
}

/* ---- sections in their roles ------------------------------------------------------------------
 */

/* The authorities that stand beside the certificate of a folder. */
static bool has_folder_ca(const struct section *section)
{
    const struct setting *cert = section_value(section, TLS_OPTION_CERT);
    char *path = NULL;
    bool is_there;

    if (cert->count == 0 || asprintf(&path, "%s/ca.crt", cert->items[0].text) == -1)
        return false;
    is_there = access(path, F_OK) == 0;
    free(path);
    return is_there;
}

/* Reports keys that mean nothing without verification; whether there is none. */
static bool need_verification(const struct tls_checker *checker, const struct section *section,
                              const char *why)
{
    static const enum option_id options[] = {TLS_OPTION_ALLOW_SAN, TLS_OPTION_CRL_FILE};
    bool is_good = true;
    char where[SECTION_TEXT_BYTES];

    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        if (!is_set(section, options[i]))
            continue;
        diagnostics_error(checker->diagnostics, TOPIC_TLS, place(section, options[i]),
                          "%s %s; '%s' needs 'verify = required'",
                          section_text(section, where, sizeof(where)), why,
                          option_table[options[i]].key);
        is_good = false;
    }
    return is_good;
}

static void check_server_role(const struct tls_checker *checker, const struct section *section,
                              const struct tls_use *use)
{
    int verify = settings_word(checker->settings, section, TLS_OPTION_VERIFY);
    char where[SECTION_TEXT_BYTES];
    char from[512];

    section_text(section, where, sizeof(where));
    if (!is_set(section, TLS_OPTION_CERT) && !is_set(section, TLS_OPTION_CERT_DIR) &&
        !is_wrong(checker, section, TLS_OPTION_CERT) &&
        !is_wrong(checker, section, TLS_OPTION_CERT_DIR) && !section->has_unknown_key)
        diagnostics_error(checker->diagnostics, TOPIC_MISSING, &section->origin,
                          "%s is shown to clients (%s) and needs 'cert' or 'cert_dir'", where,
                          origin_text(&use->item->origin, from, sizeof(from)));
    if (verify > 0 && !is_set(section, TLS_OPTION_CA_FILE) && !has_folder_ca(section) &&
        !is_wrong(checker, section, TLS_OPTION_CA_FILE))
        diagnostics_error(checker->diagnostics, TOPIC_TLS, place(section, TLS_OPTION_VERIFY),
                          "%s verifies clients and needs 'ca_file': whose certificates to trust",
                          where);
    if (verify <= 0)
        need_verification(checker, section, "asks clients for no certificate");
}

static void check_client_role(const struct tls_checker *checker, const struct section *section)
{
    char where[SECTION_TEXT_BYTES];

    if (settings_word(checker->settings, section, TLS_OPTION_VERIFY) != 0)
        return;
    if (need_verification(checker, section, "does not verify servers"))
        diagnostics_warning(checker->diagnostics, TOPIC_TLS, place(section, TLS_OPTION_VERIFY),
                            "%s does not verify servers: anyone on the way can take their place",
                            section_text(section, where, sizeof(where)));
}

static void check_section(const struct tls_checker *checker, const struct section *section)
{
    const struct item *least = settings_item(checker->settings, section, TLS_OPTION_MIN_VERSION);
    const struct item *most = settings_item(checker->settings, section, TLS_OPTION_MAX_VERSION);
    struct item name = {.text = section->name, .word = -1};
    const struct tls_use *server = tls_uses_find(checker->uses, TLS_SERVER, &name);
    const struct tls_use *client = tls_uses_find(checker->uses, TLS_CLIENT, &name);
    char where[SECTION_TEXT_BYTES];

    section_text(section, where, sizeof(where));
    if (least->word > most->word)
        diagnostics_error(checker->diagnostics, TOPIC_TLS,
                          least->origin.file != NULL ? &least->origin : &most->origin,
                          "%s: min_version %s is above max_version %s", where, least->text,
                          most->text);
    if (is_set(section, TLS_OPTION_KEY) && !is_set(section, TLS_OPTION_CERT) &&
        !is_wrong(checker, section, TLS_OPTION_CERT))
        diagnostics_error(checker->diagnostics, TOPIC_TLS, place(section, TLS_OPTION_KEY),
                          "%s has a 'key' and no 'cert' that it belongs to", where);
    if (is_set(section, TLS_OPTION_KEYLOG_FILE))
        diagnostics_warning(
            checker->diagnostics, TOPIC_EXPOSED, place(section, TLS_OPTION_KEYLOG_FILE),
            "%s has a 'keylog_file': who reads the file can read the traffic", where);
    if (server != NULL)
        check_server_role(checker, section, server);
    if (client != NULL)
        check_client_role(checker, section);
}

/* ---- pools ------------------------------------------------------------------------------------
 */

static void check_pool(const struct tls_checker *checker, const struct section *pool)
{
    const struct item *item = settings_item(checker->settings, pool, POOL_TLS);
    const struct tls_use *use = tls_uses_find(checker->uses, TLS_CLIENT, item);
    const struct setting *servers = section_value(pool, POOL_SERVER);
    char where[SECTION_TEXT_BYTES];

    if (use == NULL)
        return;
    bool needs_name = settings_word(checker->settings, use->section, TLS_OPTION_VERIFY) != 0 &&
                      !is_set(use->section, TLS_OPTION_SERVER_NAME) &&
                      !is_set(use->section, TLS_OPTION_ALLOW_SAN);
    section_text(pool, where, sizeof(where));
    for (size_t i = 0; i < servers->count; i++) {
        const struct endpoint *server = servers->items[i].endpoint;

        if (server->kind == ENDPOINT_BUILTIN)
            diagnostics_error(checker->diagnostics, TOPIC_TLS, &servers->items[i].origin,
                              "'%s' speaks no TLS, but %s does", server->name, where);
        else if (server->kind == ENDPOINT_UNIX && needs_name && server->server_name == NULL)
            diagnostics_error(checker->diagnostics, TOPIC_TLS, &servers->items[i].origin,
                              "the certificate of '%s' is verified, but by which name? Give the "
                              "server a server_name=HOST, or [tls %s] an 'allow_san'",
                              server->name, use->section->name);
    }
}

/* ---- listeners and routes ---------------------------------------------------------------------
 */

static bool is_tls_on(const struct item *item)
{
    return item != NULL && item->word < 0;
}

/* A pool that encrypts what its clients have encrypted already. */
static void check_twice(const struct tls_checker *checker, const struct section *route,
                        const struct section *listener)
{
    const struct item *tls = settings_item(checker->settings, route, ROUTE_TLS);
    const struct item *name = settings_item(checker->settings, route, ROUTE_POOL);
    const struct section *pool =
        name == NULL ? NULL : settings_find(checker->settings, SECTION_POOL, name->text);
    char where[SECTION_TEXT_BYTES];

    if (tls == NULL)
        tls = settings_item(checker->settings, listener, LISTEN_TLS);
    if (pool == NULL || is_tls_on(tls) ||
        !is_tls_on(settings_item(checker->settings, pool, POOL_TLS)) ||
        (!is_set(route, ROUTE_SNI) && !is_set(route, ROUTE_ALPN)))
        return;
    diagnostics_warning(checker->diagnostics, TOPIC_TLS, &name->origin,
                        "%s passes its clients' TLS through, and [pool %s] speaks TLS: what is "
                        "encrypted already would be encrypted again",
                        section_text(route, where, sizeof(where)), pool->name);
}

static void look_at_route(struct tls_checker *checker, const struct section *route)
{
    const struct setting *listen = section_value(route, ROUTE_LISTEN);
    bool speaks_tls = is_set(route, ROUTE_SNI) || is_set(route, ROUTE_ALPN) ||
                      is_tls_on(settings_item(checker->settings, route, ROUTE_TLS));

    for (size_t i = 0; i < listen->count; i++) {
        const struct section *listener =
            settings_find(checker->settings, SECTION_LISTEN, listen->items[i].text);

        if (listener == NULL)
            continue;
        checker->speaks_tls[listener->number] |= speaks_tls;
        check_twice(checker, route, listener);
    }
}

static void check_listener(const struct tls_checker *checker, const struct section *section)
{
    const struct setting *no_route = section_value(section, LISTEN_NO_ROUTE);
    bool speaks_tls = checker->speaks_tls[section->number] ||
                      section_value(section, LISTEN_SNI_MAP)->is_set ||
                      is_tls_on(settings_item(checker->settings, section, LISTEN_TLS));
    char where[SECTION_TEXT_BYTES];

    if (speaks_tls || is_wrong(checker, section, LISTEN_TLS))
        return;
    section_text(section, where, sizeof(where));
    if (settings_word(checker->settings, section, LISTEN_STARTTLS) > 0)
        diagnostics_error(checker->diagnostics, TOPIC_TLS, place(section, LISTEN_STARTTLS),
                          "%s says 'starttls' and speaks no TLS: give it 'tls', 'sni_map', or "
                          "routes with 'sni'",
                          where);
    if (no_route->count > 0 && no_route->items[0].word == 2)
        diagnostics_warning(checker->diagnostics, TOPIC_TLS, &no_route->items[0].origin,
                            "%s looks at no ClientHello, so 'no_route = alert' resets", where);
}

void validate_tls(const struct settings *settings, const struct tls_uses *uses,
                  struct diagnostics *diagnostics)
{
    struct tls_checker checker = {
        .settings = settings,
        .uses = uses,
        .diagnostics = diagnostics,
        .speaks_tls = calloc(settings_count(settings, SECTION_LISTEN) + 1, sizeof(bool)),
    };
    const struct section *section;

    if (checker.speaks_tls == NULL) {
        (void)diagnostics_out_of_memory(diagnostics);
        return;
    }
    for (section = settings_first(settings, SECTION_TLS); section != NULL;
         section = section_next(section))
        check_section(&checker, section);
    for (section = settings_first(settings, SECTION_POOL); section != NULL;
         section = section_next(section))
        check_pool(&checker, section);
    section = settings_first(settings, SECTION_ROUTE);
    for (; section != NULL; section = section_next(section))
        look_at_route(&checker, section);
    section = settings_first(settings, SECTION_LISTEN);
    for (; section != NULL; section = section_next(section))
        check_listener(&checker, section);
    free(checker.speaks_tls);
}
