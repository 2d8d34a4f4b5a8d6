/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow.h - one direction of a relayed session.
 *
 * A flow carries bytes from a source connection to a destination connection, in order and
 * unchanged, then passes on the end of the stream. A session owns two: upload (client to server)
 * and download (server to client). They share connections but never look at each other.
 *
 * A flow is passive. It registers no events, arms no timers and calls nobody back: the session
 * calls flow_pump() after an edge of a connection and obeys the answer. So a flow can neither free
 * its session nor be freed while it runs.
 */
#ifndef CULVERT_RELAY_FLOW_H
#define CULVERT_RELAY_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer;
struct conn;
struct pipe;
struct relay_resources;

/* How the bytes travel. */
enum flow_method {
    FLOW_COPY,   /* through a buffer of ours: works between any two connections */
    FLOW_SPLICE, /* through a kernel pipe: both connections must be plain sockets */
};

/* Where a flow is in its life. It only ever moves down this list. */
enum flow_state {
    FLOW_OPEN,   /* the source may still produce bytes */
    FLOW_ENDING, /* the source has ended; the destination has not been told yet */
    FLOW_ENDED,  /* all delivered, and the destination's write side is shut */
    FLOW_BROKEN, /* `culprit` failed: whatever comes next must not look like an end */
};

/* What broke a flow. */
enum flow_culprit {
    FLOW_BROKEN_BY_MEMORY, /* no buffer for bytes that were read */
    FLOW_BROKEN_BY_SOURCE,
    FLOW_BROKEN_BY_DESTINATION,
};

/* What flow_pump() is waiting for when it returns. */
enum flow_wait {
    FLOW_WAITS_FOR_SOURCE,      /* nothing held: the source's next edge */
    FLOW_WAITS_FOR_DESTINATION, /* back-pressure: not reading, the destination's next edge */
    FLOW_WAITS_FOR_TURN,        /* budget spent, more to do: let other sessions run */
    FLOW_WAITS_FOR_BUFFER,      /* buffer_memory is spent: not reading until a buffer is free */
    FLOW_WAITS_FOR_RATE,        /* relay/pace.h: not reading until the rate allows it */
    FLOW_WAITS_FOR_NOTHING,     /* ended, or broken and nothing left to deliver */
};

struct flow {
    struct conn *source;      /* borrowed from the session */
    struct conn *destination; /* borrowed from the session */
    struct buffer *buffer;    /* what the destination did not take; NULL while empty */
    struct pipe *pipe;        /* the same while splicing; NULL while empty */
    uint64_t delivered;       /* bytes accepted by the destination's kernel buffer */
    uint64_t spliced;         /* of those, through a pipe */
    int64_t read_ms;          /* the last byte or end from the source, or the end of a stall */
    int64_t stalled_ms;       /* since when the destination takes nothing; 0 = it does */
    int stalled_bytes;        /* SIOCOUTQ of the destination when the stall clock was last set */
    unsigned read_limit : 17; /* most bytes of one copying read ([listen] buffer_size) */
    enum flow_method method : 1;
    enum flow_state state : 2;
    enum flow_culprit culprit : 2; /* of FLOW_BROKEN */
    bool may_splice : 1;
    bool is_paced : 1;          /* read_limit is what its rate allows now (relay/pace.h) */
    bool was_looked_at : 1;     /* stalled_bytes holds since the last write */
    unsigned small_splices : 4; /* in a row */
};

/* Prepares a flow; `may_splice` allows FLOW_SPLICE where both conns can do it. Cannot fail: memory
   is borrowed only while bytes are held. */
void flow_init(struct flow *flow, struct conn *source, struct conn *destination, bool may_splice,
               size_t read_limit);

/*
 * Moves bytes until something would block, the source has ended and all is delivered, or `rounds`
 * rounds (a read and its write) are done. Never blocks. What it holds is bounded by one buffer or
 * one pipe, so a slow destination slows its source.
 *
 * The method changes with the traffic (copy for small reads, splice for bulk); it stays copy while
 * no pipe can be had, and for good behind an urgent mark. A flow that its source broke still
 * delivers what it holds.
 */
enum flow_wait flow_pump(struct flow *flow, struct relay_resources *resources, int rounds,
                         int64_t now_ms);

/* Bytes read from the source and not yet taken by the destination. */
size_t flow_held(const struct flow *flow);

/* Gives the flow up unless it has ended: drops what is held and stops reading. */
void flow_break(struct flow *flow, struct relay_resources *resources, enum flow_culprit culprit);

/* Moves a residue out of its pipe into a buffer, so that the pipe can serve others. Does nothing
   without a free buffer. */
void flow_spill(struct flow *flow, struct relay_resources *resources);

/* Returns borrowed memory, dropping undelivered bytes. Safe to call twice. */
void flow_release(struct flow *flow, struct relay_resources *resources);

#endif
