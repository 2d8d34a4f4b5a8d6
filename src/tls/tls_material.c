/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_material.c - which files a policy means, and loading them.
 */
#include "tls/tls_material.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file_stamp.h"
#include "tls/tls_file.h"
#include "tls/tls_ktls.h"

/* ---- which files ------------------------------------------------------------------------------
 */

/* The paths that a policy means, with the folder of a Kubernetes secret taken apart. */
struct material_paths {
    char *cert;
    char *key; /* NULL: in `cert` */
    char *ca;  /* NULL: none, or the system's */
    bool is_ca_system;
};

static void paths_release(struct material_paths *paths)
{
    free(paths->cert);
    free(paths->key);
    free(paths->ca);
    *paths = (struct material_paths){0};
}

/* ca_file, else ca.crt beside the certificate, else for a client the system's store. */
static bool find_ca(struct material_paths *paths, const struct tls_policy *policy, bool is_folder)
{
    const struct tls_options *options = &policy->options;

    if (options->verify == TLS_VERIFY_NONE)
        return true;
    if (options->ca_file != NULL && strcmp(options->ca_file, "system") != 0) {
        paths->ca = strdup(options->ca_file);
        return paths->ca != NULL;
    }
    if (options->ca_file == NULL && is_folder) {
        paths->ca = tls_path_join(options->cert, "ca.crt");
        if (paths->ca == NULL)
            return false;
        if (access(paths->ca, F_OK) == 0)
            return true;
        free(paths->ca);
        paths->ca = NULL;
    }
    paths->is_ca_system = options->ca_file != NULL || policy->role == TLS_CLIENT;
    return true;
}

/* False without memory. */
static bool paths_find(struct material_paths *paths, const struct tls_policy *policy)
{
    const struct tls_options *options = &policy->options;
    bool is_folder = options->cert != NULL && tls_path_is_folder(options->cert);
    bool is_found = true;

    *paths = (struct material_paths){0};
    if (options->cert != NULL) {
        paths->cert = is_folder ? tls_path_join(options->cert, "tls.crt") : strdup(options->cert);
        is_found = paths->cert != NULL;
    }
    if (options->key != NULL || is_folder) {
        paths->key =
            options->key != NULL ? strdup(options->key) : tls_path_join(options->cert, "tls.key");
        is_found = is_found && paths->key != NULL;
    }
    is_found = is_found && find_ca(paths, policy, is_folder);
    if (!is_found)
        paths_release(paths);
    return is_found;
}

uint64_t tls_material_stamp(const struct tls_policy *policy)
{
    const struct tls_options *options = &policy->options;
    const char *const *ticket_files = options->ticket_key_files;
    struct material_paths paths;
    const char *all[6];
    uint64_t stamp = 0;

    if (!paths_find(&paths, policy))
        return 0;
    all[0] = paths.cert;
    all[1] = paths.key;
    all[2] = paths.is_ca_system ? tls_trust_system_path() : paths.ca;
    all[3] = options->crl_file;
    all[4] = options->ocsp_file;
    all[5] = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(all); i++) {
        if (all[i] != NULL)
            stamp = file_stamp(stamp, all[i]);
    }
    for (size_t i = 0; ticket_files != NULL && ticket_files[i] != NULL; i++)
        stamp = file_stamp(stamp, ticket_files[i]);
    if (options->cert_dir != NULL)
        stamp = tls_stamp_folder(stamp, options->cert_dir);
    paths_release(&paths);
    return stamp;
}

/* ---- loading ----------------------------------------------------------------------------------
 */

static bool load_credentials(struct tls_material *material, const struct tls_policy *policy,
                             const struct material_paths *paths, int64_t now_s, struct error *error)
{
    struct tls_credentials *list = &material->credentials;

    if (paths->cert != NULL && !tls_credentials_load(list, paths->cert, paths->key, now_s, error))
        return false;
    if (policy->options.cert_dir != NULL &&
        !tls_credentials_load_folder(list, policy->options.cert_dir, now_s, error))
        return false;
    if (!tls_names_build(&material->names, list))
        return error_set(error, 0, "out of memory");
    material->fallback = tls_names_default(&material->names, list);
    return true;
}

