/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address_watch.c - a timer that looks, and what is said of what was found.
 */
#include "daemon/address_watch.h"

#include <stdlib.h>
#include <sysexits.h>

#include "core/log.h"

#define LOOK_EVERY_S 2

struct address_watch {
    struct snapshot *snapshot;
    struct event *timer;
};

static void begin_event(struct log_event *event, enum log_level level, const char *name,
                        const struct address_source *source)
{
    log_event_begin(event, level, name);
    log_event_string(event, "section", source->section);
    log_event_string(event, "key", source->key);
}

static void look_at(struct address_source *source, bool force, struct address_looks *looks)
{
    struct error error = {.text = ""};
    struct log_event event;

    if (source->file_count == 0)
        return;
    looks->lists++;
    switch (address_source_look(source, force, &error)) {
    case ADDRESSES_UNCHANGED:
        return;
    case ADDRESSES_CHANGED:
        looks->changed++;
        begin_event(&event, LOG_INFO, "addresses_reloaded", source);
        log_event_integer(&event, "prefixes", (int64_t)source->prefix_count);
        log_event_post(&event);
        return;
    case ADDRESSES_BROKEN:
        looks->failed++;
        begin_event(&event, LOG_ERROR, "addresses_reload_failed", source);
        log_event_string(&event, "message", error.text);
        log_event_post(&event);
        return;
    }
}

static void look_at_all(struct address_watch *watch, bool force, struct address_looks *looks)
{
    *looks = (struct address_looks){0};
    for (unsigned i = 0; i < watch->snapshot->address_source_count; i++)
        look_at(watch->snapshot->address_sources[i], force, looks);
}

static void on_timer(evutil_socket_t fd, short what, void *argument)
{
    struct address_looks looks;

    (void)fd;
    (void)what;
    look_at_all(argument, false, &looks);
}

static bool has_files(const struct snapshot *snapshot)
{
    for (unsigned i = 0; i < snapshot->address_source_count; i++) {
        if (snapshot->address_sources[i]->file_count > 0)
            return true;
    }
    return false;
}

struct address_watch *address_watch_open(struct event_base *base, struct snapshot *snapshot,
                                         struct error *error)
{
    const struct timeval every = {.tv_sec = LOOK_EVERY_S};
    struct address_watch *watch = calloc(1, sizeof(*watch));

    if (watch == NULL)
        goto fail;
    watch->snapshot = snapshot;
    watch->timer = event_new(base, -1, EV_PERSIST, on_timer, watch);
    if (watch->timer == NULL || (has_files(snapshot) && event_add(watch->timer, &every) == -1))
        goto fail;
    return watch;

fail:
    address_watch_close(watch);
    error_set(error, EX_OSERR, "out of memory");
    return NULL;
}

void address_watch_close(struct address_watch *watch)
{
    if (watch == NULL)
        return;
    if (watch->timer != NULL)
        event_free(watch->timer);
    free(watch);
}

void address_watch_reload(struct address_watch *watch, struct address_looks *look)
{
    look_at_all(watch, true, look);
}
