/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_flow.c - one direction between two TCP connections, pumped by hand.
 *
 * Every case runs with both methods, copying and splicing. The test plays the session: it says
 * which sockets had an edge (flow_pump() is called after that) and looks at the answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "net/tcp_pair.h"
#include "relay/flow.h"
#include "relay/relay_world.h"

static struct {
    bool malloc_fails;
    int errno_of_splice; /* of a splice from a socket; 0: the call goes through */
    bool splice_says_end;
    unsigned splices;   /* from a socket */
    bool asks_too_much; /* a splice to a socket asked for more than was there */
} calls;

ssize_t __real_splice(int from, off64_t *from_offset, int to, off64_t *to_offset, size_t size,
                      unsigned flags);
ssize_t __wrap_splice(int from, off64_t *from_offset, int to, off64_t *to_offset, size_t size,
                      unsigned flags);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static bool is_pipe(int fd)
{
    return fcntl(fd, F_GETPIPE_SZ) != -1;
}

ssize_t __wrap_splice(int from, off64_t *from_offset, int to, off64_t *to_offset, size_t size,
                      unsigned flags)
{
    if (is_pipe(from)) {
        int held = 0;

        ioctl(from, FIONREAD, &held);
        if (size != (size_t)held || (flags & SPLICE_F_MORE) != 0)
            calls.asks_too_much = true;
        return __real_splice(from, from_offset, to, to_offset, size, flags);
    }
    calls.splices++;
    if (calls.splice_says_end)
        return 0;
    if (calls.errno_of_splice != 0) {
        errno = calls.errno_of_splice;
        return -1;
    }
    return __real_splice(from, from_offset, to, to_offset, size, flags);
}

void *__wrap_malloc(size_t size)
{
    return calls.malloc_fails ? NULL : __real_malloc(size);
}

/* sender -> [source -> destination] -> receiver */
struct line {
    struct relay_world world;
    int sender;
    int receiver;
    struct conn source;
    struct conn destination;
    struct flow flow;
    enum flow_method method; /* of this run */
    int64_t now_ms;
};

/* Small buffers on the way out, so that a write is often a partial one. */
static void line_open_sized(struct line *line, enum flow_method method, int send_buffer,
                            int receive_buffer)
{
    int in[2];
    int out[2];

    memset(&calls, 0, sizeof(calls));
    memset(line, 0, sizeof(*line));
    relay_world_open(&line->world, 0);
    tcp_pair(in);
    tcp_pair_sized(out, send_buffer, receive_buffer);
    line->sender = in[0];
    line->receiver = out[1];
    conn_init(&line->source);
    conn_init(&line->destination);
    conn_open(&line->source, in[1], true);
    conn_open(&line->destination, out[0], true);
    line->source.ready_in = line->source.ready_out = true;
    line->destination.ready_in = line->destination.ready_out = true;
    line->now_ms = 1000;
    line->method = method;
    flow_init(&line->flow, &line->source, &line->destination, method == FLOW_SPLICE,
              BUFFER_READ_BYTES);
    line->flow.method = method;
}

static void line_open(struct line *line, enum flow_method method)
{
    line_open_sized(line, method, 0, 0);
}

static void line_close(struct line *line)
{
    assert_false(calls.asks_too_much);
    flow_release(&line->flow, &line->world.resources);
    conn_close(&line->source);
    conn_close(&line->destination);
    peer_close(&line->sender);
    peer_close(&line->receiver);
    relay_world_close(&line->world);
}

static enum flow_wait pump(struct line *line)
{
    enum flow_wait wait =
        flow_pump(&line->flow, &line->world.resources, RELAY_ROUNDS, line->now_ms);

    /* What is true between pumps. */
    assert_true(line->flow.pipe == NULL || line->flow.pipe->held > 0);
    assert_true(line->flow.buffer == NULL || buffer_held(line->flow.buffer) > 0);
    assert_true(!line->destination.fin_out || (flow_held(&line->flow) == 0 && line->source.eof));
    return wait;
}

/* The source has news: what an edge-triggered read event would say. */
static void edge_in(struct line *line)
{
    short events = peer_poll(line->source.fd, POLLIN | POLLRDHUP, TCP_PAIR_DEADLINE_MS);

    assert_true(events != 0);
    line->source.ready_in = true;
    line->source.moved_in = false;
    if ((events & POLLRDHUP) != 0)
        line->source.hup_in = true;
}

/* The destination's socket has room again: a write event. */
static void edge_out(struct line *line)
{
    assert_true((peer_poll(line->destination.fd, POLLOUT, TCP_PAIR_DEADLINE_MS) & POLLOUT) != 0);
    line->destination.ready_out = true;
}

/* Waits until everything the sender sent has reached the source's socket. */
static void settle(struct line *line)
{
    peer_wait_acknowledged(line->sender);
    edge_in(line);
}

/* Receives `size` bytes of the pattern within the deadline. */
static void receive(struct line *line, uint64_t position, size_t size)
{
    enum peer_end end = PEER_OPEN;
    size_t received = 0;

    while (received < size && end == PEER_OPEN) {
        assert_true(peer_poll(line->receiver, POLLIN, TCP_PAIR_DEADLINE_MS) != 0);
        received += peer_receive_some(line->receiver, position + received, size - received, &end);
    }
    assert_int_equal(received, size);
}

static void assert_receiver_sees(struct line *line, enum peer_end expected)
{
    enum peer_end end = PEER_OPEN;

    assert_true(peer_poll(line->receiver, POLLIN, TCP_PAIR_DEADLINE_MS) != 0);
    assert_int_equal(peer_receive_some(line->receiver, 0, 1, &end), 0);
    assert_int_equal(end, expected);
}

