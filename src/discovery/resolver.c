/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver.c - from a name to an answer: what to ask, and what c-ares leaves out.
 *
 * It leaves out two things. A look-up of both families succeeds when one question did, and does not
 * tell what became of the other. And where each DNS server fails or refuses it reports one error
 * for all; so the question is asked again, of the channel that tells.
 */
#include "discovery/resolver.h"

#include <arpa/nameser.h>
#include <ares.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "discovery/dns_channel.h"

struct resolver {
    struct dns_channels *channels;
    bool search;
    bool is_closing;
};

struct question {
    struct resolver *resolver;
    struct dns_channel *channel; /* that it is out on */
    char *name;
    bool is_srv;
    unsigned known; /* families */
    resolver_answered answered;
    void *argument;
    bool is_asked; /* the asking function has returned: what comes now came from the network */
    bool is_done;

    struct resolver_answer answer; /* so far */
    struct addr *addrs;            /* owned */
    char *absolute;                /* the name that was found; set while one family is asked for */
    int type;                      /* of the question that is out alone */
};

static const struct {
    const char *word;
    const char *text;
} results[RESOLVER_RESULTS] = {
    [RESOLVER_OK] = {"ok", "found"},
    [RESOLVER_NXDOMAIN] = {"nxdomain", "there is no such name"},
    [RESOLVER_NODATA] = {"nodata", "the name has no record of this kind"},
    [RESOLVER_SERVFAIL] = {"servfail", "the DNS server failed to find out"},
    [RESOLVER_REFUSED] = {"refused", "the DNS server refuses to answer"},
    [RESOLVER_NOTIMP] = {"notimp", "the DNS server does not know this kind of question"},
    [RESOLVER_FORMERR] = {"formerr", "the DNS server did not understand the question"},
    [RESOLVER_UNREACHABLE] = {"unreachable", "no DNS server can be reached"},
    [RESOLVER_TIMEOUT] = {"timeout", "no DNS server answered in time"},
    [RESOLVER_SERVER_FAILURE] = {"server_failure",
                                 "the DNS servers failed, but not when asked for the reason"},
    [RESOLVER_BAD_ANSWER] = {"bad_answer", "the answer of the DNS server cannot be read"},
    [RESOLVER_NO_RESOURCES] = {"no_resources", "out of memory"},
};

const char *resolver_result_word(enum resolver_result result)
{
    return results[result].word;
}

const char *resolver_result_text(enum resolver_result result)
{
    return results[result].text;
}

const char *resolver_library_version(void)
{
    return ares_version(NULL);
}

unsigned resolver_families(const struct addr *addrs, size_t count)
{
    unsigned families = 0;

    for (size_t i = 0; i < count; i++)
        families |= addrs[i].family == AF_INET ? RESOLVER_IPV4 : RESOLVER_IPV6;
    return families;
}

/* ---- the end of a question --------------------------------------------------------------------
 */

static enum resolver_result result_of(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return RESOLVER_OK;
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
    case ARES_ENONAME:
        return RESOLVER_NXDOMAIN;
    case ARES_ENODATA:
        return RESOLVER_NODATA;
    case ARES_ESERVFAIL:
        return RESOLVER_SERVFAIL;
    case ARES_EREFUSED:
        return RESOLVER_REFUSED;
    case ARES_ENOTIMP:
        return RESOLVER_NOTIMP;
    case ARES_EFORMERR:
        return RESOLVER_FORMERR;
    case ARES_ECONNREFUSED:
        return RESOLVER_UNREACHABLE;
    case ARES_ETIMEOUT:
        return RESOLVER_TIMEOUT;
    case ARES_ENOMEM:
    case ARES_EFILE:
        return RESOLVER_NO_RESOURCES;
    default: /* ares.h: malformed in one way or another */
        return RESOLVER_BAD_ANSWER;
    }
}

/* Whether a DNS server has spoken for the name: there is this, or nothing. */
static bool is_said(enum resolver_result result)
{
    return result == RESOLVER_OK || result == RESOLVER_NODATA || result == RESOLVER_NXDOMAIN;
}

