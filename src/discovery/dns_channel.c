/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns_channel.c - the sockets of c-ares as events, one timer for its retries.
 */
#include "discovery/dns_channel.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/clock.h"

/* resolv.conf is looked at this often at most. */
#define CONF_LOOK_MS 1000

/* Sockets that could not be watched are looked at this often. */
#define LOST_LOOK_US 100000

/* One socket of a channel. */
struct dns_watch_fd {
    struct dns_channel *channel;
    ares_socket_t fd;
    struct event *event;
    struct dns_watch_fd *next;
};

/* What tells one resolv.conf from the next. */
struct conf_mark {
    bool is_there;
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct dns_channels {
    struct event_base *base;
    struct resolver_options options;
    struct event *timer;
    struct dns_channel *list;
    struct dns_channel *current[DNS_CHANNEL_KINDS]; /* the others only end their questions */
    struct conf_mark conf;
    int64_t conf_looked_ms;
};

static void channel_destroy(struct dns_channel *channel)
{
    struct dns_channels *channels = channel->channels;
    struct dns_channel **place = &channels->list;

    while (*place != channel)
        place = &(*place)->next;
    *place = channel->next;
    ares_destroy(channel->ares); /* closes its sockets, which ends their watches */
    assert(channel->watches == NULL && channel->questions == 0);
    free(channel);
}

/* A channel that takes no questions any more and has none left. */
static bool is_over(const struct dns_channel *channel)
{
    for (enum dns_channel_kind kind = DNS_CHANNEL_ASK; kind < DNS_CHANNEL_KINDS; kind++) {
        if (channel->channels->current[kind] == channel)
            return false;
    }
    return channel->questions == 0;
}

static void reap(struct dns_channels *channels)
{
    struct dns_channel *next;

    for (struct dns_channel *channel = channels->list; channel != NULL; channel = next) {
        next = channel->next;
        if (is_over(channel))
            channel_destroy(channel);
    }
}

static bool is_sooner(const struct timeval *a, const struct timeval *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_usec < b->tv_usec;
}

void dns_channels_arm(struct dns_channels *channels)
{
    struct timeval most = {.tv_sec = 60};
    struct timeval first = most;
    bool is_needed = false;

    for (struct dns_channel *channel = channels->list; channel != NULL; channel = channel->next) {
        struct timeval room;
        struct timeval due = *ares_timeout(channel->ares, &most, &room);

        if (is_over(channel))
            due = (struct timeval){0}; /* to reap it */
        else if (channel->questions == 0)
            continue;
        is_needed = true;
        if (channel->is_lost && (due.tv_sec > 0 || due.tv_usec > LOST_LOOK_US))
            due = (struct timeval){.tv_usec = LOST_LOOK_US};
        if (is_sooner(&due, &first))
            first = due;
    }
    if (is_needed)
        evtimer_add(channels->timer, &first);
    else
        evtimer_del(channels->timer);
}

static void on_timer(evutil_socket_t fd, short what, void *argument)
{
    struct dns_channels *channels = argument;

    (void)fd;
    (void)what;
    for (struct dns_channel *channel = channels->list; channel != NULL; channel = channel->next) {
        if (channel->is_lost) {
            for (struct dns_watch_fd *watch = channel->watches; watch != NULL;
                 watch = watch->next) {
                if (watch->event == NULL) {
                    ares_process_fd(channel->ares, watch->fd, watch->fd);
                    break; /* the list may have changed */
                }
            }
        }
        ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    }
    reap(channels);
    dns_channels_arm(channels);
}

static void on_socket(evutil_socket_t fd, short what, void *argument)
{
    struct dns_watch_fd *watch = argument;
    struct dns_channel *channel = watch->channel;
    struct dns_channels *channels = channel->channels;

    /* This may close the socket, and with it end the watch. */
    ares_process_fd(channel->ares, what & EV_READ ? fd : ARES_SOCKET_BAD,
                    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
    reap(channels);
    dns_channels_arm(channels);
}

static void end_watch(struct dns_channel *channel, ares_socket_t fd)
{
    for (struct dns_watch_fd **place = &channel->watches; *place != NULL; place = &(*place)->next) {
        struct dns_watch_fd *watch = *place;

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
    struct dns_channel *channel = argument;
    short what = (short)(EV_PERSIST | (wants_read ? EV_READ : 0) | (wants_write ? EV_WRITE : 0));
    struct dns_watch_fd *watch;

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
    watch->event = event_new(channel->channels->base, fd, what, on_socket, watch);
    if (watch->event != NULL && event_add(watch->event, NULL) != 0) {
        event_free(watch->event);
        watch->event = NULL;
    }
    channel->is_lost |= watch->event == NULL;
    watch->next = channel->watches;
    channel->watches = watch;
}

static int flags_of(const struct resolver_options *options, enum dns_channel_kind kind)
{
    return (options->search ? 0 : ARES_FLAG_NOSEARCH) |
           (kind == DNS_CHANNEL_WHY ? ARES_FLAG_NOCHECKRESP : 0);
}

/* NULL without memory. */
static struct dns_channel *channel_create(struct dns_channels *channels, enum dns_channel_kind kind)
{
    const struct resolver_options *options = &channels->options;
    struct dns_channel *channel = calloc(1, sizeof(*channel));
    struct ares_options ares = {
        .flags = flags_of(options, kind),
        .timeout = (int)options->timeout_ms,
        .tries = kind == DNS_CHANNEL_WHY ? 1 : options->attempts,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = channel,
        .resolvconf_path = (char *)options->resolv_conf,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;

    if (channel == NULL)
        return NULL;
    if (options->resolv_conf != NULL)
        mask |= ARES_OPT_RESOLVCONF;
    channel->channels = channels;
    if (ares_init_options(&channel->ares, &ares, mask) != ARES_SUCCESS) {
        free(channel);
        return NULL;
    }
    if (options->servers != NULL &&
        ares_set_servers_ports_csv(channel->ares, options->servers) != ARES_SUCCESS) {
        ares_destroy(channel->ares);
        free(channel);
        return NULL;
    }
    channel->next = channels->list;
    channels->list = channel;
    return channel;
}

/* One of each kind; those before stay current without memory. */
static bool make_current(struct dns_channels *channels)
{
    struct dns_channel *fresh[DNS_CHANNEL_KINDS];

    for (enum dns_channel_kind kind = DNS_CHANNEL_ASK; kind < DNS_CHANNEL_KINDS; kind++) {
        fresh[kind] = channel_create(channels, kind);
        if (fresh[kind] == NULL)
            return false;
    }
    memcpy(channels->current, fresh, sizeof(fresh));
    return true;
}

static struct conf_mark look_at_conf(const struct dns_channels *channels)
{
    const char *path = channels->options.resolv_conf;
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
static void follow_conf(struct dns_channels *channels)
{
    int64_t now_ms = clock_now_ms();
    struct conf_mark mark;

    if (now_ms - channels->conf_looked_ms < CONF_LOOK_MS)
        return;
    channels->conf_looked_ms = now_ms;
    mark = look_at_conf(channels);
    if (is_same_conf(&mark, &channels->conf) || !mark.is_there)
        return;
    if (make_current(channels))
        channels->conf = mark;
}

struct dns_channel *dns_channels_take(struct dns_channels *channels, enum dns_channel_kind kind)
{
    follow_conf(channels);
    return channels->current[kind];
}

struct dns_channels *dns_channels_open(struct event_base *base,
                                       const struct resolver_options *options)
{
    struct dns_channels *channels;

    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
        return NULL;
    channels = calloc(1, sizeof(*channels));
    if (channels == NULL) {
        ares_library_cleanup();
        return NULL;
    }
    channels->base = base;
    channels->options = *options;
    channels->conf_looked_ms = clock_now_ms();
    channels->conf = look_at_conf(channels);
    channels->timer = evtimer_new(base, on_timer, channels);
    if (channels->timer != NULL && make_current(channels))
        return channels;
    dns_channels_close(channels);
    return NULL;
}

void dns_channels_close(struct dns_channels *channels)
{
    if (channels == NULL)
        return;
    while (channels->list != NULL)
        channel_destroy(channels->list);
    if (channels->timer != NULL)
        event_free(channels->timer);
    free(channels);
    ares_library_cleanup();
}
