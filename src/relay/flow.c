/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow.c - if bytes are held, drain; else if the source has ended, pass the end on; else fill.
 */
#include "relay/flow.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "core/buffer.h"
#include "core/fault.h"
#include "net/conn.h"
#include "net/pipe.h"
#include "net/socket.h"
#include "relay/flow_fault.h"
#include "relay/relay_resources.h"

/* A copying read this large turns the flow to splicing; measured crossover: about 8 KiB. */
#define SPLICE_FROM_BYTES 16384

/* Splices smaller than this, that many in a row, turn it back to copying. */
#define SMALL_SPLICE_BYTES 4096
#define SMALL_SPLICES 4

/* What a splice asks the source for; the pipe's size bounds what it gets. */
#define SPLICE_ASK_BYTES ((size_t)1 << 20)

static void flow_fail(struct flow *flow, enum flow_culprit culprit)
{
    flow->state = FLOW_BROKEN;
    flow->culprit = culprit;
}

static void account_read(struct flow *flow, int64_t now_ms)
{
    flow->read_ms = now_ms;
}

/* The destination took `count` bytes: the stall clock starts anew or stops. */
static void account_write(struct flow *flow, size_t count, int64_t now_ms)
{
    flow->delivered += count;
    if (flow->stalled_ms != 0)
        flow->read_ms = now_ms; /* the source was silent because it was not read */
    flow->stalled_ms = 0;
    flow->was_looked_at = false;
}

/* Bytes stay behind: the stall clock runs from now on, unless it runs already. */
static void account_stall(struct flow *flow, int64_t now_ms)
{
    flow->destination->ready_out = false;
    if (flow->stalled_ms == 0) {
        flow->stalled_ms = now_ms;
        flow->stalled_bytes = socket_unacknowledged(flow->destination->fd);
        flow->was_looked_at = true;
    }
}

static bool may_splice_now(const struct flow *flow)
{
    return flow->may_splice && !flow->source->urgent;
}

size_t flow_held(const struct flow *flow)
{
    return (flow->buffer != NULL ? buffer_held(flow->buffer) : 0) +
           (flow->pipe != NULL ? flow->pipe->held : 0);
}

/* Keeps `size` bytes that the destination did not take. False breaks the flow: no memory. */
static bool keep_residue(struct flow *flow, struct relay_resources *resources,
                         const unsigned char *bytes, size_t size)
{
    switch (buffer_borrow_reserved(&resources->buffers, size, &flow->buffer)) {
    case BUFFER_LENT:
        memcpy(flow->buffer->bytes, bytes, size);
        flow->buffer->end = (uint32_t)size;
        return true;
    case BUFFER_AT_LIMIT:
    case BUFFER_NO_MEMORY:
        break;
    }
    flow_fail(flow, FLOW_BROKEN_BY_MEMORY);
    return false;
}

/* Writes bytes that were just read; what is not taken becomes the residue. */
static void forward(struct flow *flow, struct relay_resources *resources,
                    const unsigned char *bytes, size_t size, int64_t now_ms)
{
    size_t moved = 0;

    bytes = flow_fault_bytes(flow, (unsigned char *)bytes, &size);
    switch (conn_ops(flow->destination)->write(flow->destination, bytes, size, &moved)) {
    case IO_MOVED:
        account_write(flow, moved, now_ms);
        if (fault_is(FAULT_IGNORE_SHORT_WRITE))
            return;
        break;
    case IO_BLOCKED:
        break;
    case IO_ENDED: /* reads only */
    case IO_FAILED:
        /* Kept only to be counted as undelivered. */
        if (keep_residue(flow, resources, bytes, size))
            flow_fail(flow, FLOW_BROKEN_BY_DESTINATION);
        return;
    }
    if (moved < size && keep_residue(flow, resources, bytes + moved, size - moved))
        account_stall(flow, now_ms);
}

/* Writes the residue in the buffer. */
static void drain_buffer(struct flow *flow, struct relay_resources *resources, int64_t now_ms)
{
    struct buffer *buffer = flow->buffer;
    size_t moved = 0;

    switch (conn_ops(flow->destination)
                ->write(flow->destination, buffer->bytes + buffer->start, buffer_held(buffer),
                        &moved)) {
    case IO_MOVED:
        account_write(flow, moved, now_ms);
        buffer->start += (uint32_t)moved;
        break;
    case IO_BLOCKED:
        break;
    case IO_ENDED: /* reads only */
    case IO_FAILED:
        flow_fail(flow, FLOW_BROKEN_BY_DESTINATION);
        return;
    }
    if (buffer_held(buffer) > 0) {
        account_stall(flow, now_ms);
        return;
    }
    buffer_return(&resources->buffers, buffer);
    flow->buffer = NULL;
}

