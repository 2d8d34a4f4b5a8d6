/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.h - one check of one server: connect, exchange, verdict, polite end.
 *
 * A state machine over a non-blocking socket on the control thread's event base. What a server may
 * do to it is bounded by one timeout and by the size of the answer that is read.
 */
#ifndef CULVERT_HEALTH_PROBE_H
#define CULVERT_HEALTH_PROBE_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "net/addr.h"
#include "net/conn.h"
#include "tls/tls_profile.h"
#include "health/descriptor_reserve.h"
#include "health/exchange.h"

enum probe_outcome {
    PROBE_OK,
    PROBE_REFUSED,
    PROBE_TIMED_OUT,
    PROBE_UNREACHABLE,
    PROBE_RESET,
    PROBE_TLS_FAILED,
    PROBE_BAD_ANSWER,
    PROBE_LOCAL, /* culvert itself could not: says nothing about the server */
    PROBE_OUTCOMES,
};

/* The words of metrics and API: ok, refused, timeout, unreachable, reset, tls, answer, local. */
const char *probe_outcome_word(enum probe_outcome outcome);

#define PROBE_CAUSE_BYTES 192

struct probe_result {
    enum probe_outcome outcome;
    int64_t duration_us;           /* from the start to the verdict */
    char cause[PROBE_CAUSE_BYTES]; /* "connect timeout after 2 s"; "" when all is well */
};

/* What to check and how; borrowed until the probe is idle again. */
struct probe_options {
    const struct exchange_options *exchange;
    struct tls_profile *tls;     /* TLS; NULL: none but what the server may offer */
    struct tls_profile *any_tls; /* for a server that offers TLS when `tls` is NULL */
    unsigned tls_slot;           /* which of a profile's contexts belongs to this thread */
    int64_t timeout_ms;          /* for all of it */
    bool sends_proxy;            /* a PROXY header (LOCAL) comes first */
    bool resets;                 /* the end is a reset */
};

struct probe_target {
    struct addr addr;
    const char *host;           /* how the server is named in an exchange */
    const char *tls_name;       /* SNI and name to verify, or NULL */
    uint64_t session_key;       /* TLS sessions are resumed under it */
    const struct addr *sources; /* to connect from, of the server's family; borrowed */
    unsigned source_count;      /* 0: the kernel chooses */
};

/* Called once for each start, as the last thing that the probe does in a turn. */
typedef void (*probe_done)(void *argument, const struct probe_result *result);

enum probe_phase {
    PROBE_IDLE,
    PROBE_CONNECTING,
    PROBE_ANNOUNCING, /* the PROXY header */
    PROBE_SHAKING,    /* the TLS handshake */
    PROBE_SAYING,
    PROBE_HEARING,
    PROBE_ENDING,  /* passing our end on */
    PROBE_LEAVING, /* waiting for that of the server, lest unread bytes make it a reset */
};

struct probe {
    struct event_base *base;
    struct descriptor_reserve *reserve;
    probe_done done;
    void *argument;

    enum probe_phase phase;
    struct conn conn;
    struct event timer;
    const struct probe_options *options;
    struct probe_target target;
    int64_t started_us;
    unsigned starts;       /* checks take the sources in turn */
    unsigned turns;        /* of I/O: a peer that keeps us busy has an end, too */
    bool has_verdict;      /* it stands in `result` */
    bool owes_done;        /* and has not been told */
    unsigned char *buffer; /* while not idle: what to say, then what was heard */
    const unsigned char *out;
    size_t out_left;
    size_t heard;
    struct probe_result result;
};

/* `reserve` is lent when no descriptor is free. */
void probe_init(struct probe *probe, struct event_base *base, struct descriptor_reserve *reserve,
                probe_done done, void *argument);

/* Stops a check without a word. Harmless when idle. */
void probe_release(struct probe *probe);

/* Begins. An earlier check that still waits for the server's end is closed. A check under way has
   a verdict first: `options->timeout_ms` sees to that. */
void probe_start(struct probe *probe, const struct probe_options *options,
                 const struct probe_target *target);

/* Whether a check is under way that has no verdict yet. */
bool probe_is_busy(const struct probe *probe);

#endif
