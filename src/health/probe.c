/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.c - the phases of a check.
 *
 * Every event ends in run(), which goes on until something would block. The verdict is told at the
 * end of the turn: whoever hears it may start the next check or release the probe.
 */
#include "health/probe.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "core/fault.h"
#include "core/text.h"
#include "net/proxy_header.h"
#include "net/socket.h"
#include "net/source_address.h"
#include "tls/tls_conn.h"

/* Source addresses tried for one connect, as sessions do. */
#define SOURCES_TRIED 3

/* I/O calls of one check: more is a server that does nothing but keep us busy. */
#define TURNS_MAX 1000

/* How long, and over how many bytes, the server's end is waited for. */
#define LEAVING_MS 1000
#define LEAVING_TURNS 32

static_assert(EXCHANGE_ANSWER_BYTES <= EXCHANGE_OPENING_BYTES, "one buffer serves both");

const char *probe_outcome_word(enum probe_outcome outcome)
{
    static const char *const words[PROBE_OUTCOMES] = {
        [PROBE_OK] = "ok",
        [PROBE_REFUSED] = "refused",
        [PROBE_TIMED_OUT] = "timeout",
        [PROBE_UNREACHABLE] = "unreachable",
        [PROBE_RESET] = "reset",
        [PROBE_TLS_FAILED] = "tls",
        [PROBE_BAD_ANSWER] = "answer",
        [PROBE_LOCAL] = "local",
    };

    return words[outcome];
}

/* ---- verdicts ---------------------------------------------------------------------------------
 */

static struct text begin_verdict(struct probe *probe, enum probe_outcome outcome)
{
    probe->result.outcome = outcome;
    probe->result.duration_us = clock_now_us() - probe->started_us;
    probe->has_verdict = true;
    probe->owes_done = true;
    return text_over(probe->result.cause, sizeof(probe->result.cause));
}

/* The end of all: nothing of the connection stays. */
static void become_idle(struct probe *probe)
{
    event_del(&probe->timer);
    if (probe->options != NULL && probe->options->resets)
        conn_reset(&probe->conn);
    else
        conn_close(&probe->conn);
    descriptor_reserve_fill(probe->reserve);
    free(probe->buffer);
    probe->buffer = NULL;
    probe->options = NULL;
    probe->phase = PROBE_IDLE;
}

/* What the machine or its configuration is short of is not the server's fault. */
static bool is_local_error(int error)
{
    return error == EADDRNOTAVAIL || error == EMFILE || error == ENFILE || error == ENOBUFS ||
           error == ENOMEM;
}

static enum probe_outcome outcome_of(int error)
{
    if (is_local_error(error) && !fault_is(FAULT_HEALTH_BLAME_SERVER))
        return PROBE_LOCAL;
    if (error == ECONNREFUSED || error == EAGAIN) /* of a unix socket: its backlog is full */
        return PROBE_REFUSED;
    if (error == ETIMEDOUT)
        return PROBE_TIMED_OUT;
    if (error == ECONNRESET || error == EPIPE)
        return PROBE_RESET;
    return PROBE_UNREACHABLE;
}

static const char *phase_text(enum probe_phase phase)
{
    switch (phase) {
    case PROBE_IDLE:
    case PROBE_CONNECTING:
        return "connect";
    case PROBE_SHAKING:
        return "TLS handshake";
    case PROBE_ANNOUNCING:
    case PROBE_SAYING:
        return "send";
    case PROBE_HEARING:
    case PROBE_ENDING:
    case PROBE_LEAVING:
        break;
    }
    return "answer";
}

/* A call on the socket failed, or the check cannot go on for want of something. */
static void fail_with(struct probe *probe, int error)
{
    struct text cause = begin_verdict(probe, outcome_of(error));

    text_append_format(&cause, "%s: %s", phase_text(probe->phase), strerror(error));
    become_idle(probe);
}

/* The source is at fault, not the server. */
static void fail_source(struct probe *probe, const struct addr *source, int error)
{
    struct text cause = begin_verdict(probe, PROBE_LOCAL);
    char addr[ADDR_TEXT_BYTES];

    text_append_format(&cause, "connect from %s: %s", addr_text(source, addr), strerror(error));
    become_idle(probe);
}

static void fail_tls(struct probe *probe)
{
    enum tls_fault fault = tls_conn_fault(&probe->conn);
    struct text cause;

    if (fault == TLS_FAULT_NONE || fault == TLS_FAULT_MEMORY) {
        fail_with(probe, probe->conn.error);
        return;
    }
    cause = begin_verdict(probe, PROBE_TLS_FAILED);
    text_append(&cause, "TLS: ");
    text_append(&cause, tls_conn_fault_text(&probe->conn));
    become_idle(probe);
}

