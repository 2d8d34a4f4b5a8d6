/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_uses.c - from [tls] sections to profiles.
 */
#include "config/tls_uses.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config/health_section.h"

/* A certificate that ends within this time is warned of. */
#define SOON_S ((int64_t)21 * 86400)

/* The most certificates of one profile that are looked at. */
#define CERTIFICATES_MAX 1024

/* Keys that name files which must be there. */
static const enum option_id file_options[] = {
    TLS_OPTION_CERT,     TLS_OPTION_KEY,       TLS_OPTION_CERT_DIR,        TLS_OPTION_CA_FILE,
    TLS_OPTION_CRL_FILE, TLS_OPTION_OCSP_FILE, TLS_OPTION_TICKET_KEY_FILE,
};

/* Keys whose values OpenSSL judges. */
static const enum option_id judged_options[] = {
    TLS_OPTION_CIPHERSUITES, TLS_OPTION_CIPHERS,     TLS_OPTION_GROUPS,      TLS_OPTION_ALPN,
    TLS_OPTION_ALLOW_SAN,    TLS_OPTION_KEYLOG_FILE, TLS_OPTION_MIN_VERSION, TLS_OPTION_MAX_VERSION,
};

/* Stands for the profile of checks that accept any certificate: no section has such a name. */
static char any_name[] = "(health checks)";
static const struct item any_item = {.text = any_name, .word = -1};

/* ---- which ------------------------------------------------------------------------------------
 */

static bool is_off(const struct item *item)
{
    return item == NULL || item->word >= 0;
}

struct tls_use *tls_uses_find(const struct tls_uses *uses, enum tls_role role,
                              const struct item *item)
{
    struct tls_use *use;

    if (is_off(item))
        return NULL;
    HASH_FIND_STR(uses->tables[role], item->text, use);
    return use;
}

static bool use_add(struct tls_uses *uses, const struct settings *settings, enum tls_role role,
                    const struct item *item)
{
    const struct section *section = NULL;

    if (is_off(item) || tls_uses_find(uses, role, item) != NULL)
        return true;
    if (!item_is_path(item) && item != &any_item) {
        section = settings_find(settings, SECTION_TLS, item->text);
        if (section == NULL)
            return true; /* reported elsewhere */
    }
    struct tls_use *use = calloc(1, sizeof(*use));
    if (use == NULL)
        return false;
    use->item = item;
    use->accepts_any = item == &any_item;
    use->section = section;
    use->role = role;
    HASH_ADD_KEYPTR(hh, uses->tables[role], item->text, strlen(item->text), use);
    if (use->hh.tbl == NULL) {
        free(use);
        return false;
    }
    return true;
}

/* What the checks of a pool want beside its own profile. `pool` NULL: those of [defaults]. */
static bool add_checks(struct tls_uses *uses, const struct settings *settings,
                       const struct section *pool)
{
    struct health_choice choice = health_choice_of(settings, pool);

    if (health_choice_accepts_any(&choice))
        return use_add(uses, settings, TLS_CLIENT, &any_item);
    return !choice.is_on || use_add(uses, settings, TLS_CLIENT, choice.tls);
}

struct tls_profile *tls_uses_any(const struct tls_uses *uses)
{
    const struct tls_use *use = tls_uses_find(uses, TLS_CLIENT, &any_item);

    return use == NULL ? NULL : use->profile;
}

bool tls_uses_list(struct tls_uses *uses, const struct settings *settings)
{
    const struct section *section = settings_first(settings, SECTION_LISTEN);
    bool is_good = true;

    for (; section != NULL; section = section_next(section)) {
        if (settings_number(settings, section, LISTEN_ENABLED))
            is_good &=
                use_add(uses, settings, TLS_SERVER, settings_item(settings, section, LISTEN_TLS));
    }
    section = settings_first(settings, SECTION_ROUTE);
    for (; section != NULL; section = section_next(section))
        is_good &= use_add(uses, settings, TLS_SERVER, settings_item(settings, section, ROUTE_TLS));
    section = settings_first(settings, SECTION_POOL);
    for (; section != NULL; section = section_next(section))
        is_good &=
            use_add(uses, settings, TLS_CLIENT, settings_item(settings, section, POOL_TLS)) &&
            add_checks(uses, settings, section);
    return is_good && add_checks(uses, settings, NULL);
}

size_t tls_uses_count(const struct tls_uses *uses)
{
    return HASH_COUNT(uses->tables[TLS_SERVER]) + HASH_COUNT(uses->tables[TLS_CLIENT]);
}

/* ---- what the configuration says --------------------------------------------------------------
 */

/* The items of a list as texts, for free(3); NULL when there is none. False without memory. */
static bool texts_of(const struct settings *settings, const struct section *section,
                     enum option_id option, const char *const **texts)
{
    const struct setting *setting = settings_get(settings, section, option);
    const char **list;

