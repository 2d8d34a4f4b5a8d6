/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_staple.c - looks into an OCSP response before it is sent to anybody.
 */
#include "tls/tls_staple.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <stdlib.h>
#include <string.h>

#include "tls/tls_file.h"

/* Whether the response's certificate ID is that of the leaf: the serial number, and the issuer's
   name and key where the chain holds the issuer. */
static bool speaks_of(const OCSP_CERTID *id, const struct tls_credential *credential)
{
    ASN1_OBJECT *algorithm = NULL;
    ASN1_INTEGER *serial = NULL;
    OCSP_CERTID *expected;
    bool is_same;

    if (OCSP_id_get0_info(NULL, &algorithm, NULL, &serial, (OCSP_CERTID *)id) != 1 ||
        ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(credential->leaf)) != 0)
        return false;
    if (sk_X509_num(credential->chain) == 0)
        return true;
    expected = OCSP_cert_to_id(EVP_get_digestbyobj(algorithm), credential->leaf,
                               sk_X509_value(credential->chain, 0));
    is_same = expected != NULL && OCSP_id_cmp(expected, (OCSP_CERTID *)id) == 0;
    OCSP_CERTID_free(expected);
    return is_same;
}

static OCSP_SINGLERESP *find_answer(OCSP_BASICRESP *basic,
                                    const struct tls_credentials *credentials, const X509 **leaf)
{
    for (int i = 0; i < OCSP_resp_count(basic); i++) {
        OCSP_SINGLERESP *answer = OCSP_resp_get0(basic, i);

        for (size_t j = 0; j < credentials->count; j++) {
            if (!speaks_of(OCSP_SINGLERESP_get0_id(answer), &credentials->items[j]))
                continue;
            *leaf = credentials->items[j].leaf;
            return answer;
        }
    }
    return NULL;
}

static void warn(const struct tls_staple *staple, int status, const char *path, int64_t now_s,
                 struct text *warning)
{
    char day[16];

    if (status != V_OCSP_CERTSTATUS_GOOD)
        text_append_format(warning, "%s says that the certificate is %s", path,
                           status == V_OCSP_CERTSTATUS_REVOKED ? "revoked" : "unknown");
    else if (staple->next_update_s <= now_s)
        text_append_format(warning, "%s is out of date since %s and is not sent", path,
                           tls_day_text(staple->next_update_s, day));
}

static bool read_response(struct tls_staple *staple, OCSP_RESPONSE *response, const char *path,
                          const struct tls_credentials *credentials, int64_t now_s,
                          struct text *warning, struct error *error)
{
    OCSP_BASICRESP *basic;
    OCSP_SINGLERESP *answer;
    ASN1_GENERALIZEDTIME *next_update = NULL;
    int status;

    if (response == NULL)
        return error_set(error, 0, "%s is no OCSP response in DER", path);
    status = OCSP_response_status(response);
    if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        return error_set(error, 0, "%s holds no answer but '%s'", path,
                         OCSP_response_status_str(status));
    basic = OCSP_response_get1_basic(response);
    if (basic == NULL)
        return error_set(error, 0, "%s: the OCSP response does not parse", path);
    answer = find_answer(basic, credentials, &staple->leaf);
    if (answer != NULL) {
        status = OCSP_single_get0_status(answer, NULL, NULL, NULL, &next_update);
        staple->next_update_s = tls_time_seconds(next_update);
        warn(staple, status, path, now_s, warning);
    }
    OCSP_BASICRESP_free(basic);
    if (answer == NULL)
        return error_set(error, 0, "%s speaks of another certificate", path);
    return true;
}

bool tls_staple_load(struct tls_staple *staple, const char *path,
                     const struct tls_credentials *credentials, int64_t now_s, struct text *warning,
                     struct error *error)
{
    struct tls_file file;
    OCSP_RESPONSE *response;
    const unsigned char *bytes;
    bool is_read;

    *staple = (struct tls_staple){0};
    if (!tls_file_read(&file, path, error))
        return false;
    bytes = file.bytes;
    response = d2i_OCSP_RESPONSE(NULL, &bytes, (long)file.size);
    is_read = read_response(staple, response, path, credentials, now_s, warning, error);
    OCSP_RESPONSE_free(response);
    if (is_read) {
        staple->bytes = file.bytes;
        staple->size = file.size;
    } else {
        tls_file_release(&file);
        *staple = (struct tls_staple){0};
    }
    ERR_clear_error();
    return is_read;
}

void tls_staple_release(struct tls_staple *staple)
{
    free(staple->bytes);
    *staple = (struct tls_staple){0};
}
