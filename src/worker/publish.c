/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish.c - what is new, and the message that ends what was before.
 */
#include "worker/publish.h"

#include "worker/mailbox.h"

bool worker_publish_members(struct worker_shared *shared, struct pool *pool)
{
    struct pool_members *fresh = pool_members_build(pool);
    struct message message = {.kind = MESSAGE_MEMBERS, .fd = -1};

    if (fresh == NULL)
        return false;
    message.members = pool_publish(pool, fresh, (int)shared->worker_count);
    /* A worker that takes no message has ended, or memory is short. Then the old members stay until
       the end of the process: nobody can say that the worker has passed. */
    for (unsigned i = 0; message.members != NULL && i < shared->worker_count; i++)
        (void)!mailbox_post(worker_mailbox(shared->workers[i]), &message);
    pool_reclaim(pool, INT64_MIN);
    return true;
}

void worker_publish_names(struct worker_shared *shared, struct router *router,
                          struct name_map *fresh)
{
    struct message message = {.kind = MESSAGE_NAMES, .fd = -1};

    message.names = router_publish_names(router, fresh, (int)shared->worker_count);
    /* As above: without the message the old names stay. */
    for (unsigned i = 0; message.names != NULL && i < shared->worker_count; i++)
        (void)!mailbox_post(worker_mailbox(shared->workers[i]), &message);
    router_reclaim_names(router);
}
