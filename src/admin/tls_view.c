/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_view.c - wording the certificates of all TLS profiles.
 */
#include "admin/tls_view.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "tls/tls_profile.h"
#include "admin/http_api.h"

/* Most certificates of one profile that are shown. */
#define CERTIFICATES_MAX 4096

/* The profile's certificates; the caller frees the array. NULL: none, or no memory. */
static struct tls_certificate *read_certificates(const struct tls_profile *profile, size_t *count)
{
    struct tls_certificate *certificates;
    size_t size = tls_profile_certificates(profile, NULL, 0);

    *count = 0;
    if (size == 0)
        return NULL;
    if (size > CERTIFICATES_MAX)
        size = CERTIFICATES_MAX;
    certificates = calloc(size, sizeof(*certificates));
    if (certificates != NULL)
        *count = tls_profile_certificates(profile, certificates, size);
    if (*count > size)
        *count = size;
    return certificates;
}

/* ---- the API ------------------------------------------------------------------------------ */

static json_t *word_certificate(const struct tls_certificate *certificate, int64_t now_s)
{
    json_t *json = json_object();

    json_object_set_new(json, "subject", json_text(certificate->subject));
    json_object_set_new(json, "file", json_text(certificate->file));
    json_object_set_new(json, "expires", json_time(certificate->not_after_s * 1000000));
    json_object_set_new(json, "expires_in_s", json_integer(certificate->not_after_s - now_s));
    return json;
}

static json_t *word_profile(const struct tls_profile *profile, const struct tls_loads *loads)
{
    json_t *json = json_object();
    json_t *certificates = json_array();
    int64_t now_s = clock_wall_us() / 1000000;
    struct tls_certificate *list;
    size_t count;

    list = read_certificates(profile, &count);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(certificates, word_certificate(&list[i], now_s));
    free(list);
    json_object_set_new(json, "name", json_text(tls_profile_name(profile)));
    json_object_set_new(json, "role",
                        json_text(tls_profile_role(profile) == TLS_SERVER ? "server" : "client"));
    json_object_set_new(json, "loaded", json_time(loads->last_wall_us));
    json_object_set_new(json, "stale", json_boolean(tls_profile_is_stale(profile)));
    json_object_set_new(json, "reloaded_total", json_count(loads->succeeded));
    json_object_set_new(json, "failed_total", json_count(loads->failed));
    json_object_set_new(json, "certificates", certificates);
    return json;
}

void tls_view_handle_list(const struct question *question, struct answer *answer)
{
    const struct snapshot *snapshot = question->view->snapshot;
    json_t *profiles = json_array();

    for (unsigned i = 0; i < snapshot->tls_profile_count; i++)
        json_array_append_new(
            profiles, word_profile(snapshot->tls_profiles[i], &question->view->tls_loads[i]));
    answer_json(answer, 200, json_pack("{s:o}", "tls", profiles));
}

void tls_view_handle_reload(const struct question *question, struct answer *answer)
{
    const struct admin_view *view = question->view;
    struct reload_outcome outcome = {.tls = {0}};
    unsigned failed;
    json_t *json;

    if (view->reload == NULL) {
        answer_error(answer, 503, NULL, "reloading is not possible now");
        return;
    }
    view->reload(view->reload_argument, &outcome);
    failed = outcome.tls.failed + outcome.names.failed + outcome.addresses.failed;
    json = json_pack("{s:i, s:i, s:i, s:i, s:i}", "tls_profiles", (int)outcome.tls.profiles,
                     "sni_maps", (int)outcome.names.maps, "address_lists",
                     (int)outcome.addresses.lists, "changed",
                     (int)(outcome.tls.changed + outcome.names.changed + outcome.addresses.changed),
                     "failed", (int)failed);
    if (failed > 0 && json != NULL)
        json_object_set_new(json, "error",
                            json_string("a certificate, sni_map or list of addresses does not "
                                        "load and stays as it was; the log says why"));
    answer_json(answer, failed > 0 ? 503 : 200, json);
}

/* ---- metrics ------------------------------------------------------------------------------ */

struct expiry {
    const char *tls;
    struct tls_certificate certificate;
};

struct expiries {
    struct expiry *list;
    size_t count;
};

static void collect(struct expiries *expiries, const struct tls_profile *profile)
{
    size_t count;
    struct tls_certificate *certificates = read_certificates(profile, &count);
    struct expiry *list = NULL;

    if (count > 0)
        list = realloc(expiries->list, (expiries->count + count) * sizeof(*list));
    if (list != NULL) {
        expiries->list = list;
        for (size_t i = 0; i < count; i++)
            list[expiries->count++] =
                (struct expiry){.tls = tls_profile_name(profile), .certificate = certificates[i]};
    }
    free(certificates);
}

/* Equal labels together, and of those the first to expire first. */
static int compare(const void *left, const void *right)
{
    const struct expiry *a = left;
    const struct expiry *b = right;
    int order = strcmp(a->tls, b->tls);

    if (order == 0)
        order = strcmp(a->certificate.subject, b->certificate.subject);
    if (order != 0)
        return order;
    return a->certificate.not_after_s < b->certificate.not_after_s   ? -1
           : a->certificate.not_after_s > b->certificate.not_after_s ? 1
                                                                     : 0;
}

void tls_view_add_expiries(struct exposition *out, const struct snapshot *snapshot)
{
    struct expiries expiries = {0};

    for (unsigned i = 0; i < snapshot->tls_profile_count; i++)
        collect(&expiries, snapshot->tls_profiles[i]);
    if (expiries.count > 1)
        qsort(expiries.list, expiries.count, sizeof(expiries.list[0]), compare);
    for (size_t i = 0; i < expiries.count; i++) {
        const struct expiry *expiry = &expiries.list[i];
        const struct labels labels = {
            {{"tls", expiry->tls}, {"subject", expiry->certificate.subject}}};

        /* A series is there once: RSA and ECDSA side by side have the same labels. */
        if (i > 0 && strcmp(expiry[-1].tls, expiry->tls) == 0 &&
            strcmp(expiry[-1].certificate.subject, expiry->certificate.subject) == 0)
            continue;
        exposition_count(out, &labels, (uint64_t)expiry->certificate.not_after_s);
    }
    free(expiries.list);
}