/* Writes what the pipe holds: always the exact count, lest the kernel cork the last piece. */
static void drain_pipe(struct flow *flow, int64_t now_ms)
{
    struct pipe *pipe = flow->pipe;

    while (pipe->held > 0) {
        ssize_t count =
            splice(pipe->read_fd, NULL, flow->destination->fd, NULL, pipe->held, SPLICE_F_NONBLOCK);

        if (count > 0) {
            pipe->held -= (size_t)count;
            flow->spliced += (size_t)count;
            account_write(flow, (size_t)count, now_ms);
            continue;
        }
        if (count == -1 && errno == EINTR)
            continue;
        if (count == -1 && errno == EAGAIN) {
            account_stall(flow, now_ms);
            return;
        }
        conn_fail(flow->destination, count == 0 ? EPIPE : errno);
        flow_fail(flow, FLOW_BROKEN_BY_DESTINATION);
        return;
    }
}

static void drain(struct flow *flow, struct relay_resources *resources, int64_t now_ms)
{
    if (flow->buffer != NULL)
        drain_buffer(flow, resources, now_ms);
    if (flow->buffer == NULL && flow->pipe != NULL)
        drain_pipe(flow, now_ms);
}

/* Whether the other direction is complete already: then the session is over with this one, and
   closing the destination tells it. */
static bool close_will_do(const struct flow *flow)
{
    return conn_ops(flow->destination)->close_ends && flow->destination->eof &&
           flow->source->fin_out;
}

/* All is delivered: tell the destination that the stream has ended. Over TLS that takes bytes, too,
   for which there may be no room. */
static void pass_end_on(struct flow *flow, int64_t now_ms)
{
    if (flow_fault_holds_end(flow))
        return;
    if (flow->stalled_ms != 0 && !flow->destination->ready_out)
        return;
    if (close_will_do(flow)) {
        flow->state = FLOW_ENDED;
        return;
    }
    switch (conn_ops(flow->destination)->shutdown_write(flow->destination)) {
    case IO_MOVED:
        flow->state = FLOW_ENDED;
        flow->stalled_ms = 0;
        return;
    case IO_BLOCKED:
        account_stall(flow, now_ms);
        return;
    case IO_ENDED: /* reads only */
    case IO_FAILED:
        flow_fail(flow, FLOW_BROKEN_BY_DESTINATION);
        return;
    }
}

static void source_ended(struct flow *flow, int64_t now_ms)
{
    account_read(flow, now_ms);
    flow->state = FLOW_ENDING;
}

/* Copying: one read into the worker's scratch memory, and the write of what it brought. */
static enum flow_wait fill_copy(struct flow *flow, struct relay_resources *resources,
                                int64_t now_ms)
{
    struct conn *source = flow->source;
    size_t moved = 0;

    if (buffer_is_scarce(&resources->buffers))
        return FLOW_WAITS_FOR_BUFFER;
    switch (conn_ops(source)->read(source, resources->scratch, flow->read_limit, &moved)) {
    case IO_MOVED:
        break;
    case IO_BLOCKED:
        if (source->is_drained && !flow_fault_skips_recheck())
            relay_recheck(resources, source);
        return source->ready_in ? FLOW_WAITS_FOR_TURN : FLOW_WAITS_FOR_SOURCE;
    case IO_ENDED:
        source_ended(flow, now_ms);
        return FLOW_WAITS_FOR_TURN;
    case IO_FAILED:
        flow_fail(flow, FLOW_BROKEN_BY_SOURCE);
        return FLOW_WAITS_FOR_NOTHING;
    }
    account_read(flow, now_ms);
    /* A short read has emptied the socket, as a rule; the recheck catches the exceptions. */
    if (conn_ops(source)->short_read_empties && moved < flow->read_limit && !source->urgent &&
        (!source->hup_in || fault_is(FAULT_MISS_FIN)))
        source->ready_in = false;
    if (!source->ready_in && !flow_fault_skips_recheck())
        relay_recheck(resources, source);
    if ((moved >= SPLICE_FROM_BYTES || moved == flow->read_limit) && may_splice_now(flow)) {
        flow->method = FLOW_SPLICE;
        flow->small_splices = 0;
    }
    forward(flow, resources, resources->scratch, moved, now_ms);
    return FLOW_WAITS_FOR_TURN;
}

