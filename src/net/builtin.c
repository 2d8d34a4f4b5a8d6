/* SPDX-License-Identifier: Apache-2.0 */
/*
 * builtin.c - echo, discard and chargen behind a socketpair.
 *
 * Plain level-triggered events: a connection waits to read, or, while something is held back, to
 * write. So a relay that stops reading is not read from, and nothing is polled in vain.
 */
#include "net/builtin.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Most bytes read or written at once, and the most a connection holds back. */
#define CHUNK_BYTES 16384

/* Rounds per event; then the other events of the worker have their turn. */
#define ROUNDS_PER_EVENT 8

/* RFC 864: lines of 72 of the 95 printing characters, each line starting one further. */
#define PRINTING 95
#define LINE_CHARACTERS 72
#define LINE_BYTES (LINE_CHARACTERS + 2)
#define PATTERN_BYTES (PRINTING * LINE_BYTES)

struct builtin_connection {
    struct list_link link; /* in services->connections */
    struct builtin_services *services;
    struct event event;
    int fd;
    enum builtin_service service;
    short interest;      /* EV_READ, EV_WRITE or both: what the event waits for */
    bool has_ended;      /* chargen: no more input comes */
    unsigned position;   /* chargen: where in the pattern the next byte is */
    unsigned char *held; /* echo: read, but not sent back yet; NULL while nothing is */
    size_t held_start;
    size_t held_end;
};

/* What became of a connection in one event. */
enum outcome { GOES_ON, IS_OVER };

static void connection_close(struct builtin_connection *connection)
{
    event_del(&connection->event);
    close(connection->fd);
    list_remove(&connection->link);
    free(connection->held);
    free(connection);
}

static void on_event(evutil_socket_t fd, short what, void *argument);

/* Waits for something else from now on. */
static enum outcome connection_wait(struct builtin_connection *connection, short interest)
{
    if (connection->interest == interest)
        return GOES_ON;
    if (connection->interest != 0)
        event_del(&connection->event);
    connection->interest = interest;
    event_assign(&connection->event, connection->services->base, connection->fd,
                 (short)(interest | EV_PERSIST), on_event, connection);
    return event_add(&connection->event, NULL) == -1 ? IS_OVER : GOES_ON;
}

static ssize_t receive(int fd, void *bytes, size_t size)
{
    ssize_t received;

    do {
        received = recv(fd, bytes, size, 0);
    } while (received == -1 && errno == EINTR);
    return received;
}

static ssize_t transmit(int fd, const void *bytes, size_t size)
{
    ssize_t sent;

    do {
        sent = send(fd, bytes, size, MSG_NOSIGNAL);
    } while (sent == -1 && errno == EINTR);
    return sent;
}

/* After a call that returned -1. */
static enum outcome blocked_or_broken(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK ? GOES_ON : IS_OVER;
}

/* Reads and throws away; over at the end of the input. */
static enum outcome discard_input(struct builtin_connection *connection)
{
    unsigned char chunk[CHUNK_BYTES];

    for (int round = 0; round < ROUNDS_PER_EVENT; round++) {
        ssize_t received = receive(connection->fd, chunk, sizeof(chunk));

        if (received == -1)
            return blocked_or_broken();
        if (received == 0)
            return IS_OVER;
    }
    return GOES_ON;
}

/* Sends what is held back; GOES_ON with something still held when the peer takes no more. */
static enum outcome echo_held(struct builtin_connection *connection)
{
    while (connection->held != NULL) {
        ssize_t sent = transmit(connection->fd, connection->held + connection->held_start,
                                connection->held_end - connection->held_start);

        if (sent == -1)
            return blocked_or_broken();
        connection->held_start += (size_t)sent;
        if (connection->held_start == connection->held_end) {
            free(connection->held);
            connection->held = NULL;
        }
    }
    return GOES_ON;
}

static enum outcome echo_hold(struct builtin_connection *connection, const unsigned char *bytes,
                              size_t size)
{
    connection->held = malloc(size);
    if (connection->held == NULL)
        return IS_OVER;
    memcpy(connection->held, bytes, size);
    connection->held_start = 0;
    connection->held_end = size;
    return GOES_ON;
}

/* One read and what can be sent of it. `*is_drained`: nothing more to read now. */
static enum outcome echo_round(struct builtin_connection *connection, bool *is_drained)
{
    unsigned char chunk[CHUNK_BYTES];
    ssize_t received = receive(connection->fd, chunk, sizeof(chunk));
    ssize_t sent;

    if (received == -1) {
        *is_drained = true;
        return blocked_or_broken();
    }
    if (received == 0)
        return IS_OVER; /* nothing is held, so all was sent back: closing passes the end on */
    sent = transmit(connection->fd, chunk, (size_t)received);
    if (sent == -1) {
        if (blocked_or_broken() == IS_OVER)
            return IS_OVER;
        sent = 0;
    }
    if (sent < received)
        return echo_hold(connection, chunk + sent, (size_t)(received - sent));
    return GOES_ON;
}

