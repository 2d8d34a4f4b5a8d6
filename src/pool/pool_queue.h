/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool_queue.h - sessions that wait for a place on a server of a pool, in the order they came.
 *
 * The pool knows neither sessions nor workers: a waiter belongs to a session, a caller to a worker.
 * Nobody in the queue takes a place by himself. When one is free, a waiter is called: its worker is
 * woken and lets its session look. Who looks in vain keeps its place in the queue. A call that
 * finds its waiter gone goes to the next one.
 *
 * The mutex is taken only while someone waits, where an ejection ends, and by the control thread;
 * otherwise one relaxed load tells that nobody does.
 */
#ifndef CULVERT_POOL_POOL_QUEUE_H
#define CULVERT_POOL_POOL_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "core/base.h"
#include "core/list.h"

struct pool;

/* A thread whose sessions wait. */
struct pool_caller {
    pthread_mutex_t mutex; /* guards `called` */
    struct list called;    /* waiters to let look, in the order of their calls */
    /* Makes the thread call pool_caller_take() until it is empty. From any thread; it must not
       need memory, for it must not fail. */
    void (*wake)(struct pool_caller *caller);
};

struct pool_waiter {
    struct list_link link; /* in the queue, in the order of arrival */
    struct list_link call; /* in caller->called */
    struct pool *pool;
    struct pool_caller *caller;
    bool is_called; /* a call is on its way to it */
};

struct pool_queue {
    pthread_mutex_t mutex; /* taken before a caller's */
    struct list waiters;
    unsigned called;         /* waiters with is_called */
    _Atomic unsigned length; /* all waiters; written under the mutex */
    _Atomic bool is_paused;  /* written by the control thread under the mutex */
    bool is_made;
};

bool pool_queue_init(struct pool_queue *queue) CULVERT_MUST_CHECK;
/* Nobody may wait any more. Harmless when zeroed. */
void pool_queue_release(struct pool_queue *queue);

void pool_caller_init(struct pool_caller *caller, void (*wake)(struct pool_caller *caller));
void pool_caller_release(struct pool_caller *caller);

/* Waiters now. Any thread. */
unsigned pool_queue_length(const struct pool *pool);

/* Whether a newcomer has to wait: others do already, or the pool is paused. Any thread. */
bool pool_queue_is_ahead(const struct pool *pool);

bool pool_is_paused(const struct pool *pool);

/*
 * Joins the queue of the pool at its end; `waiter` is zeroed. From then on the waiter is called
 * whenever it may find a place, the first time even before this returns. False when queue_size
 * others wait already. On the caller's thread, as the next three.
 */
bool pool_queue_join(struct pool *pool, struct pool_waiter *waiter,
                     struct pool_caller *caller) CULVERT_MUST_CHECK;

/* Leaves it, with a place or without one. */
void pool_queue_leave(struct pool_waiter *waiter);

/* The waiter has looked and cannot use what is free, because it was there before: lets those
   behind it look. */
void pool_queue_pass(struct pool_waiter *waiter);

/* The next waiter of this thread that was called; NULL: none. It stays in the queue. */
struct pool_waiter *pool_caller_take(struct pool_caller *caller);

/* A place was freed, or a server may be chosen that might not before. Also every few
   seconds while somebody waits: nobody tells that a trial has become due. Any thread. */
void pool_queue_changed(struct pool *pool);

/* While it is paused everybody waits. Control thread. */
void pool_pause(struct pool *pool);
void pool_resume(struct pool *pool);

#endif