    *texts = NULL;
    if (setting->count == 0)
        return true;
    list = calloc(setting->count + 1, sizeof(*list));
    if (list == NULL)
        return false;
    for (size_t i = 0; i < setting->count; i++)
        list[i] = setting->items[i].text;
    *texts = list;
    return true;
}

static enum tls_verify verify_of(const struct settings *settings, const struct section *section,
                                 enum tls_role role)
{
    static const enum tls_verify words[] = {TLS_VERIFY_NONE, TLS_VERIFY_OPTIONAL,
                                            TLS_VERIFY_REQUIRED};
    int word = settings_word(settings, section, TLS_OPTION_VERIFY);

    if (word >= 0)
        return words[word];
    return role == TLS_SERVER ? TLS_VERIFY_NONE : TLS_VERIFY_REQUIRED;
}

/* `section` is NULL for a path: the table's defaults. False without memory. */
static bool fill_options(const struct settings *settings, const struct tls_use *use,
                         struct tls_options *options)
{
    static const enum tls_version versions[] = {TLS_VERSION_1_2, TLS_VERSION_1_3};
    const struct section *section = use->section;

    *options = (struct tls_options){
        .name = use->item->text,
        .cert = section == NULL && !use->accepts_any
                    ? use->item->text
                    : settings_text(settings, section, TLS_OPTION_CERT),
        .key = settings_text(settings, section, TLS_OPTION_KEY),
        .cert_dir = settings_text(settings, section, TLS_OPTION_CERT_DIR),
        .sni_mismatch_alert = settings_word(settings, section, TLS_OPTION_SNI_MISMATCH) == 1,
        .ca_file = settings_text(settings, section, TLS_OPTION_CA_FILE),
        .crl_file = settings_text(settings, section, TLS_OPTION_CRL_FILE),
        .verify = use->accepts_any ? TLS_VERIFY_NONE : verify_of(settings, section, use->role),
        .server_name = settings_text(settings, section, TLS_OPTION_SERVER_NAME),
        .min_version = versions[settings_word(settings, section, TLS_OPTION_MIN_VERSION)],
        .max_version = versions[settings_word(settings, section, TLS_OPTION_MAX_VERSION)],
        .ciphers = settings_text(settings, section, TLS_OPTION_CIPHERS),
        .ciphersuites = settings_text(settings, section, TLS_OPTION_CIPHERSUITES),
        .groups = settings_text(settings, section, TLS_OPTION_GROUPS),
        /* OpenSSL takes a timeout of 0 for none at all. */
        .session_tickets = settings_number(settings, section, TLS_OPTION_SESSION_TICKETS) != 0 &&
                           settings_ms(settings, section, TLS_OPTION_SESSION_TIMEOUT) != 0,
        .session_timeout_ms = settings_ms(settings, section, TLS_OPTION_SESSION_TIMEOUT),
        .ocsp_file = settings_text(settings, section, TLS_OPTION_OCSP_FILE),
        .lenient_truncation = settings_word(settings, section, TLS_OPTION_TRUNCATION) == 1,
        .ktls = settings_word(settings, section, TLS_OPTION_KTLS) == 0,
        .keylog_file = settings_text(settings, section, TLS_OPTION_KEYLOG_FILE),
        .reload_interval_ms = settings_ms(settings, section, TLS_OPTION_RELOAD_INTERVAL),
    };
    return texts_of(settings, section, TLS_OPTION_ALLOW_SAN, &options->allow_san) &&
           texts_of(settings, section, TLS_OPTION_ALPN, &options->alpn) &&
           texts_of(settings, section, TLS_OPTION_TICKET_KEY_FILE, &options->ticket_key_files);
}

static void options_release(struct tls_options *options)
{
    free((void *)options->allow_san);
    free((void *)options->alpn);
    free((void *)options->ticket_key_files);
}

/* ---- what is wrong ----------------------------------------------------------------------------
 */

/* The item of the section whose file an error speaks of; of two, the longer path. */
static const struct item *item_of_file(const struct tls_use *use, const char *text)
{
    const struct item *best = NULL;

    for (size_t i = 0; i < ARRAY_LENGTH(file_options); i++) {
        const struct setting *setting = section_value(use->section, file_options[i]);

        for (size_t k = 0; k < setting->count; k++) {
            const struct item *item = &setting->items[k];

            if (strstr(text, item->text) != NULL &&
                (best == NULL || strlen(best->text) < strlen(item->text)))
                best = item;
        }
    }
    return best;
}

