/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_facts.c - asking OpenSSL what a handshake came to.
 */
#include "tls/tls_facts.h"

#include <openssl/x509.h>
#include <string.h>

#include "tls/tls_conn.h"
#include "tls/tls_internal.h"

/* The last one of the subject, which is the most specific. A name with a NUL in it would be read as
   a shorter one by some, so it is not told at all. False without memory. */
static bool take_common_name(X509 *certificate, struct tls_facts *facts)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    int last = -1;
    int next;
    unsigned char *name = NULL;
    int length;

    while ((next = X509_NAME_get_index_by_NID(subject, NID_commonName, last)) != -1)
        last = next;
    if (last == -1)
        return true;
    length =
        ASN1_STRING_to_UTF8(&name, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
    if (length < 0)
        return false;
    if (length == 0 || memchr(name, '\0', (size_t)length) != NULL) {
        OPENSSL_free(name);
        return true;
    }
    facts->common_name = (char *)name;
    facts->common_name_size = (size_t)length;
    return true;
}

bool tls_facts_take(const struct conn *conn, struct tls_facts *facts)
{
    SSL *ssl = tls_conn_ssl(conn);
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    const unsigned char *alpn = NULL;
    unsigned alpn_size = 0;

    SSL_get0_alpn_selected(ssl, &alpn, &alpn_size);
    *facts = (struct tls_facts){
        .version = SSL_get_version(ssl),
        .cipher = SSL_get_cipher_name(ssl),
        .alpn = alpn_size > 0 ? (const char *)alpn : NULL,
        .alpn_size = alpn_size,
        .is_resumed = SSL_session_reused(ssl) == 1,
        .has_certificate = certificate != NULL,
        .is_verified = certificate != NULL && SSL_get_verify_result(ssl) == X509_V_OK,
    };
    return certificate == NULL || take_common_name(certificate, facts);
}

void tls_facts_release(struct tls_facts *facts)
{
    OPENSSL_free(facts->common_name);
    facts->common_name = NULL;
}

/* ---- of tls_conn.h, one at a time -------------------------------------------------------------
 */

const char *tls_conn_version(const struct conn *conn)
{
    return SSL_get_version(tls_conn_ssl(conn));
}

bool tls_conn_is_resumed(const struct conn *conn)
{
    return SSL_session_reused(tls_conn_ssl(conn)) == 1;
}

const char *tls_conn_server_name(const struct conn *conn)
{
    const char *name = SSL_get_servername(tls_conn_ssl(conn), TLSEXT_NAMETYPE_host_name);

    return name != NULL ? name : "";
}