/*
 * Splicing brought nothing although the source was announced as readable: one plain read tells
 * apart an empty socket, an end, an error, and bytes behind an urgent mark, where splice(2) stops
 * for ever.
 */
static enum flow_wait confirm_by_read(struct flow *flow, struct relay_resources *resources,
                                      int64_t now_ms)
{
    struct conn *source = flow->source;
    size_t moved = 0;

    if (fault_is(FAULT_MISS_OOB)) {
        source->ready_in = false;
        return FLOW_WAITS_FOR_SOURCE;
    }
    if (buffer_is_scarce(&resources->buffers))
        return FLOW_WAITS_FOR_BUFFER;
    conn_look_for_mark(source);
    switch (conn_ops(source)->read(source, resources->scratch, flow->read_limit, &moved)) {
    case IO_MOVED:
        if (source->urgent)
            flow->method = FLOW_COPY;
        account_read(flow, now_ms);
        forward(flow, resources, resources->scratch, moved, now_ms);
        return FLOW_WAITS_FOR_TURN;
    case IO_BLOCKED:
        if (source->error == 0)
            return FLOW_WAITS_FOR_SOURCE;
        break;
    case IO_ENDED:
        source_ended(flow, now_ms);
        return FLOW_WAITS_FOR_TURN;
    case IO_FAILED:
        break;
    }
    flow_fail(flow, FLOW_BROKEN_BY_SOURCE);
    return FLOW_WAITS_FOR_NOTHING;
}

static void count_splice(struct flow *flow, size_t count)
{
    if (count >= SMALL_SPLICE_BYTES) {
        flow->small_splices = 0;
        return;
    }
    flow->small_splices++;
    if (flow->small_splices == SMALL_SPLICES)
        flow->method = FLOW_COPY;
}

/* Splicing: one splice into the empty pipe, so that "would block" can only mean the socket. */
static enum flow_wait fill_splice(struct flow *flow, struct relay_resources *resources,
                                  int64_t now_ms)
{
    struct conn *source = flow->source;
    ssize_t count;

    if (flow->pipe == NULL)
        flow->pipe = pipe_borrow(&resources->pipes, now_ms);
    if (flow->pipe == NULL)
        return fill_copy(flow, resources, now_ms);
    assert(flow->pipe->held == 0);
    do {
        count = splice(source->fd, NULL, flow->pipe->write_fd, NULL,
                       flow->is_paced ? flow->read_limit : SPLICE_ASK_BYTES, SPLICE_F_NONBLOCK);
    } while (count == -1 && errno == EINTR);

    if (count > 0) {
        flow->pipe->held = (size_t)count;
        source->moved_in = true;
        account_read(flow, now_ms);
        count_splice(flow, (size_t)count);
        flow_fault_pipe(flow);
        drain_pipe(flow, now_ms);
        return FLOW_WAITS_FOR_TURN;
    }
    if (count == -1 && errno == EAGAIN && source->moved_in && !source->hup_in) {
        source->ready_in = false;
        relay_recheck(resources, source);
        return FLOW_WAITS_FOR_SOURCE;
    }
    if (count == -1 && errno == EINVAL) {
        /* This kind of socket cannot be spliced. */
        flow->may_splice = false;
        flow->method = FLOW_COPY;
        return FLOW_WAITS_FOR_TURN;
    }
    /* An error, too, is told while bytes still lie behind a mark: they are read before it counts.
     */
    if (count == -1 && errno != EAGAIN)
        conn_fail(source, errno);
    return confirm_by_read(flow, resources, now_ms);
}

static enum flow_wait fill(struct flow *flow, struct relay_resources *resources, int64_t now_ms)
{
    if (resources->flip_seed != 0 && may_splice_now(flow))
        flow->method = relay_random(resources) % 2 == 0 ? FLOW_COPY : FLOW_SPLICE;
    if (!may_splice_now(flow))
        flow->method = FLOW_COPY;
    if (flow->method == FLOW_SPLICE)
        return fill_splice(flow, resources, now_ms);
    return fill_copy(flow, resources, now_ms);
}