static bool load_trust(struct tls_material *material, const struct tls_policy *policy,
                       const struct material_paths *paths, int64_t now_s, struct error *error)
{
    const unsigned char *digest = NULL;

    if (policy->options.verify != TLS_VERIFY_NONE) {
        if (paths->ca == NULL && !paths->is_ca_system)
            return error_set(error, 0, "verify needs ca_file: whose certificates to believe");
        if (!tls_trust_load(&material->trust, paths->ca, paths->is_ca_system,
                            policy->options.crl_file, now_s, error))
            return false;
        digest = material->trust.digest;
    }
    if (!tls_policy_digest(policy, digest, material->policy_digest))
        return error_set(error, 0, "out of memory");
    return true;
}

static const char *separator(const struct text *warning)
{
    return warning->length > 0 ? "; " : "";
}

static void warn_of_early_certificates(const struct tls_credentials *list, int64_t now_s,
                                       struct text *warning)
{
    char day[16];

    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].not_before_s <= now_s)
            continue;
        text_append_format(warning, "%sthe certificate %s is not valid before %s",
                           separator(warning), list->items[i].file,
                           tls_day_text(list->items[i].not_before_s, day));
        return; /* one is enough to look at the clock */
    }
}

static bool load_all(struct tls_material *material, const struct tls_policy *policy, int64_t now_s,
                     struct error *error)
{
    const struct tls_options *options = &policy->options;
    struct text warning = text_over(material->warning, sizeof(material->warning));
    struct material_paths paths;
    bool is_loaded;

    if (!paths_find(&paths, policy))
        return error_set(error, 0, "out of memory");
    is_loaded = load_credentials(material, policy, &paths, now_s, error) &&
                load_trust(material, policy, &paths, now_s, error);
    paths_release(&paths);
    if (!is_loaded)
        return false;
    if (options->ticket_key_files != NULL && options->session_tickets &&
        policy->role == TLS_SERVER &&
        !tls_tickets_read(&material->tickets, options->ticket_key_files, error))
        return false;
    if (options->ocsp_file != NULL && policy->role == TLS_SERVER &&
        !tls_staple_load(&material->staple, options->ocsp_file, &material->credentials, now_s,
                         &warning, error))
        return false;
    warn_of_early_certificates(&material->credentials, now_s, &warning);
    if (options->ktls)
        text_append_format(&warning, "%sktls: %s", separator(&warning), tls_ktls_probe()->finding);
    return true;
}

struct tls_material *tls_material_load(const struct tls_policy *policy, int64_t now_s,
                                       struct error *error)
{
    struct tls_material *material = calloc(1, sizeof(*material));

    if (material == NULL) {
        error_set(error, 0, "out of memory");
        return NULL;
    }
    atomic_init(&material->references, 1);
    if (!load_all(material, policy, now_s, error)) {
        tls_material_unref(material);
        return NULL;
    }
    return material;
}

struct tls_material *tls_material_ref(struct tls_material *material)
{
    atomic_fetch_add_explicit(&material->references, 1, memory_order_relaxed);
    return material;
}

void tls_material_unref(struct tls_material *material)
{
    if (material == NULL ||
        atomic_fetch_sub_explicit(&material->references, 1, memory_order_acq_rel) != 1)
        return;
    tls_staple_release(&material->staple);
    tls_trust_release(&material->trust);
    tls_names_release(&material->names);
    tls_credentials_release(&material->credentials);
    tls_tickets_wipe(&material->tickets);
    free(material);
}

bool tls_material_has_choice(const struct tls_material *material)
{
    size_t served_by_default = 0;

    for (int type = 0; type < TLS_KEY_TYPES; type++)
        served_by_default += material->fallback.by_type[type] != 0;
    return material->credentials.count > served_by_default;
}
