/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault.h - faults planted on purpose, so that the end-to-end suite can be shown to catch them.
 *
 * Only a test build (-DCULVERT_FAULTS) has them; CULVERT_TEST_FAULT names the one of this run.
 * Elsewhere fault_is() is the constant false and the compiler drops the code behind it.
 */
#ifndef CULVERT_CORE_FAULT_H
#define CULVERT_CORE_FAULT_H

#include <stdbool.h>

enum fault {
    FAULT_NONE,
    FAULT_CLOSE_BOTH_ON_FIN,
    FAULT_NEVER_FIN,
    FAULT_DROP_LAST_CHUNK,
    FAULT_FLIP_BIT,
    FAULT_DROP_BYTE,
    FAULT_DUPLICATE_BYTES,
    FAULT_RST_TO_FIN,
    FAULT_FIN_TO_RST,
    FAULT_LAZY_CONNECT,
    FAULT_MISS_FIN,
    FAULT_MISS_RST,
    FAULT_MISS_OOB,
    FAULT_STALL_4MB,
    FAULT_LATE_FIN,
    FAULT_IGNORE_SHORT_WRITE,
    FAULT_READ_SO_ERROR,
    FAULT_EVENT_ACTIVE_QUEUE,
    FAULT_FORGET_REARM,
    FAULT_TLS_CUT_IS_END,
    FAULT_TLS_NO_NOTIFY,
    FAULT_TLS_NOTIFY_ON_ABORT,
    FAULT_TLS_KEEP_ERRORS,
    FAULT_TLS_FORGET_PENDING,
    FAULT_TLS_LEAVE_INPUT,
    FAULT_TLS_TRUST_ANYBODY,
    FAULT_HELLO_ANY_BYTE,
    FAULT_LOG_RAW,
    FAULT_PROXY_TRUST_ANYBODY,
    FAULT_PROXY_LONG_LINE,
    FAULT_PROXY_LONG_HEADER,
    FAULT_PROXY_ANY_CHECKSUM,
    FAULT_PROXY_LOCAL_ADDRESS,
    FAULT_PACE_NEVER_EMPTY,
    FAULT_PACE_NEVER_REFILL,
    FAULT_QUEUE_NEVER_CALL,
    FAULT_QUEUE_LAST_FIRST,
    FAULT_QUEUE_NO_TIMEOUT,
    FAULT_RULES_ALLOW_FIRST,
    FAULT_LIST_TAKE_BROKEN,
    FAULT_HEALTH_BLAME_SERVER,
    FAULT_HEALTH_FIRST_FAIL,
    FAULT_DNS_DROP_STALE,
    FAULT_COUNT,
};

#ifdef CULVERT_FAULTS
bool fault_is(enum fault fault);
#else
static inline bool fault_is(enum fault fault)
{
    (void)fault;
    return false;
}
#endif

#endif
