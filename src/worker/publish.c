/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish.c - what is new, and the message that ends what was before.
 */
#include "worker/publish.h"

#include <stdlib.h>

#include "worker/mailbox.h"

static void free_messages(struct message *messages)
{
    while (messages != NULL) {
        struct message *message = messages;

        messages = message->next;
        free(message);
    }
}

/* One message for each worker, before there is anything to tell: none may be left out for want of
   memory, for nobody could say then that it has passed, and what it may look at would stay for
   ever. False without memory. */
static bool make_messages(const struct worker_shared *shared, enum message_kind kind,
                          struct message **messages)
{
    const struct message model = {.kind = kind, .fd = -1};

    *messages = NULL;
    for (unsigned i = 0; i < shared->worker_count; i++) {
        struct message *made = mailbox_make(&model);

        if (made == NULL) {
            free_messages(*messages);
            return false;
        }
        made->next = *messages;
        *messages = made;
    }
    return true;
}

bool worker_publish_members(struct worker_shared *shared, struct pool *pool)
{
    struct pool_members *fresh = pool_members_build(pool);
    struct pool_members *old;
    struct message *messages;

    if (fresh == NULL)
        return false;
    if (!make_messages(shared, MESSAGE_MEMBERS, &messages)) {
        pool_members_free(fresh);
        return false;
    }
    old = pool_publish(pool, fresh, (int)shared->worker_count);
    for (unsigned i = 0; old != NULL && i < shared->worker_count; i++) {
        struct message *message = messages;

        messages = message->next;
        message->members = old;
        /* A worker that takes no message has ended, and the process ends. */
        (void)!mailbox_post_made(worker_mailbox(shared->workers[i]), message);
    }
    free_messages(messages);
    pool_reclaim(pool, INT64_MIN);
    return true;
}

void worker_publish_names(struct worker_shared *shared, struct router *router,
                          struct name_map *fresh)
{
    struct message message = {.kind = MESSAGE_NAMES, .fd = -1};

    message.names = router_publish_names(router, fresh, (int)shared->worker_count);
    /* Without memory for the message the old names stay until the end of the process. */
    for (unsigned i = 0; message.names != NULL && i < shared->worker_count; i++)
        (void)!mailbox_post(worker_mailbox(shared->workers[i]), &message);
    router_reclaim_names(router);
}