static enum outcome serve_echo(struct builtin_connection *connection)
{
    bool is_drained = false;

    if (echo_held(connection) == IS_OVER)
        return IS_OVER;
    for (int round = 0; round < ROUNDS_PER_EVENT; round++) {
        if (connection->held != NULL || is_drained)
            break;
        if (echo_round(connection, &is_drained) == IS_OVER)
            return IS_OVER;
    }
    return connection_wait(connection, connection->held != NULL ? EV_WRITE : EV_READ);
}

/* Fills the chunk with whole lines from the one that holds the pattern's byte `position`. */
static size_t chargen_fill(unsigned char *chunk, size_t size, unsigned position)
{
    /* All printing characters twice: any line is one piece of it. */
    static const char printing[] =
        " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`"
        "abcdefghijklmnopqrstuvwxyz{|}~"
        " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`"
        "abcdefghijklmnopqrstuvwxyz{|}~";
    unsigned line = position / LINE_BYTES;
    size_t filled = 0;

    static_assert(sizeof(printing) == 2 * PRINTING + 1, "the printing characters of ASCII, twice");
    while (size - filled >= LINE_BYTES) {
        memcpy(chunk + filled, printing + line, LINE_CHARACTERS);
        memcpy(chunk + filled + LINE_CHARACTERS, "\r\n", 2);
        filled += LINE_BYTES;
        line = (line + 1) % PRINTING;
    }
    return filled;
}

static enum outcome chargen_output(struct builtin_connection *connection)
{
    unsigned char chunk[CHUNK_BYTES];

    for (int round = 0; round < ROUNDS_PER_EVENT; round++) {
        size_t filled = chargen_fill(chunk, sizeof(chunk), connection->position);
        size_t skipped = connection->position % LINE_BYTES;
        ssize_t sent = transmit(connection->fd, chunk + skipped, filled - skipped);

        if (sent == -1)
            return blocked_or_broken();
        connection->position = (connection->position + (unsigned)sent) % PATTERN_BYTES;
    }
    return GOES_ON;
}

/* The input is thrown away; its end stops nothing, only a peer that is gone does (RFC 864). */
static enum outcome serve_chargen(struct builtin_connection *connection, short what)
{
    if ((what & EV_READ) != 0 && !connection->has_ended && discard_input(connection) == IS_OVER)
        connection->has_ended = true;
    if ((what & EV_WRITE) != 0 && chargen_output(connection) == IS_OVER)
        return IS_OVER;
    return connection_wait(connection, connection->has_ended ? EV_WRITE : EV_READ | EV_WRITE);
}

static void on_event(evutil_socket_t fd, short what, void *argument)
{
    struct builtin_connection *connection = argument;
    enum outcome outcome = IS_OVER;

    (void)fd;
    switch (connection->service) {
    case BUILTIN_ECHO:
        outcome = serve_echo(connection);
        break;
    case BUILTIN_DISCARD:
        outcome = discard_input(connection);
        break;
    case BUILTIN_CHARGEN:
        outcome = serve_chargen(connection, what);
        break;
    case BUILTIN_NONE:
        break;
    }
    if (outcome == IS_OVER)
        connection_close(connection);
}

void builtin_init(struct builtin_services *services, struct event_base *base)
{
    services->base = base;
    list_init(&services->connections);
}

void builtin_release(struct builtin_services *services)
{
    if (services->base == NULL)
        return;
    while (!list_is_empty(&services->connections))
        connection_close(
            CONTAINER_OF(services->connections.head.next, struct builtin_connection, link));
}

int builtin_connect(struct builtin_services *services, enum builtin_service service)
{
    struct builtin_connection *connection = calloc(1, sizeof(*connection));
    int pair[2];

    if (connection == NULL)
        return -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == -1) {
        free(connection);
        return -1;
    }
    connection->services = services;
    connection->fd = pair[1];
    connection->service = service;
    if (connection_wait(connection, service == BUILTIN_CHARGEN ? EV_READ | EV_WRITE : EV_READ) ==
        IS_OVER) {
        close(pair[0]);
        close(pair[1]);
        free(connection);
        errno = ENOMEM;
        return -1;
    }
    list_append(&services->connections, &connection->link);
    return pair[0];
}

static const char *const words[] = {
    [BUILTIN_NONE] = "",
    [BUILTIN_ECHO] = "echo",
    [BUILTIN_DISCARD] = "discard",
    [BUILTIN_CHARGEN] = "chargen",
};

enum builtin_service builtin_from_word(const char *word)
{
    for (unsigned i = BUILTIN_ECHO; i < ARRAY_LENGTH(words); i++) {
        if (strcmp(word, words[i]) == 0)
            return (enum builtin_service)i;
    }
    return BUILTIN_NONE;
}

const char *builtin_word(enum builtin_service service)
{
    return words[service];
}