static void assert_receiver_sees_nothing(struct line *line)
{
    char byte;

    assert_int_equal(recv(line->receiver, &byte, 1, MSG_PEEK), -1);
    assert_int_equal(errno, EAGAIN);
}

#define FOR_EACH_METHOD(method)                                                                    \
    for (enum flow_method method = FLOW_COPY; method <= FLOW_SPLICE; method++)

/* Bytes */

static void test_flow_moves_bytes_and_waits_for_more(void **state)
{
    struct line line;

    FOR_EACH_METHOD(method)
    {
        line_open(&line, method);
        assert_int_equal(pump(&line), FLOW_WAITS_FOR_SOURCE);
        peer_send(line.sender, 0, 1000);
        settle(&line);
        assert_int_equal(pump(&line), FLOW_WAITS_FOR_SOURCE);
        receive(&line, 0, 1000);
        assert_int_equal(line.flow.delivered, 1000);
        assert_int_equal(line.flow.spliced, method == FLOW_SPLICE ? 1000 : 0);
        assert_int_equal(line.flow.read_ms, line.now_ms);
        line_close(&line);
    }
}

static void test_flow_holds_neither_buffer_nor_pipe_while_idle(void **state)
{
    struct line line;

    FOR_EACH_METHOD(method)
    {
        line_open(&line, method);
        peer_send(line.sender, 0, 5000);
        settle(&line);
        pump(&line);
        assert_null(line.flow.buffer);
        assert_null(line.flow.pipe);
        assert_int_equal(counter_get(&line.world.resources.pipes.lent), 0);
        assert_int_equal(counter_get(&line.world.resources.buffers.lent_bytes), 0);
        receive(&line, 0, 5000);
        line_close(&line);
    }
}

/* Pumps a stream of `total` bytes through small buffers until all of it has arrived unchanged. */
static void relay_stream(struct line *line, size_t total)
{
    enum peer_end end = PEER_OPEN;
    size_t sent = 0;
    size_t received = 0;
    unsigned stalls = 0;

    for (unsigned round = 0; round < 1000000 && received < total; round++) {
        enum flow_wait wait;
        /* Odd sizes, so that nothing ever lines up with a buffer. */
        size_t piece = 1 + (round * 7919) % 70000;

        sent += peer_send_some(line->sender, sent, total - sent < piece ? total - sent : piece);
        wait = pump(line);
        assert_true(wait != FLOW_WAITS_FOR_NOTHING);
        stalls += wait == FLOW_WAITS_FOR_DESTINATION;
        received += peer_receive_some(line->receiver, received, 1 + (round * 104729) % 9000, &end);
        line->source.ready_in |= peer_poll(line->source.fd, POLLIN, 0) != 0;
        line->source.moved_in &= !line->source.ready_in;
        line->destination.ready_out |=
            (peer_poll(line->destination.fd, POLLOUT, stalls > 0 ? 1 : 0) & POLLOUT) != 0;
    }
    assert_int_equal(received, total);
    assert_int_equal(line->flow.delivered, total);
    assert_true(stalls > 10);
    assert_int_equal(flow_held(&line->flow), 0);
}

static void test_flow_delivers_every_byte_through_partial_writes(void **state)
{
    struct line line;

    FOR_EACH_METHOD(method)
    {
        line_open_sized(&line, method, 4096, 4096);
        relay_stream(&line, 3 << 20);
        line_close(&line);
    }
}

static void test_flow_delivers_every_byte_while_its_method_flips_at_random(void **state)
{
    struct line line;

    line_open_sized(&line, FLOW_SPLICE, 4096, 4096);
    line.world.resources.flip_seed = line.world.resources.random = 42;
    relay_stream(&line, 2 << 20);
    assert_true(line.flow.spliced > 0);
    assert_true(line.flow.spliced < line.flow.delivered);
    line_close(&line);
}

/* Back-pressure */

/* Fills the way out until the flow holds something that the destination does not take. */
static uint64_t stall(struct line *line)
{
    uint64_t sent = 0;

    while (flow_held(&line->flow) == 0) {
        size_t some = peer_send_some(line->sender, sent, 65536);

        sent += some;
        if (some > 0)
            settle(line);
        pump(line);
    }
    return sent;
}

/* After stall(): everything that was sent must arrive. */
static void deliver_rest(struct line *line, uint64_t sent)
{
    enum peer_end end = PEER_OPEN;
    uint64_t received = 0;

    while (received < sent && end == PEER_OPEN) {
        assert_true(peer_poll(line->receiver, POLLIN, TCP_PAIR_DEADLINE_MS) != 0);
        received += peer_receive_some(line->receiver, received, sent - received, &end);
        line->source.ready_in = true;
        line->source.moved_in = false;
        line->destination.ready_out |= (peer_poll(line->destination.fd, POLLOUT, 0) & POLLOUT) != 0;
        pump(line);
    }
    assert_int_equal(received, sent);
    assert_int_equal(line->flow.delivered, sent);
}

static void test_flow_stops_reading_while_the_destination_is_full(void **state)
{
    struct line line;

    FOR_EACH_METHOD(method)
    {
        uint64_t sent, delivered;

        line_open_sized(&line, method, 4096, 4096);
        sent = stall(&line);
        assert_int_equal(line.flow.stalled_ms, line.now_ms);
        assert_false(line.destination.ready_out);
        delivered = line.flow.delivered;
        peer_send_some(line.sender, sent, 1000);
        line.source.ready_in = true;
        assert_int_equal(pump(&line), FLOW_WAITS_FOR_DESTINATION);
        assert_int_equal(line.flow.delivered, delivered);
        assert_true(flow_held(&line.flow) <= BUFFER_LARGEST_BYTES);
        deliver_rest(&line, sent + 1000);
        assert_int_equal(line.flow.stalled_ms, 0);
        line_close(&line);
    }
}

