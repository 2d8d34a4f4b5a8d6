/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy_announcement.c - gathering what a PROXY header tells of a session.
 */
#include "relay/proxy_announcement.h"

#include <errno.h>

#include "tls/tls_conn.h"
#include "tls/tls_facts.h"

size_t proxy_announcement_write(const struct session *session, unsigned char *bytes, size_t size)
{
    const struct pool_options *options = &session->pool->options;
    const struct session_claim *claim = session_claim(session);
    const struct conn *client = &session->conn[FRONTEND];
    unsigned tlvs = options->send_proxy == SEND_PROXY_V2 ? options->send_proxy_tlvs : 0;
    struct proxy_facts facts = {
        .is_local = claim != NULL && claim->is_local,
        .source = session->client,
        .authority = (tlvs & PROXY_TLV_AUTHORITY) != 0 ? session_sni(session) : NULL,
        .has_crc32c = (tlvs & PROXY_TLV_CRC32C) != 0,
    };
    struct tls_facts tls = {.version = NULL};
    struct proxy_ssl ssl;
    char id[24];
    size_t length;

    session_destination(session, &facts.destination);
    if ((tlvs & PROXY_TLV_UNIQUE_ID) != 0)
        facts.unique_id = session_id_text(session->id, id);
    if ((tlvs & (PROXY_TLV_ALPN | PROXY_TLV_SSL)) != 0 && conn_is_tls(client)) {
        if (!tls_facts_take(client, &tls)) {
            errno = ENOMEM;
            return 0;
        }
        ssl = (struct proxy_ssl){
            .version = tls.version,
            .cipher = tls.cipher,
            .common_name = tls.common_name,
            .common_name_size = tls.common_name_size,
            .has_certificate = tls.has_certificate,
            .is_resumed = tls.is_resumed,
            .is_verified = tls.is_verified,
        };
        facts.ssl = (tlvs & PROXY_TLV_SSL) != 0 ? &ssl : NULL;
        facts.alpn = (tlvs & PROXY_TLV_ALPN) != 0 ? tls.alpn : NULL;
        facts.alpn_size = tls.alpn_size;
    }
    length = proxy_header_write(options->send_proxy, &facts, bytes, size);
    tls_facts_release(&tls);
    errno = 0;
    return length;
}