static void question_free(struct question *question)
{
    free(question->name);
    free(question->absolute);
    free(question->addrs);
    free(question);
}

/* Hands the answer on, once. The question is freed by whoever comes last: here or ask_done(). */
static void finish(struct question *question)
{
    struct resolver *resolver = question->resolver;
    struct resolver_answer *answer = &question->answer;

    question->channel->questions--;
    answer->addrs = question->addrs;
    answer->from_files = !question->is_asked && answer->result == RESOLVER_OK;
    if (!resolver->is_closing)
        question->answered(question->argument, answer);
    question->is_done = true;
    if (question->is_asked)
        question_free(question);
}

/* ---- why it failed ----------------------------------------------------------------------------
 */

static void ask_why(struct question *question, int type);

/* What a question for the reason came to. One for addresses that finds nothing wrong is followed
   by one for those of the other family. */
static void take_reason(struct question *question, int status)
{
    enum resolver_result reason = result_of(status);
    enum resolver_result *result =
        question->absolute != NULL ? &question->answer.unknown_result : &question->answer.result;
    bool is_last = question->is_srv || question->absolute != NULL || question->type != ns_t_a;

    if (is_said(reason) && !is_last && !question->resolver->is_closing) {
        ask_why(question, ns_t_aaaa);
        return;
    }
    if (!is_said(reason))
        *result = reason;
    else if (*result == RESOLVER_UNREACHABLE)
        *result = RESOLVER_SERVER_FAILURE;
    finish(question);
}

static void on_reason(void *argument, int status, int timeouts, unsigned char *message, int size)
{
    (void)timeouts;
    (void)message;
    (void)size;
    take_reason(argument, status);
}

static void on_reason_of_addresses(void *argument, int status, int timeouts,
                                   struct ares_addrinfo *info)
{
    (void)timeouts;
    ares_freeaddrinfo(info);
    take_reason(argument, status);
}

/* Asks once more, of the channel that tells how DNS servers fail. */
static void ask_why(struct question *question, int type)
{
    struct resolver *resolver = question->resolver;
    const struct ares_addrinfo_hints hints = {.ai_family = type == ns_t_a ? AF_INET : AF_INET6,
                                              .ai_socktype = SOCK_STREAM,
                                              .ai_flags = ARES_AI_NOSORT};

    question->channel->questions--;
    question->channel = dns_channels_take(resolver->channels, DNS_CHANNEL_WHY);
    question->channel->questions++;
    question->type = type;
    if (question->absolute != NULL)
        ares_query(question->channel->ares, question->absolute, ns_c_in, type, on_reason, question);
    else if (!question->is_srv)
        ares_getaddrinfo(question->channel->ares, question->name, NULL, &hints,
                         on_reason_of_addresses, question);
    else if (resolver->search)
        ares_search(question->channel->ares, question->name, ns_c_in, type, on_reason, question);
    else
        ares_query(question->channel->ares, question->name, ns_c_in, type, on_reason, question);
}

/* Whether the status hides what happened: of two questions c-ares tells how the later one ended. */
static bool is_vague(const struct question *question, int status)
{
    bool is_of_two = !question->is_srv && question->absolute == NULL;

    return status == ARES_ECONNREFUSED ||
           (is_of_two && (status == ARES_ETIMEOUT || status == ARES_ENODATA));
}

/* ---- addresses --------------------------------------------------------------------------------
 */

static bool is_known(const struct addr *addrs, size_t count, const struct addr *addr)
{
    for (size_t i = 0; i < count; i++) {
        if (addr_equal(&addrs[i], addr))
            return true;
    }
    return false;
}

static uint32_t shorter(uint32_t ttl_s, int other_s)
{
    uint32_t other = other_s < 0 ? 0 : (uint32_t)other_s;

    return other < ttl_s ? other : ttl_s;
}

/* Adds an address unless it is there already or there are too many. */
static void add_address(struct question *question, size_t most, const struct addr *addr)
{
    struct resolver_answer *answer = &question->answer;

    if (answer->addr_count < most && (addr->family == AF_INET || addr->family == AF_INET6) &&
        !is_known(question->addrs, answer->addr_count, addr))
        question->addrs[answer->addr_count++] = *addr;
}

