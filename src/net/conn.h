/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn.h - one socket of a session, with its I/O method and what is known of its readiness.
 *
 * A conn is embedded in its session and owned by one worker. Its event is edge-triggered, added
 * once and never modified (data path rule: readiness is remembered in `ready_in` and `ready_out`,
 * set by events and cleared by a call that would block). `error` is sticky: the first errno that
 * any call on the socket returned. It decides whether a read of 0 is a clean end: after EPIPE it
 * is (the reset came behind an in-order FIN), after anything else it is not.
 */
#ifndef CULVERT_NET_CONN_H
#define CULVERT_NET_CONN_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "core/list.h"

struct conn;
struct pipe;

/* What an I/O call came to. */
enum io_result {
    IO_MOVED,   /* some bytes moved */
    IO_BLOCKED, /* nothing moved: wait for an edge */
    IO_ENDED,   /* reads only: the stream ended cleanly */
    IO_FAILED,  /* the connection is broken; conn->error says how */
};

/*
 * The one seam between plain sockets and TLS. Reads and writes never block, set `*moved` on
 * IO_MOVED only, retry EINTR themselves and clear ready_in or ready_out when they would block. A
 * read may answer IO_BLOCKED with ready_in set: it has worked enough for one turn without a byte to
 * show for it (TLS records without data).
 */
struct conn_ops {
    enum io_result (*read)(struct conn *conn, void *bytes, size_t size, size_t *moved);
    enum io_result (*write)(struct conn *conn, const void *bytes, size_t size, size_t *moved);
    /* Passes the end of the stream on: IO_MOVED when done, IO_BLOCKED, IO_FAILED. */
    enum io_result (*shutdown_write)(struct conn *conn);
    /* Frees what the method keeps, before the socket is closed; NULL: nothing. */
    void (*release)(struct conn *conn, bool is_reset);
    bool may_splice;         /* the descriptor may be handed to splice(2) */
    bool close_ends;         /* close(2) passes the end on, too */
    bool short_read_empties; /* a short read has emptied the socket, as a rule */
};

/* The head of what a method keeps for a conn. */
struct conn_method {
    const struct conn_ops *ops;
};

struct conn {
    struct event event;
    struct conn_method *method; /* NULL: a plain socket; freed by its `release` */
    struct list_link recheck;   /* in the worker's recheck list: see relay_recheck() */
    int fd;                     /* -1 when closed */
    int16_t error;              /* sticky errno, 0 = none */
    bool is_watched : 1;        /* the event is added */
    bool is_tcp : 1;            /* has a reset and SIOCOUTQ; unix sockets do not */
    bool ready_in : 1;
    bool ready_out : 1;
    bool hup_in : 1;        /* the peer's end was announced: read until 0 */
    bool urgent : 1;        /* bytes were found behind an urgent mark: copy, read until blocked */
    bool eof : 1;           /* the clean end was read */
    bool fin_out : 1;       /* our end was passed on */
    bool holds_up_pipe : 1; /* a pipe's residue waits for it: see flow_spill() */
    bool moved_in : 1;      /* bytes were read since the last read event */
    bool was_active : 1;    /* an event came since the worker's last tick */
    bool is_drained : 1;    /* TLS: the last recv was short, so the next would bring nothing */
    bool write_wants_read : 1; /* TLS: a write goes on when there is something to read */
    bool read_wants_write : 1; /* TLS: a read goes on when there is room to write */
};

/* Plain sockets. */
extern const struct conn_ops conn_plain_ops;

static inline const struct conn_ops *conn_ops(const struct conn *conn)
{
    return conn->method == NULL ? &conn_plain_ops : conn->method->ops;
}

/* An empty conn: fd -1, nothing known. */
void conn_init(struct conn *conn);

/* Gives the conn an open, non-blocking socket; the conn owns it from here on. */
void conn_open(struct conn *conn, int fd, bool is_tcp);

/*
 * Watches the socket: edge-triggered read, write and closed events to `callback(fd, what,
 * argument)`. What is already there is reported, too. False without memory or epoll space.
 */
bool conn_watch(struct conn *conn, struct event_base *base, event_callback_fn callback,
                void *argument) CULVERT_MUST_CHECK;

/* The one place where an event (EV_READ, EV_WRITE, EV_CLOSED) becomes what is known of a conn. */
void conn_note_event(struct conn *conn, short what);

/* The next read looks at the socket, whatever earlier ones found. */
void conn_look_again(struct conn *conn);

/* Closes the socket and stops watching. Harmless when closed already. */
void conn_close(struct conn *conn);

/* The same with a reset, where the family has one (unix: a plain close). */
void conn_reset(struct conn *conn);

/* Remembers the first errno of the socket. */
void conn_fail(struct conn *conn, int error);

/* What recv(2)/splice(2) returning 0 means now: IO_ENDED (and eof is set) or IO_FAILED. */
enum io_result conn_end(struct conn *conn);

/*
 * Whether the next byte to read is the one behind an urgent mark (sockatmark(3)), where a short
 * read and splice(2) stop although the socket is not empty. Sets `urgent`.
 */
void conn_look_for_mark(struct conn *conn);

/*
 * Looks at the socket without consuming anything (poll(2), POLLRDHUP|POLLPRI): sets hup_in. True
 * when it carries an error, whose errno only a read or write will tell, or one is remembered.
 */
bool conn_peek_error(struct conn *conn);

#endif
