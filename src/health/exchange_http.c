/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange_http.c - asking, and finding the status (RFC 9112, 3 and 4).
 */
#include "health/exchange_http.h"

#include <string.h>

#define STATUS_LINE_BYTES 13 /* "HTTP/1.1 200", and the byte behind */

/* An IPv6 address stands in brackets in a Host header (RFC 3986, 3.2.2). */
static bool needs_brackets(const char *host)
{
    return host[0] != '[' && strchr(host, ':') != NULL;
}

size_t exchange_http_open(const struct exchange_options *options, const char *host,
                          unsigned char *bytes)
{
    struct text text = text_over((char *)bytes, EXCHANGE_OPENING_BYTES);
    bool is_bracketed = options->host == NULL && needs_brackets(host);

    text_append_format(&text,
                       "GET %s HTTP/1.1\r\n"
                       "Host: %s%s%s\r\n"
                       "User-Agent: culvert\r\n"
                       "Accept: */*\r\n"
                       "Connection: close\r\n"
                       "\r\n",
                       options->path == NULL ? "/" : options->path, is_bracketed ? "[" : "",
                       options->host == NULL ? host : options->host, is_bracketed ? "]" : "");
    return text.length;
}

static bool is_digit(unsigned char byte)
{
    return byte >= '0' && byte <= '9';
}

/* The status in a whole status line's first bytes; -1: this is none. */
static int status_of(const unsigned char *bytes)
{
    if (memcmp(bytes, "HTTP/1.", 7) != 0 || !is_digit(bytes[7]) || bytes[8] != ' ' ||
        !is_digit(bytes[9]) || !is_digit(bytes[10]) || !is_digit(bytes[11]) ||
        (bytes[12] != ' ' && bytes[12] != '\r' && bytes[12] != '\n'))
        return -1;
    return (bytes[9] - '0') * 100 + (bytes[10] - '0') * 10 + (bytes[11] - '0');
}

/* Whether what has come may still become a status line. */
static bool may_be_status(const unsigned char *bytes, size_t size)
{
    static const char start[] = "HTTP/1.";
    size_t common = size < sizeof(start) - 1 ? size : sizeof(start) - 1;

    return memcmp(bytes, start, common) == 0;
}

static bool is_wanted(const struct exchange_options *options, int status)
{
    for (size_t i = 0; i < options->status_count; i++) {
        if (status >= options->statuses[i].first && status <= options->statuses[i].last)
            return true;
    }
    return options->status_count == 0 && status >= 200 && status <= 399;
}

/* Behind the header that starts at `bytes`; 0: it has no end yet. */
static size_t header_size(const unsigned char *bytes, size_t size)
{
    const unsigned char *end = memmem(bytes, size, "\r\n\r\n", 4);

    return end == NULL ? 0 : (size_t)(end - bytes) + 4;
}

enum exchange_verdict exchange_http_judge(const struct exchange_options *options,
                                          const unsigned char *bytes, size_t size, bool is_ended,
                                          struct text *cause)
{
    while (size >= STATUS_LINE_BYTES) {
        int status = status_of(bytes);
        size_t header;

        if (status == -1)
            break;
        if (is_wanted(options, status))
            return EXCHANGE_GOOD;
        if (status >= 200 || status < 100) {
            text_append_format(cause, "status %d", status);
            return EXCHANGE_BAD;
        }
        header = header_size(bytes, size); /* the final answer follows an interim one */
        if (header == 0)
            return exchange_too_short(size, is_ended, cause);
        bytes += header;
        size -= header;
    }
    if (size < STATUS_LINE_BYTES && may_be_status(bytes, size))
        return exchange_too_short(size, is_ended, cause);
    text_append(cause, "no HTTP: ");
    exchange_quote(cause, bytes, size);
    return EXCHANGE_BAD;
}
