/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mailbox.h - messages to a thread, from any thread.
 *
 * A queue behind a small mutex, and an eventfd(2) that wakes the owner's event loop. Messages are
 * values of a closed enum; what a message carries belongs to whoever holds the message.
 */
#ifndef CULVERT_WORKER_MAILBOX_H
#define CULVERT_WORKER_MAILBOX_H

#include <event2/event.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base.h"
#include "net/addr.h"
#include "config/snapshot.h"

struct sessions_query;

enum message_kind {
    MESSAGE_SESSION,    /* a handed-over connection: fd, listener, client */
    MESSAGE_DRAIN,      /* stop accepting; let sessions end */
    MESSAGE_CUT,        /* end sessions, idle ones first: at most `count` per loop turn */
    MESSAGE_STOP,       /* end all sessions now and leave the loop */
    MESSAGE_SESSIONS,   /* fill in a query of live sessions (worker/sessions_query.h) */
    MESSAGE_KILL,       /* end the session with this id, reason killed */
    MESSAGE_TLS,        /* take over what a TLS profile has loaded anew */
    MESSAGE_CALLS,      /* let the sessions look that were called in a pool's queue */
    MESSAGE_SERVER_END, /* end sessions on the server with serial `id`, as MESSAGE_CUT does */
    MESSAGE_MEMBERS,    /* a pool has new members: these are not looked at any more */
    MESSAGE_NAMES,      /* the same of the names of an sni_map */
};

struct message {
    enum message_kind kind;
    int fd;                           /* MESSAGE_SESSION: owned by the message */
    struct listener_config *listener; /* MESSAGE_SESSION: with a reference to its snapshot */
    struct addr client;               /* MESSAGE_SESSION */
    int64_t accepted_us;              /* MESSAGE_SESSION */
    struct sessions_query *query;     /* MESSAGE_SESSIONS: one of its references */
    uint64_t id;                      /* MESSAGE_KILL, MESSAGE_SERVER_END */
    struct tls_profile *profile;      /* MESSAGE_TLS: of the worker's snapshot */
    struct tls_context *context;      /* MESSAGE_TLS: owned by the message */
    struct pool_members *members;     /* MESSAGE_MEMBERS: one leave is owed */
    struct name_map *names;           /* MESSAGE_NAMES: the same */
    int count;                        /* MESSAGE_CUT, MESSAGE_SERVER_END */
    struct message *next;
};

typedef void (*mailbox_receive)(void *argument, struct message *message);

struct mailbox {
    pthread_mutex_t mutex; /* guards the queue and is_open */
    struct message *first;
    struct message **last;
    struct message stop;  /* MESSAGE_STOP's, MESSAGE_CALLS' and MESSAGE_DRAIN's: they need no */
    struct message calls; /* memory, for they must arrive */
    struct message drain;
    bool is_stop_posted;
    bool is_calls_posted;
    bool is_drain_posted;
    bool is_open;
    int wake_fd;
    struct event *event;
    mailbox_receive receive;
    void *argument;
};

/* Opens the mailbox on the owner's base. `receive` runs in the owner's loop and owns the message's
   contents, not the struct; it must not close the mailbox. False with errno otherwise. */
bool mailbox_open(struct mailbox *mailbox, struct event_base *base, mailbox_receive receive,
                  void *argument) CULVERT_MUST_CHECK;

/* Copies the message in and wakes the owner. False when the mailbox is closed or memory is short
   (which MESSAGE_STOP, MESSAGE_CALLS and MESSAGE_DRAIN do not need): the message's contents are
   still the caller's. */
bool mailbox_post(struct mailbox *mailbox, const struct message *message) CULVERT_MUST_CHECK;

/* A copy of the message on the heap, to be posted when no memory may be wanting; NULL without. */
struct message *mailbox_make(const struct message *message);

/* Posts it, of the kinds that have no place of their own, and takes it over. False when the mailbox
   is closed: the message's contents are still the caller's. */
bool mailbox_post_made(struct mailbox *mailbox, struct message *made) CULVERT_MUST_CHECK;

/* Closes to new messages and hands what is left to `receive`. Owner only. */
void mailbox_close(struct mailbox *mailbox);

#endif
