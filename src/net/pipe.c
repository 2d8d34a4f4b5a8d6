/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipe.c - lending pipes within what the kernel grants, and trying splice(2) out once.
 */
#include "net/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/addr.h"
#include "net/socket.h"

/* A worker keeps at most this many idle pipes. */
#define CACHED_PIPES 16

/* How long not to ask the kernel again after it refused a pipe. */
#define RETRY_MS 100

static void pipe_destroy(struct pipe_cache *cache, struct pipe *pipe)
{
    close(pipe->read_fd);
    close(pipe->write_fd);
    free(pipe);
    atomic_fetch_sub_explicit(&cache->budget->open_pipes, 1, memory_order_relaxed);
}

static bool budget_take(struct pipe_budget *budget)
{
    int open = atomic_load_explicit(&budget->open_pipes, memory_order_relaxed);

    do {
        if (open >= budget->limit)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->open_pipes, &open, open + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

/* A new pipe of a useful size, or NULL. The budget's place is taken already. */
static struct pipe *pipe_create(const struct pipe_budget *budget)
{
    struct pipe *pipe = malloc(sizeof(*pipe));
    int fds[2];
    int size;

    if (pipe == NULL)
        return NULL;
    if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) == -1) {
        free(pipe);
        return NULL;
    }
    size = fcntl(fds[1], F_SETPIPE_SZ, (int)budget->pipe_bytes);
    if (size == -1)
        size = fcntl(fds[1], F_GETPIPE_SZ);
    if (size < PIPE_SMALLEST_BYTES) {
        close(fds[0]);
        close(fds[1]);
        free(pipe);
        return NULL;
    }
    *pipe = (struct pipe){.read_fd = fds[0], .write_fd = fds[1]};
    return pipe;
}

void pipe_cache_init(struct pipe_cache *cache, struct pipe_budget *budget)
{
    memset(cache, 0, sizeof(*cache));
    cache->budget = budget;
}

void pipe_cache_release(struct pipe_cache *cache)
{
    while (cache->free != NULL) {
        struct pipe *pipe = cache->free;

        cache->free = pipe->next_free;
        pipe_destroy(cache, pipe);
        counter_subtract(&cache->idle, 1);
    }
    cache->free_count = 0;
}

struct pipe *pipe_borrow(struct pipe_cache *cache, int64_t now_ms)
{
    struct pipe *pipe = cache->free;

    if (pipe != NULL) {
        cache->free = pipe->next_free;
        cache->free_count--;
        pipe->next_free = NULL;
        counter_subtract(&cache->idle, 1);
        counter_add(&cache->lent, 1);
        return pipe;
    }
    if (now_ms < cache->retry_ms || !budget_take(cache->budget)) {
        counter_add(&cache->denied, 1);
        return NULL;
    }
    pipe = pipe_create(cache->budget);
    if (pipe == NULL) {
        atomic_fetch_sub_explicit(&cache->budget->open_pipes, 1, memory_order_relaxed);
        cache->retry_ms = now_ms + RETRY_MS;
        counter_add(&cache->denied, 1);
        return NULL;
    }
    counter_add(&cache->lent, 1);
    return pipe;
}

void pipe_return(struct pipe_cache *cache, struct pipe *pipe)
{
    if (pipe == NULL)
        return;
    counter_subtract(&cache->lent, 1);
    if (pipe->held > 0 || cache->free_count >= CACHED_PIPES) {
        pipe_destroy(cache, pipe);
        return;
    }
    pipe->next_free = cache->free;
    cache->free = pipe;
    cache->free_count++;
    counter_add(&cache->idle, 1);
}

/* The number in a file of /proc, or -1. */
static long read_number(const char *path)
{
    FILE *file = fopen(path, "re");
    long number = -1;

    if (file == NULL)
        return -1;
    if (fscanf(file, "%ld", &number) != 1)
        number = -1;
    fclose(file);
    return number;
}

/* Whether the soft limit of pipe pages binds this process: it does not with CAP_SYS_RESOURCE (24)
   or CAP_SYS_ADMIN (21), capabilities(7). */
static bool is_exempt_from_pipe_limit(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    unsigned long long effective = 0;

    if (file == NULL)
        return false;
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "CapEff: %llx", &effective) == 1)
            break;
    }
    fclose(file);
    return (effective & (1ULL << 24 | 1ULL << 21)) != 0;
}

int pipe_budget_for(int wanted, size_t pipe_bytes)
{
    const int sensible = 1024;
    long page = sysconf(_SC_PAGESIZE);
    long soft = read_number("/proc/sys/fs/pipe-user-pages-soft");
    long pages_per_pipe = (long)(pipe_bytes / (size_t)page);
    long granted;

    if (wanted < 0)
        wanted = sensible;
    if (soft <= 0 || pages_per_pipe <= 0 || is_exempt_from_pipe_limit())
        return wanted;
    granted = soft / 2 / pages_per_pipe;
    return granted < wanted ? (int)granted : wanted;
}

