/* SPDX-License-Identifier: Apache-2.0 */
/*
 * held.c - a descriptor and a timer each.
 */
#include "worker/held.h"

#include <event2/event.h>
#include <stdlib.h>

#include "net/socket.h"
#include "worker/places.h"
#include "worker/worker_internal.h"

struct held {
    struct list_link link; /* in worker->held */
    struct worker *worker;
    struct listener_config *config; /* with a reference to its snapshot */
    struct event *timer;
    int fd;
};

static void held_end(struct held *held)
{
    struct worker *worker = held->worker;
    struct listener_config *config = held->config;

    list_remove(&held->link);
    event_free(held->timer);
    socket_reset_close(held->fd);
    free(held);
    places_release(worker, config, NULL);
    if (worker->resources.wants_places)
        relay_offer_place(&worker->resources);
    snapshot_unref(config->snapshot);
}

static void on_timer(evutil_socket_t fd, short what, void *argument)
{
    (void)fd;
    (void)what;
    held_end(argument);
}

bool held_add(struct worker *worker, struct listener_config *config, int fd)
{
    struct held *held = calloc(1, sizeof(*held));
    const struct timeval delay = {
        .tv_sec = config->handshake_timeout_ms / 1000,
        .tv_usec = config->handshake_timeout_ms % 1000 * 1000,
    };

    if (held == NULL)
        goto fail;
    held->worker = worker;
    held->config = config;
    held->fd = fd;
    held->timer = evtimer_new(worker->base, on_timer, held);
    if (held->timer == NULL || event_add(held->timer, &delay) == -1)
        goto fail;
    snapshot_ref(config->snapshot);
    list_append(&worker->held, &held->link);
    return true;

fail:
    if (held != NULL && held->timer != NULL)
        event_free(held->timer);
    free(held);
    socket_reset_close(fd);
    return false;
}

void held_end_all(struct worker *worker)
{
    while (!list_is_empty(&worker->held))
        held_end(CONTAINER_OF(worker->held.head.next, struct held, link));
}
