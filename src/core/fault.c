/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault.c - which planted fault this run of a test build has.
 */
#include "core/fault.h"

#ifdef CULVERT_FAULTS

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[FAULT_COUNT] = {
    [FAULT_NONE] = "",
    [FAULT_CLOSE_BOTH_ON_FIN] = "close_both_on_fin",
    [FAULT_NEVER_FIN] = "never_fin",
    [FAULT_DROP_LAST_CHUNK] = "drop_last_chunk",
    [FAULT_FLIP_BIT] = "flip_bit",
    [FAULT_DROP_BYTE] = "drop_byte",
    [FAULT_DUPLICATE_BYTES] = "duplicate_bytes",
    [FAULT_RST_TO_FIN] = "rst_to_fin",
    [FAULT_FIN_TO_RST] = "fin_to_rst",
    [FAULT_LAZY_CONNECT] = "lazy_connect",
    [FAULT_MISS_FIN] = "miss_fin",
    [FAULT_MISS_RST] = "miss_rst",
    [FAULT_MISS_OOB] = "miss_oob",
    [FAULT_STALL_4MB] = "stall_4mb",
    [FAULT_LATE_FIN] = "late_fin",
    [FAULT_IGNORE_SHORT_WRITE] = "ignore_short_write",
    [FAULT_READ_SO_ERROR] = "read_so_error",
    [FAULT_EVENT_ACTIVE_QUEUE] = "event_active_queue",
    [FAULT_FORGET_REARM] = "forget_rearm",
    [FAULT_TLS_CUT_IS_END] = "tls_cut_is_end",
    [FAULT_TLS_NO_NOTIFY] = "tls_no_notify",
    [FAULT_TLS_NOTIFY_ON_ABORT] = "tls_notify_on_abort",
    [FAULT_TLS_KEEP_ERRORS] = "tls_keep_errors",
    [FAULT_TLS_FORGET_PENDING] = "tls_forget_pending",
    [FAULT_TLS_LEAVE_INPUT] = "tls_leave_input",
    [FAULT_TLS_TRUST_ANYBODY] = "tls_trust_anybody",
    [FAULT_HELLO_ANY_BYTE] = "hello_any_byte",
    [FAULT_LOG_RAW] = "log_raw",
    [FAULT_PROXY_TRUST_ANYBODY] = "proxy_trust_anybody",
    [FAULT_PROXY_LONG_LINE] = "proxy_long_line",
    [FAULT_PROXY_LONG_HEADER] = "proxy_long_header",
    [FAULT_PROXY_ANY_CHECKSUM] = "proxy_any_checksum",
    [FAULT_PROXY_LOCAL_ADDRESS] = "proxy_local_address",
    [FAULT_PACE_NEVER_EMPTY] = "pace_never_empty",
    [FAULT_PACE_NEVER_REFILL] = "pace_never_refill",
    [FAULT_QUEUE_NEVER_CALL] = "queue_never_call",
    [FAULT_QUEUE_LAST_FIRST] = "queue_last_first",
    [FAULT_QUEUE_NO_TIMEOUT] = "queue_no_timeout",
    [FAULT_RULES_ALLOW_FIRST] = "rules_allow_first",
    [FAULT_LIST_TAKE_BROKEN] = "list_take_broken",
    [FAULT_HEALTH_BLAME_SERVER] = "health_blame_server",
    [FAULT_HEALTH_FIRST_FAIL] = "health_first_fail",
    [FAULT_DNS_DROP_STALE] = "dns_drop_stale",
};

static enum fault planted = FAULT_NONE;

/* Before main(), so that no thread can race the look at the environment. */
__attribute__((constructor)) static void read_environment(void)
{
    const char *word = getenv("CULVERT_TEST_FAULT");

    if (word == NULL || word[0] == '\0')
        return;
    for (int i = FAULT_NONE + 1; i < FAULT_COUNT; i++) {
        if (strcmp(word, words[i]) == 0) {
            planted = (enum fault)i;
            return;
        }
    }
    fprintf(stderr, "CULVERT_TEST_FAULT=%s is no planted fault\n", word);
    exit(64);
}

bool fault_is(enum fault fault)
{
    return planted == fault;
}

#else

/* ISO C wants a declaration in every file; the faults exist in test builds only. */
extern const int fault_none;
const int fault_none = 0;

#endif