static void test_stall_clock_starts_anew_with_each_progress(void **state)
{
    struct line line;

    FOR_EACH_METHOD(method)
    {
        enum peer_end end = PEER_OPEN;
        uint64_t received = 0;
        uint64_t sent, delivered;

        line_open_sized(&line, method, 4096, 4096);
        sent = stall(&line);
        line.now_ms += 500;
        assert_int_equal(pump(&line), FLOW_WAITS_FOR_DESTINATION);
        assert_int_equal(line.flow.stalled_ms, 1000);
        delivered = line.flow.delivered;
        while (line.flow.delivered == delivered) {
            assert_true(peer_poll(line.receiver, POLLIN, TCP_PAIR_DEADLINE_MS) != 0);
            received += peer_receive_some(line.receiver, received, 1024, &end);
            line.destination.ready_out |=
                (peer_poll(line.destination.fd, POLLOUT, 0) & POLLOUT) != 0;
            pump(&line);
        }
        assert_true(line.flow.stalled_ms == 0 || line.flow.stalled_ms == 1500);
        while (received < sent) {
            line.source.ready_in = true;
            line.destination.ready_out = true;
            pump(&line);
            received += peer_receive_some(line.receiver, received, sent - received, &end);
        }
        line_close(&line);
    }
}

static void test_flow_does_not_read_for_a_destination_that_is_not_ready(void **state)
{
    struct line line;

    FOR_EACH_METHOD(method)
    {
        line_open(&line, method);
        peer_send(line.sender, 0, 100);
        settle(&line);
        line.destination.ready_out = false;
        assert_int_equal(pump(&line), FLOW_WAITS_FOR_DESTINATION);
        assert_int_equal(flow_held(&line.flow), 0);
        edge_out(&line);
        assert_int_equal(pump(&line), FLOW_WAITS_FOR_SOURCE);
        receive(&line, 0, 100);
        line_close(&line);
    }
}

static void test_flow_gives_up_its_turn_when_its_rounds_are_spent(void **state)
{
    struct line line;

    FOR_EACH_METHOD(method)
    {
        size_t sent;

        line_open(&line, method);
        line.flow.read_limit = 1024;
        sent = peer_send_some(line.sender, 0, 64 * 1024);
        settle(&line);
        if (method == FLOW_COPY) {
            assert_int_equal(flow_pump(&line.flow, &line.world.resources, 8, 1),
                             FLOW_WAITS_FOR_TURN);
            assert_int_equal(line.flow.delivered, 8 * 1024);
        } else {
            assert_int_equal(flow_pump(&line.flow, &line.world.resources, 1, 1),
                             FLOW_WAITS_FOR_TURN);
            assert_true(line.flow.delivered > 0);
        }
        deliver_rest(&line, sent);
        line_close(&line);
    }
}

/* The method */

static void test_copying_turns_to_splicing_at_16_kib_per_read(void **state)
{
    struct line line;

    line_open(&line, FLOW_SPLICE);
    line.flow.method = FLOW_COPY;
    peer_send(line.sender, 0, 16383);
    settle(&line);
    pump(&line);
    assert_int_equal(line.flow.method, FLOW_COPY);
    receive(&line, 0, 16383);
    peer_send(line.sender, 16383, 16384);
    settle(&line);
    pump(&line);
    assert_int_equal(line.flow.method, FLOW_SPLICE);
    receive(&line, 16383, 16384);
    line_close(&line);
}

static void test_four_small_splices_in_a_row_turn_back_to_copying(void **state)
{
    struct line line;
    uint64_t position = 0;
    /* The large one in between starts the count anew. */
    static const size_t sizes[] = {100, 100, 100, 4096, 100, 100, 100};

    line_open(&line, FLOW_SPLICE);
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        peer_send(line.sender, position, sizes[i]);
        settle(&line);
        pump(&line);
        receive(&line, position, sizes[i]);
        position += sizes[i];
        assert_int_equal(line.flow.method, FLOW_SPLICE);
    }
    peer_send(line.sender, position, 4095);
    settle(&line);
    pump(&line);
    receive(&line, position, 4095);
    assert_int_equal(line.flow.method, FLOW_COPY);
    line_close(&line);
}

static void test_flow_copies_where_splicing_is_not_allowed(void **state)
{
    struct line line;

    line_open(&line, FLOW_COPY);
    peer_send(line.sender, 0, 60000);
    settle(&line);
    pump(&line);
    pump(&line);
    receive(&line, 0, 60000);
    assert_int_equal(line.flow.method, FLOW_COPY);
    assert_int_equal(calls.splices, 0);
    line_close(&line);
}

static void test_flow_copies_while_no_pipe_can_be_had(void **state)
{
    struct line line;

    line_open(&line, FLOW_SPLICE);
    line.world.pipes.limit = 0;
    peer_send(line.sender, 0, 60000);
    settle(&line);
    pump(&line);
    receive(&line, 0, 60000);
    assert_int_equal(calls.splices, 0);
    assert_true(counter_get(&line.world.resources.pipes.denied) > 0);
    /* A pipe is free again: so is the way through it. */
    line.world.pipes.limit = 1;
    peer_send(line.sender, 60000, 60000);
    settle(&line);
    pump(&line);
    receive(&line, 60000, 60000);
    assert_true(calls.splices > 0);
    line_close(&line);
}

