/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_facts.h - what a handshake came to, for whoever tells it on.
 */
#ifndef CULVERT_TLS_TLS_FACTS_H
#define CULVERT_TLS_TLS_FACTS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base.h"
#include "net/conn.h"

/* Points into OpenSSL's memory but for the common name; as long as the conn is open. */
struct tls_facts {
    const char *version; /* "TLSv1.3" */
    const char *cipher;  /* "TLS_AES_128_GCM_SHA256" */
    const char *alpn;    /* the protocol agreed on; NULL: none */
    size_t alpn_size;
    bool is_resumed;
    bool has_certificate; /* the peer has shown one, now or when the session began */
    bool is_verified;     /* and it was found good */
    char *common_name;    /* of its subject, UTF-8 without NUL; NULL: none */
    size_t common_name_size;
};

/* Of a conn that speaks TLS and whose handshake is complete. False without memory. */
bool tls_facts_take(const struct conn *conn, struct tls_facts *facts) CULVERT_MUST_CHECK;

/* Frees what was taken; zeroed facts are none. */
void tls_facts_release(struct tls_facts *facts);

#endif
