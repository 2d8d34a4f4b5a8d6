/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_srv_answer.c - DNS messages as SRV answers: whatever they hold, records are within their
 * bounds, sorted, each place once, and targets are host names.
 *
 * Two readings of one input: as a message, and as what follows a good header and question.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "discovery/dns_message.h"
#include "discovery/srv_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_record(const struct srv_record *record)
{
    size_t length = strnlen(record->target, sizeof(record->target));

    assert(length > 0 && length < sizeof(record->target) && record->port != 0);
    assert(strspn(record->target, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == length);
}

/* From memory of just that size. */
static void check(const uint8_t *data, size_t size)
{
    unsigned char *copy = malloc(size == 0 ? 1 : size);
    struct srv_answer answer;
    enum srv_verdict verdict;

    assert(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    verdict = srv_answer_read(copy, size, &answer);
    free(copy);
    assert(verdict != SRV_NO_MEMORY && answer.count <= SRV_RECORDS_MAX);
    assert((verdict == SRV_READ) == (answer.count > 0) || verdict == SRV_MALFORMED);
    for (unsigned i = 0; verdict == SRV_READ && i < answer.count; i++) {
        check_record(&answer.records[i]);
        assert(i == 0 || answer.records[i - 1].priority <= answer.records[i].priority);
    }
    srv_answer_release(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct message message;

    check(data, size);
    if (size > 0 && size < 8192) {
        begin_answer(&message, 1, RCODE_OK, "_s._tcp.t", TYPE_SRV);
        message.bytes[ANCOUNT_AT + 1] = data[0];
        put_bytes(&message, data + 1, size - 1);
        check(message.bytes, message.size);
    }
    return 0;
}