static void test_flow_copies_for_good_when_the_socket_cannot_be_spliced(void **state)
{
    struct line line;

    line_open(&line, FLOW_SPLICE);
    calls.errno_of_splice = EINVAL;
    peer_send(line.sender, 0, 60000);
    settle(&line);
    pump(&line);
    receive(&line, 0, 60000);
    assert_int_equal(calls.splices, 1);
    assert_int_equal(line.flow.method, FLOW_COPY);
    line_close(&line);
}

/* What splice(2) does not tell */

static void test_splice_would_block_is_confirmed_by_a_read(void **state)
{
    struct line line;

    line_open(&line, FLOW_SPLICE);
    /* Bytes are there, but splice(2) says EAGAIN as it does at an urgent mark. */
    calls.errno_of_splice = EAGAIN;
    peer_send(line.sender, 0, 500);
    settle(&line);
    assert_int_equal(pump(&line), FLOW_WAITS_FOR_SOURCE);
    receive(&line, 0, 500);
    assert_int_equal(line.flow.delivered, 500);
    line_close(&line);
}

static void test_splice_of_nothing_is_no_end_before_a_read_confirms_it(void **state)
{
    struct line line;

    line_open(&line, FLOW_SPLICE);
    calls.splice_says_end = true;
    peer_send(line.sender, 0, 500);
    settle(&line);
    assert_int_equal(pump(&line), FLOW_WAITS_FOR_SOURCE);
    receive(&line, 0, 500);
    assert_int_equal(line.flow.state, FLOW_OPEN);
    assert_receiver_sees_nothing(&line);
    shutdown(line.sender, SHUT_WR);
    edge_in(&line);
    assert_int_equal(pump(&line), FLOW_WAITS_FOR_NOTHING);
    assert_int_equal(line.flow.state, FLOW_ENDED);
    line_close(&line);
}

static void test_urgent_byte_keeps_its_place_and_its_flow_copies_from_then_on(void **state)
{
    struct line line;
    char bytes[8] = {0};

    FOR_EACH_METHOD(method)
    {
        line_open(&line, method);
        memset(bytes, 0, sizeof(bytes));
        assert_int_equal(send(line.sender, "abc", 3, MSG_NOSIGNAL), 3);
        assert_int_equal(send(line.sender, "U", 1, MSG_NOSIGNAL | MSG_OOB), 1);
        assert_int_equal(send(line.sender, "def", 3, MSG_NOSIGNAL), 3);
        settle(&line);
        pump(&line);
        /* The read stopped at the mark and no edge comes: the worker's tick looks at the conn. */
        assert_true(list_contains_link(&line.source.recheck));
        conn_look_for_mark(&line.source);
        line.source.ready_in = true;
        line.source.moved_in = false;
        assert_int_equal(pump(&line), FLOW_WAITS_FOR_SOURCE);
        assert_int_equal(recv(line.receiver, bytes, 7, MSG_WAITALL), 7);
        assert_string_equal(bytes, "abcUdef");
        assert_true(line.source.urgent);
        assert_int_equal(line.flow.method, FLOW_COPY);
        calls.splices = 0;
        peer_send(line.sender, 0, 60000);
        settle(&line);
        pump(&line);
        receive(&line, 0, 60000);
        assert_int_equal(calls.splices, 0);
        line_close(&line);
    }
}

static void test_splice_at_an_urgent_mark_finds_the_byte_by_itself(void **state)
{
    struct line line;
    char bytes[8] = {0};

    line_open(&line, FLOW_SPLICE);
    assert_int_equal(send(line.sender, "U", 1, MSG_NOSIGNAL | MSG_OOB), 1);
    assert_int_equal(send(line.sender, "def", 3, MSG_NOSIGNAL), 3);
    settle(&line);
    assert_int_equal(pump(&line), FLOW_WAITS_FOR_SOURCE);
    assert_int_equal(recv(line.receiver, bytes, 4, MSG_WAITALL), 4);
    assert_string_equal(bytes, "Udef");
    assert_true(line.source.urgent);
    assert_int_equal(line.flow.method, FLOW_COPY);
    line_close(&line);
}

static void test_bytes_behind_an_urgent_mark_come_before_the_reset_that_follows_them(void **state)
{
    struct line line;
    char bytes[8] = {0};

    FOR_EACH_METHOD(method)
    {
        line_open(&line, method);
        memset(bytes, 0, sizeof(bytes));
        assert_int_equal(send(line.sender, "abc", 3, MSG_NOSIGNAL), 3);
        assert_int_equal(send(line.sender, "U", 1, MSG_NOSIGNAL | MSG_OOB), 1);
        assert_int_equal(send(line.sender, "def", 3, MSG_NOSIGNAL), 3);
        peer_wait_acknowledged(line.sender);
        peer_reset(&line.sender);
        while ((peer_poll(line.source.fd, POLLRDHUP, TCP_PAIR_DEADLINE_MS) & POLLERR) == 0)
            continue;
        for (int i = 0; i < 4 && line.flow.state == FLOW_OPEN; i++) {
            line.source.ready_in = true;
            line.source.moved_in = false;
            line.source.hup_in = true;
            pump(&line);
        }
        assert_int_equal(line.flow.state, FLOW_BROKEN);
        assert_int_equal(line.flow.culprit, FLOW_BROKEN_BY_SOURCE);
        assert_int_equal(line.source.error, ECONNRESET);
        assert_int_equal(recv(line.receiver, bytes, 7, MSG_WAITALL), 7);
        assert_string_equal(bytes, "abcUdef");
        line_close(&line);
    }
}

