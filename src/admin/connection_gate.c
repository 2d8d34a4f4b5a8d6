/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection_gate.c - places, deadlines and the sweep that looks after both.
 */
#include "admin/connection_gate.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/clock.h"

/* While connections are open: often enough that a freed place is soon taken again. */
#define SWEEP_MS 100

/* More input than any request may have stays in the socket. */
#define INPUT_BYTES (128 * 1024)

#define ACCEPT_PAUSE_MS 100

/* All open gates of the control thread: a listener's error callback gets evhttp's argument, so the
   gate is found by the listener. */
static struct connection_gate *open_gates;

/* bufferevent_free(3) clears the callbacks; evhttp always has an event callback before it. */
static bool is_freed(struct bufferevent *connection)
{
    bufferevent_event_cb on_event;

    bufferevent_getcb(connection, NULL, NULL, &on_event, NULL);
    return on_event == NULL;
}

static void set_paused(struct connection_gate *gate, bool is_paused)
{
    if (is_paused == gate->is_paused)
        return;
    gate->is_paused = is_paused;
    for (unsigned i = 0; i < gate->listener_count; i++) {
        if (is_paused)
            evconnlistener_disable(gate->listeners[i]);
        else
            evconnlistener_enable(gate->listeners[i]);
    }
}

static void leave(struct gate_place *place)
{
    bufferevent_decref(place->connection);
    place->connection = NULL;
}

unsigned connection_gate_taken(struct connection_gate *gate)
{
    unsigned taken = 0;

    for (unsigned i = 0; i < gate->limit; i++) {
        struct gate_place *place = &gate->places[i];

        if (place->connection != NULL && is_freed(place->connection))
            leave(place);
        if (place->connection != NULL)
            taken++;
    }
    return taken;
}

static void plan_sweep(struct connection_gate *gate)
{
    const struct timeval soon = {0, SWEEP_MS * 1000};

    if (!event_pending(gate->sweep, EV_TIMEOUT, NULL))
        event_add(gate->sweep, &soon);
}

static bool is_overdue(const struct connection_gate *gate, const struct gate_place *place,
                       bool is_pressed, int64_t now_ms)
{
    int64_t time_ms = gate->time_ms;

    if (is_pressed && !place->is_complete && time_ms > GATE_PRESSED_MS)
        time_ms = GATE_PRESSED_MS;
    return now_ms - place->since_ms >= time_ms;
}

static void on_sweep(evutil_socket_t fd, short events, void *argument)
{
    struct connection_gate *gate = argument;
    int64_t now_ms = clock_now_ms();
    unsigned taken = connection_gate_taken(gate);
    bool is_full = taken >= gate->limit;

    (void)fd;
    (void)events;
    for (unsigned i = 0; i < gate->limit; i++) {
        struct gate_place *place = &gate->places[i];

        /* evhttp sees an end of stream (or, while it writes, EPIPE) and frees the connection. */
        if (place->connection != NULL && is_overdue(gate, place, is_full, now_ms))
            shutdown(bufferevent_getfd(place->connection), SHUT_RDWR);
    }
    set_paused(gate, is_full || now_ms < gate->retry_ms);
    if (taken > 0 || gate->is_paused)
        plan_sweep(gate);
}

/* evhttp asks for the bufferevent of a connection it has accepted. */
static struct bufferevent *on_connection(struct event_base *base, void *argument)
{
    struct connection_gate *gate = argument;
    struct gate_place *place = NULL;
    struct bufferevent *connection;
    unsigned taken = connection_gate_taken(gate);

    for (unsigned i = 0; i < gate->limit; i++) {
        if (gate->places[i].connection == NULL)
            place = &gate->places[i];
    }
    assert(place != NULL); /* the listeners are disabled with the last place */
    /* With CLOSE_ON_FREE the socket stays open until the gate, too, has let go: a bufferevent
       must not watch a descriptor that means something else by now. */
    connection = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (connection == NULL)
        return NULL; /* evhttp tries itself, fails, and closes the connection */
    bufferevent_setwatermark(connection, EV_READ, 0, INPUT_BYTES);
    bufferevent_incref(connection);
    place->connection = connection;
    place->since_ms = clock_now_ms();
    place->is_complete = false;
    if (taken + 1 >= gate->limit)
        set_paused(gate, true);
    plan_sweep(gate);
    return connection;
}

/* Out of descriptors or memory: the connection stays in the queue, and so the listener stays
   readable. */
static void on_accept_failed(struct evconnlistener *listener, void *unused)
{
    (void)unused;
    for (struct connection_gate *gate = open_gates; gate != NULL; gate = gate->next) {
        for (unsigned i = 0; i < gate->listener_count; i++) {
            if (gate->listeners[i] == listener) {
                gate->retry_ms = clock_now_ms() + ACCEPT_PAUSE_MS;
                set_paused(gate, true);
                plan_sweep(gate);
            }
        }
    }
}

bool connection_gate_open(struct connection_gate *gate, struct event_base *base,
                          struct evhttp *http, unsigned limit, int64_t time_ms)
{
    assert(limit >= 1 && limit <= GATE_PLACES);
    memset(gate, 0, sizeof(*gate));
    gate->limit = limit;
    gate->time_ms = time_ms;
    gate->sweep = evtimer_new(base, on_sweep, gate);
    if (gate->sweep == NULL)
        return false;
    evhttp_set_bevcb(http, on_connection, gate);
    gate->next = open_gates;
    open_gates = gate;
    return true;
}

bool connection_gate_add(struct connection_gate *gate, struct evconnlistener *listener)
{
    struct evconnlistener **more =
        realloc(gate->listeners, (gate->listener_count + 1) * sizeof(struct evconnlistener *));

    if (more == NULL)
        return false;
    gate->listeners = more;
    gate->listeners[gate->listener_count++] = listener;
    evconnlistener_set_error_cb(listener, on_accept_failed);
    return true;
}

void connection_gate_complete(struct connection_gate *gate, struct bufferevent *connection)
{
    for (unsigned i = 0; i < gate->limit; i++) {
        if (gate->places[i].connection == connection) {
            gate->places[i].since_ms = clock_now_ms();
            gate->places[i].is_complete = true;
        }
    }
}

void connection_gate_sweep_soon(struct connection_gate *gate)
{
    event_active(gate->sweep, EV_TIMEOUT, 0);
}

void connection_gate_close(struct connection_gate *gate)
{
    for (unsigned i = 0; i < gate->limit; i++) {
        if (gate->places[i].connection != NULL)
            leave(&gate->places[i]);
    }
    for (struct connection_gate **link = &open_gates; *link != NULL; link = &(*link)->next) {
        if (*link == gate) {
            *link = gate->next;
            break;
        }
    }
    if (gate->sweep != NULL)
        event_free(gate->sweep);
    free(gate->listeners);
    memset(gate, 0, sizeof(*gate));
}