/* A connected pair of TCP sockets over loopback, non-blocking. */
static bool tcp_pair(int pair[2])
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(addr);
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    pair[0] = pair[1] = -1;
    if (listening == -1)
        return false;
    if (bind(listening, (struct sockaddr *)&addr, sizeof(addr)) == -1 ||
        listen(listening, 1) == -1 ||
        getsockname(listening, (struct sockaddr *)&addr, &length) == -1)
        goto fail;
    pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (pair[0] == -1 || connect(pair[0], (struct sockaddr *)&addr, sizeof(addr)) == -1)
        goto fail;
    pair[1] = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (pair[1] == -1 || fcntl(pair[0], F_SETFL, O_NONBLOCK) == -1)
        goto fail;
    close(listening);
    return true;

fail:
    close(listening);
    if (pair[0] != -1)
        close(pair[0]);
    if (pair[1] != -1)
        close(pair[1]);
    return false;
}

static bool wait_readable(int fd)
{
    struct pollfd look = {.fd = fd, .events = POLLIN};

    return poll(&look, 1, 1000) == 1;
}

/* Splices `size` bytes from one socket into the pipe and on into another; then compares. */
static const char *try_bytes(const int in[2], const int out[2], const int fds[2], size_t size)
{
    char *bytes = malloc(2 * size);
    char *back;
    size_t sent = 0;
    size_t spliced = 0;
    size_t received = 0;
    const char *why = NULL;

    if (bytes == NULL)
        return "out of memory";
    back = bytes + size;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(i * 31 + i / 251);
    while (received < size && why == NULL) {
        ssize_t count;

        if (sent < size) {
            count = send(in[0], bytes + sent, size - sent, MSG_NOSIGNAL);
            if (count > 0)
                sent += (size_t)count;
        }
        if (spliced < size && !wait_readable(in[1])) {
            why = "no bytes came";
            break;
        }
        count = splice(in[1], NULL, fds[1], NULL, 1 << 20, SPLICE_F_NONBLOCK);
        if (count > 0) {
            size_t held = (size_t)count;

            spliced += held;
            while (held > 0) {
                ssize_t moved = splice(fds[0], NULL, out[0], NULL, held, SPLICE_F_NONBLOCK);

                if (moved <= 0) {
                    why = "splice to a socket failed";
                    break;
                }
                held -= (size_t)moved;
            }
        } else if (count == -1 && errno != EAGAIN) {
            why = "splice from a socket failed";
        }
        while (why == NULL && received < spliced) {
            if (!wait_readable(out[1])) {
                why = "bytes were held back";
                break;
            }
            count = recv(out[1], back + received, size - received, 0);
            if (count <= 0)
                why = "bytes were lost";
            else
                received += (size_t)count;
        }
    }
    if (why == NULL && memcmp(bytes, back, size) != 0)
        why = "bytes were changed";
    free(bytes);
    return why;
}

/* An end must read as 0, then a reset of the other pair as ECONNRESET. */
static const char *try_ends(int in[2], int out[2], const int fds[2])
{
    shutdown(in[0], SHUT_WR);
    if (!wait_readable(in[1]) || splice(in[1], NULL, fds[1], NULL, 4096, SPLICE_F_NONBLOCK) != 0)
        return "an end of stream was not seen";
    socket_reset_close(out[1]);
    out[1] = -1;
    if (!wait_readable(out[0]) ||
        splice(out[0], NULL, fds[1], NULL, 4096, SPLICE_F_NONBLOCK) != -1 || errno != ECONNRESET)
        return "a reset was not seen";
    return NULL;
}

bool pipe_self_test(char *why, size_t size)
{
    int in[2] = {-1, -1};
    int out[2] = {-1, -1};
    int fds[2] = {-1, -1};
    const char *text = NULL;

    if (!tcp_pair(in) || !tcp_pair(out) || pipe2(fds, O_NONBLOCK | O_CLOEXEC) == -1) {
        snprintf(why, size, "no sockets or pipes for the self-test: %s", strerror(errno));
    } else {
        text = try_bytes(in, out, fds, 70000);
        if (text == NULL)
            text = try_ends(in, out, fds);
        snprintf(why, size, "%s", text == NULL ? "" : text);
    }
    for (int i = 0; i < 2; i++) {
        const int all[] = {in[i], out[i], fds[i]};

        for (size_t k = 0; k < ARRAY_LENGTH(all); k++) {
            if (all[k] != -1)
                close(all[k]);
        }
    }
    return why[0] == '\0';
}