/* One round. FLOW_WAITS_FOR_TURN: there is more to do. */
static enum flow_wait pump_once(struct flow *flow, struct relay_resources *resources,
                                int64_t now_ms)
{
    if (flow_held(flow) > 0) {
        if (!flow->destination->ready_out)
            return FLOW_WAITS_FOR_DESTINATION;
        drain(flow, resources, now_ms);
        if (flow->state == FLOW_BROKEN && flow->culprit != FLOW_BROKEN_BY_SOURCE)
            return FLOW_WAITS_FOR_NOTHING;
        if (flow_held(flow) > 0)
            return FLOW_WAITS_FOR_DESTINATION;
        /* The source was silent on our account: its clocks start anew. */
        flow->read_ms = now_ms;
        return fault_is(FAULT_FORGET_REARM) ? FLOW_WAITS_FOR_SOURCE : FLOW_WAITS_FOR_TURN;
    }
    switch (flow->state) {
    case FLOW_ENDED:
    case FLOW_BROKEN:
        return FLOW_WAITS_FOR_NOTHING;
    case FLOW_ENDING:
        pass_end_on(flow, now_ms);
        return flow->state == FLOW_ENDING ? FLOW_WAITS_FOR_DESTINATION : FLOW_WAITS_FOR_NOTHING;
    case FLOW_OPEN:
        break;
    }
    if (!flow->source->ready_in)
        return FLOW_WAITS_FOR_SOURCE;
    if (!flow->destination->ready_out || flow_fault_stops_reading(flow))
        return FLOW_WAITS_FOR_DESTINATION;
    return fill(flow, resources, now_ms);
}

void flow_init(struct flow *flow, struct conn *source, struct conn *destination, bool may_splice,
               size_t read_limit)
{
    memset(flow, 0, sizeof(*flow));
    flow->source = source;
    flow->destination = destination;
    flow->may_splice =
        may_splice && conn_ops(source)->may_splice && conn_ops(destination)->may_splice;
    flow->read_limit = (uint32_t)(read_limit < BUFFER_READ_BYTES ? read_limit : BUFFER_READ_BYTES);
}

enum flow_wait flow_pump(struct flow *flow, struct relay_resources *resources, int rounds,
                         int64_t now_ms)
{
    enum flow_wait wait = FLOW_WAITS_FOR_TURN;

    while (wait == FLOW_WAITS_FOR_TURN && rounds-- > 0)
        wait = pump_once(flow, resources, now_ms);

    if (flow->pipe != NULL && flow->pipe->held == 0) {
        pipe_return(&resources->pipes, flow->pipe);
        flow->pipe = NULL;
    }
    flow->destination->holds_up_pipe = flow->pipe != NULL;
    if (flow->pipe != NULL)
        relay_recheck(resources, flow->destination); /* the tick spills a residue that stays */
    if (fault_is(FAULT_TLS_FORGET_PENDING) && flow->source->method != NULL &&
        wait == FLOW_WAITS_FOR_TURN)
        return FLOW_WAITS_FOR_SOURCE;
    return wait;
}

void flow_break(struct flow *flow, struct relay_resources *resources, enum flow_culprit culprit)
{
    if (flow->state != FLOW_ENDED)
        flow_fail(flow, culprit);
    flow_release(flow, resources);
}

void flow_spill(struct flow *flow, struct relay_resources *resources)
{
    struct pipe *pipe = flow->pipe;
    ssize_t count;

    if (pipe == NULL || pipe->held == 0 || flow->buffer != NULL)
        return;
    if (buffer_borrow(&resources->buffers,
                      pipe->held < BUFFER_LARGEST_BYTES ? pipe->held : BUFFER_LARGEST_BYTES,
                      &flow->buffer) != BUFFER_LENT)
        return;
    count = read(pipe->read_fd, flow->buffer->bytes, buffer_capacity(flow->buffer));
    if (count > 0) {
        flow->buffer->end = (uint32_t)count;
        pipe->held -= (size_t)count;
    } else {
        buffer_return(&resources->buffers, flow->buffer);
        flow->buffer = NULL;
    }
    if (pipe->held == 0) {
        pipe_return(&resources->pipes, pipe);
        flow->pipe = NULL;
        flow->destination->holds_up_pipe = false;
    }
}

void flow_release(struct flow *flow, struct relay_resources *resources)
{
    buffer_return(&resources->buffers, flow->buffer);
    flow->buffer = NULL;
    if (flow->pipe != NULL)
        flow->destination->holds_up_pipe = false;
    pipe_return(&resources->pipes, flow->pipe);
    flow->pipe = NULL;
}
