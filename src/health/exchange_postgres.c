/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange_postgres.c - one byte answers an SSLRequest.
 *
 * It comes before the server wants to know a user, so that a check needs none, and an end behind
 * it is nothing that the server writes into its log. Behind 'S' the server waits for a handshake
 * and would report its lack, so the probe makes one.
 */
#include "health/exchange_postgres.h"

#include <string.h>

#include "net/postgres.h"

size_t exchange_postgres_open(const struct exchange_options *options, const char *host,
                              unsigned char *bytes)
{
    (void)options;
    (void)host;
    memcpy(bytes, postgres_ssl_request, POSTGRES_REQUEST_BYTES);
    return POSTGRES_REQUEST_BYTES;
}

enum exchange_verdict exchange_postgres_judge(const struct exchange_options *options,
                                              const unsigned char *bytes, size_t size,
                                              bool is_ended, struct text *cause)
{
    (void)options;
    if (size == 0)
        return exchange_too_short(size, is_ended, cause);
    switch (bytes[0]) {
    case POSTGRES_YES:
        return EXCHANGE_WANTS_TLS;
    case POSTGRES_NO:
    case 'R': /* a pooler that asks who is there without having read the request */
    case 'E': /* it cannot serve this one, and lives */
        return EXCHANGE_GOOD;
    }
    text_append(cause, "no PostgreSQL: ");
    exchange_quote(cause, bytes, size);
    return EXCHANGE_BAD;
}
