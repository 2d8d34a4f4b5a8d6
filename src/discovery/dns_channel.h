/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns_channel.h - c-ares on an event loop, with the configuration of now.
 *
 * A channel holds the configuration it was made with. When resolv.conf has changed new channels
 * take the next questions; an old one goes once its last question is answered, never within a
 * callback of its own.
 */
#ifndef CULVERT_DISCOVERY_DNS_CHANNEL_H
#define CULVERT_DISCOVERY_DNS_CHANNEL_H

#include <ares.h>
#include <event2/event.h>

#include "discovery/resolver_options.h"

enum dns_channel_kind {
    /* A DNS server that fails or refuses is passed over, without a word of it. */
    DNS_CHANNEL_ASK,
    /* What the first DNS server says counts, whatever it is; each is asked once. */
    DNS_CHANNEL_WHY,
};
#define DNS_CHANNEL_KINDS (DNS_CHANNEL_WHY + 1)

struct dns_channels;

struct dns_channel {
    struct dns_channels *channels;
    ares_channel ares;
    struct dns_watch_fd *watches;
    unsigned questions; /* without an answer yet; whoever asks counts them */
    bool is_lost;       /* a socket could not be watched: its answers come by the timer */
    struct dns_channel *next;
};

/* The options are copied, their strings must outlive it. NULL without memory or descriptors. */
struct dns_channels *dns_channels_open(struct event_base *base,
                                       const struct resolver_options *options);

/* Calls the callbacks of questions without an answer (ARES_EDESTRUCTION). NULL is harmless. */
void dns_channels_close(struct dns_channels *channels);

/* The channel that takes questions now. */
struct dns_channel *dns_channels_take(struct dns_channels *channels, enum dns_channel_kind kind);

/* Behind each question that was asked outside of a callback of c-ares: sets the timer. */
void dns_channels_arm(struct dns_channels *channels);

#endif
