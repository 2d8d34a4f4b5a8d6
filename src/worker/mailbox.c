/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mailbox.c - the queue and its wake-up.
 *
 * Whoever makes an empty queue non-empty writes the eventfd; the owner reads it before it takes the
 * queue. So a message is never left without a wake-up, and a burst costs one.
 */
#include "worker/mailbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* The counter cannot overflow (one write per burst), so a failure has no cause but a bug. */
static void wake_owner(int wake_fd)
{
    uint64_t one = 1;
    ssize_t written;

    do
        written = write(wake_fd, &one, sizeof(one));
    while (written == -1 && errno == EINTR);
}

static struct message *take_all(struct mailbox *mailbox)
{
    struct message *first;

    pthread_mutex_lock(&mailbox->mutex);
    first = mailbox->first;
    mailbox->first = NULL;
    mailbox->last = &mailbox->first;
    pthread_mutex_unlock(&mailbox->mutex);
    return first;
}

/* From here on a further one is news. */
static void deliver_calls(struct mailbox *mailbox)
{
    struct message calls;

    pthread_mutex_lock(&mailbox->mutex);
    calls = mailbox->calls;
    mailbox->is_calls_posted = false;
    pthread_mutex_unlock(&mailbox->mutex);
    calls.next = NULL;
    mailbox->receive(mailbox->argument, &calls);
}

static void deliver(struct mailbox *mailbox, struct message *message)
{
    while (message != NULL) {
        struct message *next = message->next;

        if (message == &mailbox->calls) {
            deliver_calls(mailbox);
            message = next;
            continue;
        }
        message->next = NULL;
        mailbox->receive(mailbox->argument, message);
        if (message != &mailbox->stop && message != &mailbox->drain)
            free(message);
        message = next;
    }
}

static void on_wake(evutil_socket_t fd, short events, void *argument)
{
    struct mailbox *mailbox = argument;
    uint64_t count;

    while (read(fd, &count, sizeof(count)) == -1 && errno == EINTR)
        continue;
    deliver(mailbox, take_all(mailbox));
}

bool mailbox_open(struct mailbox *mailbox, struct event_base *base, mailbox_receive receive,
                  void *argument)
{
    memset(mailbox, 0, sizeof(*mailbox));
    mailbox->last = &mailbox->first;
    mailbox->receive = receive;
    mailbox->argument = argument;
    mailbox->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (mailbox->wake_fd == -1)
        return false;
    errno = pthread_mutex_init(&mailbox->mutex, NULL);
    if (errno != 0)
        goto fail;
    errno = ENOMEM;
    mailbox->event = event_new(base, mailbox->wake_fd, EV_READ | EV_PERSIST, on_wake, mailbox);
    if (mailbox->event == NULL)
        goto fail;
    if (event_add(mailbox->event, NULL) == -1)
        goto fail;
    mailbox->is_open = true;
    return true;

fail:
    if (mailbox->event != NULL)
        event_free(mailbox->event);
    close(mailbox->wake_fd);
    mailbox->event = NULL;
    mailbox->wake_fd = -1;
    return false;
}

/* Under the mutex. */
static void append(struct mailbox *mailbox, struct message *message)
{
    bool was_empty = mailbox->first == NULL;

    *mailbox->last = message;
    mailbox->last = &message->next;
    /* Under the lock: mailbox_close() must not close the descriptor before the write. */
    if (was_empty)
        wake_owner(mailbox->wake_fd);
}

/* A message that has its own place: a second one before its delivery says nothing new. */
static bool post_in_place(struct mailbox *mailbox, const struct message *message,
                          struct message *place, bool *is_posted)
{
    bool is_open;

    pthread_mutex_lock(&mailbox->mutex);
    is_open = mailbox->is_open;
    if (is_open && !*is_posted) {
        *place = *message;
        place->next = NULL;
        *is_posted = true;
        append(mailbox, place);
    }
    pthread_mutex_unlock(&mailbox->mutex);
    return is_open;
}

struct message *mailbox_make(const struct message *message)
{
    struct message *made = malloc(sizeof(*made));

    if (made != NULL)
        *made = *message;
    return made;
}

bool mailbox_post_made(struct mailbox *mailbox, struct message *made)
{
    bool is_open;

    made->next = NULL;
    pthread_mutex_lock(&mailbox->mutex);
    is_open = mailbox->is_open;
    if (is_open)
        append(mailbox, made);
    pthread_mutex_unlock(&mailbox->mutex);

    if (!is_open)
        free(made);
    return is_open;
}

bool mailbox_post(struct mailbox *mailbox, const struct message *message)
{
    struct message *made;

    if (message->kind == MESSAGE_STOP)
        return post_in_place(mailbox, message, &mailbox->stop, &mailbox->is_stop_posted);
    if (message->kind == MESSAGE_CALLS)
        return post_in_place(mailbox, message, &mailbox->calls, &mailbox->is_calls_posted);
    if (message->kind == MESSAGE_DRAIN)
        return post_in_place(mailbox, message, &mailbox->drain, &mailbox->is_drain_posted);
    made = mailbox_make(message);
    return made != NULL && mailbox_post_made(mailbox, made);
}

void mailbox_close(struct mailbox *mailbox)
{
    bool was_open;

    pthread_mutex_lock(&mailbox->mutex);
    was_open = mailbox->is_open;
    mailbox->is_open = false;
    pthread_mutex_unlock(&mailbox->mutex);
    if (!was_open)
        return;

    event_free(mailbox->event);
    mailbox->event = NULL;
    close(mailbox->wake_fd);
    mailbox->wake_fd = -1;
    deliver(mailbox, take_all(mailbox));
    /* The mutex stays usable: a late mailbox_post() must find the mailbox closed. It owns nothing
       on Linux. */
}