static void test_sixteen_segments_are_not_corked(void **state)
{
    static const unsigned counts[] = {15, 16, 17, 32};
    struct line line;

    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
        int64_t started_us;

        line_open(&line, FLOW_SPLICE);
        line.source.ready_in = false;
        for (unsigned k = 0; k < counts[i]; k++) {
            peer_send(line.sender, k * 100, 100);
            peer_wait_acknowledged(line.sender);
        }
        edge_in(&line);
        started_us = clock_now_us();
        pump(&line);
        receive(&line, 0, counts[i] * 100);
        assert_true(clock_now_us() - started_us < 150000);
        line_close(&line);
    }
}

/* Ends */

static void test_end_is_passed_on_behind_the_data(void **state)
{
    struct line line;

    FOR_EACH_METHOD(method)
    {
        line_open(&line, method);
        peer_send(line.sender, 0, 1000);
        shutdown(line.sender, SHUT_WR);
        settle(&line);
        assert_int_equal(pump(&line), FLOW_WAITS_FOR_NOTHING);
        assert_int_equal(line.flow.state, FLOW_ENDED);
        assert_true(line.destination.fin_out);
        receive(&line, 0, 1000);
        assert_receiver_sees(&line, PEER_ENDED);
        assert_int_equal(pump(&line), FLOW_WAITS_FOR_NOTHING);
        line_close(&line);
    }
}

static void test_end_waits_until_nothing_is_held(void **state)
{
    struct line line;

    FOR_EACH_METHOD(method)
    {
        uint64_t sent;

        line_open_sized(&line, method, 4096, 4096);
        sent = stall(&line);
        shutdown(line.sender, SHUT_WR);
        edge_in(&line);
        for (int i = 0; i < 10; i++)
            assert_int_equal(pump(&line), FLOW_WAITS_FOR_DESTINATION);
        assert_false(line.destination.fin_out);
        deliver_rest(&line, sent);
        line.source.ready_in = true;
        line.destination.ready_out = true;
        pump(&line);
        assert_int_equal(line.flow.state, FLOW_ENDED);
        assert_receiver_sees(&line, PEER_ENDED);
        line_close(&line);
    }
}

static void test_end_without_a_byte_is_passed_on(void **state)
{
    struct line line;

    FOR_EACH_METHOD(method)
    {
        line_open(&line, method);
        shutdown(line.sender, SHUT_WR);
        edge_in(&line);
        assert_int_equal(pump(&line), FLOW_WAITS_FOR_NOTHING);
        assert_int_equal(line.flow.state, FLOW_ENDED);
        assert_receiver_sees(&line, PEER_ENDED);
        line_close(&line);
    }
}

/*
 * The truth table of ends and errors, seen from a flow: what the source's peer does, perhaps while
 * the other direction writes to it, and what the flow makes of it.
 */
enum act {
    ACT_NONE,
    ACT_DATA,       /* 1000 bytes */
    ACT_FIN,        /* shutdown(SHUT_WR) */
    ACT_CLOSE,      /* close with nothing unread: a FIN, and resets for what comes later */
    ACT_RESET,      /* a reset now */
    ACT_UNREAD,     /* the relay writes a byte to it first, which it never reads */
    ACT_OWN_FIN,    /* the relay has passed an end on to it */
    ACT_SEND,       /* the other flow writes to the source after all that */
    ACT_SEND_TWICE, /* the same, and again when the answer to the first has come */
};

static const struct row {
    const char *situation;
    enum act acts[4];
    uint64_t delivered;
    enum flow_state state;
    int error; /* of the source */
} rows[] = {
    {"peer FIN", {ACT_FIN}, 0, FLOW_ENDED, 0},
    {"data, FIN", {ACT_DATA, ACT_FIN}, 1000, FLOW_ENDED, 0},
    {"data, close", {ACT_DATA, ACT_CLOSE}, 1000, FLOW_ENDED, 0},
    {"we shut down, peer open", {ACT_OWN_FIN}, 0, FLOW_OPEN, 0},
    {"both FINed", {ACT_OWN_FIN, ACT_FIN}, 0, FLOW_ENDED, 0},
    {"RST, idle", {ACT_RESET}, 0, FLOW_BROKEN, ECONNRESET},
    {"RST after our FIN", {ACT_OWN_FIN, ACT_RESET}, 0, FLOW_BROKEN, ECONNRESET},
    {"data, then RST", {ACT_DATA, ACT_RESET}, 1000, FLOW_BROKEN, ECONNRESET},
    {"RST; we send first", {ACT_RESET, ACT_SEND}, 0, FLOW_BROKEN, ECONNRESET},
    {"data, RST; we send first", {ACT_DATA, ACT_RESET, ACT_SEND}, 1000, FLOW_BROKEN, ECONNRESET},
    {"data, FIN, then RST", {ACT_DATA, ACT_FIN, ACT_RESET}, 1000, FLOW_ENDED, 0},
    {"data, FIN, then RST; we send first",
     {ACT_DATA, ACT_FIN, ACT_RESET, ACT_SEND},
     1000,
     FLOW_ENDED,
     EPIPE},
    {"peer closed, we send, RST returns",
     {ACT_DATA, ACT_CLOSE, ACT_SEND_TWICE},
     1000,
     FLOW_ENDED,
     EPIPE},
    {"peer closed with our bytes unread",
     {ACT_UNREAD, ACT_DATA, ACT_CLOSE},
     1000,
     FLOW_BROKEN,
     ECONNRESET},
};