static void fail_io(struct probe *probe)
{
    if (conn_is_tls(&probe->conn))
        fail_tls(probe);
    else
        fail_with(probe, probe->conn.error);
}

static void arm(struct probe *probe, int64_t delay_ms)
{
    const struct timeval delay = {.tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000};

    event_add(&probe->timer, &delay);
}

/* The verdict is there; the connection ends in its own time. */
static void begin_end(struct probe *probe)
{
    if (probe->options->resets) {
        become_idle(probe);
        return;
    }
    probe->phase = PROBE_ENDING;
    probe->turns = 0;
    arm(probe, probe->options->timeout_ms < LEAVING_MS ? probe->options->timeout_ms : LEAVING_MS);
}

static void succeed(struct probe *probe)
{
    begin_verdict(probe, PROBE_OK);
    begin_end(probe);
}

/* ---- phases: true to go on at once, false to wait for an event --------------------------------
 */

static bool begin_saying(struct probe *probe)
{
    const struct exchange_options *exchange = probe->options->exchange;

    if (exchange->type == EXCHANGE_TCP || exchange->type == EXCHANGE_TLS) {
        succeed(probe);
        return true;
    }
    probe->out = probe->buffer;
    probe->out_left = exchange_open(exchange, probe->target.host, probe->buffer);
    probe->phase = PROBE_SAYING;
    return true;
}

static bool begin_shaking(struct probe *probe, struct tls_profile *profile)
{
    struct conn *conn = &probe->conn;
    const struct tls_target target = {.server_name = probe->target.tls_name,
                                      .session_key = probe->target.session_key};

    if (!tls_conn_start(conn, tls_profile_context(profile, probe->options->tls_slot), &target)) {
        fail_with(probe, ENOMEM);
        return true;
    }
    conn->ready_in = true;
    conn->ready_out = true;
    probe->phase = PROBE_SHAKING;
    return true;
}

static bool connected(struct probe *probe)
{
    static const struct proxy_facts own = {.is_local = true};

    probe->conn.ready_out = true;
    probe->out = probe->buffer;
    probe->out_left = 0;
    if (probe->options->sends_proxy)
        probe->out_left =
            proxy_header_write(SEND_PROXY_V2, &own, probe->buffer, EXCHANGE_OPENING_BYTES);
    probe->phase = PROBE_ANNOUNCING;
    return true;
}

static bool look_at_connect(struct probe *probe)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof(peer);
    int error = 0;

    /* It has a peer: connected, and nothing was consumed to learn it. */
    if (getpeername(probe->conn.fd, (struct sockaddr *)&peer, &length) == 0)
        return connected(probe);
    length = sizeof(error);
    if (getsockopt(probe->conn.fd, SOL_SOCKET, SO_ERROR, &error, &length) == -1)
        error = errno;
    if (error == 0)
        return false; /* not the end of the connect yet */
    fail_with(probe, error);
    return true;
}

/* Sends `out`. IO_MOVED when all of it is with the kernel. */
static enum io_result send_out(struct probe *probe)
{
    while (probe->out_left > 0) {
        size_t moved = 0;
        enum io_result result =
            conn_ops(&probe->conn)->write(&probe->conn, probe->out, probe->out_left, &moved);

        if (result != IO_MOVED)
            return result;
        probe->out += moved;
        probe->out_left -= moved;
    }
    return IO_MOVED;
}

static bool announce(struct probe *probe)
{
    bool wants_tls =
        probe->options->tls != NULL && probe->options->exchange->type != EXCHANGE_TCP &&
        probe->options->exchange->type != EXCHANGE_POSTGRES; /* which asks for it first */

    switch (send_out(probe)) {
    case IO_MOVED:
        return wants_tls ? begin_shaking(probe, probe->options->tls) : begin_saying(probe);
    case IO_BLOCKED:
        return false;
    case IO_ENDED: /* reads only */
    case IO_FAILED:
        break;
    }
    fail_io(probe);
    return true;
}

static bool shake(struct probe *probe)
{
    const struct conn *conn = &probe->conn;

    switch (tls_conn_handshake(&probe->conn)) {
    case IO_MOVED:
        if (probe->options->exchange->type != EXCHANGE_POSTGRES)
            return begin_saying(probe);
        succeed(probe);
        return true;
    case IO_BLOCKED:
        return conn->ready_out && conn->ready_in; /* it has only worked enough for one turn */
    case IO_ENDED:                                /* reads only */
    case IO_FAILED:
        break;
    }
    fail_tls(probe);
    return true;
}