/* The addresses of the list, each once. False without memory. */
static bool take_addresses(struct question *question, const struct ares_addrinfo *info)
{
    struct resolver_answer *answer = &question->answer;
    size_t count = 0;

    for (const struct ares_addrinfo_node *node = info->nodes; node != NULL; node = node->ai_next)
        count++;
    count = count < RESOLVER_ADDRS_MAX ? count : RESOLVER_ADDRS_MAX;
    question->addrs = calloc(count + 1, sizeof(*question->addrs));
    if (question->addrs == NULL)
        return false;
    answer->ttl_s = UINT32_MAX;
    for (const struct ares_addrinfo_cname *alias = info->cnames; alias != NULL; alias = alias->next)
        answer->ttl_s = shorter(answer->ttl_s, alias->ttl);
    for (const struct ares_addrinfo_node *node = info->nodes; node != NULL; node = node->ai_next) {
        struct addr addr;

        answer->ttl_s = shorter(answer->ttl_s, node->ai_ttl);
        addr_from_sockaddr(&addr, node->ai_addr, (socklen_t)node->ai_addrlen);
        addr.port = 0;
        add_address(question, count, &addr);
    }
    return true;
}

/* Adds what the answer for one family holds. */
static int take_family(struct question *question, const unsigned char *message, int size)
{
    union {
        struct ares_addrttl v4[RESOLVER_ADDRS_MAX];
        struct ares_addr6ttl v6[RESOLVER_ADDRS_MAX];
    } *found = calloc(1, sizeof(*found));
    size_t most = question->answer.addr_count + RESOLVER_ADDRS_MAX;
    struct addr *addrs = realloc(question->addrs, most * sizeof(*addrs));
    int count = RESOLVER_ADDRS_MAX;
    int status = ARES_ENOMEM;

    if (addrs != NULL)
        question->addrs = addrs;
    if (found != NULL && addrs != NULL)
        status = question->type == ns_t_a
                     ? ares_parse_a_reply(message, size, NULL, found->v4, &count)
                     : ares_parse_aaaa_reply(message, size, NULL, found->v6, &count);
    for (int i = 0; status == ARES_SUCCESS && i < count; i++) {
        struct addr addr = {.family = question->type == ns_t_a ? AF_INET : AF_INET6};

        if (question->type == ns_t_a)
            addr.v4 = found->v4[i].ipaddr;
        else
            memcpy(&addr.v6, &found->v6[i].ip6addr, sizeof(addr.v6));
        question->answer.ttl_s = shorter(
            question->answer.ttl_s, question->type == ns_t_a ? found->v4[i].ttl : found->v6[i].ttl);
        add_address(question, most, &addr);
    }
    free(found);
    return status;
}

/* What the question for one family alone came to. */
static void on_family(void *argument, int status, int timeouts, unsigned char *message, int size)
{
    struct question *question = argument;

    (void)timeouts;
    if (status == ARES_SUCCESS)
        status = take_family(question, message, size);
    question->answer.unknown_result = result_of(status);
    if (is_said(question->answer.unknown_result))
        question->answer.unknown = 0;
    if (is_vague(question, status) && !question->resolver->is_closing)
        ask_why(question, question->type);
    else
        finish(question);
}

/* Asks for the family that is missing, by the name that was found: no search list, no file. False
   without memory. */
static bool ask_family(struct question *question, unsigned family, const char *found)
{
    question->absolute = strdup(found != NULL ? found : question->name);
    if (question->absolute == NULL)
        return false;
    question->type = family == RESOLVER_IPV4 ? ns_t_a : ns_t_aaaa;
    ares_query(question->channel->ares, question->absolute, ns_c_in, question->type, on_family,
               question);
    return true;
}