static void write_to_source(struct line *line)
{
    size_t moved;

    conn_ops(&line->source)->write(&line->source, "x", 1, &moved);
}

static void play(struct line *line, enum act act)
{
    switch (act) {
    case ACT_NONE:
        return;
    case ACT_DATA:
        peer_send(line->sender, 0, 1000);
        peer_wait_acknowledged(line->sender);
        return;
    case ACT_FIN:
        shutdown(line->sender, SHUT_WR);
        peer_poll(line->source.fd, POLLRDHUP, TCP_PAIR_DEADLINE_MS);
        return;
    case ACT_CLOSE:
        peer_close(&line->sender);
        peer_poll(line->source.fd, POLLRDHUP, TCP_PAIR_DEADLINE_MS);
        return;
    case ACT_RESET:
        peer_reset(&line->sender);
        while ((peer_poll(line->source.fd, POLLRDHUP, TCP_PAIR_DEADLINE_MS) & POLLERR) == 0)
            continue;
        return;
    case ACT_UNREAD:
        write_to_source(line);
        peer_wait_acknowledged(line->source.fd);
        return;
    case ACT_OWN_FIN:
        conn_ops(&line->source)->shutdown_write(&line->source);
        return;
    case ACT_SEND:
        write_to_source(line);
        return;
    case ACT_SEND_TWICE:
        write_to_source(line);
        while ((peer_poll(line->source.fd, POLLRDHUP, TCP_PAIR_DEADLINE_MS) & POLLERR) == 0)
            continue;
        write_to_source(line);
        return;
    }
}

static void check_row(const struct row *row, enum flow_method method)
{
    struct line line;

    line_open(&line, method);
    for (size_t i = 0; i < ARRAY_LENGTH(row->acts); i++)
        play(&line, row->acts[i]);
    /* Each event of the real loop would say at least this. */
    line.source.ready_in = true;
    line.source.hup_in = row->state != FLOW_OPEN;
    pump(&line);
    if (line.flow.state != row->state || line.flow.delivered != row->delivered ||
        line.source.error != row->error)
        fail_msg("%s (%s): state %d, delivered %d, error %d", row->situation,
                 method == FLOW_COPY ? "copy" : "splice", line.flow.state, (int)line.flow.delivered,
                 line.source.error);
    if (row->state == FLOW_BROKEN)
        assert_int_equal(line.flow.culprit, FLOW_BROKEN_BY_SOURCE);
    receive(&line, 0, row->delivered);
    if (row->state == FLOW_ENDED)
        assert_receiver_sees(&line, PEER_ENDED);
    else
        assert_receiver_sees_nothing(&line);
    assert_int_equal(line.source.eof, row->state == FLOW_ENDED);
    line_close(&line);
}

static void test_flow_takes_a_reset_for_a_reset_and_an_end_for_an_end(void **state)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        FOR_EACH_METHOD(method)
        check_row(&rows[i], method);
    }
}

static void test_flow_is_broken_by_a_destination_that_was_reset(void **state)
{
    struct line line;

    FOR_EACH_METHOD(method)
    {
        line_open(&line, method);
        peer_reset(&line.receiver);
        while ((peer_poll(line.destination.fd, POLLRDHUP, TCP_PAIR_DEADLINE_MS) & POLLERR) == 0)
            continue;
        peer_send(line.sender, 0, 1000);
        settle(&line);
        assert_int_equal(pump(&line), FLOW_WAITS_FOR_NOTHING);
        assert_int_equal(line.flow.state, FLOW_BROKEN);
        assert_int_equal(line.flow.culprit, FLOW_BROKEN_BY_DESTINATION);
        assert_int_equal(line.destination.error, ECONNRESET);
        line_close(&line);
    }
}

static void test_flow_broken_by_its_source_still_delivers_what_it_holds(void **state)
{
    struct line line;

    FOR_EACH_METHOD(method)
    {
        enum peer_end end = PEER_OPEN;
        uint64_t received = 0;
        uint64_t sent;

        line_open_sized(&line, method, 4096, 4096);
        sent = stall(&line);
        peer_reset(&line.sender);
        line.source.hup_in = true;
        for (int i = 0; i < 1000 && received < sent; i++) {
            line.source.ready_in = true;
            line.destination.ready_out = true;
            pump(&line);
            peer_poll(line.receiver, POLLIN, 10);
            received += peer_receive_some(line.receiver, received, sent - received, &end);
        }
        assert_int_equal(received, sent);
        assert_int_equal(line.flow.state, FLOW_BROKEN);
        assert_int_equal(line.flow.culprit, FLOW_BROKEN_BY_SOURCE);
        assert_false(line.destination.fin_out);
        line_close(&line);
    }
}

/* Spilling */

static void test_spill_moves_the_residue_into_a_buffer_and_gives_the_pipe_back(void **state)
{
    struct line line;
    uint64_t sent;
    size_t held;

    line_open_sized(&line, FLOW_SPLICE, 4096, 4096);
    sent = stall(&line);
    assert_non_null(line.flow.pipe);
    assert_true(line.destination.holds_up_pipe);
    assert_true(list_contains_link(&line.destination.recheck));
    held = flow_held(&line.flow);
    flow_spill(&line.flow, &line.world.resources);
    assert_null(line.flow.pipe);
    assert_non_null(line.flow.buffer);
    assert_false(line.destination.holds_up_pipe);
    assert_int_equal(flow_held(&line.flow), held);
    assert_int_equal(counter_get(&line.world.resources.pipes.lent), 0);
    assert_int_equal(counter_get(&line.world.resources.pipes.idle), 1);
    deliver_rest(&line, sent);
    line_close(&line);
}

