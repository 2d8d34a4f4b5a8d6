/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns_names.h - the names that are asked for, and what is known of each.
 *
 * A name is asked for while somebody uses it, again and again as ask_schedule says, at most so many
 * at a time. The targets of SRV records are names, too, used by the name of the records. A bad
 * answer changes nothing but the state; each change of state is logged once. One that is good for
 * one family of addresses and bad for the other changes that family alone.
 */
#ifndef CULVERT_DISCOVERY_DNS_NAMES_H
#define CULVERT_DISCOVERY_DNS_NAMES_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

/* The table's code must not end the process when memory runs out: dns_names_use() looks. */
#ifndef HASH_NONFATAL_OOM
#define HASH_NONFATAL_OOM 1
#endif
#include <uthash.h>

#include "core/base.h"
#include "core/error.h"
#include "net/addr.h"
#include "discovery/ask_schedule.h"
#include "discovery/name_state.h"
#include "discovery/resolver.h"
#include "discovery/srv_answer.h"

/* Questions that are out at a time; others wait for their turn. */
#define DNS_QUESTIONS_MAX 32

struct dns_names;

struct dns_name {
    struct dns_names *names;
    char *text; /* as in the configuration or the record; one that is used as both is one name */
    bool is_srv;
    bool is_target; /* only SRV records name it */
    bool is_asking;
    bool has_expired; /* the last good answer was kept for as long as `stale` allows */
    unsigned users;

    enum name_state state;
    int64_t since_ms;            /* of the state */
    enum resolver_result result; /* of the last look-up */
    struct ask_schedule schedule;
    uint64_t lookups[RESOLVER_RESULTS];

    /* The last good answer; empty without one. */
    struct addr *addrs; /* in rising order */
    unsigned addr_count;
    unsigned kept;     /* families of them that are from an earlier answer: later ones told nothing
                          of them */
    int64_t partly_ms; /* the last answer that told nothing of those */
    bool is_told_partly; /* the last look-up was one */
    struct srv_answer srv;
    struct dns_name **targets; /* one per record */

    char *key;
    UT_hash_handle hh;
};

/* `changed` is called when an answer or a state has changed, not within dns_names_use(). */
struct dns_names_options {
    struct resolver *resolver; /* borrowed */
    struct ask_rules rules;
    void (*changed)(void *argument);
    void *argument;
};

/* NULL with the error set otherwise. */
struct dns_names *dns_names_create(struct event_base *base, const struct dns_names_options *options,
                                   struct error *error);
/* After its resolver was closed: answers must not come any more. */
void dns_names_destroy(struct dns_names *names);

/* The name, asked for from now on: it belongs to the table. NULL without memory. */
struct dns_name *dns_names_use(struct dns_names *names, const char *text, bool is_srv,
                               bool is_target);
/* Its answer may be out of date: asks soon, for an SRV name's targets, too. */
void dns_names_hurry(struct dns_name *name);

/* Whether it has lost an answer by `stale`, or one of its targets has. */
bool dns_name_has_expired(const struct dns_name *name);

/* Whether a name waits for the end of its first look-up, or one of its targets does. */
bool dns_name_is_pending(const struct dns_name *name);

/* The first name; the next ones follow by hh.next. */
struct dns_name *dns_names_first(const struct dns_names *names);

#endif