static void on_addresses(void *argument, int status, int timeouts, struct ares_addrinfo *info)
{
    struct question *question = argument;
    struct resolver_answer *answer = &question->answer;
    bool is_asking = false;

    (void)timeouts;
    answer->result = result_of(status);
    if (answer->result == RESOLVER_OK && (info == NULL || !take_addresses(question, info)))
        answer->result = RESOLVER_NO_RESOURCES;
    else if (answer->result == RESOLVER_OK && answer->addr_count == 0)
        answer->result = RESOLVER_NODATA;
    if (question->resolver->is_closing) {
        finish(question);
    } else if (answer->result != RESOLVER_OK && is_vague(question, status)) {
        ask_why(question, ns_t_a);
    } else {
        /* What /etc/hosts does not have, nobody has. */
        if (answer->result == RESOLVER_OK && question->is_asked)
            answer->unknown =
                question->known & ~resolver_families(question->addrs, answer->addr_count);
        answer->unknown_result = RESOLVER_NO_RESOURCES;
        is_asking = answer->unknown != 0 && ask_family(question, answer->unknown, info->name);
        if (!is_asking)
            finish(question);
    }
    ares_freeaddrinfo(info);
}

/* ---- SRV records ------------------------------------------------------------------------------
 */

static void on_srv(void *argument, int status, int timeouts, unsigned char *message, int size)
{
    struct question *question = argument;
    struct resolver_answer *answer = &question->answer;

    (void)timeouts;
    answer->result = result_of(status);
    if (answer->result == RESOLVER_OK) {
        answer->message = message;
        answer->message_size = size < 0 ? 0 : (size_t)size;
    }
    if (is_vague(question, status) && !question->resolver->is_closing)
        ask_why(question, ns_t_srv);
    else
        finish(question);
}

/* ---- asking -----------------------------------------------------------------------------------
 */

/* A new question on the channel that takes them. NULL without memory: it is answered so. */
static struct question *ask_begin(struct resolver *resolver, const char *name,
                                  resolver_answered answered, void *argument)
{
    static const struct resolver_answer no_memory = {.result = RESOLVER_NO_RESOURCES};
    struct question *question = calloc(1, sizeof(*question));
    char *copy = strdup(name);

    if (question == NULL || copy == NULL) {
        free(question);
        free(copy);
        answered(argument, &no_memory);
        return NULL;
    }
    *question = (struct question){.resolver = resolver,
                                  .channel = dns_channels_take(resolver->channels, DNS_CHANNEL_ASK),
                                  .name = copy,
                                  .answered = answered,
                                  .argument = argument};
    question->channel->questions++;
    return question;
}

static void ask_done(struct resolver *resolver, struct question *question)
{
    if (question->is_done)
        question_free(question);
    else
        question->is_asked = true;
    dns_channels_arm(resolver->channels);
}

void resolver_ask_addresses(struct resolver *resolver, const char *name, unsigned known,
                            resolver_answered answered, void *argument)
{
    /* Without ARES_AI_NOSORT each address would cost a socket, to learn which is nearest. */
    static const struct ares_addrinfo_hints hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NOSORT};
    struct question *question = ask_begin(resolver, name, answered, argument);

    if (question == NULL)
        return;
    question->known = known;
    ares_getaddrinfo(question->channel->ares, name, NULL, &hints, on_addresses, question);
    ask_done(resolver, question);
}

void resolver_ask_srv(struct resolver *resolver, const char *name, resolver_answered answered,
                      void *argument)
{
    struct question *question = ask_begin(resolver, name, answered, argument);

    if (question == NULL)
        return;
    question->is_srv = true;
    if (resolver->search)
        ares_search(question->channel->ares, name, ns_c_in, ns_t_srv, on_srv, question);
    else
        ares_query(question->channel->ares, name, ns_c_in, ns_t_srv, on_srv, question);
    ask_done(resolver, question);
}

struct resolver *resolver_open(struct event_base *base, const struct resolver_options *options,
                               struct error *error)
{
    struct resolver *resolver = calloc(1, sizeof(*resolver));

    if (resolver != NULL) {
        resolver->search = options->search;
        resolver->channels = dns_channels_open(base, options);
        if (resolver->channels != NULL)
            return resolver;
    }
    free(resolver);
    error_set(error, EX_OSERR, "cannot set up the DNS resolver: out of memory");
    return NULL;
}

void resolver_close(struct resolver *resolver)
{
    if (resolver == NULL)
        return;
    resolver->is_closing = true;
    dns_channels_close(resolver->channels);
    free(resolver);
}