static void test_spill_without_a_free_buffer_leaves_the_pipe_as_it_is(void **state)
{
    struct line line;
    uint64_t sent;

    line_open_sized(&line, FLOW_SPLICE, 4096, 4096);
    sent = stall(&line);
    line.world.buffers.limit_bytes = 0;
    flow_spill(&line.flow, &line.world.resources);
    assert_non_null(line.flow.pipe);
    assert_null(line.flow.buffer);
    line.world.buffers.limit_bytes = (size_t)64 << 20;
    deliver_rest(&line, sent);
    line_close(&line);
}

static void test_spill_of_a_pipe_larger_than_a_buffer_keeps_the_order(void **state)
{
    struct line line;
    uint64_t sent = 0;

    line_open_sized(&line, FLOW_SPLICE, 4096, 4096);
    line.world.pipes.pipe_bytes = 1 << 20;
    /* Fill the source's socket first, so that one splice brings a lot. */
    for (int i = 0; i < 200; i++) {
        sent += peer_send_some(line.sender, sent, 1 << 20);
        peer_poll(line.sender, POLLOUT, 5);
    }
    line.source.ready_in = true;
    pump(&line);
    assert_non_null(line.flow.pipe);
    flow_spill(&line.flow, &line.world.resources);
    assert_non_null(line.flow.buffer);
    deliver_rest(&line, sent);
    line_close(&line);
}

/* Memory */

static void test_flow_does_not_read_while_buffers_are_spent(void **state)
{
    struct line line;

    line_open(&line, FLOW_COPY);
    line.world.buffers.limit_bytes = 1000;
    peer_send(line.sender, 0, 100);
    settle(&line);
    assert_int_equal(pump(&line), FLOW_WAITS_FOR_BUFFER);
    assert_receiver_sees_nothing(&line);
    line.world.buffers.limit_bytes = (size_t)1 << 20;
    assert_int_equal(pump(&line), FLOW_WAITS_FOR_SOURCE);
    receive(&line, 0, 100);
    line_close(&line);
}

static void test_splicing_goes_on_while_buffers_are_spent(void **state)
{
    struct line line;

    line_open(&line, FLOW_SPLICE);
    line.world.buffers.limit_bytes = 1000;
    peer_send(line.sender, 0, 50000);
    settle(&line);
    pump(&line);
    receive(&line, 0, 50000);
    line.world.buffers.limit_bytes = (size_t)1 << 20;
    line_close(&line);
}

static void test_flow_without_memory_for_a_residue_is_broken_by_memory(void **state)
{
    struct line line;
    uint64_t sent = 0;

    line_open_sized(&line, FLOW_COPY, 4096, 4096);
    calls.malloc_fails = true;
    while (line.flow.state == FLOW_OPEN) {
        sent += peer_send_some(line.sender, sent, 65536);
        line.source.ready_in = true;
        pump(&line);
    }
    calls.malloc_fails = false;
    assert_int_equal(line.flow.state, FLOW_BROKEN);
    assert_int_equal(line.flow.culprit, FLOW_BROKEN_BY_MEMORY);
    assert_int_equal(pump(&line), FLOW_WAITS_FOR_NOTHING);
    line_close(&line);
}

/* Giving up */

static void test_breaking_drops_what_is_held_but_not_an_end_that_was_passed_on(void **state)
{
    struct line line;

    FOR_EACH_METHOD(method)
    {
        line_open_sized(&line, method, 4096, 4096);
        stall(&line);
        flow_break(&line.flow, &line.world.resources, FLOW_BROKEN_BY_DESTINATION);
        assert_int_equal(line.flow.state, FLOW_BROKEN);
        assert_int_equal(flow_held(&line.flow), 0);
        assert_int_equal(pump(&line), FLOW_WAITS_FOR_NOTHING);
        line_close(&line);

        line_open(&line, method);
        shutdown(line.sender, SHUT_WR);
        edge_in(&line);
        pump(&line);
        flow_break(&line.flow, &line.world.resources, FLOW_BROKEN_BY_SOURCE);
        assert_int_equal(line.flow.state, FLOW_ENDED);
        line_close(&line);
    }
}

static void test_releasing_twice_is_harmless(void **state)
{
    struct line line;

    FOR_EACH_METHOD(method)
    {
        line_open_sized(&line, method, 4096, 4096);
        stall(&line);
        flow_release(&line.flow, &line.world.resources);
        flow_release(&line.flow, &line.world.resources);
        assert_int_equal(flow_held(&line.flow), 0);
        line_close(&line);
    }
}

/* ---- what TLS answers, played by a conn that does as it is told --------------------------------
 */

static struct {
    unsigned reads;
    unsigned shutdowns;
    bool has_room; /* for the end */
    bool is_ready; /* a read without a byte leaves the conn ready: there may be more records */
} told;

static enum io_result told_read(struct conn *conn, void *bytes, size_t size, size_t *moved)
{
    (void)bytes;
    (void)size;
    (void)moved;
    told.reads++;
    conn->ready_in = told.is_ready;
    conn->is_drained = !told.is_ready;
    return IO_BLOCKED;
}

static enum io_result told_shutdown_write(struct conn *conn)
{
    told.shutdowns++;
    if (!told.has_room) {
        conn->ready_out = false;
        return IO_BLOCKED;
    }
    return conn_plain_ops.shutdown_write(conn);
}