static bool say(struct probe *probe)
{
    switch (send_out(probe)) {
    case IO_MOVED:
        probe->phase = PROBE_HEARING;
        return true;
    case IO_BLOCKED:
        return false;
    case IO_ENDED: /* reads only */
    case IO_FAILED:
        break;
    }
    fail_io(probe);
    return true;
}

static bool begin_offered_tls(struct probe *probe)
{
    struct tls_profile *profile =
        probe->options->tls != NULL ? probe->options->tls : probe->options->any_tls;

    if (profile != NULL && probe->heard == 1)
        return begin_shaking(probe, profile);
    /* Bytes behind the offer that no handshake asked for are not TLS. */
    if (profile == NULL) {
        succeed(probe);
    } else {
        struct text cause = begin_verdict(probe, PROBE_BAD_ANSWER);

        text_append(&cause, "unencrypted bytes behind the offer of TLS");
        begin_end(probe);
    }
    return true;
}

static bool judge(struct probe *probe, bool is_ended)
{
    char memory[PROBE_CAUSE_BYTES];
    struct text why = text_over(memory, sizeof(memory));
    struct text cause;

    switch (exchange_judge(probe->options->exchange, probe->buffer, probe->heard, is_ended, &why)) {
    case EXCHANGE_WANTS_MORE:
        return true;
    case EXCHANGE_WANTS_TLS:
        return begin_offered_tls(probe);
    case EXCHANGE_GOOD:
        if (probe->options->exchange->type == EXCHANGE_POSTGRES && probe->options->tls != NULL &&
            probe->buffer[0] == 'N') {
            cause = begin_verdict(probe, PROBE_TLS_FAILED);
            text_append(&cause, "TLS: the server does not offer it");
            begin_end(probe);
            return true;
        }
        succeed(probe);
        return true;
    case EXCHANGE_BAD:
        break;
    }
    cause = begin_verdict(probe, PROBE_BAD_ANSWER);
    text_append(&cause, memory);
    begin_end(probe);
    return true;
}

static bool hear(struct probe *probe)
{
    size_t moved = 0;

    switch (conn_ops(&probe->conn)
                ->read(&probe->conn, probe->buffer + probe->heard,
                       EXCHANGE_ANSWER_BYTES - probe->heard, &moved)) {
    case IO_MOVED:
        probe->heard += moved;
        return judge(probe, false);
    case IO_ENDED:
        return judge(probe, true);
    case IO_BLOCKED:
        return probe->conn.ready_in;
    case IO_FAILED:
        break;
    }
    fail_io(probe);
    return true;
}

static bool pass_end_on(struct probe *probe)
{
    switch (conn_ops(&probe->conn)->shutdown_write(&probe->conn)) {
    case IO_MOVED:
        probe->phase = PROBE_LEAVING;
        return true;
    case IO_BLOCKED:
        return false;
    case IO_ENDED: /* reads only */
    case IO_FAILED:
        break;
    }
    become_idle(probe);
    return true;
}

static bool leave(struct probe *probe)
{
    size_t moved = 0;

    if (probe->turns < LEAVING_TURNS) {
        switch (conn_ops(&probe->conn)
                    ->read(&probe->conn, probe->buffer, EXCHANGE_ANSWER_BYTES, &moved)) {
        case IO_MOVED:
            return true;
        case IO_BLOCKED:
            return probe->conn.ready_in;
        case IO_ENDED:
        case IO_FAILED:
            break;
        }
    }
    become_idle(probe);
    return true;
}

static bool step(struct probe *probe)
{
    switch (probe->phase) {
    case PROBE_IDLE:
        return false;
    case PROBE_CONNECTING:
        return look_at_connect(probe);
    case PROBE_ANNOUNCING:
        return announce(probe);
    case PROBE_SHAKING:
        return shake(probe);
    case PROBE_SAYING:
        return say(probe);
    case PROBE_HEARING:
        return hear(probe);
    case PROBE_ENDING:
        return pass_end_on(probe);
    case PROBE_LEAVING:
        return leave(probe);
    }
    return false;
}

static void run(struct probe *probe)
{
    while (step(probe)) {
        struct text cause;

        if (++probe->turns < TURNS_MAX)
            continue;
        if (!probe->has_verdict) {
            cause = begin_verdict(probe, PROBE_BAD_ANSWER);
            text_append(&cause, "no end of the exchange");
        }
        become_idle(probe);
    }
    if (probe->owes_done) {
        probe->owes_done = false;
        probe->done(probe->argument, &probe->result);
    }
}

