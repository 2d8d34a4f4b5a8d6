/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_context.c - contexts without policy: every peer takes part, no session is resumed.
 */
#include <openssl/ssl.h>
#include <stdlib.h>

#include "tls/tls_internal.h"

void tls_context_free(struct tls_context *context)
{
    if (context == NULL || --context->references > 0)
        return;
    SSL_CTX_free(context->ssl_ctx);
    free(context);
}

bool tls_context_prepare(struct tls_context *context, SSL *ssl, const struct tls_target *target)
{
    (void)context;
    return target == NULL || target->server_name == NULL ||
           SSL_set_tlsext_host_name(ssl, target->server_name) == 1;
}

bool tls_context_accepts(const struct tls_context *context, SSL *ssl, char *text, size_t size)
{
    (void)context;
    (void)ssl;
    (void)text;
    (void)size;
    return true;
}
