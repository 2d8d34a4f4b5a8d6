/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_profile.c - the life of a profile: loading, a context per worker, and looking for changes.
 *
 * The control thread alone calls what is here, but for tls_profile_context() and
 * tls_profile_take(): a worker's slot is that worker's.
 */
#include "tls/tls_profile.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "tls/tls_context.h"

/* A file may be swapped for another while it is read; then all is read again. */
#define LOAD_TRIES 3

struct tls_profile {
    struct tls_policy policy;
    struct tls_material *material; /* the newest that loaded */
    struct tls_tickets tickets;    /* random keys, as far as no file holds them */
    bool has_tickets;
    uint64_t stamp; /* of the files at the last load, whether it worked or not */
    int64_t next_look_ms;
    bool is_stale;
    unsigned workers;
    struct tls_context *contexts[]; /* one per worker */
};

/* ---- loading ----------------------------------------------------------------------------------
 */

/* Loads until the files stood still meanwhile. */
static struct tls_material *load(struct tls_profile *profile, struct error *error)
{
    struct tls_material *material = NULL;

    for (int i = 0; i < LOAD_TRIES; i++) {
        uint64_t stamp = tls_material_stamp(&profile->policy);

        tls_material_unref(material);
        error->text[0] = 0;
        material = tls_material_load(&profile->policy, (int64_t)time(NULL), error);
        profile->stamp = stamp;
        if (tls_material_stamp(&profile->policy) == stamp)
            break;
    }
    return material;
}

/* A context for each worker, or none and false. */
static bool make_contexts(struct tls_profile *profile, struct tls_material *material,
                          struct tls_context **contexts, struct error *error)
{
    const struct tls_tickets *tickets = NULL;

    if (profile->has_tickets)
        tickets = material->tickets.count > 0 ? &material->tickets : &profile->tickets;
    for (unsigned i = 0; i < profile->workers; i++) {
        contexts[i] = tls_context_create(&profile->policy, material, tickets, error);
        if (contexts[i] != NULL && (i > 0 || tls_context_admits_all(contexts[i], error)))
            continue;
        for (unsigned j = 0; j <= i; j++) {
            tls_context_free(contexts[j]);
            contexts[j] = NULL;
        }
        return false;
    }
    return true;
}

static bool init(struct tls_profile *profile, const struct tls_options *options, enum tls_role role,
                 struct error *error)
{
    if (!tls_policy_init(&profile->policy, options, role, error))
        return false;
    profile->has_tickets = role == TLS_SERVER && options->session_tickets;
    if (profile->has_tickets && options->ticket_key_files == NULL &&
        !tls_tickets_init_random(&profile->tickets, options->session_timeout_ms, clock_now_ms()))
        return error_set(error, 0, "no random bytes for session tickets");
    profile->material = load(profile, error);
    return profile->material != NULL &&
           make_contexts(profile, profile->material, profile->contexts, error);
}

static void plan_look(struct tls_profile *profile, int64_t now_ms)
{
    int64_t interval_ms = profile->policy.options.reload_interval_ms;

    profile->next_look_ms = interval_ms == 0 ? INT64_MAX : now_ms + interval_ms;
}

struct tls_profile *tls_profile_create(const struct tls_options *options, enum tls_role role,
                                       unsigned workers, struct error *error)
{
    struct tls_profile *profile =
        calloc(1, sizeof(*profile) + workers * sizeof(profile->contexts[0]));
    bool is_made;

    if (profile == NULL) {
        error_set(error, 0, "out of memory");
        return NULL;
    }
    profile->workers = workers;
    is_made = init(profile, options, role, error);
    ERR_clear_error();
    if (!is_made) {
        tls_profile_destroy(profile);
        return NULL;
    }
    plan_look(profile, clock_now_ms());
    return profile;
}

void tls_profile_destroy(struct tls_profile *profile)
{
    if (profile == NULL)
        return;
    for (unsigned i = 0; i < profile->workers; i++)
        tls_context_free(profile->contexts[i]);
    tls_material_unref(profile->material);
    tls_tickets_wipe(&profile->tickets);
    tls_policy_release(&profile->policy);
    free(profile);
}

const char *tls_profile_name(const struct tls_profile *profile)
{
    return profile->policy.options.name;
}

enum tls_role tls_profile_role(const struct tls_profile *profile)
{
    return profile->policy.role;
}

/* ---- reloading --------------------------------------------------------------------------------
 */

/* New material with a context for each worker; NULL with the error set otherwise. */
static struct tls_material *load_again(struct tls_profile *profile, struct tls_context **contexts,
                                       struct error *error)
{
    struct tls_material *material = load(profile, error);

    if (material != NULL && make_contexts(profile, material, contexts, error))
        return material;
    tls_material_unref(material);
    ERR_clear_error();
    return NULL;
}

static void take_over(struct tls_profile *profile, struct tls_material *material)
{
    tls_material_unref(profile->material);
    profile->material = material;
    profile->is_stale = false;
}

/* Files that did not load are tried at each look: it may have been descriptors or memory that were
   wanting, not they. */
enum tls_change tls_profile_look(struct tls_profile *profile, bool force, int64_t now_ms,
                                 struct tls_context **contexts, struct error *error)
{
    bool is_due = now_ms >= profile->next_look_ms;
    struct tls_material *material;
    uint64_t told = profile->stamp;

    if (profile->has_tickets)
        tls_tickets_turn(&profile->tickets, now_ms);
    if (!force && !is_due)
        return TLS_UNCHANGED;
    plan_look(profile, now_ms);
    if (!force && !profile->is_stale && tls_material_stamp(&profile->policy) == told)
        return TLS_UNCHANGED;
    material = load_again(profile, contexts, error);
    if (material != NULL) {
        take_over(profile, material);
        return TLS_CHANGED;
    }
    if (!force && profile->is_stale && profile->stamp == told)
        return TLS_UNCHANGED; /* that was told */
    profile->is_stale = true;
    return TLS_BROKEN;
}

int64_t tls_profile_look_due_ms(const struct tls_profile *profile)
{
    int64_t turn_ms = tls_tickets_due_ms(&profile->tickets);

    return turn_ms < profile->next_look_ms ? turn_ms : profile->next_look_ms;
}

size_t tls_profile_certificates(const struct tls_profile *profile,
                                struct tls_certificate *certificates, size_t size)
{
    const struct tls_credentials *list = &profile->material->credentials;

    for (size_t i = 0; i < size && i < list->count; i++) {
        struct text file = text_over(certificates[i].file, sizeof(certificates[i].file));

        tls_credential_subject(&list->items[i], certificates[i].subject,
                               sizeof(certificates[i].subject));
        text_append(&file, list->items[i].file);
        certificates[i].not_after_s = list->items[i].not_after_s;
    }
    return list->count;
}

const char *tls_profile_warning(const struct tls_profile *profile)
{
    return profile->material->warning;
}

bool tls_profile_is_stale(const struct tls_profile *profile)
{
    return profile->is_stale;
}

/* ---- a worker's side --------------------------------------------------------------------------
 */

struct tls_context *tls_profile_context(const struct tls_profile *profile, unsigned worker)
{
    return profile->contexts[worker];
}

void tls_profile_take(struct tls_profile *profile, unsigned worker, struct tls_context *context)
{
    tls_context_free(profile->contexts[worker]);
    profile->contexts[worker] = context;
}