/* ---- events -----------------------------------------------------------------------------------
 */

static void on_socket(evutil_socket_t fd, short what, void *argument)
{
    struct probe *probe = argument;

    (void)fd;
    conn_note_event(&probe->conn, what);
    run(probe);
}

static void on_timeout(evutil_socket_t fd, short what, void *argument)
{
    struct probe *probe = argument;

    (void)fd;
    (void)what;
    if (!probe->has_verdict) {
        struct text cause = begin_verdict(probe, PROBE_TIMED_OUT);

        text_append_format(&cause, "%s timeout after %g s", phase_text(probe->phase),
                           (double)probe->options->timeout_ms / 1000);
    }
    become_idle(probe);
    run(probe);
}

/* ---- start and stop ---------------------------------------------------------------------------
 */

void probe_init(struct probe *probe, struct event_base *base, struct descriptor_reserve *reserve,
                probe_done done, void *argument)
{
    *probe = (struct probe){
        .base = base, .reserve = reserve, .done = done, .argument = argument, .phase = PROBE_IDLE};
    conn_init(&probe->conn);
    (void)evtimer_assign(&probe->timer, base, on_timeout, probe);
}

void probe_release(struct probe *probe)
{
    if (probe->phase != PROBE_IDLE)
        become_idle(probe);
    probe->owes_done = false;
}

bool probe_is_busy(const struct probe *probe)
{
    return probe->phase != PROBE_IDLE && !probe->has_verdict;
}

/* A socket for the target, -1 with errno. */
static int open_socket(struct probe *probe)
{
    static const struct socket_options plain = {.nodelay = true};
    int fd = socket_open(&probe->target.addr, &plain);

    if (fd == -1 && (errno == EMFILE || errno == ENFILE) && descriptor_reserve_give(probe->reserve))
        fd = socket_open(&probe->target.addr, &plain);
    return fd;
}

/* 0 when it is connected, EINPROGRESS, or the errno; `*is_sources_fault`: the server has no part in
   it. `source` NULL: the kernel chooses. */
static int connect_from(struct probe *probe, const struct addr *source, bool *is_sources_fault)
{
    const struct addr *to = &probe->target.addr;
    int fd = open_socket(probe);
    int error;

    *is_sources_fault = false;
    if (fd == -1)
        return errno;
    conn_open(&probe->conn, fd, to->family != AF_UNIX);
    if (source == NULL)
        return socket_connect(fd, to);
    error = source_address_bind(fd, source);
    *is_sources_fault = error != 0;
    if (error == 0)
        error = socket_connect(fd, to);
    /* No port is free; or it does not lead there, as a loopback address to another machine. */
    *is_sources_fault |= error == EADDRNOTAVAIL || error == EINVAL;
    return error;
}

/* From the addresses that sessions leave from, lest a firewall tell the two apart. False after the
   verdict. */
static bool begin_connect(struct probe *probe, bool *is_connected)
{
    const struct probe_target *target = &probe->target;
    const struct addr *source = NULL;
    bool is_sources_fault = true;
    unsigned tries = 0;
    int error = 0;

    do {
        if (tries > 0)
            conn_reset(&probe->conn);
        if (target->source_count > 0)
            source = &target->sources[(probe->starts + tries) % target->source_count];
        error = connect_from(probe, source, &is_sources_fault);
        tries++;
    } while (is_sources_fault && tries < target->source_count && tries < SOURCES_TRIED);
    probe->starts++;
    *is_connected = error == 0;
    if (error == 0 || error == EINPROGRESS)
        return true;
    if (is_sources_fault)
        fail_source(probe, source, error);
    else
        fail_with(probe, error);
    return false;
}

void probe_start(struct probe *probe, const struct probe_options *options,
                 const struct probe_target *target)
{
    bool is_connected;

    assert(!probe_is_busy(probe));
    probe_release(probe);
    probe->options = options;
    probe->target = *target;
    probe->started_us = clock_now_us();
    probe->phase = PROBE_CONNECTING;
    probe->turns = 0;
    probe->heard = 0;
    probe->has_verdict = false;
    probe->buffer = malloc(EXCHANGE_OPENING_BYTES);
    if (probe->buffer == NULL) {
        fail_with(probe, ENOMEM);
    } else if (begin_connect(probe, &is_connected)) {
        if (!conn_watch(&probe->conn, probe->base, on_socket, probe)) {
            fail_with(probe, ENOMEM);
        } else {
            arm(probe, options->timeout_ms);
            if (!is_connected)
                return; /* the socket's event tells */
            connected(probe);
        }
    }
    run(probe);
}
