/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay_counters.h - one worker's shard of every relay counter.
 *
 * Written by its worker alone, read by the control thread, which adds the shards up. Indexed as
 * the snapshot numbers things (config/snapshot.h). Servers count for themselves (pool/server.h).
 */
#ifndef CULVERT_RELAY_RELAY_COUNTERS_H
#define CULVERT_RELAY_RELAY_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base.h"
#include "core/counter.h"
#include "config/snapshot.h"
#include "relay/close_reason.h"
#include "relay/session_record.h"

/* Upper bounds in microseconds of the latency buckets; the last bucket is unbounded. */
#define LATENCY_BUCKETS 15
extern const int64_t latency_bucket_us[LATENCY_BUCKETS];
/* The same for session durations. */
#define DURATION_BUCKETS 8
extern const int64_t duration_bucket_us[DURATION_BUCKETS];

struct latency_histogram {
    struct counter bucket[LATENCY_BUCKETS + 1]; /* not cumulative */
    struct counter sum_us;
};

struct duration_histogram {
    struct counter bucket[DURATION_BUCKETS + 1];
    struct counter sum_us;
};

void latency_observe(struct latency_histogram *histogram, int64_t us);
void duration_observe(struct duration_histogram *histogram, int64_t us);

/* TLS handshakes of one listener (with clients) or one pool (with servers). */
struct handshake_counters {
    struct counter done[SESSION_TLS_COUNT]; /* by what was agreed on */
    struct counter failed;
    struct counter timed_out;
    struct counter resumed;        /* of those done */
    struct latency_histogram took; /* those done */
};

/* Why a connection was refused before a session existed. */
enum rejection {
    REJECTED_LIMIT,    /* max_connections, of the process or the listener */
    REJECTED_LIMIT_IP, /* max_connections_per_ip */
    REJECTED_RATE,     /* connection_rate */
    REJECTED_RATE_IP,  /* connection_rate_per_ip */
    REJECTED_DENIED,   /* allow, deny */
    REJECTED_COUNT,
};
const char *rejection_word(enum rejection rejection); /* limit limit_ip rate … */

struct listener_counters {
    struct counter accepted;
    struct counter rejected[REJECTED_COUNT];
    struct counter sessions[PHASE_COUNT]; /* gauges */
    struct duration_histogram duration;
    struct handshake_counters handshakes;
};

struct pool_counters {
    struct counter retries;
    struct latency_histogram queue_wait;
    struct latency_histogram connect;
    struct latency_histogram first_byte;
    struct handshake_counters handshakes;
};

struct tally_counters {
    struct counter closed[CLOSE_REASON_COUNT];
    struct counter upload_bytes;
    struct counter download_bytes;
};

struct relay_counters {
    struct listener_counters *listeners;
    struct pool_counters *pools;
    struct tally_counters *tallies;
    struct counter copied_bytes;
    struct counter spliced_bytes;
    struct counter tls_bytes;    /* of sessions that speak TLS on either side */
    struct counter wakeups;      /* event callbacks of sessions */
    struct counter buffer_waits; /* times a flow stood still because the budget was spent */
};

/* Zeroed shards in the sizes of the snapshot. False without memory. */
bool relay_counters_init(struct relay_counters *counters,
                         const struct snapshot *snapshot) CULVERT_MUST_CHECK;

/* Add a worker's shard to a sum of the same snapshot; only the sum's owner may call them. What
   ended sessions were (the tallies) comes before the rest of any shard: a session that ends
   meanwhile may be missing among them, but none is there that is not among the accepted. */
void relay_counters_add_ends(struct relay_counters *sum, const struct relay_counters *shard,
                             const struct snapshot *snapshot);
void relay_counters_add_rest(struct relay_counters *sum, const struct relay_counters *shard,
                             const struct snapshot *snapshot);

void relay_counters_release(struct relay_counters *counters);

#endif
