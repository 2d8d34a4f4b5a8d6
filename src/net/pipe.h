/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipe.h - kernel pipes for splice(2), and the per-worker cache that lends them.
 *
 * A pipe is lent to a flow only while it holds bytes. One that comes back non-empty is closed, for
 * its bytes belong to a session that is gone. All workers together stay below one budget, which
 * respects fs.pipe-user-pages-soft (pipe(7)): beyond that limit the kernel hands out pipes of one
 * or two pages, which are slower than copying.
 */
#ifndef CULVERT_NET_PIPE_H
#define CULVERT_NET_PIPE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "core/counter.h"

/* A smaller pipe than this is not worth splicing through. */
#define PIPE_SMALLEST_BYTES 65536

struct pipe {
    struct pipe *next_free; /* while in a cache */
    int read_fd;
    int write_fd;
    size_t held; /* bytes inside */
};

/* Shared by all workers. */
struct pipe_budget {
    _Atomic int open_pipes;
    int limit;         /* most pipes of all workers; 0 = never splice */
    size_t pipe_bytes; /* size asked for */
};

struct pipe_cache {
    struct pipe_budget *budget;
    struct pipe *free;
    unsigned free_count;
    struct counter lent;   /* gauge */
    struct counter idle;   /* gauge */
    struct counter denied; /* borrow attempts without an answer */
    int64_t retry_ms;      /* after the kernel refused a pipe, not before this time */
};

void pipe_cache_init(struct pipe_cache *cache, struct pipe_budget *budget);

/* Closes the cached pipes. Every pipe must have been returned. */
void pipe_cache_release(struct pipe_cache *cache);

/* Lends an empty pipe, or NULL: at the limit, no descriptors, or the kernel gives only tiny ones.
 */
struct pipe *pipe_borrow(struct pipe_cache *cache, int64_t now_ms);

/* Takes a pipe back; a non-empty one is closed. NULL is allowed. */
void pipe_return(struct pipe_cache *cache, struct pipe *pipe);

/*
 * How many pipes of `pipe_bytes` this user may open without meeting fs.pipe-user-pages-soft, at
 * most `wanted` (or, for wanted < 0, a sensible number). Half of the soft limit at most is used
 * unless the process is privileged.
 */
int pipe_budget_for(int wanted, size_t pipe_bytes);

/*
 * Whether splice(2) moves bytes, an end and a reset here as the relay needs it: tried over a
 * loopback connection. False with a text that says what went wrong.
 */
bool pipe_self_test(char *why, size_t size);

#endif
