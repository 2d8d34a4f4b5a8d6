/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow_fault.h - the planted faults of a flow (core/fault.h): nothing at all outside a test build.
 */
#ifndef CULVERT_RELAY_FLOW_FAULT_H
#define CULVERT_RELAY_FLOW_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flow;

#ifdef CULVERT_FAULTS

/* Changes, drops or repeats bytes on their way; returns where they start. */
unsigned char *flow_fault_bytes(struct flow *flow, unsigned char *bytes, size_t *size);
/* The same for bytes in a pipe. */
void flow_fault_pipe(struct flow *flow);
/* Whether the end is kept back (for ever), after a delay if the fault says so. */
bool flow_fault_holds_end(const struct flow *flow);
bool flow_fault_stops_reading(const struct flow *flow);
bool flow_fault_skips_recheck(void);

#else

static inline unsigned char *flow_fault_bytes(struct flow *flow, unsigned char *bytes, size_t *size)
{
    (void)flow;
    (void)size;
    return bytes;
}

static inline void flow_fault_pipe(struct flow *flow)
{
    (void)flow;
}

static inline bool flow_fault_holds_end(const struct flow *flow)
{
    (void)flow;
    return false;
}

static inline bool flow_fault_stops_reading(const struct flow *flow)
{
    (void)flow;
    return false;
}

static inline bool flow_fault_skips_recheck(void)
{
    return false;
}

#endif

#endif
