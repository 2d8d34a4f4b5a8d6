/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver.c - c-ares between its sockets, its timer and who asks.
 *
 * A channel holds the configuration it was made with. When resolv.conf has changed a new channel
 * takes the next questions; the old one goes once its last question is answered, never within a
 * callback of its own.
 */
#include "discovery/resolver.h"

#include <arpa/nameser.h>
#include <assert.h>
#include <ares.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "core/clock.h"

/* resolv.conf is looked at this often at most. */
#define CONF_LOOK_MS 1000

/* One socket of a channel. */
struct watch {
    struct channel *channel;
    ares_socket_t fd;
    struct event *event;
    struct watch *next;
};

struct channel {
    struct resolver *resolver;
    ares_channel ares;
    struct watch *watches;
    unsigned pending;
    bool is_lost; /* a socket could not be watched: its answers come by the timer */
    struct channel *next;
};

/* What tells one resolv.conf from the next. */
struct conf_mark {
    bool is_there;
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct resolver {
    struct event_base *base;
    struct resolver_options options;
    struct event *timer;
    struct channel *channels; /* the first takes questions, the others only end theirs */
    struct conf_mark conf;
    int64_t conf_looked_ms;
    unsigned pending;
    bool is_closing;
};

struct question {
    struct channel *channel;
    resolver_answered answered;
    void *argument;
    bool is_asked; /* the asking function has returned: what comes now came from the network */
    bool is_done;
};

static const struct {
    const char *word;
    const char *text;
} results[RESOLVER_RESULTS] = {
    [RESOLVER_OK] = {"ok", "found"},
    [RESOLVER_NOT_FOUND] = {"not_found", "there is no such name"},
    [RESOLVER_NO_DATA] = {"no_data", "the name has no record of this kind"},
    [RESOLVER_SERVER_FAILURE] = {"server_failure",
                                 "no DNS server can be reached, or they fail or refuse to answer"},
    [RESOLVER_TIMEOUT] = {"timeout", "no DNS server answered in time"},
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

unsigned resolver_pending(const struct resolver *resolver)
{
    return resolver->pending;
}

/* ---- channels ---------------------------------------------------------------------------------
 */

static void channel_destroy(struct channel *channel)
{
    struct resolver *resolver = channel->resolver;
    struct channel **place = &resolver->channels;

    while (*place != channel)
        place = &(*place)->next;
    *place = channel->next;
    ares_destroy(channel->ares); /* closes its sockets, which ends their watches */
    assert(channel->watches == NULL && channel->pending == 0);
    free(channel);
}

/* Channels that take no questions any more and have none left. */
static void reap(struct resolver *resolver)
{
    struct channel *channel = resolver->channels->next;

    while (channel != NULL) {
        struct channel *next = channel->next;

        if (channel->pending == 0)
            channel_destroy(channel);
        channel = next;
    }
}

static bool is_sooner(const struct timeval *a, const struct timeval *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_usec < b->tv_usec;
}

/* Arms the timer for the first retry or timeout of any channel. */
static void arm(struct resolver *resolver)
{
    struct timeval most = {.tv_sec = 60};
    struct timeval first = most;
    bool is_needed = false;

    for (struct channel *channel = resolver->channels; channel != NULL; channel = channel->next) {
        struct timeval room;
        struct timeval *due = ares_timeout(channel->ares, &most, &room);

        if (channel->pending == 0)
            continue;
        is_needed = true;
        if (channel->is_lost && (due->tv_sec > 0 || due->tv_usec > 100000))
            *due = (struct timeval){.tv_usec = 100000};
        if (is_sooner(due, &first))
            first = *due;
    }
    if (resolver->channels != NULL && resolver->channels->next != NULL && !is_needed)
        first = (struct timeval){0}; /* to reap */
    else if (!is_needed) {
        evtimer_del(resolver->timer);
        return;
    }
    evtimer_add(resolver->timer, &first);
}

static void on_timer(evutil_socket_t fd, short what, void *argument)
{
    struct resolver *resolver = argument;

    (void)fd;
    (void)what;
    for (struct channel *channel = resolver->channels; channel != NULL; channel = channel->next) {
        if (channel->is_lost) {
            for (struct watch *watch = channel->watches; watch != NULL; watch = watch->next) {
                if (watch->event == NULL) {
                    ares_process_fd(channel->ares, watch->fd, watch->fd);
                    break; /* the list may have changed */
                }
            }
        }
        ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    }
    reap(resolver);
    arm(resolver);
}

static void on_socket(evutil_socket_t fd, short what, void *argument)
{
    struct watch *watch = argument;
    struct channel *channel = watch->channel;
    struct resolver *resolver = channel->resolver;

    /* This may close the socket, and with it end the watch. */
    ares_process_fd(channel->ares, what & EV_READ ? fd : ARES_SOCKET_BAD,
                    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
    reap(resolver);
    arm(resolver);
}

static void end_watch(struct channel *channel, ares_socket_t fd)
{
    for (struct watch **place = &channel->watches; *place != NULL; place = &(*place)->next) {
        struct watch *watch = *place;

        if (watch->fd != fd)
            continue;
        *place = watch->next;
        if (watch->event != NULL)
            event_free(watch->event);
        free(watch);
        return;
    }
}

/* c-ares says what it waits for on a socket; for neither when it is about to close it. */
static void on_socket_state(void *argument, ares_socket_t fd, int wants_read, int wants_write)
{
    struct channel *channel = argument;
    short what = (short)(EV_PERSIST | (wants_read ? EV_READ : 0) | (wants_write ? EV_WRITE : 0));
    struct watch *watch;

    end_watch(channel, fd);
    if (!wants_read && !wants_write)
        return;
    watch = calloc(1, sizeof(*watch));
    if (watch == NULL) {
        channel->is_lost = true; /* the questions end by their timeouts */
        return;
    }
    watch->channel = channel;
    watch->fd = fd;
    watch->event = event_new(channel->resolver->base, fd, what, on_socket, watch);
    if (watch->event != NULL && event_add(watch->event, NULL) != 0) {
        event_free(watch->event);
        watch->event = NULL;
    }
    channel->is_lost |= watch->event == NULL;
    watch->next = channel->watches;
    channel->watches = watch;
}

static bool channel_add(struct resolver *resolver)
{
    const struct resolver_options *options = &resolver->options;
    struct channel *channel = calloc(1, sizeof(*channel));
    struct ares_options ares = {
        .flags = options->search ? 0 : ARES_FLAG_NOSEARCH,
        .timeout = (int)options->timeout_ms,
        .tries = options->attempts,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = channel,
        .resolvconf_path = (char *)options->resolv_conf,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;

    if (channel == NULL)
        return false;
    if (options->resolv_conf != NULL)
        mask |= ARES_OPT_RESOLVCONF;
    channel->resolver = resolver;
    if (ares_init_options(&channel->ares, &ares, mask) != ARES_SUCCESS) {
        free(channel);
        return false;
    }
    if (options->servers != NULL &&
        ares_set_servers_ports_csv(channel->ares, options->servers) != ARES_SUCCESS) {
        ares_destroy(channel->ares);
        free(channel);
        return false;
    }
    channel->next = resolver->channels;
    resolver->channels = channel;
    return true;
}

static struct conf_mark look_at_conf(const struct resolver *resolver)
{
    const char *path = resolver->options.resolv_conf;
    struct conf_mark mark = {.is_there = false};
    struct stat stat_of_it;

    if (stat(path != NULL ? path : "/etc/resolv.conf", &stat_of_it) == 0)
        mark = (struct conf_mark){.is_there = true,
                                  .device = stat_of_it.st_dev,
                                  .inode = stat_of_it.st_ino,
                                  .size = stat_of_it.st_size,
                                  .changed = stat_of_it.st_mtim};
    return mark;
}

static bool is_same_conf(const struct conf_mark *a, const struct conf_mark *b)
{
    return a->is_there == b->is_there && a->device == b->device && a->inode == b->inode &&
           a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec;
}

/* A file that is being written reads as what it is then; the next look sees that it has changed. */
static void follow_conf(struct resolver *resolver)
{
    int64_t now_ms = clock_now_ms();
    struct conf_mark mark;

    if (now_ms - resolver->conf_looked_ms < CONF_LOOK_MS)
        return;
    resolver->conf_looked_ms = now_ms;
    mark = look_at_conf(resolver);
    if (is_same_conf(&mark, &resolver->conf) || !mark.is_there)
        return;
    if (channel_add(resolver))
        resolver->conf = mark;
}

struct resolver *resolver_open(struct event_base *base, const struct resolver_options *options,
                               struct error *error)
{
    struct resolver *resolver = calloc(1, sizeof(*resolver));
    int result = ares_library_init(ARES_LIB_INIT_ALL);

    if (resolver == NULL || result != ARES_SUCCESS)
        goto fail;
    resolver->base = base;
    resolver->options = *options;
    resolver->conf_looked_ms = clock_now_ms();
    resolver->conf = look_at_conf(resolver);
    resolver->timer = evtimer_new(base, on_timer, resolver);
    if (resolver->timer == NULL || !channel_add(resolver))
        goto fail;
    return resolver;

fail:
    error_set(error, EX_OSERR, "cannot set up the DNS resolver: out of memory");
    if (resolver != NULL && resolver->timer != NULL)
        event_free(resolver->timer);
    free(resolver);
    return NULL;
}

void resolver_close(struct resolver *resolver)
{
    if (resolver == NULL)
        return;
    resolver->is_closing = true;
    while (resolver->channels != NULL)
        channel_destroy(resolver->channels);
    event_free(resolver->timer);
    free(resolver);
    ares_library_cleanup();
}

/* ---- questions --------------------------------------------------------------------------------
 */

static enum resolver_result result_of(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return RESOLVER_OK;
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
    case ARES_ENONAME:
        return RESOLVER_NOT_FOUND;
    case ARES_ENODATA:
        return RESOLVER_NO_DATA;
    case ARES_ESERVFAIL:
    case ARES_EREFUSED:
    case ARES_ENOTIMP:
    case ARES_ECONNREFUSED:
    case ARES_EFILE:
        return RESOLVER_SERVER_FAILURE;
    case ARES_ETIMEOUT:
        return RESOLVER_TIMEOUT;
    case ARES_ENOMEM:
        return RESOLVER_NO_RESOURCES;
    default: /* ares.h: malformed in one way or another */
        return RESOLVER_BAD_ANSWER;
    }
}

/* Hands the answer on, once. The question is freed by whoever comes last: here or ask_done(). */
static void finish(struct question *question, struct resolver_answer *answer)
{
    struct channel *channel = question->channel;

    channel->pending--;
    channel->resolver->pending--;
    answer->from_files = !question->is_asked && answer->result == RESOLVER_OK;
    if (!channel->resolver->is_closing)
        question->answered(question->argument, answer);
    question->is_done = true;
    if (question->is_asked)
        free(question);
}

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

/* The addresses of the list, each once. NULL without memory. */
static struct addr *take_addresses(const struct ares_addrinfo *info, struct resolver_answer *answer)
{
    struct addr *addrs;
    size_t count = 0;

    for (const struct ares_addrinfo_node *node = info->nodes; node != NULL; node = node->ai_next)
        count++;
    count = count < RESOLVER_ADDRS_MAX ? count : RESOLVER_ADDRS_MAX;
    addrs = calloc(count + 1, sizeof(*addrs));
    if (addrs == NULL)
        return NULL;
    answer->ttl_s = UINT32_MAX;
    for (const struct ares_addrinfo_cname *alias = info->cnames; alias != NULL; alias = alias->next)
        answer->ttl_s = shorter(answer->ttl_s, alias->ttl);
    for (const struct ares_addrinfo_node *node = info->nodes; node != NULL; node = node->ai_next) {
        struct addr *addr = &addrs[answer->addr_count];

        answer->ttl_s = shorter(answer->ttl_s, node->ai_ttl);
        if (answer->addr_count == count)
            continue;
        addr_from_sockaddr(addr, node->ai_addr, (socklen_t)node->ai_addrlen);
        addr->port = 0;
        if ((addr->family == AF_INET || addr->family == AF_INET6) &&
            !is_known(addrs, answer->addr_count, addr))
            answer->addr_count++;
    }
    answer->addrs = addrs;
    return addrs;
}

static void on_addresses(void *argument, int status, int timeouts, struct ares_addrinfo *info)
{
    struct resolver_answer answer = {.result = result_of(status)};
    struct addr *addrs = NULL;

    (void)timeouts;
    if (answer.result == RESOLVER_OK) {
        addrs = info == NULL ? NULL : take_addresses(info, &answer);
        if (addrs == NULL)
            answer.result = RESOLVER_NO_RESOURCES;
        else if (answer.addr_count == 0)
            answer.result = RESOLVER_NO_DATA;
    }
    finish(argument, &answer);
    free(addrs);
    ares_freeaddrinfo(info);
}

static void on_srv(void *argument, int status, int timeouts, unsigned char *message, int size)
{
    struct resolver_answer answer = {.result = result_of(status)};

    (void)timeouts;
    if (answer.result == RESOLVER_OK) {
        answer.message = message;
        answer.message_size = size < 0 ? 0 : (size_t)size;
    }
    finish(argument, &answer);
}

/* A new question on the channel that takes them. NULL without memory: it is answered so. */
static struct question *ask_begin(struct resolver *resolver, resolver_answered answered,
                                  void *argument)
{
    static const struct resolver_answer no_memory = {.result = RESOLVER_NO_RESOURCES};
    struct question *question = calloc(1, sizeof(*question));

    follow_conf(resolver);
    if (question == NULL) {
        answered(argument, &no_memory);
        return NULL;
    }
    *question = (struct question){
        .channel = resolver->channels, .answered = answered, .argument = argument};
    question->channel->pending++;
    resolver->pending++;
    return question;
}

static void ask_done(struct resolver *resolver, struct question *question)
{
    if (question->is_done)
        free(question);
    else
        question->is_asked = true;
    arm(resolver);
}

void resolver_ask_addresses(struct resolver *resolver, const char *name, resolver_answered answered,
                            void *argument)
{
    /* Without ARES_AI_NOSORT each address would cost a socket, to learn which is nearest. */
    static const struct ares_addrinfo_hints hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NOSORT};
    struct question *question = ask_begin(resolver, answered, argument);

    if (question == NULL)
        return;
    ares_getaddrinfo(question->channel->ares, name, NULL, &hints, on_addresses, question);
    ask_done(resolver, question);
}

void resolver_ask_srv(struct resolver *resolver, const char *name, resolver_answered answered,
                      void *argument)
{
    struct question *question = ask_begin(resolver, answered, argument);

    if (question == NULL)
        return;
    if (resolver->options.search)
        ares_search(question->channel->ares, name, ns_c_in, ns_t_srv, on_srv, question);
    else
        ares_query(question->channel->ares, name, ns_c_in, ns_t_srv, on_srv, question);
    ask_done(resolver, question);
}
