/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow_fault.c - planting the faults of a flow in a test build.
 */
#include "relay/flow_fault.h"

#ifdef CULVERT_FAULTS

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/fault.h"
#include "net/conn.h"
#include "net/pipe.h"
#include "relay/flow.h"

/* A byte fault strikes once in so many bytes of a flow, and once in its first kilobyte. */
#define EVERY_BYTES ((uint64_t)3 << 20)

static bool strikes(const struct flow *flow, size_t size)
{
    uint64_t before = flow->delivered + EVERY_BYTES - 1000;

    return size > 0 && before / EVERY_BYTES != (before + size) / EVERY_BYTES;
}

unsigned char *flow_fault_bytes(struct flow *flow, unsigned char *bytes, size_t *size)
{
    if (fault_is(FAULT_DROP_LAST_CHUNK) && flow->source->hup_in)
        *size = 0;
    if (!strikes(flow, *size))
        return bytes;
    if (fault_is(FAULT_FLIP_BIT))
        bytes[0] ^= 1;
    if (fault_is(FAULT_DROP_BYTE)) {
        (*size)--;
        return bytes + 1;
    }
    if (fault_is(FAULT_DUPLICATE_BYTES)) {
        size_t moved = 0;

        conn_ops(flow->destination)->write(flow->destination, bytes, *size < 8 ? *size : 8, &moved);
    }
    return bytes;
}

void flow_fault_pipe(struct flow *flow)
{
    unsigned char byte;
    bool takes_byte = fault_is(FAULT_DROP_BYTE) && strikes(flow, flow->pipe->held);

    if (fault_is(FAULT_DROP_LAST_CHUNK) && flow->source->hup_in)
        takes_byte = true;
    if (fault_is(FAULT_IGNORE_SHORT_WRITE) && strikes(flow, flow->pipe->held))
        takes_byte = true;
    if (takes_byte && read(flow->pipe->read_fd, &byte, 1) == 1)
        flow->pipe->held--;
}

bool flow_fault_holds_end(const struct flow *flow)
{
    const struct timespec late = {.tv_sec = 3};

    (void)flow;
    if (fault_is(FAULT_LATE_FIN))
        nanosleep(&late, NULL);
    return fault_is(FAULT_NEVER_FIN);
}

bool flow_fault_stops_reading(const struct flow *flow)
{
    return fault_is(FAULT_STALL_4MB) && flow->delivered > (uint64_t)4 << 20;
}

bool flow_fault_skips_recheck(void)
{
    return fault_is(FAULT_MISS_FIN) || fault_is(FAULT_MISS_RST) || fault_is(FAULT_MISS_OOB);
}

#else

/* ISO C wants a declaration in every file. */
extern const int flow_fault_none;
const int flow_fault_none = 0;

#endif
