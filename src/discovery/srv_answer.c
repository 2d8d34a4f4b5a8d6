/* SPDX-License-Identifier: Apache-2.0 */
/*
 * srv_answer.c - SRV records, read with suspicion.
 */
#include "discovery/srv_answer.h"

#include <arpa/nameser.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

/* Aliases followed from the name that was asked for. */
#define ALIASES_MAX 8

/* Priority, weight and port before the target. */
#define SRV_FIXED_BYTES 6

static bool is_host_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
           byte == '_' || byte == '.';
}

static bool is_host_name(const char *name)
{
    for (const char *byte = name; *byte != '\0'; byte++) {
        if (!is_host_byte(*byte))
            return false;
    }
    return name[0] != '\0';
}

/* The compressed name at `at`, which lies in the message, in lower case. */
static bool read_name(const ns_msg *message, const unsigned char *at, char *name)
{
    char text[NS_MAXDNAME];

    if (ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message), at, text, sizeof(text)) < 0)
        return false;
    if (strlen(text) >= SRV_TARGET_BYTES)
        return false;
    text_fold_name(name, text, strlen(text));
    return true;
}

static bool is_owner(const ns_rr *record, const char *name)
{
    char owner[NS_MAXDNAME];

    text_fold_name(owner, ns_rr_name(*record), strlen(ns_rr_name(*record)));
    return strcmp(owner, name) == 0;
}

static uint32_t ttl_of(const ns_rr *record)
{
    /* RFC 2181, 8: with the highest bit set it is none. */
    return ns_rr_ttl(*record) > INT32_MAX ? 0 : (uint32_t)ns_rr_ttl(*record);
}

/* Whether the name has a CNAME record; then that is the name. */
static bool follow_alias(ns_msg *message, int count, char *name, uint32_t *ttl_s)
{
    for (int i = 0; i < count; i++) {
        ns_rr record;

        if (ns_parserr(message, ns_s_an, i, &record) != 0)
            return false;
        if (ns_rr_type(record) != ns_t_cname || ns_rr_class(record) != ns_c_in ||
            !is_owner(&record, name))
            continue;
        *ttl_s = ttl_of(&record) < *ttl_s ? ttl_of(&record) : *ttl_s;
        return read_name(message, ns_rr_rdata(record), name);
    }
    return false;
}

static bool read_record(const ns_msg *message, const ns_rr *record, struct srv_record *srv)
{
    const unsigned char *data = ns_rr_rdata(*record);

    if (ns_rr_rdlen(*record) <= SRV_FIXED_BYTES)
        return false;
    srv->priority = (uint16_t)ns_get16(data);
    srv->weight = (uint16_t)ns_get16(data + 2);
    srv->port = (uint16_t)ns_get16(data + 4);
    return read_name(message, data + SRV_FIXED_BYTES, srv->target);
}

static int compare(const void *a_pointer, const void *b_pointer)
{
    const struct srv_record *a = a_pointer;
    const struct srv_record *b = b_pointer;
    int order = strcmp(a->target, b->target);

    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    if (order != 0)
        return order;
    return (a->port > b->port) - (a->port < b->port);
}

static bool is_same_place(const struct srv_record *a, const struct srv_record *b)
{
    return a->port == b->port && strcmp(a->target, b->target) == 0;
}

/* One place once, with its first priority. */
static void drop_doubles(struct srv_answer *answer)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < answer->count; i++) {
        unsigned j = 0;

        while (j < kept && !is_same_place(&answer->records[j], &answer->records[i]))
            j++;
        if (j < kept)
            continue;
        if (kept != i)
            answer->records[kept] = answer->records[i];
        kept++;
    }
    answer->count = kept;
}

/* Takes the records of `name`. False when one cannot be read. */
static bool take_records(ns_msg *message, int count, const char *name, struct srv_answer *answer)
{
    for (int i = 0; i < count; i++) {
        struct srv_record *srv = &answer->records[answer->count];
        ns_rr record;

        if (ns_parserr(message, ns_s_an, i, &record) != 0)
            return false;
        if (ns_rr_type(record) != ns_t_srv || ns_rr_class(record) != ns_c_in ||
            !is_owner(&record, name))
            continue;
        answer->ttl_s = ttl_of(&record) < answer->ttl_s ? ttl_of(&record) : answer->ttl_s;
        if (answer->count == SRV_RECORDS_MAX) {
            answer->is_cut = true;
            return true;
        }
        if (!read_record(message, &record, srv))
            return false;
        /* The root as target: the service is decidedly not available. */
        if (srv->target[0] == '\0' || strcmp(srv->target, ".") == 0 || srv->port == 0)
            continue;
        if (!is_host_name(srv->target))
            return false;
        answer->count++;
    }
    return true;
}

enum srv_verdict srv_answer_read(const unsigned char *message, size_t size,
                                 struct srv_answer *answer)
{
    char name[NS_MAXDNAME];
    ns_msg handle;
    ns_rr question;
    int count;

    *answer = (struct srv_answer){.ttl_s = UINT32_MAX};
    if (size > NS_MAXMSG || ns_initparse(message, (int)size, &handle) != 0 ||
        ns_msg_count(handle, ns_s_qd) != 1 || ns_parserr(&handle, ns_s_qd, 0, &question) != 0)
        return SRV_MALFORMED;
    if (strlen(ns_rr_name(question)) >= SRV_TARGET_BYTES)
        return SRV_MALFORMED;
    text_fold_name(name, ns_rr_name(question), strlen(ns_rr_name(question)));
    count = ns_msg_count(handle, ns_s_an);
    for (int aliases = 0; follow_alias(&handle, count, name, &answer->ttl_s); aliases++) {
        if (aliases == ALIASES_MAX)
            return SRV_MALFORMED; /* a loop, or as good as one */
    }
    answer->records = calloc((size_t)(count < SRV_RECORDS_MAX ? count : SRV_RECORDS_MAX) + 1,
                             sizeof(*answer->records));
    if (answer->records == NULL)
        return SRV_NO_MEMORY;
    if (!take_records(&handle, count, name, answer))
        return SRV_MALFORMED;
    if (answer->count == 0)
        return SRV_EMPTY;
    qsort(answer->records, answer->count, sizeof(*answer->records), compare);
    drop_doubles(answer);
    return SRV_READ;
}

void srv_answer_release(struct srv_answer *answer)
{
    free(answer->records);
    *answer = (struct srv_answer){.count = 0};
}

int srv_weight(unsigned weight, unsigned most)
{
    unsigned scaled = most <= 256 ? weight : weight * 256 / most;

    return scaled == 0 ? 1 : (int)scaled;
}
