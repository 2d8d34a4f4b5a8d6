/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name_watch.c - a timer that looks, and what is said of what was found.
 */
#include "daemon/name_watch.h"

#include <stdlib.h>
#include <sysexits.h>

#include "core/log.h"
#include "worker/publish.h"

#define LOOK_EVERY_S 2

struct name_watch {
    struct snapshot *snapshot;
    struct worker_shared *shared;
    struct event *timer;
};

static void begin_event(struct log_event *event, enum log_level level, const char *name,
                        const struct listener_config *listener)
{
    log_event_begin(event, level, name);
    log_event_string(event, "listener", listener->name);
    log_event_string(event, "file", listener->sni_source->path);
}

static void look_at(struct name_watch *watch, struct listener_config *listener, bool force,
                    struct name_looks *looks)
{
    struct error error = {.text = ""};
    struct log_event event;
    struct name_map *fresh;

    if (listener->sni_source == NULL)
        return;
    looks->maps++;
    router_reclaim_names(listener->router); /* of an earlier look */
    switch (sni_source_look(listener->sni_source, watch->snapshot->pools,
                            watch->snapshot->named_pool_count, force, &fresh, &error)) {
    case SNI_UNCHANGED:
        return;
    case SNI_CHANGED:
        looks->changed++;
        worker_publish_names(watch->shared, listener->router, fresh);
        begin_event(&event, LOG_INFO, "sni_map_reloaded", listener);
        log_event_integer(&event, "names", (int64_t)listener->sni_source->name_count);
        log_event_post(&event);
        return;
    case SNI_BROKEN:
        looks->failed++;
        begin_event(&event, LOG_ERROR, "sni_map_reload_failed", listener);
        log_event_string(&event, "message", error.text);
        log_event_post(&event);
        return;
    }
}

static void look_at_all(struct name_watch *watch, bool force, struct name_looks *looks)
{
    *looks = (struct name_looks){0};
    for (unsigned i = 0; i < watch->snapshot->listener_count; i++)
        look_at(watch, &watch->snapshot->listeners[i], force, looks);
}

static void on_timer(evutil_socket_t fd, short what, void *argument)
{
    struct name_looks looks;

    (void)fd;
    (void)what;
    look_at_all(argument, false, &looks);
}

static bool has_maps(const struct snapshot *snapshot)
{
    for (unsigned i = 0; i < snapshot->listener_count; i++) {
        if (snapshot->listeners[i].sni_source != NULL)
            return true;
    }
    return false;
}

struct name_watch *name_watch_open(struct event_base *base, struct snapshot *snapshot,
                                   struct worker_shared *shared, struct error *error)
{
    const struct timeval every = {.tv_sec = LOOK_EVERY_S};
    struct name_watch *watch = calloc(1, sizeof(*watch));

    if (watch == NULL)
        goto fail;
    watch->snapshot = snapshot;
    watch->shared = shared;
    watch->timer = event_new(base, -1, EV_PERSIST, on_timer, watch);
    if (watch->timer == NULL || (has_maps(snapshot) && event_add(watch->timer, &every) == -1))
        goto fail;
    return watch;

fail:
    name_watch_close(watch);
    error_set(error, EX_OSERR, "out of memory");
    return NULL;
}

void name_watch_close(struct name_watch *watch)
{
    if (watch == NULL)
        return;
    if (watch->timer != NULL)
        event_free(watch->timer);
    free(watch);
}

void name_watch_reload(struct name_watch *watch, struct name_looks *looks)
{
    look_at_all(watch, true, looks);
}