/* The place that an error of a profile speaks of. */
static const struct origin *place_of(const struct tls_use *use, const char *text)
{
    if (use->section == NULL)
        return &use->item->origin;
    const struct item *item = item_of_file(use, text);
    for (size_t i = 0; item == NULL && i < ARRAY_LENGTH(judged_options); i++) {
        const struct setting *setting = section_value(use->section, judged_options[i]);

        if (setting->count > 0 && strstr(text, option_table[judged_options[i]].key) != NULL)
            item = &setting->items[0];
    }
    return item != NULL ? &item->origin : &use->section->origin;
}

/* Reports every file that cannot be read, so that one run tells of all. */
static bool check_files(const struct tls_use *use, struct diagnostics *diagnostics)
{
    bool is_good = true;

    for (size_t i = 0; use->section != NULL && i < ARRAY_LENGTH(file_options); i++) {
        const struct setting *setting = section_value(use->section, file_options[i]);

        for (size_t k = 0; k < setting->count; k++) {
            const struct item *item = &setting->items[k];

            if (item->word >= 0 || access(item->text, R_OK) == 0)
                continue;
            diagnostics_error(diagnostics, TOPIC_TLS, &item->origin, "%s cannot be read: %s",
                              item->text, strerror(errno));
            is_good = false;
        }
    }
    return is_good;
}

static void warn_of_end(const struct tls_use *use, const struct tls_certificate *certificate,
                        int64_t now_s, struct diagnostics *diagnostics)
{
    int64_t left_s = certificate->not_after_s - now_s;

    if (left_s >= SOON_S)
        return;
    diagnostics_warning(diagnostics, TOPIC_TLS, place_of(use, certificate->file),
                        "the certificate of %s in %s ends in %lld days", certificate->subject,
                        certificate->file, (long long)(left_s < 0 ? 0 : left_s / 86400));
}

/* What loads and still will not do for long. */
static void warn(const struct tls_use *use, struct diagnostics *diagnostics)
{
    const char *warning = tls_profile_warning(use->profile);
    struct tls_certificate *list = calloc(CERTIFICATES_MAX, sizeof(*list));

    if (list == NULL) {
        (void)diagnostics_out_of_memory(diagnostics);
        return;
    }
    size_t count = tls_profile_certificates(use->profile, list, CERTIFICATES_MAX);
    for (size_t i = 0; i < count && i < CERTIFICATES_MAX; i++)
        warn_of_end(use, &list[i], (int64_t)time(NULL), diagnostics);
    free(list);
    if (warning[0] != '\0')
        diagnostics_warning(diagnostics, TOPIC_TLS, place_of(use, warning), "%s", warning);
}

/* ---- profiles ---------------------------------------------------------------------------------
 */

static bool use_load(struct tls_use *use, const struct settings *settings, unsigned workers,
                     struct diagnostics *diagnostics)
{
    struct error error = {0};
    struct tls_options options;

    if (!check_files(use, diagnostics))
        return false;
    if (fill_options(settings, use, &options))
        use->profile = tls_profile_create(&options, use->role, workers, &error);
    else
        (void)diagnostics_out_of_memory(diagnostics);
    options_release(&options);
    if (use->profile == NULL && !diagnostics->is_out_of_memory)
        diagnostics_error(diagnostics, TOPIC_TLS, place_of(use, error.text), "%s", error.text);
    if (use->profile != NULL)
        warn(use, diagnostics);
    return use->profile != NULL;
}

bool tls_uses_load(struct tls_uses *uses, const struct settings *settings, unsigned workers,
                   struct diagnostics *diagnostics)
{
    bool is_good = true;

    for (enum tls_role role = TLS_SERVER; role <= TLS_CLIENT; role++) {
        for (struct tls_use *use = uses->tables[role]; use != NULL; use = use->hh.next) {
            const struct tls_use *other = tls_uses_find(uses, TLS_SERVER, use->item);

            if (use->profile != NULL)
                continue;
            /* What is wrong with a section in both roles is said once. */
            use->is_broken = (role == TLS_CLIENT && other != NULL && other->is_broken) ||
                             !use_load(use, settings, workers, diagnostics);
            is_good &= !use->is_broken;
        }
    }
    return is_good;
}

void tls_uses_forget(struct tls_uses *uses)
{
    for (enum tls_role role = TLS_SERVER; role <= TLS_CLIENT; role++) {
        for (struct tls_use *use = uses->tables[role]; use != NULL; use = use->hh.next)
            use->profile = NULL;
    }
}

void tls_uses_release(struct tls_uses *uses)
{
    for (enum tls_role role = TLS_SERVER; role <= TLS_CLIENT; role++) {
        struct tls_use *use;
        struct tls_use *next;

        HASH_ITER(hh, uses->tables[role], use, next)
        {
            HASH_DEL(uses->tables[role], use);
            if (use->profile != NULL)
                tls_profile_destroy(use->profile);
            free(use);
        }
    }
}
