/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange_mysql.c - the first packet of a server: protocol 10, or an error and its text (MySQL's
 * manual, "Client/Server Protocol").
 *
 * The check ends there: whatever else it might say, COM_QUIT included, a server takes for a broken
 * login.
 */
#include "health/exchange_mysql.h"

#define HEADER_BYTES 4 /* length, least byte first, and the packet's number */
#define PROTOCOL_10 10
#define ERROR_PACKET 0xff
#define STATE_BYTES 6 /* '#' and an SQLSTATE */

static enum exchange_verdict word_error(const unsigned char *payload, size_t size,
                                        struct text *cause)
{
    size_t skipped = 3; /* the packet's kind, and the number of the error */

    if (size < skipped) {
        text_append(cause, "an error without a number");
        return EXCHANGE_BAD;
    }
    text_append_format(cause, "error %u: ", payload[1] | (unsigned)payload[2] << 8);
    if (size > skipped && payload[skipped] == '#')
        skipped = size < skipped + STATE_BYTES ? size : skipped + STATE_BYTES;
    size -= skipped;
    text_append_escaped(cause, (const char *)payload + skipped, size < 100 ? size : 100);
    return EXCHANGE_BAD;
}

enum exchange_verdict exchange_mysql_judge(const struct exchange_options *options,
                                           const unsigned char *bytes, size_t size, bool is_ended,
                                           struct text *cause)
{
    size_t length;

    (void)options;
    if (size <= HEADER_BYTES)
        return exchange_too_short(size, is_ended, cause);
    length = bytes[0] | (size_t)bytes[1] << 8 | (size_t)bytes[2] << 16;
    if (bytes[3] != 0 || length < 3 || length > EXCHANGE_ANSWER_BYTES - HEADER_BYTES ||
        (bytes[4] != PROTOCOL_10 && bytes[4] != ERROR_PACKET)) {
        text_append(cause, "no MySQL greeting: ");
        exchange_quote(cause, bytes, size);
        return EXCHANGE_BAD;
    }
    if (size < HEADER_BYTES + length)
        return exchange_too_short(size, is_ended, cause);
    if (bytes[4] == ERROR_PACKET)
        return word_error(bytes + HEADER_BYTES, length, cause);
    return EXCHANGE_GOOD;
}
