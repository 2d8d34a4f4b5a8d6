/* SPDX-License-Identifier: Apache-2.0 */
/*
 * srv_answer.h - the SRV records of a DNS message (RFC 2782).
 *
 * Read with glibc's ns_initparse(3) and ns_parserr(3), for c-ares 1.18 does not tell their TTL.
 * The message comes from the network: every number in it is bounded. Nothing outside the answer
 * section is believed; the targets' addresses are asked for by name.
 */
#ifndef CULVERT_DISCOVERY_SRV_ANSWER_H
#define CULVERT_DISCOVERY_SRV_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"

/* Most records that count; what is beyond is left out. */
#define SRV_RECORDS_MAX 1024

/* Room for a name as text, with the NUL: bytes that are no host name's are refused. */
#define SRV_TARGET_BYTES 256

struct srv_record {
    uint16_t priority; /* lower ones first */
    uint16_t weight;
    uint16_t port;
    char target[SRV_TARGET_BYTES]; /* in lower case, without a dot at its end */
};

struct srv_answer {
    struct srv_record *records; /* by priority, then target, then port; each pair once */
    unsigned count;
    uint32_t ttl_s; /* the shortest, of aliases, too */
    bool is_cut;    /* there were more than SRV_RECORDS_MAX */
};

enum srv_verdict {
    SRV_READ,      /* at least one record */
    SRV_EMPTY,     /* none, or the one target "." that says: not here */
    SRV_MALFORMED, /* no DNS answer, or names that lead nowhere */
    SRV_NO_MEMORY,
};

/* Reads the message. `answer` is to be released whatever the verdict. */
enum srv_verdict srv_answer_read(const unsigned char *message, size_t size,
                                 struct srv_answer *answer) CULVERT_MUST_CHECK;

/* Harmless on a zeroed answer. */
void srv_answer_release(struct srv_answer *answer);

/*
 * The weight of a server (1 to 256) that stands for a record's (0 to 65535), where `most` is the
 * greatest of its priority: proportions stay while all fit, else they are scaled down.
 */
int srv_weight(unsigned weight, unsigned most);

#endif
