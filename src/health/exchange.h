/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange.h - what a check says to a server, and what it makes of the answer.
 *
 * Pure: no sockets, no clock. The probe (probe.h) carries the bytes. Answers come from a peer that
 * may be broken or hostile: they are looked at whole, from the start, as far as they have come, and
 * every length in them is checked against what is there.
 */
#ifndef CULVERT_HEALTH_EXCHANGE_H
#define CULVERT_HEALTH_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base.h"
#include "core/text.h"

enum exchange_type {
    EXCHANGE_TCP,      /* that it accepts is enough */
    EXCHANGE_TLS,      /* a complete handshake is enough */
    EXCHANGE_EXPECT,   /* `send`, and an answer that starts with `expect` */
    EXCHANGE_HTTP,     /* a status of the list */
    EXCHANGE_POSTGRES, /* any answer to an SSLRequest; TLS when the server offers it */
    EXCHANGE_REDIS,    /* PONG, or that it wants a password */
    EXCHANGE_MYSQL,    /* the greeting */
};

/* The words of [health] type. */
const char *exchange_type_word(enum exchange_type type);

struct status_range {
    int first;
    int last;
};

/* Owns what it points to; a zeroed struct is a TCP check. */
struct exchange_options {
    enum exchange_type type;
    unsigned char *send; /* EXPECT; NULL: nothing */
    size_t send_size;
    unsigned char *expect; /* EXPECT; NULL: any byte */
    size_t expect_size;
    char *path; /* HTTP */
    char *host; /* HTTP; NULL: the server's own */
    struct status_range *statuses;
    size_t status_count;
};

void exchange_options_release(struct exchange_options *options);

/* Room for the longest opening: three values of a line each. */
#define EXCHANGE_OPENING_BYTES 12800

/* An answer without a verdict by then is none. */
#define EXCHANGE_ANSWER_BYTES 4096

/* Puts what the check says first into `bytes` and returns its size; 0: the server speaks first.
   `host` names the server where the options do not. */
size_t exchange_open(const struct exchange_options *options, const char *host,
                     unsigned char bytes[EXCHANGE_OPENING_BYTES]);

enum exchange_verdict {
    EXCHANGE_WANTS_MORE,
    EXCHANGE_WANTS_TLS, /* the server offers TLS now */
    EXCHANGE_GOOD,
    EXCHANGE_BAD, /* `cause` says why */
};

/* Judges the answer so far. `is_ended`: no more will come. */
enum exchange_verdict exchange_judge(const struct exchange_options *options,
                                     const unsigned char *bytes, size_t size, bool is_ended,
                                     struct text *cause);

/* ---- for the families' own files ---------------------------------------------------------------
 */

/* Adds the start of an answer in double quotes, escaped. */
void exchange_quote(struct text *cause, const unsigned char *bytes, size_t size);

/* The verdict when the answer is too short for one: more, or bad since none will come. */
enum exchange_verdict exchange_too_short(size_t size, bool is_ended, struct text *cause);

#endif
