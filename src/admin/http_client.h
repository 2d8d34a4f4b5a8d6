/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_client.h - one HTTP/1.1 request to culvert's own API, and its answer.
 *
 * For `culvert ctl` only: it blocks, for at most five seconds, and takes an answer of bounded size.
 */
#ifndef CULVERT_ADMIN_HTTP_CLIENT_H
#define CULVERT_ADMIN_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base.h"
#include "core/error.h"
#include "net/addr.h"

#define HTTP_ANSWER_BYTES_MAX ((size_t)32 * 1024 * 1024)

enum http_outcome {
    HTTP_ANSWERED,    /* the answer is there, whatever its status */
    HTTP_NOBODY,      /* nobody listens at the address */
    HTTP_NOT_ALLOWED, /* the socket's file does not let this user in */
    HTTP_BROKEN,      /* no whole answer came in time */
};

struct http_answer {
    int status;
    char *bytes; /* owned: head and body, with a NUL behind */
    char *body;  /* in `bytes` */
    size_t body_length;
};

/* Asks, with `body` as JSON unless it is NULL; but for HTTP_ANSWERED the error's text says what
   went wrong. Release the answer in any case. */
enum http_outcome http_call(const struct addr *addr, const char *method, const char *path,
                            const char *body, struct http_answer *answer, struct error *error);

void http_answer_release(struct http_answer *answer);

enum http_parse { HTTP_PARSE_WHOLE, HTTP_PARSE_MORE, HTTP_PARSE_BAD };

/*
 * Looks whether `length` bytes (with a NUL behind) are a whole answer, and fills in everything but
 * `bytes`. Without a Content-Length the end of the stream (`is_end`) ends the body.
 */
enum http_parse http_answer_parse(char *bytes, size_t length, bool is_end,
                                  struct http_answer *answer);

#endif