static void test_end_without_room_starts_the_stall_clock_and_is_tried_again(void **state)
{
    struct conn_ops ops = conn_plain_ops;
    struct conn_method method = {.ops = &ops};
    struct line line;

    (void)state;
    memset(&told, 0, sizeof(told));
    line_open(&line, FLOW_COPY);
    ops.shutdown_write = told_shutdown_write;
    ops.close_ends = false;
    line.destination.method = &method;
    peer_send(line.sender, 0, 100);
    shutdown(line.sender, SHUT_WR);
    settle(&line);
    assert_int_equal(pump(&line), FLOW_WAITS_FOR_DESTINATION);
    assert_int_equal(line.flow.state, FLOW_ENDING);
    assert_int_equal(flow_held(&line.flow), 0);
    assert_int_equal(line.flow.stalled_ms, line.now_ms);
    assert_int_equal(told.shutdowns, 1);
    /* No try without an event, and the clock goes on. */
    line.now_ms += 500;
    assert_int_equal(pump(&line), FLOW_WAITS_FOR_DESTINATION);
    assert_int_equal(told.shutdowns, 1);
    assert_int_equal(line.flow.stalled_ms, line.now_ms - 500);
    told.has_room = true;
    edge_out(&line);
    assert_int_equal(pump(&line), FLOW_WAITS_FOR_NOTHING);
    assert_int_equal(line.flow.state, FLOW_ENDED);
    assert_int_equal(line.flow.stalled_ms, 0);
    receive(&line, 0, 100);
    assert_receiver_sees(&line, PEER_ENDED);
    line_close(&line);
}

static void test_read_that_worked_for_nothing_takes_another_turn(void **state)
{
    struct conn_ops ops = conn_plain_ops;
    struct conn_method method = {.ops = &ops};
    struct line line;

    (void)state;
    memset(&told, 0, sizeof(told));
    line_open(&line, FLOW_COPY);
    ops.read = told_read;
    ops.short_read_empties = false;
    line.source.method = &method;
    told.is_ready = true;
    assert_int_equal(pump(&line), FLOW_WAITS_FOR_TURN);
    assert_int_equal(told.reads, RELAY_ROUNDS);
    assert_false(list_contains_link(&line.source.recheck));
    told.is_ready = false;
    assert_int_equal(pump(&line), FLOW_WAITS_FOR_SOURCE);
    assert_int_equal(told.reads, RELAY_ROUNDS + 1);
    /* Its last recv was short: an end or a reset may hide behind, without another edge. */
    assert_true(list_contains_link(&line.source.recheck));
    line_close(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flow_moves_bytes_and_waits_for_more),
        cmocka_unit_test(test_flow_holds_neither_buffer_nor_pipe_while_idle),
        cmocka_unit_test(test_flow_delivers_every_byte_through_partial_writes),
        cmocka_unit_test(test_flow_delivers_every_byte_while_its_method_flips_at_random),
        cmocka_unit_test(test_flow_stops_reading_while_the_destination_is_full),
        cmocka_unit_test(test_stall_clock_starts_anew_with_each_progress),
        cmocka_unit_test(test_flow_does_not_read_for_a_destination_that_is_not_ready),
        cmocka_unit_test(test_flow_gives_up_its_turn_when_its_rounds_are_spent),
        cmocka_unit_test(test_copying_turns_to_splicing_at_16_kib_per_read),
        cmocka_unit_test(test_four_small_splices_in_a_row_turn_back_to_copying),
        cmocka_unit_test(test_flow_copies_where_splicing_is_not_allowed),
        cmocka_unit_test(test_flow_copies_while_no_pipe_can_be_had),
        cmocka_unit_test(test_flow_copies_for_good_when_the_socket_cannot_be_spliced),
        cmocka_unit_test(test_splice_would_block_is_confirmed_by_a_read),
        cmocka_unit_test(test_splice_of_nothing_is_no_end_before_a_read_confirms_it),
        cmocka_unit_test(test_urgent_byte_keeps_its_place_and_its_flow_copies_from_then_on),
        cmocka_unit_test(test_splice_at_an_urgent_mark_finds_the_byte_by_itself),
        cmocka_unit_test(test_bytes_behind_an_urgent_mark_come_before_the_reset_that_follows_them),
        cmocka_unit_test(test_sixteen_segments_are_not_corked),
        cmocka_unit_test(test_end_is_passed_on_behind_the_data),
        cmocka_unit_test(test_end_waits_until_nothing_is_held),
        cmocka_unit_test(test_end_without_a_byte_is_passed_on),
        cmocka_unit_test(test_flow_takes_a_reset_for_a_reset_and_an_end_for_an_end),
        cmocka_unit_test(test_flow_is_broken_by_a_destination_that_was_reset),
        cmocka_unit_test(test_flow_broken_by_its_source_still_delivers_what_it_holds),
        cmocka_unit_test(test_spill_moves_the_residue_into_a_buffer_and_gives_the_pipe_back),
        cmocka_unit_test(test_spill_without_a_free_buffer_leaves_the_pipe_as_it_is),
        cmocka_unit_test(test_spill_of_a_pipe_larger_than_a_buffer_keeps_the_order),
        cmocka_unit_test(test_flow_does_not_read_while_buffers_are_spent),
        cmocka_unit_test(test_splicing_goes_on_while_buffers_are_spent),
        cmocka_unit_test(test_flow_without_memory_for_a_residue_is_broken_by_memory),
        cmocka_unit_test(test_breaking_drops_what_is_held_but_not_an_end_that_was_passed_on),
        cmocka_unit_test(test_releasing_twice_is_harmless),
        cmocka_unit_test(test_end_without_room_starts_the_stall_clock_and_is_tried_again),
        cmocka_unit_test(test_read_that_worked_for_nothing_takes_another_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
