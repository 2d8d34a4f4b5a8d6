/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver.h - questions to the DNS, asked without waiting.
 *
 * c-ares on the event loop of the control thread. The system's configuration (resolv.conf, the
 * search list, /etc/hosts) counts unless the options say otherwise, and is read again when
 * resolv.conf has changed.
 *
 * One thread. An answer may come before the asking function returns.
 */
#ifndef CULVERT_DISCOVERY_RESOLVER_H
#define CULVERT_DISCOVERY_RESOLVER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "core/error.h"
#include "net/addr.h"
#include "discovery/resolver_options.h"

/* What became of a look-up; each has a word in metrics, log and API. */
enum resolver_result {
    RESOLVER_OK,
    RESOLVER_NXDOMAIN,       /* there is no such name */
    RESOLVER_NODATA,         /* the name has no record of this type */
    RESOLVER_SERVFAIL,       /* the DNS server could not find out */
    RESOLVER_REFUSED,        /* the DNS server does not answer us */
    RESOLVER_NOTIMP,         /* the DNS server does not know this kind of question */
    RESOLVER_FORMERR,        /* the DNS server did not understand the question */
    RESOLVER_UNREACHABLE,    /* no way to any DNS server */
    RESOLVER_TIMEOUT,        /* no DNS server has answered */
    RESOLVER_SERVER_FAILURE, /* one of these, but asked for the reason it was all right again */
    RESOLVER_BAD_ANSWER,     /* an answer that cannot be read */
    RESOLVER_NO_RESOURCES,   /* memory */
};
#define RESOLVER_RESULTS (RESOLVER_NO_RESOURCES + 1)

/* "ok", "nxdomain", "nodata", … */
const char *resolver_result_word(enum resolver_result result);
/* The same for people: "there is no such name". */
const char *resolver_result_text(enum resolver_result result);

/* Families of addresses, as bits. */
enum {
    RESOLVER_IPV4 = 1,
    RESOLVER_IPV6 = 2,
};

/* The families among these addresses. */
unsigned resolver_families(const struct addr *addrs, size_t count);

/* Most addresses of one name; what is beyond is left out. */
#define RESOLVER_ADDRS_MAX 1024

/* What was learned. Borrowed: valid during the call. */
struct resolver_answer {
    enum resolver_result result;
    uint32_t ttl_s;  /* the shortest of all records, those of aliases, too */
    bool from_files; /* by /etc/hosts: without a TTL */

    const struct addr *addrs; /* resolver_ask_addresses(): each once, without a port */
    size_t addr_count;
    unsigned
        unknown; /* families that were known, have no address here, and could not be asked for */
    enum resolver_result unknown_result; /* why not */
    const unsigned char *message;        /* resolver_ask_srv(): the DNS message */
    size_t message_size;
};

typedef void (*resolver_answered)(void *argument, const struct resolver_answer *answer);

struct resolver;

/* The options' strings must outlive it. NULL with the error set otherwise. */
struct resolver *resolver_open(struct event_base *base, const struct resolver_options *options,
                               struct error *error);

/* Questions without an answer are forgotten: their callbacks are not called. NULL is harmless. */
void resolver_close(struct resolver *resolver);

/*
 * Asks for the IPv4 and IPv6 addresses of a name, /etc/hosts first. `answered` is called once.
 *
 * An answer may lack a family because the question for it failed. So one of the families that are
 * `known` and missing now is asked for once more, alone, before the answer is handed on.
 */
void resolver_ask_addresses(struct resolver *resolver, const char *name, unsigned known,
                            resolver_answered answered, void *argument);

/* Asks for the SRV records of a name; discovery/srv_answer.h reads the message. */
void resolver_ask_srv(struct resolver *resolver, const char *name, resolver_answered answered,
                      void *argument);

/* The version of c-ares in use. */
const char *resolver_library_version(void);

#endif
