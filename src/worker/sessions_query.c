/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sessions_query.c - the shared answer of all workers, and waiting for it.
 */
#include "worker/sessions_query.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/clock.h"

struct sessions_query *sessions_query_create(const struct sessions_filter *filter, size_t limit,
                                             unsigned part_count)
{
    struct sessions_query *query = calloc(1, sizeof(*query) + part_count * sizeof(query->parts[0]));

    if (query == NULL)
        return NULL;
    atomic_init(&query->references, 1);
    query->filter = *filter;
    query->limit = limit;
    query->part_count = part_count;
    query->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (query->wake_fd == -1)
        goto fail;
    for (unsigned i = 0; limit > 0 && i < part_count; i++) {
        /* Large and zeroed: the kernel gives the pages only as rows are written. */
        query->parts[i].rows = calloc(limit, sizeof(query->parts[i].rows[0]));
        if (query->parts[i].rows == NULL)
            goto fail;
    }
    return query;

fail:
    sessions_query_unref(query);
    return NULL;
}

void sessions_query_ref(struct sessions_query *query)
{
    atomic_fetch_add_explicit(&query->references, 1, memory_order_relaxed);
}

void sessions_query_unref(struct sessions_query *query)
{
    if (query == NULL ||
        atomic_fetch_sub_explicit(&query->references, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; i < query->part_count; i++)
        free(query->parts[i].rows);
    if (query->wake_fd != -1)
        close(query->wake_fd);
    free(query);
}

void sessions_query_finish(struct sessions_query *query, unsigned part_number)
{
    uint64_t one = 1;
    ssize_t written;

    assert(part_number < query->part_count);
    atomic_store_explicit(&query->parts[part_number].is_finished, true, memory_order_release);
    do
        written = write(query->wake_fd, &one, sizeof(one));
    while (written == -1 && errno == EINTR);
    sessions_query_unref(query);
}

static bool all_finished(struct sessions_query *query)
{
    for (unsigned i = 0; i < query->part_count; i++) {
        if (!atomic_load_explicit(&query->parts[i].is_finished, memory_order_acquire))
            return false;
    }
    return true;
}

bool sessions_query_wait(struct sessions_query *query, int timeout_ms)
{
    int64_t end_us = clock_now_us() + (int64_t)timeout_ms * 1000;

    while (!all_finished(query)) {
        struct pollfd wake = {.fd = query->wake_fd, .events = POLLIN};
        int64_t left_us = end_us - clock_now_us();
        uint64_t count;

        if (left_us <= 0)
            return false;
        if (poll(&wake, 1, (int)((left_us + 999) / 1000)) == 1)
            (void)!read(query->wake_fd, &count, sizeof(count));
    }
    return true;
}
