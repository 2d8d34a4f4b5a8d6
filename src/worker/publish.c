/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish.c - a pool's new members, and the message that ends the old ones.
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
