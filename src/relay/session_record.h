/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session_record.h - what is said about a session when it starts and ends, and in live views.
 *
 * One flat struct without pointers: it fits into a log record's payload, crosses threads by copy,
 * and is worded in the logger's or the control thread's time.
 */
#ifndef CULVERT_RELAY_SESSION_RECORD_H
#define CULVERT_RELAY_SESSION_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "core/log.h"
#include "net/addr.h"
#include "config/snapshot.h"
#include "relay/close_reason.h"

/* Phase words for users. */
enum phase {
    PHASE_PREREAD,
    PHASE_HANDSHAKE,
    PHASE_QUEUE,
    PHASE_CONNECT,
    PHASE_RELAY,
    PHASE_HALF_CLOSED, /* live views only */
    PHASE_ABORTING,    /* live views only */
    PHASE_COUNT,
};
const char *phase_word(enum phase phase);

/* Whose end or error came first. */
enum first { FIRST_NOBODY, FIRST_CLIENT, FIRST_SERVER, FIRST_CULVERT };

/* What a side of a session speaks. */
enum session_tls { SESSION_PLAIN, SESSION_TLS_1_2, SESSION_TLS_1_3, SESSION_TLS_COUNT };
const char *session_tls_word(enum session_tls tls); /* "", "TLSv1.2", "TLSv1.3" */

#define SESSION_SNI_BYTES 128
#define SESSION_NAME_BYTES 33 /* names of sections are at most 32 bytes */

struct session_record {
    uint64_t id;
    char listener[SESSION_NAME_BYTES];
    char route[SESSION_NAME_BYTES];
    char pool[SESSION_NAME_BYTES];
    char server[SESSION_NAME_BYTES];
    char client[64];        /* as configured by [log] client_ip */
    char client_socket[64]; /* the same of its socket, where a PROXY header names another; "" */
    char server_addr[64];   /* cut when a unix path is longer */
    char sni[SESSION_SNI_BYTES]; /* the name the client asked for; cut when longer */
    char proxy_error[40];        /* what is wrong with the PROXY header; "" */
    char tls_error[160];         /* OpenSSL's words, or those of the hello's reader; "" */
    char tls[10];        /* "TLSv1.3" towards the client; "" when it is relayed undecrypted */
    char server_tls[10]; /* the same towards the server */
    enum close_reason reason;
    enum phase phase;
    enum first first;
    enum first waited_for; /* FIRST_NOBODY unless a timer ended the session; BOTH = FIRST_CULVERT */
    int error;             /* errno, 0 = none */
    uint64_t upload_bytes;
    uint64_t download_bytes;
    uint64_t undelivered_bytes;
    uint64_t spliced_bytes;
    int64_t started_wall_us;
    int64_t queue_us;
    int64_t connect_us;    /* negative: never connected; worded as -1 */
    int64_t first_byte_us; /* negative: none came; worded as -1 */
    int64_t duration_us;
    uint32_t rtt_us; /* 0: not known */
    unsigned retries;
};

/* Writes a client's address as [log] client_ip wants it shown; `shown` has room for that of
   record->client. */
void session_record_set_client(char *shown, const struct addr *client, enum client_ip how);

/* The session's id as text: base 36, e.g. "0t8k3v-2f". `buffer` of 24 bytes; returned. */
const char *session_id_text(uint64_t id, char *buffer);

/* False when the text is no id. */
bool session_id_parse(const char *text, uint64_t *id);

const char *first_word(enum first first);      /* "", "client", "server", "culvert" */
const char *waited_for_word(enum first first); /* "", "client", "server", "both" */
/* Which way the relayed bytes took: "copy", "splice", "mixed", "tls"; "" when none moved. */
const char *path_text(const struct session_record *record);
/* "ECONNRESET"; "" for 0; a number for what has no name (strerrorname_np(3)). */
const char *errno_word(int error, char *buffer, size_t size);

/* Words the record as one `session_end` (or `session_start`) line: a log_expand function. */
void session_record_expand_end(const void *payload, size_t size, struct log_line *line);
void session_record_expand_start(const void *payload, size_t size, struct log_line *line);

#endif
